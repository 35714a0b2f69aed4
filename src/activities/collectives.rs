//! Who takes part in a collective: asked by its manager, confirmed by themselves.
//!
//! A collective exists for a member once they confirmed; from then on they read what is on it. The manager alone
//! writes, and cannot leave: they hand over, and whoever takes over confirms. Each place in a collective is a row for
//! its time, so that who managed when can always be said.

use uuid::Uuid;

use super::rules::{self, MembershipCommand};
use super::store::{self, NewMembership};
use super::{ActivityRow, MembershipRole, MembershipRow, MembershipState, require_open};
use crate::formats::letters::Letter;
use crate::kernel::ids::{ActivityId, EntityId, InvitationId, PersonId};
use crate::members;
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// Somebody who gets a share of a collective's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharer {
    /// Who.
    pub member: PersonId,
    /// Where their shares arrive; not said yet by some.
    pub receives_on: Option<ActivityId>,
}

/// Makes the manager's own place in a new collective.
pub(super) fn found(tx: &mut Tx<'_>, activity: &ActivityRow, receives_on: Option<ActivityId>) -> Result<()> {
    check_receiver(tx, activity.entity_id, receives_on, "/receives_on")?;
    let who = tx.principal().cloned().ok_or_else(|| Error::unauthorized("token_missing"))?;
    let new = NewMembership {
        id: tx.new_id(),
        activity,
        member: who.person,
        member_name: &who.name,
        invited_by: who.person,
        invited_by_name: &who.name,
        role: MembershipRole::Manager,
        state: MembershipState::Confirmed,
        receives_on,
    };
    store::insert_membership(tx, &new)?;
    Ok(())
}

/// Asks an active member of the same entity, by their address of mail, to share a collective that one manages; as
/// [`MembershipRole::Manager`], to take it over.
///
/// # Errors
/// 404 and 403 as [`require_open`]; 409 `not_a_collective`, `already_member`; 422 for an address that is nobody's here.
pub fn invite(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    id: InvitationId,
    email: &str,
    role: MembershipRole,
) -> Result<MembershipRow> {
    let activity = require_open(tx, activity)?;
    rules::check_collective(&activity)?;
    let who = tx.principal().cloned().ok_or_else(|| Error::unauthorized("token_missing"))?;
    members::require_active(tx, who.person)?;
    let fellow = members::fellow(tx, activity.entity_id, email)?.ok_or_else(|| Error::field("/email", "invalid"))?;
    let places = store::list_memberships(tx, activity.id)?;
    let place = places.iter().find(|place| place.member_id == fellow.id && place.state == MembershipState::Confirmed);
    // Taking over is for somebody who takes part already; being asked to take part is not.
    if fellow.id == who.person || place.is_some() != (role == MembershipRole::Manager) {
        let code = if role == MembershipRole::Manager { "not_a_member" } else { "already_member" };
        return Err(Error::conflict(code));
    }
    let new = NewMembership {
        id,
        activity: &activity,
        member: fellow.id,
        member_name: &fellow.name,
        invited_by: who.person,
        invited_by_name: &who.name,
        role,
        state: MembershipState::Invited,
        receives_on: None,
    };
    let row = store::insert_membership(tx, &new)?;
    let (inviter, collective) = (who.name, activity.name);
    let letter = match role {
        MembershipRole::Member => Letter::CollectiveInvitation { inviter, collective },
        MembershipRole::Manager => Letter::CollectiveHandOver { inviter, collective },
    };
    let mail =
        QueuedLetter { to: fellow.email, language: fellow.language, letter, subject: id.0, owner: Some(fellow.id) };
    outbox::queue_letter(tx, mail, "asked")?;
    Ok(row)
}

/// One's own place in a collective; for the office, anybody's.
///
/// # Errors
/// 404.
pub fn membership(tx: &mut Tx<'_>, id: InvitationId) -> Result<MembershipRow> {
    store::find_membership(tx, id)
}

