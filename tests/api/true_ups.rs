//! What wages really cost, through the door: two people, who bears it, in instalments, and wages that come back.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, MemberCast};
use umbel::kernel::ids::PayoutId;
use umbel::kernel::money::Minor;
use umbel::payroll::true_ups::take_back;
use umbel::platform::db::Actor;
use umbel::platform::error::Error;

use super::levies::{minor, money};
use super::payout_results;
use super::payroll::{arrange, funded, scheme, scheme_of, vote, withhold};
use super::support::TestApp;
use super::world::text;

const PAPER: &[u8] = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";

fn paper(cast: &Cast) -> String {
    let made = cast.staff.reviewer.upload("/v1/evidence", "application/octet-stream", PAPER).unwrap();
    text(&made.expect(201).unwrap(), "id")
}

/// Records what lets a member be paid for copyright.
pub fn prove_rights(app: &TestApp, cast: &Cast, member: &MemberCast) {
    let body = json!({"id": member.client.new_id(), "kind": "arts_worker_certificate", "valid_from": app.stage.today(),
                      "evidence_id": paper(cast), "reason": "Certificate of the commission"});
    let place = format!("/v1/members/{}/rights_proofs", member.client.person_id.as_deref().unwrap());
    cast.staff.administrator.post(&place, &body).unwrap().expect(201).unwrap();
    let wrong = json!({"id": member.client.new_id(), "kind": "transfer_for_publication", "valid_from": "2026-05-02", "valid_until": "2026-05-01",
                       "evidence_id": member.client.new_id(), "reason": ""});
    let refused = cast.staff.administrator.post(&place, &wrong).unwrap();
    assert_eq!(pointers(&refused), ["/valid_until", "/reason", "/evidence_id"]);
}

fn pointers(answer: &Answer) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
}

fn policy(app: &TestApp, cast: &Cast, borne_by: &str, instalments: i32) -> Answer {
    let administrator = &cast.staff.administrator;
    let body = json!({"id": administrator.new_id(), "valid_from": app.stage.today(), "borne_by": borne_by, "instalments": instalments, "reason": "Board"});
    administrator.post(&format!("/v1/entities/{}/true_up_policies", cast.entity_id), &body).unwrap()
}

/// A wage of 935.00 that left: an activity, its payout, and its slip.
pub fn paid_wage(app: &TestApp, cast: &mut Cast, member: &MemberCast) -> (MemberCast, Value, Value) {
    let activity = super::levies::another_activity(member);
    let known = cast.staff.administrator.get("/v1/pay_schemes?limit=200").unwrap().expect(200).unwrap();
    let is_known = known["data"].as_array().unwrap().iter().any(|row| row["code"] == "be_artist");
    let employee = if is_known { scheme_of(cast, "be_artist") } else { scheme(cast, "be_artist") };
    arrange(app, cast, &activity, Some(&employee));
    withhold(app, cast, member, "0.1111");
    funded(app, cast, &activity, 100_000);
    let payout = app.stage.payout(&activity, 50_000).unwrap();
    let sealed = app.stage.sealed_batch(cast, &payout).unwrap();
    app.stage.release(&cast.staff.approver, &sealed).unwrap();
    let slip =
        activity.client.get(&format!("/v1/payouts/{}/pay_slip", text(&payout, "id"))).unwrap().expect(200).unwrap();
    (activity, payout, slip)
}

/// What the slip of a payout says, with so many cents more for the employer.
fn body(app: &TestApp, cast: &Cast, payout: &str, more: i64) -> Value {
    let of = |column: &str| app.count(&format!("SELECT {column} FROM pay_slip WHERE payout_id = '{payout}'"));
    json!({"id": cast.staff.reviewer.new_id(), "payout_id": payout, "employer": money(of("employer_minor") + more),
           "employee": money(of("employee_minor")), "withheld": money(of("withheld_minor + levy_minor")),
           "evidence_id": paper(cast), "reason": "Quarterly declaration"})
}

/// A wage that left, and what it really cost as the reviewer brings it in.
pub fn proposed(app: &TestApp, cast: &mut Cast, member: &MemberCast, more: i64) -> Value {
    let (_, payout, _) = paid_wage(app, cast, member);
    let _known = policy(app, cast, "activity", 3);
    let body = body(app, cast, &text(&payout, "id"), more);
    cast.staff.reviewer.post("/v1/true_ups", &body).unwrap().expect(201).unwrap()
}

fn available(member: &MemberCast) -> i64 {
    let path = format!("/v1/activities/{}", member.activity_id);
    minor(&member.client.get(&path).unwrap().expect(200).unwrap(), "/available")
}

