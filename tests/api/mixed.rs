//! Everything that moves money, mixed by sixteen.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client, MemberCast};
use umbel::kernel::money::Minor;

use super::concurrency::{at_once, command, draft_body, fund, id_of, issue, payout_body};
use super::support::TestApp;

/// How long the mixed run lasts, and how long at most on a busy machine, where it goes on until everything has been
/// in the mix.
const MIXED: Duration = Duration::from_secs(5);
const MIXED_MAX: Duration = Duration::from_mins(1);
/// What the bank puts into one statement: its transaction holds what it pays until its end.
const PAID_AT_ONCE: usize = 5;

/// What the sixteen of the mixed run share.
struct Mixed<'a> {
    app: &'a TestApp,
    members: &'a [MemberCast],
    reviewer: Client,
    approver: Client,
    entity_id: String,
    began: Instant,
    /// Answers that nobody should see.
    failed: Mutex<Vec<String>>,
    /// Issued and not yet paid by the client: reference and gross.
    unpaid: Mutex<Vec<(String, i64)>>,
    /// Released and not yet seen by the bank: end-to-end id and amount.
    on_their_way: Mutex<Vec<(String, i64)>>,
    done: [AtomicUsize; 6],
}

const NAMES: [&str; 6] = ["payouts", "cancellations", "issues", "advances", "releases", "statements"];

