//! Batches as people meet them: codes, previews, more eyes for more money, approvals that grow old.

use serde_json::{Value, json};
use umbel::access::factors::code_at;
use umbel::demo::{Answer, Cast, Client, MemberCast};
use umbel::kernel::money::Minor;
use umbel::kernel::roles::Role;

use super::support::{ADMIN, TestApp};

const PASSWORD: &str = "correct horse battery";

fn eur(amount: i64) -> Value {
    json!({"amount_minor": amount, "currency": "EUR"})
}

fn version(of: &Value) -> i64 {
    of["version"].as_i64().unwrap()
}

fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}

/// Money that a client paid.
pub fn fund(app: &TestApp, cast: &mut Cast, member: &MemberCast, cents: i64) {
    let submitted = app.stage.submitted_invoice(member, None, cents).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(cast).unwrap();
}

pub fn approved(app: &TestApp, cast: &Cast, member: &MemberCast, cents: i64) -> Value {
    let payout = app.stage.payout(member, cents).unwrap();
    let path = format!("/v1/payouts/{}/approve", id(&payout));
    cast.staff.reviewer.change(&path, version(&payout), &json!({})).unwrap().expect(200).unwrap()
}

pub fn built(cast: &Cast) -> Value {
    let reviewer = &cast.staff.reviewer;
    let body = json!({"id": reviewer.new_id(), "entity_id": cast.entity_id});
    reviewer.post("/v1/payout_batches", &body).unwrap().expect(201).unwrap()
}

fn command(who: &Client, batch: &Value, verb: &str, body: &Value) -> Answer {
    who.change(&format!("/v1/payout_batches/{}/{verb}", id(batch)), version(batch), body).unwrap()
}

fn approval(app: &TestApp, who: &Client, sealed: &Value) -> Value {
    let sha256 = sealed["content_sha256"].as_str().unwrap();
    json!({"content_sha256": sha256, "total": sealed["total"], "payout_count": sealed["payout_count"],
           "second_factor": app.prove_at_once(who, "approve_batch", sha256)})
}

fn release(app: &TestApp, who: &Client, batch: &Value) -> Answer {
    let proof = app.prove_at_once(who, "release_batch", batch["content_sha256"].as_str().unwrap());
    command(who, batch, "release", &json!({"second_factor": proof}))
}

fn sealed(cast: &Cast) -> Value {
    let batch = built(cast);
    command(&cast.staff.reviewer, &batch, "seal", &json!({})).expect(200).unwrap()
}

