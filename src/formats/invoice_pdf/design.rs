//! How the documents of an entity look: its logo, its colours, where the window of its envelopes is.

use std::sync::Arc;

use super::INK;
use crate::formats::pdf::canvas::Colour;
use crate::formats::pdf::picture::Picture;
use crate::kernel::language::Language;

/// Where the window of the envelope is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Window {
    /// On the right: Belgium, France.
    #[default]
    Right,
    /// On the left: Germany (DIN 5008), the Netherlands.
    Left,
}

/// How the documents of an entity look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Design {
    /// The logo, at the upper left.
    pub logo: Option<Arc<Picture>>,
    /// The colour of titles and bars.
    pub main: Option<Colour>,
    /// The colour of backgrounds, made light.
    pub second: Option<Colour>,
    /// Where the address stands.
    pub window: Window,
    /// A second language for every label.
    pub second_language: Option<Language>,
}

/// The colours of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    /// For bars and lines.
    pub(super) bar: Colour,
    /// For titles: the same where it can be read on white.
    pub(super) title: Colour,
    /// For backgrounds.
    pub(super) tint: Colour,
}

impl Palette {
    pub(super) fn of(design: &Design) -> Self {
        let bar = design.main.unwrap_or(Colour(0x17, 0x5E, 0x54));
        let Colour(r, g, b) = bar;
        // Perceived lightness of 0 to 255: above a half, small letters in it cannot be read on paper.
        let lightness = (u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114) / 1_000;
        let Colour(r, g, b) = design.second.unwrap_or(bar);
        let light = |channel: u8| u8::try_from((u32::from(channel) * 8 + 255 * 92) / 100).unwrap_or(u8::MAX);
        Self { bar, title: if lightness > 128 { INK } else { bar }, tint: Colour(light(r), light(g), light(b)) }
    }
}
