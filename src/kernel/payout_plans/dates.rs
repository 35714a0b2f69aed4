//! Logical dates: of one rhythm, of versions that follow each other, and after work.

use chrono::{Datelike, Days, Months, NaiveDate};

use super::{Rhythm, after};
use crate::kernel::calendar::{Holidays, add_working_days};

/// Months that are looked through for a date at most: each month has one.
const MONTHS: u32 = 3;

/// The first date of a rhythm after a day; none on demand, and where work decides.
fn first(rhythm: Rhythm, day: NaiveDate) -> Option<NaiveDate> {
    let of_month = |number: u32| {
        let begin = day.with_day(1)?;
        let in_month = |n| date_in(begin.checked_add_months(Months::new(n))?, number);
        (0..MONTHS).filter_map(in_month).find(|date| *date > day)
    };
    match rhythm {
        Rhythm::OnDemand | Rhythm::AfterWork(_) => None,
        Rhythm::Weekly(weekday) => after(day).iter_days().take(7).find(|date| date.weekday() == weekday),
        Rhythm::Monthly(number) => of_month(number),
        Rhythm::TenthOfNextMonth => of_month(10),
        Rhythm::MonthEnd => of_month(31),
    }
}

/// The day of a month with this number, or its last one.
fn date_in(first_of_month: NaiveDate, number: u32) -> Option<NaiveDate> {
    first_of_month
        .with_day(number)
        .or_else(|| first_of_month.checked_add_months(Months::new(1))?.checked_sub_days(Days::new(1)))
}

/// The dates of a rhythm after a day, rising.
pub fn logical_dates(rhythm: Rhythm, day: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    std::iter::successors(first(rhythm, day), move |date| first(rhythm, *date))
}

/// A rhythm from a day on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// From this day on.
    pub from: NaiveDate,
    /// What its days follow.
    pub rhythm: Rhythm,
}

/// The first logical date after a day and the place of the version that it comes from. Versions stand in the order in
/// which they were decided: on each day the newest one that has begun holds.
#[must_use]
pub fn next(versions: &[Version], day: NaiveDate) -> Option<(NaiveDate, usize)> {
    let mut at = day;
    loop {
        let tomorrow = after(at);
        let found = versions.iter().enumerate().rev().find(|(_, version)| version.from <= tomorrow);
        let place = found.map_or(0, |(place, _)| place.saturating_add(1));
        // A newer one that begins later ends what holds now.
        let begins = versions.iter().skip(place).map(|version| version.from).min();
        let date = found.and_then(|(_, version)| first(version.rhythm, at));
        match (date, begins, found) {
            (Some(date), begins, Some((place, _))) if begins.is_none_or(|begins| date < begins) => {
                return Some((date, place));
            }
            (_, None, _) => return None,
            (_, Some(begins), _) => at = begins.pred_opt()?,
        }
    }
}

/// The logical date of an invoice of a plan after work: so many working days after its work ended, or the day after it
/// was issued when that is later, so that no invoice comes too late for its own date.
#[must_use]
pub fn after_work(ended_on: NaiveDate, issued_on: NaiveDate, count: u32, closed: &Holidays) -> Option<NaiveDate> {
    add_working_days(ended_on, count, closed).map(|date| date.max(after(issued_on)))
}
