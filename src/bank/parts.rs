//! Lines in parts: several invoices at once, and payments that are taken back. Long verbs of the desk.

use super::rules;
use super::store::{self, AllocationRow, LineRow};
use super::{LineSummary, allocate, find_line, invoice_fact, locked_at};
use crate::charter;
use crate::invoicing;
use crate::kernel::ids::{AllocationId, BankLineId, InvoiceId};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Checks;
use crate::ledger;
use crate::ledger::events::Arrival;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// Invoices that one command names.
const INVOICES_MAX: usize = 50;

/// What of a line pays an invoice.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The invoice.
    pub invoice: InvoiceId,
    /// How much; all that is open or left, when it does not say.
    pub amount: Option<Minor>,
}

/// Pays several invoices out of what waits of a line, in the order in which they are named: all of them or none.
///
/// # Errors
/// 404; 409 `bank_line_already_matched`, `allocation_exceeds`; 412; 422 for an invoice that cannot be paid by it.
pub fn match_parts(tx: &mut Tx<'_>, id: BankLineId, expected: i32, parts: &[Part]) -> Result<LineSummary> {
    let mut checks = Checks::default();
    checks.require((1..=INVOICES_MAX).contains(&parts.len()), "/invoices", "out_of_range");
    for (n, part) in parts.iter().enumerate() {
        let twice = parts.iter().take(n).any(|before| before.invoice == part.invoice);
        checks.require(!twice, &format!("/invoices/{n}/invoice_id"), "not_allowed");
        let amount = part.amount.is_none_or(|amount| amount > Minor::ZERO);
        checks.require(amount, &format!("/invoices/{n}/amount/amount_minor"), "out_of_range");
    }
    checks.done()?;
    let line = locked_at(tx, id, expected)?;
    let statement = store::find_statement(tx, line.statement_id)?;
    let on = rules::counts_on(line.booked_on, ledger::first_open_day(tx, statement.entity_id)?);
    let explained = store::sum_allocations(tx, &[id])?.get(&id).copied().unwrap_or_default();
    let mut waiting = rules::waiting(&line, explained);
    // In one order, so that two commands about the same invoices cannot stop each other.
    let mut to_lock: Vec<InvoiceId> = parts.iter().map(|part| part.invoice).collect();
    to_lock.sort_unstable();
    ledger::lock_invoices(tx, &to_lock)?;
    let mut paying: Option<LineRow> = None;
    let mut unsaved = Some(line);
    for (n, part) in parts.iter().enumerate() {
        let pointer = format!("/invoices/{n}/invoice_id");
        let invoice = invoicing::open_invoice(tx, part.invoice).map_err(|error| match error.code {
            "not_found" => Error::field(&pointer, "invalid"),
            _ => error,
        })?;
        let row =
            paying.as_ref().or(unsaved.as_deref()).ok_or_else(|| Error::internal("a line that was saved twice"))?;
        let possible = rules::allot(row, statement.entity_id, waiting, invoice_fact(&invoice)).map_err(|refusal| {
            let mut error = Error::from(refusal);
            if let Some(field) = error.fields.first_mut() {
                field.pointer.clone_from(&pointer);
            }
            error
        })?;
        let amount = part.amount.unwrap_or(possible);
        if amount > possible {
            return Err(Error::conflict("allocation_exceeds"));
        }
        waiting = waiting.minus(amount)?;
        if let Some(line) = unsaved.take() {
            let changed = LineRow {
                state: "matched".to_owned(),
                matched_kind: line.matched_kind.clone().or_else(|| Some("invoice".to_owned())),
                matched_id: line.matched_id.or(Some(invoice.id.0)),
                ..(*line).clone()
            };
            paying = Some(store::save_line(tx, line, &changed)?);
        }
        if let Some(line) = &paying {
            allocate(tx, line, &invoice, amount, on, Arrival::Suspense(id))?;
        }
    }
    release_owner(tx, id, waiting)?;
    find_line(tx, id)
}

/// Nobody looks after a line of which nothing waits.
pub(super) fn release_owner(tx: &mut Tx<'_>, id: BankLineId, waiting: Minor) -> Result<()> {
    if waiting == Minor::ZERO {
        let line = store::lock_line(tx, id)?;
        let changed = LineRow { owner_id: None, ..(*line).clone() };
        store::save_line(tx, line, &changed)?;
    }
    Ok(())
}

/// A line of which something was taken back, with whoever did that: it waits whole when nothing of it is left, otherwise what
/// is left of it keeps its place.
pub(super) fn put_back(tx: &mut Tx<'_>, line: &LineRow) -> Result<LineRow> {
    let mut changed = LineRow { owner_id: Some(tx.person()?), ..line.clone() };
    let parts = store::sum_allocations(tx, &[line.id])?.get(&line.id).copied().unwrap_or_default();
    if parts == Minor::ZERO {
        "suspense".clone_into(&mut changed.state);
        (changed.matched_kind, changed.matched_id) = (None, None);
    } else if let Some(left) = store::list_standing(tx, line.id)?.first() {
        (changed.matched_kind, changed.matched_id) = (Some("invoice".to_owned()), Some(left.invoice_id.0));
    }
    Ok(changed)
}

/// Takes back what a line paid of an invoice, or of every invoice: that was not what it was for. Its money waits again,
/// with whoever took it back.
///
/// # Errors
/// 403 for one's own invoice; 404; 409 `bank_line_not_matched` when it pays none, `later_payment_first`,
/// `payment_settled_otherwise`; 412; 422 for an invoice that it does not pay.
pub fn take_back(
    tx: &mut Tx<'_>,
    id: BankLineId,
    expected: i32,
    invoice: Option<InvoiceId>,
    reason: &str,
) -> Result<LineSummary> {
    let me = tx.person()?;
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 500);
    checks.done()?;
    let line = locked_at(tx, id, expected)?;
    let statement = store::find_statement(tx, line.statement_id)?;
    let standing = store::list_standing(tx, id)?;
    let chosen: Vec<&AllocationRow> =
        standing.iter().filter(|row| invoice.is_none_or(|invoice| row.invoice_id == invoice)).collect();
    if chosen.is_empty() {
        return Err(match invoice {
            Some(_) if !standing.is_empty() => Error::field("/invoice_id", "not_allowed"),
            _ => Error::conflict("bank_line_not_matched"),
        });
    }
    let mut to_lock: Vec<InvoiceId> = chosen.iter().map(|row| row.invoice_id).collect();
    to_lock.sort_unstable();
    ledger::lock_invoices(tx, &to_lock)?;
    let zone = charter::entity(tx, statement.entity_id)?.zone();
    let on = rules::counts_on(tx.today(zone), ledger::first_open_day(tx, statement.entity_id)?);
    for paid in &chosen {
        let open = invoicing::open_invoice(tx, paid.invoice_id)?;
        let back: AllocationId = tx.new_id();
        let row = AllocationRow {
            id: back,
            amount_minor: paid.amount_minor.negated()?,
            allocated_on: on,
            created_at: tx.now(),
            reverses_id: Some(paid.id),
            reason: Some(reason.to_owned()),
            taken_back_by: Some(me),
            ..(*paid).clone()
        };
        if me == paid.member_id {
            return Err(Error::forbidden("self_approval_forbidden"));
        }
        store::insert_allocation(tx, &row)?;
        invoicing::take_back(tx, &open, (paid.id, back), (id, paid.amount_minor), on)?;
    }
    let changed = put_back(tx, &line)?;
    store::save_line(tx, line, &changed)?;
    find_line(tx, id)
}
