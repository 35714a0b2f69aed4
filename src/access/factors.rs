//! The second factor beside the password, and the proof that it makes for one command on one hash.
//!
//! Owns `second_factor`, `recovery_code`, `step_up`, `factor_reset`. A person sets up an authenticator (RFC 6238) and
//! confirms it with its first code; each code counts once. Before a command that needs it, the person shows a code and
//! gets a proof: good for that command, on that hash, for five minutes, once. Passkeys will make the same proofs.
//! Secrets are sealed; recovery codes follow from the program's key and lie here only as hashes. Whoever lost both asks
//! two administrators, and has a day to object.

use chrono::Duration;
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Secret, Totp};
use uuid::Uuid;

use super::rules;
pub use super::store::factors::{FactorRow, ResetRow, StepUpRow};
use super::store::{self, factors as rows};
use crate::formats::letters::Letter;
use crate::kernel::ids::{FactorId, FactorResetId, PersonId, StepUpId};
use crate::kernel::refusal::Checks;
use crate::named;
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;

/// Seconds that a code stands for: what every authenticator knows (RFC 6238, 5.2).
pub const STEP_SECONDS: u64 = 30;
/// How many recovery codes a factor has.
const RECOVERY_CODES: u8 = 10;
/// How long a proof may be used.
const PROOF_LIFE: Duration = Duration::minutes(5);
/// How long the recovery codes are shown after the factor was confirmed.
const SHOWN_FOR: Duration = Duration::minutes(15);
/// How long a person whose factor is to be taken away can object.
const RESET_DELAY: Duration = Duration::hours(24);
const SEAL: &str = "second_factor.totp";

named! {
    /// What a second factor is.
    FactorKind {
        /// An authenticator that shows six digits.
        Totp = "totp",
    }
}

named! {
    /// How a second factor was shown.
    ProofMethod {
        /// Six digits of an authenticator.
        Totp = "totp",
        /// A code that was noted when the factor was set up.
        RecoveryCode = "recovery_code",
    }
}

named! {
    /// Which command a proof is for.
    Operation {
        /// Standing for the sealed bytes of a batch.
        ApproveBatch = "approve_batch",
        /// Sending them.
        ReleaseBatch = "release_batch",
    }
}

named! {
    /// Where a request for a new factor stands.
    ResetState {
        /// One administrator asked.
        Asked = "asked",
        /// Another agreed; the day of the person runs.
        Agreed = "agreed",
        /// Given up.
        Cancelled = "cancelled",
        /// The factor is gone.
        Done = "done",
    }
}

fn totp(secret: &[u8], email: &str) -> Result<Totp> {
    // The label is part of a link, where a colon parts it from the issuer.
    let account = email.replace(':', "");
    let builder = Builder::new()
        .with_secret(Secret::new(secret.into()))
        .with_step_duration(STEP_SECONDS)
        .with_skew(1)
        .with_account_name(account)
        .with_issuer(Some("Umbel".to_owned()));
    builder.build().map_err(|error| Error::internal(error.to_string()))
}

/// The six digits of a secret in base 32 at a time: what an authenticator shows.
///
/// # Errors
/// Fails for a text that is no such secret.
pub fn code_at(secret: &str, seconds: u64) -> Result<String> {
    let secret = Secret::try_from_base32(secret).map_err(|error| Error::internal(error.to_string()))?;
    Ok(totp(secret.as_bytes(), "someone")?.generate(seconds).to_string())
}

fn recovery_codes(keys: &Keys, factor: FactorId) -> Vec<String> {
    let code = |n: u8| {
        let mut content = factor.0.as_bytes().to_vec();
        content.push(n);
        let bytes: Vec<u8> = keys.sign_link("recovery_code", &content).into_iter().take(10).collect();
        let letters: Vec<char> = Secret::new(bytes.into()).to_base32().to_lowercase().chars().collect();
        letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    };
    (0..RECOVERY_CODES).map(code).collect()
}

/// How a recovery code is kept, however it was typed.
fn recovery_hash(code: &str) -> [u8; 32] {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    Sha256::digest(plain.to_lowercase().as_bytes()).into()
}

/// The factor of the signed-in person, with how many recovery codes are left; one that is being set up too.
///
/// # Errors
/// Fails with the database.
pub fn mine(tx: &mut Tx<'_>) -> Result<Option<(FactorRow, i64)>> {
    let me = tx.person()?;
    let Some(factor) = rows::find_live(tx, me)? else { return Ok(None) };
    let left = rows::count_recovery_codes(tx, factor.id)?;
    Ok(Some((factor, left)))
}

