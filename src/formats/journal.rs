//! The facts of a journal export, and what must hold before any format writes them.
//!
//! The three formats ([`super::journal_csv`], [`super::hledger`], [`super::beancount`]) say the same facts in the same
//! order (by day, then by entry), so that programs of other people can be asked whether they agree.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::kernel::money::{Currency, Minor};

/// A journal with the accounts it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Whose books and which period, for people.
    pub title: String,
    /// Each account, by its internal code (`funds.pending`): letters, digits, `_`, `-`, in parts joined by full stops.
    pub accounts: BTreeMap<String, AccountKind>,
    /// In any order.
    pub entries: Vec<JournalEntry>,
}

/// What an account counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// What is owned or owed to us; contra assets too.
    Asset,
    /// What is owed.
    Liability,
    /// What belongs to the members together.
    Equity,
    /// What is earned.
    Income,
    /// What is spent.
    Expense,
    /// What is only noted. Every pair sums to zero; the formats show it beside equity, for want of a tree of its own.
    OffBalance,
}

impl AccountKind {
    /// The name in the CSV file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Liability => "liability",
            Self::Equity => "equity",
            Self::Income => "income",
            Self::Expense => "expense",
            Self::OffBalance => "off_balance",
        }
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Unique in the journal.
    pub id: i64,
    /// The day it counts for.
    pub booked_on: NaiveDate,
    /// The event, as in `invoice_issued`.
    pub event: String,
    /// The document behind it, as in `invoice 2026-0001`.
    pub source: String,
    /// What happened, for people.
    pub narration: String,
    /// The entry that this one takes back.
    pub reverses: Option<i64>,
    /// At least two, summing to zero per currency.
    pub postings: Vec<JournalPosting>,
}

/// One posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalPosting {
    /// The code of an account of the journal.
    pub account: String,
    /// Debit positive, credit negative.
    pub amount: Minor,
    /// Of the amount.
    pub currency: Currency,
    /// Whose budget.
    pub activity: Option<String>,
    /// Whose debt.
    pub client: Option<String>,
    /// Which document.
    pub document: Option<String>,
    /// Which tax.
    pub tax_code: Option<String>,
}

impl JournalPosting {
    /// What the posting is about, by name, in the order of the files.
    pub(super) fn tags(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("activity", &self.activity),
            ("client", &self.client),
            ("document", &self.document),
            ("tax_code", &self.tax_code),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
        .filter(|(_, value)| !value.is_empty())
    }
}

impl JournalEntry {
    /// What the entry comes from, by name, in the order of the files.
    pub(super) fn tags(&self) -> Vec<(&'static str, String)> {
        let mut tags =
            vec![("entry", self.id.to_string()), ("event", self.event.clone()), ("source", self.source.clone())];
        tags.extend(self.reverses.map(|reversed| ("reverses", reversed.to_string())));
        tags
    }
}

/// Why a journal cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An account code with an empty part or a character outside letters, digits, `_`, `-`, full stop.
    #[error("the account code {code:?} cannot be written")]
    AccountCode {
        /// The code.
        code: String,
    },
    /// Two codes that would become one account name.
    #[error("the accounts {code:?} and {other:?} would have one name")]
    AccountNameTwice {
        /// The code.
        code: String,
        /// The code that has the name already.
        other: String,
    },
    /// A posting on an account the journal does not have.
    #[error("entry {entry}: the account {code:?} is not of this journal")]
    AccountUnknown {
        /// The entry.
        entry: i64,
        /// The code.
        code: String,
    },
    /// Two entries with one number.
    #[error("entry {entry} is there twice")]
    EntryTwice {
        /// The entry.
        entry: i64,
    },
    /// An entry with fewer than two postings.
    #[error("entry {entry} has fewer than two postings")]
    TooFewPostings {
        /// The entry.
        entry: i64,
    },
    /// An entry that does not sum to zero in a currency, or whose sum is out of range.
    #[error("entry {entry} does not sum to zero in {currency}")]
    DoesNotBalance {
        /// The entry.
        entry: i64,
        /// The currency.
        currency: Currency,
    },
    /// A date that plain-text accounting does not read.
    #[error("entry {entry}: the year is not one of four digits")]
    Year {
        /// The entry.
        entry: i64,
    },
}

impl Refused {
    /// The stable name of the refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AccountCode { .. } => "journal_account_code",
            Self::AccountNameTwice { .. } => "journal_account_name_twice",
            Self::AccountUnknown { .. } => "journal_account_unknown",
            Self::EntryTwice { .. } => "journal_entry_twice",
            Self::TooFewPostings { .. } => "journal_too_few_postings",
            Self::DoesNotBalance { .. } => "journal_does_not_balance",
            Self::Year { .. } => "journal_year",
        }
    }
}

