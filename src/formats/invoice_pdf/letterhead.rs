//! What frames the pages: the seller's head, the address window, the reference data, later pages' heads, the footers.

use super::design::Window;
use super::{BODY, BOTTOM, HAIRLINE, Head, LEADING, LEFT, RIGHT, SMALL, SMALL_LEADING};
use crate::formats::pdf::canvas::{Canvas, Role, Style};
use crate::formats::pdf::sheet::Sheet;
use crate::formats::pdf::text::{at_most, clean, fit, wrap};
use crate::formats::pdf::{Length, PdfError, mm, pt};

/// Where the right column begins: behind the window of a Belgian C5/6 envelope.
const RIGHT_COLUMN: Length = mm(115);
/// Where the left column ends.
const MIDDLE: Length = mm(107);
/// Baseline of the first address line.
const WINDOW_TOP: Length = mm(53);
/// The address must not run out of sight at the lower edge of the window, nor push the table off the page.
const WINDOW_LINES: usize = 12;
/// The seller's address must leave room for the references below it.
const SELLER_LINES: usize = 8;
/// Where the lines of the invoice begin at the earliest.
const TABLE_TOP: Length = mm(98);
/// The largest logo.
const LOGO: (Length, Length) = (mm(62), mm(18));
/// The small print at the foot.
const FOOT: Style = Style { size: pt(70), ..SMALL };

/// Where the two columns of the head are.
struct Columns {
    /// The window: left and right edge.
    window: (Length, Length),
    /// Seller and references: left and right edge.
    info: (Length, Length),
}

impl Columns {
    const fn of(window: Window) -> Self {
        let (left, right) = ((LEFT, MIDDLE), (RIGHT_COLUMN, RIGHT));
        match window {
            Window::Right => Self { window: right, info: left },
            Window::Left => Self { window: left, info: right },
        }
    }
}

/// Draws everything above the lines, and leaves the pen below it.
pub(super) fn first_page(sheet: &mut Sheet, head: &Head<'_>) -> Result<(), PdfError> {
    let columns = Columns::of(head.design.window);
    let brand_end = brand(sheet, head)?;
    let room = RIGHT - RIGHT_COLUMN;
    let style = BODY.bold().sized(pt(220)).in_colour(head.palette.title);
    let title_style = style.sized(fit(sheet.canvas.face(style), style.size, room, &head.title));
    let number = clean(&format!("{} {}", head.labels.first.number, head.number))?;
    let style = BODY.sized(pt(115));
    let number_style = style.sized(fit(sheet.canvas.face(style), style.size, room, &number));
    sheet.canvas.part(Role::Title, |canvas| {
        canvas.text(0, RIGHT_COLUMN, mm(25), title_style, &head.title);
        canvas.text(0, RIGHT_COLUMN, mm(31), number_style, &number);
    });
    let top = match head.design.window {
        Window::Right => brand_end,
        Window::Left => mm(33),
    };
    let seller_end = seller(sheet, head, columns.info, top)?;
    let buyer_end = buyer(sheet, head, columns.window)?;
    let references_end = references(sheet, head, columns.info, seller_end.max(mm(47)))?;
    sheet.y = TABLE_TOP.max(buyer_end + mm(8)).max(references_end + mm(7));
    if head.design.window == Window::Left {
        // Where to fold for the envelope (DIN 5008, form B).
        for y in [mm(105), mm(210)] {
            sheet.canvas.rule(0, y, (mm(5), mm(9)), 400, HAIRLINE);
        }
    }
    Ok(())
}

/// The logo, or the name where there is none. Says where it ends.
fn brand(sheet: &mut Sheet, head: &Head<'_>) -> Result<Length, PdfError> {
    if let Some(logo) = &head.design.logo {
        let (width, height) = logo.size();
        let (width, height) = (Length::try_from(width).unwrap_or(1), Length::try_from(height).unwrap_or(1));
        let by_width = (LOGO.0, LOGO.0 * height / width.max(1));
        let extent = if by_width.1 <= LOGO.1 { by_width } else { (LOGO.1 * width / height.max(1), LOGO.1) };
        sheet.canvas.picture(0, (LEFT, mm(15)), extent, logo, &clean(&head.seller.name)?);
        return Ok(mm(15) + extent.1.max(mm(8)) + mm(3));
    }
    sheet.canvas.rectangle(0, (LEFT, mm(17)), (mm(12), pt(25)), head.palette.bar);
    let style = BODY.bold().sized(pt(135)).in_colour(head.palette.title);
    let mut y = mm(21);
    sheet.canvas.open(Role::Paragraph);
    for line in at_most(wrapped(&sheet.canvas, style, MIDDLE - LEFT, &head.seller.name)?, 3) {
        y += pt(165);
        sheet.canvas.text(0, LEFT, y - pt(40), style, &line);
    }
    sheet.canvas.close();
    Ok(y)
}

