//! What suppliers charge, for an activity or for a pool.
//!
//! Owns `cost`, `cost_credit`. A member hands in what their activity bought, staff anything; somebody else approves it. Then it is
//! owed to the supplier, and an activity pays it out of money that its clients paid: 200.00 and 38.00 VAT that the
//! state gives back are 238.00 owed and 200.00 charged. A pool bears its costs until they are divided. Suppliers
//! are paid by a line of the bank, of exactly what is owed. What a supplier takes back of an approved cost is a record of
//! its own: it lowers what is owed, or comes back by a line of the bank. Deliberately absent: paying a supplier in parts.

mod credits;
pub mod http;
mod rules;
mod store;

use chrono::{Datelike, NaiveDate};
pub use credits::{NewCostCredit, credit, credits, find_credit};
pub use rules::{CostCommand, CostState};
pub use store::{CostCreditRow, CostFilter, CostRow};
use uuid::Uuid;

use crate::archive::{self, ArchivedFile, FileInfo, Kind, NewFile};
use crate::kernel::ids::{ActivityId, BankLineId, CostId, EntityId, FileId, PersonId, PoolId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::refusal::Checks;
use crate::ledger::events::{self, Booking, CostFunds, CostOf};
use crate::ledger::{self, Account};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::{activities, charter, levies};

/// What a supplier charged, as it is handed in.
#[derive(Debug, Clone)]
pub struct NewCost {
    /// Made by the sender.
    pub id: CostId,
    /// The activity that bears it, unless a pool does.
    pub activity: Option<ActivityId>,
    /// The pool that bears it, unless an activity does.
    pub pool: Option<PoolId>,
    /// Who charged it.
    pub supplier: String,
    /// The supplier's number for it.
    pub reference: String,
    /// The date of the supplier's invoice.
    pub invoiced_on: NaiveDate,
    /// What it was for.
    pub description: String,
    /// Without VAT.
    pub net: Money,
    /// VAT.
    pub vat: Money,
    /// The part of the VAT that the state gives back.
    pub recoverable_vat: Money,
    /// Whether it lowers the gross margin that fees are computed on.
    pub in_fee_base: bool,
    /// The supplier's invoice, as it was uploaded before.
    pub document: Option<FileId>,
}

/// Keeps the invoice of a supplier: a PDF, JPEG or PNG, for who sent it and the office, and for a cost to name.
///
/// # Errors
/// 415 `upload_type_unsupported`; 422 for an empty one.
pub fn keep_document(tx: &mut Tx<'_>, bytes: &[u8]) -> Result<FileInfo> {
    let me = tx.person()?;
    if bytes.is_empty() {
        return Err(Error::field("/", "required"));
    }
    let Some(media_type) = archive::recognise(bytes) else {
        return Err(Error::new(actix_web::http::StatusCode::UNSUPPORTED_MEDIA_TYPE, "upload_type_unsupported"));
    };
    let name = format!("{}.{}", Kind::CostDocument.name(), media_type.ending());
    let new = NewFile {
        kind: Kind::CostDocument,
        subject: me.0,
        owner: Some(me),
        name: &name,
        media_type: media_type.name(),
        bytes,
    };
    let id = archive::keep(tx, &new)?;
    archive::list_of(tx, me.0)?.into_iter().find(|file| file.id == id).ok_or_else(Error::not_found)
}

/// Hands in what a supplier charged.
///
/// # Errors
/// 403 `role_forbidden` for a member and a pool; 404 for an activity of somebody else; 409 `duplicate_cost`,
/// `pool_not_open`, `activity_closed`; 422 for what is not acceptable.
pub fn submit(tx: &mut Tx<'_>, new: &NewCost) -> Result<CostRow> {
    let me = tx.person()?;
    let mut checks = Checks::default();
    let totals = rules::check(new, &mut checks);
    checks.done()?;
    let (entity, owner, currency) = bearer(tx, new)?;
    let mut checks = Checks::default();
    rules::check_currency(new, currency, &mut checks);
    let entity = charter::entity(tx, entity)?;
    let is_past = new.invoiced_on <= tx.today(entity.zone()) && new.invoiced_on.year() >= 2000;
    checks.require(is_past, "/invoiced_on", "out_of_range");
    check_document(tx, new.document, &mut checks);
    checks.done()?;
    let row = CostRow {
        id: new.id,
        entity_id: entity.id,
        activity_id: new.activity,
        member_id: owner,
        pool_id: new.pool,
        supplier: new.supplier.trim().to_owned(),
        reference: new.reference.trim().to_owned(),
        invoiced_on: new.invoiced_on,
        description: new.description.trim().to_owned(),
        net_minor: new.net.amount_minor,
        vat_minor: new.vat.amount_minor,
        recoverable_vat_minor: new.recoverable_vat.amount_minor,
        gross_minor: totals.gross,
        charged_minor: totals.charged,
        currency,
        in_fee_base: new.in_fee_base,
        document_id: new.document,
        state: CostState::Submitted,
        submitted_by: me,
        decided_by: None,
        decided_on: None,
        reason: None,
        bank_line_id: None,
        paid_on: None,
        credited_net_minor: Minor::ZERO,
        credited_vat_minor: Minor::ZERO,
        credited_recoverable_minor: Minor::ZERO,
        created_at: tx.now(),
        version: 1,
    };
    store::insert(tx, &row)
}

fn check_document(tx: &mut Tx<'_>, document: Option<FileId>, checks: &mut Checks) {
    if let Some(id) = document {
        let is_one = archive::find(tx, id).is_ok_and(|file| file.kind == Kind::CostDocument.name());
        checks.require(is_one, "/document_id", "invalid");
    }
}

/// Of which entity, of whom and in which currency a cost is.
fn bearer(tx: &mut Tx<'_>, new: &NewCost) -> Result<(EntityId, Option<PersonId>, Currency)> {
    if let Some(activity) = new.activity {
        let activity = activities::require_open(tx, activity).map_err(|error| named(error, "/activity_id"))?;
        let currency = ledger::balance(tx, activity.id)?.currency;
        return Ok((activity.entity_id, Some(activity.member_id), currency));
    }
    if tx.only_owner().is_some() {
        return Err(Error::forbidden("role_forbidden"));
    }
    let pool = new.pool.ok_or_else(|| Error::field("/pool_id", "required"))?;
    let (entity, currency) = store::find_pool(tx, pool).map_err(|error| named(error, "/pool_id"))?;
    Ok((entity, None, currency))
}

/// What is not there was named by a field of the body, so the answer names the field.
fn named(error: Error, pointer: &'static str) -> Error {
    if error.code == "not_found" { Error::field(pointer, "invalid") } else { error }
}

/// A cost.
///
/// # Errors
/// 404 when it is neither yours nor that of a pool you share.
pub fn find(tx: &mut Tx<'_>, id: CostId) -> Result<CostRow> {
    store::find(tx, id)
}

/// The supplier's invoice of a cost.
///
/// # Errors
/// 404 when it has none, or as [`find`].
pub fn document(tx: &mut Tx<'_>, id: CostId) -> Result<ArchivedFile> {
    let cost = store::find(tx, id)?;
    archive::find(tx, cost.document_id.ok_or_else(Error::not_found)?)
}

/// Costs, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, filter: &CostFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<CostRow>> {
    store::list(tx, filter, after, limit)
}

