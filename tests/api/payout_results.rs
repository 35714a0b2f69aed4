//! A bank that takes, refuses, returns, repeats itself, answers late or not at all: nothing is sent twice, and nobody's money
//! is lost between.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use umbel::demo::{Cast, MemberCast};
use umbel::kernel::money::Minor;

use super::batches::{approved, built, fund};
use super::support::{ADMIN, TestApp};

/// A batch of everything that is approved, on its way.
pub fn sent(app: &TestApp, cast: &Cast) -> Value {
    let batch = built(cast);
    let path = format!("/v1/payout_batches/{}/seal", batch["id"].as_str().unwrap());
    let sealed = cast.staff.reviewer.change(&path, batch["version"].as_i64().unwrap(), &json!({})).unwrap();
    app.stage.release(&cast.staff.approver, &sealed.expect(200).unwrap()).unwrap()
}

pub fn message_of(cast: &Cast, batch: &Value) -> String {
    let path = format!("/v1/payout_batches/{}/file", batch["id"].as_str().unwrap());
    let file = cast.staff.reviewer.get(&path).unwrap();
    assert_eq!(file.status, 200);
    let text = String::from_utf8(file.body).unwrap();
    text.split("<MsgId>").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

/// A pain.002 as banks write it.
pub fn report(name: &str, message: &str, status: &str, said: &[(&str, &str, &str)]) -> String {
    let line = |(id, status, code): &(&str, &str, &str)| {
        let reason = if code.is_empty() {
            String::new()
        } else {
            format!("<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn><AddtlInf>as the bank says</AddtlInf></StsRsnInf>")
        };
        format!("<TxInfAndSts><OrgnlEndToEndId>{id}</OrgnlEndToEndId><TxSts>{status}</TxSts>{reason}</TxInfAndSts>")
    };
    let lines: String = said.iter().map(line).collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt><GrpHdr><MsgId>{name}</MsgId><CreDtTm>2026-05-04T12:00:00Z</CreDtTm></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>{status}</GrpSts></OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>{message}</OrgnlPmtInfId>{lines}</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"#
    )
}

fn import(cast: &Cast, report: &str) -> Value {
    let answer = cast.staff.reviewer.upload("/v1/payment_reports", "application/xml", report.as_bytes()).unwrap();
    answer.expect(201).unwrap()
}

pub fn payout(cast: &Cast, of: &Value) -> Value {
    cast.staff.reviewer.get(&format!("/v1/payouts/{}", of["id"].as_str().unwrap())).unwrap().expect(200).unwrap()
}

fn desk(cast: &Cast, query: &str) -> Vec<Value> {
    let page = cast.staff.reviewer.get(&format!("/v1/payout_desk{query}")).unwrap().expect(200).unwrap();
    page["data"].as_array().unwrap().clone()
}

pub fn propose(cast: &Cast, of: &Value, kind: &str) -> umbel::demo::Answer {
    let reviewer = &cast.staff.reviewer;
    let body =
        json!({"id": reviewer.new_id(), "kind": kind, "evidence": "Rang the bank at 10:15, Mrs Peeters read the log"});
    reviewer.post(&format!("/v1/payouts/{}/decisions", of["id"].as_str().unwrap()), &body).unwrap()
}

pub fn agree(cast: &Cast, proposed: &Value) -> Value {
    let path = format!("/v1/payout_decisions/{}/agree", proposed["id"].as_str().unwrap());
    let version = proposed["version"].as_i64().unwrap();
    cast.staff.approver.change(&path, version, &json!({})).unwrap().expect(200).unwrap()
}

pub fn name_of(payout: &Value) -> &str {
    payout["end_to_end_id"].as_str().unwrap()
}

pub fn later(app: &TestApp, cast: &mut Cast, member: &mut MemberCast, days: i64) {
    app.stage.days_pass(days).unwrap();
    app.stage.office_returns(cast, ADMIN).unwrap();
    member.client = app.stage.sign_in(&member.email).unwrap();
}

fn reserved(app: &TestApp, member: &MemberCast) -> i64 {
    app.count(&format!("SELECT reserved_minor FROM activity_balance WHERE activity_id = '{}'", member.activity_id))
}

