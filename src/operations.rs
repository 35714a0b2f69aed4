//! What became of a command: for a phone that never saw the answer.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::SignedIn;
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::web::command;

crate::endpoints!(show_operation);

/// A command that was carried out or finally refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct OperationView {
    /// The key that it was sent with.
    pub key: String,
    /// Which command.
    pub operation: String,
    /// What it was answered.
    pub status: i16,
    /// The object that it made or changed.
    pub subject_id: Option<Uuid>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Shows what became of one of your commands, by its key. 404 means that nothing happened: send it again.
#[utoipa::path(tag = "operations", params(("key" = String, Path)), responses((status = 200, body = OperationView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/operations/{key}")]
async fn show_operation(who: SignedIn, db: Data<Db>, key: Path<String>) -> Result<Json<OperationView>> {
    let key = key.into_inner();
    let found = db.write(who.into(), move |tx| command::find_key(tx, &key)).await?.ok_or_else(Error::not_found)?;
    Ok(Json(OperationView {
        key: found.key,
        operation: found.operation,
        status: found.status,
        subject_id: found.subject_id,
        at: found.created_at,
    }))
}
