//! Late clients, as the people in it live it: three tracks to the cent, pauses, the member's word, the agency, the end.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client, Invoiced, MemberCast};
use umbel::kernel::money::Minor;

use super::guarantee::{book, days_pass, id, minor};
use super::support::TestApp;
use super::world::text;

fn eur(amount_minor: i64) -> Value {
    json!({"amount_minor": amount_minor, "currency": "EUR"})
}

/// The rates that will be published while the stories of these tests are told: those of the first half of 2026 again.
/// Nothing is demanded at a rate that nobody published.
fn published(cast: &Cast) {
    let administrator = &cast.staff.administrator;
    for (kind, from, rate) in
        [("b2b", "2026-07-01", "0.105"), ("public_body", "2026-07-01", "0.105"), ("consumer", "2027-01-01", "0.045")]
    {
        let body = json!({"id": administrator.new_id(), "country": "BE", "track": kind, "valid_from": from, "rate": rate,
                          "source": "Official Gazette", "needs_review_on": "2031-01-01", "citations": {"fr": "Moniteur belge de juillet"}});
        // Entered once in a test, by its first track.
        let answer = administrator.post("/v1/late_interest_rates", &body).unwrap();
        assert!([201, 422].contains(&answer.status), "{answer:?}");
    }
}

/// A track of the entity from the first day on; `after` are the days of reminders, the demand and the agency.
pub fn track(app: &TestApp, cast: &Cast, kind: &str, steps: &Value) -> Answer {
    published(cast);
    let administrator = &cast.staff.administrator;
    let body = json!({
        "id": administrator.new_id(), "track": kind, "valid_from": app.stage.today(), "claims_interest": true, "claims_compensation": true,
        "question_days": 7, "wait_max_days": 30, "steps": steps, "source": "Board of 1 May",
    });
    administrator.post(&format!("/v1/entities/{}/collection_tracks", cast.entity_id), &body).unwrap()
}

/// Reminders on days 15 and 30 after the last day to pay, the demand on day 60, the agency from day 75 on.
pub fn usual() -> Value {
    json!([
        {"kind": "reminder", "after_days": 15},
        {"kind": "reminder", "after_days": 15},
        {"kind": "formal_demand", "after_days": 30, "posted": true, "pay_days": 8},
        {"kind": "agency", "after_days": 15},
    ])
}

/// A step, a pause and a question about an invoice as they would be later: the clock of the world stands still.
pub fn late(app: &TestApp, cast: &Cast, member: &Client, invoice: &str) -> [String; 3] {
    let [action, pause, question, reminder] = [(); 4].map(|()| member.new_id());
    let (person, entity) = (cast.staff.reviewer.person_id.clone().unwrap(), &cast.entity_id);
    let sql = format!(
        "INSERT INTO collection_track (id, entity_id, track, valid_from, claims_interest, claims_compensation, question_days, wait_max_days, source, decided_by)
         VALUES (md5('track')::uuid, '{entity}', 'b2b', '2026-05-04', true, true, 7, 30, 'Board', '{person}') ON CONFLICT DO NOTHING;
         INSERT INTO collection_step (track_id, n, kind, after_days) VALUES (md5('track')::uuid, 1, 'reminder', 2) ON CONFLICT DO NOTHING;
         INSERT INTO payment_reminder (id, entity_id, invoice_id, member_id, level, reminded_on, due_on, currency, open_minor)
         SELECT '{reminder}', i.entity_id, i.id, i.member_id, 2, i.due_on + 2, i.due_on, i.currency, o.open_minor
         FROM invoice i JOIN invoice_open o ON o.invoice_id = i.id WHERE i.id = '{invoice}';
         INSERT INTO archived_file (id, owner_id, kind, subject_id, name, media_type, sha256, size, bytes)
         SELECT gen_random_uuid(), member_id, 'payment_reminder', id, 'reminder.pdf', 'application/pdf', sha256('a'), 1, 'a'
         FROM payment_reminder WHERE id = '{reminder}';
         INSERT INTO collection_action (id, entity_id, invoice_id, member_id, client_id, track_id, step_n, kind, logical_on, done_on, due_on, currency,
                                        open_minor, interest_minor, compensation_minor, costs_minor, total_minor, computation, reminder_id)
         SELECT '{action}', i.entity_id, i.id, i.member_id, i.client_id, md5('track')::uuid, 1, 'reminder', i.due_on + 2, i.due_on + 2, i.due_on, i.currency,
                o.open_minor, 0, 0, 0, o.open_minor, '{{\"segments\": []}}', '{reminder}'
         FROM invoice i JOIN invoice_open o ON o.invoice_id = i.id WHERE i.id = '{invoice}';
         INSERT INTO collection_question (id, entity_id, invoice_id, member_id, asked_on, silent_on, wait_until_max)
         SELECT '{question}', entity_id, id, member_id, '2026-05-04', '2026-05-11', '2026-06-04' FROM invoice WHERE id = '{invoice}';
         INSERT INTO collection_pause (id, entity_id, invoice_id, member_id, kind, reason, started_on, until_on, open_minor, opened_by)
         SELECT '{pause}', entity_id, id, member_id, 'hold', 'x', '2026-05-04', '2026-06-03', 1, member_id FROM invoice WHERE id = '{invoice}'"
    );
    app.database.owner().batch_execute(&sql).unwrap();
    [action, pause, question]
}

