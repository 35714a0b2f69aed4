//! Signing in, staying signed in, and everything that only looks like a token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use umbel::demo::{Answer, Client};
use umbel::kernel::roles::Role;

use super::described::refusal;
use super::support::TestApp;
use super::world::{claims, session_of, text};

const EMAIL: &str = "somebody@umbel.example";
const PASSWORD: &str = "twelve and a bit more";

fn with_somebody() -> (TestApp, Client) {
    let app = TestApp::start();
    app.insert_person(EMAIL, PASSWORD, &[Role::Reviewer]);
    let client = app.visitor().sign_in(EMAIL, PASSWORD).unwrap();
    (app, client)
}

fn me(app: &TestApp, token: &str) -> Answer {
    let mut client = app.visitor();
    client.token = Some(token.to_owned());
    client.get("/v1/me").unwrap()
}

fn sign_in(app: &TestApp, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    app.visitor().command("POST", "/v1/sessions", &[], &body).unwrap()
}

fn refresh(app: &TestApp, token: &str) -> Answer {
    app.visitor().command("POST", "/v1/sessions/refresh", &[], &json!({"refresh_token": token})).unwrap()
}

/// A token with our real key, so that only what is changed can be the reason to refuse it.
fn signed(app: &TestApp, header: &Header, claims: &Value) -> String {
    encode(header, claims, app.parts.keys.signing().1).unwrap()
}

#[test]
fn a_token_that_is_not_exactly_ours_is_refused() {
    let (app, client) = with_somebody();
    let good = client.token.clone().unwrap();
    let said = claims(&good);
    let kid = app.parts.keys.signing().0.to_owned();
    let header = Header { typ: Some("at+jwt".to_owned()), kid: Some(kid.clone()), ..Header::new(Algorithm::EdDSA) };
    assert_eq!(me(&app, &signed(&app, &header, &said)).status, 200, "the test signs as the service does");
    let now = app.stage.clock.now().timestamp();
    let claiming = |name: &str, value: Value| {
        let mut changed = said.clone();
        changed[name] = value;
        signed(&app, &header, &changed)
    };
    let without = |name: &str| {
        let mut changed = said.clone();
        changed.as_object_mut().unwrap().remove(name);
        signed(&app, &header, &changed)
    };
    let headed = |change: &dyn Fn(&mut Header)| {
        let mut changed = header.clone();
        change(&mut changed);
        signed(&app, &changed, &said)
    };
    let parts: Vec<&str> = good.split('.').collect();
    let raw = |head: &Value, body: &Value, signature: &str| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", part(head), part(body))
    };
    let public = serde_json::to_value(app.parts.keys.jwks()).unwrap()["keys"][0]["x"].as_str().unwrap().to_owned();
    let symmetric = Header { alg: Algorithm::HS256, ..header.clone() };
    let by_hmac = |secret: &[u8]| encode(&symmetric, &said, &EncodingKey::from_secret(secret)).unwrap();
    let none = json!({"alg": "none", "typ": "at+jwt", "kid": kid});
    let mut forged = vec![
        ("no algorithm", raw(&none, &said, "")),
        ("no algorithm, a signature", raw(&none, &said, parts[2])),
        ("NONE", raw(&json!({"alg": "NONE", "typ": "at+jwt", "kid": kid}), &said, "")),
        ("HS256 by the public key as text", by_hmac(public.as_bytes())),
        ("HS256 by the public key", by_hmac(&URL_SAFE_NO_PAD.decode(&public).unwrap())),
        ("HS256 by nothing", by_hmac(b"")),
        ("another key id", headed(&|header| header.kid = Some("another".to_owned()))),
        ("a path as key id", headed(&|header| header.kid = Some("../../etc/passwd".to_owned()))),
        ("no key id", headed(&|header| header.kid = None)),
        ("type JWT", headed(&|header| header.typ = Some("JWT".to_owned()))),
        ("no type", headed(&|header| header.typ = None)),
        ("another audience", claiming("aud", json!("another"))),
        ("a list of audiences", claiming("aud", json!(["umbel-api", "another"]))),
        ("another issuer", claiming("iss", json!("https://another.example"))),
        ("an end as text", claiming("exp", json!((now + 600).to_string()))),
        ("an end in the far future", claiming("exp", json!(now + 86_400))),
        ("an end of null", claiming("exp", Value::Null)),
        ("a negative end", claiming("exp", json!(-1))),
        ("a fractional end", claiming("exp", json!(1e300))),
        ("a start in the future", claiming("iat", json!(now + 60))),
        ("a start as text", claiming("iat", json!("now"))),
        ("one more claim", claiming("roles", json!(["administrator"]))),
        ("another session", claiming("sid", json!(client.new_id()))),
        ("a later generation", claiming("generation", json!(7))),
        ("an earlier generation", claiming("generation", json!(-1))),
        ("a session that is no id", claiming("sid", json!("' OR 1=1"))),
        ("a signature cut off", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{good}.x")),
        ("nothing", String::new()),
        ("words", "let me in".to_owned()),
        ("a long text", "a".repeat(6_000)),
        ("the refresh token", client.refresh_token.clone().unwrap()),
    ];
    for claim in ["iss", "aud", "sub", "sid", "generation", "iat", "exp", "jti"] {
        forged.push(("a claim missing", without(claim)));
    }
    // Another subject with the real key is no forgery that anybody could make, but the session knows whose it is.
    for (what, token) in &forged {
        let answer = me(&app, token);
        let code = refusal(&answer).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        assert_eq!(answer.status, 401, "{what}: {code}");
        assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{what}");
    }
    // Every single bit of head, body and signature counts.
    let mut refused = 0;
    for at in (0..good.len()).step_by(3) {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let last_bits_only = at + 1 == good.len();
        if changed != good && !last_bits_only {
            assert_eq!(me(&app, &changed).status, 401, "position {at}");
            refused += 1;
        }
    }
    println!("{} forged, {refused} altered", forged.len());
    assert_eq!(me(&app, &good).status, 200);
    app.stage.clock.advance(Duration::minutes(11));
    let late = me(&app, &good);
    assert_eq!((late.status, late.code().as_str()), (401, "token_expired"));
}

