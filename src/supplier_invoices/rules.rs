//! What is read off the electronic invoice of a supplier, and what may happen to it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::formats::einvoice::incoming::{ClaimedVat, Incoming, Refused, Syntax};
use crate::formats::einvoice::{Identifier, Kind, Line, Party};
use crate::kernel::identifiers;
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::refusal::{Checks, Refusal};
use crate::named;

named! {
    /// Where the invoice of a supplier stands.
    SupplierInvoiceState {
        /// Read and kept.
        Received = "received",
        /// It became a cost, or took a part of one back.
        Matched = "matched",
        /// Not accepted; the supplier sends another one.
        Rejected = "rejected",
    }
}

named! {
    /// What it is.
    SupplierDocument {
        /// Asks for money.
        Invoice = "invoice",
        /// Gives money back.
        CreditNote = "credit_note",
    }
}

/// What may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupplierInvoiceCommand {
    /// It becomes a cost, or takes a part of one back.
    Match,
    /// It is not accepted.
    Reject,
}

pub(super) fn may(state: SupplierInvoiceState, command: SupplierInvoiceCommand) -> Result<(), Refusal> {
    use SupplierInvoiceState::Received;
    let (name, allowed): (_, &[SupplierInvoiceState]) = match command {
        SupplierInvoiceCommand::Match => ("match", &[Received]),
        SupplierInvoiceCommand::Reject => ("reject", &[Received]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// A party of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartySummary {
    /// Its name.
    pub name: String,
    /// Its VAT number as it stands there.
    pub vat_number: Option<String>,
    /// Its number in a register, with the scheme before a colon where one is named.
    pub registration: Option<String>,
    /// Where electronic invoices reach it.
    pub electronic_address: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineSummary {
    /// The supplier's name of the line.
    pub id: String,
    /// What it is.
    pub name: String,
    /// At length.
    pub description: Option<String>,
    /// How many, as a decimal.
    pub quantity: String,
    /// UN/ECE Recommendation 20.
    pub unit: String,
    /// The price of one unit, as a decimal in whole units of the currency.
    pub price: String,
    /// What the line comes to, as the document says.
    pub net: Option<Money>,
    /// The VAT category of EN 16931.
    pub vat_category: String,
    /// The rate in per cent.
    pub vat_percent: String,
}

/// A row of its VAT breakdown, as the document says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VatSummary {
    /// The VAT category of EN 16931.
    pub category: String,
    /// The rate in per cent.
    pub percent: String,
    /// The taxable amount.
    pub base: Money,
    /// The tax.
    pub tax: Money,
}

/// A rule of EN 16931 that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FaultSummary {
    /// The name of the rule.
    pub rule: String,
    /// Where.
    pub field: String,
}

/// An amount that is not what the lines come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DifferenceSummary {
    /// The business term, as in `BT-109`.
    pub term: String,
    /// Which amount.
    pub field: String,
    /// What the document says.
    pub claimed: Option<Money>,
    /// What it comes to.
    pub computed: Option<Money>,
}

/// What the document says beside its totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// Who sells.
    pub seller: PartySummary,
    /// Who buys.
    pub buyer: PartySummary,
    /// Its lines.
    pub lines: Vec<LineSummary>,
    /// Its VAT.
    pub vat: Vec<VatSummary>,
    /// The accounts to pay to.
    pub accounts: Vec<String>,
    /// What the payer must write.
    pub payment_reference: Option<String>,
    /// Our purchase order.
    pub purchase_order: Option<String>,
    /// What we asked to find there.
    pub buyer_reference: Option<String>,
    /// The invoices that it corrects or follows.
    pub preceding: Vec<String>,
    /// Its notes.
    pub notes: Vec<String>,
    /// The rules of EN 16931 that it breaks.
    pub faults: Vec<FaultSummary>,
    /// Where its amounts do not agree with its lines.
    pub differences: Vec<DifferenceSummary>,
}

/// What the document says it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claims {
    pub net: Minor,
    pub vat: Minor,
    pub gross: Minor,
    pub payable: Minor,
}

/// How it is written.
pub(super) const fn syntax_name(syntax: Syntax) -> &'static str {
    match syntax {
        Syntax::UblInvoice => "ubl_invoice",
        Syntax::UblCreditNote => "ubl_credit_note",
        Syntax::Cii => "cii",
    }
}

pub(super) const fn kind(kind: Kind) -> SupplierDocument {
    match kind {
        Kind::CreditNote => SupplierDocument::CreditNote,
        Kind::Invoice | Kind::Partial | Kind::Prepayment => SupplierDocument::Invoice,
    }
}

/// The totals that the document states; those without which it cannot be paid must be there.
pub(super) fn claims(incoming: &Incoming) -> Result<Claims, Refused> {
    let said = &incoming.claimed;
    let needed = |amount: Option<Minor>, at: &str| amount.ok_or_else(|| Refused::Missing { at: at.to_owned() });
    let (net, gross) = (needed(said.net, "BT-109")?, needed(said.gross, "BT-112")?);
    Ok(Claims { net, vat: said.tax.unwrap_or_default(), gross, payable: said.payable.unwrap_or(gross) })
}

/// Control characters and those that change the reading direction: where, if there are any.
pub(super) fn hostile_field(incoming: &Incoming) -> Option<&str> {
    incoming.faults.iter().find(|fault| fault.rule == "XML-CHARACTERS").map(|fault| fault.field.as_str())
}

