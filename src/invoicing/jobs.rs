//! What follows an issue, of an invoice or of a credit note: the PDF is made, kept and mailed to the client; the
//! member is told.

use std::sync::Arc;

use chrono::Duration;

use super::Invoice;
use super::credit::{self, CreditNote};
use super::rules::{mention, vat_back_mention};
use super::store::{InvoiceLineRow, PartySnapshot, TaxRow};
use crate::access::LinkPurpose;
use crate::archive::{self, ArchivedFile, Kind, NewFile};
use crate::formats::invoice_pdf::{
    Corrected, DocumentKind, InvoiceFacts, Line, Party, Payment, Supply, VatSummary, render,
};
use crate::formats::letters::Letter;
use crate::kernel::ids::{FileId, InvoiceId, PersonId};
use crate::kernel::language::Language;
use crate::kernel::money::{Minor, Money, Ppm};
use crate::kernel::references::Ogm;
use crate::kernel::vat::VatCase;
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};
use crate::{access, charter};

/// How long the link of an invoice shows it to its client.
const LINK_LIFE: Duration = Duration::days(365);

/// The file and the mail of an issued document.
#[derive(Debug, Clone)]
pub struct Package {
    /// The mail to the client.
    pub letter: QueuedLetter,
    /// The name of the attachment.
    pub file_name: String,
    /// Its bytes.
    pub pdf: Arc<[u8]>,
}

/// Makes the PDF once, keeps it, and answers the mail to send. Safe to repeat: the kept bytes are used again.
///
/// # Errors
/// Fails with the database, or when the PDF cannot be made.
pub fn prepare(db: &Db, id: InvoiceId) -> Result<Package> {
    let (facts, kept, invoice, link) = db.write_blocking(&Actor::System, |tx| {
        let invoice = super::find(tx, id)?;
        let kept = archive::find_of(tx, id.0, Kind::InvoicePdf)?;
        let link = access::keep_link(tx, LinkPurpose::Invoice, id.0, LINK_LIFE)?;
        Ok((facts(tx, &invoice)?, kept, invoice, link))
    })?;
    let member = invoice.row.member_id;
    let (file_name, pdf) = pdf_of(db, id, member, &facts, kept)?;
    let buyer: PartySnapshot = snapshot(invoice.row.buyer_snapshot.as_ref())?;
    let payment = facts.payment.as_ref().ok_or_else(|| Error::internal("an invoice says how to pay"))?;
    let letter = Letter::InvoiceToClient {
        entity: facts.seller.name.clone(),
        number: facts.number.clone(),
        total: Money { amount_minor: facts.gross, currency: facts.currency },
        due_on: facts.due_on.ok_or_else(|| Error::internal("an invoice has a last day to pay"))?,
        reference: payment.reference.clone(),
        iban: payment.iban.clone(),
        link: access::link_reference(LinkPurpose::Invoice, link),
    };
    let letter = QueuedLetter { to: buyer.email, language: facts.language, letter, subject: id.0, owner: Some(member) };
    Ok(Package { letter, file_name, pdf })
}

/// As [`prepare`], for a credit note.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_credit_note(db: &Db, id: InvoiceId) -> Result<Package> {
    let (note, kept) = db.write_blocking(&Actor::System, |tx| {
        let note = credit::find(tx, id)?;
        let member = access::person(tx, note.row.member_id)?;
        Ok(((credit_note_facts(&note, member.name)?, note), archive::find_of(tx, id.0, Kind::InvoicePdf)?))
    })?;
    let (facts, note) = note;
    let (file_name, pdf) = pdf_of(db, id, note.row.member_id, &facts, kept)?;
    let buyer: PartySnapshot = snapshot(Some(&note.row.buyer_snapshot))?;
    let letter = Letter::CreditNoteToClient {
        entity: facts.seller.name.clone(),
        number: note.row.number,
        corrects: note.row.corrects_number,
        total: Money { amount_minor: note.row.gross_minor, currency: note.row.currency },
        reason: note.row.reason,
    };
    let owner = Some(note.row.member_id);
    let letter = QueuedLetter { to: buyer.email, language: facts.language, letter, subject: id.0, owner };
    Ok(Package { letter, file_name, pdf })
}

