//! A document is handed over once, however many try at one moment.

use std::sync::atomic::{AtomicUsize, Ordering};

use umbel::delivery::{AccessPoint, Answer as Taken, NoAnswer, Outcome, Slip};
use umbel::platform::faults::{Faults, Guard};

use super::concurrency::at_once;
use super::delivery::{by, issued};
use super::support::TestApp;

/// An access point that counts, and takes its time.
#[derive(Default)]
struct Counting {
    sent: AtomicUsize,
}

impl AccessPoint for Counting {
    fn send(&self, _slip: &Slip, _xml: &[u8]) -> Result<Taken, NoAnswer> {
        self.sent.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(50));
        Ok(Taken { outcome: Outcome::Deposited, reference: None, reason: None, receipt: Vec::new() })
    }

    fn ask(&self, _slip: &Slip) -> Result<Option<Taken>, NoAnswer> {
        Ok(None)
    }
}

/// Eight workers that hold the same delivery at one moment: how often it was sent, and how many were refused.
fn deliver_one_eight_times(faults: Faults) -> (usize, usize) {
    let app = TestApp::start_with(faults);
    let (cast, member) = app.with_member();
    let invoiced = issued(&app, &cast, &member);
    // The mail leaves and makes the deliveries; the access point is asked by nobody yet.
    app.stage.worker.run_one().unwrap();
    let delivery = by(&member.client, &invoiced, "peppol")["id"]
        .as_str()
        .unwrap()
        .parse()
        .map(umbel::kernel::ids::DeliveryId)
        .unwrap();
    let point = Counting::default();
    let ended = at_once(8, |_| umbel::delivery::jobs::deliver(&app.db, &point, delivery));
    (point.sent.load(Ordering::SeqCst), ended.iter().filter(|ended| ended.is_err()).count())
}

#[test]
fn of_eight_that_deliver_one_document_at_the_same_moment_one_sends_it() {
    assert_eq!(deliver_one_eight_times(Faults::default()).0, 1);
}

/// The twin without the lock: PostgreSQL still lets only one begin.
#[test]
fn without_the_lock_postgresql_still_lets_only_one_send_the_document() {
    let mut refused_by_postgresql = 0;
    for _ in 0..20 {
        let (sent, refused) = deliver_one_eight_times(Faults::without([Guard::RowLock]));
        assert_eq!(sent, 1);
        refused_by_postgresql += refused;
        if refused_by_postgresql > 0 {
            return;
        }
    }
    panic!("the guard below was never reached");
}
