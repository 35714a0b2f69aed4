//! A file of the bank as it is imported: its statements, and its lines one by one, however many they are.

use super::refused;
use crate::formats::bank_statement::{self, Form, Kind, Line, Statement};
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
    form: Form,
    packed: Packed,
    held: Option<Vec<(usize, Line)>>,
}

impl BankFile {
    /// Reads a file, camt or CODA. Takes no database, so that nothing waits while it runs.
    ///
    /// # Errors
    /// 422 with the reader's own code and the element that is wrong.
    pub fn read(packed: &Packed) -> Result<Self> {
        let form = Form::of(packed.head());
        let mut held = Some(Vec::new());
        let statements = bank_statement::read_from(packed.open(), form, LIMITS, &mut |index, line| {
            if let Some(lines) = &mut held {
                lines.push((index, line));
            }
            if held.as_ref().is_some_and(|lines| lines.len() > HELD_MAX) {
                held = None;
            }
        })
        .map_err(|why| refused(&why))?;
        Ok(Self { statements, form, packed: packed.clone(), held })
    }

    /// What the bank says with it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.statements.first().map_or(Kind::Statement, |statement| statement.kind)
    }

    /// How it is written.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
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
        bank_statement::read_from(self.packed.open(), self.form, LIMITS, &mut |index, line| {
            if index == of
                && failed.is_none()
                && let Err(error) = take(&line)
            {
                failed = Some(error);
            }
        })
        .map_err(|why| refused(&why))?;
        failed.map_or(Ok(()), Err)
    }
}
