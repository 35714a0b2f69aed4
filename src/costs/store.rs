//! The SQL of costs.

mod credits;

use chrono::{DateTime, NaiveDate, Utc};
pub use credits::CostCreditRow;
pub(super) use credits::{find_credit, find_refund_due, insert_credit, list_credits, save_refunded};
use diesel::prelude::*;
use serde::Serialize;
use umbel_schema::cost;
use uuid::Uuid;

use super::rules::CostState;
use crate::kernel::ids::{ActivityId, BankLineId, CostId, EntityId, FileId, PersonId, PoolId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;

/// What a supplier charged.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = cost, check_for_backend(diesel::pg::Pg))]
pub struct CostRow {
    /// Its id.
    pub id: CostId,
    /// Who owes it.
    pub entity_id: EntityId,
    /// The activity that bears it, unless a pool does.
    pub activity_id: Option<ActivityId>,
    /// The member of that activity.
    pub member_id: Option<PersonId>,
    /// The pool that bears it, unless an activity does.
    pub pool_id: Option<PoolId>,
    /// Who charged it.
    pub supplier: String,
    /// The supplier's number for it.
    pub reference: String,
    /// The date of the supplier's invoice.
    pub invoiced_on: NaiveDate,
    /// What it was for.
    pub description: String,
    /// Without VAT.
    pub net_minor: Minor,
    /// VAT.
    pub vat_minor: Minor,
    /// The part of the VAT that the state gives back.
    pub recoverable_vat_minor: Minor,
    /// Owed to the supplier.
    pub gross_minor: Minor,
    /// What it costs: without the VAT that the state gives back.
    pub charged_minor: Minor,
    /// Of all its amounts.
    pub currency: Currency,
    /// Whether it lowers the gross margin that fees are computed on.
    pub in_fee_base: bool,
    /// The supplier's invoice.
    pub document_id: Option<FileId>,
    /// Where it stands.
    pub state: CostState,
    /// Who handed it in.
    pub submitted_by: PersonId,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_on: Option<NaiveDate>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// The bank line that paid the supplier.
    pub bank_line_id: Option<BankLineId>,
    /// When the supplier was paid.
    pub paid_on: Option<NaiveDate>,
    /// What the supplier took back of the net amount.
    pub credited_net_minor: Minor,
    /// And of the VAT.
    pub credited_vat_minor: Minor,
    /// And of the VAT that the state gives back.
    pub credited_recoverable_minor: Minor,
    /// When it was handed in.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// Which costs to list.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct CostFilter {
    /// Only in this state.
    pub state: Option<CostState>,
    /// Only of this activity.
    pub activity_id: Option<ActivityId>,
    /// Only of this pool.
    pub pool_id: Option<PoolId>,
}

#[derive(QueryableByName)]
struct PoolFacts {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    entity_id: EntityId,
    #[diesel(sql_type = diesel::sql_types::Text)]
    currency: Currency,
}

/// Of which entity and in which currency a pool is.
pub(super) fn find_pool(tx: &mut Tx<'_>, id: PoolId) -> Result<(EntityId, Currency)> {
    let found: PoolFacts = diesel::sql_query("SELECT entity_id, currency FROM pool WHERE id = $1")
        .bind::<diesel::sql_types::Uuid, _>(id)
        .get_result(tx.conn())?;
    Ok((found.entity_id, found.currency))
}

/// A member reads their own, and those of the pools that they share: which these are, PostgreSQL says.
pub(super) fn find(tx: &mut Tx<'_>, id: CostId) -> Result<CostRow> {
    let mut query = cost::table.find(id).select(CostRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(cost::member_id.eq(owner).or(cost::pool_id.is_not_null()));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: CostId) -> Result<Locked<CostRow>> {
    let query = cost::table.find(id).select(CostRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_no_key_update().first(tx.conn())?
    };
    Ok(Locked::new(row))
}

pub(super) fn list(tx: &mut Tx<'_>, filter: &CostFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<CostRow>> {
    let mut query = cost::table.order(cost::id.desc()).limit(limit).select(CostRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(cost::member_id.eq(owner).or(cost::pool_id.is_not_null()));
    }
    if let Some(state) = filter.state {
        query = query.filter(cost::state.eq(state));
    }
    if let Some(activity) = filter.activity_id {
        query = query.filter(cost::activity_id.eq(activity));
    }
    if let Some(pool) = filter.pool_id {
        query = query.filter(cost::pool_id.eq(pool));
    }
    if let Some(after) = after {
        query = query.filter(cost::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert(tx: &mut Tx<'_>, row: &CostRow) -> Result<CostRow> {
    Ok(diesel::insert_into(cost::table).values(row).returning(CostRow::as_returning()).get_result(tx.conn())?)
}

pub(super) fn save_decided(
    tx: &mut Tx<'_>,
    row: &Locked<CostRow>,
    state: CostState,
    (by, on): (PersonId, NaiveDate),
    reason: Option<&str>,
) -> Result<CostRow> {
    Ok(diesel::update(cost::table.find(row.id))
        .set((
            cost::state.eq(state),
            cost::decided_by.eq(by),
            cost::decided_on.eq(on),
            cost::reason.eq(reason.map(str::trim)),
        ))
        .returning(CostRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_paid(tx: &mut Tx<'_>, row: &Locked<CostRow>, line: BankLineId, on: NaiveDate) -> Result<CostRow> {
    Ok(diesel::update(cost::table.find(row.id))
        .set((cost::bank_line_id.eq(line), cost::paid_on.eq(on)))
        .returning(CostRow::as_returning())
        .get_result(tx.conn())?)
}

/// The approved costs of a pool up to a day that may still be divided, oldest first, locked.
pub(super) fn lock_of_pool(tx: &mut Tx<'_>, pool: PoolId, through: NaiveDate) -> Result<Vec<CostRow>> {
    Ok(cost::table
        .filter(cost::pool_id.eq(pool))
        .filter(cost::state.eq(CostState::Approved))
        .filter(cost::invoiced_on.le(through))
        .order((cost::invoiced_on.asc(), cost::id.asc()))
        .select(CostRow::as_select())
        .for_no_key_update()
        .load(tx.conn())?)
}

/// All approved costs of a pool, oldest first.
pub(super) fn list_of_pool(tx: &mut Tx<'_>, pool: PoolId) -> Result<Vec<CostRow>> {
    Ok(cost::table
        .filter(cost::pool_id.eq(pool))
        .filter(cost::state.eq(CostState::Approved))
        .order((cost::invoiced_on.asc(), cost::id.asc()))
        .select(CostRow::as_select())
        .load(tx.conn())?)
}

/// How many costs of a pool wait for a decision.
pub(super) fn count_submitted(tx: &mut Tx<'_>, pool: PoolId) -> Result<i64> {
    Ok(cost::table
        .filter(cost::pool_id.eq(pool))
        .filter(cost::state.eq(CostState::Submitted))
        .count()
        .get_result(tx.conn())?)
}
