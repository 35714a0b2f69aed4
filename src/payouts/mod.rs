//! Payouts: from money on an activity to a bank file that two people stand for.
//!
//! Owns `payout`, `payout_batch`, `batch_approval`, `approval_amount`, `batch_policy`, `bank_report`, `bank_report_line`,
//! `payout_decision`, `bank_limit`, `text_in_file`, `payment_authority`, `remittance`. Asking for a payout sets its money aside at once. A reviewer
//! approves it and by that freezes the account it goes to. Payouts are gathered in a batch; sealing writes the bank
//! file and its SHA-256; another person approves exactly those bytes; then it is released, once. Only the bank's own
//! statement settles a payout or brings it back. PostgreSQL holds the same rules a second time.

pub mod batches;
pub mod http;
pub mod limits;
mod payees;
pub mod policy;
pub mod remittances;
pub mod results;
mod rules;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
pub use rules::{BatchCommand, BatchState, PayoutCommand, PayoutState};
pub use store::texts::TextRow;
pub use store::{ApprovalRow, BatchRow, PayoutFilter, PayoutRow};
use uuid::Uuid;

use crate::formats::letters::Letter;
use crate::kernel::ids::{ActivityId, PayoutId, PersonId};
use crate::kernel::money::{Minor, Money};
use crate::kernel::refusal::Checks;
use crate::kernel::schemes::Method;
use crate::ledger;
use crate::ledger::events::{self, Arrival, Booking, Paid, PayoutFunds, Wage};
use crate::outbox::{self, QueuedLetter};
use crate::payroll::{self, Beside, SlipOf, SlipRow};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;
use crate::{access, activities, charter, members, risk};

/// Asks for a payout: the money is set aside in the same transaction, or the answer is no.
///
/// # Errors
/// 409 `collective_pays_by_transfer`, `insufficient_available`, `member_not_active`, `payee_account_missing`, `payee_account_unverified`; 422 for
/// an amount that is not positive, and for one that makes no pay.
pub fn request(
    tx: &mut Tx<'_>,
    id: PayoutId,
    activity: ActivityId,
    amount: Money,
    (beside, copyright): (Option<Money>, Option<Money>),
) -> Result<PayoutRow> {
    let me = tx.person()?;
    request_for(tx, me, id, activity, amount, (beside, copyright))
}

/// As [`request`], for a member who is not the one who acts: a plan asks for them.
///
/// # Errors
/// As [`request`].
pub fn request_for(
    tx: &mut Tx<'_>,
    me: PersonId,
    id: PayoutId,
    activity: ActivityId,
    amount: Money,
    (beside, copyright): (Option<Money>, Option<Money>),
) -> Result<PayoutRow> {
    let mut checks = Checks::default();
    checks.require(amount.amount_minor > Minor::ZERO, "/amount/amount_minor", "out_of_range");
    checks.require(amount.amount_minor.get() <= rules::AMOUNT_MAX, "/amount/amount_minor", "out_of_range");
    let mut part = |money: Option<Money>, pointer: &str| {
        let fits = money.is_none_or(|money| money.currency == amount.currency);
        checks.require(fits, &format!("{pointer}/currency"), "currency_mismatch");
        money.map_or(Minor::ZERO, |money| money.amount_minor)
    };
    let beside = Beside { beside: part(beside, "/beside_wage"), rights: part(copyright, "/copyright") };
    checks.done()?;
    let activity = activities::require_open(tx, activity)?;
    if activity.member_id != me {
        return Err(Error::not_found());
    }
    if activity.is_collective {
        return Err(Error::conflict("collective_pays_by_transfer"));
    }
    members::require_payable(tx, me)?;
    members::live_payee_account(tx, me)?;
    let balance = ledger::lock_balance(tx, activity.id)?;
    if balance.currency != amount.currency {
        let mut refused = Error::value("currency_mismatch").with("currency", balance.currency);
        refused.fields = Error::field("/amount/currency", "currency_mismatch").fields;
        return Err(refused);
    }
    let spendable = balance.available_minor.plus(balance.overdraft_minor)?;
    if amount.amount_minor > spendable && !tx.faults().removed(Guard::BalanceCheck) {
        return Err(Error::conflict("insufficient_available").with("available_minor", balance.available_minor.get()));
    }
    let entity = charter::entity(tx, activity.entity_id)?;
    payroll::try_out(tx, &activity, amount, beside)?;
    let payout = store::insert(tx, id, activity.entity_id, activity.id, me, amount, beside)?;
    let at = Booking { entity: payout.entity_id, on: tx.today(entity.zone()), currency: payout.currency };
    ledger::post(tx, &events::payout_reserved(at, funds(&payout), payout.amount_minor)?)?;
    risk::asked(tx, payout.id, me)?;
    Ok(payout)
}

