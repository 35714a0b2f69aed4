//! Many hands at the same moment: numbers, keys, balances, batches, months.
//!
//! Beside each promise stands a twin without the guard that keeps it, and the twin is seen to break it. PostgreSQL
//! holds most of these rules a second time: where it does, a twin without the guard shows that the refusal comes
//! from deeper down, and a twin without both shows the books going wrong.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client, MemberCast};
use umbel::kernel::money::Minor;
use umbel::platform::faults::{Faults, Guard};

use super::support::TestApp;

/// Lets `n` threads begin at the same moment.
pub(super) fn at_once<T: Send>(n: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(n);
    thread::scope(|scope| {
        let (act, barrier) = (&act, &barrier);
        let threads: Vec<_> = (0..n)
            .map(|index| {
                scope.spawn(move || {
                    barrier.wait();
                    act(index)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// As [`at_once`], while somebody holds all balances until several wait: whoever looks before locking has looked then.
/// On a busy machine one of them waits too long, and asks again with the same key.
pub(super) fn at_once_behind(app: &TestApp, n: usize, act: impl Fn(usize) -> Answer + Sync) -> Vec<Answer> {
    let mut held = app.database.owner();
    held.batch_execute("BEGIN; SELECT FROM activity_balance FOR UPDATE").unwrap();
    thread::scope(|scope| {
        let asked = scope.spawn(|| at_once(n, |index| until_answered(|| act(index)).0));
        // Only who runs a statement sees what it waits for: the login of the service.
        let mut login = PgConnection::establish(&app.database.login_url).unwrap();
        let waiting = "SELECT pid::text AS line FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        for _ in 0..100 {
            if super::ground::lines(&mut login, waiting).len() >= 4 {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        held.batch_execute("COMMIT").unwrap();
        asked.join().unwrap()
    })
}

pub(super) fn id_of(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// A command about an object as it was seen, under a key.
pub(super) fn command(client: &Client, path: &str, seen: &Value, key: &str, body: &Value) -> Answer {
    let version = format!("\"{}\"", seen["version"]);
    client.command("POST", path, &[("Idempotency-Key", key), ("If-Match", &version)], body).unwrap()
}

pub(super) fn issue(client: &Client, submitted: &Value, key: &str) -> Answer {
    command(client, &format!("/v1/invoices/{}/issue", id_of(submitted)), submitted, key, &json!({}))
}

/// As a careful client does it: what may succeed later is sent again with the same key.
fn until_answered(send: impl Fn() -> Answer) -> (Answer, usize) {
    for repeats in 0..200 {
        let answer = send();
        if answer.status != 503 && answer.code() != "idempotency_in_progress" {
            return (answer, repeats);
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("no answer after 200 tries");
}

fn codes(answers: &[Answer]) -> Vec<(u16, String)> {
    let mut codes: Vec<_> = answers.iter().map(|answer| (answer.status, answer.code())).collect();
    codes.sort();
    codes
}

fn count_status(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// Numbers 1 to n, each once, and in the order in which they were issued: the history is written while the series
/// is held, so its own order is that of the issues.
fn assert_numbers(app: &TestApp, n: usize) {
    let n = i64::try_from(n).unwrap();
    assert_eq!(app.count("SELECT count(*) FROM invoice WHERE state = 'issued'"), n);
    assert_eq!(app.count("SELECT count(DISTINCT seq) FROM invoice WHERE state = 'issued'"), n);
    assert_eq!(app.count("SELECT max(seq) FROM invoice WHERE state = 'issued'"), n);
    let out_of_order = "SELECT count(*) FROM (SELECT i.seq, lag(i.seq, 1, 0::bigint) OVER (ORDER BY h.id) AS before \
        FROM state_history h JOIN invoice i ON i.id = h.subject_id WHERE h.to_state = 'issued') x WHERE seq <> before + 1";
    assert_eq!(app.count(out_of_order), 0, "numbers follow the order of issue");
    assert_eq!(app.count("SELECT count(*) FROM journal_entry WHERE event = 'invoice_issued'"), n, "each booked once");
}

fn submit_many(app: &TestApp, members: &[&MemberCast], n: usize) -> Vec<Value> {
    let members: Vec<_> = members.iter().cycle().take(n).collect();
    members.iter().map(|member| app.stage.submitted_invoice(member, None, 10_000).unwrap()).collect()
}

/// An invoice is issued and its client pays: `net` less 7.5 % is available.
pub(super) fn fund(app: &TestApp, cast: &mut Cast, member: &MemberCast, net: i64) {
    let submitted = app.stage.submitted_invoice(member, None, net).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(cast).unwrap();
}

pub(super) fn payout_body(member: &MemberCast, cents: i64) -> Value {
    json!({"id": member.client.new_id(), "activity_id": member.activity_id,
           "amount": {"amount_minor": cents, "currency": "EUR"}})
}

fn available(app: &TestApp, member: &MemberCast) -> i64 {
    app.count(&format!("SELECT available_minor FROM activity_balance WHERE activity_id = '{}'", member.activity_id))
}

#[test]
fn invoices_issued_at_the_same_moment_are_numbered_without_gap_in_the_order_of_issue() {
    let app = TestApp::start();
    let (mut cast, first) = app.with_member();
    let second = app.another_member(&mut cast);
    let third = app.stage.equip(first.client.clone(), &first.email).unwrap();
    let fourth = app.stage.equip(second.client.clone(), &second.email).unwrap();
    let mut issued = 0;
    for (n, members) in [
        (16, vec![&first]),
        (16, vec![&first, &second, &third, &fourth]),
        (64, vec![&first]),
        (64, vec![&first, &second, &third, &fourth]),
    ] {
        let submitted = submit_many(&app, &members, n);
        let reviewer = &cast.staff.reviewer;
        let answers = at_once(n, |index| issue(reviewer, &submitted[index], &reviewer.new_id()));
        assert_eq!(count_status(&answers, 200), n, "{:?}", codes(&answers));
        issued += n;
        assert_numbers(&app, issued);
    }
}

#[test]
fn an_issue_that_is_rolled_back_leaves_no_gap() {
    let app = TestApp::start_with(Faults::rolling_back("issue_invoice.before_commit", 20));
    let (cast, member) = app.with_member();
    let submitted = submit_many(&app, &[&member], 64);
    let reviewer = &cast.staff.reviewer;
    let answers = at_once(64, |index| {
        let key = reviewer.new_id();
        until_answered(|| issue(reviewer, &submitted[index], &key))
    });
    assert!(answers.iter().all(|(answer, _)| answer.status == 200));
    // 64 issues and the repeats of those that were rolled back: the passes 20, 40 and 60.
    assert_eq!(answers.iter().map(|(_, repeats)| repeats).sum::<usize>(), 3);
    assert_numbers(&app, 64);
}

/// Sixteen people press the same button.
fn issue_one_sixteen_times(faults: Faults) -> Vec<Answer> {
    let app = TestApp::start_with(faults);
    let (cast, member) = app.with_member();
    let submitted = app.stage.submitted_invoice(&member, None, 100_000).unwrap();
    let reviewer = &cast.staff.reviewer;
    let answers = at_once(16, |_| issue(reviewer, &submitted, &reviewer.new_id()));
    assert_eq!(count_status(&answers, 200), 1, "{:?}", codes(&answers));
    assert_numbers(&app, 1);
    answers
}

#[test]
fn one_invoice_issued_sixteen_times_is_issued_and_booked_once() {
    let answers = issue_one_sixteen_times(Faults::default());
    let refused = codes(&answers).into_iter().filter(|(status, _)| *status != 200);
    let refused: Vec<_> = refused.collect();
    let is_clean = |(status, code): &(u16, String)| {
        matches!((*status, code.as_str()), (412, "version_stale") | (409, "state_conflict"))
    };
    assert!(refused.iter().all(is_clean), "the lock lets nobody near the books: {refused:?}");
}

#[test]
fn without_the_row_lock_the_same_issues_reach_the_books_and_only_postgresql_refuses_them() {
    // Those that read the invoice as submitted book it; one fact once is the last guard that is left. On few processors the
    // first may be done before another has read: then they press once more.
    let reaches_the_books = || {
        let answers = issue_one_sixteen_times(Faults::without([Guard::RowLock]));
        answers.iter().any(|answer| answer.code() == "already_booked")
    };
    assert!((0..5).any(|_| reaches_the_books()), "sixteen at once never met in five rounds");
}

fn eight_times(client: &Client, path: &str, body: &Value, key: &str) -> Vec<Answer> {
    at_once(8, |_| client.command("POST", path, &[("Idempotency-Key", key)], body).unwrap())
}

fn are_eight_equal(answers: &[Answer]) -> bool {
    answers.iter().all(|answer| answer.status == 201 && answer.body == answers[0].body)
}

pub(super) fn draft_body(app: &TestApp, member: &MemberCast) -> Value {
    json!({"id": member.client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id,
           "title": "Illustrations", "supplied_on": app.stage.today(),
           "lines": [{"label": "Plates", "quantity": "1", "unit_price": {"amount_minor": 5000, "currency": "EUR"}}]})
}

#[test]
fn one_create_sent_eight_times_at_once_and_again_after_a_restart_makes_one_object() {
    let mut app = TestApp::start();
    let (mut cast, mut member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    let mut changed_draft = draft_body(&app, &member);
    let draft = changed_draft.clone();
    changed_draft["title"] = json!("Something else");
    let payout = payout_body(&member, 10_000);
    let mut changed_payout = payout.clone();
    changed_payout["amount"]["amount_minor"] = json!(10_001);
    for (path, table, body, changed) in
        [("/v1/invoices", "invoice", draft, changed_draft), ("/v1/payouts", "payout", payout, changed_payout)]
    {
        let key = member.client.new_id();
        let answers = eight_times(&member.client, path, &body, &key);
        assert!(are_eight_equal(&answers), "{path}: {:?}", codes(&answers));
        let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_some()).count();
        assert_eq!(replayed, 7, "{path}: one did it, seven were told");
        let rows = format!("SELECT count(*) FROM {table} WHERE id = '{}'", id_of(&body));
        assert_eq!(app.count(&rows), 1);

        app = app.restart();
        // The same device finds the service at its new address.
        let token = member.client.token.take();
        member.client = app.visitor();
        member.client.token = token;
        let send = |body: &Value| member.client.command("POST", path, &[("Idempotency-Key", &key)], body).unwrap();
        let again = send(&body);
        assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
        assert_eq!(again.body, answers[0].body, "{path}: the same answer for ever");
        let other = send(&changed);
        assert_eq!((other.status, other.code().as_str()), (422, "idempotency_key_reused"));
        assert_eq!(app.count(&rows), 1);
    }
    assert_eq!(available(&app, &member), 82_500, "set aside once");
}

#[test]
fn without_the_idempotency_key_the_eight_are_not_answered_alike() {
    let app = TestApp::start_with(Faults::without([Guard::Idempotency]));
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    for (path, body) in [("/v1/invoices", draft_body(&app, &member)), ("/v1/payouts", payout_body(&member, 10_000))] {
        let answers = eight_times(&member.client, path, &body, &member.client.new_id());
        assert!(!are_eight_equal(&answers));
        // The id made by the sender is what still stands between a repeat and a second object.
        assert_eq!(count_status(&answers, 201), 1);
        assert!(answers.iter().any(|answer| answer.code() == "id_unavailable"), "{:?}", codes(&answers));
    }
}

/// Sixteen requests of 100.00 against 925.00.
fn draw_sixteen_times(app: &TestApp, member: &MemberCast) -> Vec<(Value, Answer)> {
    let bodies: Vec<_> = (0..16).map(|_| payout_body(member, 10_000)).collect();
    let answers = at_once(16, |index| {
        let key = id_of(&bodies[index]);
        member.client.command("POST", "/v1/payouts", &[("Idempotency-Key", key)], &bodies[index]).unwrap()
    });
    assert!(available(app, member) <= 92_500);
    bodies.into_iter().zip(answers).collect()
}

fn assert_nine_of_sixteen(app: &TestApp, member: &MemberCast, drawn: &[(Value, Answer)]) {
    let answers: Vec<_> = drawn.iter().map(|(_, answer)| answer.clone()).collect();
    assert_eq!(count_status(&answers, 201), 9, "{:?}", codes(&answers));
    let refused =
        answers.iter().filter(|answer| (answer.status, answer.code().as_str()) == (409, "insufficient_available"));
    assert_eq!(refused.count(), 7, "{:?}", codes(&answers));
    assert_eq!(available(app, member), 2_500);
}

#[test]
fn sixteen_payout_requests_against_one_balance_never_draw_more_than_it_holds() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    let drawn = draw_sixteen_times(&app, &member);
    assert_nine_of_sixteen(&app, &member, &drawn);
    let (body, refused) = drawn.iter().find(|(_, answer)| answer.status == 409).unwrap();
    assert!(refused.json()["params"]["available_minor"].is_string(), "the rulebook says how much there is");
    // Money arrives, and a late duplicate of a refused request still moves none of it.
    fund(&app, &mut cast, &member, 100_000);
    let late = member.client.command("POST", "/v1/payouts", &[("Idempotency-Key", id_of(body))], body).unwrap();
    assert_eq!((late.status, late.header("idempotent-replayed")), (409, Some("true")));
    assert_eq!(available(&app, &member), 95_000);
}

#[test]
fn without_the_balance_check_the_floor_in_postgresql_refuses_and_without_both_the_books_go_red() {
    let app = TestApp::start_with(Faults::without([Guard::BalanceCheck]));
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    let drawn = draw_sixteen_times(&app, &member);
    assert_nine_of_sixteen(&app, &member, &drawn);
    let (_, refused) = drawn.iter().find(|(_, answer)| answer.status == 409).unwrap();
    assert_eq!(refused.json()["params"], json!({}), "the constraint knows no amounts: it was the constraint");

    app.database
        .owner()
        .batch_execute("ALTER TABLE activity_balance DROP CONSTRAINT activity_available_floor")
        .unwrap();
    let drawn = draw_sixteen_times(&app, &member);
    assert!(drawn.iter().all(|(_, answer)| answer.status == 201));
    assert_eq!(available(&app, &member), 2_500 - 160_000);
    let red = app.violations();
    assert!(red.iter().any(|line| line.starts_with("i04_floors") || line.contains("floors")), "{red:?}");
    // Put right before the end of the test, which checks the books again.
    fund(&app, &mut cast, &member, 200_000);
}

fn approved_payout(app: &TestApp, cast: &Cast, member: &MemberCast) -> Value {
    let payout = app.stage.payout(member, 1_000).unwrap();
    let path = format!("/v1/payouts/{}/approve", id_of(&payout));
    command(&cast.staff.reviewer, &path, &payout, &cast.staff.reviewer.new_id(), &json!({})).expect(200).unwrap()
}

#[test]
fn two_reviewers_who_build_at_the_same_time_put_every_payout_in_one_batch() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    let colleague =
        app.stage.hire(&cast.staff.administrator, "second@ombelle.example", "Rob Review", "reviewer").unwrap();
    let reviewers = [cast.staff.reviewer.clone(), colleague];
    for round in 1..=5 {
        for _ in 0..8 {
            approved_payout(&app, &cast, &member);
        }
        let answers = at_once(2, |index| {
            let body = json!({"id": reviewers[index].new_id(), "entity_id": cast.entity_id});
            reviewers[index].post("/v1/payout_batches", &body).unwrap()
        });
        let is_expected = |answer: &Answer| answer.status == 201 || answer.code() == "batch_empty";
        assert!(answers.iter().all(is_expected), "{:?}", codes(&answers));
        // Whoever looked while the other held the rows took none of them; what is left over goes into the next batch.
        let mut listed: Vec<String> = answers
            .iter()
            .filter(|answer| answer.status == 201)
            .flat_map(|answer| answer.json()["items"].as_array().unwrap().clone())
            .map(|item| item["payout_id"].as_str().unwrap().to_owned())
            .collect();
        listed.sort();
        let shown = listed.len();
        listed.dedup();
        assert_eq!(listed.len(), shown, "no payout is in two batches");
        assert_eq!(app.count("SELECT count(*) FROM payout WHERE state = 'batched'"), 8 * round);
        assert_eq!(app.count("SELECT count(*) FROM payout WHERE state = 'approved'"), 0);
    }
}

#[test]
fn a_batch_that_sixteen_seal_approve_and_release_is_released_once() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 100_000);
    let payouts: Vec<_> = (0..5).map(|_| approved_payout(&app, &cast, &member)).collect();
    let (reviewer, approver) = (&cast.staff.reviewer, &cast.staff.approver);
    let body = json!({"id": reviewer.new_id(), "entity_id": cast.entity_id});
    let mut batch = reviewer.post("/v1/payout_batches", &body).unwrap().expect(201).unwrap();
    let path = format!("/v1/payout_batches/{}", id_of(&batch));
    for (who, verb) in [(reviewer, "seal"), (approver, "approve"), (approver, "release")] {
        let sha256 = batch["content_sha256"].as_str().unwrap_or_default().to_owned();
        let proof = |operation: &str| app.prove_at_once(approver, operation, &sha256);
        let shown = match verb {
            "approve" => json!({"content_sha256": sha256, "total": batch["total"],
                                "payout_count": batch["payout_count"], "second_factor": proof("approve_batch")}),
            "release" => json!({"second_factor": proof("release_batch")}),
            _ => json!({}),
        };
        let answers = at_once(16, |_| command(who, &format!("{path}/{verb}"), &batch, &who.new_id(), &shown));
        assert_eq!(count_status(&answers, 200), 1, "{verb}: {:?}", codes(&answers));
        let is_clean = |answer: &Answer| matches!(answer.status, 200 | 409 | 412);
        assert!(answers.iter().all(is_clean), "{verb}: {:?}", codes(&answers));
        batch = answers.into_iter().find(|answer| answer.status == 200).unwrap().json();
    }
    assert_eq!(batch["state"], "released");
    assert_eq!(app.count("SELECT count(*) FROM journal_entry WHERE event = 'payout_released'"), 5);
    assert_eq!(app.count("SELECT count(*) FROM batch_approval"), 1);
    assert_eq!(app.count("SELECT count(*) FROM state_history WHERE machine = 'batch' AND to_state = 'released'"), 1);
    assert_eq!(payouts.len(), 5);
}

#[test]
fn a_month_that_is_closed_while_sixteen_issue_holds_what_was_booked_before_and_nothing_after() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let stage = &app.stage;
    // Two seconds before midnight in Brussels, on the last day of May.
    stage.clock.set("2026-05-31T21:59:58Z".parse().unwrap());
    cast.staff.reviewer = stage.sign_in("reviewer@ombelle.example").unwrap();
    cast.staff.accountant = stage.sign_in("accountant@ombelle.example").unwrap();
    let member = MemberCast { client: stage.sign_in(&member.email).unwrap(), ..member };
    let submitted = submit_many(&app, &[&member], 96);
    let (reviewer, next, is_over) = (&cast.staff.reviewer, AtomicUsize::new(0), AtomicBool::new(false));
    let path = format!("/v1/entities/{}/periods/2026-05/close", cast.entity_id);
    let closed: Mutex<Option<(Value, i64)>> = Mutex::new(None);
    at_once(17, |index| {
        if index == 16 {
            // May ends while a third is issued and others are half way: they carry a date of May into the close.
            while next.load(Ordering::SeqCst) < 32 {
                thread::yield_now();
            }
            stage.clock.set("2026-05-31T22:00:00Z".parse().unwrap());
            let view = cast.staff.accountant.post(&path, &json!({})).unwrap().expect(200).unwrap();
            let last = app.count("SELECT max(id) FROM journal_entry WHERE period = '2026-05'");
            *closed.lock().unwrap() = Some((view, last));
            is_over.store(true, Ordering::SeqCst);
            return;
        }
        loop {
            let Some(invoice) = submitted.get(next.fetch_add(1, Ordering::SeqCst)) else { return };
            // A refusal of a money command is final for its key; the office tries again with another one.
            loop {
                let answer = issue(reviewer, invoice, &reviewer.new_id());
                if answer.status == 200 {
                    break;
                }
                let code = answer.code();
                assert!(
                    matches!(code.as_str(), "period_closed" | "issue_date_before_last"),
                    "{} {code}",
                    answer.status
                );
            }
        }
    });
    let (view, last) = closed.into_inner().unwrap().unwrap();
    let in_may = app.count("SELECT count(*) FROM journal_entry WHERE period = '2026-05'");
    assert_eq!(view["entry_count"].as_i64(), Some(in_may), "{view}");
    assert_eq!(app.count("SELECT max(id) FROM journal_entry WHERE period = '2026-05'"), last);
    assert!(app.count("SELECT count(*) FROM journal_entry WHERE period = '2026-06'") > 0, "the work went on in June");
    let stored = "SELECT count(*) FROM accounting_period WHERE sha256 = period_sha256(entity_id, period)";
    assert_eq!(app.count(stored), 1, "and its hash holds");
    assert_numbers(&app, 96);
}
