//! The counter for what wages really cost, and for what copyright income rests on.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Administrator, MemberOrDesk, ReviewerOrAccountant, ReviewerOrAdministrator};
use crate::kernel::ids::{
    ActivityId, EntityId, FileId, PayoutId, PersonId, RightsProofId, TrueUpId, TrueUpPartId, TrueUpPolicyId,
};
use crate::kernel::money::{Currency, Minor, Money};
use crate::payroll::true_ups::{
    self, BorneBy, NewPolicy, NewProof, NewTrueUp, PolicyRow, ProofRow, RightsProofKind, TrueUp, TrueUpPartRow,
    TrueUpRow, TrueUpState,
};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(
    set_true_up_policy,
    list_true_up_policies,
    propose_true_up,
    list_true_ups,
    show_true_up,
    confirm_true_up,
    reject_true_up,
    add_rights_proof,
    list_rights_proofs,
);

/// Who bears differences between what wages were booked at and what they cost.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetTrueUpPolicy {
    /// Made by the sender.
    id: TrueUpPolicyId,
    /// From this day on; not in the past.
    valid_from: NaiveDate,
    /// `activity`, `fund` or `entity`.
    borne_by: BorneBy,
    /// Over so many later payouts, when the activity bears it.
    #[schema(minimum = 1, maximum = 24)]
    instalments: i32,
    /// Why.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Who bears differences, from a day on.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrueUpPolicyView {
    /// Its id.
    id: TrueUpPolicyId,
    /// Whose.
    entity_id: EntityId,
    /// From this day on.
    valid_from: NaiveDate,
    /// Who bears them.
    borne_by: BorneBy,
    /// Over so many later payouts.
    instalments: i32,
    /// Why.
    reason: String,
    /// Who decided.
    decided_by: PersonId,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<PolicyRow> for TrueUpPolicyView {
    fn from(row: PolicyRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            valid_from: row.valid_from,
            borne_by: row.borne_by,
            instalments: row.instalments,
            reason: row.reason,
            decided_by: row.decided_by,
            created_at: row.created_at,
        }
    }
}

/// Says who bears differences, from a day on.
#[utoipa::path(tag = "payroll", params(("id" = EntityId, Path)), request_body = SetTrueUpPolicy,
    responses((status = 201, body = TrueUpPolicyView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/true_up_policies")]
async fn set_true_up_policy(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<SetTrueUpPolicy>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    let place = format!("/v1/entities/{entity}/true_up_policies");
    command
        .create(&db, who.into(), "set_true_up_policy", &place, move |tx, body| {
            let new = NewPolicy {
                id: body.id,
                entity,
                valid_from: body.valid_from,
                borne_by: body.borne_by,
                instalments: body.instalments,
                reason: body.reason,
            };
            true_ups::set_policy(tx, &new).map(TrueUpPolicyView::from)
        })
        .await
}

/// Lists who bears and bore differences, newest first.
#[utoipa::path(tag = "payroll", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<TrueUpPolicyView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/true_up_policies")]
async fn list_true_up_policies(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<EntityId>,
) -> Result<Json<Vec<TrueUpPolicyView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| true_ups::policies(tx, id)).await?;
    Ok(Json(rows.into_iter().map(TrueUpPolicyView::from).collect()))
}

/// What the payroll office says about a wage.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProposeTrueUp {
    /// Made by the sender.
    id: TrueUpId,
    /// The payout that was the wage.
    payout_id: PayoutId,
    /// The employer's part as it is.
    employer: Money,
    /// The employee's part as it is.
    employee: Money,
    /// What is withheld for the tax office.
    withheld: Money,
    /// What the payroll office wrote.
    evidence_id: FileId,
    /// Why it differs.
    #[schema(max_length = 2000)]
    reason: String,
}

/// A line of a difference.
#[derive(Debug, Serialize, ToSchema)]
struct TrueUpLineView {
    /// `employer`, `employee` or `withheld`.
    component: &'static str,
    /// As it is booked.
    estimated: Money,
    /// As it is.
    actual: Money,
    /// How much more; negative when it is less.
    difference: Money,
}

/// A part of a difference that an activity bore or got back.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrueUpPartView {
    /// Its id.
    id: TrueUpPartId,
    /// Of which true-up.
    true_up_id: TrueUpId,
    /// Its number.
    n: i32,
    /// The payout that took it; none when it was given back.
    payout_id: Option<PayoutId>,
    /// How much.
    amount: Money,
    /// When.
    created_at: DateTime<Utc>,
}

