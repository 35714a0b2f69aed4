//! Pools divided by every key, to the cent, with the worked numbers that the algorithms are specified by.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client, MemberCast};
use umbel::platform::faults::Faults;

use super::costs::{available, booked, cost_body, eur, paid, second_reviewer};
use super::support::{IBANS, TestApp};

/// A mutual with three members who have money, in the order of their activities' ids.
pub struct Three {
    pub app: TestApp,
    pub cast: Cast,
    /// Approves and takes back what the reviewer hands in and books.
    pub second: Client,
    pub members: Vec<MemberCast>,
}

/// Three members, each with 92.50 a hundred invoiced; an amount of zero is not invoiced.
pub fn three(nets: [i64; 3]) -> Three {
    three_with(nets, Faults::default())
}

/// The same with something broken on purpose.
pub fn three_with(nets: [i64; 3], faults: Faults) -> Three {
    let app = TestApp::start_with(faults);
    let (mut cast, awa) = app.with_member();
    let bo = app.another_member(&mut cast);
    let cy = app.stage.enrol(&mut cast, "cy@member.example", "Cy Vos", IBANS[2]).unwrap();
    let mut members = vec![awa, bo, cy];
    members.sort_by(|a, b| a.activity_id.cmp(&b.activity_id));
    for (member, net) in members.iter().zip(nets).filter(|(_, net)| *net > 0) {
        paid(&app, &mut cast, member, net);
    }
    let second = second_reviewer(&app, &cast);
    Three { app, cast, second, members }
}

impl Three {
    pub fn reviewer(&self) -> &Client {
        &self.cast.staff.reviewer
    }

    /// A pool that is open, with a key from the first of the month on. Answers its id.
    pub fn pool(&self, changes: &Value, parts: &Value, shares: &Value) -> String {
        let reviewer = self.reviewer();
        let id = reviewer.new_id();
        let mut body = json!({
            "id": id, "entity_id": self.cast.entity_id, "name": format!("Studio {id}"), "purpose": "A place to work",
            "budget": eur(0), "overfunding": "refund", "deficit": "charge_next_run", "unit": "hours",
        });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let proposed = reviewer.post("/v1/pools", &body).unwrap().expect(201).unwrap();
        let decision = json!({"decision": "General assembly of 2 May 2026", "decided_on": "2026-05-02"});
        let version = proposed["version"].as_i64().unwrap();
        self.cast
            .staff
            .administrator
            .change(&format!("/v1/pools/{id}/open"), version, &decision)
            .unwrap()
            .expect(200)
            .unwrap();
        let key = json!({"id": reviewer.new_id(), "valid_from": "2026-05-01", "decision": "The same", "parts": parts, "shares": shares});
        reviewer.post(&format!("/v1/pools/{id}/keys"), &key).unwrap().expect(201).unwrap();
        id
    }

    /// Lets a member's activity in from a day on.
    pub fn join(&self, pool: &str, member: &MemberCast, from: &str) {
        let reviewer = self.reviewer();
        let body = json!({"id": reviewer.new_id(), "activity_id": member.activity_id, "in_from": from});
        reviewer.post(&format!("/v1/pools/{pool}/memberships"), &body).unwrap().expect(201).unwrap();
    }

    pub fn join_all(&self, pool: &str) {
        for member in &self.members {
            self.join(pool, member, "2026-05-01");
        }
    }

    /// A cost of the pool, approved by another person. Answers it.
    pub fn cost(&self, pool: &str, reference: &str, amounts: (i64, i64, i64)) -> Value {
        let body = cost_body(self.reviewer(), &json!({"pool_id": pool}), reference, amounts);
        let cost = self.reviewer().post("/v1/costs", &body).unwrap().expect(201).unwrap();
        let path = format!("/v1/costs/{}/approve", cost["id"].as_str().unwrap());
        self.second.change(&path, 1, &json!({})).unwrap().expect(200).unwrap()
    }

    pub fn run_body(&self, changes: &Value) -> Value {
        let mut body = json!({"id": self.reviewer().new_id(), "from_on": "2026-05-01", "to_on": "2026-05-31"});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    }

    pub fn run(&self, pool: &str, changes: &Value) -> Answer {
        self.reviewer().post(&format!("/v1/pools/{pool}/runs"), &self.run_body(changes)).unwrap()
    }

