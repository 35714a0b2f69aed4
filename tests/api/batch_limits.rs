//! One file for each bank account: which one pays, what its bank takes, and in which letters.

use chrono::{Datelike, Days, NaiveDate};
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast};
use umbel::platform::faults::{Faults, Guard};

use super::batches::{approved, fund};
use super::collection::until;
use super::ground::lines;
use super::support::{IBANS, TestApp};

const SECOND_IBAN: &str = "BE62510007547061";

fn eur(amount: i64) -> Value {
    json!({"amount_minor": amount, "currency": "EUR"})
}

fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}

fn first_account(cast: &Cast) -> Value {
    let accounts = cast.staff.reviewer.get(&format!("/v1/entities/{}/bank_accounts", cast.entity_id)).unwrap();
    accounts.expect(200).unwrap()[0].clone()
}

fn limit(app: &TestApp, cast: &Cast, account: &str, more: Value) -> Answer {
    let who = &cast.staff.administrator;
    let mut body = json!({"id": who.new_id(), "valid_from": app.stage.today(), "reason": "Letter of the bank"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    who.post(&format!("/v1/bank_accounts/{account}/file_limits"), &body).unwrap()
}

fn build(cast: &Cast, more: Value) -> Answer {
    let who = &cast.staff.reviewer;
    let mut body = json!({"id": who.new_id(), "entity_id": cast.entity_id});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    who.post("/v1/payout_batches", &body).unwrap()
}

fn turn(cast: &Cast, batch: &Value, verb: &str) -> Answer {
    let path = format!("/v1/payout_batches/{}/{verb}", id(batch));
    cast.staff.reviewer.change(&path, batch["version"].as_i64().unwrap(), &json!({})).unwrap()
}

/// What was sealed. Until it is released nobody of the office is given the bytes.
fn file_of(app: &TestApp, cast: &Cast, batch: &Value) -> String {
    let answer = cast.staff.reviewer.get(&format!("/v1/payout_batches/{}/file", id(batch))).unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (409, "state_conflict"));
    let sql = format!(
        "SELECT convert_from(f.bytes, 'UTF8') AS line FROM payout_batch b JOIN archived_file f ON f.id = b.file_id WHERE b.id = '{}'",
        id(batch)
    );
    lines(&mut app.database.owner(), &sql).remove(0)
}

#[test]
fn an_entity_pays_from_the_account_that_is_named_and_from_no_other_entitys() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    let administrator = cast.staff.administrator.clone();
    let second = json!({"id": administrator.new_id(), "iban": SECOND_IBAN, "bic": "GKCCBEBB", "currency": "EUR"});
    let place = format!("/v1/entities/{}/bank_accounts", cast.entity_id);
    administrator.post(&place, &second).unwrap().expect(201).unwrap();
    approved(&app, &cast, &member, 1_000);
    let stranger = build(&cast, json!({"bank_account_id": administrator.new_id()}));
    assert_eq!((stranger.status, stranger.json()["errors"][0]["pointer"].as_str()), (422, Some("/bank_account_id")));
    assert_eq!(app.count("SELECT count(*) FROM payout_batch"), 0);
    let batch = build(&cast, json!({"bank_account_id": second["id"]})).expect(201).unwrap();
    assert_eq!(batch["bank_account_id"], second["id"]);
    let batch = turn(&cast, &batch, "seal").expect(200).unwrap();
    let file = file_of(&app, &cast, &batch);
    let debtor = file.split("<DbtrAcct>").nth(1).unwrap().split("<ChrgBr>").next().unwrap();
    assert!(debtor.contains(SECOND_IBAN) && debtor.contains("GKCCBEBB"), "{debtor}");
    // Without a name it is the account that the entity had first.
    approved(&app, &cast, &member, 2_000);
    let main = build(&cast, json!({})).expect(201).unwrap();
    assert_eq!(main["bank_account_id"], first_account(&cast)["id"]);
}

