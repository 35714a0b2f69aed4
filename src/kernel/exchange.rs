//! Exchange rates: what one euro is in another currency, and how an amount becomes euro.
//!
//! The rule: half away from zero, once for each amount that is converted; sums are made of what was converted.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::money::{Currency, Minor, MoneyError, divide_half_away};

/// Decimals of a rate; the ECB publishes up to five.
const DECIMALS: u32 = 6;
/// One, in millionths.
const ONE: i128 = 1_000_000;

/// Units of a currency for one euro, in millionths, above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeRate(i64);

impl ExchangeRate {
    /// A rate as the API carries it, `"1.0834"`: a plain decimal above zero with at most six decimals, less than a
    /// billion.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = text.len() <= 16
            && text.starts_with(|c: char| c.is_ascii_digit())
            && text.ends_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        Self::of(Decimal::from_str_exact(text).ok().filter(|_| is_plain)?)
    }

    /// A rate out of a decimal, on the same conditions.
    #[must_use]
    pub fn of(rate: Decimal) -> Option<Self> {
        let millionths = rate.checked_mul(Decimal::from(10_i64.checked_pow(DECIMALS)?))?;
        let whole = millionths.to_i64().filter(|_| millionths.fract().is_zero())?;
        (1..1_000_000_000_000_000).contains(&whole).then_some(Self(whole))
    }

    /// As a decimal, without zeros at the end.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.0, DECIMALS).normalize()
    }

    /// An amount of `currency` in euro, rounded half away from zero to the cent.
    ///
    /// # Errors
    /// Refuses a result out of range.
    pub fn in_euro(self, amount: Minor, currency: Currency) -> Result<Minor, MoneyError> {
        let unit = |exponent| 10_i128.checked_pow(exponent).ok_or(MoneyError::Overflow);
        let euro = unit(Currency::EUR.exponent())?.checked_mul(ONE).ok_or(MoneyError::Overflow)?;
        let numerator = i128::from(amount.get()).checked_mul(euro).ok_or(MoneyError::Overflow)?;
        let divisor = i128::from(self.0).checked_mul(unit(currency.exponent())?).ok_or(MoneyError::Overflow)?;
        let cents = divide_half_away(numerator, divisor).ok_or(MoneyError::Overflow)?;
        i64::try_from(cents).map(Minor::new).map_err(|_too_large| MoneyError::Overflow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euro(rate: &str, amount: i64, currency: &str) -> i64 {
        let rate = ExchangeRate::parse(rate).unwrap();
        rate.in_euro(Minor::new(amount), currency.parse().unwrap()).unwrap().get()
    }

    #[test]
    fn amounts_become_euro_by_the_exponent_of_their_currency() {
        assert_eq!(euro("1.25", 100_000, "USD"), 80_000);
        assert_eq!(euro("1.0834", 100_000, "USD"), 92_302);
        assert_eq!(euro("163.07", 100_000, "JPY"), 61_323);
        assert_eq!(euro("0.3333", 1_000, "KWD"), 300);
        // Half a cent goes away from zero, on both sides of it.
        assert_eq!((euro("2", 1, "USD"), euro("2", -1, "USD")), (1, -1));
        assert_eq!((euro("2.000001", 1, "USD"), euro("400", 1, "HUF")), (0, 0));
    }

    #[test]
    fn a_rate_is_a_plain_decimal_of_six_places() {
        for wrong in ["", "0", "0.0000001", "1.1234567", "-1", "1e3", "1,1", ".5", "1.", " 1", "1000000000"] {
            assert_eq!(ExchangeRate::parse(wrong), None, "{wrong}");
        }
        assert_eq!(ExchangeRate::parse("1.083400").unwrap().decimal().to_string(), "1.0834");
    }
}
