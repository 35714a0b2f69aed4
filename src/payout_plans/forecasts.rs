//! When money arrives: for an invoice, for a member, for an activity. What is said of an invoice is kept, once a day
//! when it changed, and its error is told later. A part of the desk.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use super::ahead::{self, Ahead};
use super::rules::PlanState;
use super::rules::forecast::{self, Accuracy, Asks, Block, Facts, Forecast, PayoutFacts};
use super::store::{self, Known};
use crate::kernel::ids::{ActivityId, EntityId, InvoiceId, PersonId};
use crate::kernel::money::Money;
use crate::kernel::payout_plans::{Calendar, OnClosed, Planned};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{activities, charter, invoicing, ledger, members};

/// Medians are those of so many days.
const LOOKED_BACK: Days = Days::new(90);
/// Errors are those of so many days.
const ACCURACY_BACK: Days = Days::new(365);
/// Invoices in one answer at most.
const INVOICES_MAX: i64 = 50;
/// Invoices in one step of the daily work.
const KEPT_AT_ONCE: i64 = 100;
/// Activities in one answer at most.
const ACTIVITIES_MAX: i64 = 50;

/// A forecast of an invoice.
#[derive(Debug, Clone)]
pub struct OfInvoice {
    /// Which.
    pub invoice: InvoiceId,
    /// Of which activity.
    pub activity: ActivityId,
    /// What is said.
    pub forecast: Forecast,
}

/// When an activity pays out next.
#[derive(Debug, Clone)]
pub struct OfActivity {
    /// Which.
    pub activity: ActivityId,
    /// What is there.
    pub available: Money,
    /// The next date of its plan; none without one.
    pub next: Option<Planned>,
    /// What keeps what is there from going on.
    pub block: Option<Block>,
}

/// What a member can expect.
#[derive(Debug, Clone)]
pub struct OfMember {
    /// Invoices whose money is not available, newest first, fifty at most.
    pub invoices: Vec<OfInvoice>,
    /// Their activities, newest first, fifty at most.
    pub activities: Vec<OfActivity>,
}

/// An invoice in the order in which they are worked: those of an activity together.
pub type Place = (ActivityId, InvoiceId);

/// What is known of an entity and an activity, for all of its invoices.
struct Ground {
    calendar: Calendar,
    today: NaiveDate,
    terms: (u32, u32),
    medians: (u32, u32),
    asks: Asks,
    ahead: Option<(Ahead, NaiveDate)>,
    unpayable: Option<Block>,
    has_money: bool,
}

fn count(days: i32) -> u32 {
    u32::try_from(days).unwrap_or_default()
}

fn ground(tx: &mut Tx<'_>, activity: &activities::ActivityRow) -> Result<Ground> {
    let entity = charter::entity(tx, activity.entity_id)?;
    let today = tx.today(entity.zone());
    let calendar = ahead::calendar(tx, &entity, today)?;
    let rules = charter::rule_set_on(tx, entity.id, today)?;
    let medians = store::medians(tx, entity.id, today.checked_sub_days(LOOKED_BACK).unwrap_or(today))?;
    let plan = store::find_of(tx, activity.id)?;
    let asks = match &plan {
        None => Asks::Member,
        Some(plan) if plan.state == PlanState::Paused => Asks::Paused,
        Some(_) => Asks::Plan,
    };
    let ahead = match &plan {
        Some(plan) if asks == Asks::Plan => Some((Ahead::load(tx, plan)?, plan.decided_through)),
        _ => None,
    };
    // A plan on demand, or one whose work is not there yet, asks for nothing by itself.
    let is_silent =
        ahead.as_ref().is_some_and(|(ahead, after)| ahead.next(*after).is_none() && !ahead.follows_work(today));
    Ok(Ground {
        asks: if is_silent { Asks::Member } else { asks },
        unpayable: unpayable(tx, activity.member_id)?,
        has_money: ledger::balance(tx, activity.id)?.available_minor.get() > 0,
        terms: (count(rules.advance_working_days), count(rules.payment_terms_days)),
        medians: (count(medians.review_days), count(medians.payout_days)),
        calendar,
        today,
        ahead,
    })
}

