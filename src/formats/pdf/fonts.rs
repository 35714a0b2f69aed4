//! The two faces: read once, measured by table, cut down to the glyphs of each document.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use subsetter::GlyphRemapper;

use super::sfnt::{self, Metrics};
use super::writer::{Array, Dict, Ref, Writer};
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
    pub(super) const fn resource(self) -> &'static str {
        match self {
            Self::Regular => "R",
            Self::Bold => "B",
        }
    }
}

/// A face of the house.
pub struct Face {
    bytes: &'static [u8],
    name: &'static str,
    metrics: Metrics,
    /// Thickness of a stem, thousandths of the size.
    stem: i64,
    /// Glyph and advance by character code, thousandths of the size; `None` where there is no glyph.
    characters: Vec<Option<(u16, u16)>>,
}

/// Both faces.
pub struct Faces {
    regular: Face,
    bold: Face,
}

/// Parsed at first use: about a millisecond, then never again.
static FACES: LazyLock<Option<Faces>> = LazyLock::new(|| {
    Some(Faces {
        regular: Face::read(include_bytes!("fonts/NotoSans-Regular.ttf"), "NotoSans-Regular", 80)?,
        bold: Face::read(include_bytes!("fonts/NotoSans-Bold.ttf"), "NotoSans-Bold", 140)?,
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
    fn read(bytes: &'static [u8], name: &'static str, stem: i64) -> Option<Self> {
        let metrics = sfnt::read(bytes)?;
        let mut characters = Vec::new();
        for (code, glyph) in &metrics.glyphs {
            let code = usize::try_from(*code).ok()?;
            if characters.len() <= code {
                characters.resize(code.checked_add(1)?, None);
            }
            *characters.get_mut(code)? = Some((*glyph, *metrics.advances.get(usize::from(*glyph))?));
        }
        Some(Self { bytes, name, metrics, stem, characters })
    }

    /// Whether the face can draw `character`.
    #[must_use]
    pub fn draws(&self, character: char) -> bool {
        self.glyph(character).is_some()
    }

    /// Glyph and advance.
    fn glyph(&self, character: char) -> Option<(u16, u16)> {
        self.characters.get(usize::try_from(u32::from(character)).ok()?).copied().flatten()
    }

    /// How wide `text` is at `size`, without kerning. A character without a glyph counts as nothing.
    #[must_use]
    pub fn width(&self, text: &str, size: Length) -> Length {
        let advance = |character| self.glyph(character).map_or(0, |(_, advance)| Length::from(advance));
        text.chars().map(advance).sum::<Length>() * size / 1_000
    }
}

/// What a document uses of a face: its glyphs, numbered anew in the order of their first use.
pub(super) struct Subset {
    remapper: GlyphRemapper,
    /// Character and advance of each number, from 1.
    slots: Vec<(char, u16)>,
}

impl Subset {
    pub(super) fn new() -> Self {
        Self { remapper: GlyphRemapper::new(), slots: Vec::new() }
    }

    /// The number under which the document shows `character`; nothing when the face cannot.
    pub(super) fn slot(&mut self, face: &Face, character: char) -> Option<u16> {
        let (glyph, advance) = face.glyph(character)?;
        if let Some(slot) = self.remapper.get(glyph) {
            return Some(slot);
        }
        self.slots.push((character, advance));
        Some(self.remapper.remap(glyph))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Writes the font: the outlines used, their widths, and which characters they are.
    ///
    /// # Errors
    /// Only when the embedded face is broken.
    pub(super) fn write(&self, face: &Face, file: &mut Writer) -> Result<Ref, PdfError> {
        let program = subsetter::subset(face.bytes, 0, &self.remapper).map_err(PdfError::Subset)?;
        let name = format!("{}+{}", subset_tag(&program), face.name);
        let length = program.len();
        let program = file.stream(Dict::default().count("Length1", length), &program)?;
        let metrics = &face.metrics;
        let bounds = metrics.bounds.iter().fold(Array::default(), |list, edge| list.int(i64::from(*edge)));
        let descriptor = Dict::of("FontDescriptor")
            .name("FontName", &name)
            .int("Flags", 4)
            .array("FontBBox", bounds)
            .int("ItalicAngle", 0)
            .int("Ascent", i64::from(metrics.ascent))
            .int("Descent", i64::from(metrics.descent))
            .int("CapHeight", i64::from(metrics.cap_height))
            .int("StemV", face.stem)
            .refer("FontFile2", program);
        let descriptor = file.add(descriptor);
        let missing = metrics.advances.first().copied().unwrap_or_default();
        let widths = self
            .slots
            .iter()
            .fold(Array::default().int(i64::from(missing)), |list, (_, advance)| list.int(i64::from(*advance)));
        let system = Dict::default().bytes("Registry", b"Adobe").bytes("Ordering", b"Identity").int("Supplement", 0);
        let descendant = Dict::of("Font")
            .name("Subtype", "CIDFontType2")
            .name("BaseFont", &name)
            .dict("CIDSystemInfo", system)
            .refer("FontDescriptor", descriptor)
            .array("W", Array::default().int(0).array(widths))
            .name("CIDToGIDMap", "Identity");
        let descendant = file.add(descendant);
        let unicode = file.stream(Dict::default(), self.to_unicode().as_bytes())?;
        Ok(file.add(
            Dict::of("Font")
                .name("Subtype", "Type0")
                .name("BaseFont", &name)
                .name("Encoding", "Identity-H")
                .array("DescendantFonts", Array::default().refer(descendant))
                .refer("ToUnicode", unicode),
        ))
    }

    /// Which character each number shows, so that text can be searched and copied (ISO 32000-1, 9.10.3).
    fn to_unicode(&self) -> String {
        let mut out = String::from(
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo << /Registry (Adobe) \
             /Ordering (UCS) /Supplement 0 >> def\n/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n\
             1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n",
        );
        let mut slot = 0_usize;
        for block in self.slots.chunks(100) {
            // Writing into a String cannot fail.
            let _ = writeln!(out, "{} beginbfchar", block.len());
            for (character, _) in block {
                slot += 1;
                let _ = write!(out, "<{slot:04X}> <");
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "{unit:04X}");
                }
                out.push_str(">\n");
            }
            out.push_str("endbfchar\n");
        }
        out.push_str("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n");
        out
    }
}

/// Six capital letters that differ for different subsets (ISO 32000-1, 9.6.4), from the subset itself.
fn subset_tag(bytes: &[u8]) -> String {
    let mut tag = String::new();
    for byte in Sha256::digest(bytes).iter().take(6) {
        tag.push(char::from(b'A' + byte % 26));
    }
    tag
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
            let glyphs: BTreeSet<u16> = face.metrics.glyphs.iter().map(|(_, glyph)| *glyph).collect();
            assert!(glyphs.len() > 1_000);
            assert_eq!(glyphs.len(), face.metrics.glyphs.len());
        }
    }
}
