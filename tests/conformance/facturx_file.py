"""Factur-X files: PDF/A-3b and what PDF/UA-1 wants by a validator, structure by pikepdf, qpdf and poppler; the payment
code by two decoders; the XML inside by the schema and the rules of its profile, and its totals against the text of the
pages and the code."""

import hashlib
import io
import re
import subprocess
from decimal import Decimal

import cii_file
import page
import pikepdf
import zxingcpp
from lxml import etree
from PIL import Image
from pyzbar import pyzbar
from stdnum import iban, iso11649

BROKEN_MIN = 12
# A verdict on a PDF takes long.
BROKEN_DOCUMENTS = 18
NAME = "factur-x.xml"
NS = {
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
}
FX = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
SECURE = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def judges():
    return "page (PDF/A-3b, PDF/UA-1), pikepdf, qpdf, pdffonts, pdftotext, pyzbar, zxing-cpp, schema and rules of Factur-X EN 16931"


def documents(folder):
    for path in sorted(folder.glob("*.pdf")):
        yield path.name, path.read_bytes()


def findings(data, scratch):
    """Every (rule, detail) that the document breaks."""
    path = scratch / "document.pdf"
    path.write_bytes(data)
    found = archive_findings(data, path)
    try:
        with pikepdf.open(io.BytesIO(data)) as pdf:
            xml, structural = structure_findings(pdf)
    except pikepdf.PdfError as error:
        return found + [("pikepdf", str(error))]
    found += structural
    found += font_findings(path)
    text = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=False).stdout
    if xml is not None:
        of_xml, facts = xml_findings(xml, text)
        found += of_xml
        # Pictures of the pages take longest: what is refused by its structure already is not looked at.
        if facts and all(rule == "pdfa-3b" for rule, _detail in found):
            found += code_findings(path, scratch, text, facts)
    return found


def archive_findings(data, path):
    """What the standards of archives and of readers aloud refuse, and what a second program cannot read."""
    found = []
    try:
        found += [("pdfa-3b", f"{it.rule_id}: {it.message}") for it in page.validate_pdf_bytes(data, profile="3b").failures]
        # Everything that PDF/UA-1 wants but the claim to be it, which takes a person to make.
        readable = page.validate_pdf_bytes(data, profile="ua1").failures
        found += [("pdf-ua", f"{it.rule_id}: {it.message}") for it in readable if not it.rule_id.startswith("PDFUA1-ID-")]
    except page.PageError as error:
        found.append(("pdfa-3b", str(error)))
    checked = subprocess.run(["qpdf", "--check", path], capture_output=True, text=True, check=False)
    if checked.returncode != 0:
        found.append(("qpdf", checked.stderr.strip() or checked.stdout.strip()))
    return found


def structure_findings(pdf):
    """The XML, or none, and what is wrong with how it is kept and with what the file says of itself."""
    found = document_findings(pdf) + factur_x_findings(pdf)
    root = pdf.Root
    names = root.get("/Names", {}).get("/EmbeddedFiles", {}).get("/Names", [])
    specs = {str(names[at]): names[at + 1] for at in range(0, len(names) - 1, 2)}
    associated = [one.objgen for one in root.get("/AF", [])]
    if set(associated) != {one.objgen for one in specs.values()} or len(associated) != len(specs):
        found.append(("af", "the catalogue does not list the files by name"))
    for name, spec in specs.items():
        wanted = "/Alternative" if name == NAME else "/Supplement"
        if str(spec.get("/AFRelationship", "")) != wanted:
            found.append(("relationship", f"{name}: {spec.get('/AFRelationship')}"))
        if str(spec.get("/UF", "")) != name or str(spec.get("/F", "")) != name:
            found.append(("file-name", name))
        stream = spec.EF.F
        content, params = stream.read_bytes(), stream.get("/Params", {})
        if params.get("/Size") != len(content):
            found.append(("file-size", name))
        if bytes(params.get("/CheckSum", b"")) != hashlib.md5(content, usedforsecurity=False).digest():
            found.append(("file-checksum", name))
        if "/ModDate" not in params:
            found.append(("file-date", name))
        if name == NAME and str(stream.get("/Subtype", "")) != "/text/xml":
            found.append(("file-type", str(stream.get("/Subtype"))))
    if NAME not in specs:
        return None, found + [("no-xml", f"only {sorted(specs)}")]
    return specs[NAME].EF.F.read_bytes(), found


