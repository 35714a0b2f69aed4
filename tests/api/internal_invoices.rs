//! Invoices between members of one legal person: no VAT, a number of their own, paid at once when they are accepted.

use chrono::Days;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, MemberCast};
use umbel::kernel::money::Minor;

#[cfg(feature = "faults")]
use super::concurrency::at_once;
use super::costs::eur;
use super::einvoices::{at, with};
use super::support::{IBANS, TestApp};
use super::world::text;

struct Two {
    app: TestApp,
    cast: Cast,
    awa: MemberCast,
    bo: MemberCast,
}

/// Two members of one entity; Awa has 740 euro.
fn two() -> Two {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    let bo = app.stage.enrol(&mut cast, "bo@member.example", "Bo Li", IBANS[1]).unwrap();
    let submitted = app.stage.submitted_invoice(&awa, None, 80_000).unwrap();
    let issued = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(96_800), &issued.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    Two { app, cast, awa, bo }
}

fn version(value: &Value) -> i64 {
    value["version"].as_i64().unwrap()
}

fn wrong(answer: &Answer) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| text(error, "pointer")).collect()
}

fn body(from: &MemberCast, to: &MemberCast, over: Value) -> Value {
    let base = json!({
        "id": from.client.new_id(), "activity_id": from.activity_id, "to_activity_id": to.activity_id, "title": "Layout of the report",
        "lines": [{"label": "Pages", "quantity": "3.5", "unit_price": eur(8_731)}, {"label": "Cover", "quantity": "1", "unit_price": eur(10_000)}],
    });
    with(base, over)
}

fn draft(from: &MemberCast, to: &MemberCast, over: Value) -> Answer {
    from.client.post("/v1/internal_invoices", &body(from, to, over)).unwrap()
}

fn act(who: &MemberCast, invoice: &Value, what: &str, body: Value) -> Answer {
    let path = format!("/v1/internal_invoices/{}/{what}", text(invoice, "id"));
    who.client.change(&path, version(invoice), &body).unwrap()
}

fn sent(from: &MemberCast, to: &MemberCast, over: Value) -> Value {
    let draft = draft(from, to, over).expect(201).unwrap();
    act(from, &draft, "send", json!({})).expect(200).unwrap()
}

fn available(app: &TestApp, member: &MemberCast) -> i64 {
    app.count(&format!("SELECT available_minor FROM activity_balance WHERE activity_id = '{}'", member.activity_id))
}

fn pdf(who: &MemberCast, invoice: &Value) -> Answer {
    who.client.get(&format!("/v1/internal_invoices/{}/pdf", text(invoice, "id"))).unwrap()
}

#[test]
fn what_is_accepted_is_paid_at_once_and_corrected_by_giving_it_back() {
    let Two { app, cast, awa, bo } = two();
    let made = draft(&bo, &awa, json!({})).expect(201).unwrap();
    assert_eq!(
        (made["state"].as_str(), made["number"].as_str(), made["total"].clone()),
        (Some("draft"), None, eur(40_559))
    );
    let place = format!("/v1/internal_invoices/{}", text(&made, "id"));
    assert_eq!(awa.client.get(&place).unwrap().status, 404, "a draft is its maker's");
    assert_eq!(pdf(&bo, &made).status, 404);
    let out = act(&bo, &made, "send", json!({})).expect(200).unwrap();
    assert_eq!((out["number"].as_str(), out["sent_on"].clone()), (Some("I2026-0001"), json!(app.stage.today())));
    app.stage.settle().unwrap();
    let mail = app.stage.mail_to(&awa.email, "I2026-0001").unwrap();
    assert!(mail.contains("Bo Li") && mail.contains("sans TVA"), "{mail}");

    // Both sides see the same bytes, and nobody else does.
    let (one, other) = (pdf(&bo, &out), pdf(&awa, &out));
    assert_eq!((one.status, &one.body), (200, &other.body));
    assert!(one.body.starts_with(b"%PDF"));
    let seen = awa.client.get(&place).unwrap().expect(200).unwrap();
    assert_eq!(seen["lines"][0], json!({"label": "Pages", "quantity": "3.5", "unit_price": eur(8_731)}));
    assert_eq!(act(&bo, &out, "accept", json!({})).status, 403);
    let paid = act(&awa, &seen, "accept", json!({})).expect(200).unwrap();
    assert_eq!(
        (paid["state"].as_str(), available(&app, &awa), available(&app, &bo)),
        (Some("accepted"), 74_000 - 40_559, 40_559)
    );
    assert_eq!(act(&bo, &paid, "withdraw", json!({})).status, 409);
    app.stage.settle().unwrap();
    app.stage.mail_to(&bo.email, "I2026-0001").unwrap();

    let back = format!("/v1/transfers/{}/return", text(&paid, "transfer_id"));
    let reason = json!({"id": bo.client.new_id(), "reason": "The cover was not used"});
    let returned = bo.client.post(&back, &reason).unwrap().expect(201).unwrap();
    let seen = awa.client.get(&place).unwrap().expect(200).unwrap();
    assert_eq!((seen["returned_by"].clone(), available(&app, &awa)), (returned["id"].clone(), 74_000));
    let listed = cast.staff.reviewer.get("/v1/internal_invoices?state=accepted&limit=1").unwrap().expect(200).unwrap();
    assert_eq!(listed["data"][0]["id"], paid["id"]);
    assert_eq!(pdf(&awa, &out).body, one.body);
}

