//! When a client does not pay, as the people in it live it, and every posting that it leaves.

use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client, Invoiced, MemberCast};
use umbel::kernel::money::Minor;

use super::stories::journal;
use super::support::{ADMIN, TestApp};

pub fn minor(value: &Value, pointer: &str) -> i64 {
    value
        .pointer(&format!("{pointer}/amount_minor"))
        .and_then(Value::as_i64)
        .unwrap_or_else(|| panic!("{pointer}: {value}"))
}

pub(super) fn minors(value: &Value, pointers: &[&str]) -> Vec<i64> {
    pointers.iter().map(|pointer| minor(value, pointer)).collect()
}

fn version(value: &Value) -> i64 {
    value["version"].as_i64().unwrap()
}

pub fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

/// The five parts of a loss.
pub(super) const LOSS: [&str; 5] = ["/loss/vat", "/loss/fee", "/loss/contribution", "/loss/member", "/loss/claim"];
/// Where something that came back went.
const BACK: [&str; 6] = ["/vat", "/fund", "/claim", "/contribution", "/fee", "/member"];

/// An invoice whose order the guarantee covers.
pub fn covered(app: &TestApp, cast: &Cast, member: &MemberCast, net: i64) -> Invoiced {
    let order = app.stage.confirmed_order(member, net).unwrap();
    assert_eq!(order["guarantee"]["status"], "covered", "{order}");
    let submitted = app.stage.submitted_invoice(member, order["id"].as_str(), 0).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    app.stage.settle().unwrap();
    invoiced
}

/// An invoice without an order: nobody covers it. Its contribution fills the fund all the same.
pub fn plain(app: &TestApp, cast: &Cast, member: &MemberCast, net: i64) -> Invoiced {
    let submitted = app.stage.submitted_invoice(member, None, net).unwrap();
    app.stage.issue(&cast.staff.reviewer, &submitted).unwrap()
}

/// Days later everybody signs in again.
pub fn days_pass(app: &TestApp, cast: &mut Cast, member: MemberCast, days: i64) -> MemberCast {
    app.stage.days_pass(days).unwrap();
    app.stage.office_returns(cast, ADMIN).unwrap();
    MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member }
}

pub fn propose(reviewer: &Client, invoice: &str) -> Answer {
    let body = json!({"id": reviewer.new_id(), "reason": "The client is bankrupt.", "evidence": "Judgment of 4 May 2026, roll 12"});
    reviewer.post(&format!("/v1/invoices/{invoice}/write_offs"), &body).unwrap()
}

pub fn approve(approver: &Client, proposed: &Value) -> Answer {
    approver.change(&format!("/v1/write_offs/{}/approve", id(proposed)), version(proposed), &json!({})).unwrap()
}

/// Proposed by one, approved by the other.
pub(super) fn write_off(app: &TestApp, cast: &Cast, invoice: &Invoiced) -> Value {
    tick(app);
    let proposed = propose(&cast.staff.reviewer, &invoice.id).expect(201).unwrap();
    approve(&cast.staff.approver, &proposed).expect(200).unwrap()
}

pub fn activity(member: &MemberCast) -> (i64, i64) {
    let view = member.client.get(&format!("/v1/activities/{}", member.activity_id)).unwrap().expect(200).unwrap();
    (minor(&view, "/pending"), minor(&view, "/available"))
}

pub fn fund(cast: &Cast, reader: &Client) -> Value {
    reader.get(&format!("/v1/guarantee/{}/fund", cast.entity_id)).unwrap().expect(200).unwrap()
}

pub fn draw_run(cast: &Cast, query: &str) -> Answer {
    let approver = &cast.staff.approver;
    let body = json!({"id": approver.new_id(), "entity_id": cast.entity_id});
    approver.post(&format!("/v1/guarantee/draw_runs{query}"), &body).unwrap()
}

/// Money comes that only a person can place.
pub(super) fn arrives(app: &TestApp, cast: &mut Cast, invoice: &Invoiced, cents: i64) -> Value {
    tick(app);
    cast.bank.receives(Minor::new(cents), &invoice.reference, "Trustee", app.stage.today());
    let imported = app.stage.import(cast).unwrap();
    assert_eq!(imported["suspense"], 1, "{imported}");
    let lines = cast.staff.reviewer.get("/v1/bank_lines?state=suspense&limit=1").unwrap().expect(200).unwrap();
    lines["data"][0].clone()
}

