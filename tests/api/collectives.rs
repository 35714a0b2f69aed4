//! Activities that several members share, how their money is divided, and money that keeps its origin when it moves.

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Text};
use serde_json::{Value, json};
use umbel::demo::{Cast, Client, MemberCast};
use umbel::kernel::money::Minor;
use umbel::platform::faults::Faults;

use super::costs::eur;
use super::support::{ADMIN, IBANS, TestApp};
use super::transfers::transfer_body;

/// Three members, and a collective that the first one manages.
pub struct Scene {
    pub app: TestApp,
    pub cast: Cast,
    pub members: [MemberCast; 3],
    /// The manager, at work for the collective.
    pub together: MemberCast,
}

pub fn minor(value: &Value, pointer: &str) -> i64 {
    let at = value.pointer(&format!("{pointer}/amount_minor"));
    at.and_then(Value::as_i64).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

pub fn place_of(client: &Client, activity: &str, state: &str) -> Value {
    let places = client.get("/v1/invitations").unwrap().expect(200).unwrap();
    let mut rows = places["data"].as_array().unwrap().iter();
    let found = rows.find(|row| row["activity_id"] == activity && row["state"] == state);
    found.unwrap_or_else(|| panic!("nothing {state} in {places}")).clone()
}

/// The manager asks, the other confirms and says where shares arrive.
pub fn join(app: &TestApp, manager: &Client, collective: &str, member: &MemberCast) {
    let invitation = json!({"id": manager.new_id(), "email": member.email});
    manager.post(&format!("/v1/activities/{collective}/invitations"), &invitation).unwrap().expect(201).unwrap();
    app.stage.settle().unwrap();
    app.stage.mail_to(&member.email, "Les Ombelles").unwrap();
    let place = place_of(&member.client, collective, "invited");
    let on = json!({"activity_id": member.activity_id});
    let path = format!("/v1/invitations/{}/confirm", text(&place, "id"));
    let joined = member.client.change(&path, place["version"].as_i64().unwrap(), &on).unwrap().expect(200).unwrap();
    assert_eq!(
        (joined["state"].as_str(), joined["receives_on"].as_str()),
        (Some("confirmed"), on["activity_id"].as_str())
    );
}

impl Scene {
    pub fn new() -> Self {
        Self::with(Faults::default())
    }

    pub fn with(faults: Faults) -> Self {
        let app = TestApp::start_with(faults);
        let (mut cast, awa) = app.with_member();
        let bo = app.another_member(&mut cast);
        let cy = app.stage.enrol(&mut cast, "cy@member.example", "Cy Vos", IBANS[2]).unwrap();
        let collective = awa.client.new_id();
        let body =
            json!({"id": collective, "name": "Les Ombelles", "is_collective": true, "receives_on": awa.activity_id});
        let opened = awa.client.post("/v1/activities", &body).unwrap().expect(201).unwrap();
        assert_eq!(opened["is_collective"], true);
        for member in [&bo, &cy] {
            join(&app, &awa.client, &collective, member);
        }
        let together = MemberCast { activity_id: collective, ..awa.clone() };
        Self { app, cast, members: [awa, bo, cy], together }
    }

    /// Tokens grow old; everybody signs in again.
    pub fn days_pass(&mut self, days: i64) {
        self.app.stage.days_pass(days).unwrap();
        self.app.stage.settle().unwrap();
        self.app.stage.office_returns(&mut self.cast, ADMIN).unwrap();
        for member in &mut self.members {
            member.client = self.app.stage.sign_in(&member.email).unwrap();
        }
        self.together.client = self.members[0].client.clone();
    }

    pub fn manager(&self) -> &Client {
        &self.together.client
    }

    pub fn collective(&self) -> &str {
        &self.together.activity_id
    }

    fn person(&self, index: usize) -> &str {
        self.members[index].client.person_id.as_deref().unwrap()
    }

    /// An order confirmed by the client, invoiced and issued for the collective; `net` less 7.5 % waits.
    pub fn invoice(&mut self, net: i64) -> umbel::demo::Invoiced {
        let stage = &self.app.stage;
        let order = stage.confirmed_order(&self.together, net).unwrap();
        let submitted = stage.submitted_invoice(&self.together, order["id"].as_str(), 0).unwrap();
        let invoiced = stage.issue(&self.cast.staff.reviewer, &submitted).unwrap();
        stage.settle().unwrap();
        invoiced
    }

    pub fn pays(&mut self, invoiced: &umbel::demo::Invoiced, cents: i64) {
        self.cast.bank.receives(Minor::new(cents), &invoiced.reference, "Client", self.app.stage.today());
        let imported = self.app.stage.import(&mut self.cast).unwrap();
        assert_eq!(imported["suspense"], 0, "{imported}");
    }

    pub fn rule_body(&self, kind: &str, parts: &[Value]) -> Value {
        let parts: Vec<Value> = (0..)
            .zip(parts)
            .map(|(index, part)| match kind {
                "percent" => json!({"member_id": self.person(index), "share": part}),
                _ => json!({"member_id": self.person(index), "amount": part}),
            })
            .collect();
        json!({"id": self.manager().new_id(), "kind": kind, "valid_from": self.app.stage.today(), "parts": parts})
    }

    pub fn rule(&self, kind: &str, parts: &[Value]) {
        let path = format!("/v1/activities/{}/split_rules", self.collective());
        self.manager().post(&path, &self.rule_body(kind, parts)).unwrap().expect(201).unwrap();
    }

    /// By 50, 30 and 20 percent.
    pub fn by_percent(&self) {
        self.rule("percent", &[json!("0.5"), json!("0.3"), json!("0.2")]);
    }

    pub fn split(&self, invoice: Option<&str>, amount: Option<i64>) -> Value {
        let path = format!("/v1/activities/{}/splits", self.collective());
        self.manager().post(&path, &self.split_body(invoice, amount)).unwrap().expect(201).unwrap()
    }

    pub fn split_body(&self, invoice: Option<&str>, amount: Option<i64>) -> Value {
        json!({"id": self.manager().new_id(), "invoice_id": invoice, "amount": amount.map(eur)})
    }

    pub fn activity(&self, index: usize) -> Value {
        let member = &self.members[index];
        member.client.get(&format!("/v1/activities/{}", member.activity_id)).unwrap().expect(200).unwrap()
    }

    pub fn each(&self, pointer: &str) -> [i64; 3] {
        [0, 1, 2].map(|index| minor(&self.activity(index), pointer))
    }

    pub fn postings(&self) -> String {
        postings(&self.app)
    }
}

#[derive(diesel::QueryableByName)]
struct Posted {
    #[diesel(sql_type = BigInt)]
    entry: i64,
    #[diesel(sql_type = Text)]
    head: String,
    #[diesel(sql_type = Text)]
    line: String,
}

/// The journal from the first invoice on, with the activities by the names of those who manage them.
pub fn postings(app: &TestApp) -> String {
    let rows: Vec<Posted> = diesel::sql_query(
        "SELECT e.id AS entry, e.booked_on || ' ' || e.event AS head, \
                format('    %s %s %s %s', rpad(p.account, 21), lpad((p.amount_minor / 100.0)::numeric(12, 2)::text, 10), \
                       rpad(coalesce(CASE WHEN a.is_collective THEN 'together' ELSE split_part(m.name, ' ', 1) END, ''), 8), \
                       coalesce(i.number, '')) AS line \
         FROM posting p JOIN journal_entry e ON e.id = p.entry_id LEFT JOIN invoice i ON i.id = p.invoice_id \
         LEFT JOIN activity a ON a.id = p.activity_id LEFT JOIN person m ON m.id = a.member_id \
         WHERE e.event NOT IN ('share_subscribed', 'share_paid', 'bank_opened', 'bank_line_booked') ORDER BY p.id",
    )
    .load(&mut app.database.owner())
    .unwrap();
    // Ids are random, and so is the order of members and activities: equal entries and the lines of several activities
    // are put in the order of their names, which changes no amount.
    let mut entries: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut last = 0;
    for row in rows {
        if row.entry != last {
            entries.push((row.head, Vec::new()));
            last = row.entry;
        }
        let line = row.line.trim_end().to_owned();
        let whose = line.split_whitespace().nth(2).unwrap_or_default().to_owned();
        entries.last_mut().unwrap().1.push((whose, line));
    }
    for (head, lines) in &mut entries {
        if !head.ends_with("invoice_issued") {
            lines.sort_by(|a, b| a.0.cmp(&b.0));
        }
    }
    for run in entries.chunk_by_mut(|a, b| a.0 == b.0 && a.0.ends_with("transferred")) {
        run.sort();
    }
    let written = entries.iter().map(|(head, lines)| {
        let lines: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
        format!("{head}\n{}\n", lines.join("\n"))
    });
    written.collect()
}

/// What a split gave to each member.
pub fn shares(scene: &Scene, split: &Value, pointer: &str) -> Vec<i64> {
    let transfers = split["transfers"].as_array().unwrap();
    let of = |member: &MemberCast| transfers.iter().find(|row| row["to_activity_id"] == member.activity_id.as_str());
    scene.members.iter().filter_map(of).map(|row| minor(row, pointer)).collect()
}

#[test]
fn a_split_of_what_waits_and_the_advance_that_frees_it_reach_all_three_members() {
    let mut scene = Scene::new();
    scene.by_percent();
    let invoiced = scene.invoice(100_000);
    let split = scene.split(Some(&invoiced.id), None);
    assert_eq!((minor(&split, "/amount"), minor(&split, "/rest")), (92_500, 0));
    assert_eq!(scene.each("/pending"), [46_250, 27_750, 18_500]);
    scene.days_pass(9);
    assert_eq!(scene.each("/available"), [46_250, 27_750, 18_500]);
    assert_eq!(scene.each("/balances/available_for_expenses/amount"), [0, 0, 0], "all of it is advanced");
    for member in &scene.members {
        scene.app.stage.mail_to(&member.email, "2026-0001").unwrap();
    }
    assert_eq!(
        scene.app.count("SELECT count(*) FROM guarantee_advance WHERE amount_minor = 92500"),
        1,
        "one advance, whole"
    );
    // A share of the advanced money is paid out before the client pays: that is what the guarantee is for.
    scene.app.stage.payout(&scene.members[1], 27_750).unwrap();
    scene.pays(&invoiced, 60_000);
    assert_eq!(scene.each("/balances/available_for_expenses/amount"), [0, 0, 0]);
    scene.pays(&invoiced, 61_000);
    assert_eq!(scene.each("/balances/available_for_expenses/amount"), [46_250, 0, 18_500]);
    insta::assert_snapshot!(scene.postings());
}

#[test]
fn a_client_who_pays_in_parts_pays_all_holders_and_the_last_part_frees_the_rest() {
    let mut scene = Scene::new();
    scene.rule("equal", &[]);
    let invoiced = scene.invoice(100_000);
    let split = scene.split(Some(&invoiced.id), Some(93_500 - 1_001));
    assert_eq!(split["transfers"].as_array().unwrap().len(), 3);
    assert_eq!(scene.each("/pending"), [30_833, 30_833, 30_833]);
    scene.pays(&invoiced, 40_001);
    let together = scene.manager().get(&format!("/v1/activities/{}", scene.collective())).unwrap().json();
    let all: i64 = scene.each("/available").iter().sum::<i64>() + minor(&together, "/available");
    assert_eq!(all, 30_579, "40,001 of 121,000 of what waited");
    scene.pays(&invoiced, 80_999);
    assert_eq!(scene.each("/pending"), [0, 0, 0]);
    assert_eq!(scene.each("/available"), [30_833, 30_833, 30_833]);
    insta::assert_snapshot!(scene.postings());
}

#[test]
fn a_split_divides_to_the_cent_by_percent_equally_and_by_fixed_amounts() {
    let mut scene = Scene::new();
    let invoiced = scene.invoice(400_000);
    scene.pays(&invoiced, invoiced.gross);
    // In the order of the answer: lowest member id first, to whom the missing cents go.
    let got = |split: &Value| -> Vec<i64> {
        split["transfers"].as_array().unwrap().iter().map(|transfer| minor(transfer, "/amount")).collect()
    };
    scene.by_percent();
    assert_eq!(shares(&scene, &scene.split(None, Some(93_500)), "/amount"), [46_750, 28_050, 18_700]);
    scene.rule("equal", &[]);
    assert_eq!(got(&scene.split(None, Some(93_500))), [31_167, 31_167, 31_166]);
    assert_eq!(got(&scene.split(None, Some(1))), [1], "a share of nothing is no transfer");
    scene.rule("fixed", &[eur(10_000), eur(20_000), eur(5_000)]);
    let fixed = scene.split(None, Some(93_500));
    assert_eq!((shares(&scene, &fixed, "/amount"), minor(&fixed, "/rest")), (vec![10_000, 20_000, 5_000], 58_500));
    let path = format!("/v1/activities/{}/splits", scene.collective());
    let short = scene.manager().post(&path, &scene.split_body(None, Some(34_999))).unwrap();
    assert_eq!((short.status, short.code().as_str()), (409, "split_exceeds_amount"));
    let rehearsed = scene.manager().post(&format!("{path}?dry_run=true"), &scene.split_body(None, None)).unwrap();
    let rehearsed = rehearsed.expect(201).unwrap();
    assert_eq!((got(&rehearsed).len(), &rehearsed["dry_run"]), (3, &json!(true)));
    // Members read the rules, the divisions and the balance; the versions stay.
    let reader = &scene.members[2].client;
    let rules = reader.get(&format!("/v1/activities/{}/split_rules", scene.collective())).unwrap().expect(200).unwrap();
    let kinds: Vec<_> = rules
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["version_number"].as_i64().unwrap(), &rule["kind"]))
        .collect();
    assert_eq!(kinds, [(3, &json!("fixed")), (2, &json!("equal")), (1, &json!("percent"))]);
    let runs = reader.get(&path).unwrap().expect(200).unwrap();
    assert_eq!(runs["data"].as_array().unwrap().len(), 4);
    let seen = reader.get(&format!("/v1/activities/{}", scene.collective())).unwrap().expect(200).unwrap();
    assert_eq!(minor(&seen, "/available"), 370_000 - 93_500 * 2 - 1 - 35_000);
    let postings = reader.get(&format!("/v1/activities/{}/postings", scene.collective())).unwrap().expect(200).unwrap();
    assert!(postings["data"].as_array().unwrap().len() > 10);
    let theirs = reader.get(&format!("/v1/activities/{}/postings", scene.members[1].activity_id)).unwrap();
    assert_eq!(theirs.status, 404, "what a fellow has elsewhere is theirs");
}

