//! The client's link of an invoice as a page: a sixth kind of file because its readers are people without the API.
//!
//! A plain form, no script, nothing loaded from elsewhere, and nothing noted about who reads. The link itself is the
//! proof of who asks; the form carries a token made from it, so that another site cannot dispute in the client's name.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::link::{self, Behind};
use crate::access::Visitor;
use crate::archive::Kind;
use crate::formats::pages::{InvoicePage, Outcome, OutcomePage, PageLine, PayBox, VatLine, invoice_page, outcome_page};
use crate::kernel::language::Language;
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::page::{self, Shown};
use crate::platform::web::{attachment, facts, hex, problems};

/// Registers the pages.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(pdf).service(xml).service(dispute);
}

#[derive(Debug, Deserialize)]
struct Filled {
    form_token: String,
    lang: Option<String>,
    #[serde(default)]
    reason: String,
}

/// What was typed before, and what was wrong with it.
#[derive(Default)]
struct Typed {
    reason: String,
    problem: Option<String>,
}

fn form_token(keys: &Keys, token: &str) -> String {
    hex(&keys.sign_link("invoice_form", token.as_bytes()))
}

fn written(it: &Behind, keys: &Keys, token: &str, language: Language, nonce: &str, typed: Typed) -> Result<String> {
    let facts = &it.facts;
    let payment = facts.payment.as_ref().ok_or_else(Error::not_found)?;
    let shown = InvoicePage {
        entity: facts.seller.name.clone(),
        member: facts.member_name.clone().unwrap_or_default(),
        client: facts.buyer.name.clone(),
        number: facts.number.clone(),
        issued_on: facts.issued_on,
        due_on: facts.due_on.unwrap_or(facts.issued_on),
        lines: facts
            .lines
            .iter()
            .map(|line| PageLine {
                label: line.label.clone(),
                quantity: line.quantity,
                unit_price: line.unit_price,
                net: line.net,
            })
            .collect(),
        vat: facts
            .vat
            .iter()
            .filter(|vat| vat.rate.0 > 0)
            .map(|vat| VatLine { rate: vat.rate, base: vat.base, tax: vat.tax })
            .collect(),
        mentions: facts.mentions.clone(),
        net: facts.net,
        gross: facts.gross,
        open: it.open,
        currency: facts.currency,
        payment: PayBox {
            iban: payment.iban.clone(),
            bic: payment.bic.clone(),
            beneficiary: payment.beneficiary.clone(),
            reference: payment.reference.clone(),
        },
        is_disputed: it.is_disputed,
        pdf_url: it.has_pdf.then(|| format!("/i/{token}/pdf")),
        xml_url: it.has_xml.then(|| format!("/i/{token}/xml")),
        page_url: format!("/i/{token}"),
        dispute_url: format!("/i/{token}/dispute"),
        form_token: form_token(keys, token),
        reason: typed.reason,
        problem: typed.problem,
        link_until: it.until.with_timezone(&it.zone).date_naive(),
    };
    invoice_page(&shown, language, nonce).map_err(Error::internal)
}

/// The page of a link that shows nothing any more, or never did.
fn dead(error: Error, language: Language, nonce: &str) -> Result<HttpResponse> {
    let (what, status) = match error.code {
        "link_expired" | "link_used" => (Outcome::InvoiceExpired, StatusCode::GONE),
        "link_invalid" => (Outcome::Invalid, StatusCode::NOT_FOUND),
        _ => return Err(error),
    };
    let body = outcome_page(&OutcomePage::default(), what, language, nonce).map_err(Error::internal)?;
    Ok(page::html(status, body, nonce))
}

async fn load(db: &Db, keys: &Data<Keys>, visitor: Visitor, token: &str) -> Result<Behind> {
    let (keys, token) = (keys.clone(), token.to_owned());
    db.write(visitor.with_link(), move |tx| link::behind(tx, &keys, &token)).await
}

#[get("/i/{token}")]
async fn show(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
    query: Query<Shown>,
) -> Result<HttpResponse> {
    let nonce = page::nonce(db.clock());
    match load(&db, &keys, visitor, &token).await {
        Ok(it) => {
            // The client's own language unless another was chosen.
            let chosen = query.lang.as_deref().and_then(|tag| tag.parse().ok());
            let language = chosen.unwrap_or(it.facts.language);
            let body = written(&it, &keys, &token, language, &nonce, Typed::default())?;
            Ok(page::html(StatusCode::OK, body, &nonce))
        }
        Err(error) => dead(error, page::language(&request, query.lang.as_deref()), &nonce),
    }
}

async fn download(
    request: HttpRequest,
    visitor: Visitor,
    (db, keys): (Data<Db>, Data<Keys>),
    token: String,
    kind: Kind,
) -> Result<HttpResponse> {
    let nonce = page::nonce(db.clock());
    match db.write(visitor.with_link(), move |tx| link::file(tx, &keys, &token, kind)).await {
        Ok(file) => Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes)),
        Err(error) => dead(error, page::language(&request, None), &nonce),
    }
}

#[get("/i/{token}/pdf")]
async fn pdf(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
) -> Result<HttpResponse> {
    download(request, visitor, (db, keys), token.into_inner(), Kind::InvoicePdf).await
}

#[get("/i/{token}/xml")]
async fn xml(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
) -> Result<HttpResponse> {
    download(request, visitor, (db, keys), token.into_inner(), Kind::InvoiceUbl).await
}

#[post("/i/{token}/dispute")]
async fn dispute(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
    form: Form<Filled>,
) -> Result<HttpResponse> {
    let (token, form) = (token.into_inner(), form.into_inner());
    let language = page::language(&request, form.lang.as_deref());
    let nonce = page::nonce(db.clock());
    let it = match load(&db, &keys, visitor.clone(), &token).await {
        Ok(it) => it,
        Err(error) => return dead(error, language, &nonce),
    };
    let expected = form_token(&keys, &token);
    let is_our_form = bool::from(expected.as_bytes().ct_eq(form.form_token.as_bytes()));
    let done = if is_our_form {
        let (keys, token, reason) = (keys.clone(), token.clone(), form.reason.clone());
        db.write(visitor.with_link(), move |tx| {
            link::dispute(tx, &keys, &token, &reason)?;
            tx.failpoint("dispute_by_client.before_commit")
        })
        .await
    } else {
        Err(Error::conflict("document_changed"))
    };
    match done {
        Ok(()) => {
            let facts = OutcomePage {
                entity: it.facts.seller.name.clone(),
                member: it.facts.member_name.clone().unwrap_or_default(),
                answered: None,
                page_url: format!("/i/{token}"),
            };
            let body = outcome_page(&facts, Outcome::InvoiceDisputed, language, &nonce).map_err(Error::internal)?;
            Ok(page::html(StatusCode::OK, body, &nonce))
        }
        Err(error) if error.status.is_client_error() => {
            let problem = problems::body(&error, language, facts(&request).id);
            let problem = problem.get("detail").and_then(serde_json::Value::as_str).map(str::to_owned);
            let body = written(&it, &keys, &token, language, &nonce, Typed { reason: form.reason, problem })?;
            Ok(page::html(error.status, body, &nonce))
        }
        Err(error) => Err(error),
    }
}
