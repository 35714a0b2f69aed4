//! Another account to be paid to, through the door: asked, told, cooled, active or called off.

use chrono::Duration;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client, MemberCast};

use super::support::{IBANS, TestApp};
use super::world::text;

/// The password of everybody in a demonstration.
pub const PASSWORD: &str = "correct horse battery";

pub fn ask_with(client: &Client, iban: &str, holder: &str, password: &str) -> Answer {
    let body = json!({"id": client.new_id(), "iban": iban, "holder": holder, "current_password": password});
    client.post("/v1/bank_detail_changes", &body).unwrap()
}

pub fn ask(member: &MemberCast, iban: &str) -> Value {
    ask_with(&member.client, iban, "Awa Diop", PASSWORD).expect(201).unwrap()
}

pub fn place(change: &Value) -> String {
    format!("/v1/bank_detail_changes/{}", text(change, "id"))
}

pub fn look(client: &Client, change: &Value) -> Value {
    client.get(&place(change)).unwrap().expect(200).unwrap()
}

/// Hours pass, the worker does what fell due, and everybody signs in again.
pub fn hours_pass(app: &TestApp, hours: i64) {
    app.stage.clock.advance(Duration::hours(hours));
    app.stage.settle().unwrap();
}

pub fn office_again(app: &TestApp, cast: &mut Cast) {
    app.stage.office_returns(cast, super::support::ADMIN).unwrap();
}

pub fn again(app: &TestApp, member: &MemberCast) -> MemberCast {
    MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member.clone() }
}

/// The code of the newest notice to an address.
pub fn code_to(app: &TestApp, address: &str) -> String {
    app.stage.settle().unwrap();
    let mail = app.stage.mail_to(address, "Code").unwrap();
    let is_code = |word: &&str| word.len() == 19 && word.matches('-').count() == 3;
    mail.split_whitespace().find(is_code).unwrap_or_else(|| panic!("no code in {mail}")).to_owned()
}

pub fn call_off(app: &TestApp, code: &str) -> Answer {
    app.visitor().command("POST", "/v1/bank_detail_cancellations", &[], &json!({"code": code})).unwrap()
}

fn live(app: &TestApp, member: &MemberCast) -> String {
    let view = app.stage.sign_in(&member.email).unwrap();
    let id = view.person_id.clone().unwrap();
    text(&view.get(&format!("/v1/members/{id}")).unwrap().expect(200).unwrap(), "iban_last4")
}

#[test]
fn another_account_is_asked_for_cools_and_is_active() {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    // Without a fresh proof nothing begins.
    let refused = ask_with(&awa.client, IBANS[2], "Awa Diop", "not the password");
    assert_eq!((refused.status, refused.code()), (422, "validation_failed".to_owned()));
    assert!(refused.json().to_string().contains("/current_password"), "{}", refused.json());
    let change = ask(&awa, IBANS[2]);
    assert_eq!((text(&change, "state").as_str(), &change["iban_used_elsewhere"]), ("cooling", &Value::Null));
    assert_eq!((&change["old"]["iban_last4"], &change["new"]["iban_last4"]), (&json!("6769"), &json!("2606")));
    assert_eq!(text(&change, "active_from"), "2026-05-07T08:00:00Z");
    app.stage.settle().unwrap();
    let notice = app.stage.mail_to(&awa.email, "2606").unwrap();
    assert!(notice.contains("Code") && !notice.contains("://"), "{notice}");
    // A second one is refused while it cools.
    let second = ask_with(&awa.client, IBANS[3], "Awa Diop", PASSWORD);
    assert_eq!((second.status, second.code()), (409, "bank_change_open".to_owned()));
    // The office sees both accounts side by side, on which device it was asked, and what may be called.
    let seen = look(&cast.staff.reviewer, &change);
    assert_eq!((&seen["device"], &seen["iban_used_elsewhere"]), (&json!("demonstration"), &json!(false)));
    assert_eq!(seen["name_check"]["outcome"], "not_available");
    assert_eq!(seen["callback_numbers"], json!([]), "her number is new");
    let listed = cast.staff.reviewer.get("/v1/bank_detail_changes?state=cooling").unwrap().expect(200).unwrap();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    // One minute before: still the old one, and PostgreSQL says so too.
    app.stage.clock.advance(Duration::minutes(72 * 60 - 1));
    app.stage.settle().unwrap();
    assert_eq!(live(&app, &awa), "6769");
    assert!(app.stage.mail_to(&awa.email, "Dernier avis").unwrap().contains("2606"));
    app.stage.clock.advance(Duration::minutes(1));
    app.stage.settle().unwrap();
    assert_eq!(live(&app, &awa), "2606");
    office_again(&app, &mut cast);
    let seen = look(&cast.staff.reviewer, &change);
    assert_eq!((text(&seen, "state"), text(&seen, "ended_how")), ("active".to_owned(), "time".to_owned()));
    app.stage.mail_to(&awa.email, "Votre argent va").unwrap();
    // The code is used up with the change.
    assert_eq!(call_off(&app, &code_to(&app, &awa.email)).status, 200);
    assert_eq!(live(&app, &awa), "2606");
}
