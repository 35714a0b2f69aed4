"""Electronic invoices judged by schemas and Schematron sheets that other people wrote, run here."""

import copy
import re
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path

from lxml import etree
from saxonche import PySaxonProcessor

SVRL = {"svrl": "http://purl.oclc.org/dsdl/svrl"}
SECURE = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
PROCESSOR = PySaxonProcessor(license=False)


def package_file(package, path):
    """A file that a package carries, found without importing the package."""
    found = Path(distribution(package).locate_file(path))
    if not found.is_file():
        raise SystemExit(f"{package} no longer carries {path}")
    return found


class Sheet:
    """A compiled sheet. Compiling takes about a second, so it waits for the first document."""

    def __init__(self, package, path, rules_min):
        self.path = package_file(package, path)
        self.rules_min = rules_min
        self.compiled = None

    def findings(self, text, tolerated):
        """Every (rule, detail) that the document breaks; warnings too, unless tolerated."""
        if self.compiled is None:
            self.compiled = PROCESSOR.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(self.path))
        try:
            report = self.compiled.transform_to_string(xdm_node=PROCESSOR.parse_xml(xml_text=text))
        except Exception as error:  # the processor has no narrower one
            return [("sheet", str(error))]
        report = etree.fromstring(report.encode(), etree.XMLParser(huge_tree=True))
        fired = len(report.xpath("//svrl:fired-rule", namespaces=SVRL))
        found = []
        for node in report.xpath("//svrl:failed-assert | //svrl:successful-report", namespaces=SVRL):
            detail = " ".join("".join(node.xpath("svrl:text//text()", namespaces=SVRL)).split())
            in_text = re.match(r"\[([A-Z0-9-]+)\]", detail)
            rule = node.get("id") or (in_text.group(1) if in_text else self.path.stem)
            location = node.get("location") or ""
            if not any(rule == known and place in location for known, place in tolerated):
                found.append((rule, f"{detail} at {location}"))
        if fired < self.rules_min:
            found.append(("nothing-asked", f"{self.path.name}: {fired} rules fired, fewer than {self.rules_min}"))
        return found


def schema_findings(schema, tree):
    if schema.validate(tree):
        return []
    return [("xsd", f"{entry.line}: {entry.message}") for entry in schema.error_log]


def parsed(data):
    """(tree, findings): no document type, no entity."""
    try:
        tree = etree.fromstring(data, SECURE).getroottree()
    except etree.XMLSyntaxError as error:
        return None, [("xml", str(error))]
    if tree.docinfo.doctype:
        return None, [("doctype", tree.docinfo.doctype)]
    return tree, []


def documents(folder):
    for path in sorted(folder.glob("*.xml")):
        yield path.name, path.read_bytes()


class Changes:
    """Ways to break a document, by XPath with the prefixes of its syntax."""

    def __init__(self, namespaces):
        self.namespaces = namespaces

    def first(self, root, path):
        found = root.xpath(path, namespaces=self.namespaces)
        if not found:
            raise NotHere(path)
        return found[0]

    def text(self, path, text):
        def change(root):
            self.first(root, path).text = text

        return change

    def plus(self, path, more):
        def change(root):
            element = self.first(root, path)
            element.text = str(Decimal(element.text) + Decimal(more))

        return change

    def remove(self, path):
        def change(root):
            for element in root.xpath(path, namespaces=self.namespaces) or [self.first(root, path)]:
                element.getparent().remove(element)

        return change

    def attribute(self, path, name, value):
        def change(root):
            element = self.first(root, path)
            if value is None:
                element.attrib.pop(name, None)
            else:
                element.set(name, value)

        return change

    def twice(self, path):
        def change(root):
            element = self.first(root, path)
            element.addnext(copy.deepcopy(element))

        return change

    def after(self, path, xml):
        """Puts a piece behind the last element of the path."""

        def change(root):
            self.first(root, path)
            element = root.xpath(path, namespaces=self.namespaces)[-1]
            declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in self.namespaces.items())
            pieces = etree.fromstring(f"<x {declared}>{xml}</x>")
            for piece in reversed(list(pieces)):
                element.addnext(piece)

        return change


class NotHere(Exception):
    """The document does not have what would be broken."""


def broken_copies(data, changes, raw):
    """(what is broken, the rule that must refuse it, the copy); a change for which nothing is there is left out."""
    for what, rule, change in changes:
        root = etree.fromstring(data, SECURE)
        try:
            change(root)
        except NotHere:
            continue
        yield what, rule, etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    for what, rule, change in raw:
        yield what, rule, change(data)
