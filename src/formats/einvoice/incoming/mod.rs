//! Invoices from strangers: UBL and CII read into the semantic model, with what they claim beside what they come to.
//!
//! Reading is tolerant of what is not ours to judge (other customizations, elements nobody asked for) and strict about
//! what decides a cent: amounts, dates, currencies. [`read`] refuses document types and entities, and bounds size, depth,
//! elements and attributes. What a document claims wrongly is no refusal: it is told, rule by rule, in [`Incoming::faults`].

mod cii;
mod claims;
mod refused;
#[cfg(test)]
mod tests;
mod ubl;
mod values;
mod vocabulary;

pub use claims::{Claimed, ClaimedVat, Difference};
pub use refused::Refused;
use vocabulary::VOCABULARY;

use crate::formats::safe_xml::{self, Root, Tree};

use super::{Document, Facts, Fault, Faults, cii as cii_out, ubl as ubl_out};

/// What a file may cost us at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the file as XML.
    pub xml: safe_xml::Limits,
    /// Lines of the invoice, and as many of any other list in it.
    pub lines_max: usize,
    /// Rows of the VAT breakdown; each is compared with each.
    pub vat_rows_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { xml: safe_xml::Limits::default(), lines_max: 10_000, vat_rows_max: 100 }
    }
}

/// How an invoice is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Syntax {
    /// UBL 2.1 `Invoice`.
    UblInvoice,
    /// UBL 2.1 `CreditNote`.
    UblCreditNote,
    /// UN/CEFACT Cross Industry Invoice, alone or inside a Factur-X document.
    Cii,
}

/// An invoice as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// How it is written.
    pub syntax: Syntax,
    /// BT-24: the specification that it names.
    pub specification: Option<String>,
    /// BT-3 as it was sent; [`Facts::kind`] knows four kinds and takes the others for an invoice or a credit note.
    pub type_code: String,
    /// What it states.
    pub facts: Facts,
    /// What it says it comes to.
    pub claimed: Claimed,
    /// Where that is not what it comes to.
    pub differences: Vec<Difference>,
    /// The rules of EN 16931 that it breaks.
    pub faults: Vec<Fault>,
}

impl Incoming {
    /// The document, if it breaks no rule. Its totals are ours: look at [`Incoming::differences`] before using them.
    ///
    /// # Errors
    /// Refuses with everything that EN 16931 would refuse.
    pub fn document(&self) -> Result<Document, Faults> {
        Document::new(self.facts.clone())
    }
}

/// Whether the file begins as an invoice, and in which syntax. Looks no further than its first element.
#[must_use]
pub fn syntax(bytes: &[u8]) -> Option<Syntax> {
    let limits = safe_xml::Limits { bytes_max: usize::MAX, ..safe_xml::Limits::default() };
    Tree::open(bytes, &VOCABULARY, limits).ok().and_then(|(_, root)| syntax_of(&root))
}

fn syntax_of(root: &Root) -> Option<Syntax> {
    match (root.name.as_str(), root.namespace.as_str()) {
        ("Invoice", ubl_out::INVOICE) => Some(Syntax::UblInvoice),
        ("CreditNote", ubl_out::CREDIT_NOTE) => Some(Syntax::UblCreditNote),
        ("CrossIndustryInvoice", cii_out::RSM) => Some(Syntax::Cii),
        _ => None,
    }
}

/// Reads an invoice.
///
/// # Errors
/// Refuses what is no invoice within the limits, and amounts, dates and currencies that are none. See [`Refused`].
pub fn read(bytes: &[u8], limits: Limits) -> Result<Incoming, Refused> {
    let (tree, root) = Tree::open(bytes, &VOCABULARY, limits.xml)?;
    let Some(syntax) = syntax_of(&root) else {
        return Err(Refused::NotAnInvoice { root: root.name });
    };
    let raw = match syntax {
        Syntax::UblInvoice | Syntax::UblCreditNote => ubl::read(tree, limits, syntax == Syntax::UblCreditNote)?,
        Syntax::Cii => cii::read(tree, limits)?,
    };
    check_lists(&raw.facts, limits)?;
    Ok(claims::judged(syntax, raw))
}

/// Bounds what is compared with one another below.
fn check_lists(facts: &Facts, limits: Limits) -> Result<(), Refused> {
    let lists = [
        (facts.vat.len(), limits.vat_rows_max),
        (facts.notes.len(), limits.lines_max),
        (facts.preceding.len(), limits.lines_max),
        (facts.attachments.len(), limits.lines_max),
        (facts.allowances.len(), limits.lines_max),
        (facts.charges.len(), limits.lines_max),
    ];
    match lists.into_iter().find(|(count, most)| count > most) {
        Some((_, lines_max)) => Err(Refused::TooManyLines { lines_max }),
        None => Ok(()),
    }
}

/// What a reader found, before it is judged.
struct Raw {
    specification: Option<String>,
    type_code: String,
    facts: Facts,
    claimed: Claimed,
    faults: Vec<Fault>,
}
