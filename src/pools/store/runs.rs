//! The SQL of runs: the weights of a period, and what was divided.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, SmallInt, Text, Uuid as SqlUuid};
use umbel_schema::{pool_run, pool_run_cost, pool_run_part, pool_run_split};
use uuid::Uuid;

use crate::kernel::ids::{ActivityId, CostId, PersonId, PoolId, PoolRunId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;
use crate::platform::prepared::Prepare;
use crate::pools::rules::{DividedSplit, PoolBasis, RunKind, RunState};

/// One division of a pool's cost.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pool_run, check_for_backend(diesel::pg::Pg))]
pub struct RunRow {
    /// Its id.
    pub id: PoolRunId,
    /// Its pool.
    pub pool_id: PoolId,
    /// The key that divided it; a refund has none.
    pub key_id: Option<Uuid>,
    /// What it divided.
    pub kind: RunKind,
    /// The first day of its period.
    pub from_on: NaiveDate,
    /// The last day of its period.
    pub to_on: NaiveDate,
    /// What it divided; negative when given back.
    pub amount_minor: Minor,
    /// Of all its amounts.
    pub currency: Currency,
    /// Where it stands.
    pub state: RunState,
    /// Who booked it.
    pub booked_by: PersonId,
    /// When.
    pub booked_on: NaiveDate,
    /// Who took it back.
    pub reversed_by: Option<PersonId>,
    /// When.
    pub reversed_on: Option<NaiveDate>,
    /// Why.
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A run's division by one part of its key.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pool_run_split, check_for_backend(diesel::pg::Pg))]
pub struct SplitRow {
    /// Its run.
    pub run_id: PoolRunId,
    /// The how manieth part of the key.
    pub n: i16,
    /// By what.
    pub basis: PoolBasis,
    /// Its share of the whole.
    pub share_ppm: i64,
    /// What it divides.
    pub amount_minor: Minor,
    /// The sum of all weights.
    pub weight_sum: i64,
}

/// What an activity bears of a split.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pool_run_part, check_for_backend(diesel::pg::Pg))]
pub struct PartRow {
    /// The run.
    pub run_id: PoolRunId,
    /// The split.
    pub n: i16,
    /// The activity.
    pub activity_id: ActivityId,
    /// Its weight.
    pub weight: i64,
    /// The quota without its fraction.
    pub floor_minor: Minor,
    /// The numerator of the fraction, over the sum of all weights.
    pub remainder: i64,
    /// The part.
    pub amount_minor: Minor,
}

/// A part of the signed-in member, with its run.
pub type MyPartRow = (RunRow, Vec<PartRow>);

/// A cost that a run divides.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pool_run_cost, check_for_backend(diesel::pg::Pg))]
pub struct RunCostRow {
    /// The run.
    pub run_id: PoolRunId,
    /// The cost.
    pub cost_id: CostId,
    /// How much of it.
    pub amount_minor: Minor,
}

#[derive(QueryableByName)]
struct Weight {
    #[diesel(sql_type = SqlUuid)]
    activity_id: ActivityId,
    #[diesel(sql_type = BigInt)]
    weight: i64,
}

#[derive(QueryableByName)]
struct Activity {
    #[diesel(sql_type = SqlUuid)]
    activity_id: ActivityId,
}

/// What each activity that was in during a period weighs, by activity; those that weigh nothing are there with zero.
const TAKERS: &str = "SELECT t.activity_id, greatest(coalesce(w.weight, 0), 0)::bigint AS weight \
     FROM (SELECT DISTINCT activity_id FROM pool_membership \
           WHERE pool_id = $1 AND in_from <= $3 AND (out_from IS NULL OR out_from > $2)) t \
     LEFT JOIN (";
const BY_ACTIVITY: &str = ") w ON w.activity_id = t.activity_id ORDER BY t.activity_id";

/// The weights of one basis. Invoices and usage count on days in the pool, seats where they meet such days.
fn weights_of(basis: PoolBasis) -> &'static str {
    match basis {
        PoolBasis::Equal => "SELECT DISTINCT activity_id, 1 AS weight FROM pool_membership WHERE pool_id = $1",
        PoolBasis::DaysPresent => {
            "SELECT activity_id, sum(least(coalesce(out_from, $3 + 1), $3 + 1) - greatest(in_from, $2)) AS weight \
             FROM pool_membership WHERE pool_id = $1 AND in_from <= $3 AND (out_from IS NULL OR out_from > $2) GROUP BY activity_id"
        }
        PoolBasis::Turnover => {
            "SELECT i.activity_id, sum(CASE i.kind WHEN 'invoice' THEN i.net_minor ELSE -abs(i.net_minor) END) AS weight \
             FROM invoice i JOIN pool_membership m ON m.pool_id = $1 AND m.activity_id = i.activity_id \
              AND i.issued_on >= m.in_from AND (m.out_from IS NULL OR i.issued_on < m.out_from) \
             WHERE i.state = 'issued' AND i.issued_on BETWEEN $2 AND $3 GROUP BY i.activity_id"
        }
        PoolBasis::Usage => {
            "SELECT u.activity_id, sum(u.quantity) * 10000 AS weight \
             FROM pool_usage u JOIN pool_membership m ON m.pool_id = $1 AND m.activity_id = u.activity_id \
              AND u.used_on >= m.in_from AND (m.out_from IS NULL OR u.used_on < m.out_from) \
             WHERE u.pool_id = $1 AND u.used_on BETWEEN $2 AND $3 GROUP BY u.activity_id"
        }
        PoolBasis::FixedShares => "SELECT activity_id, weight FROM pool_share WHERE key_id = $4",
        PoolBasis::Seats => {
            "SELECT activity_id, sum(seats * (upper(days) - lower(days))) AS weight FROM ( \
                 SELECT s.activity_id, s.seats, daterange(s.from_on, s.until_on) * daterange(m.in_from, m.out_from) * daterange($2, $3 + 1) AS days \
                 FROM pool_seat s JOIN pool_membership m ON m.pool_id = $1 AND m.activity_id = s.activity_id WHERE s.pool_id = $1) x \
             WHERE NOT isempty(days) GROUP BY activity_id"
        }
        PoolBasis::Parts => {
            "SELECT p.activity_id, sum(p.amount_minor) AS weight FROM pool_run_part p JOIN pool_run r ON r.id = p.run_id \
             WHERE r.pool_id = $1 AND r.state = 'booked' GROUP BY p.activity_id"
        }
    }
}

/// The weights of a period, by activity.
pub(in crate::pools) fn list_weights(
    tx: &mut Tx<'_>,
    pool: PoolId,
    key: Option<Uuid>,
    basis: PoolBasis,
    (from, to): (NaiveDate, NaiveDate),
) -> Result<Vec<(ActivityId, i64)>> {
    let text = format!("{TAKERS}{}{BY_ACTIVITY}", weights_of(basis));
    let rows: Vec<Weight> = diesel::sql_query(text)
        .bind::<SqlUuid, _>(pool)
        .bind::<Date, _>(from)
        .bind::<Date, _>(to)
        .bind::<diesel::sql_types::Nullable<SqlUuid>, _>(key)
        .prepared()
        .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.activity_id, row.weight)).collect())
}

