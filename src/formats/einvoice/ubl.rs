//! UBL 2.1 `Invoice` and `CreditNote`, as Peppol BIS Billing 3.0 wants them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;

use super::model::{
    Address, Adjustment, Attachment, Category, Delivery, Facts, Kind, Line, LineAdjustment, Note, Party, Period, Price,
    Share, Vat,
};
use super::xml::Xml;
use super::{Document, Faults, Totals, rules};
use crate::kernel::money::{Currency, Minor, Ppm, to_plain};

const CAC: &str = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2";
const CBC: &str = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2";
/// The namespace of an invoice.
pub(super) const INVOICE: &str = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2";
/// The namespace of a credit note.
pub(super) const CREDIT_NOTE: &str = "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2";
/// BT-24.
pub const CUSTOMIZATION: &str = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0";
/// BT-23.
pub const PROFILE: &str = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0";
/// What stands for a purchase order that is not known, where the seller's order is.
pub(super) const NO_ORDER: &str = "NA";

/// Writes the document; the same document gives the same bytes.
///
/// # Errors
/// Refuses with everything that Peppol would refuse and EN 16931 would not: electronic addresses of both parties, a
/// reference of the buyer, national rules.
pub fn write(document: &Document) -> Result<Vec<u8>, Faults> {
    let (facts, totals) = (document.facts(), document.totals());
    rules::peppol(facts, totals)?;
    let is_credit = facts.kind == Kind::CreditNote;
    let (root, namespace) = if is_credit { ("CreditNote", CREDIT_NOTE) } else { ("Invoice", INVOICE) };
    let writer = Writer { currency: facts.currency, is_credit };
    let namespaces = [("xmlns", namespace), ("xmlns:cac", CAC), ("xmlns:cbc", CBC)];
    Ok(Xml::document(root, &namespaces, |xml| {
        writer.head(xml, facts);
        writer.references(xml, facts);
        xml.within("cac:AccountingSupplierParty/cac:Party", |xml| party(xml, &facts.seller));
        xml.within("cac:AccountingCustomerParty/cac:Party", |xml| party(xml, &facts.buyer));
        if let Some(delivery) = &facts.delivery {
            xml.within("cac:Delivery", |xml| write_delivery(xml, delivery));
        }
        writer.payment(xml, facts);
        for (is_charge, adjustments) in [(false, &facts.allowances), (true, &facts.charges)] {
            for adjustment in adjustments {
                xml.within("cac:AllowanceCharge", |xml| writer.adjustment(xml, is_charge, adjustment));
            }
        }
        writer.totals(xml, facts, totals);
        let name = if is_credit { "cac:CreditNoteLine" } else { "cac:InvoiceLine" };
        for (line, net) in facts.lines.iter().zip(&totals.lines) {
            xml.within(name, |xml| writer.line(xml, line, *net));
        }
    }))
}

/// What every part of one document needs to know.
struct Writer {
    currency: Currency,
    is_credit: bool,
}

impl Writer {
    fn head(&self, xml: &mut Xml, facts: &Facts) {
        xml.leaf("cbc:CustomizationID", CUSTOMIZATION);
        xml.leaf("cbc:ProfileID", PROFILE);
        xml.leaf("cbc:ID", &facts.number);
        xml.leaf("cbc:IssueDate", &facts.issued_on.to_string());
        let note = joined(&facts.notes);
        let tax_point = facts.tax_point_on.map(|day| day.to_string());
        if self.is_credit {
            xml.leaf_if("cbc:TaxPointDate", tax_point.as_deref());
            xml.leaf("cbc:CreditNoteTypeCode", facts.kind.name());
            xml.leaf_if("cbc:Note", note.as_deref());
        } else {
            xml.leaf_if("cbc:DueDate", facts.due_on.map(|day| day.to_string()).as_deref());
            xml.leaf("cbc:InvoiceTypeCode", facts.kind.name());
            xml.leaf_if("cbc:Note", note.as_deref());
            xml.leaf_if("cbc:TaxPointDate", tax_point.as_deref());
        }
        xml.leaf("cbc:DocumentCurrencyCode", facts.currency.code());
        let accounting = facts.vat_accounting.map(|accounting| accounting.currency);
        xml.leaf_if("cbc:TaxCurrencyCode", accounting.as_ref().map(Currency::code));
        xml.leaf_if("cbc:AccountingCost", facts.accounting_reference.as_deref());
        xml.leaf_if("cbc:BuyerReference", facts.buyer_reference.as_deref());
    }