/// The name and the bytes of a document: those that are kept, or made now and kept.
fn pdf_of(
    db: &Db,
    id: InvoiceId,
    member: PersonId,
    facts: &InvoiceFacts,
    kept: Option<ArchivedFile>,
) -> Result<(String, Arc<[u8]>)> {
    let file_name = format!("{}.pdf", facts.number);
    let bytes = match kept {
        Some(file) => file.bytes,
        None => {
            let bytes = render(facts).map_err(Error::internal)?;
            keep(db, id, member, &file_name, &bytes)?;
            bytes
        }
    };
    Ok((file_name, bytes.into()))
}

fn keep(db: &Db, id: InvoiceId, member: PersonId, name: &str, bytes: &[u8]) -> Result<FileId> {
    db.write_blocking(&Actor::System, |tx| {
        // Another worker may have been faster after a lost lease; the bytes are the same.
        if let Some(file) = archive::find_of(tx, id.0, Kind::InvoicePdf)? {
            return Ok(file.id);
        }
        let file = NewFile {
            kind: Kind::InvoicePdf,
            subject: id.0,
            owner: Some(member),
            name,
            media_type: "application/pdf",
            bytes,
        };
        archive::keep(tx, &file)
    })
}

/// Tells the member that the client has the invoice, and when the money is expected.
///
/// # Errors
/// Fails with the database.
pub fn tell_member(tx: &mut Tx<'_>, id: InvoiceId) -> Result<()> {
    let invoice = super::find(tx, id)?;
    let member = access::person(tx, invoice.row.member_id)?;
    let letter = Letter::InvoiceIssued {
        number: invoice.row.number.clone().unwrap_or_default(),
        total: Money { amount_minor: invoice.row.gross_minor, currency: invoice.row.currency },
        expected_on: invoice.row.advance_due_on,
    };
    let owner = Some(member.id);
    let mail = QueuedLetter { to: member.email, language: member.language, letter, subject: id.0, owner };
    outbox::queue_letter(tx, mail, "issued")
}

/// Tells the member that the client has the credit note, and what it takes from their activity.
///
/// # Errors
/// Fails with the database.
pub fn tell_of_credit_note(tx: &mut Tx<'_>, id: InvoiceId) -> Result<()> {
    let note = credit::find(tx, id)?;
    let member = access::person(tx, note.row.member_id)?;
    let money = |amount_minor| Money { amount_minor, currency: note.row.currency };
    // The charges of a credit note are below zero: what the mutual gives back is not the activity's to give.
    let kept = Minor::sum(note.charges.iter().map(|charge| charge.amount))?;
    let letter = Letter::CreditNoteToMember {
        total: money(note.row.gross_minor),
        share: money(note.row.net_minor.plus(kept)?),
        number: note.row.number,
        corrects: note.row.corrects_number,
        reason: note.row.reason,
    };
    let owner = Some(member.id);
    let mail = QueuedLetter { to: member.email, language: member.language, letter, subject: id.0, owner };
    outbox::queue_letter(tx, mail, "issued")
}

fn snapshot(value: Option<&serde_json::Value>) -> Result<PartySnapshot> {
    let value = value.ok_or_else(|| Error::internal("an issued invoice has snapshots"))?;
    Ok(serde_json::from_value(value.clone())?)
}

/// A party; its country stands on the document only where it says something: across a border.
fn party(snapshot: &PartySnapshot, is_abroad: bool) -> Party {
    let street = format!("{} {}", snapshot.street, snapshot.building_number);
    Party {
        name: snapshot.name.clone(),
        legal_form: snapshot.legal_form.clone(),
        lines: vec![street.trim().to_owned(), format!("{} {}", snapshot.postcode, snapshot.town)],
        country: if is_abroad { snapshot.country.clone() } else { String::new() },
        enterprise_number: snapshot.enterprise_number.clone(),
        vat_number: snapshot.vat_number.clone(),
        register: snapshot.register.clone().filter(|register| !register.is_empty()),
    }
}

