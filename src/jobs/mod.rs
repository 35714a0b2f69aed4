//! Work that takes longer than a request: asked for by a command, done in steps by a worker, watched meanwhile.
//!
//! Owns `job` and `job_progress`. A job is queued in the outbox by the transaction that wants it and carried out in
//! small transactions, each of which does a piece, says how far the work is and keeps the lease. Whatever the next
//! step needs to know lies in the tables of the room whose work it is, so a worker that is killed costs one step: the
//! next one goes on where the last commit was. Long work has a thread of its own, so that no mail waits for it.

pub mod http;
mod rules;
mod store;

use rules::{JobCommand, is_hopeless, may};
pub use rules::{JobKind, JobState};
use serde_json::Value;
pub use store::{JobRow, Known, Progress};
use uuid::Uuid;

use crate::kernel::ids::{EntityId, JobId};
use crate::outbox::{self, Claimed, Job};
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};

/// A job to be done.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// What is done.
    pub kind: JobKind,
    /// For which entity.
    pub entity: EntityId,
    /// What it is about.
    pub subject: Uuid,
    /// What was asked for, as the caller sees it again.
    pub parameters: Value,
    /// Pieces in all, if that is known.
    pub total: Option<i64>,
}

/// A piece of a job, done in the transaction in which it is answered.
#[derive(Debug, Clone)]
pub struct Step {
    /// Pieces done so far.
    pub done: i64,
    /// Pieces in all, once that is known.
    pub total: Option<i64>,
    /// What came of it, with the last piece.
    pub result: Option<Value>,
}

/// How an attempt at a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There is nothing left to do: done, failed or cancelled.
    Over,
    /// The process is stopping, or another worker has the job: it goes on elsewhere.
    LeftOff,
}

/// Asks for a job in the name of the signed-in person.
///
/// # Errors
/// Fails with the database.
pub fn ask(tx: &mut Tx<'_>, new: &NewJob) -> Result<Known> {
    let by = tx.person()?;
    let known = store::insert(tx, new, by)?;
    outbox::queue(tx, &Job::Run { id: new.id }, new.id.0, &format!("job:{}", new.id))?;
    Ok(known)
}

/// A job and how far it is.
///
/// # Errors
/// 404 when it is not there or somebody else's.
pub fn job(tx: &mut Tx<'_>, id: JobId) -> Result<Known> {
    store::find(tx, id)
}

/// Jobs, newest first: one's own, or all of them for the office.
///
/// # Errors
/// Fails with the database.
pub fn jobs(tx: &mut Tx<'_>, state: Option<JobState>, after: Option<Uuid>, limit: i64) -> Result<Vec<Known>> {
    store::list(tx, state, after, limit)
}

/// Gives a job up. A worker that is at it stops before its next step; what it has written stays without meaning.
///
/// # Errors
/// 404 for a job of somebody else; 409 when it is over; 412 for another version.
pub fn cancel(tx: &mut Tx<'_>, id: JobId, expected: i32) -> Result<Known> {
    let row = store::lock(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    may(row.state, JobCommand::Cancel)?;
    store::save_ended(tx, &row, JobState::Cancelled, None, None)?;
    store::find(tx, id)
}

/// A job in the hands of a worker.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    db: &'a Db,
    claimed: &'a Claimed,
    worker: &'a str,
    /// Whether the process is stopping.
    is_stopping: &'a dyn Fn() -> bool,
}

impl<'a> Attempt<'a> {
    /// A job that `worker` has claimed.
    #[must_use]
    pub fn new(db: &'a Db, claimed: &'a Claimed, worker: &'a str, is_stopping: &'a dyn Fn() -> bool) -> Self {
        Self { db, claimed, worker, is_stopping }
    }

    /// Does a job step by step until it is over. `step` does the next piece; what it needs to go on it finds in its
    /// own tables.
    ///
    /// # Errors
    /// Fails with the database: the job is tried again. What a step refuses ends the job as failed and is no error.
    pub fn carry_out(self, id: JobId, mut step: impl FnMut(&mut Tx<'_>, &JobRow) -> Result<Step>) -> Result<Ended> {
        if !self.begin(id)? {
            return Ok(Ended::Over);
        }
        loop {
            if (self.is_stopping)() {
                return Ok(Ended::LeftOff);
            }
            let done = self.db.write_blocking(&Actor::System, |tx| self.go_on(tx, id, &mut step));
            let _survived = self.db.faults().passes("job.step.after_commit");
            match done {
                Ok(None) => {}
                Ok(Some(ended)) => return Ok(ended),
                Err(error) if error.status.is_server_error() => return Err(error),
                Err(refused) => {
                    self.fail(id, refused.code)?;
                    return Ok(Ended::Over);
                }
            }
        }
    }

    /// Answers whether there is anything to do.
    fn begin(self, id: JobId) -> Result<bool> {
        if is_hopeless(self.claimed.attempts) {
            self.fail(id, "internal")?;
            return Ok(false);
        }
        self.db.write_blocking(&Actor::System, |tx| {
            let row = store::lock(tx, id)?;
            if may(row.state, JobCommand::Start).is_err() {
                return Ok(false);
            }
            if row.state == JobState::Queued {
                store::save_started(tx, &row)?;
            }
            Ok(true)
        })
    }

    fn go_on(
        self,
        tx: &mut Tx<'_>,
        id: JobId,
        step: &mut impl FnMut(&mut Tx<'_>, &JobRow) -> Result<Step>,
    ) -> Result<Option<Ended>> {
        // Held until the commit: who cancels waits for the step, and the step never follows a cancellation.
        let row = store::lock(tx, id)?;
        if may(row.state, JobCommand::Finish).is_err() {
            return Ok(Some(Ended::Over));
        }
        if !outbox::prolong(tx, self.claimed.id, self.worker)? {
            return Ok(Some(Ended::LeftOff));
        }
        let Step { done, total, result } = step(tx, &row)?;
        store::save_progress(tx, id, done, total)?;
        if let Some(result) = &result {
            store::save_ended(tx, &row, JobState::Done, Some(result), None)?;
        }
        tx.failpoint("job.step.before_commit")?;
        Ok(result.map(|_done| Ended::Over))
    }

    fn fail(self, id: JobId, code: &str) -> Result<()> {
        self.db.write_blocking(&Actor::System, |tx| {
            let row = store::lock(tx, id)?;
            if may(row.state, JobCommand::Start).is_err() {
                return Ok(());
            }
            let row = if row.state == JobState::Queued {
                store::save_started(tx, &row)?;
                store::lock(tx, id)?
            } else {
                row
            };
            may(row.state, JobCommand::Fail)?;
            store::save_ended(tx, &row, JobState::Failed, None, Some(code))
        })
    }
}