    fn references(&self, xml: &mut Xml, facts: &Facts) {
        if let Some(of) = facts.period {
            period(xml, of);
        }
        if facts.purchase_order.is_some() || facts.sales_order.is_some() {
            xml.within("cac:OrderReference", |xml| {
                xml.leaf("cbc:ID", facts.purchase_order.as_deref().unwrap_or(NO_ORDER));
                xml.leaf_if("cbc:SalesOrderID", facts.sales_order.as_deref());
            });
        }
        for preceding in &facts.preceding {
            xml.within("cac:BillingReference/cac:InvoiceDocumentReference", |xml| {
                xml.leaf("cbc:ID", &preceding.number);
                xml.leaf_if("cbc:IssueDate", preceding.issued_on.map(|day| day.to_string()).as_deref());
            });
        }
        xml.leaf_if("cac:ContractDocumentReference/cbc:ID", facts.contract.as_deref());
        for attachment in &facts.attachments {
            xml.within("cac:AdditionalDocumentReference", |xml| write_attachment(xml, attachment));
        }
        if let Some(project) = &facts.project {
            if self.is_credit {
                // A credit note has no element for a project: Peppol names it as a document of type 50.
                xml.within("cac:AdditionalDocumentReference", |xml| {
                    xml.leaf("cbc:ID", project);
                    xml.leaf("cbc:DocumentTypeCode", "50");
                });
            } else {
                xml.leaf("cac:ProjectReference/cbc:ID", project);
            }
        }
    }

    fn payment(&self, xml: &mut Xml, facts: &Facts) {
        if let Some(payment) = &facts.payment {
            // One element for each account; the due date of a credit note stands in the first.
            let accounts = payment.accounts.iter().map(Some).chain(payment.accounts.is_empty().then_some(None));
            for (index, account) in accounts.enumerate() {
                let due_on = facts.due_on.filter(|_| self.is_credit && index == 0);
                xml.within("cac:PaymentMeans", |xml| {
                    xml.leaf("cbc:PaymentMeansCode", &payment.means);
                    xml.leaf_if("cbc:PaymentDueDate", due_on.map(|day| day.to_string()).as_deref());
                    xml.leaf_if("cbc:PaymentID", payment.reference.as_deref());
                    let Some(account) = account else { return };
                    xml.within("cac:PayeeFinancialAccount", |xml| {
                        xml.leaf("cbc:ID", &account.id);
                        xml.leaf_if("cbc:Name", account.name.as_deref());
                        xml.leaf_if("cac:FinancialInstitutionBranch/cbc:ID", account.bic.as_deref());
                    });
                });
            }
        }
        xml.leaf_if("cac:PaymentTerms/cbc:Note", facts.payment_terms.as_deref());
    }

    fn adjustment(&self, xml: &mut Xml, is_charge: bool, adjustment: &Adjustment) {
        let Adjustment { amount, share, reason, code, vat } = adjustment;
        self.adjusted(xml, is_charge, *amount, *share, (code.as_deref(), reason.as_deref()));
        xml.within("cac:TaxCategory", |xml| {
            category(xml, *vat);
            tax_scheme(xml);
        });
    }

    fn line_adjustment(&self, xml: &mut Xml, is_charge: bool, adjustment: &LineAdjustment) {
        let LineAdjustment { amount, share, reason, code } = adjustment;
        self.adjusted(xml, is_charge, *amount, *share, (code.as_deref(), reason.as_deref()));
    }

    fn adjusted(
        &self,
        xml: &mut Xml,
        is_charge: bool,
        amount: Minor,
        share: Option<Share>,
        (code, reason): (Option<&str>, Option<&str>),
    ) {
        xml.leaf("cbc:ChargeIndicator", if is_charge { "true" } else { "false" });
        xml.leaf_if("cbc:AllowanceChargeReasonCode", code);
        xml.leaf_if("cbc:AllowanceChargeReason", reason);
        xml.leaf_if("cbc:MultiplierFactorNumeric", share.map(|share| share.rate.to_percent()).as_deref());
        self.amount(xml, "cbc:Amount", amount);
        if let Some(share) = share {
            self.amount(xml, "cbc:BaseAmount", share.base);
        }
    }

