//! The counter for late clients, in parts by what is done with them.

mod after;
mod cases;
mod laws;
mod parts;
mod tracks;
mod waiting;

use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    laws::routes(config);
    tracks::routes(config);
    parts::routes(config);
    cases::routes(config);
    after::routes(config);
    waiting::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = laws::Description::openapi();
        whole.merge(tracks::Description::openapi());
        whole.merge(parts::Description::openapi());
        whole.merge(cases::Description::openapi());
        whole.merge(after::Description::openapi());
        whole.merge(waiting::Description::openapi());
        whole
    }
}