/// Ids follow the clock, and the clock of the tests stands still: what comes later gets the greater id.
pub(super) fn tick(app: &TestApp) {
    app.stage.clock.advance(chrono::Duration::milliseconds(1));
}

pub(super) fn recover(cast: &Cast, line: &Value, write_off: &Value) -> Answer {
    let body = json!({"write_off_id": id(write_off)});
    cast.staff.reviewer.change(&format!("/v1/bank_lines/{}/recover", id(line)), version(line), &body).unwrap()
}

fn recoveries(cast: &Cast, write_off: &Value) -> Vec<Vec<i64>> {
    let path = format!("/v1/write_offs/{}/recoveries", id(write_off));
    let list = cast.staff.reviewer.get(&path).unwrap().expect(200).unwrap();
    list.as_array().unwrap().iter().map(|back| minors(back, &BACK)).collect()
}

/// What an account of the books stands at; debit positive.
pub fn book(app: &TestApp, account: &str) -> i64 {
    app.count(&format!("SELECT coalesce(sum(amount_minor), 0) FROM posting WHERE account = '{account}'"))
}

/// Income and expense: 55.00 was earned of a thousand that was paid, nothing of what was lost.
fn result(app: &TestApp) -> i64 {
    app.count("SELECT -coalesce(sum(p.amount_minor), 0) FROM posting p JOIN ledger_account a ON a.code = p.account WHERE a.kind IN ('income', 'expense')")
}

#[test]
fn a_loss_after_the_advance_is_borne_by_the_fund_and_the_member_keeps_the_money() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let lost = covered(&app, &cast, &member, 100_000);
    plain(&app, &cast, &member, 5_000_000);
    let member = days_pass(&app, &mut cast, member, 9);
    assert_eq!(activity(&member).1, 92_500, "advanced");
    let before = fund(&cast, &member.client);
    assert_eq!(minors(&before, &["/balance", "/open_advances", "/open_claims"]), [102_000, 92_500, 0]);
    assert_eq!(before["multiple_used"], "0.906862", "{before}");

    let proposed = propose(&cast.staff.reviewer, &lost.id).expect(201).unwrap();
    assert_eq!((proposed["state"].as_str(), minor(&proposed, "/amount")), (Some("proposed"), 121_000));
    let path = format!("/v1/write_offs/{}/approve?dry_run=true", id(&proposed));
    let rehearsed = cast.staff.approver.change(&path, version(&proposed), &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(minors(&rehearsed, &LOSS), [21_000, 5_500, 2_000, 0, 92_500]);
    assert_eq!(app.count("SELECT count(*) FROM guarantee_claim"), 0, "a rehearsal keeps nothing");
    let result_before = result(&app);
    let given_up = approve(&cast.staff.approver, &proposed).expect(200).unwrap();
    assert_eq!(minors(&given_up, &LOSS), [21_000, 5_500, 2_000, 0, 92_500]);
    assert_eq!(minors(&given_up, &["/claim/amount", "/claim/drawn", "/claim/open"]), [92_500, 92_500, 0]);

    assert_eq!(activity(&member).1, 92_500, "the member keeps it");
    assert_eq!(result(&app), result_before - 5_500, "the fee was not earned, and nothing else was lost");
    let after = fund(&cast, &member.client);
    assert_eq!(minors(&after, &["/balance", "/draws", "/returned", "/open_advances"]), [7_500, 92_500, 2_000, 0]);
    assert_eq!((after["covered_orders"].as_i64(), after["paused"].as_bool()), (Some(1), Some(false)));
    let seen = member.client.get(&format!("/v1/invoices/{}", lost.id)).unwrap().expect(200).unwrap();
    assert_eq!(
        (seen["settlement"].as_str(), minor(&seen, "/written_off"), minor(&seen, "/open")),
        (Some("written_off"), 121_000, 0)
    );
    app.stage.settle().unwrap();
    let mail = app.stage.mail_to(&member.email, "garantie").unwrap();
    assert!(mail.contains("ne paiera pas") && mail.contains("Rien"), "{mail}");
    let draws = member.client.get("/v1/guarantee/draws").unwrap().expect(200).unwrap();
    assert_eq!(minor(&draws["data"][0], "/amount"), 92_500);
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn a_covered_loss_before_the_promised_day_is_drawn_and_becomes_available() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let lost = covered(&app, &cast, &member, 100_000);
    plain(&app, &cast, &member, 5_000_000);
    let pending = activity(&member).0;
    write_off(&app, &cast, &lost);
    assert_eq!(activity(&member), (pending - 92_500, 92_500));
    // The promised day finds nothing left to advance.
    app.stage.days_pass(9).unwrap();
    assert_eq!(book(&app, "memo.advances"), 0);
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn the_fee_of_six_and_a_half_percent_leaves_nine_hundred_thirty_five_to_draw() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    plain(&app, &cast, &member, 5_000_000);
    let changed = json!({"levies": [{"kind": "fee", "rate": "0.065"}], "client_limit": {"amount_minor": 100_000_000, "currency": "EUR"}});
    rules(&app, &cast, &changed).expect(201).unwrap();
    let lost = covered(&app, &cast, &member, 100_000);
    let given_up = write_off(&app, &cast, &lost);
    assert_eq!(minors(&given_up, &LOSS), [21_000, 6_500, 0, 0, 93_500]);
    assert_eq!(minors(&given_up, &["/claim/drawn", "/claim/open"]), [93_500, 0]);
    assert_eq!((activity(&member).1, book(&app, "guarantee_fund")), (93_500, -6_500));
}

