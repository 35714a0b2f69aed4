//! When money arrives, through the door: what blocks it at each step, who must act, and how often it came true.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::demo::{Cast, MemberCast};
use umbel::kernel::money::Minor;

use super::ground;
use super::support::{ADMIN, TestApp};
use super::world::text;

fn get(member: &MemberCast, path: &str) -> Value {
    member.client.get(path).unwrap().expect(200).unwrap()
}

fn again(app: &TestApp, cast: &mut Cast, member: &MemberCast) -> MemberCast {
    app.stage.office_returns(cast, ADMIN).unwrap();
    MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member.clone() }
}

/// What blocks an invoice, and who must act.
fn blocked(seen: &Value) -> (&str, &str) {
    let words = &seen["blocked_by"];
    if !words.is_null() {
        assert!(!words["text"].as_str().unwrap().is_empty() && !words["action"].as_str().unwrap().is_empty(), "{seen}");
    }
    (words["reason"].as_str().unwrap_or_default(), words["who"].as_str().unwrap_or_default())
}

fn forecast(member: &MemberCast, invoice: &str) -> Value {
    get(member, &format!("/v1/invoices/{invoice}/forecast"))
}

fn run(app: &TestApp, sql: &str) {
    app.database.owner().batch_execute(sql).unwrap();
}

fn step<'a>(seen: &'a Value, name: &str) -> &'a Value {
    seen["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).unwrap()
}

