//! What a document says it comes to, and what it does.

use serde::Serialize;

use super::super::model::{Facts, Vat};
use super::super::{Document, Fault, totals};
use super::{Incoming, Raw, Syntax};
use crate::kernel::money::{Minor, MoneyError};

/// The amounts as the document states them; nothing where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Claimed {
    /// BT-131 of each line, in order.
    pub lines: Vec<Minor>,
    /// BG-23.
    pub vat: Vec<ClaimedVat>,
    /// BT-106.
    pub line_total: Option<Minor>,
    /// BT-107.
    pub allowance_total: Option<Minor>,
    /// BT-108.
    pub charge_total: Option<Minor>,
    /// BT-109.
    pub net: Option<Minor>,
    /// BT-110.
    pub tax: Option<Minor>,
    /// BT-112.
    pub gross: Option<Minor>,
    /// BT-115.
    pub payable: Option<Minor>,
}

/// One row of the breakdown as the document states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClaimedVat {
    /// BT-118 and BT-119.
    pub vat: Vat,
    /// BT-116.
    pub base: Minor,
    /// BT-117.
    pub tax: Minor,
}

/// An amount that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The business term, as in `BT-109`.
    pub term: &'static str,
    /// The field of our totals, as in `lines[3]` or `vat[S 21]`.
    pub field: String,
    /// What the document says.
    pub claimed: Option<Minor>,
    /// What it comes to; nothing where the document has a row too many.
    pub computed: Option<Minor>,
}

/// The document with everything that is wrong about it.
pub(super) fn judged(syntax: Syntax, raw: Raw) -> Incoming {
    let Raw { specification, type_code, mut facts, claimed, mut faults } = raw;
    keep_lawful_taxes(&mut facts, &claimed);
    let differences = differences(&facts, &claimed);
    sums(&facts, &claimed, &mut faults);
    match Document::new(facts.clone()) {
        // The settled form, so that what was written and read is what was written.
        Ok(document) => facts = document.facts,
        Err(found) => faults.extend(found.0),
    }
    Incoming { syntax, specification, type_code, facts, claimed, differences, faults }
}

/// A tax within the tolerance of BR-CO-17 is the seller's to state; any other is a difference, and the product stands.
fn keep_lawful_taxes(facts: &mut Facts, claimed: &Claimed) {
    let unit = 10_u64.saturating_pow(facts.currency.exponent());
    for terms in &mut facts.vat {
        let row = claimed.vat.iter().find(|row| row.vat == terms.vat);
        let is_lawful = row.is_some_and(|row| {
            let product = row.base.share(row.vat.rate).and_then(|product| product.minus(row.tax));
            row.vat.rate.0 > 0 && product.is_ok_and(|difference| difference.get().unsigned_abs() < unit)
        });
        terms.tax.take_if(|_| !is_lawful);
    }
}

fn differences(facts: &Facts, claimed: &Claimed) -> Vec<Difference> {
    let Ok(totals) = totals::totals(facts) else { return Vec::new() };
    let mut found = Vec::new();
    let mut compare = |term, field: String, claimed: Option<Minor>, computed: Option<Minor>| {
        if claimed != computed {
            found.push(Difference { term, field, claimed, computed });
        }
    };
    for (index, (claimed, computed)) in claimed.lines.iter().zip(&totals.lines).enumerate() {
        compare("BT-131", format!("lines[{index}]"), Some(*claimed), Some(*computed));
    }
    let name = |vat: Vat| format!("vat[{} {}]", vat.category, vat.rate.to_percent());
    for row in &totals.vat {
        let said = claimed.vat.iter().find(|said| said.vat == row.vat);
        compare("BT-116", name(row.vat), said.map(|said| said.base), Some(row.base));
        compare("BT-117", name(row.vat), said.map(|said| said.tax), Some(row.tax));
    }
    for said in &claimed.vat {
        if !totals.vat.iter().any(|row| row.vat == said.vat) {
            compare("BT-116", name(said.vat), Some(said.base), None);
        }
    }
    // Sums of nothing need not be said.
    let nothing = |said: Option<Minor>| said.or(Some(Minor::ZERO));
    compare("BT-106", "line_total".to_owned(), claimed.line_total, Some(totals.line_total));
    compare("BT-107", "allowance_total".to_owned(), nothing(claimed.allowance_total), Some(totals.allowance_total));
    compare("BT-108", "charge_total".to_owned(), nothing(claimed.charge_total), Some(totals.charge_total));
    compare("BT-109", "net".to_owned(), claimed.net, Some(totals.net));
    compare("BT-110", "tax".to_owned(), nothing(claimed.tax), Some(totals.tax));
    compare("BT-112", "gross".to_owned(), claimed.gross, Some(totals.gross));
    compare("BT-115", "payable".to_owned(), claimed.payable, Some(totals.payable));
    found
}

/// The rules over the amounts as they are claimed: whether the document agrees with itself.
fn sums(facts: &Facts, claimed: &Claimed, faults: &mut Vec<Fault>) {
    let zero = |amount: Option<Minor>| amount.unwrap_or(Minor::ZERO);
    let mut require = |rule: &'static str, field: &str, claimed: Option<Minor>, computed: Result<Minor, MoneyError>| {
        if claimed.map(Ok) != Some(computed) {
            faults.push(Fault { rule, field: field.to_owned() });
        }
    };
    let adjusted = |list: &[super::super::Adjustment]| Minor::sum(list.iter().map(|one| one.amount));
    let (allowances, charges) = (zero(claimed.allowance_total), zero(claimed.charge_total));
    require("BR-CO-10", "line_total", claimed.line_total, Minor::sum(claimed.lines.iter().copied()));
    require("BR-CO-11", "allowance_total", Some(allowances), adjusted(&facts.allowances));
    require("BR-CO-12", "charge_total", Some(charges), adjusted(&facts.charges));
    let net = zero(claimed.line_total).minus(allowances).and_then(|rest| rest.plus(charges));
    require("BR-CO-13", "net", claimed.net, net);
    let tax = Minor::sum(claimed.vat.iter().map(|row| row.tax));
    require("BR-CO-14", "tax", Some(zero(claimed.tax)), tax);
    require("BR-CO-15", "gross", claimed.gross, zero(claimed.net).plus(zero(claimed.tax)));
    let payable = zero(claimed.gross).minus(facts.paid).and_then(|rest| rest.plus(facts.rounding));
    require("BR-CO-16", "payable", claimed.payable, payable);
    let unit = 10_u64.saturating_pow(facts.currency.exponent());
    for row in &claimed.vat {
        let difference = row.base.share(row.vat.rate).and_then(|product| product.minus(row.tax));
        if !difference.is_ok_and(|difference| difference.get().unsigned_abs() < unit) {
            faults.push(Fault { rule: "BR-CO-17", field: format!("vat[{}]", row.vat.category) });
        }
    }
}
