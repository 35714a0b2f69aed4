//! Amounts, the one rounding rule, and the one way to split.
//!
//! Money is an integer number of minor units (cents). Rounding is *half away from zero*, splitting is by
//! *largest remainder*: floor every quota, then give the missing units to the largest fractions, ties to
//! the first in the list. The sum of the parts is always the whole.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::fmt;
use std::str::FromStr;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Text};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Parts per million: 6.5 % is `Ppm(65_000)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ppm(pub i64);

impl Ppm {
    /// One whole, in parts per million.
    pub const WHOLE: i64 = 1_000_000;

    /// A rate as the API carries it, `"0.055"`: a plain fraction of at most the whole and at most six decimals.
    #[must_use]
    pub fn from_fraction(text: &str) -> Option<Self> {
        use rust_decimal::prelude::ToPrimitive;
        let is_plain = text.len() <= 16
            && text.starts_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let rate: Decimal = text.parse().ok().filter(|_| is_plain)?;
        let ppm = rate.checked_mul(Decimal::from(Self::WHOLE))?;
        let whole = ppm.to_i64().filter(|_| ppm.fract().is_zero())?;
        (whole <= Self::WHOLE).then_some(Self(whole))
    }

    /// The rate as the decimal fraction of the API: `65_000` is `"0.065"`.
    #[must_use]
    pub fn to_fraction(self) -> String {
        Decimal::new(self.0, 6).normalize().to_string()
    }

    /// The rate as people read it: `65_000` is `6.5`.
    #[must_use]
    pub fn to_percent(self) -> String {
        Decimal::new(self.0, 4).normalize().to_string()
    }
}

/// The arithmetic left the range of an amount. Refused, never wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The result does not fit an amount.
    #[error("an amount is out of range")]
    Overflow,
    /// A split needs at least one positive weight.
    #[error("the weights of a split must not all be zero")]
    NoWeight,
    /// Two amounts of different currencies met.
    #[error("amounts of different currencies cannot be combined")]
    CurrencyMismatch,
}

/// An amount in minor units; its currency is that of the document it stands in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, AsExpression, FromSqlRow,
)]
#[diesel(sql_type = BigInt)]
#[serde(transparent)]
pub struct Minor(i64);

impl Minor {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount that every JSON parser carries exactly (2^53 - 1), and so the largest we accept.
    pub const LIMIT: i64 = 9_007_199_254_740_991;

    /// An amount of `units` minor units.
    #[must_use]
    pub const fn new(units: i64) -> Self {
        Self(units)
    }

    /// The number of minor units.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// `self + other`.
    ///
    /// # Errors
    /// Refuses a result out of range.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.0.checked_add(other.0).map(Self).ok_or(MoneyError::Overflow)
    }

    /// `self - other`.
    ///
    /// # Errors
    /// Refuses a result out of range.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.0.checked_sub(other.0).map(Self).ok_or(MoneyError::Overflow)
    }

    /// `-self`.
    ///
    /// # Errors
    /// Refuses a result out of range.
    pub fn negated(self) -> Result<Self, MoneyError> {
        self.0.checked_neg().map(Self).ok_or(MoneyError::Overflow)
    }

    /// The sum of `amounts`.
    ///
    /// # Errors
    /// Refuses a sum out of range.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::ZERO, Self::plus)
    }

    /// `self x rate`, rounded half away from zero.
    ///
    /// # Errors
    /// Refuses a result out of range.
    pub fn share(self, rate: Ppm) -> Result<Self, MoneyError> {
        let product = i128::from(self.0).checked_mul(i128::from(rate.0)).ok_or(MoneyError::Overflow)?;
        let rounded = divide_half_away(product, i128::from(Ppm::WHOLE)).ok_or(MoneyError::Overflow)?;
        i64::try_from(rounded).map(Self).map_err(|_too_large| MoneyError::Overflow)
    }

    /// `self x part / whole`, rounded half away from zero: so many days of a month.
    ///
    /// # Errors
    /// Refuses a whole of zero, and a result out of range.
    pub fn portion(self, part: u32, whole: u32) -> Result<Self, MoneyError> {
        let product = i128::from(self.0).checked_mul(i128::from(part)).ok_or(MoneyError::Overflow)?;
        let rounded = divide_half_away(product, i128::from(whole)).ok_or(MoneyError::NoWeight)?;
        i64::try_from(rounded).map(Self).map_err(|_too_large| MoneyError::Overflow)
    }

    /// A decimal number of minor units, rounded half away from zero to a whole one.
    ///
    /// # Errors
    /// Refuses a result out of range.
    pub fn from_decimal(units: Decimal) -> Result<Self, MoneyError> {
        use rust_decimal::RoundingStrategy::MidpointAwayFromZero;
        use rust_decimal::prelude::ToPrimitive;
        units.round_dp_with_strategy(0, MidpointAwayFromZero).to_i64().map(Self).ok_or(MoneyError::Overflow)
    }

    /// `quantity x unit price`, rounded half away from zero to a whole minor unit.
    ///
    /// # Errors
    /// Refuses a result out of range.
    pub fn times(self, quantity: Decimal) -> Result<Self, MoneyError> {
        Decimal::from(self.0).checked_mul(quantity).ok_or(MoneyError::Overflow).and_then(Self::from_decimal)
    }
}

impl ToSql<BigInt, Pg> for Minor {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <i64 as ToSql<BigInt, Pg>>::to_sql(&self.0, out)
    }
}

impl FromSql<BigInt, Pg> for Minor {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        <i64 as FromSql<BigInt, Pg>>::from_sql(value).map(Self)
    }
}

/// Divides, rounding half away from zero. `None` for a zero divisor or an overflow.
#[must_use]
pub fn divide_half_away(numerator: i128, divisor: i128) -> Option<i128> {
    let magnitude = numerator.checked_abs()?;
    let half = divisor.checked_div(2)?;
    let rounded = magnitude.checked_add(half)?.checked_div(divisor)?;
    if numerator < 0 { rounded.checked_neg() } else { Some(rounded) }
}

/// One part of a split, with what makes it that part: `total x weight / whole = floor + remainder / whole`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The quota without its fraction; of a negative total, mirrored.
    pub floor: Minor,
    /// The numerator of its fraction, over the sum of all weights.
    pub remainder: i128,
    /// The part: the floor, and one of the missing units when its fraction is among the largest.
    pub part: Minor,
}

/// Splits `total` by `weights`, by largest remainder; ties go to the first in the list. Shows how.
///
/// A negative total mirrors the positive one, so that a reversal takes back exactly what was given.
///
/// # Errors
/// Refuses weights that are all zero, and amounts out of range.
pub fn quotas(total: Minor, weights: &[u64]) -> Result<Vec<Quota>, MoneyError> {
    let whole: i128 = weights
        .iter()
        .try_fold(0_i128, |sum, weight| sum.checked_add(i128::from(*weight)))
        .ok_or(MoneyError::Overflow)?;
    if whole == 0 {
        return Err(MoneyError::NoWeight);
    }
    let magnitude = i128::from(total.0).checked_abs().ok_or(MoneyError::Overflow)?;
    let mut parts = Vec::with_capacity(weights.len());
    let mut given = 0_i128;
    for (index, weight) in weights.iter().enumerate() {
        let quota = magnitude.checked_mul(i128::from(*weight)).ok_or(MoneyError::Overflow)?;
        let floor = quota.checked_div(whole).ok_or(MoneyError::Overflow)?;
        let remainder = quota.checked_rem(whole).ok_or(MoneyError::Overflow)?;
        given = given.checked_add(floor).ok_or(MoneyError::Overflow)?;
        parts.push((index, floor, remainder, floor));
    }
    let missing = magnitude.checked_sub(given).ok_or(MoneyError::Overflow)?;
    let missing = usize::try_from(missing).map_err(|_too_large| MoneyError::Overflow)?;
    parts.sort_by(|left, right| right.2.cmp(&left.2).then(left.0.cmp(&right.0)));
    for part in parts.iter_mut().take(missing) {
        part.3 = part.3.checked_add(1).ok_or(MoneyError::Overflow)?;
    }
    parts.sort_by_key(|part| part.0);
    let signed = |units: i128| {
        let units = i64::try_from(units).map_err(|_too_large| MoneyError::Overflow)?;
        if total.0 < 0 { Minor(units).negated() } else { Ok(Minor(units)) }
    };
    parts
        .into_iter()
        .map(|(_, floor, remainder, part)| Ok(Quota { floor: signed(floor)?, remainder, part: signed(part)? }))
        .collect()
}

/// The parts of [`quotas`].
///
/// # Errors
/// As [`quotas`].
pub fn split(total: Minor, weights: &[u64]) -> Result<Vec<Minor>, MoneyError> {
    Ok(quotas(total, weights)?.into_iter().map(|quota| quota.part).collect())
}

/// An ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// How many decimals the minor unit stands for (ISO 4217).
    #[must_use]
    pub fn exponent(self) -> u32 {
        match &self.0 {
            b"JPY" | b"ISK" | b"KRW" | b"CLP" | b"VND" => 0,
            b"BHD" | b"KWD" | b"TND" | b"JOD" | b"OMR" => 3,
            _ => 2,
        }
    }
}

/// Not three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a currency is three capital letters (ISO 4217)")]
pub struct InvalidCurrency;

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_wrong_length| InvalidCurrency)?;
        if letters.iter().all(u8::is_ascii_uppercase) { Ok(Self(letters)) } else { Err(InvalidCurrency) }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl ToSql<Text, Pg> for Currency {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <str as ToSql<Text, Pg>>::to_sql(self.code(), out)
    }
}

impl FromSql<Text, Pg> for Currency {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let text = <String as FromSql<Text, Pg>>::from_sql(value)?;
        Ok(text.parse()?)
    }
}

/// An amount with its currency, as the API carries it: `{"amount_minor": 92500, "currency": "EUR"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Whole minor units; the sign is explained where the field stands.
    #[schema(value_type = i64, minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64)]
    pub amount_minor: Minor,
    /// ISO 4217.
    #[schema(value_type = String, example = "EUR", pattern = "^[A-Z]{3}$")]
    pub currency: Currency,
}

