//! The counter for invoices between members of one legal person.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Draft, InternalInvoice, InternalRow, InternalState, Line, rules};
use crate::access::{Member, MemberOrDesk};
use crate::kernel::ids::{ActivityId, EntityId, InternalInvoiceId, PersonId, TransferId};
use crate::kernel::money::Money;
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf, attachment};

crate::endpoints!(
    create_internal_invoice,
    list_internal_invoices,
    show_internal_invoice,
    download_internal_invoice,
    send_internal_invoice,
    withdraw_internal_invoice,
    accept_internal_invoice,
    refuse_internal_invoice,
);

/// What was done: so much of it, at this price.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InternalLine {
    /// What it is.
    #[schema(max_length = 500)]
    pub label: String,
    /// A decimal with up to four decimals, above zero.
    #[schema(example = "1.5", max_length = 16, pattern = r"^[0-9]{1,9}(\.[0-9]{1,4})?$")]
    pub quantity: String,
    /// For one, in euro.
    pub unit_price: Money,
}

impl From<InternalLine> for Line {
    fn from(line: InternalLine) -> Self {
        let is_plain =
            line.quantity.len() <= 16 && line.quantity.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        // What is no plain decimal is refused with its place, as one that is out of range.
        let quantity = Decimal::from_str_exact(&line.quantity).ok().filter(|_| is_plain).unwrap_or_default();
        Self { label: line.label, quantity, unit_price: line.unit_price }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateInternalInvoice {
    /// Made by the sender.
    id: InternalInvoiceId,
    /// Your activity, whose work it was.
    activity_id: ActivityId,
    /// The activity of another member of the same legal person, which pays.
    to_activity_id: ActivityId,
    /// One line.
    #[schema(max_length = 200)]
    title: String,
    /// What was done.
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<InternalLine>,
}

/// An internal invoice in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct InternalInvoiceSummary {
    /// Its id.
    pub id: InternalInvoiceId,
    /// Grows with every change.
    pub version: i32,
    /// `draft`, `sent`, `accepted`, `refused` or `withdrawn`.
    pub state: InternalState,
    /// The legal person that both sides belong to.
    pub entity_id: EntityId,
    /// Who made it.
    pub member_id: PersonId,
    /// For which activity.
    pub activity_id: ActivityId,
    /// Who pays.
    pub to_member_id: PersonId,
    /// From which activity.
    pub to_activity_id: ActivityId,
    /// Who made it, as on the document.
    pub from_name: String,
    /// Who pays, as on the document.
    pub to_name: String,
    /// One line.
    pub title: String,
    /// Its number, once it was sent.
    pub number: Option<String>,
    /// The day it was sent.
    pub sent_on: Option<NaiveDate>,
    /// To pay; there is no VAT inside one legal person.
    pub total: Money,
    /// Why it was refused.
    pub refusal_reason: Option<String>,
    /// What paid it.
    pub transfer_id: Option<TransferId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl From<InternalRow> for InternalInvoiceSummary {
    fn from(row: InternalRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            entity_id: row.entity_id,
            member_id: row.member_id,
            activity_id: row.activity_id,
            to_member_id: row.to_member_id,
            to_activity_id: row.to_activity_id,
            from_name: row.from_name,
            to_name: row.to_name,
            title: row.title,
            number: row.number,
            sent_on: row.sent_on,
            total: Money { amount_minor: row.total_minor, currency: row.currency },
            refusal_reason: row.refusal_reason,
            transfer_id: row.transfer_id,
            created_at: row.created_at,
        }
    }
}

/// An internal invoice.
#[derive(Debug, Serialize, ToSchema)]
pub struct InternalInvoiceView {
    /// Its row.
    #[serde(flatten)]
    pub invoice: InternalInvoiceSummary,
    /// What was done.
    pub lines: Vec<InternalLine>,
    /// The transfer that gave its money back: the correction of it.
    pub returned_by: Option<TransferId>,
}

impl InternalInvoiceView {
    fn new(it: InternalInvoice) -> Result<Self> {
        let line = |line: Line| InternalLine {
            label: line.label,
            quantity: line.quantity.normalize().to_string(),
            unit_price: line.unit_price,
        };
        let lines = rules::read(&it.row.lines)?.into_iter().map(line).collect();
        Ok(Self { lines, returned_by: it.returned_by, invoice: it.row.into() })
    }
}

fn load(tx: &mut Tx<'_>, id: InternalInvoiceId) -> Result<InternalInvoiceView> {
    InternalInvoiceView::new(super::find(tx, id)?)
}

/// Makes a draft to another member of the same legal person. It has no number.
#[utoipa::path(tag = "internal invoices", request_body = CreateInternalInvoice,
    responses((status = 201, body = InternalInvoiceView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/internal_invoices")]
async fn create_internal_invoice(
    who: Member,
    db: Data<Db>,
    command: Command<CreateInternalInvoice>,
) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "create_internal_invoice", "/v1/internal_invoices", |tx, body| {
            let draft = Draft {
                activity: body.activity_id,
                to: body.to_activity_id,
                title: body.title,
                lines: body.lines.into_iter().map(Line::from).collect(),
            };
            InternalInvoiceView::new(super::create(tx, body.id, &draft)?)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct InternalInvoiceFilter {
    /// Only in this state.
    #[param(inline)]
    state: Option<InternalState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists internal invoices, newest first: those that you wrote or were sent, or all of them for the office.
#[utoipa::path(tag = "internal invoices", params(InternalInvoiceFilter),
    responses((status = 200, body = Page<InternalInvoiceSummary>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/internal_invoices")]
async fn list_internal_invoices(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<InternalInvoiceFilter>,
) -> Result<Json<Page<InternalInvoiceSummary>>> {
    let filter = filter.0;
    let listing =
        Listing::new(&keys, who.person(), "internal_invoices", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, filter.state, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, InternalInvoiceSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows an internal invoice.
#[utoipa::path(tag = "internal invoices", params(("id" = InternalInvoiceId, Path)),
    responses((status = 200, body = InternalInvoiceView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/internal_invoices/{id}")]
async fn show_internal_invoice(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<InternalInvoiceId>,
) -> Result<Json<InternalInvoiceView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Downloads the PDF: the same bytes for ever. 404 before it is sent.
#[utoipa::path(tag = "internal invoices", params(("id" = InternalInvoiceId, Path)),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/internal_invoices/{id}/pdf")]
async fn download_internal_invoice(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<InternalInvoiceId>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| super::pdf(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

/// Sends a draft: it gets its number and its PDF, and the other side is told.
#[utoipa::path(tag = "internal invoices", params(("id" = InternalInvoiceId, Path)), request_body = Empty,
    responses((status = 200, body = InternalInvoiceView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/internal_invoices/{id}/send")]
async fn send_internal_invoice(
    who: Member,
    db: Data<Db>,
    id: Path<InternalInvoiceId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "send_internal_invoice", id.into_inner(), load, |tx, id, expected, _| {
            InternalInvoiceView::new(super::send(tx, id, expected)?)
        })
        .await
}

/// Takes back an internal invoice that you made, before it is accepted.
#[utoipa::path(tag = "internal invoices", params(("id" = InternalInvoiceId, Path)), request_body = Empty,
    responses((status = 200, body = InternalInvoiceView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/internal_invoices/{id}/withdraw")]
async fn withdraw_internal_invoice(
    who: Member,
    db: Data<Db>,
    id: Path<InternalInvoiceId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "withdraw_internal_invoice", id.into_inner(), load, |tx, id, expected, _| {
            InternalInvoiceView::new(super::withdraw(tx, id, expected)?)
        })
        .await
}

/// Accepts an internal invoice and pays it at once, out of what your activity has available.
#[utoipa::path(tag = "internal invoices", params(("id" = InternalInvoiceId, Path), ("dry_run" = Option<bool>, Query)),
    request_body = Empty, responses((status = 200, body = InternalInvoiceView)),
    extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/internal_invoices/{id}/accept")]
async fn accept_internal_invoice(
    who: Member,
    db: Data<Db>,
    id: Path<InternalInvoiceId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "accept_internal_invoice", id.into_inner(), load, |tx, id, expected, _| {
            InternalInvoiceView::new(super::accept(tx, id, expected)?)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefuseInternalInvoice {
    /// Why; its maker reads it.
    #[schema(max_length = 500)]
    reason: String,
}

/// Refuses an internal invoice, with the reason.
#[utoipa::path(tag = "internal invoices", params(("id" = InternalInvoiceId, Path)), request_body = RefuseInternalInvoice,
    responses((status = 200, body = InternalInvoiceView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/internal_invoices/{id}/refuse")]
async fn refuse_internal_invoice(
    who: Member,
    db: Data<Db>,
    id: Path<InternalInvoiceId>,
    command: Command<RefuseInternalInvoice>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "refuse_internal_invoice", id.into_inner(), load, |tx, id, expected, body| {
            InternalInvoiceView::new(super::refuse(tx, id, expected, &body.reason)?)
        })
        .await
}
