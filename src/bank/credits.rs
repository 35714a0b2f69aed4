//! What clients paid beyond what they owe: kept for them, used for an invoice, given back. Long verbs of the desk.

use uuid::Uuid;

use super::parts::{put_back, release_owner};
use super::rules;
use super::store::{self, CreditRow, LineRow, RefundRow, UseRow};
use super::{LineSummary, allocate, find_line, invoice_fact, locked_at};
use crate::charter;
use crate::clients;
use crate::invoicing;
use crate::kernel::ids::{BankLineId, ClientCreditId, ClientId, ClientRefundId, InvoiceId};
use crate::kernel::money::{Minor, Money};
use crate::kernel::refusal::Checks;
use crate::ledger;
use crate::ledger::events::{self, Arrival, Booking, KeptFor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// A credit and what is left of it.
#[derive(Debug, Clone)]
pub struct Credit {
    /// It.
    pub row: CreditRow,
    /// What is neither used nor promised.
    pub left: Minor,
}

fn kept_for(row: &CreditRow) -> KeptFor {
    KeptFor { client: row.client_id, member: row.member_id, line: row.bank_line_id }
}

fn not_mine(tx: &Tx<'_>, row: &CreditRow) -> Result<()> {
    if tx.person()? == row.member_id { Err(Error::forbidden("self_approval_forbidden")) } else { Ok(()) }
}

/// Keeps what waits of a line for the client who paid it.
///
/// # Errors
/// 403 for one's own client; 404; 409 `bank_line_already_matched`; 412; 422 for a client that is not there, for money that
/// left, and for the reason.
pub fn credit_client(
    tx: &mut Tx<'_>,
    id: BankLineId,
    expected: i32,
    (credit, client): (ClientCreditId, ClientId),
    reason: &str,
) -> Result<LineSummary> {
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 500);
    checks.done()?;
    let line = locked_at(tx, id, expected)?;
    let explained = store::sum_allocations(tx, &[id])?.get(&id).copied().unwrap_or_default();
    let waiting = rules::waiting(&line, explained);
    if waiting == Minor::ZERO {
        return Err(Error::conflict("bank_line_already_matched"));
    }
    if waiting < Minor::ZERO {
        return Err(Error::field("/client_id", "not_allowed"));
    }
    let client = clients::client(tx, client).map_err(|error| match error.code {
        "not_found" => Error::field("/client_id", "invalid"),
        _ => error,
    })?;
    let statement = store::find_statement(tx, line.statement_id)?;
    let on = rules::counts_on(line.booked_on, ledger::first_open_day(tx, statement.entity_id)?);
    let row = CreditRow {
        id: credit,
        entity_id: statement.entity_id,
        client_id: client.id,
        member_id: client.member_id,
        bank_line_id: id,
        amount_minor: waiting,
        currency: line.currency,
        reason: reason.to_owned(),
        credited_on: on,
        credited_by: tx.person()?,
        created_at: tx.now(),
    };
    not_mine(tx, &row)?;
    let changed = LineRow {
        state: "matched".to_owned(),
        matched_kind: line.matched_kind.clone().or_else(|| Some("client_credit".to_owned())),
        matched_id: line.matched_id.or(Some(credit.0)),
        owner_id: None,
        ..(*line).clone()
    };
    store::save_line(tx, line, &changed)?;
    store::insert_credit(tx, &row)?;
    let at = Booking { entity: row.entity_id, on, currency: row.currency };
    ledger::post(tx, &events::client_credited(at, credit, kept_for(&row), waiting)?)?;
    find_line(tx, id)
}

/// Takes a credit back of which nothing was used: that was not the client's money, or not for keeping. It waits with its
/// line again, with whoever took it back.
///
/// # Errors
/// 403 for one's own client; 404; 409 `client_credit_in_use`, `not_unique` for one that was withdrawn; 422 for the reason.
pub fn withdraw_credit(tx: &mut Tx<'_>, id: ClientCreditId, reason: &str) -> Result<Credit> {
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 500);
    checks.done()?;
    let row = store::find_credit(tx, id)?;
    not_mine(tx, &row)?;
    let line = store::lock_line(tx, row.bank_line_id)?;
    let on = today(tx, &row)?;
    store::insert_withdrawal(tx, &row, (tx.person()?, on), reason)?;
    let at = Booking { entity: row.entity_id, on, currency: row.currency };
    ledger::post(tx, &events::client_credit_withdrawn(at, id, kept_for(&row), row.amount_minor)?)?;
    let changed = put_back(tx, &line)?;
    store::save_line(tx, line, &changed)?;
    with_left(tx, row)
}

fn with_left(tx: &mut Tx<'_>, row: CreditRow) -> Result<Credit> {
    let left = store::left_of(tx, row.id)?;
    Ok(Credit { row, left })
}

