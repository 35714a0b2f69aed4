//! How an issued invoice or credit note reaches its client: by mail, by the Peppol network, by a French platform, by hand.
//!
//! Owns `delivery` and `delivery_status`. Apart from payment and from the document itself, which never changes. A
//! document is handed to the access point by a job: noted as being sent, handed over with no transaction open, and
//! its answer noted. What may have been handed over and was not answered is `unknown`: the program asks and never
//! sends again by itself; a person says what became of it. The page behind the link of the mail is here too.

mod access_point;
pub mod http;
pub mod jobs;
mod link;
pub mod pages;
mod rules;
mod store;

pub use access_point::{AccessPoint, Answer, FileDrop, HttpAccessPoint, NoAnswer, Outcome, Slip};
pub use rules::{Channel, DeliveryCommand, DeliveryState, LifeCycle};
pub use store::{DeliveryFilter, DeliveryRow, MoveRow, StatusRow};
use uuid::Uuid;

use crate::archive::{self, ArchivedFile, Kind, NewFile};
use crate::invoicing::{self, IssuedDocument};
use crate::kernel::ids::{DeliveryId, FileId, InvoiceId, PersonId};
use crate::kernel::refusal::Checks;
use crate::outbox::{self, EmailMessage, Job};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use store::Change;

/// A delivery with all that is shown of it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its row.
    pub row: DeliveryRow,
    /// The French life cycle, oldest first.
    pub statuses: Vec<StatusRow>,
    /// Its moves, oldest first.
    pub moves: Vec<MoveRow>,
}

fn whole(tx: &mut Tx<'_>, row: DeliveryRow) -> Result<Delivery> {
    let statuses = match row.channel {
        Channel::FrenchPlatform => store::list_statuses(tx, row.id)?,
        Channel::Email | Channel::Peppol | Channel::ByHand => Vec::new(),
    };
    let moves = store::list_moves(tx, row.id)?;
    Ok(Delivery { row, statuses, moves })
}

/// A delivery.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: DeliveryId) -> Result<Delivery> {
    let row = store::find(tx, id)?;
    whole(tx, row)
}

/// The ways in which a document goes to its client, oldest first.
///
/// # Errors
/// 404 for a document of somebody else.
pub fn of_document(tx: &mut Tx<'_>, document: InvoiceId) -> Result<Vec<Delivery>> {
    match invoicing::issued(tx, document) {
        // A draft goes nowhere yet.
        Err(error) if error.code == "state_conflict" => return Ok(Vec::new()),
        found => found?,
    };
    store::list_of(tx, document)?.into_iter().map(|row| whole(tx, row)).collect()
}

/// Deliveries, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, filter: DeliveryFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<DeliveryRow>> {
    store::list(tx, filter, after, limit)
}

/// What the access point answered last about a delivery, as it came.
///
/// # Errors
/// 404 where nothing is kept.
pub fn receipt(tx: &mut Tx<'_>, id: DeliveryId) -> Result<ArchivedFile> {
    let row = store::find(tx, id)?;
    archive::find(tx, row.receipt_id.ok_or_else(Error::not_found)?)
}

/// A delivery that nobody has begun.
fn fresh(tx: &mut Tx<'_>, document: &IssuedDocument, channel: Channel, participant: &str) -> DeliveryRow {
    DeliveryRow {
        id: tx.new_id(),
        entity_id: document.entity,
        invoice_id: document.id,
        member_id: document.member,
        channel,
        participant: participant.to_owned(),
        state: DeliveryState::Queued,
        reason: None,
        attempts: 0,
        reference: None,
        receipt_id: None,
        evidence_id: None,
        requested_by: tx.principal().map(|who| who.person),
        created_at: tx.now(),
        sent_at: None,
        answered_at: None,
        version: 1,
    }
}

/// The ways that a document takes by itself when it is issued: the mail, and the Peppol network when the buyer named a
/// participant and the electronic form is kept. Safe to repeat.
///
/// # Errors
/// Fails with the database.
pub fn of_issued(tx: &mut Tx<'_>, id: InvoiceId) -> Result<()> {
    let document = invoicing::issued(tx, id)?;
    let address = document.buyer.get("email").and_then(serde_json::Value::as_str).unwrap_or_default();
    if !address.is_empty() {
        let mail = fresh(tx, &document, Channel::Email, address);
        store::insert(tx, &mail)?;
    }
    let Some(participant) = rules::participant(&document.buyer) else { return Ok(()) };
    if archive::find_of(tx, id.0, Kind::InvoiceUbl)?.is_some() {
        let peppol = fresh(tx, &document, Channel::Peppol, &participant);
        if store::insert(tx, &peppol)? {
            queue(tx, &peppol)?;
        }
    }
    Ok(())
}