#[test]
fn a_wage_that_cost_more_is_borne_by_its_activity_over_its_next_payouts() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    vote(&app, &cast);
    let (activity, payout, _) = paid_wage(&app, &mut cast, &member);
    let id = text(&payout, "id");
    let reviewer = cast.staff.reviewer.clone();
    let refused = reviewer.post("/v1/true_ups", &body(&app, &cast, &id, 1_000)).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "true_up_policy_missing"));
    policy(&app, &cast, "activity", 3).expect(201).unwrap();
    assert_eq!(policy(&app, &cast, "fund", 1).code(), "not_unique");
    assert_eq!(pointers(&policy(&app, &cast, "fund", 25)), ["/instalments"]);
    let refused = reviewer.post("/v1/true_ups", &body(&app, &cast, &id, 0)).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (422, "nothing_to_true_up"));
    let mut wrong = body(&app, &cast, &id, 1_000);
    (wrong["employee"], wrong["reason"], wrong["evidence_id"]) = (money(-1), json!(""), json!(reviewer.new_id()));
    let refused = reviewer.post("/v1/true_ups", &wrong).unwrap();
    assert_eq!(pointers(&refused), ["/employee/amount_minor", "/reason", "/evidence_id"]);
    let mut more = body(&app, &cast, &id, 1_000);
    more["withheld"] = money(minor(&more, "/withheld") - 100);
    let made = reviewer.post("/v1/true_ups", &more).unwrap().expect(201).unwrap();
    assert_eq!((made["state"].as_str(), minor(&made, "/difference")), (Some("proposed"), 900));
    let lines: Vec<_> = made["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["component"].as_str().unwrap(), minor(line, "/difference")))
        .collect();
    assert_eq!(lines, [("employer", 1_000), ("employee", 0), ("withheld", -100)]);
    let refused = reviewer.post("/v1/true_ups", &body(&app, &cast, &id, 5)).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "true_up_open"));
    let path = format!("/v1/true_ups/{}", text(&made, "id"));
    let confirm = format!("{path}/confirm");
    assert_eq!(reviewer.change(&confirm, 1, &json!({})).unwrap().status, 403, "two people");
    let before = available(&activity);
    let done = cast.staff.accountant.change(&confirm, 1, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!((done["state"].as_str(), done["borne_by"].as_str()), (Some("confirmed"), Some("activity")));
    assert_eq!(available(&activity), before, "its next payouts bear it");
    assert_eq!(cast.staff.accountant.change(&confirm, 2, &json!({})).unwrap().code(), "state_conflict");
    assert_eq!(member.client.get(&path).unwrap().status, 200, "the member sees it");
    for n in 1..=4 {
        let before = available(&activity);
        let next = app.stage.payout(&activity, 5_000).unwrap();
        let approve = format!("/v1/payouts/{}/approve", text(&next, "id"));
        let version = next["version"].as_i64().unwrap();
        cast.staff.reviewer.change(&approve, version, &json!({})).unwrap().expect(200).unwrap();
        let taken = if n <= 3 { 300 } else { 0 };
        assert_eq!(before - available(&activity), 5_000 + taken, "payout {n}");
        let paper = member.client.get(&format!("/v1/payouts/{}/payslip", text(&next, "id"))).unwrap();
        assert_eq!(paper.status, 200);
    }
    let seen = member.client.get(&path).unwrap().expect(200).unwrap();
    let parts: Vec<i64> = seen["parts"].as_array().unwrap().iter().map(|part| minor(part, "/amount")).collect();
    assert_eq!(parts, [300, 300, 300]);
    // A second letter of the payroll office says less: compared with the first, given back at once.
    let less = body(&app, &cast, &id, -500);
    let made = reviewer.post("/v1/true_ups", &less).unwrap().expect(201).unwrap();
    assert_eq!(minor(&made, "/difference"), -1_400);
    let before = available(&activity);
    let confirm = format!("/v1/true_ups/{}/confirm", text(&made, "id"));
    cast.staff.accountant.change(&confirm, 1, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(available(&activity) - before, 1_400);
}

#[test]
fn the_fund_or_the_entity_bears_it_when_that_is_the_rule() {
    for (borne_by, from_fund) in [("fund", 1_000), ("entity", 0)] {
        let app = TestApp::start();
        let (mut cast, member) = app.with_member();
        let (activity, payout, _) = paid_wage(&app, &mut cast, &member);
        policy(&app, &cast, borne_by, 1).expect(201).unwrap();
        let made = body(&app, &cast, &text(&payout, "id"), 1_000);
        let made = cast.staff.reviewer.post("/v1/true_ups", &made).unwrap().expect(201).unwrap();
        let fund = "SELECT coalesce(sum(amount_minor), 0) FROM posting WHERE account = 'guarantee_fund'";
        let (before, had) = (app.count(fund), available(&activity));
        let path = format!("/v1/true_ups/{}", text(&made, "id"));
        cast.staff.accountant.change(&format!("{path}/confirm"), 1, &json!({})).unwrap().expect(200).unwrap();
        assert_eq!((app.count(fund) - before, available(&activity)), (from_fund, had), "{borne_by}");
    }
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let made = proposed(&app, &mut cast, &member, 700);
    let reject = format!("/v1/true_ups/{}/reject", text(&made, "id"));
    let refused = cast.staff.accountant.change(&reject, 1, &json!({"reason": ""})).unwrap();
    assert_eq!(pointers(&refused), ["/reason"]);
    let done =
        cast.staff.accountant.change(&reject, 1, &json!({"reason": "Another person"})).unwrap().expect(200).unwrap();
    assert_eq!(done["state"], "rejected");
    assert_eq!(app.count("SELECT count(*) FROM journal_entry WHERE event = 'payroll_trued_up'"), 0);
    // A wage that is approved and has not left has not cost anything.
    let activity = MemberCast { activity_id: text(&done, "activity_id"), ..member };
    let waiting = app.stage.payout(&activity, 5_000).unwrap();
    let place = format!("/v1/payouts/{}/approve", text(&waiting, "id"));
    let version = waiting["version"].as_i64().unwrap();
    cast.staff.reviewer.change(&place, version, &json!({})).unwrap().expect(200).unwrap();
    let waiting = body(&app, &cast, &text(&waiting, "id"), 1);
    let refused = cast.staff.reviewer.post("/v1/true_ups", &waiting).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "pay_not_sent"));
}

