//! The page in hand: how far down the pen is, and what still fits.

use super::canvas::{Canvas, Style};
use super::{Length, PdfError};

/// A canvas with a pen that only moves down, and over to the next page.
pub struct Sheet {
    /// What is drawn on.
    pub canvas: Canvas,
    /// The page in hand.
    pub page: usize,
    /// How far down the page is filled.
    pub y: Length,
    /// Where the text of a page after the first begins.
    top: Length,
    /// Where the text of every page ends; the footer is below.
    bottom: Length,
}

impl Sheet {
    /// An empty first page. Text of later pages stays between `top` and `bottom`.
    ///
    /// # Errors
    /// Only when the embedded faces are broken.
    pub fn new(top: Length, bottom: Length) -> Result<Self, PdfError> {
        Ok(Self { canvas: Canvas::new()?, page: 0, y: top, top, bottom })
    }

    /// Whether `height` more fits on this page.
    #[must_use]
    pub fn fits(&self, height: Length) -> bool {
        self.y + height <= self.bottom
    }

    /// How much an empty page after the first holds.
    #[must_use]
    pub fn capacity(&self) -> Length {
        self.bottom - self.top
    }

    /// Goes on with a new page.
    pub fn turn(&mut self) {
        self.page = self.canvas.add_page();
        self.y = self.top;
    }

    /// Goes on with a new page unless `height` fits on this one.
    pub fn ensure(&mut self, height: Length) {
        if !self.fits(height) {
            self.turn();
        }
    }

    /// Moves the pen down and says where it was.
    pub fn advance(&mut self, height: Length) -> Length {
        let before = self.y;
        self.y += height;
        before
    }

    /// Sets clean `lines` one below the other, on as many pages as they need.
    pub fn lines(&mut self, x: Length, style: Style, leading: Length, lines: &[String]) {
        for line in lines {
            self.ensure(leading);
            let y = self.advance(leading);
            self.canvas.text(self.page, x, y + style.size, style, line);
        }
    }
}
