//! The SQL of where a person is reached, and was.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use umbel_schema::{contact_change, person};

use crate::kernel::ids::PersonId;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// A telephone number of a person.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = contact_change, check_for_backend(diesel::pg::Pg))]
pub struct ContactRow {
    /// What it is.
    pub value: Option<String>,
    /// Since when.
    pub at: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Address {
    #[diesel(sql_type = Text)]
    value: String,
}

pub(in crate::access) fn set_email(tx: &mut Tx<'_>, id: PersonId, email: &str) -> Result<()> {
    diesel::update(person::table.find(id))
        .set((person::email.eq(email.trim()), person::email_verified_at.eq(None::<DateTime<Utc>>)))
        .execute(tx.conn())?;
    Ok(())
}

pub(in crate::access) fn insert_phone(tx: &mut Tx<'_>, of: PersonId, phone: &str) -> Result<()> {
    diesel::insert_into(contact_change::table)
        .values((contact_change::person_id.eq(of), contact_change::kind.eq("phone"), contact_change::value.eq(phone)))
        .execute(tx.conn())?;
    Ok(())
}

/// What was replaced later than `since`, and what was not replaced.
pub(in crate::access) fn list_addresses(tx: &mut Tx<'_>, of: PersonId, since: DateTime<Utc>) -> Result<Vec<String>> {
    let rows: Vec<Address> = diesel::sql_query(
        "SELECT DISTINCT lower(value) AS value FROM (
             SELECT value, lead(at) OVER (ORDER BY id) AS until FROM contact_change WHERE person_id = $1 AND kind = 'email') c
         WHERE until IS NULL OR until > $2 ORDER BY 1",
    )
    .bind::<SqlUuid, _>(of)
    .bind::<Timestamptz, _>(since)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

pub(in crate::access) fn list_phones(tx: &mut Tx<'_>, of: PersonId) -> Result<Vec<ContactRow>> {
    Ok(contact_change::table
        .filter(contact_change::person_id.eq(of))
        .filter(contact_change::kind.eq("phone"))
        .order(contact_change::id.asc())
        .select(ContactRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::access) fn find_last_change(tx: &mut Tx<'_>, of: PersonId) -> Result<Option<DateTime<Utc>>> {
    Ok(contact_change::table
        .filter(contact_change::person_id.eq(of))
        .filter(contact_change::is_first.eq(false))
        .select(diesel::dsl::max(contact_change::at))
        .first(tx.conn())?)
}
