//! Where a person is reached, and was: addresses of mail, telephone numbers, and when a password was last set.
//!
//! Whoever takes an account over changes these first, so every change is told to the addresses before it, and what is
//! dangerous waits until the last change is some days old.

use chrono::{DateTime, Duration, Utc};

pub use super::store::ContactRow;
use super::{LinkPurpose, PersonRow, confirm, open_link, rules, send, step_up, store};
use crate::formats::letters::Letter;
use crate::kernel::identifiers;
use crate::kernel::ids::PersonId;
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;

/// How long an address that somebody gave up is still told what happens.
const REMEMBERED: Duration = Duration::days(30);
/// How old a number must be to be called about money.
const TRUSTED: Duration = Duration::days(30);
/// How long a link that confirms an address works.
const LINK_LIFE: Duration = Duration::days(7);

/// Changes the signed-in person's address of mail. Every earlier address of the last 30 days is told, and the new one
/// gets a link to confirm it.
///
/// # Errors
/// As [`confirm`]; 409 `email_in_use`; 422 for what is no address, or the same.
pub fn change_email(tx: &mut Tx<'_>, keys: &Keys, proof: &step_up::Proof, email: &str) -> Result<PersonRow> {
    confirm(tx, keys, proof)?;
    let me = tx.person()?;
    let before = super::person(tx, me)?;
    let mut checks = Checks::default();
    checks.require(identifiers::is_email(email), "/email", "invalid");
    checks.require(!before.email.eq_ignore_ascii_case(email.trim()), "/email", "not_allowed");
    checks.done()?;
    let told = addresses(tx, me)?;
    store::set_email(tx, me, email)?;
    let person = super::person(tx, me)?;
    tell(tx, &person, &told, &Letter::EmailChanged { address: rules::masked(&person.email) })?;
    let link = open_link(tx, LinkPurpose::ConfirmEmail, me.0, LINK_LIFE)?;
    let letter = Letter::ConfirmAddress { link: rules::link_reference(LinkPurpose::ConfirmEmail, link) };
    let to = person.email.clone();
    send(tx, &person, (to, letter), link, "changed")?;
    Ok(person)
}

/// Changes the signed-in person's telephone number. Every address of the last 30 days is told.
///
/// # Errors
/// As [`confirm`]; 422 for what is no number.
pub fn change_phone(tx: &mut Tx<'_>, keys: &Keys, proof: &step_up::Proof, phone: &str) -> Result<()> {
    confirm(tx, keys, proof)?;
    let me = tx.person()?;
    let digits = phone.chars().filter(char::is_ascii_digit).count();
    let is_plain = phone.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '.' | '/' | '(' | ')'));
    if !is_plain || !(6..=15).contains(&digits) || phone.trim().len() > 40 {
        return Err(Error::field("/phone", "invalid"));
    }
    store::insert_phone(tx, me, phone.trim())?;
    let person = super::person(tx, me)?;
    let told = addresses(tx, me)?;
    let ending: String = phone.chars().filter(char::is_ascii_digit).collect();
    let ending = ending.get(ending.len().saturating_sub(2)..).unwrap_or_default().to_owned();
    tell(tx, &person, &told, &Letter::PhoneChanged { ending })
}

/// Tells every one of some addresses the same, once.
fn tell(tx: &mut Tx<'_>, person: &PersonRow, addresses: &[String], letter: &Letter) -> Result<()> {
    let occasion = tx.now().timestamp_micros();
    for (n, to) in addresses.iter().enumerate() {
        send(tx, person, (to.clone(), letter.clone()), person.id.0, &format!("{occasion}:{n}"))?;
    }
    Ok(())
}

/// Every address of mail that a person has, or had in the last 30 days.
///
/// # Errors
/// Fails with the database.
pub fn addresses(tx: &mut Tx<'_>, of: PersonId) -> Result<Vec<String>> {
    let since = since(tx, REMEMBERED)?;
    store::list_addresses(tx, of, since)
}

/// The telephone numbers of a person, oldest first.
///
/// # Errors
/// Fails with the database.
pub fn phones(tx: &mut Tx<'_>, of: PersonId) -> Result<Vec<ContactRow>> {
    store::list_phones(tx, of)
}

/// Since when a person must have had a number for it to be called about money.
///
/// # Errors
/// Fails with the calendar.
pub fn trusted_since(tx: &Tx<'_>) -> Result<DateTime<Utc>> {
    since(tx, TRUSTED)
}

/// When a person last changed an address, a number or a password; nothing for what they began with.
///
/// # Errors
/// Fails with the database.
pub fn last_change(tx: &mut Tx<'_>, of: PersonId) -> Result<Option<DateTime<Utc>>> {
    store::find_last_change(tx, of)
}

fn since(tx: &Tx<'_>, span: Duration) -> Result<DateTime<Utc>> {
    tx.now().checked_sub_signed(span).ok_or_else(|| Error::internal("calendar"))
}
