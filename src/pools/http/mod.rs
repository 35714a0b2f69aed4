//! The counter for pools, in three parts: the pool and its account, who takes part, and its runs.

mod pools;
mod runs;
mod takers;

use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    pools::routes(config);
    takers::routes(config);
    runs::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = pools::Description::openapi();
        whole.merge(takers::Description::openapi());
        whole.merge(runs::Description::openapi());
        whole
    }
}
