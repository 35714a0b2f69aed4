//! Proposed rules: tried out on what happened, read by everybody, decided.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use umbel::demo::{Cast, Client, MemberCast};
use umbel::platform::clock::Clock;
use umbel::platform::faults::Faults;

use super::ground::lines;
use super::support::{ADMIN, TestApp, TestDatabase};

fn euros(amount: i64) -> Value {
    json!({"amount_minor": amount * 100, "currency": "EUR"})
}

/// Rules that are like those of the founding but for the levies.
fn rules(levies: &Value) -> Value {
    json!({
        "share_price": euros(30), "payment_terms_days": 30, "advance_working_days": 7, "client_limit": euros(50_000),
        "levies": levies,
    })
}

/// The levies of the founding.
fn founding() -> Value {
    json!([{"kind": "fee", "rate": "0.055"}, {"kind": "guarantee", "rate": "0.02"}])
}

/// Everything that a levy can have: bands over the year, a floor and a fixed amount by the month, a cap.
fn rich() -> Value {
    let band = |from: i64, rate: &str| json!({"from": euros(from), "rate": rate});
    json!([
        {"kind": "fee", "bands": [band(0, "0.11"), band(2_000, "0.10"), band(4_000, "0.09")],
         "floor_per_month": euros(40), "cap_per_year": euros(700), "fixed_per_month": euros(12)},
        {"kind": "guarantee", "rate": "0.02"},
    ])
}

fn minor(value: &Value, pointer: &str) -> i64 {
    let found = value.pointer(&format!("{pointer}/amount_minor")).and_then(Value::as_i64);
    found.unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

fn propose(administrator: &Client, entity: &str, levies: &Value) -> String {
    let id = administrator.new_id();
    let body =
        json!({"id": id, "entity_id": entity, "title": "Other levies", "note": "Why not", "rules": rules(levies)});
    let written = administrator.post("/v1/proposals", &body).unwrap().expect(201).unwrap();
    assert_eq!((written["state"].as_str(), written["version"].as_i64()), (Some("draft"), Some(1)));
    id
}

fn command(administrator: &Client, proposal: &str, name: &str, version: i64, body: &Value) -> Value {
    let place = format!("/v1/proposals/{proposal}/{name}");
    administrator.change(&place, version, body).unwrap().expect(200).unwrap()
}

/// Asks for a dry run, lets the worker make it, answers what it found.
fn dry_run(app: &TestApp, administrator: &Client, proposal: &str, from: &str, to: &str) -> Value {
    let id = administrator.new_id();
    let body = json!({"id": id, "from": from, "to": to});
    let asked = administrator.post(&format!("/v1/proposals/{proposal}/dry_runs"), &body).unwrap();
    let job = asked.expect(202).unwrap();
    let place = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(asked.header("location"), Some(place.as_str()));
    assert_eq!((job["state"].as_str(), job["subject_id"].as_str()), (Some("queued"), Some(id.as_str())));
    app.stage.settle().unwrap();
    let done = administrator.get(&place).unwrap().expect(200).unwrap();
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["done_count"], done["total_count"]);
    let run = administrator.get(&format!("/v1/proposals/{proposal}/dry_runs/{id}")).unwrap().expect(200).unwrap();
    assert_eq!(done["result"]["sha256"], run["sha256"]);
    run
}

/// A small mutual that works for a while.
struct Work {
    app: TestApp,
    cast: Cast,
    awa: MemberCast,
    bo: MemberCast,
}

impl Work {
    /// Both members are there; nothing is invoiced yet.
    fn begin(at: &str) -> Self {
        let beginning: DateTime<Utc> = at.parse().unwrap();
        let app = TestApp::on(TestDatabase::new(), Clock::simulated(beginning), Faults::default());
        let (mut cast, awa) = app.with_member();
        let bo = app.another_member(&mut cast);
        Self { app, cast, awa, bo }
    }

