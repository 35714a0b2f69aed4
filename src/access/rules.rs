//! Passwords, tokens and links, as far as they are decisions.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::store::{HeldToken, SessionRow};
use crate::kernel::ids::{PersonId, SessionId};
use crate::kernel::refusal::Refusal;
use crate::platform::keys::Keys;

/// Passwords shorter than this are refused, longer than [`PASSWORD_MAX`] too; nothing else is asked of them
/// (NIST SP 800-63B, 3.1.1.2).
pub(super) const PASSWORD_MIN: usize = 12;
/// See [`PASSWORD_MIN`].
pub(super) const PASSWORD_MAX: usize = 256;

/// What a device gets when it signs in or refreshes.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// For the `Authorization` header.
    pub access_token: String,
    /// For the next pair.
    pub refresh_token: String,
    /// Seconds that the access token lives.
    pub expires_in: i64,
    /// Who signed in.
    pub person_id: PersonId,
    /// On which device.
    pub session_id: SessionId,
}

/// What a link in a mail is for. A token of one purpose is worthless for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Confirms an address of mail.
    ConfirmEmail,
    /// Sets a new password.
    ResetPassword,
    /// Shows an order to a client and takes the answer.
    Order,
    /// Shows an invoice to a client.
    Invoice,
}

impl LinkPurpose {
    const ALL: [Self; 4] = [Self::ConfirmEmail, Self::ResetPassword, Self::Order, Self::Invoice];

    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm_email",
            Self::ResetPassword => "reset_password",
            Self::Order => "order",
            Self::Invoice => "invoice",
        }
    }

    /// Where the page of such a link is.
    const fn path(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "/confirm",
            Self::ResetPassword => "/reset",
            Self::Order => "/o",
            Self::Invoice => "/i",
        }
    }
}

/// Whether a password may be used.
pub(super) fn check_password(password: &str, email: &str) -> Result<(), Refusal> {
    let length = password.chars().count();
    if length < PASSWORD_MIN {
        return Err(Refusal {
            fields: Refusal::field("/password", "too_short").fields,
            ..Refusal::value("password_too_short")
        }
        .with("min", PASSWORD_MIN));
    }
    if length > PASSWORD_MAX {
        return Err(Refusal::field("/password", "too_long"));
    }
    if password.eq_ignore_ascii_case(email) {
        return Err(Refusal::field("/password", "not_allowed"));
    }
    Ok(())
}

/// An address of mail as much as is shown to whom it may not belong: its first letter and where it is.
pub(super) fn masked(email: &str) -> String {
    let (name, place) = email.split_once('@').unwrap_or((email, ""));
    format!("{}***@{place}", name.chars().next().unwrap_or_default())
}

/// How long an address waits after its `failures`-th failure: not at all at first, then longer and longer.
pub(super) fn wait_after(failures: i32) -> Duration {
    match failures {
        ..5 => Duration::zero(),
        5..=12 => Duration::seconds(u32::try_from(failures).map_or(0, |n| 30_i64 << n.saturating_sub(5).min(7))),
        _ => Duration::hours(1),
    }
}

pub(super) fn email_hash(email: &str) -> [u8; 32] {
    Sha256::digest(email.trim().to_lowercase().as_bytes()).into()
}

/// A refresh token and the hash under which it is stored.
pub(super) fn refresh_token(secret: &[u8; 32]) -> (String, [u8; 32]) {
    (format!("ur_{}", URL_SAFE_NO_PAD.encode(secret)), Sha256::digest(secret).into())
}

pub(super) fn refresh_hash(token: &str) -> Option<[u8; 32]> {
    let secret = URL_SAFE_NO_PAD.decode(token.strip_prefix("ur_")?).ok()?;
    (secret.len() == 32).then(|| Sha256::digest(&secret).into())
}

/// What a refresh token means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refresh {
    /// It is the newest: here is the next one.
    Next,
    /// Its successor never arrived: here is another one in its place.
    LostReply,
    /// Two parties hold the family.
    Replay,
}

pub(super) fn judge_refresh(held: &HeldToken, session: &SessionRow) -> Refresh {
    if held.superseded_at.is_some() {
        return Refresh::Replay;
    }
    let is_predecessor = held.generation.checked_add(1) == Some(session.generation);
    if held.generation == session.generation {
        Refresh::Next
    } else if is_predecessor && session.confirmed_generation < session.generation {
        Refresh::LostReply
    } else {
        Refresh::Replay
    }
}

fn proof_purpose(purpose: LinkPurpose) -> String {
    format!("link:{}", purpose.name())
}

pub(super) fn link_token(keys: &Keys, purpose: LinkPurpose, link: Uuid) -> String {
    let mut bytes = link.as_bytes().to_vec();
    bytes.extend(keys.sign_link(&proof_purpose(purpose), link.as_bytes()));
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn link_id(keys: &Keys, purpose: LinkPurpose, token: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (id, proof) = bytes.split_at_checked(16)?;
    keys.is_link_ours(&proof_purpose(purpose), id, proof).then(|| Uuid::from_slice(id).ok())?
}

pub(super) fn link_reference(purpose: LinkPurpose, link: Uuid) -> String {
    format!("link:{}:{link}", purpose.name())
}

pub(super) fn resolve_link(keys: &Keys, public_url: &str, reference: &str) -> Option<String> {
    let (name, id) = reference.strip_prefix("link:")?.split_once(':')?;
    let purpose = LinkPurpose::ALL.into_iter().find(|purpose| purpose.name() == name)?;
    let token = link_token(keys, purpose, id.parse().ok()?);
    Some(format!("{public_url}{}/{token}", purpose.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(generation: i32, confirmed_generation: i32) -> SessionRow {
        SessionRow {
            id: SessionId(Uuid::nil()),
            person_id: PersonId(Uuid::nil()),
            device: String::new(),
            address: String::new(),
            generation,
            confirmed_generation,
            created_at: chrono::DateTime::default(),
            refreshed_at: chrono::DateTime::default(),
            expires_at: chrono::DateTime::default(),
            revoked_at: None,
            revoked_reason: None,
        }
    }

    #[test]
    fn a_lost_reply_is_forgiven_once_and_a_replay_never() {
        let held = |generation, superseded: bool| HeldToken {
            session_id: SessionId(Uuid::nil()),
            generation,
            superseded_at: superseded.then(chrono::DateTime::default),
        };
        let cases = [
            (held(3, false), session(3, 3), Refresh::Next),
            (held(3, false), session(3, 2), Refresh::Next),
            (held(2, false), session(3, 2), Refresh::LostReply),
            (held(2, false), session(3, 3), Refresh::Replay),
            (held(1, false), session(3, 2), Refresh::Replay),
            (held(3, true), session(3, 2), Refresh::Replay),
        ];
        for (held, session, expected) in cases {
            assert_eq!(judge_refresh(&held, &session), expected, "{held:?} in {session:?}");
        }
    }

    #[test]
    fn waits_grow_from_the_fifth_failure_on() {
        assert_eq!(wait_after(4), Duration::zero());
        assert_eq!(wait_after(5), Duration::seconds(30));
        assert_eq!(wait_after(8), Duration::seconds(240));
        assert_eq!(wait_after(1000), Duration::hours(1));
    }
}
