//! What suppliers take back of approved costs. A part of the desk, long enough for a file.
//!
//! Booked in one step by somebody else than who handed the cost in or bears it. Net and VAT are those of the supplier's
//! paper, never beyond what is left of the cost; what of that VAT the state had given back follows in proportion, and
//! the last credit takes what rounding left. Of a paid cost the supplier owes the money until a line of the bank brings
//! it. An activity has what it bore again; a pool divides less, and what was divided already is taken off its other
//! costs, or stays with it as collected too much.

use chrono::{Datelike, NaiveDate};
use uuid::Uuid;

use super::rules::{self, Credited};
use super::store::{self, CostCreditRow, CostRow};
use super::{CostState, SupplierPayment, check_document, decider, funds};
use crate::kernel::ids::{CostCreditId, CostId, FileId};
use crate::kernel::money::{Minor, Money};
use crate::kernel::refusal::Checks;
use crate::ledger;
use crate::ledger::events::{self, Booking, CostFunds};
use crate::levies;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// What a supplier takes back, as it is booked.
#[derive(Debug, Clone)]
pub struct NewCostCredit {
    /// Made by the sender.
    pub id: CostCreditId,
    /// Of this cost.
    pub cost: CostId,
    /// The supplier's number for it.
    pub reference: String,
    /// The date of the supplier's note.
    pub dated_on: NaiveDate,
    /// Why.
    pub reason: String,
    /// Without VAT.
    pub net: Money,
    /// VAT.
    pub vat: Money,
    /// The supplier's note, as it was uploaded before.
    pub document: Option<FileId>,
}

/// Books what a supplier takes back of a cost.
///
/// # Errors
/// 404; 403 `self_approval_forbidden` for who handed the cost in or bears it; 409 `state_conflict` for a cost that is not
/// approved, `pool_not_open` for that of a closed pool, `not_unique` for a note that was booked; 422 for what is not
/// acceptable and for more than is left.
pub fn credit(tx: &mut Tx<'_>, new: &NewCostCredit) -> Result<CostCreditRow> {
    let cost = store::lock(tx, new.cost)?;
    let (me, today) = decider(tx, &cost)?;
    if cost.state != CostState::Approved {
        return Err(Error::state_conflict(cost.state, "credit"));
    }
    let mut checks = Checks::default();
    let credited = rules::check_credit(new, &cost, &mut checks);
    let is_past = new.dated_on >= cost.invoiced_on && new.dated_on <= today && new.dated_on.year() >= 2000;
    checks.require(is_past, "/dated_on", "out_of_range");
    check_document(tx, new.document, &mut checks);
    checks.done()?;
    let Credited { net, vat, recoverable } = credited?;
    let gross = net.plus(vat)?;
    let row = CostCreditRow {
        id: new.id,
        cost_id: cost.id,
        entity_id: cost.entity_id,
        member_id: cost.member_id,
        pool_id: cost.pool_id,
        reference: new.reference.trim().to_owned(),
        dated_on: new.dated_on,
        reason: new.reason.trim().to_owned(),
        net_minor: net,
        vat_minor: vat,
        recoverable_vat_minor: recoverable,
        gross_minor: gross,
        charged_minor: gross.minus(recoverable)?,
        currency: cost.currency,
        document_id: new.document,
        is_refund: cost.paid_on.is_some(),
        bank_line_id: None,
        refunded_on: None,
        booked_by: me,
        booked_on: today,
        created_at: tx.now(),
    };
    tx.reason(&row.reason)?;
    store::insert_credit(tx, &row)?;
    if let Some(activity) = cost.activity_id {
        ledger::lock_balance(tx, activity)?;
    }
    let at = Booking { entity: cost.entity_id, on: today, currency: cost.currency };
    ledger::post(tx, &events::supplier_credited(at, row.id, funds_of(&cost, &row)?)?)?;
    if let Some(activity) = cost.activity_id.filter(|_| cost.in_fee_base && row.charged_minor > Minor::ZERO) {
        levies::on_cost(tx, activity, row.id.0, row.charged_minor.negated()?, today)?;
    }
    Ok(row)
}

fn funds_of(cost: &CostRow, credit: &CostCreditRow) -> Result<CostFunds> {
    Ok(CostFunds { gross: credit.gross_minor, recoverable: credit.recoverable_vat_minor, ..funds(cost)? })
}

/// Books that a supplier paid back, by a line of the bank, exactly one of its credits of a paid cost.
pub(super) fn refund(tx: &mut Tx<'_>, cost: &Locked<CostRow>, by: SupplierPayment) -> Result<CostRow> {
    let due = if by.amount.currency == cost.currency {
        store::find_refund_due(tx, cost.id, by.amount.amount_minor)?
    } else {
        None
    };
    let due = due.ok_or_else(|| Error::conflict("cost_not_owed").with("state", cost.state))?;
    store::save_refunded(tx, due.id, by.line, by.on)?;
    let at = Booking { entity: cost.entity_id, on: by.on, currency: cost.currency };
    ledger::post(tx, &events::supplier_refunded(at, due.id, funds_of(cost, &due)?, by.line)?)?;
    store::find(tx, cost.id)
}

/// What a supplier took back.
///
/// # Errors
/// 404 when its cost is neither yours nor that of a pool you share.
pub fn find_credit(tx: &mut Tx<'_>, id: CostCreditId) -> Result<CostCreditRow> {
    store::find_credit(tx, id)
}

/// What a supplier took back of a cost, newest first.
///
/// # Errors
/// 404 when the cost is neither yours nor that of a pool you share.
pub fn credits(tx: &mut Tx<'_>, cost: CostId, after: Option<Uuid>, limit: i64) -> Result<Vec<CostCreditRow>> {
    store::find(tx, cost)?;
    store::list_credits(tx, cost, after, limit)
}
