//! UBL 2.1 `Invoice` and `CreditNote`, element by element.

use super::super::model::{
    Account, Address, Adjustment, Attachment, Contact, Delivery, Facts, Line, LineAdjustment, Party, Payment,
    Preceding, Price, VatAccounting, VatTerms,
};
use super::super::ubl::NO_ORDER;
use super::claims::{Claimed, ClaimedVat};
use super::values::{
    Amounts, currency, day, day_at, file, identifier, indicator, kind, missing, notes, number, number_at, period,
    unknown, vat,
};
use super::{Limits, Raw, Refused};
use crate::formats::safe_xml::{Node, Step, Tree};
use crate::kernel::money::{Currency, Minor};

const CATEGORY: (&str, &str) = ("ID", "Percent");

/// Reads what is inside the root that was opened: each part becomes a tree, is read, and is dropped before the next.
pub(super) fn read(mut tree: Tree<&[u8]>, limits: Limits, is_credit: bool) -> Result<Raw, Refused> {
    let mut parts: Vec<Node> = Vec::new();
    let mut raw: Option<Raw> = None;
    let mut count = 0_usize;
    loop {
        match tree.step()? {
            Step::Open(opened) => {
                let is_line = matches!(opened.name, "InvoiceLine" | "CreditNoteLine");
                let node = tree.node(opened)?;
                if !is_line {
                    parts.push(node);
                    continue;
                }
                count = count.saturating_add(1);
                if count > limits.lines_max {
                    return Err(Refused::TooManyLines { lines_max: limits.lines_max });
                }
                let raw = match &mut raw {
                    Some(raw) => raw,
                    None => raw.insert(head(&parts, is_credit)?),
                };
                line(raw, &node, &format!("{}[{count}]", node.name()))?;
            }
            Step::Unknown(_) => tree.skip()?,
            Step::Text(_) | Step::Close => {}
            Step::End => break,
        }
    }
    match raw {
        Some(raw) => Ok(raw),
        None => head(&parts, is_credit),
    }
}

