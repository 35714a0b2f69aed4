//! Pools: costs that activities share by a key, divided to the cent.
//!
//! Owns `pool`, `pool_key`, `pool_key_part`, `pool_share`, `pool_membership`, `pool_usage`, `pool_contract`,
//! `pool_seat`, `pool_run`, `pool_run_split`, `pool_run_part`, `pool_run_cost`. A pool is proposed, and opened by
//! somebody else with the decision that was taken. Its keys are dated and never change; activities are in it from
//! day to day; suppliers charge it through `costs`. A run divides what is not yet divided: by the key of the last day
//! of its period, largest remainder in the order of activity ids, a hybrid as two divisions rounded each by itself.
//! What an activity does not have is left owing as arrears and taken from what it receives later. The days that a run
//! has divided stay as they are until it is reversed. Who is or was in a pool reads its whole account.

pub mod http;
mod rules;
mod runs;
mod store;
mod takers;

use std::collections::BTreeMap;

use chrono::NaiveDate;
pub use rules::{
    Deficit, DividedPart, DividedSplit, Overfunding, PoolBasis, PoolCommand, PoolState, RunCommand, RunKind, RunState,
};
pub use runs::{Booked, NewRun, allocate, my_parts, parts, reverse, run, runs, splits_and_costs};
pub use store::{
    ContractRow, KeyPartRow, KeyRow, MembershipRow, MyPartRow, NameRow, PartRow, PoolRow, RunCostRow, RunRow, SeatRow,
    ShareRow, SplitRow, UsageRow,
};
pub use takers::{
    Imported, NewContract, NewMembership, NewSeats, NewUsage, add_contract, contracts, end_seats, import_usage, join,
    leave, memberships, record_usage, seats, set_seats, shown, usage,
};
use uuid::Uuid;

use crate::costs::{self, CostRow};
use crate::kernel::ids::{ActivityId, EntityId, PoolId};
use crate::kernel::money::{Minor, Money};
use crate::kernel::refusal::Checks;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::{activities, charter};

/// A pool as it is proposed.
#[derive(Debug, Clone)]
pub struct NewPool {
    /// Made by the sender.
    pub id: PoolId,
    /// Of which entity.
    pub entity: EntityId,
    /// How it is called.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// What it may collect ahead of its costs.
    pub budget: Money,
    /// In what usage is counted; may be empty.
    pub unit: String,
    /// Whether activities may be charged ahead of the costs.
    pub instalments: bool,
    /// What happens to what was collected too much.
    pub overfunding: Overfunding,
    /// What happens to what was collected too little.
    pub deficit: Deficit,
}

/// A key as it is decided.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The first day it counts for.
    pub valid_from: NaiveDate,
    /// The decision that makes it.
    pub decision: String,
    /// One basis for the whole, or two with their shares as decimal fractions.
    pub parts: Vec<(PoolBasis, String)>,
    /// The fixed weights, as decimals.
    pub shares: Vec<(ActivityId, String)>,
}

/// A key with what it says.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key.
    pub row: KeyRow,
    /// Its parts.
    pub parts: Vec<KeyPartRow>,
    /// Its fixed weights.
    pub shares: Vec<ShareRow>,
}

/// Where the money of a pool stands.
#[derive(Debug, Clone)]
pub struct Account {
    /// The pool.
    pub pool: PoolRow,
    /// Its approved costs, oldest first.
    pub costs: Vec<CostRow>,
    /// What they come to.
    pub spent: Minor,
    /// What runs that stand have charged, less what they gave back.
    pub collected: Minor,
    /// `collected - spent`: positive when too much was collected so far.
    pub balance: Minor,
}

/// Proposes a pool.
///
/// # Errors
/// 404 for an entity that is not there; 409 `not_unique`, `rule_set_missing`; 422 for what is not acceptable.
pub fn propose(tx: &mut Tx<'_>, new: &NewPool) -> Result<PoolRow> {
    let me = tx.person()?;
    let entity = charter::entity(tx, new.entity).map_err(|error| match error.code {
        "not_found" => Error::field("/entity_id", "invalid"),
        _ => error,
    })?;
    let today = tx.today(entity.zone());
    let currency = charter::rule_set_on(tx, entity.id, today)?.currency;
    rules::check_pool(new, currency)?;
    let row = PoolRow {
        id: new.id,
        entity_id: entity.id,
        name: new.name.trim().to_owned(),
        purpose: new.purpose.trim().to_owned(),
        budget_minor: new.budget.amount_minor,
        currency,
        unit: new.unit.trim().to_owned(),
        instalments: new.instalments,
        overfunding: new.overfunding,
        deficit: new.deficit,
        state: PoolState::Proposed,
        proposed_by: me,
        decision: None,
        decided_on: None,
        opened_by: None,
        closed_on: None,
        created_at: tx.now(),
        version: 1,
    };
    store::insert(tx, &row)
}