#[test]
fn what_a_bank_refuses_is_held_told_and_sent_anew_only_by_two_people() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    let (bad, good) = (approved(&app, &cast, &member, 10_000), approved(&app, &cast, &member, 2_000));
    let batch = sent(&app, &cast);
    let message = message_of(&cast, &batch);
    let text = report(
        "R1",
        &message,
        "PART",
        &[(name_of(&bad), "RJCT", "AC04"), (name_of(&good), "ACSC", ""), ("STRANGER", "RJCT", "AC01")],
    );
    let done = import(&cast, &text);
    let effects: Vec<&str> =
        done["lines"].as_array().unwrap().iter().map(|it| it["effect"].as_str().unwrap()).collect();
    assert_eq!(effects, ["rejected", "accepted", "not_ours"]);
    assert_eq!(
        (payout(&cast, &bad)["state"].as_str(), payout(&cast, &good)["state"].as_str()),
        (Some("rejected"), Some("released"))
    );
    assert_eq!(reserved(&app, &member), 10_000, "its money is held");
    // The same file again is the same answer; the same words in another file come too late.
    assert_eq!(import(&cast, &text)["id"], done["id"]);
    let again = import(&cast, &text.replace("R1", "R2"));
    assert_eq!(again["lines"][0]["effect"], "late");
    assert_eq!(app.count("SELECT count(*) FROM journal_entry WHERE event = 'payout_rejected'"), 1);
    app.stage.settle().unwrap();
    app.stage.mail_to(&member.email, "AC04").unwrap();
    // Nothing sends it again by itself.
    let body = json!({"id": cast.staff.reviewer.new_id(), "entity_id": cast.entity_id});
    assert_eq!(cast.staff.reviewer.post("/v1/payout_batches", &body).unwrap().code(), "batch_empty");
    let listed = desk(&cast, "?state=rejected");
    assert_eq!((listed.len(), listed[0]["next_step"].as_str()), (1, Some("decide")));
    assert_eq!(listed[0]["desk_owner_name"], "Rita Review");
    let proposed = propose(&cast, &bad, "resend").expect(201).unwrap();
    assert_eq!(propose(&cast, &bad, "give_back").status, 409, "one at a time");
    assert_eq!(propose(&cast, &good, "resend").code(), "state_conflict", "that one may have arrived");
    assert_eq!(desk(&cast, "")[0]["next_step"], "agree");
    let decided = agree(&cast, &proposed);
    let new = json!({"id": decided["new_payout_id"]});
    let (old, new) = (payout(&cast, &bad), payout(&cast, &new));
    assert_eq!(
        (&old["state"], &new["state"], &new["replaces_id"]),
        (&json!("replaced"), &json!("approved"), &bad["id"])
    );
    assert_ne!(old["end_to_end_id"], new["end_to_end_id"]);
    assert_eq!(desk(&cast, ""), Vec::<Value>::new());
    sent(&app, &cast);
    cast.bank.pays(Minor::new(10_000), name_of(&new), app.stage.today());
    cast.bank.pays(Minor::new(2_000), name_of(&good), app.stage.today());
    app.stage.import(&mut cast).unwrap();
    assert_eq!(app.count("SELECT count(*) FROM payout WHERE state = 'settled'"), 2);
    assert_eq!(reserved(&app, &member), 0);
}

