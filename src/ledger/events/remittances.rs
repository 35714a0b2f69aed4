//! What is owed to offices, and paid to them.

use super::{Arrival, Booking, overflow};
use crate::kernel::ids::RemittanceId;
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::entry::{Account, Dimensions, Entry, Event, Posting, Source, credit, debit};

/// A payment to an office.
#[derive(Debug, Clone, Copy)]
pub struct Remitted {
    /// Its id.
    pub id: RemittanceId,
    /// What is owed.
    pub account: Account,
    /// How much of it.
    pub amount: Minor,
}

impl Remitted {
    fn entry(&self, at: Booking, event: Event, postings: [Posting; 2]) -> Result<Entry, Refusal> {
        Entry::new(at.entity, at.on, (event, Source::Remittance(self.id)), at.currency, None, postings)
    }
}

/// It was sent to the bank.
///
/// # Errors
/// As all events.
pub fn remittance_released(at: Booking, it: &Remitted) -> Result<Entry, Refusal> {
    let none = Dimensions::default();
    let postings = [debit(it.account, it.amount, &none)?, credit(Account::RemittancesInTransit, it.amount, &none)?];
    it.entry(at, Event::RemittanceReleased, postings)
}

/// The bank carried it out.
///
/// # Errors
/// As all events.
pub fn remittance_settled(at: Booking, it: &Remitted, from: Arrival) -> Result<Entry, Refusal> {
    let left = from.posting(it.amount.negated().map_err(overflow)?)?;
    let postings = [debit(Account::RemittancesInTransit, it.amount, &Dimensions::default())?, left];
    it.entry(at, Event::RemittanceSettled, postings)
}

/// The bank gave it back: it is owed as before.
///
/// # Errors
/// As all events.
pub fn remittance_returned(at: Booking, it: &Remitted, from: Arrival) -> Result<Entry, Refusal> {
    let postings = [from.posting(it.amount)?, credit(it.account, it.amount, &Dimensions::default())?];
    it.entry(at, Event::RemittanceReturned, postings)
}

/// It never left: it is owed as before.
///
/// # Errors
/// As all events.
pub fn remittance_stopped(at: Booking, it: &Remitted) -> Result<Entry, Refusal> {
    let none = Dimensions::default();
    let postings = [debit(Account::RemittancesInTransit, it.amount, &none)?, credit(it.account, it.amount, &none)?];
    it.entry(at, Event::RemittanceStopped, postings)
}
