//! The dates of plans, worked by the worker: one transaction for a plan and a date. A part of the desk.

use chrono::{Datelike, Days, NaiveDate};

use super::ahead::Ahead;
use super::rules::{PlanState, RunOutcome};
use super::store::{self, NewRun, PlanRow, VersionRow};
use crate::activities::ActivityRow;
use crate::formats::letters::Letter;
use crate::kernel::ids::{EntityId, PayoutPlanId};
use crate::kernel::money::{Minor, Money};
use crate::kernel::payout_plans::{self, Horizon, Outcome, PlanKind, Planned};
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::i18n;
use crate::{access, activities, invoicing, ledger, payouts};

/// Dates that a horizon can hold at most: a weekly plan over a year.
const DATES_MAX: usize = 60;

/// The plans whose moment may have come.
///
/// # Errors
/// Fails with the database.
pub fn due(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<PayoutPlanId>> {
    let now = tx.now();
    store::list_due(tx, entity, now)
}

/// A date whose moment has come, and whether a later one has come too: then that one makes it up.
struct Due {
    planned: Planned,
    version: VersionRow,
    is_missed: bool,
    next: Option<Planned>,
}

/// The first date of a plan whose moment has come.
fn due_date(tx: &mut Tx<'_>, plan: &PlanRow, ahead: &Ahead) -> Result<Option<Due>> {
    let now = tx.now();
    let after = plan.decided_through;
    let is_due = |planned: &Planned| planned.due_at <= now;
    let first = match ahead.next(after) {
        None => late(tx, plan, ahead)?,
        first => first,
    };
    let Some((planned, version)) = first.filter(|(planned, _)| is_due(planned)) else { return Ok(None) };
    let next = ahead.next(planned.logical_on).map(|(next, _)| next);
    let is_missed = next.as_ref().is_some_and(is_due);
    Ok(Some(Due { planned, version: version.clone(), is_missed, next }))
}

/// Where work decides and none is to come: the next open day, if there is money that came after its date. What was
/// taken back is left alone.
fn late<'a>(tx: &mut Tx<'_>, plan: &PlanRow, ahead: &'a Ahead) -> Result<Option<(Planned, &'a VersionRow)>> {
    let zone = ahead.calendar.zone;
    let Some((planned, version)) = ahead.late(plan.decided_through, tx.today(zone)) else { return Ok(None) };
    let goes_on = store::last_run(tx, plan.id)?.is_some_and(|(_, is_back)| !is_back);
    if !goes_on {
        return Ok(None);
    }
    let available = ledger::balance(tx, plan.activity_id)?.available_minor;
    let least = version.minimum_minor.max(Minor::new(1));
    Ok((available >= least).then_some((planned, version)))
}

/// Works the next date of a plan whose moment has come: asks for its payout, or notes why there is none. Answers
/// whether there was such a date.
///
/// # Errors
/// What refuses the payout; then [`refused`] notes it.
pub fn work(tx: &mut Tx<'_>, id: PayoutPlanId) -> Result<bool> {
    let plan = store::lock(tx, id)?;
    if plan.state != PlanState::Active {
        return Ok(false);
    }
    let ahead = Ahead::load(tx, &plan)?;
    let Some(due) = due_date(tx, &plan, &ahead)? else {
        let next = ahead.next(plan.decided_through).map(|(planned, _)| planned);
        if (plan.next_on, plan.due_at) != (next.map(|next| next.logical_on), next.map(|next| next.due_at)) {
            store::save(tx, &plan, plan.state, plan.decided_through, next)?;
        }
        return Ok(false);
    };
    let mut run = NewRun {
        n: due.version.n,
        planned: due.planned,
        outcome: RunOutcome::Missed,
        available: None,
        paid: None,
        refused_by: None,
    };
    let mut letter = None;
    if !due.is_missed {
        let (available, outcome) = come_to(tx, &plan, &ahead, &due)?;
        run.available = Some(available);
        let before = store::last_run(tx, id)?.map(|(outcome, _)| outcome);
        let activity = activities::activity(tx, plan.activity_id)?;
        let money = |amount_minor| Money { amount_minor, currency: plan.currency };
        match outcome {
            Outcome::Pay(amount) => {
                let payout = tx.new_id();
                payouts::request_for(tx, plan.member_id, payout, activity.id, money(amount), (None, None))?;
                (run.outcome, run.paid) = (RunOutcome::Paid, Some((payout, amount)));
                let on = due.planned.value_on;
                letter = Some(Letter::PlanPays { activity: activity.name, amount: money(amount), on });
            }
            Outcome::Nothing(why) => {
                run.outcome = why.into();
                let on = due.planned.value_on;
                // The first date on which nothing is paid is told; the ones after it are in the list.
                letter = (before.is_none() || before == Some(RunOutcome::Paid)).then(|| Letter::PlanPaysNothing {
                    activity: activity.name,
                    available: money(available.max(Minor::ZERO)),
                    least: money(least(&due.version)),
                    on,
                });
            }
        }
    }
    store::insert_run(tx, &plan, &run)?;
    store::save(tx, &plan, PlanState::Active, due.planned.logical_on, due.next)?;
    tx.failpoint("payout_plan.before_commit")?;
    letter.map_or(Ok(()), |letter| tell(tx, &plan, letter, due.planned.logical_on))?;
    Ok(true)
}

