//! Money that moves between activities of one entity, and how a collective divides what is on it.
//!
//! Owns `split_rule`, `split_part`, `split_run` and `transfer`. A transfer carries no fee and keeps the origin of the
//! money: what waits for an invoice goes on waiting for it, and of available money what is cleared moves first; the
//! rest takes the advances along that stand behind it, the oldest first, so that the guarantee follows the money. A
//! split is one transfer for each member, all or none. Lock order: invoices, activities, balances, each by id.
//!
//! Deliberately absent: transfers between entities or currencies, which are payments and not bookings.

pub mod http;
mod rules;
mod store;

use std::collections::BTreeMap;

use chrono::NaiveDate;
pub use rules::{Part, SplitKind};
pub use store::{PartRow, RuleRow, RunRow, TransferFilter, TransferRow};
use uuid::Uuid;

use crate::activities::collectives::{self, Sharer};
use crate::kernel::ids::{ActivityId, InvoiceId, PersonId, SplitRuleId, SplitRunId, TransferId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::refusal::Checks;
use crate::ledger::{self, Origin, events};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;
use crate::{activities, charter, members};
use store::HeldActivity;

/// Money to be moved.
#[derive(Debug, Clone)]
pub struct NewTransfer {
    /// Made by the sender.
    pub id: TransferId,
    /// From which activity, that one owns or manages.
    pub from: ActivityId,
    /// To which activity of the same entity.
    pub to: ActivityId,
    /// How much.
    pub amount: Money,
    /// Money that waits for this invoice; without it, available money.
    pub invoice: Option<InvoiceId>,
    /// What the other side should know.
    pub reason: String,
}

/// Moves money from an activity of the signed-in member to another of the same entity.
///
/// # Errors
/// 404 for an activity that is not seen; 403 `manager_only`; 409 `insufficient_available`, `insufficient_pending`,
/// `activity_closed`, `member_not_active`, `share_not_current` when a member without a current share gives money to
/// somebody else; 422 for itself, another entity, another currency and amounts that are none.
pub fn transfer(tx: &mut Tx<'_>, new: &NewTransfer) -> Result<TransferRow> {
    let mut checks = Checks::default();
    rules::check_amount(new.amount.amount_minor, &mut checks);
    rules::check_reason(&new.reason, &mut checks);
    checks.require(new.from != new.to, "/to_activity_id", "not_allowed");
    checks.done()?;
    let intent = Intent { from: new.from, invoice: new.invoice, reason: &new.reason, run: None, returns: None };
    let to = Target { id: new.id, to: new.to, amount: new.amount.amount_minor };
    let mut ends = hold(tx, &intent, &[new.to], "/to_activity_id")?;
    let giver = ends.remove(&new.from).ok_or_else(Error::not_found)?;
    check_currency(new.amount.currency, giver.currency)?;
    give(tx, &intent, &giver, &ends, &[to])?.pop().ok_or_else(|| Error::internal("one transfer"))
}

/// Gives back what was received by a transfer, as a transfer of its own that names it: while it still waits for its
/// invoice as money that waits, else out of what is available.
///
/// # Errors
/// 404 for one that is not seen; 403 `role_forbidden` unless one received it; 409 `already_returned` and as
/// [`transfer`].
pub fn give_back(tx: &mut Tx<'_>, id: TransferId, new: TransferId, reason: &str) -> Result<TransferRow> {
    let received = store::find(tx, id)?;
    let mut checks = Checks::default();
    rules::check_reason(reason, &mut checks);
    checks.done()?;
    // Whoever gave it sees the transfer and not where it went.
    let refused = || Error::forbidden("role_forbidden");
    let activity = activities::activity(tx, received.to_activity_id).map_err(|_unseen| refused())?;
    if activity.member_id != tx.person()? {
        return Err(refused());
    }
    if store::is_returned(tx, id)? {
        return Err(Error::conflict("already_returned"));
    }
    let waiting = ledger::origins(tx, activity.id)?;
    let still_waits = |invoice: &InvoiceId| {
        waiting.iter().any(|origin| origin.invoice_id == *invoice && origin.pending_minor >= received.amount_minor)
    };
    let invoice = received.invoice_id.filter(still_waits);
    let intent = Intent { from: activity.id, invoice, reason, run: None, returns: Some(id) };
    let to = Target { id: new, to: received.from_activity_id, amount: received.amount_minor };
    let mut ends = hold(tx, &intent, &[to.to], "/id")?;
    let giver = ends.remove(&activity.id).ok_or_else(Error::not_found)?;
    give(tx, &intent, &giver, &ends, &[to])?.pop().ok_or_else(|| Error::internal("one transfer"))
}

/// The transfer that gave one back, if it was.
///
/// # Errors
/// Fails with the database.
pub fn returned_by(tx: &mut Tx<'_>, id: TransferId) -> Result<Option<TransferId>> {
    store::find_return(tx, id)
}

/// A transfer.
///
/// # Errors
/// 404 for one that one has no part in.
pub fn find(tx: &mut Tx<'_>, id: TransferId) -> Result<TransferRow> {
    store::find(tx, id)
}

/// Transfers, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, filter: &TransferFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<TransferRow>> {
    store::list(tx, filter, after, limit)
}

