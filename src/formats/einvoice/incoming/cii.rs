//! UN/CEFACT Cross Industry Invoice, element by element.

use chrono::NaiveDate;

use super::super::model::{
    Account, Address, Adjustment, Attachment, Contact, Delivery, Facts, Line, LineAdjustment, Note, Party, Payment,
    Period, Preceding, Price, VatAccounting, VatTerms,
};
use super::claims::{Claimed, ClaimedVat};
use super::values::{
    Amounts, compact_day, currency, file, identifier, indicator, kind, missing, number, number_at, period, unknown, vat,
};
use super::{Limits, Raw, Refused};
use crate::formats::safe_xml::{Node, Step, Tree};
use crate::kernel::money::Minor;

const CATEGORY: (&str, &str) = ("CategoryCode", "RateApplicablePercent");
const SUM: &str = "SpecifiedTradeSettlementHeaderMonetarySummation";

/// The parts of the document; the lines come before the currency is known, so they wait as trees.
#[derive(Default)]
struct Parts {
    context: Option<Node>,
    document: Option<Node>,
    agreement: Option<Node>,
    delivery: Option<Node>,
    settlement: Option<Node>,
    lines: Vec<Node>,
}

/// Reads what is inside the root that was opened.
pub(super) fn read(mut tree: Tree<&[u8]>, limits: Limits) -> Result<Raw, Refused> {
    let mut parts = Parts::default();
    loop {
        match tree.step()? {
            // Its children are parts of the document like any other.
            Step::Open(opened) if opened.name == "SupplyChainTradeTransaction" => {}
            Step::Open(opened) => {
                let name = opened.name;
                let node = tree.node(opened)?;
                match name {
                    "ExchangedDocumentContext" => parts.context = Some(node),
                    "ExchangedDocument" => parts.document = Some(node),
                    "ApplicableHeaderTradeAgreement" => parts.agreement = Some(node),
                    "ApplicableHeaderTradeDelivery" => parts.delivery = Some(node),
                    "ApplicableHeaderTradeSettlement" => parts.settlement = Some(node),
                    "IncludedSupplyChainTradeLineItem" if parts.lines.len() >= limits.lines_max => {
                        return Err(Refused::TooManyLines { lines_max: limits.lines_max });
                    }
                    "IncludedSupplyChainTradeLineItem" => parts.lines.push(node),
                    _ => {}
                }
            }
            Step::Unknown(_) => tree.skip()?,
            Step::Text(_) | Step::Close => {}
            Step::End => break,
        }
    }
    document(&parts)
}

fn document(parts: &Parts) -> Result<Raw, Refused> {
    let part = |part: &'_ Option<Node>, name: &str| -> Result<(), Refused> {
        part.is_some().then_some(()).ok_or_else(|| missing(name))
    };
    part(&parts.document, "ExchangedDocument")?;
    part(&parts.settlement, "ApplicableHeaderTradeSettlement")?;
    let (Some(head), Some(settlement)) = (&parts.document, &parts.settlement) else {
        return Err(missing("ExchangedDocument"));
    };
    let code = settlement.text_at("InvoiceCurrencyCode");
    let code = code.ok_or_else(|| missing("ApplicableHeaderTradeSettlement/InvoiceCurrencyCode"))?;
    let in_currency = currency(code, "InvoiceCurrencyCode")?;
    let of_party = |name: &str, is_seller| {
        let node = parts.agreement.as_ref().and_then(|agreement| agreement.at(name));
        node.map_or_else(Party::default, |node| party(node, is_seller))
    };
    let type_code = head.owned("TypeCode").unwrap_or_default();
    let issued_on = day_at(head, "IssueDateTime", "ExchangedDocument")?;
    let mut facts = Facts::new(
        kind(&type_code, false),
        head.text_at("ID").unwrap_or_default(),
        issued_on.ok_or_else(|| missing("ExchangedDocument/IssueDateTime"))?,
        in_currency,
        (of_party("SellerTradeParty", true), of_party("BuyerTradeParty", false)),
    );
    facts.notes = head
        .children("IncludedNote")
        .map(|note| Note { subject: note.owned("SubjectCode"), text: note.owned("Content").unwrap_or_default() })
        .collect();
    if let Some(agreement) = &parts.agreement {
        references(&mut facts, agreement)?;
    }
    facts.delivery = parts.delivery.as_ref().map(delivery).transpose()?;
    facts.delivery.take_if(|delivery| *delivery == Delivery::default());
    let mut faults = Vec::new();
    let mut amounts = Amounts { currency: in_currency, faults: &mut faults };
    let mut claimed = settle(&mut amounts, &mut facts, settlement)?;
    for (index, node) in parts.lines.iter().enumerate() {
        let at = format!("IncludedSupplyChainTradeLineItem[{}]", index.saturating_add(1));
        line(&mut amounts, &mut facts, &mut claimed, node, &at)?;
    }
    let specification = parts.context.as_ref();
    let specification = specification.and_then(|node| node.owned("GuidelineSpecifiedDocumentContextParameter/ID"));
    Ok(Raw { specification, type_code, facts, claimed, faults })
}

