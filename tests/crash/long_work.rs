//! Work over many activities, killed in the middle: jobs, runs of a pool, the end of a year.

use std::thread;
use std::time::{Duration, Instant};

use chrono::{Datelike, NaiveDate};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::{Value, json};
use umbel::demo::Client;

use super::house::{House, IDLE, QUIET, Start};
use super::wish::{Wish, id_of};
use super::{ONE_AT_A_TIME, PATIENCE, Retry, Tally, kill_in_requests, kills, print_head};

/// Activities with an invoice, and those that lie between them: more than four steps of a dry run.
const WITH_INVOICE: usize = 24;
const BETWEEN: usize = 45;
/// Lives that a job is made to cost here; it is given up after six.
const LIVES: usize = 4;

fn eur(cents: i64) -> Value {
    json!({"amount_minor": cents, "currency": "EUR"})
}

/// Many activities of the member, each of a few with an invoice. They are opened by SQL around those that are opened
/// through the door, so that every step of a job finds some of both.
fn fill(house: &mut House) {
    let own = house.member.activity_id.clone();
    let mut owner = PgConnection::establish(&house.owner_url).unwrap();
    for n in 0..WITH_INVOICE {
        let id = house.member.client.new_id();
        house.member.client.post("/v1/activities", &json!({"id": id, "name": "Plates"})).unwrap().expect(201).unwrap();
        owner
            .batch_execute(&format!(
                "INSERT INTO activity (id, entity_id, member_id, name) \
                 SELECT (left('{id}', 15) || substr(r, 1, 3) || '-8' || substr(r, 4, 3) || '-' || substr(r, 7, 12))::uuid, \
                        entity_id, member_id, 'Prints' \
                 FROM activity, generate_series(1, {BETWEEN}) n, md5(n || id::text || '{n}') r WHERE id = '{own}'"
            ))
            .unwrap();
        house.member.activity_id = id;
        let submitted = house.draft(None, 10_000 + i64::try_from(n).unwrap());
        house.stage.issue(&house.cast.staff.reviewer, &submitted).unwrap();
    }
    owner
        .batch_execute(
            "INSERT INTO activity_balance (activity_id, owner_id, currency) SELECT a.id, a.member_id, 'EUR' FROM activity a \
             WHERE NOT EXISTS (SELECT FROM activity_balance b WHERE b.activity_id = a.id)",
        )
        .unwrap();
    house.member.activity_id = own;
}

/// Proposed rules, and the month to try them on.
struct Trial {
    proposal: String,
    month: String,
}

impl Trial {
    fn of(house: &House, month: NaiveDate) -> Self {
        let administrator = &house.cast.staff.administrator;
        let proposal = administrator.new_id();
        let body = json!({
            "id": proposal, "entity_id": house.cast.entity_id, "title": "Other levies",
            "rules": {"share_price": eur(3_000), "payment_terms_days": 30, "advance_working_days": 7,
                      "client_limit": eur(0), "levies": [{"kind": "fee", "rate": "0.1"}]},
        });
        administrator.post("/v1/proposals", &body).unwrap().expect(201).unwrap();
        Self { proposal, month: month.format("%Y-%m").to_string() }
    }

    /// Asks for a dry run. Answers its job.
    fn ask(&self, administrator: &Client) -> String {
        let run = json!({"id": administrator.new_id(), "from": self.month, "to": self.month});
        let path = format!("/v1/proposals/{}/dry_runs", self.proposal);
        id_of(&administrator.post(&path, &run).unwrap().expect(202).unwrap()).to_owned()
    }
}

/// A job as it stands after a kill: how far it says it is, and how far what it wrote is.
fn progress(house: &House, job: &str) -> i64 {
    let done = house.count(&format!("SELECT done_count FROM job_progress WHERE job_id = '{job}'"));
    let written = format!(
        "SELECT coalesce(sum(e.invoice_count), 0) FROM dry_run r LEFT JOIN dry_run_effect e ON e.dry_run_id = r.id \
         WHERE r.job_id = '{job}'"
    );
    assert_eq!(house.count(&written), done, "a step is there whole, with its progress, or not at all");
    done
}

