//! The rules of the VAT categories: who must be named, which rate there is, why no tax is due.

use std::collections::BTreeSet;

use super::codes::List;
use super::model::{Category, Facts, Vat};
use super::rules::{Check, all_vat, has_category};
use super::texts::At;
use super::totals::Totals;
use crate::kernel::money::{Minor, Ppm};

/// The names of the rules of one category: parties (on a line, an allowance, a charge), rate (on each), tax, reason.
struct CategoryRules {
    parties: [&'static str; 3],
    rate: [&'static str; 3],
    tax: &'static str,
    reason: &'static str,
    once: &'static str,
}

macro_rules! rules {
    ($prefix:literal) => {
        CategoryRules {
            parties: [concat!($prefix, "-02"), concat!($prefix, "-03"), concat!($prefix, "-04")],
            rate: [concat!($prefix, "-05"), concat!($prefix, "-06"), concat!($prefix, "-07")],
            tax: concat!($prefix, "-09"),
            reason: concat!($prefix, "-10"),
            once: concat!($prefix, "-01"),
        }
    };
}

fn rules_of(category: Category) -> &'static CategoryRules {
    match category {
        Category::Standard => &rules!("BR-S"),
        Category::Zero => &rules!("BR-Z"),
        Category::Exempt => &rules!("BR-E"),
        Category::ReverseCharge => &rules!("BR-AE"),
        Category::IntraCommunity => &rules!("BR-IC"),
        Category::Export => &rules!("BR-G"),
        Category::OutsideScope => &rules!("BR-O"),
        Category::Igic => &rules!("BR-AF"),
        Category::Ipsi => &rules!("BR-AG"),
    }
}

/// Parties, rates, reasons: what needs no sum.
pub(super) fn facts(check: &mut Check<'_>, facts: &Facts) {
    let mut asked = BTreeSet::new();
    for (at, vat) in all_vat(facts) {
        let rules = rules_of(vat.category);
        let place = if at.is("lines") { 0 } else { usize::from(at.is("charges")).saturating_add(1) };
        let rule = |of: &[&'static str; 3]| of.get(place).copied().unwrap_or_default();
        let rate = at.field("vat");
        check.require(is_rate(vat), rule(&rules.rate), rate.field("rate"));
        if asked.insert((vat.category, place)) {
            parties(check, facts, vat.category, rule(&rules.parties));
        }
    }
    if has_category(facts, Category::OutsideScope) {
        for (at, vat) in all_vat(facts) {
            let rule = if at.is("lines") {
                "BR-O-12"
            } else if at.is("allowances") {
                "BR-O-13"
            } else {
                "BR-O-14"
            };
            let is_outside = vat.category == Category::OutsideScope;
            check.require(is_outside, rule, at.field("vat").field("category"));
        }
    }
    if has_category(facts, Category::IntraCommunity) {
        let delivery = facts.delivery.as_ref();
        let is_dated = delivery.is_some_and(|delivery| delivery.on.is_some()) || facts.period.is_some();
        check.require(is_dated, "BR-IC-11", At::of("delivery.on"));
        let is_placed = delivery.is_some_and(|delivery| delivery.address.is_some());
        check.require(is_placed, "BR-IC-12", At::of("delivery.address.country"));
    }
    reasons(check, facts);
}

fn is_rate(vat: Vat) -> bool {
    match vat.category {
        Category::Standard => vat.rate > Ppm(0),
        Category::Igic | Category::Ipsi => vat.rate >= Ppm(0),
        Category::Zero
        | Category::Exempt
        | Category::ReverseCharge
        | Category::IntraCommunity
        | Category::Export
        | Category::OutsideScope => vat.rate == Ppm(0),
    }
}

/// Who must be named with a number, and outside the scope who must not.
fn parties(check: &mut Check<'_>, facts: &Facts, category: Category, rule: &'static str) {
    let (seller, buyer) = (&facts.seller, &facts.buyer);
    let seller_is_taxed = seller.vat_id.is_some() || seller.tax_registration.is_some();
    let (holds, field) = match category {
        Category::Standard | Category::Zero | Category::Exempt | Category::Igic | Category::Ipsi => {
            (seller_is_taxed, "seller.vat_id")
        }
        Category::ReverseCharge if !seller_is_taxed => (false, "seller.vat_id"),
        Category::ReverseCharge => (buyer.vat_id.is_some() || buyer.registration.is_some(), "buyer.vat_id"),
        Category::IntraCommunity if seller.vat_id.is_none() => (false, "seller.vat_id"),
        Category::IntraCommunity => (buyer.vat_id.is_some(), "buyer.vat_id"),
        Category::Export => (seller.vat_id.is_some(), "seller.vat_id"),
        Category::OutsideScope if seller.vat_id.is_some() => (false, "seller.vat_id"),
        Category::OutsideScope => (buyer.vat_id.is_none(), "buyer.vat_id"),
    };
    check.require(holds, rule, At::of(field));
}

/// Why no tax is due: said where there must be a reason, and nowhere else.
fn reasons(check: &mut Check<'_>, facts: &Facts) {
    let used: BTreeSet<Vat> = all_vat(facts).map(|(_, vat)| vat).collect();
    for vat in &used {
        let mut terms = facts.vat.iter().enumerate().filter(|(_, terms)| terms.vat == *vat);
        let first = terms.next();
        let rules = rules_of(vat.category);
        // Two reasons for one category cannot be told apart in the breakdown.
        check.require(terms.next().is_none(), rules.once, At::of("vat"));
        let is_reasoned = first.is_some_and(|(_, terms)| terms.reason.is_some() || terms.code.is_some());
        let at = first.map_or(At::of("vat"), |(index, _)| At::nth("vat", index));
        check.require(is_reasoned == needs_reason(vat.category), rules.reason, at.field("reason"));
        if let Some(code) = first.and_then(|(_, terms)| terms.code.as_deref()) {
            check.require(List::Exemption.has(code), "BR-CL-22", at.field("code"));
            if let Some(rule) = misplaced(vat.category, code) {
                check.require(false, rule, at.field("code"));
            }
        }
    }
}

fn needs_reason(category: Category) -> bool {
    match category {
        Category::Standard | Category::Zero | Category::Igic | Category::Ipsi => false,
        Category::Exempt
        | Category::ReverseCharge
        | Category::IntraCommunity
        | Category::Export
        | Category::OutsideScope => true,
    }
}

/// The rule against a code that belongs to another category.
fn misplaced(category: Category, code: &str) -> Option<&'static str> {
    let (rule, of) = match code {
        "VATEX-EU-G" => ("PEPPOL-EN16931-P0104", Category::Export),
        "VATEX-EU-O" => ("PEPPOL-EN16931-P0105", Category::OutsideScope),
        "VATEX-EU-IC" => ("PEPPOL-EN16931-P0106", Category::IntraCommunity),
        "VATEX-EU-AE" => ("PEPPOL-EN16931-P0107", Category::ReverseCharge),
        "VATEX-EU-D" => ("PEPPOL-EN16931-P0108", Category::Exempt),
        "VATEX-EU-F" => ("PEPPOL-EN16931-P0109", Category::Exempt),
        "VATEX-EU-I" => ("PEPPOL-EN16931-P0110", Category::Exempt),
        "VATEX-EU-J" => ("PEPPOL-EN16931-P0111", Category::Exempt),
        _ => return None,
    };
    (of != category).then_some(rule)
}

/// The tax of each category, where it was given.
pub(super) fn totals(check: &mut Check<'_>, facts: &Facts, totals: &Totals) {
    for row in &totals.vat {
        if row.vat.rate == Ppm(0) {
            check.require(row.tax == Minor::ZERO, rules_of(row.vat.category).tax, At::of("vat").field("tax"));
        }
    }
    let unit = 10_u64.saturating_pow(facts.currency.exponent());
    for (index, terms) in facts.vat.iter().enumerate() {
        let Some(row) = totals.vat.iter().find(|row| row.vat == terms.vat) else { continue };
        let product = row.base.share(row.vat.rate).and_then(|product| product.minus(row.tax));
        let is_near = product.is_ok_and(|difference| difference.get().unsigned_abs() < unit);
        check.require(is_near, "BR-CO-17", At::nth("vat", index).field("tax"));
    }
}