#[test]
fn a_returned_wage_keeps_as_a_cost_what_was_paid_to_the_offices() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let (_, payout, _) = paid_wage(&app, &mut cast, &member);
    let id = text(&payout, "id");
    let of = |column: &str| app.count(&format!("SELECT {column} FROM pay_slip WHERE payout_id = '{id}'"));
    let (social, budget) = (of("employer_minor + employee_minor"), of("budget_minor"));
    let entity = cast.entity_id.clone();
    // What comes of it when this much of the contributions was paid since; nothing is kept.
    let after = |paid: i64| {
        let mut found = None;
        let tried = app.db.write_blocking(&Actor::System, |tx| {
            let sql = format!(
                "WITH e AS (INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id) \
                 VALUES ('{entity}', '2026-05-04', 'payout_cancelled', 'payout', '{id}') RETURNING id) \
                 INSERT INTO posting (entry_id, account, amount_minor, currency) \
                 SELECT e.id, v.account, v.amount, 'EUR' FROM e, (VALUES ('social_security_payable', {paid}), ('opening_balance', -{paid})) v (account, amount)"
            );
            if paid > 0 {
                tx.conn().batch_execute(&sql)?;
            }
            found = Some(take_back(tx, PayoutId(id.parse().unwrap()))?);
            Err::<(), _>(Error::conflict("dry_run"))
        });
        found.unwrap_or_else(|| panic!("{tried:?}"))
    };
    let nothing_paid = after(0);
    assert_eq!((nothing_paid.social_security.get(), nothing_paid.budget.get()), (social, budget));
    let all_paid = after(social);
    assert_eq!((all_paid.social_security, all_paid.budget.get()), (Minor::ZERO, budget - social));
    let half = after(social / 2);
    assert_eq!(half.social_security.get(), social - social / 2);
    // In the books: the bank gives it back, nothing was paid, so all of it is there again.
    let net = app.count(&format!("SELECT net_minor FROM pay_slip WHERE payout_id = '{id}'"));
    let end_to_end_id = text(&payout, "end_to_end_id");
    cast.bank.pays(Minor::new(net), &end_to_end_id, app.stage.today());
    app.stage.import(&mut cast).unwrap();
    cast.bank.returns(Minor::new(net), &end_to_end_id, "AC04", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    assert_eq!(app.count("SELECT social_minor FROM wage_return"), social);
}

fn confirm(cast: &Cast, made: &Value) -> Answer {
    let place = format!("/v1/true_ups/{}/confirm", text(made, "id"));
    cast.staff.accountant.change(&place, 1, &json!({})).unwrap()
}

fn bring_in(cast: &Cast, body: &Value) -> Value {
    cast.staff.reviewer.post("/v1/true_ups", body).unwrap().expect(201).unwrap()
}