def document_findings(pdf):
    """What is wrong with how the document reads and with what it says of itself."""
    found = []
    root = pdf.Root
    if str(root.get("/Lang", "")) not in ("fr", "nl", "en", "de"):
        found.append(("language", str(root.get("/Lang"))))
    if not bool(root.get("/ViewerPreferences", {}).get("/DisplayDocTitle", False)) or not str(pdf.docinfo.get("/Title", "")):
        found.append(("title", "no title that is shown"))
    if not bool(root.get("/MarkInfo", {}).get("/Marked", False)) or "/StructTreeRoot" not in root:
        found.append(("tagged", "no structure"))
    else:
        found += reading_order(pdf)
    if any("/Annots" in one or "/AA" in one for one in pdf.pages) or "/OpenAction" in root or "/AcroForm" in root:
        found.append(("active", "links, actions or forms"))
    with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as xmp:
        title, producer, author = xmp.get("dc:title"), xmp.get("pdf:Producer"), xmp.get("dc:creator")
        dates = xmp.get("xmp:CreateDate"), xmp.get("xmp:ModifyDate")
    info = pdf.docinfo
    pairs = [(title, str(info.get("/Title"))), (producer, str(info.get("/Producer"))), (author, [str(info.get("/Author"))])]
    for date, key in zip(dates, ("/CreationDate", "/ModDate")):
        pairs.append((re.sub(r"[-:T]", "", date or ""), str(info.get(key, ""))[2:]))
    found += [("xmp-info", f"{one} is not {other}") for one, other in pairs if one != other]
    return found


def reading_order(pdf):
    """The tree goes through the marked content of each page in the order in which it is drawn."""
    order, found = {}, []

    def walk(node, where):
        if isinstance(node, int):
            order.setdefault(where, []).append(node)
        elif isinstance(node, pikepdf.Array):
            for kid in node:
                walk(kid, where)
        elif isinstance(node, pikepdf.Dictionary):
            where = node.Pg.objgen if "/Pg" in node else where
            walk(int(node.MCID) if "/MCID" in node else node.get("/K", pikepdf.Array()), where)

    walk(pdf.Root.StructTreeRoot.K, None)
    for number, one in enumerate(pdf.pages, start=1):
        drawn = [int(mark) for mark in re.findall(rb"/MCID (\d+)", contents(one))]
        if order.get(one.obj.objgen, []) != drawn:
            found.append(("reading-order", f"page {number}"))
    return found


def contents(one):
    one.contents_coalesce()
    return one.Contents.read_bytes()


def factur_x_findings(pdf):
    """Whether the document says that it is Factur-X of the profile EN 16931."""
    with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as xmp:
        said = {key: xmp.get(f"{{{FX}}}{key}") for key in ("DocumentFileName", "DocumentType", "Version", "ConformanceLevel")}
    wanted = {"DocumentFileName": NAME, "DocumentType": "INVOICE", "Version": "1.0", "ConformanceLevel": "EN 16931"}
    return [] if said == wanted else [("xmp-factur-x", str(said))]


def font_findings(path):
    listed = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=False).stdout.splitlines()[2:]
    if not listed:
        return [("fonts", "none")]
    bad = [line for line in listed if line.split()[-5:-2] != ["yes", "yes", "yes"]]
    return [("fonts", f"not embedded, a subset and with its characters: {line}") for line in bad]


def xml_findings(xml, text):
    """What is wrong with the XML, and what the code must say: type, currency, amount."""
    try:
        root = etree.fromstring(xml, SECURE)
    except etree.XMLSyntaxError as error:
        return [("xml", str(error))], None
    found = cii_file.findings(xml, None)
    sums = root.find(".//ram:SpecifiedTradeSettlementHeaderMonetarySummation", NS)
    if sums is None:
        return found + [("totals", "none in the XML")], None
    shown = amounts(text)
    of_xml = {key: sums.findtext(f"ram:{key}", namespaces=NS) for key in
              ("TaxBasisTotalAmount", "TaxTotalAmount", "GrandTotalAmount", "DuePayableAmount")}
    for key, value in of_xml.items():
        if value is None or Decimal(value) not in shown:
            found.append(("totals", f"{key} {value} is not in the text"))
    number = root.findtext("rsm:ExchangedDocument/ram:ID", namespaces=NS)
    if number is None or number not in text:
        found.append(("number", f"{number} is not in the text"))
    currency = root.findtext(".//ram:InvoiceCurrencyCode", namespaces=NS)
    kind = root.findtext("rsm:ExchangedDocument/ram:TypeCode", namespaces=NS)
    return found, (kind, currency, of_xml["DuePayableAmount"])


