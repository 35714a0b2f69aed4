//! The guarantee: who is paid although the client has not paid, why, and out of what.
//!
//! Owns `guarantee_decision`, `guarantee_advance`, `advance_hold`, `invoice_dispute`, `guarantee_claim`,
//! `guarantee_draw`, `guarantee_draw_run`, `contribution_owed`, `contribution_return`. Whether an order is covered is decided once, when its client confirms it,
//! and frozen with the reasons; before that it is a forecast. Three records, kept apart: the *decision*, the *advance*,
//! money made available early while the client owes it, and the *draw*, money that the fund gives for good because a
//! loss is certain. A loss becomes a *claim*; the fund pays claims in full or, when it is short, in proportion.

mod fund;
pub mod http;
mod returns;
mod rules;
mod store;

use chrono::NaiveDate;
pub use fund::{
    FundFigures, FundPage, NewClaim, advances_open, balance, claim_of, claims, claims_open, draw_now, draw_run, draws,
    draws_since, figures, free_pending, lock_fund, open_claim, page,
};
pub use returns::{
    NewContributionOwed, contribution_owed_of, contributions_owed, free_balance, owe_contribution, owed_contributions,
    return_contributions,
};
pub use rules::{Badge, Facts, Limits, Reason, ReasonCode};
pub use store::{AdvanceRow, ClaimRow, ContributionOwedRow, DecisionRow, DisputeRow, DrawRow, DrawRunRow, HoldRow};
use uuid::Uuid;

use crate::charter::RuleSet;
use crate::kernel::ids::{ActivityId, AdvanceId, ClientId, EntityId, InvoiceId, OrderId, PersonId, RuleSetId};
use crate::kernel::money::{Currency, Minor};
use crate::kernel::refusal::Checks;
use crate::ledger::{self, Held, events};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

impl From<&RuleSet> for Limits {
    fn from(rules: &RuleSet) -> Self {
        Self {
            client: rules.client_limit_minor,
            member: rules.member_limit_minor,
            new_pair: rules.new_pair_limit_minor,
            fund_multiple: rules.fund_multiple,
            pause_below: rules.pause_below_minor,
        }
    }
}

/// Whose order of whom the guarantee judges.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// Whose fund.
    pub entity: EntityId,
    /// Who works.
    pub member: PersonId,
    /// Who pays.
    pub client: ClientId,
}

/// What the guarantee would say now about an order. A forecast until the client confirms.
///
/// # Errors
/// Fails with the database.
pub fn forecast(tx: &mut Tx<'_>, of: Pair, facts: &Facts<'_>) -> Result<Vec<Reason>> {
    let exposed = store::exposure(tx, of)?;
    Ok(rules::judge(facts, &exposed))
}

/// Decides about a confirmed order, once and for ever.
///
/// # Errors
/// Fails with the database.
pub fn decide(
    tx: &mut Tx<'_>,
    order: OrderId,
    of: Pair,
    rule_set: RuleSetId,
    facts: &Facts<'_>,
) -> Result<DecisionRow> {
    let reasons = forecast(tx, of, facts)?;
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

/// Makes money of an invoice available before its client paid, or puts it off with the reason and answers `None`: while
/// the client disputes the invoice, while the fund is too low, while the open advances are all that the fund carries.
/// What is put off is tried again; a second advance for the same invoice is refused.
///
/// # Errors
/// 409 `already_booked`.
pub fn advance(tx: &mut Tx<'_>, new: &NewAdvance, limits: &Limits) -> Result<Option<AdvanceId>> {
    let is_disputed = store::find_open_dispute(tx, new.invoice)?.is_some();
    lock_fund(tx, new.entity)?;
    let figures = figures(tx, new.entity, new.on)?;
    let reason = rules::hold(limits, is_disputed, figures.fund_minor, figures.advances_minor, new.amount);
    let held = store::find_open_hold(tx, new.invoice)?;
    if let Some(reason) = reason {
        if held.as_ref().is_none_or(|held| held.reason != reason.name()) {
            store::end_hold(tx, new.invoice)?;
            store::insert_hold(tx, new.invoice, new.member, reason)?;
        }
        return Ok(None);
    }
    if held.is_some() {
        store::end_hold(tx, new.invoice)?;
    }
    let id: AdvanceId = tx.new_id();
    store::insert_advance(tx, id, new)?;
    let at = events::Booking { entity: new.entity, on: new.on, currency: new.currency };
    let of =
        events::InvoiceFunds { invoice: new.invoice, activity: new.activity, member: new.member, client: new.client };
    ledger::post(tx, &events::guarantee_advanced(at, id, of, &new.held)?)?;
    Ok(Some(id))
}

/// The advance of an invoice, if there was one.
///
/// # Errors
/// Fails with the database.
pub fn advance_of(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Option<AdvanceRow>> {
    store::find_advance(tx, invoice)
}

/// Why the advance of an invoice waits, if it does.
///
/// # Errors
/// Fails with the database.
pub fn hold_of(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Option<HoldRow>> {
    store::find_open_hold(tx, invoice)
}

/// Ends the wait of an advance that will never be made.
///
/// # Errors
/// Fails with the database.
pub fn end_hold(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<()> {
    store::end_hold(tx, invoice)
}

/// The open dispute about an invoice, if there is one.
///
/// # Errors
/// Fails with the database.
pub fn dispute_of(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Option<DisputeRow>> {
    store::find_open_dispute(tx, invoice)
}

/// Who opens a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disputant {
    /// Somebody of the office notes what the client said.
    Office(PersonId),
    /// The client says so by the link of the mail.
    Client(Uuid),
}

/// Notes that the client disputes an invoice. The caller holds the invoice.
///
/// # Errors
/// 409 `state_conflict` while one is open; 422 for the reason.
pub fn open_dispute(
    tx: &mut Tx<'_>,
    invoice: InvoiceId,
    member: PersonId,
    reason: &str,
    by: Disputant,
) -> Result<DisputeRow> {
    check_text(reason, "/reason")?;
    if store::find_open_dispute(tx, invoice)?.is_some() {
        return Err(Error::conflict("state_conflict").with("state", "disputed").with("command", "dispute"));
    }
    store::insert_dispute(tx, invoice, member, reason, by)
}

/// Ends the dispute about an invoice. The caller holds the invoice.
///
/// # Errors
/// 409 `state_conflict` when none is open; 422 for the text.
pub fn resolve_dispute(tx: &mut Tx<'_>, invoice: InvoiceId, resolution: &str) -> Result<DisputeRow> {
    check_text(resolution, "/resolution")?;
    let Some(dispute) = store::find_open_dispute(tx, invoice)? else {
        return Err(Error::conflict("state_conflict").with("state", "undisputed").with("command", "resolve_dispute"));
    };
    let by = tx.person()?;
    store::resolve_dispute(tx, dispute.id, resolution, by)
}

fn check_text(text: &str, pointer: &str) -> Result<()> {
    let mut checks = Checks::default();
    checks.text(text, pointer, 1, 2000);
    Ok(checks.done()?)
}
