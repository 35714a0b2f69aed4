//! The elements and attributes of UBL and CII that are read.

use crate::formats::safe_xml::Vocabulary;

/// What is read of an invoice.
pub(super) const VOCABULARY: Vocabulary =
    Vocabulary { elements: &ELEMENTS, attributes: &ATTRIBUTES, is_one_line: false };

/// The elements that are read, sorted for the search.
#[rustfmt::skip]
const ELEMENTS: [&str; 202] = [
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

#[cfg(test)]
mod tests {
    use super::ELEMENTS;

    #[test]
    fn the_elements_are_sorted_so_that_the_search_finds_them() {
        assert!(ELEMENTS.is_sorted());
    }
}
