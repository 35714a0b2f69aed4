//! What the mutual keeps, by the rules that were voted: each worked number through the door.

use std::thread;

use chrono::{Days, Duration, NaiveDate};
use serde_json::{Value, json};
use umbel::demo::{Cast, Client, Invoiced, MemberCast};
use umbel::kernel::ids::ActivityId;
use umbel::kernel::money::Minor;
use umbel::levies;
use umbel::platform::db::Actor;

use super::support::{ADMIN, TestApp};
use super::world::{rows, text};

pub fn money(cents: i64) -> Value {
    json!({"amount_minor": cents, "currency": "EUR"})
}

pub fn minor(value: &Value, pointer: &str) -> i64 {
    value
        .pointer(&format!("{pointer}/amount_minor"))
        .and_then(Value::as_i64)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

/// A rule set with these levies, from a day on.
fn rule_set(administrator: &Client, levies: &Value, from: NaiveDate) -> Value {
    json!({
        "id": administrator.new_id(), "valid_from": from, "decided_on": from - Days::new(1),
        "decision": "General assembly: other levies", "share_price": money(3000), "payment_terms_days": 30,
        "advance_working_days": 7, "client_limit": money(50_000_000), "levies": levies,
    })
}

/// The members vote: these levies hold from today.
fn vote(app: &TestApp, cast: &Cast, levies: &Value) -> String {
    let administrator = &cast.staff.administrator;
    let body = rule_set(administrator, levies, app.stage.today());
    let place = format!("/v1/entities/{}/rule_sets", cast.entity_id);
    text(&administrator.post(&place, &body).unwrap().expect(201).unwrap(), "id")
}

pub fn issued(app: &TestApp, cast: &Cast, member: &MemberCast, cents: i64) -> Invoiced {
    let submitted = app.stage.submitted_invoice(member, None, cents).unwrap();
    app.stage.issue(&cast.staff.reviewer, &submitted).unwrap()
}

/// What an issued invoice was charged of one kind.
pub fn charged(invoiced: &Invoiced, kind: &str) -> i64 {
    let charges = invoiced.view["charges"].as_array().unwrap();
    charges.iter().filter(|charge| charge["kind"] == kind).map(|charge| minor(charge, "/amount")).sum()
}

/// The charges of the activity, newest first, as its owner reads them.
pub fn listed(member: &MemberCast) -> Value {
    member.client.get(&format!("/v1/activities/{}/levies", member.activity_id)).unwrap().expect(200).unwrap()
}

fn balance(member: &MemberCast, part: &str) -> i64 {
    let seen = member.client.get(&format!("/v1/activities/{}", member.activity_id)).unwrap().expect(200).unwrap();
    minor(&seen, &format!("/{part}"))
}

/// The charge with this value of a field; what was charged at the same instant has no order.
fn about(listed: &Value, field: &str, value: &str) -> Value {
    listed["data"].as_array().unwrap().iter().find(|charge| charge[field] == value).unwrap().clone()
}

/// A second activity of the same member.
pub fn another_activity(member: &MemberCast) -> MemberCast {
    let activity_id = member.client.new_id();
    member.client.post("/v1/activities", &json!({"id": activity_id, "name": "Other"})).unwrap().expect(201).unwrap();
    MemberCast { activity_id, ..member.clone() }
}

fn back(app: &TestApp, cast: &mut Cast, member: &MemberCast) -> MemberCast {
    app.stage.office_returns(cast, ADMIN).unwrap();
    MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member.clone() }
}

/// The clock goes to ten in the morning of a day, and the worker does what fell due.
fn until(app: &TestApp, day: &str) {
    let days = day.parse::<NaiveDate>().unwrap().signed_duration_since(app.stage.today()).num_days();
    app.stage.days_pass(days).unwrap();
}

fn simulate(client: &Client, body: &Value) -> umbel::demo::Answer {
    client.command("POST", "/v1/levies/simulate", &[("Idempotency-Key", &client.new_id())], body).unwrap()
}

fn astrolabe() -> Value {
    let band = |from: i64, rate: &str| json!({"from": money(from), "rate": rate});
    json!([{"kind": "fee", "bands": [band(0, "0.11"), band(4_000_000, "0.10"), band(8_000_000, "0.09")]}])
}

