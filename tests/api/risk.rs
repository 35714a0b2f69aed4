//! Flags that block until they are opened, payouts that wait, limits that hold against everybody at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::bank_details::ListedNames;
use umbel::demo::{Answer, Cast, Client, MemberCast};
use umbel::kernel::money::Minor;

use super::bank_details::{PASSWORD, again, ask, hours_pass, look, office_again, place};
use super::costs::second_reviewer;
use super::support::{IBANS, TestApp};
use super::world::text;

fn fund(app: &TestApp, cast: &mut Cast, member: &MemberCast, net: i64) {
    let submitted = app.stage.submitted_invoice(member, None, net).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(cast).unwrap();
}

/// Sets how serious a kind of flag is taken from today on.
fn take(app: &TestApp, cast: &Cast, code: &str, level: &str) -> Answer {
    let administrator = &cast.staff.administrator;
    let body = json!({"id": administrator.new_id(), "entity_id": cast.entity_id, "code": code, "level": level,
                      "valid_from": app.stage.today(), "reason": "Board"});
    administrator.post("/v1/risk_levels", &body).unwrap()
}

fn limit(app: &TestApp, cast: &Cast, kind: &str, person: Option<&str>, cents: Option<i64>) -> Answer {
    let administrator = &cast.staff.administrator;
    let body = json!({"id": administrator.new_id(), "entity_id": cast.entity_id, "kind": kind, "person_id": person,
                      "amount_minor": cents, "currency": "EUR", "valid_from": app.stage.today(), "reason": "Board"});
    administrator.post("/v1/payout_limits", &body).unwrap()
}

fn approve(reviewer: &Client, payout: &Value) -> Answer {
    let place = format!("/v1/payouts/{}/approve", text(payout, "id"));
    reviewer.change(&place, payout["version"].as_i64().unwrap(), &json!({})).unwrap()
}

fn flags_of(client: &Client, payout: &Value) -> Vec<Value> {
    let place = format!("/v1/risk_flags?limit=200&payout_id={}", text(payout, "id"));
    client.get(&place).unwrap().expect(200).unwrap()["data"].as_array().unwrap().clone()
}

fn try_to_approve(app: &TestApp, approver: &Client, sealed: &Value) -> Answer {
    let proof = app.prove_at_once(approver, "approve_batch", sealed["content_sha256"].as_str().unwrap());
    let shown = json!({"content_sha256": sealed["content_sha256"], "total": sealed["total"], "payout_count": sealed["payout_count"],
                       "second_factor": proof});
    let place = format!("/v1/payout_batches/{}/approve", text(sealed, "id"));
    approver.change(&place, sealed["version"].as_i64().unwrap(), &shown).unwrap()
}

/// A payout is sealed; these flags of it block until each was opened, and then it goes. Answers all its flags.
fn blocked_by(app: &TestApp, cast: &Cast, payout: &Value, expected: &[&str]) -> BTreeSet<String> {
    let approver = &cast.staff.approver;
    let sealed = app.stage.sealed_batch(cast, payout).unwrap();
    let flags = flags_of(approver, payout);
    let codes: BTreeSet<String> = flags.iter().map(|flag| text(flag, "code")).collect();
    for code in expected {
        assert!(codes.contains(*code), "{code} in {codes:?}");
    }
    for flag in &flags {
        assert!(flag["text"].as_str().is_some_and(|text| text.ends_with('.') && !text.contains('[')), "{flag}");
        for at in flag["evidence"].as_array().unwrap() {
            let seen = cast.staff.reviewer.get(at.as_str().unwrap()).unwrap();
            assert_eq!(seen.status, 200, "{at} of {flag}");
        }
    }
    let blocking: Vec<&Value> = flags.iter().filter(|flag| flag["blocks"] == true).collect();
    let names: BTreeSet<String> = blocking.iter().map(|flag| text(flag, "code")).collect();
    assert!(expected.iter().all(|code| names.contains(*code)), "{expected:?} in {names:?}");
    for (n, flag) in blocking.iter().enumerate() {
        let refused = try_to_approve(app, approver, &sealed);
        assert_eq!((refused.status, refused.code()), (409, "risk_flags_unopened".to_owned()), "{flag}");
        assert_eq!(refused.json()["params"]["count"], (blocking.len() - n).to_string());
        let note = json!({"note": "Called the member"});
        let opened =
            approver.post(&format!("/v1/risk_flags/{}/open", text(flag, "id")), &note).unwrap().expect(200).unwrap();
        assert_eq!(opened["openings"].as_array().unwrap().len(), 1);
    }
    try_to_approve(app, approver, &sealed).expect(200).unwrap();
    codes
}

