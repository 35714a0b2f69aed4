//! What follows the sending of an order: its order form is drawn once, kept, and goes with the mail to the client.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::store::{self, OrderRow};
use super::{FrozenLine, FrozenOrder, FrozenTax};
use crate::archive::{self, ArchivedFile, Kind, NewFile};
use crate::charter::{self, EntityRow, VatTariff};
use crate::clients::{self, ClientRow};
use crate::formats::invoice_pdf::design::Design;
use crate::formats::invoice_pdf::{
    Adjustment, DocumentKind, InvoiceFacts, Line, More, Party, Supply, VatSummary, render, words,
};
use crate::kernel::ids::OrderId;
use crate::kernel::language::Language;
use crate::kernel::lines;
use crate::kernel::money::{Minor, Ppm};
use crate::kernel::vat::VatCase;
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};

/// The media type of the order form.
const PDF: &str = "application/pdf";

/// The order form of a version that was sent: made once, with no transaction open, and kept. Safe to repeat: the kept
/// bytes are used again. Answers its name, media type and bytes.
///
/// # Errors
/// Fails with the database, or when it cannot be made.
pub fn document(db: &Db, id: OrderId, n: i32) -> Result<(String, String, Arc<[u8]>)> {
    let (row, facts) = db.write_blocking(&Actor::System, |tx| Ok((store::find(tx, id)?, facts(tx, id, n)?)))?;
    let bytes = match db.write_blocking(&Actor::System, |tx| kept(tx, id, n))? {
        Some(file) => file.bytes,
        None => keep(db, &row, n, render(&facts).map_err(Error::internal)?)?,
    };
    Ok((file_name(&facts.number), PDF.to_owned(), bytes.into()))
}

fn file_name(number: &str) -> String {
    format!("{number}.pdf")
}

fn kept(tx: &mut Tx<'_>, id: OrderId, n: i32) -> Result<Option<ArchivedFile>> {
    store::find_document(tx, id, n)?.map(|(file, _)| archive::find(tx, file)).transpose()
}

/// Keeps the order form, and answers the bytes that are kept.
fn keep(db: &Db, order: &OrderRow, n: i32, bytes: Vec<u8>) -> Result<Vec<u8>> {
    db.write_blocking(&Actor::System, |tx| {
        // Another worker may have been faster after a lost lease: what is kept is what is sent.
        store::lock(tx, order.id)?;
        if let Some(file) = kept(tx, order.id, n)? {
            return Ok(file.bytes);
        }
        let name = file_name(&number(order, n));
        let new = NewFile {
            kind: Kind::OrderPdf,
            subject: order.id.0,
            owner: Some(order.member_id),
            name: &name,
            media_type: PDF,
            bytes: &bytes,
        };
        let file = archive::keep(tx, &new)?;
        store::insert_document(tx, order.id, n, file, &archive::sha256(&bytes))?;
        Ok(bytes.clone())
    })
}

/// Orders have no series: the end of the id, which is random, and the version.
fn number(order: &OrderRow, n: i32) -> String {
    let id = order.id.0.simple().to_string().to_uppercase();
    format!("{}-{n}", id.get(24..).unwrap_or(&id))
}

/// What the order form says: the words that were frozen, and who the two are.
fn facts(tx: &mut Tx<'_>, id: OrderId, n: i32) -> Result<InvoiceFacts> {
    let row = store::find(tx, id)?;
    let (content, _) = store::find_version(tx, id, n)?;
    let content: FrozenOrder = serde_json::from_str(&content)?;
    let entity = charter::entity(tx, row.entity_id)?;
    let client = clients::client(tx, row.client_id)?;
    let tariffs = charter::vat_tariffs(tx, &entity.country, content.work_ends_on)?;
    let (language, second_language) = (client.language, client.second_language);
    let is_abroad = entity.country != client.country;
    let supply = match content.work_starts_on {
        Some(start) if start != content.work_ends_on => Supply::Between(start, content.work_ends_on),
        Some(_) | None => Supply::On(content.work_ends_on),
    };
    let more = More {
        design: Design { second_language, ..charter::design::design(tx, row.entity_id)? },
        purchase_order: content.purchase_order.clone(),
        valid_until: Some(content.valid_until),
        intro: [&content.title, &content.description].into_iter().filter(|text| !text.is_empty()).cloned().collect(),
        adjustments: content.adjustments.iter().map(adjustment).collect(),
        ..More::default()
    };
    Ok(InvoiceFacts {
        language,
        kind: DocumentKind::Order,
        number: number(&row, n),
        issued_on: row.sent_at.unwrap_or_else(|| tx.now()).with_timezone(&entity.zone()).date_naive(),
        due_on: None,
        corrects: None,
        supply: Some(supply),
        seller: seller(&entity, &content, is_abroad),
        buyer: buyer(&client, &content, is_abroad),
        currency: content.currency,
        lines: content.lines.iter().map(|it| line(it, &tariffs)).collect(),
        vat: content.taxes.iter().map(|tax| vat_summary(tax, &tariffs)).collect(),
        net: content.net_minor,
        tax: content.tax_minor,
        gross: content.gross_minor,
        payment: None,
        mentions: mentions(&content, &tariffs, language, second_language),
        buyer_reference: content.buyer_reference,
        order_reference: None,
        member_name: Some(content.member),
        more,
    })
}