    fn totals(&self, xml: &mut Xml, facts: &Facts, totals: &Totals) {
        xml.within("cac:TaxTotal", |xml| {
            self.amount(xml, "cbc:TaxAmount", totals.tax);
            for row in &totals.vat {
                xml.within("cac:TaxSubtotal", |xml| {
                    self.amount(xml, "cbc:TaxableAmount", row.base);
                    self.amount(xml, "cbc:TaxAmount", row.tax);
                    xml.within("cac:TaxCategory", |xml| {
                        category(xml, row.vat);
                        xml.leaf_if("cbc:TaxExemptionReasonCode", row.code.as_deref());
                        xml.leaf_if("cbc:TaxExemptionReason", row.reason.as_deref());
                        tax_scheme(xml);
                    });
                });
            }
        });
        if let Some(accounting) = facts.vat_accounting {
            xml.within("cac:TaxTotal", |xml| amount(xml, "cbc:TaxAmount", accounting.tax, accounting.currency));
        }
        xml.within("cac:LegalMonetaryTotal", |xml| {
            self.amount(xml, "cbc:LineExtensionAmount", totals.line_total);
            self.amount(xml, "cbc:TaxExclusiveAmount", totals.net);
            self.amount(xml, "cbc:TaxInclusiveAmount", totals.gross);
            let optional = [
                ("cbc:AllowanceTotalAmount", totals.allowance_total, !facts.allowances.is_empty()),
                ("cbc:ChargeTotalAmount", totals.charge_total, !facts.charges.is_empty()),
                ("cbc:PrepaidAmount", facts.paid, facts.paid != Minor::ZERO),
                ("cbc:PayableRoundingAmount", facts.rounding, facts.rounding != Minor::ZERO),
            ];
            for (name, amount, is_said) in optional {
                if is_said {
                    self.amount(xml, name, amount);
                }
            }
            self.amount(xml, "cbc:PayableAmount", totals.payable);
        });
    }

    fn line(&self, xml: &mut Xml, line: &Line, net: Minor) {
        xml.leaf("cbc:ID", &line.id);
        xml.leaf_if("cbc:Note", line.note.as_deref());
        let quantity = if self.is_credit { "cbc:CreditedQuantity" } else { "cbc:InvoicedQuantity" };
        xml.leaf_with(quantity, &[("unitCode", &line.unit)], &decimal(line.quantity));
        self.amount(xml, "cbc:LineExtensionAmount", net);
        xml.leaf_if("cbc:AccountingCost", line.accounting_reference.as_deref());
        if let Some(of) = line.period {
            period(xml, of);
        }
        xml.leaf_if("cac:OrderLineReference/cbc:LineID", line.order_line.as_deref());
        for (is_charge, adjustments) in [(false, &line.allowances), (true, &line.charges)] {
            for adjustment in adjustments {
                xml.within("cac:AllowanceCharge", |xml| self.line_adjustment(xml, is_charge, adjustment));
            }
        }
        xml.within("cac:Item", |xml| {
            xml.leaf_if("cbc:Description", line.description.as_deref());
            xml.leaf("cbc:Name", &line.name);
            xml.leaf_if("cac:BuyersItemIdentification/cbc:ID", line.buyer_item_id.as_deref());
            xml.leaf_if("cac:SellersItemIdentification/cbc:ID", line.seller_item_id.as_deref());
            xml.within("cac:ClassifiedTaxCategory", |xml| {
                category(xml, line.vat);
                tax_scheme(xml);
            });
        });
        xml.within("cac:Price", |xml| self.price(xml, line.price, &line.unit));
    }

    fn price(&self, xml: &mut Xml, price: Price, unit: &str) {
        let currency = [("currencyID", self.currency.code())];
        xml.leaf_with("cbc:PriceAmount", &currency, &decimal(price.net));
        if let Some(base) = price.base_quantity {
            xml.leaf_with("cbc:BaseQuantity", &[("unitCode", unit)], &decimal(base));
        }
        if let Some(gross) = price.gross {
            xml.within("cac:AllowanceCharge", |xml| {
                xml.leaf("cbc:ChargeIndicator", "false");
                xml.leaf_with("cbc:Amount", &currency, &decimal(gross.saturating_sub(price.net)));
                xml.leaf_with("cbc:BaseAmount", &currency, &decimal(gross));
            });
        }
    }

    fn amount(&self, xml: &mut Xml, name: &str, minor: Minor) {
        amount(xml, name, minor, self.currency);
    }
}

fn amount(xml: &mut Xml, name: &str, minor: Minor, currency: Currency) {
    xml.leaf_with(name, &[("currencyID", currency.code())], &to_plain(minor, currency.exponent()));
}