#[test]
fn a_first_payout_is_flagged_and_what_is_taken_seriously_blocks() {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    let bo = app.another_member(&mut cast);
    fund(&app, &mut cast, &bo, 100_000);
    fund(&app, &mut cast, &awa, 100_000);
    // What happens to every honest new member is shown and does not block.
    let payout = app.stage.payout(&awa, 92_500).unwrap();
    let codes = blocked_by(&app, &cast, &payout, &[]);
    let expected = ["all_at_once", "first_payout", "first_to_account", "shared_device"];
    assert_eq!(codes.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    // A mutual that takes it seriously says so alone; to take it less seriously asks for two.
    for code in ["all_at_once", "first_payout", "first_to_account", "shared_device", "country_differs"] {
        assert_eq!(take(&app, &cast, code, "medium").expect(201).unwrap()["in_force"], true);
    }
    let looser = take(&app, &cast, "contact_changed", "off").expect(201).unwrap();
    assert_eq!((&looser["in_force"], &looser["before"]), (&json!(false), &json!("high")));
    let confirm = format!("/v1/risk_levels/{}/confirm", text(&looser, "id"));
    assert_eq!(cast.staff.administrator.change(&confirm, 1, &json!({})).unwrap().code(), "self_approval_forbidden");
    let payout = app.stage.payout(&bo, 92_500).unwrap();
    blocked_by(
        &app,
        &cast,
        &payout,
        &["all_at_once", "first_payout", "first_to_account", "shared_device", "country_differs"],
    );
    cast.staff.approver.change(&confirm, 1, &json!({})).unwrap().expect(200).unwrap();
    // Whoever approves opens: the reviewer cannot do it for them, and nobody opens without a note.
    let flag = flags_of(&cast.staff.reviewer, &payout)[0].clone();
    let open = format!("/v1/risk_flags/{}/open", text(&flag, "id"));
    assert_eq!(cast.staff.reviewer.post(&open, &json!({"note": "x"})).unwrap().status, 403);
    assert_eq!(cast.staff.approver.post(&open, &json!({"note": " "})).unwrap().status, 422);
    let unopened = cast.staff.approver.get("/v1/risk_flags?opened=false&level=medium").unwrap().expect(200).unwrap();
    assert_eq!(unopened["data"], json!([]));
}

#[test]
fn habits_devices_and_contacts_are_looked_at() {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    fund(&app, &mut cast, &awa, 1_000_000);
    take(&app, &cast, "many_in_a_day", "medium").expect(201).unwrap();
    for n in 0..3 {
        let payout = app.stage.payout(&awa, 1_000).unwrap();
        let expected: &[&str] = if n == 2 { &["many_in_a_day"] } else { &[] };
        let sealed = blocked_by(&app, &cast, &payout, expected);
        drop(sealed);
        let batch =
            text(&cast.staff.approver.get(&format!("/v1/payouts/{}", text(&payout, "id"))).unwrap().json(), "batch_id");
        let seen = cast.staff.approver.get(&format!("/v1/payout_batches/{batch}")).unwrap().expect(200).unwrap();
        let release = format!("/v1/payout_batches/{batch}/release");
        let approver = &cast.staff.approver;
        let proof = app.prove_at_once(approver, "release_batch", seen["content_sha256"].as_str().unwrap());
        let body = json!({"second_factor": proof});
        approver.change(&release, seen["version"].as_i64().unwrap(), &body).unwrap().expect(200).unwrap();
        let left = approver.get(&format!("/v1/payouts/{}", text(&payout, "id"))).unwrap().json();
        cast.bank.pays(Minor::new(1_000), left["end_to_end_id"].as_str().unwrap(), app.stage.today());
    }
    // The bank says that they went.
    app.stage.import(&mut cast).unwrap();
    hours_pass(&app, 100);
    office_again(&app, &mut cast);
    let awa = again(&app, &awa);
    // Five times the usual amount is still usual; a cent more is not.
    let payout = app.stage.payout(&awa, 5_001).unwrap();
    blocked_by(&app, &cast, &payout, &["amount_unusual"]);
    // A number changed, and another device.
    let body = json!({"phone": "+32 470 00 00 00", "current_password": PASSWORD});
    awa.client.post("/v1/me/phone", &body).unwrap().expect(200).unwrap();
    let body = json!({"email": awa.email, "password": PASSWORD, "device": "A new phone"});
    let tokens = app.visitor().command("POST", "/v1/sessions", &[], &body).unwrap().expect(200).unwrap();
    let mut elsewhere = awa.clone();
    elsewhere.client.token = tokens["access_token"].as_str().map(str::to_owned);
    let payout = app.stage.payout(&elsewhere, 1_000).unwrap();
    let dispute = "INSERT INTO invoice_dispute (id, invoice_id, member_id, reason, opened_by) \
                   SELECT gen_random_uuid(), i.id, i.member_id, 'Late', p.id FROM invoice i, person p \
                   WHERE i.state = 'issued' AND p.email = 'reviewer@ombelle.example' LIMIT 1";
    app.database.owner().batch_execute(dispute).unwrap();
    let person = awa.client.person_id.clone().unwrap();
    limit(&app, &cast, "member_30_days", Some(&person), Some(10_000)).expect(201).unwrap();
    blocked_by(&app, &cast, &payout, &["contact_changed", "new_device", "invoice_disputed", "limit_nearly_used"]);
}

#[test]
fn money_that_no_client_paid_yet_is_looked_at() {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    let order = app.stage.confirmed_order(&awa, 100_000).unwrap();
    let submitted = app.stage.submitted_invoice(&awa, order["id"].as_str(), 0).unwrap();
    app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    // The fund has something to advance from.
    let bo = app.another_member(&mut cast);
    for _ in 0..60 {
        fund(&app, &mut cast, &bo, 100_000);
    }
    app.stage.days_pass(12).unwrap();
    office_again(&app, &mut cast);
    let awa = again(&app, &awa);
    for code in ["mostly_advanced", "client_unproven"] {
        take(&app, &cast, code, "medium").expect(201).unwrap();
    }
    let payout = app.stage.payout(&awa, 10_000).unwrap();
    blocked_by(&app, &cast, &payout, &["mostly_advanced", "client_unproven"]);
}

#[test]
fn another_account_is_flagged_by_its_name_its_age_and_who_else_has_it() {
    let mut app = TestApp::start();
    let names = ListedNames::new([(IBANS[2], "Somebody Else"), (IBANS[1], "A. Diop-Sy")]);
    app.stage.worker = app.stage.worker.clone().asking(Arc::new(names));
    let (mut cast, awa) = app.with_member();
    second_reviewer(&app, &cast);
    fund(&app, &mut cast, &awa, 1_000_000);
    let bo = app.another_member(&mut cast);
    hours_pass(&app, 31 * 24);
    office_again(&app, &mut cast);
    // Who stands for the call approves nothing that goes to the account.
    let second = app.stage.sign_in("second@ombelle.example").unwrap();
    let mut awa = again(&app, &awa);
    // In another name, and with a call that the reviewer of the payout made.
    let change = ask(&awa, IBANS[2]);
    app.stage.settle().unwrap();
    let seen = look(&cast.staff.reviewer, &change);
    assert_eq!(seen["name_check"]["outcome"], "no_match");
    let call = json!({"id": awa.client.new_id(), "phone": "+32 2 555 12 34", "note": "She says it is hers"});
    for (who, what, body) in
        [(&cast.staff.reviewer, "record_callback", &call), (&second, "confirm_callback", &json!({}))]
    {
        let version = look(who, &change)["version"].as_i64().unwrap();
        who.change(&format!("{}/{what}", place(&change)), version, body).unwrap().expect(200).unwrap();
    }
    app.stage.settle().unwrap();
    let payout = app.stage.payout(&awa, 1_000).unwrap();
    blocked_by(&app, &cast, &payout, &["account_changed", "name_mismatch", "reviewer_changed_account"]);
    // The account of another member, who is of the office now, and nearly the name.
    let reviewer = text(&cast.staff.reviewer.get("/v1/me").unwrap().json(), "id");
    let shared = format!(
        "INSERT INTO payee_account (id, person_id, holder, iban_sealed, iban_index, iban_country, iban_last4) \
         SELECT gen_random_uuid(), '{reviewer}', holder, iban_sealed, iban_index, iban_country, iban_last4 FROM payee_account WHERE iban_last4 = '3000'"
    );
    app.database.owner().batch_execute(&shared).unwrap();
    let change = ask(&awa, IBANS[1]);
    app.stage.settle().unwrap();
    let seen = look(&cast.staff.reviewer, &change);
    assert_eq!(
        (&seen["name_check"]["outcome"], &seen["name_check"]["name"]),
        (&json!("close_match"), &json!("A. Diop-Sy"))
    );
    assert_eq!(seen["iban_used_elsewhere"], true);
    hours_pass(&app, 72);
    office_again(&app, &mut cast);
    awa = again(&app, &awa);
    let payout = app.stage.payout(&awa, 1_000).unwrap();
    blocked_by(&app, &cast, &payout, &["iban_of_member", "iban_of_staff", "name_close", "account_changed"]);
    drop(bo);
}

#[test]
fn what_is_on_hold_waits_until_another_person_lifts_it() {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    let bo = app.another_member(&mut cast);
    for member in [&awa, &bo] {
        fund(&app, &mut cast, member, 100_000);
    }
    let (reviewer, approver) = (cast.staff.reviewer.clone(), cast.staff.approver.clone());
    let hold = |place: &str| {
        let body = json!({"id": reviewer.new_id(), "reason": "We check your new account."});
        reviewer.post(place, &body).unwrap().expect(201).unwrap()
    };
    let lift = |who: &Client, hold: &Value| {
        let place = format!("/v1/payout_holds/{}/lift", text(hold, "id"));
        who.change(&place, 1, &json!({"reason": "It is hers."})).unwrap()
    };
    let code = |answer: &Answer| (answer.status, answer.code());
    let on_hold = (409, "payout_on_hold".to_owned());
    // One payout: not approved.
    let payout = app.stage.payout(&awa, 1_000).unwrap();
    let one = hold(&format!("/v1/payouts/{}/hold", text(&payout, "id")));
    assert_eq!(code(&approve(&reviewer, &payout)), on_hold);
    app.stage.settle().unwrap();
    assert!(app.stage.mail_to(&awa.email, "We check your new account.").is_ok());
    let shown = awa.client.get("/v1/payout_holds?active=true").unwrap().expect(200).unwrap();
    assert_eq!(shown["data"][0]["reason"], "We check your new account.");
    assert_eq!(bo.client.get("/v1/payout_holds").unwrap().json()["data"], json!([]));
    assert_eq!(code(&lift(&reviewer, &one)), (403, "self_approval_forbidden".to_owned()));
    lift(&approver, &one).expect(200).unwrap();
    assert_eq!(lift(&approver, &one).status, 412);
    approve(&reviewer, &payout).expect(200).unwrap();
    // A member: what is approved is not gathered, and what is gathered is not sealed.
    let member = hold(&format!("/v1/members/{}/hold_payouts", awa.client.person_id.as_deref().unwrap()));
    let body = json!({"id": reviewer.new_id(), "entity_id": cast.entity_id});
    assert_eq!(reviewer.post("/v1/payout_batches", &body).unwrap().code(), "batch_empty");
    lift(&approver, &member).expect(200).unwrap();
    let body = json!({"id": reviewer.new_id(), "entity_id": cast.entity_id});
    let built = reviewer.post("/v1/payout_batches", &body).unwrap().expect(201).unwrap();
    let place = format!("/v1/payout_batches/{}", text(&built, "id"));
    let member = hold(&format!("/v1/members/{}/hold_payouts", awa.client.person_id.as_deref().unwrap()));
    let seal = |version: i64| reviewer.change(&format!("{place}/seal"), version, &json!({})).unwrap();
    assert_eq!(code(&seal(1)), on_hold);
    lift(&approver, &member).expect(200).unwrap();
    let sealed = seal(1).expect(200).unwrap();
    // An account: neither approved nor released.
    let account: Vec<String> = super::ground::lines(
        &mut app.database.owner(),
        "SELECT id::text AS line FROM payee_account WHERE iban_last4 = '6769'",
    );
    let stopped = hold(&format!("/v1/payee_accounts/{}/hold_payouts", account[0]));
    assert_eq!(code(&try_to_approve(&app, &approver, &sealed)), on_hold);
    lift(&approver, &stopped).expect(200).unwrap();
    let approved = try_to_approve(&app, &approver, &sealed).expect(200).unwrap();
    let stopped = hold(&format!("/v1/payee_accounts/{}/hold_payouts", account[0]));
    let release = |version: &Value| {
        let proof = app.prove_at_once(&approver, "release_batch", sealed["content_sha256"].as_str().unwrap());
        let body = json!({"second_factor": proof});
        approver.change(&format!("{place}/release"), version.as_i64().unwrap(), &body).unwrap()
    };
    assert_eq!(code(&release(&approved["version"])), on_hold);
    // Somebody else's payouts go on.
    let other = app.stage.payout(&bo, 1_000).unwrap();
    approve(&reviewer, &other).expect(200).unwrap();
    lift(&approver, &stopped).expect(200).unwrap();
    release(&approved["version"]).expect(200).unwrap();
}

#[test]
fn a_limit_says_what_is_left_and_when_more_is_free() {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    fund(&app, &mut cast, &awa, 1_000_000);
    limit(&app, &cast, "member_day", None, Some(10_000)).expect(201).unwrap();
    let reviewer = cast.staff.reviewer.clone();
    approve(&reviewer, &app.stage.payout(&awa, 7_000).unwrap()).expect(200).unwrap();
    let second = app.stage.payout(&awa, 4_000).unwrap();
    let refused = approve(&reviewer, &second);
    assert_eq!((refused.status, refused.code()), (409, "payout_limit_reached".to_owned()));
    let said = refused.json()["params"].clone();
    assert_eq!((&said["left_minor"], &said["limit"]), (&json!("3000"), &json!("member_day")));
    assert_eq!(said["free_at"], "2026-05-04T22:00:00Z", "midnight in Brussels");
    // Tighter alone, wider by two; nobody confirms their own.
    assert_eq!(limit(&app, &cast, "member_day", None, Some(8_000)).expect(201).unwrap()["in_force"], true);
    let wider = limit(&app, &cast, "member_day", None, Some(20_000)).expect(201).unwrap();
    assert_eq!(wider["in_force"], false);
    let confirm = format!("/v1/payout_limits/{}/confirm", text(&wider, "id"));
    assert_eq!(approve(&reviewer, &second).status, 409);
    assert_eq!(cast.staff.administrator.change(&confirm, 1, &json!({})).unwrap().status, 403);
    cast.staff.approver.change(&confirm, 1, &json!({})).unwrap().expect(200).unwrap();
    approve(&reviewer, &second).expect(200).unwrap();
    // The sealed batches of a day count by themselves.
    limit(&app, &cast, "entity_day", None, Some(11_000)).expect(201).unwrap();
    limit(&app, &cast, "approver_day", None, Some(11_000)).expect(201).unwrap();
    let body = json!({"id": reviewer.new_id(), "entity_id": cast.entity_id});
    let built = reviewer.post("/v1/payout_batches", &body).unwrap().expect(201).unwrap();
    let place = format!("/v1/payout_batches/{}", text(&built, "id"));
    let sealed = reviewer.change(&format!("{place}/seal"), 1, &json!({})).unwrap().expect(200).unwrap();
    app.stage.release(&cast.staff.approver, &sealed).unwrap();
    let third = app.stage.payout(&awa, 100).unwrap();
    assert_eq!(approve(&reviewer, &third).json()["params"]["limit"], "approver_day");
    // Thirty days back: free when enough of it is thirty days old.
    limit(&app, &cast, "member_30_days", None, Some(12_000)).expect(201).unwrap();
    hours_pass(&app, 24);
    office_again(&app, &mut cast);
    let awa = again(&app, &awa);
    let big = app.stage.payout(&awa, 2_000).unwrap();
    let said = approve(&cast.staff.reviewer, &big).json()["params"].clone();
    assert_eq!((&said["limit"], &said["left_minor"]), (&json!("member_30_days"), &json!("1000")));
    assert_eq!(said["free_at"], "2026-06-03T08:00:00Z", "{said}");
    // Bad input names the field, and nothing is written.
    let before = app.count("SELECT count(*) FROM payout_limit");
    let administrator = &cast.staff.administrator;
    let bad = |change: &dyn Fn(&mut Value), pointer: &str| {
        let mut body = json!({"id": administrator.new_id(), "entity_id": cast.entity_id, "kind": "entity_day", "amount_minor": 1,
                              "currency": "EUR", "valid_from": app.stage.today(), "reason": "Board"});
        change(&mut body);
        let answer = administrator.post("/v1/payout_limits", &body).unwrap();
        assert!(answer.status == 422 && answer.json().to_string().contains(pointer), "{pointer}: {}", answer.json());
    };
    bad(&|body| body["amount_minor"] = json!(-1), "/amount_minor");
    bad(&|body| body["valid_from"] = json!("2026-05-01"), "/valid_from");
    bad(&|body| body["person_id"] = json!(awa.client.person_id), "/person_id");
    bad(&|body| body["reason"] = json!(""), "/reason");
    assert_eq!(app.count("SELECT count(*) FROM payout_limit"), before);
}

#[cfg(feature = "faults")]
mod at_once {
    use umbel::platform::faults::{Faults, Guard};

    use super::super::concurrency::at_once;
    use super::*;

    /// Sixteen payouts of 100 are approved at the same moment, of which ten fit. Answers the sum that was approved.
    fn sixteen(faults: Faults) -> i64 {
        let app = TestApp::start_with(faults);
        let (mut cast, awa) = app.with_member();
        fund(&app, &mut cast, &awa, 100_000);
        limit(&app, &cast, "member_day", None, Some(1_000)).expect(201).unwrap();
        let payouts: Vec<Value> = (0..16).map(|_| app.stage.payout(&awa, 100).unwrap()).collect();
        let reviewer = &cast.staff.reviewer;
        let answers = at_once(16, |index| {
            for _ in 0..50 {
                let answer = approve(reviewer, &payouts[index]);
                if answer.status != 503 {
                    return answer;
                }
            }
            panic!("no answer")
        });
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(answer.code(), "payout_limit_reached");
        }
        app.count("SELECT coalesce(sum(amount_minor), 0) FROM payout WHERE state = 'approved'")
    }

    #[test]
    fn sixteen_approvals_at_the_same_moment_stay_within_the_limit() {
        assert_eq!(sixteen(Faults::default()), 1_000);
    }

    #[test]
    fn without_the_lock_they_pass_it() {
        let sums: Vec<i64> = (0..5).map(|_| sixteen(Faults::without([Guard::RowLock]))).collect();
        assert!(sums.iter().any(|sum| *sum > 1_000), "{sums:?}");
    }
}
