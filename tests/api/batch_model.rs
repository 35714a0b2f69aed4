//! Generated sequences of batch commands, over HTTP, beside a model of a few lines that says what must be answered.
//!
//! 40 sequences in every run; `UMBEL_BATCH_SEQUENCES` asks for more, `UMBEL_BATCH_SEED` for others.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use umbel::demo::{Client, MemberCast};

use super::batches::{approved, fund};
use super::support::{ADMIN, TestApp};

/// Numbers that repeat from their seed (splitmix64).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }
}

pub(super) fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What the model knows of the one batch that is at hand.
struct Model {
    state: &'static str,
    builder: usize,
    sealer: Option<usize>,
    approvals: BTreeSet<usize>,
    /// What is in it: whose, and how much.
    items: Vec<(usize, i64)>,
}

/// From this total on two people are needed.
const TWO_FROM: i64 = 3_000;

impl Model {
    fn needed(&self) -> usize {
        if self.items.iter().map(|(_, cents)| cents).sum::<i64>() >= TWO_FROM { 2 } else { 1 }
    }

    fn is_paid(&self, who: usize) -> bool {
        self.items.iter().any(|(payee, _)| *payee == who)
    }

    fn seal(&mut self, who: usize) -> bool {
        let allowed = self.state == "open" && !self.items.is_empty() && !self.is_paid(who);
        if allowed {
            (self.state, self.sealer) = ("sealed", Some(who));
        }
        allowed
    }

    fn unseal(&mut self) -> bool {
        let allowed = matches!(self.state, "sealed" | "approved");
        if allowed {
            (self.state, self.sealer) = ("open", None);
            self.approvals.clear();
        }
        allowed
    }

    fn remove(&mut self) -> bool {
        let allowed = self.state == "open" && !self.items.is_empty();
        if allowed {
            self.items.remove(0);
        }
        allowed
    }

    fn dissolve(&mut self) -> bool {
        let allowed = self.state == "open";
        if allowed {
            self.state = "dissolved";
            self.items.clear();
        }
        allowed
    }

    fn approve(&mut self, who: usize) -> bool {
        let apart = who != self.builder && Some(who) != self.sealer && !self.is_paid(who) && who != RITA;
        let allowed = self.state == "sealed" && apart && !self.approvals.contains(&who);
        if allowed {
            self.approvals.insert(who);
            if self.approvals.len() >= self.needed() {
                self.state = "approved";
            }
        }
        allowed
    }

    fn release(&mut self, who: usize) -> bool {
        let allowed = self.state == "approved" && !self.is_paid(who);
        if allowed {
            self.state = "released";
        }
        allowed
    }
}

/// Reviews, and verified where everybody is paid.
const RITA: usize = 0;
/// Reviews, approves and releases.
const ROB: usize = 1;
/// Approve and release.
const PAUL: usize = 2;
const PIA: usize = 3;
/// A member who approves and releases too.
const AWA: usize = 4;

fn sign_in(app: &TestApp) -> [Client; 5] {
    let emails = ["reviewer", "rob", "approver", "pia"].map(|name| format!("{name}@ombelle.example"));
    let [rita, rob, paul, pia] = emails.map(|email| app.stage.sign_in(&email).unwrap());
    [rita, rob, paul, pia, app.stage.sign_in("awa@member.example").unwrap()]
}

pub(super) fn grant(app: &TestApp, administrator: &Client, to: &Client, role: &str) {
    let grant = json!({"id": administrator.new_id(), "role": role, "valid_from": app.stage.clock.now().date_naive()});
    let path = format!("/v1/people/{}/role_grants", to.person_id.as_deref().unwrap());
    administrator.post(&path, &grant).unwrap().expect(201).unwrap();
}

