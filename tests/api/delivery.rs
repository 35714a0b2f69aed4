//! How documents reach their clients: by mail, by the network, by a French platform, by hand.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use chrono::Duration;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::delivery::{AccessPoint, HttpAccessPoint};
use umbel::demo::{Cast, Client, Invoiced, MemberCast};
use umbel::platform::mail::{MailConfig, Mailer};
use umbel::platform::mail_catcher::Script;
use umbel::worker::Worker;

use super::support::TestApp;
use super::world::text;

const PARTICIPANT: &str = "0208:0403019261";

/// The electronic form of an issued document.
fn ubl(client: &Client, invoiced: &Invoiced) -> Vec<u8> {
    let answer = client.get(&format!("/v1/invoices/{}/ubl", invoiced.id)).unwrap();
    assert_eq!(answer.status, 200);
    answer.body
}

pub(super) fn issued(app: &TestApp, cast: &Cast, member: &MemberCast) -> Invoiced {
    let submitted = app.stage.submitted_invoice(member, None, 100_000).unwrap();
    app.stage.issue(&cast.staff.reviewer, &submitted).unwrap()
}

fn deliveries(client: &Client, invoiced: &Invoiced) -> Vec<Value> {
    let list = client.get(&format!("/v1/invoices/{}/deliveries", invoiced.id)).unwrap().expect(200).unwrap();
    list.as_array().unwrap().clone()
}

pub(super) fn by(client: &Client, invoiced: &Invoiced, channel: &str) -> Value {
    let found = deliveries(client, invoiced).into_iter().find(|it| it["channel"] == channel);
    found.unwrap_or_else(|| panic!("no delivery by {channel}"))
}

fn command(client: &Client, delivery: &Value, name: &str, body: &Value) -> umbel::demo::Answer {
    let path = format!("/v1/deliveries/{}/{name}", delivery["id"].as_str().unwrap());
    client.change(&path, delivery["version"].as_i64().unwrap(), body).unwrap()
}