    pub fn available(&self) -> Vec<i64> {
        self.members.iter().map(|member| available(&self.app, &member.activity_id)).collect()
    }

    /// What each member bears of a run, by activity.
    pub fn parts(&self, run: &Value) -> Vec<i64> {
        let path = format!("/v1/pool_runs/{}/parts", run["id"].as_str().unwrap());
        let page = self.members[0].client.get(&path).unwrap().expect(200).unwrap();
        page["data"].as_array().unwrap().iter().map(|part| part["amount"]["amount_minor"].as_i64().unwrap()).collect()
    }
}

pub fn whole(basis: &str) -> Value {
    json!([{"basis": basis, "share": "1"}])
}

pub fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

#[test]
fn equally_100_among_three_is_33_34_and_twice_33_33_previewed_booked_and_taken_back() {
    let it = three([100_000; 3]);
    let pool = it.pool(&json!({}), &whole("equal"), &json!([]));
    it.join_all(&pool);
    let cost = it.cost(&pool, "F-1", (9_000, 1_890, 890));
    assert_eq!(cost["charged"], eur(10_000), "net of the VAT that comes back");
    assert_eq!((booked(&it.app, "pool_cost"), booked(&it.app, "vat_input")), (10_000, 890));

    let body = it.run_body(&json!({}));
    let preview =
        it.reviewer().post(&format!("/v1/pools/{pool}/runs?dry_run=true"), &body).unwrap().expect(201).unwrap();
    let parts = preview["parts"].as_array().unwrap();
    let cents: Vec<_> =
        parts.iter().map(|part| (&part["amount"]["amount_minor"], &part["splits"][0]["has_missing_cent"])).collect();
    assert_eq!(cents, [(&json!(3_334), &json!(true)), (&json!(3_333), &json!(false)), (&json!(3_333), &json!(false))]);
    assert_eq!(parts[0]["splits"][0]["floor"], eur(3_333));
    assert_eq!((&parts[0]["splits"][0]["remainder"], &preview["splits"][0]["weight_sum"]), (&json!(1), &json!(3)));
    assert_eq!(it.app.count("SELECT count(*) FROM pool_run"), 0, "a preview books nothing");
    assert_eq!(it.available(), [92_500; 3]);

    let run = it.reviewer().post(&format!("/v1/pools/{pool}/runs"), &body).unwrap().expect(201).unwrap();
    assert_eq!((&run["amount"], &run["arrears"]), (&eur(10_000), &eur(0)));
    assert_eq!(it.parts(&run), [3_334, 3_333, 3_333]);
    assert_eq!(it.available(), [89_166, 89_167, 89_167]);
    assert_eq!(booked(&it.app, "pool_recovery"), -10_000);
    assert_eq!(code(&it.run(&pool, &json!({}))), (409, "pool_nothing_to_divide".to_owned()));

    // Each member sees their own line of the entry, and the whole account.
    let member = &it.members[1];
    let mine = member.client.get(&format!("/v1/pools/{pool}/my_parts")).unwrap().expect(200).unwrap();
    assert_eq!((&mine["data"][0]["amount"], &mine["data"][0]["total"]), (&eur(3_333), &eur(10_000)));
    let postings = member.client.get(&format!("/v1/activities/{}/postings", member.activity_id)).unwrap().json();
    assert_eq!(
        (&postings["data"][0]["event"], &postings["data"][0]["amount"]),
        (&json!("pool_allocated"), &eur(-3_333))
    );
    let account = member.client.get(&format!("/v1/pools/{pool}/account")).unwrap().expect(200).unwrap();
    assert_eq!((&account["spent"], &account["collected"], &account["balance"]), (&eur(10_000), &eur(10_000), &eur(0)));
    assert_eq!(account["costs"].as_array().unwrap().len(), 1);
    let borne = member.client.get(&format!("/v1/pools/{pool}/account/activities")).unwrap().json();
    let names: Vec<&Value> = borne["data"].as_array().unwrap().iter().map(|row| &row["member_name"]).collect();
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|name| name.is_string()), "{borne}");

    let path = format!("/v1/pool_runs/{}/reverse", run["id"].as_str().unwrap());
    let version = run["version"].as_i64().unwrap();
    let own = it.reviewer().change(&path, version, &json!({"reason": "Wrong key"})).unwrap();
    assert_eq!(code(&own), (403, "self_approval_forbidden".to_owned()));
    assert_eq!(it.second.change(&path, version, &json!({"reason": ""})).unwrap().status, 422);
    let reversed = it.second.change(&path, version, &json!({"reason": "Wrong key"})).unwrap().expect(200).unwrap();
    assert_eq!((&reversed["state"], &reversed["reason"]), (&json!("reversed"), &json!("Wrong key")));
    assert_eq!(it.available(), [92_500; 3], "every balance as it was");
    assert_eq!(booked(&it.app, "pool_recovery"), 0);
    let twice = it.second.change(&path, reversed["version"].as_i64().unwrap(), &json!({"reason": "Again"})).unwrap();
    assert_eq!(code(&twice), (409, "state_conflict".to_owned()));
    let again = it.run(&pool, &json!({})).expect(201).unwrap();
    assert_eq!(it.parts(&again), [3_334, 3_333, 3_333], "its costs may be divided again, and come out the same");
}

