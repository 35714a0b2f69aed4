//! The client's link as a page: a sixth kind of file because its readers are people without the API.
//!
//! Plain forms, no script, nothing loaded from elsewhere. The link itself is the proof of who asks; a form carries
//! a token made from it and from the shown version, so that another site cannot answer in the client's name.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{Answer, FrozenLine, NewAnswer, Offer, OrderState};
use crate::access::Visitor;
use crate::charter;
use crate::formats::local;
use crate::formats::pages::{
    Answered, OrderPage, Outcome, OutcomePage, PageLine, Typed, VatLine, order_page, outcome_page,
};
use crate::kernel::language::Language;
use crate::kernel::lines::{Adjustment, AdjustmentKind};
use crate::kernel::money::{Currency, Minor, Ppm};
use crate::kernel::vat::VatCase;
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::page::{Shown, html, language, nonce};
use crate::platform::web::{attachment, facts, hex, problems, unhex};

/// Registers the pages.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(pdf).service(confirm).service(decline).service(change);
}

#[derive(Debug, Deserialize)]
struct Filled {
    form_token: String,
    document_sha256: String,
    lang: Option<String>,
    #[serde(default)]
    signer_name: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    reason: String,
}

/// Everything that a page needs besides the offer.
struct Reader {
    language: Language,
    nonce: String,
    zone: Tz,
}

fn form_token(keys: &Keys, token: &str, sha256: &[u8]) -> String {
    let mut content = token.as_bytes().to_vec();
    content.extend_from_slice(sha256);
    hex(&keys.sign_link("order_form", &content))
}

/// What is sold, its price where cents are not fine enough, and what is taken off it or added.
fn label(line: &FrozenLine, language: Language, currency: Currency) -> String {
    let price = line.line.exact_unit_price.map(|price| format!("{} {currency}", local::number(language, price)));
    let adjusted =
        line.line.adjustments.iter().map(|adjustment| {
            format!("{}: {}", adjustment.reason, local::amount(language, signed(adjustment), currency))
        });
    let parts: Vec<_> = [line.line.label.clone()].into_iter().chain(price).chain(adjusted).collect();
    parts.join(" · ")
}

/// What an adjustment comes to, below zero for a discount.
fn signed(adjustment: &Adjustment) -> Minor {
    let amount = adjustment.amount.map_or(Minor::ZERO, |money| money.amount_minor);
    if adjustment.kind == AdjustmentKind::Discount { amount.negated().unwrap_or_default() } else { amount }
}

/// A discount or charge on the whole order as a line after the others.
fn on_all(adjustment: &Adjustment) -> PageLine {
    let amount = signed(adjustment);
    PageLine { label: adjustment.reason.clone(), quantity: Decimal::ONE, unit_price: amount, net: amount }
}

fn page(offer: &Offer, keys: &Keys, token: &str, reader: &Reader, typed: Typed) -> Result<String> {
    let content = &offer.content;
    let is_reverse = content.taxes.iter().any(|tax| tax.vat_case == VatCase::ReverseCharge);
    let facts = OrderPage {
        entity: content.entity.clone(),
        member: content.member.clone(),
        client: content.client.clone(),
        title: content.title.clone(),
        description: content.description.clone(),
        lines: content
            .lines
            .iter()
            .map(|line| PageLine {
                label: label(line, reader.language, content.currency),
                quantity: line.line.quantity,
                unit_price: line.line.unit_price.amount_minor,
                net: line.net_minor,
            })
            .chain(content.adjustments.iter().map(on_all))
            .collect(),
        net: content.net_minor,
        vat: content
            .taxes
            .iter()
            .filter(|tax| tax.rate_ppm > 0)
            .map(|tax| VatLine { rate: Ppm(tax.rate_ppm), base: tax.base_minor, tax: tax.tax_minor })
            .collect(),
        vat_note: is_reverse.then(|| crate::invoicing::reverse_charge_mention(reader.language).to_owned()),
        gross: content.gross_minor,
        currency: content.currency,
        valid_until: content.valid_until,
        conditions: String::new(),
        document_sha256: hex(&offer.sha256),
        pdf_url: offer.pdf_sha256.is_some().then(|| format!("/o/{token}/pdf")),
        page_url: format!("/o/{token}"),
        confirm_url: format!("/o/{token}/confirm"),
        decline_url: format!("/o/{token}/decline"),
        change_url: format!("/o/{token}/request_change"),
        form_token: form_token(keys, token, &offer.sha256),
        typed,
    };
    order_page(&facts, reader.language, &reader.nonce).map_err(Error::internal)
}

/// The page after an answer, or the page of a link that shows nothing any more.
fn outcome(offer: Option<&Offer>, what: Outcome, token: &str, reader: &Reader) -> Result<String> {
    let facts = offer.map_or_else(OutcomePage::default, |offer| OutcomePage {
        entity: offer.content.entity.clone(),
        member: offer.content.member.clone(),
        answered: offer.answer.as_ref().map(|answer| Answered {
            title: offer.content.title.clone(),
            gross: offer.content.gross_minor,
            currency: offer.content.currency,
            signer_name: (!answer.signer.is_empty()).then(|| answer.signer.clone()),
            answered_at: answer.at.with_timezone(&reader.zone).naive_local(),
            document_sha256: hex(&answer.sha256),
        }),
        page_url: format!("/o/{token}"),
    });
    outcome_page(&facts, what, reader.language, &reader.nonce).map_err(Error::internal)
}

