//! Every cent explained: the chain exists for every line of a member, adds up, can be done again, and can be signed.

use std::fmt::Write as _;

use serde_json::Value;
use umbel::demo::{Client, MemberCast};
use umbel::formats::evidence::{self, NotEvidence};
use umbel::kernel::language::Language;
use umbel::kernel::money::Minor;
use umbel::platform::db::Actor;

use super::guarantee::{arrives, covered, plain, recover, write_off};
use super::support::TestApp;

fn amount(step: &Value) -> i64 {
    step["amount"]["amount_minor"].as_i64().unwrap_or_else(|| panic!("no amount in {step}"))
}

fn steps<'a>(step: &'a Value, field: &str) -> &'a [Value] {
    step[field].as_array().map_or(&[], Vec::as_slice)
}

/// A decimal such as `0.055` or `12.5` as a numerator over a power of ten.
fn fraction(text: &str) -> (i128, i128) {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    (format!("{whole}{rest}").parse().unwrap(), 10_i128.pow(u32::try_from(rest.len()).unwrap()))
}

/// Does a calculation again, in integers and without anything of the program's.
fn replay(calculation: &Value) -> i64 {
    let base = i128::from(calculation["base"]["amount_minor"].as_i64().unwrap());
    let half_away = |n: i128, d: i128| {
        let magnitude = (n.abs() * 2 + d) / (d * 2);
        if n < 0 { -magnitude } else { magnitude }
    };
    let result = match calculation["kind"].as_str().unwrap() {
        "total" => {
            let (n, d) = fraction(calculation["unrounded"].as_str().unwrap());
            half_away(n * 100, d)
        }
        "proportion" => {
            let (n, d) = (calculation["weight"].as_i64().unwrap(), calculation["weights"].as_i64().unwrap());
            half_away(base * i128::from(n), i128::from(d))
        }
        "rate" => {
            let (n, d) = fraction(calculation["rate"].as_str().unwrap());
            half_away(base * n, d)
        }
        "product" => {
            let (n, d) = fraction(calculation["quantity"].as_str().unwrap());
            half_away(base * n, d)
        }
        // By largest remainder a part is its quota without its fraction, or one cent more.
        "split" => {
            let (n, d) = (calculation["weight"].as_i64().unwrap(), calculation["weights"].as_i64().unwrap());
            let result = i128::from(calculation["result"]["amount_minor"].as_i64().unwrap());
            let off = (result * i128::from(d) - base * i128::from(n)).abs();
            assert!(off < i128::from(d), "{calculation}");
            result
        }
        other => panic!("{other}"),
    };
    i64::try_from(result).unwrap()
}

/// Checks a step and everything below it. Answers how many steps and calculations that were.
fn check(step: &Value) -> (usize, usize) {
    let parts = steps(step, "parts");
    assert!(!step["text"].as_str().unwrap().is_empty(), "{step}");
    if !parts.is_empty() {
        assert_eq!(parts.iter().map(amount).sum::<i64>(), amount(step), "the parts sum to it: {step}");
    }
    let mut done = (1, 0);
    if let Some(calculation) = step.get("calculation") {
        assert_eq!(replay(calculation), calculation["result"]["amount_minor"].as_i64().unwrap(), "{calculation}");
        assert_eq!(amount(step).abs(), calculation["result"]["amount_minor"].as_i64().unwrap().abs(), "{step}");
        done.1 += 1;
    }
    for below in parts.iter().chain(steps(step, "rests_on")) {
        let (steps, calculations) = check(below);
        done = (done.0 + steps, done.1 + calculations);
    }
    done
}

