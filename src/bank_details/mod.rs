//! Another account to be paid to: the way by which the money of most members could be stolen at once.
//!
//! Owns `bank_detail_change`, `bank_detail_callback`, `bank_detail_name_check`, `bank_detail_policy`. A member asks with
//! a fresh proof; every address of mail that they have or had in the last 30 days is told at once, without a link and
//! with a code that calls it off. For 72 hours at least nothing changes: the old account stays payable, and a change of
//! mail, number or password in the meantime begins the hours anew. Only a call to a number that is 30 days old, made by
//! one person of the office and confirmed by another, shortens them. Nobody of the office can write an IBAN: they can
//! ask the member. `PostgreSQL` holds the same rules a second time.

pub mod http;
pub mod jobs;
mod names;
mod rules;
mod store;

use chrono::{DateTime, Duration, NaiveDate, Utc};
pub use names::{ListedNames, NameAnswer, NoAnswer, NobodyToAsk, PayeeNames};
pub use rules::{BankDetailState, Command, EndedHow, NameCheck};
pub use store::{CallbackRow, ChangeFilter, ChangeRow, NameCheckRow, PolicyRow};
use uuid::Uuid;

use crate::access::{self, Proof};
use crate::charter;
use crate::formats::letters::Letter;
use crate::kernel::ids::{BankDetailChangeId, BankDetailPolicyId, CallbackId, EntityId, PersonId};
use crate::kernel::refusal::Checks;
use crate::members::{self, NewPayeeAccount, SealedAccount};
use crate::outbox::{self, Job, QueuedLetter};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;

/// Asks that the signed-in member be paid to another account. It is told to every address they have or had.
///
/// # Errors
/// As [`access::confirm`]; 409 `bank_change_open`, `bank_account_same`, `member_not_active`; 422 for what is no account.
pub fn ask(
    tx: &mut Tx<'_>,
    keys: &Keys,
    proof: &Proof,
    id: BankDetailChangeId,
    iban: String,
    holder: String,
) -> Result<ChangeRow> {
    let shown = access::confirm(tx, keys, proof)?;
    let me = tx.person()?;
    let member = members::require_payable(tx, me)?;
    let new = NewPayeeAccount { id: tx.new_id(), iban, holder };
    let sealed = members::seal_account(keys, me, &new)?;
    let old = members::current_account(tx, me)?;
    let same = old.as_ref().filter(|old| old.iban_index == sealed.iban_index && old.holder == sealed.holder);
    if same.is_some() {
        return Err(Error::conflict("bank_account_same"));
    }
    let entity = charter::entity(tx, member.entity_id)?;
    let today = tx.today(entity.zone());
    let hours = store::find_policy(tx, entity.id, today)?.map_or(rules::COOLING_HOURS, |row| row.cooling_hours);
    let salt = tx.random_bytes::<32>();
    let session = tx.session().ok_or_else(|| Error::unauthorized("token_missing"))?;
    let address = tx.address().to_owned();
    let hash = code_hash(keys, &cancel_code(keys, id, &salt)).ok_or_else(|| Error::internal("a code is no code"))?;
    let change = store::NewChange {
        id,
        member_id: me,
        entity_id: entity.id,
        old_account_id: old.map(|old| old.id),
        new_account_id: sealed.id,
        holder: &sealed.holder,
        iban_sealed: &sealed.iban_sealed,
        iban_index: &sealed.iban_index,
        iban_country: &sealed.iban_country,
        iban_last4: &sealed.iban_last4,
        proof: shown,
        session_id: session,
        address: &address,
        cooling_hours: hours,
        code_salt: &salt,
        code_hash: &hash,
    };
    let change = store::insert(tx, &change)?;
    rules::may(change.state, Command::Cool)?;
    let letter = asked_letter(tx, &change)?;
    tell(tx, &change, &letter, "asked")?;
    outbox::queue(tx, &Job::CheckPayeeName { change: id }, id.0, &format!("check_payee_name:{id}"))?;
    store::save_cooling(tx, &change)
}

fn asked_letter(tx: &mut Tx<'_>, change: &ChangeRow) -> Result<Letter> {
    let zone = charter::entity(tx, change.entity_id)?.zone();
    let due = store::due(tx, change.id)?.with_timezone(&zone).naive_local();
    let session = access::session(tx, change.session_id)?;
    Ok(Letter::BankChangeAsked {
        last4: change.iban_last4.clone(),
        when: change.requested_at.with_timezone(&zone).naive_local(),
        device: session.device,
        due,
        code: code_reference(change),
    })
}