#[test]
fn an_invoice_says_at_each_step_what_blocks_it_and_who_must_act() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let draft = json!({"id": member.client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id, "title": "Work",
                       "supplied_on": app.stage.today(),
                       "lines": [{"label": "Work", "quantity": "1", "unit_price": {"amount_minor": 100_000, "currency": "EUR"}}]});
    let draft = member.client.post("/v1/invoices", &draft).unwrap().expect(201).unwrap();
    let id = text(&draft, "id");
    let seen = forecast(&member, &id);
    assert_eq!(blocked(&seen), ("invoice_not_submitted", "member"));
    assert_eq!((seen["next"]["step"].as_str(), seen["steps"].as_array().unwrap().len()), (Some("issued"), 7));
    assert!(seen["earliest_on"].as_str() <= seen["likely_on"].as_str());
    let submitted =
        member.client.change(&format!("/v1/invoices/{id}/submit"), 1, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(blocked(&forecast(&member, &id)), ("waits_for_review", "staff"));
    let back = format!("/v1/invoices/{id}/return");
    let version = submitted["version"].as_i64().unwrap();
    let returned = cast.staff.reviewer.change(&back, version, &json!({"reason": "VAT"})).unwrap().expect(200).unwrap();
    assert_eq!(blocked(&forecast(&member, &id)), ("invoice_given_back", "member"));
    let version = returned["version"].as_i64().unwrap();
    let submitted =
        member.client.change(&format!("/v1/invoices/{id}/submit"), version, &json!({})).unwrap().expect(200).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    let seen = forecast(&member, &id);
    assert_eq!(blocked(&seen), ("waits_for_client", "client"));
    assert_eq!(seen["next"]["step"], "available");
    let likely = text(&seen, "likely_on");
    // The client is late: it is expected tomorrow at the earliest, and not on a day that has passed.
    app.stage.days_pass(40).unwrap();
    let member = again(&app, &mut cast, &member);
    let seen = forecast(&member, &id);
    assert_eq!(blocked(&seen), ("client_late", "client"));
    assert!(seen["likely_on"].as_str().unwrap() > likely.as_str());
    let version = get(&member, &format!("/v1/invoices/{id}"))["version"].as_i64().unwrap();
    let dispute = format!("/v1/invoices/{id}/dispute");
    let opened = cast.staff.reviewer.change(&dispute, version, &json!({"reason": "Not what we asked for"})).unwrap();
    opened.expect(200).unwrap();
    let seen = forecast(&member, &id);
    assert_eq!((blocked(&seen), seen["likely_on"].clone()), (("invoice_disputed", "staff"), Value::Null));
    let resolve = format!("/v1/invoices/{id}/resolve_dispute");
    let version = get(&member, &format!("/v1/invoices/{id}"))["version"].as_i64().unwrap();
    cast.staff.reviewer.change(&resolve, version, &json!({"resolution": "Agreed"})).unwrap().expect(200).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let seen = forecast(&member, &id);
    assert_eq!(blocked(&seen), ("payout_not_asked", "member"));
    assert_eq!(step(&seen, "paid_by_client")["done_on"].as_str(), Some(app.stage.today().to_string().as_str()));
    // A plan asks by itself; paused it does not.
    let plan = json!({"id": member.client.new_id(), "activity_id": member.activity_id,
                      "terms": {"kind": "weekly", "count": 5, "on_closed": "before"}});
    let plan = member.client.post("/v1/payout_plans", &plan).unwrap().expect(201).unwrap();
    let seen = forecast(&member, &id);
    assert_eq!((blocked(&seen), seen["next"]["step"].as_str()), (("", ""), Some("payout_scheduled")));
    assert_eq!(seen["next"]["on"], get(&member, &format!("/v1/payout_plans/{}", text(&plan, "id")))["next_on"]);
    let version = plan["version"].as_i64().unwrap();
    let pause = format!("/v1/payout_plans/{}/pause", text(&plan, "id"));
    member.client.change(&pause, version, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(blocked(&forecast(&member, &id)), ("plan_paused", "member"));
    let mine = get(&member, &format!("/v1/activities/{}/forecast", member.activity_id));
    assert_eq!(blocked(&mine["activities"][0]), ("plan_paused", "member"));
    paid_out(&app, &mut cast, &member, &id);
}

/// From the request to the bank's word.
fn paid_out(app: &TestApp, cast: &mut Cast, member: &MemberCast, id: &str) {
    let payout = app.stage.payout(member, 50_000).unwrap();
    let said = forecast(member, id);
    assert_eq!(blocked(&said), ("waits_for_payout_review", "staff"));
    let sealed = app.stage.sealed_batch(cast, &payout).unwrap();
    let seen = forecast(member, id);
    assert_eq!(
        (blocked(&seen), seen["next"]["step"].as_str()),
        (("waits_for_release", "staff"), Some("on_my_account"))
    );
    app.stage.release(&cast.staff.approver, &sealed).unwrap();
    assert_eq!(blocked(&forecast(member, id)), ("with_the_bank", "bank"));
    let person = member.client.person_id.clone().unwrap();
    assert!(
        get(member, &format!("/v1/members/{person}/forecast"))["activities"]
            .as_array()
            .is_some_and(|all| all.len() == 1)
    );
    app.stage.days_pass(1).unwrap();
    let member = again(app, cast, member);
    let sent = get(&member, &format!("/v1/payouts/{}", text(&payout, "id")));
    cast.bank.pays(Minor::new(50_000), &text(&sent, "end_to_end_id"), app.stage.today());
    app.stage.import(cast).unwrap();
    let seen = forecast(&member, id);
    assert_eq!((blocked(&seen), seen["next"].clone()), (("", ""), Value::Null));
    assert_eq!(step(&seen, "on_my_account")["done_on"].as_str(), Some(app.stage.today().to_string().as_str()));
    // One a day was kept, the first of each day; each is compared with the day on which the money came.
    assert_eq!(app.count("SELECT count(*) FROM invoice_forecast"), 2);
    assert_eq!(app.count("SELECT count(*) FROM invoice_forecast WHERE blocked_by = 'invoice_not_submitted'"), 1);
    let told = get(&member, "/v1/forecast_accuracy");
    let told = &told.as_array().unwrap()[0];
    assert_eq!((told["forecasts"].as_i64(), told["within_one_bank_day"].as_i64()), (Some(2), Some(0)), "{told}");
    assert_eq!(told["share"], "0", "a client who pays after 40 days, and a payout that was asked for a day later");
}

#[test]
fn the_promised_day_of_the_guarantee_and_what_holds_it() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let order = app.stage.confirmed_order(&member, 100_000).unwrap();
    let submitted = app.stage.submitted_invoice(&member, Some(order["id"].as_str().unwrap()), 100_000).unwrap();
    let id = text(&submitted, "id");
    let issued = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    assert_eq!(issued.id, id);
    let promised = ground::lines(
        &mut app.database.owner(),
        &format!("SELECT advance_due_on::text AS line FROM invoice WHERE id = '{id}'"),
    );
    let seen = forecast(&member, &id);
    assert!(!step(&seen, "confirmed")["done_on"].is_null(), "{seen}");
    // Nothing blocks it: the day is promised, and it is the next step.
    assert_eq!(blocked(&seen), ("", ""));
    assert_eq!(seen["next"], json!({"step": "available", "on": promised[0]}));
    run(
        &app,
        &format!(
            "INSERT INTO advance_hold (id, invoice_id, member_id, reason) SELECT gen_random_uuid(), id, member_id, 'fund_paused' FROM invoice WHERE id = '{id}'"
        ),
    );
    let held = forecast(&member, &id);
    assert_eq!(blocked(&held), ("advance_on_hold", "staff"));
    assert!(held["likely_on"].as_str() > seen["likely_on"].as_str());
    run(&app, "DELETE FROM advance_hold");
    app.stage.days_pass(14).unwrap();
    let member = again(&app, &mut cast, &member);
    assert_eq!(blocked(&forecast(&member, &id)), ("payout_not_asked", "member"));
}

