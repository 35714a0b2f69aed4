//! The SQL of the provision.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::max;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Integer, Uuid as SqlUuid};
use serde_json::Value;
use umbel_schema::{provision_bucket, provision_matrix, provision_run};
use uuid::Uuid;

use crate::collection::provision::{Bucket, NewMatrix};
use crate::kernel::ids::{EntityId, PersonId, ProvisionMatrixId, ProvisionRunId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// How doubtful late invoices are, from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = provision_matrix, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct MatrixRow {
    pub id: ProvisionMatrixId,
    pub entity_id: EntityId,
    pub valid_from: NaiveDate,
    pub n: i32,
    pub source: String,
    pub reason: Option<String>,
    pub decided_by: PersonId,
    pub created_at: DateTime<Utc>,
}

/// One age of a matrix: from so many days late, which share in parts per million.
pub(in crate::collection) type BucketRow = (i32, i64);

/// The provision of a month.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = provision_run, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct ProvisionRow {
    pub id: ProvisionRunId,
    pub entity_id: EntityId,
    pub period: String,
    pub reckoned_on: NaiveDate,
    pub matrix_id: ProvisionMatrixId,
    pub currency: Currency,
    pub required_minor: Minor,
    pub previous_minor: Minor,
    pub moved_minor: Minor,
    pub basis: Value,
    pub made_by: PersonId,
    pub created_at: DateTime<Utc>,
}

/// An invoice that was open on a day.
#[derive(Debug, Clone, QueryableByName)]
pub(in crate::collection) struct LateRow {
    #[diesel(sql_type = Integer)]
    pub days: i32,
    #[diesel(sql_type = BigInt)]
    pub open_minor: Minor,
    #[diesel(sql_type = BigInt)]
    pub net_minor: Minor,
    #[diesel(sql_type = BigInt)]
    pub gross_minor: Minor,
}

pub(in crate::collection) fn insert_matrix(tx: &mut Tx<'_>, new: &NewMatrix, by: PersonId) -> Result<MatrixRow> {
    let n: Option<i32> = provision_matrix::table
        .filter(provision_matrix::entity_id.eq(new.entity))
        .filter(provision_matrix::valid_from.eq(new.valid_from))
        .select(max(provision_matrix::n))
        .first(tx.conn())?;
    let before = n.unwrap_or_default();
    super::check_reason(before, new.reason.as_deref())?;
    let row = diesel::insert_into(provision_matrix::table)
        .values((
            provision_matrix::id.eq(new.id),
            provision_matrix::entity_id.eq(new.entity),
            provision_matrix::valid_from.eq(new.valid_from),
            provision_matrix::n.eq(before.saturating_add(1)),
            provision_matrix::source.eq(new.source.trim()),
            provision_matrix::reason.eq(new.reason.as_deref()),
            provision_matrix::decided_by.eq(by),
        ))
        .returning(MatrixRow::as_returning())
        .get_result(tx.conn())?;
    for Bucket { from_days, rate } in &new.buckets {
        diesel::insert_into(provision_bucket::table)
            .values((
                provision_bucket::matrix_id.eq(new.id),
                provision_bucket::from_days.eq(from_days),
                provision_bucket::rate_ppm.eq(rate.0),
            ))
            .execute(tx.conn())?;
    }
    Ok(row)
}

pub(in crate::collection) fn list_matrices(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<MatrixRow>> {
    Ok(provision_matrix::table
        .filter(provision_matrix::entity_id.eq(entity))
        .order((provision_matrix::valid_from.desc(), provision_matrix::n.desc()))
        .select(MatrixRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::collection) fn buckets_of(tx: &mut Tx<'_>, matrix: ProvisionMatrixId) -> Result<Vec<BucketRow>> {
    Ok(provision_bucket::table
        .filter(provision_bucket::matrix_id.eq(matrix))
        .order(provision_bucket::from_days.asc())
        .select((provision_bucket::from_days, provision_bucket::rate_ppm))
        .load(tx.conn())?)
}

/// The matrix that counts on a day.
pub(in crate::collection) fn matrix_on(tx: &mut Tx<'_>, entity: EntityId, on: NaiveDate) -> Result<Option<MatrixRow>> {
    Ok(provision_matrix::table
        .filter(provision_matrix::entity_id.eq(entity))
        .filter(provision_matrix::valid_from.le(on))
        .order((provision_matrix::valid_from.desc(), provision_matrix::n.desc()))
        .select(MatrixRow::as_select())
        .first(tx.conn())
        .optional()?)
}

/// What was open at the end of a day, by the books, with how late it was.
pub(in crate::collection) fn list_late(tx: &mut Tx<'_>, entity: EntityId, on: NaiveDate) -> Result<Vec<LateRow>> {
    Ok(diesel::sql_query(
        "SELECT ($2 - i.due_on) AS days, o.open_minor, i.net_minor, i.gross_minor \
         FROM (SELECT p.invoice_id, sum(p.amount_minor)::bigint AS open_minor FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
               WHERE p.account = 'receivable' AND e.entity_id = $1 AND e.booked_on <= $2 GROUP BY p.invoice_id) o \
         JOIN invoice i ON i.id = o.invoice_id WHERE o.open_minor > 0 AND i.gross_minor > 0 ORDER BY i.due_on, i.id",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Date, _>(on)
    .load(tx.conn())?)
}

pub(in crate::collection) fn run_of(tx: &mut Tx<'_>, entity: EntityId, period: &str) -> Result<Option<ProvisionRow>> {
    Ok(provision_run::table
        .filter(provision_run::entity_id.eq(entity))
        .filter(provision_run::period.eq(period))
        .select(ProvisionRow::as_select())
        .first(tx.conn())
        .optional()?)
}

/// The run before a period.
pub(in crate::collection) fn last_run_before(
    tx: &mut Tx<'_>,
    entity: EntityId,
    period: &str,
) -> Result<Option<ProvisionRow>> {
    Ok(provision_run::table
        .filter(provision_run::entity_id.eq(entity))
        .filter(provision_run::period.lt(period))
        .order(provision_run::period.desc())
        .select(ProvisionRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(in crate::collection) fn insert_run(tx: &mut Tx<'_>, new: &ProvisionRow) -> Result<ProvisionRow> {
    Ok(diesel::insert_into(provision_run::table)
        .values(new)
        .returning(ProvisionRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::collection) fn find_run(tx: &mut Tx<'_>, id: ProvisionRunId) -> Result<ProvisionRow> {
    Ok(provision_run::table.find(id).select(ProvisionRow::as_select()).first(tx.conn())?)
}

pub(in crate::collection) fn list_runs(
    tx: &mut Tx<'_>,
    entity: Option<EntityId>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ProvisionRow>> {
    let mut query = provision_run::table
        .order(provision_run::id.desc())
        .limit(limit)
        .select(ProvisionRow::as_select())
        .into_boxed();
    if let Some(entity) = entity {
        query = query.filter(provision_run::entity_id.eq(entity));
    }
    if let Some(after) = after {
        query = query.filter(provision_run::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}
