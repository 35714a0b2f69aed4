//! Who becomes whom, and what is shown before money can go elsewhere: what one person alone, or a thief with one password,
//! does not reach. Each was tried without what it tests: trigger, check or order taken away, it fails.

use std::io::{Read, Write};
use std::net::TcpStream;

use chrono::{Days, Duration};
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client};

use super::bank_details::PASSWORD;
use super::support::{ADMIN, IBANS, TestApp};
use super::world::text;

const SECOND: &str = "second@ombelle.example";

fn outcome(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

fn refused(code: &str, status: u16) -> (u16, String) {
    (status, code.to_owned())
}

fn pointer(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned())
}

fn ask_for(app: &TestApp, by: &Client, to: &Client, role: &str) -> Answer {
    let body = json!({"id": by.new_id(), "role": role, "valid_from": app.stage.clock.now().date_naive()});
    by.post(&format!("/v1/people/{}/role_grants", to.person_id.as_deref().unwrap()), &body).unwrap()
}

fn on_grant(by: &Client, grant: &Value, what: &str) -> Answer {
    let path = format!("/v1/role_grants/{}/{what}", text(grant, "id"));
    by.change(&path, grant["version"].as_i64().unwrap(), &json!({})).unwrap()
}

fn roles(who: &Client) -> Value {
    who.get("/v1/me").unwrap().expect(200).unwrap()["roles"].clone()
}

/// A mutual with two administrators; the second one is the last person whom the first one names alone.
fn two_administrators(app: &TestApp) -> (Cast, Client) {
    let cast = app.mutual();
    let second = app.stage.hire(&cast.staff.administrator, SECOND, "Sam Second", "administrator").unwrap();
    (cast, second)
}

/// Without the trigger `guard_grant_by_two` the first assertion fails: the role counts at once.
#[test]
fn a_role_of_the_office_needs_two_administrators_and_a_day() {
    let app = TestApp::start();
    let (cast, second) = two_administrators(&app);
    let (first, reviewer) = (cast.staff.administrator.clone(), cast.staff.reviewer.clone());
    let asked = ask_for(&app, &first, &reviewer, "payout_approver").expect(201).unwrap();
    assert_eq!((&asked["needs_confirmation"], &asked["effective_at"]), (&json!(true), &Value::Null));
    assert_eq!(roles(&reviewer), json!(["reviewer"]));
    app.stage.settle().unwrap();
    for address in [ADMIN.0, SECOND] {
        let mail = app.stage.mail_to(address, "payout approver").unwrap();
        assert!(mail.contains("Rita Review") && mail.contains("another administrator confirms it"), "{mail}");
    }
    let waiting = second.get("/v1/role_grants").unwrap().expect(200).unwrap();
    assert_eq!((waiting.as_array().unwrap().len(), &waiting[0]["id"]), (1, &asked["id"]));

    // Neither who asked, nor whom it is for, nor anybody who is no administrator.
    assert_eq!(outcome(&on_grant(&first, &asked, "confirm")), refused("self_approval_forbidden", 403));
    let own = ask_for(&app, &first, &second, "accountant").expect(201).unwrap();
    assert_eq!(outcome(&on_grant(&second, &own, "confirm")), refused("self_approval_forbidden", 403));
    assert_eq!(outcome(&on_grant(&reviewer, &asked, "confirm")), refused("role_forbidden", 403));
    assert_eq!(outcome(&ask_for(&app, &reviewer, &cast.staff.accountant, "reviewer")), refused("role_forbidden", 403));

    let confirmed = on_grant(&second, &asked, "confirm").expect(200).unwrap();
    assert_eq!(
        (&confirmed["confirmed_by"], text(&confirmed, "effective_at").get(..16)),
        (&json!(second.person_id), Some("2026-05-05T08:00"))
    );
    assert_eq!(outcome(&on_grant(&second, &confirmed, "confirm")), refused("state_conflict", 409));
    app.stage.settle().unwrap();
    for address in [ADMIN.0, SECOND] {
        assert!(app.stage.mail_to(address, "one administrator is enough").unwrap().contains("Rita Review"));
    }
    let again = |address: &str| app.stage.sign_in(address).unwrap();
    app.stage.clock.advance(Duration::hours(24) - Duration::seconds(1));
    assert_eq!(roles(&again("reviewer@ombelle.example")), json!(["reviewer"]), "a second too early");
    app.stage.clock.advance(Duration::seconds(1));
    let reviewer = again("reviewer@ombelle.example");
    assert_eq!(roles(&reviewer), json!(["payout_approver", "reviewer"]));

    // One is enough to end it, at once; and to give up what waits, which nobody confirms then.
    let (first, second) = (app.visitor().sign_in(ADMIN.0, ADMIN.1).unwrap(), again(SECOND));
    on_grant(&second, &confirmed, "end").expect(200).unwrap();
    assert_eq!(roles(&reviewer), json!(["reviewer"]));
    let given_up = ask_for(&app, &first, &reviewer, "accountant").expect(201).unwrap();
    let ended = on_grant(&second, &given_up, "end").expect(200).unwrap();
    assert_eq!(outcome(&on_grant(&second, &ended, "confirm")), refused("state_conflict", 409));
}

