//! A bank that does with each transfer what chance says: it takes it, is late, says nothing, books it twice, refuses it or
//! gives it back, of a file some or all; and it repeats its files.
//!
//! Nothing knows before what the bank will do. After each step each transfer is in one file at most, nothing was sent
//! again but by two people, no money is between, and in the end everybody was paid once or has their money.
//!
//! 8 batches in every run; `UMBEL_BANK_BATCHES` asks for more, `UMBEL_BANK_SEED` for others.

use std::collections::BTreeMap;

use serde_json::json;
use umbel::demo::{Cast, MemberCast};
use umbel::kernel::money::Minor;

use super::batch_model::{Numbers, setting};
use super::batches::{approved, fund};
use super::concurrency::id_of;
use super::payout_results::{agree, later, message_of, name_of, payout, propose, report, sent};
use super::support::TestApp;

const HABITS: [&str; 7] = ["takes", "takes", "late", "silent", "double", "rejects", "returns"];

/// A transfer that left, and what the bank does with it.
#[derive(Debug, Clone)]
struct Transfer {
    id: String,
    name: String,
    cents: i64,
    habit: &'static str,
}

struct Bank {
    app: TestApp,
    cast: Cast,
    member: MemberCast,
    numbers: Numbers,
    funded: i64,
    /// How many were sent anew, by two people.
    anew: i64,
    steps: usize,
    counted: BTreeMap<&'static str, usize>,
}

impl Bank {
    fn sum(&self, column: &str) -> i64 {
        self.app.count(&format!(
            "SELECT {column}_minor FROM activity_balance WHERE activity_id = '{}'",
            self.member.activity_id
        ))
    }

    /// What holds at any moment.
    fn check(&mut self, at: &str) {
        self.steps += 1;
        let twice = "SELECT count(*) FROM (SELECT found.name FROM payout_batch b JOIN archived_file f ON f.id = b.file_id, \
            regexp_matches(convert_from(f.bytes, 'UTF8'), '<EndToEndId>([^<]+)', 'g') found (name) \
            WHERE b.state = 'released' GROUP BY 1 HAVING count(*) > 1) twice";
        assert_eq!(self.app.count(twice), 0, "{at}: each transfer is in one file");
        assert_eq!(
            self.app.count("SELECT count(*) FROM payout WHERE replaces_id IS NOT NULL"),
            self.anew,
            "{at}: nothing is sent again by itself"
        );
        let out = "SELECT coalesce(sum(amount_minor), 0) FROM payout WHERE state IN ('released', 'unknown', 'confirmed', 'settled')";
        let there = self.sum("available") + self.sum("reserved");
        assert_eq!(there + self.app.count(out), self.funded, "{at}: the money is there, set aside or out");
        assert_eq!(self.app.violations(), Vec::<String>::new(), "{at}");
    }

