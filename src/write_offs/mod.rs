//! When a client does not pay: the invoice is disputed, or given up, and sometimes money still comes.
//!
//! Owns `write_off` and `recovery`. A write-off is proposed by a reviewer with its evidence and approved by another
//! person, never by the member. What was open is then given up in one transaction: the VAT is claimed back, the fee and
//! the contribution go back, and either the guarantee fund is asked for the rest, if the order was covered, or the
//! member bears it. What comes later goes to the fund first. A dispute is the guarantee's record; it is opened and
//! resolved here, because it needs the invoice.

pub mod http;
mod rules;
mod store;

use chrono::NaiveDate;
pub use rules::{Division, Parts, ShareOf, WriteOffState};
pub use store::{RecoveryRow, WriteOffRow};
use uuid::Uuid;

use crate::formats::letters::Letter;
use crate::guarantee::{self, ClaimRow, DisputeRow};
use crate::invoicing::{self, InvoiceState, OpenInvoice};
use crate::kernel::ids::{BankLineId, EntityId, InvoiceId, PersonId, RecoveryId, WriteOffId};
use crate::kernel::money::{Currency, Minor, Money, split};
use crate::kernel::refusal::Checks;
use crate::ledger::events::{Arrival, Bearer, Booking, InvoiceFunds, Loss, Recovered, recovered, written_off};
use crate::ledger::{self, Entry, Held};
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{access, charter, clients};

/// A write-off with what became of it.
#[derive(Debug, Clone)]
pub struct WriteOff {
    /// Its row.
    pub row: WriteOffRow,
    /// The number of its invoice.
    pub number: String,
    /// What it claims of the fund, once approved.
    pub claim: Option<ClaimRow>,
    /// What came back.
    pub recovered: Minor,
}

/// What somebody writes into a proposal.
#[derive(Debug, Clone)]
pub struct NewWriteOff {
    /// Made by the sender.
    pub id: WriteOffId,
    /// Of this invoice.
    pub invoice: InvoiceId,
    /// Why nothing can be expected any more.
    pub reason: String,
    /// What proves it: a judgment, a notice of bankruptcy.
    pub evidence: String,
}

/// Notes that the client disputes an invoice: nothing is advanced on it meanwhile.
///
/// # Errors
/// 404 when it is not issued; 409 when it is disputed or nothing is open; 403 for one's own; 422 for the reason.
pub fn dispute(tx: &mut Tx<'_>, id: InvoiceId, expected: i32, reason: &str) -> Result<DisputeRow> {
    let invoice = hold_invoice(tx, id, expected)?;
    if invoice.open_minor == Minor::ZERO {
        return Err(Error::conflict("nothing_to_write_off"));
    }
    let by = guarantee::Disputant::Office(tx.person()?);
    guarantee::open_dispute(tx, id, invoice.member_id, reason, by)
}

/// Takes the client's own objection, by the link of the invoice's mail, and tells the member.
///
/// # Errors
/// 404 when it is not issued; 409 when it is disputed or nothing is open; 422 for the reason.
pub fn dispute_by_client(tx: &mut Tx<'_>, id: InvoiceId, link: Uuid, reason: &str) -> Result<DisputeRow> {
    let invoice = invoicing::open_invoice(tx, id)?;
    if invoice.open_minor <= Minor::ZERO {
        return Err(Error::conflict("nothing_to_write_off"));
    }
    let by = guarantee::Disputant::Client(link);
    let dispute = guarantee::open_dispute(tx, id, invoice.member_id, reason, by)?;
    let member = access::person(tx, invoice.member_id)?;
    let letter = Letter::InvoiceDisputed {
        client: clients::client(tx, invoice.client_id)?.name,
        total: Money { amount_minor: invoice.gross_minor, currency: invoice.currency },
        number: invoice.number,
        reason: dispute.reason.clone(),
    };
    let owner = Some(member.id);
    let mail = QueuedLetter { to: member.email, language: member.language, letter, subject: id.0, owner };
    outbox::queue_letter(tx, mail, &dispute.id.to_string())?;
    Ok(dispute)
}

/// Ends the dispute about an invoice: its advance is made at the next look of the day.
///
/// # Errors
/// 404; 409 when it is not issued or not disputed; 403 for one's own; 422 for the text.
pub fn resolve_dispute(tx: &mut Tx<'_>, id: InvoiceId, expected: i32, resolution: &str) -> Result<DisputeRow> {
    hold_invoice(tx, id, expected)?;
    guarantee::resolve_dispute(tx, id, resolution)
}

fn hold_invoice(tx: &mut Tx<'_>, id: InvoiceId, expected: i32) -> Result<OpenInvoice> {
    let row = invoicing::find(tx, id)?.row;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    if row.state != InvoiceState::Issued {
        return Err(Error::state_conflict(row.state, "dispute"));
    }
    let invoice = invoicing::open_invoice(tx, id)?;
    check_not_own(tx, invoice.member_id)?;
    Ok(invoice)
}

