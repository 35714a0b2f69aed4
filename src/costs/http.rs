//! The counter for costs.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{CostCreditRow, CostFilter, CostRow, CostState, NewCost, NewCostCredit};
use crate::access::{MemberOrDesk, MemberOrReviewer, Reviewer};
use crate::archive::FileInfo;
use crate::kernel::ids::{ActivityId, BankLineId, CostCreditId, CostId, EntityId, FileId, PersonId, PoolId};
use crate::kernel::money::{Minor, Money};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf, Upload, attachment, hex};

crate::endpoints!(
    add_cost_document,
    submit_cost,
    list_costs,
    show_cost,
    download_cost_document,
    approve_cost,
    reject_cost,
    credit_cost,
    list_cost_credits,
    show_cost_credit,
);

/// A supplier's invoice that was uploaded.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostDocumentView {
    /// Its id, for a cost to name.
    pub id: FileId,
    /// Its media type.
    pub media_type: String,
    /// How many bytes it has.
    pub size: i64,
    /// SHA-256 in hex.
    pub sha256: String,
}

impl From<FileInfo> for CostDocumentView {
    fn from(file: FileInfo) -> Self {
        Self { id: file.id, media_type: file.media_type, size: file.size, sha256: hex(&file.sha256) }
    }
}

/// What a supplier charged.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostView {
    /// Its id.
    pub id: CostId,
    /// Grows with every change.
    pub version: i32,
    /// `submitted`, `approved` or `rejected`.
    pub state: CostState,
    /// Who owes it.
    pub entity_id: EntityId,
    /// The activity that bears it, unless a pool does.
    pub activity_id: Option<ActivityId>,
    /// The pool that bears it, unless an activity does.
    pub pool_id: Option<PoolId>,
    /// Who charged it.
    pub supplier: String,
    /// The supplier's number for it.
    pub reference: String,
    /// The date of the supplier's invoice.
    pub invoiced_on: NaiveDate,
    /// What it was for.
    pub description: String,
    /// Without VAT.
    pub net: Money,
    /// VAT.
    pub vat: Money,
    /// The part of the VAT that the state gives back.
    pub recoverable_vat: Money,
    /// Owed to the supplier.
    pub gross: Money,
    /// What it costs the activity or the pool: without the VAT that the state gives back.
    pub charged: Money,
    /// What the supplier took back of what was owed.
    pub credited: Money,
    /// Whether it lowers the gross margin that fees are computed on.
    pub in_fee_base: bool,
    /// The supplier's invoice.
    pub document_id: Option<FileId>,
    /// Who handed it in.
    pub submitted_by: PersonId,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_on: Option<NaiveDate>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// The bank line that paid the supplier.
    pub bank_line_id: Option<BankLineId>,
    /// When the supplier was paid.
    pub paid_on: Option<NaiveDate>,
    /// When it was handed in.
    pub created_at: DateTime<Utc>,
}

impl From<CostRow> for CostView {
    fn from(row: CostRow) -> Self {
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            entity_id: row.entity_id,
            activity_id: row.activity_id,
            pool_id: row.pool_id,
            invoiced_on: row.invoiced_on,
            net: money(row.net_minor),
            vat: money(row.vat_minor),
            recoverable_vat: money(row.recoverable_vat_minor),
            gross: money(row.gross_minor),
            charged: money(row.charged_minor),
            credited: money(row.credited_net_minor.plus(row.credited_vat_minor).unwrap_or_default()),
            in_fee_base: row.in_fee_base,
            document_id: row.document_id,
            submitted_by: row.submitted_by,
            decided_by: row.decided_by,
            decided_on: row.decided_on,
            reason: row.reason,
            bank_line_id: row.bank_line_id,
            paid_on: row.paid_on,
            created_at: row.created_at,
            supplier: row.supplier,
            reference: row.reference,
            description: row.description,
        }
    }
}

fn load(tx: &mut Tx<'_>, id: CostId) -> Result<CostView> {
    super::find(tx, id).map(CostView::from)
}