/// Watches a job until it is over; it never goes backwards from `seen`.
fn watch(house: &House, job: &str, mut seen: i64) -> Value {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let view = house.cast.staff.administrator.get(&format!("/v1/jobs/{job}")).unwrap().expect(200).unwrap();
        let done = view["done_count"].as_i64().unwrap();
        assert!(done >= seen, "from {seen} back to {done}");
        seen = done;
        if !matches!(view["state"].as_str(), Some("queued" | "running")) {
            return view;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("the job {job} is never over");
}

fn times_over(house: &House, job: &str) -> i64 {
    house.count(&format!(
        "SELECT count(*) FROM state_history WHERE machine = 'job' AND subject_id = '{job}' \
         AND to_state IN ('done', 'failed', 'cancelled')"
    ))
}

/// Kills the program in some jobs, in each as often as it may survive. `kill_at` names a failpoint with its pass; without
/// one it dies at some moment.
fn kill_in_jobs(house: &mut House, trial: &Trial, expected: &Value, kill_at: Option<&str>) -> Tally {
    let mut tally = Tally::of(kill_at.map_or("job, at any moment", |point| point.split('@').next().unwrap()));
    for _ in 0..kills().div_ceil(LIVES) {
        assert!(house.restart(IDLE));
        house.sign_in();
        let job = trial.ask(&house.cast.staff.administrator);
        let mut seen = 0;
        for _ in 0..LIVES {
            // It may become ready for a moment before it dies.
            house.restart(Start { kill_at, has_worker: true });
            if kill_at.is_some() {
                house.wait_for_death();
            } else {
                let [wait] = house.stage.clock.random_bytes::<1>();
                thread::sleep(Duration::from_millis(u64::from(wait) / 2));
                house.kill();
            }
            tally.kills += 1;
            tally.retried += 1;
            let done = progress(house, &job);
            assert!(done >= seen, "from {seen} back to {done}");
            seen = done;
            if kill_at.is_some() {
                assert_eq!(
                    house.count(&format!("SELECT count(*) FROM job WHERE id = '{job}' AND state = 'running'")),
                    1
                );
                assert_eq!(times_over(house, &job), 0);
            }
        }
        assert!(house.restart(QUIET));
        house.sign_in();
        let over = watch(house, &job, seen);
        assert_eq!((&over["state"], &over["error"]), (&json!("done"), &Value::Null), "{over}");
        for figure in ["sha256", "invoice_count", "member_count"] {
            assert_eq!(over["result"][figure], expected["result"][figure], "{figure} as if nobody had been killed");
        }
        assert_eq!(progress(house, &job), expected["done_count"].as_i64().unwrap());
        tally.judge(times_over(house, &job));
    }
    tally
}

#[test]
fn a_long_job_goes_on_where_it_was_killed_or_says_that_it_failed() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut house = House::found();
    fill(&mut house);
    let month = house.stage.today();
    house.days_pass(32);
    assert!(house.restart(QUIET));
    house.sign_in();
    let trial = Trial::of(&house, month);
    let undisturbed = trial.ask(&house.cast.staff.administrator);
    let expected = watch(&house, &undisturbed, 0);
    assert_eq!((&expected["state"], &expected["done_count"]), (&json!("done"), &json!(WITH_INVOICE + 1)), "{expected}");

    print_head();
    for kill_at in [Some("job.step.before_commit@2"), Some("job.step.after_commit@1"), None] {
        let tally = kill_in_jobs(&mut house, &trial, &expected, kill_at);
        tally.print();
        assert_eq!((tally.lost, tally.doubled), (0, 0));
    }

    // One that kills whoever takes it up is given up in the end, and nothing of it is told.
    assert!(house.restart(IDLE));
    house.sign_in();
    let job = trial.ask(&house.cast.staff.administrator);
    for _ in 0..6 {
        house.restart(Start { kill_at: Some("job.step.before_commit@1"), has_worker: true });
        house.wait_for_death();
        assert_eq!(progress(&house, &job), 0);
    }
    assert!(house.restart(QUIET));
    house.sign_in();
    let over = watch(&house, &job, 0);
    assert_eq!((&over["state"], &over["error"], &over["result"]), (&json!("failed"), &json!("internal"), &Value::Null));
    let path = format!("/v1/proposals/{}/dry_runs/{}/effects", trial.proposal, over["subject_id"].as_str().unwrap());
    let untold = house.cast.staff.administrator.get(&path).unwrap();
    assert_eq!((untold.status, untold.code().as_str()), (409, "dry_run_unfinished"));
    assert_eq!(times_over(&house, &job), 1);
    house.assert_books();
}

