//! From drawn pages to the bytes of a file: PDF/A-3b (ISO 19005-3), tagged, with the files it carries.
//!
//! What is not claimed: level A of PDF/A and PDF/UA. The tree of parts is there and in reading order, but nobody has
//! judged it as those levels want.

use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use super::attachment::{self, Attachment};
use super::canvas::{Canvas, HEIGHT, WIDTH, fonts};
use super::writer::{Array, Dict, Ref, Writer};
use super::{PdfError, icc, xmp};
use crate::kernel::language::Language;

/// The program that writes the file.
pub(super) const PRODUCER: &str = "Umbel";

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
    mut canvas: Canvas,
    metadata: &Metadata<'_>,
    files: &[Attachment<'_>],
) -> Result<Vec<u8>, PdfError> {
    let mut file = Writer::default();
    let (catalog, tree) = (file.reserve(), file.reserve());
    let resources = resources(&canvas, &mut file)?;
    let mut digest = Sha256::new();
    let pages = pages(&mut canvas, &mut file, (tree, resources), &mut digest)?;
    let kids = pages.iter().fold(Array::default(), |kids, page| kids.refer(*page));
    file.put(tree, Dict::of("Pages").count("Count", pages.len()).array("Kids", kids));
    let structure = canvas.structure.write(&mut file, &pages);
    let packet = xmp::packet(metadata, files.iter().any(Attachment::is_factur_x));
    digest.update(&packet);
    // Metadata stay readable for programs that know nothing of PDF.
    let described = file.ready(Dict::of("Metadata").name("Subtype", "XML"), packet.into_bytes());
    let mut dict = Dict::of("Catalog")
        .refer("Pages", tree)
        .refer("Metadata", described)
        .bytes("Lang", metadata.language.tag().as_bytes())
        .dict("MarkInfo", Dict::default().flag("Marked", true))
        .refer("StructTreeRoot", structure)
        .dict("ViewerPreferences", Dict::default().flag("DisplayDocTitle", true))
        .array("OutputIntents", Array::default().dict(output_intent(&mut file)?));
    if !files.is_empty() {
        for it in files {
            digest.update(it.name);
            digest.update(it.bytes);
        }
        let (names, list) = attachment::write(files, &mut file)?;
        dict = dict.dict("Names", Dict::default().refer("EmbeddedFiles", names)).array("AF", list);
    }
    file.put(catalog, dict);
    let dated = attachment::day(metadata.dated);
    let info = Dict::default()
        .text("Title", metadata.title)
        .text("Author", metadata.author)
        .text("Producer", PRODUCER)
        .text("Creator", PRODUCER)
        .bytes("CreationDate", dated.as_bytes())
        .bytes("ModDate", dated.as_bytes());
    let info = file.add(info);
    let id: Vec<u8> = digest.finalize().iter().copied().take(16).collect();
    file.finish(catalog, info, &id)
}

/// What all pages use: the fonts.
fn resources(canvas: &Canvas, file: &mut Writer) -> Result<(Dict, Vec<Ref>), PdfError> {
    let mut dict = Dict::default();
    for (name, (face, subset)) in fonts(canvas) {
        dict = dict.refer(name, subset.write(face, file)?);
    }
    let pictures = canvas.pictures.iter().map(|picture| picture.write(file)).collect();
    Ok((dict, pictures))
}

fn pages(
    canvas: &mut Canvas,
    file: &mut Writer,
    (tree, (fonts, pictures)): (Ref, (Dict, Vec<Ref>)),
    digest: &mut Sha256,
) -> Result<Vec<Ref>, PdfError> {
    let paper = Array::default().int(0).int(0).length(WIDTH).length(HEIGHT);
    let mut pages = Vec::with_capacity(canvas.pages.len());
    for (number, page) in canvas.pages.iter_mut().enumerate() {
        page.end_mark();
        digest.update(&page.content);
        let content = file.stream(Dict::default(), &page.content)?;
        let mut resources = Dict::default().dict("Font", fonts.clone());
        let used = page.pictures.iter().filter_map(|number| Some((number, pictures.get(*number)?)));
        let used = used.fold(Dict::default(), |dict, (number, at)| dict.refer(&format!("I{number}"), *at));
        if !page.pictures.is_empty() {
            resources = resources.dict("XObject", used);
        }
        let dict = Dict::of("Page")
            .refer("Parent", tree)
            .array("MediaBox", paper.clone())
            .array("TrimBox", paper.clone())
            .dict("Resources", resources)
            .refer("Contents", content)
            .count("StructParents", number)
            .name("Tabs", "S");
        pages.push(file.add(dict));
    }
    Ok(pages)
}

/// The colours are those of sRGB.
fn output_intent(file: &mut Writer) -> Result<Dict, PdfError> {
    let profile = file.stream(Dict::default().int("N", 3), &icc::SRGB)?;
    Ok(Dict::of("OutputIntent")
        .name("S", "GTS_PDFA1")
        .text("OutputConditionIdentifier", "sRGB")
        .text("Info", "sRGB IEC61966-2.1")
        .refer("DestOutputProfile", profile))
}
