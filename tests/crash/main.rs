//! The real program, killed at every place where a kill could hurt.
//!
//! It runs as in production: the binary over a data folder with its own PostgreSQL, mails by SMTP to a catcher in
//! this process. `UMBEL_KILL_AT=point@n` makes it die by SIGKILL at the n-th pass of a failpoint: just before or
//! just after the commit of an issue, an advance, a payout request or its taking back, a build, a seal, an approval, a
//! release, an import of a statement or of a bank's answer, the taking back of a payment, a date of a payout plan, a step
//! about a late invoice, a step of a job, a run over a pool or the end of a year, and before or after a mail has left. It is started again over the same folder (its
//! PostgreSQL survived it and is adopted), the interrupted request is sent again with the same key until it is answered,
//! and then there must be exactly one
//! effect. At the end every invariant is checked by `umbel check`.
//!
//! Run it with
//!
//! ```sh
//! cargo test --features faults --test crash -- --nocapture
//! UMBEL_KILLS=100 cargo test --features faults --test crash -- --nocapture   # kills at each point; 6 or 3 by default
//! ```
//!
//! It prints a table: the point, the kills, how many requests had to be repeated, what was lost, what was doubled.
//! Two clocks are helped: the program's own starts at ten in the morning of the next working day, so that promised
//! days come on any day of the year, and the lease of a killed worker (three minutes) ends at the next start.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod house;
mod long_work;
mod payouts;
mod wish;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use umbel::demo::Answer;

use house::{House, IDLE, QUIET, Start};
use wish::{Wish, id_of};

/// Longer than any start or any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// The processors are few: one house at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn kills() -> usize {
    kills_or(6)
}

