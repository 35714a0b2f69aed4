//! UN/CEFACT Cross Industry Invoice (D16B), as Factur-X wants it in the profile EN 16931.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDate;

use super::model::{
    Address, Adjustment, Attachment, Facts, Identifier, Line, LineAdjustment, Party, Payment, Period, Share, Vat,
};
use super::ubl::{decimal, percent};
use super::xml::Xml;
use super::{Document, Totals};
use crate::kernel::identifiers;
use crate::kernel::money::{Currency, Minor, to_plain};

/// The namespace of the document.
pub(super) const RSM: &str = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100";
const RAM: &str = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100";
const UDT: &str = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100";
const QDT: &str = "urn:un:unece:uncefact:data:standard:QualifiedDataType:100";
/// BT-24: the profile EN 16931 of Factur-X.
pub const GUIDELINE: &str = "urn:cen.eu:en16931:2017";
/// What CII wants as the name of a project, of which only the number is known.
const PROJECT: &str = "Project reference";

/// Writes the document; the same document gives the same bytes.
#[must_use]
pub fn write(document: &Document) -> Vec<u8> {
    let (facts, totals) = (document.facts(), document.totals());
    let writer = Writer { exponent: facts.currency.exponent() };
    let namespaces = [("xmlns:rsm", RSM), ("xmlns:qdt", QDT), ("xmlns:ram", RAM), ("xmlns:udt", UDT)];
    Xml::document("rsm:CrossIndustryInvoice", &namespaces, |xml| {
        xml.within("rsm:ExchangedDocumentContext", |xml| {
            xml.leaf("ram:GuidelineSpecifiedDocumentContextParameter/ram:ID", GUIDELINE);
        });
        xml.within("rsm:ExchangedDocument", |xml| {
            xml.leaf("ram:ID", &facts.number);
            xml.leaf("ram:TypeCode", facts.kind.name());
            xml.within("ram:IssueDateTime", |xml| day(xml, facts.issued_on));
            for note in &facts.notes {
                xml.within("ram:IncludedNote", |xml| {
                    xml.leaf("ram:Content", &note.text);
                    xml.leaf_if("ram:SubjectCode", note.subject.as_deref());
                });
            }
        });
        xml.within("rsm:SupplyChainTradeTransaction", |xml| {
            for (line, net) in facts.lines.iter().zip(&totals.lines) {
                xml.within("ram:IncludedSupplyChainTradeLineItem", |xml| writer.line(xml, line, *net));
            }
            xml.within("ram:ApplicableHeaderTradeAgreement", |xml| agreement(xml, facts));
            xml.within("ram:ApplicableHeaderTradeDelivery", |xml| delivery(xml, facts));
            xml.within("ram:ApplicableHeaderTradeSettlement", |xml| writer.settlement(xml, facts, totals));
        });
    })
}

/// What every part of one document needs to know.
struct Writer {
    exponent: u32,
}

impl Writer {
    fn line(&self, xml: &mut Xml, line: &Line, net: Minor) {
        xml.within("ram:AssociatedDocumentLineDocument", |xml| {
            xml.leaf("ram:LineID", &line.id);
            xml.leaf_if("ram:IncludedNote/ram:Content", line.note.as_deref());
        });
        xml.within("ram:SpecifiedTradeProduct", |xml| {
            xml.leaf_if("ram:SellerAssignedID", line.seller_item_id.as_deref());
            xml.leaf_if("ram:BuyerAssignedID", line.buyer_item_id.as_deref());
            xml.leaf("ram:Name", &line.name);
            xml.leaf_if("ram:Description", line.description.as_deref());
        });
        xml.within("ram:SpecifiedLineTradeAgreement", |xml| {
            xml.leaf_if("ram:BuyerOrderReferencedDocument/ram:LineID", line.order_line.as_deref());
            let base = line.price.base_quantity.map(decimal);
            let per = |xml: &mut Xml| {
                if let Some(base) = &base {
                    xml.leaf_with("ram:BasisQuantity", &[("unitCode", &line.unit)], base);
                }
            };
            if let Some(gross) = line.price.gross {
                xml.within("ram:GrossPriceProductTradePrice", |xml| {
                    xml.leaf("ram:ChargeAmount", &decimal(gross));
                    per(xml);
                    xml.within("ram:AppliedTradeAllowanceCharge", |xml| {
                        xml.leaf("ram:ChargeIndicator/udt:Indicator", "false");
                        xml.leaf("ram:ActualAmount", &decimal(gross.saturating_sub(line.price.net)));
                    });
                });
            }
            xml.within("ram:NetPriceProductTradePrice", |xml| {
                xml.leaf("ram:ChargeAmount", &decimal(line.price.net));
                per(xml);
            });
        });
        xml.within("ram:SpecifiedLineTradeDelivery", |xml| {
            xml.leaf_with("ram:BilledQuantity", &[("unitCode", &line.unit)], &decimal(line.quantity));
        });
        xml.within("ram:SpecifiedLineTradeSettlement", |xml| {
            xml.within("ram:ApplicableTradeTax", |xml| tax(xml, line.vat));
            if let Some(of) = line.period {
                period(xml, of);
            }
            for (is_charge, adjustments) in [("false", &line.allowances), ("true", &line.charges)] {
                for LineAdjustment { amount, share, reason, code } in adjustments {
                    xml.within("ram:SpecifiedTradeAllowanceCharge", |xml| {
                        self.adjusted(xml, is_charge, *amount, *share, (code.as_deref(), reason.as_deref()));
                    });
                }
            }
            xml.within("ram:SpecifiedTradeSettlementLineMonetarySummation", |xml| {
                self.amount(xml, "ram:LineTotalAmount", net);
            });
            let account = "ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID";
            xml.leaf_if(account, line.accounting_reference.as_deref());
        });
    }