#[test]
fn no_sequence_of_commands_releases_without_enough_others_pays_oneself_or_keeps_approvals_over_a_change() {
    let sequences = setting("UMBEL_BATCH_SEQUENCES", 40);
    let seed = setting("UMBEL_BATCH_SEED", 0x5eed);
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    let bo = app.another_member(&mut cast);
    fund(&app, &mut cast, &awa, 4_000_000);
    fund(&app, &mut cast, &bo, 4_000_000);
    let administrator = cast.staff.administrator.clone();
    let rob = app.stage.hire(&administrator, "rob@ombelle.example", "Rob Both", "reviewer").unwrap();
    grant(&app, &administrator, &rob, "payout_approver");
    app.stage.hire(&administrator, "pia@ombelle.example", "Pia Payer", "payout_approver").unwrap();
    grant(&app, &administrator, &awa.client, "payout_approver");
    let two = json!({"id": administrator.new_id(), "from_amount": {"amount_minor": TWO_FROM, "currency": "EUR"}, "approvers": 2,
                     "valid_from": app.stage.today()});
    let place = format!("/v1/entities/{}/approval_amounts", cast.entity_id);
    administrator.post(&place, &two).unwrap().expect(201).unwrap();
    let mut people = sign_in(&app);
    let (mut released, mut allowed, mut refused) = (0, 0, 0);
    for sequence in 0..sequences {
        let mut numbers = Numbers(seed.wrapping_add(sequence.wrapping_mul(0x1234_5678_9abc)));
        if sequence % 20 == 19 {
            // Tokens live for ten minutes, and every sequence takes a few seconds of the story.
            app.stage.clock.advance(chrono::Duration::minutes(11));
            app.stage.office_returns(&mut cast, ADMIN).unwrap();
            people = sign_in(&app);
        }
        let members = [
            MemberCast { client: people[AWA].clone(), ..awa.clone() },
            MemberCast { client: app.stage.sign_in(&bo.email).unwrap(), ..bo.clone() },
        ];
        // What the sequence before left is taken out of the way.
        let free = "SELECT count(*) FROM payout WHERE state = 'approved'";
        if app.count(free) > 0 {
            let rest = json!({"id": people[RITA].new_id(), "entity_id": cast.entity_id});
            people[RITA].post("/v1/payout_batches", &rest).unwrap().expect(201).unwrap();
        }
        let mut items = Vec::new();
        for _ in 0..=numbers.below(2) {
            let whose = numbers.below(3).min(1);
            let cents = [500, 1_400, 2_600][numbers.below(3)];
            approved(&app, &cast, &members[whose], cents);
            items.push((if whose == 0 { AWA } else { 5 }, cents));
        }
        let builder = [RITA, ROB][numbers.below(2)];
        let body = json!({"id": people[builder].new_id(), "entity_id": cast.entity_id});
        let mut seen = people[builder].post("/v1/payout_batches", &body).unwrap().expect(201).unwrap();
        // In the order of the file, whatever the clock made of the ids.
        items = seen["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                let is_awa = item["member_id"].as_str() == people[AWA].person_id.as_deref();
                (if is_awa { AWA } else { 5 }, item["amount"]["amount_minor"].as_i64().unwrap())
            })
            .collect();
        let mut model = Model { state: "open", builder, sealer: None, approvals: BTreeSet::new(), items };
        for step in 0..6 + numbers.below(10) {
            let told = || format!("sequence {sequence} of seed {seed}, step {step}");
            let (who, verb, may) = command(&mut numbers, &mut model);
            let answer = ask(&app, &people[who], &seen, verb);
            assert_eq!(answer.status == 200, may, "{}: {verb} by {who}: {} {}", told(), answer.status, answer.code());
            assert!(answer.status < 500, "{}: {verb}: {}", told(), answer.status);
            if answer.status == 200 {
                allowed += 1;
                seen = answer.json();
            } else {
                refused += 1;
                // A dead end is left, so that sequences reach the end more often.
            }
            assert_eq!(seen["state"], model.state, "{}: {verb} by {who}", told());
            let counted = seen["approvals"].as_array().unwrap().iter().filter(|it| it["counts"] == true).count();
            assert_eq!(counted, model.approvals.len(), "{}: a change voids every approval", told());
        }
        if model.state == "released" {
            released += 1;
            let mut hands = model.approvals.clone();
            hands.insert(model.builder);
            assert!(hands.len() > model.needed(), "sequence {sequence}: {hands:?}");
            assert!(model.approvals.iter().all(|who| !model.is_paid(*who)));
        }
    }
    println!("{sequences} sequences: {allowed} commands done, {refused} refused, {released} batches released");
    assert!(
        released * 10 > sequences && refused > allowed / 4,
        "{released} released, {allowed} done, {refused} refused"
    );
}

fn command(numbers: &mut Numbers, model: &mut Model) -> (usize, &'static str, bool) {
    let approvers = [ROB, PAUL, PIA, AWA];
    match numbers.below(12) {
        0 => (RITA, "remove_payout", model.remove()),
        1 => (ROB, "unseal", model.unseal()),
        2 if numbers.below(3) == 0 => (RITA, "dissolve", model.dissolve()),
        2..=4 => {
            let who = [RITA, ROB][numbers.below(2)];
            (who, "seal", model.seal(who))
        }
        5..=8 => {
            let who = approvers[numbers.below(4)];
            (who, "approve", model.approve(who))
        }
        _ => {
            let who = approvers[numbers.below(4)];
            (who, "release", model.release(who))
        }
    }
}

fn ask(app: &TestApp, who: &Client, seen: &Value, verb: &str) -> umbel::demo::Answer {
    let sha256 = seen["content_sha256"].as_str().map_or_else(|| "0".repeat(64), str::to_owned);
    let body = match verb {
        "remove_payout" => json!({"payout_id": seen["items"][0]["payout_id"].as_str().unwrap_or(&who.new_id())}),
        "approve" => {
            // Whoever may not open the flags of their own payout may not approve it either.
            let _refused = app.stage.open_flags(who, seen["id"].as_str().unwrap());
            let total = if seen["total"].is_null() { &seen["items_total"] } else { &seen["total"] };
            json!({"content_sha256": sha256, "total": total, "payout_count": seen["payout_count"].as_i64().unwrap_or(0),
                   "second_factor": app.prove_at_once(who, "approve_batch", &sha256)})
        }
        "release" => json!({"second_factor": app.prove_at_once(who, "release_batch", &sha256)}),
        _ => json!({}),
    };
    let path = format!("/v1/payout_batches/{}/{verb}", seen["id"].as_str().unwrap());
    who.change(&path, seen["version"].as_i64().unwrap(), &body).unwrap()
}
