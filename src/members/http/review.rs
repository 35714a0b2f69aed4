//! The office's side of applications: the queue, and the decisions of a reviewer who is not the applicant.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::applications::{ApplicationView, load};
use crate::access::{PersonRow, Reviewer, SignedIn};
use crate::kernel::ids::{ApplicationId, EntityId, PersonId};
use crate::members::{self, ApplicationRow, ApplicationState};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(
    list_applications,
    start_application_review,
    request_application_info,
    accept_application,
    reject_application,
);

/// An application in a list.
#[derive(Debug, Serialize, ToSchema)]
struct ApplicationSummary {
    /// Its id.
    id: ApplicationId,
    /// Who applies.
    person_id: PersonId,
    /// To which entity.
    entity_id: EntityId,
    /// Where it stands.
    state: ApplicationState,
    /// The applicant's name.
    name: String,
    /// What they do.
    trade: Option<String>,
    /// When it was begun.
    created_at: DateTime<Utc>,
    /// When it was last submitted.
    submitted_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    version: i32,
}

impl From<(ApplicationRow, Option<PersonRow>)> for ApplicationSummary {
    fn from((row, person): (ApplicationRow, Option<PersonRow>)) -> Self {
        Self {
            id: row.id,
            person_id: row.person_id,
            entity_id: row.entity_id,
            state: row.state,
            name: person.map(|person| person.name).unwrap_or_default(),
            trade: row.trade,
            created_at: row.created_at,
            submitted_at: row.submitted_at,
            version: row.version,
        }
    }
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ApplicationQuery {
    /// Those in one state.
    #[param(inline)]
    state: Option<ApplicationState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists applications, newest first: your own, or all of them for the office.
#[utoipa::path(tag = "applications", params(ApplicationQuery), responses((status = 200, body = Page<ApplicationSummary>)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/applications")]
async fn list_applications(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<ApplicationQuery>,
) -> Result<Json<Page<ApplicationSummary>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "applications", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = members::applications(tx, query.state, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |(row, _)| row.id.0, ApplicationSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Takes an application up for review.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path)), request_body = Empty,
    responses((status = 200, body = ApplicationView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/applications/{id}/start_review")]
async fn start_application_review(
    who: Reviewer,
    db: Data<Db>,
    id: Path<ApplicationId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "start_application_review", id, load, |tx, id, expected, _| {
            members::start_review(tx, id, expected)?;
            load(tx, id)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RequestInfo {
    /// What is needed; the applicant reads it.
    #[schema(min_length = 1, max_length = 2000)]
    message: String,
}

/// Asks the applicant for something and gives the application back.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path)), request_body = RequestInfo,
    responses((status = 200, body = ApplicationView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/applications/{id}/request_info")]
async fn request_application_info(
    who: Reviewer,
    db: Data<Db>,
    id: Path<ApplicationId>,
    command: Command<RequestInfo>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "request_application_info", id, load, |tx, id, expected, body| {
            members::request_info(tx, id, expected, &body.message)?;
            load(tx, id)
        })
        .await
}

/// Accepts an application: verifies its bank account, makes a member, subscribes one share and says how to pay it.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path)), request_body = Empty,
    responses((status = 200, body = ApplicationView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/applications/{id}/accept")]
async fn accept_application(
    who: Reviewer,
    db: Data<Db>,
    id: Path<ApplicationId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "accept_application", id, load, |tx, id, expected, _| {
            members::accept(tx, id, expected)?;
            load(tx, id)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectApplication {
    /// Why; the applicant reads it.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// Refuses an application, with a reason.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path)), request_body = RejectApplication,
    responses((status = 200, body = ApplicationView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/applications/{id}/reject")]
async fn reject_application(
    who: Reviewer,
    db: Data<Db>,
    id: Path<ApplicationId>,
    command: Command<RejectApplication>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "reject_application", id, load, |tx, id, expected, body| {
            members::reject(tx, id, expected, &body.reason)?;
            load(tx, id)
        })
        .await
}
