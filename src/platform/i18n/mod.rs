//! The words of problems in four languages, and the choice of the language.
//!
//! A code is stable and its words are not: clients decide on the code and show the words. Each language is one
//! file ([`crate::formats::texts`] explains its form); adding a code is adding a section to all four, and the
//! tests refuse a code that one language lacks. How amounts and dates are written is [`crate::formats::local`].

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chrono::NaiveDate;
use serde_json::{Map, Value};

pub use crate::formats::local::{amount, date, moment, money, month, number, percent};
use crate::formats::texts::{self, Texts};
use crate::kernel::language::Language;
use crate::kernel::money::Money;

static FR: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("fr.txt")));
static NL: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("nl.txt")));
static EN: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("en.txt")));
static DE: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("de.txt")));

const FIELD: &str = "field";
const GUARANTEE: &str = "guarantee.";
const LIFE_CYCLE: &str = "life_cycle.";
const RISK: &str = "risk.";
const FORECAST: &str = "forecast.";

fn catalogue(language: Language) -> &'static Texts {
    match language {
        Language::Fr => &FR,
        Language::Nl => &NL,
        Language::En => &EN,
        Language::De => &DE,
    }
}

/// The title and the detail of a problem. The detail says what to do; parts whose parameter is not given are
/// left out. An unknown code is shown as itself rather than failing an answer that already reports a failure.
///
/// Parameters are written as people read them: `{"amount_minor", "currency"}` as an amount, a text under a name
/// ending in `_on` as a day, one named `period` as a month, a list with commas, a number or text as it is.
#[must_use]
pub fn problem(language: Language, code: &str, params: &Map<String, Value>) -> (String, String) {
    let texts = catalogue(language);
    let line = |key| texts.get(code, key).unwrap_or(code);
    let value = |name: &str| params.get(name).and_then(|value| shown(language, name, value));
    (texts::fill(line("title"), value), texts::fill(line("detail"), value))
}

/// The words of one field's error (`errors[].code`).
#[must_use]
pub fn field(language: Language, code: &str, params: &Map<String, Value>) -> String {
    let text = catalogue(language).get(FIELD, code).unwrap_or(code);
    texts::fill(text, |name| params.get(name).and_then(|value| shown(language, name, value)))
}

/// Why an order is or is not covered by the guarantee, and the one action that changes it.
#[must_use]
pub fn guarantee(language: Language, reason: &str) -> (&'static str, &'static str) {
    let texts = catalogue(language);
    let section = format!("{GUARANTEE}{reason}");
    (texts.get(&section, "text").unwrap_or_default(), texts.get(&section, "fix").unwrap_or_default())
}

/// What keeps the money of an invoice from going on, and what its reader can do.
#[must_use]
pub fn forecast(language: Language, block: &str) -> (&'static str, &'static str) {
    let texts = catalogue(language);
    let section = format!("{FORECAST}{block}");
    (texts.get(&section, "text").unwrap_or_default(), texts.get(&section, "fix").unwrap_or_default())
}

/// What a status of the French life cycle (200 to 213) means.
#[must_use]
pub fn life_cycle(language: Language, code: &str) -> &'static str {
    catalogue(language).get(&format!("{LIFE_CYCLE}{code}"), "text").unwrap_or_default()
}

/// What is odd about a payout. Amounts and days are written as in [`problem`].
#[must_use]
pub fn risk(language: Language, code: &str, facts: &Map<String, Value>) -> String {
    let text = catalogue(language).get(&format!("{RISK}{code}"), "text").unwrap_or(code);
    texts::fill(text, |name| facts.get(name).and_then(|value| shown(language, name, value)))
}

/// Every problem code that has words, sorted.
pub fn codes() -> impl Iterator<Item = &'static str> {
    let others = [GUARANTEE, LIFE_CYCLE, RISK, FORECAST];
    EN.names().filter(move |name| *name != FIELD && !others.iter().any(|start| name.starts_with(start)))
}

/// Every field code that has words.
pub fn field_codes() -> impl Iterator<Item = &'static str> {
    EN.section(FIELD).iter().map(|line| line.key)
}

/// Every reason of the guarantee that has words, sorted.
pub fn guarantee_reasons() -> impl Iterator<Item = &'static str> {
    EN.names().filter_map(|name| name.strip_prefix(GUARANTEE))
}

/// Every kind of flag that has words, sorted.
pub fn risk_codes() -> impl Iterator<Item = &'static str> {
    EN.names().filter_map(|name| name.strip_prefix(RISK))
}

/// The parameters that the words of a problem can use.
#[must_use]
pub fn params_of(code: &str) -> BTreeSet<&'static str> {
    EN.section(code).iter().flat_map(|line| texts::placeholders(line.value)).collect()
}

/// A parameter as a person reads it; nothing for null and for shapes that have no words.
fn shown(language: Language, name: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if name.ends_with("_on") || name == "on" => {
            Some(text.parse().map_or_else(|_not_a_date| text.clone(), |on| date(language, on)))
        }
        Value::String(text) if name == "period" => {
            let first = format!("{text}-01").parse::<NaiveDate>();
            Some(first.map_or_else(|_not_a_month| text.clone(), |first| month(language, first)))
        }
        Value::String(text) => Some(text.clone()),
        Value::Number(figure) => Some(figure.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(|item| shown(language, name, item)).collect();
            (!items.is_empty()).then(|| items.join(", "))
        }
        Value::Object(_) => serde_json::from_value::<Money>(value.clone()).ok().map(|amount| money(language, amount)),
    }
}

