//! What suppliers charge: handed in by one, approved by another, paid by the bank.

use serde_json::{Value, json};
use umbel::demo::{Cast, Client, MemberCast};
use umbel::kernel::money::Minor;

use super::support::TestApp;

pub fn eur(amount: i64) -> Value {
    json!({"amount_minor": amount, "currency": "EUR"})
}

/// A second reviewer: nobody approves what they handed in.
pub fn second_reviewer(app: &TestApp, cast: &Cast) -> Client {
    app.stage.hire(&cast.staff.administrator, "second@ombelle.example", "Sam Second", "reviewer").unwrap()
}

/// An invoice is issued and its client pays: `net` less 7.5 % is available.
pub fn paid(app: &TestApp, cast: &mut Cast, member: &MemberCast, net: i64) {
    let submitted = app.stage.submitted_invoice(member, None, net).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(cast).unwrap();
}

pub fn cost_body(client: &Client, of: &Value, reference: &str, (net, vat, back): (i64, i64, i64)) -> Value {
    let mut body = json!({
        "id": client.new_id(), "supplier": "Imprimerie du Parc", "reference": reference, "invoiced_on": "2026-05-04",
        "description": "Prints", "net": eur(net), "vat": eur(vat), "recoverable_vat": eur(back),
    });
    body.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
    body
}

pub fn available(app: &TestApp, activity: &str) -> i64 {
    app.count(&format!("SELECT available_minor FROM activity_balance WHERE activity_id = '{activity}'"))
}

pub fn booked(app: &TestApp, account: &str) -> i64 {
    app.count(&format!("SELECT coalesce(sum(amount_minor), 0) FROM posting WHERE account = '{account}'"))
}

pub fn approve(client: &Client, cost: &Value) -> umbel::demo::Answer {
    let path = format!("/v1/costs/{}/approve", cost["id"].as_str().unwrap());
    client.change(&path, cost["version"].as_i64().unwrap(), &json!({})).unwrap()
}

#[test]
fn a_cost_of_200_with_38_vat_is_238_owed_and_200_charged_and_paid_by_one_line_of_the_bank() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    paid(&app, &mut cast, &member, 100_000);
    let of = json!({"activity_id": member.activity_id});
    let pdf = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";
    let document =
        member.client.upload("/v1/cost_documents", "application/octet-stream", pdf).unwrap().expect(201).unwrap();
    let mut body = cost_body(&member.client, &of, "F-1", (20_000, 3_800, 3_800));
    body["document_id"] = document["id"].clone();
    let cost = member.client.post("/v1/costs", &body).unwrap().expect(201).unwrap();
    assert_eq!((&cost["gross"], &cost["charged"]), (&eur(23_800), &eur(20_000)));
    assert_eq!(available(&app, &member.activity_id), 92_500, "nothing is booked before somebody else approves it");
    let again = member.client.post("/v1/costs", &cost_body(&member.client, &of, "f-1", (20_000, 3_800, 0))).unwrap();
    assert_eq!((again.status, again.code().as_str()), (409, "duplicate_cost"));

    let approved = approve(&cast.staff.reviewer, &cost).expect(200).unwrap();
    assert_eq!(available(&app, &member.activity_id), 72_500);
    let owed = ["operating_cost", "vat_input", "supplier_payable", "member_cost"].map(|account| booked(&app, account));
    assert_eq!(owed, [20_000, 3_800, -23_800, 100_000 - 20_000]);
    let twice = approve(&cast.staff.reviewer, &approved);
    assert_eq!((twice.status, twice.code().as_str()), (409, "state_conflict"));
    let file = cast.staff.reviewer.get(&format!("/v1/costs/{}/document", cost["id"].as_str().unwrap())).unwrap();
    assert_eq!((file.status, file.body.as_slice()), (200, &pdf[..]));

    let other = cost_body(&member.client, &of, "F-2", (10_000, 0, 0));
    let other = member.client.post("/v1/costs", &other).unwrap().expect(201).unwrap();
    cast.bank.pays(Minor::new(23_800), "NOT OURS", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let reviewer = &cast.staff.reviewer;
    let lines = reviewer.get("/v1/bank_lines?state=suspense").unwrap().expect(200).unwrap();
    let line = lines["data"][0].clone();
    let path = format!("/v1/bank_lines/{}/pay_cost", line["id"].as_str().unwrap());
    let pay = |cost: &Value, line: &Value| {
        reviewer.change(&path, line["version"].as_i64().unwrap(), &json!({"cost_id": cost["id"]})).unwrap()
    };
    assert_eq!(pay(&other, &line).code(), "cost_not_owed", "nobody approved it");
    approve(reviewer, &other).expect(200).unwrap();
    assert_eq!(pay(&other, &line).code(), "cost_amount_mismatch");
    assert_eq!(pay(&json!({"id": reviewer.new_id()}), &line).status, 422);
    let matched = pay(&cost, &line).expect(200).unwrap();
    assert_eq!((&matched["state"], &matched["matched_kind"]), (&json!("matched"), &json!("cost")));
    assert_eq!(pay(&cost, &matched).code(), "bank_line_already_matched");
    assert_eq!((booked(&app, "supplier_payable"), booked(&app, "bank_suspense")), (-10_000, 0));
    let shown = member.client.get(&format!("/v1/costs/{}", cost["id"].as_str().unwrap())).unwrap().json();
    assert_eq!(shown["paid_on"], "2026-05-04");
}

