//! A mutual to measure: founded over HTTP, then grown to a size that no API makes in minutes.

use std::net::TcpListener;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use umbel::demo::{Cast, Stage};
use umbel::platform::clock::Clock;
use umbel::platform::config::Config;
use umbel::platform::mail_catcher::Catcher;
use umbel::platform::web::RateLimits;

use crate::commands::demo::{ADMIN, courier, first_administrator};
use crate::commands::serve::{Switch, THREADS, in_background};
use crate::commands::{Outcome, Running, Store, assemble};

/// No limit that a benchmark reaches.
const PLENTY: u32 = 100_000_000;
/// In cents: more than all that its members have.
const OPENING: i64 = 100_000_000_000;
/// The account of the mutual.
pub const IBAN: &str = "BE68539007547034";

/// A mutual with its office, served in this process.
pub struct Office {
    /// Its database.
    pub store: Store,
    /// Where it is asked.
    pub stage: Stage,
    /// Everybody in it.
    pub cast: Cast,
    /// The administrator's password.
    pub password: String,
    /// What serves it.
    pub running: Running,
    server: Switch,
}

impl Office {
    /// Founds it on an empty folder.
    pub fn found(config: &Config) -> Outcome<Self> {
        let store = Store::open(config)?;
        let clock = Clock::system();
        let mut running = assemble(config, &store, &clock)?;
        running.parts.limits = Arc::new(RateLimits::new(PLENTY, PLENTY, PLENTY));
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let base = format!("http://{}", listener.local_addr()?);
        running.parts.public_url.clone_from(&base);
        let mails = Catcher::start(0, None)?;
        let worker = courier(config, &running, &mails, &base)?;
        let password = first_administrator(&running, &clock)?;
        let server = in_background(&running, listener, THREADS)?;
        let stage = Stage { base, clock, worker, mails, factors: umbel::demo::Factors::default() };
        let administrator = stage.visitor().sign_in(ADMIN, &password)?;
        let cast = stage.found_mutual(administrator, IBAN, OPENING)?;
        Ok(Self { store, stage, cast, password, running, server })
    }

    /// A connection that passes by every trigger: for what is there before anything is measured.
    pub fn superuser(&self) -> Outcome<PgConnection> {
        let url = self.store.owner_url.replace("user=umbel_owner", "user=postgres");
        Ok(PgConnection::establish(&url)?)
    }

    /// Adds members, each with an activity and a client. The n-th of each has the number n in its id.
    pub fn add_members(&self, members: usize) -> Outcome<()> {
        let entity = &self.cast.entity_id;
        self.superuser()?.batch_execute(&format!(
            "BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL synchronous_commit = off;
             CREATE TEMPORARY TABLE crowd ON COMMIT DROP AS
                 SELECT n, {person} AS person, {activity} AS activity, {client} AS client FROM generate_series(1, {members}) n;
             INSERT INTO person (id, email, name, language, password_hash)
                 SELECT person, format('member%s@crowd.example', n), format('Member %s', n), 'en', '-' FROM crowd;
             INSERT INTO application (id, person_id, entity_id, state, decided_by, decided_at)
                 SELECT person, person, '{entity}', 'accepted', (SELECT id FROM person WHERE email = '{ADMIN}'), umbel_now() FROM crowd;
             INSERT INTO member (id, entity_id, application_id, state, street, building_number, postcode, town, country)
                 SELECT person, '{entity}', person, 'active', 'Rue Haute', '1', '1000', 'Bruxelles', 'BE' FROM crowd;
             INSERT INTO activity (id, entity_id, member_id, name, created_at)
                 SELECT activity, '{entity}', person, 'Work', umbel_now() - interval '5 years' FROM crowd;
             INSERT INTO activity_balance (activity_id, owner_id, currency) SELECT activity, person, 'EUR' FROM crowd;
             INSERT INTO client (id, member_id, name, kind, email, language, street, building_number, postcode, town, country)
                 SELECT client, person, 'A client', 'business', 'client@crowd.example', 'fr', 'Rue Basse', '2', '1000', 'Bruxelles', 'BE' FROM crowd;
             COMMIT;
             ANALYZE person, application, member, activity, activity_balance, client",
            person = id('1', "n"),
            activity = id('2', "n"),
            client = id('3', "n"),
        ))?;
        Ok(())
    }

    /// Stops serving, and the database.
    pub fn close(self) {
        drop(self.server);
        self.store.close();
    }
}

/// SQL for an id of a kind with a number in it: ids of one kind follow their numbers.
pub fn id(kind: char, number: &str) -> String {
    format!("('0190000{kind}-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid")
}