/// A new version of how a collective divides its money.
#[derive(Debug, Clone)]
pub struct NewRule {
    /// Made by the sender.
    pub id: SplitRuleId,
    /// The collective.
    pub activity: ActivityId,
    /// By which key.
    pub kind: SplitKind,
    /// From which day.
    pub valid_from: NaiveDate,
    /// Who gets what; empty for equal shares.
    pub parts: Vec<Part>,
}

/// Says how a collective divides its money from a day on. What came before stays as it was.
///
/// # Errors
/// 404 and 403 as [`transfer`]; 409 `not_a_collective`, `activity_closed`; 422 for parts that are not exact, for
/// members who do not share it and for a day in the past.
pub fn make_rule(tx: &mut Tx<'_>, new: &NewRule) -> Result<(RuleRow, Vec<PartRow>)> {
    let activity = activities::require_open(tx, new.activity)?;
    if !activity.is_collective {
        return Err(Error::conflict("not_a_collective"));
    }
    let entity = charter::entity(tx, activity.entity_id)?;
    let balance = ledger::balance(tx, activity.id)?;
    let sharers = collectives::sharers(tx, activity.id)?;
    let today = tx.today(entity.zone());
    rules::check_rule(new, &sharers, balance.currency, today)?;
    let me = tx.person()?;
    // Two versions made at the same moment would have one number: the balance is what all of them wait at.
    ledger::lock_balance(tx, activity.id)?;
    let rule = store::insert_rule(tx, new, balance.currency, me)?;
    let parts = store::insert_parts(tx, &rule, &new.parts)?;
    Ok((rule, parts))
}

