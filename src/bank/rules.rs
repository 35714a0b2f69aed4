//! What is acceptable as a statement, and which document each of its lines belongs to. Only what is certain is
//! matched: an exact amount under our own id, or a reference with a valid check. The rest waits for a person.

mod guesses;

use chrono::NaiveDate;

use super::store::{LineRow, StatementRow};
use crate::formats::bank_statement::{self, Balance, Line};
use crate::kernel::ids::{
    BankAccountId, BankLineId, EntityId, InvoiceId, PayoutId, RemittanceId, ShareId, StatementId,
};
use crate::kernel::money::{Currency, Minor, to_plain};
use crate::kernel::references::Ogm;
use crate::kernel::refusal::Refusal;
use crate::payouts::PayoutState;
use crate::payouts::remittances::RemittanceRow;
pub(super) use guesses::payer;
pub use guesses::{Candidate, Guess, GuessReason, guesses};

/// As the tables keep them; ISO 20022 allows 35 to 140 for these.
const SHORT_MAX: usize = 140;
/// Banks join up to some tens of text lines of 140.
const TEXT_MAX: usize = 2_000;

/// A statement that says what we need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Booked balance before the lines.
    pub opening: Balance,
    /// Booked balance after the lines.
    pub closing: Balance,
}

/// Reads the frame of the `n`-th statement of a file.
///
/// The reader checks that opening + lines = closing only when both are there; we need both, because the books
/// of a bank account are its last closing balance.
pub(super) fn frame(statement: &bank_statement::Statement, n: usize, currency: Currency) -> Result<Frame, Refusal> {
    let missing = |element: &str| Refusal::value("statement_field_missing").with("at", format!("Stmt[{n}]/{element}"));
    if !(1..=SHORT_MAX).contains(&statement.id.chars().count()) || statement.id.chars().any(char::is_control) {
        return Err(missing("Id"));
    }
    if statement.currency != currency {
        return Err(Refusal::value("statement_currency_differs")
            .with("at", format!("Stmt[{n}]/Acct/Ccy"))
            .with("expected", currency)
            .with("found", statement.currency));
    }
    let opening = statement.opening.ok_or_else(|| missing("Bal[OPBD]"))?;
    let closing = statement.closing.ok_or_else(|| missing("Bal[CLBD]"))?;
    Ok(Frame { opening, closing })
}

/// A statement opens where the one before it closed, so that nothing is missing in between.
pub(super) fn follows(previous: Option<&StatementRow>, frame: Frame) -> Result<(), Refusal> {
    match previous {
        Some(previous) if previous.closing_minor != frame.opening.amount => {
            let plain = |amount| format!("{} {}", to_plain(amount, previous.currency.exponent()), previous.currency);
            Err(Refusal::state("statement_out_of_order")
                .with("previous", &previous.reference)
                .with("previous_closing", plain(previous.closing_minor))
                .with("opening", plain(frame.opening.amount)))
        }
        Some(_) | None => Ok(()),
    }
}

/// The day an arrival counts: its own, or the first open one. A closed month takes nothing any more, and a
/// statement that comes late must not be lost.
pub(super) fn counts_on(day: NaiveDate, first_open: Option<NaiveDate>) -> NaiveDate {
    first_open.map_or(day, |first| day.max(first))
}

/// The place of a line in our books.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Its id.
    pub id: BankLineId,
    /// Its statement.
    pub statement: StatementId,
    /// Our account.
    pub account: BankAccountId,
    /// In which currency.
    pub currency: Currency,
}

/// A line as it is kept, before it is matched. `n` and `occurrence` count from 1.
pub(super) fn line(of: &Line, at: Place, n: i32, occurrence: i32, now: chrono::DateTime<chrono::Utc>) -> LineRow {
    let short = |text: &Option<String>| clean(text.as_deref(), SHORT_MAX);
    let iban = of.counterparty_iban.as_deref().unwrap_or_default();
    let last4: Vec<char> = iban.chars().rev().take(4).collect();
    LineRow {
        id: at.id,
        statement_id: at.statement,
        bank_account_id: at.account,
        n,
        state: "suspense".to_owned(),
        booked_on: of.booked_on,
        amount_minor: of.amount,
        currency: at.currency,
        bank_reference: short(&of.bank_reference),
        end_to_end_id: short(&of.end_to_end_id),
        structured_reference: short(&of.creditor_reference),
        remittance: clean(of.remittance.as_deref(), TEXT_MAX),
        counterparty: short(&of.counterparty_name),
        counterparty_iban_last4: clean(Some(&last4.iter().rev().collect::<String>()), 4),
        return_reason: short(&of.return_reason),
        fingerprint: fingerprint(of),
        occurrence,
        matched_kind: None,
        matched_id: None,
        owner_id: None,
        created_at: now,
        version: 1,
    }
}

