//! The semantic model of EN 16931-1: what an invoice says, each field under the number of its business term (BT) or
//! group (BG). Nothing is computed here; see [`super::Document`].

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::kernel::money::{Currency, Minor, Ppm};
use crate::named;

named! {
    /// What the document is (BT-3, UNTDID 1001).
    Kind {
        /// A commercial invoice; also the last one of an order, with what was paid before as BT-113.
        Invoice = "380",
        /// Gives back what an invoice asked for; all amounts keep the sign of the invoice.
        CreditNote = "381",
        /// An invoice for a part of the work. Peppol does not take it: there an invoice for a part is a commercial one.
        Partial = "326",
        /// A deposit, before the work.
        Prepayment = "386",
    }
}

named! {
    /// How VAT applies (BT-118, BT-151, BT-95, BT-102; UNTDID 5305).
    Category {
        /// A rate above zero.
        Standard = "S",
        /// A rate of zero per cent.
        Zero = "Z",
        /// Exempt, with a reason.
        Exempt = "E",
        /// The buyer accounts for the tax.
        ReverseCharge = "AE",
        /// Goods to another member state.
        IntraCommunity = "K",
        /// Goods that leave the Union.
        Export = "G",
        /// Outside the scope of VAT; stands alone in a document, which then names no VAT number at all.
        OutsideScope = "O",
        /// The tax of the Canary Islands: only read, never ours.
        Igic = "L",
        /// The tax of Ceuta and Melilla: only read, never ours.
        Ipsi = "M",
    }
}

/// Everything that an invoice or a credit note states, before it is added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// BT-3: what the document is.
    pub kind: Kind,
    /// BT-1: the number in its series.
    pub number: String,
    /// BT-2: the day of issue.
    pub issued_on: NaiveDate,
    /// BT-9: the last day to pay.
    pub due_on: Option<NaiveDate>,
    /// BT-7: the day on which the tax becomes due, where it is neither of the others.
    pub tax_point_on: Option<NaiveDate>,
    /// BT-5: of every amount but BT-111.
    pub currency: Currency,
    /// BT-6 and BT-111: the VAT total once more, in the currency in which the seller declares it.
    pub vat_accounting: Option<VatAccounting>,
    /// BT-10: what the buyer asked to find here.
    pub buyer_reference: Option<String>,
    /// BT-11: the project.
    pub project: Option<String>,
    /// BT-12: the contract.
    pub contract: Option<String>,
    /// BT-13: the buyer's purchase order.
    pub purchase_order: Option<String>,
    /// BT-14: the seller's order.
    pub sales_order: Option<String>,
    /// BT-19: where the buyer books it.
    pub accounting_reference: Option<String>,
    /// BT-20: the payment terms, for people.
    pub payment_terms: Option<String>,
    /// BG-1: notes; at most one without a subject, and it comes first.
    pub notes: Vec<Note>,
    /// BG-3: the invoices that this document corrects or follows.
    pub preceding: Vec<Preceding>,
    /// BG-4: who sells.
    pub seller: Party,
    /// BG-7: who buys.
    pub buyer: Party,
    /// BG-13: where and when it was delivered.
    pub delivery: Option<Delivery>,
    /// BG-14: the period invoiced.
    pub period: Option<Period>,
    /// BG-16: how to pay.
    pub payment: Option<Payment>,
    /// BG-20: what is taken off the whole document.
    pub allowances: Vec<Adjustment>,
    /// BG-21: what is added to the whole document.
    pub charges: Vec<Adjustment>,
    /// BG-23, as far as it cannot be computed: why a category bears no tax, and what rounding left of the tax.
    pub vat: Vec<VatTerms>,
    /// BT-113: what was paid before; never negative.
    pub paid: Minor,
    /// BT-114: what rounds the amount to pay (a cash payment), of either sign.
    pub rounding: Minor,
    /// BG-24: supporting documents.
    pub attachments: Vec<Attachment>,
    /// BG-25: the lines.
    pub lines: Vec<Line>,
}

/// The VAT total in a second currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct VatAccounting {
    /// BT-6: another currency than BT-5.
    pub currency: Currency,
    /// BT-111: the VAT total in it, converted by the caller.
    pub tax: Minor,
}

/// A note (BG-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// BT-21: what the note is about (UNTDID 4451), as in `PMD`.
    pub subject: Option<String>,
    /// BT-22: the note.
    pub text: String,
}

/// An earlier invoice (BG-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preceding {
    /// BT-25: its number.
    pub number: String,
    /// BT-26: its day of issue.
    pub issued_on: Option<NaiveDate>,
}

