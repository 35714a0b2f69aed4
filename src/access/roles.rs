//! Roles for a time. A part of the desk.
//!
//! A role of the office is asked for by one administrator and confirmed by another one, every administrator is told by mail
//! both times, and it counts a day later: otherwise one person could make all the others whom four eyes need. Ending one
//! takes one administrator and counts at once. Two cases have no second administrator. The operator of the machine adds
//! people by the command line, as the first administrator comes. And while the mutual is being set up - nobody beside the
//! first administrator was ever one, and no batch was ever released - what that one grants counts at once. PostgreSQL
//! decides which case it is, and holds all of it by a trigger of its own.

use chrono::NaiveDate;

use super::store::{self, GrantRow};
use super::{PersonRow, send};
use crate::formats::letters::Letter;
use crate::kernel::ids::{GrantId, PersonId};
use crate::kernel::roles::Role;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// A role for a time.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// Its id.
    pub id: GrantId,
    /// Who gets it.
    pub person: PersonId,
    /// What.
    pub role: Role,
    /// From this day on.
    pub from: NaiveDate,
    /// Until the day before this one.
    pub until: Option<NaiveDate>,
}

/// The roles of a person, past and future ones too, and those that wait.
///
/// # Errors
/// Fails with the database.
pub fn grants(tx: &mut Tx<'_>, person: PersonId) -> Result<Vec<GrantRow>> {
    store::list_grants(tx, person)
}

/// Whether a person works in the office now: whoever may look after money that waits.
///
/// # Errors
/// Fails with the database.
pub fn is_staff(tx: &mut Tx<'_>, person: PersonId) -> Result<bool> {
    let (now, today) = (tx.now(), tx.now().date_naive());
    let counts = |grant: &GrantRow| {
        grant.role != Role::Member.name()
            && grant.effective_at.is_some_and(|from| from <= now)
            && grant.valid_from <= today
            && grant.valid_until.is_none_or(|until| until > today)
    };
    Ok(grants(tx, person)?.iter().any(counts))
}

/// The roles that wait for another administrator, oldest first; at most 200.
///
/// # Errors
/// Fails with the database.
pub fn waiting_grants(tx: &mut Tx<'_>) -> Result<Vec<GrantRow>> {
    store::list_waiting_grants(tx)
}

/// Grants a role, or asks for one: of the office, it waits for another administrator. Nobody grants one to themselves.
///
/// # Errors
/// 403 `self_approval_forbidden`; 409 `role_already_granted`; 404 for an unknown person.
pub fn grant(tx: &mut Tx<'_>, new: &NewGrant) -> Result<GrantRow> {
    let person = store::find_person(tx, new.person)?;
    if new.until.is_some_and(|until| until <= new.from) {
        return Err(Error::field("/valid_until", "out_of_range"));
    }
    let by = tx.principal().map(|who| who.person);
    if by == Some(new.person) {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let row = store::insert_grant(tx, new, by)?;
    let (name, role) = (person.name.clone(), new.role);
    let letter = match (row.effective_at, by) {
        (None, Some(by)) => Letter::RoleAsked { name, role, by: store::find_person(tx, by)?.name },
        (at, _) => Letter::RoleGranted { name, role, when: at.unwrap_or_else(|| tx.now()).naive_utc() },
    };
    tell_administrators(tx, &row, &letter)?;
    Ok(row)
}

/// Confirms a role as another administrator: it counts a day later.
///
/// # Errors
/// 403 `self_approval_forbidden` for who asked and whom it is for; 404; 409 when nothing waits; 412 for another version.
pub fn confirm_grant(tx: &mut Tx<'_>, id: GrantId, expected: i32) -> Result<GrantRow> {
    let grant = store::lock_grant(tx, id)?;
    if grant.version != expected {
        return Err(Error::version_stale(grant.version));
    }
    if grant.ended_by.is_some() {
        return Err(Error::state_conflict("ended", "confirm"));
    }
    if !grant.needs_confirmation || grant.confirmed_by.is_some() {
        return Err(Error::state_conflict("confirmed", "confirm"));
    }
    let me = tx.person()?;
    if me == grant.person_id || Some(me) == grant.granted_by {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let row = store::confirm_grant(tx, &grant, me)?;
    let role: Role = row.role.parse().map_err(Error::internal)?;
    let name = store::find_person(tx, row.person_id)?.name;
    let when = row.effective_at.unwrap_or_else(|| tx.now()).naive_utc();
    tell_administrators(tx, &row, &Letter::RoleGranted { name, role, when })?;
    Ok(row)
}

/// Tells every administrator, whoever did it too: it may not have been them.
fn tell_administrators(tx: &mut Tx<'_>, about: &GrantRow, letter: &Letter) -> Result<()> {
    let told: Vec<PersonRow> = store::list_administrators(tx)?;
    for person in told.iter().filter(|person| person.id != about.person_id) {
        let mail = (person.email.clone(), letter.clone());
        send(tx, person, mail, about.id.0, &format!("{}:{}", about.version, person.id))?;
    }
    Ok(())
}

/// Grants the role that follows from a fact, such as a paid share: no person gives it, whoever books the fact.
///
/// # Errors
/// 409 `role_already_granted`.
pub fn grant_by_rule(tx: &mut Tx<'_>, new: &NewGrant) -> Result<GrantRow> {
    store::insert_grant(tx, new, None)
}

/// Ends a role today, or gives up one that waits.
///
/// # Errors
/// 404; 409 when it has ended.
pub fn end_grant(tx: &mut Tx<'_>, id: GrantId, expected: i32) -> Result<GrantRow> {
    let grant = store::lock_grant(tx, id)?;
    if grant.version != expected {
        return Err(Error::version_stale(grant.version));
    }
    let today = tx.now().date_naive();
    if grant.valid_until.is_some_and(|until| until <= today) {
        return Err(Error::state_conflict("ended", "end"));
    }
    let by = tx.person()?;
    store::end_grant(tx, &grant, today, by)
}

/// One role of somebody.
///
/// # Errors
/// 404.
pub fn grant_by_id(tx: &mut Tx<'_>, id: GrantId) -> Result<GrantRow> {
    store::lock_grant(tx, id).map(Locked::into_inner)
}

/// Whether somebody has ever been an administrator.
///
/// # Errors
/// Fails with the database.
pub fn has_administrator(tx: &mut Tx<'_>) -> Result<bool> {
    store::has_administrator(tx)
}
