//! From drawn pages to the bytes of a file: PDF/A-3b (ISO 19005-3), tagged, with the files it carries.
//!
//! printpdf makes the document; what it does not know is added to it after: what the file says of itself, the tree of
//! parts, the colours, the files within. What is not claimed: level A of PDF/A and PDF/UA. The tree of parts is there
//! and in reading order, but nobody has judged it as those levels want.

use std::io::Write as _;

use chrono::NaiveDate;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use lopdf::{Dictionary, Object, ObjectId, SaveOptions, Stream, StringFormat, dictionary};
use printpdf::{Mm, PdfDocument, PdfPage, PdfSaveOptions};
use sha2::{Digest, Sha256};

use super::attachment::{self, Attachment};
use super::canvas::{Canvas, HEIGHT, WIDTH, picture_id, points};
use super::fonts::{Faces, Weight};
use super::structure::Structure;
use super::{PdfError, icc, xmp};
use crate::kernel::language::Language;

/// The program that writes the file.
pub(super) const PRODUCER: &str = "Umbel";
/// Small objects that stand compressed together: as good as all, also of a document of many pages.
const TOGETHER: usize = 10_000;

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
    with_attachments(canvas, metadata, &[])
}

/// [`to_bytes`] with files in it. With [`Attachment::factur_x`] among them the file says that it is Factur-X.
///
/// # Errors
/// As [`to_bytes`].
pub fn with_attachments(
    canvas: Canvas,
    metadata: &Metadata<'_>,
    files: &[Attachment<'_>],
) -> Result<Vec<u8>, PdfError> {
    let (mut file, structure) = drawn(canvas)?;
    let pages: Vec<ObjectId> = file.page_iter().collect();
    for (page, number) in pages.iter().zip(0_i64..) {
        tidy(&mut file, *page, number);
    }
    let structure = structure.add_to(&mut file, &pages);
    let packet = xmp::packet(metadata, files.iter().any(Attachment::is_factur_x));
    // Metadata stay readable for programs that know nothing of PDF.
    let packet = Stream::new(dictionary! { "Type" => of("Metadata"), "Subtype" => of("XML") }, packet.into_bytes());
    let packet = file.add_object(packet.with_compression(false));
    let profile = file.add_object(Stream::new(dictionary! { "N" => 3 }, icc::SRGB.clone()));
    let colours = dictionary! {
        "Type" => of("OutputIntent"),
        "S" => of("GTS_PDFA1"),
        "OutputConditionIdentifier" => utf16("sRGB"),
        "Info" => utf16("sRGB IEC61966-2.1"),
        "DestOutputProfile" => profile,
    };
    let attached = (!files.is_empty()).then(|| attachment::add_to(&mut file, files));
    let catalogue = file.catalog_mut().map_err(PdfError::Catalogue)?;
    for unsaid in ["PageLayout", "PageMode"] {
        catalogue.remove(unsaid.as_bytes());
    }
    catalogue.set("Metadata", packet);
    catalogue.set("Lang", Object::string_literal(metadata.language.tag()));
    catalogue.set("MarkInfo", dictionary! { "Marked" => true });
    catalogue.set("StructTreeRoot", structure);
    catalogue.set("ViewerPreferences", dictionary! { "DisplayDocTitle" => true });
    catalogue.set("OutputIntents", vec![Object::Dictionary(colours)]);
    if let Some((names, list)) = attached {
        catalogue.set("Names", dictionary! { "EmbeddedFiles" => names });
        catalogue.set("AF", list);
    }
    describe(&mut file, metadata);
    written(file)
}

/// The pages with their fonts and pictures, and the tree of parts.
fn drawn(canvas: Canvas) -> Result<(lopdf::Document, Structure), PdfError> {
    let mut pdf = PdfDocument::new("");
    let faces = Faces::get()?;
    for (weight, used) in Weight::ALL.into_iter().zip(&canvas.used) {
        if !used.is_empty() {
            pdf.resources.fonts.map.insert(weight.resource(), faces.face(weight).subset(used)?);
        }
    }
    for (number, picture) in canvas.pictures.iter().enumerate() {
        pdf.resources.xobjects.map.insert(picture_id(number), picture.resource());
    }
    pdf.pages = canvas
        .pages
        .into_iter()
        .map(|mut page| {
            page.end_mark();
            let mut sheet = PdfPage::new(Mm(0.0), Mm(0.0), page.ops);
            for area in [&mut sheet.media_box, &mut sheet.trim_box, &mut sheet.crop_box] {
                (area.width, area.height) = (points(WIDTH), points(HEIGHT));
            }
            sheet
        })
        .collect();
    let mut file = pdf.to_lopdf_document(&PdfSaveOptions::default(), &mut Vec::new());
    "1.7".clone_into(&mut file.version);
    Ok((file, canvas.structure))
}

/// Leaves out of a page what is empty, and ties it to the tree of parts.
fn tidy(file: &mut lopdf::Document, page: ObjectId, number: i64) {
    let mut resources = None;
    if let Ok(page) = file.get_object_mut(page).and_then(Object::as_dict_mut) {
        for needless in ["Annots", "CropBox"] {
            page.remove(needless.as_bytes());
        }
        page.set("StructParents", number);
        page.set("Tabs", of("S"));
        resources = page.get(b"Resources").and_then(Object::as_reference).ok();
    }
    let Some(own) = resources else { return };
    for kind in ["XObject", "ExtGState", "Shading"] {
        let Ok(resources) = file.get_object_mut(own).and_then(Object::as_dict_mut) else { return };
        let Ok(id) = resources.get(kind.as_bytes()).and_then(Object::as_reference) else { continue };
        // The pages share them: what the first has found empty is no longer there for the others.
        if file.get_dictionary(id).map_or(true, Dictionary::is_empty) {
            file.objects.remove(&id);
            if let Ok(resources) = file.get_object_mut(own).and_then(Object::as_dict_mut) {
                resources.remove(kind.as_bytes());
            }
        }
    }
}

/// Replaces what printpdf says of the document (random ids, the hour) by what is true of it.
fn describe(file: &mut lopdf::Document, metadata: &Metadata<'_>) {
    let dated = Object::string_literal(attachment::day(metadata.dated));
    let info = dictionary! {
        "Title" => utf16(metadata.title),
        "Author" => utf16(metadata.author),
        "Producer" => utf16(PRODUCER),
        "Creator" => utf16(PRODUCER),
        "CreationDate" => dated.clone(),
        "ModDate" => dated,
    };
    if let Ok(old) = file.trailer.get(b"Info").and_then(Object::as_reference) {
        file.set_object(old, info);
    }
    let mut digest = Sha256::new();
    for object in file.objects.values() {
        if let Ok(stream) = object.as_stream() {
            digest.update(&stream.content);
        }
    }
    let id: Vec<u8> = digest.finalize().iter().copied().take(16).collect();
    let id = Object::String(id, StringFormat::Hexadecimal);
    file.trailer.set("ID", vec![id.clone(), id]);
}

/// The bytes, compressed. A tagged document has an object for each cell of its tables: the small ones stand together.
///
/// No stream may end in a carriage return: with the line feed before `endstream` it would read as one end of line, and
/// the stream as shorter than it says.
fn written(mut file: lopdf::Document) -> Result<Vec<u8>, PdfError> {
    for object in file.objects.values_mut() {
        if let Object::Stream(stream) = object
            && stream.allows_compression
            && !stream.dict.has(b"Filter")
        {
            compress(stream).map_err(PdfError::Write)?;
        }
    }
    let options = SaveOptions::builder().use_object_streams(true).use_xref_streams(true);
    let options = options.max_objects_per_stream(TOGETHER).compression_level(6).build();
    loop {
        let mut bytes = Vec::new();
        file.save_with_options(&mut bytes, options.clone()).map_err(PdfError::Write)?;
        if !bytes.windows(MISREAD.len()).any(|window| window == MISREAD) {
            return Ok(bytes);
        }
        // One object more among the small ones, and their sum, which stands last, is another.
        file.add_object(Object::Null);
    }
}

/// How a stream that ends in a carriage return looks.
const MISREAD: &[u8] = b"\r\nendstream";

/// Compresses a stream; leaves it as it is in the one case of 256 in which the sum of the compressed bytes, which stands
/// last, is a carriage return, and compresses it twice where it ends in one itself. Twice is right and read by few: an
/// electronic invoice that a stranger's program cannot take out of its PDF is none.
fn compress(stream: &mut Stream) -> std::io::Result<()> {
    let is_misread = |data: &[u8]| data.last() == Some(&b'\r');
    let mut data = deflate(&stream.content)?;
    if !is_misread(&data) {
        stream.set_content(data);
        stream.dict.set("Filter", of("FlateDecode"));
        return Ok(());
    }
    if !is_misread(&stream.content) {
        return Ok(());
    }
    let mut filters = vec![of("FlateDecode")];
    while is_misread(&data) {
        data = deflate(&data)?;
        filters.push(of("FlateDecode"));
    }
    stream.set_content(data);
    stream.dict.set("Filter", filters);
    Ok(())
}

/// Compressed bytes.
pub(super) fn deflate(data: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(data.len() / 2 + 64), Compression::new(6));
    encoder.write_all(data)?;
    encoder.finish()
}

