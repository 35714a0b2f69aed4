//! Pages on which text, rectangles and pictures are put. The origin is the upper left corner; y grows downwards.
//!
//! What is drawn belongs to a part of the document (see [`Role`]) or, while [`Canvas::decorate`] holds, to none: lines,
//! backgrounds, heads and feet of pages, which readers aloud pass over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use printpdf::{
    Color, DictItem, LinePoint, Op, PaintMode, PdfFontHandle, Point, Polygon, PolygonRing, Pt, Rect, Rgb, TextItem,
    WindingOrder, XObjectId, XObjectTransform,
};

use super::fonts::{Face, Faces, Weight};
use super::picture::Picture;
pub use super::structure::Role;
use super::structure::Structure;
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

/// What the content being written belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Artifact,
    Part(usize),
}

#[derive(Default)]
pub(super) struct Page {
    pub(super) ops: Vec<Op>,
    /// What the reader of the page has set last, so that it is not said again for every word.
    font: Option<(Weight, Length)>,
    fill: Option<Colour>,
    mark: Option<Mark>,
}

impl Page {
    /// Ends the marked content in hand.
    pub(super) fn end_mark(&mut self) {
        if self.mark.take().is_some() {
            self.ops.push(Op::EndMarkedContent);
        }
    }

    fn fill(&mut self, colour: Colour) {
        if self.fill != Some(colour) {
            self.fill = Some(colour);
            let Colour(r, g, b) = colour;
            let rgb = Rgb { r: channel(r), g: channel(g), b: channel(b), icc_profile: None };
            self.ops.push(Op::SetFillColor { col: Color::Rgb(rgb) });
        }
    }
}

/// The pages of a document in the making. Drawing on a page that does not exist draws nothing.
pub struct Canvas {
    faces: &'static Faces,
    pub(super) pages: Vec<Page>,
    pub(super) used: [BTreeSet<char>; 2],
    pub(super) structure: Structure,
    pub(super) pictures: Vec<Arc<Picture>>,
    decorates: bool,
}

