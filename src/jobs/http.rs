//! The counter for jobs: how far they are, what came of them, no longer wanted.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{JobKind, JobState, Known};
use crate::access::SignedIn;
use crate::kernel::ids::{EntityId, JobId, PersonId};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(list_jobs, show_job, cancel_job);

/// Work that takes longer than a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// What is done.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// For which entity.
    pub entity_id: EntityId,
    /// What it is about.
    pub subject_id: Uuid,
    /// Who asked for it.
    pub requested_by: PersonId,
    /// What was asked for.
    pub parameters: Value,
    /// Pieces done.
    pub done_count: i64,
    /// Pieces in all; absent as long as that is unknown.
    pub total_count: Option<i64>,
    /// When the worker last said something.
    pub heartbeat_at: DateTime<Utc>,
    /// What came of it, once it is done.
    pub result: Option<Value>,
    /// Why it failed: the code of a problem.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was begun.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
    /// Grows with every change of state, not with progress.
    pub version: i32,
}

impl From<Known> for JobView {
    fn from((row, progress): Known) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            state: row.state,
            entity_id: row.entity_id,
            subject_id: row.subject_id,
            requested_by: row.requested_by,
            parameters: row.parameters,
            done_count: progress.done_count,
            total_count: progress.total_count,
            heartbeat_at: progress.heartbeat_at,
            result: row.result,
            error: row.error_code,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            version: row.version,
        }
    }
}

impl JobView {
    fn load(tx: &mut Tx<'_>, id: JobId) -> Result<Self> {
        super::job(tx, id).map(Self::from)
    }
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct JobFilter {
    /// In this state.
    state: Option<JobState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists jobs, newest first: your own, or all of them for the office.
#[utoipa::path(tag = "jobs", params(JobFilter), responses((status = 200, body = Page<JobView>)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/jobs")]
async fn list_jobs(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<JobFilter>,
) -> Result<Json<Page<JobView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "jobs", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::jobs(tx, filter.state, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |(row, _)| row.id.0, JobView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a job: how far it is, and what came of it.
#[utoipa::path(tag = "jobs", params(("id" = JobId, Path)), responses((status = 200, body = JobView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/jobs/{id}")]
async fn show_job(who: SignedIn, db: Data<Db>, id: Path<JobId>) -> Result<Json<JobView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| JobView::load(tx, id)).await?))
}

/// Gives a job up that is not over: your own, or any for the office.
#[utoipa::path(tag = "jobs", params(("id" = JobId, Path)), request_body = Empty,
    responses((status = 200, body = JobView)), extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/jobs/{id}/cancel")]
async fn cancel_job(who: SignedIn, db: Data<Db>, id: Path<JobId>, command: Command<Empty>) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "cancel_job", id, JobView::load, |tx, id, expected, _| {
            super::cancel(tx, id, expected).map(JobView::from)
        })
        .await
}
