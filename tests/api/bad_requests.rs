//! What is wrong around a body or with a file, and in which words it is refused.

use serde_json::{Value, json};
use umbel::kernel::money::Minor;

use super::bad_input::{address, line};
use super::described::refusal;
use super::support::{OUR_IBAN, TestApp};
use super::world::{rows, text};

#[test]
fn lengths_are_counted_in_characters_and_every_script_is_welcome() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let client = |name: &str| {
        let body = json!({"id": member.client.new_id(), "name": name, "kind": "consumer", "email": "c@client.example",
            "language": "fr", "address": address()});
        member.client.post("/v1/clients", &body).unwrap()
    };
    for name in
        ["Café 🦀 SPRL", "Łukasz Øster-Ñuñez", "株式会社うみ", "שלום", "👩‍👩‍👧‍👦", &"é".repeat(200), &"🦀".repeat(200)]
    {
        let made = client(name).expect(201).unwrap();
        assert_eq!(made["name"], *name);
    }
    for name in [&"é".repeat(201), &"🦀".repeat(201), &"a".repeat(201)] {
        let refused = client(name);
        assert_eq!((refused.status, refused.json()["errors"][0]["code"].as_str()), (422, Some("too_long")));
    }
    let many: Vec<Value> = (0..1_001).map(|_| line()).collect();
    let too_many = json!({"id": member.client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id,
        "title": "Work", "supplied_on": "2026-05-04", "lines": many});
    let refused = member.client.post("/v1/invoices", &too_many).unwrap();
    assert_eq!((refused.status, refused.json()["errors"][0]["pointer"].as_str()), (422, Some("/lines")));
}

#[test]
fn a_refusal_speaks_the_language_of_its_reader() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let body = json!({"id": member.client.new_id(), "name": "", "kind": "business", "email": "no", "language": "fr",
        "vat_number": "BE0000000000", "address": address()});
    let mut titles = Vec::new();
    for (asked, tag) in
        [("fr-BE, nl;q=0.8", "fr"), ("nl-BE", "nl"), ("de;q=0.9, en;q=0.1", "de"), ("en", "en"), ("xx, *;q=0.1", "")]
    {
        let key = member.client.new_id();
        let headers = [("Accept-Language", asked), ("Idempotency-Key", key.as_str())];
        let refused = member.client.command("POST", "/v1/clients", &headers, &body).unwrap();
        assert_eq!(refusal(&refused).unwrap(), "validation_failed");
        let language = refused.header("content-language").unwrap();
        assert!(language.starts_with(tag), "{asked}: {language}");
        let problem = refused.json();
        let named: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|field| field["pointer"].as_str().unwrap()).collect();
        for pointer in ["/name", "/email", "/vat_number"] {
            assert!(named.contains(&pointer), "{pointer} is not in {named:?}");
        }
        titles.push(text(&problem, "title"));
    }
    titles.truncate(4);
    titles.dedup();
    assert_eq!(titles.len(), 4, "{titles:?}");
}

#[test]
fn what_is_wrong_around_a_body_is_told_apart() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let client = &member.client;
    let place = format!("/v1/clients/{}", member.client_id);
    let before = rows(&app);
    let send = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let answer = client.send(method, path, headers, Some(body.as_bytes())).unwrap();
        (answer.status, refusal(&answer).unwrap_or_else(|wrong| panic!("{method} {path} {headers:?}: {wrong}")))
    };
    let is = |found: (u16, String), status: u16, code: &str| assert_eq!(found, (status, code.to_owned()));
    let json = ("Content-Type", "application/json");
    let key = ("Idempotency-Key", "0197f3a2-6c1e-7b54-9d0e-3f5f0a9c11aa");
    is(send("POST", "/v1/clients", &[("Content-Type", "text/plain"), key], "{}"), 415, "media_type_unsupported");
    is(send("POST", "/v1/clients", &[("Content-Type", "application/xml"), key], "<a/>"), 415, "media_type_unsupported");
    is(send("POST", &format!("{place}/archive"), &[json], "{}"), 400, "idempotency_key_missing");
    is(send("POST", "/v1/clients", &[json, ("Idempotency-Key", &"k".repeat(101))], "{}"), 400, "header_missing");
    is(send("POST", "/v1/clients", &[json, ("Idempotency-Key", "a b")], "{}"), 400, "header_missing");
    is(send("PATCH", &place, &[json], "{}"), 428, "version_required");
    for version in ["abc", "\"1.5\"", "W/\"1\"", "*", "", "99999999999", "\"1\", \"2\""] {
        is(send("PATCH", &place, &[json, ("If-Match", version)], "{}"), 400, "header_missing");
    }
    let stale = client.send("PATCH", &place, &[json, ("If-Match", "\"77\"")], Some(b"{}")).unwrap();
    assert_eq!((stale.status, stale.json()["current"]["id"].as_str()), (412, Some(member.client_id.as_str())));
    for (method, path) in [("DELETE", "/v1/clients"), ("PUT", "/v1/me"), ("POST", "/healthz"), ("PATCH", "/v1/orders")]
    {
        let answer = client.send(method, path, &[], None).unwrap();
        assert_eq!((answer.status, refusal(&answer).unwrap().as_str()), (405, "method_not_allowed"), "{path}");
        assert!(answer.header("allow").is_some_and(|allow| !allow.is_empty()), "{path}");
    }
    for (query, statuses) in [
        ("limit=0", [422, 422]),
        ("limit=201", [422, 422]),
        ("limit=-1", [422, 422]),
        ("limit=ten", [400, 422]),
        ("limit=99999999999999999999", [400, 422]),
        ("cursor=c_AAAA", [400, 400]),
        ("cursor=", [400, 400]),
        ("cursor=%00", [422, 422]),
        ("cursor=%ff%fe", [400, 400]),
        ("unknown=1", [400, 400]),
        ("limit=1&limit=2", [400, 422]),
    ] {
        for list in ["clients", "orders", "invoices", "payouts", "activities", "applications", "members"] {
            let answer = client.get(&format!("/v1/{list}?{query}")).unwrap();
            refusal(&answer).unwrap_or_else(|wrong| panic!("{list}?{query}: {wrong}"));
            assert!(statuses.contains(&answer.status), "{list}?{query}: {}", answer.status);
        }
    }
    for path in [
        "/v1/clients/not-an-id",
        "/v1/nothing",
        "/v1/clients/%00",
        "/v1/operations/%00",
        "/v1/operations/%F0%28",
        "/v1/order_links/%00",
        "/",
    ] {
        let answer = client.get(path).unwrap();
        let code = refusal(&answer).unwrap_or_else(|wrong| panic!("{path}: {wrong}"));
        assert!(
            matches!((answer.status, code.as_str()), (404, "not_found" | "link_invalid") | (400, _)),
            "{path}: {code}"
        );
    }
    assert_eq!(rows(&app), before);
}

