//! The SQL of statements, their lines and what they pay.

mod charges;
mod credits;
mod notices;
mod tables;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Date, Nullable, Uuid as SqlUuid};
use umbel_schema::{allocation, bank_line, bank_statement, standing_allocation};
use uuid::Uuid;

pub use charges::{ChargeRow, ChargeState};
pub(super) use charges::{find_charge, insert_charge, list_charges, lock_charge, save_charge};
pub use credits::{CreditRow, RefundRow};
pub(super) use credits::{
    UseRow, find_credit, find_refund, insert_credit, insert_refund, insert_use, insert_withdrawal, left_of,
    list_credits, list_refunds, lock_refund, save_refund,
};
pub use notices::{NoticeLineRow, NoticeRow};
pub(super) use notices::{
    count_noticed, find_notice, insert_notice, is_notice_known, list_lines_of_notice, list_notice_lines, list_notices,
    list_waiting_with_reference, mark_notice_lines,
};
pub use tables::ProfileRow;
pub(super) use tables::{find_profile, insert_profile, list_profiles};

use super::LineFilter;
use crate::kernel::ids::{AllocationId, BankAccountId, BankLineId, EntityId, FileId, InvoiceId, PersonId, StatementId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;

/// Lines that one INSERT brings: PostgreSQL takes at most 65,535 values at once.
const LINES_AT_ONCE: usize = 500;

/// A statement of one of our bank accounts.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = bank_statement, check_for_backend(diesel::pg::Pg))]
pub struct StatementRow {
    /// Its id.
    pub id: StatementId,
    /// Whose account.
    pub entity_id: EntityId,
    /// The account.
    pub bank_account_id: BankAccountId,
    /// The bank's name for it; unique for the account.
    pub reference: String,
    /// Of all its amounts.
    pub currency: Currency,
    /// First day covered.
    pub from_on: NaiveDate,
    /// Last day covered.
    pub to_on: NaiveDate,
    /// Booked balance before the lines.
    pub opening_minor: Minor,
    /// Booked balance after the lines.
    pub closing_minor: Minor,
    /// The file as the bank sent it.
    pub file_id: FileId,
    /// The how manieth statement of the account, from 1.
    pub position: i64,
    /// Who brought it.
    pub imported_by: PersonId,
    /// When it was imported.
    pub created_at: DateTime<Utc>,
    /// Lines that an earlier statement brought already.
    pub lines_known: i32,
}

/// A movement on a statement.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = bank_line, check_for_backend(diesel::pg::Pg))]
pub struct LineRow {
    /// Its id.
    pub id: BankLineId,
    /// Its statement.
    pub statement_id: StatementId,
    /// Our account.
    pub bank_account_id: BankAccountId,
    /// Its place in the statement, from 1.
    pub n: i32,
    /// `matched`, or `suspense` while nothing explains it.
    pub state: String,
    /// When the bank booked it.
    pub booked_on: NaiveDate,
    /// Positive when money came in.
    pub amount_minor: Minor,
    /// Of the amount.
    pub currency: Currency,
    /// The bank's reference.
    pub bank_reference: String,
    /// The payer's name for the transfer: ours, for a payout.
    pub end_to_end_id: String,
    /// The structured reference.
    pub structured_reference: String,
    /// The free text.
    pub remittance: String,
    /// Who paid or was paid.
    pub counterparty: String,
    /// The end of their account number; the rest is only in the archived file.
    pub counterparty_iban_last4: String,
    /// Why a transfer came back.
    pub return_reason: String,
    /// What makes it the same line when it is seen again.
    pub fingerprint: Vec<u8>,
    /// The how manieth line of the account with this fingerprint, from 1.
    pub occurrence: i32,
    /// What it was matched with first.
    pub matched_kind: Option<String>,
    /// Which one.
    pub matched_id: Option<Uuid>,
    /// Who looks after it; set exactly while something of it waits in suspense.
    pub owner_id: Option<PersonId>,
    /// When it was imported.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// Part of a line that pays an invoice.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = allocation, check_for_backend(diesel::pg::Pg))]
pub(super) struct AllocationRow {
    /// Its id.
    pub id: AllocationId,
    /// The line.
    pub bank_line_id: BankLineId,
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Whose invoice.
    pub member_id: PersonId,
    /// How much of both.
    pub amount_minor: Minor,
    /// On which day it counts.
    pub allocated_on: NaiveDate,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The allocation that it takes back.
    pub reverses_id: Option<AllocationId>,
    /// Why.
    pub reason: Option<String>,
    /// Who took it back.
    pub taken_back_by: Option<PersonId>,
}

/// How the lines of a statement are placed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName)]
pub struct Totals {
    /// How many there are.
    #[diesel(sql_type = BigInt)]
    pub lines: i64,
    /// How many are matched.
    #[diesel(sql_type = BigInt)]
    pub matched: i64,
    /// How many nothing explains yet.
    #[diesel(sql_type = BigInt)]
    pub suspense: i64,
    /// What came in.
    #[diesel(sql_type = BigInt)]
    pub in_minor: Minor,
    /// What went out, as a positive amount.
    #[diesel(sql_type = BigInt)]
    pub out_minor: Minor,
}

#[derive(QueryableByName)]
struct TotalsOf {
    #[diesel(sql_type = SqlUuid)]
    statement_id: StatementId,
    #[diesel(embed)]
    totals: Totals,
}

#[derive(QueryableByName)]
pub(super) struct Seen {
    #[diesel(sql_type = Binary)]
    fingerprint: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Allocated {
    #[diesel(sql_type = SqlUuid)]
    bank_line_id: BankLineId,
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Takes the account until the end of the transaction, so that its statements come one after the other.
///
/// Through a function of PostgreSQL's, because the runtime role may not change accounts and so may not lock them.
pub(super) fn lock_account(tx: &mut Tx<'_>, account: BankAccountId) -> Result<()> {
    if !tx.faults().removed(Guard::RowLock) {
        diesel::sql_query("SELECT lock_bank_account($1)").bind::<SqlUuid, _>(account).execute(tx.conn())?;
    }
    Ok(())
}

pub(super) fn find_statement_by_reference(
    tx: &mut Tx<'_>,
    account: BankAccountId,
    reference: &str,
) -> Result<Option<StatementRow>> {
    Ok(bank_statement::table
        .filter(bank_statement::bank_account_id.eq(account))
        .filter(bank_statement::reference.eq(reference))
        .select(StatementRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn find_last_statement(tx: &mut Tx<'_>, account: BankAccountId) -> Result<Option<StatementRow>> {
    Ok(bank_statement::table
        .filter(bank_statement::bank_account_id.eq(account))
        .order(bank_statement::position.desc())
        .select(StatementRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn find_statement(tx: &mut Tx<'_>, id: StatementId) -> Result<StatementRow> {
    Ok(bank_statement::table.find(id).select(StatementRow::as_select()).first(tx.conn())?)
}

pub(super) fn list_statements(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<StatementRow>> {
    let mut query = bank_statement::table
        .order(bank_statement::id.desc())
        .limit(limit)
        .select(StatementRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(bank_statement::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert_statement(tx: &mut Tx<'_>, row: &StatementRow) -> Result<()> {
    diesel::insert_into(bank_statement::table).values(row).execute(tx.conn())?;
    Ok(())
}

/// The totals of statements; one without lines has none.
pub(super) fn sum_statements(tx: &mut Tx<'_>, ids: &[StatementId]) -> Result<BTreeMap<StatementId, Totals>> {
    let rows: Vec<TotalsOf> = diesel::sql_query(
        "SELECT statement_id, count(*) AS lines, count(*) FILTER (WHERE state = 'matched') AS matched, \
                count(*) FILTER (WHERE owner_id IS NOT NULL) AS suspense, \
                coalesce(sum(amount_minor) FILTER (WHERE amount_minor > 0), 0)::bigint AS in_minor, \
                coalesce(-sum(amount_minor) FILTER (WHERE amount_minor < 0), 0)::bigint AS out_minor \
         FROM bank_line WHERE statement_id = ANY($1) GROUP BY statement_id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.statement_id, row.totals)).collect())
}

/// How often each fingerprint has been seen on an account, since a day where one is given.
pub(super) fn count_fingerprints(
    tx: &mut Tx<'_>,
    account: BankAccountId,
    fingerprints: &[Vec<u8>],
    since: Option<NaiveDate>,
) -> Result<BTreeMap<Vec<u8>, i64>> {
    let rows: Vec<Seen> = diesel::sql_query(
        "SELECT fingerprint, count(*) AS n FROM bank_line WHERE bank_account_id = $1 AND fingerprint = ANY($2) \
             AND ($3 IS NULL OR booked_on >= $3) GROUP BY fingerprint",
    )
    .bind::<SqlUuid, _>(account)
    .bind::<Array<Binary>, _>(fingerprints)
    .bind::<Nullable<Date>, _>(since)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.fingerprint, row.n)).collect())
}

pub(super) fn insert_lines(tx: &mut Tx<'_>, rows: &[LineRow]) -> Result<()> {
    for rows in rows.chunks(LINES_AT_ONCE) {
        diesel::insert_into(bank_line::table).values(rows).execute(tx.conn())?;
    }
    Ok(())
}

pub(super) fn find_line(tx: &mut Tx<'_>, id: BankLineId) -> Result<(LineRow, EntityId)> {
    Ok(bank_line::table
        .inner_join(bank_statement::table)
        .filter(bank_line::id.eq(id))
        .select((LineRow::as_select(), bank_statement::entity_id))
        .first(tx.conn())?)
}

pub(super) fn lock_line(tx: &mut Tx<'_>, id: BankLineId) -> Result<Locked<LineRow>> {
    let query = bank_line::table.find(id).select(LineRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    Ok(Locked::new(row))
}

/// Lines with the entity of their account.
pub(super) fn list_lines(
    tx: &mut Tx<'_>,
    statement: Option<StatementId>,
    filter: Option<LineFilter>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(LineRow, EntityId)>> {
    let mut query = bank_line::table
        .inner_join(bank_statement::table)
        .order(bank_line::id.desc())
        .limit(limit)
        .select((LineRow::as_select(), bank_statement::entity_id))
        .into_boxed();
    if let Some(statement) = statement {
        query = query.filter(bank_line::statement_id.eq(statement));
    }
    match filter {
        None => {}
        Some(LineFilter::Suspense) => query = query.filter(bank_line::owner_id.is_not_null()),
        Some(LineFilter::Matched) => query = query.filter(bank_line::state.eq("matched")),
    }
    if let Some(after) = after {
        query = query.filter(bank_line::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// How much of each line is explained by parts of it: payments, recoveries, differences of a rate, credits of clients. A
/// line without any is absent.
pub(super) fn sum_allocations(tx: &mut Tx<'_>, lines: &[BankLineId]) -> Result<BTreeMap<BankLineId, Minor>> {
    let rows: Vec<Allocated> = diesel::sql_query(
        "SELECT bank_line_id, sum(amount_minor)::bigint AS amount_minor FROM bank_line_part \
         WHERE bank_line_id = ANY($1) GROUP BY bank_line_id",
    )
    .bind::<Array<SqlUuid>, _>(lines)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.bank_line_id, row.amount_minor)).collect())
}

/// The last invoices that were paid from an account and stay paid, by the end of its number: none for no number.
pub(super) fn list_paid_from(tx: &mut Tx<'_>, entity: EntityId, iban_last4: &str) -> Result<Vec<InvoiceId>> {
    if iban_last4.is_empty() {
        return Ok(Vec::new());
    }
    Ok(allocation::table
        .inner_join(bank_line::table.inner_join(bank_statement::table))
        .filter(bank_line::counterparty_iban_last4.eq(iban_last4))
        .filter(bank_statement::entity_id.eq(entity))
        .filter(allocation::id.eq_any(standing_allocation::table.select(standing_allocation::id)))
        .order(allocation::id.desc())
        .select(allocation::invoice_id)
        .limit(500)
        .load(tx.conn())?)
}

/// The payments of a line that stand, the last booked first.
pub(super) fn list_standing(tx: &mut Tx<'_>, line: BankLineId) -> Result<Vec<AllocationRow>> {
    let all: Vec<AllocationRow> = allocation::table
        .filter(allocation::bank_line_id.eq(line))
        .order((allocation::created_at.desc(), allocation::id.desc()))
        .select(AllocationRow::as_select())
        .load(tx.conn())?;
    let taken_back: Vec<AllocationId> = all.iter().filter_map(|row| row.reverses_id).collect();
    Ok(all.into_iter().filter(|row| row.reverses_id.is_none() && !taken_back.contains(&row.id)).collect())
}

pub(super) fn insert_allocation(tx: &mut Tx<'_>, row: &AllocationRow) -> Result<()> {
    diesel::insert_into(allocation::table).values(row).execute(tx.conn())?;
    Ok(())
}

/// Saves what a line was matched with and who looks after what is left of it.
pub(super) fn save_line(tx: &mut Tx<'_>, line: Locked<LineRow>, changed: &LineRow) -> Result<LineRow> {
    Ok(diesel::update(bank_line::table.find(line.into_inner().id))
        .set((
            bank_line::state.eq(&changed.state),
            bank_line::matched_kind.eq(&changed.matched_kind),
            bank_line::matched_id.eq(changed.matched_id),
            bank_line::owner_id.eq(changed.owner_id),
        ))
        .returning(LineRow::as_returning())
        .get_result(tx.conn())?)
}

/// How many lines of an entity up to a day are not fully explained.
pub(super) fn count_waiting(tx: &mut Tx<'_>, entity: EntityId, through: NaiveDate) -> Result<i64> {
    let count: Count = diesel::sql_query(
        "SELECT count(*) AS n FROM bank_line l JOIN bank_statement s ON s.id = l.statement_id \
         WHERE s.entity_id = $1 AND l.owner_id IS NOT NULL AND l.booked_on <= $2",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Date, _>(through)
    .get_result(tx.conn())?;
    Ok(count.n)
}
