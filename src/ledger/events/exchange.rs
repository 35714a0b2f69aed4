//! What arrives in euro is not what was booked, because the rate of a foreign currency moved.

use super::{Booking, InvoiceFunds, charged, overflow};
use crate::kernel::ids::{BankLineId, ExchangeDifferenceId};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::Held;
use crate::ledger::entry::{Account, Entry, Event, Posting, Source, credit, debit};

/// What one holder of an invoice's money bears of a loss.
#[derive(Debug, Clone, Copy)]
pub struct Borne {
    /// Who, and how much.
    pub part: Held,
    /// What waits of the invoice on that activity: first it bears the loss, the rest becomes available.
    pub pending: Minor,
    /// What the activity has available, locked.
    pub available: Minor,
}

/// What `exchange_settled` books of a loss.
#[derive(Debug, Clone, Copy)]
pub struct ExchangeLoss<'a> {
    /// The fact.
    pub id: ExchangeDifferenceId,
    /// The invoice, of which nothing is open any more.
    pub of: InvoiceFunds,
    /// What will not arrive.
    pub amount: Minor,
    /// Who bears it; together the amount.
    pub borne: &'a [Borne],
    /// The advances that it closes, by holder.
    pub advances_closed: &'a [Held],
}

/// Less arrived than was booked: the rest of the invoice is closed.
///
/// # Errors
/// As all events.
pub fn exchange_lost(at: Booking, it: ExchangeLoss<'_>) -> Result<Entry, Refusal> {
    let about = it.of.about();
    let mut postings =
        vec![debit(Account::ExchangeResult, it.amount, &about)?, credit(Account::Receivable, it.amount, &about)?];
    for borne in it.borne {
        let about = it.of.about_held(&borne.part);
        let taken = borne.part.amount.min(borne.pending);
        let freed = borne.pending.minus(taken).map_err(overflow)?;
        let rest = borne.part.amount.minus(taken).map_err(overflow)?;
        postings.push(debit(Account::FundsPending, borne.pending, &about)?);
        postings.push(credit(Account::FundsAvailable, freed, &about)?);
        postings.extend(charged(borne.available, rest, &about)?);
        postings.push(credit(Account::MemberCost, borne.part.amount, &about)?);
    }
    for part in it.advances_closed {
        let about = it.of.about_held(part);
        postings.push(debit(Account::MemoAdvancesContra, part.amount, &about)?);
        postings.push(credit(Account::MemoAdvances, part.amount, &about)?);
    }
    entry(at, it.id, it.of, postings)
}

/// What `exchange_settled` books of a gain.
#[derive(Debug, Clone, Copy)]
pub struct ExchangeGain<'a> {
    /// The fact.
    pub id: ExchangeDifferenceId,
    /// The invoice.
    pub of: InvoiceFunds,
    /// The line of the bank that brought it.
    pub line: BankLineId,
    /// What arrived beyond the invoice.
    pub amount: Minor,
    /// Whose it is; together the amount.
    pub parts: &'a [Held],
}

/// More arrived than was booked: it belongs to those who hold the money of the invoice.
///
/// # Errors
/// As all events.
pub fn exchange_gained(at: Booking, it: ExchangeGain<'_>) -> Result<Entry, Refusal> {
    let about = it.of.about();
    let arrival = super::Arrival::Suspense(it.line);
    let mut postings = vec![arrival.posting(it.amount)?, credit(Account::ExchangeResult, it.amount, &about)?];
    for part in it.parts {
        let about = it.of.about_held(part);
        postings.push(debit(Account::MemberCost, part.amount, &about)?);
        postings.push(credit(Account::FundsAvailable, part.amount, &about)?);
    }
    entry(at, it.id, it.of, postings)
}

fn entry(at: Booking, id: ExchangeDifferenceId, of: InvoiceFunds, postings: Vec<Posting>) -> Result<Entry, Refusal> {
    let fact = (Event::ExchangeSettled, Source::ExchangeDifference(id));
    Entry::new(at.entity, at.on, fact, at.currency, Some(of.member), postings)
}
