//! A table of one wrapped text column and figures to its right, aligned at their last digit.

use super::Length;
use super::canvas::{Canvas, Colour, Role, Style};
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
    /// What is said of the row below its text, smaller.
    pub notes: Vec<String>,
    /// The figures, from left to right. Those of a heading may have lines.
    pub figures: Vec<String>,
}

impl Row {
    /// A row without notes.
    #[must_use]
    pub const fn new(text: Vec<String>, figures: Vec<String>) -> Self {
        Self { text, notes: Vec::new(), figures }
    }
}

/// Part of a row that stays together on a page.
#[derive(Debug, Clone, Default)]
pub struct Piece {
    /// Each line, and whether it is a note.
    lines: Vec<(String, bool)>,
    figures: Vec<String>,
    /// Space above: none where the row goes on.
    above: Length,
    /// Space below: none where the row goes on.
    below: Length,
    /// Whether the row ends here, and a line with it.
    last: bool,
}

/// A table laid out for its rows: figure columns as wide as their widest entry, the text takes the rest.
///
/// Readers aloud get it as a table when its user draws it within [`Role::Table`].
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
        let widest =
            |text: &String| text.lines().map(|line| canvas.width(look.heading, line)).max().unwrap_or_default();
        let mut widths: Vec<Length> = heading.figures.iter().map(widest).collect();
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

    /// How many lines the heading has.
    fn heading_lines(&self) -> Length {
        let lines = self.heading.figures.iter().map(|text| text.lines().count()).chain([self.heading.text.len(), 1]);
        Length::try_from(lines.max().unwrap_or(1)).unwrap_or(1)
    }

    /// The height of a row of one line, such as a subtotal.
    #[must_use]
    pub const fn remark_height(&self) -> Length {
        self.look.leading + self.look.padding * 2
    }

    /// The height of the heading row.
    #[must_use]
    pub fn heading_height(&self) -> Length {
        (self.heading_lines() - 1) * (self.look.heading.size * 5 / 4) + self.remark_height()
    }

    /// Draws the heading row at the pen.
    pub fn heading(&self, sheet: &mut Sheet) {
        let (page, style) = (sheet.page, self.look.heading);
        let step = style.size * 5 / 4;
        let last = sheet.advance(self.heading_height()) + self.heading_height() - self.look.padding - step / 4;
        sheet.canvas.open(Role::Row);
        let baseline = |count: usize, index: usize| {
            last - step * Length::try_from(count.saturating_sub(index).saturating_sub(1)).unwrap_or_default()
        };
        sheet.canvas.part(Role::Heading, |canvas| {
            for (index, line) in self.heading.text.iter().enumerate() {
                canvas.text(page, self.left, baseline(self.heading.text.len(), index), style, line);
            }
        });
        for ((end, room), figure) in self.columns.iter().zip(&self.heading.figures) {
            let count = figure.lines().count();
            sheet.canvas.part(Role::Heading, |canvas| {
                for (index, line) in figure.lines().enumerate() {
                    let style = style.sized(fit(canvas.face(style), style.size, *room, line));
                    canvas.text_to(page, *end, baseline(count, index), style, line);
                }
            });
        }
        sheet.canvas.close();
        sheet.canvas.rule(page, sheet.y - 800, (self.left, self.right()), 800, self.look.accent);
    }

    /// Draws the heading row again, on a further page; readers aloud know it already.
    pub fn heading_again(&self, sheet: &mut Sheet) {
        sheet.canvas.decorate(true);
        self.heading(sheet);
        sheet.canvas.decorate(false);
    }

    /// The row in pieces of at most `lines` lines; the figures stand beside the first line.
    #[must_use]
    pub fn pieces(&self, canvas: &Canvas, row: &Row, lines: usize) -> Vec<Piece> {
        let room = self.text_end - self.left;
        let wrapped = |texts: &[String], style: Style, is_note: bool| -> Vec<(String, bool)> {
            let lines = texts.iter().flat_map(|text| wrap(canvas.face(style), style.size, room, text));
            lines.map(|line| (line, is_note)).collect()
        };
        let mut all = wrapped(&row.text, self.look.body, false);
        all.extend(wrapped(&row.notes, self.note(), true));
        let mut pieces: Vec<Piece> =
            all.chunks(lines.max(1)).map(|chunk| Piece { lines: chunk.to_vec(), ..Piece::default() }).collect();
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

    /// How notes look.
    const fn note(&self) -> Style {
        Style { weight: self.look.body.weight, size: self.look.body.size * 7 / 8, colour: self.look.heading.colour }
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

    /// Draws a one-line row in a style of its own, such as a subtotal.
    pub fn remark(&self, sheet: &mut Sheet, row: &Row, style: Style) {
        let (above, below) = (self.look.padding, self.look.padding);
        let lines = row.text.iter().map(|line| (line.clone(), false)).collect();
        self.draw(sheet, &Piece { lines, figures: row.figures.clone(), above, below, last: false }, style);
        sheet.canvas.rule(sheet.page, sheet.y - 400, (self.left, self.right()), 400, self.look.hairline);
    }

    fn right(&self) -> Length {
        self.columns.last().map_or(self.text_end, |(end, _)| *end)
    }

    fn draw(&self, sheet: &mut Sheet, piece: &Piece, style: Style) {
        let page = sheet.page;
        let top = sheet.advance(self.height(piece)) + piece.above;
        // The first baseline is where the body's would be, so that all rows sit alike.
        let baseline = top + self.look.body.size;
        let canvas = &mut sheet.canvas;
        canvas.open(Role::Row);
        canvas.part(Role::Cell, |canvas| {
            for ((line, is_note), y) in piece.lines.iter().zip((0..).map(|index| baseline + self.look.leading * index))
            {
                canvas.text(page, self.left, y, if *is_note { self.note() } else { style }, line);
            }
        });
        for ((end, room), figure) in self.columns.iter().zip(&piece.figures) {
            let style = style.sized(fit(canvas.face(style), style.size, *room, figure));
            canvas.part(Role::Cell, |canvas| canvas.text_to(page, *end, baseline, style, figure));
        }
        canvas.close();
    }
}
