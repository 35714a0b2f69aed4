//! What a bank keeps and gives, payouts that a line does not name, and credits that were kept by mistake.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast};
use umbel::kernel::money::Minor;

use super::bank_in::{on_line, waiting};
use super::support::TestApp;

/// A line of the bank that waits, of money that left when it is below zero.
fn came(app: &TestApp, cast: &mut Cast, amount: i64, text: &str) -> Value {
    if amount < 0 {
        cast.bank.pays(Minor::new(-amount), "", app.stage.today());
    } else {
        cast.bank.receives_unknown(Minor::new(amount), text, app.stage.today());
    }
    app.stage.import(cast).unwrap();
    let found = cast.staff.reviewer.get("/v1/bank_lines?state=suspense").unwrap().json();
    let line = found["data"].as_array().unwrap().iter().find(|it| it["amount"]["amount_minor"] == amount);
    line.unwrap_or_else(|| panic!("{found}")).clone()
}

pub fn charge(cast: &Cast, line: &Value) -> (String, Answer) {
    let id = cast.staff.reviewer.new_id();
    let answer = on_line(cast, line, "charge", &json!({"id": id, "reason": "quarterly statement"}));
    (id, answer)
}

#[test]
fn a_small_charge_of_the_bank_and_its_interest_are_booked_by_one_command_and_undone_by_one() {
    let app = TestApp::start();
    let (mut cast, _member) = app.with_member();
    let sum = "SELECT coalesce(sum(amount_minor), 0)::bigint FROM posting WHERE account = 'bank_charges'";
    for (amount, text) in [(-1_250, "quarterly charge"), (310, "interest")] {
        let line = came(&app, &mut cast, amount, text);
        let nameless = on_line(&cast, &line, "charge", &json!({"id": cast.staff.reviewer.new_id(), "reason": ""}));
        assert_eq!(nameless.json()["errors"][0]["pointer"], "/reason");
        let (id, booked) = charge(&cast, &line);
        let booked = booked.expect(200).unwrap();
        assert_eq!((booked["matched_kind"].as_str(), booked["matched_id"].as_str()), (Some("bank_charge"), Some(&*id)));
        assert_eq!(charge(&cast, &booked).1.code(), "bank_line_already_matched");
    }
    assert_eq!(app.count(sum), 940);
    // The interest was a client's money: it waits again, and may be booked anew as what it is.
    let page = cast.staff.accountant.get("/v1/bank_charges?state=booked&limit=1").unwrap().expect(200).unwrap();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["page"]["has_more"]), (1, &json!(true)));
    let page = cast.staff.accountant.get("/v1/bank_charges?state=booked").unwrap().expect(200).unwrap();
    let rows = page["data"].as_array().unwrap();
    let interest = rows.iter().find(|it| it["amount"]["amount_minor"] == -310).unwrap().clone();
    let path = format!("/v1/bank_charges/{}/reverse", interest["id"].as_str().unwrap());
    let refused = cast.staff.accountant.change(&path, 1, &json!({"reason": ""})).unwrap();
    assert_eq!(refused.json()["errors"][0]["pointer"], "/reason");
    let body = json!({"reason": "a client paid without a word"});
    let undone = cast.staff.accountant.change(&path, 1, &body).unwrap().expect(200).unwrap();
    assert_eq!(undone["state"], "reversed");
    assert_eq!(cast.staff.accountant.change(&path, 2, &body).unwrap().code(), "state_conflict");
    assert_eq!(app.count(sum), 1_250);
    let line = waiting(&cast);
    assert_eq!(line["owner_id"].as_str(), cast.staff.accountant.person_id.as_deref(), "whoever undid it has it");
    charge(&cast, &line).1.expect(200).unwrap();
    assert_eq!(app.count(sum), 940);
}

