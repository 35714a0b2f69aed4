//! A scheme as it is typed: amounts with their currency, rates as plain fractions, and everything wrong named at once.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Base, Component, Copyright, Payer, Scheme};
use crate::kernel::levies::Band;
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::kernel::refusal::Checks;

/// Components of a scheme at most.
const COMPONENTS_MAX: usize = 30;
/// Bands of a component at most.
const BANDS_MAX: usize = 20;
/// The largest part of a base that counts: three times the whole.
const FACTOR_MAX: i64 = 3_000_000;
/// What employee and tax office take together at most, at their highest rates: something is left of every euro.
const TAKEN_MAX: i64 = 950_000;
/// The largest amount of a bound, in minor units.
const AMOUNT_MAX: i64 = 1_000_000_000_000;

/// A rate that holds from an amount on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypedBand {
    /// From this amount on, up to the next band.
    pub from: Money,
    /// The rate of what lies in the band: `"0.1307"`.
    #[schema(max_length = 16)]
    pub rate: String,
}

/// A component of a scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypedComponent {
    /// Its name within the scheme: lower case letters, digits, underscores.
    #[schema(max_length = 40, pattern = "^[a-z][a-z0-9_]{0,39}$")]
    pub code: String,
    /// `margin` and `levy` are taken of the budget, `employer` on top of the gross wage, `employee` and `withholding` off it.
    pub payer: Payer,
    /// `budget` for what is taken of the budget, `gross` for contributions, `taxable` or `gross` for a withholding.
    pub base: Base,
    /// The part of the base that counts, `"1.08"` for 108 %; the whole when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16)]
    pub factor: Option<String>,
    /// The base is at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_floor: Option<Money>,
    /// The base is at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_cap: Option<Money>,
    /// One rate for all, `"0.25"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16)]
    pub rate: Option<String>,
    /// Marginal rates from zero upwards, instead of one rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    pub bands: Vec<TypedBand>,
    /// The rate is the person's own, instead of one here; for a withholding.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    /// Added to what the rates give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Money>,
    /// What it comes to at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Money>,
}

/// What a scheme grants for copyright income.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypedCopyright {
    /// Flat costs by bracket of the year's income, from zero upwards.
    #[schema(max_items = 20)]
    pub cost_bands: Vec<TypedBand>,
    /// Withheld of what remains.
    #[schema(max_length = 16)]
    pub withholding: String,
    /// At most this a calendar year.
    pub ceiling: Money,
    /// At most this part of copyright income and gross wage together.
    #[schema(max_length = 16)]
    pub share: String,
}

/// A scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypedScheme {
    /// In the order in which they are computed.
    #[schema(min_items = 1, max_items = 30)]
    pub components: Vec<TypedComponent>,
    /// Left out where copyright income is not paid apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copyright: Option<TypedCopyright>,
}

/// A plain decimal number in millionths.
fn millionths(text: &str) -> Option<i64> {
    let is_plain = text.len() <= 16
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: Decimal = text.parse().ok().filter(|_| is_plain)?;
    let whole = number.checked_mul(Decimal::from(Ppm::WHOLE))?;
    whole.to_i64().filter(|_| whole.fract().is_zero())
}

fn rate(text: &str, pointer: &str, checks: &mut Checks) -> Ppm {
    let found = Ppm::from_fraction(text);
    checks.require(found.is_some(), pointer, "out_of_range");
    found.unwrap_or(Ppm(0))
}

fn amount(typed: Option<Money>, pointer: &str, checks: &mut Checks) -> Option<Minor> {
    let money = typed?;
    checks.require(money.currency == Currency::EUR, &format!("{pointer}/currency"), "currency_mismatch");
    let is_within = (1..=AMOUNT_MAX).contains(&money.amount_minor.get());
    checks.require(is_within, &format!("{pointer}/amount_minor"), "out_of_range");
    is_within.then_some(money.amount_minor)
}

/// Bands from zero upwards, none twice.
fn bands(typed: &[TypedBand], pointer: &str, checks: &mut Checks) -> Vec<Band> {
    checks.require(typed.len() <= BANDS_MAX, pointer, "too_long");
    let mut bands: Vec<Band> = Vec::new();
    for (index, band) in typed.iter().enumerate().take(BANDS_MAX) {
        let place = format!("{pointer}/{index}");
        let from_minor = band.from.amount_minor;
        checks.require(band.from.currency == Currency::EUR, &format!("{place}/from/currency"), "currency_mismatch");
        let follows = bands.last().map_or(from_minor == Minor::ZERO, |last| from_minor > last.from_minor);
        let is_placed = follows && from_minor.get() <= AMOUNT_MAX;
        checks.require(is_placed, &format!("{place}/from/amount_minor"), "out_of_range");
        bands.push(Band { from_minor, rate_ppm: rate(&band.rate, &format!("{place}/rate"), checks) });
    }
    bands
}