/// The day in one of the shapes of CII: `DateTimeString` or `DateString` of format 102.
fn day_at(node: &Node, path: &str, at: &str) -> Result<Option<NaiveDate>, Refused> {
    let Some(node) = node.at(path) else { return Ok(None) };
    let at = format!("{at}/{path}");
    let Some(text) = node.at("DateTimeString").or_else(|| node.at("DateString")) else { return Ok(None) };
    match text.attribute("format") {
        Some("102") | None => compact_day(text.text(), &at).map(Some),
        Some(other) => Err(unknown(&at, other)),
    }
}

fn party(node: &Node, is_seller: bool) -> Party {
    let registered = |scheme: &str| {
        let mut ids = node.children("SpecifiedTaxRegistration").filter_map(|one| one.at("ID"));
        let found = ids.find(|id| id.attribute("schemeID") == Some(scheme));
        found.map(|id| id.text().to_owned()).filter(|id| !id.is_empty())
    };
    let contact = node.at("DefinedTradeContact").map(|contact| Contact {
        name: contact.owned("PersonName").or_else(|| contact.owned("DepartmentName")),
        phone: contact.owned("TelephoneUniversalCommunication/CompleteNumber"),
        email: contact.owned("EmailURIUniversalCommunication/URIID"),
    });
    Party {
        name: node.owned("Name").unwrap_or_default(),
        trading_name: node.owned("SpecifiedLegalOrganization/TradingBusinessName"),
        identifiers: node.children("ID").chain(node.children("GlobalID")).filter_map(identifier).collect(),
        registration: node.at("SpecifiedLegalOrganization/ID").and_then(identifier),
        vat_id: registered("VA"),
        tax_registration: registered("FC").filter(|_| is_seller),
        legal_information: node.owned("Description").filter(|_| is_seller),
        electronic_address: node.at("URIUniversalCommunication/URIID").and_then(identifier),
        address: node.at("PostalTradeAddress").map(address).unwrap_or_default(),
        contact: contact.filter(|contact| *contact != Contact::default()),
    }
}

fn address(node: &Node) -> Address {
    Address {
        line1: node.owned("LineOne"),
        line2: node.owned("LineTwo"),
        line3: node.owned("LineThree"),
        city: node.owned("CityName"),
        post_code: node.owned("PostcodeCode"),
        subdivision: node.owned("CountrySubDivisionName"),
        country: node.owned("CountryID").unwrap_or_default(),
    }
}

fn references(facts: &mut Facts, agreement: &Node) -> Result<(), Refused> {
    facts.buyer_reference = agreement.owned("BuyerReference");
    facts.sales_order = agreement.owned("SellerOrderReferencedDocument/IssuerAssignedID");
    facts.purchase_order = agreement.owned("BuyerOrderReferencedDocument/IssuerAssignedID");
    facts.contract = agreement.owned("ContractReferencedDocument/IssuerAssignedID");
    facts.project = agreement.owned("SpecifiedProcuringProject/ID");
    for node in agreement.children("AdditionalReferencedDocument") {
        if node.text_at("TypeCode").is_some_and(|code| code != "916") {
            continue;
        }
        let embedded = node.at("AttachmentBinaryObject");
        facts.attachments.push(Attachment {
            id: node.owned("IssuerAssignedID").unwrap_or_default(),
            description: node.owned("Name"),
            location: node.owned("URIID"),
            file: embedded.map(|embedded| file(embedded, "AdditionalReferencedDocument")).transpose()?,
        });
    }
    Ok(())
}

