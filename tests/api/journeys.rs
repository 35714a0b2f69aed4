//! The main job and its turns, as the people in it live them.

use serde_json::json;
use umbel::kernel::money::Minor;

use super::support::TestApp;

fn minor(value: &serde_json::Value, pointer: &str) -> i64 {
    value.pointer(&format!("{pointer}/amount_minor")).and_then(serde_json::Value::as_i64).unwrap()
}

#[test]
fn a_member_is_paid_on_the_promised_day_although_the_client_has_not_paid() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let stage = &app.stage;
    let order = stage.confirmed_order(&member, 100_000).unwrap();
    assert_eq!(order["guarantee"]["status"], "covered");
    let submitted = stage.submitted_invoice(&member, order["id"].as_str(), 0).unwrap();
    let invoiced = stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    stage.settle().unwrap();
    assert_eq!(minor(&invoiced.view, "/to_activity"), 92_500);
    assert_eq!(invoiced.view["payout_forecast"]["on"], "2026-05-13");

    // On the sixth working day nothing has moved; on the seventh it has, once.
    stage.days_pass(8).unwrap();
    let member = umbel::demo::MemberCast { client: stage.sign_in(&member.email).unwrap(), ..member };
    let activity = |app: &TestApp| {
        let client = app.stage.sign_in(&member.email).unwrap();
        client.get(&format!("/v1/activities/{}", member.activity_id)).unwrap().expect(200).unwrap()
    };
    assert_eq!((minor(&activity(&app), "/pending"), minor(&activity(&app), "/available")), (92_500, 0));
    stage.days_pass(1).unwrap();
    stage.settle().unwrap();
    assert_eq!((minor(&activity(&app), "/pending"), minor(&activity(&app), "/available")), (0, 92_500));

    cast.staff.reviewer = stage.sign_in("reviewer@ombelle.example").unwrap();
    cast.staff.approver = stage.sign_in("approver@ombelle.example").unwrap();
    let member = umbel::demo::MemberCast { client: stage.sign_in(&member.email).unwrap(), ..member };
    let payout = stage.payout(&member, 92_500).unwrap();
    let sealed = stage.sealed_batch(&cast, &payout).unwrap();
    stage.release(&cast.staff.approver, &sealed).unwrap();
    cast.bank.pays(Minor::new(92_500), payout["end_to_end_id"].as_str().unwrap(), stage.today());
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", stage.today());
    let imported = stage.import(&mut cast).unwrap();
    assert_eq!(imported["suspense"], 0, "{imported}");
    let paid = member.client.get(&format!("/v1/invoices/{}", invoiced.id)).unwrap().expect(200).unwrap();
    assert_eq!(paid["settlement"], "settled");
    let payout = member.client.get(&format!("/v1/payouts/{}", payout["id"].as_str().unwrap())).unwrap().json();
    assert_eq!(payout["state"], "settled");
}

#[test]
fn a_returned_payout_gives_the_activity_its_money_again() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let stage = &app.stage;
    let submitted = stage.submitted_invoice(&member, None, 50_000).unwrap();
    let invoiced = stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", stage.today());
    stage.import(&mut cast).unwrap();
    let payout = stage.payout(&member, 46_250).unwrap();
    let sealed = stage.sealed_batch(&cast, &payout).unwrap();
    stage.release(&cast.staff.approver, &sealed).unwrap();
    let end_to_end_id = payout["end_to_end_id"].as_str().unwrap();
    cast.bank.pays(Minor::new(46_250), end_to_end_id, stage.today());
    stage.import(&mut cast).unwrap();
    cast.bank.returns(Minor::new(46_250), end_to_end_id, "AC04", stage.today());
    stage.import(&mut cast).unwrap();
    let seen = member.client.get(&format!("/v1/payouts/{}", payout["id"].as_str().unwrap())).unwrap().json();
    assert_eq!((seen["state"].as_str(), seen["return_reason"].as_str()), (Some("returned"), Some("AC04")));
    assert_eq!(seen["desk_owner_id"].as_str(), cast.staff.reviewer.person_id.as_deref());
    let activity = member.client.get(&format!("/v1/activities/{}", member.activity_id)).unwrap().json();
    assert_eq!(minor(&activity, "/available"), 46_250);
    let again = member.client.post("/v1/payouts", &json!({"id": member.client.new_id(), "activity_id": member.activity_id, "amount": {"amount_minor": 46_251, "currency": "EUR"}})).unwrap();
    assert_eq!((again.status, again.code().as_str()), (409, "insufficient_available"));
}