#[test]
fn a_loss_that_is_not_covered_is_borne_by_the_member_who_has_it_pending() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let lost = plain(&app, &cast, &member, 100_000);
    let given_up = write_off(&app, &cast, &lost);
    assert_eq!(minors(&given_up, &LOSS), [21_000, 5_500, 2_000, 92_500, 0]);
    assert_eq!(given_up["claim"], Value::Null);
    assert_eq!(activity(&member), (0, 0));
    assert_eq!((result(&app), book(&app, "guarantee_fund"), book(&app, "vat_refund_due")), (0, 0, 21_000));
    app.stage.settle().unwrap();
    let mail = app.stage.mail_to(&member.email, "925,00").unwrap();
    assert!(mail.contains("bankrupt"), "{mail}");

    // Money after all: as if the client had paid late.
    let half = arrives(&app, &mut cast, &lost, 60_500);
    let placed = recover(&cast, &half, &given_up).expect(200).unwrap();
    assert_eq!((placed["matched_kind"].as_str(), minor(&placed, "/waiting")), (Some("recovery"), 0));
    assert_eq!(activity(&member), (0, 46_250));
    let rest = arrives(&app, &mut cast, &lost, 60_505);
    let placed = recover(&cast, &rest, &given_up).expect(200).unwrap();
    assert_eq!(minor(&placed, "/waiting"), 5, "more than was given up waits for somebody");
    assert_eq!(
        recoveries(&cast, &given_up),
        [[10_500, 0, 0, 1_000, 2_750, 46_250], [10_500, 0, 0, 1_000, 2_750, 46_250]]
    );
    assert_eq!(activity(&member), (0, 92_500));
    assert_eq!((result(&app), book(&app, "bad_debt"), book(&app, "vat_refund_due")), (5_500, 0, 0));
    let again = recover(&cast, &placed, &given_up);
    assert_eq!((again.status, again.code().as_str()), (409, "allocation_exceeds"));
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn a_client_who_paid_a_part_leaves_its_share_of_everything() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    // Odd amounts: every part is rounded, and the whole is whole.
    let covered_one = covered(&app, &cast, &member, 33_333);
    let plain_one = plain(&app, &cast, &member, 33_333);
    plain(&app, &cast, &member, 5_000_000);
    for invoice in [&covered_one, &plain_one] {
        cast.bank.receives(Minor::new(10_001), &invoice.reference, "Client", app.stage.today());
    }
    app.stage.import(&mut cast).unwrap();
    let member = days_pass(&app, &mut cast, member, 1);
    let (pending, available) = activity(&member);
    // 403.33 gross: VAT 70.00, fee 18.33, contribution 6.67, 308.33 for the member; 100.01 of it is paid.
    let first = write_off(&app, &cast, &covered_one);
    assert_eq!(minors(&first, &["/amount"]), [30_332]);
    assert_eq!(minors(&first, &LOSS), [5_264, 1_378, 502, 0, 23_188]);
    assert_eq!(minors(&first, &["/claim/drawn", "/claim/open"]), [23_188, 0]);
    assert_eq!(activity(&member), (pending - 23_188, available + 23_188));
    let second = write_off(&app, &cast, &plain_one);
    assert_eq!(minors(&second, &LOSS), [5_264, 1_378, 502, 23_188, 0]);
    assert_eq!(activity(&member), (pending - 2 * 23_188, available + 23_188));
    insta::assert_snapshot!(journal(&app));
}