fn mosaique() -> Value {
    json!([{"kind": "fee", "rate": "0.12", "base": "gross_margin", "floor_per_month": money(4_000), "cap_per_year": money(840_000)}])
}

fn pay(app: &TestApp, cast: &mut Cast, invoiced: &Invoiced, cents: i64) {
    cast.bank.receives(Minor::new(cents), &invoiced.reference, "Client", app.stage.today());
    let imported = app.stage.import(cast).unwrap();
    assert_eq!(imported["suspense"], 0, "{imported}");
}

#[test]
fn a_flat_share_is_rounded_once_and_explains_itself() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    vote(&app, &cast, &json!([{"kind": "fee", "rate": "0.065"}]));
    let invoiced = issued(&app, &cast, &member, 123_456);
    assert_eq!(charged(&invoiced, "fee"), 8_025);
    assert_eq!(minor(&invoiced.view, "/to_activity"), 115_431);
    let found = listed(&member);
    assert_eq!(minor(&found, "/sum"), 8_025);
    let charge = &found["data"][0];
    assert_eq!(
        (charge["source_kind"].as_str(), charge["source_id"].as_str()),
        (Some("invoice"), Some(invoiced.id.as_str()))
    );
    assert_eq!(charge["basis"]["pieces"], json!([{"base_minor": 123_456, "rate": "0.065", "exact_minor": "8024.64"}]));
    assert_eq!((charge["basis"]["rounded_minor"].as_i64(), charge["rate"].as_str()), (Some(8_025), Some("0.065")));
    let alone = member.client.get(&format!("/v1/levy_charges/{}", text(charge, "id"))).unwrap().expect(200).unwrap();
    assert_eq!(&alone, charge);
}

#[test]
fn bands_run_over_the_year_of_an_activity() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    vote(&app, &cast, &astrolabe());
    assert_eq!(charged(&issued(&app, &cast, &member, 3_800_000), "fee"), 418_000);
    let invoiced = issued(&app, &cast, &member, 500_000);
    assert_eq!(charged(&invoiced, "fee"), 52_000);
    let charge = about(&listed(&member), "source_id", &invoiced.id);
    let basis = &charge["basis"];
    assert_eq!(
        (basis["before"]["rounded_minor"].as_i64(), basis["after"]["rounded_minor"].as_i64()),
        (Some(418_000), Some(470_000))
    );
    assert_eq!(basis["pieces"][1], json!({"base_minor": 300_000, "rate": "0.1", "exact_minor": "30000"}));
    let other = another_activity(&member);
    assert_eq!(charged(&issued(&app, &cast, &other, 9_000_000), "fee"), 930_000);
    // Ten invoices of odd amounts come to what one would.
    let third = another_activity(&member);
    let parts = [1, 333_333, 777_777, 999_999, 1_234_567, 1_500_001, 1_999_999, 7, 13, 1_000_003];
    let sum: i64 = parts.iter().map(|cents| charged(&issued(&app, &cast, &third, *cents), "fee")).sum();
    let whole = another_activity(&member);
    assert_eq!(sum, charged(&issued(&app, &cast, &whole, parts.iter().sum()), "fee"));
}

#[test]
fn invoices_issued_at_the_same_time_find_their_place_in_the_bands() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    vote(&app, &cast, &astrolabe());
    let submitted: Vec<Value> =
        (0..8).map(|_| app.stage.submitted_invoice(&member, None, 1_125_000).unwrap()).collect();
    thread::scope(|scope| {
        for invoice in &submitted {
            scope.spawn(|| app.stage.issue(&cast.staff.reviewer, invoice).unwrap());
        }
    });
    assert_eq!(minor(&listed(&member), "/sum"), 930_000, "the same as one invoice of 90,000");
}

