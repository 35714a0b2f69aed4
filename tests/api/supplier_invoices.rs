//! Electronic invoices of suppliers: read from strangers, kept byte for byte, matched to costs.

use chrono::NaiveDate;
use serde_json::{Value, json};
use umbel::demo::{Answer, Client};
use umbel::formats::einvoice::{
    Account, Address, Category, Document, Facts, Identifier, Kind, Line, Party, Payment, Preceding, Vat, cii,
    ubl as ubl_out,
};
use umbel::kernel::money::{Currency, Ppm};

use super::costs::{approve, available, booked, eur, second_reviewer};
use super::support::TestApp;

fn party(name: &str, vat: &str) -> Party {
    let number = Identifier::of("0208", &vat[2..]);
    Party {
        name: name.to_owned(),
        vat_id: Some(vat.to_owned()),
        registration: Some(number.clone()),
        electronic_address: Some(number),
        address: Address { city: Some("Bruxelles".to_owned()), country: "BE".to_owned(), ..Address::default() },
        ..Party::default()
    }
}

/// What a supplier of paper asks of the mutual.
fn facts(kind: Kind, number: &str, lines: &[(&str, &str)]) -> Facts {
    let on: NaiveDate = "2026-05-04".parse().unwrap();
    let parties = (party("Papeterie du Nord SRL", "BE0403019261"), party("Ombelle", "BE0123456749"));
    let vat = Vat { category: Category::Standard, rate: Ppm(210_000) };
    let mut facts = Facts::new(kind, number, on, Currency::EUR, parties);
    facts.due_on = Some(on + chrono::Days::new(30));
    facts.buyer_reference = Some("Studio".to_owned());
    let account = Account { id: "BE68539007547034".to_owned(), name: None, bic: None };
    facts.payment =
        Some(Payment { means: "30".to_owned(), reference: Some("+++1+++".to_owned()), accounts: vec![account] });
    let line = |(n, (name, price)): (usize, &(&str, &str))| {
        Line::new((n + 1).to_string(), *name, 1.into(), "C62", price.parse().unwrap(), vat)
    };
    facts.lines = lines.iter().enumerate().map(line).collect();
    facts
}

/// The same as UBL.
pub fn ubl(number: &str, lines: &[(&str, &str)]) -> String {
    let document = Document::new(facts(Kind::Invoice, number, lines)).unwrap();
    String::from_utf8(ubl_out::write(&document).unwrap()).unwrap()
}

fn bring(reviewer: &Client, xml: &str) -> Answer {
    reviewer.upload("/v1/supplier_invoices", "application/xml", xml.as_bytes()).unwrap()
}

fn place(view: &Value, command: &str) -> String {
    format!("/v1/supplier_invoices/{}/{command}", view["id"].as_str().unwrap())
}

