//! Electronic invoices as the people live them: each VAT case, discounts and exact prices, identifiers, and what is
//! refused before anything is written.

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client, MemberCast};
use umbel::formats::letters::Letter;

use super::credit_notes::{credit, full, left_in_the_books};
use super::support::TestApp;
use super::world::text;

/// `over` laid over `base`, field by field; `null` takes a field away.
pub(super) fn with(mut base: Value, over: Value) -> Value {
    for (name, value) in over.as_object().unwrap() {
        if value.is_null() {
            base.as_object_mut().unwrap().remove(name);
        } else {
            base[name] = value.clone();
        }
    }
    base
}

pub(super) fn eur(cents: i64) -> Value {
    json!({"amount_minor": cents, "currency": "EUR"})
}

pub(super) fn line(quantity: &str, cents: i64, over: Value) -> Value {
    with(json!({"label": "Illustrations", "quantity": quantity, "unit_price": eur(cents)}), over)
}

fn client_body(member: &Client, over: Value) -> Value {
    let base = json!({
        "id": member.new_id(), "name": "Atelier Sud SARL", "kind": "business", "email": "buyer@client.example", "language": "fr",
        "vat_number": "BE0403019261",
        "address": {"street": "Rue Basse", "building_number": "3", "postcode": "1000", "town": "Bruxelles", "country": "BE"},
    });
    with(base, over)
}

/// The address of a client in another country.
pub(super) fn at(country: &str, postcode: &str, town: &str) -> Value {
    json!({"street": "Main Street", "building_number": "1", "postcode": postcode, "town": town, "country": country})
}

/// A client like a Belgian enterprise but for `over`. Answers its id.
pub(super) fn client(member: &MemberCast, over: Value) -> String {
    let body = client_body(&member.client, over);
    text(&member.client.post("/v1/clients", &body).unwrap().expect(201).unwrap(), "id")
}

pub(super) fn french(member: &MemberCast) -> String {
    let over = json!({"vat_number": "FR96552100554", "enterprise_number": "552 100 554 00013", "address": at("FR", "75001", "Paris")});
    client(member, over)
}

/// An enterprise outside the Union, reached under its GLN.
pub(super) fn american(member: &MemberCast) -> String {
    let over = json!({"name": "Acme Inc.", "language": "en", "vat_number": null, "gln": "5412345000013", "address": at("US", "10001", "New York")});
    client(member, over)
}

pub(super) fn draft_body(app: &TestApp, member: &MemberCast, over: Value) -> Value {
    let base = json!({
        "id": member.client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id, "title": "Illustrations",
        "supplied_on": app.stage.today(), "lines": [line("1", 100_000, json!({}))],
    });
    with(base, over)
}

fn version(value: &Value) -> i64 {
    value["version"].as_i64().unwrap()
}

pub(super) fn submitted(app: &TestApp, member: &MemberCast, over: Value) -> Value {
    let seen = member.client.post("/v1/invoices", &draft_body(app, member, over)).unwrap().expect(201).unwrap();
    let place = format!("/v1/invoices/{}/submit", text(&seen, "id"));
    member.client.change(&place, version(&seen), &json!({})).unwrap().expect(200).unwrap()
}

/// An invoice like one of a thousand euro but for `over`, issued. Answers what the office sees.
pub(super) fn issued(app: &TestApp, cast: &Cast, member: &MemberCast, over: Value) -> Value {
    let submitted = submitted(app, member, over);
    app.stage.issue(&cast.staff.reviewer, &submitted).unwrap().view
}

pub(super) fn file(client: &Client, kind: &str, id: &str, form: &str) -> Answer {
    client.get(&format!("/v1/{kind}/{id}/{form}")).unwrap()
}

fn xml(client: &Client, kind: &str, id: &str, form: &str) -> String {
    let answer = file(client, kind, id, form);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/xml")), "{kind} {form}");
    String::from_utf8(answer.body).unwrap()
}

fn figures(view: &Value) -> [i64; 3] {
    ["total_net", "total_vat", "total_gross"].map(|name| view[name]["amount_minor"].as_i64().unwrap())
}

/// Pointers and codes of a refused body.
fn wrong(answer: &Answer) -> (u16, Vec<String>) {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    (answer.status, errors.iter().map(|error| text(error, "pointer")).collect())
}

