//! Pools, levies, payouts and transfers on the same activities, mixed by sixteen.
//!
//! What every answer promised is added up while it arrives, and in the end the balances are that, to the cent.
//!
//! Tried by hand, and red each time: without the lock of the balances in `pools::runs::book` runs are refused that could
//! have been booked; with the balances locked in falling order of their ids there are deadlocks, and some outlast the
//! retries; with a lock on the whole journal below the proof of a day, whoever holds a balance waits for whoever wants it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use umbel::demo::{Answer, Client, MemberCast};

use super::concurrency::{at_once, command, id_of, issue, payout_body};
use super::costs::{booked, eur, paid};
use super::levies::{another_activity, minor};
use super::pools::{Three, three, whole};
use super::support::ADMIN;

/// How often each of the sixteen does what it does.
const TURNS: usize = 12;
/// What each of three months comes to for each activity: 10.00 fixed, and a top-up to the floor of 40.00.
const MONTHS: i64 = 3 * 4_000;

/// What answers have promised to each activity.
#[derive(Debug, Default)]
struct Promised {
    /// What waits, is available and is set aside, less what is owed.
    worth: BTreeMap<String, i64>,
    /// What is set aside for payouts.
    reserved: BTreeMap<String, i64>,
    /// Runs that stand.
    runs: Vec<String>,
    /// How often each answer came: what was asked, status, code.
    answers: BTreeMap<(&'static str, u16, String), usize>,
}

impl Promised {
    fn moves(&mut self, activity: &str, cents: i64) {
        *self.worth.entry(activity.to_owned()).or_default() += cents;
    }

    fn sets_aside(&mut self, activity: &str, cents: i64) {
        *self.reserved.entry(activity.to_owned()).or_default() += cents;
    }

    fn made(&self, what: &str) -> usize {
        self.answers.iter().filter(|((name, status, _), _)| *name == what && *status < 300).map(|(_, n)| n).sum()
    }
}

/// What the sixteen share.
struct Mix<'a> {
    it: &'a Three,
    pools: Vec<String>,
    /// Invoices on their way to be credited in full: id and the member whose activity it is.
    doomed: Mutex<Vec<(String, usize)>>,
    promised: Mutex<Promised>,
    failed: Mutex<Vec<String>>,
    /// Who has not yet done what they have to do.
    busy: AtomicUsize,
}

