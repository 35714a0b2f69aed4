//! The SQL of the ledger.

mod year;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, Integer, Nullable, Text, Uuid as SqlUuid};
use umbel_schema::activity_balance;
use uuid::Uuid;

use super::entry::{Account, Entry, Event, Source};
use crate::kernel::ids::{ActivityId, EntityId, InvoiceId, PersonId, WriteOffId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::platform::faults::Guard;
use crate::platform::prepared::Prepare;
pub use year::ResultRow;
pub(super) use year::{
    count_suspense, list_results, list_years_with_results, lock_year, sum_account_through, sum_activities_between,
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

/// A posting on an activity, with its entry.
#[derive(Debug, Clone, QueryableByName)]
pub struct PostingRow {
    /// The posting.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// The day it counts.
    #[diesel(sql_type = Date)]
    pub booked_on: NaiveDate,
    /// What happened.
    #[diesel(sql_type = Text)]
    pub event: String,
    /// The fact behind it.
    #[diesel(sql_type = Text)]
    pub source_kind: String,
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub source_id: Uuid,
    /// The account.
    #[diesel(sql_type = Text)]
    pub account: String,
    /// Debit positive.
    #[diesel(sql_type = BigInt)]
    pub amount_minor: Minor,
    /// Its currency.
    #[diesel(sql_type = Text)]
    pub currency: Currency,
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

/// An account in a trial balance.
#[derive(Debug, Clone, QueryableByName)]
pub struct TrialRow {
    /// The account.
    #[diesel(sql_type = Text)]
    pub account: String,
    /// Asset, liability, equity, income, expense or off balance.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Its currency.
    #[diesel(sql_type = Text)]
    pub currency: Currency,
    /// The sum of debits.
    #[diesel(sql_type = BigInt)]
    pub debit_minor: Minor,
    /// The sum of credits, as a positive amount.
    #[diesel(sql_type = BigInt)]
    pub credit_minor: Minor,
}

/// A line of the journal.
#[derive(Debug, Clone, QueryableByName)]
pub struct JournalRow {
    /// Its entry.
    #[diesel(sql_type = BigInt)]
    pub entry_id: i64,
    /// The day the entry counts.
    #[diesel(sql_type = Date)]
    pub booked_on: NaiveDate,
    /// What happened.
    #[diesel(sql_type = Text)]
    pub event: String,
    /// The fact behind it.
    #[diesel(sql_type = Text)]
    pub source_kind: String,
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub source_id: Uuid,
    /// The entry that it reverses.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub reverses_id: Option<i64>,
    /// The account.
    #[diesel(sql_type = Text)]
    pub account: String,
    /// The kind of the account.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Debit positive.
    #[diesel(sql_type = BigInt)]
    pub amount_minor: Minor,
    /// Its currency.
    #[diesel(sql_type = Text)]
    pub currency: Currency,
    /// The activity.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub activity_id: Option<Uuid>,
    /// The client.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub client_id: Option<Uuid>,
    /// The number of the document behind the entry, when it is one.
    #[diesel(sql_type = Nullable<Text>)]
    pub source_number: Option<String>,
    /// The number of the invoice, or the id of what else it is about.
    #[diesel(sql_type = Nullable<Text>)]
    pub document: Option<String>,
    /// The VAT case.
    #[diesel(sql_type = Nullable<Text>)]
    pub tax_code: Option<String>,
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

/// What one entry moved on an activity; without an entry, what was there before.
#[derive(Debug, Clone, QueryableByName)]
pub struct MoveRow {
    /// The entry.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub entry_id: Option<i64>,
    /// The day it counts.
    #[diesel(sql_type = Nullable<Date>)]
    pub booked_on: Option<NaiveDate>,
    /// What happened.
    #[diesel(sql_type = Nullable<Text>)]
    pub event: Option<String>,
    /// The number of the invoice.
    #[diesel(sql_type = Nullable<Text>)]
    pub document: Option<String>,
    /// By how much what waits grew.
    #[diesel(sql_type = BigInt)]
    pub pending_minor: Minor,
    /// By how much what is available grew.
    #[diesel(sql_type = BigInt)]
    pub available_minor: Minor,
    /// By how much what is set aside grew.
    #[diesel(sql_type = BigInt)]
    pub reserved_minor: Minor,
    /// By how much what the activity owes grew.
    #[diesel(sql_type = BigInt)]
    pub arrears_minor: Minor,
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

/// Inserts entries and all their postings in one statement: the triggers see each entry whole.
pub(super) fn insert_entries(tx: &mut Tx<'_>, entries: &[Entry]) -> Result<()> {
    let actor = tx.principal().map(|who| who.person.0);
    let request = tx.request();
    let mut head = Heads::default();
    let mut lines = Lines::default();
    for (index, entry) in entries.iter().enumerate() {
        let (kind, id) = entry.source.parts();
        head.entity.push(entry.entity.0);
        head.booked_on.push(entry.booked_on);
        head.event.push(entry.event.name());
        head.source_kind.push(kind);
        head.source.push(id);
        head.owner.push(entry.owner.map(|owner| owner.0));
        head.reverses.push(entry.reverses);
        lines.push(i32::try_from(index).unwrap_or(i32::MAX), entry);
    }
    diesel::sql_query(
        "WITH head AS (SELECT * FROM unnest($1::uuid[], $2::date[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $23::bigint[]) \
             WITH ORDINALITY AS h (entity_id, booked_on, event, source_kind, source_id, owner_id, reverses_id, n)), \
         entry AS (INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id, owner_id, reverses_id, actor_id, request_id) \
             SELECT entity_id, booked_on, event, source_kind, source_id, owner_id, reverses_id, $7, $8 FROM head ORDER BY n \
             RETURNING id, event, source_kind, source_id, owner_id) \
         INSERT INTO posting (entry_id, account, amount_minor, currency, activity_id, client_id, invoice_id, payout_id, \
                              member_id, bank_line_id, bank_account_id, tax_code, pool_id, owner_id) \
         SELECT e.id, l.account, l.amount, l.currency, l.activity, l.client, l.invoice, l.payout, l.member, l.bank_line, \
                l.bank_account, l.tax_code, l.pool, coalesce(l.owner, e.owner_id) \
         FROM unnest($9::int[], $10::text[], $11::bigint[], $12::text[], $13::uuid[], $14::uuid[], $15::uuid[], $16::uuid[], \
                     $17::uuid[], $18::uuid[], $19::uuid[], $20::text[], $21::uuid[], $22::uuid[]) \
              WITH ORDINALITY AS l (entry, account, amount, currency, activity, client, invoice, payout, member, bank_line, \
                                    bank_account, tax_code, pool, owner, n) \
         JOIN head h ON h.n = l.entry + 1 \
         JOIN entry e ON e.event = h.event AND e.source_kind = h.source_kind AND e.source_id = h.source_id \
         ORDER BY l.n",
    )
    .bind::<Array<SqlUuid>, _>(head.entity)
    .bind::<Array<Date>, _>(head.booked_on)
    .bind::<Array<Text>, _>(head.event)
    .bind::<Array<Text>, _>(head.source_kind)
    .bind::<Array<SqlUuid>, _>(head.source)
    .bind::<Array<Nullable<SqlUuid>>, _>(head.owner)
    .bind::<Nullable<SqlUuid>, _>(actor)
    .bind::<Nullable<SqlUuid>, _>(request)
    .bind::<Array<Integer>, _>(lines.entry)
    .bind::<Array<Text>, _>(lines.account)
    .bind::<Array<BigInt>, _>(lines.amount)
    .bind::<Array<Text>, _>(lines.currency)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.activity)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.client)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.invoice)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.payout)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.member)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.bank_line)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.bank_account)
    .bind::<Array<Nullable<Text>>, _>(lines.tax_code)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.pool)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.owner)
    .bind::<Array<Nullable<BigInt>>, _>(head.reverses)
    .prepared()
    .execute(tx.conn())?;
    Ok(())
}

