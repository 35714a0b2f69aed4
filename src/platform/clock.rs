//! The one place that may read the time and ask for randomness.
//!
//! Everything else is handed a [`Clock`], so that a test can move to the seventh working day, and so that a
//! failing simulation repeats from its seed.
#![expect(clippy::disallowed_methods, reason = "this module is the clock and the source of randomness for all others")]

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

/// The time and a source of randomness: the machine's, or simulated ones shared by all clones.
#[derive(Clone)]
pub struct Clock {
    simulated: Option<Arc<Mutex<Simulated>>>,
    /// How far it goes ahead of the machine's clock.
    ahead: Duration,
}

struct Simulated {
    now: DateTime<Utc>,
    random: StdRng,
}

impl Clock {
    /// The machine's clock and its cryptographic randomness.
    pub const fn system() -> Self {
        Self { simulated: None, ahead: Duration::zero() }
    }

    /// The machine's clock, moved ahead by the seconds in `UMBEL_CLOCK_AHEAD` where tests may ask for faults: the
    /// crash harness needs a working day on whatever day it runs.
    #[must_use]
    pub fn from_env() -> Self {
        let text = std::env::var("UMBEL_CLOCK_AHEAD").ok().filter(|_| cfg!(feature = "faults"));
        let ahead = text.and_then(|text| text.parse().ok()).and_then(Duration::try_seconds);
        Self::ahead_by(ahead.unwrap_or_default())
    }

    /// The machine's clock with a fixed distance to the true time.
    #[must_use]
    pub const fn ahead_by(ahead: Duration) -> Self {
        Self { simulated: None, ahead }
    }

    /// A clock that stands still at `now` until it is moved, with randomness from the system.
    pub fn simulated(now: DateTime<Utc>) -> Self {
        Self::with_random(now, StdRng::from_rng(&mut rand::rng()))
    }

    /// A clock that stands still at `now`, whose ids and random bytes repeat from `seed`.
    ///
    /// For simulations only: whoever knows the seed knows every key made with it.
    pub fn seeded(now: DateTime<Utc>, seed: u64) -> Self {
        Self::with_random(now, StdRng::seed_from_u64(seed))
    }

    fn with_random(now: DateTime<Utc>, random: StdRng) -> Self {
        let simulated = Some(Arc::new(Mutex::new(Simulated { now: to_millis(now), random })));
        Self { simulated, ahead: Duration::zero() }
    }

    /// The instant, to the millisecond: what PostgreSQL and JSON give back equals what was put in.
    pub fn now(&self) -> DateTime<Utc> {
        if let Some(simulated) = self.lock() {
            return simulated.now;
        }
        let now = Utc::now();
        to_millis(now.checked_add_signed(self.ahead).unwrap_or(now))
    }

    /// The calendar day in a time zone. Legal dates are those of the entity's country, not UTC's.
    pub fn today(&self, zone: Tz) -> NaiveDate {
        self.now().with_timezone(&zone).date_naive()
    }

    /// A new `UUIDv7`: the millisecond of this clock, then 74 random bits.
    pub fn new_id(&self) -> Uuid {
        // A time before 1970 exists only in a simulation that asks for it; such ids sort first.
        let millis = u64::try_from(self.now().timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &self.random_bytes()).into_uuid()
    }

    /// `N` random bytes, good enough for keys unless the clock is seeded.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match self.lock() {
            Some(mut simulated) => simulated.random.fill_bytes(&mut bytes),
            None => rand::rng().fill_bytes(&mut bytes),
        }
        bytes
    }

    /// Moves a simulated clock, for every clone of it. The machine's clock does not move.
    pub fn advance(&self, by: Duration) {
        if let Some(mut simulated) = self.lock() {
            // Beyond the end of the calendar the clock stays where it is.
            simulated.now = simulated.now.checked_add_signed(by).unwrap_or(simulated.now);
        }
    }

    /// Sets a simulated clock, for every clone of it; backwards too. The machine's clock is not touched.
    pub fn set(&self, now: DateTime<Utc>) {
        if let Some(mut simulated) = self.lock() {
            simulated.now = to_millis(now);
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Simulated>> {
        // Nothing in here can be left half done, so a panic elsewhere does not spoil the clock.
        self.simulated.as_ref().map(|shared| shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.simulated.is_some() { "Clock(simulated)" } else { "Clock(system)" })
    }
}

fn to_millis(instant: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(instant.timestamp_millis()).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_ahead_keeps_its_distance() {
        let far = Clock::ahead_by(Duration::days(3)).now() - Clock::system().now();
        assert!(far >= Duration::days(3) && far < Duration::days(3) + Duration::minutes(1), "{far}");
    }

    #[test]
    fn a_simulated_clock_stands_still_until_it_is_moved() {
        let clock = Clock::simulated(at("2026-03-02T08:00:00.123456Z"));
        assert_eq!(clock.now(), at("2026-03-02T08:00:00.123Z"));
        assert_eq!(clock.now(), clock.now());
        clock.clone().advance(Duration::days(7));
        assert_eq!(clock.now(), at("2026-03-09T08:00:00.123Z"), "clones share one time");
        clock.set(at("2026-01-01T00:00:00Z"));
        assert_eq!(clock.now(), at("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn the_system_clock_has_no_part_below_a_millisecond_and_cannot_be_moved() {
        let clock = Clock::system();
        let before = clock.now();
        assert_eq!(before.timestamp_subsec_nanos() % 1_000_000, 0);
        clock.advance(Duration::days(400));
        assert!(clock.now() - before < Duration::days(1));
    }

    #[test]
    fn the_day_is_that_of_the_country() {
        let clock = Clock::simulated(at("2026-12-31T23:30:00Z"));
        assert_eq!(clock.today(chrono_tz::Europe::Brussels), NaiveDate::from_ymd_opt(2027, 1, 1).unwrap());
        assert_eq!(clock.today(Tz::UTC), NaiveDate::from_ymd_opt(2026, 12, 31).unwrap());
    }

    #[test]
    fn ids_are_version_7_carry_the_time_and_differ_within_a_millisecond() {
        let clock = Clock::simulated(at("2026-03-02T08:00:00Z"));
        let ids: std::collections::BTreeSet<_> = (0..1_000).map(|_| clock.new_id()).collect();
        assert_eq!(ids.len(), 1_000);
        for id in &ids {
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_timestamp().unwrap().to_unix().0, 1_772_438_400);
        }
        clock.advance(Duration::milliseconds(1));
        assert!(clock.new_id() > *ids.last().unwrap(), "a later id sorts later");
    }

    #[test]
    fn a_seed_repeats_and_another_does_not() {
        let start = at("2026-03-02T08:00:00Z");
        let draw = |seed| {
            let clock = Clock::seeded(start, seed);
            (clock.new_id(), clock.random_bytes::<32>())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(Clock::simulated(start).random_bytes::<32>(), Clock::simulated(start).random_bytes::<32>());
    }
}