    /// A new rule set from today on.
    fn decide(&self, levies: &Value) {
        let administrator = &self.cast.staff.administrator;
        let today = self.app.stage.today();
        let mut body = rules(levies);
        body["id"] = json!(administrator.new_id());
        body["valid_from"] = json!(today);
        body["decided_on"] = json!(today);
        body["decision"] = json!("General assembly");
        let place = format!("/v1/entities/{}/rule_sets", self.cast.entity_id);
        administrator.post(&place, &body).unwrap().expect(201).unwrap();
    }

    /// Days later, everybody signed in again.
    fn later(&mut self, days: i64) {
        self.app.stage.days_pass(days).unwrap();
        self.app.stage.office_returns(&mut self.cast, ADMIN).unwrap();
        self.awa.client = self.app.stage.sign_in(&self.awa.email).unwrap();
        self.bo.client = self.app.stage.sign_in(&self.bo.email).unwrap();
    }

    fn invoice(&self, member: &MemberCast, cents: i64) {
        let submitted = self.app.stage.submitted_invoice(member, None, cents).unwrap();
        self.app.stage.issue(&self.cast.staff.reviewer, &submitted).unwrap();
    }

    /// Four months with amounts that round, that cross bands, that stay below the floor and that reach the cap.
    fn four_months(&mut self) {
        for (of_awa, of_bo) in [(123_456, 20_000), (98_765, 0), (250_001, 1_234_567), (33_335, 99)] {
            let (awa, bo) = (self.awa.clone(), self.bo.clone());
            self.invoice(&awa, of_awa);
            if of_bo > 0 {
                self.invoice(&bo, of_bo);
            }
            self.invoice(&awa, 7_777);
            self.later(31);
        }
    }

    fn effects(&self, proposal: &str, run: &Value, query: &str) -> Value {
        let place = format!("/v1/proposals/{proposal}/dry_runs/{}/effects{query}", run["id"].as_str().unwrap());
        self.cast.staff.accountant.get(&place).unwrap().expect(200).unwrap()
    }

    /// A hash of everything that the books and the documents are made of.
    fn books(&self) -> Vec<String> {
        let tables =
            ["journal_entry", "posting", "activity_balance", "invoice", "levy_charge", "rule_set", "rule_set_levy"];
        let hash = |table: &str| {
            format!(
                "SELECT '{table}' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') AS line FROM {table} t"
            )
        };
        let mut conn = self.app.database.owner();
        tables.iter().flat_map(|table| lines(&mut conn, &hash(table))).collect()
    }
}

#[test]
fn under_the_rules_that_were_in_force_nobody_would_have_paid_a_cent_more_or_less() {
    let mut work = Work::begin("2026-05-04T08:00:00Z");
    work.decide(&rich());
    work.four_months();
    let before = work.books();
    let administrator = work.cast.staff.administrator.clone();
    let proposal = propose(&administrator, &work.cast.entity_id, &rich());
    let run = dry_run(&work.app, &administrator, &proposal, "2026-05", "2026-08");
    assert_eq!(work.books(), before, "a dry run touched the books");
    assert_eq!(run["invoice_count"], 11);
    for kind in ["fee", "guarantee"] {
        assert_eq!(minor(&run, &format!("/{kind}/difference")), 0, "{run}");
        assert!(minor(&run, &format!("/{kind}/booked")) > 0);
        assert_eq!(minor(&run, &format!("/{kind}/booked")), minor(&run, &format!("/{kind}/proposed")));
        for month in run["months"].as_array().unwrap() {
            assert_eq!(minor(month, &format!("/{kind}/difference")), 0, "{month}");
        }
    }
    assert_eq!(run["months"].as_array().unwrap().len(), 4);
    let effects = work.effects(&proposal, &run, "");
    assert_eq!(effects["data"].as_array().unwrap().len(), 2);
    for effect in effects["data"].as_array().unwrap() {
        assert_eq!(minor(effect, "/difference"), 0, "{effect}");
        assert!(minor(effect, "/fee/booked") > 0);
    }
    assert_eq!(
        (run["distribution"]["unchanged"].as_i64(), run["distribution"]["members"].as_i64()),
        (Some(2), Some(2))
    );
    // The same again, to the byte; a part of the period too.
    let again = dry_run(&work.app, &administrator, &proposal, "2026-05", "2026-08");
    assert_eq!(again["sha256"], run["sha256"]);
    let part = dry_run(&work.app, &administrator, &proposal, "2026-07", "2026-08");
    assert_ne!(part["sha256"], run["sha256"]);
    assert_eq!((minor(&part, "/fee/difference"), part["invoice_count"].as_i64()), (0, Some(6)));
    // It is the rules that make the difference.
    let other = propose(&administrator, &work.cast.entity_id, &founding());
    let other = dry_run(&work.app, &administrator, &other, "2026-05", "2026-08");
    assert_ne!(minor(&other, "/fee/difference"), 0);
    assert_eq!(minor(&other, "/fee/booked"), minor(&run, "/fee/booked"));
}