    fn settlement(&self, xml: &mut Xml, facts: &Facts, totals: &Totals) {
        let payment = facts.payment.as_ref();
        xml.leaf_if("ram:PaymentReference", payment.and_then(|payment| payment.reference.as_deref()));
        let accounting = facts.vat_accounting.map(|accounting| accounting.currency);
        xml.leaf_if("ram:TaxCurrencyCode", accounting.as_ref().map(Currency::code));
        xml.leaf("ram:InvoiceCurrencyCode", facts.currency.code());
        if let Some(payment) = payment {
            write_payment(xml, payment);
        }
        for row in &totals.vat {
            xml.within("ram:ApplicableTradeTax", |xml| {
                self.amount(xml, "ram:CalculatedAmount", row.tax);
                xml.leaf("ram:TypeCode", "VAT");
                xml.leaf_if("ram:ExemptionReason", row.reason.as_deref());
                self.amount(xml, "ram:BasisAmount", row.base);
                xml.leaf("ram:CategoryCode", row.vat.category.name());
                xml.leaf_if("ram:ExemptionReasonCode", row.code.as_deref());
                if let Some(on) = facts.tax_point_on {
                    let on = on.format("%Y%m%d").to_string();
                    xml.within("ram:TaxPointDate", |xml| xml.leaf_with("udt:DateString", &[("format", "102")], &on));
                }
                xml.leaf_if("ram:RateApplicablePercent", percent(row.vat).as_deref());
            });
        }
        if let Some(of) = facts.period {
            period(xml, of);
        }
        for (is_charge, adjustments) in [("false", &facts.allowances), ("true", &facts.charges)] {
            for Adjustment { amount, share, reason, code, vat } in adjustments {
                xml.within("ram:SpecifiedTradeAllowanceCharge", |xml| {
                    self.adjusted(xml, is_charge, *amount, *share, (code.as_deref(), reason.as_deref()));
                    xml.within("ram:CategoryTradeTax", |xml| tax(xml, *vat));
                });
            }
        }
        if facts.payment_terms.is_some() || facts.due_on.is_some() {
            xml.within("ram:SpecifiedTradePaymentTerms", |xml| {
                xml.leaf_if("ram:Description", facts.payment_terms.as_deref());
                if let Some(on) = facts.due_on {
                    xml.within("ram:DueDateDateTime", |xml| day(xml, on));
                }
            });
        }
        xml.within("ram:SpecifiedTradeSettlementHeaderMonetarySummation", |xml| self.summation(xml, facts, totals));
        for preceding in &facts.preceding {
            xml.within("ram:InvoiceReferencedDocument", |xml| {
                xml.leaf("ram:IssuerAssignedID", &preceding.number);
                if let Some(on) = preceding.issued_on {
                    let on = on.format("%Y%m%d").to_string();
                    xml.within("ram:FormattedIssueDateTime", |xml| {
                        xml.leaf_with("qdt:DateTimeString", &[("format", "102")], &on);
                    });
                }
            });
        }
        let account = "ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID";
        xml.leaf_if(account, facts.accounting_reference.as_deref());
    }

