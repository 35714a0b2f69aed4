//! Electronic invoices: one semantic model (EN 16931-1), two syntaxes (UBL 2.1, CII D16B), both ways.
//!
//! [`Facts`] is what an invoice states, each field under its business term. [`Document::new`] adds it up once
//! ([`totals`]) and refuses whatever EN 16931 would refuse, every rule and field at once. [`ubl::write`] gives the
//! invoice or credit note of Peppol BIS Billing 3.0 and refuses what Peppol adds; [`cii::write`] gives the XML inside a
//! Factur-X document of the profile EN 16931. [`read`] takes both from strangers.
//!
//! What cannot be in a document of EN 16931, and so is refused here: a currency of three decimals, an invoice outside
//! the scope of VAT that names a VAT number (BR-O-02; see [`Facts::without_vat_numbers`]), two reasons for one exempt
//! category (BR-E-01), lines outside the scope beside others (BR-O-12).

pub mod cii;
pub mod codes;
#[cfg(test)]
mod generate;
pub mod incoming;
pub mod model;
mod rules;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
mod texts;
pub mod totals;
pub mod ubl;
mod vat_rules;
mod xml;

use crate::kernel::money::Minor;
use chrono::NaiveDate;
pub use incoming::{Incoming, Limits, Refused, Syntax, read, syntax};
pub use model::{
    Account, Address, Adjustment, Attachment, Category, Contact, Delivery, Facts, File, Identifier, Kind, Line,
    LineAdjustment, Note, Party, Payment, Period, Preceding, Price, Share, Vat, VatAccounting, VatTerms,
};
use serde::Serialize;
pub use totals::{Totals, VatRow};

/// A rule that a document breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct Fault {
    /// The rule by its name in EN 16931 or Peppol BIS Billing 3.0 (`BR-S-05`, `PEPPOL-EN16931-R003`); `XML-CHARACTERS`
    /// for control characters and those that change the reading direction.
    pub rule: &'static str,
    /// The field, as in `lines[2].vat.rate` (counted from 0).
    pub field: String,
}

/// Everything that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Faults(pub Vec<Fault>);

/// An invoice or a credit note that adds up and breaks no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    facts: Facts,
    totals: Totals,
}

impl Document {
    /// Settles the texts (line ends, blanks at the ends, empty ones dropped), adds the document up and checks it.
    ///
    /// # Errors
    /// Refuses with everything that EN 16931 would refuse.
    pub fn new(mut facts: Facts) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        texts::settle(&mut facts, &mut faults);
        rules::facts(&facts, &mut faults);
        match totals::totals(&facts) {
            Ok(totals) => {
                rules::sums(&facts, &totals, &mut faults);
                if faults.is_empty() {
                    totals::settle(&mut facts, &totals);
                    return Ok(Self { facts, totals });
                }
            }
            Err(_range) => faults.push(Fault { rule: "BR-CO-13", field: "lines".to_owned() }),
        }
        Err(Faults(faults))
    }

    /// What the document states.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What it comes to.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The facts of a credit note that gives the whole document back: the same lines, allowances and charges, so that
    /// the two sum to nothing.
    #[must_use]
    pub fn credited(&self, number: &str, issued_on: NaiveDate) -> Facts {
        let facts = self.facts.clone();
        Facts {
            kind: Kind::CreditNote,
            number: number.to_owned(),
            issued_on,
            due_on: None,
            preceding: vec![Preceding { number: facts.number.clone(), issued_on: Some(facts.issued_on) }],
            paid: Minor::ZERO,
            rounding: Minor::ZERO,
            ..facts
        }
    }
}

impl Facts {
    /// Drops the VAT numbers of both parties where the document is outside the scope of VAT: EN 16931 does not let such a
    /// document name them (BR-O-02). The number of the register stays.
    #[must_use]
    pub fn without_vat_numbers(mut self) -> Self {
        if rules::has_category(&self, Category::OutsideScope) {
            self.seller.vat_id = None;
            self.buyer.vat_id = None;
        }
        self
    }
}