#[test]
fn a_file_takes_the_oldest_until_the_bank_takes_no_more_and_says_what_stays() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    let account = first_account(&cast);
    for cents in [1_000, 2_000, 4_000, 8_000] {
        app.stage.clock.advance(chrono::Duration::seconds(1));
        approved(&app, &cast, &member, cents);
    }
    for (wrong, pointer) in [
        (json!({"payouts_max": 0}), "/payouts_max"),
        (json!({"total_max": eur(0)}), "/total_max/amount_minor"),
        (json!({"total_max": {"amount_minor": 1, "currency": "USD"}}), "/total_max/currency"),
        (json!({"reason": " "}), "/reason"),
        (json!({"valid_from": "2026-01-01"}), "/valid_from"),
    ] {
        let refused = limit(&app, &cast, id(&account), wrong);
        assert_eq!((refused.status, refused.json()["errors"][0]["pointer"].as_str()), (422, Some(pointer)));
    }
    assert_eq!(app.count("SELECT count(*) FROM bank_limit"), 0);
    limit(&app, &cast, id(&account), json!({"payouts_max": 2})).expect(201).unwrap();
    let batch = build(&cast, json!({})).expect(201).unwrap();
    assert_eq!(
        (&batch["items_total"], &batch["left_count"], &batch["left_total"]),
        (&eur(3_000), &json!(2), &eur(12_000))
    );
    let path = format!("/v1/payout_batches/{}/preview", id(&batch));
    let seen = cast.staff.approver.get(&path).unwrap().expect(200).unwrap();
    assert_eq!((&seen["left_count"], &seen["left_total"]), (&json!(2), &eur(12_000)));
    turn(&cast, &batch, "dissolve").expect(200).unwrap();
    // A later decision takes the place of the earlier one. 80 alone are more than the bank takes and keep nobody waiting.
    limit(&app, &cast, id(&account), json!({"total_max": eur(6_000)})).expect(201).unwrap();
    let batch = build(&cast, json!({})).expect(201).unwrap();
    assert_eq!((&batch["items_total"], &batch["left_count"]), (&eur(3_000), &json!(2)));
    let next = build(&cast, json!({})).expect(201).unwrap();
    assert_eq!((&next["items_total"], &next["left_total"]), (&eur(4_000), &eur(8_000)));
    assert_eq!(build(&cast, json!({})).code(), "bank_limit_reached");
    let place = format!("/v1/bank_accounts/{}/file_limits", id(&account));
    let decided = cast.staff.accountant.get(&place).unwrap().expect(200).unwrap();
    assert_eq!((decided.as_array().unwrap().len(), &decided[1]["total_max"]), (2, &eur(6_000)));
    assert_eq!(member.client.get(&place).unwrap().status, 403);
}

#[test]
fn a_batch_is_executed_on_the_first_bank_day_from_its_seal_on_however_long_ago_it_was_built() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    approved(&app, &cast, &member, 1_000);
    let built = build(&cast, json!({})).expect(201).unwrap();
    let day = |batch: &Value| batch["execute_on"].as_str().unwrap().parse::<NaiveDate>().unwrap();
    let saturday = 12 - i64::from(app.stage.today().weekday().num_days_from_monday());
    let _member = until(&app, &mut cast, member, saturday);
    let monday = app.stage.today() + Days::new(2);
    assert!(day(&built) < app.stage.today());
    let sealed = turn(&cast, &built, "seal").expect(200).unwrap();
    assert_eq!((day(&sealed), monday.weekday()), (monday, chrono::Weekday::Mon));
    assert!(file_of(&app, &cast, &sealed).contains(&format!("<Dt>{monday}</Dt>")));
}

/// Gathers two payouts, then the bank takes one only. Answers what the seal says.
fn sealed_beyond(app: &TestApp) -> (Cast, Answer) {
    let (mut cast, member) = app.with_member();
    fund(app, &mut cast, &member, 100_000);
    approved(app, &cast, &member, 1_000);
    approved(app, &cast, &member, 2_000);
    let batch = build(&cast, json!({})).expect(201).unwrap();
    let account = first_account(&cast);
    limit(app, &cast, id(&account), json!({"payouts_max": 1})).expect(201).unwrap();
    let answer = turn(&cast, &batch, "seal");
    (cast, answer)
}

