//! What moved on an activity in a period, as people take it home: a PDF and a table.
//!
//! Everything is decided by the caller and frozen in [`StatementFacts`]; nothing is computed here. The words are in one
//! file per language. Equal facts give equal bytes.

mod csv;
mod pdf;

use std::sync::LazyLock;

use chrono::NaiveDate;

pub use self::csv::{COLUMNS, csv};
pub use self::pdf::pdf;
use super::texts::{self, Texts};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor};

static FR: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("fr.txt")));
static NL: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("nl.txt")));
static EN: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("en.txt")));
static DE: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("de.txt")));

fn words(language: Language) -> &'static Texts {
    match language {
        Language::Fr => &FR,
        Language::Nl => &NL,
        Language::En => &EN,
        Language::De => &DE,
    }
}

fn word(language: Language, key: &str) -> &'static str {
    words(language).get("words", key).unwrap_or_default()
}

/// `Page 1 of 3` in the language of the reader.
fn page_of(language: Language, page: usize, pages: usize) -> String {
    texts::fill(word(language, "page"), |name| Some(if name == "page" { page } else { pages }.to_string()))
}

/// An event of the books in words; one without words by its name.
#[must_use]
pub fn event(language: Language, event: &str) -> String {
    words(language).get("events", event).map_or_else(|| event.replace('_', " "), str::to_owned)
}

/// The events that have words, sorted.
#[must_use]
pub fn events() -> Vec<&'static str> {
    let mut events: Vec<&str> = EN.section("events").iter().map(|line| line.key).collect();
    events.sort_unstable();
    events
}

/// Amounts by the parts of an activity, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Waits for clients or the guarantee.
    pub pending: Minor,
    /// Can be paid out.
    pub available: Minor,
    /// Set aside for payouts.
    pub reserved: Minor,
    /// Owed by the activity.
    pub arrears: Minor,
    /// The first three less the last.
    pub total: Minor,
}

/// One movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementMove {
    /// The day it counts.
    pub on: NaiveDate,
    /// The event of the books.
    pub event: String,
    /// The number of the document behind it.
    pub document: Option<String>,
    /// By how much each part grew.
    pub amounts: Amounts,
    /// What was there after it.
    pub running: Minor,
}

/// Everything a statement shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementFacts {
    /// The language of every word, amount and date.
    pub language: Language,
    /// Who keeps the books.
    pub entity: String,
    /// Whose activity; empty when the reader may not know.
    pub member: String,
    /// How it is called.
    pub activity: String,
    /// Of every amount.
    pub currency: Currency,
    /// The first day.
    pub first: NaiveDate,
    /// The last day; the file is dated by it.
    pub last: NaiveDate,
    /// What was there before.
    pub opening: Amounts,
    /// What moved, in the order of the books.
    pub moves: Vec<StatementMove>,
    /// The sum of the moves of each event, by its name.
    pub totals: Vec<(String, Amounts)>,
    /// What was there in the end.
    pub closing: Amounts,
}

#[cfg(test)]
mod tests;
