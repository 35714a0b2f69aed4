//! The certificate of shares as people see it: facts in, the bytes of a PDF out.
//!
//! Everything printed is decided by the caller. A certificate of registered shares names the entity, the holder, the
//! number of shares, their nominal value and what was paid (Belgian company code, art. 6:25 for the register that it
//! is drawn from). Deliberately absent: a signature. The register prevails, and the file is known by its hash.

#[cfg(test)]
mod tests;
mod words;

use chrono::NaiveDate;

use super::local;
use super::pdf::canvas::{Colour, Role, Style, WIDTH};
use super::pdf::document::{Metadata, to_bytes};
use super::pdf::fonts::Weight;
use super::pdf::sheet::Sheet;
use super::pdf::text::{at_most, clean, fit, wrap};
use super::pdf::{Length, PdfError, mm, pt};
use super::texts;
use crate::kernel::language::Language;
use crate::kernel::money::Money;

/// Everything a certificate shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The language of every label, amount and date.
    pub language: Language,
    /// Its number.
    pub number: i64,
    /// Whose shares they are.
    pub entity: String,
    /// The legal form of the entity, as registered.
    pub legal_form: String,
    /// Its address, a line each.
    pub address: Vec<String>,
    /// Its enterprise number: digits.
    pub enterprise_number: String,
    /// Its register; may be empty.
    pub register: String,
    /// Who holds the shares.
    pub member: String,
    /// The holder's number in the register of members.
    pub member_number: i64,
    /// How many shares.
    pub quantity: i32,
    /// What one costs.
    pub nominal: Money,
    /// What all of them cost.
    pub amount: Money,
    /// When they were paid.
    pub paid_on: NaiveDate,
    /// How many of the certificate were given back, and when the last of them: then it is of the rest, and takes the
    /// place of earlier ones.
    pub given_back: Option<(i32, NaiveDate)>,
}

/// Left edge of the text.
const LEFT: Length = mm(25);
/// Right edge of the text.
const RIGHT: Length = WIDTH - mm(25);
/// Where the values beside the labels begin.
const VALUES: Length = mm(75);
/// Where the foot begins.
const FOOT: Length = mm(262);

const INK: Colour = Colour(0x1B, 0x21, 0x26);
const MUTED: Colour = Colour(0x5B, 0x65, 0x6E);
const ACCENT: Colour = Colour(0x17, 0x5E, 0x54);
const TINT: Colour = Colour(0xEE, 0xF4, 0xF2);
const HAIRLINE: Colour = Colour(0xD3, 0xD9, 0xDC);

const BODY: Style = Style { weight: Weight::Regular, size: pt(110), colour: INK };
const SMALL: Style = Style { weight: Weight::Regular, size: pt(85), colour: MUTED };

/// Names may be as long as a register allows; each stays within so many lines.
const NAME_LINES: usize = 3;
/// Any other block stays within so many lines.
const BLOCK_LINES: usize = 6;
/// In the statement each name has so many characters at most: what it says after them is never cut off.
const NAME_CHARACTERS: usize = 140;
/// The lines of the longest statement.
const STATEMENT_LINES: usize = 12;

/// The document, as a PDF file of one page. Equal facts give equal bytes, on every machine and at all times.
///
/// No text is refused: what cannot be drawn shows as U+FFFD, what is too long wraps or is cut.
///
/// # Errors
/// Only when the program was built with broken fonts.
pub fn render(facts: &CertificateFacts) -> Result<Vec<u8>, PdfError> {
    let words = words::of(facts.language);
    let mut sheet = Sheet::new(mm(20), mm(280))?;
    let number = format!("{} {}", words.number, facts.number);
    sheet.canvas.rectangle(0, (LEFT, mm(22)), (mm(16), pt(30)), ACCENT);
    let name = Style { size: pt(130), ..BODY.bold() }.in_colour(ACCENT);
    sheet.y = mm(28);
    block(&mut sheet, name, pt(165), &[format!("{} {}", facts.entity, facts.legal_form)])?;
    sheet.y += mm(1);
    block(&mut sheet, SMALL, pt(115), &facts.address)?;
    sheet.y = mm(80);
    let title = BODY.bold().sized(pt(300));
    let title = title.sized(fit(sheet.canvas.face(title), title.size, RIGHT - LEFT, words.title));
    sheet.canvas.part(Role::Title, |canvas| {
        canvas.text(0, LEFT, mm(82), title, words.title);
        canvas.text(0, LEFT, mm(91), BODY.sized(pt(140)).in_colour(ACCENT), &number);
    });
    sheet.y = mm(106);
    let values = values(facts);
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, text)| shortened(text));
    let statement = texts::fill(words.statement, value);
    lines_of(&mut sheet, BODY.sized(pt(120)), pt(180), (&statement, STATEMENT_LINES))?;
    if let Some(rest) = rest(facts, words) {
        sheet.y += mm(3);
        block(&mut sheet, BODY, pt(165), &[rest])?;
    }
    sheet.y += mm(8);
    table(&mut sheet, words, &values)?;
    sheet.y += mm(8);
    block(&mut sheet, SMALL, pt(125), &[words.note.to_owned()])?;
    foot(&mut sheet, facts, words)?;
    let (title, author) = (clean(&format!("{} {number}", words.title))?, clean(&facts.entity)?);
    let dated = facts.given_back.map_or(facts.paid_on, |(_, on)| on);
    let metadata = Metadata { title: &title, author: &author, language: facts.language, dated };
    to_bytes(sheet.canvas, &metadata)
}

