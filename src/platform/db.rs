//! The only door to PostgreSQL.
//!
//! [`Db::write`] opens one transaction, says who acts (for row-level security and the history), runs a closure
//! and commits. It tries again when PostgreSQL gave up because of other transactions, so the closure must have no
//! effect outside the database.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::sql_types::{Array, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::clock::Clock;
use super::error::{self, Error, Result};
use super::faults::{Faults, Guard};
use super::prepared::Prepare;
use super::telemetry;
use crate::kernel::ids::{PersonId, SessionId};
use crate::kernel::language::Language;
use crate::kernel::roles::Role;

/// How often a transaction is tried when it collides with others.
const TRIES_MAX: u32 = 5;

/// Who asks for a transaction.
#[derive(Debug, Clone)]
pub enum Actor {
    /// A signed-in person. Whether the session still stands is asked in the transaction itself.
    Session {
        /// The signed-in device.
        session: SessionId,
        /// The generation of its tokens.
        generation: i32,
        /// One of these roles is needed now; none means that being signed in is enough.
        roles: &'static [Role],
        /// The request that asks.
        request: Uuid,
        /// Where it comes from.
        address: String,
    },
    /// Somebody who holds a signed link, or who is not signed in yet.
    Public {
        /// How the audit names them.
        kind: &'static str,
        /// The request that asks.
        request: Uuid,
        /// Where it comes from.
        address: String,
    },
    /// The program itself.
    System,
}

/// The pool, the clock and what tests have broken.
#[derive(Clone)]
pub struct Db {
    pool: Pool<ConnectionManager<PgConnection>>,
    clock: Clock,
    faults: Faults,
    committed: std::sync::Arc<Wakers>,
    retries: std::sync::Arc<AtomicU64>,
}

/// Who waits for new work, each apart: one must not wake in the place of the other.
#[derive(Debug, Default)]
struct Wakers {
    quick: tokio::sync::Notify,
    outward: tokio::sync::Notify,
    long: tokio::sync::Notify,
}

/// Sets what every connection needs once: the runtime role and the time limits. Our statements are short: to compile
/// one (`jit`) takes longer than to run it.
#[derive(Debug)]
struct Runtime;

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for Runtime {
    fn on_acquire(&self, conn: &mut PgConnection) -> std::result::Result<(), diesel::r2d2::Error> {
        use diesel::connection::SimpleConnection;
        conn.batch_execute(
            "SET ROLE umbel_app; SET statement_timeout = '5s'; SET lock_timeout = '3s'; \
             SET idle_in_transaction_session_timeout = '5s'; SET jit = off; SET lc_messages = 'C'; SET timezone = 'UTC'; \
             SET client_min_messages = 'warning'",
        )
        .or_else(|_not_superuser| {
            conn.batch_execute(
                "SET ROLE umbel_app; SET statement_timeout = '5s'; SET lock_timeout = '3s'; \
                 SET idle_in_transaction_session_timeout = '5s'; SET jit = off; SET timezone = 'UTC'",
            )
        })
        .map_err(diesel::r2d2::Error::QueryError)
    }
}

/// A person in a transaction, as the database knows them at this moment.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Who.
    pub person: PersonId,
    /// What they are today.
    pub roles: Vec<Role>,
    /// How they are called.
    pub name: String,
    /// What they read.
    pub language: Language,
}

#[derive(QueryableByName)]
struct Entered {
    #[diesel(sql_type = SqlUuid)]
    person_id: PersonId,
    #[diesel(sql_type = Array<Text>)]
    roles: Vec<String>,
    #[diesel(sql_type = Text)]
    person_name: String,
    #[diesel(sql_type = Text)]
    person_language: Language,
}

