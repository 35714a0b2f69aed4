//! The SQL of clients.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use umbel_schema::client;

use super::rules::ClientKind;
use crate::kernel::ids::{ClientId, PersonId};
use crate::kernel::language::Language;
use crate::platform::db::Tx;
use crate::platform::error::Result;

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
    /// When it was put away.
    pub archived_at: Option<DateTime<Utc>>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

pub(super) fn find(tx: &mut Tx<'_>, id: ClientId) -> Result<ClientRow> {
    let mut query = client::table.find(id).select(ClientRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(client::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}