/// A month whose provision came to nothing.
pub fn provided(app: &TestApp, cast: &Cast) -> String {
    let run = cast.staff.accountant.new_id();
    let (person, entity) = (cast.staff.accountant.person_id.clone().unwrap(), &cast.entity_id);
    let sql = format!(
        "INSERT INTO provision_matrix (id, entity_id, valid_from, source, decided_by) VALUES ('{run}', '{entity}', '2026-05-01', 'Board', '{person}');
         INSERT INTO provision_run (id, entity_id, period, reckoned_on, matrix_id, currency, required_minor, previous_minor, moved_minor, basis, made_by)
         VALUES ('{run}', '{entity}', '2020-01', '2020-01-31', '{run}', 'EUR', 0, 0, 0, '{{\"buckets\": []}}', '{person}')"
    );
    app.database.owner().batch_execute(&sql).unwrap();
    run
}

pub fn issued(app: &TestApp, cast: &Cast, member: &MemberCast, net: i64) -> Invoiced {
    let submitted = app.stage.submitted_invoice(member, None, net).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    app.stage.settle().unwrap();
    invoiced
}

/// Another client of a member.
pub fn client_of(member: &MemberCast, kind: &str, name: &str) -> MemberCast {
    client_that_reads(member, kind, name, "en")
}

pub fn client_that_reads(member: &MemberCast, kind: &str, name: &str, language: &str) -> MemberCast {
    let client_id = member.client.new_id();
    let email = format!("{kind}-{}@client.example", &client_id[24..]);
    let body = json!({
        "id": client_id, "name": name, "kind": kind, "email": email, "language": language,
        "address": {"street": "Rue Haute", "building_number": "1", "postcode": "1000", "town": "Bruxelles", "country": "BE"},
    });
    member.client.post("/v1/clients", &body).unwrap().expect(201).unwrap();
    MemberCast { client_id, client_email: email, ..member.clone() }
}

/// Day by day, as the worker lives it.
pub fn until(app: &TestApp, cast: &mut Cast, member: MemberCast, days: i64) -> MemberCast {
    for _ in 1..days {
        app.stage.days_pass(1).unwrap();
    }
    days_pass(app, cast, member, 1)
}

pub fn standing(client: &Client, invoice: &Invoiced) -> Value {
    client.get(&format!("/v1/invoices/{}/collection", invoice.id)).unwrap().expect(200).unwrap()
}

/// The days of the steps and when they were due, with their kinds.
pub fn steps(standing: &Value) -> Vec<(String, String, String)> {
    let all = standing["actions"].as_array().unwrap();
    all.iter().map(|it| (text(it, "kind"), text(it, "logical_on"), text(it, "done_on"))).collect()
}

/// Interest, compensation, reminder costs and all of it.
pub fn claim(of: &Value) -> [i64; 4] {
    ["/claim/interest", "/claim/compensation", "/claim/reminder_costs", "/claim/total"].map(|at| minor(of, at))
}

pub fn words(pdf: &[u8]) -> String {
    let file = lopdf::Document::load_mem(pdf).unwrap();
    file.extract_text(&[1]).unwrap().replace(['\u{a0}', '\n'], " ")
}

/// Leaves a letter for whoever wants to see it, in the folder of `UMBEL_LOOK`.
pub fn look(name: &str, pdf: &[u8]) {
    if let Ok(folder) = std::env::var("UMBEL_LOOK") {
        std::fs::write(format!("{folder}/{name}.pdf"), pdf).unwrap();
    }
}

fn mails_to(app: &TestApp, address: &str, word: &str) -> usize {
    let all = app.stage.mails.messages();
    all.iter()
        .filter(|mail| mail.to.iter().any(|to| to == address))
        .filter(|mail| umbel::demo::text_of(&mail.raw).contains(word))
        .count()
}

