//! Statutory interest on what is paid late, and the fixed compensation beside it.
//!
//! Interest is simple: base x rate x days / 365. Every calendar day counts as one of 365, the 29th of February too
//! (actual/365 fixed). It is cut where the rate may change, at each half-year, and where a payment lowers the base. It is
//! exact up to the end and rounded once: a segment shows the difference of two rounded running totals, so that segments
//! add up to the claim, and neither where a period is cut nor how often a client pays a part moves a cent.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use super::money::{Minor, MoneyError, Ppm, divide_half_away};

/// Days that the law makes a year of.
const YEAR: i128 = 365;

/// A rate, from its day on until the next one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatedRate {
    /// Its first day.
    pub from: NaiveDate,
    /// A year.
    pub rate: Ppm,
    /// From this day on somebody should have looked whether there is a newer one.
    pub needs_review_on: NaiveDate,
}

/// Money that lowers the base, from its own day on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPayment {
    /// When it arrived.
    pub on: NaiveDate,
    /// How much.
    pub amount: Minor,
}

/// Days of one base and one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Segment {
    /// Its first day.
    pub from: NaiveDate,
    /// Its last day.
    pub through: NaiveDate,
    /// How many they are.
    pub days: i64,
    /// What was open, in minor units.
    #[schema(value_type = i64)]
    pub base_minor: Minor,
    /// The rate of a year, in parts per million.
    pub rate_ppm: i64,
    /// Its share of the whole, in minor units.
    #[schema(value_type = i64)]
    pub interest_minor: Minor,
    /// Whether the rate was published for these days; otherwise the last one that was goes on.
    pub is_confirmed: bool,
}

/// Why interest cannot be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InterestError {
    /// No rate is known for a day.
    #[error("no rate is known for {0}")]
    NoRate(NaiveDate),
    /// An amount out of range.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// The first day of the next half-year.
fn next_half(day: NaiveDate) -> Option<NaiveDate> {
    if day.month() < 7 {
        NaiveDate::from_ymd_opt(day.year(), 7, 1)
    } else {
        NaiveDate::from_ymd_opt(day.year().checked_add(1)?, 1, 1)
    }
}

/// Interest on `base` from the day `first` through the day `through`; nothing when there is no day in between.
///
/// # Errors
/// [`InterestError::NoRate`] for a day before all rates; an amount out of range.
pub fn interest(
    base: Minor,
    (first, through): (NaiveDate, NaiveDate),
    payments: &[PartPayment],
    rates: &[DatedRate],
) -> Result<Vec<Segment>, InterestError> {
    let mut segments: Vec<Segment> = Vec::new();
    let (mut from, mut exact, mut rounded) = (first, 0_i128, 0_i128);
    while from <= through {
        let paid = Minor::sum(payments.iter().filter(|paid| paid.on <= from).map(|paid| paid.amount))?;
        let open = base.minus(paid)?;
        if open <= Minor::ZERO {
            break;
        }
        let dated = rates.iter().filter(|rate| rate.from <= from).max_by_key(|rate| rate.from);
        let dated = dated.ok_or(InterestError::NoRate(from))?;
        let cuts = payments.iter().map(|paid| paid.on).chain(rates.iter().map(|rate| rate.from)).chain(next_half(from));
        let next = cuts.filter(|cut| *cut > from).min();
        let last = next.and_then(|next| next.pred_opt()).map_or(through, |last| last.min(through));
        let days = last.signed_duration_since(from).num_days().saturating_add(1);
        let product = i128::from(open.get()).checked_mul(i128::from(dated.rate.0));
        let product = product.and_then(|product| product.checked_mul(i128::from(days)));
        exact = product.and_then(|product| exact.checked_add(product)).ok_or(MoneyError::Overflow)?;
        let whole = YEAR.checked_mul(i128::from(Ppm::WHOLE)).ok_or(MoneyError::Overflow)?;
        let running = divide_half_away(exact, whole).ok_or(MoneyError::Overflow)?;
        let share = running.checked_sub(rounded).and_then(|share| i64::try_from(share).ok());
        segments.push(Segment {
            from,
            through: last,
            days,
            base_minor: open,
            rate_ppm: dated.rate.0,
            interest_minor: Minor::new(share.ok_or(MoneyError::Overflow)?),
            is_confirmed: from < dated.needs_review_on,
        });
        rounded = running;
        let Some(next) = last.succ_opt() else { break };
        from = next;
    }
    Ok(segments)
}