/// Everything but the lines.
fn head(parts: &[Node], is_credit: bool) -> Result<Raw, Refused> {
    let all = |name: &'static str| parts.iter().filter(move |part| part.name() == name);
    let first = |name: &'static str| all(name).next();
    let text = |name: &'static str| first(name).map(Node::text).filter(|text| !text.is_empty());
    let owned = |name: &'static str| text(name).map(str::to_owned);
    let needed = |name: &'static str| text(name).ok_or_else(|| missing(name));
    let on = |name: &'static str| text(name).map(|text| day(text, name)).transpose();
    let in_currency = currency(needed("DocumentCurrencyCode")?, "DocumentCurrencyCode")?;
    let of_party = |name: &'static str, is_seller| {
        first(name).and_then(|node| node.at("Party")).map_or_else(Party::default, |node| party(node, is_seller))
    };
    let type_code = owned("InvoiceTypeCode").or_else(|| owned("CreditNoteTypeCode")).unwrap_or_default();
    let parties = (of_party("AccountingSupplierParty", true), of_party("AccountingCustomerParty", false));
    let issued_on = day(needed("IssueDate")?, "IssueDate")?;
    let mut facts =
        Facts::new(kind(&type_code, is_credit), text("ID").unwrap_or_default(), issued_on, in_currency, parties);
    facts.due_on = on("DueDate")?;
    facts.tax_point_on = on("TaxPointDate")?;
    facts.accounting_reference = owned("AccountingCost");
    facts.buyer_reference = owned("BuyerReference");
    facts.notes = all("Note").flat_map(|note| notes(note.text())).collect();
    facts.period = first("InvoicePeriod").map(|node| period_of(node, "InvoicePeriod")).transpose()?.flatten();
    facts.contract = first("ContractDocumentReference").and_then(|node| node.owned("ID"));
    facts.project = first("ProjectReference").and_then(|node| node.owned("ID"));
    if let Some(order) = first("OrderReference") {
        facts.sales_order = order.owned("SalesOrderID");
        let stands_in = |id: &String| facts.sales_order.is_some() && id == NO_ORDER;
        facts.purchase_order = order.owned("ID").filter(|id| !stands_in(id));
    }
    for node in all("BillingReference").filter_map(|node| node.at("InvoiceDocumentReference")) {
        let issued_on = day_at(node, "IssueDate", "BillingReference/InvoiceDocumentReference")?;
        facts.preceding.push(Preceding { number: node.owned("ID").unwrap_or_default(), issued_on });
    }
    for node in all("AdditionalDocumentReference") {
        match node.text_at("DocumentTypeCode") {
            Some("50") => facts.project = node.owned("ID"),
            Some(_) => {}
            None => facts.attachments.push(attachment(node)?),
        }
    }
    facts.delivery = first("Delivery").map(delivery).transpose()?;
    payment(&mut facts, &all("PaymentMeans").collect::<Vec<_>>())?;
    facts.payment_terms = first("PaymentTerms").and_then(|node| node.owned("Note"));
    let mut faults = Vec::new();
    let mut amounts = Amounts { currency: in_currency, faults: &mut faults };
    for node in all("AllowanceCharge") {
        let at = "AllowanceCharge";
        let (is_charge, LineAdjustment { amount, share, reason, code }) = adjustment(&mut amounts, node, at)?;
        let category = node.at("TaxCategory").ok_or_else(|| missing("AllowanceCharge/TaxCategory"))?;
        let vat = vat(category, CATEGORY, "AllowanceCharge/TaxCategory")?;
        let list = if is_charge { &mut facts.charges } else { &mut facts.allowances };
        list.push(Adjustment { amount, share, reason, code, vat });
    }
    let accounting = text("TaxCurrencyCode").map(|text| currency(text, "TaxCurrencyCode")).transpose()?;
    let mut claimed = totals(&mut amounts, &mut facts, first("LegalMonetaryTotal"))?;
    taxes(&mut amounts, &mut facts, &mut claimed, &all("TaxTotal").collect::<Vec<_>>(), accounting)?;
    Ok(Raw { specification: owned("CustomizationID"), type_code, facts, claimed, faults })
}

fn party(node: &Node, is_seller: bool) -> Party {
    let tax = |wanted: bool| {
        let schemes = node.children("PartyTaxScheme");
        let mut of = schemes.filter(|one| one.text_at("TaxScheme/ID").is_some_and(|id| (id == "VAT") == wanted));
        of.next().and_then(|one| one.owned("CompanyID"))
    };
    let contact = node.at("Contact").map(|contact| Contact {
        name: contact.owned("Name"),
        phone: contact.owned("Telephone"),
        email: contact.owned("ElectronicMail"),
    });
    let name = node.owned("PartyLegalEntity/RegistrationName").or_else(|| node.owned("PartyName/Name"));
    Party {
        name: name.unwrap_or_default(),
        trading_name: node.owned("PartyName/Name"),
        identifiers: node
            .children("PartyIdentification")
            .filter_map(|one| one.at("ID"))
            // The creditor identifier of a direct debit stands here too and names no party.
            .filter(|id| id.attribute("schemeID") != Some("SEPA"))
            .filter_map(identifier)
            .collect(),
        registration: node.at("PartyLegalEntity/CompanyID").and_then(identifier),
        vat_id: tax(true),
        tax_registration: tax(false).filter(|_| is_seller),
        legal_information: node.owned("PartyLegalEntity/CompanyLegalForm").filter(|_| is_seller),
        electronic_address: node.at("EndpointID").and_then(identifier),
        address: node.at("PostalAddress").map(address).unwrap_or_default(),
        contact: contact.filter(|contact| *contact != Contact::default()),
    }
}

