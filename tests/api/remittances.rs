//! Taxes and contributions through the door: where offices are paid, what is due, files of their own, and what banks make of
//! them.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast};
use umbel::kernel::money::Minor;

use super::levies::{minor, money};
use super::payout_results;
use super::support::TestApp;
use super::true_ups::paid_wage;
use super::world::text;

const OFFICE: &str = "BE71096123456769";

fn propose(app: &TestApp, cast: &Cast, account: &str, name: &str) -> Answer {
    let accountant = &cast.staff.accountant;
    let body = json!({"id": accountant.new_id(), "account": account, "name": name, "street": "Victor Hortaplein 11", "postcode": "1060",
                      "town": "Brussels", "country": "BE", "iban": OFFICE, "valid_from": app.stage.today(), "reason": "Letter of the office"});
    accountant.post(&format!("/v1/entities/{}/payment_authorities", cast.entity_id), &body).unwrap()
}

/// An office that another person confirmed.
pub fn office(app: &TestApp, cast: &Cast, account: &str) -> Value {
    let made = propose(app, cast, account, "Social Security Office").expect(201).unwrap();
    let path = format!("/v1/payment_authorities/{}/confirm", text(&made, "id"));
    cast.staff.administrator.change(&path, 1, &json!({})).unwrap().expect(200).unwrap()
}

fn due(cast: &Cast) -> Vec<Value> {
    let found = cast.staff.accountant.get(&format!("/v1/entities/{}/remittances_due", cast.entity_id)).unwrap();
    found.expect(200).unwrap().as_array().unwrap().clone()
}

pub fn prepare(app: &TestApp, cast: &Cast, account: &str, amount: Option<i64>) -> Answer {
    let reviewer = &cast.staff.reviewer;
    let body = json!({"id": reviewer.new_id(), "entity_id": cast.entity_id, "account": account, "period": app.stage.today(),
                      "amount": amount.map(money), "reference": "+++123/4567/89002+++"});
    reviewer.post("/v1/remittances", &body).unwrap()
}

/// Everything that is prepared, sealed in a batch of its own.
pub fn sealed(cast: &Cast) -> Value {
    let reviewer = &cast.staff.reviewer;
    let body = json!({"id": reviewer.new_id(), "entity_id": cast.entity_id});
    let built = reviewer.post("/v1/remittance_batches", &body).unwrap().expect(201).unwrap();
    let path = format!("/v1/payout_batches/{}/seal", text(&built, "id"));
    reviewer.change(&path, built["version"].as_i64().unwrap(), &json!({})).unwrap().expect(200).unwrap()
}

fn shown(cast: &Cast, remittance: &Value) -> Value {
    cast.staff.accountant.get(&format!("/v1/remittances/{}", text(remittance, "id"))).unwrap().expect(200).unwrap()
}

fn pointers(answer: &Answer) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
}

/// A remittance that nobody sent yet, for the matrix of roles.
pub fn prepared(app: &TestApp, cast: &Cast) -> (String, String) {
    let office = office(app, cast, "social_security_payable");
    let made = prepare(app, cast, "social_security_payable", Some(1)).expect(201).unwrap();
    (text(&office, "id"), text(&made, "id"))
}

const SOCIAL: &str = "social_security_payable";
const TAX: &str = "withholding_payable";
const OWED: &str = "SELECT -coalesce(sum(amount_minor), 0) FROM posting WHERE account IN ('social_security_payable', 'withholding_payable')";

