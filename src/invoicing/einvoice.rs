//! An invoice or a credit note as a structured document: rows and frozen parties in, the model of EN 16931 and its two
//! syntaxes out. Pure, so that it can be asked before anything is written: what a receiver would reject is never issued.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::credit::CreditNote;
use super::rules::{Issued, Stage, vat_back_mention};
use super::store::{CaseTerms, Earlier, InvoiceLineRow, InvoiceRow, IssueContext, PartySnapshot, TaxRow};
use super::{Foreign, Invoice};
use crate::archive::ArchivedFile;
use crate::formats::einvoice::{
    Account, Address, Adjustment, Attachment, Category, Contact, Delivery, Document, Facts, Faults, File, Identifier,
    Kind, Line, LineAdjustment, Note, Party, Payment, Preceding, Share, Vat, VatAccounting, VatTerms, cii, ubl,
};
use crate::kernel::identifiers;
use crate::kernel::ids::InvoiceId;
use crate::kernel::language::Language;
use crate::kernel::lines::{self, AdjustmentKind, LineKind, Row as _};
use crate::kernel::money::{Currency, Minor, MoneyError, Ppm};
use crate::kernel::references::Ogm;
use crate::kernel::refusal::{FieldRefusal, Refusal};
use crate::kernel::vat::{TaxLine, Totals, VatCase};
use crate::platform::error::{Error, Result as Outcome};

/// Our own rule beside those of EN 16931: the books and the structured document say the same.
const TOTALS: &str = "LEDGER-TOTALS";
/// A SEPA credit transfer (UNTDID 4461).
const SEPA_TRANSFER: &str = "58";
/// A credit transfer of any kind: SEPA carries nothing but euro.
const TRANSFER: &str = "30";
/// Stands for the number until a document has one.
const UNNUMBERED: &str = "0000-0000";

/// What the cases of VAT mean on the tax point.
pub(super) type Terms = BTreeMap<VatCase, CaseTerms>;
/// IBAN and BIC.
pub(super) type BankAccount = (String, Option<String>);

/// What a credit note corrects.
#[derive(Debug, Clone, Copy)]
struct Corrects<'a> {
    number: &'a str,
    issued_on: NaiveDate,
    reason: &'a str,
}

/// The rows of a document.
#[derive(Debug, Clone)]
struct Source<'a> {
    number: &'a str,
    issued_on: NaiveDate,
    due_on: Option<NaiveDate>,
    supplied_on: NaiveDate,
    currency: Currency,
    title: &'a str,
    buyer_reference: Option<&'a str>,
    purchase_order: Option<&'a str>,
    seller: &'a PartySnapshot,
    buyer: &'a PartySnapshot,
    lines: &'a [InvoiceLineRow],
    taxes: &'a [TaxRow],
    terms: &'a Terms,
    payment: Option<Payment>,
    corrects: Option<Corrects<'a>>,
    stage: Stage,
    beside: Beside,
    /// Without VAT, VAT and with VAT: what the ledger books, but for another currency.
    totals: (Minor, Minor, Minor),
    /// The VAT in euro, where the document is in another currency.
    in_euro: Option<Minor>,
}

/// What belongs to an invoice and is not in its rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside {
    /// The invoices of the same order that came before a balance.
    pub earlier: Vec<Earlier>,
    /// The papers that go with it.
    pub papers: Vec<ArchivedFile>,
}

/// A document that no rule refuses, in both syntaxes.
#[derive(Debug, Clone)]
pub(super) struct Structured {
    /// Peppol BIS Billing 3.0; none for a buyer who cannot be reached by it.
    pub ubl: Option<Vec<u8>>,
    /// The XML of Factur-X.
    pub cii: Vec<u8>,
}

/// What a document that is not issued yet would be made of.
#[derive(Debug, Clone)]
pub(super) struct Parts<'a> {
    /// Who sells.
    pub seller: &'a PartySnapshot,
    /// Who buys.
    pub buyer: &'a PartySnapshot,
    /// What is sold.
    pub lines: &'a [InvoiceLineRow],
    /// What it comes to: without VAT, VAT, with VAT.
    pub totals: (Minor, Minor, Minor),
    /// VAT by case and rate.
    pub taxes: Vec<TaxRow>,
    /// Of every amount.
    pub currency: Currency,
    /// The VAT in euro, where the document is in another currency.
    pub in_euro: Option<Minor>,
    /// What its cases mean.
    pub terms: &'a Terms,
    /// The buyer's purchase order.
    pub purchase_order: Option<&'a str>,
}

