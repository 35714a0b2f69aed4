//! The counter for closed years and what is decided about their result.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Appropriation, AppropriationRow, AppropriationState, FiscalYearRow, MinimumRow, NewAppropriation, NewPolicy,
    PartRow, PatronageKey, PolicyRow, StepRow, SurplusStepKind,
};
use crate::access::{Administrator, Approver, Desk, MemberOrDesk, SignedIn};
use crate::kernel::ids::{ActivityId, AppropriationId, EntityId, FileId, FiscalYearId, PersonId, SurplusPolicyId};
use crate::kernel::money::{Minor, Money, Ppm};
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(
    close_fiscal_year,
    list_fiscal_years,
    create_appropriation,
    list_appropriations,
    show_appropriation,
    approve_appropriation,
    reject_appropriation,
    create_surplus_policy,
    list_surplus_policies,
    list_legal_reserve_minimums,
);

/// A closed year.
#[derive(Debug, Serialize, ToSchema)]
pub struct FiscalYearView {
    /// Its id.
    pub id: FiscalYearId,
    /// Whose.
    pub entity_id: EntityId,
    /// Which.
    pub year: i32,
    /// Income less expenses; negative for a loss.
    pub result: Money,
    /// On which day its closing counts: its last one, or the first open day when its months were closed before.
    pub booked_on: NaiveDate,
    /// Who closed it.
    pub closed_by: PersonId,
    /// When.
    pub closed_at: DateTime<Utc>,
}

impl From<FiscalYearRow> for FiscalYearView {
    fn from(row: FiscalYearRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            year: row.year,
            result: Money { amount_minor: row.result_minor, currency: row.currency },
            booked_on: row.booked_on,
            closed_by: row.closed_by,
            closed_at: row.closed_at,
        }
    }
}

/// Closes a year: its income and expenses become its result, and nothing is booked in it any more.
#[utoipa::path(tag = "surplus",
    params(("id" = EntityId, Path), ("year" = String, Path, pattern = "^[0-9]{4}$", example = "2026"),
        ("dry_run" = Option<bool>, Query, description = "Show what would happen; nothing is kept")),
    request_body = Empty, responses((status = 200, body = FiscalYearView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/fiscal_years/{year}/close")]
async fn close_fiscal_year(
    who: Administrator,
    db: Data<Db>,
    path: Path<(EntityId, String)>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let (id, text) = path.into_inner();
    let year: i32 = text.parse().map_err(|_not_a_year| Error::field("/year", "invalid"))?;
    command
        .about_money()
        .run(&db, who.into(), "close_fiscal_year", move |tx, _| {
            super::close_year(tx, id, year).map(FiscalYearView::from)
        })
        .await
}

/// Lists the closed years of an entity, newest first.
#[utoipa::path(tag = "surplus", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<FiscalYearView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/fiscal_years")]
async fn list_fiscal_years(who: MemberOrDesk, db: Data<Db>, id: Path<EntityId>) -> Result<Json<Vec<FiscalYearView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| super::years(tx, id)).await?;
    Ok(Json(rows.into_iter().map(FiscalYearView::from).collect()))
}

/// A decision about the result of a year.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppropriationView {
    /// Its id.
    pub id: AppropriationId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// About which closed year.
    pub fiscal_year_id: FiscalYearId,
    /// Where it stands.
    pub state: AppropriationState,
    /// The result of the year and what earlier years left; negative when there is a loss to cover.
    pub surplus: Money,
    /// Who decided it, in words.
    pub decision: String,
    /// When it was decided.
    pub decided_on: NaiveDate,
    /// The paper of the decision.
    pub evidence_id: Option<FileId>,
    /// Who brought it in.
    pub proposed_by: PersonId,
    /// Who approved or rejected it.
    pub approved_by: Option<PersonId>,
    /// On which day it counts.
    pub booked_on: Option<NaiveDate>,
    /// When it was brought in.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

