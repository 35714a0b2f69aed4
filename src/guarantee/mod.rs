//! The guarantee: who is paid although the client has not paid, why, and out of what.
//!
//! Owns `guarantee_decision` and `guarantee_advance`. Whether an order is covered is decided once, when its client
//! confirms it, and frozen with the reasons; before that it is a forecast. An *advance* is money made available
//! early; a *draw*, when the loss is certain, will be another record beside it.

mod rules;
mod store;

use chrono::NaiveDate;
pub use rules::{Badge, Facts, Reason, ReasonCode};
pub use store::{AdvanceRow, DecisionRow};

use crate::kernel::ids::{ActivityId, AdvanceId, ClientId, EntityId, InvoiceId, OrderId, PersonId, RuleSetId};
use crate::kernel::money::{Currency, Minor};
use crate::ledger::{self, Held, events};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// What the guarantee would say now about an order of a client. A forecast until the client confirms.
///
/// # Errors
/// Fails with the database.
pub fn forecast(tx: &mut Tx<'_>, client: ClientId, facts: &Facts<'_>) -> Result<Vec<Reason>> {
    let exposed = store::exposure(tx, client)?;
    Ok(rules::judge(facts, exposed))
}

/// Decides about a confirmed order, once and for ever.
///
/// # Errors
/// Fails with the database.
pub fn decide(
    tx: &mut Tx<'_>,
    order: OrderId,
    client: ClientId,
    rule_set: RuleSetId,
    facts: &Facts<'_>,
) -> Result<DecisionRow> {
    let reasons = forecast(tx, client, facts)?;
    let eligible = rules::is_covered(&reasons);
    store::insert_decision(tx, order, eligible, &serde_json::to_value(&reasons)?, rule_set)
}

/// The frozen decision about an order, if its client has confirmed it.
///
/// # Errors
/// Fails with the database.
pub fn decision(tx: &mut Tx<'_>, order: OrderId) -> Result<Option<DecisionRow>> {
    store::find_decision(tx, order)
}

/// The badge of an order: from the frozen reasons, or from the forecast.
#[must_use]
pub fn badge(reasons: &[Reason]) -> Badge {
    rules::badge(reasons)
}

/// An advance to make.
#[derive(Debug, Clone)]
pub struct NewAdvance {
    /// Whose books.
    pub entity: EntityId,
    /// For this invoice.
    pub invoice: InvoiceId,
    /// To this activity.
    pub activity: ActivityId,
    /// Of this member.
    pub member: PersonId,
    /// Its client.
    pub client: ClientId,
    /// What is still pending.
    pub amount: Minor,
    /// On which activities: those of the invoice's member, and those that were given a part of it.
    pub held: Vec<Held>,
    /// In which currency.
    pub currency: Currency,
    /// The promised day.
    pub on: NaiveDate,
}

/// Makes money of an invoice available before its client paid. A second one for the same invoice is refused.
///
/// # Errors
/// 409 `already_booked`.
pub fn advance(tx: &mut Tx<'_>, new: &NewAdvance) -> Result<AdvanceId> {
    let id: AdvanceId = tx.new_id();
    store::insert_advance(tx, id, new)?;
    let at = events::Booking { entity: new.entity, on: new.on, currency: new.currency };
    let of =
        events::InvoiceFunds { invoice: new.invoice, activity: new.activity, member: new.member, client: new.client };
    ledger::post(tx, &events::guarantee_advanced(at, id, of, &new.held)?)?;
    Ok(id)
}

/// The advance of an invoice, if there was one.
///
/// # Errors
/// Fails with the database.
pub fn advance_of(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Option<AdvanceRow>> {
    store::find_advance(tx, invoice)
}