impl Mix<'_> {
    /// Keeps an answer. One that is neither a success nor one of these refusals is a failure of the test.
    fn note(&self, what: &'static str, answer: &Answer, refusals: &[&str]) -> Option<Value> {
        let code = answer.code();
        let is_success = matches!(answer.status, 200 | 201);
        let is_refusal = answer.status == 409 && refusals.contains(&code.as_str());
        if !is_success && !is_refusal {
            let text = format!("{what}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
            self.failed.lock().unwrap().push(text);
        }
        *self.promised.lock().unwrap().answers.entry((what, answer.status, code)).or_default() += 1;
        is_success.then(|| answer.json())
    }

    fn member(&self, n: usize) -> &MemberCast {
        &self.it.members[n % self.it.members.len()]
    }

    /// Books runs, and every second one is taken back by somebody else.
    fn divide(&self, index: usize) {
        for turn in 0..TURNS {
            let pool = &self.pools[(index + turn) % self.pools.len()];
            let amount = 1_001 + i64::try_from(137 * turn + index).unwrap();
            let Some(run) = self.note("run", &self.it.run(pool, &json!({"amount": eur(amount)})), &[]) else {
                continue;
            };
            if turn % 2 == 0 {
                self.promised.lock().unwrap().runs.push(id_of(&run).to_owned());
                continue;
            }
            let path = format!("/v1/pool_runs/{}/reverse", id_of(&run));
            let reason = json!({"reason": "Divided too early"});
            self.note("reversal", &command(&self.it.second, &path, &run, &self.it.second.new_id(), &reason), &[]);
        }
    }

    /// Issues invoices with their levies; of three, one is credited in part and one in full, a turn later.
    fn invoice(&self, index: usize) {
        let reviewer = self.it.reviewer();
        let mut doomed = None;
        for turn in 0..TURNS {
            let member = self.member(index + turn);
            let submitted = self.it.app.stage.submitted_invoice(member, None, 3_333).unwrap();
            let issued = self.note("issue", &issue(reviewer, &submitted, &reviewer.new_id()), &[]);
            if let Some(invoice) = doomed.take() {
                self.credit(&invoice, json!({"full": true}));
            }
            let Some(issued) = issued else { continue };
            self.promised.lock().unwrap().moves(&member.activity_id, minor(&issued, "/to_activity"));
            match turn % 3 {
                1 => self.credit(&issued, json!({"lines": [{"n": 1, "net": eur(1_111)}]})),
                2 => {
                    self.doomed.lock().unwrap().push((id_of(&issued).to_owned(), index + turn));
                    doomed = Some(issued);
                }
                _ => {}
            }
        }
    }

    fn credit(&self, invoice: &Value, mut body: Value) {
        let reviewer = self.it.reviewer();
        body["id"] = json!(reviewer.new_id());
        body["reason"] = json!("Two plates too many");
        let path = format!("/v1/invoices/{}/credit_notes", id_of(invoice));
        if let Some(note) = self.note("credit note", &reviewer.post(&path, &body).unwrap(), &[]) {
            let share = minor(&note, "/from_activity/share");
            self.promised.lock().unwrap().moves(invoice["activity_id"].as_str().unwrap(), -share);
        }
    }

    /// Payouts are asked for, approved, cancelled.
    fn draw(&self, index: usize) {
        for turn in 0..2 * TURNS {
            let member = self.member(index + turn);
            let cents = 700 + i64::try_from(211 * turn + index).unwrap();
            let asked = member.client.post("/v1/payouts", &payout_body(member, cents)).unwrap();
            let Some(mut payout) = self.note("payout", &asked, &["insufficient_available"]) else { continue };
            self.promised.lock().unwrap().sets_aside(&member.activity_id, cents);
            let path = |verb: &str, payout: &Value| format!("/v1/payouts/{}/{verb}", id_of(payout));
            let change = |who: &Client, verb: &str, payout: &Value| {
                command(who, &path(verb, payout), payout, &who.new_id(), &json!({}))
            };
            if turn % 2 == 0 {
                let approved = change(self.it.reviewer(), "approve", &payout);
                payout = self.note("approval", &approved, &[]).unwrap_or(payout);
            }
            if turn % 3 > 0 && self.note("cancellation", &change(&member.client, "cancel", &payout), &[]).is_some() {
                self.promised.lock().unwrap().sets_aside(&member.activity_id, -cents);
            }
        }
    }

    /// Money goes round, in both directions; some of it still waits for an invoice that is being credited.
    fn transfer(&self, index: usize) {
        for turn in 0..2 * TURNS {
            let doomed = if turn % 2 == 0 { self.doomed.lock().unwrap().pop() } else { None };
            let step = if index.is_multiple_of(2) { 1 } else { self.it.members.len() - 1 };
            let (from, invoice) = match doomed {
                Some((invoice, member)) => (member, Some(invoice)),
                None => (index + turn, None),
            };
            let (from, to) = (self.member(from), self.member(from + step));
            let cents = 300 + i64::try_from(97 * turn + index).unwrap();
            let mut body = json!({"id": from.client.new_id(), "from_activity_id": from.activity_id,
                                  "to_activity_id": to.activity_id, "amount": eur(cents)});
            if let Some(invoice) = invoice {
                body["invoice_id"] = json!(invoice);
            }
            let what = if body["invoice_id"].is_null() { "transfer" } else { "transfer of what waits" };
            let made = from.client.post("/v1/transfers", &body).unwrap();
            if self.note(what, &made, &["insufficient_available", "insufficient_pending"]).is_some() {
                let mut promised = self.promised.lock().unwrap();
                promised.moves(&from.activity_id, -cents);
                promised.moves(&to.activity_id, cents);
            }
        }
    }

    /// Closes the months that are over, takes what is owed, proves the days: as often as somebody else is at work.
    fn run_calendar(&self) {
        while self.busy.load(Ordering::SeqCst) > 0 {
            if let Err(error) = self.it.app.stage.worker.run_calendar() {
                self.failed.lock().unwrap().push(format!("calendar: {error}: {error:?}"));
            }
        }
    }
}

