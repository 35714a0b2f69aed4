//! Dividing the cost of a pool, taking a division back, and giving back what was collected too much.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use uuid::Uuid;

use super::rules::{self, DividedSplit, PoolBasis, PoolCommand, RunCommand, RunKind, RunState};
use super::store::{self, MyPartRow, PartRow, PoolRow, RunCostRow, RunRow, SplitRow};
use crate::activities;
use crate::costs::{self, CostRow};
use crate::kernel::ids::{ActivityId, CostId, PoolId, PoolRunId};
use crate::kernel::money::{Minor, Money, Ppm};
use crate::kernel::refusal::Checks;
use crate::ledger::events::{self, Booking, PoolPart, PoolTaken};
use crate::ledger::{self, Event, Source};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// A run as it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct NewRun {
    /// Made by the sender.
    pub id: PoolRunId,
    /// The first day of its period.
    pub from: NaiveDate,
    /// The last day of its period.
    pub to: NaiveDate,
    /// Costs that are there, or an instalment ahead of them.
    pub kind: RunKind,
    /// How much of it; without, everything that is not yet divided.
    pub amount: Option<Money>,
}

/// A run as it was booked, or as it would be.
#[derive(Debug, Clone)]
pub struct Booked {
    /// The run.
    pub run: RunRow,
    /// Its divisions with all their parts.
    pub splits: Vec<DividedSplit>,
    /// The costs that it divides.
    pub costs: Vec<RunCostRow>,
    /// What of it activities do not have, and owe.
    pub arrears: Minor,
}

/// How costs and runs of a pool stand to each other.
struct Standing {
    runs: Vec<RunRow>,
    /// Each cost with what no run divides yet, oldest first.
    open: Vec<(CostRow, Minor)>,
    /// What runs are given of costs that came after them.
    covered: Vec<RunCostRow>,
}

impl Standing {
    /// Costs that are there now cover the instalments that were charged ahead of them, the oldest first.
    fn load(tx: &mut Tx<'_>, pool: PoolId, through: NaiveDate) -> Result<Self> {
        let costs = costs::lock_of_pool(tx, pool, through)?;
        let runs = store::live_runs(tx, pool)?;
        let mut of_cost: BTreeMap<CostId, Minor> = BTreeMap::new();
        let mut of_run: BTreeMap<PoolRunId, Minor> = BTreeMap::new();
        for row in store::live_run_costs(tx, pool)? {
            let divided = of_cost.entry(row.cost_id).or_default();
            *divided = divided.plus(row.amount_minor)?;
            let covered = of_run.entry(row.run_id).or_default();
            *covered = covered.plus(row.amount_minor)?;
        }
        let mut open: Vec<(CostRow, Minor)> = Vec::with_capacity(costs.len());
        let mut divided_too_much = Minor::ZERO;
        for cost in costs {
            let rest = cost.borne()?.minus(of_cost.get(&cost.id).copied().unwrap_or_default())?;
            if rest > Minor::ZERO {
                open.push((cost, rest));
            } else {
                // Its supplier took back what was divided already: so much less of the others is divided.
                divided_too_much = divided_too_much.minus(rest)?;
            }
        }
        for (_, rest) in &mut open {
            let less = divided_too_much.min(*rest);
            divided_too_much = divided_too_much.minus(less)?;
            *rest = rest.minus(less)?;
        }
        open.retain(|(_, rest)| *rest > Minor::ZERO);
        let mut standing = Self { runs, open, covered: Vec::new() };
        let ahead: Vec<(PoolRunId, Minor)> = standing
            .runs
            .iter()
            .filter(|run| run.kind == RunKind::Instalment)
            .map(|run| Ok((run.id, run.amount_minor.minus(of_run.get(&run.id).copied().unwrap_or_default())?)))
            .collect::<Result<_>>()?;
        for (run, amount) in ahead {
            let taken = standing.take(run, amount)?;
            standing.covered.extend(taken);
        }
        Ok(standing)
    }

