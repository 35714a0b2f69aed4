//! What moved on an activity in a period: it opens, moves and closes, and closes where the moves lead.

use std::collections::BTreeMap;

pub use super::rules::Span;
use super::{ActivityRow, rules};
use crate::kernel::ids::ActivityId;
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor, MoneyError};
use crate::ledger::{self, MoveRow};
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::{access, charter};

/// What is on an activity, part by part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// Waits.
    pub pending: Minor,
    /// Can be paid out.
    pub available: Minor,
    /// Set aside.
    pub reserved: Minor,
    /// Owed by the activity.
    pub arrears: Minor,
}

impl Parts {
    fn of(row: &MoveRow) -> Self {
        Self {
            pending: row.pending_minor,
            available: row.available_minor,
            reserved: row.reserved_minor,
            arrears: row.arrears_minor,
        }
    }

    /// All of it together, less what is owed.
    ///
    /// # Errors
    /// Refuses a sum out of range.
    pub fn total(self) -> Result<Minor, MoneyError> {
        Minor::sum([self.pending, self.available, self.reserved])?.minus(self.arrears)
    }

    /// Both together.
    ///
    /// # Errors
    /// Refuses a sum out of range.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        Ok(Self {
            pending: self.pending.plus(other.pending)?,
            available: self.available.plus(other.available)?,
            reserved: self.reserved.plus(other.reserved)?,
            arrears: self.arrears.plus(other.arrears)?,
        })
    }
}

/// One movement, and what was on the activity after it.
#[derive(Debug, Clone)]
pub struct Movement {
    /// What the books say.
    pub row: MoveRow,
    /// By how much each part grew.
    pub moved: Parts,
    /// What was there after it.
    pub after: Parts,
}

/// What moved on an activity between two days.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The activity.
    pub activity: ActivityRow,
    /// Which days.
    pub span: Span,
    /// Of every amount.
    pub currency: Currency,
    /// What was there before.
    pub opening: Parts,
    /// What moved, in the order of the books.
    pub moves: Vec<Movement>,
    /// The sum of the moves of each kind.
    pub totals: BTreeMap<String, Parts>,
    /// What was there in the end.
    pub closing: Parts,
    /// Who keeps the books.
    pub entity: String,
    /// Who manages the activity; unknown to those who only share it.
    pub member: String,
    /// What the reader reads.
    pub language: Language,
}

/// What moved on an activity from one month to another.
///
/// # Errors
/// 404 for an activity that one does not see; 422 for months that are none, are in the wrong order or too many.
pub fn statement(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    from: Option<&str>,
    to: Option<&str>,
    language: Language,
) -> Result<Statement> {
    let activity = super::activity(tx, activity)?;
    let entity = charter::entity(tx, activity.entity_id)?;
    let span = rules::span(from, to, tx.today(entity.zone()))?;
    let balance = ledger::balance(tx, activity.id)?;
    let member = access::people_of(tx, &[activity.member_id])?.pop();
    let mut rows = ledger::moves(tx, activity.id, span.first, span.last)?;
    let begins_empty = rows.first().is_none_or(|row| row.entry_id.is_some());
    let opening = if begins_empty { Parts::default() } else { Parts::of(&rows.remove(0)) };
    let mut closing = opening;
    let mut totals: BTreeMap<String, Parts> = BTreeMap::new();
    let mut moves = Vec::with_capacity(rows.len());
    for row in rows {
        let moved = Parts::of(&row);
        closing = closing.plus(moved)?;
        let total = totals.entry(row.event.clone().unwrap_or_default()).or_default();
        *total = total.plus(moved)?;
        moves.push(Movement { row, moved, after: closing });
    }
    Ok(Statement {
        activity,
        span,
        currency: balance.currency,
        opening,
        moves,
        totals,
        closing,
        entity: entity.name,
        member: member.map(|member| member.name).unwrap_or_default(),
        language,
    })
}
