//! The counter for proposals, in two parts: the office writes and decides, everybody reads what is published and what it
//! would have meant for them.

mod dry_runs;
mod proposals;

use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    proposals::routes(config);
    dry_runs::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = proposals::Description::openapi();
        whole.merge(dry_runs::Description::openapi());
        whole
    }
}
