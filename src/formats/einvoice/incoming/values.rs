//! Values of both syntaxes: numbers, amounts, days, codes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::super::model::{Category, File, Identifier, Kind, Period, Share, Vat};
use super::super::{Fault, Note};
use super::refused::Refused;
use crate::formats::safe_xml::{Node, quoted};
use crate::kernel::money::{Currency, Minor, Ppm};

/// A number as XML Schema writes decimals: no exponent, no grouping.
pub(super) fn number(text: &str, at: &str) -> Result<Decimal, Refused> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_plain = text.len() <= 40
        && digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = Decimal::from_str_exact(text.strip_prefix('+').unwrap_or(text)).ok().filter(|_| is_plain);
    number.ok_or_else(|| Refused::Amount { at: at.to_owned(), text: quoted(text) })
}

/// The number at `path`, where there is one.
pub(super) fn number_at(node: &Node, path: &str, at: &str) -> Result<Option<Decimal>, Refused> {
    node.text_at(path).map(|text| number(text, &format!("{at}/{path}"))).transpose()
}

/// Reads amounts of one currency and notes those with more decimals than an invoice may have.
pub(super) struct Amounts<'f> {
    pub(super) currency: Currency,
    pub(super) faults: &'f mut Vec<Fault>,
}

impl Amounts<'_> {
    pub(super) fn of(&mut self, text: &str, at: &str) -> Result<Minor, Refused> {
        let (minor, is_exact) = minor(text, at, self.currency)?;
        if !is_exact {
            self.faults.push(Fault { rule: "UBL-DT-01", field: at.to_owned() });
        }
        Ok(minor)
    }

    pub(super) fn at(&mut self, node: &Node, path: &str, at: &str) -> Result<Option<Minor>, Refused> {
        node.text_at(path).map(|text| self.of(text, &format!("{at}/{path}"))).transpose()
    }

    pub(super) fn needed(&mut self, node: &Node, path: &str, at: &str) -> Result<Minor, Refused> {
        self.at(node, path, at)?.ok_or_else(|| missing(&format!("{at}/{path}")))
    }

    /// A share: both the base and the percentage, or none.
    pub(super) fn share(
        &mut self,
        node: &Node,
        (base, percent): (&str, &str),
        at: &str,
    ) -> Result<Option<Share>, Refused> {
        let base = self.at(node, base, at)?;
        let rate = node.text_at(percent).map(|text| rate(text, &format!("{at}/{percent}"))).transpose()?;
        Ok(base.zip(rate).map(|(base, rate)| Share { base, rate }))
    }
}

/// An amount in whole minor units, and whether it was one.
pub(super) fn minor(text: &str, at: &str, currency: Currency) -> Result<(Minor, bool), Refused> {
    let wrong = || Refused::Amount { at: at.to_owned(), text: quoted(text) };
    let number = number(text, at)?;
    let scale = Decimal::from(10_u64.saturating_pow(currency.exponent()));
    let units = number.checked_mul(scale).ok_or_else(wrong)?;
    let minor = Minor::from_decimal(units).map_err(|_range| wrong())?;
    if minor.get().unsigned_abs() > Minor::LIMIT.unsigned_abs() {
        return Err(wrong());
    }
    Ok((minor, units.fract().is_zero()))
}

/// A percentage as parts per million, of at most four decimals.
pub(super) fn rate(text: &str, at: &str) -> Result<Ppm, Refused> {
    use rust_decimal::prelude::ToPrimitive;
    let ppm = number(text, at)?.checked_mul(Decimal::from(10_000_i64)).filter(|ppm| ppm.fract().is_zero());
    let ppm = ppm.and_then(|ppm| ppm.to_i64()).filter(|ppm| (0..=100 * Ppm::WHOLE).contains(ppm));
    ppm.map(Ppm).ok_or_else(|| Refused::Amount { at: at.to_owned(), text: quoted(text) })
}

/// A category and its rate; a category without a rate has none.
pub(super) fn vat(node: &Node, (category, percent): (&str, &str), at: &str) -> Result<Vat, Refused> {
    let code = node.text_at(category).ok_or_else(|| missing(&format!("{at}/{category}")))?;
    let known = code.parse::<Category>();
    let category = known.map_err(|_unknown| unknown(&format!("{at}/{category}"), code))?;
    let rate = node.text_at(percent).map_or(Ok(Ppm(0)), |text| rate(text, &format!("{at}/{percent}")))?;
    Ok(Vat { category, rate })
}

