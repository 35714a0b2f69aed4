//! Payout plans: on which days an activity pays out by itself, and what those days came to.
//!
//! Owns `payout_plan`, `payout_plan_version`, `payout_plan_run`, `payout_cut_off` and `invoice_forecast`. A member chooses a plan for an
//! activity; what they change later is a new version, from a day that has not come. Each logical date is worked once,
//! whatever happens to the program: its row in `payout_plan_run` commits together with the payout that it asks for,
//! which from there on is a payout like any other. Dates that were missed are noted, and made up once, by the last of
//! them: what is there is paid once and not once for each.

mod ahead;
pub mod forecasts;
pub mod http;
mod preview;
mod rules;
mod store;
mod work;

use chrono::{Days, NaiveDate, NaiveTime, Timelike};
pub use preview::{Preview, preview};
pub use rules::forecast::{Accuracy, Block, Forecast, MustAct, NextName, Step, StepName};
pub use rules::{PlanState, RunOutcome};
pub use store::{CutOffRow, PlanRow, RunRow, VersionRow};
use uuid::Uuid;
pub use work::{due, refused, work};

use crate::kernel::ids::{ActivityId, CutOffId, EntityId, PayoutPlanId};
use crate::kernel::money::{Currency, Money};
use crate::kernel::payout_plans::{self, OnClosed, PlanKind, Planned};
use crate::kernel::refusal::Checks;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::{activities, charter, ledger};
use ahead::Ahead;

/// A pay that stays the same, as it was typed.
#[derive(Debug, Clone)]
pub struct TypedSmoothing {
    /// Paid on each date while the money lasts.
    pub amount: Money,
    /// Less than this is never paid.
    pub floor: Money,
    /// So many days ahead orders and invoices are looked at, 7 to 366.
    pub horizon_days: u32,
}

/// When and how much, as it was typed.
#[derive(Debug, Clone)]
pub struct TypedTerms {
    /// What its days follow.
    pub kind: PlanKind,
    /// The day of the week (Monday is 1) or of the month, or working days after work.
    pub count: Option<i32>,
    /// What happens when banks are closed.
    pub on_closed: OnClosed,
    /// Less than this is left where it is.
    pub minimum: Option<Money>,
    /// The same amount each time; else all that is there.
    pub smoothing: Option<TypedSmoothing>,
}

/// When and how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) kind: PlanKind,
    pub(crate) count: Option<i32>,
    pub(crate) on_closed: OnClosed,
    pub(crate) pays: payout_plans::Terms,
}

/// A plan to make.
#[derive(Debug, Clone)]
pub struct NewPlan {
    /// Made by the sender.
    pub id: PayoutPlanId,
    /// For which activity.
    pub activity: ActivityId,
    /// From this day on; today when it is left out.
    pub valid_from: Option<NaiveDate>,
    /// When and how much.
    pub terms: TypedTerms,
}

/// Until when money must be set aside, from a day on.
#[derive(Debug, Clone)]
pub struct NewCutOff {
    /// Made by the sender.
    pub id: CutOffId,
    /// Whose.
    pub entity: EntityId,
    /// For money that leaves from this day on.
    pub valid_from: NaiveDate,
    /// So many bank days before, 0 to 10.
    pub days_before: i32,
    /// At this time of day in the zone of the entity.
    pub at: NaiveTime,
    /// Why.
    pub reason: String,
}

/// A plan and its versions, in the order in which they were decided.
pub type Whole = (PlanRow, Vec<VersionRow>);

/// Chooses a plan for an activity.
///
/// # Errors
/// 404; 409 `activity_closed`, `collective_pays_by_transfer`, `not_unique` for an activity that has one; 422 for what is
/// not acceptable.
pub fn choose(tx: &mut Tx<'_>, new: &NewPlan) -> Result<Whole> {
    let me = tx.person()?;
    let activity = activities::require_open(tx, new.activity)?;
    if activity.member_id != me {
        return Err(Error::not_found());
    }
    if activity.is_collective {
        return Err(Error::conflict("collective_pays_by_transfer"));
    }
    let currency = ledger::balance(tx, activity.id)?.currency;
    let today = today(tx, activity.entity_id)?;
    let from = new.valid_from.unwrap_or(today);
    let terms = accept(&new.terms, currency, (from, today))?;
    let decided_through = from.pred_opt().ok_or_else(|| Error::internal("calendar"))?;
    let of = (activity.entity_id, me, currency);
    let plan = store::insert(tx, new, of, decided_through)?;
    store::insert_version(tx, (plan.id, me), 1, from, &terms, me)?;
    look_ahead(tx, &plan, PlanState::Active, decided_through)
}

fn today(tx: &mut Tx<'_>, entity: EntityId) -> Result<NaiveDate> {
    let zone = charter::entity(tx, entity)?.zone();
    Ok(tx.today(zone))
}

fn accept(typed: &TypedTerms, currency: Currency, days: (NaiveDate, NaiveDate)) -> Result<Terms> {
    let mut checks = Checks::default();
    let terms = rules::parse(typed, currency, &mut checks);
    rules::check_from(days.0, days.1, &mut checks);
    checks.done()?;
    terms.ok_or_else(|| Error::internal("terms without a refusal"))
}