/// Tells every address of mail that the member of a change has, or had in the last 30 days.
fn tell(tx: &mut Tx<'_>, change: &ChangeRow, letter: &Letter, occasion: &str) -> Result<()> {
    let person = access::person(tx, change.member_id)?;
    for (n, to) in access::addresses(tx, change.member_id)?.into_iter().enumerate() {
        let mail = QueuedLetter {
            to,
            language: person.language,
            letter: letter.clone(),
            subject: change.id.0,
            owner: Some(change.member_id),
        };
        outbox::queue_letter(tx, mail, &format!("{occasion}:{n}"))?;
    }
    Ok(())
}

/// The code that calls a change off, as it is written in the notices. It lies nowhere: the notices carry what it is
/// made of, and the row carries its hash.
fn cancel_code(keys: &Keys, id: BankDetailChangeId, salt: &[u8]) -> String {
    let mut content = id.0.as_bytes().to_vec();
    content.extend_from_slice(salt);
    rules::code(&keys.sign_link("bank_details.cancel", &content))
}

fn code_hash(keys: &Keys, typed: &str) -> Option<[u8; 32]> {
    rules::plain_code(typed).map(|code| keys.blind_index("bank_details.code", code.as_bytes()))
}

fn code_reference(change: &ChangeRow) -> String {
    format!("{}:{}", change.id, crate::platform::web::hex(&change.code_salt))
}

/// The code of a queued notice, made when it is written.
#[must_use]
pub fn resolve_code(keys: &Keys, reference: &str) -> Option<String> {
    let (id, salt) = reference.split_once(':')?;
    let salt = crate::platform::web::unhex(salt)?;
    Some(cancel_code(keys, BankDetailChangeId(id.parse().ok()?), &salt))
}

/// A change with what belongs to it.
#[derive(Debug, Clone)]
pub struct Known {
    /// The change.
    pub change: ChangeRow,
    /// The account that was live when it was asked for.
    pub old: Option<members::PayeeAccountRow>,
    /// From when on it may be active, as it stands now.
    pub due: DateTime<Utc>,
    /// What the bank said about the name.
    pub name_check: Option<NameCheckRow>,
    /// The call of the urgent path.
    pub callback: Option<CallbackRow>,
    /// What the device calls itself on which it was asked for.
    pub device: String,
    /// For the office alone: whether somebody else is, or was, paid to the same account.
    pub is_iban_elsewhere: Option<bool>,
    /// For the office alone: when the member last changed an address, a number or a password.
    pub contact_changed_at: Option<DateTime<Utc>>,
    /// For the office alone: the numbers that the member has had long enough to be called on.
    pub numbers: Option<Vec<String>>,
}

/// A change with what belongs to it.
///
/// # Errors
/// 404 when there is none, or when it is somebody else's.
pub fn find(tx: &mut Tx<'_>, id: BankDetailChangeId) -> Result<Known> {
    let change = store::find(tx, id)?;
    known(tx, change)
}

/// Changes, newest first: one's own, or all of them for the office.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, filter: &ChangeFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<Known>> {
    let rows = store::list(tx, filter, after, limit)?;
    rows.into_iter().map(|row| known(tx, row)).collect()
}

fn known(tx: &mut Tx<'_>, change: ChangeRow) -> Result<Known> {
    let is_office = tx.only_owner().is_none();
    let old = change.old_account_id.map(|old| members::payee_account(tx, old)).transpose()?;
    let numbers = if is_office { Some(trusted_numbers(tx, change.member_id)?) } else { None };
    Ok(Known {
        old,
        due: store::due(tx, change.id)?,
        name_check: store::find_name_check(tx, change.id)?,
        callback: store::find_callback(tx, change.id)?,
        device: access::session(tx, change.session_id)?.device,
        is_iban_elsewhere: if is_office {
            Some(members::is_iban_elsewhere(tx, &change.iban_index, change.member_id)?)
        } else {
            None
        },
        contact_changed_at: if is_office { access::last_change(tx, change.member_id)? } else { None },
        numbers,
        change,
    })
}

fn trusted_numbers(tx: &mut Tx<'_>, of: PersonId) -> Result<Vec<String>> {
    let since = access::trusted_since(tx)?;
    let phones = access::phones(tx, of)?;
    Ok(phones.into_iter().filter(|phone| phone.at <= since).filter_map(|phone| phone.value).collect())
}