/// One line of each account of each event in the books of a test, explained to the office and checked: whatever a test
/// books can be explained.
pub fn check_books(app: &TestApp) {
    let ids = super::ground::lines(
        &mut app.database.owner(),
        "SELECT max(p.id)::text AS line FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
         GROUP BY e.event, p.account, sign(p.amount_minor) ORDER BY 1",
    );
    for id in ids {
        let id: i64 = id.parse().unwrap();
        let explained = app.db.write_blocking(&Actor::System, |tx| umbel::explain::posting(tx, id, Language::En));
        let step = explained.unwrap_or_else(|error| panic!("posting {id} cannot be explained: {error:?}"));
        check(&serde_json::to_value(step).unwrap());
    }
}

/// Every line of the books that a member may see, explained and checked.
fn check_all(app: &TestApp, member: &MemberCast) -> (usize, usize) {
    let reader = app.stage.sign_in(&member.email).unwrap();
    let person = reader.person_id.clone().unwrap();
    let ids = super::ground::lines(
        &mut app.database.owner(),
        &format!("SELECT id::text AS line FROM posting WHERE owner_id = '{person}' ORDER BY id"),
    );
    assert!(!ids.is_empty());
    let mut calculations = 0;
    for id in &ids {
        let view = reader.get(&format!("/v1/postings/{id}/trace")).unwrap().expect(200).unwrap();
        let (_, done) = check(&view["trace"]);
        calculations += done;
        let step = &view["trace"];
        let has_ground = !steps(step, "parts").is_empty()
            || !steps(step, "rests_on").is_empty()
            || step["entry"]["href"].is_string();
        assert!(has_ground, "explained by something: {step}");
    }
    (ids.len(), calculations)
}

/// The texts of a chain, one line each, indented by depth.
fn told(step: &Value, depth: usize, into: &mut String) {
    let cents = amount(step);
    let line = format!("{:depth$}{}.{:02} {}", "", cents / 100, (cents % 100).abs(), step["text"].as_str().unwrap());
    into.push_str(&line);
    for extra in ["/calculation/text", "/rule/text"] {
        if let Some(text) = step.pointer(extra).and_then(Value::as_str) {
            into.push_str(" | ");
            into.push_str(text);
        }
    }
    into.push('\n');
    for below in steps(step, "parts").iter().chain(steps(step, "rests_on")) {
        told(below, depth + 2, into);
    }
}

struct Told {
    app: TestApp,
    member: MemberCast,
    payout: String,
    invoice: String,
}

/// 1,000.00 invoiced, advanced, paid out, and paid by the client.
fn story() -> Told {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let stage = &app.stage;
    let order = stage.confirmed_order(&member, 100_000).unwrap();
    let submitted = stage.submitted_invoice(&member, order["id"].as_str(), 0).unwrap();
    let invoiced = stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    stage.days_pass(9).unwrap();
    stage.office_returns(&mut cast, super::support::ADMIN).unwrap();
    let member = MemberCast { client: stage.sign_in(&member.email).unwrap(), ..member };
    let payout = stage.payout(&member, 92_500).unwrap();
    let sealed = stage.sealed_batch(&cast, &payout).unwrap();
    stage.release(&cast.staff.approver, &sealed).unwrap();
    cast.bank.pays(Minor::new(92_500), payout["end_to_end_id"].as_str().unwrap(), stage.today());
    stage.import(&mut cast).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", stage.today());
    stage.import(&mut cast).unwrap();
    let payout = payout["id"].as_str().unwrap().to_owned();
    Told { app, member, payout, invoice: invoiced.id }
}

fn in_english(client: &Client, path: &str) -> Value {
    let answer = client.send("GET", path, &[("Accept-Language", "en")], None).unwrap();
    answer.expect(200).unwrap()
}

#[test]
fn the_paid_cents_lead_back_to_the_lines_the_rates_and_the_vote() {
    let it = story();
    let view = in_english(&it.member.client, &format!("/v1/payouts/{}/trace", it.payout));
    check(&view["trace"]);
    let mut text = String::new();
    told(&view["trace"], 0, &mut text);
    insta::assert_snapshot!("the_chain_of_a_payout", text);
    let view = in_english(&it.member.client, &format!("/v1/invoices/{}/trace", it.invoice));
    let (_, calculations) = check(&view["trace"]);
    assert_eq!((amount(&view["trace"]), calculations >= 3), (92_500, true));
}

