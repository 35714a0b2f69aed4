//! Papers that go to the client with an invoice: time sheets, delivery notes (EN 16931, BG-24).

use super::rules::{self, Command};
pub use super::store::AttachmentRow;
use super::{check_version, store};
use crate::archive::{self, ArchivedFile, Kind, NewFile};
use crate::kernel::ids::{FileId, InvoiceId};
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// Papers of one invoice at most.
pub const ATTACHMENTS_MAX: i32 = 5;
/// Bytes of one paper at most: what mail servers and access points take without asking.
pub const BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of all papers of one invoice: they stand in the PDF and in the electronic invoice, and both go with one mail.
const ALL_BYTES_MAX: usize = 5 * 1024 * 1024;

/// Adds a paper to a draft: a PDF, JPEG or PNG.
///
/// # Errors
/// 409 unless it is a draft, `attachments_full` for a sixth; 415 `upload_type_unsupported`; 422 for a name that is no file
/// name, is there already or ends otherwise than its kind, and for more than 2 MiB, or 5 MiB with the others.
pub fn attach(tx: &mut Tx<'_>, id: InvoiceId, name: &str, bytes: &[u8]) -> Result<AttachmentRow> {
    let invoice = store::lock(tx, id)?;
    rules::may(invoice.state, Command::Revise)?;
    let there = store::list_attachments(tx, id)?;
    let name = name.trim();
    let mut checks = Checks::default();
    checks.text(name, "/name", 1, 100);
    checks.require(!name.contains(['/', '\\', ':', '"']) && !name.starts_with('.'), "/name", "invalid");
    checks.require(there.iter().all(|paper| paper.name != name), "/name", "not_unique");
    checks.require(!bytes.is_empty(), "/", "required");
    let so_far: i64 = there.iter().map(|paper| paper.size).sum();
    let fits = usize::try_from(so_far).unwrap_or(usize::MAX).saturating_add(bytes.len()) <= ALL_BYTES_MAX;
    checks.require(bytes.len() <= BYTES_MAX && fits, "/", "too_long");
    checks.done()?;
    let unsupported = || Error::new(actix_web::http::StatusCode::UNSUPPORTED_MEDIA_TYPE, "upload_type_unsupported");
    let media_type = archive::recognise(bytes).ok_or_else(unsupported)?;
    let n = (1..=ATTACHMENTS_MAX).find(|n| there.iter().all(|paper| paper.n != *n));
    let n = n.ok_or_else(|| Error::conflict("attachments_full").with("max", ATTACHMENTS_MAX))?;
    let new = NewFile {
        kind: Kind::InvoiceAttachment,
        subject: id.0,
        owner: Some(invoice.member_id),
        name,
        media_type: media_type.name(),
        bytes,
    };
    let file = archive::keep(tx, &new)?;
    store::insert_attachment(tx, (id, n), file, &new)
}

/// Takes a paper off a draft. Answers the draft.
///
/// # Errors
/// 404; 409 unless it is a draft; 412 for another version of the draft.
pub fn detach(tx: &mut Tx<'_>, paper: FileId, expected: i32) -> Result<InvoiceId> {
    let id = invoice_of(tx, paper)?;
    let invoice = store::lock(tx, id)?;
    check_version(&invoice, expected)?;
    rules::may(invoice.state, Command::Revise)?;
    store::delete_attachment(tx, paper)?;
    Ok(id)
}

/// With which invoice a paper goes.
///
/// # Errors
/// 404.
pub fn invoice_of(tx: &mut Tx<'_>, paper: FileId) -> Result<InvoiceId> {
    let id = store::invoice_of_attachment(tx, paper)?;
    store::find(tx, id).map(|invoice| invoice.id)
}

/// The papers of an invoice, in their order.
///
/// # Errors
/// 404 for an invoice that one does not see.
pub fn list(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Vec<AttachmentRow>> {
    store::find(tx, id)?;
    store::list_attachments(tx, id)
}

/// A paper with its bytes.
///
/// # Errors
/// 404.
pub fn file(tx: &mut Tx<'_>, paper: FileId) -> Result<ArchivedFile> {
    invoice_of(tx, paper)?;
    archive::find(tx, paper)
}
