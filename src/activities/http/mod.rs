//! The counter for activities: what is on them, who shares them, and what moved in a period.

mod activities;
mod collectives;
mod statements;

use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    activities::routes(config);
    collectives::routes(config);
    statements::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = activities::Description::openapi();
        whole.merge(collectives::Description::openapi());
        whole.merge(statements::Description::openapi());
        whole
    }
}