#[test]
fn an_authenticator_is_set_up_shown_once_a_code_and_taken_away_with_a_recovery_code() {
    let app = TestApp::start();
    let cast = app.mutual();
    let who = &cast.staff.approver;
    let zeros = "0".repeat(64);
    let shown = |code: &str| json!({"id": who.new_id(), "operation": "approve_batch", "sha256": zeros, "code": code});
    assert_eq!(who.post("/v1/step_ups", &shown("123456")).unwrap().code(), "second_factor_missing");
    let wrong = json!({"id": who.new_id(), "current_password": "not that one at all"});
    assert_eq!(who.post("/v1/me/second_factor", &wrong).unwrap().status, 422);
    let asked = json!({"id": who.new_id(), "current_password": PASSWORD});
    let answer = who.post("/v1/me/second_factor", &asked).unwrap().expect(201).unwrap();
    assert_eq!(answer["confirmed_at"], Value::Null);
    let secret = who.get("/v1/me/second_factor/secret").unwrap().expect(200).unwrap();
    assert!(
        secret["uri"].as_str().unwrap().starts_with("otpauth://totp/Umbel:approver%40ombelle.example?"),
        "{secret}"
    );
    let secret = secret["secret"].as_str().unwrap();
    let code = |steps: i64| {
        let now = app.stage.clock.now().timestamp() + 30 * steps;
        code_at(secret, u64::try_from(now).unwrap()).unwrap()
    };
    let confirm = |code: &str| who.post("/v1/me/second_factor/confirm", &json!({"code": code})).unwrap();
    assert_eq!(confirm(&code(-5)).code(), "second_factor_invalid", "an old code");
    confirm(&code(-1)).expect(200).unwrap();
    assert_eq!(who.get("/v1/me/second_factor/secret").unwrap().code(), "second_factor_exists", "shown no more");
    let codes = who.get("/v1/me/second_factor/recovery_codes").unwrap().expect(200).unwrap()["codes"].clone();
    assert_eq!(codes.as_array().unwrap().len(), 10);
    assert_eq!(app.count("SELECT count(*) FROM recovery_code WHERE used_at IS NULL"), 10);
    // A code counts once, and an earlier one not after it.
    who.post("/v1/step_ups", &shown(&code(0))).unwrap().expect(201).unwrap();
    assert_eq!(who.post("/v1/step_ups", &shown(&code(0))).unwrap().code(), "second_factor_code_used");
    assert_eq!(who.post("/v1/step_ups", &shown(&code(-1))).unwrap().code(), "second_factor_code_used");
    // Wrong ones are counted although their requests wrote nothing; after five the right one waits too.
    for _ in 0..5 {
        assert_eq!(who.post("/v1/step_ups", &shown("no code")).unwrap().code(), "second_factor_invalid");
    }
    assert_eq!(who.post("/v1/step_ups", &shown(&code(1))).unwrap().status, 429);
    app.stage.clock.advance(chrono::Duration::seconds(31));
    let recovery = codes[3].as_str().unwrap().to_uppercase();
    let proof = who.post("/v1/step_ups", &shown(&recovery)).unwrap().expect(201).unwrap();
    assert_eq!(proof["method"], "recovery_code");
    assert_eq!(who.post("/v1/step_ups", &shown(&recovery)).unwrap().code(), "second_factor_invalid", "used once");
    let gone = json!({"current_password": PASSWORD, "code": codes[4]});
    who.post("/v1/me/second_factor/remove", &gone).unwrap().expect(200).unwrap();
    assert_eq!(who.get("/v1/me/second_factor").unwrap().json()["id"], Value::Null);
    app.stage.settle().unwrap();
    app.stage.mail_to("approver@ombelle.example", "was set up").unwrap();
    app.stage.mail_to("approver@ombelle.example", "was taken away").unwrap();
    app.stage.clock.advance(chrono::Duration::minutes(1));
    assert_eq!(app.count("SELECT count(*) FROM idempotency_key WHERE body LIKE '%otpauth%'"), 0, "no secret is kept");
}

#[test]
fn a_lost_factor_goes_after_two_administrators_and_a_day_unless_its_owner_objects() {
    let app = TestApp::start();
    let mut cast = app.mutual();
    app.insert_person("second@ombelle.example", PASSWORD, &[Role::Administrator]);
    let second = app.stage.sign_in("second@ombelle.example").unwrap();
    let first = cast.staff.administrator.clone();
    let approver = cast.staff.approver.person_id.clone().unwrap();
    let ask = |by: &Client| {
        let body = json!({"id": by.new_id(), "reason": "Phone in the canal; came in person"});
        by.post(&format!("/v1/people/{approver}/second_factor_resets"), &body).unwrap()
    };
    assert_eq!(ask(&first).code(), "second_factor_missing");
    app.stage.prove(&cast.staff.approver, "approve_batch", &"0".repeat(64)).unwrap();
    let asked = ask(&first).expect(201).unwrap();
    assert_eq!(ask(&second).status, 409, "one at a time");
    let turn = |by: &Client, verb: &str, seen: &Value| {
        by.change(&format!("/v1/second_factor_resets/{}/{verb}", id(seen)), version(seen), &json!({})).unwrap()
    };
    assert_eq!(turn(&first, "agree", &asked).code(), "self_approval_forbidden");
    assert_eq!(turn(&second, "carry_out", &asked).code(), "state_conflict");
    let agreed = turn(&second, "agree", &asked).expect(200).unwrap();
    assert_eq!(turn(&second, "carry_out", &agreed).code(), "factor_reset_waits");
    app.stage.settle().unwrap();
    app.stage.mail_to("approver@ombelle.example", "will be taken away").unwrap();
    assert_eq!(cast.staff.approver.post("/v1/me/second_factor/object", &json!({})).unwrap().json()["done"], true);
    // The second time nobody objects.
    let asked = ask(&second).expect(201).unwrap();
    let agreed = turn(&first, "agree", &asked).expect(200).unwrap();
    app.stage.days_pass(1).unwrap();
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    let done = turn(&cast.staff.administrator, "carry_out", &agreed).expect(200).unwrap();
    assert_eq!(done["state"], "done");
    assert_eq!(cast.staff.approver.get("/v1/me/second_factor").unwrap().json()["id"], Value::Null);
}

