//! Work that takes longer than a request: watched, given up, taken up again by another worker.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::Duration;
use serde_json::{Value, json};
use umbel::demo::{Cast, Client};

use super::support::TestApp;

/// A dry run is the work at hand. Answers the place of its job.
fn ask(administrator: &Client, cast: &Cast) -> String {
    let money = |amount_minor: i64| json!({"amount_minor": amount_minor, "currency": "EUR"});
    let proposal = administrator.new_id();
    let body = json!({
        "id": proposal, "entity_id": cast.entity_id, "title": "Other levies",
        "rules": {"share_price": money(3_000), "payment_terms_days": 30, "advance_working_days": 7,
                  "client_limit": money(0), "levies": [{"kind": "fee", "rate": "0.1"}]},
    });
    administrator.post("/v1/proposals", &body).unwrap().expect(201).unwrap();
    let run = json!({"id": administrator.new_id(), "from": "2026-01", "to": "2026-04"});
    let job = administrator.post(&format!("/v1/proposals/{proposal}/dry_runs"), &run).unwrap().expect(202).unwrap();
    format!("/v1/jobs/{}", job["id"].as_str().unwrap())
}

fn show(client: &Client, place: &str) -> Value {
    client.get(place).unwrap().expect(200).unwrap()
}

#[test]
fn a_job_tells_how_far_it_is_and_what_came_of_it() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let administrator = &cast.staff.administrator;
    let place = ask(administrator, &cast);
    let queued = show(administrator, &place);
    assert_eq!(
        (queued["state"].as_str(), queued["done_count"].as_i64(), &queued["result"]),
        (Some("queued"), Some(0), &Value::Null)
    );
    app.stage.settle().unwrap();
    let done = show(administrator, &place);
    assert_eq!((done["state"].as_str(), &done["error"]), (Some("done"), &Value::Null));
    assert!(done["result"]["sha256"].is_string() && done["finished_at"].is_string(), "{done}");
    assert_eq!(done["version"], 3, "queued, running, done: progress is no version");
    // The office sees it, a member does not.
    assert_eq!(show(&cast.staff.reviewer, &place)["state"], "done");
    assert_eq!(member.client.get(&place).unwrap().status, 404);
    assert_eq!(member.client.get("/v1/jobs").unwrap().json()["data"], json!([]));
    let listed = cast.staff.accountant.get("/v1/jobs?state=done&limit=1").unwrap().expect(200).unwrap();
    assert_eq!(listed["data"][0]["id"], done["id"]);
    // What is over is not given up.
    let late = administrator.change(&format!("{place}/cancel"), 3, &json!({})).unwrap();
    assert_eq!((late.status, late.code().as_str()), (409, "state_conflict"));
    assert_eq!(member.client.change(&format!("{place}/cancel"), 3, &json!({})).unwrap().status, 404);
}

#[test]
fn a_job_that_is_no_longer_wanted_is_not_done() {
    let app = TestApp::start();
    let (cast, _) = app.with_member();
    let administrator = &cast.staff.administrator;
    let place = ask(administrator, &cast);
    let stale = administrator.change(&format!("{place}/cancel"), 7, &json!({})).unwrap();
    assert_eq!((stale.status, stale.json()["current"]["state"].as_str()), (412, Some("queued")));
    let cancelled = administrator.change(&format!("{place}/cancel"), 1, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(cancelled["state"], "cancelled");
    app.stage.settle().unwrap();
    assert_eq!(show(administrator, &place), cancelled);
    assert_eq!(app.count("SELECT count(*) FROM outbox WHERE state <> 'done'"), 0, "the worker has let go of it");
    // Also one that a worker has begun: it stops before its next step.
    let place = ask(administrator, &cast);
    let steps = Cell::new(0);
    let after_one = || steps.replace(steps.get() + 1) > 0;
    assert!(!app.stage.worker.run_one_long(&after_one).unwrap());
    let running = show(administrator, &place);
    assert_eq!(running["state"], "running");
    administrator.change(&format!("{place}/cancel"), 2, &json!({})).unwrap().expect(200).unwrap();
    app.stage.settle().unwrap();
    assert_eq!(show(administrator, &place)["state"], "cancelled");
    assert_eq!(app.count("SELECT count(*) FROM dry_run WHERE finished_at IS NOT NULL"), 0);
}

#[test]
fn the_job_of_a_worker_that_dies_is_taken_up_where_it_was() {
    let app = TestApp::start();
    let (cast, _) = app.with_member();
    let administrator = &cast.staff.administrator;
    let undisturbed = ask(administrator, &cast);
    app.stage.settle().unwrap();
    let expected = show(administrator, &undisturbed)["result"]["sha256"].clone();
    let place = ask(administrator, &cast);
    // It does one step and dies: nothing is confirmed, nothing given back.
    let steps = Cell::new(0);
    let dies = || {
        assert!(steps.replace(steps.get() + 1) == 0, "the worker dies here");
        false
    };
    catch_unwind(AssertUnwindSafe(|| app.stage.worker.run_one_long(&dies))).unwrap_err();
    assert_eq!(show(administrator, &place)["state"], "running");
    app.stage.settle().unwrap();
    assert_eq!(show(administrator, &place)["state"], "running", "its lease is not over");
    app.stage.clock.advance(Duration::minutes(4));
    app.stage.settle().unwrap();
    let done = show(administrator, &place);
    assert_eq!((done["state"].as_str(), &done["result"]["sha256"]), (Some("done"), &expected));
    assert_eq!(app.count("SELECT attempts FROM outbox ORDER BY id DESC LIMIT 1"), 2);
}

#[test]
fn a_job_that_kills_whoever_takes_it_up_is_given_up() {
    let app = TestApp::start();
    let (cast, _) = app.with_member();
    let administrator = &cast.staff.administrator;
    let place = ask(administrator, &cast);
    for _ in 0..6 {
        let dies = || panic!("the worker dies here");
        catch_unwind(AssertUnwindSafe(|| app.stage.worker.run_one_long(&dies))).unwrap_err();
        app.stage.clock.advance(Duration::minutes(4));
    }
    let administrator = app.stage.visitor().sign_in(super::support::ADMIN.0, super::support::ADMIN.1).unwrap();
    assert_eq!(show(&administrator, &place)["state"], "running");
    app.stage.settle().unwrap();
    let failed = show(&administrator, &place);
    assert_eq!((failed["state"].as_str(), failed["error"].as_str()), (Some("failed"), Some("internal")));
    assert_eq!(app.count("SELECT count(*) FROM outbox WHERE state <> 'done'"), 0);
}

#[test]
fn no_mail_waits_for_long_work() {
    let app = TestApp::start();
    let (cast, _) = app.with_member();
    let place = ask(&cast.staff.administrator, &cast);
    // The thread for what is done in moments does not even see it.
    assert!(!app.stage.worker.run_one().unwrap());
    assert_eq!(show(&cast.staff.administrator, &place)["state"], "queued");
    assert!(app.stage.worker.run_one_long(&|| false).unwrap());
    assert_eq!(show(&cast.staff.administrator, &place)["state"], "done");
}
