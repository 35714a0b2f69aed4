//! Ten years of dates, and the rule of each amount.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, also where a sum overflows"
)]

use chrono::{Datelike, Days, NaiveDate, NaiveTime, Weekday};
use proptest::prelude::*;

use super::*;
use crate::kernel::calendar::is_working_day;
use crate::kernel::money::Minor;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Easter Sunday of the Gregorian calendar, by Gauss as Lichtenberg completed it: not the rule that the tables use.
fn easter(year: i32) -> NaiveDate {
    let century = year / 100;
    let lunar = 15 + (3 * century + 3) / 4 - (8 * century + 13) / 25;
    let solar = 2 - (3 * century + 3) / 4;
    let seed = (19 * (year % 19) + lunar) % 30;
    // The full moon of spring as a day of March, the first Sunday of March, and Easter as a day of March.
    let moon = 21 + seed - (seed + (year % 19) / 11) / 29;
    let sunday = 7 - (year + year / 4 + solar) % 7;
    let found = moon + 7 - (moon - sunday).rem_euclid(7);
    let march = NaiveDate::from_ymd_opt(year, 3, 1).unwrap();
    march + Days::new(u64::try_from(found - 1).unwrap())
}

#[test]
fn easter_is_when_it_is() {
    for known in ["2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2030-04-21", "2038-04-25"] {
        assert_eq!(easter(day(known).year()), day(known));
    }
}

/// The closing days of TARGET2 and the holidays of Belgium over these years.
fn closed() -> Holidays {
    let mut closed = Holidays::new();
    for year in 2023..=2040 {
        let sunday = easter(year);
        for (month, date) in [(1, 1), (5, 1), (7, 21), (8, 15), (11, 1), (11, 11), (12, 25), (12, 26)] {
            closed.insert(NaiveDate::from_ymd_opt(year, month, date).unwrap());
        }
        closed.insert(sunday - Days::new(2));
        closed.extend([1, 39, 50].map(|after| sunday + Days::new(after)));
    }
    closed
}

fn calendar(days_before: u32, minute: u32) -> Calendar {
    let at = NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap();
    let cut_offs = vec![(NaiveDate::MIN, CutOff { days_before, at })];
    Calendar { closed: closed(), zone: chrono_tz::Europe::Brussels, cut_offs }
}

fn rhythms() -> impl Strategy<Value = Rhythm> {
    prop_oneof![
        (0_u8..7).prop_map(|n| Rhythm::Weekly(Weekday::try_from(n).unwrap())),
        (1_u32..=31).prop_map(Rhythm::Monthly),
        Just(Rhythm::TenthOfNextMonth),
        Just(Rhythm::MonthEnd),
    ]
}

