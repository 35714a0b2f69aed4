//! Files within a document (ISO 19005-3, 6.8): the XML of a Factur-X invoice, and what its sender adds.

use chrono::{Datelike, NaiveDate};
use lopdf::{Document, Object, ObjectId, Stream, StringFormat, dictionary};
use md5::{Digest as _, Md5};

use super::document::{of, utf16};

/// The name that Factur-X 1.0 and `ZUGFeRD` 2.1 and later give to the XML.
pub const FACTUR_X: &str = "factur-x.xml";

/// How a file belongs to the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relationship {
    /// It says the same in another way: the XML of a Factur-X of profile EN 16931.
    Alternative,
    /// It has data behind the document: the XML of the profiles that are less than an invoice.
    Data,
    /// It adds something.
    Supplement,
}

impl Relationship {
    const fn name(self) -> &'static str {
        match self {
            Self::Alternative => "Alternative",
            Self::Data => "Data",
            Self::Supplement => "Supplement",
        }
    }
}

/// The kinds of files that EN 16931 lets an invoice carry, and the XML of the invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// XML.
    Xml,
    /// PDF.
    Pdf,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// CSV.
    Csv,
}

impl Media {
    /// As media types are written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xml => "text/xml",
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Csv => "text/csv",
        }
    }
}

/// A file within the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment<'a> {
    /// The name of the file; letters that file systems refuse become `_`, and names are made different.
    pub name: &'a str,
    /// What it is, for people.
    pub description: &'a str,
    /// Its kind.
    pub media: Media,
    /// How it belongs to the document.
    pub relationship: Relationship,
    /// When it was made.
    pub dated: NaiveDate,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl<'a> Attachment<'a> {
    /// The XML of a Factur-X invoice of profile EN 16931.
    #[must_use]
    pub const fn factur_x(xml: &'a [u8], dated: NaiveDate) -> Self {
        Self {
            name: FACTUR_X,
            description: "Factur-X EN 16931",
            media: Media::Xml,
            relationship: Relationship::Alternative,
            dated,
            bytes: xml,
        }
    }

    /// Whether it is the XML of the invoice itself.
    pub(super) fn is_factur_x(&self) -> bool {
        self.name == FACTUR_X
    }
}

/// A day as dictionaries have it.
pub(super) fn day(on: NaiveDate) -> String {
    format!("D:{:04}{:02}{:02}000000Z", on.year().clamp(0, 9_999), on.month(), on.day())
}

/// A name that every file system takes, of at most 100 characters.
fn safe(name: &str) -> String {
    let plain = |character: char| {
        if character.is_alphanumeric() || matches!(character, '.' | '-' | '_' | ' ' | '(' | ')') {
            character
        } else {
            '_'
        }
    };
    let name: String = name.trim().trim_start_matches('.').chars().take(100).map(plain).collect();
    if name.is_empty() { "attachment".to_owned() } else { name }
}

/// Adds the files; answers the tree of their names and the list for the catalogue.
pub(super) fn add_to(out: &mut Document, files: &[Attachment<'_>]) -> (ObjectId, Vec<Object>) {
    let mut named: Vec<(String, ObjectId)> = Vec::new();
    for file in files {
        let mut name = if file.is_factur_x() { file.name.to_owned() } else { safe(file.name) };
        while named.iter().any(|(known, _)| *known == name) {
            name.insert(0, '_');
        }
        let dated = Object::string_literal(day(file.dated));
        let params = dictionary! {
            "ModDate" => dated.clone(),
            "CreationDate" => dated,
            "Size" => i64::try_from(file.bytes.len()).unwrap_or(i64::MAX),
            "CheckSum" => Object::String(Md5::digest(file.bytes).to_vec(), StringFormat::Hexadecimal),
        };
        let dict = dictionary! {
            "Type" => of("EmbeddedFile"), "Subtype" => of(file.media.name()), "Params" => params,
        };
        let stream = out.add_object(Stream::new(dict, file.bytes.to_vec()));
        let spec = out.add_object(dictionary! {
            "Type" => of("Filespec"),
            "F" => utf16(&name),
            "UF" => utf16(&name),
            "Desc" => utf16(file.description),
            "AFRelationship" => of(file.relationship.name()),
            "EF" => dictionary! { "F" => stream, "UF" => stream },
        });
        named.push((name, spec));
    }
    let list = named.iter().map(|(_, spec)| Object::Reference(*spec)).collect();
    // A tree of names is in the order of their bytes.
    named.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    let names: Vec<Object> = named.iter().flat_map(|(name, spec)| [utf16(name), Object::Reference(*spec)]).collect();
    (out.add_object(dictionary! { "Names" => names }), list)
}
