//! Shares after they were paid: the register, the certificate, whether they are current, giving them back.

use chrono::Duration;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::demo::{Cast, Client, MemberCast};
use umbel::kernel::money::Minor;

use super::stories::journal;
use super::support::{ADMIN, IBANS, TestApp};
use super::world::text;

pub fn minor(value: &Value, pointer: &str) -> i64 {
    value
        .pointer(&format!("{pointer}/amount_minor"))
        .and_then(Value::as_i64)
        .unwrap_or_else(|| panic!("{pointer} in {value}"))
}

fn version(value: &Value) -> i64 {
    value["version"].as_i64().unwrap()
}

/// Rules like those of the stage, with something else; they hold from today.
pub fn new_rules(app: &TestApp, cast: &Cast, change: &Value) {
    let today = app.stage.today();
    let administrator = &cast.staff.administrator;
    let mut rules = json!({
        "id": administrator.new_id(), "valid_from": today, "decided_on": today, "decision": "General assembly",
        "share_price": {"amount_minor": 3000, "currency": "EUR"}, "payment_terms_days": 30, "advance_working_days": 7,
        "client_limit": {"amount_minor": 5_000_000, "currency": "EUR"},
        "levies": [{"kind": "fee", "rate": "0.055"}, {"kind": "guarantee", "rate": "0.02"}],
    });
    rules.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    administrator.post(&format!("/v1/entities/{}/rule_sets", cast.entity_id), &rules).unwrap().expect(201).unwrap();
}

/// An active member with one share at a price.
pub fn enrol_at(app: &TestApp, cast: &mut Cast, n: usize, cents: i64) -> MemberCast {
    let stage = &app.stage;
    // Ids follow the clock: whoever comes later stands later in every list.
    stage.clock.advance(Duration::minutes(1));
    let email = format!("m{n}@member.example");
    let (application, _) = stage.apply(&cast.entity_id, &email, &format!("Member {n}"), IBANS[n]).unwrap();
    let reference = stage.accept(&cast.staff.reviewer, &application, &email).unwrap();
    cast.bank.receives(Minor::new(cents), &reference, "Member", stage.today());
    stage.import(cast).unwrap();
    stage.equip(stage.sign_in(&email).unwrap(), &email).unwrap()
}

pub fn again(app: &TestApp, member: &MemberCast) -> MemberCast {
    MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member.clone() }
}

/// Time passes, and the office signs in again.
pub fn days_pass(app: &TestApp, cast: &mut Cast, days: i64) {
    app.stage.days_pass(days).unwrap();
    app.stage.office_returns(cast, ADMIN).unwrap();
}

/// A loss that nothing on the API makes yet in this story: operating cost against what there was at the beginning.
pub fn plant_loss(app: &TestApp, cast: &Cast, activity: &str, cents: i64) {
    app.database
        .owner()
        .batch_execute(&format!(
            "WITH e AS (INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id) \
                 SELECT '{}', '{}', 'bank_opened', 'statement', id FROM bank_statement ORDER BY position DESC LIMIT 1 RETURNING id) \
             INSERT INTO posting (entry_id, account, amount_minor, currency, activity_id) \
             SELECT e.id, v.account, v.amount, 'EUR', '{activity}' FROM e, (VALUES ('operating_cost', {cents}), ('opening_balance', -{cents})) v (account, amount)",
            cast.entity_id,
            app.stage.today(),
        ))
        .unwrap();
}

pub fn close_month(cast: &Cast, month: &str) {
    let place = format!("/v1/entities/{}/periods/{month}/close", cast.entity_id);
    cast.staff.accountant.post(&place, &json!({})).unwrap().expect(200).unwrap();
}

pub fn close_year(cast: &Cast, year: i32) -> Value {
    let place = format!("/v1/entities/{}/fiscal_years/{year}/close", cast.entity_id);
    cast.staff.administrator.post(&place, &json!({})).unwrap().expect(200).unwrap()
}