#[test]
fn an_enterprise_is_reminded_twice_asked_about_and_claims_sixty_days_of_interest_to_the_cent() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    track(&app, &cast, "b2b", &usual()).expect(201).unwrap();
    let invoiced = issued(&app, &cast, &member, 100_000);
    // Due on 3 June: day 60 is 2 August; the member is asked seven days before.
    let member = until(&app, &mut cast, member, 85);
    let seen = standing(&member.client, &invoiced);
    assert_eq!(seen["due_on"], "2026-06-03");
    assert_eq!(seen["question"]["asked_on"], "2026-07-26");
    assert_eq!(seen["next"], json!({"step": 3, "kind": "formal_demand", "on": "2026-08-02"}));
    assert_eq!(mails_to(&app, &member.email, "mise en demeure"), 1, "the member is asked once");
    let question = seen["question"]["id"].as_str().unwrap().to_owned();
    let asked = member.client.get("/v1/collection_questions?open=true").unwrap().expect(200).unwrap();
    assert_eq!(id(&asked["data"][0]), question);

    let member = until(&app, &mut cast, member, 5);
    let seen = standing(&member.client, &invoiced);
    let day = |kind: &str, on: &str| (kind.to_owned(), on.to_owned(), on.to_owned());
    assert_eq!(
        steps(&seen),
        [day("reminder", "2026-06-18"), day("reminder", "2026-07-03"), day("formal_demand", "2026-08-02")]
    );
    let demand = &seen["actions"][2];
    assert_eq!(claim(demand), [2_088, 4_000, 0, 127_088], "1,210.00 x 60 days at 10.5 % and 40.00");
    let segments: Vec<(i64, i64)> = demand["claim"]["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["days"].as_i64().unwrap(), it["interest_minor"].as_i64().unwrap()))
        .collect();
    assert_eq!(segments, [(27, 940), (33, 1_148)], "cut at the half-year, and adding up");
    assert_eq!((&demand["pay_by"], &demand["registered"]), (&json!("2026-08-10"), &Value::Null));
    // Nothing of it is booked: what is claimed is no income before it is paid.
    assert_eq!((book(&app, "receivable"), book(&app, "turnover")), (121_000, -100_000));

    let pdf = member.client.get(&format!("/v1/collection_actions/{}/pdf", id(demand))).unwrap();
    assert_eq!(pdf.status, 200);
    look("demand", &pdf.body);
    let said = words(&pdf.body);
    for needle in [
        "Mise en demeure",
        "18 juin 2026",
        "10 août 2026",
        "9,40",
        "11,48",
        "40,00",
        "270,88",
        "10,5",
        "loi du 2 août 2002, art. 5",
        "loi du 2 août 2002, art. 6",
        "Moniteur belge de juillet",
        "sans TVA",
    ] {
        assert!(said.contains(needle), "{needle} is not in {said}");
    }
    assert_eq!(mails_to(&app, &member.client_email, "Mise en demeure"), 0, "the subject is a header");
    assert_eq!(mails_to(&app, &member.client_email, "mise en demeure"), 1);
    assert_eq!(mails_to(&app, &member.client_email, "coûte rien"), 2, "two reminders, both free");

    // Registered post: a person notes its number, once.
    let reviewer = &cast.staff.reviewer;
    let post = |number: &str, on: &str| {
        let body = json!({"id": reviewer.new_id(), "carrier": "bpost", "tracking_number": number, "posted_on": on});
        reviewer.post(&format!("/v1/collection_actions/{}/registered_letter", id(demand)), &body).unwrap()
    };
    assert_eq!(post("", "2026-08-02").status, 422);
    assert_eq!(post("RR1", "2026-08-03").status, 422, "tomorrow");
    post("RR 1234 5678 9 BE", "2026-08-02").expect(201).unwrap();
    assert_eq!(post("RR2", "2026-08-02").status, 409);
    assert_eq!(standing(reviewer, &invoiced)["actions"][2]["registered"]["carrier"], "bpost");

    // The client pays part after the demand; the agency gets a file when its day has come.
    let hand_over = |cast: &Cast| {
        let reviewer = &cast.staff.reviewer;
        reviewer
            .post(&format!("/v1/invoices/{}/agency_handover", invoiced.id), &json!({"id": reviewer.new_id()}))
            .unwrap()
    };
    let early = hand_over(&cast);
    assert_eq!((early.status, early.code().as_str()), (409, "collection_step_not_due"));
    cast.bank.receives(Minor::new(21_000), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let member = until(&app, &mut cast, member, 15);
    let handed = hand_over(&cast).expect(201).unwrap();
    // 59 days on 1,210.00 and from 2 August 16 on 1,000.00, all at 10.5 %: 20.5367 + 4.6027.
    assert_eq!((claim(&handed), minor(&handed, "/claim/open")), ([2_514, 4_000, 0, 106_514], 100_000));
    let place = format!("/v1/collection_actions/{}", id(&handed));
    let file = cast.staff.reviewer.get(&format!("{place}/agency_file")).unwrap();
    let told = file.json();
    assert_eq!((&told["format"], &told["claim"]["total_minor"]), (&json!("umbel-collection-file"), &json!(106_514)));
    let kinds: Vec<&str> =
        told["documents"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "payment_reminder").count(), 2, "{kinds:?}");
    assert!(kinds.contains(&"invoice_pdf") && kinds.contains(&"formal_demand"), "{kinds:?}");
    let table = cast.staff.reviewer.get(&format!("{place}/agency_table")).unwrap();
    let table = String::from_utf8(table.body).unwrap();
    let sum: i64 = table.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse::<i64>().unwrap()).sum();
    assert_eq!(sum, 106_514, "{table}");
    assert_eq!(member.client.get(&format!("{place}/agency_file")).unwrap().status, 403);
    let diary = member.client.get(&format!("/v1/collection_contacts?invoice_id={}", invoiced.id)).unwrap();
    let kinds: Vec<String> =
        diary.expect(200).unwrap()["data"].as_array().unwrap().iter().map(|it| text(it, "kind")).collect();
    assert_eq!(kinds, ["agency", "letter", "mail", "mail"], "newest first");
    assert_eq!(hand_over(&cast).status, 409, "once");
}