fn unpayable(tx: &mut Tx<'_>, member: PersonId) -> Result<Option<Block>> {
    let refused = members::require_payable(tx, member).err().or_else(|| members::live_payee_account(tx, member).err());
    match refused.map(|error| (error.code.parse(), error)) {
        None => Ok(None),
        Some((Ok(block), _)) => Ok(Some(block)),
        Some((Err(_unknown), error)) if error.status.is_client_error() => Ok(Some(Block::MemberNotActive)),
        Some((_, error)) => Err(error),
    }
}

impl Ground {
    /// The date of the plan for money that is there on a day, or the first day on which it can leave.
    fn date_after(&self, from: NaiveDate) -> Option<Planned> {
        if let (Asks::Plan, Some((ahead, after))) = (self.asks, &self.ahead) {
            let mut day = *after;
            // The date whose money is set aside on this day or later.
            while let Some((planned, _)) = ahead.next(day) {
                if planned.due_on >= from {
                    return Some(planned);
                }
                day = planned.logical_on;
            }
            return ahead.late(*after, from).map(|(planned, _)| planned);
        }
        let days = from.iter_days().take(30);
        days.filter_map(|day| self.calendar.plan(day, OnClosed::After)).find(|planned| planned.due_on >= from)
    }
}

fn on(at: Option<DateTime<Utc>>, zone: Tz) -> Option<NaiveDate> {
    at.map(|at| at.with_timezone(&zone).date_naive())
}

fn say(tx: &mut Tx<'_>, known: &Known, ground: &Ground) -> Result<Forecast> {
    let zone = ground.calendar.zone;
    let available_at = known.advanced_at.into_iter().chain(known.paid_at).min();
    let payout = match available_at {
        Some(at) => store::payout_since(tx, known.activity_id, at)?,
        None => None,
    };
    let lateness = invoicing::lateness(tx, known.client_id)?;
    let is_void = known.open_minor.is_some_and(|open| open <= 0) && available_at.is_none();
    let facts = Facts {
        today: ground.today,
        state: known.state,
        is_returned: known.is_returned,
        created_on: known.created_at.with_timezone(&zone).date_naive(),
        submitted_on: on(known.submitted_at, zone),
        supplied_on: known.supplied_on,
        issued_on: known.issued_on,
        due_on: known.due_on,
        advance_due_on: known.advance_due_on,
        is_covered: known.is_covered,
        is_held: known.is_held,
        is_disputed: known.is_disputed,
        seen_on: on(known.seen_at, zone),
        confirmed_on: on(known.confirmed_at, zone),
        paid_on: known.paid_on,
        available_on: on(available_at, zone),
        is_void,
        terms: ground.terms,
        medians: (ground.medians.0, ground.medians.1, count(lateness.days)),
        asks: ground.asks,
        unpayable: ground.unpayable,
        has_money: ground.has_money,
        payout: payout.map(|payout| PayoutFacts {
            state: payout.state,
            asked_on: payout.created_at.with_timezone(&zone).date_naive(),
            execute_on: payout.execute_on,
            settled_on: payout.settled_on,
        }),
        holidays: ground.calendar.closed.clone(),
    };
    Ok(forecast::forecast(&facts, &|from| ground.date_after(from)))
}

/// When the money of an invoice arrives, what blocks it and who must act. What is said is kept, once a day at most.
///
/// # Errors
/// 404; 409 `rule_set_missing`.
pub fn of_invoice(tx: &mut Tx<'_>, id: InvoiceId) -> Result<OfInvoice> {
    let known = store::find_known(tx, id)?;
    let activity = activities::activity(tx, known.activity_id)?;
    let ground = ground(tx, &activity)?;
    let forecast = say(tx, &known, &ground)?;
    if forecast.next.is_some() {
        store::keep(tx, &known, ground.today, &forecast)?;
    }
    Ok(OfInvoice { invoice: id, activity: activity.id, forecast })
}

