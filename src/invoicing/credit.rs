//! Credit notes: what was invoiced is given back, in the shares that were booked.
//!
//! A desk of its own beside that of invoices, because the two share a table and little else. A credit note names one
//! issued invoice and its lines, is numbered in its own series, and is made and issued in one transaction by somebody
//! else than the member. Nothing is computed anew: the levies come back as they were booked, and the last credit note
//! takes what rounding left, so that an invoice given back in full nets to nothing. A contribution that the fund does
//! not hold any more is borne by the activity, and owed to it by the fund.

use chrono::NaiveDate;
use uuid::Uuid;

use super::rules::{self, Standing, Wanted};
use super::store::{self, InvoiceLineRow, Series, TaxRow};
pub use super::store::{ClientCredit, CreditNoteFilter, CreditNoteRow, CreditedLine, TakenFrom};
use super::{Foreign, InvoiceRow, IssueCharge, einvoice, foreign, jobs};
use crate::charter;
use crate::guarantee;
use crate::kernel::ids::{ActivityId, InvoiceId, PersonId};
use crate::kernel::levies::LevyKind;
use crate::kernel::money::Minor;
use crate::ledger::{self, events};
use crate::levies::{self, ChargeSource, NewCharge};
use crate::outbox::{self, Job};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// A credit note to issue.
#[derive(Debug, Clone)]
pub struct NewCreditNote {
    /// Made by the sender.
    pub id: InvoiceId,
    /// Which invoice it corrects.
    pub invoice: InvoiceId,
    /// Why; the client reads it.
    pub reason: String,
    /// What it gives back.
    pub wanted: Wanted,
}

/// A credit note with all that is shown of it. Amounts are positive, as on the document.
#[derive(Debug, Clone)]
pub struct CreditNote {
    /// Its row.
    pub row: CreditNoteRow,
    /// Its lines as they are booked.
    pub lines: Vec<InvoiceLineRow>,
    /// What it says in its own currency, where that is not the euro.
    pub foreign: Option<Foreign>,
    /// Which line of the invoice each of them gives back.
    pub credited: Vec<CreditedLine>,
    /// VAT by case and rate.
    pub taxes: Vec<TaxRow>,
    /// What the mutual gives back, below zero as it is stored.
    pub charges: Vec<IssueCharge>,
    /// Where the member's share came from.
    pub taken: TakenFrom,
}