impl Db {
    /// Connects.
    ///
    /// # Errors
    /// Fails when the server cannot be reached or refuses the runtime role.
    pub fn connect(url: &str, size: u32, clock: Clock, faults: Faults) -> Result<Self> {
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(5))
            .connection_customizer(Box::new(Runtime))
            .build(ConnectionManager::new(url))
            .map_err(Error::unavailable)?;
        Ok(Self { pool, clock, faults, committed: std::sync::Arc::default(), retries: std::sync::Arc::default() })
    }

    /// The clock that all transactions share.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What tests have broken.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How often a transaction was run again so far, because it collided with others.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Wakes whoever waits for new work.
    pub fn wake(&self) {
        self.committed.quick.notify_one();
        self.committed.outward.notify_one();
        self.committed.long.notify_one();
    }

    /// Waits until something was committed.
    pub async fn woken(&self) {
        self.committed.quick.notified().await;
    }

    /// As [`Db::woken`], for whoever talks with other companies' programs.
    pub async fn woken_for_outward_work(&self) {
        self.committed.outward.notified().await;
    }

    /// As [`Db::woken`], for whoever does long work.
    pub async fn woken_for_long_work(&self) {
        self.committed.long.notified().await;
    }

    /// Runs `work` in one READ COMMITTED transaction on a blocking thread.
    ///
    /// # Errors
    /// Whatever `work` refuses; 401 when the session no longer stands, 403 without the role, 503 when PostgreSQL
    /// cannot answer.
    pub async fn write<T, F>(&self, actor: Actor, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let db = self.clone();
        tokio::task::spawn_blocking(move || db.write_blocking(&actor, work)).await.map_err(Error::internal)?
    }

    /// As [`Db::write`], on the calling thread.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub fn write_blocking<T>(&self, actor: &Actor, work: impl FnMut(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        self.transaction(actor, Isolation::ReadCommitted, work)
    }

    /// Runs `work` SERIALIZABLE: for rules over many rows, such as building a batch or closing a period.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub fn write_strict_blocking<T>(&self, actor: &Actor, work: impl FnMut(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        self.transaction(actor, Isolation::Serializable, work)
    }

    fn transaction<T>(
        &self,
        actor: &Actor,
        isolation: Isolation,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut attempt = 1_u32;
        loop {
            let outcome = self.try_transaction(actor, isolation, &mut work);
            match outcome {
                Err(error) if attempt < TRIES_MAX && error::is_conflict_of_transactions(&error) => {
                    metrics::counter!(telemetry::DB_RETRIES).increment(1);
                    self.retries.fetch_add(1, Ordering::Relaxed);
                    let [jitter] = self.clock.random_bytes::<1>();
                    std::thread::sleep(Duration::from_millis(
                        u64::from(jitter).saturating_mul(u64::from(attempt)).saturating_div(8),
                    ));
                    attempt = attempt.saturating_add(1);
                }
                outcome => return outcome,
            }
        }
    }

    fn try_transaction<T>(
        &self,
        actor: &Actor,
        isolation: Isolation,
        work: &mut impl FnMut(&mut Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        let asked = Instant::now();
        let mut conn = self.pool.get().map_err(Error::unavailable)?;
        metrics::histogram!(telemetry::DB_WAIT_SECONDS).record(asked.elapsed());
        let now = self.clock.now();
        let build = conn.build_transaction();
        let mut build = match isolation {
            Isolation::ReadCommitted => build.read_committed(),
            Isolation::Serializable => build.serializable(),
        };
        build
            .run(|conn| {
                let principal = enter(conn, actor, now)?;
                let mut tx = Tx { conn, db: self, now, actor, principal, has_queued: false };
                let done = work(&mut tx)?;
                Ok((done, tx.has_queued))
            })
            .map(|(done, has_queued): (T, bool)| {
                if has_queued {
                    self.wake();
                }
                done
            })
    }
}

#[derive(Debug, Clone, Copy)]
enum Isolation {
    ReadCommitted,
    Serializable,
}

/// Tells PostgreSQL who acts; asks whether they still may.
fn enter(conn: &mut PgConnection, actor: &Actor, now: DateTime<Utc>) -> Result<Option<Principal>> {
    let (scope, session, generation, request) = match actor {
        Actor::Session { session, generation, request, .. } => ("session", Some(*session), *generation, Some(*request)),
        Actor::Public { request, .. } => ("system", None, 0, Some(*request)),
        Actor::System => ("system", None, 0, None),
    };
    let entered: Option<Entered> = diesel::sql_query("SELECT * FROM umbel_enter($1, $2, $3, $4, $5)")
        .bind::<Text, _>(scope)
        .bind::<Nullable<SqlUuid>, _>(session)
        .bind::<Integer, _>(generation)
        .bind::<Nullable<SqlUuid>, _>(request)
        .bind::<Timestamptz, _>(now)
        .prepared()
        .get_result(conn)
        .optional()?;
    let Actor::Session { roles: needed, .. } = actor else { return Ok(None) };
    let entered = entered.ok_or_else(|| Error::unauthorized("session_revoked"))?;
    let roles: Vec<Role> = entered.roles.iter().filter_map(|name| name.parse().ok()).collect();
    if !needed.is_empty() && !needed.iter().any(|role| roles.contains(role)) {
        return Err(Error::forbidden("role_forbidden"));
    }
    Ok(Some(Principal {
        person: entered.person_id,
        roles,
        name: entered.person_name,
        language: entered.person_language,
    }))
}

/// One open transaction: the connection, the instant it began and who acts.
pub struct Tx<'a> {
    conn: &'a mut PgConnection,
    db: &'a Db,
    now: DateTime<Utc>,
    actor: &'a Actor,
    principal: Option<Principal>,
    has_queued: bool,
}

