//! Contributions that the fund owes: a credit note gave back what it did not hold any more. A part of the desk.
//!
//! A credit note is always possible. The fund gives what it holds and nobody else is owed; the activity bears the rest
//! meanwhile and is owed it. What the fund receives later goes there first, the oldest first, before any draw: the
//! worker looks every day, and draws leave untouched what is owed here.

use chrono::NaiveDate;
use uuid::Uuid;

use super::store::{self, ContributionOwedRow};
use super::{balance, lock_fund, rules};
use crate::kernel::ids::{ActivityId, ClientId, ContributionReturnId, EntityId, InvoiceId, PersonId};
use crate::kernel::money::{Currency, Minor};
use crate::ledger::{self, events};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// How many debts of the fund one transaction returns.
const RETURNS_AT_ONCE: i64 = 500;

/// A part of a contribution that the fund cannot return yet.
#[derive(Debug, Clone, Copy)]
pub struct NewContributionOwed {
    /// Whose fund.
    pub entity: EntityId,
    /// Given back by this credit note.
    pub credit_note: InvoiceId,
    /// Of this invoice.
    pub invoice: InvoiceId,
    /// On this activity.
    pub activity: ActivityId,
    /// Of this member.
    pub member: PersonId,
    /// Its client.
    pub client: ClientId,
    /// How much, above zero.
    pub amount: Minor,
    /// In which currency.
    pub currency: Currency,
    /// The day of the credit note.
    pub on: NaiveDate,
}

/// What the fund may give for anything new: what it holds, less what it owes to activities. Whoever takes it holds the
/// fund.
///
/// # Errors
/// Fails with the database.
pub fn free_balance(tx: &mut Tx<'_>, entity: EntityId) -> Result<Minor> {
    let owed = store::sum_owed(tx, entity)?;
    Ok(balance(tx, entity)?.minus(owed)?.max(Minor::ZERO))
}

/// What the fund of an entity owes to activities. A sum: anybody may read it.
///
/// # Errors
/// Fails with the database.
pub fn contributions_owed(tx: &mut Tx<'_>, entity: EntityId) -> Result<Minor> {
    store::sum_owed(tx, entity)
}

/// What the documents of an invoice gave back of its contribution that the fund did not hold on that day.
///
/// # Errors
/// Fails with the database.
pub fn contribution_owed_of(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Minor> {
    store::sum_owed_of(tx, invoice)
}

/// Remembers what the fund could not return. The caller holds the fund.
///
/// # Errors
/// Fails with the database.
pub fn owe_contribution(tx: &mut Tx<'_>, new: &NewContributionOwed) -> Result<()> {
    store::insert_owed(tx, new)
}

/// What the fund owes, newest first: to the signed-in member, or all of it for the office.
///
/// # Errors
/// Fails with the database.
pub fn owed_contributions(
    tx: &mut Tx<'_>,
    is_open: bool,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ContributionOwedRow>> {
    store::list_owed(tx, is_open, after, limit)
}

/// Returns what the fund owes and now holds, the oldest first. Answers how many debts that paid, in full or in part.
///
/// Everything is posted in one statement, which locks the balances of the activities in the order of their ids.
///
/// # Errors
/// 409 `period_closed`; fails with the database.
pub fn return_contributions(tx: &mut Tx<'_>, entity: EntityId, on: NaiveDate) -> Result<usize> {
    if store::sum_owed(tx, entity)? == Minor::ZERO {
        return Ok(0);
    }
    lock_fund(tx, entity)?;
    let owed = store::list_open_owed(tx, entity, RETURNS_AT_ONCE)?;
    let amounts = owed.iter().map(ContributionOwedRow::open).collect::<Result<Vec<_>>>()?;
    let parts = rules::in_turn(balance(tx, entity)?, &amounts)?;
    let mut entries = Vec::with_capacity(parts.len());
    for (owed, amount) in owed.iter().zip(parts).filter(|(_, amount)| *amount > Minor::ZERO) {
        let id: ContributionReturnId = tx.new_id();
        store::insert_return(tx, id, owed, amount, on)?;
        let at = events::Booking { entity, on, currency: owed.currency };
        let of = events::InvoiceFunds {
            invoice: owed.invoice_id,
            activity: owed.activity_id,
            member: owed.member_id,
            client: owed.client_id,
        };
        entries.push(events::contribution_returned(at, id, of, amount)?);
    }
    ledger::post_all(tx, &entries)?;
    Ok(entries.len())
}

impl ContributionOwedRow {
    /// What of it is not returned yet.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn open(&self) -> Result<Minor> {
        Ok(self.amount_minor.minus(self.returned_minor)?)
    }
}