#[test]
fn every_line_of_a_member_is_explained_adds_up_and_can_be_done_again() {
    let it = story();
    let (lines, calculations) = check_all(&it.app, &it.member);
    println!("{lines} lines, {calculations} calculations done again");
    assert_eq!((lines, calculations), (29, 60), "every line of the story, and every calculation in it");
}

#[test]
fn parts_of_payments_odd_amounts_and_what_comes_back_are_explained_too() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let stage = &app.stage;
    let submitted = stage.submitted_invoice(&member, None, 33_333).unwrap();
    let invoiced = stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    for cents in [10_001, 7_777, 1] {
        cast.bank.receives(Minor::new(cents), &invoiced.reference, "Client", stage.today());
    }
    stage.import(&mut cast).unwrap();
    let first = stage.payout(&member, 5_000).unwrap();
    let place = format!("/v1/payouts/{}", first["id"].as_str().unwrap());
    member.client.change(&format!("{place}/cancel"), 1, &serde_json::json!({})).unwrap().expect(200).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross - 17_779), &invoiced.reference, "Client", stage.today());
    stage.import(&mut cast).unwrap();
    let payout = stage.payout(&member, 30_000).unwrap();
    let sealed = stage.sealed_batch(&cast, &payout).unwrap();
    stage.release(&cast.staff.approver, &sealed).unwrap();
    let end_to_end_id = payout["end_to_end_id"].as_str().unwrap();
    cast.bank.pays(Minor::new(30_000), end_to_end_id, stage.today());
    stage.import(&mut cast).unwrap();
    cast.bank.returns(Minor::new(30_000), end_to_end_id, "AC04", stage.today());
    stage.import(&mut cast).unwrap();
    check_all(&app, &member);
    // What is there now: each balance is the sum of its pieces, however many are named.
    let reader = app.stage.sign_in(&member.email).unwrap();
    stage.payout(&MemberCast { client: reader.clone(), ..member.clone() }, 123).unwrap();
    stage.submitted_invoice(&member, None, 777).map(|it| stage.issue(&cast.staff.reviewer, &it)).unwrap().unwrap();
    let activity = reader.get(&format!("/v1/activities/{}", member.activity_id)).unwrap().json();
    for balance in ["available", "pending", "reserved"] {
        for limit in [1, 20] {
            let path = format!("/v1/activities/{}/balances/{balance}/trace?limit={limit}", member.activity_id);
            let view = in_english(&reader, &path);
            check(&view["trace"]);
            assert_eq!(amount(&view["trace"]), activity[balance]["amount_minor"].as_i64().unwrap(), "{balance}");
            assert!(!steps(&view["trace"], "parts").is_empty(), "{balance}: {view}");
        }
    }
    let path = format!("/v1/activities/{}/balances", member.activity_id);
    assert_eq!(reader.get(&format!("{path}/lost/trace")).unwrap().status, 404);
    assert_eq!(reader.get(&format!("{path}/pending/trace?limit=0")).unwrap().status, 422);
}

/// What the lines of losses are made of and what they rest on, one level deep.
fn told_losses(app: &TestApp, reader: &Client) -> String {
    let lines = super::ground::lines(
        &mut app.database.owner(),
        "SELECT format('%s|%s %s', p.id, e.event, p.account) AS line FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
         WHERE e.event IN ('written_off', 'guarantee_drawn', 'recovered') ORDER BY p.id",
    );
    let mut told = String::new();
    for line in lines {
        let (id, what) = line.split_once('|').unwrap();
        let view = in_english(reader, &format!("/v1/postings/{id}/trace"));
        let step = &view["trace"];
        let cents = |step: &Value| format!("{:9}", amount(step));
        writeln!(told, "{} {what}", cents(step)).unwrap();
        for (sign, field) in [('=', "parts"), ('<', "rests_on")] {
            for below in steps(step, field) {
                let how = below.pointer("/calculation/text").and_then(Value::as_str).unwrap_or_default();
                writeln!(told, "  {sign} {} {} | {how}", cents(below), below["text"].as_str().unwrap()).unwrap();
            }
        }
    }
    told
}

