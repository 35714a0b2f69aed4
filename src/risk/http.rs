//! The counter for flags, holds and limits, in two parts.

mod flags;
mod stops;

pub use stops::{PayoutHoldView, PlaceHold};
use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    flags::routes(config);
    stops::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = flags::Description::openapi();
        whole.merge(stops::Description::openapi());
        whole
    }
}
