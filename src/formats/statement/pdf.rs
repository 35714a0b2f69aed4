//! A statement on paper: head, movements over as many pages as they need, totals by kind.

use super::{Amounts, StatementFacts, event, page_of, word};
use crate::formats::local;
use crate::formats::pdf::canvas::{Colour, Role, Style, WIDTH};
use crate::formats::pdf::document::{Metadata, to_bytes};
use crate::formats::pdf::fonts::Weight;
use crate::formats::pdf::sheet::Sheet;
use crate::formats::pdf::table::{Look, Row, Table};
use crate::formats::pdf::text::{at_most, clean, wrap};
use crate::formats::pdf::{Length, PdfError, mm, pt};
use crate::kernel::money::Minor;

/// Left edge of the text.
const LEFT: Length = mm(20);
/// Right edge of the text.
const RIGHT: Length = WIDTH - mm(20);
/// Where the values of the head begin.
const VALUES_LEFT: Length = LEFT + mm(32);
/// Where the text of a page after the first begins.
const TOP: Length = mm(30);
/// Where the text of every page ends.
const BOTTOM: Length = mm(271);
/// Of the name of an activity, more would push the movements off the page.
const NAME_LINES: usize = 3;

const INK: Colour = Colour(0x1B, 0x21, 0x26);
const MUTED: Colour = Colour(0x5B, 0x65, 0x6E);
const ACCENT: Colour = Colour(0x17, 0x5E, 0x54);
const HAIRLINE: Colour = Colour(0xD3, 0xD9, 0xDC);
const BODY: Style = Style { weight: Weight::Regular, size: pt(85), colour: INK };
const SMALL: Style = Style { weight: Weight::Regular, size: pt(75), colour: MUTED };
const FOOT: Style = Style { size: pt(70), ..SMALL };

const LOOK: Look = Look {
    heading: Style { weight: Weight::Bold, size: pt(75), colour: MUTED },
    body: BODY,
    leading: pt(120),
    padding: pt(26),
    accent: ACCENT,
    hairline: HAIRLINE,
};

/// The statement, as a PDF file. Equal facts give equal bytes, on every machine and at all times.
///
/// # Errors
/// Only when the program was built with broken fonts.
pub fn pdf(facts: &StatementFacts) -> Result<Vec<u8>, PdfError> {
    let mut sheet = Sheet::new(TOP, BOTTOM)?;
    head(&mut sheet, facts)?;
    movements(&mut sheet, facts)?;
    totals(&mut sheet, facts)?;
    frame(&mut sheet, facts)?;
    let title = format!("{} {}", word(facts.language, "title"), clean(&facts.activity)?);
    let author = clean(&facts.entity)?;
    to_bytes(sheet.canvas, &Metadata { title: &title, author: &author, language: facts.language, dated: facts.last })
}

fn period(facts: &StatementFacts) -> String {
    let date = |on| local::date(facts.language, on).replace(' ', "\u{a0}");
    format!("{} {} {}", date(facts.first), word(facts.language, "until"), date(facts.last))
}

/// Draws what the statement is about, and leaves the pen below it.
fn head(sheet: &mut Sheet, facts: &StatementFacts) -> Result<(), PdfError> {
    sheet.canvas.rectangle(0, (LEFT, mm(17)), (mm(12), pt(25)), ACCENT);
    sheet.y = mm(21);
    let entity_style = BODY.bold().sized(pt(105)).in_colour(ACCENT);
    let entity = wrap(sheet.canvas.face(entity_style), entity_style.size, RIGHT - LEFT, &clean(&facts.entity)?);
    sheet.lines(LEFT, entity_style, pt(140), &at_most(entity, NAME_LINES));
    sheet.advance(mm(3));
    sheet.canvas.open(Role::Title);
    sheet.lines(LEFT, BODY.bold().sized(pt(200)), pt(260), &[word(facts.language, "title").to_owned()]);
    sheet.canvas.close();
    sheet.advance(mm(2));
    let entries = [("activity", facts.activity.clone()), ("member", facts.member.clone()), ("period", period(facts))];
    for (label, value) in entries {
        let value = clean(&value)?;
        if value.trim().is_empty() {
            continue;
        }
        let lines = wrap(sheet.canvas.face(BODY), BODY.size, RIGHT - VALUES_LEFT, &value);
        sheet.canvas.open(Role::Paragraph);
        sheet.canvas.text(sheet.page, LEFT, sheet.y + BODY.size, SMALL, word(facts.language, label));
        sheet.lines(VALUES_LEFT, BODY, pt(130), &at_most(lines, NAME_LINES));
        sheet.canvas.close();
    }
    sheet.advance(mm(7));
    Ok(())
}

