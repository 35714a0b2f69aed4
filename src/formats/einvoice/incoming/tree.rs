//! Untrusted XML, one bounded step at a time: the elements that are read become small trees, everything else is walked
//! over, still bounded and still checked for being XML.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesStart, Event};

use super::{Limits, Refused};
use crate::formats::bank_xml::is_xml_character;

/// The elements that are read, sorted for the search.
#[rustfmt::skip]
const KNOWN: [&str; 202] = [
    "AccountName", "AccountingCost", "AccountingCustomerParty", "AccountingSupplierParty", "ActualAmount",
    "ActualDeliveryDate", "ActualDeliverySupplyChainEvent", "AdditionalDocumentReference",
    "AdditionalReferencedDocument", "AdditionalStreetName", "Address", "AddressLine", "AllowanceCharge",
    "AllowanceChargeReason", "AllowanceChargeReasonCode", "AllowanceTotalAmount", "Amount",
    "ApplicableHeaderTradeAgreement", "ApplicableHeaderTradeDelivery", "ApplicableHeaderTradeSettlement",
    "ApplicableTradeTax", "AssociatedDocumentLineDocument", "Attachment", "AttachmentBinaryObject", "BICID",
    "BaseAmount", "BaseQuantity", "BasisAmount", "BasisQuantity", "BilledQuantity", "BillingReference",
    "BillingSpecifiedPeriod", "BuyerAssignedID", "BuyerOrderReferencedDocument", "BuyerReference",
    "BuyerTradeParty", "BuyersItemIdentification", "CalculatedAmount", "CalculationPercent", "CategoryCode",
    "CategoryTradeTax", "ChargeAmount", "ChargeIndicator", "ChargeTotalAmount", "CityName", "ClassifiedTaxCategory",
    "CompanyID", "CompanyLegalForm", "CompleteNumber", "Contact", "Content", "ContractDocumentReference",
    "ContractReferencedDocument", "Country", "CountryID", "CountrySubDivisionName", "CountrySubentity",
    "CreditNoteLine", "CreditNoteTypeCode", "CreditedQuantity", "CustomizationID", "DateString", "DateTimeString",
    "DefinedTradeContact", "Delivery", "DeliveryLocation", "DeliveryParty", "DepartmentName", "Description",
    "DocumentCurrencyCode", "DocumentDescription", "DocumentTypeCode", "DueDate", "DueDateDateTime",
    "DuePayableAmount", "ElectronicMail", "EmailURIUniversalCommunication", "EmbeddedDocumentBinaryObject",
    "EndDate", "EndDateTime", "EndpointID", "ExchangedDocument", "ExchangedDocumentContext", "ExemptionReason",
    "ExemptionReasonCode", "ExternalReference", "FinancialInstitutionBranch", "FormattedIssueDateTime", "GlobalID",
    "GrandTotalAmount", "GrossPriceProductTradePrice", "GuidelineSpecifiedDocumentContextParameter", "IBANID", "ID",
    "IdentificationCode", "IncludedNote", "IncludedSupplyChainTradeLineItem", "Indicator", "InvoiceCurrencyCode",
    "InvoiceDocumentReference", "InvoiceLine", "InvoicePeriod", "InvoiceReferencedDocument", "InvoiceTypeCode",
    "InvoicedQuantity", "IssueDate", "IssueDateTime", "IssuerAssignedID", "Item", "LegalMonetaryTotal", "Line",
    "LineExtensionAmount", "LineID", "LineOne", "LineThree", "LineTotalAmount", "LineTwo",
    "MultiplierFactorNumeric", "Name", "NetPriceProductTradePrice", "Note", "OccurrenceDateTime",
    "OrderLineReference", "OrderReference", "Party", "PartyIdentification", "PartyLegalEntity", "PartyName",
    "PartyTaxScheme", "PayableAmount", "PayableRoundingAmount", "PayeeFinancialAccount",
    "PayeePartyCreditorFinancialAccount", "PayeeSpecifiedCreditorFinancialInstitution", "PaymentDueDate",
    "PaymentID", "PaymentMeans", "PaymentMeansCode", "PaymentReference", "PaymentTerms", "Percent", "PersonName",
    "PostalAddress", "PostalTradeAddress", "PostalZone", "PostcodeCode", "PrepaidAmount", "Price", "PriceAmount",
    "ProjectReference", "ProprietaryID", "RateApplicablePercent", "Reason", "ReasonCode",
    "ReceivableSpecifiedTradeAccountingAccount", "RegistrationName", "RoundingAmount", "SalesOrderID",
    "SellerAssignedID", "SellerOrderReferencedDocument", "SellerTradeParty", "SellersItemIdentification",
    "ShipToTradeParty", "SpecifiedLegalOrganization", "SpecifiedLineTradeAgreement", "SpecifiedLineTradeDelivery",
    "SpecifiedLineTradeSettlement", "SpecifiedProcuringProject", "SpecifiedTaxRegistration",
    "SpecifiedTradeAllowanceCharge", "SpecifiedTradePaymentTerms", "SpecifiedTradeProduct",
    "SpecifiedTradeSettlementHeaderMonetarySummation", "SpecifiedTradeSettlementLineMonetarySummation",
    "SpecifiedTradeSettlementPaymentMeans", "StartDate", "StartDateTime", "StreetName", "SubjectCode",
    "SupplyChainTradeTransaction", "TaxAmount", "TaxBasisTotalAmount", "TaxCategory", "TaxCurrencyCode",
    "TaxExclusiveAmount", "TaxExemptionReason", "TaxExemptionReasonCode", "TaxInclusiveAmount", "TaxPointDate",
    "TaxScheme", "TaxSubtotal", "TaxTotal", "TaxTotalAmount", "TaxableAmount", "Telephone",
    "TelephoneUniversalCommunication", "TotalPrepaidAmount", "TradingBusinessName", "TypeCode", "URI", "URIID",
    "URIUniversalCommunication",
];

