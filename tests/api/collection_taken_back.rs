//! A payment that was not for its invoice is taken back: the client never paid, and everybody who counts says so.

use serde_json::{Value, json};
use umbel::demo::{Cast, Client, Invoiced, MemberCast};
use umbel::kernel::money::Minor;

use super::collection::{claim, issued, standing, steps, track, until, usual};
use super::ground::lines;
use super::guarantee::{days_pass, minor};
use super::support::TestApp;

/// Takes back the last payment of an invoice.
pub fn take_back(app: &TestApp, cast: &Cast, invoice: &Invoiced) {
    let sql = format!(
        "SELECT bank_line_id::text AS line FROM standing_allocation WHERE invoice_id = '{}' ORDER BY created_at DESC, id DESC",
        invoice.id
    );
    let path = format!("/v1/bank_lines/{}", lines(&mut app.database.owner(), &sql)[0]);
    let seen = cast.staff.reviewer.get(&path).unwrap().expect(200).unwrap();
    let body = json!({"reason": "the client meant another invoice"});
    let version = seen["version"].as_i64().unwrap();
    cast.staff.reviewer.change(&format!("{path}/take_back"), version, &body).unwrap().expect(200).unwrap();
}

/// Matches the line with a text with an invoice.
pub fn match_text(app: &TestApp, cast: &Cast, said: &str, invoice: &Invoiced) {
    let sql = format!("SELECT id::text AS line FROM bank_line WHERE remittance = '{said}'");
    let path = format!("/v1/bank_lines/{}", lines(&mut app.database.owner(), &sql)[0]);
    let seen = cast.staff.reviewer.get(&path).unwrap().expect(200).unwrap();
    let body = json!({"invoice_id": invoice.id});
    let version = seen["version"].as_i64().unwrap();
    cast.staff.reviewer.change(&format!("{path}/match"), version, &body).unwrap().expect(200).unwrap();
}

fn pays(app: &TestApp, cast: &mut Cast, invoice: &Invoiced, cents: i64) {
    cast.bank.receives(Minor::new(cents), &invoice.reference, "Client", app.stage.today());
    app.stage.import(cast).unwrap();
}

fn forecast(client: &Client, invoice: &Invoiced) -> (Value, Value) {
    let seen = client.get(&format!("/v1/invoices/{}/forecast", invoice.id)).unwrap().expect(200).unwrap();
    let paid = seen["steps"].as_array().unwrap().iter().find(|step| step["step"] == "paid_by_client").unwrap();
    (seen["blocked_by"]["reason"].clone(), paid["done_on"].clone())
}

