//! The lines of the invoice over as many pages as they need, and what closes it: VAT, totals, payment, mentions.

use super::words::Words;
use super::{
    ACCENT, BODY, HAIRLINE, INK, InvoiceFacts, LEADING, LEFT, MUTED, Payment, RIGHT, SMALL, SMALL_LEADING, TINT,
    figures,
};
use crate::formats::local;
use crate::formats::pdf::canvas::Style;
use crate::formats::pdf::sheet::Sheet;
use crate::formats::pdf::table::{Look, Piece, Row, Table};
use crate::formats::pdf::text::{at_most, clean, fit, paragraphs, wrap};
use crate::formats::pdf::{Length, PdfError, mm, pt};
use crate::kernel::money::Minor;

/// A label longer than this may go on on the next page.
const LINES_TOGETHER: usize = 8;

const LINES_LOOK: Look = Look {
    heading: Style { colour: MUTED, ..SMALL.bold() },
    body: BODY,
    leading: LEADING,
    padding: pt(38),
    accent: ACCENT,
    hairline: HAIRLINE,
};

const VAT_LOOK: Look = Look { padding: pt(22), body: Style { size: pt(85), ..BODY }, ..LINES_LOOK };

/// Between the left and the right edge.
const ACROSS: (Length, Length) = (LEFT, RIGHT);
/// Where the VAT summary ends.
const VAT_RIGHT: Length = LEFT + mm(92);
/// Where the totals begin.
const TOTALS_LEFT: Length = RIGHT - mm(66);
/// The legal mentions.
const MENTION: Style = SMALL.in_colour(INK);
/// After each of them.
const MENTION_GAP: Length = pt(30);
/// Mentions taller than this do not have to stay with the totals.
const MENTIONS_TOGETHER: Length = mm(60);
/// Inside the payment box.
const INSET: Length = mm(5);
/// Where the account in the payment box begins.
const ACCOUNT_LEFT: Length = LEFT + mm(66);
/// Where its values begin.
const VALUES_LEFT: Length = ACCOUNT_LEFT + mm(29);

/// Draws the lines. A page that goes on ends with a subtotal and the next one begins with it; the end of the last line
/// stays on one page with the `closing_height` that follows, so that no total stands alone.
pub(super) fn lines(
    sheet: &mut Sheet,
    facts: &InvoiceFacts,
    words: &Words,
    closing_height: Length,
) -> Result<(), PdfError> {
    let adjusted = facts.more.adjustments.iter().map(|adjustment| adjustment_row(facts, adjustment));
    let rows = facts.lines.iter().map(|line| row(facts, line)).chain(adjusted).collect::<Result<Vec<_>, _>>()?;
    let nets = facts.lines.iter().map(|line| line.net).chain(facts.more.adjustments.iter().map(|it| it.amount));
    let heading = Row {
        text: vec![words.description.to_owned()],
        figures: [words.quantity, words.unit_price, words.vat, words.amount].map(str::to_owned).to_vec(),
    };
    let widest: Vec<Row> = rows.iter().cloned().chain([subtotal_row(facts, "", facts.net)]).collect();
    let table = Table::new(&sheet.canvas, LINES_LOOK, ACROSS, heading, &widest);
    let mut pieces: Vec<(Piece, Minor)> = Vec::new();
    for (row, net) in rows.iter().zip(nets) {
        let amounts = [net].into_iter().chain(std::iter::repeat(Minor::ZERO));
        pieces.extend(table.pieces(&sheet.canvas, row, LINES_TOGETHER).into_iter().zip(amounts));
    }

    let frame = table.heading_height() * 2;
    sheet.ensure(frame + pieces.first().map_or(0, |(piece, _)| table.height(piece)));
    table.heading(sheet);
    let mut subtotal = Minor::ZERO;
    let last = pieces.len().saturating_sub(1);
    for (index, (piece, net)) in pieces.iter().enumerate() {
        let height = table.height(piece);
        let keeps_closing = index == last && frame + height + closing_height <= sheet.capacity();
        let after = if keeps_closing { closing_height } else { table.heading_height() };
        if index > 0 && !sheet.fits(height + after) {
            let remark = BODY.bold().in_colour(MUTED);
            table.remark(sheet, &subtotal_row(facts, words.carried_forward, subtotal), remark);
            sheet.turn();
            table.heading(sheet);
            table.remark(sheet, &subtotal_row(facts, words.brought_forward, subtotal), remark);
        }
        table.piece(sheet, piece);
        subtotal = subtotal.plus(*net)?;
    }
    Ok(())
}

