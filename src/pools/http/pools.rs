//! Pools, their keys and their account.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::access::{Administrator, MemberOrDesk, Reviewer};
use crate::costs::CostRow;
use crate::kernel::ids::{ActivityId, CostId, EntityId, PersonId, PoolId};
use crate::kernel::money::{Minor, Money, Ppm};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};
use crate::pools::{self, Account, Deficit, Key, NewKey, NewPool, Overfunding, PoolBasis, PoolRow, PoolState};

crate::endpoints!(
    propose_pool,
    list_pools,
    show_pool,
    open_pool,
    start_closing_pool,
    close_pool,
    add_pool_key,
    list_pool_keys,
    show_pool_account,
    list_pool_account_activities,
);

/// A shared cost with its rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolView {
    /// Its id.
    pub id: PoolId,
    /// Grows with every change.
    pub version: i32,
    /// `proposed`, `open`, `closing` or `closed`.
    pub state: PoolState,
    /// Of which entity.
    pub entity_id: EntityId,
    /// How it is called.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// What it may collect ahead of its costs.
    pub budget: Money,
    /// In what usage is counted.
    pub unit: String,
    /// Whether activities may be charged ahead of the costs.
    pub instalments: bool,
    /// When it closes with too much: `refund` or `carry`.
    pub overfunding: Overfunding,
    /// When it closes with too little: `charge_next_run` or `mutual_bears`.
    pub deficit: Deficit,
    /// Who proposed it.
    pub proposed_by: PersonId,
    /// The decision that opened it.
    pub decision: Option<String>,
    /// The day of that decision.
    pub decided_on: Option<NaiveDate>,
    /// Who put it into force.
    pub opened_by: Option<PersonId>,
    /// When its account was settled.
    pub closed_on: Option<NaiveDate>,
    /// When it was proposed.
    pub created_at: DateTime<Utc>,
}

impl From<PoolRow> for PoolView {
    fn from(row: PoolRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            entity_id: row.entity_id,
            budget: Money { amount_minor: row.budget_minor, currency: row.currency },
            instalments: row.instalments,
            overfunding: row.overfunding,
            deficit: row.deficit,
            proposed_by: row.proposed_by,
            decision: row.decision,
            decided_on: row.decided_on,
            opened_by: row.opened_by,
            closed_on: row.closed_on,
            created_at: row.created_at,
            name: row.name,
            purpose: row.purpose,
            unit: row.unit,
        }
    }
}

