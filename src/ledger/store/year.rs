//! The SQL of years: what accounts moved between two days.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Integer, Text, Uuid as SqlUuid};

use crate::kernel::ids::{ActivityId, BankAccountId, EntityId};
use crate::kernel::money::{Currency, Minor};
use crate::ledger::Account;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// What an income or expense account moved.
#[derive(Debug, Clone, QueryableByName)]
pub struct ResultRow {
    /// The account.
    #[diesel(sql_type = Text)]
    pub account: Account,
    /// Its currency.
    #[diesel(sql_type = Text)]
    pub currency: Currency,
    /// Debit positive.
    #[diesel(sql_type = BigInt)]
    pub amount_minor: Minor,
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
}

#[derive(QueryableByName)]
struct OfActivity {
    #[diesel(sql_type = SqlUuid)]
    activity_id: ActivityId,
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

pub(in crate::ledger) fn list_results(
    tx: &mut Tx<'_>,
    entity: EntityId,
    from: NaiveDate,
    through: NaiveDate,
) -> Result<Vec<ResultRow>> {
    Ok(diesel::sql_query(
        "SELECT p.account, p.currency, sum(p.amount_minor)::bigint AS amount_minor \
         FROM posting p JOIN journal_entry e ON e.id = p.entry_id JOIN ledger_account a ON a.code = p.account \
         WHERE e.entity_id = $1 AND e.booked_on BETWEEN $2 AND $3 AND e.event <> 'year_closed' \
           AND a.kind IN ('income', 'expense') \
         GROUP BY p.account, p.currency HAVING sum(p.amount_minor) <> 0 ORDER BY p.account, p.currency",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Date, _>(from)
    .bind::<Date, _>(through)
    .load(tx.conn())?)
}

pub(in crate::ledger) fn sum_account_through(
    tx: &mut Tx<'_>,
    entity: EntityId,
    account: Account,
    through: NaiveDate,
) -> Result<Minor> {
    let sum: Sum = diesel::sql_query(
        "SELECT coalesce(sum(p.amount_minor), 0)::bigint AS amount_minor FROM posting p \
         JOIN journal_entry e ON e.id = p.entry_id \
         WHERE e.entity_id = $1 AND p.account = $2 AND e.booked_on <= $3",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(account.name())
    .bind::<Date, _>(through)
    .get_result(tx.conn())?;
    Ok(sum.amount_minor)
}

pub(in crate::ledger) fn sum_activities_between(
    tx: &mut Tx<'_>,
    entity: EntityId,
    account: Account,
    from: NaiveDate,
    through: NaiveDate,
) -> Result<Vec<(ActivityId, Minor)>> {
    let rows: Vec<OfActivity> = diesel::sql_query(
        "SELECT p.activity_id, sum(p.amount_minor)::bigint AS amount_minor \
         FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
         WHERE e.entity_id = $1 AND p.account = $2 AND e.booked_on BETWEEN $3 AND $4 AND p.activity_id IS NOT NULL \
         GROUP BY p.activity_id HAVING sum(p.amount_minor) <> 0 ORDER BY p.activity_id",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(account.name())
    .bind::<Date, _>(from)
    .bind::<Date, _>(through)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.activity_id, row.amount_minor)).collect())
}

pub(in crate::ledger) fn count_suspense(tx: &mut Tx<'_>, entity: EntityId, through: NaiveDate) -> Result<i64> {
    let count: Count = diesel::sql_query(
        "SELECT count(*) AS n FROM (SELECT p.bank_line_id FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
         WHERE e.entity_id = $1 AND p.account = 'bank_suspense' AND e.booked_on <= $2 \
         GROUP BY p.bank_line_id HAVING sum(p.amount_minor) <> 0) waiting",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Date, _>(through)
    .get_result(tx.conn())?;
    Ok(count.n)
}

/// Takes the months of a year for itself, in their order: entries into them hold the same locks in common.
pub(in crate::ledger) fn lock_year(tx: &mut Tx<'_>, entity: EntityId, year: i32) -> Result<()> {
    diesel::sql_query(
        "SELECT pg_advisory_xact_lock(period_lock($1, to_char(make_date($2, m, 1), 'YYYY-MM'))) FROM generate_series(1, 12) m",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Integer, _>(year)
    .execute(tx.conn())?;
    Ok(())
}

#[derive(QueryableByName)]
struct Year {
    #[diesel(sql_type = Integer)]
    year: i32,
}

pub(in crate::ledger) fn list_years_with_results(
    tx: &mut Tx<'_>,
    entity: EntityId,
    before: NaiveDate,
) -> Result<Vec<i32>> {
    let rows: Vec<Year> = diesel::sql_query(
        "SELECT DISTINCT extract(year FROM e.booked_on)::int AS year FROM journal_entry e \
         WHERE e.entity_id = $1 AND e.booked_on < $2 AND e.event <> 'year_closed' AND EXISTS ( \
             SELECT FROM posting p JOIN ledger_account a ON a.code = p.account \
             WHERE p.entry_id = e.id AND a.kind IN ('income', 'expense')) ORDER BY 1",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Date, _>(before)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| row.year).collect())
}

#[derive(QueryableByName)]
struct OnAccount {
    #[diesel(sql_type = BigInt)]
    amount: Minor,
}

/// What was booked on a bank account.
pub(in crate::ledger) fn sum_bank_account(tx: &mut Tx<'_>, account: BankAccountId) -> Result<Minor> {
    let sum: OnAccount = diesel::sql_query(
        "SELECT coalesce(sum(amount_minor), 0)::bigint AS amount FROM posting WHERE account = 'bank' AND bank_account_id = $1",
    )
    .bind::<SqlUuid, _>(account)
    .get_result(tx.conn())?;
    Ok(sum.amount)
}
