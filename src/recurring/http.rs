//! The counter for invoices that come again.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{NewRecurring, RecurringRow, RecurringState, RunRow, Unit};
use crate::access::{Member, MemberOrDesk};
use crate::kernel::ids::{ActivityId, ClientId, EntityId, InvoiceId, PersonId, RecurringId};
use crate::kernel::lines::DocumentLine;
use crate::kernel::money::Currency;
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(
    create_recurring,
    list_recurring,
    show_recurring,
    list_recurring_runs,
    pause_recurring,
    resume_recurring,
    end_recurring,
);

/// What comes again, and when.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecurringBody {
    /// Made by the sender.
    id: RecurringId,
    /// Which activity it belongs to.
    activity_id: ActivityId,
    /// Who pays.
    client_id: ClientId,
    /// One line; `{period}` stands for the month, or by the week for the day.
    #[schema(max_length = 200, example = "Retainer {period}")]
    title: String,
    /// What the buyer wants to read on it.
    #[serde(default)]
    #[schema(max_length = 50)]
    buyer_reference: Option<String>,
    /// What is sold, in euro.
    #[schema(min_items = 1, max_items = 1000)]
    lines: Vec<DocumentLine>,
    /// Every so many weeks or months.
    #[schema(minimum = 1, maximum = 24)]
    every: i32,
    /// What its days are counted in.
    unit: Unit,
    /// Its first day: today or later. A 31st comes on the last day of shorter months.
    first_on: NaiveDate,
    /// No day after this one.
    #[serde(default)]
    last_on: Option<NaiveDate>,
    /// Whether it is handed to the office at once; else it stays a draft for its member to look at.
    #[serde(default)]
    hands_in: bool,
}

/// An invoice that comes again.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecurringView {
    /// Its id.
    pub id: RecurringId,
    /// Grows with every change.
    pub version: i32,
    /// `active`, `paused` or `ended`.
    pub state: RecurringState,
    /// Who issues it.
    pub entity_id: EntityId,
    /// Whose work it is.
    pub member_id: PersonId,
    /// To which activity it belongs.
    pub activity_id: ActivityId,
    /// Who pays.
    pub client_id: ClientId,
    /// With `{period}`.
    pub title: String,
    /// What the buyer wants to read on it.
    pub buyer_reference: Option<String>,
    /// What is sold.
    pub lines: Vec<DocumentLine>,
    /// Every so many weeks or months.
    pub every: i32,
    /// What its days are counted in.
    pub unit: Unit,
    /// Its first day.
    pub first_on: NaiveDate,
    /// No day after this one.
    pub last_on: Option<NaiveDate>,
    /// Its next day.
    pub next_on: Option<NaiveDate>,
    /// Whether it is handed to the office at once.
    pub hands_in: bool,
    /// The code of what refused its invoice and paused it.
    pub stopped_by: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl RecurringView {
    fn new(row: RecurringRow) -> Result<Self> {
        Ok(Self {
            lines: serde_json::from_value(row.lines)?,
            id: row.id,
            version: row.version,
            state: row.state,
            entity_id: row.entity_id,
            member_id: row.member_id,
            activity_id: row.activity_id,
            client_id: row.client_id,
            title: row.title,
            buyer_reference: row.buyer_reference,
            every: row.every,
            unit: row.unit,
            first_on: row.first_on,
            last_on: row.last_on,
            next_on: row.next_on,
            hands_in: row.hands_in,
            stopped_by: row.stopped_by,
            created_at: row.created_at,
        })
    }
}

/// An invoice that comes again, in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecurringSummary {
    /// Its id.
    pub id: RecurringId,
    /// Grows with every change.
    pub version: i32,
    /// `active`, `paused` or `ended`.
    pub state: RecurringState,
    /// Whose work it is.
    pub member_id: PersonId,
    /// Who pays.
    pub client_id: ClientId,
    /// With `{period}`.
    pub title: String,
    /// Its next day.
    pub next_on: Option<NaiveDate>,
    /// The code of what refused its invoice and paused it.
    pub stopped_by: Option<String>,
}

impl From<RecurringRow> for RecurringSummary {
    fn from(row: RecurringRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            member_id: row.member_id,
            client_id: row.client_id,
            title: row.title,
            next_on: row.next_on,
            stopped_by: row.stopped_by,
        }
    }
}

