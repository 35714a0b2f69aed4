//! The counter for signing in, devices, people and roles.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Administrator, NewPerson, Passwords, PersonRow, Refreshed, SessionRow, Shown, SignedIn, TokenService, Tokens,
    Visitor, rules,
};
use crate::kernel::ids::{PersonId, SessionId};
use crate::kernel::language::Language;
use crate::kernel::roles::Role;
use crate::platform::db::{Actor, Db};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, Plain, QueryOf};

mod contacts;
mod factors;
mod roles;

use contacts::{__path_change_email, __path_change_phone, change_email, change_phone};
use factors::{
    __path_agree_to_factor_reset, __path_ask_factor_reset, __path_cancel_factor_reset, __path_carry_out_factor_reset,
    __path_confirm_second_factor, __path_enrol_second_factor, __path_list_factor_resets, __path_object_to_factor_reset,
    __path_remove_second_factor, __path_show_factor_secret, __path_show_recovery_codes, __path_show_second_factor,
    __path_step_up, agree_to_factor_reset, ask_factor_reset, cancel_factor_reset, carry_out_factor_reset,
    confirm_second_factor, enrol_second_factor, list_factor_resets, object_to_factor_reset, remove_second_factor,
    show_factor_secret, show_recovery_codes, show_second_factor, step_up,
};
use roles::{
    __path_confirm_role_grant, __path_end_role_grant, __path_grant_role, __path_list_role_grants,
    __path_list_waiting_role_grants, confirm_role_grant, end_role_grant, grant_role, list_role_grants,
    list_waiting_role_grants,
};

crate::endpoints!(
    sign_in,
    refresh_session,
    list_sessions,
    revoke_session,
    show_me,
    change_password,
    change_email,
    change_phone,
    request_password_reset,
    complete_password_reset,
    list_keys,
    create_person,
    list_people,
    list_role_grants,
    list_waiting_role_grants,
    grant_role,
    confirm_role_grant,
    end_role_grant,
    show_second_factor,
    enrol_second_factor,
    show_factor_secret,
    confirm_second_factor,
    show_recovery_codes,
    remove_second_factor,
    step_up,
    ask_factor_reset,
    list_factor_resets,
    agree_to_factor_reset,
    cancel_factor_reset,
    carry_out_factor_reset,
    object_to_factor_reset,
);

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// Address of mail.
    #[schema(max_length = 254)]
    email: String,
    /// Password.
    #[schema(max_length = 256)]
    password: String,
    /// What the device calls itself; shown in the list of devices.
    #[serde(default)]
    #[schema(max_length = 200)]
    device: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    /// The refresh token of the last answer.
    refresh_token: String,
}

/// What a device gets when it signs in or refreshes.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokensView {
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds that the access token lives.
    pub expires_in: i64,
    /// For the next pair.
    pub refresh_token: String,
    /// Who signed in.
    pub person_id: PersonId,
    /// On which device.
    pub session_id: SessionId,
}

impl From<Tokens> for TokensView {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            refresh_token: tokens.refresh_token,
            person_id: tokens.person_id,
            session_id: tokens.session_id,
        }
    }
}

/// A signed-in device.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// What it calls itself.
    pub device: String,
    /// Where it signed in from.
    pub address: String,
    /// When it signed in.
    pub created_at: DateTime<Utc>,
    /// When it last refreshed.
    pub refreshed_at: DateTime<Utc>,
    /// When it was signed out.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl From<SessionRow> for SessionView {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            device: row.device,
            address: row.address,
            created_at: row.created_at,
            refreshed_at: row.refreshed_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonView {
    /// Their id.
    pub id: PersonId,
    /// Their address of mail.
    pub email: String,
    /// Their name.
    pub name: String,
    /// What they read.
    pub language: Language,
    /// Whether they showed that they read mail there.
    pub email_verified: bool,
    /// Grows with every change.
    pub version: i32,
}

impl From<PersonRow> for PersonView {
    fn from(row: PersonRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            name: row.name,
            language: row.language,
            email_verified: row.email_verified_at.is_some(),
            version: row.version,
        }
    }
}

/// The signed-in person and what they may do today.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeView {
    /// Who.
    #[serde(flatten)]
    pub person: PersonView,
    /// Today's roles.
    pub roles: Vec<Role>,
}

/// Signs in. The answer and its time are the same for a wrong password and an unknown address.
#[utoipa::path(tag = "access", request_body = SignIn, responses((status = 200, body = TokensView)), security(()),
    extensions(("x-roles" = json!([]))))]
