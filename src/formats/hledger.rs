//! The journal as hledger and ledger read it: plain text that an accountant can query, and that two programs of other
//! people check.
//!
//! Names are the internal codes in a tree: `funds.pending` is `liabilities:funds:pending`. Where an entry comes from is
//! in tags (`hledger register tag:source=...`).

use std::collections::{BTreeMap, BTreeSet};

use super::journal::{AccountKind, Journal, JournalEntry, Refused, one_line};
use crate::kernel::money::{Currency, Minor, to_plain};

/// Writes the journal; accounts and currencies are declared, so `--strict` accepts it.
///
/// # Errors
/// Refuses a journal that does not balance, uses unknown accounts, or whose codes do not make distinct names.
pub fn write(journal: &Journal) -> Result<Vec<u8>, Refused> {
    let entries = journal.in_order()?;
    let names = journal.names(account_name)?;
    let mut lines = vec![format!("; {}", comment(&journal.title)), String::new()];
    let currencies: BTreeSet<Currency> = journal.currencies().into_values().flatten().collect();
    for currency in currencies {
        lines.push(format!("commodity {currency}"));
        lines.push(format!("    format {} {currency}", example(currency)));
    }
    lines.push(String::new());
    lines.extend(names.values().map(|name| format!("account {name}")));
    for entry in entries {
        lines.push(String::new());
        write_entry(&mut lines, entry, &names);
    }
    lines.push(String::new());
    Ok(lines.join("\n").into_bytes())
}

fn write_entry(lines: &mut Vec<String>, entry: &JournalEntry, names: &BTreeMap<&str, String>) {
    lines.push(format!("{} * ({}) {}", entry.booked_on, entry.id, description(&entry.narration)));
    for (tag, value) in entry.tags() {
        lines.push(format!("    ; {tag}: {}", comment(&value)));
    }
    for posting in &entry.postings {
        let amount = to_plain(posting.amount, posting.currency.exponent());
        let name = names.get(posting.account.as_str()).map_or("", String::as_str);
        lines.push(format!("    {name}  {amount} {}", posting.currency));
        for (tag, value) in posting.tags() {
            lines.push(format!("        ; {tag}: {}", comment(value)));
        }
    }
}

fn account_name(code: &str, kind: AccountKind) -> String {
    let tree = match kind {
        AccountKind::Asset => "assets",
        AccountKind::Liability => "liabilities",
        AccountKind::Equity => "equity",
        AccountKind::Income => "income",
        AccountKind::Expense => "expenses",
        AccountKind::OffBalance => "equity:off-balance",
    };
    format!("{tree}:{}", code.replace('.', ":"))
}

/// A thousand, as the currency writes it (`1000.00`, `1000.` for none): how the programs learn its decimals.
fn example(currency: Currency) -> String {
    let units = 10_i64.saturating_pow(currency.exponent()).saturating_mul(1_000);
    let plain = to_plain(Minor::new(units), currency.exponent());
    if currency.exponent() == 0 { format!("{plain}.") } else { plain }
}

/// Text after the code: a semicolon would begin a comment, a bar would split payee from note.
fn description(text: &str) -> String {
    one_line(text).replace(';', ",").replace('|', "/")
}

/// Text in a comment: a comma would end the tag, brackets would be read as a date.
fn comment(text: &str) -> String {
    one_line(text).replace(',', " ").replace('[', "(").replace(']', ")")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::golden::assert_golden;
    use crate::formats::journal::sample;
    use proptest::prelude::*;

    #[test]
    fn the_sample_journal_is_the_golden_one() {
        assert_golden("journal/journal.hledger", &write(&sample::journal()).unwrap());
    }

    #[test]
    fn a_currency_is_declared_with_its_decimals() {
        let cases = [("EUR", "1000.00"), ("JPY", "1000."), ("KWD", "1000.000")];
        for (code, expected) in cases {
            assert_eq!(example(code.parse().unwrap()), expected);
        }
    }

    #[test]
    fn two_codes_that_would_be_one_account_are_refused() {
        let mut journal = sample::journal();
        journal.accounts.insert("off-balance.x".to_owned(), AccountKind::Equity);
        journal.accounts.insert("x".to_owned(), AccountKind::OffBalance);
        assert_eq!(write(&journal).unwrap_err().code(), "journal_account_name_twice");
    }

    proptest! {
        #[test]
        fn any_text_stays_on_its_line(text in ".{0,60}") {
            let mut journal = sample::journal();
            let lines = |journal: &Journal| String::from_utf8(write(journal).unwrap()).unwrap().lines().count();
            let expected = lines(&journal);
            journal.title.clone_from(&text);
            journal.entries[0].narration.clone_from(&text);
            journal.entries[0].source.clone_from(&text);
            journal.entries[0].postings[1].client = Some(format!("x{text}"));
            prop_assert_eq!(lines(&journal), expected);
        }
    }
}
