//! The SQL of payouts that wait for a person.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use umbel_schema::{payee_account, payout, payout_hold};
use uuid::Uuid;

use crate::kernel::ids::{EntityId, PayeeAccountId, PayoutHoldId, PayoutId, PersonId};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// A stop to payouts.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payout_hold, check_for_backend(diesel::pg::Pg))]
pub struct HoldRow {
    /// Its id.
    pub id: PayoutHoldId,
    /// The one payout that waits.
    pub payout_id: Option<PayoutId>,
    /// The member all of whose payouts wait.
    pub held_member_id: Option<PersonId>,
    /// The account to which nothing goes.
    pub account_id: Option<PayeeAccountId>,
    /// Whose money waits.
    pub member_id: PersonId,
    /// Why, as the member reads it.
    pub reason: String,
    /// Who placed it.
    pub placed_by: PersonId,
    /// When.
    pub placed_at: DateTime<Utc>,
    /// Who lifted it.
    pub lifted_by: Option<PersonId>,
    /// When.
    pub lifted_at: Option<DateTime<Utc>>,
    /// Why.
    pub lift_reason: Option<String>,
    /// Grows with every change.
    pub version: i32,
}

/// What waits, and whose it is.
#[derive(Debug, Clone, Copy)]
pub(in crate::risk) struct HoldTarget {
    pub(in crate::risk) payout: Option<PayoutId>,
    pub(in crate::risk) held_member: Option<PersonId>,
    pub(in crate::risk) account: Option<PayeeAccountId>,
    pub(in crate::risk) member: PersonId,
}

/// What shapes a list of holds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct HoldFilter {
    /// Only of this member.
    pub member_id: Option<PersonId>,
    /// Only those that hold, or were lifted.
    pub active: Option<bool>,
}

pub(in crate::risk) fn insert_hold(
    tx: &mut Tx<'_>,
    id: PayoutHoldId,
    target: &HoldTarget,
    reason: &str,
    by: PersonId,
) -> Result<HoldRow> {
    Ok(diesel::insert_into(payout_hold::table)
        .values((
            payout_hold::id.eq(id),
            payout_hold::payout_id.eq(target.payout),
            payout_hold::held_member_id.eq(target.held_member),
            payout_hold::account_id.eq(target.account),
            payout_hold::member_id.eq(target.member),
            payout_hold::reason.eq(reason),
            payout_hold::placed_by.eq(by),
        ))
        .returning(HoldRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::risk) fn find_hold(tx: &mut Tx<'_>, id: PayoutHoldId) -> Result<HoldRow> {
    let mut query = payout_hold::table.find(id).select(HoldRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payout_hold::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(in crate::risk) fn lock_hold(tx: &mut Tx<'_>, id: PayoutHoldId) -> Result<Locked<HoldRow>> {
    Ok(Locked::new(payout_hold::table.find(id).select(HoldRow::as_select()).for_update().first(tx.conn())?))
}

pub(in crate::risk) fn save_lifted(tx: &mut Tx<'_>, row: &Locked<HoldRow>, by: PersonId, reason: &str) -> Result<()> {
    let now = tx.now();
    diesel::update(payout_hold::table.find(row.id))
        .set((payout_hold::lifted_by.eq(by), payout_hold::lifted_at.eq(now), payout_hold::lift_reason.eq(reason)))
        .execute(tx.conn())?;
    Ok(())
}

pub(in crate::risk) fn list_holds(
    tx: &mut Tx<'_>,
    filter: &HoldFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<HoldRow>> {
    let mut query =
        payout_hold::table.order(payout_hold::id.desc()).limit(limit).select(HoldRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payout_hold::member_id.eq(owner));
    }
    if let Some(member) = filter.member_id {
        query = query.filter(payout_hold::member_id.eq(member));
    }
    match filter.active {
        Some(true) => query = query.filter(payout_hold::lifted_at.is_null()),
        Some(false) => query = query.filter(payout_hold::lifted_at.is_not_null()),
        None => {}
    }
    if let Some(after) = after {
        query = query.filter(payout_hold::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

diesel::define_sql_function! {
    /// Whether a payout waits: it, its member or its account.
    fn is_payout_held(payout: diesel::sql_types::Uuid, member: diesel::sql_types::Uuid, account: diesel::sql_types::Nullable<diesel::sql_types::Uuid>) -> diesel::sql_types::Bool;
}

/// Whether anything waits at all.
fn is_anything_held(tx: &mut Tx<'_>) -> Result<bool> {
    let any = payout_hold::table.filter(payout_hold::lifted_at.is_null());
    Ok(diesel::select(diesel::dsl::exists(any)).get_result(tx.conn())?)
}

/// Those of some payouts that wait. One that has no account yet is looked at with the one that is live.
pub(in crate::risk) fn held_among(tx: &mut Tx<'_>, of: &[PayoutId]) -> Result<Vec<PayoutId>> {
    if !is_anything_held(tx)? {
        return Ok(Vec::new());
    }
    let live = payee_account::table
        .filter(payee_account::person_id.eq(payout::member_id))
        .filter(payee_account::superseded_at.is_null())
        .select(payee_account::id)
        .single_value();
    let frozen = is_payout_held(payout::id, payout::member_id, payout::payee_account_id);
    let would_be = is_payout_held(payout::id, payout::member_id, live);
    Ok(payout::table
        .filter(payout::id.eq_any(of))
        .filter(frozen.or(payout::payee_account_id.is_null().and(would_be)))
        .order(payout::id.asc())
        .select(payout::id)
        .load(tx.conn())?)
}

/// The approved payouts of an entity that wait.
pub(in crate::risk) fn list_held(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<PayoutId>> {
    if !is_anything_held(tx)? {
        return Ok(Vec::new());
    }
    Ok(payout::table
        .filter(payout::entity_id.eq(entity))
        .filter(payout::state.eq("approved"))
        .filter(is_payout_held(payout::id, payout::member_id, payout::payee_account_id))
        .select(payout::id)
        .load(tx.conn())?)
}
