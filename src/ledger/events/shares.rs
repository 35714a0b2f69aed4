//! What shares book after they were paid.

use super::{Booking, overflow};
use crate::kernel::ids::{BankLineId, PersonId, RedemptionId};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::entry::{Account, Dimensions, Entry, Event, Source, credit, debit};

/// What a member gives back.
#[derive(Debug, Clone, Copy)]
pub struct RedeemedShare {
    /// The redemption.
    pub redemption: RedemptionId,
    /// Whose share it was.
    pub member: PersonId,
    /// What was paid for it.
    pub nominal: Minor,
    /// What it is worth; not more than was paid for it.
    pub value: Minor,
}

/// A share is capital no more: its value is owed to the member, what it is worth less covers the loss behind it.
///
/// # Errors
/// As all events.
pub fn share_redeemed(at: Booking, it: RedeemedShare) -> Result<Entry, Refusal> {
    let about = Dimensions { member: Some(it.member), ..Dimensions::default() };
    let kept = it.nominal.minus(it.value).map_err(overflow)?;
    let postings = [
        debit(Account::ShareCapital, it.nominal, &about)?,
        credit(Account::RedemptionPayable, it.value, &about)?,
        credit(Account::RetainedSurplus, kept, &about)?,
    ];
    let fact = (Event::ShareRedeemed, Source::Redemption(it.redemption));
    Entry::new(at.entity, at.on, fact, at.currency, Some(it.member), postings)
}

/// The bank paid what was owed for a share.
///
/// # Errors
/// As all events.
pub fn redemption_paid(
    at: Booking,
    redemption: RedemptionId,
    member: PersonId,
    amount: Minor,
    line: BankLineId,
) -> Result<Entry, Refusal> {
    let about = Dimensions { member: Some(member), ..Dimensions::default() };
    let bank = Dimensions { bank_line: Some(line), ..Dimensions::default() };
    let postings = [debit(Account::RedemptionPayable, amount, &about)?, credit(Account::BankSuspense, amount, &bank)?];
    let fact = (Event::RedemptionPaid, Source::Redemption(redemption));
    Entry::new(at.entity, at.on, fact, at.currency, Some(member), postings)
}
