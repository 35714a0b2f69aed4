//! The counter for batches.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::remittances::RemittanceView;
use super::{ApprovalView, BatchItemView};
use crate::access::{Approver, BatchDesk, Reviewer, ViewBatches};
use crate::kernel::ids::{BankAccountId, BatchId, EntityId, PayoutId, PersonId, StepUpId};
use crate::kernel::money::Money;
use crate::kernel::schemes::Method;
use crate::payouts::batches::{self, Gather, Shown, Which};
use crate::payouts::{BatchRow, BatchState, remittances};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf, attachment, hex, unhex};

/// How many payouts a batch is shown with.
const ITEMS_SHOWN: i64 = 200;

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
    /// From which account of the entity.
    pub bank_account_id: BankAccountId,
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
            bank_account_id: row.bank_account_id,
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
    /// How many approved payouts are in no batch and stay for the next one.
    pub left_count: i64,
    /// Their sum.
    pub left_total: Money,
    /// How many payouts are in it now.
    pub item_count: i64,
    /// How many payees were never paid before into their account.
    pub new_payee_count: i64,
    /// How many payees were paid into another account the last time.
    pub changed_account_count: i64,
    /// How many people must approve a batch of this total.
    pub approvals_needed: i32,
    /// Its first 200 payouts, in the order of the file; all of them are at `/v1/payout_batches/{id}/items`.
    pub items: Vec<BatchItemView>,
    /// What it pays to offices instead, in the order of the file.
    pub remittances: Vec<RemittanceView>,
    /// Who stands for the sealed bytes.
    pub approvals: Vec<ApprovalView>,
}

pub(super) fn view(tx: &mut Tx<'_>, row: BatchRow) -> Result<BatchView> {
    let standing = batches::standing(tx, &row)?;
    let counts = batches::counts(tx, row.id)?;
    let first = Which { limit: Some(ITEMS_SHOWN), ..Which::default() };
    let items = batches::items(tx, row.id, first)?.into_iter().map(BatchItemView::from).collect();
    let remittances: Vec<RemittanceView> =
        remittances::items(tx, row.id)?.into_iter().map(|item| item.row.into()).collect();
    let total = batches::total(tx, row.id)?;
    let left = batches::left(tx, &row)?;
    Ok(BatchView {
        left_count: left.count,
        left_total: left.total,
        items_total: Money { amount_minor: total, currency: row.currency },
        item_count: counts.all,
        new_payee_count: counts.new,
        changed_account_count: counts.changed,
        items,
        remittances,
        approvals_needed: standing.needed,
        approvals: standing.approvals.into_iter().map(ApprovalView::from).collect(),
        batch: row.into(),
    })
}

