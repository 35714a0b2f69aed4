//! The SQL of clients.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use umbel_schema::{client, vat_check};
use uuid::Uuid;

use super::ClientFilter;
use super::rules::{ClientKind, VatOutcome};
use super::vies::VatAnswer;
use crate::kernel::ids::{ClientId, PersonId};
use crate::kernel::language::Language;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;

/// A client, as one member sees it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = client, check_for_backend(diesel::pg::Pg))]
pub struct ClientRow {
    /// Its id.
    pub id: ClientId,
    /// Whose.
    pub member_id: PersonId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ClientKind,
    /// Where orders and invoices go.
    pub email: String,
    /// What it reads.
    pub language: Language,
    /// Its VAT number, normalised.
    pub vat_number: Option<String>,
    /// Street.
    pub street: String,
    /// Building number.
    pub building_number: String,
    /// Postcode.
    pub postcode: String,
    /// Town.
    pub town: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Its number in the register of enterprises.
    pub enterprise_number: Option<String>,
    /// GS1 location number.
    pub gln: Option<String>,
    /// Where electronic invoices reach it, if not under its registered number: scheme and value.
    pub electronic_address: Option<String>,
    /// Whom to ask.
    pub contact_name: Option<String>,
    /// At which telephone number.
    pub contact_phone: Option<String>,
    /// Its documents carry their labels in this language too.
    pub second_language: Option<Language>,
    /// When it was put away.
    pub archived_at: Option<DateTime<Utc>>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// What a member says about a client.
#[derive(Debug, Clone, Insertable, AsChangeset)]
#[diesel(table_name = client, treat_none_as_null = true)]
pub struct ClientDetails {
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: ClientKind,
    /// Where orders and invoices go.
    pub email: String,
    /// What it reads.
    pub language: Language,
    /// VAT number.
    pub vat_number: Option<String>,
    /// Street.
    pub street: String,
    /// Building number.
    pub building_number: String,
    /// Postcode.
    pub postcode: String,
    /// Town.
    pub town: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Its number in the register of enterprises.
    pub enterprise_number: Option<String>,
    /// GS1 location number.
    pub gln: Option<String>,
    /// Where electronic invoices reach it, if not under its registered number: scheme and value.
    pub electronic_address: Option<String>,
    /// Whom to ask.
    pub contact_name: Option<String>,
    /// At which telephone number.
    pub contact_phone: Option<String>,
    /// Its documents carry their labels in this language too.
    pub second_language: Option<Language>,
}

/// What the VAT registry answered about a client.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = vat_check, check_for_backend(diesel::pg::Pg))]
pub struct VatCheckRow {
    /// The client.
    pub client_id: ClientId,
    /// The number that was asked about.
    pub vat_number: String,
    /// What was answered.
    pub outcome: VatOutcome,
    /// Whose number it is.
    pub registered_name: Option<String>,
    /// Which register answered.
    pub source: String,
    /// The register's own number of the answer.
    pub consultation: Option<String>,
    /// When.
    pub checked_at: DateTime<Utc>,
}

pub(super) fn find(tx: &mut Tx<'_>, id: ClientId) -> Result<ClientRow> {
    let mut query = client::table.find(id).select(ClientRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(client::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: ClientId) -> Result<Locked<ClientRow>> {
    let query = client::table.find(id).select(ClientRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    if tx.only_owner().is_some_and(|owner| owner != row.member_id) {
        return Err(Error::not_found());
    }
    Ok(Locked::new(row))
}

/// A name as the beginning of a pattern, its own special characters taken literally.
fn prefix(name: &str) -> String {
    let literal = name.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("{literal}%")
}

pub(super) fn list(tx: &mut Tx<'_>, filter: &ClientFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<ClientRow>> {
    let mut query = client::table.order(client::id.desc()).limit(limit).select(ClientRow::as_select()).into_boxed();
    if let Some(name) = &filter.name {
        query = query.filter(client::name.ilike(prefix(name.trim())));
    }
    query = if filter.is_archived {
        query.filter(client::archived_at.is_not_null())
    } else {
        query.filter(client::archived_at.is_null())
    };
    if let Some(owner) = tx.only_owner() {
        query = query.filter(client::member_id.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(client::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert(tx: &mut Tx<'_>, id: ClientId, of: PersonId, new: &ClientDetails) -> Result<ClientRow> {
    Ok(diesel::insert_into(client::table)
        .values((client::id.eq(id), client::member_id.eq(of), new))
        .returning(ClientRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save(tx: &mut Tx<'_>, row: &Locked<ClientRow>, details: &ClientDetails) -> Result<ClientRow> {
    Ok(diesel::update(client::table.find(row.id))
        .set(details)
        .returning(ClientRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_archived(tx: &mut Tx<'_>, row: &Locked<ClientRow>, at: Option<DateTime<Utc>>) -> Result<ClientRow> {
    Ok(diesel::update(client::table.find(row.id))
        .set(client::archived_at.eq(at))
        .returning(ClientRow::as_returning())
        .get_result(tx.conn())?)
}

/// The last answer about each of some clients.
pub(super) fn list_last_checks(tx: &mut Tx<'_>, of: &[ClientId]) -> Result<Vec<VatCheckRow>> {
    let mut query = vat_check::table
        .filter(vat_check::client_id.eq_any(of))
        .distinct_on(vat_check::client_id)
        .order((vat_check::client_id.asc(), vat_check::id.desc()))
        .select(VatCheckRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(vat_check::member_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert_check(tx: &mut Tx<'_>, of: &ClientRow, number: &str, answer: &VatAnswer) -> Result<VatCheckRow> {
    Ok(diesel::insert_into(vat_check::table)
        .values((
            vat_check::client_id.eq(of.id),
            vat_check::member_id.eq(of.member_id),
            vat_check::vat_number.eq(number),
            vat_check::outcome.eq(answer.outcome),
            vat_check::registered_name.eq(answer.registered_name.as_deref()),
            vat_check::source.eq(answer.source),
            vat_check::consultation.eq(answer.consultation.as_deref()),
        ))
        .returning(VatCheckRow::as_returning())
        .get_result(tx.conn())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_is_no_pattern() {
        assert_eq!(prefix(r"100%_a\b"), r"100\%\_a\\b%");
    }
}