fn what_it_shows(offer: &Offer) -> Option<Outcome> {
    match offer.answer.as_ref().map(|answer| answer.answer.as_str()) {
        Some("confirmed") => Some(Outcome::Confirmed),
        Some("declined") => Some(Outcome::Declined),
        Some(_) => Some(Outcome::ChangeRequested),
        None if offer.row.state != OrderState::Sent => Some(Outcome::Used),
        None if offer.is_expired => Some(Outcome::Expired),
        None => None,
    }
}

async fn load(db: &Db, keys: &Data<Keys>, visitor: Visitor, token: &str) -> Result<(Offer, Tz)> {
    let (keys, token) = (keys.clone(), token.to_owned());
    db.write(visitor.with_link(), move |tx| {
        let offer = super::offer(tx, &keys, &token)?;
        let zone = charter::entity(tx, offer.row.entity_id)?.zone();
        Ok((offer, zone))
    })
    .await
}

fn not_ours(error: Error, token: &str, language: Language, nonce: String) -> Result<HttpResponse> {
    if error.code != "link_invalid" {
        return Err(error);
    }
    let reader = Reader { language, nonce, zone: Tz::UTC };
    let body = outcome(None, Outcome::Invalid, token, &reader)?;
    Ok(html(StatusCode::NOT_FOUND, body, &reader.nonce))
}

#[get("/o/{token}")]
async fn show(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
    query: web::Query<Shown>,
) -> Result<HttpResponse> {
    let language = language(&request, query.lang.as_deref());
    let nonce = nonce(db.clock());
    let (offer, zone) = match load(&db, &keys, visitor, &token).await {
        Ok(loaded) => loaded,
        Err(error) => return not_ours(error, &token, language, nonce),
    };
    let reader = Reader { language, nonce, zone };
    let body = match what_it_shows(&offer) {
        Some(what) => outcome(Some(&offer), what, &token, &reader)?,
        None => page(&offer, &keys, &token, &reader, Typed::default())?,
    };
    Ok(html(StatusCode::OK, body, &reader.nonce))
}

#[get("/o/{token}/pdf")]
async fn pdf(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
) -> Result<HttpResponse> {
    let (nonce, token) = (nonce(db.clock()), token.into_inner());
    let asked = token.clone();
    match db.write(visitor.with_link(), move |tx| super::offered_pdf(tx, &keys, &asked)).await {
        Ok(file) => Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes)),
        Err(error) => not_ours(error, &token, language(&request, None), nonce),
    }
}

async fn take(
    request: HttpRequest,
    visitor: Visitor,
    (db, keys): (Data<Db>, Data<Keys>),
    token: String,
    form: Filled,
    answer: Answer,
) -> Result<HttpResponse> {
    let language = language(&request, form.lang.as_deref());
    let nonce = nonce(db.clock());
    let (offer, zone) = match load(&db, &keys, visitor.clone(), &token).await {
        Ok(loaded) => loaded,
        Err(error) => return not_ours(error, &token, language, nonce),
    };
    let reader = Reader { language, nonce, zone };
    let sha256 = unhex(&form.document_sha256).unwrap_or_default();
    let is_our_form = form.form_token == form_token(&keys, &token, &sha256);
    let message = if answer == Answer::Declined { form.reason.clone() } else { form.message.clone() };
    let given = NewAnswer {
        answer,
        sha256,
        signer: form.signer_name.clone(),
        message,
        user_agent: visitor.user_agent.chars().take(400).collect(),
    };
    let done = if is_our_form {
        let (keys, token) = (keys.clone(), token.clone());
        db.write(visitor.with_link(), move |tx| {
            let offer = super::answer(tx, &keys, &token, &given)?;
            tx.failpoint("answer_order.before_commit")?;
            Ok(offer)
        })
        .await
    } else {
        Err(Error::conflict("document_changed"))
    };
    match done {
        Ok(offer) => {
            let what = what_it_shows(&offer).unwrap_or(Outcome::Used);
            let body = outcome(Some(&offer), what, &token, &reader)?;
            Ok(html(StatusCode::OK, body, &reader.nonce))
        }
        Err(error) if error.status.is_client_error() => {
            if let Some(what) = what_it_shows(&offer) {
                let body = outcome(Some(&offer), what, &token, &reader)?;
                return Ok(html(error.status, body, &reader.nonce));
            }
            let problem = problems::body(&error, language, facts(&request).id);
            let problem = problem.get("detail").and_then(serde_json::Value::as_str).map(str::to_owned);
            let typed = Typed { signer_name: form.signer_name, message: form.message, reason: form.reason, problem };
            let body = page(&offer, &keys, &token, &reader, typed)?;
            Ok(html(error.status, body, &reader.nonce))
        }
        Err(error) => Err(error),
    }
}

#[post("/o/{token}/confirm")]
async fn confirm(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
    form: Form<Filled>,
) -> Result<HttpResponse> {
    take(request, visitor, (db, keys), token.into_inner(), form.into_inner(), Answer::Confirmed).await
}

#[post("/o/{token}/decline")]
async fn decline(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
    form: Form<Filled>,
) -> Result<HttpResponse> {
    take(request, visitor, (db, keys), token.into_inner(), form.into_inner(), Answer::Declined).await
}

#[post("/o/{token}/request_change")]
async fn change(
    request: HttpRequest,
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
    form: Form<Filled>,
) -> Result<HttpResponse> {
    take(request, visitor, (db, keys), token.into_inner(), form.into_inner(), Answer::ChangeRequested).await
}
