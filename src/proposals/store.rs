//! The SQL of proposals and their dry runs.

mod effects;
mod pages;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Jsonb, Uuid as SqlUuid};
pub use effects::{EffectRow, MonthRow, Order};
pub(super) use effects::{find_effect, list_effects, list_months, save_finished, save_page};
pub(super) use pages::{Events, count_documents, find_personal, list_activities, sum_booked};
use serde_json::Value;
use umbel_schema::{dry_run, proposal};
use uuid::Uuid;

use super::NewProposal;
use super::rules::{Month, Period, ProposalState};
use crate::kernel::ids::{DryRunId, EntityId, JobId, PersonId, ProposalId, RuleSetId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;

/// Proposed rules.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = proposal, check_for_backend(diesel::pg::Pg))]
pub struct ProposalRow {
    /// Its id.
    pub id: ProposalId,
    /// For which entity.
    pub entity_id: EntityId,
    /// Where it stands.
    pub state: ProposalState,
    /// What it is called.
    pub title: String,
    /// Why.
    pub note: String,
    /// What a rule set says.
    pub rules: Value,
    /// Who wrote it.
    pub created_by: PersonId,
    /// Since when everybody can read it.
    pub published_at: Option<DateTime<Utc>>,
    /// When it was adopted, rejected or withdrawn.
    pub ended_at: Option<DateTime<Utc>>,
    /// The rule set that it became.
    pub rule_set_id: Option<RuleSetId>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A past period played again under proposed rules.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = dry_run, check_for_backend(diesel::pg::Pg))]
pub struct DryRunRow {
    /// Its id.
    pub id: DryRunId,
    /// Under these rules.
    pub proposal_id: ProposalId,
    /// The job that makes it.
    pub job_id: JobId,
    /// Of its amounts.
    pub currency: Currency,
    /// The first month.
    pub from_period: String,
    /// The last month.
    pub to_period: String,
    /// How far it is.
    pub carried: Value,
    /// Documents played in the period.
    pub invoice_count: i64,
    /// Members with results, once it is finished.
    pub member_count: Option<i64>,
    /// Of these, who would have paid less.
    pub better_off: Option<i64>,
    /// Who would have paid more.
    pub worse_off: Option<i64>,
    /// The largest sum that a member would have paid less, as a negative difference, or zero.
    pub largest_gain_minor: Option<Minor>,
    /// The largest sum that a member would have paid more, or zero.
    pub largest_loss_minor: Option<Minor>,
    /// SHA-256 over all results.
    pub sha256: Option<Vec<u8>>,
    /// When it was finished.
    pub finished_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

impl DryRunRow {
    /// Its months.
    pub(super) fn period(&self) -> Result<Period> {
        let months = Month::parse(&self.from_period).zip(Month::parse(&self.to_period));
        let (from, to) = months.ok_or_else(|| Error::internal("a stored period is one"))?;
        Ok(Period { from, to })
    }
}

pub(super) fn insert(tx: &mut Tx<'_>, new: &NewProposal, rules: &Value, by: PersonId) -> Result<ProposalRow> {
    Ok(diesel::insert_into(proposal::table)
        .values((
            proposal::id.eq(new.id),
            proposal::entity_id.eq(new.entity),
            proposal::title.eq(new.title.trim()),
            proposal::note.eq(new.note.trim()),
            proposal::rules.eq(rules),
            proposal::created_by.eq(by),
        ))
        .returning(ProposalRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find(tx: &mut Tx<'_>, id: ProposalId) -> Result<ProposalRow> {
    let mut query = proposal::table.find(id).select(ProposalRow::as_select()).into_boxed();
    if tx.only_owner().is_some() {
        query = query.filter(proposal::published_at.is_not_null());
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    state: Option<ProposalState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ProposalRow>> {
    let mut query =
        proposal::table.order(proposal::id.desc()).limit(limit).select(ProposalRow::as_select()).into_boxed();
    if let Some(state) = state {
        query = query.filter(proposal::state.eq(state));
    }
    if tx.only_owner().is_some() {
        query = query.filter(proposal::published_at.is_not_null());
    }
    if let Some(after) = after {
        query = query.filter(proposal::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: ProposalId) -> Result<Locked<ProposalRow>> {
    let query = proposal::table.find(id).select(ProposalRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    Ok(Locked::new(row))
}

pub(super) fn save_published(tx: &mut Tx<'_>, row: &Locked<ProposalRow>) -> Result<ProposalRow> {
    let now = tx.now();
    Ok(diesel::update(proposal::table.find(row.id))
        .set((proposal::state.eq(ProposalState::Published), proposal::published_at.eq(now)))
        .returning(ProposalRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_ended(
    tx: &mut Tx<'_>,
    row: &Locked<ProposalRow>,
    state: ProposalState,
    rule_set: Option<RuleSetId>,
) -> Result<ProposalRow> {
    let now = tx.now();
    Ok(diesel::update(proposal::table.find(row.id))
        .set((proposal::state.eq(state), proposal::ended_at.eq(now), proposal::rule_set_id.eq(rule_set)))
        .returning(ProposalRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn insert_run(
    tx: &mut Tx<'_>,
    id: DryRunId,
    of: ProposalId,
    job: JobId,
    currency: Currency,
    period: Period,
) -> Result<()> {
    diesel::insert_into(dry_run::table)
        .values((
            dry_run::id.eq(id),
            dry_run::proposal_id.eq(of),
            dry_run::job_id.eq(job),
            dry_run::currency.eq(currency),
            dry_run::from_period.eq(period.from.name()),
            dry_run::to_period.eq(period.to.name()),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_run(tx: &mut Tx<'_>, of: ProposalId, id: DryRunId) -> Result<DryRunRow> {
    find(tx, of)?;
    let query = dry_run::table.find(id).filter(dry_run::proposal_id.eq(of));
    Ok(query.select(DryRunRow::as_select()).first(tx.conn())?)
}

pub(super) fn find_run_of_job(tx: &mut Tx<'_>, job: JobId) -> Result<DryRunRow> {
    Ok(dry_run::table.filter(dry_run::job_id.eq(job)).select(DryRunRow::as_select()).first(tx.conn())?)
}

pub(super) fn list_runs(tx: &mut Tx<'_>, of: ProposalId) -> Result<Vec<DryRunRow>> {
    Ok(dry_run::table
        .filter(dry_run::proposal_id.eq(of))
        .order(dry_run::id.desc())
        .limit(100)
        .select(DryRunRow::as_select())
        .load(tx.conn())?)
}

/// From here to the end of the transaction, or to [`become_app`], only results of dry runs can be written.
pub(super) fn become_replay(tx: &mut Tx<'_>) -> Result<()> {
    Ok(tx.conn().batch_execute("SET LOCAL ROLE umbel_replay")?)
}

/// What follows is the job's own bookkeeping.
pub(super) fn become_app(tx: &mut Tx<'_>) -> Result<()> {
    Ok(tx.conn().batch_execute("SET LOCAL ROLE umbel_app")?)
}

/// Saves how far a run is.
pub(super) fn save_carried(tx: &mut Tx<'_>, id: DryRunId, carried: &Value, done: i64) -> Result<()> {
    diesel::sql_query("UPDATE dry_run SET carried = $2, invoice_count = $3 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Jsonb, _>(carried)
        .bind::<BigInt, _>(done)
        .execute(tx.conn())?;
    Ok(())
}