    fn summation(&self, xml: &mut Xml, facts: &Facts, totals: &Totals) {
        self.amount(xml, "ram:LineTotalAmount", totals.line_total);
        if !facts.charges.is_empty() {
            self.amount(xml, "ram:ChargeTotalAmount", totals.charge_total);
        }
        if !facts.allowances.is_empty() {
            self.amount(xml, "ram:AllowanceTotalAmount", totals.allowance_total);
        }
        self.amount(xml, "ram:TaxBasisTotalAmount", totals.net);
        let in_accounting = facts.vat_accounting.map(|accounting| (accounting.currency, accounting.tax));
        for (currency, tax) in [(facts.currency, totals.tax)].into_iter().chain(in_accounting) {
            let tax = to_plain(tax, currency.exponent());
            xml.leaf_with("ram:TaxTotalAmount", &[("currencyID", currency.code())], &tax);
        }
        if facts.rounding != Minor::ZERO {
            self.amount(xml, "ram:RoundingAmount", facts.rounding);
        }
        self.amount(xml, "ram:GrandTotalAmount", totals.gross);
        if facts.paid != Minor::ZERO {
            self.amount(xml, "ram:TotalPrepaidAmount", facts.paid);
        }
        self.amount(xml, "ram:DuePayableAmount", totals.payable);
    }

    fn adjusted(
        &self,
        xml: &mut Xml,
        is_charge: &str,
        amount: Minor,
        share: Option<Share>,
        (code, reason): (Option<&str>, Option<&str>),
    ) {
        xml.leaf("ram:ChargeIndicator/udt:Indicator", is_charge);
        if let Some(share) = share {
            xml.leaf("ram:CalculationPercent", &share.rate.to_percent());
            self.amount(xml, "ram:BasisAmount", share.base);
        }
        self.amount(xml, "ram:ActualAmount", amount);
        xml.leaf_if("ram:ReasonCode", code);
        xml.leaf_if("ram:Reason", reason);
    }

    fn amount(&self, xml: &mut Xml, name: &str, amount: Minor) {
        xml.leaf(name, &to_plain(amount, self.exponent));
    }
}

fn agreement(xml: &mut Xml, facts: &Facts) {
    xml.leaf_if("ram:BuyerReference", facts.buyer_reference.as_deref());
    xml.within("ram:SellerTradeParty", |xml| party(xml, &facts.seller));
    xml.within("ram:BuyerTradeParty", |xml| party(xml, &facts.buyer));
    let references = [
        ("ram:SellerOrderReferencedDocument", &facts.sales_order),
        ("ram:BuyerOrderReferencedDocument", &facts.purchase_order),
        ("ram:ContractReferencedDocument", &facts.contract),
    ];
    for (name, reference) in references {
        if let Some(reference) = reference {
            xml.within(name, |xml| xml.leaf("ram:IssuerAssignedID", reference));
        }
    }
    for attachment in &facts.attachments {
        xml.within("ram:AdditionalReferencedDocument", |xml| write_attachment(xml, attachment));
    }
    if let Some(project) = &facts.project {
        xml.within("ram:SpecifiedProcuringProject", |xml| {
            xml.leaf("ram:ID", project);
            xml.leaf("ram:Name", PROJECT);
        });
    }
}

fn delivery(xml: &mut Xml, facts: &Facts) {
    let Some(delivery) = &facts.delivery else { return };
    if delivery.name.is_some() || delivery.address.is_some() {
        xml.within("ram:ShipToTradeParty", |xml| {
            xml.leaf_if("ram:Name", delivery.name.as_deref());
            if let Some(address) = &delivery.address {
                xml.within("ram:PostalTradeAddress", |xml| postal(xml, address));
            }
        });
    }
    if let Some(on) = delivery.on {
        xml.within("ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime", |xml| day(xml, on));
    }
}