/// The fingerprint of a line as 32 bytes.
pub(super) fn fingerprint(line: &Line) -> Vec<u8> {
    let hex = bank_statement::fingerprint(line);
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    hex.as_bytes()
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [high, low] => Some(digit(*high)?.wrapping_shl(4) | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// A text of a bank without control characters, cut to what is kept.
fn clean(text: Option<&str>, max: usize) -> String {
    text.unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).take(max).collect()
}

/// The Belgian structured reference of a line: in its own field, or the only one that the text holds.
///
/// Twelve digits inside a longer text may be anything, and one number in 97 has the right check. So inside a
/// text only the printed shape counts, and two different references are none: we do not guess.
pub(super) fn reference(line: &LineRow) -> Option<Ogm> {
    if let Some(found) = Ogm::parse(&line.structured_reference).or_else(|| Ogm::parse(&line.remittance)) {
        return Some(found);
    }
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '+' | '*' | '/');
    let mut found: Vec<Ogm> = line
        .remittance
        .split(|c| !is_part(c))
        .filter(|word| word.contains('/') || word.starts_with(['+', '*']))
        .filter_map(Ogm::parse)
        .collect();
    found.dedup();
    match found.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// Whether a text can be an end-to-end id of ours; saves a question for each line that is not about a payout.
pub(super) fn is_end_to_end_id(text: &str) -> bool {
    (1..=35).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// A payout that carries the line's end-to-end id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PayoutFact {
    /// Which one.
    pub id: PayoutId,
    /// Whose.
    pub entity: EntityId,
    /// What was sent.
    pub amount: Minor,
    /// In which currency.
    pub currency: Currency,
    /// Where it stands.
    pub state: PayoutState,
}

/// An invoice with the line's reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InvoiceFact {
    /// Which one.
    pub id: InvoiceId,
    /// Whose.
    pub entity: EntityId,
    /// In which currency.
    pub currency: Currency,
    /// What is still to be paid.
    pub open: Minor,
    /// Who pays another amount than that.
    pub payer: Payer,
}

/// Who pays another amount than is open of the invoice whose reference they give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payer {
    /// Nothing speaks against it.
    Fits,
    /// They are known as another client, or exactly that is open elsewhere: the reference may be copied from another
    /// transfer.
    MayMeanAnother,
}

/// A share with the line's reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShareFact {
    /// Which one.
    pub id: ShareId,
    /// Whose.
    pub entity: EntityId,
    /// In which currency.
    pub currency: Currency,
    /// Quantity times nominal value; zero when it is paid.
    pub due: Minor,
}

/// What is known about a line.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// The payout with its end-to-end id.
    pub payout: Option<PayoutFact>,
    /// The payment to an office with its end-to-end id.
    pub remittance: Option<RemittanceRow>,
    /// The invoice with its reference.
    pub invoice: Option<InvoiceFact>,
    /// The share with its reference.
    pub share: Option<ShareFact>,
}

/// Where a line belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// The bank carried a payout out.
    SettlePayout(PayoutId),
    /// The bank gave a payout back.
    ReturnPayout(PayoutId),
    /// The bank carried a payment to an office out.
    SettleRemittance(RemittanceId),
    /// The bank gave a payment to an office back.
    ReturnRemittance(RemittanceId),
    /// A client paid: so much of the invoice, and this is left over.
    PayInvoice {
        /// Which one.
        invoice: InvoiceId,
        /// What of it is paid.
        amount: Minor,
        /// What of the line is left.
        rest: Minor,
    },
    /// A member paid a share.
    PayShare(ShareId),
    /// Nothing certain: a person looks.
    Wait,
}

