//! The counter for payout plans and cut-offs.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::store::{CutOffRow, PlanRow, RunRow, VersionRow};
use super::{NewCutOff, NewPlan, PlanState, RunOutcome, TypedSmoothing, TypedTerms, Whole};
use crate::access::{Administrator, Member, MemberOrDesk};
use crate::kernel::ids::{ActivityId, CutOffId, EntityId, PayoutId, PayoutPlanId, PersonId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::payout_plans::{Expected, OnClosed, Outcome, PlanKind};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

mod forecasts;

use forecasts::{
    __path_forecast_activity, __path_forecast_invoice, __path_forecast_member, __path_show_forecast_accuracy,
    forecast_activity, forecast_invoice, forecast_member, show_forecast_accuracy,
};

crate::endpoints!(
    choose_payout_plan,
    list_payout_plans,
    show_payout_plan,
    list_payout_plan_runs,
    change_payout_plan,
    pause_payout_plan,
    resume_payout_plan,
    preview_payout_plan,
    set_payout_cut_off,
    list_payout_cut_offs,
    forecast_invoice,
    forecast_member,
    forecast_activity,
    show_forecast_accuracy,
);

/// The same pay each time although the income is not the same.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SmoothingBody {
    /// Asked for on each date while the money lasts: of the activity's money, all that the pay costs.
    amount: Money,
    /// Less than this is never paid; a date on which less is there is passed over, with its reason.
    floor: Money,
    /// So many days ahead confirmed orders and pending invoices are looked at: when they and what is there do not last
    /// for all dates within, each gets the same share.
    #[schema(minimum = 7, maximum = 366)]
    horizon_days: u32,
}

/// When a plan pays, and how much.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TermsBody {
    /// `on_demand`, `weekly`, `monthly`, `tenth_of_next_month`, `month_end` or `after_work`.
    kind: PlanKind,
    /// For `weekly` the day, Monday is 1; for `monthly` 1 to 31, the last day in shorter months; for `after_work`
    /// working days after the last day of work on an invoice, 0 to 60; else absent.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 60)]
    count: Option<i32>,
    /// Where banks are closed on the date: the open day `before` or `after` it.
    on_closed: OnClosed,
    /// Less than this is left where it is.
    #[serde(default)]
    minimum: Option<Money>,
    /// The same pay each time; without it all that is there.
    #[serde(default)]
    smoothing: Option<SmoothingBody>,
    /// From this day on. A new plan holds from today, a changed one from tomorrow, when it is left out.
    #[serde(default)]
    valid_from: Option<NaiveDate>,
}

impl TermsBody {
    fn typed(&self) -> TypedTerms {
        TypedTerms {
            kind: self.kind,
            count: self.count,
            on_closed: self.on_closed,
            minimum: self.minimum,
            smoothing: self.smoothing.map(|it| TypedSmoothing {
                amount: it.amount,
                floor: it.floor,
                horizon_days: it.horizon_days,
            }),
        }
    }
}

/// A plan for an activity.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanBody {
    /// Made by the sender.
    id: PayoutPlanId,
    /// For which activity: one plan for each.
    activity_id: ActivityId,
    /// When and how much.
    terms: TermsBody,
}

/// A version of a plan.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanVersionView {
    /// Its number: on each day the newest one that has begun holds.
    n: i32,
    /// From this day on.
    valid_from: NaiveDate,
    /// What its days follow.
    kind: PlanKind,
    /// The day of the week or of the month, or working days after work.
    count: Option<i32>,
    /// What happens when banks are closed.
    on_closed: OnClosed,
    /// Less than this is left where it is.
    minimum: Money,
    /// The same pay each time.
    #[schema(inline)]
    smoothing: Option<SmoothingBody>,
    /// When it was decided.
    created_at: DateTime<Utc>,
}

impl PlanVersionView {
    fn new(row: &VersionRow, currency: Currency) -> Self {
        let money = |amount_minor| Money { amount_minor, currency };
        let smoothing = row.pays().smoothing.map(|it| SmoothingBody {
            amount: money(it.amount),
            floor: money(it.floor),
            horizon_days: it.horizon_days,
        });
        Self {
            n: row.n,
            valid_from: row.valid_from,
            kind: row.kind,
            count: row.count,
            on_closed: row.on_closed,
            minimum: money(row.minimum_minor),
            smoothing,
            created_at: row.created_at,
        }
    }
}