/// A rule set from today on, with some members changed.
pub fn rules(app: &TestApp, cast: &Cast, changed: &Value) -> Answer {
    let administrator = &cast.staff.administrator;
    let eur = |cents: i64| json!({"amount_minor": cents, "currency": "EUR"});
    let mut rules = json!({
        "id": administrator.new_id(), "valid_from": app.stage.today(), "decided_on": app.stage.today(), "decision": "General assembly",
        "share_price": eur(3_000), "payment_terms_days": 30, "advance_working_days": 7, "client_limit": eur(5_000_000),
        "levies": [{"kind": "fee", "rate": "0.055"}, {"kind": "guarantee", "rate": "0.02"}],
    });
    for (name, value) in changed.as_object().unwrap() {
        rules[name] = value.clone();
    }
    administrator.post(&format!("/v1/entities/{}/rule_sets", cast.entity_id), &rules).unwrap()
}

#[test]
fn a_fund_that_is_short_pays_in_proportion_and_the_rest_stays_a_claim() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    // 20 % in all, so that 3,750.00, 2,500.00 and 1,250.00 claim 3,000.00, 2,000.00 and 1,000.00.
    let changed = json!({
        "levies": [{"kind": "fee", "rate": "0.18"}, {"kind": "guarantee", "rate": "0.02"}],
        "client_limit": {"amount_minor": 100_000_000, "currency": "EUR"},
    });
    rules(&app, &cast, &changed).expect(201).unwrap();
    let invoices = [375_000, 250_000, 125_000].map(|net| covered(&app, &cast, &member, net));
    let refused = draw_run(&cast, "");
    assert_eq!((refused.status, refused.code().as_str()), (409, "nothing_to_draw"));
    for invoice in &invoices {
        let given_up = write_off(&app, &cast, invoice);
        assert_eq!(minor(&given_up, "/claim/drawn"), 0);
    }
    app.stage.settle().unwrap();
    assert!(app.stage.mail_to(&member.email, "fonds de garantie").is_ok(), "the letter says that it waits");
    assert_eq!(activity(&member), (600_000, 0));
    // 200,000.00 bring 4,000.00 to the fund.
    plain(&app, &cast, &member, 20_000_000);
    let pending = activity(&member).0;
    assert_eq!(minors(&fund(&cast, &member.client), &["/balance", "/open_claims"]), [400_000, 600_000]);

    let shown = draw_run(&cast, "?dry_run=true").expect(201).unwrap();
    let run = draw_run(&cast, "").expect(201).unwrap();
    for seen in [&shown, &run] {
        let paid: Vec<i64> = seen["draws"].as_array().unwrap().iter().map(|draw| minor(draw, "/amount")).collect();
        assert_eq!(paid, [200_000, 133_333, 66_667]);
        assert_eq!(minors(seen, &["/fund", "/claimed", "/paid", "/short_of"]), [400_000, 600_000, 400_000, 200_000]);
    }
    assert_eq!(activity(&member), (pending - 400_000, 400_000), "what is not drawn stays pending");
    let open = member.client.get("/v1/guarantee/claims?open=true&limit=2").unwrap().expect(200).unwrap();
    assert_eq!(minor(&open["data"][0], "/open"), 33_333);
    let next = open["page"]["next_cursor"].as_str().unwrap();
    let next = member.client.get(&format!("/v1/guarantee/claims?open=true&limit=2&cursor={next}")).unwrap();
    assert_eq!(next.expect(200).unwrap()["data"].as_array().unwrap().len(), 1);
    let again = draw_run(&cast, "");
    assert_eq!((again.status, again.code().as_str()), (409, "nothing_to_draw"), "the fund is empty");
    // A new loss waits behind the old ones, although the fund would suffice for it alone.
    let late = covered(&app, &cast, &member, 12_500);
    plain(&app, &cast, &member, 1_000_000);
    assert_eq!(minor(&write_off(&app, &cast, &late), "/claim/drawn"), 0);
    plain(&app, &cast, &member, 10_000_000);
    let run = draw_run(&cast, "").expect(201).unwrap();
    assert_eq!(minors(&run, &["/claimed", "/paid", "/short_of"]), [210_000, 210_000, 0]);
    assert_eq!(activity(&member).1, 610_000);
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn what_comes_back_refills_the_fund_first_to_the_cent() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let lost = covered(&app, &cast, &member, 100_000);
    plain(&app, &cast, &member, 5_000_000);
    let given_up = write_off(&app, &cast, &lost);
    let balance = |app: &TestApp| -book(app, "guarantee_fund");
    assert_eq!(balance(&app), 7_500);
    // 605.00: 105.00 VAT is owed again, 500.00 goes to the fund.
    let line = arrives(&app, &mut cast, &lost, 60_500);
    recover(&cast, &line, &given_up).expect(200).unwrap();
    assert_eq!((balance(&app), book(&app, "vat_refund_due")), (57_500, 10_500));
    // 604.99: VAT 105.00, the fund gets the 425.00 it still misses, then the contribution, then the fee.
    let line = arrives(&app, &mut cast, &lost, 60_499);
    recover(&cast, &line, &given_up).expect(200).unwrap();
    let line = arrives(&app, &mut cast, &lost, 1);
    recover(&cast, &line, &given_up).expect(200).unwrap();
    assert_eq!(
        recoveries(&cast, &given_up),
        [[10_500, 50_000, 0, 0, 0, 0], [10_500, 42_500, 0, 2_000, 5_499, 0], [0, 0, 0, 0, 1, 0]]
    );
    let seen = cast.staff.reviewer.get(&format!("/v1/write_offs/{}", id(&given_up))).unwrap().expect(200).unwrap();
    assert_eq!(minor(&seen, "/recovered"), 121_000);
    assert_eq!((balance(&app), book(&app, "vat_refund_due"), book(&app, "bad_debt")), (102_000, 0, 0));
    assert_eq!(minors(&fund(&cast, &member.client), &["/draws", "/recovered"]), [92_500, 94_500]);
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn what_comes_back_while_a_claim_waits_pays_the_claim() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let lost = covered(&app, &cast, &member, 100_000);
    let given_up = write_off(&app, &cast, &lost);
    assert_eq!(minor(&given_up, "/claim/open"), 92_500, "the fund holds nothing");
    assert_eq!(activity(&member), (92_500, 0));
    let line = arrives(&app, &mut cast, &lost, 60_500);
    recover(&cast, &line, &given_up).expect(200).unwrap();
    assert_eq!(recoveries(&cast, &given_up), [[10_500, 0, 50_000, 0, 0, 0]]);
    assert_eq!(activity(&member), (42_500, 50_000));
    plain(&app, &cast, &member, 2_125_000);
    let run = draw_run(&cast, "").expect(201).unwrap();
    assert_eq!(minors(&run, &["/claimed", "/paid"]), [42_500, 42_500]);
    assert_eq!(activity(&member).1, 92_500);
    let line = arrives(&app, &mut cast, &lost, 60_500);
    recover(&cast, &line, &given_up).expect(200).unwrap();
    assert_eq!(recoveries(&cast, &given_up)[1], [10_500, 42_500, 0, 2_000, 5_500, 0]);
    assert_eq!(book(&app, "bad_debt"), 0);
}

