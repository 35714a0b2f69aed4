//! The counter for second factors.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::DoneView;
use crate::access::factors::{self, FactorKind, Operation, ProofMethod, ResetRow, ResetState, StepUpRow, counted};
use crate::access::{self, Administrator, Passwords, Shown, SignedIn};
use crate::kernel::ids::{FactorId, FactorResetId, PersonId, StepUpId};
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf, hex, unhex};

/// The second factor of the signed-in person.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecondFactorView {
    /// Its id; none where nothing is set up.
    pub id: Option<FactorId>,
    /// What it is.
    #[schema(inline)]
    pub kind: Option<FactorKind>,
    /// When its first code was shown; it counts from then on.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// Recovery codes that are left.
    pub recovery_codes_left: i64,
}

fn view(tx: &mut Tx<'_>) -> Result<SecondFactorView> {
    let (factor, recovery_codes_left) = factors::mine(tx)?.map_or((None, 0), |(factor, left)| (Some(factor), left));
    Ok(SecondFactorView {
        id: factor.as_ref().map(|factor| factor.id),
        kind: factor.as_ref().map(|factor| factor.kind),
        confirmed_at: factor.and_then(|factor| factor.confirmed_at),
        recovery_codes_left,
    })
}

/// What an authenticator is told, once.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretView {
    /// In base 32, to be typed.
    pub secret: String,
    /// The same as a link, to be shown as a QR code.
    pub uri: String,
}

/// What to note on paper.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecoveryCodesView {
    /// Each stands for one code of the authenticator, once.
    pub codes: Vec<String>,
}

/// A second factor that was shown for one command.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepUpView {
    /// Its id: the `second_factor` of the command.
    pub id: StepUpId,
    /// How it was shown.
    pub method: ProofMethod,
    /// For which command.
    pub operation: Operation,
    /// On which hash, in hex.
    pub sha256: String,
    /// Until when it may be used, once.
    pub expires_at: DateTime<Utc>,
}

impl From<StepUpRow> for StepUpView {
    fn from(row: StepUpRow) -> Self {
        let sha256 = hex(&row.sha256);
        Self { id: row.id, method: row.method, operation: row.operation, sha256, expires_at: row.expires_at }
    }
}

/// A request to take a second factor away from somebody who lost it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FactorResetView {
    /// Its id.
    pub id: FactorResetId,
    /// Grows with every change.
    pub version: i32,
    /// `asked`, `agreed`, `cancelled` or `done`.
    pub state: ResetState,
    /// Whose factor.
    pub person_id: PersonId,
    /// Why.
    pub reason: String,
    /// The first administrator.
    pub asked_by: PersonId,
    /// The second.
    pub agreed_by: Option<PersonId>,
    /// When it may be carried out: a day after the second agreed.
    pub effective_at: Option<DateTime<Utc>>,
    /// When it was.
    pub done_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

impl From<ResetRow> for FactorResetView {
    fn from(row: ResetRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            person_id: row.person_id,
            reason: row.reason,
            asked_by: row.asked_by,
            agreed_by: row.agreed_by,
            effective_at: row.effective_at,
            done_at: row.done_at,
            created_at: row.created_at,
        }
    }
}

/// Checks a password, counting wrong ones as at the door.
async fn check_password(who: &SignedIn, db: &Db, passwords: &Passwords, password: String) -> Result<()> {
    access::prove(db, passwords, who.clone().into(), Shown { password, code: None }).await.map(|_proof| ())
}