/// When an activity pays out by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayoutPlanView {
    /// Its id.
    id: PayoutPlanId,
    /// Grows with every change, also when a date of it was worked.
    version: i32,
    /// `active` or `paused`.
    state: PlanState,
    /// Who pays.
    entity_id: EntityId,
    /// Who is paid.
    member_id: PersonId,
    /// From which activity.
    activity_id: ActivityId,
    /// Every logical date up to this day is decided.
    decided_through: NaiveDate,
    /// The next logical date; none on demand, and while work decides.
    next_on: Option<NaiveDate>,
    /// When its money is set aside.
    due_at: Option<DateTime<Utc>>,
    /// Its versions, in the order in which they were decided.
    versions: Vec<PlanVersionView>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<Whole> for PayoutPlanView {
    fn from((row, versions): Whole) -> Self {
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            entity_id: row.entity_id,
            member_id: row.member_id,
            activity_id: row.activity_id,
            decided_through: row.decided_through,
            next_on: row.next_on,
            due_at: row.due_at,
            versions: versions.iter().map(|version| PlanVersionView::new(version, row.currency)).collect(),
            created_at: row.created_at,
        }
    }
}

/// A plan in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayoutPlanSummary {
    /// Its id.
    id: PayoutPlanId,
    /// Grows with every change.
    version: i32,
    /// `active` or `paused`.
    state: PlanState,
    /// Who is paid.
    member_id: PersonId,
    /// From which activity.
    activity_id: ActivityId,
    /// The next logical date.
    next_on: Option<NaiveDate>,
    /// When its money is set aside.
    due_at: Option<DateTime<Utc>>,
}

impl From<PlanRow> for PayoutPlanSummary {
    fn from(row: PlanRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            member_id: row.member_id,
            activity_id: row.activity_id,
            next_on: row.next_on,
            due_at: row.due_at,
        }
    }
}

/// A logical date that has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayoutPlanRunView {
    /// The date that was chosen, whenever it was worked.
    logical_on: NaiveDate,
    /// The open day on which its money leaves.
    value_on: NaiveDate,
    /// `paid`, `nothing_available`, `below_minimum`, `below_floor`, `refused`, or `missed`: a later one made it up.
    outcome: RunOutcome,
    /// What was there.
    available: Option<Money>,
    /// What was asked for.
    amount: Option<Money>,
    /// The payout.
    payout_id: Option<PayoutId>,
    /// The code of what refused it.
    refused_by: Option<String>,
    /// When it was worked.
    created_at: DateTime<Utc>,
}

impl PayoutPlanRunView {
    fn new(row: RunRow, currency: Currency) -> Self {
        let money = |amount: Option<Minor>| amount.map(|amount_minor| Money { amount_minor, currency });
        Self {
            logical_on: row.logical_on,
            value_on: row.value_on,
            outcome: row.outcome,
            available: money(row.available_minor),
            amount: money(row.amount_minor),
            payout_id: row.payout_id,
            refused_by: row.refused_by,
            created_at: row.created_at,
        }
    }
}

fn load(tx: &mut Tx<'_>, id: PayoutPlanId) -> Result<PayoutPlanView> {
    super::find(tx, id).map(PayoutPlanView::from)
}

/// Chooses when an activity pays out by itself. What its dates pay is a payout like any other: a reviewer approves it.
#[utoipa::path(tag = "payout plans", request_body = PlanBody, responses((status = 201, body = PayoutPlanView)),
    extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/payout_plans")]
