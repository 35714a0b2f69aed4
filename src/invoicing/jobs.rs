//! What follows an issue, of an invoice or of a credit note: the PDF is made, kept and mailed to the client; the
//! member is told.

use std::sync::Arc;

use chrono::{Duration, NaiveDate};

use super::credit::{self, CreditNote};
use super::einvoice::{self, Beside, Structured, Terms};
use super::rules::{Stage, vat_back_mention};
use super::store::{self, InvoiceLineRow, PartySnapshot, TaxRow};
use super::{Invoice, Shown};
use crate::access::LinkPurpose;
use crate::archive::{self, ArchivedFile, Kind, NewFile};
use crate::charter::BankAccountRow;
use crate::formats::invoice_pdf::design::Design;
use crate::formats::invoice_pdf::{
    Adjustment, Corrected, DocumentKind, InvoiceFacts, Line, More, Party, Payment, Supply, TaxInEuro, VatSummary,
    render_with,
};
use crate::formats::letters::Letter;
use crate::formats::pdf::attachment::{Attachment, Media, Relationship};
use crate::kernel::ids::{EntityId, InvoiceId, PersonId};
use crate::kernel::language::Language;
use crate::kernel::lines::{self, LineKind};
use crate::kernel::money::{Minor, Money, Ppm};
use crate::kernel::references::Ogm;
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};
use crate::{access, charter};

/// How long the link of an invoice shows it to its client.
const LINK_LIFE: Duration = Duration::days(365);

/// The media type of an electronic invoice.
const XML: &str = "application/xml";

/// Name, media type and bytes of an attachment.
pub type Attached = (String, String, Arc<[u8]>);

/// The files and the mail of an issued document.
#[derive(Debug, Clone)]
pub struct Package {
    /// The mail to the client.
    pub letter: QueuedLetter,
    /// The PDF, and the electronic invoice.
    pub attachments: Vec<Attached>,
}

/// Makes the electronic invoice and the PDF once, keeps them, and answers the mail to send. Safe to repeat: the kept
/// bytes are used again.
///
/// # Errors
/// Fails with the database, or when a file cannot be made.
pub fn prepare(db: &Db, id: InvoiceId) -> Result<Package> {
    let (facts, invoice, structured, link) = db.write_blocking(&Actor::System, |tx| {
        let invoice = super::find(tx, id)?;
        let terms = terms(tx, invoice.row.seller_snapshot.as_ref(), invoice.row.supplied_on)?;
        let account = account(tx, id)?;
        let beside = beside(tx, &invoice)?;
        let papers = beside.papers.clone();
        let structured = einvoice::of_invoice(&invoice, &terms, &(account.iban, account.bic), beside)?;
        let link = access::keep_link(tx, LinkPurpose::Invoice, id.0, LINK_LIFE)?;
        Ok((facts(tx, &invoice)?, invoice, (structured, papers), link))
    })?;
    let member = invoice.row.member_id;
    let attachments = files(db, (id, member), &facts, structured)?;
    let buyer = einvoice::snapshot(invoice.row.buyer_snapshot.as_ref())?;
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
    Ok(Package { letter, attachments })
}

/// As [`prepare`], for a credit note.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_credit_note(db: &Db, id: InvoiceId) -> Result<Package> {
    let (facts, note, structured) = db.write_blocking(&Actor::System, |tx| {
        let note = credit::find(tx, id)?;
        let member = access::person(tx, note.row.member_id)?;
        let terms = terms(tx, Some(&note.row.seller_snapshot), note.row.supplied_on)?;
        let structured = einvoice::of_credit_note(&note, &terms)?;
        Ok((credit_note_facts(tx, &note, &terms, member.name)?, note, structured))
    })?;
    let attachments = files(db, (id, note.row.member_id), &facts, (structured, Vec::new()))?;
    let buyer = einvoice::snapshot(Some(&note.row.buyer_snapshot))?;
    let letter = Letter::CreditNoteToClient {
        entity: facts.seller.name.clone(),
        number: note.row.number,
        corrects: note.row.corrects_number,
        total: Money { amount_minor: facts.gross, currency: facts.currency },
        reason: note.row.reason,
    };
    let owner = Some(note.row.member_id);
    let letter = QueuedLetter { to: buyer.email, language: facts.language, letter, subject: id.0, owner };
    Ok(Package { letter, attachments })
}

/// Our account to which an issued invoice is paid, as its row names it.
fn account(tx: &mut Tx<'_>, id: InvoiceId) -> Result<BankAccountRow> {
    let account = store::account_of(tx, id)?;
    charter::bank_account_by_id(tx, account)
}

/// What the VAT cases of the seller's country mean on the tax point.
pub(super) fn terms(tx: &mut Tx<'_>, seller: Option<&serde_json::Value>, on: NaiveDate) -> Result<Terms> {
    let country = einvoice::snapshot(seller)?.country;
    let tariffs = charter::vat_tariffs(tx, &country, on)?;
    Ok(tariffs.iter().map(|(case, tariff)| (*case, tariff.into())).collect())
}