/// A credit.
///
/// # Errors
/// 404.
pub fn credit(tx: &mut Tx<'_>, id: ClientCreditId) -> Result<Credit> {
    let row = store::find_credit(tx, id)?;
    with_left(tx, row)
}

/// Credits, the newest first.
///
/// # Errors
/// Fails with the database.
pub fn credits(tx: &mut Tx<'_>, client: Option<ClientId>, after: Option<Uuid>, limit: i64) -> Result<Vec<Credit>> {
    let rows = store::list_credits(tx, client, after, limit)?;
    rows.into_iter().map(|row| with_left(tx, row)).collect()
}

/// Pays an invoice of the same client out of a credit, as far as both go.
///
/// # Errors
/// 403 for one's own; 404; 409 `client_credit_exceeded` when nothing is left, `allocation_exceeds`; 422 for an invoice of
/// somebody else.
pub fn use_credit(tx: &mut Tx<'_>, id: ClientCreditId, invoice: InvoiceId) -> Result<Credit> {
    let row = store::find_credit(tx, id)?;
    not_mine(tx, &row)?;
    let line = store::lock_line(tx, row.bank_line_id)?.into_inner();
    let left = store::left_of(tx, id)?;
    if left <= Minor::ZERO {
        return Err(Error::conflict("client_credit_exceeded"));
    }
    let open = invoicing::open_invoice(tx, invoice).map_err(|error| match error.code {
        "not_found" => Error::field("/invoice_id", "invalid"),
        _ => error,
    })?;
    if open.client_id != row.client_id {
        return Err(Error::field("/invoice_id", "not_allowed"));
    }
    let amount = rules::allot(&line, row.entity_id, left, invoice_fact(&open))?;
    let on = today(tx, &row)?;
    let at = Booking { entity: row.entity_id, on, currency: row.currency };
    let used = UseRow {
        id: tx.new_id(),
        credit_id: id,
        member_id: row.member_id,
        invoice_id: invoice,
        amount_minor: amount,
        used_on: on,
        used_by: tx.person()?,
        created_at: tx.now(),
    };
    store::insert_use(tx, &used)?;
    ledger::post(tx, &events::client_credit_used(at, used.id, kept_for(&row), amount)?)?;
    allocate(tx, &line, &open, amount, on, Arrival::Suspense(line.id))?;
    with_left(tx, row)
}

/// The day on which something of a credit counts that is done now.
fn today(tx: &mut Tx<'_>, row: &CreditRow) -> Result<chrono::NaiveDate> {
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let first_open = ledger::first_open_day(tx, row.entity_id)?;
    Ok(rules::counts_on(tx.today(zone), first_open))
}

/// Asks for a part of a credit to be given back to the client.
///
/// # Errors
/// 403 for one's own client; 404; 409 `client_credit_exceeded`; 422 for the amount and the reason.
pub fn request_refund(
    tx: &mut Tx<'_>,
    id: ClientRefundId,
    credit: ClientCreditId,
    amount: Money,
    reason: &str,
) -> Result<RefundRow> {
    let row = store::find_credit(tx, credit)?;
    not_mine(tx, &row)?;
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 500);
    checks.require(amount.amount_minor > Minor::ZERO, "/amount/amount_minor", "out_of_range");
    checks.require(amount.currency == row.currency, "/amount/currency", "currency_mismatch");
    checks.done()?;
    let left = store::left_of(tx, credit)?;
    if amount.amount_minor > left {
        return Err(Error::conflict("client_credit_exceeded").with("left_minor", left.get()));
    }
    let refund = RefundRow {
        id,
        credit_id: credit,
        entity_id: row.entity_id,
        client_id: row.client_id,
        member_id: row.member_id,
        amount_minor: amount.amount_minor,
        currency: row.currency,
        reason: reason.to_owned(),
        state: "requested".to_owned(),
        requested_by: tx.person()?,
        decided_by: None,
        decided_at: None,
        decision: None,
        bank_line_id: None,
        paid_on: None,
        created_at: tx.now(),
        version: 1,
    };
    store::insert_refund(tx, &refund)?;
    Ok(refund)
}