pub(in crate::pools) fn insert_run(tx: &mut Tx<'_>, row: &RunRow) -> Result<()> {
    diesel::insert_into(pool_run::table).values(row).execute(tx.conn())?;
    Ok(())
}

pub(in crate::pools) fn insert_run_costs(tx: &mut Tx<'_>, rows: &[RunCostRow]) -> Result<()> {
    for rows in rows.chunks(1000) {
        diesel::insert_into(pool_run_cost::table).values(rows).execute(tx.conn())?;
    }
    Ok(())
}

/// The owner of each activity and its parts, by column as `unnest` takes them: one statement a split.
pub(in crate::pools) fn insert_split(tx: &mut Tx<'_>, run: &RunRow, split: &DividedSplit) -> Result<()> {
    diesel::insert_into(pool_run_split::table)
        .values((
            pool_run_split::run_id.eq(run.id),
            pool_run_split::n.eq(split.n),
            pool_run_split::basis.eq(split.basis),
            pool_run_split::share_ppm.eq(split.share.0),
            pool_run_split::amount_minor.eq(split.amount),
            pool_run_split::weight_sum.eq(split.weight_sum),
        ))
        .execute(tx.conn())?;
    let (mut activities, mut weights, mut floors, mut remainders, mut amounts) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for part in &split.parts {
        activities.push(part.activity.0);
        weights.push(part.weight);
        floors.push(part.quota.floor.get());
        remainders.push(i64::try_from(part.quota.remainder).unwrap_or(i64::MAX));
        amounts.push(part.quota.part.get());
    }
    diesel::sql_query(
        "INSERT INTO pool_run_part (run_id, n, activity_id, member_id, pool_id, weight, floor_minor, remainder, amount_minor) \
         SELECT $1, $2, p.activity, a.member_id, $3, p.weight, p.floor, p.remainder, p.amount \
         FROM unnest($4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[]) AS p (activity, weight, floor, remainder, amount) \
         JOIN activity a ON a.id = p.activity ORDER BY p.activity",
    )
    .bind::<SqlUuid, _>(run.id)
    .bind::<SmallInt, _>(split.n)
    .bind::<SqlUuid, _>(run.pool_id)
    .bind::<Array<SqlUuid>, _>(activities)
    .bind::<Array<BigInt>, _>(weights)
    .bind::<Array<BigInt>, _>(floors)
    .bind::<Array<BigInt>, _>(remainders)
    .bind::<Array<BigInt>, _>(amounts)
    .execute(tx.conn())?;
    Ok(())
}