/// The attributes that are read.
const ATTRIBUTES: [&str; 6] = ["currencyID", "filename", "format", "mimeCode", "schemeID", "unitCode"];

/// How much of a name or text from the file a refusal repeats.
const QUOTED_MAX: usize = 60;

/// The start of `text`, fit for a message.
pub(super) fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_MAX).collect()
}

/// One element with what is known inside it.
#[derive(Debug)]
pub(super) struct Node {
    name: &'static str,
    text: String,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

impl Node {
    /// The text without blanks at its ends.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| *known == name)?;
        Some(found.1.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn children<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element at `path`, as in `Party/PostalAddress`.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |node, name| node.children.iter().find(|child| child.name == name))
    }

    /// The text at `path`, unless there is none or it is empty.
    pub(super) fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path).map(Self::text).filter(|text| !text.is_empty())
    }

    /// The text at `path` to keep.
    pub(super) fn owned(&self, path: &str) -> Option<String> {
        self.text_at(path).map(str::to_owned)
    }
}

/// What comes next in the file.
pub(super) enum Step {
    /// An element that is read.
    Open(Opened),
    /// An element that nobody reads.
    Unknown,
    Text(String),
    Close,
    /// The end of the file, with every element closed.
    End,
}

/// The start tag of an element that is read.
pub(super) struct Opened {
    pub(super) name: &'static str,
    attributes: Vec<(&'static str, String)>,
}

/// The root of a file: its name without prefix, and its namespace.
pub(super) struct Root {
    pub(super) name: String,
    pub(super) namespace: String,
}

/// The file, from its first element to its last.
pub(super) struct Tree<'a> {
    reader: Reader<&'a [u8]>,
    limits: Limits,
    depth: usize,
    elements: usize,
}

impl<'a> Tree<'a> {
    /// Opens the file and its first element.
    pub(super) fn open(bytes: &'a [u8], limits: Limits) -> Result<(Self, Root), Refused> {
        if bytes.len() > limits.bytes_max {
            return Err(Refused::TooLarge { bytes: bytes.len(), bytes_max: limits.bytes_max });
        }
        let text =
            std::str::from_utf8(bytes).map_err(|invalid| Refused::Encoding { position: invalid.valid_up_to() })?;
        let mut reader = Reader::from_str(text.strip_prefix('\u{FEFF}').unwrap_or(text));
        reader.config_mut().expand_empty_elements = true;
        let mut tree = Self { reader, limits, depth: 0, elements: 0 };
        loop {
            match tree.event()? {
                Some(Event::Start(start)) => {
                    tree.count(&start)?;
                    let root = tree.root(&start)?;
                    return Ok((tree, root));
                }
                Some(Event::Eof) | None => return Err(tree.not_xml("the file has no element")),
                Some(_) => {}
            }
        }
    }