#[test]
fn everybody_sees_what_a_proposal_would_have_meant_for_them_and_the_office_for_all() {
    let mut work = Work::begin("2026-05-04T08:00:00Z");
    // Flat shares: 5.5 % and 2 %. Awa 1,000.00 and 234.56; Bo 300.00.
    let (awa, bo) = (work.awa.clone(), work.bo.clone());
    work.invoice(&awa, 100_000);
    work.invoice(&awa, 23_456);
    work.invoice(&bo, 30_000);
    work.later(31);
    let administrator = work.cast.staff.administrator.clone();
    // 4 %, at least 40.00 a month by its days: both have been there for 28 of the 31 days of May, 36.13.
    let levies =
        json!([{"kind": "fee", "rate": "0.04", "floor_per_month": euros(40)}, {"kind": "guarantee", "rate": "0.02"}]);
    let proposal = propose(&administrator, &work.cast.entity_id, &levies);
    let place = format!("/v1/proposals/{proposal}");
    let run = dry_run(&work.app, &administrator, &proposal, "2026-05", "2026-05");
    // Booked: 55.00 + 12.90 and 16.50. Proposed: 40.00 + 9.38 and 12.00 + 24.13.
    assert_eq!(
        (minor(&run, "/fee/booked"), minor(&run, "/fee/proposed")),
        (5_500 + 1_290 + 1_650, 4_000 + 938 + 3_613)
    );
    assert_eq!((minor(&run, "/guarantee/booked"), minor(&run, "/guarantee/difference")), (2_000 + 469 + 600, 0));
    let told = &run["distribution"];
    assert_eq!(
        (told["better_off"].as_i64(), told["worse_off"].as_i64(), told["unchanged"].as_i64()),
        (Some(1), Some(1), Some(0))
    );
    assert_eq!((minor(told, "/largest_gain"), minor(told, "/largest_loss")), (-1_852, 1_963));

    // A draft is the office's.
    let run_place = format!("{place}/dry_runs/{}", run["id"].as_str().unwrap());
    for path in [place.clone(), run_place.clone(), format!("{run_place}/mine")] {
        assert_eq!(work.awa.client.get(&path).unwrap().status, 404, "{path}");
    }
    assert_eq!(work.awa.client.get("/v1/proposals").unwrap().json()["data"], json!([]));
    command(&administrator, &proposal, "publish", 1, &json!({}));
    assert_eq!(work.awa.client.get(&place).unwrap().json()["state"], "published");
    assert_eq!(work.awa.client.get("/v1/proposals").unwrap().json()["data"][0]["id"].as_str(), Some(proposal.as_str()));
    assert_eq!(minor(&work.bo.client.get(&run_place).unwrap().json(), "/fee/booked"), 8_440);
    let mine = effect_on(&work.awa, &proposal, &run);
    assert_eq!((minor(&mine, "/fee/booked"), minor(&mine, "/fee/proposed")), (6_790, 4_938));
    assert_eq!(
        (minor(&mine, "/difference"), minor(&mine, "/invoiced"), mine["invoice_count"].as_i64()),
        (-1_852, 123_456, Some(2))
    );
    assert_eq!(minor(&effect_on(&work.bo, &proposal, &run), "/difference"), 1_963);
    assert_eq!(work.awa.client.get(&format!("{run_place}/effects")).unwrap().status, 403);

    // The office reads all of them, by pages, from either end.
    let difference = |page: &Value| minor(&page["data"][0], "/difference");
    let first = work.effects(&proposal, &run, "?limit=1");
    assert_eq!((difference(&first), first["page"]["has_more"].as_bool()), (1_963, Some(true)));
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    let second = work.effects(&proposal, &run, &format!("?limit=1&cursor={cursor}"));
    assert_eq!((difference(&second), second["page"]["has_more"].as_bool()), (-1_852, Some(false)));
    let gains = work.effects(&proposal, &run, "?order=largest_gain&limit=1");
    assert_eq!(difference(&gains), -1_852);
    let cursor = gains["page"]["next_cursor"].as_str().unwrap();
    assert_eq!(
        difference(&work.effects(&proposal, &run, &format!("?order=largest_gain&limit=1&cursor={cursor}"))),
        1_963
    );
}