/// One's own places in collectives, newest first; for the office, everybody's.
///
/// # Errors
/// Fails with the database.
pub fn memberships(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<MembershipRow>> {
    store::list_own_memberships(tx, after, limit)
}

/// Everybody who was ever asked to share a collective.
///
/// # Errors
/// 404 for an activity that one does not see.
pub fn members_of(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<MembershipRow>> {
    super::activity(tx, activity)?;
    store::list_memberships(tx, activity)
}

/// Those who share a collective now, lowest member id first.
///
/// # Errors
/// 404 for an activity that one does not see.
pub fn sharers(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<Sharer>> {
    let places = members_of(tx, activity)?;
    let live = places.into_iter().filter(|place| place.state == MembershipState::Confirmed);
    Ok(live.map(|place| Sharer { member: place.member_id, receives_on: place.receives_on_id }).collect())
}

/// Takes part, or takes over; `receives_on` is the personal activity where one's shares arrive.
///
/// # Errors
/// 404; 409 in another state or for a member who is not active; 412 for another version; 422 for
/// an activity that is not one's own, is shared itself or belongs to another entity.
pub fn confirm(
    tx: &mut Tx<'_>,
    id: InvitationId,
    expected: i32,
    receives_on: Option<ActivityId>,
) -> Result<MembershipRow> {
    let place = lock_at(tx, id, expected)?;
    rules::may(place.state, MembershipCommand::Confirm)?;
    let me = members::require_active(tx, tx.person()?)?;
    check_receiver(tx, me.entity_id, receives_on, "/activity_id")?;
    match place.role {
        MembershipRole::Member => store::save_answer(tx, &place, MembershipState::Confirmed, receives_on),
        MembershipRole::Manager => {
            let stays_as = tx.new_id();
            store::take_over(tx, &place, receives_on, stays_as)?;
            store::find_membership(tx, id)
        }
    }
}

/// Does not want to take part, or to take over.
///
/// # Errors
/// 404; 409 in another state; 412 for another version.
pub fn decline(tx: &mut Tx<'_>, id: InvitationId, expected: i32) -> Result<MembershipRow> {
    let place = lock_at(tx, id, expected)?;
    rules::may(place.state, MembershipCommand::Decline)?;
    store::save_answer(tx, &place, MembershipState::Declined, None)
}

/// Takes part no more. What one was given stays.
///
/// # Errors
/// 404; 409 in another state, `manager_stays` for the manager, who hands over first; 412 for another version.
pub fn leave(tx: &mut Tx<'_>, id: InvitationId, expected: i32) -> Result<MembershipRow> {
    let place = lock_at(tx, id, expected)?;
    rules::may(place.state, MembershipCommand::Leave)?;
    if place.role == MembershipRole::Manager {
        return Err(Error::conflict("manager_stays"));
    }
    store::save_answer(tx, &place, MembershipState::Left, place.receives_on_id)
}

/// Says on which of one's activities one's shares of the collective's money arrive from now on. Without a current share
/// too: what is theirs has to arrive somewhere.
///
/// # Errors
/// As [`confirm`], and not for a member who is inactive.
pub fn receive_on(tx: &mut Tx<'_>, id: InvitationId, expected: i32, on: ActivityId) -> Result<MembershipRow> {
    let place = lock_at(tx, id, expected)?;
    rules::may(place.state, MembershipCommand::Move)?;
    let me = members::require_payable(tx, tx.person()?)?;
    check_receiver(tx, me.entity_id, Some(on), "/activity_id")?;
    store::save_answer(tx, &place, place.state, Some(on))
}

fn lock_at(tx: &mut Tx<'_>, id: InvitationId, expected: i32) -> Result<Locked<MembershipRow>> {
    let place = store::lock_membership(tx, id)?;
    if place.member_id != tx.person()? {
        return Err(Error::forbidden("role_forbidden"));
    }
    if place.version == expected { Ok(place) } else { Err(Error::version_stale(place.version)) }
}

/// Whether shares can arrive on an activity: one's own, open, not shared itself, in the same entity.
fn check_receiver(tx: &mut Tx<'_>, entity: EntityId, on: Option<ActivityId>, pointer: &str) -> Result<()> {
    let Some(on) = on else { return Ok(()) };
    let refused = || Error::field(pointer, "invalid");
    let activity = require_open(tx, on).map_err(|error| match error.code {
        "not_found" | "manager_only" => refused(),
        _ => error,
    })?;
    let is_fit = activity.member_id == tx.person()? && !activity.is_collective && activity.entity_id == entity;
    if is_fit { Ok(()) } else { Err(refused()) }
}
