//! The life of a document: parts that add up to an order, numbers as an entity writes them, invoices that members issue
//! themselves, papers that go along, and invoices that come again.

use chrono::{Datelike, NaiveDate};
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, MemberCast};

#[cfg(feature = "faults")]
use super::concurrency::at_once;
use super::costs::eur;
use super::support::TestApp;
use super::world::text;

fn cents(value: &Value, name: &str) -> i64 {
    value[name]["amount_minor"].as_i64().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn count(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

fn version(value: &Value) -> i64 {
    value["version"].as_i64().unwrap()
}

fn confirmed(app: &TestApp, member: &MemberCast, net: i64) -> String {
    text(&app.stage.confirmed_order(member, net).unwrap(), "id")
}

/// A draft of a part of an order.
fn part(member: &MemberCast, order: &str, what: Value) -> Answer {
    let mut body = json!({"id": member.client.new_id(), "order_id": order});
    body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    member.client.post("/v1/invoices", &body).unwrap()
}

fn submit(member: &MemberCast, draft: &Value) -> Answer {
    let path = format!("/v1/invoices/{}/submit", text(draft, "id"));
    member.client.change(&path, version(draft), &json!({})).unwrap()
}

fn issued(app: &TestApp, cast: &Cast, member: &MemberCast, draft: &Value) -> Value {
    let submitted = submit(member, draft).expect(200).unwrap();
    app.stage.issue(&cast.staff.reviewer, &submitted).unwrap().view
}

#[test]
fn a_deposit_an_intermediate_invoice_and_the_balance_come_to_the_order() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let order = confirmed(&app, &member, 100_001);
    let deposit = part(&member, &order, json!({"stage": "deposit", "share": "0.3"})).expect(201).unwrap();
    assert_eq!((cents(&deposit, "total_net"), deposit["share"].as_str()), (30_000, Some("0.3")));
    assert_eq!(deposit["lines"][0]["label"], "Acompte 30 % : Illustrations pour le rapport annuel");
    let first = issued(&app, &cast, &member, &deposit);
    assert_eq!((first["stage"].as_str(), first["number"].as_str()), (Some("deposit"), Some("2026-0001")));

    let interim = part(&member, &order, json!({"stage": "interim", "share": "0.333333"})).expect(201).unwrap();
    assert_eq!(cents(&interim, "total_net"), 33_334);
    issued(&app, &cast, &member, &interim);

    // What is left was worked out before the deposit was credited in part; then it is worked out again.
    let balance = part(&member, &order, json!({"stage": "balance"})).expect(201).unwrap();
    assert_eq!(cents(&balance, "total_net"), 36_667);
    assert_eq!(
        balance["lines"][0]["label"],
        "Solde : Illustrations pour le rapport annuel (déjà facturé : 2026-0001, 2026-0002)"
    );
    let reviewer = &cast.staff.reviewer;
    let note = json!({"id": reviewer.new_id(), "reason": "Moins de planches", "lines": [{"n": 1, "net": eur(10_000)}]});
    reviewer.post(&format!("/v1/invoices/{}/credit_notes", text(&first, "id")), &note).unwrap().expect(201).unwrap();
    assert_eq!(submit(&member, &balance).code(), "balance_does_not_add_up");
    let again = json!({"lines": null, "stage": "balance"});
    let path = format!("/v1/invoices/{}", text(&balance, "id"));
    let balance = member.client.patch(&path, version(&balance), &again).unwrap().expect(200).unwrap();
    assert_eq!(cents(&balance, "total_net"), 46_667);
    let last = issued(&app, &cast, &member, &balance);
    assert_eq!(last["stage"], "balance");
    let net = "SELECT sum(CASE kind WHEN 'invoice' THEN net_minor ELSE -net_minor END)::bigint FROM invoice WHERE state = 'issued'";
    assert_eq!(app.count(net), 100_001);
    assert_eq!(part(&member, &order, json!({"stage": "balance"})).code(), "order_amount_exceeded");
    assert_eq!(part(&member, &order, json!({"stage": "deposit", "share": "0.1"})).code(), "order_amount_exceeded");
}

#[test]
fn a_balance_that_no_longer_adds_up_is_not_issued() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let order = confirmed(&app, &member, 50_000);
    let deposit = part(&member, &order, json!({"stage": "deposit", "share": "0.5"})).expect(201).unwrap();
    let deposit = issued(&app, &cast, &member, &deposit);
    let balance = part(&member, &order, json!({"stage": "balance"})).expect(201).unwrap();
    let balance = submit(&member, &balance).expect(200).unwrap();
    let reviewer = &cast.staff.reviewer;
    let note = json!({"id": reviewer.new_id(), "reason": "Annulé", "full": true});
    reviewer.post(&format!("/v1/invoices/{}/credit_notes", text(&deposit, "id")), &note).unwrap().expect(201).unwrap();
    let path = format!("/v1/invoices/{}/issue", text(&balance, "id"));
    let refused = reviewer.change(&path, version(&balance), &json!({})).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "balance_does_not_add_up"));
    assert_eq!(app.count("SELECT last_seq FROM document_series WHERE series = 'invoice'"), 1, "no number is lost");
}

