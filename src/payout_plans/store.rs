//! The SQL of payout plans.

mod forecasts;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
pub(super) use forecasts::{Known, find_known, keep, list_arrived, list_open, list_open_of, medians, payout_since};
use umbel_schema::{payout, payout_cut_off, payout_plan, payout_plan_run, payout_plan_version};
use uuid::Uuid;

use super::rules::{PlanState, RunOutcome};
use super::{NewCutOff, NewPlan, Terms};
use crate::kernel::ids::{ActivityId, CutOffId, EntityId, PayoutId, PayoutPlanId, PersonId};
use crate::kernel::money::{Currency, Minor};
use crate::kernel::payout_plans::{OnClosed, PlanKind, Planned};
use crate::payouts::PayoutState;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// A plan.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payout_plan, check_for_backend(diesel::pg::Pg))]
pub struct PlanRow {
    /// Its id.
    pub id: PayoutPlanId,
    /// Who pays.
    pub entity_id: EntityId,
    /// Who is paid.
    pub member_id: PersonId,
    /// From which activity.
    pub activity_id: ActivityId,
    /// Where it stands.
    pub state: PlanState,
    /// Of every amount.
    pub currency: Currency,
    /// Every logical date up to this day is decided.
    pub decided_through: NaiveDate,
    /// The next one; none on demand, and while work decides.
    pub next_on: Option<NaiveDate>,
    /// When its money is set aside.
    pub due_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A version of a plan.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payout_plan_version, check_for_backend(diesel::pg::Pg))]
pub struct VersionRow {
    /// Its number.
    pub n: i32,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// What its days follow.
    pub kind: PlanKind,
    /// The day of the week or of the month, or working days after work.
    pub count: Option<i32>,
    /// What happens when banks are closed.
    pub on_closed: OnClosed,
    /// Less than this is left where it is.
    pub minimum_minor: Minor,
    /// The same amount each time.
    pub fixed_minor: Option<Minor>,
    /// Never less than this.
    pub floor_minor: Option<Minor>,
    /// How far ahead it looks.
    pub horizon_days: Option<i32>,
    /// When it was decided.
    pub created_at: DateTime<Utc>,
}

/// A logical date that has come.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payout_plan_run, check_for_backend(diesel::pg::Pg))]
pub struct RunRow {
    /// The date, whenever it was worked.
    pub logical_on: NaiveDate,
    /// The open day on which its money leaves.
    pub value_on: NaiveDate,
    /// What it came to.
    pub outcome: RunOutcome,
    /// What was there.
    pub available_minor: Option<Minor>,
    /// What was asked for.
    pub amount_minor: Option<Minor>,
    /// The payout.
    pub payout_id: Option<PayoutId>,
    /// The code of what refused it.
    pub refused_by: Option<String>,
    /// When it was worked.
    pub created_at: DateTime<Utc>,
}

