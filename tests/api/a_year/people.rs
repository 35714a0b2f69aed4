//! Five hundred people at once: one is enrolled through the API, the others are copies of what that left behind.

use chrono::Duration;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Binary, Text, Uuid as SqlUuid};
use diesel::{RunQueryDsl, sql_query};
use serde_json::json;
use umbel::access::TokenService;
use umbel::demo::{Cast, Client, MemberCast};
use umbel::kernel::references::Ogm;
use uuid::Uuid;

use crate::support::TestApp;

/// A member and the keys to act as them.
pub struct Person {
    pub id: Uuid,
    session: Uuid,
    pub activity: String,
    pub client: String,
    pub email: String,
}

/// Everybody, and the means to act as any of them on any day.
pub struct People {
    pub members: Vec<Person>,
    tokens: TokenService,
}

impl People {
    /// A device on which a member is signed in now: days pass, and tokens live for minutes.
    pub fn device(&self, app: &TestApp, person: &Person) -> Client {
        self.signed_in(app, person.id, person.session)
    }

    fn signed_in(&self, app: &TestApp, person: Uuid, session: Uuid) -> Client {
        let clock = &app.stage.clock;
        let mut client = app.visitor();
        let token = self.tokens.issue(person.into(), session.into(), 1, clock.now(), clock.new_id());
        client.token = Some(token.unwrap());
        client.person_id = Some(person.to_string());
        client
    }

    /// As [`MemberCast`], for the steps of the stage.
    pub fn cast(&self, app: &TestApp, person: &Person) -> MemberCast {
        MemberCast {
            client: self.device(app, person),
            email: person.email.clone(),
            activity_id: person.activity.clone(),
            client_id: person.client.clone(),
            client_email: super::client_address(person),
        }
    }
}

/// Copies of the first member who was accepted and has not paid the share: person, application, role, account,
/// member, share with its entry, and a session that lasts.
const COPY: &str = "CREATE TEMP TABLE copy (person uuid, application uuid, share uuid, account uuid, session uuid, \
    reference text, iban bytea, n bigint)";
const COPIES: &str = "INSERT INTO copy SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], \
    $6::text[], $7::bytea[]) WITH ORDINALITY";

const INSERTS: &str = "
CREATE TEMP TABLE model AS SELECT m.id AS person, m.application_id AS application FROM member m ORDER BY created_at LIMIT 1;
INSERT INTO person SELECT (jsonb_populate_record(p, jsonb_build_object('id', c.person, 'name', 'Member ' || c.n, 'email', 'member' || c.n || '@member.example'))).*
    FROM person p, model, copy c WHERE p.id = model.person;
INSERT INTO session (id, person_id, device, address, generation, confirmed_generation, expires_at)
    SELECT session, person, 'year', '127.0.0.1', 1, 1, '2030-01-01' FROM copy;
ALTER TABLE application DISABLE TRIGGER USER;
INSERT INTO application SELECT (jsonb_populate_record(a, jsonb_build_object('id', c.application, 'person_id', c.person))).*
    FROM application a, model, copy c WHERE a.id = model.application;
INSERT INTO member (id, entity_id, application_id, state, street, building_number, postcode, town, country)
    SELECT c.person, m.entity_id, c.application, 'pending_share', m.street, m.building_number, m.postcode, m.town, m.country
    FROM member m, model, copy c WHERE m.id = model.person;
INSERT INTO payee_account SELECT (jsonb_populate_record(a, jsonb_build_object('id', c.account, 'person_id', c.person))).*
    FROM payee_account a, model, copy c WHERE a.person_id = model.person;
UPDATE payee_account a SET iban_sealed = c.iban FROM copy c WHERE a.id = c.account;
INSERT INTO role_grant SELECT (jsonb_populate_record(g, jsonb_build_object('id', gen_random_uuid(), 'person_id', c.person))).*
    FROM role_grant g, model, copy c WHERE g.person_id = model.person;
INSERT INTO share (id, member_id, entity_id, quantity, nominal_minor, currency, payment_reference, state, subscribed_on)
    SELECT c.share, c.person, s.entity_id, s.quantity, s.nominal_minor, s.currency, c.reference, 'subscribed', s.subscribed_on
    FROM share s, model, copy c WHERE s.member_id = model.person;
