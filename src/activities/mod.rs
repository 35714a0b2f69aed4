//! Running budgets: each holds what one member has earned and not yet been paid.
//!
//! Owns `activity`, `activity_manager` and `activity_member`. What is on one is the ledger's to say: opening an
//! activity opens its balance there, and nothing here moves money. A *collective* is an activity that several members
//! share: its manager is `activity.member_id` and alone writes; who confirmed an invitation reads. [`collectives`]
//! has who takes part, [`statements`] what moved in a period.

pub mod collectives;
pub mod http;
mod rules;
pub mod statements;
mod store;

use std::collections::{BTreeMap, BTreeSet};

pub use rules::{MembershipRole, MembershipState};
pub use store::{ActivityRow, MembershipRow};
use uuid::Uuid;

use crate::kernel::ids::{ActivityId, EntityId, PersonId};
use crate::kernel::money::{Minor, MoneyError};
use crate::kernel::refusal::Checks;
use crate::ledger::{self, ActivityBalance, ActivityFigures, PostingRow};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{charter, members};

/// A new activity.
#[derive(Debug, Clone)]
pub struct NewActivity {
    /// Made by the sender.
    pub id: ActivityId,
    /// How its member calls it.
    pub name: String,
    /// Whether other members will share it.
    pub is_collective: bool,
    /// Of a collective: where the manager's shares of its money arrive.
    pub receives_on: Option<ActivityId>,
}

/// What is on an activity, and what postings and payments say beside it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What is on it.
    pub balance: ActivityBalance,
    /// Invoiced, collected, advanced, owed.
    pub figures: ActivityFigures,
}

impl Standing {
    /// What is available and no open advance of the guarantee stands behind; never less than nothing.
    ///
    /// # Errors
    /// Refuses a result out of range.
    pub fn available_for_expenses(&self) -> Result<Minor, MoneyError> {
        rules::for_expenses(self.balance.available_minor, self.figures.advanced_minor)
    }
}

/// An activity.
///
/// # Errors
/// 404 when there is none, or when it is somebody else's.
pub fn activity(tx: &mut Tx<'_>, id: ActivityId) -> Result<ActivityRow> {
    store::find(tx, id)
}

/// An activity that something new may be put on; it stays open until the end of the transaction.
///
/// # Errors
/// 409 `activity_closed`; 403 `manager_only` for who shares it; 404 as [`activity`].
pub fn require_open(tx: &mut Tx<'_>, id: ActivityId) -> Result<ActivityRow> {
    let activity = store::hold(tx, id).or_else(|error| manager_only(tx, id, error))?;
    rules::check_open(&activity)?;
    Ok(activity)
}

/// Keeps several activities from being closed until the end of the transaction.
///
/// # Errors
/// Fails with the database.
pub fn hold_all(tx: &mut Tx<'_>, ids: &[ActivityId]) -> Result<()> {
    store::hold_all(tx, ids)
}

/// Who sees a collective and does not manage it is told so.
fn manager_only<T>(tx: &mut Tx<'_>, id: ActivityId, error: Error) -> Result<T> {
    if error.code == "not_found" && store::find(tx, id).is_ok() {
        return Err(Error::forbidden("manager_only"));
    }
    Err(error)
}

/// Activities, newest first; of one member, or of everybody whom the reader may see.
///
/// # Errors
/// Fails with the database.
pub fn activities(tx: &mut Tx<'_>, of: Option<PersonId>, after: Option<Uuid>, limit: i64) -> Result<Vec<ActivityRow>> {
    store::list(tx, of, after, limit)
}