fn states(delivery: &Value) -> Vec<&str> {
    delivery["history"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect()
}

/// The access point answers about a document that went by the network. Answers the id of the delivery.
pub fn with_receipt(app: &TestApp, reviewer: &Client, invoiced: &Invoiced) -> String {
    app.stage.settle().unwrap();
    let id = by(reviewer, invoiced, "peppol")["id"].as_str().unwrap().to_owned();
    let name = format!("0208_0403019261/{}-{id}.receipt.json", invoiced.number);
    std::fs::write(app.drop_folder.path().join(name), r#"{"state": "delivered"}"#).unwrap();
    app.stage.settle().unwrap();
    id
}

#[test]
fn an_invoice_goes_by_mail_and_by_the_folder_of_the_access_point_and_its_answers_come_back() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let invoiced = issued(&app, &cast, &member);
    app.stage.settle().unwrap();

    let mail = by(&member.client, &invoiced, "email");
    assert_eq!((&mail["state"], &mail["participant"]), (&json!("deposited"), &json!(member.client_email)));
    assert_eq!(states(&mail), ["queued", "sending", "deposited"]);
    let raw = app.stage.mails.messages().into_iter().rev().find(|it| it.to.contains(&member.client_email)).unwrap().raw;
    let raw = String::from_utf8_lossy(&raw);
    assert!(raw.contains("application/pdf") && raw.contains("application/xml"), "the PDF and the electronic form");

    let peppol = by(&member.client, &invoiced, "peppol");
    assert_eq!((&peppol["state"], &peppol["attempts"]), (&json!("deposited"), &json!(1)), "{peppol}");
    let id = peppol["id"].as_str().unwrap();
    let folder = app.drop_folder.path().join("0208_0403019261");
    let file = folder.join(format!("{}-{id}.xml", invoiced.number));
    assert_eq!(std::fs::read(&file).unwrap(), ubl(&member.client, &invoiced));
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "nothing half written is left: {left:?}");

    // The other program took it; then the network says what became of it.
    let answer = |ending: &str, text: &str| {
        std::fs::write(folder.join(format!("{}-{id}.{ending}", invoiced.number)), text).unwrap();
    };
    let receipt = r#"{"state": "deposited", "reference": "as4-77"}"#;
    answer("receipt.json", receipt);
    app.stage.settle().unwrap();
    let peppol = by(&member.client, &invoiced, "peppol");
    assert_eq!((&peppol["state"], &peppol["reference"]), (&json!("deposited"), &json!("as4-77")));
    let kept = member.client.get(&format!("/v1/deliveries/{id}/receipt")).unwrap();
    assert_eq!((kept.status, kept.body.as_slice()), (200, receipt.as_bytes()), "the receipt is kept as it came");
    app.stage.settle().unwrap();
    assert_eq!(
        by(&member.client, &invoiced, "peppol")["version"],
        peppol["version"],
        "the same answer says nothing new"
    );
    answer("status.json", "{\"state\": \"deli");
    app.stage.settle().unwrap();
    answer("status.json", r#"{"state": "delivered"}"#);
    app.stage.settle().unwrap();
    assert_eq!(by(&member.client, &invoiced, "peppol")["state"], "delivered");
    answer("status.json", r#"{"state": "refused", "reason": "Order number missing"}"#);
    app.stage.settle().unwrap();
    let refused = by(&member.client, &invoiced, "peppol");
    assert_eq!((&refused["state"], &refused["reason"]), (&json!("refused"), &json!("Order number missing")));
    assert_eq!(
        app.count("SELECT count(*) FROM archived_file WHERE kind = 'delivery_receipt'"),
        3,
        "each receipt is kept"
    );

    // Paid or not is another question, and the member may look but not touch.
    assert_eq!(member.client.get(&format!("/v1/invoices/{}", invoiced.id)).unwrap().json()["settlement"], "open");
    assert_eq!(command(&member.client, &refused, "retry", &json!({})).status, 403);
    let stale = reviewer.change(&format!("/v1/deliveries/{id}/retry"), 1, &json!({})).unwrap();
    assert_eq!(stale.status, 412);
    let queued = command(reviewer, &refused, "retry", &json!({})).expect(200).unwrap();
    assert_eq!((&queued["state"], &queued["reason"]), (&json!("queued"), &Value::Null));
    app.stage.settle().unwrap();
    let again = by(&member.client, &invoiced, "peppol");
    assert_eq!(
        (&again["state"], &again["attempts"]),
        (&json!("deposited"), &json!(2)),
        "the old answer does not count: {again}"
    );
    assert_eq!(std::fs::read(&file).unwrap(), ubl(&member.client, &invoiced));
    assert_eq!(command(reviewer, &again, "retry", &json!({})).code(), "state_conflict");
    assert_eq!(
        command(reviewer, &again, "resolve", &json!({"outcome": "delivered", "reason": "x"})).code(),
        "state_conflict"
    );
}

#[test]
fn without_a_participant_or_an_electronic_form_only_the_mail_goes_and_a_person_can_add_the_rest() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let draft = app.stage.submitted_invoice(&member, None, 5_000).unwrap();
    let place = format!("/v1/invoices/{}/deliveries", draft["id"].as_str().unwrap());
    assert_eq!(member.client.get(&place).unwrap().expect(200).unwrap(), json!([]), "a draft goes nowhere");
    let by_hand = |id: &str, evidence: Value| json!({"id": id, "channel": "by_hand", "participant": "Mme Øster", "evidence_id": evidence});
    let refused = reviewer
        .post(&place, &json!({"id": reviewer.new_id(), "channel": "peppol", "participant": PARTICIPANT}))
        .unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "state_conflict"));

    // A private person has no number by which the network finds anybody.
    let person = json!({
        "id": member.client.new_id(), "name": "Zoë Dvořák", "kind": "consumer", "email": "zoe@client.example", "language": "fr",
        "address": {"street": "Rue Haute", "building_number": "1", "postcode": "1000", "town": "Bruxelles", "country": "BE"},
    });
    member.client.post("/v1/clients", &person).unwrap().expect(201).unwrap();
    let private = MemberCast { client_id: person["id"].as_str().unwrap().to_owned(), ..member.clone() };
    let invoiced = issued(&app, &cast, &private);
    app.stage.settle().unwrap();
    assert_eq!(deliveries(&member.client, &invoiced).len(), 1);
    let place = format!("/v1/invoices/{}/deliveries", invoiced.id);
    let refuse = |body: Value, status: u16, said: &str| {
        let answer = reviewer.post(&place, &body).unwrap();
        let pointer = answer.json()["errors"][0]["pointer"].as_str().map(str::to_owned);
        assert_eq!((answer.status, pointer.unwrap_or_else(|| answer.code())), (status, said.to_owned()), "{body}");
    };
    let id = || reviewer.new_id();
    refuse(json!({"id": id(), "channel": "peppol"}), 422, "/participant");
    refuse(json!({"id": id(), "channel": "peppol", "participant": "0208:a b"}), 422, "/participant");
    refuse(json!({"id": id(), "channel": "peppol", "participant": PARTICIPANT}), 409, "delivery_without_einvoice");
    refuse(json!({"id": id(), "channel": "email", "participant": "x@y.example"}), 422, "/channel");
    refuse(json!({"id": id(), "channel": "french_platform", "participant": "732829321"}), 422, "/participant");
    refuse(by_hand(&id(), Value::Null), 422, "/evidence_id");
    refuse(by_hand(&id(), json!(id())), 422, "/evidence_id");
    refuse(json!({"id": id(), "channel": "pigeon"}), 422, "/channel");
    assert_eq!(deliveries(&member.client, &invoiced).len(), 1, "nothing was written");

    let pdf = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";
    let paper = reviewer.upload("/v1/evidence", "application/octet-stream", pdf).unwrap().expect(201).unwrap();
    let given = reviewer.post(&place, &by_hand(&id(), paper["id"].clone())).unwrap().expect(201).unwrap();
    assert_eq!((&given["state"], &given["evidence_id"]), (&json!("delivered"), &paper["id"]));
    assert_eq!(command(reviewer, &given, "retry", &json!({})).code(), "delivery_not_sent_here");
    let reached = issued(&app, &cast, &member);
    app.stage.settle().unwrap();
    let added = by(&member.client, &reached, "peppol");
    let again = json!({"id": id(), "channel": "peppol", "participant": PARTICIPANT});
    let again = reviewer.post(&format!("/v1/invoices/{}/deliveries", reached.id), &again).unwrap();
    assert_eq!((again.status, again.code().as_str()), (409, "delivery_exists"));

    let list = cast.staff.accountant.get("/v1/deliveries?channel=peppol&limit=1").unwrap().expect(200).unwrap();
    assert_eq!((&list["data"][0]["id"], &list["page"]["has_more"]), (&added["id"], &json!(false)));
    assert_eq!(reviewer.get("/v1/deliveries?state=lost").unwrap().status, 422);
    assert_eq!(member.client.get("/v1/deliveries").unwrap().status, 403);
}