fn load(tx: &mut Tx<'_>, id: PoolId) -> Result<PoolView> {
    pools::pool(tx, id).map(PoolView::from)
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProposePool {
    /// Made by the sender.
    id: PoolId,
    /// Of which entity.
    entity_id: EntityId,
    /// How it is called.
    #[schema(max_length = 140)]
    name: String,
    /// What it is for.
    #[schema(max_length = 2000)]
    purpose: String,
    /// What it may collect ahead of its costs; zero or more.
    budget: Money,
    /// In what usage is counted: hours, prints, nights.
    #[serde(default)]
    #[schema(max_length = 40)]
    unit: String,
    /// Whether activities may be charged ahead of the costs, up to the budget.
    #[serde(default)]
    instalments: bool,
    /// When it closes and has collected too much.
    overfunding: Overfunding,
    /// When it closes and has collected too little.
    deficit: Deficit,
}

/// Proposes a pool; somebody else opens it when it is decided.
#[utoipa::path(tag = "pools", request_body = ProposePool, responses((status = 201, body = PoolView)),
    extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/pools")]
async fn propose_pool(who: Reviewer, db: Data<Db>, command: Command<ProposePool>) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "propose_pool", "/v1/pools", |tx, body| {
            let new = NewPool {
                id: body.id,
                entity: body.entity_id,
                name: body.name,
                purpose: body.purpose,
                budget: body.budget,
                unit: body.unit,
                instalments: body.instalments,
                overfunding: body.overfunding,
                deficit: body.deficit,
            };
            pools::propose(tx, &new).map(PoolView::from)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PoolQuery {
    /// Only in this state.
    #[param(inline)]
    state: Option<PoolState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists the pools of your entity, newest first; for the office, all of them.
#[utoipa::path(tag = "pools", params(PoolQuery), responses((status = 200, body = Page<PoolView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pools")]
async fn list_pools(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<PoolQuery>,
) -> Result<Json<Page<PoolView>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "pools", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = pools::pools(tx, query.state, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, PoolView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a pool.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), responses((status = 200, body = PoolView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pools/{id}")]
async fn show_pool(who: MemberOrDesk, db: Data<Db>, id: Path<PoolId>) -> Result<Json<PoolView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OpenPool {
    /// Which decision opens it.
    #[schema(max_length = 500)]
    decision: String,
    /// The day of that decision.
    decided_on: NaiveDate,
}

/// Opens a pool that somebody else proposed, by the decision that was taken about it.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), request_body = OpenPool,
    responses((status = 200, body = PoolView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/pools/{id}/open")]
async fn open_pool(
    who: Administrator,
    db: Data<Db>,
    id: Path<PoolId>,
    command: Command<OpenPool>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "open_pool", id.into_inner(), load, |tx, id, expected, body| {
            pools::open(tx, id, expected, &body.decision, body.decided_on).map(PoolView::from)
        })
        .await
}

/// Lets a pool take no new costs; what is left is divided and its account settled.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), request_body = Empty,
    responses((status = 200, body = PoolView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/pools/{id}/start_closing")]
async fn start_closing_pool(
    who: Reviewer,
    db: Data<Db>,
    id: Path<PoolId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "start_closing_pool", id.into_inner(), load, |tx, id, expected, _| {
            pools::start_closing(tx, id, expected).map(PoolView::from)
        })
        .await
}

/// Settles the account of a pool by its rules for too much and too little.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = PoolView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/pools/{id}/close")]
async fn close_pool(who: Reviewer, db: Data<Db>, id: Path<PoolId>, command: Command<Empty>) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "close_pool", id.into_inner(), load, |tx, id, expected, _| {
            pools::close(tx, id, expected).map(PoolView::from)
        })
        .await
}

/// A part of a key, as people write and read it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyPart {
    /// By what: `equal`, `turnover`, `usage`, `days_present`, `fixed_shares` or `seats`.
    basis: PoolBasis,
    /// Its share of the whole: `"1"`, or two that sum to it, such as `"0.4"` and `"0.6"`.
    #[schema(max_length = 16, pattern = r"^\d(\.\d{1,6})?$", example = "1")]
    share: String,
}

/// A fixed weight of an activity.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FixedShare {
    /// The activity.
    activity_id: ActivityId,
    /// A decimal of at most four decimals, above zero.
    #[schema(max_length = 20, pattern = r"^\d{1,9}(\.\d{1,4})?$", example = "2.5")]
    weight: String,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddKey {
    /// Made by the sender.
    id: Uuid,
    /// The first day it counts for: a run takes the key of the last day of its period.
    valid_from: NaiveDate,
    /// The decision that makes it.
    #[schema(max_length = 500)]
    decision: String,
    /// One basis for the whole; or two, each divided and rounded by itself.
    #[schema(min_items = 1, max_items = 2)]
    parts: Vec<KeyPart>,
    /// The weights of `fixed_shares`.
    #[serde(default)]
    shares: Vec<FixedShare>,
}

/// A dated version of a key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    /// Its id.
    pub id: Uuid,
    /// Its pool.
    pub pool_id: PoolId,
    /// The how manieth, from 1.
    pub version_number: i32,
    /// The first day it counts for.
    pub valid_from: NaiveDate,
    /// The decision that made it.
    pub decision: String,
    parts: Vec<KeyPart>,
    shares: Vec<FixedShare>,
    /// Who wrote it down.
    pub created_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<Key> for KeyView {
    fn from(key: Key) -> Self {
        Self {
            id: key.row.id,
            pool_id: key.row.pool_id,
            version_number: key.row.version_number,
            valid_from: key.row.valid_from,
            decision: key.row.decision,
            parts: key
                .parts
                .into_iter()
                .map(|part| KeyPart { basis: part.basis, share: Ppm(part.share_ppm).to_fraction() })
                .collect(),
            shares: key
                .shares
                .into_iter()
                .map(|share| FixedShare {
                    activity_id: share.activity_id,
                    weight: pools::shown(rust_decimal::Decimal::new(share.weight, 4)),
                })
                .collect(),
            created_by: key.row.created_by,
            created_at: key.row.created_at,
        }
    }
}

/// Adds a version of the key of a pool; days that a run has divided keep theirs.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), request_body = AddKey,
    responses((status = 201, body = KeyView)), extensions(("x-roles" = json!(["reviewer", "administrator"]))))]
#[post("/v1/pools/{id}/keys")]
async fn add_pool_key(
    who: crate::access::ReviewerOrAdministrator,
    db: Data<Db>,
    id: Path<PoolId>,
    command: Command<AddKey>,
) -> Result<HttpResponse> {
    let pool = id.into_inner();
    command
        .create(&db, who.into(), "add_pool_key", &format!("/v1/pools/{pool}/keys"), move |tx, body| {
            let new = NewKey {
                valid_from: body.valid_from,
                decision: body.decision,
                parts: body.parts.into_iter().map(|part| (part.basis, part.share)).collect(),
                shares: body.shares.into_iter().map(|share| (share.activity_id, share.weight)).collect(),
            };
            pools::add_key(tx, body.id, pool, &new).map(KeyView::from)
        })
        .await
}

/// Lists the keys of a pool, newest first.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), responses((status = 200, body = Vec<KeyView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pools/{id}/keys")]
async fn list_pool_keys(who: MemberOrDesk, db: Data<Db>, id: Path<PoolId>) -> Result<Json<Vec<KeyView>>> {
    let id = id.into_inner();
    let keys = db.write(who.into(), move |tx| pools::keys(tx, id)).await?;
    Ok(Json(keys.into_iter().map(KeyView::from).collect()))
}

/// A cost in the account of a pool.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolCostView {
    /// The cost.
    pub id: CostId,
    /// Who charged it.
    pub supplier: String,
    /// The supplier's number for it.
    pub reference: String,
    /// The date of the supplier's invoice.
    pub invoiced_on: NaiveDate,
    /// What it was for.
    pub description: String,
    /// What the pool bears: without the VAT that the state gives back.
    pub charged: Money,
    /// What its supplier took back of that.
    pub credited: Money,
    /// When the supplier was paid.
    pub paid_on: Option<NaiveDate>,
}

impl PoolCostView {
    fn new(row: CostRow) -> Result<Self> {
        let credited = row.charged_minor.minus(row.borne()?)?;
        Ok(Self {
            id: row.id,
            credited: Money { amount_minor: credited, currency: row.currency },
            invoiced_on: row.invoiced_on,
            charged: Money { amount_minor: row.charged_minor, currency: row.currency },
            paid_on: row.paid_on,
            supplier: row.supplier,
            reference: row.reference,
            description: row.description,
        })
    }
}

/// Where the money of a pool stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountView {
    /// The pool.
    pub pool: PoolView,
    /// What its costs come to.
    pub spent: Money,
    /// What its runs charged, less what they gave back.
    pub collected: Money,
    /// `collected` less `spent`: positive when too much was collected so far.
    pub balance: Money,
    /// Its approved costs, oldest first.
    pub costs: Vec<PoolCostView>,
}

