//! The invoice and the credit note as people see them: facts in, the bytes of a PDF out.
//!
//! Everything printed is decided by the caller and frozen in [`InvoiceFacts`]; nothing is computed here but the
//! subtotals carried from page to page. What a Belgian invoice must show is in Royal Decree no. 1, art. 5 (date,
//! number, both parties with their VAT numbers, supply date, description, taxable base per rate, VAT in total, legal
//! basis of an exemption) and in the company code, art. 2:20 (legal form, seat, enterprise number, register).
//!
//! The parts: [`words`] has every label in four languages, [`design`] logo, colours and window, [`figures`] what is
//! particular to invoices (amounts and dates are those of `formats::local`), `letterhead` draws what frames the pages,
//! `body` the lines, `closing` what follows them, `payment` the box with the code to scan ([`epc`]). [`reminder`] is a
//! letter made of the same parts.
//!
//! [`render_with`] puts the XML of the invoice and further files into the PDF, which is then Factur-X.

mod body;
mod closing;
pub mod demand;
pub mod design;
pub mod epc;
pub mod figures;
mod letterhead;
mod payment;
pub mod reminder;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
pub mod words;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use self::design::{Design, Palette};
use self::words::Labels;
use crate::formats::local;
use crate::formats::pdf::attachment::Attachment;
use crate::formats::pdf::canvas::{Colour, Style, WIDTH};
use crate::formats::pdf::document::{Metadata, with_attachments};
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
    /// Asks for a part before the work.
    Deposit,
    /// Asks for a part of the work that is done.
    Intermediate,
    /// Asks for what deposits have left.
    Balance,
    /// Offers work at a price.
    Quote,
    /// Orders work, to be signed.
    Order,
    /// Reminds of what is not paid.
    Reminder,
    /// Claims it, with what the law adds, before it goes to others.
    FormalDemand,
    /// Asks another activity of the same legal person for payment.
    Internal,
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

/// What was paid before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepaid {
    /// The number of the deposit invoice.
    pub number: String,
    /// Its date, or when it was paid.
    pub on: NaiveDate,
    /// How much.
    pub amount: Minor,
}

/// The VAT of a document in a foreign currency, as the law wants it: in euro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxInEuro {
    /// The VAT in euro.
    pub tax: Minor,
    /// What one euro is in the currency of the document.
    pub rate: Decimal,
    /// Whose rate it is: `ECB`.
    pub source: String,
    /// Of which day.
    pub on: NaiveDate,
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
    /// Why there is none, with the article of the law, worded in the language of the document.
    pub mention: Option<String>,
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
    /// Logo, colours, window, second language.
    pub design: Design,
    /// The buyer's purchase order.
    pub purchase_order: Option<String>,
    /// The last day on which a quote can be accepted.
    pub valid_until: Option<NaiveDate>,
    /// What is written above the lines, a paragraph each, in the language of the document.
    pub intro: Vec<String>,
    /// Discounts and charges on the whole document; its net has them in it.
    pub adjustments: Vec<Adjustment>,
    /// What was paid before.
    pub prepaid: Vec<Prepaid>,
    /// What is left to pay, where it is not the total.
    pub due: Option<Minor>,
    /// The VAT in euro, where the document is not.
    pub tax_in_euro: Option<TaxInEuro>,
}

impl InvoiceFacts {
    /// What is left to pay.
    #[must_use]
    pub fn due(&self) -> Minor {
        self.more.due.unwrap_or(self.gross)
    }
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

/// What every page of a document knows: labels, colours, and what stands in its head.
struct Head<'a> {
    language: Language,
    labels: Labels,
    palette: Palette,
    design: &'a Design,
    title: String,
    number: &'a str,
    addressed_to: String,
    seller: &'a Party,
    buyer: &'a Party,
    /// Dates and references: a label and a value each.
    entries: Vec<(String, Option<String>)>,
}

impl<'a> Head<'a> {
    fn of(facts: &'a InvoiceFacts) -> Self {
        let (kind, language, design) = (facts.kind, facts.language, &facts.more.design);
        let labels = Labels::new(language, design.second_language);
        let date = |on| local::date(language, on);
        let corrects = facts.corrects.as_ref().map(|it| figures::corrected(language, it));
        let entries = vec![
            (labels.say(|words| words.issued_on(kind)), Some(date(facts.issued_on))),
            (labels.say(|words| words.corrects.0), corrects),
            (labels.say(|words| words.due_on), facts.due_on.map(date)),
            (labels.say(|words| words.valid_until), facts.more.valid_until.map(date)),
            (labels.say(|words| words.supplied), facts.supply.map(|supply| figures::supply(language, supply))),
            (labels.say(|words| words.buyer_reference), facts.buyer_reference.clone()),
            (labels.say(|words| words.purchase_order), facts.more.purchase_order.clone()),
            (labels.say(|words| words.order_reference), facts.order_reference.clone()),
            (labels.say(|words| words.member), facts.member_name.clone()),
        ];
        Self {
            language,
            labels,
            palette: Palette::of(design),
            design,
            title: labels.say(|words| words.title(kind)),
            number: &facts.number,
            addressed_to: labels.say(|words| words.addressed_to(kind)),
            seller: &facts.seller,
            buyer: &facts.buyer,
            entries,
        }
    }

    /// What the document is called where there is one line for it.
    fn name(&self) -> Result<String, PdfError> {
        clean(&format!("{} {}", self.title, self.number))
    }
}

/// The document, as a PDF file. Equal facts give equal bytes, on every machine and at all times.
///
/// No text is refused: what cannot be drawn shows as U+FFFD, control and direction characters are dropped, what is too
/// long wraps and runs over to further pages.
///
/// # Errors
/// When a subtotal leaves the range of an amount; else only when the program was built with broken fonts.
pub fn render(facts: &InvoiceFacts) -> Result<Vec<u8>, PdfError> {
    render_with(facts, &[])
}

/// [`render`], with files in it. With [`Attachment::factur_x`] first it is a Factur-X invoice of profile EN 16931.
///
/// # Errors
/// As [`render`].
pub fn render_with(facts: &InvoiceFacts, files: &[Attachment<'_>]) -> Result<Vec<u8>, PdfError> {
    let head = Head::of(facts);
    let mut sheet = Sheet::new(TOP, BOTTOM)?;
    letterhead::first_page(&mut sheet, &head)?;
    letterhead::prose(&mut sheet, &facts.more.intro)?;
    let closing = closing::Closing::new(&sheet, facts, &head)?;
    body::lines(&mut sheet, facts, &head, closing.height())?;
    closing.draw(&mut sheet, &head);
    letterhead::frame(&mut sheet, &head)?;
    let (title, author) = (head.name()?, clean(&facts.seller.name)?);
    let metadata = Metadata { title: &title, author: &author, language: facts.language, dated: facts.issued_on };
    with_attachments(sheet.canvas, &metadata, files)
}
