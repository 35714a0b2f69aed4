//! What the office does in the year: rules, pools, collectives, credit notes, what is given up, the end of the year.

use serde_json::{Value, json};
use umbel::demo::MemberCast;

use super::{DEFAULTS, MONTHS, Owed, Year, cents, command, eur, text};
use crate::levies::minor;
use crate::shares::{close_month, close_year};

/// Three members who work together, the first of them for the others as well.
pub struct Collective {
    id: String,
    members: [usize; 3],
}

/// Per band from how many cents of the year's invoices, and the rate in parts of a hundred.
pub const BANDS: [(i64, i64); 3] = [(0, 8), (1_500_000, 7), (2_500_000, 6)];
/// At least so much a month.
pub const FLOOR: i64 = 2_500;
/// At most so much a year.
pub const CAP: i64 = 180_000;

impl Year {
    /// Bands with a floor and a cap, from the first day of the year. Advances know no multiple of the fund: which of those
    /// that eight people issue at once would wait for it is chance.
    pub fn vote_the_rules(&self) {
        let administrator = &self.cast.staff.administrator;
        let bands: Vec<Value> = BANDS
            .iter()
            .map(|(from, percent)| json!({"from": eur(*from), "rate": format!("0.{percent:02}")}))
            .collect();
        let rules = json!({
            "id": administrator.new_id(), "valid_from": "2027-01-01", "decided_on": "2026-12-21",
            "decision": "General assembly of 21 December 2026", "share_price": eur(3_000), "payment_terms_days": 30,
            "advance_working_days": 7, "client_limit": eur(1_000_000_000),
            "levies": [
                {"kind": "fee", "bands": bands, "floor_per_month": eur(FLOOR), "cap_per_year": eur(CAP)},
                {"kind": "guarantee", "rate": "0.02"},
            ],
        });
        let place = format!("/v1/entities/{}/rule_sets", self.cast.entity_id);
        administrator.post(&place, &rules).unwrap().expect(201).unwrap();
    }

    /// One divided equally, one by turnover, one by both days and turnover; members come and go.
    pub fn open_the_pools(&mut self) {
        let keys = [
            json!([{"basis": "equal", "share": "1"}]),
            json!([{"basis": "turnover", "share": "1"}]),
            json!([{"basis": "days_present", "share": "0.5"}, {"basis": "turnover", "share": "0.5"}]),
        ];
        for (n, parts) in keys.iter().enumerate() {
            let pool = self.open_pool(n, parts);
            let step = [5, 2, 4][n];
            for member in (0..self.size()).filter(|member| member % step == 0) {
                let late = n == 2 && member % 8 == 0;
                let from = if late { "2027-02-15" } else { "2027-01-01" };
                let activity = &self.people.members[member].activity;
                let reviewer = &self.cast.staff.reviewer;
                let body = json!({"id": reviewer.new_id(), "activity_id": activity, "in_from": from});
                reviewer.post(&format!("/v1/pools/{pool}/memberships"), &body).unwrap().expect(201).unwrap();
            }
            self.pools.push(pool);
        }
    }

    fn open_pool(&self, n: usize, parts: &Value) -> String {
        let reviewer = &self.cast.staff.reviewer;
        self.tick();
        let id = reviewer.new_id();
        let body = json!({
            "id": id, "entity_id": self.cast.entity_id, "name": format!("Pool {n}"), "purpose": "What we share",
            "budget": eur(0), "overfunding": "refund", "deficit": "charge_next_run", "unit": "hours",
        });
        let proposed = reviewer.post("/v1/pools", &body).unwrap().expect(201).unwrap();
        let decision = json!({"decision": "General assembly of 21 December 2026", "decided_on": "2026-12-21"});
        command(&self.cast.staff.administrator, &format!("/v1/pools/{id}/open"), &proposed, &decision);
        let key = json!({"id": reviewer.new_id(), "valid_from": "2027-01-01", "decision": "The same", "parts": parts, "shares": []});
        reviewer.post(&format!("/v1/pools/{id}/keys"), &key).unwrap().expect(201).unwrap();
        id
    }

