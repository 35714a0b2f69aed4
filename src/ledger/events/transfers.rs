//! Money that moves between activities, and keeps its origin.

use super::{Booking, overflow};
use crate::kernel::ids::{ActivityId, InvoiceId, PersonId, TransferId};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::entry::{Account, Dimensions, Entry, Event, Source, credit, debit};

/// One end of a transfer.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// The activity.
    pub activity: ActivityId,
    /// Who manages it, and sees the lines about it.
    pub member: PersonId,
}

/// What moves.
#[derive(Debug, Clone, Copy)]
pub enum Moved<'a> {
    /// Money that waits for an invoice, and goes on waiting for it.
    Pending(InvoiceId, Minor),
    /// Available money, and which part of it the guarantee advanced on which invoice.
    Available(Minor, &'a [(InvoiceId, Minor)]),
}

/// Money moved from one activity to another of the same entity: no fee, the origin kept.
///
/// # Errors
/// As all events; refuses advances of more than moves.
pub fn transferred(at: Booking, transfer: TransferId, from: End, to: End, moved: Moved<'_>) -> Result<Entry, Refusal> {
    let about = |end: End, invoice| Dimensions {
        activity: Some(end.activity),
        owner: Some(end.member),
        invoice,
        ..Dimensions::default()
    };
    let mut postings = Vec::new();
    match moved {
        Moved::Pending(invoice, amount) => {
            postings.push(debit(Account::FundsPending, amount, &about(from, Some(invoice)))?);
            postings.push(credit(Account::FundsPending, amount, &about(to, Some(invoice)))?);
        }
        Moved::Available(amount, advances) => {
            postings.push(debit(Account::FundsAvailable, amount, &about(from, None))?);
            postings.push(credit(Account::FundsAvailable, amount, &about(to, None))?);
            let carried = Minor::sum(advances.iter().map(|(_, part)| *part)).map_err(overflow)?;
            if carried > amount {
                return Err(Refusal::value("amount_invalid"));
            }
            for (invoice, part) in advances {
                postings.push(credit(Account::MemoAdvances, *part, &about(from, Some(*invoice)))?);
                postings.push(debit(Account::MemoAdvances, *part, &about(to, Some(*invoice)))?);
            }
        }
    }
    let fact = (Event::Transferred, Source::Transfer(transfer));
    Entry::new(at.entity, at.on, fact, at.currency, Some(from.member), postings)
}