/// Three members with four activities, money on each, four pools with costs; three months to close.
fn scene() -> (Three, Vec<String>) {
    let mut it = three([0; 3]);
    let administrator = &it.cast.staff.administrator;
    let today = it.app.stage.today();
    let rules = json!({
        "id": administrator.new_id(), "valid_from": today, "decided_on": today, "decision": "General assembly: a floor",
        "share_price": eur(3_000), "payment_terms_days": 30, "advance_working_days": 7, "client_limit": eur(50_000_000),
        "levies": [{"kind": "guarantee", "rate": "0.02"},
                   {"kind": "fee", "rate": "0.12", "fixed_per_month": eur(1_000), "floor_per_month": eur(4_000),
                    "cap_per_year": eur(840_000)}],
    });
    let path = format!("/v1/entities/{}/rule_sets", it.cast.entity_id);
    administrator.post(&path, &rules).unwrap().expect(201).unwrap();
    let fourth = another_activity(&it.members[0]);
    it.members.push(fourth);
    for member in it.members.clone() {
        paid(&it.app, &mut it.cast, &member, 35_000);
    }
    let fixed: Vec<Value> = (1..)
        .zip(&it.members)
        .map(|(weight, member)| json!({"activity_id": member.activity_id, "weight": weight.to_string()}))
        .collect();
    let hybrid = json!([{"basis": "equal", "share": "0.4"}, {"basis": "turnover", "share": "0.6"}]);
    let keys = [
        (whole("equal"), json!([])),
        (whole("turnover"), json!([])),
        (whole("fixed_shares"), json!(fixed)),
        (hybrid, json!([])),
    ];
    let pools: Vec<String> = keys.iter().map(|(parts, shares)| it.pool(&json!({}), parts, shares)).collect();
    for (n, pool) in pools.iter().enumerate() {
        it.join_all(pool);
        for part in 0..5 {
            it.cost(pool, &format!("F-{n}-{part}"), (20_003, 0, 0));
        }
    }
    // May is closed; June, July and August are over and wait.
    it.app.stage.days_pass(29).unwrap();
    it.app.stage.clock.advance(chrono::Duration::days(92));
    it.app.stage.office_returns(&mut it.cast, ADMIN).unwrap();
    it.second = it.app.stage.sign_in("second@ombelle.example").unwrap();
    for member in &mut it.members {
        member.client = it.app.stage.sign_in(&member.email).unwrap();
    }
    (it, pools)
}

/// Worth and what is set aside of an activity, as the books have it.
fn standing(it: &Three, activity: &str) -> (i64, i64) {
    let of =
        |column: &str| it.app.count(&format!("SELECT {column} FROM activity_balance WHERE activity_id = '{activity}'"));
    let owed = it.app.count(&format!(
        "SELECT coalesce(sum(amount_minor), 0) FROM posting WHERE account = 'activity_arrears' AND activity_id = '{activity}'"
    ));
    (of("pending_minor + available_minor + reserved_minor") - owed, of("reserved_minor"))
}

