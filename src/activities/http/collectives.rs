//! Who shares a collective: invitations, answers, the manager's hand-over.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Member, MemberOrDesk};
use crate::activities::{MembershipRole, MembershipRow, MembershipState, collectives};
use crate::kernel::ids::{ActivityId, InvitationId, PersonId};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(
    invite_to_collective,
    hand_over_collective,
    list_collective_members,
    list_invitations,
    show_invitation,
    confirm_invitation,
    decline_invitation,
    leave_collective,
    receive_shares_on,
);

/// A place in a collective: an invitation, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationView {
    /// Its id.
    pub id: InvitationId,
    /// The collective.
    pub activity_id: ActivityId,
    /// How it was called on the day of the invitation.
    pub activity_name: String,
    /// Who is asked.
    pub member_id: PersonId,
    /// How they are called.
    pub member_name: String,
    /// `manager` or `member`.
    pub role: MembershipRole,
    /// `invited`, `confirmed`, `declined` or `left`.
    pub state: MembershipState,
    /// Who asked.
    pub invited_by: PersonId,
    /// How they are called.
    pub invited_by_name: String,
    /// The activity on which shares of the collective's money arrive.
    pub receives_on: Option<ActivityId>,
    /// When they were asked.
    pub created_at: DateTime<Utc>,
    /// When they answered.
    pub answered_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub version: i32,
}

impl From<MembershipRow> for InvitationView {
    fn from(row: MembershipRow) -> Self {
        Self {
            id: row.id,
            activity_id: row.activity_id,
            activity_name: row.activity_name,
            member_id: row.member_id,
            member_name: row.member_name,
            role: row.role,
            state: row.state,
            invited_by: row.invited_by,
            invited_by_name: row.invited_by_name,
            receives_on: row.receives_on_id,
            created_at: row.created_at,
            answered_at: row.answered_at,
            version: row.version,
        }
    }
}

fn load(tx: &mut Tx<'_>, id: InvitationId) -> Result<InvitationView> {
    collectives::membership(tx, id).map(InvitationView::from)
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Invite {
    /// Made by the sender.
    id: InvitationId,
    /// The address of mail with which they sign in.
    #[schema(max_length = 254)]
    email: String,
}

/// Asks another member of the mutual to share a collective that you manage; they are told by mail.
#[utoipa::path(tag = "collectives", params(("id" = ActivityId, Path)), request_body = Invite,
    responses((status = 201, body = InvitationView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/activities/{id}/invitations")]
async fn invite_to_collective(
    who: Member,
    db: Data<Db>,
    id: Path<ActivityId>,
    command: Command<Invite>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .create(&db, who.into(), "invite_to_collective", "/v1/invitations", move |tx, body| {
            collectives::invite(tx, id, body.id, &body.email, MembershipRole::Member).map(InvitationView::from)
        })
        .await
}

/// Asks somebody who shares a collective that you manage to take it over; you manage it until they confirm.
#[utoipa::path(tag = "collectives", params(("id" = ActivityId, Path)), request_body = Invite,
    responses((status = 201, body = InvitationView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/activities/{id}/hand_over")]
async fn hand_over_collective(
    who: Member,
    db: Data<Db>,
    id: Path<ActivityId>,
    command: Command<Invite>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .create(&db, who.into(), "hand_over_collective", "/v1/invitations", move |tx, body| {
            collectives::invite(tx, id, body.id, &body.email, MembershipRole::Manager).map(InvitationView::from)
        })
        .await
}

/// Lists everybody who was ever asked to share a collective.
#[utoipa::path(tag = "collectives", params(("id" = ActivityId, Path)), responses((status = 200, body = Vec<InvitationView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}/members")]
async fn list_collective_members(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<ActivityId>,
) -> Result<Json<Vec<InvitationView>>> {
    let id = id.into_inner();
    let places = db.write(who.into(), move |tx| collectives::members_of(tx, id)).await?;
    Ok(Json(places.into_iter().map(InvitationView::from).collect()))
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct InvitationFilter {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists your places in collectives and the invitations to them, newest first; everybody's for the office.
#[utoipa::path(tag = "collectives", params(InvitationFilter), responses((status = 200, body = Page<InvitationView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invitations")]
async fn list_invitations(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<InvitationFilter>,
) -> Result<Json<Page<InvitationView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "invitations", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = collectives::memberships(tx, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, InvitationView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows your place in a collective, or an invitation to one.
#[utoipa::path(tag = "collectives", params(("id" = InvitationId, Path)), responses((status = 200, body = InvitationView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invitations/{id}")]
async fn show_invitation(who: MemberOrDesk, db: Data<Db>, id: Path<InvitationId>) -> Result<Json<InvitationView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmInvitation {
    /// The activity of yours on which your shares of the collective's money arrive; it can be named later.
    activity_id: Option<ActivityId>,
}

/// Takes part in a collective, or takes it over: from now on you see what is on it.
#[utoipa::path(tag = "collectives", params(("id" = InvitationId, Path)), request_body = ConfirmInvitation,
    responses((status = 200, body = InvitationView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/invitations/{id}/confirm")]
async fn confirm_invitation(
    who: Member,
    db: Data<Db>,
    id: Path<InvitationId>,
    command: Command<ConfirmInvitation>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "confirm_invitation", id.into_inner(), load, |tx, id, expected, body| {
            collectives::confirm(tx, id, expected, body.activity_id).map(InvitationView::from)
        })
        .await
}

/// Does not take part in a collective, or does not take it over.
#[utoipa::path(tag = "collectives", params(("id" = InvitationId, Path)), request_body = Empty,
    responses((status = 200, body = InvitationView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/invitations/{id}/decline")]
async fn decline_invitation(
    who: Member,
    db: Data<Db>,
    id: Path<InvitationId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "decline_invitation", id.into_inner(), load, |tx, id, expected, _| {
            collectives::decline(tx, id, expected).map(InvitationView::from)
        })
        .await
}

/// Takes part in a collective no more. What you were given stays yours.
#[utoipa::path(tag = "collectives", params(("id" = InvitationId, Path)), request_body = Empty,
    responses((status = 200, body = InvitationView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/invitations/{id}/leave")]
async fn leave_collective(
    who: Member,
    db: Data<Db>,
    id: Path<InvitationId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "leave_collective", id.into_inner(), load, |tx, id, expected, _| {
            collectives::leave(tx, id, expected).map(InvitationView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReceiveShares {
    /// An open activity of yours that is not shared itself.
    activity_id: ActivityId,
}

/// Says on which of your activities your shares of a collective's money arrive from now on.
#[utoipa::path(tag = "collectives", params(("id" = InvitationId, Path)), request_body = ReceiveShares,
    responses((status = 200, body = InvitationView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/invitations/{id}/receive_on")]
async fn receive_shares_on(
    who: Member,
    db: Data<Db>,
    id: Path<InvitationId>,
    command: Command<ReceiveShares>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "receive_shares_on", id.into_inner(), load, |tx, id, expected, body| {
            collectives::receive_on(tx, id, expected, body.activity_id).map(InvitationView::from)
        })
        .await
}