#[test]
fn the_shares_of_a_loss_and_of_what_comes_back_are_computed_again() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    // Odd amounts: every part is rounded.
    let covered = covered(&app, &cast, &member, 33_333);
    let borne = plain(&app, &cast, &member, 33_333);
    plain(&app, &cast, &member, 5_000_000);
    for invoice in [&covered, &borne] {
        cast.bank.receives(Minor::new(10_001), &invoice.reference, "Client", app.stage.today());
    }
    app.stage.import(&mut cast).unwrap();
    for (invoice, comes) in [(&covered, [23_456, 6_876]), (&borne, [12_347, 101])] {
        let given_up = write_off(&app, &cast, invoice);
        for cents in comes {
            let line = arrives(&app, &mut cast, invoice, cents);
            recover(&cast, &line, &given_up).expect(200).unwrap();
        }
    }
    let (_, calculations) = check_all(&app, &member);
    println!("{calculations} calculations done again");
    let told = told_losses(&app, &member.client);
    assert_eq!(told, told_losses(&app, &cast.staff.accountant), "the office reads the same");
    // VAT of both losses in two lines each, the fee in two, and the VAT in what came four times in two.
    let shares = |words: &str| told.lines().filter(|line| line.contains(words) && line.contains(" × ")).count();
    assert_eq!(
        (shares("VAT in what was given up"), shares("Fee of the mutual in what was given up")),
        (4, 4),
        "{told}"
    );
    assert_eq!(shares("VAT in what came"), 8, "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn an_explanation_is_in_the_readers_language_and_for_the_reader_alone() {
    let it = story();
    let mut cast = it.app.stage.sign_in("reviewer@ombelle.example").unwrap();
    cast.token = cast.token.take();
    let path = format!("/v1/payouts/{}/trace", it.payout);
    let own = it.member.client.get(&path).unwrap().expect(200).unwrap();
    assert_eq!(own["language"], "fr", "the language of the member");
    assert!(own["trace"]["text"].as_str().unwrap().starts_with("Paiement de"), "{own}");
    for (tag, word) in [("nl", "Uitbetaling van"), ("de-AT", "Auszahlung von"), ("en", "Payout of")] {
        let answer = it.member.client.send("GET", &path, &[("Accept-Language", tag)], None).unwrap();
        assert!(answer.json()["trace"]["text"].as_str().unwrap().starts_with(word));
    }
    assert_eq!(cast.get(&path).unwrap().status, 200, "the office sees it");
    assert_eq!(it.app.visitor().get(&path).unwrap().status, 401);
    for path in ["/v1/postings/0/trace", "/v1/postings/99999999999999999999/trace", "/v1/postings/x/trace"] {
        assert_eq!(it.member.client.get(path).unwrap().status, 404, "{path}");
    }
    let draft = it.app.stage.submitted_invoice(&it.member, None, 100).unwrap();
    let path = format!("/v1/invoices/{}/trace", draft["id"].as_str().unwrap());
    assert_eq!(it.member.client.get(&path).unwrap().code(), "nothing_booked");
}