#[test]
fn exemptions_and_levies_of_ones_own_hold_in_a_dry_run_too() {
    let mut work = Work::begin("2026-05-04T08:00:00Z");
    work.decide(&rich());
    let (awa, bo) = (work.awa.clone(), work.bo.clone());
    let reviewer = work.cast.staff.reviewer.clone();
    let today = work.app.stage.today();
    let exemption =
        json!({"id": reviewer.new_id(), "kind": "fee", "part": "all", "valid_from": today, "reason": "Little income"});
    let place = format!("/v1/activities/{}/levy_exemptions", awa.activity_id);
    work.cast.staff.administrator.post(&place, &exemption).unwrap().expect(201).unwrap();
    let own = json!({"id": reviewer.new_id(), "levy": {"kind": "fee", "rate": "0.03"}, "valid_from": today, "reason": "Agreed"});
    let place = format!("/v1/activities/{}/levy_overrides", bo.activity_id);
    work.cast.staff.administrator.post(&place, &own).unwrap().expect(201).unwrap();
    work.invoice(&awa, 100_000);
    work.invoice(&bo, 200_000);
    work.later(31);
    let administrator = work.cast.staff.administrator.clone();
    for (levies, guarantee) in
        [(rich(), 0), (json!([{"kind": "fee", "rate": "0.5"}, {"kind": "guarantee", "rate": "0.03"}]), 3_000)]
    {
        let proposal = propose(&administrator, &work.cast.entity_id, &levies);
        let run = dry_run(&work.app, &administrator, &proposal, "2026-05", "2026-05");
        assert_eq!((minor(&run, "/fee/booked"), minor(&run, "/fee/difference")), (6_000, 0), "{run}");
        assert_eq!(minor(&run, "/guarantee/difference"), guarantee);
    }
}