#[test]
fn an_invoice_of_121_is_read_kept_shown_and_becomes_a_cost_with_its_document() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    super::costs::paid(&app, &mut cast, &member, 100_000);
    let reviewer = &cast.staff.reviewer;
    let xml = ubl("F-2026-1", &[("Paper, A3", "60.00"), ("Ink", "40.00")]);
    let view = bring(reviewer, &xml).expect(201).unwrap();
    assert_eq!((&view["supplier"], &view["number"]), (&json!("Papeterie du Nord SRL"), &json!("F-2026-1")));
    let totals = ["net", "vat", "gross", "payable"].map(|name| view[name]["amount_minor"].as_i64().unwrap());
    assert_eq!(totals, [10_000, 2_100, 12_100, 12_100]);
    assert_eq!((&view["state"], &view["already_known"]), (&json!("received"), &json!(false)));
    let document = &view["document"];
    assert_eq!(document["lines"][1]["name"], "Ink");
    assert_eq!(document["vat"][0]["tax"], eur(2_100));
    assert_eq!((&document["faults"], &document["differences"]), (&json!([]), &json!([])));
    let file = reviewer.get(&place(&view, "file")).unwrap();
    assert_eq!((file.status, file.body.as_slice()), (200, xml.as_bytes()), "byte for byte");
    assert_eq!(member.client.get("/v1/supplier_invoices").unwrap().status, 403);

    let again = bring(reviewer, &xml).expect(201).unwrap();
    assert_eq!(
        (&again["id"], &again["already_known"]),
        (&view["id"], &json!(true)),
        "the same bytes are the same invoice"
    );
    let other = bring(reviewer, &xml.replace("Ink", "Red ink"));
    assert_eq!((other.status, other.code().as_str()), (409, "supplier_invoice_known"));
    assert_eq!(app.count("SELECT count(*) FROM supplier_invoice"), 1);

    let cost = reviewer.new_id();
    let body = json!({"cost": {"id": cost, "activity_id": member.activity_id, "description": "Paper", "recoverable_vat": eur(2_100)}});
    let dry = reviewer.change(&format!("{}?dry_run=true", place(&view, "match")), 1, &body).unwrap();
    assert_eq!((dry.status, dry.json()["state"].clone()), (200, json!("matched")));
    assert_eq!(app.count("SELECT count(*) FROM cost"), 0, "a dry run keeps nothing");
    let matched = reviewer.change(&place(&view, "match"), 1, &body).unwrap().expect(200).unwrap();
    assert_eq!((&matched["state"], &matched["cost_id"]), (&json!("matched"), &json!(cost)));
    let twice = reviewer.change(&place(&view, "match"), 2, &body).unwrap();
    assert_eq!((twice.status, twice.code().as_str()), (409, "state_conflict"));
    let shown = member.client.get(&format!("/v1/costs/{cost}")).unwrap().expect(200).unwrap();
    assert_eq!((&shown["gross"], &shown["charged"]), (&eur(12_100), &eur(10_000)));
    assert_eq!((&shown["supplier"], &shown["reference"]), (&json!("Papeterie du Nord SRL"), &json!("F-2026-1")));
    let copy = member.client.get(&format!("/v1/costs/{cost}/document")).unwrap();
    assert_eq!(
        (copy.status, copy.body.as_slice()),
        (200, xml.as_bytes()),
        "the member reads the document of their cost"
    );
    let second = second_reviewer(&app, &cast);
    approve(&second, &shown).expect(200).unwrap();
    assert_eq!(available(&app, &member.activity_id), 92_500 - 10_000);
    assert_eq!(booked(&app, "supplier_payable"), -12_100);

    // The supplier takes the ink back.
    let mut note = facts(Kind::CreditNote, "C-1", &[("Ink", "40.00")]);
    note.preceding = vec![Preceding { number: "F-2026-1".to_owned(), issued_on: None }];
    let note = cii::write(&Document::new(note).unwrap());
    let note = bring(&second, &String::from_utf8(note).unwrap()).expect(201).unwrap();
    assert_eq!((&note["kind"], &note["syntax"]), (&json!("credit_note"), &json!("cii")));
    let as_cost = second.change(&place(&note, "match"), 1, &body).unwrap();
    assert_eq!((as_cost.status, as_cost.json()["errors"][0]["pointer"].clone()), (422, json!("/cost")));
    let credit = json!({"credit": {"id": second.new_id(), "cost_id": cost, "reason": "Wrong colour"}});
    let credited = second.change(&place(&note, "match"), 1, &credit).unwrap().expect(200).unwrap();
    assert_eq!(credited["cost_credit_id"], credit["credit"]["id"]);
    assert_eq!(available(&app, &member.activity_id), 92_500 - 6_000);
}