/// Opens an activity of the signed-in member, with an empty balance in the currency of the entity's rules.
///
/// # Errors
/// 409 `member_not_active`, `rule_set_missing`; 422 for a name or a receiving activity that is not acceptable.
pub fn open(tx: &mut Tx<'_>, new: &NewActivity) -> Result<ActivityRow> {
    let mut checks = Checks::default();
    checks.text(&new.name, "/name", 1, 140);
    checks.require(new.is_collective || new.receives_on.is_none(), "/receives_on", "not_allowed");
    checks.done()?;
    let me = tx.person()?;
    let member = members::require_active(tx, me)?;
    let entity = charter::entity(tx, member.entity_id)?;
    let today = tx.today(entity.zone());
    let rules = charter::rule_set_on(tx, entity.id, today)?;
    let activity = store::insert(tx, new, me, entity.id)?;
    ledger::open_balance(tx, activity.id, me, rules.currency)?;
    if activity.is_collective {
        collectives::found(tx, &activity, new.receives_on)?;
    }
    Ok(activity)
}

/// What is on an activity.
///
/// # Errors
/// 404 for an activity of somebody else.
pub fn balance(tx: &mut Tx<'_>, id: ActivityId) -> Result<ActivityBalance> {
    ledger::balance(tx, id)
}

/// What is on an activity, with what was invoiced, collected, advanced and left owing.
///
/// # Errors
/// 404 for an activity of somebody else.
pub fn standing(tx: &mut Tx<'_>, id: ActivityId) -> Result<Standing> {
    let balance = ledger::balance(tx, id)?;
    let figures = ledger::figures(tx, &[id])?.pop().ok_or_else(Error::not_found)?;
    Ok(Standing { balance, figures })
}

/// Activities with their standings, in three statements however many they are.
///
/// # Errors
/// Fails with the database.
pub fn with_standings(tx: &mut Tx<'_>, rows: Vec<ActivityRow>) -> Result<Vec<(ActivityRow, Standing)>> {
    let ids: Vec<ActivityId> = rows.iter().map(|row| row.id).collect();
    let mut balances: BTreeMap<_, _> =
        ledger::balances(tx, &ids)?.into_iter().map(|balance| (balance.activity_id, balance)).collect();
    let mut figures: BTreeMap<_, _> =
        ledger::figures(tx, &ids)?.into_iter().map(|figures| (figures.activity_id, figures)).collect();
    let mut standing = |row: ActivityRow| {
        let (balance, figures) = (balances.remove(&row.id)?, figures.remove(&row.id)?);
        Some((row, Standing { balance, figures }))
    };
    Ok(rows.into_iter().filter_map(&mut standing).collect())
}

/// What moved on an activity, newest first, before a posting.
///
/// # Errors
/// 404 for an activity of somebody else.
pub fn postings(tx: &mut Tx<'_>, id: ActivityId, before: Option<i64>, limit: i64) -> Result<Vec<PostingRow>> {
    store::find(tx, id)?;
    ledger::activity_postings(tx, id, before, limit)
}

/// Closes an activity of the signed-in member on which nothing is left.
///
/// # Errors
/// 403 `role_forbidden` for staff who look at somebody else's; 409 `activity_not_empty`, `activity_in_arrears`, `activity_closed`; 412 for another version.
/// 403 `role_forbidden` for staff who look at somebody else's, `manager_only` for who shares it; 409 `activity_not_empty`, `activity_closed`; 412 for another version.
pub fn close(tx: &mut Tx<'_>, id: ActivityId, expected: i32) -> Result<ActivityRow> {
    let activity = store::lock(tx, id).or_else(|error| manager_only(tx, id, error))?;
    if activity.member_id != tx.person()? {
        return Err(Error::forbidden("role_forbidden"));
    }
    if activity.version != expected {
        return Err(Error::version_stale(activity.version));
    }
    let balance = ledger::lock_balance(tx, id)?;
    let owes = ledger::arrears(tx, &[id])?;
    rules::check_closable(&activity, &balance, !owes.is_empty())?;
    store::save_closed(tx, &activity)
}

/// The activities of an entity, open and closed, oldest first.
///
/// # Errors
/// Fails with the database.
pub fn of_entity(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<ActivityRow>> {
    store::list_of_entity(tx, entity)
}

/// Those of several activities that are open; they stay so until the end of the transaction.
///
/// # Errors
/// Fails with the database.
pub fn hold_open(tx: &mut Tx<'_>, ids: &[ActivityId]) -> Result<BTreeSet<ActivityId>> {
    store::hold_open(tx, ids)
}
