//! The SQL of suppliers' electronic invoices.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use umbel_schema::supplier_invoice;
use uuid::Uuid;

use super::rules::{SupplierDocument, SupplierInvoiceState};
use crate::kernel::ids::{CostCreditId, CostId, EntityId, FileId, PersonId, SupplierInvoiceId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;

/// An electronic invoice of a supplier.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = supplier_invoice, check_for_backend(diesel::pg::Pg))]
pub struct SupplierInvoiceRow {
    /// Its id.
    pub id: SupplierInvoiceId,
    /// To whom it is addressed.
    pub entity_id: EntityId,
    /// What it is.
    pub kind: SupplierDocument,
    /// How it is written.
    pub format: String,
    /// Who sent it.
    pub supplier: String,
    /// By what the supplier is told from others.
    pub supplier_key: String,
    /// The supplier's number.
    pub number: String,
    /// Its date.
    pub issued_on: NaiveDate,
    /// The last day to pay.
    pub due_on: Option<NaiveDate>,
    /// Of every amount.
    pub currency: Currency,
    /// Without VAT.
    pub net_minor: Minor,
    /// VAT.
    pub vat_minor: Minor,
    /// With VAT.
    pub gross_minor: Minor,
    /// Still to pay.
    pub payable_minor: Minor,
    /// What it says beside its totals.
    pub summary: Value,
    /// The file as it came.
    pub file_id: FileId,
    /// Its SHA-256.
    pub sha256: Vec<u8>,
    /// Where it stands.
    pub state: SupplierInvoiceState,
    /// The cost that it became.
    pub cost_id: Option<CostId>,
    /// What it took back of a cost.
    pub cost_credit_id: Option<CostCreditId>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// Who brought it in.
    pub received_by: PersonId,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_on: Option<NaiveDate>,
    /// When it was brought in.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// Which to list.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct SupplierInvoiceFilter {
    /// Only in this state.
    pub state: Option<SupplierInvoiceState>,
    /// Only to this entity.
    pub entity_id: Option<EntityId>,
}

pub(super) fn insert(tx: &mut Tx<'_>, row: &SupplierInvoiceRow) -> Result<SupplierInvoiceRow> {
    Ok(diesel::insert_into(supplier_invoice::table)
        .values(row)
        .returning(SupplierInvoiceRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find(tx: &mut Tx<'_>, id: SupplierInvoiceId) -> Result<SupplierInvoiceRow> {
    Ok(supplier_invoice::table.find(id).select(SupplierInvoiceRow::as_select()).first(tx.conn())?)
}

pub(super) fn find_by_bytes(tx: &mut Tx<'_>, sha256: &[u8]) -> Result<Option<SupplierInvoiceRow>> {
    Ok(supplier_invoice::table
        .filter(supplier_invoice::sha256.eq(sha256))
        .select(SupplierInvoiceRow::as_select())
        .first(tx.conn())
        .optional()?)
}

/// One of this supplier with this number that was not rejected.
pub(super) fn find_known(tx: &mut Tx<'_>, row: &SupplierInvoiceRow) -> Result<Option<SupplierInvoiceId>> {
    let number = row.number.to_lowercase();
    diesel::define_sql_function! { fn lower(x: diesel::sql_types::Text) -> diesel::sql_types::Text; }
    Ok(supplier_invoice::table
        .filter(supplier_invoice::entity_id.eq(row.entity_id))
        .filter(supplier_invoice::kind.eq(row.kind))
        .filter(supplier_invoice::supplier_key.eq(&row.supplier_key))
        .filter(lower(supplier_invoice::number).eq(number))
        .filter(supplier_invoice::state.ne(SupplierInvoiceState::Rejected))
        .select(supplier_invoice::id)
        .first(tx.conn())
        .optional()?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: SupplierInvoiceId) -> Result<Locked<SupplierInvoiceRow>> {
    let query = supplier_invoice::table.find(id).select(SupplierInvoiceRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_no_key_update().first(tx.conn())?
    };
    Ok(Locked::new(row))
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    filter: &SupplierInvoiceFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<SupplierInvoiceRow>> {
    let mut query = supplier_invoice::table
        .order(supplier_invoice::id.desc())
        .limit(limit)
        .select(SupplierInvoiceRow::as_select())
        .into_boxed();
    if let Some(state) = filter.state {
        query = query.filter(supplier_invoice::state.eq(state));
    }
    if let Some(entity) = filter.entity_id {
        query = query.filter(supplier_invoice::entity_id.eq(entity));
    }
    if let Some(after) = after {
        query = query.filter(supplier_invoice::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// What a decision writes.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = supplier_invoice)]
pub(super) struct Decision {
    pub state: SupplierInvoiceState,
    pub cost_id: Option<CostId>,
    pub cost_credit_id: Option<CostCreditId>,
    pub reason: Option<String>,
    pub decided_by: Option<PersonId>,
    pub decided_on: Option<NaiveDate>,
}

pub(super) fn save_decided(
    tx: &mut Tx<'_>,
    row: &Locked<SupplierInvoiceRow>,
    decision: &Decision,
) -> Result<SupplierInvoiceRow> {
    Ok(diesel::update(supplier_invoice::table.find(row.id))
        .set(decision)
        .returning(SupplierInvoiceRow::as_returning())
        .get_result(tx.conn())?)
}
