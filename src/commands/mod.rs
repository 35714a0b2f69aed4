//! What the command line can do.

pub mod bench;
pub mod demo;
pub mod office;
pub mod serve;
pub mod verify;

use std::error::Error;
use std::sync::Arc;

use umbel::access::Passwords;
use umbel::clients::{FixtureRegistry, UnavailableRegistry, VatRegistry};
use umbel::delivery::{AccessPoint, FileDrop, HttpAccessPoint};
use umbel::platform::clock::Clock;
use umbel::platform::cluster::Cluster;
use umbel::platform::config::{self, ClientAddress, Config, Database, KeySource, Mail};
use umbel::platform::db::Db;
use umbel::platform::faults::Faults;
use umbel::platform::keys::Keys;
use umbel::platform::mail::{MailConfig, Mailer};
use umbel::platform::web::RateLimits;
use umbel::service::{self, Parts};
use umbel::worker::Worker;

/// Whatever went wrong, for one line on standard error.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// An error and its causes in one line.
pub fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

/// A database that is there and migrated. A private one stops when this is dropped.
pub struct Store {
    cluster: Option<Cluster>,
    /// Where the service connects.
    pub login_url: String,
    /// Where migrations connect.
    pub owner_url: String,
}

impl Store {
    /// Starts or finds the database and brings it to the newest migration.
    pub fn open(config: &Config) -> Outcome<Self> {
        let store = match &config.database {
            Database::Given { runtime, owner } => {
                Self { cluster: None, login_url: runtime.expose().to_owned(), owner_url: owner.expose().to_owned() }
            }
            Database::Private => Self::private(Cluster::start(&config.data)?),
        };
        // A service that is not given the owner cannot migrate, and need not when somebody else has.
        if store.owner_url != store.login_url || !service::is_current(&store.login_url)? {
            service::migrate(&store.owner_url)?;
        }
        Ok(store)
    }

    /// Uses the database of a service that runs, or starts it for the moment.
    pub fn visit(config: &Config) -> Outcome<Self> {
        if config.database == Database::Private
            && let Ok(cluster) = Cluster::join(&config.data)
        {
            return Ok(Self::private(cluster));
        }
        Self::open(config)
    }

    fn private(cluster: Cluster) -> Self {
        Self { login_url: cluster.login_url(), owner_url: cluster.owner_url(), cluster: Some(cluster) }
    }

    /// Stops a private server now rather than when this is dropped.
    pub fn close(mut self) {
        if let Some(cluster) = &mut self.cluster {
            cluster.stop();
        }
    }
}

/// Everything that a running service shares.
pub struct Running {
    /// For the server.
    pub parts: Parts,
    /// For the work after commits.
    pub worker: Worker,
}

/// The way into the Peppol network that the settings name.
pub fn access_point(config: &Config) -> Arc<dyn AccessPoint> {
    match &config.access_point {
        config::AccessPoint::Folder(folder) => Arc::new(FileDrop::new(folder.clone())),
        config::AccessPoint::Http { url, token } => {
            Arc::new(HttpAccessPoint::new(url, token.as_ref().map(config::Secret::expose)))
        }
    }
}

/// Puts the service together on an open database.
pub fn assemble(config: &Config, store: &Store, clock: &Clock) -> Outcome<Running> {
    let keys = Arc::new(match &config.keys {
        KeySource::Folder(folder) => Keys::from_folder(folder, clock)?,
        KeySource::Files(files) => Keys::from_files(files, clock)?,
    });
    let db = Db::connect(&store.login_url, config.pool_size.get(), clock.clone(), Faults::from_env())?;
    let from = config.mail_from.to_string();
    let (smtp_url, folder) = match &config.mail {
        Mail::Smtp(url) => (Some(url.expose().to_owned()), config.data.join("mail")),
        Mail::Folder(folder) => (None, folder.clone()),
    };
    let mailer = Mailer::new(&MailConfig { smtp_url, from: from.clone(), folder })?;
    let worker =
        Worker::new(db.clone(), Arc::clone(&keys), mailer, access_point(config), config.public_url.clone(), &from);
    let limits = &config.limits;
    let limits = RateLimits::new(
        limits.reads_per_minute.get(),
        limits.writes_per_minute.get(),
        limits.sign_ins_per_address.get(),
    );
    // The public registry has no client here yet: a private installation answers by rule, a real one says so.
    let vat_registry: Arc<dyn VatRegistry> = match config.database {
        Database::Private => Arc::new(FixtureRegistry),
        Database::Given { .. } => Arc::new(UnavailableRegistry),
    };
    let jobs = usize::try_from(config.password_jobs.get())?;
    let parts = Parts {
        passwords: Passwords::new(jobs, clock.clone())?,
        db,
        keys,
        limits: Arc::new(limits),
        vat_registry,
        public_url: config.public_url.clone(),
        trusts_proxy: config.client_address == ClientAddress::Forwarded,
    };
    Ok(Running { parts, worker })
}
