//! The SQL of invoices that come again.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use serde_json::Value;
use umbel_schema::{recurring_invoice, recurring_run};
use uuid::Uuid;

use super::{NewRecurring, RecurringState, Unit};
use crate::kernel::ids::{ActivityId, ClientId, EntityId, InvoiceId, PersonId, RecurringId};
use crate::kernel::money::Currency;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// An invoice that comes again.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = recurring_invoice, check_for_backend(diesel::pg::Pg))]
pub struct RecurringRow {
    /// Its id.
    pub id: RecurringId,
    /// Who issues it.
    pub entity_id: EntityId,
    /// Whose work it is.
    pub member_id: PersonId,
    /// To which activity it belongs.
    pub activity_id: ActivityId,
    /// Who pays.
    pub client_id: ClientId,
    /// Where it stands.
    pub state: RecurringState,
    /// With `{period}` where the month or the day goes.
    pub title: String,
    /// Of every amount.
    pub currency: Currency,
    /// What the buyer wants to read on it.
    pub buyer_reference: Option<String>,
    /// What is sold.
    pub lines: Value,
    /// Every so many units.
    pub every: i32,
    /// Weeks or months.
    pub unit: Unit,
    /// Its first day.
    pub first_on: NaiveDate,
    /// No day after this one.
    pub last_on: Option<NaiveDate>,
    /// Whether it is handed to the office at once.
    pub hands_in: bool,
    /// Its next day.
    pub next_on: Option<NaiveDate>,
    /// Why it was paused by itself.
    pub stopped_by: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A day that has come.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = recurring_run, check_for_backend(diesel::pg::Pg))]
pub struct RunRow {
    /// The day that was due, whenever it was worked.
    pub logical_on: NaiveDate,
    /// What was made.
    pub invoice_id: Option<InvoiceId>,
    /// Why nothing was.
    pub refused_by: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

pub(super) fn insert(
    tx: &mut Tx<'_>,
    new: &NewRecurring,
    (entity, member): (EntityId, PersonId),
    next_on: NaiveDate,
) -> Result<RecurringRow> {
    let lines = serde_json::to_value(&new.lines)?;
    Ok(diesel::insert_into(recurring_invoice::table)
        .values((
            (
                recurring_invoice::id.eq(new.id),
                recurring_invoice::entity_id.eq(entity),
                recurring_invoice::member_id.eq(member),
                recurring_invoice::activity_id.eq(new.activity),
                recurring_invoice::client_id.eq(new.client),
                recurring_invoice::title.eq(new.title.trim()),
                recurring_invoice::currency.eq(new.currency),
                recurring_invoice::buyer_reference.eq(new.buyer_reference.as_deref()),
            ),
            (
                recurring_invoice::lines.eq(lines),
                recurring_invoice::every.eq(new.every),
                recurring_invoice::unit.eq(new.unit),
                recurring_invoice::first_on.eq(new.first_on),
                recurring_invoice::last_on.eq(new.last_on),
                recurring_invoice::hands_in.eq(new.hands_in),
                recurring_invoice::next_on.eq(next_on),
            ),
        ))
        .returning(RecurringRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find(tx: &mut Tx<'_>, id: RecurringId) -> Result<RecurringRow> {
    let mut query = recurring_invoice::table.find(id).select(RecurringRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(recurring_invoice::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: RecurringId) -> Result<Locked<RecurringRow>> {
    let query = recurring_invoice::table.find(id).select(RecurringRow::as_select());
    let row = match tx.only_owner() {
        Some(owner) => query.filter(recurring_invoice::member_id.eq(owner)).for_update().first(tx.conn())?,
        None => query.for_update().first(tx.conn())?,
    };
    Ok(Locked::new(row))
}

pub(super) fn list(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<RecurringRow>> {
    let mut query = recurring_invoice::table
        .order(recurring_invoice::id.desc())
        .limit(limit)
        .select(RecurringRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(recurring_invoice::member_id.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(recurring_invoice::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn list_due(tx: &mut Tx<'_>, entity: EntityId, day: NaiveDate) -> Result<Vec<RecurringId>> {
    Ok(recurring_invoice::table
        .filter(recurring_invoice::entity_id.eq(entity))
        .filter(recurring_invoice::state.eq(RecurringState::Active))
        .filter(recurring_invoice::next_on.le(day))
        .order((recurring_invoice::next_on.asc(), recurring_invoice::id.asc()))
        .select(recurring_invoice::id)
        .load(tx.conn())?)
}

/// Changes where it stands, its next day, and what stopped it.
pub(super) fn save(
    tx: &mut Tx<'_>,
    row: &Locked<RecurringRow>,
    state: RecurringState,
    next_on: Option<NaiveDate>,
    stopped_by: Option<&str>,
) -> Result<RecurringRow> {
    Ok(diesel::update(recurring_invoice::table.find(row.id))
        .set((
            recurring_invoice::state.eq(state),
            recurring_invoice::next_on.eq(next_on),
            recurring_invoice::stopped_by.eq(stopped_by),
        ))
        .returning(RecurringRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn insert_run(
    tx: &mut Tx<'_>,
    row: &Locked<RecurringRow>,
    day: NaiveDate,
    outcome: std::result::Result<InvoiceId, &str>,
) -> Result<()> {
    diesel::insert_into(recurring_run::table)
        .values((
            recurring_run::recurring_id.eq(row.id),
            recurring_run::logical_on.eq(day),
            recurring_run::member_id.eq(row.member_id),
            recurring_run::invoice_id.eq(outcome.ok()),
            recurring_run::refused_by.eq(outcome.err()),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn list_runs(
    tx: &mut Tx<'_>,
    id: RecurringId,
    before: Option<NaiveDate>,
    limit: i64,
) -> Result<Vec<RunRow>> {
    let mut query = recurring_run::table
        .filter(recurring_run::recurring_id.eq(id))
        .order(recurring_run::logical_on.desc())
        .limit(limit)
        .select(RunRow::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(recurring_run::logical_on.lt(before));
    }
    Ok(query.load(tx.conn())?)
}
