//! What a levy of a rule set must be, out of what was typed.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::NewLevy;
use super::rules::check_currency;
use crate::kernel::levies::{Band, Levy, LevyBase, Running};
use crate::kernel::money::{Minor, Money, Ppm};
use crate::kernel::refusal::Checks;
use crate::named;

named! {
    /// How long a paid share counts.
    ShareValidity {
        /// For as long as it is held.
        Once = "once",
        /// For the calendar year in which it was paid.
        Yearly = "yearly",
    }
}

/// Bands of a levy at most.
const BANDS_MAX: usize = 20;
/// The largest multiple of the fund that is taken for one.
const MULTIPLE_MAX: i64 = 10_000;

/// A plain decimal number in millionths: digits and at most one point.
fn parse_millionths(text: &str) -> Option<i64> {
    let is_plain = text.len() <= 16
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: Decimal = text.parse().ok().filter(|_| is_plain)?;
    let millionths = number.checked_mul(Decimal::from(Ppm::WHOLE))?;
    millionths.to_i64().filter(|_| millionths.fract().is_zero())
}

/// A rate as the API carries it, `"0.055"`, of at most the whole and at most six decimals.
fn parse_rate(text: &str) -> Option<Ppm> {
    parse_millionths(text).filter(|rate| *rate <= Ppm::WHOLE).map(Ppm)
}

/// The multiple of the fund, of at most four decimals.
pub(super) fn parse_multiple(text: Option<&str>, checks: &mut Checks) -> Option<Ppm> {
    let text = text?;
    let most = MULTIPLE_MAX.saturating_mul(Ppm::WHOLE);
    let found = parse_millionths(text).filter(|multiple| *multiple <= most && multiple.checked_rem(100) == Some(0));
    checks.require(found.is_some(), "/fund_multiple", "out_of_range");
    found.map(Ppm)
}

/// The levies, one of each kind.
pub(super) fn parse_levies(typed: &[NewLevy], checks: &mut Checks) -> Vec<Levy> {
    let mut levies: Vec<Levy> = Vec::new();
    for (index, levy) in typed.iter().enumerate() {
        if levies.iter().any(|other| other.kind == levy.kind) {
            checks.refuse(format!("/levies/{index}/kind"), "not_unique");
        } else if let Some(levy) = parse_levy(levy, &format!("/levies/{index}"), checks) {
            levies.push(levy);
        }
    }
    levies
}

/// An amount above zero.
fn parse_amount(typed: Option<Money>, pointer: &str, checks: &mut Checks) -> Option<Minor> {
    let money = typed?;
    check_currency(money.currency, &format!("{pointer}/currency"), checks);
    let is_within = (1..=Minor::LIMIT).contains(&money.amount_minor.get());
    checks.require(is_within, &format!("{pointer}/amount_minor"), "out_of_range");
    is_within.then_some(money.amount_minor)
}

/// Bands from zero upwards, none twice.
fn parse_bands(typed: &[(Money, String)], pointer: &str, checks: &mut Checks) -> Vec<Band> {
    checks.require(typed.len() <= BANDS_MAX, &format!("{pointer}/bands"), "too_long");
    let mut bands: Vec<Band> = Vec::new();
    for (index, (from, rate)) in typed.iter().enumerate().take(BANDS_MAX) {
        let place = format!("{pointer}/bands/{index}");
        check_currency(from.currency, &format!("{place}/from/currency"), checks);
        let rate = parse_rate(rate);
        checks.require(rate.is_some(), &format!("{place}/rate"), "out_of_range");
        let from_minor = from.amount_minor;
        match bands.last() {
            None => checks.require(from_minor == Minor::ZERO, &format!("{place}/from/amount_minor"), "out_of_range"),
            Some(last) if last.from_minor == from_minor => {
                checks.refuse(format!("{place}/from/amount_minor"), "not_unique");
            }
            Some(last) => {
                let follows = from_minor > last.from_minor && from_minor.get() <= Minor::LIMIT;
                checks.require(follows, &format!("{place}/from/amount_minor"), "out_of_range");
            }
        }
        bands.push(Band { from_minor, rate_ppm: rate.unwrap_or(Ppm(0)) });
    }
    bands
}