fn load_batch(tx: &mut Tx<'_>, id: BatchId) -> Result<BatchView> {
    let row = batches::find(tx, id)?;
    view(tx, row)
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BuildBatch {
    /// Made by the sender.
    id: BatchId,
    /// Whose payouts.
    entity_id: EntityId,
    /// From which account of the entity; without it from the one that it had first.
    #[serde(default)]
    bank_account_id: Option<BankAccountId>,
    /// Only those that were asked for up to this day.
    #[serde(default)]
    up_to: Option<NaiveDate>,
    /// Only those that become pay in this way.
    #[serde(default)]
    #[schema(inline)]
    scheme: Option<Method>,
    /// Only those of this member.
    #[serde(default)]
    member_id: Option<PersonId>,
}

/// Gathers the approved payouts of an entity in a new batch: all of them, or those that fit, the oldest first, as many as
/// the bank takes in one file.
#[utoipa::path(tag = "batches", params(("dry_run" = Option<bool>, Query)), request_body = BuildBatch,
    responses((status = 201, body = BatchView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payout_batches")]
pub(super) async fn build_batch(who: Reviewer, db: Data<Db>, command: Command<BuildBatch>) -> Result<HttpResponse> {
    command
        .about_money()
        .strict()
        .create(&db, who.into(), "build_batch", "/v1/payout_batches", |tx, body| {
            let only =
                Gather { from: body.bank_account_id, up_to: body.up_to, scheme: body.scheme, member: body.member_id };
            let row = batches::build(tx, body.id, body.entity_id, &only)?;
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
pub(super) async fn list_batches(
    who: ViewBatches,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<BatchQuery>,
) -> Result<Json<Page<BatchSummary>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "batches", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = batches::list(tx, query.state, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, BatchSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a batch with everything that an approver must see.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path)), responses((status = 200, body = BatchView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payout_batches/{id}")]
pub(super) async fn show_batch(who: ViewBatches, db: Data<Db>, id: Path<BatchId>) -> Result<Json<BatchView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load_batch(tx, id)).await?))
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ItemQuery {
    /// Only those whose payee was never paid before into this account, or was.
    new_payee: Option<bool>,
    /// Only those whose payee was paid into another account the last time, or was not.
    changed_account: Option<bool>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists the payouts of a batch, in the order of the file.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path), ItemQuery),
    responses((status = 200, body = Page<BatchItemView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payout_batches/{id}/items")]
pub(super) async fn list_batch_items(
    who: ViewBatches,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<BatchId>,
    query: QueryOf<ItemQuery>,
) -> Result<Json<Page<BatchItemView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let list = format!("batch_items:{id}");
    let listing = Listing::new(&keys, who.person(), &list, &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            batches::find(tx, id)?;
            let which = Which {
                is_new: query.new_payee,
                is_changed: query.changed_account,
                after: listing.after,
                limit: Some(listing.fetch),
            };
            let rows = batches::items(tx, id, which)?;
            Ok(listing.page(rows, |row| row.payout.id.0, BatchItemView::from))
        })
        .await?;
    Ok(Json(page))
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
pub(super) async fn remove_payout_from_batch(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BatchId>,
    command: Command<RemovePayout>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "remove_payout_from_batch", id.into_inner(), load_batch, |tx, id, expected, body| {
            let row = batches::remove(tx, id, expected, body.payout_id)?;
            view(tx, row)
        })
        .await
}

/// Seals a batch: the bank file is written and hashed; nothing in it changes any more.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = BatchView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payout_batches/{id}/seal")]
pub(super) async fn seal_batch(
    who: Reviewer,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<BatchId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "seal_batch", id.into_inner(), load_batch, move |tx, id, expected, _| {
            let row = batches::seal(tx, &keys, id, expected)?;
            view(tx, row)
        })
        .await
}

/// Opens a sealed batch again. Every approval is void.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path)), request_body = Empty,
    responses((status = 200, body = BatchView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/payout_batches/{id}/unseal")]
pub(super) async fn unseal_batch(
    who: BatchDesk,
    db: Data<Db>,
    id: Path<BatchId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "unseal_batch", id.into_inner(), load_batch, |tx, id, expected, _| {
            let row = batches::unseal(tx, id, expected)?;
            view(tx, row)
        })
        .await
}

/// Dissolves an open batch; its payouts are approved and free again.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path)), request_body = Empty,
    responses((status = 200, body = BatchView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payout_batches/{id}/dissolve")]
pub(super) async fn dissolve_batch(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BatchId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "dissolve_batch", id.into_inner(), load_batch, |tx, id, expected, _| {
            let row = batches::dissolve(tx, id, expected)?;
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
    /// The proof of the second factor, made for `approve_batch` on this hash.
    second_factor: StepUpId,
}

/// Approves exactly the sealed bytes, as another person than who built, sealed or is paid.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path), ("dry_run" = Option<bool>, Query)), request_body = ApproveBatch,
    responses((status = 200, body = BatchView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/payout_batches/{id}/approve")]
pub(super) async fn approve_batch(
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
            let row = batches::approve(tx, id, expected, &shown, body.second_factor)?;
            view(tx, row)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReleaseBatch {
    /// The proof of the second factor, made for `release_batch` on the sealed hash.
    second_factor: StepUpId,
}

/// Releases an approved batch to the bank, once, if it is still what was sealed.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path), ("dry_run" = Option<bool>, Query)), request_body = ReleaseBatch,
    responses((status = 200, body = BatchView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/payout_batches/{id}/release")]
pub(super) async fn release_batch(
    who: Approver,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<BatchId>,
    command: Command<ReleaseBatch>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "release_batch", id.into_inner(), load_batch, move |tx, id, expected, body| {
            let row = batches::release(tx, &keys, id, expected, body.second_factor)?;
            view(tx, row)
        })
        .await
}

/// Downloads the bank file of a batch that was released: the sealed bytes, the same for ever. Each download is noted.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path)),
    responses((status = 200, content_type = "application/xml", body = Vec<u8>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[get("/v1/payout_batches/{id}/file")]
pub(super) async fn download_batch_file(who: BatchDesk, db: Data<Db>, id: Path<BatchId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db
        .write(who.into(), move |tx| {
            let file = batches::file(tx, id)?;
            tx.note("download_batch_file", id.0)?;
            Ok(file)
        })
        .await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}