fn queue(tx: &mut Tx<'_>, row: &DeliveryRow) -> Result<()> {
    let job = Job::Deliver { delivery: row.id };
    outbox::queue(tx, &job, row.invoice_id.0, &format!("deliver:{}:{}", row.id, row.version))
}

/// A delivery that a person adds.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Made by the sender.
    pub id: DeliveryId,
    /// The document.
    pub document: InvoiceId,
    /// How it goes, or went.
    pub channel: Channel,
    /// Who receives it; the buyer's participant when it is left out for Peppol.
    pub participant: Option<String>,
    /// The paper that proves it.
    pub evidence: Option<FileId>,
}

/// Adds a way: by hand with its proof, by a French platform, or by Peppol for a buyer who was not there at the issue.
///
/// # Errors
/// 404; 409 `state_conflict` for a document that is not issued, `delivery_exists`, `delivery_without_einvoice`; 422 for
/// what is not acceptable.
pub fn add(tx: &mut Tx<'_>, new: &NewDelivery) -> Result<Delivery> {
    let document = invoicing::issued(tx, new.document)?;
    let mut checks = Checks::default();
    let named = rules::participant(&document.buyer).filter(|_| new.channel == Channel::Peppol);
    let participant = new.participant.as_deref().map(|text| text.trim().to_owned()).or(named).unwrap_or_default();
    checks.text(&participant, "/participant", 1, 320);
    match new.channel {
        Channel::Email => checks.refuse("/channel", "not_allowed"),
        Channel::Peppol => checks.require(rules::is_participant(&participant), "/participant", "invalid"),
        Channel::FrenchPlatform => checks.require(rules::is_siren(&participant), "/participant", "invalid"),
        Channel::ByHand => checks.require(new.evidence.is_some(), "/evidence_id", "required"),
    }
    checks.require(new.evidence.is_none() || new.channel != Channel::Peppol, "/evidence_id", "not_allowed");
    archive::check_evidence(tx, new.evidence, &mut checks);
    checks.done()?;
    if new.channel == Channel::Peppol && archive::find_of(tx, new.document.0, Kind::InvoiceUbl)?.is_none() {
        return Err(Error::conflict("delivery_without_einvoice"));
    }
    let state = match new.channel {
        Channel::Email | Channel::Peppol => DeliveryState::Queued,
        Channel::FrenchPlatform => DeliveryState::Deposited,
        Channel::ByHand => DeliveryState::Delivered,
    };
    let row =
        DeliveryRow { id: new.id, state, evidence_id: new.evidence, ..fresh(tx, &document, new.channel, &participant) };
    if !store::insert(tx, &row)? {
        return Err(Error::conflict("delivery_exists").with("channel", new.channel));
    }
    match new.channel {
        Channel::Peppol => queue(tx, &row)?,
        Channel::FrenchPlatform => note_status(tx, &row, 1, LifeCycle::Deposited, None)?,
        Channel::Email | Channel::ByHand => {}
    }
    find(tx, new.id)
}

fn note_status(tx: &mut Tx<'_>, row: &DeliveryRow, n: i32, code: LifeCycle, reason: Option<&str>) -> Result<()> {
    let status = StatusRow {
        delivery_id: row.id,
        n,
        member_id: row.member_id,
        code,
        reason: reason.map(|reason| reason.trim().to_owned()),
        reported_by: tx.person()?,
        reported_at: tx.now(),
    };
    store::insert_status(tx, &status)
}

fn lock_at(tx: &mut Tx<'_>, id: DeliveryId, expected: i32) -> Result<Locked<DeliveryRow>> {
    let row = store::lock(tx, id)?;
    if row.version == expected { Ok(row) } else { Err(Error::version_stale(row.version)) }
}

/// Has a delivery sent again that was refused or failed: the mail, or the hand-over to the access point.
///
/// # Errors
/// 404; 409 `delivery_outcome_unknown` for one that may have arrived, `delivery_not_sent_here` for a way that is not
/// ours to send by, `state_conflict`; 412.
pub fn retry(tx: &mut Tx<'_>, id: DeliveryId, expected: i32) -> Result<Delivery> {
    let row = lock_at(tx, id, expected)?;
    if matches!(row.channel, Channel::FrenchPlatform | Channel::ByHand) {
        return Err(Error::conflict("delivery_not_sent_here").with("channel", row.channel));
    }
    rules::may(row.state, DeliveryCommand::Retry)?;
    send_again(tx, &row)?;
    find(tx, id)
}