#[test]
fn what_is_refused_or_taken_back_moves_nothing_and_keeps_its_number() {
    let Two { app, awa, bo, .. } = two();
    let first = sent(&bo, &awa, json!({}));
    assert_eq!(wrong(&act(&awa, &first, "refuse", json!({"reason": " "}))), ["/reason"]);
    let refused = act(&awa, &first, "refuse", json!({"reason": "A page is missing"})).expect(200).unwrap();
    assert_eq!(
        (refused["state"].as_str(), refused["refusal_reason"].as_str()),
        (Some("refused"), Some("A page is missing"))
    );
    assert_eq!(act(&awa, &refused, "accept", json!({})).code(), "state_conflict");
    let second = sent(&bo, &awa, json!({}));
    assert_eq!(act(&awa, &second, "withdraw", json!({})).status, 403);
    act(&bo, &second, "withdraw", json!({})).expect(200).unwrap();
    // A draft that is thrown away has no number.
    let third = draft(&bo, &awa, json!({})).expect(201).unwrap();
    act(&bo, &third, "withdraw", json!({})).expect(200).unwrap();
    let listed = awa.client.get("/v1/internal_invoices").unwrap().expect(200).unwrap();
    let mut numbers: Vec<_> = listed["data"].as_array().unwrap().iter().map(|it| text(it, "number")).collect();
    numbers.sort();
    assert_eq!(numbers, ["I2026-0001", "I2026-0002"]);
    app.stage.settle().unwrap();
    app.stage.mail_to(&bo.email, "A page is missing").unwrap();
    app.stage.mail_to(&awa.email, "I2026-0002").unwrap();
    assert_eq!(app.count("SELECT count(*) FROM transfer"), 0);
    assert_eq!(app.count("SELECT count(*) FROM invoice_tax t JOIN invoice i ON i.id = t.invoice_id"), 1, "no VAT");
}

#[test]
fn who_does_not_have_the_money_cannot_accept() {
    let Two { app, awa, bo, .. } = two();
    let lines = json!([{"label": "Pages", "quantity": "1", "unit_price": eur(74_001)}]);
    let much = sent(&bo, &awa, json!({"lines": lines}));
    assert_eq!(act(&awa, &much, "accept", json!({})).code(), "insufficient_available");
    let place = format!("/v1/internal_invoices/{}", text(&much, "id"));
    assert_eq!(awa.client.get(&place).unwrap().expect(200).unwrap()["state"], "sent");
    assert_eq!(available(&app, &awa), 74_000);
}