fn lock_at(tx: &mut Tx<'_>, id: BankDetailChangeId, expected: i32) -> Result<Locked<ChangeRow>> {
    let change = store::lock(tx, id)?;
    if change.version == expected { Ok(change) } else { Err(Error::version_stale(change.version)) }
}

/// Calls the signed-in member's change off.
///
/// # Errors
/// 404; 409 when it has ended; 412 for another version.
pub fn cancel(tx: &mut Tx<'_>, id: BankDetailChangeId, expected: i32) -> Result<Known> {
    let change = lock_at(tx, id, expected)?;
    if change.member_id != tx.person()? {
        return Err(Error::not_found());
    }
    rules::may(change.state, Command::Cancel)?;
    end_cancelled(tx, &change, EndedHow::Member)?;
    find(tx, id)
}

/// Calls a change off with the code of a notice, whoever has it. The answer is the same for any other code.
///
/// # Errors
/// Fails with the database.
pub fn cancel_by_code(tx: &mut Tx<'_>, keys: &Keys, typed: &str) -> Result<()> {
    let Some(hash) = code_hash(keys, typed) else { return Ok(()) };
    let Some(change) = store::lock_by_code(tx, &hash)? else { return Ok(()) };
    if rules::may(change.state, Command::Cancel).is_ok() {
        end_cancelled(tx, &change, EndedHow::Code)?;
    }
    Ok(())
}

fn end_cancelled(tx: &mut Tx<'_>, change: &Locked<ChangeRow>, how: EndedHow) -> Result<()> {
    let ended = store::save_ended(tx, change, (BankDetailState::Cancelled, how), None)?;
    tell(tx, &ended, &Letter::BankChangeCancelled { last4: ended.iban_last4.clone() }, "cancelled")
}

/// Turns a change of somebody else down, with a reason that they read.
///
/// # Errors
/// 403 for one's own; 409 when it has ended; 412 for another version; 422 for an empty reason.
pub fn refuse(tx: &mut Tx<'_>, id: BankDetailChangeId, expected: i32, reason: &str) -> Result<Known> {
    let change = lock_at(tx, id, expected)?;
    not_mine(tx, &change)?;
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    rules::may(change.state, Command::Refuse)?;
    tx.reason(reason)?;
    let ended = store::save_ended(tx, &change, (BankDetailState::Refused, EndedHow::Office), Some(reason.trim()))?;
    let letter = Letter::BankChangeRefused { last4: ended.iban_last4.clone(), reason: reason.to_owned() };
    tell(tx, &ended, &letter, "refused")?;
    find(tx, id)
}

fn not_mine(tx: &Tx<'_>, change: &ChangeRow) -> Result<PersonId> {
    let me = tx.person()?;
    if me == change.member_id { Err(Error::forbidden("self_approval_forbidden")) } else { Ok(me) }
}

/// Notes that somebody of the office called the member on a number that they have had for 30 days.
///
/// # Errors
/// 403 for one's own, and for who is paid to the same account; 409 when it does not cool, or was noted before; 412;
/// 422 for another number.
pub fn record_callback(
    tx: &mut Tx<'_>,
    (id, expected): (BankDetailChangeId, i32),
    callback: CallbackId,
    phone: &str,
    note: &str,
) -> Result<Known> {
    let change = lock_at(tx, id, expected)?;
    let me = not_mine(tx, &change)?;
    let mut checks = Checks::default();
    checks.text(phone, "/phone", 3, 40);
    checks.text(note, "/note", 1, 2000);
    checks.done()?;
    rules::may(change.state, Command::Call)?;
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    if !trusted_numbers(tx, change.member_id)?.iter().any(|number| digits(number) == digits(phone)) {
        return Err(Error::field("/phone", "not_allowed"));
    }
    store::insert_callback(tx, callback, &change, (phone.trim(), note.trim()), me)?;
    find(tx, id)
}

