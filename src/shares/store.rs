//! The SQL of policies, notices and the decisions about them.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Integer, Text, Uuid as SqlUuid};
use umbel_schema::{redemption, redemption_policy, redemption_run};
use uuid::Uuid;

use super::rules::{NetAssets, RedemptionState, Waiting};
use super::{NewPolicy, RedemptionFilter};
use crate::kernel::ids::{EntityId, PersonId, RedemptionId, RedemptionPolicyId, RedemptionRunId, ShareId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;

/// How shares are given back, from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = redemption_policy, check_for_backend(diesel::pg::Pg))]
pub struct PolicyRow {
    /// Its id.
    pub id: RedemptionPolicyId,
    /// Whose.
    pub entity_id: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Months from the notice to the first closing that counts.
    pub notice_months: i32,
    /// Whether one more closing must pass.
    pub waits_a_closing: bool,
    /// What is given back at one closing, at most.
    pub ceiling_minor: Option<Minor>,
    /// The same as a part of the share capital, in millionths.
    pub ceiling_ppm: Option<i64>,
    /// Of the ceiling.
    pub currency: Currency,
    /// Who decided it, in words.
    pub decision: String,
    /// When it was decided.
    pub decided_on: NaiveDate,
}

/// A decision about what is given back at a closing.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = redemption_run, check_for_backend(diesel::pg::Pg))]
pub struct RunRow {
    /// Its id.
    pub id: RedemptionRunId,
    /// Whose.
    pub entity_id: EntityId,
    /// The closing.
    pub closing_on: NaiveDate,
    /// Share capital at the closing.
    pub capital_minor: Minor,
    /// Results of closed years that may be divided.
    pub retained_minor: Minor,
    /// The result since.
    pub result_minor: Minor,
    /// How many shares there were.
    pub share_count: i64,
    /// Net assets for one share.
    pub value_minor: Minor,
    /// What was given back at this closing, at most.
    pub ceiling_minor: Option<Minor>,
    /// What this decision gives back.
    pub redeemed_minor: Minor,
    /// Of all its amounts.
    pub currency: Currency,
    /// Who decided.
    pub decided_by: PersonId,
    /// When.
    pub decided_on: NaiveDate,
}

/// A share that its member gives back.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = redemption, check_for_backend(diesel::pg::Pg))]
pub struct RedemptionRow {
    /// Its id.
    pub id: RedemptionId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// Whose.
    pub member_id: PersonId,
    /// What.
    pub share_id: ShareId,
    /// Where it stands.
    pub state: RedemptionState,
    /// When notice was given.
    pub noticed_on: NaiveDate,
    /// The first closing at which it counts.
    pub due_on: NaiveDate,
    /// How many shares.
    pub quantity: i32,
    /// What one cost.
    pub nominal_minor: Minor,
    /// Of its amounts.
    pub currency: Currency,
    /// The decision.
    pub run_id: Option<RedemptionRunId>,
    /// What is given back for all of them.
    pub amount_minor: Option<Minor>,
    /// When that was decided.
    pub decided_on: Option<NaiveDate>,
    /// When it was paid.
    pub paid_on: Option<NaiveDate>,
    /// When the notice was taken back.
    pub withdrawn_on: Option<NaiveDate>,
    /// When notice was given, to the instant.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A notice to keep.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = redemption)]
pub(super) struct NewRedemption {
    pub(super) id: RedemptionId,
    pub(super) entity_id: EntityId,
    pub(super) member_id: PersonId,
    pub(super) share_id: ShareId,
    pub(super) noticed_on: NaiveDate,
    pub(super) due_on: NaiveDate,
    pub(super) quantity: i32,
    pub(super) nominal_minor: Minor,
    pub(super) currency: Currency,
}

#[derive(QueryableByName)]
struct NetAssetsRow {
    #[diesel(sql_type = BigInt)]
    capital_minor: Minor,
    #[diesel(sql_type = BigInt)]
    retained_minor: Minor,
    #[diesel(sql_type = BigInt)]
    result_minor: Minor,
    #[diesel(sql_type = BigInt)]
    share_count: i64,
}

#[derive(QueryableByName)]
struct Queued {
    #[diesel(sql_type = SqlUuid)]
    id: RedemptionId,
    #[diesel(sql_type = Date)]
    due_on: NaiveDate,
    #[diesel(sql_type = Integer)]
    quantity: i32,
    #[diesel(sql_type = BigInt)]
    nominal_minor: Minor,
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
}

pub(super) fn insert_policy(tx: &mut Tx<'_>, new: &NewPolicy, currency: Currency, by: PersonId) -> Result<PolicyRow> {
    Ok(diesel::insert_into(redemption_policy::table)
        .values((
            redemption_policy::id.eq(new.id),
            redemption_policy::entity_id.eq(new.entity),
            redemption_policy::valid_from.eq(new.valid_from),
            redemption_policy::notice_months.eq(new.notice_months),
            redemption_policy::waits_a_closing.eq(new.waits_a_closing),
            redemption_policy::ceiling_minor.eq(new.ceiling.map(|ceiling| ceiling.amount_minor)),
            redemption_policy::ceiling_ppm.eq(new.ceiling_rate.map(|rate| rate.0)),
            redemption_policy::currency.eq(currency),
            redemption_policy::decision.eq(new.decision.trim()),
            redemption_policy::decided_on.eq(new.decided_on),
            redemption_policy::created_by.eq(by),
        ))
        .returning(PolicyRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_policies(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<PolicyRow>> {
    Ok(redemption_policy::table
        .filter(redemption_policy::entity_id.eq(of))
        .order(redemption_policy::valid_from.desc())
        .select(PolicyRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn find_policy_on(tx: &mut Tx<'_>, of: EntityId, on: NaiveDate) -> Result<Option<PolicyRow>> {
    Ok(redemption_policy::table
        .filter(redemption_policy::entity_id.eq(of))
        .filter(redemption_policy::valid_from.le(on))
        .order(redemption_policy::valid_from.desc())
        .select(PolicyRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn net_assets(tx: &mut Tx<'_>, of: EntityId, on: NaiveDate) -> Result<NetAssets> {
    let row: NetAssetsRow = diesel::sql_query("SELECT * FROM share_net_assets($1, $2)")
        .bind::<SqlUuid, _>(of)
        .bind::<Date, _>(on)
        .get_result(tx.conn())?;
    Ok(NetAssets {
        capital: row.capital_minor,
        retained: row.retained_minor,
        result: row.result_minor,
        shares: row.share_count,
    })
}

/// Everybody who waits, in their order. Without names, so that a member may ask.
pub(super) fn list_queue(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<Waiting>> {
    let rows: Vec<Queued> =
        diesel::sql_query("SELECT * FROM redemption_queue($1)").bind::<SqlUuid, _>(of).load(tx.conn())?;
    let waiting =
        |row: Queued| Waiting { id: row.id, due_on: row.due_on, quantity: row.quantity, nominal: row.nominal_minor };
    Ok(rows.into_iter().map(waiting).collect())
}

pub(super) fn redeemed_at(tx: &mut Tx<'_>, of: EntityId, closing: NaiveDate) -> Result<Minor> {
    let sum: Sum = diesel::sql_query("SELECT redeemed_at($1, $2) AS amount_minor")
        .bind::<SqlUuid, _>(of)
        .bind::<Date, _>(closing)
        .get_result(tx.conn())?;
    Ok(sum.amount_minor)
}

/// Lets one decision about an entity's shares be made at a time: two together could pass the ceiling.
pub(super) fn lock_decisions(tx: &mut Tx<'_>, of: EntityId) -> Result<()> {
    if !tx.faults().removed(Guard::RowLock) {
        diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind::<Text, _>(format!("redemptions {of}"))
            .execute(tx.conn())?;
    }
    Ok(())
}

/// The notices that count at a closing, in their order.
pub(super) fn lock_due(tx: &mut Tx<'_>, of: EntityId, closing: NaiveDate) -> Result<Vec<Locked<RedemptionRow>>> {
    let rows: Vec<RedemptionRow> = redemption::table
        .filter(redemption::entity_id.eq(of))
        .filter(redemption::state.eq(RedemptionState::Noticed))
        .filter(redemption::due_on.le(closing))
        .order((redemption::noticed_on.asc(), redemption::created_at.asc(), redemption::id.asc()))
        .select(RedemptionRow::as_select())
        .for_update()
        .load(tx.conn())?;
    Ok(rows.into_iter().map(Locked::new).collect())
}

pub(super) fn insert_run(tx: &mut Tx<'_>, row: &RunRow) -> Result<()> {
    diesel::insert_into(redemption_run::table).values(row).execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_run(tx: &mut Tx<'_>, id: RedemptionRunId) -> Result<RunRow> {
    Ok(redemption_run::table.find(id).select(RunRow::as_select()).first(tx.conn())?)
}

pub(super) fn list_runs(tx: &mut Tx<'_>, of: Option<EntityId>, after: Option<Uuid>, limit: i64) -> Result<Vec<RunRow>> {
    let mut query =
        redemption_run::table.order(redemption_run::id.desc()).limit(limit).select(RunRow::as_select()).into_boxed();
    if let Some(entity) = of {
        query = query.filter(redemption_run::entity_id.eq(entity));
    }
    if let Some(after) = after {
        query = query.filter(redemption_run::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert_redemption(tx: &mut Tx<'_>, new: &NewRedemption) -> Result<RedemptionRow> {
    Ok(diesel::insert_into(redemption::table)
        .values(new)
        .returning(RedemptionRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_redemption(tx: &mut Tx<'_>, id: RedemptionId) -> Result<RedemptionRow> {
    let mut query = redemption::table.find(id).select(RedemptionRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(redemption::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

/// What was given back by a certificate, and the notices for it, newest first.
pub(super) fn list_redemptions_of(tx: &mut Tx<'_>, share: ShareId) -> Result<Vec<RedemptionRow>> {
    let mut query = redemption::table
        .filter(redemption::share_id.eq(share))
        .order(redemption::id.desc())
        .select(RedemptionRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(redemption::member_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn lock_redemption(tx: &mut Tx<'_>, id: RedemptionId) -> Result<Locked<RedemptionRow>> {
    let query = redemption::table.find(id).select(RedemptionRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    if tx.only_owner().is_some_and(|owner| owner != row.member_id) {
        return Err(Error::not_found());
    }
    Ok(Locked::new(row))
}

pub(super) fn list_redemptions(
    tx: &mut Tx<'_>,
    filter: &RedemptionFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<RedemptionRow>> {
    let mut query =
        redemption::table.order(redemption::id.desc()).limit(limit).select(RedemptionRow::as_select()).into_boxed();
    if let Some(entity) = filter.entity {
        query = query.filter(redemption::entity_id.eq(entity));
    }
    if let Some(state) = filter.state {
        query = query.filter(redemption::state.eq(state));
    }
    if let Some(run) = filter.run {
        query = query.filter(redemption::run_id.eq(run));
    }
    if let Some(owner) = tx.only_owner() {
        query = query.filter(redemption::member_id.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(redemption::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn save_decided(
    tx: &mut Tx<'_>,
    row: &Locked<RedemptionRow>,
    run: &RunRow,
    amount: Minor,
) -> Result<RedemptionRow> {
    Ok(diesel::update(redemption::table.find(row.id))
        .set((
            redemption::state.eq(RedemptionState::Decided),
            redemption::run_id.eq(run.id),
            redemption::amount_minor.eq(amount),
            redemption::decided_on.eq(run.decided_on),
        ))
        .returning(RedemptionRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_withdrawn(tx: &mut Tx<'_>, row: &Locked<RedemptionRow>, on: NaiveDate) -> Result<RedemptionRow> {
    Ok(diesel::update(redemption::table.find(row.id))
        .set((redemption::state.eq(RedemptionState::Withdrawn), redemption::withdrawn_on.eq(on)))
        .returning(RedemptionRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_paid(tx: &mut Tx<'_>, id: RedemptionId, on: NaiveDate) -> Result<RedemptionRow> {
    Ok(diesel::update(redemption::table.find(id))
        .set((redemption::state.eq(RedemptionState::Paid), redemption::paid_on.eq(on)))
        .returning(RedemptionRow::as_returning())
        .get_result(tx.conn())?)
}
