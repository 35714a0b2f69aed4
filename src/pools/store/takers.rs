//! The SQL of who is in a pool, what they used and which seats they have.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use rust_decimal::Decimal;
use umbel_schema::{pool_contract, pool_membership, pool_seat, pool_usage};
use uuid::Uuid;

use crate::kernel::ids::{ActivityId, ContractId, PersonId, PoolId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// Days of an activity in a pool.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pool_membership, check_for_backend(diesel::pg::Pg))]
pub struct MembershipRow {
    /// Its id.
    pub id: Uuid,
    /// The pool.
    pub pool_id: PoolId,
    /// The activity.
    pub activity_id: ActivityId,
    /// Its member.
    pub member_id: PersonId,
    /// The first day in.
    pub in_from: NaiveDate,
    /// The first day out.
    pub out_from: Option<NaiveDate>,
    /// Who wrote it down.
    pub created_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What an activity used on a day.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pool_usage, check_for_backend(diesel::pg::Pg))]
pub struct UsageRow {
    /// Its id.
    pub id: Uuid,
    /// The pool.
    pub pool_id: PoolId,
    /// The activity.
    pub activity_id: ActivityId,
    /// Its member.
    pub member_id: PersonId,
    /// The day.
    pub used_on: NaiveDate,
    /// In the unit of the pool.
    pub quantity: Decimal,
    /// What the system that measured it calls it.
    pub external_ref: Option<String>,
    /// Who wrote it down.
    pub recorded_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A supplier's contract that members use together.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pool_contract, check_for_backend(diesel::pg::Pg))]
pub struct ContractRow {
    /// Its id.
    pub id: ContractId,
    /// Its pool.
    pub pool_id: PoolId,
    /// With whom.
    pub supplier: String,
    /// The supplier's number for it.
    pub reference: String,
    /// The price of a seat for a month.
    pub seat_month_minor: Minor,
    /// Of the price.
    pub currency: Currency,
    /// The first day.
    pub valid_from: NaiveDate,
    /// The first day after it.
    pub valid_until: Option<NaiveDate>,
    /// Who wrote it down.
    pub created_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Seats of an activity under a contract.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pool_seat, check_for_backend(diesel::pg::Pg))]
