//! The counter for deliveries: how documents reached their clients, and what a person does when they did not.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Channel, Delivery, DeliveryFilter, DeliveryRow, DeliveryState, Found, LifeCycle, NewDelivery, StatusRow};
use crate::access::{Desk, MemberOrDesk, Reviewer};
use crate::kernel::ids::{DeliveryId, FileId, InvoiceId, PersonId};
use crate::kernel::language::Language;
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::i18n;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf, attachment};

crate::endpoints!(
    list_deliveries,
    show_delivery,
    download_delivery_receipt,
    list_invoice_deliveries,
    list_credit_note_deliveries,
    add_delivery,
    retry_delivery,
    resolve_delivery,
    report_delivery_status,
);

/// A way in which a document goes to its client.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliverySummary {
    /// Its id.
    pub id: DeliveryId,
    /// The document: an invoice or a credit note.
    pub invoice_id: InvoiceId,
    /// How it goes.
    pub channel: Channel,
    /// An address of mail, a Peppol participant, a SIREN, or to whom it was handed.
    pub participant: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why it was refused, failed or is not known.
    pub reason: Option<String>,
    /// Tries so far.
    pub attempts: i32,
    /// The name that the network gave it.
    pub reference: Option<String>,
    /// Whether an answer of the access point is kept.
    pub has_receipt: bool,
    /// The paper that proves it.
    pub evidence_id: Option<FileId>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When the last try began.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it was last heard of.
    pub answered_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub version: i32,
}

impl From<DeliveryRow> for DeliverySummary {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            invoice_id: row.invoice_id,
            channel: row.channel,
            participant: row.participant,
            state: row.state,
            reason: row.reason,
            attempts: row.attempts,
            reference: row.reference,
            has_receipt: row.receipt_id.is_some(),
            evidence_id: row.evidence_id,
            created_at: row.created_at,
            sent_at: row.sent_at,
            answered_at: row.answered_at,
            version: row.version,
        }
    }
}

/// A status of the French life cycle, in the reader's language.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeView {
    /// 200 to 213.
    pub code: LifeCycle,
    /// What it means.
    pub meaning: &'static str,
    /// Whether a reason goes with it.
    pub needs_reason: bool,
}

impl CodeView {
    fn new(code: LifeCycle, language: Language) -> Self {
        Self { code, meaning: i18n::life_cycle(language, code.name()), needs_reason: code.needs_reason() }
    }
}

/// A reported status.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusView {
    /// Counted from 1.
    pub n: i32,
    /// Which.
    #[serde(flatten)]
    pub code: CodeView,
    /// Why.
    pub reason: Option<String>,
    /// Who reported it.
    pub reported_by: PersonId,
    /// When.
    pub reported_at: DateTime<Utc>,
}

impl StatusView {
    fn new(row: StatusRow, language: Language) -> Self {
        Self {
            n: row.n,
            code: CodeView::new(row.code, language),
            reason: row.reason,
            reported_by: row.reported_by,
            reported_at: row.reported_at,
        }
    }
}

/// A move of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct MoveView {
    /// To which state.
    pub state: String,
    /// Why, if somebody said so.
    pub reason: Option<String>,
    /// Who; absent when the program did.
    pub by: Option<Uuid>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A delivery with all that happened to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    /// As it stands.
    #[serde(flatten)]
    pub delivery: DeliverySummary,
    /// What happened, oldest first.
    pub history: Vec<MoveView>,
    /// The French life cycle, oldest first; empty for other ways.
    pub statuses: Vec<StatusView>,
    /// What may come next in it.
    pub next_codes: Vec<CodeView>,
}

impl DeliveryView {
    fn new(it: Delivery, language: Language) -> Self {
        let next = it.statuses.last().map_or(&[][..], |last| last.code.next());
        Self {
            next_codes: next.iter().map(|code| CodeView::new(*code, language)).collect(),
            statuses: it.statuses.into_iter().map(|row| StatusView::new(row, language)).collect(),
            history: it
                .moves
                .into_iter()
                .map(|row| MoveView { state: row.to_state, reason: row.reason, by: row.actor_id, at: row.at })
                .collect(),
            delivery: it.row.into(),
        }
    }

    fn read(tx: &Tx<'_>, it: Delivery) -> Self {
        Self::new(it, tx.principal().map_or(Language::En, |who| who.language))
    }
}