/// A cut-off.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payout_cut_off, check_for_backend(diesel::pg::Pg))]
pub struct CutOffRow {
    /// Its id.
    pub id: CutOffId,
    /// Whose.
    pub entity_id: EntityId,
    /// For money that leaves from this day on.
    pub valid_from: NaiveDate,
    /// So many bank days before.
    pub days_before: i32,
    /// In minutes after midnight.
    pub minute_of_day: i32,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub decided_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

pub(super) fn insert_cut_off(tx: &mut Tx<'_>, new: &NewCutOff, minute: i32, by: PersonId) -> Result<CutOffRow> {
    Ok(diesel::insert_into(payout_cut_off::table)
        .values((
            payout_cut_off::id.eq(new.id),
            payout_cut_off::entity_id.eq(new.entity),
            payout_cut_off::valid_from.eq(new.valid_from),
            payout_cut_off::days_before.eq(new.days_before),
            payout_cut_off::minute_of_day.eq(minute),
            payout_cut_off::reason.eq(new.reason.trim()),
            payout_cut_off::decided_by.eq(by),
        ))
        .returning(CutOffRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_cut_offs(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<CutOffRow>> {
    Ok(payout_cut_off::table
        .filter(payout_cut_off::entity_id.eq(of))
        .order(payout_cut_off::valid_from.desc())
        .select(CutOffRow::as_select())
        .load(tx.conn())?)
}

/// Has every plan of an entity looked at again: its next moment is another one now.
pub(super) fn wake_plans(tx: &mut Tx<'_>, of: EntityId) -> Result<()> {
    let now = tx.now();
    diesel::update(payout_plan::table)
        .filter(payout_plan::entity_id.eq(of))
        .filter(payout_plan::due_at.gt(now))
        .set(payout_plan::due_at.eq(now))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn insert(
    tx: &mut Tx<'_>,
    new: &NewPlan,
    (entity, member, currency): (EntityId, PersonId, Currency),
    decided_through: NaiveDate,
) -> Result<Locked<PlanRow>> {
    Ok(Locked::new(
        diesel::insert_into(payout_plan::table)
            .values((
                payout_plan::id.eq(new.id),
                payout_plan::entity_id.eq(entity),
                payout_plan::member_id.eq(member),
                payout_plan::activity_id.eq(new.activity),
                payout_plan::currency.eq(currency),
                payout_plan::decided_through.eq(decided_through),
            ))
            .returning(PlanRow::as_returning())
            .get_result(tx.conn())?,
    ))
}

pub(super) fn insert_version(
    tx: &mut Tx<'_>,
    (plan, member): (PayoutPlanId, PersonId),
    n: i32,
    from: NaiveDate,
    terms: &Terms,
    by: PersonId,
) -> Result<VersionRow> {
    let smoothing = terms.pays.smoothing;
    Ok(diesel::insert_into(payout_plan_version::table)
        .values((
            payout_plan_version::plan_id.eq(plan),
            payout_plan_version::n.eq(n),
            payout_plan_version::member_id.eq(member),
            payout_plan_version::valid_from.eq(from),
            payout_plan_version::kind.eq(terms.kind),
            payout_plan_version::count.eq(terms.count),
            payout_plan_version::on_closed.eq(terms.on_closed),
            payout_plan_version::minimum_minor.eq(terms.pays.minimum),
            payout_plan_version::fixed_minor.eq(smoothing.map(|it| it.amount)),
            payout_plan_version::floor_minor.eq(smoothing.map(|it| it.floor)),
            payout_plan_version::horizon_days.eq(smoothing.and_then(|it| i32::try_from(it.horizon_days).ok())),
            payout_plan_version::decided_by.eq(by),
        ))
        .returning(VersionRow::as_returning())
        .get_result(tx.conn())?)
}

/// The versions of a plan in the order in which they were decided.
pub(super) fn list_versions(tx: &mut Tx<'_>, plan: PayoutPlanId) -> Result<Vec<VersionRow>> {
    Ok(payout_plan_version::table
        .filter(payout_plan_version::plan_id.eq(plan))
        .order(payout_plan_version::n.asc())
        .select(VersionRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn find(tx: &mut Tx<'_>, id: PayoutPlanId) -> Result<PlanRow> {
    let mut query = payout_plan::table.find(id).select(PlanRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payout_plan::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn find_of(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Option<PlanRow>> {
    let mut query =
        payout_plan::table.filter(payout_plan::activity_id.eq(activity)).select(PlanRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payout_plan::member_id.eq(owner));
    }
    Ok(query.first(tx.conn()).optional()?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: PayoutPlanId) -> Result<Locked<PlanRow>> {
    let query = payout_plan::table.find(id).select(PlanRow::as_select());
    let row = match tx.only_owner() {
        Some(owner) => query.filter(payout_plan::member_id.eq(owner)).for_update().first(tx.conn())?,
        None => query.for_update().first(tx.conn())?,
    };
    Ok(Locked::new(row))
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    activity: Option<ActivityId>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<PlanRow>> {
    let mut query =
        payout_plan::table.order(payout_plan::id.desc()).limit(limit).select(PlanRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payout_plan::member_id.eq(owner));
    }
    if let Some(activity) = activity {
        query = query.filter(payout_plan::activity_id.eq(activity));
    }
    if let Some(after) = after {
        query = query.filter(payout_plan::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// The plans whose moment has come, and those that ask what work there is.
pub(super) fn list_due(tx: &mut Tx<'_>, entity: EntityId, now: DateTime<Utc>) -> Result<Vec<PayoutPlanId>> {
    let after_work = payout_plan_version::table
        .filter(payout_plan_version::kind.eq(PlanKind::AfterWork))
        .select(payout_plan_version::plan_id);
    Ok(payout_plan::table
        .filter(payout_plan::entity_id.eq(entity))
        .filter(payout_plan::state.eq(PlanState::Active))
        .filter(payout_plan::due_at.le(now).or(payout_plan::id.nullable().eq_any(after_work.nullable())))
        .order(payout_plan::id.asc())
        .select(payout_plan::id)
        .load(tx.conn())?)
}

/// Changes where a plan stands, what is decided, and what comes next.
pub(super) fn save(
    tx: &mut Tx<'_>,
    row: &Locked<PlanRow>,
    state: PlanState,
    decided_through: NaiveDate,
    next: Option<Planned>,
) -> Result<PlanRow> {
    Ok(diesel::update(payout_plan::table.find(row.id))
        .set((
            payout_plan::state.eq(state),
            payout_plan::decided_through.eq(decided_through),
            payout_plan::next_on.eq(next.map(|next| next.logical_on)),
            payout_plan::due_at.eq(next.map(|next| next.due_at)),
        ))
        .returning(PlanRow::as_returning())
        .get_result(tx.conn())?)
}

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewRun<'a> {
    pub(super) n: i32,
    pub(super) planned: Planned,
    pub(super) outcome: RunOutcome,
    pub(super) available: Option<Minor>,
    pub(super) paid: Option<(PayoutId, Minor)>,
    pub(super) refused_by: Option<&'a str>,
}

pub(super) fn insert_run(tx: &mut Tx<'_>, row: &Locked<PlanRow>, new: &NewRun<'_>) -> Result<()> {
    diesel::insert_into(payout_plan_run::table)
        .values((
            payout_plan_run::plan_id.eq(row.id),
            payout_plan_run::logical_on.eq(new.planned.logical_on),
            payout_plan_run::n.eq(new.n),
            payout_plan_run::member_id.eq(row.member_id),
            payout_plan_run::value_on.eq(new.planned.value_on),
            payout_plan_run::outcome.eq(new.outcome),
            payout_plan_run::available_minor.eq(new.available),
            payout_plan_run::amount_minor.eq(new.paid.map(|(_, amount)| amount)),
            payout_plan_run::payout_id.eq(new.paid.map(|(payout, _)| payout)),
            payout_plan_run::refused_by.eq(new.refused_by),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn list_runs(
    tx: &mut Tx<'_>,
    id: PayoutPlanId,
    before: Option<NaiveDate>,
    limit: i64,
) -> Result<Vec<RunRow>> {
    let mut query = payout_plan_run::table
        .filter(payout_plan_run::plan_id.eq(id))
        .order(payout_plan_run::logical_on.desc())
        .limit(limit)
        .select(RunRow::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(payout_plan_run::logical_on.lt(before));
    }
    Ok(query.load(tx.conn())?)
}

/// The last run that was not missed, and whether its payout was taken back.
pub(super) fn last_run(tx: &mut Tx<'_>, id: PayoutPlanId) -> Result<Option<(RunOutcome, bool)>> {
    let found: Option<(RunOutcome, Option<PayoutState>)> = payout_plan_run::table
        .left_join(payout::table)
        .filter(payout_plan_run::plan_id.eq(id))
        .filter(payout_plan_run::outcome.ne(RunOutcome::Missed))
        .order(payout_plan_run::logical_on.desc())
        .select((payout_plan_run::outcome, payout::state.nullable()))
        .first(tx.conn())
        .optional()?;
    let is_back = |state| matches!(state, PayoutState::Refused | PayoutState::Cancelled);
    Ok(found.map(|(outcome, state)| (outcome, state.is_some_and(is_back))))
}