/// The versions of how a collective divides its money, newest first, with their parts.
///
/// # Errors
/// 404 for an activity that one does not see.
pub fn rules_of(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<(RuleRow, Vec<PartRow>)>> {
    activities::activity(tx, activity)?;
    let rules = store::list_rules(tx, activity)?;
    let mut parts: BTreeMap<SplitRuleId, Vec<PartRow>> = BTreeMap::new();
    for part in store::list_parts(tx, &rules)? {
        parts.entry(part.rule_id).or_default().push(part);
    }
    Ok(rules.into_iter().map(|rule| (rule.clone(), parts.remove(&rule.id).unwrap_or_default())).collect())
}

/// In which proportion the members of a collective share it by the rule of a day: by their shares, by their fixed
/// amounts, or equally among those who share it now; equally too where nobody made a rule.
///
/// # Errors
/// 404 for an activity that one does not see.
pub fn weights_on(tx: &mut Tx<'_>, activity: ActivityId, on: NaiveDate) -> Result<Vec<(PersonId, u64)>> {
    let rule = store::find_rule_on(tx, activity, on)?;
    let parts = store::list_parts(tx, rule.as_slice())?;
    let sharers = collectives::sharers(tx, activity)?;
    Ok(rules::weights(&parts, &sharers))
}

/// What a collective is to divide.
#[derive(Debug, Clone)]
pub struct NewSplit {
    /// Made by the sender.
    pub id: SplitRunId,
    /// The collective.
    pub activity: ActivityId,
    /// How much; all there is when absent.
    pub amount: Option<Money>,
    /// Money that waits for this invoice; without it, available money.
    pub invoice: Option<InvoiceId>,
    /// What the members should know.
    pub reason: String,
}

/// Divides money of a collective by the rule in force: one transfer for each member, all or none.
///
/// # Errors
/// 404 and 403 as [`transfer`]; 409 `not_a_collective`, `split_rule_missing`, `split_exceeds_amount`,
/// `split_receiver_missing` and as [`transfer`].
pub fn divide(tx: &mut Tx<'_>, new: &NewSplit) -> Result<(RunRow, Vec<TransferRow>)> {
    let activity = activities::require_open(tx, new.activity)?;
    if !activity.is_collective {
        return Err(Error::conflict("not_a_collective"));
    }
    let mut checks = Checks::default();
    if let Some(amount) = new.amount {
        rules::check_amount(amount.amount_minor, &mut checks);
    }
    rules::check_reason(&new.reason, &mut checks);
    checks.done()?;
    let entity = charter::entity(tx, activity.entity_id)?;
    let today = tx.today(entity.zone());
    let rule = store::find_rule_on(tx, activity.id, today)?.ok_or_else(|| Error::conflict("split_rule_missing"))?;
    let parts = store::list_parts(tx, std::slice::from_ref(&rule))?;
    let sharers = collectives::sharers(tx, activity.id)?;
    let intent =
        Intent { from: activity.id, invoice: new.invoice, reason: &new.reason, run: Some(new.id), returns: None };
    let receivers = receivers(&parts, &sharers)?;
    let to: Vec<ActivityId> = receivers.values().copied().collect();
    let mut ends = hold(tx, &intent, &to, "/id")?;
    let giver = ends.remove(&activity.id).ok_or_else(Error::not_found)?;
    let amount = match new.amount {
        Some(amount) => check_currency(amount.currency, giver.currency).map(|()| amount.amount_minor)?,
        None => all_of(tx, &intent, &to)?,
    };
    let shares = rules::divide(rule.kind, &parts, &sharers, amount)?;
    let given = Minor::sum(shares.iter().map(|(_, share)| *share))?;
    let run =
        store::insert_run(tx, new, &rule, Money { amount_minor: amount, currency: giver.currency }, given, today)?;
    let mut targets = Vec::with_capacity(shares.len());
    for (member, amount) in shares {
        let to = *receivers.get(&member).ok_or_else(|| Error::internal("every share has a receiver"))?;
        targets.push(Target { id: tx.new_id(), to, amount });
    }
    let transfers = give(tx, &intent, &giver, &ends, &targets)?;
    Ok((run, transfers))
}

/// The divisions of a collective's money, newest first, each with its transfers.
///
/// # Errors
/// 404 for an activity that one does not see.
pub fn runs_of(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(RunRow, Vec<TransferRow>)>> {
    activities::activity(tx, activity)?;
    let runs = store::list_runs(tx, activity, after, limit)?;
    let mut transfers: BTreeMap<SplitRunId, Vec<TransferRow>> = BTreeMap::new();
    for row in store::list_of_runs(tx, &runs)? {
        if let Some(run) = row.split_run_id {
            transfers.entry(run).or_default().push(row);
        }
    }
    Ok(runs.into_iter().map(|run| (run.clone(), transfers.remove(&run.id).unwrap_or_default())).collect())
}

/// What is the same for all transfers of a command.
#[derive(Debug, Clone, Copy)]
struct Intent<'a> {
    from: ActivityId,
    invoice: Option<InvoiceId>,
    reason: &'a str,
    run: Option<SplitRunId>,
    returns: Option<TransferId>,
}

impl Intent<'_> {
    /// Whether the money is the receiver's already: their part by the rule of the collective, or what they gave before.
    const fn is_owed(&self) -> bool {
        self.run.is_some() || self.returns.is_some()
    }
}

/// Where one transfer goes.
#[derive(Debug, Clone, Copy)]
struct Target {
    id: TransferId,
    to: ActivityId,
    amount: Minor,
}

/// Where each member's share arrives. Refused when somebody who has a part shares the collective no more, or has not
/// said where.
fn receivers(parts: &[PartRow], sharers: &[Sharer]) -> Result<BTreeMap<PersonId, ActivityId>> {
    let mut receivers = BTreeMap::new();
    let everybody = sharers.iter().map(|sharer| sharer.member);
    let named: Vec<PersonId> =
        if parts.is_empty() { everybody.collect() } else { parts.iter().map(|part| part.member_id).collect() };
    for member in named {
        let place = sharers.iter().find(|sharer| sharer.member == member);
        let on = place.and_then(|sharer| sharer.receives_on);
        let on = on.ok_or_else(|| Error::conflict("split_receiver_missing").with("member_id", member))?;
        receivers.insert(member, on);
    }
    Ok(receivers)
}