impl Tx<'_> {
    /// The connection, for stores.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.conn
    }

    /// The instant of this transaction.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The day of this transaction in a legal time zone.
    #[must_use]
    pub fn today(&self, zone: Tz) -> NaiveDate {
        self.now.with_timezone(&zone).date_naive()
    }

    /// A new id.
    #[must_use]
    pub fn new_id<I: From<Uuid>>(&self) -> I {
        self.db.clock.new_id().into()
    }

    /// Random bytes, for tokens.
    #[must_use]
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        self.db.clock.random_bytes()
    }

    /// The signed-in person, if the actor is one.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// The signed-in person.
    ///
    /// # Errors
    /// 401 when nobody is signed in.
    pub fn person(&self) -> Result<PersonId> {
        self.principal.as_ref().map(|who| who.person).ok_or_else(|| Error::unauthorized("token_missing"))
    }

    /// Whether the signed-in person has a role today.
    #[must_use]
    pub fn has_role(&self, role: Role) -> bool {
        self.principal.as_ref().is_some_and(|who| who.roles.contains(&role))
    }

    /// The person whose rows alone may be seen, or `None` for staff and the program itself.
    ///
    /// Every store of owned rows filters by this; row-level security does so again below it.
    #[must_use]
    pub fn only_owner(&self) -> Option<PersonId> {
        let who = self.principal.as_ref()?;
        let is_staff = who.roles.iter().any(|role| *role != Role::Member);
        (!is_staff && !self.db.faults.removed(Guard::OwnerFilter)).then_some(who.person)
    }

    /// What tests have broken.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.db.faults
    }

    /// A place where the crash harness may strike: `<operation>.<place>`.
    ///
    /// # Errors
    /// Rolls the transaction back when a test asks for it.
    pub fn failpoint(&self, point: &str) -> Result<()> {
        if self.db.faults.passes(point) { Ok(()) } else { Err(Error::unavailable("rolled back by a failpoint")) }
    }

    /// The signed-in device, if the actor is one.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self.actor {
            Actor::Session { session, .. } => Some(*session),
            Actor::Public { .. } | Actor::System => None,
        }
    }

    /// Where the request came from, for evidence.
    #[must_use]
    pub fn address(&self) -> &str {
        match self.actor {
            Actor::Session { address, .. } | Actor::Public { address, .. } => address,
            Actor::System => "",
        }
    }

    /// How the audit names the actor.
    #[must_use]
    pub fn actor_kind(&self) -> &'static str {
        match self.actor {
            Actor::Session { .. } => "person",
            Actor::Public { kind, .. } => kind,
            Actor::System => "system",
        }
    }

    /// The request behind this transaction.
    #[must_use]
    pub fn request(&self) -> Option<Uuid> {
        match self.actor {
            Actor::Session { request, .. } | Actor::Public { request, .. } => Some(*request),
            Actor::System => None,
        }
    }

    /// Gives the reason that the next rows of the history carry.
    ///
    /// # Errors
    /// Fails with the database.
    pub fn reason(&mut self, reason: &str) -> Result<()> {
        diesel::sql_query("SELECT set_config('umbel.reason', $1, true)").bind::<Text, _>(reason).execute(self.conn)?;
        Ok(())
    }

    /// Notes in the audit that somebody read something that is worth a note.
    ///
    /// # Errors
    /// Fails with the database.
    pub fn note(&mut self, operation: &str, subject: Uuid) -> Result<()> {
        let person = self.principal.as_ref().map(|who| who.person);
        let (kind, request, address) = (self.actor_kind(), self.request(), self.address().to_owned());
        diesel::sql_query(
            "INSERT INTO audit_log (actor_id, actor_kind, operation, subject_id, request_id, address) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind::<Nullable<SqlUuid>, _>(person)
        .bind::<Text, _>(kind)
        .bind::<Text, _>(operation)
        .bind::<SqlUuid, _>(subject)
        .bind::<Nullable<SqlUuid>, _>(request)
        .bind::<Text, _>(address)
        .execute(self.conn)?;
        Ok(())
    }

    /// Says to PostgreSQL that work goes on. It ends a transaction that is silent for five seconds; whoever reckons for long
    /// between two statements speaks now and then.
    ///
    /// # Errors
    /// Fails with the database.
    pub fn still_here(&mut self) -> Result<()> {
        diesel::sql_query("SELECT 1").execute(self.conn())?;
        Ok(())
    }

    /// Wakes the worker when this transaction has committed.
    pub fn wake_worker(&mut self) {
        self.has_queued = true;
    }
}

/// A row that was read `FOR UPDATE` in this transaction. Saving a change takes one of these, so that nobody
/// saves what somebody else may have changed in between.
#[derive(Debug)]
pub struct Locked<T>(T);

impl<T> Locked<T> {
    /// Only stores make one, beside a `for_update`.
    pub fn new(row: T) -> Self {
        Self(row)
    }

    /// The row, to be saved.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> std::ops::Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