/// A pool that all activities are in, with a cost that is never used up.
fn pool(house: &mut House) -> String {
    let (staff, today) = (house.cast.staff.clone(), house.stage.today());
    let second = house.stage.hire(&staff.administrator, "second@ombelle.example", "Sam Second", "reviewer").unwrap();
    let id = staff.reviewer.new_id();
    let body = json!({"id": id, "entity_id": house.cast.entity_id, "name": "Studio", "purpose": "A place to work",
                      "budget": eur(0), "overfunding": "refund", "deficit": "charge_next_run", "unit": "hours"});
    let proposed = staff.reviewer.post("/v1/pools", &body).unwrap().expect(201).unwrap();
    let decision = json!({"decision": "General assembly", "decided_on": today});
    let version = proposed["version"].as_i64().unwrap();
    staff.administrator.change(&format!("/v1/pools/{id}/open"), version, &decision).unwrap().expect(200).unwrap();
    let key = json!({"id": staff.reviewer.new_id(), "valid_from": today, "decision": "The same",
                     "parts": [{"basis": "equal", "share": "1"}], "shares": []});
    staff.reviewer.post(&format!("/v1/pools/{id}/keys"), &key).unwrap().expect(201).unwrap();
    let cost = json!({"id": staff.reviewer.new_id(), "pool_id": id, "supplier": "Imprimerie du Parc", "reference": "F-1",
                      "invoiced_on": today, "description": "Prints", "net": eur(1_000_000), "vat": eur(0),
                      "recoverable_vat": eur(0)});
    let cost = staff.reviewer.post("/v1/costs", &cost).unwrap().expect(201).unwrap();
    second.change(&format!("/v1/costs/{}/approve", id_of(&cost)), 1, &json!({})).unwrap().expect(200).unwrap();
    let join = format!(
        "INSERT INTO pool_membership (id, pool_id, activity_id, member_id, in_from, created_by) \
         SELECT gen_random_uuid(), p.id, a.id, a.member_id, '{today}', p.proposed_by FROM pool p, activity a"
    );
    PgConnection::establish(&house.owner_url).unwrap().batch_execute(&join).unwrap();
    id
}

fn wish_for_run(house: &mut House, pool: &str) -> Wish {
    house.cents += 1;
    let (client, today) = (house.cast.staff.reviewer.clone(), house.stage.today());
    let id = client.new_id();
    let body = json!({"id": id, "from_on": today, "to_on": today, "amount": eur(house.cents)});
    Wish {
        key: id.clone(),
        path: format!("/v1/pools/{pool}/runs"),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
        effect: format!(
            "SELECT count(*) FROM journal_entry WHERE event = 'pool_allocated' AND source_kind = 'pool_run' AND source_id = '{id}'"
        ),
        client,
    }
}

/// The same key is taken for the reversal of a run that stands.
fn wish_for_reversal(house: &mut House, pool: &str) -> Wish {
    let run = wish_for_run(house, pool).until_answered().expect(201).unwrap();
    let second = house.stage.sign_in("second@ombelle.example").unwrap();
    let effect = format!(
        "SELECT count(*) FROM journal_entry WHERE event = 'pool_allocation_reversed' AND source_id = '{}'",
        id_of(&run)
    );
    let path = format!("/v1/pool_runs/{}/reverse", id_of(&run));
    Wish::about(&second, &path, &run, &json!({"reason": "Divided too early"}), effect)
}

#[test]
fn a_run_over_a_thousand_activities_and_the_end_of_a_year_are_there_whole_or_not_at_all() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut house = House::found();
    fill(&mut house);
    let pool = pool(&mut house);
    print_head();
    for side in ["before_commit", "after_commit"] {
        let mut kill = |operation: &str, make: fn(&mut House, &str) -> Wish| {
            let point = format!("{operation}.{side}");
            let tally = kill_in_requests(&mut house, &point, Retry::SameKey, |house| make(house, &pool));
            tally.print();
            assert_eq!((tally.lost, tally.doubled), (0, 0));
        };
        kill("allocate_pool", wish_for_run);
        kill("reverse_pool_run", wish_for_reversal);
    }
    let halves = "SELECT count(*) FROM pool_run r WHERE r.amount_minor IS DISTINCT FROM \
        (SELECT sum(p.amount_minor) FROM pool_run_part p WHERE p.run_id = r.id)";
    assert_eq!(house.count(halves), 0, "parts are the whole");
    close_year(&mut house);
    house.assert_books();
}

/// The same request is killed on both sides of its commit, and then answered.
fn close_year(house: &mut House) {
    let today = house.stage.today();
    let january = NaiveDate::from_ymd_opt(today.year() + 1, 1, 1).unwrap();
    house.days_pass(january.signed_duration_since(today).num_days() + 5);
    assert!(house.restart(IDLE));
    house.sign_in();
    let client = house.cast.staff.administrator.clone();
    let wish = Wish {
        key: client.new_id(),
        path: format!("/v1/entities/{}/fiscal_years/{}/close", house.cast.entity_id, today.year()),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: b"{}".to_vec(),
        effect: "SELECT count(*) FROM journal_entry WHERE event = 'year_closed'".to_owned(),
        client,
    };
    for (kill_at, booked) in [("close_fiscal_year.before_commit@1", 0), ("close_fiscal_year.after_commit@1", 1)] {
        assert!(house.restart(Start { kill_at: Some(kill_at), has_worker: false }));
        assert!(wish.send().is_none(), "{kill_at} was not passed");
        house.wait_for_death();
        assert_eq!(house.count(&wish.effect), booked, "{kill_at}");
    }
    assert!(house.restart(IDLE));
    wish.until_answered().expect(200).unwrap();
    assert_eq!(house.count(&wish.effect), 1);
}
