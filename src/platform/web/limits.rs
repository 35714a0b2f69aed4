//! How much one person, or one address, may ask for in a minute.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::platform::error::{Error, Result};
use crate::platform::telemetry;

type Keyed = RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Requests that only read.
    Read,
    /// Requests that change something.
    Write,
    /// Attempts to sign in, to apply, to use a link: by address.
    Entry,
}

impl Kind {
    /// Its name in headers and figures.
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Entry => "entry",
        }
    }
}

/// The limits of one process.
pub struct RateLimits {
    read: Keyed,
    write: Keyed,
    entry: Keyed,
}

/// What is left of a limit, for the `RateLimit` headers.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Which limit.
    pub kind: Kind,
    /// Requests a minute.
    pub quota: u32,
    /// Requests left now.
    pub left: u32,
}

impl RateLimits {
    /// Limits in requests a minute; zero counts as one.
    #[must_use]
    pub fn new(reads: u32, writes: u32, entries: u32) -> Self {
        let per_minute = |n: u32| {
            RateLimiter::keyed(Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)))
                .with_middleware::<StateInformationMiddleware>()
        };
        Self { read: per_minute(reads), write: per_minute(writes), entry: per_minute(entries) }
    }

    /// Takes one request from the limit of `who`.
    ///
    /// # Errors
    /// 429 with the seconds to wait.
    pub fn take(&self, kind: Kind, who: &str) -> Result<Allowance> {
        let limiter = match kind {
            Kind::Read => &self.read,
            Kind::Write => &self.write,
            Kind::Entry => &self.entry,
        };
        match limiter.check_key(&who.to_owned()) {
            Ok(snapshot) => Ok(Allowance {
                kind,
                quota: snapshot.quota().burst_size().get(),
                left: snapshot.remaining_burst_capacity(),
            }),
            Err(not_until) => {
                metrics::counter!(telemetry::HTTP_LIMITED, "kind" => kind.name()).increment(1);
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                Err(Error::new(actix_web::http::StatusCode::TOO_MANY_REQUESTS, "rate_limited")
                    .retry_after(wait.as_secs().saturating_add(1)))
            }
        }
    }

    /// Forgets who has not asked for a while, so that memory does not grow with addresses.
    pub fn forget_idle(&self) {
        for limiter in [&self.read, &self.write, &self.entry] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// How often [`RateLimits::forget_idle`] is called.
pub const FORGET_EVERY: Duration = Duration::from_mins(5);

impl Allowance {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    #[must_use]
    pub fn headers(self) -> (String, String) {
        let name = self.kind.name();
        (format!("\"{name}\";q={};w=60", self.quota), format!("\"{name}\";r={};t=60", self.left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_the_answer_says_when_to_come_back() {
        let limits = RateLimits::new(100, 2, 20);
        assert_eq!(limits.take(Kind::Write, "a").unwrap().left, 1);
        limits.take(Kind::Write, "a").unwrap();
        let refused = limits.take(Kind::Write, "a").unwrap_err();
        assert_eq!(refused.status.as_u16(), 429);
        assert!(refused.retry_after.is_some_and(|seconds| seconds >= 1));
        limits.take(Kind::Write, "b").unwrap();
        limits.take(Kind::Read, "a").unwrap();
    }
}
