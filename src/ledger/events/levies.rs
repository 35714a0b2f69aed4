//! Levies that no document carries, and debts of activities.

use super::{Booking, charged, overflow};
use crate::kernel::ids::{ActivityId, ArrearsId, ChargeId, ClientId, InvoiceId, PersonId};
use crate::kernel::levies::LevyKind;
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::Held;
use crate::ledger::entry::{Account, Dimensions, Entry, Event, Source, credit, debit};

/// Where a levy goes.
pub(super) const fn income(kind: LevyKind) -> Account {
    match kind {
        LevyKind::Fee => Account::FeeIncome,
        LevyKind::Guarantee => Account::GuaranteeFund,
    }
}

/// A levy as it is booked.
#[derive(Debug, Clone, Copy)]
pub struct LevyFact {
    /// Its row.
    pub charge: ChargeId,
    /// What it is for.
    pub kind: LevyKind,
    /// Who pays it.
    pub activity: ActivityId,
    /// Whose activity that is.
    pub member: PersonId,
    /// What it comes to; negative when it is given back.
    pub amount: Minor,
}

/// What a levy is taken from. Balances are locked in this transaction.
#[derive(Debug, Clone, Copy)]
pub enum ChargedTo<'a> {
    /// What an invoice still has pending, then what is available, then arrears.
    Invoice {
        /// The invoice that was paid.
        invoice: InvoiceId,
        /// Its client.
        client: ClientId,
        /// What each activity that holds a part of it bears.
        held: &'a [Held],
        /// What the activity has available.
        available: Minor,
    },
    /// What the activity has available, then arrears.
    Activity {
        /// What the activity has available.
        available: Minor,
    },
}

/// A levy was taken on a payment, a cost or a month.
///
/// # Errors
/// As all events.
pub fn levy_charged(at: Booking, it: LevyFact, to: ChargedTo<'_>) -> Result<Entry, Refusal> {
    let own = Dimensions { activity: Some(it.activity), member: Some(it.member), ..Dimensions::default() };
    let mut postings = Vec::new();
    let (rest, available) = match to {
        ChargedTo::Invoice { invoice, client, held, available } => {
            for part in held {
                let about = Dimensions {
                    activity: Some(part.activity),
                    member: Some(part.member),
                    owner: Some(part.member),
                    invoice: Some(invoice),
                    client: Some(client),
                    ..Dimensions::default()
                };
                postings.push(debit(Account::FundsPending, part.amount, &about)?);
            }
            let taken = Minor::sum(held.iter().map(|part| part.amount)).map_err(overflow)?;
            (it.amount.minus(taken).map_err(overflow)?, available)
        }
        ChargedTo::Activity { available } => (it.amount, available),
    };
    if rest < Minor::ZERO {
        postings.push(debit(Account::FundsAvailable, rest, &own)?);
    } else {
        postings.extend(charged(available, rest, &own)?);
    }
    postings.push(credit(income(it.kind), it.amount, &own)?);
    let fact = (Event::LevyCharged, Source::LevyCharge(it.charge));
    Entry::new(at.entity, at.on, fact, at.currency, Some(it.member), postings)
}

/// An activity paid what it owed.
///
/// # Errors
/// As all events.
pub fn arrears_settled(
    at: Booking,
    settlement: ArrearsId,
    activity: ActivityId,
    member: PersonId,
    amount: Minor,
) -> Result<Entry, Refusal> {
    let about = Dimensions { activity: Some(activity), member: Some(member), ..Dimensions::default() };
    let postings = [debit(Account::FundsAvailable, amount, &about)?, credit(Account::ActivityArrears, amount, &about)?];
    let fact = (Event::ArrearsSettled, Source::ArrearsSettlement(settlement));
    Entry::new(at.entity, at.on, fact, at.currency, Some(member), postings)
}