fn is_code(text: &str) -> bool {
    text.len() <= 40
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn component(typed: &TypedComponent, place: &str, checks: &mut Checks) -> Component {
    checks.require(is_code(&typed.code), &format!("{place}/code"), "format");
    let fits = match typed.payer {
        Payer::Margin | Payer::Levy => typed.base == Base::Budget,
        Payer::Employer | Payer::Employee => typed.base == Base::Gross,
        Payer::Withholding => matches!(typed.base, Base::Gross | Base::Taxable),
    };
    checks.require(fits, &format!("{place}/base"), "not_allowed");
    let factor = typed.factor.as_deref().map_or(Some(Ppm::WHOLE), millionths);
    let factor = factor.filter(|factor| (1..=FACTOR_MAX).contains(factor));
    checks.require(factor.is_some(), &format!("{place}/factor"), "out_of_range");
    let is_personal = typed.personal;
    let is_withheld = typed.payer == Payer::Withholding;
    checks.require(!is_personal || is_withheld, &format!("{place}/personal"), "not_allowed");
    let rates = match (&typed.rate, typed.bands.is_empty(), is_personal) {
        (Some(text), true, false) => {
            vec![Band { from_minor: Minor::ZERO, rate_ppm: rate(text, &format!("{place}/rate"), checks) }]
        }
        (None, false, false) => bands(&typed.bands, &format!("{place}/bands"), checks),
        (None, true, true) => Vec::new(),
        (None, true, false) => {
            checks.refuse(format!("{place}/rate"), "required");
            Vec::new()
        }
        (Some(_), _, _) | (None, false, true) => {
            checks.refuse(format!("{place}/rate"), "not_allowed");
            Vec::new()
        }
    };
    let floor_minor = amount(typed.base_floor, &format!("{place}/base_floor"), checks);
    let cap_minor = amount(typed.base_cap, &format!("{place}/base_cap"), checks);
    let is_ordered = floor_minor.zip(cap_minor).is_none_or(|(floor, cap)| floor <= cap);
    checks.require(is_ordered, &format!("{place}/base_floor/amount_minor"), "out_of_range");
    Component {
        code: typed.code.clone(),
        payer: typed.payer,
        base: typed.base,
        factor_ppm: Ppm(factor.unwrap_or(Ppm::WHOLE)),
        floor_minor,
        cap_minor,
        bands: rates,
        is_personal,
        fixed_minor: amount(typed.fixed, &format!("{place}/fixed"), checks),
        minimum_minor: amount(typed.minimum, &format!("{place}/minimum"), checks),
    }
}

/// The highest rate of a component on a cent of what its base is taken from; a personal one is bounded elsewhere.
fn highest(component: &Component) -> i64 {
    let rate = component.bands.iter().map(|band| band.rate_ppm.0).max().unwrap_or(0);
    rate.checked_mul(component.factor_ppm.0).and_then(|share| share.checked_div(Ppm::WHOLE)).unwrap_or(i64::MAX)
}

fn copyright(typed: &TypedCopyright, place: &str, checks: &mut Checks) -> Copyright {
    checks.require(!typed.cost_bands.is_empty(), &format!("{place}/cost_bands"), "required");
    Copyright {
        cost_bands: bands(&typed.cost_bands, &format!("{place}/cost_bands"), checks),
        withholding_ppm: rate(&typed.withholding, &format!("{place}/withholding"), checks),
        ceiling_minor: amount(Some(typed.ceiling), &format!("{place}/ceiling"), checks).unwrap_or_default(),
        share_ppm: rate(&typed.share, &format!("{place}/share"), checks),
    }
}

/// The scheme that was typed, with `checks` naming everything that is wrong with it below `pointer`.
#[must_use]
pub fn parse(typed: &TypedScheme, pointer: &str, checks: &mut Checks) -> Scheme {
    let at = format!("{pointer}/components");
    checks.require(!typed.components.is_empty(), &at, "required");
    checks.require(typed.components.len() <= COMPONENTS_MAX, &at, "too_long");
    let mut components: Vec<Component> = Vec::new();
    let mut taken = 0_i64;
    for (index, one) in typed.components.iter().enumerate().take(COMPONENTS_MAX) {
        let place = format!("{at}/{index}");
        let is_new = components.iter().all(|other| other.code != one.code);
        checks.require(is_new, &format!("{place}/code"), "not_unique");
        let component = component(one, &place, checks);
        if matches!(component.payer, Payer::Employee | Payer::Withholding) {
            taken = taken.saturating_add(highest(&component));
            checks.require(taken <= TAKEN_MAX, &format!("{place}/rate"), "out_of_range");
        }
        components.push(component);
    }
    let copyright = typed.copyright.as_ref().map(|typed| copyright(typed, &format!("{pointer}/copyright"), checks));
    Scheme { components, copyright }
}

/// A scheme as it can be typed again.
#[must_use]
pub fn write(scheme: &Scheme) -> TypedScheme {
    let band = |band: &Band| TypedBand { from: Money::eur(band.from_minor), rate: band.rate_ppm.to_fraction() };
    let component = |it: &Component| {
        let flat = it.bands.first().filter(|first| it.bands.len() == 1 && first.from_minor == Minor::ZERO);
        TypedComponent {
            code: it.code.clone(),
            payer: it.payer,
            base: it.base,
            factor: Some(it.factor_ppm).filter(|factor| factor.0 != Ppm::WHOLE).map(Ppm::to_fraction),
            base_floor: it.floor_minor.map(Money::eur),
            base_cap: it.cap_minor.map(Money::eur),
            rate: flat.map(|flat| flat.rate_ppm.to_fraction()),
            bands: if flat.is_some() { Vec::new() } else { it.bands.iter().map(band).collect() },
            personal: it.is_personal,
            fixed: it.fixed_minor.map(Money::eur),
            minimum: it.minimum_minor.map(Money::eur),
        }
    };
    let copyright = |it: &Copyright| TypedCopyright {
        cost_bands: it.cost_bands.iter().map(band).collect(),
        withholding: it.withholding_ppm.to_fraction(),
        ceiling: Money::eur(it.ceiling_minor),
        share: it.share_ppm.to_fraction(),
    };
    TypedScheme {
        components: scheme.components.iter().map(component).collect(),
        copyright: scheme.copyright.as_ref().map(copyright),
    }
}
