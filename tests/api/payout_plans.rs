//! Payout plans through the door: which days they pay, once each, and what they say when they do not.

use chrono::{Datelike, Days, Duration, NaiveDate, TimeZone, Utc};
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, MemberCast};
use umbel::kernel::ids::EntityId;
use umbel::kernel::money::Minor;

use super::ground;
use super::levies::{minor, money};
use super::support::{ADMIN, TestApp};
use super::world::text;

/// A plan for the activity of a member.
fn plan(member: &MemberCast, terms: &Value) -> Answer {
    let body = json!({"id": member.client.new_id(), "activity_id": member.activity_id, "terms": terms});
    member.client.post("/v1/payout_plans", &body).unwrap()
}

fn preview(member: &MemberCast, terms: &Value) -> Answer {
    member.client.post(&format!("/v1/activities/{}/payout_plan/preview", member.activity_id), terms).unwrap()
}

fn runs(member: &MemberCast, id: &str) -> Vec<(String, String, String)> {
    let path = format!("/v1/payout_plans/{id}/runs?limit=200");
    let rows = member.client.get(&path).unwrap().expect(200).unwrap();
    let part = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.as_array().unwrap().iter().map(|r| (part(r, "logical_on"), part(r, "value_on"), part(r, "outcome"))).collect()
}

/// An activity with this much to spend, because a client paid.
fn funded(app: &TestApp, cast: &mut Cast, member: &MemberCast, cents: i64) {
    let submitted = app.stage.submitted_invoice(member, None, cents).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(cast).unwrap();
}

fn again(app: &TestApp, member: MemberCast) -> MemberCast {
    MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member }
}

fn get(member: &MemberCast, path: &str) -> Value {
    member.client.get(path).unwrap().expect(200).unwrap()
}

fn available(member: &MemberCast) -> i64 {
    minor(&get(member, &format!("/v1/activities/{}", member.activity_id)), "/available")
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Moves the clock to an hour of a day in Brussels, and lets the worker do its work.
fn at(app: &TestApp, date: NaiveDate, hour: u32) {
    let local = chrono_tz::Europe::Brussels.from_local_datetime(&date.and_hms_opt(hour, 0, 0).unwrap()).unwrap();
    app.stage.clock.set(local.with_timezone(&Utc));
    app.stage.settle().unwrap();
}

#[test]
fn a_month_end_pays_what_is_there_and_says_when_there_is_nothing() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    funded(&app, &mut cast, &member, 100_000);
    let there = available(&member);
    assert!(there > 0);
    let terms = json!({"kind": "month_end", "on_closed": "before", "minimum": money(5_000)});
    let seen = preview(&member, &terms).expect(200).unwrap();
    let dates = seen["dates"].as_array().unwrap();
    assert_eq!(dates.len(), 12);
    // 31 May 2026 is a Sunday: the money leaves on Friday the 29th.
    assert_eq!(
        (dates[0]["logical_on"].as_str(), dates[0]["value_on"].as_str()),
        (Some("2026-05-31"), Some("2026-05-29"))
    );
    assert_eq!((minor(&dates[0], "/amount"), &dates[0]["skipped"]), (there, &Value::Null));
    assert_eq!((minor(&dates[1], "/amount"), dates[1]["skipped"].as_str()), (0, Some("nothing_available")));
    let made = plan(&member, &terms).expect(201).unwrap();
    let id = text(&made, "id");
    assert_eq!((made["next_on"].as_str(), made["state"].as_str()), (Some("2026-05-31"), Some("active")));
    at(&app, day("2026-05-28"), 12);
    assert_eq!(app.count("SELECT count(*) FROM payout_plan_run"), 0, "its moment has not come");
    at(&app, day("2026-05-29"), 1);
    let member = again(&app, member);
    assert_eq!(runs(&member, &id), [("2026-05-31".to_owned(), "2026-05-29".to_owned(), "paid".to_owned())]);
    let run = &get(&member, &format!("/v1/payout_plans/{id}/runs"))[0];
    let payout = get(&member, &format!("/v1/payouts/{}", text(run, "payout_id")));
    assert_eq!((minor(&payout, "/amount"), payout["state"].as_str()), (there, Some("requested")));
    assert_eq!(available(&member), 0);
    let mail = app.stage.mail_to(&member.email, "plan").unwrap();
    assert!(mail.contains("29"), "{mail}");
    // June and July: nothing there. The first is told, the second is in the list.
    at(&app, day("2026-06-30"), 9);
    at(&app, day("2026-07-31"), 9);
    let member = again(&app, member);
    let outcomes: Vec<_> = runs(&member, &id).into_iter().map(|(_, _, outcome)| outcome).collect();
    assert_eq!(outcomes, ["nothing_available", "nothing_available", "paid"]);
    let letters = "SELECT count(*) FROM outbox WHERE dedup_key LIKE '%plan_pays_nothing%'";
    assert_eq!(app.count(letters), 1);
    // The payout leaves like any other.
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    let sealed = app.stage.sealed_batch(&cast, &payout).unwrap();
    app.stage.release(&cast.staff.approver, &sealed).unwrap();
}

