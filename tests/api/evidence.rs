//! Papers that decisions rest on: brought first, named by the decision, read back byte for byte.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use umbel::demo::{Answer, Client};

use super::costs::eur;
use super::support::TestApp;

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....IEND\xAEB`\x82";
const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0....\xFF\xD9";

fn bring(client: &Client, bytes: &[u8]) -> Answer {
    client.upload("/v1/evidence", "application/octet-stream", bytes).unwrap()
}

fn kept(client: &Client, bytes: &[u8]) -> String {
    bring(client, bytes).expect(201).unwrap()["id"].as_str().unwrap().to_owned()
}

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn the_paper_of_an_exemption_is_read_by_the_office_and_by_the_member_whom_it_exempts() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    let administrator = &cast.staff.administrator;
    for (bytes, media_type) in [(PDF, "application/pdf"), (PNG, "image/png"), (JPEG, "image/jpeg")] {
        let paper = bring(administrator, bytes).expect(201).unwrap();
        let hash = umbel::platform::web::hex(&Sha256::digest(bytes));
        assert_eq!((paper["media_type"].as_str(), paper["sha256"].as_str()), (Some(media_type), Some(hash.as_str())));
        assert_eq!(paper["size"].as_u64(), u64::try_from(bytes.len()).ok());
    }
    let paper = kept(administrator, PDF);
    let place = format!("/v1/activities/{}/levy_exemptions", member.activity_id);
    let body = |evidence: &Value| {
        json!({"id": administrator.new_id(), "kind": "fee", "part": "floor", "valid_from": app.stage.today(),
               "reason": "Income below the minimum", "evidence_id": evidence})
    };
    let read = |client: &Client| client.get(&format!("/v1/evidence/{paper}")).unwrap();
    assert_eq!(read(&member.client).status, 403);
    let made = administrator.post(&place, &body(&json!(paper))).unwrap().expect(201).unwrap();
    assert_eq!(made["evidence_id"], json!(paper));
    let theirs = format!("/v1/levy_exemptions/{}/evidence", made["id"].as_str().unwrap());
    for staff in [administrator, &cast.staff.reviewer, &cast.staff.accountant] {
        for file in [read(staff), staff.get(&theirs).unwrap()] {
            assert_eq!((file.status, file.body.as_slice()), (200, PDF));
        }
    }
    let file = member.client.get(&theirs).unwrap();
    assert_eq!((file.status, file.body.as_slice()), (200, PDF), "byte for byte");
    assert_eq!(other.client.get(&theirs).unwrap().status, 404);
    assert_eq!(read(&member.client).status, 403, "by its own address it is the office's");

    let end = format!("/v1/levy_exemptions/{}/end", made["id"].as_str().unwrap());
    administrator.change(&end, 1, &json!({"valid_until": app.stage.today()})).unwrap().expect(200).unwrap();
    let bare = administrator.post(&place, &body(&Value::Null)).unwrap().expect(201).unwrap();
    let theirs = format!("/v1/levy_exemptions/{}/evidence", bare["id"].as_str().unwrap());
    assert_eq!(member.client.get(&theirs).unwrap().status, 404, "this one rests on no paper");
}

#[test]
fn the_same_upload_sent_again_is_kept_once() {
    let app = TestApp::start();
    let (cast, _) = app.with_member();
    let key = cast.staff.administrator.new_id();
    let send = || {
        let headers = [("Content-Type", "application/octet-stream"), ("Idempotency-Key", key.as_str())];
        cast.staff.administrator.send("POST", "/v1/evidence", &headers, Some(PDF)).unwrap()
    };
    let (first, second) = (send(), send());
    assert_eq!((first.status, first.body), (201, second.body));
    assert_eq!(app.count("SELECT count(*) FROM archived_file WHERE kind = 'evidence'"), 1);
}

#[test]
fn what_is_no_paper_is_refused_and_no_decision_rests_on_it() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let administrator = &cast.staff.administrator;
    for bytes in [&b"<html><script>alert(1)</script></html>"[..], b"%PDF-1.7\ncut off", b"GIF89a"] {
        assert_eq!(
            (bring(administrator, bytes).status, bring(administrator, bytes).code()),
            (415, "upload_type_unsupported".to_owned())
        );
    }
    assert_eq!(refused(&bring(administrator, b"")), (422, "/".to_owned()));
    let mut long = PDF.to_vec();
    long.splice(9..9, std::iter::repeat_n(b' ', 10 * 1024 * 1024));
    assert_eq!(bring(administrator, &long).status, 413);
    for client in [&member.client, &cast.staff.approver] {
        assert_eq!(bring(client, PDF).status, 403);
    }
    assert_eq!(app.count("SELECT count(*) FROM archived_file WHERE kind = 'evidence'"), 0);
    // Not every file that is there is evidence: this one is a supplier's invoice.
    let document = cast.staff.reviewer.upload("/v1/cost_documents", "application/octet-stream", PDF).unwrap();
    let document = document.expect(201).unwrap()["id"].clone();
    let today = app.stage.today();
    let entity = &cast.entity_id;
    let exemption = format!("/v1/activities/{}/levy_exemptions", member.activity_id);
    let (rules, policies) =
        (format!("/v1/entities/{entity}/rule_sets"), format!("/v1/entities/{entity}/surplus_policies"));
    let bodies = [
        (&exemption, json!({"kind": "fee", "part": "floor", "valid_from": today, "reason": "Low income"})),
        (
            &rules,
            json!({"valid_from": today, "decided_on": today, "decision": "Assembly", "share_price": eur(3_000),
            "payment_terms_days": 30, "advance_working_days": 7, "client_limit": eur(5_000_000), "levies": []}),
        ),
        (
            &policies,
            json!({"valid_from": today, "decided_on": today, "decision": "Assembly", "legal_reserve_rate": "0.05",
            "guarantee_for_losses_rate": "0.5"}),
        ),
    ];
    for (place, body) in bodies {
        for evidence in [&document, &json!(administrator.new_id())] {
            let mut body = body.clone();
            (body["id"], body["evidence_id"]) = (json!(administrator.new_id()), evidence.clone());
            let answer = administrator.post(place, &body).unwrap();
            assert_eq!(refused(&answer), (422, "/evidence_id".to_owned()), "{place}");
        }
        let mut body = body;
        (body["id"], body["evidence_id"]) = (json!(administrator.new_id()), json!(kept(administrator, PNG)));
        let made = administrator.post(place, &body).unwrap().expect(201).unwrap();
        assert_eq!(made["evidence_id"], body["evidence_id"], "{place}");
    }
    let document = document.as_str().unwrap();
    assert_eq!(administrator.get(&format!("/v1/evidence/{document}")).unwrap().status, 404);
}

#[test]
fn the_decision_about_a_surplus_names_its_paper() {
    let app = TestApp::start();
    let (cast, _) = app.with_member();
    let administrator = &cast.staff.administrator;
    let close = format!("/v1/entities/{}/fiscal_years/2025/close", cast.entity_id);
    administrator.post(&close, &json!({})).unwrap().expect(200).unwrap();
    let mut body = json!({
        "id": administrator.new_id(), "entity_id": cast.entity_id, "year": 2025, "decision": "General assembly", "decided_on": "2026-04-20",
        "steps": [{"kind": "legal_reserve", "rate": "0.05"}], "evidence_id": administrator.new_id(),
    });
    let answer = administrator.post("/v1/appropriations", &body).unwrap();
    assert_eq!(refused(&answer), (422, "/evidence_id".to_owned()));
    body["evidence_id"] = json!(kept(administrator, JPEG));
    let made = administrator.post("/v1/appropriations", &body).unwrap().expect(201).unwrap();
    let seen = administrator.get(&format!("/v1/appropriations/{}", body["id"].as_str().unwrap())).unwrap().json();
    let named = |view: &Value| view.get("evidence_id").or_else(|| view["appropriation"].get("evidence_id")).cloned();
    assert_eq!((named(&made), named(&seen)), (Some(body["evidence_id"].clone()), Some(body["evidence_id"].clone())));
}

/// What PostgreSQL refuses when the program forgets to ask.
#[test]
fn postgresql_lets_no_decision_rest_on_another_file() {
    use diesel::connection::SimpleConnection;
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let document = cast.staff.reviewer.upload("/v1/cost_documents", "application/octet-stream", PDF).unwrap();
    let document = document.expect(201).unwrap()["id"].as_str().unwrap().to_owned();
    let person = member.client.person_id.as_deref().unwrap();
    let by = cast.staff.administrator.person_id.as_deref().unwrap();
    let insert = |evidence: &str| {
        let values = format!(
            "INSERT INTO levy_exemption (id, activity_id, member_id, kind, part, valid_from, reason, evidence_id, decided_by) \
             VALUES (gen_random_uuid(), '{}', '{person}', 'fee', 'floor', '2027-01-01', 'x', '{evidence}', '{by}')",
            member.activity_id
        );
        app.database.owner().batch_execute(&values).map_err(|error| error.to_string())
    };
    assert!(insert(&document).unwrap_err().contains("is no evidence"));
    insert(&kept(&cast.staff.administrator, PDF)).unwrap();
}