#[test]
fn a_proof_is_for_one_command_on_one_hash_by_one_person() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    approved(&app, &cast, &member, 10_000);
    let batch = sealed(&cast);
    let approver = cast.staff.approver.clone();
    let sha256 = batch["content_sha256"].as_str().unwrap().to_owned();
    let with = |proof: &str| {
        let mut body = approval(&app, &approver, &batch);
        body["second_factor"] = json!(proof);
        command(&approver, &batch, "approve", &body)
    };
    for (proof, why) in [
        (approver.new_id(), "none at all"),
        (app.prove_at_once(&approver, "release_batch", &sha256), "another command"),
        (app.prove_at_once(&approver, "approve_batch", &"1".repeat(64)), "other bytes"),
        (app.prove_at_once(&cast.staff.reviewer, "approve_batch", &sha256), "somebody else's"),
    ] {
        assert_eq!(with(&proof).code(), "second_factor_invalid", "{why}");
    }
    let proof = app.stage.prove(&approver, "approve_batch", &sha256);
    assert!(proof.is_err(), "an authenticator that the program did not make is not known");
    let standing = with(&app.prove_at_once(&approver, "approve_batch", &sha256)).expect(200).unwrap();
    assert_eq!(standing["state"], "approved");
    let used = app.count("SELECT count(*) FROM step_up WHERE used_at IS NOT NULL");
    assert_eq!(used, 1, "what was refused used nothing");
    release(&app, &approver, &standing).expect(200).unwrap();
}

#[test]
fn a_preview_says_what_is_new_and_what_is_different() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    fund(&app, &mut cast, &member, 100_000);
    fund(&app, &mut cast, &other, 100_000);
    let first = approved(&app, &cast, &member, 10_000);
    let batch = sealed(&cast);
    let preview = |batch: &Value| {
        let path = format!("/v1/payout_batches/{}/preview", id(batch));
        cast.staff.approver.get(&path).unwrap().expect(200).unwrap()
    };
    let seen = preview(&batch);
    assert_eq!((&seen["payout_count"], &seen["total"], &seen["compared"]), (&json!(1), &eur(10_000), &Value::Null));
    assert_eq!(seen["new_payees"][0]["payout_id"], first["id"]);
    let held = seen["accounts"][0]["held"]["amount_minor"].as_i64().unwrap();
    assert_eq!(seen["accounts"][0]["after"], eur(held - 10_000));
    let seen_by = command(&cast.staff.approver, &batch, "approve", &approval(&app, &cast.staff.approver, &batch));
    release(&app, &cast.staff.approver, &seen_by.expect(200).unwrap()).expect(200).unwrap();
    // Awa's bank account was replaced since her last payout.
    let person = member.client.person_id.as_deref().unwrap();
    for sql in [
        // As if it had been asked for, told and waited for.
        "ALTER TABLE payee_account DISABLE TRIGGER USER".to_owned(),
        format!("UPDATE payee_account SET superseded_at = now() WHERE person_id = '{person}'"),
        format!(
            "INSERT INTO payee_account (id, person_id, holder, iban_sealed, iban_index, iban_country, iban_last4, verified_at, verified_by) \
             SELECT gen_random_uuid(), person_id, holder, iban_sealed, sha256('another'), iban_country, '0000', verified_at, verified_by \
             FROM payee_account WHERE person_id = '{person}'"
        ),
        "ALTER TABLE payee_account ENABLE TRIGGER USER".to_owned(),
    ] {
        diesel::RunQueryDsl::execute(diesel::sql_query(sql), &mut app.database.owner()).unwrap();
    }
    for (who, cents) in [(&member, 12_000), (&other, 7_000), (&other, 500)] {
        approved(&app, &cast, who, cents);
    }
    let batch = built(&cast);
    let seen = preview(&batch);
    let difference = &seen["compared"];
    assert_eq!(difference["payout_count_difference"], 2);
    assert_eq!(difference["total_difference"], eur(9_500));
    assert_eq!((&difference["payees_added"], &difference["payees_gone"]), (&json!(1), &json!(0)));
    assert_eq!(seen["accounts"][0]["on_the_way"], eur(10_000));
    assert_eq!(seen["accounts"][0]["after"], eur(held - 29_500));
    let top: Vec<i64> =
        seen["top"].as_array().unwrap().iter().map(|it| it["amount"]["amount_minor"].as_i64().unwrap()).collect();
    assert_eq!(top, [12_000, 7_000, 500]);
    let changed = seen["changed_payees"].as_array().unwrap();
    assert_eq!((changed.len(), changed[0]["iban_last4"].as_str()), (1, Some("0000")));
}

