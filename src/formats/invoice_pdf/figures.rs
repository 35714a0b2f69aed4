//! Amounts, quantities, rates and dates as each language writes them.

use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;

use super::Supply;
use super::words::{self, Words};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor, Ppm, to_plain};

/// Keeps a figure and what belongs to it on one line.
const NO_BREAK: char = '\u{a0}';

/// What stands between thousands, and before decimals.
const fn separators(language: Language) -> (char, char) {
    match language {
        Language::Fr => (NO_BREAK, ','),
        Language::Nl | Language::De => ('.', ','),
        Language::En => (',', '.'),
    }
}

/// A plain decimal (`-1234.5`) with the separators of the language: `-1 234,5`.
fn grouped(plain: &str, language: Language) -> String {
    let (group, point) = separators(language);
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain), |digits| ("-", digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && whole.len().saturating_sub(index) % 3 == 0 {
            out.push(group);
        }
        out.push(digit);
    }
    if !decimals.is_empty() {
        out.push(point);
        out.push_str(decimals);
    }
    out
}

/// An amount without its currency, for columns: `1 234,50`.
#[must_use]
pub fn bare(amount: Minor, currency: Currency, language: Language) -> String {
    grouped(&to_plain(amount, currency.exponent()), language)
}

/// An amount with its currency: `1 234,50 €`, `1.234,50 €`, `€1,234.50`; `USD 1,234.50` where there is no sign.
#[must_use]
pub fn amount(amount: Minor, currency: Currency, language: Language) -> String {
    let figure = bare(amount, currency, language);
    let is_euro = currency == Currency::EUR;
    match language {
        Language::Fr | Language::Nl | Language::De => {
            format!("{figure}{NO_BREAK}{}", if is_euro { "€" } else { currency.code() })
        }
        Language::En if is_euro => {
            figure.strip_prefix('-').map_or_else(|| format!("€{figure}"), |positive| format!("-€{positive}"))
        }
        Language::En => format!("{}{NO_BREAK}{figure}", currency.code()),
    }
}

/// A quantity with its unit: `12,5 h`.
#[must_use]
pub fn quantity(quantity: Decimal, unit: Option<&str>, language: Language) -> String {
    let quantity = quantity.normalize();
    let figure = grouped(&quantity.to_string(), language);
    let unit = unit.map_or("", |code| words::of(language).unit(code, quantity.abs() == Decimal::ONE));
    if unit.is_empty() { figure } else { format!("{figure}{NO_BREAK}{unit}") }
}

/// A rate: `5,5 %`, in English `5.5%`.
#[must_use]
pub fn rate(rate: Ppm, language: Language) -> String {
    let figure = grouped(&rate.to_percent(), language);
    match language {
        Language::Fr | Language::Nl | Language::De => format!("{figure}{NO_BREAK}%"),
        Language::En => format!("{figure}%"),
    }
}

/// A date in words, which nobody reads the wrong way round: `1er février 2026`, `1. Februar 2026`.
#[must_use]
pub fn date(date: NaiveDate, language: Language) -> String {
    let words: &Words = words::of(language);
    let month = words.months.iter().zip(1..).find(|(_, number)| *number == date.month()).map_or("", |(name, _)| name);
    let day = date.day();
    let day = match language {
        Language::Fr if day == 1 => "1er".to_owned(),
        Language::De => format!("{day}."),
        Language::Fr | Language::Nl | Language::En => day.to_string(),
    };
    format!("{day}{NO_BREAK}{month}{NO_BREAK}{}", date.year())
}

/// When the work was done.
#[must_use]
pub fn supply(supply: Supply, language: Language) -> String {
    match supply {
        Supply::On(day) => date(day, language),
        Supply::Between(first, last) => words::of(language).period.replacen("{}", &date(first, language), 1).replacen(
            "{}",
            &date(last, language),
            1,
        ),
    }
}

/// An account number in groups of four.
#[must_use]
pub fn iban(text: &str) -> String {
    let mut out = String::new();
    for (index, character) in text.chars().filter(|character| !character.is_whitespace()).enumerate() {
        if index > 0 && index % 4 == 0 {
            out.push(NO_BREAK);
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_each_language_does() {
        let cases = [
            (Language::Fr, 123_450, "1\u{a0}234,50\u{a0}€"),
            (Language::Nl, 123_450, "1.234,50\u{a0}€"),
            (Language::De, -123_456_789, "-1.234.567,89\u{a0}€"),
            (Language::En, 123_450, "€1,234.50"),
            (Language::En, -5, "-€0.05"),
            (Language::Fr, 99_999, "999,99\u{a0}€"),
            (Language::Fr, 0, "0,00\u{a0}€"),
        ];
        for (language, units, expected) in cases {
            assert_eq!(amount(Minor::new(units), Currency::EUR, language), expected);
        }
        assert_eq!(amount(Minor::new(1_234), "JPY".parse().unwrap(), Language::En), "JPY\u{a0}1,234");
        assert_eq!(amount(Minor::new(123_400), "USD".parse().unwrap(), Language::Nl), "1.234,00\u{a0}USD");
    }

    #[test]
    fn quantities_rates_and_dates_are_written_as_each_language_does() {
        let day = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap();
        assert_eq!(quantity("12.50".parse().unwrap(), Some("HUR"), Language::Fr), "12,5\u{a0}h");
        assert_eq!(quantity(Decimal::ONE, Some("DAY"), Language::Nl), "1\u{a0}dag");
        assert_eq!(quantity(Decimal::TWO, Some("DAY"), Language::De), "2\u{a0}Tage");
        assert_eq!(quantity(Decimal::from(1_000), Some("C62"), Language::En), "1,000");
        assert_eq!(quantity(Decimal::TEN, Some("pages"), Language::En), "10\u{a0}pages");
        assert_eq!(rate(Ppm(55_000), Language::Fr), "5,5\u{a0}%");
        assert_eq!(rate(Ppm(210_000), Language::En), "21%");
        assert_eq!(date(day, Language::Fr), "1er\u{a0}février\u{a0}2026");
        assert_eq!(date(day, Language::De), "1.\u{a0}Februar\u{a0}2026");
        assert_eq!(
            supply(Supply::Between(day, day), Language::En),
            "1\u{a0}February\u{a0}2026 to 1\u{a0}February\u{a0}2026"
        );
        assert_eq!(iban("BE68 539007547034"), "BE68\u{a0}5390\u{a0}0754\u{a0}7034");
    }
}