#[test]
fn a_file_that_is_refused_as_a_whole_refuses_every_payout_and_the_money_can_go_back() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    let all: Vec<Value> = [1_000, 2_000, 3_000].iter().map(|cents| approved(&app, &cast, &member, *cents)).collect();
    let batch = sent(&app, &cast);
    let before = app
        .count(&format!("SELECT available_minor FROM activity_balance WHERE activity_id = '{}'", member.activity_id));
    import(&cast, &report("R1", &message_of(&cast, &batch), "RJCT", &[]));
    assert_eq!(app.count("SELECT count(*) FROM payout WHERE state = 'rejected'"), 3);
    for payout in &all {
        let proposed = propose(&cast, payout, "give_back").expect(201).unwrap();
        agree(&cast, &proposed);
    }
    let after = app
        .count(&format!("SELECT available_minor FROM activity_balance WHERE activity_id = '{}'", member.activity_id));
    assert_eq!((after - before, reserved(&app, &member)), (6_000, 0));
    app.stage.settle().unwrap();
    app.stage.mail_to(&member.email, "nouveau disponibles").unwrap();
    for broken in ["<Document/>", "no xml", "<!DOCTYPE d [<!ENTITY a 'b'>]><Document/>"] {
        let answer = cast.staff.reviewer.upload("/v1/payment_reports", "application/xml", broken.as_bytes()).unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (422, "bank_report_unreadable"), "{broken}");
    }
}

#[test]
fn a_bank_that_says_nothing_is_asked_by_a_person_and_never_again_by_the_program() {
    let app = TestApp::start();
    let (mut cast, mut member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    let slow = approved(&app, &cast, &member, 1_000);
    let seen_elsewhere = approved(&app, &cast, &member, 2_000);
    let lost = approved(&app, &cast, &member, 4_000);
    sent(&app, &cast);
    later(&app, &mut cast, &mut member, 3);
    assert_eq!(desk(&cast, "").len(), 0, "three working days are not over");
    later(&app, &mut cast, &mut member, 4);
    let listed = desk(&cast, "?state=unknown");
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|it| it["next_step"] == "ask_bank"), "{listed:?}");
    // The member is told, once for each, that nobody knows and that nothing is sent again by itself.
    let told = || {
        let mails = app.stage.mails.messages();
        let texts =
            mails.iter().filter(|mail| mail.to.contains(&member.email)).map(|mail| umbel::demo::text_of(&mail.raw));
        texts.filter(|text| text.contains("rien n'est renvoyé automatiquement")).count()
    };
    assert_eq!(told(), 3);
    app.stage.settle().unwrap();
    assert_eq!(told(), 3);
    let body = json!({"id": cast.staff.reviewer.new_id(), "entity_id": cast.entity_id});
    assert_eq!(
        cast.staff.reviewer.post("/v1/payout_batches", &body).unwrap().code(),
        "batch_empty",
        "nothing is resent"
    );
    // Given to a colleague, not to a stranger.
    let assign = |to: &str| {
        let found = payout(&cast, &slow);
        let path = format!("/v1/payouts/{}/assign", slow["id"].as_str().unwrap());
        cast.staff.reviewer.change(&path, found["version"].as_i64().unwrap(), &json!({"person_id": to})).unwrap()
    };
    assert_eq!(assign(member.client.person_id.as_deref().unwrap()).status, 422);
    let approver = cast.staff.approver.person_id.clone().unwrap();
    assign(&approver).expect(200).unwrap();
    assert_eq!(desk(&cast, &format!("?owner_id={approver}")).len(), 1);
    // One is seen on the member's own statement; it stays on its way until our bank shows it.
    let proposed = propose(&cast, &seen_elsewhere, "confirm").expect(201).unwrap();
    agree(&cast, &proposed);
    assert_eq!(payout(&cast, &seen_elsewhere)["state"], "confirmed");
    // One never left, by the bank's own log: a new one takes its place.
    let proposed = propose(&cast, &lost, "resend").expect(201).unwrap();
    let new = payout(&cast, &json!({"id": agree(&cast, &proposed)["new_payout_id"]}));
    sent(&app, &cast);
    for (cents, id) in [(1_000, name_of(&slow)), (2_000, name_of(&seen_elsewhere)), (4_000, name_of(&new))] {
        cast.bank.pays(Minor::new(cents), id, app.stage.today());
    }
    // The bank was wrong about the lost one, too: that is money nobody explains, and a person looks.
    cast.bank.pays(Minor::new(4_000), name_of(&lost), app.stage.today());
    app.stage.import(&mut cast).unwrap();
    assert_eq!(app.count("SELECT count(*) FROM payout WHERE state = 'settled'"), 3);
    assert_eq!(app.count("SELECT count(*) FROM bank_line WHERE state = 'suspense' AND amount_minor = -4000"), 1);
    assert_eq!(desk(&cast, "").len(), 0);
    assert_eq!(reserved(&app, &member), 0);
}