fn lock_at(tx: &mut Tx<'_>, id: CostId, expected: i32) -> Result<Locked<CostRow>> {
    let cost = store::lock(tx, id)?;
    if cost.version == expected { Ok(cost) } else { Err(Error::version_stale(cost.version)) }
}

/// The day of a decision, and whether the signed-in person may take it.
fn decider(tx: &mut Tx<'_>, cost: &CostRow) -> Result<(PersonId, NaiveDate)> {
    let me = tx.person()?;
    if me == cost.submitted_by || Some(me) == cost.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let entity = charter::entity(tx, cost.entity_id)?;
    Ok((me, tx.today(entity.zone())))
}

/// Approves a cost of somebody else: it is owed to the supplier, and its activity or pool bears it. A production cost
/// takes its part off the levies on the margin.
///
/// # Errors
/// 403 for one's own; 409 `expenses_need_received_money`, `pool_not_open` or in another state; 412.
pub fn approve(tx: &mut Tx<'_>, id: CostId, expected: i32) -> Result<CostRow> {
    let cost = lock_at(tx, id, expected)?;
    rules::may(cost.state, CostCommand::Approve)?;
    let (me, today) = decider(tx, &cost)?;
    if let Some(activity) = cost.activity_id {
        activities::require_open(tx, activity)?;
        let available = ledger::lock_balance(tx, activity)?.available_minor;
        let advanced = ledger::activity_sums(tx, Account::MemoAdvances, &[activity])?;
        let advanced = advanced.get(&activity).copied().unwrap_or_default();
        rules::check_received(available, advanced, cost.charged_minor)?;
    }
    let approved = store::save_decided(tx, &cost, CostState::Approved, (me, today), None)?;
    let at = Booking { entity: cost.entity_id, on: today, currency: cost.currency };
    ledger::post(tx, &events::cost_booked(at, funds(&approved)?)?)?;
    if let Some(activity) = approved.activity_id.filter(|_| approved.in_fee_base) {
        levies::on_cost(tx, activity, approved.id.0, approved.charged_minor, today)?;
    }
    Ok(approved)
}