    /// Takes up to an amount of the costs that are open, the oldest first, for a run.
    fn take(&mut self, run: PoolRunId, amount: Minor) -> Result<Vec<RunCostRow>> {
        let mut left = amount;
        let mut taken = Vec::new();
        for (cost, rest) in &mut self.open {
            let part = left.min(*rest);
            if part > Minor::ZERO {
                taken.push(RunCostRow { run_id: run, cost_id: cost.id, amount_minor: part });
                left = left.minus(part)?;
                *rest = rest.minus(part)?;
            }
        }
        self.open.retain(|(_, rest)| *rest > Minor::ZERO);
        Ok(taken)
    }

    fn undivided(&self) -> Result<Minor> {
        Ok(Minor::sum(self.open.iter().map(|(_, rest)| *rest))?)
    }

    fn collected(&self) -> Result<Minor> {
        Ok(Minor::sum(self.runs.iter().map(|run| run.amount_minor))?)
    }

    /// What a run that is asked for divides.
    fn amount_of(&self, pool: &PoolRow, new: &NewRun) -> Result<Minor> {
        let asked = new.amount.map(|amount| amount.amount_minor);
        if new.kind == RunKind::Instalment {
            if !pool.instalments {
                return Err(Error::conflict("pool_without_instalments"));
            }
            let asked = asked.unwrap_or_default();
            let left = pool.budget_minor.minus(self.collected()?)?;
            if asked > left {
                return Err(Error::conflict("pool_budget_exceeded").with("left_minor", left.get()));
            }
            return Ok(asked);
        }
        let undivided = self.undivided()?;
        if undivided == Minor::ZERO {
            return Err(Error::conflict("pool_nothing_to_divide"));
        }
        match asked {
            Some(asked) if asked > undivided => {
                Err(Error::conflict("pool_amount_exceeds_costs").with("undivided_minor", undivided.get()))
            }
            asked => Ok(asked.unwrap_or(undivided)),
        }
    }
}

/// Divides the cost of a pool, and books it.
///
/// # Errors
/// 404; 409 `pool_not_open`, `pool_key_missing`, `pool_without_members`, `pool_weights_zero`, `pool_nothing_to_divide`,
/// `pool_amount_exceeds_costs`, `pool_without_instalments`, `pool_budget_exceeded`, `pool_period_booked`; 422.
pub fn allocate(tx: &mut Tx<'_>, pool: PoolId, new: &NewRun) -> Result<Booked> {
    let me = tx.person()?;
    let pool = store::lock(tx, pool)?;
    rules::may(pool.state, PoolCommand::Allocate)?;
    let today = super::today_of(tx, &pool)?;
    rules::check_run(new, today, pool.currency)?;
    let mut standing = Standing::load(tx, pool.id, new.to)?;
    let amount = standing.amount_of(&pool, new)?;
    let key = store::find_key_on(tx, pool.id, new.to)?
        .ok_or_else(|| Error::conflict("pool_key_missing").with("on", new.to))?;
    let parts: Vec<(PoolBasis, Ppm)> =
        store::list_key_parts(tx, &[key.id])?.into_iter().map(|part| (part.basis, Ppm(part.share_ppm))).collect();
    let mut splits = Vec::with_capacity(parts.len());
    for ((n, (basis, share)), amount) in (1_i16..).zip(&parts).zip(rules::amounts(amount, &parts)?) {
        let weights = store::list_weights(tx, pool.id, Some(key.id), *basis, (new.from, new.to))?;
        if weights.is_empty() {
            return Err(Error::conflict("pool_without_members"));
        }
        splits.push(rules::divide((n, *basis, *share), amount, &weights)?);
    }
    let run = RunRow {
        id: new.id,
        pool_id: pool.id,
        key_id: Some(key.id),
        kind: new.kind,
        from_on: new.from,
        to_on: new.to,
        amount_minor: amount,
        currency: pool.currency,
        state: RunState::Booked,
        booked_by: me,
        booked_on: today,
        reversed_by: None,
        reversed_on: None,
        reason: None,
        created_at: tx.now(),
        version: 1,
    };
    let costs = standing.take(run.id, if new.kind == RunKind::Costs { amount } else { Minor::ZERO })?;
    store::insert_run_costs(tx, &standing.covered)?;
    book(tx, &pool, run, splits, costs)
}

