//! The counter for papers that decisions rest on: brought before the decision, which names them.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{Desk, ReviewerOrAdministrator};
use crate::archive::{self, FileInfo};
use crate::kernel::ids::FileId;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::{Upload, attachment, hex};

/// A paper that was uploaded for a decision to name.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvidenceView {
    /// Its id: the `evidence_id` of a decision.
    pub id: FileId,
    /// Its media type.
    pub media_type: String,
    /// How many bytes it has.
    pub size: i64,
    /// SHA-256 in hex.
    pub sha256: String,
}

impl From<FileInfo> for EvidenceView {
    fn from(file: FileInfo) -> Self {
        Self { id: file.id, media_type: file.media_type, size: file.size, sha256: hex(&file.sha256) }
    }
}

/// Uploads the paper of a decision, a PDF, JPEG or PNG of at most 10 MiB: for rules, exemptions, surpluses and deliveries to name.
#[utoipa::path(tag = "charter", request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = EvidenceView)), extensions(("x-roles" = json!(["reviewer", "administrator"]))))]
#[post("/v1/evidence")]
pub(super) async fn add_evidence(who: ReviewerOrAdministrator, db: Data<Db>, upload: Upload) -> Result<HttpResponse> {
    upload
        .command
        .create(&db, who.into(), "add_evidence", "/v1/evidence", |tx, bytes| {
            archive::keep_evidence(tx, &bytes).map(EvidenceView::from)
        })
        .await
}

/// Downloads the paper of a decision, byte for byte as it was uploaded.
#[utoipa::path(tag = "charter", params(("id" = FileId, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/evidence/{id}")]
pub(super) async fn download_evidence(who: Desk, db: Data<Db>, id: Path<FileId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| archive::find_evidence(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}