/// What is said of a certificate of the rest.
fn rest(facts: &CertificateFacts, words: &words::Words) -> Option<String> {
    let (quantity, on) = facts.given_back?;
    let values = [("quantity", quantity.to_string()), ("given_back_on", local::date(facts.language, on))];
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone());
    Some(texts::fill(words.rest, value))
}

/// What stands in the statement and in the table, by the name of its place.
fn values(facts: &CertificateFacts) -> Vec<(&'static str, String)> {
    vec![
        ("entity", facts.entity.clone()),
        ("member", facts.member.clone()),
        ("member_number", facts.member_number.to_string()),
        ("quantity", facts.quantity.to_string()),
        ("nominal", local::money(facts.language, facts.nominal)),
        ("amount", local::money(facts.language, facts.amount)),
        ("paid_on", local::date(facts.language, facts.paid_on)),
    ]
}

/// Strangers' text as clean lines, one below the other.
fn block(sheet: &mut Sheet, style: Style, leading: Length, texts: &[String]) -> Result<(), PdfError> {
    texts.iter().try_for_each(|text| lines_of(sheet, style, leading, (text, BLOCK_LINES)))
}

/// A text as clean lines, so many at most.
fn lines_of(sheet: &mut Sheet, style: Style, leading: Length, (text, most): (&str, usize)) -> Result<(), PdfError> {
    let lines = wrap(sheet.canvas.face(style), style.size, RIGHT - LEFT, &clean(text)?);
    sheet.canvas.open(Role::Paragraph);
    for line in at_most(lines, most) {
        let y = sheet.advance(leading);
        sheet.canvas.text(0, LEFT, y + style.size, style, &line);
    }
    sheet.canvas.close();
    Ok(())
}

/// A name as it stands in a sentence.
fn shortened(text: &str) -> String {
    if text.chars().count() <= NAME_CHARACTERS {
        return text.to_owned();
    }
    text.chars().take(NAME_CHARACTERS).chain(['…']).collect()
}

/// Labels and values, a line each.
fn table(sheet: &mut Sheet, words: &words::Words, values: &[(&'static str, String)]) -> Result<(), PdfError> {
    let rows = [
        ("member", words.holder),
        ("member_number", words.member_number),
        ("quantity", words.quantity),
        ("nominal", words.nominal),
        ("amount", words.amount),
        ("paid_on", words.paid_on),
    ];
    sheet.canvas.open(Role::Table);
    for (name, label) in rows {
        let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else { continue };
        let lines =
            at_most(wrap(sheet.canvas.face(BODY), BODY.size, RIGHT - VALUES - mm(4), &clean(value)?), NAME_LINES);
        let top = sheet.y;
        let style = if name == "amount" { BODY.bold() } else { BODY };
        let height = mm(4) + pt(150) * Length::try_from(lines.len().max(1)).unwrap_or(1);
        if name == "amount" {
            sheet.canvas.rectangle(0, (LEFT, top), (RIGHT - LEFT, height), TINT);
        }
        sheet.canvas.open(Role::Row);
        let baseline = top + mm(2) + BODY.size;
        sheet.canvas.part(Role::Cell, |canvas| canvas.text(0, LEFT + mm(2), baseline, SMALL, label));
        sheet.canvas.open(Role::Cell);
        for line in lines {
            let y = sheet.advance(pt(150));
            sheet.canvas.text(0, VALUES, y + mm(2) + BODY.size, style, &line);
        }
        sheet.canvas.close();
        sheet.canvas.close();
        sheet.y = top + height;
        sheet.canvas.rule(0, sheet.y, (LEFT, RIGHT), 400, HAIRLINE);
    }
    sheet.canvas.close();
    Ok(())
}

/// What company law wants on every document: name, legal form, number, register.
fn foot(sheet: &mut Sheet, facts: &CertificateFacts, words: &words::Words) -> Result<(), PdfError> {
    sheet.canvas.rule(0, FOOT, (LEFT, RIGHT), 400, HAIRLINE);
    sheet.y = FOOT + mm(3);
    let number = grouped(&facts.enterprise_number);
    let mut parts =
        vec![format!("{} {}", facts.entity, facts.legal_form), format!("{} {number}", words.enterprise_number)];
    parts.extend(Some(facts.register.clone()).filter(|register| !register.is_empty()));
    block(sheet, SMALL.sized(pt(75)), pt(100), &[parts.join("  ·  ")])
}

/// A Belgian enterprise number as people write it; another one as it is.
fn grouped(number: &str) -> String {
    match (number.get(..4), number.get(4..7), number.get(7..)) {
        (Some(head), Some(middle), Some(tail)) if number.len() == 10 => format!("{head}.{middle}.{tail}"),
        _ => number.to_owned(),
    }
}