/// Whether the signed-in person has a second factor that counts.
///
/// # Errors
/// Fails with the database.
pub fn is_confirmed(tx: &mut Tx<'_>) -> Result<bool> {
    let me = tx.person()?;
    Ok(rows::find_live(tx, me)?.is_some_and(|factor| factor.confirmed_at.is_some()))
}

/// Takes a code of the signed-in person for what the transaction does.
///
/// # Errors
/// As [`prove`].
pub(super) fn show(tx: &mut Tx<'_>, keys: &Keys, code: &str) -> Result<()> {
    take(tx, keys, code, true).map(|_factor| ())
}

/// The outcome of a request that takes a code; a wrong one is noted although its request wrote nothing else.
///
/// # Errors
/// Those of the outcome; fails with the database.
pub async fn counted<T>(db: &Db, actor: Actor, outcome: Result<T>) -> Result<T> {
    if outcome.as_ref().is_err_and(|error| error.code == "second_factor_invalid") {
        db.write(actor, failed).await?;
    }
    outcome
}

/// Begins to set a factor up. One that was begun and never confirmed gives way.
///
/// # Errors
/// 409 `second_factor_exists`.
pub fn enrol(tx: &mut Tx<'_>, keys: &Keys, id: FactorId) -> Result<FactorRow> {
    let me = tx.person()?;
    if let Some(before) = rows::lock_live(tx, me)? {
        if before.confirmed_at.is_some() {
            return Err(Error::conflict("second_factor_exists"));
        }
        rows::end(tx, &before)?;
    }
    let sealed = keys.seal(SEAL, &tx.random_bytes::<20>());
    rows::insert(tx, id, me, &sealed)
}

/// The secret of a factor that is being set up, in base 32, and the same as a link for authenticators. It is shown until
/// the factor is confirmed, and never again.
///
/// # Errors
/// 409 `second_factor_missing`, `second_factor_exists`.
pub fn secret(tx: &mut Tx<'_>, keys: &Keys) -> Result<(String, String)> {
    let me = tx.person()?;
    let factor = rows::find_live(tx, me)?.ok_or_else(|| Error::conflict("second_factor_missing"))?;
    if factor.confirmed_at.is_some() {
        return Err(Error::conflict("second_factor_exists"));
    }
    let email = store::find_person(tx, me)?.email;
    let totp = open(keys, &factor, &email)?;
    let link = totp.to_url().map_err(|error| Error::internal(error.to_string()))?;
    Ok((totp.secret().to_base32(), link))
}

fn open(keys: &Keys, factor: &FactorRow, email: &str) -> Result<Totp> {
    totp(&keys.open(SEAL, &factor.secret_sealed).map_err(Error::internal)?, email)
}

/// Takes a code of the signed-in person: an authenticator's, or a recovery code. It counts once.
fn take(tx: &mut Tx<'_>, keys: &Keys, code: &str, is_confirmed: bool) -> Result<(FactorRow, ProofMethod)> {
    let me = tx.person()?;
    let missing = || Error::conflict("second_factor_missing");
    let factor = rows::lock_live(tx, me)?.ok_or_else(missing)?;
    if factor.confirmed_at.is_some() != is_confirmed {
        return Err(if is_confirmed { missing() } else { Error::conflict("second_factor_exists") });
    }
    if let Some(until) = factor.locked_until.filter(|until| *until > tx.now()) {
        let wait = u64::try_from(until.signed_duration_since(tx.now()).num_seconds()).unwrap_or_default();
        return Err(Error::new(actix_web::http::StatusCode::TOO_MANY_REQUESTS, "rate_limited")
            .retry_after(wait.saturating_add(1)));
    }
    let seconds = u64::try_from(tx.now().timestamp()).unwrap_or_default();
    let step = open(keys, &factor, "someone")?.check(code.trim(), seconds);
    if let Some(step) = step.and_then(|step| i64::try_from(step).ok()) {
        if factor.last_step.is_some_and(|last| step <= last) {
            return Err(Error::conflict("second_factor_code_used"));
        }
        rows::spend_step(tx, &factor, Some(step))?;
        return Ok((factor.into_inner(), ProofMethod::Totp));
    }
    if is_confirmed && rows::use_recovery_code(tx, factor.id, &recovery_hash(code))? {
        rows::spend_step(tx, &factor, None)?;
        return Ok((factor.into_inner(), ProofMethod::RecoveryCode));
    }
    let mut refused = Error::value("second_factor_invalid");
    refused.fields = Error::field("/code", "invalid").fields;
    Err(refused)
}