fn funds(cost: &CostRow) -> Result<CostFunds> {
    let of = match (cost.activity_id, cost.member_id, cost.pool_id) {
        (Some(activity), Some(member), None) => CostOf::Activity(activity, member),
        (None, None, Some(pool)) => CostOf::Pool(pool),
        _ => return Err(Error::internal("a cost is of an activity or of a pool")),
    };
    Ok(CostFunds { cost: cost.id, of, gross: cost.gross_minor, recoverable: cost.recoverable_vat_minor })
}

/// Rejects a cost of somebody else, with the reason.
///
/// # Errors
/// 403 for one's own; 409 in another state; 412; 422 without a reason.
pub fn reject(tx: &mut Tx<'_>, id: CostId, expected: i32, reason: &str) -> Result<CostRow> {
    let cost = lock_at(tx, id, expected)?;
    rules::may(cost.state, CostCommand::Reject)?;
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    let (me, today) = decider(tx, &cost)?;
    tx.reason(reason)?;
    store::save_decided(tx, &cost, CostState::Rejected, (me, today), Some(reason))
}

/// A bank line that pays a supplier.
#[derive(Debug, Clone, Copy)]
pub struct SupplierPayment {
    /// The line.
    pub line: BankLineId,
    /// Of which entity its account is.
    pub entity: EntityId,
    /// What it says; negative, as it left the account.
    pub amount: Money,
    /// The day it counts.
    pub on: NaiveDate,
}

/// Books that a line of the bank paid what is owed for a cost, once and in full; or, when it was paid and the supplier
/// took something back since, that it paid exactly that back.
///
/// # Errors
/// 404 for none of this entity; 409 `cost_not_owed`, `cost_amount_mismatch`.
pub fn pay(tx: &mut Tx<'_>, id: CostId, by: SupplierPayment) -> Result<CostRow> {
    let cost = store::lock(tx, id)?;
    if cost.entity_id != by.entity {
        return Err(Error::not_found());
    }
    if cost.paid_on.is_some() && by.amount.amount_minor > Minor::ZERO {
        return credits::refund(tx, &cost, by);
    }
    let owed = cost.owed()?;
    if cost.state != CostState::Approved || cost.paid_on.is_some() || owed == Minor::ZERO {
        return Err(Error::conflict("cost_not_owed").with("state", cost.state));
    }
    rules::check_payment(Money { amount_minor: owed, currency: cost.currency }, by.amount)?;
    let paid = store::save_paid(tx, &cost, by.line, by.on)?;
    let at = Booking { entity: cost.entity_id, on: by.on, currency: cost.currency };
    ledger::post(tx, &events::supplier_paid(at, CostFunds { gross: owed, ..funds(&paid)? }, by.line)?)?;
    Ok(paid)
}

/// The approved costs of a pool up to a day, oldest first, locked until the end of the transaction.
///
/// # Errors
/// Fails with the database.
pub fn lock_of_pool(tx: &mut Tx<'_>, pool: PoolId, through: NaiveDate) -> Result<Vec<CostRow>> {
    store::lock_of_pool(tx, pool, through)
}

/// The approved costs of a pool, oldest first; none for who does not share it.
///
/// # Errors
/// Fails with the database.
pub fn of_pool(tx: &mut Tx<'_>, pool: PoolId) -> Result<Vec<CostRow>> {
    store::list_of_pool(tx, pool)
}

/// How many costs of a pool wait for a decision.
///
/// # Errors
/// Fails with the database.
pub fn waiting_of_pool(tx: &mut Tx<'_>, pool: PoolId) -> Result<i64> {
    store::count_submitted(tx, pool)
}

/// What all approved costs come to, less what suppliers took back.
///
/// # Errors
/// 422 when the sum leaves the range of an amount.
pub fn total(costs: &[CostRow]) -> Result<Minor> {
    let borne = costs.iter().map(CostRow::borne).collect::<Result<Vec<_>>>()?;
    Ok(Minor::sum(borne)?)
}

impl CostRow {
    /// What is owed to the supplier, paid or not: less what it took back.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn owed(&self) -> Result<Minor> {
        Ok(self.gross_minor.minus(self.credited_net_minor)?.minus(self.credited_vat_minor)?)
    }

    /// What it costs its activity or pool: less what the supplier took back.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn borne(&self) -> Result<Minor> {
        let back = self.recoverable_vat_minor.minus(self.credited_recoverable_minor)?;
        Ok(self.owed()?.minus(back)?)
    }
}
