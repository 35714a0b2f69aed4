//! The counter for payouts and batches.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::store::{BatchRow, PayoutFilter, PayoutRow};
use super::{BatchState, PayoutState, Shown};
use crate::access::{Approver, Member, MemberOrDesk, Reviewer, ViewBatches};
use crate::kernel::ids::{ActivityId, BatchId, EntityId, PayoutId, PersonId};
use crate::kernel::money::{Minor, Money};
use crate::kernel::schemes::Method;
use crate::members;
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf, attachment, hex, unhex};

mod holds;
mod slips;
mod views;

use holds::{__path_hold_payout, hold_payout};
use slips::{__path_download_payslip, __path_show_pay_slip, download_payslip, show_pay_slip};
pub use views::{ApprovalView, BatchItemView};

crate::endpoints!(
    request_payout,
    list_payouts,
    show_payout,
    approve_payout,
    refuse_payout,
    cancel_payout,
    hold_payout,
    show_pay_slip,
    download_payslip,
    build_batch,
    list_batches,
    show_batch,
    remove_payout_from_batch,
    seal_batch,
    unseal_batch,
    dissolve_batch,
    approve_batch,
    release_batch,
    download_batch_file,
);

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RequestPayout {
    /// Made by the sender.
    id: PayoutId,
    /// From which activity.
    activity_id: ActivityId,
    /// How much of the activity's money: all that the pay costs.
    amount: Money,
    /// Of it, paid beside the wage: per diem, mileage, exempt amounts.
    #[serde(default)]
    beside_wage: Option<Money>,
    /// Of it, paid for copyright.
    #[serde(default)]
    copyright: Option<Money>,
}

/// A payout.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayoutView {
    /// Its id.
    pub id: PayoutId,
    /// Grows with every change.
    pub version: i32,
    /// `requested`, `approved`, `refused`, `cancelled`, `batched`, `released`, `settled` or `returned`.
    pub state: PayoutState,
    /// Who pays.
    pub entity_id: EntityId,
    /// Who is paid.
    pub member_id: PersonId,
    /// From which activity.
    pub activity_id: ActivityId,
    /// How it becomes pay: `plain_transfer` or `salary`; a reviewer's approval decides.
    pub scheme: Method,
    /// The budget.
    pub amount: Money,
    /// Of it, paid beside the wage.
    pub beside_wage: Money,
    /// Of it, paid for copyright.
    pub copyright: Money,
    /// What is sent to the person; of a wage it is known once it is approved.
    pub net: Option<Money>,
    /// What the bank carries back.
    pub end_to_end_id: String,
    /// Its batch.
    pub batch_id: Option<BatchId>,
    /// Who reviewed it.
    pub reviewed_by: Option<PersonId>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// When the bank carried it out.
    pub settled_on: Option<NaiveDate>,
    /// When the bank gave it back.
    pub returned_on: Option<NaiveDate>,
    /// Why.
    pub return_reason: Option<String>,
    /// Who looks after a returned one.
    pub desk_owner_id: Option<PersonId>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

impl From<PayoutRow> for PayoutView {
    fn from(row: PayoutRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            entity_id: row.entity_id,
            member_id: row.member_id,
            activity_id: row.activity_id,
            scheme: row.scheme,
            amount: Money { amount_minor: row.amount_minor, currency: row.currency },
            beside_wage: Money { amount_minor: row.beside_minor, currency: row.currency },
            copyright: Money { amount_minor: row.rights_minor, currency: row.currency },
            net: row.reviewed_at.map(|_| Money { amount_minor: row.sent(), currency: row.currency }),
            end_to_end_id: row.end_to_end_id,
            batch_id: row.batch_id,
            reviewed_by: row.reviewed_by,
            reason: row.reason,
            settled_on: row.settled_on,
            returned_on: row.returned_on,
            return_reason: row.return_reason,
            desk_owner_id: row.desk_owner_id,
            created_at: row.created_at,
        }
    }
}

fn load(tx: &mut Tx<'_>, id: PayoutId) -> Result<PayoutView> {
    super::find(tx, id).map(PayoutView::from)
}

