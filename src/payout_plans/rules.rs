//! What may be done with a plan, and what is acceptable in one.

pub mod forecast;

use chrono::{Datelike, NaiveDate};

use super::store::VersionRow;
use super::{Terms, TypedTerms};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::payout_plans::{self, Rhythm, Smoothing, Version};
use crate::kernel::refusal::{Checks, Refusal};
use crate::named;

named! {
    /// Where a plan stands.
    PlanState {
        /// It pays on its days.
        Active = "active",
        /// It waits for its member.
        Paused = "paused",
    }
}

named! {
    /// What a date of a plan came to.
    RunOutcome {
        /// A payout was asked for.
        Paid = "paid",
        /// There was no money.
        NothingAvailable = "nothing_available",
        /// There was less than the least amount of the plan.
        BelowMinimum = "below_minimum",
        /// There was less than the floor of the smoothed pay.
        BelowFloor = "below_floor",
        /// The payout was refused.
        Refused = "refused",
        /// The program was not there: a later date made it up.
        Missed = "missed",
    }
}

impl From<payout_plans::Why> for RunOutcome {
    fn from(why: payout_plans::Why) -> Self {
        match why {
            payout_plans::Why::NothingAvailable => Self::NothingAvailable,
            payout_plans::Why::BelowMinimum => Self::BelowMinimum,
            payout_plans::Why::BelowFloor => Self::BelowFloor,
        }
    }
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Pause,
    Resume,
}

pub(super) fn may(state: PlanState, command: Command) -> Result<(), Refusal> {
    let (name, allowed): (_, &[_]) = match command {
        Command::Pause => ("pause", &[PlanState::Active]),
        Command::Resume => ("resume", &[PlanState::Paused]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// The largest amount of one SEPA transfer, in cents (EPC115-06).
const AMOUNT_MAX: i64 = 99_999_999_999;

/// What was typed, as a plan works by it; what is not acceptable is in `checks`.
pub(super) fn parse(typed: &TypedTerms, currency: Currency, checks: &mut Checks) -> Option<Terms> {
    let rhythm = Rhythm::new(typed.kind, typed.count);
    checks.require(rhythm.is_some(), "/count", "out_of_range");
    let mut amount = |money: Money, pointer: &str, least: i64| {
        checks.require(money.currency == currency, &format!("{pointer}/currency"), "currency_mismatch");
        let fits = (least..=AMOUNT_MAX).contains(&money.amount_minor.get());
        checks.require(fits, &format!("{pointer}/amount_minor"), "out_of_range");
    };
    if let Some(minimum) = typed.minimum {
        amount(minimum, "/minimum", 0);
    }
    if let Some(smoothing) = &typed.smoothing {
        amount(smoothing.amount, "/smoothing/amount", 1);
        amount(smoothing.floor, "/smoothing/floor", 1);
        let is_below = smoothing.floor.amount_minor <= smoothing.amount.amount_minor;
        checks.require(is_below, "/smoothing/floor/amount_minor", "out_of_range");
        checks.require((7..=366).contains(&smoothing.horizon_days), "/smoothing/horizon_days", "out_of_range");
        checks.require(rhythm.is_none_or(Rhythm::has_own_dates), "/smoothing", "not_allowed");
    }
    let smoothing = typed.smoothing.as_ref().map(|smoothing| Smoothing {
        amount: smoothing.amount.amount_minor,
        floor: smoothing.floor.amount_minor,
        horizon_days: smoothing.horizon_days,
    });
    let minimum = typed.minimum.map_or(Minor::ZERO, |money| money.amount_minor);
    let pays = payout_plans::Terms { minimum, smoothing };
    rhythm.map(|_fits| Terms { kind: typed.kind, count: typed.count, on_closed: typed.on_closed, pays })
}

pub(super) fn check_from(from: NaiveDate, first: NaiveDate, checks: &mut Checks) {
    checks.require(from >= first && from.year() <= 2200, "/valid_from", "out_of_range");
}

/// The versions of a plan as the calendar sees them; none for rows that are not in the form of ours.
pub(super) fn versions(rows: &[VersionRow]) -> Option<Vec<Version>> {
    rows.iter().map(|row| Some(Version { from: row.valid_from, rhythm: Rhythm::new(row.kind, row.count)? })).collect()
}

/// The version that holds on a day: the newest that has begun.
pub(super) fn on(rows: &[VersionRow], day: NaiveDate) -> Option<&VersionRow> {
    rows.iter().rev().find(|row| row.valid_from <= day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_pauses_and_goes_on() {
        assert!(may(PlanState::Active, Command::Pause).is_ok() && may(PlanState::Paused, Command::Resume).is_ok());
        assert!(may(PlanState::Active, Command::Resume).is_err() && may(PlanState::Paused, Command::Pause).is_err());
    }
}