/// Notes what of the names cannot be kept.
pub(super) fn check_names(incoming: &Incoming, checks: &mut Checks) {
    checks.text(&incoming.facts.seller.name, "/seller/name", 1, 200);
    checks.text(&incoming.facts.number, "/number", 1, 140);
}

/// By what a supplier is told from others: its VAT number, else its number in a register, else its name.
pub(super) fn supplier_key(seller: &Party) -> String {
    let register = seller.registration.as_ref().or(seller.identifiers.first());
    let key = match (seller.vat_id.as_deref(), register) {
        (Some(vat), _) => identifiers::vat_number(vat).unwrap_or_else(|| vat.to_uppercase()),
        (None, Some(id)) => written(id),
        (None, None) => format!("name:{}", seller.name.trim().to_lowercase()),
    };
    key.chars().take(220).collect()
}

/// Every number by which a buyer may be one of our entities: digits of its register, and VAT numbers.
pub(super) fn buyer_numbers(buyer: &Party) -> Vec<String> {
    let ids = buyer.identifiers.iter().chain(&buyer.registration).chain(&buyer.electronic_address);
    let texts = ids.map(|id| id.value.as_str()).chain(buyer.vat_id.as_deref());
    let mut numbers = Vec::new();
    for text in texts {
        numbers.extend(identifiers::vat_number(text));
        numbers.extend(identifiers::belgian_enterprise_number(text));
        numbers.push(text.chars().filter(char::is_ascii_alphanumeric).collect());
    }
    numbers.retain(|number| !number.is_empty());
    numbers
}

fn written(id: &Identifier) -> String {
    id.scheme.as_ref().map_or_else(|| id.value.clone(), |scheme| format!("{scheme}:{}", id.value))
}

fn party(party: &Party) -> PartySummary {
    PartySummary {
        name: party.name.clone(),
        vat_number: party.vat_id.clone(),
        registration: party.registration.as_ref().map(written),
        electronic_address: party.electronic_address.as_ref().map(written),
        country: party.address.country.clone(),
    }
}

fn line(line: &Line, net: Option<Minor>, currency: Currency) -> LineSummary {
    LineSummary {
        id: line.id.clone(),
        name: line.name.clone(),
        description: line.description.clone(),
        quantity: line.quantity.to_string(),
        unit: line.unit.clone(),
        price: line.price.net.to_string(),
        net: net.map(|amount_minor| Money { amount_minor, currency }),
        vat_category: line.vat.category.to_string(),
        vat_percent: line.vat.rate.to_percent(),
    }
}

/// What is shown of a document.
pub(super) fn summary(incoming: &Incoming) -> Summary {
    let facts = &incoming.facts;
    let money = |amount_minor: Minor| Money { amount_minor, currency: facts.currency };
    let vat = |row: &ClaimedVat| VatSummary {
        category: row.vat.category.to_string(),
        percent: row.vat.rate.to_percent(),
        base: money(row.base),
        tax: money(row.tax),
    };
    let payment = facts.payment.as_ref();
    Summary {
        seller: party(&facts.seller),
        buyer: party(&facts.buyer),
        lines: facts
            .lines
            .iter()
            .enumerate()
            .map(|(n, it)| line(it, incoming.claimed.lines.get(n).copied(), facts.currency))
            .collect(),
        vat: incoming.claimed.vat.iter().map(vat).collect(),
        accounts: payment.map(|it| it.accounts.iter().map(|one| one.id.clone()).collect()).unwrap_or_default(),
        payment_reference: payment.and_then(|it| it.reference.clone()),
        purchase_order: facts.purchase_order.clone(),
        buyer_reference: facts.buyer_reference.clone(),
        preceding: facts.preceding.iter().map(|one| one.number.clone()).collect(),
        notes: facts.notes.iter().map(|note| note.text.clone()).collect(),
        faults: incoming
            .faults
            .iter()
            .map(|fault| FaultSummary { rule: fault.rule.to_owned(), field: fault.field.clone() })
            .collect(),
        differences: incoming
            .differences
            .iter()
            .map(|it| DifferenceSummary {
                term: it.term.to_owned(),
                field: it.field.clone(),
                claimed: it.claimed.map(money),
                computed: it.computed.map(money),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buyer(vat: Option<&str>, register: Option<(&str, &str)>) -> Party {
        let registration = register.map(|(scheme, value)| Identifier::of(scheme, value));
        Party { name: "X".to_owned(), vat_id: vat.map(str::to_owned), registration, ..Party::default() }
    }

    #[test]
    fn a_buyer_is_known_by_any_of_its_numbers() {
        let numbers = buyer_numbers(&buyer(Some("BE 0123.456.749"), None));
        assert!(numbers.contains(&"BE0123456749".to_owned()), "{numbers:?}");
        let numbers = buyer_numbers(&buyer(None, Some(("0208", "0123.456.749"))));
        assert!(numbers.contains(&"0123456749".to_owned()), "{numbers:?}");
        assert!(buyer_numbers(&buyer(None, None)).is_empty());
    }

    #[test]
    fn a_supplier_is_told_by_its_vat_number_else_its_register_else_its_name() {
        let key = |vat, register| supplier_key(&buyer(vat, register));
        assert_eq!(key(Some("be0403.019.261"), Some(("0208", "1"))), "BE0403019261");
        assert_eq!(key(None, Some(("0002", "732829320"))), "0002:732829320");
        assert_eq!(key(None, None), "name:x");
    }
}
