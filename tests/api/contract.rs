//! What every answer carries, so that a phone can rely on it.

use std::collections::BTreeSet;

use chrono::Duration;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use umbel::demo::{Answer, Client};
use umbel::platform::faults::Faults;

use super::support::TestApp;
use super::world::{World, rows, text};

fn check_common(answer: &Answer, what: &str) {
    let id = answer.header("request-id").unwrap_or_default();
    assert!(id.parse::<uuid::Uuid>().is_ok(), "{what}: request id {id:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
    assert!(answer.header("cache-control").is_some(), "{what}");
}

fn activity(client: &Client, name: &str) -> Value {
    json!({"id": client.new_id(), "name": name})
}

#[test]
fn an_answer_says_what_it_is_which_version_and_how_much_is_left() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let client = &member.client;
    let mut ids = BTreeSet::new();
    for path in ["/v1/me", "/v1/clients", "/v1/meta", "/healthz", "/v1/nothing", "/v1/invoices?limit=0"] {
        let answer = client.get(path).unwrap();
        check_common(&answer, path);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        ids.insert(answer.header("request-id").unwrap().to_owned());
        if answer.status >= 400 {
            let instance = text(&answer.json(), "instance");
            assert_eq!(instance, format!("urn:request:{}", answer.header("request-id").unwrap()));
            assert!(answer.header("content-language").is_some(), "{path}");
        }
    }
    assert_eq!(ids.len(), 6, "every request has an id of its own");
    let read = client.get("/v1/clients").unwrap();
    assert!(read.header("ratelimit-policy").unwrap().starts_with("\"read\";q="), "{read:?}");
    assert!(read.header("ratelimit").unwrap().starts_with("\"read\";r="), "{read:?}");
    let body = activity(client, "Second");
    let made = client.post("/v1/activities", &body).unwrap();
    assert_eq!(made.status, 201);
    check_common(&made, "creation");
    assert!(made.header("ratelimit-policy").unwrap().starts_with("\"write\";q="));
    let place = format!("/v1/activities/{}", text(&body, "id"));
    assert_eq!(made.header("location"), Some(place.as_str()));
    let version = made.json()["version"].clone();
    assert_eq!(made.header("etag"), Some(format!("\"{version}\"").as_str()));
    let seen = client.get(&place).unwrap();
    assert_eq!(seen.header("etag"), made.header("etag"), "reading shows the same version");
    assert_eq!(seen.json(), made.json());
    let listed = client.get("/v1/activities").unwrap();
    assert_eq!(listed.header("etag"), None, "a list has no version");
    let closed = client.change(&format!("{place}/close"), version.as_i64().unwrap(), &json!({})).unwrap();
    assert_eq!(closed.header("etag"), Some(format!("\"{}\"", version.as_i64().unwrap() + 1).as_str()));
    let zipped = client.send("GET", &place, &[("Accept-Encoding", "gzip")], None).unwrap();
    assert_eq!(zipped.header("etag"), closed.header("etag"));
}

#[test]
fn every_object_with_a_version_shows_it_as_its_etag() {
    let world = World::new(Faults::default());
    let mut tagged = 0;
    for (prefix, ids) in &world.ids {
        for (_, id) in ids {
            let answer = world.cast.staff.reviewer.get(&format!("{prefix}{id}")).unwrap();
            if let Some(version) = answer.json()["version"].as_i64().filter(|_| answer.status == 200) {
                assert_eq!(answer.header("etag"), Some(format!("\"{version}\"").as_str()), "{prefix}");
                tagged += 1;
            }
        }
    }
    assert!(tagged >= 12, "{tagged}");
}

