//! The counter for how many people a batch needs.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Administrator, ViewBatches};
use crate::kernel::ids::{ApprovalAmountId, BatchPolicyId, EntityId, PersonId};
use crate::kernel::money::Money;
use crate::payouts::policy::{self, AmountRow, NewAmount, Policy, PolicyRow};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::web::{Command, Empty};

/// How many people a total needs from a day on.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalAmountView {
    /// Its id.
    pub id: ApprovalAmountId,
    /// Grows with every change.
    pub version: i32,
    /// Whose batches.
    pub entity_id: EntityId,
    /// From this total on: in euro, as bank files are.
    pub from_amount: Money,
    /// So many people.
    pub approvers: i32,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Whether it asks for fewer than the row before it: it counts once a second person agreed.
    pub loosens: bool,
    /// Whether it counts, from its day on.
    pub in_force: bool,
    /// Who decided.
    pub decided_by: PersonId,
    /// Who agreed.
    pub agreed_by: Option<PersonId>,
}

impl From<AmountRow> for ApprovalAmountView {
    fn from(row: AmountRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            entity_id: row.entity_id,
            from_amount: Money::eur(row.from_minor),
            approvers: row.approvers,
            valid_from: row.valid_from,
            loosens: row.loosens,
            in_force: !row.loosens || row.agreed_by.is_some(),
            decided_by: row.decided_by,
            agreed_by: row.agreed_by,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecideAmount {
    /// Made by the sender.
    id: ApprovalAmountId,
    /// From this total on, in euro; zero for every batch.
    from_amount: Money,
    /// So many people, 1 to 5.
    approvers: i32,
    /// From this day on.
    valid_from: NaiveDate,
}

/// Decides how many people a total needs. Fewer than until now waits for a second administrator.
#[utoipa::path(tag = "batches", params(("id" = EntityId, Path)), request_body = DecideAmount,
    responses((status = 201, body = ApprovalAmountView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/approval_amounts")]
pub(super) async fn decide_approval_amount(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<DecideAmount>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    command
        .create(&db, who.into(), "decide_approval_amount", "/v1/approval_amounts", move |tx, body| {
            let new = NewAmount {
                id: body.id,
                entity,
                from: body.from_amount,
                approvers: body.approvers,
                valid_from: body.valid_from,
            };
            policy::decide_amount(tx, &new).map(ApprovalAmountView::from)
        })
        .await
}

/// Lists how many people which totals need, the oldest decision first.
#[utoipa::path(tag = "batches", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<ApprovalAmountView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/approval_amounts")]
pub(super) async fn list_approval_amounts(
    who: ViewBatches,
    db: Data<Db>,
    id: Path<EntityId>,
) -> Result<Json<Vec<ApprovalAmountView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| policy::amounts(tx, id)).await?;
    Ok(Json(rows.into_iter().map(ApprovalAmountView::from).collect()))
}

fn load(tx: &mut Tx<'_>, id: ApprovalAmountId) -> Result<ApprovalAmountView> {
    policy::amount(tx, id).map(ApprovalAmountView::from)
}

/// Agrees, as a second administrator, that fewer people are enough.
#[utoipa::path(tag = "batches", params(("id" = ApprovalAmountId, Path)), request_body = Empty,
    responses((status = 200, body = ApprovalAmountView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/approval_amounts/{id}/agree")]
pub(super) async fn agree_to_approval_amount(
    who: Administrator,
    db: Data<Db>,
    id: Path<ApprovalAmountId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "agree_to_approval_amount", id.into_inner(), load, |tx, id, expected, _| {
            policy::agree(tx, id, expected).map(ApprovalAmountView::from)
        })
        .await
}

/// How long approvals count and a bank may be silent, from a day on.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchPolicyView {
    /// Its id.
    pub id: BatchPolicyId,
    /// Whose batches.
    pub entity_id: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// For how many days an approval counts.
    pub approval_days: i32,
    /// After how many working days a silent bank becomes a person's to ask.
    pub silent_days: i32,
    /// Who decided.
    pub decided_by: PersonId,
}

impl From<PolicyRow> for BatchPolicyView {
    fn from(row: PolicyRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            valid_from: row.valid_from,
            approval_days: row.approval_days,
            silent_days: row.silent_days,
            decided_by: row.decided_by,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecideBatchPolicy {
    /// Made by the sender.
    id: BatchPolicyId,
    /// From this day on.
    valid_from: NaiveDate,
    /// For how many days an approval counts, 1 to 31.
    approval_days: i32,
    /// After how many working days a silent bank becomes a person's to ask, 1 to 30.
    silent_days: i32,
}

/// Decides for how long approvals count and how long a bank may be silent.
#[utoipa::path(tag = "batches", params(("id" = EntityId, Path)), request_body = DecideBatchPolicy,
    responses((status = 201, body = BatchPolicyView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/batch_policies")]
pub(super) async fn decide_batch_policy(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<DecideBatchPolicy>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    let place = format!("/v1/entities/{entity}/batch_policies");
    command
        .create(&db, who.into(), "decide_batch_policy", &place, move |tx, body| {
            let new = Policy { approval_days: body.approval_days, silent_days: body.silent_days };
            policy::decide(tx, body.id, entity, body.valid_from, new).map(BatchPolicyView::from)
        })
        .await
}

/// Lists what was decided about approvals and silent banks, the oldest first.
#[utoipa::path(tag = "batches", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<BatchPolicyView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/batch_policies")]
pub(super) async fn list_batch_policies(
    who: ViewBatches,
    db: Data<Db>,
    id: Path<EntityId>,
) -> Result<Json<Vec<BatchPolicyView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| policy::policies(tx, id)).await?;
    Ok(Json(rows.into_iter().map(BatchPolicyView::from).collect()))
}
