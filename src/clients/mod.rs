//! Who buys.
//!
//! Owns `client` and `vat_check`. Each member keeps their own relation with a client; one that documents name is
//! archived and never deleted, and documents copy what they need of it. How much a client may owe across members is
//! the guarantee's to say. Blocking a client for everybody is not here yet.

pub mod http;
mod rules;
mod store;
mod vies;

use std::collections::BTreeMap;

pub use rules::{ClientKind, VatOutcome};
pub use store::{ClientDetails, ClientRow, VatCheckRow};
use uuid::Uuid;
pub use vies::{FixtureRegistry, UnavailableRegistry, VatAnswer, VatRegistry};

use crate::kernel::ids::ClientId;
use crate::kernel::language::Language;
use crate::kernel::patch::Patch;
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// What a member changes about a client; what is absent stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are those of ClientDetails")]
pub struct ClientPatch {
    pub name: Option<String>,
    pub kind: Option<ClientKind>,
    pub email: Option<String>,
    pub language: Option<Language>,
    pub vat_number: Patch<String>,
    pub enterprise_number: Patch<String>,
    pub gln: Patch<String>,
    pub electronic_address: Patch<String>,
    pub contact_name: Patch<String>,
    pub contact_phone: Patch<String>,
    /// Its documents carry their labels in this language too.
    pub second_language: Patch<Language>,
    pub address: Option<AddressPatch>,
}

/// What changes about an address; what is absent stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are those of ClientDetails")]
pub struct AddressPatch {
    pub street: Option<String>,
    pub building_number: Option<String>,
    pub postcode: Option<String>,
    pub town: Option<String>,
    pub country: Option<String>,
}

/// Which clients to list.
#[derive(Debug, Clone, Default)]
pub struct ClientFilter {
    /// Whose name begins with this, in any case.
    pub name: Option<String>,
    /// Those that were put away instead of the others.
    pub is_archived: bool,
}

/// A client.
///
/// # Errors
/// 404 when there is none, or when it is another member's.
pub fn client(tx: &mut Tx<'_>, id: ClientId) -> Result<ClientRow> {
    store::find(tx, id)
}

/// Clients, newest first.
///
/// # Errors
/// 422 for a name that no client can have.
pub fn clients(tx: &mut Tx<'_>, filter: &ClientFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<ClientRow>> {
    let mut checks = Checks::default();
    checks.text(filter.name.as_deref().unwrap_or_default(), "/name", 0, 200);
    checks.done()?;
    store::list(tx, filter, after, limit)
}

/// The last answer of the VAT registry about each of some clients.
///
/// # Errors
/// Fails with the database.
pub fn last_checks(tx: &mut Tx<'_>, of: &[ClientId]) -> Result<BTreeMap<ClientId, VatCheckRow>> {
    Ok(store::list_last_checks(tx, of)?.into_iter().map(|check| (check.client_id, check)).collect())
}

/// Adds a client of the signed-in member.
///
/// # Errors
/// 422 for what is not acceptable.
pub fn add(tx: &mut Tx<'_>, id: ClientId, new: ClientDetails) -> Result<ClientRow> {
    let me = tx.person()?;
    let details = rules::details(new)?;
    store::insert(tx, id, me, &details)
}

/// Changes what the signed-in member says about a client. Documents that are out keep what they said.
///
/// # Errors
/// 409 `client_archived`; 412 for another version; 422 for what is not acceptable.
pub fn change(tx: &mut Tx<'_>, id: ClientId, expected: i32, patch: ClientPatch) -> Result<ClientRow> {
    let row = store::lock(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    rules::check_editable(&row, tx.person()?)?;
    let details = rules::details(rules::patched(&row, patch))?;
    store::save(tx, &row, &details)
}

/// Puts a client away: it can be chosen no longer, and its documents stay.
///
/// # Errors
/// 409 `client_archived`; 412 for another version.
pub fn archive(tx: &mut Tx<'_>, id: ClientId, expected: i32) -> Result<ClientRow> {
    let row = store::lock(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    rules::check_editable(&row, tx.person()?)?;
    let now = tx.now();
    store::save_archived(tx, &row, Some(now))
}

/// Takes a client back that was put away.
///
/// # Errors
/// 409 `state_conflict` when it was not; 412 for another version.
pub fn restore(tx: &mut Tx<'_>, id: ClientId, expected: i32) -> Result<ClientRow> {
    let row = store::lock(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    rules::check_own(&row, tx.person()?)?;
    if row.archived_at.is_none() {
        return Err(Error::state_conflict("active", "restore"));
    }
    store::save_archived(tx, &row, None)
}

/// The VAT number of a client that the registry can be asked about.
///
/// # Errors
/// 422 when the client has none.
pub fn vat_number_to_check(tx: &mut Tx<'_>, id: ClientId) -> Result<String> {
    store::find(tx, id)?.vat_number.ok_or_else(|| Error::field("/vat_number", "required"))
}

/// Keeps what the VAT registry answered about a number of a client, as proof of having asked.
///
/// # Errors
/// 404 for a client of somebody else.
pub fn keep_answer(tx: &mut Tx<'_>, id: ClientId, number: &str, answer: &VatAnswer) -> Result<VatCheckRow> {
    let client = store::find(tx, id)?;
    store::insert_check(tx, &client, number, answer)
}