/// Whether a receiver would take the invoice as it would be issued on a day.
///
/// # Errors
/// `einvoice_refused` with every rule that it breaks, and the field.
pub(super) fn check(
    row: &InvoiceRow,
    parts: Parts<'_>,
    account: Option<&BankAccount>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let source = Source {
        number: UNNUMBERED,
        issued_on: on,
        due_on: Some(on),
        supplied_on: row.supplied_on,
        currency: parts.currency,
        title: &row.title,
        buyer_reference: row.buyer_reference.as_deref(),
        purchase_order: parts.purchase_order,
        seller: parts.seller,
        buyer: parts.buyer,
        lines: parts.lines,
        taxes: &parts.taxes,
        terms: parts.terms,
        payment: account.map(|account| payment((account, parts.currency), parts.seller, None)),
        corrects: None,
        stage: Stage::Single,
        beside: Beside::default(),
        totals: parts.totals,
        in_euro: parts.in_euro,
    };
    structured(&source).map(drop)
}

/// As [`check`], with what issuing decided.
///
/// # Errors
/// As [`check`].
pub(super) fn check_issue(
    row: &InvoiceRow,
    context: &IssueContext,
    issued: &Issued,
    foreign: Option<&Foreign>,
) -> Result<(), Refusal> {
    let booked = &issued.totals;
    let said = foreign.map(|said| said.lines(&context.lines));
    let parts = Parts {
        seller: &context.seller,
        buyer: &context.buyer,
        lines: said.as_deref().unwrap_or(&context.lines),
        totals: foreign.map_or((booked.net, booked.tax, booked.gross), |said| (said.net, said.tax, said.gross)),
        taxes: foreign.map_or_else(|| tax_rows(row.id, booked, &context.terms), |said| said.taxes.clone()),
        currency: foreign.map_or(row.currency, |said| said.currency),
        in_euro: foreign.map(|_| booked.tax),
        terms: &context.terms,
        purchase_order: context.purchase_order.as_deref(),
    };
    check(row, parts, Some(&context.account), issued.issued_on)
}

/// VAT as it will be stored, with the categories of its cases.
pub(super) fn tax_rows(invoice: InvoiceId, totals: &Totals, terms: &Terms) -> Vec<TaxRow> {
    let category = |case: VatCase| terms.get(&case).map(|terms| terms.category.clone()).unwrap_or_default();
    let row = |tax: &TaxLine| TaxRow { category: category(tax.case), ..TaxRow::preview(invoice, tax) };
    totals.taxes.iter().map(row).collect()
}

/// An issued invoice.
///
/// # Errors
/// 404 for one that is not issued; what cannot be, for it was checked.
pub(super) fn of_invoice(
    invoice: &Invoice,
    terms: &Terms,
    account: &BankAccount,
    beside: Beside,
) -> Outcome<Structured> {
    let row = &invoice.row;
    let (Some(number), Some(issued_on)) = (row.number.as_deref(), row.issued_on) else {
        return Err(Error::not_found());
    };
    let (seller, buyer) = (snapshot(row.seller_snapshot.as_ref())?, snapshot(row.buyer_snapshot.as_ref())?);
    let reference = row.payment_reference.as_deref().and_then(Ogm::parse).map(|ogm| ogm.printed());
    let said = invoice.shown();
    Ok(structured(&Source {
        number,
        issued_on,
        due_on: row.due_on,
        supplied_on: row.supplied_on,
        currency: said.currency,
        title: &row.title,
        buyer_reference: row.buyer_reference.as_deref(),
        purchase_order: invoice.purchase_order.as_deref(),
        seller: &seller,
        buyer: &buyer,
        lines: &said.lines,
        taxes: &said.taxes,
        terms,
        payment: Some(payment((account, said.currency), &seller, reference)),
        corrects: None,
        stage: invoice.part.map_or(Stage::Single, |part| part.stage),
        beside,
        totals: (said.net, said.tax, said.gross),
        in_euro: said.in_euro.map(|(tax, _)| tax),
    })?)
}

/// A credit note.
///
/// # Errors
/// `einvoice_refused` with every rule that it breaks, and the field.
pub(super) fn of_credit_note(note: &CreditNote, terms: &Terms) -> Outcome<Structured> {
    let row = &note.row;
    let (seller, buyer) = (snapshot(Some(&row.seller_snapshot))?, snapshot(Some(&row.buyer_snapshot))?);
    let said = note.shown();
    Ok(structured(&Source {
        number: &row.number,
        issued_on: row.issued_on,
        due_on: None,
        supplied_on: row.supplied_on,
        currency: said.currency,
        title: &row.title,
        buyer_reference: row.buyer_reference.as_deref(),
        purchase_order: row.purchase_order.as_deref(),
        seller: &seller,
        buyer: &buyer,
        lines: &said.lines,
        taxes: &said.taxes,
        terms,
        payment: None,
        corrects: Some(Corrects {
            number: &row.corrects_number,
            issued_on: row.corrects_issued_on,
            reason: &row.reason,
        }),
        stage: Stage::Single,
        beside: Beside::default(),
        totals: (said.net, said.tax, said.gross),
        in_euro: said.in_euro.map(|(tax, _)| tax),
    })?)
}