/// The address of the seller; with a logo, also the name. Says where it ends.
fn seller(
    sheet: &mut Sheet,
    head: &Head<'_>,
    (left, right): (Length, Length),
    top: Length,
) -> Result<Length, PdfError> {
    let name = head.design.logo.is_some().then_some(&head.seller.name);
    let mut lines: Vec<(Style, String)> = Vec::new();
    for (style, texts) in [
        (SMALL.bold(), name.into_iter().collect::<Vec<_>>()),
        (SMALL, head.seller.lines.iter().chain([&head.seller.country]).collect()),
    ] {
        for text in texts.into_iter().filter(|text| !text.trim().is_empty()) {
            lines.extend(wrapped(&sheet.canvas, style, right - left, text)?.into_iter().map(|line| (style, line)));
        }
    }
    lines.truncate(SELLER_LINES);
    let mut y = top;
    sheet.canvas.open(Role::Paragraph);
    for (style, line) in &lines {
        y += SMALL_LEADING;
        sheet.canvas.text(0, left, y, *style, line);
    }
    sheet.canvas.close();
    Ok(y + mm(5))
}

/// The buyer, behind the window. Says where it ends.
fn buyer(sheet: &mut Sheet, head: &Head<'_>, (left, right): (Length, Length)) -> Result<Length, PdfError> {
    let (buyer, room) = (head.buyer, right - left);
    match head.design.window {
        Window::Right => sheet.canvas.text(0, left, WINDOW_TOP - mm(6), SMALL, &head.addressed_to),
        Window::Left => {
            // Who gets it back when nobody is there.
            let sender: Vec<&str> =
                [&head.seller.name].into_iter().chain(&head.seller.lines).map(String::as_str).collect();
            let style = SMALL.sized(pt(60));
            let line = at_most(wrapped(&sheet.canvas, style, room - mm(8), &sender.join(" · "))?, 1).concat();
            sheet.canvas.decorate(true);
            sheet.canvas.text(0, left, WINDOW_TOP - mm(6), style, &line);
            sheet.canvas.decorate(false);
            let end = left + sheet.canvas.width(style, &line);
            sheet.canvas.rule(0, WINDOW_TOP - mm(5), (left, end), 300, HAIRLINE);
        }
    }
    let mut lines: Vec<(Style, String)> = Vec::new();
    let name_style = BODY.bold().sized(pt(100));
    let name = at_most(wrapped(&sheet.canvas, name_style, room, &buyer.name)?, 8);
    lines.extend(name.into_iter().map(|line| (name_style, line)));
    let address_style = BODY.sized(pt(100));
    let mut address = Vec::new();
    for text in buyer.lines.iter().chain([&buyer.country]).filter(|text| !text.trim().is_empty()) {
        address.extend(wrapped(&sheet.canvas, address_style, room, text)?);
    }
    let rest = WINDOW_LINES.saturating_sub(lines.len());
    lines.extend(at_most(address, rest).into_iter().map(|line| (address_style, line)));
    let mut y = WINDOW_TOP;
    sheet.canvas.open(Role::Paragraph);
    for (style, line) in &lines {
        sheet.canvas.text(0, left, y, *style, line);
        y += pt(135);
    }
    sheet.canvas.close();
    y += pt(20);
    let labels = head.labels;
    let ids = [
        (labels.say(|words| words.enterprise_number), &buyer.enterprise_number),
        (labels.say(|words| words.vat_number), &buyer.vat_number),
    ];
    for (label, id) in ids {
        let Some(id) = id else { continue };
        sheet.canvas.open(Role::Paragraph);
        for line in at_most(wrapped(&sheet.canvas, SMALL, room, &format!("{label} {id}"))?, 2) {
            sheet.canvas.text(0, left, y, SMALL, &line);
            y += SMALL_LEADING;
        }
        sheet.canvas.close();
    }
    Ok(y)
}