ALTER TABLE application ENABLE TRIGGER USER;
WITH entry AS (INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id, owner_id)
    SELECT s.entity_id, s.subscribed_on, 'share_subscribed', 'share', s.id, s.member_id FROM share s JOIN copy c ON c.share = s.id
    RETURNING id, source_id, owner_id)
INSERT INTO posting (entry_id, account, amount_minor, currency, member_id, owner_id)
    SELECT e.id, v.account, v.sign * s.nominal_minor * s.quantity, s.currency, s.member_id, e.owner_id
    FROM entry e JOIN share s ON s.id = e.source_id,
         (VALUES ('share_receivable', 1), ('share_capital', -1)) v (account, sign);
";

/// Enrols `count` members: the last step, paying the share, is a bank statement like any other.
pub fn enrol(app: &TestApp, cast: &mut Cast, count: usize) -> People {
    let stage = &app.stage;
    let (application, _) =
        stage.apply(&cast.entity_id, "first@member.example", "First", crate::support::IBANS[0]).unwrap();
    stage.accept(&cast.staff.reviewer, &application, "first@member.example").unwrap();
    // Ids follow the clock: what is left of a division goes to the same members in every run.
    let next_id = || {
        stage.clock.advance(Duration::milliseconds(1));
        stage.clock.new_id()
    };
    let new_ids = || (0..count).map(|_| next_id()).collect::<Vec<Uuid>>();
    let (people, accounts, sessions) = (new_ids(), new_ids(), new_ids());
    let references: Vec<String> = (0..count)
        .map(|n| Ogm::from_base(9_000_000_000 + u64::try_from(n).unwrap()).unwrap().digits().to_owned())
        .collect();
    let ibans: Vec<Vec<u8>> = accounts
        .iter()
        .map(|id| app.parts.keys.seal(&format!("payee.iban:{id}"), crate::support::IBANS[0].as_bytes()))
        .collect();
    let mut owner = app.database.owner();
    bind(&mut owner, [people.clone(), new_ids(), new_ids(), accounts, sessions.clone()], &references, &ibans);
    owner.batch_execute(INSERTS).unwrap();
    let share = app.count("SELECT max(nominal_minor * quantity) FROM share");
    for (n, reference) in references.iter().enumerate() {
        let amount = umbel::kernel::money::Minor::new(share);
        cast.bank.receives(amount, reference, &format!("Member {n}"), stage.today());
    }
    stage.import(cast).unwrap();
    let tokens = TokenService::new(app.parts.keys.clone(), app.parts.public_url.clone(), stage.clock.clone());
    let mut all = People { members: Vec::new(), tokens };
    for (person, session) in people.into_iter().zip(sessions) {
        let device = all.signed_in(app, person, session);
        let (activity, client) = (next_id().to_string(), device.new_id());
        device.post("/v1/activities", &json!({"id": activity, "name": "Work"})).unwrap().expect(201).unwrap();
        let body = json!({
            "id": client, "name": format!("Client of {person}"), "kind": "business", "email": format!("invoices+{person}@client.example"),
            "language": "fr", "address": {"street": "Chaussée de Louvain", "building_number": "100", "postcode": "1210", "town": "Bruxelles", "country": "BE"},
        });
        device.post("/v1/clients", &body).unwrap().expect(201).unwrap();
        let email = format!("member{}@member.example", all.members.len() + 1);
        all.members.push(Person { id: person, session, activity, client, email });
    }
    all
}

fn bind(owner: &mut PgConnection, ids: [Vec<Uuid>; 5], references: &[String], ibans: &[Vec<u8>]) {
    let [people, applications, shares, accounts, sessions] = ids;
    owner.batch_execute(COPY).unwrap();
    sql_query(COPIES)
        .bind::<Array<SqlUuid>, _>(people)
        .bind::<Array<SqlUuid>, _>(applications)
        .bind::<Array<SqlUuid>, _>(shares)
        .bind::<Array<SqlUuid>, _>(accounts)
        .bind::<Array<SqlUuid>, _>(sessions)
        .bind::<Array<Text>, _>(references)
        .bind::<Array<Binary>, _>(ibans)
        .execute(owner)
        .unwrap();
}