impl Journal {
    /// The entries by day, then by number, after checking that the journal is one.
    ///
    /// # Errors
    /// Refuses an unbalanced entry, an unknown account, a number used twice.
    pub(super) fn in_order(&self) -> Result<Vec<&JournalEntry>, Refused> {
        for code in self.accounts.keys() {
            let is_part = |part: &str| {
                let is_character = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(is_character)
            };
            if !code.split('.').all(is_part) {
                return Err(Refused::AccountCode { code: code.clone() });
            }
        }
        let mut seen = BTreeSet::new();
        for entry in &self.entries {
            if !seen.insert(entry.id) {
                return Err(Refused::EntryTwice { entry: entry.id });
            }
            self.check(entry)?;
        }
        let mut entries: Vec<&JournalEntry> = self.entries.iter().collect();
        entries.sort_by_key(|entry| (entry.booked_on, entry.id));
        Ok(entries)
    }

    fn check(&self, entry: &JournalEntry) -> Result<(), Refused> {
        if !(1000..=9999).contains(&chrono::Datelike::year(&entry.booked_on)) {
            return Err(Refused::Year { entry: entry.id });
        }
        if entry.postings.len() < 2 {
            return Err(Refused::TooFewPostings { entry: entry.id });
        }
        let mut sums: BTreeMap<Currency, Minor> = BTreeMap::new();
        for posting in &entry.postings {
            if !self.accounts.contains_key(&posting.account) {
                return Err(Refused::AccountUnknown { entry: entry.id, code: posting.account.clone() });
            }
            let sum = sums.entry(posting.currency).or_default();
            *sum = sum
                .plus(posting.amount)
                .map_err(|_overflow| Refused::DoesNotBalance { entry: entry.id, currency: posting.currency })?;
        }
        match sums.into_iter().find(|(_, sum)| *sum != Minor::ZERO) {
            Some((currency, _)) => Err(Refused::DoesNotBalance { entry: entry.id, currency }),
            None => Ok(()),
        }
    }

    /// The name of every account in a tree, where `name` writes one code. Names must differ as codes do.
    pub(super) fn names(&self, name: impl Fn(&str, AccountKind) -> String) -> Result<BTreeMap<&str, String>, Refused> {
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        let mut names = BTreeMap::new();
        for (code, kind) in &self.accounts {
            let name = name(code, *kind);
            if let Some(other) = taken.insert(name.clone(), code) {
                return Err(Refused::AccountNameTwice { code: code.clone(), other: other.to_owned() });
            }
            names.insert(code.as_str(), name);
        }
        Ok(names)
    }

    /// The currencies of the postings on each account.
    pub(super) fn currencies(&self) -> BTreeMap<&str, BTreeSet<Currency>> {
        let mut currencies: BTreeMap<&str, BTreeSet<Currency>> = BTreeMap::new();
        for posting in self.entries.iter().flat_map(|entry| &entry.postings) {
            currencies.entry(posting.account.as_str()).or_default().insert(posting.currency);
        }
        currencies
    }
}