#[test]
fn a_dispute_puts_the_advance_off_and_its_end_brings_it() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let disputed = covered(&app, &cast, &member, 100_000);
    let place = format!("/v1/invoices/{}", disputed.id);
    let seen = cast.staff.reviewer.get(&place).unwrap().expect(200).unwrap();
    let says = json!({"reason": "Two plates are missing."});
    let answer = cast.staff.reviewer.change(&format!("{place}/dispute"), version(&seen), &says).unwrap();
    assert_eq!(answer.expect(200).unwrap()["reason"], "Two plates are missing.");
    let again = cast.staff.reviewer.change(&format!("{place}/dispute"), version(&seen), &says).unwrap();
    assert_eq!((again.status, again.code().as_str()), (409, "state_conflict"));
    // Whoever works for this client now is told.
    let (order, _) = app.stage.sent_order(&member, 10_000).unwrap();
    let order = member.client.get(&format!("/v1/orders/{order}")).unwrap().expect(200).unwrap();
    assert_eq!(order["guarantee"]["status"], "not_yet");
    let reasons = order["guarantee"]["reasons"].as_array().unwrap();
    let told = reasons.iter().find(|reason| reason["code"] == "invoice_disputed").unwrap();
    assert!(
        told["text"].as_str().unwrap().contains("conteste") && told["action"].as_str().unwrap().len() > 20,
        "{told}"
    );

    let member = days_pass(&app, &mut cast, member, 9);
    assert_eq!(activity(&member), (92_500, 0));
    let seen = member.client.get(&place).unwrap().expect(200).unwrap();
    assert_eq!(seen["advance_hold"]["reason"], "invoice_disputed", "{seen}");
    assert_eq!(seen["payout_forecast"]["blocked_by"], json!(["invoice_disputed"]));
    assert_eq!(app.count("SELECT count(*) FROM advance_hold"), 1);
    let member = days_pass(&app, &mut cast, member, 1);
    assert_eq!(app.count("SELECT count(*) FROM advance_hold"), 1, "looked at again, noted once");
    let ends = json!({"resolution": "The plates were sent."});
    cast.staff
        .reviewer
        .change(&format!("{place}/resolve_dispute"), version(&seen), &ends)
        .unwrap()
        .expect(200)
        .unwrap();
    let member = days_pass(&app, &mut cast, member, 1);
    assert_eq!(activity(&member), (0, 92_500), "late, and not lost");
    let seen = member.client.get(&place).unwrap().expect(200).unwrap();
    assert_eq!((&seen["advance_hold"], &seen["dispute"]), (&Value::Null, &Value::Null));
    let none = cast.staff.reviewer.change(&format!("{place}/resolve_dispute"), version(&seen), &ends).unwrap();
    assert_eq!((none.status, none.code().as_str()), (409, "state_conflict"));
}

