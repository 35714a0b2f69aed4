//! Who buys.
//!
//! Owns `client` and `vat_check`. Each member keeps their own relation with a client; one that documents name is
//! archived and never deleted, and documents copy what they need of it. How much a client may owe across members is
//! the guarantee's to say. Blocking a client for everybody is not here yet.

mod rules;
mod store;

pub use rules::{ClientKind, VatOutcome};
pub use store::ClientRow;

use crate::kernel::ids::ClientId;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// A client.
///
/// # Errors
/// 404 when there is none, or when it is another member's.
pub fn client(tx: &mut Tx<'_>, id: ClientId) -> Result<ClientRow> {
    store::find(tx, id)
}