/// The logical dates of a kind in a time, by their own rule.
fn logical(kind: &str, count: u32, from: NaiveDate, until: NaiveDate) -> Vec<NaiveDate> {
    let days = from.iter_days().take_while(|date| *date <= until);
    let is_date = |date: &NaiveDate| {
        let is_last = date.succ_opt().unwrap().day() == 1;
        match kind {
            "weekly" => date.weekday().number_from_monday() == count,
            "monthly" => date.day() == count || (is_last && date.day() < count),
            "tenth_of_next_month" => date.day() == 10,
            _ => is_last,
        }
    };
    days.filter(is_date).collect()
}

#[test]
fn a_year_of_plans_pays_each_date_once_also_with_two_workers_and_days_without_any() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    funded(&app, &mut cast, &member, 200_000);
    let entity = EntityId(cast.entity_id.parse().unwrap());
    // The cut-off lies in the hour that the clocks skip and repeat.
    let body = json!({"id": member.client.new_id(), "valid_from": app.stage.today(), "days_before": 1, "at": "02:30", "reason": "Bank"});
    let cut_offs = format!("/v1/entities/{}/payout_cut_offs", cast.entity_id);
    cast.staff.administrator.post(&cut_offs, &body).unwrap().expect(201).unwrap();
    // Through two nights in which clocks change, a year end and a leap day.
    let (from, until) = (day("2027-10-15"), day("2028-11-15"));
    let smoothing = json!({"amount": money(1_000), "floor": money(1_000), "horizon_days": 7});
    let kinds = [("weekly", Some(5)), ("monthly", Some(29)), ("tenth_of_next_month", None), ("month_end", None)];
    let mut plans = Vec::new();
    for (kind, count) in kinds {
        let of = if kind == "weekly" { member.clone() } else { super::levies::another_activity(&member) };
        let mut terms = json!({"kind": kind, "count": count, "on_closed": "after", "valid_from": from});
        if kind == "weekly" {
            terms["smoothing"] = smoothing.clone();
        }
        let made = plan(&of, &terms).expect(201).unwrap();
        plans.push((text(&made, "id"), kind, count.unwrap_or(0)));
    }
    let dates = from.pred_opt().unwrap().iter_days().take_while(|date| *date <= until + Days::new(7));
    for date in dates {
        // The program is away for three days over a Friday, a month end and a 29th.
        if (day("2028-04-27")..=day("2028-04-30")).contains(&date) {
            continue;
        }
        for minute in [0, 31, 91, 12 * 60] {
            let start = date.and_hms_opt(0, 0, 0).unwrap().and_utc() - Duration::hours(2);
            app.stage.clock.set(start + Duration::minutes(i64::from(minute) + 120));
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| app.stage.worker.clone().pay_out(entity).unwrap());
                }
            });
        }
    }
    for (id, kind, count) in &plans {
        let found = ground::lines(
            &mut app.database.owner(),
            &format!(
                "SELECT logical_on::text AS line FROM payout_plan_run WHERE plan_id = '{id}' AND logical_on <= '{until}' ORDER BY 1"
            ),
        );
        let expected: Vec<_> = logical(kind, *count, from, until).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{kind}");
    }
    let weekly = &plans[0].0;
    // Each date that was worked has one payout, and nothing but them was set aside.
    let paid =
        app.count(&format!("SELECT count(*) FROM payout_plan_run WHERE plan_id = '{weekly}' AND outcome = 'paid'"));
    assert!(paid > 50, "{paid}");
    assert_eq!(app.count("SELECT count(*) FROM payout"), paid);
    assert_eq!(app.count("SELECT count(DISTINCT payout_id) FROM payout_plan_run"), paid);
    assert_eq!(app.count("SELECT sum(reserved_minor) FROM activity_balance"), paid * 1_000);
    assert_eq!(app.count("SELECT count(*) FROM payout_plan_run WHERE extract(isodow FROM value_on) > 5"), 0);
    // No mail twice.
    let mails = "SELECT count(*) - count(DISTINCT dedup_key) FROM outbox WHERE dedup_key LIKE '%plan_pays%'";
    assert_eq!(app.count(mails), 0);
    assert_eq!(app.count("SELECT count(*) FROM outbox WHERE dedup_key LIKE '%plan_pays:%'"), paid);
    // Nor sent twice, when two send at the same time.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| app.stage.worker.clone().run_until_idle().unwrap());
        }
    });
    let mails = app.stage.mails.messages();
    let told = mails.iter().filter(|mail| umbel::demo::text_of(&mail.raw).contains("mis de côté aujourd")).count();
    assert_eq!(i64::try_from(told).unwrap(), paid);
}