/// What segments come to.
///
/// # Errors
/// An amount out of range.
pub fn total(segments: &[Segment]) -> Result<Minor, MoneyError> {
    Minor::sum(segments.iter().map(|segment| segment.interest_minor))
}

/// Of what is open above an amount: a sum, and a share of what exceeds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    /// It holds above this amount.
    pub above: Minor,
    /// The sum.
    pub fixed: Minor,
    /// The share of what exceeds `above`.
    pub rate: Ppm,
    /// Both together at most.
    pub most: Option<Minor>,
}

/// The fixed compensation for an invoice of which so much is open: that of the highest band below it.
///
/// # Errors
/// An amount out of range.
pub fn compensation(open: Minor, bands: &[Band]) -> Result<Minor, MoneyError> {
    let Some(band) = bands.iter().filter(|band| band.above < open).max_by_key(|band| band.above) else {
        return Ok(Minor::ZERO);
    };
    let sum = band.fixed.plus(open.minus(band.above)?.share(band.rate)?)?;
    Ok(band.most.map_or(sum, |most| sum.min(most)))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use chrono::Days;
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn rate(from: &str, ppm: i64) -> DatedRate {
        let from = day(from);
        DatedRate { from, rate: Ppm(ppm), needs_review_on: from + Days::new(181) }
    }

    fn of(base: i64, first: &str, days: u64, rates: &[DatedRate]) -> i64 {
        let first = day(first);
        let through = first + Days::new(days) - Days::new(1);
        total(&interest(Minor::new(base), (first, through), &[], rates).unwrap()).unwrap().get()
    }

    #[test]
    fn sixty_days_of_1_210_at_ten_and_a_half_per_cent() {
        let rates = [rate("2026-01-01", 105_000)];
        assert_eq!(of(121_000, "2026-03-02", 60, &rates), 2_088);
        assert_eq!(of(121_000, "2026-06-01", 60, &rates), 2_088, "over the turn of the half-year");
        let rates = [rate("2023-07-01", 120_000), rate("2024-01-01", 125_000)];
        // 31 days at 12 %, 29 at 12.5 %: 12.3321 + 12.0171, rounded once.
        assert_eq!(of(121_000, "2023-12-01", 60, &rates), 2_435);
        let bands = [Band { above: Minor::ZERO, fixed: Minor::new(4_000), rate: Ppm(0), most: None }];
        assert_eq!(compensation(Minor::new(121_000), &bands).unwrap(), Minor::new(4_000));
    }

    #[test]
    fn a_leap_year_has_366_days_of_interest() {
        let rates = [rate("2023-01-01", 100_000)];
        assert_eq!(of(365_000, "2024-01-01", 366, &rates), 36_600);
        assert_eq!(of(365_000, "2025-01-01", 365, &rates), 36_500);
    }

    #[test]
    fn a_part_payment_lowers_the_base_from_its_day() {
        let rates = [rate("2026-01-01", 105_000)];
        let paid = [PartPayment { on: day("2026-03-12"), amount: Minor::new(60_500) }];
        let segments = interest(Minor::new(121_000), (day("2026-03-02"), day("2026-04-30")), &paid, &rates).unwrap();
        let seen: Vec<_> = segments.iter().map(|it| (it.days, it.base_minor.get())).collect();
        assert_eq!(seen, [(10, 121_000), (50, 60_500)]);
        // 3.4808 + 8.7021 = 12.1829.
        assert_eq!(total(&segments).unwrap(), Minor::new(1_218));
        let rest = [PartPayment { on: day("2026-03-02"), amount: Minor::new(121_000) }];
        assert_eq!(interest(Minor::new(121_000), (day("2026-03-02"), day("2026-04-30")), &rest, &rates).unwrap(), []);
    }

    #[test]
    fn a_rate_that_is_not_known_is_refused_and_one_that_is_old_is_marked() {
        let rates = [rate("2026-01-01", 105_000)];
        let asked = interest(Minor::new(1), (day("2025-12-31"), day("2026-01-01")), &[], &rates);
        assert_eq!(asked, Err(InterestError::NoRate(day("2025-12-31"))));
        let asked = interest(Minor::new(1), (day("2026-06-30"), day("2026-07-01")), &[], &rates).unwrap();
        assert_eq!(asked.iter().map(|it| it.is_confirmed).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn what_a_belgian_consumer_owes_at_most() {
        let band = |above, fixed, ppm, most: Option<i64>| Band {
            above: Minor::new(above),
            fixed: Minor::new(fixed),
            rate: Ppm(ppm),
            most: most.map(Minor::new),
        };
        let bands =
            [band(0, 2_000, 0, None), band(15_000, 3_000, 100_000, None), band(50_000, 6_500, 50_000, Some(200_000))];
        for (open, expected) in [
            (1, 2_000),
            (15_000, 2_000),
            (15_001, 3_000),
            (30_000, 4_500),
            (50_000, 6_500),
            (50_001, 6_500),
            (121_000, 10_050),
            (10_000_000, 200_000),
        ] {
            assert_eq!(compensation(Minor::new(open), &bands).unwrap().get(), expected, "{open}");
        }
        assert_eq!(compensation(Minor::new(10), &[]).unwrap(), Minor::ZERO);
    }

    proptest! {
        #[test]
        fn segments_add_up_are_monotone_and_cuts_move_no_cent(
            base in 1_i64..100_000_000,
            start in 0_u64..3_000,
            days in 1_u64..1_200,
            cut in 0_u64..1_200,
            parts in proptest::collection::vec((0_u64..1_200, 1_i64..50_000_000), 0..5),
            ppm in proptest::collection::vec(0_i64..300_000, 24),
        ) {
            let first = day("2019-01-01") + Days::new(start);
            let through = first + Days::new(days - 1);
            let rates: Vec<DatedRate> = (0..24)
                .map(|n| {
                    let (year, month) = (2018 + n / 2, if n % 2 == 0 { 1 } else { 7 });
                    let from = NaiveDate::from_ymd_opt(year, month, 1).unwrap();
                    let rate = Ppm(ppm[usize::try_from(n).unwrap()]);
                    DatedRate { from, rate, needs_review_on: from + Days::new(181) }
                })
                .collect();
            let paid: Vec<PartPayment> = parts
                .iter()
                .map(|(on, amount)| PartPayment { on: first + Days::new(*on), amount: Minor::new(*amount) })
                .collect();
            let asked = |base: i64, paid: &[PartPayment], through| {
                interest(Minor::new(base), (first, through), paid, &rates).unwrap()
            };
            let segments = asked(base, &paid, through);
            let whole = total(&segments).unwrap().get();

            // Day by day, without segments: the reference.
            let mut exact = 0_i128;
            let mut on = first;
            while on <= through {
                let open = base - paid.iter().filter(|it| it.on <= on).map(|it| it.amount.get()).sum::<i64>();
                let rate = rates.iter().rfind(|rate| rate.from <= on).unwrap();
                exact += i128::from(open.max(0)) * i128::from(rate.rate.0);
                on = on.succ_opt().unwrap();
            }
            let reference = divide_half_away(exact, 365_000_000).unwrap();
            prop_assert_eq!(i128::from(whole), reference);

            // They follow each other without a gap, none is negative.
            for pair in segments.windows(2) {
                prop_assert_eq!(pair[0].through.succ_opt().unwrap(), pair[1].from);
                prop_assert!(pair[1].base_minor <= pair[0].base_minor);
            }
            prop_assert!(segments.iter().all(|it| it.interest_minor >= Minor::ZERO && it.days > 0));

            // Another day, a larger base or one payment less never lowers it.
            let earlier = first + Days::new(cut.min(days - 1));
            prop_assert!(total(&asked(base, &paid, earlier)).unwrap().get() <= whole);
            prop_assert!(total(&asked(base + 1, &paid, through)).unwrap().get() >= whole);
            let fewer = paid.get(1..).unwrap_or_default();
            prop_assert!(total(&asked(base, fewer, through)).unwrap().get() >= whole);
        }
    }
}