/// Stands for the call beside who made it. From now on the change need not cool any longer.
///
/// # Errors
/// 403 for one's own, for who called, and for who is paid to the same account; 404 without a call; 409; 412.
pub fn confirm_callback(tx: &mut Tx<'_>, id: BankDetailChangeId, expected: i32) -> Result<Known> {
    let change = lock_at(tx, id, expected)?;
    let me = not_mine(tx, &change)?;
    rules::may(change.state, Command::Call)?;
    let callback = store::find_callback(tx, id)?.ok_or_else(|| Error::conflict("callback_missing"))?;
    if callback.recorded_by == me {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    store::save_callback_confirmed(tx, callback.id, me)?;
    let letter = asked_letter(tx, &change)?;
    tell(tx, &change, &letter, "hastened")?;
    find(tx, id)
}

/// The changes that a worker looks at.
///
/// # Errors
/// Fails with the database.
pub fn cooling(tx: &mut Tx<'_>) -> Result<Vec<BankDetailChangeId>> {
    store::list_cooling(tx)
}

/// Does what is due for a change: a last notice a day before, and then the new account. Answers whether it is active.
/// Safe to repeat.
///
/// # Errors
/// Fails with the database.
pub fn advance(tx: &mut Tx<'_>, id: BankDetailChangeId) -> Result<bool> {
    let change = store::lock(tx, id)?;
    if rules::may(change.state, Command::Activate).is_err() {
        return Ok(false);
    }
    let (now, due) = (tx.now(), store::due(tx, id)?);
    if due > now {
        if change.reminded_at.is_none() && rules::is_last_call(now, due) {
            store::save_reminded(tx, &change)?;
            let zone = charter::entity(tx, change.entity_id)?.zone();
            let letter = Letter::BankChangeSoon {
                last4: change.iban_last4.clone(),
                due: due.with_timezone(&zone).naive_local(),
                code: code_reference(&change),
            };
            tell(tx, &change, &letter, "soon")?;
        }
        return Ok(false);
    }
    let confirmed = store::find_callback(tx, id)?.filter(|callback| callback.confirmed_by.is_some());
    let how = if confirmed.is_some() { EndedHow::CallBack } else { EndedHow::Time };
    let active = store::save_ended(tx, &change, (BankDetailState::Active, how), None)?;
    let sealed = SealedAccount {
        id: active.new_account_id,
        person_id: active.member_id,
        holder: active.holder.clone(),
        iban_sealed: active.iban_sealed.clone(),
        iban_index: active.iban_index.clone(),
        iban_country: active.iban_country.clone(),
        iban_last4: active.iban_last4.clone(),
        change_id: None,
        verified_at: None,
    };
    members::install_account(tx, sealed, id, now)?;
    tell(tx, &active, &Letter::BankChangeActive { last4: active.iban_last4.clone() }, "active")?;
    Ok(true)
}

/// Asks a member to look after their bank details themselves: all that the office can do.
///
/// # Errors
/// 404; 422 for an empty message.
pub fn ask_member(tx: &mut Tx<'_>, member: PersonId, message: &str) -> Result<()> {
    let mut checks = Checks::default();
    checks.text(message, "/message", 1, 2000);
    checks.done()?;
    members::member(tx, member)?;
    let person = access::person(tx, member)?;
    let letter = QueuedLetter {
        to: person.email,
        language: person.language,
        letter: Letter::BankDetailsWanted { message: message.to_owned() },
        subject: member.0,
        owner: Some(member),
    };
    let occasion = tx.now().timestamp_micros().to_string();
    outbox::queue_letter(tx, letter, &occasion)
}

/// Decides how long new accounts wait from a day on: never less than 72 hours.
///
/// # Errors
/// 404; 409 `not_unique` for a day that has one; 422 for a day that is over, hours out of range, an empty reason.
pub fn decide_policy(
    tx: &mut Tx<'_>,
    (id, entity): (BankDetailPolicyId, EntityId),
    (valid_from, hours): (NaiveDate, i32),
    reason: &str,
) -> Result<PolicyRow> {
    let entity = charter::entity(tx, entity)?;
    let today = tx.today(entity.zone());
    let latest = today.checked_add_signed(Duration::days(366)).unwrap_or(today);
    let mut checks = Checks::default();
    checks.require((today..=latest).contains(&valid_from), "/valid_from", "out_of_range");
    checks.require(rules::COOLING_RANGE.contains(&hours), "/cooling_hours", "out_of_range");
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    let by = tx.person()?;
    store::insert_policy(tx, (id, entity.id), (valid_from, hours), reason.trim(), by)
}

/// How long new accounts of an entity wait, newest decision first.
///
/// # Errors
/// 404.
pub fn policies(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<PolicyRow>> {
    let entity = charter::entity(tx, entity)?;
    store::list_policies(tx, entity.id)
}
