//! The counter for holds and limits.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{BatchDesk, Desk, MemberOrDesk, RiskDesk};
use crate::kernel::ids::{EntityId, PayeeAccountId, PayoutHoldId, PayoutId, PayoutLimitId, PersonId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};
use crate::risk::{self, HoldFilter, HoldOn, HoldRow, LimitKind, LimitRow, NewLimit};

crate::endpoints!(
    hold_member_payouts,
    hold_account_payouts,
    list_payout_holds,
    show_payout_hold,
    lift_payout_hold,
    decide_payout_limit,
    confirm_payout_limit,
    list_payout_limits,
);

/// A stop to payouts.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayoutHoldView {
    /// Its id.
    pub id: PayoutHoldId,
    /// Grows with every change.
    pub version: i32,
    /// The one payout that waits.
    pub payout_id: Option<PayoutId>,
    /// The member all of whose payouts wait.
    pub held_member_id: Option<PersonId>,
    /// The account to which nothing goes.
    pub account_id: Option<PayeeAccountId>,
    /// Whose money waits.
    pub member_id: PersonId,
    /// Why, in plain words.
    pub reason: String,
    /// Who placed it.
    pub placed_by: PersonId,
    /// When.
    pub placed_at: DateTime<Utc>,
    /// Who lifted it: always another person.
    pub lifted_by: Option<PersonId>,
    /// When.
    pub lifted_at: Option<DateTime<Utc>>,
    /// Why.
    pub lift_reason: Option<String>,
}

impl From<HoldRow> for PayoutHoldView {
    fn from(row: HoldRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            payout_id: row.payout_id,
            held_member_id: row.held_member_id,
            account_id: row.account_id,
            member_id: row.member_id,
            reason: row.reason,
            placed_by: row.placed_by,
            placed_at: row.placed_at,
            lifted_by: row.lifted_by,
            lifted_at: row.lifted_at,
            lift_reason: row.lift_reason,
        }
    }
}

/// Lets payouts wait.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceHold {
    /// Made by the sender.
    pub id: PayoutHoldId,
    /// Why, in plain words: the member reads it.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// Lets all payouts of a member wait.