/// Without the lock of the row both would pay.
#[cfg(feature = "faults")]
#[test]
fn an_invoice_is_accepted_once() {
    let Two { app, awa, bo, .. } = two();
    let out = sent(&bo, &awa, json!({"lines": [{"label": "x", "quantity": "1", "unit_price": eur(10_000)}]}));
    let answers = at_once(6, |_| act(&awa, &out, "accept", json!({})));
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!((available(&app, &awa), app.count("SELECT count(*) FROM transfer")), (64_000, 1));
}

#[test]
fn what_cannot_be_an_internal_invoice_is_named() {
    let Two { app, cast, awa, bo } = two();
    let line =
        |over: Value| json!({"lines": [with(json!({"label": "x", "quantity": "1", "unit_price": eur(100)}), over)]});
    for (over, pointer) in [
        (json!({"title": ""}), "/title"),
        (json!({"lines": []}), "/lines"),
        (line(json!({"quantity": "0"})), "/lines/0/quantity"),
        (line(json!({"quantity": "-1"})), "/lines/0/quantity"),
        (line(json!({"quantity": "1.00001"})), "/lines/0/quantity"),
        (line(json!({"quantity": "1e3"})), "/lines/0/quantity"),
        (line(json!({"label": "a\u{202E}b"})), "/lines/0/label"),
        (line(json!({"unit_price": eur(-1)})), "/lines/0/unit_price/amount_minor"),
        (line(json!({"unit_price": {"amount_minor": 1, "currency": "USD"}})), "/lines/0/unit_price/currency"),
        (line(json!({"unit_price": eur(0)})), "/lines"),
        (json!({"to_activity_id": bo.activity_id}), "/to_activity_id"),
        (json!({"to_activity_id": bo.client.new_id()}), "/to_activity_id"),
    ] {
        let refused = draft(&bo, &awa, over.clone());
        assert_eq!((refused.status, wrong(&refused)), (422, vec![pointer.to_owned()]), "{over}");
    }
    assert_eq!(draft(&bo, &awa, json!({"activity_id": awa.activity_id})).status, 404, "somebody else's activity");
    let elsewhere = other_entity(&app, &cast);
    let refused = draft(&bo, &elsewhere, json!({}));
    assert_eq!((refused.status, refused.code().as_str()), (422, "internal_other_entity"));
    assert_eq!(wrong(&refused), ["/to_activity_id"]);
    assert_eq!(app.count("SELECT count(*) FROM internal_invoice"), 0);
}

/// A member of another legal person of the same mutual.
fn other_entity(app: &TestApp, first: &Cast) -> MemberCast {
    let (admin, today) = (&first.staff.administrator, app.stage.today());
    let entity_id = admin.new_id();
    let entity = json!({
        "id": entity_id, "name": "Ombelle Nord", "legal_form": "SC", "enterprise_number": "0403019261", "vat_number": "BE0403019261",
        "zone": "Europe/Brussels", "email": "office@ombelle.example", "address": at("BE", "4000", "Liège"),
    });
    admin.post("/v1/entities", &entity).unwrap().expect(201).unwrap();
    let post = |path: &str, body: Value| {
        admin.post(&format!("/v1/entities/{entity_id}/{path}"), &body).unwrap().expect(201).unwrap()
    };
    post("bank_accounts", json!({"id": admin.new_id(), "iban": IBANS[3], "bic": "GEBABEBB", "currency": "EUR"}));
    post(
        "rule_sets",
        json!({"id": admin.new_id(), "valid_from": today - Days::new(30), "decided_on": today - Days::new(60), "decision": "Founding",
               "share_price": eur(3_000), "payment_terms_days": 30, "advance_working_days": 7, "client_limit": eur(5_000_000),
               "levies": [{"kind": "fee", "rate": "0.055"}, {"kind": "guarantee", "rate": "0.02"}]}),
    );
    post(
        "agreements",
        json!({"id": admin.new_id(), "version_number": 1, "language": "fr", "body": "J'adhère.", "valid_from": today - Days::new(30)}),
    );
    let mut cast =
        Cast { entity_id, bank: umbel::demo::Bank::new(IBANS[3], Minor::new(0)), staff: first.staff.clone() };
    app.stage.enrol(&mut cast, "el@member.example", "El Ng", IBANS[2]).unwrap()
}
