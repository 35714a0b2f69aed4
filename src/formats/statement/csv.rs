//! A statement as a table: UTF-8, commas, lines ended by CR LF (RFC 4180), plain decimals with a full stop.

use super::{Amounts, StatementFacts, event, word};
use crate::kernel::money::{Minor, to_plain};

/// The columns, in order.
pub const COLUMNS: [&str; 12] = [
    "row",
    "date",
    "event",
    "text",
    "document",
    "pending",
    "available",
    "reserved",
    "arrears",
    "amount",
    "balance",
    "currency",
];

/// Writes a statement as CSV with a header row: what was there, what moved, what is there.
///
/// A text that a spreadsheet would run as a formula gets a single quote before it.
#[must_use]
pub fn csv(facts: &StatementFacts) -> Vec<u8> {
    let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    put(&mut csv, COLUMNS.map(str::to_owned));
    let border = |kind: &str, on: chrono::NaiveDate, amounts: &Amounts| {
        let text = word(facts.language, kind).to_owned();
        row(facts, [kind.to_owned(), on.to_string(), String::new(), text, String::new()], amounts, amounts.total)
    };
    put(&mut csv, border("opening", facts.first, &facts.opening));
    for it in &facts.moves {
        let document = it.document.clone().unwrap_or_default();
        let head = ["move".to_owned(), it.on.to_string(), it.event.clone(), event(facts.language, &it.event), document];
        put(&mut csv, row(facts, head, &it.amounts, it.running));
    }
    put(&mut csv, border("closing", facts.last, &facts.closing));
    finished(csv)
}

fn row(facts: &StatementFacts, head: [String; 5], amounts: &Amounts, balance: Minor) -> [String; 12] {
    let plain = |amount: Minor| to_plain(amount, facts.currency.exponent());
    let [kind, on, event, text, document] = head;
    [
        kind,
        on,
        guarded(&event),
        guarded(&text),
        guarded(&document),
        plain(amounts.pending),
        plain(amounts.available),
        plain(amounts.reserved),
        plain(amounts.arrears),
        plain(amounts.total),
        plain(balance),
        facts.currency.code().to_owned(),
    ]
}

/// A text that no spreadsheet runs. NUL, which ends the cell in some readers, goes.
fn guarded(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0']);
    let text = text.replace('\0', "");
    if is_formula { format!("'{text}") } else { text }
}

#[expect(clippy::expect_used, reason = "a Vec takes every byte, and every row has as many cells as the header")]
fn put(csv: &mut csv::Writer<Vec<u8>>, row: [String; 12]) {
    csv.write_record(row).expect("writing to memory");
}

#[expect(clippy::expect_used, reason = "a Vec takes every byte")]
fn finished(csv: csv::Writer<Vec<u8>>) -> Vec<u8> {
    csv.into_inner().expect("writing to memory")
}