/// A name.
pub(super) fn of(name: &str) -> Object {
    Object::Name(name.as_bytes().to_vec())
}

/// A text string of the file's own dictionaries: UTF-16 with its mark.
pub(super) fn utf16(text: &str) -> Object {
    let mut bytes = vec![0xFE, 0xFF];
    bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    Object::String(bytes, StringFormat::Hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A byte whose sum is a carriage return.
    const BAD: u8 = b'\r' - 1;

    #[test]
    fn no_stream_ends_in_a_carriage_return() {
        assert_eq!(deflate(&[BAD]).unwrap().last(), Some(&b'\r'));
        let mut stream = Stream::new(Dictionary::new(), vec![BAD]);
        compress(&mut stream).unwrap();
        assert_eq!((stream.content.as_slice(), stream.dict.has(b"Filter")), ([BAD].as_slice(), false));
        // The bytes end in a carriage return, and so does their sum: 1 + 0xff + 0x0d.
        let both = [0xFF, b'\r'];
        assert_eq!(deflate(&both).unwrap().last(), Some(&b'\r'));
        let mut stream = Stream::new(Dictionary::new(), both.to_vec());
        compress(&mut stream).unwrap();
        assert_ne!(stream.content.last(), Some(&b'\r'));
        assert_eq!(stream.decompressed_content().unwrap(), both);
    }

    #[test]
    fn nor_do_the_small_objects_together() {
        let is_misread = |bytes: &[u8]| bytes.windows(MISREAD.len()).any(|window| window == MISREAD);
        let mut again = 0;
        for number in 0..300 {
            let mut file = lopdf::Document::with_version("1.7");
            let of_any_sum = of(&"A".repeat(number));
            let pages = file.add_object(dictionary! { "Type" => of("Pages"), "Kids" => vec![], "Any" => of_any_sum });
            let root = file.add_object(dictionary! { "Type" => of("Catalog"), "Pages" => pages });
            file.trailer.set("Root", root);
            let mut once = Vec::new();
            file.clone().save_modern(&mut once).unwrap();
            again += usize::from(is_misread(&once));
            let bytes = written(file).unwrap();
            assert!(!is_misread(&bytes), "{number}");
            assert!(lopdf::Document::load_mem(&bytes).unwrap().catalog().is_ok());
        }
        assert!(again > 0);
    }
}