#[test]
fn a_consumer_has_a_free_reminder_fourteen_days_and_what_the_law_allows_at_most() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let steps_of = |first: i64, cost: i64| {
        json!([
            {"kind": "reminder", "after_days": 1, "cost": eur(first)},
            {"kind": "reminder", "after_days": 15, "cost": eur(cost)},
            {"kind": "formal_demand", "after_days": 15, "pay_days": 15},
        ])
    };
    for (first, cost, pointer) in [(1, 0, "/steps/0/cost"), (0, 751, "/steps/1/cost")] {
        let refused = track(&app, &cast, "consumer", &steps_of(first, cost));
        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!(pointer)));
    }
    track(&app, &cast, "consumer", &steps_of(0, 750)).expect(201).unwrap();
    let private = client_of(&member, "consumer", "Ann Private");
    let invoiced = issued(&app, &cast, &private, 100_000);
    // Due on 3 June, reminded on the 4th; the 5th is the first of fourteen days.
    let private = until(&app, &mut cast, private, 32);
    let seen = standing(&private.client, &invoiced);
    assert_eq!(seen["actions"][0]["grace_until"], "2026-06-18");
    assert_eq!(claim(&seen), [0, 0, 0, 121_000], "nothing is added in the days of grace");
    let mail = app.stage.mail_to(&private.client_email, "nothing is added").unwrap();
    assert!(mail.contains("18 June 2026") && mail.contains("costs you nothing"), "{mail}");
    let pdf = private.client.get(&format!("/v1/collection_actions/{}/pdf", id(&seen["actions"][0]))).unwrap();
    let said = words(&pdf.body);
    for needle in ["This first reminder is free", "18 June 2026", "4.5%", "€100.50"] {
        assert!(said.contains(needle), "{needle} is not in {said}");
    }
    let private = until(&app, &mut cast, private, 30);
    let seen = standing(&private.client, &invoiced);
    let on: Vec<String> = steps(&seen).into_iter().map(|(_, _, on)| on).collect();
    assert_eq!(on, ["2026-06-04", "2026-06-19", "2026-07-04"]);
    assert_eq!(claim(&seen["actions"][1]), [0, 0, 750, 121_750]);
    assert!(app.stage.mail_to(&private.client_email, "€7.50").is_ok());
    // 16 days from 19 June at 4.5 %: 2.3868; 65.00 + 5 % of 710.00.
    assert_eq!(claim(&seen["actions"][2]), [239, 10_050, 750, 132_039]);
    let record = private.client.get(&format!("/v1/clients/{}/payer_record", private.client_id)).unwrap();
    assert_eq!(record.expect(200).unwrap()["reason"], "consumer", "never recorded across members");
}