fn funds(payout: &PayoutRow) -> PayoutFunds {
    PayoutFunds { payout: payout.id, activity: payout.activity_id, member: payout.member_id }
}

/// A payout.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: PayoutId) -> Result<PayoutRow> {
    store::find(tx, id)
}

/// What the files that were sealed with a payout say of its payee, the newest first.
///
/// # Errors
/// Fails with the database.
pub fn texts_in_files(tx: &mut Tx<'_>, id: PayoutId) -> Result<Vec<TextRow>> {
    store::texts::list_of_payout(tx, id)
}

/// The slip of a payout that is a wage.
///
/// # Errors
/// 404; 409 `pay_slip_missing` for a plain transfer, and before the payout is approved.
pub fn slip(tx: &mut Tx<'_>, id: PayoutId) -> Result<SlipRow> {
    let payout = store::find(tx, id)?;
    match payout.scheme {
        Method::Salary => payroll::slip(tx, id),
        Method::PlainTransfer => Err(Error::conflict("pay_slip_missing").with("state", payout.state)),
    }
}

/// Payouts, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, filter: &PayoutFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<PayoutRow>> {
    store::list(tx, filter, after, limit)
}

/// Approves a payout and freezes the account it goes to. Of a wage, its slip is computed now: what the bank is told and
/// what is booked is read from there.
///
/// # Errors
/// 403 for one's own; 409 in another state, without a verified account, `payout_on_hold`, `payout_limit_reached`; 412 for
/// another version.
pub fn approve(tx: &mut Tx<'_>, id: PayoutId, expected: i32) -> Result<PayoutRow> {
    let payout = lock_at(tx, id, expected)?;
    rules::may(payout.state, PayoutCommand::Approve)?;
    let me = tx.person()?;
    if me == payout.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    members::require_payable(tx, payout.member_id)?;
    risk::require_free(tx, &[id])?;
    let account = members::live_payee_account(tx, payout.member_id)?;
    let budget = Money { amount_minor: payout.amount_minor, currency: payout.currency };
    let of = SlipOf { payout: payout.id, activity: payout.activity_id, budget, beside: payout.beside() };
    let slip = payroll::fix(tx, &of)?;
    let approved = store::mark_approved(tx, &payout, account.id, slip.map(|slip| slip.net_minor), me)?;
    risk::reviewed(tx, approved.entity_id, approved.currency, id)?;
    Ok(approved)
}

/// Refuses a payout, with the reason, and gives its money back.
///
/// # Errors
/// 403 for one's own; 409 in another state; 412 for another version.
pub fn refuse(tx: &mut Tx<'_>, id: PayoutId, expected: i32, reason: &str) -> Result<PayoutRow> {
    let payout = lock_at(tx, id, expected)?;
    rules::may(payout.state, PayoutCommand::Refuse)?;
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    let me = tx.person()?;
    if me == payout.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    tx.reason(reason)?;
    give_back(tx, &payout)?;
    store::mark_refused(tx, &payout, me, reason)
}

/// Takes a payout back before it is in a batch, and gives its money back.
///
/// # Errors
/// 409 in another state; 412 for another version.
pub fn cancel(tx: &mut Tx<'_>, id: PayoutId, expected: i32) -> Result<PayoutRow> {
    let payout = lock_at(tx, id, expected)?;
    rules::may(payout.state, PayoutCommand::Cancel)?;
    give_back(tx, &payout)?;
    store::set_state(tx, &payout, PayoutState::Cancelled)
}

fn give_back(tx: &mut Tx<'_>, payout: &PayoutRow) -> Result<()> {
    let entity = charter::entity(tx, payout.entity_id)?;
    let at = Booking { entity: payout.entity_id, on: tx.today(entity.zone()), currency: payout.currency };
    ledger::post(tx, &events::payout_cancelled(at, funds(payout), payout.amount_minor)?)
}

