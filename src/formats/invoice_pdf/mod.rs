//! The invoice and the credit note as people see them: facts in, the bytes of a PDF out.
//!
//! Everything printed is decided by the caller and frozen in [`InvoiceFacts`]; nothing is computed here but the
//! subtotals carried from page to page. What a Belgian invoice must show is in Royal Decree no. 1, art. 5 (date,
//! number, both parties with their VAT numbers, supply date, description, taxable base per rate, VAT in total, legal
//! basis of an exemption) and in the company code, art. 2:20 (legal form, seat, enterprise number, register).
//!
//! The parts: [`words`] has every label in four languages, [`figures`] what is particular to invoices (amounts and
//! dates are those of `formats::local`), `letterhead` draws what frames the pages, `body` the lines and what closes
//! them.
//!
//! Deliberately absent: a payment QR code (its place is the right end of the payment box), embedded XML.

mod body;
pub mod figures;
mod letterhead;
#[cfg(test)]
mod tests;
pub mod words;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::formats::pdf::canvas::{Colour, Style, WIDTH};
use crate::formats::pdf::document::{Metadata, to_bytes};
use crate::formats::pdf::fonts::Weight;
use crate::formats::pdf::sheet::Sheet;
use crate::formats::pdf::text::clean;
use crate::formats::pdf::{Length, PdfError, mm, pt};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor, Ppm};

/// Which legal document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// Asks for payment.
    Invoice,
    /// Gives back what an invoice asked for.
    CreditNote,
}

/// What a credit note corrects, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrected {
    /// The number of the invoice.
    pub number: String,
    /// Its date.
    pub issued_on: NaiveDate,
    /// Why it is corrected; may have line breaks.
    pub reason: String,
}

/// When the work was done, where it is not the day of the invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    /// On one day.
    On(NaiveDate),
    /// From the first day to the last.
    Between(NaiveDate, NaiveDate),
}

/// Seller or buyer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// The name in law.
    pub name: String,
    /// `SC`, `SRL`, `GmbH`, as registered.
    pub legal_form: Option<String>,
    /// The address, a line each, without the country.
    pub lines: Vec<String>,
    /// The country, in words.
    pub country: String,
    /// The enterprise number as people write it: `0123.456.749`.
    pub enterprise_number: Option<String>,
    /// The VAT number with its country: `BE 0123.456.749`.
    pub vat_number: Option<String>,
    /// The register, where it must be named: `RPM Bruxelles`.
    pub register: Option<String>,
}

/// One line of the invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What was done; may have line breaks.
    pub label: String,
    /// How many units.
    pub quantity: Decimal,
    /// A UN/ECE Recommendation 20 code (`HUR`, `DAY`), worded in the language of the document; other text as it is.
    pub unit: Option<String>,
    /// The price of one unit, without VAT.
    pub unit_price: Minor,
    /// What the line adds to the net total.
    pub net: Minor,
    /// The VAT category code of EN 16931: `S`, `AE`, `O`...
    pub vat_category: String,
    /// The VAT rate.
    pub vat_rate: Ppm,
    /// The price of one unit in whole units of the currency, where it has more decimals than an amount.
    pub exact_price: Option<Decimal>,
    /// Discounts and charges on the line; its net has them in it.
    pub adjustments: Vec<Adjustment>,
}

/// A discount or a charge, on a line or on the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adjustment {
    /// Why; may be empty.
    pub reason: String,
    /// Its rate, where it has one.
    pub rate: Option<Ppm>,
    /// By how much the total grows: negative for a discount.
    pub amount: Minor,
}

/// The VAT of all lines of one category and rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VatSummary {
    /// The VAT category code of EN 16931, worded in the language of the document.
    pub category: String,
    /// The rate.
    pub rate: Ppm,
    /// The taxable amount.
    pub base: Minor,
    /// The tax on it.
    pub tax: Minor,
}

/// How to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The account; printed in groups of four.
    pub iban: String,
    /// The bank, where a payer may need it.
    pub bic: Option<String>,
    /// The holder of the account, exactly as the bank knows it: banks compare the two.
    pub beneficiary: String,
    /// What the payer must write, as printed: `+++123/4567/89002+++`.
    pub reference: String,
}

