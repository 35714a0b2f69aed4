//! The reminder as people see it: a letter with the invoices that are open, made of the parts of an invoice.

use chrono::NaiveDate;

use super::body::look;
use super::design::{Design, Palette};
use super::letterhead::{self, wrapped};
use super::payment::PaymentBox;
use super::words::Labels;
use super::{BODY, BOTTOM, DocumentKind, Head, INK, LEFT, Party, Payment, RIGHT, SMALL, SMALL_LEADING, TOP};
use crate::formats::local;
use crate::formats::pdf::canvas::Role;
use crate::formats::pdf::document::{Metadata, to_bytes};
use crate::formats::pdf::sheet::Sheet;
use crate::formats::pdf::table::{Row, Table};
use crate::formats::pdf::text::clean;
use crate::formats::pdf::{PdfError, mm};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor};

/// An invoice that is not paid, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenInvoice {
    /// Its number.
    pub number: String,
    /// Its date.
    pub issued_on: NaiveDate,
    /// The last day to pay.
    pub due_on: NaiveDate,
    /// Its total.
    pub total: Minor,
    /// What is not paid of it.
    pub open: Minor,
}

/// Everything a reminder shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReminderFacts {
    /// A reminder or a formal demand.
    pub kind: DocumentKind,
    /// The language of every label, amount and date.
    pub language: Language,
    /// Its number, or which reminder it is.
    pub number: String,
    /// Its date.
    pub issued_on: NaiveDate,
    /// Who reminds.
    pub seller: Party,
    /// Who is reminded.
    pub buyer: Party,
    /// The currency of every amount.
    pub currency: Currency,
    /// What is written above the invoices, a paragraph each, worded in the language of the letter.
    pub letter: Vec<String>,
    /// What is open.
    pub invoices: Vec<OpenInvoice>,
    /// What the law or the contract adds, worded: interest, the fixed compensation.
    pub costs: Vec<(String, Minor)>,
    /// All of it.
    pub total: Minor,
    /// Until when to pay.
    pub pay_by: Option<NaiveDate>,
    /// How to pay.
    pub payment: Option<Payment>,
    /// The legal mentions, worded.
    pub mentions: Vec<String>,
    /// Logo, colours, window, second language.
    pub design: Design,
}

/// What a reminder of one invoice says above its figures, by level: its number, the last day to pay, the days since.
#[must_use]
pub fn letter(language: Language, level: i32, (number, due_on, days): (&str, NaiveDate, i32)) -> Vec<String> {
    let due_on = local::date(language, due_on);
    let (first, ask) = match language {
        Language::Fr => (
            format!(
                "Selon nos livres, la facture {number} était à payer au plus tard le {due_on} (jours de retard\u{a0}: {days})."
            ),
            [
                "Peut-être l’avez-vous perdue de vue\u{a0}? Merci de régler le montant ouvert.",
                "Nous vous l’avons déjà rappelé. Merci de régler le montant ouvert dans les prochains jours.",
                "Malgré nos rappels, nous n’avons pas reçu votre paiement. Payez sans attendre, ou dites-nous ce qui l’empêche.",
            ],
        ),
        Language::Nl => (
            format!(
                "Volgens onze boeken was factuur {number} te betalen uiterlijk op {due_on} (dagen te laat: {days})."
            ),
            [
                "Misschien is ze aan uw aandacht ontsnapt? Gelieve het openstaande bedrag te betalen.",
                "Wij hebben u hier al aan herinnerd. Gelieve het openstaande bedrag in de komende dagen te betalen.",
                "Ondanks onze herinneringen ontvingen wij geen betaling. Betaal meteen, of zeg ons wat er in de weg staat.",
            ],
        ),
        Language::En => (
            format!("According to our books, invoice {number} was to be paid by {due_on} (days late: {days})."),
            [
                "Perhaps it escaped your notice? Please pay what is open.",
                "We have reminded you of it before. Please pay what is open in the next few days.",
                "Despite our reminders we have received no payment. Please pay at once, or tell us what prevents it.",
            ],
        ),
        Language::De => (
            format!("Nach unseren Büchern war die Rechnung {number} bis {due_on} zu zahlen (Tage im Verzug: {days})."),
            [
                "Vielleicht ist sie Ihnen entgangen? Bitte zahlen Sie den offenen Betrag.",
                "Wir haben Sie schon daran erinnert. Bitte zahlen Sie den offenen Betrag in den nächsten Tagen.",
                "Trotz unserer Erinnerungen ist kein Geld eingegangen. Bitte zahlen Sie sofort, oder sagen Sie uns, was dem im Weg steht.",
            ],
        ),
    };
    let [friendly, again, last] = ask;
    vec![
        first,
        if level <= 1 {
            friendly
        } else if level == 2 {
            again
        } else {
            last
        }
        .to_owned(),
    ]
}

