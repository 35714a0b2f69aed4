//! People, their passwords, their signed-in devices and their roles.
//!
//! Owns `person`, `role_grant`, `session`, `refresh_token`, `sign_in_failure`, `access_link`, `contact_change`. An access token
//! lives ten minutes and names a session; every transaction asks PostgreSQL whether that session still stands and
//! what its person may do today, so a revoked session or an ended role counts at the next request.
//! Who gets a role of the office is decided by two administrators: see `roles`.
//! A second factor makes proofs for single commands: see `factors`, which owns `second_factor`, `recovery_code`, `step_up`
//! and `factor_reset`.

mod contacts;
pub mod factors;
mod guards;
pub mod http;
mod passwords;
mod roles;
mod rules;
mod step_up;
mod store;
mod tokens;

use chrono::{DateTime, Duration, Utc};
pub use contacts::{ContactRow, addresses, change_email, change_phone, last_change, phones, trusted_since};
pub use guards::{
    Accountant, Administrator, Approver, BatchDesk, BooksReader, Caller, Desk, Member, MemberOrDesk, MemberOrReviewer,
    Reviewer, ReviewerOrAccountant, ReviewerOrAdministrator, RiskDesk, SignedIn, ViewBatches, Visitor,
};
pub use passwords::Passwords;
pub use roles::{
    NewGrant, confirm_grant, end_grant, grant, grant_by_id, grant_by_rule, grants, has_administrator, is_staff,
    waiting_grants,
};
pub use rules::{LinkPurpose, Tokens};
pub use step_up::{Proof, Shown, confirm, prove};
pub use store::{GrantRow, PersonRow, SessionRow};
pub use tokens::TokenService;
use uuid::Uuid;

use crate::formats::letters::Letter;
use crate::kernel::ids::{PersonId, SessionId};
use crate::kernel::language::Language;
use crate::kernel::refusal::Checks;
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::telemetry;

/// A signed-in device is asked to sign in again after this long.
const SESSION_LIFE: Duration = Duration::days(180);

/// A new person.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// Their id, made by whoever creates them.
    pub id: PersonId,
    /// Their address of mail.
    pub email: String,
    /// Their name.
    pub name: String,
    /// What they read.
    pub language: Language,
    /// The hash of their password.
    pub password_hash: String,
}

/// Adds a person.
///
/// # Errors
/// 409 `email_in_use`; 422 for what is not acceptable.
pub fn add_person(tx: &mut Tx<'_>, new: &NewPerson) -> Result<PersonRow> {
    let mut checks = Checks::default();
    checks.require(crate::kernel::identifiers::is_email(&new.email), "/email", "invalid");
    checks.text(&new.name, "/name", 1, 200);
    checks.done()?;
    store::insert_person(tx, new)?;
    store::find_person(tx, new.id)
}

/// A person.
///
/// # Errors
/// 404 when there is none, or when it is not yours to see.
pub fn person(tx: &mut Tx<'_>, id: PersonId) -> Result<PersonRow> {
    store::find_person(tx, id)
}

/// Several people, for a page of a list, in no order; those whom the reader may not see are left out.
///
/// # Errors
/// Fails with the database.
pub fn people_of(tx: &mut Tx<'_>, ids: &[PersonId]) -> Result<Vec<PersonRow>> {
    store::list_people_of(tx, ids)
}

/// The person with an address of mail, for rules that must not answer whether there is one.
///
/// # Errors
/// Fails with the database.
pub fn person_by_email(tx: &mut Tx<'_>, email: &str) -> Result<Option<PersonRow>> {
    store::find_person_by_email(tx, email)
}

/// People, newest first.
///
/// # Errors
/// Fails with the database.
pub fn people(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<PersonRow>> {
    store::list_people(tx, after, limit)
}

/// Whether a password may be used.
///
/// # Errors
/// 422 `password_too_short` or the field, for one that is too short, too long or the address itself.
pub fn check_password(password: &str, email: &str) -> Result<()> {
    Ok(rules::check_password(password, email)?)
}

/// What signing in found, before the password is checked.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The person, if the address is known.
    pub person: Option<PersonRow>,
    /// Seconds to wait, if there were too many failures.
    pub wait: Option<u64>,
}