/// With `is_being_set_up` true for ever, each of these roles counts at once.
#[test]
fn the_first_days_end_with_a_second_administrator_or_the_first_batch_and_do_not_come_again() {
    let app = TestApp::start();
    let (cast, second) = two_administrators(&app);
    let (first, reviewer) = (&cast.staff.administrator, &cast.staff.reviewer);
    let id = second.person_id.as_deref().unwrap();
    let grants = first.get(&format!("/v1/people/{id}/role_grants")).unwrap().expect(200).unwrap();
    assert_eq!(grants[0]["needs_confirmation"], false);
    on_grant(first, &grants[0], "end").expect(200).unwrap();
    let asked = ask_for(&app, first, reviewer, "accountant").expect(201).unwrap();
    assert_eq!(asked["effective_at"], Value::Null, "ending the second administrator brings nothing back");
    assert_eq!(outcome(&on_grant(&second, &asked, "confirm")), refused("role_forbidden", 403));

    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    super::batches::fund(&app, &mut cast, &member, 50_000);
    let before = ask_for(&app, &cast.staff.administrator, &cast.staff.reviewer, "accountant").expect(201).unwrap();
    assert_eq!(before["needs_confirmation"], false);
    let payout = app.stage.payout(&member, 10_000).unwrap();
    let sealed = app.stage.sealed_batch(&cast, &payout).unwrap();
    app.stage.release(&cast.staff.approver, &sealed).unwrap();
    let after = ask_for(&app, &cast.staff.administrator, &cast.staff.accountant, "reviewer").expect(201).unwrap();
    assert_eq!(after["effective_at"], Value::Null);
    // The operator of the machine is the way out: the command line adds a second one.
    app.insert_person(SECOND, PASSWORD, &[umbel::kernel::roles::Role::Administrator]);
    let second = app.stage.sign_in(SECOND).unwrap();
    on_grant(&second, &after, "confirm").expect(200).unwrap();
}