pub(in crate::pools) fn find_run(tx: &mut Tx<'_>, id: PoolRunId) -> Result<RunRow> {
    Ok(pool_run::table.find(id).select(RunRow::as_select()).first(tx.conn())?)
}

pub(in crate::pools) fn lock_run(tx: &mut Tx<'_>, id: PoolRunId) -> Result<Locked<RunRow>> {
    let query = pool_run::table.find(id).select(RunRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_no_key_update().first(tx.conn())?
    };
    Ok(Locked::new(row))
}

pub(in crate::pools) fn list_runs(
    tx: &mut Tx<'_>,
    pool: PoolId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<RunRow>> {
    let mut query = pool_run::table
        .filter(pool_run::pool_id.eq(pool))
        .order(pool_run::id.desc())
        .limit(limit)
        .select(RunRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(pool_run::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// All runs of a pool that stand, by the end of their periods.
pub(in crate::pools) fn live_runs(tx: &mut Tx<'_>, pool: PoolId) -> Result<Vec<RunRow>> {
    Ok(pool_run::table
        .filter(pool_run::pool_id.eq(pool))
        .filter(pool_run::state.eq(RunState::Booked))
        .order((pool_run::to_on.asc(), pool_run::id.asc()))
        .select(RunRow::as_select())
        .load(tx.conn())?)
}

/// What runs that stand divide of costs.
pub(in crate::pools) fn live_run_costs(tx: &mut Tx<'_>, pool: PoolId) -> Result<Vec<RunCostRow>> {
    Ok(pool_run_cost::table
        .inner_join(pool_run::table)
        .filter(pool_run::pool_id.eq(pool))
        .filter(pool_run::state.eq(RunState::Booked))
        .select(RunCostRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::pools) fn list_run_costs(tx: &mut Tx<'_>, runs: &[PoolRunId]) -> Result<Vec<RunCostRow>> {
    Ok(pool_run_cost::table
        .filter(pool_run_cost::run_id.eq_any(runs))
        .order((pool_run_cost::run_id.asc(), pool_run_cost::cost_id.asc()))
        .select(RunCostRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::pools) fn list_splits(tx: &mut Tx<'_>, runs: &[PoolRunId]) -> Result<Vec<SplitRow>> {
    Ok(pool_run_split::table
        .filter(pool_run_split::run_id.eq_any(runs))
        .order((pool_run_split::run_id.asc(), pool_run_split::n.asc()))
        .select(SplitRow::as_select())
        .load(tx.conn())?)
}

/// The next activities of a run, by activity.
pub(in crate::pools) fn list_run_activities(
    tx: &mut Tx<'_>,
    run: PoolRunId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ActivityId>> {
    let rows: Vec<Activity> = diesel::sql_query(
        "SELECT DISTINCT activity_id FROM pool_run_part WHERE run_id = $1 AND ($2 IS NULL OR activity_id > $2) \
         ORDER BY activity_id LIMIT $3",
    )
    .bind::<SqlUuid, _>(run)
    .bind::<diesel::sql_types::Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| row.activity_id).collect())
}

pub(in crate::pools) fn list_parts(
    tx: &mut Tx<'_>,
    runs: &[PoolRunId],
    activities: &[ActivityId],
) -> Result<Vec<PartRow>> {
    Ok(pool_run_part::table
        .filter(pool_run_part::run_id.eq_any(runs))
        .filter(pool_run_part::activity_id.eq_any(activities))
        .order((pool_run_part::activity_id.asc(), pool_run_part::run_id.asc(), pool_run_part::n.asc()))
        .select(PartRow::as_select())
        .load(tx.conn())?)
}

/// The runs in which somebody bears something, newest first, each with their own parts.
pub(in crate::pools) fn list_my_parts(
    tx: &mut Tx<'_>,
    pool: PoolId,
    of: PersonId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<MyPartRow>> {
    let mine = pool_run_part::table
        .filter(pool_run_part::member_id.eq(of))
        .filter(pool_run_part::pool_id.eq(pool))
        .select(pool_run_part::run_id);
    let mut query = pool_run::table
        .filter(pool_run::pool_id.eq(pool))
        .filter(pool_run::id.eq_any(mine))
        .order(pool_run::id.desc())
        .limit(limit)
        .select(RunRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(pool_run::id.lt(after));
    }
    let runs: Vec<RunRow> = query.load(tx.conn())?;
    let ids: Vec<PoolRunId> = runs.iter().map(|run| run.id).collect();
    let parts: Vec<PartRow> = pool_run_part::table
        .filter(pool_run_part::run_id.eq_any(ids))
        .filter(pool_run_part::member_id.eq(of))
        .order((pool_run_part::activity_id.asc(), pool_run_part::n.asc()))
        .select(PartRow::as_select())
        .load(tx.conn())?;
    let of_run = |run: &RunRow| parts.iter().filter(|part| part.run_id == run.id).cloned().collect();
    Ok(runs
        .into_iter()
        .map(|run| {
            let parts = of_run(&run);
            (run, parts)
        })
        .collect())
}

/// What the next activities of a pool bear in all runs that stand, by activity.
pub(in crate::pools) fn list_borne(
    tx: &mut Tx<'_>,
    pool: PoolId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(ActivityId, Minor)>> {
    let rows: Vec<Weight> = diesel::sql_query(
        "SELECT p.activity_id, sum(p.amount_minor)::bigint AS weight FROM pool_run_part p JOIN pool_run r ON r.id = p.run_id \
         WHERE r.pool_id = $1 AND r.state = $4 AND ($2 IS NULL OR p.activity_id > $2) \
         GROUP BY p.activity_id ORDER BY p.activity_id LIMIT $3",
    )
    .bind::<SqlUuid, _>(pool)
    .bind::<diesel::sql_types::Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .bind::<Text, _>(RunState::Booked.name())
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.activity_id, Minor::new(row.weight))).collect())
}

pub(in crate::pools) fn save_reversed(
    tx: &mut Tx<'_>,
    row: &Locked<RunRow>,
    by: PersonId,
    on: NaiveDate,
    reason: &str,
) -> Result<RunRow> {
    Ok(diesel::update(pool_run::table.find(row.id))
        .set((
            pool_run::state.eq(RunState::Reversed),
            pool_run::reversed_by.eq(by),
            pool_run::reversed_on.eq(on),
            pool_run::reason.eq(reason.trim()),
        ))
        .returning(RunRow::as_returning())
        .get_result(tx.conn())?)
}
