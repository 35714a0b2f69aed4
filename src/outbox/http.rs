//! The counter for mails: what was sent, what was refused, try again.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::EmailMessage;
use crate::access::{Desk, Reviewer};
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(list_emails, retry_email);

/// A mail, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmailView {
    /// Its id.
    pub id: Uuid,
    /// Its kind.
    pub letter: String,
    /// What it is about.
    pub subject_id: Uuid,
    /// Where it went.
    pub recipient: String,
    /// Its subject line.
    pub subject: String,
    /// The same for every try.
    pub message_id: String,
    /// `queued`, `sent`, `refused` (for good; a person must look) or `failed` (will be tried again).
    pub state: String,
    /// Tries so far.
    pub attempts: i32,
    /// What the server said.
    pub last_error: Option<String>,
    /// When it was first tried.
    pub created_at: DateTime<Utc>,
    /// When the next server took it.
    pub sent_at: Option<DateTime<Utc>>,
}

impl From<EmailMessage> for EmailView {
    fn from(row: EmailMessage) -> Self {
        Self {
            id: row.id,
            letter: row.letter,
            subject_id: row.subject_id,
            recipient: row.recipient,
            subject: row.subject,
            message_id: row.message_id,
            state: row.state,
            attempts: row.attempts,
            last_error: row.last_error,
            created_at: row.created_at,
            sent_at: row.sent_at,
        }
    }
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EmailFilter {
    /// `queued`, `sent`, `refused` or `failed`.
    state: Option<String>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists mails, newest first.
#[utoipa::path(tag = "mails", params(EmailFilter), responses((status = 200, body = Page<EmailView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/emails")]
async fn list_emails(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<EmailFilter>,
) -> Result<Json<Page<EmailView>>> {
    let filter = filter.0;
    if filter.state.as_deref().is_some_and(|state| !["queued", "sent", "refused", "failed"].contains(&state)) {
        return Err(Error::field("/state", "invalid"));
    }
    let listing = Listing::new(&keys, who.person(), "emails", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::emails(tx, filter.state.as_deref(), listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id, EmailView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Tries a mail again that was refused or keeps failing.
#[utoipa::path(tag = "mails", params(("id" = Uuid, Path)), request_body = Empty, responses((status = 200, body = EmailView)),
    extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/emails/{id}/retry")]
async fn retry_email(who: Reviewer, db: Data<Db>, id: Path<Uuid>, command: Command<Empty>) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .run(&db, who.into(), "retry_email", move |tx, _| {
            let email = super::retry_email(tx, id)?;
            Ok(EmailView::from(email))
        })
        .await
}