#[post("/v1/sessions")]
async fn sign_in(
    visitor: Visitor,
    db: Data<Db>,
    tokens: Data<TokenService>,
    passwords: Data<Passwords>,
    body: Plain<SignIn>,
) -> Result<Json<TokensView>> {
    let SignIn { email, password, device } = body.0;
    if password.chars().count() > rules::PASSWORD_MAX {
        return Err(Error::field("/password", "too_long"));
    }
    let device: String = if device.is_empty() { visitor.user_agent.clone() } else { device };
    let device: String = device.chars().filter(|c| !c.is_control()).take(200).collect();
    let actor: Actor = visitor.into();
    let address = email.clone();
    let attempt = db.write(actor.clone(), move |tx| super::attempt(tx, &address)).await?;
    if let Some(seconds) = attempt.wait {
        return Err(Error::new(actix_web::http::StatusCode::TOO_MANY_REQUESTS, "rate_limited").retry_after(seconds));
    }
    let hash = attempt.person.as_ref().map(|person| person.password_hash.clone());
    let fits = passwords.check(password, hash).await?;
    let Some(person) = attempt.person.filter(|_| fits) else {
        db.write(actor, move |tx| super::failed(tx, &email)).await?;
        return Err(Error::unauthorized("credentials_invalid"));
    };
    let tokens = db.write(actor, move |tx| super::sign_in(tx, &tokens, &person, &device)).await?;
    Ok(Json(tokens.into()))
}

/// Exchanges a refresh token for the next pair. Safe to repeat when the answer was lost.
#[utoipa::path(tag = "access", request_body = Refresh, responses((status = 200, body = TokensView)), security(()),
    extensions(("x-roles" = json!([]))))]
#[post("/v1/sessions/refresh")]
async fn refresh_session(
    visitor: Visitor,
    db: Data<Db>,
    tokens: Data<TokenService>,
    body: Plain<Refresh>,
) -> Result<Json<TokensView>> {
    let token = body.0.refresh_token;
    match db.write(visitor.into(), move |tx| super::refresh(tx, &tokens, &token)).await? {
        Refreshed::Renewed(tokens) => Ok(Json(tokens.into())),
        Refreshed::Replayed => Err(Error::unauthorized("session_revoked")),
    }
}

/// Lists your signed-in devices.
#[utoipa::path(tag = "access", responses((status = 200, body = Vec<SessionView>)), extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/sessions")]
async fn list_sessions(who: SignedIn, db: Data<Db>) -> Result<Json<Vec<SessionView>>> {
    let rows = db.write(who.into(), super::sessions).await?;
    Ok(Json(rows.into_iter().map(SessionView::from).collect()))
}

/// Signs one of your devices out.
#[utoipa::path(tag = "access", params(("id" = SessionId, Path)), request_body = Empty,
    responses((status = 200, body = SessionView)), extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/sessions/{id}/revoke")]
async fn revoke_session(
    who: SignedIn,
    db: Data<Db>,
    id: Path<SessionId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command.run(&db, who.into(), "revoke_session", move |tx, _| super::revoke(tx, id).map(SessionView::from)).await
}

/// Shows who you are and what you may do today.
#[utoipa::path(tag = "access", responses((status = 200, body = MeView)), extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/me")]
async fn show_me(who: SignedIn, db: Data<Db>) -> Result<Json<MeView>> {
    let me = db
        .write(who.into(), |tx| {
            let id = tx.person()?;
            let roles = tx.principal().map(|who| who.roles.clone()).unwrap_or_default();
            Ok(MeView { person: super::person(tx, id)?.into(), roles })
        })
        .await?;
    Ok(Json(me))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    /// The password until now.
    #[schema(max_length = 256)]
    current_password: String,
    /// The new one, at least twelve characters.
    #[schema(min_length = 12, max_length = 256)]
    password: String,
}

/// What was done, for commands that show no object.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DoneView {
    /// Whether something was done.
    pub done: bool,
}

/// Sets a new password and signs your other devices out.
#[utoipa::path(tag = "access", request_body = ChangePassword, responses((status = 200, body = DoneView)),
    extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/me/password")]