fn party(xml: &mut Xml, party: &Party) {
    let global = |identifier: &&Identifier| identifier.scheme.is_some();
    for identifier in party.identifiers.iter().filter(|identifier| !global(identifier)) {
        xml.leaf("ram:ID", &identifier.value);
    }
    for identifier in party.identifiers.iter().filter(global) {
        xml.id("ram:GlobalID", &identifier.value, identifier.scheme.as_deref());
    }
    xml.leaf("ram:Name", &party.name);
    xml.leaf_if("ram:Description", party.legal_information.as_deref());
    if party.registration.is_some() || party.trading_name.is_some() {
        xml.within("ram:SpecifiedLegalOrganization", |xml| {
            if let Some(registration) = &party.registration {
                xml.id("ram:ID", &registration.value, registration.scheme.as_deref());
            }
            xml.leaf_if("ram:TradingBusinessName", party.trading_name.as_deref());
        });
    }
    if let Some(contact) = &party.contact {
        xml.within("ram:DefinedTradeContact", |xml| {
            xml.leaf_if("ram:PersonName", contact.name.as_deref());
            let phone = "ram:TelephoneUniversalCommunication/ram:CompleteNumber";
            xml.leaf_if(phone, contact.phone.as_deref());
            xml.leaf_if("ram:EmailURIUniversalCommunication/ram:URIID", contact.email.as_deref());
        });
    }
    xml.within("ram:PostalTradeAddress", |xml| postal(xml, &party.address));
    if let Some(address) = &party.electronic_address {
        xml.within("ram:URIUniversalCommunication", |xml| {
            xml.id("ram:URIID", &address.value, address.scheme.as_deref());
        });
    }
    for (id, scheme) in [(&party.vat_id, "VA"), (&party.tax_registration, "FC")] {
        if let Some(id) = id {
            xml.within("ram:SpecifiedTaxRegistration", |xml| xml.id("ram:ID", id, Some(scheme)));
        }
    }
}

fn postal(xml: &mut Xml, address: &Address) {
    xml.leaf_if("ram:PostcodeCode", address.post_code.as_deref());
    xml.leaf_if("ram:LineOne", address.line1.as_deref());
    xml.leaf_if("ram:LineTwo", address.line2.as_deref());
    xml.leaf_if("ram:LineThree", address.line3.as_deref());
    xml.leaf_if("ram:CityName", address.city.as_deref());
    xml.leaf("ram:CountryID", &address.country);
    xml.leaf_if("ram:CountrySubDivisionName", address.subdivision.as_deref());
}

fn write_payment(xml: &mut Xml, payment: &Payment) {
    let accounts = payment.accounts.iter().map(Some).chain(payment.accounts.is_empty().then_some(None));
    for account in accounts {
        xml.within("ram:SpecifiedTradeSettlementPaymentMeans", |xml| {
            xml.leaf("ram:TypeCode", &payment.means);
            let Some(account) = account else { return };
            xml.within("ram:PayeePartyCreditorFinancialAccount", |xml| {
                let is_iban = identifiers::iban(&account.id).is_some();
                if is_iban {
                    xml.leaf("ram:IBANID", &account.id);
                }
                xml.leaf_if("ram:AccountName", account.name.as_deref());
                if !is_iban {
                    xml.leaf("ram:ProprietaryID", &account.id);
                }
            });
            xml.leaf_if("ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID", account.bic.as_deref());
        });
    }
}

fn write_attachment(xml: &mut Xml, attachment: &Attachment) {
    xml.leaf("ram:IssuerAssignedID", &attachment.id);
    xml.leaf_if("ram:URIID", attachment.location.as_deref());
    xml.leaf("ram:TypeCode", "916");
    xml.leaf_if("ram:Name", attachment.description.as_deref());
    if let Some(file) = &attachment.file {
        let attributes = [("mimeCode", file.mime.as_str()), ("filename", file.name.as_str())];
        xml.leaf_with("ram:AttachmentBinaryObject", &attributes, &STANDARD.encode(&file.bytes));
    }
}

fn tax(xml: &mut Xml, vat: Vat) {
    xml.leaf("ram:TypeCode", "VAT");
    xml.leaf("ram:CategoryCode", vat.category.name());
    xml.leaf_if("ram:RateApplicablePercent", percent(vat).as_deref());
}

fn period(xml: &mut Xml, period: Period) {
    xml.within("ram:BillingSpecifiedPeriod", |xml| {
        for (name, on) in [("ram:StartDateTime", period.from), ("ram:EndDateTime", period.to)] {
            if let Some(on) = on {
                xml.within(name, |xml| day(xml, on));
            }
        }
    });
}

fn day(xml: &mut Xml, on: NaiveDate) {
    xml.leaf_with("udt:DateTimeString", &[("format", "102")], &on.format("%Y%m%d").to_string());
}
