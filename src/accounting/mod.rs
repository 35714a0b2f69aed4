//! What the accountant takes home: balances, journals in three formats, closed months, and the proofs.
//!
//! Owns `accounting_period`. Everything else is read: from the ledger, and from the views that hold what must
//! always be true. Exports have no limit on rows; they read the journal in blocks, each in its own short
//! transaction. Deliberately absent: opening a closed month again. What comes late counts in the next one.

pub mod http;
mod rules;
mod store;

use std::str::FromStr;

use crate::bank;
use crate::charter;
use crate::collection;
use crate::formats::{beancount, hledger, journal_csv};
use crate::kernel::ids::EntityId;
use crate::ledger::{self, JournalRow, TrialRow};
use crate::levies;
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};
pub use rules::{NotAPeriod, Period};
pub use store::{PeriodRow, Violation};

/// Entries that one block of an export reads.
const BLOCK: i64 = 5_000;

/// A format of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalFormat {
    /// Comma-separated values with a header row.
    Csv,
    /// A journal for hledger.
    Hledger,
    /// A ledger for beancount.
    Beancount,
}

impl JournalFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Hledger, Self::Beancount];

    /// Its name, which is also the ending of its files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Hledger => "hledger",
            Self::Beancount => "beancount",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Hledger | Self::Beancount => "text/plain; charset=utf-8",
        }
    }
}

/// Not the name of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a format is one of csv, hledger, beancount")]
pub struct UnknownFormat;

impl FromStr for JournalFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or(UnknownFormat)
    }
}

/// Debits and credits per account up to the end of a period, or of all time.
///
/// # Errors
/// 404 for an unknown entity.
pub fn trial_balance(tx: &mut Tx<'_>, entity: EntityId, through: Option<Period>) -> Result<Vec<TrialRow>> {
    charter::entity(tx, entity)?;
    ledger::trial_balance(tx, entity, through.map(|period| period.to_string()).as_deref())
}

/// The entries of a period, or of all, after an entry id: `limit` of them with all their postings.
///
/// # Errors
/// 404 for an unknown entity.
pub fn journal(
    tx: &mut Tx<'_>,
    entity: EntityId,
    period: Option<Period>,
    after: i64,
    limit: i64,
) -> Result<Vec<JournalRow>> {
    charter::entity(tx, entity)?;
    ledger::journal(tx, entity, period.map(|period| period.to_string()).as_deref(), after, limit)
}

/// Writes the journal of a period, or of all, as the program itself. Blocks the thread; the audit notes it.
///
/// # Errors
/// 404 for an unknown entity; 422 for a period that is none.
pub fn export(db: &Db, entity: EntityId, period: Option<&str>, format: JournalFormat) -> Result<Vec<u8>> {
    export_as(db, &Actor::System, entity, rules::optional(period, "/period")?, format)
}

/// As [`export`], for somebody whose right to it is checked with every block.
///
/// # Errors
/// As [`export`], and 403 without the role.
pub fn export_as(
    db: &Db,
    actor: &Actor,
    entity: EntityId,
    period: Option<Period>,
    format: JournalFormat,
) -> Result<Vec<u8>> {
    let of = db.write_blocking(actor, |tx| {
        tx.note("export_journal", entity.0)?;
        charter::entity(tx, entity)
    })?;
    let mut whole = rules::journal(&of.name, period);
    let mut after = 0;
    loop {
        let rows = db.write_blocking(actor, |tx| journal(tx, entity, period, after, BLOCK))?;
        let Some(last) = rows.last() else { break };
        after = last.entry_id;
        rules::add(&mut whole, rows).map_err(Error::internal)?;
    }
    let written = match format {
        JournalFormat::Csv => journal_csv::write(&whole),
        JournalFormat::Hledger => hledger::write(&whole),
        JournalFormat::Beancount => beancount::write(&whole),
    };
    // PostgreSQL keeps entries balanced; a journal that is refused here is a fault of ours.
    written.map_err(Error::internal)
}

/// Closes a month for ever: nothing is booked into it any more, and its hash is kept.
///
/// Whoever books into the month holds its lock in common; this takes it alone, so no entry is left out.
///
/// # Errors
/// 404; 409 `period_closed`, `period_not_over`, `period_earlier_open`, `period_has_suspense`.
pub fn close_period(tx: &mut Tx<'_>, entity: EntityId, period: Period) -> Result<PeriodRow> {
    let by = tx.person()?;
    let zone = charter::entity(tx, entity)?.zone();
    let name = period.to_string();
    store::lock_period(tx, entity, &name)?;
    let closing = rules::Closing {
        period,
        today: tx.today(zone),
        is_closed: store::is_closed(tx, entity, &name)?,
        earlier_open: store::find_earlier_open(tx, entity, &name)?,
        lines_waiting: bank::waiting_through(tx, entity, period.last_day())?,
    };
    rules::close(&closing)?;
    if levies::month_is_waiting(tx, entity, period.last_day())? {
        return Err(Error::conflict("levies_not_closed").with("period", name));
    }
    // The last entry of the month: what of what clients owe is doubtful.
    collection::provision::move_at_close(tx, entity, period.last_day())?;
    store::insert_period(tx, entity, &name, by)
}

/// The months of an entity that have entries or are closed, newest first.
///
/// # Errors
/// 404 for an unknown entity.
pub fn periods(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<PeriodRow>> {
    charter::entity(tx, entity)?;
    store::list_periods(tx, entity)
}

/// The names of everything that [`check`] checks.
///
/// # Errors
/// Fails when there is nothing to check, which must not pass for "all is well".
pub fn invariants(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let names = store::list_invariants(tx)?;
    if names.is_empty() { Err(Error::internal("the database has no invariants")) } else { Ok(names) }
}

/// Checks everything that must always be true, and answers what is not.
///
/// # Errors
/// Fails with the database, and when there is nothing to check.
pub fn check(tx: &mut Tx<'_>) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for name in invariants(tx)? {
        violations.extend(store::list_violations(tx, &name)?);
    }
    Ok(violations)
}