#[test]
fn what_is_rejected_may_come_again_and_lists_go_by_pages() {
    let app = TestApp::start();
    let (cast, _member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let first = bring(reviewer, &ubl("F-1", &[("Paper", "10.00")])).expect(201).unwrap();
    let nothing = reviewer.change(&place(&first, "reject"), 1, &json!({"reason": " "})).unwrap();
    assert_eq!((nothing.status, nothing.json()["errors"][0]["pointer"].clone()), (422, json!("/reason")));
    let stale = reviewer.change(&place(&first, "reject"), 7, &json!({"reason": "Not ordered"})).unwrap();
    assert_eq!((stale.status, stale.json()["current"]["version"].clone()), (412, json!(1)));
    let rejected = reviewer.change(&place(&first, "reject"), 1, &json!({"reason": "Not ordered"})).unwrap();
    assert_eq!(rejected.expect(200).unwrap()["reason"], "Not ordered");
    let second = bring(reviewer, &ubl("f-1", &[("Paper", "11.00")])).expect(201).unwrap();
    for n in 2..5 {
        bring(reviewer, &ubl(&format!("F-{n}"), &[("Paper", "10.00")])).expect(201).unwrap();
    }
    let desk = &cast.staff.accountant;
    let list = desk.get("/v1/supplier_invoices?state=received&limit=3").unwrap().expect(200).unwrap();
    let cursor = list["page"]["next_cursor"].as_str().unwrap();
    let rest = desk.get(&format!("/v1/supplier_invoices?state=received&limit=3&cursor={cursor}")).unwrap();
    let rest = rest.expect(200).unwrap();
    let ids = |page: &Value| page["data"].as_array().unwrap().iter().map(|it| it["id"].to_string()).collect::<Vec<_>>();
    let mut seen = [ids(&list), ids(&rest)].concat();
    assert_eq!((ids(&list).len(), seen.len()), (3, 4));
    seen.dedup();
    assert!(seen.len() == 4 && seen.contains(&second["id"].to_string()) && !seen.contains(&first["id"].to_string()));
}

#[test]
fn a_document_that_does_not_agree_with_itself_is_shown_with_what_is_wrong_and_matched_to_nothing() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let wrong = ubl("F-1", &[("Paper", "100.00")]).replace(">121.00<", ">120.00<");
    let view = bring(reviewer, &wrong).expect(201).unwrap();
    let rules: Vec<&str> =
        view["document"]["faults"].as_array().unwrap().iter().map(|it| it["rule"].as_str().unwrap()).collect();
    assert!(rules.contains(&"BR-CO-15"), "{rules:?}");
    assert!(view["document"]["differences"].as_array().unwrap().iter().any(|it| it["term"] == "BT-112"));
    let body = json!({"cost": {"id": reviewer.new_id(), "activity_id": member.activity_id, "description": "Paper", "recoverable_vat": eur(0)}});
    let refused = reviewer.change(&place(&view, "match"), 1, &body).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "supplier_invoice_does_not_add_up"));

    let fine = bring(reviewer, &ubl("F-2", &[("Paper", "100.00")])).expect(201).unwrap();
    let refuse = |body: Value, pointer: &str| {
        let answer = reviewer.change(&place(&fine, "match"), 1, &body).unwrap();
        assert_eq!((answer.status, answer.json()["errors"][0]["pointer"].clone()), (422, json!(pointer)), "{body}");
    };
    let cost = |change: Value| {
        let mut cost = body["cost"].clone();
        cost.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({"cost": cost})
    };
    refuse(json!({}), "/cost");
    refuse(
        json!({"cost": body["cost"], "credit": {"id": reviewer.new_id(), "cost_id": reviewer.new_id(), "reason": "x"}}),
        "/credit",
    );
    refuse(json!({"credit": {"id": reviewer.new_id(), "cost_id": reviewer.new_id(), "reason": "x"}}), "/credit");
    refuse(cost(json!({"recoverable_vat": eur(2_101)})), "/cost/recoverable_vat/amount_minor");
    refuse(cost(json!({"description": ""})), "/cost/description");
    refuse(cost(json!({"activity_id": reviewer.new_id()})), "/cost/activity_id");
    refuse(cost(json!({"activity_id": null})), "/cost/pool_id");
    assert_eq!(app.count("SELECT count(*) FROM cost"), 0);
    assert_eq!(
        app.count("SELECT count(*) FROM archived_file WHERE kind = 'cost_document'"),
        0,
        "nor a copy of the document"
    );
}

