//! The end of a year: its result, the decision about it, and what each member gets.

use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client, MemberCast};
use umbel::kernel::money::Minor;

use super::collectives::Scene;
use super::shares::{again, close_month, close_year, days_pass, enrol_at, minor, new_rules, plant_loss};
use super::stories::journal;
use super::support::TestApp;
use super::world::text;

fn invoice(app: &TestApp, cast: &Cast, member: &MemberCast, cents: i64) {
    let submitted = app.stage.submitted_invoice(member, None, cents).unwrap();
    app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    app.stage.settle().unwrap();
}

fn step(kind: &str, rate: &str) -> Value {
    json!({"kind": kind, "rate": rate})
}

fn refund(key: &str, rate: &str) -> Value {
    json!({"kind": "patronage", "key": key, "rate": rate})
}

/// Brings a decision in. `query`: `?dry_run=true`, or nothing.
fn propose(by: &Client, cast: &Cast, query: &str, (year, decided_on): (i32, &str), steps: &[Value]) -> Answer {
    let body = json!({
        "id": by.new_id(), "entity_id": cast.entity_id, "year": year, "decision": "General assembly", "decided_on": decided_on,
        "steps": steps,
    });
    by.post(&format!("/v1/appropriations{query}"), &body).unwrap()
}

fn decide(by: &Client, what: &str, proposal: &Value, body: &Value) -> Answer {
    let place = format!("/v1/appropriations/{}/{what}", text(proposal, "id"));
    by.change(&place, proposal["version"].as_i64().unwrap(), body).unwrap()
}

fn amounts(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|it| minor(it, "/amount")).collect()
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

/// Somebody who may bring a decision in and approve one, though not the same.
fn both_roles(app: &TestApp, cast: &Cast) -> Client {
    let both =
        app.stage.hire(&cast.staff.administrator, "both@ombelle.example", "Bea Both", "payout_approver").unwrap();
    // The last role that one administrator grants alone: there are two now.
    let grant = json!({
        "id": both.new_id(), "role": "administrator", "valid_from": app.stage.clock.now().date_naive(),
    });
    let place = format!("/v1/people/{}/role_grants", both.person_id.as_deref().unwrap());
    cast.staff.administrator.post(&place, &grant).unwrap().expect(201).unwrap();
    app.stage.sign_in("both@ombelle.example").unwrap()
}