fn row(facts: &InvoiceFacts, line: &super::Line) -> Result<Row, PdfError> {
    let language = facts.language;
    // Outside the scope of VAT there is no rate, not even zero.
    let rate = if line.vat_category == "O" { "–".to_owned() } else { local::percent(language, line.vat_rate) };
    let mut text = paragraphs(&line.label)?;
    for adjustment in &line.adjustments {
        let amount = local::bare_amount(language, adjustment.amount, facts.currency);
        text.push(clean(&format!("{} {amount}", reason(facts, adjustment)))?);
    }
    let price = line.exact_price.map(|price| local::number(language, price));
    Ok(Row {
        text,
        figures: vec![
            clean(&figures::quantity(language, line.quantity, line.unit.as_deref()))?,
            price.unwrap_or_else(|| local::bare_amount(language, line.unit_price, facts.currency)),
            rate,
            local::bare_amount(language, line.net, facts.currency),
        ],
    })
}

/// Why something is taken off or added, and at which rate.
fn reason(facts: &InvoiceFacts, adjustment: &super::Adjustment) -> String {
    let rate = adjustment.rate.map(|rate| format!(" ({})", local::percent(facts.language, rate)));
    format!("{}{}", adjustment.reason, rate.unwrap_or_default())
}

/// A discount or charge on the whole document.
fn adjustment_row(facts: &InvoiceFacts, adjustment: &super::Adjustment) -> Result<Row, PdfError> {
    let amount = local::bare_amount(facts.language, adjustment.amount, facts.currency);
    let text = paragraphs(&reason(facts, adjustment))?;
    Ok(Row { text, figures: vec![String::new(), String::new(), String::new(), amount] })
}

fn subtotal_row(facts: &InvoiceFacts, label: &str, amount: Minor) -> Row {
    let amount = local::bare_amount(facts.language, amount, facts.currency);
    Row { text: vec![label.to_owned()], figures: vec![String::new(), String::new(), String::new(), amount] }
}

