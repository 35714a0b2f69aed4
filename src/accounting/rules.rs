//! Months, kinds of accounts, what a journal says to people, and when a month may be closed.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};

use crate::formats::journal::{AccountKind, Journal, JournalEntry, JournalPosting};
use crate::kernel::refusal::Refusal;
use crate::ledger::JournalRow;

/// An accounting month, `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    first: NaiveDate,
}

/// Not a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a period is a year and a month, as in 2026-11")]
pub struct NotAPeriod;

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (year, month) = text.split_once('-').ok_or(NotAPeriod)?;
        let are_digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if (year.len(), month.len(), are_digits) != (4, 2, true) {
            return Err(NotAPeriod);
        }
        let number = |text: &str| text.parse().map_err(|_not_a_number| NotAPeriod);
        let year = i32::try_from(number(year)?).map_err(|_too_large| NotAPeriod)?;
        NaiveDate::from_ymd_opt(year, number(month)?, 1).map(|first| Self { first }).ok_or(NotAPeriod)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

impl Period {
    /// The month of a day.
    #[must_use]
    pub fn of(day: NaiveDate) -> Self {
        Self { first: day.with_day(1).unwrap_or(day) }
    }

    /// Its last day.
    #[must_use]
    pub fn last_day(self) -> NaiveDate {
        let next = self.first.checked_add_months(chrono::Months::new(1));
        next.and_then(|next| next.pred_opt()).unwrap_or(self.first)
    }
}

/// A month, if one is named.
pub(super) fn optional(text: Option<&str>, pointer: &str) -> Result<Option<Period>, Refusal> {
    text.map(|text| text.parse().map_err(|_not_a_period| Refusal::field(pointer, "invalid"))).transpose()
}

/// What is known of a month that somebody wants to close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closing {
    /// The month.
    pub period: Period,
    /// Today, where the entity is.
    pub today: NaiveDate,
    /// Whether it is closed already.
    pub is_closed: bool,
    /// The first earlier month that has entries and is open.
    pub earlier_open: Option<String>,
    /// Bank lines up to its end that nothing explains.
    pub lines_waiting: i64,
}

/// Whether a month may be closed: it is over, the months before it are closed, the bank is explained.
pub(super) fn close(it: &Closing) -> Result<(), Refusal> {
    if it.is_closed {
        return Err(Refusal::state("period_closed").with("period", it.period));
    }
    if it.today <= it.period.last_day() {
        return Err(Refusal::state("period_not_over").with("ends_on", it.period.last_day()));
    }
    if let Some(earlier) = &it.earlier_open {
        return Err(Refusal::state("period_earlier_open").with("period", earlier));
    }
    if it.lines_waiting > 0 {
        return Err(Refusal::state("period_has_suspense").with("count", it.lines_waiting));
    }
    Ok(())
}

/// The kind of an account, from its name in the chart.
pub(super) fn account_kind(name: &str) -> Option<AccountKind> {
    use AccountKind::{Asset, Equity, Expense, Income, Liability, OffBalance};
    [Asset, Liability, Equity, Income, Expense, OffBalance].into_iter().find(|kind| kind.name() == name)
}

/// What happened, for people.
fn narration(event: &str, document: Option<&str>) -> String {
    let mut words = event.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    match document {
        Some(document) => format!("{words}: {document}"),
        None => words,
    }
}

/// Adds rows of the ledger to a journal. The rows of one entry follow each other.
///
/// Answers the name of a kind that this program does not know, which would be a chart newer than the program.
pub(super) fn add(journal: &mut Journal, rows: Vec<JournalRow>) -> Result<(), String> {
    for row in rows {
        let kind = account_kind(&row.kind).ok_or_else(|| format!("account {} is of kind {}", row.account, row.kind))?;
        if journal.entries.last().is_none_or(|entry| entry.id != row.entry_id) {
            // A credit note is about the invoice that it corrects, and has a number of its own.
            let source = match &row.source_number {
                Some(number) => format!("{} {number}", row.source_kind),
                None => format!("{} {}", row.source_kind, row.source_id),
            };
            journal.entries.push(JournalEntry {
                id: row.entry_id,
                booked_on: row.booked_on,
                event: row.event.clone(),
                source,
                narration: narration(&row.event, row.source_number.as_deref()),
                reverses: row.reverses_id,
                postings: Vec::new(),
            });
        }
        journal.accounts.insert(row.account.clone(), kind);
        let Some(entry) = journal.entries.last_mut() else { continue };
        if let (None, Some(document)) = (&row.source_number, &row.document)
            && entry.postings.iter().all(|posting| posting.document.is_none())
        {
            entry.narration = narration(&row.event, Some(document));
        }
        entry.postings.push(JournalPosting {
            account: row.account,
            amount: row.amount_minor,
            currency: row.currency,
            activity: row.activity_id.map(|id| id.to_string()),
            client: row.client_id.map(|id| id.to_string()),
            document: row.document,
            tax_code: row.tax_code,
        });
    }
    Ok(())
}

