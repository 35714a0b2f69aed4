//! The two faces: read once, measured by table, cut down to the glyphs of each document.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use printpdf::{FontId, ParsedFont, PdfFont};
use sha2::{Digest, Sha256};
use subsetter::GlyphRemapper;

use super::{Length, PdfError};

/// Stands in for every character the faces do not have.
pub const REPLACEMENT: char = '\u{FFFD}';

/// Which of the two faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// For reading.
    Regular,
    /// For what must be found.
    Bold,
}

impl Weight {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Regular, Self::Bold];

    /// The name by which the pages of a document call the face.
    pub(super) fn resource(self) -> FontId {
        FontId(match self {
            Self::Regular => "R".to_owned(),
            Self::Bold => "B".to_owned(),
        })
    }
}

/// A face of the house.
pub struct Face {
    bytes: &'static [u8],
    name: &'static str,
    parsed: ParsedFont,
    /// Advance by character code, thousandths of the size; `None` where there is no glyph.
    advances: Vec<Option<u16>>,
}

/// Both faces.
pub struct Faces {
    regular: Face,
    bold: Face,
}

/// Parsed at first use: about a millisecond, then never again.
static FACES: LazyLock<Option<Faces>> = LazyLock::new(|| {
    Some(Faces {
        regular: Face::read(include_bytes!("fonts/NotoSans-Regular.ttf"), "NotoSans-Regular")?,
        bold: Face::read(include_bytes!("fonts/NotoSans-Bold.ttf"), "NotoSans-Bold")?,
    })
});

impl Faces {
    /// The faces built into the program.
    ///
    /// # Errors
    /// Only when the program was built with broken font files.
    pub fn get() -> Result<&'static Self, PdfError> {
        FACES.as_ref().ok_or(PdfError::Faces)
    }

    /// One of the two.
    #[must_use]
    pub fn face(&self, weight: Weight) -> &Face {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }
}

impl Face {
    fn read(bytes: &'static [u8], name: &'static str) -> Option<Self> {
        let mut parsed = ParsedFont::from_bytes(bytes, 0, &mut Vec::new())?;
        let mut advances = Vec::new();
        for (code, glyph) in &parsed.codepoint_to_glyph {
            let code = usize::try_from(*code).ok()?;
            if advances.len() <= code {
                advances.resize(code.checked_add(1)?, None);
            }
            *advances.get_mut(code)? = parsed.glyph_widths.get(glyph).copied();
        }
        // The program and the tables of a document's subset replace these; only the metrics are carried over.
        parsed.original_bytes = Vec::new();
        Some(Self { bytes, name, parsed, advances })
    }

    /// Whether the face can draw `character`.
    #[must_use]
    pub fn draws(&self, character: char) -> bool {
        self.advance(character).is_some()
    }

    fn advance(&self, character: char) -> Option<u16> {
        self.advances.get(usize::try_from(u32::from(character)).ok()?).copied().flatten()
    }

    /// How wide `text` is at `size`, without kerning. A character without a glyph counts as nothing.
    #[must_use]
    pub fn width(&self, text: &str, size: Length) -> Length {
        let units: Length = text.chars().map(|character| self.advance(character).map_or(0, Length::from)).sum();
        units * size / 1_000
    }

    /// The face with the glyphs of `used` only, as a document carries it.
    ///
    /// # Errors
    /// Only when the embedded face is broken.
    pub(super) fn subset(&self, used: &BTreeSet<char>) -> Result<PdfFont, PdfError> {
        let mut remapper = GlyphRemapper::new();
        let mut glyphs = BTreeMap::new();
        let mut widths = BTreeMap::new();
        for character in used {
            let code = u32::from(*character);
            if let Some(glyph) = self.parsed.codepoint_to_glyph.get(&code) {
                let slot = remapper.remap(*glyph);
                glyphs.insert(code, slot);
                widths.insert(slot, self.advance(*character).unwrap_or(0));
            }
        }
        let bytes = subsetter::subset(self.bytes, 0, &remapper).map_err(PdfError::Subset)?;
        let name = format!("{}+{}", subset_tag(&bytes), self.name);
        Ok(PdfFont::new(ParsedFont {
            original_bytes: bytes,
            font_index: 0,
            font_name: Some(name),
            codepoint_to_glyph: glyphs,
            glyph_widths: widths,
            units_per_em: self.parsed.units_per_em,
            font_metrics: self.parsed.font_metrics.clone(),
            font_type: self.parsed.font_type,
            pdf_font_metrics: self.parsed.pdf_font_metrics.clone(),
        }))
    }
}

/// Six capital letters that differ for different subsets (ISO 32000-1, 9.6.4), from the subset itself.
fn subset_tag(bytes: &[u8]) -> String {
    let mut tag = String::new();
    for byte in Sha256::digest(bytes).iter().take(6) {
        // Writing into a String cannot fail.
        let _ = write!(tag, "{}", char::from(b'A' + byte % 26));
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faces_draw_the_names_of_europe() {
        let faces = Faces::get().unwrap();
        let names = "Łukasz Øster-Ñuñez Şükrü Gűző Dvořák Őry GROẞ Þór Ðorđević Ľubomír Ģirts Żółć Ațipiță Ħal \
                     Αθήνα Ἑλλάς Юрий Ђорђе Їжак Ѓорѓи Əliyev Siân Ŵyn Pa\u{a0}is €£ “„«»’–—…№°½";
        for weight in Weight::ALL {
            let missing: String = names.chars().filter(|character| !faces.face(weight).draws(*character)).collect();
            assert_eq!(missing, "", "{weight:?}");
            assert!(faces.face(weight).draws(REPLACEMENT));
        }
    }

    #[test]
    fn digits_are_all_of_one_width() {
        for weight in Weight::ALL {
            let face = Faces::get().unwrap().face(weight);
            for digit in '0'..='9' {
                assert_eq!(face.width(&digit.to_string(), 10_000), face.width("0", 10_000));
            }
        }
    }

    #[test]
    fn every_character_has_a_glyph_of_its_own_so_copied_text_is_exact() {
        for weight in Weight::ALL {
            let face = Faces::get().unwrap().face(weight);
            let glyphs: BTreeSet<u16> = face.parsed.codepoint_to_glyph.values().copied().collect();
            assert_eq!(glyphs.len(), face.parsed.codepoint_to_glyph.len());
        }
    }
}
