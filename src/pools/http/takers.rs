//! Who is in a pool, what they used, and which seats they have.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::access::{MemberOrDesk, MemberOrReviewer, Reviewer};
use crate::kernel::ids::{ActivityId, ContractId, PersonId, PoolId};
use crate::kernel::money::Money;
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf, Upload};
use crate::pools::{
    self, ContractRow, Imported, MembershipRow, NewContract, NewMembership, NewSeats, NewUsage, SeatRow, UsageRow,
};

crate::endpoints!(
    join_pool,
    leave_pool,
    list_pool_memberships,
    record_pool_usage,
    import_pool_usage,
    list_pool_usage,
    add_pool_contract,
    list_pool_contracts,
    set_pool_seats,
    end_pool_seats,
    list_pool_seats,
);

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Days of an activity in a pool.
#[derive(Debug, Serialize, ToSchema)]
pub struct MembershipView {
    /// Its id.
    pub id: Uuid,
    /// The pool.
    pub pool_id: PoolId,
    /// The activity.
    pub activity_id: ActivityId,
    /// The first day in.
    pub in_from: NaiveDate,
    /// The first day out.
    pub out_from: Option<NaiveDate>,
    /// Who wrote it down.
    pub created_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<MembershipRow> for MembershipView {
    fn from(row: MembershipRow) -> Self {
        Self {
            id: row.id,
            pool_id: row.pool_id,
            activity_id: row.activity_id,
            in_from: row.in_from,
            out_from: row.out_from,
            created_by: row.created_by,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct JoinPool {
    /// Made by the sender.
    id: Uuid,
    /// The activity.
    activity_id: ActivityId,
    /// The first day in; from today on, unless the office writes it down.
    in_from: NaiveDate,
    /// The first day out, when it is known.
    out_from: Option<NaiveDate>,
}

/// Lets an activity into a pool from a day on: a member their own, a reviewer any.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), request_body = JoinPool,
    responses((status = 201, body = MembershipView)), extensions(("x-roles" = json!(["member", "reviewer"]))))]
#[post("/v1/pools/{id}/memberships")]
async fn join_pool(
    who: MemberOrReviewer,
    db: Data<Db>,
    id: Path<PoolId>,
    command: Command<JoinPool>,
) -> Result<HttpResponse> {
    let pool = id.into_inner();
    command
        .create(&db, who.into(), "join_pool", &format!("/v1/pools/{pool}/memberships"), move |tx, body| {
            let new = NewMembership {
                id: body.id,
                activity: body.activity_id,
                in_from: body.in_from,
                out_from: body.out_from,
            };
            pools::join(tx, pool, &new).map(MembershipView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LeavePool {
    /// The activity.
    activity_id: ActivityId,
    /// The first day out; from today on, unless the office writes it down.
    out_from: NaiveDate,
}

/// Lets an activity out of a pool: a member their own, a reviewer any.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), request_body = LeavePool,
    responses((status = 200, body = MembershipView)), extensions(("x-roles" = json!(["member", "reviewer"]))))]
#[post("/v1/pools/{id}/leave")]
async fn leave_pool(
    who: MemberOrReviewer,
    db: Data<Db>,
    id: Path<PoolId>,
    command: Command<LeavePool>,
) -> Result<HttpResponse> {
    let pool = id.into_inner();
    command
        .run(&db, who.into(), "leave_pool", move |tx, body| {
            pools::leave(tx, pool, body.activity_id, body.out_from).map(MembershipView::from)
        })
        .await
}

/// Lists who is or was in a pool, the last written down first.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path), PageQuery), responses((status = 200, body = Page<MembershipView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pools/{id}/memberships")]
async fn list_pool_memberships(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<PoolId>,
    query: QueryOf<PageQuery>,
) -> Result<Json<Page<MembershipView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let listing = Listing::new(&keys, who.person(), "pool_memberships", &id, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = pools::memberships(tx, id, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id, MembershipView::from))
        })
        .await?;
    Ok(Json(page))
}

/// What an activity used on a day.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    /// Its id.
    pub id: Uuid,
    /// The pool.
    pub pool_id: PoolId,
    /// The activity.
    pub activity_id: ActivityId,
    /// The day.
    pub used_on: NaiveDate,
    /// In the unit of the pool.
    pub quantity: String,
    /// What the system that measured it calls it.
    pub external_ref: Option<String>,
    /// Who wrote it down.
    pub recorded_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<UsageRow> for UsageView {
    fn from(row: UsageRow) -> Self {
        Self {
            id: row.id,
            pool_id: row.pool_id,
            activity_id: row.activity_id,
            used_on: row.used_on,
            quantity: pools::shown(row.quantity),
            external_ref: row.external_ref,
            recorded_by: row.recorded_by,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecordUsage {
    /// Made by the sender.
    id: Uuid,
    /// The activity.
    activity_id: ActivityId,
    /// The day; not one to come.
    used_on: NaiveDate,
    /// A decimal of at most four decimals, above zero, in the unit of the pool.
    #[schema(max_length = 20, pattern = r"^\d{1,9}(\.\d{1,4})?$", example = "1.5")]
    quantity: String,
    /// What the system that measured it calls it; once in a pool.
    #[schema(max_length = 100)]
    external_ref: Option<String>,
}

/// Writes down what an activity used on a day: a member for their own, a reviewer for any.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), request_body = RecordUsage,
    responses((status = 201, body = UsageView)), extensions(("x-roles" = json!(["member", "reviewer"]))))]
#[post("/v1/pools/{id}/usage")]
async fn record_pool_usage(
    who: MemberOrReviewer,
    db: Data<Db>,
    id: Path<PoolId>,
    command: Command<RecordUsage>,
) -> Result<HttpResponse> {
    let pool = id.into_inner();
    command
        .create(&db, who.into(), "record_pool_usage", &format!("/v1/pools/{pool}/usage"), move |tx, body| {
            let new = NewUsage {
                id: body.id,
                activity: body.activity_id,
                used_on: body.used_on,
                quantity: body.quantity,
                external_ref: body.external_ref,
            };
            pools::record_usage(tx, pool, &new).map(UsageView::from)
        })
        .await
}

/// What a file of usage brought.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageImportView {
    /// Lines that are new.
    pub imported: usize,
    /// Lines that were there already, word for word.
    pub skipped: usize,
}

impl From<Imported> for UsageImportView {
    fn from(it: Imported) -> Self {
        Self { imported: it.imported, skipped: it.skipped }
    }
}

/// Imports a CSV file of usage, whole or not at all: `activity_id,used_on,quantity,external_ref`.
///
/// The same file again changes nothing. Each wrong line is named: `/lines/3/quantity`, where the head is line 1.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), request_body(content = Vec<u8>, content_type = "text/csv"),
    responses((status = 200, body = UsageImportView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/pools/{id}/usage_imports")]
async fn import_pool_usage(who: Reviewer, db: Data<Db>, id: Path<PoolId>, upload: Upload) -> Result<HttpResponse> {
    if upload.media_type != "text/csv" {
        let refused = Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported");
        return Err(refused.with("expected", "text/csv"));
    }
    let pool = id.into_inner();
    upload
        .command
        .run(&db, who.into(), "import_pool_usage", move |tx, bytes| {
            pools::import_usage(tx, pool, &bytes).map(UsageImportView::from)
        })
        .await
}

/// Lists what was used, the last written down first.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path), PageQuery), responses((status = 200, body = Page<UsageView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pools/{id}/usage")]
async fn list_pool_usage(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<PoolId>,
    query: QueryOf<PageQuery>,
) -> Result<Json<Page<UsageView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let listing = Listing::new(&keys, who.person(), "pool_usage", &id, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = pools::usage(tx, id, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id, UsageView::from))
        })
        .await?;
    Ok(Json(page))
}

