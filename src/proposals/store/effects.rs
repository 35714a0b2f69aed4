//! The results of dry runs.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use serde_json::Value;
use umbel_schema::{dry_run, dry_run_effect, dry_run_month};
use uuid::Uuid;

use super::DryRunRow;
use crate::kernel::ids::{DryRunId, PersonId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::proposals::replay::{Compared, Sums};

/// What one member paid, and would have paid.
#[derive(Debug, Clone, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = dry_run_effect, check_for_backend(diesel::pg::Pg))]
pub struct EffectRow {
    /// Who.
    pub member_id: PersonId,
    /// Of the amounts.
    pub currency: Currency,
    /// Documents of the period.
    pub invoice_count: i64,
    /// Their net amounts.
    pub invoiced_minor: Minor,
    /// The fee that was booked.
    pub booked_fee_minor: Minor,
    /// The fee under the proposal.
    pub proposed_fee_minor: Minor,
    /// The contribution to the guarantee that was booked.
    pub booked_guarantee_minor: Minor,
    /// The contribution under the proposal.
    pub proposed_guarantee_minor: Minor,
    /// What the member would have paid more; negative for less.
    pub difference_minor: Minor,
}

/// What the mutual kept in a month, and would have kept.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = dry_run_month, check_for_backend(diesel::pg::Pg))]
pub struct MonthRow {
    /// The month.
    pub period: String,
    /// The fees that were booked.
    pub booked_fee_minor: Minor,
    /// The fees under the proposal.
    pub proposed_fee_minor: Minor,
    /// The contributions that were booked.
    pub booked_guarantee_minor: Minor,
    /// The contributions under the proposal.
    pub proposed_guarantee_minor: Minor,
}

/// By what members are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Who would have paid more, first.
    #[default]
    LargestLoss,
    /// Who would have paid less, first.
    LargestGain,
}

