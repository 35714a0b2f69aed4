//! The SQL of what suppliers take back.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use umbel_schema::cost_credit;
use uuid::Uuid;

use crate::kernel::ids::{BankLineId, CostCreditId, CostId, EntityId, FileId, PersonId, PoolId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// What a supplier took back of a cost.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = cost_credit, check_for_backend(diesel::pg::Pg))]
pub struct CostCreditRow {
    /// Its id.
    pub id: CostCreditId,
    /// Of this cost.
    pub cost_id: CostId,
    /// Who owed it.
    pub entity_id: EntityId,
    /// The member of the activity that bore it.
    pub member_id: Option<PersonId>,
    /// The pool that bore it.
    pub pool_id: Option<PoolId>,
    /// The supplier's number for it.
    pub reference: String,
    /// The date of the supplier's note.
    pub dated_on: NaiveDate,
    /// Why.
    pub reason: String,
    /// Without VAT.
    pub net_minor: Minor,
    /// VAT.
    pub vat_minor: Minor,
    /// The part of the VAT that the state gave back, and gets again.
    pub recoverable_vat_minor: Minor,
    /// Owed to the supplier no more, or owed by it.
    pub gross_minor: Minor,
    /// What the activity or the pool bears less.
    pub charged_minor: Minor,
    /// Of all its amounts.
    pub currency: Currency,
    /// The supplier's note.
    pub document_id: Option<FileId>,
    /// Whether the cost had been paid, so that the supplier owes the money.
    pub is_refund: bool,
    /// The bank line that brought it.
    pub bank_line_id: Option<BankLineId>,
    /// When.
    pub refunded_on: Option<NaiveDate>,
    /// Who booked it.
    pub booked_by: PersonId,
    /// On which day it counts.
    pub booked_on: NaiveDate,
    /// When it was booked.
    pub created_at: DateTime<Utc>,
}

pub(in crate::costs) fn insert_credit(tx: &mut Tx<'_>, row: &CostCreditRow) -> Result<()> {
    diesel::insert_into(cost_credit::table).values(row).execute(tx.conn())?;
    Ok(())
}

/// Who reads the cost reads what was taken back of it: PostgreSQL says who that is.
pub(in crate::costs) fn find_credit(tx: &mut Tx<'_>, id: CostCreditId) -> Result<CostCreditRow> {
    let mut query = cost_credit::table.find(id).select(CostCreditRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(cost_credit::member_id.eq(owner).or(cost_credit::pool_id.is_not_null()));
    }
    Ok(query.first(tx.conn())?)
}

pub(in crate::costs) fn list_credits(
    tx: &mut Tx<'_>,
    cost: CostId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<CostCreditRow>> {
    let mut query = cost_credit::table
        .filter(cost_credit::cost_id.eq(cost))
        .order(cost_credit::id.desc())
        .limit(limit)
        .select(CostCreditRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(cost_credit::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// The oldest credit of a cost of exactly this amount that the supplier has not paid back. The caller holds the cost.
pub(in crate::costs) fn find_refund_due(tx: &mut Tx<'_>, cost: CostId, gross: Minor) -> Result<Option<CostCreditRow>> {
    Ok(cost_credit::table
        .filter(cost_credit::cost_id.eq(cost))
        .filter(cost_credit::is_refund)
        .filter(cost_credit::refunded_on.is_null())
        .filter(cost_credit::gross_minor.eq(gross))
        .order(cost_credit::id.asc())
        .select(CostCreditRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(in crate::costs) fn save_refunded(
    tx: &mut Tx<'_>,
    id: CostCreditId,
    line: BankLineId,
    on: NaiveDate,
) -> Result<()> {
    diesel::update(cost_credit::table.find(id))
        .set((cost_credit::bank_line_id.eq(line), cost_credit::refunded_on.eq(on)))
        .execute(tx.conn())?;
    Ok(())
}