/// Without the trigger that holds the order, both see what was there before and both are handed in.
#[cfg(feature = "faults")]
#[test]
fn parts_handed_in_at_the_same_moment_do_not_exceed_their_order() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let order = confirmed(&app, &member, 80_000);
    let drafts: Vec<Value> = (0..8)
        .map(|_| part(&member, &order, json!({"stage": "interim", "share": "0.25"})).expect(201).unwrap())
        .collect();
    let answers = at_once(drafts.len(), |index| submit(&member, &drafts[index]));
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    let over = answers.iter().filter(|answer| answer.code() == "order_amount_exceeded").count();
    assert_eq!((done, over), (4, 4));
}

#[test]
fn a_part_says_what_is_wrong_with_it() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let order = confirmed(&app, &member, 80_000);
    let line = json!([{"label": "x", "quantity": "1", "unit_price": eur(100)}]);
    for (what, pointer) in [
        (json!({"stage": "deposit"}), "/share"),
        (json!({"stage": "deposit", "share": "0"}), "/share"),
        (json!({"stage": "deposit", "share": "1.01"}), "/share"),
        (json!({"stage": "deposit", "share": "-0.5"}), "/share"),
        (json!({"stage": "deposit", "share": "half"}), "/share"),
        (json!({"stage": "balance", "share": "0.5"}), "/share"),
        (json!({"stage": "interim", "share": "0.5", "lines": line}), "/share"),
        (
            json!({"stage": "deposit", "order_id": null, "activity_id": member.activity_id, "client_id": member.client_id,
                "title": "x", "supplied_on": app.stage.today(), "lines": line}),
            "/order_id",
        ),
        (json!({"stage": "last"}), ""),
    ] {
        let answer = part(&member, &order, what.clone());
        assert!((400..500).contains(&answer.status), "{what}: {}", answer.status);
        let found = answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        assert!(pointer.is_empty() || found == pointer, "{what}: {}", answer.json());
    }
    assert_eq!(app.count("SELECT count(*) FROM invoice"), 0);
}

