//! The pages behind the links of an applicant's mails: a sixth kind of file because they are read without the API.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Deserialize;

use crate::access::{self, LinkPurpose, Passwords, Visitor};
use crate::charter;
use crate::formats::pages::{AccountStep, account_page};
use crate::kernel::ids::PersonId;
use crate::kernel::language::Language;
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::page::{self, Shown};
use crate::platform::web::{facts, problems};

/// Registers the pages.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(ask_to_confirm).service(confirm).service(ask_for_password).service(set_password);
}

#[derive(Debug, Deserialize)]
struct Filled {
    lang: Option<String>,
    #[serde(default)]
    password: String,
}

/// A page being answered.
struct Desk {
    db: Data<Db>,
    address: String,
    language: Language,
}

impl Desk {
    fn new(request: &HttpRequest, db: Data<Db>, chosen: Option<&str>) -> Self {
        Self { db, address: request.path().to_owned(), language: page::language(request, chosen) }
    }

    async fn answer(
        &self,
        visitor: Visitor,
        step: AccountStep,
        status: StatusCode,
        problem: Option<&str>,
    ) -> Result<HttpResponse> {
        let entities = self.db.write(visitor.with_link(), charter::entities).await?;
        let mutual = entities.into_iter().next().map_or_else(|| "Umbel".to_owned(), |entity| entity.name);
        let nonce = page::nonce(self.db.clock());
        let body =
            account_page(step, &mutual, &self.address, problem, self.language, &nonce).map_err(Error::internal)?;
        Ok(page::html(status, body, &nonce))
    }
}

/// Whether a refusal is about the link itself.
fn is_dead(error: &Error) -> bool {
    matches!(error.code, "link_invalid" | "link_used" | "link_expired")
}

#[get("/confirm/{token}")]
async fn ask_to_confirm(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    query: Query<Shown>,
) -> Result<HttpResponse> {
    Desk::new(&request, db, query.lang.as_deref())
        .answer(visitor, AccountStep::ConfirmEmail, StatusCode::OK, None)
        .await
}

#[post("/confirm/{token}")]
async fn confirm(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
    form: Form<Filled>,
) -> Result<HttpResponse> {
    let desk = Desk::new(&request, db.clone(), form.lang.as_deref());
    let token = token.into_inner();
    match db.write(visitor.clone().with_link(), move |tx| super::confirm_email(tx, &keys, &token)).await {
        Ok(()) => desk.answer(visitor, AccountStep::EmailConfirmed, StatusCode::OK, None).await,
        Err(error) if is_dead(&error) => desk.answer(visitor, AccountStep::LinkDead, error.status, None).await,
        Err(error) => Err(error),
    }
}

#[get("/reset/{token}")]
async fn ask_for_password(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    query: Query<Shown>,
) -> Result<HttpResponse> {
    Desk::new(&request, db, query.lang.as_deref())
        .answer(visitor, AccountStep::ResetPassword, StatusCode::OK, None)
        .await
}

#[post("/reset/{token}")]
async fn set_password(
    request: HttpRequest,
    visitor: Visitor,
    (db, keys, passwords): (Data<Db>, Data<Keys>, Data<Passwords>),
    token: Path<String>,
    form: Form<Filled>,
) -> Result<HttpResponse> {
    let form = form.into_inner();
    let desk = Desk::new(&request, db.clone(), form.lang.as_deref());
    if let Err(error) = access::check_password(&form.password, "") {
        let problem = problems::body(&error, desk.language, facts(&request).id);
        let text = problem.get("detail").and_then(serde_json::Value::as_str).map(str::to_owned);
        return desk.answer(visitor, AccountStep::ResetPassword, error.status, text.as_deref()).await;
    }
    let hash = passwords.hash(form.password).await?;
    let token = token.into_inner();
    let done = db
        .write(visitor.clone().with_link(), move |tx| {
            let (link, subject) = access::follow_link(tx, &keys, LinkPurpose::ResetPassword, &token)?;
            access::use_link(tx, link)?;
            access::change_password(tx, PersonId(subject), &hash, None)?;
            access::confirm_email(tx, PersonId(subject))
        })
        .await;
    match done {
        Ok(_) => desk.answer(visitor, AccountStep::PasswordSet, StatusCode::OK, None).await,
        Err(error) if is_dead(&error) => desk.answer(visitor, AccountStep::LinkDead, error.status, None).await,
        Err(error) => Err(error),
    }
}