/// An invoice whose money is available, because its client paid.
fn paid(app: &TestApp, cast: &mut Cast, member: &MemberCast) -> String {
    let submitted = app.stage.submitted_invoice(member, None, 100_000).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(cast).unwrap();
    invoiced.id
}

#[test]
fn a_member_without_an_account_or_an_active_membership_is_told_so_before_asking() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let id = paid(&app, &mut cast, &member);
    let person = member.client.person_id.clone().unwrap();
    let unable = |reason: &str, who: &str| {
        let seen = forecast(&member, &id);
        assert_eq!(blocked(&seen), (reason, who));
        let mine = get(&member, &format!("/v1/activities/{}/forecast", member.activity_id));
        assert_eq!(blocked(&mine["activities"][0]), (reason, who));
    };
    unable("payout_not_asked", "member");
    // Another account was entered and nobody has looked at its proof; then there is none at all.
    let without_guards = |sql: &str| {
        run(
            &app,
            &format!(
                "ALTER TABLE payee_account DISABLE TRIGGER USER; {sql}; ALTER TABLE payee_account ENABLE TRIGGER USER"
            ),
        );
    };
    without_guards(&format!(
        "UPDATE payee_account SET verified_at = NULL, verified_by = NULL, change_id = NULL WHERE person_id = '{person}'"
    ));
    unable("payee_account_unverified", "staff");
    without_guards(&format!("UPDATE payee_account SET superseded_at = umbel_now() WHERE person_id = '{person}'"));
    unable("payee_account_missing", "member");
    let path = format!("/v1/members/{person}");
    let seen = cast.staff.administrator.get(&path).unwrap().expect(200).unwrap();
    let body = json!({"reason": "Papers are missing"});
    let version = seen["version"].as_i64().unwrap();
    let suspended = cast.staff.administrator.change(&format!("{path}/suspend"), version, &body).unwrap();
    suspended.expect(200).unwrap();
    unable("member_not_active", "staff");
}