#[test]
fn a_batch_beyond_the_limit_is_not_sealed() {
    let app = TestApp::start();
    let (_, answer) = sealed_beyond(&app);
    assert_eq!(answer.code(), "bank_limit_reached");
    assert_eq!(app.count("SELECT count(*) FROM archived_file WHERE kind = 'batch_file'"), 0);
}

#[test]
fn without_the_check_the_trigger_refuses_and_without_both_the_books_go_red() {
    let app = TestApp::start_with(Faults::without([Guard::BankLimit]));
    let (cast, answer) = sealed_beyond(&app);
    assert_eq!(answer.code(), "bank_limit_reached");
    app.database.owner().batch_execute("ALTER TABLE payout_batch DISABLE TRIGGER guard_batch_limit").unwrap();
    let batch = cast.staff.reviewer.get("/v1/payout_batches").unwrap().json()["data"][0].clone();
    let batch = turn(&cast, &batch, "seal").expect(200).unwrap();
    assert!(app.violations().iter().any(|line| line.starts_with("invariant_i41")), "{:?}", app.violations());
    turn(&cast, &batch, "unseal").expect(200).unwrap();
}

#[test]
fn what_the_file_says_is_kept_beside_what_is_known() {
    let app = TestApp::start();
    let (mut cast, _) = app.with_member();
    let mut paid = Vec::new();
    let people = [
        ("Łukasz Żółć", "lukasz@member.example"),
        ("Ελένη Νίκου", "eleni@member.example"),
        ("Дмитрий Ильин", "dm@member.example"),
    ];
    for ((name, email), iban) in people.iter().zip(&IBANS[1..]) {
        let member = app.stage.enrol(&mut cast, email, name, iban).unwrap();
        fund(&app, &mut cast, &member, 100_000);
        paid.push((approved(&app, &cast, &member, 1_000), member));
    }
    let batch = build(&cast, json!({})).expect(201).unwrap();
    assert!(batch["items"].as_array().unwrap().iter().all(|it| it["text_in_file"].is_null()), "nothing is written yet");
    let batch = turn(&cast, &batch, "seal").expect(200).unwrap();
    let file = file_of(&app, &cast, &batch);
    let items = batch["items"].as_array().unwrap();
    for ((name, _), written) in people.iter().zip(["Lukasz Zolc", "Eleni Nikoy", "Dmitriy Ilyin"]) {
        let item = items.iter().find(|it| it["holder"] == *name).unwrap();
        let text = &item["text_in_file"];
        assert_eq!((&text["name"], &text["changed"]), (&json!(name), &json!(true)));
        assert_eq!(text["name_in_file"], written);
        assert_eq!(text["address_in_file"], "Avenue des Arts 7, 1040 Bruxelles, BE");
        assert!(file.contains(&format!("<Nm>{written}</Nm>")), "{written}");
        assert!(file.contains(&format!("<Ustrd>{}</Ustrd>", text["remittance_in_file"].as_str().unwrap())));
    }
    // Its member sees their own, of every seal; another seal does not wipe out the first.
    let opened = turn(&cast, &batch, "unseal").expect(200).unwrap();
    turn(&cast, &opened, "seal").expect(200).unwrap();
    let (payout, member) = &paid[0];
    let seen = member.client.get(&format!("/v1/payouts/{}", id(payout))).unwrap().expect(200).unwrap();
    let texts = seen["texts_in_files"].as_array().unwrap();
    assert_eq!((texts.len(), &texts[0]["name_in_file"]), (2, &json!("Lukasz Zolc")));
    assert_ne!(texts[0]["message_id"], texts[1]["message_id"]);
    let (_, other) = &paid[1];
    assert_eq!(other.client.get(&format!("/v1/payouts/{}", id(payout))).unwrap().status, 404);
}
