//! The SQL of second factors and of what they prove.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use umbel_schema::{factor_reset, recovery_code, second_factor, step_up};
use uuid::Uuid;

use crate::access::factors::{FactorKind, Operation, ProofMethod, ResetState};
use crate::kernel::ids::{FactorId, FactorResetId, PersonId, StepUpId};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// A second factor.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = second_factor, check_for_backend(diesel::pg::Pg))]
pub struct FactorRow {
    /// Its id.
    pub id: FactorId,
    /// Whose.
    pub person_id: PersonId,
    /// What it is.
    pub kind: FactorKind,
    /// Its secret, sealed.
    pub secret_sealed: Vec<u8>,
    /// The last time step whose code was taken.
    pub last_step: Option<i64>,
    /// Wrong codes since the last right one.
    pub failures: i32,
    /// No code is looked at before.
    pub locked_until: Option<DateTime<Utc>>,
    /// When the first code was shown; none while it is being set up.
    pub confirmed_at: Option<DateTime<Utc>>,
}

/// A second factor that was shown for one command.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = step_up, check_for_backend(diesel::pg::Pg))]
pub struct StepUpRow {
    /// Its id.
    pub id: StepUpId,
    /// Who showed it.
    pub person_id: PersonId,
    /// How.
    pub method: ProofMethod,
    /// For which command.
    pub operation: Operation,
    /// On which hash.
    pub sha256: Vec<u8>,
    /// Until when it may be used.
    pub expires_at: DateTime<Utc>,
    /// When it was used.
    pub used_at: Option<DateTime<Utc>>,
}

