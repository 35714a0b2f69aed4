//! How enterprises pay across members, told of five members at least.

use serde_json::{Value, json};
use umbel::demo::{Cast, Invoiced, MemberCast};
use umbel::kernel::money::Minor;

use super::collection::issued;
use super::collection_taken_back::{match_text, take_back};
use super::guarantee::minor;
use super::support::{ADMIN, TestApp};

#[test]
fn four_members_say_nothing_of_an_enterprise_and_the_fifth_makes_a_record() {
    let app = TestApp::start();
    let mut cast = app.mutual();
    let members: Vec<MemberCast> = (0..5)
        .map(|n| {
            let email = format!("m{n}@member.example");
            app.stage.enrol(&mut cast, &email, &format!("Member {n}"), super::support::IBANS[n % 4]).unwrap()
        })
        .collect();
    let invoices: Vec<Invoiced> = members.iter().map(|member| issued(&app, &cast, member, 10_000)).collect();
    let pay = |cast: &mut Cast, invoice: &Invoiced| {
        cast.bank.receives(Minor::new(invoice.gross), &invoice.reference, "Client", app.stage.today());
    };
    // Due on 3 June. Four pay on the 13th; the month ends.
    app.stage.days_pass(40).unwrap();
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    for invoice in &invoices {
        pay(&mut cast, invoice);
    }
    app.stage.import(&mut cast).unwrap();
    // What the fifth seemed to pay was not for its invoice: it has not paid.
    take_back(&app, &cast, &invoices[4]);
    let record = |member: &MemberCast| {
        let client = app.stage.sign_in(&member.email).unwrap();
        client.get(&format!("/v1/clients/{}/payer_record", member.client_id)).unwrap().expect(200).unwrap()
    };
    app.stage.days_pass(20).unwrap();
    let seen = record(&members[0]);
    assert_eq!((&seen["record"], &seen["reason"]), (&Value::Null, &json!("not_enough_members")));
    // The fifth pays in July: at its end there is one set of five.
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    cast.bank.receives_unknown(Minor::new(invoices[4].gross), "thanks", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    app.stage.days_pass(5).unwrap();
    // What comes five days later under its reference is for something else: the day of the first money counts.
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    pay(&mut cast, &invoices[4]);
    app.stage.import(&mut cast).unwrap();
    take_back(&app, &cast, &invoices[4]);
    match_text(&app, &cast, "thanks", &invoices[4]);
    app.stage.days_pass(5).unwrap();
    assert_eq!(record(&members[0])["record"], Value::Null, "not before the month is over");
    app.stage.days_pass(20).unwrap();
    let seen = record(&members[0]);
    let set = json!({"from_on": "2026-06-13", "through_on": "2026-07-31", "invoices": 5, "median_days": 10, "p90_days": 30, "late_share": "1"});
    assert_eq!(seen["record"], set);
    assert_eq!((&seen["reason"], &seen["suggested_deposit"]), (&json!("very_late"), &json!("0.5")));
    assert_eq!(minor(&seen, "/suggested_limit"), 1_250_000, "a quarter of the ordinary limit");
    // Another invoice of one member changes nothing: its set waits for four more.
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    let first = MemberCast { client: app.stage.sign_in(&members[0].email).unwrap(), ..members[0].clone() };
    let again = issued(&app, &cast, &first, 10_000);
    pay(&mut cast, &again);
    app.stage.import(&mut cast).unwrap();
    app.stage.days_pass(40).unwrap();
    assert_eq!(record(&members[0])["record"], set);
}
