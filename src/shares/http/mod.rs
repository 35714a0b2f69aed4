//! The counter for shares, in two parts: what they are, and how they are given back.

mod redemptions;
mod register;

use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    register::routes(config);
    redemptions::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = register::Description::openapi();
        whole.merge(redemptions::Description::openapi());
        whole
    }
}