/// A request to take a second factor away from somebody who lost it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = factor_reset, check_for_backend(diesel::pg::Pg))]
pub struct ResetRow {
    /// Its id.
    pub id: FactorResetId,
    /// Whose factor.
    pub person_id: PersonId,
    /// Where it stands.
    pub state: ResetState,
    /// Why.
    pub reason: String,
    /// The first administrator.
    pub asked_by: PersonId,
    /// The second.
    pub agreed_by: Option<PersonId>,
    /// When it may be carried out.
    pub effective_at: Option<DateTime<Utc>>,
    /// When it was.
    pub done_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

pub(in crate::access) fn insert(tx: &mut Tx<'_>, id: FactorId, of: PersonId, sealed: &[u8]) -> Result<FactorRow> {
    Ok(diesel::insert_into(second_factor::table)
        .values((
            second_factor::id.eq(id),
            second_factor::person_id.eq(of),
            second_factor::kind.eq(FactorKind::Totp),
            second_factor::secret_sealed.eq(sealed),
        ))
        .returning(FactorRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::access) fn find_live(tx: &mut Tx<'_>, of: PersonId) -> Result<Option<FactorRow>> {
    Ok(second_factor::table
        .filter(second_factor::person_id.eq(of))
        .filter(second_factor::ended_at.is_null())
        .select(FactorRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(in crate::access) fn lock_live(tx: &mut Tx<'_>, of: PersonId) -> Result<Option<Locked<FactorRow>>> {
    let row = second_factor::table
        .filter(second_factor::person_id.eq(of))
        .filter(second_factor::ended_at.is_null())
        .select(FactorRow::as_select())
        .for_update()
        .first(tx.conn())
        .optional()?;
    Ok(row.map(Locked::new))
}

pub(in crate::access) fn confirm(tx: &mut Tx<'_>, row: &Locked<FactorRow>) -> Result<()> {
    let now = tx.now();
    diesel::update(second_factor::table.find(row.id)).set(second_factor::confirmed_at.eq(now)).execute(tx.conn())?;
    Ok(())
}

/// A code was right: it is spent, and what was wrong before is forgotten.
pub(in crate::access) fn spend_step(tx: &mut Tx<'_>, row: &Locked<FactorRow>, step: Option<i64>) -> Result<()> {
    diesel::update(second_factor::table.find(row.id))
        .set((
            second_factor::last_step.eq(step.or(row.last_step)),
            second_factor::failures.eq(0),
            second_factor::locked_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(in crate::access) fn note_failure(
    tx: &mut Tx<'_>,
    row: &Locked<FactorRow>,
    failures: i32,
    until: DateTime<Utc>,
) -> Result<()> {
    diesel::update(second_factor::table.find(row.id))
        .set((second_factor::failures.eq(failures), second_factor::locked_until.eq(until)))
        .execute(tx.conn())?;
    Ok(())
}

pub(in crate::access) fn end(tx: &mut Tx<'_>, row: &Locked<FactorRow>) -> Result<()> {
    let now = tx.now();
    diesel::update(second_factor::table.find(row.id)).set(second_factor::ended_at.eq(now)).execute(tx.conn())?;
    Ok(())
}

pub(in crate::access) fn insert_recovery_codes(tx: &mut Tx<'_>, of: FactorId, hashes: &[[u8; 32]]) -> Result<()> {
    let rows: Vec<_> =
        hashes.iter().map(|hash| (recovery_code::hash.eq(hash.as_slice()), recovery_code::factor_id.eq(of))).collect();
    diesel::insert_into(recovery_code::table).values(rows).execute(tx.conn())?;
    Ok(())
}

/// Uses a recovery code, once. Answers whether it was one.
pub(in crate::access) fn use_recovery_code(tx: &mut Tx<'_>, of: FactorId, hash: &[u8]) -> Result<bool> {
    let now = tx.now();
    let unused = recovery_code::table
        .filter(recovery_code::hash.eq(hash))
        .filter(recovery_code::factor_id.eq(of))
        .filter(recovery_code::used_at.is_null());
    let used = diesel::update(unused).set(recovery_code::used_at.eq(now)).execute(tx.conn())?;
    Ok(used == 1)
}

pub(in crate::access) fn count_recovery_codes(tx: &mut Tx<'_>, of: FactorId) -> Result<i64> {
    Ok(recovery_code::table
        .filter(recovery_code::factor_id.eq(of))
        .filter(recovery_code::used_at.is_null())
        .count()
        .get_result(tx.conn())?)
}

/// What a second factor is shown for.
#[derive(Debug, Clone, Copy)]
pub(in crate::access) struct NewStepUp<'a> {
    pub(in crate::access) id: StepUpId,
    pub(in crate::access) method: ProofMethod,
    pub(in crate::access) operation: Operation,
    pub(in crate::access) sha256: &'a [u8],
    pub(in crate::access) expires_at: DateTime<Utc>,
}

pub(in crate::access) fn insert_step_up(tx: &mut Tx<'_>, of: &FactorRow, new: NewStepUp<'_>) -> Result<StepUpRow> {
    Ok(diesel::insert_into(step_up::table)
        .values((
            step_up::id.eq(new.id),
            step_up::person_id.eq(of.person_id),
            step_up::factor_id.eq(of.id),
            step_up::method.eq(new.method),
            step_up::operation.eq(new.operation),
            step_up::sha256.eq(new.sha256),
            step_up::expires_at.eq(new.expires_at),
        ))
        .returning(StepUpRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::access) fn lock_step_up(tx: &mut Tx<'_>, id: StepUpId) -> Result<Option<Locked<StepUpRow>>> {
    let row = step_up::table.find(id).select(StepUpRow::as_select()).for_update().first(tx.conn()).optional()?;
    Ok(row.map(Locked::new))
}

pub(in crate::access) fn use_step_up(tx: &mut Tx<'_>, row: &Locked<StepUpRow>) -> Result<()> {
    let now = tx.now();
    diesel::update(step_up::table.find(row.id)).set(step_up::used_at.eq(now)).execute(tx.conn())?;
    Ok(())
}

pub(in crate::access) fn insert_reset(
    tx: &mut Tx<'_>,
    id: FactorResetId,
    of: PersonId,
    reason: &str,
    by: PersonId,
) -> Result<ResetRow> {
    Ok(diesel::insert_into(factor_reset::table)
        .values((
            factor_reset::id.eq(id),
            factor_reset::person_id.eq(of),
            factor_reset::reason.eq(reason),
            factor_reset::asked_by.eq(by),
        ))
        .returning(ResetRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::access) fn find_reset(tx: &mut Tx<'_>, id: FactorResetId) -> Result<ResetRow> {
    Ok(factor_reset::table.find(id).select(ResetRow::as_select()).first(tx.conn())?)
}

pub(in crate::access) fn lock_reset(tx: &mut Tx<'_>, id: FactorResetId) -> Result<Locked<ResetRow>> {
    let query = factor_reset::table.find(id).select(ResetRow::as_select()).for_update();
    Ok(Locked::new(query.first(tx.conn())?))
}

pub(in crate::access) fn lock_open_reset(tx: &mut Tx<'_>, of: PersonId) -> Result<Option<Locked<ResetRow>>> {
    let row = factor_reset::table
        .filter(factor_reset::person_id.eq(of))
        .filter(factor_reset::state.eq_any([ResetState::Asked, ResetState::Agreed]))
        .select(ResetRow::as_select())
        .for_update()
        .first(tx.conn())
        .optional()?;
    Ok(row.map(Locked::new))
}

pub(in crate::access) fn list_resets(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<ResetRow>> {
    let mut query =
        factor_reset::table.order(factor_reset::id.desc()).limit(limit).select(ResetRow::as_select()).into_boxed();
    if let Some(after) = after {
        query = query.filter(factor_reset::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(in crate::access) fn agree_to_reset(
    tx: &mut Tx<'_>,
    row: &Locked<ResetRow>,
    by: PersonId,
    effective_at: DateTime<Utc>,
) -> Result<ResetRow> {
    let now = tx.now();
    Ok(diesel::update(factor_reset::table.find(row.id))
        .set((
            factor_reset::state.eq(ResetState::Agreed),
            factor_reset::agreed_by.eq(by),
            factor_reset::agreed_at.eq(now),
            factor_reset::effective_at.eq(effective_at),
        ))
        .returning(ResetRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::access) fn end_reset(tx: &mut Tx<'_>, row: &Locked<ResetRow>, state: ResetState) -> Result<ResetRow> {
    let done_at = (state == ResetState::Done).then_some(tx.now());
    Ok(diesel::update(factor_reset::table.find(row.id))
        .set((factor_reset::state.eq(state), factor_reset::done_at.eq(done_at)))
        .returning(ResetRow::as_returning())
        .get_result(tx.conn())?)
}
