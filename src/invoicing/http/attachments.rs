//! The counter for papers that go to the client with an invoice.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::invoices::load;
use super::views::InvoiceView;
use crate::access::{Member, MemberOrDesk};
use crate::invoicing::attachments::{self, AttachmentRow};
use crate::kernel::ids::{FileId, InvoiceId};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::web::{Command, Empty, QueryOf, Upload, attachment};

crate::endpoints!(attach_paper, list_papers, download_paper, detach_paper);

/// A paper that goes with an invoice.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttachmentView {
    /// Its id.
    pub id: FileId,
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
        Self { id: row.file_id, n: row.n, name: row.name, media_type: row.media_type, size: row.size }
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
#[utoipa::path(tag = "invoices", params(("id" = FileId, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoice_attachments/{id}")]
async fn download_paper(who: MemberOrDesk, db: Data<Db>, id: Path<FileId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| attachments::file(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

/// The invoice of a paper.
fn load_invoice(tx: &mut Tx<'_>, paper: FileId) -> Result<InvoiceView> {
    let invoice = attachments::invoice_of(tx, paper)?;
    load(tx, invoice)
}

/// Takes a paper off a draft, as the draft was seen.
#[utoipa::path(tag = "invoices", params(("id" = FileId, Path)), request_body = Empty,
    responses((status = 200, body = InvoiceView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/invoice_attachments/{id}/remove")]
async fn detach_paper(who: Member, db: Data<Db>, id: Path<FileId>, command: Command<Empty>) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "detach_paper", id.into_inner(), load_invoice, |tx, id, expected, _| {
            let invoice = attachments::detach(tx, id, expected)?;
            load(tx, invoice)
        })
        .await
}
