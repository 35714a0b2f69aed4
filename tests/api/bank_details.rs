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
    app.visitor().post("/v1/bank_detail_cancellations", &json!({"code": code})).unwrap()
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

/// Somebody who sees the mails of the address that was taken over calls it off: signed in to nothing, in the last minute.
#[test]
fn the_code_of_a_notice_calls_it_off_until_the_last_minute() {
    let app = TestApp::start();
    let (cast, awa) = app.with_member();
    let change = ask(&awa, IBANS[2]);
    let code = code_to(&app, &awa.email);
    // Guessing tells nothing: every answer is the same.
    for guess in ["0000-0000-0000-0000", "x", &code[..18], &format!("{code}0")] {
        let answer = call_off(&app, guess);
        assert_eq!((answer.status, answer.json()), (200, json!({"done": true})), "{guess}");
    }
    assert_eq!(text(&look(&cast.staff.reviewer, &change), "state"), "cooling");
    app.stage.clock.advance(Duration::minutes(72 * 60) - Duration::seconds(1));
    assert_eq!(call_off(&app, &code.to_lowercase().replace('-', " ")).json(), json!({"done": true}));
    app.stage.clock.advance(Duration::days(1));
    app.stage.settle().unwrap();
    assert_eq!(live(&app, &awa), "6769");
    let reviewer = app.stage.sign_in("reviewer@ombelle.example").unwrap();
    let seen = look(&reviewer, &change);
    assert_eq!((text(&seen, "state"), text(&seen, "ended_how")), ("cancelled".to_owned(), "code".to_owned()));
    app.stage.mail_to(&awa.email, "Annul").unwrap();
    assert_eq!(app.count("SELECT count(*) FROM bank_detail_change WHERE code_hash IS NOT NULL"), 0, "used up");
    // It lies nowhere in a form that works.
    let pieces = format!("SELECT count(*) FROM outbox WHERE payload::text LIKE '%{code}%'");
    assert_eq!(app.count(&pieces), 0);
}

#[test]
fn what_changes_meanwhile_begins_the_hours_anew_and_every_old_address_is_told() {
    let app = TestApp::start();
    let (cast, awa) = app.with_member();
    let body = json!({"email": "thief@elsewhere.example", "current_password": PASSWORD});
    awa.client.post("/v1/me/email", &body).unwrap().expect(200).unwrap();
    let change = ask(&awa, IBANS[2]);
    app.stage.settle().unwrap();
    for address in [awa.email.as_str(), "thief@elsewhere.example"] {
        assert!(app.stage.mail_to(address, "2606").unwrap().contains("Code"), "{address}");
    }
    app.stage.mail_to(&awa.email, "t***@elsewhere.example").unwrap();
    // Forty hours later the number: seventy-two hours from there on.
    app.stage.clock.advance(Duration::hours(40));
    let thief = MemberCast { email: "thief@elsewhere.example".to_owned(), ..awa.clone() };
    let again = again(&app, &thief);
    let body = json!({"phone": "+32 470 00 00 00", "current_password": PASSWORD});
    again.client.post("/v1/me/phone", &body).unwrap().expect(200).unwrap();
    assert_eq!(text(&look(&again.client, &change), "active_from"), "2026-05-09T00:00:00Z");
    hours_pass(&app, 40);
    let owner = app.stage.sign_in("thief@elsewhere.example").unwrap();
    assert_eq!(text(&look(&owner, &change), "state"), "cooling", "eighty hours after it was asked for");
    hours_pass(&app, 32);
    let owner = app.stage.sign_in("thief@elsewhere.example").unwrap();
    assert_eq!(text(&look(&owner, &change), "state"), "active");
    drop(cast);
}