#[test]
fn an_invoice_is_paid_to_the_account_that_it_was_issued_with() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let second = json!({"id": cast.staff.administrator.new_id(), "iban": "BE30001216371411", "bic": "GEBABEBB", "currency": "EUR"});
    let path = format!("/v1/entities/{}/bank_accounts", cast.entity_id);
    cast.staff.administrator.post(&path, &second).unwrap().expect(201).unwrap();
    let id = text(&issued(&app, &cast, &member, json!({})), "id");
    // As if it had been issued while the second account was the first one.
    let url = app.database.owner_url.replace("user=umbel_owner", "user=postgres");
    let moved = format!(
        "SET session_replication_role = replica; UPDATE invoice SET bank_account_id = '{}' WHERE id = '{id}'",
        text(&second, "id")
    );
    PgConnection::establish(&url).unwrap().batch_execute(&moved).unwrap();
    let package = umbel::invoicing::jobs::prepare(&app.db, umbel::kernel::ids::InvoiceId(id.parse().unwrap())).unwrap();
    let Letter::InvoiceToClient { iban, .. } = package.letter.letter else { panic!("another mail") };
    assert_eq!(iban, "BE30001216371411", "in the mail and the PDF");
    let ubl = xml(&member.client, "invoices", &id, "ubl");
    assert!(ubl.contains("BE30001216371411") && !ubl.contains("BE68539007547034"), "{ubl}");
}

#[test]
fn the_client_gets_the_pdf_and_the_electronic_invoice_which_stay_what_they_are() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let order = json!({"purchase_order": "PO-77", "buyer_reference": "Dept. 4"});
    let view = issued(&app, &cast, &member, order);
    let id = text(&view, "id");
    assert_eq!(file(&member.client, "invoices", &id, "ubl").status, 404);
    app.stage.settle().unwrap();
    let ubl = xml(&member.client, "invoices", &id, "ubl");
    let number = text(&view, "number");
    for part in [
        &format!("<cbc:ID>{number}</cbc:ID>"),
        "<cbc:BuyerReference>Dept. 4</cbc:BuyerReference>",
        "<cac:OrderReference><cbc:ID>PO-77</cbc:ID>",
        "<cbc:EndpointID schemeID=\"0208\">0403019261</cbc:EndpointID>",
        "<cbc:PayableAmount currencyID=\"EUR\">1210.00</cbc:PayableAmount>",
        &text(&view, "payment_reference"),
        "BE68539007547034",
    ] {
        let flat = ubl.lines().map(str::trim).collect::<String>();
        assert!(flat.contains(part), "{part} in {ubl}");
    }
    let cii = xml(&member.client, "invoices", &id, "cii");
    assert!(cii.contains("<ram:GrandTotalAmount>1210.00</ram:GrandTotalAmount>"), "{cii}");
    // Made again after the mail was lost, it is still the same file.
    umbel::invoicing::jobs::prepare(&app.db, umbel::kernel::ids::InvoiceId(id.parse().unwrap())).unwrap();
    assert_eq!(xml(&member.client, "invoices", &id, "ubl"), ubl);
    assert_eq!(
        app.count("SELECT count(*) FROM archived_file WHERE kind IN ('invoice_ubl', 'invoice_cii', 'invoice_pdf')"),
        3
    );
    let mails = app.stage.mails.messages();
    let sent = mails.iter().rev().find(|mail| mail.to.contains(&member.client_email)).unwrap();
    let raw = String::from_utf8_lossy(&sent.raw);
    assert!(raw.contains(&format!("{number}.pdf")) && raw.contains(&format!("{number}-ubl.xml")), "{raw}");

    let note = credit(&cast.staff.reviewer, &id, &full(&cast.staff.reviewer)).expect(201).unwrap();
    app.stage.settle().unwrap();
    let flat =
        xml(&member.client, "credit_notes", &text(&note, "id"), "ubl").lines().map(str::trim).collect::<String>();
    assert!(
        flat.contains("<CreditNote ") && flat.contains(&format!("<cac:InvoiceDocumentReference><cbc:ID>{number}")),
        "{flat}"
    );
    assert!(
        xml(&member.client, "credit_notes", &text(&note, "id"), "cii").contains("<ram:TypeCode>381</ram:TypeCode>")
    );
    // Somebody else's are not there.
    let mut cast = cast;
    let other = app.another_member(&mut cast);
    assert_eq!(file(&other.client, "invoices", &id, "ubl").status, 404);
}