/// A frozen party.
///
/// # Errors
/// Fails for a document that was not issued.
pub(super) fn snapshot(value: Option<&serde_json::Value>) -> Outcome<PartySnapshot> {
    let value = value.ok_or_else(|| Error::internal("an issued invoice has snapshots"))?;
    Ok(serde_json::from_value(value.clone())?)
}

fn payment(
    (account, currency): (&BankAccount, Currency),
    seller: &PartySnapshot,
    reference: Option<String>,
) -> Payment {
    let means = if currency == Currency::EUR { SEPA_TRANSFER } else { TRANSFER };
    let (iban, bic) = account.clone();
    let account = Account { id: iban, name: Some(seller.name.clone()), bic };
    Payment { means: means.to_owned(), reference, accounts: vec![account] }
}

/// Builds the document and everything that is sent of it; refuses also what does not come to what the ledger books.
fn structured(source: &Source<'_>) -> Result<Structured, Refusal> {
    let facts = facts(source).map_err(|_overflow: MoneyError| Refusal::value("amount_invalid"))?;
    let document = Document::new(facts).map_err(|faults| refusal(&faults))?;
    agree(source, &document)?;
    // In the PDF the papers stand beside the XML and not in it.
    let cii = cii::write(&document);
    let is_reached = document.facts().buyer.electronic_address.is_some();
    if !is_reached {
        return Ok(Structured { ubl: None, cii });
    }
    let with_papers = Facts { attachments: papers(&source.beside.papers), ..document.facts().clone() };
    let ubl = Document::new(with_papers).and_then(|document| ubl::write(&document));
    Ok(Structured { ubl: Some(ubl.map_err(|faults| refusal(&faults))?), cii })
}

/// The papers of an invoice as it carries them (BG-24).
fn papers(files: &[ArchivedFile]) -> Vec<Attachment> {
    let paper = |file: &ArchivedFile| Attachment {
        id: file.name.clone(),
        description: None,
        location: None,
        file: Some(File { name: file.name.clone(), mime: file.media_type.clone(), bytes: file.bytes.clone() }),
    };
    files.iter().map(paper).collect()
}

/// Refuses with every rule and field.
fn refusal(faults: &Faults) -> Refusal {
    refused(faults.0.iter().map(|fault| (fault.rule, fault.field.as_str())).collect())
}

