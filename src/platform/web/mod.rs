//! HTTP as every room uses it: commands that run once, lists by pages, problems in four languages, limits.

pub mod command;
pub mod limits;
pub mod listing;
pub mod problems;

use actix_web::HttpRequest;
use actix_web::http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use uuid::Uuid;

pub use command::{Command, Empty, Plain, Upload};
pub use limits::RateLimits;
pub use listing::{Listing, Page, PageInfo, QueryOf};

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