#[test]
fn by_turnover_1000_among_12000_7500_and_3100() {
    let it = three([1_200_000, 750_000, 310_000]);
    let pool = it.pool(&json!({}), &whole("turnover"), &json!([]));
    it.join_all(&pool);
    it.cost(&pool, "F-1", (100_000, 0, 0));
    let run = it.run(&pool, &json!({})).expect(201).unwrap();
    assert_eq!(run["splits"][0]["weight_sum"], 2_260_000);
    assert_eq!(it.parts(&run), [53_097, 33_186, 13_717]);
}

#[test]
fn by_usage_250_among_120_45_and_7_hours_recorded_and_imported() {
    let it = three([100_000; 3]);
    let pool = it.pool(&json!({}), &whole("usage"), &json!([]));
    it.join_all(&pool);
    it.cost(&pool, "F-1", (25_000, 0, 0));
    assert_eq!(code(&it.run(&pool, &json!({}))), (409, "pool_weights_zero".to_owned()), "nobody used anything");
    let place = format!("/v1/pools/{pool}/usage");
    let [a, b, c] = [&it.members[0], &it.members[1], &it.members[2]];
    let used = |of: &MemberCast, by: &Client, quantity: &str, day: &str| {
        let body = json!({"id": by.new_id(), "activity_id": of.activity_id, "used_on": day, "quantity": quantity});
        by.post(&place, &body).unwrap()
    };
    used(c, &c.client, "7", "2026-05-04").expect(201).unwrap();
    for wrong in ["-1", "0", "1.00001", "many"] {
        assert_eq!(used(c, &c.client, wrong, "2026-05-04").json()["errors"][0]["pointer"], "/quantity", "{wrong}");
    }
    assert_eq!(used(c, &c.client, "1", "2026-05-05").status, 422, "tomorrow");
    assert_eq!(used(c, &c.client, "1", "2026-04-30").code(), "pool_not_in");
    assert_eq!(used(a, &c.client, "1", "2026-05-04").json()["errors"][0]["pointer"], "/activity_id", "somebody else's");

    let import = |csv: &str| {
        it.reviewer().upload(&format!("/v1/pools/{pool}/usage_imports"), "text/csv", csv.as_bytes()).unwrap()
    };
    let (a, b) = (&a.activity_id, &b.activity_id);
    let foreign = it.reviewer().new_id();
    let wrong = import(&format!(
        "activity_id,used_on,quantity,external_ref\n{a},2026-05-02,100,m-1\n{a},2026-05-03,-20,m-2\n{foreign},2026-05-03,1,m-3\n\
         {b},2026-06-03,1,m-4\n{b},someday,1,m-5\n{b},2026-05-03,1,m-1\n"
    ));
    let pointers: Vec<String> = wrong.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(wrong.code(), "import_lines_invalid");
    let expected =
        ["/lines/3/quantity", "/lines/4/activity_id", "/lines/5/used_on", "/lines/6/used_on", "/lines/7/external_ref"];
    assert_eq!(pointers, expected);
    assert_eq!(it.app.count("SELECT count(*) FROM pool_usage"), 1, "all or nothing");
    let right = format!(
        "activity_id,used_on,quantity,external_ref\n{a},2026-05-02,100,m-1\n{a},2026-05-03,20.0,m-2\n{b},2026-05-03,45,m-3\n"
    );
    assert_eq!(import(&right).expect(200).unwrap(), json!({"imported": 3, "skipped": 0}));
    let more = format!("{right}{b},2026-05-03,0.0001,m-4\n");
    assert_eq!(import(&right).expect(200).unwrap(), json!({"imported": 0, "skipped": 3}), "the same file again");
    let other = more.replace(",45,", ",46,");
    assert_eq!(import(&other).json()["errors"][0]["pointer"], "/lines/4/external_ref");
    assert_eq!(it.app.count("SELECT count(*) FROM pool_usage"), 4);

    let run = it.run(&pool, &json!({})).expect(201).unwrap();
    assert_eq!(it.parts(&run), [17_442, 6_541, 1_017]);
    assert_eq!(used(c, &c.client, "1", "2026-05-04").code(), "pool_period_booked");
}