#[test]
fn cleared_money_moves_first_and_advances_follow_the_rest() {
    let mut scene = Scene::new();
    let paid = scene.invoice(40_000);
    scene.pays(&paid, paid.gross);
    let advanced = scene.invoice(100_000);
    scene.days_pass(9);
    let (giver, to) = (scene.together.clone(), scene.members[1].activity_id.clone());
    let see = |client: &Client, id: &str| {
        let seen = client.get(&format!("/v1/activities/{id}")).unwrap().expect(200).unwrap();
        (minor(&seen, "/balances/available_for_pay/amount"), minor(&seen, "/balances/available_for_expenses/amount"))
    };
    assert_eq!(see(&giver.client, &giver.activity_id), (37_000 + 92_500, 37_000));
    let first = giver.client.post("/v1/transfers", &transfer_body(&giver, &to, 30_000)).unwrap().expect(201).unwrap();
    assert_eq!(minor(&first, "/advanced"), 0);
    let second = giver.client.post("/v1/transfers", &transfer_body(&giver, &to, 50_000)).unwrap().expect(201).unwrap();
    assert_eq!(minor(&second, "/advanced"), 43_000, "7,000 of it were cleared");
    assert_eq!(see(&giver.client, &giver.activity_id), (49_500, 0));
    assert_eq!(see(&scene.members[1].client, &to), (80_000, 37_000));
    // A split shares the advance out in proportion, so that nobody alone carries it.
    scene.by_percent();
    let split = scene.split(None, Some(40_000));
    assert_eq!(shares(&scene, &split, "/advanced"), [20_000, 12_000, 8_000]);
    scene.pays(&advanced, advanced.gross);
    assert_eq!(see(&scene.members[1].client, &to), (92_000, 92_000), "the client covered all of it");
    assert_eq!(
        scene.app.count("SELECT coalesce(sum(amount_minor), 0) FROM posting WHERE account = 'memo.advances'"),
        0
    );
}