proptest! {
    /// Over ten years with leap days, clock changes and year ends: strictly rising, none missing, each on an open day.
    #[test]
    fn each_date_of_ten_years_comes_once(rhythm in rhythms(), start in 0_u64..400, before in 0_u32..4, minute in 0_u32..1440, is_before: bool) {
        let calendar = calendar(before, minute);
        let on_closed = if is_before { OnClosed::Before } else { OnClosed::After };
        let begin = day("2026-05-04") + Days::new(start);
        let end = begin + Days::new(3653);
        let dates: Vec<_> = logical_dates(rhythm, begin).take_while(|date| *date <= end).collect();
        let expected: Vec<_> = begin.iter_days().skip(1).take_while(|date| *date <= end).filter(|date| {
            let is_last = date.succ_opt().unwrap().day() == 1;
            match rhythm {
                Rhythm::Weekly(weekday) => date.weekday() == weekday,
                Rhythm::Monthly(n) => date.day() == n || (is_last && date.day() < n),
                Rhythm::TenthOfNextMonth => date.day() == 10,
                Rhythm::MonthEnd => is_last,
                _ => false,
            }
        }).collect();
        prop_assert_eq!(&dates, &expected);
        let planned: Vec<_> = dates.iter().map(|date| calendar.plan(*date, on_closed).unwrap()).collect();
        for one in &planned {
            prop_assert!(is_working_day(one.value_on, &calendar.closed));
            let apart = (one.value_on - one.logical_on).num_days();
            let fits = if is_before { (-5..=0).contains(&apart) } else { (0..=5).contains(&apart) };
            prop_assert!(fits, "{} days apart", apart);
            prop_assert!(one.due_at.with_timezone(&calendar.zone).date_naive() <= one.value_on);
        }
        for pair in planned.windows(2) {
            prop_assert!(pair[0].logical_on < pair[1].logical_on);
            prop_assert!(pair[0].value_on <= pair[1].value_on && pair[0].due_at <= pair[1].due_at);
        }
    }

    /// Versions that follow each other in any order: the dates are those of the newest decision on each day.
    #[test]
    fn versions_follow_each_other_without_a_date_twice(of in proptest::collection::vec((0_u64..500, rhythms()), 1..6)) {
        let begin = day("2027-11-20");
        let versions: Vec<_> = of.iter().map(|(at, rhythm)| Version { from: begin + Days::new(*at), rhythm: *rhythm }).collect();
        let end = begin + Days::new(700);
        let mut found = Vec::new();
        let mut at = begin;
        while let Some((date, place)) = next(&versions, at) {
            if date > end {
                break;
            }
            prop_assert!(date > at);
            found.push((date, place));
            at = date;
        }
        let expected: Vec<_> = begin.iter_days().skip(1).take_while(|date| *date <= end).filter_map(|date| {
            let (place, version) = versions.iter().enumerate().rev().find(|(_, version)| version.from <= date)?;
            (logical_dates(version.rhythm, date.pred_opt()?).next() == Some(date)).then_some((date, place))
        }).collect();
        prop_assert_eq!(found, expected);
    }

    /// Never below the floor, never above the fixed amount or what is there, and what is paid adds up.
    #[test]
    fn a_smoothed_pay_is_never_below_its_floor(available in -1_000_i64..1_000_000, fixed in 1_i64..300_000, part in 1_i64..=100, arriving in 0_i64..1_000_000, dates in 0_i64..20) {
        let floor = (fixed * part / 100).max(1);
        let smoothing = Smoothing { amount: Minor::new(fixed), floor: Minor::new(floor), horizon_days: 90 };
        let terms = Terms { minimum: Minor::ZERO, smoothing: Some(smoothing) };
        let horizon = Horizon { arriving: Minor::new(arriving), dates };
        match amount(&terms, Minor::new(available), horizon).unwrap() {
            Outcome::Pay(paid) => prop_assert!(paid.get() >= floor && paid.get() <= fixed && paid.get() <= available),
            Outcome::Nothing(Why::NothingAvailable) => prop_assert!(available <= 0),
            Outcome::Nothing(Why::BelowFloor) => prop_assert!(available < floor),
            Outcome::Nothing(Why::BelowMinimum) => prop_assert!(false),
        }
    }
}

#[test]
fn the_day_of_a_closed_bank_moves_as_was_chosen() {
    let calendar = calendar(2, 15 * 60);
    // Good Friday and Easter Monday 2026: 3 and 6 April.
    let moved = |logical: &str, on_closed| {
        let planned = calendar.plan(day(logical), on_closed).unwrap();
        (planned.value_on.to_string(), planned.due_at.to_rfc3339())
    };
    assert_eq!(
        moved("2026-04-04", OnClosed::Before),
        ("2026-04-02".to_owned(), "2026-03-31T13:00:00+00:00".to_owned())
    );
    assert_eq!(moved("2026-04-04", OnClosed::After), ("2026-04-07".to_owned(), "2026-04-01T13:00:00+00:00".to_owned()));
    // The year end: 31 December is open, 1 January is not.
    assert_eq!(moved("2026-12-31", OnClosed::After).0, "2026-12-31");
    assert_eq!(moved("2027-01-01", OnClosed::After).0, "2027-01-04");
    assert_eq!(moved("2027-01-01", OnClosed::Before).0, "2026-12-31");
}