/// What follows the lines, laid out before they are drawn, so that its height is known to them.
pub(super) struct Closing {
    vat: Table,
    vat_rows: Vec<Piece>,
    totals: [(&'static str, String, Style); 3],
    payment: Option<PaymentBox>,
    /// The lines of each mention.
    mentions: Vec<Vec<String>>,
}

/// How to pay, laid out.
struct PaymentBox {
    amount: String,
    pay_by: Option<String>,
    account: Vec<(&'static str, Vec<String>)>,
}

impl Closing {
    /// Lays out the closing of `facts`; draws nothing.
    pub(super) fn new(sheet: &Sheet, facts: &InvoiceFacts, words: &'static Words) -> Result<Self, PdfError> {
        let canvas = &sheet.canvas;
        let amount = |amount| local::amount(facts.language, amount, facts.currency);
        let heading =
            Row { text: vec![words.rate.to_owned()], figures: vec![words.base.to_owned(), words.vat.to_owned()] };
        let mut rows = Vec::new();
        for tax in &facts.vat {
            let category = clean(words.category(&tax.category))?;
            let rate = local::percent(facts.language, tax.rate);
            let text = match tax.category.as_str() {
                "O" => category,
                _ if category.is_empty() => rate,
                _ => format!("{rate} · {category}"),
            };
            rows.push(Row { text: vec![text], figures: vec![amount(tax.base), amount(tax.tax)] });
        }
        let vat = Table::new(canvas, VAT_LOOK, (LEFT, VAT_RIGHT), heading, &rows);
        let vat_rows = rows.iter().flat_map(|row| vat.pieces(canvas, row, usize::MAX)).collect();
        Ok(Self {
            vat,
            vat_rows,
            totals: [
                (words.net, amount(facts.net), BODY),
                (words.vat, amount(facts.tax), BODY),
                (words.gross, amount(facts.gross), BODY.bold().sized(pt(110))),
            ],
            payment: facts.payment.as_ref().map(|payment| PaymentBox::new(sheet, facts, payment, words)).transpose()?,
            mentions: mentions(sheet, facts, words)?,
        })
    }

    /// How much of a page the totals, the payment box and the mentions take. Mentions too long for that are not
    /// counted: they go on on the next page.
    pub(super) fn height(&self) -> Length {
        let mentions: Length = self.mentions.iter().map(|lines| mention_height(lines)).sum();
        let mentions = if mentions <= MENTIONS_TOGETHER { mentions } else { 0 };
        let payment = self.payment.as_ref().map_or(0, |payment| payment.height() + mm(6));
        mm(5) + self.summary_height() + mm(7) + payment + mentions
    }

    /// Draws it at the pen.
    pub(super) fn draw(&self, sheet: &mut Sheet, words: &Words) {
        sheet.ensure(self.height().min(sheet.capacity()));
        sheet.advance(mm(5));
        let (page, top) = (sheet.page, sheet.y);
        self.draw_totals(sheet);
        self.vat.heading(sheet);
        for row in &self.vat_rows {
            sheet.ensure(self.vat.height(row));
            self.vat.piece(sheet, row);
        }
        if sheet.page == page {
            sheet.y = sheet.y.max(top + totals_height());
        }
        sheet.advance(mm(7));
        if let Some(payment) = &self.payment {
            payment.draw(sheet, words);
            sheet.advance(mm(6));
        }
        for lines in &self.mentions {
            sheet.lines(LEFT, MENTION, SMALL_LEADING, lines);
            sheet.advance(MENTION_GAP);
        }
    }

    fn summary_height(&self) -> Length {
        let rows: Length = self.vat_rows.iter().map(|row| self.vat.height(row)).sum();
        (self.vat.heading_height() + rows).max(totals_height())
    }

    fn draw_totals(&self, sheet: &mut Sheet) {
        let page = sheet.page;
        let mut y = sheet.y + VAT_LOOK.padding;
        for (index, (label, amount, style)) in self.totals.iter().enumerate() {
            if index == 2 {
                sheet.canvas.rule(page, y - pt(10), (TOTALS_LEFT, RIGHT), 800, ACCENT);
                y += pt(45);
            }
            sheet.canvas.text(page, TOTALS_LEFT, y + style.size, *style, label);
            let room = RIGHT - TOTALS_LEFT - sheet.canvas.width(*style, label) - mm(3);
            let style = style.sized(fit(sheet.canvas.face(*style), style.size, room, amount));
            sheet.canvas.text_to(page, RIGHT, y + style.size, style, amount);
            y += pt(155);
        }
    }
}

impl PaymentBox {
    fn new(sheet: &Sheet, facts: &InvoiceFacts, payment: &Payment, words: &'static Words) -> Result<Self, PdfError> {
        Ok(Self {
            amount: local::amount(facts.language, facts.gross, facts.currency),
            pay_by: facts.due_on.map(|on| format!("{} {}", words.by, local::date(facts.language, on))),
            account: account(sheet, payment, words)?,
        })
    }

    fn height(&self) -> Length {
        let lines: Length = self.account.iter().flat_map(|(_, values)| values).map(|_| pt(140)).sum();
        (lines - pt(40)).max(mm(17)) + INSET * 2
    }

    /// The payment box. What is free at its right end is the place for a QR code.
    fn draw(&self, sheet: &mut Sheet, words: &Words) {
        let height = self.height();
        sheet.ensure(height);
        let page = sheet.page;
        let top = sheet.advance(height);
        sheet.canvas.rectangle(page, (LEFT, top), (RIGHT - LEFT, height), TINT);
        sheet.canvas.rectangle(page, (LEFT, top), (pt(20), height), ACCENT);
        let x = LEFT + INSET;
        let mut y = top + INSET + SMALL.size;
        sheet.canvas.text(page, x, y, SMALL, words.to_pay);
        let style = BODY.bold().sized(pt(170));
        let room = ACCOUNT_LEFT - x - mm(4);
        let style = style.sized(fit(sheet.canvas.face(style), style.size, room, &self.amount));
        y += pt(215);
        sheet.canvas.text(page, x, y, style, &self.amount);
        y += pt(155);
        if let Some(pay_by) = &self.pay_by {
            sheet.canvas.text(page, x, y, BODY, pay_by);
        }
        let mut y = top + INSET + BODY.size;
        for (label, values) in &self.account {
            sheet.canvas.text(page, ACCOUNT_LEFT, y, SMALL, label);
            for value in values {
                sheet.canvas.text(page, VALUES_LEFT, y, BODY.bold(), value);
                y += pt(140);
            }
        }
    }
}

/// The mentions as lines across the page; why an invoice is corrected comes first.
fn mentions(sheet: &Sheet, facts: &InvoiceFacts, words: &Words) -> Result<Vec<Vec<String>>, PdfError> {
    let mut mentions = Vec::new();
    let reason = facts.corrects.as_ref().map(|it| format!("{}{}", words.reason, it.reason));
    for text in reason.iter().chain(&facts.mentions).filter(|text| !text.trim().is_empty()) {
        let paragraphs = paragraphs(text)?;
        let wrapped = |text: &String| wrap(sheet.canvas.face(MENTION), MENTION.size, RIGHT - LEFT, text);
        mentions.push(paragraphs.iter().flat_map(wrapped).collect());
    }
    Ok(mentions)
}

fn mention_height(lines: &[String]) -> Length {
    lines.iter().map(|_| SMALL_LEADING).sum::<Length>() + MENTION_GAP
}

/// The height of the three totals.
const fn totals_height() -> Length {
    VAT_LOOK.padding + pt(45) + pt(155) * 3
}

/// The rows of the payment box: label and lines.
fn account(
    sheet: &Sheet,
    payment: &Payment,
    words: &'static Words,
) -> Result<Vec<(&'static str, Vec<String>)>, PdfError> {
    let entries = [
        ("IBAN", Some(figures::iban(&payment.iban))),
        ("BIC", payment.bic.clone()),
        (words.beneficiary, Some(payment.beneficiary.clone())),
        (words.reference, Some(payment.reference.clone())),
    ];
    let style = BODY.bold();
    let mut account = Vec::new();
    for (label, value) in entries {
        let Some(value) = value.filter(|value| !value.trim().is_empty()) else { continue };
        let lines = wrap(sheet.canvas.face(style), style.size, RIGHT - INSET - VALUES_LEFT, &clean(&value)?);
        account.push((label, at_most(lines, 4)));
    }
    Ok(account)
}
