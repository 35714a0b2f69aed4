//! What one activity need not pay, and what it pays by a levy of its own.

use chrono::{Days, NaiveDate};
use serde_json::{Value, json};

use super::levies::{another_activity, charged, issued, listed, minor};
use super::support::TestApp;
use super::world::text;

#[test]
fn an_exemption_is_dated_has_a_reason_and_ends_once() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let administrator = &cast.staff.administrator;
    let place = format!("/v1/activities/{}/levy_exemptions", member.activity_id);
    let today = app.stage.today();
    let body = |from: NaiveDate, until: Option<NaiveDate>| json!({"id": administrator.new_id(), "kind": "fee", "part": "all", "valid_from": from, "valid_until": until, "reason": "Income below the minimum"});
    let refused = member.client.post(&place, &body(today, None)).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (403, "role_forbidden"));
    let made = administrator.post(&place, &body(today, None)).unwrap().expect(201).unwrap();
    let invoiced = issued(&app, &cast, &member, 100_000);
    assert_eq!((charged(&invoiced, "fee"), charged(&invoiced, "guarantee")), (0, 2_000));
    let found = listed(&member);
    let fee = found["data"].as_array().unwrap().iter().find(|row| row["kind"] == "fee").unwrap();
    assert_eq!((minor(fee, "/base"), fee["basis"]["rounded_minor"].as_i64()), (100_000, Some(5_500)));
    assert_eq!(fee["basis"]["exemption_id"], made["id"], "not a zero typed in");
    let seen = member.client.get(&place).unwrap().expect(200).unwrap();
    assert_eq!(seen[0]["reason"], "Income below the minimum");

    let overlapping = administrator.post(&place, &body(today + Days::new(40), None)).unwrap();
    assert_eq!((overlapping.status, overlapping.code().as_str()), (409, "levy_term_overlaps"));
    for (from, until, pointer) in [
        (today - Days::new(1), None, "/valid_from"),
        (today + Days::new(5), Some(today + Days::new(5)), "/valid_until"),
    ] {
        let answer = administrator.post(&place, &body(from, until)).unwrap();
        assert_eq!((answer.status, answer.json()["errors"][0]["pointer"].as_str()), (422, Some(pointer)));
    }
    let mut with_paper = body(today, None);
    with_paper["evidence_id"] = json!(administrator.new_id());
    let answer = administrator.post(&place, &with_paper).unwrap();
    assert_eq!((answer.status, answer.json()["errors"][0]["pointer"].as_str()), (422, Some("/evidence_id")));

    let end = format!("/v1/levy_exemptions/{}/end", text(&made, "id"));
    let answer = administrator.change(&end, 1, &json!({"valid_until": today - Days::new(1)})).unwrap();
    assert_eq!((answer.status, answer.json()["errors"][0]["pointer"].as_str()), (422, Some("/valid_until")));
    administrator.change(&end, 1, &json!({"valid_until": today})).unwrap().expect(200).unwrap();
    let again = administrator.change(&end, 2, &json!({"valid_until": today})).unwrap();
    assert_eq!((again.status, again.code().as_str()), (409, "state_conflict"));
    assert_eq!(charged(&issued(&app, &cast, &member, 100_000), "fee"), 5_500);
    administrator.post(&place, &body(today, None)).unwrap().expect(201).unwrap();
}

#[test]
fn an_activity_may_have_a_levy_of_its_own() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let administrator = &cast.staff.administrator;
    let place = format!("/v1/activities/{}/levy_overrides", member.activity_id);
    let today = app.stage.today();
    let body = |levy: Value| json!({"id": administrator.new_id(), "levy": levy, "valid_from": today, "reason": "Brings its own insurance"});
    let wrong = administrator.post(&place, &body(json!({"kind": "fee", "rate": "1.1"}))).unwrap();
    assert_eq!((wrong.status, wrong.json()["errors"][0]["pointer"].as_str()), (422, Some("/levy/rate")));
    let made = administrator.post(&place, &body(json!({"kind": "fee", "rate": "0.03"}))).unwrap().expect(201).unwrap();
    let invoiced = issued(&app, &cast, &member, 100_000);
    assert_eq!((charged(&invoiced, "fee"), charged(&invoiced, "guarantee")), (3_000, 2_000));
    let found = listed(&member);
    let fee = found["data"].as_array().unwrap().iter().find(|row| row["kind"] == "fee").unwrap();
    assert_eq!(fee["basis"]["override_id"], made["id"]);
    let other = another_activity(&member);
    assert_eq!(charged(&issued(&app, &cast, &other, 100_000), "fee"), 5_500, "of one activity alone");
    let overlapping = administrator.post(&place, &body(json!({"kind": "fee", "rate": "0.02"}))).unwrap();
    assert_eq!((overlapping.status, overlapping.code().as_str()), (409, "levy_term_overlaps"));
    let end = format!("/v1/levy_overrides/{}/end", text(&made, "id"));
    administrator.change(&end, 1, &json!({"valid_until": today})).unwrap().expect(200).unwrap();
    assert_eq!(charged(&issued(&app, &cast, &member, 100_000), "fee"), 5_500);
}

#[test]
fn nobody_decides_about_their_own_levies() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let person = member.client.person_id.clone().unwrap();
    let grant =
        json!({"id": cast.staff.administrator.new_id(), "role": "administrator", "valid_from": app.stage.today()});
    cast.staff.administrator.post(&format!("/v1/people/{person}/role_grants"), &grant).unwrap().expect(201).unwrap();
    let both = app.stage.sign_in(&member.email).unwrap();
    let today = app.stage.today();
    let exemption = json!({"id": both.new_id(), "kind": "fee", "part": "all", "valid_from": today, "reason": "I want"});
    let own =
        json!({"id": both.new_id(), "levy": {"kind": "fee", "rate": "0"}, "valid_from": today, "reason": "I want"});
    for (name, body) in [("levy_exemptions", exemption), ("levy_overrides", own)] {
        let answer = both.post(&format!("/v1/activities/{}/{name}", member.activity_id), &body).unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (403, "self_approval_forbidden"));
    }
}
