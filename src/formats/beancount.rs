//! The journal as beancount reads it.
//!
//! Names are the internal codes in a tree: `funds.pending` is `Liabilities:Funds:Pending`, `vat_output` is
//! `Liabilities:Vat-output`. Every account is opened the day before the first entry, with the currencies it sees.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::journal::{AccountKind, Journal, JournalEntry, Refused, one_line};
use crate::kernel::money::{Currency, to_plain};

/// Writes the journal so that `bean-check` accepts it without a plugin.
///
/// # Errors
/// Refuses a journal that does not balance, uses unknown accounts, or whose codes do not make distinct names.
pub fn write(journal: &Journal) -> Result<Vec<u8>, Refused> {
    let entries = journal.in_order()?;
    let names = journal.names(account_name)?;
    let currencies = journal.currencies();
    let mut lines = vec![format!("option \"title\" {}", quoted(&journal.title))];
    let used: BTreeSet<Currency> = currencies.values().flatten().copied().collect();
    lines.extend(used.iter().map(|currency| format!("option \"operating_currency\" \"{currency}\"")));
    lines.push(String::new());
    // A journal without entries has no day of its own: any early one opens its accounts.
    let opened_on = entries.first().and_then(|entry| entry.booked_on.pred_opt()).unwrap_or(NaiveDate::default());
    for (code, name) in &names {
        let seen = currencies.get(code).into_iter().flatten().map(Currency::code).collect::<Vec<_>>().join(",");
        lines.push(format!("{opened_on} open {name} {seen}").trim_end().to_owned());
    }
    for entry in entries {
        lines.push(String::new());
        write_entry(&mut lines, entry, &names);
    }
    lines.push(String::new());
    Ok(lines.join("\n").into_bytes())
}

fn write_entry(lines: &mut Vec<String>, entry: &JournalEntry, names: &BTreeMap<&str, String>) {
    lines.push(format!("{} * {}", entry.booked_on, quoted(&entry.narration)));
    for (tag, value) in entry.tags() {
        lines.push(format!("  {tag}: {}", quoted(&value)));
    }
    for posting in &entry.postings {
        let name = names.get(posting.account.as_str()).map_or("", String::as_str);
        let amount = to_plain(posting.amount, posting.currency.exponent());
        lines.push(format!("  {name}  {amount} {}", posting.currency));
        for (tag, value) in posting.tags() {
            lines.push(format!("    {tag}: {}", quoted(value)));
        }
    }
}

fn account_name(code: &str, kind: AccountKind) -> String {
    let tree = match kind {
        AccountKind::Asset => "Assets",
        AccountKind::Liability => "Liabilities",
        AccountKind::Equity => "Equity",
        AccountKind::Income => "Income",
        AccountKind::Expense => "Expenses",
        AccountKind::OffBalance => "Equity:Off-balance",
    };
    let mut name = tree.to_owned();
    for part in code.split('.') {
        name.push(':');
        let mut rest = part.chars();
        name.extend(rest.next().map(|first| first.to_ascii_uppercase()));
        name.extend(rest.map(|c| if c == '_' { '-' } else { c }));
    }
    name
}

/// A string on one line.
fn quoted(text: &str) -> String {
    format!("\"{}\"", one_line(text).replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::golden::assert_golden;
    use crate::formats::journal::sample;
    use proptest::prelude::*;

    #[test]
    fn the_sample_journal_is_the_golden_one() {
        assert_golden("journal/journal.beancount", &write(&sample::journal()).unwrap());
    }

    #[test]
    fn two_codes_that_would_be_one_account_are_refused() {
        let mut journal = sample::journal();
        journal.accounts.insert("fee-income".to_owned(), AccountKind::Income);
        assert_eq!(write(&journal).unwrap_err().code(), "journal_account_name_twice");
    }

    #[test]
    fn a_journal_without_entries_still_opens_its_accounts() {
        let mut journal = sample::journal();
        journal.entries.clear();
        let text = String::from_utf8(write(&journal).unwrap()).unwrap();
        assert!(text.contains("1970-01-01 open Assets:Bank:Main\n"));
    }

    proptest! {
        #[test]
        fn any_text_stays_in_its_string(text in ".{0,60}") {
            let mut journal = sample::journal();
            let lines = |journal: &Journal| String::from_utf8(write(journal).unwrap()).unwrap().lines().count();
            let expected = lines(&journal);
            journal.title.clone_from(&text);
            journal.entries[0].narration.clone_from(&text);
            journal.entries[0].source.clone_from(&text);
            journal.entries[0].postings[1].client = Some(format!("x{text}"));
            prop_assert_eq!(lines(&journal), expected);
            // Outside escapes, the quotes of a string are its first and last character.
            let string = quoted(&text).replace("\\\\", "").replace("\\\"", "");
            prop_assert_eq!(string.matches('"').count(), 2);
        }
    }
}