#[test]
fn a_mail_that_a_server_refuses_says_why_and_is_sent_again_by_a_person() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    app.stage.mails.set_script(Script { reject: Some("@client.example".to_owned()), ..Script::default() });
    let invoiced = issued(&app, &cast, &member);
    app.stage.settle().unwrap();
    let refused = by(&member.client, &invoiced, "email");
    assert_eq!(refused["state"], "refused", "{refused}");
    assert!(refused["reason"].as_str().unwrap().contains("550"), "{refused}");
    app.stage.mails.set_script(Script::default());
    app.stage.settle().unwrap();
    assert_eq!(by(&member.client, &invoiced, "email")["state"], "refused", "not by itself");
    command(reviewer, &refused, "retry", &json!({})).expect(200).unwrap();
    app.stage.settle().unwrap();
    let sent = by(&member.client, &invoiced, "email");
    assert_eq!((&sent["state"], &sent["attempts"], &sent["reason"]), (&json!("deposited"), &json!(2), &Value::Null));
}

#[test]
fn a_credit_note_goes_the_same_ways() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let invoiced = issued(&app, &cast, &member);
    app.stage.settle().unwrap();
    let id = cast.staff.reviewer.new_id();
    let note =
        json!({"id": id, "reason": "Too much", "lines": [{"n": 1, "net": {"amount_minor": 100, "currency": "EUR"}}]});
    let place = format!("/v1/invoices/{}/credit_notes", invoiced.id);
    cast.staff.reviewer.post(&place, &note).unwrap().expect(201).unwrap();
    app.stage.settle().unwrap();
    let list = member.client.get(&format!("/v1/credit_notes/{id}/deliveries")).unwrap().expect(200).unwrap();
    let mut ways: Vec<_> = list.as_array().unwrap().iter().map(|it| (text(it, "channel"), text(it, "state"))).collect();
    ways.sort();
    let deposited = |channel: &str| (channel.to_owned(), "deposited".to_owned());
    assert_eq!(ways, [deposited("email"), deposited("peppol")]);
}