#[test]
fn a_wage_that_comes_back_is_not_given_back_what_a_true_up_gave_already() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let (activity, payout, _) = paid_wage(&app, &mut cast, &member);
    policy(&app, &cast, "activity", 3).expect(201).unwrap();
    let id = text(&payout, "id");
    let of = |column: &str| app.count(&format!("SELECT {column} FROM pay_slip WHERE payout_id = '{id}'"));
    let (social, net) = (of("employer_minor + employee_minor"), of("net_minor"));
    let before = available(&activity);
    let less = bring_in(&cast, &body(&app, &cast, &id, -5_000));
    confirm(&cast, &less).expect(200).unwrap();
    assert_eq!(available(&activity) - before, 5_000, "the office wanted less");
    // Brought in while the wage is away, and confirmed when it is back: it would start from what is no longer booked.
    let late = bring_in(&cast, &body(&app, &cast, &id, 1_000));
    let end_to_end_id = text(&payout, "end_to_end_id");
    cast.bank.pays(Minor::new(net), &end_to_end_id, app.stage.today());
    app.stage.import(&mut cast).unwrap();
    cast.bank.returns(Minor::new(net), &end_to_end_id, "AC04", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    assert_eq!(app.count("SELECT social_minor FROM wage_return"), social - 5_000, "the rest was given back before");
    assert_eq!(available(&activity) - before, 50_000 - of("residual_minor"), "all of the wage, once");
    let refused = confirm(&cast, &late);
    assert_eq!((refused.status, refused.code().as_str()), (409, "true_up_outdated"));
    // The database says the same to whoever goes past the program.
    let accountant = cast.staff.accountant.person_id.clone().unwrap();
    let around = format!(
        "UPDATE true_up SET state = 'confirmed', decided_by = '{accountant}', booked_on = '2026-05-04' WHERE id = '{}'",
        text(&late, "id")
    );
    let around = app.database.owner().batch_execute(&around).unwrap_err();
    assert!(around.to_string().contains("changed"), "{around}");
    let reject = format!("/v1/true_ups/{}/reject", text(&late, "id"));
    cast.staff.accountant.change(&reject, 1, &json!({"reason": "The wage came back"})).unwrap().expect(200).unwrap();
    // Nothing is booked of it now, and the office keeps 7.00 all the same: that is what it cost.
    let mut kept = body(&app, &cast, &id, 0);
    (kept["employer"], kept["employee"], kept["withheld"]) = (money(700), money(0), money(0));
    let kept = bring_in(&cast, &kept);
    assert_eq!(minor(&kept, "/difference"), 700);
    confirm(&cast, &kept).expect(200).unwrap();
    let owed = "SELECT -coalesce(sum(amount_minor), 0) FROM posting WHERE account IN ('social_security_payable', 'withholding_payable')";
    assert_eq!(app.count(owed), 700, "and no more is owed to the offices");
}

#[test]
fn a_wage_that_the_bank_refused_ends_when_its_true_ups_are_set_back() {
    for more in [2_000, -2_000] {
        let app = TestApp::start();
        let (mut cast, member) = app.with_member();
        let (activity, payout, _) = paid_wage(&app, &mut cast, &member);
        policy(&app, &cast, "activity", 3).expect(201).unwrap();
        let id = text(&payout, "id");
        let residual = app.count(&format!("SELECT residual_minor FROM pay_slip WHERE payout_id = '{id}'"));
        let before = available(&activity) + 50_000 - residual;
        confirm(&cast, &bring_in(&cast, &body(&app, &cast, &id, more))).expect(200).unwrap();
        let batch = json!({"id": payout_results::payout(&cast, &payout)["batch_id"]});
        let message = payout_results::message_of(&cast, &batch);
        let said = [(payout_results::name_of(&payout), "RJCT", "AC04")];
        let report = payout_results::report("R1", &message, "PART", &said);
        let done = cast.staff.reviewer.upload("/v1/payment_reports", "application/xml", report.as_bytes()).unwrap();
        done.expect(201).unwrap();
        let refused = payout_results::propose(&cast, &payout, "give_back");
        assert_eq!((refused.status, refused.code().as_str()), (409, "true_ups_first"));
        let refused = cast.staff.reviewer.post("/v1/true_ups", &body(&app, &cast, &id, 1)).unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (409, "pay_not_sent"), "it cost nothing");
        let mut nothing = body(&app, &cast, &id, 0);
        for part in ["employer", "employee", "withheld"] {
            nothing[part] = money(0);
        }
        let back = bring_in(&cast, &nothing);
        assert_eq!(minor(&back, "/difference"), -more);
        confirm(&cast, &back).expect(200).unwrap();
        let proposed = payout_results::propose(&cast, &payout, "give_back").expect(201).unwrap();
        payout_results::agree(&cast, &proposed);
        // What was given too much is borne by the next payouts; what was never taken is simply gone.
        let open = app.count(
            "SELECT (SELECT coalesce(sum(difference_minor), 0) FROM true_up WHERE state = 'confirmed') \
                  - (SELECT coalesce(sum(amount_minor), 0) FROM true_up_part)",
        );
        assert_eq!((available(&activity) - open, open), (before, 2_000), "{more}");
        let owed = "SELECT coalesce(sum(amount_minor), 0) FROM posting WHERE account IN ('social_security_payable', 'withholding_payable')";
        assert_eq!(app.count(owed), 0, "{more}");
    }
}
