//! Working days.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate, Weekday};

/// Days on which nothing is promised, besides weekends.
pub type Holidays = BTreeSet<NaiveDate>;

/// Whether banks and offices work on `day`.
#[must_use]
pub fn is_working_day(day: NaiveDate, holidays: &Holidays) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun) && !holidays.contains(&day)
}

/// The `count`-th working day after `from`; the day itself when `count` is zero and it is a working day,
/// else the next one. `None` at the end of the calendar.
#[must_use]
pub fn add_working_days(from: NaiveDate, count: u32, holidays: &Holidays) -> Option<NaiveDate> {
    let mut day = from;
    let mut left = count;
    while left > 0 || !is_working_day(day, holidays) {
        day = day.succ_opt()?;
        if left > 0 && is_working_day(day, holidays) {
            left = left.saturating_sub(1);
        }
    }
    Some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_seventh_working_day_skips_weekends_and_holidays() {
        let holidays = Holidays::from([day("2026-05-14"), day("2026-05-25")]);
        let cases = [
            ("2026-05-04", 7, "2026-05-13"),
            ("2026-05-08", 7, "2026-05-20"), // over Ascension
            ("2026-05-22", 1, "2026-05-26"), // over Whit Monday
            ("2026-05-23", 0, "2026-05-26"),
            ("2026-05-26", 0, "2026-05-26"),
        ];
        for (from, count, expected) in cases {
            assert_eq!(add_working_days(day(from), count, &holidays), Some(day(expected)), "{from} + {count}");
        }
    }
}
