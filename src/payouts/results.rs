//! What became of what was sent: a bank's answers, its silence, and what people decide where neither settles it.
//!
//! Owns `bank_report`, `bank_report_line`, `payout_decision`. A payout that a bank refuses waits with its money held back;
//! one that a bank says nothing about becomes a person's to ask. Neither is ever sent again by the program: two people, on
//! evidence, send a new payout in its place, give the money back, or take it for carried out until the bank shows it.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::rules::{self, ItemId, PayoutCommand, PayoutState, SentItem};
pub use super::store::results::{DecisionRow, DeskFilter, ReportLine, ReportRow};
use super::store::{self, PayoutRow, results as rows};
use super::{funds, paid, policy, remittances, tell, wage};
use crate::access;
use crate::archive::{self, Kind, NewFile};
use crate::formats::letters::Letter;
use crate::formats::pain002::{self, Reason, Report};
use crate::formats::safe_xml::Limits;
use crate::kernel::calendar::add_working_days;
use crate::kernel::ids::{BankReportId, BatchId, EntityId, FileId, PayoutDecisionId, PayoutId, PersonId};
use crate::kernel::money::{Minor, Money};
use crate::kernel::refusal::Checks;
use crate::ledger::events::{self, Booking, Paid};
use crate::named;
use crate::payroll::{self, SlipOf};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::{charter, ledger, members};

named! {
    /// What a line of a bank's answer did.
    Effect {
        /// Nothing: the bank took the transfer.
        Accepted = "accepted",
        /// The payout was refused.
        Rejected = "rejected",
        /// Nothing: the payout was past it.
        Late = "late",
        /// Nothing: it is about no payout of ours.
        NotOurs = "not_ours",
    }
}

named! {
    /// What two people decide about a payout that did not arrive for sure.
    DecisionKind {
        /// A new payout is sent in its place; the first did not leave.
        Resend = "resend",
        /// Its money is on the activity again; it did not leave.
        GiveBack = "give_back",
        /// The bank carried it out, as other evidence shows.
        Confirm = "confirm",
    }
}

named! {
    /// Where a decision stands.
    DecisionState {
        /// One person proposed it.
        Proposed = "proposed",
        /// Another agreed; it is done.
        Agreed = "agreed",
        /// Another said no.
        Refused = "refused",
    }
}

/// Reads a bank's answer. Takes no database, so that nothing waits while it runs.
///
/// # Errors
/// 422 `bank_report_unreadable` with what is wrong.
pub fn read(bytes: &[u8]) -> Result<Report> {
    pain002::read(bytes, Limits::default())
        .map_err(|refused| Error::value("bank_report_unreadable").with("at", refused))
}

/// Keeps a bank's answer and does what it says, once: the same file again changes nothing.
///
/// # Errors
/// Fails with the database.
pub fn import(tx: &mut Tx<'_>, report: &Report, bytes: &[u8]) -> Result<ReportRow> {
    let sha256 = archive::sha256(bytes);
    if let Some(known) = rows::find_report_by_hash(tx, &sha256)? {
        return Ok(known);
    }
    let me = tx.person()?;
    let id: BankReportId = tx.new_id();
    let batch = store::find_batch_by_message(tx, &report.original_message_id)?;
    let safe: String = report.message_id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = format!("payment-status-{safe}.xml");
    let file = NewFile {
        kind: Kind::BankStatement,
        subject: id.0,
        owner: None,
        name: &name,
        media_type: "application/xml",
        bytes,
    };
    let file_id = archive::keep(tx, &file)?;
    let row = ReportRow {
        id,
        message_id: report.message_id.clone(),
        original_message_id: report.original_message_id.clone(),
        batch_id: batch.as_ref().map(|batch| batch.id),
        status: report.status.as_deref().map(short_status),
        file_id,
        sha256: sha256.to_vec(),
        imported_by: me,
        created_at: tx.now(),
    };
    rows::insert_report(tx, &row)?;
    let items = match &batch {
        Some(batch) => sent_items(tx, batch.id)?,
        None => Vec::new(),
    };
    let judged = rules::judge_report(report, &items);
    let lines: Vec<ReportLine> = judged.iter().zip(1_i32..).map(|(line, n)| line.row(id, n)).collect();
    rows::insert_lines(tx, &lines)?;
    for line in judged.iter().filter(|line| line.effect == Effect::Rejected) {
        match line.item {
            Some(ItemId::Payout(payout)) => reject(tx, payout, &line.reason, me)?,
            Some(ItemId::Remittance(id)) => remittances::reject(tx, id, &line.reason)?,
            None => {}
        }
    }
    Ok(row)
}