#[test]
fn dates_that_were_missed_are_noted_and_made_up_once() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    funded(&app, &mut cast, &member, 100_000);
    let there = available(&member);
    let made = plan(&member, &json!({"kind": "weekly", "count": 3, "on_closed": "after"})).expect(201).unwrap();
    let id = text(&made, "id");
    // Nobody works for four weeks.
    at(&app, day("2026-06-05"), 9);
    let member = again(&app, member);
    let outcomes: Vec<_> = runs(&member, &id).into_iter().map(|(date, _, outcome)| (date, outcome)).collect();
    let expected = [
        ("2026-06-03", "paid"),
        ("2026-05-27", "missed"),
        ("2026-05-20", "missed"),
        ("2026-05-13", "missed"),
        ("2026-05-06", "missed"),
    ];
    assert_eq!(outcomes, expected.map(|(date, outcome)| (date.to_owned(), outcome.to_owned())));
    assert_eq!(app.count("SELECT count(*) FROM payout"), 1);
    assert_eq!(app.count("SELECT amount_minor FROM payout"), there);
    // Pausing passes over dates, and resuming takes up the next one.
    let path = format!("/v1/payout_plans/{id}");
    let version = |seen: &Value| seen["version"].as_i64().unwrap();
    let seen = get(&member, &path);
    let paused =
        member.client.change(&format!("{path}/pause"), version(&seen), &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(paused["state"], "paused");
    let refused = member.client.change(&format!("{path}/pause"), version(&paused), &json!({})).unwrap();
    assert_eq!(refused.code(), "state_conflict");
    at(&app, day("2026-06-19"), 9);
    let member = again(&app, member);
    let resumed = member.client.change(&format!("{path}/resume"), version(&get(&member, &path)), &json!({}));
    let resumed = resumed.unwrap().expect(200).unwrap();
    assert_eq!((resumed["state"].as_str(), resumed["next_on"].as_str()), (Some("active"), Some("2026-06-24")));
    assert_eq!(runs(&member, &id).len(), 5);
    // Another plan from tomorrow on: the next date is its first.
    let terms = json!({"kind": "monthly", "count": 22, "on_closed": "before"});
    let changed =
        member.client.change(&format!("{path}/change"), version(&resumed), &terms).unwrap().expect(200).unwrap();
    assert_eq!((changed["next_on"].as_str(), changed["versions"].as_array().unwrap().len()), (Some("2026-06-22"), 2));
    let terms = json!({"kind": "on_demand", "on_closed": "before", "valid_from": "2026-07-01"});
    let changed =
        member.client.change(&format!("{path}/change"), version(&changed), &terms).unwrap().expect(200).unwrap();
    at(&app, day("2026-08-25"), 9);
    let member = again(&app, member);
    assert_eq!(runs(&member, &id)[0].0, "2026-06-22");
    assert_eq!(
        (get(&member, &path)["next_on"].clone(), changed["versions"][2]["kind"].as_str()),
        (Value::Null, Some("on_demand"))
    );
}