    pub fn found_the_collectives(&mut self) {
        for (first, kind) in [(0, "percent"), (3, "equal")] {
            let members = [first, first + 1, first + 2];
            let [manager, others @ ..] =
                members.map(|member| self.people.cast(&self.app, &self.people.members[member]));
            self.tick();
            let id = manager.client.new_id();
            let body =
                json!({"id": id, "name": "Les Ombelles", "is_collective": true, "receives_on": manager.activity_id});
            manager.client.post("/v1/activities", &body).unwrap().expect(201).unwrap();
            for other in &others {
                crate::collectives::join(&self.app, &manager.client, &id, other);
            }
            let of =
                |(member, share): (&usize, &str)| json!({"member_id": self.people.members[*member].id, "share": share});
            let percent: Vec<Value> = members.iter().zip(["0.5", "0.3", "0.2"]).map(of).collect();
            let parts = if kind == "percent" { percent } else { Vec::new() };
            let rule = json!({"id": manager.client.new_id(), "kind": kind, "valid_from": self.app.stage.today(), "parts": parts});
            manager.client.post(&format!("/v1/activities/{id}/split_rules"), &rule).unwrap().expect(201).unwrap();
            self.collectives.push(Collective { id, members });
        }
    }

    /// Once a quarter each collective invoices and divides what waits for the client.
    pub fn together(&mut self, month: u32) {
        if month % 3 != 2 {
            return;
        }
        for n in 0..self.collectives.len() {
            let Collective { id, members } = &self.collectives[n];
            let manager = self.people.cast(&self.app, &self.people.members[members[0]]);
            let together = MemberCast { activity_id: id.clone(), ..manager };
            let net = 123_457 + 1_001 * i64::from(month);
            let order = super::order_of(&self.app, &together, net);
            self.settle();
            super::confirm(&self.app, &self.links()[&together.client_email]);
            let submitted = self.app.stage.submitted_invoice(&together, Some(&order), 0).unwrap();
            let invoiced = self.app.stage.issue(&self.cast.staff.reviewer, &submitted).unwrap();
            self.settle();
            let split = json!({"id": together.client.new_id(), "invoice_id": invoiced.id});
            together.client.post(&format!("/v1/activities/{id}/splits"), &split).unwrap().expect(201).unwrap();
            let (reference, gross) = (invoiced.reference, invoiced.gross);
            self.owed.push(Owed { id: invoiced.id, reference, gross, pays_in: 30, defaults: false });
        }
    }

    /// The first days of a month: the month before is closed, every quarter the pools are divided, in autumn it is
    /// known who will never pay.
    pub fn office_opens_the_month(&mut self, month: u32) {
        match month {
            1 => {
                close_year(&self.cast, 2026);
                close_month(&self.cast, "2026-12");
            }
            _ => close_month(&self.cast, &format!("2027-{:02}", month - 1)),
        }
        match month {
            4 => self.divide("2027-01-01", "2027-03-31", false),
            5 => self.doomed_invoices((0..DEFAULTS).filter(|n| n % 2 == 0)),
            6 => self.doomed_invoices((0..DEFAULTS).filter(|n| n % 2 == 1)),
            7 => self.divide("2027-04-01", "2027-06-30", true),
            9 => self.give_up(),
            10 => self.divide("2027-07-01", "2027-09-30", false),
            11 | 12 => self.draw(),
            _ => {}
        }
    }

    /// A supplier's bill for each pool, and the pools divided over a quarter.
    fn divide(&self, from: &str, to: &str, again: bool) {
        let (reviewer, second) = (&self.cast.staff.reviewer, &self.second);
        let members = i64::try_from(self.size()).unwrap();
        for (n, pool) in self.pools.iter().enumerate() {
            let net = members * [997, 1_499, 731][n];
            let vat = umbel::kernel::money::Minor::new(net).share(umbel::kernel::money::Ppm(210_000)).unwrap().get();
            self.tick();
            let body = json!({
                "id": reviewer.new_id(), "supplier": "Supplier", "reference": format!("{n}/{to}"), "invoiced_on": to,
                "description": "A quarter", "net": eur(net), "vat": eur(vat), "recoverable_vat": eur(vat), "pool_id": pool,
            });
            let cost = reviewer.post("/v1/costs", &body).unwrap().expect(201).unwrap();
            command(second, &format!("/v1/costs/{}/approve", text(&cost, "id")), &cost, &json!({}));
            self.tick();
            let place = format!("/v1/pools/{pool}/runs");
            let mut body = json!({"id": reviewer.new_id(), "from_on": from, "to_on": to});
            let run = reviewer.post(&place, &body).unwrap().expect(201).unwrap();
            assert_eq!(minor(&run, "/amount"), net);
            if again && n == 1 {
                let path = format!("/v1/pool_runs/{}/reverse", text(&run, "id"));
                command(second, &path, &run, &json!({"reason": "One turnover was wrong"}));
                self.tick();
                body["id"] = json!(reviewer.new_id());
                reviewer.post(&place, &body).unwrap().expect(201).unwrap();
            }
        }
    }

