//! Pages on which text and rectangles are put. The origin is the upper left corner; y grows downwards.

use std::collections::BTreeSet;

use printpdf::{Color, Op, PaintMode, PdfFontHandle, Point, Pt, Rect, Rgb, TextItem, WindingOrder};

use super::fonts::{Face, Faces, Weight};
use super::{Length, PdfError};

/// A4, width.
pub const WIDTH: Length = 595_276;
/// A4, height.
pub const HEIGHT: Length = 841_890;

/// A colour: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Which face.
    pub weight: Weight,
    /// The size of the letters.
    pub size: Length,
    /// The colour of the letters.
    pub colour: Colour,
}

impl Style {
    /// The same in another colour.
    #[must_use]
    pub const fn in_colour(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }

    /// The same in another size.
    #[must_use]
    pub const fn sized(self, size: Length) -> Self {
        Self { size, ..self }
    }

    /// The same in bold.
    #[must_use]
    pub const fn bold(self) -> Self {
        Self { weight: Weight::Bold, ..self }
    }
}

#[derive(Default)]
pub(super) struct Page {
    pub(super) ops: Vec<Op>,
    /// What the reader of the page has set last, so that it is not said again for every word.
    font: Option<(Weight, Length)>,
    fill: Option<Colour>,
}

/// The pages of a document in the making. Drawing on a page that does not exist draws nothing.
pub struct Canvas {
    faces: &'static Faces,
    pub(super) pages: Vec<Page>,
    pub(super) used: [BTreeSet<char>; 2],
}

impl Canvas {
    /// One empty page.
    ///
    /// # Errors
    /// Only when the embedded faces are broken.
    pub fn new() -> Result<Self, PdfError> {
        Ok(Self { faces: Faces::get()?, pages: vec![Page::default()], used: [BTreeSet::new(), BTreeSet::new()] })
    }

    /// How many pages there are.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// Adds an empty page and says which one it is.
    pub fn add_page(&mut self) -> usize {
        self.pages.push(Page::default());
        self.pages.len().saturating_sub(1)
    }

    /// The face of `style`, for measuring.
    #[must_use]
    pub fn face(&self, style: Style) -> &'static Face {
        self.faces.face(style.weight)
    }

    /// How wide clean `text` is in `style`.
    #[must_use]
    pub fn width(&self, style: Style, text: &str) -> Length {
        self.face(style).width(text, style.size)
    }

    /// Puts clean `text` on a page, starting at `x`, its baseline at `y`.
    pub fn text(&mut self, page: usize, x: Length, y: Length, style: Style, text: &str) {
        let Some(page) = self.pages.get_mut(page).filter(|_| !text.trim().is_empty()) else { return };
        let [regular, bold] = &mut self.used;
        match style.weight {
            Weight::Regular => regular.extend(text.chars()),
            Weight::Bold => bold.extend(text.chars()),
        }
        page.fill(style.colour);
        page.ops.push(Op::StartTextSection);
        if page.font != Some((style.weight, style.size)) {
            page.font = Some((style.weight, style.size));
            let font = PdfFontHandle::External(style.weight.resource());
            page.ops.push(Op::SetFont { font, size: points(style.size) });
        }
        page.ops.push(Op::SetTextCursor { pos: Point { x: points(x), y: points(HEIGHT - y) } });
        page.ops.push(Op::ShowText { items: vec![TextItem::Text(text.to_owned())] });
        page.ops.push(Op::EndTextSection);
    }

    /// Puts clean `text` on a page so that it ends at `right`.
    pub fn text_to(&mut self, page: usize, right: Length, y: Length, style: Style, text: &str) {
        let x = right - self.width(style, text);
        self.text(page, x, y, style, text);
    }

    /// Fills the rectangle from (`x`, `y`) down to (`x + width`, `y + height`).
    pub fn rectangle(&mut self, page: usize, corner: (Length, Length), extent: (Length, Length), colour: Colour) {
        let Some(page) = self.pages.get_mut(page) else { return };
        page.fill(colour);
        let ((x, y), (width, height)) = (corner, extent);
        page.ops.push(Op::DrawRectangle {
            rectangle: Rect {
                x: points(x),
                y: points(HEIGHT - y - height),
                width: points(width),
                height: points(height),
                mode: Some(PaintMode::Fill),
                winding_order: Some(WindingOrder::NonZero),
            },
        });
    }

    /// A horizontal hairline of `thickness` with its upper edge at `y`.
    pub fn rule(&mut self, page: usize, y: Length, (from, to): (Length, Length), thickness: Length, colour: Colour) {
        self.rectangle(page, (from, y), (to - from, thickness), colour);
    }
}

impl Page {
    fn fill(&mut self, colour: Colour) {
        if self.fill != Some(colour) {
            self.fill = Some(colour);
            let Colour(r, g, b) = colour;
            let rgb = Rgb { r: channel(r), g: channel(g), b: channel(b), icc_profile: None };
            self.ops.push(Op::SetFillColor { col: Color::Rgb(rgb) });
        }
    }
}

/// Points as the file has them: two decimals, finer than any printer.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "PDF coordinates are decimal numbers; a hundredth of a point on a page is exact enough in f32"
)]
pub(super) fn points(length: Length) -> Pt {
    Pt((length / 10) as f32 / 100.0)
}

/// A colour channel as the file has it: 0 to 1, three decimals.
#[expect(clippy::float_arithmetic, reason = "PDF colours are decimal numbers from 0 to 1")]
fn channel(value: u8) -> f32 {
    (f32::from(value) / 255.0 * 1000.0).round() / 1000.0
}
