//! The counter for payroll, in four parts: schemes, who is paid how, what an amount becomes, and what it really cost.

mod schemes;
mod simulation;
mod terms;
mod true_ups;

pub use simulation::SlipView;
pub use true_ups::TrueUpPartView;
use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    schemes::routes(config);
    terms::routes(config);
    simulation::routes(config);
    true_ups::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = schemes::Description::openapi();
        whole.merge(terms::Description::openapi());
        whole.merge(simulation::Description::openapi());
        whole.merge(true_ups::Description::openapi());
        whole
    }
}