#[test]
fn a_dispute_a_promise_a_hold_and_the_members_word_stop_the_steps_of_a_public_body() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    track(&app, &cast, "public_body", &usual()).expect(201).unwrap();
    let town = client_of(&member, "public_body", "Town of X");
    let invoiced = issued(&app, &cast, &town, 100_000);
    let mut town = until(&app, &mut cast, town, 40);
    // Disputed over the day of the first reminder.
    let dispute = |cast: &Cast, what: &str, body: Value| {
        let reviewer = &cast.staff.reviewer;
        let seen = reviewer.get(&format!("/v1/invoices/{}", invoiced.id)).unwrap().expect(200).unwrap();
        let path = format!("/v1/invoices/{}/{what}", invoiced.id);
        reviewer.change(&path, seen["version"].as_i64().unwrap(), &body).unwrap().expect(200).unwrap();
    };
    dispute(&cast, "dispute", json!({"reason": "Wrong address"}));
    town = until(&app, &mut cast, town, 10);
    assert_eq!(steps(&standing(&town.client, &invoiced)), []);
    assert_eq!(standing(&town.client, &invoiced)["paused"], true);
    dispute(&cast, "resolve_dispute", json!({"resolution": "Corrected"}));
    town = until(&app, &mut cast, town, 1);
    let one = ("reminder".to_owned(), "2026-06-18".to_owned(), "2026-06-24".to_owned());
    assert_eq!(
        steps(&standing(&town.client, &invoiced)),
        std::slice::from_ref(&one),
        "late, with the day on which it was due"
    );

    // A promise in two parts: the first comes, the second does not.
    let promise = |parts: &Value| {
        let body =
            json!({"id": town.client.new_id(), "kind": "promise", "reason": "The treasurer called", "parts": parts});
        town.client.post(&format!("/v1/invoices/{}/collection_pauses", invoiced.id), &body).unwrap()
    };
    let part = |on: &str, cents: i64| json!({"due_on": on, "amount": eur(cents)});
    for wrong in [
        json!([]),
        json!([part("2026-07-01", 1_000)]),
        json!([part("2026-06-23", 121_000)]),
        json!([part("2026-07-20", 60_000), part("2026-07-10", 61_000)]),
    ] {
        assert_eq!(promise(&wrong).status, 422, "{wrong}");
    }
    let parts = json!([part("2026-07-10", 60_000), part("2026-07-20", 61_000)]);
    let promised = promise(&parts).expect(201).unwrap();
    assert_eq!(promise(&parts).code(), "collection_paused", "one at a time");
    town = until(&app, &mut cast, town, 14);
    cast.bank.receives(Minor::new(60_000), &invoiced.reference, "Town", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    town = until(&app, &mut cast, town, 12);
    assert_eq!(steps(&standing(&town.client, &invoiced)).len(), 1, "20 July is not over");
    town = until(&app, &mut cast, town, 1);
    let seen = standing(&town.client, &invoiced);
    assert_eq!(steps(&seen)[1], ("reminder".to_owned(), "2026-07-09".to_owned(), "2026-07-21".to_owned()));
    let ended = town.client.get(&format!("/v1/collection_pauses/{}", id(&promised))).unwrap().expect(200).unwrap();
    assert_eq!((&ended["ended_on"], &ended["ended_by"]), (&json!("2026-07-21"), &Value::Null));

    // Before the demand the member is asked, calls first, then waits as long as they may, and no longer.
    town = until(&app, &mut cast, town, 23);
    let question = standing(&town.client, &invoiced)["question"].clone();
    assert_eq!((&question["asked_on"], &question["wait_until_max"]), (&json!("2026-08-13"), &json!("2026-09-12")));
    let answer = |town: &MemberCast, body: &Value| {
        town.client.post(&format!("/v1/collection_questions/{}/answer", id(&question)), body).unwrap()
    };
    assert_eq!(answer(&town, &json!({"answer": "wait"})).status, 422);
    assert_eq!(answer(&town, &json!({"answer": "wait", "wait_until": "2026-09-13"})).status, 422);
    answer(&town, &json!({"answer": "call", "note": "I know them"})).expect(200).unwrap();
    answer(&town, &json!({"answer": "wait", "wait_until": "2026-09-05"})).expect(200).unwrap();
    // Meanwhile the office holds it back, over that day.
    town = until(&app, &mut cast, town, 5);
    let reviewer = cast.staff.reviewer.clone();
    let body = json!({"id": reviewer.new_id(), "kind": "hold", "reason": "Their bank was wrong", "parts": []});
    let place = format!("/v1/invoices/{}/collection_pauses", invoiced.id);
    let held = reviewer.post(&place, &body).unwrap().expect(201).unwrap();
    let end = |client: &Client| {
        client.change(&format!("/v1/collection_pauses/{}/end", id(&held)), 1, &json!({"reason": "Solved"})).unwrap()
    };
    assert_eq!(end(&town.client).status, 403, "what the office opened, the office ends");
    town = until(&app, &mut cast, town, 25);
    assert_eq!(steps(&standing(&town.client, &invoiced)).len(), 2);
    end(&cast.staff.reviewer).expect(200).unwrap();
    town = until(&app, &mut cast, town, 1);
    let seen = standing(&town.client, &invoiced);
    assert_eq!(steps(&seen)[2], ("formal_demand".to_owned(), "2026-09-05".to_owned(), "2026-09-13".to_owned()));
    assert_eq!(answer(&town, &json!({"answer": "go"})).code(), "state_conflict", "it has gone");
    // 1,210.00 from 4 June to 7 July (34 days), 610.00 from 8 July to 13 September (68): 11.8348 + 11.9326.
    assert_eq!(claim(&seen["actions"][2]), [2_377, 4_000, 0, 67_377]);
}