#[test]
fn a_batch_takes_what_is_asked_for_and_a_dry_run_takes_nothing() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    fund(&app, &mut cast, &member, 100_000);
    fund(&app, &mut cast, &other, 100_000);
    approved(&app, &cast, &member, 1_000);
    let early = app.stage.today();
    app.stage.days_pass(1).unwrap();
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    let again = |of: MemberCast| MemberCast { client: app.stage.sign_in(&of.email).unwrap(), ..of };
    let (member, other) = (again(member), again(other));
    approved(&app, &cast, &member, 2_000);
    approved(&app, &cast, &other, 4_000);
    let reviewer = &cast.staff.reviewer;
    let ask = |path: &str, filter: Value| {
        let mut body = json!({"id": reviewer.new_id(), "entity_id": cast.entity_id});
        body.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        reviewer.post(path, &body).unwrap()
    };
    let rehearsed = ask("/v1/payout_batches?dry_run=true", json!({})).expect(201).unwrap();
    assert_eq!(rehearsed["items_total"], eur(7_000));
    assert_eq!(app.count("SELECT count(*) FROM payout_batch"), 0);
    assert_eq!(ask("/v1/payout_batches", json!({"scheme": "salary"})).code(), "batch_empty");
    let old = ask("/v1/payout_batches", json!({"up_to": early})).expect(201).unwrap();
    assert_eq!(old["items_total"], eur(1_000));
    let hers = ask("/v1/payout_batches", json!({"member_id": other.client.person_id})).expect(201).unwrap();
    assert_eq!(hers["items_total"], eur(4_000));
    assert_eq!(ask("/v1/payout_batches", json!({})).expect(201).unwrap()["items_total"], eur(2_000));
    let dissolved = command(reviewer, &hers, "dissolve", &json!({})).expect(200).unwrap();
    assert_eq!(dissolved["items"], json!([]), "what was in it is approved again");
    assert_eq!(app.count("SELECT count(*) FROM payout WHERE state = 'approved'"), 1);
}

#[test]
fn more_money_needs_more_people_and_fewer_people_need_two_to_agree() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 500_000);
    let pia = app.stage.hire(&cast.staff.administrator, "pia@ombelle.example", "Pia Payer", "payout_approver").unwrap();
    app.insert_person("second@ombelle.example", PASSWORD, &[Role::Administrator]);
    let colleague = app.stage.sign_in("second@ombelle.example").unwrap();
    let administrator = cast.staff.administrator.clone();
    let place = format!("/v1/entities/{}/approval_amounts", cast.entity_id);
    let decide = |from: i64, approvers: i64, on: chrono::NaiveDate| {
        let body =
            json!({"id": administrator.new_id(), "from_amount": eur(from), "approvers": approvers, "valid_from": on});
        administrator.post(&place, &body).unwrap()
    };
    let today = app.stage.today();
    for (from, approvers, on, field) in [
        (-1, 2, today, "/from_amount/amount_minor"),
        (0, 0, today, "/approvers"),
        (0, 6, today, "/approvers"),
        (0, 2, today - chrono::Days::new(1), "/valid_from"),
    ] {
        let refused = decide(from, approvers, on);
        assert_eq!((refused.status, refused.json()["errors"][0]["pointer"].as_str()), (422, Some(field)));
    }
    assert_eq!(app.count("SELECT count(*) FROM approval_amount"), 0);
    decide(10_000, 2, today).expect(201).unwrap();
    // Below the threshold one is enough; from it on two are needed, each somebody else.
    approved(&app, &cast, &member, 9_999);
    let small = sealed(&cast);
    assert_eq!(small["approvals_needed"], 1);
    approved(&app, &cast, &member, 10_000);
    let large = sealed(&cast);
    assert_eq!(large["approvals_needed"], 2);
    let paul = cast.staff.approver.clone();
    let once = command(&paul, &large, "approve", &approval(&app, &paul, &large)).expect(200).unwrap();
    assert_eq!(once["state"], "sealed");
    assert_eq!(release(&app, &paul, &once).code(), "approval_missing");
    assert_eq!(command(&paul, &once, "approve", &approval(&app, &paul, &once)).code(), "approval_given");
    // Asking for fewer waits for somebody else.
    let fewer = decide(10_000, 1, today).expect(201).unwrap();
    assert_eq!((&fewer["loosens"], &fewer["in_force"]), (&json!(true), &json!(false)));
    let agree = |by: &Client| by.change(&format!("/v1/approval_amounts/{}/agree", id(&fewer)), 1, &json!({})).unwrap();
    assert_eq!(agree(&administrator).code(), "self_approval_forbidden");
    let twice = command(&pia, &once, "approve", &approval(&app, &pia, &once)).expect(200).unwrap();
    assert_eq!((&twice["state"], twice["approvals"].as_array().unwrap().len()), (&json!("approved"), 2));
    // More people for everything, decided meanwhile, count at the release.
    decide(0, 3, today).expect(201).unwrap();
    assert_eq!(release(&app, &pia, &twice).code(), "approval_expired");
    let seen = agree(&colleague).expect(200).unwrap();
    assert_eq!(seen["in_force"], true);
    assert_eq!(agree(&colleague).status, 412);
}