#[test]
fn a_transfer_is_given_back_once_by_who_received_it() {
    let mut scene = Scene::new();
    let invoiced = scene.invoice(100_000);
    let (giver, receiver) = (scene.together.clone(), scene.members[1].clone());
    let waiting = json!({"id": giver.client.new_id(), "from_activity_id": giver.activity_id, "to_activity_id": receiver.activity_id,
                         "amount": eur(50_000), "invoice_id": invoiced.id, "reason": "Your part of the work"});
    let made = giver.client.post("/v1/transfers", &waiting).unwrap().expect(201).unwrap();
    let path = format!("/v1/transfers/{}/return", text(&made, "id"));
    let seen = receiver.client.get(&format!("/v1/transfers/{}", text(&made, "id"))).unwrap().expect(200).unwrap();
    assert_eq!(seen["reason"], "Your part of the work");
    let back = |client: &Client| client.post(&path, &json!({"id": client.new_id(), "reason": "Too much"})).unwrap();
    assert_eq!(
        back(&scene.members[2].client).status,
        403,
        "who shares the giving collective sees it and did not receive it"
    );
    assert_eq!(back(&giver.client).status, 403, "who gave it cannot take it back");
    let returned = back(&receiver.client).expect(201).unwrap();
    assert_eq!((&returned["returns_id"], &returned["invoice_id"]), (&made["id"], &json!(invoiced.id)));
    let again = back(&receiver.client);
    assert_eq!((again.status, again.code().as_str()), (409, "already_returned"));
    scene.pays(&invoiced, invoiced.gross);
    let free = transfer_body(&giver, &receiver.activity_id, 10_000);
    let made = giver.client.post("/v1/transfers", &free).unwrap().expect(201).unwrap();
    let path = format!("/v1/transfers/{}/return", text(&made, "id"));
    let back = || {
        let answer = receiver.client.post(&path, &json!({"id": receiver.client.new_id()})).unwrap();
        (answer.status, answer.code())
    };
    assert_eq!(back(), (201, String::new()));
    let more = transfer_body(&giver, &receiver.activity_id, 10_000);
    giver.client.post("/v1/transfers", &more).unwrap().expect(201).unwrap();
    assert_eq!(back(), (409, "already_returned".to_owned()));
}