/// Whether the column of what is owed says anything.
fn shows_arrears(facts: &StatementFacts) -> bool {
    let moved = facts.moves.iter().map(|it| it.amounts.arrears);
    moved.chain([facts.opening.arrears]).any(|arrears| arrears != Minor::ZERO)
}

/// The figures of a row; a part that did not move stays empty where `is_change`.
fn figures(facts: &StatementFacts, amounts: &Amounts, last: Minor, is_change: bool) -> Vec<String> {
    let mut parts = vec![amounts.pending, amounts.available, amounts.reserved];
    if shows_arrears(facts) {
        parts.push(amounts.arrears);
    }
    let bare = |amount: Minor| local::bare_amount(facts.language, amount, facts.currency);
    let part = |amount: Minor| if is_change && amount == Minor::ZERO { String::new() } else { bare(amount) };
    parts.into_iter().map(part).chain([bare(last)]).collect()
}

fn heading(facts: &StatementFacts, first: &str, last: &str) -> Row {
    let mut columns = vec!["pending", "available", "reserved"];
    if shows_arrears(facts) {
        columns.push("arrears");
    }
    columns.push(last);
    let title = |key: &&str| word(facts.language, key).to_owned();
    let figures: Vec<String> = columns.iter().map(title).collect();
    Row::new(vec![word(facts.language, first).to_owned()], figures)
}

/// Draws the movements between what was there and what is there. A page that goes on says how far it came.
fn movements(sheet: &mut Sheet, facts: &StatementFacts) -> Result<(), PdfError> {
    let border = |key: &str, amounts: &Amounts| {
        Row::new(vec![word(facts.language, key).to_owned()], figures(facts, amounts, amounts.total, false))
    };
    let (opening, closing) = (border("opening", &facts.opening), border("closing", &facts.closing));
    let mut rows = Vec::with_capacity(facts.moves.len());
    for it in &facts.moves {
        let what = event(facts.language, &it.event);
        let on = local::date(facts.language, it.on).replace(' ', "\u{a0}");
        let text = match &it.document {
            Some(document) => format!("{on} \u{b7} {what} {document}"),
            None => format!("{on} \u{b7} {what}"),
        };
        rows.push((Row::new(vec![clean(&text)?], figures(facts, &it.amounts, it.running, true)), it.running));
    }
    let widest: Vec<Row> = rows.iter().map(|(row, _)| row.clone()).chain([opening.clone(), closing.clone()]).collect();
    let table = Table::new(&sheet.canvas, LOOK, (LEFT, RIGHT), heading(facts, "text", "balance"), &widest);
    let bold = BODY.bold();
    let line = table.remark_height();
    sheet.canvas.open(Role::Table);
    table.heading(sheet);
    table.remark(sheet, &opening, bold);
    if rows.is_empty() {
        let row = Row::new(vec![word(facts.language, "none").to_owned()], Vec::new());
        table.remark(sheet, &row, BODY.in_colour(MUTED));
    }
    let mut running = facts.opening.total;
    for (row, after) in &rows {
        for piece in table.pieces(&sheet.canvas, row, usize::MAX) {
            // Below each row there is room for one line more: how far it came, or where it ends.
            if !sheet.fits(table.height(&piece) + line) {
                carry(sheet, facts, &table, running);
            }
            table.piece(sheet, &piece);
        }
        running = *after;
    }
    table.remark(sheet, &closing, bold);
    sheet.canvas.close();
    Ok(())
}

