//! Files that never change: invoices, sealed bank files, what members upload, what banks send.
//!
//! Owns `archived_file` and reads `retention_rule`. A file is written once with its SHA-256 and is read back byte-equal;
//! PostgreSQL refuses any change. Files lie in the database, so that a backup is whole and a file commits with what it
//! belongs to. How long each must stay PostgreSQL says when it is kept, by the rules of the countries of the mutual.

mod rules;
mod store;

pub use rules::{MediaType, recognise};
pub use store::{ArchivedFile, FileInfo, KeptFile, KeptFilter, RetentionRule};

use std::io::Read as _;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::kernel::ids::{FileId, PersonId};
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::web::Packed;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The PDF of an issued invoice or credit note: one for ever.
    InvoicePdf,
    /// The order form of a version that was sent: one for ever.
    OrderPdf,
    /// A reminder of what is open of an invoice: one for ever.
    PaymentReminder,
    /// A formal demand to the client of a late invoice: one for ever.
    FormalDemand,
    /// What a collection agency gets, for programs and as a table.
    AgencyHandover,
    /// The table.
    AgencyHandoverCsv,
    /// What proves a lost claim to the tax office: one for ever.
    VatDossier,
    /// A paper that goes to the client with an invoice.
    InvoiceAttachment,
    /// The same as an electronic invoice of the Peppol network: one for ever.
    InvoiceUbl,
    /// The same as the XML of Factur-X: one for ever.
    InvoiceCii,
    /// The PDF of an invoice between members: one for ever.
    InternalInvoicePdf,
    /// The logo of an entity.
    Logo,
    /// The bank file of a sealed batch.
    BatchFile,
    /// Who an applicant is.
    IdentityProof,
    /// That a bank account is the applicant's.
    BankProof,
    /// A statement as the bank sent it.
    BankStatement,
    /// The invoice of a supplier.
    CostDocument,
    /// The certificate of a paid share: one for ever.
    ShareCertificate,
    /// What a wage became, line by line: one for ever.
    Payslip,
    /// A paper that a decision rests on.
    Evidence,
    /// What an access point answered about a document.
    DeliveryReceipt,
    /// An electronic invoice of a supplier, as it came.
    SupplierInvoice,
}

impl Kind {
    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvoicePdf => "invoice_pdf",
            Self::OrderPdf => "order_pdf",
            Self::PaymentReminder => "payment_reminder",
            Self::FormalDemand => "formal_demand",
            Self::AgencyHandover => "agency_handover",
            Self::AgencyHandoverCsv => "agency_handover_csv",
            Self::VatDossier => "vat_dossier",
            Self::InvoiceAttachment => "invoice_attachment",
            Self::InvoiceUbl => "invoice_ubl",
            Self::InvoiceCii => "invoice_cii",
            Self::InternalInvoicePdf => "internal_invoice_pdf",
            Self::Logo => "logo",
            Self::BatchFile => "batch_file",
            Self::IdentityProof => "identity_proof",
            Self::BankProof => "bank_proof",
            Self::BankStatement => "bank_statement",
            Self::CostDocument => "cost_document",
            Self::ShareCertificate => "share_certificate",
            Self::Payslip => "payslip",
            Self::Evidence => "evidence",
            Self::DeliveryReceipt => "delivery_receipt",
            Self::SupplierInvoice => "supplier_invoice",
        }
    }
}

/// A file to keep.
#[derive(Debug, Clone)]
pub struct NewFile<'a> {
    /// What it is.
    pub kind: Kind,
    /// What it belongs to.
    pub subject: Uuid,
    /// Who may see it beside staff.
    pub owner: Option<PersonId>,
    /// What it is called when it is downloaded.
    pub name: &'a str,
    /// Its media type.
    pub media_type: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Keeps a file for ever.
///
/// # Errors
/// Fails with the database, also for a second invoice PDF.
pub fn keep(tx: &mut Tx<'_>, file: &NewFile<'_>) -> Result<FileId> {
    let id = tx.new_id();
    store::insert(tx, id, file, &sha256(file.bytes))?;
    Ok(id)
}

/// Files up to this many bytes are kept as they are, larger ones packed.
const PLAIN_MAX: usize = 1024 * 1024;

