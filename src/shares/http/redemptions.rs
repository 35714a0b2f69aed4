//! Shares that are given back: notices, decisions, and the policies behind them.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::register::NetAssetsView;
use crate::access::{Administrator, Approver, Desk, Member, MemberOrDesk, SignedIn};
use crate::kernel::ids::{EntityId, PersonId, RedemptionId, RedemptionPolicyId, RedemptionRunId, ShareId};
use crate::kernel::money::{Minor, Money, Ppm};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};
use crate::shares::{
    self, NewPolicy, NewRun, PolicyRow, RedemptionFilter, RedemptionRow, RedemptionState, Run, RunRow,
};

crate::endpoints!(
    give_share_notice,
    withdraw_share_notice,
    list_redemptions,
    show_redemption,
    create_redemption_run,
    list_redemption_runs,
    show_redemption_run,
    create_redemption_policy,
    list_redemption_policies,
);

/// A share that its member gives back.
#[derive(Debug, Serialize, ToSchema)]
pub struct RedemptionView {
    /// Its id.
    pub id: RedemptionId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// Whose.
    pub member_id: PersonId,
    /// What.
    pub share_id: ShareId,
    /// Where it stands.
    pub state: RedemptionState,
    /// When notice was given.
    pub noticed_on: NaiveDate,
    /// The first closing at which it counts.
    pub due_on: NaiveDate,
    /// How many shares.
    pub quantity: i32,
    /// What one cost.
    pub nominal: Money,
    /// What is given back for all of them, once that is decided.
    pub amount: Option<Money>,
    /// The decision.
    pub run_id: Option<RedemptionRunId>,
    /// When it was made.
    pub decided_on: Option<NaiveDate>,
    /// When it was paid.
    pub paid_on: Option<NaiveDate>,
    /// When the notice was taken back.
    pub withdrawn_on: Option<NaiveDate>,
    /// Grows with every change.
    pub version: i32,
}

