//! The lines and totals of a document, as every page of one shows them.

use rust_decimal::Decimal;
use serde::Serialize;

use super::words;
use crate::formats::{local, texts};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor, Ppm};

/// One line.
#[derive(Debug, Clone)]
pub struct PageLine {
    /// What is done.
    pub label: String,
    /// How much of it.
    pub quantity: Decimal,
    /// The price of one, excluding VAT.
    pub unit_price: Minor,
    /// The amount of the line, excluding VAT.
    pub net: Minor,
}

/// The VAT of one rate.
#[derive(Debug, Clone, Copy)]
pub struct VatLine {
    /// The rate.
    pub rate: Ppm,
    /// What it is taken of.
    pub base: Minor,
    /// The VAT.
    pub tax: Minor,
}

#[derive(Serialize)]
struct LineView {
    label: String,
    quantity: String,
    unit_price: String,
    net: String,
}

#[derive(Serialize)]
struct VatView {
    label: String,
    tax: String,
}

/// The table of `lines.html`.
#[derive(Serialize)]
pub(super) struct Table {
    lines: Vec<LineView>,
    net: String,
    vats: Vec<VatView>,
    gross: String,
}

pub(super) fn table(
    lines: &[PageLine],
    vat: &[VatLine],
    (net, gross): (Minor, Minor),
    currency: Currency,
    language: Language,
) -> Table {
    let amount = |minor| local::amount(language, minor, currency);
    let vat_words = words(language).get("page", "vat").unwrap_or_default();
    let vat_label = |vat: &VatLine| {
        texts::fill(vat_words, |name| match name {
            "rate" => Some(local::percent(language, vat.rate)),
            "base" => Some(amount(vat.base)),
            _ => None,
        })
    };
    Table {
        lines: lines
            .iter()
            .map(|line| LineView {
                label: line.label.clone(),
                quantity: local::number(language, line.quantity),
                unit_price: amount(line.unit_price),
                net: amount(line.net),
            })
            .collect(),
        net: amount(net),
        vats: vat.iter().map(|vat| VatView { label: vat_label(vat), tax: amount(vat.tax) }).collect(),
        gross: amount(gross),
    }
}
