//! Amounts, numbers and dates as people write them in their language (CLDR patterns, no-break spaces).

use chrono::{Datelike, NaiveDate, NaiveDateTime};
use rust_decimal::Decimal;

use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor, Money, Ppm, to_plain};

/// Keeps an amount on one line, and is in every font, unlike the narrow one.
const SPACE: char = '\u{a0}';

/// An amount with its currency: `1 234,50 €`, `€ 1.234,50`, `€1,234.50`, `1.234,50 €`.
#[must_use]
pub fn amount(language: Language, amount: Minor, currency: Currency) -> String {
    let figures = bare_amount(language, amount, currency);
    let (sign, figures) = figures.strip_prefix('-').map_or(("", figures.as_str()), |figures| ("-", figures));
    let symbol = match currency.code() {
        "EUR" => "€",
        "GBP" => "£",
        code => code,
    };
    match language {
        Language::Fr | Language::De => format!("{sign}{figures}{SPACE}{symbol}"),
        Language::Nl => format!("{symbol}{SPACE}{sign}{figures}"),
        Language::En if symbol.len() == 3 && symbol.is_ascii() => format!("{sign}{symbol}{SPACE}{figures}"),
        Language::En => format!("{sign}{symbol}{figures}"),
    }
}

/// [`amount`] without its currency, for columns that name it elsewhere: `-1 234,50`.
#[must_use]
pub fn bare_amount(language: Language, amount: Minor, currency: Currency) -> String {
    let plain = to_plain(amount, currency.exponent());
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
    format!("{sign}{}", grouped(language, digits))
}

/// [`amount`] of an amount that carries its currency.
#[must_use]
pub fn money(language: Language, money: Money) -> String {
    amount(language, money.amount_minor, money.currency)
}

/// A quantity with its decimals, without padding: `1,5` or `1.5`.
#[must_use]
pub fn number(language: Language, value: Decimal) -> String {
    decimal(language, value.normalize())
}

/// A number with the decimals it has: `1,50` or `1.50`.
#[must_use]
pub fn decimal(language: Language, value: Decimal) -> String {
    let plain = value.to_string();
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
    format!("{sign}{}", grouped(language, digits))
}

/// A rate: `6,5 %`, `6,5%`, `6.5%`.
#[must_use]
pub fn percent(language: Language, rate: Ppm) -> String {
    let figures = grouped(language, &rate.to_percent());
    match language {
        Language::Fr | Language::De => format!("{figures}{SPACE}%"),
        Language::Nl | Language::En => format!("{figures}%"),
    }
}

/// Digits in groups of three, with the decimal mark of the language.
fn grouped(language: Language, digits: &str) -> String {
    let (group, mark) = match language {
        Language::Fr => (SPACE, ','),
        Language::Nl | Language::De => ('.', ','),
        Language::En => (',', '.'),
    };
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut out = String::with_capacity(digits.len() + 8);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(group);
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push(mark);
        out.push_str(fraction);
    }
    out
}

/// A day: `15 avril 2026`, `15. April 2026`.
#[must_use]
pub fn date(language: Language, on: NaiveDate) -> String {
    let day = match (language, on.day()) {
        (Language::Fr, 1) => "1er".to_owned(),
        (Language::De, day) => format!("{day}."),
        (Language::Fr | Language::Nl | Language::En, day) => day.to_string(),
    };
    format!("{day} {} {}", month_name(language, on.month()), on.year())
}

/// A day and an hour: `15 avril 2026, 09:14`. The caller has brought the instant into the legal zone.
#[must_use]
pub fn moment(language: Language, at: NaiveDateTime) -> String {
    format!("{}, {}", date(language, at.date()), at.format("%H:%M"))
}

/// A month: `avril 2026`. The day is ignored.
#[must_use]
pub fn month(language: Language, within: NaiveDate) -> String {
    format!("{} {}", month_name(language, within.month()), within.year())
}

fn month_name(language: Language, month: u32) -> &'static str {
    let names: [&'static str; 12] = match language {
        Language::Fr => [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ],
        Language::Nl => [
            "januari",
            "februari",
            "maart",
            "april",
            "mei",
            "juni",
            "juli",
            "augustus",
            "september",
            "oktober",
            "november",
            "december",
        ],
        Language::En => [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
        Language::De => [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ],
    };
    let place = usize::try_from(month.saturating_sub(1)).unwrap_or_default();
    names.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_all(write: impl Fn(Language) -> String) -> [String; 4] {
        Language::ALL.map(|language| write(language).replace(SPACE, "_"))
    }

    #[test]
    fn an_amount_is_written_as_each_language_does() {
        let cases = [
            (123_450, "EUR", ["1_234,50_€", "€_1.234,50", "€1,234.50", "1.234,50_€"]),
            (-123_450, "EUR", ["-1_234,50_€", "€_-1.234,50", "-€1,234.50", "-1.234,50_€"]),
            (5, "EUR", ["0,05_€", "€_0,05", "€0.05", "0,05_€"]),
            (100_000_000, "CHF", ["1_000_000,00_CHF", "CHF_1.000.000,00", "CHF_1,000,000.00", "1.000.000,00_CHF"]),
            (1_500, "JPY", ["1_500_JPY", "JPY_1.500", "JPY_1,500", "1.500_JPY"]),
        ];
        for (minor, currency, expected) in cases {
            let currency: Currency = currency.parse().unwrap();
            assert_eq!(in_all(|language| amount(language, Minor::new(minor), currency)), expected);
        }
    }

    #[test]
    fn dates_name_their_month() {
        let first = NaiveDate::from_ymd_opt(2026, 8, 1).unwrap();
        assert_eq!(
            in_all(|language| date(language, first)),
            ["1er août 2026", "1 augustus 2026", "1 August 2026", "1. August 2026"]
        );
        assert_eq!(in_all(|language| month(language, first)).first().unwrap(), "août 2026");
        let at = first.and_hms_opt(9, 4, 59).unwrap();
        assert_eq!(moment(Language::De, at), "1. August 2026, 09:04");
    }

    #[test]
    fn quantities_and_rates_lose_their_padding_and_keep_their_decimals() {
        assert_eq!(in_all(|language| number(language, Decimal::new(150, 2))), ["1,5", "1,5", "1.5", "1,5"]);
        assert_eq!(in_all(|language| percent(language, Ppm(65_000))), ["6,5_%", "6,5%", "6.5%", "6,5_%"]);
        assert_eq!(number(Language::Nl, Decimal::new(12_000, 0)), "12.000");
    }
}