fn address(node: &Node) -> Address {
    Address {
        line1: node.owned("StreetName"),
        line2: node.owned("AdditionalStreetName"),
        line3: node.owned("AddressLine/Line"),
        city: node.owned("CityName"),
        post_code: node.owned("PostalZone"),
        subdivision: node.owned("CountrySubentity"),
        country: node.owned("Country/IdentificationCode").unwrap_or_default(),
    }
}

fn delivery(node: &Node) -> Result<Delivery, Refused> {
    Ok(Delivery {
        name: node.owned("DeliveryParty/PartyName/Name"),
        on: day_at(node, "ActualDeliveryDate", "Delivery")?,
        address: node.at("DeliveryLocation/Address").map(address),
    })
}

fn attachment(node: &Node) -> Result<Attachment, Refused> {
    let embedded = node.at("Attachment/EmbeddedDocumentBinaryObject");
    Ok(Attachment {
        id: node.owned("ID").unwrap_or_default(),
        description: node.owned("DocumentDescription"),
        location: node.owned("Attachment/ExternalReference/URI"),
        file: embedded.map(|embedded| file(embedded, "AdditionalDocumentReference/Attachment")).transpose()?,
    })
}

fn payment(facts: &mut Facts, nodes: &[&Node]) -> Result<(), Refused> {
    let Some(first) = nodes.first() else { return Ok(()) };
    for node in nodes {
        facts.due_on = facts.due_on.or(day_at(node, "PaymentDueDate", "PaymentMeans")?);
    }
    let accounts = nodes.iter().filter_map(|node| node.at("PayeeFinancialAccount"));
    facts.payment = Some(Payment {
        means: first.owned("PaymentMeansCode").unwrap_or_default(),
        reference: nodes.iter().find_map(|node| node.owned("PaymentID")),
        accounts: accounts
            .map(|account| Account {
                id: account.owned("ID").unwrap_or_default(),
                name: account.owned("Name"),
                bic: account.owned("FinancialInstitutionBranch/ID"),
            })
            .collect(),
    });
    Ok(())
}

fn adjustment(amounts: &mut Amounts<'_>, node: &Node, at: &str) -> Result<(bool, LineAdjustment), Refused> {
    let is_charge = indicator(node.text_at("ChargeIndicator"), &format!("{at}/ChargeIndicator"))?;
    let adjustment = LineAdjustment {
        amount: amounts.needed(node, "Amount", at)?,
        share: amounts.share(node, ("BaseAmount", "MultiplierFactorNumeric"), at)?,
        reason: node.owned("AllowanceChargeReason"),
        code: node.owned("AllowanceChargeReasonCode"),
    };
    Ok((is_charge, adjustment))
}

fn totals(amounts: &mut Amounts<'_>, facts: &mut Facts, node: Option<&Node>) -> Result<Claimed, Refused> {
    let at = "LegalMonetaryTotal";
    let node = node.ok_or_else(|| missing(at))?;
    facts.paid = amounts.at(node, "PrepaidAmount", at)?.unwrap_or(Minor::ZERO);
    facts.rounding = amounts.at(node, "PayableRoundingAmount", at)?.unwrap_or(Minor::ZERO);
    Ok(Claimed {
        line_total: amounts.at(node, "LineExtensionAmount", at)?,
        allowance_total: amounts.at(node, "AllowanceTotalAmount", at)?,
        charge_total: amounts.at(node, "ChargeTotalAmount", at)?,
        net: amounts.at(node, "TaxExclusiveAmount", at)?,
        gross: amounts.at(node, "TaxInclusiveAmount", at)?,
        payable: amounts.at(node, "PayableAmount", at)?,
        ..Claimed::default()
    })
}