/// The numbers of invoices with a settlement.
fn settled(client: &Client, settlement: &str) -> Vec<String> {
    let found = client.get(&format!("/v1/invoices?settlement={settlement}")).unwrap().expect(200).unwrap();
    let mut all: Vec<_> =
        found["data"].as_array().unwrap().iter().map(|it| it["number"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

#[test]
fn interest_runs_as_if_it_had_not_come_and_the_track_goes_on() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    track(&app, &cast, "b2b", &usual()).expect(201).unwrap();
    let whole = issued(&app, &cast, &member, 100_000);
    let part = issued(&app, &cast, &member, 100_000);
    // Due on 3 June, reminded on the 18th; on the 20th 210.00 come for one and, it seems, all of the other.
    let member = until(&app, &mut cast, member, 47);
    assert_eq!(app.stage.today().to_string(), "2026-06-20");
    pays(&app, &mut cast, &whole, whole.gross);
    pays(&app, &mut cast, &part, 21_000);
    let member = until(&app, &mut cast, member, 5);
    pays(&app, &mut cast, &part, part.gross - 21_000);
    assert_eq!(forecast(&member.client, &whole), (json!("payout_not_asked"), json!("2026-06-20")));
    assert_eq!(settled(&member.client, "settled").len(), 2);
    // Paid invoices get no letter on 3 July.
    let member = until(&app, &mut cast, member, 15);
    assert_eq!(app.stage.today().to_string(), "2026-07-10");
    for invoice in [&whole, &part] {
        assert_eq!(steps(&standing(&member.client, invoice)).len(), 1);
        take_back(&app, &cast, invoice);
    }
    assert_eq!(forecast(&member.client, &whole), (json!("client_late"), Value::Null));
    assert_eq!(settled(&member.client, "open"), [whole.number.as_str()], "nothing was paid of it");
    assert_eq!(settled(&member.client, "part_settled"), [part.number.as_str()]);
    // The second reminder was due on 3 July and goes on the first day on which the invoice is open again.
    let member = days_pass(&app, &mut cast, member, 1);
    for invoice in [&whole, &part] {
        let taken = steps(&standing(&member.client, invoice));
        let second = ("reminder".to_owned(), "2026-07-03".to_owned(), "2026-07-11".to_owned());
        assert_eq!(taken[1..], [second]);
    }
    // The member is asked a week before 10 August, and says nothing.
    let member = until(&app, &mut cast, member, 30);
    assert_eq!(app.stage.today().to_string(), "2026-08-10");
    let demand = |invoice: &Invoiced| standing(&member.client, invoice)["actions"][2].clone();
    // 1,210.00 x 10.5 % x 68 days / 365 = 23.6696, as if nothing had come in June.
    let seen = demand(&whole);
    assert_eq!((claim(&seen), minor(&seen, "/claim/open")), ([2_367, 4_000, 0, 127_367], 121_000));
    let days: Vec<(i64, i64, i64)> = segments(&seen);
    assert_eq!(days, [(27, 121_000, 940), (41, 121_000, 1_427)]);
    // 16 days on 1,210.00 and, from the 20th of June on, 52 days on 1,000.00: 5.5693 + 14.9589.
    let seen = demand(&part);
    assert_eq!((claim(&seen), minor(&seen, "/claim/open")), ([2_053, 4_000, 0, 106_053], 100_000));
    assert_eq!(
        segments(&seen).iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(),
        [(16, 121_000), (11, 100_000), (41, 100_000)]
    );
    // When it really pays, the track is over, and the day is that of this payment.
    pays(&app, &mut cast, &whole, whole.gross);
    assert_eq!(forecast(&member.client, &whole), (json!("payout_not_asked"), json!("2026-08-10")));
    let member = until(&app, &mut cast, member, 20);
    assert_eq!(steps(&standing(&member.client, &whole)).len(), 3);
}

fn segments(demand: &Value) -> Vec<(i64, i64, i64)> {
    let number = |it: &Value, name: &str| it[name].as_i64().unwrap();
    let all = demand["claim"]["segments"].as_array().unwrap();
    all.iter().map(|it| (number(it, "days"), number(it, "base_minor"), number(it, "interest_minor"))).collect()
}

#[test]
fn the_guarantee_keeps_its_promise_and_carries_until_the_client_really_pays() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let order = app.stage.confirmed_order(&member, 100_000).unwrap();
    let submitted = app.stage.submitted_invoice(&member, Some(order["id"].as_str().unwrap()), 100_000).unwrap();
    let covered = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    pays(&app, &mut cast, &covered, covered.gross);
    // The promised day passes: there was nothing to advance.
    let member = days_pass(&app, &mut cast, member, 14);
    assert_eq!(app.count("SELECT count(*) FROM guarantee_advance"), 0);
    let has_paid = format!(
        "SELECT count(*) FROM invoice i, guarantee_exposure(i.entity_id, i.member_id, i.client_id) x WHERE i.id = '{}' AND x.pair_has_paid",
        covered.id
    );
    assert_eq!(app.count(&has_paid), 1);
    take_back(&app, &cast, &covered);
    assert_eq!(app.count(&has_paid), 0, "a client who has never paid");
    let member = days_pass(&app, &mut cast, member, 1);
    assert_eq!(app.count("SELECT count(*) FROM guarantee_advance"), 1, "the promise counts again");
    let advanced_on = app.stage.today();
    // Again something seems to come for it, and again it was not; ten days later the client pays.
    let member = days_pass(&app, &mut cast, member, 3);
    pays(&app, &mut cast, &covered, covered.gross);
    take_back(&app, &cast, &covered);
    let member = days_pass(&app, &mut cast, member, 7);
    pays(&app, &mut cast, &covered, covered.gross);
    let member = days_pass(&app, &mut cast, member, 5);
    let shown = carried(&member);
    assert_eq!(shown, [(advanced_on.to_string(), 10)]);
}

/// The advances of a member, with the days for which they were carried.
fn carried(member: &MemberCast) -> Vec<(String, i64)> {
    let person = member.client.person_id.clone().unwrap();
    let path = format!("/v1/members/{person}/solidarity?year=2026");
    let seen = member.client.get(&path).unwrap().expect(200).unwrap();
    let lines = seen["lines"].as_array().unwrap_or_else(|| panic!("{seen}"));
    let advances = lines.iter().filter(|it| it["kind"] == "advance");
    advances.map(|it| (it["on"].as_str().unwrap().to_owned(), it["days_carried"].as_i64().unwrap())).collect()
}
