//! What a credit note books: its invoice reversed, in the shares that were booked.

use super::super::entry::{Account, Dimensions, Entry, Event, Source, credit, debit};
use super::{Booking, InvoiceFunds, charged, overflow};
use crate::kernel::ids::{ActivityId, InvoiceId, PersonId};
use crate::kernel::levies::LevyKind;
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::kernel::vat::VatCase;
use crate::ledger::Held;

/// What `credit_note_issued` books. Every amount is positive.
#[derive(Debug, Clone, Copy)]
pub struct CreditNote<'a> {
    /// The credit note.
    pub credit_note: InvoiceId,
    /// The invoice that it corrects: whose receivable it lowers.
    pub of: InvoiceFunds,
    /// Without VAT.
    pub net: Minor,
    /// With VAT.
    pub gross: Minor,
    /// VAT by case.
    pub taxes: &'a [(VatCase, Minor)],
    /// What the mutual gives back.
    pub levies: &'a [(LevyKind, Minor)],
    /// What is taken out of what waits of the invoice on its activity.
    pub pending: Minor,
    /// What the activity is charged beyond that.
    pub charged: Minor,
    /// What of the contribution the fund does not hold: the activity bears it until the fund returns it.
    pub short: Minor,
    /// What the activity has available; locked in this transaction.
    pub available: Minor,
    /// What waits no longer, because the client owes nothing any more: by activity and its member.
    pub freed: &'a [(ActivityId, PersonId, Minor)],
    /// By how much the open advance shrinks: by activity that holds a part of it and its member.
    pub advance_closed: &'a [Held],
}

/// A credit note was issued.
///
/// # Errors
/// As all events.
pub fn credit_note_issued(at: Booking, it: CreditNote<'_>) -> Result<Entry, Refusal> {
    let about = it.of.about();
    let mut postings = vec![debit(Account::Turnover, it.net, &about)?];
    for (case, tax) in it.taxes {
        let about = Dimensions { tax_code: Some(case.name().to_owned()), ..about.clone() };
        postings.push(debit(Account::VatOutput, *tax, &about)?);
    }
    postings.push(credit(Account::Receivable, it.gross, &about)?);
    let mut short = it.short;
    for (kind, amount) in it.levies {
        let (income, amount) = match kind {
            LevyKind::Fee => (Account::FeeIncome, *amount),
            LevyKind::Guarantee => {
                let missing = short.min(*amount);
                short = short.minus(missing).map_err(overflow)?;
                (Account::GuaranteeFund, amount.minus(missing).map_err(overflow)?)
            }
        };
        postings.push(debit(income, amount, &about)?);
    }
    postings.push(debit(Account::FundsPending, it.pending, &about)?);
    postings.extend(charged(it.available, it.charged.plus(it.short).map_err(overflow)?, &about)?);
    postings.push(credit(Account::MemberCost, it.net, &about)?);
    for (activity, owner, amount) in it.freed {
        let about = Dimensions { activity: Some(*activity), owner: Some(*owner), ..about.clone() };
        postings.push(debit(Account::FundsPending, *amount, &about)?);
        postings.push(credit(Account::FundsAvailable, *amount, &about)?);
    }
    for held in it.advance_closed {
        let about = Dimensions { activity: Some(held.activity), owner: Some(held.member), ..about.clone() };
        postings.push(debit(Account::MemoAdvancesContra, held.amount, &about)?);
        postings.push(credit(Account::MemoAdvances, held.amount, &about)?);
    }
    let fact = (Event::CreditNoteIssued, Source::Invoice(it.credit_note));
    Entry::new(at.entity, at.on, fact, at.currency, Some(it.of.member), postings)
}
