//! A table of one wrapped text column and figures to its right, aligned at their last digit.

use super::Length;
use super::canvas::{Canvas, Colour, Style};
use super::sheet::Sheet;
use super::text::{fit, wrap};

/// The space between two columns.
const GUTTER: Length = 10_000;

/// How a table looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The heading row.
    pub heading: Style,
    /// The rows.
    pub body: Style,
    /// From one line of a row to the next.
    pub leading: Length,
    /// Above and below the lines of a row.
    pub padding: Length,
    /// The line under the heading.
    pub accent: Colour,
    /// The lines under the rows.
    pub hairline: Colour,
}

/// A row: a text, and a figure for each further column. All clean.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// The paragraphs of the first column.
    pub text: Vec<String>,
    /// The figures, from left to right.
    pub figures: Vec<String>,
}

/// Part of a row that stays together on a page.
#[derive(Debug, Clone, Default)]
pub struct Piece {
    lines: Vec<String>,
    figures: Vec<String>,
    /// Space above: none where the row goes on.
    above: Length,
    /// Space below: none where the row goes on.
    below: Length,
    /// Whether the row ends here, and a line with it.
    last: bool,
}

/// A table laid out for its rows: figure columns as wide as their widest entry, the text takes the rest.
pub struct Table {
    look: Look,
    heading: Row,
    left: Length,
    /// Where the text column ends.
    text_end: Length,
    /// Where each figure column ends, and how wide it may be.
    columns: Vec<(Length, Length)>,
}

impl Table {
    /// Lays out a table between `left` and `right`. The text column gets two fifths of it at least; figures that are
    /// too wide for the rest are set smaller.
    #[must_use]
    pub fn new(canvas: &Canvas, look: Look, (left, right): (Length, Length), heading: Row, rows: &[Row]) -> Self {
        let mut widths: Vec<Length> = heading.figures.iter().map(|text| canvas.width(look.heading, text)).collect();
        for row in rows {
            for (width, figure) in widths.iter_mut().zip(&row.figures) {
                *width = (*width).max(canvas.width(look.body, figure));
            }
        }
        let gutters: Length = widths.iter().map(|_| GUTTER).sum();
        let wanted: Length = widths.iter().sum();
        let room = (right - left) * 3 / 5 - gutters;
        if wanted > room {
            for width in &mut widths {
                *width = *width * room / wanted;
            }
        }
        let mut columns = Vec::new();
        let mut end = right;
        for width in widths.iter().rev() {
            columns.push((end, *width));
            end -= *width + GUTTER;
        }
        columns.reverse();
        Self { look, heading, left, text_end: end, columns }
    }

    /// The height of the heading row.
    #[must_use]
    pub const fn heading_height(&self) -> Length {
        self.look.leading + self.look.padding * 2
    }

    /// Draws the heading row at the pen.
    pub fn heading(&self, sheet: &mut Sheet) {
        self.draw(sheet, &self.single(&self.heading), self.look.heading);
        sheet.canvas.rule(sheet.page, sheet.y - 800, (self.left, self.right()), 800, self.look.accent);
    }

    /// The row in pieces of at most `lines` lines; the figures stand beside the first line.
    #[must_use]
    pub fn pieces(&self, canvas: &Canvas, row: &Row, lines: usize) -> Vec<Piece> {
        let face = canvas.face(self.look.body);
        let room = self.text_end - self.left;
        let wrapped: Vec<String> =
            row.text.iter().flat_map(|text| wrap(face, self.look.body.size, room, text)).collect();
        let mut pieces: Vec<Piece> =
            wrapped.chunks(lines.max(1)).map(|chunk| Piece { lines: chunk.to_vec(), ..Piece::default() }).collect();
        if pieces.is_empty() {
            pieces.push(Piece::default());
        }
        if let Some(first) = pieces.first_mut() {
            first.figures.clone_from(&row.figures);
            first.above = self.look.padding;
        }
        if let Some(last) = pieces.last_mut() {
            last.last = true;
            last.below = self.look.padding;
        }
        pieces
    }

    /// How much of the page a piece takes.
    #[must_use]
    pub fn height(&self, piece: &Piece) -> Length {
        let lines = Length::try_from(piece.lines.len()).unwrap_or(Length::MAX / 100_000).max(1);
        piece.above + self.look.leading * lines + piece.below
    }

    /// Draws a piece at the pen.
    pub fn piece(&self, sheet: &mut Sheet, piece: &Piece) {
        self.draw(sheet, piece, self.look.body);
        if piece.last {
            sheet.canvas.rule(sheet.page, sheet.y - 400, (self.left, self.right()), 400, self.look.hairline);
        }
    }

    /// Draws a one-line row in a style of its own, such as a subtotal. Its height is that of the heading.
    pub fn remark(&self, sheet: &mut Sheet, row: &Row, style: Style) {
        self.draw(sheet, &self.single(row), style);
        sheet.canvas.rule(sheet.page, sheet.y - 400, (self.left, self.right()), 400, self.look.hairline);
    }

    /// A row that is one piece as it is.
    fn single(&self, row: &Row) -> Piece {
        let (above, below) = (self.look.padding, self.look.padding);
        Piece { lines: row.text.clone(), figures: row.figures.clone(), above, below, last: false }
    }

    fn right(&self) -> Length {
        self.columns.last().map_or(self.text_end, |(end, _)| *end)
    }

    fn draw(&self, sheet: &mut Sheet, piece: &Piece, style: Style) {
        let top = sheet.advance(self.height(piece)) + piece.above;
        // The first baseline is where the body's would be, so that a heading and its rows sit alike.
        let baseline = top + self.look.body.size;
        for (line, y) in piece.lines.iter().zip((0..).map(|index| baseline + self.look.leading * index)) {
            sheet.canvas.text(sheet.page, self.left, y, style, line);
        }
        for ((end, room), figure) in self.columns.iter().zip(&piece.figures) {
            let style = style.sized(fit(sheet.canvas.face(style), style.size, *room, figure));
            sheet.canvas.text_to(sheet.page, *end, baseline, style, figure);
        }
    }
}
