//! A year of a mutual of five hundred members, from January to the division of its surplus, through the API.
//!
//! Every month members invoice, clients pay late, the guarantee advances, pools are divided, members are paid; twenty
//! clients go bankrupt and the fund is too small for all of them at once. At the end every invariant holds, and the
//! journal is written to `UMBEL_YEAR_OUT` for the outside programs that check journals.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::float_arithmetic,
    reason = "a test"
)]

mod people;
#[path = "../api/support/mod.rs"]
#[allow(dead_code, reason = "written for all tests of the API")]
mod support;

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};
use support::{ADMIN, OUR_IBAN, TestApp, TestDatabase};
use umbel::demo::{Cast, text_of};
use umbel::kernel::money::Minor;
use umbel::kernel::roles::Role;
use umbel::platform::clock::Clock;
use umbel::platform::faults::Faults;

use people::{People, Person};

/// Numbers that look like chance and are the same in every run (xorshift64*, Vigna 2016).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }
}

/// An invoice to be made.
struct Plan {
    member: usize,
    net: i64,
    has_order: bool,
    pays_in: i64,
    defaults: bool,
}

/// An invoice whose client will pay, or will not.
struct Owed {
    id: String,
    reference: String,
    gross: i64,
    member: usize,
    pays_in: i64,
    defaults: bool,
}

struct Year {
    app: TestApp,
    cast: Cast,
    people: People,
    chance: Chance,
    owed: Vec<Owed>,
    began: Instant,
}

/// Members, and invoices of each in the year.
fn size() -> (usize, usize) {
    let members = std::env::var("UMBEL_YEAR_MEMBERS").ok().and_then(|n| n.parse().ok()).unwrap_or(500);
    (members, 12)
}

impl Year {
    /// The mutual and its members in the last days of the year before.
    fn begin(members: usize) -> Self {
        let clock = Clock::simulated("2026-12-21T08:00:00Z".parse().unwrap());
        let app = TestApp::on(TestDatabase::new(), clock, Faults::default());
        app.insert_person(ADMIN.0, ADMIN.1, &[Role::Administrator]);
        let administrator = app.stage.visitor().sign_in(ADMIN.0, ADMIN.1).unwrap();
        let mut cast = app.stage.found_mutual(administrator, OUR_IBAN, 50_000_000).unwrap();
        let people = people::enrol(&app, &mut cast, members);
        let year = Self { app, cast, people, chance: Chance(0x5EED), owed: Vec::new(), began: Instant::now() };
        year.say("members are enrolled");
        year
    }

    fn say(&self, what: &str) {
        println!("{:>5} s  {}  {what}", self.began.elapsed().as_secs(), self.app.stage.today());
    }

    /// Days pass; the office signs in again, the worker does what fell due.
    fn go_to(&mut self, day: &str) {
        let now = self.app.stage.clock.now();
        let then = format!("{day}T08:00:00Z").parse().unwrap();
        assert!(then > now, "{day} is in the past");
        self.app.stage.clock.set(then);
        self.app.stage.office_returns(&mut self.cast, ADMIN).unwrap();
        self.settle();
    }

    /// The files and mails of invoices are shown elsewhere; here they would only take the time of six thousand PDFs.
    fn settle(&self) {
        use diesel::connection::SimpleConnection;
        let skip = "ANALYZE; DELETE FROM outbox WHERE done_at IS NULL AND dedup_key LIKE 'send_invoice:%'";
        self.app.database.owner().batch_execute(skip).unwrap();
        self.app.stage.settle().unwrap();
    }

    /// A share of the members invoice. `covered` of a hundred have an order that the client confirmed.
    fn invoices(&mut self, members: impl Iterator<Item = usize>, covered: u64) {
        let chance = &mut self.chance;
        let plan: Vec<Plan> = members
            .map(|member| Plan {
                member,
                has_order: chance.below(100) < covered,
                net: 20_000 + chance.below(380_000) as i64,
                pays_in: 10 + chance.below(60) as i64,
                defaults: false,
            })
            .collect();
        self.issue(&plan);
    }

    /// Everybody in `plan`, by eight people at once; clients confirm their orders by the links of their mails.
    fn issue(&mut self, plan: &[Plan]) {
        let (app, cast, people) = (&self.app, &self.cast, &self.people);
        let orders = in_parallel(plan, |each| each.has_order.then(|| send_order(app, people, each)));
        self.settle();
        self.say("ordered");
        let links = self.links();
        let planned: Vec<_> = plan.iter().zip(&orders).collect();
        let done = in_parallel(&planned, |(each, order)| {
            if order.is_some() {
                confirm(app, &links[&client_address(&people.members[each.member])]);
            }
            issue_one(app, cast, people, each, order.as_deref())
        });
        self.owed.extend(done);
        self.say("issued before settle");
        self.settle();
    }

    /// The newest link in the mails to each client.
    fn links(&self) -> BTreeMap<String, String> {
        let mails = self.app.stage.mails.messages();
        mails.iter().filter_map(|mail| Some((mail.to.first()?.clone(), order_link(&text_of(&mail.raw))?))).collect()
    }

