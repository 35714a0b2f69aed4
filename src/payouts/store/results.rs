//! The SQL of banks' answers and of the desk.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use umbel_schema::{bank_report, bank_report_line, payout, payout_batch, payout_decision, remittance};
use uuid::Uuid;

use super::{BatchRow, PayoutRow};
use crate::kernel::ids::{BankReportId, BatchId, EntityId, FileId, PayoutDecisionId, PayoutId, PersonId, RemittanceId};
use crate::payouts::results::{DecisionKind, DecisionState, Effect, NewDecision};
use crate::payouts::rules::{BatchState, PayoutState};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// Lines written at once: below the number of parameters that a statement takes.
const LINES_MAX: usize = 2_000;

/// A bank's answer to a file.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = bank_report, check_for_backend(diesel::pg::Pg))]
pub struct ReportRow {
    /// Its id.
    pub id: BankReportId,
    /// The bank's name for it.
    pub message_id: String,
    /// Our name for the file.
    pub original_message_id: String,
    /// The batch that it answers; none where no batch of ours has that name.
    pub batch_id: Option<BatchId>,
    /// What is said of the whole file.
    pub status: Option<String>,
    /// The answer as it came.
    pub file_id: FileId,
    /// SHA-256 of it.
    pub sha256: Vec<u8>,
    /// Who brought it.
    pub imported_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What a bank's answer says of one transfer.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = bank_report_line, check_for_backend(diesel::pg::Pg))]
pub struct ReportLine {
    /// In which answer.
    pub report_id: BankReportId,
    /// In which place, from 1.
    pub n: i32,
    /// The payout that it is about.
    pub payout_id: Option<PayoutId>,
    /// Or the payment to an office.
    pub remittance_id: Option<RemittanceId>,
    /// Our name for the transfer.
    pub end_to_end_id: String,
    /// The bank's word.
    pub status: String,
    /// Why, as a code.
    pub reason_code: String,
    /// Why, in words.
    pub reason: String,
    /// What it did.
    pub effect: Effect,
}

/// What two people decide about a payout.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payout_decision, check_for_backend(diesel::pg::Pg))]
pub struct DecisionRow {
    /// Its id.
    pub id: PayoutDecisionId,
    /// About which payout.
    pub payout_id: PayoutId,
    /// What.
    pub kind: DecisionKind,
    /// Where it stands.
    pub state: DecisionState,
    /// What shows it.
    pub evidence: String,
    /// A paper that shows it.
    pub evidence_id: Option<FileId>,
    /// Who proposed it.
    pub proposed_by: PersonId,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// The payout that is sent instead.
    pub new_payout_id: Option<PayoutId>,
    /// When it was proposed.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// Which payouts of the desk.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DeskFilter {
    /// Only in this state.
    pub state: Option<PayoutState>,
    /// Only of this person.
    pub owner: Option<PersonId>,
}

pub(in crate::payouts) fn find_report_by_hash(tx: &mut Tx<'_>, sha256: &[u8]) -> Result<Option<ReportRow>> {
    Ok(bank_report::table
        .filter(bank_report::sha256.eq(sha256))
        .select(ReportRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(in crate::payouts) fn insert_report(tx: &mut Tx<'_>, row: &ReportRow) -> Result<()> {
    diesel::insert_into(bank_report::table).values(row).execute(tx.conn())?;
    Ok(())
}

pub(in crate::payouts) fn insert_lines(tx: &mut Tx<'_>, lines: &[ReportLine]) -> Result<()> {
    for lines in lines.chunks(LINES_MAX) {
        diesel::insert_into(bank_report_line::table).values(lines).execute(tx.conn())?;
    }
    Ok(())
}

pub(in crate::payouts) fn find_report(tx: &mut Tx<'_>, id: BankReportId) -> Result<ReportRow> {
    Ok(bank_report::table.find(id).select(ReportRow::as_select()).first(tx.conn())?)
}

pub(in crate::payouts) fn list_lines(tx: &mut Tx<'_>, of: BankReportId) -> Result<Vec<ReportLine>> {
    Ok(bank_report_line::table
        .filter(bank_report_line::report_id.eq(of))
        .order(bank_report_line::n.asc())
        .select(ReportLine::as_select())
        .load(tx.conn())?)
}

pub(in crate::payouts) fn list_reports(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<ReportRow>> {
    let mut query =
        bank_report::table.order(bank_report::id.desc()).limit(limit).select(ReportRow::as_select()).into_boxed();
    if let Some(after) = after {
        query = query.filter(bank_report::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(in crate::payouts) fn mark_rejected(
    tx: &mut Tx<'_>,
    row: &Locked<PayoutRow>,
    reason: &str,
    owner: PersonId,
) -> Result<PayoutRow> {
    let now = tx.now();
    Ok(diesel::update(payout::table.find(row.id))
        .set((
            payout::state.eq(PayoutState::Rejected),
            payout::return_reason.eq(reason.chars().take(400).collect::<String>()),
            payout::desk_owner_id.eq(row.desk_owner_id.unwrap_or(owner)),
            payout::desk_since.eq(row.desk_since.unwrap_or(now)),
        ))
        .returning(PayoutRow::as_returning())
        .get_result(tx.conn())?)
}

/// Released batches of an entity of which the bank has not said everything.
pub(in crate::payouts) fn list_silent_batches(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<BatchRow>> {
    let silent = payout::table.filter(payout::state.eq(PayoutState::Released)).select(payout::batch_id).distinct();
    let owed = remittance::table.filter(remittance::state.eq(PayoutState::Released)).select(remittance::batch_id);
    Ok(payout_batch::table
        .filter(payout_batch::entity_id.eq(of))
        .filter(payout_batch::state.eq(BatchState::Released))
        .filter(payout_batch::id.nullable().eq_any(silent).or(payout_batch::id.nullable().eq_any(owed)))
        .order(payout_batch::id.asc())
        .select(BatchRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::payouts) fn mark_unknown(tx: &mut Tx<'_>, batch: &BatchRow, owner: PersonId) -> Result<Vec<PayoutRow>> {
    let now = tx.now();
    let silent = payout::table.filter(payout::batch_id.eq(batch.id)).filter(payout::state.eq(PayoutState::Released));
    Ok(diesel::update(silent)
        .set((payout::state.eq(PayoutState::Unknown), payout::desk_owner_id.eq(owner), payout::desk_since.eq(now)))
        .returning(PayoutRow::as_returning())
        .get_results(tx.conn())?)
}

pub(in crate::payouts) fn list_desk(
    tx: &mut Tx<'_>,
    filter: &DeskFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<PayoutRow>> {
    let mut query = payout::table
        .filter(payout::desk_since.is_not_null())
        .filter(payout::desk_closed_at.is_null())
        .order(payout::id.desc())
        .limit(limit)
        .select(PayoutRow::as_select())
        .into_boxed();
    if let Some(state) = filter.state {
        query = query.filter(payout::state.eq(state));
    }
    if let Some(owner) = filter.owner {
        query = query.filter(payout::desk_owner_id.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(payout::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(in crate::payouts) fn set_desk_owner(tx: &mut Tx<'_>, row: &Locked<PayoutRow>, to: PersonId) -> Result<PayoutRow> {
    Ok(diesel::update(payout::table.find(row.id))
        .set(payout::desk_owner_id.eq(to))
        .returning(PayoutRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn leave_desk(tx: &mut Tx<'_>, row: &Locked<PayoutRow>) -> Result<PayoutRow> {
    let now = tx.now();
    Ok(diesel::update(payout::table.find(row.id))
        .set(payout::desk_closed_at.eq(now))
        .returning(PayoutRow::as_returning())
        .get_result(tx.conn())?)
}

/// Two people take a payout for carried out. It stays on the desk until the bank shows it.
pub(in crate::payouts) fn confirm_on_desk(tx: &mut Tx<'_>, row: &Locked<PayoutRow>, by: PersonId) -> Result<()> {
    let now = tx.now();
    diesel::update(payout::table.find(row.id))
        .set((
            payout::state.eq(PayoutState::Confirmed),
            payout::desk_owner_id.eq(row.desk_owner_id.unwrap_or(by)),
            payout::desk_since.eq(row.desk_since.unwrap_or(now)),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// The end of a payout that two people decided; it leaves the desk with it, if it was there.
pub(in crate::payouts) fn end_on_desk(tx: &mut Tx<'_>, row: &Locked<PayoutRow>, state: PayoutState) -> Result<()> {
    let closed_at = row.desk_since.map(|_| tx.now());
    diesel::update(payout::table.find(row.id))
        .set((payout::state.eq(state), payout::desk_closed_at.eq(closed_at)))
        .execute(tx.conn())?;
    Ok(())
}

pub(in crate::payouts) fn insert_replacement(tx: &mut Tx<'_>, id: PayoutId, old: &PayoutRow) -> Result<PayoutRow> {
    let end_to_end_id = id.0.simple().to_string().to_uppercase();
    Ok(diesel::insert_into(payout::table)
        .values((
            payout::id.eq(id),
            payout::entity_id.eq(old.entity_id),
            payout::member_id.eq(old.member_id),
            payout::activity_id.eq(old.activity_id),
            payout::scheme.eq(crate::kernel::schemes::Method::PlainTransfer),
            payout::amount_minor.eq(old.amount_minor),
            payout::beside_minor.eq(old.beside_minor),
            payout::rights_minor.eq(old.rights_minor),
            payout::currency.eq(old.currency),
            payout::end_to_end_id.eq(end_to_end_id),
            payout::requested_by.eq(old.member_id),
            payout::replaces_id.eq(old.id),
        ))
        .returning(PayoutRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn insert_decision(tx: &mut Tx<'_>, new: &NewDecision, by: PersonId) -> Result<DecisionRow> {
    Ok(diesel::insert_into(payout_decision::table)
        .values((
            payout_decision::id.eq(new.id),
            payout_decision::payout_id.eq(new.payout),
            payout_decision::kind.eq(new.kind),
            payout_decision::evidence.eq(&new.evidence),
            payout_decision::evidence_id.eq(new.evidence_id),
            payout_decision::proposed_by.eq(by),
        ))
        .returning(DecisionRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn find_decision(tx: &mut Tx<'_>, id: PayoutDecisionId) -> Result<DecisionRow> {
    Ok(payout_decision::table.find(id).select(DecisionRow::as_select()).first(tx.conn())?)
}

pub(in crate::payouts) fn lock_decision(tx: &mut Tx<'_>, id: PayoutDecisionId) -> Result<Locked<DecisionRow>> {
    let query = payout_decision::table.find(id).select(DecisionRow::as_select()).for_update();
    Ok(Locked::new(query.first(tx.conn())?))
}

pub(in crate::payouts) fn list_decisions(tx: &mut Tx<'_>, of: PayoutId) -> Result<Vec<DecisionRow>> {
    Ok(payout_decision::table
        .filter(payout_decision::payout_id.eq(of))
        .order((payout_decision::created_at.desc(), payout_decision::id.desc()))
        .select(DecisionRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::payouts) fn list_open_decisions(tx: &mut Tx<'_>, of: &[PayoutId]) -> Result<Vec<DecisionRow>> {
    Ok(payout_decision::table
        .filter(payout_decision::payout_id.eq_any(of))
        .filter(payout_decision::state.eq(DecisionState::Proposed))
        .select(DecisionRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::payouts) fn decide(
    tx: &mut Tx<'_>,
    row: &Locked<DecisionRow>,
    state: DecisionState,
    by: PersonId,
    new: Option<PayoutId>,
) -> Result<DecisionRow> {
    let now = tx.now();
    Ok(diesel::update(payout_decision::table.find(row.id))
        .set((
            payout_decision::state.eq(state),
            payout_decision::decided_by.eq(by),
            payout_decision::decided_at.eq(now),
            payout_decision::new_payout_id.eq(new),
        ))
        .returning(DecisionRow::as_returning())
        .get_result(tx.conn())?)
}