/// As many kills at a point as are asked for, or these.
fn kills_or(otherwise: usize) -> usize {
    std::env::var("UMBEL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A line of the table.
#[derive(Debug, Default)]
struct Tally {
    point: String,
    kills: usize,
    retried: usize,
    lost: usize,
    doubled: usize,
}

impl Tally {
    fn of(point: &str) -> Self {
        Self { point: point.to_owned(), ..Self::default() }
    }

    /// Counts how often something happened that was to happen once.
    fn judge(&mut self, happened: i64) {
        match happened {
            1 => {}
            0 => self.lost += 1,
            _ => self.doubled += 1,
        }
    }

    fn print(&self) {
        println!("{:32} {:>6} {:>8} {:>6} {:>8}", self.point, self.kills, self.retried, self.lost, self.doubled);
    }
}

fn print_head() {
    println!("{:32} {:>6} {:>8} {:>6} {:>8}", "point", "kills", "retried", "lost", "doubled");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Retry {
    SameKey,
    NewKey,
}

/// Kills the program once in each of these requests.
///
/// The repeat of a request is the first pass of the next life, so that one is told to die at its second.
fn kill_in_requests(house: &mut House, point: &str, retry: Retry, make: impl Fn(&mut House) -> Wish) -> Tally {
    kill_times(kills(), house, point, retry, make)
}

/// As [`kill_in_requests`], so many times.
fn kill_times(times: usize, house: &mut House, point: &str, retry: Retry, make: impl Fn(&mut House) -> Wish) -> Tally {
    let mut tally = Tally::of(point);
    assert!(house.restart(QUIET));
    house.sign_in();
    let (first, next) = (format!("{point}@1"), format!("{point}@2"));
    assert!(house.restart(Start { kill_at: Some(&first), has_worker: true }));
    for index in 0..times {
        let wish = make(house);
        let answered = wish.send();
        assert!(answered.is_none(), "{point} was not passed: {answered:?}");
        house.wait_for_death();
        tally.kills += 1;
        let before = house.count(&wish.effect);
        assert_eq!(before, i64::from(point.ends_with("after_commit")), "{point}: died on the wrong side of the commit");
        let is_last = index + 1 == times;
        assert!(house.restart(Start { kill_at: (!is_last).then_some(&next), has_worker: true }));
        let answer = match retry {
            Retry::SameKey => wish.until_answered(),
            Retry::NewKey => wish.with_new_key().until_answered(),
        };
        tally.retried += 1;
        assert!((200..300).contains(&answer.status), "{point}: {answer:?}");
        tally.judge(house.count(&wish.effect));
        tally.doubled += usize::try_from(house.sent_twice()).unwrap();
    }
    tally
}

/// Kills the program in the work of the day, which nobody asks for and which begins with every start.
///
/// Each life does one more advance and dies at the next.
fn kill_in_advances(house: &mut House, order: &Value, point: &str, pass: usize) -> Tally {
    let mut tally = Tally::of(point);
    assert!(house.restart(IDLE));
    house.sign_in();
    let due: Vec<String> = (0..=kills())
        .map(|_| {
            let submitted = house.draft(Some(order), 1_000);
            let issued = house.stage.issue(&house.cast.staff.reviewer, &submitted).unwrap();
            assert_eq!(
                issued.view["payout_forecast"]["on"],
                json!(house.stage.today()),
                "due at once: {}",
                issued.view
            );
            issued.id
        })
        .collect();
    let kill_at = format!("{point}@{pass}");
    for _ in 0..kills() {
        // It may become ready for a moment before it dies.
        house.restart(Start { kill_at: Some(&kill_at), has_worker: true });
        house.wait_for_death();
        tally.kills += 1;
        tally.retried += 1;
    }
    assert!(house.restart(QUIET));
    let booked = |id: &str| {
        house.count(&format!("SELECT count(*) FROM posting WHERE account = 'memo.advances' AND invoice_id = '{id}'"))
    };
    let end = Instant::now() + PATIENCE;
    while due.iter().any(|id| booked(id) == 0) && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
    for id in &due {
        tally.judge(booked(id));
    }
    tally
}

/// Kills the program while mails leave: each life sends the one that was interrupted and dies at the next.
fn kill_in_mails(house: &mut House, point: &str) -> Tally {
    let mut tally = Tally::of(point);
    assert!(house.restart(QUIET));
    house.wait_for_mails();
    assert!(house.restart(IDLE));
    house.sign_in();
    for _ in 0..=kills() {
        let submitted = house.draft(None, 1_000);
        house.stage.issue(&house.cast.staff.reviewer, &submitted).unwrap();
    }
    let kill_at = format!("{point}@2");
    for _ in 0..kills() {
        house.restart(Start { kill_at: Some(&kill_at), has_worker: true });
        house.wait_for_death();
        tally.kills += 1;
        tally.retried += 1;
    }
    assert!(house.restart(QUIET));
    house.wait_for_mails();
    tally
}

#[test]
fn killed_at_any_point_nothing_is_lost_and_nothing_is_doubled() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let mut house = House::found();
    let order = house.stage.confirmed_order(&house.member, 40_000_000).unwrap();
    assert_eq!(order["guarantee"]["status"], "covered", "{order}");
    println!("a mutual was set up in {} s", began.elapsed().as_secs());
    print_head();
    let mut tallies = Vec::new();
    let mut add = |tally: Tally| {
        tally.print();
        tallies.push(tally);
    };
    for side in ["before_commit", "after_commit"] {
        let mut kill = |operation: &str, make: fn(&mut House) -> Wish| {
            add(kill_in_requests(&mut house, &format!("{operation}.{side}"), Retry::SameKey, make));
        };
        kill("issue_invoice", |house| house.wish_for_issue());
        kill("request_payout", House::wish_for_payout);
    }
    add(kill_in_advances(&mut house, &order, "advance.before_commit", 2));
    add(kill_in_advances(&mut house, &order, "advance.after_commit", 1));
    add(kill_in_mails(&mut house, "mail.before_send"));
    add(kill_in_mails(&mut house, "mail.after_send"));

    let repeats = house.check_mails();
    println!("deliveries: {} wait for a person", house.check_deliveries());
    let killed: usize = tallies.iter().map(|tally| tally.kills).sum();
    println!(
        "mails: {} caught, {repeats} of them repeats under the same Message-ID; {killed} kills in {} s",
        house.stage.mails.messages().len(),
        began.elapsed().as_secs()
    );
    assert!(repeats >= kills(), "each kill after a mail had left repeats it once");
    assert!(repeats <= killed);
    house.assert_books();
    assert!(tallies.iter().all(|tally| (tally.lost, tally.doubled) == (0, 0)), "{tallies:?}");
}

#[test]
fn a_client_that_asks_again_with_a_new_key_is_paid_twice_which_this_harness_sees() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut house = House::found();
    print_head();
    let tally = kill_in_requests(&mut house, "request_payout.after_commit", Retry::NewKey, House::wish_for_payout);
    tally.print();
    assert_eq!((tally.lost, tally.doubled), (0, tally.kills));
    house.assert_books();
}

#[test]
fn sixteen_clients_issue_sixty_four_invoices_while_the_program_is_killed_twenty_times() {
    const INVOICES: usize = 64;
    const KILLS: usize = 20;
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut house = House::found();
    let wishes: Vec<Wish> = (0..INVOICES).map(|_| house.wish_for_issue()).collect();
    assert!(house.restart(QUIET));
    let (next, killed, broken) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let answers: Mutex<Vec<Answer>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let index = next.load(Ordering::SeqCst);
                    if index >= INVOICES {
                        return;
                    }
                    // Three or four for each kill, so that every kill finds work under way.
                    if index > 3 * (killed.load(Ordering::SeqCst) + 1) {
                        thread::sleep(Duration::from_millis(1));
                        continue;
                    }
                    if next.compare_exchange(index, index + 1, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                        continue;
                    }
                    let answer = wishes[index].send().filter(|answer| answer.status != 503).unwrap_or_else(|| {
                        broken.fetch_add(1, Ordering::SeqCst);
                        wishes[index].until_answered()
                    });
                    answers.lock().unwrap().push(answer);
                }
            });
        }
        for kill in 1..=KILLS {
            while next.load(Ordering::SeqCst) < 3 * kill {
                thread::sleep(Duration::from_millis(1));
            }
            let [wait] = house.stage.clock.random_bytes::<1>();
            thread::sleep(Duration::from_millis(u64::from(wait) / 5));
            assert!(house.restart(QUIET), "it comes back after kill {kill}");
            killed.fetch_add(1, Ordering::SeqCst);
        }
    });
    let answers = answers.into_inner().unwrap();
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), INVOICES, "{answers:?}");
    let (mut lost, mut doubled) = (0, 0);
    for wish in &wishes {
        match house.count(&wish.effect) {
            1 => {}
            0 => lost += 1,
            _ => doubled += 1,
        }
    }
    for answer in &answers {
        let view = answer.json();
        let stored = format!(
            "SELECT count(*) FROM invoice WHERE id = '{}' AND number = '{}'",
            id_of(&view),
            view["number"].as_str().unwrap()
        );
        lost += usize::from(house.count(&stored) != 1);
    }
    let broken = broken.into_inner();
    println!("{INVOICES} issues by 16, {KILLS} kills: {broken} answers broken off, {lost} lost, {doubled} doubled");
    assert_eq!((lost, doubled), (0, 0));
    assert!(broken > 0, "the kills found work under way");
    house.wait_for_mails();
    house.check_mails();
    println!("deliveries: {} wait for a person", house.check_deliveries());
    house.assert_books();
}
