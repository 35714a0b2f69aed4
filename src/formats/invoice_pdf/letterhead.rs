//! What frames the pages: the seller's head, the address window, the reference data, later pages' heads, the footers.

use super::words::Words;
use super::{ACCENT, BODY, BOTTOM, HAIRLINE, InvoiceFacts, LEADING, LEFT, Party, RIGHT, SMALL, SMALL_LEADING, figures};
use crate::formats::local;
use crate::formats::pdf::canvas::Style;
use crate::formats::pdf::sheet::Sheet;
use crate::formats::pdf::text::{at_most, clean, fit, wrap};
use crate::formats::pdf::{Length, PdfError, mm, pt};

/// Left edge of the address: behind the window of a Belgian C5/6 envelope, which is on the right.
const WINDOW_LEFT: Length = mm(115);
/// Baseline of the first address line.
const WINDOW_TOP: Length = mm(53);
/// The address must not run out of sight at the lower edge of the window, nor push the table off the page.
const WINDOW_LINES: usize = 12;
/// The seller's address must leave room for the references below it.
const SELLER_LINES: usize = 8;
/// Where the lines of the invoice begin at the earliest.
const TABLE_TOP: Length = mm(98);
/// The small print at the foot.
const FOOT: Style = Style { size: pt(70), ..SMALL };
/// Between the two columns of the head.
const MIDDLE: Length = mm(108);

/// Draws everything above the lines, and leaves the pen below it.
pub(super) fn first_page(sheet: &mut Sheet, facts: &InvoiceFacts, words: &Words) -> Result<(), PdfError> {
    sheet.canvas.rectangle(0, (LEFT, mm(17)), (mm(12), pt(25)), ACCENT);
    let seller_end = seller(sheet, &facts.seller)?;
    let title_style = BODY.bold().sized(pt(220));
    let title = words.title(facts.kind);
    // "Rechnungskorrektur" is wider than the address window.
    let size = fit(sheet.canvas.face(title_style), title_style.size, RIGHT - WINDOW_LEFT, title);
    let title_style = title_style.sized(size);
    sheet.canvas.text(0, WINDOW_LEFT, mm(26), title_style, title);
    let number = format!("{} {}", words.number, clean(&facts.number)?);
    let number_style = BODY.sized(pt(110)).in_colour(ACCENT);
    let size = fit(sheet.canvas.face(number_style), number_style.size, RIGHT - WINDOW_LEFT, &number);
    sheet.canvas.text(0, WINDOW_LEFT, mm(32), number_style.sized(size), &number);
    let buyer_end = buyer(sheet, &facts.buyer, words.addressed_to(facts.kind), words)?;
    let references_end = references(sheet, facts, words, seller_end.max(mm(47)))?;
    sheet.y = TABLE_TOP.max(buyer_end + mm(8)).max(references_end + mm(8));
    Ok(())
}

/// Name and address of the seller, at the upper left. Says where it ends.
fn seller(sheet: &mut Sheet, seller: &Party) -> Result<Length, PdfError> {
    let style = BODY.bold().sized(pt(125)).in_colour(ACCENT);
    let mut y = mm(21);
    for line in at_most(wrapped(sheet, style, MIDDLE - LEFT, &seller.name)?, 3) {
        y += pt(155);
        sheet.canvas.text(0, LEFT, y - pt(40), style, &line);
    }
    let mut address = Vec::new();
    for text in seller.lines.iter().chain([&seller.country]).filter(|text| !text.trim().is_empty()) {
        address.extend(wrapped(sheet, SMALL, MIDDLE - LEFT, text)?);
    }
    for line in at_most(address, SELLER_LINES) {
        y += SMALL_LEADING;
        sheet.canvas.text(0, LEFT, y, SMALL, &line);
    }
    Ok(y + mm(6))
}

/// The buyer, behind the window. Says where it ends.
fn buyer(sheet: &mut Sheet, buyer: &Party, heading: &str, words: &Words) -> Result<Length, PdfError> {
    let room = RIGHT - WINDOW_LEFT;
    sheet.canvas.text(0, WINDOW_LEFT, WINDOW_TOP - mm(6), SMALL, heading);
    let mut lines: Vec<(Style, String)> = Vec::new();
    let name_style = BODY.bold().sized(pt(100));
    lines.extend(at_most(wrapped(sheet, name_style, room, &buyer.name)?, 5).into_iter().map(|line| (name_style, line)));
    let address_style = BODY.sized(pt(100));
    let mut address = Vec::new();
    for text in buyer.lines.iter().chain([&buyer.country]).filter(|text| !text.trim().is_empty()) {
        address.extend(wrapped(sheet, address_style, room, text)?);
    }
    let left = WINDOW_LINES.saturating_sub(lines.len());
    lines.extend(at_most(address, left).into_iter().map(|line| (address_style, line)));
    let mut y = WINDOW_TOP;
    for (style, line) in &lines {
        sheet.canvas.text(0, WINDOW_LEFT, y, *style, line);
        y += pt(135);
    }
    y += pt(20);
    let ids = [(words.enterprise_number, &buyer.enterprise_number), (words.vat_number, &buyer.vat_number)];
    for (label, id) in ids {
        let Some(id) = id else { continue };
        for line in at_most(wrapped(sheet, SMALL, room, &format!("{label} {id}"))?, 2) {
            sheet.canvas.text(0, WINDOW_LEFT, y, SMALL, &line);
            y += SMALL_LEADING;
        }
    }
    Ok(y)
}

