//! The counter for how the documents of an entity look.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::EvidenceView;
use crate::access::{Administrator, Desk};
use crate::charter::design::{self, AddressWindow, DesignRow, NewDesign};
use crate::kernel::ids::{DesignId, EntityId, FileId, PersonId};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::{Command, Upload};

/// A logo that was uploaded: its `id` is the `logo_id` of a design.
type LogoView = EvidenceView;

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetDesign {
    /// Made by the sender.
    id: DesignId,
    /// For titles and bars.
    #[schema(pattern = "^#[0-9a-f]{6}$", example = "#175e54")]
    main_colour: String,
    /// For backgrounds, made light.
    #[serde(default)]
    #[schema(pattern = "^#[0-9a-f]{6}$")]
    second_colour: Option<String>,
    /// Where the window of its envelopes is.
    address_window: AddressWindow,
    /// A logo that was uploaded.
    #[serde(default)]
    logo_id: Option<FileId>,
}

/// How the documents of an entity look.
#[derive(Debug, Serialize, ToSchema)]
pub struct DesignView {
    /// Its id.
    pub id: DesignId,
    /// Whose documents.
    pub entity_id: EntityId,
    /// For titles and bars.
    pub main_colour: String,
    /// For backgrounds.
    pub second_colour: Option<String>,
    /// Where the window of its envelopes is.
    pub address_window: AddressWindow,
    /// Its logo.
    pub logo_id: Option<FileId>,
    /// Who set it.
    pub set_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<DesignRow> for DesignView {
    fn from(row: DesignRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            main_colour: row.main_colour,
            second_colour: row.second_colour,
            address_window: row.address_window,
            logo_id: row.logo_id,
            set_by: row.set_by,
            created_at: row.created_at,
        }
    }
}

/// Uploads a logo, a PNG or JPEG of at most 10 MiB, for a design to name.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = EvidenceView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/logos")]
pub(super) async fn add_logo(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    upload: Upload,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    let place = format!("/v1/entities/{id}/logos");
    upload
        .command
        .create(&db, who.into(), "add_logo", &place, move |tx, bytes| {
            design::keep_logo(tx, id, &bytes).map(LogoView::from)
        })
        .await
}

/// Sets how the documents of an entity look from now on; documents that are made stay as they are.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path)), request_body = SetDesign,
    responses((status = 201, body = DesignView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/designs")]
pub(super) async fn set_design(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<SetDesign>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    let place = format!("/v1/entities/{entity}/designs");
    command
        .create(&db, who.into(), "set_design", &place, move |tx, body| {
            let new = NewDesign {
                id: body.id,
                entity,
                main_colour: body.main_colour,
                second_colour: body.second_colour,
                window: body.address_window,
                logo: body.logo_id,
            };
            design::set_design(tx, &new).map(DesignView::from)
        })
        .await
}

/// Lists how the documents of an entity looked and look, newest first.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<DesignView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/designs")]
pub(super) async fn list_designs(who: Desk, db: Data<Db>, id: Path<EntityId>) -> Result<Json<Vec<DesignView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| design::designs(tx, id)).await?;
    Ok(Json(rows.into_iter().map(DesignView::from).collect()))
}