/// What a batch carries, locked.
fn sent_items(tx: &mut Tx<'_>, of: BatchId) -> Result<Vec<SentItem>> {
    let payouts = store::lock_items(tx, of)?.into_iter().map(|payout| SentItem {
        id: ItemId::Payout(payout.id),
        end_to_end_id: payout.end_to_end_id,
        state: payout.state,
    });
    let owed = remittances::lock_items(tx, of)?.into_iter().map(|item| SentItem {
        id: ItemId::Remittance(item.row.id),
        end_to_end_id: item.row.end_to_end_id,
        state: item.row.state,
    });
    Ok(payouts.chain(owed).collect())
}

/// What a bank says, as it is shown.
pub(super) fn said(reason: &Reason) -> String {
    format!("{} {}", reason.code, reason.text).trim().to_owned()
}

fn short_status(status: &str) -> String {
    status.chars().take(4).collect()
}

/// A bank refused a payout: its money is held back, and somebody looks after it.
fn reject(tx: &mut Tx<'_>, id: PayoutId, reason: &Reason, owner: PersonId) -> Result<()> {
    let payout = store::lock(tx, id)?;
    rules::may(payout.state, PayoutCommand::Reject)?;
    let said = &said(reason);
    tx.reason(said)?;
    take_back(tx, &payout)?;
    let row = rows::mark_rejected(tx, &payout, said, owner)?;
    let amount = Money { amount_minor: row.sent(), currency: row.currency };
    tell(tx, &row, Letter::PayoutRejected { amount, reason: said.to_owned() })
}

fn at(tx: &mut Tx<'_>, payout: &PayoutRow) -> Result<Booking> {
    let entity = charter::entity(tx, payout.entity_id)?;
    Ok(Booking { entity: payout.entity_id, on: tx.today(entity.zone()), currency: payout.currency })
}

/// Books that a payout never left: everything of its release is taken back, and its money is held.
fn take_back(tx: &mut Tx<'_>, payout: &PayoutRow) -> Result<()> {
    let at = at(tx, payout)?;
    let wage = wage(tx, payout)?;
    ledger::post(tx, &events::payout_rejected(at, funds(payout), paid(payout, wage.as_ref()))?)
}

/// What is held of a payout that was taken back: of a wage all but its residual, which was never consumed.
fn held(tx: &mut Tx<'_>, payout: &PayoutRow) -> Result<Minor> {
    let wage = wage(tx, payout)?;
    Ok(match paid(payout, wage.as_ref()) {
        Paid::Plain(amount) => amount,
        Paid::Wage(wage) => wage.budget.minus(wage.residual)?,
    })
}

/// A report.
///
/// # Errors
/// 404.
pub fn report(tx: &mut Tx<'_>, id: BankReportId) -> Result<(ReportRow, Vec<ReportLine>)> {
    let row = rows::find_report(tx, id)?;
    let lines = rows::list_lines(tx, id)?;
    Ok((row, lines))
}

