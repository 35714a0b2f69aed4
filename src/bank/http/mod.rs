//! The counter for the bank, in six parts: files and their lines, what is done with a line, charges and payouts, notes, money
//! of clients, tables of text.

mod charges;
mod credits;
mod matching;
mod notices;
mod statements;
mod tables;

use utoipa::openapi::OpenApi;

/// Registers the routes of this room.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    statements::routes(config);
    matching::routes(config);
    notices::routes(config);
    charges::routes(config);
    credits::routes(config);
    tables::routes(config);
}

/// Describes the operations of this room.
#[derive(Debug)]
pub struct Description;

impl utoipa::OpenApi for Description {
    fn openapi() -> OpenApi {
        let mut whole = statements::Description::openapi();
        whole.merge(matching::Description::openapi());
        whole.merge(notices::Description::openapi());
        whole.merge(charges::Description::openapi());
        whole.merge(credits::Description::openapi());
        whole.merge(tables::Description::openapi());
        whole
    }
}
