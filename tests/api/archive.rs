//! What is kept, why, and until when.

use serde_json::{Value, json};

use super::support::TestApp;

fn kept(accountant: &umbel::demo::Client, filter: &str) -> Vec<Value> {
    let page = accountant.get(&format!("/v1/archived_files?{filter}")).unwrap().expect(200).unwrap();
    page["data"].as_array().unwrap().clone()
}

#[test]
fn each_file_says_why_it_is_kept_and_until_when() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let submitted = app.stage.submitted_invoice(&member, None, 50_000).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    app.stage.settle().unwrap();
    let accountant = cast.staff.accountant.clone();
    // Of 2026, in Belgium: tax documents ten years, the books seven, what a person's pay rests on five.
    for (kind, class, until) in [
        ("invoice_pdf", "tax_document", "2036-12-31"),
        ("invoice_ubl", "tax_document", "2036-12-31"),
        ("bank_statement", "accounting", "2033-12-31"),
        ("identity_proof", "pay_account", "2031-12-31"),
    ] {
        let files = kept(&accountant, &format!("kind={kind}"));
        assert!(!files.is_empty(), "{kind}");
        assert!(files.iter().all(|it| it["retention_class"] == class && it["keep_until"] == until), "{files:?}");
    }
    let pdf = &kept(&accountant, "kind=invoice_pdf")[0];
    assert_eq!(pdf["subject_id"].as_str(), Some(invoiced.id.as_str()));
    let bytes = member.client.get(&format!("/v1/invoices/{}/pdf", invoiced.id)).unwrap().body;
    let hash = umbel::platform::web::hex(&umbel::archive::sha256(&bytes));
    assert_eq!((pdf["sha256"].as_str(), pdf["size"].as_u64()), (Some(hash.as_str()), u64::try_from(bytes.len()).ok()));
    let all = kept(&accountant, "limit=200").len();
    let by_class = ["tax_document", "accounting", "pay_account", "internal"];
    let sum: usize =
        by_class.iter().map(|it| kept(&accountant, &format!("limit=200&retention_class={it}")).len()).sum();
    assert_eq!(sum, all);
    assert!(kept(&accountant, "keep_until_before=2031-12-31").is_empty());
    assert!(
        kept(&accountant, "limit=200&keep_until_before=2032-01-01")
            .iter()
            .all(|it| it["retention_class"] == "pay_account")
    );
    let page = accountant.get("/v1/archived_files?limit=1").unwrap().expect(200).unwrap();
    let next = format!("/v1/archived_files?limit=1&cursor={}", page["page"]["next_cursor"].as_str().unwrap());
    assert_ne!(accountant.get(&next).unwrap().json()["data"][0]["id"], page["data"][0]["id"]);

    assert_eq!(member.client.get("/v1/archived_files").unwrap().status, 403);
    assert_eq!(accountant.get("/v1/archived_files?retention_class=forever").unwrap().status, 422);
    let rules = accountant.get("/v1/retention_rules").unwrap().expect(200).unwrap();
    let belgian =
        rules.as_array().unwrap().iter().find(|it| it["class"] == "tax_document" && it["country"] == "BE").unwrap();
    assert_eq!((&belgian["years"], &belgian["valid_from"]), (&json!(10), &json!("2022-01-01")), "the newest first");

    // A mutual that is also in France keeps its books as long as both ask for.
    let administrator = &cast.staff.administrator;
    let french = json!({
        "id": administrator.new_id(), "name": "Ombelle France", "legal_form": "SCIC", "enterprise_number": "732829320",
        "vat_number": "FR44732829320", "zone": "Europe/Paris", "email": "paris@ombelle.example",
        "contact_name": "Bureau", "contact_phone": "+33 1 55 55 00 00",
        "address": {"street": "Rue des Fleurs", "building_number": "1", "postcode": "75001", "town": "Paris", "country": "FR"},
    });
    administrator.post("/v1/entities", &french).unwrap().expect(201).unwrap();
    cast.bank.receives_unknown(umbel::kernel::money::Minor::new(5), "x", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let until: Vec<_> = kept(&accountant, "kind=bank_statement").iter().map(|it| it["keep_until"].clone()).collect();
    assert_eq!(until.iter().filter(|it| **it == "2036-12-31").count(), 1, "what is kept from now on: {until:?}");
}