pub struct SeatRow {
    /// Its id.
    pub id: Uuid,
    /// The contract.
    pub contract_id: ContractId,
    /// The pool of the contract.
    pub pool_id: PoolId,
    /// The activity.
    pub activity_id: ActivityId,
    /// Its member.
    pub member_id: PersonId,
    /// How many.
    pub seats: i32,
    /// The first day.
    pub from_on: NaiveDate,
    /// The first day without them.
    pub until_on: Option<NaiveDate>,
    /// Who wrote it down.
    pub created_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

pub(in crate::pools) fn insert_membership(tx: &mut Tx<'_>, row: &MembershipRow) -> Result<()> {
    diesel::insert_into(pool_membership::table).values(row).execute(tx.conn())?;
    Ok(())
}

pub(in crate::pools) fn list_memberships(
    tx: &mut Tx<'_>,
    pool: PoolId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<MembershipRow>> {
    let mut query = pool_membership::table
        .filter(pool_membership::pool_id.eq(pool))
        .order(pool_membership::id.desc())
        .limit(limit)
        .select(MembershipRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(pool_membership::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// The membership of an activity that a day belongs to.
pub(in crate::pools) fn find_membership_on(
    tx: &mut Tx<'_>,
    pool: PoolId,
    activity: ActivityId,
    day: NaiveDate,
) -> Result<Option<MembershipRow>> {
    Ok(pool_membership::table
        .filter(pool_membership::pool_id.eq(pool))
        .filter(pool_membership::activity_id.eq(activity))
        .filter(pool_membership::in_from.le(day))
        .filter(pool_membership::out_from.is_null().or(pool_membership::out_from.gt(day)))
        .select(MembershipRow::as_select())
        .first(tx.conn())
        .optional()?)
}

/// All memberships of a pool, by activity: for reading a file line by line without asking for each.
pub(in crate::pools) fn all_memberships(
    tx: &mut Tx<'_>,
    pool: PoolId,
) -> Result<BTreeMap<ActivityId, Vec<MembershipRow>>> {
    let rows: Vec<MembershipRow> = pool_membership::table
        .filter(pool_membership::pool_id.eq(pool))
        .select(MembershipRow::as_select())
        .load(tx.conn())?;
    let mut by_activity: BTreeMap<ActivityId, Vec<MembershipRow>> = BTreeMap::new();
    for row in rows {
        by_activity.entry(row.activity_id).or_default().push(row);
    }
    Ok(by_activity)
}

pub(in crate::pools) fn save_left(tx: &mut Tx<'_>, row: &MembershipRow, out_from: NaiveDate) -> Result<MembershipRow> {
    Ok(diesel::update(pool_membership::table.find(row.id))
        .set(pool_membership::out_from.eq(out_from))
        .returning(MembershipRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::pools) fn insert_usage(tx: &mut Tx<'_>, rows: &[UsageRow]) -> Result<()> {
    diesel::insert_into(pool_usage::table).values(rows).execute(tx.conn())?;
    Ok(())
}

/// What is there already under these references.
pub(in crate::pools) fn find_usage_by_reference(
    tx: &mut Tx<'_>,
    pool: PoolId,
    references: &[&str],
) -> Result<Vec<UsageRow>> {
    Ok(pool_usage::table
        .filter(pool_usage::pool_id.eq(pool))
        .filter(pool_usage::external_ref.eq_any(references))
        .select(UsageRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::pools) fn list_usage(
    tx: &mut Tx<'_>,
    pool: PoolId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<UsageRow>> {
    let mut query = pool_usage::table
        .filter(pool_usage::pool_id.eq(pool))
        .order(pool_usage::id.desc())
        .limit(limit)
        .select(UsageRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(pool_usage::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(in crate::pools) fn insert_contract(tx: &mut Tx<'_>, row: &ContractRow) -> Result<()> {
    diesel::insert_into(pool_contract::table).values(row).execute(tx.conn())?;
    Ok(())
}

pub(in crate::pools) fn list_contracts(tx: &mut Tx<'_>, pool: PoolId) -> Result<Vec<ContractRow>> {
    Ok(pool_contract::table
        .filter(pool_contract::pool_id.eq(pool))
        .order(pool_contract::valid_from.desc())
        .select(ContractRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::pools) fn find_contract(tx: &mut Tx<'_>, pool: PoolId, id: ContractId) -> Result<Option<ContractRow>> {
    Ok(pool_contract::table
        .find(id)
        .filter(pool_contract::pool_id.eq(pool))
        .select(ContractRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(in crate::pools) fn insert_seat(tx: &mut Tx<'_>, row: &SeatRow) -> Result<()> {
    diesel::insert_into(pool_seat::table).values(row).execute(tx.conn())?;
    Ok(())
}

pub(in crate::pools) fn list_seats(
    tx: &mut Tx<'_>,
    pool: PoolId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<SeatRow>> {
    let mut query = pool_seat::table
        .filter(pool_seat::pool_id.eq(pool))
        .order(pool_seat::id.desc())
        .limit(limit)
        .select(SeatRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(pool_seat::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// The seats of an activity on a day.
pub(in crate::pools) fn find_seat_on(
    tx: &mut Tx<'_>,
    contract: ContractId,
    activity: ActivityId,
    day: NaiveDate,
) -> Result<Option<SeatRow>> {
    Ok(pool_seat::table
        .filter(pool_seat::contract_id.eq(contract))
        .filter(pool_seat::activity_id.eq(activity))
        .filter(pool_seat::from_on.le(day))
        .filter(pool_seat::until_on.is_null().or(pool_seat::until_on.gt(day)))
        .select(SeatRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(in crate::pools) fn save_seat_ended(tx: &mut Tx<'_>, row: &SeatRow, until_on: NaiveDate) -> Result<SeatRow> {
    Ok(diesel::update(pool_seat::table.find(row.id))
        .set(pool_seat::until_on.eq(until_on))
        .returning(SeatRow::as_returning())
        .get_result(tx.conn())?)
}