/// Keeps a file that may be large; `file.bytes` is not looked at.
///
/// # Errors
/// Fails with the database.
pub fn keep_packed(tx: &mut Tx<'_>, file: &NewFile<'_>, packed: &Packed) -> Result<FileId> {
    if packed.size() <= PLAIN_MAX {
        return keep(tx, &NewFile { bytes: &packed.bytes()?, ..file.clone() });
    }
    let id = tx.new_id();
    store::insert_packed(tx, id, file, packed)?;
    Ok(id)
}

/// Keeps a paper that a decision will rest on: a PDF, JPEG or PNG, for the office.
///
/// # Errors
/// 415 `upload_type_unsupported`; 422 for an empty one.
pub fn keep_evidence(tx: &mut Tx<'_>, bytes: &[u8]) -> Result<FileInfo> {
    let me = tx.person()?;
    if bytes.is_empty() {
        return Err(Error::field("/", "required"));
    }
    let Some(media_type) = recognise(bytes) else {
        return Err(Error::new(actix_web::http::StatusCode::UNSUPPORTED_MEDIA_TYPE, "upload_type_unsupported"));
    };
    let name = format!("{}.{}", Kind::Evidence.name(), media_type.ending());
    let new =
        NewFile { kind: Kind::Evidence, subject: me.0, owner: None, name: &name, media_type: media_type.name(), bytes };
    let id = keep(tx, &new)?;
    store::list_of(tx, me.0)?.into_iter().find(|file| file.id == id).ok_or_else(Error::not_found)
}

/// A paper that a decision rests on. Who may read it, PostgreSQL says: the office, and a member that of an exemption of
/// their own.
///
/// # Errors
/// 404 when it is not there, is no such paper or is not for the reader.
pub fn find_evidence(tx: &mut Tx<'_>, id: FileId) -> Result<ArchivedFile> {
    store::find_of_kind(tx, id, Kind::Evidence)
}

/// Whether a decision may rest on a file: it is there, and was kept as evidence.
pub fn check_evidence(tx: &mut Tx<'_>, id: Option<FileId>, checks: &mut Checks) {
    if let Some(id) = id {
        checks.require(find_evidence(tx, id).is_ok(), "/evidence_id", "invalid");
    }
}

/// A file.
///
/// # Errors
/// 404 when it is not there or somebody else's.
pub fn find(tx: &mut Tx<'_>, id: FileId) -> Result<ArchivedFile> {
    let file = store::find(tx, id)?;
    match file.packing {
        Some(_) => {
            let mut bytes = Vec::new();
            GzDecoder::new(file.bytes.as_slice()).read_to_end(&mut bytes).map_err(Error::internal)?;
            if sha256(&bytes).as_slice() != file.sha256.as_slice() {
                return Err(Error::internal("a kept file is not what it was"));
            }
            Ok(ArchivedFile { bytes, packing: None, ..file })
        }
        None => Ok(file),
    }
}

/// The newest file of a kind that belongs to something.
///
/// # Errors
/// Fails with the database.
pub fn find_of(tx: &mut Tx<'_>, subject: Uuid, kind: Kind) -> Result<Option<ArchivedFile>> {
    store::find_of(tx, subject, kind)
}

/// Files with how long they must stay, the last kept first.
///
/// # Errors
/// Fails with the database.
pub fn kept(tx: &mut Tx<'_>, filter: &KeptFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<KeptFile>> {
    store::list_kept(tx, filter, after, limit)
}

/// For how long files must stay, by class and country.
///
/// # Errors
/// Fails with the database.
pub fn retention_rules(tx: &mut Tx<'_>) -> Result<Vec<RetentionRule>> {
    store::list_retention_rules(tx)
}

/// The one file of a kind that belongs to something which two people share. Who may read it, PostgreSQL says.
///
/// # Errors
/// 404 when it is not there or not for the reader.
pub fn find_shared(tx: &mut Tx<'_>, subject: Uuid, kind: Kind) -> Result<ArchivedFile> {
    store::find_shared(tx, subject, kind)
}

/// What belongs to something, oldest first, without the bytes.
///
/// # Errors
/// Fails with the database.
pub fn list_of(tx: &mut Tx<'_>, subject: Uuid) -> Result<Vec<FileInfo>> {
    store::list_of(tx, subject)
}
