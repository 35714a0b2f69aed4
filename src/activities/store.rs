//! The SQL of activities.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use umbel_schema::activity;
use uuid::Uuid;

use super::NewActivity;
use crate::kernel::ids::{ActivityId, EntityId, PersonId};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;
use crate::platform::prepared::Prepare;

/// A running budget.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = activity, check_for_backend(diesel::pg::Pg))]
pub struct ActivityRow {
    /// Its id.
    pub id: ActivityId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// Whose.
    pub member_id: PersonId,
    /// How its member calls it.
    pub name: String,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

pub(super) fn find(tx: &mut Tx<'_>, id: ActivityId) -> Result<ActivityRow> {
    let mut query = activity::table.find(id).select(ActivityRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(activity::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

/// Reads an activity that nobody may close meanwhile; several may hold one at the same time.
pub(super) fn hold(tx: &mut Tx<'_>, id: ActivityId) -> Result<ActivityRow> {
    let query = activity::table.find(id).select(ActivityRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_share().first(tx.conn())?
    };
    owned(tx, row)
}

/// Keeps activities from being closed until the end of the transaction; they are taken in the order of their ids, and
/// before their balances.
pub(super) fn hold_all(tx: &mut Tx<'_>, ids: &[ActivityId]) -> Result<()> {
    diesel::sql_query(
        "SELECT count(*) FROM (SELECT id FROM activity WHERE id = ANY ($1) ORDER BY id FOR KEY SHARE) held",
    )
    .bind::<diesel::sql_types::Array<diesel::sql_types::Uuid>, _>(ids)
    .prepared()
    .execute(tx.conn())?;
    Ok(())
}

pub(super) fn lock(tx: &mut Tx<'_>, id: ActivityId) -> Result<Locked<ActivityRow>> {
    let query = activity::table.find(id).select(ActivityRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    owned(tx, row).map(Locked::new)
}

fn owned(tx: &Tx<'_>, row: ActivityRow) -> Result<ActivityRow> {
    if tx.only_owner().is_some_and(|owner| owner != row.member_id) { Err(Error::not_found()) } else { Ok(row) }
}

pub(super) fn list(tx: &mut Tx<'_>, of: Option<PersonId>, after: Option<Uuid>, limit: i64) -> Result<Vec<ActivityRow>> {
    let mut query =
        activity::table.order(activity::id.desc()).limit(limit).select(ActivityRow::as_select()).into_boxed();
    if let Some(member) = of {
        query = query.filter(activity::member_id.eq(member));
    }
    if let Some(owner) = tx.only_owner() {
        query = query.filter(activity::member_id.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(activity::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert(tx: &mut Tx<'_>, new: &NewActivity, of: PersonId, entity: EntityId) -> Result<ActivityRow> {
    Ok(diesel::insert_into(activity::table)
        .values((
            activity::id.eq(new.id),
            activity::entity_id.eq(entity),
            activity::member_id.eq(of),
            activity::name.eq(new.name.trim()),
        ))
        .returning(ActivityRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_closed(tx: &mut Tx<'_>, row: &Locked<ActivityRow>) -> Result<ActivityRow> {
    let now = tx.now();
    Ok(diesel::update(activity::table.find(row.id))
        .set(activity::closed_at.eq(now))
        .returning(ActivityRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_of_entity(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<ActivityRow>> {
    let mut query = activity::table
        .filter(activity::entity_id.eq(entity))
        .order(activity::id.asc())
        .select(ActivityRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(activity::member_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

/// Reads which of several activities are open, so that nobody may close them meanwhile.
pub(super) fn hold_open(tx: &mut Tx<'_>, ids: &[ActivityId]) -> Result<BTreeSet<ActivityId>> {
    let rows: Vec<ActivityRow> = activity::table
        .filter(activity::id.eq_any(ids))
        .filter(activity::closed_at.is_null())
        .order(activity::id.asc())
        .select(ActivityRow::as_select())
        .for_share()
        .load(tx.conn())?;
    let owner = tx.only_owner();
    Ok(rows.into_iter().filter(|row| owner.is_none_or(|owner| owner == row.member_id)).map(|row| row.id).collect())
}