#[test]
fn what_a_wage_owes_goes_to_its_offices_in_a_file_of_its_own() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    paid_wage(&app, &mut cast, &member);
    let months = due(&cast);
    assert_eq!(months.len(), 2, "{months:?}");
    let of = |months: &[Value], account: &str| months.iter().find(|it| it["account"] == account).unwrap().clone();
    let (social, tax) = (minor(&of(&months, SOCIAL), "/left"), minor(&of(&months, TAX), "/left"));
    assert_eq!((social + tax, &of(&months, SOCIAL)["authority_id"]), (app.count(OWED), &Value::Null));
    let refused = prepare(&app, &cast, SOCIAL, None);
    assert_eq!((refused.status, refused.code().as_str()), (409, "payment_authority_missing"));
    // One says where, another confirms; wrong words name their fields.
    let wrong = json!({"id": cast.staff.accountant.new_id(), "account": SOCIAL, "name": "", "town": "", "country": "be", "iban": "BE00",
                       "valid_from": "2020-01-01", "reason": ""});
    let place = format!("/v1/entities/{}/payment_authorities", cast.entity_id);
    let refused = cast.staff.accountant.post(&place, &wrong).unwrap();
    assert_eq!(pointers(&refused), ["/name", "/town", "/country", "/iban", "/valid_from", "/reason"]);
    let made = propose(&app, &cast, SOCIAL, "Rijksdienst für Soziale Zekerheid").expect(201).unwrap();
    assert_eq!(prepare(&app, &cast, SOCIAL, None).code(), "payment_authority_missing", "one person says much");
    let path = format!("/v1/payment_authorities/{}", text(&made, "id"));
    let administrator = &cast.staff.administrator;
    administrator.change(&format!("{path}/confirm"), 1, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(administrator.change(&format!("{path}/refuse"), 2, &json!({})).unwrap().code(), "state_conflict");
    let other = propose(&app, &cast, TAX, "Someone").expect(201).unwrap();
    let other = format!("/v1/payment_authorities/{}/refuse", text(&other, "id"));
    administrator.change(&other, 1, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(prepare(&app, &cast, TAX, None).code(), "payment_authority_missing", "another said no");
    office(&app, &cast, TAX);
    // Never more than is owed, in one piece or in several.
    for (amount, status) in [(0, 422), (-1, 422), (social + 1, 409)] {
        assert_eq!(prepare(&app, &cast, SOCIAL, Some(amount)).status, status, "{amount}");
    }
    let first = prepare(&app, &cast, SOCIAL, Some(social - 100)).expect(201).unwrap();
    let refused = prepare(&app, &cast, SOCIAL, Some(101));
    assert_eq!((refused.status, refused.code().as_str()), (409, "remittance_exceeds_owed"));
    let rest = prepare(&app, &cast, SOCIAL, None).expect(201).unwrap();
    assert_eq!((minor(&rest, "/amount"), minor(&of(&due(&cast), SOCIAL), "/left")), (100, 0));
    let path = format!("/v1/remittances/{}/cancel", text(&rest, "id"));
    cast.staff.reviewer.change(&path, 1, &json!({})).unwrap().expect(200).unwrap();
    let rest = prepare(&app, &cast, SOCIAL, None).expect(201).unwrap();
    let third = prepare(&app, &cast, TAX, None).expect(201).unwrap();
    // Payouts never share their file.
    let body = json!({"id": cast.staff.reviewer.new_id(), "entity_id": cast.entity_id});
    assert_eq!(cast.staff.reviewer.post("/v1/payout_batches", &body).unwrap().code(), "batch_empty");
    let batch = sealed(&cast);
    assert_eq!((batch["payout_count"].as_i64(), minor(&batch, "/total")), (Some(3), social + tax));
    assert_eq!((batch["remittances"].as_array().unwrap().len(), batch["items"].as_array().unwrap().len()), (3, 0));
    let preview = cast.staff.approver.get(&format!("/v1/payout_batches/{}/preview", text(&batch, "id"))).unwrap();
    let preview = preview.expect(200).unwrap();
    assert_eq!((preview["payout_count"].as_i64(), minor(&preview, "/total")), (Some(3), social + tax));
    app.stage.release(&cast.staff.approver, &batch).unwrap();
    assert_eq!(app.count(OWED), 0, "on its way");
    assert_eq!(
        app.count("SELECT -sum(amount_minor) FROM posting WHERE account = 'remittances_in_transit'"),
        social + tax
    );
    let file = cast.staff.reviewer.get(&format!("/v1/payout_batches/{}/file", text(&batch, "id"))).unwrap();
    let xml = String::from_utf8(file.body).unwrap();
    assert_eq!(xml.matches("<CdtTrfTxInf>").count(), 3);
    assert_eq!(xml.matches(OFFICE).count(), 3);
    assert!(xml.contains("<Nm>Rijksdienst fur Soziale Zekerheid</Nm>"), "{xml}");
    let flat: String = xml.split_whitespace().collect();
    assert!(flat.contains("<Cd>SCOR</Cd></CdOrPrtry><Issr>BBA</Issr></Tp><Ref>123456789002</Ref>"), "{xml}");
    // The bank shows each by its own name.
    for made in [&first, &rest, &third] {
        let amount = Minor::new(minor(made, "/amount"));
        cast.bank.pays(amount, made["end_to_end_id"].as_str().unwrap(), app.stage.today());
    }
    app.stage.import(&mut cast).unwrap();
    for made in [&first, &rest, &third] {
        assert_eq!(shown(&cast, made)["state"], "settled");
    }
    assert_eq!(due(&cast), Vec::<Value>::new());
    // One comes back: it is owed again, and another one may be prepared.
    cast.bank.returns(Minor::new(100), rest["end_to_end_id"].as_str().unwrap(), "AC01", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    assert_eq!(shown(&cast, &rest)["state"], "returned");
    assert_eq!((minor(&of(&due(&cast), SOCIAL), "/left"), app.count(OWED)), (100, 100));
    prepare(&app, &cast, SOCIAL, None).expect(201).unwrap();
    insta::assert_snapshot!(super::collectives::postings(&app));
}

#[test]
fn an_office_that_a_bank_refuses_or_does_not_speak_of_is_owed_until_two_people_say_otherwise() {
    let app = TestApp::start();
    let (mut cast, mut member) = app.with_member();
    paid_wage(&app, &mut cast, &member);
    let owed = app.count(OWED);
    office(&app, &cast, SOCIAL);
    office(&app, &cast, TAX);
    let (bad, silent) =
        (prepare(&app, &cast, SOCIAL, None).expect(201).unwrap(), prepare(&app, &cast, TAX, None).expect(201).unwrap());
    let batch = sealed(&cast);
    app.stage.release(&cast.staff.approver, &batch).unwrap();
    let message = payout_results::message_of(&cast, &batch);
    let said = [(bad["end_to_end_id"].as_str().unwrap(), "RJCT", "AC04"), ("STRANGER", "RJCT", "AC01")];
    let report = payout_results::report("R1", &message, "PART", &said);
    let upload = |report: &str| {
        let answer = cast.staff.reviewer.upload("/v1/payment_reports", "application/xml", report.as_bytes());
        answer.unwrap().expect(201).unwrap()
    };
    let done = upload(&report);
    assert_eq!(
        (done["lines"][0]["effect"].as_str(), done["lines"][1]["effect"].as_str()),
        (Some("rejected"), Some("not_ours"))
    );
    assert_eq!(done["lines"][0]["remittance_id"], bad["id"]);
    assert_eq!(shown(&cast, &bad)["state"], "rejected");
    assert_eq!(upload(&report.replace("R1", "R2"))["lines"][0]["effect"], "late");
    assert_eq!(app.count(OWED), minor(&bad, "/amount"), "owed again, once");
    payout_results::later(&app, &mut cast, &mut member, 12);
    app.stage.settle().unwrap();
    let found = shown(&cast, &silent);
    assert_eq!(found["state"], "unknown");
    let path = format!("/v1/remittances/{}", text(&silent, "id"));
    let version = |answer: &Value| answer["version"].as_i64().unwrap();
    let reviewer = &cast.staff.reviewer;
    assert_eq!(
        reviewer.change(&format!("{path}/agree"), version(&found), &json!({})).unwrap().code(),
        "state_conflict"
    );
    let empty = reviewer.change(&format!("{path}/give_up"), version(&found), &json!({"evidence": ""})).unwrap();
    assert_eq!(pointers(&empty), ["/evidence"]);
    let body = json!({"evidence": "Rang the bank at 10:15"});
    let proposed = reviewer.change(&format!("{path}/give_up"), version(&found), &body).unwrap().expect(200).unwrap();
    let own = reviewer.change(&format!("{path}/agree"), version(&proposed), &json!({})).unwrap();
    assert_eq!((own.status, own.code().as_str()), (403, "self_approval_forbidden"));
    let agreed = cast.staff.accountant.change(&format!("{path}/agree"), version(&proposed), &json!({})).unwrap();
    assert_eq!(agreed.expect(200).unwrap()["state"], "given_back");
    assert_eq!(app.count(OWED), owed, "all of it is owed as before");
}

#[test]
fn postgresql_refuses_a_remittance_that_must_not_be() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    paid_wage(&app, &mut cast, &member);
    let office = office(&app, &cast, SOCIAL);
    let made = prepare(&app, &cast, SOCIAL, Some(100)).expect(201).unwrap();
    let (id, office) = (text(&made, "id"), text(&office, "id"));
    let left = app.count(OWED);
    let insert = |amount: i64, account: &str| {
        format!(
            "INSERT INTO remittance (id, entity_id, account, period, authority_id, amount_minor, currency, reference, end_to_end_id, prepared_by) \
                 SELECT gen_random_uuid(), entity_id, '{account}', period, '{office}', {amount}, currency, 'x', 'R' || upper(md5('x')), prepared_by \
                 FROM remittance WHERE id = '{id}'"
        )
    };
    let batch = "(SELECT id FROM payout_batch LIMIT 1)";
    let cases = [
        (insert(left, SOCIAL), "more than is owed"),
        (insert(1, TAX), "nobody confirmed"),
        (format!("UPDATE remittance SET amount_minor = 1 WHERE id = '{id}'"), "never change"),
        (format!("DELETE FROM remittance WHERE id = '{id}'"), "never change"),
        (format!("UPDATE remittance SET state = 'batched', batch_id = {batch} WHERE id = '{id}'"), "cannot be edited"),
        (format!("UPDATE remittance SET state = 'released' WHERE id = '{id}'"), "is released with its batch"),
        (format!("UPDATE payment_authority SET iban = 'BE00000000000000' WHERE id = '{office}'"), "never changes"),
    ];
    for (sql, words) in cases {
        let refused = app.database.owner().batch_execute(&sql).unwrap_err().to_string();
        assert!(refused.contains(words), "{words}: {refused}");
    }
    // Two at once: one of them is too much.
    let half = minor(&due(&cast).iter().find(|it| it["account"] == SOCIAL).unwrap().clone(), "/left");
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| prepare(&app, &cast, SOCIAL, Some(half)).status)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
}

