//! Who belongs to the mutual: applications, members, where they are paid, their shares.
//!
//! Owns `application`, `member`, `payee_account`, `share`. An application becomes a membership when a reviewer who
//! is not the applicant accepts it; the membership becomes active when the bank shows that the first share is paid.
//! An IBAN is sealed with a key of the program and shown as its last four characters; equal ones are found by a
//! blind index. Changing a verified account with a cooling time, and leaving the mutual, are not here yet.

mod rules;
mod store;

use chrono::NaiveDate;
pub use rules::{ApplicationState, MemberState, ProofKind, ShareState};
pub use store::{ApplicationRow, MemberRow, PayeeAccountRow, ShareRow};

use crate::access::{self, NewGrant};
use crate::formats::letters::Letter;
use crate::kernel::ids::{PayeeAccountId, PersonId, ShareId};
use crate::kernel::money::Minor;
use crate::kernel::roles::Role;
use crate::ledger::{self, events};
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;

/// A member.
///
/// # Errors
/// 404 when there is none, or when it is not you.
pub fn member(tx: &mut Tx<'_>, id: PersonId) -> Result<MemberRow> {
    store::find_member(tx, id)
}

/// A member who may make documents and be paid.
///
/// # Errors
/// 409 `member_not_active`; 404 as [`member`].
pub fn require_active(tx: &mut Tx<'_>, id: PersonId) -> Result<MemberRow> {
    let member = store::find_member(tx, id)?;
    match member.state {
        MemberState::Active => Ok(member),
        MemberState::PendingShare | MemberState::Suspended => {
            Err(Error::conflict("member_not_active").with("state", member.state))
        }
    }
}

/// Where a person is paid now.
///
/// # Errors
/// 409 `payee_account_missing`, `payee_account_unverified`.
pub fn live_payee_account(tx: &mut Tx<'_>, of: PersonId) -> Result<PayeeAccountRow> {
    let account = store::find_live_payee_account(tx, of)?.ok_or_else(|| Error::conflict("payee_account_missing"))?;
    if account.verified_at.is_none() {
        return Err(Error::conflict("payee_account_unverified"));
    }
    Ok(account)
}

/// An account of somebody, also one that another has replaced.
///
/// # Errors
/// 404.
pub fn payee_account(tx: &mut Tx<'_>, id: PayeeAccountId) -> Result<PayeeAccountRow> {
    store::find_payee_account(tx, id)
}

/// What the IBAN of an account is sealed for: the row is part of it, so that a sealed value moved to another row
/// does not open there.
fn seal_purpose(id: PayeeAccountId) -> String {
    format!("payee.iban:{id}")
}

/// The IBAN of an account in full, for the bank file.
///
/// # Errors
/// 500 when it was altered or its key is gone.
pub fn open_iban(keys: &Keys, account: &PayeeAccountRow) -> Result<String> {
    let bytes = keys.open(&seal_purpose(account.id), &account.iban_sealed).map_err(Error::internal)?;
    String::from_utf8(bytes).map_err(Error::internal)
}

/// The share that a structured reference pays: its twelve digits.
///
/// # Errors
/// Fails with the database.
pub fn share_by_reference(tx: &mut Tx<'_>, digits: &str) -> Result<Option<ShareRow>> {
    store::find_share_by_reference(tx, digits)
}

/// Books that a share was paid. The first one makes its member active.
///
/// # Errors
/// 409 `share_amount_mismatch` for another amount than its price, `state_conflict` when it is paid.
pub fn settle_share(
    tx: &mut Tx<'_>,
    id: ShareId,
    amount: Minor,
    on: NaiveDate,
    from: events::Arrival,
) -> Result<ShareRow> {
    let share = store::lock_share(tx, id)?;
    rules::check_settlement(&share, amount)?;
    let at = events::Booking { entity: share.entity_id, on, currency: share.currency };
    ledger::post(tx, &events::share_paid(at, share.id, share.member_id, amount, from)?)?;
    let member = store::lock_member(tx, share.member_id)?;
    match member.state {
        MemberState::PendingShare => {
            store::save_member_state(tx, &member, MemberState::Active)?;
            let person = access::person(tx, member.id)?;
            // Roles count by the day in UTC, as `access` reads them.
            let today = tx.now().date_naive();
            let grant = NewGrant { id: tx.new_id(), person: person.id, role: Role::Member, from: today, until: None };
            access::grant_by_rule(tx, &grant)?;
            let welcome = QueuedLetter {
                to: person.email,
                language: person.language,
                letter: Letter::Welcome,
                subject: person.id.0,
                owner: Some(person.id),
            };
            outbox::queue_letter(tx, welcome, "share_paid")?;
        }
        MemberState::Active | MemberState::Suspended => {}
    }
    store::save_share_paid(tx, &share, on)
}