#[test]
fn the_answer_of_the_vat_registry_is_kept_with_a_reverse_charge() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let lines = json!([line("1", 50_000, json!({"vat_case": "reverse_charge"}))]);
    let buyer = french(&member);
    let view = issued(&app, &cast, &member, json!({"client_id": buyer, "lines": lines}));
    assert_eq!(figures(&view), [50_000, 0, 50_000]);
    app.stage.settle().unwrap();
    let ubl = xml(&member.client, "invoices", &text(&view, "id"), "ubl");
    for part in ["VATEX-EU-AE", "BE0123456749", "FR96552100554", "Autoliquidation"] {
        assert!(ubl.contains(part), "{part} in {ubl}");
    }
    let proofs =
        "SELECT count(*) FROM invoice WHERE buyer_snapshot #>> '{vat_proof,consultation}' = 'FIXTURE-FR96552100554'";
    assert_eq!(app.count(proofs), 1);
    // A number that does not exist: the registry is asked when the draft is handed in, which it then is not.
    let over = json!({"vat_number": "DE000000000", "address": at("DE", "10115", "Berlin")});
    let unknown = client(&member, over);
    let body = draft_body(&app, &member, json!({"client_id": unknown, "lines": lines}));
    let seen = member.client.post("/v1/invoices", &body).unwrap().expect(201).unwrap();
    let place = format!("/v1/invoices/{}/submit", text(&seen, "id"));
    let refused = member.client.change(&place, version(&seen), &json!({})).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (422, "vat_case_mismatch"));
    assert_eq!(refused.json()["params"]["reason"], "buyer_vat_number_not_registered", "{}", refused.json());
    assert_eq!(app.count("SELECT count(*) FROM invoice WHERE state = 'draft'"), 1);
    // One that was changed after that: nothing is issued before somebody has asked about it.
    let waiting = submitted(&app, &member, json!({"client_id": buyer, "lines": lines}));
    let seen = member.client.get(&format!("/v1/clients/{buyer}")).unwrap().json();
    let other = json!({"vat_number": "FR40303265045", "enterprise_number": null});
    member.client.patch(&format!("/v1/clients/{buyer}"), version(&seen), &other).unwrap().expect(200).unwrap();
    let place = format!("/v1/invoices/{}/issue", text(&waiting, "id"));
    let refused = cast.staff.reviewer.change(&place, version(&waiting), &json!({})).unwrap();
    assert_eq!((refused.status, &refused.json()["params"]["reason"]), (422, &json!("buyer_vat_number_not_checked")));
    cast.staff.reviewer.post(&format!("/v1/clients/{buyer}/check_vat"), &json!({})).unwrap().expect(200).unwrap();
    app.stage.issue(&cast.staff.reviewer, &waiting).unwrap();
}