#[test]
fn an_entity_writes_its_numbers_its_own_way_from_a_year_without_any() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let administrator = &cast.staff.administrator;
    let path = format!("/v1/entities/{}/number_templates", cast.entity_id);
    let set = |series: &str, year: i32, template: &str| {
        administrator.post(&path, &json!({"series": series, "from_year": year, "template": template})).unwrap()
    };
    set("invoice", 2026, "OMB-{YY}-{SEQ:5}").expect(201).unwrap();
    let invoice = app.stage.submitted_invoice(&member, None, 10_000).unwrap();
    let invoice = app.stage.issue(&cast.staff.reviewer, &invoice).unwrap();
    assert_eq!(invoice.number, "OMB-26-00001");
    assert_eq!(set("invoice", 2026, "OTHER-{YY}-{SEQ:5}").code(), "series_begun");
    set("invoice", 2027, "N{YYYY}.{SEQ}").expect(201).unwrap();
    set("credit_note", 2026, "NC-{YYYY}-{SEQ:4}").expect(201).unwrap();
    for (series, template, code) in [
        ("credit_note", "N{YY}.{SEQ:8}", "number_template_collides"),
        ("invoice", "NC-{YY}-{SEQ}", "number_template_collides"),
        ("invoice", "{YYYY}{SEQ}", "number_template_invalid"),
        ("invoice", "{YYYY}/{SEQ}", "number_template_invalid"),
        ("invoice", "../{YYYY}-{SEQ}", "number_template_invalid"),
    ] {
        let refused = set(series, 2028, template);
        assert_eq!((refused.status, refused.json()["errors"][0]["code"].as_str()), (422, Some(code)), "{template}");
    }
    assert_eq!(set("invoice", 2025, "X{YYYY}.{SEQ}").status, 422, "a year that is over");
    app.stage.days_pass(300).unwrap();
    assert_eq!(app.stage.today().year(), 2027);
    let mut cast = cast;
    app.stage.office_returns(&mut cast, super::support::ADMIN).unwrap();
    let reviewer = &cast.staff.reviewer;
    let note = json!({"id": reviewer.new_id(), "reason": "Annulé", "full": true});
    let note = reviewer.post(&format!("/v1/invoices/{}/credit_notes", invoice.id), &note).unwrap().expect(201).unwrap();
    assert_eq!(
        (note["number"].as_str(), note["invoice_number"].as_str()),
        (Some("NC-2027-0001"), Some("OMB-26-00001"))
    );
}

#[test]
fn a_member_issues_alone_up_to_their_ceiling() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    let administrator = &cast.staff.administrator;
    let me = member.client.person_id.clone().unwrap();
    let path = format!("/v1/members/{me}/self_issue_ceilings");
    let draft = |net: i64| {
        let body = json!({"id": member.client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id,
                          "title": "x", "supplied_on": app.stage.today(),
                          "lines": [{"label": "x", "quantity": "1", "unit_price": eur(net)}]});
        member.client.post("/v1/invoices", &body).unwrap().expect(201).unwrap()
    };
    let self_issue = |invoice: &Value| {
        let path = format!("/v1/invoices/{}/self_issue", text(invoice, "id"));
        member.client.change(&path, version(invoice), &json!({})).unwrap()
    };
    let set = |cents: i64| {
        let body = json!({"id": administrator.new_id(), "ceiling": eur(cents), "valid_from": app.stage.today(), "reason": "Two years without a mistake"});
        app.stage.clock.advance(chrono::Duration::milliseconds(1));
        administrator.post(&path, &body).unwrap()
    };
    let small = draft(50_000);
    assert_eq!(self_issue(&small).code(), "above_own_ceiling");
    assert_eq!(app.count("SELECT count(*) FROM invoice WHERE state = 'draft'"), 1, "a refusal changes nothing");
    set(50_000).expect(201).unwrap();
    let done = self_issue(&small).expect(200).unwrap();
    assert_eq!((done["state"].as_str(), done["number"].as_str()), (Some("issued"), Some("2026-0001")));
    assert_eq!(self_issue(&draft(50_001)).code(), "above_own_ceiling");
    assert_eq!(self_issue(&done).code(), "already_issued");
    let waiting = submit(&member, &draft(100)).expect(200).unwrap();
    assert_eq!(self_issue(&waiting).expect(200).unwrap()["number"], "2026-0002");
    set(0).expect(201).unwrap();
    assert_eq!(self_issue(&draft(100)).code(), "above_own_ceiling");
    assert_eq!(set(-1).status, 422);
    let seen = member.client.get(&path).unwrap().expect(200).unwrap();
    assert_eq!(seen.as_array().map(Vec::len), Some(2));
    assert_eq!(other.client.get(&path).unwrap().status, 404);
    let theirs = format!("/v1/invoices/{}/self_issue", text(&waiting, "id"));
    assert_eq!(other.client.change(&theirs, 3, &json!({})).unwrap().status, 404);
}

