//! The journal as a table: one row per posting, for spreadsheets and for programs that import accounts.
//!
//! UTF-8, commas, lines ended by CR LF (RFC 4180), columns that never change place. Amounts are plain decimals with a
//! full stop; each row has a debit and a credit, one of them zero.

use super::journal::{Journal, JournalEntry, JournalPosting, Refused};
use crate::kernel::money::{Minor, to_plain};

/// The columns, in order.
pub const COLUMNS: [&str; 16] = [
    "entry",
    "booked_on",
    "event",
    "source",
    "narration",
    "reverses",
    "line",
    "account",
    "account_kind",
    "debit",
    "credit",
    "currency",
    "activity",
    "client",
    "document",
    "tax_code",
];

/// Writes the journal as CSV with a header row.
///
/// A text that a spreadsheet would run as a formula gets a single quote before it.
///
/// # Errors
/// Refuses a journal that does not balance or uses unknown accounts.
pub fn write(journal: &Journal) -> Result<Vec<u8>, Refused> {
    let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    put(&mut csv, COLUMNS.map(str::to_owned));
    for entry in journal.in_order()? {
        for (line, posting) in (1_u32..).zip(&entry.postings) {
            put(&mut csv, row(journal, entry, line, posting));
        }
    }
    Ok(finished(csv))
}

fn row(journal: &Journal, entry: &JournalEntry, line: u32, posting: &JournalPosting) -> [String; 16] {
    let plain = |amount: Minor| to_plain(amount, posting.currency.exponent());
    let (debit, credit) = if posting.amount < Minor::ZERO {
        (plain(Minor::ZERO), plain(posting.amount).trim_start_matches('-').to_owned())
    } else {
        (plain(posting.amount), plain(Minor::ZERO))
    };
    let text = |text: &Option<String>| text.as_deref().map(guarded).unwrap_or_default();
    [
        entry.id.to_string(),
        entry.booked_on.to_string(),
        guarded(&entry.event),
        guarded(&entry.source),
        guarded(&entry.narration),
        entry.reverses.map(|reversed| reversed.to_string()).unwrap_or_default(),
        line.to_string(),
        posting.account.clone(),
        journal.accounts.get(&posting.account).map(|kind| kind.name().to_owned()).unwrap_or_default(),
        debit,
        credit,
        posting.currency.code().to_owned(),
        text(&posting.activity),
        text(&posting.client),
        text(&posting.document),
        text(&posting.tax_code),
    ]
}

/// A text that no spreadsheet runs. NUL, which ends the cell in some readers, goes.
fn guarded(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0']);
    let text = text.replace('\0', "");
    if is_formula { format!("'{text}") } else { text }
}

#[expect(clippy::expect_used, reason = "a Vec takes every byte, and every row has as many cells as the header")]
fn put(csv: &mut csv::Writer<Vec<u8>>, row: [String; 16]) {
    csv.write_record(row).expect("writing to memory");
}

#[expect(clippy::expect_used, reason = "a Vec takes every byte")]
fn finished(csv: csv::Writer<Vec<u8>>) -> Vec<u8> {
    csv.into_inner().expect("writing to memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::golden::assert_golden;
    use crate::formats::journal::sample;
    use proptest::prelude::*;

    #[test]
    fn the_sample_journal_is_the_golden_one() {
        assert_golden("journal/journal.csv", &write(&sample::journal()).unwrap());
    }

    #[test]
    fn a_text_that_a_spreadsheet_would_run_gets_a_quote_and_an_ordinary_one_does_not() {
        let cases = [
            ("=1+1", "'=1+1"),
            ("+32 2", "'+32 2"),
            ("-5", "'-5"),
            ("@x", "'@x"),
            ("\t=x", "'\t=x"),
            ("\r=x", "'\r=x"),
            ("\0=x", "'=x"),
            ("a=1", "a=1"),
            ("", ""),
        ];
        for (given, expected) in cases {
            assert_eq!(guarded(given), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_stays_in_its_cell(text in "[\u{0}-\u{ff}]{0,40}", amount in -1_000_000_000_i64..1_000_000_000) {
            let mut journal = sample::journal();
            journal.entries.truncate(1);
            journal.entries[0].narration.clone_from(&text);
            journal.entries[0].postings.truncate(2);
            journal.entries[0].postings[0].amount = Minor::new(amount);
            journal.entries[0].postings[1].amount = Minor::new(-amount);
            journal.entries[0].postings[1].client = Some(text.clone());
            let bytes = write(&journal).unwrap();
            let mut reader = csv::Reader::from_reader(bytes.as_slice());
            let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(rows.len(), 2);
            prop_assert_eq!(&rows[0][4], guarded(&text));
            prop_assert_eq!(&rows[1][13], guarded(&text));
            let cents = |cell: &str| cell.replace('.', "").parse::<i64>().unwrap();
            prop_assert_eq!(cents(&rows[0][9]) - cents(&rows[0][10]), amount);
            prop_assert_eq!(&rows[0][9], &rows[1][10]);
        }
    }
}
