//! What closes the invoice: VAT, totals, payment, mentions.

use super::body::{adjustment, look};
use super::letterhead::wrapped_label;
use super::payment::PaymentBox;
use super::{BODY, DocumentKind, Head, INK, InvoiceFacts, LEFT, MUTED, RIGHT, SMALL, SMALL_LEADING};
use crate::formats::local;
use crate::formats::pdf::canvas::{Canvas, Colour, Role, Style};
use crate::formats::pdf::sheet::Sheet;
use crate::formats::pdf::table::{Look, Piece, Row, Table};
use crate::formats::pdf::text::{clean, fit, paragraphs, wrap};
use crate::formats::pdf::{Length, PdfError, mm, pt};
use crate::kernel::money::{Currency, Minor};

/// Where the totals begin.
const TOTALS_LEFT: Length = RIGHT - mm(72);
/// Where the VAT summary ends.
const VAT_RIGHT: Length = TOTALS_LEFT - mm(8);
/// The legal mentions.
const MENTION: Style = SMALL.in_colour(INK);
/// After each of them.
const MENTION_GAP: Length = pt(30);
/// Mentions taller than this do not have to stay with the totals.
const MENTIONS_TOGETHER: Length = mm(60);
/// Where a quote is signed.
const SIGNATURE: Length = mm(26);

/// One of the totals.
struct Total {
    label: Vec<String>,
    amount: String,
    style: Style,
    /// Whether a line stands above it: what comes before is summed up.
    sums: bool,
}

impl Total {
    fn height(&self) -> Length {
        let lines = Length::try_from(self.label.len()).unwrap_or(1).max(1);
        (self.style.size * 13 / 10) * lines + pt(38) + if self.sums { pt(35) } else { 0 }
    }
}

/// What follows the lines, laid out before they are drawn, so that its height is known to them.
pub(super) struct Closing {
    vat: Table,
    vat_rows: Vec<Piece>,
    totals: Vec<Total>,
    bar: Colour,
    payment: Option<PaymentBox>,
    /// What stands where a document is signed.
    signature: Option<String>,
    /// The lines of each mention.
    mentions: Vec<Vec<String>>,
}

impl Closing {
    /// Lays out the closing of `facts`; draws nothing.
    pub(super) fn new(sheet: &Sheet, facts: &InvoiceFacts, head: &Head<'_>) -> Result<Self, PdfError> {
        let canvas = &sheet.canvas;
        let labels = head.labels;
        let lines = |text: String| text.lines().map(str::to_owned).collect();
        let heading = Row::new(
            lines(labels.stacked(|words| words.rate)),
            vec![labels.stacked(|words| words.base), labels.stacked(|words| words.vat)],
        );
        let rows = facts.vat.iter().map(|tax| vat_row(facts, head, tax)).collect::<Result<Vec<_>, _>>()?;
        let vat_look = Look { padding: pt(22), body: Style { size: pt(85), ..BODY }, ..look(head) };
        let vat = Table::new(canvas, vat_look, (LEFT, VAT_RIGHT), heading, &rows);
        let vat_rows = rows.iter().flat_map(|row| vat.pieces(canvas, row, usize::MAX)).collect();
        let signs = matches!(facts.kind, DocumentKind::Quote | DocumentKind::Order);
        let payment = facts.payment.as_ref().map(|payment| {
            let amount = (facts.due(), facts.currency);
            PaymentBox::new(canvas, head, payment, amount, facts.due_on)
        });
        Ok(Self {
            vat,
            vat_rows,
            totals: totals(canvas, facts, head)?,
            bar: head.palette.bar,
            payment: payment.transpose()?,
            signature: signs.then(|| labels.say(|words| words.agreed)),
            mentions: mentions(canvas, facts, head)?,
        })
    }

    /// How much of a page the totals, the payment box and the mentions take. Mentions too long for that are not
    /// counted: they go on on the next page.
    pub(super) fn height(&self) -> Length {
        let mentions: Length = self.mentions.iter().map(|lines| mention_height(lines)).sum();
        let mentions = if mentions <= MENTIONS_TOGETHER { mentions } else { 0 };
        let payment = self.payment.as_ref().map_or(0, |payment| payment.height() + mm(6));
        let signature = self.signature.as_ref().map_or(0, |_| SIGNATURE + mm(6));
        mm(5) + self.summary_height() + mm(7) + payment + signature + mentions
    }

    fn summary_height(&self) -> Length {
        let rows: Length = self.vat_rows.iter().map(|row| self.vat.height(row)).sum();
        (self.vat.heading_height() + rows).max(self.totals_height())
    }

    fn totals_height(&self) -> Length {
        pt(22) + self.totals.iter().map(Total::height).sum::<Length>()
    }

    /// Draws it at the pen.
    pub(super) fn draw(&self, sheet: &mut Sheet, head: &Head<'_>) {
        sheet.ensure(self.height().min(sheet.capacity()));
        sheet.advance(mm(5));
        let (page, top) = (sheet.page, sheet.y);
        self.draw_totals(sheet);
        sheet.canvas.open(Role::Table);
        self.vat.heading(sheet);
        for row in &self.vat_rows {
            sheet.ensure(self.vat.height(row));
            self.vat.piece(sheet, row);
        }
        sheet.canvas.close();
        if sheet.page == page {
            sheet.y = sheet.y.max(top + self.totals_height());
        }
        sheet.advance(mm(7));
        if let Some(payment) = &self.payment {
            payment.draw(sheet, head);
            sheet.advance(mm(6));
        }
        if let Some(label) = &self.signature {
            sheet.ensure(SIGNATURE);
            let (page, y) = (sheet.page, sheet.advance(SIGNATURE));
            sheet.canvas.text(page, LEFT, y + SMALL.size, SMALL, label);
            sheet.canvas.rule(page, y + SIGNATURE - mm(2), (LEFT, LEFT + mm(92)), 500, MUTED);
            sheet.advance(mm(6));
        }
        for lines in &self.mentions {
            sheet.canvas.open(Role::Paragraph);
            sheet.lines(LEFT, MENTION, SMALL_LEADING, lines);
            sheet.canvas.close();
            sheet.advance(MENTION_GAP);
        }
    }