/// Uploads the invoice of a supplier, a PDF, JPEG or PNG of at most 10 MiB, for a cost to name.
#[utoipa::path(tag = "costs", request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = CostDocumentView)), extensions(("x-roles" = json!(["member", "reviewer"]))))]
#[post("/v1/cost_documents")]
async fn add_cost_document(who: MemberOrReviewer, db: Data<Db>, upload: Upload) -> Result<HttpResponse> {
    upload
        .command
        .create(&db, who.into(), "add_cost_document", "/v1/cost_documents", |tx, bytes| {
            super::keep_document(tx, &bytes).map(CostDocumentView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SubmitCost {
    /// Made by the sender.
    id: CostId,
    /// The activity that bears it; either this or a pool.
    activity_id: Option<ActivityId>,
    /// The pool that bears it; for the office.
    pool_id: Option<PoolId>,
    /// Who charged it.
    #[schema(max_length = 140)]
    supplier: String,
    /// The supplier's number for it.
    #[schema(max_length = 140)]
    reference: String,
    /// The date of the supplier's invoice.
    invoiced_on: NaiveDate,
    /// What it was for.
    #[schema(max_length = 2000)]
    description: String,
    /// Without VAT, above zero.
    net: Money,
    /// VAT.
    vat: Money,
    /// The part of the VAT that the state gives back.
    recoverable_vat: Money,
    /// A production cost: it lowers the gross margin that fees may be computed on.
    #[serde(default)]
    in_fee_base: bool,
    /// The supplier's invoice, uploaded before.
    document_id: Option<FileId>,
}

/// Hands in what a supplier charged: a member for their own activity, a reviewer for any, or for a pool.
#[utoipa::path(tag = "costs", params(("dry_run" = Option<bool>, Query)), request_body = SubmitCost,
    responses((status = 201, body = CostView)), extensions(("x-roles" = json!(["member", "reviewer"]))))]
#[post("/v1/costs")]
async fn submit_cost(who: MemberOrReviewer, db: Data<Db>, command: Command<SubmitCost>) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "submit_cost", "/v1/costs", |tx, body| {
            let new = NewCost {
                id: body.id,
                activity: body.activity_id,
                pool: body.pool_id,
                supplier: body.supplier,
                reference: body.reference,
                invoiced_on: body.invoiced_on,
                description: body.description,
                net: body.net,
                vat: body.vat,
                recoverable_vat: body.recoverable_vat,
                in_fee_base: body.in_fee_base,
                document: body.document_id,
            };
            super::submit(tx, &new).map(CostView::from)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CostQuery {
    /// Only in this state.
    #[param(inline)]
    state: Option<CostState>,
    /// Only of this activity.
    activity_id: Option<ActivityId>,
    /// Only of this pool.
    pool_id: Option<PoolId>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists costs, newest first: your own and those of the pools that you share, or all of them for the office.
#[utoipa::path(tag = "costs", params(CostQuery), responses((status = 200, body = Page<CostView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/costs")]
async fn list_costs(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<CostQuery>,
) -> Result<Json<Page<CostView>>> {
    let query = query.0;
    let filter = CostFilter { state: query.state, activity_id: query.activity_id, pool_id: query.pool_id };
    let listing = Listing::new(&keys, who.person(), "costs", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, CostView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a cost.
#[utoipa::path(tag = "costs", params(("id" = CostId, Path)), responses((status = 200, body = CostView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/costs/{id}")]
async fn show_cost(who: MemberOrDesk, db: Data<Db>, id: Path<CostId>) -> Result<Json<CostView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Downloads the supplier's invoice of a cost.
#[utoipa::path(tag = "costs", params(("id" = CostId, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/costs/{id}/document")]
async fn download_cost_document(who: MemberOrDesk, db: Data<Db>, id: Path<CostId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| super::document(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

/// Approves a cost of somebody else: it is in the books, and owed to the supplier.
#[utoipa::path(tag = "costs", params(("id" = CostId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = CostView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/costs/{id}/approve")]
async fn approve_cost(who: Reviewer, db: Data<Db>, id: Path<CostId>, command: Command<Empty>) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "approve_cost", id.into_inner(), load, |tx, id, expected, _| {
            super::approve(tx, id, expected).map(CostView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectCost {
    /// What who handed it in should know.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Rejects a cost of somebody else, with the reason.
#[utoipa::path(tag = "costs", params(("id" = CostId, Path)), request_body = RejectCost,
    responses((status = 200, body = CostView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/costs/{id}/reject")]
async fn reject_cost(
    who: Reviewer,
    db: Data<Db>,
    id: Path<CostId>,
    command: Command<RejectCost>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "reject_cost", id.into_inner(), load, |tx, id, expected, body| {
            super::reject(tx, id, expected, &body.reason).map(CostView::from)
        })
        .await
}

/// What a supplier took back of a cost. Amounts are positive, as on its paper.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostCreditView {
    /// Its id.
    pub id: CostCreditId,
    /// Of this cost.
    pub cost_id: CostId,
    /// The supplier's number for it.
    pub reference: String,
    /// The date of the supplier's note.
    pub dated_on: NaiveDate,
    /// Why.
    pub reason: String,
    /// Without VAT.
    pub net: Money,
    /// VAT.
    pub vat: Money,
    /// The part of the VAT that the state had given back, and gets again.
    pub recoverable_vat: Money,
    /// Owed to the supplier no more, or owed by it.
    pub gross: Money,
    /// What the activity or the pool bears less.
    pub charged: Money,
    /// The supplier's note.
    pub document_id: Option<FileId>,
    /// Whether the cost had been paid, so that the supplier owes the money.
    pub is_refund: bool,
    /// The bank line that brought it.
    pub bank_line_id: Option<BankLineId>,
    /// When.
    pub refunded_on: Option<NaiveDate>,
    /// Who booked it.
    pub booked_by: PersonId,
    /// On which day it counts.
    pub booked_on: NaiveDate,
    /// When it was booked.
    pub created_at: DateTime<Utc>,
}

impl From<CostCreditRow> for CostCreditView {
    fn from(row: CostCreditRow) -> Self {
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        Self {
            id: row.id,
            cost_id: row.cost_id,
            dated_on: row.dated_on,
            net: money(row.net_minor),
            vat: money(row.vat_minor),
            recoverable_vat: money(row.recoverable_vat_minor),
            gross: money(row.gross_minor),
            charged: money(row.charged_minor),
            document_id: row.document_id,
            is_refund: row.is_refund,
            bank_line_id: row.bank_line_id,
            refunded_on: row.refunded_on,
            booked_by: row.booked_by,
            booked_on: row.booked_on,
            created_at: row.created_at,
            reference: row.reference,
            reason: row.reason,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreditCost {
    /// Made by the sender.
    id: CostCreditId,
    /// The supplier's number for it.
    #[schema(max_length = 140)]
    reference: String,
    /// The date of the supplier's note; not before that of the cost.
    dated_on: NaiveDate,
    /// Why.
    #[schema(max_length = 2000)]
    reason: String,
    /// Without VAT, above zero and no more than is left of the cost.
    net: Money,
    /// VAT, no more than is left; all of it with the last of the net amount.
    vat: Money,
    /// The supplier's note, uploaded before.
    document_id: Option<FileId>,
}

/// Books what a supplier takes back of an approved cost, of which somebody else handed in the cost.
#[utoipa::path(tag = "costs", params(("id" = CostId, Path), ("dry_run" = Option<bool>, Query)), request_body = CreditCost,
    responses((status = 201, body = CostCreditView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/costs/{id}/credits")]
async fn credit_cost(
    who: Reviewer,
    db: Data<Db>,
    id: Path<CostId>,
    command: Command<CreditCost>,
) -> Result<HttpResponse> {
    let cost = id.into_inner();
    command
        .about_money()
        .create(&db, who.into(), "credit_cost", "/v1/cost_credits", move |tx, body| {
            let new = NewCostCredit {
                id: body.id,
                cost,
                reference: body.reference,
                dated_on: body.dated_on,
                reason: body.reason,
                net: body.net,
                vat: body.vat,
                document: body.document_id,
            };
            super::credit(tx, &new).map(CostCreditView::from)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CreditQuery {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists what a supplier took back of a cost, newest first.
#[utoipa::path(tag = "costs", params(("id" = CostId, Path), CreditQuery), responses((status = 200, body = Page<CostCreditView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/costs/{id}/credits")]
async fn list_cost_credits(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<CostId>,
    query: QueryOf<CreditQuery>,
) -> Result<Json<Page<CostCreditView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let name = format!("cost_credits {id}");
    let listing = Listing::new(&keys, who.person(), &name, &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::credits(tx, id, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, CostCreditView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows what a supplier took back.
#[utoipa::path(tag = "costs", params(("id" = CostCreditId, Path)), responses((status = 200, body = CostCreditView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/cost_credits/{id}")]
async fn show_cost_credit(who: MemberOrDesk, db: Data<Db>, id: Path<CostCreditId>) -> Result<Json<CostCreditView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| super::find_credit(tx, id).map(CostCreditView::from)).await?))
}
