//! Runs that cannot be, arrears, instalments, closing, and many hands at the same moment.

use serde_json::{Value, json};
use umbel::demo::MemberCast;

use super::costs::{available, booked, eur};
use super::pools::{code, three, whole};

#[test]
fn a_run_that_cannot_be_says_why_and_books_nothing() {
    let it = three([100_000; 3]);
    let pool = it.pool(&json!({}), &whole("equal"), &json!([]));
    assert_eq!(code(&it.run(&pool, &json!({}))), (409, "pool_nothing_to_divide".to_owned()));
    it.cost(&pool, "F-1", (10_000, 0, 0));
    assert_eq!(code(&it.run(&pool, &json!({}))), (409, "pool_without_members".to_owned()));
    it.join_all(&pool);
    let pointer = |changes: Value| {
        let answer = it.run(&pool, &changes);
        assert_eq!(answer.status, 422, "{changes}");
        answer.json()["errors"][0]["pointer"].as_str().unwrap().to_owned()
    };
    assert_eq!(pointer(json!({"to_on": "2026-04-30"})), "/to_on", "before it begins");
    assert_eq!(pointer(json!({"to_on": "2027-05-31"})), "/to_on", "a year ahead");
    assert_eq!(pointer(json!({"amount": eur(0)})), "/amount/amount_minor");
    assert_eq!(pointer(json!({"amount": eur(-1)})), "/amount/amount_minor");
    assert_eq!(pointer(json!({"amount": {"amount_minor": 1, "currency": "USD"}})), "/amount/currency");
    assert_eq!(pointer(json!({"kind": "refund"})), "/kind");
    assert_eq!(pointer(json!({"kind": "instalment"})), "/amount");
    let refused = |changes: Value| it.run(&pool, &changes).code();
    assert_eq!(refused(json!({"amount": eur(10_001)})), "pool_amount_exceeds_costs");
    assert_eq!(refused(json!({"kind": "instalment", "amount": eur(1)})), "pool_without_instalments");
    assert_eq!(refused(json!({"from_on": "2026-04-01", "to_on": "2026-04-30"})), "pool_nothing_to_divide");
    assert_eq!(it.run(&it.reviewer().new_id(), &json!({})).status, 404);
    let reviewer = it.reviewer();
    let proposed = json!({
        "id": reviewer.new_id(), "entity_id": it.cast.entity_id, "name": "Van", "purpose": "To carry things",
        "budget": eur(0), "overfunding": "carry", "deficit": "mutual_bears",
    });
    let place = format!("/v1/pools/{}", proposed["id"].as_str().unwrap());
    reviewer.post("/v1/pools", &proposed).unwrap().expect(201).unwrap();
    assert_eq!(it.run(proposed["id"].as_str().unwrap(), &json!({})).code(), "pool_not_open");
    let cost = super::costs::cost_body(reviewer, &json!({"pool_id": proposed["id"]}), "F-9", (1, 0, 0));
    assert_eq!(reviewer.post("/v1/costs", &cost).unwrap().code(), "pool_not_open");
    let open = json!({"decision": "Assembly", "decided_on": "2026-05-05"});
    let administrator = &it.cast.staff.administrator;
    assert_eq!(
        administrator.change(&format!("{place}/open"), 1, &open).unwrap().json()["errors"][0]["pointer"],
        "/decided_on"
    );
    let open = json!({"decision": "Assembly", "decided_on": "2026-05-04"});
    administrator.change(&format!("{place}/open"), 1, &open).unwrap().expect(200).unwrap();
    reviewer.post("/v1/costs", &cost).unwrap().expect(201).unwrap();
    let path = format!("/v1/costs/{}/approve", cost["id"].as_str().unwrap());
    it.second.change(&path, 1, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(it.run(proposed["id"].as_str().unwrap(), &json!({})).code(), "pool_key_missing");
    assert_eq!(it.app.count("SELECT count(*) FROM pool_run"), 0);
    assert_eq!(it.available(), [92_500; 3]);

    // A part of the costs now, and the rest later: the last one is divided in two.
    let first = it.run(&pool, &json!({"amount": eur(4_000)})).expect(201).unwrap();
    assert_eq!(it.parts(&first), [1_334, 1_333, 1_333]);
    let rest = it.run(&pool, &json!({})).expect(201).unwrap();
    assert_eq!((&rest["amount"], &rest["costs"][0]["amount"]), (&eur(6_000), &eur(6_000)));
}

#[test]
fn an_activity_without_money_owes_its_part_and_a_reversal_forgives_it() {
    let it = three([100_000, 1_000, 0]);
    let before = it.available();
    assert_eq!(before, [92_500, 925, 0]);
    let pool = it.pool(&json!({}), &whole("equal"), &json!([]));
    it.join_all(&pool);
    it.cost(&pool, "F-1", (9_000, 0, 0));
    let run = it.run(&pool, &json!({})).expect(201).unwrap();
    assert_eq!(run["arrears"], eur(2_075 + 3_000));
    assert_eq!(it.available(), [89_500, 0, 0]);
    assert_eq!((booked(&it.app, "activity_arrears"), booked(&it.app, "pool_recovery")), (5_075, -9_000));
    let path = format!("/v1/pool_runs/{}/reverse", run["id"].as_str().unwrap());
    it.second.change(&path, 1, &json!({"reason": "Twice invoiced"})).unwrap().expect(200).unwrap();
    assert_eq!(it.available(), before);
    assert_eq!((booked(&it.app, "activity_arrears"), booked(&it.app, "pool_recovery")), (0, 0));
}

#[test]
fn instalments_within_the_budget_are_covered_by_costs_and_the_rest_is_given_back() {
    let it = three([100_000; 3]);
    let pool = it.pool(&json!({"instalments": true, "budget": eur(10_000)}), &whole("equal"), &json!([]));
    it.join_all(&pool);
    let instalment = |amount: i64, from: &str, to: &str| {
        it.run(&pool, &json!({"kind": "instalment", "amount": eur(amount), "from_on": from, "to_on": to}))
    };
    assert_eq!(instalment(10_001, "2026-05-01", "2026-05-31").code(), "pool_budget_exceeded");
    let first = instalment(5_000, "2026-05-01", "2026-05-31").expect(201).unwrap();
    assert_eq!(it.parts(&first), [1_667, 1_667, 1_666]);
    assert_eq!(code(&instalment(1_000, "2026-05-31", "2026-06-30")), (409, "pool_period_booked".to_owned()));
    instalment(5_000, "2026-06-01", "2026-06-30").expect(201).unwrap();
    assert_eq!(instalment(1, "2026-07-01", "2026-07-31").code(), "pool_budget_exceeded");
    it.cost(&pool, "F-1", (7_000, 0, 0));
    assert_eq!(it.run(&pool, &json!({})).code(), "pool_nothing_to_divide", "the instalments cover it");
    let account = it.reviewer().get(&format!("/v1/pools/{pool}/account")).unwrap().json();
    assert_eq!(
        (&account["spent"], &account["collected"], &account["balance"]),
        (&eur(7_000), &eur(10_000), &eur(3_000))
    );

    let place = format!("/v1/pools/{pool}");
    let version = || it.reviewer().get(&place).unwrap().json()["version"].as_i64().unwrap();
    assert_eq!(
        it.reviewer().change(&format!("{place}/close"), version(), &json!({})).unwrap().code(),
        "state_conflict"
    );
    it.reviewer().change(&format!("{place}/start_closing"), version(), &json!({})).unwrap().expect(200).unwrap();
    let cost = super::costs::cost_body(it.reviewer(), &json!({"pool_id": pool}), "F-2", (1, 0, 0));
    assert_eq!(it.reviewer().post("/v1/costs", &cost).unwrap().code(), "pool_not_open");
    let closed = it.reviewer().change(&format!("{place}/close"), version(), &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(closed["state"], "closed");
    // 30.00 back by what each bore: 33.34, 33.33, 33.33 of 100.00.
    assert_eq!(it.available().iter().sum::<i64>(), 3 * 92_500 - 7_000);
    assert_eq!(booked(&it.app, "pool_recovery"), -7_000);
    let runs = it.reviewer().get(&format!("{place}/runs")).unwrap().json();
    let refund = runs["data"].as_array().unwrap().iter().find(|run| run["kind"] == "refund").unwrap();
    assert_eq!(refund["amount"], eur(-3_000));
    assert_eq!(it.app.count("SELECT sum(amount_minor) FROM pool_run_cost"), 7_000);
}

#[test]
fn a_deficit_is_charged_before_a_pool_closes_or_borne_by_the_mutual() {
    let it = three([100_000; 3]);
    let close = |pool: &str| {
        let place = format!("/v1/pools/{pool}");
        let version = || it.reviewer().get(&place).unwrap().json()["version"].as_i64().unwrap();
        let _begun = it.reviewer().change(&format!("{place}/start_closing"), version(), &json!({})).unwrap();
        it.reviewer().change(&format!("{place}/close"), version(), &json!({})).unwrap()
    };
    let charged = it.pool(&json!({}), &whole("equal"), &json!([]));
    it.join_all(&charged);
    it.cost(&charged, "F-1", (300, 0, 0));
    assert_eq!(code(&close(&charged)), (409, "pool_deficit_open".to_owned()));
    it.run(&charged, &json!({})).expect(201).unwrap();
    close(&charged).expect(200).unwrap();
    assert_eq!(it.run(&charged, &json!({})).code(), "pool_not_open");

    let borne = it.pool(&json!({"deficit": "mutual_bears"}), &whole("equal"), &json!([]));
    it.join_all(&borne);
    it.cost(&borne, "F-2", (500, 0, 0));
    let waiting = super::costs::cost_body(it.reviewer(), &json!({"pool_id": borne}), "F-3", (1, 0, 0));
    it.reviewer().post("/v1/costs", &waiting).unwrap().expect(201).unwrap();
    assert_eq!(close(&borne).code(), "pool_has_open_costs");
    let path = format!("/v1/costs/{}/reject", waiting["id"].as_str().unwrap());
    it.second.change(&path, 1, &json!({"reason": "Too late"})).unwrap().expect(200).unwrap();
    close(&borne).expect(200).unwrap();
    assert_eq!(it.available(), [92_400; 3]);
    assert_eq!((booked(&it.app, "pool_cost"), booked(&it.app, "pool_recovery")), (800, -300));
}

#[cfg(feature = "faults")]
mod together {
    use super::*;
    use crate::concurrency::at_once;

    #[test]
    fn eight_runs_at_once_divide_the_costs_exactly_once() {
        let it = three([100_000; 3]);
        let pool = it.pool(&json!({}), &whole("equal"), &json!([]));
        it.join_all(&pool);
        for n in 0..5 {
            it.cost(&pool, &format!("F-{n}"), (2_000, 0, 0));
        }
        let answers = at_once(8, |_| it.run(&pool, &json!({})));
        let done = answers.iter().filter(|answer| answer.status == 201).count();
        let refused = answers.iter().filter(|answer| answer.code() == "pool_nothing_to_divide").count();
        assert_eq!((done, refused), (1, 7), "{:?}", answers.iter().map(code).collect::<Vec<_>>());
        assert_eq!(booked(&it.app, "pool_recovery"), -10_000);
    }

    #[test]
    fn without_the_row_lock_postgresql_still_divides_each_cost_once() {
        let it = super::super::pools::three_with(
            [100_000; 3],
            umbel::platform::faults::Faults::without([umbel::platform::faults::Guard::RowLock]),
        );
        let pool = it.pool(&json!({}), &whole("equal"), &json!([]));
        it.join_all(&pool);
        it.cost(&pool, "F-1", (10_000, 0, 0));
        let answers = at_once(8, |_| it.run(&pool, &json!({})));
        assert_eq!(
            answers.iter().filter(|answer| answer.status == 201).count(),
            1,
            "{:?}",
            answers.iter().map(code).collect::<Vec<_>>()
        );
        assert_eq!(booked(&it.app, "pool_recovery"), -10_000);
    }

    /// Sixteen hands: runs and their reversals beside payouts of the same activities.
    #[test]
    fn runs_beside_payouts_on_the_same_activities_leave_no_balance_below_its_floor() {
        let it = three([100_000; 3]);
        let pools: Vec<String> = (0..8)
            .map(|n| {
                let pool = it.pool(&json!({}), &whole("equal"), &json!([]));
                it.join_all(&pool);
                it.cost(&pool, &format!("F-{n}"), (30_000, 0, 0));
                pool
            })
            .collect();
        let answers = at_once(16, |index| {
            if index % 2 == 0 {
                return vec![it.run(&pools[index / 2], &json!({}))];
            }
            let member: &MemberCast = &it.members[index / 2 % 3];
            (0..8)
                .map(|_| {
                    let body =
                        json!({"id": member.client.new_id(), "activity_id": member.activity_id, "amount": eur(5_000)});
                    member.client.post("/v1/payouts", &body).unwrap()
                })
                .collect()
        });
        for answer in answers.iter().flatten() {
            let is_fine = answer.status == 201 || answer.code() == "insufficient_available";
            assert!(is_fine, "{:?}", code(answer));
        }
        for member in &it.members {
            assert!(available(&it.app, &member.activity_id) >= 0);
        }
        assert_eq!(it.app.count("SELECT count(*) FROM pool_run"), 8);
        assert_eq!(booked(&it.app, "pool_recovery"), -8 * 30_000);
        let owed = booked(&it.app, "activity_arrears");
        let reserved = it.app.count("SELECT sum(reserved_minor) FROM activity_balance");
        assert_eq!(it.available().iter().sum::<i64>(), 3 * 92_500 - 240_000 + owed - reserved, "no cent is lost");
    }
}
