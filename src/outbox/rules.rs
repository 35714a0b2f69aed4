//! When to try again, and how a mail is called.

use chrono::Duration;
use sha2::{Digest, Sha256};

/// Tries before a job waits for a person: about a day and a half in all.
pub(super) const TRIES_MAX: i32 = 12;

/// How long to wait after the `attempts`-th failure, or `None` when it is enough.
pub(super) fn next_try(attempts: i32) -> Option<Duration> {
    let doubled = u32::try_from(attempts).ok().and_then(|n| 5_i64.checked_shl(n.min(12)))?;
    (attempts < TRIES_MAX).then(|| Duration::seconds(doubled.min(4 * 3600)))
}

/// The Message-ID of a mail: the same for every try, so that a receiver can tell a repeat (RFC 5322, 3.6.4).
pub(super) fn message_id(key: &str, domain: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    let local: Vec<String> = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let local = local.concat();
    format!("<{local}@{domain}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_get_rarer_and_end() {
        assert_eq!(next_try(1), Some(Duration::seconds(10)));
        assert_eq!(next_try(4), Some(Duration::seconds(80)));
        assert_eq!(next_try(11), Some(Duration::seconds(10_240)));
        assert_eq!(next_try(12), None);
    }

    #[test]
    fn a_repeat_has_the_same_message_id() {
        assert_eq!(message_id("invoice:1", "umbel.example"), message_id("invoice:1", "umbel.example"));
        assert_ne!(message_id("invoice:1", "umbel.example"), message_id("invoice:2", "umbel.example"));
    }
}