pub(in crate::proposals) fn list_months(tx: &mut Tx<'_>, of: DryRunId) -> Result<Vec<MonthRow>> {
    Ok(dry_run_month::table
        .filter(dry_run_month::dry_run_id.eq(of))
        .order(dry_run_month::period.asc())
        .select(MonthRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::proposals) fn find_effect(tx: &mut Tx<'_>, of: DryRunId, member: PersonId) -> Result<Option<EffectRow>> {
    Ok(dry_run_effect::table.find((of, member)).select(EffectRow::as_select()).first(tx.conn()).optional()?)
}

/// The cursor names a member; the rows after them are found by their result, which never changes.
pub(in crate::proposals) fn list_effects(
    tx: &mut Tx<'_>,
    of: DryRunId,
    order: Order,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<EffectRow>> {
    let (compare, sorted) = match order {
        Order::LargestGain => (">", "difference_minor, member_id"),
        Order::LargestLoss => ("<", "difference_minor DESC, member_id DESC"),
    };
    Ok(diesel::sql_query(format!(
        "SELECT e.* FROM dry_run_effect e WHERE e.dry_run_id = $1 AND ($2 IS NULL OR (e.difference_minor, e.member_id) {compare} \
           (SELECT x.difference_minor, x.member_id FROM dry_run_effect x WHERE x.dry_run_id = $1 AND x.member_id = $2)) \
         ORDER BY {sorted} LIMIT $3"
    ))
    .bind::<SqlUuid, _>(of)
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
}

/// The columns of results, side by side.
#[derive(Default)]
struct Columns {
    documents: Vec<i64>,
    invoiced: Vec<i64>,
    booked_fee: Vec<i64>,
    proposed_fee: Vec<i64>,
    booked_guarantee: Vec<i64>,
    proposed_guarantee: Vec<i64>,
}

impl<'a> FromIterator<&'a Compared> for Columns {
    fn from_iter<I: IntoIterator<Item = &'a Compared>>(rows: I) -> Self {
        let mut columns = Self::default();
        for row in rows {
            columns.documents.push(row.documents);
            columns.invoiced.push(row.invoiced.get());
            columns.booked_fee.push(row.booked.fee.get());
            columns.proposed_fee.push(row.proposed.fee.get());
            columns.booked_guarantee.push(row.booked.guarantee.get());
            columns.proposed_guarantee.push(row.proposed.guarantee.get());
        }
        columns
    }
}

/// Adds what a page of activities came to, and says how far the run is: all in one transaction, so that a page counts
/// once whatever happens to the worker.
pub(in crate::proposals) fn save_page(
    tx: &mut Tx<'_>,
    run: &DryRunRow,
    sums: &Sums,
    carried: &Value,
    done: i64,
) -> Result<()> {
    let members: Vec<PersonId> = sums.members.keys().copied().collect();
    let rows: Columns = sums.members.values().collect();
    diesel::sql_query(
        "INSERT INTO dry_run_effect AS e (dry_run_id, member_id, currency, invoice_count, invoiced_minor, booked_fee_minor, \
           proposed_fee_minor, booked_guarantee_minor, proposed_guarantee_minor) \
         SELECT $1, x.* FROM (SELECT m, $2::char(3), n, i, bf, pf, bg, pg FROM \
           unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]) u (m, n, i, bf, pf, bg, pg)) x \
         ON CONFLICT (dry_run_id, member_id) DO UPDATE SET invoice_count = e.invoice_count + excluded.invoice_count, \
           invoiced_minor = e.invoiced_minor + excluded.invoiced_minor, \
           booked_fee_minor = e.booked_fee_minor + excluded.booked_fee_minor, \
           proposed_fee_minor = e.proposed_fee_minor + excluded.proposed_fee_minor, \
           booked_guarantee_minor = e.booked_guarantee_minor + excluded.booked_guarantee_minor, \
           proposed_guarantee_minor = e.proposed_guarantee_minor + excluded.proposed_guarantee_minor",
    )
    .bind::<SqlUuid, _>(run.id)
    .bind::<Text, _>(run.currency)
    .bind::<Array<SqlUuid>, _>(members)
    .bind::<Array<BigInt>, _>(rows.documents)
    .bind::<Array<BigInt>, _>(rows.invoiced)
    .bind::<Array<BigInt>, _>(rows.booked_fee)
    .bind::<Array<BigInt>, _>(rows.proposed_fee)
    .bind::<Array<BigInt>, _>(rows.booked_guarantee)
    .bind::<Array<BigInt>, _>(rows.proposed_guarantee)
    .execute(tx.conn())?;
    let months: Vec<&str> = sums.months.keys().map(String::as_str).collect();
    let rows: Columns = sums.months.values().collect();
    diesel::sql_query(
        "INSERT INTO dry_run_month AS e (dry_run_id, period, currency, booked_fee_minor, proposed_fee_minor, \
           booked_guarantee_minor, proposed_guarantee_minor) \
         SELECT $1, m, $2::char(3), bf, pf, bg, pg FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) u (m, bf, pf, bg, pg) \
         ON CONFLICT (dry_run_id, period) DO UPDATE SET booked_fee_minor = e.booked_fee_minor + excluded.booked_fee_minor, \
           proposed_fee_minor = e.proposed_fee_minor + excluded.proposed_fee_minor, \
           booked_guarantee_minor = e.booked_guarantee_minor + excluded.booked_guarantee_minor, \
           proposed_guarantee_minor = e.proposed_guarantee_minor + excluded.proposed_guarantee_minor",
    )
    .bind::<SqlUuid, _>(run.id)
    .bind::<Text, _>(run.currency)
    .bind::<Array<Text>, _>(months)
    .bind::<Array<BigInt>, _>(rows.booked_fee)
    .bind::<Array<BigInt>, _>(rows.proposed_fee)
    .bind::<Array<BigInt>, _>(rows.booked_guarantee)
    .bind::<Array<BigInt>, _>(rows.proposed_guarantee)
    .execute(tx.conn())?;
    super::save_carried(tx, run.id, carried, done)
}

/// Ends a run: who is better and who is worse off, and the hash of all results in their order. The hash is over what
/// was found, not over ids of this run, so that two runs of the same rules over the same months can be compared.
pub(in crate::proposals) fn save_finished(tx: &mut Tx<'_>, id: DryRunId) -> Result<DryRunRow> {
    diesel::sql_query(
        "WITH members AS ( \
             SELECT count(*) AS n, count(*) FILTER (WHERE difference_minor < 0) AS better, \
                    count(*) FILTER (WHERE difference_minor > 0) AS worse, \
                    least(min(difference_minor), 0) AS gain, greatest(max(difference_minor), 0) AS loss, \
                    string_agg(concat_ws('|', member_id, currency, invoice_count, invoiced_minor, booked_fee_minor, proposed_fee_minor, \
                                         booked_guarantee_minor, proposed_guarantee_minor), E'\\n' ORDER BY member_id) AS rows \
             FROM dry_run_effect WHERE dry_run_id = $1), \
         months AS ( \
             SELECT string_agg(concat_ws('|', period, currency, booked_fee_minor, proposed_fee_minor, booked_guarantee_minor, \
                                         proposed_guarantee_minor), E'\\n' ORDER BY period) AS rows \
             FROM dry_run_month WHERE dry_run_id = $1) \
         UPDATE dry_run r SET member_count = m.n, better_off = m.better, worse_off = m.worse, \
             largest_gain_minor = coalesce(m.gain, 0), largest_loss_minor = coalesce(m.loss, 0), finished_at = umbel_now(), \
             sha256 = sha256(concat_ws(E'\\n', r.from_period, r.to_period, coalesce(m.rows, ''), coalesce(s.rows, ''))::bytea) \
         FROM members m, months s WHERE r.id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .execute(tx.conn())?;
    Ok(dry_run::table.find(id).select(DryRunRow::as_select()).first(tx.conn())?)
}
