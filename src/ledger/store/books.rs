//! The SQL that reads the books: what moved on an activity, the trial balance, the journal.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use crate::kernel::ids::{ActivityId, EntityId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;

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

/// The books write what is owed to an activity as a credit, and what it owes as a debit; both are turned around here
/// to what grew.
pub(in crate::ledger) fn list_moves(
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

pub(in crate::ledger) fn list_activity_postings(
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

pub(in crate::ledger) fn list_trial_balance(
    tx: &mut Tx<'_>,
    entity: EntityId,
    through: Option<&str>,
) -> Result<Vec<TrialRow>> {
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

pub(in crate::ledger) fn list_journal(
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

#[derive(QueryableByName)]
struct Available {
    #[diesel(sql_type = BigInt)]
    amount: Minor,
}

/// What an activity had available at the end of a day.
pub(in crate::ledger) fn available_through(tx: &mut Tx<'_>, activity: ActivityId, day: NaiveDate) -> Result<Minor> {
    let row: Available = diesel::sql_query(
        "SELECT -coalesce(sum(p.amount_minor), 0)::bigint AS amount FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
         WHERE p.activity_id = $1 AND p.account = 'funds.available' AND e.booked_on <= $2",
    )
    .bind::<SqlUuid, _>(activity)
    .bind::<Date, _>(day)
    .get_result(tx.conn())?;
    Ok(row.amount)
}
