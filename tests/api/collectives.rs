//! Activities that several members share, how their money is divided, and money that keeps its origin when it moves.

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Text};
use serde_json::{Value, json};
use umbel::demo::{Cast, Client, MemberCast};
use umbel::kernel::money::Minor;
use umbel::platform::faults::Faults;

use super::support::{ADMIN, IBANS, TestApp};

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

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

fn eur(cents: i64) -> Value {
    json!({"amount_minor": cents, "currency": "EUR"})
}

fn place_of(client: &Client, activity: &str, state: &str) -> Value {
    let places = client.get("/v1/invitations").unwrap().expect(200).unwrap();
    let mut rows = places["data"].as_array().unwrap().iter();
    let found = rows.find(|row| row["activity_id"] == activity && row["state"] == state);
    found.unwrap_or_else(|| panic!("nothing {state} in {places}")).clone()
}

/// The manager asks, the other confirms and says where shares arrive.
fn join(app: &TestApp, manager: &Client, collective: &str, member: &MemberCast) {
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

    fn rule_body(&self, kind: &str, parts: &[Value]) -> Value {
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

    fn split_body(&self, invoice: Option<&str>, amount: Option<i64>) -> Value {
        json!({"id": self.manager().new_id(), "invoice_id": invoice, "amount": amount.map(eur)})
    }

    pub fn activity(&self, index: usize) -> Value {
        let member = &self.members[index];
        member.client.get(&format!("/v1/activities/{}", member.activity_id)).unwrap().expect(200).unwrap()
    }

    fn each(&self, pointer: &str) -> [i64; 3] {
        [0, 1, 2].map(|index| minor(&self.activity(index), pointer))
    }

    fn postings(&self) -> String {
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
fn postings(app: &TestApp) -> String {
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
fn shares(scene: &Scene, split: &Value, pointer: &str) -> Vec<i64> {
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

#[test]
fn without_a_current_share_money_stays_payable_and_goes_to_nobody_else() {
    let mut scene = Scene::new();
    super::shares::new_rules(&scene.app, &scene.cast, &json!({"share_validity": "yearly"}));
    scene.by_percent();
    let invoiced = scene.invoice(100_000);
    scene.pays(&invoiced, invoiced.gross);
    let gift = transfer_body(&scene.together, &scene.members[1].activity_id, 1_000);
    let gift = scene.manager().post("/v1/transfers", &gift).unwrap().expect(201).unwrap();
    let own = scene.members[0].client.new_id();
    let second = json!({"id": own, "name": "Second"});
    scene.members[0].client.post("/v1/activities", &second).unwrap().expect(201).unwrap();
    scene.days_pass(366);
    let lapsed = "SELECT count(*) FROM member WHERE state = 'inactive'";
    assert_eq!(scene.app.count(lapsed), 3);
    let give = |from: &MemberCast, to: &str, cents: i64| {
        let answer = from.client.post("/v1/transfers", &transfer_body(from, to, cents)).unwrap();
        (answer.status, answer.code())
    };
    let [awa, bo, _cy] = &scene.members;
    let (made, refused) = ((201, String::new()), (409, "share_not_current".to_owned()));
    assert_eq!(give(&scene.together, &bo.activity_id, 1_000), refused, "what the collective has is not given away");
    assert_eq!(give(&scene.together, &awa.activity_id, 1_000), made, "to oneself");
    assert_eq!(give(awa, &own, 500), made, "between one's own");
    assert_eq!(give(bo, &awa.activity_id, 500), refused, "to somebody else");
    let path = format!("/v1/transfers/{}/return", text(&gift, "id"));
    bo.client.post(&path, &json!({"id": bo.client.new_id()})).unwrap().expect(201).unwrap();
    // A member may say where their part arrives, the manager divides, and everybody is paid.
    let place = place_of(&bo.client, scene.collective(), "confirmed");
    let path = format!("/v1/invitations/{}/receive_on", text(&place, "id"));
    let on = json!({"activity_id": bo.activity_id});
    bo.client.change(&path, place["version"].as_i64().unwrap(), &on).unwrap().expect(200).unwrap();
    let split = scene.split(None, Some(90_000));
    assert_eq!(shares(&scene, &split, "/amount"), [45_000, 27_000, 18_000]);
    scene.app.stage.payout(bo, 27_000).unwrap();
    // With a share of today one gives again.
    let person = bo.client.person_id.clone().unwrap();
    let one = json!({"id": bo.client.new_id(), "quantity": 1});
    let one = bo.client.post(&format!("/v1/members/{person}/shares"), &one).unwrap().expect(201).unwrap();
    let today = scene.app.stage.today();
    scene.cast.bank.receives(Minor::new(3_000), one["payment_reference"].as_str().unwrap(), "Member", today);
    scene.app.stage.import(&mut scene.cast).unwrap();
    let cy = scene.members[2].clone();
    scene.split(None, Some(1_000));
    assert_eq!(give(&scene.members[1], &cy.activity_id, 100), made);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
fn what_cannot_be_moved_or_divided_is_refused_by_name_and_nothing_is_written() {
    let mut scene = Scene::new();
    let invoiced = scene.invoice(100_000);
    scene.pays(&invoiced, 60_500);
    let (giver, own) = (scene.together.clone(), scene.members[0].clone());
    let client = &giver.client;
    let elsewhere = another_entity(&mut scene);
    let closed = own.client.new_id();
    let closing =
        own.client.post("/v1/activities", &json!({"id": closed, "name": "Over"})).unwrap().expect(201).unwrap();
    own.client
        .change(&format!("/v1/activities/{closed}/close"), closing["version"].as_i64().unwrap(), &json!({}))
        .unwrap()
        .expect(200)
        .unwrap();
    let before = super::world::rows(&scene.app);
    let moving = |to: &str, cents: i64| transfer_body(&giver, to, cents);
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    let own_id = own.activity_id.as_str();
    let pending = |cents: i64| with(moving(own_id, cents), "invoice_id", json!(invoiced.id));
    let dollars = json!({"amount_minor": 1, "currency": "USD"});
    let cases = [
        ("to itself", moving(&giver.activity_id, 1), 422, "validation_failed", "/to_activity_id"),
        ("nothing", moving(own_id, 0), 422, "validation_failed", "/amount/amount_minor"),
        ("less than nothing", moving(own_id, -1), 422, "validation_failed", "/amount/amount_minor"),
        ("to nowhere", moving(&client.new_id(), 1), 422, "validation_failed", "/to_activity_id"),
        ("to another entity", moving(&elsewhere, 1), 422, "validation_failed", "/to_activity_id"),
        (
            "in another currency",
            with(moving(own_id, 1), "amount", dollars),
            422,
            "currency_mismatch",
            "/amount/currency",
        ),
        ("more than is available", moving(own_id, 46_251), 409, "insufficient_available", ""),
        ("more than waits", pending(46_251), 409, "insufficient_pending", ""),
        (
            "of an invoice of nobody",
            with(moving(own_id, 1), "invoice_id", json!(client.new_id())),
            409,
            "insufficient_pending",
            "",
        ),
        ("to a closed activity", moving(&closed, 1), 409, "activity_closed", ""),
        (
            "a reason without end",
            with(moving(own_id, 1), "reason", json!("x".repeat(501))),
            422,
            "validation_failed",
            "/reason",
        ),
    ];
    for (what, body, status, code, pointer) in cases {
        let answer = client.post("/v1/transfers", &body).unwrap();
        let named = answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        assert_eq!((answer.status, answer.code().as_str(), named.as_str()), (status, code, pointer), "{what}");
    }
    let place = format!("/v1/activities/{}", scene.collective());
    let early = client.post(&format!("{place}/splits"), &scene.split_body(None, None)).unwrap();
    assert_eq!((early.status, early.code().as_str()), (409, "split_rule_missing"));
    let tenth = json!("0.1");
    let mut stranger = scene.rule_body("percent", &[json!("1")]);
    stranger["parts"][0]["member_id"] = json!(scene.cast.staff.reviewer.person_id);
    let mut past = scene.rule_body("equal", &[]);
    past["valid_from"] = json!("2026-05-03");
    for (what, body, pointer) in [
        ("too little", scene.rule_body("percent", &[tenth.clone(), tenth.clone()]), "/parts"),
        ("too much", scene.rule_body("percent", &[json!("0.9"), json!("0.2")]), "/parts"),
        ("no share", scene.rule_body("percent", &[json!("-1"), json!("1")]), "/parts/0/share"),
        (
            "a million and one parts",
            scene.rule_body("percent", &[json!("0.9999999"), json!("0.0000001")]),
            "/parts/0/share",
        ),
        ("nothing to share", scene.rule_body("fixed", &[eur(0)]), "/parts/0/amount"),
        (
            "foreign money",
            scene.rule_body("fixed", &[json!({"amount_minor": 1, "currency": "USD"})]),
            "/parts/0/amount/currency",
        ),
        ("parts of equal shares", scene.rule_body("equal", &[eur(1)]), "/parts"),
        ("a stranger", stranger, "/parts/0/member_id"),
        ("yesterday", past, "/valid_from"),
    ] {
        let answer = client.post(&format!("{place}/split_rules"), &body).unwrap();
        let named = answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        assert_eq!((answer.status, named.as_str()), (422, pointer), "{what}: {}", answer.json());
    }
    let foreign = json!({"id": client.new_id(), "email": "eve@elsewhere.example"});
    let answer = client.post(&format!("{place}/invitations"), &foreign).unwrap();
    assert_eq!(
        (answer.status, answer.json()["errors"][0]["pointer"].as_str()),
        (422, Some("/email")),
        "of another entity"
    );
    let known = json!({"id": client.new_id(), "email": scene.members[1].email});
    assert_eq!(client.post(&format!("{place}/invitations"), &known).unwrap().code(), "already_member");
    let alone = client.post(&format!("/v1/activities/{own_id}/invitations"), &known).unwrap();
    assert_eq!((alone.status, alone.code().as_str()), (409, "not_a_collective"));
    // Refusals of money commands are kept as answers; nothing else was written.
    let mut after = super::world::rows(&scene.app);
    let mut expected = before;
    for table in ["idempotency_key", "audit_log"] {
        assert!(after.remove(table) >= expected.remove(table));
    }
    assert_eq!(after, expected);
}

/// A member of another entity, with an activity there. Answers the activity.
fn another_entity(scene: &mut Scene) -> String {
    let administrator = &scene.cast.staff.administrator;
    let entity_id = administrator.new_id();
    let today = scene.app.stage.today();
    let entity = json!({
        "id": entity_id, "name": "Ailleurs", "legal_form": "SC agréée", "enterprise_number": "0403019261", "vat_number": "BE0403019261",
        "register": "RPM Liège", "zone": "Europe/Brussels", "email": "office@elsewhere.example",
        "address": {"street": "Rue", "building_number": "1", "postcode": "4000", "town": "Liège", "country": "BE"},
    });
    administrator.post("/v1/entities", &entity).unwrap().expect(201).unwrap();
    let rules = json!({
        "id": administrator.new_id(), "valid_from": today, "decided_on": today, "decision": "The same",
        "share_price": eur(3_000), "payment_terms_days": 30, "advance_working_days": 7, "client_limit": eur(5_000_000),
        "levies": [{"kind": "fee", "rate": "0.055"}],
    });
    administrator.post(&format!("/v1/entities/{entity_id}/rule_sets"), &rules).unwrap().expect(201).unwrap();
    // Joining takes weeks of paper; what matters here is only where the member and the activity are.
    let sql = format!(
        "SET umbel.scope = 'system'; \
         INSERT INTO person (id, email, name, language, password_hash) VALUES (gen_random_uuid(), 'eve@elsewhere.example', 'Eve', 'fr', '-'); \
         INSERT INTO application (id, person_id, entity_id) SELECT gen_random_uuid(), id, '{entity_id}' FROM person WHERE name = 'Eve'; \
         INSERT INTO member (id, entity_id, application_id, street, building_number, postcode, town, country) \
             SELECT p.id, '{entity_id}', a.id, 'Rue', '1', '4000', 'Liège', 'BE' FROM person p JOIN application a ON a.person_id = p.id WHERE p.name = 'Eve'; \
         UPDATE member SET state = 'active' WHERE entity_id = '{entity_id}'; \
         INSERT INTO activity (id, entity_id, member_id, name) SELECT gen_random_uuid(), entity_id, id, 'Elsewhere' FROM member WHERE entity_id = '{entity_id}'; \
         INSERT INTO activity_balance (activity_id, owner_id, currency) SELECT id, member_id, 'EUR' FROM activity WHERE entity_id = '{entity_id}'"
    );
    diesel::connection::SimpleConnection::batch_execute(&mut scene.app.database.owner(), &sql).unwrap();
    let found = super::ledger::lines(
        &mut scene.app.database.owner(),
        &format!("SELECT id::text AS line FROM activity WHERE entity_id = '{entity_id}'"),
    );
    found.into_iter().next().unwrap()
}

/// Sixteen people press the same button: move all that waits for one of two invoices. Somebody holds the balances until
/// several of them wait, so that whoever looks before locking has looked.
#[cfg(feature = "faults")]
fn move_the_same_money_sixteen_times(faults: Faults) -> (Scene, usize) {
    use super::concurrency::at_once;
    use diesel::connection::SimpleConnection;
    let mut scene = Scene::with(faults);
    let first = scene.invoice(100_000);
    let _other = scene.invoice(1_600_000);
    let giver = scene.together.clone();
    let bodies: Vec<Value> = (0..16)
        .map(|_| {
            let mut body = transfer_body(&giver, &scene.members[1].activity_id, 92_500);
            body["invoice_id"] = json!(first.id);
            body
        })
        .collect();
    let mut held = scene.app.database.owner();
    held.batch_execute("BEGIN; SELECT FROM activity_balance FOR UPDATE").unwrap();
    let answers = std::thread::scope(|scope| {
        let asked = scope.spawn(|| at_once(16, |index| giver.client.post("/v1/transfers", &bodies[index]).unwrap()));
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        for _ in 0..100 {
            if scene.app.count(waiting) >= 4 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        held.batch_execute("COMMIT").unwrap();
        asked.join().unwrap()
    });
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let is_clean = |answer: &umbel::demo::Answer| answer.status == 201 || answer.code() == "insufficient_pending";
    assert!(answers.iter().all(is_clean), "{:?}", answers.iter().map(|a| (a.status, a.code())).collect::<Vec<_>>());
    (scene, made)
}

#[cfg(feature = "faults")]
#[test]
fn money_that_waits_for_an_invoice_is_moved_once_however_many_move_it() {
    let (scene, made) = move_the_same_money_sixteen_times(Faults::default());
    assert_eq!(made, 1);
    assert_eq!(minor(&scene.activity(1), "/pending"), 92_500);
}

#[cfg(feature = "faults")]
#[test]
fn without_the_row_lock_more_of_an_invoice_is_moved_than_there_is_and_the_invariant_says_so() {
    use umbel::platform::faults::Guard;
    let (scene, made) = move_the_same_money_sixteen_times(Faults::without([Guard::RowLock]));
    assert!(made > 1, "{made}");
    let red = scene.app.violations();
    assert!(red.iter().any(|line| line.contains("i21_origin_kept")), "{red:?}");
    // Put right before the end of the test, which checks the books again.
    let mut surplus = i64::try_from(made).unwrap() - 1;
    let receiver = &scene.members[1];
    let given = receiver.client.get("/v1/transfers").unwrap().expect(200).unwrap();
    for transfer in given["data"].as_array().unwrap() {
        if surplus > 0 {
            let path = format!("/v1/transfers/{}/return", text(transfer, "id"));
            receiver.client.post(&path, &json!({"id": receiver.client.new_id()})).unwrap().expect(201).unwrap();
            surplus -= 1;
        }
    }
}

#[cfg(feature = "faults")]
#[test]
fn sixteen_move_money_around_in_circles_and_no_deadlock_reaches_them() {
    use super::concurrency::at_once;
    let mut scene = Scene::new();
    let paid = scene.invoice(100_000);
    scene.pays(&paid, paid.gross);
    let advanced = scene.invoice(100_000);
    scene.days_pass(9);
    scene.by_percent();
    scene.split(None, Some(140_000));
    let mut corners: Vec<MemberCast> = scene.members.to_vec();
    corners.push(scene.together.clone());
    let answers: Vec<umbel::demo::Answer> = at_once(16, |index| {
        (0..20)
            .map(|turn| {
                let from = &corners[(index + turn) % 4];
                let step = if index % 2 == 0 { 1 } else { 3 };
                let to = &corners[(index + turn + step) % 4].activity_id;
                let cents = i64::try_from(97 * (turn + 1) + index).unwrap();
                from.client.post("/v1/transfers", &transfer_body(from, to, cents)).unwrap()
            })
            .collect::<Vec<_>>()
    })
    .into_iter()
    .flatten()
    .collect();
    let is_clean = |answer: &&umbel::demo::Answer| answer.status == 201 || answer.code() == "insufficient_available";
    let unclean: Vec<_> = answers.iter().filter(|a| !is_clean(a)).map(|a| (a.status, a.code())).collect();
    assert_eq!(unclean, [], "of {}", answers.len());
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert!(made > 200, "{made}");
    let total = "SELECT sum(available_minor) FROM activity_balance";
    assert_eq!(scene.app.count(total), 185_000);
    assert_eq!(scene.app.count("SELECT sum(amount_minor) FROM posting WHERE account = 'memo.advances'"), 92_500);
    scene.pays(&advanced, advanced.gross);
    assert_eq!(scene.app.count("SELECT sum(amount_minor) FROM posting WHERE account = 'memo.advances'"), 0);
}

fn transfer_body(from: &MemberCast, to: &str, cents: i64) -> Value {
    json!({"id": from.client.new_id(), "from_activity_id": from.activity_id, "to_activity_id": to, "amount": eur(cents)})
}