/// Looks up who wants to sign in, and whether that address has to wait. Equal for known and unknown addresses.
///
/// # Errors
/// Fails with the database.
pub fn attempt(tx: &mut Tx<'_>, email: &str) -> Result<Attempt> {
    let failure = store::find_failure(tx, &rules::email_hash(email))?;
    let now = tx.now();
    let wait = failure
        .filter(|(_, until)| *until > now)
        .and_then(|(_, until)| u64::try_from(until.signed_duration_since(now).num_seconds().saturating_add(1)).ok());
    Ok(Attempt { person: store::find_person_by_email(tx, email)?, wait })
}

/// Notes a failed attempt; after five the waits grow.
///
/// # Errors
/// Fails with the database.
pub fn failed(tx: &mut Tx<'_>, email: &str) -> Result<()> {
    let hash = rules::email_hash(email);
    let failures = store::find_failure(tx, &hash)?.map_or(0, |(failures, _)| failures).saturating_add(1);
    let until = tx.now().checked_add_signed(rules::wait_after(failures)).unwrap_or_else(|| tx.now());
    metrics::counter!(telemetry::SIGN_IN_REFUSED, "reason" => "credentials").increment(1);
    tracing::info!(event = "authn_login_fail", failures, "sign-in failed");
    store::upsert_failure(tx, &hash, failures, until)
}

/// Signs a person in on a device.
///
/// # Errors
/// Fails with the database.
pub fn sign_in(tx: &mut Tx<'_>, keys: &TokenService, person: &PersonRow, device: &str) -> Result<Tokens> {
    store::delete_failure(tx, &rules::email_hash(&person.email))?;
    let is_known_device = store::knows_device(tx, person.id, device)?;
    let had_sessions = store::has_sessions(tx, person.id)?;
    let session: SessionId = tx.new_id();
    let expires = tx.now().checked_add_signed(SESSION_LIFE).ok_or_else(|| Error::internal("calendar"))?;
    let address = tx.address().to_owned();
    store::insert_session(tx, session, person.id, device, &address, expires)?;
    if had_sessions && !is_known_device {
        let letter = Letter::NewDevice { when: tx.now().naive_utc(), device: device.to_owned() };
        let to = QueuedLetter {
            to: person.email.clone(),
            language: person.language,
            letter,
            subject: session.0,
            owner: Some(person.id),
        };
        outbox::queue_letter(tx, to, "signed_in")?;
    }
    issue_tokens(tx, keys, session, person.id, 1)
}

fn issue_tokens(
    tx: &mut Tx<'_>,
    keys: &TokenService,
    session: SessionId,
    person: PersonId,
    generation: i32,
) -> Result<Tokens> {
    let (refresh_token, hash) = rules::refresh_token(&tx.random_bytes::<32>());
    store::insert_refresh_token(tx, &hash, session, generation)?;
    let access_token = keys.issue(person, session, generation, tx.now(), tx.new_id())?;
    Ok(Tokens {
        access_token,
        refresh_token,
        expires_in: TokenService::LIFE_SECONDS,
        person_id: person,
        session_id: session,
    })
}

/// How presenting a refresh token ended.
#[derive(Debug)]
pub enum Refreshed {
    /// Here are the next ones.
    Renewed(Tokens),
    /// The token was used before: the family is revoked, and that must be committed.
    Replayed,
}

