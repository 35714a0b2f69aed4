//! When an activity may end, what may happen to a place in a collective, and which months a statement covers.

use chrono::{Datelike, Months, NaiveDate};

use super::ActivityRow;
use crate::kernel::money::{Minor, MoneyError};
use crate::kernel::refusal::{Checks, Refusal};
use crate::ledger::ActivityBalance;
use crate::named;

named! {
    /// As what somebody takes part in a collective.
    MembershipRole {
        /// Writes for all.
        Manager = "manager",
        /// Reads, and gets a share.
        Member = "member",
    }
}

named! {
    /// Where a place in a collective stands.
    MembershipState {
        /// Asked to take part.
        Invited = "invited",
        /// Takes part.
        Confirmed = "confirmed",
        /// Did not want to.
        Declined = "declined",
        /// Takes part no more, or as something else.
        Left = "left",
    }
}

/// What may be done with a place in a collective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MembershipCommand {
    Confirm,
    Decline,
    Leave,
    Move,
}

/// Whether a place in a collective allows a command.
///
/// # Errors
/// 409 `state_conflict`.
pub(super) fn may(state: MembershipState, command: MembershipCommand) -> Result<(), Refusal> {
    let (name, allowed) = match command {
        MembershipCommand::Confirm => ("confirm", &[MembershipState::Invited]),
        MembershipCommand::Decline => ("decline", &[MembershipState::Invited]),
        MembershipCommand::Leave => ("leave", &[MembershipState::Confirmed]),
        MembershipCommand::Move => ("receive_on", &[MembershipState::Confirmed]),
    };
    if allowed.contains(&state) {
        Ok(())
    } else {
        Err(Refusal::state("state_conflict").with("state", state).with("command", name))
    }
}

/// Whether members can be asked to share an activity.
///
/// # Errors
/// 409 `not_a_collective`.
pub(super) fn check_collective(activity: &ActivityRow) -> Result<(), Refusal> {
    if activity.is_collective { Ok(()) } else { Err(Refusal::state("not_a_collective")) }
}

/// What is available and no open advance stands behind.
pub(super) fn for_expenses(available: Minor, advanced: Minor) -> Result<Minor, MoneyError> {
    Ok(available.minus(advanced)?.max(Minor::ZERO))
}

/// How many months one statement covers at most.
const MONTHS_MAX: i32 = 36;
/// The years that a statement can be about.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2999;

/// The days of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: NaiveDate,
    /// The last.
    pub last: NaiveDate,
}

/// The first day of a month such as `2026-05`.
fn month(text: &str) -> Option<NaiveDate> {
    let (year, month) = text.split_once('-')?;
    let is_plain = year.len() == 4 && month.len() == 2 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let year: i32 = year.parse().ok().filter(|_| is_plain)?;
    NaiveDate::from_ymd_opt(year, month.parse().ok()?, 1).filter(|_| YEARS.contains(&year))
}

/// The days of a statement from one month to another; the month of `today` where none is named.
///
/// # Errors
/// 422 for what is no month, for an end before the beginning and for more than 36 months.
pub(super) fn span(from: Option<&str>, to: Option<&str>, today: NaiveDate) -> Result<Span, Refusal> {
    let mut checks = Checks::default();
    let this = today.with_day(1).unwrap_or(today);
    let read = |text: Option<&str>| text.map_or(Some(this), month).ok_or(());
    let last = checks.parse(read(to), "/to", "invalid");
    let first = checks.parse(from.map_or_else(|| last.ok_or(()), |text| month(text).ok_or(())), "/from", "invalid");
    if let (Some(first), Some(last)) = (first, last) {
        let index = |day: NaiveDate| day.year().saturating_mul(12).saturating_add(day.month0().try_into().unwrap_or(0));
        let months = index(last).saturating_sub(index(first)).saturating_add(1);
        checks.require((1..=MONTHS_MAX).contains(&months), "/to", "out_of_range");
        checks.done()?;
        let end = last.checked_add_months(Months::new(1)).and_then(|next| next.pred_opt()).unwrap_or(last);
        return Ok(Span { first, last: end });
    }
    checks.done()?;
    Err(Refusal::field("/to", "invalid"))
}

/// Whether something new may be put on an activity.
///
/// # Errors
/// 409 `activity_closed`.
pub(super) fn check_open(activity: &ActivityRow) -> Result<(), Refusal> {
    if activity.closed_at.is_some() { Err(Refusal::state("activity_closed")) } else { Ok(()) }
}