#[test]
fn a_floor_is_topped_up_when_the_month_is_over_and_a_debt_waits_for_money() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    vote(&app, &cast, &mosaique());
    // The activity began on 4 May: 28 of 31 days of 40.00, and nothing there to pay it.
    until(&app, "2026-06-02");
    let member = back(&app, &mut cast, &member);
    let found = listed(&member);
    assert_eq!(minor(&found, "/sum"), 3_613, "{found}");
    let month = &found["data"][0]["basis"]["month"];
    assert_eq!(
        (month["days"].as_i64(), month["of_days"].as_i64(), month["part"].as_str()),
        (Some(28), Some(31), Some("floor"))
    );
    let closing = member.client.change(&format!("/v1/activities/{}/close", member.activity_id), 1, &json!({})).unwrap();
    assert_eq!((closing.status, closing.code().as_str()), (409, "activity_in_arrears"));

    let invoiced = issued(&app, &cast, &member, 20_000);
    assert_eq!(charged(&invoiced, "fee"), 2_400);
    until(&app, "2026-07-01");
    app.stage.settle().unwrap();
    let member = back(&app, &mut cast, &member);
    let found = listed(&member);
    assert_eq!(minor(&found["data"][0], "/amount"), 1_600, "24.00 and a top-up of 16.00 are 40.00");
    assert_eq!((minor(&found, "/sum"), found["data"].as_array().unwrap().len()), (3_613 + 4_000, 3));

    // 176.00 come in; 52.13 of them are what was owed. A second look settles nothing twice.
    pay(&app, &mut cast, &invoiced, invoiced.gross);
    app.stage.settle().unwrap();
    app.stage.settle().unwrap();
    assert_eq!(balance(&member, "available"), 17_600 - 3_613 - 1_600);
    assert_eq!(app.count("SELECT count(*) FROM arrears_settlement"), 1);
    assert_eq!(app.count("SELECT sum(amount_minor) FROM posting WHERE account = 'activity_arrears'"), 0);
}

#[test]
fn a_year_stops_at_its_cap_and_a_cost_gives_back_what_is_above_it() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    vote(&app, &cast, &mosaique());
    let invoiced = issued(&app, &cast, &member, 8_000_000);
    assert_eq!(charged(&invoiced, "fee"), 840_000);
    let cap = &listed(&member)["data"][0]["basis"]["cap"];
    assert_eq!((cap["left_minor"].as_i64(), cap["cut_minor"].as_i64()), (Some(840_000), Some(120_000)));
    assert_eq!(charged(&issued(&app, &cast, &member, 100_000), "fee"), 0);
    until(&app, "2026-06-01");
    let member = back(&app, &mut cast, &member);
    assert_eq!(minor(&listed(&member), "/sum"), 840_000, "no top-up above the cap");
    // 81,000 less 12,000 of costs: 8,280.00.
    let activity = ActivityId(member.activity_id.parse().unwrap());
    let cost = |cents| {
        let on = app.stage.today();
        app.db
            .write_blocking(&Actor::System, |tx| levies::on_cost(tx, activity, tx.new_id(), Minor::new(cents), on))
            .unwrap()
    };
    assert_eq!(cost(1_000_000).get(), 0);
    assert_eq!(cost(200_000).get(), -12_000);
    assert_eq!((minor(&listed(&member), "/sum"), balance(&member, "available")), (828_000, 12_000));
    assert_eq!(cost(-200_000).get(), 12_000, "a cost that is taken back");
    assert_eq!(balance(&member, "available"), 0);
}

#[test]
fn a_fixed_amount_stands_beside_a_share_of_the_margin() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    vote(
        &app,
        &cast,
        &json!([{"kind": "fee", "rate": "0.135", "base": "gross_margin", "fixed_per_month": money(3_000)}]),
    );
    until(&app, "2026-06-01");
    let member = back(&app, &mut cast, &member);
    assert_eq!(minor(&listed(&member), "/sum"), 2_710, "28 of 31 days of May");
    let invoiced = issued(&app, &cast, &member, 100_000);
    assert_eq!(charged(&invoiced, "fee"), 13_500);
    pay(&app, &mut cast, &invoiced, invoiced.gross);
    let activity = ActivityId(member.activity_id.parse().unwrap());
    let on = app.stage.today();
    let cost = app.stage.clock.new_id();
    let given = app
        .db
        .write_blocking(&Actor::System, |tx| levies::on_cost(tx, activity, cost, Minor::new(20_000), on))
        .unwrap();
    assert_eq!(given.get(), -2_700);
    let twice = app.db.write_blocking(&Actor::System, |tx| levies::on_cost(tx, activity, cost, Minor::new(20_000), on));
    assert_eq!(twice.unwrap_err().code, "already_booked");
    until(&app, "2026-07-01");
    let member = back(&app, &mut cast, &member);
    let found = listed(&member);
    assert_eq!(minor(&found["data"][0], "/amount"), 3_000);
    assert_eq!(minor(&found, "/sum") - 2_710, 13_800, "30.00 + 108.00");
    assert_eq!(balance(&member, "available"), 86_500 + 2_700 - 2_710 - 3_000);
}

