//! Reminders: a letter to the client of an invoice that is late, sent by hand of the office or of its member, or by the
//! program as a step of a track.
//!
//! Owns `payment_reminder`. A reminder says what was open on its day; by hand it costs the client nothing. It is drawn
//! once by a job, kept, and mailed with the link to the page of the invoice.

pub mod http;
pub mod jobs;
mod rules;
mod store;

use chrono::NaiveDate;
pub use store::{ReminderFilter, ReminderRow};
use uuid::Uuid;

use crate::archive::{self, ArchivedFile, Kind};
use crate::kernel::ids::{InvoiceId, PersonId, ReminderId};
use crate::kernel::money::{Minor, Ppm};
use crate::outbox::{self, Job};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{charter, guarantee, invoicing};

/// What a reminder says beside what is open.
#[derive(Debug, Clone, Default)]
pub struct Notice {
    /// What the client owes for reminders by now.
    pub costs: Minor,
    /// The last day on which nothing is added, where the law says that there is one.
    pub pay_by: Option<NaiveDate>,
    /// What interest would be added then, a year.
    pub rate: Option<Ppm>,
    /// And which compensation.
    pub compensation: Option<Minor>,
}

/// Reminds the client of an invoice. The level follows from the reminders before.
///
/// # Errors
/// 404 for an invoice that is not issued or not one's own; 409 `reminder_nothing_open`, `reminder_disputed`,
/// `reminder_not_overdue`, `reminder_once_a_day`.
pub fn remind(tx: &mut Tx<'_>, id: ReminderId, invoice: InvoiceId) -> Result<ReminderRow> {
    let by = tx.person()?;
    send(tx, id, invoice, Some(by), &Notice::default())
}

/// As [`remind`], by the program itself, with what the law or the track adds.
///
/// # Errors
/// As [`remind`].
pub fn remind_by_program(tx: &mut Tx<'_>, id: ReminderId, invoice: InvoiceId, notice: &Notice) -> Result<ReminderRow> {
    send(tx, id, invoice, None, notice)
}

fn send(
    tx: &mut Tx<'_>,
    id: ReminderId,
    invoice: InvoiceId,
    by: Option<PersonId>,
    notice: &Notice,
) -> Result<ReminderRow> {
    let found = invoicing::find(tx, invoice)?;
    let open = invoicing::open_invoice(tx, invoice)?;
    let due_on = found.row.due_on.ok_or_else(Error::not_found)?;
    let zone = charter::entity(tx, open.entity_id)?.zone();
    let today = tx.today(zone);
    let is_disputed = guarantee::dispute_of(tx, invoice)?.is_some();
    let last = store::last_of(tx, invoice)?;
    let level = rules::next(open.open_minor, is_disputed, (due_on, today), last)?;
    store::insert(tx, id, &open, (level, due_on, today), by, notice)?;
    outbox::queue(tx, &Job::SendReminder { reminder: id }, id.0, &format!("send_reminder:{id}"))?;
    find(tx, id)
}

/// A reminder.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: ReminderId) -> Result<ReminderRow> {
    store::find(tx, id)
}

/// Reminders, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, filter: &ReminderFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<ReminderRow>> {
    store::list(tx, filter, after, limit)
}

/// The letter of a reminder, byte for byte.
///
/// # Errors
/// 404, also until it is made.
pub fn pdf(tx: &mut Tx<'_>, id: ReminderId) -> Result<ArchivedFile> {
    let row = find(tx, id)?;
    archive::find_of(tx, row.id.0, Kind::PaymentReminder)?.ok_or_else(Error::not_found)
}
