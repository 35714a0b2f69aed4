//! Papers beside invoices: the order form that a client confirms, and reminders.

use diesel::connection::SimpleConnection;
use serde_json::json;
use umbel::demo::{Answer, Client};
use umbel::kernel::money::Minor;

use super::support::{ADMIN, TestApp};
use super::world::text;

fn hash(bytes: &[u8]) -> String {
    umbel::platform::web::hex(&umbel::archive::sha256(bytes))
}

fn words(pdf: &[u8]) -> String {
    let file = lopdf::Document::load_mem(pdf).unwrap();
    file.extract_text(&[1]).unwrap().replace(['\u{a0}', '\n'], " ")
}

#[test]
fn the_order_form_is_made_once_goes_with_the_mail_and_is_what_the_client_confirms() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let (id, token) = app.stage.sent_order(&member, 100_000).unwrap();
    let kept = member.client.get(&format!("/v1/orders/{id}/pdf")).unwrap();
    assert_eq!((kept.status, kept.header("content-type")), (200, Some("application/pdf")));
    let said = words(&kept.body);
    for needle in ["Illustrations pour le rapport annuel", "Six planches", "1", "210", "TVA estimée"] {
        assert!(said.contains(needle), "{needle} is not in {said}");
    }
    let mail = app.stage.mails.messages().into_iter().rev().find(|it| it.to.contains(&member.client_email)).unwrap();
    assert!(String::from_utf8_lossy(&mail.raw).contains("application/pdf"), "the order form goes with the mail");

    // The client reads and downloads it without an account: the same bytes.
    let client = app.visitor();
    let page = client.get(&format!("/o/{token}")).unwrap();
    assert!(String::from_utf8_lossy(&page.body).contains("(PDF)"));
    assert_eq!(client.get(&format!("/o/{token}/pdf")).unwrap().body, kept.body);
    assert_eq!(client.get("/o/nothing-of-ours/pdf").unwrap().status, 404);
    let offer = client.get(&format!("/v1/order_links/{token}")).unwrap().expect(200).unwrap();
    assert_eq!(offer["pdf_sha256"], json!(hash(&kept.body)));
    let answer = json!({"document_sha256": text(&offer, "document_sha256"), "signer_name": "Łukasz Øster"});
    let done = client.post(&format!("/v1/order_links/{token}/confirm"), &answer).unwrap().expect(200).unwrap();
    assert_eq!(done["answer"]["pdf_sha256"], json!(hash(&kept.body)), "the bytes that were confirmed");
    app.stage.settle().unwrap();
    assert_eq!(member.client.get(&format!("/v1/orders/{id}/pdf")).unwrap().body, kept.body, "the same for ever");
    assert_eq!(app.count("SELECT count(*) FROM archived_file WHERE kind = 'order_pdf'"), 1);

    // PostgreSQL keeps the answer to the bytes that were sent, and a version to one document.
    let mut owner = app.database.owner();
    for sql in [
        "INSERT INTO order_version (order_id, n, content, sha256) SELECT order_id, 2, content, sha256 FROM order_version;
         INSERT INTO order_answer (order_id, n, answer, sha256, address, user_agent, link_id, pdf_sha256)
         SELECT order_id, 2, answer, sha256, address, user_agent, link_id, pdf_sha256 FROM order_answer",
        "INSERT INTO order_document SELECT * FROM order_document",
        "UPDATE order_document SET n = 1",
    ] {
        assert!(owner.batch_execute(&format!("BEGIN; {sql}; COMMIT")).is_err(), "{sql}");
        owner.batch_execute("ROLLBACK").unwrap();
    }
}

fn remind(client: &Client, invoice: &str) -> Answer {
    client.post(&format!("/v1/invoices/{invoice}/payment_reminders"), &json!({"id": client.new_id()})).unwrap()
}

#[test]
fn a_late_invoice_is_reminded_of_once_a_day_and_more_firmly_each_time() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    let submitted = app.stage.submitted_invoice(&member, None, 100_000).unwrap();
    let early = remind(&member.client, submitted["id"].as_str().unwrap());
    assert_eq!(early.status, 404, "a draft has no client who is late");
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    app.stage.settle().unwrap();
    let in_time = remind(&member.client, &invoiced.id);
    assert_eq!((in_time.status, in_time.code().as_str()), (409, "reminder_not_overdue"));
    app.stage.days_pass(40).unwrap();
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    let client = app.stage.sign_in(&member.email).unwrap();
    assert_eq!(remind(&app.stage.sign_in(&other.email).unwrap(), &invoiced.id).status, 404, "somebody else's");

    let first = remind(&client, &invoiced.id).expect(201).unwrap();
    assert_eq!((&first["level"], &first["open"]["amount_minor"]), (&json!(1), &json!(121_000)));
    let late = first["days_late"].as_i64().unwrap();
    assert!((1..=40).contains(&late), "{first}");
    let again = remind(&client, &invoiced.id);
    assert_eq!((again.status, again.code().as_str()), (409, "reminder_once_a_day"));
    app.stage.settle().unwrap();
    let id = text(&first, "id");
    let pdf = client.get(&format!("/v1/payment_reminders/{id}/pdf")).unwrap();
    assert_eq!(pdf.status, 200);
    let said = words(&pdf.body);
    for needle in [invoiced.number.as_str(), &format!("{}/1", invoiced.number), "210,00"] {
        assert!(said.contains(needle), "{needle} is not in {said}");
    }
    let mail = app.stage.mails.messages().into_iter().rev().find(|it| it.to.contains(&member.client_email)).unwrap();
    assert!(String::from_utf8_lossy(&mail.raw).contains("application/pdf"));
    app.stage.token_to(&member.client_email, "/i/").unwrap();
    assert_eq!(app.count("SELECT count(*) FROM archived_file WHERE kind = 'payment_reminder'"), 1);

    app.stage.days_pass(1).unwrap();
    let client = app.stage.sign_in(&member.email).unwrap();
    let second = remind(&client, &invoiced.id).expect(201).unwrap();
    assert_eq!((&second["level"], &second["days_late"]), (&json!(2), &json!(late + 1)));
    let listed = client.get(&format!("/v1/payment_reminders?invoice_id={}", invoiced.id)).unwrap();
    let listed = listed.expect(200).unwrap()["data"].as_array().unwrap().len();
    assert_eq!(listed, 2);

    // Not while the client disputes it, and not when it is paid.
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    let reviewer = cast.staff.reviewer.clone();
    let seen = reviewer.get(&format!("/v1/invoices/{}", invoiced.id)).unwrap().expect(200).unwrap();
    let path = format!("/v1/invoices/{}/dispute", invoiced.id);
    reviewer
        .change(&path, seen["version"].as_i64().unwrap(), &json!({"reason": "Not ours"}))
        .unwrap()
        .expect(200)
        .unwrap();
    let disputed = remind(&client, &invoiced.id);
    assert_eq!((disputed.status, disputed.code().as_str()), (409, "reminder_disputed"));
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let paid = remind(&client, &invoiced.id);
    assert_eq!((paid.status, paid.code().as_str()), (409, "reminder_nothing_open"));
}