/// Notes a wrong code of the signed-in person; after five the waits grow, as for passwords.
///
/// # Errors
/// Fails with the database.
pub fn failed(tx: &mut Tx<'_>) -> Result<()> {
    let me = tx.person()?;
    let Some(factor) = rows::lock_live(tx, me)? else { return Ok(()) };
    let failures = factor.failures.saturating_add(1);
    let until = tx.now().checked_add_signed(rules::wait_after(failures)).unwrap_or_else(|| tx.now());
    tracing::info!(event = "authn_factor_fail", failures, "a wrong code of a second factor");
    rows::note_failure(tx, &factor, failures, until)
}

/// Confirms a factor with its first code. From here on it counts.
///
/// # Errors
/// 409 `second_factor_missing`, `second_factor_exists`, `second_factor_code_used`; 422 `second_factor_invalid`; 429.
pub fn confirm(tx: &mut Tx<'_>, keys: &Keys, code: &str) -> Result<()> {
    let (factor, _) = take(tx, keys, code, false)?;
    let locked = rows::lock_live(tx, factor.person_id)?.ok_or_else(|| Error::conflict("second_factor_missing"))?;
    rows::confirm(tx, &locked)?;
    let hashes: Vec<[u8; 32]> = recovery_codes(keys, factor.id).iter().map(|code| recovery_hash(code)).collect();
    rows::insert_recovery_codes(tx, factor.id, &hashes)?;
    tell(tx, factor.person_id, Letter::SecondFactorAdded, factor.id.0)
}

/// The recovery codes, for a quarter of an hour after the factor was confirmed.
///
/// # Errors
/// 409 `second_factor_missing`, `recovery_codes_hidden`.
pub fn shown_recovery_codes(tx: &mut Tx<'_>, keys: &Keys) -> Result<Vec<String>> {
    let me = tx.person()?;
    let factor = rows::find_live(tx, me)?.ok_or_else(|| Error::conflict("second_factor_missing"))?;
    let confirmed = factor.confirmed_at.ok_or_else(|| Error::conflict("second_factor_missing"))?;
    if tx.now().signed_duration_since(confirmed) > SHOWN_FOR {
        return Err(Error::conflict("recovery_codes_hidden"));
    }
    Ok(recovery_codes(keys, factor.id))
}

/// Takes one's own factor away, with a code of it.
///
/// # Errors
/// As [`prove`].
pub fn remove(tx: &mut Tx<'_>, keys: &Keys, code: &str) -> Result<()> {
    let (factor, _) = take(tx, keys, code, true)?;
    end(tx, factor.person_id)
}

fn end(tx: &mut Tx<'_>, of: PersonId) -> Result<()> {
    let Some(factor) = rows::lock_live(tx, of)? else { return Ok(()) };
    rows::end(tx, &factor)?;
    tell(tx, of, Letter::SecondFactorRemoved, factor.id.0)
}

/// Shows the second factor for one command on one hash.
///
/// # Errors
/// 409 `second_factor_missing`, `second_factor_code_used`; 422 `second_factor_invalid`; 429 after wrong codes.
pub fn prove(
    tx: &mut Tx<'_>,
    keys: &Keys,
    id: StepUpId,
    (operation, sha256): (Operation, &[u8]),
    code: &str,
) -> Result<StepUpRow> {
    let (factor, method) = take(tx, keys, code, true)?;
    let expires_at = tx.now().checked_add_signed(PROOF_LIFE).ok_or_else(|| Error::internal("calendar"))?;
    rows::insert_step_up(tx, &factor, rows::NewStepUp { id, method, operation, sha256, expires_at })
}

/// Uses a proof of the signed-in person for the command and the hash that it was made for. The one door for every kind of
/// second factor.
///
/// # Errors
/// 422 `second_factor_invalid` for one that is not there, another's, for something else, used or too old.
pub fn use_proof(tx: &mut Tx<'_>, id: StepUpId, operation: Operation, sha256: &[u8]) -> Result<()> {
    let me = tx.person()?;
    let now = tx.now();
    let fits = |row: &StepUpRow| {
        row.person_id == me
            && row.operation == operation
            && row.sha256 == sha256
            && row.used_at.is_none()
            && row.expires_at > now
    };
    let Some(row) = rows::lock_step_up(tx, id)?.filter(|row| fits(row)) else {
        let mut refused = Error::value("second_factor_invalid");
        refused.fields = Error::field("/second_factor", "invalid").fields;
        return Err(refused);
    };
    rows::use_step_up(tx, &row)
}