/// `umbel verify` as a process of its own: how it ends, and what it says.
fn verified(file: &str, jwks: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let (trace, keys) = (folder.path().join("trace.json"), folder.path().join("jwks.json"));
    std::fs::write(&trace, file).unwrap();
    std::fs::write(&keys, jwks).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_umbel"));
    let done = command.arg("verify").arg(&trace).arg("--jwks").arg(&keys).output().unwrap();
    (done.status.code(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
}

#[test]
fn a_file_that_was_changed_cut_or_signed_for_something_else_is_refused_by_the_program() {
    let it = story();
    let jwks = it.app.visitor().get("/.well-known/jwks.json").unwrap();
    let jwks = String::from_utf8(jwks.body).unwrap();
    let path = format!("/v1/payouts/{}/trace?signed=true", it.payout);
    let file = String::from_utf8(it.member.client.get(&path).unwrap().body).unwrap();
    let (code, said) = verified(&file, &jwks);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("The signature holds"), "{said}");
    let token = it.member.client.token.clone().unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let token = format!(r#"{{"payload":"{}","protected":"{}","signature":"{}"}}"#, parts[1], parts[0], parts[2]);
    let key: Value = serde_json::from_str(&jwks).unwrap();
    let x = key["keys"][0]["x"].as_str().unwrap();
    let swapped = if x.starts_with('A') { "B" } else { "A" };
    let wrong_key = jwks.replace(x, &format!("{swapped}{}", &x[1..]));
    for (what, file, jwks, reason) in [
        ("an amount", file.replacen("92500", "92501", 1), &jwks, "the signature does not fit"),
        ("the end", file[..file.len() - 40].to_owned(), &jwks, "not canonical JSON"),
        ("nearly all", file[..40].to_owned(), &jwks, "not canonical JSON"),
        ("all", String::new(), &jwks, "the file is empty"),
        ("a token", token, &jwks, "trace.json: "),
        ("the key", file.clone(), &wrong_key, "the signature does not fit"),
        ("the keys", file, &r#"{"keys":[]}"#.to_owned(), "is not among the given public keys"),
    ] {
        let (code, said) = verified(&file, jwks);
        assert_eq!((code, said.contains(reason)), (Some(1), true), "{what}: {said}");
    }
}

#[test]
fn signed_evidence_needs_the_file_and_the_public_keys_and_opens_no_door() {
    let it = story();
    let path = format!("/v1/payouts/{}/trace", it.payout);
    let jwks = it.app.visitor().get("/.well-known/jwks.json").unwrap();
    let jwks = String::from_utf8(jwks.body).unwrap();
    let readable = it.member.client.get(&format!("{path}?signed=true")).unwrap();
    let jose = it.member.client.send("GET", &path, &[("Accept", "application/jose+json")], None).unwrap();
    assert_eq!(jose.header("content-type"), Some("application/jose+json"));
    for answer in [&readable, &jose] {
        let file = String::from_utf8(answer.body.clone()).unwrap();
        let statement = evidence::verify(&file, &jwks).unwrap();
        assert_eq!(statement["trace"]["amount"]["amount_minor"], 92_500);
        assert_eq!(statement["issuer"].as_str(), Some(it.app.stage.base.as_str()));
        let more = file.replacen("92500", "92501", 1);
        if more != file {
            assert_eq!(evidence::verify(&more, &jwks), Err(NotEvidence::Signature));
        }
    }
    // As a compact token it is signed by the very key that signs tokens, and still opens nothing.
    let file = jose.json();
    let [protected, payload, signature] =
        ["protected", "payload", "signature"].map(|name| file[name].as_str().unwrap().to_owned());
    let mut thief = it.app.visitor();
    thief.token = Some(format!("{protected}.{payload}.{signature}"));
    let refused = thief.get("/v1/activities").unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (401, "token_invalid"));
    // And a token is no evidence.
    let token = it.member.client.token.clone().unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let as_file = serde_json::json!({"payload": parts[1], "protected": parts[0], "signature": parts[2]});
    let refused = evidence::verify(&as_file.to_string(), &jwks).unwrap_err();
    assert!(matches!(refused, NotEvidence::Type(_) | NotEvidence::Header), "{refused}");
}
