//! What a document says of itself as XMP (ISO 16684-1): the same as its information dictionary, that it is PDF/A-3b
//! (ISO 19005-3, 6.6), and, when it carries the XML of an invoice, that it is Factur-X, with the schema of that saying.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::document::Metadata;

const FACTUR_X: &str = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#";

/// The properties that Factur-X adds, each with its value and what it means.
const PROPERTIES: [(&str, &str, &str); 4] = [
    ("DocumentFileName", super::attachment::FACTUR_X, "name of the embedded XML invoice file"),
    ("DocumentType", "INVOICE", "INVOICE"),
    ("Version", "1.0", "The actual version of the Factur-X XML schema"),
    ("ConformanceLevel", "EN 16931", "The conformance level of the embedded Factur-X data"),
];

/// The packet.
pub(super) fn packet(metadata: &Metadata<'_>, is_factur_x: bool) -> String {
    let day = metadata.dated.format("%Y-%m-%dT00:00:00Z");
    let mut out = String::from(
        "<?xpacket begin=\"\u{FEFF}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n\
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n",
    );
    let open = |out: &mut String, spaces: &[(&str, &str)]| {
        out.push_str("<rdf:Description rdf:about=\"\"");
        for (prefix, space) in spaces {
            // Writing into a String cannot fail.
            let _ = write!(out, " xmlns:{prefix}=\"{space}\"");
        }
        out.push_str(">\n");
    };
    let element = |out: &mut String, name: &str, value: &str| {
        let _ = writeln!(out, "<{name}>{}</{name}>", escape(value));
    };
    open(&mut out, &[("pdfaid", "http://www.aiim.org/pdfa/ns/id/")]);
    element(&mut out, "pdfaid:part", "3");
    element(&mut out, "pdfaid:conformance", "B");
    out.push_str("</rdf:Description>\n");
    open(&mut out, &[("dc", "http://purl.org/dc/elements/1.1/")]);
    out.push_str("<dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">");
    out.push_str(&escape(metadata.title));
    out.push_str("</rdf:li></rdf:Alt></dc:title>\n<dc:creator><rdf:Seq><rdf:li>");
    out.push_str(&escape(metadata.author));
    out.push_str("</rdf:li></rdf:Seq></dc:creator>\n<dc:language><rdf:Bag><rdf:li>");
    out.push_str(metadata.language.tag());
    out.push_str("</rdf:li></rdf:Bag></dc:language>\n</rdf:Description>\n");
    open(&mut out, &[("xmp", "http://ns.adobe.com/xap/1.0/"), ("pdf", "http://ns.adobe.com/pdf/1.3/")]);
    element(&mut out, "pdf:Producer", super::document::PRODUCER);
    element(&mut out, "xmp:CreatorTool", super::document::PRODUCER);
    element(&mut out, "xmp:CreateDate", &day.to_string());
    element(&mut out, "xmp:ModifyDate", &day.to_string());
    out.push_str("</rdf:Description>\n");
    if is_factur_x {
        schema(&mut out, &open, &element);
    }
    out.push_str("</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"r\"?>");
    out
}

type Open<'a> = &'a dyn Fn(&mut String, &[(&str, &str)]);
type Element<'a> = &'a dyn Fn(&mut String, &str, &str);

/// The values of Factur-X, and the schema that explains them.
fn schema(out: &mut String, open: Open<'_>, element: Element<'_>) {
    open(out, &[("fx", FACTUR_X)]);
    for (name, value, _) in PROPERTIES {
        element(out, &format!("fx:{name}"), value);
    }
    out.push_str("</rdf:Description>\n");
    open(
        out,
        &[
            ("pdfaExtension", "http://www.aiim.org/pdfa/ns/extension/"),
            ("pdfaSchema", "http://www.aiim.org/pdfa/ns/schema#"),
            ("pdfaProperty", "http://www.aiim.org/pdfa/ns/property#"),
        ],
    );
    out.push_str("<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType=\"Resource\">\n");
    element(out, "pdfaSchema:schema", "Factur-X PDFA Extension Schema");
    element(out, "pdfaSchema:namespaceURI", FACTUR_X);
    element(out, "pdfaSchema:prefix", "fx");
    out.push_str("<pdfaSchema:property><rdf:Seq>\n");
    for (name, _, meaning) in PROPERTIES {
        out.push_str("<rdf:li rdf:parseType=\"Resource\">\n");
        element(out, "pdfaProperty:name", name);
        element(out, "pdfaProperty:valueType", "Text");
        element(out, "pdfaProperty:category", "external");
        element(out, "pdfaProperty:description", meaning);
        out.push_str("</rdf:li>\n");
    }
    out.push_str("</rdf:Seq></pdfaSchema:property>\n</rdf:li></rdf:Bag></pdfaExtension:schemas>\n</rdf:Description>\n");
}
