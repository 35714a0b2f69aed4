//! The counter for payroll, in three parts: schemes, who is paid how, and what an amount becomes.

mod schemes;
mod simulation;
mod terms;

pub use simulation::SlipView;
use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    schemes::routes(config);
    terms::routes(config);
    simulation::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = schemes::Description::openapi();
        whole.merge(terms::Description::openapi());
        whole.merge(simulation::Description::openapi());
        whole
    }
}