#[test]
fn the_gross_up_is_the_smallest_invoice_that_leaves_enough() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    vote(&app, &cast, &json!([{"kind": "fee", "rate": "0.09"}]));
    let before = rows(&app);
    for scope in [json!({"activity_id": member.activity_id}), json!({"entity_id": cast.entity_id})] {
        let mut body = scope.clone();
        body["wanted"] = money(78_700);
        let found = simulate(&member.client, &body).expect(200).unwrap();
        assert_eq!((minor(&found, "/net"), minor(&found, "/left")), (86_484, 78_700));
        assert_eq!(found["levies"][0]["basis"]["exact_minor"], "7783.56");
        let mut body = scope;
        body["net"] = money(86_482);
        let less = simulate(&member.client, &body).expect(200).unwrap();
        assert_eq!(minor(&less, "/left"), 78_699, "less is not enough; 864.83 would be by a lucky rounding of 77.8347");
    }
    let invoiced = issued(&app, &cast, &member, 86_484);
    assert_eq!(minor(&invoiced.view, "/to_activity"), 78_700);
    vote_later(&app, &cast, &astrolabe());
    let after = rows(&app);
    let changed: Vec<_> = before
        .iter()
        .filter(|(table, n)| after[*table] != **n)
        .map(|(table, _)| table.as_str())
        .filter(|table| table.starts_with("levy_"))
        .collect();
    assert_eq!(changed, ["levy_charge"], "of the levies only the invoice wrote");
    let wrong = [
        (json!({"net": money(1)}), "/activity_id"),
        (json!({"activity_id": member.activity_id, "entity_id": cast.entity_id, "net": money(1)}), "/entity_id"),
        (json!({"activity_id": member.activity_id}), "/net"),
        (json!({"activity_id": member.activity_id, "net": money(0)}), "/net/amount_minor"),
        (json!({"activity_id": member.activity_id, "wanted": money(-5)}), "/wanted/amount_minor"),
        (
            json!({"activity_id": member.activity_id, "wanted": {"amount_minor": 5, "currency": "USD"}}),
            "/wanted/currency",
        ),
    ];
    for (body, pointer) in wrong {
        let answer = simulate(&member.client, &body);
        assert_eq!((answer.status, answer.json()["errors"][0]["pointer"].as_str()), (422, Some(pointer)), "{body}");
    }
}

/// The members vote: these levies hold from tomorrow.
fn vote_later(app: &TestApp, cast: &Cast, levies: &Value) {
    let administrator = &cast.staff.administrator;
    let body = rule_set(administrator, levies, app.stage.today() + Days::new(1));
    administrator.post(&format!("/v1/entities/{}/rule_sets", cast.entity_id), &body).unwrap().expect(201).unwrap();
}

#[test]
fn the_gross_up_finds_its_way_through_bands_and_caps() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    vote(&app, &cast, &astrolabe());
    issued(&app, &cast, &member, 3_800_000);
    let body = json!({"activity_id": member.activity_id, "wanted": money(448_000)});
    let found = simulate(&member.client, &body).expect(200).unwrap();
    assert_eq!((minor(&found, "/net"), minor(&found, "/left")), (500_000, 448_000));
    app.stage.clock.advance(Duration::days(1));
    let member = back(&app, &mut cast, &member);
    vote(&app, &cast, &mosaique());
    let body = json!({"entity_id": cast.entity_id, "wanted": money(7_160_000)});
    let found = simulate(&member.client, &body).expect(200).unwrap();
    assert_eq!(minor(&found, "/net"), 8_000_000);
    app.stage.clock.advance(Duration::days(1));
    let member = back(&app, &mut cast, &member);
    vote(&app, &cast, &json!([{"kind": "fee", "rate": "1"}]));
    let answer = simulate(&member.client, &json!({"entity_id": cast.entity_id, "wanted": money(100)}));
    assert_eq!((answer.status, answer.code().as_str()), (422, "gross_up_impossible"));
}