impl From<AppropriationRow> for AppropriationView {
    fn from(row: AppropriationRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            fiscal_year_id: row.fiscal_year_id,
            state: row.state,
            surplus: Money { amount_minor: row.surplus_minor, currency: row.currency },
            decision: row.decision,
            decided_on: row.decided_on,
            evidence_id: row.evidence_id,
            proposed_by: row.proposed_by,
            approved_by: row.approved_by,
            booked_on: row.booked_on,
            created_at: row.created_at,
            version: row.version,
        }
    }
}

/// A part of a surplus and where it goes, or of a loss and where it is covered from.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppropriationStepView {
    /// Its place, from 1.
    pub n: i32,
    /// Where to, or where from.
    pub kind: SurplusStepKind,
    /// By what members get it; of a refund alone.
    pub key: Option<PatronageKey>,
    /// Which part, a decimal fraction.
    pub rate: String,
    /// How much.
    pub amount: Money,
    /// The sum of the weights of its parts.
    pub weight_sum: i64,
}

/// A member's part of a refund: `amount of the step x weight / sum of weights = quota + remainder / sum of weights`,
/// and one cent more for the largest remainders.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundPartView {
    /// The step.
    pub n: i32,
    /// The member.
    pub member_id: PersonId,
    /// The activity that gets it.
    pub activity_id: ActivityId,
    /// What the member weighs.
    pub weight: i64,
    /// The quota without its fraction.
    pub quota: Money,
    /// The numerator of its fraction.
    pub remainder: i64,
    /// The part.
    pub amount: Money,
}

/// A decision with everything in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeAppropriationView {
    /// The decision.
    #[serde(flatten)]
    pub appropriation: AppropriationView,
    /// Which year.
    pub year: i32,
    /// The result of that year alone.
    pub result: Money,
    /// What no step names: it stays where it is.
    pub rest: Money,
    /// Its steps.
    pub steps: Vec<AppropriationStepView>,
    /// The parts of refunds; a member sees their own.
    pub parts: Vec<RefundPartView>,
}

