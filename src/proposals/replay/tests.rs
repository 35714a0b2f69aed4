//! Periods played by hand.
#![expect(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]

use super::*;
use crate::kernel::levies::{Band, ExemptPart, Running};
use crate::kernel::money::Ppm;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn months(from: &str, to: &str) -> Period {
    Period { from: Month::parse(from).unwrap(), to: Month::parse(to).unwrap() }
}

fn fee(rate: i64) -> Levy {
    Levy::flat(LevyKind::Fee, Ppm(rate))
}

fn there() -> Personal {
    Personal { opened_on: day("2020-01-01"), ..Personal::default() }
}

fn invoice(n: u128, on: &str, cents: i64, booked: Option<i64>) -> Event {
    let booked = booked.map(|fee| Kinds { fee: Minor::new(fee), ..Kinds::default() });
    let deed = Deed::Issued { invoice: Uuid::from_u128(n), booked };
    Event { on: day(on), net: Minor::new(cents), gross: Minor::new(cents * 121 / 100), deed }
}

fn credit(n: u128, on: &str, cents: i64, back: i64) -> Event {
    let booked = Kinds { fee: Minor::new(-back), ..Kinds::default() };
    let deed = Deed::Credited { invoice: Uuid::from_u128(n), booked };
    Event { on: day(on), net: Minor::new(cents), gross: Minor::new(cents * 121 / 100), deed }
}

fn payment(n: u128, on: &str, cents: i64) -> Event {
    let deed = Deed::Collected { invoice: Uuid::from_u128(n), booked: Kinds::default() };
    Event { on: day(on), net: Minor::ZERO, gross: Minor::new(cents), deed }
}

/// The fee of each month.
fn played(rules: &[Levy], personal: &Personal, period: Period, events: &[Event]) -> Vec<(String, i64)> {
    let mut replay = Replay::begin(rules, personal, period);
    for event in events {
        replay.play(event).unwrap();
    }
    replay.end().unwrap().into_iter().map(|(month, kinds)| (month, kinds.fee.get())).collect()
}

fn named(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(month, amount)| ((*month).to_owned(), *amount)).collect()
}

#[test]
fn a_credit_note_takes_back_the_share_that_was_booked_of_what_is_proposed() {
    // Booked at 5.5 %: 55.00, of which a credit note of a third took back 18.33 and the rest 36.67.
    let events = [
        invoice(1, "2025-03-03", 100_000, Some(5_500)),
        credit(1, "2025-03-20", 33_333, 1_833),
        credit(1, "2025-04-02", 66_667, 3_667),
    ];
    let period = months("2025-03", "2025-04");
    assert_eq!(played(&[fee(55_000)], &there(), period, &events), named(&[("2025-03", 3_667), ("2025-04", -3_667)]));
    // At 8 %: 80.00, then 80.00 x 18.33 / 55.00 = 26.66 back, and the last one takes the rest.
    assert_eq!(played(&[fee(80_000)], &there(), period, &events), named(&[("2025-03", 5_334), ("2025-04", -5_334)]));
}

#[test]
fn where_nothing_was_booked_a_credit_note_takes_back_its_share_of_the_net_amount() {
    let events = [invoice(1, "2025-03-03", 100_000, Some(0)), credit(1, "2025-03-20", 25_000, 0)];
    assert_eq!(played(&[fee(80_000)], &there(), months("2025-03", "2025-03"), &events), named(&[("2025-03", 6_000)]));
}

#[test]
fn what_was_charged_before_the_year_of_the_period_is_taken_back_as_it_was() {
    let events = [credit(7, "2025-02-01", 10_000, 550)];
    assert_eq!(played(&[fee(80_000)], &there(), months("2025-02", "2025-02"), &events), named(&[("2025-02", -550)]));
}

#[test]
fn bands_run_from_the_beginning_of_the_year_although_the_period_begins_later() {
    // Astrolabe: 11 % to 40,000, 10 % to 80,000, 9 % above. 38,000 before, then 5,000: 4,700 - 4,180 = 520.00.
    let band = |from: i64, rate: i64| Band { from_minor: Minor::new(from * 100), rate_ppm: Ppm(rate) };
    let levy = Levy {
        rate_ppm: None,
        bands: vec![band(0, 110_000), band(40_000, 100_000), band(80_000, 90_000)],
        running: Some(Running::YearToDate),
        ..fee(0)
    };
    let events = [
        invoice(1, "2025-01-10", 3_800_000, None),
        invoice(2, "2025-06-10", 500_000, None),
        invoice(3, "2026-01-02", 100_000, None),
    ];
    let expected = [("2025-06", 52_000), ("2026-01", 11_000)];
    assert_eq!(played(&[levy], &there(), months("2025-06", "2026-01"), &events), named(&expected));
}