impl Mixed<'_> {
    fn goes_on(&self) -> bool {
        let is_all_done = self.done.iter().all(|done| done.load(Ordering::SeqCst) > 0);
        let passed = self.began.elapsed();
        passed < MIXED || (!is_all_done && passed < MIXED_MAX)
    }

    /// Keeps an answer that is neither a success nor a refusal in words; counts a success.
    fn note(&self, what: usize, answer: &Answer) -> bool {
        if answer.status >= 500 || answer.code() == "internal" {
            let text = format!("{}: {} {}", NAMES[what], answer.status, String::from_utf8_lossy(&answer.body));
            self.failed.lock().unwrap().push(text);
        }
        let is_done = answer.status < 300;
        if is_done {
            self.done[what].fetch_add(1, Ordering::SeqCst);
        }
        is_done
    }

    fn draw_and_cancel(&self, index: usize) {
        for turn in 0.. {
            if !self.goes_on() {
                return;
            }
            let member = &self.members[(index + turn) % self.members.len()];
            let cents = 100 + 37 * i64::try_from((index + turn) % 50).unwrap();
            let asked = member.client.post("/v1/payouts", &payout_body(member, cents)).unwrap();
            if self.note(0, &asked) && turn % 2 == 0 {
                let payout = asked.json();
                let path = format!("/v1/payouts/{}/cancel", id_of(&payout));
                self.note(1, &command(&member.client, &path, &payout, &member.client.new_id(), &json!({})));
            }
        }
    }

    fn issue(&self, index: usize) {
        let member = &self.members[index % self.members.len()];
        while self.goes_on() {
            let submitted = self.app.stage.submitted_invoice(member, None, 3_000).unwrap();
            let issued = issue(&self.reviewer, &submitted, &self.reviewer.new_id());
            if self.note(2, &issued) {
                self.expect_payment(&issued.json());
            }
        }
    }

    fn expect_payment(&self, issued: &Value) {
        let reference = issued["payment_reference"].as_str().unwrap().to_owned();
        let gross = issued["total_gross"]["amount_minor"].as_i64().unwrap();
        self.unpaid.lock().unwrap().push((reference, gross));
    }

    fn advance(&self) {
        while self.goes_on() {
            match self.app.stage.worker.run_calendar() {
                Ok(()) => {
                    let advances = self.app.count("SELECT count(*) FROM guarantee_advance");
                    self.done[3].store(usize::try_from(advances).unwrap(), Ordering::SeqCst);
                }
                Err(error) => self.failed.lock().unwrap().push(format!("calendar: {error}")),
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Approves what is asked for and sends it off, as two people.
    fn release(&self) {
        while self.goes_on() {
            let listed = self.reviewer.get("/v1/payouts?state=requested&limit=20").unwrap().json();
            for payout in listed["data"].as_array().into_iter().flatten() {
                let path = format!("/v1/payouts/{}/approve", id_of(payout));
                let answer = command(&self.reviewer, &path, payout, &self.reviewer.new_id(), &json!({}));
                self.note(4, &answer);
            }
            let body = json!({"id": self.reviewer.new_id(), "entity_id": self.entity_id});
            let built = self.reviewer.post("/v1/payout_batches", &body).unwrap();
            if !self.note(4, &built) {
                continue;
            }
            let built = built.json();
            let path = format!("/v1/payout_batches/{}", id_of(&built));
            let sealed = command(&self.reviewer, &format!("{path}/seal"), &built, &self.reviewer.new_id(), &json!({}));
            if !self.note(4, &sealed) {
                continue;
            }
            let sealed = sealed.json();
            let sha256 = sealed["content_sha256"].as_str().unwrap();
            let proof = |operation: &str| self.app.prove_at_once(&self.approver, operation, sha256);
            let shown = json!({"content_sha256": sha256, "total": sealed["total"],
                               "payout_count": sealed["payout_count"], "second_factor": proof("approve_batch")});
            let approved =
                command(&self.approver, &format!("{path}/approve"), &sealed, &self.approver.new_id(), &shown);
            if !self.note(4, &approved) {
                continue;
            }
            let approved = approved.json();
            let shown = json!({"second_factor": proof("release_batch")});
            let released =
                command(&self.approver, &format!("{path}/release"), &approved, &self.approver.new_id(), &shown);
            if self.note(4, &released) {
                self.expect_settlement(&released.json());
            }
        }
    }

    fn expect_settlement(&self, batch: &Value) {
        for item in batch["items"].as_array().unwrap() {
            let end_to_end_id = item["payout_id"].as_str().unwrap().replace('-', "").to_uppercase();
            let amount = item["amount"]["amount_minor"].as_i64().unwrap();
            self.on_their_way.lock().unwrap().push((end_to_end_id, amount));
        }
    }

    /// The bank: clients pay in two parts, transfers are carried out, each second one comes back later.
    fn bank(&self, cast: &Mutex<Cast>) {
        let today = self.app.stage.today();
        let mut settled: Vec<(String, i64)> = Vec::new();
        while self.goes_on() {
            let mut cast = cast.lock().unwrap();
            let unpaid: Vec<_> = {
                let mut unpaid = self.unpaid.lock().unwrap();
                let n = unpaid.len().min(PAID_AT_ONCE);
                unpaid.drain(..n).collect()
            };
            for (reference, gross) in unpaid {
                cast.bank.receives(Minor::new(gross / 2), &reference, "Client", today);
                cast.bank.receives(Minor::new(gross - gross / 2), &reference, "Client", today);
            }
            for (end_to_end_id, amount) in settled.drain(..) {
                cast.bank.returns(Minor::new(amount), &end_to_end_id, "AC04", today);
            }
            let sent: Vec<_> = std::mem::take(&mut *self.on_their_way.lock().unwrap());
            for (index, (end_to_end_id, amount)) in sent.into_iter().enumerate() {
                cast.bank.pays(Minor::new(amount), &end_to_end_id, today);
                if index % 2 == 0 {
                    settled.push((end_to_end_id, amount));
                }
            }
            let file = cast.bank.statement(today, self.app.stage.clock.now()).unwrap();
            let key = self.reviewer.new_id();
            let headers = [("Content-Type", "application/xml"), ("Idempotency-Key", key.as_str())];
            let send = || self.reviewer.send("POST", "/v1/bank_statements", &headers, Some(&file)).unwrap();
            let imported = send();
            assert!(self.note(5, &imported), "{}", String::from_utf8_lossy(&imported.body));
            drop(cast);
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn payouts_settlements_advances_and_cancellations_mixed_by_sixteen_keep_the_books_right() {
    let app = TestApp::start();
    let (mut cast, first) = app.with_member();
    let second = app.another_member(&mut cast);
    let third = app.stage.equip(first.client.clone(), &first.email).unwrap();
    let members = [first, second, third];
    let stage = &app.stage;
    for member in &members {
        fund(&app, &mut cast, member, 100_000);
    }
    let order = stage.confirmed_order(&members[0], 400_000).unwrap();
    let covered: Vec<_> = (0..40)
        .map(|_| {
            let mut draft = draft_body(&app, &members[0]);
            draft["order_id"] = order["id"].clone();
            let seen = members[0].client.post("/v1/invoices", &draft).unwrap().expect(201).unwrap();
            let path = format!("/v1/invoices/{}/submit", id_of(&seen));
            let submitted = command(&members[0].client, &path, &seen, &members[0].client.new_id(), &json!({}));
            stage.issue(&cast.staff.reviewer, &submitted.expect(200).unwrap()).unwrap()
        })
        .collect();
    // The promised day comes while everybody is at work.
    stage.clock.advance(chrono::Duration::days(9));
    let again = |member: &MemberCast| MemberCast { client: stage.sign_in(&member.email).unwrap(), ..member.clone() };
    let members: Vec<_> = members.iter().map(again).collect();
    let mixed = Mixed {
        app: &app,
        members: &members,
        reviewer: stage.sign_in("reviewer@ombelle.example").unwrap(),
        approver: stage.sign_in("approver@ombelle.example").unwrap(),
        entity_id: cast.entity_id.clone(),
        began: Instant::now(),
        failed: Mutex::default(),
        unpaid: Mutex::new(covered.iter().take(20).map(|it| (it.reference.clone(), it.gross)).collect()),
        on_their_way: Mutex::default(),
        done: Default::default(),
    };
    let cast = Mutex::new(cast);
    at_once(16, |index| match index {
        0..=7 => mixed.draw_and_cancel(index),
        8..=10 => mixed.issue(index),
        11 | 12 => mixed.advance(),
        13 | 14 => mixed.release(),
        _ => mixed.bank(&cast),
    });
    let lasted = mixed.began.elapsed().as_secs();
    let failed = mixed.failed.into_inner().unwrap();
    assert_eq!(failed, Vec::<String>::new(), "no fault of the database reaches anybody");
    let done: Vec<_> = NAMES.iter().zip(&mixed.done).map(|(name, n)| (*name, n.load(Ordering::SeqCst))).collect();
    let deadlocks = app.count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
    println!("mixed for {lasted} s by 16: {done:?}, {deadlocks} deadlocks resolved");
    assert!(done.iter().all(|(_, n)| *n > 0), "everything was in the mix: {done:?}");
    assert_eq!(app.violations(), Vec::<String>::new());
}