/// Entries by column, as `unnest` takes them.
#[derive(Default)]
struct Heads {
    entity: Vec<Uuid>,
    booked_on: Vec<NaiveDate>,
    event: Vec<&'static str>,
    source_kind: Vec<&'static str>,
    source: Vec<Uuid>,
    owner: Vec<Option<Uuid>>,
    reverses: Vec<Option<i64>>,
}

/// Postings by column, as `unnest` takes them.
#[derive(Default)]
struct Lines {
    entry: Vec<i32>,
    account: Vec<&'static str>,
    amount: Vec<i64>,
    currency: Vec<String>,
    activity: Vec<Option<Uuid>>,
    client: Vec<Option<Uuid>>,
    invoice: Vec<Option<Uuid>>,
    payout: Vec<Option<Uuid>>,
    member: Vec<Option<Uuid>>,
    bank_line: Vec<Option<Uuid>>,
    bank_account: Vec<Option<Uuid>>,
    tax_code: Vec<Option<String>>,
    pool: Vec<Option<Uuid>>,
    owner: Vec<Option<Uuid>>,
}

impl Lines {
    fn push(&mut self, index: i32, entry: &Entry) {
        for posting in &entry.postings {
            let about = &posting.about;
            self.entry.push(index);
            self.account.push(posting.account.name());
            self.amount.push(posting.amount.get());
            self.currency.push(entry.currency.to_string());
            self.activity.push(about.activity.map(Into::into));
            self.client.push(about.client.map(Into::into));
            self.invoice.push(about.invoice.map(Into::into));
            self.payout.push(about.payout.map(Into::into));
            self.member.push(about.member.map(Into::into));
            self.bank_line.push(about.bank_line.map(Into::into));
            self.bank_account.push(about.bank_account.map(Into::into));
            self.tax_code.push(about.tax_code.clone());
            self.pool.push(about.pool.map(Into::into));
            self.owner.push(about.owner.map(Into::into));
        }
    }
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

/// The books write what is owed to an activity as a credit, and what it owes as a debit; both are turned around here
/// to what grew.
pub(super) fn list_moves(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<MoveRow>> {
    Ok(diesel::sql_query(
        "WITH line AS ( \
             SELECT CASE WHEN e.booked_on >= $2 THEN e.id END AS entry_id, e.booked_on, e.event, i.number, p.account, p.amount_minor \
             FROM posting p JOIN journal_entry e ON e.id = p.entry_id LEFT JOIN invoice i ON i.id = p.invoice_id \
             WHERE p.activity_id = $1 AND e.booked_on <= $3 \
               AND p.account IN ('funds.pending', 'funds.available', 'funds.reserved', 'activity_arrears')) \
         SELECT entry_id, CASE WHEN entry_id IS NOT NULL THEN min(booked_on) END AS booked_on, \
                CASE WHEN entry_id IS NOT NULL THEN min(event) END AS event, \
                CASE WHEN entry_id IS NOT NULL THEN min(number) END AS document, \
                coalesce(-sum(amount_minor) FILTER (WHERE account = 'funds.pending'), 0)::bigint AS pending_minor, \
                coalesce(-sum(amount_minor) FILTER (WHERE account = 'funds.available'), 0)::bigint AS available_minor, \
                coalesce(-sum(amount_minor) FILTER (WHERE account = 'funds.reserved'), 0)::bigint AS reserved_minor, \
                coalesce(sum(amount_minor) FILTER (WHERE account = 'activity_arrears'), 0)::bigint AS arrears_minor \
         FROM line GROUP BY entry_id ORDER BY entry_id NULLS FIRST",
    )
    .bind::<SqlUuid, _>(activity)
    .bind::<Date, _>(from)
    .bind::<Date, _>(to)
    .load(tx.conn())?)
}

pub(super) fn list_activity_postings(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<PostingRow>> {
    Ok(diesel::sql_query(
        "SELECT p.id, e.booked_on, e.event, e.source_kind, e.source_id, p.account, p.amount_minor, p.currency \
         FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
         WHERE p.activity_id = $1 AND p.account LIKE 'funds.%' AND ($2 IS NULL OR p.id < $2) ORDER BY p.id DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(activity)
    .bind::<Nullable<BigInt>, _>(before)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
}

pub(super) fn list_trial_balance(tx: &mut Tx<'_>, entity: EntityId, through: Option<&str>) -> Result<Vec<TrialRow>> {
    Ok(diesel::sql_query(
        "SELECT p.account, a.kind, p.currency, \
                coalesce(sum(p.amount_minor) FILTER (WHERE p.amount_minor > 0), 0)::bigint AS debit_minor, \
                coalesce(-sum(p.amount_minor) FILTER (WHERE p.amount_minor < 0), 0)::bigint AS credit_minor \
         FROM posting p JOIN journal_entry e ON e.id = p.entry_id JOIN ledger_account a ON a.code = p.account \
         WHERE e.entity_id = $1 AND ($2 IS NULL OR e.period <= $2) \
         GROUP BY p.account, a.kind, p.currency ORDER BY p.account, p.currency",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Nullable<Text>, _>(through)
    .load(tx.conn())?)
}

pub(super) fn list_journal(
    tx: &mut Tx<'_>,
    entity: EntityId,
    period: Option<&str>,
    after: i64,
    limit: i64,
) -> Result<Vec<JournalRow>> {
    Ok(diesel::sql_query(
        "SELECT e.id AS entry_id, e.booked_on, e.event, e.source_kind, e.source_id, e.reverses_id, p.account, a.kind, \
                p.amount_minor, p.currency, p.activity_id, p.client_id, s.number AS source_number, coalesce(i.number, p.payout_id::text) AS document, p.tax_code \
         FROM (SELECT * FROM journal_entry WHERE entity_id = $1 AND ($2 IS NULL OR period = $2) AND id > $3 ORDER BY id LIMIT $4) e \
         JOIN posting p ON p.entry_id = e.id JOIN ledger_account a ON a.code = p.account \
         LEFT JOIN invoice i ON i.id = p.invoice_id \
         LEFT JOIN invoice s ON e.source_kind = 'invoice' AND s.id = e.source_id ORDER BY e.id, p.id",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Nullable<Text>, _>(period)
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
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
