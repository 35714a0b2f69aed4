//! What EN 16931 refuses (the business rules of EN 16931-1, each under its name), read off the model before anything is
//! written. Rules that the model cannot break have no line here: sums (BR-CO-10 to BR-CO-15), decimals of amounts,
//! whatever a field requires by being there.

use super::codes::List;
use super::model::{Category, Facts, Identifier, Kind, Line, LineAdjustment, Party, Period, Share, Vat};
use super::texts::At;
use super::totals::{self, Totals};
use super::vat_rules;
use super::{Fault, Faults};
use crate::kernel::identifiers::{belgian_enterprise_number, is_gln};
use crate::kernel::money::Minor;

/// Collects faults.
pub(super) struct Check<'f> {
    pub(super) faults: &'f mut Vec<Fault>,
}

impl Check<'_> {
    /// Notes the rule unless it holds.
    pub(super) fn require(&mut self, holds: bool, rule: &'static str, at: At<'_>) {
        if !holds {
            self.faults.push(Fault { rule, field: at.to_string() });
        }
    }

    fn code(&mut self, list: List, code: Option<&String>, rule: &'static str, at: At<'_>) {
        self.require(code.is_none_or(|code| list.has(code)), rule, at);
    }
}

/// What can be checked before the document is added up.
pub(super) fn facts(facts: &Facts, faults: &mut Vec<Fault>) {
    let mut check = Check { faults };
    let exponent = facts.currency.exponent();
    head(&mut check, facts);
    party(&mut check, At::of("seller"), &facts.seller, &SELLER);
    party(&mut check, At::of("buyer"), &facts.buyer, &BUYER);
    let seller = &facts.seller;
    let is_found = !seller.identifiers.is_empty() || seller.registration.is_some() || seller.vat_id.is_some();
    check.require(is_found, "BR-CO-26", At::of("seller"));
    delivery_and_payment(&mut check, facts);
    for (index, allowance) in facts.allowances.iter().enumerate() {
        let at = At::nth("allowances", index);
        check.require(allowance.reason.is_some() || allowance.code.is_some(), "BR-33", at.field("reason"));
        check.code(List::Allowance, allowance.code.as_ref(), "BR-CL-19", at.field("code"));
        share(&mut check, at, exponent, allowance.amount, allowance.share);
    }
    for (index, charge) in facts.charges.iter().enumerate() {
        let at = At::nth("charges", index);
        check.require(charge.reason.is_some() || charge.code.is_some(), "BR-38", at.field("reason"));
        check.code(List::Charge, charge.code.as_ref(), "BR-CL-20", at.field("code"));
        share(&mut check, at, exponent, charge.amount, charge.share);
    }
    attachments(&mut check, facts);
    check.require(!facts.lines.is_empty(), "BR-16", At::of("lines"));
    for (index, one) in facts.lines.iter().enumerate() {
        line(&mut check, At::nth("lines", index), exponent, one);
    }
    vat_rules::facts(&mut check, facts);
}

/// What can be checked once the document is added up.
pub(super) fn sums(facts: &Facts, totals: &Totals, faults: &mut Vec<Fault>) {
    let mut check = Check { faults };
    let is_dated = facts.due_on.is_some() || facts.payment_terms.is_some();
    check.require(totals.payable <= Minor::ZERO || is_dated, "BR-CO-25", At::of("due_on"));
    if let Some(accounting) = facts.vat_accounting {
        let same_sign = accounting.tax.get().signum() * totals.tax.get().signum() >= 0;
        check.require(same_sign, "PEPPOL-EN16931-R055", At::of("vat_accounting.tax"));
    }
    vat_rules::totals(&mut check, facts, totals);
}

fn head(check: &mut Check<'_>, facts: &Facts) {
    check.require(!facts.number.is_empty(), "BR-02", At::of("number"));
    let currency = |code: &str| List::Currency.has(code);
    check.require(currency(facts.currency.code()), "BR-CL-04", At::of("currency"));
    // Amounts have two decimals at most, so a currency of three cannot be invoiced.
    check.require(facts.currency.exponent() <= 2, "BR-DEC-14", At::of("currency"));
    if let Some(accounting) = facts.vat_accounting {
        let at = At::of("vat_accounting.currency");
        check.require(currency(accounting.currency.code()), "BR-CL-05", at);
        check.require(accounting.currency.exponent() <= 2, "BR-DEC-15", at);
        check.require(accounting.currency != facts.currency, "PEPPOL-EN16931-R005", at);
    }
    for (index, note) in facts.notes.iter().enumerate() {
        let at = At::nth("notes", index);
        check.code(List::Note, note.subject.as_ref(), "BR-CL-08", at.field("subject"));
        // One note of a Peppol document carries them all, told apart by their subjects.
        check.require(index == 0 || note.subject.is_some(), "PEPPOL-EN16931-R002", at.field("subject"));
    }
    for (index, preceding) in facts.preceding.iter().enumerate() {
        check.require(!preceding.number.is_empty(), "BR-55", At::nth("preceding", index).field("number"));
    }
    if let Some(of) = facts.period {
        period(check, At::of("period"), of, "BR-CO-19", "BR-29");
    }
}

