//! Invoices for people and programs: PDF with CII in it (Factur-X), and UBL; how many a second on one core, how large,
//! and whether memory stays flat.

use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use umbel::formats::einvoice::{
    Account, Address, Category, Delivery, Document, Facts, Identifier, Kind, Line, Party, Payment, Vat, cii, ubl,
};
use umbel::formats::invoice_pdf::{InvoiceFacts, Supply, render_with};
use umbel::formats::pdf::attachment::Attachment;
use umbel::formats::pdf::reader::invoice_xml;

use super::local::{invoice, micros, repeat};
use super::{Report, ratio};
use crate::commands::Outcome;

/// How many documents are made before memory is looked at, and looked at again.
const FEW: usize = 1_000;
const MANY: usize = 10_000;

/// Measures on one thread.
pub fn measure(report: &Report) -> Outcome<()> {
    let pages = invoice()?;
    let facts = facts(&pages);
    let document = Document::new(facts.clone())?;
    let xml = cii::write(&document);
    let one = render_with(&pages, &[Attachment::factur_x(&xml, pages.issued_on)])?;
    report.figure("factur_x_size", one.len().into(), "bytes/page", 1)?;
    let (n, spent) = repeat(Duration::from_secs(2), || {
        render_with(&pages, &[Attachment::factur_x(&xml, pages.issued_on)]).map(drop)
    })?;
    report.figure("factur_x_rate", per_second(n, spent), "documents/s", n)?;
    let (n, spent) = repeat(Duration::from_secs(1), || ubl::write(&document).map(drop))?;
    report.figure("ubl_rate", per_second(n, spent), "documents/s", n)?;
    let (n, spent) = repeat(Duration::from_secs(1), || invoice_xml(&one).map(drop))?;
    report.figure("factur_x_read_rate", per_second(n, spent), "documents/s", n)?;
    let began = Instant::now();
    let mut at_few = None;
    for index in 0..MANY {
        let number = format!("2026-{index:05}");
        let document = Document::new(Facts { number: number.clone(), ..facts.clone() })?;
        let pages = InvoiceFacts { number, ..pages.clone() };
        let xml = cii::write(&document);
        std::hint::black_box(render_with(&pages, &[Attachment::factur_x(&xml, pages.issued_on)])?);
        std::hint::black_box(ubl::write(&document)?);
        if index.saturating_add(1) == FEW {
            at_few = memory();
        }
    }
    report.figure("factur_x_and_ubl_rate", per_second(MANY, began.elapsed()), "documents/s", MANY)?;
    if let (Some(few), Some(many)) = (at_few, memory()) {
        report.figure("documents_memory", few.into(), "kB", FEW)?;
        report.figure("documents_memory", many.into(), "kB", MANY)?;
    }
    Ok(())
}

fn per_second(n: usize, spent: Duration) -> Decimal {
    ratio(Decimal::from(n).saturating_mul(1_000_000.into()), micros(spent))
}

/// The memory that this process has now, in kilobytes; only Linux says so.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// What the pages say, for programs.
fn facts(pages: &InvoiceFacts) -> Facts {
    let mut facts = Facts::new(
        Kind::Invoice,
        pages.number.clone(),
        pages.issued_on,
        pages.currency,
        (party(&pages.seller), party(&pages.buyer)),
    );
    facts.due_on = pages.due_on;
    facts.buyer_reference.clone_from(&pages.buyer_reference);
    if let Some(Supply::On(day)) = pages.supply {
        facts.delivery = Some(Delivery { on: Some(day), ..Delivery::default() });
    }
    facts.payment = pages.payment.as_ref().map(|payment| Payment {
        means: "30".to_owned(),
        reference: Some(payment.reference.clone()),
        accounts: vec![Account {
            id: payment.iban.clone(),
            name: Some(payment.beneficiary.clone()),
            bic: payment.bic.clone(),
        }],
    });
    for (line, number) in pages.lines.iter().zip(1_usize..) {
        let unit = line.unit.as_deref().unwrap_or("C62");
        let price = Decimal::new(line.unit_price.get(), 2);
        let vat = Vat { category: Category::Standard, rate: line.vat_rate };
        facts.lines.push(Line::new(number.to_string(), line.label.clone(), line.quantity, unit, price, vat));
    }
    facts
}

fn party(party: &umbel::formats::invoice_pdf::Party) -> Party {
    let digits = |text: &String| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let number = party.enterprise_number.as_ref().map(digits).unwrap_or_default();
    Party {
        name: party.name.clone(),
        registration: Some(Identifier::of("0208", number.as_str())),
        vat_id: party.vat_number.as_ref().map(digits),
        electronic_address: Some(Identifier::of("0208", number.as_str())),
        address: Address {
            line1: party.lines.first().cloned(),
            city: party.lines.last().cloned(),
            country: "BE".to_owned(),
            ..Address::default()
        },
        ..Party::default()
    }
}
