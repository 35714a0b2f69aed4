//! When an invoice comes again, and what may be done with one that does.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use chrono::{Days, Months, NaiveDate};

use crate::kernel::refusal::Refusal;
use crate::named;

named! {
    /// Where an invoice that comes again stands.
    RecurringState {
        /// It comes on its days.
        Active = "active",
        /// It waits for its member.
        Paused = "paused",
        /// It comes no more.
        Ended = "ended",
    }
}

named! {
    /// What its days are counted in.
    Unit {
        /// The same day of the week.
        Week = "week",
        /// The same day of the month, or the month's last one.
        Month = "month",
    }
}

/// The `n`th day of a rhythm: counted from the first one and not from the one before, so that a series of the 31st that
/// meets February goes on at the 31st.
pub(super) fn date(first_on: NaiveDate, unit: Unit, every: u32, n: u32) -> Option<NaiveDate> {
    let steps = every.checked_mul(n)?;
    match unit {
        Unit::Week => first_on.checked_add_days(Days::new(u64::from(steps).checked_mul(7)?)),
        Unit::Month => first_on.checked_add_months(Months::new(steps)),
    }
}

/// Days of one rhythm at most; weekly for almost 200 years.
const DAYS_MAX: u32 = 10_000;

/// The first day of a rhythm that is not before `from`, unless it is over by then.
pub(super) fn next(
    (first_on, last_on): (NaiveDate, Option<NaiveDate>),
    (unit, every): (Unit, u32),
    from: NaiveDate,
) -> Option<NaiveDate> {
    let day = (0..DAYS_MAX).map_while(|n| date(first_on, unit, every, n)).find(|day| *day >= from)?;
    last_on.is_none_or(|last| day <= last).then_some(day)
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Pause,
    Resume,
    End,
}

pub(super) fn may(state: RecurringState, command: Command) -> Result<(), Refusal> {
    let (name, allowed): (_, &[_]) = match command {
        Command::Pause => ("pause", &[RecurringState::Active]),
        Command::Resume => ("resume", &[RecurringState::Paused]),
        Command::End => ("end", &[RecurringState::Active, RecurringState::Paused]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// What an invoice of one day is called: `{period}` in the title is its month or, by the week, its day.
pub(super) fn title(template: &str, unit: Unit, day: NaiveDate) -> String {
    let period = match unit {
        Unit::Week => day.format("%Y-%m-%d"),
        Unit::Month => day.format("%Y-%m"),
    };
    template.replace("{period}", &period.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_of_the_month_stays_the_last_of_the_month() {
        let days: Vec<_> = (0..5).map(|n| date(day("2027-12-31"), Unit::Month, 1, n).unwrap().to_string()).collect();
        assert_eq!(days, ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]);
        assert_eq!(date(day("2026-03-29"), Unit::Week, 2, 3), Some(day("2026-05-10")));
    }

    #[test]
    fn the_next_day_is_never_after_the_end() {
        let monthly = (Unit::Month, 1);
        let first = day("2026-01-31");
        assert_eq!(next((first, None), monthly, day("2026-02-01")), Some(day("2026-02-28")));
        assert_eq!(next((first, Some(day("2026-02-27"))), monthly, day("2026-02-01")), None);
        assert_eq!(next((first, None), monthly, first), Some(first));
        assert_eq!(next((first, None), (Unit::Month, 3), day("2026-03-01")), Some(day("2026-04-30")));
    }

    #[test]
    fn a_title_names_its_period() {
        assert_eq!(title("Retainer {period}", Unit::Month, day("2026-03-31")), "Retainer 2026-03");
        assert_eq!(title("Week of {period}", Unit::Week, day("2026-03-30")), "Week of 2026-03-30");
    }

    #[test]
    fn what_ended_stays_ended() {
        assert!(may(RecurringState::Active, Command::Pause).is_ok());
        assert!(may(RecurringState::Paused, Command::End).is_ok());
        for command in [Command::Pause, Command::Resume, Command::End] {
            assert!(may(RecurringState::Ended, command).is_err());
        }
    }
}