/// By hand: without `check_self_issue` PostgreSQL lets a member's session issue what no ceiling covers.
#[test]
fn postgresql_lets_nobody_issue_their_own_invoice_beyond_a_ceiling() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let invoice = app.stage.submitted_invoice(&member, None, 10_000).unwrap();
    let id = text(&invoice, "id");
    let mut conn = app.database.owner();
    let sql = format!(
        "BEGIN; SELECT set_config('umbel.person', (SELECT member_id::text FROM invoice WHERE id = '{id}'), true); \
         UPDATE invoice SET state = 'issued', issued_on = '2026-05-04' WHERE id = '{id}'"
    );
    let refused = diesel::connection::SimpleConnection::batch_execute(&mut conn, &sql).unwrap_err();
    assert!(refused.to_string().contains("up to their ceiling"), "{refused}");
}

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";

#[test]
fn papers_go_with_an_invoice_until_it_is_handed_in() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    let body = json!({"id": member.client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id,
                      "title": "x", "supplied_on": app.stage.today(), "lines": [{"label": "x", "quantity": "1", "unit_price": eur(5_000)}]});
    let draft = member.client.post("/v1/invoices", &body).unwrap().expect(201).unwrap();
    let place = format!("/v1/invoices/{}/attachments", text(&draft, "id"));
    let add = |name: &str, bytes: &[u8]| {
        member.client.upload(&format!("{place}?name={name}"), "application/octet-stream", bytes).unwrap()
    };
    let sheet = add("hours.pdf", PDF).expect(201).unwrap();
    assert_eq!((sheet["n"].as_i64(), sheet["media_type"].as_str()), (Some(1), Some("application/pdf")));
    assert_eq!(add("hours.pdf", PDF).json()["errors"][0]["code"], "not_unique");
    for name in ["..%2Fx.pdf", "a%2Fb.pdf", "a%5Cb.pdf", "x%00.pdf", "x%E2%80%AEfdp.pdf", ""] {
        assert_eq!(add(name, PDF).json()["errors"][0]["pointer"], "/name", "{name}");
    }
    assert_eq!(add("x.exe", b"MZ\x90").status, 415);
    let long = [PDF, &vec![b' '; 2 * 1024 * 1024], b"%%EOF"].concat();
    assert_eq!(add("long.pdf", &long).json()["errors"][0]["code"], "too_long");
    let more: Vec<Value> = (2..=5).map(|n| add(&format!("{n}.pdf"), PDF).expect(201).unwrap()).collect();
    assert_eq!(add("6.pdf", PDF).code(), "attachments_full");
    member
        .client
        .change(&format!("/v1/invoice_attachments/{}/remove", text(&more[0], "id")), version(&draft), &json!({}))
        .unwrap()
        .expect(200)
        .unwrap();
    assert_eq!(count(&member.client.get(&place).unwrap().expect(200).unwrap()), 4);
    let first = format!("/v1/invoice_attachments/{}", text(&sheet, "id"));
    let file = cast.staff.reviewer.get(&first).unwrap();
    assert_eq!((file.status, file.body.as_slice()), (200, PDF));
    assert_eq!(other.client.get(&first).unwrap().status, 404);
    assert_eq!(other.client.get(&place).unwrap().status, 404);
    submit(&member, &draft).expect(200).unwrap();
    assert_eq!(add("late.pdf", PDF).code(), "state_conflict");
    assert_eq!(app.count("SELECT count(*) FROM invoice_attachment"), 4);
}

fn retainer(member: &MemberCast, first_on: NaiveDate, more: Value) -> Answer {
    let mut body = json!({"id": member.client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id,
                          "title": "Forfait {period}", "lines": [{"label": "Forfait", "quantity": "1", "unit_price": eur(40_000)}],
                          "every": 1, "unit": "month", "first_on": first_on});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    member.client.post("/v1/recurring_invoices", &body).unwrap()
}

