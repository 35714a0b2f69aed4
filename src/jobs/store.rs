//! The SQL of jobs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;
use umbel_schema::{job, job_progress};
use uuid::Uuid;

use super::NewJob;
use super::rules::{JobKind, JobState};
use crate::kernel::ids::{EntityId, JobId, PersonId};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;

/// Work that takes longer than a request.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = job, check_for_backend(diesel::pg::Pg))]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// What is done.
    pub kind: JobKind,
    /// For which entity.
    pub entity_id: EntityId,
    /// What it is about.
    pub subject_id: Uuid,
    /// Who asked for it.
    pub requested_by: PersonId,
    /// Where it stands.
    pub state: JobState,
    /// What was asked for.
    pub parameters: Value,
    /// What came of it.
    pub result: Option<Value>,
    /// Why it failed: a stable code.
    pub error_code: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was begun.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
    /// Grows with every change of state, not with progress.
    pub version: i32,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = job_progress, check_for_backend(diesel::pg::Pg))]
pub struct Progress {
    /// Pieces done.
    pub done_count: i64,
    /// Pieces in all, once that is known.
    pub total_count: Option<i64>,
    /// When the worker last said something.
    pub heartbeat_at: DateTime<Utc>,
}

/// A job and how far it is.
pub type Known = (JobRow, Progress);

pub(super) fn insert(tx: &mut Tx<'_>, new: &NewJob, by: PersonId) -> Result<Known> {
    let now = tx.now();
    let row = diesel::insert_into(job::table)
        .values((
            job::id.eq(new.id),
            job::kind.eq(new.kind),
            job::entity_id.eq(new.entity),
            job::subject_id.eq(new.subject),
            job::requested_by.eq(by),
            job::parameters.eq(&new.parameters),
        ))
        .returning(JobRow::as_returning())
        .get_result(tx.conn())?;
    let progress = diesel::insert_into(job_progress::table)
        .values((
            job_progress::job_id.eq(new.id),
            job_progress::total_count.eq(new.total),
            job_progress::heartbeat_at.eq(now),
        ))
        .returning(Progress::as_returning())
        .get_result(tx.conn())?;
    Ok((row, progress))
}

pub(super) fn find(tx: &mut Tx<'_>, id: JobId) -> Result<Known> {
    let mut query = job::table
        .inner_join(job_progress::table)
        .filter(job::id.eq(id))
        .select((JobRow::as_select(), Progress::as_select()))
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(job::requested_by.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn list(tx: &mut Tx<'_>, state: Option<JobState>, after: Option<Uuid>, limit: i64) -> Result<Vec<Known>> {
    let mut query = job::table
        .inner_join(job_progress::table)
        .order(job::id.desc())
        .limit(limit)
        .select((JobRow::as_select(), Progress::as_select()))
        .into_boxed();
    if let Some(state) = state {
        query = query.filter(job::state.eq(state));
    }
    if let Some(owner) = tx.only_owner() {
        query = query.filter(job::requested_by.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(job::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: JobId) -> Result<Locked<JobRow>> {
    let query = job::table.find(id).select(JobRow::as_select());
    let row: JobRow = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    if tx.only_owner().is_some_and(|owner| owner != row.requested_by) {
        return Err(Error::not_found());
    }
    Ok(Locked::new(row))
}

pub(super) fn save_started(tx: &mut Tx<'_>, row: &Locked<JobRow>) -> Result<JobRow> {
    let now = tx.now();
    Ok(diesel::update(job::table.find(row.id))
        .set((job::state.eq(JobState::Running), job::started_at.eq(now)))
        .returning(JobRow::as_returning())
        .get_result(tx.conn())?)
}

/// Saves how a job ended: with a result, an error or neither.
pub(super) fn save_ended(
    tx: &mut Tx<'_>,
    row: &Locked<JobRow>,
    state: JobState,
    result: Option<&Value>,
    error: Option<&str>,
) -> Result<()> {
    let now = tx.now();
    diesel::update(job::table.find(row.id))
        .set((job::state.eq(state), job::result.eq(result), job::error_code.eq(error), job::finished_at.eq(now)))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn save_progress(tx: &mut Tx<'_>, id: JobId, done: i64, total: Option<i64>) -> Result<()> {
    let now = tx.now();
    diesel::update(job_progress::table.find(id))
        .set((
            job_progress::done_count.eq(done),
            job_progress::total_count.eq(total),
            job_progress::heartbeat_at.eq(now),
        ))
        .execute(tx.conn())?;
    Ok(())
}