/// A statement that the bank could have sent, and what may be wrong with it.
#[test]
fn a_broken_statement_is_refused_whole() {
    let app = TestApp::start();
    let mut cast = app.mutual();
    let stage = &app.stage;
    cast.bank.receives(Minor::new(12_345), "123456789002", "Somebody", stage.today());
    cast.bank.receives_unknown(Minor::new(1), "a penny", stage.today());
    let good = cast.bank.statement(stage.today(), stage.clock.now()).unwrap();
    let file = String::from_utf8(good.clone()).unwrap();
    let body = file.split_once("?>").unwrap().1;
    let bomb = r#"<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>"#;
    let deep = format!("{}{}", "<a>".repeat(5_000), "</a>".repeat(5_000));
    let broken: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("words", b"hello".to_vec()),
        ("JSON", b"{}".to_vec()),
        ("half of it", good[..good.len() / 2].to_vec()),
        ("all but the end", good[..good.len() - 3].to_vec()),
        ("a DOCTYPE", format!("<?xml version=\"1.0\"?>{bomb}{body}").into_bytes()),
        ("an external entity", file.replace("?>", "?><!DOCTYPE a SYSTEM \"file:///etc/passwd\">").into_bytes()),
        ("another root", file.replace("<Document", "<Envelope").replace("</Document", "</Envelope").into_bytes()),
        ("depth", deep.into_bytes()),
        ("wrong sums", file.replacen("123.45", "123.46", 1).into_bytes()),
        ("an unknown account", file.replace(OUR_IBAN, "BE71096123456769").into_bytes()),
        ("another currency", file.replace("EUR", "USD").into_bytes()),
        ("a NUL", file.replace("Somebody", "Some\u{0}body").into_bytes()),
        ("a character reference to NUL", file.replace("Somebody", "Some&#0;body").into_bytes()),
        ("not UTF-8", {
            let at = file.find("Somebody").unwrap();
            let mut bytes = good.clone();
            bytes[at] = 0xff;
            bytes
        }),
        ("an impossible date", file.replace("2026-05-04", "2026-02-30").into_bytes()),
        ("an endless amount", file.replace("123.45", "99999999999999999999.99").into_bytes()),
        ("a tenth of a cent", file.replace("123.45", "123.451").into_bytes()),
    ];
    let before = rows(&app);
    for (what, bytes) in &broken {
        let began = std::time::Instant::now();
        let answer = cast.staff.reviewer.upload("/v1/bank_statements", "application/xml", bytes).unwrap();
        let code = refusal(&answer).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        assert!(matches!(answer.status, 400 | 409 | 415 | 422), "{what}: {} {code}", answer.status);
        assert!(began.elapsed().as_secs() < 2, "{what} took {:?}", began.elapsed());
    }
    // Larger than other uploads: read piece by piece, to the end.
    let large = vec![b' '; 10 * 1024 * 1024 + 1];
    let refused = cast.staff.reviewer.upload("/v1/bank_statements", "application/xml", &large).unwrap();
    assert_eq!((refused.status, refusal(&refused).unwrap().as_str()), (422, "statement_not_xml"));
    assert_eq!(rows(&app), before, "a broken statement left something");
    cast.staff.reviewer.upload("/v1/bank_statements", "application/xml", &good).unwrap().expect(201).unwrap();
    let again = cast.staff.reviewer.upload("/v1/bank_statements", "application/xml", &good).unwrap();
    assert_eq!((again.status, refusal(&again).unwrap().as_str()), (409, "duplicate_statement"));
}