#[test]
fn an_invoice_is_worked_out_in_the_order_that_the_rules_name() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let line = |quantity: &str, cents: i64| json!({"label": "Work", "quantity": quantity, "unit_price": money(cents)});
    let id = member.client.new_id();
    let draft = json!({"id": id, "activity_id": member.activity_id, "client_id": member.client_id, "title": "Work",
        "supplied_on": app.stage.today(), "lines": [line("1.5", 3_333), line("3", 3_335), line("0.333", 10_000)]});
    member.client.post("/v1/invoices", &draft).unwrap().expect(201).unwrap();
    let submitted =
        member.client.change(&format!("/v1/invoices/{id}/submit"), 1, &json!({})).unwrap().expect(200).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    let view = &invoiced.view;
    // 1. Line nets, each rounded; 2. VAT on their sum; 3. what the client pays.
    let nets: Vec<i64> = view["lines"].as_array().unwrap().iter().map(|line| minor(line, "/net")).collect();
    assert_eq!(nets, [5_000, 10_005, 3_330]);
    assert_eq!(
        (minor(view, "/total_net"), minor(view, "/total_vat"), minor(view, "/total_gross")),
        (18_335, 3_850, 22_185)
    );
    // 4. The fee and 5. the contribution on the net, each rounded; 7. the rest is the activity's.
    assert_eq!((charged(&invoiced, "fee"), charged(&invoiced, "guarantee")), (1_008, 367));
    assert_eq!((minor(view, "/to_activity"), balance(&member, "pending")), (16_960, 16_960));
    pay(&app, &mut cast, &invoiced, invoiced.gross);
    assert_eq!(balance(&member, "available"), 16_960);
}

#[test]
fn what_is_charged_on_collection_follows_the_payments() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let levies =
        json!([{"kind": "fee", "rate": "0.055", "base": "collected_net"}, {"kind": "guarantee", "rate": "0.02"}]);
    vote(&app, &cast, &levies);
    let invoiced = issued(&app, &cast, &member, 100_000);
    assert_eq!((charged(&invoiced, "fee"), charged(&invoiced, "guarantee")), (0, 2_000));
    assert_eq!(balance(&member, "pending"), 98_000);
    // 121,000 in three parts: the net of each by largest remainder, the last takes the rest.
    pay(&app, &mut cast, &invoiced, 40_333);
    let part = about(&listed(&member), "source_kind", "allocation");
    assert_eq!((minor(&part, "/base"), minor(&part, "/amount")), (33_333, 1_833));
    assert_eq!(balance(&member, "available"), 32_666 - 1_833);
    pay(&app, &mut cast, &invoiced, 60_500);
    pay(&app, &mut cast, &invoiced, 20_167);
    let found = listed(&member);
    let bases: i64 = found["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["kind"] == "fee")
        .map(|row| minor(row, "/base"))
        .sum();
    assert_eq!(bases, 100_000);
    assert_eq!((balance(&member, "pending"), balance(&member, "available")), (0, 100_000 - minor(&found, "/sum")));
}

#[test]
fn an_advance_leaves_behind_what_the_payment_will_be_charged() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    vote(
        &app,
        &cast,
        &json!([{"kind": "fee", "rate": "0.055", "base": "collected_net"}, {"kind": "guarantee", "rate": "0.02"}]),
    );
    let order = app.stage.confirmed_order(&member, 100_000).unwrap();
    let submitted = app.stage.submitted_invoice(&member, order["id"].as_str(), 0).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    app.stage.days_pass(9).unwrap();
    let member = back(&app, &mut cast, &member);
    assert_eq!((balance(&member, "available"), balance(&member, "pending")), (92_500, 5_500));
    pay(&app, &mut cast, &invoiced, 60_500);
    assert_eq!((balance(&member, "available"), balance(&member, "pending")), (92_500, 2_750));
    pay(&app, &mut cast, &invoiced, 60_500);
    assert_eq!((balance(&member, "available"), balance(&member, "pending")), (92_500, 0));
}