#[test]
fn the_first_day_after_a_cut_off_is_a_later_one() {
    let calendar = calendar(1, 12 * 60);
    let first = |now: &str| calendar.first_value_date(now.parse().unwrap()).unwrap().to_string();
    assert_eq!(first("2026-05-05T09:59:00Z"), "2026-05-06", "before noon in Brussels");
    assert_eq!(first("2026-05-05T10:01:00Z"), "2026-05-07");
    assert_eq!(first("2026-05-08T10:01:00Z"), "2026-05-12", "over a weekend");
}

#[test]
fn what_a_leap_day_and_a_short_month_do() {
    let dates = |rhythm, from: &str, count| -> Vec<String> {
        logical_dates(rhythm, day(from)).take(count).map(|date| date.to_string()).collect()
    };
    assert_eq!(dates(Rhythm::Monthly(30), "2028-01-30", 2), ["2028-02-29", "2028-03-30"]);
    assert_eq!(dates(Rhythm::Monthly(29), "2027-01-29", 3), ["2027-02-28", "2027-03-29", "2027-04-29"]);
    assert_eq!(dates(Rhythm::MonthEnd, "2026-12-31", 2), ["2027-01-31", "2027-02-28"]);
    assert_eq!(dates(Rhythm::OnDemand, "2026-12-31", 1), Vec::<String>::new());
    assert_eq!(Rhythm::new(PlanKind::Weekly, Some(8)), None);
    assert_eq!(Rhythm::new(PlanKind::Weekly, Some(5)), Some(Rhythm::Weekly(Weekday::Fri)));
    assert_eq!(Rhythm::new(PlanKind::MonthEnd, Some(1)), None);
    let closed = closed();
    assert_eq!(after_work(day("2026-05-12"), day("2026-05-04"), 3, &closed), Some(day("2026-05-18")), "over Ascension");
    assert_eq!(after_work(day("2026-05-12"), day("2026-06-01"), 3, &closed), Some(day("2026-06-02")), "issued late");
}

#[test]
fn the_smoothed_pay_spreads_what_is_expected() {
    let smoothing = Smoothing { amount: Minor::new(200_000), floor: Minor::new(120_000), horizon_days: 90 };
    let terms = Terms { minimum: Minor::ZERO, smoothing: Some(smoothing) };
    let calendar = calendar(0, 0);
    let dates: Vec<_> = logical_dates(Rhythm::MonthEnd, day("2026-05-04"))
        .take(8)
        .map(|date| calendar.plan(date, OnClosed::Before).unwrap())
        .collect();
    let arrivals = [Arrival { on: day("2026-07-15"), amount: Minor::new(300_000) }];
    let found = expect(&terms, Minor::new(300_000), &dates, &arrivals, 5).unwrap();
    let outcomes: Vec<_> = found.iter().map(|one| one.outcome).collect();
    // 6,000.00 for three dates within the horizon is 2,000.00 each; then 4,000.00 for three, and so on.
    let pay = |cents| Outcome::Pay(Minor::new(cents));
    assert_eq!(outcomes[0], pay(200_000), "{found:?}");
    assert_eq!(outcomes[1], Outcome::Nothing(Why::BelowFloor), "1,000.00 is there and the floor is 1,200.00");
    assert_eq!(outcomes[2], pay(133_333), "4,000.00 for May, June and July lasts for three dates");
    let all = Terms { minimum: Minor::new(5_000), smoothing: None };
    assert_eq!(amount(&all, Minor::new(4_999), Horizon::default()).unwrap(), Outcome::Nothing(Why::BelowMinimum));
    assert_eq!(amount(&all, Minor::new(5_000), Horizon::default()).unwrap(), pay(5_000));
    assert_eq!(amount(&all, Minor::ZERO, Horizon::default()).unwrap(), Outcome::Nothing(Why::NothingAvailable));
}