def amounts(text):
    """Every number of the text that could be an amount, whatever the language groups it with."""
    found = set()
    for match in re.findall(r"\d[\d.,\u00a0 ]*[.,]\d{2}(?!\d)", text):
        # Two figures side by side are apart by two spaces or more.
        for figure in re.split(r" {2,}", match):
            whole, cents = re.sub(r"[.,\u00a0 ]", "", figure[:-3]), figure[-2:]
            if whole.isdigit() and cents.isdigit():
                found.add(Decimal(f"{whole}.{cents}"))
    # Of a currency without cents.
    for match in re.findall(r"(?<![\d.,])\d[\d.,\u00a0\u202f ]*(?=[\u00a0\u202f ]JPY)|(?<=JPY)[\s\u00a0]*\d[\d.,\u00a0\u202f]*", text):
        found.add(Decimal(re.sub(r"\D", "", re.split(r" {2,}", match.strip())[-1])))
    return found


def code_findings(path, scratch, text, facts):
    kind, currency, due = facts
    subprocess.run(["pdftoppm", "-r", "120", "-gray", path, scratch / "page"], check=True)
    pictures = sorted(scratch.glob("page*.pgm"))
    one, other, levels = [], [], []
    for picture in pictures:
        image = Image.open(picture).convert("L")
        one += [it.data.decode("utf-8") for it in pyzbar.decode(image, symbols=[pyzbar.ZBarSymbol.QRCODE])]
        for it in zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.QRCode):
            other.append(it.text)
            levels.append(it.ec_level)
        picture.unlink()
    if one != other:
        return [("qr-decoders", f"{one} is not {other}")]
    # The code has room for 999,999,999.99 (EPC069-12).
    wanted = 1 if currency == "EUR" and kind != "381" and 0 < Decimal(due or 0) < 10**9 else 0
    if len(one) != wanted:
        return [("qr-count", f"{len(one)} codes")]
    if not one:
        return []
    lines = one[0].split("\n") + [""] * 3
    found = [] if levels == ["M"] else [("qr-level", str(levels))]
    if lines[:4] != ["BCD", "002", "1", "SCT"]:
        found.append(("qr-head", str(lines[:4])))
    if not iban.is_valid(lines[6], check_country=False):
        found.append(("qr-iban", lines[6]))
    elif lines[6] not in re.sub(r"[\s\u00a0]", "", text):
        found.append(("qr-iban", f"{lines[6]} is not in the text"))
    if lines[7] != f"EUR{due}":
        found.append(("qr-amount", f"{lines[7]} is not {due}"))
    reference = lines[9]
    if reference.startswith("RF"):
        if not iso11649.is_valid(reference):
            found.append(("qr-reference", reference))
    elif reference:
        digits = re.fullmatch(r"\d{12}", reference)
        if not digits or (int(reference[:10]) % 97 or 97) != int(reference[10:]):
            found.append(("qr-reference", reference))
    if len(one[0].encode()) > 331 or (reference and lines[10]):
        found.append(("qr-size", one[0]))
    return found


def edited(data, change):
    with pikepdf.open(io.BytesIO(data)) as pdf:
        change(pdf)
        out = io.BytesIO()
        pdf.save(out, deterministic_id=True, fix_metadata_version=False)
        return out.getvalue()


def spec_of(pdf, name=NAME):
    names = pdf.Root.Names.EmbeddedFiles.Names
    return next(names[at + 1] for at in range(0, len(names), 2) if str(names[at]) == name)


def replace_xml(change, true_checksum=True):
    def edit(pdf):
        stream = spec_of(pdf).EF.F
        content = change(stream.read_bytes())
        stream.write(content)
        if true_checksum:
            stream.Params.Size = len(content)
            stream.Params.CheckSum = pikepdf.String(hashlib.md5(content, usedforsecurity=False).digest())

    return edit


def replace_xmp(old, new):
    def edit(pdf):
        stream = pdf.Root.Metadata
        content = stream.read_bytes()
        assert old in content, old
        stream.write(content.replace(old, new))

    return edit


def set_in(path, value):
    def edit(pdf):
        target = pdf.Root
        for key in path[:-1]:
            target = target[key]
        if value is None:
            del target[path[-1]]
        else:
            target[path[-1]] = value

    return edit


def of_spec(edit):
    return lambda pdf: edit(spec_of(pdf))


def rename(pdf):
    names = pdf.Root.Names.EmbeddedFiles.Names
    for at in range(0, len(names), 2):
        if str(names[at]) == NAME:
            names[at] = pikepdf.String("invoice.xml")
            names[at + 1].F = names[at + 1].UF = pikepdf.String("invoice.xml")


def drop_font(pdf):
    fonts = pdf.pages[0].Resources.Font
    del next(iter(fonts.values())).DescendantFonts[0].FontDescriptor.FontFile2