#[test]
fn after_work_pays_so_many_working_days_later_and_late_money_on_the_next_open_day() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let made = plan(&member, &json!({"kind": "after_work", "count": 3, "on_closed": "after"})).expect(201).unwrap();
    let id = text(&made, "id");
    // Work ends today, Monday 4 May; the client pays on the 15th.
    let submitted = app.stage.submitted_invoice(&member, None, 100_000).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    at(&app, day("2026-05-07"), 9);
    let member = again(&app, member);
    assert_eq!(
        runs(&member, &id),
        [("2026-05-07".to_owned(), "2026-05-07".to_owned(), "nothing_available".to_owned())]
    );
    at(&app, day("2026-05-08"), 9);
    at(&app, day("2026-05-16"), 9);
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let member = again(&app, member);
    assert_eq!(runs(&member, &id).len(), 1, "a Saturday");
    at(&app, day("2026-05-18"), 9);
    at(&app, day("2026-05-19"), 9);
    let member = again(&app, member);
    let found = runs(&member, &id);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], ("2026-05-18".to_owned(), "2026-05-18".to_owned(), "paid".to_owned()));
}

#[test]
fn a_smoothed_pay_stays_the_same_while_orders_and_money_last() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    funded(&app, &mut cast, &member, 500_000);
    let there = available(&member);
    let smoothing = json!({"amount": money(200_000), "floor": money(100_000), "horizon_days": 60});
    let terms = json!({"kind": "month_end", "on_closed": "before", "smoothing": smoothing});
    let seen = preview(&member, &terms).expect(200).unwrap();
    let amounts = |seen: &Value| -> Vec<i64> {
        seen["dates"].as_array().unwrap().iter().map(|date| minor(date, "/amount")).collect()
    };
    let alone = amounts(&seen);
    // Two dates lie in the horizon of the first one.
    assert_eq!(alone[0], 200_000.min(there / 2));
    assert!(alone.iter().all(|amount| *amount == 0 || (100_000..=200_000).contains(amount)), "{alone:?}");
    assert!(
        seen["dates"]
            .as_array()
            .unwrap()
            .iter()
            .any(|date| date["skipped"] == "below_floor" || date["skipped"] == "nothing_available")
    );
    // A confirmed order is money to come.
    app.stage.confirmed_order(&member, 1_000_000).unwrap();
    let more = amounts(&preview(&member, &terms).expect(200).unwrap());
    assert!(more.iter().sum::<i64>() > alone.iter().sum::<i64>(), "{more:?}");
    assert_eq!(more[0], 200_000);
    plan(&member, &terms).expect(201).unwrap();
    at(&app, day("2026-05-29"), 9);
    assert_eq!(app.count("SELECT amount_minor FROM payout"), 200_000);
}