/// The names that the rules have for one of the two parties.
struct PartyRules {
    name: &'static str,
    country: &'static str,
    address_scheme: &'static str,
    is_seller: bool,
}

const SELLER: PartyRules = PartyRules { name: "BR-06", country: "BR-09", address_scheme: "BR-62", is_seller: true };
const BUYER: PartyRules = PartyRules { name: "BR-07", country: "BR-11", address_scheme: "BR-63", is_seller: false };

fn party(check: &mut Check<'_>, at: At<'_>, party: &Party, rules: &PartyRules) {
    check.require(!party.name.is_empty(), rules.name, at.field("name"));
    let address = at.field("address");
    check.require(!party.address.country.is_empty(), rules.country, address.field("country"));
    country(check, address, &party.address.country);
    for (index, of) in party.identifiers.iter().enumerate() {
        let at = at.item("identifiers", index);
        check.code(List::Registration, of.scheme.as_ref(), "BR-CL-10", at.field("scheme"));
        identifier(check, at, of);
    }
    if let Some(of) = &party.registration {
        let at = at.field("registration");
        check.code(List::Registration, of.scheme.as_ref(), "BR-CL-11", at.field("scheme"));
        identifier(check, at, of);
    }
    if let Some(of) = &party.electronic_address {
        let at = at.field("electronic_address");
        check.require(of.scheme.is_some(), rules.address_scheme, at.field("scheme"));
        check.code(List::Address, of.scheme.as_ref(), "BR-CL-25", at.field("scheme"));
        identifier(check, at, of);
    }
    if let Some(vat_id) = &party.vat_id {
        let is_prefixed = vat_id.get(..2).is_some_and(|prefix| List::VatPrefix.has(prefix));
        check.require(is_prefixed, "BR-CO-09", at.field("vat_id"));
    }
    if !rules.is_seller {
        check.require(party.identifiers.len() <= 1, "UBL-SR-16", at.field("identifiers"));
        check.require(party.tax_registration.is_none(), "UBL-SR-18", at.field("tax_registration"));
        check.require(party.legal_information.is_none(), "UBL-CR-244", at.field("legal_information"));
    }
}

/// The check digits of lists that have them.
fn identifier(check: &mut Check<'_>, at: At<'_>, identifier: &Identifier) {
    let value = identifier.value.as_str();
    let (holds, rule) = match identifier.scheme.as_deref() {
        Some("0088") => (is_gln(value), "PEPPOL-COMMON-R040"),
        Some("0208") => (belgian_enterprise_number(value).is_some_and(|digits| digits == value), "PEPPOL-COMMON-R043"),
        Some(_) | None => return,
    };
    check.require(holds, rule, at.field("value"));
}

fn country(check: &mut Check<'_>, address: At<'_>, code: &str) {
    check.require(code.is_empty() || List::Country.has(code), "BR-CL-14", address.field("country"));
}

fn period(check: &mut Check<'_>, at: At<'_>, period: Period, some: &'static str, order: &'static str) {
    check.require(period.from.is_some() || period.to.is_some(), some, at);
    let is_ordered = period.from.zip(period.to).is_none_or(|(from, to)| from <= to);
    check.require(is_ordered, order, at.field("to"));
}

fn delivery_and_payment(check: &mut Check<'_>, facts: &Facts) {
    if let Some(address) = facts.delivery.as_ref().and_then(|delivery| delivery.address.as_ref()) {
        let at = At::of("delivery");
        let at = at.field("address");
        check.require(!address.country.is_empty(), "BR-57", at.field("country"));
        country(check, at, &address.country);
    }
    let Some(payment) = &facts.payment else { return };
    let at = At::of("payment");
    let means = at.field("means");
    check.require(!payment.means.is_empty(), "BR-49", means);
    check.code(List::Means, Some(&payment.means).filter(|means| !means.is_empty()), "BR-CL-16", means);
    let is_transfer = matches!(payment.means.as_str(), "30" | "58");
    check.require(!is_transfer || !payment.accounts.is_empty(), "BR-61", at.field("accounts"));
    // A direct debit names its mandate, which the model does not have: the buyer's bank would refuse it.
    check.require(!matches!(payment.means.as_str(), "49" | "59"), "PEPPOL-EN16931-R061", means);
    for (index, account) in payment.accounts.iter().enumerate() {
        check.require(!account.id.is_empty(), "BR-50", at.item("accounts", index).field("id"));
    }
}

