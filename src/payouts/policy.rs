//! How many people a batch needs by its total, how long an approval counts, and how long a bank may be silent.
//!
//! Owns `approval_amount` and `batch_policy`: dated rows. Asking for more people is one administrator's decision, asking
//! for fewer is two administrators'.

use chrono::{Days, NaiveDate};

use super::rules;
use super::store::policy as store;
pub use super::store::policy::{AmountRow, PolicyRow};
use crate::charter;
use crate::kernel::ids::{ApprovalAmountId, BatchPolicyId, EntityId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// Approvals count for a week where nothing else was decided.
const APPROVAL_DAYS: i32 = 7;
/// A bank that says nothing for so many working days is asked, where nothing else was decided.
const SILENT_DAYS: i32 = 3;

/// What counts on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// For how many days an approval counts.
    pub approval_days: i32,
    /// After how many working days a silent bank becomes a person's to ask.
    pub silent_days: i32,
}

/// What counts for an entity on a day.
///
/// # Errors
/// Fails with the database.
pub fn current(tx: &mut Tx<'_>, entity: EntityId, day: NaiveDate) -> Result<Policy> {
    let found = store::find_policy(tx, entity, day)?;
    Ok(found.map_or(Policy { approval_days: APPROVAL_DAYS, silent_days: SILENT_DAYS }, |row| Policy {
        approval_days: row.approval_days,
        silent_days: row.silent_days,
    }))
}

/// How many people must approve a batch of a total on a day.
///
/// # Errors
/// Fails with the database.
pub fn needed(tx: &mut Tx<'_>, entity: EntityId, total: Minor, day: NaiveDate) -> Result<i32> {
    let rows = store::list_amounts(tx, entity)?;
    Ok(rules::approvals_needed(&rows, total, day))
}

/// A new row of the amount table.
#[derive(Debug, Clone, Copy)]
pub struct NewAmount {
    /// Its id.
    pub id: ApprovalAmountId,
    /// Whose batches.
    pub entity: EntityId,
    /// From this total on.
    pub from: Money,
    /// So many people.
    pub approvers: i32,
    /// From this day on.
    pub valid_from: NaiveDate,
}

/// Decides how many people a total needs. Fewer than until now waits for a second person.
///
/// # Errors
/// 404; 409 `approval_decided_later` where fewer are decided for a later day; 422 for a past day or one more than a year ahead, a negative amount and a number of people that is not 1 to 5.
pub fn decide_amount(tx: &mut Tx<'_>, new: &NewAmount) -> Result<AmountRow> {
    let entity = charter::entity(tx, new.entity)?;
    let mut checks = Checks::default();
    checks.require(new.from.currency == Currency::EUR, "/from_amount/currency", "currency_mismatch");
    checks.require(new.from.amount_minor >= Minor::ZERO, "/from_amount/amount_minor", "out_of_range");
    checks.require((1..=5).contains(&new.approvers), "/approvers", "out_of_range");
    let today = tx.today(entity.zone());
    let latest = today.checked_add_days(Days::new(366)).unwrap_or(today);
    checks.require((today..=latest).contains(&new.valid_from), "/valid_from", "out_of_range");
    checks.done()?;
    let me = tx.person()?;
    store::insert_amount(tx, new, me)
}

/// Agrees, as a second person, that fewer people are enough.
///
/// # Errors
/// 403 for who decided; 404; 409 where nothing waits; 412.
pub fn agree(tx: &mut Tx<'_>, id: ApprovalAmountId, expected: i32) -> Result<AmountRow> {
    let row = store::lock_amount(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    if !row.loosens || row.agreed_by.is_some() {
        return Err(Error::state_conflict("in_force", "agree"));
    }
    let me = tx.person()?;
    if me == row.decided_by {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    store::agree(tx, &row, me)
}

/// A row of the amount table.
///
/// # Errors
/// 404.
pub fn amount(tx: &mut Tx<'_>, id: ApprovalAmountId) -> Result<AmountRow> {
    store::find_amount(tx, id)
}

/// The amount table of an entity, the oldest row first.
///
/// # Errors
/// 404.
pub fn amounts(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<AmountRow>> {
    charter::entity(tx, entity)?;
    store::list_amounts(tx, entity)
}

/// Decides for how long approvals count and how long a bank may be silent.
///
/// # Errors
/// 404; 422 for a past day and for days out of range.
pub fn decide(
    tx: &mut Tx<'_>,
    id: BatchPolicyId,
    entity: EntityId,
    valid_from: NaiveDate,
    new: Policy,
) -> Result<PolicyRow> {
    let found = charter::entity(tx, entity)?;
    let mut checks = Checks::default();
    checks.require((1..=31).contains(&new.approval_days), "/approval_days", "out_of_range");
    checks.require((1..=30).contains(&new.silent_days), "/silent_days", "out_of_range");
    checks.require(valid_from >= tx.today(found.zone()), "/valid_from", "out_of_range");
    checks.done()?;
    let me = tx.person()?;
    store::insert_policy(tx, id, entity, valid_from, new, me)
}

/// What was decided for an entity, the oldest first.
///
/// # Errors
/// 404.
pub fn policies(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<PolicyRow>> {
    charter::entity(tx, entity)?;
    store::list_policies(tx, entity)
}
