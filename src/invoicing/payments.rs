//! What the money of an invoice does after it was issued: paid by the client, advanced by the guarantee, given up.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::store::{OpenInvoice, UnpaidInvoice};
use super::{rules, store};
use crate::access;
use crate::charter;
use crate::formats::letters::Letter;
use crate::guarantee;
use crate::kernel::ids::{ActivityId, AllocationId, BankLineId, ClientId, EntityId, InvoiceId, WriteOffId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::ledger::{self, Event, Holders, Source, events};
use crate::levies::{self, ChargeSource};
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// An open invoice by its payment reference, locked.
///
/// # Errors
/// Fails with the database.
pub fn open_by_reference(tx: &mut Tx<'_>, entity: EntityId, digits: &str) -> Result<Option<OpenInvoice>> {
    match store::find_by_reference(tx, entity, digits)? {
        Some(id) => open_invoice(tx, id).map(Some),
        None => Ok(None),
    }
}

/// An issued invoice and what is still open of it, locked.
///
/// # Errors
/// 404 when it is not there or not issued.
pub fn open_invoice(tx: &mut Tx<'_>, id: InvoiceId) -> Result<OpenInvoice> {
    store::lock_open(tx, id)
}

/// Issued invoices of an entity with something to pay, those due first.
///
/// # Errors
/// Fails with the database.
pub fn unpaid(tx: &mut Tx<'_>, entity: EntityId, currency: Currency, limit: i64) -> Result<Vec<UnpaidInvoice>> {
    store::list_unpaid(tx, entity, currency, limit)
}

/// Which of some payment references belong to invoices of an entity.
///
/// # Errors
/// Fails with the database.
pub fn known_references(tx: &mut Tx<'_>, entity: EntityId, digits: &[String]) -> Result<BTreeSet<String>> {
    store::list_known_references(tx, entity, digits)
}

/// The clients of invoices, each once.
///
/// # Errors
/// Fails with the database.
pub fn clients_of(tx: &mut Tx<'_>, invoices: &[InvoiceId]) -> Result<Vec<ClientId>> {
    store::list_clients_of(tx, invoices)
}

/// Books that a client paid part or all of an invoice; the allocation exists by now.
///
/// Without an advance the same part of the pending funds becomes available, the last cent with the last part; each
/// activity that holds some of them gets its share. With one, the funds are available since then, and the advance
/// closes when nothing is open any more.
///
/// # Errors
/// 409 for a period that is closed.
pub fn settle(
    tx: &mut Tx<'_>,
    invoice: &OpenInvoice,
    allocation: AllocationId,
    amount: Minor,
    on: NaiveDate,
    from: events::Arrival,
) -> Result<()> {
    let advance = guarantee::advance_of(tx, invoice.id)?;
    let holders = ledger::holders(tx, invoice.id)?;
    let left = invoice.open_minor.minus(amount)?;
    let open = invoice.open_minor;
    let after_levies = levies::collect(tx, &collected(invoice, &holders), allocation, (amount, open), on)?;
    let paid = rules::payment(amount, open, (&holders, &after_levies), advance.is_some())?;
    let at = events::Booking { entity: invoice.entity_id, on, currency: invoice.currency };
    let of = events::InvoiceFunds {
        invoice: invoice.id,
        activity: invoice.activity_id,
        member: invoice.member_id,
        client: invoice.client_id,
    };
    ledger::post(tx, &events::client_paid(at, allocation, of, &paid, from)?)?;
    if left == Minor::ZERO {
        let member = access::person(tx, invoice.member_id)?;
        let total = Money { amount_minor: invoice.gross_minor, currency: invoice.currency };
        let letter = Letter::ClientPaid { number: invoice.number.clone(), amount: total };
        let owner = Some(invoice.member_id);
        let mail = QueuedLetter { to: member.email, language: member.language, letter, subject: invoice.id.0, owner };
        outbox::queue_letter(tx, mail, "paid")?;
    }
    Ok(())
}

/// Takes a payment back that belonged to another invoice: everything that it did to this one is undone, and its money
/// waits with the line of the bank again. What the activities no longer have of it they owe. `paid` is what `allocation`
/// gave; `back` exists by now.
///
/// # Errors
/// 403 for one's own invoice; 409 `payment_settled_otherwise` when a credit note, a write-off or a difference of the rate
/// came since; 409 for a period that is closed.
pub fn take_back(
    tx: &mut Tx<'_>,
    invoice: &OpenInvoice,
    (allocation, back): (AllocationId, AllocationId),
    (line, paid): (BankLineId, Minor),
    on: NaiveDate,
) -> Result<()> {
    if tx.person()? == invoice.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let posted = ledger::posted(tx, Event::ClientPaid, Source::Allocation(allocation))?
        .ok_or_else(|| Error::internal("a payment that was not booked"))?;
    if store::is_reduced_since(tx, invoice.id, posted.entry)? {
        return Err(Error::conflict("payment_settled_otherwise").with("invoice", &invoice.number));
    }
    let charges = levies::charges_on(tx, ChargeSource::Allocation, allocation.0)?;
    let mut activities: Vec<ActivityId> = posted.postings.iter().filter_map(|posting| posting.about.activity).collect();
    activities.extend(charges.iter().map(|charge| charge.activity_id));
    activities.sort_unstable();
    activities.dedup();
    let mut standing = events::Standing::default();
    for balance in ledger::lock_balances(tx, &activities)? {
        standing.available.insert(balance.activity_id, balance.available_minor);
    }
    standing.arrears.extend(ledger::arrears(tx, &activities)?);
    let at = events::Booking { entity: invoice.entity_id, on, currency: invoice.currency };
    let entry = events::payment_taken_back(at, (back, line), invoice.member_id, &posted, &mut standing)?;
    levies::take_back(tx, (allocation, back), at, &mut standing)?;
    ledger::post(tx, &entry)?;
    let member = access::person(tx, invoice.member_id)?;
    let amount = Money { amount_minor: paid, currency: invoice.currency };
    let letter = Letter::PaymentTakenBack { number: invoice.number.clone(), amount };
    let owner = Some(invoice.member_id);
    let mail = QueuedLetter { to: member.email, language: member.language, letter, subject: invoice.id.0, owner };
    outbox::queue_letter(tx, mail, &format!("taken_back:{back}"))
}

/// An invoice as the levies on payments see it.
fn collected(invoice: &OpenInvoice, holders: &Holders) -> levies::Collected {
    levies::Collected {
        entity: invoice.entity_id,
        invoice: invoice.id,
        activity: invoice.activity_id,
        member: invoice.member_id,
        client: invoice.client_id,
        currency: invoice.currency,
        rule_set: invoice.rule_set_id,
        issued_on: invoice.issued_on,
        holders: holders.clone(),
    }
}

/// The invoices whose promised day has come and whose money is still pending.
///
/// # Errors
/// Fails with the database.
pub fn advances_due(tx: &mut Tx<'_>, entity: EntityId, day: NaiveDate) -> Result<Vec<InvoiceId>> {
    store::list_advances_due(tx, entity, day)
}

/// Makes the pending money of one invoice available on its promised day, by the rules of the invoice. Does nothing when
/// the client has paid, when it was done before, or when the guarantee puts it off; then the invoice says why.
///
/// # Errors
/// 409 for a closed period.
pub fn advance(tx: &mut Tx<'_>, id: InvoiceId, day: NaiveDate) -> Result<bool> {
    let invoice = store::lock_open(tx, id)?;
    let holders = ledger::holders(tx, id)?;
    let pending = holders.pending_total()?;
    if pending == Minor::ZERO || guarantee::advance_of(tx, id)?.is_some() {
        return Ok(false);
    }
    // The levies on what the client will pay stay behind, so that the advance is what the member will have had.
    let levied = levies::forecast_collection(tx, &collected(&invoice, &holders), day)?;
    let amount = pending.minus(levied)?;
    if amount <= Minor::ZERO {
        return Ok(false);
    }
    let new = guarantee::NewAdvance {
        entity: invoice.entity_id,
        invoice: id,
        activity: invoice.activity_id,
        member: invoice.member_id,
        client: invoice.client_id,
        amount,
        held: holders.less(&holders.divide(levied)?)?.pending(),
        currency: invoice.currency,
        on: day,
    };
    let rules = store::rule_set_of(tx, id)?;
    let limits = guarantee::Limits::from(&charter::rule_set(tx, rules)?);
    if guarantee::advance(tx, &new, &limits)?.is_none() {
        return Ok(false);
    }
    for part in &new.held {
        let member = access::person(tx, part.member)?;
        let amount = Money { amount_minor: part.amount, currency: invoice.currency };
        let letter = Letter::AdvancePaid { number: invoice.number.clone(), amount };
        let owner = Some(part.member);
        let mail = QueuedLetter { to: member.email, language: member.language, letter, subject: id.0, owner };
        outbox::queue_letter(tx, mail, &format!("advanced:{}", part.activity))?;
    }
    tx.failpoint("advance.before_commit")?;
    Ok(true)
}

/// What a payment of all that is open would be charged on a day, out of what waits for it.
///
/// # Errors
/// Fails with the database.
pub fn levies_to_come(tx: &mut Tx<'_>, invoice: &OpenInvoice, on: NaiveDate) -> Result<Minor> {
    let holders = ledger::holders(tx, invoice.id)?;
    Ok(levies::forecast_collection(tx, &collected(invoice, &holders), on)?.min(holders.pending_total()?))
}

/// Gives up what is open of an invoice, in its own books: the fact is a write-off, which has approved it.
///
/// # Errors
/// 409 `already_booked` for a fact that did so before.
pub fn write_off(tx: &mut Tx<'_>, invoice: &OpenInvoice, fact: WriteOffId, on: NaiveDate) -> Result<()> {
    guarantee::end_hold(tx, invoice.id)?;
    store::insert_write_off(tx, invoice, fact, on)
}