fn check_not_own(tx: &Tx<'_>, member: PersonId) -> Result<()> {
    if tx.person()? == member { Err(Error::forbidden("self_approval_forbidden")) } else { Ok(()) }
}

/// Proposes to give up what is open of an invoice.
///
/// # Errors
/// 404 when it is not issued; 409 `nothing_to_write_off` when it is paid or credited, `write_off_exists`; 403 for
/// one's own; 422 for the texts.
pub fn propose(tx: &mut Tx<'_>, new: &NewWriteOff) -> Result<WriteOff> {
    let mut checks = Checks::default();
    checks.text(&new.reason, "/reason", 1, 2000);
    checks.text(&new.evidence, "/evidence", 1, 4000);
    checks.done()?;
    let invoice = invoicing::open_invoice(tx, new.invoice)?;
    check_not_own(tx, invoice.member_id)?;
    if invoice.open_minor <= Minor::ZERO {
        return Err(Error::conflict("nothing_to_write_off"));
    }
    let by = tx.person()?;
    let row = store::insert(tx, new, &invoice, by)?;
    whole(tx, row)
}

/// Refuses a proposal, with the reason.
///
/// # Errors
/// 404; 409 when it was decided; 412 for another version; 403 for whoever proposed it or whose it is; 422 for the reason.
pub fn reject(tx: &mut Tx<'_>, id: WriteOffId, expected: i32, reason: &str) -> Result<WriteOff> {
    let (row, by) = lock_proposal(tx, id, expected, rules::Command::Reject)?;
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    tx.reason(reason)?;
    let row = store::mark_rejected(tx, &row, by, reason)?;
    whole(tx, row)
}