fn share_of(member: &Client) -> String {
    let place = format!("/v1/members/{}/shares", member.person_id.as_deref().unwrap());
    text(&member.get(&place).unwrap().expect(200).unwrap()[0], "id")
}

fn give_notice(member: &Client) -> Value {
    let place = format!("/v1/shares/{}/redemptions", share_of(member));
    member.post(&place, &json!({"id": member.new_id()})).unwrap().expect(201).unwrap()
}

fn run_body(cast: &Cast, year: i32) -> Value {
    json!({"id": cast.staff.approver.new_id(), "entity_id": cast.entity_id, "year": year})
}

#[test]
fn a_share_of_fifty_is_given_back_at_forty() {
    let app = TestApp::start();
    let mut cast = app.mutual();
    new_rules(&app, &cast, &json!({"share_price": {"amount_minor": 5000, "currency": "EUR"}}));
    let members: Vec<MemberCast> = (0..3).map(|n| enrol_at(&app, &mut cast, n, 5_000)).collect();
    let awa = &members[0];
    let share = share_of(&awa.client);
    let projection = |member: &Client| member.get(&format!("/v1/shares/{share}/projection")).unwrap();
    let seen = projection(&awa.client).expect(200).unwrap();
    assert_eq!((minor(&seen, "/net_assets/per_share"), minor(&seen, "/amount")), (5_000, 5_000));
    assert_eq!((seen["due_on"].as_str(), seen["closing_on"].as_str()), (Some("2026-12-31"), Some("2026-12-31")));
    assert_eq!(projection(&members[1].client).status, 404, "of another's share");

    plant_loss(&app, &cast, &awa.activity_id, 3_000);
    let seen = projection(&awa.client).expect(200).unwrap();
    assert_eq!(minor(&seen, "/net_assets/result"), -3_000);
    assert_eq!(minor(&seen, "/net_assets/share_capital"), 15_000);
    assert_eq!((minor(&seen, "/net_assets/per_share"), minor(&seen, "/amount")), (4_000, 4_000));

    let notice = give_notice(&awa.client);
    assert_eq!((notice["state"].as_str(), notice["due_on"].as_str()), (Some("noticed"), Some("2026-12-31")));
    let twice =
        awa.client.post(&format!("/v1/shares/{share}/redemptions"), &json!({"id": awa.client.new_id()})).unwrap();
    assert_eq!((twice.status, twice.code().as_str()), (409, "state_conflict"));
    let of_another = members[1]
        .client
        .post(&format!("/v1/shares/{share}/redemptions"), &json!({"id": awa.client.new_id()}))
        .unwrap();
    assert_eq!(of_another.status, 404);
    let early = cast.staff.approver.post("/v1/redemption_runs", &run_body(&cast, 2026)).unwrap();
    assert_eq!((early.status, early.code().as_str()), (409, "closing_still_open"));

    days_pass(&app, &mut cast, 245);
    let year = close_year(&cast, 2026);
    assert_eq!((minor(&year, "/result"), year["booked_on"].as_str()), (-3_000, Some("2026-12-31")));
    close_month(&cast, "2026-05");
    close_month(&cast, "2026-12");
    let preview = cast.staff.approver.post("/v1/redemption_runs?dry_run=true", &run_body(&cast, 2026)).unwrap().json();
    assert_eq!((preview["dry_run"].as_bool(), minor(&preview, "/redeemed")), (Some(true), 4_000));
    assert_eq!(app.count("SELECT count(*) FROM redemption_run"), 0);
    let run = cast.staff.approver.post("/v1/redemption_runs", &run_body(&cast, 2026)).unwrap().expect(201).unwrap();
    assert_eq!((minor(&run, "/net_assets/per_share"), minor(&run, "/redemptions/0/amount")), (4_000, 4_000));
    let nobody = cast.staff.approver.post("/v1/redemption_runs", &run_body(&cast, 2026)).unwrap();
    assert_eq!((nobody.status, nobody.code().as_str()), (409, "nothing_to_redeem"));
    app.stage.settle().unwrap();
    assert!(app.stage.mail_to(&awa.email, "40,00").is_ok());

    pay_back(&app, &mut cast, &text(&notice, "id"));
    let awa = again(&app, awa);
    let seen = awa.client.get(&format!("/v1/redemptions/{}", text(&notice, "id"))).unwrap().json();
    assert_eq!((seen["state"].as_str(), seen["paid_on"].as_str()), (Some("paid"), Some("2027-01-04")));
    insta::assert_snapshot!(journal(&app));
}