#[test]
fn a_track_and_what_the_law_says_are_dated_rows_with_a_source() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let administrator = &cast.staff.administrator;
    let rate = |reason: Option<&str>, value: &str, country: &str| {
        let mut body = json!({"id": administrator.new_id(), "country": country, "track": "b2b", "valid_from": "2026-07-01", "rate": value,
                              "source": "Official Gazette", "needs_review_on": "2027-01-01"});
        if let Some(reason) = reason {
            body["reason"] = json!(reason);
        }
        administrator.post("/v1/late_interest_rates", &body).unwrap()
    };
    rate(None, "0.11", "BE").expect(201).unwrap();
    assert_eq!(rate(None, "0.105", "BE").status, 422, "a reason is needed where there is one");
    let second = rate(Some("A typing error"), "0.105", "BE").expect(201).unwrap();
    assert_eq!((&second["n"], &second["rate"]), (&json!(2), &json!("0.105")));
    for (value, country) in [("1.5", "BE"), ("-0.1", "BE"), ("x", "BE"), ("0.1", "be"), ("0.1", "Belgium")] {
        assert_eq!(rate(None, value, country).status, 422, "{value} {country}");
    }
    let listed = cast.staff.reviewer.get("/v1/late_interest_rates?country=BE").unwrap().expect(200).unwrap();
    assert!(listed.as_array().unwrap().len() > 8);
    assert_eq!(member.client.get("/v1/late_interest_rates").unwrap().status, 403);

    // Letters name the law in the language of who reads them; what came with the program is named in all.
    assert_eq!(second["citations"], json!({}));
    let shipped: Vec<&Value> = listed.as_array().unwrap().iter().filter(|it| it["entered_by"].is_null()).collect();
    assert!(!shipped.is_empty());
    for rate in shipped {
        let named = rate["citations"].as_object().unwrap();
        assert_eq!(named.keys().map(String::as_str).collect::<Vec<_>>(), ["de", "fr", "nl"], "{rate}");
    }
    let cited = |citations: Value| {
        let body = json!({"id": administrator.new_id(), "country": "LU", "track": "b2b", "valid_from": "2026-07-01", "rate": "0.1",
                          "source": "Official Gazette", "citations": citations, "needs_review_on": "2027-01-01"});
        administrator.post("/v1/late_interest_rates", &body).unwrap()
    };
    assert_eq!(cited(json!({"fr": " "})).status, 422);
    assert!(matches!(cited(json!({"it": "Gazzetta"})).status, 400 | 422));
    let kept = cited(json!({"fr": "Mémorial", "de": "Memorial"})).expect(201).unwrap();
    assert_eq!(kept["citations"], json!({"fr": "Mémorial", "de": "Memorial"}));

    let laws = cast.staff.reviewer.get("/v1/collection_laws?country=BE").unwrap().expect(200).unwrap();
    let consumer = laws.as_array().unwrap().iter().find(|law| law["track"] == "consumer").unwrap().clone();
    assert_eq!((&consumer["grace_days"], &consumer["bands"][2]["most"]["amount_minor"]), (&json!(14), &json!(200_000)));
    let law = |change: &dyn Fn(&mut Value)| {
        let mut body = json!({"id": administrator.new_id(), "country": "LU", "track": "b2b", "valid_from": "2020-01-01", "interest_starts": "due",
                              "first_reminder_free": false, "grace_days": 0, "post_working_days": 0, "source": "Law of 18 April 2004",
                              "bands": [{"above": eur(0), "fixed": eur(4_000), "rate": "0", "most": null}], "needs_review_on": "2027-01-01"});
        change(&mut body);
        administrator.post("/v1/collection_laws", &body).unwrap().status
    };
    assert_eq!(law(&|body| body["grace_days"] = json!(91)), 422);
    assert_eq!(law(&|body| body["interest_starts"] = json!("grace")), 422);
    assert_eq!(
        law(&|body| body["bands"] = json!([{"above": eur(5), "fixed": eur(1), "rate": "2", "most": null}])),
        422
    );
    assert_eq!(law(&|body| body["bands"][0]["most"] = eur(1)), 422);
    assert_eq!(law(&|_| ()), 201);

    let refused = |steps: &Value| track(&app, &cast, "b2b", steps).status;
    assert_eq!(refused(&json!([])), 422);
    assert_eq!(refused(&json!([{"kind": "formal_demand", "after_days": 5, "pay_days": 8}])), 422);
    assert_eq!(refused(&json!([{"kind": "reminder", "after_days": 5}, {"kind": "reminder", "after_days": 14}])), 422);
    assert_eq!(
        refused(&json!([{"kind": "reminder", "after_days": 5, "cost": {"amount_minor": 1, "currency": "USD"}}])),
        422
    );
    assert_eq!(refused(&json!([{"kind": "reminder", "after_days": 5, "pay_days": 5}])), 422);
    assert_eq!(app.count("SELECT count(*) FROM collection_track"), 0, "nothing was written");
    track(&app, &cast, "b2b", &usual()).expect(201).unwrap();
    assert_eq!(refused(&usual()), 422, "the second of a day says why");
    let place = format!("/v1/entities/{}/collection_tracks", cast.entity_id);
    let tracks = cast.staff.reviewer.get(&place).unwrap().expect(200).unwrap();
    assert_eq!(tracks[0]["steps"].as_array().unwrap().len(), 4);
    let box_62 = cast.staff.accountant.get("/v1/vat_refund_rules").unwrap().expect(200).unwrap();
    assert_eq!((&box_62[0]["country"], &box_62[0]["return_box"]), (&json!("BE"), &json!("62")));
    let wrong = json!({"id": administrator.new_id(), "country": "BE", "valid_from": "2026-01-01", "return_box": "", "deadline_years": 11,
                       "source": "x", "needs_review_on": "2025-01-01"});
    let wrong = administrator.post("/v1/vat_refund_rules", &wrong).unwrap();
    assert_eq!((wrong.status, wrong.json()["errors"].as_array().unwrap().len()), (422, 3));
}

