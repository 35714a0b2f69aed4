//! Statements of bank accounts, read as untrusted input: ISO 20022 `camt.053`, `camt.052` and `camt.054`, and Belgian
//! CODA; and `camt.053` written as a sandbox bank would.
//!
//! Reading is tolerant of what banks really send (versions `.001.02` to `.001.13`, any namespace and prefix, envelopes,
//! other encodings, pages, elements nobody asked for, a batch whose parts do not come to it) and strict about what decides
//! a cent: direction, digits, opening + entries = closing. A balance without a direction is ours where that sum confirms it.
//! The official schema is deliberately not applied: many real files break it. The statement currency must be one.
//!
//! [`read`] refuses document types and entities, and bounds size, depth, elements and attributes.

mod camt;
mod coda;
mod csv;
mod refused;
mod vocabulary;
mod write;

use std::fmt::Write as _;
use std::io::BufRead;

use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use super::safe_xml::Limits;
use crate::kernel::money::{Currency, Minor};
pub use csv::{CsvProfile, CsvReading, DateForm, DecimalSign, Letters};
pub use refused::Refused;
pub use write::write;

/// How a file of statements is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// ISO 20022, XML.
    Camt,
    /// Belgian records of 128 characters.
    Coda,
}

impl Form {
    /// What the file looks like by its first bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        if coda::is_coda(bytes) { Self::Coda } else { Self::Camt }
    }

    /// The media type under which it is kept.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Camt => "application/xml",
            Self::Coda => "text/plain",
        }
    }

    /// The ending of its name.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Camt => "xml",
            Self::Coda => "cod",
        }
    }
}

/// What a bank says about an account with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What it booked between two balances (`camt.053`, CODA, CSV): the books follow it.
    Statement,
    /// What it booked of a day so far (`camt.052`): the statement of that day will say it again.
    Report,
    /// Single bookings, or what one booking of a statement is made of (`camt.054`).
    Notification,
}

/// Who takes the lines of a file, one by one, with the index of their statement.
pub type Sink<'a> = &'a mut dyn FnMut(usize, Line);

/// One statement of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is.
    pub kind: Kind,
    /// The bank's name for it (`Stmt/Id`).
    pub id: String,
    /// The electronic sequence number, else the legal one.
    pub sequence: Option<u64>,
    /// The account: an IBAN without blanks, or the bank's own number.
    pub account: String,
    /// Of the account and of every amount here.
    pub currency: Currency,
    /// First day covered, where said.
    pub from_on: Option<NaiveDate>,
    /// Last day covered, where said.
    pub to_on: Option<NaiveDate>,
    /// Booked balance before the lines (`OPBD`, else `PRCD`; of a page, `ITBD`).
    pub opening: Option<Balance>,
    /// Booked balance after the lines (`CLBD`; of a page, `ITBD`).
    pub closing: Option<Balance>,
    /// How many booked lines it has.
    pub line_count: usize,
    /// What they come to.
    pub sum: Minor,
    /// Booked lines, in the order of the file; none where somebody else took them.
    pub lines: Vec<Line>,
    /// Entries that are announced but not booked (pending, information): counted, not read.
    pub unbooked_count: usize,
}

/// A booked balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Negative when we owe the bank.
    pub amount: Minor,
    /// The day it stands for.
    pub on: NaiveDate,
}

/// One movement. A batch that the bank booked in one entry is one line per transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Position of the entry in the statement, from 1; lines of one batch share it.
    pub entry: usize,
    /// The bank's reference of the whole entry, where the line is one of its transactions too.
    pub entry_reference: Option<String>,
    /// Positive when money came in. A reversal carries the sign of the money too: the bank writes it so.
    pub amount: Minor,
    /// When the bank booked it (the value date where the bank says nothing else).
    pub booked_on: NaiveDate,
    /// When it bears interest.
    pub valued_on: Option<NaiveDate>,
    /// The bank's reference: of the transaction, else of the entry.
    pub bank_reference: Option<String>,
    /// What kind of movement it is.
    pub bank_code: Option<BankCode>,
    /// The entry takes an earlier one back.
    pub is_reversal: bool,
    /// Our name for the payment block (`PmtInfId`), when the bank gives it back.
    pub payment_id: Option<String>,
    /// The payer's name for the transfer. `NOTPROVIDED` is none.
    pub end_to_end_id: Option<String>,
    /// The structured reference; further ones of the same transfer are added to `remittance`.
    pub creditor_reference: Option<String>,
    /// The free text, else what the bank wrote about the movement; runs of blanks are one space.
    pub remittance: Option<String>,
    /// Who paid or was paid.
    pub counterparty_name: Option<String>,
    /// Their account, without blanks.
    pub counterparty_iban: Option<String>,
    /// Why the transfer came back (ISO code such as `AC04`, or the bank's own).
    pub return_reason: Option<String>,
}

