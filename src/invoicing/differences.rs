//! What arrives in euro for an invoice in another currency: a little less or more than was booked, because the rate
//! moved. A person of the office says so, with the reason; it is never more than a small part of the invoice.

use chrono::NaiveDate;

use super::rules;
use super::store;
pub use super::store::{DifferenceKind, DifferenceRow as Difference};
use crate::charter;
use crate::guarantee;
use crate::kernel::ids::{BankLineId, ExchangeDifferenceId, InvoiceId};
use crate::kernel::money::{Minor, split};
use crate::kernel::refusal::Checks;
use crate::ledger::events::{self, Borne, ExchangeGain, ExchangeLoss};
use crate::ledger::{self, Held};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

use super::OpenInvoice;

/// A difference that somebody settles.
#[derive(Debug, Clone)]
pub struct NewDifference {
    /// Made by the sender.
    pub id: ExchangeDifferenceId,
    /// Of which invoice.
    pub invoice: InvoiceId,
    /// Why it is no payment in part and no payment too much.
    pub reason: String,
}

/// An invoice in another currency of which somebody else may settle `amount`.
fn check(tx: &mut Tx<'_>, new: &NewDifference, invoice: &OpenInvoice, amount: Minor) -> Result<()> {
    let mut checks = Checks::default();
    checks.text(&new.reason, "/reason", 1, 500);
    checks.done()?;
    if tx.person()? == invoice.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    if store::find_document(tx, invoice.id)?.is_none() {
        return Err(Error::conflict("invoice_in_euro"));
    }
    let before = Minor::sum(store::list_differences(tx, invoice.id)?.iter().map(|row| row.amount_minor))?;
    let most = invoice.gross_minor.get().checked_div(rules::DIFFERENCE_PARTS).unwrap_or_default();
    let most = Minor::new(most).minus(before)?;
    if amount > most {
        return Err(Error::conflict("exchange_difference_exceeds")
            .with("rest_minor", amount.get())
            .with("limit_minor", most.max(Minor::ZERO).get()));
    }
    tx.reason(new.reason.trim())
}

/// Closes what is open of an invoice: it will not arrive, because the rate moved. The activities that hold the money of
/// the invoice bear it, each its part: out of what waits, then out of what is available; what else waits becomes
/// available, and advances are closed, as with a last payment.
///
/// # Errors
/// 404; 403 for the member; 409 `invoice_in_euro`, `nothing_open`, `exchange_difference_exceeds` with the rest, a closed
/// period; 422 for the reason.
pub fn exchange_loss(tx: &mut Tx<'_>, new: &NewDifference) -> Result<Difference> {
    let invoice = store::lock_open(tx, new.invoice)?;
    let amount = invoice.open_minor;
    check(tx, new, &invoice, amount)?;
    if amount <= Minor::ZERO {
        return Err(Error::conflict("nothing_open"));
    }
    let holders = ledger::holders(tx, invoice.id)?;
    let pending = holders.pending();
    let waits = if pending.is_empty() { holders.advanced() } else { pending.clone() };
    let parts = shares(&invoice, waits, amount)?;
    let touched: Vec<_> = parts.iter().map(|part| part.activity).collect();
    let balances = ledger::lock_balances(tx, &touched)?;
    let mut borne = Vec::with_capacity(parts.len());
    for part in &parts {
        let balance = balances.iter().find(|balance| balance.activity_id == part.activity);
        borne.push(Borne {
            part: *part,
            pending: pending.iter().find(|it| it.activity == part.activity).map_or(Minor::ZERO, |it| it.amount),
            available: balance.map_or(Minor::ZERO, |balance| balance.available_minor),
        });
    }
    let on = today(tx, &invoice)?;
    guarantee::end_hold(tx, invoice.id)?;
    let row = store::insert_difference(tx, new, &invoice, (DifferenceKind::Loss, None), amount, on)?;
    let at = events::Booking { entity: invoice.entity_id, on, currency: invoice.currency };
    let advances_closed = holders.advanced();
    let loss =
        ExchangeLoss { id: new.id, of: funds_of(&invoice), amount, borne: &borne, advances_closed: &advances_closed };
    ledger::post(tx, &events::exchange_lost(at, loss)?)?;
    Ok(row)
}

/// Books what waits of a line of the bank beyond an invoice that it paid: the rate moved, and it belongs to those who
/// got the money of the invoice.
///
/// # Errors
/// 404; 403 for the member; 409 `invoice_in_euro`, `exchange_difference_exceeds` with the rest, `still_open` when the
/// invoice is not paid; 422 for the reason and for an invoice that the line did not pay.
pub fn exchange_gain(
    tx: &mut Tx<'_>,
    new: &NewDifference,
    line: BankLineId,
    amount: Minor,
    on: NaiveDate,
) -> Result<Difference> {
    let invoice = store::lock_open(tx, new.invoice)?;
    check(tx, new, &invoice, amount)?;
    if !store::is_paid_by(tx, invoice.id, line)? {
        return Err(Error::field("/invoice_id", "not_allowed"));
    }
    if invoice.open_minor > Minor::ZERO {
        return Err(Error::conflict("still_open").with("open_minor", invoice.open_minor.get()));
    }
    let parts = shares(&invoice, ledger::freed(tx, invoice.id)?, amount)?;
    let touched: Vec<_> = parts.iter().map(|part| part.activity).collect();
    ledger::lock_balances(tx, &touched)?;
    let row = store::insert_difference(tx, new, &invoice, (DifferenceKind::Gain, Some(line)), amount, on)?;
    let at = events::Booking { entity: invoice.entity_id, on, currency: invoice.currency };
    let gain = ExchangeGain { id: new.id, of: funds_of(&invoice), line, amount, parts: &parts };
    ledger::post(tx, &events::exchange_gained(at, gain)?)?;
    Ok(row)
}

/// An amount for those who hold the money of an invoice, by what they hold; of nothing, for the activity of the invoice.
fn shares(invoice: &OpenInvoice, held: Vec<Held>, amount: Minor) -> Result<Vec<Held>> {
    if held.is_empty() {
        return Ok(vec![Held { activity: invoice.activity_id, member: invoice.member_id, amount }]);
    }
    let weights: Vec<u64> = held.iter().map(|part| part.amount.get().unsigned_abs()).collect();
    let parts = split(amount, &weights)?;
    Ok(held.into_iter().zip(parts).map(|(part, amount)| Held { amount, ..part }).collect())
}

fn today(tx: &mut Tx<'_>, invoice: &OpenInvoice) -> Result<NaiveDate> {
    let zone = charter::entity(tx, invoice.entity_id)?.zone();
    Ok(tx.today(zone))
}

const fn funds_of(invoice: &OpenInvoice) -> events::InvoiceFunds {
    events::InvoiceFunds {
        invoice: invoice.id,
        activity: invoice.activity_id,
        member: invoice.member_id,
        client: invoice.client_id,
    }
}

/// The differences of an invoice, in the order in which they were settled.
///
/// # Errors
/// 404.
pub fn of_invoice(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Vec<Difference>> {
    store::find(tx, invoice)?;
    store::list_differences(tx, invoice)
}
