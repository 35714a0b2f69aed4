//! A file of the bank as it is imported: its statements, and its lines one by one, however many they are.

use super::refused;
use crate::formats::bank_statement::{self, CsvReading, Form, Kind, Line, Sink, Statement};
use crate::formats::safe_xml::Limits;
use crate::platform::error::{Error, Result};
use crate::platform::web::Packed;
use crate::platform::web::packed::PACKED_MAX;

/// Lines up to this many are held in memory; of more, the file is read again each time.
const HELD_MAX: usize = 10_000;
/// A file of that many bytes has no more elements than this.
const LIMITS: Limits = Limits { bytes_max: PACKED_MAX, elements_max: 40_000_000, ..Limits::FILE };

/// A file that was read and adds up.
#[derive(Debug)]
pub struct BankFile {
    /// What it says, without the lines.
    pub statements: Vec<Statement>,
    how: How,
    packed: Packed,
    held: Option<Vec<(usize, Line)>>,
}

/// How a file is read.
#[derive(Debug)]
enum How {
    /// By what it is.
    Form(Form),
    /// As a table, by its profile.
    Table(Box<CsvReading>),
}

impl How {
    fn read(&self, packed: &Packed, sink: Sink<'_>) -> Result<Vec<Statement>> {
        match self {
            Self::Form(form) => bank_statement::read_from(packed.open(), *form, LIMITS, sink),
            Self::Table(of) => bank_statement::read_table(packed.open(), of, LIMITS, sink),
        }
        .map_err(|why| refused(&why))
    }
}

impl BankFile {
    /// Reads a file: camt or CODA, or a table where one is described. Takes no database, so that nothing waits while it
    /// runs.
    ///
    /// # Errors
    /// 422 with the reader's own code and the element that is wrong.
    pub fn read(packed: &Packed, table: Option<CsvReading>) -> Result<Self> {
        let how = table.map_or_else(|| How::Form(Form::of(packed.head())), |of| How::Table(Box::new(of)));
        let mut held = Some(Vec::new());
        let statements = how.read(packed, &mut |index, line| {
            if let Some(lines) = &mut held {
                lines.push((index, line));
            }
            if held.as_ref().is_some_and(|lines| lines.len() > HELD_MAX) {
                held = None;
            }
        })?;
        Ok(Self { statements, how, packed: packed.clone(), held })
    }

    /// What the bank says with it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.statements.first().map_or(Kind::Statement, |statement| statement.kind)
    }

    /// The ending of its name, and its media type.
    #[must_use]
    pub fn written(&self) -> (&'static str, &'static str) {
        match &self.how {
            How::Form(form) => (form.ending(), form.media_type()),
            How::Table(_) => ("csv", "text/csv"),
        }
    }

    /// The file itself.
    #[must_use]
    pub fn packed(&self) -> &Packed {
        &self.packed
    }

    /// Gives the lines of one statement, in their order, to `take`.
    ///
    /// # Errors
    /// The first that `take` fails with.
    pub fn lines(&self, of: usize, take: &mut dyn FnMut(&Line) -> Result<()>) -> Result<()> {
        if let Some(held) = &self.held {
            return held.iter().filter(|(index, _)| *index == of).try_for_each(|(_, line)| take(line));
        }
        let mut failed: Option<Error> = None;
        self.how.read(&self.packed, &mut |index, line| {
            if index == of
                && failed.is_none()
                && let Err(error) = take(&line)
            {
                failed = Some(error);
            }
        })?;
        failed.map_or(Ok(()), Err)
    }
}