#[test]
fn the_manager_writes_members_read_and_others_see_nothing() {
    let scene = Scene::new();
    let [_, bo, cy] = &scene.members;
    let place = format!("/v1/activities/{}", scene.collective());
    let stranger = scene.app.stage.visitor();
    assert_eq!(stranger.get(&place).unwrap().status, 401);
    let seen = bo.client.get(&place).unwrap().expect(200).unwrap();
    let listed = bo.client.get("/v1/activities").unwrap().expect(200).unwrap();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2, "their own and the collective: {listed}");
    let members = bo.client.get(&format!("{place}/members")).unwrap().expect(200).unwrap();
    let names: Vec<_> =
        members.as_array().unwrap().iter().map(|row| (text(row, "member_name"), text(row, "role"))).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.contains(&("Awa Diop".to_owned(), "manager".to_owned())), "{names:?}");
    let as_manager = MemberCast { activity_id: scene.collective().to_owned(), ..bo.clone() };
    let order = json!({
        "id": bo.client.new_id(), "activity_id": scene.collective(), "client_id": bo.client_id, "title": "Work",
        "work_ends_on": scene.app.stage.today(), "valid_until": "2026-06-30",
        "lines": [{"label": "Work", "quantity": "1", "unit_price": eur(1_000)}],
    });
    let rule = scene.rule_body("equal", &[]);
    let invitation = json!({"id": bo.client.new_id(), "email": "di@member.example"});
    for (path, body) in [
        ("/v1/orders".to_owned(), order),
        ("/v1/transfers".to_owned(), transfer_body(&as_manager, &bo.activity_id, 1)),
        (format!("{place}/splits"), scene.split_body(None, Some(1))),
        (format!("{place}/split_rules"), rule),
        (format!("{place}/invitations"), invitation.clone()),
        (format!("{place}/hand_over"), invitation),
    ] {
        let answer = bo.client.post(&path, &body).unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (403, "manager_only"), "{path}");
    }
    let closing = bo.client.change(&format!("{place}/close"), seen["version"].as_i64().unwrap(), &json!({})).unwrap();
    assert_eq!((closing.status, closing.code().as_str()), (403, "manager_only"));
    // Who leaves sees no more of it.
    let place_of_cy = place_of(&cy.client, scene.collective(), "confirmed");
    let leave = format!("/v1/invitations/{}/leave", text(&place_of_cy, "id"));
    let version = place_of_cy["version"].as_i64().unwrap();
    assert_eq!(bo.client.change(&leave, version, &json!({})).unwrap().status, 404, "nobody answers for another");
    cy.client.change(&leave, version, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(cy.client.get(&place).unwrap().status, 404);
    let own = place_of(scene.manager(), scene.collective(), "confirmed");
    let leave = format!("/v1/invitations/{}/leave", text(&own, "id"));
    let stays = scene.manager().change(&leave, own["version"].as_i64().unwrap(), &json!({})).unwrap();
    assert_eq!((stays.status, stays.code().as_str()), (409, "manager_stays"));
}