impl Canvas {
    /// One empty page.
    ///
    /// # Errors
    /// Only when the embedded faces are broken.
    pub fn new() -> Result<Self, PdfError> {
        Ok(Self {
            faces: Faces::get()?,
            pages: vec![Page::default()],
            used: [BTreeSet::new(), BTreeSet::new()],
            structure: Structure::new(),
            pictures: Vec::new(),
            decorates: false,
        })
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

    /// Draws a part of the document: what `draw` draws belongs to it.
    pub fn part<T>(&mut self, role: Role, draw: impl FnOnce(&mut Self) -> T) -> T {
        self.open(role);
        let drawn = draw(self);
        self.close();
        drawn
    }

    /// Begins a part of the document; [`Canvas::close`] ends it.
    pub fn open(&mut self, role: Role) {
        self.structure.open(role, None);
    }

    /// Ends the part begun last.
    pub fn close(&mut self) {
        self.structure.close();
    }

    /// From now on, until told otherwise, what is drawn belongs to no part: heads and feet of pages, repeated headings.
    pub const fn decorate(&mut self, decorates: bool) {
        self.decorates = decorates;
    }

    /// Puts clean `text` on a page, starting at `x`, its baseline at `y`. Outside a part that holds text it is a
    /// paragraph of its own.
    pub fn text(&mut self, page: usize, x: Length, y: Length, style: Style, text: &str) {
        if text.trim().is_empty() || page >= self.pages.len() {
            return;
        }
        let alone = !self.decorates && !self.structure.current().1.holds_text();
        if alone {
            self.open(Role::Paragraph);
        }
        self.mark(page);
        let [regular, bold] = &mut self.used;
        match style.weight {
            Weight::Regular => regular.extend(text.chars()),
            Weight::Bold => bold.extend(text.chars()),
        }
        if let Some(page) = self.pages.get_mut(page) {
            page.fill(style.colour);
            page.ops.push(Op::StartTextSection);
            if page.font != Some((style.weight, style.size)) {
                page.font = Some((style.weight, style.size));
                let font = PdfFontHandle::External(style.weight.resource());
                page.ops.push(Op::SetFont { font, size: points(style.size) });
            }
            page.ops.push(Op::SetTextCursor { pos: point(x, y) });
            page.ops.push(Op::ShowText { items: vec![TextItem::Text(text.to_owned())] });
            page.ops.push(Op::EndTextSection);
        }
        if alone {
            self.close();
        }
    }

    /// Puts clean `text` on a page so that it ends at `right`.
    pub fn text_to(&mut self, page: usize, right: Length, y: Length, style: Style, text: &str) {
        let x = right - self.width(style, text);
        self.text(page, x, y, style, text);
    }

    /// Fills the rectangle from (`x`, `y`) down to (`x + width`, `y + height`). It says nothing to readers aloud.
    pub fn rectangle(&mut self, page: usize, corner: (Length, Length), extent: (Length, Length), colour: Colour) {
        self.set_mark(page, Mark::Artifact);
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

    /// Fills the `cells` (column, row, how many to the right) of a square of `side` cells that is `extent` wide: one
    /// picture, which `text` describes.
    pub fn mosaic(
        &mut self,
        page: usize,
        corner: (Length, Length),
        (extent, side): (Length, Length),
        cells: impl IntoIterator<Item = (Length, Length, Length)>,
        text: &str,
    ) {
        let ((x, y), side) = (corner, side.max(1));
        let bounds = [x, HEIGHT - y - extent, x + extent, HEIGHT - y];
        self.structure.open(Role::Figure, Some((text.to_owned(), bounds)));
        self.mark(page);
        if let Some(page) = self.pages.get_mut(page) {
            page.fill(Colour(0, 0, 0));
            // Edges are shares of the whole, not sums of rounded cells.
            let edge = |cell: Length| extent * cell / side;
            let rings = cells.into_iter().map(|(column, row, run)| {
                let (left, right) = (x + edge(column), x + edge(column + run));
                let (top, bottom) = (y + edge(row), y + edge(row + 1));
                let corners = [(left, bottom), (right, bottom), (right, top), (left, top)];
                let points = corners.map(|(x, y)| LinePoint { p: point(x, y), bezier: false }).to_vec();
                PolygonRing { points }
            });
            // One path, so that neighbours have no seam between them.
            let polygon =
                Polygon { rings: rings.collect(), mode: PaintMode::Fill, winding_order: WindingOrder::NonZero };
            page.ops.push(Op::DrawPolygon { polygon });
        }
        self.close();
    }

    /// Puts a picture, which `text` describes, with its upper left corner at `corner`, `extent` wide and high.
    pub fn picture(
        &mut self,
        page: usize,
        corner: (Length, Length),
        extent: (Length, Length),
        picture: &Arc<Picture>,
        text: &str,
    ) {
        let number = self.pictures.iter().position(|known| Arc::ptr_eq(known, picture)).unwrap_or_else(|| {
            self.pictures.push(Arc::clone(picture));
            self.pictures.len().saturating_sub(1)
        });
        let ((x, y), (width, height)) = (corner, extent);
        let bounds = [x, HEIGHT - y - height, x + width, HEIGHT - y];
        self.structure.open(Role::Figure, Some((text.to_owned(), bounds)));
        self.mark(page);
        if let Some(page) = self.pages.get_mut(page) {
            let transform = XObjectTransform {
                translate_x: Some(points(x)),
                translate_y: Some(points(HEIGHT - y - height)),
                scale_x: Some(points(width).0),
                scale_y: Some(points(height).0),
                no_auto_scale: true,
                ..XObjectTransform::default()
            };
            page.ops.push(Op::UseXobject { id: picture_id(number), transform });
        }
        self.close();
    }

    /// What is drawn next on `page` belongs to the part in hand, or to none.
    fn mark(&mut self, page: usize) {
        let mark = if self.decorates { Mark::Artifact } else { Mark::Part(self.structure.current().0) };
        self.set_mark(page, mark);
    }

    fn set_mark(&mut self, number: usize, mark: Mark) {
        let Some(page) = self.pages.get_mut(number).filter(|page| page.mark != Some(mark)) else { return };
        page.end_mark();
        page.mark = Some(mark);
        page.ops.push(match mark {
            Mark::Artifact => Op::BeginMarkedContent { tag: "Artifact".to_owned() },
            Mark::Part(_) => {
                let (name, number) = self.structure.mark(number);
                let map = BTreeMap::from([("MCID".to_owned(), DictItem::Int(number))]);
                Op::BeginMarkedContentWithProperties { tag: name.to_owned(), properties: DictItem::Dict { map } }
            }
        });
    }
}

/// The name by which the pages of a document call its pictures.
pub(super) fn picture_id(number: usize) -> XObjectId {
    XObjectId(format!("I{number}"))
}

/// A place on the page, which PDF counts from the lower edge.
fn point(x: Length, y: Length) -> Point {
    Point { x: points(x), y: points(HEIGHT - y) }
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