/// Writes a run down and books it: activities first, then their balances, each in the order of their ids.
fn book(
    tx: &mut Tx<'_>,
    pool: &Locked<PoolRow>,
    run: RunRow,
    splits: Vec<DividedSplit>,
    costs: Vec<RunCostRow>,
) -> Result<Booked> {
    let mut by_activity: BTreeMap<ActivityId, Minor> = BTreeMap::new();
    for part in splits.iter().flat_map(|split| &split.parts) {
        let sum = by_activity.entry(part.activity).or_default();
        *sum = sum.plus(part.quota.part)?;
    }
    let ids: Vec<ActivityId> = by_activity.keys().copied().collect();
    activities::hold_all(tx, &ids)?;
    store::insert_run(tx, &run)?;
    for split in &splits {
        store::insert_split(tx, &run, split)?;
    }
    store::insert_run_costs(tx, &costs)?;
    let mut parts = Vec::with_capacity(ids.len());
    let mut arrears = Minor::ZERO;
    for has in ledger::lock_balances(tx, &ids)? {
        let Some(amount) = by_activity.remove(&has.activity_id).filter(|amount| *amount != Minor::ZERO) else {
            continue;
        };
        if has.currency != pool.currency {
            return Err(Error::value("currency_mismatch").with("expected", pool.currency));
        }
        arrears = arrears.plus(amount.minus(has.available_minor.max(Minor::ZERO))?.max(Minor::ZERO))?;
        let part = PoolPart { activity: has.activity_id, owner: has.owner_id, available: has.available_minor, amount };
        parts.push(part);
    }
    parts.sort_by_key(|part| part.activity);
    let at = Booking { entity: pool.entity_id, on: run.booked_on, currency: pool.currency };
    ledger::post(tx, &events::pool_allocated(at, run.id, pool.id, &parts)?)?;
    Ok(Booked { run, splits, costs, arrears })
}

/// Lets the costs of a pool cover its instalments; answers what was collected less what it cost.
pub(super) fn settle_account(tx: &mut Tx<'_>, pool: &Locked<PoolRow>) -> Result<Minor> {
    let standing = Standing::load(tx, pool.id, NaiveDate::MAX)?;
    store::insert_run_costs(tx, &standing.covered)?;
    let spent = costs::total(&costs::of_pool(tx, pool.id)?)?;
    Ok(standing.collected()?.minus(spent)?)
}

/// Gives back what was collected too much, by what each activity bore in all runs together.
pub(super) fn refund(tx: &mut Tx<'_>, pool: &Locked<PoolRow>, amount: Minor, today: NaiveDate) -> Result<()> {
    let runs = store::live_runs(tx, pool.id)?;
    let from = runs.iter().map(|run| run.from_on).min().unwrap_or(today);
    let to = runs.iter().map(|run| run.to_on).max().unwrap_or(today);
    let weights = store::list_weights(tx, pool.id, None, PoolBasis::Parts, (from, to))?;
    let amount = amount.negated()?;
    let split = rules::divide((1, PoolBasis::Parts, Ppm(Ppm::WHOLE)), amount, &weights)?;
    let run = RunRow {
        id: tx.new_id(),
        pool_id: pool.id,
        key_id: None,
        kind: RunKind::Refund,
        from_on: from,
        to_on: to,
        amount_minor: amount,
        currency: pool.currency,
        state: RunState::Booked,
        booked_by: tx.person()?,
        booked_on: today,
        reversed_by: None,
        reversed_on: None,
        reason: None,
        created_at: tx.now(),
        version: 1,
    };
    book(tx, pool, run, vec![split], Vec::new()).map(|_booked| ())
}