fn refused(faults: Vec<(&'static str, &str)>) -> Refusal {
    let (rule, field) = faults.first().copied().unwrap_or((TOTALS, "totals"));
    let fields = faults.iter().map(|(rule, field)| FieldRefusal {
        pointer: pointer(field),
        code: "einvoice_rule",
        params: vec![("rule", (*rule).to_owned())],
    });
    Refusal {
        fields: fields.collect(),
        ..Refusal::value("einvoice_refused").with("rule", rule).with("field", pointer(field))
    }
}

/// `lines[2].vat.rate` as `/lines/2/vat/rate`.
fn pointer(field: &str) -> String {
    format!("/{}", field.replace(['.', '['], "/").replace(']', ""))
}

/// The document comes to what is booked: every line, every tax, every total.
fn agree(source: &Source<'_>, document: &Document) -> Result<(), Refusal> {
    let totals = document.totals();
    let (net, tax, gross) = source.totals;
    let lines = source.lines.iter().filter(|line| line.kind == LineKind::Line).map(|line| line.net_minor);
    let mut taxes: Vec<_> = source.taxes.iter().map(|row| (vat_of(row), row.base_minor, row.tax_minor)).collect();
    taxes.sort_by_key(|(vat, _, _)| *vat);
    let modelled = totals.vat.iter().map(|row| (row.vat, row.base, row.tax));
    let checks = [
        (lines.eq(totals.lines.iter().copied()), "lines"),
        (taxes.into_iter().eq(modelled), "vat"),
        (net == totals.net, "totals.net"),
        (tax == totals.tax, "totals.tax"),
        (gross == totals.gross && gross == totals.payable, "totals.gross"),
    ];
    let faults: Vec<_> = checks.iter().filter(|(holds, _)| !holds).map(|(_, field)| (TOTALS, *field)).collect();
    if faults.is_empty() { Ok(()) } else { Err(refused(faults)) }
}

fn facts(source: &Source<'_>) -> Result<Facts, MoneyError> {
    let language = source.buyer.language.as_deref().and_then(|tag| tag.parse().ok()).unwrap_or(Language::En);
    let kind = match (source.corrects, source.stage) {
        (Some(_), _) => Kind::CreditNote,
        (None, Stage::Deposit) => Kind::Prepayment,
        (None, Stage::Single | Stage::Interim | Stage::Balance) => Kind::Invoice,
    };
    let parties = (party(source.seller, true), party(source.buyer, false));
    let mut facts = Facts::new(kind, source.number, source.issued_on, source.currency, parties);
    facts.due_on = source.due_on;
    facts.vat_accounting = source.in_euro.map(|tax| VatAccounting { currency: Currency::EUR, tax });
    facts.payment.clone_from(&source.payment);
    facts.delivery = Some(Delivery { on: Some(source.supplied_on), ..Delivery::default() });
    facts.purchase_order = source.purchase_order.map(str::to_owned);
    // Peppol wants something by which the buyer finds what it ordered: without more, the title that it agreed to.
    let title = || source.title.split_whitespace().collect::<Vec<_>>().join(" ");
    facts.buyer_reference = source.buyer_reference.map(str::to_owned);
    if facts.buyer_reference.is_none() && facts.purchase_order.is_none() {
        facts.buyer_reference = Some(title());
    }
    for row in source.lines {
        if row.kind == LineKind::Line {
            facts.lines.push(line(row, source)?);
        } else {
            let adjustment = on_all(row, source)?;
            let list = if row.kind == LineKind::Charge { &mut facts.charges } else { &mut facts.allowances };
            list.push(adjustment);
        }
    }
    let earlier = source.beside.earlier.iter();
    let earlier = earlier.map(|it| Preceding { number: it.number.clone(), issued_on: Some(it.issued_on) });
    facts.preceding = earlier.collect();
    facts.vat = source.taxes.iter().map(|row| terms(row, source.terms, language)).collect();
    if let Some(corrects) = source.corrects {
        facts.preceding = vec![Preceding { number: corrects.number.to_owned(), issued_on: Some(corrects.issued_on) }];
        facts.payment_terms = Some(nothing_to_pay(language).to_owned());
        let mut note = corrects.reason.to_owned();
        if source.seller.country == "BE" && source.totals.1 > Minor::ZERO {
            note.push('\n');
            note.push_str(vat_back_mention(language));
        }
        facts.notes = vec![Note { subject: None, text: note }];
        // Dutch sellers always say how it is paid: against what is open.
        facts.payment = (source.seller.country == "NL").then(|| Payment {
            means: "57".to_owned(),
            reference: None,
            accounts: Vec::new(),
        });
    }
    Ok(facts.without_vat_numbers())
}

/// What a credit note says where an invoice says how to pay (BT-20).
fn nothing_to_pay(language: Language) -> &'static str {
    match language {
        Language::Fr => "Note de crédit : rien à payer.",
        Language::Nl => "Creditnota: niets te betalen.",
        Language::En => "Credit note: nothing to pay.",
        Language::De => "Gutschrift: nichts zu zahlen.",
    }
}

fn party(of: &PartySnapshot, is_seller: bool) -> Party {
    let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let street = format!("{} {}", of.street, of.building_number);
    let (enterprise_number, vat_number) = (of.enterprise_number.as_deref(), of.vat_number.as_deref());
    let reached = of.participant();
    let legal: Vec<&str> =
        [of.legal_form.as_deref(), of.register.as_deref()].into_iter().flatten().filter(|it| !it.is_empty()).collect();
    let has_contact = is_seller || of.contact_name.is_some() || of.contact_phone.is_some();
    let contact = Contact {
        name: of.contact_name.as_deref().or(is_seller.then_some(of.name.as_str())).and_then(text),
        phone: of.contact_phone.as_deref().and_then(text),
        email: text(&of.email),
    };
    Party {
        name: of.name.clone(),
        identifiers: identifier(of).into_iter().collect(),
        registration: registration(&of.country, enterprise_number, vat_number),
        vat_id: vat_number.map(str::to_owned),
        legal_information: is_seller.then(|| legal.join(", ")).filter(|text| !text.is_empty()),
        electronic_address: reached.map(|it| Identifier { value: it.value, scheme: Some(it.scheme) }),
        address: Address {
            line1: text(&street),
            city: text(&of.town),
            post_code: text(&of.postcode),
            country: of.country.clone(),
            ..Address::default()
        },
        contact: has_contact.then_some(contact),
        ..Party::default()
    }
}