/// The facts of the document: everything from what was frozen when it was issued.
///
/// # Errors
/// 404 for an invoice that was not issued.
pub fn facts(tx: &mut Tx<'_>, invoice: &Invoice) -> Result<InvoiceFacts> {
    let row = &invoice.row;
    let (Some(number), Some(issued_on), Some(due_on)) = (row.number.clone(), row.issued_on, row.due_on) else {
        return Err(Error::not_found());
    };
    let (seller, buyer) = (snapshot(row.seller_snapshot.as_ref())?, snapshot(row.buyer_snapshot.as_ref())?);
    let account = charter::bank_account(tx, row.entity_id)?;
    let member = access::person(tx, row.member_id)?;
    let language = buyer.language.as_deref().and_then(|tag| tag.parse().ok()).unwrap_or(Language::En);
    let is_abroad = seller.country != buyer.country;
    let is_reverse = invoice.taxes.iter().any(|tax| tax.vat_case == VatCase::ReverseCharge);
    let reference = row.payment_reference.as_deref().and_then(Ogm::parse).map(|ogm| ogm.printed());
    Ok(InvoiceFacts {
        language,
        kind: DocumentKind::Invoice,
        number,
        issued_on,
        due_on: Some(due_on),
        corrects: None,
        supply: Some(Supply::On(row.supplied_on)),
        seller: party(&seller, is_abroad),
        buyer: party(&buyer, is_abroad),
        currency: row.currency,
        lines: invoice.lines.iter().map(|line| document_line(line, &invoice.taxes)).collect(),
        vat: invoice.taxes.iter().map(vat_summary).collect(),
        net: row.net_minor,
        tax: row.tax_minor,
        gross: row.gross_minor,
        payment: Some(Payment {
            iban: account.iban,
            bic: account.bic,
            beneficiary: seller.name,
            reference: reference.unwrap_or_default(),
        }),
        mentions: if is_reverse { vec![mention(language).to_owned()] } else { Vec::new() },
        buyer_reference: row.buyer_reference.clone(),
        order_reference: None,
        member_name: Some(member.name),
    })
}

/// The facts of a credit note: the parties of its invoice, what it gives back, which invoice it corrects and why.
fn credit_note_facts(note: &CreditNote, member: String) -> Result<InvoiceFacts> {
    let row = &note.row;
    let (seller, buyer) = (snapshot(Some(&row.seller_snapshot))?, snapshot(Some(&row.buyer_snapshot))?);
    let language = buyer.language.as_deref().and_then(|tag| tag.parse().ok()).unwrap_or(Language::En);
    let is_abroad = seller.country != buyer.country;
    let mut mentions = Vec::new();
    if note.taxes.iter().any(|tax| tax.vat_case == VatCase::ReverseCharge) {
        mentions.push(mention(language).to_owned());
    }
    if seller.country == "BE" && row.tax_minor > Minor::ZERO {
        mentions.push(vat_back_mention(language).to_owned());
    }
    Ok(InvoiceFacts {
        language,
        kind: DocumentKind::CreditNote,
        number: row.number.clone(),
        issued_on: row.issued_on,
        due_on: None,
        corrects: Some(Corrected {
            number: row.corrects_number.clone(),
            issued_on: row.corrects_issued_on,
            reason: row.reason.clone(),
        }),
        supply: Some(Supply::On(row.supplied_on)),
        seller: party(&seller, is_abroad),
        buyer: party(&buyer, is_abroad),
        currency: row.currency,
        lines: note.lines.iter().map(|line| document_line(line, &note.taxes)).collect(),
        vat: note.taxes.iter().map(vat_summary).collect(),
        net: row.net_minor,
        tax: row.tax_minor,
        gross: row.gross_minor,
        payment: None,
        mentions,
        buyer_reference: row.buyer_reference.clone(),
        order_reference: None,
        member_name: Some(member),
    })
}

fn vat_summary(tax: &TaxRow) -> VatSummary {
    VatSummary { category: tax.category.clone(), rate: Ppm(tax.rate_ppm), base: tax.base_minor, tax: tax.tax_minor }
}

fn document_line(line: &InvoiceLineRow, taxes: &[TaxRow]) -> Line {
    let tax = taxes.iter().find(|tax| tax.vat_case == line.vat_case);
    Line {
        label: line.label.clone(),
        quantity: line.quantity.normalize(),
        unit: None,
        unit_price: line.unit_price_minor,
        net: line.net_minor,
        vat_category: tax.map(|tax| tax.category.clone()).unwrap_or_default(),
        vat_rate: Ppm(tax.map_or(0, |tax| tax.rate_ppm)),
    }
}