#[utoipa::path(tag = "risk", params(("id" = PersonId, Path)), request_body = PlaceHold,
    responses((status = 201, body = PayoutHoldView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/members/{id}/hold_payouts")]
async fn hold_member_payouts(
    who: BatchDesk,
    db: Data<Db>,
    id: Path<PersonId>,
    command: Command<PlaceHold>,
) -> Result<HttpResponse> {
    let member = id.into_inner();
    command
        .create(&db, who.into(), "hold_member_payouts", "/v1/payout_holds", move |tx, body| {
            risk::place_hold(tx, body.id, HoldOn::Member(member), &body.reason).map(PayoutHoldView::from)
        })
        .await
}

/// Lets all payouts to an account wait, whoever's they are.
#[utoipa::path(tag = "risk", params(("id" = PayeeAccountId, Path)), request_body = PlaceHold,
    responses((status = 201, body = PayoutHoldView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/payee_accounts/{id}/hold_payouts")]
async fn hold_account_payouts(
    who: BatchDesk,
    db: Data<Db>,
    id: Path<PayeeAccountId>,
    command: Command<PlaceHold>,
) -> Result<HttpResponse> {
    let account = id.into_inner();
    command
        .create(&db, who.into(), "hold_account_payouts", "/v1/payout_holds", move |tx, body| {
            risk::place_hold(tx, body.id, HoldOn::Account(account), &body.reason).map(PayoutHoldView::from)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct HoldQuery {
    /// Only of this member.
    member_id: Option<PersonId>,
    /// Only those that hold, or were lifted.
    active: Option<bool>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists holds, newest first: about you, or all of them for the office.
#[utoipa::path(tag = "risk", params(HoldQuery), responses((status = 200, body = Page<PayoutHoldView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payout_holds")]
async fn list_payout_holds(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<HoldQuery>,
) -> Result<Json<Page<PayoutHoldView>>> {
    let query = query.0;
    let filter = HoldFilter { member_id: query.member_id, active: query.active };
    let listing = Listing::new(&keys, who.person(), "payout_holds", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = risk::holds(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, PayoutHoldView::from))
        })
        .await?;
    Ok(Json(page))
}

fn load(tx: &mut Tx<'_>, id: PayoutHoldId) -> Result<PayoutHoldView> {
    risk::hold(tx, id).map(PayoutHoldView::from)
}

/// Shows a hold.
#[utoipa::path(tag = "risk", params(("id" = PayoutHoldId, Path)), responses((status = 200, body = PayoutHoldView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payout_holds/{id}")]
async fn show_payout_hold(who: MemberOrDesk, db: Data<Db>, id: Path<PayoutHoldId>) -> Result<Json<PayoutHoldView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LiftHold {
    /// Why it goes on: the member reads it.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// Lets payouts go on, as another person than who stopped them.
#[utoipa::path(tag = "risk", params(("id" = PayoutHoldId, Path)), request_body = LiftHold,
    responses((status = 200, body = PayoutHoldView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/payout_holds/{id}/lift")]
async fn lift_payout_hold(
    who: BatchDesk,
    db: Data<Db>,
    id: Path<PayoutHoldId>,
    command: Command<LiftHold>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "lift_payout_hold", id.into_inner(), load, |tx, id, expected, body| {
            risk::lift(tx, id, expected, &body.reason).map(PayoutHoldView::from)
        })
        .await
}

/// How much may be paid out, from a day on.
#[derive(Debug, Serialize, ToSchema)]
struct PayoutLimitView {
    /// Its id.
    id: PayoutLimitId,
    /// Grows with every change.
    version: i32,
    /// Of which entity.
    entity_id: EntityId,
    /// `payout`, `member_day`, `member_30_days`, `entity_day`, `entity_30_days` or `approver_day`.
    kind: LimitKind,
    /// Of this person alone; absent for everybody.
    person_id: Option<PersonId>,
    /// How much; absent for no limit.
    amount: Option<Money>,
    /// Whether it holds from its day on: one that allows more waits for a second person.
    in_force: bool,
    /// From this day on.
    valid_from: NaiveDate,
    /// Why.
    reason: String,
    /// Who decided.
    decided_by: PersonId,
    /// Who confirmed it.
    confirmed_by: Option<PersonId>,
}

impl From<LimitRow> for PayoutLimitView {
    fn from(row: LimitRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            entity_id: row.entity_id,
            kind: row.kind,
            person_id: row.person_id,
            amount: row.amount_minor.map(|amount_minor| Money { amount_minor, currency: row.currency }),
            in_force: !row.is_looser || row.confirmed_by.is_some(),
            valid_from: row.valid_from,
            reason: row.reason,
            decided_by: row.decided_by,
            confirmed_by: row.confirmed_by,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecideLimit {
    /// Made by the sender.
    id: PayoutLimitId,
    /// Of which entity.
    entity_id: EntityId,
    /// What is limited.
    kind: LimitKind,
    /// Of this person alone.
    #[serde(default)]
    person_id: Option<PersonId>,
    /// How much, in minor units; absent for no limit.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    amount_minor: Option<Minor>,
    /// Its currency.
    #[schema(value_type = String, example = "EUR", pattern = "^[A-Z]{3}$")]
    currency: Currency,
    /// From this day on, today at the earliest.
    valid_from: NaiveDate,
    /// Why.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// Decides how much may be paid out from a day on. What allows more than before waits for a second person.
#[utoipa::path(tag = "risk", request_body = DecideLimit, responses((status = 201, body = PayoutLimitView)),
    extensions(("x-roles" = json!(["payout_approver", "administrator"]))))]
#[post("/v1/payout_limits")]
async fn decide_payout_limit(who: RiskDesk, db: Data<Db>, command: Command<DecideLimit>) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "decide_payout_limit", "/v1/payout_limits", |tx, body| {
            let new = NewLimit {
                id: body.id,
                entity: body.entity_id,
                kind: body.kind,
                person: body.person_id,
                amount: body.amount_minor,
                currency: body.currency,
                valid_from: body.valid_from,
                reason: body.reason,
            };
            risk::decide_limit(tx, &new).map(PayoutLimitView::from)
        })
        .await
}

/// Confirms a limit that allows more, as another person than who decided.
#[utoipa::path(tag = "risk", params(("id" = PayoutLimitId, Path)), request_body = Empty,
    responses((status = 200, body = PayoutLimitView)), extensions(("x-roles" = json!(["payout_approver", "administrator"]))))]
#[post("/v1/payout_limits/{id}/confirm")]
async fn confirm_payout_limit(
    who: RiskDesk,
    db: Data<Db>,
    id: Path<PayoutLimitId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    let expected = command.expected()?;
    command
        .run(&db, who.into(), "confirm_payout_limit", move |tx, _| {
            risk::confirm_limit(tx, id, expected).map(PayoutLimitView::from)
        })
        .await
}

/// Shows every limit of an entity, newest day first.
#[utoipa::path(tag = "risk", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<PayoutLimitView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/payout_limits")]
async fn list_payout_limits(who: Desk, db: Data<Db>, id: Path<EntityId>) -> Result<Json<Vec<PayoutLimitView>>> {
    let entity = id.into_inner();
    let rows = db.write(who.into(), move |tx| risk::limits(tx, entity)).await?;
    Ok(Json(rows.into_iter().map(PayoutLimitView::from).collect()))
}