fn delivery(node: &Node) -> Result<Delivery, Refused> {
    Ok(Delivery {
        name: node.owned("ShipToTradeParty/Name"),
        on: day_at(node, "ActualDeliverySupplyChainEvent/OccurrenceDateTime", "ApplicableHeaderTradeDelivery")?,
        address: node.at("ShipToTradeParty/PostalTradeAddress").map(address),
    })
}

fn settle(amounts: &mut Amounts<'_>, facts: &mut Facts, node: &Node) -> Result<Claimed, Refused> {
    let means: Vec<&Node> = node.children("SpecifiedTradeSettlementPaymentMeans").collect();
    if let Some(first) = means.first() {
        facts.payment = Some(Payment {
            means: first.owned("TypeCode").unwrap_or_default(),
            reference: node.owned("PaymentReference"),
            accounts: means.iter().filter_map(|means| account(means)).collect(),
        });
    }
    facts.payment_terms = node.owned("SpecifiedTradePaymentTerms/Description");
    facts.due_on = day_at(node, "SpecifiedTradePaymentTerms/DueDateDateTime", "settlement")?;
    facts.accounting_reference = node.owned("ReceivableSpecifiedTradeAccountingAccount/ID");
    facts.period = node.at("BillingSpecifiedPeriod").map(period_of).transpose()?.flatten();
    for preceding in node.children("InvoiceReferencedDocument") {
        let issued_on = day_at(preceding, "FormattedIssueDateTime", "InvoiceReferencedDocument")?;
        facts.preceding.push(Preceding { number: preceding.owned("IssuerAssignedID").unwrap_or_default(), issued_on });
    }
    for one in node.children("SpecifiedTradeAllowanceCharge") {
        let at = "SpecifiedTradeAllowanceCharge";
        let (is_charge, LineAdjustment { amount, share, reason, code }) = adjustment(amounts, one, at)?;
        let category =
            one.at("CategoryTradeTax").ok_or_else(|| missing("SpecifiedTradeAllowanceCharge/CategoryTradeTax"))?;
        let vat = vat(category, CATEGORY, at)?;
        let list = if is_charge { &mut facts.charges } else { &mut facts.allowances };
        list.push(Adjustment { amount, share, reason, code, vat });
    }
    let mut claimed = totals(amounts, facts, node)?;
    for row in node.children("ApplicableTradeTax") {
        let at = "ApplicableTradeTax";
        let vat = vat(row, CATEGORY, at)?;
        let base = amounts.needed(row, "BasisAmount", at)?;
        let tax = amounts.needed(row, "CalculatedAmount", at)?;
        claimed.vat.push(ClaimedVat { vat, base, tax });
        let (reason, code) = (row.owned("ExemptionReason"), row.owned("ExemptionReasonCode"));
        facts.vat.push(VatTerms { vat, reason, code, tax: Some(tax) });
        facts.tax_point_on = facts.tax_point_on.or(day_at(row, "TaxPointDate", at)?);
    }
    Ok(claimed)
}

fn totals(amounts: &mut Amounts<'_>, facts: &mut Facts, settlement: &Node) -> Result<Claimed, Refused> {
    let node = settlement.at(SUM).ok_or_else(|| missing(SUM))?;
    facts.paid = amounts.at(node, "TotalPrepaidAmount", SUM)?.unwrap_or(Minor::ZERO);
    facts.rounding = amounts.at(node, "RoundingAmount", SUM)?.unwrap_or(Minor::ZERO);
    let mut claimed = Claimed {
        line_total: amounts.at(node, "LineTotalAmount", SUM)?,
        allowance_total: amounts.at(node, "AllowanceTotalAmount", SUM)?,
        charge_total: amounts.at(node, "ChargeTotalAmount", SUM)?,
        net: amounts.at(node, "TaxBasisTotalAmount", SUM)?,
        gross: amounts.at(node, "GrandTotalAmount", SUM)?,
        payable: amounts.at(node, "DuePayableAmount", SUM)?,
        ..Claimed::default()
    };
    for total in node.children("TaxTotalAmount") {
        let at = format!("{SUM}/TaxTotalAmount");
        let of = total.attribute("currencyID").map_or(Ok(facts.currency), |code| currency(code, &at))?;
        if of == facts.currency {
            claimed.tax = Some(amounts.of(total.text(), &at)?);
        } else if settlement.text_at("TaxCurrencyCode") == Some(of.code()) {
            let (tax, _) = super::values::minor(total.text(), &at, of)?;
            facts.vat_accounting = Some(VatAccounting { currency: of, tax });
        } else {
            return Err(unknown(&at, of.code()));
        }
    }
    Ok(claimed)
}