#[test]
fn a_month_has_its_fixed_amount_its_floor_and_what_is_left_of_the_cap() {
    let euros = |amount: i64| Some(Minor::new(amount * 100));
    // 12 %, at least 40.00 a month, at most 100.00 a year.
    let levy = Levy { floor_minor: euros(40), cap_minor: euros(100), ..fee(120_000) };
    let events = [invoice(1, "2025-01-10", 20_000, None)];
    let expected = [("2025-01", 4_000), ("2025-02", 4_000), ("2025-03", 2_000)];
    assert_eq!(played(std::slice::from_ref(&levy), &there(), months("2025-01", "2025-12"), &events), named(&expected));
    // Who joined on the 12th of November pays 19 of 30 days of the floor; who has left pays nothing.
    let joiner = Personal { opened_on: day("2025-11-12"), ..Personal::default() };
    let expected = [("2025-11", 2_533), ("2025-12", 4_000)];
    assert_eq!(played(std::slice::from_ref(&levy), &joiner, months("2025-10", "2025-12"), &[]), named(&expected));
    let gone = Personal { closed_on: Some(day("2025-11-30")), ..there() };
    assert_eq!(played(&[levy], &gone, months("2025-11", "2025-12"), &[]), named(&[]));
}

#[test]
fn what_is_collected_is_charged_when_the_client_pays() {
    let levy = Levy { base: LevyBase::CollectedNet, ..fee(100_000) };
    // 1,000.00 and 210.00 VAT: paid 605.00 in April and 605.00 in May, 500.00 net each.
    let events =
        [invoice(1, "2025-03-03", 100_000, None), payment(1, "2025-04-01", 60_500), payment(1, "2025-05-01", 60_500)];
    let expected = [("2025-04", 5_000), ("2025-05", 5_000)];
    assert_eq!(played(std::slice::from_ref(&levy), &there(), months("2025-03", "2025-05"), &events), named(&expected));
    // A third is credited first: the client owes 806.67 and pays it at once.
    let events =
        [invoice(1, "2025-03-03", 100_000, None), credit(1, "2025-03-04", 33_333, 0), payment(1, "2025-04-01", 80_667)];
    assert_eq!(played(&[levy], &there(), months("2025-03", "2025-05"), &events), named(&[("2025-04", 6_667)]));
}

#[test]
fn a_cost_lowers_the_margin() {
    // Coopaname: 30.00 a month and 13.5 % of 1,000.00 less 200.00 = 138.00.
    let levy = Levy {
        base: LevyBase::GrossMargin,
        running: Some(Running::YearToDate),
        fixed_minor: Some(Minor::new(3_000)),
        ..fee(135_000)
    };
    let cost = Event { on: day("2025-03-10"), net: Minor::new(20_000), gross: Minor::new(24_200), deed: Deed::Spent };
    let events = [invoice(1, "2025-03-03", 100_000, None), cost];
    assert_eq!(played(&[levy], &there(), months("2025-03", "2025-03"), &events), named(&[("2025-03", 13_800)]));
}

#[test]
fn what_is_ones_own_holds_on_its_days() {
    let kind = LevyKind::Fee;
    let own = Personal {
        overrides: vec![Dated {
            kind,
            from: day("2025-02-01"),
            until: Some(day("2025-03-01")),
            what: (Uuid::nil(), fee(10_000)),
        }],
        exemptions: vec![Dated {
            kind,
            from: day("2025-04-01"),
            until: None,
            what: Exempt { id: Uuid::nil(), part: ExemptPart::All },
        }],
        ..there()
    };
    let events = ["2025-01-31", "2025-02-01", "2025-02-28", "2025-03-01", "2025-04-01"];
    let events: Vec<Event> = (1_u128..).zip(events).map(|(n, on)| invoice(n, on, 10_000, None)).collect();
    let expected = [("2025-01", 500), ("2025-02", 200), ("2025-03", 500)];
    assert_eq!(played(&[fee(50_000)], &own, months("2025-01", "2025-04"), &events), named(&expected));
}
