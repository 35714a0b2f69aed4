//! The counter for applications, members and shares, in three parts by who stands there.

mod applications;
mod register;
mod review;

use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    applications::routes(config);
    review::routes(config);
    register::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = applications::Description::openapi();
        whole.merge(review::Description::openapi());
        whole.merge(register::Description::openapi());
        whole
    }
}