/// The bank transaction code (ISO 20022 external code list), as in `PMNT` `RCDT` `ESCT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankCode {
    /// `PMNT`: payments.
    pub domain: String,
    /// `RCDT`: received credit transfers.
    pub family: String,
    /// `ESCT`: SEPA credit transfer.
    pub sub_family: String,
}

/// Reads the statements of a file, in whichever form it is, with their lines.
///
/// # Errors
/// Refuses what is no statement within the limits, and what does not add up. See [`Refused`].
pub fn read(bytes: &[u8], limits: Limits) -> Result<Vec<Statement>, Refused> {
    let mut lines: Vec<Vec<Line>> = Vec::new();
    let mut statements = read_from(bytes, Form::of(bytes), limits, &mut |index, line| {
        if lines.len() <= index {
            lines.resize(index.saturating_add(1), Vec::new());
        }
        if let Some(lines) = lines.get_mut(index) {
            lines.push(line);
        }
    })?;
    for (statement, lines) in statements.iter_mut().zip(lines) {
        statement.lines = lines;
    }
    Ok(statements)
}

/// Reads the statements of a file of any size as it comes: `sink` takes each line, and the answer has none.
///
/// # Errors
/// As [`read`]. The sink may have seen lines of a file that is refused.
pub fn read_from(input: impl BufRead, form: Form, limits: Limits, sink: Sink<'_>) -> Result<Vec<Statement>, Refused> {
    match form {
        Form::Coda => coda::statements(input, limits, sink),
        Form::Camt => camt::statements(input, limits, sink),
    }
}

/// Reads a table of text of any size as it comes, as its profile says.
///
/// # Errors
/// As [`read`]; also when the running balances hold in neither order of time.
pub fn read_table(
    input: impl BufRead,
    of: &CsvReading,
    limits: Limits,
    sink: Sink<'_>,
) -> Result<Vec<Statement>, Refused> {
    csv::statement(input, of, limits, sink).map(|statement| vec![statement])
}

/// A stable text for finding a line that was imported before: SHA-256 in hexadecimal over the booking date, the amount,
/// the bank's reference, the end-to-end id, the structured reference, the counterparty's account and the text.
///
/// Two real payments can have one fingerprint: count occurrences within a statement before calling one a duplicate.
#[must_use]
pub fn fingerprint(line: &Line) -> String {
    let booked_on = line.booked_on.to_string();
    let amount = line.amount.get().to_string();
    let parts = [
        Some(booked_on.as_str()),
        Some(amount.as_str()),
        line.bank_reference.as_deref(),
        line.end_to_end_id.as_deref(),
        line.creditor_reference.as_deref(),
        line.counterparty_iban.as_deref(),
        line.remittance.as_deref(),
    ];
    let mut hash = Sha256::new();
    for part in parts {
        // Lengths keep "ab" + "c" apart from "a" + "bc", and an empty text apart from none.
        match part {
            Some(text) => hash.update(format!("{}:{text};", text.len())),
            None => hash.update("-;"),
        }
    }
    let mut fingerprint = String::with_capacity(64);
    for byte in hash.finalize() {
        let _infallible = write!(fingerprint, "{byte:02x}");
    }
    fingerprint
}

/// The arithmetic of the bank itself, the first thing an altered or incomplete file breaks. A balance that the bank left
/// out follows from the other one.
fn complete(statement: &mut Statement, at: &str) -> Result<(), Refused> {
    let out_of_range = |_overflow| sum_out_of_range(at);
    let sum = statement.sum;
    match (statement.opening, statement.closing) {
        (Some(opening), Some(closing)) if opening.amount.plus(sum).map_err(out_of_range)? == closing.amount => Ok(()),
        (Some(opening), Some(closing)) => Err(Refused::DoesNotBalance {
            at: at.to_owned(),
            opening: opening.amount,
            entries: sum,
            closing: closing.amount,
            currency: statement.currency,
        }),
        (None, Some(closing)) => {
            let on = statement.from_on.unwrap_or(closing.on).min(closing.on);
            statement.opening = Some(Balance { amount: closing.amount.minus(sum).map_err(out_of_range)?, on });
            Ok(())
        }
        (Some(opening), None) => {
            let on = statement.to_on.unwrap_or(opening.on).max(opening.on);
            statement.closing = Some(Balance { amount: opening.amount.plus(sum).map_err(out_of_range)?, on });
            Ok(())
        }
        (None, None) => Ok(()),
    }
}

/// Whether a reference is one of the words that banks write where there is none.
fn says_none(reference: &str) -> bool {
    let word: String = reference.split_whitespace().collect::<String>().to_ascii_uppercase();
    matches!(word.as_str(), "NOTPROVIDED" | "NONREF" | "NOREF" | "UNKNOWN")
}

fn sum_out_of_range(at: &str) -> Refused {
    Refused::AmountInvalid { at: at.to_owned(), text: "sum out of range".to_owned() }
}

#[cfg(test)]
mod camt_tests;
#[cfg(test)]
mod coda_tests;
#[cfg(test)]
mod variants_tests;