/// An identifier with the list it is taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identifier {
    /// The identifier, without blanks.
    pub value: String,
    /// The list: ISO 6523 ICD for registrations (`0208` Belgian enterprise number, `0002` SIREN, `0009` SIRET, `0060`
    /// DUNS, `0088` GLN), the EAS list for electronic addresses (those, and `9925` Belgian VAT number, `EM` e-mail).
    pub scheme: Option<String>,
}

/// Seller (BG-4) or buyer (BG-7).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Party {
    /// BT-27, BT-44: the name in law.
    pub name: String,
    /// BT-28, BT-45: the name in trade.
    pub trading_name: Option<String>,
    /// BT-29, BT-46: other identifiers (GLN, SIRET); a buyer has at most one.
    pub identifiers: Vec<Identifier>,
    /// BT-30, BT-47: the number in the register of enterprises.
    pub registration: Option<Identifier>,
    /// BT-31, BT-48: the VAT number with its country.
    pub vat_id: Option<String>,
    /// BT-32: the local tax number of a seller; a buyer has none.
    pub tax_registration: Option<String>,
    /// BT-33: legal form, capital and register of a seller; a buyer has none.
    pub legal_information: Option<String>,
    /// BT-34, BT-49: where electronic invoices reach the party.
    pub electronic_address: Option<Identifier>,
    /// BG-5, BG-8: the address.
    pub address: Address,
    /// BG-6, BG-9: whom to ask.
    pub contact: Option<Contact>,
}

/// A postal address (BG-5, BG-8, BG-15).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Address {
    /// BT-35, BT-50, BT-75: street and number.
    pub line1: Option<String>,
    /// BT-36, BT-51, BT-76: a second line.
    pub line2: Option<String>,
    /// BT-162, BT-163, BT-165: a third line.
    pub line3: Option<String>,
    /// BT-37, BT-52, BT-77: the town.
    pub city: Option<String>,
    /// BT-38, BT-53, BT-78: the post code.
    pub post_code: Option<String>,
    /// BT-39, BT-54, BT-79: the region.
    pub subdivision: Option<String>,
    /// BT-40, BT-55, BT-80: ISO 3166-1 alpha-2.
    pub country: String,
}

/// Whom to ask (BG-6, BG-9).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Contact {
    /// BT-41, BT-56: a person or an office.
    pub name: Option<String>,
    /// BT-42, BT-57: a telephone number.
    pub phone: Option<String>,
    /// BT-43, BT-58: an e-mail address.
    pub email: Option<String>,
}

/// Delivery (BG-13).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// BT-70: who received it.
    pub name: Option<String>,
    /// BT-72: the day.
    pub on: Option<NaiveDate>,
    /// BG-15: the place; a country alone is enough.
    pub address: Option<Address>,
}

/// From the first day to the last (BG-14, BG-26); at least one of the two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Period {
    /// BT-73, BT-134: the first day.
    pub from: Option<NaiveDate>,
    /// BT-74, BT-135: the last day.
    pub to: Option<NaiveDate>,
}

/// How to pay (BG-16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payment {
    /// BT-81: UNTDID 4461, `30` credit transfer, `58` SEPA credit transfer.
    pub means: String,
    /// BT-83: what the payer must write.
    pub reference: Option<String>,
    /// BG-17: the accounts to pay to, the first preferred.
    pub accounts: Vec<Account>,
}

/// An account to pay to (BG-17).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// BT-84: the IBAN without blanks, or the number of an account outside the IBAN countries.
    pub id: String,
    /// BT-85: the holder as the bank knows it.
    pub name: Option<String>,
    /// BT-86: the BIC of the bank.
    pub bic: Option<String>,
}

/// VAT of a line, an allowance or a charge (BG-30).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Vat {
    /// BT-151, BT-95, BT-102.
    pub category: Category,
    /// BT-152, BT-96, BT-103; nothing when outside the scope.
    pub rate: Ppm,
}

/// An allowance or a charge on the document (BG-20, BG-21).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adjustment {
    /// BT-92, BT-99: without VAT.
    pub amount: Minor,
    /// BT-93 and BT-94, BT-100 and BT-101: so many per cent of so much.
    pub share: Option<Share>,
    /// BT-97, BT-104: why.
    pub reason: Option<String>,
    /// BT-98 (UNTDID 5189), BT-105 (UNTDID 7161): why, as a code.
    pub code: Option<String>,
    /// BT-95 and BT-96, BT-102 and BT-103.
    pub vat: Vat,
}

/// An allowance or a charge on a line (BG-27, BG-28); its VAT is that of the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineAdjustment {
    /// BT-136, BT-141: without VAT.
    pub amount: Minor,
    /// BT-137 and BT-138, BT-142 and BT-143: so many per cent of so much.
    pub share: Option<Share>,
    /// BT-139, BT-144: why.
    pub reason: Option<String>,
    /// BT-140 (UNTDID 5189), BT-145 (UNTDID 7161): why, as a code.
    pub code: Option<String>,
}