fn lock_at(tx: &mut Tx<'_>, id: PayoutId, expected: i32) -> Result<Locked<PayoutRow>> {
    let payout = store::lock(tx, id)?;
    if payout.version == expected { Ok(payout) } else { Err(Error::version_stale(payout.version)) }
}

/// The wage that a payout is; none for a plain transfer.
fn wage(tx: &mut Tx<'_>, payout: &PayoutRow) -> Result<Option<Wage>> {
    Ok(wages(tx, std::slice::from_ref(payout))?.remove(&payout.id))
}

/// The wages that some payouts are, by payout; none for plain transfers.
fn wages(tx: &mut Tx<'_>, payouts: &[PayoutRow]) -> Result<BTreeMap<PayoutId, Wage>> {
    let paid_as_wage = payouts.iter().filter(|payout| payout.scheme == Method::Salary);
    let ids: Vec<PayoutId> = paid_as_wage.map(|payout| payout.id).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let slips = payroll::slips(tx, &ids)?;
    let wage_of = |id: PayoutId| Ok((id, payroll::wage(&slips.get(&id).ok_or_else(Error::not_found)?.pay()?)?));
    ids.into_iter().map(wage_of).collect()
}

fn paid<'a>(payout: &PayoutRow, wage: Option<&'a Wage>) -> Paid<'a> {
    wage.map_or(Paid::Plain(payout.amount_minor), Paid::Wage)
}

fn tell(tx: &mut Tx<'_>, payout: &PayoutRow, letter: Letter) -> Result<()> {
    let member = access::person(tx, payout.member_id)?;
    outbox::queue_letter(tx, mail(payout, &member, letter), "once")
}

fn mail(payout: &PayoutRow, member: &access::PersonRow, letter: Letter) -> QueuedLetter {
    let owner = Some(payout.member_id);
    QueuedLetter { to: member.email.clone(), language: member.language, letter, subject: payout.id.0, owner }
}

/// A payout by the id that the bank carries back, locked.
///
/// # Errors
/// Fails with the database.
pub fn by_end_to_end_id(tx: &mut Tx<'_>, end_to_end_id: &str) -> Result<Option<PayoutRow>> {
    store::lock_by_end_to_end_id(tx, end_to_end_id)
}

/// Which of some end-to-end ids are those of payouts.
///
/// # Errors
/// Fails with the database.
pub fn known_end_to_end_ids(tx: &mut Tx<'_>, ids: &[&str]) -> Result<BTreeSet<String>> {
    store::list_known_end_to_end_ids(tx, ids)
}

/// The bank carried a payout out.
///
/// # Errors
/// 409 in another state than released.
pub fn settle(tx: &mut Tx<'_>, id: PayoutId, on: NaiveDate, from: Arrival) -> Result<()> {
    let payout = store::lock(tx, id)?;
    rules::may(payout.state, PayoutCommand::Settle)?;
    let at = Booking { entity: payout.entity_id, on, currency: payout.currency };
    ledger::post(tx, &events::payout_settled(at, funds(&payout), payout.sent(), from)?)?;
    store::mark_settled(tx, &payout, on)
}

/// The bank gave a payout back: its money is on the activity again, and somebody looks after it.
///
/// # Errors
/// 409 in another state than settled.
pub fn return_to_activity(
    tx: &mut Tx<'_>,
    id: PayoutId,
    on: NaiveDate,
    reason: &str,
    from: Arrival,
    desk_owner: PersonId,
) -> Result<()> {
    let payout = store::lock(tx, id)?;
    rules::may(payout.state, PayoutCommand::Return)?;
    tx.reason(reason)?;
    let at = Booking { entity: payout.entity_id, on, currency: payout.currency };
    let wage = match payout.scheme {
        Method::PlainTransfer => None,
        Method::Salary => Some(payroll::true_ups::take_back(tx, payout.id)?),
    };
    ledger::post(tx, &events::payout_returned(at, funds(&payout), paid(&payout, wage.as_ref()), from)?)?;
    store::mark_returned(tx, &payout, on, reason, desk_owner)?;
    let amount = Money { amount_minor: payout.sent(), currency: payout.currency };
    tell(tx, &payout, Letter::PayoutReturned { amount, reason: reason.to_owned() })
}