/// The letter, as a PDF file. Equal facts give equal bytes.
///
/// # Errors
/// Only when the program was built with broken fonts.
pub fn render(facts: &ReminderFacts) -> Result<Vec<u8>, PdfError> {
    let labels = Labels::new(facts.language, facts.design.second_language);
    let date = |on| local::date(facts.language, on);
    let head = Head {
        language: facts.language,
        labels,
        palette: Palette::of(&facts.design),
        design: &facts.design,
        title: labels.say(|words| words.title(facts.kind)),
        number: &facts.number,
        addressed_to: labels.say(|words| words.addressed_to(facts.kind)),
        seller: &facts.seller,
        buyer: &facts.buyer,
        entries: vec![
            (labels.say(|words| words.issued_on(facts.kind)), Some(date(facts.issued_on))),
            (labels.say(|words| words.due_on), facts.pay_by.map(date)),
        ],
    };
    let mut sheet = Sheet::new(TOP, BOTTOM)?;
    letterhead::first_page(&mut sheet, &head)?;
    letterhead::prose(&mut sheet, &facts.letter)?;
    table(&mut sheet, facts, &head)?;
    sheet.advance(mm(7));
    if let Some(payment) = &facts.payment {
        let amount = (facts.total, facts.currency);
        PaymentBox::new(&sheet.canvas, &head, payment, amount, facts.pay_by)?.draw(&mut sheet, &head);
        sheet.advance(mm(6));
    }
    for text in facts.mentions.iter().filter(|text| !text.trim().is_empty()) {
        let lines = wrapped(&sheet.canvas, SMALL, RIGHT - LEFT, text)?;
        sheet.canvas.open(Role::Paragraph);
        sheet.lines(LEFT, SMALL.in_colour(INK), SMALL_LEADING, &lines);
        sheet.canvas.close();
    }
    letterhead::frame(&mut sheet, &head)?;
    let (title, author) = (head.name()?, clean(&facts.seller.name)?);
    let metadata = Metadata { title: &title, author: &author, language: facts.language, dated: facts.issued_on };
    to_bytes(sheet.canvas, &metadata)
}

/// What is open, what is added, and all of it.
fn table(sheet: &mut Sheet, facts: &ReminderFacts, head: &Head<'_>) -> Result<(), PdfError> {
    let (labels, language) = (head.labels, facts.language);
    let bare = |amount| local::bare_amount(language, amount, facts.currency);
    let mut rows = Vec::new();
    for it in &facts.invoices {
        let days = [it.issued_on, it.due_on].map(|on| local::date(language, on).replace(' ', "\u{a0}"));
        let figures = days.into_iter().chain([bare(it.total), bare(it.open)]).collect();
        rows.push(Row::new(vec![clean(&it.number)?], figures));
    }
    let none = || vec![String::new(); 3];
    for (label, amount) in &facts.costs {
        rows.push(Row::new(vec![clean(label)?], none().into_iter().chain([bare(*amount)]).collect()));
    }
    let whole = local::amount(language, facts.total, facts.currency);
    let total = Row::new(vec![labels.say(|words| words.to_pay)], none().into_iter().chain([whole]).collect());
    let columns = vec![
        labels.stacked(|words| words.issued_on(DocumentKind::Reminder)),
        labels.stacked(|words| words.due_on),
        labels.stacked(|words| words.total),
        labels.stacked(|words| words.open),
    ];
    let document = labels.stacked(|words| words.document).lines().map(str::to_owned).collect();
    let widest: Vec<Row> = rows.iter().cloned().chain([total.clone()]).collect();
    let table = Table::new(&sheet.canvas, look(head), (LEFT, RIGHT), Row::new(document, columns), &widest);
    sheet.canvas.open(Role::Table);
    table.heading(sheet);
    for piece in rows.iter().flat_map(|row| table.pieces(&sheet.canvas, row, usize::MAX)).collect::<Vec<_>>() {
        if !sheet.fits(table.height(&piece) + table.remark_height()) {
            sheet.turn();
            table.heading_again(sheet);
        }
        table.piece(sheet, &piece);
    }
    table.remark(sheet, &total, BODY.bold());
    sheet.canvas.close();
    Ok(())
}
