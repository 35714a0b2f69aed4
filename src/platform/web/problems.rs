//! The outermost layer: request ids, problems in the reader's language, headers that every answer carries.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::limits::Allowance;
use super::{RequestFacts, language};
use crate::kernel::language::Language;
use crate::platform::clock::Clock;
use crate::platform::error::Error;
use crate::platform::{i18n, telemetry};

/// RFC 9457.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The routes that exist, to tell 405 from 404.
pub struct KnownRoutes(Vec<(actix_web::dev::ResourceDef, Vec<String>)>);

impl KnownRoutes {
    /// From path templates and their methods, as the API description lists them.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        Self(routes.into_iter().map(|(path, methods)| (actix_web::dev::ResourceDef::new(path), methods)).collect())
    }

    fn methods(&self, path: &str) -> Option<String> {
        self.0.iter().find(|(pattern, _)| pattern.is_match(path)).map(|(_, methods)| methods.join(", "))
    }
}

/// The body of a problem in a language.
#[must_use]
pub fn body(error: &Error, language: Language, request_id: Uuid) -> Value {
    let mut params: Map<String, Value> =
        error.params.iter().map(|(name, value)| ((*name).to_owned(), Value::String(value.clone()))).collect();
    if let Some(seconds) = error.retry_after {
        params.insert("seconds".to_owned(), Value::from(seconds));
    }
    let (title, detail) = i18n::problem(language, error.code, &params);
    error.problem(&title, &detail, &request_id.to_string())
}

/// Answers an error.
fn answer(error: &Error, language: Language, request_id: Uuid) -> HttpResponse {
    let mut response = HttpResponse::build(error.status);
    response.insert_header((CONTENT_LANGUAGE, language.tag()));
    if let Some(seconds) = error.retry_after {
        response.insert_header((RETRY_AFTER, seconds.to_string()));
    }
    if error.status == StatusCode::UNAUTHORIZED {
        response.insert_header((WWW_AUTHENTICATE, "Bearer"));
    }
    if let Some((_, methods)) = error.params.iter().find(|(name, _)| *name == "allowed") {
        response.insert_header((ALLOW, methods.clone()));
    }
    response.content_type(MEDIA_TYPE).body(body(error, language, request_id).to_string())
}

/// Answers a path that no room has: 404, or 405 with the methods that are there.
pub async fn unknown_route(request: HttpRequest, known: web::Data<KnownRoutes>) -> Result<HttpResponse, Error> {
    Err(match known.methods(request.path()) {
        Some(allowed) => Error::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed").with("allowed", allowed),
        None => Error::not_found(),
    })
}

/// Whether to believe the proxy in front of us about addresses.
#[derive(Debug, Clone, Copy)]
pub struct TrustProxy(pub bool);

/// Gives every request an id and every answer what it must carry.
///
/// # Errors
/// None of ours: errors of handlers become problems.
pub async fn outermost<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = request.app_data::<web::Data<Clock>>().map_or_else(Uuid::nil, |clock| clock.new_id());
    let began = Instant::now();
    let trusts_proxy = request.app_data::<web::Data<TrustProxy>>().is_some_and(|trust| trust.0);
    let address = if trusts_proxy {
        request.connection_info().realip_remote_addr().unwrap_or_default().to_owned()
    } else {
        request.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default()
    };
    request.extensions_mut().insert(RequestFacts { id, address: address.chars().take(64).collect() });
    // No clone of the request may be held while it is routed: the router fills it in.
    let reader = language(request.request());
    let span = tracing::info_span!("request", id = %id, method = %request.method(), path = %request.path());
    let response = {
        use tracing::Instrument;
        next.call(request).instrument(span.clone()).await?
    };
    let _entered = span.enter();
    let failure = response.response().error().map(from_actix);
    let http = response.request().clone();
    let mut response = match failure {
        Some(error) => ServiceResponse::new(http.clone(), answer(&error, reader, id)),
        None => response.map_into_boxed_body(),
    };
    log(&http, response.status(), began);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(HeaderName::from_static("request-id"), value);
    }
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let allowance = http.extensions().get::<Allowance>().copied();
    if let Some(allowance) = allowance {
        let (policy, left) = allowance.headers();
        for (name, text) in [("ratelimit-policy", policy), ("ratelimit", left)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
    Ok(response)
}

/// Gives the answer that shows one object its version as a strong `ETag`, for `If-Match` later.
///
/// # Errors
/// None of ours: answers pass as they are.
pub async fn versioned<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    #[derive(serde::Deserialize)]
    struct Seen {
        version: i64,
    }
    let response = next.call(request).await?.map_into_boxed_body();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if response.status() != StatusCode::OK || !is_json || response.headers().contains_key(ETAG) {
        return Ok(response);
    }
    let mut tag = None;
    let mut response = response.map_body(|_head, body| match body.try_into_bytes() {
        Ok(bytes) => {
            tag = serde_json::from_slice(&bytes).ok().map(|Seen { version }| format!("\"{version}\""));
            BoxBody::new(bytes)
        }
        Err(stream) => stream,
    });
    if let Some(value) = tag.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
        response.headers_mut().insert(ETAG, value);
    }
    Ok(response)
}

fn log(request: &HttpRequest, status: StatusCode, began: Instant) {
    let route = request.match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let method = request.method().to_string();
    metrics::histogram!(telemetry::HTTP_SECONDS, "method" => method.clone(), "route" => route.clone())
        .record(began.elapsed());
    let status_text = status.as_u16().to_string();
    metrics::counter!(telemetry::HTTP_REQUESTS, "method" => method, "route" => route, "status" => status_text)
        .increment(1);
    tracing::info!(status = status.as_u16(), "answered");
}

/// Errors of the framework, in our words; ours as they are. Logged here, once.
fn from_actix(error: &actix_web::Error) -> Error {
    if let Some(ours) = error.as_error::<Error>() {
        if ours.status.is_server_error() {
            let source = std::error::Error::source(ours).map(ToString::to_string).unwrap_or_default();
            tracing::error!(code = ours.code, source, "failed");
        } else {
            tracing::info!(refused = %ours, "refused");
        }
        return ours.shallow_copy();
    }
    let status = error.as_response_error().status_code();
    match status {
        StatusCode::NOT_FOUND => Error::not_found(),
        StatusCode::PAYLOAD_TOO_LARGE => Error::new(status, "body_too_large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::new(status, "media_type_unsupported"),
        status if status.is_client_error() => Error::new(status, "malformed_json"),
        _ => {
            tracing::error!(error = %error, "the framework failed");
            Error::internal(error.to_string())
        }
    }
}