/// Less than this a version does not pay.
fn least(version: &VersionRow) -> Minor {
    version.minimum_minor.max(version.floor_minor.unwrap_or_default()).max(Minor::new(1))
}

/// What a date comes to by what is there now.
fn come_to(tx: &mut Tx<'_>, plan: &PlanRow, ahead: &Ahead, due: &Due) -> Result<(Minor, Outcome)> {
    // The activity first, then its balance: whoever closes it takes them in this order.
    let activity = activities::require_open(tx, plan.activity_id)?;
    let mut available = ledger::lock_balance(tx, plan.activity_id)?.available_minor;
    if due.version.kind == PlanKind::TenthOfNextMonth {
        let before = due.planned.logical_on.checked_sub_days(Days::new(u64::from(due.planned.logical_on.day())));
        let then = ledger::available_through(tx, plan.activity_id, before.unwrap_or(due.planned.logical_on))?;
        available = available.min(then);
    }
    let horizon = horizon(tx, &activity, ahead, due)?;
    Ok((available, payout_plans::amount(&due.version.pays(), available, horizon)?))
}

fn horizon(tx: &mut Tx<'_>, activity: &ActivityRow, ahead: &Ahead, due: &Due) -> Result<Horizon> {
    let Some(smoothing) = due.version.pays().smoothing else { return Ok(Horizon::default()) };
    let today = tx.today(ahead.calendar.zone);
    let begin = due.planned.logical_on;
    let end = begin.checked_add_days(Days::new(u64::from(smoothing.horizon_days))).unwrap_or(NaiveDate::MAX);
    let promises = invoicing::promises(tx, activity, today)?;
    let within = promises.iter().filter(|promise| promise.on > today && promise.on <= end);
    let arriving = Minor::sum(within.map(|promise| promise.amount))?;
    let later = i64::try_from(ahead.dates(begin, end, DATES_MAX).len()).unwrap_or(i64::MAX);
    Ok(Horizon { arriving, dates: later.saturating_add(1) })
}

/// Notes that the payout of the date that has come was refused, and tells the member why. A plan of a closed activity
/// rests.
///
/// # Errors
/// Fails with the database.
pub fn refused(tx: &mut Tx<'_>, id: PayoutPlanId, code: &'static str) -> Result<()> {
    let plan = store::lock(tx, id)?;
    if plan.state != PlanState::Active {
        return Ok(());
    }
    let ahead = Ahead::load(tx, &plan)?;
    let Some(due) = due_date(tx, &plan, &ahead)? else { return Ok(()) };
    let run = NewRun {
        n: due.version.n,
        planned: due.planned,
        outcome: RunOutcome::Refused,
        available: None,
        paid: None,
        refused_by: Some(code),
    };
    let before = store::last_run(tx, id)?.map(|(outcome, _)| outcome);
    store::insert_run(tx, &plan, &run)?;
    let state = if code == "activity_closed" { PlanState::Paused } else { PlanState::Active };
    tx.reason(code)?;
    store::save(tx, &plan, state, due.planned.logical_on, due.next)?;
    if before == Some(RunOutcome::Refused) {
        return Ok(());
    }
    let member = access::person(tx, plan.member_id)?;
    let (name, fix) = i18n::problem(member.language, code, &serde_json::Map::new());
    let activity = activities::activity(tx, plan.activity_id)?.name;
    let letter = Letter::PlanRefused { activity, on: due.planned.value_on, reason: format!("{name}\n{fix}") };
    tell(tx, &plan, letter, due.planned.logical_on)
}

fn tell(tx: &mut Tx<'_>, plan: &Locked<PlanRow>, letter: Letter, on: NaiveDate) -> Result<()> {
    let member = access::person(tx, plan.member_id)?;
    let owner = Some(member.id);
    let mail = QueuedLetter { to: member.email, language: member.language, letter, subject: plan.id.0, owner };
    outbox::queue_letter(tx, mail, &format!("plan:{on}"))
}
