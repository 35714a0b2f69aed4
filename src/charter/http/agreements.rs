//! The counter for the texts that applicants accept.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Administrator, Visitor};
use crate::charter::{self, AgreementRow, NewAgreement};
use crate::kernel::ids::{AgreementId, EntityId};
use crate::kernel::language::Language;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::{Command, QueryOf, hex};

/// A text that applicants accept.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgreementView {
    /// Its id.
    pub id: AgreementId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// 1, 2, 3 … per entity.
    pub version_number: i32,
    /// Its language.
    pub language: Language,
    /// The text, as plain text.
    pub body: String,
    /// SHA-256 of the text as UTF-8, in hexadecimal: what is accepted.
    pub sha256: String,
    /// From this day on.
    pub valid_from: NaiveDate,
}

impl From<AgreementRow> for AgreementView {
    fn from(row: AgreementRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            version_number: row.version_number,
            language: row.language,
            body: row.body,
            sha256: hex(&row.sha256),
            valid_from: row.valid_from,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateAgreement {
    /// Made by the sender.
    id: AgreementId,
    /// Its version; the same for the languages of one text.
    #[schema(minimum = 1, maximum = 10000)]
    version_number: i32,
    /// Its language.
    language: Language,
    /// The text, as plain text.
    #[schema(max_length = 100_000)]
    body: String,
    /// From this day on.
    valid_from: NaiveDate,
}

/// Publishes a text of the agreement in one language.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path)), request_body = CreateAgreement,
    responses((status = 201, body = AgreementView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/agreements")]
pub(super) async fn create_agreement(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<CreateAgreement>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    command
        .create(&db, who.into(), "create_agreement", "/v1/agreements", move |tx, body| {
            let new = NewAgreement {
                id: body.id,
                entity,
                version_number: body.version_number,
                language: body.language,
                body: body.body,
                valid_from: body.valid_from,
            };
            charter::add_agreement(tx, &new).map(AgreementView::from)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AgreementFilter {
    /// `fr`, `nl`, `en` or `de`.
    language: Language,
}

/// Shows the text of the agreement that holds today; applicants read it before they have an account.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path), AgreementFilter),
    responses((status = 200, body = AgreementView)), security(()), extensions(("x-roles" = json!([]))))]
#[get("/v1/entities/{id}/agreements/current")]
pub(super) async fn show_current_agreement(
    visitor: Visitor,
    db: Data<Db>,
    id: Path<EntityId>,
    filter: QueryOf<AgreementFilter>,
) -> Result<Json<AgreementView>> {
    let (id, language) = (id.into_inner(), filter.0.language);
    let row = db.write(visitor.into(), move |tx| charter::current_agreement(tx, id, language)).await?;
    Ok(Json(row.into()))
}

/// Shows a text of the agreement, also one that no longer holds: what somebody accepted stays readable.
#[utoipa::path(tag = "charter", params(("id" = AgreementId, Path)), responses((status = 200, body = AgreementView)),
    security(()), extensions(("x-roles" = json!([]))))]
#[get("/v1/agreements/{id}")]
pub(super) async fn show_agreement(
    visitor: Visitor,
    db: Data<Db>,
    id: Path<AgreementId>,
) -> Result<Json<AgreementView>> {
    let id = id.into_inner();
    let row = db.write(visitor.into(), move |tx| charter::agreement(tx, id)).await?;
    Ok(Json(row.into()))
}
