//! What an invoice adds to the figures of the house: units, periods, account numbers.

use rust_decimal::Decimal;

use super::words;
use super::{Corrected, Supply};
use crate::formats::local;
use crate::kernel::language::Language;
use crate::kernel::money::Currency;

/// Keeps a figure and what belongs to it on one line.
const NO_BREAK: char = '\u{a0}';

/// A quantity with its unit: `12,5 h`.
#[must_use]
pub fn quantity(language: Language, quantity: Decimal, unit: Option<&str>) -> String {
    let figure = local::number(language, quantity);
    let unit = unit.map_or("", |code| words::of(language).unit(code, quantity.abs() == Decimal::ONE));
    if unit.is_empty() { figure } else { format!("{figure}{NO_BREAK}{unit}") }
}

/// The price of one unit: at least the decimals of the currency, and as many as it has.
#[must_use]
pub fn price(language: Language, price: Decimal, currency: Currency) -> String {
    let mut price = price.normalize();
    if price.scale() < currency.exponent() {
        price.rescale(currency.exponent());
    }
    local::decimal(language, price)
}

/// When the work was done; a line breaks between its dates, not within one.
#[must_use]
pub fn supply(language: Language, supply: Supply) -> String {
    let date = |on| local::date(language, on).replace(' ', "\u{a0}");
    match supply {
        Supply::On(day) => date(day),
        Supply::Between(first, last) => {
            words::of(language).period.replacen("{}", &date(first), 1).replacen("{}", &date(last), 1)
        }
    }
}

/// The invoice that is corrected: `facture 2026-0001 du 4 mai 2026`.
#[must_use]
pub fn corrected(language: Language, it: &Corrected) -> String {
    let date = local::date(language, it.issued_on).replace(' ', "\u{a0}");
    words::of(language).corrects.1.replacen("{}", &it.number, 1).replacen("{}", &date, 1)
}

/// An account number in groups of four.
#[must_use]
pub fn iban(text: &str) -> String {
    let mut out = String::new();
    for (index, character) in text.chars().filter(|character| !character.is_whitespace()).enumerate() {
        if index > 0 && index.is_multiple_of(4) {
            out.push(NO_BREAK);
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn a_unit_is_worded_and_agrees_with_its_number() {
        let cases = [
            (Language::Fr, "12.50", "HUR", "12,5\u{a0}h"),
            (Language::Nl, "1.0", "DAY", "1\u{a0}dag"),
            (Language::De, "2", "DAY", "2\u{a0}Tage"),
            (Language::En, "1000", "C62", "1,000"),
            (Language::En, "10", "pages", "10\u{a0}pages"),
        ];
        for (language, figure, unit, expected) in cases {
            assert_eq!(quantity(language, figure.parse().unwrap(), Some(unit)), expected);
        }
        assert_eq!(quantity(Language::Fr, Decimal::TWO, None), "2");
    }

    #[test]
    fn a_price_keeps_its_decimals_and_has_those_of_its_currency() {
        let cases = [("87.31", "87,31"), ("0.0525", "0,0525"), ("5", "5,00"), ("1234.5", "1.234,50")];
        for (figure, expected) in cases {
            assert_eq!(price(Language::De, figure.parse().unwrap(), Currency::EUR), expected);
        }
    }

    #[test]
    fn a_period_has_two_dates_and_an_account_groups_of_four() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 2, day).unwrap();
        let period = supply(Language::De, Supply::Between(day(1), day(28)));
        assert_eq!(period, "1.\u{a0}Februar\u{a0}2026 bis 28.\u{a0}Februar\u{a0}2026");
        assert_eq!(supply(Language::Fr, Supply::On(day(1))), "1er\u{a0}février\u{a0}2026");
        assert_eq!(iban("BE68 539007547034"), "BE68\u{a0}5390\u{a0}0754\u{a0}7034");
    }
}