#[test]
fn every_vat_case_says_what_the_law_wants() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let (us, why) = (american(&member), "Renovation of a dwelling older than ten years");
    let line = |cents, case: &str, over| line("1", cents, with(json!({"vat_case": case}), over));
    let justified = || json!({"vat_justification": why});
    let mixed = json!([
        line(10_000, "standard", json!({})),
        line(10_000, "intermediate", justified()),
        line(10_000, "reduced", justified())
    ]);
    let cases = [
        (json!({"lines": mixed}), [30_000, 3_900, 33_900], vec![">12<", ">6<", ">21<", why]),
        (json!({"lines": [line(10_000, "zero", json!({}))]}), [10_000, 0, 10_000], vec![">Z<"]),
        (json!({"lines": [line(10_000, "exempt", json!({}))]}), [10_000, 0, 10_000], vec!["VATEX-EU-132", "art. 44"]),
        (
            json!({"client_id": us, "lines": [line(10_000, "outside_scope", json!({}))]}),
            [10_000, 0, 10_000],
            vec!["VATEX-EU-O", "5412345000013"],
        ),
        (
            json!({"client_id": us, "lines": [line(10_000, "export", json!({}))]}),
            [10_000, 0, 10_000],
            vec!["VATEX-EU-G"],
        ),
    ];
    for (over, expected, parts) in cases {
        let view = issued(&app, &cast, &member, over.clone());
        assert_eq!(figures(&view), expected, "{over}");
        app.stage.settle().unwrap();
        let ubl = xml(&member.client, "invoices", &text(&view, "id"), "ubl");
        for part in parts {
            assert!(ubl.contains(part), "{part} in {ubl}");
        }
    }
    let list = |path: &str| member.client.get(path).unwrap();
    let cases = list("/v1/vat_cases?country=BE&on=2026-05-04").expect(200).unwrap();
    let names: Vec<String> = cases.as_array().unwrap().iter().map(|case| text(case, "vat_case")).collect();
    let all = ["standard", "intermediate", "reduced", "reverse_charge", "outside_scope", "export", "exempt", "zero"];
    assert_eq!(names, all);
    assert_eq!((&cases[1]["rate"], &cases[1]["needs_justification"]), (&json!("0.12"), &json!(true)));
    let standard = |country: &str, on: &str| {
        let cases = list(&format!("/v1/vat_cases?country={country}&on={on}")).expect(200).unwrap();
        text(&cases[0], "rate")
    };
    let rates =
        [("FR", "0.2"), ("DE", "0.19"), ("NL", "0.21"), ("LU", "0.17"), ("IT", "0.22"), ("ES", "0.21"), ("AT", "0.2")];
    for (country, rate) in rates {
        assert_eq!(standard(country, "2026-05-04"), rate, "{country}");
    }
    assert_eq!([standard("DE", "2020-12-31"), standard("LU", "2023-06-30")], ["0.16", "0.16"]);
    assert_eq!(wrong(&list("/v1/vat_cases?country=be&on=2026-05-04")), (422, vec!["/country".to_owned()]));
}

#[test]
fn discounts_and_charges_come_off_and_a_last_credit_note_leaves_nothing() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let loyal = json!([{"kind": "discount", "rate": "0.1", "reason": "Regular client"}, {"kind": "charge", "amount": eur(500), "reason": "Courier"}]);
    let lines = json!([
        line("3.5", 8_731, json!({"unit": "HUR", "exact_unit_price": "87.3125", "adjustments": loyal})),
        line("1", 10_000, json!({})),
    ]);
    let on_all = json!([{"kind": "discount", "rate": "0.05", "reason": "Early booking"}, {"kind": "charge", "amount": eur(333), "reason": "Files"}]);
    let view = issued(&app, &cast, &member, json!({"lines": lines, "adjustments": on_all}));
    // 3.5 x 87.3125 = 305.59; less 30.56, and 5.00: 280.03. Less 5 % of 380.03, and 3.33.
    let id = text(&view, "id");
    assert_eq!(figures(&view), [36_436, 7_652, 44_088], "{view}");
    assert_eq!(view["lines"][0]["net"], eur(28_003));
    assert_eq!(view["adjustments"][0]["net"], eur(-1_900));
    let ubl = || xml(&member.client, "invoices", &id, "ubl");
    app.stage.settle().unwrap();
    for part in [">87.3125<", ">30.56<", ">19.00<", ">3.33<", "unitCode=\"HUR\"", "Early booking"] {
        assert!(ubl().contains(part), "{part} in {}", ubl());
    }
    let mut given = [0_i64; 3];
    let part = |n: i32, cents: i64| json!({"id": member.client.new_id(), "reason": "Less was done", "lines": [{"n": n, "net": eur(cents)}]});
    for body in [part(1, 9_999), part(2, 3_333), full(&member.client)] {
        let note = credit(&cast.staff.reviewer, &id, &body).expect(201).unwrap();
        for (sum, of) in given.iter_mut().zip(figures(&note)) {
            *sum += of;
        }
    }
    assert_eq!(given, figures(&view));
    assert_eq!(left_in_the_books(&app, &id), 0);
    let seen = member.client.get(&format!("/v1/invoices/{id}")).unwrap().json();
    for row in seen["lines"].as_array().unwrap().iter().chain(seen["adjustments"].as_array().unwrap()) {
        assert_eq!(row["net"], row["credited"], "{row}");
    }
    assert_eq!(seen["open"], eur(0));
    app.stage.settle().unwrap();
}

