//! Electronic invoices of suppliers: read within limits, kept byte for byte, matched to a cost or sent back.
//!
//! Owns `supplier_invoice`. What a document says wrongly does not keep it out: it is shown beside what the document
//! claims, and the office decides. What is not addressed to one of our entities is refused. Matching makes the cost of an
//! activity or a pool from what the document claims, or books what a credit note takes back of one, with a copy of the
//! document for whoever may see the cost.

pub mod http;
mod rules;
mod store;

use std::borrow::Cow;

use actix_web::http::StatusCode;
pub use rules::{
    DifferenceSummary, FaultSummary, LineSummary, PartySummary, Summary, SupplierDocument, SupplierInvoiceCommand,
    SupplierInvoiceState, VatSummary,
};
pub use store::{SupplierInvoiceFilter, SupplierInvoiceRow};
use uuid::Uuid;

use crate::archive::{self, ArchivedFile, Kind, NewFile};
use crate::costs::{self, NewCost, NewCostCredit};
use crate::formats::einvoice::incoming::{self, Incoming, Limits, Refused};
use crate::formats::pdf::reader;
use crate::formats::safe_xml;
use crate::kernel::ids::{ActivityId, CostCreditId, CostId, EntityId, FileId, PersonId, PoolId, SupplierInvoiceId};
use crate::kernel::money::Money;
use crate::kernel::refusal::Checks;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::{activities, charter};
use store::Decision;

/// The longest name and number of a supplier that a cost keeps.
const COST_TEXT_MAX: usize = 140;

/// Reads a file. Takes no database, so that nothing waits while it runs.
///
/// # Errors
/// 422 with the reader's own code and the element that is wrong; 413 `einvoice_too_large`.
pub fn read(bytes: &[u8]) -> Result<Incoming> {
    let xml = xml_of(bytes)?;
    let incoming = incoming::read(&xml, Limits::default()).map_err(refused)?;
    rules::claims(&incoming).map_err(refused)?;
    if let Some(field) = rules::hostile_field(&incoming) {
        return Err(Error::value("einvoice_characters").with("at", field));
    }
    let mut checks = Checks::default();
    rules::check_names(&incoming, &mut checks);
    checks.done()?;
    Ok(incoming)
}

/// The invoice in a file: the file itself, or what is inside a Factur-X document.
fn xml_of(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    if bytes.starts_with(b"%PDF-") {
        let found =
            reader::invoice_xml(bytes).map_err(|error| Error::value("einvoice_pdf_not_read").with("at", error))?;
        return Ok(Cow::Owned(found.bytes));
    }
    Ok(Cow::Borrowed(bytes))
}

fn refused(refused: Refused) -> Error {
    let error = Error::value(refused.code());
    match refused {
        Refused::Xml(safe_xml::Refused::TooLarge { bytes_max, .. }) => {
            Error::new(StatusCode::PAYLOAD_TOO_LARGE, "einvoice_too_large").with("limit_mb", bytes_max / (1024 * 1024))
        }
        Refused::Xml(safe_xml::Refused::TooManyElements { elements_max }) => error.with("max", elements_max),
        Refused::Xml(unsafe_file) => match unsafe_file.position() {
            Some(position) => error.with("at", format!("byte {position}")),
            None => error,
        },
        Refused::TooManyLines { lines_max } => error.with("max", lines_max),
        Refused::NotAnInvoice { root } => error.with("at", root),
        Refused::Missing { at } | Refused::Attachment { at } => error.with("at", at),
        Refused::Amount { at, text } | Refused::Date { at, text } | Refused::Code { at, text } => {
            error.with("at", at).with("text", text)
        }
    }
}

/// An invoice of a supplier, and whether these very bytes were here before.
#[derive(Debug, Clone)]
pub struct Received {
    /// It.
    pub row: SupplierInvoiceRow,
    /// The same bytes were brought in before: this is what they became.
    pub is_known: bool,
}

