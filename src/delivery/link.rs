//! What is behind the link of an invoice's mail. A part of the desk, for people without the API.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::access::{self, LinkPurpose};
use crate::archive::{self, ArchivedFile, Kind};
use crate::formats::invoice_pdf::InvoiceFacts;
use crate::invoicing;
use crate::kernel::ids::InvoiceId;
use crate::kernel::money::Minor;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::{charter, write_offs};

/// An invoice as its client sees it.
#[derive(Debug, Clone)]
pub(super) struct Behind {
    /// What the document says, from what was frozen with it.
    pub facts: InvoiceFacts,
    /// Still to pay.
    pub open: Minor,
    /// Whether the client disputes it.
    pub is_disputed: bool,
    /// Whether the PDF is made.
    pub has_pdf: bool,
    /// Whether there is an electronic form.
    pub has_xml: bool,
    /// Until when the link works.
    pub until: DateTime<Utc>,
    /// The legal zone of the entity.
    pub zone: Tz,
}

fn follow(tx: &mut Tx<'_>, keys: &Keys, token: &str) -> Result<(Uuid, InvoiceId)> {
    let (link, subject) = access::follow_link(tx, keys, LinkPurpose::Invoice, token)?;
    Ok((link, InvoiceId(subject)))
}

/// The invoice of a link.
///
/// # Errors
/// 404 `link_invalid`; 409 `link_expired`.
pub(super) fn behind(tx: &mut Tx<'_>, keys: &Keys, token: &str) -> Result<Behind> {
    let (link, id) = follow(tx, keys, token)?;
    let invoice = invoicing::find(tx, id)?;
    let files = archive::list_of(tx, id.0)?;
    let has = |kind: Kind| files.iter().any(|file| file.kind == kind.name());
    Ok(Behind {
        facts: invoicing::jobs::facts(tx, &invoice)?,
        open: invoice.open_shown()?,
        is_disputed: invoice.dispute.is_some(),
        has_pdf: has(Kind::InvoicePdf),
        has_xml: has(Kind::InvoiceUbl),
        until: access::link_expiry(tx, LinkPurpose::Invoice, link)?,
        zone: charter::entity(tx, invoice.row.entity_id)?.zone(),
    })
}

/// A file of the invoice of a link, byte for byte.
///
/// # Errors
/// As [`behind`]; 404 where there is none.
pub(super) fn file(tx: &mut Tx<'_>, keys: &Keys, token: &str, kind: Kind) -> Result<ArchivedFile> {
    let (_, id) = follow(tx, keys, token)?;
    archive::find_of(tx, id.0, kind)?.ok_or_else(Error::not_found)
}

/// Takes the client's objection.
///
/// # Errors
/// As [`behind`]; 409 when it is disputed or nothing is open; 422 for the reason.
pub(super) fn dispute(tx: &mut Tx<'_>, keys: &Keys, token: &str, reason: &str) -> Result<()> {
    let (link, id) = follow(tx, keys, token)?;
    write_offs::dispute_by_client(tx, id, link, reason).map(drop)
}