fn taxes(
    amounts: &mut Amounts<'_>,
    facts: &mut Facts,
    claimed: &mut Claimed,
    nodes: &[&Node],
    accounting: Option<Currency>,
) -> Result<(), Refused> {
    for node in nodes {
        let Some(amount) = node.at("TaxAmount") else { continue };
        let at = "TaxTotal/TaxAmount";
        let of = amount.attribute("currencyID").map(|code| currency(code, at)).transpose()?;
        match (of, accounting) {
            (Some(of), Some(accounting)) if of == accounting && of != facts.currency => {
                let (tax, _) = super::values::minor(amount.text(), at, of)?;
                facts.vat_accounting = Some(VatAccounting { currency: of, tax });
            }
            (Some(of), _) if of != facts.currency => return Err(unknown(at, of.code())),
            (_, _) => claimed.tax = Some(amounts.of(amount.text(), at)?),
        }
        for row in node.children("TaxSubtotal") {
            let at = "TaxTotal/TaxSubtotal";
            let category = row.at("TaxCategory").ok_or_else(|| missing("TaxTotal/TaxSubtotal/TaxCategory"))?;
            let vat = vat(category, CATEGORY, "TaxTotal/TaxSubtotal/TaxCategory")?;
            let base = amounts.needed(row, "TaxableAmount", at)?;
            let tax = amounts.needed(row, "TaxAmount", at)?;
            claimed.vat.push(ClaimedVat { vat, base, tax });
            let (reason, code) = (category.owned("TaxExemptionReason"), category.owned("TaxExemptionReasonCode"));
            facts.vat.push(VatTerms { vat, reason, code, tax: Some(tax) });
        }
    }
    Ok(())
}

fn line(raw: &mut Raw, node: &Node, at: &str) -> Result<(), Refused> {
    let mut amounts = Amounts { currency: raw.facts.currency, faults: &mut raw.faults };
    let quantity = node.at("InvoicedQuantity").or_else(|| node.at("CreditedQuantity"));
    let quantity = quantity.ok_or_else(|| missing(&format!("{at}/InvoicedQuantity")))?;
    let price = node.at("Price").ok_or_else(|| missing(&format!("{at}/Price")))?;
    let net = number_at(price, "PriceAmount", at)?.ok_or_else(|| missing(&format!("{at}/Price/PriceAmount")))?;
    let category = node.at("Item/ClassifiedTaxCategory");
    let category = category.ok_or_else(|| missing(&format!("{at}/Item/ClassifiedTaxCategory")))?;
    let unit = quantity.attribute("unitCode").unwrap_or_default();
    let mut line = Line::new(
        node.owned("ID").unwrap_or_default(),
        node.owned("Item/Name").unwrap_or_default(),
        number(quantity.text(), &format!("{at}/InvoicedQuantity"))?,
        unit,
        net,
        vat(category, CATEGORY, at)?,
    );
    line.price = Price {
        net,
        gross: number_at(price, "AllowanceCharge/BaseAmount", at)?,
        base_quantity: number_at(price, "BaseQuantity", at)?,
    };
    for one in node.children("AllowanceCharge") {
        let (is_charge, one) = adjustment(&mut amounts, one, &format!("{at}/AllowanceCharge"))?;
        if is_charge { line.charges.push(one) } else { line.allowances.push(one) }
    }
    line.note = node.owned("Note");
    line.accounting_reference = node.owned("AccountingCost");
    line.period = node.at("InvoicePeriod").map(|node| period_of(node, at)).transpose()?.flatten();
    line.order_line = node.owned("OrderLineReference/LineID");
    line.description = node.owned("Item/Description");
    line.seller_item_id = node.owned("Item/SellersItemIdentification/ID");
    line.buyer_item_id = node.owned("Item/BuyersItemIdentification/ID");
    raw.claimed.lines.push(amounts.needed(node, "LineExtensionAmount", at)?);
    raw.facts.lines.push(line);
    Ok(())
}

fn period_of(node: &Node, at: &str) -> Result<Option<super::super::Period>, Refused> {
    Ok(period(day_at(node, "StartDate", at)?, day_at(node, "EndDate", at)?))
}