/// Keeps an invoice of a supplier that was read. The same bytes again are the same invoice.
///
/// # Errors
/// 409 `supplier_invoice_known` for another file with this number of this supplier; 422 `supplier_invoice_not_ours`.
pub fn receive(tx: &mut Tx<'_>, incoming: &Incoming, bytes: &[u8]) -> Result<Received> {
    let sha256 = archive::sha256(bytes);
    if let Some(row) = store::find_by_bytes(tx, &sha256)? {
        return Ok(Received { row, is_known: true });
    }
    let facts = &incoming.facts;
    let claims = rules::claims(incoming).map_err(refused)?;
    let id: SupplierInvoiceId = tx.new_id();
    let mut row = SupplierInvoiceRow {
        id,
        entity_id: addressee(tx, incoming)?,
        kind: rules::kind(facts.kind),
        format: rules::syntax_name(incoming.syntax).to_owned(),
        supplier: facts.seller.name.trim().to_owned(),
        supplier_key: rules::supplier_key(&facts.seller),
        number: facts.number.trim().to_owned(),
        issued_on: facts.issued_on,
        due_on: facts.due_on,
        currency: facts.currency,
        net_minor: claims.net,
        vat_minor: claims.vat,
        gross_minor: claims.gross,
        payable_minor: claims.payable,
        summary: serde_json::to_value(rules::summary(incoming))?,
        file_id: FileId(id.0),
        sha256: sha256.to_vec(),
        state: SupplierInvoiceState::Received,
        cost_id: None,
        cost_credit_id: None,
        reason: None,
        received_by: tx.person()?,
        decided_by: None,
        decided_on: None,
        created_at: tx.now(),
        version: 1,
    };
    if let Some(known) = store::find_known(tx, &row)? {
        return Err(Error::conflict("supplier_invoice_known").with("number", row.number).with("id", known));
    }
    row.file_id = keep(tx, Kind::SupplierInvoice, id.0, None, bytes)?;
    Ok(Received { row: store::insert(tx, &row)?, is_known: false })
}

fn keep(tx: &mut Tx<'_>, kind: Kind, subject: Uuid, owner: Option<PersonId>, bytes: &[u8]) -> Result<FileId> {
    let (ending, media_type) =
        if bytes.starts_with(b"%PDF-") { ("pdf", "application/pdf") } else { ("xml", "application/xml") };
    let name = format!("{}-{subject}.{ending}", kind.name());
    archive::keep(tx, &NewFile { kind, subject, owner, name: &name, media_type, bytes })
}

/// To which of our entities it is addressed.
fn addressee(tx: &mut Tx<'_>, incoming: &Incoming) -> Result<EntityId> {
    let numbers = rules::buyer_numbers(&incoming.facts.buyer);
    let is_named = |number: &str| !number.is_empty() && numbers.iter().any(|known| known == number);
    let entities = charter::entities(tx)?;
    let ours = entities.iter().find(|it| is_named(&it.vat_number) || is_named(&it.enterprise_number));
    ours.map(|it| it.id)
        .ok_or_else(|| Error::value("supplier_invoice_not_ours").with("buyer", incoming.facts.buyer.name.clone()))
}

/// An invoice of a supplier.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: SupplierInvoiceId) -> Result<SupplierInvoiceRow> {
    store::find(tx, id)
}

/// The file as it came.
///
/// # Errors
/// 404.
pub fn file(tx: &mut Tx<'_>, id: SupplierInvoiceId) -> Result<ArchivedFile> {
    let row = store::find(tx, id)?;
    archive::find(tx, row.file_id)
}

/// Invoices of suppliers, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &SupplierInvoiceFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<SupplierInvoiceRow>> {
    store::list(tx, filter, after, limit)
}

/// What the office knows about the cost that an invoice becomes, and the document does not say.
#[derive(Debug, Clone)]
pub struct AsCost {
    /// The new cost, made by the sender.
    pub id: CostId,
    /// The activity that bears it, unless a pool does.
    pub activity: Option<ActivityId>,
    /// The pool that bears it, unless an activity does.
    pub pool: Option<PoolId>,
    /// What it was for.
    pub description: String,
    /// The part of the VAT that the state gives back.
    pub recoverable_vat: Money,
    /// Whether it lowers the gross margin that fees are computed on.
    pub in_fee_base: bool,
}

/// What the office knows about the credit that a credit note becomes.
#[derive(Debug, Clone)]
pub struct AsCredit {
    /// The new credit, made by the sender.
    pub id: CostCreditId,
    /// Of this approved cost.
    pub cost: CostId,
    /// Why.
    pub reason: String,
}

/// What an invoice of a supplier becomes.
#[derive(Debug, Clone)]
pub enum Becomes {
    /// A cost, handed in for somebody else to approve.
    Cost(AsCost),
    /// What is taken back of a cost.
    Credit(AsCredit),
}

fn lock_at(tx: &mut Tx<'_>, id: SupplierInvoiceId, expected: i32) -> Result<Locked<SupplierInvoiceRow>> {
    let row = store::lock(tx, id)?;
    if row.version == expected { Ok(row) } else { Err(Error::version_stale(row.version)) }
}

