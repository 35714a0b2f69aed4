//! Who belongs to the mutual: applications, members, where they are paid, their shares.
//!
//! Owns `application`, `member`, `payee_account`, `share`. An application becomes a membership when a reviewer who
//! is not the applicant accepts it; the membership becomes active when the bank shows that the first share is paid,
//! inactive while none of its shares is current, and active again with the next payment (`shares` looks every day).
//! An IBAN is sealed with a key of the program and shown as its last four characters; equal ones are found by a
//! blind index; another account of a member is a matter of `bank_details`. Leaving the mutual is not here yet.

mod accounts;
mod applications;
pub mod http;
pub mod pages;
mod rules;
mod store;

use std::collections::{BTreeMap, BTreeSet};

pub use accounts::{
    SealedAccount, current_account, install_account, is_iban_elsewhere, open_iban, open_sealed, seal_account,
};
pub use applications::{
    ApplicationPatch, Dossier, NewApplicant, NewPayeeAccount, accept, accept_agreement, add_document, application,
    applications, apply, apply_again, change, confirm_email, document, documents, dossier, reject, request_info,
    set_bank_account, start_review, submit, withdraw,
};
use chrono::NaiveDate;
pub use rules::{ApplicationState, IdentityProofKind, MemberState, ShareState};
pub use store::{
    ApplicationRow, Fellow, HeldShare, MemberRow, PayeeAccountRow, RegisterFilter, RegisterTotal, Registered, ShareRow,
};
use uuid::Uuid;

use crate::access::{self, NewGrant, PersonRow};
use crate::charter;
use crate::formats::letters::Letter;
use crate::kernel::ids::{EntityId, PayeeAccountId, PersonId, ShareId};
use crate::kernel::money::{Minor, Money};
use crate::kernel::refusal::Checks;
use crate::kernel::roles::Role;
use crate::ledger::{self, events};
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

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
        MemberState::PendingShare | MemberState::Inactive | MemberState::Suspended => {
            Err(Error::conflict("member_not_active").with("state", member.state))
        }
    }
}

/// A member who may be paid what they have: also one whose share is not current, who brings nothing new in.
///
/// # Errors
/// 409 `member_not_active`; 404 as [`member`].
pub fn require_payable(tx: &mut Tx<'_>, id: PersonId) -> Result<MemberRow> {
    let member = store::find_member(tx, id)?;
    rules::check_payable(member.state)?;
    Ok(member)
}

/// An active member of an entity by their address of mail: whom another member may ask for something.
///
/// # Errors
/// Fails with the database.
pub fn fellow(tx: &mut Tx<'_>, entity: EntityId, email: &str) -> Result<Option<Fellow>> {
    store::find_fellow(tx, entity, email)
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

/// Accounts by their ids, also those that others have replaced; in no order.
///
/// # Errors
/// Fails with the database.
pub fn payee_accounts(tx: &mut Tx<'_>, ids: &[PayeeAccountId]) -> Result<Vec<PayeeAccountRow>> {
    store::register::list_payee_accounts(tx, ids)
}

/// Members by their ids, in no order.
///
/// # Errors
/// Fails with the database.
pub fn members_by(tx: &mut Tx<'_>, ids: &[PersonId]) -> Result<Vec<MemberRow>> {
    store::register::list_members_by(tx, ids)
}

/// Shares that were subscribed at once.
///
/// # Errors
/// 404 when there are none, or when they are somebody else's.
pub fn share(tx: &mut Tx<'_>, id: ShareId) -> Result<ShareRow> {
    store::find_share(tx, id)
}

/// The share that a structured reference pays: its twelve digits.
///
/// # Errors
/// Fails with the database.
pub fn share_by_reference(tx: &mut Tx<'_>, digits: &str) -> Result<Option<ShareRow>> {
    store::find_share_by_reference(tx, digits)
}

/// Which of some payment references belong to shares.
///
/// # Errors
/// Fails with the database.
pub fn known_share_references(tx: &mut Tx<'_>, digits: &[String]) -> Result<BTreeSet<String>> {
    store::list_known_share_references(tx, digits)
}

/// Books that a share was paid. That makes its member active, for the first time or again.
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
        MemberState::Inactive => {
            store::save_member_state(tx, &member, MemberState::Active)?;
        }
        MemberState::Active | MemberState::Suspended => {}
    }
    store::save_share_paid(tx, &share, on)
}

/// A member with what belongs to the membership.
#[derive(Debug, Clone)]
pub struct MemberCard {
    /// The membership.
    pub member: MemberRow,
    /// The person.
    pub person: PersonRow,
    /// Where they are paid.
    pub account: Option<PayeeAccountRow>,
    /// Their shares, oldest first.
    pub shares: Vec<ShareRow>,
}