#[test]
fn a_program_that_died_while_sending_asks_and_never_sends_again_by_itself() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let invoiced = issued(&app, &cast, &member);
    app.stage.settle().unwrap();
    // Where the process stood when it was killed: noted as being sent, and nothing more.
    std::fs::remove_dir_all(app.drop_folder.path().join("0208_0403019261")).unwrap();
    app.database
        .owner()
        .batch_execute(
            "ALTER TABLE delivery DISABLE TRIGGER USER; \
         UPDATE delivery SET state = 'sending', answered_at = NULL, reference = NULL WHERE channel = 'peppol'; \
         ALTER TABLE delivery ENABLE TRIGGER USER; \
         UPDATE outbox SET state = 'pending', done_at = NULL WHERE topic = 'deliver'",
        )
        .unwrap();
    app.stage.settle().unwrap();
    let unknown = by(reviewer, &invoiced, "peppol");
    assert_eq!(unknown["state"], "unknown", "{unknown}");
    assert!(!app.drop_folder.path().join("0208_0403019261").exists(), "nothing was sent");
    let office = reviewer.get("/v1/deliveries?state=unknown").unwrap().expect(200).unwrap();
    assert_eq!(office["data"][0]["id"], unknown["id"], "a person sees it");
    app.stage.days_pass(1).unwrap();
    let reviewer = app.stage.sign_in("reviewer@ombelle.example").unwrap();
    let unknown = by(&reviewer, &invoiced, "peppol");
    assert_eq!(unknown["state"], "unknown", "nor is it sent later");
    assert_eq!(command(&reviewer, &unknown, "retry", &json!({})).code(), "delivery_outcome_unknown");
    let vague = command(&reviewer, &unknown, "resolve", &json!({"outcome": "not_sent", "reason": " "}));
    assert_eq!((vague.status, vague.json()["errors"][0]["pointer"].clone()), (422, json!("/reason")));
    let found = json!({"outcome": "not_sent", "reason": "Their log has no such document"});
    let queued = command(&reviewer, &unknown, "resolve", &found).expect(200).unwrap();
    assert_eq!(queued["history"].as_array().unwrap().last().unwrap()["reason"], found["reason"]);
    app.stage.settle().unwrap();
    let sent = by(&reviewer, &invoiced, "peppol");
    assert_eq!((&sent["state"], &sent["attempts"]), (&json!("deposited"), &json!(2)));
}

