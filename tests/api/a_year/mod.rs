//! A year of a mutual, from its first invoices to the division of its surplus, through the API.
//!
//! Every member invoices each month, clients pay late or never, the guarantee advances, three pools are divided, two
//! collectives share what they earned, members are paid. Twenty clients go bankrupt at once, and the fund is too small
//! for them. The members and the amounts are the same in every run.
//!
//! `UMBEL_YEAR_MEMBERS` says how many members there are, 40 unless told. The journal goes to the folder
//! `UMBEL_YEAR_OUT`, for the programs that judge journals.

mod office;
mod people;
mod sums;

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::Duration;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::demo::{Cast, Client, MemberCast, text_of};
use umbel::kernel::money::Minor;
use umbel::kernel::roles::Role;
use umbel::platform::clock::Clock;
use umbel::platform::faults::Faults;

use super::support::{ADMIN, OUR_IBAN, TestApp, TestDatabase};
use people::{People, Person};

/// Invoices of each member.
const MONTHS: i64 = 12;
/// Clients who never pay.
const DEFAULTS: usize = 20;

/// Numbers that look like chance and are the same in every run (xorshift64*, Vigna 2016).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> i64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        i64::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit).unwrap()
    }
}

/// An invoice to be made.
#[derive(Clone)]
struct Plan {
    member: usize,
    net: i64,
    has_order: bool,
    pays_in: i64,
    defaults: bool,
}

/// An invoice whose client will pay, or will not.
#[derive(Clone)]
struct Owed {
    id: String,
    reference: String,
    gross: i64,
    pays_in: i64,
    defaults: bool,
}

struct Year {
    app: TestApp,
    cast: Cast,
    people: People,
    chance: Chance,
    owed: Vec<Owed>,
    pools: Vec<String>,
    collectives: Vec<office::Collective>,
    /// Approves what the reviewer brings in.
    second: Client,
    began: Instant,
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
        let second = super::costs::second_reviewer(&app, &cast);
        let (owed, pools, collectives) = (Vec::new(), Vec::new(), Vec::new());
        let began = Instant::now();
        let mut year = Self { app, cast, people, chance: Chance(0x5EED), owed, pools, collectives, second, began };
        year.vote_the_rules();
        year.open_the_pools();
        year.found_the_collectives();
        year.app.database.owner().batch_execute(ONLY_ORDERS_ARE_MAILED).unwrap();
        year.say("the mutual stands");
        year
    }

    fn say(&self, what: &str) {
        println!("{:>5} s  {}  {what}", self.began.elapsed().as_secs(), self.app.stage.today());
    }

    fn size(&self) -> usize {
        self.people.members.len()
    }

    /// Days pass; the office signs in again, the worker does what fell due.
    fn go_to(&mut self, day: &str) {
        let now = self.app.stage.clock.now();
        let then = format!("{day}T08:00:00Z").parse().unwrap();
        assert!(then > now, "{day} is in the past");
        self.app.stage.clock.set(then);
        self.app.stage.office_returns(&mut self.cast, ADMIN).unwrap();
        self.second = self.app.stage.sign_in("second@ombelle.example").unwrap();
        self.app.database.owner().batch_execute("ANALYZE").unwrap();
        self.settle();
    }

    fn settle(&self) {
        self.app.stage.settle().unwrap();
    }

    /// Ids follow the clock, which stands still: what comes later gets the greater id.
    fn tick(&self) {
        self.app.stage.clock.advance(Duration::milliseconds(1));
    }

    /// Some members invoice; fifteen of a hundred have an order that the client confirmed.
    fn invoices(&mut self, members: impl Iterator<Item = usize>) {
        let chance = &mut self.chance;
        let plan: Vec<Plan> = members
            .map(|member| Plan {
                member,
                has_order: chance.below(100) < 15,
                net: 20_000 + chance.below(380_000),
                pays_in: 10 + chance.below(60),
                defaults: false,
            })
            .collect();
        let issued = self.issue(&plan);
        self.owed.extend(issued);
    }

    /// Work for clients who will go bankrupt. A fiftieth of the year's turnover stands with each of them.
    fn doomed_invoices(&mut self, members: impl Iterator<Item = usize>) {
        let net = 8_000 * i64::try_from(self.size()).unwrap();
        let plan: Vec<Plan> =
            members.map(|member| Plan { member, net, has_order: true, pays_in: 0, defaults: true }).collect();
        let issued = self.issue(&plan);
        self.owed.extend(issued);
    }

    /// Everybody in `plan`, by eight people at once; clients confirm their orders by the links of their mails.
    fn issue(&self, plan: &[Plan]) -> Vec<Owed> {
        let (app, cast, people) = (&self.app, &self.cast, &self.people);
        let orders = in_parallel(plan, |each| each.has_order.then(|| send_order(app, people, each)));
        self.settle();
        let links = self.links();
        let planned: Vec<_> = plan.iter().zip(&orders).collect();
        let done = in_parallel(&planned, |(each, order)| {
            let who = people.cast(app, &people.members[each.member]);
            if order.is_some() {
                confirm(app, &links[&who.client_email]);
            }
            let submitted = app.stage.submitted_invoice(&who, order.as_deref(), each.net).unwrap();
            let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
            let Plan { pays_in, defaults, .. } = **each;
            Owed { id: invoiced.id, reference: invoiced.reference, gross: invoiced.gross, pays_in, defaults }
        });
        self.settle();
        done
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
        let imported = self.app.stage.import(&mut self.cast).unwrap();
        assert_eq!(imported["suspense"], 0, "{imported}");
    }

    /// Some members ask for half of what they have, in full tens; one batch pays them all.
    fn payday(&mut self, members: impl Iterator<Item = usize>) {
        let reviewer = &self.cast.staff.reviewer;
        let mut asked = Vec::new();
        for member in members {
            let person = &self.people.members[member];
            let device = self.people.device(&self.app, person);
            let seen = device.get(&format!("/v1/activities/{}", person.activity)).unwrap().expect(200).unwrap();
            let cents = seen["available"]["amount_minor"].as_i64().unwrap() / 2_000 * 1_000;
            if cents < 10_000 {
                continue;
            }
            self.tick();
            let body = json!({"id": device.new_id(), "activity_id": person.activity, "amount": eur(cents)});
            let payout = device.post("/v1/payouts", &body).unwrap().expect(201).unwrap();
            command(reviewer, &format!("/v1/payouts/{}/approve", text(&payout, "id")), &payout, &json!({}));
            asked.push((text(&payout, "end_to_end_id"), cents));
        }
        if asked.is_empty() {
            return;
        }
        let batch = json!({"id": reviewer.new_id(), "entity_id": self.cast.entity_id});
        let built = reviewer.post("/v1/payout_batches", &batch).unwrap().expect(201).unwrap();
        let path = format!("/v1/payout_batches/{}/seal", text(&built, "id"));
        let sealed = command(reviewer, &path, &built, &json!({}));
        self.app.stage.release(&self.cast.staff.approver, &sealed).unwrap();
        let today = self.app.stage.today();
        for (end_to_end, cents) in asked {
            self.cast.bank.pays(Minor::new(cents), &end_to_end, today);
        }
    }

    /// Every member invoices once, a quarter of them each week.
    fn month(&mut self, month: u32) {
        let members = self.size();
        for (week, day) in [5, 12, 19, 26].into_iter().enumerate() {
            self.go_to(&format!("2027-{month:02}-{day:02}"));
            self.clients_pay(7);
            if week == 0 {
                self.office_opens_the_month(month);
            }
            self.invoices((0..members).filter(|member| member % 4 == week));
            match week {
                1 => self.credit_some(),
                2 => self.together(month),
                _ => {}
            }
        }
        self.payday((0..members).filter(|member| member % 4 == usize::try_from(month % 4).unwrap()));
        self.say("a month is done");
    }
}

