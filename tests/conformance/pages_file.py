"""PDFs without XML (quotes, reminders, certificates, statements): PDF/A-3b and what PDF/UA-1 wants by a validator, their
structure by pikepdf, qpdf and poppler."""

import io

import pikepdf
from facturx_file import (
    archive_findings,
    document_findings,
    documents,
    drop_font,
    drop_unicode,
    edited,
    font_findings,
    open_action,
    other_title,
    reorder,
    replace_xmp,
    set_in,
)

__all__ = ["BREAKS", "BROKEN_DOCUMENTS", "BROKEN_MIN", "broken_copies", "documents", "findings", "judges"]

BROKEN_MIN = 10
BROKEN_DOCUMENTS = 8


def judges():
    return "page (PDF/A-3b, PDF/UA-1), pikepdf, qpdf, pdffonts"


def findings(data, scratch):
    """Every (rule, detail) that the document breaks."""
    path = scratch / "document.pdf"
    path.write_bytes(data)
    found = archive_findings(data, path)
    try:
        with pikepdf.open(io.BytesIO(data)) as pdf:
            found += document_findings(pdf)
            if "/AF" in pdf.Root or "/Names" in pdf.Root:
                found.append(("files", "a file within"))
    except pikepdf.PdfError as error:
        return found + [("pikepdf", str(error))]
    return found + font_findings(path)


BREAKS = [
    ("no output intent", "pdfa-3b", set_in(["/OutputIntents"], None)),
    ("no metadata", "pdfa-3b", set_in(["/Metadata"], None)),
    ("another part of PDF/A", "pdfa-3b", replace_xmp(b"<pdfaid:part>3<", b"<pdfaid:part>4<")),
    ("a font that is not embedded", "fonts", drop_font),
    ("a font without its characters", "fonts", drop_unicode),
    ("a script that runs when it is opened", "active", open_action),
    ("another title than it says", "xmp-info", other_title),
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