#[test]
fn a_program_that_died_after_the_file_was_there_finds_it() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let invoiced = issued(&app, &cast, &member);
    app.stage.settle().unwrap();
    app.database.owner().batch_execute(
        "ALTER TABLE delivery DISABLE TRIGGER USER; UPDATE delivery SET state = 'sending' WHERE channel = 'peppol'; ALTER TABLE delivery ENABLE TRIGGER USER; \
         UPDATE outbox SET state = 'pending', done_at = NULL WHERE topic = 'deliver'",
    ).unwrap();
    app.stage.settle().unwrap();
    let found = by(&member.client, &invoiced, "peppol");
    assert_eq!((&found["state"], &found["attempts"]), (&json!("deposited"), &json!(1)));
}

#[test]
fn the_statuses_of_the_french_life_cycle_follow_each_other_and_say_why() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let invoiced = issued(&app, &cast, &member);
    app.stage.settle().unwrap();
    let body = json!({"id": reviewer.new_id(), "channel": "french_platform", "participant": "732829320"});
    let mut it =
        reviewer.post(&format!("/v1/invoices/{}/deliveries", invoiced.id), &body).unwrap().expect(201).unwrap();
    assert_eq!((&it["state"], &it["statuses"][0]["code"]), (&json!("deposited"), &json!("200")));
    let report = |it: &Value, code: &str, reason: Option<&str>| {
        command(reviewer, it, "statuses", &json!({"code": code, "reason": reason}))
    };
    let back = report(&it, "209", None);
    assert_eq!((back.status, back.code().as_str()), (409, "delivery_status_order"));
    assert!(back.json()["params"]["allowed"].as_str().unwrap().contains("203"), "{:?}", back.json());
    it = report(&it, "203", None).expect(200).unwrap();
    assert_eq!(
        (&it["state"], &it["statuses"][1]["meaning"]),
        (&json!("delivered"), &json!("Made available to the buyer."))
    );
    let silent = report(&it, "208", None);
    assert_eq!((silent.status, silent.json()["errors"][0]["pointer"].clone()), (422, json!("/reason")));
    it = report(&it, "208", Some("The time sheet is missing")).expect(200).unwrap();
    let next: Vec<&str> = it["next_codes"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect();
    assert_eq!(next, ["209", "210"]);
    for code in ["209", "205", "211", "212"] {
        it = report(&it, code, None).expect(200).unwrap();
    }
    assert_eq!(it["next_codes"], json!([]));
    assert_eq!(report(&it, "207", Some("x")).code(), "delivery_status_order");
    assert_eq!(report(&it, "214", None).status, 422);
    let french =
        member.client.get(&format!("/v1/deliveries/{}", it["id"].as_str().unwrap())).unwrap().expect(200).unwrap();
    assert_eq!(french["statuses"][6]["meaning"], "Encaissée par le vendeur.", "in the reader's language");
    let mail = by(reviewer, &invoiced, "email");
    assert_eq!(report(&mail, "200", None).code(), "delivery_not_french");
    // Past the program, PostgreSQL holds the same line.
    let forged = format!(
        "INSERT INTO delivery_status (delivery_id, n, member_id, code, reported_by) SELECT id, 8, member_id, '205', requested_by FROM delivery WHERE id = '{}'",
        it["id"].as_str().unwrap()
    );
    assert!(app.database.owner().batch_execute(&forged).unwrap_err().to_string().contains("does not follow"));
}

/// An access point of a few lines: answers what it was told to, and remembers what it was asked.
struct Other {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    says: Arc<Mutex<Vec<Says>>>,
}