#[test]
fn runs_levies_payouts_and_transfers_mixed_by_sixteen_come_to_what_was_answered() {
    let (it, pools) = scene();
    let before: BTreeMap<String, (i64, i64)> =
        it.members.iter().map(|member| (member.activity_id.clone(), standing(&it, &member.activity_id))).collect();
    let (recovered, retries) = (booked(&it.app, "pool_recovery"), it.app.db.retries());
    let mix = Mix {
        it: &it,
        pools,
        doomed: Mutex::default(),
        promised: Mutex::default(),
        failed: Mutex::default(),
        busy: AtomicUsize::new(14),
    };
    let began = Instant::now();
    at_once(16, |index| {
        match index {
            0..=3 => mix.divide(index),
            4..=6 => mix.invoice(index),
            7..=10 => mix.draw(index),
            11..=13 => mix.transfer(index),
            _ => return mix.run_calendar(),
        }
        mix.busy.fetch_sub(1, Ordering::SeqCst);
    });
    let lasted = began.elapsed().as_millis();
    let retries = it.app.db.retries() - retries;
    let deadlocks = it.app.count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
    assert_eq!(mix.failed.into_inner().unwrap(), Vec::<String>::new(), "what nobody should see");
    it.app.stage.settle().unwrap();
    let promised = mix.promised.into_inner().unwrap();
    println!("mixed for {lasted} ms by 16: {retries} transactions tried again, {deadlocks} deadlocks resolved");
    for ((what, status, code), n) in &promised.answers {
        println!("{n:>5} {what}: {status} {code}");
    }
    for what in [
        "run",
        "reversal",
        "issue",
        "credit note",
        "payout",
        "approval",
        "cancellation",
        "transfer",
        "transfer of what waits",
    ] {
        assert!(promised.made(what) > 0, "no {what} in the mix: {:?}", promised.answers);
    }
    let short = promised.answers.keys().any(|(what, status, _)| *what == "payout" && *status == 409);
    let owing = "SELECT count(*) FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
        WHERE e.event = 'pool_allocated' AND p.account = 'activity_arrears'";
    assert!(short && it.app.count(owing) > 0, "money is so short that runs leave arrears: {:?}", promised.answers);
    assert_books(&it, &promised, &before, recovered);
    assert_eq!(deadlocks, 0, "everybody locks in one order");
}

/// The books are what was answered, and no balance was ever below its floor.
fn assert_books(it: &Three, promised: &Promised, before: &BTreeMap<String, (i64, i64)>, recovered: i64) {
    let mut borne: BTreeMap<String, i64> = BTreeMap::new();
    let mut divided = 0;
    for run in &promised.runs {
        let reviewer = it.reviewer();
        divided += minor(&reviewer.get(&format!("/v1/pool_runs/{run}")).unwrap().expect(200).unwrap(), "/amount");
        let parts = reviewer.get(&format!("/v1/pool_runs/{run}/parts")).unwrap().expect(200).unwrap();
        for part in parts["data"].as_array().unwrap() {
            *borne.entry(part["activity_id"].as_str().unwrap().to_owned()).or_default() += minor(part, "/amount");
        }
    }
    assert_eq!(borne.values().sum::<i64>(), divided, "parts are the whole");
    assert_eq!(booked(&it.app, "pool_recovery") - recovered, -divided);
    for member in &it.members {
        let activity = &member.activity_id;
        let charged = it.app.count(&format!(
            "SELECT coalesce(sum(amount_minor), 0) FROM levy_charge WHERE activity_id = '{activity}' \
             AND source_kind = 'period' AND charged_on > '2026-06-01'"
        ));
        assert_eq!(charged, MONTHS, "each month once");
        let (worth, reserved) = before[activity];
        let moved = promised.worth.get(activity).copied().unwrap_or_default();
        let bears = borne.get(activity).copied().unwrap_or_default();
        let set_aside = promised.reserved.get(activity).copied().unwrap_or_default();
        let expected = (worth + moved - bears - MONTHS, reserved + set_aside);
        assert_eq!(standing(it, activity), expected, "{activity}");
    }
    // Who takes holds the balance first, so the order of postings is the order in which money was there.
    let lowest = "SELECT coalesce(min(held), 0) FROM (SELECT -sum(amount_minor) OVER (PARTITION BY activity_id ORDER BY id) AS held \
        FROM posting WHERE account = 'funds.available') x";
    assert!(it.app.count(lowest) >= 0, "never below the floor");
}