#[test]
fn work_that_began_before_the_client_confirmed_is_not_covered() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let today = app.stage.today();
    let order = |starts: i64, ends: i64| {
        let id = member.client.new_id();
        let day = |days: i64| today + chrono::Duration::days(days);
        let body = json!({
            "id": id, "activity_id": member.activity_id, "client_id": member.client_id, "title": "Plates", "description": "",
            "work_starts_on": day(starts), "work_ends_on": day(ends), "valid_until": day(60),
            "lines": [{"label": "Plates", "quantity": "1", "unit_price": {"amount_minor": 10_000, "currency": "EUR"}}],
        });
        member.client.post("/v1/orders", &body).unwrap().expect(201).unwrap()
    };
    let codes = |order: &Value| -> Vec<String> {
        let reasons = order["guarantee"]["reasons"].as_array().unwrap();
        reasons
            .iter()
            .filter(|reason| reason["holds"] == false)
            .map(|reason| reason["code"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(codes(&order(0, 5)), ["client_not_confirmed"]);
    let late = order(-1, 5);
    assert_eq!(codes(&late), ["client_not_confirmed", "work_not_declared"]);
    assert_eq!(late["guarantee"]["status"], "excluded");
}

#[test]
fn nobody_gives_up_alone_or_their_own_and_nothing_wrong_is_written() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let lost = plain(&app, &cast, &member, 100_000);
    let reviewer = cast.staff.reviewer.clone();
    let place = format!("/v1/invoices/{}/write_offs", lost.id);
    let body = |reason: &str, evidence: &str| json!({"id": reviewer.new_id(), "reason": reason, "evidence": evidence});
    for (body, pointer) in [
        (body("", "Judgment"), "/reason"),
        (body("Bankrupt", " "), "/evidence"),
        (body(&"x".repeat(2_001), "Judgment"), "/reason"),
        (body("Bankrupt", &"x".repeat(4_001)), "/evidence"),
    ] {
        let refused = reviewer.post(&place, &body).unwrap();
        assert_eq!((refused.status, refused.json()["errors"][0]["pointer"].as_str()), (422, Some(pointer)));
    }
    assert_eq!(app.count("SELECT count(*) FROM write_off"), 0);

    // One person with both roles proposes and may not approve.
    let (administrator, person) = (&cast.staff.administrator, reviewer.person_id.clone().unwrap());
    let grant = |role: &str| json!({"id": administrator.new_id(), "role": role, "valid_from": app.stage.today()});
    let grants = format!("/v1/people/{person}/role_grants");
    administrator.post(&grants, &grant("payout_approver")).unwrap().expect(201).unwrap();
    let proposed = propose(&reviewer, &lost.id).expect(201).unwrap();
    let refused = approve(&reviewer, &proposed);
    assert_eq!((refused.status, refused.code().as_str()), (403, "self_approval_forbidden"));
    let second = propose(&reviewer, &lost.id);
    assert_eq!((second.status, second.code().as_str()), (409, "write_off_exists"));
    // Nor does the member, whatever they are besides.
    let person = member.client.person_id.clone().unwrap();
    for role in ["payout_approver", "reviewer"] {
        administrator.post(&format!("/v1/people/{person}/role_grants"), &grant(role)).unwrap().expect(201).unwrap();
    }
    let refused = approve(&member.client, &proposed);
    assert_eq!((refused.status, refused.code().as_str()), (403, "self_approval_forbidden"));

    let no = json!({"reason": "There is a payment plan."});
    let path = format!("/v1/write_offs/{}", id(&proposed));
    let rejected =
        cast.staff.approver.change(&format!("{path}/reject"), version(&proposed), &no).unwrap().expect(200).unwrap();
    assert_eq!((rejected["state"].as_str(), &rejected["loss"]), (Some("rejected"), &Value::Null));
    let late = approve(&cast.staff.approver, &rejected);
    assert_eq!((late.status, late.code().as_str()), (409, "state_conflict"));
    let own = propose(&member.client, &lost.id);
    assert_eq!((own.status, own.code().as_str()), (403, "self_approval_forbidden"));

    // Money came between the proposal and the approval.
    let proposed = propose(&reviewer, &lost.id).expect(201).unwrap();
    cast.bank.receives(Minor::new(1), &lost.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let refused = approve(&cast.staff.approver, &proposed);
    assert_eq!((refused.status, refused.code().as_str()), (409, "open_amount_changed"));
    cast.staff
        .approver
        .change(&format!("/v1/write_offs/{}/reject", id(&proposed)), version(&proposed), &no)
        .unwrap()
        .expect(200)
        .unwrap();
    cast.bank.receives(Minor::new(120_999), &lost.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let paid = propose(&reviewer, &lost.id);
    assert_eq!((paid.status, paid.code().as_str()), (409, "nothing_to_write_off"));
    let disputed = reviewer.change(&format!("/v1/invoices/{}/dispute", lost.id), version(&lost.view), &no).unwrap();
    assert_eq!((disputed.status, disputed.code().as_str()), (409, "nothing_to_write_off"));
    let absent = json!({"id": cast.staff.approver.new_id(), "entity_id": cast.staff.approver.new_id()});
    assert_eq!(cast.staff.approver.post("/v1/guarantee/draw_runs", &absent).unwrap().status, 404);
    assert_eq!(app.count("SELECT count(*) FROM invoice_reduction"), 0);
    assert_eq!(app.count("SELECT count(*) FROM invoice_dispute"), 0);
}

#[test]
fn a_line_recovers_only_what_was_given_up() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let (lost, open) = (plain(&app, &cast, &member, 10_000), plain(&app, &cast, &member, 10_000));
    let proposed = propose(&cast.staff.reviewer, &lost.id).expect(201).unwrap();
    cast.bank.receives_unknown(Minor::new(20_000), "something", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let lines = cast.staff.reviewer.get("/v1/bank_lines?state=suspense").unwrap().expect(200).unwrap();
    let line = lines["data"][0].clone();
    let refused = recover(&cast, &line, &proposed);
    assert_eq!((refused.status, refused.json()["errors"][0]["pointer"].as_str()), (422, Some("/write_off_id")));
    let given_up = approve(&cast.staff.approver, &proposed).expect(200).unwrap();
    let line = recover(&cast, &line, &given_up).expect(200).unwrap();
    assert_eq!((minor(&line, "/waiting"), line["state"].as_str()), (7_900, Some("matched")));
    // The rest of the same line pays an invoice.
    let body = json!({"invoice_id": open.id});
    let path = format!("/v1/bank_lines/{}/match", id(&line));
    let line = cast.staff.reviewer.change(&path, version(&line), &body).unwrap().expect(200).unwrap();
    assert_eq!((minor(&line, "/waiting"), line["matched_kind"].as_str()), (0, Some("recovery")));
    let used = recover(&cast, &line, &given_up);
    assert_eq!((used.status, used.code().as_str()), (409, "bank_line_already_matched"));
}
