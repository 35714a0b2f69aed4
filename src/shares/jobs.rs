//! The certificate: drawn once, with no transaction open, and kept.

use super::Certificate;
use crate::archive::ArchivedFile;
use crate::formats::share_certificate::render;
use crate::kernel::ids::ShareId;
use crate::platform::db::{Actor, Db};
use crate::platform::error::{Error, Result};

/// The certificate of shares: as it was kept, or made now. Whoever asks again gets the same bytes.
///
/// # Errors
/// 404 for shares of somebody else; 409 `share_not_paid`.
pub async fn certificate(db: &Db, actor: Actor, id: ShareId) -> Result<ArchivedFile> {
    let facts = match db.write(actor.clone(), move |tx| super::certificate(tx, id)).await? {
        Certificate::Kept(file) => return Ok(file),
        Certificate::ToMake(facts) => facts,
    };
    let bytes = tokio::task::spawn_blocking(move || render(&facts)).await.map_err(Error::internal)?;
    let bytes = bytes.map_err(Error::internal)?;
    db.write(actor, move |tx| super::keep_certificate(tx, id, &bytes)).await
}