#[test]
fn a_lost_claim_is_proposed_with_what_was_tried_and_proved_to_the_tax_office() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    track(&app, &cast, "b2b", &usual()).expect(201).unwrap();
    let invoiced = issued(&app, &cast, &member, 100_000);
    let member = until(&app, &mut cast, member, 90);
    let reviewer = cast.staff.reviewer.clone();
    let contact = |kind: &str, on: &str, note: &str| {
        let body = json!({"id": reviewer.new_id(), "kind": kind, "contacted_on": on, "note": note});
        reviewer.post(&format!("/v1/invoices/{}/collection_contacts", invoiced.id), &body).unwrap()
    };
    assert_eq!(contact("call", "2026-08-03", "tomorrow").status, 422);
    assert_eq!(contact("call", "2026-05-03", "before the invoice").status, 422);
    assert_eq!(contact("call", "2026-08-02", "").status, 422);
    contact("agency", "2026-08-02", "No assets found").expect(201).unwrap();
    let body = json!({"id": reviewer.new_id(), "reason": "Nothing to be had"});
    let path = format!("/v1/invoices/{}/collection_write_off", invoiced.id);
    let proposed = reviewer.post(&path, &body).unwrap().expect(201).unwrap();
    let evidence = text(&proposed, "evidence");
    for needle in ["2026-06-18 reminder: 1", "2026-08-02 formal_demand: 3", "agency: No assets found"] {
        assert!(evidence.contains(needle), "{needle} is not in {evidence}");
    }
    let place = format!("/v1/write_offs/{}", id(&proposed));
    let dossier = |kind: &str, on: &str, paper: Option<&str>| {
        let body = json!({"id": reviewer.new_id(), "proof_kind": kind, "proof_on": on, "evidence_id": paper});
        reviewer.post(&format!("{place}/vat_dossier"), &body).unwrap()
    };
    assert_eq!(dossier("all_means_used", "2026-08-02", None).code(), "state_conflict", "nobody has decided");
    let approve = format!("{place}/approve");
    cast.staff.approver.change(&approve, 1, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(dossier("bankruptcy_judgment", "2026-08-02", None).status, 422, "a judgment is a paper");
    assert_eq!(dossier("all_means_used", "2026-08-03", None).status, 422);
    let absent = reviewer.new_id();
    assert_eq!(dossier("bankruptcy_judgment", "2026-08-02", Some(&absent)).status, 422);
    let made = dossier("all_means_used", "2026-08-02", None).expect(201).unwrap();
    assert_eq!(minor(&made, "/vat"), 21_000);
    assert_eq!((&made["return_box"], &made["deadline_on"]), (&json!("62"), &json!("2029-12-31")));
    assert_eq!(dossier("all_means_used", "2026-08-02", None).status, 409, "once");
    let file = cast.staff.accountant.get(&format!("{place}/vat_dossier/file")).unwrap();
    assert_eq!(text(&made, "sha256"), umbel::platform::web::hex(&umbel::archive::sha256(&file.body)));
    let told = file.json();
    assert_eq!((&told["format"], &told["return"]["box"]), (&json!("umbel-vat-dossier"), &json!("62")));
    assert_eq!(told["loss"]["vat_minor"], 21_000);
    let standing = cast.staff.accountant.get(&format!("{place}/vat_dossier")).unwrap().expect(200).unwrap();
    assert_eq!(standing["steps"].as_array().unwrap().len(), 3);
    assert_eq!(member.client.get(&format!("{place}/vat_dossier")).unwrap().status, 403);
    // What is given up is not pursued.
    let member = until(&app, &mut cast, member, 20);
    assert_eq!(steps(&self::standing(&member.client, &invoiced)).len(), 3);
}