async fn choose_payout_plan(who: Member, db: Data<Db>, command: Command<PlanBody>) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "choose_payout_plan", "/v1/payout_plans", |tx, body| {
            let (valid_from, terms) = (body.terms.valid_from, body.terms.typed());
            let new = NewPlan { id: body.id, activity: body.activity_id, valid_from, terms };
            super::choose(tx, &new).map(PayoutPlanView::from)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PlanPage {
    /// Only of this activity.
    activity_id: Option<ActivityId>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists payout plans, newest first.
#[utoipa::path(tag = "payout plans", params(PlanPage), responses((status = 200, body = Page<PayoutPlanSummary>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payout_plans")]
async fn list_payout_plans(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<PlanPage>,
) -> Result<Json<Page<PayoutPlanSummary>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "payout_plans", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, query.activity_id, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, PayoutPlanSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a payout plan with its versions.
#[utoipa::path(tag = "payout plans", params(("id" = PayoutPlanId, Path)), responses((status = 200, body = PayoutPlanView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payout_plans/{id}")]
async fn show_payout_plan(who: MemberOrDesk, db: Data<Db>, id: Path<PayoutPlanId>) -> Result<Json<PayoutPlanView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PlanRunsBefore {
    /// Only dates before this one: the last of the page before.
    before: Option<NaiveDate>,
    /// Rows, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists the dates of a plan that have come, newest first, with what each came to.
#[utoipa::path(tag = "payout plans", params(("id" = PayoutPlanId, Path), PlanRunsBefore),
    responses((status = 200, body = Vec<PayoutPlanRunView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payout_plans/{id}/runs")]
async fn list_payout_plan_runs(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<PayoutPlanId>,
    query: QueryOf<PlanRunsBefore>,
) -> Result<Json<Vec<PayoutPlanRunView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    let (rows, currency) = db
        .write(who.into(), move |tx| {
            let currency = super::find(tx, id)?.0.currency;
            Ok((super::runs(tx, id, query.before, limit)?, currency))
        })
        .await?;
    Ok(Json(rows.into_iter().map(|row| PayoutPlanRunView::new(row, currency)).collect()))
}

/// Changes a plan from a day on that has not come.
#[utoipa::path(tag = "payout plans", params(("id" = PayoutPlanId, Path)), request_body = TermsBody,
    responses((status = 200, body = PayoutPlanView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/payout_plans/{id}/change")]
async fn change_payout_plan(
    who: Member,
    db: Data<Db>,
    id: Path<PayoutPlanId>,
    command: Command<TermsBody>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "change_payout_plan", id.into_inner(), load, |tx, id, expected, body| {
            super::change(tx, id, expected, body.valid_from, &body.typed()).map(PayoutPlanView::from)
        })
        .await
}

/// Lets a plan rest; dates that come meanwhile are not made up.
#[utoipa::path(tag = "payout plans", params(("id" = PayoutPlanId, Path)), request_body = Empty,
    responses((status = 200, body = PayoutPlanView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/payout_plans/{id}/pause")]
async fn pause_payout_plan(
    who: Member,
    db: Data<Db>,
    id: Path<PayoutPlanId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "pause_payout_plan", id.into_inner(), load, |tx, id, expected, _| {
            super::pause(tx, id, expected).map(PayoutPlanView::from)
        })
        .await
}

/// Lets a plan go on with its next date.
#[utoipa::path(tag = "payout plans", params(("id" = PayoutPlanId, Path)), request_body = Empty,
    responses((status = 200, body = PayoutPlanView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/payout_plans/{id}/resume")]
async fn resume_payout_plan(
    who: Member,
    db: Data<Db>,
    id: Path<PayoutPlanId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "resume_payout_plan", id.into_inner(), load, |tx, id, expected, _| {
            super::resume(tx, id, expected).map(PayoutPlanView::from)
        })
        .await
}

/// A date that would come, with what it is expected to come to.
#[derive(Debug, Serialize, ToSchema)]
struct ExpectedDateView {
    /// The date that was chosen.
    logical_on: NaiveDate,
    /// The open day on which its money leaves.
    value_on: NaiveDate,
    /// When its money is set aside.
    due_at: DateTime<Utc>,
    /// What is expected to be there.
    available: Money,
    /// What is expected to be paid; nothing when it is passed over.
    amount: Money,
    /// Why it would be passed over: `nothing_available`, `below_minimum` or `below_floor`.
    #[schema(inline)]
    skipped: Option<RunOutcome>,
}

impl ExpectedDateView {
    fn new(it: &Expected, currency: Currency) -> Self {
        let money = |amount_minor| Money { amount_minor, currency };
        let (amount, skipped) = match it.outcome {
            Outcome::Pay(amount) => (amount, None),
            Outcome::Nothing(why) => (Minor::ZERO, Some(RunOutcome::from(why))),
        };
        Self {
            logical_on: it.planned.logical_on,
            value_on: it.planned.value_on,
            due_at: it.planned.due_at,
            available: money(it.available),
            amount: money(amount),
            skipped,
        }
    }
}

/// What a plan would come to.
#[derive(Debug, Serialize, ToSchema)]
struct PlanPreviewView {
    /// The next twelve dates, rising; fewer where work decides, none on demand.
    dates: Vec<ExpectedDateView>,
}

/// Tries a plan on an activity: its next twelve dates and what each is expected to come to. Nothing is kept.
#[utoipa::path(tag = "payout plans", params(("id" = ActivityId, Path)), request_body = TermsBody,
    responses((status = 200, body = PlanPreviewView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[post("/v1/activities/{id}/payout_plan/preview")]
async fn preview_payout_plan(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<ActivityId>,
    command: Command<TermsBody>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .run(&db, who.into(), "preview_payout_plan", move |tx, body| {
            let it = super::preview(tx, id, body.valid_from, &body.typed())?;
            Ok(PlanPreviewView {
                dates: it.dates.iter().map(|date| ExpectedDateView::new(date, it.currency)).collect(),
            })
        })
        .await
}

/// Until when money must be set aside.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CutOffBody {
    /// Made by the sender.
    id: CutOffId,
    /// For money that leaves from this day on; not in the past.
    valid_from: NaiveDate,
    /// So many bank days before it leaves.
    #[schema(minimum = 0, maximum = 10)]
    days_before: i32,
    /// At this time of day in the zone of the entity, to the minute.
    #[schema(max_length = 5, example = "14:30")]
    at: String,
    /// Why.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Until when money must be set aside, from a day on.
#[derive(Debug, Serialize, ToSchema)]
pub struct CutOffView {
    /// Its id.
    id: CutOffId,
    /// Whose.
    entity_id: EntityId,
    /// For money that leaves from this day on.
    valid_from: NaiveDate,
    /// So many bank days before it leaves.
    days_before: i32,
    /// At this time of day in the zone of the entity.
    at: String,
    /// Why.
    reason: String,
    /// Who decided.
    decided_by: PersonId,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<CutOffRow> for CutOffView {
    fn from(row: CutOffRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            valid_from: row.valid_from,
            days_before: row.days_before,
            at: format!("{:02}:{:02}", row.minute_of_day.div_euclid(60), row.minute_of_day.rem_euclid(60)),
            reason: row.reason,
            decided_by: row.decided_by,
            created_at: row.created_at,
        }
    }
}

/// Says until when money that leaves on a day must be set aside: a time of day, so many bank days before.
#[utoipa::path(tag = "payout plans", params(("id" = EntityId, Path)), request_body = CutOffBody,
    responses((status = 201, body = CutOffView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/payout_cut_offs")]
async fn set_payout_cut_off(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<CutOffBody>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    let place = format!("/v1/entities/{entity}/payout_cut_offs");
    command
        .create(&db, who.into(), "set_payout_cut_off", &place, move |tx, body| {
            let at = NaiveTime::parse_from_str(&body.at, "%H:%M").map_err(|_typed| Error::field("/at", "invalid"))?;
            let (id, valid_from, days_before) = (body.id, body.valid_from, body.days_before);
            let new = NewCutOff { id, entity, valid_from, days_before, at, reason: body.reason };
            super::set_cut_off(tx, &new).map(CutOffView::from)
        })
        .await
}

/// Lists the cut-offs of an entity, newest first.
#[utoipa::path(tag = "payout plans", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<CutOffView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/payout_cut_offs")]
async fn list_payout_cut_offs(who: MemberOrDesk, db: Data<Db>, id: Path<EntityId>) -> Result<Json<Vec<CutOffView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| super::cut_offs(tx, id)).await?;
    Ok(Json(rows.into_iter().map(CutOffView::from).collect()))
}