/// Its country stands on the document only across a border.
fn seller(entity: &EntityRow, content: &FrozenOrder, is_abroad: bool) -> Party {
    Party {
        name: content.entity.clone(),
        legal_form: Some(entity.legal_form.clone()),
        lines: address([&entity.street, &entity.building_number, &entity.postcode, &entity.town]),
        country: if is_abroad { entity.country.clone() } else { String::new() },
        enterprise_number: Some(content.enterprise_number.clone()),
        vat_number: Some(entity.vat_number.clone()),
        register: Some(entity.register.clone()).filter(|register| !register.is_empty()),
    }
}

fn buyer(client: &ClientRow, content: &FrozenOrder, is_abroad: bool) -> Party {
    Party {
        name: content.client.clone(),
        lines: address([&client.street, &client.building_number, &client.postcode, &client.town]),
        country: if is_abroad { client.country.clone() } else { String::new() },
        enterprise_number: client.enterprise_number.clone(),
        vat_number: content.client_vat_number.clone(),
        ..Party::default()
    }
}

fn address([street, building, postcode, town]: [&str; 4]) -> Vec<String> {
    vec![format!("{street} {building}").trim().to_owned(), format!("{postcode} {town}").trim().to_owned()]
}

fn line(of: &FrozenLine, tariffs: &BTreeMap<VatCase, VatTariff>) -> Line {
    let tariff = tariffs.get(&of.line.vat_case);
    Line {
        label: of.line.label.clone(),
        quantity: of.line.quantity.normalize(),
        // A piece goes without saying.
        unit: Some(of.line.unit.clone()).filter(|unit| unit != "C62"),
        unit_price: of.line.unit_price.amount_minor,
        net: of.net_minor,
        vat_category: tariff.map(|tariff| tariff.category.clone()).unwrap_or_default(),
        vat_rate: tariff.map_or(Ppm(0), |tariff| tariff.rate),
        exact_price: of.line.exact_unit_price,
        adjustments: of.line.adjustments.iter().map(adjustment).collect(),
    }
}

/// A discount is below zero.
fn adjustment(of: &lines::Adjustment) -> Adjustment {
    let amount = of.amount.map_or(Minor::ZERO, |money| money.amount_minor);
    let is_discount = of.kind == lines::AdjustmentKind::Discount;
    let amount = if is_discount { amount.negated().unwrap_or_default() } else { amount };
    Adjustment { reason: of.reason.clone(), rate: of.rate, amount }
}

fn vat_summary(of: &FrozenTax, tariffs: &BTreeMap<VatCase, VatTariff>) -> VatSummary {
    VatSummary {
        category: tariffs.get(&of.vat_case).map(|tariff| tariff.category.clone()).unwrap_or_default(),
        rate: Ppm(of.rate_ppm),
        base: of.base_minor,
        tax: of.tax_minor,
        mention: None,
    }
}

/// That the VAT is an estimate, why it is what it is, and where to answer: a working link stands in the mail alone.
fn mentions(
    content: &FrozenOrder,
    tariffs: &BTreeMap<VatCase, VatTariff>,
    language: Language,
    second: Option<Language>,
) -> Vec<String> {
    let languages = [language].into_iter().chain(second.filter(|second| *second != language));
    let legal = content.taxes.iter().filter_map(|tax| tariffs.get(&tax.vat_case)?.mention(language));
    let why = content.lines.iter().filter_map(|it| it.line.vat_justification.as_deref());
    let mut mentions: Vec<String> = Vec::new();
    for text in legal.chain(why) {
        if !mentions.iter().any(|known| known == text) {
            mentions.push(text.to_owned());
        }
    }
    mentions.extend(languages.flat_map(words::of_orders).map(str::to_owned));
    mentions
}