#[test]
fn a_collective_pays_nobody_and_its_manager_can_change() {
    let mut scene = Scene::new();
    let invoiced = scene.invoice(100_000);
    scene.pays(&invoiced, invoiced.gross);
    let pay = |member: &MemberCast| json!({"id": member.client.new_id(), "activity_id": member.activity_id, "amount": eur(1_000)});
    let refused = scene.manager().post("/v1/payouts", &pay(&scene.together)).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "collective_pays_by_transfer"));
    let draft = scene.app.stage.submitted_invoice(&scene.together, None, 10_000).unwrap();
    let ask = |scene: &Scene, email: &str| {
        let body = json!({"id": scene.manager().new_id(), "email": email});
        scene.manager().post(&format!("/v1/activities/{}/hand_over", scene.collective()), &body).unwrap()
    };
    let nobody = ask(&scene, "reviewer@ombelle.example");
    assert_eq!((nobody.status, nobody.json()["errors"][0]["pointer"].as_str()), (422, Some("/email")));
    let oneself = ask(&scene, &scene.members[0].email);
    assert_eq!((oneself.status, oneself.code().as_str()), (409, "not_a_member"));
    ask(&scene, &scene.members[1].email).expect(201).unwrap();
    assert_eq!(ask(&scene, &scene.members[1].email).code(), "already_member", "asked once");
    scene.app.stage.settle().unwrap();
    let bo = scene.members[1].clone();
    scene
        .app
        .stage
        .mail_to(&bo.email, "manage")
        .or_else(|_| scene.app.stage.mail_to(&bo.email, "Les Ombelles"))
        .unwrap();
    let asked = place_of(&bo.client, scene.collective(), "invited");
    assert_eq!(asked["role"], "manager");
    let confirm = format!("/v1/invitations/{}/confirm", text(&asked, "id"));
    let on = json!({"activity_id": bo.activity_id});
    let taken = bo.client.change(&confirm, asked["version"].as_i64().unwrap(), &on).unwrap().expect(200).unwrap();
    assert_eq!((&taken["role"], &taken["state"]), (&json!("manager"), &json!("confirmed")));
    let seen = bo.client.get(&format!("/v1/activities/{}", scene.collective())).unwrap().expect(200).unwrap();
    assert_eq!(seen["member_id"].as_str(), bo.client.person_id.as_deref());
    let before = place_of(scene.manager(), scene.collective(), "confirmed");
    assert_eq!(
        (&before["role"], before["receives_on"].as_str()),
        (&json!("member"), Some(scene.members[0].activity_id.as_str()))
    );
    // What the manager before wrote stays theirs, and its money is the collective's.
    scene.app.stage.issue(&scene.cast.staff.reviewer, &draft).unwrap();
    let as_manager = MemberCast { activity_id: scene.collective().to_owned(), ..bo.clone() };
    let body = transfer_body(&as_manager, &bo.activity_id, 1_000);
    bo.client.post("/v1/transfers", &body).unwrap().expect(201).unwrap();
    let body = transfer_body(&scene.together, &scene.members[0].activity_id, 1_000);
    let no_more = scene.manager().post("/v1/transfers", &body).unwrap();
    assert_eq!((no_more.status, no_more.code().as_str()), (403, "manager_only"));
    let seen = scene.manager().get(&format!("/v1/activities/{}", scene.collective())).unwrap().expect(200).unwrap();
    assert_eq!((minor(&seen, "/available"), minor(&seen, "/pending")), (91_500, 9_250));
}
