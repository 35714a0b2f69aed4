//! The counter for the roles of the office.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{self, Administrator, GrantRow, NewGrant};
use crate::kernel::ids::{GrantId, PersonId};
use crate::kernel::roles::Role;
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::web::{Command, Empty};

/// A role for a time.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantView {
    /// Its id.
    pub id: GrantId,
    /// Who has it.
    pub person_id: PersonId,
    /// What.
    pub role: String,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Until the day before this one.
    pub valid_until: Option<NaiveDate>,
    /// Who granted it, or asked for it.
    pub granted_by: Option<PersonId>,
    /// Whether another administrator has to confirm it before it counts.
    pub needs_confirmation: bool,
    /// Who confirmed it.
    pub confirmed_by: Option<PersonId>,
    /// From this moment on it counts, within its days: a day after it was confirmed; none while it waits for that.
    pub effective_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub version: i32,
}

impl From<GrantRow> for GrantView {
    fn from(row: GrantRow) -> Self {
        Self {
            id: row.id,
            person_id: row.person_id,
            role: row.role,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            granted_by: row.granted_by,
            needs_confirmation: row.needs_confirmation,
            confirmed_by: row.confirmed_by,
            effective_at: row.effective_at,
            version: row.version,
        }
    }
}

/// Lists the roles of a person, past and future ones too, and those that wait for another administrator.
#[utoipa::path(tag = "people", params(("id" = PersonId, Path)), responses((status = 200, body = Vec<GrantView>)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[get("/v1/people/{id}/role_grants")]
pub(super) async fn list_role_grants(
    who: Administrator,
    db: Data<Db>,
    id: Path<PersonId>,
) -> Result<Json<Vec<GrantView>>> {
    let id = id.into_inner();
    let rows = db
        .write(who.into(), move |tx| {
            access::person(tx, id)?;
            access::grants(tx, id)
        })
        .await?;
    Ok(Json(rows.into_iter().map(GrantView::from).collect()))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GrantRole {
    /// Made by the sender.
    id: GrantId,
    /// What.
    role: Role,
    /// From this day on.
    valid_from: NaiveDate,
    /// Until the day before this one; open when absent.
    #[serde(default)]
    valid_until: Option<NaiveDate>,
}

/// Asks for a role of the office for somebody else, for a time. Another administrator confirms it, and it counts a day
/// later; while the mutual is being set up by its first administrator it counts at once. Every administrator is told.
#[utoipa::path(tag = "people", params(("id" = PersonId, Path)), request_body = GrantRole, responses((status = 201, body = GrantView)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/people/{id}/role_grants")]
pub(super) async fn grant_role(
    who: Administrator,
    db: Data<Db>,
    id: Path<PersonId>,
    command: Command<GrantRole>,
) -> Result<HttpResponse> {
    let person = id.into_inner();
    command
        .create(&db, who.into(), "grant_role", "/v1/role_grants", move |tx, body| {
            if body.role == Role::Member {
                return Err(Error::field("/role", "not_allowed"));
            }
            let new = NewGrant { id: body.id, person, role: body.role, from: body.valid_from, until: body.valid_until };
            access::grant(tx, &new).map(GrantView::from)
        })
        .await
}

/// Lists the roles that wait for another administrator, oldest first; at most 200.
#[utoipa::path(tag = "people", responses((status = 200, body = Vec<GrantView>)), extensions(("x-roles" = json!(["administrator"]))))]
#[get("/v1/role_grants")]
pub(super) async fn list_waiting_role_grants(who: Administrator, db: Data<Db>) -> Result<Json<Vec<GrantView>>> {
    let rows = db.write(who.into(), access::waiting_grants).await?;
    Ok(Json(rows.into_iter().map(GrantView::from).collect()))
}

fn load(tx: &mut Tx<'_>, id: GrantId) -> Result<GrantView> {
    access::grant_by_id(tx, id).map(GrantView::from)
}

/// Confirms a role as another administrator than who asked for it: it counts a day later. Every administrator is told.
#[utoipa::path(tag = "people", params(("id" = GrantId, Path)), request_body = Empty, responses((status = 200, body = GrantView)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/role_grants/{id}/confirm")]
pub(super) async fn confirm_role_grant(
    who: Administrator,
    db: Data<Db>,
    id: Path<GrantId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "confirm_role_grant", id.into_inner(), load, |tx, id, expected, _| {
            access::confirm_grant(tx, id, expected).map(GrantView::from)
        })
        .await
}

/// Ends a role today, or gives up one that waits. One administrator is enough.
#[utoipa::path(tag = "people", params(("id" = GrantId, Path)), request_body = Empty, responses((status = 200, body = GrantView)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/role_grants/{id}/end")]
pub(super) async fn end_role_grant(
    who: Administrator,
    db: Data<Db>,
    id: Path<GrantId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "end_role_grant", id.into_inner(), load, |tx, id, expected, _| {
            access::end_grant(tx, id, expected).map(GrantView::from)
        })
        .await
}
