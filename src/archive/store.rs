//! The SQL of the archive.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use umbel_schema::{archived_file, retention_rule};
use uuid::Uuid;

use super::{Kind, NewFile};
use crate::kernel::ids::{FileId, PersonId};
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::platform::web::Packed;

/// A file with its bytes.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = archived_file, check_for_backend(diesel::pg::Pg))]
pub struct ArchivedFile {
    /// Its id.
    pub id: FileId,
    /// Who may see it beside staff.
    pub owner_id: Option<PersonId>,
    /// What it is.
    pub kind: String,
    /// What it belongs to.
    pub subject_id: Uuid,
    /// What it is called when it is downloaded.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// Its bytes, as they are kept.
    pub bytes: Vec<u8>,
    /// How they are packed.
    pub packing: Option<String>,
    /// When it was kept.
    pub created_at: DateTime<Utc>,
}

/// A file without its bytes.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = archived_file, check_for_backend(diesel::pg::Pg))]
pub struct FileInfo {
    /// Its id.
    pub id: FileId,
    /// What it is.
    pub kind: String,
    /// What it is called when it is downloaded.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// How many bytes it has.
    pub size: i64,
    /// When it was kept.
    pub created_at: DateTime<Utc>,
}

/// A file as the accountant looks after it: what it is, its hash, and until when it must stay.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = archived_file, check_for_backend(diesel::pg::Pg))]
pub struct KeptFile {
    /// Its id.
    pub id: FileId,
    /// What it is.
    pub kind: String,
    /// What it belongs to.
    pub subject_id: Uuid,
    /// What it is called when it is downloaded.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// How many bytes it has.
    pub size: i64,
    /// Why it is kept: the class of the retention rules.
    pub retention_class: String,
    /// The last day on which it must be there.
    pub keep_until: NaiveDate,
    /// When it was kept.
    pub created_at: DateTime<Utc>,
}

/// For how long files of a class must stay, in a country, from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = retention_rule, check_for_backend(diesel::pg::Pg))]
pub struct RetentionRule {
    /// `tax_document`, `accounting`, `pay_account` or `internal`.
    pub class: String,
    /// Whose law it is.
    pub country: String,
    /// For files from this day on.
    pub valid_from: NaiveDate,
    /// Full years, from 1 January after the year of the file.
    pub years: i32,
    /// Where that is written.
    pub source: String,
    /// When somebody should look whether it still is.
    pub needs_review_on: NaiveDate,
}

/// Which files to list.
#[derive(Debug, Clone, Default)]
pub struct KeptFilter {
    /// Of this class alone.
    pub class: Option<String>,
    /// Of this kind alone.
    pub kind: Option<String>,
    /// That need not stay until this day.
    pub keep_until_before: Option<NaiveDate>,
}

/// Files, the last kept first.
pub(super) fn list_kept(
    tx: &mut Tx<'_>,
    filter: &KeptFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<KeptFile>> {
    let mut query =
        archived_file::table.order(archived_file::id.desc()).select(KeptFile::as_select()).limit(limit).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(archived_file::owner_id.eq(owner));
    }
    if let Some(class) = &filter.class {
        query = query.filter(archived_file::retention_class.eq(class.clone()));
    }
    if let Some(kind) = &filter.kind {
        query = query.filter(archived_file::kind.eq(kind.clone()));
    }
    if let Some(day) = filter.keep_until_before {
        query = query.filter(archived_file::keep_until.lt(day));
    }
    if let Some(after) = after {
        query = query.filter(archived_file::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// Every rule, by class and country, the newest first.
pub(super) fn list_retention_rules(tx: &mut Tx<'_>) -> Result<Vec<RetentionRule>> {
    Ok(retention_rule::table
        .order((retention_rule::class.asc(), retention_rule::country.asc(), retention_rule::valid_from.desc()))
        .select(RetentionRule::as_select())
        .load(tx.conn())?)
}

pub(super) fn insert(tx: &mut Tx<'_>, id: FileId, file: &NewFile<'_>, sha256: &[u8]) -> Result<()> {
    diesel::insert_into(archived_file::table)
        .values((
            archived_file::id.eq(id),
            archived_file::owner_id.eq(file.owner),
            archived_file::kind.eq(file.kind.name()),
            archived_file::subject_id.eq(file.subject),
            archived_file::name.eq(file.name),
            archived_file::media_type.eq(file.media_type),
            archived_file::sha256.eq(sha256),
            archived_file::size.eq(i64::try_from(file.bytes.len()).unwrap_or(i64::MAX)),
            archived_file::bytes.eq(file.bytes),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// Keeps a large file packed.
pub(super) fn insert_packed(tx: &mut Tx<'_>, id: FileId, file: &NewFile<'_>, packed: &Packed) -> Result<()> {
    diesel::insert_into(archived_file::table)
        .values((
            archived_file::id.eq(id),
            archived_file::owner_id.eq(file.owner),
            archived_file::kind.eq(file.kind.name()),
            archived_file::subject_id.eq(file.subject),
            archived_file::name.eq(file.name),
            archived_file::media_type.eq(file.media_type),
            archived_file::sha256.eq(packed.sha256().as_slice()),
            archived_file::size.eq(i64::try_from(packed.size()).unwrap_or(i64::MAX)),
            archived_file::bytes.eq(packed.gzip()),
            archived_file::packing.eq("gzip"),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn find(tx: &mut Tx<'_>, id: FileId) -> Result<ArchivedFile> {
    let mut query = archived_file::table.find(id).select(ArchivedFile::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(archived_file::owner_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

/// Without a filter by owner: row-level security says who reads it.
pub(super) fn find_of_kind(tx: &mut Tx<'_>, id: FileId, kind: Kind) -> Result<ArchivedFile> {
    Ok(archived_file::table
        .find(id)
        .filter(archived_file::kind.eq(kind.name()))
        .select(ArchivedFile::as_select())
        .first(tx.conn())?)
}

pub(super) fn find_of(tx: &mut Tx<'_>, subject: Uuid, kind: Kind) -> Result<Option<ArchivedFile>> {
    let mut query = archived_file::table
        .filter(archived_file::subject_id.eq(subject))
        .filter(archived_file::kind.eq(kind.name()))
        .order(archived_file::id.desc())
        .select(ArchivedFile::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(archived_file::owner_id.eq(owner));
    }
    Ok(query.first(tx.conn()).optional()?)
}

pub(super) fn find_shared(tx: &mut Tx<'_>, subject: Uuid, kind: Kind) -> Result<ArchivedFile> {
    Ok(archived_file::table
        .filter(archived_file::subject_id.eq(subject))
        .filter(archived_file::kind.eq(kind.name()))
        .select(ArchivedFile::as_select())
        .first(tx.conn())?)
}

pub(super) fn list_of(tx: &mut Tx<'_>, subject: Uuid) -> Result<Vec<FileInfo>> {
    let mut query = archived_file::table
        .filter(archived_file::subject_id.eq(subject))
        .order(archived_file::id.asc())
        .select(FileInfo::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(archived_file::owner_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}