impl WholeAppropriationView {
    fn new(it: Appropriation) -> Result<Self> {
        let currency = it.row.currency;
        let money = |amount_minor: Minor| Money { amount_minor, currency };
        let covers = |step: &StepRow| step.kind == SurplusStepKind::LossFromGuarantee;
        let mut rest = it.row.surplus_minor;
        for step in &it.steps {
            rest = if covers(step) { rest.plus(step.amount_minor)? } else { rest.minus(step.amount_minor)? };
        }
        let step = |row: StepRow| AppropriationStepView {
            n: row.n,
            kind: row.kind,
            key: row.key,
            rate: Ppm(row.rate_ppm).to_fraction(),
            amount: money(row.amount_minor),
            weight_sum: row.weight_sum,
        };
        let part = |row: PartRow| RefundPartView {
            n: row.n,
            member_id: row.member_id,
            activity_id: row.activity_id,
            weight: row.weight,
            quota: money(row.quota_minor),
            remainder: row.remainder,
            amount: money(row.amount_minor),
        };
        Ok(Self {
            year: it.year.year,
            result: money(it.year.result_minor),
            rest: money(rest),
            steps: it.steps.into_iter().map(step).collect(),
            parts: it.parts.into_iter().map(part).collect(),
            appropriation: it.row.into(),
        })
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateStep {
    /// Where to, or where from: `loss_from_guarantee` for a loss, the others for a surplus.
    kind: SurplusStepKind,
    /// By what members get it; needed for `patronage`, and only there.
    key: Option<PatronageKey>,
    /// Which part of the surplus, or of the loss: a decimal fraction.
    #[schema(max_length = 16, example = "0.15", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    rate: String,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateAppropriation {
    /// Made by the sender.
    id: AppropriationId,
    /// Of which entity.
    entity_id: EntityId,
    /// About which year; it must be closed.
    #[schema(minimum = 2000, maximum = 2999)]
    year: i32,
    /// Who decided it, in words.
    #[schema(min_length = 1, max_length = 500)]
    decision: String,
    /// When it was decided: after the year.
    decided_on: NaiveDate,
    /// The paper of the decision, uploaded before.
    #[serde(default)]
    evidence_id: Option<FileId>,
    /// What is done with which part; what rests stays where it is. May be empty.
    #[schema(max_items = 50)]
    steps: Vec<CreateStep>,
}

/// Brings in what was decided about a closed year. Nothing is booked before another person approves it.
#[utoipa::path(tag = "surplus", params(("dry_run" = Option<bool>, Query, description = "Show what would happen; nothing is kept")),
    request_body = CreateAppropriation, responses((status = 201, body = WholeAppropriationView)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/appropriations")]
async fn create_appropriation(
    who: Administrator,
    db: Data<Db>,
    command: Command<CreateAppropriation>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "create_appropriation", "/v1/appropriations", |tx, body| {
            let new = NewAppropriation {
                id: body.id,
                entity: body.entity_id,
                year: body.year,
                decision: body.decision,
                decided_on: body.decided_on,
                evidence: body.evidence_id,
                steps: body.steps.into_iter().map(|step| (step.kind, step.key, step.rate)).collect(),
            };
            super::propose(tx, new).and_then(WholeAppropriationView::new)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AppropriationQuery {
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

/// Lists decisions about results, newest first.
#[utoipa::path(tag = "surplus", params(AppropriationQuery), responses((status = 200, body = Page<AppropriationView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/appropriations")]
async fn list_appropriations(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<AppropriationQuery>,
) -> Result<Json<Page<AppropriationView>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "appropriations", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::appropriations(tx, query.entity_id, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, AppropriationView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a decision with its steps. Of the parts of refunds a member sees their own.
#[utoipa::path(tag = "surplus", params(("id" = AppropriationId, Path)),
    responses((status = 200, body = WholeAppropriationView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/appropriations/{id}")]
async fn show_appropriation(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<AppropriationId>,
) -> Result<Json<WholeAppropriationView>> {
    let id = id.into_inner();
    let view =
        db.write(who.into(), move |tx| super::appropriation(tx, id).and_then(WholeAppropriationView::new)).await?;
    Ok(Json(view))
}

/// Approves a decision that somebody else brought in, and books it today.
#[utoipa::path(tag = "surplus", params(("id" = AppropriationId, Path),
        ("dry_run" = Option<bool>, Query, description = "Show what would happen; nothing is kept")),
    request_body = Empty, responses((status = 200, body = WholeAppropriationView)),
    extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/appropriations/{id}/approve")]
async fn approve_appropriation(
    who: Approver,
    db: Data<Db>,
    id: Path<AppropriationId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(
            &db,
            who.into(),
            "approve_appropriation",
            id.into_inner(),
            |tx, id| super::appropriation(tx, id).and_then(WholeAppropriationView::new),
            |tx, id, expected, _| super::approve(tx, id, expected).and_then(WholeAppropriationView::new),
        )
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectAppropriation {
    /// Why; kept in the history.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Rejects a decision that somebody else brought in. Another one may follow.
#[utoipa::path(tag = "surplus", params(("id" = AppropriationId, Path)), request_body = RejectAppropriation,
    responses((status = 200, body = WholeAppropriationView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/appropriations/{id}/reject")]
async fn reject_appropriation(
    who: Approver,
    db: Data<Db>,
    id: Path<AppropriationId>,
    command: Command<RejectAppropriation>,
) -> Result<HttpResponse> {
    command
        .change(
            &db,
            who.into(),
            "reject_appropriation",
            id.into_inner(),
            |tx, id| super::appropriation(tx, id).and_then(WholeAppropriationView::new),
            |tx, id, expected, body| {
                super::reject(tx, id, expected, &body.reason).and_then(WholeAppropriationView::new)
            },
        )
        .await
}

/// What the statutes say about a surplus, from a day on.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurplusPolicyView {
    /// Its id.
    pub id: SurplusPolicyId,
    /// Whose.
    pub entity_id: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// What of each surplus goes to the legal reserve at least, beside what the law wants: a decimal fraction.
    pub legal_reserve_rate: String,
    /// What of the guarantee fund may cover a loss: a decimal fraction.
    pub guarantee_for_losses_rate: String,
    /// Who decided it, in words.
    pub decision: String,
    /// When it was decided.
    pub decided_on: NaiveDate,
    /// The paper of the decision.
    pub evidence_id: Option<FileId>,
}

impl From<PolicyRow> for SurplusPolicyView {
    fn from(row: PolicyRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            valid_from: row.valid_from,
            legal_reserve_rate: Ppm(row.legal_reserve_ppm).to_fraction(),
            guarantee_for_losses_rate: Ppm(row.guarantee_for_losses_ppm).to_fraction(),
            decision: row.decision,
            decided_on: row.decided_on,
            evidence_id: row.evidence_id,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateSurplusPolicy {
    /// Made by the sender.
    id: SurplusPolicyId,
    /// From this day on.
    valid_from: NaiveDate,
    /// What of each surplus goes to the legal reserve at least: a decimal fraction.
    #[schema(max_length = 16, example = "0.05", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    legal_reserve_rate: String,
    /// What of the guarantee fund may cover a loss: a decimal fraction.
    #[schema(max_length = 16, example = "0.5", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    guarantee_for_losses_rate: String,
    /// Who decided it, in words.
    #[schema(min_length = 1, max_length = 500)]
    decision: String,
    /// When it was decided.
    decided_on: NaiveDate,
    /// The paper of the decision, uploaded before.
    #[serde(default)]
    evidence_id: Option<FileId>,
}

/// Adds a policy about surpluses. It is never edited: a new decision is a new one.
#[utoipa::path(tag = "surplus", params(("id" = EntityId, Path)), request_body = CreateSurplusPolicy,
    responses((status = 201, body = SurplusPolicyView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/surplus_policies")]
async fn create_surplus_policy(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<CreateSurplusPolicy>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    let place = format!("/v1/entities/{entity}/surplus_policies");
    command
        .create(&db, who.into(), "create_surplus_policy", &place, move |tx, body| {
            let new = NewPolicy {
                id: body.id,
                entity,
                valid_from: body.valid_from,
                legal_reserve: Ppm(0),
                guarantee_for_losses: Ppm(0),
                decision: body.decision,
                decided_on: body.decided_on,
                evidence: body.evidence_id,
            };
            let rates = (body.legal_reserve_rate.as_str(), body.guarantee_for_losses_rate.as_str());
            super::add_policy(tx, new, rates).map(SurplusPolicyView::from)
        })
        .await
}

/// Lists the policies about surpluses, newest first.
#[utoipa::path(tag = "surplus", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<SurplusPolicyView>)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/entities/{id}/surplus_policies")]
async fn list_surplus_policies(
    who: SignedIn,
    db: Data<Db>,
    id: Path<EntityId>,
) -> Result<Json<Vec<SurplusPolicyView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| super::policies(tx, id)).await?;
    Ok(Json(rows.into_iter().map(SurplusPolicyView::from).collect()))
}

/// What the law of a country wants set aside before anything is given back.
#[derive(Debug, Serialize, ToSchema)]
pub struct LegalReserveMinimumView {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// What of a surplus: a decimal fraction.
    pub rate: String,
    /// Until the reserve has reached this part of the share capital, a decimal fraction; always when absent.
    pub until_capital_rate: Option<String>,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Until this day, which it does not include.
    pub valid_until: Option<NaiveDate>,
    /// Where the law says so.
    pub source: String,
    /// The day by which somebody who knows the law looks at it again.
    pub review_on: NaiveDate,
}

impl From<MinimumRow> for LegalReserveMinimumView {
    fn from(row: MinimumRow) -> Self {
        Self {
            country: row.country,
            rate: Ppm(row.rate_ppm).to_fraction(),
            until_capital_rate: row.until_capital_ppm.map(|ppm| Ppm(ppm).to_fraction()),
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            source: row.source,
            review_on: row.review_on,
        }
    }
}

/// Lists what the laws of countries want set aside, with their sources and when to look at them again.
#[utoipa::path(tag = "surplus", responses((status = 200, body = Vec<LegalReserveMinimumView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/legal_reserve_minimums")]
async fn list_legal_reserve_minimums(who: Desk, db: Data<Db>) -> Result<Json<Vec<LegalReserveMinimumView>>> {
    let rows = db.write(who.into(), super::minimums).await?;
    Ok(Json(rows.into_iter().map(LegalReserveMinimumView::from).collect()))
}