/// One number by which a party is found beside that of its register (a buyer has at most one): its GLN, or its SIRET.
fn identifier(of: &PartySnapshot) -> Option<Identifier> {
    let siret = of.enterprise_number.as_deref().filter(|number| of.country == "FR" && number.len() == 14);
    let gln = of.gln.as_deref().map(|gln| Identifier::of("0088", gln));
    gln.or_else(|| siret.map(|siret| Identifier::of("0009", siret)))
}

/// The number in the register of enterprises, with the list that has those of the country.
fn registration(country: &str, number: Option<&str>, vat_number: Option<&str>) -> Option<Identifier> {
    let number = number.map(str::trim).filter(|number| !number.is_empty());
    match country {
        "BE" => {
            let digits = number.or(vat_number).and_then(identifiers::belgian_enterprise_number)?;
            Some(Identifier::of("0208", digits))
        }
        // An establishment is one of an enterprise: its SIREN comes first.
        "FR" => Some(Identifier::of("0002", number?.get(..9)?)),
        "NL" => Some(Identifier::of("0106", number?)),
        _ => Some(Identifier { value: number?.to_owned(), scheme: None }),
    }
}

/// VAT of a case, as the document has it.
fn vat(case: VatCase, source: &Source<'_>) -> Vat {
    let tax = source.taxes.iter().find(|tax| tax.vat_case == case);
    tax.map_or(Vat { category: Category::OutsideScope, rate: Ppm(0) }, vat_of)
}

fn line(row: &InvoiceLineRow, source: &Source<'_>) -> Result<Line, MoneyError> {
    let price = row.unit_price_e4.map(lines::from_e4);
    let price = price.unwrap_or_else(|| Decimal::new(row.unit_price_minor.get(), source.currency.exponent()));
    let (name, description) = match row.label.split_once('\n') {
        Some((first, _)) if !first.trim().is_empty() => (first.trim(), Some(row.label.clone())),
        Some(_) | None => (row.label.trim(), None),
    };
    let vat = vat(row.vat_case, source);
    let mut line = Line::new(row.n.to_string(), name, row.quantity.normalize(), &row.unit, price, vat);
    line.description = description;
    line.note.clone_from(&row.vat_justification);
    let product = row.document(source.currency).priced();
    let product = product.quantity.checked_mul(product.unit_price).ok_or(MoneyError::Overflow)?;
    let base = Minor::from_decimal(product)?;
    for adjustment in lines::adjustments(&row.adjustments) {
        let one = LineAdjustment {
            amount: adjustment.amount.map_or(Minor::ZERO, |money| money.amount_minor),
            share: adjustment.rate.map(|rate| Share { base, rate }),
            reason: Some(adjustment.reason),
            code: None,
        };
        let is_charge = adjustment.kind == AdjustmentKind::Charge;
        if is_charge { line.charges.push(one) } else { line.allowances.push(one) }
    }
    Ok(line)
}

/// A discount or a charge on all lines of a case.
fn on_all(row: &InvoiceLineRow, source: &Source<'_>) -> Result<Adjustment, MoneyError> {
    let of_case = |line: &&InvoiceLineRow| line.kind == LineKind::Line && line.vat_case == row.vat_case;
    let base = Minor::sum(source.lines.iter().filter(of_case).map(|line| line.net_minor))?;
    let rate = lines::adjustments(&row.adjustments).first().and_then(|adjustment| adjustment.rate);
    Ok(Adjustment {
        amount: if row.net_minor < Minor::ZERO { row.net_minor.negated()? } else { row.net_minor },
        share: rate.map(|rate| Share { base, rate }),
        reason: Some(row.label.clone()),
        code: None,
        vat: vat(row.vat_case, source),
    })
}

/// Category and rate of a row; a category that is not known is refused by the rules of the one it stands for.
fn vat_of(row: &TaxRow) -> Vat {
    let category = row.category.parse().unwrap_or(Category::OutsideScope);
    Vat { category, rate: Ppm(row.rate_ppm) }
}

fn terms(row: &TaxRow, terms: &Terms, language: Language) -> VatTerms {
    let of_case = terms.get(&row.vat_case);
    VatTerms {
        vat: vat_of(row),
        reason: of_case.and_then(|terms| terms.mentions.get(language.tag()).cloned()),
        code: of_case.and_then(|terms| terms.vatex.clone()),
        tax: Some(row.tax_minor),
    }
}