fn account(means: &Node) -> Option<Account> {
    let account = means.at("PayeePartyCreditorFinancialAccount")?;
    Some(Account {
        id: account.owned("IBANID").or_else(|| account.owned("ProprietaryID")).unwrap_or_default(),
        name: account.owned("AccountName"),
        bic: means.owned("PayeeSpecifiedCreditorFinancialInstitution/BICID"),
    })
}

fn adjustment(amounts: &mut Amounts<'_>, node: &Node, at: &str) -> Result<(bool, LineAdjustment), Refused> {
    let is_charge = indicator(node.text_at("ChargeIndicator/Indicator"), &format!("{at}/ChargeIndicator"))?;
    let adjustment = LineAdjustment {
        amount: amounts.needed(node, "ActualAmount", at)?,
        share: amounts.share(node, ("BasisAmount", "CalculationPercent"), at)?,
        reason: node.owned("Reason"),
        code: node.owned("ReasonCode"),
    };
    Ok((is_charge, adjustment))
}

fn line(
    amounts: &mut Amounts<'_>,
    facts: &mut Facts,
    claimed: &mut Claimed,
    node: &Node,
    at: &str,
) -> Result<(), Refused> {
    let quantity = node.at("SpecifiedLineTradeDelivery/BilledQuantity");
    let quantity = quantity.ok_or_else(|| missing(&format!("{at}/BilledQuantity")))?;
    let price = node.at("SpecifiedLineTradeAgreement/NetPriceProductTradePrice");
    let price = price.ok_or_else(|| missing(&format!("{at}/NetPriceProductTradePrice")))?;
    let net = number_at(price, "ChargeAmount", at)?.ok_or_else(|| missing(&format!("{at}/ChargeAmount")))?;
    let settlement = node.at("SpecifiedLineTradeSettlement");
    let settlement = settlement.ok_or_else(|| missing(&format!("{at}/SpecifiedLineTradeSettlement")))?;
    let tax = settlement.at("ApplicableTradeTax").ok_or_else(|| missing(&format!("{at}/ApplicableTradeTax")))?;
    let mut line = Line::new(
        node.owned("AssociatedDocumentLineDocument/LineID").unwrap_or_default(),
        node.owned("SpecifiedTradeProduct/Name").unwrap_or_default(),
        number(quantity.text(), &format!("{at}/BilledQuantity"))?,
        quantity.attribute("unitCode").unwrap_or_default(),
        net,
        vat(tax, CATEGORY, at)?,
    );
    let gross = number_at(node, "SpecifiedLineTradeAgreement/GrossPriceProductTradePrice/ChargeAmount", at)?;
    line.price = Price { net, gross, base_quantity: number_at(price, "BasisQuantity", at)? };
    for one in settlement.children("SpecifiedTradeAllowanceCharge") {
        let (is_charge, one) = adjustment(amounts, one, &format!("{at}/SpecifiedTradeAllowanceCharge"))?;
        if is_charge { line.charges.push(one) } else { line.allowances.push(one) }
    }
    line.note = node.owned("AssociatedDocumentLineDocument/IncludedNote/Content");
    line.accounting_reference = settlement.owned("ReceivableSpecifiedTradeAccountingAccount/ID");
    line.period = settlement.at("BillingSpecifiedPeriod").map(period_of).transpose()?.flatten();
    line.order_line = node.owned("SpecifiedLineTradeAgreement/BuyerOrderReferencedDocument/LineID");
    line.description = node.owned("SpecifiedTradeProduct/Description");
    line.seller_item_id = node.owned("SpecifiedTradeProduct/SellerAssignedID");
    line.buyer_item_id = node.owned("SpecifiedTradeProduct/BuyerAssignedID");
    let total = "SpecifiedTradeSettlementLineMonetarySummation/LineTotalAmount";
    claimed.lines.push(amounts.needed(settlement, total, at)?);
    facts.lines.push(line);
    Ok(())
}

fn period_of(node: &Node) -> Result<Option<Period>, Refused> {
    let at = "BillingSpecifiedPeriod";
    Ok(period(day_at(node, "StartDateTime", at)?, day_at(node, "EndDateTime", at)?))
}
