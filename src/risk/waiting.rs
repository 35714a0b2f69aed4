//! Payouts that wait for a person: one, all of a member, or all to an account.

use uuid::Uuid;

use super::store::{self, HoldFilter, HoldRow, HoldTarget};
use crate::access;
use crate::formats::letters::Letter;
use crate::kernel::ids::{EntityId, PayeeAccountId, PayoutHoldId, PayoutId, PersonId};
use crate::kernel::refusal::Checks;
use crate::members;
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// What is to wait.
#[derive(Debug, Clone, Copy)]
pub enum HoldOn {
    /// One payout of a member.
    Payout(PayoutId, PersonId),
    /// Every payout of a member.
    Member(PersonId),
    /// Every payout to an account, whoever's, by its IBAN.
    Account(PayeeAccountId),
}

/// Lets payouts wait. The member reads why.
///
/// # Errors
/// 403 for one's own; 404; 422 for an empty reason.
pub fn place_hold(tx: &mut Tx<'_>, id: PayoutHoldId, on: HoldOn, reason: &str) -> Result<HoldRow> {
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    let target = match on {
        HoldOn::Payout(payout, member) => HoldTarget { payout: Some(payout), held_member: None, account: None, member },
        HoldOn::Member(member) => HoldTarget { payout: None, held_member: Some(member), account: None, member },
        HoldOn::Account(account) => {
            let member = members::payee_account(tx, account)?.person_id;
            HoldTarget { payout: None, held_member: None, account: Some(account), member }
        }
    };
    members::member(tx, target.member)?;
    let me = tx.person()?;
    if me == target.member {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let hold = store::insert_hold(tx, id, &target, reason.trim(), me)?;
    tell(tx, &hold, Letter::PayoutHeld { reason: hold.reason.clone() })?;
    Ok(hold)
}

/// Lets payouts go on, as another person than who stopped them. The member reads why.
///
/// # Errors
/// 403 for one's own, and for who placed it; 404; 409 when it was lifted; 412; 422 for an empty reason.
pub fn lift(tx: &mut Tx<'_>, id: PayoutHoldId, expected: i32, reason: &str) -> Result<HoldRow> {
    let row = store::lock_hold(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    if row.lifted_at.is_some() {
        return Err(Error::state_conflict("lifted", "lift"));
    }
    let me = tx.person()?;
    if me == row.placed_by || me == row.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    store::save_lifted(tx, &row, me, reason.trim())?;
    let lifted = store::find_hold(tx, id)?;
    tell(tx, &lifted, Letter::PayoutFree { reason: reason.trim().to_owned() })?;
    Ok(lifted)
}

fn tell(tx: &mut Tx<'_>, hold: &HoldRow, letter: Letter) -> Result<()> {
    let person = access::person(tx, hold.member_id)?;
    let mail = QueuedLetter {
        to: person.email,
        language: person.language,
        letter,
        subject: hold.id.0,
        owner: Some(hold.member_id),
    };
    outbox::queue_letter(tx, mail, "once")
}

/// A hold.
///
/// # Errors
/// 404 when there is none, or when it is about somebody else.
pub fn hold(tx: &mut Tx<'_>, id: PayoutHoldId) -> Result<HoldRow> {
    store::find_hold(tx, id)
}

/// Holds, newest first: about oneself, or all of them for the office.
///
/// # Errors
/// Fails with the database.
pub fn holds(tx: &mut Tx<'_>, filter: &HoldFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<HoldRow>> {
    store::list_holds(tx, filter, after, limit)
}

/// Refuses when one of some payouts waits.
///
/// # Errors
/// 409 `payout_on_hold`, naming the first.
pub fn require_free(tx: &mut Tx<'_>, payouts: &[PayoutId]) -> Result<()> {
    match store::held_among(tx, payouts)?.first() {
        None => Ok(()),
        Some(first) => Err(Error::conflict("payout_on_hold").with("payout_id", first)),
    }
}

/// The approved payouts of an entity that no batch may gather.
///
/// # Errors
/// Fails with the database.
pub fn held(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<PayoutId>> {
    store::list_held(tx, entity)
}
