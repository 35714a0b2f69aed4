//! The running service: everything that its parts share, put together once.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpServer, web};
use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::access::{Passwords, TokenService};
use crate::api;
use crate::clients::VatRegistry;
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::RateLimits;
use crate::platform::web::limits::FORGET_EVERY;
use crate::platform::web::problems::{TrustProxy, outermost, unknown_route, versioned};

/// The migrations, in the program itself.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// What the service is made of.
#[derive(Clone)]
pub struct Parts {
    /// The door to the database, with the clock.
    pub db: Db,
    /// All keys.
    pub keys: Arc<Keys>,
    /// Checks and hashes passwords.
    pub passwords: Passwords,
    /// How much anybody may ask for.
    pub limits: Arc<RateLimits>,
    /// Who knows about VAT numbers.
    pub vat_registry: Arc<dyn VatRegistry>,
    /// Start of all links, and the issuer of tokens.
    pub public_url: String,
    /// Whether to believe the proxy in front of us about addresses.
    pub trusts_proxy: bool,
}

/// Brings a database to the newest migration, as its owner. Several at once wait for each other.
///
/// # Errors
/// 503 when the database cannot be reached; 500 when a migration fails, which then has done nothing.
pub fn migrate(owner_url: &str) -> Result<Vec<String>> {
    let mut conn = PgConnection::establish(owner_url).map_err(Error::unavailable)?;
    diesel::RunQueryDsl::execute(diesel::sql_query("SELECT pg_advisory_lock(7236417)"), &mut conn)?;
    let ran = conn.run_pending_migrations(MIGRATIONS).map_err(|error| Error::internal(error.to_string()))?;
    Ok(ran.iter().map(ToString::to_string).collect())
}

/// Whether a database has every migration of this program, asked as the runtime role.
///
/// # Errors
/// 503 when the database cannot be reached.
pub fn is_current(runtime_url: &str) -> Result<bool> {
    let mut conn = PgConnection::establish(runtime_url).map_err(Error::unavailable)?;
    if conn.batch_execute("SET ROLE umbel_app").is_err() {
        return Ok(false);
    }
    Ok(conn.has_pending_migration(MIGRATIONS).is_ok_and(|is_pending| !is_pending))
}

/// Takes every migration back, newest first: for tests.
///
/// # Errors
/// As [`migrate`].
pub fn revert(owner_url: &str) -> Result<()> {
    let mut conn = PgConnection::establish(owner_url).map_err(Error::unavailable)?;
    conn.revert_all_migrations(MIGRATIONS).map_err(|error| Error::internal(error.to_string()))?;
    Ok(())
}

/// A server on an open listener. It runs when it is awaited and stops gracefully when it is told to.
///
/// # Errors
/// Fails when the listener cannot be used.
pub fn server(parts: &Parts, listener: TcpListener, threads: usize) -> Result<Server> {
    let tokens = TokenService::new(Arc::clone(&parts.keys), parts.public_url.clone(), parts.db.clock().clone());
    let known = Data::new(api::known_routes()?);
    let parts = parts.clone();
    let limits = Data::from(Arc::clone(&parts.limits));
    let forgetful = Arc::clone(&parts.limits);
    actix_web::rt::spawn(async move {
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            forgetful.forget_idle();
        }
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(parts.db.clone()))
            .app_data(Data::new(parts.db.clock().clone()))
            .app_data(Data::from(Arc::clone(&parts.keys)))
            .app_data(Data::new(tokens.clone()))
            .app_data(Data::new(parts.passwords.clone()))
            .app_data(Data::from(Arc::clone(&parts.vat_registry)))
            .app_data(limits.clone())
            .app_data(known.clone())
            .app_data(Data::new(TrustProxy(parts.trusts_proxy)))
            .wrap(from_fn(versioned))
            .wrap(Compress::default())
            .wrap(from_fn(outermost))
            .configure(api::routes)
            .default_service(web::to(unknown_route))
    });
    let server = server
        .workers(threads)
        .shutdown_timeout(10)
        .client_request_timeout(std::time::Duration::from_secs(10))
        // A request that is refused before its body has arrived: without this wait the connection is reset and the
        // client never reads why.
        .client_disconnect_timeout(std::time::Duration::from_secs(2))
        .disable_signals()
        .listen(listener)
        .map_err(Error::unavailable)?;
    Ok(server.run())
}
