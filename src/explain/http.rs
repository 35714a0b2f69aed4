//! The counter for explanations, as they are and signed.

use actix_web::http::header::ACCEPT;
use actix_web::web::{Data, Path};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev, get};
use serde::Deserialize;
use std::future::{Ready, ready};
use utoipa::IntoParams;

use super::{Balance, Step, Trace};
use crate::access::{MemberOrDesk, TokenService};
use crate::archive;
use crate::formats::evidence::{self, Form};
use crate::kernel::ids::{ActivityId, InvoiceId, PayoutId};
use crate::kernel::language::Language;
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{self, QueryOf, attachment};

crate::endpoints!(trace_posting, trace_invoice, trace_payout, trace_balance);

/// Pieces of a balance that are named when the caller does not say how many.
const PIECES_DEFAULT: usize = 20;

/// What every explanation needs to know of its request.
struct Asked {
    language: Option<Language>,
    wants_jose: bool,
}

impl FromRequest for Asked {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _payload: &mut dev::Payload) -> Self::Future {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let names_language = !header(actix_web::http::header::ACCEPT_LANGUAGE).is_empty();
        let language = names_language.then(|| web::language(request));
        ready(Ok(Self { language, wants_jose: header(ACCEPT).contains(evidence::MEDIA_TYPE) }))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Signing {
    /// Signed, as evidence that `umbel verify` checks with the file and our public keys alone. With
    /// `Accept: application/jose+json` the same as a flattened JWS.
    signed: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct BalanceQuery {
    /// Signed, as for any explanation.
    signed: Option<bool>,
    /// How many of the newest pieces are named one by one, 1 to 200; the others are one sum.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// Explains, and answers it in the form that was asked for.
async fn answer(
    who: MemberOrDesk,
    (db, keys, tokens): (Data<Db>, Data<Keys>, Data<TokenService>),
    asked: Asked,
    is_signed: bool,
    mut explain: impl FnMut(&mut Tx<'_>, Language) -> Result<Step> + Send + 'static,
) -> Result<HttpResponse> {
    let wanted = asked.language;
    let issuer = tokens.issuer().to_owned();
    let trace = db
        .write(who.into(), move |tx| {
            let language = super::language(tx, wanted);
            let trace = explain(tx, language)?;
            Ok(Trace { version: 1, issuer: issuer.clone(), made_at: tx.now(), language, trace })
        })
        .await?;
    let form = match (asked.wants_jose, is_signed) {
        (true, _) => Form::Jose,
        (false, true) => Form::Readable,
        (false, false) => {
            return Ok(HttpResponse::Ok().insert_header(("Content-Language", trace.language.tag())).json(trace));
        }
    };
    let (kid, key) = keys.signing();
    let bytes = evidence::sign(&serde_json::to_value(&trace)?, kid, key, form).map_err(Error::internal)?.into_bytes();
    let media_type = if form == Form::Jose { evidence::MEDIA_TYPE } else { "application/json" };
    Ok(attachment("trace.json", media_type, &archive::sha256(&bytes), bytes))
}

/// Explains a line of the books: its entry, its rule, its calculation, and the chain back to documents and decisions.
#[utoipa::path(tag = "explain", params(("id" = i64, Path), Signing), responses((status = 200, body = Trace)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/postings/{id}/trace")]
async fn trace_posting(
    who: MemberOrDesk,
    parts: (Data<Db>, Data<Keys>, Data<TokenService>),
    id: Path<String>,
    query: QueryOf<Signing>,
    asked: Asked,
) -> Result<HttpResponse> {
    let id: i64 = id.parse().map_err(|_not_a_number| Error::not_found())?;
    let is_signed = query.0.signed.unwrap_or_default();
    answer(who, parts, asked, is_signed, move |tx, language| super::posting(tx, id, language)).await
}

/// Explains what an activity gets of an invoice.
#[utoipa::path(tag = "explain", params(("id" = InvoiceId, Path), Signing), responses((status = 200, body = Trace)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}/trace")]
async fn trace_invoice(
    who: MemberOrDesk,
    parts: (Data<Db>, Data<Keys>, Data<TokenService>),
    id: Path<InvoiceId>,
    query: QueryOf<Signing>,
    asked: Asked,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    let is_signed = query.0.signed.unwrap_or_default();
    answer(who, parts, asked, is_signed, move |tx, language| super::invoice(tx, id, language)).await
}

/// Explains a payout: which money it is made of, and where each part of it came from.
#[utoipa::path(tag = "explain", params(("id" = PayoutId, Path), Signing), responses((status = 200, body = Trace)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payouts/{id}/trace")]
async fn trace_payout(
    who: MemberOrDesk,
    parts: (Data<Db>, Data<Keys>, Data<TokenService>),
    id: Path<PayoutId>,
    query: QueryOf<Signing>,
    asked: Asked,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    let is_signed = query.0.signed.unwrap_or_default();
    answer(who, parts, asked, is_signed, move |tx, language| super::payout(tx, id, language)).await
}

/// Explains a balance of an activity: which money it is made of, the newest pieces one by one.
#[utoipa::path(tag = "explain", params(("id" = ActivityId, Path), ("balance" = inline(Balance), Path), BalanceQuery),
    responses((status = 200, body = Trace)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}/balances/{balance}/trace")]
async fn trace_balance(
    who: MemberOrDesk,
    parts: (Data<Db>, Data<Keys>, Data<TokenService>),
    path: Path<(ActivityId, String)>,
    query: QueryOf<BalanceQuery>,
    asked: Asked,
) -> Result<HttpResponse> {
    let (id, which) = path.into_inner();
    let which: Balance = which.parse().map_err(|_no_such_balance| Error::not_found())?;
    let limit = query.0.limit.unwrap_or(PIECES_DEFAULT);
    if !(1..=200).contains(&limit) {
        return Err(Error::field("/limit", "out_of_range"));
    }
    let is_signed = query.0.signed.unwrap_or_default();
    answer(who, parts, asked, is_signed, move |tx, language| super::balance(tx, id, which, limit, language)).await
}