/// The bank pays a redemption of forty; other lines do not.
fn pay_back(app: &TestApp, cast: &mut Cast, redemption: &str) {
    let today = app.stage.today();
    cast.bank.pays(Minor::new(4_000), "BYHAND1", today);
    cast.bank.pays(Minor::new(4_001), "BYHAND2", today);
    cast.bank.receives_unknown(Minor::new(4_000), "thank you", today);
    app.stage.import(cast).unwrap();
    let reviewer = &cast.staff.reviewer;
    let waiting = reviewer.get("/v1/bank_lines?state=suspense").unwrap().json();
    let line = |cents: i64| {
        waiting["data"].as_array().unwrap().iter().find(|line| minor(line, "/amount") == cents).unwrap().clone()
    };
    let pay = |line: &Value| {
        let place = format!("/v1/bank_lines/{}/pay_redemption", text(line, "id"));
        reviewer.change(&place, version(line), &json!({"redemption_id": redemption})).unwrap()
    };
    let refused = |line: &Value| {
        let answer = pay(line);
        (answer.status, answer.code())
    };
    assert_eq!(refused(&line(-4_001)), (409, "redemption_amount_mismatch".to_owned()));
    assert_eq!(refused(&line(4_000)), (422, "bank_line_not_outgoing".to_owned()));
    let paid = pay(&line(-4_000)).expect(200).unwrap();
    assert_eq!((paid["matched_kind"].as_str(), minor(&paid, "/waiting")), (Some("redemption"), 0));
    assert_eq!(refused(&paid), (409, "bank_line_already_matched".to_owned()));
}