/// Whether an activity may be closed: open, nothing on it in any of its three parts, and nothing that it owes.
///
/// # Errors
/// 409 `activity_closed`, `activity_in_arrears`, `activity_not_empty`.
pub(super) fn check_closable(activity: &ActivityRow, has: &ActivityBalance, owes: bool) -> Result<(), Refusal> {
    check_open(activity)?;
    let is_empty = [has.pending_minor, has.available_minor, has.reserved_minor].iter().all(|part| *part == Minor::ZERO);
    if owes {
        return Err(Refusal::state("activity_in_arrears"));
    }
    if is_empty { Ok(()) } else { Err(Refusal::state("activity_not_empty")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::{ActivityId, EntityId, PersonId};
    use crate::kernel::money::Currency;
    use uuid::Uuid;

    fn activity(is_closed: bool) -> ActivityRow {
        ActivityRow {
            id: ActivityId(Uuid::nil()),
            entity_id: EntityId(Uuid::nil()),
            member_id: PersonId(Uuid::nil()),
            name: String::new(),
            is_collective: false,
            closed_at: is_closed.then(chrono::DateTime::default),
            created_at: chrono::DateTime::default(),
            version: 1,
        }
    }

    fn balance(pending: i64, available: i64, reserved: i64) -> ActivityBalance {
        ActivityBalance {
            activity_id: ActivityId(Uuid::nil()),
            owner_id: PersonId(Uuid::nil()),
            currency: Currency::EUR,
            pending_minor: Minor::new(pending),
            available_minor: Minor::new(available),
            reserved_minor: Minor::new(reserved),
            overdraft_minor: Minor::ZERO,
        }
    }

    #[test]
    fn money_in_any_part_keeps_an_activity_open_even_when_the_parts_cancel_out() {
        let cases = [
            (balance(0, 0, 0), None),
            (balance(1, 0, 0), Some("activity_not_empty")),
            (balance(0, 1, 0), Some("activity_not_empty")),
            (balance(0, 0, 1), Some("activity_not_empty")),
            (balance(5, -5, 0), Some("activity_not_empty")),
        ];
        for (has, expected) in cases {
            assert_eq!(check_closable(&activity(false), &has, false).err().map(|no| no.code), expected, "{has:?}");
        }
        assert_eq!(check_closable(&activity(true), &balance(0, 0, 0), false).unwrap_err().code, "activity_closed");
        assert_eq!(check_closable(&activity(false), &balance(0, 0, 0), true).unwrap_err().code, "activity_in_arrears");
    }

    #[test]
    fn a_statement_covers_whole_months_in_order() {
        let today = "2026-05-17".parse().unwrap();
        let days = |from: Option<&str>, to: Option<&str>| {
            span(from, to, today)
                .map(|span| format!("{} {}", span.first, span.last))
                .map_err(|no| no.fields.iter().map(|field| field.pointer.clone()).collect::<Vec<_>>().join(" "))
        };
        let cases = [
            (None, None, Ok("2026-05-01 2026-05-31")),
            (Some("2026-02"), Some("2026-03"), Ok("2026-02-01 2026-03-31")),
            (Some("2024-02"), Some("2024-02"), Ok("2024-02-01 2024-02-29")),
            (None, Some("2025-12"), Ok("2025-12-01 2025-12-31")),
            (Some("2023-06"), None, Ok("2023-06-01 2026-05-31")),
            (Some("2023-05"), None, Err("/to")),
            (Some("2026-06"), Some("2026-05"), Err("/to")),
            (Some("2026-13"), Some("26-05"), Err("/to /from")),
            (Some("9999-12"), Some("9999-12"), Err("/to /from")),
            (Some("1999-12"), Some("2000-01"), Err("/from")),
            (Some("+026-05"), None, Err("/from")),
        ];
        for (from, to, expected) in cases {
            assert_eq!(days(from, to), expected.map(str::to_owned).map_err(str::to_owned), "{from:?} {to:?}");
        }
    }

    #[test]
    fn what_the_guarantee_advanced_is_not_for_expenses() {
        for (available, advanced, expected) in [(92_500, 0, 92_500), (92_500, 50_000, 42_500), (100, 500, 0), (0, 0, 0)]
        {
            assert_eq!(for_expenses(Minor::new(available), Minor::new(advanced)).unwrap(), Minor::new(expected));
        }
    }
}