/// Exchanges a refresh token for the next pair.
///
/// A token whose answer was lost may be presented again, as long as nothing of its successor has been used.
/// Presenting one whose successor is in use means that two parties hold the family: it is revoked
/// (RFC 9700, 4.14.2).
///
/// # Errors
/// 401 for an unknown or expired token.
pub fn refresh(tx: &mut Tx<'_>, keys: &TokenService, token: &str) -> Result<Refreshed> {
    let unknown = || Error::unauthorized("token_invalid");
    let hash = rules::refresh_hash(token).ok_or_else(unknown)?;
    let held = store::find_refresh_token(tx, &hash)?.ok_or_else(unknown)?;
    let session = store::lock_session(tx, held.session_id)?;
    if session.revoked_at.is_some() || session.expires_at <= tx.now() {
        return Err(Error::unauthorized("session_revoked"));
    }
    // Read again under the lock: a parallel refresh may have superseded it meanwhile.
    let held = store::find_refresh_token(tx, &hash)?.ok_or_else(unknown)?;
    match rules::judge_refresh(&held, &session) {
        rules::Refresh::Next => {
            let generation = session.generation.saturating_add(1);
            store::advance_session(tx, session.id, generation)?;
            issue_tokens(tx, keys, session.id, session.person_id, generation).map(Refreshed::Renewed)
        }
        rules::Refresh::LostReply => {
            store::supersede_refresh_tokens(tx, session.id, session.generation)?;
            issue_tokens(tx, keys, session.id, session.person_id, session.generation).map(Refreshed::Renewed)
        }
        rules::Refresh::Replay => {
            tracing::warn!(event = "authn_token_reuse", session = %session.id, "a used refresh token was presented");
            store::revoke_session(tx, session.id, "refresh_token_reused")?;
            Ok(Refreshed::Replayed)
        }
    }
}

/// The devices of the signed-in person.
///
/// # Errors
/// Fails with the database.
pub fn sessions(tx: &mut Tx<'_>) -> Result<Vec<SessionRow>> {
    let person = tx.person()?;
    store::list_sessions(tx, person)
}

/// A device, whoever's it is: for the office, to see from where something was asked.
///
/// # Errors
/// 404 for a device of somebody else, unless the office asks.
pub fn session(tx: &mut Tx<'_>, id: SessionId) -> Result<SessionRow> {
    let row = store::find_session(tx, id)?;
    if tx.only_owner().is_some_and(|owner| owner != row.person_id) {
        return Err(Error::not_found());
    }
    Ok(row)
}

/// Signs one of the person's own devices out.
///
/// # Errors
/// 404 for a device of somebody else.
pub fn revoke(tx: &mut Tx<'_>, id: SessionId) -> Result<SessionRow> {
    let person = tx.person()?;
    let session = store::lock_session(tx, id)?;
    if session.person_id != person {
        return Err(Error::not_found());
    }
    if session.revoked_at.is_none() {
        store::revoke_session(tx, id, "signed_out")?;
    }
    store::find_session(tx, id)
}

/// Sets a new password and signs every device out but the one that asked.
///
/// # Errors
/// Fails with the database.
pub fn change_password(tx: &mut Tx<'_>, person: PersonId, hash: &str, keep: Option<SessionId>) -> Result<()> {
    store::set_password(tx, person, hash)?;
    store::revoke_sessions(tx, person, keep)?;
    let row = store::find_person(tx, person)?;
    let letter = QueuedLetter {
        to: row.email,
        language: row.language,
        letter: Letter::PasswordChanged,
        subject: person.0,
        owner: Some(person),
    };
    let occasion = tx.now().timestamp_millis().to_string();
    outbox::queue_letter(tx, letter, &occasion)
}

/// Opens a link of one purpose for one subject.
///
/// # Errors
/// Fails with the database.
pub fn open_link(tx: &mut Tx<'_>, purpose: LinkPurpose, subject: Uuid, life: Duration) -> Result<Uuid> {
    let id = tx.new_id();
    let expires = tx.now().checked_add_signed(life).ok_or_else(|| Error::internal("calendar"))?;
    store::insert_link(tx, id, purpose, subject, expires)?;
    Ok(id)
}

/// The link of one purpose for one subject that is open already, or a new one: a mail that is sent again carries the
/// link that it had.
///
/// # Errors
/// Fails with the database.
pub fn keep_link(tx: &mut Tx<'_>, purpose: LinkPurpose, subject: Uuid, life: Duration) -> Result<Uuid> {
    match store::find_open_link(tx, purpose, subject)? {
        Some(link) => Ok(link),
        None => open_link(tx, purpose, subject, life),
    }
}

