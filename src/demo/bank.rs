//! The bank, played by its own file format: a statement follows the one before.

use chrono::{DateTime, NaiveDate, Utc};

use super::DemoError;
use crate::formats::bank_statement::{Balance, Kind, Line, Statement, write};
use crate::kernel::money::{Currency, Minor};

/// A bank account with what stands on it.
#[derive(Debug, Clone)]
pub struct Bank {
    iban: String,
    balance: Minor,
    sequence: u64,
    lines: Vec<Line>,
}

impl Bank {
    /// An account that holds `balance`.
    #[must_use]
    pub fn new(iban: &str, balance: Minor) -> Self {
        Self { iban: iban.to_owned(), balance, sequence: 0, lines: Vec::new() }
    }

    /// What stands on the account after the lines so far.
    #[must_use]
    pub fn balance(&self) -> Minor {
        self.lines.iter().try_fold(self.balance, |sum, line| sum.plus(line.amount)).unwrap_or_default()
    }

    fn line(&mut self, amount: Minor, on: NaiveDate) -> &mut Line {
        let entry = self.lines.len().saturating_add(1);
        let bank_reference = Some(format!("B{:06}{entry:04}", self.sequence.saturating_add(1)));
        self.lines.push(Line {
            entry,
            entry_reference: None,
            amount,
            booked_on: on,
            valued_on: Some(on),
            bank_reference,
            bank_code: None,
            is_reversal: false,
            payment_id: None,
            end_to_end_id: None,
            creditor_reference: None,
            remittance: None,
            counterparty_name: None,
            counterparty_iban: None,
            return_reason: None,
        });
        let last = entry.saturating_sub(1);
        // The line was pushed just now.
        #[expect(clippy::indexing_slicing, reason = "the index is that of the line pushed above")]
        &mut self.lines[last]
    }

    /// Money comes in with a structured reference.
    pub fn receives(&mut self, amount: Minor, reference: &str, from: &str, on: NaiveDate) {
        let line = self.line(amount, on);
        line.creditor_reference = Some(reference.chars().filter(char::is_ascii_digit).collect());
        line.counterparty_name = Some(from.to_owned());
    }

    /// Money comes in that nobody expected.
    pub fn receives_unknown(&mut self, amount: Minor, text: &str, on: NaiveDate) {
        let line = self.line(amount, on);
        line.remittance = Some(text.to_owned());
    }

    /// A transfer of ours is carried out.
    pub fn pays(&mut self, amount: Minor, end_to_end_id: &str, on: NaiveDate) {
        let amount = amount.negated().unwrap_or_default();
        self.line(amount, on).end_to_end_id = Some(end_to_end_id.to_owned());
    }

    /// A transfer of ours comes back.
    pub fn returns(&mut self, amount: Minor, end_to_end_id: &str, reason: &str, on: NaiveDate) {
        let line = self.line(amount, on);
        line.end_to_end_id = Some(end_to_end_id.to_owned());
        line.return_reason = Some(reason.to_owned());
    }

    /// The statement of the lines so far, as a camt.053 file.
    ///
    /// # Errors
    /// Fails for amounts out of range.
    pub fn statement(&mut self, on: NaiveDate, now: DateTime<Utc>) -> Result<Vec<u8>, DemoError> {
        let opening = self.balance;
        let closing = self.balance();
        self.sequence = self.sequence.saturating_add(1);
        let statement = Statement {
            kind: Kind::Statement,
            line_count: self.lines.len(),
            sum: closing.minus(opening).unwrap_or_default(),
            id: format!(
                "{}-{:05}",
                self.iban.get(self.iban.len().saturating_sub(4)..).unwrap_or_default(),
                self.sequence
            ),
            sequence: Some(self.sequence),
            account: self.iban.clone(),
            currency: Currency::EUR,
            from_on: Some(on),
            to_on: Some(on),
            opening: Some(Balance { amount: opening, on }),
            closing: Some(Balance { amount: closing, on }),
            lines: std::mem::take(&mut self.lines),
            unbooked_count: 0,
        };
        self.balance = closing;
        write(&format!("BANK{:06}", self.sequence), now, &[statement])
            .map_err(|error| DemoError::new(error.to_string()))
    }
}
