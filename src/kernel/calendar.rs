//! Working days, and the instant of a time of day.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Duration, LocalResult, NaiveDate, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::Tz;

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

/// The `count`-th working day before `from`; the day itself when `count` is zero and it is a working day, else the one
/// before it. `None` at the beginning of the calendar.
#[must_use]
pub fn subtract_working_days(from: NaiveDate, count: u32, holidays: &Holidays) -> Option<NaiveDate> {
    let mut day = from;
    let mut left = count;
    while left > 0 || !is_working_day(day, holidays) {
        day = day.pred_opt()?;
        if left > 0 && is_working_day(day, holidays) {
            left = left.saturating_sub(1);
        }
    }
    Some(day)
}

/// How many working days lie after `from`, up to and with `until`; negative the other way round.
#[must_use]
pub fn working_days_between(from: NaiveDate, until: NaiveDate, holidays: &Holidays) -> i32 {
    let (first, last, sign) = if from <= until { (from, until, 1) } else { (until, from, -1) };
    let days = first.iter_days().skip(1).take_while(|day| *day <= last);
    let count = days.filter(|day| is_working_day(*day, holidays)).count();
    i32::try_from(count).unwrap_or(i32::MAX).saturating_mul(sign)
}

/// Clocks are never set by more than this at once.
const CLOCK_CHANGE_MAX: i64 = 24 * 60;

/// The instant of a time of day in a zone. In the night in which clocks go forward, a time that does not exist is the
/// moment at which they did; in the one in which they go back, the first of two equal times counts.
#[must_use]
pub fn instant(day: NaiveDate, time: NaiveTime, zone: Tz) -> Option<DateTime<Utc>> {
    let local = day.and_time(time);
    (0..=CLOCK_CHANGE_MAX).find_map(|minutes| {
        let later = local.checked_add_signed(Duration::try_minutes(minutes)?)?;
        match zone.from_local_datetime(&later) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.with_timezone(&Utc)),
            LocalResult::None => None,
        }
    })
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

    #[test]
    fn working_days_are_counted_back_as_they_are_counted_forward() {
        let holidays = Holidays::from([day("2026-05-14"), day("2026-05-25")]);
        assert_eq!(subtract_working_days(day("2026-05-26"), 1, &holidays), Some(day("2026-05-22")));
        assert_eq!(subtract_working_days(day("2026-05-24"), 0, &holidays), Some(day("2026-05-22")));
        for start in day("2026-05-01").iter_days().take(40).filter(|day| is_working_day(*day, &holidays)) {
            for count in 0..15 {
                let end = add_working_days(start, count, &holidays).unwrap();
                assert_eq!(subtract_working_days(end, count, &holidays), Some(start), "{start} + {count}");
                let between = i32::try_from(count).unwrap();
                assert_eq!(working_days_between(start, end, &holidays), between);
                assert_eq!(working_days_between(end, start, &holidays), -between);
            }
        }
    }

    #[test]
    fn a_time_of_day_is_an_instant_also_in_the_nights_in_which_clocks_change() {
        let brussels = chrono_tz::Europe::Brussels;
        let at = |text: &str, hour, minute| {
            instant(day(text), NaiveTime::from_hms_opt(hour, minute, 0).unwrap(), brussels).unwrap().to_rfc3339()
        };
        assert_eq!(at("2026-03-28", 2, 30), "2026-03-28T01:30:00+00:00");
        assert_eq!(at("2026-03-29", 2, 30), "2026-03-29T01:00:00+00:00", "it does not exist");
        assert_eq!(at("2026-10-25", 2, 30), "2026-10-25T00:30:00+00:00", "the first of two");
        assert_eq!(at("2026-10-25", 12, 0), "2026-10-25T11:00:00+00:00");
    }
}