impl AccountView {
    fn new(account: Account) -> Result<Self> {
        let currency = account.pool.currency;
        let money = |amount_minor: Minor| Money { amount_minor, currency };
        Ok(Self {
            spent: money(account.spent),
            collected: money(account.collected),
            balance: money(account.balance),
            costs: account.costs.into_iter().map(PoolCostView::new).collect::<Result<_>>()?,
            pool: account.pool.into(),
        })
    }
}

/// Shows the whole account of a pool to whoever is or was in it, and to the office.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path)), responses((status = 200, body = AccountView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pools/{id}/account")]
async fn show_pool_account(who: MemberOrDesk, db: Data<Db>, id: Path<PoolId>) -> Result<Json<AccountView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| AccountView::new(pools::account(tx, id)?)).await?))
}

/// What an activity bears of a pool.
#[derive(Debug, Serialize, ToSchema)]
pub struct BorneView {
    /// The activity.
    pub activity_id: ActivityId,
    /// How its member calls it.
    pub activity_name: Option<String>,
    /// Its member.
    pub member_name: Option<String>,
    /// All its parts together.
    pub amount: Money,
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct BorneQuery {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists what each activity bears of a pool, by activity, for whoever is or was in it, and for the office.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path), BorneQuery), responses((status = 200, body = Page<BorneView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pools/{id}/account/activities")]
async fn list_pool_account_activities(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<PoolId>,
    query: QueryOf<BorneQuery>,
) -> Result<Json<Page<BorneView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let listing = Listing::new(&keys, who.person(), "pool_borne", &id, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let currency = pools::pool(tx, id)?.currency;
            let rows = pools::borne(tx, id, listing.after, listing.fetch)?;
            let activities: Vec<ActivityId> = rows.iter().map(|(activity, _)| *activity).collect();
            let names = pools::names(tx, id, &activities)?;
            Ok(listing.page(
                rows,
                |(activity, _)| activity.0,
                |(activity, amount_minor)| BorneView {
                    activity_id: activity,
                    activity_name: names.get(&activity).map(|name| name.activity_name.clone()),
                    member_name: names.get(&activity).map(|name| name.member_name.clone()),
                    amount: Money { amount_minor, currency },
                },
            ))
        })
        .await?;
    Ok(Json(page))
}