#[test]
fn a_credited_invoice_brings_nothing_and_a_returned_payout_can_be_asked_for_again() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let submitted = app.stage.submitted_invoice(&member, None, 50_000).unwrap();
    let credited = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    assert_eq!(blocked(&forecast(&member, &credited.id)), ("waits_for_client", "client"));
    let full = super::credit_notes::full(&cast.staff.reviewer);
    super::credit_notes::credit(&cast.staff.reviewer, &credited.id, &full).expect(201).unwrap();
    let seen = forecast(&member, &credited.id);
    assert_eq!(blocked(&seen), ("nothing_to_come", ""));
    assert_eq!((&seen["likely_on"], &seen["next"]), (&Value::Null, &Value::Null));

    let id = paid(&app, &mut cast, &member);
    let payout = app.stage.payout(&member, 50_000).unwrap();
    let sealed = app.stage.sealed_batch(&cast, &payout).unwrap();
    app.stage.release(&cast.staff.approver, &sealed).unwrap();
    app.stage.days_pass(1).unwrap();
    let member = again(&app, &mut cast, &member);
    let sent = get(&member, &format!("/v1/payouts/{}", text(&payout, "id")));
    let reference = text(&sent, "end_to_end_id");
    cast.bank.pays(Minor::new(50_000), &reference, app.stage.today());
    app.stage.import(&mut cast).unwrap();
    assert_eq!(blocked(&forecast(&member, &id)), ("", ""));
    cast.bank.returns(Minor::new(50_000), &reference, "AC04", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let seen = forecast(&member, &id);
    assert_eq!(blocked(&seen), ("payout_returned", "member"));
    assert_eq!((&step(&seen, "on_my_account")["done_on"], &seen["likely_on"]), (&Value::Null, &Value::Null));
    // Asked for again, the new payout is what counts, at each step of its way.
    let second = app.stage.payout(&member, 50_000).unwrap();
    assert_eq!(blocked(&forecast(&member, &id)), ("waits_for_payout_review", "staff"));
    let approve = format!("/v1/payouts/{}/approve", text(&second, "id"));
    let version = second["version"].as_i64().unwrap();
    cast.staff.reviewer.change(&approve, version, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(blocked(&forecast(&member, &id)), ("waits_for_batch", "staff"));
}

#[test]
fn every_open_invoice_keeps_what_is_said_of_it_when_it_changes_and_once_a_day() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let submitted = app.stage.submitted_invoice(&member, None, 100_000).unwrap();
    let first = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    let kept = |day: &str| {
        let sql = format!(
            "SELECT coalesce(likely_on::text, '-') || ' ' || coalesce(blocked_by, '-') AS line FROM invoice_forecast \
             WHERE invoice_id = '{}' AND made_on = '{day}'",
            first.id
        );
        ground::lines(&mut app.database.owner(), &sql)
    };
    let count = || app.count("SELECT count(*) FROM invoice_forecast");
    // Nobody looks: the program does, on its first day of work after the invoice.
    app.stage.days_pass(1).unwrap();
    let day = app.stage.today().to_string();
    assert_eq!((count(), kept(&day).len()), (1, 1));
    assert!(kept(&day)[0].ends_with("waits_for_client"));
    // Nothing changes for a week: nothing more is kept; the same day again is the same.
    for _ in 0..7 {
        app.stage.days_pass(1).unwrap();
        app.stage.settle().unwrap();
    }
    assert_eq!(count(), 1);
    let worked = "SELECT count(*) FROM schedule_run WHERE job = 'forecasts'";
    assert_eq!(app.count(worked), 8 + app.count(&format!("{worked} AND logical_date <= '2026-05-04'")));
    // Late, it moves on with the days, and not over a weekend; asked for by its member too, it is kept once that day.
    app.stage.days_pass(30).unwrap();
    assert_eq!(count(), 2);
    let member = again(&app, &mut cast, &member);
    assert_eq!(blocked(&forecast(&member, &first.id)), ("client_late", "client"));
    app.stage.days_pass(1).unwrap();
    app.stage.days_pass(1).unwrap();
    assert_eq!(count(), 3);
    // What is paid is not spoken of any more.
    let member = again(&app, &mut cast, &member);
    cast.bank.receives(Minor::new(first.gross), &first.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    app.stage.days_pass(2).unwrap();
    assert_eq!(count(), 3);
    drop(member);
}