/// A levy, or none when something about it is not acceptable.
pub(super) fn parse_levy(typed: &NewLevy, pointer: &str, checks: &mut Checks) -> Option<Levy> {
    let mut found = Checks::default();
    let rate = typed.rate.as_deref().and_then(parse_rate);
    let rate_at = format!("{pointer}/rate");
    match (&typed.rate, typed.bands.is_empty()) {
        (None, true) => found.refuse(rate_at, "required"),
        (Some(_), false) => found.refuse(rate_at, "not_allowed"),
        (Some(_), true) => found.require(rate.is_some(), &rate_at, "out_of_range"),
        (None, false) => {}
    }
    let bands = parse_bands(&typed.bands, pointer, &mut found);
    let floor_minor = parse_amount(typed.floor_per_month, &format!("{pointer}/floor_per_month"), &mut found);
    let cap_minor = parse_amount(typed.cap_per_year, &format!("{pointer}/cap_per_year"), &mut found);
    let fixed_minor = parse_amount(typed.fixed_per_month, &format!("{pointer}/fixed_per_month"), &mut found);
    if let Some(cap) = cap_minor {
        for (amount, name) in [(floor_minor, "floor_per_month"), (fixed_minor, "fixed_per_month")] {
            let fits = amount.is_none_or(|amount| amount <= cap);
            found.require(fits, &format!("{pointer}/{name}/amount_minor"), "out_of_range");
        }
    }
    // Bands and margins are about a time: the year when nothing else is said.
    let needs_time = !bands.is_empty() || typed.base == LevyBase::GrossMargin;
    let running = typed.running.or(needs_time.then_some(Running::YearToDate));
    checks.absorb(found).then_some(Levy {
        kind: typed.kind,
        base: typed.base,
        rate_ppm: rate.filter(|_| bands.is_empty()),
        bands,
        running,
        floor_minor,
        cap_minor,
        fixed_minor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::levies::LevyKind;

    fn typed(kind: LevyKind, rate: &str) -> NewLevy {
        NewLevy {
            kind,
            base: LevyBase::InvoicedNet,
            rate: Some(rate.to_owned()),
            bands: Vec::new(),
            running: None,
            floor_per_month: None,
            cap_per_year: None,
            fixed_per_month: None,
        }
    }

    fn euros(amount: i64) -> Money {
        Money::eur(Minor::new(amount.saturating_mul(100)))
    }

    fn refused(levies: &[NewLevy]) -> Vec<(String, &'static str)> {
        let mut checks = Checks::default();
        parse_levies(levies, &mut checks);
        checks.done().unwrap_err().fields.into_iter().map(|field| (field.pointer, field.code)).collect()
    }

    #[test]
    fn a_rate_is_a_plain_fraction_of_at_most_the_whole() {
        let cases = [
            ("0.055", Some(55_000)),
            ("0.0200", Some(20_000)),
            ("0", Some(0)),
            ("1", Some(1_000_000)),
            ("0.000001", Some(1)),
            ("0.0000001", None),
            ("1.000001", None),
            ("-0.1", None),
            ("+0.1", None),
            (".5", None),
            ("5%", None),
            ("0,05", None),
            ("1e-2", None),
            ("0_1", None),
            ("", None),
            ("0.0.1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_rate(text).map(|rate| rate.0), expected, "{text}");
        }
    }

    #[test]
    fn a_levy_is_named_once() {
        let levies = [typed(LevyKind::Fee, "0.055"), typed(LevyKind::Fee, "0.01"), typed(LevyKind::Guarantee, "2")];
        let found = refused(&levies);
        assert_eq!(found, [("/levies/1/kind".to_owned(), "not_unique"), ("/levies/2/rate".to_owned(), "out_of_range")]);
    }

    #[test]
    fn bands_rise_from_zero_and_run_over_the_year() {
        let banded = |bands: &[i64]| NewLevy {
            rate: None,
            bands: bands.iter().map(|from| (euros(*from), "0.1".to_owned())).collect(),
            ..typed(LevyKind::Fee, "0")
        };
        let mut checks = Checks::default();
        let levies = parse_levies(&[banded(&[0, 40_000, 80_000])], &mut checks);
        assert_eq!((levies[0].bands.len(), levies[0].running), (3, Some(Running::YearToDate)));
        let at = |band: u8, code| vec![(format!("/levies/0/bands/{band}/from/amount_minor"), code)];
        assert_eq!(refused(&[banded(&[1])]), at(0, "out_of_range"));
        assert_eq!(refused(&[banded(&[0, 5, 5])]), at(2, "not_unique"));
        assert_eq!(refused(&[banded(&[0, 5, 4])]), at(2, "out_of_range"));
        assert_eq!(
            refused(&[NewLevy { rate: None, ..typed(LevyKind::Fee, "0") }]),
            [("/levies/0/rate".to_owned(), "required")]
        );
    }

    #[test]
    fn a_cap_is_above_the_floor_and_nothing_is_negative() {
        let levy = NewLevy {
            floor_per_month: Some(euros(41)),
            cap_per_year: Some(euros(40)),
            fixed_per_month: Some(euros(-1)),
            ..typed(LevyKind::Fee, "0.12")
        };
        let found: Vec<String> = refused(&[levy]).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(found, ["/levies/0/fixed_per_month/amount_minor", "/levies/0/floor_per_month/amount_minor"]);
    }

    #[test]
    fn a_multiple_has_at_most_four_decimals() {
        let parsed = |text| parse_multiple(Some(text), &mut Checks::default()).map(|multiple| multiple.0);
        assert_eq!(parsed("2.5"), Some(2_500_000));
        assert_eq!(parsed("0.0001"), Some(100));
        assert_eq!(parsed("0.00001"), None);
        assert_eq!(parsed("-1"), None);
        assert_eq!(parsed("10001"), None);
    }
}