/// Everything an invoice shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceFacts {
    /// The language of every label, amount and date.
    pub language: Language,
    /// Which document it is.
    pub kind: DocumentKind,
    /// Its number in its series.
    pub number: String,
    /// Its date.
    pub issued_on: NaiveDate,
    /// The last day to pay; none where there is nothing to pay.
    pub due_on: Option<NaiveDate>,
    /// The invoice that a credit note corrects.
    pub corrects: Option<Corrected>,
    /// When the work was done.
    pub supply: Option<Supply>,
    /// Who invoices.
    pub seller: Party,
    /// Who pays.
    pub buyer: Party,
    /// The currency of every amount.
    pub currency: Currency,
    /// The lines.
    pub lines: Vec<Line>,
    /// The VAT per category and rate.
    pub vat: Vec<VatSummary>,
    /// The total without VAT.
    pub net: Minor,
    /// The VAT.
    pub tax: Minor,
    /// The total with VAT.
    pub gross: Minor,
    /// How to pay; none where there is nothing to pay, and then there is no payment box.
    pub payment: Option<Payment>,
    /// The legal mentions, already worded in the language of the document.
    pub mentions: Vec<String>,
    /// The buyer's own reference or purchase order.
    pub buyer_reference: Option<String>,
    /// The order this invoice carries out.
    pub order_reference: Option<String>,
    /// The member who did the work.
    pub member_name: Option<String>,
    /// What only some documents have.
    pub more: More,
}

/// What only some documents have; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct More {
    /// The buyer's purchase order.
    pub purchase_order: Option<String>,
    /// Discounts and charges on the whole document; its net has them in it.
    pub adjustments: Vec<Adjustment>,
}

/// Left edge of the text.
const LEFT: Length = mm(20);
/// Right edge of the text.
const RIGHT: Length = WIDTH - mm(20);
/// Where the text of a page after the first begins.
const TOP: Length = mm(30);
/// Where the text of every page ends.
const BOTTOM: Length = mm(271);

/// For text that is read.
const INK: Colour = Colour(0x1B, 0x21, 0x26);
/// For text that is looked up. Dark enough for small print (contrast 5.9 to white).
const MUTED: Colour = Colour(0x5B, 0x65, 0x6E);
/// The one colour.
const ACCENT: Colour = Colour(0x17, 0x5E, 0x54);
/// The accent, as a background.
const TINT: Colour = Colour(0xEE, 0xF4, 0xF2);
/// For lines between rows.
const HAIRLINE: Colour = Colour(0xD3, 0xD9, 0xDC);

/// Running text.
const BODY: Style = Style { weight: Weight::Regular, size: pt(90), colour: INK };
/// Labels and small print.
const SMALL: Style = Style { weight: Weight::Regular, size: pt(75), colour: MUTED };
/// From one line of running text to the next.
const LEADING: Length = pt(125);
/// From one line of small print to the next.
const SMALL_LEADING: Length = pt(105);

/// The document, as a PDF file. Equal facts give equal bytes, on every machine and at all times.
///
/// No text is refused: what cannot be drawn shows as U+FFFD, control and direction characters are dropped, what is too
/// long wraps and runs over to further pages.
///
/// # Errors
/// When a subtotal leaves the range of an amount; else only when the program was built with broken fonts.
pub fn render(facts: &InvoiceFacts) -> Result<Vec<u8>, PdfError> {
    let words = words::of(facts.language);
    let title = format!("{} {}", words.title(facts.kind), clean(&facts.number)?);
    let mut sheet = Sheet::new(TOP, BOTTOM)?;
    letterhead::first_page(&mut sheet, facts, words)?;
    let closing = body::Closing::new(&sheet, facts, words)?;
    body::lines(&mut sheet, facts, words, closing.height())?;
    closing.draw(&mut sheet, words);
    letterhead::frame(&mut sheet, facts, words, &title)?;
    let author = clean(&facts.seller.name)?;
    to_bytes(
        sheet.canvas,
        &Metadata { title: &title, author: &author, language: facts.language, dated: facts.issued_on },
    )
}