#[test]
fn a_hostile_or_foreign_file_is_refused_by_its_name_and_nothing_is_kept() {
    let app = TestApp::start();
    let (cast, _member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let good = ubl("F-1", &[("Paper", "100.00")]);
    let inside = |text: &str| good.replacen("<cbc:Note>", text, 1).replace(">Paper<", text);
    let deep = format!("{}{}", "<a>".repeat(500), "</a>".repeat(500));
    let body = good.split_once("?>").unwrap().1;
    let lol = "<!DOCTYPE lolz [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let cases = [
        ("a billion laughs", format!("<?xml version=\"1.0\"?>{lol}{body}"), 422, "einvoice_doctype"),
        (
            "a file of ours",
            format!("<?xml version=\"1.0\"?><!DOCTYPE x SYSTEM \"file:///etc/passwd\">{body}"),
            422,
            "einvoice_doctype",
        ),
        ("an entity", inside(">&secret;<"), 422, "einvoice_entity"),
        ("deep", inside(&format!(">{deep}<")), 422, "einvoice_too_deep"),
        (
            "many attributes",
            body.replacen('>', &format!("{}>", (0..80).map(|n| format!(" a{n}=\"\"")).collect::<Vec<_>>().concat()), 1),
            422,
            "einvoice_too_many_attributes",
        ),
        ("half a file", good[..good.len() / 2].to_owned(), 422, "einvoice_not_xml"),
        ("words", "hello".to_owned(), 422, "einvoice_not_xml"),
        ("nothing", String::new(), 422, "einvoice_not_xml"),
        ("another message", "<Order xmlns=\"x\"/>".to_owned(), 422, "einvoice_not_an_invoice"),
        ("a PDF", "%PDF-1.7\n".to_owned(), 422, "einvoice_pdf_not_read"),
        ("no amount", good.replace(">121.00<", ">1e2<"), 422, "einvoice_amount_invalid"),
        ("no date", good.replace(">2026-05-04<", ">2026-02-30<"), 422, "einvoice_date_invalid"),
        ("no currency", good.replace("EUR", "E1R"), 422, "einvoice_code_unknown"),
        ("a currency that nobody has here", good.replace("EUR", "XAU"), 422, "einvoice_code_unknown"),
        ("text that runs backwards", good.replace(">Paper<", ">Pa\u{202E}per<"), 422, "einvoice_characters"),
        ("a NUL", good.replace(">Paper<", ">Pa&#0;per<"), 422, "einvoice_not_xml"),
        ("somebody else's", good.replace("0123456749", "0200068636"), 422, "supplier_invoice_not_ours"),
    ];
    for (what, xml, status, code) in cases {
        let answer = bring(reviewer, &xml);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{what}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(!detail.contains("root:") && !detail.contains('{'), "{what}: {detail}");
    }
    let huge = vec![b' '; 100 * 1024 * 1024];
    let answer = reviewer.upload("/v1/supplier_invoices", "application/xml", &huge).unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (413, "upload_too_large"));
    let kind = reviewer.upload("/v1/supplier_invoices", "text/html", good.as_bytes()).unwrap();
    assert_eq!((kind.status, kind.code().as_str()), (415, "media_type_unsupported"));
    assert_eq!(app.count("SELECT count(*) FROM supplier_invoice"), 0);
    assert_eq!(app.count("SELECT count(*) FROM archived_file WHERE kind = 'supplier_invoice'"), 0);
    bring(reviewer, &good).expect(201).unwrap();
}
