//! The page behind the link of an invoice's mail: read, downloaded, paid from, disputed; without an account.

use chrono::Duration;
use serde_json::Value;
use umbel::demo::{Answer, Client, Invoiced, MemberCast};

use super::support::TestApp;

fn issued(app: &TestApp) -> (umbel::demo::Cast, MemberCast, Invoiced, String) {
    let (cast, member) = app.with_member();
    let submitted = app.stage.submitted_invoice(&member, None, 100_000).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    app.stage.settle().unwrap();
    let token = app.stage.token_to(&member.client_email, "/i/").unwrap();
    (cast, member, invoiced, token)
}

fn html(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    page.split_once(&start).unwrap_or_else(|| panic!("no {name} in {page}")).1.split('"').next().unwrap().to_owned()
}

fn dispute(client: &Client, token: &str, form_token: &str, reason: &str) -> Answer {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("form_token", form_token), ("lang", "nl"), ("reason", reason)])
        .finish();
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    client.send("POST", &format!("/i/{token}/dispute"), &headers, Some(form.as_bytes())).unwrap()
}

#[test]
fn a_client_reads_an_invoice_in_four_languages_and_downloads_what_is_kept() {
    let app = TestApp::start();
    let (_cast, member, invoiced, token) = issued(&app);
    let audited = || app.count("SELECT count(*) FROM audit_log");
    let before = audited();
    let client = app.visitor();
    let shown = client.get(&format!("/i/{token}")).unwrap();
    let page = html(&shown);
    assert_eq!(shown.status, 200, "{page}");
    assert!(page.contains("<html lang=\"fr\">"), "the client's own language");
    for text in [&invoiced.number, "1.210,00", "BE68", "Łukasz Øster-Ñuñez &amp; Fils SPRL", "Awa Diop", "+++"] {
        assert!(
            page.contains(text)
                || page.contains(&text.replace('.', "\u{202f}"))
                || page.contains(&text.replace('.', "\u{a0}")),
            "{text}: {page}"
        );
    }
    let policy = shown.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("form-action 'self'"), "{policy}");
    assert_eq!(shown.header("referrer-policy"), Some("no-referrer"));
    assert!(
        shown.header("set-cookie").is_none() && !page.contains("<script") && !page.contains("<img"),
        "nobody is followed"
    );
    for (tag, word) in [
        ("nl", "Te betalen uiterlijk op"),
        ("en", "To be paid by"),
        ("de", "Zu zahlen bis"),
        ("fr", "À payer au plus tard le"),
    ] {
        let page = html(&client.get(&format!("/i/{token}?lang={tag}")).unwrap());
        assert!(page.contains(word) && page.contains(&format!("<html lang=\"{tag}\">")), "{tag}: {page}");
    }
    let pdf = client.get(&format!("/i/{token}/pdf")).unwrap();
    let ours = member.client.get(&format!("/v1/invoices/{}/pdf", invoiced.id)).unwrap();
    assert_eq!((pdf.status, &pdf.body), (200, &ours.body), "the same bytes");
    assert!(html(&client.get(&format!("/i/{token}")).unwrap()).contains("&#x2f;xml\""));
    let xml = client.get(&format!("/i/{token}/xml")).unwrap();
    assert_eq!((xml.status, xml.header("content-type")), (200, Some("application/xml")));
    // Reading leaves no trace.
    assert_eq!(app.count("SELECT count(*) FROM access_link WHERE purpose = 'invoice' AND used_at IS NOT NULL"), 0);
    assert_eq!(audited(), before);
}

#[test]
fn a_client_disputes_an_invoice_once_and_the_member_and_the_office_know() {
    let app = TestApp::start();
    let (cast, member, invoiced, token) = issued(&app);
    let client = app.visitor();
    let form_token = hidden(&html(&client.get(&format!("/i/{token}")).unwrap()), "form_token");
    let forged = dispute(&client, &token, "0000", "Not mine");
    assert_eq!(forged.status, 409, "a form of another site is not ours");
    let silent = dispute(&client, &token, &form_token, "  ");
    let page = html(&silent);
    assert!(silent.status == 422 && page.contains("role=\"alert\"") && page.contains("<details open>"), "{page}");
    let hostile = dispute(&client, &token, &form_token, "a\u{202E}b");
    assert_eq!(hostile.status, 422);
    assert_eq!(app.count("SELECT count(*) FROM invoice_dispute"), 0);
    let done = dispute(&client, &token, &form_token, "Two days, <b>not</b> three");
    assert_eq!(done.status, 200, "{}", html(&done));
    assert!(html(&done).contains("Betwisting genoteerd"));
    let view: Value = cast.staff.reviewer.get(&format!("/v1/invoices/{}", invoiced.id)).unwrap().expect(200).unwrap();
    assert_eq!(view["dispute"]["reason"], "Two days, <b>not</b> three");
    assert_eq!(view["dispute"]["opened_by"], Value::Null, "the client did so");
    app.stage.settle().unwrap();
    let mail = app.stage.mail_to(&member.email, "conteste la facture").unwrap();
    assert!(mail.contains("Two days, <b>not</b> three") && mail.contains(&invoiced.number), "{mail}");
    let again = dispute(&client, &token, &form_token, "Still wrong");
    assert_eq!(again.status, 409);
    let page = html(&client.get(&format!("/i/{token}?lang=en")).unwrap());
    assert!(page.contains("You dispute this invoice") && !page.contains("<form"), "{page}");
    let resolve = format!("/v1/invoices/{}/resolve_dispute", invoiced.id);
    let version = view["version"].as_i64().unwrap();
    cast.staff
        .reviewer
        .change(&resolve, version, &serde_json::json!({"resolution": "Agreed"}))
        .unwrap()
        .expect(200)
        .unwrap();
    assert!(html(&client.get(&format!("/i/{token}")).unwrap()).contains("<form"));
}

#[test]
fn a_paid_invoice_asks_for_nothing_and_a_link_that_is_old_or_of_another_shows_nothing() {
    let app = TestApp::start();
    let (mut cast, member, invoiced, token) = issued(&app);
    let client = app.visitor();
    let form_token = hidden(&html(&client.get(&format!("/i/{token}")).unwrap()), "form_token");
    let amount = umbel::kernel::money::Minor::new(invoiced.gross);
    cast.bank.receives(amount, &invoiced.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let page = html(&client.get(&format!("/i/{token}?lang=en")).unwrap());
    assert!(page.contains("Nothing to pay") && !page.contains("How to pay") && !page.contains("<form"), "{page}");
    assert_eq!(dispute(&client, &token, &form_token, "Too late").status, 409);
    let (_, order) = app.stage.sent_order(&member, 1_000).unwrap();
    for wrong in [order.as_str(), "nonsense", &token[1..]] {
        for path in ["", "/pdf", "/xml"] {
            let answer = client.get(&format!("/i/{wrong}{path}")).unwrap();
            assert_eq!(answer.status, 404, "{wrong}{path}");
            assert!(!html(&answer).contains(&invoiced.number));
        }
    }
    assert_eq!(client.get(&format!("/o/{token}")).unwrap().status, 404, "nor does it open an order");
    app.stage.clock.advance(Duration::days(366));
    let old = client.get(&format!("/i/{token}?lang=en")).unwrap();
    assert_eq!(old.status, 410);
    assert!(html(&old).contains("This link has expired") && !html(&old).contains(&invoiced.number));
    assert_eq!(client.get(&format!("/i/{token}/pdf")).unwrap().status, 410);
    assert_eq!(dispute(&client, &token, &form_token, "Too old").status, 410);
}