/// Takes a run back, by somebody else than who booked it: each activity gets back what was taken from it, and the
/// costs may be divided again.
///
/// Arrears of the run that were settled out of later income meanwhile are given back as money.
///
/// # Errors
/// 403 for who booked it; 409 `pool_not_open` once the pool is closed, or in another state; 412; 422 without a reason.
pub fn reverse(tx: &mut Tx<'_>, id: PoolRunId, expected: i32, reason: &str) -> Result<RunRow> {
    let me = tx.person()?;
    // The pool before its runs, as everywhere.
    let pool = store::find_run(tx, id)?.pool_id;
    let pool = store::lock(tx, pool)?;
    let run = store::lock_run(tx, id)?;
    if run.version != expected {
        return Err(Error::version_stale(run.version));
    }
    rules::may_run(run.state, RunCommand::Reverse)?;
    rules::may(pool.state, PoolCommand::Allocate)?;
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    if me == run.booked_by {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    tx.reason(reason)?;
    let today = super::today_of(tx, &pool)?;
    let lines = ledger::entry_lines(tx, Event::PoolAllocated, Source::PoolRun(id))?;
    let entry = lines.first().map(|line| line.entry_id).ok_or_else(|| Error::internal("a run has an entry"))?;
    let ids: Vec<ActivityId> = lines.iter().map(|line| line.activity_id).collect();
    activities::hold_all(tx, &ids)?;
    ledger::lock_balances(tx, &ids)?;
    let owing: Vec<ActivityId> =
        lines.iter().filter(|line| line.arrears_minor > Minor::ZERO).map(|line| line.activity_id).collect();
    let owed: BTreeMap<ActivityId, Minor> = ledger::arrears(tx, &owing)?.into_iter().collect();
    let taken: Vec<PoolTaken> = lines
        .iter()
        .map(|line| PoolTaken {
            activity: line.activity_id,
            owner: line.owner_id,
            available: line.available_minor,
            arrears: line.arrears_minor,
            owed_now: owed.get(&line.activity_id).copied().unwrap_or_default(),
        })
        .collect();
    let at = Booking { entity: pool.entity_id, on: today, currency: run.currency };
    ledger::post(tx, &events::pool_allocation_reversed(at, id, pool.id, entry, &taken)?)?;
    store::save_reversed(tx, &run, me, today, reason)
}

/// A run.
///
/// # Errors
/// 404 when its pool is not of your entity.
pub fn run(tx: &mut Tx<'_>, id: PoolRunId) -> Result<RunRow> {
    store::find_run(tx, id)
}

/// The runs of a pool, newest first.
///
/// # Errors
/// 404 for a pool that is not of your entity.
pub fn runs(tx: &mut Tx<'_>, pool: PoolId, after: Option<Uuid>, limit: i64) -> Result<Vec<RunRow>> {
    store::find(tx, pool)?;
    store::list_runs(tx, pool, after, limit)
}

/// The divisions of runs, and the costs that they divide.
///
/// # Errors
/// Fails with the database.
pub fn splits_and_costs(tx: &mut Tx<'_>, runs: &[PoolRunId]) -> Result<(Vec<SplitRow>, Vec<RunCostRow>)> {
    Ok((store::list_splits(tx, runs)?, store::list_run_costs(tx, runs)?))
}

/// The parts of the next activities of a run, by activity: for the office, and for who is or was in the pool.
///
/// # Errors
/// 404 for everybody else.
pub fn parts(
    tx: &mut Tx<'_>,
    id: PoolRunId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(ActivityId, Vec<PartRow>)>> {
    let run = store::find_run(tx, id)?;
    super::require_reader(tx, run.pool_id)?;
    let activities = store::list_run_activities(tx, id, after, limit)?;
    let mut by_activity: BTreeMap<ActivityId, Vec<PartRow>> = BTreeMap::new();
    for part in store::list_parts(tx, &[id], &activities)? {
        by_activity.entry(part.activity_id).or_default().push(part);
    }
    Ok(by_activity.into_iter().collect())
}

/// What the signed-in person bears of a pool: run by run, newest first.
///
/// # Errors
/// 404 for a pool that is not of your entity.
pub fn my_parts(tx: &mut Tx<'_>, pool: PoolId, after: Option<Uuid>, limit: i64) -> Result<Vec<MyPartRow>> {
    store::find(tx, pool)?;
    let me = tx.person()?;
    store::list_my_parts(tx, pool, me, after, limit)
}