async fn change_password(
    who: SignedIn,
    db: Data<Db>,
    passwords: Data<Passwords>,
    command: Command<ChangePassword>,
) -> Result<HttpResponse> {
    let body = command.body.clone();
    let me = who.person();
    let session = who.session();
    let person = db.write(who.clone().into(), move |tx| super::person(tx, me)).await?;
    rules::check_password(&body.password, &person.email)?;
    let shown = Shown { password: body.current_password, code: None };
    super::prove(&db, &passwords, who.clone().into(), shown).await?;
    let hash = passwords.hash(body.password).await?;
    command
        .run(&db, who.into(), "change_password", move |tx, _| {
            super::change_password(tx, me, &hash, Some(session))?;
            Ok(DoneView { done: true })
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RequestReset {
    /// Address of mail.
    #[schema(max_length = 254)]
    email: String,
}

/// Sends a link for a new password, if the address is known; the answer does not tell.
#[utoipa::path(tag = "access", request_body = RequestReset, responses((status = 200, body = DoneView)), security(()),
    extensions(("x-roles" = json!([]))))]
#[post("/v1/password_resets")]
async fn request_password_reset(
    visitor: Visitor,
    db: Data<Db>,
    command: Command<RequestReset>,
) -> Result<HttpResponse> {
    command
        .run(&db, visitor.into(), "request_password_reset", |tx, body| {
            super::request_password_reset(tx, &body.email)?;
            Ok(DoneView { done: true })
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CompleteReset {
    /// From the link.
    token: String,
    /// The new password, at least twelve characters.
    #[schema(min_length = 12, max_length = 256)]
    password: String,
}

/// Sets a new password with a link from a mail, and signs every device out.
#[utoipa::path(tag = "access", request_body = CompleteReset, responses((status = 200, body = DoneView)), security(()),
    extensions(("x-roles" = json!([]))))]
#[post("/v1/password_resets/complete")]
async fn complete_password_reset(
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    passwords: Data<Passwords>,
    command: Command<CompleteReset>,
) -> Result<HttpResponse> {
    rules::check_password(&command.body.password, "")?;
    let hash = passwords.hash(command.body.password.clone()).await?;
    command
        .run(&db, visitor.with_link(), "complete_password_reset", move |tx, body| {
            let (link, subject) = super::follow_link(tx, &keys, super::LinkPurpose::ResetPassword, &body.token)?;
            super::use_link(tx, link)?;
            super::change_password(tx, PersonId(subject), &hash, None)?;
            super::confirm_email(tx, PersonId(subject))?;
            Ok(DoneView { done: true })
        })
        .await
}

/// The public keys of our tokens (RFC 7517).
#[utoipa::path(tag = "access", responses((status = 200, body = serde_json::Value)), security(()), extensions(("x-roles" = json!([]))))]
#[get("/.well-known/jwks.json")]
async fn list_keys(tokens: Data<TokenService>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "public, max-age=300")).json(tokens.jwks()))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreatePerson {
    /// Made by the sender.
    id: PersonId,
    /// Address of mail; a link to set a password goes there.
    #[schema(max_length = 254)]
    email: String,
    /// Name.
    #[schema(max_length = 200)]
    name: String,
    /// What they read.
    language: Language,
}

/// Adds a person of the office. They get a link to set their password.
#[utoipa::path(tag = "people", request_body = CreatePerson, responses((status = 201, body = PersonView)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/people")]
async fn create_person(
    who: Administrator,
    db: Data<Db>,
    passwords: Data<Passwords>,
    command: Command<CreatePerson>,
) -> Result<HttpResponse> {
    // Nobody knows this password; the link in the mail sets the first real one.
    let secret: [u8; 32] = db.clock().random_bytes();
    let hash = passwords.hash(rules::refresh_token(&secret).0).await?;
    command
        .create(&db, who.into(), "create_person", "/v1/people", move |tx, body| {
            let new = NewPerson {
                id: body.id,
                email: body.email.clone(),
                name: body.name,
                language: body.language,
                password_hash: hash.clone(),
            };
            let person = super::add_person(tx, &new)?;
            super::request_password_reset(tx, &body.email)?;
            Ok(PersonView::from(person))
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PeopleFilter {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists people, newest first.
#[utoipa::path(tag = "people", params(PeopleFilter), responses((status = 200, body = Page<PersonView>)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[get("/v1/people")]
async fn list_people(
    who: Administrator,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<PeopleFilter>,
) -> Result<Json<Page<PersonView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "people", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::people(tx, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, PersonView::from))
        })
        .await?;
    Ok(Json(page))
}
