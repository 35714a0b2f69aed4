//! The counter where a person says how they are reached.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{DoneView, PersonView};
use crate::access::{self, Passwords, Shown, SignedIn};
use crate::platform::db::Db;
use crate::platform::error::Result;
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
}

/// Changes your address of mail. The addresses before it are told; money that waits for a new account waits longer.
#[utoipa::path(tag = "access", request_body = ChangeEmail, responses((status = 200, body = PersonView)),
    extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/me/email")]
pub(super) async fn change_email(
    who: SignedIn,
    db: Data<Db>,
    passwords: Data<Passwords>,
    command: Command<ChangeEmail>,
) -> Result<HttpResponse> {
    let shown = Shown::Password(command.body.current_password.clone());
    let proof = access::prove(&db, &passwords, who.clone().into(), shown).await?;
    command
        .run(&db, who.into(), "change_email", move |tx, body| {
            access::change_email(tx, &proof, &body.email).map(PersonView::from)
        })
        .await
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
}

/// Changes your telephone number. Your addresses of mail are told; money that waits for a new account waits longer.
#[utoipa::path(tag = "access", request_body = ChangePhone, responses((status = 200, body = DoneView)),
    extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/me/phone")]
pub(super) async fn change_phone(
    who: SignedIn,
    db: Data<Db>,
    passwords: Data<Passwords>,
    command: Command<ChangePhone>,
) -> Result<HttpResponse> {
    let shown = Shown::Password(command.body.current_password.clone());
    let proof = access::prove(&db, &passwords, who.clone().into(), shown).await?;
    command
        .run(&db, who.into(), "change_phone", move |tx, body| {
            access::change_phone(tx, &proof, &body.phone)?;
            Ok(DoneView { done: true })
        })
        .await
}