    /// The next step.
    pub(super) fn step(&mut self) -> Result<Step, Refused> {
        loop {
            match self.event()? {
                Some(Event::Start(start)) => return self.opened(&start),
                Some(Event::End(_)) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Step::Close);
                }
                Some(Event::Text(text)) => return self.text(&text.xml10_content()),
                Some(Event::CData(text)) => return self.text(&text.xml10_content()),
                Some(Event::GeneralRef(reference)) => {
                    let character = reference.resolve_char_ref().map_err(|error| self.not_xml(&error.to_string()))?;
                    return match character.or_else(|| predefined(&reference)) {
                        Some(c) => self.text(c.encode_utf8(&mut [0; 4])),
                        None => Err(Refused::Entity { position: self.position() }),
                    };
                }
                None | Some(Event::Eof) if self.depth == 0 => return Ok(Step::End),
                None | Some(Event::Eof) => return Err(self.not_xml("the file ends inside an element")),
                Some(Event::Empty(_) | Event::DocType(_) | Event::Decl(_) | Event::Comment(_) | Event::PI(_)) => {}
            }
        }
    }

    /// The next event; document types and other encodings are refused here, wherever they stand.
    fn event(&mut self) -> Result<Option<Event<'a>>, Refused> {
        let event = self.reader.read_event().map_err(|error| self.not_xml(&error.to_string()))?;
        match &event {
            Event::DocType(_) => return Err(Refused::Doctype { position: self.position() }),
            Event::Decl(declaration) => Self::check_encoding(declaration)?,
            Event::Eof => return Ok(None),
            Event::Start(_)
            | Event::End(_)
            | Event::Empty(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::PI(_)
            | Event::GeneralRef(_) => {}
        }
        Ok(Some(event))
    }

    /// The element that was just opened, to its end.
    pub(super) fn node(&mut self, opened: Opened) -> Result<Node, Refused> {
        let Opened { name, attributes } = opened;
        let mut node = Node { name, text: String::new(), attributes, children: Vec::new() };
        loop {
            match self.step()? {
                // Recursion is bounded by the depth limit.
                Step::Open(child) => node.children.push(self.node(child)?),
                Step::Unknown => self.skip()?,
                Step::Text(text) => node.text.push_str(&text),
                Step::Close | Step::End => break,
            }
        }
        if !node.children.is_empty() {
            node.text.clear();
        }
        Ok(node)
    }

    /// Passes over the rest of the element that was just opened.
    pub(super) fn skip(&mut self) -> Result<(), Refused> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.step()?;
        }
        Ok(())
    }

    pub(super) fn not_xml(&self, detail: &str) -> Refused {
        Refused::NotXml { position: self.position(), detail: quoted(detail) }
    }

    fn count(&mut self, start: &BytesStart<'_>) -> Result<(), Refused> {
        self.depth = self.depth.saturating_add(1);
        self.elements = self.elements.saturating_add(1);
        if self.depth > self.limits.depth_max {
            return Err(Refused::TooDeep { position: self.position(), depth_max: self.limits.depth_max });
        }
        if self.elements > self.limits.elements_max {
            return Err(Refused::TooManyElements { elements_max: self.limits.elements_max });
        }
        // The reader finds repeated attributes by comparing each with each: bounded before it does.
        let marks = start.attributes_raw().matches('=').take(self.limits.attributes_max.saturating_add(1)).count();
        if marks > self.limits.attributes_max
            && start.attributes().with_checks(false).count() > self.limits.attributes_max
        {
            let attributes_max = self.limits.attributes_max;
            return Err(Refused::TooManyAttributes { position: self.position(), attributes_max });
        }
        Ok(())
    }

    fn opened(&mut self, start: &BytesStart<'_>) -> Result<Step, Refused> {
        self.count(start)?;
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.not_xml(&error.to_string()))?;
            let known = ATTRIBUTES.iter().find(|known| **known == attribute.key.local_name().as_ref());
            let value = self.value(&attribute)?;
            if let Some(known) = known {
                attributes.push((*known, value));
            }
        }
        let name = start.local_name();
        Ok(match KNOWN.binary_search(&name.as_ref()).ok().and_then(|index| KNOWN.get(index)) {
            Some(name) => Step::Open(Opened { name, attributes }),
            None => Step::Unknown,
        })
    }

    fn value(&self, attribute: &Attribute<'_>) -> Result<String, Refused> {
        let value = attribute.normalized_value(XmlVersion::Explicit1_0);
        let value = value.map_err(|_unknown| Refused::Entity { position: self.position() })?;
        if !value.chars().all(is_xml_character) {
            return Err(self.not_xml("a character that XML does not have"));
        }
        Ok(value.into_owned())
    }

    fn root(&self, start: &BytesStart<'_>) -> Result<Root, Refused> {
        let prefix = start.name().prefix();
        let declares = match &prefix {
            Some(prefix) => format!("xmlns:{}", prefix.as_ref()),
            None => "xmlns".to_owned(),
        };
        let mut namespace = String::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.not_xml(&error.to_string()))?;
            if attribute.key.as_ref() == declares {
                namespace = self.value(&attribute)?;
            }
        }
        Ok(Root { name: quoted(start.local_name().as_ref()), namespace: quoted_namespace(namespace) })
    }

    fn text(&self, text: &str) -> Result<Step, Refused> {
        if !text.chars().all(is_xml_character) {
            return Err(self.not_xml("a character that XML does not have"));
        }
        if self.depth == 0 && !text.trim().is_empty() {
            return Err(self.not_xml("text outside the document"));
        }
        Ok(Step::Text(text.to_owned()))
    }

    fn check_encoding(declaration: &BytesDecl<'_>) -> Result<(), Refused> {
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii") => Ok(()),
            Some(Ok(_) | Err(_)) => Err(Refused::Encoding { position: 0 }),
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }
}

fn quoted_namespace(namespace: String) -> String {
    namespace.chars().take(200).collect()
}

/// The five entities of XML itself.
fn predefined(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::KNOWN;

    #[test]
    fn the_known_elements_are_sorted_so_that_the_search_finds_them() {
        assert!(KNOWN.is_sorted());
    }
}
