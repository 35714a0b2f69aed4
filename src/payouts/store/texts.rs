//! The SQL of what files say of payees.

use diesel::prelude::*;
use umbel_schema::text_in_file;

use crate::kernel::ids::{FileId, PayoutId, PersonId};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// How many rows one statement writes: PostgreSQL takes 65,535 values.
const ROWS_AT_ONCE: usize = 4000;

/// What a file says of a payee, beside what the office knows.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = text_in_file, check_for_backend(diesel::pg::Pg))]
pub struct TextRow {
    /// The sealed file.
    pub file_id: FileId,
    /// The payout.
    pub payout_id: PayoutId,
    /// Who is paid.
    pub member_id: PersonId,
    /// The name of the sealed message.
    pub message_id: String,
    /// The name on the account.
    pub name: String,
    /// As it stands in the file.
    pub name_in_file: String,
    /// The address of the member.
    pub address: String,
    /// As it stands in the file.
    pub address_in_file: String,
    /// What the payee should read.
    pub remittance: String,
    /// As it stands in the file.
    pub remittance_in_file: String,
}

pub(in crate::payouts) fn insert(tx: &mut Tx<'_>, rows: &[TextRow]) -> Result<()> {
    for part in rows.chunks(ROWS_AT_ONCE) {
        diesel::insert_into(text_in_file::table).values(part).execute(tx.conn())?;
    }
    Ok(())
}

pub(in crate::payouts) fn list_of_file(tx: &mut Tx<'_>, file: FileId, payouts: &[PayoutId]) -> Result<Vec<TextRow>> {
    Ok(text_in_file::table
        .filter(text_in_file::file_id.eq(file))
        .filter(text_in_file::payout_id.eq_any(payouts))
        .select(TextRow::as_select())
        .load(tx.conn())?)
}

/// What the files that were sealed with a payout say, the newest first.
pub(in crate::payouts) fn list_of_payout(tx: &mut Tx<'_>, payout: PayoutId) -> Result<Vec<TextRow>> {
    Ok(text_in_file::table
        .filter(text_in_file::payout_id.eq(payout))
        .order((text_in_file::created_at.desc(), text_in_file::message_id.desc()))
        .select(TextRow::as_select())
        .load(tx.conn())?)
}
