//! The counter for papers that go to the client with an invoice.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::invoices::{InvoiceView, load};
use crate::access::{Member, MemberOrDesk};
use crate::invoicing::attachments::{self, AttachmentRow};
use crate::kernel::ids::InvoiceId;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::{Command, Empty, QueryOf, Upload, attachment};

crate::endpoints!(attach_paper, list_papers, download_paper, detach_paper);

/// A paper that goes with an invoice.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttachmentView {
    /// Its place.
    pub n: i32,
    /// Its file name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// How many bytes it has.
    pub size: i64,
}

impl From<AttachmentRow> for AttachmentView {
    fn from(row: AttachmentRow) -> Self {
        Self { n: row.n, name: row.name, media_type: row.media_type, size: row.size }
    }
}

#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PaperName {
    /// Its file name, as the client reads it.
    #[param(max_length = 100)]
    name: String,
}

/// Adds a paper to a draft: a PDF, JPEG or PNG of at most 2 MiB, up to five. It goes to the client with the invoice.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path), PaperName),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = AttachmentView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/invoices/{id}/attachments")]
async fn attach_paper(
    who: Member,
    db: Data<Db>,
    id: Path<InvoiceId>,
    query: QueryOf<PaperName>,
    upload: Upload,
) -> Result<HttpResponse> {
    let (id, name) = (id.into_inner(), query.0.name);
    let place = format!("/v1/invoices/{id}/attachments");
    upload
        .command
        .create(&db, who.into(), "attach_paper", &place, move |tx, bytes| {
            attachments::attach(tx, id, &name, &bytes).map(AttachmentView::from)
        })
        .await
}

/// Lists the papers of an invoice.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path)), responses((status = 200, body = Vec<AttachmentView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}/attachments")]
async fn list_papers(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<Json<Vec<AttachmentView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| attachments::list(tx, id)).await?;
    Ok(Json(rows.into_iter().map(AttachmentView::from).collect()))
}

/// Downloads a paper, byte for byte as it was uploaded.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path), ("n" = i32, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}/attachments/{n}")]
async fn download_paper(who: MemberOrDesk, db: Data<Db>, path: Path<(InvoiceId, i32)>) -> Result<HttpResponse> {
    let (id, n) = path.into_inner();
    let file = db.write(who.into(), move |tx| attachments::file(tx, id, n)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

/// Takes a paper off a draft.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path), ("n" = i32, Path)), request_body = Empty,
    responses((status = 200, body = InvoiceView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/invoices/{id}/attachments/{n}/remove")]
async fn detach_paper(
    who: Member,
    db: Data<Db>,
    path: Path<(InvoiceId, i32)>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let (id, n) = path.into_inner();
    command
        .change(&db, who.into(), "detach_paper", id, load, move |tx, id, expected, _| {
            attachments::detach(tx, id, expected, n)?;
            load(tx, id)
        })
        .await
}
