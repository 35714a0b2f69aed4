//! A mutual in full swing: somebody of each kind, and something of everybody's.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use serde_json::{Value, json};
use umbel::demo::{Cast, Client, MemberCast};
use umbel::kernel::money::Minor;
use umbel::platform::faults::Faults;

use super::support::{ADMIN, IBANS, TestApp};

/// Whose something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Awa,
    Bo,
    Applicant,
    /// The mutual.
    House,
}

pub struct World {
    pub app: TestApp,
    pub cast: Cast,
    pub awa: MemberCast,
    pub bo: MemberCast,
    pub applicant: Client,
    pub suspended: Client,
    /// A token of Awa's that was good ten minutes ago.
    pub expired: String,
    /// For the path up to a parameter: the ids that it may have there.
    pub ids: BTreeMap<&'static str, Vec<(Owner, String)>>,
}

impl World {
    pub fn new(faults: Faults) -> Self {
        let app = TestApp::start_with(faults);
        let (mut cast, awa) = app.with_member();
        let bo = app.another_member(&mut cast);
        let cy = app.stage.enrol(&mut cast, "cy@member.example", "Cy Vos", IBANS[2]).unwrap();
        let (application, applicant) =
            app.stage.apply(&cast.entity_id, "di@member.example", "Di Roth", IBANS[3]).unwrap();
        suspend(&cast.staff.administrator, &cy.client);
        let mut ids: BTreeMap<&'static str, Vec<(Owner, String)>> = BTreeMap::new();
        ids.entry("/v1/applications/").or_default().push((Owner::Applicant, application.clone()));
        let proofs = applicant.get(&format!("/v1/applications/{application}/documents")).unwrap().json();
        ids.entry("/v1/documents/").or_default().push((Owner::Applicant, text(&proofs[0], "id")));
        let payouts = [(Owner::Awa, &awa), (Owner::Bo, &bo)].map(|(owner, member)| {
            let (found, payout) = work(&app, &mut cast, member);
            for (prefix, id) in found {
                ids.entry(prefix).or_default().push((owner, id));
            }
            payout
        });
        let sealed = app.stage.sealed_batch(&cast, &payouts[0]).unwrap();
        for (prefix, id) in house(&cast, &awa) {
            ids.entry(prefix).or_default().push((Owner::House, id));
        }
        ids.entry("/v1/payout_batches/").or_default().push((Owner::House, text(&sealed, "id")));
        let order_link = app.stage.token_to(&awa.client_email, "/o/").unwrap();
        ids.entry("/v1/order_links/").or_default().push((Owner::House, order_link));
        ids.entry("/v1/solvency/").or_default().push((Owner::House, app.stage.today().to_string()));
        // A day passes, and is proven.
        app.stage.days_pass(1).unwrap();
        // Tokens grow old; everybody signs in again.
        let expired = awa.client.token.clone().unwrap();
        app.stage.clock.advance(Duration::minutes(11));
        app.stage.office_returns(&mut cast, ADMIN).unwrap();
        let again = |member: MemberCast| MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member };
        let (awa, bo, cy) = (again(awa), again(bo), again(cy));
        let applicant = app.stage.sign_in("di@member.example").unwrap();
        for (owner, email) in [
            (Owner::Awa, "awa@member.example"),
            (Owner::Bo, "bo@member.example"),
            (Owner::Applicant, "di@member.example"),
        ] {
            let spare = app.stage.sign_in(email).unwrap();
            ids.entry("/v1/sessions/").or_default().push((owner, session_of(spare.token.as_deref().unwrap())));
        }
        Self { app, cast, awa, bo, applicant, suspended: cy.client, expired, ids }
    }

    /// The id that belongs to somebody, or to the house.
    pub fn id_of(&self, prefix: &str, owner: Owner) -> Option<&str> {
        let found = self.ids.get(prefix)?.iter().find(|(of, _)| *of == owner || *of == Owner::House)?;
        Some(&found.1)
    }
}

