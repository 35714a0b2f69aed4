//! The lines of the invoice over as many pages as they need.

use super::{Adjustment, BODY, HAIRLINE, Head, InvoiceFacts, LEADING, LEFT, Line, MUTED, RIGHT, SMALL, figures};
use crate::formats::local;
use crate::formats::pdf::canvas::{Role, Style};
use crate::formats::pdf::sheet::Sheet;
use crate::formats::pdf::table::{Look, Piece, Row, Table};
use crate::formats::pdf::text::{clean, paragraphs};
use crate::formats::pdf::{Length, PdfError, pt};
use crate::kernel::money::Minor;

/// A label longer than this may go on on the next page.
const LINES_TOGETHER: usize = 8;

/// How the tables of a document look.
pub(super) const fn look(head: &Head<'_>) -> Look {
    Look {
        heading: Style { colour: MUTED, ..SMALL.bold() },
        body: BODY,
        leading: LEADING,
        padding: pt(38),
        accent: head.palette.bar,
        hairline: HAIRLINE,
    }
}

/// Draws the lines. A page that goes on ends with a subtotal and the next one begins with it; the end of the last line
/// stays on one page with the `closing_height` that follows, so that no total stands alone.
pub(super) fn lines(
    sheet: &mut Sheet,
    facts: &InvoiceFacts,
    head: &Head<'_>,
    closing_height: Length,
) -> Result<(), PdfError> {
    let discounted = facts.lines.iter().any(|line| !line.adjustments.is_empty());
    let rows = facts.lines.iter().map(|line| row(facts, head, line, discounted)).collect::<Result<Vec<_>, _>>()?;
    let labels = head.labels;
    let mut columns = vec![labels.stacked(|words| words.quantity), labels.stacked(|words| words.unit_price)];
    columns.extend(discounted.then(|| labels.stacked(|words| words.discount)));
    columns.extend([labels.stacked(|words| words.vat), labels.stacked(|words| words.amount)]);
    let description = labels.stacked(|words| words.description).lines().map(str::to_owned).collect();
    let count = columns.len();
    let subtotal_row = |label: &str, amount: Minor| {
        let mut figures = vec![String::new(); count.saturating_sub(1)];
        figures.push(local::bare_amount(facts.language, amount, facts.currency));
        Row::new(vec![label.to_owned()], figures)
    };
    let widest: Vec<Row> = rows.iter().cloned().chain([subtotal_row("", facts.net)]).collect();
    let table = Table::new(&sheet.canvas, look(head), (LEFT, RIGHT), Row::new(description, columns), &widest);
    let mut pieces: Vec<(Piece, Minor)> = Vec::new();
    for (row, line) in rows.iter().zip(&facts.lines) {
        let amounts = [line.net].into_iter().chain(std::iter::repeat(Minor::ZERO));
        pieces.extend(table.pieces(&sheet.canvas, row, LINES_TOGETHER).into_iter().zip(amounts));
    }

    let frame = table.heading_height() + table.remark_height();
    sheet.ensure(frame + pieces.first().map_or(0, |(piece, _)| table.height(piece)));
    sheet.canvas.open(Role::Table);
    table.heading(sheet);
    let mut subtotal = Minor::ZERO;
    let last = pieces.len().saturating_sub(1);
    for (index, (piece, net)) in pieces.iter().enumerate() {
        let height = table.height(piece);
        let keeps_closing = index == last && frame + height + closing_height <= sheet.capacity();
        let after = if keeps_closing { closing_height } else { table.remark_height() };
        if index > 0 && !sheet.fits(height + after) {
            let remark = BODY.bold().in_colour(MUTED);
            table.remark(sheet, &subtotal_row(&labels.say(|words| words.carried_forward), subtotal), remark);
            sheet.turn();
            table.heading_again(sheet);
            table.remark(sheet, &subtotal_row(&labels.say(|words| words.brought_forward), subtotal), remark);
        }
        table.piece(sheet, piece);
        subtotal = subtotal.plus(*net)?;
    }
    sheet.canvas.close();
    Ok(())
}

fn row(facts: &InvoiceFacts, head: &Head<'_>, line: &Line, discounted: bool) -> Result<Row, PdfError> {
    let language = facts.language;
    let bare = |amount| local::bare_amount(language, amount, facts.currency);
    let price = match line.exact_price {
        Some(price) => figures::price(language, price, facts.currency),
        None => bare(line.unit_price),
    };
    let mut figures = vec![clean(&figures::quantity(language, line.quantity, line.unit.as_deref()))?, price];
    if discounted {
        let sum = Minor::sum(line.adjustments.iter().map(|it| it.amount))?;
        figures.push(if line.adjustments.is_empty() { String::new() } else { bare(sum) });
    }
    let percent = local::percent(language, line.vat_rate);
    figures.push(match line.vat_category.as_str() {
        "S" => percent,
        // Outside the scope of VAT there is no rate, not even zero.
        "O" => "O".to_owned(),
        code => clean(&format!("{code} {percent}"))?,
    });
    figures.push(bare(line.net));
    let notes = line.adjustments.iter().map(|it| {
        let amount = local::amount(language, it.amount, facts.currency);
        adjustment(head, it).map(|label| format!("{label} · {amount}"))
    });
    Ok(Row { text: paragraphs(&line.label)?, notes: notes.collect::<Result<_, _>>()?, figures })
}

/// What a discount or charge is called: `Discount 10 % · first order`.
pub(super) fn adjustment(head: &Head<'_>, it: &Adjustment) -> Result<String, PdfError> {
    let kind = if it.amount > Minor::ZERO {
        head.labels.say(|words| words.charge)
    } else {
        head.labels.say(|words| words.discount)
    };
    let rate = it.rate.map(|rate| format!(" {}", local::percent(head.language, rate))).unwrap_or_default();
    let reason = if it.reason.trim().is_empty() { String::new() } else { format!(" · {}", it.reason) };
    clean(&format!("{kind}{rate}{reason}"))
}