#[test]
fn an_order_hands_its_lines_and_references_to_the_invoice() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let today = app.stage.today();
    let order = json!({
        "id": member.client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id, "title": "Plates",
        "work_ends_on": today, "valid_until": today, "purchase_order": "PO-9", "buyer_reference": "R-9",
        "lines": [line("2.25", 4_000, json!({"unit": "DAY", "adjustments": [{"kind": "discount", "amount": eur(1_000), "reason": "First time"}]}))],
        "adjustments": [{"kind": "charge", "amount": eur(250), "reason": "Postage"}],
    });
    let seen = member.client.post("/v1/orders", &order).unwrap().expect(201).unwrap();
    assert_eq!(figures(&seen), [8_250, 1_733, 9_983]);
    let id = text(&seen, "id");
    let mended = member
        .client
        .patch(&format!("/v1/orders/{id}"), version(&seen), &json!({"title": "Six plates"}))
        .unwrap()
        .expect(200)
        .unwrap();
    assert_eq!(figures(&mended), figures(&seen));
    member.client.change(&format!("/v1/orders/{id}/send"), version(&mended), &json!({})).unwrap().expect(200).unwrap();
    app.stage.settle().unwrap();
    let token = app.stage.token_to(&member.client_email, "/o/").unwrap();
    let page = String::from_utf8(app.visitor().get(&format!("/o/{token}")).unwrap().body).unwrap();
    assert!(page.contains("First time") && page.contains("Postage"), "{page}");
    let offer = app.visitor().get(&format!("/v1/order_links/{token}")).unwrap().expect(200).unwrap();
    let answer = json!({"document_sha256": text(&offer, "document_sha256"), "signer_name": "Łukasz Øster"});
    app.visitor().post(&format!("/v1/order_links/{token}/confirm"), &answer).unwrap().expect(200).unwrap();
    let draft = json!({"id": member.client.new_id(), "order_id": id});
    let drafted = member.client.post("/v1/invoices", &draft).unwrap().expect(201).unwrap();
    assert_eq!(figures(&drafted), figures(&seen));
    assert_eq!((&drafted["purchase_order"], &drafted["buyer_reference"]), (&json!("PO-9"), &json!("R-9")));
    assert_eq!(drafted["lines"][0]["unit"], "DAY");
    // Rewriting something else keeps them all.
    let place = format!("/v1/invoices/{}", text(&drafted, "id"));
    let mended =
        member.client.patch(&place, version(&drafted), &json!({"title": "Six plates"})).unwrap().expect(200).unwrap();
    assert_eq!((figures(&mended), &mended["adjustments"]), (figures(&seen), &drafted["adjustments"]));
    let waiting =
        member.client.change(&format!("{place}/submit"), version(&mended), &json!({})).unwrap().expect(200).unwrap();
    let view = app.stage.issue(&cast.staff.reviewer, &waiting).unwrap().view;
    assert_eq!((figures(&view), &view["purchase_order"]), (figures(&seen), &json!("PO-9")));
    app.stage.settle().unwrap();
}

