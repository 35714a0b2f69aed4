"""pain.001.001.09: two editions of the ISO schema, the EPC rules and character set, IBAN and BIC checks, sums."""

import copy
import importlib.util
import re
from decimal import Decimal, InvalidOperation
from importlib.metadata import distribution
from pathlib import Path

from lxml import etree
from stdnum import bic, iban

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
NS = {"p": NAMESPACE}
BROKEN_MIN = 33
# Large files are judged whole; the faults are shown on the first ones.
BROKEN_DOCUMENTS = 2
SECURE = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_blank_text=True)


def package_file(package, path):
    """A file that a package carries, found without importing the package."""
    found = Path(distribution(package).locate_file(path))
    if not found.is_file():
        raise SystemExit(f"{package} no longer carries {path}")
    return found


SCHEMAS = {
    "xsd-sepaxml": etree.XMLSchema(file=str(package_file("sepaxml", "sepaxml/schemas/pain.001.001.09.xsd"))),
    "xsd-pain001": etree.XMLSchema(
        file=str(package_file("pain001", "pain001/templates/pain.001.001.09/pain.001.001.09.xsd"))
    ),
}


def allowed_characters():
    """The character set as the package has it; the module is loaded alone, without what the package depends on."""
    path = package_file("pain001", "pain001/validation/charset.py")
    spec = importlib.util.spec_from_file_location("charset", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ISO20022_ALLOWED_CHARACTERS


def epc_rules():
    """(context, [(id, test, message)]) of the EPC rule file, which is written for version 3 and read for version 9."""
    path = package_file("pain001", "pain001/schematron/rules/epc_sepa.sch")
    text = path.read_text(encoding="utf-8").replace("pain.001.001.03", "pain.001.001.09")
    text = re.sub(r"\bpain:BIC\b", "pain:BICFI", text)
    sch = {"s": "http://purl.oclc.org/dsdl/schematron"}
    rules = []
    for rule in etree.fromstring(text.encode()).iterfind(".//s:rule", sch):
        tests = [(one.get("id"), one.get("test"), " ".join(one.text.split())) for one in rule.iterfind("s:assert", sch)]
        rules.append((rule.get("context"), tests))
    if sum(len(tests) for _context, tests in rules) < 10:
        raise SystemExit("the EPC rule file has fewer rules than it used to")
    return rules


ALLOWED = allowed_characters()
EPC_RULES = epc_rules()


def judges():
    return f"2 schemas, {sum(len(tests) for _context, tests in EPC_RULES)} EPC rules, character set, IBAN, BIC, sums"


def documents(folder):
    for path in sorted(folder.glob("*.xml")):
        yield path.name, path.read_bytes()


def findings(data, _scratch):
    """Every (rule, detail) that the document breaks."""
    try:
        tree = etree.fromstring(data, SECURE).getroottree()
    except etree.XMLSyntaxError as error:
        return [("xml", str(error))]
    if tree.docinfo.doctype:
        return [("doctype", tree.docinfo.doctype)]
    found = []
    for name, schema in SCHEMAS.items():
        if not schema.validate(tree):
            found += [(name, entry.message) for entry in schema.error_log]
    root = tree.getroot()
    if etree.QName(root).namespace != NAMESPACE:
        return found + [("namespace", str(etree.QName(root).namespace))]
    found += epc_findings(root)
    found += text_findings(root)
    found += account_findings(root)
    found += sum_findings(root)
    return found


def epc_findings(root):
    found, asked = [], 0
    for context, tests in EPC_RULES:
        for node in root.xpath(context, namespaces={"pain": NAMESPACE}):
            for rule, test, message in tests:
                asked += 1
                if not node.xpath(f"boolean({test})", namespaces={"pain": NAMESPACE}):
                    found.append((rule, message))
    return found or ([] if asked else [("epc-nothing-asked", "no element for any EPC rule")])


def text_findings(root):
    found = []
    for element in root.iter(etree.Element):
        text = element.text or ""
        if len(element) or not text:
            continue
        bad = sorted(set(text) - set(ALLOWED))
        if bad:
            found.append(("charset", f"{etree.QName(element).localname}: {bad}"))
        name = etree.QName(element).localname
        if name in ("MsgId", "PmtInfId", "InstrId", "EndToEndId"):
            if text.startswith("/") or text.endswith("/") or "//" in text:
                found.append(("identifier-slash", text))
        if name == "Nm" and len(text) > 70:
            found.append(("name-length", f"{len(text)} characters"))
    for party in root.xpath("//p:Dbtr | //p:Cdtr", namespaces=NS):
        town = party.findtext("p:PstlAdr/p:TwnNm", namespaces=NS)
        country = party.findtext("p:PstlAdr/p:Ctry", namespaces=NS)
        lines = party.findall("p:PstlAdr/p:AdrLine", namespaces=NS)
        if not town or not country or len(lines) > 2:
            found.append(("address", f"{party.findtext('p:Nm', namespaces=NS)}: town, country, at most two lines"))
    return found


def account_findings(root):
    found = []
    for element in root.iterfind(".//p:IBAN", NS):
        # Bank codes that a country has not given out are fine in a test: digits and length are judged.
        if not iban.is_valid(element.text or "", check_country=False):
            found.append(("iban", element.text))
    for element in root.iterfind(".//p:BICFI", NS):
        if not bic.is_valid(element.text or ""):
            found.append(("bic", element.text))
    return found


def sum_findings(root):
    found = []
    amounts, ids = [], []
    for block in root.iterfind(".//p:PmtInf", NS):
        of_block = []
        for transfer in block.iterfind("p:CdtTrfTxInf", NS):
            text = transfer.findtext("p:Amt/p:InstdAmt", default="", namespaces=NS)
            if not re.fullmatch(r"\d+\.\d{2}", text):
                found.append(("two-decimals", text))
            of_block.append(decimal(text))
            ids.append(transfer.findtext("p:PmtId/p:EndToEndId", namespaces=NS))
        found += head_findings(block, of_block, "payment")
        amounts += of_block
    header = root.find(".//p:GrpHdr", NS)
    if header is not None:
        found += head_findings(header, amounts, "group")
    if len(set(ids)) != len(ids):
        found.append(("end-to-end-unique", "used twice"))
    return found


def head_findings(head, amounts, level):
    found = []
    if head.findtext("p:NbOfTxs", namespaces=NS) != str(len(amounts)):
        found.append((f"{level}-count", f"{len(amounts)} transfers"))
    if decimal(head.findtext("p:CtrlSum", namespaces=NS)) != sum(amounts):
        found.append((f"{level}-control-sum", f"transfers sum to {sum(amounts)}"))
    return found


def decimal(text):
    try:
        return Decimal(text or "0")
    except InvalidOperation:
        return Decimal("NaN")


def set_text(path, text):
    def change(root):
        root.xpath(path, namespaces=NS)[0].text = text

    return change


def change_text(path, change_it):
    def change(root):
        element = root.xpath(path, namespaces=NS)[0]
        element.text = change_it(element.text)

    return change


def remove(path):
    def change(root):
        element = root.xpath(path, namespaces=NS)[0]
        element.getparent().remove(element)

    return change


def set_currency(root):
    root.xpath("//p:InstdAmt", namespaces=NS)[0].set("Ccy", "USD")


def other_account(path):
    def change(root):
        account = root.xpath(path, namespaces=NS)[0]
        account.remove(account[0])
        other = etree.SubElement(account, f"{{{NAMESPACE}}}Othr")
        etree.SubElement(other, f"{{{NAMESPACE}}}Id").text = "12345"

    return change


def add_transfer_again(root):
    transfer = root.xpath("//p:CdtTrfTxInf", namespaces=NS)[0]
    transfer.addnext(copy.deepcopy(transfer))


def address_lines_only(root):
    address = root.xpath("//p:Cdtr/p:PstlAdr", namespaces=NS)[0]
    for element in list(address):
        address.remove(element)
    etree.SubElement(address, f"{{{NAMESPACE}}}AdrLine").text = "Rue de l'Exemple 12, 1060 Bruxelles"


def add_unknown(root):
    etree.SubElement(root.xpath("//p:GrpHdr", namespaces=NS)[0], f"{{{NAMESPACE}}}Fee").text = "1"


def plus_a_cent(text):
    return str(Decimal(text) + Decimal("0.01"))


def wrong_check_digit(text):
    return text[:2] + f"{(int(text[2:4]) % 97) + 1:02d}" + text[4:]


TX = "//p:CdtTrfTxInf"
BREAKS = [
    ("a third decimal", "two-decimals", set_text("//p:InstdAmt", "1.005")),
    ("an amount in dollars", "EPC-SCT-001", set_currency),
    ("a zero amount", "EPC-SCT-004", set_text("//p:InstdAmt", "0.00")),
    ("a negative amount", "EPC-SCT-004", set_text("//p:InstdAmt", "-1.00")),
    ("an amount above the limit", "EPC-SCT-005", set_text("//p:InstdAmt", "1000000000.00")),
    ("a creditor account that is no IBAN", "EPC-SCT-003", other_account("//p:CdtrAcct/p:Id")),
    ("a debtor account that is no IBAN", "EPC-PMT-001", other_account("//p:DbtrAcct/p:Id")),
    ("a wrong check digit", "iban", change_text("//p:CdtrAcct//p:IBAN", wrong_check_digit)),
    ("a missing end-to-end id", "xsd-sepaxml", remove(f"{TX}/p:PmtId/p:EndToEndId")),
    ("an end-to-end id that says there is none", "EPC-SCT-007", set_text(f"{TX}/p:PmtId/p:EndToEndId", "NOTPROVIDED")),
    ("an end-to-end id of 36 characters", "xsd-pain001", set_text(f"{TX}/p:PmtId/p:EndToEndId", "A" * 36)),
    ("an end-to-end id with a slash in front", "identifier-slash", set_text(f"{TX}/p:PmtId/p:EndToEndId", "/A")),
    ("a message id with two slashes", "identifier-slash", set_text("//p:MsgId", "A//B")),
    ("a transfer twice", "end-to-end-unique", add_transfer_again),
    ("a transfer more than counted", "group-count", add_transfer_again),
    ("a transfer less than counted", "payment-count", remove(TX)),
    ("an amount changed by a cent", "group-control-sum", change_text("//p:InstdAmt", plus_a_cent)),
    ("a group sum changed by a cent", "group-control-sum", change_text("//p:GrpHdr/p:CtrlSum", plus_a_cent)),
    ("a payment sum changed by a cent", "payment-control-sum", change_text("//p:PmtInf/p:CtrlSum", plus_a_cent)),
    ("charges on the debtor", "EPC-PMT-003", set_text("//p:ChrgBr", "DEBT")),
    ("another service level", "EPC-PMT-002", set_text("//p:SvcLvl/p:Cd", "NURG")),
    ("a letter outside the set", "charset", set_text("//p:Cdtr/p:Nm", "Łukasz")),
    ("an ampersand in the debtor's name", "charset", set_text("//p:Dbtr/p:Nm", "A & B")),
    ("a name of 71 characters", "name-length", set_text("//p:Cdtr/p:Nm", "A" * 71)),
    ("no town", "address", remove("//p:Cdtr/p:PstlAdr/p:TwnNm")),
    ("no country", "address", remove("//p:Dbtr/p:PstlAdr/p:Ctry")),
    ("an address in lines only", "address", address_lines_only),
    ("a date that does not exist", "xsd-sepaxml", set_text("//p:ReqdExctnDt/p:Dt", "2026-02-30")),
    ("an element nobody knows", "xsd-pain001", add_unknown),
    ("an end-to-end id with a slash at its end", "identifier-slash", set_text(f"{TX}/p:PmtId/p:EndToEndId", "A/")),
    ("a message without a name", "xsd-sepaxml", remove("//p:GrpHdr/p:MsgId")),
    ("a payment without a name", "xsd-sepaxml", remove("//p:PmtInf/p:PmtInfId")),
    ("no day of execution", "xsd-sepaxml", remove("//p:ReqdExctnDt")),
    ("a transfer without an amount", "xsd-sepaxml", remove(f"{TX}/p:Amt")),
]


def broken_copies(data):
    """(what is broken, the rule that must refuse it, the copy)."""
    for what, rule, change in BREAKS:
        root = etree.fromstring(data, SECURE)
        change(root)
        yield what, rule, etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    yield "the namespace of an older version", "namespace", data.replace(b"pain.001.001.09", b"pain.001.001.03")
    yield "its end cut off", "xml", data[: len(data) * 2 // 3]
    yield "a document type", "doctype", data.replace(b"<Document", b"<!DOCTYPE Document><Document", 1)