#[test]
fn an_approval_grows_old_is_told_and_given_again() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    let administrator = cast.staff.administrator.clone();
    let policy =
        json!({"id": administrator.new_id(), "valid_from": app.stage.today(), "approval_days": 3, "silent_days": 3});
    let place = format!("/v1/entities/{}/batch_policies", cast.entity_id);
    administrator.post(&place, &policy).unwrap().expect(201).unwrap();
    approved(&app, &cast, &member, 10_000);
    let batch = sealed(&cast);
    let paul = cast.staff.approver.clone();
    let seen = command(&paul, &batch, "approve", &approval(&app, &paul, &batch)).expect(200).unwrap();
    app.stage.days_pass(3).unwrap();
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    app.stage.mail_to("reviewer@ombelle.example", "must be approved again").unwrap();
    app.stage.days_pass(0).unwrap();
    assert_eq!(app.count("SELECT count(*) FROM email_message WHERE recipient = 'reviewer@ombelle.example' AND subject LIKE '%approved again%'"), 1);
    let paul = cast.staff.approver.clone();
    let path = format!("/v1/payout_batches/{}", id(&seen));
    let seen = paul.get(&path).unwrap().expect(200).unwrap();
    assert_eq!(seen["approvals"][0]["counts"], false);
    assert_eq!(release(&app, &paul, &seen).code(), "approval_expired");
    let again = command(&paul, &seen, "approve", &approval(&app, &paul, &seen)).expect(200).unwrap();
    release(&app, &paul, &again).expect(200).unwrap();
}

#[test]
fn what_is_released_is_what_was_sealed_by_people_who_touched_none_of_it() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    approved(&app, &cast, &member, 10_000);
    let batch = sealed(&cast);
    let paul = cast.staff.approver.clone();
    let person = member.client.person_id.clone().unwrap();
    let run = |sql: &str| {
        diesel::RunQueryDsl::execute(diesel::sql_query(sql), &mut app.database.owner()).unwrap();
    };
    // Who last verified where she is paid does not approve, whatever else they may do.
    let verify = |by: &str| run(&format!("UPDATE payee_account SET verified_by = '{by}' WHERE person_id = '{person}'"));
    verify(paul.person_id.as_deref().unwrap());
    let refused = command(&paul, &batch, "approve", &approval(&app, &paul, &batch));
    assert_eq!(refused.code(), "self_approval_forbidden");
    verify(cast.staff.reviewer.person_id.as_deref().unwrap());
    let seen = command(&paul, &batch, "approve", &approval(&app, &paul, &batch)).expect(200).unwrap();
    // She moves house between the approval and the release: the file is no longer what the rows say.
    run(&format!("UPDATE member SET street = 'Rue Neuve' WHERE id = '{person}'"));
    assert_eq!(release(&app, &paul, &seen).code(), "batch_changed");
    run(&format!("UPDATE member SET street = 'Avenue des Arts' WHERE id = '{person}'"));
    let seen = paul.get(&format!("/v1/payout_batches/{}", id(&seen))).unwrap().json();
    release(&app, &paul, &seen).expect(200).unwrap();
    assert_eq!(app.count("SELECT count(*) FROM journal_entry WHERE event = 'payout_released'"), 1);
}