/// Without the code in `access::confirm` every one of these is done with the password alone.
#[test]
fn who_has_an_authenticator_shows_it_before_money_can_go_elsewhere() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let client = &member.client;
    let code = || app.stage.code(client).unwrap();
    let email = |code: Value| json!({"email": "awa.new@member.example", "current_password": PASSWORD, "code": code});
    let phone = |code: Value| json!({"phone": "+32 470 12 34 56", "current_password": PASSWORD, "code": code});
    let iban = |code: Value| json!({"id": client.new_id(), "iban": IBANS[2], "holder": "Awa Diop", "current_password": PASSWORD, "code": code});
    // Without one, the password is the proof, as the days that follow protect.
    client.post("/v1/me/phone", &phone(Value::Null)).unwrap().expect(200).unwrap();
    let used = code();
    let bodies: [(&str, &dyn Fn(Value) -> Value); 3] =
        [("/v1/me/email", &email), ("/v1/me/phone", &phone), ("/v1/bank_detail_changes", &iban)];
    for (path, body) in bodies {
        assert_eq!(pointer(&client.post(path, &body(Value::Null)).unwrap()), (422, "/code".to_owned()), "{path}");
        let wrong = client.post(path, &body(json!("000000"))).unwrap();
        assert_eq!(outcome(&wrong), refused("second_factor_invalid", 422), "{path}");
    }
    assert_eq!(app.count("SELECT failures FROM second_factor"), 3, "wrong codes count");
    assert_eq!(app.count("SELECT count(*) FROM bank_detail_change"), 0);
    assert_eq!(app.count("SELECT count(*) FROM contact_change WHERE kind = 'email' AND NOT is_first"), 0);
    let changed = client.post("/v1/bank_detail_changes", &iban(json!(used))).unwrap().expect(201).unwrap();
    assert_eq!(changed["proof"], "second_factor");
    assert_eq!(
        outcome(&client.post("/v1/me/phone", &phone(json!(used))).unwrap()),
        refused("second_factor_code_used", 409)
    );
    client.post("/v1/me/phone", &phone(json!(code()))).unwrap().expect(200).unwrap();
    // A lost answer is asked for again with the same code.
    let (key, body) = (client.new_id(), email(json!(code())));
    let send = || client.command("POST", "/v1/me/email", &[("Idempotency-Key", &key)], &body).unwrap();
    let (once, twice) = (send(), send());
    assert_eq!((once.status, once.body), (200, twice.body));

    let id = client.person_id.as_deref().unwrap();
    let sql =
        format!("INSERT INTO bank_detail_change (id, member_id, proof) VALUES (gen_random_uuid(), '{id}', 'password')");
    let error = app.database.owner().batch_execute(&sql).unwrap_err().to_string();
    assert!(error.contains("a password alone is not enough"), "{error}");
}

/// With a check of the hash alone, as before, each of these answers 422 for ever.
#[test]
fn a_stolen_session_does_not_guess_the_password() {
    let app = TestApp::start();
    let cast = app.mutual();
    let id = cast.staff.reviewer.new_id();
    let guesses = [
        ("/v1/me/second_factor", json!({"id": id, "current_password": "not this one"})),
        ("/v1/me/second_factor/remove", json!({"current_password": "not this one", "code": "000000"})),
        ("/v1/me/password", json!({"current_password": "not this one", "password": "another long password"})),
    ];
    let people = [&cast.staff.reviewer, &cast.staff.approver, &cast.staff.accountant];
    for ((path, body), who) in guesses.into_iter().zip(people) {
        let answers: Vec<u16> = (0..7).map(|_| who.post(path, &body).unwrap().status).collect();
        assert_eq!((answers[0], answers[6]), (422, 429), "{path}: {answers:?}");
    }
    let entry = app.visitor().sign_in("reviewer@ombelle.example", PASSWORD);
    assert!(entry.is_err(), "the same counter as at the door");
}

/// Without the order in `guard_approval_amount` the decision of today is taken, and two people are enough again in a week.
#[test]
fn a_number_of_people_for_a_later_day_does_not_undercut_todays() {
    let app = TestApp::start();
    let cast = app.mutual();
    let administrator = &cast.staff.administrator;
    let (today, later) = (app.stage.today(), app.stage.today() + Days::new(7));
    let decide = |approvers: i64, on: chrono::NaiveDate| {
        let amount = json!({"amount_minor": 0, "currency": "EUR"});
        let body =
            json!({"id": administrator.new_id(), "from_amount": amount, "approvers": approvers, "valid_from": on});
        administrator.post(&format!("/v1/entities/{}/approval_amounts", cast.entity_id), &body).unwrap()
    };
    assert_eq!(decide(2, later).expect(201).unwrap()["loosens"], false);
    assert_eq!(outcome(&decide(3, today)), refused("approval_decided_later", 409));
    decide(2, today).expect(201).unwrap();
    decide(3, later).expect(201).unwrap();
    decide(3, today).expect(201).unwrap();
    assert_eq!(pointer(&decide(3, today + Days::new(367))), (422, "/valid_from".to_owned()));
    let sql = format!(
        "INSERT INTO approval_amount (id, entity_id, from_minor, approvers, valid_from, loosens, decided_by) \
         SELECT gen_random_uuid(), '{}', 0, 4, '{today}', false, '{}'",
        cast.entity_id,
        administrator.person_id.as_deref().unwrap()
    );
    let error = app.database.owner().batch_execute(&sql).unwrap_err().to_string();
    assert!(error.contains("fewer are decided for a later day"), "{error}");
}