impl TrueUpPartView {
    /// In a currency.
    #[must_use]
    pub fn new(row: &TrueUpPartRow, currency: Currency) -> Self {
        Self {
            id: row.id,
            true_up_id: row.true_up_id,
            n: row.n,
            payout_id: row.payout_id,
            amount: Money { amount_minor: row.amount_minor, currency },
            created_at: row.created_at,
        }
    }
}

/// What a wage really cost.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrueUpView {
    /// Its id.
    id: TrueUpId,
    /// Grows with every change.
    version: i32,
    /// `proposed`, `confirmed` or `rejected`.
    state: TrueUpState,
    /// Whose wage.
    member_id: PersonId,
    /// Of which activity.
    activity_id: ActivityId,
    /// The payout that was the wage.
    payout_id: PayoutId,
    /// Line by line.
    lines: Vec<TrueUpLineView>,
    /// The sum of the differences.
    difference: Money,
    /// Who bears it.
    borne_by: BorneBy,
    /// Over so many later payouts.
    instalments: i32,
    /// By which decision.
    policy_id: TrueUpPolicyId,
    /// What was taken or given back so far.
    parts: Vec<TrueUpPartView>,
    /// What the payroll office wrote.
    evidence_id: FileId,
    /// Why it differs.
    reason: String,
    /// Who brought it in.
    proposed_by: PersonId,
    /// Who decided.
    decided_by: Option<PersonId>,
    /// The day it counts.
    booked_on: Option<NaiveDate>,
    /// When it was brought in.
    created_at: DateTime<Utc>,
}

impl TrueUpView {
    fn new(it: TrueUp) -> Result<Self> {
        let row = it.row;
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        let line = |component, estimated: Minor, actual: Minor| -> Result<TrueUpLineView> {
            let difference = money(actual.minus(estimated)?);
            Ok(TrueUpLineView { component, estimated: money(estimated), actual: money(actual), difference })
        };
        Ok(Self {
            lines: vec![
                line("employer", row.employer_booked_minor, row.employer_actual_minor)?,
                line("employee", row.employee_booked_minor, row.employee_actual_minor)?,
                line("withheld", row.withheld_booked_minor, row.withheld_actual_minor)?,
            ],
            difference: money(row.difference_minor),
            parts: it.parts.iter().map(|part| TrueUpPartView::new(part, row.currency)).collect(),
            borne_by: it.policy.borne_by,
            instalments: it.policy.instalments,
            policy_id: row.policy_id,
            id: row.id,
            version: row.version,
            state: row.state,
            member_id: row.member_id,
            activity_id: row.activity_id,
            payout_id: row.payout_id,
            evidence_id: row.evidence_id,
            reason: row.reason,
            proposed_by: row.proposed_by,
            decided_by: row.decided_by,
            booked_on: row.booked_on,
            created_at: row.created_at,
        })
    }
}

fn load(tx: &mut Tx<'_>, id: TrueUpId) -> Result<TrueUpView> {
    TrueUpView::new(true_ups::find(tx, id)?)
}