fn lock_proposal(
    tx: &mut Tx<'_>,
    id: WriteOffId,
    expected: i32,
    command: rules::Command,
) -> Result<(crate::platform::db::Locked<WriteOffRow>, PersonId)> {
    let row = store::lock(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    rules::may(row.state, command)?;
    let by = tx.person()?;
    rules::check_decider(by, row.proposed_by, row.member_id)?;
    Ok((row, by))
}

/// Approves a proposal: gives the receivable up, and lets the fund or the member bear it.
///
/// When no other claim waits and the fund suffices, it pays at once; otherwise the claim waits for the next draw run,
/// so that nobody is paid before those who waited.
///
/// # Errors
/// 404; 409 when it was decided, `open_amount_changed` when money came meanwhile, `period_closed`; 412 for another
/// version; 403 for whoever proposed it or whose it is.
pub fn approve(tx: &mut Tx<'_>, id: WriteOffId, expected: i32) -> Result<WriteOff> {
    let (row, by) = lock_proposal(tx, id, expected, rules::Command::Approve)?;
    let invoice = invoicing::open_invoice(tx, row.invoice_id)?;
    if invoice.open_minor != row.amount_minor {
        return Err(Error::conflict("open_amount_changed").with("open_minor", invoice.open_minor.get()));
    }
    let whole_invoice = invoicing::find(tx, row.invoice_id)?;
    let is_advanced = whole_invoice.advance.is_some();
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let on = tx.today(zone);
    guarantee::lock_fund(tx, row.entity_id)?;
    let before = guarantee::figures(tx, row.entity_id, on)?;
    let free = guarantee::free_balance(tx, row.entity_id)?;
    let mut booked = ledger::booked_shares(tx, row.invoice_id)?;
    // What a credit note gave back and the fund owes is not part of what is lost.
    booked.contribution = booked.contribution.minus(guarantee::contribution_owed_of(tx, row.invoice_id)?)?;
    let cover = rules::Cover {
        fund: free,
        is_covered: whole_invoice.is_covered,
        uncharged: invoicing::levies_to_come(tx, &invoice, on)?,
    };
    let parts = rules::parts(row.amount_minor, booked, cover)?;
    let row = store::mark_approved(tx, &row, by, on, &parts, is_advanced)?;
    invoicing::write_off(tx, &invoice, id, on)?;
    let entry = book_loss(tx, &row, &invoice, &parts, on)?;
    ledger::post(tx, &entry)?;
    let mut waiting = Minor::ZERO;
    if parts.claim > Minor::ZERO {
        let claim = guarantee::open_claim(tx, &new_claim(&row, &invoice, parts.claim, on))?;
        let fund = free.minus(parts.contribution)?;
        if before.claims_minor == Minor::ZERO && parts.claim <= fund {
            let entry = guarantee::draw_now(tx, &claim, parts.claim, on)?;
            ledger::post(tx, &entry)?;
        } else if !is_advanced {
            waiting = parts.claim;
        }
    }
    tell_member(tx, &row, &invoice, &parts, waiting)?;
    whole(tx, row)
}

fn new_claim(row: &WriteOffRow, invoice: &OpenInvoice, amount: Minor, on: NaiveDate) -> guarantee::NewClaim {
    guarantee::NewClaim {
        entity: row.entity_id,
        write_off: row.id,
        invoice: invoice.id,
        activity: invoice.activity_id,
        member: invoice.member_id,
        client: invoice.client_id,
        amount,
        currency: row.currency,
        on,
    }
}

fn funds_of(invoice: &OpenInvoice) -> InvoiceFunds {
    InvoiceFunds {
        invoice: invoice.id,
        activity: invoice.activity_id,
        member: invoice.member_id,
        client: invoice.client_id,
    }
}

/// The entry of a loss. Not covered, it takes the member's share from whoever holds it pending, and what is missing
/// from the activity of the invoice; a cent that is pending beyond the share was paid for, and becomes available.
fn book_loss(tx: &mut Tx<'_>, row: &WriteOffRow, invoice: &OpenInvoice, parts: &Parts, on: NaiveDate) -> Result<Entry> {
    let at = Booking { entity: row.entity_id, on, currency: row.currency };
    let of = funds_of(invoice);
    let fee = parts.fee.minus(parts.uncharged)?;
    let loss = |bearer| Loss { vat: parts.vat, net: parts.net, fee, contribution: parts.contribution, bearer };
    let holders = ledger::holders(tx, invoice.id)?;
    let held = holders.pending();
    if parts.is_covered {
        let uncharged = rules::take(&held, parts.uncharged)?;
        let bearer = Bearer::Fund { advanced: &holders.advanced(), uncharged: &uncharged };
        return Ok(written_off(at, row.id, of, loss(bearer))?);
    }
    let mut touched: Vec<_> = held.iter().map(|part| part.activity).collect();
    touched.push(invoice.activity_id);
    let balances = ledger::lock_balances(tx, &touched)?;
    let available = balances
        .iter()
        .find(|balance| balance.activity_id == invoice.activity_id)
        .map_or(Minor::ZERO, |balance| balance.available_minor);
    let taken = rules::take(&held, parts.member)?;
    let freed = rules::left(&held, &taken)?;
    let bearer = Bearer::Member { share: parts.member, pending: &taken, freed: &freed, available };
    Ok(written_off(at, row.id, of, loss(bearer))?)
}

fn tell_member(tx: &mut Tx<'_>, row: &WriteOffRow, invoice: &OpenInvoice, parts: &Parts, waiting: Minor) -> Result<()> {
    let member = access::person(tx, row.member_id)?;
    let client = clients::client(tx, invoice.client_id)?.name;
    let money = |amount_minor| Money { amount_minor, currency: row.currency };
    let number = invoice.number.clone();
    let letter = if parts.is_covered {
        let waiting = (waiting > Minor::ZERO).then(|| money(waiting));
        Letter::WrittenOffCovered { number, client, total: money(row.amount_minor), waiting }
    } else {
        let (total, borne) = (money(row.amount_minor), money(parts.member));
        Letter::WrittenOffNotCovered { number, client, total, borne, reason: row.reason.clone() }
    };
    let mail = QueuedLetter {
        to: member.email,
        language: member.language,
        letter,
        subject: row.invoice_id.0,
        owner: Some(row.member_id),
    };
    outbox::queue_letter(tx, mail, "written_off")
}

/// What a bank line may recover of a write-off.
#[derive(Debug, Clone, Copy)]
pub struct Recoverable {
    /// Whose books.
    pub entity: EntityId,
    /// In which currency.
    pub currency: Currency,
    /// What was given up and has not come back.
    pub left: Minor,
}

/// An approved write-off that money may come for, locked.
///
/// # Errors
/// 404 when it is not there or not approved.
pub fn recoverable(tx: &mut Tx<'_>, id: WriteOffId) -> Result<Recoverable> {
    let row = store::lock(tx, id)?;
    if row.state != WriteOffState::Approved {
        return Err(Error::not_found());
    }
    let back = store::sum_recoveries(tx, id)?;
    Ok(Recoverable { entity: row.entity_id, currency: row.currency, left: row.amount_minor.minus(back.amount)? })
}

/// Books what came for a write-off: the VAT in it is owed again, the fund is refilled first, then the rest of its claim
/// is paid, then the contribution and the fee, or the member who bore it.
///
/// # Errors
/// 409 `allocation_exceeds` for more than is left; `period_closed`.
pub fn recover(tx: &mut Tx<'_>, id: WriteOffId, line: BankLineId, amount: Minor, on: NaiveDate) -> Result<()> {
    let row = store::lock(tx, id)?.into_inner();
    let invoice = invoicing::open_invoice(tx, row.invoice_id)?;
    guarantee::lock_fund(tx, row.entity_id)?;
    let claim = guarantee::claim_of(tx, id)?;
    let before = store::sum_recoveries(tx, id)?;
    let drawn = claim.as_ref().map_or(Minor::ZERO, |claim| claim.drawn_minor);
    let claimed = claim.as_ref().map_or(Ok(Minor::ZERO), ClaimRow::open)?;
    let parts = rules::recovery(amount, &row, drawn, claimed, &before)?;
    let recovery: RecoveryId = tx.new_id();
    // What waits is freed by the share of the claim that is paid, so it is asked for before that share is counted.
    let freed = if parts.claim > Minor::ZERO {
        guarantee::free_pending(tx, invoice.id, parts.claim, claimed)?
    } else {
        Vec::new()
    };
    let borne = if parts.member > Minor::ZERO { share_of_bearers(tx, id, parts.member)? } else { Vec::new() };
    store::insert_recovery(tx, recovery, &row, line, amount, &parts, on)?;
    let at = Booking { entity: row.entity_id, on, currency: row.currency };
    let it = Recovered {
        amount,
        vat: parts.vat,
        fund: parts.fund,
        claim: parts.claim,
        contribution: parts.contribution,
        fee: parts.fee,
        borne: &borne,
        freed: &freed,
        is_covered: row.is_covered.unwrap_or_default(),
    };
    ledger::post(tx, &recovered(at, recovery, funds_of(&invoice), it, Arrival::Suspense(line))?)
}

/// An amount for those who bore a loss, in proportion to what they bore.
fn share_of_bearers(tx: &mut Tx<'_>, id: WriteOffId, amount: Minor) -> Result<Vec<Held>> {
    let borne = ledger::borne(tx, id)?;
    let weights: Vec<u64> = borne.iter().map(|part| part.amount.get().unsigned_abs()).collect();
    let parts = split(amount, &weights)?;
    Ok(borne.into_iter().zip(parts).map(|(part, amount)| Held { amount, ..part }).collect())
}

/// A write-off.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: WriteOffId) -> Result<WriteOff> {
    let row = store::find(tx, id)?;
    whole(tx, row)
}