/// Dates and references, a label and a value each, beside the window. Says where they end.
fn references(
    sheet: &mut Sheet,
    head: &Head<'_>,
    (left, right): (Length, Length),
    top: Length,
) -> Result<Length, PdfError> {
    let values_left = left + mm(31);
    let mut y = top;
    for (label, value) in &head.entries {
        let Some(value) = value.as_ref().filter(|value| !value.trim().is_empty()) else { continue };
        let labels = at_most(wrapped_label(&sheet.canvas, SMALL, values_left - left - mm(2), label)?, 3);
        let values = at_most(wrapped(&sheet.canvas, BODY, right - values_left, value)?, 3);
        sheet.canvas.open(Role::Paragraph);
        let mut heights = [y, y];
        for ((lines, style, x, leading), end) in
            [(labels, SMALL, left, SMALL_LEADING), (values, BODY, values_left, LEADING)].into_iter().zip(&mut heights)
        {
            for line in lines {
                sheet.canvas.text(0, x, *end + BODY.size, style, &line);
                *end += leading;
            }
        }
        sheet.canvas.close();
        y = heights.into_iter().max().unwrap_or(y) + pt(20);
    }
    Ok(y)
}

/// The head of every page after the first and the foot of every page, once their number is known.
pub(super) fn frame(sheet: &mut Sheet, head: &Head<'_>) -> Result<(), PdfError> {
    let foot = footer(&sheet.canvas, head)?;
    let count = sheet.canvas.page_count();
    sheet.canvas.decorate(true);
    for page in 0..count {
        if page > 0 {
            later_head(sheet, page, head)?;
        }
        let mut y = BOTTOM + mm(7);
        sheet.canvas.rule(page, y - mm(4), (LEFT, RIGHT), 400, HAIRLINE);
        sheet.canvas.text_to(page, RIGHT, y, FOOT, &head.labels.first.page_of(page.saturating_add(1), count));
        for line in &foot {
            sheet.canvas.text(page, LEFT, y, FOOT, line);
            y += pt(95);
        }
    }
    sheet.canvas.decorate(false);
    Ok(())
}

fn later_head(sheet: &mut Sheet, page: usize, head: &Head<'_>) -> Result<(), PdfError> {
    let y = mm(22);
    sheet.canvas.rectangle(page, (LEFT, mm(15)), (mm(12), pt(25)), head.palette.bar);
    let half = (RIGHT - LEFT) / 2 - mm(3);
    let style = BODY.bold();
    for line in at_most(wrapped(&sheet.canvas, style, half, &head.seller.name)?, 1) {
        sheet.canvas.text(page, LEFT, y, style.in_colour(head.palette.title), &line);
    }
    let name = head.name()?;
    let size = fit(sheet.canvas.face(style), style.size, half, &name);
    sheet.canvas.text_to(page, RIGHT, y, style.sized(size), &name);
    Ok(())
}

/// What company law wants on every document: name, legal form, numbers, register.
fn footer(canvas: &Canvas, head: &Head<'_>) -> Result<Vec<String>, PdfError> {
    let (seller, words) = (head.seller, head.labels.first);
    let mut parts = vec![match &seller.legal_form {
        Some(form) => format!("{} {form}", seller.name),
        None => seller.name.clone(),
    }];
    parts.extend(seller.enterprise_number.as_ref().map(|number| format!("{} {number}", words.enterprise_number)));
    parts.extend(seller.vat_number.as_ref().map(|number| format!("{} {number}", words.vat_number)));
    parts.extend(seller.register.clone());
    Ok(at_most(wrapped(canvas, FOOT, RIGHT - LEFT - mm(22), &parts.join("  ·  "))?, 4))
}

/// A label as lines no wider than `room`; one in two languages breaks between them first.
pub(super) fn wrapped_label(canvas: &Canvas, style: Style, room: Length, label: &str) -> Result<Vec<String>, PdfError> {
    if canvas.width(style, label) <= room {
        return wrapped(canvas, style, room, label);
    }
    let mut lines = Vec::new();
    for part in label.split_inclusive(" / ") {
        lines.extend(wrapped(canvas, style, room, part)?);
    }
    Ok(lines)
}

/// Running text between the head of a document and its table, a paragraph each; nothing where there is none.
pub(super) fn prose(sheet: &mut Sheet, texts: &[String]) -> Result<(), PdfError> {
    let style = BODY.sized(pt(95));
    for text in texts.iter().filter(|text| !text.trim().is_empty()) {
        let mut lines = Vec::new();
        for line in text.lines() {
            lines.extend(wrapped(&sheet.canvas, style, RIGHT - LEFT, line)?);
        }
        sheet.canvas.open(Role::Paragraph);
        sheet.lines(LEFT, style, pt(140), &lines);
        sheet.canvas.close();
        sheet.advance(mm(3));
    }
    if !texts.is_empty() {
        sheet.advance(mm(3));
    }
    Ok(())
}

/// Strangers' text as clean lines no wider than `room`.
pub(super) fn wrapped(canvas: &Canvas, style: Style, room: Length, text: &str) -> Result<Vec<String>, PdfError> {
    Ok(wrap(canvas.face(style), style.size, room, &clean(text)?))
}
