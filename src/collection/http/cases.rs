//! The counter for a late invoice: where it stands, what was done, the letters.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::parts::{PauseView, QuestionView};
use crate::access::{Desk, MemberOrDesk, Reviewer};
use crate::archive::Kind;
use crate::collection::{self, ActionRow, Case, Claim, Filter, NewPosting, PostingRow, StepKind, TrackKind, handover};
use crate::kernel::ids::{ClientId, CollectionActionId, EntityId, InvoiceId, PersonId, PostingId, ReminderId, TrackId};
use crate::kernel::interest::Segment;
use crate::kernel::money::{Currency, Minor, Money};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf, attachment};

crate::endpoints!(
    show_collection,
    list_collection_actions,
    show_collection_action,
    download_collection_letter,
    record_registered_letter,
    hand_over_to_agency,
    download_agency_file,
    download_agency_table,
);

/// What a client owes on top of an invoice. It is claimed, never booked before it is paid, and carries no VAT.
#[derive(Debug, Serialize, ToSchema)]
pub struct LateClaimView {
    /// The invoice.
    pub open: Money,
    /// Interest up to and with the day of the claim.
    pub interest: Money,
    /// How it is computed: days of one base and one rate. They add up to it.
    pub segments: Vec<Segment>,
    /// The fixed compensation: once for an invoice.
    pub compensation: Money,
    /// What reminders cost.
    pub reminder_costs: Money,
    /// All of it.
    pub total: Money,
}

impl LateClaimView {
    fn new(claim: Claim, currency: Currency) -> Result<Self> {
        let money = |amount_minor: Minor| Money { amount_minor, currency };
        Ok(Self {
            total: money(claim.total()?),
            open: money(claim.open),
            interest: money(claim.interest),
            segments: claim.segments,
            compensation: money(claim.compensation),
            reminder_costs: money(claim.costs),
        })
    }
}

/// A registered letter.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisteredLetterView {
    /// Its id.
    pub id: PostingId,
    /// Of this step.
    pub action_id: CollectionActionId,
    /// Who carried it.
    pub carrier: String,
    /// Under which number.
    pub tracking_number: String,
    /// When it was posted.
    pub posted_on: NaiveDate,
    /// Who noted it.
    pub recorded_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<PostingRow> for RegisteredLetterView {
    fn from(row: PostingRow) -> Self {
        Self {
            id: row.id,
            action_id: row.action_id,
            carrier: row.carrier,
            tracking_number: row.tracking_number,
            posted_on: row.posted_on,
            recorded_by: row.recorded_by,
            created_at: row.created_at,
        }
    }
}

/// A step that was taken about a late invoice.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollectionActionView {
    /// Its id.
    pub id: CollectionActionId,
    /// Whose books.
    pub entity_id: EntityId,
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Whose work it was.
    pub member_id: PersonId,
    /// Who owes it.
    pub client_id: ClientId,
    /// The track it follows.
    pub track_id: TrackId,
    /// Its place in the track.
    pub step: i32,
    /// What it was.
    pub kind: StepKind,
    /// The day on which it was due.
    pub logical_on: NaiveDate,
    /// The day on which it was taken: later after a pause or downtime.
    pub done_on: NaiveDate,
    /// Until when a formal demand is to be paid.
    pub pay_by: Option<NaiveDate>,
    /// Until when nothing is added, after a first reminder where the law says so.
    pub grace_until: Option<NaiveDate>,
    /// What was claimed on that day.
    pub claim: LateClaimView,
    /// The reminder that it is.
    pub reminder_id: Option<ReminderId>,
    /// Who took it; nobody when the program did.
    pub decided_by: Option<PersonId>,
    /// By which registered letter it went.
    pub registered: Option<RegisteredLetterView>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl CollectionActionView {
    fn new(row: ActionRow, posted: Option<PostingRow>) -> Result<Self> {
        let segments: Vec<Segment> =
            serde_json::from_value(row.computation.get("segments").cloned().unwrap_or(Value::Array(Vec::new())))?;
        let claim = Claim {
            open: row.open_minor,
            segments,
            interest: row.interest_minor,
            compensation: row.compensation_minor,
            costs: row.costs_minor,
        };
        Ok(Self {
            id: row.id,
            entity_id: row.entity_id,
            invoice_id: row.invoice_id,
            member_id: row.member_id,
            client_id: row.client_id,
            track_id: row.track_id,
            step: row.step_n,
            kind: row.kind,
            logical_on: row.logical_on,
            done_on: row.done_on,
            pay_by: row.pay_by,
            grace_until: row.grace_until,
            claim: LateClaimView::new(claim, row.currency)?,
            reminder_id: row.reminder_id,
            decided_by: row.decided_by,
            registered: posted.map(RegisteredLetterView::from),
            created_at: row.created_at,
        })
    }
}

