//! The SQL of closed years, policies and decisions.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::Text;
use umbel_schema::{
    appropriation, appropriation_part, appropriation_step, fiscal_year, legal_reserve_minimum, surplus_policy,
};
use uuid::Uuid;

use super::NewPolicy;
use super::rules::{AppropriationState, Part, PatronageKey, SurplusStepKind};
use crate::kernel::ids::{ActivityId, AppropriationId, EntityId, FileId, FiscalYearId, PersonId, SurplusPolicyId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;

/// Parts that one INSERT brings: PostgreSQL takes at most 65,535 values at once.
const PARTS_AT_ONCE: usize = 4_000;

/// A closed year.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = fiscal_year, check_for_backend(diesel::pg::Pg))]
pub struct FiscalYearRow {
    /// Its id.
    pub id: FiscalYearId,
    /// Whose.
    pub entity_id: EntityId,
    /// Which.
    pub year: i32,
    /// Income less expenses; negative for a loss.
    pub result_minor: Minor,
    /// Of the result.
    pub currency: Currency,
    /// On which day its closing counts.
    pub booked_on: NaiveDate,
    /// Who closed it.
    pub closed_by: PersonId,
    /// When.
    pub closed_at: DateTime<Utc>,
}

/// A year to be closed.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = fiscal_year)]
pub(super) struct NewFiscalYear {
    pub(super) id: FiscalYearId,
    pub(super) entity_id: EntityId,
    pub(super) year: i32,
    pub(super) result_minor: Minor,
    pub(super) currency: Currency,
    pub(super) booked_on: NaiveDate,
    pub(super) closed_by: PersonId,
}

/// What the statutes say about a surplus, from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = surplus_policy, check_for_backend(diesel::pg::Pg))]
pub struct PolicyRow {
    /// Its id.
    pub id: SurplusPolicyId,
    /// Whose.
    pub entity_id: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// What of each surplus goes to the legal reserve at least, in millionths.
    pub legal_reserve_ppm: i64,
    /// What of the guarantee fund may cover a loss, in millionths.
    pub guarantee_for_losses_ppm: i64,
    /// Who decided it, in words.
    pub decision: String,
    /// When it was decided.
    pub decided_on: NaiveDate,
    /// The paper of the decision.
    pub evidence_id: Option<FileId>,
}

/// What the law of a country wants set aside.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = legal_reserve_minimum, check_for_backend(diesel::pg::Pg))]
pub struct MinimumRow {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// What of a surplus, in millionths.
    pub rate_ppm: i64,
    /// Until the reserve has reached this part of the share capital, in millionths; always when absent.
    pub until_capital_ppm: Option<i64>,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Until this day, which it does not include.
    pub valid_until: Option<NaiveDate>,
    /// Where the law says so.
    pub source: String,
    /// The day by which somebody who knows the law looks at it again.
    pub review_on: NaiveDate,
}

/// A decision about the result of a year.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = appropriation, check_for_backend(diesel::pg::Pg))]
pub struct AppropriationRow {
    /// Its id.
    pub id: AppropriationId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// About which year.
    pub fiscal_year_id: FiscalYearId,
    /// Where it stands.
    pub state: AppropriationState,
    /// The result of the year and what earlier years left; negative when there is a loss to cover.
    pub surplus_minor: Minor,
    /// Of all its amounts.
    pub currency: Currency,
    /// Who decided it, in words.
    pub decision: String,
    /// When it was decided.
    pub decided_on: NaiveDate,
    /// The paper of the decision.
    pub evidence_id: Option<FileId>,
    /// Who brought it in.
    pub proposed_by: PersonId,
    /// Who approved or rejected it.
    pub approved_by: Option<PersonId>,
    /// On which day it counts.
    pub booked_on: Option<NaiveDate>,
    /// When it was brought in.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A proposal to keep.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = appropriation)]
pub(super) struct NewRow {
    pub(super) id: AppropriationId,
    pub(super) entity_id: EntityId,
    pub(super) fiscal_year_id: FiscalYearId,
    pub(super) surplus_minor: Minor,
    pub(super) currency: Currency,
    pub(super) decision: String,
    pub(super) decided_on: NaiveDate,
    pub(super) evidence_id: Option<FileId>,
    pub(super) proposed_by: PersonId,
}

/// A step of a decision.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = appropriation_step, check_for_backend(diesel::pg::Pg))]
pub struct StepRow {
    /// The decision.
    pub appropriation_id: AppropriationId,
    /// Its place, from 1.
    pub n: i32,
    /// Where to, or where from.
    pub kind: SurplusStepKind,
    /// By what members get it.
    pub key: Option<PatronageKey>,
    /// Which part of the surplus, or of the loss, in millionths.
    pub rate_ppm: i64,
    /// How much.
    pub amount_minor: Minor,
    /// The sum of the weights of its parts.
    pub weight_sum: i64,
}

/// A member's part of a refund.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = appropriation_part, check_for_backend(diesel::pg::Pg))]
pub struct PartRow {
    /// The decision.
    pub appropriation_id: AppropriationId,
    /// The step.
    pub n: i32,
    /// The member.
    pub member_id: PersonId,
    /// The activity that gets it.
    pub activity_id: ActivityId,
    /// What the member weighs.
    pub weight: i64,
    /// The quota without its fraction.
    pub quota_minor: Minor,
    /// The numerator of its fraction, over the sum of all weights.
    pub remainder: i64,
    /// The part.
    pub amount_minor: Minor,
}

pub(super) fn insert_year(tx: &mut Tx<'_>, new: &NewFiscalYear) -> Result<FiscalYearRow> {
    Ok(diesel::insert_into(fiscal_year::table)
        .values(new)
        .returning(FiscalYearRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_year(tx: &mut Tx<'_>, of: EntityId, year: i32) -> Result<Option<FiscalYearRow>> {
    Ok(fiscal_year::table
        .filter(fiscal_year::entity_id.eq(of))
        .filter(fiscal_year::year.eq(year))
        .select(FiscalYearRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn find_year_by_id(tx: &mut Tx<'_>, id: FiscalYearId) -> Result<FiscalYearRow> {
    Ok(fiscal_year::table.find(id).select(FiscalYearRow::as_select()).first(tx.conn())?)
}

pub(super) fn list_years(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<FiscalYearRow>> {
    Ok(fiscal_year::table
        .filter(fiscal_year::entity_id.eq(of))
        .order(fiscal_year::year.desc())
        .select(FiscalYearRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn insert_policy(tx: &mut Tx<'_>, new: &NewPolicy, by: PersonId) -> Result<PolicyRow> {
    Ok(diesel::insert_into(surplus_policy::table)
        .values((
            surplus_policy::id.eq(new.id),
            surplus_policy::entity_id.eq(new.entity),
            surplus_policy::valid_from.eq(new.valid_from),
            surplus_policy::legal_reserve_ppm.eq(new.legal_reserve.0),
            surplus_policy::guarantee_for_losses_ppm.eq(new.guarantee_for_losses.0),
            surplus_policy::decision.eq(new.decision.trim()),
            surplus_policy::decided_on.eq(new.decided_on),
            surplus_policy::evidence_id.eq(new.evidence),
            surplus_policy::created_by.eq(by),
        ))
        .returning(PolicyRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_policies(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<PolicyRow>> {
    Ok(surplus_policy::table
        .filter(surplus_policy::entity_id.eq(of))
        .order(surplus_policy::valid_from.desc())
        .select(PolicyRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn find_policy_on(tx: &mut Tx<'_>, of: EntityId, on: NaiveDate) -> Result<Option<PolicyRow>> {
    Ok(surplus_policy::table
        .filter(surplus_policy::entity_id.eq(of))
        .filter(surplus_policy::valid_from.le(on))
        .order(surplus_policy::valid_from.desc())
        .select(PolicyRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn list_minimums(tx: &mut Tx<'_>) -> Result<Vec<MinimumRow>> {
    Ok(legal_reserve_minimum::table
        .order((legal_reserve_minimum::country.asc(), legal_reserve_minimum::valid_from.desc()))
        .select(MinimumRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn find_minimum(tx: &mut Tx<'_>, country: &str, on: NaiveDate) -> Result<Option<MinimumRow>> {
    Ok(legal_reserve_minimum::table
        .filter(legal_reserve_minimum::country.eq(country))
        .filter(legal_reserve_minimum::valid_from.le(on))
        .filter(legal_reserve_minimum::valid_until.is_null().or(legal_reserve_minimum::valid_until.gt(on)))
        .select(MinimumRow::as_select())
        .first(tx.conn())
        .optional()?)
}

/// Lets one decision about the surplus of an entity be made at a time.
pub(super) fn lock_surplus(tx: &mut Tx<'_>, of: EntityId) -> Result<()> {
    if !tx.faults().removed(Guard::RowLock) {
        diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind::<Text, _>(format!("surplus {of}"))
            .execute(tx.conn())?;
    }
    Ok(())
}

/// Whether a year has a decision that was not rejected.
pub(super) fn has_live(tx: &mut Tx<'_>, year: FiscalYearId) -> Result<bool> {
    let live = appropriation::table
        .filter(appropriation::fiscal_year_id.eq(year))
        .filter(appropriation::state.ne(AppropriationState::Rejected));
    Ok(diesel::select(diesel::dsl::exists(live)).get_result(tx.conn())?)
}

pub(super) fn insert(tx: &mut Tx<'_>, new: &NewRow, steps: &[StepRow], parts: &[PartRow]) -> Result<AppropriationRow> {
    let row = diesel::insert_into(appropriation::table)
        .values(new)
        .returning(AppropriationRow::as_returning())
        .get_result(tx.conn())?;
    diesel::insert_into(appropriation_step::table).values(steps).execute(tx.conn())?;
    for parts in parts.chunks(PARTS_AT_ONCE) {
        diesel::insert_into(appropriation_part::table).values(parts).execute(tx.conn())?;
    }
    Ok(row)
}

pub(super) fn part_row(of: AppropriationId, n: i32, part: &Part) -> PartRow {
    PartRow {
        appropriation_id: of,
        n,
        member_id: part.member,
        activity_id: part.activity,
        weight: part.weight,
        quota_minor: part.quota,
        remainder: part.remainder,
        amount_minor: part.amount,
    }
}

pub(super) fn find(tx: &mut Tx<'_>, id: AppropriationId) -> Result<AppropriationRow> {
    Ok(appropriation::table.find(id).select(AppropriationRow::as_select()).first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: AppropriationId) -> Result<Locked<AppropriationRow>> {
    let query = appropriation::table.find(id).select(AppropriationRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    Ok(Locked::new(row))
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    of: Option<EntityId>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<AppropriationRow>> {
    let mut query = appropriation::table
        .order(appropriation::id.desc())
        .limit(limit)
        .select(AppropriationRow::as_select())
        .into_boxed();
    if let Some(entity) = of {
        query = query.filter(appropriation::entity_id.eq(entity));
    }
    if let Some(after) = after {
        query = query.filter(appropriation::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn list_steps(tx: &mut Tx<'_>, of: AppropriationId) -> Result<Vec<StepRow>> {
    Ok(appropriation_step::table
        .filter(appropriation_step::appropriation_id.eq(of))
        .order(appropriation_step::n.asc())
        .select(StepRow::as_select())
        .load(tx.conn())?)
}

/// The parts of a decision, by step and member; a member's own for a member.
pub(super) fn list_parts(tx: &mut Tx<'_>, of: AppropriationId) -> Result<Vec<PartRow>> {
    let mut query = appropriation_part::table
        .filter(appropriation_part::appropriation_id.eq(of))
        .order((appropriation_part::n.asc(), appropriation_part::member_id.asc()))
        .select(PartRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(appropriation_part::member_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

/// `booked_on`: on which day it counts, when it is approved.
pub(super) fn save_decided(
    tx: &mut Tx<'_>,
    row: &Locked<AppropriationRow>,
    state: AppropriationState,
    by: PersonId,
    booked_on: Option<NaiveDate>,
) -> Result<AppropriationRow> {
    Ok(diesel::update(appropriation::table.find(row.id))
        .set((
            appropriation::state.eq(state),
            appropriation::approved_by.eq(by),
            appropriation::booked_on.eq(booked_on),
        ))
        .returning(AppropriationRow::as_returning())
        .get_result(tx.conn())?)
}
