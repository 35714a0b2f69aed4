//! The SQL of what is still to come: money of invoices, work of orders, and how late clients pay.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Integer, Nullable, Uuid as SqlUuid};

use super::OpenInvoice;
use crate::kernel::ids::{ActivityId, ClientId, InvoiceId, OrderId};
use crate::kernel::money::Minor;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// When the money of an issued invoice was promised.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(in crate::invoicing) struct Promised {
    #[diesel(sql_type = SqlUuid)]
    pub(in crate::invoicing) id: InvoiceId,
    #[diesel(sql_type = SqlUuid)]
    pub(in crate::invoicing) client_id: ClientId,
    #[diesel(sql_type = Nullable<Date>)]
    pub(in crate::invoicing) advance_due_on: Option<NaiveDate>,
    #[diesel(sql_type = Date)]
    pub(in crate::invoicing) due_on: NaiveDate,
    #[diesel(sql_type = Bool)]
    pub(in crate::invoicing) is_disputed: bool,
    #[diesel(sql_type = Bool)]
    pub(in crate::invoicing) is_held: bool,
}

pub(in crate::invoicing) fn list_promised(tx: &mut Tx<'_>, invoices: &[InvoiceId]) -> Result<Vec<Promised>> {
    Ok(diesel::sql_query(
        "SELECT i.id, i.client_id, i.advance_due_on, i.due_on, \
                EXISTS (SELECT FROM invoice_dispute d WHERE d.invoice_id = i.id AND d.resolved_at IS NULL) AS is_disputed, \
                EXISTS (SELECT FROM advance_hold h WHERE h.invoice_id = i.id AND h.ended_at IS NULL) AS is_held \
         FROM invoice i WHERE i.id = ANY($1) AND i.state = 'issued' AND i.due_on IS NOT NULL ORDER BY i.id",
    )
    .bind::<Array<SqlUuid>, _>(invoices)
    .load(tx.conn())?)
}

/// What is agreed or handed in, and not issued.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(in crate::invoicing) struct ToInvoice {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(in crate::invoicing) order_id: Option<OrderId>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(in crate::invoicing) invoice_id: Option<InvoiceId>,
    #[diesel(sql_type = SqlUuid)]
    pub(in crate::invoicing) client_id: ClientId,
    #[diesel(sql_type = Date)]
    pub(in crate::invoicing) ends_on: NaiveDate,
    #[diesel(sql_type = BigInt)]
    pub(in crate::invoicing) net_minor: Minor,
    #[diesel(sql_type = Bool)]
    pub(in crate::invoicing) is_covered: bool,
}

/// Confirmed orders as far as they are not invoiced, and invoices that wait for the office.
pub(in crate::invoicing) fn list_to_invoice(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<ToInvoice>> {
    Ok(diesel::sql_query(
        "SELECT o.id AS order_id, NULL::uuid AS invoice_id, o.client_id, o.work_ends_on AS ends_on, \
                (o.net_minor - coalesce(sum(i.net_minor), 0))::bigint AS net_minor, coalesce(bool_or(d.eligible), false) AS is_covered \
         FROM orders o LEFT JOIN guarantee_decision d ON d.order_id = o.id \
         LEFT JOIN invoice i ON i.order_id = o.id AND i.kind = 'invoice' AND i.state IN ('submitted', 'issued') \
         WHERE o.activity_id = $1 AND o.state = 'confirmed' GROUP BY o.id HAVING o.net_minor > coalesce(sum(i.net_minor), 0) \
         UNION ALL \
         SELECT NULL, i.id, i.client_id, i.supplied_on, i.net_minor, coalesce(d.eligible, false) \
         FROM invoice i LEFT JOIN guarantee_decision d ON d.order_id = i.order_id \
         WHERE i.activity_id = $1 AND i.kind = 'invoice' AND i.state = 'submitted' AND i.net_minor > 0 \
         ORDER BY ends_on, net_minor",
    )
    .bind::<SqlUuid, _>(activity)
    .load(tx.conn())?)
}

/// How late a client pays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName)]
pub struct Lateness {
    /// The median of the days after the last day to pay; nothing for what came in time.
    #[diesel(sql_type = Integer)]
    pub days: i32,
    /// Of so many paid invoices.
    #[diesel(sql_type = BigInt)]
    pub invoices: i64,
}

pub(in crate::invoicing) fn lateness_of(tx: &mut Tx<'_>, client: ClientId) -> Result<Lateness> {
    Ok(diesel::sql_query(
        "SELECT coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY greatest(p.paid_on - p.due_on, 0)), 0)::integer AS days, \
                count(*) AS invoices \
         FROM (SELECT i.due_on, max(a.allocated_on) AS paid_on FROM invoice i JOIN invoice_open o ON o.invoice_id = i.id \
               JOIN standing_allocation a ON a.invoice_id = i.id \
               WHERE i.client_id = $1 AND i.kind = 'invoice' AND o.open_minor <= 0 GROUP BY i.id) p",
    )
    .bind::<SqlUuid, _>(client)
    .get_result(tx.conn())?)
}

#[derive(QueryableByName)]
struct WorkEnd {
    #[diesel(sql_type = Date)]
    supplied_on: NaiveDate,
    #[diesel(sql_type = Date)]
    issued_on: NaiveDate,
}

/// When the work of invoices ended and when they were issued, of those issued since a day.
pub(in crate::invoicing) fn list_work_ends(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    since: NaiveDate,
) -> Result<Vec<(NaiveDate, NaiveDate)>> {
    let rows: Vec<WorkEnd> = diesel::sql_query(
        "SELECT DISTINCT supplied_on, issued_on FROM invoice \
         WHERE activity_id = $1 AND kind = 'invoice' AND state = 'issued' AND issued_on >= $2 ORDER BY supplied_on, issued_on",
    )
    .bind::<SqlUuid, _>(activity)
    .bind::<Date, _>(since)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.supplied_on, row.issued_on)).collect())
}

/// An issued invoice and what is still open of it, for who only looks.
pub(in crate::invoicing) fn find_open(tx: &mut Tx<'_>, id: InvoiceId) -> Result<OpenInvoice> {
    Ok(diesel::sql_query(
        "SELECT i.id, i.entity_id, i.member_id, i.activity_id, i.client_id, i.currency, i.gross_minor, o.open_minor, i.number, \
                i.rule_set_id, i.issued_on \
         FROM invoice i JOIN invoice_open o ON o.invoice_id = i.id WHERE i.id = $1 AND i.number IS NOT NULL",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(tx.conn())?)
}