#[test]
fn a_call_by_two_people_on_an_old_number_shortens_the_hours_and_nothing_else_does() {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    hours_pass(&app, 31 * 24);
    office_again(&app, &mut cast);
    let awa = again(&app, &awa);
    let change = ask(&awa, IBANS[2]);
    let (reviewer, approver) = (&cast.staff.reviewer, &cast.staff.approver);
    let place = place(&change);
    let version = |client: &Client| look(client, &change)["version"].as_i64().unwrap();
    let record = |client: &Client, phone: &str| {
        let body = json!({"id": client.new_id(), "phone": phone, "note": "She says it is hers"});
        client.change(&format!("{place}/record_callback"), version(client), &body).unwrap()
    };
    let confirm =
        |client: &Client| client.change(&format!("{place}/confirm_callback"), version(client), &json!({})).unwrap();
    assert_eq!(confirm(approver).code(), "callback_missing");
    assert_eq!(record(reviewer, "+32 470 99 99 99").status, 422, "a number that she never had");
    let body = json!({"phone": "+32 470 11 11 11", "current_password": PASSWORD});
    awa.client.post("/v1/me/phone", &body).unwrap().expect(200).unwrap();
    assert_eq!(record(reviewer, "+32 470 11 11 11").status, 422, "a number that she has since a minute");
    record(reviewer, "+3225551234").expect(200).unwrap();
    assert_eq!((confirm(reviewer).status, confirm(reviewer).code()), (403, "self_approval_forbidden".to_owned()));
    app.stage.settle().unwrap();
    assert_eq!(text(&look(reviewer, &change), "state"), "cooling", "one person is nobody");
    confirm(approver).expect(200).unwrap();
    app.stage.settle().unwrap();
    let seen = look(reviewer, &change);
    assert_eq!((text(&seen, "state"), text(&seen, "ended_how")), ("active".to_owned(), "call_back".to_owned()));
    // Nobody of the office writes an IBAN: they ask the member.
    let ask = json!({"message": "Your bank returned a payout."});
    let member = awa.client.person_id.clone().unwrap();
    reviewer.post(&format!("/v1/members/{member}/ask_bank_details"), &ask).unwrap().expect(200).unwrap();
    app.stage.settle().unwrap();
    assert!(!app.stage.mail_to(&awa.email, "Your bank returned a payout.").unwrap().contains("://"));
    // Longer than three days an entity may decide, shorter it may not.
    let policies = format!("/v1/entities/{}/bank_detail_policies", cast.entity_id);
    let decide = |hours: i32| {
        let administrator = &cast.staff.administrator;
        let body = json!({"id": administrator.new_id(), "valid_from": app.stage.today(), "cooling_hours": hours, "reason": "Board"});
        administrator.post(&policies, &body).unwrap()
    };
    assert_eq!(decide(71).status, 422);
    decide(96).expect(201).unwrap();
    let next = ask_with(&awa.client, IBANS[3], "Awa Diop", PASSWORD).expect(201).unwrap();
    assert_eq!(next["cooling_hours"], 96);
}

/// What the program forgets `PostgreSQL` refuses: each line is tried as the runtime role.
#[test]
fn postgresql_refuses_what_is_too_early() {
    let app = TestApp::start();
    let (cast, awa) = app.with_member();
    let change = ask(&awa, IBANS[2]);
    let id = text(&change, "id");
    let mut conn = app.database.runtime();
    let mut refused = |sql: &str| {
        let sql = format!(
            "BEGIN; SET LOCAL umbel.scope = 'system'; SET LOCAL umbel.now = '2026-05-07T07:59:59Z'; {sql}; ROLLBACK"
        );
        let error = diesel::connection::SimpleConnection::batch_execute(&mut conn, &sql).unwrap_err().to_string();
        diesel::connection::SimpleConnection::batch_execute(&mut conn, "ROLLBACK").unwrap();
        error
    };
    let active = format!(
        "UPDATE bank_detail_change SET state = 'active', code_hash = NULL, ended_at = umbel_now(), ended_how = 'time' WHERE id = '{id}'"
    );
    assert!(refused(&active).contains("the cooling time is not over"));
    let copy = "INSERT INTO bank_detail_change (id, member_id, entity_id, new_account_id, holder, iban_sealed, iban_index, iban_country, iban_last4, proof, session_id, address, cooling_hours, code_salt, code_hash) \
                SELECT gen_random_uuid(), member_id, entity_id, gen_random_uuid(), holder, iban_sealed, iban_index, iban_country, iban_last4, proof, session_id, address, 72, code_salt, sha256('x') FROM bank_detail_change";
    assert!(refused(copy).contains("bank_detail_one_open"));
    let swapped = "INSERT INTO payee_account (id, person_id, holder, iban_sealed, iban_index, iban_country, iban_last4) \
                   SELECT gen_random_uuid(), member_id, holder, iban_sealed, iban_index, iban_country, iban_last4 FROM bank_detail_change";
    assert!(
        refused(&format!("UPDATE payee_account SET superseded_at = umbel_now(); {swapped}"))
            .contains("only by their own request")
    );
    let early = "INSERT INTO payee_account (id, person_id, holder, iban_sealed, iban_index, iban_country, iban_last4, change_id, verified_at) \
                 SELECT new_account_id, member_id, holder, iban_sealed, iban_index, iban_country, iban_last4, id, umbel_now() FROM bank_detail_change";
    assert!(
        refused(&format!("UPDATE payee_account SET superseded_at = umbel_now(); {early}"))
            .contains("not what was asked for")
    );
    drop(cast);
}