/// What it does with one request.
enum Says {
    Status(u16, &'static str),
    /// Reads it all and hangs up.
    Nothing,
    /// Reads it all, and hangs up when it is told to.
    NothingYet(Receiver<()>),
}

impl Other {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let (asked, says) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (log, script) = (Arc::clone(&asked), Arc::clone(&says));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut text = String::new();
                let mut bytes = [0; 4096];
                loop {
                    let n = stream.read(&mut bytes).unwrap();
                    text.push_str(&String::from_utf8_lossy(&bytes[..n]));
                    let lower = text.to_lowercase();
                    let length = lower.split("content-length: ").nth(1).and_then(|it| it.split('\r').next());
                    let length: usize = length.map_or(0, |it| it.parse().unwrap());
                    if n == 0 || text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length) {
                        break;
                    }
                }
                log.lock().unwrap().push(text);
                let next = {
                    let mut script = script.lock().unwrap();
                    if script.is_empty() { Says::Status(404, "{}") } else { script.remove(0) }
                };
                match next {
                    Says::Nothing => {}
                    Says::NothingYet(told) => told.recv().unwrap(),
                    Says::Status(status, body) => {
                        let answer = format!(
                            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                            body.len()
                        );
                        let _gone = stream.write_all(answer.as_bytes());
                    }
                }
            }
        });
        Self { url, asked, says }
    }

    fn will(&self, says: Says) {
        self.says.lock().unwrap().push(says);
    }

    /// What was asked since the last look.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn worker_by(app: &TestApp, point: Arc<dyn AccessPoint>) -> Worker {
    let from = "Umbel <umbel@umbel.example>".to_owned();
    let mail = MailConfig {
        smtp_url: Some(app.stage.mails.url()),
        from: from.clone(),
        folder: app.drop_folder.path().to_owned(),
    };
    Worker::new(
        app.db.clone(),
        Arc::clone(&app.parts.keys),
        Mailer::new(&mail).unwrap(),
        point,
        app.stage.base.clone(),
        &from,
    )
}