#[test]
fn a_file_carries_its_digest_and_is_saved_rather_than_shown() {
    use base64::Engine;
    let world = World::new(Faults::default());
    let staff = &world.cast.staff;
    let paths = [
        (&world.awa.client, "/v1/invoices/", "/pdf"),
        (&staff.reviewer, "/v1/documents/", ""),
        (&staff.reviewer, "/v1/bank_statements/", "/file"),
        (&staff.accountant, "/v1/entities/", "/journal.csv"),
        (&staff.accountant, "/v1/entities/", "/journal.hledger"),
        (&staff.accountant, "/v1/entities/", "/journal.beancount"),
    ];
    let released = staff.reviewer.get("/v1/payout_batches?state=released").unwrap().json();
    let file = format!("/v1/payout_batches/{}/file", released["data"][0]["id"].as_str().unwrap());
    let of = |prefix: &str, rest: &str| format!("{prefix}{}{rest}", world.ids[prefix][0].1);
    let paths = paths.into_iter().map(|(client, prefix, rest)| (client, of(prefix, rest)));
    for (client, path) in paths.chain([(&staff.reviewer, file)]) {
        let answer = client.get(&path).unwrap();
        assert_eq!(answer.status, 200, "{path}");
        check_common(&answer, &path);
        let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&answer.body));
        assert_eq!(answer.header("content-digest"), Some(format!("sha-256=:{digest}:").as_str()), "{path}");
        assert!(answer.header("content-disposition").is_some_and(|value| value.starts_with("attachment")), "{path}");
        assert!(answer.header("content-security-policy").is_some_and(|value| value.contains("sandbox")), "{path}");
        assert_eq!(client.get(&path).unwrap().body, answer.body, "{path}: the same bytes again");
    }
}

#[test]
fn a_repeat_is_answered_as_the_first_time_and_says_so() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let client = &member.client;
    let key = client.new_id();
    let body = activity(client, "Second");
    let send =
        |key: &str, body: &Value| client.command("POST", "/v1/activities", &[("Idempotency-Key", key)], body).unwrap();
    let first = send(&key, &body);
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, None));
    let before = rows(&app);
    for spelling in [key.clone(), format!("\"{key}\"")] {
        let again = send(&spelling, &body);
        assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("location"), first.header("location"), "a replay says where, too");
        assert_eq!(again.header("etag"), first.header("etag"), "a replay says which version, too");
    }
    let other = send(&key, &activity(client, "Third"));
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_key_reused"));
    assert_eq!(other.json()["params"]["id"], first.json()["id"]);
    assert_eq!(rows(&app), before);
    let found = client.get(&format!("/v1/operations/{key}")).unwrap().expect(200).unwrap();
    assert_eq!((found["status"].as_i64(), found["subject_id"].clone()), (Some(201), first.json()["id"].clone()));
    // Without a header the id of the object is the key.
    let bare = activity(client, "Fourth");
    let send_bare = || client.command("POST", "/v1/activities", &[], &bare).unwrap();
    let (made, again) = (send_bare(), send_bare());
    assert_eq!((made.status, again.status, again.header("idempotent-replayed")), (201, 201, Some("true")));
    // A refusal is not kept: the same key may carry the corrected draft.
    let key = client.new_id();
    let mut draft = activity(client, "");
    assert_eq!(send(&key, &draft).status, 422);
    draft["name"] = json!("Fifth");
    assert_eq!(send(&key, &draft).status, 201);
}

#[test]
fn a_list_pages_through_every_row_once() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let client = &member.client;
    let mut made = BTreeSet::new();
    for n in 0..130 {
        let body = activity(client, &format!("Activity {n}"));
        client.post("/v1/activities", &body).unwrap().expect(201).unwrap();
        made.insert(text(&body, "id"));
    }
    made.insert(member.activity_id.clone());
    let mut seen = Vec::new();
    let mut cursor = String::new();
    let mut sizes = Vec::new();
    loop {
        let page = client.get(&format!("/v1/activities?limit=50{cursor}")).unwrap().expect(200).unwrap();
        let ids: Vec<String> = page["data"].as_array().unwrap().iter().map(|row| text(row, "id")).collect();
        sizes.push(ids.len());
        seen.extend(ids);
        let next = page["page"]["next_cursor"].as_str();
        assert_eq!(page["page"]["has_more"].as_bool(), Some(next.is_some()));
        if sizes.len() == 1 {
            // A row that comes in between is newer than the page: it neither doubles nor hides another.
            app.stage.clock.advance(Duration::seconds(1));
            client.post("/v1/activities", &activity(client, "Late")).unwrap().expect(201).unwrap();
        }
        let Some(next) = next else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(sizes, [50, 50, 31]);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "newest first");
    assert_eq!(seen.len(), 131);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), made);
    let other = client.get(&format!("/v1/clients?limit=50{cursor}")).unwrap();
    assert_eq!((other.status, other.code().as_str()), (400, "cursor_invalid"), "a cursor belongs to its list");
}