/// The token of a link, for the address in a mail.
#[must_use]
pub fn link_token(keys: &Keys, purpose: LinkPurpose, link: Uuid) -> String {
    rules::link_token(keys, purpose, link)
}

/// Follows a link: what it is for, unless it is forged, used or too old.
///
/// # Errors
/// 404 `link_invalid`; 409 `link_used`, `link_expired`.
pub fn follow_link(tx: &mut Tx<'_>, keys: &Keys, purpose: LinkPurpose, token: &str) -> Result<(Uuid, Uuid)> {
    let invalid = || Error::new(actix_web::http::StatusCode::NOT_FOUND, "link_invalid");
    let link = rules::link_id(keys, purpose, token).ok_or_else(invalid)?;
    let row = store::lock_link(tx, link, purpose)?.ok_or_else(invalid)?;
    if row.used_at.is_some() {
        return Err(Error::conflict("link_used"));
    }
    if row.expires_at <= tx.now() {
        return Err(Error::conflict("link_expired"));
    }
    Ok((link, row.subject_id))
}

/// Until when a link works.
///
/// # Errors
/// Fails with the database.
pub fn link_expiry(tx: &mut Tx<'_>, purpose: LinkPurpose, link: Uuid) -> Result<DateTime<Utc>> {
    Ok(store::lock_link(tx, link, purpose)?.ok_or_else(Error::not_found)?.expires_at)
}

/// What a link is for, even when it has been used or is too old: to show how things ended.
///
/// # Errors
/// 404 `link_invalid`.
pub fn read_link(tx: &mut Tx<'_>, keys: &Keys, purpose: LinkPurpose, token: &str) -> Result<(Uuid, Uuid)> {
    let invalid = || Error::new(actix_web::http::StatusCode::NOT_FOUND, "link_invalid");
    let link = rules::link_id(keys, purpose, token).ok_or_else(invalid)?;
    let row = store::lock_link(tx, link, purpose)?.ok_or_else(invalid)?;
    Ok((link, row.subject_id))
}

/// Marks a link as used.
///
/// # Errors
/// Fails with the database.
pub fn use_link(tx: &mut Tx<'_>, link: Uuid) -> Result<()> {
    store::use_link(tx, link)
}

/// Confirms that a person reads mail at their address.
///
/// # Errors
/// Fails with the database.
pub fn confirm_email(tx: &mut Tx<'_>, person: PersonId) -> Result<PersonRow> {
    store::set_email_verified(tx, person)?;
    store::find_person(tx, person)
}

/// Starts setting a new password: a mail with a link, if the address is known.
///
/// # Errors
/// Fails with the database.
pub fn request_password_reset(tx: &mut Tx<'_>, email: &str) -> Result<()> {
    let Some(person) = store::find_person_by_email(tx, email)? else { return Ok(()) };
    let link = open_link(tx, LinkPurpose::ResetPassword, person.id.0, Duration::hours(1))?;
    let letter = QueuedLetter {
        to: person.email,
        language: person.language,
        letter: Letter::PasswordReset { link: rules::link_reference(LinkPurpose::ResetPassword, link) },
        subject: link,
        owner: Some(person.id),
    };
    outbox::queue_letter(tx, letter, "requested")
}

/// Queues a letter about a person to one of their addresses.
fn send(
    tx: &mut Tx<'_>,
    about: &PersonRow,
    (to, letter): (String, Letter),
    subject: Uuid,
    occasion: &str,
) -> Result<()> {
    let mail = QueuedLetter { to, language: about.language, letter, subject, owner: Some(about.id) };
    outbox::queue_letter(tx, mail, occasion)
}

/// How a queued letter names a link that is signed when the letter is written.
#[must_use]
pub fn link_reference(purpose: LinkPurpose, link: Uuid) -> String {
    rules::link_reference(purpose, link)
}

/// Turns a link reference of a queued letter into an address.
#[must_use]
pub fn resolve_link(keys: &Keys, public_url: &str, reference: &str) -> Option<String> {
    rules::resolve_link(keys, public_url, reference)
}