/// `2026-03-12`, with or without the time zone that XML Schema allows.
pub(super) fn day(text: &str, at: &str) -> Result<NaiveDate, Refused> {
    let wrong = || Refused::Date { at: at.to_owned(), text: quoted(text) };
    let (day, zone) = text.split_at_checked(10).ok_or_else(wrong)?;
    let has_zone = zone.is_empty() || zone == "Z" || (zone.len() == 6 && zone.starts_with(['+', '-']));
    parse_day(day, "%Y-%m-%d").filter(|_| has_zone).ok_or_else(wrong)
}

/// `20260312`.
pub(super) fn compact_day(text: &str, at: &str) -> Result<NaiveDate, Refused> {
    let day = parse_day(text, "%Y%m%d").filter(|_| text.len() == 8);
    day.ok_or_else(|| Refused::Date { at: at.to_owned(), text: quoted(text) })
}

fn parse_day(text: &str, format: &str) -> Option<NaiveDate> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    NaiveDate::parse_from_str(text, format).ok().filter(|_| is_plain)
}

/// The day of UBL at `path`, where there is one.
pub(super) fn day_at(node: &Node, path: &str, at: &str) -> Result<Option<NaiveDate>, Refused> {
    node.text_at(path).map(|text| day(text, &format!("{at}/{path}"))).transpose()
}

pub(super) fn currency(text: &str, at: &str) -> Result<Currency, Refused> {
    text.parse().map_err(|_invalid| unknown(at, text))
}

pub(super) fn indicator(text: Option<&str>, at: &str) -> Result<bool, Refused> {
    match text {
        Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        other => Err(unknown(at, other.unwrap_or_default())),
    }
}

pub(super) fn identifier(node: &Node) -> Option<Identifier> {
    let value = Some(node.text().to_owned()).filter(|value| !value.is_empty())?;
    Some(Identifier { value, scheme: node.attribute("schemeID").map(str::to_owned) })
}

pub(super) fn period(from: Option<NaiveDate>, to: Option<NaiveDate>) -> Option<Period> {
    (from.is_some() || to.is_some()).then_some(Period { from, to })
}

/// The kind of a type code (UNTDID 1001): what is not one of ours is an invoice or a credit note all the same.
pub(super) fn kind(code: &str, is_credit: bool) -> Kind {
    match code.parse() {
        Ok(kind) => kind,
        Err(_other)
            if is_credit
                || matches!(code, "81" | "83" | "261" | "262" | "296" | "308" | "396" | "420" | "458" | "532") =>
        {
            Kind::CreditNote
        }
        Err(_other) => Kind::Invoice,
    }
}

/// An embedded file.
pub(super) fn file(node: &Node, at: &str) -> Result<File, Refused> {
    let compact: String = node.text().split_whitespace().collect();
    let bytes = STANDARD.decode(compact).map_err(|_invalid| Refused::Attachment { at: at.to_owned() })?;
    let attribute = |name: &str| node.attribute(name).unwrap_or_default().to_owned();
    Ok(File { name: attribute("filename"), mime: attribute("mimeCode"), bytes })
}

/// The notes in the one note of a Peppol document: a line that begins with `#PMD#` opens another.
pub(super) fn notes(text: &str) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for line in text.split('\n') {
        let opened = line.strip_prefix('#').and_then(|rest| rest.split_at_checked(3)).and_then(|(subject, rest)| {
            let is_subject = subject.bytes().all(|byte| byte.is_ascii_uppercase());
            Some((subject, rest.strip_prefix('#')?)).filter(|_| is_subject)
        });
        match (opened, notes.last_mut()) {
            (Some((subject, text)), _) => {
                notes.push(Note { subject: Some(subject.to_owned()), text: text.to_owned() });
            }
            (None, Some(last)) => {
                last.text.push('\n');
                last.text.push_str(line);
            }
            (None, None) => notes.push(Note { subject: None, text: line.to_owned() }),
        }
    }
    notes
}

pub(super) fn missing(at: &str) -> Refused {
    Refused::Missing { at: at.to_owned() }
}

pub(super) fn unknown(at: &str, text: &str) -> Refused {
    Refused::Code { at: at.to_owned(), text: quoted(text) }
}
