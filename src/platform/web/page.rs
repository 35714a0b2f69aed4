//! What the few pages for people without the API share: the language, the nonce, the headers.

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::formats::pages::content_security_policy;
use crate::kernel::language::Language;
use crate::platform::clock::Clock;

/// The query of a page: the language that was chosen with the switch.
#[derive(Debug, Default, Deserialize)]
pub struct Shown {
    /// Its tag.
    pub lang: Option<String>,
}

/// The language that was chosen, or that the browser wants.
#[must_use]
pub fn language(request: &HttpRequest, chosen: Option<&str>) -> Language {
    chosen.and_then(|tag| tag.parse().ok()).unwrap_or_else(|| super::language(request))
}

/// A nonce for one answer.
#[must_use]
pub fn nonce(clock: &Clock) -> String {
    URL_SAFE_NO_PAD.encode(clock.random_bytes::<16>())
}

/// A page: nothing from elsewhere, and no address of ours told to anybody.
#[must_use]
pub fn html(status: StatusCode, body: String, nonce: &str) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header(ContentType::html())
        .insert_header(("Content-Security-Policy", content_security_policy(nonce)))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .body(body)
}