fn party(xml: &mut Xml, party: &Party) {
    if let Some(address) = &party.electronic_address {
        xml.id("cbc:EndpointID", &address.value, address.scheme.as_deref());
    }
    for identifier in &party.identifiers {
        xml.within("cac:PartyIdentification", |xml| xml.id("cbc:ID", &identifier.value, identifier.scheme.as_deref()));
    }
    xml.leaf_if("cac:PartyName/cbc:Name", party.trading_name.as_deref());
    xml.within("cac:PostalAddress", |xml| postal(xml, &party.address));
    for (id, scheme) in [(&party.vat_id, "VAT"), (&party.tax_registration, "TAX")] {
        if let Some(id) = id {
            xml.within("cac:PartyTaxScheme", |xml| {
                xml.leaf("cbc:CompanyID", id);
                xml.leaf("cac:TaxScheme/cbc:ID", scheme);
            });
        }
    }
    xml.within("cac:PartyLegalEntity", |xml| {
        xml.leaf("cbc:RegistrationName", &party.name);
        if let Some(registration) = &party.registration {
            xml.id("cbc:CompanyID", &registration.value, registration.scheme.as_deref());
        }
        xml.leaf_if("cbc:CompanyLegalForm", party.legal_information.as_deref());
    });
    if let Some(contact) = &party.contact {
        xml.within("cac:Contact", |xml| {
            xml.leaf_if("cbc:Name", contact.name.as_deref());
            xml.leaf_if("cbc:Telephone", contact.phone.as_deref());
            xml.leaf_if("cbc:ElectronicMail", contact.email.as_deref());
        });
    }
}

fn postal(xml: &mut Xml, address: &Address) {
    xml.leaf_if("cbc:StreetName", address.line1.as_deref());
    xml.leaf_if("cbc:AdditionalStreetName", address.line2.as_deref());
    xml.leaf_if("cbc:CityName", address.city.as_deref());
    xml.leaf_if("cbc:PostalZone", address.post_code.as_deref());
    xml.leaf_if("cbc:CountrySubentity", address.subdivision.as_deref());
    xml.leaf_if("cac:AddressLine/cbc:Line", address.line3.as_deref());
    xml.leaf("cac:Country/cbc:IdentificationCode", &address.country);
}

fn write_delivery(xml: &mut Xml, delivery: &Delivery) {
    xml.leaf_if("cbc:ActualDeliveryDate", delivery.on.map(|day| day.to_string()).as_deref());
    if let Some(address) = &delivery.address {
        xml.within("cac:DeliveryLocation/cac:Address", |xml| postal(xml, address));
    }
    xml.leaf_if("cac:DeliveryParty/cac:PartyName/cbc:Name", delivery.name.as_deref());
}

fn write_attachment(xml: &mut Xml, attachment: &Attachment) {
    xml.leaf("cbc:ID", &attachment.id);
    xml.leaf_if("cbc:DocumentDescription", attachment.description.as_deref());
    if attachment.file.is_none() && attachment.location.is_none() {
        return;
    }
    xml.within("cac:Attachment", |xml| {
        if let Some(file) = &attachment.file {
            let attributes = [("mimeCode", file.mime.as_str()), ("filename", file.name.as_str())];
            xml.leaf_with("cbc:EmbeddedDocumentBinaryObject", &attributes, &STANDARD.encode(&file.bytes));
        }
        xml.leaf_if("cac:ExternalReference/cbc:URI", attachment.location.as_deref());
    });
}

fn period(xml: &mut Xml, period: Period) {
    xml.within("cac:InvoicePeriod", |xml| {
        xml.leaf_if("cbc:StartDate", period.from.map(|day| day.to_string()).as_deref());
        xml.leaf_if("cbc:EndDate", period.to.map(|day| day.to_string()).as_deref());
    });
}

/// The category and its rate; outside the scope there is none.
fn category(xml: &mut Xml, vat: Vat) {
    xml.leaf("cbc:ID", vat.category.name());
    xml.leaf_if("cbc:Percent", percent(vat).as_deref());
}

fn tax_scheme(xml: &mut Xml) {
    xml.leaf("cac:TaxScheme/cbc:ID", "VAT");
}

/// The rate in per cent, unless the category has none.
pub(super) fn percent(vat: Vat) -> Option<String> {
    let Vat { category, rate } = vat;
    (category != Category::OutsideScope).then(|| Ppm::to_percent(rate))
}

/// A quantity or a price without idle zeros.
pub(super) fn decimal(number: Decimal) -> String {
    number.normalize().to_string()
}

/// All notes as the one that Peppol allows: a line each, those with a subject behind it (`#PMD#`).
fn joined(notes: &[Note]) -> Option<String> {
    let lines: Vec<String> = notes
        .iter()
        .map(|note| match &note.subject {
            Some(subject) => format!("#{subject}#{}", note.text),
            None => note.text.clone(),
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