/// Matches an invoice of a supplier: the cost with its document, or the credit, in the same transaction.
///
/// # Errors
/// 404; 409 `state_conflict`, `supplier_invoice_does_not_add_up`, and what a cost is refused for; 412; 422 for a credit
/// note as a cost or an invoice as a credit, and for what a cost does not accept.
pub fn match_to(tx: &mut Tx<'_>, id: SupplierInvoiceId, expected: i32, to: &Becomes) -> Result<SupplierInvoiceRow> {
    let row = lock_at(tx, id, expected)?;
    rules::may(row.state, SupplierInvoiceCommand::Match)?;
    if row.net_minor.plus(row.vat_minor)? != row.gross_minor {
        return Err(Error::conflict("supplier_invoice_does_not_add_up"));
    }
    let (cost, credit) = match (to, row.kind) {
        (Becomes::Cost(new), SupplierDocument::Invoice) => {
            let made = as_cost(tx, &row, new).map_err(|error| error.under("/cost"))?;
            (Some(made), None)
        }
        (Becomes::Credit(new), SupplierDocument::CreditNote) => {
            let made = as_credit(tx, &row, new).map_err(|error| error.under("/credit"))?;
            (None, Some(made))
        }
        (Becomes::Cost(_), SupplierDocument::CreditNote) => return Err(Error::field("/cost", "not_allowed")),
        (Becomes::Credit(_), SupplierDocument::Invoice) => return Err(Error::field("/credit", "not_allowed")),
    };
    decide(tx, &row, SupplierInvoiceState::Matched, (cost, credit), None)
}

fn decide(
    tx: &mut Tx<'_>,
    row: &Locked<SupplierInvoiceRow>,
    state: SupplierInvoiceState,
    (cost_id, cost_credit_id): (Option<CostId>, Option<CostCreditId>),
    reason: Option<&str>,
) -> Result<SupplierInvoiceRow> {
    let entity = charter::entity(tx, row.entity_id)?;
    let decision = Decision {
        state,
        cost_id,
        cost_credit_id,
        reason: reason.map(|reason| reason.trim().to_owned()),
        decided_by: Some(tx.person()?),
        decided_on: Some(tx.today(entity.zone())),
    };
    store::save_decided(tx, row, &decision)
}

fn as_cost(tx: &mut Tx<'_>, row: &SupplierInvoiceRow, new: &AsCost) -> Result<CostId> {
    let owner = match new.activity {
        Some(activity) => activities::activity(tx, activity).ok().map(|activity| activity.member_id),
        None => None,
    };
    let document = copy_document(tx, row, new.id.0, owner)?;
    let money = |amount_minor| Money { amount_minor, currency: row.currency };
    let cost = NewCost {
        id: new.id,
        activity: new.activity,
        pool: new.pool,
        supplier: row.supplier.chars().take(COST_TEXT_MAX).collect(),
        reference: row.number.clone(),
        invoiced_on: row.issued_on,
        description: new.description.clone(),
        net: money(row.net_minor),
        vat: money(row.vat_minor),
        recoverable_vat: new.recoverable_vat,
        in_fee_base: new.in_fee_base,
        document: Some(document),
    };
    let made = costs::submit(tx, &cost)?;
    if made.entity_id != row.entity_id {
        return Err(Error::field(if new.pool.is_some() { "/pool_id" } else { "/activity_id" }, "invalid"));
    }
    Ok(made.id)
}

fn as_credit(tx: &mut Tx<'_>, row: &SupplierInvoiceRow, new: &AsCredit) -> Result<CostCreditId> {
    let cost = match costs::find(tx, new.cost) {
        Err(error) if error.code == "not_found" => return Err(Error::field("/cost_id", "invalid")),
        found => found?,
    };
    if cost.entity_id != row.entity_id {
        return Err(Error::field("/cost_id", "invalid"));
    }
    let document = copy_document(tx, row, new.id.0, cost.member_id)?;
    let money = |amount_minor| Money { amount_minor, currency: row.currency };
    let credit = NewCostCredit {
        id: new.id,
        cost: new.cost,
        reference: row.number.clone(),
        dated_on: row.issued_on,
        reason: new.reason.clone(),
        net: money(row.net_minor),
        vat: money(row.vat_minor),
        document: Some(document),
    };
    Ok(costs::credit(tx, &credit)?.id)
}

/// The document for whoever may see the cost: suppliers' invoices themselves are the office's alone.
fn copy_document(tx: &mut Tx<'_>, row: &SupplierInvoiceRow, subject: Uuid, owner: Option<PersonId>) -> Result<FileId> {
    let file = archive::find(tx, row.file_id)?;
    keep(tx, Kind::CostDocument, subject, owner, &file.bytes)
}

/// Sends an invoice of a supplier back, with the reason. Its number may come again.
///
/// # Errors
/// 404; 409 `state_conflict`; 412; 422 without a reason.
pub fn reject(tx: &mut Tx<'_>, id: SupplierInvoiceId, expected: i32, reason: &str) -> Result<SupplierInvoiceRow> {
    let row = lock_at(tx, id, expected)?;
    rules::may(row.state, SupplierInvoiceCommand::Reject)?;
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    tx.reason(reason)?;
    decide(tx, &row, SupplierInvoiceState::Rejected, (None, None), Some(reason))
}