/// Decides where a line of `entity` belongs.
///
/// A payout comes back only after the bank carried it out: as long as no debit was seen, its money is still in
/// transit, and booking a credit against it would say that we never owed it. Such a line waits.
pub(super) fn judge(line: &LineRow, entity: EntityId, facts: &Facts) -> Decision {
    let amount = line.amount_minor;
    if let Some(payout) = facts.payout.as_ref().filter(|it| it.entity == entity && it.currency == line.currency) {
        if payout.state.awaits_bank() && payout.amount.negated() == Ok(amount) {
            return Decision::SettlePayout(payout.id);
        }
        if payout.state == PayoutState::Settled && payout.amount == amount {
            return Decision::ReturnPayout(payout.id);
        }
    }
    if let Some(owed) = facts.remittance.as_ref().filter(|it| it.entity_id == entity && it.currency == line.currency) {
        if owed.state.awaits_bank() && owed.amount_minor.negated() == Ok(amount) {
            return Decision::SettleRemittance(owed.id);
        }
        if owed.state == PayoutState::Settled && owed.amount_minor == amount {
            return Decision::ReturnRemittance(owed.id);
        }
    }
    if amount <= Minor::ZERO {
        return Decision::Wait;
    }
    // A reference may be copied from an older transfer. With the exact amount it is certain; with another one only when
    // nothing else that is open explains the payment.
    if let Some(invoice) = facts.invoice.filter(|it| it.entity == entity && it.currency == line.currency)
        && invoice.open > Minor::ZERO
    {
        if amount != invoice.open && invoice.payer != Payer::Fits {
            return Decision::Wait;
        }
        let paid = amount.min(invoice.open);
        return match amount.minus(paid) {
            Ok(rest) => Decision::PayInvoice { invoice: invoice.id, amount: paid, rest },
            Err(_overflow) => Decision::Wait,
        };
    }
    match facts.share {
        Some(share) if share.entity == entity && share.currency == line.currency && share.due == amount => {
            Decision::PayShare(share.id)
        }
        Some(_) | None => Decision::Wait,
    }
}

/// What of a line nothing explains, given how much of it pays invoices or was recovered of write-offs.
pub(super) fn waiting(line: &LineRow, allocated: Minor) -> Minor {
    match (line.state.as_str(), line.matched_kind.as_deref()) {
        ("suspense", _) => line.amount_minor,
        (_, Some("invoice" | "recovery" | "client_credit")) => line.amount_minor.minus(allocated).unwrap_or_default(),
        _ => Minor::ZERO,
    }
}

/// What left the account with a line that nothing explains, as a positive amount.
///
/// # Errors
/// 409 `bank_line_already_matched`; 422 `bank_line_not_outgoing` for money that came in.
pub(super) fn outgoing(line: &LineRow) -> Result<Minor, Refusal> {
    if line.state != "suspense" {
        return Err(Refusal::state("bank_line_already_matched"));
    }
    match line.amount_minor.negated() {
        Ok(amount) if amount > Minor::ZERO => Ok(amount),
        Ok(_) | Err(_) => Err(Refusal::value("bank_line_not_outgoing")),
    }
}

/// What one person books alone as a charge of the bank or as its interest, in minor units: what a bank takes for a transfer or
/// a month is less, and what is more could hide something else. The database says the same (`bank_charge_needs_two`).
pub(super) const ALONE_MAX: Minor = Minor::new(5_000);

/// Whether one person books a charge alone.
pub(super) fn is_small(amount: Minor) -> bool {
    amount <= ALONE_MAX && amount.plus(ALONE_MAX).is_ok_and(|sum| sum >= Minor::ZERO)
}

/// What the bank kept of a payout that a line carried out or gave back: what it took beyond it, or gave less of it.
///
/// # Errors
/// `payout_amount_differs` for another amount than that of the payout and a small charge.
pub(super) fn kept_on_the_way(line: Minor, sent: Minor) -> Result<Minor, Refusal> {
    let differs = || Refusal::state("payout_amount_differs").with("sent_minor", sent.get());
    let kept = if line < Minor::ZERO { line.negated().and_then(|out| out.minus(sent)) } else { sent.minus(line) };
    let kept = kept.map_err(|_error| differs())?;
    // As much as the payout itself is no charge of it.
    if kept < Minor::ZERO || !is_small(kept) || kept >= sent { Err(differs()) } else { Ok(kept) }
}

/// How much of what waits pays an invoice that a person names.
pub(super) fn allot(line: &LineRow, entity: EntityId, waiting: Minor, invoice: InvoiceFact) -> Result<Minor, Refusal> {
    if waiting == Minor::ZERO {
        return Err(Refusal::state("bank_line_already_matched"));
    }
    if waiting < Minor::ZERO || invoice.entity != entity {
        return Err(Refusal::field("/invoice_id", "not_allowed"));
    }
    if invoice.currency != line.currency {
        return Err(Refusal::value("currency_mismatch"));
    }
    if invoice.open <= Minor::ZERO {
        return Err(Refusal::state("allocation_exceeds"));
    }
    Ok(waiting.min(invoice.open))
}

#[cfg(test)]
mod months_tests;
#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
