//! What a budget becomes, step by step, as people read it: the words of each step in four languages, and the payslip on
//! one page that goes from what was invoiced to what is paid out.
//!
//! Everything is decided by the caller and frozen in [`PayslipFacts`]; nothing is computed here. The words are in one
//! file per language. Equal facts give equal bytes.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use chrono::NaiveDate;

use super::local;
use super::pdf::canvas::{Colour, Role, Style, WIDTH};
use super::pdf::document::{Metadata, to_bytes};
use super::pdf::fonts::Weight;
use super::pdf::sheet::Sheet;
use super::pdf::table::{Look, Row, Table};
use super::pdf::text::{at_most, clean, wrap};
use super::pdf::{Length, PdfError, mm, pt};
use super::texts::Texts;
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor};
use crate::kernel::schemes::{Payer, Slice};

static FR: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("fr.txt")));
static NL: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("nl.txt")));
static EN: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("en.txt")));
static DE: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("de.txt")));

fn words(language: Language) -> &'static Texts {
    match language {
        Language::Fr => &FR,
        Language::Nl => &NL,
        Language::En => &EN,
        Language::De => &DE,
    }
}

fn word(language: Language, key: &str) -> &'static str {
    words(language).get("words", key).unwrap_or_default()
}

/// That a shipped scheme is no advice, and what to do.
#[must_use]
pub fn advice(language: Language) -> &'static str {
    word(language, "advice")
}

/// What a step does to the amount before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It is where one stands.
    Sum,
    /// It is taken off.
    Less,
    /// It is added.
    More,
}

/// A step of a computation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name; of a component, that of the component.
    pub code: String,
    /// Who bears it, when it is a component of a scheme.
    pub payer: Option<Payer>,
    /// What it was computed on.
    pub base: Option<Minor>,
    /// The parts of that with their rates.
    pub rates: Vec<Slice>,
    /// What it does.
    pub sign: Sign,
    /// The amount, without the sign.
    pub amount: Minor,
}

impl Step {
    /// The step in words. A component that a mutual named itself shows who bears it.
    #[must_use]
    pub fn label(&self, language: Language) -> String {
        let texts = words(language);
        if let Some(known) = texts.get("steps", &self.code) {
            return known.to_owned();
        }
        let payer = self.payer.and_then(|payer| texts.get("payers", payer.name())).unwrap_or_default();
        format!("{payer} ({})", self.code.replace('_', " "))
    }

    /// The amount as it stands in its column, with the sign of what it does.
    fn figure(&self, language: Language, currency: Currency) -> String {
        let amount = local::bare_amount(language, self.amount, currency);
        match (self.sign, self.amount.negated()) {
            (Sign::Less, Ok(less)) if self.amount != Minor::ZERO => local::bare_amount(language, less, currency),
            (Sign::More, _) if self.amount > Minor::ZERO => format!("+{amount}"),
            (Sign::Sum | Sign::Less | Sign::More, _) => amount,
        }
    }

    /// How it was computed, in words: the base and the rate, or how many rates.
    #[must_use]
    fn basis(&self, language: Language, currency: Currency) -> Option<String> {
        let of = |slice: &Slice| {
            let amount = local::bare_amount(language, slice.amount_minor, currency);
            format!("{amount}\u{a0}\u{d7}\u{a0}{}", local::percent(language, slice.rate_ppm))
        };
        let parts: Vec<String> = self.rates.iter().map(of).collect();
        (!parts.is_empty()).then(|| parts.join(" + "))
    }
}

/// Everything a payslip shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayslipFacts {
    /// The language of every word, amount and date.
    pub language: Language,
    /// Who pays.
    pub entity: String,
    /// Its address, on one line.
    pub address: String,
    /// Its enterprise number.
    pub enterprise_number: String,
    /// Who is paid.
    pub member: String,
    /// Their number in the register of members.
    pub member_number: i64,
    /// From which activity.
    pub activity: String,
    /// What the bank carries.
    pub payout: String,
    /// The day of the computation; the file is dated by it.
    pub on: NaiveDate,
    /// The name of the scheme.
    pub scheme: String,
    /// Since when its version holds.
    pub scheme_from: NaiveDate,
    /// Of every amount.
    pub currency: Currency,
    /// From what was invoiced to what is paid out.
    pub steps: Vec<Step>,
}

const LEFT: Length = mm(20);
const RIGHT: Length = WIDTH - mm(20);
const VALUES: Length = LEFT + mm(38);
const TOP: Length = mm(20);
const BOTTOM: Length = mm(275);
const NAME_LINES: usize = 2;

const INK: Colour = Colour(0x1B, 0x21, 0x26);
const MUTED: Colour = Colour(0x5B, 0x65, 0x6E);
const ACCENT: Colour = Colour(0x17, 0x5E, 0x54);
const HAIRLINE: Colour = Colour(0xD3, 0xD9, 0xDC);
const BODY: Style = Style { weight: Weight::Regular, size: pt(90), colour: INK };
const SMALL: Style = Style { weight: Weight::Regular, size: pt(75), colour: MUTED };