#[test]
fn twenty_thousand_are_set_aside_and_given_back_by_what_each_paid() {
    let app = TestApp::start();
    let mut cast = app.mutual();
    new_rules(&app, &cast, &json!({"levies": [{"kind": "fee", "rate": "0.065"}]}));
    let members: Vec<MemberCast> = (0..4).map(|n| enrol_at(&app, &mut cast, n, 3_000)).collect();
    // The first year brings 18,531.00, which is carried forward; the second 1,469.00.
    invoice(&app, &cast, &members[3], 28_509_231);
    days_pass(&app, &mut cast, 250);
    let year = close_year(&cast, 2026);
    assert_eq!((minor(&year, "/result"), year["booked_on"].as_str()), (1_853_100, Some("2026-12-31")));
    for month in ["2026-05", "2026-12"] {
        close_month(&cast, month);
    }
    let members: Vec<MemberCast> = members.iter().map(|member| again(&app, member)).collect();
    for (member, cents) in members.iter().zip([1_200_000, 750_000, 310_000]) {
        invoice(&app, &cast, member, cents);
    }
    days_pass(&app, &mut cast, 365);
    let administrator = cast.staff.administrator.clone();
    let steps = [
        step("legal_reserve", "0.15"),
        step("indivisible_reserve", "0.4"),
        step("guarantee_fund", "0.1"),
        refund("fees", "0.35"),
    ];
    let early = propose(&administrator, &cast, "", (2027, "2028-01-05"), &steps);
    assert_eq!(code(&early), (409, "year_not_closed".to_owned()));
    assert_eq!(minor(&close_year(&cast, 2027), "/result"), 146_900);

    let preview = propose(&administrator, &cast, "?dry_run=true", (2027, "2028-01-05"), &steps).json();
    assert_eq!(
        (minor(&preview, "/surplus"), amounts(&preview["steps"])),
        (2_000_000, vec![300_000, 800_000, 200_000, 700_000])
    );
    assert_eq!(app.count("SELECT count(*) FROM appropriation"), 0);
    other_policies(&administrator, &cast);
    let both = both_roles(&app, &cast);
    let proposal = propose(&both, &cast, "", (2027, "2028-01-05"), &steps).expect(201).unwrap();
    let twice = propose(&administrator, &cast, "", (2027, "2028-01-05"), &steps);
    assert_eq!(code(&twice), (409, "surplus_already_appropriated".to_owned()));
    assert_eq!(code(&decide(&both, "approve", &proposal, &json!({}))), (403, "self_approval_forbidden".to_owned()));
    assert_eq!(amounts(&proposal["parts"]), [371_681, 232_301, 96_018], "{proposal}");
    let weights: Vec<i64> =
        proposal["parts"].as_array().unwrap().iter().map(|it| it["weight"].as_i64().unwrap()).collect();
    assert_eq!((weights, proposal["steps"][3]["weight_sum"].as_i64()), (vec![78_000, 48_750, 20_150], Some(146_900)));

    let rejected = decide(&cast.staff.approver, "reject", &proposal, &json!({"reason": "Not what was voted"}))
        .expect(200)
        .unwrap();
    assert_eq!(rejected["state"], "rejected");
    let proposal = propose(&both, &cast, "", (2027, "2028-01-05"), &steps).expect(201).unwrap();
    let approved = decide(&cast.staff.approver, "approve", &proposal, &json!({})).expect(200).unwrap();
    assert_eq!((approved["state"].as_str(), minor(&approved, "/rest")), (Some("approved"), 0));
    let twice = decide(&cast.staff.approver, "approve", &approved, &json!({}));
    assert_eq!(code(&twice), (409, "state_conflict".to_owned()));
    for (member, part) in members.iter().zip([371_681, 232_301, 96_018]) {
        let member = again(&app, member);
        let activity = member.client.get(&format!("/v1/activities/{}", member.activity_id)).unwrap().json();
        assert_eq!(minor(&activity, "/available"), part);
        let seen = member.client.get(&format!("/v1/appropriations/{}", text(&approved, "id"))).unwrap().json();
        assert_eq!(
            (amounts(&seen["steps"]).len(), amounts(&seen["parts"])),
            (4, vec![part]),
            "the decision, and their own part"
        );
    }
    insta::assert_snapshot!(journal(&app));
}