/// A day that has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecurringRunView {
    /// The day that was due, whenever it was worked.
    pub logical_on: NaiveDate,
    /// What was made.
    pub invoice_id: Option<InvoiceId>,
    /// The code of what refused it.
    pub refused_by: Option<String>,
    /// When it was worked.
    pub created_at: DateTime<Utc>,
}

impl From<RunRow> for RecurringRunView {
    fn from(row: RunRow) -> Self {
        Self {
            logical_on: row.logical_on,
            invoice_id: row.invoice_id,
            refused_by: row.refused_by,
            created_at: row.created_at,
        }
    }
}

fn load(tx: &mut Tx<'_>, id: RecurringId) -> Result<RecurringView> {
    RecurringView::new(super::find(tx, id)?)
}

/// Sets an invoice up that comes again on its days.
#[utoipa::path(tag = "invoices", request_body = RecurringBody, responses((status = 201, body = RecurringView)),
    extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/recurring_invoices")]
async fn create_recurring(who: Member, db: Data<Db>, command: Command<RecurringBody>) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "create_recurring", "/v1/recurring_invoices", |tx, body| {
            let new = NewRecurring {
                id: body.id,
                activity: body.activity_id,
                client: body.client_id,
                title: body.title,
                currency: Currency::EUR,
                buyer_reference: body.buyer_reference,
                lines: body.lines,
                every: body.every,
                unit: body.unit,
                first_on: body.first_on,
                last_on: body.last_on,
                hands_in: body.hands_in,
            };
            RecurringView::new(super::create(tx, &new)?)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RecurringPage {
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists invoices that come again, newest first.
#[utoipa::path(tag = "invoices", params(RecurringPage), responses((status = 200, body = Page<RecurringSummary>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/recurring_invoices")]
async fn list_recurring(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<RecurringPage>,
) -> Result<Json<Page<RecurringSummary>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "recurring_invoices", &(), query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, RecurringSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows an invoice that comes again.
#[utoipa::path(tag = "invoices", params(("id" = RecurringId, Path)), responses((status = 200, body = RecurringView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/recurring_invoices/{id}")]
async fn show_recurring(who: MemberOrDesk, db: Data<Db>, id: Path<RecurringId>) -> Result<Json<RecurringView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RunsBefore {
    /// Only days before this one: the last day of the page before.
    before: Option<NaiveDate>,
    /// Rows, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists the days of one that have come, newest first, with what was made of each.
#[utoipa::path(tag = "invoices", params(("id" = RecurringId, Path), RunsBefore), responses((status = 200, body = Vec<RecurringRunView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/recurring_invoices/{id}/runs")]
async fn list_recurring_runs(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<RecurringId>,
    query: QueryOf<RunsBefore>,
) -> Result<Json<Vec<RecurringRunView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    let rows = db.write(who.into(), move |tx| super::runs(tx, id, query.before, limit)).await?;
    Ok(Json(rows.into_iter().map(RecurringRunView::from).collect()))
}

/// Lets one rest; what falls due meanwhile is not made up for.
#[utoipa::path(tag = "invoices", params(("id" = RecurringId, Path)), request_body = Empty,
    responses((status = 200, body = RecurringView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/recurring_invoices/{id}/pause")]
async fn pause_recurring(
    who: Member,
    db: Data<Db>,
    id: Path<RecurringId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "pause_recurring", id.into_inner(), load, |tx, id, expected, _| {
            RecurringView::new(super::pause(tx, id, expected)?)
        })
        .await
}

/// Lets one go on from its next day.
#[utoipa::path(tag = "invoices", params(("id" = RecurringId, Path)), request_body = Empty,
    responses((status = 200, body = RecurringView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/recurring_invoices/{id}/resume")]
async fn resume_recurring(
    who: Member,
    db: Data<Db>,
    id: Path<RecurringId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "resume_recurring", id.into_inner(), load, |tx, id, expected, _| {
            RecurringView::new(super::resume(tx, id, expected)?)
        })
        .await
}

/// Ends one for good.
#[utoipa::path(tag = "invoices", params(("id" = RecurringId, Path)), request_body = Empty,
    responses((status = 200, body = RecurringView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/recurring_invoices/{id}/end")]
async fn end_recurring(
    who: Member,
    db: Data<Db>,
    id: Path<RecurringId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "end_recurring", id.into_inner(), load, |tx, id, expected, _| {
            RecurringView::new(super::end(tx, id, expected)?)
        })
        .await
}
