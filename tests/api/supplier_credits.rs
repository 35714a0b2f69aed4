//! What suppliers take back: of an activity's cost, of a pool's before and after it was divided, and of a paid one.

use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client, MemberCast};
use umbel::kernel::money::Minor;

use super::costs::{approve, available, booked, cost_body, eur, paid, second_reviewer};
use super::pools::{three, whole};
use super::stories::journal;
use super::support::TestApp;

fn body(client: &Client, reference: &str, net: i64, vat: i64) -> Value {
    json!({"id": client.new_id(), "reference": reference, "dated_on": "2026-05-04", "reason": "Half of it was spoilt",
           "net": eur(net), "vat": eur(vat)})
}

fn credit(client: &Client, cost: &Value, body: &Value) -> Answer {
    client.post(&format!("/v1/costs/{}/credits", cost["id"].as_str().unwrap()), body).unwrap()
}

fn minors(value: &Value, names: &[&str]) -> Vec<i64> {
    names.iter().map(|name| value[name]["amount_minor"].as_i64().unwrap_or_else(|| panic!("{name}: {value}"))).collect()
}

/// 200.00 and 38.00 VAT, of which the state gives 19.00 back, approved.
fn half_recoverable(cast: &Cast, member: &MemberCast) -> Value {
    let of = json!({"activity_id": member.activity_id});
    let cost = cost_body(&member.client, &of, "F-1", (20_000, 3_800, 1_900));
    let cost = member.client.post("/v1/costs", &cost).unwrap().expect(201).unwrap();
    approve(&cast.staff.reviewer, &cost).expect(200).unwrap()
}

