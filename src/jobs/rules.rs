//! What may happen to a job.

use crate::kernel::refusal::Refusal;
use crate::named;

named! {
    /// Where a job stands.
    JobState {
        /// Nobody has begun it.
        Queued = "queued",
        /// A worker does it, or did until it died: another goes on.
        Running = "running",
        /// Its result is there.
        Done = "done",
        /// It cannot be done.
        Failed = "failed",
        /// Somebody no longer wants it.
        Cancelled = "cancelled",
    }
}

named! {
    /// What is done. Who does it is decided in `worker`.
    JobKind {
        /// A past period is played again under proposed rules.
        DryRun = "dry_run",
    }
}

/// What may be done with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobCommand {
    /// Begin, or go on after a worker that died.
    Start,
    /// The result is there.
    Finish,
    /// It cannot be done.
    Fail,
    /// It is no longer wanted.
    Cancel,
}

/// Whether a command has a meaning in a state.
///
/// # Errors
/// 409 `state_conflict`.
pub(super) fn may(state: JobState, command: JobCommand) -> Result<(), Refusal> {
    use JobState::{Queued, Running};
    let (name, allowed): (_, &[JobState]) = match command {
        JobCommand::Start => ("start", &[Queued, Running]),
        JobCommand::Finish => ("finish", &[Running]),
        JobCommand::Fail => ("fail", &[Running]),
        JobCommand::Cancel => ("cancel", &[Queued, Running]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// Lives of a worker that a job may cost. A job that kills whoever takes it up, or never gets on, is given up.
const LIVES: i32 = 6;

/// Whether to give a job up after so many tries, this one included.
pub(super) fn is_hopeless(attempts: i32) -> bool {
    attempts > LIVES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_stays_over() {
        for state in [JobState::Done, JobState::Failed, JobState::Cancelled] {
            for command in [JobCommand::Start, JobCommand::Finish, JobCommand::Fail, JobCommand::Cancel] {
                assert_eq!(may(state, command).unwrap_err().code, "state_conflict", "{state} {command:?}");
            }
        }
        assert!(may(JobState::Queued, JobCommand::Cancel).is_ok());
        assert!(may(JobState::Running, JobCommand::Start).is_ok(), "after a worker that died");
    }
}
