//! The SQL of changes of bank details.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Timestamptz, Uuid as SqlUuid};
use serde::Serialize;
use umbel_schema::{bank_detail_callback, bank_detail_change, bank_detail_name_check, bank_detail_policy};
use uuid::Uuid;

use super::names::NameAnswer;
use super::rules::{BankDetailState, EndedHow, NameCheck};
use crate::kernel::ids::{
    BankDetailChangeId, BankDetailPolicyId, CallbackId, EntityId, PayeeAccountId, PersonId, SessionId,
};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// An account that a member asked to be paid to instead.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = bank_detail_change, check_for_backend(diesel::pg::Pg))]
pub struct ChangeRow {
    /// Its id.
    pub id: BankDetailChangeId,
    /// Whose.
    pub member_id: PersonId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// Where it stands.
    pub state: BankDetailState,
    /// The account that was live when it was asked for.
    pub old_account_id: Option<PayeeAccountId>,
    /// The account that it becomes.
    pub new_account_id: PayeeAccountId,
    /// In whose name the bank keeps it, as the member says.
    pub holder: String,
    /// The IBAN, sealed for the new account.
    pub iban_sealed: Vec<u8>,
    /// What equal IBANs have in common.
    pub iban_index: Vec<u8>,
    /// The country of the IBAN.
    pub iban_country: String,
    /// Its last four characters.
    pub iban_last4: String,
    /// Which proof was fresh.
    pub proof: String,
    /// On which device.
    pub session_id: SessionId,
    /// From which address.
    pub address: String,
    /// How long it cools, in hours.
    pub cooling_hours: i32,
    /// What its cancel code is made with.
    pub code_salt: Vec<u8>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When its member was told a last time before it is active.
    pub reminded_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Who ended it.
    pub ended_by: Option<PersonId>,
    /// By what.
    pub ended_how: Option<EndedHow>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// Grows with every change.
    pub version: i32,
}

/// A change to be kept.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = bank_detail_change)]
pub(super) struct NewChange<'a> {
    pub(super) id: BankDetailChangeId,
    pub(super) member_id: PersonId,
    pub(super) entity_id: EntityId,
    pub(super) old_account_id: Option<PayeeAccountId>,
    pub(super) new_account_id: PayeeAccountId,
    pub(super) holder: &'a str,
    pub(super) iban_sealed: &'a [u8],
    pub(super) iban_index: &'a [u8],
    pub(super) iban_country: &'a str,
    pub(super) iban_last4: &'a str,
    pub(super) proof: &'a str,
    pub(super) session_id: SessionId,
    pub(super) address: &'a str,
    pub(super) cooling_hours: i32,
    pub(super) code_salt: &'a [u8],
    pub(super) code_hash: &'a [u8],
}

/// A call to a member about their new account.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = bank_detail_callback, check_for_backend(diesel::pg::Pg))]
pub struct CallbackRow {
    /// Its id.
    pub id: CallbackId,
    /// The number that was called.
    pub phone: String,
    /// What was said.
    pub note: String,
    /// Who called.
    pub recorded_by: PersonId,
    /// When.
    pub recorded_at: DateTime<Utc>,
    /// Who stands for it beside the caller.
    pub confirmed_by: Option<PersonId>,
    /// When.
    pub confirmed_at: Option<DateTime<Utc>>,
}

/// What the bank said about the name.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = bank_detail_name_check, check_for_backend(diesel::pg::Pg))]
pub struct NameCheckRow {
    /// How well it fits.
    pub outcome: NameCheck,
    /// In which name the account is, when it fits nearly.
    pub name: Option<String>,
    /// When it said so.
    pub at: DateTime<Utc>,
}

/// How long a new account waits, from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = bank_detail_policy, check_for_backend(diesel::pg::Pg))]
pub struct PolicyRow {
    /// Its id.
    pub id: BankDetailPolicyId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Hours.
    pub cooling_hours: i32,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub decided_by: PersonId,
    /// When it was written down.
    pub created_at: DateTime<Utc>,
}