/// Keeps what is said today of some open invoices of an entity, of each when it is not what was said last: how often it
/// came true is told of what was said whether anybody looked or not. Goes on after an invoice, and answers how many it
/// looked at with the last of them; none when that was all. Safe to repeat.
///
/// # Errors
/// Fails with the database.
pub fn keep_some(tx: &mut Tx<'_>, entity: EntityId, after: Option<Place>) -> Result<(usize, Option<Place>)> {
    let open = store::list_open_of(tx, entity, after, KEPT_AT_ONCE)?;
    let mut grounds: BTreeMap<ActivityId, Option<Ground>> = BTreeMap::new();
    for known in &open {
        if let Entry::Vacant(place) = grounds.entry(known.activity_id) {
            let activity = activities::activity(tx, known.activity_id)?;
            place.insert(match ground(tx, &activity) {
                Ok(ground) => Some(ground),
                // Without rules there is nothing to say.
                Err(error) if error.status.is_client_error() => None,
                Err(error) => return Err(error),
            });
        }
        if let Some(Some(ground)) = grounds.get(&known.activity_id) {
            let forecast = say(tx, known, ground)?;
            store::keep(tx, known, ground.today, &forecast)?;
        }
    }
    let is_full = i64::try_from(open.len()).is_ok_and(|count| count == KEPT_AT_ONCE);
    Ok((open.len(), open.last().filter(|_| is_full).map(|last| (last.activity_id, last.id))))
}

/// What a member can expect of their invoices and activities.
///
/// # Errors
/// 404; 409 `rule_set_missing`.
pub fn of_member(tx: &mut Tx<'_>, id: PersonId) -> Result<OfMember> {
    members::member(tx, id)?;
    let activities = activities::activities(tx, Some(id), None, ACTIVITIES_MAX)?;
    of_activities(tx, id, activities, None)
}

/// What an activity can expect.
///
/// # Errors
/// 404; 409 `rule_set_missing`.
pub fn of_activity(tx: &mut Tx<'_>, id: ActivityId) -> Result<OfMember> {
    let activity = activities::activity(tx, id)?;
    of_activities(tx, activity.member_id, vec![activity], Some(id))
}

fn of_activities(
    tx: &mut Tx<'_>,
    member: PersonId,
    rows: Vec<activities::ActivityRow>,
    only: Option<ActivityId>,
) -> Result<OfMember> {
    let open = store::list_open(tx, member, only, INVOICES_MAX)?;
    let mut found = OfMember { invoices: Vec::new(), activities: Vec::new() };
    for activity in rows {
        let ground = ground(tx, &activity)?;
        for known in open.iter().filter(|known| known.activity_id == activity.id) {
            let forecast = say(tx, known, &ground)?;
            found.invoices.push(OfInvoice { invoice: known.id, activity: activity.id, forecast });
        }
        let balance = ledger::balance(tx, activity.id)?;
        let block = ground.unpayable.or(match ground.asks {
            Asks::Plan => None,
            Asks::Paused => Some(Block::PlanPaused),
            Asks::Member => Some(Block::PayoutNotAsked),
        });
        found.activities.push(OfActivity {
            activity: activity.id,
            available: Money { amount_minor: balance.available_minor, currency: balance.currency },
            next: ground.ahead.as_ref().and_then(|(ahead, after)| ahead.next(*after)).map(|(planned, _)| planned),
            block: block.filter(|_| ground.has_money),
        });
    }
    Ok(found)
}

/// How often what was said in the last year came true, for each entity.
///
/// # Errors
/// Fails with the database.
pub fn accuracy(tx: &mut Tx<'_>) -> Result<Vec<(EntityId, NaiveDate, Accuracy)>> {
    let mut found = Vec::new();
    for entity in charter::entities(tx)? {
        let today = tx.today(entity.zone());
        let since = today.checked_sub_days(ACCURACY_BACK).ok_or_else(|| Error::internal("calendar"))?;
        let said = store::list_arrived(tx, entity.id, since)?;
        let holidays = charter::bank_holidays(tx, &entity.country, since)?;
        found.push((entity.id, since, forecast::accuracy(&said, &holidays)));
    }
    Ok(found)
}