/// What a bank may do with one transfer.
const HABITS: [&str; 6] = ["takes", "late", "silent", "double", "rejects", "returns"];

#[test]
fn a_bank_of_every_habit_finds_each_end_to_end_id_in_one_file_and_loses_no_cent() {
    let app = TestApp::start();
    let (mut cast, mut member) = app.with_member();
    fund(&app, &mut cast, &member, 1_000_000);
    let mut habits: BTreeMap<String, (&str, i64)> = BTreeMap::new();
    for round in 0..4_i64 {
        let mut said: Vec<(String, &str, i64)> = Vec::new();
        for n in 0..HABITS.len() {
            let cents = 1_000 + round * 100 + i64::try_from(n).unwrap();
            let made = approved(&app, &cast, &member, cents);
            let habit = HABITS[(n * 5 + usize::try_from(round).unwrap()) % HABITS.len()];
            habits.insert(name_of(&made).to_owned(), (habit, cents));
            said.push((name_of(&made).to_owned(), habit, cents));
        }
        let batch = sent(&app, &cast);
        let refused: Vec<(&str, &str, &str)> =
            said.iter().filter(|it| it.1 == "rejects").map(|it| (it.0.as_str(), "RJCT", "AC04")).collect();
        let text = report(&format!("R{round}"), &message_of(&cast, &batch), "PART", &refused);
        import(&cast, &text);
        let today = app.stage.today();
        for (name, habit, cents) in &said {
            match *habit {
                "takes" => cast.bank.pays(Minor::new(*cents), name, today),
                "double" => {
                    cast.bank.pays(Minor::new(*cents), name, today);
                    cast.bank.pays(Minor::new(*cents), name, today);
                }
                "returns" => {
                    cast.bank.pays(Minor::new(*cents), name, today);
                    cast.bank.returns(Minor::new(*cents), name, "AC04", today);
                }
                _ => {}
            }
        }
        app.stage.import(&mut cast).unwrap();
        later(&app, &mut cast, &mut member, 7);
        for (name, habit, cents) in &said {
            if *habit == "late" {
                cast.bank.pays(Minor::new(*cents), name, app.stage.today());
            }
        }
        app.stage.import(&mut cast).unwrap();
    }
    let ends = |state: &str| app.count(&format!("SELECT count(*) FROM payout WHERE state = '{state}'"));
    assert_eq!((ends("settled"), ends("unknown"), ends("rejected"), ends("returned")), (12, 4, 4, 4));
    assert_eq!(
        app.count("SELECT count(*) FROM bank_line WHERE state = 'suspense' AND amount_minor < 0"),
        4,
        "the second of each double"
    );
    assert_eq!(app.count("SELECT count(*) FROM payout WHERE replaces_id IS NOT NULL"), 0, "nothing was resent");
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let batches = cast.staff.reviewer.get("/v1/payout_batches?state=released").unwrap().expect(200).unwrap();
    for batch in batches["data"].as_array().unwrap() {
        let file =
            cast.staff.reviewer.get(&format!("/v1/payout_batches/{}/file", batch["id"].as_str().unwrap())).unwrap();
        let text = String::from_utf8(file.body).unwrap();
        for part in text.split("<EndToEndId>").skip(1) {
            *found.entry(part.split('<').next().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert_eq!(found.len(), habits.len());
    assert!(found.iter().all(|(name, times)| *times == 1 && habits.contains_key(name)), "{found:?}");
    assert_eq!(desk(&cast, "?limit=200").len(), 12);
    let returned = desk(&cast, "?state=returned");
    let path = format!("/v1/payouts/{}/close", returned[0]["id"].as_str().unwrap());
    cast.staff
        .reviewer
        .change(&path, returned[0]["version"].as_i64().unwrap(), &json!({}))
        .unwrap()
        .expect(200)
        .unwrap();
    assert_eq!(desk(&cast, "?limit=200").len(), 11);
}