#[test]
fn a_later_vote_does_not_change_an_order_that_was_sent() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let order = app.stage.confirmed_order(&member, 100_000).unwrap();
    app.stage.days_pass(1).unwrap();
    let member = back(&app, &mut cast, &member);
    let later = vote(&app, &cast, &json!([{"kind": "fee", "rate": "0.10"}]));
    let submitted = app.stage.submitted_invoice(&member, order["id"].as_str(), 0).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    assert_eq!((charged(&invoiced, "fee"), charged(&invoiced, "guarantee")), (5_500, 2_000));
    assert_ne!(invoiced.view["charges"][0]["rule_set_id"], later);
    let alone = issued(&app, &cast, &member, 100_000);
    assert_eq!(
        (charged(&alone, "fee"), alone.view["charges"][0]["rule_set_id"].as_str()),
        (10_000, Some(later.as_str()))
    );
}

#[test]
fn rules_that_cannot_be_are_refused_by_field_and_published_ones_never_change() {
    let app = TestApp::start();
    let cast = app.mutual();
    let administrator = &cast.staff.administrator;
    let place = format!("/v1/entities/{}/rule_sets", cast.entity_id);
    let later = app.stage.today() + Days::new(1);
    let band = |from: i64, rate: &str| json!({"from": money(from), "rate": rate});
    let fee = |more: Value| {
        let mut levy = json!({"kind": "fee"});
        levy.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        json!([levy])
    };
    let wrong = [
        (fee(json!({"bands": [band(100, "0.1")]})), "/levies/0/bands/0/from/amount_minor"),
        (
            fee(json!({"bands": [band(0, "0.1"), band(500, "0.1"), band(400, "0.1")]})),
            "/levies/0/bands/2/from/amount_minor",
        ),
        (
            fee(json!({"bands": [band(0, "0.1"), band(500, "0.1"), band(500, "0.2")]})),
            "/levies/0/bands/2/from/amount_minor",
        ),
        (fee(json!({"bands": [band(0, "1.5")]})), "/levies/0/bands/0/rate"),
        (fee(json!({"rate": "0.1", "bands": [band(0, "0.1")]})), "/levies/0/rate"),
        (fee(json!({})), "/levies/0/rate"),
        (fee(json!({"rate": "0.12", "cap_per_year": money(-1)})), "/levies/0/cap_per_year/amount_minor"),
        (
            fee(json!({"rate": "0.12", "floor_per_month": money(500), "cap_per_year": money(400)})),
            "/levies/0/floor_per_month/amount_minor",
        ),
        (
            fee(json!({"rate": "0.12", "fixed_per_month": {"amount_minor": 500, "currency": "USD"}})),
            "/levies/0/fixed_per_month/currency",
        ),
        (json!([{"kind": "fee", "rate": "0.1"}, {"kind": "fee", "rate": "0.2"}]), "/levies/1/kind"),
        (
            json!([{"kind": "fee", "rate": "0.6"}, {"kind": "guarantee", "bands": [band(0, "0.1"), band(1, "0.5")]}]),
            "/levies",
        ),
    ];
    let before = rows(&app);
    for (levies, pointer) in &wrong {
        let answer = administrator.post(&place, &rule_set(administrator, levies, later)).unwrap();
        assert_eq!((answer.status, answer.json()["errors"][0]["pointer"].as_str()), (422, Some(*pointer)), "{levies}");
    }
    for (name, value) in [
        ("member_limit", money(-1)),
        ("new_pair_limit", money(-1)),
        ("pause_below", money(-1)),
        ("fund_multiple", json!("1.00001")),
        ("fund_multiple", json!("-2")),
        ("evidence_id", json!(administrator.new_id())),
    ] {
        let mut body = rule_set(administrator, &fee(json!({"rate": "0.1"})), later);
        body[name] = value;
        let answer = administrator.post(&place, &body).unwrap();
        let at = answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == 422 && at.starts_with(&format!("/{name}")), "{name}: {} {at}", answer.status);
    }
    assert_eq!(rows(&app), before, "a refused rule set wrote something");

    let mut body = rule_set(administrator, &astrolabe(), later);
    for (name, value) in [
        ("member_limit", money(1_000)),
        ("new_pair_limit", money(500)),
        ("pause_below", money(100)),
        ("fund_multiple", json!("2.5")),
        ("share_validity", json!("yearly")),
    ] {
        body[name] = value;
    }
    let made = administrator.post(&place, &body).unwrap().expect(201).unwrap();
    let path = format!("/v1/rule_sets/{}", text(&made, "id"));
    let seen = administrator.get(&path).unwrap().expect(200).unwrap();
    assert_eq!((seen["fund_multiple"].as_str(), seen["share_validity"].as_str()), (Some("2.5"), Some("yearly")));
    assert_eq!((minor(&seen, "/member_limit"), seen["levies"][0]["running"].as_str()), (1_000, Some("year_to_date")));
    assert_eq!(seen["levies"][0]["bands"][2], json!({"from": money(8_000_000), "rate": "0.09"}));
    let twice = administrator.post(&place, &rule_set(administrator, &astrolabe(), later)).unwrap();
    assert_eq!((twice.status, twice.code().as_str()), (409, "not_unique"), "two versions on one day");
    // The edit that does not exist. What PostgreSQL refuses is in `ledger.rs`.
    let edit = administrator.patch(&path, 1, &json!({"decision": "Other"})).unwrap();
    assert_eq!((edit.status, edit.code().as_str()), (405, "method_not_allowed"));
}