/// What comes next for a late invoice.
#[derive(Debug, Serialize, ToSchema)]
pub struct NextCollectionStepView {
    /// Its place in the track.
    pub step: i32,
    /// What it is.
    pub kind: StepKind,
    /// Its day, if nothing is in the way.
    pub on: NaiveDate,
}

/// Where a late invoice stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollectionView {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// By which rules it is pursued.
    pub track: TrackKind,
    /// The track it follows; nothing is sent by itself without one.
    pub track_id: Option<TrackId>,
    /// Whose law: the entity's, for consumers that of their own country.
    pub country: String,
    /// The last day to pay.
    pub due_on: NaiveDate,
    /// Whether the client disputes it.
    pub disputed: bool,
    /// Whether nothing is sent today.
    pub paused: bool,
    /// A promise or a hold that has not ended.
    pub pause: Option<PauseView>,
    /// What the member was asked before a formal demand.
    pub question: Option<QuestionView>,
    /// What was done, in order.
    pub actions: Vec<CollectionActionView>,
    /// What comes next.
    pub next: Option<NextCollectionStepView>,
    /// What may be claimed today; nothing where law or rates are not known.
    pub claim: Option<LateClaimView>,
}

impl CollectionView {
    fn new(tx: &mut Tx<'_>, case: Case) -> Result<Self> {
        let currency = case.invoice.row.currency;
        let claim = match collection::claim_today(tx, &case) {
            Ok(claim) => Some(LateClaimView::new(claim, currency)?),
            Err(error) if error.status.is_client_error() => None,
            Err(error) => return Err(error),
        };
        let paused = case.is_paused();
        let mut actions = Vec::new();
        for action in &case.actions {
            let (row, posted) = collection::action(tx, action.id)?;
            actions.push(CollectionActionView::new(row, posted)?);
        }
        Ok(Self {
            invoice_id: case.invoice.row.id,
            track: case.kind,
            track_id: case.track.map(|(track, _)| track.id),
            country: case.country,
            due_on: case.due_on,
            disputed: case.is_disputed,
            paused,
            pause: case.pause.map(|pause| PauseView::new(pause, currency)),
            question: case.question.map(QuestionView::from),
            actions,
            next: case.next.map(|next| NextCollectionStepView { step: next.n, kind: next.step.kind, on: next.on }),
            claim,
        })
    }
}