#[test]
fn what_a_document_must_not_say_is_refused_by_its_field_and_nothing_is_written() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let (fr, us) = (french(&member), american(&member));
    let one = |over| json!({"lines": [line("1", 10_000, over)]});
    let case = |case: &str| json!({"vat_case": case});
    let on_all =
        |over| json!({"adjustments": [with(json!({"kind": "discount", "amount": eur(100), "reason": "x"}), over)]});
    let on_line = |over| {
        one(json!({"adjustments": [with(json!({"kind": "discount", "amount": eur(100), "reason": "x"}), over)]}))
    };
    let two = |first: &str, second: &str| json!([line("1", 10_000, case(first)), line("1", 10_000, case(second))]);
    let refused: Vec<(Value, &str)> = vec![
        (one(json!({"unit": "HOURS"})), "/lines/0/unit"),
        (one(json!({"unit": "ZZZ"})), "/lines/0/unit"),
        (one(json!({"exact_unit_price": "99.99"})), "/lines/0/exact_unit_price"),
        (one(json!({"exact_unit_price": "100.00001"})), "/lines/0/exact_unit_price"),
        (on_line(json!({"amount": eur(10_001)})), "/lines/0/adjustments"),
        (on_line(json!({"amount": eur(0)})), "/lines/0/adjustments/0/amount/amount_minor"),
        (on_line(json!({"amount": eur(-5)})), "/lines/0/adjustments/0/amount/amount_minor"),
        (on_line(json!({"amount": null})), "/lines/0/adjustments/0/amount"),
        (on_line(json!({"reason": ""})), "/lines/0/adjustments/0/reason"),
        (on_line(json!({"rate": "0.1"})), "/lines/0/adjustments/0/amount"),
        (on_line(json!({"amount": null, "rate": "0"})), "/lines/0/adjustments/0/rate"),
        (on_line(json!({"vat_case": "zero"})), "/lines/0/adjustments/0/vat_case"),
        (on_all(json!({"amount": eur(100_001)})), "/adjustments"),
        (on_all(json!({"vat_case": "zero"})), "/adjustments/0/vat_case"),
        (one(case("intermediate")), "/lines/0/vat_justification"),
        (one(case("reduced")), "/lines/0/vat_justification"),
        (one(with(case("reduced"), json!({"vat_justification": ""}))), "/lines/0/vat_justification"),
        (one(case("reverse_charge")), "/lines/0/vat_case"),
        (one(case("outside_scope")), "/lines/0/vat_case"),
        (one(case("export")), "/lines/0/vat_case"),
        (with(one(json!({})), json!({"client_id": fr})), "/lines/0/vat_case"),
        (json!({"client_id": fr, "lines": two("reverse_charge", "exempt")}), "/lines/1/vat_case"),
        (json!({"client_id": us, "lines": two("outside_scope", "export")}), "/lines/1/vat_case"),
        (json!({"client_id": us, "lines": two("export", "outside_scope")}), "/lines/1/vat_case"),
        (json!({"purchase_order": "x".repeat(51)}), "/purchase_order"),
        (json!({"purchase_order": "\u{202E}1"}), "/purchase_order"),
    ];
    for (over, pointer) in refused {
        let answer = member.client.post("/v1/invoices", &draft_body(&app, &member, over.clone())).unwrap();
        assert_eq!(wrong(&answer), (422, vec![pointer.to_owned()]), "{over}: {}", answer.json());
    }
    let mixed = on_all(json!({}));
    let mixed = with(mixed, json!({"lines": [line("1", 10_000, json!({})), line("1", 10_000, case("zero"))]}));
    let answer = member.client.post("/v1/invoices", &draft_body(&app, &member, mixed)).unwrap();
    assert_eq!(wrong(&answer), (422, vec!["/adjustments/0/vat_case".to_owned()]));
    let garbled = one(json!({"adjustments": [{"kind": "discount", "rate": "1.5", "reason": "x"}]}));
    assert!(
        (400..500).contains(&member.client.post("/v1/invoices", &draft_body(&app, &member, garbled)).unwrap().status)
    );
    assert_eq!(app.count("SELECT count(*) FROM invoice"), 0);
    assert_eq!(app.count("SELECT count(*) FROM invoice_line"), 0);

    // What only the rules of electronic invoices refuse stops at the desk, and the draft stays a draft.
    let seen = member
        .client
        .post("/v1/invoices", &draft_body(&app, &member, json!({"buyer_reference": "a\tb"})))
        .unwrap()
        .expect(201)
        .unwrap();
    let place = format!("/v1/invoices/{}/submit", text(&seen, "id"));
    let answer = member.client.change(&place, version(&seen), &json!({})).unwrap();
    assert_eq!(
        (answer.code().as_str(), wrong(&answer)),
        ("einvoice_refused", (422, vec!["/buyer_reference".to_owned()]))
    );
    assert_eq!(answer.json()["params"]["rule"], "XML-CHARACTERS", "{}", answer.json());
    assert_eq!(app.count("SELECT count(*) FROM invoice WHERE state <> 'draft'"), 0);
    // The same at the issue, when a party has changed since: the number is not used up.
    let waiting = submitted(&app, &member, json!({}));
    diesel::RunQueryDsl::execute(
        diesel::sql_query("UPDATE client SET electronic_address = '0208:0123456748'"),
        &mut app.database.owner(),
    )
    .unwrap();
    let place = format!("/v1/invoices/{}/issue", text(&waiting, "id"));
    let answer = cast.staff.reviewer.change(&place, version(&waiting), &json!({})).unwrap();
    let expected = (422, vec!["/buyer/electronic_address/value".to_owned()]);
    assert_eq!((answer.code().as_str(), wrong(&answer)), ("einvoice_refused", expected));
    assert_eq!(
        app.count("SELECT count(*) FROM invoice WHERE state = 'issued'")
            + app.count("SELECT count(*) FROM document_series"),
        0
    );
}