/// Makes and issues a credit note.
///
/// The invoice is locked first, then the fund, then the balances of the activities concerned, then the series.
///
/// # Errors
/// 404; 409 for an invoice that is not issued or was given up, `already_credited` when nothing is left of it, a closed
/// period; 403 for one's own invoice; 422 for the reason and for lines that are not its own or have less left.
pub fn issue(tx: &mut Tx<'_>, new: &NewCreditNote) -> Result<CreditNote> {
    let invoice = store::lock(tx, new.invoice)?;
    if tx.principal().is_some_and(|who| who.person == invoice.member_id) {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    rules::may_credit(invoice.state, store::written_off(tx, invoice.id)?, &new.reason)?;
    let reason = new.reason.trim();
    tx.reason(reason)?;
    let charged = levies::charges_about(tx, invoice.id)?;
    let rest = store::rest(tx, &invoice, rules::levies_left(&charged)?)?;
    let document = store::find_document(tx, invoice.id)?;
    let (credited, said) = match &document {
        None => (rules::credit(&rest, &new.wanted)?, None),
        Some(_) => {
            let of_document = store::rest_of_document(tx, invoice.id)?;
            let (credited, said) = rules::credit_foreign(&rest, &of_document, &new.wanted)?;
            (credited, Some(said))
        }
    };
    let waiting = store::waiting_of(tx, invoice.id)?;
    let holders = ledger::holders(tx, invoice.id)?;
    let standing = Standing {
        activity: invoice.activity_id,
        open: store::open_of(tx, invoice.id)?.amount,
        waiting: &waiting,
        advanced: Minor::sum(holders.advanced().iter().map(|held| held.amount))?,
    };
    let taking = rules::take(&credited, standing)?;
    let advance_closed = holders.close_advances(taking.advance_closed, invoice.activity_id)?;
    let short = short_of_fund(tx, &invoice, &credited)?;
    let zone = charter::entity(tx, invoice.entity_id)?.zone();
    let today = tx.today(zone);
    store::insert_credit_note(tx, new.id, &invoice, reason, (&credited, said.as_ref()), today)?;
    if let (Some(document), Some(said)) = (&document, &said) {
        store::insert_credit_document(tx, new.id, invoice.id, document, said)?;
    }
    let taxes: Vec<_> = credited.taxes.iter().map(|tax| (tax.case, tax.tax)).collect();
    let levies: Vec<_> = credited.levies.iter().map(|levy| (levy.kind, levy.amount)).collect();
    let freed: Vec<_> = taking.freed.iter().map(|it| (it.activity, it.owner, it.amount)).collect();
    let at = events::Booking { entity: invoice.entity_id, on: today, currency: invoice.currency };
    let facts = events::CreditNote {
        credit_note: new.id,
        of: events::InvoiceFunds {
            invoice: invoice.id,
            activity: invoice.activity_id,
            member: invoice.member_id,
            client: invoice.client_id,
        },
        net: credited.net,
        gross: credited.gross,
        taxes: &taxes,
        levies: &levies,
        pending: taking.pending,
        charged: taking.charged,
        short,
        available: available(tx, invoice.activity_id, &freed)?,
        freed: &freed,
        advance_closed: &advance_closed,
    };
    ledger::post(tx, &events::credit_note_issued(at, facts)?)?;
    if short > Minor::ZERO {
        guarantee::owe_contribution(tx, &owed(&invoice, new.id, short, today))?;
    }
    let reversals = reversals(tx, &invoice, new.id, &credited, today)?;
    levies::record(tx, &reversals)?;
    outbox::queue(tx, &Job::SendCreditNote { credit_note: new.id }, new.id.0, &format!("send_credit_note:{}", new.id))?;
    let number = store::take_number(tx, invoice.entity_id, Series::CreditNote, today)?;
    store::seal_credit_note(tx, new.id, today, &number)?;
    let note = find(tx, new.id)?;
    let terms = jobs::terms(tx, Some(&note.row.seller_snapshot), note.row.supplied_on)?;
    einvoice::of_credit_note(&note, &terms)?;
    Ok(note)
}

/// What of the contribution the fund does not hold, or owes to others already. Takes the fund, so that it stays so.
fn short_of_fund(tx: &mut Tx<'_>, invoice: &InvoiceRow, credited: &rules::Credited) -> Result<Minor> {
    let is_contribution = |levy: &&rules::RestLevy| levy.kind == LevyKind::Guarantee;
    let contribution = Minor::sum(credited.levies.iter().filter(is_contribution).map(|levy| levy.amount))?;
    if contribution <= Minor::ZERO {
        return Ok(Minor::ZERO);
    }
    guarantee::lock_fund(tx, invoice.entity_id)?;
    let free = guarantee::free_balance(tx, invoice.entity_id)?;
    Ok(contribution.minus(contribution.min(free))?)
}

fn owed(invoice: &InvoiceRow, credit_note: InvoiceId, amount: Minor, on: NaiveDate) -> guarantee::NewContributionOwed {
    guarantee::NewContributionOwed {
        entity: invoice.entity_id,
        credit_note,
        invoice: invoice.id,
        activity: invoice.activity_id,
        member: invoice.member_id,
        client: invoice.client_id,
        amount,
        currency: invoice.currency,
        on,
    }
}

/// The levies that come back, as charges of the credit note.
fn reversals(
    tx: &mut Tx<'_>,
    invoice: &Locked<InvoiceRow>,
    credit_note: InvoiceId,
    credited: &rules::Credited,
    on: NaiveDate,
) -> Result<Vec<NewCharge>> {
    let mut charges = Vec::with_capacity(credited.levies.len());
    for levy in &credited.levies {
        charges.push(NewCharge {
            id: tx.new_id(),
            entity: invoice.entity_id,
            activity: invoice.activity_id,
            member: invoice.member_id,
            source: (ChargeSource::CreditNote, credit_note.0),
            invoice: Some(invoice.id),
            rule_set: levy.rule_set,
            on,
            charge: levy.reversed()?,
        });
    }
    Ok(charges)
}

/// What the activity of the invoice has available, locked together with every other whose money moves.
fn available(tx: &mut Tx<'_>, own: ActivityId, freed: &[(ActivityId, PersonId, Minor)]) -> Result<Minor> {
    let mut activities: Vec<ActivityId> = freed.iter().map(|(activity, _, _)| *activity).collect();
    activities.push(own);
    let balances = ledger::lock_balances(tx, &activities)?;
    let balance = balances.iter().find(|balance| balance.activity_id == own).ok_or_else(Error::not_found)?;
    Ok(balance.available_minor)
}

/// A credit note.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: InvoiceId) -> Result<CreditNote> {
    let row = store::find_credit_note(tx, id)?;
    let lines = store::list_lines(tx, id)?;
    let foreign = foreign::load_issued(tx, id)?;
    let credited = store::list_credit_lines(tx, id)?;
    let taxes = store::list_taxes(tx, id)?;
    let charges = levies::charges_on(tx, ChargeSource::CreditNote, id.0)?;
    let charges = charges.into_iter().map(IssueCharge::from).collect();
    let taken = store::taken_from(tx, &row)?;
    Ok(CreditNote { row, lines, foreign, credited, taxes, charges, taken })
}

/// A charge of a credit note as people read it: what is given back, above zero.
///
/// # Errors
/// Refuses amounts out of range.
pub fn given_back(charge: &IssueCharge) -> Result<IssueCharge> {
    Ok(IssueCharge { base: charge.base.negated()?, amount: charge.amount.negated()?, ..*charge })
}

/// Credit notes, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, filter: &CreditNoteFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<CreditNoteRow>> {
    store::list_credit_notes(tx, filter, after, limit)
}

/// Who owns a credit note: for files and mails about it.
///
/// # Errors
/// 404.
pub fn owner(tx: &mut Tx<'_>, id: InvoiceId) -> Result<PersonId> {
    Ok(store::find_credit_note(tx, id)?.member_id)
}

/// Invoices of which clients paid more than is left to pay, newest first: what the mutual owes to clients.
///
/// # Errors
/// Fails with the database.
pub fn client_credits(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<ClientCredit>> {
    store::list_client_credits(tx, after, limit)
}