/// The files of a document: those that are kept, or made now and kept. Answers what the client gets: the PDF, and the
/// XML of Peppol, or that of Factur-X for who cannot be reached by Peppol.
fn files(
    db: &Db,
    (id, member): (InvoiceId, PersonId),
    facts: &InvoiceFacts,
    (structured, papers): (Structured, Vec<ArchivedFile>),
) -> Result<Vec<Attached>> {
    let number = &facts.number;
    let file = |kind, ending: &str, media_type: &str, bytes: &[u8]| {
        let name = format!("{number}{ending}");
        let bytes = keep(db, &NewFile { kind, subject: id.0, owner: Some(member), name: &name, media_type, bytes })?;
        Ok::<_, Error>((name, media_type.to_owned(), bytes))
    };
    let cii = file(Kind::InvoiceCii, "-cii.xml", XML, &structured.cii)?;
    let ubl = structured.ubl.map(|ubl| file(Kind::InvoiceUbl, "-ubl.xml", XML, &ubl)).transpose()?;
    let pdf = match db.write_blocking(&Actor::System, |tx| archive::find_of(tx, id.0, Kind::InvoicePdf))? {
        Some(kept) => (kept.name, kept.media_type, kept.bytes.into()),
        None => file(Kind::InvoicePdf, ".pdf", "application/pdf", &pdf_with(facts, &cii.2, &papers)?)?,
    };
    Ok(vec![pdf, ubl.unwrap_or(cii)])
}

/// The PDF of a document, with the XML that says the same and the papers that go with it.
fn pdf_with(facts: &InvoiceFacts, cii: &[u8], papers: &[ArchivedFile]) -> Result<Vec<u8>> {
    let paper = |file: &'_ ArchivedFile| match file.media_type.as_str() {
        "image/png" => Media::Png,
        "image/jpeg" => Media::Jpeg,
        _ => Media::Pdf,
    };
    let mut inside = vec![Attachment::factur_x(cii, facts.issued_on)];
    inside.extend(papers.iter().map(|file| Attachment {
        name: &file.name,
        description: &file.name,
        media: paper(file),
        relationship: Relationship::Supplement,
        dated: facts.issued_on,
        bytes: &file.bytes,
    }));
    render_with(facts, &inside).map_err(Error::internal)
}

/// What belongs to an invoice and is not in its rows.
fn beside(tx: &mut Tx<'_>, invoice: &Invoice) -> Result<Beside> {
    let mut papers = Vec::new();
    for paper in super::attachments::list(tx, invoice.row.id)? {
        papers.push(archive::find(tx, paper.file_id)?);
    }
    let earlier = match (invoice.row.order_id, invoice.part.map(|part| part.stage)) {
        (Some(order), Some(Stage::Balance)) => store::invoiced_by_case(tx, order, Some(invoice.row.id))?.1,
        _ => Vec::new(),
    };
    Ok(Beside { earlier, papers })
}

/// Keeps a file, and answers the bytes that are kept.
fn keep(db: &Db, new: &NewFile<'_>) -> Result<Arc<[u8]>> {
    db.write_blocking(&Actor::System, |tx| {
        // It was made before, or another worker was faster after a lost lease: what is kept is what is sent.
        if let Some(file) = archive::find_of(tx, new.subject, new.kind)? {
            return Ok(file.bytes.into());
        }
        archive::keep(tx, new)?;
        Ok(new.bytes.into())
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
    let seller = einvoice::snapshot(row.seller_snapshot.as_ref())?;
    let buyer = einvoice::snapshot(row.buyer_snapshot.as_ref())?;
    let terms = terms(tx, row.seller_snapshot.as_ref(), row.supplied_on)?;
    let account = account(tx, row.id)?;
    let member = access::person(tx, row.member_id)?;
    let language = buyer.language.as_deref().and_then(|tag| tag.parse().ok()).unwrap_or(Language::En);
    let is_abroad = seller.country != buyer.country;
    let design = design_for(tx, row.entity_id, &buyer)?;
    let reference = row.payment_reference.as_deref().and_then(Ogm::parse).map(|ogm| ogm.printed());
    let said = invoice.shown();
    Ok(InvoiceFacts {
        language,
        kind: match invoice.part.map(|part| part.stage) {
            Some(Stage::Deposit) => DocumentKind::Deposit,
            Some(Stage::Interim) => DocumentKind::Intermediate,
            Some(Stage::Balance) => DocumentKind::Balance,
            Some(Stage::Single) | None => DocumentKind::Invoice,
        },
        number,
        issued_on,
        due_on: Some(due_on),
        corrects: None,
        supply: Some(Supply::On(row.supplied_on)),
        seller: party(&seller, is_abroad),
        buyer: party(&buyer, is_abroad),
        currency: said.currency,
        lines: document_lines(&said.lines, &said.taxes),
        vat: said.taxes.iter().map(vat_summary).collect(),
        net: said.net,
        tax: said.tax,
        gross: said.gross,
        payment: Some(Payment {
            iban: account.iban,
            bic: account.bic,
            beneficiary: seller.name,
            reference: reference.unwrap_or_default(),
        }),
        mentions: mentions(&said.taxes, &said.lines, &terms, language),
        buyer_reference: row.buyer_reference.clone(),
        order_reference: None,
        member_name: Some(member.name),
        more: more(&said, invoice.purchase_order.clone(), design),
    })
}

/// The facts of a credit note: the parties of its invoice, what it gives back, which invoice it corrects and why.
fn credit_note_facts(tx: &mut Tx<'_>, note: &CreditNote, terms: &Terms, member: String) -> Result<InvoiceFacts> {
    let row = &note.row;
    let seller = einvoice::snapshot(Some(&row.seller_snapshot))?;
    let buyer = einvoice::snapshot(Some(&row.buyer_snapshot))?;
    let language = buyer.language.as_deref().and_then(|tag| tag.parse().ok()).unwrap_or(Language::En);
    let is_abroad = seller.country != buyer.country;
    let design = design_for(tx, row.entity_id, &buyer)?;
    let said = note.shown();
    let mut mentions = mentions(&said.taxes, &said.lines, terms, language);
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
        currency: said.currency,
        lines: document_lines(&said.lines, &said.taxes),
        vat: said.taxes.iter().map(vat_summary).collect(),
        net: said.net,
        tax: said.tax,
        gross: said.gross,
        payment: None,
        mentions,
        buyer_reference: row.buyer_reference.clone(),
        order_reference: None,
        member_name: Some(member),
        more: more(&said, row.purchase_order.clone(), design),
    })
}