impl Money {
    /// An amount of euros.
    #[must_use]
    pub const fn eur(amount: Minor) -> Self {
        Self { amount_minor: amount, currency: Currency::EUR }
    }
}

/// Plain figures, for people and files: `-1234.50` for -123450 with two decimals. No grouping.
#[must_use]
pub fn to_plain(amount: Minor, exponent: u32) -> String {
    let decimal = Decimal::new(amount.0, exponent);
    decimal.to_string()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(total: i64, weights: &[u64]) -> Vec<i64> {
        split(Minor(total), weights).unwrap().into_iter().map(Minor::get).collect()
    }

    #[test]
    fn a_rate_is_a_plain_fraction_of_at_most_the_whole() {
        let cases = [
            ("0.055", Some(55_000)),
            ("1", Some(1_000_000)),
            ("0.000001", Some(1)),
            ("0.0000001", None),
            ("1.000001", None),
            ("-0.1", None),
            (".5", None),
            ("1e-2", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Ppm::from_fraction(text).map(|rate| rate.0), expected, "{text}");
        }
    }

    #[test]
    fn a_rate_is_rounded_half_away_from_zero() {
        let cases = [
            (123_456, 65_000, 8_025),   // 80.2464 -> 80.25
            (-123_456, 65_000, -8_025), // a credit mirrors it
            (100_000, 55_000, 5_500),
            (100_000, 20_000, 2_000),
            (50, 10_000, 1), // 0.5 -> 1
            (-50, 10_000, -1),
            (49, 10_000, 0),
        ];
        for (base, rate, expected) in cases {
            assert_eq!(Minor(base).share(Ppm(rate)).unwrap().get(), expected, "{base} x {rate} ppm");
        }
    }

    #[test]
    fn a_split_gives_the_missing_cents_to_the_largest_fractions() {
        assert_eq!(parts(10_000, &[1, 1, 1]), [3_334, 3_333, 3_333]);
        assert_eq!(parts(100_000, &[12_000, 7_500, 3_100]), [53_097, 33_186, 13_717]);
        assert_eq!(parts(25_000, &[120, 45, 7]), [17_442, 6_541, 1_017]);
        assert_eq!(parts(90_000, &[31, 31, 16]), [35_769, 35_769, 18_462]);
        assert_eq!(parts(-10_000, &[1, 1, 1]), [-3_334, -3_333, -3_333]);
        assert_eq!(split(Minor(1), &[0, 0]), Err(MoneyError::NoWeight));
    }

    #[test]
    fn an_amount_out_of_range_is_an_error_and_never_wraps() {
        assert_eq!(Minor(i64::MAX).plus(Minor(1)), Err(MoneyError::Overflow));
        assert_eq!(Minor(i64::MIN).negated(), Err(MoneyError::Overflow));
        assert_eq!(Minor(i64::MAX).share(Ppm(2_000_000)), Err(MoneyError::Overflow));
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_whole(total in -1_000_000_000_000_i64..1_000_000_000_000, weights in proptest::collection::vec(0_u64..1_000_000, 1..40)) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let parts = parts(total, &weights);
            prop_assert_eq!(parts.iter().sum::<i64>(), total);
        }

        #[test]
        fn a_part_is_within_one_unit_of_its_quota(total in 0_i64..1_000_000_000, weights in proptest::collection::vec(1_u64..10_000, 1..20)) {
            let whole: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
            for (part, weight) in parts(total, &weights).into_iter().zip(&weights) {
                let exact = i128::from(total) * i128::from(*weight);
                prop_assert!((i128::from(part) * whole - exact).abs() < whole);
            }
        }
    }
}