#[test]
fn by_days_present_900_among_31_31_and_16_days() {
    let it = three([100_000; 3]);
    let pool = it.pool(&json!({}), &whole("days_present"), &json!([]));
    it.join(&pool, &it.members[0], "2026-05-01");
    it.join(&pool, &it.members[1], "2026-05-01");
    it.join(&pool, &it.members[2], "2026-05-16");
    it.cost(&pool, "F-1", (90_000, 0, 0));
    let run = it.run(&pool, &json!({})).expect(201).unwrap();
    assert_eq!(run["splits"][0]["weight_sum"], 78);
    assert_eq!(it.parts(&run), [35_769, 35_769, 18_462], "the missing cent goes to the largest fraction");
}

#[test]
fn a_hybrid_is_two_divisions_each_rounded_by_itself() {
    let it = three([1_200_000, 750_000, 310_000]);
    let parts = json!([{"basis": "equal", "share": "0.4"}, {"basis": "turnover", "share": "0.6"}]);
    let pool = it.pool(&json!({}), &parts, &json!([]));
    it.join_all(&pool);
    it.cost(&pool, "F-1", (100_000, 0, 0));
    let run = it.run(&pool, &json!({})).expect(201).unwrap();
    let amounts: Vec<&Value> = run["splits"].as_array().unwrap().iter().map(|split| &split["amount"]).collect();
    assert_eq!(amounts, [&eur(40_000), &eur(60_000)]);
    // 400.00 / 3 = 133.34, 133.33, 133.33; 600.00 by turnover = 318.58, 199.12, 82.30.
    assert_eq!(it.parts(&run), [13_334 + 31_858, 13_333 + 19_912, 13_333 + 8_230]);
    let path = format!("/v1/pool_runs/{}/parts", run["id"].as_str().unwrap());
    let shown = it.reviewer().get(&path).unwrap().json();
    let splits: Vec<&Value> =
        shown["data"][0]["splits"].as_array().unwrap().iter().map(|split| &split["amount"]).collect();
    assert_eq!(splits, [&eur(13_334), &eur(31_858)]);
}

