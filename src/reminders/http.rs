//! The counter for reminders.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{ReminderFilter, ReminderRow};
use crate::access::{MemberOrDesk, MemberOrReviewer};
use crate::kernel::ids::{EntityId, InvoiceId, PersonId, ReminderId};
use crate::kernel::money::Money;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf, attachment};

crate::endpoints!(remind_client, list_payment_reminders, show_payment_reminder, download_payment_reminder);

/// A reminder.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReminderView {
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
    pub days_late: i32,
    /// What was open, with VAT.
    pub open: Money,
    /// What the client owes for reminders by now; nothing for those sent by hand.
    pub cost: Money,
    /// Who had it sent; nobody when a track did.
    pub requested_by: Option<PersonId>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<ReminderRow> for ReminderView {
    fn from(row: ReminderRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            invoice_id: row.invoice_id,
            member_id: row.member_id,
            level: row.level,
            reminded_on: row.reminded_on,
            due_on: row.due_on,
            days_late: row.days_late.unwrap_or_default(),
            open: Money { amount_minor: row.open_minor, currency: row.currency },
            cost: Money { amount_minor: row.cost_minor, currency: row.currency },
            requested_by: row.requested_by,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RemindClient {
    /// Made by the sender.
    id: ReminderId,
}

/// Reminds the client of an invoice that is late: a letter by mail, with what is open and how to pay. No cost is added.
#[utoipa::path(tag = "reminders", params(("id" = InvoiceId, Path)), request_body = RemindClient,
    responses((status = 201, body = ReminderView)), extensions(("x-roles" = json!(["member", "reviewer"]))))]
#[post("/v1/invoices/{id}/payment_reminders")]
async fn remind_client(
    who: MemberOrReviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<RemindClient>,
) -> Result<HttpResponse> {
    let invoice = id.into_inner();
    command
        .create(&db, who.into(), "remind_client", "/v1/payment_reminders", move |tx, body| {
            super::remind(tx, body.id, invoice).map(ReminderView::from)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ReminderQuery {
    /// Only about this invoice.
    invoice_id: Option<InvoiceId>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists reminders, newest first: about your own invoices, or all of them for the office.
#[utoipa::path(tag = "reminders", params(ReminderQuery), responses((status = 200, body = Page<ReminderView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payment_reminders")]
async fn list_payment_reminders(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<ReminderQuery>,
) -> Result<Json<Page<ReminderView>>> {
    let query = query.0;
    let filter = ReminderFilter { invoice_id: query.invoice_id };
    let listing =
        Listing::new(&keys, who.person(), "payment_reminders", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, ReminderView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a reminder.
#[utoipa::path(tag = "reminders", params(("id" = ReminderId, Path)), responses((status = 200, body = ReminderView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payment_reminders/{id}")]
async fn show_payment_reminder(who: MemberOrDesk, db: Data<Db>, id: Path<ReminderId>) -> Result<Json<ReminderView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| super::find(tx, id).map(ReminderView::from)).await?))
}

/// Downloads the letter of a reminder: the same bytes for ever. 404 until it has been made, a moment after.
#[utoipa::path(tag = "reminders", params(("id" = ReminderId, Path)),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payment_reminders/{id}/pdf")]
async fn download_payment_reminder(who: MemberOrDesk, db: Data<Db>, id: Path<ReminderId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| super::pdf(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}