    /// Of the invoices that are still owed, one is given back whole and one in part.
    pub fn credit_some(&mut self) {
        let reviewer = &self.cast.staff.reviewer;
        let mut open = (0..self.owed.len()).rev().filter(|n| !self.owed[*n].defaults);
        let (whole, part) = (open.next().unwrap(), open.next().unwrap());
        let credit = |invoice: &str, what: Value| {
            self.tick();
            let mut body = json!({"id": reviewer.new_id(), "reason": "Less was needed"});
            body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
            reviewer.post(&format!("/v1/invoices/{invoice}/credit_notes"), &body).unwrap().expect(201).unwrap()
        };
        let line = json!({"lines": [{"n": 1, "net": eur(4_321)}]});
        let less = cents(&credit(&self.owed[part].id, line), "/total_gross");
        credit(&self.owed[whole].id, json!({"full": true}));
        self.owed[part].gross -= less.abs();
        self.owed.remove(whole);
    }

    /// All twenty are given up on one day: by one person proposed, by another approved.
    fn give_up(&mut self) {
        let doomed: Vec<Owed> = self.owed.iter().filter(|owed| owed.defaults).cloned().collect();
        assert_eq!(doomed.len(), DEFAULTS);
        for owed in &doomed {
            self.tick();
            let proposed = crate::guarantee::propose(&self.cast.staff.reviewer, &owed.id).expect(201).unwrap();
            command(
                &self.cast.staff.approver,
                &format!("/v1/write_offs/{}/approve", text(&proposed, "id")),
                &proposed,
                &json!({}),
            );
        }
        self.owed.retain(|owed| !owed.defaults);
        self.settle();
        self.say("twenty clients are bankrupt");
        self.draw();
    }

    /// What the fund has goes to the claims that wait, in proportion.
    fn draw(&self) {
        let approver = &self.cast.staff.approver;
        self.tick();
        let body = json!({"id": approver.new_id(), "entity_id": self.cast.entity_id});
        let answer = approver.post("/v1/guarantee/draw_runs", &body).unwrap();
        if answer.status == 409 {
            assert_eq!(answer.code(), "nothing_to_draw");
            return;
        }
        let run = answer.expect(201).unwrap();
        let [fund, claimed, paid, short] = ["/fund", "/claimed", "/paid", "/short_of"].map(|part| cents(&run, part));
        assert_eq!((paid, short), (fund.min(claimed), (claimed - fund).max(0)), "{run}");
        self.say(&format!("the fund pays {paid} of {claimed}"));
    }

    /// January: the last clients pay, the books are closed, the surplus is divided, the fund pays once more.
    pub fn ends(&mut self) {
        for day in ["2028-01-10", "2028-01-31", "2028-02-28", "2028-03-20"] {
            self.go_to(day);
            self.clients_pay(40);
            if day == "2028-01-10" {
                close_month(&self.cast, "2027-12");
                self.divide("2027-10-01", "2027-12-31", false);
            }
        }
        assert!(self.owed.is_empty());
        let result = cents(&close_year(&self.cast, 2027), "/result");
        let steps = json!([
            {"kind": "legal_reserve", "rate": "0.05"}, {"kind": "indivisible_reserve", "rate": "0.25"},
            {"kind": "guarantee_fund", "rate": "0.3"}, {"kind": "patronage", "key": "fees", "rate": "0.3"},
            {"kind": "patronage", "key": "equal", "rate": "0.1"},
        ]);
        let administrator = &self.cast.staff.administrator;
        let body = json!({
            "id": administrator.new_id(), "entity_id": self.cast.entity_id, "year": 2027, "decision": "General assembly",
            "decided_on": "2028-03-20", "steps": steps,
        });
        let proposal = administrator.post("/v1/appropriations", &body).unwrap().expect(201).unwrap();
        let path = format!("/v1/appropriations/{}/approve", text(&proposal, "id"));
        let approved = command(&self.cast.staff.approver, &path, &proposal, &json!({}));
        assert_eq!((cents(&approved, "/result"), cents(&approved, "/rest")), (result, 0));
        let given: i64 = approved["steps"].as_array().unwrap().iter().map(|step| cents(step, "/amount")).sum();
        assert_eq!(given, cents(&approved, "/surplus"));
        self.settle();
        self.draw();
        self.settle();
        let invoices = self.app.count("SELECT count(*) FROM invoice WHERE state = 'issued' AND kind = 'invoice'");
        assert!(invoices >= i64::try_from(self.size()).unwrap() * MONTHS, "{invoices} invoices");
        self.say("the year is closed");
    }
}