#[test]
fn a_large_charge_of_the_bank_takes_two() {
    let app = TestApp::start();
    let (mut cast, _member) = app.with_member();
    let line = came(&app, &mut cast, -5_001, "what could be anything");
    let (id, proposed) = charge(&cast, &line);
    assert_eq!(proposed.expect(200).unwrap()["state"], "suspense");
    assert_eq!(charge(&cast, &line).1.code(), "bank_charge_open");
    let path = format!("/v1/bank_charges/{id}");
    let own = cast.staff.reviewer.change(&format!("{path}/agree"), 1, &json!({})).unwrap();
    assert_eq!((own.status, own.code().as_str()), (403, "self_approval_forbidden"));
    let refused = cast.staff.accountant.change(&format!("{path}/refuse"), 1, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(refused["state"], "refused");
    let (id, proposed) = charge(&cast, &line);
    proposed.expect(200).unwrap();
    // Whoever goes past the program is refused by the database: alone, and with another amount than the line's.
    let reviewer = cast.staff.reviewer.person_id.clone().unwrap();
    for (sql, constraint) in [
        (
            format!("UPDATE bank_charge SET state = 'booked', booked_on = '2026-05-04' WHERE id = '{id}'"),
            "bank_charge_needs_two",
        ),
        (
            format!(
                "UPDATE bank_charge SET state = 'booked', booked_on = '2026-05-04', decided_by = '{reviewer}' WHERE id = '{id}'"
            ),
            "bank_charge_by_another",
        ),
        (format!("UPDATE bank_charge SET amount_minor = 4000 WHERE id = '{id}'"), "never changes"),
    ] {
        let refused = app.database.owner().batch_execute(&sql).unwrap_err().to_string();
        assert!(refused.contains(constraint), "{refused}");
    }
    let path = format!("/v1/bank_charges/{id}/agree");
    let agreed = cast.staff.accountant.change(&path, 1, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!((agreed["state"].as_str(), agreed["booked_on"].is_string()), (Some("booked"), true));
    let shown = cast.staff.reviewer.get(&format!("/v1/bank_lines/{}", line["id"].as_str().unwrap())).unwrap();
    assert_eq!(shown.expect(200).unwrap()["matched_kind"], "bank_charge");
}

#[test]
fn a_payout_that_a_line_does_not_name_is_matched_by_a_person_with_what_the_bank_kept() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    super::batches::fund(&app, &mut cast, &member, 100_000);
    let payout = super::batches::approved(&app, &cast, &member, 20_000);
    super::payout_results::sent(&app, &cast);
    let id = payout["id"].as_str().unwrap().to_owned();
    let reviewer = cast.staff.reviewer.clone();
    let body = |reason: &str| json!({"payout_id": id, "charge_id": reviewer.new_id(), "reason": reason});
    let (good, none) = (body("the bank's paper"), body(""));
    let other =
        json!({"payout_id": cast.staff.reviewer.new_id(), "charge_id": cast.staff.reviewer.new_id(), "reason": "x"});
    let too_much = came(&app, &mut cast, -25_001, "");
    let refused = on_line(&cast, &too_much, "match_payout", &good);
    assert_eq!((refused.status, refused.code().as_str()), (409, "payout_amount_differs"));
    let refused = came(&app, &mut cast, 20_000, "came too early");
    assert_eq!(on_line(&cast, &refused, "match_payout", &good).code(), "state_conflict", "it has not left");
    let early = refused;
    cast.bank.pays(Minor::new(20_035), "", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let page = cast.staff.reviewer.get("/v1/bank_lines?state=suspense&limit=200").unwrap().expect(200).unwrap();
    let line = |amount: i64| {
        page["data"].as_array().unwrap().iter().find(|it| it["amount"]["amount_minor"] == amount).unwrap().clone()
    };
    let out = line(-20_035);
    assert_eq!(on_line(&cast, &out, "match_payout", &none).json()["errors"][0]["pointer"], "/reason");
    assert_eq!(on_line(&cast, &out, "match_payout", &other).json()["errors"][0]["pointer"], "/payout_id");
    let done = on_line(&cast, &out, "match_payout", &good).expect(200).unwrap();
    assert_eq!(done["matched_kind"], "payout_settled");
    assert_eq!(super::payout_results::payout(&cast, &payout)["state"], "settled");
    assert_eq!(on_line(&cast, &done, "match_payout", &good).code(), "bank_line_already_matched");
    // The charge stands and falls with the payout.
    let page = cast.staff.accountant.get("/v1/bank_charges?state=booked").unwrap().expect(200).unwrap();
    let kept = page["data"][0].clone();
    assert_eq!((kept["amount"]["amount_minor"].as_i64(), kept["payout_id"].as_str()), (Some(35), Some(&*id)));
    let path = format!("/v1/bank_charges/{}/reverse", kept["id"].as_str().unwrap());
    let refused = cast.staff.accountant.change(&path, 1, &json!({"reason": "x"})).unwrap();
    assert_eq!(refused.code(), "bank_charge_of_payout");
    // What came too early is matched now.
    let shown = cast.staff.reviewer.get(&format!("/v1/bank_lines/{}", early["id"].as_str().unwrap())).unwrap();
    let back = on_line(&cast, &shown.expect(200).unwrap(), "match_payout", &body("closed account"));
    assert_eq!(back.expect(200).unwrap()["matched_kind"], "payout_returned");
    assert_eq!(super::payout_results::payout(&cast, &payout)["state"], "returned");
    assert_eq!(app.count("SELECT -sum(amount_minor)::bigint FROM posting WHERE account = 'bank_suspense'"), -25_001);
}

#[test]
fn what_was_kept_for_a_client_by_mistake_waits_again_and_an_approved_refund_may_be_withdrawn() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let order = app.stage.confirmed_order(&member, 10_000).unwrap();
    let client = order["client_id"].clone();
    let line = came(&app, &mut cast, 7_000, "no words");
    let keep = |line: &Value| {
        let id = cast.staff.reviewer.new_id();
        let body = json!({"id": id, "client_id": client, "reason": "theirs"});
        on_line(&cast, line, "credit_client", &body).expect(200).unwrap();
        id
    };
    let credit = keep(&line);
    let post = |path: &str, body: &Value| cast.staff.reviewer.post(path, body).unwrap();
    let place = format!("/v1/client_credits/{credit}/withdraw");
    assert_eq!(post(&place, &json!({"reason": ""})).json()["errors"][0]["pointer"], "/reason");
    let withdrawn = post(&place, &json!({"reason": "another client's"})).expect(200).unwrap();
    assert_eq!(withdrawn["left"]["amount_minor"], 0);
    assert_eq!(post(&place, &json!({"reason": "again"})).status, 409);
    let again = keep(&waiting(&cast));
    let refund = cast.staff.reviewer.new_id();
    let asked = json!({"id": refund, "client_credit_id": again, "amount": {"amount_minor": 2_000, "currency": "EUR"}, "reason": "asked"});
    post("/v1/client_refunds", &asked).expect(201).unwrap();
    let place = format!("/v1/client_credits/{again}/withdraw");
    assert_eq!(post(&place, &json!({"reason": "promised"})).code(), "client_credit_in_use");
    let refund = format!("/v1/client_refunds/{refund}");
    let approver = cast.staff.approver.clone();
    let body = json!({"reason": "they want it for the next invoice"});
    assert_eq!(approver.change(&format!("{refund}/withdraw"), 1, &body).unwrap().code(), "state_conflict");
    approver.change(&format!("{refund}/approve"), 1, &json!({})).unwrap().expect(200).unwrap();
    let gone = approver.change(&format!("{refund}/withdraw"), 2, &body).unwrap().expect(200).unwrap();
    assert_eq!(gone["state"], "withdrawn");
    let left = cast.staff.reviewer.get(&format!("/v1/client_credits/{again}")).unwrap().expect(200).unwrap();
    assert_eq!(left["left"]["amount_minor"], 7_000);
    post(&place, &json!({"reason": "not theirs at all"})).expect(200).unwrap();
    assert_eq!(
        app.count("SELECT coalesce(sum(amount_minor), 0)::bigint FROM posting WHERE account = 'client_credit'"),
        0
    );
}
