//! From drawn pages to the bytes of a file.

use chrono::{Datelike, NaiveDate};
use lopdf::{Dictionary, Object, StringFormat};
use printpdf::{Mm, PdfDocument, PdfPage, PdfSaveOptions};
use sha2::{Digest, Sha256};

use super::PdfError;
use super::canvas::{Canvas, HEIGHT, WIDTH, points};
use super::fonts::{Faces, Weight};
use crate::kernel::language::Language;

/// What the file says about itself.
pub struct Metadata<'a> {
    /// Shown in the title bar of a reader.
    pub title: &'a str,
    /// Who issued the document.
    pub author: &'a str,
    /// The language of the text, for readers aloud.
    pub language: Language,
    /// The day of the document; the file has no other date.
    pub dated: NaiveDate,
}

/// The file. Equal drawings with equal metadata give equal bytes.
///
/// # Errors
/// Only when the embedded faces are broken, or the memory for the file cannot be had.
pub fn to_bytes(canvas: Canvas, metadata: &Metadata<'_>) -> Result<Vec<u8>, PdfError> {
    let mut pdf = PdfDocument::new("");
    let faces = Faces::get()?;
    for (weight, used) in Weight::ALL.into_iter().zip(&canvas.used) {
        if !used.is_empty() {
            pdf.resources.fonts.map.insert(weight.resource(), faces.face(weight).subset(used)?);
        }
    }
    pdf.pages = canvas
        .pages
        .into_iter()
        .map(|page| {
            let mut sheet = PdfPage::new(Mm(0.0), Mm(0.0), page.ops);
            for area in [&mut sheet.media_box, &mut sheet.trim_box, &mut sheet.crop_box] {
                (area.width, area.height) = (points(WIDTH), points(HEIGHT));
            }
            sheet
        })
        .collect();
    let mut file = pdf.to_lopdf_document(&PdfSaveOptions::default(), &mut Vec::new());
    describe(&mut file, metadata);
    file.compress();
    let mut bytes = Vec::new();
    file.save_to(&mut bytes).map_err(PdfError::Write)?;
    Ok(bytes)
}

/// Replaces what printpdf says of the document (random ids, a print standard we do not claim) by what is true of it.
fn describe(file: &mut lopdf::Document, metadata: &Metadata<'_>) {
    "1.7".clone_into(&mut file.version);
    let day = metadata.dated;
    let dated = format!("D:{:04}{:02}{:02}000000Z", day.year().clamp(0, 9_999), day.month(), day.day());
    let info = Dictionary::from_iter([
        ("Title", utf16(metadata.title)),
        ("Author", utf16(metadata.author)),
        ("Producer", Object::string_literal("Umbel")),
        ("CreationDate", Object::string_literal(dated.as_str())),
        ("ModDate", Object::string_literal(dated.as_str())),
    ]);
    if let Ok(old) = file.trailer.get(b"Info").and_then(Object::as_reference) {
        file.set_object(old, info);
    }
    if let Ok(catalog) = file.catalog_mut() {
        catalog.set("Lang", Object::string_literal(metadata.language.tag()));
        catalog.set("ViewerPreferences", Dictionary::from_iter([("DisplayDocTitle", Object::Boolean(true))]));
        catalog.remove(b"PageMode");
    }
    let mut digest = Sha256::new();
    digest.update(metadata.title);
    digest.update(metadata.author);
    digest.update(&dated);
    for object in file.objects.values() {
        if let Ok(stream) = object.as_stream() {
            digest.update(&stream.content);
        }
    }
    let id: Vec<u8> = digest.finalize().iter().copied().take(16).collect();
    let id = Object::String(id, StringFormat::Hexadecimal);
    file.trailer.set("ID", Object::Array(vec![id.clone(), id]));
}

/// A text string of the file's own dictionaries: UTF-16 with its mark.
fn utf16(text: &str) -> Object {
    let mut bytes = vec![0xFE, 0xFF];
    bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    Object::String(bytes, StringFormat::Hexadecimal)
}