/// A supplier's contract that members use together.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContractView {
    /// Its id.
    pub id: ContractId,
    /// Its pool.
    pub pool_id: PoolId,
    /// With whom.
    pub supplier: String,
    /// The supplier's number for it.
    pub reference: String,
    /// The price of a seat for a month, without VAT.
    pub seat_month: Money,
    /// The first day.
    pub valid_from: NaiveDate,
    /// The first day after it.
    pub valid_until: Option<NaiveDate>,
}

impl From<ContractRow> for ContractView {
    fn from(row: ContractRow) -> Self {
        Self {
            id: row.id,
            pool_id: row.pool_id,
            seat_month: Money { amount_minor: row.seat_month_minor, currency: row.currency },
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            supplier: row.supplier,
            reference: row.reference,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddContract {
    /// Made by the sender.
    id: ContractId,
    /// With whom.
    #[schema(max_length = 140)]
    supplier: String,
    /// The supplier's number for it.
    #[schema(max_length = 140)]
    reference: String,
    /// The price of a seat for a month, without VAT, above zero.
    seat_month: Money,
    /// The first day.
    valid_from: NaiveDate,
    /// The first day after it.
    valid_until: Option<NaiveDate>,
}

/// Puts a supplier's contract on a pool: members take seats, and the key `seats` divides what it costs.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), request_body = AddContract,
    responses((status = 201, body = ContractView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/pools/{id}/contracts")]
async fn add_pool_contract(
    who: Reviewer,
    db: Data<Db>,
    id: Path<PoolId>,
    command: Command<AddContract>,
) -> Result<HttpResponse> {
    let pool = id.into_inner();
    command
        .create(&db, who.into(), "add_pool_contract", &format!("/v1/pools/{pool}/contracts"), move |tx, body| {
            let new = NewContract {
                id: body.id,
                supplier: body.supplier,
                reference: body.reference,
                seat_month: body.seat_month,
                valid_from: body.valid_from,
                valid_until: body.valid_until,
            };
            pools::add_contract(tx, pool, &new).map(ContractView::from)
        })
        .await
}

/// Lists the contracts of a pool, newest first.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), responses((status = 200, body = Vec<ContractView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pools/{id}/contracts")]
async fn list_pool_contracts(who: MemberOrDesk, db: Data<Db>, id: Path<PoolId>) -> Result<Json<Vec<ContractView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| pools::contracts(tx, id)).await?;
    Ok(Json(rows.into_iter().map(ContractView::from).collect()))
}

/// Seats of an activity under a contract.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeatView {
    /// Its id.
    pub id: Uuid,
    /// The contract.
    pub contract_id: ContractId,
    /// The activity.
    pub activity_id: ActivityId,
    /// How many.
    pub seats: i32,
    /// The first day.
    pub from_on: NaiveDate,
    /// The first day without them.
    pub until_on: Option<NaiveDate>,
}

impl From<SeatRow> for SeatView {
    fn from(row: SeatRow) -> Self {
        Self {
            id: row.id,
            contract_id: row.contract_id,
            activity_id: row.activity_id,
            seats: row.seats,
            from_on: row.from_on,
            until_on: row.until_on,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetSeats {
    /// Made by the sender.
    id: Uuid,
    /// The contract.
    contract_id: ContractId,
    /// The activity.
    activity_id: ActivityId,
    /// How many, from one.
    #[schema(minimum = 1, maximum = 10_000)]
    seats: i32,
    /// The first day.
    from_on: NaiveDate,
    /// The first day without them.
    until_on: Option<NaiveDate>,
}

/// Gives seats of a contract to an activity that is in the pool.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), request_body = SetSeats,
    responses((status = 201, body = SeatView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/pools/{id}/seats")]
async fn set_pool_seats(
    who: Reviewer,
    db: Data<Db>,
    id: Path<PoolId>,
    command: Command<SetSeats>,
) -> Result<HttpResponse> {
    let pool = id.into_inner();
    command
        .create(&db, who.into(), "set_pool_seats", &format!("/v1/pools/{pool}/seats"), move |tx, body| {
            let new = NewSeats {
                id: body.id,
                contract: body.contract_id,
                activity: body.activity_id,
                seats: body.seats,
                from_on: body.from_on,
                until_on: body.until_on,
            };
            pools::set_seats(tx, pool, &new).map(SeatView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EndSeats {
    /// The contract.
    contract_id: ContractId,
    /// The activity.
    activity_id: ActivityId,
    /// The first day without them.
    until_on: NaiveDate,
}

/// Takes the seats of an activity away from a day on.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), request_body = EndSeats,
    responses((status = 200, body = SeatView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/pools/{id}/end_seats")]
async fn end_pool_seats(
    who: Reviewer,
    db: Data<Db>,
    id: Path<PoolId>,
    command: Command<EndSeats>,
) -> Result<HttpResponse> {
    let pool = id.into_inner();
    command
        .run(&db, who.into(), "end_pool_seats", move |tx, body| {
            pools::end_seats(tx, pool, body.contract_id, body.activity_id, body.until_on).map(SeatView::from)
        })
        .await
}

/// Lists the seats of a pool, the last written down first.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path), PageQuery), responses((status = 200, body = Page<SeatView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pools/{id}/seats")]
async fn list_pool_seats(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<PoolId>,
    query: QueryOf<PageQuery>,
) -> Result<Json<Page<SeatView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let listing = Listing::new(&keys, who.person(), "pool_seats", &id, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = pools::seats(tx, id, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id, SeatView::from))
        })
        .await?;
    Ok(Json(page))
}
