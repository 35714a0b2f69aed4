//! What may happen to a change of bank details, and how its cancel code is written.

use chrono::{DateTime, Duration, Utc};

use crate::kernel::refusal::Refusal;
use crate::named;

/// Hours that a new account waits when an entity has not said more.
pub(super) const COOLING_HOURS: i32 = 72;
/// An entity may ask for more hours, never for less.
pub(super) const COOLING_RANGE: std::ops::RangeInclusive<i32> = COOLING_HOURS..=720;
/// How long before a new account is active its member is told again.
const LAST_CALL: Duration = Duration::hours(24);

named! {
    /// Where a change stands.
    BankDetailState {
        /// Asked for; nobody is told yet.
        Requested = "requested",
        /// Everybody is told; the old account stays payable.
        Cooling = "cooling",
        /// The new account is the one that is paid to.
        Active = "active",
        /// Called off by the member, or with the code of a notice.
        Cancelled = "cancelled",
        /// Turned down by the office.
        Refused = "refused",
    }
}

named! {
    /// By what a change ended.
    EndedHow {
        /// Its time was over.
        Time = "time",
        /// Two people of the office stand for a call to the member.
        CallBack = "call_back",
        /// Somebody had the code of a notice.
        Code = "code",
        /// The member, signed in.
        Member = "member",
        /// The office.
        Office = "office",
    }
}

named! {
    /// What the bank of the account says about the name (verification of payee).
    NameCheck {
        /// The account is in that name.
        Match = "match",
        /// In nearly that name.
        CloseMatch = "close_match",
        /// In another name.
        NoMatch = "no_match",
        /// Nobody could be asked.
        NotAvailable = "not_available",
        /// The bank does not know, or not this account.
        Unknown = "unknown",
    }
}

/// What may be done with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Tell everybody and let it cool.
    Cool,
    /// Pay to the new account.
    Activate,
    /// Call it off.
    Cancel,
    /// Turn it down.
    Refuse,
    /// Note or confirm a call to the member.
    Call,
}

pub(super) fn may(state: BankDetailState, command: Command) -> Result<(), Refusal> {
    use BankDetailState::{Cooling, Requested};
    let (name, allowed): (_, &[BankDetailState]) = match command {
        Command::Cool => ("cool", &[Requested]),
        Command::Activate => ("activate", &[Cooling]),
        Command::Cancel => ("cancel", &[Requested, Cooling]),
        Command::Refuse => ("refuse", &[Requested, Cooling]),
        Command::Call => ("call", &[Cooling]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// Whether it is time for the last notice before a change is active.
pub(super) fn is_last_call(now: DateTime<Utc>, due: DateTime<Utc>) -> bool {
    due.checked_sub_signed(LAST_CALL).is_some_and(|from| now >= from)
}

/// The letters of codes: no I, L, O and U, which are read as others (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a code: 80 bits.
const CODE_LENGTH: usize = 16;

/// A code of sixteen letters in groups of four, made of the first ten bytes of a secret.
pub(super) fn code(secret: &[u8]) -> String {
    let bits = secret.iter().take(10).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    let mut text = String::new();
    for n in 0..CODE_LENGTH {
        let shift = CODE_LENGTH.saturating_sub(n.saturating_add(1)).saturating_mul(5);
        let index = usize::try_from((bits >> shift) & 31).unwrap_or_default();
        if n > 0 && n.is_multiple_of(4) {
            text.push('-');
        }
        text.push(LETTERS.get(index).map_or('0', |letter| char::from(*letter)));
    }
    text
}

/// A code as somebody typed it, in the one form that is hashed; nothing for what can be no code.
pub(super) fn plain_code(typed: &str) -> Option<String> {
    let letters = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| match c.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    });
    let plain: String = letters.take(CODE_LENGTH.saturating_add(1)).collect();
    let is_code = plain.len() == CODE_LENGTH && plain.bytes().all(|byte| LETTERS.contains(&byte));
    is_code.then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_written_and_as_people_write_it() {
        let secret: Vec<u8> = (0..32).map(|n: u8| n.wrapping_mul(37).wrapping_add(11)).collect();
        let written = code(&secret);
        assert_eq!(written.len(), 19, "{written}");
        let plain = plain_code(&written).unwrap();
        for typed in [written.to_lowercase(), written.replace('-', " "), format!(" {written}\n"), plain.clone()] {
            assert_eq!(plain_code(&typed).as_deref(), Some(plain.as_str()), "{typed}");
        }
        assert_eq!(plain_code("OIL0-OIL0-OIL0-OIL0").unwrap(), "0110011001100110");
        for wrong in ["", "0123", "0123-4567-89AB-CDEFG", "U123-4567-89AB-CDEF", "é123-4567-89AB-CDEF"] {
            assert_eq!(plain_code(wrong), None, "{wrong}");
        }
        assert_ne!(code(&[1; 32]), code(&[2; 32]));
        assert_eq!(code(&[0; 10]), "0000-0000-0000-0000");
        assert_eq!(code(&[255; 10]), "ZZZZ-ZZZZ-ZZZZ-ZZZZ");
    }

    #[test]
    fn what_has_ended_stays_ended() {
        for state in [BankDetailState::Active, BankDetailState::Cancelled, BankDetailState::Refused] {
            for command in [Command::Cool, Command::Activate, Command::Cancel, Command::Refuse, Command::Call] {
                assert_eq!(may(state, command).unwrap_err().code, "state_conflict", "{state} {command:?}");
            }
        }
        assert!(may(BankDetailState::Requested, Command::Activate).is_err(), "nobody was told yet");
        assert!(may(BankDetailState::Cooling, Command::Cancel).is_ok());
    }

    #[test]
    fn the_last_call_is_a_day_before() {
        let due: DateTime<Utc> = "2026-05-07T08:00:00Z".parse().unwrap();
        assert!(is_last_call("2026-05-06T08:00:00Z".parse().unwrap(), due));
        assert!(!is_last_call("2026-05-06T07:59:59Z".parse().unwrap(), due));
    }
}