/// The other mails are shown elsewhere; here six thousand PDFs would only take their time.
const ONLY_ORDERS_ARE_MAILED: &str = "
CREATE FUNCTION skip_mail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION mail_alone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.topic := 'letter';
    NEW.payload := jsonb_build_object('job', 'letter') || (NEW.payload -> 'letter');
    RETURN NEW;
END $$;
CREATE TRIGGER mail_alone BEFORE INSERT ON outbox FOR EACH ROW WHEN (NEW.topic = 'send_order') EXECUTE FUNCTION mail_alone();
CREATE TRIGGER skip_mail BEFORE INSERT ON outbox FOR EACH ROW
    WHEN (NEW.topic IN ('send_invoice', 'send_credit_note')
          OR NEW.topic = 'letter' AND NEW.payload -> 'letter' ->> 'kind' <> 'order_to_client')
    EXECUTE FUNCTION skip_mail();";

fn eur(cents: i64) -> Value {
    json!({"amount_minor": cents, "currency": "EUR"})
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

fn cents(value: &Value, pointer: &str) -> i64 {
    let at = value.pointer(&format!("{pointer}/amount_minor"));
    at.and_then(Value::as_i64).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

/// A command on what was just seen.
fn command(client: &Client, path: &str, seen: &Value, body: &Value) -> Value {
    client.change(path, seen["version"].as_i64().unwrap(), body).unwrap().expect(200).unwrap()
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

fn send_order(app: &TestApp, people: &People, each: &Plan) -> String {
    order_of(app, &people.cast(app, &people.members[each.member]), each.net)
}

fn order_of(app: &TestApp, who: &MemberCast, net: i64) -> String {
    let (id, today) = (who.client.new_id(), app.stage.today());
    let order = json!({
        "id": id, "activity_id": who.activity_id, "client_id": who.client_id, "title": "Work", "description": "As agreed.",
        "work_ends_on": today, "valid_until": today + chrono::Days::new(60),
        "lines": [{"label": "Work", "quantity": "1", "unit_price": eur(net)}],
    });
    let seen = who.client.post("/v1/orders", &order).unwrap().expect(201).unwrap();
    command(&who.client, &format!("/v1/orders/{id}/send"), &seen, &json!({}));
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
    let members = std::env::var("UMBEL_YEAR_MEMBERS").map_or(40, |n| n.parse().unwrap());
    let mut year = Year::begin(members);
    for month in 1..=12 {
        year.month(month);
    }
    year.ends();
    year.adds_up();
    if let Ok(folder) = std::env::var("UMBEL_YEAR_OUT") {
        year.exports(std::path::Path::new(&folder));
    }
    let told = year.told();
    println!("{told}");
    // The two sizes that are kept; with others only the relations are checked.
    if members == 40 || members == 500 {
        insta::assert_snapshot!(format!("a_year_of_{members}_members"), told);
    }
}