#[test]
fn fixed_shares_and_seats_of_a_contract() {
    let it = three([100_000; 3]);
    let [a, b, c] = [0, 1, 2].map(|index: usize| it.members[index].activity_id.clone());
    let shares = json!([{"activity_id": a, "weight": "2"}, {"activity_id": b, "weight": "0.5"}, {"activity_id": c, "weight": "0.5"}]);
    let pool = it.pool(&json!({}), &whole("fixed_shares"), &shares);
    it.join_all(&pool);
    it.cost(&pool, "F-1", (9_000, 0, 0));
    assert_eq!(it.parts(&it.run(&pool, &json!({})).expect(201).unwrap()), [6_000, 1_500, 1_500]);

    // Licences for 12.00 a seat and month: two seats, one seat, and one seat for the last ten days of the month.
    let pool = it.pool(&json!({}), &whole("seats"), &json!([]));
    it.join_all(&pool);
    let reviewer = it.reviewer();
    let contract = json!({"id": reviewer.new_id(), "supplier": "Vector AG", "reference": "C-7", "seat_month": eur(1_200), "valid_from": "2026-05-01"});
    let place = format!("/v1/pools/{pool}/contracts");
    reviewer.post(&place, &contract).unwrap().expect(201).unwrap();
    let mut second = contract.clone();
    second["id"] = json!(reviewer.new_id());
    assert_eq!(code(&reviewer.post(&place, &second).unwrap()), (409, "pool_contract_overlaps".to_owned()));
    let seats = |activity: &str, seats: i64, from: &str| {
        let body = json!({"id": reviewer.new_id(), "contract_id": contract["id"], "activity_id": activity, "seats": seats, "from_on": from});
        reviewer.post(&format!("/v1/pools/{pool}/seats"), &body).unwrap()
    };
    seats(&a, 2, "2026-05-01").expect(201).unwrap();
    seats(&b, 1, "2026-05-01").expect(201).unwrap();
    seats(&c, 1, "2026-05-22").expect(201).unwrap();
    assert_eq!(seats(&c, 0, "2026-05-01").json()["errors"][0]["pointer"], "/seats");
    assert_eq!(seats(&c, 1, "2026-04-01").json()["errors"][0]["pointer"], "/from_on");
    assert_eq!(seats(&a, 1, "2026-05-10").code(), "pool_seats_overlap");
    it.cost(&pool, "F-2", (3_600, 756, 756));
    let run = it.run(&pool, &json!({})).expect(201).unwrap();
    assert_eq!(run["splits"][0]["weight_sum"], 62 + 31 + 10, "seats times days");
    // 36.00 by 62, 31 and 10 of 103: 2,166.99, 1,083.50, 349.51 cents.
    assert_eq!(it.parts(&run), [2_167, 1_083, 350]);
    let end = json!({"contract_id": contract["id"], "activity_id": a, "until_on": "2026-05-20"});
    let refused = reviewer
        .command("POST", &format!("/v1/pools/{pool}/end_seats"), &[("Idempotency-Key", &reviewer.new_id())], &end)
        .unwrap();
    assert_eq!(refused.code(), "pool_period_booked");
}

#[test]
fn keys_that_do_not_sum_and_activities_of_others_are_refused() {
    let it = three([0; 3]);
    let pool = it.pool(&json!({}), &whole("equal"), &json!([]));
    let reviewer = it.reviewer();
    let add = |parts: Value, shares: Value, from: &str| {
        let key =
            json!({"id": reviewer.new_id(), "valid_from": from, "decision": "x", "parts": parts, "shares": shares});
        reviewer.post(&format!("/v1/pools/{pool}/keys"), &key).unwrap()
    };
    let pointers = |answer: &Answer| answer.json()["errors"][0].clone();
    let short = json!([{"basis": "equal", "share": "0.4"}, {"basis": "turnover", "share": "0.59"}]);
    assert_eq!(pointers(&add(short, json!([]), "2026-06-01")), json!({"pointer": "/parts", "code": "split_not_exact"}));
    let three_parts = json!([{"basis": "equal", "share": "0.4"}, {"basis": "turnover", "share": "0.3"}, {"basis": "usage", "share": "0.3"}]);
    assert_eq!(pointers(&add(three_parts, json!([]), "2026-06-01"))["pointer"], "/parts");
    let foreign = json!([{"activity_id": reviewer.new_id(), "weight": "1"}]);
    assert_eq!(pointers(&add(whole("fixed_shares"), foreign, "2026-06-01"))["pointer"], "/shares/0/activity_id");
    assert_eq!(
        code(&add(whole("usage"), json!([]), "2026-05-01")),
        (409, "not_unique".to_owned()),
        "a day has one key"
    );
    add(whole("usage"), json!([]), "2026-06-01").expect(201).unwrap();

    // An activity of another entity, and one of somebody else.
    let another = json!({
        "id": reviewer.new_id(), "name": "Autre", "legal_form": "SC", "enterprise_number": "0403019261", "vat_number": "BE0403019261",
        "register": "RPM", "zone": "Europe/Brussels", "email": "autre@ombelle.example",
        "address": {"street": "Rue", "building_number": "1", "postcode": "1000", "town": "Bruxelles", "country": "BE"},
    });
    it.cast.staff.administrator.post("/v1/entities", &another).unwrap().expect(201).unwrap();
    let member = &it.members[0];
    let moved = format!(
        "UPDATE activity SET entity_id = '{}' WHERE id = '{}'",
        another["id"].as_str().unwrap(),
        member.activity_id
    );
    it.app.database.owner().batch_execute(&moved).unwrap();
    let join = |by: &Client| {
        let body = json!({"id": by.new_id(), "activity_id": member.activity_id, "in_from": "2026-05-04"});
        by.post(&format!("/v1/pools/{pool}/memberships"), &body).unwrap().json()["errors"][0].clone()
    };
    assert_eq!(join(reviewer), json!({"pointer": "/activity_id", "code": "not_allowed"}));
    assert_eq!(join(&member.client), json!({"pointer": "/activity_id", "code": "not_allowed"}));
    assert_eq!(it.app.count("SELECT count(*) FROM pool_membership"), 0);
    let back = format!("UPDATE activity SET entity_id = '{}' WHERE id = '{}'", it.cast.entity_id, member.activity_id);
    it.app.database.owner().batch_execute(&back).unwrap();
}

