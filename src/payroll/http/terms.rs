//! By which scheme an activity pays, and what is withheld from a person: each from a day on.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Administrator, MemberOrDesk};
use crate::kernel::ids::{ActivityId, FileId, PayArrangementId, PaySchemeId, PersonId, WithholdingRateId};
use crate::kernel::money::Ppm;
use crate::payroll::{self, ArrangementRow, NewArrangement, NewRate, RateRow};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::Command;

crate::endpoints!(create_pay_arrangement, list_pay_arrangements, create_withholding_rate, list_withholding_rates);

/// By which scheme an activity pays from a day on.
#[derive(Debug, Serialize, ToSchema)]
struct PayArrangementView {
    /// Its id.
    id: PayArrangementId,
    /// Which activity.
    activity_id: ActivityId,
    /// By which scheme; none for a plain transfer.
    scheme_id: Option<PaySchemeId>,
    /// From this day on, until that of the next one.
    valid_from: NaiveDate,
    /// Why.
    reason: String,
    /// Who decided.
    decided_by: PersonId,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<ArrangementRow> for PayArrangementView {
    fn from(row: ArrangementRow) -> Self {
        Self {
            id: row.id,
            activity_id: row.activity_id,
            scheme_id: row.scheme_id,
            valid_from: row.valid_from,
            reason: row.reason,
            decided_by: row.decided_by,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreatePayArrangement {
    /// Made by the sender.
    id: PayArrangementId,
    /// By which scheme; left out for a plain transfer.
    #[serde(default)]
    scheme_id: Option<PaySchemeId>,
    /// From this day on; not in the past.
    valid_from: NaiveDate,
    /// Why.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Says by which scheme an activity pays from a day on.
#[utoipa::path(tag = "payroll", params(("id" = ActivityId, Path)), request_body = CreatePayArrangement,
    responses((status = 201, body = PayArrangementView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/activities/{id}/pay_arrangements")]
async fn create_pay_arrangement(
    who: Administrator,
    db: Data<Db>,
    id: Path<ActivityId>,
    command: Command<CreatePayArrangement>,
) -> Result<HttpResponse> {
    let activity = id.into_inner();
    let place = format!("/v1/activities/{activity}/pay_arrangements");
    command
        .create(&db, who.into(), "create_pay_arrangement", &place, move |tx, body| {
            let new = NewArrangement {
                id: body.id,
                activity,
                scheme: body.scheme_id,
                valid_from: body.valid_from,
                reason: body.reason,
            };
            payroll::arrange(tx, &new).map(PayArrangementView::from)
        })
        .await
}

/// Lists by which schemes an activity pays or paid, newest first.
#[utoipa::path(tag = "payroll", params(("id" = ActivityId, Path)), responses((status = 200, body = Vec<PayArrangementView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}/pay_arrangements")]
async fn list_pay_arrangements(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<ActivityId>,
) -> Result<Json<Vec<PayArrangementView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| payroll::arrangements(tx, id)).await?;
    Ok(Json(rows.into_iter().map(PayArrangementView::from).collect()))
}

/// What is withheld from a person from a day on.
#[derive(Debug, Serialize, ToSchema)]
struct WithholdingRateView {
    /// Its id.
    id: WithholdingRateId,
    /// Whose.
    member_id: PersonId,
    /// The rate as a decimal fraction.
    rate: String,
    /// From this day on, until that of the next one.
    valid_from: NaiveDate,
    /// The paper that it rests on.
    evidence_id: Option<FileId>,
    /// Why.
    reason: String,
    /// Who decided.
    decided_by: PersonId,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<RateRow> for WithholdingRateView {
    fn from(row: RateRow) -> Self {
        Self {
            id: row.id,
            member_id: row.member_id,
            rate: Ppm(row.rate_ppm).to_fraction(),
            valid_from: row.valid_from,
            evidence_id: row.evidence_id,
            reason: row.reason,
            decided_by: row.decided_by,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateWithholdingRate {
    /// Made by the sender.
    id: WithholdingRateId,
    /// The rate as a decimal fraction, at most `"0.75"`.
    #[schema(max_length = 16)]
    rate: String,
    /// From this day on; not in the past.
    valid_from: NaiveDate,
    /// The paper that it rests on: a file that is here.
    #[serde(default)]
    evidence_id: Option<FileId>,
    /// Why.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Says what is withheld from a person from a day on.
#[utoipa::path(tag = "payroll", params(("id" = PersonId, Path)), request_body = CreateWithholdingRate,
    responses((status = 201, body = WithholdingRateView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/members/{id}/withholding_rates")]
async fn create_withholding_rate(
    who: Administrator,
    db: Data<Db>,
    id: Path<PersonId>,
    command: Command<CreateWithholdingRate>,
) -> Result<HttpResponse> {
    let member = id.into_inner();
    let place = format!("/v1/members/{member}/withholding_rates");
    command
        .create(&db, who.into(), "create_withholding_rate", &place, move |tx, body| {
            let new = NewRate {
                id: body.id,
                member,
                rate: body.rate,
                valid_from: body.valid_from,
                evidence: body.evidence_id,
                reason: body.reason,
            };
            payroll::set_rate(tx, &new).map(WithholdingRateView::from)
        })
        .await
}

/// Lists what is and was withheld from a person, newest first.
#[utoipa::path(tag = "payroll", params(("id" = PersonId, Path)), responses((status = 200, body = Vec<WithholdingRateView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/members/{id}/withholding_rates")]
async fn list_withholding_rates(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<PersonId>,
) -> Result<Json<Vec<WithholdingRateView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| payroll::rates(tx, id)).await?;
    Ok(Json(rows.into_iter().map(WithholdingRateView::from).collect()))
}