/// One line of text for a line-based format: control characters, line separators and direction marks become spaces.
pub(super) fn one_line(text: &str) -> String {
    let is_kept = |c: char| {
        !(c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
    };
    let spaced: String = text.chars().map(|c| if is_kept(c) { c } else { ' ' }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) mod sample {
    //! The worked example of the ledger: 1,000.00 + 21 %, advanced on the seventh day, paid, and one reversal.

    use super::*;

    fn posting(account: &str, amount: i64) -> JournalPosting {
        let is_about_the_activity = account.starts_with("funds") || account == "turnover";
        JournalPosting {
            account: account.to_owned(),
            amount: Minor::new(amount),
            currency: Currency::EUR,
            activity: is_about_the_activity.then(|| "A-17".to_owned()),
            client: (account == "receivable").then(|| "Client & Zonen \"NV\"".to_owned()),
            document: (account == "receivable").then(|| "2026-0001".to_owned()),
            tax_code: (account == "vat_output").then(|| "S21".to_owned()),
        }
    }

    fn entry(id: i64, day: u32, event: &str, narration: &str, postings: &[(&str, i64)]) -> JournalEntry {
        JournalEntry {
            id,
            booked_on: NaiveDate::from_ymd_opt(2026, 3, day).unwrap(),
            event: event.to_owned(),
            source: "invoice 2026-0001".to_owned(),
            narration: narration.to_owned(),
            reverses: None,
            postings: postings.iter().map(|(account, amount)| posting(account, *amount)).collect(),
        }
    }

    /// Entries out of order on purpose, with text that tries to leave its place.
    pub(in crate::formats) fn journal() -> Journal {
        use AccountKind::{Asset, Expense, Income, Liability, OffBalance};
        let accounts = [
            ("bank.main", Asset),
            ("receivable", Asset),
            ("vat_output", Liability),
            ("funds.pending", Liability),
            ("funds.available", Liability),
            ("guarantee_fund", Liability),
            ("turnover", Income),
            ("fee_income", Income),
            ("member_cost", Expense),
            ("bank_charges", Expense),
            ("memo.advances", OffBalance),
            ("memo.advances_contra", OffBalance),
        ];
        let issued = [
            ("receivable", 121_000),
            ("turnover", -100_000),
            ("vat_output", -21_000),
            ("member_cost", 100_000),
            ("funds.pending", -100_000),
            ("funds.pending", 5_500),
            ("fee_income", -5_500),
            ("funds.pending", 2_000),
            ("guarantee_fund", -2_000),
        ];
        let advanced = [
            ("funds.pending", 92_500),
            ("funds.available", -92_500),
            ("memo.advances", 92_500),
            ("memo.advances_contra", -92_500),
        ];
        let paid = [
            ("bank.main", 121_000),
            ("receivable", -121_000),
            ("memo.advances", -92_500),
            ("memo.advances_contra", 92_500),
        ];
        let mut charge = entry(
            5,
            31,
            "bank_charged",
            "=HYPERLINK(\"x\"); | [2026-99-99]\ndate:2020",
            &[("bank_charges", 250), ("bank.main", -250)],
        );
        charge.source = "bank line 4".to_owned();
        let mut reversal = entry(
            6,
            31,
            "bank_charged",
            "Łukasz \\ charge \"taken\" back",
            &[("bank_charges", -250), ("bank.main", 250)],
        );
        reversal.source = "bank line 4".to_owned();
        reversal.reverses = Some(5);
        Journal {
            title: "Ombelle SC, March 2026".to_owned(),
            accounts: accounts.into_iter().map(|(code, kind)| (code.to_owned(), kind)).collect(),
            entries: vec![
                entry(3, 20, "client_paid", "Payment of 2026-0001", &paid),
                entry(1, 2, "invoice_issued", "Invoice 2026-0001", &issued),
                entry(2, 11, "guarantee_advanced", "Advance on 2026-0001", &advanced),
                reversal,
                charge,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_is_none_is_refused_by_name() {
        type Break = fn(&mut Journal);
        let cases: [(&str, Break); 9] = [
            ("journal_does_not_balance", |journal| journal.entries[0].postings[0].amount = Minor::new(121_001)),
            ("journal_does_not_balance", |journal| {
                journal.entries[0].postings[0].currency = "USD".parse().unwrap();
            }),
            ("journal_does_not_balance", |journal| {
                journal.entries[0].postings[0].amount = Minor::new(i64::MAX);
                journal.entries[0].postings[1].amount = Minor::new(i64::MAX);
            }),
            ("journal_account_unknown", |journal| journal.entries[0].postings[0].account = "petty_cash".to_owned()),
            ("journal_entry_twice", |journal| journal.entries[0].id = 1),
            ("journal_too_few_postings", |journal| journal.entries[0].postings.clear()),
            ("journal_account_code", |journal| {
                journal.accounts.insert("bank..x".to_owned(), AccountKind::Asset);
            }),
            ("journal_account_code", |journal| {
                journal.accounts.insert("bank: x".to_owned(), AccountKind::Asset);
            }),
            ("journal_year", |journal| journal.entries[0].booked_on = NaiveDate::from_ymd_opt(12_026, 1, 1).unwrap()),
        ];
        for (code, break_it) in cases {
            let mut journal = sample::journal();
            break_it(&mut journal);
            assert_eq!(journal.in_order().unwrap_err().code(), code);
        }
        assert!(sample::journal().in_order().is_ok());
    }

    #[test]
    fn entries_come_by_day_and_then_by_number() {
        let journal = sample::journal();
        let ids: Vec<i64> = journal.in_order().unwrap().iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [1, 2, 3, 5, 6]);
    }

    /// What the judges hold the programs' answers against: sums made here, without any format.
    #[test]
    fn the_trial_balance_of_the_sample_is_the_golden_one() {
        let mut sums: BTreeMap<(String, Currency), i64> = BTreeMap::new();
        for posting in sample::journal().entries.iter().flat_map(|entry| &entry.postings) {
            *sums.entry((posting.account.clone(), posting.currency)).or_default() += posting.amount.get();
        }
        let row = |((account, currency), amount): ((String, Currency), i64)| serde_json::json!({ "account": account, "amount_minor": amount, "currency": currency });
        let balance = serde_json::json!({ "accounts": sums.into_iter().map(row).collect::<Vec<_>>() });
        let mut text = serde_json::to_string_pretty(&balance).unwrap();
        text.push('\n');
        crate::formats::golden::assert_golden("journal/trial_balance.json", text.as_bytes());
    }
}
