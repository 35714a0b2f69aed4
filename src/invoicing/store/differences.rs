//! The SQL of differences of the rate.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use umbel_schema::{exchange_difference, invoice_reduction, standing_allocation};
use uuid::Uuid;

use super::OpenInvoice;
use crate::invoicing::differences::NewDifference;
use crate::kernel::ids::{BankLineId, EntityId, ExchangeDifferenceId, InvoiceId, PersonId};
use crate::kernel::money::Minor;
use crate::named;
use crate::platform::db::Tx;
use crate::platform::error::Result;

named! {
    /// Which way the rate moved.
    DifferenceKind {
        /// Less arrived than was booked.
        Loss = "loss",
        /// More arrived than was booked.
        Gain = "gain",
    }
}

/// What arrived more or less than was booked.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = exchange_difference, check_for_backend(diesel::pg::Pg))]
pub struct DifferenceRow {
    /// Its id.
    pub id: ExchangeDifferenceId,
    /// Whose books.
    pub entity_id: EntityId,
    /// Of which invoice.
    pub invoice_id: InvoiceId,
    /// Whose work it was.
    pub member_id: PersonId,
    /// The line of the bank that brought a gain.
    pub bank_line_id: Option<BankLineId>,
    /// Less or more.
    pub kind: DifferenceKind,
    /// How much, in euro.
    pub amount_minor: Minor,
    /// Why.
    pub reason: String,
    /// The day it counts.
    pub settled_on: NaiveDate,
    /// Who said so.
    pub settled_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

pub(in crate::invoicing) fn list_differences(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Vec<DifferenceRow>> {
    Ok(exchange_difference::table
        .filter(exchange_difference::invoice_id.eq(invoice))
        .order(exchange_difference::created_at.asc())
        .select(DifferenceRow::as_select())
        .load(tx.conn())?)
}

/// Writes a difference; a loss lowers what is open of the invoice.
pub(in crate::invoicing) fn insert_difference(
    tx: &mut Tx<'_>,
    new: &NewDifference,
    invoice: &OpenInvoice,
    (kind, line): (DifferenceKind, Option<BankLineId>),
    amount: Minor,
    on: NaiveDate,
) -> Result<DifferenceRow> {
    let me = tx.person()?;
    let row = diesel::insert_into(exchange_difference::table)
        .values((
            exchange_difference::id.eq(new.id),
            exchange_difference::entity_id.eq(invoice.entity_id),
            exchange_difference::invoice_id.eq(invoice.id),
            exchange_difference::member_id.eq(invoice.member_id),
            exchange_difference::bank_line_id.eq(line),
            exchange_difference::kind.eq(kind),
            exchange_difference::amount_minor.eq(amount),
            exchange_difference::reason.eq(new.reason.trim()),
            exchange_difference::settled_on.eq(on),
            exchange_difference::settled_by.eq(me),
        ))
        .returning(DifferenceRow::as_returning())
        .get_result(tx.conn())?;
    if kind == DifferenceKind::Loss {
        let id: Uuid = tx.new_id();
        diesel::insert_into(invoice_reduction::table)
            .values((
                invoice_reduction::id.eq(id),
                invoice_reduction::invoice_id.eq(invoice.id),
                invoice_reduction::member_id.eq(invoice.member_id),
                invoice_reduction::kind.eq("exchange_difference"),
                invoice_reduction::source_id.eq(new.id.0),
                invoice_reduction::amount_minor.eq(amount),
                invoice_reduction::reduced_on.eq(on),
            ))
            .execute(tx.conn())?;
    }
    Ok(row)
}

/// Whether a line of the bank pays something of an invoice.
pub(in crate::invoicing) fn is_paid_by(tx: &mut Tx<'_>, invoice: InvoiceId, line: BankLineId) -> Result<bool> {
    let paid = standing_allocation::table
        .filter(standing_allocation::invoice_id.eq(invoice))
        .filter(standing_allocation::bank_line_id.eq(line));
    Ok(diesel::select(diesel::dsl::exists(paid)).get_result(tx.conn())?)
}
