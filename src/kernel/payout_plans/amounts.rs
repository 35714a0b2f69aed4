//! How much a plan pays on a date.

use chrono::{Days, NaiveDate};

use super::Planned;
use crate::kernel::money::{Minor, MoneyError};
use crate::named;

named! {
    /// Why a run pays nothing.
    Why {
        /// There is no money.
        NothingAvailable = "nothing_available",
        /// There is less than the least amount of the plan.
        BelowMinimum = "below_minimum",
        /// There is less than the floor of the smoothed pay.
        BelowFloor = "below_floor",
    }
}

/// A pay that stays the same although the income does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smoothing {
    /// Paid on each date while the money lasts.
    pub amount: Minor,
    /// Less than this is never paid.
    pub floor: Minor,
    /// So many days ahead orders and invoices are looked at.
    pub horizon_days: u32,
}

/// How much a plan pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Less than this is left where it is.
    pub minimum: Minor,
    /// The same amount each time; else all that is there.
    pub smoothing: Option<Smoothing>,
}

/// What is expected until the horizon of a smoothed pay ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Horizon {
    /// Money that confirmed orders and invoices promise within it.
    pub arriving: Minor,
    /// Dates within it, this one included.
    pub dates: i64,
}

/// What a date comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// This much is asked for.
    Pay(Minor),
    /// Nothing, and why.
    Nothing(Why),
}

/// The largest amount of one SEPA transfer (EPC115-06): what is above it stays for the next date.
const LARGEST: Minor = Minor::new(99_999_999_999);

/// What a plan pays of what is there. A smoothed pay is the fixed amount, or less when what is there and what arrives
/// within the horizon does not last for all its dates: then each gets the same share. It is never below the floor; when
/// what is there is less than that share, what is there is paid down to the floor.
///
/// # Errors
/// Refuses amounts out of range.
pub fn amount(terms: &Terms, available: Minor, horizon: Horizon) -> Result<Outcome, MoneyError> {
    let there = available.min(LARGEST);
    if there <= Minor::ZERO {
        return Ok(Outcome::Nothing(Why::NothingAvailable));
    }
    let wished = match terms.smoothing {
        None => there,
        Some(smoothing) => {
            let lasting = there.plus(horizon.arriving)?.get().checked_div(horizon.dates.max(1)).unwrap_or_default();
            Minor::new(lasting).clamp(smoothing.floor, smoothing.amount).min(there)
        }
    };
    Ok(match terms.smoothing {
        Some(smoothing) if wished < smoothing.floor => Outcome::Nothing(Why::BelowFloor),
        _ if wished < terms.minimum => Outcome::Nothing(Why::BelowMinimum),
        _ => Outcome::Pay(wished),
    })
}

/// Money that is expected on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The day.
    pub on: NaiveDate,
    /// What reaches the activity.
    pub amount: Minor,
}

/// A date with what it is expected to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The date.
    pub planned: Planned,
    /// What is expected to be there.
    pub available: Minor,
    /// What is expected to be paid.
    pub outcome: Outcome,
}

/// What arrives within a horizon that begins after a moment, and how many of these dates lie in it.
fn horizon(terms: &Terms, at: &Planned, dates: &[Planned], arrivals: &[Arrival]) -> Result<Horizon, MoneyError> {
    let Some(smoothing) = terms.smoothing else { return Ok(Horizon::default()) };
    let begin = at.due_on;
    let ahead = Days::new(u64::from(smoothing.horizon_days));
    let end = at.logical_on.checked_add_days(ahead).unwrap_or(NaiveDate::MAX);
    let within = arrivals.iter().filter(|arrival| arrival.on > begin && arrival.on <= end);
    let arriving = Minor::sum(within.map(|arrival| arrival.amount))?;
    let count = dates.iter().filter(|date| date.logical_on >= at.logical_on && date.logical_on <= end).count();
    Ok(Horizon { arriving, dates: i64::try_from(count).unwrap_or(i64::MAX) })
}

/// What the first `count` of rising dates are expected to come to: arrivals are there from their day on, and what a date
/// pays is not there for the next. `dates` reaches beyond `count` by the horizon.
///
/// # Errors
/// Refuses amounts out of range.
pub fn expect(
    terms: &Terms,
    available: Minor,
    dates: &[Planned],
    arrivals: &[Arrival],
    count: usize,
) -> Result<Vec<Expected>, MoneyError> {
    let mut paid = Minor::ZERO;
    let mut found = Vec::with_capacity(count);
    for planned in dates.iter().take(count) {
        let day = planned.due_on;
        let arrived = Minor::sum(arrivals.iter().filter(|one| one.on <= day).map(|one| one.amount))?;
        let there = available.plus(arrived)?.minus(paid)?;
        let outcome = amount(terms, there, horizon(terms, planned, dates, arrivals)?)?;
        if let Outcome::Pay(amount) = outcome {
            paid = paid.plus(amount)?;
        }
        found.push(Expected { planned: *planned, available: there, outcome });
    }
    Ok(found)
}