/// Rows of every table, to see that nothing was written.
pub fn rows(app: &TestApp) -> BTreeMap<String, i64> {
    #[derive(diesel::QueryableByName)]
    struct Table {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let tables: Vec<Table> = diesel::RunQueryDsl::load(
        diesel::sql_query("SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'"),
        &mut app.database.owner(),
    )
    .unwrap();
    tables
        .into_iter()
        .map(|table| (table.name.clone(), app.count(&format!("SELECT count(*) FROM {}", table.name))))
        .collect()
}

pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

/// What a token says.
pub fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

pub fn session_of(token: &str) -> String {
    text(&claims(token), "sid")
}

fn suspend(administrator: &Client, member: &Client) {
    let place = format!("/v1/members/{}", member.person_id.as_deref().unwrap());
    let seen = administrator.get(&place).unwrap().expect(200).unwrap();
    let reason = json!({"reason": "Papers are missing"});
    administrator
        .change(&format!("{place}/suspend"), seen["version"].as_i64().unwrap(), &reason)
        .unwrap()
        .expect(200)
        .unwrap();
}

/// A member works until there is money to pay out. Answers what they have now, and the payout they asked for.
fn work(app: &TestApp, cast: &mut Cast, member: &MemberCast) -> (Vec<(&'static str, String)>, Value) {
    let (stage, client) = (&app.stage, &member.client);
    let order = stage.confirmed_order(member, 100_000).unwrap();
    let submitted = stage.submitted_invoice(member, order["id"].as_str(), 0).unwrap();
    let invoiced = stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    stage.settle().unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", stage.today());
    stage.import(cast).unwrap();
    let payout = stage.payout(member, 10_000).unwrap();
    let key = client.new_id();
    let another = json!({"id": client.new_id(), "name": "Another activity"});
    client.command("POST", "/v1/activities", &[("Idempotency-Key", &key)], &another).unwrap().expect(201).unwrap();
    let person = client.person_id.clone().unwrap();
    let list = |path: &str| client.get(path).unwrap().expect(200).unwrap();
    let applications = list("/v1/applications");
    let application = text(&applications["data"][0], "id");
    let proofs = list(&format!("/v1/applications/{application}/documents"));
    let shares = list(&format!("/v1/members/{person}/shares"));
    let postings = list(&format!("/v1/activities/{}/postings", member.activity_id));
    let found = vec![
        ("/v1/activities/", member.activity_id.clone()),
        ("/v1/applications/", application),
        ("/v1/clients/", member.client_id.clone()),
        ("/v1/documents/", text(&proofs[0], "id")),
        ("/v1/invoices/", invoiced.id),
        ("/v1/members/", person),
        ("/v1/operations/", key),
        ("/v1/orders/", text(&order, "id")),
        ("/v1/payouts/", text(&payout, "id")),
        ("/v1/postings/", postings["data"][0]["id"].to_string()),
        ("/v1/shares/", text(&shares[0], "id")),
    ];
    (found, payout)
}

/// What belongs to the mutual.
fn house(cast: &Cast, somebody: &MemberCast) -> Vec<(&'static str, String)> {
    let entity = &cast.entity_id;
    let (administrator, reviewer) = (&cast.staff.administrator, &cast.staff.reviewer);
    let first = |client: &Client, path: &str| {
        let list = client.get(path).unwrap().expect(200).unwrap();
        let row = list.get("data").unwrap_or(&list)[0].clone();
        text(&row, "id")
    };
    let person = somebody.client.person_id.clone().unwrap();
    let agreement = reviewer.get(&format!("/v1/entities/{entity}/agreements/current?language=fr")).unwrap().json();
    vec![
        ("/v1/agreements/", text(&agreement, "id")),
        ("/v1/bank_accounts/", first(reviewer, &format!("/v1/entities/{entity}/bank_accounts"))),
        ("/v1/bank_lines/", first(reviewer, "/v1/bank_lines")),
        ("/v1/bank_statements/", first(reviewer, "/v1/bank_statements")),
        ("/v1/emails/", first(reviewer, "/v1/emails")),
        ("/v1/entities/", entity.clone()),
        ("/v1/role_grants/", first(administrator, &format!("/v1/people/{person}/role_grants"))),
        ("/v1/people/", person),
        ("/v1/rule_sets/", first(reviewer, &format!("/v1/entities/{entity}/rule_sets"))),
    ]
}