/// Write-offs, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(
    tx: &mut Tx<'_>,
    state: Option<WriteOffState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<WriteOffRow>> {
    store::list(tx, state, after, limit)
}

/// What came back of a write-off, in the order in which it came.
///
/// # Errors
/// 404.
pub fn recoveries(tx: &mut Tx<'_>, id: WriteOffId) -> Result<Vec<RecoveryRow>> {
    store::find(tx, id)?;
    store::list_recoveries(tx, id)
}

/// How what was given up was divided, computed again from what the documents booked.
///
/// # Errors
/// 404.
pub fn division(tx: &mut Tx<'_>, id: WriteOffId) -> Result<(WriteOffRow, Division)> {
    let row = store::find(tx, id)?;
    let booked = ledger::booked_shares(tx, row.invoice_id)?;
    let division = rules::loss(row.amount_minor, booked)?;
    Ok((row, division))
}

/// What came back, divided into VAT and the rest; and what of the rest the fund did not get, divided among those who bore
/// the loss.
#[derive(Debug, Clone)]
pub struct Back {
    /// What came, and where it went.
    pub row: RecoveryRow,
    /// What came, in VAT and the rest.
    pub gross: Division,
    /// What was left for member, contribution and fee; none where the fund had borne the loss, or got all of it.
    pub rest: Option<Division>,
}

/// How what came back was divided, computed again.
///
/// # Errors
/// 404.
pub fn recovery_divisions(tx: &mut Tx<'_>, id: RecoveryId) -> Result<Back> {
    let recovery = store::find_recovery(tx, id)?;
    let row = store::find(tx, recovery.write_off_id)?;
    let before = store::sum_recoveries_before(tx, &recovery)?;
    let gross = rules::recovered_gross(recovery.amount_minor, &row, &before)?;
    let rest = gross.part(ShareOf::Net).minus(recovery.fund_minor)?.minus(recovery.claim_minor)?;
    let is_divided = !row.is_covered.unwrap_or_default() && rest > Minor::ZERO;
    let rest = is_divided.then(|| rules::recovered_rest(rest, &row, &before)).transpose()?;
    Ok(Back { row: recovery, gross, rest })
}

fn whole(tx: &mut Tx<'_>, row: WriteOffRow) -> Result<WriteOff> {
    let number = invoicing::find(tx, row.invoice_id)?.row.number.unwrap_or_default();
    let claim = guarantee::claim_of(tx, row.id)?;
    let recovered = store::sum_recoveries(tx, row.id)?.amount;
    Ok(WriteOff { row, number, claim, recovered })
}
