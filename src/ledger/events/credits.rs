//! Money of clients that no invoice asks for, and what banks charge.

use super::Booking;
use crate::kernel::ids::{
    BankChargeId, BankLineId, ClientCreditId, ClientCreditUseId, ClientId, ClientRefundId, PersonId,
};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::entry::{Account, Dimensions, Entry, Event, Source, credit, debit};

/// Money that is kept for a client.
#[derive(Debug, Clone, Copy)]
pub struct KeptFor {
    /// The client.
    pub client: ClientId,
    /// Whose client that is.
    pub member: PersonId,
    /// The line of the bank that brought it.
    pub line: BankLineId,
}

impl KeptFor {
    fn about(self) -> Dimensions {
        Dimensions {
            client: Some(self.client),
            member: Some(self.member),
            bank_line: Some(self.line),
            ..Dimensions::default()
        }
    }
}

fn of_line(line: BankLineId) -> Dimensions {
    Dimensions { bank_line: Some(line), ..Dimensions::default() }
}

/// What waits of a line is kept for a client.
///
/// # Errors
/// As all events.
pub fn client_credited(at: Booking, id: ClientCreditId, of: KeptFor, amount: Minor) -> Result<Entry, Refusal> {
    let postings =
        [debit(Account::BankSuspense, amount, &of_line(of.line))?, credit(Account::ClientCredit, amount, &of.about())?];
    let fact = (Event::ClientCredited, Source::ClientCredit(id));
    Entry::new(at.entity, at.on, fact, at.currency, Some(of.member), postings)
}

/// A part of it waits with its line again, because it pays an invoice.
///
/// # Errors
/// As all events.
pub fn client_credit_used(at: Booking, id: ClientCreditUseId, of: KeptFor, amount: Minor) -> Result<Entry, Refusal> {
    let postings =
        [debit(Account::ClientCredit, amount, &of.about())?, credit(Account::BankSuspense, amount, &of_line(of.line))?];
    let fact = (Event::ClientCreditUsed, Source::ClientCreditUse(id));
    Entry::new(at.entity, at.on, fact, at.currency, Some(of.member), postings)
}

/// A part of it was given back with a line that left the account.
///
/// # Errors
/// As all events.
pub fn client_refunded(
    at: Booking,
    id: ClientRefundId,
    of: KeptFor,
    amount: Minor,
    by: BankLineId,
) -> Result<Entry, Refusal> {
    let postings =
        [debit(Account::ClientCredit, amount, &of.about())?, credit(Account::BankSuspense, amount, &of_line(by))?];
    let fact = (Event::ClientRefunded, Source::ClientRefund(id));
    Entry::new(at.entity, at.on, fact, at.currency, Some(of.member), postings)
}

/// Nothing of it was used, and it was not to be kept: it waits with its line again.
///
/// # Errors
/// As all events.
pub fn client_credit_withdrawn(at: Booking, id: ClientCreditId, of: KeptFor, amount: Minor) -> Result<Entry, Refusal> {
    let postings =
        [debit(Account::ClientCredit, amount, &of.about())?, credit(Account::BankSuspense, amount, &of_line(of.line))?];
    let fact = (Event::ClientCreditWithdrawn, Source::ClientCredit(id));
    Entry::new(at.entity, at.on, fact, at.currency, Some(of.member), postings)
}

/// The bank took `amount` with a line, or paid it when it is negative.
///
/// # Errors
/// As all events.
pub fn bank_charged(at: Booking, id: BankChargeId, line: BankLineId, amount: Minor) -> Result<Entry, Refusal> {
    let about = of_line(line);
    let postings = [debit(Account::BankCharges, amount, &about)?, credit(Account::BankSuspense, amount, &about)?];
    Entry::new(at.entity, at.on, (Event::BankCharged, Source::BankCharge(id)), at.currency, None, postings)
}

/// That was no charge: the money waits with its line again.
///
/// # Errors
/// As all events.
pub fn bank_charge_reversed(at: Booking, id: BankChargeId, line: BankLineId, amount: Minor) -> Result<Entry, Refusal> {
    let about = of_line(line);
    let postings = [debit(Account::BankSuspense, amount, &about)?, credit(Account::BankCharges, amount, &about)?];
    Entry::new(at.entity, at.on, (Event::BankChargeReversed, Source::BankCharge(id)), at.currency, None, postings)
}
