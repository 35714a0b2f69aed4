//! The ledger: double entry, append-only, in integer minor units.
//!
//! Owns `journal_entry`, `posting`, `activity_balance` and the chart of accounts. What each business event books
//! stands in one place, [`events`]. PostgreSQL refuses again what [`Entry::new`] refuses, moves the balances of
//! activities itself (locked in ascending id order, after the documents of a transaction and before its number),
//! and never lets a row be changed. Corrections are new entries.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

mod entry;
pub mod events;
mod holders;
mod store;

pub use entry::{Account, Dimensions, Entry, Event, Posting, Source, credit, debit};
pub use holders::Holders;
pub use store::{
    ActivityBalance, ActivityFigures, BookedShares, EntryLine, Held, Holding, JournalRow, MoveRow, Origin, PostingRow,
    ResultRow, TrialRow,
};

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::kernel::ids::{ActivityId, BankAccountId, EntityId, InvoiceId, PersonId, WriteOffId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// Books one entry.
///
/// # Errors
/// 409 `insufficient_available` at a floor, `period_closed`, `already_booked` when the fact has been booked.
pub fn post(tx: &mut Tx<'_>, entry: &Entry) -> Result<()> {
    store::insert_entries(tx, std::slice::from_ref(entry))
}

/// Books many entries, a thousand in one statement: no statement may take more than a few seconds.
///
/// # Errors
/// As [`post`].
pub fn post_all(tx: &mut Tx<'_>, entries: &[Entry]) -> Result<()> {
    entries.chunks(1_000).try_for_each(|some| store::insert_entries(tx, some))
}

/// Opens the balance row of a new activity, at zero and without overdraft.
///
/// # Errors
/// Fails with the database.
pub fn open_balance(tx: &mut Tx<'_>, activity: ActivityId, owner: PersonId, currency: Currency) -> Result<()> {
    store::insert_balance(tx, activity, owner, currency)
}

/// What the books say is on a bank account of an entity.
///
/// # Errors
/// Fails with the database.
pub fn bank_balance(tx: &mut Tx<'_>, account: BankAccountId) -> Result<Minor> {
    store::sum_bank_account(tx, account)
}

/// What an activity has.
///
/// # Errors
/// 404 for an activity of somebody else.
pub fn balance(tx: &mut Tx<'_>, activity: ActivityId) -> Result<ActivityBalance> {
    store::find_balance(tx, activity)
}

/// What several activities have, for a page of a list; those of somebody else are left out.
///
/// # Errors
/// Fails with the database.
pub fn balances(tx: &mut Tx<'_>, activities: &[ActivityId]) -> Result<Vec<ActivityBalance>> {
    store::list_balances(tx, activities)
}

/// What an activity has, locked until the end of the transaction.
///
/// # Errors
/// 404 for an activity of somebody else.
pub fn lock_balance(tx: &mut Tx<'_>, activity: ActivityId) -> Result<ActivityBalance> {
    store::lock_balance(tx, activity)
}

/// What several activities have, locked until the end of the transaction; those of somebody else are left out.
///
/// # Errors
/// Fails with the database.
pub fn lock_balances(tx: &mut Tx<'_>, activities: &[ActivityId]) -> Result<Vec<ActivityBalance>> {
    store::lock_balances(tx, activities)
}

/// What the entry of a fact did to each activity, by activity; the lines of others are left out.
///
/// # Errors
/// Fails with the database.
pub fn entry_lines(tx: &mut Tx<'_>, event: Event, source: Source) -> Result<Vec<EntryLine>> {
    store::list_entry_lines(tx, event, source)
}

/// The entry of a fact as it stands in the books.
///
/// # Errors
/// Fails with the database, and for an account that this program does not know.
pub fn posted(tx: &mut Tx<'_>, event: Event, source: Source) -> Result<Option<events::Posted>> {
    store::find_posted(tx, event, source)
}

/// The sum of an account on each of several activities, debit positive; activities without any are absent.
///
/// # Errors
/// Fails with the database.
pub fn activity_sums(
    tx: &mut Tx<'_>,
    account: Account,
    activities: &[ActivityId],
) -> Result<BTreeMap<ActivityId, Minor>> {
    store::sum_by_activity(tx, account, activities)
}

/// What moved on an activity, newest first, after a posting id.
///
/// # Errors
/// Fails with the database.
pub fn activity_postings(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<PostingRow>> {
    store::list_activity_postings(tx, activity, before, limit)
}

/// Who holds what of an invoice. Whoever is about to move some of it holds the invoice first.
///
/// # Errors
/// Fails with the database.
pub fn holders(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Holders> {
    store::list_holders(tx, invoice).map(Holders::new)
}

/// What an activity holds by invoice, oldest advance first; nothing for an activity of somebody else.
///
/// # Errors
/// Fails with the database.
pub fn origins(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<Origin>> {
    store::list_origins(tx, activity)
}

/// Holds the money of invoices against payments in the same moment, in the order of their ids.
///
/// # Errors
/// Fails with the database.
pub fn lock_invoices(tx: &mut Tx<'_>, invoices: &[InvoiceId]) -> Result<()> {
    store::lock_invoices(tx, invoices)
}

/// Locks the balances on both ends of transfers, in the order in which postings lock them; answers the giver's.
///
/// # Errors
/// 404 for a giver that is somebody else's.
pub fn lock_transfer(tx: &mut Tx<'_>, from: ActivityId, to: &[ActivityId]) -> Result<ActivityBalance> {
    store::lock_transfer(tx, from, to)
}

/// Gives the transaction up so that it is tried again, because what it had read before its locks has moved.
///
/// # Errors
/// Always; [`crate::platform::db::Db::write`] tries again.
pub fn try_again(tx: &mut Tx<'_>) -> Result<()> {
    store::try_again(tx)
}

/// What was invoiced on activities, collected, advanced and left owing, for all of them in one statement.
///
/// # Errors
/// Fails with the database.
pub fn figures(tx: &mut Tx<'_>, activities: &[ActivityId]) -> Result<Vec<ActivityFigures>> {
    store::list_figures(tx, activities)
}

/// What moved on an activity between two days, one row for each entry, in the order of the books. Before them a row
/// without an entry says what was there.
///
/// # Errors
/// Fails with the database.
pub fn moves(tx: &mut Tx<'_>, activity: ActivityId, from: NaiveDate, to: NaiveDate) -> Result<Vec<MoveRow>> {
    store::list_moves(tx, activity, from, to)
}

/// Debits and credits per account up to a period, or of all time.
///
/// # Errors
/// Fails with the database.
pub fn trial_balance(tx: &mut Tx<'_>, entity: EntityId, through: Option<&str>) -> Result<Vec<TrialRow>> {
    store::list_trial_balance(tx, entity, through)
}

/// The entries of a period with their postings, in order, after an entry id.
///
/// # Errors
/// Fails with the database.
pub fn journal(
    tx: &mut Tx<'_>,
    entity: EntityId,
    period: Option<&str>,
    after: i64,
    limit: i64,
) -> Result<Vec<JournalRow>> {
    store::list_journal(tx, entity, period, after, limit)
}

/// The sum of one account of an entity; debit positive.
///
/// # Errors
/// Fails with the database.
pub fn account_sum(tx: &mut Tx<'_>, entity: EntityId, account: Account) -> Result<Minor> {
    store::sum_account(tx, entity, account)
}

/// The first day that still takes entries: the one after the last closed month or year; none while none is closed.
///
/// A fact that arrives later than its period closed is booked on this day, and its document keeps its own date.
///
/// # Errors
/// Fails with the database.
pub fn first_open_day(tx: &mut Tx<'_>, entity: EntityId) -> Result<Option<NaiveDate>> {
    store::find_first_open_day(tx, entity)
}

/// What activities hold of an invoice that is still pending: where the money went keeps its origin.
///
/// # Errors
/// Fails with the database.
pub fn pending_of(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Vec<Held>> {
    Ok(holders(tx, invoice)?.pending())
}

/// What an invoice and its credit notes booked, by share.
///
/// # Errors
/// Fails with the database.
pub fn booked_shares(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<BookedShares> {
    store::sum_booked_shares(tx, invoice)
}

/// What a write-off took from each activity, out of whatever it had.
///
/// # Errors
/// Fails with the database.
pub fn borne(tx: &mut Tx<'_>, write_off: WriteOffId) -> Result<Vec<Held>> {
    store::list_borne(tx, write_off)
}

/// Who got the money of an invoice that was paid, and how much: what no longer waits of it, by activity.
///
/// # Errors
/// Fails with the database.
pub fn freed(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Vec<Held>> {
    store::list_freed(tx, invoice)
}

/// What activities owe, of those asked for that owe something.
///
/// # Errors
/// Fails with the database.
pub fn arrears(tx: &mut Tx<'_>, activities: &[ActivityId]) -> Result<Vec<(ActivityId, Minor)>> {
    store::list_arrears(tx, activities)
}

/// The activities that owe something and have money available, in the order of their ids, after one.
///
/// # Errors
/// Fails with the database.
pub fn debtors(tx: &mut Tx<'_>, entity: EntityId, after: Option<ActivityId>, limit: i64) -> Result<Vec<ActivityId>> {
    store::list_debtors(tx, entity, after, limit)
}

/// The sum of one account for an invoice; debit positive.
///
/// # Errors
/// Fails with the database.
pub fn invoice_sum(tx: &mut Tx<'_>, invoice: InvoiceId, account: Account) -> Result<Minor> {
    store::sum_invoice(tx, invoice, account)
}

/// What each income and expense account moved between two days, both included; debit positive, without zeros.
///
/// The entries that close years are left out: they empty what they sum.
///
/// # Errors
/// Fails with the database.
pub fn results(tx: &mut Tx<'_>, entity: EntityId, from: NaiveDate, through: NaiveDate) -> Result<Vec<ResultRow>> {
    store::list_results(tx, entity, from, through)
}

/// The sum of one account of an entity through a day; debit positive.
///
/// # Errors
/// Fails with the database.
pub fn account_sum_through(tx: &mut Tx<'_>, entity: EntityId, account: Account, through: NaiveDate) -> Result<Minor> {
    store::sum_account_through(tx, entity, account, through)
}

/// What an account moved on each activity between two days, both included; debit positive, without zeros.
///
/// # Errors
/// Fails with the database.
pub fn activity_sums_between(
    tx: &mut Tx<'_>,
    entity: EntityId,
    account: Account,
    from: NaiveDate,
    through: NaiveDate,
) -> Result<Vec<(ActivityId, Minor)>> {
    store::sum_activities_between(tx, entity, account, from, through)
}

/// What an activity had available at the end of a day.
///
/// # Errors
/// Fails with the database.
pub fn available_through(tx: &mut Tx<'_>, activity: ActivityId, day: NaiveDate) -> Result<Minor> {
    store::available_through(tx, activity, day)
}

/// How many bank lines are in the books through a day without an explanation through that day.
///
/// # Errors
/// Fails with the database.
pub fn suspense_through(tx: &mut Tx<'_>, entity: EntityId, through: NaiveDate) -> Result<i64> {
    store::count_suspense(tx, entity, through)
}

/// Lets nobody book into a year of an entity until the end of the transaction, and waits for whoever does.
///
/// # Errors
/// Fails with the database.
pub fn lock_year(tx: &mut Tx<'_>, entity: EntityId, year: i32) -> Result<()> {
    store::lock_year(tx, entity, year)
}

/// The years before a day in which income or expenses were booked, oldest first.
///
/// # Errors
/// Fails with the database.
pub fn years_with_results(tx: &mut Tx<'_>, entity: EntityId, before: NaiveDate) -> Result<Vec<i32>> {
    store::list_years_with_results(tx, entity, before)
}