/// A share must give its amount: to two hundredths of a unit of the currency, as Peppol allows, or to the half of the
/// smallest coin where that is more.
fn share(check: &mut Check<'_>, at: At<'_>, exponent: u32, amount: Minor, share: Option<Share>) {
    let Some(share) = share else { return };
    let is_near = totals::share_error(amount, share).is_some_and(|error| error <= hundredths(exponent).max(500_000));
    check.require(is_near, "PEPPOL-EN16931-R040", at.field("amount"));
}

/// Two hundredths of a unit of a currency, in millionths of its minor unit.
fn hundredths(exponent: u32) -> i128 {
    20_000_i128.saturating_mul(10_i128.saturating_pow(exponent))
}

fn attachments(check: &mut Check<'_>, facts: &Facts) {
    for (index, attachment) in facts.attachments.iter().enumerate() {
        let at = At::nth("attachments", index);
        check.require(!attachment.id.is_empty(), "BR-52", at.field("id"));
        if let Some(file) = &attachment.file {
            check.require(List::Mime.has(&file.mime), "BR-CL-24", at.field("file.mime"));
            let is_name = !file.name.is_empty() && !file.name.contains(['/', '\\']);
            check.require(is_name, "UBL-DT-07", at.field("file.name"));
            check.require(!file.bytes.is_empty(), "PEPPOL-EN16931-R008", at.field("file.bytes"));
        }
    }
}

fn line(check: &mut Check<'_>, at: At<'_>, exponent: u32, line: &Line) {
    check.require(!line.id.is_empty(), "BR-21", at.field("id"));
    check.require(!line.unit.is_empty(), "BR-23", at.field("unit"));
    check.require(line.unit.is_empty() || List::Unit.has(&line.unit), "BR-CL-23", at.field("unit"));
    check.require(!line.name.is_empty(), "BR-25", at.field("name"));
    let price = at.field("price");
    check.require(!line.price.net.is_sign_negative() || line.price.net.is_zero(), "BR-27", price.field("net"));
    if let Some(gross) = line.price.gross {
        check.require(!gross.is_sign_negative() || gross.is_zero(), "BR-28", price.field("gross"));
        // A price above the gross one would be a charge, which a price does not have.
        check.require(gross >= line.price.net, "PEPPOL-EN16931-R044", price.field("gross"));
    }
    let is_positive = line.price.base_quantity.is_none_or(|base| base.is_sign_positive() && !base.is_zero());
    check.require(is_positive, "PEPPOL-EN16931-R121", price.field("base_quantity"));
    line_adjustments(check, at, exponent, ("allowances", &line.allowances));
    line_adjustments(check, at, exponent, ("charges", &line.charges));
    if let Some(of) = line.period {
        period(check, at.field("period"), of, "BR-CO-20", "BR-30");
    }
}