#[test]
fn what_is_no_plan_is_refused_by_its_field() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    let foreign = json!({"amount_minor": 100, "currency": "USD"});
    let smooth = |amount: i64, floor: i64, days: i64| json!({"amount": money(amount), "floor": money(floor), "horizon_days": days});
    for (more, pointer) in [
        (json!({"kind": "weekly"}), "/count"),
        (json!({"kind": "weekly", "count": 8}), "/count"),
        (json!({"kind": "weekly", "count": 0}), "/count"),
        (json!({"kind": "monthly", "count": 32}), "/count"),
        (json!({"kind": "monthly", "count": -1}), "/count"),
        (json!({"kind": "month_end", "count": 3}), "/count"),
        (json!({"kind": "after_work", "count": 61}), "/count"),
        (json!({"minimum": money(-1)}), "/minimum/amount_minor"),
        (json!({"minimum": foreign}), "/minimum/currency"),
        (json!({"smoothing": smooth(0, 0, 30)}), "/smoothing/amount/amount_minor"),
        (json!({"smoothing": smooth(100, 200, 30)}), "/smoothing/floor/amount_minor"),
        (json!({"smoothing": smooth(100, 50, 6)}), "/smoothing/horizon_days"),
        (json!({"kind": "on_demand", "smoothing": smooth(100, 50, 30)}), "/smoothing"),
        (json!({"valid_from": "2026-05-03"}), "/valid_from"),
        (json!({"valid_from": "2999-01-01"}), "/valid_from"),
        (json!({"kind": "sometimes"}), ""),
        (json!({"on_closed": "never"}), ""),
        (json!({"surprise": 1}), ""),
    ] {
        let mut terms = json!({"kind": "month_end", "on_closed": "after"});
        terms.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        for answer in [plan(&member, &terms), preview(&member, &terms)] {
            assert!((400..500).contains(&answer.status), "{more}: {}", answer.status);
            let found = answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
            assert!(pointer.is_empty() || found == pointer, "{more}: {}", answer.json());
        }
    }
    assert_eq!(app.count("SELECT count(*) FROM payout_plan"), 0);
    let terms = json!({"kind": "month_end", "on_closed": "after"});
    let foreign = MemberCast { activity_id: member.activity_id.clone(), ..other.clone() };
    assert_eq!((plan(&foreign, &terms).status, preview(&foreign, &terms).status), (404, 404));
    let made = plan(&member, &terms).expect(201).unwrap();
    assert_eq!(plan(&member, &terms).code(), "not_unique");
    let path = format!("/v1/payout_plans/{}", text(&made, "id"));
    let version = made["version"].as_i64().unwrap();
    assert_eq!(other.client.get(&path).unwrap().status, 404);
    let today = json!({"kind": "month_end", "on_closed": "after", "valid_from": app.stage.today()});
    let refused = member.client.change(&format!("{path}/change"), version, &today).unwrap();
    assert_eq!((refused.status, refused.json()["errors"][0]["pointer"].as_str()), (422, Some("/valid_from")));
    let stale = member.client.change(&format!("{path}/change"), version - 1, &terms).unwrap();
    assert_eq!(stale.status, 412);
    let cut_offs = format!("/v1/entities/{}/payout_cut_offs", cast.entity_id);
    for (more, pointer) in [
        (json!({"days_before": 11}), "/days_before"),
        (json!({"at": "25:00"}), "/at"),
        (json!({"at": "noon"}), "/at"),
        (json!({"valid_from": "2026-05-03"}), "/valid_from"),
        (json!({"reason": ""}), "/reason"),
    ] {
        let mut body = json!({"id": member.client.new_id(), "valid_from": "2026-06-01", "days_before": 1, "at": "14:00", "reason": "Bank"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = cast.staff.administrator.post(&cut_offs, &body).unwrap();
        assert_eq!((answer.status, answer.json()["errors"][0]["pointer"].as_str()), (422, Some(pointer)), "{more}");
    }
    assert_eq!(app.count("SELECT count(*) FROM payout_cut_off"), 0);
}

#[test]
fn a_plan_that_cannot_pay_says_why_once_and_rests_when_its_activity_is_closed() {
    let app = TestApp::start();
    let (_cast, member) = app.with_member();
    let made = plan(&member, &json!({"kind": "weekly", "count": 5, "on_closed": "before"})).expect(201).unwrap();
    let activity = get(&member, &format!("/v1/activities/{}", member.activity_id));
    let close = format!("/v1/activities/{}/close", member.activity_id);
    let version = activity["version"].as_i64().unwrap();
    member.client.change(&close, version, &json!({})).unwrap().expect(200).unwrap();
    at(&app, day("2026-05-08"), 9);
    let member = again(&app, member);
    let seen = get(&member, &format!("/v1/payout_plans/{}", text(&made, "id")));
    assert_eq!(seen["state"], "paused");
    let run = &get(&member, &format!("/v1/payout_plans/{}/runs", text(&made, "id")))[0];
    assert_eq!((run["outcome"].as_str(), run["refused_by"].as_str()), (Some("refused"), Some("activity_closed")));
    app.stage.mail_to(&member.email, "activit").unwrap();
}