/// Asks for a payout. The money is set aside at once, or the answer is no.
#[utoipa::path(tag = "payouts", params(("dry_run" = Option<bool>, Query)), request_body = RequestPayout,
    responses((status = 201, body = PayoutView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/payouts")]
async fn request_payout(who: Member, db: Data<Db>, command: Command<RequestPayout>) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "request_payout", "/v1/payouts", |tx, body| {
            super::request(tx, body.id, body.activity_id, body.amount, (body.beside_wage, body.copyright))
                .map(PayoutView::from)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PayoutQuery {
    /// Only in this state.
    #[param(inline)]
    state: Option<PayoutState>,
    /// Only from this activity.
    activity_id: Option<ActivityId>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists payouts, newest first.
#[utoipa::path(tag = "payouts", params(PayoutQuery), responses((status = 200, body = Page<PayoutView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payouts")]
async fn list_payouts(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<PayoutQuery>,
) -> Result<Json<Page<PayoutView>>> {
    let query = query.0;
    let filter = PayoutFilter { state: query.state, activity_id: query.activity_id };
    let listing = Listing::new(&keys, who.person(), "payouts", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, PayoutView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a payout.
#[utoipa::path(tag = "payouts", params(("id" = PayoutId, Path)), responses((status = 200, body = PayoutView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payouts/{id}")]
async fn show_payout(who: MemberOrDesk, db: Data<Db>, id: Path<PayoutId>) -> Result<Json<PayoutView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Approves a payout of somebody else and freezes the account it goes to.
#[utoipa::path(tag = "payouts", params(("id" = PayoutId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = PayoutView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payouts/{id}/approve")]
async fn approve_payout(
    who: Reviewer,
    db: Data<Db>,
    id: Path<PayoutId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "approve_payout", id.into_inner(), load, |tx, id, expected, _| {
            super::approve(tx, id, expected).map(PayoutView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefusePayout {
    /// What the member should know.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Refuses a payout of somebody else, with the reason; its money is available again.
#[utoipa::path(tag = "payouts", params(("id" = PayoutId, Path)), request_body = RefusePayout,
    responses((status = 200, body = PayoutView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payouts/{id}/refuse")]
async fn refuse_payout(
    who: Reviewer,
    db: Data<Db>,
    id: Path<PayoutId>,
    command: Command<RefusePayout>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "refuse_payout", id.into_inner(), load, |tx, id, expected, body| {
            super::refuse(tx, id, expected, &body.reason).map(PayoutView::from)
        })
        .await
}

/// Takes a payout back before it is in a batch.
#[utoipa::path(tag = "payouts", params(("id" = PayoutId, Path)), request_body = Empty,
    responses((status = 200, body = PayoutView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/payouts/{id}/cancel")]
async fn cancel_payout(who: Member, db: Data<Db>, id: Path<PayoutId>, command: Command<Empty>) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "cancel_payout", id.into_inner(), load, |tx, id, expected, _| {
            super::cancel(tx, id, expected).map(PayoutView::from)
        })
        .await
}

/// A batch in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchSummary {
    /// Its id.
    pub id: BatchId,
    /// Grows with every change.
    pub version: i32,
    /// `open`, `sealed`, `approved`, `released` or `dissolved`.
    pub state: BatchState,
    /// Who pays.
    pub entity_id: EntityId,
    /// The day the bank is asked to debit.
    pub execute_on: NaiveDate,
    /// The sum of the sealed file.
    pub total: Option<Money>,
    /// How many payouts were sealed.
    pub payout_count: Option<i32>,
    /// SHA-256 of the sealed file, in hex.
    pub content_sha256: Option<String>,
    /// Who gathered it.
    pub built_by: PersonId,
    /// Who sealed it.
    pub sealed_by: Option<PersonId>,
    /// Who released it.
    pub released_by: Option<PersonId>,
    /// When it was gathered.
    pub created_at: DateTime<Utc>,
}

impl From<BatchRow> for BatchSummary {
    fn from(row: BatchRow) -> Self {
        Self {
            total: row.control_sum_minor.map(|amount_minor| Money { amount_minor, currency: row.currency }),
            content_sha256: row.sha256.as_deref().map(hex),
            id: row.id,
            version: row.version,
            state: row.state,
            entity_id: row.entity_id,
            execute_on: row.execute_on,
            payout_count: row.payout_count,
            built_by: row.built_by,
            sealed_by: row.sealed_by,
            released_by: row.released_by,
            created_at: row.created_at,
        }
    }
}

/// A batch with everything that an approver must see.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchView {
    /// Its row.
    #[serde(flatten)]
    pub batch: BatchSummary,
    /// The sum of its payouts now.
    pub items_total: Money,
    /// How many payees were never paid before into their account.
    pub new_payee_count: usize,
    /// Its payouts, in the order of the file.
    pub items: Vec<BatchItemView>,
    /// Who stands for the sealed bytes.
    pub approvals: Vec<ApprovalView>,
}

fn view(tx: &mut Tx<'_>, row: BatchRow) -> Result<BatchView> {
    let approvals = super::approvals(tx, &row)?.into_iter().map(ApprovalView::from).collect();
    let mut items = Vec::new();
    for payout in super::batch_items(tx, row.id)? {
        let account = payout.payee_account_id.ok_or_else(|| Error::internal("a batched payout has an account"))?;
        let account = members::payee_account(tx, account)?;
        items.push(BatchItemView {
            new_payee: super::is_new_payee(tx, &payout)?,
            payout_id: payout.id,
            member_id: payout.member_id,
            holder: account.holder,
            iban_last4: account.iban_last4,
            amount: Money { amount_minor: payout.sent(), currency: payout.currency },
        });
    }
    let total = Minor::sum(items.iter().map(|item| item.amount.amount_minor))?;
    Ok(BatchView {
        items_total: Money { amount_minor: total, currency: row.currency },
        new_payee_count: items.iter().filter(|item| item.new_payee).count(),
        items,
        approvals,
        batch: row.into(),
    })
}

fn load_batch(tx: &mut Tx<'_>, id: BatchId) -> Result<BatchView> {
    let row = super::batch(tx, id)?;
    view(tx, row)
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BuildBatch {
    /// Made by the sender.
    id: BatchId,
    /// Whose payouts.
    entity_id: EntityId,
}

/// Gathers every approved payout of an entity in a new batch.
#[utoipa::path(tag = "batches", params(("dry_run" = Option<bool>, Query)), request_body = BuildBatch,
    responses((status = 201, body = BatchView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payout_batches")]
async fn build_batch(who: Reviewer, db: Data<Db>, command: Command<BuildBatch>) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "build_batch", "/v1/payout_batches", |tx, body| {
            let row = super::build(tx, body.id, body.entity_id)?;
            view(tx, row)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct BatchQuery {
    /// Only in this state.
    #[param(inline)]
    state: Option<BatchState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists batches, newest first.
#[utoipa::path(tag = "batches", params(BatchQuery), responses((status = 200, body = Page<BatchSummary>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payout_batches")]
async fn list_batches(
    who: ViewBatches,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<BatchQuery>,
) -> Result<Json<Page<BatchSummary>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "batches", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::batches(tx, query.state, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, BatchSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a batch with everything that an approver must see.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path)), responses((status = 200, body = BatchView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payout_batches/{id}")]
async fn show_batch(who: ViewBatches, db: Data<Db>, id: Path<BatchId>) -> Result<Json<BatchView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load_batch(tx, id)).await?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RemovePayout {
    /// Which.
    payout_id: PayoutId,
}

/// Takes a payout out of an open batch; it stays approved.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path)), request_body = RemovePayout,
    responses((status = 200, body = BatchView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payout_batches/{id}/remove_payout")]
async fn remove_payout_from_batch(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BatchId>,
    command: Command<RemovePayout>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "remove_payout_from_batch", id.into_inner(), load_batch, |tx, id, expected, body| {
            let row = super::remove(tx, id, expected, body.payout_id)?;
            view(tx, row)
        })
        .await
}

/// Seals a batch: the bank file is written and hashed; nothing in it changes any more.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = BatchView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payout_batches/{id}/seal")]
async fn seal_batch(
    who: Reviewer,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<BatchId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "seal_batch", id.into_inner(), load_batch, move |tx, id, expected, _| {
            let row = super::seal(tx, &keys, id, expected)?;
            view(tx, row)
        })
        .await
}

/// Opens a sealed batch again. Every approval is void.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path)), request_body = Empty,
    responses((status = 200, body = BatchView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/payout_batches/{id}/unseal")]
async fn unseal_batch(
    who: crate::access::BatchDesk,
    db: Data<Db>,
    id: Path<BatchId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "unseal_batch", id.into_inner(), load_batch, |tx, id, expected, _| {
            let row = super::unseal(tx, id, expected)?;
            view(tx, row)
        })
        .await
}

/// Dissolves an open batch; its payouts are approved and free again.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path)), request_body = Empty,
    responses((status = 200, body = BatchView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payout_batches/{id}/dissolve")]
async fn dissolve_batch(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BatchId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "dissolve_batch", id.into_inner(), load_batch, |tx, id, expected, _| {
            let row = super::dissolve(tx, id, expected)?;
            view(tx, row)
        })
        .await
}

/// What an approver was shown and stands for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApproveBatch {
    /// The hash that was shown.
    #[schema(min_length = 64, max_length = 64)]
    content_sha256: String,
    /// The sum that was shown.
    total: Money,
    /// The number of payouts that was shown.
    payout_count: i32,
}

/// Approves exactly the sealed bytes, as another person than who built, sealed or is paid.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path), ("dry_run" = Option<bool>, Query)), request_body = ApproveBatch,
    responses((status = 200, body = BatchView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/payout_batches/{id}/approve")]
async fn approve_batch(
    who: Approver,
    db: Data<Db>,
    id: Path<BatchId>,
    command: Command<ApproveBatch>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "approve_batch", id.into_inner(), load_batch, |tx, id, expected, body| {
            let sha256 = unhex(&body.content_sha256).ok_or_else(|| Error::field("/content_sha256", "invalid"))?;
            let shown = Shown { sha256, total: body.total, count: body.payout_count };
            let row = super::approve_batch(tx, id, expected, &shown)?;
            view(tx, row)
        })
        .await
}

/// Releases an approved batch to the bank, once.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = BatchView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/payout_batches/{id}/release")]
async fn release_batch(
    who: Approver,
    db: Data<Db>,
    id: Path<BatchId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "release_batch", id.into_inner(), load_batch, |tx, id, expected, _| {
            let row = super::release(tx, id, expected)?;
            view(tx, row)
        })
        .await
}

/// Downloads the bank file: the sealed bytes, the same for ever. Each download is noted.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path)),
    responses((status = 200, content_type = "application/xml", body = Vec<u8>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[get("/v1/payout_batches/{id}/file")]
async fn download_batch_file(who: crate::access::BatchDesk, db: Data<Db>, id: Path<BatchId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db
        .write(who.into(), move |tx| {
            let file = super::file(tx, id)?;
            tx.note("download_batch_file", id.0)?;
            Ok(file)
        })
        .await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}