#[test]
fn what_is_adopted_becomes_a_rule_set_with_its_decision() {
    let app = TestApp::start();
    let cast = app.mutual();
    let administrator = &cast.staff.administrator;
    let proposal = propose(administrator, &cast.entity_id, &rich());
    let place = format!("/v1/proposals/{proposal}");
    let decision = json!({"rule_set_id": administrator.new_id(), "decision": "Vote 7", "decided_on": "2026-05-04", "valid_from": "2026-06-01"});
    // Nobody votes on what nobody could read.
    let early = administrator.change(&format!("{place}/adopt"), 1, &decision).unwrap();
    assert_eq!((early.status, early.code().as_str()), (409, "state_conflict"));
    command(administrator, &proposal, "publish", 1, &json!({}));
    let stale = administrator.change(&format!("{place}/adopt"), 1, &decision).unwrap();
    assert_eq!((stale.status, stale.json()["current"]["state"].as_str()), (412, Some("published")));
    let late = json!({"rule_set_id": administrator.new_id(), "decision": "", "decided_on": "2026-06-02", "valid_from": "2026-06-01"});
    let refused = administrator.change(&format!("{place}/adopt"), 2, &late).unwrap();
    let told = refused.json();
    assert_eq!((refused.status, told["errors"].as_array().unwrap().len()), (422, 2), "{told}");
    assert_eq!(
        (&told["errors"][0]["pointer"], &told["errors"][1]["pointer"]),
        (&json!("/decision"), &json!("/decided_on"))
    );
    let adopted = command(administrator, &proposal, "adopt", 2, &decision);
    assert_eq!((adopted["state"].as_str(), &adopted["rule_set_id"]), (Some("adopted"), &decision["rule_set_id"]));
    let rule_set =
        administrator.get(&format!("/v1/rule_sets/{}", decision["rule_set_id"].as_str().unwrap())).unwrap().json();
    assert_eq!((rule_set["decision"].as_str(), rule_set["valid_from"].as_str()), (Some("Vote 7"), Some("2026-06-01")));
    assert_eq!(rule_set["levies"], adopted["rules"]["levies"]);
    for name in ["publish", "reject", "withdraw"] {
        let over = administrator.change(&format!("{place}/{name}"), 3, &json!({})).unwrap();
        assert_eq!((over.status, over.code().as_str()), (409, "state_conflict"), "{name}");
    }
    let run = json!({"id": administrator.new_id(), "from": "2026-01", "to": "2026-04"});
    let over = administrator.post(&format!("{place}/dry_runs"), &run).unwrap();
    assert_eq!((over.status, over.code().as_str()), (409, "state_conflict"));
    // A second rule set cannot begin on the same day; the proposal stays as it was.
    let second = propose(administrator, &cast.entity_id, &founding());
    command(administrator, &second, "publish", 1, &json!({}));
    let taken = json!({"rule_set_id": administrator.new_id(), "decision": "Vote 8", "decided_on": "2026-05-04", "valid_from": "2026-06-01"});
    let refused = administrator.change(&format!("/v1/proposals/{second}/adopt"), 2, &taken).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "not_unique"));
    assert_eq!(command(administrator, &second, "reject", 2, &json!({}))["state"], "rejected");
    let third = propose(administrator, &cast.entity_id, &founding());
    assert_eq!(command(administrator, &third, "withdraw", 1, &json!({}))["state"], "withdrawn");
    let listed = administrator.get("/v1/proposals?state=withdrawn").unwrap().json();
    assert_eq!(listed["data"][0]["id"].as_str(), Some(third.as_str()));
}

