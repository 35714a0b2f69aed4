//! When an activity may end.

use super::ActivityRow;
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::ActivityBalance;

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
}