/// Saves a plan with what comes next by all its versions.
fn look_ahead(tx: &mut Tx<'_>, plan: &Locked<PlanRow>, state: PlanState, decided_through: NaiveDate) -> Result<Whole> {
    let ahead = Ahead::load(tx, plan)?;
    let next = ahead.next(decided_through).map(|(planned, _)| planned);
    let row = store::save(tx, plan, state, decided_through, next)?;
    Ok((row, ahead.versions))
}

/// Changes a plan from a day on that has not come.
///
/// # Errors
/// 404; 412 for another version; 422 for what is not acceptable.
pub fn change(
    tx: &mut Tx<'_>,
    id: PayoutPlanId,
    expected: i32,
    valid_from: Option<NaiveDate>,
    typed: &TypedTerms,
) -> Result<Whole> {
    let me = tx.person()?;
    let plan = held(tx, id, expected)?;
    let today = today(tx, plan.entity_id)?;
    let tomorrow = today.checked_add_days(Days::new(1)).ok_or_else(|| Error::internal("calendar"))?;
    let from = valid_from.unwrap_or(tomorrow);
    let terms = accept(typed, plan.currency, (from, tomorrow))?;
    let before = store::list_versions(tx, id)?;
    let n = before.last().map_or(0, |version| version.n).saturating_add(1);
    store::insert_version(tx, (id, plan.member_id), n, from, &terms, me)?;
    look_ahead(tx, &plan, plan.state, plan.decided_through)
}

/// Lets a plan rest: dates that come meanwhile are not made up.
///
/// # Errors
/// 404; 409 in another state; 412 for another version.
pub fn pause(tx: &mut Tx<'_>, id: PayoutPlanId, expected: i32) -> Result<Whole> {
    let plan = held(tx, id, expected)?;
    rules::may(plan.state, rules::Command::Pause)?;
    look_ahead(tx, &plan, PlanState::Paused, plan.decided_through)
}

/// Lets a plan go on with its next date that is not past.
///
/// # Errors
/// 404; 409 in another state; 412 for another version.
pub fn resume(tx: &mut Tx<'_>, id: PayoutPlanId, expected: i32) -> Result<Whole> {
    let plan = held(tx, id, expected)?;
    rules::may(plan.state, rules::Command::Resume)?;
    let today = today(tx, plan.entity_id)?;
    let yesterday = today.pred_opt().ok_or_else(|| Error::internal("calendar"))?;
    look_ahead(tx, &plan, PlanState::Active, plan.decided_through.max(yesterday))
}

fn held(tx: &mut Tx<'_>, id: PayoutPlanId, expected: i32) -> Result<Locked<PlanRow>> {
    let row = store::lock(tx, id)?;
    if row.version == expected { Ok(row) } else { Err(Error::version_stale(row.version)) }
}

/// A plan.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: PayoutPlanId) -> Result<Whole> {
    let plan = store::find(tx, id)?;
    let versions = store::list_versions(tx, id)?;
    Ok((plan, versions))
}

/// Plans, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, of: Option<ActivityId>, after: Option<Uuid>, limit: i64) -> Result<Vec<PlanRow>> {
    store::list(tx, of, after, limit)
}

/// The dates that have come, newest first, before a day.
///
/// # Errors
/// 404.
pub fn runs(tx: &mut Tx<'_>, id: PayoutPlanId, before: Option<NaiveDate>, limit: i64) -> Result<Vec<RunRow>> {
    store::find(tx, id)?;
    store::list_runs(tx, id, before, limit)
}

/// The next date of the plan of an activity after a day, as far as it is known; none without an active plan.
///
/// # Errors
/// Fails with the database.
pub fn next_date(tx: &mut Tx<'_>, activity: ActivityId, after: NaiveDate) -> Result<Option<Planned>> {
    let Some(plan) = store::find_of(tx, activity)?.filter(|plan| plan.state == PlanState::Active) else {
        return Ok(None);
    };
    let ahead = Ahead::load(tx, &plan)?;
    Ok(ahead.next(after.max(plan.decided_through)).map(|(planned, _)| planned))
}

/// Says until when money must be set aside, from a day on.
///
/// # Errors
/// 404 for the entity; 409 `not_unique` for a day that has one; 422 for what is not acceptable.
pub fn set_cut_off(tx: &mut Tx<'_>, new: &NewCutOff) -> Result<CutOffRow> {
    let by = tx.person()?;
    let today = today(tx, new.entity)?;
    let mut checks = Checks::default();
    rules::check_from(new.valid_from, today, &mut checks);
    checks.require((0..=10).contains(&new.days_before), "/days_before", "out_of_range");
    checks.require(new.at.second() == 0, "/at", "out_of_range");
    checks.text(&new.reason, "/reason", 1, 2000);
    checks.done()?;
    let minute = i32::try_from(new.at.num_seconds_from_midnight() / 60).map_err(Error::internal)?;
    tx.reason(&new.reason)?;
    let row = store::insert_cut_off(tx, new, minute, by)?;
    store::wake_plans(tx, new.entity)?;
    Ok(row)
}

/// The cut-offs of an entity, newest first.
///
/// # Errors
/// 404 for the entity.
pub fn cut_offs(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<CutOffRow>> {
    charter::entity(tx, of)?;
    store::list_cut_offs(tx, of)
}
