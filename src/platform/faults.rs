//! Places where the process can be made to die, and guards that can be taken away.
//!
//! Only with the feature `faults`: the crash harness kills the real process at a named point, and for each guard
//! a test without it shows that the guard is what keeps the promise. In a release build all of this is nothing.

#[cfg(feature = "faults")]
use std::collections::HashSet;
#[cfg(feature = "faults")]
use std::sync::Arc;
#[cfg(feature = "faults")]
use std::sync::atomic::{AtomicU64, Ordering};

/// A guard that a test can remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// The owner filter of the stores; row-level security stays.
    OwnerFilter,
    /// Row locks on documents (`FOR UPDATE`).
    RowLock,
    /// The idempotency key.
    Idempotency,
    /// The check of the available balance in the rulebook; the floor in PostgreSQL stays.
    BalanceCheck,
    /// The check of what the bank takes in one file; the trigger in PostgreSQL stays.
    BankLimit,
}

/// What a test has broken. Nothing, in a real run.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    #[cfg(feature = "faults")]
    inner: Arc<Inner>,
}

#[cfg(feature = "faults")]
#[derive(Debug, Default)]
struct Inner {
    removed: HashSet<Guard>,
    kill_at: Option<(String, u64)>,
    rollback_every: Option<(String, u64)>,
    kill_hits: AtomicU64,
    rollback_hits: AtomicU64,
}

impl Faults {
    /// A run without these guards.
    #[cfg(feature = "faults")]
    #[must_use]
    pub fn without(removed: impl IntoIterator<Item = Guard>) -> Self {
        Self { inner: Arc::new(Inner { removed: removed.into_iter().collect(), ..Inner::default() }) }
    }

    /// A run in which every `nth` pass of `point` is rolled back.
    #[cfg(feature = "faults")]
    #[must_use]
    pub fn rolling_back(point: &str, nth: u64) -> Self {
        Self { inner: Arc::new(Inner { rollback_every: Some((point.to_owned(), nth)), ..Inner::default() }) }
    }

    /// What the environment asks for: `UMBEL_KILL_AT=issue.before_commit@3` kills the process at the third pass,
    /// `UMBEL_ROLLBACK_EVERY=issue.before_commit@20` rolls every twentieth pass back.
    #[must_use]
    pub fn from_env() -> Self {
        #[cfg(feature = "faults")]
        {
            let read = |name: &str| {
                let text = std::env::var(name).ok()?;
                let (point, n) = text.split_once('@')?;
                Some((point.to_owned(), n.parse().ok()?))
            };
            let inner = Inner {
                kill_at: read("UMBEL_KILL_AT"),
                rollback_every: read("UMBEL_ROLLBACK_EVERY"),
                ..Inner::default()
            };
            Self { inner: Arc::new(inner) }
        }
        #[cfg(not(feature = "faults"))]
        Self::default()
    }

    /// Whether a test removed this guard.
    #[must_use]
    pub fn removed(&self, guard: Guard) -> bool {
        #[cfg(feature = "faults")]
        {
            self.inner.removed.contains(&guard)
        }
        #[cfg(not(feature = "faults"))]
        {
            let _ = guard;
            false
        }
    }

    /// A named place: the process dies here if it was asked to. Answers whether the transaction must roll back.
    #[must_use]
    pub fn passes(&self, point: &str) -> bool {
        #[cfg(feature = "faults")]
        {
            if let Some((wanted, nth)) = &self.inner.kill_at
                && wanted == point
                && self.inner.kill_hits.fetch_add(1, Ordering::SeqCst).wrapping_add(1) == *nth
            {
                kill_this_process();
            }
            if let Some((wanted, nth)) = &self.inner.rollback_every
                && wanted == point
                && self.inner.rollback_hits.fetch_add(1, Ordering::SeqCst).wrapping_add(1).is_multiple_of(*nth)
            {
                return false;
            }
        }
        let _ = point;
        true
    }
}

/// As `kill -9` does it: nothing is flushed, nothing is closed.
#[cfg(feature = "faults")]
fn kill_this_process() -> ! {
    let killed = std::process::Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status();
    drop(killed);
    std::process::abort()
}