fn send_again(tx: &mut Tx<'_>, row: &Locked<DeliveryRow>) -> Result<()> {
    let queued = store::save(tx, row, &Change::to(DeliveryState::Queued), None)?;
    if row.channel == Channel::Peppol {
        return queue(tx, &queued);
    }
    let mail = mail_of(tx, row.invoice_id)?.ok_or_else(|| Error::state_conflict(row.state, "retry"))?;
    outbox::retry_email(tx, mail.id).map(drop)
}

/// What a person found out about a delivery whose outcome was not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The access point has it.
    Deposited,
    /// It arrived.
    Delivered,
    /// It was refused.
    Refused,
    /// It never left: it is sent again.
    NotSent,
}

/// Takes what a person found out about a delivery whose outcome is not known.
///
/// # Errors
/// 404; 409 `state_conflict` for one that is known; 412; 422 without the reason.
pub fn resolve(tx: &mut Tx<'_>, id: DeliveryId, expected: i32, found: Found, reason: &str) -> Result<Delivery> {
    let row = lock_at(tx, id, expected)?;
    if row.state != DeliveryState::Unknown {
        return Err(Error::state_conflict(row.state, "resolve"));
    }
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    tx.reason(reason)?;
    let now = tx.now();
    let known = |state| Change { answered_at: Some(now), ..Change::to(state) };
    match found {
        Found::Deposited => store::save(tx, &row, &known(DeliveryState::Deposited), None).map(drop)?,
        Found::Delivered => store::save(tx, &row, &known(DeliveryState::Delivered), None).map(drop)?,
        Found::Refused => store::save(tx, &row, &known(DeliveryState::Refused), Some(reason)).map(drop)?,
        Found::NotSent => send_again(tx, &row)?,
    }
    find(tx, id)
}

/// Takes a status of the French life cycle.
///
/// # Errors
/// 404; 409 `delivery_status_order` for one that may not come next, `delivery_not_french`; 412; 422 without a reason
/// where the law wants one.
pub fn report_status(
    tx: &mut Tx<'_>,
    id: DeliveryId,
    expected: i32,
    code: LifeCycle,
    reason: Option<&str>,
) -> Result<Delivery> {
    let row = lock_at(tx, id, expected)?;
    if row.channel != Channel::FrenchPlatform {
        return Err(Error::conflict("delivery_not_french").with("channel", row.channel));
    }
    let mut checks = Checks::default();
    checks.text(reason.unwrap_or_default(), "/reason", usize::from(code.needs_reason()), 2000);
    checks.done()?;
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    let last = store::list_statuses(tx, id)?.pop();
    rules::follows(last.as_ref().map(|last| last.code), code)?;
    if let Some(reason) = reason {
        tx.reason(reason)?;
    }
    let n = last.map_or(0, |last| last.n).saturating_add(1);
    note_status(tx, &row, n, code, reason)?;
    let change = Change { answered_at: Some(tx.now()), ..Change::to(code.state()) };
    store::save(tx, &row, &change, reason)?;
    find(tx, id)
}

/// The mail that brings a document to its client, once it was tried.
fn mail_of(tx: &mut Tx<'_>, document: InvoiceId) -> Result<Option<EmailMessage>> {
    let mails = outbox::emails_about(tx, document.0)?;
    let is_it = |mail: &EmailMessage| matches!(mail.letter.as_str(), "invoice_to_client" | "credit_note_to_client");
    Ok(mails.into_iter().rev().find(is_it))
}

/// Notes that the mail of a document is about to be sent. Does nothing when it has arrived.
///
/// # Errors
/// Fails with the database.
pub fn begin_mail(tx: &mut Tx<'_>, document: InvoiceId) -> Result<()> {
    use DeliveryState::{Failed, Queued, Refused};
    let Some(row) = store::lock_of(tx, document, Channel::Email)? else { return Ok(()) };
    if matches!(row.state, Queued | Failed | Refused) {
        begin(tx, &row)?;
    }
    Ok(())
}

fn begin(tx: &mut Tx<'_>, row: &Locked<DeliveryRow>) -> Result<()> {
    let change = Change {
        attempts: Some(row.attempts.saturating_add(1)),
        sent_at: Some(tx.now()),
        ..Change::to(DeliveryState::Sending)
    };
    store::save(tx, row, &change, None).map(drop)
}

