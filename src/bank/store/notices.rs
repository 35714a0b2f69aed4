//! The SQL of notes of the bank.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Uuid as SqlUuid};
use umbel_schema::{bank_line, bank_notice, bank_notice_line};
use uuid::Uuid;

use super::Seen;
use crate::kernel::ids::{BankAccountId, BankLineId, BankNoticeId, BankNoticeLineId, EntityId, FileId, PersonId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// Lines that one INSERT brings.
const LINES_AT_ONCE: usize = 500;

/// A note of the bank about one of our accounts.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = bank_notice, check_for_backend(diesel::pg::Pg))]
pub struct NoticeRow {
    /// Its id.
    pub id: BankNoticeId,
    /// Whose account.
    pub entity_id: EntityId,
    /// The account.
    pub bank_account_id: BankAccountId,
    /// `report` (camt.052) or `notification` (camt.054).
    pub kind: String,
    /// The bank's name for it; unique for account and kind.
    pub reference: String,
    /// Lines that no earlier note had.
    pub lines_new: i32,
    /// Lines that an earlier note had.
    pub lines_known: i32,
    /// The file as the bank sent it.
    pub file_id: FileId,
    /// Who brought it.
    pub imported_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A line of a note.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = bank_notice_line, check_for_backend(diesel::pg::Pg))]
pub struct NoticeLineRow {
    /// Its id.
    pub id: BankNoticeLineId,
    /// Its note.
    pub notice_id: BankNoticeId,
    /// Our account.
    pub bank_account_id: BankAccountId,
    /// Its place in the note, from 1.
    pub n: i32,
    /// When the bank booked it.
    pub booked_on: NaiveDate,
    /// Positive when money came in.
    pub amount_minor: Minor,
    /// Of the amount.
    pub currency: Currency,
    /// The bank's reference of the whole booking.
    pub entry_reference: String,
    /// The bank's reference.
    pub bank_reference: String,
    /// The payer's name for the transfer.
    pub end_to_end_id: String,
    /// The structured reference.
    pub structured_reference: String,
    /// The free text.
    pub remittance: String,
    /// Who paid or was paid.
    pub counterparty: String,
    /// The end of their account number.
    pub counterparty_iban_last4: String,
    /// Why a transfer came back.
    pub return_reason: String,
    /// What makes it the same line when it is seen again.
    pub fingerprint: Vec<u8>,
    /// The how manieth line of the account with this fingerprint, from 1.
    pub occurrence: i32,
    /// The line of a statement that it explains.
    pub bank_line_id: Option<BankLineId>,
}

pub(in crate::bank) fn is_notice_known(
    tx: &mut Tx<'_>,
    account: BankAccountId,
    kind: &str,
    reference: &str,
) -> Result<bool> {
    let known = bank_notice::table
        .filter(bank_notice::bank_account_id.eq(account))
        .filter(bank_notice::kind.eq(kind))
        .filter(bank_notice::reference.eq(reference));
    Ok(diesel::select(diesel::dsl::exists(known)).get_result(tx.conn())?)
}

/// How often each fingerprint stands in notes about an account.
pub(in crate::bank) fn count_noticed(
    tx: &mut Tx<'_>,
    account: BankAccountId,
    fingerprints: &[Vec<u8>],
) -> Result<BTreeMap<Vec<u8>, i64>> {
    let rows: Vec<Seen> = diesel::sql_query(
        "SELECT fingerprint, count(*) AS n FROM bank_notice_line WHERE bank_account_id = $1 AND fingerprint = ANY($2) \
         GROUP BY fingerprint",
    )
    .bind::<SqlUuid, _>(account)
    .bind::<Array<Binary>, _>(fingerprints)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.fingerprint, row.n)).collect())
}

pub(in crate::bank) fn insert_notice(tx: &mut Tx<'_>, row: &NoticeRow, lines: &[NoticeLineRow]) -> Result<()> {
    diesel::insert_into(bank_notice::table).values(row).execute(tx.conn())?;
    for lines in lines.chunks(LINES_AT_ONCE) {
        diesel::insert_into(bank_notice_line::table).values(lines).execute(tx.conn())?;
    }
    Ok(())
}

/// What notes say about one booking and no line of a statement has used, in their order.
pub(in crate::bank) fn list_notice_lines(
    tx: &mut Tx<'_>,
    account: BankAccountId,
    entry: &str,
) -> Result<Vec<NoticeLineRow>> {
    Ok(bank_notice_line::table
        .filter(bank_notice_line::bank_account_id.eq(account))
        .filter(bank_notice_line::entry_reference.eq(entry))
        .filter(bank_notice_line::bank_line_id.is_null())
        .order((bank_notice_line::notice_id.asc(), bank_notice_line::n.asc()))
        .select(NoticeLineRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::bank) fn mark_notice_lines(tx: &mut Tx<'_>, items: &[NoticeLineRow], line: BankLineId) -> Result<()> {
    let ids: Vec<BankNoticeLineId> = items.iter().map(|item| item.id).collect();
    diesel::update(bank_notice_line::table.filter(bank_notice_line::id.eq_any(ids)))
        .set(bank_notice_line::bank_line_id.eq(line))
        .execute(tx.conn())?;
    Ok(())
}

/// Lines of statements that wait whole and carry one of these references of a booking.
pub(in crate::bank) fn list_waiting_with_reference(
    tx: &mut Tx<'_>,
    account: BankAccountId,
    entries: &[String],
) -> Result<Vec<(BankLineId, String)>> {
    Ok(bank_line::table
        .filter(bank_line::bank_account_id.eq(account))
        .filter(bank_line::state.eq("suspense"))
        .filter(bank_line::bank_reference.eq_any(entries))
        .order(bank_line::id.asc())
        .select((bank_line::id, bank_line::bank_reference))
        .load(tx.conn())?)
}

pub(in crate::bank) fn list_notices(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<NoticeRow>> {
    let mut query =
        bank_notice::table.order(bank_notice::id.desc()).limit(limit).select(NoticeRow::as_select()).into_boxed();
    if let Some(after) = after {
        query = query.filter(bank_notice::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(in crate::bank) fn find_notice(tx: &mut Tx<'_>, id: BankNoticeId) -> Result<NoticeRow> {
    Ok(bank_notice::table.find(id).select(NoticeRow::as_select()).first(tx.conn())?)
}

pub(in crate::bank) fn list_lines_of_notice(
    tx: &mut Tx<'_>,
    id: BankNoticeId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<NoticeLineRow>> {
    let mut query = bank_notice_line::table
        .filter(bank_notice_line::notice_id.eq(id))
        .order(bank_notice_line::id.asc())
        .limit(limit)
        .select(NoticeLineRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(bank_notice_line::id.gt(after));
    }
    Ok(query.load(tx.conn())?)
}