#[test]
fn an_invoice_comes_again_on_each_of_its_days_once_also_after_days_without_the_program() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let first: NaiveDate = "2026-05-31".parse().unwrap();
    let made = retainer(&member, first, json!({"hands_in": true, "last_on": "2026-09-01"})).expect(201).unwrap();
    let id = text(&made, "id");
    app.stage.settle().unwrap();
    assert_eq!(app.count("SELECT count(*) FROM recurring_run"), 0, "its day has not come");
    // Nobody works for three months: each day is worked as the day it was, once.
    app.stage.days_pass(90).unwrap();
    app.stage.settle().unwrap();
    let member = MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member };
    let runs = member.client.get(&format!("/v1/recurring_invoices/{id}/runs")).unwrap().expect(200).unwrap();
    let days: Vec<_> = runs.as_array().unwrap().iter().map(|run| run["logical_on"].as_str().unwrap()).collect();
    assert_eq!(days, ["2026-07-31", "2026-06-30", "2026-05-31"]);
    let last = text(&runs[0], "invoice_id");
    let last = member.client.get(&format!("/v1/invoices/{last}")).unwrap().expect(200).unwrap();
    assert_eq!((last["state"].as_str(), last["title"].as_str()), (Some("submitted"), Some("Forfait 2026-07")));
    assert_eq!(last["supplied_on"], "2026-07-31");
    app.stage.mail_to(&member.email, "Forfait 2026-06").unwrap();
    app.stage.days_pass(60).unwrap();
    let member = MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member };
    let seen = member.client.get(&format!("/v1/recurring_invoices/{id}")).unwrap().expect(200).unwrap();
    assert_eq!((seen["state"].as_str(), seen["next_on"].as_str()), (Some("ended"), None));
    assert_eq!(app.count("SELECT count(*) FROM recurring_run"), 4);
    assert_eq!(app.count("SELECT count(*) FROM invoice"), 4);
}

#[test]
fn what_refuses_an_invoice_that_comes_again_pauses_it_and_is_told() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let made = retainer(&member, app.stage.today(), json!({})).expect(201).unwrap();
    let id = text(&made, "id");
    app.stage.settle().unwrap();
    assert_eq!(app.count("SELECT count(*) FROM invoice WHERE state = 'draft'"), 1);
    let activity = member.client.get(&format!("/v1/activities/{}", member.activity_id)).unwrap().expect(200).unwrap();
    let close = format!("/v1/activities/{}/close", member.activity_id);
    member.client.change(&close, version(&activity), &json!({})).unwrap().expect(200).unwrap();
    app.stage.days_pass(35).unwrap();
    let member = MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member };
    let path = format!("/v1/recurring_invoices/{id}");
    let seen = member.client.get(&path).unwrap().expect(200).unwrap();
    assert_eq!((seen["state"].as_str(), seen["stopped_by"].as_str()), (Some("paused"), Some("activity_closed")));
    let runs = member.client.get(&format!("{path}/runs")).unwrap().expect(200).unwrap();
    assert_eq!((runs[0]["refused_by"].as_str(), runs[0]["invoice_id"].as_str()), (Some("activity_closed"), None));
    let mail = app.stage.mail_to(&member.email, "Forfait 2026-06").unwrap();
    assert!(mail.contains("clôturée") || mail.contains("fermée"), "{mail}");
    let resumed =
        member.client.change(&format!("{path}/resume"), version(&seen), &json!({})).unwrap().expect(200).unwrap();
    assert_eq!((resumed["state"].as_str(), resumed["next_on"].as_str()), (Some("active"), Some("2026-07-04")));
    let ended =
        member.client.change(&format!("{path}/end"), version(&resumed), &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(ended["state"], "ended");
    let refused = member.client.change(&format!("{path}/resume"), version(&ended), &json!({})).unwrap();
    assert_eq!(refused.code(), "state_conflict");
}

