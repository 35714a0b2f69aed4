//! A mutual in the middle of its work, as the ground for statements that must not pass.

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::result::Error;
use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::Text};
use serde_json::{Value, json};
use umbel::demo::{Cast, MemberCast};
use umbel::kernel::money::Minor;

use super::support::TestApp;

/// A mutual in the middle of its work: something of every kind, in every state that the cases need.
pub struct Ground {
    pub app: TestApp,
    names: BTreeMap<&'static str, String>,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The answers of a query that gives one text column named `line`.
pub fn lines(conn: &mut PgConnection, sql: &str) -> Vec<String> {
    let rows: Vec<Line> = sql_query(sql).load(conn).unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.into_iter().map(|row| row.line).collect()
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

/// A pool with a cost that is divided, and one member who bears it.
fn shared_cost(cast: &Cast, member: &MemberCast) {
    let (reviewer, administrator) = (&cast.staff.reviewer, &cast.staff.administrator);
    let eur = |amount: i64| json!({"amount_minor": amount, "currency": "EUR"});
    let pool = reviewer.new_id();
    let place = format!("/v1/pools/{pool}");
    let body = json!({"id": pool, "entity_id": cast.entity_id, "name": "Studio", "purpose": "A place to work", "budget": eur(0),
                      "overfunding": "refund", "deficit": "charge_next_run"});
    reviewer.post("/v1/pools", &body).unwrap().expect(201).unwrap();
    let decided = json!({"decision": "Assembly", "decided_on": "2026-05-04"});
    administrator.change(&format!("{place}/open"), 1, &decided).unwrap().expect(200).unwrap();
    let key = json!({"id": reviewer.new_id(), "valid_from": "2026-05-01", "decision": "Assembly", "parts": [{"basis": "equal", "share": "1"}]});
    reviewer.post(&format!("{place}/keys"), &key).unwrap().expect(201).unwrap();
    let joined = json!({"id": reviewer.new_id(), "activity_id": member.activity_id, "in_from": "2026-05-01"});
    reviewer.post(&format!("{place}/memberships"), &joined).unwrap().expect(201).unwrap();
    let cost = json!({"id": reviewer.new_id(), "pool_id": pool, "supplier": "Landlord", "reference": "May", "invoiced_on": "2026-05-04",
                      "description": "Rent", "net": eur(1_000), "vat": eur(210), "recoverable_vat": eur(210)});
    reviewer.post("/v1/costs", &cost).unwrap().expect(201).unwrap();
    let path = format!("/v1/costs/{}/approve", id(&cost));
    cast.staff.approver.change(&path, 1, &json!({})).unwrap().expect(200).unwrap();
    let run = json!({"id": reviewer.new_id(), "from_on": "2026-05-01", "to_on": "2026-05-31"});
    reviewer.post(&format!("{place}/runs"), &run).unwrap().expect(201).unwrap();
}

impl Ground {
    /// A paid and a submitted invoice, a released and settled payout, a sealed batch, a payout that waits, a
    /// draft order, and money that nobody expected.
    pub fn new() -> Self {
        let app = TestApp::start();
        let (mut cast, member) = app.with_member();
        let stage = &app.stage;
        // While the mutual is being set up: the approver stands for a cost beside the reviewer, below.
        let administrator = &cast.staff.administrator;
        let second = json!({"id": administrator.new_id(), "role": "reviewer", "valid_from": "2026-05-04"});
        let approver = cast.staff.approver.person_id.as_deref().unwrap();
        administrator.post(&format!("/v1/people/{approver}/role_grants"), &second).unwrap().expect(201).unwrap();
        let order = stage.confirmed_order(&member, 100_000).unwrap();
        let submitted = stage.submitted_invoice(&member, order["id"].as_str(), 0).unwrap();
        let invoiced = stage.issue(&cast.staff.reviewer, &submitted).unwrap();
        let waiting = stage.submitted_invoice(&member, None, 30_000).unwrap();
        cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", stage.today());
        cast.bank.receives_unknown(Minor::new(4_200), "thank you", stage.today());
        stage.import(&mut cast).unwrap();
        let paid = stage.payout(&member, 10_000).unwrap();
        let batch = stage.sealed_batch(&cast, &paid).unwrap();
        stage.release(&cast.staff.approver, &batch).unwrap();
        cast.bank.pays(Minor::new(10_000), paid["end_to_end_id"].as_str().unwrap(), stage.today());
        stage.import(&mut cast).unwrap();
        let held = stage.payout(&member, 20_000).unwrap();
        let sealed = stage.sealed_batch(&cast, &held).unwrap();
        let note = json!({"id": member.client.new_id(), "reason": "Too much", "lines": [{"n": 1, "net": {"amount_minor": 1000, "currency": "EUR"}}]});
        let noted = cast.staff.reviewer.post(&format!("/v1/invoices/{}/credit_notes", invoiced.id), &note).unwrap();
        let noted = noted.expect(201).unwrap();
        let asked = stage.payout(&member, 5_000).unwrap();
        shared_cost(&cast, &member);
        let names = BTreeMap::from([
            ("entity", cast.entity_id.clone()),
            ("activity", member.activity_id.clone()),
            ("client", member.client_id.clone()),
            ("member", member.client.person_id.clone().unwrap()),
            ("reviewer", cast.staff.reviewer.person_id.clone().unwrap()),
            ("approver", cast.staff.approver.person_id.clone().unwrap()),
            ("administrator", cast.staff.administrator.person_id.clone().unwrap()),
            ("order", id(&order)),
            ("issued", invoiced.id),
            ("credit_note", id(&noted)),
            ("submitted", id(&waiting)),
            ("released_batch", id(&batch)),
            ("settled_payout", id(&paid)),
            ("sealed_batch", id(&sealed)),
            ("sealed_payout", id(&held)),
            ("asked_payout", id(&asked)),
        ]);
        Self { app, names }
    }

    /// SQL with `{name}` replaced by the ids of this ground.
    pub fn fill(&self, sql: &str) -> String {
        self.names.iter().fold(sql.to_owned(), |sql, (name, id)| sql.replace(&format!("{{{name}}}"), id))
    }

    /// Tries statements in one transaction of their own. Answers why they were refused, be it at commit.
    pub fn attempt(&self, conn: &mut PgConnection, statements: &[&str]) -> Option<String> {
        conn.batch_execute("BEGIN; SELECT set_config('umbel.scope', 'system', true)").unwrap();
        let tried = statements
            .iter()
            .filter(|sql| !sql.is_empty())
            .try_for_each(|sql| conn.batch_execute(&self.fill(sql)))
            .and_then(|()| conn.batch_execute("SET CONSTRAINTS ALL IMMEDIATE"));
        conn.batch_execute("ROLLBACK").unwrap();
        match tried {
            Ok(()) => None,
            Err(Error::DatabaseError(_, info)) => {
                Some(info.constraint_name().map_or_else(|| info.message().to_owned(), str::to_owned))
            }
            Err(other) => panic!("{statements:?}: {other}"),
        }
    }
}
