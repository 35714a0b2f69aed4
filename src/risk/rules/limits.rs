//! How much may leave in a day and in thirty: pure.

use chrono::{DateTime, Days, Duration, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;

use crate::named;

named! {
    /// What is limited.
    LimitKind {
        /// One payout.
        Payout = "payout",
        /// The payouts of a member in a day.
        MemberDay = "member_day",
        /// The payouts of a member in thirty days.
        MemberThirtyDays = "member_30_days",
        /// The payouts of an entity in a day.
        EntityDay = "entity_day",
        /// The payouts of an entity in thirty days.
        EntityThirtyDays = "entity_30_days",
        /// What one person of the office approves in a day.
        ApproverDay = "approver_day",
    }
}

/// How far the longest limits look back.
const THIRTY_DAYS: Duration = Duration::days(30);

impl LimitKind {
    /// Whether it may be of one person.
    #[must_use]
    pub const fn is_of_people(self) -> bool {
        !matches!(self, Self::EntityDay | Self::EntityThirtyDays)
    }
}

/// The first moment of a day in a legal zone.
pub fn day_start(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let midnight = day.and_hms_opt(0, 0, 0)?;
    let found = |local| zone.from_local_datetime(&local).earliest();
    // Where a night begins with the hour that is left out, the day begins at one.
    found(midnight).or_else(|| found(midnight.checked_add_signed(Duration::hours(1))?)).map(|at| at.to_utc())
}

/// From when on there is room again for what was refused; nothing when the limit itself is too small for it.
///
/// `moved` is what counts now, oldest first; `excess` is how much too much it would be; `asked` is what was refused.
pub fn free_at(
    kind: LimitKind,
    (today, zone): (NaiveDate, Tz),
    (asked, limit, excess): (i64, i64, i64),
    moved: &[(DateTime<Utc>, i64)],
) -> Option<DateTime<Utc>> {
    if asked > limit {
        return None;
    }
    match kind {
        LimitKind::Payout => None,
        LimitKind::MemberDay | LimitKind::EntityDay | LimitKind::ApproverDay => {
            day_start(today.checked_add_days(Days::new(1))?, zone)
        }
        LimitKind::MemberThirtyDays | LimitKind::EntityThirtyDays => {
            let mut freed = 0_i64;
            let enough = moved.iter().find(|(_, amount)| {
                freed = freed.saturating_add(*amount);
                freed >= excess
            });
            enough.and_then(|(at, _)| at.checked_add_signed(THIRTY_DAYS))
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::Brussels;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_at_midnight_of_its_zone() {
        let day = |text: &str| day_start(text.parse().unwrap(), Brussels).unwrap();
        assert_eq!(day("2026-05-04"), at("2026-05-03T22:00:00Z"));
        assert_eq!(day("2026-12-01"), at("2026-11-30T23:00:00Z"));
    }

    #[test]
    fn more_is_free_tomorrow_or_when_enough_has_dropped_out() {
        let today = ("2026-05-04".parse().unwrap(), Brussels);
        let moved =
            [(at("2026-04-10T08:00:00Z"), 30), (at("2026-04-20T08:00:00Z"), 50), (at("2026-05-01T08:00:00Z"), 20)];
        let free = |kind, asked, excess| free_at(kind, today, (asked, 100, excess), &moved);
        assert_eq!(free(LimitKind::MemberDay, 40, 1), Some(at("2026-05-04T22:00:00Z")));
        assert_eq!(free(LimitKind::MemberThirtyDays, 30, 30), Some(at("2026-05-10T08:00:00Z")));
        assert_eq!(free(LimitKind::EntityThirtyDays, 40, 31), Some(at("2026-05-20T08:00:00Z")));
        assert_eq!(free(LimitKind::MemberThirtyDays, 101, 30), None, "never by waiting");
        assert_eq!(free(LimitKind::Payout, 10, 1), None);
    }
}
