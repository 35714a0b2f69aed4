//! One PostgreSQL for the whole run, one database for each test, the service on a free loopback port.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::{Connection, RunQueryDsl};
use umbel::access::{self, NewGrant, NewPerson, Passwords};
use umbel::clients::FixtureRegistry;
use umbel::delivery::FileDrop;
use umbel::demo::{Cast, Client, MemberCast, Stage};
use umbel::kernel::language::Language;
use umbel::kernel::roles::Role;
use umbel::platform::clock::Clock;
use umbel::platform::cluster::{Cluster, Durability};
use umbel::platform::db::{Actor, Db};
use umbel::platform::faults::Faults;
use umbel::platform::keys::Keys;
use umbel::platform::mail::{MailConfig, Mailer};
use umbel::platform::mail_catcher::Catcher;
use umbel::platform::web::RateLimits;
use umbel::service::{self, Parts};
use umbel::worker::Worker;

/// Valid IBANs for members.
pub const IBANS: [&str; 4] =
    ["BE71096123456769", "DE89370400440532013000", "FR1420041010050500013M02606", "NL91ABNA0417164300"];
/// The mutual's own account.
pub const OUR_IBAN: &str = "BE68539007547034";
pub const ADMIN: (&str, &str) = ("admin@umbel.example", "administrator of the tests");

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    let cluster = Cluster::start_ephemeral(Durability::Unsynced).unwrap();
    service::migrate(&cluster.owner_url()).unwrap();
    cluster
});
/// `CREATE DATABASE … TEMPLATE` wants nobody else on the template.
static CLONING: Mutex<()> = Mutex::new(());
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A database of its own, migrated; dropped with the whole server.
pub struct TestDatabase {
    pub owner_url: String,
    pub login_url: String,
}

impl TestDatabase {
    pub fn new() -> Self {
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let owner = CLUSTER.owner_url();
        let guard = CLONING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let maintenance = named(&owner, "postgres");
        let mut conn = PgConnection::establish(&maintenance).unwrap();
        conn.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE umbel")).unwrap();
        drop(guard);
        Self { owner_url: named(&owner, &name), login_url: named(&CLUSTER.login_url(), &name) }
    }

    /// A connection as the owner, who may break things.
    pub fn owner(&self) -> PgConnection {
        PgConnection::establish(&self.owner_url).unwrap()
    }

    /// A connection as the runtime role, as the service has it.
    pub fn runtime(&self) -> PgConnection {
        let mut conn = PgConnection::establish(&self.login_url).unwrap();
        conn.batch_execute("SET ROLE umbel_app").unwrap();
        conn
    }
}

/// The same server, another database.
fn named(url: &str, database: &str) -> String {
    let (head, tail) = url.split_once("///").unwrap();
    let (_, query) = tail.split_once('?').unwrap();
    format!("{head}///{database}?{query}")
}

/// The running service with a clock that stands still until it is moved.
pub struct TestApp {
    pub database: TestDatabase,
    pub db: Db,
    pub stage: Stage,
    pub parts: Parts,
    /// What the access point of the worker watches.
    pub drop_folder: tempfile::TempDir,
    handle: actix_web::dev::ServerHandle,
    thread: Option<thread::JoinHandle<()>>,
}

/// Where the tests' time begins: a Monday.
pub fn beginning() -> DateTime<Utc> {
    "2026-05-04T08:00:00Z".parse().unwrap()
}

impl TestApp {
    pub fn start() -> Self {
        Self::start_with(Faults::default())
    }

    /// With something broken on purpose.
    pub fn start_with(faults: Faults) -> Self {
        Self::on(TestDatabase::new(), Clock::simulated(beginning()), faults)
    }

    /// On a database that is there already, as after a restart.
    pub fn on(database: TestDatabase, clock: Clock, faults: Faults) -> Self {
        let db = Db::connect(&database.login_url, 20, clock.clone(), faults).unwrap();
        let keys_folder = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::from_folder(keys_folder.path(), &clock).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mails = Catcher::start(0, None).unwrap();
        let from = "Umbel <umbel@umbel.example>".to_owned();
        let mail =
            MailConfig { smtp_url: Some(mails.url()), from: from.clone(), folder: keys_folder.path().to_owned() };
        let drop_folder = tempfile::tempdir().unwrap();
        let point = Arc::new(FileDrop::new(drop_folder.path().to_owned()));
        let mailer = Mailer::new(&mail).unwrap();
        let worker = Worker::new(db.clone(), Arc::clone(&keys), mailer, point, base.clone(), &from);
        let parts = Parts {
            db: db.clone(),
            keys,
            passwords: Passwords::new(2, clock.clone()).unwrap(),
            limits: Arc::new(RateLimits::new(1_000_000, 1_000_000, 1_000_000)),
            vat_registry: Arc::new(FixtureRegistry),
            public_url: base.clone(),
            trusts_proxy: false,
        };
        let (handle, thread) = serve(parts.clone(), listener);
        let stage = Stage { base, clock, worker, mails, factors: umbel::demo::Factors::default() };
        Self { database, db, stage, parts, drop_folder, handle, thread: Some(thread) }
    }

