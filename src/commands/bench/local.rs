//! What needs no database: PDFs, passwords, tokens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use rust_decimal::Decimal;
use umbel::access::{Passwords, TokenService};
use umbel::formats::invoice_pdf::{DocumentKind, InvoiceFacts, Line, More, Party, Payment, Supply, VatSummary, render};
use umbel::kernel::language::Language;
use umbel::kernel::money::{Currency, Minor, Ppm};
use umbel::platform::clock::Clock;
use umbel::platform::config::Config;
use umbel::platform::keys::Keys;

use super::{Report, ratio};
use crate::commands::Outcome;

/// Measures on one thread.
pub fn measure(report: &Report, config: &Config) -> Outcome<()> {
    pdfs(report)?;
    let clock = Clock::system();
    let passwords = Passwords::new(1, clock.clone())?;
    let (n, spent) = repeat(Duration::from_secs(1), || passwords.hash_blocking("correct horse battery").map(drop))?;
    report.figure("password_check", ratio(micros(spent), n).checked_div(1000.into()).unwrap_or_default(), "ms", n)?;
    let folder = config.data.join("token_keys");
    std::fs::create_dir_all(&config.data)?;
    let tokens = TokenService::new(Arc::new(Keys::from_folder(&folder, &clock)?), "bench".to_owned(), clock.clone());
    let token = tokens.issue(clock.new_id().into(), clock.new_id().into(), 1, clock.now(), clock.new_id())?;
    let (n, spent) = repeat(Duration::from_millis(500), || tokens.read(&token).map(drop))?;
    report.figure("token_check", ratio(micros(spent), n), "us", n)
}

fn pdfs(report: &Report) -> Outcome<()> {
    let facts = invoice()?;
    let size = render(&facts)?.len();
    let (n, spent) = repeat(Duration::from_secs(2), || render(&facts).map(drop))?;
    report.figure("pdf_rate", ratio(Decimal::from(n).saturating_mul(1_000_000.into()), micros(spent)), "pages/s", n)?;
    report.figure("pdf_size", size.into(), "bytes/page", 1)
}

/// Repeats for a while; answers how often and how long.
fn repeat<E: std::error::Error + 'static>(
    time: Duration,
    mut work: impl FnMut() -> Result<(), E>,
) -> Outcome<(usize, Duration)> {
    let began = Instant::now();
    let mut n = 0_usize;
    while began.elapsed() < time {
        work()?;
        n = n.saturating_add(1);
    }
    Ok((n, began.elapsed()))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// An invoice of one page, as the journeys make them.
fn invoice() -> Outcome<InvoiceFacts> {
    let day = |month, day| NaiveDate::from_ymd_opt(2026, month, day).ok_or("no such day");
    let line = |label: &str| Line {
        label: label.to_owned(),
        quantity: Decimal::ONE,
        unit: Some("DAY".to_owned()),
        unit_price: Minor::new(50_000),
        net: Minor::new(50_000),
        vat_category: "S".to_owned(),
        vat_rate: Ppm(210_000),
        exact_price: None,
        adjustments: Vec::new(),
    };
    let (net, tax) = (Minor::new(150_000), Minor::new(31_500));
    Ok(InvoiceFacts {
        language: Language::Fr,
        kind: DocumentKind::Invoice,
        number: "2026-0042".to_owned(),
        issued_on: day(2, 7)?,
        due_on: Some(day(3, 9)?),
        corrects: None,
        supply: Some(Supply::On(day(1, 30)?)),
        seller: Party {
            name: "Ombelle".to_owned(),
            legal_form: Some("SC agréée".to_owned()),
            lines: vec!["Rue de la Coopération 12".to_owned(), "1000 Bruxelles".to_owned()],
            country: "Belgique".to_owned(),
            enterprise_number: Some("0123.456.749".to_owned()),
            vat_number: Some("BE 0123.456.749".to_owned()),
            register: Some("RPM Bruxelles".to_owned()),
        },
        buyer: Party {
            name: "Łukasz Øster-Ñuñez & Fils SPRL".to_owned(),
            lines: vec!["Chaussée de Louvain 100".to_owned(), "1210 Bruxelles".to_owned()],
            country: "Belgique".to_owned(),
            ..Party::default()
        },
        currency: Currency::EUR,
        lines: ["Illustrations de couverture", "Planches intérieures", "Corrections"].map(line).to_vec(),
        vat: vec![VatSummary { category: "S".to_owned(), rate: Ppm(210_000), base: net, tax }],
        net,
        tax,
        gross: net.plus(tax)?,
        payment: Some(Payment {
            iban: "BE68539007547034".to_owned(),
            bic: Some("GEBABEBB".to_owned()),
            beneficiary: "Ombelle SC".to_owned(),
            reference: "+++260/0000/04234+++".to_owned(),
        }),
        mentions: Vec::new(),
        buyer_reference: Some("PO-77812".to_owned()),
        order_reference: None,
        member_name: Some("Awa Diop".to_owned()),
        more: More::default(),
    })
}
