//! Payout plans: on which days money is to leave by itself, when it must be set aside for that, and how much.
//!
//! A plan has *logical dates*: the days that its member chose, whatever the calendar says. Each has one *value date*, a
//! day on which banks work, and one *cut-off*, the instant at which its money is set aside. Versions of a plan follow
//! each other by date; the dates of all of them together rise strictly, so that a logical date is a key.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

mod amounts;
mod dates;
#[cfg(test)]
mod tests;

pub use amounts::{Arrival, Expected, Horizon, Outcome, Smoothing, Terms, Why, amount, expect};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc, Weekday};
use chrono_tz::Tz;
pub use dates::{Version, after_work, logical_dates, next};

use super::calendar::{self, Holidays};
use crate::named;

named! {
    /// What the days of a plan follow.
    PlanKind {
        /// No days: its member asks each time.
        OnDemand = "on_demand",
        /// One day of the week.
        Weekly = "weekly",
        /// One day of the month, or the month's last one.
        Monthly = "monthly",
        /// The 10th: what was there at the end of the month before.
        TenthOfNextMonth = "tenth_of_next_month",
        /// The last day of the month.
        MonthEnd = "month_end",
        /// So many working days after the work of an invoice ended.
        AfterWork = "after_work",
    }
}

named! {
    /// What happens when banks are closed on a logical date.
    OnClosed {
        /// The money leaves on the last open day before it.
        Before = "before",
        /// The money leaves on the first open day after it.
        After = "after",
    }
}

/// What the days of a plan follow, with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rhythm {
    /// No days.
    OnDemand,
    /// This day of each week.
    Weekly(Weekday),
    /// This day of each month, 1 to 31, or the month's last one.
    Monthly(u32),
    /// The 10th of each month.
    TenthOfNextMonth,
    /// The last day of each month.
    MonthEnd,
    /// So many working days after work.
    AfterWork(u32),
}

impl Rhythm {
    /// A rhythm of its two columns; none when they do not fit.
    #[must_use]
    pub fn new(kind: PlanKind, count: Option<i32>) -> Option<Self> {
        let number = count.map(u32::try_from).transpose().ok()?;
        match (kind, number) {
            (PlanKind::OnDemand, None) => Some(Self::OnDemand),
            (PlanKind::TenthOfNextMonth, None) => Some(Self::TenthOfNextMonth),
            (PlanKind::MonthEnd, None) => Some(Self::MonthEnd),
            (PlanKind::Weekly, Some(n @ 1..=7)) => {
                Weekday::try_from(u8::try_from(n.checked_sub(1)?).ok()?).ok().map(Self::Weekly)
            }
            (PlanKind::Monthly, Some(n @ 1..=31)) => Some(Self::Monthly(n)),
            (PlanKind::AfterWork, Some(n @ 0..=60)) => Some(Self::AfterWork(n)),
            _ => None,
        }
    }

    /// Whether its days are known without asking what work there is.
    #[must_use]
    pub const fn has_own_dates(self) -> bool {
        !matches!(self, Self::OnDemand | Self::AfterWork(_))
    }
}

/// Until when money that is to leave on a day must be set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOff {
    /// So many bank days before.
    pub days_before: u32,
    /// At this time of day, in the zone of the entity.
    pub at: NaiveTime,
}

impl CutOff {
    /// Where nothing was decided: the beginning of the day itself.
    pub const NONE: Self = Self { days_before: 0, at: NaiveTime::MIN };
}

/// On which days banks work, and where.
#[derive(Debug, Clone)]
pub struct Calendar {
    /// Weekdays on which money does not move.
    pub closed: Holidays,
    /// In whose time of day cut-offs are told.
    pub zone: Tz,
    /// The cut-offs, each for value dates from its day on.
    pub cut_offs: Vec<(NaiveDate, CutOff)>,
}

/// A logical date with what the calendar makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// The day that was chosen.
    pub logical_on: NaiveDate,
    /// The open day on which the money leaves.
    pub value_on: NaiveDate,
    /// The day on which its money is set aside.
    pub due_on: NaiveDate,
    /// The moment.
    pub due_at: DateTime<Utc>,
}

impl Calendar {
    /// The open day on which the money of a logical date leaves.
    #[must_use]
    pub fn value_date(&self, logical_on: NaiveDate, on_closed: OnClosed) -> Option<NaiveDate> {
        match on_closed {
            OnClosed::Before => calendar::subtract_working_days(logical_on, 0, &self.closed),
            OnClosed::After => calendar::add_working_days(logical_on, 0, &self.closed),
        }
    }

    /// The value date and the cut-off of a logical date; none at the end of the calendar.
    #[must_use]
    pub fn plan(&self, logical_on: NaiveDate, on_closed: OnClosed) -> Option<Planned> {
        let value_on = self.value_date(logical_on, on_closed)?;
        let begun = self.cut_offs.iter().filter(|(from, _)| *from <= value_on);
        let cut_off = begun.max_by_key(|(from, _)| *from).map_or(CutOff::NONE, |(_, cut_off)| *cut_off);
        let due_on = calendar::subtract_working_days(value_on, cut_off.days_before, &self.closed)?;
        let due_at = calendar::instant(due_on, cut_off.at, self.zone)?;
        Some(Planned { logical_on, value_on, due_on, due_at })
    }

    /// The first day on which money that is set aside at an instant can leave: today while the cut-off for it is not
    /// over.
    #[must_use]
    pub fn first_value_date(&self, now: DateTime<Utc>) -> Option<NaiveDate> {
        let today = now.with_timezone(&self.zone).date_naive();
        let days = today.iter_days().take(60).filter(|day| calendar::is_working_day(*day, &self.closed));
        days.into_iter().find(|day| self.plan(*day, OnClosed::After).is_some_and(|planned| planned.due_at >= now))
    }
}

/// The day after, or the last one of the calendar.
fn after(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX)
}