/// Shows where a late invoice stands: what was done, what comes next, what may be claimed today.
#[utoipa::path(tag = "collection", params(("id" = InvoiceId, Path)), responses((status = 200, body = CollectionView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}/collection")]
async fn show_collection(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<Json<CollectionView>> {
    let id = id.into_inner();
    let view = db.write(who.into(), move |tx| {
        let case = collection::case(tx, id)?;
        CollectionView::new(tx, case)
    });
    Ok(Json(view.await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ActionQuery {
    /// Only about this invoice.
    invoice_id: Option<InvoiceId>,
    /// Only about this client.
    client_id: Option<ClientId>,
    /// Only steps of this kind.
    #[param(inline)]
    kind: Option<StepKind>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists steps that were taken, newest first: about your own invoices, or all of them for the office.
#[utoipa::path(tag = "collection", params(ActionQuery), responses((status = 200, body = Page<CollectionActionView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_actions")]
async fn list_collection_actions(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<ActionQuery>,
) -> Result<Json<Page<CollectionActionView>>> {
    let query = query.0;
    let filter = Filter { invoice_id: query.invoice_id, client_id: query.client_id, kind: query.kind, is_open: None };
    let listing =
        Listing::new(&keys, who.person(), "collection_actions", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = collection::actions(tx, &filter, listing.after, listing.fetch)?;
            let mut views = Vec::new();
            for row in rows {
                let (row, posted) = collection::action(tx, row.id)?;
                views.push(CollectionActionView::new(row, posted)?);
            }
            Ok(listing.page(views, |view| view.id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a step.
#[utoipa::path(tag = "collection", params(("id" = CollectionActionId, Path)),
    responses((status = 200, body = CollectionActionView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_actions/{id}")]
async fn show_collection_action(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<CollectionActionId>,
) -> Result<Json<CollectionActionView>> {
    let id = id.into_inner();
    let (row, posted) = db.write(who.into(), move |tx| collection::action(tx, id)).await?;
    Ok(Json(CollectionActionView::new(row, posted)?))
}

/// Downloads the letter of a reminder or of a formal demand: the same bytes for ever, also to print and post. 404 until
/// it has been made, a moment after.
#[utoipa::path(tag = "collection", params(("id" = CollectionActionId, Path)),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_actions/{id}/pdf")]
async fn download_collection_letter(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<CollectionActionId>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| collection::letter(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecordRegisteredLetter {
    /// Made by the sender.
    id: PostingId,
    /// Who carries it.
    #[schema(max_length = 100)]
    carrier: String,
    /// Under which number.
    #[schema(max_length = 60)]
    tracking_number: String,
    /// When it was posted.
    posted_on: NaiveDate,
}

/// Notes by which registered letter a reminder or a formal demand went.
#[utoipa::path(tag = "collection", params(("id" = CollectionActionId, Path)), request_body = RecordRegisteredLetter,
    responses((status = 201, body = RegisteredLetterView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/collection_actions/{id}/registered_letter")]
async fn record_registered_letter(
    who: Reviewer,
    db: Data<Db>,
    id: Path<CollectionActionId>,
    command: Command<RecordRegisteredLetter>,
) -> Result<HttpResponse> {
    let action = id.into_inner();
    let place = format!("/v1/collection_actions/{action}/registered_letter");
    command
        .create(&db, who.into(), "record_registered_letter", &place, move |tx, body| {
            let new = NewPosting {
                id: body.id,
                action,
                carrier: body.carrier,
                tracking_number: body.tracking_number,
                posted_on: body.posted_on,
            };
            collection::record_posting(tx, &new).map(RegisteredLetterView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HandOver {
    /// Made by the sender.
    id: CollectionActionId,
}

/// Hands a late invoice over to a collection agency: its file is made, as JSON and as a table, and kept with its hash.
#[utoipa::path(tag = "collection", params(("id" = InvoiceId, Path)), request_body = HandOver,
    responses((status = 201, body = CollectionActionView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/invoices/{id}/agency_handover")]
async fn hand_over_to_agency(
    who: Reviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<HandOver>,
) -> Result<HttpResponse> {
    let invoice = id.into_inner();
    command
        .create(&db, who.into(), "hand_over_to_agency", "/v1/collection_actions", move |tx, body| {
            let row = handover::hand_over(tx, body.id, invoice)?;
            CollectionActionView::new(row, None)
        })
        .await
}

/// Downloads the file of a handover, for programs.
#[utoipa::path(tag = "collection", params(("id" = CollectionActionId, Path)),
    responses((status = 200, content_type = "application/json", body = Vec<u8>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_actions/{id}/agency_file")]
async fn download_agency_file(who: Desk, db: Data<Db>, id: Path<CollectionActionId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| handover::kept(tx, id, Kind::AgencyHandover)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

/// Downloads the lines of the claim of a handover, as a table.
#[utoipa::path(tag = "collection", params(("id" = CollectionActionId, Path)),
    responses((status = 200, content_type = "text/csv", body = Vec<u8>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_actions/{id}/agency_table")]
async fn download_agency_table(who: Desk, db: Data<Db>, id: Path<CollectionActionId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| handover::kept(tx, id, Kind::AgencyHandoverCsv)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}
