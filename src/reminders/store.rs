//! The SQL of reminders.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use serde::Serialize;
use umbel_schema::payment_reminder;
use uuid::Uuid;

use super::Notice;
use crate::invoicing::OpenInvoice;
use crate::kernel::ids::{EntityId, InvoiceId, PersonId, ReminderId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// A reminder.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payment_reminder, check_for_backend(diesel::pg::Pg))]
pub struct ReminderRow {
    /// Its id.
    pub id: ReminderId,
    /// Whose invoice it is about.
    pub entity_id: EntityId,
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Whose work it was.
    pub member_id: PersonId,
    /// How firm: 1 to 3.
    pub level: i32,
    /// The day of the letter.
    pub reminded_on: NaiveDate,
    /// The last day on which the invoice could be paid in time.
    pub due_on: NaiveDate,
    /// How many days late it was.
    pub days_late: Option<i32>,
    /// Of the amount.
    pub currency: Currency,
    /// What was open, with VAT.
    pub open_minor: Minor,
    /// Who had it sent; nobody when the program did.
    pub requested_by: Option<PersonId>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// What the client owes for reminders by now.
    pub cost_minor: Minor,
    /// The last day on which nothing is added, where the law says that there is one.
    pub pay_by: Option<NaiveDate>,
    /// What interest would be added then, a year.
    pub late_rate_ppm: Option<i64>,
    /// And which compensation.
    pub late_compensation_minor: Option<Minor>,
}

/// What shapes a list of reminders.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReminderFilter {
    /// Only about this invoice.
    pub invoice_id: Option<InvoiceId>,
}

/// The level and the day of the last reminder about an invoice, which is locked.
pub(super) fn last_of(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Option<(i32, NaiveDate)>> {
    Ok(payment_reminder::table
        .filter(payment_reminder::invoice_id.eq(invoice))
        .order(payment_reminder::reminded_on.desc())
        .select((payment_reminder::level, payment_reminder::reminded_on))
        .first(tx.conn())
        .optional()?)
}

pub(super) fn insert(
    tx: &mut Tx<'_>,
    id: ReminderId,
    invoice: &OpenInvoice,
    (level, due_on, on): (i32, NaiveDate, NaiveDate),
    by: Option<PersonId>,
    notice: &Notice,
) -> Result<()> {
    diesel::insert_into(payment_reminder::table)
        .values((
            payment_reminder::id.eq(id),
            payment_reminder::entity_id.eq(invoice.entity_id),
            payment_reminder::invoice_id.eq(invoice.id),
            payment_reminder::member_id.eq(invoice.member_id),
            payment_reminder::level.eq(level),
            payment_reminder::reminded_on.eq(on),
            payment_reminder::due_on.eq(due_on),
            payment_reminder::currency.eq(invoice.currency),
            payment_reminder::open_minor.eq(invoice.open_minor),
            payment_reminder::requested_by.eq(by),
            payment_reminder::cost_minor.eq(notice.costs),
            payment_reminder::pay_by.eq(notice.pay_by),
            payment_reminder::late_rate_ppm.eq(notice.rate.map(|rate| rate.0)),
            payment_reminder::late_compensation_minor.eq(notice.compensation),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn find(tx: &mut Tx<'_>, id: ReminderId) -> Result<ReminderRow> {
    let mut query = payment_reminder::table.find(id).select(ReminderRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payment_reminder::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    filter: &ReminderFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ReminderRow>> {
    let mut query = payment_reminder::table
        .order(payment_reminder::id.desc())
        .limit(limit)
        .select(ReminderRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payment_reminder::member_id.eq(owner));
    }
    if let Some(invoice) = filter.invoice_id {
        query = query.filter(payment_reminder::invoice_id.eq(invoice));
    }
    if let Some(after) = after {
        query = query.filter(payment_reminder::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}
