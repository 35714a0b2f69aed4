//! The counter for how numbers are written and for who issues without the office.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Administrator, Desk, MemberOrDesk};
use crate::invoicing::office::{self, CeilingRow, Series, TemplateRow};
use crate::kernel::ids::{CeilingId, EntityId, PersonId};
use crate::kernel::money::Money;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::Command;

crate::endpoints!(set_number_template, list_number_templates, set_self_issue_ceiling, list_self_issue_ceilings);

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetTemplate {
    /// Of which documents.
    series: Series,
    /// From which year: one in which the series has no numbers yet.
    #[schema(minimum = 2000, maximum = 2999)]
    from_year: i32,
    /// Capital letters and `_ . -`, `{YYYY}` or `{YY}`, a separator of such letters, `{SEQ}` or `{SEQ:3}` to `{SEQ:8}`.
    #[schema(max_length = 40, example = "INV-{YYYY}-{SEQ:4}")]
    template: String,
}

/// How the numbers of a series are written from a year on.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateView {
    /// Whose numbers.
    pub entity_id: EntityId,
    /// Of which documents.
    pub series: Series,
    /// From which year.
    pub from_year: i32,
    /// The template.
    pub template: String,
    /// Who set it.
    pub set_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<TemplateRow> for TemplateView {
    fn from(row: TemplateRow) -> Self {
        Self {
            entity_id: row.entity_id,
            series: row.series,
            from_year: row.from_year,
            template: row.template,
            set_by: row.set_by,
            created_at: row.created_at,
        }
    }
}

/// Sets how the numbers of a series are written, from a year in which it has none yet.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path)), request_body = SetTemplate,
    responses((status = 201, body = TemplateView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/number_templates")]
async fn set_number_template(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<SetTemplate>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    let place = format!("/v1/entities/{id}/number_templates");
    command
        .create(&db, who.into(), "set_number_template", &place, move |tx, body| {
            office::set_template(tx, id, body.series, body.from_year, &body.template).map(TemplateView::from)
        })
        .await
}

/// Lists how the numbers of an entity are written, newest first. Without a row: `{YYYY}-{SEQ:4}`, credit notes with a `C`.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<TemplateView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/number_templates")]
async fn list_number_templates(who: Desk, db: Data<Db>, id: Path<EntityId>) -> Result<Json<Vec<TemplateView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| office::templates(tx, id)).await?;
    Ok(Json(rows.into_iter().map(TemplateView::from).collect()))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetCeiling {
    /// Made by the sender.
    id: CeilingId,
    /// Up to which total without VAT; 0 ends it.
    ceiling: Money,
    /// From which day: today or later.
    valid_from: NaiveDate,
    /// Why; the member reads it.
    #[schema(max_length = 500)]
    reason: String,
}

/// Up to which total without VAT a member issues without the office.
#[derive(Debug, Serialize, ToSchema)]
pub struct CeilingView {
    /// Its id.
    pub id: CeilingId,
    /// Who may.
    pub member_id: PersonId,
    /// Up to how much; 0 for none.
    pub ceiling: Money,
    /// From which day.
    pub valid_from: NaiveDate,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub set_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<CeilingRow> for CeilingView {
    fn from(row: CeilingRow) -> Self {
        Self {
            id: row.id,
            member_id: row.member_id,
            ceiling: Money { amount_minor: row.ceiling_minor, currency: row.currency },
            valid_from: row.valid_from,
            reason: row.reason,
            set_by: row.set_by,
            created_at: row.created_at,
        }
    }
}

/// Sets up to which total a member issues without the office, from a day on.
#[utoipa::path(tag = "members", params(("id" = PersonId, Path)), request_body = SetCeiling,
    responses((status = 201, body = CeilingView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/members/{id}/self_issue_ceilings")]
async fn set_self_issue_ceiling(
    who: Administrator,
    db: Data<Db>,
    id: Path<PersonId>,
    command: Command<SetCeiling>,
) -> Result<HttpResponse> {
    let member = id.into_inner();
    let place = format!("/v1/members/{member}/self_issue_ceilings");
    command
        .create(&db, who.into(), "set_self_issue_ceiling", &place, move |tx, body| {
            let of = (body.ceiling, body.valid_from);
            office::set_ceiling(tx, body.id, member, of, &body.reason).map(CeilingView::from)
        })
        .await
}

/// Lists the ceilings of a member, newest first: the first one whose day has come counts.
#[utoipa::path(tag = "members", params(("id" = PersonId, Path)), responses((status = 200, body = Vec<CeilingView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/members/{id}/self_issue_ceilings")]
async fn list_self_issue_ceilings(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<PersonId>,
) -> Result<Json<Vec<CeilingView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| office::ceilings(tx, id)).await?;
    Ok(Json(rows.into_iter().map(CeilingView::from).collect()))
}
