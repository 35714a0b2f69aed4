//! Invoices as Factur-X: how many a second on one core, how large, and whether memory stays flat.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use umbel::formats::invoice_pdf::render_with;
use umbel::formats::pdf::attachment::Attachment;
use umbel::formats::pdf::reader::invoice_xml;

use super::local::{invoice, micros, repeat};
use super::{Report, ratio};
use crate::commands::Outcome;

/// How many documents are made to see whether memory grows.
const MANY: usize = 10_000;
/// As large as the XML of an invoice of three lines.
const XML: usize = 8_000;

/// Measures on one thread.
pub fn measure(report: &Report) -> Outcome<()> {
    let facts = invoice()?;
    let xml = stand_in();
    let files = [Attachment::factur_x(&xml, facts.issued_on)];
    let one = render_with(&facts, &files)?;
    report.figure("factur_x_size", one.len().into(), "bytes/page", 1)?;
    let (n, spent) = repeat(Duration::from_secs(2), || render_with(&facts, &files).map(drop))?;
    report.figure("factur_x_rate", per_second(n, spent), "documents/s", n)?;
    let (n, spent) = repeat(Duration::from_secs(1), || invoice_xml(&one).map(drop))?;
    report.figure("factur_x_read_rate", per_second(n, spent), "documents/s", n)?;
    let mut most_before = None;
    let began = Instant::now();
    for index in 0..MANY {
        let facts = umbel::formats::invoice_pdf::InvoiceFacts { number: format!("2026-{index:05}"), ..facts.clone() };
        render_with(&facts, &files)?;
        if index == MANY / 10 {
            most_before = most_memory();
        }
    }
    let spent = began.elapsed();
    report.figure("factur_x_rate_of_10000", per_second(MANY, spent), "documents/s", MANY)?;
    if let (Some(before), Some(after)) = (most_before, most_memory()) {
        report.figure("factur_x_memory_most", after.into(), "kB", MANY)?;
        report.figure("factur_x_memory_growth", after.saturating_sub(before).into(), "kB", MANY)?;
    }
    Ok(())
}

fn per_second(n: usize, spent: Duration) -> Decimal {
    ratio(Decimal::from(n).saturating_mul(1_000_000.into()), micros(spent))
}

/// The most memory that this process ever had, in kilobytes; only Linux says so.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Text of the size and the sameness of an invoice.
fn stand_in() -> Vec<u8> {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Invoice>\n");
    for number in 0_usize.. {
        if xml.len() > XML {
            break;
        }
        // Writing into a String cannot fail.
        let _ = writeln!(xml, "<ram:LineTotalAmount id=\"{number}\">{}</ram:LineTotalAmount>", number.pow(2));
    }
    xml.push_str("</Invoice>\n");
    xml.into_bytes()
}