#[test]
fn a_supplier_takes_back_a_part_and_then_the_rest_and_nothing_is_owed() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    paid(&app, &mut cast, &member, 100_000);
    let cost = half_recoverable(&cast, &member);
    assert_eq!(available(&app, &member.activity_id), 92_500 - 21_900);
    let reviewer = &cast.staff.reviewer;
    let pdf = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";
    let note = reviewer.upload("/v1/cost_documents", "application/octet-stream", pdf).unwrap().expect(201).unwrap();
    let mut first = body(reviewer, "C-1", 6_667, 1_267);
    first["document_id"] = note["id"].clone();
    let first = credit(reviewer, &cost, &first).expect(201).unwrap();
    // 6.335 of the 12.67 VAT: the half cent goes to what is given back.
    assert_eq!(minors(&first, &["gross", "recoverable_vat", "charged"]), [7_934, 634, 7_300]);
    assert_eq!((&first["is_refund"], &first["document_id"]), (&json!(false), &note["id"]));
    assert_eq!(available(&app, &member.activity_id), 92_500 - 21_900 + 7_300);
    let owed = ["operating_cost", "vat_input", "supplier_payable"].map(|account| booked(&app, account));
    assert_eq!(owed, [14_600, 1_266, -15_866]);
    let shown = member.client.get(&format!("/v1/costs/{}", cost["id"].as_str().unwrap())).unwrap().json();
    assert_eq!(minors(&shown, &["gross", "credited"]), [23_800, 7_934]);

    // What is paid is what is left.
    app.stage.clock.advance(chrono::Duration::milliseconds(1));
    cast.bank.pays(Minor::new(15_866), "SUPPLIER", app.stage.today());
    let last = body(reviewer, "C-2", 13_333, 2_533);
    let rehearsed = reviewer.post(&format!("/v1/costs/{}/credits?dry_run=true", cost["id"].as_str().unwrap()), &last);
    assert_eq!(rehearsed.unwrap().expect(201).unwrap()["dry_run"], json!(true));
    assert_eq!(booked(&app, "supplier_payable"), -15_866, "a rehearsal keeps nothing");
    let last = credit(reviewer, &cost, &last).expect(201).unwrap();
    assert_eq!(minors(&last, &["gross", "recoverable_vat", "charged"]), [15_866, 1_266, 14_600]);
    assert_eq!(available(&app, &member.activity_id), 92_500, "as if it had not been bought");
    let left = ["operating_cost", "vat_input", "supplier_payable"].map(|account| booked(&app, account));
    assert_eq!(left, [0, 0, 0]);
    app.stage.import(&mut cast).unwrap();
    let lines = cast.staff.reviewer.get("/v1/bank_lines?state=suspense").unwrap().expect(200).unwrap();
    let line = lines["data"][0].clone();
    let pay = format!("/v1/bank_lines/{}/pay_cost", line["id"].as_str().unwrap());
    let pay =
        cast.staff.reviewer.change(&pay, line["version"].as_i64().unwrap(), &json!({"cost_id": cost["id"]})).unwrap();
    assert_eq!(pay.code(), "cost_not_owed");

    let place = format!("/v1/costs/{}/credits", cost["id"].as_str().unwrap());
    let list = member.client.get(&format!("{place}?limit=1")).unwrap().expect(200).unwrap();
    assert_eq!(list["data"][0]["reference"], "C-2");
    let cursor = list["page"]["next_cursor"].as_str().unwrap();
    let list = member.client.get(&format!("{place}?limit=1&cursor={cursor}")).unwrap().expect(200).unwrap();
    assert_eq!(list["data"][0]["reference"], "C-1");
    let one = format!("/v1/cost_credits/{}", first["id"].as_str().unwrap());
    assert_eq!(member.client.get(&one).unwrap().expect(200).unwrap()["id"], first["id"]);
    for path in [&place, &one] {
        assert_eq!(other.client.get(path).unwrap().status, 404, "{path}");
    }
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn what_was_paid_already_is_owed_by_the_supplier_until_the_bank_brings_it() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    paid(&app, &mut cast, &member, 100_000);
    let cost = half_recoverable(&cast, &member);
    let reviewer = cast.staff.reviewer.clone();
    let suspense = || {
        let lines = reviewer.get("/v1/bank_lines?state=suspense").unwrap().expect(200).unwrap();
        lines["data"][0].clone()
    };
    let place = |line: &Value| {
        let path = format!("/v1/bank_lines/{}/pay_cost", line["id"].as_str().unwrap());
        reviewer.change(&path, line["version"].as_i64().unwrap(), &json!({"cost_id": cost["id"]})).unwrap()
    };
    cast.bank.pays(Minor::new(23_800), "SUPPLIER", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    place(&suspense()).expect(200).unwrap();
    let note = credit(&reviewer, &cost, &body(&reviewer, "C-1", 10_000, 1_900)).expect(201).unwrap();
    assert_eq!((&note["is_refund"], booked(&app, "supplier_payable")), (&json!(true), 11_900));
    assert_eq!(available(&app, &member.activity_id), 92_500 - 21_900 + 10_950, "the activity does not wait for it");
    cast.bank.receives(Minor::new(11_899), "OOPS", "Supplier", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    assert_eq!(place(&suspense()).code(), "cost_not_owed", "a cent less is something else");
    cast.bank.receives(Minor::new(11_900), "REFUND", "Supplier", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let lines = reviewer.get("/v1/bank_lines?state=suspense").unwrap().expect(200).unwrap();
    let whole = lines["data"].as_array().unwrap().iter().find(|line| line["amount"] == eur(11_900)).unwrap().clone();
    let matched = place(&whole).expect(200).unwrap();
    assert_eq!((&matched["matched_kind"], booked(&app, "supplier_payable")), (&json!("cost"), 0));
    let seen =
        reviewer.get(&format!("/v1/cost_credits/{}", note["id"].as_str().unwrap())).unwrap().expect(200).unwrap();
    assert_eq!((&seen["bank_line_id"], &seen["refunded_on"]), (&whole["id"], &json!("2026-05-04")));
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn a_production_cost_that_is_taken_back_brings_its_part_of_the_fee_again() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let rules = json!({
        "id": cast.staff.administrator.new_id(), "valid_from": app.stage.today(), "decided_on": app.stage.today(),
        "decision": "General assembly: 13.5 % of the gross margin", "share_price": eur(3_000), "payment_terms_days": 30,
        "advance_working_days": 7, "client_limit": eur(5_000_000),
        "levies": [{"kind": "fee", "rate": "0.135", "base": "gross_margin"}],
    });
    let place = format!("/v1/entities/{}/rule_sets", cast.entity_id);
    cast.staff.administrator.post(&place, &rules).unwrap().expect(201).unwrap();
    paid(&app, &mut cast, &member, 100_000);
    let mut cost =
        cost_body(&member.client, &json!({"activity_id": member.activity_id}), "F-1", (20_000, 4_200, 4_200));
    cost["in_fee_base"] = json!(true);
    let cost = member.client.post("/v1/costs", &cost).unwrap().expect(201).unwrap();
    approve(&cast.staff.reviewer, &cost).expect(200).unwrap();
    assert_eq!(booked(&app, "fee_income"), -10_800);
    let reviewer = &cast.staff.reviewer;
    credit(reviewer, &cost, &body(reviewer, "C-1", 20_000, 4_200)).expect(201).unwrap();
    assert_eq!((booked(&app, "fee_income"), available(&app, &member.activity_id)), (-13_500, 86_500));
}

#[test]
fn a_pool_divides_what_its_suppliers_left_and_no_more() {
    let scene = three([50_000, 50_000, 50_000]);
    let pool = scene.pool(&json!({}), &whole("equal"), &json!([]));
    scene.join_all(&pool);
    let first = scene.cost(&pool, "F-1", (30_000, 6_300, 6_300));
    credit(&scene.second, &first, &body(&scene.second, "C-1", 3_000, 630)).expect(201).unwrap();
    let too_much = scene.run(&pool, &json!({"kind": "costs", "amount": eur(27_001)}));
    assert_eq!(too_much.code(), "pool_amount_exceeds_costs");
    let run = scene.run(&pool, &json!({"kind": "costs"})).expect(201).unwrap();
    assert_eq!(scene.parts(&run), [9_000, 9_000, 9_000]);
    // What was divided is taken back by the supplier: the next cost is divided so much less.
    credit(&scene.second, &first, &body(&scene.second, "C-2", 6_000, 1_260)).expect(201).unwrap();
    let account = scene.reviewer().get(&format!("/v1/pools/{pool}/account")).unwrap().expect(200).unwrap();
    assert_eq!(minors(&account, &["spent", "collected", "balance"]), [21_000, 27_000, 6_000]);
    assert_eq!(minors(&account["costs"][0], &["charged", "credited"]), [30_000, 9_000]);
    assert_eq!(scene.run(&pool, &json!({"kind": "costs"})).code(), "pool_nothing_to_divide");
    scene.cost(&pool, "F-2", (9_000, 1_890, 1_890));
    let run = scene.run(&pool, &json!({"kind": "costs"})).expect(201).unwrap();
    assert_eq!((scene.parts(&run), minors(&run, &["amount"])), (vec![1_000, 1_000, 1_000], vec![3_000]));
    let account = scene.reviewer().get(&format!("/v1/pools/{pool}/account")).unwrap().expect(200).unwrap();
    assert_eq!(minors(&account, &["spent", "collected", "balance"]), [30_000, 30_000, 0]);
}

#[test]
fn a_pool_that_closes_gives_back_what_its_supplier_took_back_and_is_credited_no_more() {
    let scene = three([50_000, 50_000, 50_000]);
    let pool = scene.pool(&json!({}), &whole("equal"), &json!([]));
    scene.join_all(&pool);
    let cost = scene.cost(&pool, "F-1", (30_000, 0, 0));
    scene.run(&pool, &json!({"kind": "costs"})).expect(201).unwrap();
    let before = scene.available();
    credit(&scene.second, &cost, &body(&scene.second, "C-1", 10_000, 0)).expect(201).unwrap();
    assert_eq!(scene.available(), before, "it is the pool's until it closes");
    for command in ["start_closing", "close"] {
        let seen = scene.reviewer().get(&format!("/v1/pools/{pool}")).unwrap().expect(200).unwrap();
        let path = format!("/v1/pools/{pool}/{command}");
        scene.reviewer().change(&path, seen["version"].as_i64().unwrap(), &json!({})).unwrap().expect(200).unwrap();
    }
    let got: Vec<i64> = scene.available().iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!(got, [3_334, 3_333, 3_333]);
    let late = credit(&scene.second, &cost, &body(&scene.second, "C-2", 1, 0));
    assert_eq!((late.status, late.code().as_str()), (409, "pool_not_open"));
}

#[test]
fn a_credit_that_does_not_fit_is_refused_with_its_fields_and_nothing_is_written() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    paid(&app, &mut cast, &member, 100_000);
    let of = json!({"activity_id": member.activity_id});
    let reviewer = &cast.staff.reviewer;
    let waiting = cost_body(&member.client, &of, "F-0", (1_000, 0, 0));
    let waiting = member.client.post("/v1/costs", &waiting).unwrap().expect(201).unwrap();
    assert_eq!(credit(reviewer, &waiting, &body(reviewer, "C-0", 1, 0)).code(), "state_conflict");
    let cost = half_recoverable(&cast, &member);
    credit(reviewer, &cost, &body(reviewer, "C-1", 10_000, 1_900)).expect(201).unwrap();
    let refuse = |change: Value, pointer: &str| {
        let mut body = body(reviewer, "C-2", 1_000, 190);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = credit(reviewer, &cost, &body);
        let first = answer.json()["errors"][0]["pointer"].clone();
        assert_eq!((answer.status, first), (422, json!(pointer)), "{change}");
    };
    refuse(json!({"net": eur(0)}), "/net/amount_minor");
    refuse(json!({"net": eur(-1)}), "/net/amount_minor");
    refuse(json!({"net": eur(10_001), "vat": eur(1_900)}), "/net/amount_minor");
    refuse(json!({"vat": eur(1_901)}), "/vat/amount_minor");
    refuse(json!({"vat": eur(-1)}), "/vat/amount_minor");
    refuse(json!({"net": eur(10_000), "vat": eur(1_899)}), "/vat/amount_minor");
    refuse(json!({"net": {"amount_minor": 5, "currency": "USD"}}), "/net/currency");
    refuse(json!({"dated_on": "2026-05-03"}), "/dated_on");
    refuse(json!({"dated_on": "2026-05-05"}), "/dated_on");
    refuse(json!({"reference": " "}), "/reference");
    refuse(json!({"reason": ""}), "/reason");
    refuse(json!({"document_id": reviewer.new_id()}), "/document_id");
    let again = credit(reviewer, &cost, &body(reviewer, "c-1", 1_000, 190));
    assert_eq!((again.status, again.code().as_str()), (409, "not_unique"), "one note is booked once");
    assert_eq!(credit(&member.client, &cost, &body(reviewer, "C-2", 1_000, 190)).status, 403);
    let unknown = json!({"id": reviewer.new_id()});
    assert_eq!(credit(reviewer, &unknown, &body(reviewer, "C-2", 1_000, 190)).status, 404);
    // Who handed a cost in does not say what comes back of it.
    let own = cost_body(reviewer, &of, "F-2", (1_000, 0, 0));
    let own = reviewer.post("/v1/costs", &own).unwrap().expect(201).unwrap();
    let second = second_reviewer(&app, &cast);
    approve(&second, &own).expect(200).unwrap();
    let refused = credit(reviewer, &own, &body(reviewer, "C-3", 1_000, 0));
    assert_eq!((refused.status, refused.code().as_str()), (403, "self_approval_forbidden"));
    assert_eq!(app.count("SELECT count(*) FROM cost_credit"), 1);
}

#[cfg(feature = "faults")]
#[test]
fn of_sixteen_at_the_same_moment_as_many_are_booked_as_fit() {
    use super::concurrency::at_once;
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    paid(&app, &mut cast, &member, 100_000);
    let cost = half_recoverable(&cast, &member);
    let reviewer = &cast.staff.reviewer;
    let answers = at_once(16, |index| credit(reviewer, &cost, &body(reviewer, &format!("C-{index}"), 6_000, 1_140)));
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 3, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 422].contains(status)), "{statuses:?}");
    assert_eq!(app.count("SELECT credited_net_minor FROM cost"), 18_000);
}
