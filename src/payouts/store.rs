//! The SQL of payouts and batches.

pub mod gathering;
pub mod limits;
pub mod policy;
pub mod preview;
pub mod remittances;
pub mod results;
pub mod texts;

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use serde::Serialize;
use umbel_schema::{batch_approval, payout, payout_batch};
use uuid::Uuid;

use super::rules::{BatchState, PayoutState};
use crate::kernel::ids::{
    ActivityId, BankAccountId, BatchId, EntityId, FileId, PayeeAccountId, PayoutId, PersonId, StepUpId,
};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::schemes::Method;
use crate::payroll::Beside;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;

/// A payout.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payout, check_for_backend(diesel::pg::Pg))]
pub struct PayoutRow {
    /// Its id.
    pub id: PayoutId,
    /// Who pays.
    pub entity_id: EntityId,
    /// Who is paid.
    pub member_id: PersonId,
    /// From which activity.
    pub activity_id: ActivityId,
    /// How it becomes pay.
    pub scheme: Method,
    /// Where it stands.
    pub state: PayoutState,
    /// The budget.
    pub amount_minor: Minor,
    /// Of it, paid beside the wage.
    pub beside_minor: Minor,
    /// Of it, paid for copyright.
    pub rights_minor: Minor,
    /// Of a wage, what is sent: known once it is approved.
    pub net_minor: Option<Minor>,
    /// Its currency.
    pub currency: Currency,
    /// The account as it was when it was approved.
    pub payee_account_id: Option<PayeeAccountId>,
    /// What the bank carries back.
    pub end_to_end_id: String,
    /// Its batch.
    pub batch_id: Option<BatchId>,
    /// Who asked.
    pub requested_by: PersonId,
    /// Who reviewed it.
    pub reviewed_by: Option<PersonId>,
    /// When.
    pub reviewed_at: Option<DateTime<Utc>>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// When the bank carried it out.
    pub settled_on: Option<NaiveDate>,
    /// When the bank gave it back.
    pub returned_on: Option<NaiveDate>,
    /// Why.
    pub return_reason: Option<String>,
    /// Who looks after one on the desk.
    pub desk_owner_id: Option<PersonId>,
    /// Since when it needs a person.
    pub desk_since: Option<DateTime<Utc>>,
    /// When it no longer did.
    pub desk_closed_at: Option<DateTime<Utc>>,
    /// The payout in whose place it is sent.
    pub replaces_id: Option<PayoutId>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

impl PayoutRow {
    /// What is sent to the person: of a wage its net, else the whole amount.
    #[must_use]
    pub fn sent(&self) -> Minor {
        self.net_minor.unwrap_or(self.amount_minor)
    }