/// Dates and references, a label and a value each, beside the window. Says where they end.
fn references(sheet: &mut Sheet, facts: &InvoiceFacts, words: &Words, top: Length) -> Result<Length, PdfError> {
    let supplied = facts.supply.map(|supply| figures::supply(facts.language, supply));
    let corrects = facts.corrects.as_ref().map(|it| figures::corrected(facts.language, it));
    let entries = [
        (words.issued_on(facts.kind), Some(local::date(facts.language, facts.issued_on))),
        (words.corrects.0, corrects),
        (words.due_on, facts.due_on.map(|on| local::date(facts.language, on))),
        (words.supplied, supplied),
        (words.buyer_reference, facts.buyer_reference.clone()),
        (words.order_reference, facts.order_reference.clone()),
        (words.member, facts.member_name.clone()),
    ];
    let values_left = LEFT + mm(32);
    let mut y = top;
    for (label, value) in entries {
        let Some(value) = value.filter(|value| !value.trim().is_empty()) else { continue };
        let lines = at_most(wrapped(sheet, BODY, MIDDLE - values_left, &value)?, 3);
        sheet.canvas.text(0, LEFT, y + BODY.size, SMALL, label);
        for line in lines {
            sheet.canvas.text(0, values_left, y + BODY.size, BODY, &line);
            y += LEADING;
        }
        y += pt(20);
    }
    Ok(y)
}

/// The head of every page after the first and the foot of every page, once their number is known.
pub(super) fn frame(sheet: &mut Sheet, facts: &InvoiceFacts, words: &Words, title: &str) -> Result<(), PdfError> {
    let foot = footer(sheet, &facts.seller, words)?;
    let count = sheet.canvas.page_count();
    for page in 0..count {
        if page > 0 {
            later_head(sheet, page, &facts.seller, title)?;
        }
        let mut y = BOTTOM + mm(7);
        sheet.canvas.rule(page, y - mm(4), (LEFT, RIGHT), 400, HAIRLINE);
        sheet.canvas.text_to(page, RIGHT, y, FOOT, &words.page_of(page.saturating_add(1), count));
        for line in &foot {
            sheet.canvas.text(page, LEFT, y, FOOT, line);
            y += pt(95);
        }
    }
    Ok(())
}

fn later_head(sheet: &mut Sheet, page: usize, seller: &Party, title: &str) -> Result<(), PdfError> {
    let y = mm(22);
    sheet.canvas.rectangle(page, (LEFT, mm(15)), (mm(12), pt(25)), ACCENT);
    let half = (RIGHT - LEFT) / 2 - mm(3);
    let style = BODY.bold();
    for line in at_most(wrapped(sheet, style, half, &seller.name)?, 1) {
        sheet.canvas.text(page, LEFT, y, style.in_colour(ACCENT), &line);
    }
    let size = fit(sheet.canvas.face(style), style.size, half, title);
    sheet.canvas.text_to(page, RIGHT, y, style.sized(size), title);
    Ok(())
}

/// What company law wants on every document: name, legal form, numbers, register.
fn footer(sheet: &Sheet, seller: &Party, words: &Words) -> Result<Vec<String>, PdfError> {
    let mut parts = vec![match &seller.legal_form {
        Some(form) => format!("{} {form}", seller.name),
        None => seller.name.clone(),
    }];
    parts.extend(seller.enterprise_number.as_ref().map(|number| format!("{} {number}", words.enterprise_number)));
    parts.extend(seller.vat_number.as_ref().map(|number| format!("{} {number}", words.vat_number)));
    parts.extend(seller.register.clone());
    Ok(at_most(wrapped(sheet, FOOT, RIGHT - LEFT - mm(22), &parts.join("  ·  "))?, 4))
}

/// Strangers' text as clean lines no wider than `room`.
fn wrapped(sheet: &Sheet, style: Style, room: Length, text: &str) -> Result<Vec<String>, PdfError> {
    Ok(wrap(sheet.canvas.face(style), style.size, room, &clean(text)?))
}