#[test]
fn what_is_doubtful_moves_by_the_difference_when_a_month_closes() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let administrator = cast.staff.administrator.clone();
    let place = format!("/v1/entities/{}/provision_matrices", cast.entity_id);
    let matrix = |buckets: Value| {
        let body = json!({"id": administrator.new_id(), "valid_from": "2026-05-01", "buckets": buckets, "source": "Losses of five years"});
        administrator.post(&place, &body).unwrap()
    };
    let bucket = |days: i64, rate: &str| json!({"from_days": days, "rate": rate});
    for wrong in
        [json!([]), json!([bucket(30, "0.1"), bucket(1, "0.2")]), json!([bucket(1, "1.1")]), json!([bucket(-1, "0.1")])]
    {
        assert_eq!(matrix(wrong.clone()).status, 422, "{wrong}");
    }
    matrix(json!([bucket(1, "0.05"), bucket(31, "0.25"), bucket(91, "0.5")])).expect(201).unwrap();
    let invoiced = issued(&app, &cast, &member, 100_000);
    let second = issued(&app, &cast, &member, 33_333);
    let close = |cast: &Cast, period: &str| {
        super::guarantee::tick(&app);
        let accountant = &cast.staff.accountant;
        let path = format!("/v1/entities/{}/periods/{period}/close", cast.entity_id);
        accountant.command("POST", &path, &[("Idempotency-Key", &accountant.new_id())], &json!({})).unwrap().expect(200)
    };
    let runs = |cast: &Cast| {
        let list = cast.staff.accountant.get("/v1/provision_runs").unwrap().expect(200).unwrap();
        let rows = list["data"].as_array().unwrap().clone();
        rows.iter().map(|it| (text(it, "period"), minor(it, "/required"), minor(it, "/moved"))).collect::<Vec<_>>()
    };
    let member = days_pass(&app, &mut cast, member, 58);
    close(&cast, "2026-05").unwrap();
    assert_eq!(runs(&cast), [("2026-05".to_owned(), 0, 0)], "nothing was late");
    // Due on 3 June: 27 days late on the 30th, 5 % of 1,333.33 without VAT.
    close(&cast, "2026-06").unwrap();
    assert_eq!(runs(&cast)[0], ("2026-06".to_owned(), 6_667, 6_667));
    assert_eq!((book(&app, "doubtful_provision"), book(&app, "impairment")), (-6_667, 6_667));
    // One is paid in July; the other is 58 days late at its end: 25 % of 333.33.
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let member = days_pass(&app, &mut cast, member, 32);
    close(&cast, "2026-07").unwrap();
    assert_eq!(runs(&cast)[0], ("2026-07".to_owned(), 8_333, 1_666));
    // And when that is paid too, all of it comes back.
    cast.bank.receives(Minor::new(second.gross), &second.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let _member = days_pass(&app, &mut cast, member, 31);
    close(&cast, "2026-08").unwrap();
    assert_eq!(runs(&cast)[0], ("2026-08".to_owned(), 0, -8_333));
    assert_eq!((book(&app, "doubtful_provision"), book(&app, "impairment")), (0, 0));
    let latest = cast.staff.accountant.get("/v1/provision_runs?limit=1").unwrap().expect(200).unwrap();
    let run = format!("/v1/provision_runs/{}", id(&latest["data"][0]));
    assert_eq!(cast.staff.accountant.get(&run).unwrap().expect(200).unwrap()["buckets"].as_array().unwrap().len(), 3);
    assert_eq!(app.count("SELECT count(*) FROM journal_entry WHERE event = 'provision_moved'"), 3);
}