#[test]
fn who_gave_notice_first_is_served_first_under_the_ceiling() {
    let app = TestApp::start();
    let mut cast = app.mutual();
    let members: Vec<MemberCast> = (0..3).map(|n| enrol_at(&app, &mut cast, n, 3_000)).collect();
    let place = format!("/v1/entities/{}/redemption_policies", cast.entity_id);
    let policy = |change: Value| {
        let mut body = json!({
            "id": cast.staff.administrator.new_id(), "valid_from": "2026-05-04", "notice_months": 3, "waits_a_closing": false,
            "ceiling": {"amount_minor": 6_500, "currency": "EUR"}, "decision": "General assembly", "decided_on": "2026-05-04",
        });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        cast.staff.administrator.post(&place, &body).unwrap()
    };
    for (change, pointer) in [
        (json!({"notice_months": 61}), "/notice_months"),
        (json!({"ceiling": {"amount_minor": -1, "currency": "EUR"}}), "/ceiling/amount_minor"),
        (json!({"ceiling": {"amount_minor": 1, "currency": "USD"}}), "/ceiling/currency"),
        (json!({"ceiling_rate": "1.5"}), "/ceiling_rate"),
        (json!({"ceiling_rate": "0.5"}), "/ceiling_rate"),
        (json!({"decision": " "}), "/decision"),
        (json!({"decided_on": "2026-06-01"}), "/decided_on"),
        (json!({"valid_from": "2026-05-01"}), "/valid_from"),
    ] {
        let refused = policy(change.clone());
        assert_eq!((refused.status, refused.json()["errors"][0]["pointer"].as_str()), (422, Some(pointer)), "{change}");
    }
    policy(json!({})).expect(201).unwrap();
    assert_eq!((policy(json!({})).status, policy(json!({})).code().as_str()), (409, "not_unique"));

    // The third asks first; the first asks last.
    for member in [&members[2], &members[1], &members[0]] {
        app.stage.clock.advance(Duration::minutes(1));
        give_notice(&member.client);
    }
    let place = format!("/v1/shares/{}/projection", share_of(&members[0].client));
    let last = members[0].client.get(&place).unwrap().expect(200).unwrap();
    assert_eq!((last["due_on"].as_str(), last["closing_on"].as_str()), (Some("2026-12-31"), Some("2027-12-31")));
    days_pass(&app, &mut cast, 245);
    close_year(&cast, 2026);
    close_month(&cast, "2026-05");
    close_month(&cast, "2026-12");
    let run = cast.staff.approver.post("/v1/redemption_runs", &run_body(&cast, 2026)).unwrap().expect(201).unwrap();
    let served: Vec<&str> =
        run["redemptions"].as_array().unwrap().iter().map(|it| it["member_id"].as_str().unwrap()).collect();
    let person = |n: usize| members[n].client.person_id.as_deref().unwrap();
    assert_eq!((served, run["still_waiting"].as_i64()), (vec![person(2), person(1)], Some(1)));
    let full = cast.staff.approver.post("/v1/redemption_runs", &run_body(&cast, 2026)).unwrap();
    assert_eq!((full.status, full.code().as_str()), (409, "redemption_ceiling_reached"));
    let whole = cast.staff.accountant.get(&format!("/v1/redemption_runs/{}", text(&run, "id"))).unwrap().json();
    assert_eq!(whole["redemptions"].as_array().unwrap().len(), 2);
    let mine = again(&app, &members[0]).client.get("/v1/redemptions").unwrap().json();
    assert_eq!(mine["data"].as_array().unwrap().len(), 1, "a member sees their own: {mine}");
    // Whoever gave their only share back brings nothing new in from the next day on.
    days_pass(&app, &mut cast, 1);
    let state =
        |n: usize| cast.staff.reviewer.get(&format!("/v1/members/{}", person(n))).unwrap().json()["state"].clone();
    assert_eq!((state(2), state(0)), (json!("inactive"), json!("active")));
}

#[test]
fn a_certificate_is_made_once_and_the_register_adds_up() {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    let bo = app.another_member(&mut cast);
    let share = share_of(&awa.client);
    let place = format!("/v1/shares/{share}/certificate");
    let first = awa.client.get(&place).unwrap();
    assert_eq!((first.status, first.header("content-type")), (200, Some("application/pdf")));
    assert!(first.body.starts_with(b"%PDF-"));
    app.stage.clock.advance(Duration::minutes(5));
    let second = cast.staff.reviewer.get(&place).unwrap();
    assert_eq!(second.body, first.body, "the same bytes for whoever asks again");
    assert_eq!(second.header("content-digest"), first.header("content-digest"));
    assert_eq!(app.count("SELECT count(*) FROM archived_file WHERE kind = 'share_certificate'"), 1);
    assert_eq!(bo.client.get(&place).unwrap().status, 404);
    let person = awa.client.person_id.clone().unwrap();
    let more = json!({"id": awa.client.new_id(), "quantity": 4});
    let more = awa.client.post(&format!("/v1/members/{person}/shares"), &more).unwrap().expect(201).unwrap();
    let unpaid = awa.client.get(&format!("/v1/shares/{}/certificate", text(&more, "id"))).unwrap();
    assert_eq!((unpaid.status, unpaid.code().as_str()), (409, "share_not_paid"));

    let register =
        |query: &str| cast.staff.accountant.get(&format!("/v1/share_register{query}")).unwrap().expect(200).unwrap();
    let whole = register("");
    assert_eq!(whole["data"].as_array().unwrap().len(), 3);
    let total = |page: &Value, state: &str| {
        let totals = page["totals"].as_array().unwrap();
        totals.iter().find(|it| it["state"] == state).map(|it| (it["quantity"].as_i64().unwrap(), minor(it, "/amount")))
    };
    assert_eq!((total(&whole, "paid"), total(&whole, "subscribed")), (Some((2, 6_000)), Some((4, 12_000))));
    let hers = register(&format!("?member_id={person}&state=paid"));
    assert_eq!((hers["data"][0]["member_name"].as_str(), total(&hers, "paid")), (Some("Awa Diop"), Some((1, 3_000))));
    let page = register("?limit=2");
    let cursor = page["page"]["next_cursor"].as_str().unwrap();
    assert_eq!(register(&format!("?limit=2&cursor={cursor}"))["data"].as_array().unwrap().len(), 1);
    assert_eq!(total(&page, "subscribed"), Some((4, 12_000)), "the totals are of all pages");
}

