//! The counter for invoices, in parts by what is done with them.

mod attachments;
mod credit_notes;
mod differences;
mod files;
mod invoices;
mod office;
mod views;

use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    invoices::routes(config);
    credit_notes::routes(config);
    attachments::routes(config);
    differences::routes(config);
    office::routes(config);
    files::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = invoices::Description::openapi();
        whole.merge(credit_notes::Description::openapi());
        whole.merge(attachments::Description::openapi());
        whole.merge(differences::Description::openapi());
        whole.merge(office::Description::openapi());
        whole.merge(files::Description::openapi());
        whole
    }
}