/// An administrator asks to take somebody's factor away.
///
/// # Errors
/// 403 for one's own; 404; 409 `second_factor_missing`, `state_conflict` while another one is open; 422.
pub fn ask_reset(tx: &mut Tx<'_>, id: FactorResetId, of: PersonId, reason: &str) -> Result<ResetRow> {
    let me = tx.person()?;
    store::find_person(tx, of)?;
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    if me == of {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    rows::find_live(tx, of)?
        .filter(|factor| factor.confirmed_at.is_some())
        .ok_or_else(|| Error::conflict("second_factor_missing"))?;
    rows::insert_reset(tx, id, of, reason, me)
}

/// A second administrator agrees: in a day it may be carried out, and the person is told.
///
/// # Errors
/// 403 for the person and the first one; 404; 409 in another state; 412.
pub fn agree_to_reset(tx: &mut Tx<'_>, id: FactorResetId, expected: i32) -> Result<ResetRow> {
    let reset = lock_reset_at(tx, id, expected)?;
    may(&reset, "agree", ResetState::Asked)?;
    let me = tx.person()?;
    if me == reset.person_id || me == reset.asked_by {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let effective_at = tx.now().checked_add_signed(RESET_DELAY).ok_or_else(|| Error::internal("calendar"))?;
    let agreed = rows::agree_to_reset(tx, &reset, me, effective_at)?;
    tell(tx, reset.person_id, Letter::SecondFactorReset { when: effective_at.naive_utc() }, reset.id.0)?;
    Ok(agreed)
}

/// Gives a request up.
///
/// # Errors
/// 404; 409 in another state; 412.
pub fn cancel_reset(tx: &mut Tx<'_>, id: FactorResetId, expected: i32) -> Result<ResetRow> {
    let reset = lock_reset_at(tx, id, expected)?;
    if reset.state != ResetState::Asked {
        may(&reset, "cancel", ResetState::Agreed)?;
    }
    rows::end_reset(tx, &reset, ResetState::Cancelled)
}

/// The person objects: whatever is open about their factor is given up. Answers whether anything was.
///
/// # Errors
/// Fails with the database.
pub fn object(tx: &mut Tx<'_>) -> Result<bool> {
    let me = tx.person()?;
    let Some(reset) = rows::lock_open_reset(tx, me)? else { return Ok(false) };
    rows::end_reset(tx, &reset, ResetState::Cancelled)?;
    Ok(true)
}

/// Carries a request out: the factor is gone, and the person may set up another.
///
/// # Errors
/// 404; 409 in another state, `factor_reset_waits` before its day is over; 412.
pub fn carry_out_reset(tx: &mut Tx<'_>, id: FactorResetId, expected: i32) -> Result<ResetRow> {
    let reset = lock_reset_at(tx, id, expected)?;
    may(&reset, "carry_out", ResetState::Agreed)?;
    if reset.effective_at.is_none_or(|at| at > tx.now()) {
        return Err(Error::conflict("factor_reset_waits"));
    }
    end(tx, reset.person_id)?;
    rows::end_reset(tx, &reset, ResetState::Done)
}

/// A request.
///
/// # Errors
/// 404.
pub fn reset(tx: &mut Tx<'_>, id: FactorResetId) -> Result<ResetRow> {
    rows::find_reset(tx, id)
}

/// Requests, newest first.
///
/// # Errors
/// Fails with the database.
pub fn resets(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<ResetRow>> {
    rows::list_resets(tx, after, limit)
}

fn may(reset: &ResetRow, command: &'static str, from: ResetState) -> Result<()> {
    if reset.state == from { Ok(()) } else { Err(Error::state_conflict(reset.state.name(), command)) }
}

fn lock_reset_at(tx: &mut Tx<'_>, id: FactorResetId, expected: i32) -> Result<crate::platform::db::Locked<ResetRow>> {
    let row = rows::lock_reset(tx, id)?;
    if row.version == expected { Ok(row) } else { Err(Error::version_stale(row.version)) }
}

fn tell(tx: &mut Tx<'_>, of: PersonId, letter: Letter, subject: Uuid) -> Result<()> {
    let person = store::find_person(tx, of)?;
    let letter = QueuedLetter { to: person.email, language: person.language, letter, subject, owner: Some(of) };
    outbox::queue_letter(tx, letter, "once")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, of which an authenticator shows the last six of eight digits.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        let totp = totp(b"12345678901234567890", "someone").unwrap();
        for (seconds, digits) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(totp.generate(seconds).to_string(), digits[2..], "{seconds}");
            assert_eq!(totp.check(&digits[2..], seconds + 30), Some(seconds / 30));
            assert_eq!(totp.check(&digits[2..], seconds + 61), None, "two steps late");
        }
    }

    #[test]
    fn a_recovery_code_is_the_same_however_it_is_typed() {
        assert_eq!(recovery_hash("abcd-efgh-ijkl-mnop"), recovery_hash(" ABCD EFGH ijkl mnop "));
        assert_ne!(recovery_hash("abcd-efgh-ijkl-mnop"), recovery_hash("abcd-efgh-ijkl-mnoq"));
    }
}