/// A pool.
///
/// # Errors
/// 404 when there is none, or none of your entity.
pub fn pool(tx: &mut Tx<'_>, id: PoolId) -> Result<PoolRow> {
    store::find(tx, id)
}

/// Pools of your entity, newest first.
///
/// # Errors
/// Fails with the database.
pub fn pools(tx: &mut Tx<'_>, state: Option<PoolState>, after: Option<Uuid>, limit: i64) -> Result<Vec<PoolRow>> {
    store::list(tx, state, after, limit)
}

fn lock_at(tx: &mut Tx<'_>, id: PoolId, expected: i32) -> Result<Locked<PoolRow>> {
    let pool = store::lock(tx, id)?;
    if pool.version == expected { Ok(pool) } else { Err(Error::version_stale(pool.version)) }
}

fn today_of(tx: &mut Tx<'_>, pool: &PoolRow) -> Result<NaiveDate> {
    let entity = charter::entity(tx, pool.entity_id)?;
    Ok(tx.today(entity.zone()))
}

/// Opens a proposed pool, by the decision that was taken about it.
///
/// # Errors
/// 403 for who proposed it; 409 in another state; 412; 422 without the decision or with a day to come.
pub fn open(tx: &mut Tx<'_>, id: PoolId, expected: i32, decision: &str, decided_on: NaiveDate) -> Result<PoolRow> {
    let pool = lock_at(tx, id, expected)?;
    rules::may(pool.state, PoolCommand::Open)?;
    let me = tx.person()?;
    if me == pool.proposed_by {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let today = today_of(tx, &pool)?;
    let mut checks = Checks::default();
    checks.text(decision, "/decision", 1, 500);
    checks.require(decided_on <= today, "/decided_on", "out_of_range");
    checks.done()?;
    store::save_opened(tx, &pool, me, (decision, decided_on))
}

/// Lets a pool take no new costs.
///
/// # Errors
/// 409 in another state; 412.
pub fn start_closing(tx: &mut Tx<'_>, id: PoolId, expected: i32) -> Result<PoolRow> {
    let pool = lock_at(tx, id, expected)?;
    rules::may(pool.state, PoolCommand::StartClosing)?;
    store::save_closing(tx, &pool)
}

/// Settles the account of a pool by its rules: what was collected too much is given back by what each activity bore,
/// or kept; what was collected too little is charged by a run before, or borne by the mutual.
///
/// # Errors
/// 409 `pool_has_open_costs`, `pool_deficit_open` or in another state; 412.
pub fn close(tx: &mut Tx<'_>, id: PoolId, expected: i32) -> Result<PoolRow> {
    let pool = lock_at(tx, id, expected)?;
    rules::may(pool.state, PoolCommand::Close)?;
    if costs::waiting_of_pool(tx, id)? > 0 {
        return Err(Error::conflict("pool_has_open_costs"));
    }
    let today = today_of(tx, &pool)?;
    let balance = runs::settle_account(tx, &pool)?;
    if balance > Minor::ZERO && pool.overfunding == Overfunding::Refund {
        runs::refund(tx, &pool, balance, today)?;
    }
    if balance < Minor::ZERO && pool.deficit == Deficit::ChargeNextRun {
        return Err(Error::conflict("pool_deficit_open").with("missing_minor", balance.negated()?.get()));
    }
    store::save_closed(tx, &pool, today)
}

/// Adds a version of the key. Days that a run has divided keep theirs.
///
/// # Errors
/// 409 `pool_period_booked`, `pool_not_open`, `not_unique` for a day that has one; 422 for shares that are not one
/// whole, and for what else is not acceptable.
pub fn add_key(tx: &mut Tx<'_>, id: Uuid, pool: PoolId, new: &NewKey) -> Result<Key> {
    let me = tx.person()?;
    let pool = store::lock(tx, pool)?;
    let read = rules::read_key(new)?;
    rules::may(pool.state, PoolCommand::Join)?;
    rules::check_free(new.valid_from, store::find_booked_through(tx, pool.id)?)?;
    check_shares(tx, &pool, &read.shares)?;
    let version = store::list_keys(tx, pool.id)?.first().map_or(0, |key| key.version_number).saturating_add(1);
    let row = KeyRow {
        id,
        pool_id: pool.id,
        version_number: version,
        valid_from: new.valid_from,
        decision: new.decision.trim().to_owned(),
        created_by: me,
        created_at: tx.now(),
    };
    let parts: Vec<KeyPartRow> = (1_i16..)
        .zip(&read.parts)
        .map(|(n, (basis, share))| KeyPartRow { key_id: id, n, basis: *basis, share_ppm: share.0 })
        .collect();
    let shares: Vec<ShareRow> = read
        .shares
        .iter()
        .map(|(activity, weight)| ShareRow { key_id: id, activity_id: *activity, weight: *weight })
        .collect();
    store::insert_key(tx, &row, &parts, &shares)?;
    Ok(Key { row, parts, shares })
}

/// Fixed weights are those of activities of the same entity.
fn check_shares(tx: &mut Tx<'_>, pool: &PoolRow, shares: &[(ActivityId, i64)]) -> Result<()> {
    let mut checks = Checks::default();
    for (index, (activity, _)) in shares.iter().enumerate() {
        let is_ours = activities::activity(tx, *activity).is_ok_and(|found| found.entity_id == pool.entity_id);
        checks.require(is_ours, &format!("/shares/{index}/activity_id"), "not_allowed");
    }
    Ok(checks.done()?)
}

/// The keys of a pool, newest first.
///
/// # Errors
/// 404 as [`pool`].
pub fn keys(tx: &mut Tx<'_>, pool: PoolId) -> Result<Vec<Key>> {
    store::find(tx, pool)?;
    let rows = store::list_keys(tx, pool)?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let parts = store::list_key_parts(tx, &ids)?;
    let shares = store::list_shares(tx, &ids)?;
    Ok(rows
        .into_iter()
        .map(|row| Key {
            parts: parts.iter().filter(|part| part.key_id == row.id).cloned().collect(),
            shares: shares.iter().filter(|share| share.key_id == row.id).cloned().collect(),
            row,
        })
        .collect())
}

/// Whether the reader may read the whole account: the office, and who is or was in the pool.
///
/// # Errors
/// 404 for everybody else.
fn require_reader(tx: &mut Tx<'_>, id: PoolId) -> Result<PoolRow> {
    let pool = store::find(tx, id)?;
    if tx.only_owner().is_some() && !store::is_in(tx, id)? {
        return Err(Error::not_found());
    }
    Ok(pool)
}

/// The account of a pool.
///
/// # Errors
/// 404 for who is not and was not in it.
pub fn account(tx: &mut Tx<'_>, id: PoolId) -> Result<Account> {
    let pool = require_reader(tx, id)?;
    let costs = costs::of_pool(tx, id)?;
    let spent = costs::total(&costs)?;
    let collected = Minor::sum(store::live_runs(tx, id)?.iter().map(|run| run.amount_minor))?;
    Ok(Account { pool, costs, spent, collected, balance: collected.minus(spent)? })
}

/// What each activity bears of a pool in all runs that stand, by activity.
///
/// # Errors
/// 404 for who is not and was not in it.
pub fn borne(tx: &mut Tx<'_>, id: PoolId, after: Option<Uuid>, limit: i64) -> Result<Vec<(ActivityId, Minor)>> {
    require_reader(tx, id)?;
    store::list_borne(tx, id, after, limit)
}

/// How activities of a pool and their members are called, for who may read its account.
///
/// # Errors
/// Fails with the database.
pub fn names(tx: &mut Tx<'_>, id: PoolId, of: &[ActivityId]) -> Result<BTreeMap<ActivityId, NameRow>> {
    Ok(store::list_names(tx, id, of)?.into_iter().map(|row| (row.activity_id, row)).collect())
}