    /// Everything that was approved leaves, each with a habit of its own.
    fn send(&mut self, habits: &[&'static str]) -> (String, Vec<Transfer>) {
        let batch = sent(&self.app, &self.cast);
        let mut transfers = Vec::new();
        for item in batch["items"].as_array().unwrap() {
            let whole = payout(&self.cast, &json!({"id": item["payout_id"]}));
            let habit = habits[self.numbers.below(habits.len())];
            *self.counted.entry(habit).or_default() += 1;
            transfers.push(Transfer {
                id: id_of(&whole).to_owned(),
                name: name_of(&whole).to_owned(),
                cents: whole["amount"]["amount_minor"].as_i64().unwrap(),
                habit,
            });
        }
        (message_of(&self.cast, &batch), transfers)
    }

    /// The bank's answer: of some, of all that it refuses in one word, twice the same, or none but for what it refuses.
    fn answer(&mut self, round: usize, message: &str, transfers: &[Transfer]) {
        let refuses: Vec<&Transfer> = transfers.iter().filter(|it| it.habit == "rejects").collect();
        let all = refuses.len() == transfers.len();
        if refuses.is_empty() && self.numbers.below(2) == 0 {
            return;
        }
        let said: Vec<(&str, &str, &str)> = transfers
            .iter()
            .filter(|it| !matches!(it.habit, "silent" | "late"))
            .map(|it| {
                if it.habit == "rejects" { (it.name.as_str(), "RJCT", "AC04") } else { (it.name.as_str(), "ACSC", "") }
            })
            .collect();
        let text = match (all, refuses.is_empty()) {
            (true, _) => report(&format!("R{round}"), message, "RJCT", &[]),
            (false, true) => report(&format!("R{round}"), message, "ACSC", &said),
            (false, false) => report(&format!("R{round}"), message, "PART", &said),
        };
        *self.counted.entry(if all { "whole file" } else { "partial file" }).or_default() += 1;
        // The same once more, and in other words once more.
        let mut files = vec![text.clone()];
        if self.numbers.below(2) == 0 {
            files.push(text.clone());
            files.push(text.replace(&format!("R{round}<"), &format!("R{round}B<")));
        }
        for file in files {
            let reviewer = &self.cast.staff.reviewer;
            reviewer.upload("/v1/payment_reports", "application/xml", file.as_bytes()).unwrap().expect(201).unwrap();
        }
    }

    /// A statement of what the bank did, sometimes twice.
    fn state(&mut self) {
        let file = self.cast.bank.statement(self.app.stage.today(), self.app.stage.clock.now()).unwrap();
        let reviewer = self.cast.staff.reviewer.clone();
        let path = "/v1/bank_statements";
        reviewer.upload(path, "application/xml", &file).unwrap().expect(201).unwrap();
        if self.numbers.below(2) == 0 {
            let lines = "SELECT count(*) FROM bank_line";
            let before = self.app.count(lines);
            let again = reviewer.upload(path, "application/xml", &file).unwrap();
            assert!(again.status < 500, "{}", again.status);
            assert_eq!(self.app.count(lines), before, "a statement again changes nothing");
        }
        self.app.stage.settle().unwrap();
    }

    fn book(&mut self, transfers: &[Transfer], is_later: bool) {
        let today = self.app.stage.today();
        for it in transfers {
            let cents = Minor::new(it.cents);
            let times = match (it.habit, is_later) {
                ("takes" | "returns", false) | ("late", true) => 1,
                ("double", false) => 2,
                _ => 0,
            };
            for _ in 0..times {
                self.cast.bank.pays(cents, &it.name, today);
            }
            // Some come back with the same statement, others a week later.
            let is_back = it.habit == "returns" && is_later == (it.cents % 2 == 0);
            if is_back {
                self.cast.bank.returns(cents, &it.name, "AC04", today);
            }
        }
    }

    /// What people decide about what did not arrive.
    fn decide(&mut self, transfers: &[Transfer]) {
        for it in transfers {
            let of = json!({"id": it.id});
            let seen = payout(&self.cast, &of);
            let kind = match seen["state"].as_str().unwrap() {
                "rejected" => ["give_back", "resend"][self.numbers.below(2)],
                "unknown" if it.habit == "silent" => ["give_back", "resend", "confirm"][self.numbers.below(3)],
                _ => continue,
            };
            let proposed = propose(&self.cast, &of, kind).expect(201).unwrap();
            agree(&self.cast, &proposed);
            match kind {
                "resend" => self.anew += 1,
                // The bank had carried it out, and shows it now.
                "confirm" => self.cast.bank.pays(Minor::new(it.cents), &it.name, self.app.stage.today()),
                _ => {}
            }
            *self.counted.entry(kind).or_default() += 1;
            self.check(kind);
        }
    }

    fn round(&mut self, round: usize, habits: &[&'static str]) {
        let (message, transfers) = self.send(habits);
        self.check("sent");
        self.answer(round, &message, &transfers);
        self.check("answered");
        self.book(&transfers, false);
        self.state();
        self.check("stated");
        later(&self.app, &mut self.cast, &mut self.member, 7);
        for it in &transfers {
            let state = payout(&self.cast, &json!({"id": it.id}))["state"].clone();
            if matches!(it.habit, "silent" | "late") {
                assert_eq!(state, "unknown", "a person asks about {it:?}");
            }
        }
        self.check("a week later");
        self.decide(&transfers);
        self.book(&transfers, true);
        self.state();
        self.check("everything came");
    }
}

#[test]
fn whatever_a_bank_does_everybody_is_paid_once_or_has_their_money() {
    let batches = usize::try_from(setting("UMBEL_BANK_BATCHES", 8)).unwrap();
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    fund(&app, &mut cast, &member, 9_000_000);
    let numbers = Numbers(setting("UMBEL_BANK_SEED", 0xba2c));
    let mut bank = Bank { app, cast, member, numbers, funded: 0, anew: 0, steps: 0, counted: BTreeMap::new() };
    bank.funded = bank.sum("available");
    for round in 0..batches {
        for _ in 0..=bank.numbers.below(4) {
            let cents = 1_000 + i64::try_from(bank.numbers.below(9_000)).unwrap();
            approved(&bank.app, &bank.cast, &bank.member, cents);
        }
        bank.round(round, &HABITS);
    }
    // What was sent anew last arrives.
    if bank.app.count("SELECT count(*) FROM payout WHERE state = 'approved'") > 0 {
        bank.round(batches, &["takes"]);
    }
    assert_eq!(bank.sum("reserved"), 0);
    let paid = "SELECT coalesce(sum(amount_minor), 0) FROM payout WHERE state = 'settled'";
    assert_eq!(bank.sum("available") + bank.app.count(paid), bank.funded);
    // Of each wish, with all that was sent in its place: one payment, or the money is back.
    let wishes = "WITH RECURSIVE chain (root, id, state) AS ( \
            SELECT id, id, state FROM payout WHERE replaces_id IS NULL \
            UNION ALL SELECT c.root, p.id, p.state FROM payout p JOIN chain c ON p.replaces_id = c.id) \
        SELECT count(*) FROM (SELECT root, count(*) FILTER (WHERE state = 'settled') AS paid, \
            count(*) FILTER (WHERE state IN ('returned', 'given_back')) AS back, \
            count(*) FILTER (WHERE state NOT IN ('settled', 'returned', 'given_back', 'replaced')) AS other \
            FROM chain GROUP BY root) x WHERE paid + back <> 1 OR other <> 0";
    assert_eq!(bank.app.count(wishes), 0, "{:?}", states(&bank.app));
    let shown = "SELECT coalesce(sum(a), 0) FROM (SELECT -l.amount_minor AS a FROM bank_line l \
        WHERE l.matched_kind IN ('payout_settled', 'payout_returned')) x";
    assert_eq!(bank.app.count(shown), bank.app.count(paid), "what the bank shows is what they got");
    let found = HABITS.iter().filter(|habit| bank.counted.contains_key(*habit)).count();
    assert!(found == HABITS.len() || batches < 8, "{:?}", bank.counted);
    println!("{batches} batches, {} checks: {:?}", bank.steps, bank.counted);
}

fn states(app: &TestApp) -> Vec<(&'static str, i64)> {
    ["approved", "batched", "released", "unknown", "confirmed", "rejected"]
        .into_iter()
        .map(|state| (state, app.count(&format!("SELECT count(*) FROM payout WHERE state = '{state}'"))))
        .collect()
}