def drop_alternative(pdf):
    def walk(node):
        if isinstance(node, pikepdf.Dictionary):
            if node.get("/S") == pikepdf.Name.Figure:
                del node.Alt
            walk(node.get("/K"))
        elif isinstance(node, pikepdf.Array):
            for kid in node:
                walk(kid)

    walk(pdf.Root.StructTreeRoot.K)


def drop_unicode(pdf):
    for font in pdf.pages[0].Resources.Font.values():
        del font.ToUnicode


def open_action(pdf):
    pdf.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS=pikepdf.String("app.alert(1)"))


def other_title(pdf):
    pdf.docinfo["/Title"] = "Another"


def reorder(pdf):
    document = pdf.Root.StructTreeRoot.K[0]
    document.K = pikepdf.Array(reversed(list(document.K)))


def cover_code(pdf):
    white = pikepdf.Stream(pdf, b"/Artifact BMC 1 1 1 rg 0 0 595 841 re f EMC")
    pdf.pages[-1].contents_coalesce()
    pdf.pages[-1].contents_add(white, prepend=False)


def grand_total(content):
    return re.sub(rb"(<ram:GrandTotalAmount[^>]*>)[^<]*", rb"\g<1>987654.32", content)


def del_key(key):
    def edit(target):
        del target[key]

    return edit


BREAKS = [
    ("no output intent", "pdfa-3b", set_in(["/OutputIntents"], None)),
    ("no metadata", "pdfa-3b", set_in(["/Metadata"], None)),
    ("another part of PDF/A", "pdfa-3b", replace_xmp(b"<pdfaid:part>3<", b"<pdfaid:part>4<")),
    ("no extension schema", "pdfa-3b", replace_xmp(b"pdfaExtension:schemas", b"pdfaExtension:nothing")),
    ("a font that is not embedded", "fonts", drop_font),
    ("a font without its characters", "fonts", drop_unicode),
    ("a script that runs when it is opened", "active", open_action),
    ("another title than it says", "xmp-info", other_title),
    ("another profile in its metadata", "xmp-factur-x", replace_xmp(b">EN 16931<", b">BASIC<")),
    ("no relationship of its XML", "relationship", of_spec(del_key("/AFRelationship"))),
    ("its XML as data", "relationship", of_spec(lambda spec: spec.__setitem__("/AFRelationship", pikepdf.Name.Data))),
    ("no list of files in the catalogue", "af", set_in(["/AF"], None)),
    ("another name of its XML", "no-xml", rename),
    ("another type of its XML", "file-type", of_spec(lambda spec: spec.EF.F.__setitem__("/Subtype", pikepdf.Name("/text/plain")))),
    ("a wrong checksum", "file-checksum", replace_xml(lambda content: content + b" ", true_checksum=False)),
    ("a wrong size", "file-size", of_spec(lambda spec: spec.EF.F.Params.__setitem__("/Size", 7))),
    ("no date of its XML", "file-date", of_spec(lambda spec: spec.EF.F.Params.__delitem__("/ModDate"))),
    ("its XML cut off", "xml", replace_xml(lambda content: content[: len(content) // 2])),
    ("an element nobody knows", "xsd", replace_xml(lambda content: content.replace(b"<ram:TypeCode>", b"<ram:Kind/><ram:TypeCode>", 1))),
    ("another total in its XML", "totals", replace_xml(grand_total)),
    ("an XML that does not add up", "BR-CO-15", replace_xml(grand_total)),
    ("no language", "language", set_in(["/Lang"], None)),
    ("no title to show", "title", set_in(["/ViewerPreferences"], None)),
    ("no structure", "tagged", set_in(["/StructTreeRoot"], None)),
    ("its parts in another order", "reading-order", reorder),
]


def broken_copies(data):
    """(what is broken, the rule that must refuse it, the copy)."""
    for what, rule, change in BREAKS:
        yield what, rule, edited(data, change)
    yield "its end cut off", "pdfa-3b", data[: len(data) * 2 // 3]
    if has_code(data):
        yield "a code that nobody describes", "pdf-ua", edited(data, drop_alternative)
        yield "its last page painted white", "qr-count", edited(data, cover_code)


def has_code(data):
    with pikepdf.open(io.BytesIO(data)) as pdf:
        root = etree.fromstring(spec_of(pdf).EF.F.read_bytes(), SECURE)
    due = root.findtext(".//ram:DuePayableAmount", namespaces=NS)
    kind = root.findtext("rsm:ExchangedDocument/ram:TypeCode", namespaces=NS)
    currency = root.findtext(".//ram:InvoiceCurrencyCode", namespaces=NS)
    return currency == "EUR" and kind != "381" and Decimal(due or 0) > 0
