//! The SQL of write-offs and of what comes back.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use umbel_schema::{recovery, write_off};
use uuid::Uuid;

use super::rules::RecoveryParts;
use super::{NewWriteOff, Parts, WriteOffState};
use crate::invoicing::OpenInvoice;
use crate::kernel::ids::{BankLineId, EntityId, InvoiceId, PersonId, RecoveryId, WriteOffId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;

/// A receivable that was, or may be, given up. The parts are there once it is approved.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = write_off, check_for_backend(diesel::pg::Pg))]
pub struct WriteOffRow {
    /// Its id.
    pub id: WriteOffId,
    /// Whose books.
    pub entity_id: EntityId,
    /// Of this invoice.
    pub invoice_id: InvoiceId,
    /// Whose work it was.
    pub member_id: PersonId,
    /// Where it stands.
    pub state: WriteOffState,
    /// Of all its amounts.
    pub currency: Currency,
    /// What was open, with VAT.
    pub amount_minor: Minor,
    /// Why nothing can be expected any more.
    pub reason: String,
    /// What proves it.
    pub evidence: String,
    /// Who proposed it.
    pub proposed_by: PersonId,
    /// When.
    pub proposed_at: DateTime<Utc>,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// Why it was rejected.
    pub decision_reason: Option<String>,
    /// The day it counts.
    pub written_off_on: Option<NaiveDate>,
    /// Whether the guarantee bears it.
    pub is_covered: Option<bool>,
    /// Whether the member had been paid before.
    pub is_advanced: Option<bool>,
    /// VAT that is claimed back.
    pub vat_minor: Option<Minor>,
    /// The fee that went back.
    pub fee_minor: Option<Minor>,
    /// The contribution that went back.
    pub contribution_minor: Option<Minor>,
    /// What the member bore.
    pub member_minor: Option<Minor>,
    /// What the fund was asked for.
    pub claim_minor: Option<Minor>,
    /// Grows with every change.
    pub version: i32,
}

/// Money that came for a write-off, and where it went.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = recovery, check_for_backend(diesel::pg::Pg))]
pub struct RecoveryRow {
    /// Its id.
    pub id: RecoveryId,
    /// Of which write-off.
    pub write_off_id: WriteOffId,
    /// The line of the bank.
    pub bank_line_id: BankLineId,
    /// Of all its amounts.
    pub currency: Currency,
    /// What came.
    pub amount_minor: Minor,
    /// VAT that is owed again.
    pub vat_minor: Minor,
    /// To the fund, for what it gave.
    pub fund_minor: Minor,
    /// To the rest of the claim.
    pub claim_minor: Minor,
    /// To the fund, as contribution.
    pub contribution_minor: Minor,
    /// To the mutual, as fee.
    pub fee_minor: Minor,
    /// To those who bore it.
    pub member_minor: Minor,
    /// The day it counts.
    pub recovered_on: NaiveDate,
}

/// What came for a write-off so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName)]
pub(super) struct Recovered {
    #[diesel(sql_type = BigInt)]
    pub amount: Minor,
    #[diesel(sql_type = BigInt)]
    pub vat: Minor,
    #[diesel(sql_type = BigInt)]
    pub fund: Minor,
    #[diesel(sql_type = BigInt)]
    pub claim: Minor,
    #[diesel(sql_type = BigInt)]
    pub contribution: Minor,
    #[diesel(sql_type = BigInt)]
    pub fee: Minor,
    #[diesel(sql_type = BigInt)]
    pub member: Minor,
}

pub(super) fn insert(tx: &mut Tx<'_>, new: &NewWriteOff, invoice: &OpenInvoice, by: PersonId) -> Result<WriteOffRow> {
    let now = tx.now();
    Ok(diesel::insert_into(write_off::table)
        .values((
            write_off::id.eq(new.id),
            write_off::entity_id.eq(invoice.entity_id),
            write_off::invoice_id.eq(invoice.id),
            write_off::member_id.eq(invoice.member_id),
            write_off::currency.eq(invoice.currency),
            write_off::amount_minor.eq(invoice.open_minor),
            write_off::reason.eq(new.reason.trim()),
            write_off::evidence.eq(new.evidence.trim()),
            write_off::proposed_by.eq(by),
            write_off::proposed_at.eq(now),
        ))
        .returning(WriteOffRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find(tx: &mut Tx<'_>, id: WriteOffId) -> Result<WriteOffRow> {
    let mut query = write_off::table.find(id).select(WriteOffRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(write_off::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: WriteOffId) -> Result<Locked<WriteOffRow>> {
    let query = write_off::table.find(id).select(WriteOffRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    Ok(Locked::new(row))
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    state: Option<WriteOffState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<WriteOffRow>> {
    let mut query =
        write_off::table.order(write_off::id.desc()).limit(limit).select(WriteOffRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(write_off::member_id.eq(owner));
    }
    if let Some(state) = state {
        query = query.filter(write_off::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(write_off::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn mark_rejected(
    tx: &mut Tx<'_>,
    row: &Locked<WriteOffRow>,
    by: PersonId,
    reason: &str,
) -> Result<WriteOffRow> {
    let now = tx.now();
    Ok(diesel::update(write_off::table.find(row.id))
        .set((
            write_off::state.eq(WriteOffState::Rejected),
            write_off::decided_by.eq(by),
            write_off::decided_at.eq(now),
            write_off::decision_reason.eq(reason.trim()),
        ))
        .returning(WriteOffRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn mark_approved(
    tx: &mut Tx<'_>,
    row: &Locked<WriteOffRow>,
    by: PersonId,
    on: NaiveDate,
    parts: &Parts,
    is_advanced: bool,
) -> Result<WriteOffRow> {
    let now = tx.now();
    Ok(diesel::update(write_off::table.find(row.id))
        .set((
            write_off::state.eq(WriteOffState::Approved),
            write_off::decided_by.eq(by),
            write_off::decided_at.eq(now),
            write_off::written_off_on.eq(on),
            write_off::is_covered.eq(parts.is_covered),
            write_off::is_advanced.eq(is_advanced),
            write_off::vat_minor.eq(parts.vat),
            write_off::fee_minor.eq(parts.fee),
            write_off::contribution_minor.eq(parts.contribution),
            write_off::member_minor.eq(parts.member),
            write_off::claim_minor.eq(parts.claim),
        ))
        .returning(WriteOffRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn sum_recoveries(tx: &mut Tx<'_>, id: WriteOffId) -> Result<Recovered> {
    Ok(diesel::sql_query(
        "SELECT coalesce(sum(amount_minor), 0)::bigint AS amount, coalesce(sum(vat_minor), 0)::bigint AS vat, \
                coalesce(sum(fund_minor), 0)::bigint AS fund, coalesce(sum(claim_minor), 0)::bigint AS claim, \
                coalesce(sum(contribution_minor), 0)::bigint AS contribution, coalesce(sum(fee_minor), 0)::bigint AS fee, \
                coalesce(sum(member_minor), 0)::bigint AS member FROM recovery WHERE write_off_id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(tx.conn())?)
}

/// Row-level security keeps other members' away; so does this.
pub(super) fn find_recovery(tx: &mut Tx<'_>, id: RecoveryId) -> Result<RecoveryRow> {
    let mut query = recovery::table.find(id).select(RecoveryRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(recovery::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

/// What came before one.
pub(super) fn sum_recoveries_before(tx: &mut Tx<'_>, row: &RecoveryRow) -> Result<Recovered> {
    let all = list_recoveries(tx, row.write_off_id)?;
    let before = || all.iter().take_while(|other| other.id != row.id);
    let sum = |of: fn(&RecoveryRow) -> Minor| Minor::sum(before().map(of));
    Ok(Recovered {
        amount: sum(|it| it.amount_minor)?,
        vat: sum(|it| it.vat_minor)?,
        fund: sum(|it| it.fund_minor)?,
        claim: sum(|it| it.claim_minor)?,
        contribution: sum(|it| it.contribution_minor)?,
        fee: sum(|it| it.fee_minor)?,
        member: sum(|it| it.member_minor)?,
    })
}

pub(super) fn list_recoveries(tx: &mut Tx<'_>, id: WriteOffId) -> Result<Vec<RecoveryRow>> {
    Ok(recovery::table
        .filter(recovery::write_off_id.eq(id))
        .order(recovery::id.asc())
        .select(RecoveryRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn insert_recovery(
    tx: &mut Tx<'_>,
    id: RecoveryId,
    of: &WriteOffRow,
    line: BankLineId,
    amount: Minor,
    parts: &RecoveryParts,
    on: NaiveDate,
) -> Result<()> {
    diesel::insert_into(recovery::table)
        .values((
            recovery::id.eq(id),
            recovery::write_off_id.eq(of.id),
            recovery::bank_line_id.eq(line),
            recovery::member_id.eq(of.member_id),
            recovery::currency.eq(of.currency),
            recovery::amount_minor.eq(amount),
            recovery::vat_minor.eq(parts.vat),
            recovery::fund_minor.eq(parts.fund),
            recovery::claim_minor.eq(parts.claim),
            recovery::contribution_minor.eq(parts.contribution),
            recovery::fee_minor.eq(parts.fee),
            recovery::member_minor.eq(parts.member),
            recovery::recovered_on.eq(on),
        ))
        .execute(tx.conn())?;
    Ok(())
}
