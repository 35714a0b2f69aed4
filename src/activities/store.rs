//! The SQL of activities.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Uuid as SqlUuid};
use umbel_schema::{activity, activity_member};
use uuid::Uuid;

use super::NewActivity;
use super::rules::{MembershipRole, MembershipState};
use crate::kernel::ids::{ActivityId, EntityId, InvitationId, PersonId};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;
use crate::platform::prepared::Prepare;

diesel::define_sql_function! {
    /// Whether the acting person has confirmed that they take part in a collective.
    fn umbel_shares_activity(activity: SqlUuid) -> Bool;
}

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
    /// Whether several members share it.
    pub is_collective: bool,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A place in a collective: who, as what, from when to when.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = activity_member, check_for_backend(diesel::pg::Pg))]
pub struct MembershipRow {
    /// Its id, that of the invitation.
    pub id: InvitationId,
    /// The collective.
    pub activity_id: ActivityId,
    /// Who.
    pub member_id: PersonId,
    /// As what.
    pub role: MembershipRole,
    /// Where it stands.
    pub state: MembershipState,
    /// How the collective was called when they were asked.
    pub activity_name: String,
    /// How they were called.
    pub member_name: String,
    /// Who asked them.
    pub invited_by: PersonId,
    /// How that one was called.
    pub invited_by_name: String,
    /// Where their shares of the collective's money arrive.
    pub receives_on_id: Option<ActivityId>,
    /// When they were asked.
    pub created_at: DateTime<Utc>,
    /// When they answered.
    pub answered_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub version: i32,
}

pub(super) fn find(tx: &mut Tx<'_>, id: ActivityId) -> Result<ActivityRow> {
    let mut query = activity::table.find(id).select(ActivityRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(activity::member_id.eq(owner).or(umbel_shares_activity(activity::id)));
    }
    Ok(query.first(tx.conn())?)
}

/// The collectives that somebody has confirmed to share. A list of its own, so that the list of activities still finds
/// its rows by index.
fn shared_by(tx: &mut Tx<'_>, person: PersonId) -> Result<Vec<ActivityId>> {
    Ok(activity_member::table
        .filter(activity_member::member_id.eq(person))
        .filter(activity_member::state.eq(MembershipState::Confirmed))
        .select(activity_member::activity_id)
        .load(tx.conn())?)
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
        let shared = shared_by(tx, owner)?;
        query = query.filter(activity::member_id.eq(owner).or(activity::id.eq_any(shared)));
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
            activity::is_collective.eq(new.is_collective),
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

/// A place in a collective that is about to be made.
#[derive(Debug, Clone)]
pub(super) struct NewMembership<'a> {
    pub id: InvitationId,
    pub activity: &'a ActivityRow,
    pub member: PersonId,
    pub member_name: &'a str,
    pub invited_by: PersonId,
    pub invited_by_name: &'a str,
    pub role: MembershipRole,
    pub state: MembershipState,
    pub receives_on: Option<ActivityId>,
}

pub(super) fn insert_membership(tx: &mut Tx<'_>, new: &NewMembership<'_>) -> Result<MembershipRow> {
    Ok(diesel::insert_into(activity_member::table)
        .values((
            activity_member::id.eq(new.id),
            activity_member::activity_id.eq(new.activity.id),
            activity_member::member_id.eq(new.member),
            activity_member::role.eq(new.role),
            activity_member::state.eq(new.state),
            activity_member::activity_name.eq(&new.activity.name),
            activity_member::member_name.eq(new.member_name),
            activity_member::invited_by.eq(new.invited_by),
            activity_member::invited_by_name.eq(new.invited_by_name),
            activity_member::receives_on_id.eq(new.receives_on),
        ))
        .returning(MembershipRow::as_returning())
        .get_result(tx.conn())?)
}

/// One's own place in a collective; for the office, anybody's.
pub(super) fn find_membership(tx: &mut Tx<'_>, id: InvitationId) -> Result<MembershipRow> {
    let mut query = activity_member::table.find(id).select(MembershipRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(activity_member::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock_membership(tx: &mut Tx<'_>, id: InvitationId) -> Result<Locked<MembershipRow>> {
    let query = activity_member::table.find(id).select(MembershipRow::as_select());
    let row = match tx.only_owner() {
        Some(owner) => query.filter(activity_member::member_id.eq(owner)).for_update().first(tx.conn())?,
        None => query.for_update().first(tx.conn())?,
    };
    Ok(Locked::new(row))
}

pub(super) fn list_own_memberships(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<MembershipRow>> {
    let mut query = activity_member::table
        .order(activity_member::id.desc())
        .limit(limit)
        .select(MembershipRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(activity_member::member_id.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(activity_member::id.lt(after));
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

/// Everybody who was ever asked to share a collective, lowest member id first.
pub(super) fn list_memberships(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<MembershipRow>> {
    Ok(activity_member::table
        .filter(activity_member::activity_id.eq(activity))
        .order((activity_member::member_id.asc(), activity_member::id.asc()))
        .select(MembershipRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn save_answer(
    tx: &mut Tx<'_>,
    row: &Locked<MembershipRow>,
    state: MembershipState,
    receives_on: Option<ActivityId>,
) -> Result<MembershipRow> {
    let now = tx.now();
    Ok(diesel::update(activity_member::table.find(row.id))
        .set((
            activity_member::state.eq(state),
            activity_member::receives_on_id.eq(receives_on),
            activity_member::answered_at.eq(now),
        ))
        .returning(MembershipRow::as_returning())
        .get_result(tx.conn())?)
}

/// The invitee becomes the manager, and the manager before stays as a member. One function of PostgreSQL's, because
/// neither of the two may write what is the other's.
pub(super) fn take_over(
    tx: &mut Tx<'_>,
    row: &Locked<MembershipRow>,
    receives_on: Option<ActivityId>,
    stays_as: InvitationId,
) -> Result<()> {
    diesel::sql_query("SELECT take_over_activity($1, $2, $3)")
        .bind::<SqlUuid, _>(row.id)
        .bind::<Nullable<SqlUuid>, _>(receives_on)
        .bind::<SqlUuid, _>(stays_as)
        .execute(tx.conn())?;
    Ok(())
}