const LOOK: Look = Look {
    heading: Style { weight: Weight::Bold, size: pt(75), colour: MUTED },
    body: BODY,
    leading: pt(120),
    padding: pt(22),
    accent: ACCENT,
    hairline: HAIRLINE,
};

/// The payslip, as a PDF file. Equal facts give equal bytes, on every machine and at all times.
///
/// # Errors
/// Only when the program was built with broken fonts.
pub fn render(facts: &PayslipFacts) -> Result<Vec<u8>, PdfError> {
    let mut sheet = Sheet::new(TOP, BOTTOM)?;
    head(&mut sheet, facts)?;
    steps(&mut sheet, facts)?;
    sheet.advance(mm(5));
    let note = format!("{} {}", word(facts.language, "note"), word(facts.language, "rounding"));
    let lines = wrap(sheet.canvas.face(SMALL), SMALL.size, RIGHT - LEFT, &note);
    sheet.canvas.open(Role::Paragraph);
    sheet.lines(LEFT, SMALL, pt(105), &lines);
    sheet.canvas.close();
    let title = format!("{} {}", word(facts.language, "title"), facts.payout);
    let author = clean(&facts.entity)?;
    to_bytes(sheet.canvas, &Metadata { title: &title, author: &author, language: facts.language, dated: facts.on })
}

fn head(sheet: &mut Sheet, facts: &PayslipFacts) -> Result<(), PdfError> {
    let language = facts.language;
    sheet.canvas.rectangle(0, (LEFT, mm(17)), (mm(12), pt(25)), ACCENT);
    sheet.y = mm(21);
    let entity = BODY.bold().sized(pt(105)).in_colour(ACCENT);
    let lines = wrap(sheet.canvas.face(entity), entity.size, RIGHT - LEFT, &clean(&facts.entity)?);
    sheet.lines(LEFT, entity, pt(140), &at_most(lines, NAME_LINES));
    let address = format!("{}  \u{b7}  {}", facts.address, facts.enterprise_number);
    let lines = wrap(sheet.canvas.face(SMALL), SMALL.size, RIGHT - LEFT, &clean(&address)?);
    sheet.lines(LEFT, SMALL, pt(105), &at_most(lines, NAME_LINES));
    sheet.advance(mm(4));
    sheet.canvas.open(Role::Title);
    sheet.lines(LEFT, BODY.bold().sized(pt(200)), pt(260), &[word(language, "title").to_owned()]);
    sheet.canvas.close();
    sheet.advance(mm(1));
    let scheme = format!("{}, {} {}", facts.scheme, word(language, "from"), local::date(language, facts.scheme_from));
    let entries = [
        ("member", format!("{} ({})", facts.member, facts.member_number)),
        ("activity", facts.activity.clone()),
        ("date", local::date(language, facts.on)),
        ("scheme", scheme),
        ("payout", facts.payout.clone()),
    ];
    for (label, value) in entries {
        let lines = wrap(sheet.canvas.face(BODY), BODY.size, RIGHT - VALUES, &clean(&value)?);
        sheet.canvas.open(Role::Paragraph);
        sheet.canvas.text(sheet.page, LEFT, sheet.y + BODY.size, SMALL, word(language, label));
        sheet.lines(VALUES, BODY, pt(130), &at_most(lines, NAME_LINES));
        sheet.canvas.close();
    }
    sheet.advance(mm(5));
    Ok(())
}

fn steps(sheet: &mut Sheet, facts: &PayslipFacts) -> Result<(), PdfError> {
    let language = facts.language;
    let mut rows = Vec::with_capacity(facts.steps.len());
    for step in &facts.steps {
        let figure = clean(&step.figure(language, facts.currency))?;
        let label = clean(&step.label(language))?;
        let basis = step.basis(language, facts.currency);
        let text = basis.map_or_else(|| label.clone(), |basis| format!("{label}: {basis}"));
        rows.push((Row::new(vec![text], vec![figure]), step.sign));
    }
    let heading = Row::new(vec![word(language, "step").to_owned()], vec![facts.currency.to_string()]);
    let widest: Vec<Row> = rows.iter().map(|(row, _)| row.clone()).collect();
    let table = Table::new(&sheet.canvas, LOOK, (LEFT, RIGHT), heading, &widest);
    sheet.canvas.open(Role::Table);
    table.heading(sheet);
    for (row, sign) in &rows {
        if *sign == Sign::Sum {
            table.remark(sheet, row, BODY.bold());
            continue;
        }
        for piece in table.pieces(&sheet.canvas, row, usize::MAX) {
            if !sheet.fits(table.height(&piece)) {
                sheet.turn();
                table.heading_again(sheet);
            }
            table.piece(sheet, &piece);
        }
    }
    sheet.canvas.close();
    Ok(())
}