/// Ends a page with how far the movements came, and begins the next one with it.
fn carry(sheet: &mut Sheet, facts: &StatementFacts, table: &Table, running: Minor) {
    let columns = if shows_arrears(facts) { 4 } else { 3 };
    let mut figures = vec![String::new(); columns];
    figures.push(local::bare_amount(facts.language, running, facts.currency));
    let row = |key: &str| Row::new(vec![word(facts.language, key).to_owned()], figures.clone());
    let style = BODY.bold().in_colour(MUTED);
    table.remark(sheet, &row("carried"), style);
    sheet.turn();
    table.heading_again(sheet);
    table.remark(sheet, &row("brought"), style);
}

/// Draws the sum of the movements of each kind.
fn totals(sheet: &mut Sheet, facts: &StatementFacts) -> Result<(), PdfError> {
    if facts.totals.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(facts.totals.len());
    for (kind, amounts) in &facts.totals {
        let text = clean(&event(facts.language, kind))?;
        rows.push(Row::new(vec![text], figures(facts, amounts, amounts.total, true)));
    }
    let table = Table::new(&sheet.canvas, LOOK, (LEFT, RIGHT), heading(facts, "totals", "amount"), &rows);
    let pieces: Vec<_> = rows.iter().flat_map(|row| table.pieces(&sheet.canvas, row, usize::MAX)).collect();
    let height: Length = pieces.iter().map(|piece| table.height(piece)).sum();
    sheet.advance(mm(8));
    sheet.ensure((table.heading_height() + height).min(sheet.capacity()));
    sheet.canvas.open(Role::Table);
    table.heading(sheet);
    for piece in &pieces {
        if !sheet.fits(table.height(piece)) {
            sheet.turn();
            table.heading_again(sheet);
        }
        table.piece(sheet, piece);
    }
    sheet.canvas.close();
    Ok(())
}

/// The head of every page after the first and the foot of every page, once their number is known.
fn frame(sheet: &mut Sheet, facts: &StatementFacts) -> Result<(), PdfError> {
    let half = (RIGHT - LEFT) / 2 - mm(3);
    let style = BODY.bold();
    let cut = |sheet: &Sheet, text: &str| -> Result<String, PdfError> {
        let lines = at_most(wrap(sheet.canvas.face(style), style.size, half, &clean(text)?), 1);
        Ok(lines.into_iter().next().unwrap_or_default())
    };
    let (entity, activity) = (cut(sheet, &facts.entity)?, cut(sheet, &facts.activity)?);
    let foot = format!("{}  \u{b7}  {}", word(facts.language, "title"), period(facts));
    let count = sheet.canvas.page_count();
    sheet.canvas.decorate(true);
    for page in 0..count {
        if page > 0 {
            sheet.canvas.rectangle(page, (LEFT, mm(15)), (mm(12), pt(25)), ACCENT);
            sheet.canvas.text(page, LEFT, mm(22), style.in_colour(ACCENT), &entity);
            sheet.canvas.text_to(page, RIGHT, mm(22), style, &activity);
        }
        let y = BOTTOM + mm(7);
        sheet.canvas.rule(page, y - mm(4), (LEFT, RIGHT), 400, HAIRLINE);
        sheet.canvas.text(page, LEFT, y, FOOT, &foot);
        sheet.canvas.text_to(page, RIGHT, y, FOOT, &page_of(facts.language, page.saturating_add(1), count));
    }
    sheet.canvas.decorate(false);
    Ok(())
}