#[test]
fn who_is_in_is_decided_day_by_day_and_divided_days_stay_as_they_are() {
    let it = three([100_000; 3]);
    let pool = it.pool(&json!({}), &whole("equal"), &json!([]));
    let [a, b, c] = [&it.members[0], &it.members[1], &it.members[2]];
    let place = format!("/v1/pools/{pool}/memberships");
    let join = |by: &Client, of: &MemberCast, from: &str| {
        by.post(&place, &json!({"id": by.new_id(), "activity_id": of.activity_id, "in_from": from})).unwrap()
    };
    let leave = |by: &Client, of: &MemberCast, from: &str| {
        let body = json!({"activity_id": of.activity_id, "out_from": from});
        by.command("POST", &format!("/v1/pools/{pool}/leave"), &[("Idempotency-Key", &by.new_id())], &body).unwrap()
    };
    assert_eq!(
        join(&a.client, a, "2026-05-03").json()["errors"][0]["pointer"],
        "/in_from",
        "members choose from today on"
    );
    join(&a.client, a, "2026-05-04").expect(201).unwrap();
    assert_eq!(join(&a.client, b, "2026-05-04").json()["errors"][0]["pointer"], "/activity_id");
    assert_eq!(code(&join(&a.client, a, "2026-05-20")), (409, "pool_already_in".to_owned()));
    join(it.reviewer(), b, "2026-05-01").expect(201).unwrap();
    // Who is not in reads that the pool is there, and not its account.
    assert_eq!(c.client.get(&format!("/v1/pools/{pool}")).unwrap().status, 200);
    for path in ["account", "account/activities", "memberships", "usage", "seats"] {
        assert_eq!(c.client.get(&format!("/v1/pools/{pool}/{path}")).unwrap().status, 404, "{path}");
    }
    it.cost(&pool, "F-1", (1_001, 0, 0));
    let run = it.run(&pool, &json!({"to_on": "2026-05-10"})).expect(201).unwrap();
    assert_eq!(it.app.count("SELECT count(*) FROM pool_run_part"), 2);
    assert_eq!(c.client.get(&format!("/v1/pool_runs/{}/parts", run["id"].as_str().unwrap())).unwrap().status, 404);
    assert_eq!(join(it.reviewer(), c, "2026-05-10").code(), "pool_period_booked");
    assert_eq!(leave(it.reviewer(), b, "2026-05-10").code(), "pool_period_booked");
    assert_eq!(leave(&a.client, b, "2026-05-11").json()["errors"][0]["pointer"], "/activity_id");
    assert_eq!(leave(it.reviewer(), c, "2026-05-20").code(), "pool_not_in");
    leave(&b.client, b, "2026-05-11").expect(200).unwrap();
    join(&c.client, c, "2026-05-11").expect(201).unwrap();
    it.cost(&pool, "F-2", (2_000, 0, 0));
    let run = it.run(&pool, &json!({"from_on": "2026-05-11"})).expect(201).unwrap();
    let activities = format!(
        "SELECT count(*) FROM pool_run_part WHERE run_id = '{}' AND activity_id = '{}'",
        run["id"].as_str().unwrap(),
        b.activity_id
    );
    assert_eq!(it.app.count(&activities), 0, "who has left bears nothing of later days");
    let key =
        json!({"id": it.reviewer().new_id(), "valid_from": "2026-05-31", "decision": "x", "parts": whole("usage")});
    assert_eq!(it.reviewer().post(&format!("/v1/pools/{pool}/keys"), &key).unwrap().code(), "pool_period_booked");
}
