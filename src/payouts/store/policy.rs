//! The SQL of the amount table and of the policy of batches.

use chrono::NaiveDate;
use diesel::prelude::*;
use umbel_schema::{approval_amount, batch_policy};

use crate::kernel::ids::{ApprovalAmountId, BatchPolicyId, EntityId, PersonId};
use crate::kernel::money::Minor;
use crate::payouts::policy::{NewAmount, Policy};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// How many people a total needs from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = approval_amount, check_for_backend(diesel::pg::Pg))]
pub struct AmountRow {
    /// Its id.
    pub id: ApprovalAmountId,
    /// In which order it was decided.
    pub seq: i64,
    /// Whose batches.
    pub entity_id: EntityId,
    /// From this total on.
    pub from_minor: Minor,
    /// So many people.
    pub approvers: i32,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Whether it asks for fewer than the row before it.
    pub loosens: bool,
    /// Who decided.
    pub decided_by: PersonId,
    /// Who agreed; one that loosens counts only then.
    pub agreed_by: Option<PersonId>,
    /// Grows with every change.
    pub version: i32,
}

/// How long approvals count and a bank may be silent, from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = batch_policy, check_for_backend(diesel::pg::Pg))]
pub struct PolicyRow {
    /// Its id.
    pub id: BatchPolicyId,
    /// Whose batches.
    pub entity_id: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// For how many days an approval counts.
    pub approval_days: i32,
    /// After how many working days a silent bank becomes a person's to ask.
    pub silent_days: i32,
    /// Who decided.
    pub decided_by: PersonId,
}

pub(in crate::payouts) fn insert_amount(tx: &mut Tx<'_>, new: &NewAmount, by: PersonId) -> Result<AmountRow> {
    Ok(diesel::insert_into(approval_amount::table)
        .values((
            approval_amount::id.eq(new.id),
            approval_amount::entity_id.eq(new.entity),
            approval_amount::from_minor.eq(new.from.amount_minor),
            approval_amount::approvers.eq(new.approvers),
            approval_amount::valid_from.eq(new.valid_from),
            // PostgreSQL compares with the row before and says which it is.
            approval_amount::loosens.eq(false),
            approval_amount::decided_by.eq(by),
        ))
        .returning(AmountRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn find_amount(tx: &mut Tx<'_>, id: ApprovalAmountId) -> Result<AmountRow> {
    Ok(approval_amount::table.find(id).select(AmountRow::as_select()).first(tx.conn())?)
}

pub(in crate::payouts) fn lock_amount(tx: &mut Tx<'_>, id: ApprovalAmountId) -> Result<Locked<AmountRow>> {
    let query = approval_amount::table.find(id).select(AmountRow::as_select()).for_update();
    Ok(Locked::new(query.first(tx.conn())?))
}

pub(in crate::payouts) fn list_amounts(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<AmountRow>> {
    Ok(approval_amount::table
        .filter(approval_amount::entity_id.eq(of))
        .order(approval_amount::seq.asc())
        .select(AmountRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::payouts) fn agree(tx: &mut Tx<'_>, row: &Locked<AmountRow>, by: PersonId) -> Result<AmountRow> {
    let now = tx.now();
    Ok(diesel::update(approval_amount::table.find(row.id))
        .set((approval_amount::agreed_by.eq(by), approval_amount::agreed_at.eq(now)))
        .returning(AmountRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn insert_policy(
    tx: &mut Tx<'_>,
    id: BatchPolicyId,
    entity: EntityId,
    valid_from: NaiveDate,
    new: Policy,
    by: PersonId,
) -> Result<PolicyRow> {
    Ok(diesel::insert_into(batch_policy::table)
        .values((
            batch_policy::id.eq(id),
            batch_policy::entity_id.eq(entity),
            batch_policy::valid_from.eq(valid_from),
            batch_policy::approval_days.eq(new.approval_days),
            batch_policy::silent_days.eq(new.silent_days),
            batch_policy::decided_by.eq(by),
        ))
        .returning(PolicyRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn find_policy(tx: &mut Tx<'_>, of: EntityId, day: NaiveDate) -> Result<Option<PolicyRow>> {
    Ok(batch_policy::table
        .filter(batch_policy::entity_id.eq(of))
        .filter(batch_policy::valid_from.le(day))
        .order((batch_policy::valid_from.desc(), batch_policy::seq.desc()))
        .select(PolicyRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(in crate::payouts) fn list_policies(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<PolicyRow>> {
    Ok(batch_policy::table
        .filter(batch_policy::entity_id.eq(of))
        .order(batch_policy::seq.asc())
        .select(PolicyRow::as_select())
        .load(tx.conn())?)
}
