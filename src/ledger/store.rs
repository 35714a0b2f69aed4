//! The SQL of the ledger.

mod books;
mod entries;
mod year;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, Nullable, Text, Uuid as SqlUuid};
use umbel_schema::activity_balance;

use super::entry::{Account, Event, Source};
use crate::kernel::ids::{ActivityId, EntityId, InvoiceId, PersonId, WriteOffId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::platform::faults::Guard;
use crate::platform::prepared::Prepare;
pub use books::{JournalRow, MoveRow, PostingRow, TrialRow};
pub(super) use books::{available_through, list_activity_postings, list_journal, list_moves, list_trial_balance};
pub(super) use entries::{find_posted, insert_entries};
pub use year::ResultRow;
pub(super) use year::{
    count_suspense, list_results, list_years_with_results, lock_year, sum_account_through, sum_activities_between,
    sum_bank_account,
};

diesel::define_sql_function! {
    /// Whether the acting person has confirmed that they take part in a collective.
    fn umbel_shares_activity(activity: SqlUuid) -> Bool;
}

/// What an activity has.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = activity_balance, check_for_backend(diesel::pg::Pg))]
pub struct ActivityBalance {
    /// The activity.
    pub activity_id: ActivityId,
    /// Its member.
    pub owner_id: PersonId,
    /// Of all its amounts.
    pub currency: Currency,
    /// Waits for clients or the guarantee.
    pub pending_minor: Minor,
    /// Can be paid out.
    pub available_minor: Minor,
    /// Set aside for payouts.
    pub reserved_minor: Minor,
    /// How far `available` may go below zero.
    pub overdraft_minor: Minor,
}

/// What the documents of an invoice booked: the invoice, less its credit notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct BookedShares {
    /// Without VAT.
    #[diesel(sql_type = BigInt)]
    pub net: Minor,
    /// VAT.
    #[diesel(sql_type = BigInt)]
    pub vat: Minor,
    /// The mutual's fee.
    #[diesel(sql_type = BigInt)]
    pub fee: Minor,
    /// The contribution to the guarantee fund.
    #[diesel(sql_type = BigInt)]
    pub contribution: Minor,
}

/// What an entry took from an activity, or gave it: by account.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct EntryLine {
    /// The entry.
    #[diesel(sql_type = BigInt)]
    pub entry_id: i64,
    /// The activity.
    #[diesel(sql_type = SqlUuid)]
    pub activity_id: ActivityId,
    /// Who sees the line.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub owner_id: Option<PersonId>,
    /// Out of what it had available; debit positive.
    #[diesel(sql_type = BigInt)]
    pub available_minor: Minor,
    /// Left owing; debit positive.
    #[diesel(sql_type = BigInt)]
    pub arrears_minor: Minor,
}

/// A part of an invoice's money on one activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Held {
    /// The activity.
    #[diesel(sql_type = SqlUuid)]
    pub activity: ActivityId,
    /// Who manages it.
    #[diesel(sql_type = SqlUuid)]
    pub member: PersonId,
    /// How much.
    #[diesel(sql_type = BigInt)]
    pub amount: Minor,
}

/// What an activity holds of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Holding {
    /// The activity.
    #[diesel(sql_type = SqlUuid)]
    pub activity_id: ActivityId,
    /// Who manages it.
    #[diesel(sql_type = SqlUuid)]
    pub member_id: PersonId,
    /// What waits for the client or the guarantee.
    #[diesel(sql_type = BigInt)]
    pub pending_minor: Minor,
    /// What the guarantee advanced and no client has covered.
    #[diesel(sql_type = BigInt)]
    pub advanced_minor: Minor,
}

/// What an activity holds, by the invoice that it comes from.
#[derive(Debug, Clone, QueryableByName)]
pub struct Origin {
    /// The invoice.
    #[diesel(sql_type = SqlUuid)]
    pub invoice_id: InvoiceId,
    /// What waits for the client or the guarantee.
    #[diesel(sql_type = BigInt)]
    pub pending_minor: Minor,
    /// What the guarantee advanced and no client has covered.
    #[diesel(sql_type = BigInt)]
    pub advanced_minor: Minor,
}