/// The best of our languages for an `Accept-Language` header (RFC 9110, 12.5.4); English when none fits.
///
/// Regions are ignored (`fr-BE` is French); of two equally wanted languages the first named wins.
#[must_use]
pub fn negotiate(accept_language: Option<&str>) -> Language {
    let mut best = (Language::En, 0);
    for range in accept_language.unwrap_or_default().split(',').take(32) {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(Some(1_000), thousandths).unwrap_or_default();
        let primary = tag.split('-').next().unwrap_or_default();
        let language = if primary == "*" { Some(Language::En) } else { primary.parse().ok() };
        if let Some(language) = language.filter(|_| weight > best.1) {
            best = (language, weight);
        }
    }
    best.0
}

/// A q-value (`0`, `0.8`, `1.000`) in thousandths.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn params(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn the_four_catalogues_have_the_same_codes_and_the_same_placeholders() {
        for language in Language::ALL {
            assert!(catalogue(language).strays().is_empty(), "{language}: {:?}", catalogue(language).strays());
            assert_eq!(catalogue(language).outline(), EN.outline(), "{language}");
        }
        for code in codes() {
            let keys: Vec<&str> = EN.section(code).iter().map(|line| line.key).collect();
            assert_eq!(keys, ["title", "detail"], "{code}");
        }
    }

    #[test]
    fn without_parameters_every_text_is_still_a_sentence() {
        for language in Language::ALL {
            for code in codes() {
                let (title, detail) = problem(language, code, &Map::new());
                assert!(!title.ends_with('.') && !title.contains('…'), "{language} {code}: {title}");
                assert!(detail.ends_with('.') && !detail.contains(['…', '[', ']', '{']), "{language} {code}: {detail}");
                assert!(!detail.contains("  ") && !detail.contains(" ."), "{language} {code}: {detail}");
            }
            for code in field_codes() {
                let text = field(language, code, &Map::new());
                assert!(text.ends_with('.') && !text.contains('…'), "{language} {code}: {text}");
            }
        }
    }

    #[test]
    fn no_text_is_left_in_another_language() {
        for code in codes() {
            let mut titles: Vec<String> =
                Language::ALL.iter().map(|language| problem(*language, code, &Map::new()).1).collect();
            titles.sort();
            titles.dedup();
            assert_eq!(titles.len(), 4, "{code}");
        }
    }

    #[test]
    fn parameters_are_written_as_the_reader_writes_them() {
        let closed = params(json!({"period": "2026-03"}));
        assert_eq!(
            problem(Language::Fr, "period_closed", &closed).1,
            "La période mars 2026 est clôturée. Choisissez une date dans une période ouverte, ou demandez une \
             correction à la comptabilité."
        );
        let short = params(json!({"available": {"amount_minor": 123_450, "currency": "EUR"}}));
        assert!(problem(Language::De, "insufficient_available", &short).1.contains("1.234,50\u{a0}€"));
        let early = params(json!({"last_on": "2026-08-01", "allowed": ["0.21", "0.06"]}));
        assert!(problem(Language::Fr, "issue_date_before_last", &early).1.contains("(1er août 2026)"));
        assert!(problem(Language::En, "vat_rate_unknown", &early).1.contains("0.21, 0.06"));
        assert_eq!(field(Language::Nl, "too_long", &params(json!({"max": 80}))), "Te lang: hoogstens 80 tekens.");
        assert_eq!(problem(Language::Nl, "brand_new", &Map::new()).0, "brand_new");
        assert_eq!(params_of("date_out_of_range").into_iter().collect::<Vec<_>>(), ["earliest_on", "latest_on"]);
    }

    #[test]
    fn a_reason_of_the_guarantee_comes_with_the_action_that_fixes_it() {
        for language in Language::ALL {
            for reason in guarantee_reasons() {
                let (text, fix) = guarantee(language, reason);
                assert!(text.ends_with('.') && fix.ends_with('.'), "{language} {reason}");
            }
        }
        assert_eq!(guarantee(Language::Fr, "client_confirmed").1, "Rien à faire.");
    }

    #[test]
    fn the_language_with_the_highest_weight_wins() {
        let cases = [
            (None, Language::En),
            (Some("fr-BE, nl;q=0.8"), Language::Fr),
            (Some("nl;q=0.8, fr-BE;q=0.9, en;q=0.1"), Language::Fr),
            (Some("pl, de;q=0.5"), Language::De),
            (Some("de;q=0, nl;q=0.001"), Language::Nl),
            (Some("nl , de"), Language::Nl),
            (Some("*"), Language::En),
            (Some("*;q=0.5, NL-be;q=0.6"), Language::Nl),
            (Some("fr;q=2, de;q=x, ;;,=,nl;q=0.2"), Language::Nl),
            (Some(""), Language::En),
            (Some("français"), Language::En),
        ];
        for (header, expected) in cases {
            assert_eq!(negotiate(header), expected, "{header:?}");
        }
    }
}