#[test]
fn a_rehearsal_answers_as_the_real_thing_and_changes_nothing() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let stage = &app.stage;
    let submitted = stage.submitted_invoice(&member, None, 50_000).unwrap();
    let place = format!("/v1/invoices/{}", text(&submitted, "id"));
    let version = submitted["version"].as_i64().unwrap();
    let before = rows(&app);
    let issue =
        |query: &str| cast.staff.reviewer.change(&format!("{place}/issue{query}"), version, &json!({})).unwrap();
    let rehearsed = issue("?dry_run=true").expect(200).unwrap();
    assert_eq!(rehearsed["dry_run"], true);
    assert_eq!(rows(&app), before, "a rehearsal wrote something");
    assert_eq!(member.client.get(&place).unwrap().json(), submitted);
    let issued = issue("").expect(200).unwrap();
    for same in ["number", "total_gross", "total_net", "to_activity"] {
        assert_eq!(rehearsed[same], issued[same], "{same}");
    }
    assert_eq!(issue("?dry_run=true").status, 412, "a rehearsal is refused as the real thing");
    let before = rows(&app);
    let made = activity(&member.client, "Rehearsed");
    let answer = member.client.post("/v1/activities?dry_run=true", &made).unwrap().expect(201).unwrap();
    assert_eq!((answer["dry_run"].as_bool(), rows(&app)), (Some(true), before));
    assert_eq!(member.client.get(&format!("/v1/activities/{}", text(&made, "id"))).unwrap().status, 404);
}

#[test]
fn every_parameter_of_the_description_is_where_it_says() {
    let description = umbel::api::description().unwrap();
    let mut checked = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
            let in_path: BTreeSet<String> =
                parameters.iter().filter(|p| p["in"] == "path").map(|p| text(p, "name")).collect();
            let wanted: BTreeSet<String> = path
                .split('/')
                .filter_map(|step| Some(step.strip_prefix('{')?.strip_suffix('}')?.to_owned()))
                .collect();
            assert_eq!(in_path, wanted, "{method} {path}");
            assert!(parameters.iter().all(|p| p["in"] != "path" || p["required"] == true), "{method} {path}");
            checked += parameters.len();
        }
    }
    assert!(checked > 200, "{checked}");
}

/// Every node of a value, with its address.
fn nodes<'a>(value: &'a Value, at: String, into: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| nodes(field, format!("{at}/{name}"), into)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| nodes(item, format!("{at}/{n}"), into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    into.push((at, value));
}

/// An enumeration that is put in place with a sentence of its own becomes "a text and an object", which nothing is.
#[test]
fn nothing_in_the_description_is_of_two_types_at_once() {
    let found_in = |description: &Value| -> Vec<String> {
        let mut found = Vec::new();
        nodes(description, String::new(), &mut found);
        let types = |of: &Value| -> BTreeSet<String> {
            let parts = of["allOf"].as_array().cloned().unwrap_or_default();
            parts.iter().filter_map(|part| part["type"].as_str().map(str::to_owned)).collect()
        };
        found.into_iter().filter(|(_, node)| types(node).len() > 1).map(|(at, _)| at).collect()
    };
    assert_eq!(found_in(&umbel::api::description().unwrap()), Vec::<String>::new());
    let wrong = json!({"a": [{"allOf": [{"type": "string"}, {"type": "object"}]}]});
    assert_eq!(found_in(&wrong), ["/a/0"], "the search would see it");
}