/// Shows whether you have a second factor.
#[utoipa::path(tag = "access", responses((status = 200, body = SecondFactorView)), extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/me/second_factor")]
pub(super) async fn show_second_factor(who: SignedIn, db: Data<Db>) -> Result<Json<SecondFactorView>> {
    Ok(Json(db.write(who.into(), view).await?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EnrolFactor {
    /// Made by the sender.
    id: FactorId,
    /// Your password.
    #[schema(max_length = 256)]
    current_password: String,
}

/// Begins to set an authenticator up; its secret is shown apart until it is confirmed.
#[utoipa::path(tag = "access", request_body = EnrolFactor, responses((status = 201, body = SecondFactorView)),
    extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/me/second_factor")]
pub(super) async fn enrol_second_factor(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    passwords: Data<Passwords>,
    command: Command<EnrolFactor>,
) -> Result<HttpResponse> {
    check_password(&who, &db, &passwords, command.body.current_password.clone()).await?;
    command
        .create(&db, who.into(), "enrol_second_factor", "/v1/me/second_factor", move |tx, body| {
            factors::enrol(tx, &keys, body.id)?;
            view(tx)
        })
        .await
}

/// Shows the secret of an authenticator that is being set up.
#[utoipa::path(tag = "access", responses((status = 200, body = SecretView)), extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/me/second_factor/secret")]
pub(super) async fn show_factor_secret(who: SignedIn, db: Data<Db>, keys: Data<Keys>) -> Result<HttpResponse> {
    let (secret, uri) = db.write(who.into(), move |tx| factors::secret(tx, &keys)).await?;
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(SecretView { secret, uri }))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmFactor {
    /// The six digits that the authenticator shows now.
    #[schema(max_length = 40)]
    code: String,
}

/// Confirms the authenticator with its first code.
#[utoipa::path(tag = "access", request_body = ConfirmFactor, responses((status = 200, body = SecondFactorView)),
    extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/me/second_factor/confirm")]
pub(super) async fn confirm_second_factor(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    command: Command<ConfirmFactor>,
) -> Result<HttpResponse> {
    let actor: Actor = who.into();
    let outcome = command
        .run(&db, actor.clone(), "confirm_second_factor", move |tx, body| {
            factors::confirm(tx, &keys, &body.code)?;
            view(tx)
        })
        .await;
    counted(&db, actor, outcome).await
}

/// Shows the recovery codes, for a quarter of an hour after the authenticator was confirmed.
#[utoipa::path(tag = "access", responses((status = 200, body = RecoveryCodesView)), extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/me/second_factor/recovery_codes")]
pub(super) async fn show_recovery_codes(who: SignedIn, db: Data<Db>, keys: Data<Keys>) -> Result<HttpResponse> {
    let codes = db.write(who.into(), move |tx| factors::shown_recovery_codes(tx, &keys)).await?;
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(RecoveryCodesView { codes }))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RemoveFactor {
    /// Your password.
    #[schema(max_length = 256)]
    current_password: String,
    /// A code of the authenticator, or a recovery code.
    #[schema(max_length = 40)]
    code: String,
}

/// Takes your second factor away.
#[utoipa::path(tag = "access", request_body = RemoveFactor, responses((status = 200, body = DoneView)),
    extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/me/second_factor/remove")]
pub(super) async fn remove_second_factor(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    passwords: Data<Passwords>,
    command: Command<RemoveFactor>,
) -> Result<HttpResponse> {
    check_password(&who, &db, &passwords, command.body.current_password.clone()).await?;
    let actor: Actor = who.into();
    let outcome = command
        .run(&db, actor.clone(), "remove_second_factor", move |tx, body| {
            factors::remove(tx, &keys, &body.code)?;
            Ok(DoneView { done: true })
        })
        .await;
    counted(&db, actor, outcome).await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StepUp {
    /// Made by the sender.
    id: StepUpId,
    /// For which command.
    operation: Operation,
    /// On which hash, in hex.
    #[schema(min_length = 64, max_length = 64)]
    sha256: String,
    /// The six digits that the authenticator shows now, or a recovery code.
    #[schema(max_length = 40)]
    code: String,
}

/// Shows your second factor for one command on one hash. Good for five minutes, once.
#[utoipa::path(tag = "access", request_body = StepUp, responses((status = 201, body = StepUpView)),
    extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/step_ups")]
pub(super) async fn step_up(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    command: Command<StepUp>,
) -> Result<HttpResponse> {
    let actor: Actor = who.into();
    let outcome = command
        .create(&db, actor.clone(), "step_up", "/v1/step_ups", move |tx, body| {
            let sha256 = unhex(&body.sha256).filter(|hash| hash.len() == 32);
            let sha256 = sha256.ok_or_else(|| Error::field("/sha256", "invalid"))?;
            factors::prove(tx, &keys, body.id, (body.operation, &sha256), &body.code).map(StepUpView::from)
        })
        .await;
    counted(&db, actor, outcome).await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskReset {
    /// Made by the sender.
    id: FactorResetId,
    /// How it was made sure that it is this person who asks.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Asks to take the second factor away from somebody who lost it.
#[utoipa::path(tag = "people", params(("id" = PersonId, Path)), request_body = AskReset,
    responses((status = 201, body = FactorResetView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/people/{id}/second_factor_resets")]
pub(super) async fn ask_factor_reset(
    who: Administrator,
    db: Data<Db>,
    id: Path<PersonId>,
    command: Command<AskReset>,
) -> Result<HttpResponse> {
    let person = id.into_inner();
    command
        .create(&db, who.into(), "ask_factor_reset", "/v1/second_factor_resets", move |tx, body| {
            factors::ask_reset(tx, body.id, person, &body.reason).map(FactorResetView::from)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ResetQuery {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists requests for a new second factor, newest first.
#[utoipa::path(tag = "people", params(ResetQuery), responses((status = 200, body = Page<FactorResetView>)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[get("/v1/second_factor_resets")]
pub(super) async fn list_factor_resets(
    who: Administrator,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<ResetQuery>,
) -> Result<Json<Page<FactorResetView>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "factor_resets", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = factors::resets(tx, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, FactorResetView::from))
        })
        .await?;
    Ok(Json(page))
}

fn load(tx: &mut Tx<'_>, id: FactorResetId) -> Result<FactorResetView> {
    factors::reset(tx, id).map(FactorResetView::from)
}

/// Agrees, as a second administrator: a day later it may be carried out. The person is told.
#[utoipa::path(tag = "people", params(("id" = FactorResetId, Path)), request_body = Empty,
    responses((status = 200, body = FactorResetView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/second_factor_resets/{id}/agree")]
pub(super) async fn agree_to_factor_reset(
    who: Administrator,
    db: Data<Db>,
    id: Path<FactorResetId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "agree_to_factor_reset", id.into_inner(), load, |tx, id, expected, _| {
            factors::agree_to_reset(tx, id, expected).map(FactorResetView::from)
        })
        .await
}

/// Gives the request up.
#[utoipa::path(tag = "people", params(("id" = FactorResetId, Path)), request_body = Empty,
    responses((status = 200, body = FactorResetView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/second_factor_resets/{id}/cancel")]
pub(super) async fn cancel_factor_reset(
    who: Administrator,
    db: Data<Db>,
    id: Path<FactorResetId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "cancel_factor_reset", id.into_inner(), load, |tx, id, expected, _| {
            factors::cancel_reset(tx, id, expected).map(FactorResetView::from)
        })
        .await
}

/// Carries the request out, a day after the second administrator agreed.
#[utoipa::path(tag = "people", params(("id" = FactorResetId, Path)), request_body = Empty,
    responses((status = 200, body = FactorResetView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/second_factor_resets/{id}/carry_out")]
pub(super) async fn carry_out_factor_reset(
    who: Administrator,
    db: Data<Db>,
    id: Path<FactorResetId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "carry_out_factor_reset", id.into_inner(), load, |tx, id, expected, _| {
            factors::carry_out_reset(tx, id, expected).map(FactorResetView::from)
        })
        .await
}

/// Objects to whatever somebody asked about your second factor: you have not lost it.
#[utoipa::path(tag = "access", request_body = Empty, responses((status = 200, body = DoneView)),
    extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/me/second_factor/object")]
pub(super) async fn object_to_factor_reset(
    who: SignedIn,
    db: Data<Db>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command.run(&db, who.into(), "object_to_factor_reset", |tx, _| Ok(DoneView { done: factors::object(tx)? })).await
}
