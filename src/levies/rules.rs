//! Which levies apply to what, what part of a payment is net, and what an exemption must be.

use chrono::{Datelike, NaiveDate};

use super::{NewExemption, NewOverride};
use crate::kernel::levies::{LevyBase, Term};
use crate::kernel::money::{Minor, MoneyError, split};
use crate::kernel::refusal::Checks;

/// The levies that are charged when an invoice is issued: a margin begins with what is invoiced.
pub(super) fn at_issue(terms: &[Term]) -> Vec<Term> {
    of_bases(terms, &[LevyBase::InvoicedNet, LevyBase::GrossMargin])
}

/// The levies on some kinds of base.
pub(super) fn of_bases(terms: &[Term], bases: &[LevyBase]) -> Vec<Term> {
    terms.iter().filter(|term| bases.contains(&term.levy.base)).cloned().collect()
}

/// The net part of a payment of `amount` while `open` is owed and `net_left` has not been collected: by largest
/// remainder, and the last payment takes the rest.
pub(super) fn net_part(amount: Minor, open: Minor, net_left: Minor) -> Result<Minor, MoneyError> {
    let net_left = net_left.max(Minor::ZERO);
    if amount >= open {
        return Ok(net_left);
    }
    let weights = [amount.get().unsigned_abs(), open.minus(amount)?.get().unsigned_abs()];
    Ok(split(net_left, &weights)?.first().copied().unwrap_or_default())
}

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CalendarMonth {
    /// Its first day.
    pub first: NaiveDate,
    /// Its last day.
    pub last: NaiveDate,
}

impl CalendarMonth {
    /// The month that a day lies in; none at the end of time.
    pub(super) fn of(day: NaiveDate) -> Option<Self> {
        let first = day.with_day(1)?;
        let last = first.checked_add_months(chrono::Months::new(1))?.pred_opt()?;
        Some(Self { first, last })
    }

    /// The first day of the next month.
    pub(super) fn next(self) -> Option<NaiveDate> {
        self.last.succ_opt()
    }

    /// As people write it, `2026-11`.
    pub(super) fn name(self) -> String {
        self.first.format("%Y-%m").to_string()
    }

    /// How many days it has.
    pub(super) fn length(self) -> u32 {
        self.last.day()
    }

    /// How many of its days somebody was there who came on a day; the day itself counts.
    pub(super) fn days_since(self, day: NaiveDate) -> u32 {
        let from = day.max(self.first);
        let days = self.last.signed_duration_since(from).num_days().saturating_add(1);
        u32::try_from(days).unwrap_or_default()
    }
}

fn check_time(from: NaiveDate, until: Option<NaiveDate>, today: NaiveDate, checks: &mut Checks) {
    // What was charged stays: a term that began in the past would say something else than the books.
    checks.require(from >= today && from.year() <= 2200, "/valid_from", "out_of_range");
    checks.require(until.is_none_or(|until| until > from && until.year() <= 2200), "/valid_until", "out_of_range");
}

pub(super) fn check_exemption(new: &NewExemption, today: NaiveDate, checks: &mut Checks) {
    checks.text(&new.reason, "/reason", 1, 2000);
    check_time(new.valid_from, new.valid_until, today, checks);
}

pub(super) fn check_override(new: &NewOverride, today: NaiveDate, checks: &mut Checks) {
    checks.text(&new.reason, "/reason", 1, 2000);
    check_time(new.valid_from, new.valid_until, today, checks);
}

/// The last day before which a term that is ended holds: tomorrow's charges are the first without it.
pub(super) fn end_of(valid_from: NaiveDate, until: NaiveDate, today: NaiveDate, checks: &mut Checks) {
    checks.require(until >= today && until >= valid_from, "/valid_until", "out_of_range");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_joiner_counts_from_the_day_they_came() {
        let november = CalendarMonth::of(day("2026-11-22")).unwrap();
        assert_eq!((november.name().as_str(), november.length()), ("2026-11", 30));
        assert_eq!(november.days_since(day("2026-10-03")), 30);
        assert_eq!(november.days_since(day("2026-11-12")), 19);
        assert_eq!(november.days_since(day("2026-11-30")), 1);
        assert_eq!(november.days_since(day("2026-12-01")), 0);
        assert_eq!(CalendarMonth::of(day("2028-02-01")).unwrap().length(), 29);
    }

    proptest! {
        #[test]
        fn the_net_parts_of_payments_are_the_net(parts in proptest::collection::vec(1_i64..1_000_000, 1..12), share in 1_i64..=100) {
            let gross: i64 = parts.iter().sum();
            let net = gross * share / 100;
            let (mut open, mut left) = (gross, net);
            for part in parts {
                let now = net_part(Minor::new(part), Minor::new(open), Minor::new(left)).unwrap().get();
                prop_assert!(0 <= now && now <= left);
                open -= part;
                left -= now;
            }
            prop_assert_eq!(left, 0);
        }
    }
}