    fn draw_totals(&self, sheet: &mut Sheet) {
        let (page, mut y) = (sheet.page, sheet.y + pt(22));
        let canvas = &mut sheet.canvas;
        canvas.open(Role::Table);
        for total in &self.totals {
            let top = y;
            if total.sums {
                canvas.rule(page, y + pt(5), (TOTALS_LEFT, RIGHT), 800, self.bar);
                y += pt(35);
            }
            let style = total.style;
            canvas.open(Role::Row);
            canvas.part(Role::Cell, |canvas| {
                for (line, step) in total.label.iter().zip(0..) {
                    canvas.text(page, TOTALS_LEFT, y + style.size * (10 + 13 * step) / 10, style, line);
                }
            });
            canvas.part(Role::Cell, |canvas| {
                let style = style.sized(fit(canvas.face(style), style.size, RIGHT - TOTALS_LEFT, &total.amount));
                canvas.text_to(page, RIGHT, y + total.style.size, style, &total.amount);
            });
            canvas.close();
            y = top + total.height();
        }
        canvas.close();
    }
}

fn vat_row(facts: &InvoiceFacts, head: &Head<'_>, tax: &super::VatSummary) -> Result<Row, PdfError> {
    let amount = |amount| local::amount(facts.language, amount, facts.currency);
    let rate = local::percent(facts.language, tax.rate);
    let category = head.labels.first.category(&tax.category);
    let text = match tax.category.as_str() {
        "S" => rate,
        "O" => format!("O · {category}"),
        code if code == category => format!("{code} {rate}"),
        code => format!("{code} {rate} · {category}"),
    };
    let notes = tax.mention.iter().filter(|mention| !mention.trim().is_empty()).map(|mention| clean(mention));
    Ok(Row {
        text: vec![clean(&text)?],
        notes: notes.collect::<Result<_, _>>()?,
        figures: vec![amount(tax.base), amount(tax.tax)],
    })
}

fn totals(canvas: &Canvas, facts: &InvoiceFacts, head: &Head<'_>) -> Result<Vec<Total>, PdfError> {
    let (labels, more) = (head.labels, &facts.more);
    let amount = |amount| local::amount(facts.language, amount, facts.currency);
    let bold = BODY.bold().sized(pt(110));
    let mut totals = Vec::new();
    let mut add = |label: String, amount: String, style: Style, sums: bool| -> Result<(), PdfError> {
        let room = (RIGHT - TOTALS_LEFT - canvas.width(style, &amount) - mm(3)).max(mm(24));
        let label = wrapped_label(canvas, style, room, &label)?;
        totals.push(Total { label, amount, style, sums });
        Ok(())
    };
    if !more.adjustments.is_empty() {
        let lines = Minor::sum(facts.lines.iter().map(|line| line.net))?;
        add(labels.say(|words| words.lines_total), amount(lines), BODY, false)?;
        for it in &more.adjustments {
            add(adjustment(head, it)?, amount(it.amount), BODY, false)?;
        }
    }
    add(labels.say(|words| words.net), amount(facts.net), BODY, !more.adjustments.is_empty())?;
    add(labels.say(|words| words.vat), amount(facts.tax), BODY, false)?;
    if let Some(euro) = &more.tax_in_euro {
        let small = SMALL;
        let rate = local::number(facts.language, euro.rate);
        let day = local::date(facts.language, euro.on).replace(' ', "\u{a0}");
        let code = facts.currency.code();
        let label = format!(
            "{} (1\u{a0}EUR = {rate}\u{a0}{code}, {}, {day})",
            labels.say(|words| words.vat_in_euro),
            euro.source
        );
        add(label, local::amount(facts.language, euro.tax, Currency::EUR), small, false)?;
    }
    add(labels.say(|words| words.gross), amount(facts.gross), bold, true)?;
    for paid in &more.prepaid {
        let label = format!(
            "{} {} ({})",
            labels.say(|words| words.deposit),
            paid.number,
            local::date(facts.language, paid.on).replace(' ', "\u{a0}")
        );
        add(label, amount(paid.amount.negated()?), BODY, false)?;
    }
    if more.due.is_some_and(|due| due != facts.gross) || !more.prepaid.is_empty() {
        add(labels.say(|words| words.due), amount(facts.due()), bold, true)?;
    }
    Ok(totals)
}

/// The mentions as lines across the page; why an invoice is corrected comes first.
fn mentions(canvas: &Canvas, facts: &InvoiceFacts, head: &Head<'_>) -> Result<Vec<Vec<String>>, PdfError> {
    let mut mentions = Vec::new();
    let reason = facts.corrects.as_ref().map(|it| format!("{}{}", head.labels.first.reason, it.reason));
    for text in reason.iter().chain(&facts.mentions).filter(|text| !text.trim().is_empty()) {
        let paragraphs = paragraphs(text)?;
        let wrapped = |text: &String| wrap(canvas.face(MENTION), MENTION.size, RIGHT - LEFT, text);
        mentions.push(paragraphs.iter().flat_map(wrapped).collect());
    }
    Ok(mentions)
}

fn mention_height(lines: &[String]) -> Length {
    lines.iter().map(|_| SMALL_LEADING).sum::<Length>() + MENTION_GAP
}
