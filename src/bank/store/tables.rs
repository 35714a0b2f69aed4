//! The SQL of the profiles of tables.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;
use umbel_schema::bank_csv_profile;
use uuid::Uuid;

use crate::kernel::ids::{BankAccountId, BankCsvProfileId, EntityId, PersonId};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// Which column of a bank's table is what.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = bank_csv_profile, check_for_backend(diesel::pg::Pg))]
pub struct ProfileRow {
    /// Its id.
    pub id: BankCsvProfileId,
    /// Whose account.
    pub entity_id: EntityId,
    /// The account whose tables it describes.
    pub bank_account_id: BankAccountId,
    /// What people call it.
    pub name: String,
    /// The columns, as they are kept.
    pub layout: Value,
    /// Who described it.
    pub created_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

pub(in crate::bank) fn insert_profile(tx: &mut Tx<'_>, row: &ProfileRow) -> Result<()> {
    diesel::insert_into(bank_csv_profile::table).values(row).execute(tx.conn())?;
    Ok(())
}

pub(in crate::bank) fn find_profile(tx: &mut Tx<'_>, id: BankCsvProfileId) -> Result<ProfileRow> {
    Ok(bank_csv_profile::table.find(id).select(ProfileRow::as_select()).first(tx.conn())?)
}

pub(in crate::bank) fn list_profiles(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<ProfileRow>> {
    let mut query = bank_csv_profile::table
        .order(bank_csv_profile::id.desc())
        .limit(limit)
        .select(ProfileRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(bank_csv_profile::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}