/// Members with what belongs to the membership, newest first.
///
/// # Errors
/// Fails with the database.
pub fn members(
    tx: &mut Tx<'_>,
    state: Option<MemberState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<MemberCard>> {
    let rows = store::list_members(tx, state, after, limit)?;
    cards(tx, rows)
}

/// A member with what belongs to the membership.
///
/// # Errors
/// 404 as [`member`].
pub fn card(tx: &mut Tx<'_>, id: PersonId) -> Result<MemberCard> {
    let row = store::find_member(tx, id)?;
    cards(tx, vec![row])?.pop().ok_or_else(Error::not_found)
}

/// Four statements, however many members.
fn cards(tx: &mut Tx<'_>, rows: Vec<MemberRow>) -> Result<Vec<MemberCard>> {
    let ids: Vec<PersonId> = rows.iter().map(|row| row.id).collect();
    let mut people: BTreeMap<_, _> = access::people_of(tx, &ids)?.into_iter().map(|it| (it.id, it)).collect();
    let mut accounts: BTreeMap<_, _> =
        store::list_live_payee_accounts(tx, &ids)?.into_iter().map(|it| (it.person_id, it)).collect();
    let mut shares: BTreeMap<PersonId, Vec<ShareRow>> = BTreeMap::new();
    for share in store::list_shares(tx, &ids)? {
        shares.entry(share.member_id).or_default().push(share);
    }
    let card = |member: MemberRow| {
        Some(MemberCard {
            person: people.remove(&member.id)?,
            account: accounts.remove(&member.id),
            shares: shares.remove(&member.id).unwrap_or_default(),
            member,
        })
    };
    Ok(rows.into_iter().filter_map(card).collect())
}

/// Suspends a member: they may look, and neither make documents nor be paid.
///
/// # Errors
/// 403 `self_approval_forbidden`; 409 unless active; 412 for another version; 422 for an empty reason.
pub fn suspend(tx: &mut Tx<'_>, id: PersonId, expected: i32, reason: &str) -> Result<MemberRow> {
    let member = lock_for_office(tx, id, expected)?;
    let state = rules::suspend(member.state)?;
    give_reason(tx, reason)?;
    store::save_member_state(tx, &member, state)
}

/// Ends the suspension of a member.
///
/// # Errors
/// 403 `self_approval_forbidden`; 409 unless suspended; 412 for another version; 422 for an empty reason.
pub fn reactivate(tx: &mut Tx<'_>, id: PersonId, expected: i32, reason: &str) -> Result<MemberRow> {
    let member = lock_for_office(tx, id, expected)?;
    let state = rules::reactivate(member.state)?;
    give_reason(tx, reason)?;
    store::save_member_state(tx, &member, state)
}

/// Locks a member for somebody of the office who is not that member.
fn lock_for_office(tx: &mut Tx<'_>, id: PersonId, expected: i32) -> Result<Locked<MemberRow>> {
    let member = store::lock_member(tx, id)?;
    if member.id == tx.person()? {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    if member.version != expected {
        return Err(Error::version_stale(member.version));
    }
    Ok(member)
}

fn give_reason(tx: &mut Tx<'_>, reason: &str) -> Result<()> {
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 500);
    checks.done()?;
    tx.reason(reason)
}

/// The shares of a member, oldest first.
///
/// # Errors
/// 404 as [`member`].
pub fn shares(tx: &mut Tx<'_>, of: PersonId) -> Result<Vec<ShareRow>> {
    store::find_member(tx, of)?;
    store::list_shares(tx, &[of])
}

/// Subscribes more shares for the signed-in member.
///
/// # Errors
/// 404 for another member; 409 `member_not_active`, `rule_set_missing`; 422 for a number out of range.
pub fn buy_shares(tx: &mut Tx<'_>, of: PersonId, id: ShareId, quantity: i32) -> Result<ShareRow> {
    if of != tx.person()? {
        return Err(Error::not_found());
    }
    let member = require_payable(tx, of)?;
    if !(1..=rules::SHARES_MAX).contains(&quantity) {
        return Err(Error::field("/quantity", "out_of_range"));
    }
    subscribe(tx, &member, id, quantity)
}

/// Subscribes shares at today's price, with a reference by which they are paid.
fn subscribe(tx: &mut Tx<'_>, member: &MemberRow, id: ShareId, quantity: i32) -> Result<ShareRow> {
    let zone = charter::entity(tx, member.entity_id)?.zone();
    let today = tx.today(zone);
    let rules_of_today = charter::rule_set_on(tx, member.entity_id, today)?;
    let new = store::NewShare {
        id,
        member_id: member.id,
        entity_id: member.entity_id,
        quantity,
        nominal_minor: rules_of_today.share_price_minor,
        currency: rules_of_today.currency,
        subscribed_on: today,
    };
    let share = store::insert_share(tx, &new)?;
    let amount = rules::share_amount(quantity, share.nominal_minor)?;
    let at = events::Booking { entity: share.entity_id, on: today, currency: share.currency };
    ledger::post(tx, &events::share_subscribed(at, share.id, member.id, amount)?)?;
    let reference = rules::share_reference(share.certificate).ok_or_else(|| Error::internal("certificates"))?;
    store::save_share_reference(tx, &share, reference.digits())
}

/// What some shares cost, for views.
///
/// # Errors
/// 422 for an amount out of range.
pub fn price(share: &ShareRow) -> Result<Money> {
    Ok(Money { amount_minor: rules::share_amount(share.quantity, share.nominal_minor)?, currency: share.currency })
}

impl ShareRow {
    /// How many of the shares were not given back.
    #[must_use]
    pub const fn held(&self) -> i32 {
        self.quantity.saturating_sub(self.redeemed_quantity)
    }
}

/// Notes that the signed-in member gave notice for some shares of a certificate, or for all that they hold by it.
/// Answers them and how many are given back.
///
/// # Errors
/// 404 for a share of somebody else; 409 `state_conflict` unless it is paid; 422 for more than are held.
pub fn begin_redemption(tx: &mut Tx<'_>, id: ShareId, quantity: Option<i32>) -> Result<(ShareRow, i32)> {
    let share = store::lock_share(tx, id)?;
    if share.member_id != tx.person()? {
        return Err(Error::not_found());
    }
    let state = rules::begin_redemption(share.state)?;
    let quantity = rules::quantity_given_back(share.held(), quantity)?;
    let row = store::save_share_state(tx, &share, state, share.redeemed_quantity)?;
    Ok((row, quantity))
}

/// Takes shares back for which notice was given: they are capital no more, the rest of the certificate stays. Of a
/// notice that was withdrawn, none.
///
/// # Errors
/// 404; 409 `state_conflict` without notice; 422 for more than are held.
pub fn end_redemption(tx: &mut Tx<'_>, id: ShareId, quantity: i32) -> Result<ShareRow> {
    let share = store::lock_share(tx, id)?;
    let redeemed = share.redeemed_quantity.saturating_add(quantity);
    let state = rules::end_redemption(share.state, share.quantity.saturating_sub(redeemed))?;
    store::save_share_state(tx, &share, state, redeemed)
}

/// The register of shares, newest first.
///
/// # Errors
/// Fails with the database.
pub fn share_register(
    tx: &mut Tx<'_>,
    filter: &RegisterFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Registered>> {
    store::list_register(tx, filter, after, limit)
}

/// What all pages of the register come to, by entity and currency.
///
/// # Errors
/// Fails with the database.
pub fn register_totals(tx: &mut Tx<'_>, filter: &RegisterFilter) -> Result<Vec<RegisterTotal>> {
    store::sum_register(tx, filter)
}

/// The active and the inactive members of an entity or one of them, each with every share that they hold, oldest
/// payment first. A member without one has one row without a share.
///
/// # Errors
/// Fails with the database.
pub fn held_shares(tx: &mut Tx<'_>, entity: EntityId, only: Option<PersonId>) -> Result<Vec<HeldShare>> {
    store::list_held_shares(tx, entity, only)
}

/// Makes an active member inactive because no share of theirs is current, or an inactive one active again.
/// Answers whether anything changed: a member in another state stays in it.
///
/// # Errors
/// 404.
pub fn set_current(tx: &mut Tx<'_>, id: PersonId, is_current: bool) -> Result<bool> {
    let member = store::lock_member(tx, id)?;
    let next = match (member.state, is_current) {
        (MemberState::Active, false) => MemberState::Inactive,
        (MemberState::Inactive, true) => MemberState::Active,
        (MemberState::PendingShare | MemberState::Suspended, _)
        | (MemberState::Active, true)
        | (MemberState::Inactive, false) => return Ok(false),
    };
    store::save_member_state(tx, &member, next)?;
    Ok(true)
}

/// The members of an entity, in the order of their ids, without those who never paid a share.
///
/// # Errors
/// Fails with the database.
pub fn members_of(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<MemberRow>> {
    store::list_members_of(tx, entity)
}

/// Shares, locked until the end of the transaction.
///
/// # Errors
/// 404 when there are none, or when they are somebody else's.
pub fn lock_share(tx: &mut Tx<'_>, id: ShareId) -> Result<Locked<ShareRow>> {
    store::lock_share(tx, id)
}