    /// What of the amount is paid beside a wage.
    #[must_use]
    pub const fn beside(&self) -> Beside {
        Beside { beside: self.beside_minor, rights: self.rights_minor }
    }
}

/// A batch.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payout_batch, check_for_backend(diesel::pg::Pg))]
pub struct BatchRow {
    /// Its id.
    pub id: BatchId,
    /// Who pays.
    pub entity_id: EntityId,
    /// From which bank account.
    pub bank_account_id: BankAccountId,
    /// Where it stands.
    pub state: BatchState,
    /// Of every amount.
    pub currency: Currency,
    /// The day the bank is asked to debit.
    pub execute_on: NaiveDate,
    /// The name of the sealed message.
    pub message_id: Option<String>,
    /// How many payouts were sealed.
    pub payout_count: Option<i32>,
    /// Their sum.
    pub control_sum_minor: Option<Minor>,
    /// The sealed file.
    pub file_id: Option<FileId>,
    /// SHA-256 of its bytes.
    pub sha256: Option<Vec<u8>>,
    /// Who gathered it.
    pub built_by: PersonId,
    /// Who sealed it.
    pub sealed_by: Option<PersonId>,
    /// When.
    pub sealed_at: Option<DateTime<Utc>>,
    /// Who released it.
    pub released_by: Option<PersonId>,
    /// When.
    pub released_at: Option<DateTime<Utc>>,
    /// When it was gathered.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// An approval of sealed bytes.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = batch_approval, check_for_backend(diesel::pg::Pg))]
pub struct ApprovalRow {
    /// Who.
    pub approver_id: PersonId,
    /// Over which bytes.
    pub sha256: Vec<u8>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What shapes a list of payouts.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PayoutFilter {
    /// Only in this state.
    pub state: Option<PayoutState>,
    /// Only from this activity.
    pub activity_id: Option<ActivityId>,
}

/// What sealing adds to a batch.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    pub(super) message_id: String,
    pub(super) execute_on: NaiveDate,
    pub(super) count: i32,
    pub(super) total: Minor,
    pub(super) file_id: FileId,
    pub(super) sha256: [u8; 32],
    pub(super) by: PersonId,
}

pub(super) fn insert(
    tx: &mut Tx<'_>,
    id: PayoutId,
    entity: EntityId,
    activity: ActivityId,
    member: PersonId,
    amount: Money,
    beside: Beside,
) -> Result<PayoutRow> {
    let end_to_end_id = id.0.simple().to_string().to_uppercase();
    Ok(diesel::insert_into(payout::table)
        .values((
            payout::id.eq(id),
            payout::entity_id.eq(entity),
            payout::member_id.eq(member),
            payout::activity_id.eq(activity),
            payout::scheme.eq(Method::PlainTransfer),
            payout::amount_minor.eq(amount.amount_minor),
            payout::beside_minor.eq(beside.beside),
            payout::rights_minor.eq(beside.rights),
            payout::currency.eq(amount.currency),
            payout::end_to_end_id.eq(end_to_end_id),
            payout::requested_by.eq(member),
        ))
        .returning(PayoutRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find(tx: &mut Tx<'_>, id: PayoutId) -> Result<PayoutRow> {
    let mut query = payout::table.find(id).select(PayoutRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payout::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: PayoutId) -> Result<Locked<PayoutRow>> {
    if tx.faults().removed(Guard::RowLock) {
        return find(tx, id).map(Locked::new);
    }
    let query = payout::table.find(id).select(PayoutRow::as_select());
    let row = match tx.only_owner() {
        Some(owner) => query.filter(payout::member_id.eq(owner)).for_update().first(tx.conn())?,
        None => query.for_update().first(tx.conn())?,
    };
    Ok(Locked::new(row))
}

pub(super) fn list(tx: &mut Tx<'_>, filter: &PayoutFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<PayoutRow>> {
    let mut query = payout::table.order(payout::id.desc()).limit(limit).select(PayoutRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payout::member_id.eq(owner));
    }
    if let Some(state) = filter.state {
        query = query.filter(payout::state.eq(state));
    }
    if let Some(activity) = filter.activity_id {
        query = query.filter(payout::activity_id.eq(activity));
    }
    if let Some(after) = after {
        query = query.filter(payout::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn mark_approved(
    tx: &mut Tx<'_>,
    row: &Locked<PayoutRow>,
    account: PayeeAccountId,
    net: Option<Minor>,
    by: PersonId,
) -> Result<PayoutRow> {
    let scheme = if net.is_some() { Method::Salary } else { Method::PlainTransfer };
    let now = tx.now();
    Ok(diesel::update(payout::table.find(row.id))
        .set((
            payout::state.eq(PayoutState::Approved),
            payout::payee_account_id.eq(account),
            payout::scheme.eq(scheme),
            payout::net_minor.eq(net),
            payout::reviewed_by.eq(by),
            payout::reviewed_at.eq(now),
        ))
        .returning(PayoutRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn mark_refused(tx: &mut Tx<'_>, row: &Locked<PayoutRow>, by: PersonId, reason: &str) -> Result<PayoutRow> {
    let now = tx.now();
    Ok(diesel::update(payout::table.find(row.id))
        .set((
            payout::state.eq(PayoutState::Refused),
            payout::reviewed_by.eq(by),
            payout::reviewed_at.eq(now),
            payout::reason.eq(reason),
        ))
        .returning(PayoutRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn set_state(tx: &mut Tx<'_>, row: &Locked<PayoutRow>, state: PayoutState) -> Result<PayoutRow> {
    Ok(diesel::update(payout::table.find(row.id))
        .set(payout::state.eq(state))
        .returning(PayoutRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_known_end_to_end_ids(tx: &mut Tx<'_>, ids: &[&str]) -> Result<BTreeSet<String>> {
    let known: Vec<Option<String>> = payout::table
        .filter(payout::end_to_end_id.eq_any(ids))
        .select(payout::end_to_end_id.nullable())
        .load(tx.conn())?;
    Ok(known.into_iter().flatten().collect())
}

pub(super) fn lock_by_end_to_end_id(tx: &mut Tx<'_>, end_to_end_id: &str) -> Result<Option<PayoutRow>> {
    Ok(payout::table
        .filter(payout::end_to_end_id.eq(end_to_end_id))
        .select(PayoutRow::as_select())
        .for_update()
        .first(tx.conn())
        .optional()?)
}

pub(super) fn mark_settled(tx: &mut Tx<'_>, row: &Locked<PayoutRow>, on: NaiveDate) -> Result<()> {
    // One that was on the desk because its bank was silent leaves it.
    let closed_at = row.desk_since.map(|_| tx.now());
    diesel::update(payout::table.find(row.id))
        .set((payout::state.eq(PayoutState::Settled), payout::settled_on.eq(on), payout::desk_closed_at.eq(closed_at)))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn mark_returned(
    tx: &mut Tx<'_>,
    row: &Locked<PayoutRow>,
    on: NaiveDate,
    reason: &str,
    owner: PersonId,
) -> Result<()> {
    let reason: String = reason.chars().take(400).collect();
    let now = tx.now();
    diesel::update(payout::table.find(row.id))
        .set((
            payout::state.eq(PayoutState::Returned),
            payout::returned_on.eq(on),
            payout::return_reason.eq(reason),
            payout::desk_owner_id.eq(owner),
            payout::desk_since.eq(now),
            payout::desk_closed_at.eq(None::<DateTime<Utc>>),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn insert_batch(
    tx: &mut Tx<'_>,
    id: BatchId,
    entity: EntityId,
    account: BankAccountId,
    currency: Currency,
    execute_on: NaiveDate,
    by: PersonId,
) -> Result<BatchRow> {
    Ok(diesel::insert_into(payout_batch::table)
        .values((
            payout_batch::id.eq(id),
            payout_batch::entity_id.eq(entity),
            payout_batch::bank_account_id.eq(account),
            payout_batch::currency.eq(currency),
            payout_batch::execute_on.eq(execute_on),
            payout_batch::built_by.eq(by),
        ))
        .returning(BatchRow::as_returning())
        .get_result(tx.conn())?)
}

#[derive(QueryableByName)]
struct PersonOfItem {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    person: PersonId,
}

/// Who is paid by a batch, and who had a hand in where they are paid: the database says it to both belts.
pub(super) fn people_of_items(tx: &mut Tx<'_>, id: BatchId) -> Result<Vec<PersonId>> {
    let rows: Vec<PersonOfItem> = diesel::sql_query("SELECT person FROM batch_people_apart($1) person")
        .bind::<diesel::sql_types::Uuid, _>(id)
        .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| row.person).collect())
}

#[derive(QueryableByName)]
struct SumOfItems {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    n: i32,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    total: Minor,
}

/// How many transfers a batch carries, and their sum.
pub(super) fn sum_items(tx: &mut Tx<'_>, id: BatchId) -> Result<(i32, Minor)> {
    let sql = "SELECT count(*)::integer AS n, coalesce(sum(sent_minor), 0)::bigint AS total FROM batch_item WHERE batch_id = $1";
    let row: SumOfItems = diesel::sql_query(sql).bind::<diesel::sql_types::Uuid, _>(id).get_result(tx.conn())?;
    Ok((row.n, row.total))
}

/// Batches that were sealed before a moment, are not released and whose sealer was not told since, locked.
pub(super) fn lock_old_seals(
    tx: &mut Tx<'_>,
    entity: EntityId,
    before: DateTime<Utc>,
) -> Result<Vec<Locked<BatchRow>>> {
    let rows: Vec<BatchRow> = payout_batch::table
        .filter(payout_batch::entity_id.eq(entity))
        .filter(payout_batch::state.eq_any([BatchState::Sealed, BatchState::Approved]))
        .filter(payout_batch::sealed_at.le(before))
        .filter(payout_batch::expiry_told_at.is_null().or(payout_batch::expiry_told_at.lt(payout_batch::sealed_at)))
        .order(payout_batch::id.asc())
        .select(BatchRow::as_select())
        .for_update()
        .load(tx.conn())?;
    Ok(rows.into_iter().map(Locked::new).collect())
}

pub(super) fn mark_expiry_told(tx: &mut Tx<'_>, batch: &Locked<BatchRow>) -> Result<()> {
    let now = tx.now();
    diesel::update(payout_batch::table.find(batch.id)).set(payout_batch::expiry_told_at.eq(now)).execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_batch(tx: &mut Tx<'_>, id: BatchId) -> Result<BatchRow> {
    Ok(payout_batch::table.find(id).select(BatchRow::as_select()).first(tx.conn())?)
}

/// The batch whose sealed file has a name.
pub(super) fn find_batch_by_message(tx: &mut Tx<'_>, message_id: &str) -> Result<Option<BatchRow>> {
    Ok(payout_batch::table
        .filter(payout_batch::message_id.eq(message_id))
        .select(BatchRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn lock_batch(tx: &mut Tx<'_>, id: BatchId) -> Result<Locked<BatchRow>> {
    if tx.faults().removed(Guard::RowLock) {
        return find_batch(tx, id).map(Locked::new);
    }
    Ok(Locked::new(payout_batch::table.find(id).select(BatchRow::as_select()).for_update().first(tx.conn())?))
}

pub(super) fn list_batches(
    tx: &mut Tx<'_>,
    state: Option<BatchState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<BatchRow>> {
    let mut query =
        payout_batch::table.order(payout_batch::id.desc()).limit(limit).select(BatchRow::as_select()).into_boxed();
    if let Some(state) = state {
        query = query.filter(payout_batch::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(payout_batch::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn list_items(tx: &mut Tx<'_>, id: BatchId) -> Result<Vec<PayoutRow>> {
    Ok(payout::table
        .filter(payout::batch_id.eq(id))
        .order(payout::id.asc())
        .select(PayoutRow::as_select())
        .load(tx.conn())?)
}

/// Some payouts, in the order of their ids.
pub(super) fn list_by_ids(tx: &mut Tx<'_>, ids: &[PayoutId]) -> Result<Vec<PayoutRow>> {
    Ok(payout::table
        .filter(payout::id.eq_any(ids))
        .order(payout::id.asc())
        .select(PayoutRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn lock_items(tx: &mut Tx<'_>, id: BatchId) -> Result<Vec<PayoutRow>> {
    Ok(payout::table
        .filter(payout::batch_id.eq(id))
        .order(payout::id.asc())
        .select(PayoutRow::as_select())
        .for_update()
        .load(tx.conn())?)
}

pub(super) fn leave_batch(tx: &mut Tx<'_>, row: &Locked<PayoutRow>) -> Result<()> {
    diesel::update(payout::table.find(row.id))
        .set((payout::state.eq(PayoutState::Approved), payout::batch_id.eq(None::<BatchId>)))
        .execute(tx.conn())?;
    Ok(())
}

/// A change of what a batch holds is a change of the batch.
pub(super) fn touch_batch(tx: &mut Tx<'_>, batch: &Locked<BatchRow>) -> Result<BatchRow> {
    set_batch_state(tx, batch, BatchState::Open)
}

/// Some at a time: each row passes several triggers, and no statement may take more than a few seconds.
fn change_items(tx: &mut Tx<'_>, ids: &[PayoutId], state: PayoutState, batch: Option<BatchId>) -> Result<()> {
    const AT_ONCE: usize = 1_000;
    for some in ids.chunks(AT_ONCE) {
        diesel::update(payout::table.filter(payout::id.eq_any(some)))
            .set((payout::state.eq(state), payout::batch_id.eq(batch)))
            .execute(tx.conn())?;
    }
    Ok(())
}

fn list_item_ids(tx: &mut Tx<'_>, id: BatchId) -> Result<Vec<PayoutId>> {
    Ok(payout::table.filter(payout::batch_id.eq(id)).order(payout::id.asc()).select(payout::id).load(tx.conn())?)
}

pub(super) fn free_items(tx: &mut Tx<'_>, id: BatchId) -> Result<()> {
    let ids = list_item_ids(tx, id)?;
    change_items(tx, &ids, PayoutState::Approved, None)
}

pub(super) fn mark_sealed(tx: &mut Tx<'_>, batch: &Locked<BatchRow>, seal: &Seal) -> Result<BatchRow> {
    let now = tx.now();
    Ok(diesel::update(payout_batch::table.find(batch.id))
        .set((
            payout_batch::state.eq(BatchState::Sealed),
            payout_batch::message_id.eq(&seal.message_id),
            payout_batch::execute_on.eq(seal.execute_on),
            payout_batch::payout_count.eq(seal.count),
            payout_batch::control_sum_minor.eq(seal.total),
            payout_batch::file_id.eq(seal.file_id),
            payout_batch::sha256.eq(&seal.sha256[..]),
            payout_batch::sealed_by.eq(seal.by),
            payout_batch::sealed_at.eq(now),
        ))
        .returning(BatchRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn mark_unsealed(tx: &mut Tx<'_>, batch: &Locked<BatchRow>) -> Result<BatchRow> {
    Ok(diesel::update(payout_batch::table.find(batch.id))
        .set((
            payout_batch::state.eq(BatchState::Open),
            payout_batch::message_id.eq(None::<String>),
            payout_batch::payout_count.eq(None::<i32>),
            payout_batch::control_sum_minor.eq(None::<Minor>),
            payout_batch::file_id.eq(None::<FileId>),
            payout_batch::sha256.eq(None::<Vec<u8>>),
            payout_batch::sealed_by.eq(None::<PersonId>),
            payout_batch::sealed_at.eq(None::<DateTime<Utc>>),
        ))
        .returning(BatchRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn mark_dissolved(tx: &mut Tx<'_>, batch: &Locked<BatchRow>) -> Result<BatchRow> {
    set_batch_state(tx, batch, BatchState::Dissolved)
}

pub(super) fn set_batch_state(tx: &mut Tx<'_>, batch: &Locked<BatchRow>, state: BatchState) -> Result<BatchRow> {
    Ok(diesel::update(payout_batch::table.find(batch.id))
        .set(payout_batch::state.eq(state))
        .returning(BatchRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn mark_released(
    tx: &mut Tx<'_>,
    batch: &Locked<BatchRow>,
    by: PersonId,
    proof: StepUpId,
) -> Result<BatchRow> {
    let now = tx.now();
    Ok(diesel::update(payout_batch::table.find(batch.id))
        .set((
            payout_batch::state.eq(BatchState::Released),
            payout_batch::released_by.eq(by),
            payout_batch::released_at.eq(now),
            payout_batch::release_step_up_id.eq(proof),
        ))
        .returning(BatchRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn release_items(tx: &mut Tx<'_>, id: BatchId) -> Result<()> {
    let ids = list_item_ids(tx, id)?;
    change_items(tx, &ids, PayoutState::Released, Some(id))
}

pub(super) fn insert_approval(
    tx: &mut Tx<'_>,
    batch: &Locked<BatchRow>,
    by: PersonId,
    sha256: &[u8],
    proof: StepUpId,
) -> Result<()> {
    diesel::insert_into(batch_approval::table)
        .values((
            batch_approval::batch_id.eq(batch.id),
            batch_approval::approver_id.eq(by),
            batch_approval::sha256.eq(sha256),
            batch_approval::step_up_id.eq(proof),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn list_approvals(tx: &mut Tx<'_>, batch: &BatchRow) -> Result<Vec<ApprovalRow>> {
    let Some(sealed_at) = batch.sealed_at else { return Ok(Vec::new()) };
    Ok(batch_approval::table
        .filter(batch_approval::batch_id.eq(batch.id))
        .filter(batch_approval::at.ge(sealed_at))
        .order(batch_approval::id.asc())
        .select(ApprovalRow::as_select())
        .load(tx.conn())?)
}