/// A percentage of a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Share {
    /// BT-93, BT-100, BT-137, BT-142: of what.
    pub base: Minor,
    /// BT-94, BT-101, BT-138, BT-143: how much of it.
    pub rate: Ppm,
}

/// What the breakdown (BG-23) says about one category and rate beyond its sums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VatTerms {
    /// BT-118 and BT-119: of which.
    pub vat: Vat,
    /// BT-120: why no tax is due, in words.
    pub reason: Option<String>,
    /// BT-121: why no tax is due, from the VATEX list.
    pub code: Option<String>,
    /// BT-117, where it is not the rounded product: the last of several credit notes takes what rounding left. Less than
    /// one unit of the currency from the product (BR-CO-17).
    pub tax: Option<Minor>,
}

/// A supporting document (BG-24).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// BT-122: its reference.
    pub id: String,
    /// BT-123: what it is.
    pub description: Option<String>,
    /// BT-124: where it is found.
    pub location: Option<String>,
    /// BT-125: the document itself.
    pub file: Option<File>,
}

/// An embedded file (BT-125).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its name, without a folder.
    pub name: String,
    /// PDF, PNG, JPEG, CSV, XLSX or ODS.
    pub mime: String,
    /// Its bytes.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// A line (BG-25).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// BT-126: unique in the document.
    pub id: String,
    /// BT-127: a note.
    pub note: Option<String>,
    /// BT-129: how many units; may be negative where a line takes another back.
    pub quantity: Decimal,
    /// BT-130: UN/ECE Recommendation 20 or 21, `HUR` hour, `DAY` day, `C62` piece.
    pub unit: String,
    /// BG-29: the price of one unit.
    pub price: Price,
    /// BG-27: what is taken off.
    pub allowances: Vec<LineAdjustment>,
    /// BG-28: what is added.
    pub charges: Vec<LineAdjustment>,
    /// BG-26: the period of the line, within that of the document.
    pub period: Option<Period>,
    /// BT-132: the line of the purchase order.
    pub order_line: Option<String>,
    /// BT-133: where the buyer books it.
    pub accounting_reference: Option<String>,
    /// BT-153: what it is, in short.
    pub name: String,
    /// BT-154: what it is, at length.
    pub description: Option<String>,
    /// BT-155: the seller's number of it.
    pub seller_item_id: Option<String>,
    /// BT-156: the buyer's number of it.
    pub buyer_item_id: Option<String>,
    /// BG-30: its VAT.
    pub vat: Vat,
}

/// The price of an item (BG-29), in whole units of the currency, without VAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Price {
    /// BT-146: what is multiplied; never negative.
    pub net: Decimal,
    /// BT-148: before the discount, which is the difference (BT-147).
    pub gross: Option<Decimal>,
    /// BT-149: the price is that of so many units; one when nothing is said.
    pub base_quantity: Option<Decimal>,
}

impl Facts {
    /// The least that a document says; everything else is added by field.
    #[must_use]
    pub fn new(
        kind: Kind,
        number: impl Into<String>,
        issued_on: NaiveDate,
        currency: Currency,
        (seller, buyer): (Party, Party),
    ) -> Self {
        Self {
            kind,
            number: number.into(),
            issued_on,
            due_on: None,
            tax_point_on: None,
            currency,
            vat_accounting: None,
            buyer_reference: None,
            project: None,
            contract: None,
            purchase_order: None,
            sales_order: None,
            accounting_reference: None,
            payment_terms: None,
            notes: Vec::new(),
            preceding: Vec::new(),
            seller,
            buyer,
            delivery: None,
            period: None,
            payment: None,
            allowances: Vec::new(),
            charges: Vec::new(),
            vat: Vec::new(),
            paid: Minor::ZERO,
            rounding: Minor::ZERO,
            attachments: Vec::new(),
            lines: Vec::new(),
        }
    }
}

impl Line {
    /// The least that a line says; everything else is added by field.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        quantity: Decimal,
        unit: &str,
        price: Decimal,
        vat: Vat,
    ) -> Self {
        Self {
            id: id.into(),
            note: None,
            quantity,
            unit: unit.to_owned(),
            price: Price { net: price, gross: None, base_quantity: None },
            allowances: Vec::new(),
            charges: Vec::new(),
            period: None,
            order_line: None,
            accounting_reference: None,
            name: name.into(),
            description: None,
            seller_item_id: None,
            buyer_item_id: None,
            vat,
        }
    }
}

impl Identifier {
    /// An identifier of a list.
    #[must_use]
    pub fn of(scheme: &str, value: impl Into<String>) -> Self {
        Self { value: value.into(), scheme: Some(scheme.to_owned()) }
    }
}
