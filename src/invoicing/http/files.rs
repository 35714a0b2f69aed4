//! The counter for the files of a document, and for the mails about an invoice.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get};

use crate::access::MemberOrDesk;
use crate::archive::{self, Kind};
use crate::invoicing::{self, credit};
use crate::kernel::ids::{InvoiceId, PersonId};
use crate::outbox;
use crate::outbox::http::EmailView;
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::web::attachment;

crate::endpoints!(
    download_invoice,
    list_invoice_emails,
    download_invoice_ubl,
    download_invoice_cii,
    download_credit_note_ubl,
    download_credit_note_cii
);

/// Downloads the PDF: the same bytes for ever. 404 until it has been made, a moment after the issue.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path)),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}/pdf")]
async fn download_invoice(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<HttpResponse> {
    download(who, &db, id.into_inner(), invoicing::owner, Kind::InvoicePdf).await
}

/// Downloads the electronic invoice in UBL (Peppol BIS Billing 3.0): the same bytes for ever. 404 until it has been made,
/// and for a buyer without an electronic address.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path)),
    responses((status = 200, content_type = "application/xml", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}/ubl")]
async fn download_invoice_ubl(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<HttpResponse> {
    download(who, &db, id.into_inner(), invoicing::owner, Kind::InvoiceUbl).await
}

/// Downloads the electronic invoice in CII (the XML of Factur-X, profile EN 16931): the same bytes for ever. 404 until it
/// has been made.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path)),
    responses((status = 200, content_type = "application/xml", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}/cii")]
async fn download_invoice_cii(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<HttpResponse> {
    download(who, &db, id.into_inner(), invoicing::owner, Kind::InvoiceCii).await
}

/// Downloads the electronic credit note in UBL (Peppol BIS Billing 3.0): the same bytes for ever. 404 until it has been made,
/// and for a buyer without an electronic address.
#[utoipa::path(tag = "credit notes", params(("id" = InvoiceId, Path)),
    responses((status = 200, content_type = "application/xml", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/credit_notes/{id}/ubl")]
async fn download_credit_note_ubl(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<HttpResponse> {
    download(who, &db, id.into_inner(), credit::owner, Kind::InvoiceUbl).await
}

/// Downloads the electronic credit note in CII (the XML of Factur-X, profile EN 16931): the same bytes for ever. 404 until it
/// has been made.
#[utoipa::path(tag = "credit notes", params(("id" = InvoiceId, Path)),
    responses((status = 200, content_type = "application/xml", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/credit_notes/{id}/cii")]
async fn download_credit_note_cii(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<HttpResponse> {
    download(who, &db, id.into_inner(), credit::owner, Kind::InvoiceCii).await
}

/// Lists the mails about an invoice and what became of them: sent, refused, tried again.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path)), responses((status = 200, body = Vec<EmailView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}/emails")]
async fn list_invoice_emails(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<Json<Vec<EmailView>>> {
    let id = id.into_inner();
    let rows = db
        .write(who.into(), move |tx| {
            invoicing::owner(tx, id)?;
            outbox::emails_about(tx, id.0)
        })
        .await?;
    Ok(Json(rows.into_iter().map(EmailView::from).collect()))
}

/// A file of a document, for whom `owner` shows the document.
async fn download(
    who: MemberOrDesk,
    db: &Db,
    id: InvoiceId,
    owner: fn(&mut Tx<'_>, InvoiceId) -> Result<PersonId>,
    kind: Kind,
) -> Result<HttpResponse> {
    let file = db
        .write(who.into(), move |tx| {
            owner(tx, id)?;
            archive::find_of(tx, id.0, kind)?.ok_or_else(Error::not_found)
        })
        .await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}