#[test]
fn a_share_of_a_year_lapses_and_a_payment_brings_it_back() {
    let app = TestApp::start();
    let mut cast = app.mutual();
    new_rules(&app, &cast, &json!({"share_validity": "yearly"}));
    let member = enrol_at(&app, &mut cast, 0, 3_000);
    let person = member.client.person_id.clone().unwrap();
    let standing =
        |client: &Client| client.get(&format!("/v1/members/{person}/share_standing")).unwrap().expect(200).unwrap();
    assert_eq!(standing(&member.client), json!({"lapses": true, "through": "2027-05-03", "is_current": true}));
    let submitted = app.stage.submitted_invoice(&member, None, 100_000).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();

    days_pass(&app, &mut cast, 333);
    assert!(app.stage.mail_to(&member.email, "3 mai 2027").is_err(), "thirty-one days before, nobody is told");
    days_pass(&app, &mut cast, 1);
    assert!(app.stage.mail_to(&member.email, "3 mai 2027").is_ok(), "thirty days before, the member is told");
    let state =
        |cast: &Cast| cast.staff.reviewer.get(&format!("/v1/members/{person}")).unwrap().json()["state"].clone();
    days_pass(&app, &mut cast, 30);
    assert_eq!(state(&cast), "active", "the last day counts");
    days_pass(&app, &mut cast, 1);
    app.stage.settle().unwrap();
    assert_eq!(state(&cast), "inactive");
    assert_eq!(app.count("SELECT count(*) FROM state_history WHERE to_state = 'inactive'"), 1);
    assert_eq!(app.count("SELECT count(*) FROM email_message WHERE letter IN ('share_ending', 'share_lapsed')"), 2);

    // What is there can be spent; nothing new comes in.
    let member = again(&app, &member);
    assert_eq!(standing(&member.client)["is_current"], false);
    app.stage.payout(&member, 10_000).unwrap();
    let refused = app.stage.submitted_invoice(&member, None, 5_000).unwrap_err().to_string();
    assert!(refused.contains("member_not_active"), "{refused}");
    let refused = app.stage.sent_order(&member, 5_000).unwrap_err().to_string();
    assert!(refused.contains("member_not_active"), "{refused}");

    let two = json!({"id": member.client.new_id(), "quantity": 2});
    let two = member.client.post(&format!("/v1/members/{person}/shares"), &two).unwrap().expect(201).unwrap();
    assert_eq!(state(&cast), "inactive", "a promise is no payment");
    cast.bank.receives(Minor::new(6_000), two["payment_reference"].as_str().unwrap(), "Member", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    assert_eq!(state(&cast), "active");
    assert_eq!(standing(&member.client)["through"], "2029-05-03", "two years from the day of payment");
    app.stage.submitted_invoice(&member, None, 5_000).unwrap();
}

/// A second certificate of a member: three shares, paid.
fn three_more(app: &TestApp, cast: &mut Cast, member: &MemberCast) -> String {
    let person = member.client.person_id.clone().unwrap();
    let place = format!("/v1/members/{person}/shares");
    let three = json!({"id": member.client.new_id(), "quantity": 3});
    let three = member.client.post(&place, &three).unwrap().expect(201).unwrap();
    let reference = three["payment_reference"].as_str().unwrap();
    cast.bank.receives(Minor::new(15_000), reference, "Member", app.stage.today());
    app.stage.import(cast).unwrap();
    text(&three, "id")
}

#[test]
fn some_shares_of_a_certificate_are_given_back_and_the_rest_stays() {
    let app = TestApp::start();
    let mut cast = app.mutual();
    new_rules(&app, &cast, &json!({"share_price": {"amount_minor": 5000, "currency": "EUR"}}));
    let awa = enrol_at(&app, &mut cast, 0, 5_000);
    let bo = enrol_at(&app, &mut cast, 1, 5_000);
    let share = three_more(&app, &mut cast, &awa);
    let certificate = |client: &Client| client.get(&format!("/v1/shares/{share}/certificate")).unwrap();
    let whole = certificate(&awa.client);
    assert_eq!(whole.status, 200);
    let place = format!("/v1/shares/{share}/redemptions");
    let notice = |client: &Client, quantity: i64| {
        client.post(&place, &json!({"id": client.new_id(), "quantity": quantity})).unwrap()
    };
    for wrong in [-1, 0, 4] {
        let refused = notice(&awa.client, wrong);
        let pointer = refused.json()["errors"][0]["pointer"].clone();
        assert_eq!((refused.status, pointer.as_str()), (422, Some("/quantity")), "{wrong}");
    }
    assert_eq!(app.count("SELECT count(*) FROM redemption"), 0);
    let two = notice(&awa.client, 2).expect(201).unwrap();
    assert_eq!((two["quantity"].as_i64(), minor(&two, "/nominal")), (Some(2), 5_000));
    assert_eq!(notice(&awa.client, 1).code(), "state_conflict", "one notice at a time");
    let projection = awa.client.get(&format!("/v1/shares/{share}/projection")).unwrap().json();
    assert_eq!((projection["quantity"].as_i64(), minor(&projection, "/amount")), (Some(2), 10_000));

    days_pass(&app, &mut cast, 245);
    close_year(&cast, 2026);
    for month in ["2026-05", "2026-12"] {
        close_month(&cast, month);
    }
    let run = cast.staff.approver.post("/v1/redemption_runs", &run_body(&cast, 2026)).unwrap().expect(201).unwrap();
    assert_eq!((minor(&run, "/redeemed"), run["net_assets"]["share_count"].as_i64()), (10_000, Some(5)));
    let (awa, bo) = (again(&app, &awa), again(&app, &bo));
    let person = awa.client.person_id.clone().unwrap();
    let held = awa.client.get(&format!("/v1/members/{person}/shares")).unwrap().expect(200).unwrap();
    let of_three = held.as_array().unwrap().iter().find(|it| it["id"] == share.as_str()).unwrap().clone();
    assert_eq!(
        (of_three["state"].as_str(), of_three["quantity"].as_i64(), of_three["redeemed_quantity"].as_i64()),
        (Some("paid"), Some(3), Some(2))
    );
    // The rest has its own certificate, made once; the one of the whole is kept.
    let rest = certificate(&awa.client);
    assert_eq!((rest.status, rest.body == whole.body), (200, false));
    assert_eq!(certificate(&cast.staff.reviewer).body, rest.body);
    assert_eq!(certificate(&bo.client).status, 404);
    assert_eq!(app.count("SELECT count(*) FROM archived_file WHERE kind = 'share_certificate'"), 2);
    let register = cast.staff.accountant.get("/v1/share_register").unwrap().expect(200).unwrap();
    let total = |state: &str| {
        let totals = register["totals"].as_array().unwrap();
        totals.iter().find(|it| it["state"] == state).map(|it| (it["quantity"].as_i64().unwrap(), minor(it, "/amount")))
    };
    assert_eq!((total("paid"), total("redeemed")), (Some((3, 15_000)), Some((2, 10_000))));
    let projection = awa.client.get(&format!("/v1/shares/{share}/projection")).unwrap().json();
    assert_eq!(
        (projection["quantity"].as_i64(), minor(&projection, "/amount"), projection["noticed_on"].as_str()),
        (Some(1), 5_000, None)
    );

    // The rest is given back a year later.
    assert_eq!(notice(&awa.client, 2).status, 422, "one is left");
    let last = awa.client.post(&place, &json!({"id": awa.client.new_id()})).unwrap().expect(201).unwrap();
    assert_eq!(last["quantity"], 1);
    days_pass(&app, &mut cast, 365);
    close_year(&cast, 2027);
    for month in ["2027-01", "2027-12"] {
        close_month(&cast, month);
    }
    let run = cast.staff.approver.post("/v1/redemption_runs", &run_body(&cast, 2027)).unwrap().expect(201).unwrap();
    assert_eq!((minor(&run, "/redeemed"), run["net_assets"]["share_count"].as_i64()), (5_000, Some(3)));
    let gone = certificate(&again(&app, &awa).client);
    assert_eq!((gone.status, gone.code().as_str()), (409, "share_not_paid"));
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn a_notice_is_taken_back_by_who_gave_it_until_it_counts() {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    let bo = app.another_member(&mut cast);
    let share = share_of(&awa.client);
    let withdraw = |client: &Client, notice: &Value| {
        let place = format!("/v1/redemptions/{}/withdraw", text(notice, "id"));
        client.change(&place, version(notice), &json!({})).unwrap()
    };
    let first = give_notice(&awa.client);
    assert_eq!(withdraw(&bo.client, &first).status, 404, "of another's notice");
    let place = format!("/v1/redemptions/{}/withdraw", text(&first, "id"));
    let stale = awa.client.change(&place, version(&first) + 1, &json!({})).unwrap();
    assert_eq!((stale.status, stale.code().as_str()), (412, "version_stale"));
    let taken_back = withdraw(&awa.client, &first).expect(200).unwrap();
    assert_eq!(
        (taken_back["state"].as_str(), taken_back["withdrawn_on"].as_str()),
        (Some("withdrawn"), Some("2026-05-04"))
    );
    let twice = withdraw(&awa.client, &taken_back);
    assert_eq!((twice.status, twice.code().as_str()), (409, "state_conflict"));
    let state = |client: &Client| {
        let person = client.person_id.clone().unwrap();
        client.get(&format!("/v1/members/{person}/shares")).unwrap().json()[0]["state"].clone()
    };
    assert_eq!(state(&awa.client), "paid");
    let projection = awa.client.get(&format!("/v1/shares/{share}/projection")).unwrap().json();
    assert_eq!(projection["noticed_on"], Value::Null);
    // Another notice may follow; once its closing is over it is owed.
    let second = give_notice(&awa.client);
    assert_eq!(state(&awa.client), "redeeming");
    days_pass(&app, &mut cast, 241);
    let awa = again(&app, &awa);
    assert_eq!(app.stage.today().to_string(), "2026-12-31");
    let place = format!("/v1/redemptions/{}/withdraw?dry_run=true", text(&second, "id"));
    awa.client.change(&place, version(&second), &json!({})).unwrap().expect(200).unwrap();
    days_pass(&app, &mut cast, 1);
    let awa = again(&app, &awa);
    let late = withdraw(&awa.client, &second);
    assert_eq!((late.status, late.code().as_str()), (409, "notice_already_due"));
    assert_eq!(app.count("SELECT count(*) FROM redemption WHERE state = 'noticed'"), 1);
}
