//! The SQL of papers that go with an invoice.

use diesel::prelude::*;
use umbel_schema::invoice_attachment;

use crate::archive::NewFile;
use crate::kernel::ids::{FileId, InvoiceId};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// A paper that goes with an invoice.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = invoice_attachment, check_for_backend(diesel::pg::Pg))]
pub struct AttachmentRow {
    /// Its place, 1 to 5.
    pub n: i32,
    /// Its file.
    pub file_id: FileId,
    /// Its file name.
    pub name: String,
    /// How many bytes it has.
    pub size: i64,
    /// Its media type.
    pub media_type: String,
}

pub(in crate::invoicing) fn insert_attachment(
    tx: &mut Tx<'_>,
    (invoice, n): (InvoiceId, i32),
    file: FileId,
    new: &NewFile<'_>,
) -> Result<AttachmentRow> {
    Ok(diesel::insert_into(invoice_attachment::table)
        .values((
            invoice_attachment::invoice_id.eq(invoice),
            invoice_attachment::n.eq(n),
            invoice_attachment::file_id.eq(file),
            invoice_attachment::name.eq(new.name),
            invoice_attachment::size.eq(i64::try_from(new.bytes.len()).unwrap_or(i64::MAX)),
            invoice_attachment::media_type.eq(new.media_type),
        ))
        .returning(AttachmentRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::invoicing) fn list_attachments(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Vec<AttachmentRow>> {
    Ok(invoice_attachment::table
        .filter(invoice_attachment::invoice_id.eq(invoice))
        .order(invoice_attachment::n.asc())
        .select(AttachmentRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::invoicing) fn invoice_of_attachment(tx: &mut Tx<'_>, file: FileId) -> Result<InvoiceId> {
    Ok(invoice_attachment::table
        .filter(invoice_attachment::file_id.eq(file))
        .select(invoice_attachment::invoice_id)
        .first(tx.conn())?)
}

pub(in crate::invoicing) fn delete_attachment(tx: &mut Tx<'_>, file: FileId) -> Result<()> {
    match diesel::delete(invoice_attachment::table.filter(invoice_attachment::file_id.eq(file))).execute(tx.conn())? {
        0 => Err(Error::not_found()),
        _ => Ok(()),
    }
}