/// An empty journal with a title for people.
pub(super) fn journal(entity: &str, period: Option<Period>) -> Journal {
    let months = period.map_or_else(|| "all periods".to_owned(), |period| period.to_string());
    Journal { title: format!("{entity}, {months}"), accounts: BTreeMap::new(), entries: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::money::{Currency, Minor};
    use uuid::Uuid;

    #[test]
    fn a_period_is_a_month_of_four_and_two_digits() {
        let november: Period = "2026-11".parse().unwrap();
        assert_eq!(
            (november.to_string().as_str(), november.last_day().to_string().as_str()),
            ("2026-11", "2026-11-30")
        );
        assert_eq!("2028-02".parse::<Period>().unwrap().last_day().to_string(), "2028-02-29");
        assert_eq!(Period::of("2026-11-22".parse().unwrap()), november);
        for text in
            ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "2026-+1", "-026-11", "2026-11-01", "２０２６-11"]
        {
            assert_eq!(text.parse::<Period>(), Err(NotAPeriod), "{text}");
        }
    }

    #[test]
    fn a_month_closes_when_it_is_over_and_nothing_before_or_in_it_is_open() {
        let closing = || Closing {
            period: "2026-10".parse().unwrap(),
            today: "2026-11-01".parse().unwrap(),
            is_closed: false,
            earlier_open: None,
            lines_waiting: 0,
        };
        assert_eq!(close(&closing()), Ok(()));
        let cases = [
            ("period_closed", Closing { is_closed: true, ..closing() }),
            ("period_not_over", Closing { today: "2026-10-31".parse().unwrap(), ..closing() }),
            ("period_earlier_open", Closing { earlier_open: Some("2026-09".to_owned()), ..closing() }),
            ("period_has_suspense", Closing { lines_waiting: 1, ..closing() }),
        ];
        for (code, closing) in cases {
            assert_eq!(close(&closing).unwrap_err().code, code);
        }
    }

    #[test]
    fn every_kind_of_the_chart_has_a_kind_in_the_formats() {
        for kind in ["asset", "liability", "equity", "income", "expense", "off_balance"] {
            assert_eq!(account_kind(kind).unwrap().name(), kind);
        }
        assert_eq!(account_kind("contra"), None);
    }

    fn row(entry_id: i64, account: &str, kind: &str, amount: i64, document: Option<&str>) -> JournalRow {
        JournalRow {
            entry_id,
            booked_on: "2026-11-02".parse().unwrap(),
            event: "client_paid".to_owned(),
            source_kind: "allocation".to_owned(),
            source_id: Uuid::from_u128(7),
            reverses_id: None,
            account: account.to_owned(),
            kind: kind.to_owned(),
            amount_minor: Minor::new(amount),
            currency: Currency::EUR,
            activity_id: None,
            client_id: None,
            source_number: None,
            document: document.map(str::to_owned),
            tax_code: None,
        }
    }

    #[test]
    fn rows_become_entries_also_when_a_page_ends_between_them() {
        let mut journal = journal("Ombelle SC", Some("2026-11".parse().unwrap()));
        let bank = row(1, "bank", "asset", 100, None);
        let receivable = row(1, "receivable", "asset", -100, Some("2026-0001"));
        add(&mut journal, vec![bank, receivable]).unwrap();
        let next = [row(2, "bank", "asset", 5, None), row(2, "bank_suspense", "liability", -5, None)];
        add(&mut journal, next.to_vec()).unwrap();
        assert_eq!(journal.title, "Ombelle SC, 2026-11");
        let entries: Vec<_> =
            journal.entries.iter().map(|it| (it.id, it.narration.as_str(), it.postings.len())).collect();
        assert_eq!(entries, [(1, "Client paid: 2026-0001", 2), (2, "Client paid", 2)]);
        assert_eq!(journal.accounts.keys().collect::<Vec<_>>(), ["bank", "bank_suspense", "receivable"]);
        assert!(add(&mut journal, vec![row(3, "bank", "contra", 1, None)]).is_err());
    }
}