    /// Somebody with roles who can sign in with a password, made without the API.
    pub fn insert_person(&self, email: &str, password: &str, roles: &[Role]) {
        let hash = self.parts.passwords.hash_blocking(password).unwrap();
        self.db
            .write_blocking(&Actor::System, |tx| {
                let id = tx.new_id();
                let new = NewPerson {
                    id,
                    email: email.to_owned(),
                    name: "Test Person".to_owned(),
                    language: Language::En,
                    password_hash: hash.clone(),
                };
                access::add_person(tx, &new)?;
                for role in roles {
                    let grant =
                        NewGrant { id: tx.new_id(), person: id, role: *role, from: tx.now().date_naive(), until: None };
                    access::grant(tx, &grant)?;
                }
                Ok(())
            })
            .unwrap();
    }

    /// A mutual with its office.
    pub fn mutual(&self) -> Cast {
        self.insert_person(ADMIN.0, ADMIN.1, &[Role::Administrator]);
        let administrator = self.stage.visitor().sign_in(ADMIN.0, ADMIN.1).unwrap();
        self.stage.found_mutual(administrator, OUR_IBAN, 1_000_000).unwrap()
    }

    /// A mutual with one active member who has an activity and a client.
    pub fn with_member(&self) -> (Cast, MemberCast) {
        let mut cast = self.mutual();
        let member = self.stage.enrol(&mut cast, "awa@member.example", "Awa Diop", IBANS[0]).unwrap();
        (cast, member)
    }

    /// A second active member.
    pub fn another_member(&self, cast: &mut Cast) -> MemberCast {
        self.stage.enrol(cast, "bo@member.example", "Bo Li", IBANS[1]).unwrap()
    }

    /// A visitor's device.
    pub fn visitor(&self) -> Client {
        self.stage.visitor()
    }

    /// A figure out of the database, as its owner.
    pub fn count(&self, sql: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let row: Row =
            diesel::sql_query(format!("SELECT ({sql})::bigint AS n")).get_result(&mut self.database.owner()).unwrap();
        row.n
    }

    /// A proof of somebody's second factor without a code: where many are needed at once and the clock is not to move.
    pub fn prove_at_once(&self, who: &Client, operation: &str, sha256: &str) -> String {
        use diesel::connection::SimpleConnection;
        let (id, person) = (who.new_id(), who.person_id.clone().unwrap());
        let now = self.stage.clock.now().to_rfc3339();
        let sql = format!(
            "INSERT INTO second_factor (id, person_id, kind, secret_sealed, confirmed_at, created_at) \
             VALUES (gen_random_uuid(), '{person}', 'totp', '\\x00', '{now}', '{now}') ON CONFLICT (person_id) WHERE ended_at IS NULL DO NOTHING; \
             INSERT INTO step_up (id, person_id, factor_id, method, operation, sha256, expires_at, created_at) \
             SELECT '{id}', '{person}', f.id, 'totp', '{operation}', '\\x{sha256}', '{now}'::timestamptz + interval '1 hour', '{now}' \
             FROM second_factor f WHERE f.person_id = '{person}' AND f.ended_at IS NULL"
        );
        self.database.owner().batch_execute(&sql).unwrap();
        id
    }

    /// Everything that is violated, one line each.
    pub fn violations(&self) -> Vec<String> {
        let found = self.db.write_blocking(&Actor::System, umbel::accounting::check).unwrap();
        found.into_iter().map(|v| format!("{}: {}: {}", v.invariant, v.subject, v.detail)).collect()
    }

    fn stop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Stops this process' service and starts another on the same database with the same keys and clock.
    pub fn restart(mut self) -> Self {
        self.stop();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.stage.base = format!("http://{}", listener.local_addr().unwrap());
        let (handle, thread) = serve(self.parts.clone(), listener);
        self.handle = handle;
        self.thread = Some(thread);
        self
    }
}

fn serve(parts: Parts, listener: TcpListener) -> (actix_web::dev::ServerHandle, thread::JoinHandle<()>) {
    let (send, receive) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = service::server(&parts, listener, 2).unwrap();
            send.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    (receive.recv().unwrap(), thread)
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop();
        if !thread::panicking() {
            assert_eq!(self.violations(), Vec::<String>::new(), "the books at the end of the test");
            crate::explain::check_books(self);
        }
    }
}