/// How the document looks: as its entity wants it, with its labels in the buyer's second language too.
fn design_for(tx: &mut Tx<'_>, entity: EntityId, buyer: &PartySnapshot) -> Result<Design> {
    let second_language = buyer.second_language.as_deref().and_then(|tag| tag.parse().ok());
    Ok(Design { second_language, ..charter::design::design(tx, entity)? })
}

/// What only some documents show.
fn more(said: &Shown, purchase_order: Option<String>, design: Design) -> More {
    let on_all = said.lines.iter().filter(|row| row.kind != LineKind::Line);
    let tax_in_euro = said.in_euro.as_ref().map(|(tax, rate)| TaxInEuro {
        tax: *tax,
        rate: rate.rate.normalize(),
        source: rate.source.clone(),
        on: rate.on_date,
    });
    More { purchase_order, adjustments: on_all.flat_map(adjustments).collect(), design, tax_in_euro, ..More::default() }
}

/// Why the tax is what it is: the legal mention of each case, and what the lines say about theirs.
fn mentions(taxes: &[TaxRow], rows: &[InvoiceLineRow], terms: &Terms, language: Language) -> Vec<String> {
    let of_case = |tax: &TaxRow| terms.get(&tax.vat_case).and_then(|terms| terms.mentions.get(language.tag()).cloned());
    let mut mentions: Vec<String> = taxes.iter().filter_map(of_case).collect();
    for why in rows.iter().filter_map(|row| row.vat_justification.as_ref()) {
        if !mentions.contains(why) {
            mentions.push(why.clone());
        }
    }
    mentions
}

fn vat_summary(tax: &TaxRow) -> VatSummary {
    VatSummary {
        category: tax.category.clone(),
        rate: Ppm(tax.rate_ppm),
        base: tax.base_minor,
        tax: tax.tax_minor,
        mention: None,
    }
}

fn document_lines(rows: &[InvoiceLineRow], taxes: &[TaxRow]) -> Vec<Line> {
    rows.iter().filter(|row| row.kind == LineKind::Line).map(|row| document_line(row, taxes)).collect()
}

fn document_line(line: &InvoiceLineRow, taxes: &[TaxRow]) -> Line {
    let tax = taxes.iter().find(|tax| tax.vat_case == line.vat_case);
    Line {
        label: line.label.clone(),
        quantity: line.quantity.normalize(),
        // A piece goes without saying.
        unit: Some(line.unit.clone()).filter(|unit| unit != "C62"),
        unit_price: line.unit_price_minor,
        net: line.net_minor,
        vat_category: tax.map(|tax| tax.category.clone()).unwrap_or_default(),
        vat_rate: Ppm(tax.map_or(0, |tax| tax.rate_ppm)),
        exact_price: line.unit_price_e4.map(lines::from_e4),
        adjustments: adjustments(line),
    }
}

/// The discounts (below zero) and charges of a row.
fn adjustments(row: &InvoiceLineRow) -> Vec<Adjustment> {
    let adjustment = |of: lines::Adjustment| {
        let amount = of.amount.map_or(Minor::ZERO, |money| money.amount_minor);
        let is_discount = of.kind == lines::AdjustmentKind::Discount;
        let amount = if is_discount { amount.negated().unwrap_or_default() } else { amount };
        Adjustment { reason: of.reason, rate: of.rate, amount }
    };
    lines::adjustments(&row.adjustments).into_iter().map(adjustment).collect()
}
