//! When a client may be reminded, and how firmly.

use chrono::NaiveDate;

use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;

/// The firmest level.
const LAST: i32 = 3;

/// The level of the next reminder, or why there is none: nothing open, a dispute, not late, reminded today already.
/// `last` is the level and the day of the one before.
pub(super) fn next(
    open: Minor,
    is_disputed: bool,
    (due_on, today): (NaiveDate, NaiveDate),
    last: Option<(i32, NaiveDate)>,
) -> Result<i32, Refusal> {
    if open <= Minor::ZERO {
        return Err(Refusal::state("reminder_nothing_open"));
    }
    if is_disputed {
        return Err(Refusal::state("reminder_disputed"));
    }
    if today <= due_on {
        return Err(Refusal::state("reminder_not_overdue").with("due_on", due_on));
    }
    match last {
        Some((_, on)) if on >= today => Err(Refusal::state("reminder_once_a_day")),
        Some((level, _)) => Ok(level.saturating_add(1).min(LAST)),
        None => Ok(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reminder_has_its_reasons() {
        let day = |day: u32| NaiveDate::from_ymd_opt(2026, 5, day).unwrap();
        let ask = |open: i64, is_disputed, today, last| {
            next(Minor::new(open), is_disputed, (day(10), day(today)), last).map_err(|refused| refused.code)
        };
        assert_eq!(ask(1, false, 11, None), Ok(1));
        assert_eq!(ask(1, false, 12, Some((1, day(11)))), Ok(2));
        assert_eq!(ask(1, false, 13, Some((3, day(12)))), Ok(3));
        assert_eq!(ask(1, false, 10, None), Err("reminder_not_overdue"));
        assert_eq!(ask(1, false, 11, Some((1, day(11)))), Err("reminder_once_a_day"));
        assert_eq!(ask(1, true, 11, None), Err("reminder_disputed"));
        assert_eq!(ask(0, true, 11, None), Err("reminder_nothing_open"));
    }
}