/// Reports, newest first.
///
/// # Errors
/// Fails with the database.
pub fn reports(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<ReportRow>> {
    rows::list_reports(tx, after, limit)
}

/// Gives payouts that a bank has said nothing about for too many working days to a person, and tells the members.
/// Answers how many.
///
/// # Errors
/// Fails with the database.
pub fn ask_about_silence(tx: &mut Tx<'_>, entity: EntityId, today: NaiveDate) -> Result<usize> {
    let days = u32::try_from(policy::current(tx, entity, today)?.silent_days).unwrap_or(1);
    let entity = charter::entity(tx, entity)?;
    let mut asked = 0_usize;
    for batch in rows::list_silent_batches(tx, entity.id)? {
        let released = batch.released_at.map_or(batch.execute_on, |at| at.with_timezone(&entity.zone()).date_naive());
        let from = released.max(batch.execute_on);
        let holidays = charter::holidays(tx, &entity.country, from)?;
        if add_working_days(from, days, &holidays).is_none_or(|last| last >= today) {
            continue;
        }
        asked = asked.saturating_add(store::remittances::mark_unknown(tx, &batch)?);
        for payout in rows::mark_unknown(tx, &batch, batch.built_by)? {
            let account = payout.payee_account_id.ok_or_else(|| Error::internal("a released payout has an account"))?;
            let last4 = members::payee_account(tx, account)?.iban_last4;
            let amount = Money { amount_minor: payout.sent(), currency: payout.currency };
            tell(tx, &payout, Letter::PayoutUnconfirmed { amount, last4 })?;
            asked = asked.saturating_add(1);
        }
    }
    Ok(asked)
}

/// A payout on the desk.
#[derive(Debug, Clone)]
pub struct DeskItem {
    /// The payout.
    pub payout: PayoutRow,
    /// Who looks after it.
    pub owner_name: Option<String>,
    /// Whole days since it came to the desk.
    pub age_days: i64,
    /// What was proposed and not decided.
    pub proposed: Option<DecisionRow>,
}

/// Payouts that need a person, the newest first.
///
/// # Errors
/// Fails with the database.
pub fn desk(tx: &mut Tx<'_>, filter: &DeskFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<DeskItem>> {
    let found = rows::list_desk(tx, filter, after, limit)?;
    let owners: Vec<PersonId> = found.iter().filter_map(|payout| payout.desk_owner_id).collect();
    let names = access::people_of(tx, &owners)?;
    let now = tx.now();
    let ids: Vec<PayoutId> = found.iter().map(|payout| payout.id).collect();
    let open = rows::list_open_decisions(tx, &ids)?;
    let since = |payout: &PayoutRow| payout.desk_since.unwrap_or(now);
    Ok(found
        .into_iter()
        .map(|payout| DeskItem {
            owner_name: names.iter().find(|it| Some(it.id) == payout.desk_owner_id).map(|it| it.name.clone()),
            age_days: now.signed_duration_since(since(&payout)).num_days(),
            proposed: open.iter().find(|it| it.payout_id == payout.id).cloned(),
            payout,
        })
        .collect())
}

fn lock_desk(tx: &mut Tx<'_>, id: PayoutId, expected: i32) -> Result<Locked<PayoutRow>> {
    let payout = store::lock(tx, id)?;
    if payout.version != expected {
        return Err(Error::version_stale(payout.version));
    }
    if payout.desk_since.is_none() || payout.desk_closed_at.is_some() {
        return Err(Error::conflict("payout_not_on_desk"));
    }
    Ok(payout)
}

/// Gives a payout of the desk to a person of the office.
///
/// # Errors
/// 404; 409 `payout_not_on_desk`; 412; 422 for somebody who is not of the office today.
pub fn assign(tx: &mut Tx<'_>, id: PayoutId, expected: i32, to: PersonId) -> Result<PayoutRow> {
    let payout = lock_desk(tx, id, expected)?;
    let is_staff = access::is_staff(tx, to)?;
    if !is_staff || to == payout.member_id {
        return Err(Error::field("/person_id", "not_allowed"));
    }
    rows::set_desk_owner(tx, &payout, to)
}

/// Takes a payout that came back off the desk: its money is on the activity, and its member knows.
///
/// # Errors
/// 404; 409 `payout_not_on_desk`, or in another state; 412.
pub fn close(tx: &mut Tx<'_>, id: PayoutId, expected: i32) -> Result<PayoutRow> {
    let payout = lock_desk(tx, id, expected)?;
    if payout.state != PayoutState::Returned {
        return Err(Error::state_conflict(payout.state, "close"));
    }
    rows::leave_desk(tx, &payout)
}

/// What somebody proposes about a payout.
#[derive(Debug, Clone)]
pub struct NewDecision {
    /// Its id.
    pub id: PayoutDecisionId,
    /// About which payout.
    pub payout: PayoutId,
    /// What.
    pub kind: DecisionKind,
    /// What shows it.
    pub evidence: String,
    /// A paper that shows it.
    pub evidence_id: Option<FileId>,
}

/// Proposes what to do about a payout that did not arrive for sure.
///
/// # Errors
/// 403 for who is paid; 404; 409 in another state, while another proposal is open, and `true_ups_first` while differences
/// of its wage are booked; 422.
pub fn propose(tx: &mut Tx<'_>, new: &NewDecision) -> Result<DecisionRow> {
    let payout = store::lock(tx, new.payout)?;
    rules::may(payout.state, rules::command_of(new.kind))?;
    let mut checks = Checks::default();
    checks.text(&new.evidence, "/evidence", 1, 2000);
    archive::check_evidence(tx, new.evidence_id, &mut checks);
    checks.done()?;
    let me = tx.person()?;
    if me == payout.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    if new.kind != DecisionKind::Confirm && payroll::true_ups::is_trued_up(tx, payout.id)? {
        return Err(Error::conflict("true_ups_first"));
    }
    rows::insert_decision(tx, new, me)
}

/// A decision.
///
/// # Errors
/// 404.
pub fn decision(tx: &mut Tx<'_>, id: PayoutDecisionId) -> Result<DecisionRow> {
    rows::find_decision(tx, id)
}

/// What was decided about a payout, the newest first.
///
/// # Errors
/// 404.
pub fn decisions(tx: &mut Tx<'_>, of: PayoutId) -> Result<Vec<DecisionRow>> {
    store::find(tx, of)?;
    rows::list_decisions(tx, of)
}

fn lock_decision(tx: &mut Tx<'_>, id: PayoutDecisionId, expected: i32) -> Result<Locked<DecisionRow>> {
    // The payout first: documents are locked in one order, whoever comes from which side.
    let seen = rows::find_decision(tx, id)?;
    store::lock(tx, seen.payout_id)?;
    let row = rows::lock_decision(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    if row.state != DecisionState::Proposed {
        return Err(Error::state_conflict(row.state, "decide"));
    }
    Ok(row)
}

/// Says no to a proposal, as another person.
///
/// # Errors
/// 403 for who proposed; 404; 409; 412.
pub fn refuse(tx: &mut Tx<'_>, id: PayoutDecisionId, expected: i32) -> Result<DecisionRow> {
    let row = lock_decision(tx, id, expected)?;
    let me = another(tx, &row)?;
    rows::decide(tx, &row, DecisionState::Refused, me, None)
}

fn another(tx: &mut Tx<'_>, row: &DecisionRow) -> Result<PersonId> {
    let me = tx.person()?;
    let payout = store::find(tx, row.payout_id)?;
    if me == row.proposed_by || me == payout.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    Ok(me)
}

/// Agrees to a proposal, as another person, and does it.
///
/// # Errors
/// 403 for who proposed and who is paid; 404; 409 in another state, and what a new payout is refused for; 412.
pub fn agree(tx: &mut Tx<'_>, id: PayoutDecisionId, expected: i32) -> Result<DecisionRow> {
    let row = lock_decision(tx, id, expected)?;
    let me = another(tx, &row)?;
    let payout = store::lock(tx, row.payout_id)?;
    rules::may(payout.state, rules::command_of(row.kind))?;
    tx.reason(&row.evidence)?;
    match row.kind {
        DecisionKind::Confirm => {
            let decided = rows::decide(tx, &row, DecisionState::Agreed, me, None)?;
            rows::confirm_on_desk(tx, &payout, me)?;
            Ok(decided)
        }
        DecisionKind::GiveBack => {
            free(tx, &payout)?;
            let decided = rows::decide(tx, &row, DecisionState::Agreed, me, None)?;
            rows::end_on_desk(tx, &payout, PayoutState::GivenBack)?;
            let amount = Money { amount_minor: payout.sent(), currency: payout.currency };
            tell(tx, &payout, Letter::PayoutGivenBack { amount })?;
            Ok(decided)
        }
        DecisionKind::Resend => {
            free(tx, &payout)?;
            let new = again(tx, &payout, me)?;
            let decided = rows::decide(tx, &row, DecisionState::Agreed, me, Some(new))?;
            rows::end_on_desk(tx, &payout, PayoutState::Replaced)?;
            Ok(decided)
        }
    }
}

/// The money of a payout that did not leave is available again.
fn free(tx: &mut Tx<'_>, payout: &PayoutRow) -> Result<()> {
    if payout.state != PayoutState::Rejected {
        take_back(tx, payout)?;
    }
    let at = at(tx, payout)?;
    let held = held(tx, payout)?;
    ledger::post(tx, &events::payout_cancelled(at, funds(payout), held)?)
}

/// A new payout in the place of one that did not leave: reserved and approved at once, to the account that counts now.
fn again(tx: &mut Tx<'_>, old: &PayoutRow, by: PersonId) -> Result<PayoutId> {
    members::require_payable(tx, old.member_id)?;
    let account = members::live_payee_account(tx, old.member_id)?;
    let id: PayoutId = tx.new_id();
    let new = rows::insert_replacement(tx, id, old)?;
    let at = at(tx, old)?;
    ledger::post(tx, &events::payout_reserved(at, funds(&new), new.amount_minor)?)?;
    let budget = Money { amount_minor: new.amount_minor, currency: new.currency };
    let of = SlipOf { payout: new.id, activity: new.activity_id, budget, beside: new.beside() };
    let slip = payroll::fix(tx, &of)?;
    let locked = store::lock(tx, id)?;
    store::mark_approved(tx, &locked, account.id, slip.map(|slip| slip.net_minor), by)?;
    Ok(id)
}

/// When a payout came to the desk, for views.
#[must_use]
pub fn since(item: &DeskItem) -> Option<DateTime<Utc>> {
    item.payout.desk_since
}
