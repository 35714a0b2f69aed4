//! The SQL of pools.

mod runs;
mod takers;

pub(super) use runs::*;
pub use runs::{MyPartRow, PartRow, RunCostRow, RunRow, SplitRow};
pub(super) use takers::*;
pub use takers::{ContractRow, MembershipRow, SeatRow, UsageRow};

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Date, Nullable, Text, Uuid as SqlUuid};
use umbel_schema::{pool, pool_key, pool_key_part, pool_share};
use uuid::Uuid;

use super::rules::{Deficit, Overfunding, PoolBasis, PoolState};
use crate::kernel::ids::{ActivityId, EntityId, PersonId, PoolId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;

/// A shared cost with its rules.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pool, check_for_backend(diesel::pg::Pg))]
pub struct PoolRow {
    /// Its id.
    pub id: PoolId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// How it is called.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// What it may collect ahead of its costs.
    pub budget_minor: Minor,
    /// Of all its amounts.
    pub currency: Currency,
    /// In what usage is counted.
    pub unit: String,
    /// Whether activities may be charged ahead of the costs.
    pub instalments: bool,
    /// What happens to what was collected too much.
    pub overfunding: Overfunding,
    /// What happens to what was collected too little.
    pub deficit: Deficit,
    /// Where it stands.
    pub state: PoolState,
    /// Who proposed it.
    pub proposed_by: PersonId,
    /// The decision that opened it.
    pub decision: Option<String>,
    /// The day of that decision.
    pub decided_on: Option<NaiveDate>,
    /// Who put it into force.
    pub opened_by: Option<PersonId>,
    /// When its account was settled.
    pub closed_on: Option<NaiveDate>,
    /// When it was proposed.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A dated version of how a pool's cost is divided.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pool_key, check_for_backend(diesel::pg::Pg))]
pub struct KeyRow {
    /// Its id.
    pub id: Uuid,
    /// Its pool.
    pub pool_id: PoolId,
    /// The how manieth, from 1.
    pub version_number: i32,
    /// The first day it counts for.
    pub valid_from: NaiveDate,
    /// The decision that made it.
    pub decision: String,
    /// Who wrote it down.
    pub created_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A part of a key.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pool_key_part, check_for_backend(diesel::pg::Pg))]
pub struct KeyPartRow {
    /// Its key.
    pub key_id: Uuid,
    /// The how manieth, from 1.
    pub n: i16,
    /// By what it divides.
    pub basis: PoolBasis,
    /// Its share of the whole.
    pub share_ppm: i64,
}

/// A fixed weight of an activity.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pool_share, check_for_backend(diesel::pg::Pg))]
pub struct ShareRow {
    /// Its key.
    pub key_id: Uuid,
    /// The activity.
    pub activity_id: ActivityId,
    /// In ten-thousandths.
    pub weight: i64,
}

/// How an activity and its member are called.
#[derive(Debug, Clone, QueryableByName)]
pub struct NameRow {
    /// The activity.
    #[diesel(sql_type = SqlUuid)]
    pub activity_id: ActivityId,
    /// How its member calls it.
    #[diesel(sql_type = Text)]
    pub activity_name: String,
    /// Its member.
    #[diesel(sql_type = Text)]
    pub member_name: String,
}

#[derive(QueryableByName)]
struct Day {
    #[diesel(sql_type = Nullable<Date>)]
    day: Option<NaiveDate>,
}

#[derive(QueryableByName)]
struct Yes {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    yes: bool,
}

pub(super) fn insert(tx: &mut Tx<'_>, row: &PoolRow) -> Result<PoolRow> {
    Ok(diesel::insert_into(pool::table).values(row).returning(PoolRow::as_returning()).get_result(tx.conn())?)
}

/// Which entity's pools somebody sees is PostgreSQL's to say: no pool belongs to one person.
pub(super) fn find(tx: &mut Tx<'_>, id: PoolId) -> Result<PoolRow> {
    Ok(pool::table.find(id).select(PoolRow::as_select()).first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: PoolId) -> Result<Locked<PoolRow>> {
    let query = pool::table.find(id).select(PoolRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_no_key_update().first(tx.conn())?
    };
    Ok(Locked::new(row))
}

pub(super) fn list(tx: &mut Tx<'_>, state: Option<PoolState>, after: Option<Uuid>, limit: i64) -> Result<Vec<PoolRow>> {
    let mut query = pool::table.order(pool::id.desc()).limit(limit).select(PoolRow::as_select()).into_boxed();
    if let Some(state) = state {
        query = query.filter(pool::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(pool::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn save_opened(
    tx: &mut Tx<'_>,
    row: &Locked<PoolRow>,
    by: PersonId,
    (decision, decided_on): (&str, NaiveDate),
) -> Result<PoolRow> {
    Ok(diesel::update(pool::table.find(row.id))
        .set((
            pool::state.eq(PoolState::Open),
            pool::opened_by.eq(by),
            pool::decision.eq(decision.trim()),
            pool::decided_on.eq(decided_on),
        ))
        .returning(PoolRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_closing(tx: &mut Tx<'_>, row: &Locked<PoolRow>) -> Result<PoolRow> {
    Ok(diesel::update(pool::table.find(row.id))
        .set(pool::state.eq(PoolState::Closing))
        .returning(PoolRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_closed(tx: &mut Tx<'_>, row: &Locked<PoolRow>, on: NaiveDate) -> Result<PoolRow> {
    Ok(diesel::update(pool::table.find(row.id))
        .set((pool::state.eq(PoolState::Closed), pool::closed_on.eq(on)))
        .returning(PoolRow::as_returning())
        .get_result(tx.conn())?)
}

/// The last day that a run has divided.
pub(super) fn find_booked_through(tx: &mut Tx<'_>, id: PoolId) -> Result<Option<NaiveDate>> {
    let found: Day =
        diesel::sql_query("SELECT pool_booked_through($1) AS day").bind::<SqlUuid, _>(id).get_result(tx.conn())?;
    Ok(found.day)
}

/// Whether the signed-in person has, or had, an activity in a pool.
pub(super) fn is_in(tx: &mut Tx<'_>, id: PoolId) -> Result<bool> {
    let found: Yes =
        diesel::sql_query("SELECT umbel_in_pool($1) AS yes").bind::<SqlUuid, _>(id).get_result(tx.conn())?;
    Ok(found.yes)
}

/// Names for those who share a pool, and for the office.
pub(super) fn list_names(tx: &mut Tx<'_>, id: PoolId, activities: &[ActivityId]) -> Result<Vec<NameRow>> {
    Ok(diesel::sql_query("SELECT * FROM pool_names($1, $2)")
        .bind::<SqlUuid, _>(id)
        .bind::<Array<SqlUuid>, _>(activities)
        .load(tx.conn())?)
}

pub(super) fn insert_key(tx: &mut Tx<'_>, row: &KeyRow, parts: &[KeyPartRow], shares: &[ShareRow]) -> Result<()> {
    diesel::insert_into(pool_key::table).values(row).execute(tx.conn())?;
    diesel::insert_into(pool_key_part::table).values(parts).execute(tx.conn())?;
    for shares in shares.chunks(1000) {
        diesel::insert_into(pool_share::table).values(shares).execute(tx.conn())?;
    }
    Ok(())
}

pub(super) fn list_keys(tx: &mut Tx<'_>, id: PoolId) -> Result<Vec<KeyRow>> {
    Ok(pool_key::table
        .filter(pool_key::pool_id.eq(id))
        .order(pool_key::version_number.desc())
        .select(KeyRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn find_key_on(tx: &mut Tx<'_>, id: PoolId, day: NaiveDate) -> Result<Option<KeyRow>> {
    Ok(pool_key::table
        .filter(pool_key::pool_id.eq(id))
        .filter(pool_key::valid_from.le(day))
        .order(pool_key::valid_from.desc())
        .select(KeyRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn list_key_parts(tx: &mut Tx<'_>, keys: &[Uuid]) -> Result<Vec<KeyPartRow>> {
    Ok(pool_key_part::table
        .filter(pool_key_part::key_id.eq_any(keys))
        .order((pool_key_part::key_id.asc(), pool_key_part::n.asc()))
        .select(KeyPartRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn list_shares(tx: &mut Tx<'_>, keys: &[Uuid]) -> Result<Vec<ShareRow>> {
    Ok(pool_share::table
        .filter(pool_share::key_id.eq_any(keys))
        .order((pool_share::key_id.asc(), pool_share::activity_id.asc()))
        .select(ShareRow::as_select())
        .load(tx.conn())?)
}