/// Notes what became of the mail of a document, as the outbox knows it.
///
/// # Errors
/// Fails with the database.
pub fn end_mail(tx: &mut Tx<'_>, document: InvoiceId) -> Result<()> {
    let Some(row) = store::lock_of(tx, document, Channel::Email)? else { return Ok(()) };
    let Some(mail) = mail_of(tx, document)?.filter(|_| row.state == DeliveryState::Sending) else { return Ok(()) };
    let said = mail.last_error.unwrap_or_else(|| mail.state.clone());
    let (state, reason) = match mail.state.as_str() {
        "sent" => (DeliveryState::Deposited, None),
        "refused" => (DeliveryState::Refused, Some(said)),
        "failed" => (DeliveryState::Failed, Some(said)),
        _ => return Ok(()),
    };
    let change = Change { reference: Some(mail.message_id), answered_at: Some(tx.now()), ..Change::to(state) };
    store::save(tx, &row, &change, reason.map(|said| said.chars().take(2000).collect::<String>()).as_deref()).map(drop)
}

/// What the job of a delivery has to do.
#[derive(Debug, Clone)]
enum Begun {
    /// It was done before.
    Nothing,
    /// Hand it over.
    Send(Slip, Vec<u8>),
    /// Somebody died while handing it over: ask, and send nothing.
    Ask(Slip),
}

/// Notes that a document is about to be handed to the access point.
fn begin_hand_over(tx: &mut Tx<'_>, id: DeliveryId) -> Result<Begun> {
    let row = store::lock(tx, id)?;
    let document = invoicing::issued(tx, row.invoice_id)?;
    let slip = Slip { key: id, participant: row.participant.clone(), number: document.number };
    match row.state {
        DeliveryState::Sending => Ok(Begun::Ask(slip)),
        DeliveryState::Queued | DeliveryState::Failed => {
            let xml = archive::find_of(tx, row.invoice_id.0, Kind::InvoiceUbl)?.ok_or_else(Error::not_found)?;
            begin(tx, &row)?;
            Ok(Begun::Send(slip, xml.bytes))
        }
        DeliveryState::Deposited | DeliveryState::Delivered | DeliveryState::Refused | DeliveryState::Unknown => {
            Ok(Begun::Nothing)
        }
    }
}

/// Notes what the access point answered. What it said before changes nothing.
fn take_answer(tx: &mut Tx<'_>, id: DeliveryId, answer: &Answer) -> Result<()> {
    let row = store::lock(tx, id)?;
    let receipt = match row.receipt_id {
        Some(kept) => Some(archive::find(tx, kept)?.sha256),
        None => None,
    };
    let is_news = !answer.receipt.is_empty() && receipt.is_none_or(|kept| kept != archive::sha256(&answer.receipt));
    let next = rules::answered(row.state, answer.outcome);
    if !is_news && next.is_none() {
        return Ok(());
    }
    let mut change = Change { answered_at: Some(tx.now()), ..Change::to(next.unwrap_or(row.state)) };
    change.reference.clone_from(&answer.reference);
    if is_news {
        change.receipt_id = Some(keep_receipt(tx, id, row.member_id, &answer.receipt)?);
    }
    let reason = match next {
        Some(DeliveryState::Refused) => Some(answer.reason.as_deref().unwrap_or("no reason was given")),
        Some(_) => None,
        None => row.reason.as_deref(),
    };
    if let Some(reason) = reason.filter(|_| next.is_some()) {
        tx.reason(reason)?;
    }
    store::save(tx, &row, &change, reason).map(drop)
}

fn keep_receipt(tx: &mut Tx<'_>, id: DeliveryId, member: PersonId, bytes: &[u8]) -> Result<FileId> {
    let file = NewFile {
        kind: Kind::DeliveryReceipt,
        subject: id.0,
        owner: Some(member),
        name: &format!("receipt-{id}.json"),
        media_type: "application/json",
        bytes,
    };
    archive::keep(tx, &file)
}

/// Notes that a hand-over ended without an answer.
fn end_without_answer(tx: &mut Tx<'_>, id: DeliveryId, why: &NoAnswer) -> Result<()> {
    let row = store::lock(tx, id)?;
    if row.state != DeliveryState::Sending {
        return Ok(());
    }
    let (state, reason) = match why {
        NoAnswer::NotSent(reason) => (DeliveryState::Failed, reason),
        NoAnswer::Unknown(reason) => (DeliveryState::Unknown, reason),
    };
    let reason: String = reason.chars().take(2000).collect();
    tx.reason(&reason)?;
    store::save(tx, &row, &Change::to(state), Some(&reason)).map(drop)
}