fn line_adjustments(
    check: &mut Check<'_>,
    at: At<'_>,
    exponent: u32,
    (name, adjustments): (&'static str, &[LineAdjustment]),
) {
    let (reason, list, code) =
        if name == "allowances" { ("BR-42", List::Allowance, "BR-CL-19") } else { ("BR-44", List::Charge, "BR-CL-20") };
    for (index, adjustment) in adjustments.iter().enumerate() {
        let at = at.item(name, index);
        check.require(adjustment.reason.is_some() || adjustment.code.is_some(), reason, at.field("reason"));
        check.code(list, adjustment.code.as_ref(), code, at.field("code"));
        share(check, at, exponent, adjustment.amount, adjustment.share);
    }
}

/// What Peppol BIS Billing 3.0 refuses beyond EN 16931.
///
/// # Errors
/// Refuses with every rule that the document breaks.
pub(super) fn peppol(facts: &Facts, totals: &Totals) -> Result<(), Faults> {
    let mut faults = Vec::new();
    let mut check = Check { faults: &mut faults };
    check.require(facts.kind != Kind::Partial, "PEPPOL-EN16931-P0100", At::of("kind"));
    let is_referenced = facts.buyer_reference.is_some() || facts.purchase_order.is_some();
    check.require(is_referenced, "PEPPOL-EN16931-R003", At::of("buyer_reference"));
    let parties = [("seller", &facts.seller, "PEPPOL-EN16931-R020"), ("buyer", &facts.buyer, "PEPPOL-EN16931-R010")];
    for (name, party, rule) in parties {
        let at = At::of(name);
        let at = at.field("electronic_address");
        check.require(party.electronic_address.is_some(), rule, at);
        let scheme = party.electronic_address.as_ref().and_then(|address| address.scheme.as_ref());
        check.code(List::PeppolAddress, scheme, "PEPPOL-EN16931-CL008", at.field("scheme"));
    }
    let whole = facts.period.unwrap_or_default();
    for (index, line) in facts.lines.iter().enumerate() {
        let at = At::nth("lines", index);
        let at = at.field("period");
        let part = line.period.unwrap_or_default();
        let is_inside = whole.from.zip(part.from).is_none_or(|(whole, part)| part >= whole);
        check.require(is_inside, "PEPPOL-EN16931-R110", at.field("from"));
        let is_inside = whole.to.zip(part.to).is_none_or(|(whole, part)| part <= whole);
        check.require(is_inside, "PEPPOL-EN16931-R111", at.field("to"));
    }
    finely(&mut check, facts);
    national(&mut check, facts, totals);
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

/// Peppol computes lines and shares again and allows two hundredths of a unit, which a whole yen can be beyond.
fn finely(check: &mut Check<'_>, facts: &Facts) {
    let exponent = facts.currency.exponent();
    let is_fine = |amount: Minor, share: Option<Share>| {
        let error = share.map(|share| totals::share_error(amount, share));
        error.is_none_or(|error| error.is_some_and(|error| error <= hundredths(exponent)))
    };
    for (name, list) in [("allowances", &facts.allowances), ("charges", &facts.charges)] {
        for (index, one) in list.iter().enumerate() {
            let at = At::nth(name, index);
            check.require(is_fine(one.amount, one.share), "PEPPOL-EN16931-R040", at.field("amount"));
        }
    }
    for (index, line) in facts.lines.iter().enumerate() {
        let at = At::nth("lines", index);
        check.require(totals::is_rounded_finely(line, exponent), "PEPPOL-EN16931-R120", at);
        for (name, list) in [("allowances", &line.allowances), ("charges", &line.charges)] {
            for (index, one) in list.iter().enumerate() {
                let at = at.item(name, index);
                check.require(is_fine(one.amount, one.share), "PEPPOL-EN16931-R040", at.field("amount"));
            }
        }
    }
}

/// What Peppol adds for sellers of some countries.
fn national(check: &mut Check<'_>, facts: &Facts, totals: &Totals) {
    let (seller, buyer) = (&facts.seller, &facts.buyer);
    let address = |check: &mut Check<'_>, name, party: &Party, rules: [&'static str; 3]| {
        let at = At::of(name);
        let at = at.field("address");
        let [street, city, post_code] = rules;
        check.require(party.address.line1.is_some(), street, at.field("line1"));
        check.require(party.address.city.is_some(), city, at.field("city"));
        check.require(party.address.post_code.is_some(), post_code, at.field("post_code"));
    };
    match seller.address.country.as_str() {
        "IT" => address(check, "seller", seller, ["IT-R-002", "IT-R-003", "IT-R-004"]),
        "NL" => {
            let is_known = |party: &Party| {
                let scheme = party.registration.as_ref().map(|registration| registration.scheme.as_deref());
                scheme.is_none_or(|scheme| matches!(scheme, Some("0106" | "0190")))
            };
            let corrects = facts.kind != Kind::CreditNote || !facts.preceding.is_empty();
            check.require(corrects, "NL-R-001", At::of("preceding"));
            address(check, "seller", seller, ["NL-R-002"; 3]);
            check.require(is_known(seller), "NL-R-003", At::of("seller.registration.scheme"));
            if buyer.address.country == "NL" {
                address(check, "buyer", buyer, ["NL-R-004"; 3]);
                check.require(is_known(buyer), "NL-R-005", At::of("buyer.registration.scheme"));
            }
            check.require(totals.payable <= Minor::ZERO || facts.payment.is_some(), "NL-R-007", At::of("payment"));
            let means = facts.payment.as_ref().map(|payment| payment.means.as_str());
            let is_usual = means.is_none_or(|means| matches!(means, "30" | "48" | "49" | "57" | "58" | "59"));
            check.require(is_usual, "NL-R-008", At::of("payment.means"));
            let has_order = facts.purchase_order.is_some() || facts.lines.iter().all(|line| line.order_line.is_none());
            check.require(has_order, "NL-R-009", At::of("purchase_order"));
        }
        _ => {}
    }
}

/// Whether one VAT of the document is of this category.
pub(super) fn has_category(facts: &Facts, category: Category) -> bool {
    all_vat(facts).any(|(_, vat)| vat.category == category)
}

/// The VAT of every line, allowance and charge, with its place.
pub(super) fn all_vat(facts: &Facts) -> impl Iterator<Item = (At<'static>, Vat)> {
    let lines = facts.lines.iter().enumerate().map(|(index, line)| (At::nth("lines", index), line.vat));
    let allowances = facts.allowances.iter().enumerate().map(|(index, one)| (At::nth("allowances", index), one.vat));
    let charges = facts.charges.iter().enumerate().map(|(index, one)| (At::nth("charges", index), one.vat));
    lines.chain(allowances).chain(charges)
}