#[test]
fn numbers_that_check_themselves_are_checked_where_they_are_written() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let refused: Vec<(Value, &str)> = vec![
        (json!({"vat_number": "BE0403019262"}), "/vat_number"),
        (json!({"vat_number": "FR96552100554"}), "/vat_number"),
        (json!({"enterprise_number": "0403.019.262"}), "/enterprise_number"),
        (json!({"enterprise_number": "0123456749"}), "/enterprise_number"),
        (
            json!({"vat_number": null, "enterprise_number": "552100555", "address": at("FR", "75001", "Paris")}),
            "/enterprise_number",
        ),
        (
            json!({"vat_number": null, "enterprise_number": "55210055400014", "address": at("FR", "75001", "Paris")}),
            "/enterprise_number",
        ),
        (json!({"gln": "5412345000014"}), "/gln"),
        (json!({"electronic_address": "0208:0403019262"}), "/electronic_address"),
        (json!({"electronic_address": "9999:1"}), "/electronic_address"),
        (json!({"electronic_address": "0403019261"}), "/electronic_address"),
        (json!({"contact_name": ""}), "/contact_name"),
        (json!({"contact_phone": "1".repeat(31)}), "/contact_phone"),
    ];
    let before = app.count("SELECT count(*) FROM client");
    for (over, pointer) in refused {
        let answer = member.client.post("/v1/clients", &client_body(&member.client, over.clone())).unwrap();
        assert_eq!(wrong(&answer), (422, vec![pointer.to_owned()]), "{over}: {}", answer.json());
    }
    assert_eq!(app.count("SELECT count(*) FROM client"), before);
    let over = json!({"enterprise_number": "0403.019.261", "gln": "5412345000013", "electronic_address": "9925:BE0403019261",
                      "contact_name": "Noor Peeters", "contact_phone": "+32 2 555 00 00"});
    let id = client(&member, over);
    let seen = member.client.get(&format!("/v1/clients/{id}")).unwrap().json();
    assert_eq!((&seen["enterprise_number"], &seen["gln"]), (&json!("0403019261"), &json!("5412345000013")));
    let view = issued(&app, &cast, &member, json!({"client_id": id}));
    app.stage.settle().unwrap();
    let ubl = xml(&member.client, "invoices", &text(&view, "id"), "ubl");
    for part in
        ["schemeID=\"9925\">BE0403019261<", "schemeID=\"0088\">5412345000013<", "Noor Peeters", "+32 2 555 00 00"]
    {
        assert!(ubl.contains(part), "{part} in {ubl}");
    }
    let gone = json!({"gln": null, "contact_name": null});
    let seen = member.client.patch(&format!("/v1/clients/{id}"), version(&seen), &gone).unwrap().expect(200).unwrap();
    assert_eq!((&seen["gln"], &seen["electronic_address"]), (&Value::Null, &json!("9925:BE0403019261")));
    // Documents that are out keep what they said.
    assert_eq!(xml(&member.client, "invoices", &text(&view, "id"), "ubl"), ubl);
    // A private person has no number, and gets the XML of Factur-X.
    let person = client(&member, json!({"kind": "consumer", "vat_number": null}));
    let view = issued(&app, &cast, &member, json!({"client_id": person}));
    app.stage.settle().unwrap();
    assert_eq!(file(&member.client, "invoices", &text(&view, "id"), "ubl").status, 404);
    assert_eq!(file(&member.client, "invoices", &text(&view, "id"), "cii").status, 200);
}