#[test]
fn what_could_never_be_invoiced_does_not_come_again() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    let today = app.stage.today();
    for (more, pointer) in [
        (json!({"every": 0}), "/every"),
        (json!({"every": 25}), "/every"),
        (json!({"first_on": today.pred_opt()}), "/first_on"),
        (json!({"last_on": today.pred_opt()}), "/last_on"),
        (json!({"title": ""}), "/title"),
        (json!({"client_id": other.client_id}), ""),
        (json!({"lines": []}), "/lines"),
        (json!({"unit": "day"}), ""),
    ] {
        let answer = retainer(&member, today, more.clone());
        assert!((400..500).contains(&answer.status), "{more}: {}", answer.status);
        let found = answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        assert!(pointer.is_empty() || found == pointer, "{more}: {}", answer.json());
    }
    assert_eq!(app.count("SELECT count(*) FROM recurring_invoice"), 0);
    let made = retainer(&member, today, json!({})).expect(201).unwrap();
    let path = format!("/v1/recurring_invoices/{}", text(&made, "id"));
    assert_eq!(other.client.get(&path).unwrap().status, 404);
    assert_eq!(count(&other.client.get("/v1/recurring_invoices").unwrap().expect(200).unwrap()["data"]), 0);
}

/// A picture of one colour.
fn png(side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    let pixels = usize::try_from(side * side * 3).unwrap();
    writer.write_image_data(&vec![0x4D; pixels]).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn documents_look_as_their_entity_wants_and_those_that_are_made_stay_as_they_are() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let administrator = &cast.staff.administrator;
    let entity = format!("/v1/entities/{}", cast.entity_id);
    let pictures = |pdf: &[u8]| pdf.windows(6).filter(|at| at == b"/Image").count();
    let pdf_of = |id: &str| {
        let pdf = member.client.get(&format!("/v1/invoices/{id}/pdf")).unwrap();
        assert_eq!(pdf.status, 200);
        pdf.body
    };
    let invoice = |cents: i64| {
        let submitted = app.stage.submitted_invoice(&member, None, cents).unwrap();
        let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
        app.stage.settle().unwrap();
        invoiced
    };
    let before = invoice(10_000);
    let plain = pdf_of(&before.id);
    let logo = administrator.upload(&format!("{entity}/logos"), "application/octet-stream", &png(64)).unwrap();
    let logo = text(&logo.expect(201).unwrap(), "id");
    let set = |over: Value| {
        let mut body =
            json!({"id": administrator.new_id(), "main_colour": "#8b1a3a", "address_window": "left", "logo_id": logo});
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        administrator.post(&format!("{entity}/designs"), &body).unwrap()
    };
    for (wrong, pointer) in [
        (json!({"main_colour": "red"}), "/main_colour"),
        (json!({"main_colour": "#8B1A3A"}), "/main_colour"),
        (json!({"second_colour": "#12345"}), "/second_colour"),
        (json!({"logo_id": administrator.new_id()}), "/logo_id"),
    ] {
        assert_eq!(set(wrong).json()["errors"][0]["pointer"], pointer);
    }
    let upload =
        |bytes: &[u8]| administrator.upload(&format!("{entity}/logos"), "application/octet-stream", bytes).unwrap();
    assert_eq!(upload(PDF).status, 415);
    assert_eq!(upload(b"\x89PNG\r\n\x1a\n....IEND\xAEB`\x82").code(), "logo_not_usable");
    assert_eq!(upload(b"").status, 422);
    assert_eq!(member.client.get(&format!("{entity}/designs")).unwrap().status, 403);
    set(json!({})).expect(201).unwrap();
    let after = pdf_of(&invoice(10_000).id);
    assert_eq!((pictures(&plain) == pictures(&after), pdf_of(&before.id) == plain), (false, true));
    let seen = cast.staff.accountant.get(&format!("{entity}/designs")).unwrap().expect(200).unwrap();
    assert_eq!((count(&seen), seen[0]["main_colour"].as_str()), (1, Some("#8b1a3a")));
}