/// What shapes a list of changes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChangeFilter {
    /// Only in this state.
    pub state: Option<BankDetailState>,
    /// Only of this member.
    pub member_id: Option<PersonId>,
}

pub(super) fn insert(tx: &mut Tx<'_>, new: &NewChange<'_>) -> Result<Locked<ChangeRow>> {
    // A row that this transaction inserts is seen by nobody else, which is more than a lock.
    let row = diesel::insert_into(bank_detail_change::table)
        .values(new)
        .returning(ChangeRow::as_returning())
        .get_result(tx.conn())?;
    Ok(Locked::new(row))
}

pub(super) fn find(tx: &mut Tx<'_>, id: BankDetailChangeId) -> Result<ChangeRow> {
    let mut query = bank_detail_change::table.find(id).select(ChangeRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(bank_detail_change::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: BankDetailChangeId) -> Result<Locked<ChangeRow>> {
    let row: ChangeRow =
        bank_detail_change::table.find(id).select(ChangeRow::as_select()).for_update().first(tx.conn())?;
    if tx.only_owner().is_some_and(|owner| owner != row.member_id) {
        return Err(Error::not_found());
    }
    Ok(Locked::new(row))
}

/// The open change with this code, if there is one.
pub(super) fn lock_by_code(tx: &mut Tx<'_>, hash: &[u8]) -> Result<Option<Locked<ChangeRow>>> {
    let row = bank_detail_change::table
        .filter(bank_detail_change::code_hash.eq(hash))
        .select(ChangeRow::as_select())
        .for_update()
        .first(tx.conn())
        .optional()?;
    Ok(row.map(Locked::new))
}

pub(super) fn list(tx: &mut Tx<'_>, filter: &ChangeFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<ChangeRow>> {
    let mut query = bank_detail_change::table
        .order(bank_detail_change::id.desc())
        .limit(limit)
        .select(ChangeRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(bank_detail_change::member_id.eq(owner));
    }
    if let Some(state) = filter.state {
        query = query.filter(bank_detail_change::state.eq(state));
    }
    if let Some(member) = filter.member_id {
        query = query.filter(bank_detail_change::member_id.eq(member));
    }
    if let Some(after) = after {
        query = query.filter(bank_detail_change::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn list_cooling(tx: &mut Tx<'_>) -> Result<Vec<BankDetailChangeId>> {
    Ok(bank_detail_change::table
        .filter(bank_detail_change::state.eq(BankDetailState::Cooling))
        .order(bank_detail_change::id.asc())
        .select(bank_detail_change::id)
        .load(tx.conn())?)
}

pub(super) fn save_cooling(tx: &mut Tx<'_>, row: &Locked<ChangeRow>) -> Result<ChangeRow> {
    Ok(diesel::update(bank_detail_change::table.find(row.id))
        .set(bank_detail_change::state.eq(BankDetailState::Cooling))
        .returning(ChangeRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_reminded(tx: &mut Tx<'_>, row: &Locked<ChangeRow>) -> Result<()> {
    let now = tx.now();
    diesel::update(bank_detail_change::table.find(row.id))
        .set(bank_detail_change::reminded_at.eq(now))
        .execute(tx.conn())?;
    Ok(())
}

/// Ends a change. Its code is used up, whoever ended it.
pub(super) fn save_ended(
    tx: &mut Tx<'_>,
    row: &Locked<ChangeRow>,
    (state, how): (BankDetailState, EndedHow),
    reason: Option<&str>,
) -> Result<ChangeRow> {
    let (now, by) = (tx.now(), tx.principal().map(|who| who.person));
    Ok(diesel::update(bank_detail_change::table.find(row.id))
        .set((
            bank_detail_change::state.eq(state),
            bank_detail_change::code_hash.eq(None::<Vec<u8>>),
            bank_detail_change::ended_at.eq(now),
            bank_detail_change::ended_by.eq(by),
            bank_detail_change::ended_how.eq(how),
            bank_detail_change::reason.eq(reason),
        ))
        .returning(ChangeRow::as_returning())
        .get_result(tx.conn())?)
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = Timestamptz)]
    due: DateTime<Utc>,
}

/// From when on a change may be active, as it stands now.
pub(super) fn due(tx: &mut Tx<'_>, id: BankDetailChangeId) -> Result<DateTime<Utc>> {
    let found: Due =
        diesel::sql_query("SELECT bank_detail_due($1) AS due").bind::<SqlUuid, _>(id).get_result(tx.conn())?;
    Ok(found.due)
}

pub(super) fn insert_callback(
    tx: &mut Tx<'_>,
    id: CallbackId,
    change: &Locked<ChangeRow>,
    (phone, note): (&str, &str),
    by: PersonId,
) -> Result<()> {
    diesel::insert_into(bank_detail_callback::table)
        .values((
            bank_detail_callback::id.eq(id),
            bank_detail_callback::change_id.eq(change.id),
            bank_detail_callback::member_id.eq(change.member_id),
            bank_detail_callback::phone.eq(phone),
            bank_detail_callback::note.eq(note),
            bank_detail_callback::recorded_by.eq(by),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_callback(tx: &mut Tx<'_>, change: BankDetailChangeId) -> Result<Option<CallbackRow>> {
    Ok(bank_detail_callback::table
        .filter(bank_detail_callback::change_id.eq(change))
        .select(CallbackRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn save_callback_confirmed(tx: &mut Tx<'_>, callback: CallbackId, by: PersonId) -> Result<()> {
    let now = tx.now();
    diesel::update(bank_detail_callback::table.find(callback))
        .set((bank_detail_callback::confirmed_by.eq(by), bank_detail_callback::confirmed_at.eq(now)))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn insert_name_check(tx: &mut Tx<'_>, change: &ChangeRow, answer: &NameAnswer) -> Result<()> {
    let name = answer.name.as_ref().filter(|_| answer.outcome == NameCheck::CloseMatch);
    let name: Option<String> = name.map(|name| name.chars().take(140).collect());
    diesel::insert_into(bank_detail_name_check::table)
        .values((
            bank_detail_name_check::change_id.eq(change.id),
            bank_detail_name_check::member_id.eq(change.member_id),
            bank_detail_name_check::outcome.eq(answer.outcome),
            bank_detail_name_check::name.eq(name),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// The newest answer.
pub(super) fn find_name_check(tx: &mut Tx<'_>, change: BankDetailChangeId) -> Result<Option<NameCheckRow>> {
    Ok(bank_detail_name_check::table
        .filter(bank_detail_name_check::change_id.eq(change))
        .order(bank_detail_name_check::id.desc())
        .select(NameCheckRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn insert_policy(
    tx: &mut Tx<'_>,
    (id, entity): (BankDetailPolicyId, EntityId),
    (valid_from, hours): (NaiveDate, i32),
    reason: &str,
    by: PersonId,
) -> Result<PolicyRow> {
    Ok(diesel::insert_into(bank_detail_policy::table)
        .values((
            bank_detail_policy::id.eq(id),
            bank_detail_policy::entity_id.eq(entity),
            bank_detail_policy::valid_from.eq(valid_from),
            bank_detail_policy::cooling_hours.eq(hours),
            bank_detail_policy::reason.eq(reason),
            bank_detail_policy::decided_by.eq(by),
        ))
        .returning(PolicyRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_policy(tx: &mut Tx<'_>, entity: EntityId, day: NaiveDate) -> Result<Option<PolicyRow>> {
    Ok(bank_detail_policy::table
        .filter(bank_detail_policy::entity_id.eq(entity))
        .filter(bank_detail_policy::valid_from.le(day))
        .order(bank_detail_policy::valid_from.desc())
        .select(PolicyRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn list_policies(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<PolicyRow>> {
    Ok(bank_detail_policy::table
        .filter(bank_detail_policy::entity_id.eq(entity))
        .order(bank_detail_policy::valid_from.desc())
        .select(PolicyRow::as_select())
        .load(tx.conn())?)
}