    /// The bank's file of today: clients whose day has come, and what was paid out.
    fn clients_pay(&mut self, days: i64) {
        let today = self.app.stage.today();
        let mut still = Vec::new();
        for mut owed in std::mem::take(&mut self.owed) {
            owed.pays_in -= days;
            if owed.defaults || owed.pays_in > 0 {
                still.push(owed);
            } else {
                self.cast.bank.receives(Minor::new(owed.gross), &owed.reference, "Client", today);
            }
        }
        self.owed = still;
        let file = self.cast.bank.statement(today, self.app.stage.clock.now()).unwrap();
        self.cast.staff.reviewer.upload("/v1/bank_statements", "application/xml", &file).unwrap().expect(201).unwrap();
        self.settle();
    }

    /// Some members ask for what they have; one batch pays them all.
    fn payday(&mut self, members: impl Iterator<Item = usize>) {
        let reviewer = &self.cast.staff.reviewer;
        let mut asked = Vec::new();
        for member in members {
            let person = &self.people.members[member];
            let device = self.people.device(&self.app, person);
            let seen = device.get(&format!("/v1/activities/{}", person.activity)).unwrap().expect(200).unwrap();
            let available = available(&seen);
            if available < 10_000 {
                continue;
            }
            let body = json!({"id": device.new_id(), "activity_id": person.activity, "amount": {"amount_minor": available / 2, "currency": "EUR"}});
            let payout = device.post("/v1/payouts", &body).unwrap().expect(201).unwrap();
            let path = format!("/v1/payouts/{}/approve", payout["id"].as_str().unwrap());
            reviewer.change(&path, payout["version"].as_i64().unwrap(), &json!({})).unwrap().expect(200).unwrap();
            asked.push((payout["end_to_end_id"].as_str().unwrap().to_owned(), available / 2));
        }
        if asked.is_empty() {
            return;
        }
        let batch = json!({"id": reviewer.new_id(), "entity_id": self.cast.entity_id});
        let built = reviewer.post("/v1/payout_batches", &batch).unwrap().expect(201).unwrap();
        let path = format!("/v1/payout_batches/{}/seal", built["id"].as_str().unwrap());
        let sealed =
            reviewer.change(&path, built["version"].as_i64().unwrap(), &json!({})).unwrap().expect(200).unwrap();
        self.app.stage.release(&self.cast.staff.approver, &sealed).unwrap();
        let today = self.app.stage.today();
        for (end_to_end, amount) in asked {
            self.cast.bank.pays(Minor::new(amount), &end_to_end, today);
        }
    }
}

fn available(activity: &Value) -> i64 {
    activity["available"]["amount_minor"].as_i64().unwrap_or_else(|| panic!("{activity}"))
}

fn in_parallel<T: Sync, R: Send>(all: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let each = &each;
    std::thread::scope(|scope| {
        let parts: Vec<_> = all
            .chunks(all.len().div_ceil(8).max(1))
            .map(|chunk| scope.spawn(move || chunk.iter().map(each).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

fn issue_one(app: &TestApp, cast: &Cast, people: &People, each: &Plan, order: Option<&str>) -> Owed {
    let who = people.cast(app, &people.members[each.member]);
    let submitted = app.stage.submitted_invoice(&who, order, each.net).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    let Plan { member, pays_in, defaults, .. } = *each;
    Owed { id: invoiced.id, reference: invoiced.reference, gross: invoiced.gross, member, pays_in, defaults }
}

fn send_order(app: &TestApp, people: &People, each: &Plan) -> String {
    let who = people.cast(app, &people.members[each.member]);
    let (id, today) = (who.client.new_id(), app.stage.today());
    let order = json!({
        "id": id, "activity_id": who.activity_id, "client_id": who.client_id, "title": "Work", "description": "As agreed.",
        "work_ends_on": today, "valid_until": today + chrono::Days::new(60),
        "lines": [{"label": "Work", "quantity": "1", "unit_price": {"amount_minor": each.net, "currency": "EUR"}}],
    });
    let seen = who.client.post("/v1/orders", &order).unwrap().expect(201).unwrap();
    let version = seen["version"].as_i64().unwrap();
    who.client.change(&format!("/v1/orders/{id}/send"), version, &json!({})).unwrap().expect(200).unwrap();
    id
}

fn client_address(person: &Person) -> String {
    format!("invoices+{}@client.example", person.id)
}

/// The token of the link to an order in a mail.
fn order_link(text: &str) -> Option<String> {
    let rest = text.split("/o/").nth(1)?;
    Some(rest.chars().take_while(|c| !c.is_whitespace()).collect())
}

fn confirm(app: &TestApp, token: &str) {
    let client = app.visitor();
    let offer = client.get(&format!("/v1/order_links/{token}")).unwrap().expect(200).unwrap();
    let answer = json!({"document_sha256": offer["document_sha256"], "signer_name": "A Client"});
    client.post(&format!("/v1/order_links/{token}/confirm"), &answer).unwrap().expect(200).unwrap();
}

#[test]
fn a_year_of_a_mutual_balances_to_the_cent() {
    let (members, _) = size();
    let mut year = Year::begin(members);
    for month in 1..=12 {
        for (week, day) in [5, 12, 19, 26].into_iter().enumerate() {
            year.go_to(&format!("2027-{month:02}-{day:02}"));
            year.say("gone");
            year.clients_pay(7);
            year.say("paid");
            year.invoices((0..members).filter(move |member| member % 4 == week), 15);
            year.say("issued");
            if week == 3 {
                year.payday((0..members).filter(move |member| member % 12 == month % 12));
            }
        }
        year.say("a month is done");
    }
}