/// Holds everything that a transfer touches, in the one order: the invoices whose money may move, the activities,
/// the balances. Answers the activities by id, the giver's among them.
fn hold(
    tx: &mut Tx<'_>,
    intent: &Intent<'_>,
    to: &[ActivityId],
    pointer: &str,
) -> Result<BTreeMap<ActivityId, HeldActivity>> {
    // Seen at all? Shared but not managed?
    let giver = activities::require_open(tx, intent.from)?;
    let me = tx.person()?;
    if giver.member_id != me {
        return Err(Error::forbidden("manager_only"));
    }
    // Without a current share what is theirs stays theirs: it moves to where it is paid out, and to nobody else.
    let is_current = members::require_payable(tx, me)?.state == members::MemberState::Active;
    let invoices: Vec<InvoiceId> = match intent.invoice {
        Some(invoice) => vec![invoice],
        None => advanced(&ledger::origins(tx, intent.from)?).into_iter().map(|(invoice, _)| invoice).collect(),
    };
    ledger::lock_invoices(tx, &invoices)?;
    let held: BTreeMap<ActivityId, HeldActivity> =
        store::hold_activities(tx, intent.from, to)?.into_iter().map(|row| (row.id, row)).collect();
    for receiver in to {
        let end = held.get(receiver).filter(|end| end.entity_id == giver.entity_id);
        let end = end.ok_or_else(|| Error::field(pointer, "invalid"))?;
        if end.is_closed {
            return Err(Error::conflict("activity_closed").with("activity_id", receiver));
        }
        rules::check_giver(is_current, intent.is_owed(), end.member_id == me)?;
    }
    ledger::lock_transfer(tx, intent.from, to)?;
    // An advance that came between the look and the locks is on an invoice that is not held: begin again.
    let now = ledger::origins(tx, intent.from)?;
    let is_held = |(invoice, _): &(InvoiceId, Minor)| invoices.contains(invoice);
    if intent.invoice.is_none() && !advanced(&now).iter().all(is_held) && !tx.faults().removed(Guard::RowLock) {
        ledger::try_again(tx)?;
    }
    Ok(held)
}

fn check_currency(asked: Currency, held: Currency) -> Result<()> {
    if asked == held {
        return Ok(());
    }
    let mut refused = Error::value("currency_mismatch").with("expected", held);
    refused.fields = Error::field("/amount/currency", "currency_mismatch").fields;
    Err(refused)
}

fn advanced(origins: &[Origin]) -> Vec<(InvoiceId, Minor)> {
    let parts = origins.iter().map(|origin| (origin.invoice_id, origin.advanced_minor));
    parts.filter(|(_, advanced)| *advanced > Minor::ZERO).collect()
}

fn pending_of(origins: &[Origin], invoice: InvoiceId) -> Minor {
    origins.iter().find(|origin| origin.invoice_id == invoice).map_or(Minor::ZERO, |origin| origin.pending_minor)
}

/// All that can be divided; the balances are held.
fn all_of(tx: &mut Tx<'_>, intent: &Intent<'_>, to: &[ActivityId]) -> Result<Minor> {
    let amount = match intent.invoice {
        Some(invoice) => pending_of(&ledger::origins(tx, intent.from)?, invoice),
        None => ledger::lock_transfer(tx, intent.from, to)?.available_minor,
    };
    if amount > Minor::ZERO {
        return Ok(amount);
    }
    let code = if intent.invoice.is_some() { "insufficient_pending" } else { "insufficient_available" };
    Err(Error::conflict(code))
}

/// Books transfers out of one activity; everything is held.
fn give(
    tx: &mut Tx<'_>,
    intent: &Intent<'_>,
    giver: &HeldActivity,
    receivers: &BTreeMap<ActivityId, HeldActivity>,
    targets: &[Target],
) -> Result<Vec<TransferRow>> {
    let amounts: Vec<Minor> = targets.iter().map(|target| target.amount).collect();
    let total = Minor::sum(amounts.iter().copied())?;
    let origins = ledger::origins(tx, giver.id)?;
    let is_checked = !tx.faults().removed(Guard::BalanceCheck);
    let advances = match intent.invoice {
        Some(invoice) => {
            let pending = pending_of(&origins, invoice);
            if total > pending && is_checked {
                return Err(Error::conflict("insufficient_pending").with("pending_minor", pending.get()));
            }
            vec![Vec::new(); targets.len()]
        }
        None => {
            let available = ledger::balance(tx, giver.id)?.available_minor;
            if total > available && is_checked {
                return Err(Error::conflict("insufficient_available").with("available_minor", available.get()));
            }
            rules::advances(available, &advanced(&origins), &amounts)?
        }
    };
    let entity = charter::entity(tx, giver.entity_id)?;
    let at = events::Booking { entity: entity.id, on: tx.today(entity.zone()), currency: giver.currency };
    let me = tx.person()?;
    let (mut rows, mut entries) = (Vec::with_capacity(targets.len()), Vec::with_capacity(targets.len()));
    for (target, advances) in targets.iter().zip(&advances) {
        let receiver = receivers.get(&target.to).ok_or_else(|| Error::internal("every receiver is held"))?;
        let carried = Minor::sum(advances.iter().map(|(_, part)| *part))?;
        let (from, to) = (giver.end(), receiver.end());
        rows.push(store::Draft { target: *target, intent: *intent, from, to, at, carried, by: me }.insert(tx)?);
        let moved = match intent.invoice {
            Some(invoice) => events::Moved::Pending(invoice, target.amount),
            None => events::Moved::Available(target.amount, advances),
        };
        entries.push(events::transferred(at, target.id, from, to, moved)?);
    }
    ledger::post_all(tx, &entries)?;
    Ok(rows)
}