impl From<RedemptionRow> for RedemptionView {
    fn from(row: RedemptionRow) -> Self {
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        Self {
            id: row.id,
            entity_id: row.entity_id,
            member_id: row.member_id,
            share_id: row.share_id,
            state: row.state,
            noticed_on: row.noticed_on,
            due_on: row.due_on,
            quantity: row.quantity,
            nominal: money(row.nominal_minor),
            amount: row.amount_minor.map(money),
            run_id: row.run_id,
            decided_on: row.decided_on,
            paid_on: row.paid_on,
            withdrawn_on: row.withdrawn_on,
            version: row.version,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GiveNotice {
    /// Made by the sender.
    id: RedemptionId,
    /// How many of the shares; without it, all that are held.
    #[schema(minimum = 1, maximum = 1000)]
    quantity: Option<i32>,
}

/// Gives shares of yours back: some of a certificate, or all of them. The notice has the date of today.
#[utoipa::path(tag = "shares", params(("id" = ShareId, Path)), request_body = GiveNotice,
    responses((status = 201, body = RedemptionView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/shares/{id}/redemptions")]
async fn give_share_notice(
    who: Member,
    db: Data<Db>,
    id: Path<ShareId>,
    command: Command<GiveNotice>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .about_money()
        .create(&db, who.into(), "give_share_notice", "/v1/redemptions", move |tx, body| {
            shares::give_notice(tx, id, body.id, body.quantity).map(RedemptionView::from)
        })
        .await
}

fn load(tx: &mut Tx<'_>, id: RedemptionId) -> Result<RedemptionView> {
    shares::redemption(tx, id).map(RedemptionView::from)
}

/// Takes a notice of yours back, until the closing at which it counts. The shares stay yours.
#[utoipa::path(tag = "shares", params(("id" = RedemptionId, Path)), request_body = Empty,
    responses((status = 200, body = RedemptionView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/redemptions/{id}/withdraw")]
async fn withdraw_share_notice(
    who: Member,
    db: Data<Db>,
    id: Path<RedemptionId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .about_money()
        .change(&db, who.into(), "withdraw_share_notice", id, load, |tx, id, expected, _| {
            shares::withdraw(tx, id, expected).map(RedemptionView::from)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RedemptionQuery {
    /// Of one entity.
    entity_id: Option<EntityId>,
    /// Those in one state.
    #[param(inline)]
    state: Option<RedemptionState>,
    /// Of one decision.
    run_id: Option<RedemptionRunId>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists shares that are given back, newest first: your own, or all of them for the office.
#[utoipa::path(tag = "shares", params(RedemptionQuery), responses((status = 200, body = Page<RedemptionView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/redemptions")]
async fn list_redemptions(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<RedemptionQuery>,
) -> Result<Json<Page<RedemptionView>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "redemptions", &query, query.limit, query.cursor.as_deref())?;
    let filter = RedemptionFilter { entity: query.entity_id, state: query.state, run: query.run_id };
    let page = db
        .write(who.into(), move |tx| {
            let rows = shares::redemptions(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, RedemptionView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a share that is given back.
#[utoipa::path(tag = "shares", params(("id" = RedemptionId, Path)), responses((status = 200, body = RedemptionView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/redemptions/{id}")]
async fn show_redemption(who: MemberOrDesk, db: Data<Db>, id: Path<RedemptionId>) -> Result<Json<RedemptionView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| shares::redemption(tx, id).map(RedemptionView::from)).await?))
}

/// A decision about what is given back at a closing.
#[derive(Debug, Serialize, ToSchema)]
pub struct RedemptionRunView {
    /// Its id.
    pub id: RedemptionRunId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// The closing.
    pub closing_on: NaiveDate,
    /// What one share was worth at the closing, and from what that was computed.
    pub net_assets: NetAssetsView,
    /// What is given back at one closing, at most.
    pub ceiling: Option<Money>,
    /// What this decision gives back.
    pub redeemed: Money,
    /// Who decided.
    pub decided_by: PersonId,
    /// When.
    pub decided_on: NaiveDate,
}

impl From<RunRow> for RedemptionRunView {
    fn from(row: RunRow) -> Self {
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        Self {
            id: row.id,
            entity_id: row.entity_id,
            closing_on: row.closing_on,
            net_assets: NetAssetsView {
                share_capital: money(row.capital_minor),
                retained_surplus: money(row.retained_minor),
                result: money(row.result_minor),
                share_count: row.share_count,
                per_share: money(row.value_minor),
            },
            ceiling: row.ceiling_minor.map(money),
            redeemed: money(row.redeemed_minor),
            decided_by: row.decided_by,
            decided_on: row.decided_on,
        }
    }
}

/// A decision with what it gives back.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeRedemptionRunView {
    /// The decision.
    #[serde(flatten)]
    pub run: RedemptionRunView,
    /// What it gives back, in the order of the notices.
    pub redemptions: Vec<RedemptionView>,
    /// How many notices count at its closing and still wait for the ceiling of a later one.
    pub still_waiting: i64,
}

impl From<Run> for WholeRedemptionRunView {
    fn from(it: Run) -> Self {
        Self {
            run: it.row.into(),
            redemptions: it.redemptions.into_iter().map(RedemptionView::from).collect(),
            still_waiting: it.still_waiting,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateRedemptionRun {
    /// Made by the sender.
    id: RedemptionRunId,
    /// Of which entity.
    entity_id: EntityId,
    /// At the closing of which year.
    #[schema(minimum = 2000, maximum = 2999)]
    year: i32,
}

/// Decides what is given back at the closing of a year: first come, first served, as far as the ceiling goes.
#[utoipa::path(tag = "shares", params(("dry_run" = Option<bool>, Query, description = "Show what would happen; nothing is kept")),
    request_body = CreateRedemptionRun, responses((status = 201, body = WholeRedemptionRunView)),
    extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/redemption_runs")]
async fn create_redemption_run(
    who: Approver,
    db: Data<Db>,
    command: Command<CreateRedemptionRun>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "create_redemption_run", "/v1/redemption_runs", |tx, body| {
            let new = NewRun { id: body.id, entity: body.entity_id, year: body.year };
            shares::decide(tx, new).map(WholeRedemptionRunView::from)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RunQuery {
    /// Of one entity.
    entity_id: Option<EntityId>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists decisions about shares that are given back, newest first.
#[utoipa::path(tag = "shares", params(RunQuery), responses((status = 200, body = Page<RedemptionRunView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/redemption_runs")]
async fn list_redemption_runs(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<RunQuery>,
) -> Result<Json<Page<RedemptionRunView>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "redemption_runs", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = shares::runs(tx, query.entity_id, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, RedemptionRunView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a decision with what it gives back.
#[utoipa::path(tag = "shares", params(("id" = RedemptionRunId, Path)),
    responses((status = 200, body = WholeRedemptionRunView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/redemption_runs/{id}")]
async fn show_redemption_run(
    who: Desk,
    db: Data<Db>,
    id: Path<RedemptionRunId>,
) -> Result<Json<WholeRedemptionRunView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| shares::run(tx, id).map(WholeRedemptionRunView::from)).await?))
}

/// How shares are given back, from a day on.
#[derive(Debug, Serialize, ToSchema)]
pub struct RedemptionPolicyView {
    /// Its id.
    pub id: RedemptionPolicyId,
    /// Whose.
    pub entity_id: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Months from the notice to the first closing that counts.
    pub notice_months: i32,
    /// Whether one more closing must pass.
    pub waits_a_closing: bool,
    /// What is given back at one closing, at most.
    pub ceiling: Option<Money>,
    /// The same as a part of the share capital.
    pub ceiling_rate: Option<String>,
    /// Who decided it, in words.
    pub decision: String,
    /// When it was decided.
    pub decided_on: NaiveDate,
}

impl From<PolicyRow> for RedemptionPolicyView {
    fn from(row: PolicyRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            valid_from: row.valid_from,
            notice_months: row.notice_months,
            waits_a_closing: row.waits_a_closing,
            ceiling: row.ceiling_minor.map(|amount_minor| Money { amount_minor, currency: row.currency }),
            ceiling_rate: row.ceiling_ppm.map(|ppm| Ppm(ppm).to_fraction()),
            decision: row.decision,
            decided_on: row.decided_on,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateRedemptionPolicy {
    /// Made by the sender.
    id: RedemptionPolicyId,
    /// From this day on.
    valid_from: NaiveDate,
    /// Months from the notice to the first closing that counts.
    #[schema(minimum = 0, maximum = 60)]
    notice_months: i32,
    /// Whether one more closing must pass.
    waits_a_closing: bool,
    /// What is given back at one closing, at most.
    ceiling: Option<Money>,
    /// The same as a part of the share capital, a decimal fraction; only one of the two.
    #[schema(max_length = 16, example = "0.1", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    ceiling_rate: Option<String>,
    /// Who decided it, in words.
    #[schema(min_length = 1, max_length = 500)]
    decision: String,
    /// When it was decided.
    decided_on: NaiveDate,
}

/// Adds a policy of giving shares back. It is never edited: a new decision is a new one.
#[utoipa::path(tag = "shares", params(("id" = EntityId, Path)), request_body = CreateRedemptionPolicy,
    responses((status = 201, body = RedemptionPolicyView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/redemption_policies")]
async fn create_redemption_policy(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<CreateRedemptionPolicy>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    let place = format!("/v1/entities/{entity}/redemption_policies");
    command
        .create(&db, who.into(), "create_redemption_policy", &place, move |tx, body| {
            let ceiling_rate = body
                .ceiling_rate
                .map(|text| Ppm::from_fraction(&text).ok_or_else(|| Error::field("/ceiling_rate", "out_of_range")))
                .transpose()?;
            let new = NewPolicy {
                id: body.id,
                entity,
                valid_from: body.valid_from,
                notice_months: body.notice_months,
                waits_a_closing: body.waits_a_closing,
                ceiling: body.ceiling,
                ceiling_rate,
                decision: body.decision,
                decided_on: body.decided_on,
            };
            shares::add_policy(tx, &new).map(RedemptionPolicyView::from)
        })
        .await
}

/// Lists the policies of giving shares back, newest first.
#[utoipa::path(tag = "shares", params(("id" = EntityId, Path)),
    responses((status = 200, body = Vec<RedemptionPolicyView>)), extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/entities/{id}/redemption_policies")]
async fn list_redemption_policies(
    who: SignedIn,
    db: Data<Db>,
    id: Path<EntityId>,
) -> Result<Json<Vec<RedemptionPolicyView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| shares::policies(tx, id)).await?;
    Ok(Json(rows.into_iter().map(RedemptionPolicyView::from).collect()))
}