#[test]
fn what_was_advanced_pays_no_supplier() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let order = app.stage.confirmed_order(&member, 100_000).unwrap();
    let submitted = app.stage.submitted_invoice(&member, order["id"].as_str(), 0).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    app.stage.days_pass(9).unwrap();
    app.stage.office_returns(&mut cast, super::support::ADMIN).unwrap();
    let member = MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member };
    assert_eq!(available(&app, &member.activity_id), 92_500, "advanced");
    let of = json!({"activity_id": member.activity_id});
    let cost = member
        .client
        .post("/v1/costs", &cost_body(&member.client, &of, "F-1", (1, 0, 0)))
        .unwrap()
        .expect(201)
        .unwrap();
    let refused = approve(&cast.staff.reviewer, &cost);
    assert_eq!((refused.status, refused.code().as_str()), (409, "expenses_need_received_money"));
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    approve(&cast.staff.reviewer, &cost).expect(200).unwrap();
}

#[test]
fn a_cost_that_is_not_acceptable_is_refused_with_its_fields_and_nothing_is_written() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    let of = json!({"activity_id": member.activity_id});
    let refuse = |change: Value, status: u16, pointer: &str| {
        let mut body = cost_body(&member.client, &of, "F-1", (10_000, 2_100, 0));
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = member.client.post("/v1/costs", &body).unwrap();
        let first = answer.json()["errors"][0]["pointer"].clone();
        assert_eq!((answer.status, first), (status, json!(pointer)), "{change}");
    };
    refuse(json!({"net": eur(0)}), 422, "/net/amount_minor");
    refuse(json!({"net": eur(-5)}), 422, "/net/amount_minor");
    refuse(json!({"vat": eur(-1)}), 422, "/vat/amount_minor");
    refuse(json!({"recoverable_vat": eur(2_101)}), 422, "/recoverable_vat/amount_minor");
    refuse(json!({"net": {"amount_minor": 5, "currency": "USD"}}), 422, "/net/currency");
    refuse(json!({"invoiced_on": "2026-05-05"}), 422, "/invoiced_on");
    refuse(json!({"supplier": " "}), 422, "/supplier");
    refuse(json!({"activity_id": other.activity_id}), 422, "/activity_id");
    refuse(json!({"document_id": member.client.new_id()}), 422, "/document_id");
    refuse(json!({"pool_id": member.client.new_id()}), 422, "/pool_id");
    refuse(json!({"activity_id": null}), 422, "/pool_id");
    let mut for_a_pool = cost_body(&member.client, &json!({"pool_id": member.client.new_id()}), "F-1", (10_000, 0, 0));
    assert_eq!(member.client.post("/v1/costs", &for_a_pool).unwrap().code(), "role_forbidden");
    for_a_pool["in_fee_base"] = json!(true);
    assert_eq!(cast.staff.reviewer.post("/v1/costs", &for_a_pool).unwrap().status, 422);
    assert_eq!(app.count("SELECT count(*) FROM cost"), 0);

    let cost = cost_body(&cast.staff.reviewer, &of, "F-1", (10_000, 2_100, 2_100));
    let cost = cast.staff.reviewer.post("/v1/costs", &cost).unwrap().expect(201).unwrap();
    let own = approve(&cast.staff.reviewer, &cost);
    assert_eq!((own.status, own.code().as_str()), (403, "self_approval_forbidden"));
    let second = second_reviewer(&app, &cast);
    let path = format!("/v1/costs/{}/reject", cost["id"].as_str().unwrap());
    assert_eq!(second.change(&path, 1, &json!({"reason": ""})).unwrap().status, 422);
    second.change(&path, 1, &json!({"reason": "Not ours"})).unwrap().expect(200).unwrap();
    let again = cost_body(&cast.staff.reviewer, &of, "F-1", (10_000, 2_100, 2_100));
    cast.staff.reviewer.post("/v1/costs", &again).unwrap().expect(201).unwrap();
    assert_eq!(other.client.get(&format!("/v1/costs/{}", cost["id"].as_str().unwrap())).unwrap().status, 404);
}

#[test]
fn a_production_cost_of_200_takes_its_13_5_percent_off_the_fee_on_the_margin() {
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
    assert_eq!((available(&app, &member.activity_id), booked(&app, "fee_income")), (86_500, -13_500));
    let of = json!({"activity_id": member.activity_id});
    let submit = |reference: &str, in_fee_base: bool| {
        let mut body = cost_body(&member.client, &of, reference, (20_000, 4_200, 4_200));
        body["in_fee_base"] = json!(in_fee_base);
        member.client.post("/v1/costs", &body).unwrap().expect(201).unwrap()
    };
    approve(&cast.staff.reviewer, &submit("F-1", false)).expect(200).unwrap();
    assert_eq!(booked(&app, "fee_income"), -13_500, "not every cost is one of production");
    approve(&cast.staff.reviewer, &submit("F-2", true)).expect(200).unwrap();
    assert_eq!(booked(&app, "fee_income"), -10_800, "13.5 % of 800.00");
    assert_eq!(available(&app, &member.activity_id), 86_500 - 20_000 - 20_000 + 2_700);
}