#[test]
fn a_lost_reply_never_signs_anybody_out() {
    let (app, client) = with_somebody();
    let (mut access, mut held) = (client.token.clone().unwrap(), client.refresh_token.clone().unwrap());
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |n: u64| {
        // xorshift64: the same sequence in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let (mut lost, mut kept) = (0, 0);
    for round in 0..200 {
        app.stage.clock.advance(Duration::seconds(i64::try_from(random(120)).unwrap()));
        let answer = refresh(&app, &held);
        assert_eq!(answer.status, 200, "round {round}: {}", answer.code());
        if random(10) < 3 {
            lost += 1;
            continue;
        }
        kept += 1;
        access = text(&answer.json(), "access_token");
        held = text(&answer.json(), "refresh_token");
        if random(2) == 0 {
            assert_eq!(me(&app, &access).status, 200, "round {round}");
        }
    }
    assert_eq!(session_of(&access), session_of(client.token.as_deref().unwrap()), "it is the same device all along");
    println!("{kept} kept, {lost} lost, 0 signed out");
    assert!(lost > 30 && kept > 100);
}

#[test]
fn a_used_refresh_token_that_comes_again_revokes_the_family_at_once() {
    let (app, client) = with_somebody();
    let bystander = app.visitor().sign_in(EMAIL, PASSWORD).unwrap();
    let first = client.refresh_token.clone().unwrap();
    let second = refresh(&app, &first).expect(200).unwrap();
    let access = text(&second, "access_token");
    assert_eq!(me(&app, &access).status, 200, "the successor is in use");
    let replayed = refresh(&app, &first);
    assert_eq!((replayed.status, replayed.code().as_str()), (401, "session_revoked"));
    let revoked = me(&app, &access);
    assert_eq!((revoked.status, revoked.code().as_str()), (401, "session_revoked"));
    let never_again = refresh(&app, &text(&second, "refresh_token"));
    assert_eq!((never_again.status, never_again.code().as_str()), (401, "session_revoked"));
    assert_eq!(me(&app, bystander.token.as_deref().unwrap()).status, 200, "another device stays");
    for junk in ["", "ur_", "ur_AAAA", "xx_AAAA", &format!("ur_{}", URL_SAFE_NO_PAD.encode([7; 32]))] {
        let refused = refresh(&app, junk);
        assert_eq!((refused.status, refusal(&refused).unwrap().as_str()), (401, "token_invalid"), "{junk}");
    }
}

#[test]
fn a_device_that_is_signed_out_is_out_at_the_next_request() {
    let (app, client) = with_somebody();
    let other = app.visitor().sign_in(EMAIL, PASSWORD).unwrap();
    let devices = client.get("/v1/sessions").unwrap().expect(200).unwrap();
    assert_eq!(devices.as_array().unwrap().len(), 2);
    let place = format!("/v1/sessions/{}/revoke", session_of(other.token.as_deref().unwrap()));
    client.post(&place, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(other.get("/v1/me").unwrap().code(), "session_revoked");
    assert_eq!(refresh(&app, other.refresh_token.as_deref().unwrap()).status, 401);
    assert_eq!(client.get("/v1/me").unwrap().status, 200);
    app.insert_person("another@umbel.example", PASSWORD, &[Role::Administrator]);
    let another = app.visitor().sign_in("another@umbel.example", PASSWORD).unwrap();
    let mine = format!("/v1/sessions/{}/revoke", session_of(client.token.as_deref().unwrap()));
    assert_eq!(another.post(&mine, &json!({})).unwrap().status, 404, "nobody signs another person out");
    assert_eq!(client.get("/v1/me").unwrap().status, 200);
}

#[test]
fn a_new_password_by_link_works_once_and_signs_every_device_out() {
    let (app, client) = with_somebody();
    let visitor = app.visitor();
    visitor.post("/v1/password_resets", &json!({"email": EMAIL})).unwrap().expect(200).unwrap();
    let known = visitor.post("/v1/password_resets", &json!({"email": EMAIL})).unwrap();
    let unknown = visitor.post("/v1/password_resets", &json!({"email": "nobody@umbel.example"})).unwrap();
    assert_eq!((known.status, known.body), (unknown.status, unknown.body), "the answer does not tell");
    app.stage.settle().unwrap();
    let token = app.stage.token_to(EMAIL, "/reset/").unwrap();
    let complete = |token: &str, password: &str| {
        visitor.post("/v1/password_resets/complete", &json!({"token": token, "password": password})).unwrap()
    };
    assert_eq!(complete(&token, "short").code(), "password_too_short");
    let mut forged = token.clone().into_bytes();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    assert_eq!(complete(&String::from_utf8(forged).unwrap(), "another password").code(), "link_invalid");
    complete(&token, "another password").expect(200).unwrap();
    assert_eq!(client.get("/v1/me").unwrap().code(), "session_revoked");
    assert_eq!(sign_in(&app, EMAIL, PASSWORD).code(), "credentials_invalid");
    assert_eq!(sign_in(&app, EMAIL, "another password").status, 200);
    let again = complete(&token, "a third password");
    assert_eq!((again.status, again.code().as_str()), (409, "link_used"));
    // A link for one thing opens nothing else, and it grows old.
    assert_eq!(visitor.post("/v1/email_confirmations", &json!({"token": token})).unwrap().code(), "link_invalid");
    app.stage.clock.advance(Duration::minutes(1));
    visitor.post("/v1/password_resets", &json!({"email": EMAIL})).unwrap().expect(200).unwrap();
    app.stage.settle().unwrap();
    let late = app.stage.token_to(EMAIL, "/reset/").unwrap();
    app.stage.clock.advance(Duration::minutes(61));
    assert_eq!(complete(&late, "a fourth password").code(), "link_expired");
}

#[test]
fn guessing_is_slowed_down_alike_for_known_and_unknown_addresses() {
    let (app, _client) = with_somebody();
    let story = |email: &str| -> Vec<(u16, String, Option<String>)> {
        (0..8)
            .map(|_| {
                let answer = sign_in(&app, email, "not the password");
                (answer.status, refusal(&answer).unwrap(), answer.header("retry-after").map(str::to_owned))
            })
            .collect()
    };
    let known = story(EMAIL);
    let unknown = story("nobody@umbel.example");
    assert_eq!(known, unknown);
    assert_eq!(known[0].1, "credentials_invalid");
    assert_eq!((known[7].0, known[7].1.as_str()), (429, "rate_limited"));
    assert!(known[7].2.is_some(), "the answer says how long");
    assert_eq!(sign_in(&app, EMAIL, PASSWORD).code(), "rate_limited", "the right password waits too");
    assert_eq!(sign_in(&app, &EMAIL.to_uppercase(), PASSWORD).code(), "rate_limited", "in any spelling");
    app.stage.clock.advance(Duration::hours(2));
    assert_eq!(sign_in(&app, EMAIL, PASSWORD).status, 200, "and the owner gets in again");
}