#[test]
fn a_month_closes_after_its_levies() {
    let app = TestApp::start();
    let (mut cast, _member) = app.with_member();
    vote(&app, &cast, &mosaique());
    app.stage.clock.advance(Duration::days(29));
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    let accountant = &cast.staff.accountant;
    let place = format!("/v1/entities/{}/periods/2026-05/close", cast.entity_id);
    let close =
        || accountant.command("POST", &place, &[("Idempotency-Key", &accountant.new_id())], &json!({})).unwrap();
    let early = close();
    assert_eq!((early.status, early.code().as_str()), (409, "levies_not_closed"));
    app.stage.settle().unwrap();
    let charged = app.count("SELECT count(*) FROM levy_charge WHERE source_kind = 'period'");
    app.stage.settle().unwrap();
    assert_eq!((charged, app.count("SELECT count(*) FROM levy_charge WHERE source_kind = 'period'")), (1, 1));
    close().expect(200).unwrap();
}

#[test]
fn a_list_of_levies_has_pages_years_and_one_reader() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let bo = app.another_member(&mut cast);
    for _ in 0..3 {
        issued(&app, &cast, &member, 10_000);
    }
    let place = format!("/v1/activities/{}/levies", member.activity_id);
    let first = member.client.get(&format!("{place}?limit=4")).unwrap().expect(200).unwrap();
    assert_eq!((first["data"].as_array().unwrap().len(), minor(&first, "/sum")), (4, 2_250));
    let cursor = text(&first["page"], "next_cursor");
    let second = member.client.get(&format!("{place}?limit=4&cursor={cursor}")).unwrap().expect(200).unwrap();
    assert_eq!((second["data"].as_array().unwrap().len(), second["page"]["has_more"].as_bool()), (2, Some(false)));
    let none = member.client.get(&format!("{place}?year=2025")).unwrap().expect(200).unwrap();
    assert_eq!((none["data"].as_array().unwrap().len(), minor(&none, "/sum")), (0, 0));
    assert_eq!(minor(&member.client.get(&format!("{place}?year=2026")).unwrap().expect(200).unwrap(), "/sum"), 2_250);
    let wrong = member.client.get(&format!("{place}?year=1")).unwrap();
    assert_eq!((wrong.status, wrong.json()["errors"][0]["pointer"].as_str()), (422, Some("/year")));
    assert_eq!(bo.client.get(&place).unwrap().status, 404);
    assert_eq!(simulate(&bo.client, &json!({"activity_id": member.activity_id, "net": money(100)})).status, 404);
}
