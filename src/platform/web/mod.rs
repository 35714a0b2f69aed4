//! HTTP as every room uses it: commands that run once, lists by pages, problems in four languages, limits.

pub mod command;
mod json;
pub mod limits;
pub mod listing;
pub mod packed;
pub mod page;
pub mod problems;
pub mod reading;

use actix_web::http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

pub use command::{Command, Empty, Upload};
pub use limits::RateLimits;
pub use listing::{Listing, Page, PageInfo, QueryOf};
pub use packed::{Packed, PackedUpload};
pub use reading::{Patch, Plain};

use super::i18n;
use crate::kernel::language::Language;

/// What the house's outermost layer notes of each request.
#[derive(Debug, Clone)]
pub struct RequestFacts {
    /// Shown to the caller, logged, stored with everything the request changes.
    pub id: Uuid,
    /// Where it came from.
    pub address: String,
}

/// The id and origin of a request. The outermost layer has set them; a request without is our bug and gets nil.
#[must_use]
pub fn facts(request: &HttpRequest) -> RequestFacts {
    use actix_web::HttpMessage;
    request
        .extensions()
        .get::<RequestFacts>()
        .cloned()
        .unwrap_or_else(|| RequestFacts { id: Uuid::nil(), address: String::new() })
}

/// The language that the caller reads.
#[must_use]
pub fn language(request: &HttpRequest) -> Language {
    i18n::negotiate(request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()))
}

/// What the caller's program calls itself, cut to what we keep.
#[must_use]
pub fn user_agent(request: &HttpRequest) -> String {
    let text = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("unknown");
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Bytes as hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// 64 hex digits as 32 bytes.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A file to download: never shown in place, named, with its digest (RFC 9530).
#[must_use]
pub fn attachment(name: &str, media_type: &str, sha256: &[u8], bytes: Vec<u8>) -> HttpResponse {
    use base64::Engine;
    let digest = base64::engine::general_purpose::STANDARD.encode(sha256);
    let safe: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    HttpResponse::Ok()
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{safe}\"")))
        .insert_header(("Content-Digest", format!("sha-256=:{digest}:")))
        .insert_header(("Content-Security-Policy", "sandbox; default-src 'none'"))
        .content_type(media_type)
        .body(bytes)
}

/// Reads a field of a merge patch that cannot be cleared: absent stays, a value sets, `null` is refused.
///
/// For `#[serde(default, deserialize_with = "present")]`; what may be cleared is a
/// [`Patch`](crate::kernel::patch::Patch).
///
/// # Errors
/// Whatever `T` refuses.
pub fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Lists the handlers of a room once: for the routes and for the API description.
#[macro_export]
macro_rules! endpoints {
    ($($handler:ident),+ $(,)?) => {
        /// Registers the routes of this room.
        pub fn routes(config: &mut actix_web::web::ServiceConfig) {
            $(config.service($handler);)+
        }

        /// Describes the operations of this room.
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($handler),+))]
        pub struct Description;
    };
}