fn lock_refund(tx: &mut Tx<'_>, id: ClientRefundId, expected: i32, from: &str) -> Result<Locked<RefundRow>> {
    let row = store::lock_refund(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    if row.state != from {
        return Err(Error::conflict("state_conflict").with("state", &row.state));
    }
    Ok(row)
}

/// Says yes or no to a refund: another person than the one who asked, and never the member.
///
/// # Errors
/// 403 `self_approval_forbidden`; 404; 409 `state_conflict`, `client_credit_exceeded`; 412; 422 for a no without words.
pub fn decide_refund(
    tx: &mut Tx<'_>,
    id: ClientRefundId,
    expected: i32,
    is_approved: bool,
    words: Option<&str>,
) -> Result<RefundRow> {
    let me = tx.person()?;
    let mut checks = Checks::default();
    match words {
        Some(words) => {
            checks.text(words, "/reason", 1, 500);
        }
        None => {
            checks.require(is_approved, "/reason", "required");
        }
    }
    checks.done()?;
    let row = lock_refund(tx, id, expected, "requested")?;
    if me == row.requested_by || me == row.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let state = if is_approved { "approved" } else { "rejected" };
    let changed = RefundRow {
        state: state.to_owned(),
        decided_by: Some(me),
        decided_at: Some(tx.now()),
        decision: words.map(str::to_owned),
        ..(*row).clone()
    };
    store::save_refund(tx, row, &changed)
}

/// Withdraws a refund that was approved and is not made: what was promised of its credit is free again.
///
/// # Errors
/// 403 for one's own client; 404; 409 `state_conflict`; 412; 422 for the reason.
pub fn withdraw_refund(tx: &mut Tx<'_>, id: ClientRefundId, expected: i32, reason: &str) -> Result<RefundRow> {
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 500);
    checks.done()?;
    let row = lock_refund(tx, id, expected, "approved")?;
    if tx.person()? == row.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    tx.reason(reason)?;
    let changed = RefundRow { state: "withdrawn".to_owned(), ..(*row).clone() };
    store::save_refund(tx, row, &changed)
}

/// A refund.
///
/// # Errors
/// 404.
pub fn refund(tx: &mut Tx<'_>, id: ClientRefundId) -> Result<RefundRow> {
    store::find_refund(tx, id)
}

/// Refunds, the newest first.
///
/// # Errors
/// Fails with the database.
pub fn refunds(tx: &mut Tx<'_>, state: Option<&str>, after: Option<Uuid>, limit: i64) -> Result<Vec<RefundRow>> {
    store::list_refunds(tx, state, after, limit)
}

/// Matches a line that left the account with an approved refund of exactly that amount. Money goes back to the account that
/// it came from; to another one only with the reason.
///
/// # Errors
/// 404; 409 `bank_line_already_matched`, `state_conflict`, `client_refund_amount_mismatch`, `refund_to_another_account`; 412;
/// 422 for a refund that this line cannot pay, and for the reason.
pub fn pay_refund(
    tx: &mut Tx<'_>,
    id: BankLineId,
    expected: i32,
    refund: ClientRefundId,
    other_account: Option<&str>,
) -> Result<LineSummary> {
    let mut checks = Checks::default();
    if let Some(reason) = other_account {
        checks.text(reason, "/other_account_reason", 1, 500);
    }
    checks.done()?;
    let line = locked_at(tx, id, expected)?;
    let amount = rules::outgoing(&line)?;
    let row = store::lock_refund(tx, refund).map_err(|error| match error.code {
        "not_found" => Error::field("/client_refund_id", "invalid"),
        _ => error,
    })?;
    let statement = store::find_statement(tx, line.statement_id)?;
    if row.entity_id != statement.entity_id || row.currency != line.currency {
        return Err(Error::field("/client_refund_id", "not_allowed"));
    }
    if row.state != "approved" {
        return Err(Error::conflict("state_conflict").with("state", &row.state));
    }
    if row.amount_minor != amount {
        return Err(Error::conflict("client_refund_amount_mismatch"));
    }
    let credit = store::find_credit(tx, row.credit_id)?;
    let came_from = store::find_line(tx, credit.bank_line_id)?.0.counterparty_iban_last4;
    match other_account {
        Some(reason) => tx.reason(reason)?,
        None if came_from != line.counterparty_iban_last4 => {
            return Err(Error::conflict("refund_to_another_account").with("last4", came_from));
        }
        None => {}
    }
    let on = rules::counts_on(line.booked_on, ledger::first_open_day(tx, statement.entity_id)?);
    let changed = LineRow {
        state: "matched".to_owned(),
        matched_kind: Some("client_refund".to_owned()),
        matched_id: Some(refund.0),
        owner_id: None,
        ..(*line).clone()
    };
    store::save_line(tx, line, &changed)?;
    let paid = RefundRow { state: "paid".to_owned(), bank_line_id: Some(id), paid_on: Some(on), ..(*row).clone() };
    store::save_refund(tx, row, &paid)?;
    let at = Booking { entity: statement.entity_id, on, currency: credit.currency };
    ledger::post(tx, &events::client_refunded(at, refund, kept_for(&credit), amount, id)?)?;
    release_owner(tx, id, Minor::ZERO)?;
    find_line(tx, id)
}