/// Brings in what a wage really cost, as the payroll office says. Nothing is booked before another person confirms it.
#[utoipa::path(tag = "payroll", params(("dry_run" = Option<bool>, Query)), request_body = ProposeTrueUp,
    responses((status = 201, body = TrueUpView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/true_ups")]
async fn propose_true_up(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    command: Command<ProposeTrueUp>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "propose_true_up", "/v1/true_ups", |tx, body| {
            let new = NewTrueUp {
                id: body.id,
                payout: body.payout_id,
                employer: body.employer,
                employee: body.employee,
                withheld: body.withheld,
                evidence: body.evidence_id,
                reason: body.reason,
            };
            let row = true_ups::propose(tx, &new)?;
            load(tx, row.id)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TrueUpPage {
    /// Only in this state.
    #[param(inline)]
    state: Option<TrueUpState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// A true-up in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrueUpSummary {
    /// Its id.
    id: TrueUpId,
    /// Grows with every change.
    version: i32,
    /// `proposed`, `confirmed` or `rejected`.
    state: TrueUpState,
    /// Whose wage.
    member_id: PersonId,
    /// The payout that was the wage.
    payout_id: PayoutId,
    /// The sum of the differences.
    difference: Money,
    /// When it was brought in.
    created_at: DateTime<Utc>,
}

impl From<TrueUpRow> for TrueUpSummary {
    fn from(row: TrueUpRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            member_id: row.member_id,
            payout_id: row.payout_id,
            difference: Money { amount_minor: row.difference_minor, currency: row.currency },
            created_at: row.created_at,
        }
    }
}

/// Lists true-ups, newest first: your own, or all of them for the office.
#[utoipa::path(tag = "payroll", params(TrueUpPage), responses((status = 200, body = Page<TrueUpSummary>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/true_ups")]
async fn list_true_ups(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<TrueUpPage>,
) -> Result<Json<Page<TrueUpSummary>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "true_ups", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = true_ups::list(tx, query.state, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, TrueUpSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a true-up line by line, who bears it, and what was taken of it.
#[utoipa::path(tag = "payroll", params(("id" = TrueUpId, Path)), responses((status = 200, body = TrueUpView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/true_ups/{id}")]
async fn show_true_up(who: MemberOrDesk, db: Data<Db>, id: Path<TrueUpId>) -> Result<Json<TrueUpView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Confirms a true-up as another person than who brought it in: the difference is booked.
#[utoipa::path(tag = "payroll", params(("id" = TrueUpId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = TrueUpView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/true_ups/{id}/confirm")]
async fn confirm_true_up(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<TrueUpId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "confirm_true_up", id.into_inner(), load, |tx, id, expected, _| {
            TrueUpView::new(true_ups::confirm(tx, id, expected)?)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectTrueUp {
    /// Why.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Refuses a true-up as another person than who brought it in.
#[utoipa::path(tag = "payroll", params(("id" = TrueUpId, Path)), request_body = RejectTrueUp,
    responses((status = 200, body = TrueUpView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/true_ups/{id}/reject")]
async fn reject_true_up(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<TrueUpId>,
    command: Command<RejectTrueUp>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "reject_true_up", id.into_inner(), load, |tx, id, expected, body| {
            TrueUpView::new(true_ups::reject(tx, id, expected, &body.reason)?)
        })
        .await
}

/// A paper that lets a person be paid for copyright.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddRightsProof {
    /// Made by the sender.
    id: RightsProofId,
    /// `arts_worker_certificate` or `transfer_for_publication`.
    kind: RightsProofKind,
    /// From this day on.
    valid_from: NaiveDate,
    /// Until this day.
    #[serde(default)]
    valid_until: Option<NaiveDate>,
    /// The paper.
    evidence_id: FileId,
    /// Why it is enough.
    #[schema(max_length = 2000)]
    reason: String,
}

/// What lets a person be paid for copyright.
#[derive(Debug, Serialize, ToSchema)]
pub struct RightsProofView {
    /// Its id.
    id: RightsProofId,
    /// Whose.
    member_id: PersonId,
    /// Which paper.
    kind: RightsProofKind,
    /// From this day on.
    valid_from: NaiveDate,
    /// Until this day.
    valid_until: Option<NaiveDate>,
    /// The paper.
    evidence_id: FileId,
    /// Why it is enough.
    reason: String,
    /// Who recorded it.
    decided_by: PersonId,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<ProofRow> for RightsProofView {
    fn from(row: ProofRow) -> Self {
        Self {
            id: row.id,
            member_id: row.member_id,
            kind: row.kind,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            evidence_id: row.evidence_id,
            reason: row.reason,
            decided_by: row.decided_by,
            created_at: row.created_at,
        }
    }
}

/// Records what lets a member be paid for copyright; without it no payout has copyright income.
#[utoipa::path(tag = "payroll", params(("id" = PersonId, Path)), request_body = AddRightsProof,
    responses((status = 201, body = RightsProofView)), extensions(("x-roles" = json!(["reviewer", "administrator"]))))]
#[post("/v1/members/{id}/rights_proofs")]
async fn add_rights_proof(
    who: ReviewerOrAdministrator,
    db: Data<Db>,
    id: Path<PersonId>,
    command: Command<AddRightsProof>,
) -> Result<HttpResponse> {
    let member = id.into_inner();
    let place = format!("/v1/members/{member}/rights_proofs");
    command
        .create(&db, who.into(), "add_rights_proof", &place, move |tx, body| {
            let new = NewProof {
                id: body.id,
                member,
                kind: body.kind,
                valid_from: body.valid_from,
                valid_until: body.valid_until,
                evidence: body.evidence_id,
                reason: body.reason,
            };
            true_ups::prove_rights(tx, &new).map(RightsProofView::from)
        })
        .await
}

/// Lists what lets and let a member be paid for copyright, newest first.
#[utoipa::path(tag = "payroll", params(("id" = PersonId, Path)), responses((status = 200, body = Vec<RightsProofView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/members/{id}/rights_proofs")]
async fn list_rights_proofs(who: MemberOrDesk, db: Data<Db>, id: Path<PersonId>) -> Result<Json<Vec<RightsProofView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| true_ups::rights_proofs(tx, id)).await?;
    Ok(Json(rows.into_iter().map(RightsProofView::from).collect()))
}