fn load(tx: &mut Tx<'_>, id: DeliveryId) -> Result<DeliveryView> {
    let it = super::find(tx, id)?;
    Ok(DeliveryView::read(tx, it))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DeliveryQuery {
    /// Only in this state; `unknown` is what a person has to look at.
    #[param(inline)]
    state: Option<DeliveryState>,
    /// Only by this way.
    #[param(inline)]
    channel: Option<Channel>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists deliveries, newest first.
#[utoipa::path(tag = "deliveries", params(DeliveryQuery), responses((status = 200, body = Page<DeliverySummary>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/deliveries")]
async fn list_deliveries(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<DeliveryQuery>,
) -> Result<Json<Page<DeliverySummary>>> {
    let query = query.0;
    let filter = DeliveryFilter { state: query.state, channel: query.channel };
    let listing = Listing::new(&keys, who.person(), "deliveries", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, DeliverySummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a delivery with all that happened to it.
#[utoipa::path(tag = "deliveries", params(("id" = DeliveryId, Path)), responses((status = 200, body = DeliveryView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/deliveries/{id}")]
async fn show_delivery(who: MemberOrDesk, db: Data<Db>, id: Path<DeliveryId>) -> Result<Json<DeliveryView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Downloads what the access point answered last, byte for byte. 404 where nothing is kept.
#[utoipa::path(tag = "deliveries", params(("id" = DeliveryId, Path)),
    responses((status = 200, content_type = "application/json", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/deliveries/{id}/receipt")]
async fn download_delivery_receipt(who: MemberOrDesk, db: Data<Db>, id: Path<DeliveryId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| super::receipt(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

fn of_document(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Vec<DeliveryView>> {
    let all = super::of_document(tx, id)?;
    Ok(all.into_iter().map(|it| DeliveryView::read(tx, it)).collect())
}

/// Lists the ways in which an invoice goes to its client, oldest first.
#[utoipa::path(tag = "deliveries", params(("id" = InvoiceId, Path)), responses((status = 200, body = Vec<DeliveryView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}/deliveries")]
async fn list_invoice_deliveries(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<InvoiceId>,
) -> Result<Json<Vec<DeliveryView>>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| of_document(tx, id)).await?))
}

/// Lists the ways in which a credit note goes to its client, oldest first.
#[utoipa::path(tag = "deliveries", params(("id" = InvoiceId, Path)), responses((status = 200, body = Vec<DeliveryView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/credit_notes/{id}/deliveries")]
async fn list_credit_note_deliveries(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<InvoiceId>,
) -> Result<Json<Vec<DeliveryView>>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| of_document(tx, id)).await?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddDelivery {
    /// Made by the sender.
    id: DeliveryId,
    /// `by_hand` with its proof, `french_platform`, or `peppol` for a buyer who joined after the issue.
    channel: Channel,
    /// To whom it was handed, a SIREN, or a participant; that of the buyer when it is left out for Peppol.
    #[serde(default)]
    #[schema(max_length = 320)]
    participant: Option<String>,
    /// The paper that proves it, uploaded before as evidence.
    #[serde(default)]
    evidence_id: Option<FileId>,
}

/// Adds a way for an issued invoice or credit note: handed over with a proof, or sent by another network.
#[utoipa::path(tag = "deliveries", params(("id" = InvoiceId, Path)), request_body = AddDelivery,
    responses((status = 201, body = DeliveryView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/invoices/{id}/deliveries")]
async fn add_delivery(
    who: Reviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<AddDelivery>,
) -> Result<HttpResponse> {
    let document = id.into_inner();
    command
        .create(&db, who.into(), "add_delivery", "/v1/deliveries", move |tx, body| {
            let new = NewDelivery {
                id: body.id,
                document,
                channel: body.channel,
                participant: body.participant,
                evidence: body.evidence_id,
            };
            let it = super::add(tx, &new)?;
            Ok(DeliveryView::read(tx, it))
        })
        .await
}

/// Has a delivery sent again that was refused or failed. One that may have arrived is resolved first.
#[utoipa::path(tag = "deliveries", params(("id" = DeliveryId, Path)), request_body = Empty,
    responses((status = 200, body = DeliveryView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/deliveries/{id}/retry")]
async fn retry_delivery(
    who: Reviewer,
    db: Data<Db>,
    id: Path<DeliveryId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "retry_delivery", id.into_inner(), load, |tx, id, expected, _| {
            let it = super::retry(tx, id, expected)?;
            Ok(DeliveryView::read(tx, it))
        })
        .await
}

/// What a person found out.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Deposited,
    Delivered,
    Refused,
    NotSent,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResolveDelivery {
    /// What became of it; `not_sent` has it sent again.
    outcome: Outcome,
    /// How it was found out, or why it was refused.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Says what became of a delivery whose outcome the program does not know.
#[utoipa::path(tag = "deliveries", params(("id" = DeliveryId, Path)), request_body = ResolveDelivery,
    responses((status = 200, body = DeliveryView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/deliveries/{id}/resolve")]
async fn resolve_delivery(
    who: Reviewer,
    db: Data<Db>,
    id: Path<DeliveryId>,
    command: Command<ResolveDelivery>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "resolve_delivery", id.into_inner(), load, |tx, id, expected, body| {
            let found = match body.outcome {
                Outcome::Deposited => Found::Deposited,
                Outcome::Delivered => Found::Delivered,
                Outcome::Refused => Found::Refused,
                Outcome::NotSent => Found::NotSent,
            };
            let it = super::resolve(tx, id, expected, found, &body.reason)?;
            Ok(DeliveryView::read(tx, it))
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReportStatus {
    /// 200 to 213.
    code: LifeCycle,
    /// Why; needed with 206, 207, 208, 210 and 213.
    #[serde(default)]
    #[schema(max_length = 2000)]
    reason: Option<String>,
}

/// Reports a status of the French life cycle, as the platform told it.
#[utoipa::path(tag = "deliveries", params(("id" = DeliveryId, Path)), request_body = ReportStatus,
    responses((status = 200, body = DeliveryView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/deliveries/{id}/statuses")]
async fn report_delivery_status(
    who: Reviewer,
    db: Data<Db>,
    id: Path<DeliveryId>,
    command: Command<ReportStatus>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "report_delivery_status", id.into_inner(), load, |tx, id, expected, body| {
            let it = super::report_status(tx, id, expected, body.code, body.reason.as_deref())?;
            Ok(DeliveryView::read(tx, it))
        })
        .await
}
