//! The SQL of explanations: lines of the books, and where the money of an activity came from. Only reads.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Date, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::rules::grows_by_debit;
use crate::kernel::ids::{ActivityId, InvoiceId};
use crate::kernel::money::{Currency, Minor};
use crate::ledger::{Account, Event};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// A line of the books with its entry.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct LineRow {
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) entry_id: i64,
    #[diesel(sql_type = Text)]
    pub(super) account: Account,
    #[diesel(sql_type = BigInt)]
    pub(super) amount_minor: Minor,
    #[diesel(sql_type = Text)]
    pub(super) currency: Currency,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(super) activity_id: Option<ActivityId>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(super) invoice_id: Option<InvoiceId>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) tax_code: Option<String>,
    #[diesel(sql_type = Text)]
    pub(super) event: Event,
    #[diesel(sql_type = Date)]
    pub(super) booked_on: NaiveDate,
    #[diesel(sql_type = Text)]
    pub(super) source_kind: String,
    #[diesel(sql_type = SqlUuid)]
    pub(super) source_id: Uuid,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) reverses_id: Option<i64>,
}

/// Some of the money of an earlier line.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct PieceRow {
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) amount_minor: Minor,
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
}

/// The lines that the reader may see: their own, or all of them for the office. Row-level security asks again.
const LINES: &str = "SELECT p.id, p.entry_id, p.account, p.amount_minor, p.currency::text AS currency, p.activity_id, \
                            p.invoice_id, p.tax_code, e.event, e.booked_on, e.source_kind, e.source_id, e.reverses_id \
                     FROM posting p JOIN journal_entry e ON e.id = p.entry_id WHERE ($1 IS NULL OR p.owner_id = $1)";

pub(super) fn find(tx: &mut Tx<'_>, id: i64) -> Result<LineRow> {
    let reader = tx.only_owner();
    Ok(diesel::sql_query(format!("{LINES} AND p.id = $2"))
        .bind::<Nullable<SqlUuid>, _>(reader)
        .bind::<BigInt, _>(id)
        .get_result(tx.conn())?)
}

/// The lines of an entry, in their order.
pub(super) fn list_entry(tx: &mut Tx<'_>, entry: i64) -> Result<Vec<LineRow>> {
    let reader = tx.only_owner();
    Ok(diesel::sql_query(format!("{LINES} AND p.entry_id = $2 ORDER BY p.id"))
        .bind::<Nullable<SqlUuid>, _>(reader)
        .bind::<BigInt, _>(entry)
        .load(tx.conn())?)
}

/// The lines of an account that a fact was booked with, oldest first.
pub(super) fn list_of_source(tx: &mut Tx<'_>, kind: &str, id: Uuid, account: Account) -> Result<Vec<LineRow>> {
    let reader = tx.only_owner();
    Ok(diesel::sql_query(format!(
        "{LINES} AND e.source_kind = $2 AND e.source_id = $3 AND p.account = $4 ORDER BY p.id"
    ))
    .bind::<Nullable<SqlUuid>, _>(reader)
    .bind::<Text, _>(kind)
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(account)
    .load(tx.conn())?)
}

/// The lines of an invoice on an account, of one activity or of all, older than an entry; oldest first.
pub(super) fn list_of_invoice(
    tx: &mut Tx<'_>,
    invoice: InvoiceId,
    account: Account,
    activity: Option<ActivityId>,
    before_entry: i64,
) -> Result<Vec<LineRow>> {
    let reader = tx.only_owner();
    Ok(diesel::sql_query(format!(
        "{LINES} AND p.invoice_id = $2 AND p.account = $3 AND ($4 IS NULL OR p.activity_id = $4) AND p.entry_id < $5 ORDER BY p.id"
    ))
    .bind::<Nullable<SqlUuid>, _>(reader)
    .bind::<SqlUuid, _>(invoice)
    .bind::<Text, _>(account)
    .bind::<Nullable<SqlUuid>, _>(activity)
    .bind::<BigInt, _>(before_entry)
    .load(tx.conn())?)
}

/// Where money of an activity's account came from: receipts and spendings, both in their order, laid side by side.
/// With a line, the receipts that it spent; without, those that nothing has spent yet.
///
/// Both are sums over the whole account, so each cent is spent once.
pub(super) fn list_pieces(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    account: Account,
    spent_by: Option<i64>,
) -> Result<Vec<PieceRow>> {
    // What grows by debits is received by debits.
    let sign: i64 = if grows_by_debit(account) { 1 } else { -1 };
    Ok(diesel::sql_query(
        "WITH moves AS (SELECT id, amount_minor * $4 AS amount FROM posting WHERE activity_id = $1 AND account = $2 AND ($3 IS NULL OR id <= $3)), \
         receipts AS (SELECT id, sum(amount) OVER (ORDER BY id) - amount AS low, sum(amount) OVER (ORDER BY id) AS high FROM moves WHERE amount > 0), \
         spent AS (SELECT coalesce(sum(-amount) FILTER (WHERE $3 IS NULL OR id < $3), 0) AS low, \
                          CASE WHEN $3 IS NULL THEN NULL ELSE coalesce(sum(-amount), 0) END AS high FROM moves WHERE amount < 0) \
         SELECT r.id, (least(r.high, coalesce(s.high, r.high)) - greatest(r.low, s.low))::bigint AS amount_minor \
         FROM receipts r, spent s WHERE r.high > s.low AND (s.high IS NULL OR r.low < s.high) ORDER BY r.id",
    )
    .bind::<SqlUuid, _>(activity)
    .bind::<Text, _>(account)
    .bind::<Nullable<BigInt>, _>(spent_by)
    .bind::<BigInt, _>(sign)
    .load(tx.conn())?)
}

/// What an activity still holds of each invoice or payout on an account, as the newest line of each with the sum.
pub(super) fn list_held(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    account: Account,
    by_payout: bool,
) -> Result<Vec<PieceRow>> {
    Ok(diesel::sql_query(
        "SELECT max(id) AS id, (-sum(amount_minor))::bigint AS amount_minor FROM posting WHERE activity_id = $1 AND account = $2 \
         GROUP BY CASE WHEN $3 THEN payout_id ELSE invoice_id END HAVING sum(amount_minor) <> 0 ORDER BY 1",
    )
    .bind::<SqlUuid, _>(activity)
    .bind::<Text, _>(account)
    .bind::<Bool, _>(by_payout)
    .load(tx.conn())?)
}

/// The sum of an account over an invoice, up to and without an entry.
pub(super) fn sum_of_invoice(
    tx: &mut Tx<'_>,
    invoice: InvoiceId,
    account: Account,
    before_entry: i64,
) -> Result<Minor> {
    let found: Sum = diesel::sql_query(
        "SELECT coalesce(sum(amount_minor), 0)::bigint AS amount_minor FROM posting WHERE invoice_id = $1 AND account = $2 AND entry_id < $3",
    )
    .bind::<SqlUuid, _>(invoice)
    .bind::<Text, _>(account)
    .bind::<BigInt, _>(before_entry)
    .get_result(tx.conn())?;
    Ok(found.amount_minor)
}
