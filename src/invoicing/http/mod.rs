//! The counter for invoices, in two parts by what the document does.

mod credit_notes;
mod invoices;

use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    invoices::routes(config);
    credit_notes::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = invoices::Description::openapi();
        whole.merge(credit_notes::Description::openapi());
        whole
    }
}
