//! What every PDF of the house is made of: faces, clean text, a canvas, a page frame, a table.
//!
//! printpdf makes the pages and the fonts, lopdf adds what an archive wants of the file. Layout is ours, in whole
//! thousandths of a point, so that nothing depends on how a machine rounds. The parts, in reading order:
//!
//! - [`fonts`]: the two embedded faces, their widths, and the subset that a document carries;
//! - [`text`]: strangers' text made safe to draw, measured and broken into lines;
//! - [`canvas`]: pages, text, rectangles and [`picture`]s, each belonging to a part of the document (`structure`);
//! - [`document`]: the bytes of a PDF/A-3b file, with `xmp`, `icc` and its [`attachment`]s;
//! - [`sheet`]: where the pen is on the page, and when the page is full;
//! - [`table`]: a heading row and rows of one wrapped text and many figures;
//! - [`reader`]: the way back: the XML within a PDF of a stranger.
//!
//! A document says what goes where (see `formats::invoice_pdf`). Deliberately absent: right-to-left scripts, kerning.
//! Everything is a function of its input: no clock, no randomness, and equal input gives equal bytes.

pub mod attachment;
pub mod canvas;
pub mod document;
pub mod fonts;
mod icc;
pub mod picture;
pub mod reader;
pub mod sheet;
mod structure;
pub mod table;
pub mod text;
mod xmp;

/// A length on paper, in thousandths of a point.
pub type Length = i64;

/// `whole` millimetres.
#[must_use]
pub const fn mm(whole: i64) -> Length {
    whole * 2_834_646 / 1_000
}

/// `tenths` of a point: `pt(85)` is 8.5 points.
#[must_use]
pub const fn pt(tenths: i64) -> Length {
    tenths * 100
}

/// Why a document could not be made. None of these depends on the text of the document.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The embedded faces cannot be read: the program was built wrong.
    #[error("the embedded fonts cannot be read")]
    Faces,
    /// The glyphs of a document could not be cut out of a face.
    #[error("the fonts of the document could not be reduced to its glyphs")]
    Subset(#[source] subsetter::Error),
    /// The file could not be put together.
    #[error("the file could not be written")]
    Write(#[source] std::io::Error),
    /// The pages as they were made have no catalogue.
    #[error("the file has no catalogue")]
    Catalogue(#[source] lopdf::Error),
    /// A picture cannot be used.
    #[error(transparent)]
    Picture(picture::PictureError),
    /// The amounts of the document add up to more than an amount can hold.
    #[error("the amounts of the document are out of range")]
    Amount(#[from] crate::kernel::money::MoneyError),
}
