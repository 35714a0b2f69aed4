//! The counter where a person says how they are reached.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{DoneView, PersonView};
use crate::access::factors::counted;
use crate::access::{self, Passwords, Shown, SignedIn};
use crate::platform::db::{Actor, Db};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::Command;

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeEmail {
    /// The new address of mail.
    #[schema(max_length = 254)]
    email: String,
    /// Your password, as a fresh proof.
    #[schema(max_length = 256)]
    current_password: String,
    /// A code of your authenticator, or a recovery code; needed where you have one.
    #[serde(default)]
    #[schema(max_length = 40)]
    code: Option<String>,
}

/// Changes your address of mail. The addresses before it are told; money that waits for a new account waits longer.
#[utoipa::path(tag = "access", request_body = ChangeEmail, responses((status = 200, body = PersonView)),
    extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/me/email")]
pub(super) async fn change_email(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    passwords: Data<Passwords>,
    command: Command<ChangeEmail>,
) -> Result<HttpResponse> {
    let actor: Actor = who.into();
    let shown = Shown { password: command.body.current_password.clone(), code: command.body.code.clone() };
    let proof = access::prove(&db, &passwords, actor.clone(), shown).await?;
    let outcome = command
        .run(&db, actor.clone(), "change_email", move |tx, body| {
            access::change_email(tx, &keys, &proof, &body.email).map(PersonView::from)
        })
        .await;
    counted(&db, actor, outcome).await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePhone {
    /// The new telephone number.
    #[schema(max_length = 40)]
    phone: String,
    /// Your password, as a fresh proof.
    #[schema(max_length = 256)]
    current_password: String,
    /// A code of your authenticator, or a recovery code; needed where you have one.
    #[serde(default)]
    #[schema(max_length = 40)]
    code: Option<String>,
}

/// Changes your telephone number. Your addresses of mail are told; money that waits for a new account waits longer.
#[utoipa::path(tag = "access", request_body = ChangePhone, responses((status = 200, body = DoneView)),
    extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/me/phone")]
pub(super) async fn change_phone(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    passwords: Data<Passwords>,
    command: Command<ChangePhone>,
) -> Result<HttpResponse> {
    let actor: Actor = who.into();
    let shown = Shown { password: command.body.current_password.clone(), code: command.body.code.clone() };
    let proof = access::prove(&db, &passwords, actor.clone(), shown).await?;
    let outcome = command
        .run(&db, actor.clone(), "change_phone", move |tx, body| {
            access::change_phone(tx, &keys, &proof, &body.phone)?;
            Ok(DoneView { done: true })
        })
        .await;
    counted(&db, actor, outcome).await
}