#[test]
fn an_access_point_by_http_is_asked_with_one_key_and_what_it_did_not_answer_is_never_sent_twice() {
    let mut app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let other = Other::start();
    app.stage.worker = worker_by(&app, Arc::new(HttpAccessPoint::new(&other.url, Some("s3cret"))));
    let invoiced = issued(&app, &cast, &member);
    other.will(Says::Nothing);
    app.stage.settle().unwrap();
    let unknown = by(reviewer, &invoiced, "peppol");
    assert_eq!(unknown["state"], "unknown", "{unknown}");
    let asked = other.asked();
    let key = unknown["id"].as_str().unwrap();
    let (head, body) = asked[0].split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    for line in [
        "post /v1/documents http/1.1",
        "authorization: bearer s3cret",
        &format!("idempotency-key: {key}"),
        &format!("peppol-participant: {PARTICIPANT}"),
        "content-type: application/xml",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert_eq!(body.as_bytes(), ubl(&member.client, &invoiced));
    app.stage.clock.advance(Duration::hours(5));
    app.stage.settle().unwrap();
    let asked = other.asked();
    assert!(!asked.is_empty() && asked.iter().all(|it| it.starts_with("GET ")), "it asks and sends nothing: {asked:?}");

    // It knows the document after all: the question is answered without anybody.
    other.will(Says::Status(200, r#"{"state": "deposited", "reference": "m-1"}"#));
    app.stage.settle().unwrap();
    let reviewer = app.stage.sign_in("reviewer@ombelle.example").unwrap();
    let known = by(&reviewer, &invoiced, "peppol");
    assert_eq!(
        (&known["state"], &known["reference"], &known["has_receipt"]),
        (&json!("deposited"), &json!("m-1"), &json!(true))
    );
    other.will(Says::Status(200, r#"{"state": "delivered", "reference": "m-1"}"#));
    app.stage.settle().unwrap();
    assert_eq!(by(&reviewer, &invoiced, "peppol")["state"], "delivered");
    other.will(Says::Status(500, "oops"));
    app.stage.settle().unwrap();
    assert_eq!(by(&reviewer, &invoiced, "peppol")["state"], "delivered", "an answer that is none changes nothing");
}

#[test]
fn no_mail_waits_for_a_slow_access_point() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let other = Other::start();
    let worker = worker_by(&app, Arc::new(HttpAccessPoint::new(&other.url, None)));
    let (tell, told) = channel();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let working = std::thread::spawn(move || tokio::runtime::Runtime::new().unwrap().block_on(worker.run(stopped)));
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let begun = std::time::Instant::now();
        while !holds() {
            assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{what}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    let is = |invoiced: &Invoiced, channel: &str, state: &str| {
        deliveries(&member.client, invoiced).iter().any(|it| it["channel"] == channel && it["state"] == state)
    };
    other.will(Says::NothingYet(told));
    let first = issued(&app, &cast, &member);
    until("the access point is asked", &|| is(&first, "peppol", "sending"));
    let second = issued(&app, &cast, &member);
    until("the mail of the second leaves", &|| is(&second, "email", "deposited"));
    assert!(is(&first, "peppol", "sending"), "meanwhile the first waits");
    tell.send(()).unwrap();
    until("the first is over", &|| is(&first, "peppol", "unknown"));
    stop.send(true).unwrap();
    working.join().unwrap();
}

#[test]
fn an_access_point_that_is_away_or_says_no_leaves_a_reason_and_what_was_not_sent_is_tried_again() {
    let mut app = TestApp::start();
    let (_cast, member) = app.with_member();
    let other = Other::start();
    app.stage.worker = worker_by(&app, Arc::new(HttpAccessPoint::new(&other.url, None)));
    let next = |app: &TestApp| {
        let reviewer = app.stage.sign_in("reviewer@ombelle.example").unwrap();
        let submitted = app
            .stage
            .submitted_invoice(
                &MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member.clone() },
                None,
                100_000,
            )
            .unwrap();
        let invoiced = app.stage.issue(&reviewer, &submitted).unwrap();
        (reviewer, invoiced)
    };
    let (reviewer, busy) = next(&app);
    other.will(Says::Status(503, "later"));
    app.stage.settle().unwrap();
    let failed = by(&reviewer, &busy, "peppol");
    assert_eq!((&failed["state"], &failed["reason"]), (&json!("failed"), &json!("the access point answered 503")));
    other.will(Says::Status(201, r#"{"state": "deposited"}"#));
    app.stage.clock.advance(Duration::minutes(1));
    app.stage.settle().unwrap();
    let reviewer = app.stage.sign_in("reviewer@ombelle.example").unwrap();
    let sent = by(&reviewer, &busy, "peppol");
    assert_eq!((&sent["state"], &sent["attempts"]), (&json!("deposited"), &json!(2)));
    assert_eq!(states(&sent), ["queued", "sending", "failed", "sending", "deposited"]);

    let (reviewer, refused) = next(&app);
    other.will(Says::Status(404, "{}")); // the question about the first
    other.will(Says::Status(422, r#"{"state": "refused", "reason": "receiver not registered"}"#));
    app.stage.settle().unwrap();
    let no = by(&reviewer, &refused, "peppol");
    assert_eq!((&no["state"], &no["reason"]), (&json!("refused"), &json!("receiver not registered")), "{no}");
    let receipt = reviewer.get(&format!("/v1/deliveries/{}/receipt", no["id"].as_str().unwrap())).unwrap();
    assert!(String::from_utf8_lossy(&receipt.body).contains("not registered"));

    // Nobody listens: certainly not sent.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    app.stage.worker = worker_by(&app, Arc::new(HttpAccessPoint::new(&format!("http://{free}"), None)));
    let (reviewer, alone) = next(&app);
    app.stage.settle().unwrap();
    assert_eq!(by(&reviewer, &alone, "peppol")["state"], "failed");
    let id: umbel::kernel::ids::InvoiceId = alone.id.parse::<uuid::Uuid>().unwrap().into();
    assert_eq!(app.count(&format!("SELECT count(*) FROM delivery WHERE invoice_id = '{id}' AND state = 'failed'")), 1);
}
