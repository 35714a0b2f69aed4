//! What a plan would come to: its next dates with the amounts that are expected. Writes nothing. A part of the desk.

use chrono::{Datelike, Days, NaiveDate};

use super::ahead::{self, Ahead};
use super::store::{self, VersionRow};
use super::{Terms, TypedTerms};
use crate::activities::ActivityRow;
use crate::invoicing::{self, Promise};
use crate::kernel::ids::ActivityId;
use crate::kernel::money::{Currency, Minor};
use crate::kernel::payout_plans::{self, Arrival, Expected, PlanKind, Planned};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{activities, charter, ledger};

/// Dates of a preview.
const DATES: usize = 12;
/// Dates that are looked at beyond them at most: a weekly plan over the longest horizon.
const BEYOND: usize = 60;

/// What a plan would come to.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Of every amount.
    pub currency: Currency,
    /// Its next dates, rising.
    pub dates: Vec<Expected>,
}

/// The next twelve dates of a plan for an activity, and what each is expected to come to by what is available, the
/// promised days of pending invoices, and confirmed orders. Fewer where work decides.
///
/// # Errors
/// 404; 409 `collective_pays_by_transfer`, `rule_set_missing`; 422 for what is not acceptable.
pub fn preview(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    valid_from: Option<NaiveDate>,
    typed: &TypedTerms,
) -> Result<Preview> {
    let activity = activities::activity(tx, activity)?;
    if activity.is_collective {
        return Err(Error::conflict("collective_pays_by_transfer"));
    }
    let balance = ledger::balance(tx, activity.id)?;
    let entity = charter::entity(tx, activity.entity_id)?;
    let today = tx.today(entity.zone());
    let plan = store::find_of(tx, activity.id)?;
    let from = valid_from.unwrap_or(today);
    let terms = super::accept(typed, balance.currency, (from, today))?;
    let after = from.pred_opt().ok_or_else(|| Error::internal("calendar"))?;
    let after = plan.map_or(after, |plan| plan.decided_through.max(after));
    let promises = invoicing::promises(tx, &activity, today)?;
    let calendar = ahead::calendar(tx, &entity, today)?;
    let work = work(tx, &activity, &promises, after)?;
    let version = as_version(tx, &terms, from);
    let ahead = Ahead::of(version, calendar, work).ok_or_else(|| Error::internal("terms that are no plan"))?;
    let mut dates = ahead.dates(after, NaiveDate::MAX, DATES.saturating_add(BEYOND));
    let mut arrivals: Vec<Arrival> =
        promises.iter().map(|promise| Arrival { on: promise.on, amount: promise.amount }).collect();
    let mut available = balance.available_minor;
    if terms.kind == PlanKind::TenthOfNextMonth {
        available = until_month_end(tx, &activity, available, (&mut dates, &mut arrivals), today)?;
    }
    let mut dates = payout_plans::expect(&terms.pays, available, &dates, &arrivals, DATES)?;
    if terms.kind == PlanKind::TenthOfNextMonth {
        // The day on which it is set aside is told as it is; the end of the month only decided how much.
        for date in &mut dates {
            date.planned = ahead.calendar.plan(date.planned.logical_on, terms.on_closed).unwrap_or(date.planned);
        }
    }
    Ok(Preview { currency: balance.currency, dates })
}

/// Each 10th pays what was there at the end of the month before: what is available now and was not then counts as if it
/// arrived today.
fn until_month_end(
    tx: &mut Tx<'_>,
    activity: &ActivityRow,
    available: Minor,
    (dates, arrivals): (&mut [Planned], &mut Vec<Arrival>),
    today: NaiveDate,
) -> Result<Minor> {
    for date in dates.iter_mut() {
        let end = date.logical_on.checked_sub_days(Days::new(u64::from(date.logical_on.day())));
        date.due_on = end.unwrap_or(date.due_on);
    }
    let Some(first) = dates.first() else { return Ok(available) };
    let then = ledger::available_through(tx, activity.id, first.due_on)?.min(available);
    let since = available.minus(then)?;
    if since > Minor::ZERO {
        arrivals.push(Arrival { on: today, amount: since });
    }
    Ok(then)
}

fn as_version(tx: &Tx<'_>, terms: &Terms, from: NaiveDate) -> VersionRow {
    let smoothing = terms.pays.smoothing;
    VersionRow {
        n: 1,
        valid_from: from,
        kind: terms.kind,
        count: terms.count,
        on_closed: terms.on_closed,
        minimum_minor: terms.pays.minimum,
        fixed_minor: smoothing.map(|it| it.amount),
        floor_minor: smoothing.map(|it| it.floor),
        horizon_days: smoothing.and_then(|it| i32::try_from(it.horizon_days).ok()),
        created_at: tx.now(),
    }
}

/// Work that ended, and work that will: as if it were invoiced on its last day.
fn work(
    tx: &mut Tx<'_>,
    activity: &ActivityRow,
    promises: &[Promise],
    after: NaiveDate,
) -> Result<Vec<(NaiveDate, NaiveDate)>> {
    let since = after.checked_sub_days(Days::new(400)).unwrap_or(after);
    let mut work = invoicing::work_ends(tx, activity.id, since)?;
    work.extend(promises.iter().filter_map(|promise| promise.work_ends_on).map(|ended| (ended, ended)));
    Ok(work)
}