#[test]
fn who_prepared_or_said_where_an_office_is_paid_approves_nothing_of_it() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    paid_wage(&app, &mut cast, &member);
    office(&app, &cast, SOCIAL);
    prepare(&app, &cast, SOCIAL, None).expect(201).unwrap();
    let batch = sealed(&cast);
    // The administrator confirmed the office; as an approver they would stand for their own word.
    let administrator = cast.staff.administrator.person_id.clone().unwrap();
    let counted =
        format!("SELECT count(*) FROM batch_people_apart('{}') p WHERE p = '{administrator}'", text(&batch, "id"));
    assert_eq!(app.count(&counted), 1);
    let around = format!(
        "INSERT INTO batch_approval (batch_id, approver_id, sha256, step_up_id) \
         SELECT id, '{administrator}', sha256, gen_random_uuid() FROM payout_batch WHERE id = '{}'",
        text(&batch, "id")
    );
    let refused = app.database.owner().batch_execute(&around).unwrap_err().to_string();
    assert!(refused.contains("neither seals nor is paid"), "{refused}");
}

#[test]
fn a_line_that_does_not_name_its_remittance_is_matched_by_a_person() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    paid_wage(&app, &mut cast, &member);
    office(&app, &cast, SOCIAL);
    let made = prepare(&app, &cast, SOCIAL, None).expect(201).unwrap();
    let kept = prepare(&app, &cast, SOCIAL, None);
    assert_eq!(kept.code(), "remittance_exceeds_owed");
    let amount = Minor::new(minor(&made, "/amount"));
    cast.bank.pays(amount, "", app.stage.today());
    cast.bank.pays(Minor::new(amount.get() + 1), "", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let lines = cast.staff.reviewer.get("/v1/bank_lines?state=suspense").unwrap().json();
    let line = |cents: i64| lines["data"].as_array().unwrap().iter().find(|it| minor(it, "/amount") == cents).unwrap();
    let body = |id: &str, reason: &str| json!({"remittance_id": id, "reason": reason});
    let matched = |line: &Value, body: &Value| super::bank_in::on_line(&cast, line, "match_remittance", body);
    let out = line(-amount.get());
    let good = body(&text(&made, "id"), "the day and the amount of our file");
    assert_eq!(matched(out, &good).code(), "state_conflict", "it has not left");
    let batch = sealed(&cast);
    app.stage.release(&cast.staff.approver, &batch).unwrap();
    assert_eq!(pointers(&matched(out, &body(&text(&made, "id"), ""))), ["/reason"]);
    assert_eq!(pointers(&matched(out, &body(&text(&made, "id"), &"x".repeat(301)))), ["/reason"]);
    assert_eq!(pointers(&matched(out, &body(&text(&batch, "id"), "x"))), ["/remittance_id"]);
    let other = matched(line(-amount.get() - 1), &good);
    assert_eq!((other.status, other.code().as_str()), (409, "remittance_amount_differs"));
    let done = matched(out, &good).expect(200).unwrap();
    assert_eq!((done["state"].as_str(), done["matched_kind"].as_str()), (Some("matched"), Some("remittance_settled")));
    assert_eq!(shown(&cast, &made)["state"], "settled");
    assert_eq!(matched(&done, &good).code(), "bank_line_already_matched");
    // It comes back without its name.
    cast.bank.receives_unknown(amount, "returned", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let lines = cast.staff.reviewer.get("/v1/bank_lines?state=suspense").unwrap().json();
    let back = lines["data"].as_array().unwrap().iter().find(|it| minor(it, "/amount") == amount.get()).unwrap();
    let back = super::bank_in::on_line(&cast, back, "match_remittance", &good).expect(200).unwrap();
    assert_eq!(back["matched_kind"], "remittance_returned");
    assert_eq!(
        (shown(&cast, &made)["state"].as_str(), minor(&due(&cast)[0], "/left")),
        (Some("returned"), amount.get())
    );
}

#[test]
fn nothing_goes_to_an_account_that_is_no_longer_the_one_of_its_office() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    paid_wage(&app, &mut cast, &member);
    office(&app, &cast, SOCIAL);
    let made = prepare(&app, &cast, SOCIAL, None).expect(201).unwrap();
    let batch = sealed(&cast);
    office(&app, &cast, SOCIAL);
    let refused = app.stage.release(&cast.staff.approver, &batch).unwrap_err().to_string();
    assert!(refused.contains("payment_authority_changed"), "{refused}");
    // PostgreSQL says so too, whoever asks.
    let around = format!(
        "ALTER TABLE payout_batch DISABLE TRIGGER USER; UPDATE payout_batch SET state = 'released', released_by = built_by, released_at = umbel_now(); \
         UPDATE remittance SET state = 'released' WHERE id = '{}'",
        text(&made, "id")
    );
    let refused = app.database.owner().batch_execute(&around).unwrap_err().to_string();
    assert!(refused.contains("paid elsewhere now"), "{refused}");
    // Taken apart, cancelled and prepared anew it goes to the new one.
    let reviewer = &cast.staff.reviewer;
    let place = format!("/v1/payout_batches/{}", text(&batch, "id"));
    let seen = |place: &str| reviewer.get(place).unwrap().json()["version"].as_i64().unwrap();
    for verb in ["unseal", "dissolve"] {
        reviewer.change(&format!("{place}/{verb}"), seen(&place), &json!({})).unwrap().expect(200).unwrap();
    }
    let body = json!({"id": reviewer.new_id(), "entity_id": cast.entity_id});
    assert_eq!(reviewer.post("/v1/remittance_batches", &body).unwrap().code(), "payment_authority_changed");
    let prepared = format!("/v1/remittances/{}", text(&made, "id"));
    reviewer.change(&format!("{prepared}/cancel"), seen(&prepared), &json!({})).unwrap().expect(200).unwrap();
    let anew = prepare(&app, &cast, SOCIAL, None).expect(201).unwrap();
    assert_ne!(anew["authority_id"], made["authority_id"]);
    app.stage.release(&cast.staff.approver, &sealed(&cast)).unwrap();
}