#[test]
fn a_proposal_or_a_period_that_cannot_be_is_refused_by_name_and_writes_nothing() {
    let app = TestApp::start();
    let cast = app.mutual();
    let administrator = &cast.staff.administrator;
    let proposal = propose(administrator, &cast.entity_id, &founding());
    let before = super::world::rows(&app);
    let pointers = |answer: &umbel::demo::Answer| -> Vec<String> {
        let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    };
    let place = format!("/v1/proposals/{proposal}/dry_runs");
    for (from, to, wrong) in [
        ("2026-04", "2026-03", "/from"),
        ("2026-04", "2026-05", "/to"),
        ("2026-01", "2027-01", "/to"),
        ("2021-04", "2026-04", "/from"),
        ("2026", "2026-04", "/from"),
        ("2026-04", "2026-13", "/to"),
    ] {
        let refused =
            administrator.post(&place, &json!({"id": administrator.new_id(), "from": from, "to": to})).unwrap();
        assert_eq!((refused.status, pointers(&refused)), (422, vec![wrong.to_owned()]), "{from} {to}");
    }
    let absent = administrator.new_id();
    let run = json!({"id": administrator.new_id(), "from": "2026-04", "to": "2026-04"});
    assert_eq!(administrator.post(&format!("/v1/proposals/{absent}/dry_runs"), &run).unwrap().status, 404);
    assert_eq!(administrator.get(&format!("/v1/proposals/{proposal}/dry_runs/{absent}")).unwrap().status, 404);
    let cases = [
        (json!([{"kind": "fee", "rate": "1.5"}]), "/rules/levies/0/rate"),
        (json!([{"kind": "fee", "rate": "-0.1"}]), "/rules/levies/0/rate"),
        (json!([{"kind": "fee", "rate": "0.1"}, {"kind": "fee", "rate": "0.1"}]), "/rules/levies/1/kind"),
        (
            json!([{"kind": "guarantee", "rate": "0.1"}, {"kind": "fee", "rate": "0.1", "cap_per_year": euros(-1)}]),
            "/rules/levies/1/cap_per_year/amount_minor",
        ),
        (
            json!([{"kind": "fee", "bands": [{"from": euros(1), "rate": "0.1"}]}]),
            "/rules/levies/0/bands/0/from/amount_minor",
        ),
    ];
    for (levies, wrong) in cases {
        let body = json!({"id": administrator.new_id(), "entity_id": cast.entity_id, "title": "Wrong", "rules": rules(&levies)});
        let refused = administrator.post("/v1/proposals", &body).unwrap();
        assert_eq!((refused.status, pointers(&refused)), (422, vec![wrong.to_owned()]), "{levies}");
    }
    let mut body =
        json!({"id": administrator.new_id(), "entity_id": cast.entity_id, "title": "", "rules": rules(&founding())});
    let refused = administrator.post("/v1/proposals", &body).unwrap();
    assert_eq!((refused.status, pointers(&refused)), (422, vec!["/title".to_owned()]));
    body["title"] = json!("Elsewhere");
    body["entity_id"] = json!(absent);
    assert_eq!(administrator.post("/v1/proposals", &body).unwrap().status, 404);
    let mut after = super::world::rows(&app);
    // Who did what is noted even when it was refused nowhere; nothing else may differ.
    after.retain(|table, _| before.contains_key(table));
    assert_eq!(after, before, "a refused request wrote something");
}

#[test]
fn a_dry_run_that_is_not_finished_shows_no_ones_effect() {
    let app = TestApp::start();
    let cast = app.mutual();
    let administrator = &cast.staff.administrator;
    let proposal = propose(administrator, &cast.entity_id, &founding());
    let id = administrator.new_id();
    let run = json!({"id": id, "from": "2026-04", "to": "2026-04"});
    let place = format!("/v1/proposals/{proposal}/dry_runs");
    administrator.post(&place, &run).unwrap().expect(202).unwrap();
    let early = administrator.get(&format!("{place}/{id}/effects")).unwrap();
    assert_eq!((early.status, early.code().as_str()), (409, "dry_run_unfinished"));
    let shown = administrator.get(&format!("{place}/{id}")).unwrap().json();
    assert_eq!((&shown["sha256"], &shown["distribution"]), (&Value::Null, &Value::Null));
    app.stage.clock.advance(Duration::seconds(1));
    app.stage.settle().unwrap();
    let list = administrator.get(&place).unwrap().json();
    assert_eq!(list[0]["distribution"]["members"], 0);
    assert_eq!(list[0]["id"].as_str(), Some(id.as_str()));
}

fn effect_on(member: &MemberCast, proposal: &str, run: &Value) -> Value {
    let place = format!("/v1/proposals/{proposal}/dry_runs/{}/mine", run["id"].as_str().unwrap());
    member.client.get(&place).unwrap().expect(200).unwrap()
}