/// What postings and payments say about an activity beside its balance.
#[derive(Debug, Clone, QueryableByName)]
pub struct ActivityFigures {
    /// The activity.
    #[diesel(sql_type = SqlUuid)]
    pub activity_id: ActivityId,
    /// Issued without VAT, less what was credited.
    #[diesel(sql_type = BigInt)]
    pub invoiced_minor: Minor,
    /// What clients paid of it, without VAT.
    #[diesel(sql_type = BigInt)]
    pub collected_minor: Minor,
    /// Advances that no client has covered.
    #[diesel(sql_type = BigInt)]
    pub advanced_minor: Minor,
    /// What the activity owes.
    #[diesel(sql_type = BigInt)]
    pub arrears_minor: Minor,
}

#[derive(QueryableByName)]
struct SumOf {
    #[diesel(sql_type = SqlUuid)]
    activity_id: ActivityId,
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
}

#[derive(QueryableByName)]
struct OpenDay {
    #[diesel(sql_type = Nullable<Date>)]
    day: Option<NaiveDate>,
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
}

pub(super) fn insert_balance(tx: &mut Tx<'_>, activity: ActivityId, owner: PersonId, currency: Currency) -> Result<()> {
    diesel::insert_into(activity_balance::table)
        .values((
            activity_balance::activity_id.eq(activity),
            activity_balance::owner_id.eq(owner),
            activity_balance::currency.eq(currency),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_balance(tx: &mut Tx<'_>, activity: ActivityId) -> Result<ActivityBalance> {
    let mut query = activity_balance::table.find(activity).select(ActivityBalance::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query =
            query.filter(activity_balance::owner_id.eq(owner).or(umbel_shares_activity(activity_balance::activity_id)));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn list_balances(tx: &mut Tx<'_>, activities: &[ActivityId]) -> Result<Vec<ActivityBalance>> {
    let mut query = activity_balance::table
        .filter(activity_balance::activity_id.eq_any(activities))
        .select(ActivityBalance::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query =
            query.filter(activity_balance::owner_id.eq(owner).or(umbel_shares_activity(activity_balance::activity_id)));
    }
    Ok(query.load(tx.conn())?)
}

/// Locks through a function of PostgreSQL's, because the runtime role may not update balances and so may not lock
/// them either.
pub(super) fn lock_balance(tx: &mut Tx<'_>, activity: ActivityId) -> Result<ActivityBalance> {
    diesel::sql_query("SELECT lock_activity_balance($1)").bind::<SqlUuid, _>(activity).prepared().execute(tx.conn())?;
    find_balance(tx, activity)
}

/// As [`lock_balance`], for several; locked in the order of their ids, as the posting trigger does.
pub(super) fn lock_balances(tx: &mut Tx<'_>, activities: &[ActivityId]) -> Result<Vec<ActivityBalance>> {
    diesel::sql_query("SELECT lock_activity_balances($1)").bind::<Array<SqlUuid>, _>(activities).execute(tx.conn())?;
    list_balances(tx, activities)
}

pub(super) fn list_holders(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Vec<Holding>> {
    Ok(diesel::sql_query("SELECT * FROM invoice_holdings($1)")
        .bind::<SqlUuid, _>(invoice)
        .prepared()
        .load(tx.conn())?)
}

pub(super) fn list_origins(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<Origin>> {
    Ok(diesel::sql_query("SELECT * FROM activity_holdings($1)").bind::<SqlUuid, _>(activity).load(tx.conn())?)
}

pub(super) fn lock_invoices(tx: &mut Tx<'_>, invoices: &[InvoiceId]) -> Result<()> {
    if !invoices.is_empty() && !tx.faults().removed(Guard::RowLock) {
        diesel::sql_query("SELECT lock_invoice_money($1)").bind::<Array<SqlUuid>, _>(invoices).execute(tx.conn())?;
    }
    Ok(())
}

pub(super) fn lock_transfer(tx: &mut Tx<'_>, from: ActivityId, to: &[ActivityId]) -> Result<ActivityBalance> {
    if !tx.faults().removed(Guard::RowLock) {
        diesel::sql_query("SELECT lock_transfer_balances($1, $2)")
            .bind::<SqlUuid, _>(from)
            .bind::<Array<SqlUuid>, _>(to)
            .execute(tx.conn())?;
    }
    find_balance(tx, from)
}

pub(super) fn try_again(tx: &mut Tx<'_>) -> Result<()> {
    diesel::sql_query("SELECT umbel_try_again()").execute(tx.conn())?;
    Ok(())
}

pub(super) fn list_figures(tx: &mut Tx<'_>, activities: &[ActivityId]) -> Result<Vec<ActivityFigures>> {
    Ok(diesel::sql_query("SELECT * FROM activity_figures($1)").bind::<Array<SqlUuid>, _>(activities).load(tx.conn())?)
}

pub(super) fn sum_account(tx: &mut Tx<'_>, entity: EntityId, account: Account) -> Result<Minor> {
    let sum: Sum = diesel::sql_query(
        "SELECT coalesce(sum(p.amount_minor), 0)::bigint AS amount_minor FROM posting p \
         JOIN journal_entry e ON e.id = p.entry_id WHERE e.entity_id = $1 AND p.account = $2",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(account.name())
    .get_result(tx.conn())?;
    Ok(sum.amount_minor)
}

pub(super) fn list_entry_lines(tx: &mut Tx<'_>, event: Event, source: Source) -> Result<Vec<EntryLine>> {
    let (kind, id) = source.parts();
    Ok(diesel::sql_query(
        "SELECT p.entry_id, p.activity_id, min(p.owner_id::text)::uuid AS owner_id, \
                coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'funds.available'), 0)::bigint AS available_minor, \
                coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'activity_arrears'), 0)::bigint AS arrears_minor \
         FROM journal_entry e JOIN posting p ON p.entry_id = e.id \
         WHERE e.event = $1 AND e.source_kind = $2 AND e.source_id = $3 AND p.activity_id IS NOT NULL \
         GROUP BY p.entry_id, p.activity_id ORDER BY p.activity_id",
    )
    .bind::<Text, _>(event.name())
    .bind::<Text, _>(kind)
    .bind::<SqlUuid, _>(id)
    .load(tx.conn())?)
}

/// The sum of one account on each of several activities; those without are absent.
pub(super) fn sum_by_activity(
    tx: &mut Tx<'_>,
    account: Account,
    activities: &[ActivityId],
) -> Result<BTreeMap<ActivityId, Minor>> {
    let rows: Vec<SumOf> = diesel::sql_query(
        "SELECT activity_id, sum(amount_minor)::bigint AS amount_minor FROM posting \
         WHERE activity_id = ANY ($1) AND account = $2 GROUP BY activity_id HAVING sum(amount_minor) <> 0",
    )
    .bind::<Array<SqlUuid>, _>(activities)
    .bind::<Text, _>(account.name())
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.activity_id, row.amount_minor)).collect())
}

pub(super) fn find_first_open_day(tx: &mut Tx<'_>, entity: EntityId) -> Result<Option<NaiveDate>> {
    let found: OpenDay =
        diesel::sql_query("SELECT first_open_day($1) AS day").bind::<SqlUuid, _>(entity).get_result(tx.conn())?;
    Ok(found.day)
}

pub(super) fn sum_booked_shares(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<BookedShares> {
    Ok(diesel::sql_query(
        "SELECT coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'turnover'), 0)::bigint AS net, \
                coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'vat_output'), 0)::bigint AS vat, \
                coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'fee_income'), 0)::bigint AS fee, \
                coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'guarantee_fund'), 0)::bigint AS contribution \
         FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
         WHERE p.invoice_id = $1 AND e.source_kind IN ('invoice', 'credit_note')",
    )
    .bind::<SqlUuid, _>(invoice)
    .get_result(tx.conn())?)
}

pub(super) fn list_borne(tx: &mut Tx<'_>, write_off: WriteOffId) -> Result<Vec<Held>> {
    Ok(diesel::sql_query(
        "SELECT p.activity_id AS activity, b.owner_id AS member, sum(p.amount_minor)::bigint AS amount \
         FROM posting p JOIN journal_entry e ON e.id = p.entry_id JOIN activity_balance b ON b.activity_id = p.activity_id \
         WHERE e.source_kind = 'write_off' AND e.source_id = $1 \
           AND p.account IN ('funds.pending', 'funds.available', 'activity_arrears') \
         GROUP BY p.activity_id, b.owner_id HAVING sum(p.amount_minor) > 0 ORDER BY p.activity_id",
    )
    .bind::<SqlUuid, _>(write_off)
    .load(tx.conn())?)
}

pub(super) fn list_freed(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Vec<Held>> {
    Ok(diesel::sql_query(
        "SELECT p.activity_id AS activity, b.owner_id AS member, sum(p.amount_minor)::bigint AS amount \
         FROM posting p JOIN journal_entry e ON e.id = p.entry_id JOIN activity_balance b ON b.activity_id = p.activity_id \
         WHERE p.invoice_id = $1 AND p.account = 'funds.pending' AND e.event IN ('client_paid', 'guarantee_advanced') \
         GROUP BY p.activity_id, b.owner_id HAVING sum(p.amount_minor) > 0 ORDER BY p.activity_id",
    )
    .bind::<SqlUuid, _>(invoice)
    .load(tx.conn())?)
}

#[derive(QueryableByName)]
struct Owed {
    #[diesel(sql_type = SqlUuid)]
    activity_id: ActivityId,
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
}

pub(super) fn list_arrears(tx: &mut Tx<'_>, activities: &[ActivityId]) -> Result<Vec<(ActivityId, Minor)>> {
    let rows: Vec<Owed> = diesel::sql_query(
        "SELECT activity_id, sum(amount_minor)::bigint AS amount_minor FROM posting \
         WHERE account = 'activity_arrears' AND activity_id = ANY ($1) GROUP BY activity_id \
         HAVING sum(amount_minor) <> 0 ORDER BY activity_id",
    )
    .bind::<Array<SqlUuid>, _>(activities)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.activity_id, row.amount_minor)).collect())
}

pub(super) fn list_debtors(
    tx: &mut Tx<'_>,
    entity: EntityId,
    after: Option<ActivityId>,
    limit: i64,
) -> Result<Vec<ActivityId>> {
    let rows: Vec<Owed> = diesel::sql_query(
        "SELECT p.activity_id, sum(p.amount_minor)::bigint AS amount_minor FROM posting p \
         JOIN journal_entry e ON e.id = p.entry_id JOIN activity_balance b ON b.activity_id = p.activity_id \
         WHERE p.account = 'activity_arrears' AND e.entity_id = $1 AND b.available_minor > 0 \
           AND ($2 IS NULL OR p.activity_id > $2) \
         GROUP BY p.activity_id HAVING sum(p.amount_minor) > 0 ORDER BY p.activity_id LIMIT $3",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| row.activity_id).collect())
}

pub(super) fn sum_invoice(tx: &mut Tx<'_>, invoice: InvoiceId, account: Account) -> Result<Minor> {
    let sum: Sum = diesel::sql_query(
        "SELECT coalesce(sum(amount_minor), 0)::bigint AS amount_minor FROM posting WHERE invoice_id = $1 AND account = $2",
    )
    .bind::<SqlUuid, _>(invoice)
    .bind::<Text, _>(account.name())
    .get_result(tx.conn())?;
    Ok(sum.amount_minor)
}