/// The first line and the headers of the answer to an upload of which nothing but the headers was sent.
fn answer_before_the_body(app: &TestApp, token: Option<&str>) -> String {
    let address = app.stage.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let bearer = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let head = format!(
        "POST /v1/bank_statements HTTP/1.1\r\nHost: {address}\r\n{bearer}Idempotency-Key: {}\r\n\
         Content-Type: application/xml\r\nContent-Length: 200000000\r\n\r\n<Document>",
        app.visitor().new_id()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut seen = [0_u8; 64];
    let n = stream.read(&mut seen).unwrap_or(0);
    String::from_utf8_lossy(&seen[..n]).into_owned()
}

/// When the body is read by the extractor, as before, the second one is never answered: the read ends without a byte.
#[test]
fn nobody_without_the_role_makes_us_read_a_large_file() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    assert!(answer_before_the_body(&app, None).starts_with("HTTP/1.1 401"));
    for other in [&member.client, &cast.staff.accountant] {
        assert!(answer_before_the_body(&app, other.token.as_deref()).starts_with("HTTP/1.1 403"));
    }
}

/// Without the bounds, every one of these is 201.
#[test]
fn a_member_holds_a_claim_back_for_a_while_and_not_for_ever() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let invoiced = super::collection::issued(&app, &cast, &member, 100_000);
    let today = app.stage.today();
    let place = format!("/v1/invoices/{}/collection_pauses", invoiced.id);
    let hold = |by: &Client, until: Option<chrono::NaiveDate>| {
        let body = json!({"id": by.new_id(), "kind": "hold", "reason": "They asked me", "until_on": until});
        by.post(&place, &body).unwrap()
    };
    let promise = |by: &Client, on: chrono::NaiveDate| {
        let part = json!({"due_on": on, "amount": {"amount_minor": 121_000, "currency": "EUR"}});
        let body = json!({"id": by.new_id(), "kind": "promise", "reason": "They called", "parts": [part]});
        by.post(&place, &body).unwrap()
    };
    let client = &member.client;
    assert_eq!(pointer(&hold(client, None)), (422, "/until_on".to_owned()));
    assert_eq!(pointer(&hold(client, Some(today + Days::new(31)))), (422, "/until_on".to_owned()));
    assert_eq!(pointer(&promise(client, today + Days::new(91))), (422, "/parts".to_owned()));
    assert_eq!(app.count("SELECT count(*) FROM collection_pause"), 0);
    let end = |answer: &Answer, by: &Client| {
        let opened = answer.expect(201).unwrap();
        let path = format!("/v1/collection_pauses/{}/end", text(&opened, "id"));
        by.change(&path, 1, &json!({"reason": "Over"})).unwrap().expect(200).unwrap();
    };
    end(&hold(client, Some(today + Days::new(30))), client);
    end(&promise(client, today + Days::new(90)), client);
    end(&hold(client, Some(today)), client);
    assert_eq!(outcome(&hold(client, Some(today))), refused("collection_pauses_used", 409));
    // The office may, for longer.
    end(&hold(&cast.staff.reviewer, None), &cast.staff.reviewer);

    let member_id = client.person_id.as_deref().unwrap();
    let sql = |until: &str| {
        format!(
            "INSERT INTO collection_pause (id, entity_id, invoice_id, member_id, kind, reason, started_on, until_on, open_minor, opened_by) \
             VALUES (gen_random_uuid(), '{}', '{}', '{member_id}', 'hold', 'x', '{today}', {until}, 1, '{member_id}')",
            cast.entity_id, invoiced.id
        )
    };
    let try_it = |sql: &str| app.database.owner().batch_execute(sql).unwrap_err().to_string();
    assert!(try_it(&sql("NULL")).contains("that long"));
    assert!(try_it(&sql(&format!("'{today}'"))).contains("that often"));
}