/// What other mutuals decide, and what nobody may.
fn other_policies(administrator: &Client, cast: &Cast) {
    let try_out = |steps: &[Value]| propose(administrator, cast, "?dry_run=true", (2027, "2028-01-05"), steps);
    // Five per cent equal, five by years, ninety by volume: three runs.
    let three = try_out(&[refund("equal", "0.05"), refund("years", "0.05"), refund("volume", "0.9")]).json();
    let of_step = |n: i64| -> Vec<i64> {
        let parts = three["parts"].as_array().unwrap().iter().filter(|part| part["n"] == n);
        parts.map(|part| minor(part, "/amount")).collect()
    };
    assert_eq!((of_step(1), of_step(2)), (vec![25_000; 4], vec![25_000; 4]), "{three}");
    assert_eq!(of_step(3), [955_752, 597_345, 246_903]);
    // Refunds of nothing, by principle.
    for steps in [vec![], vec![refund("fees", "0")]] {
        let none = try_out(&steps).json();
        assert_eq!((minor(&none, "/rest"), none["parts"].as_array().map(Vec::len)), (2_000_000, Some(0)), "{none}");
    }
    let wrong = [
        (vec![step("legal_reserve", "-0.1")], "validation_failed", "/steps/0/rate"),
        (
            vec![step("legal_reserve", "0.1"), json!({"kind": "patronage", "rate": "0.1"})],
            "validation_failed",
            "/steps/1/key",
        ),
        (vec![step("loss_from_guarantee", "0.1")], "validation_failed", "/steps/0/kind"),
        (vec![step("legal_reserve", "0.6"), step("guarantee_fund", "0.400001")], "steps_exceed_surplus", "/steps"),
    ];
    for (steps, expected, pointer) in wrong {
        let refused = try_out(&steps);
        assert_eq!(code(&refused), (422, expected.to_owned()));
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
    for decided_on in ["2027-12-31", "2099-01-01"] {
        let refused = propose(administrator, cast, "", (2027, decided_on), &[]);
        assert_eq!(refused.json()["errors"][0]["pointer"], "/decided_on");
    }
    // The statutes want five per cent.
    let place = format!("/v1/entities/{}/surplus_policies", cast.entity_id);
    let policy = |rate: &str, valid_from: &str| {
        let body = json!({
            "id": administrator.new_id(), "valid_from": valid_from, "legal_reserve_rate": rate,
            "guarantee_for_losses_rate": "0", "decision": "Statutes, art. 30", "decided_on": "2026-01-01",
        });
        administrator.post(&place, &body).unwrap()
    };
    assert_eq!(policy("1.5", "2026-01-01").json()["errors"][0]["pointer"], "/legal_reserve_rate");
    policy("0.05", "2026-01-01").expect(201).unwrap();
    let refused = try_out(&[step("legal_reserve", "0.049999")]);
    assert_eq!(code(&refused), (422, "below_legal_reserve".to_owned()));
    assert_eq!(refused.json()["params"]["minimum_minor"], "100000");
    try_out(&[step("legal_reserve", "0.05")]).expect(201).unwrap();
}

/// What a refund of all there is weighs and gives, in the order of the members.
fn refunded(scene: &Scene, key: &str) -> Vec<(i64, i64)> {
    let office = &scene.cast.staff.administrator;
    let preview = propose(office, &scene.cast, "?dry_run=true", (2026, "2027-01-05"), &[refund(key, "1")]).json();
    let parts = preview["parts"].as_array().unwrap_or_else(|| panic!("{preview}"));
    let of = |member: &MemberCast| parts.iter().find(|part| part["member_id"] == json!(member.client.person_id));
    let found = scene.members.iter().filter_map(of);
    found.map(|part| (part["weight"].as_i64().unwrap(), minor(part, "/amount"))).collect()
}

#[test]
fn what_a_collective_paid_and_invoiced_counts_for_its_members_by_their_split() {
    let mut scene = Scene::new();
    scene.by_percent();
    scene.invoice(100_010);
    invoice(&scene.app, &scene.cast, &scene.members[1], 40_000);
    scene.days_pass(250);
    // How they divide from now on says nothing about the year that is over.
    scene.rule("equal", &[]);
    assert_eq!(minor(&close_year(&scene.cast, 2026), "/result"), 5_501 + 2_200);
    assert_eq!(refunded(&scene, "fees"), [(2_751, 2_751), (1_650 + 2_200, 3_850), (1_100, 1_100)]);
    let volume = refunded(&scene, "volume");
    let weights: Vec<i64> = volume.iter().map(|(weight, _)| *weight).collect();
    assert_eq!(weights, [50_005, 30_003 + 40_000, 20_002]);
    assert_eq!(volume.iter().map(|(_, part)| part).sum::<i64>(), 7_701, "{volume:?}");
    let office = scene.cast.staff.administrator.clone();
    let steps = [refund("fees", "1")];
    let proposal = propose(&office, &scene.cast, "", (2026, "2027-01-05"), &steps).expect(201).unwrap();
    let before = [0, 1, 2].map(|index| minor(&scene.activity(index), "/available"));
    decide(&scene.cast.staff.approver, "approve", &proposal, &json!({})).expect(200).unwrap();
    let after = [0, 1, 2].map(|index| minor(&scene.activity(index), "/available"));
    assert_eq!([0, 1, 2].map(|index| after[index] - before[index]), [2_751, 3_850, 1_100]);
}

#[test]
fn a_collective_without_a_rule_counts_equally_for_its_members() {
    let mut scene = Scene::new();
    scene.invoice(100_000);
    scene.days_pass(250);
    assert_eq!(minor(&close_year(&scene.cast, 2026), "/result"), 5_500);
    let mut parts: Vec<i64> = refunded(&scene, "fees").into_iter().map(|(weight, _)| weight).collect();
    parts.sort_unstable();
    assert_eq!(parts, [1_833, 1_833, 1_834]);
}

#[test]
fn a_loss_is_covered_by_the_fund_as_far_as_the_policy_says_and_the_rest_is_carried_forward() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    app.another_member(&mut cast);
    invoice(&app, &cast, &member, 100_000);
    plant_loss(&app, &cast, &member.activity_id, 10_000);
    days_pass(&app, &mut cast, 250);
    assert_eq!(minor(&close_year(&cast, 2026), "/result"), -4_500, "a fee of 55.00 less a loss of 100.00");
    let administrator = cast.staff.administrator.clone();
    let try_out =
        |cast: &Cast, steps: &[Value]| propose(&administrator, cast, "?dry_run=true", (2026, "2027-01-05"), steps);
    let surplus_step = try_out(&cast, &[step("legal_reserve", "0.1")]);
    assert_eq!(surplus_step.json()["errors"][0]["pointer"], "/steps/0/kind", "there is nothing to set aside");
    let cover = try_out(&cast, &[step("loss_from_guarantee", "0.2")]);
    assert_eq!(
        code(&cover),
        (422, "loss_cover_not_allowed".to_owned()),
        "without a policy the fund is for clients alone"
    );
    let policy = json!({
        "id": administrator.new_id(), "valid_from": "2026-01-01", "legal_reserve_rate": "0",
        "guarantee_for_losses_rate": "0.5", "decision": "General assembly", "decided_on": "2026-01-01",
    });
    administrator
        .post(&format!("/v1/entities/{}/surplus_policies", cast.entity_id), &policy)
        .unwrap()
        .expect(201)
        .unwrap();
    let too_much = try_out(&cast, &[step("loss_from_guarantee", "0.3")]);
    assert_eq!(too_much.json()["params"]["limit_minor"], "1000", "half of the 20.00 that are in the fund");
    let proposal = propose(&administrator, &cast, "", (2026, "2027-01-05"), &[step("loss_from_guarantee", "0.2")])
        .expect(201)
        .unwrap();
    assert_eq!((minor(&proposal, "/surplus"), minor(&proposal, "/rest")), (-4_500, -3_600));
    decide(&cast.staff.approver, "approve", &proposal, &json!({})).expect(200).unwrap();
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn a_year_is_closed_once_when_it_is_over_and_the_bank_is_explained() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    invoice(&app, &cast, &member, 50_000);
    let close = |cast: &Cast, year: &str| {
        let place = format!("/v1/entities/{}/fiscal_years/{year}/close", cast.entity_id);
        cast.staff.administrator.post(&place, &json!({})).unwrap()
    };
    assert_eq!(code(&close(&cast, "2026")), (409, "period_not_over".to_owned()));
    for wrong in ["1999", "3000", "20x6"] {
        assert_eq!(close(&cast, wrong).json()["errors"][0]["pointer"], "/year", "{wrong}");
    }
    cast.bank.receives_unknown(Minor::new(4_200), "thank you", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    days_pass(&app, &mut cast, 250);
    assert_eq!(code(&close(&cast, "2026")), (409, "period_has_suspense".to_owned()));
    let waiting = cast.staff.reviewer.get("/v1/bank_lines?state=suspense").unwrap().json()["data"][0].clone();
    let open = cast.staff.reviewer.get("/v1/invoices").unwrap().json()["data"][0].clone();
    let place = format!("/v1/bank_lines/{}/match", text(&waiting, "id"));
    let matched = cast.staff.reviewer.change(
        &place,
        waiting["version"].as_i64().unwrap(),
        &json!({"invoice_id": text(&open, "id")}),
    );
    matched.unwrap().expect(200).unwrap();
    // Closed after its months, a year counts on the first open day; its result is the same.
    close_month(&cast, "2026-05");
    close_month(&cast, "2026-12");
    let year = close(&cast, "2026").expect(200).unwrap();
    assert_eq!((minor(&year, "/result"), year["booked_on"].as_str()), (2_750, Some("2027-01-01")));
    assert_eq!(code(&close(&cast, "2026")), (409, "year_already_closed".to_owned()));
    let decision = propose(&cast.staff.administrator.clone(), &cast, "?dry_run=true", (2026, "2027-01-05"), &[]).json();
    assert_eq!(minor(&decision, "/surplus"), 2_750, "the result belongs to the year all the same");
    // What the bank did in a closed year and tells late counts in the next one.
    days_pass(&app, &mut cast, 365);
    close(&cast, "2027").expect(200).unwrap();
    cast.bank.receives_unknown(Minor::new(100), "late", "2027-12-30".parse().unwrap());
    app.stage.import(&mut cast).unwrap();
    assert_eq!(
        app.count("SELECT count(*) FROM journal_entry WHERE event = 'bank_line_booked' AND booked_on = '2028-01-01'"),
        1
    );
}
