//! A mutual in full swing: somebody of each kind, and something of everybody's.

use diesel::connection::SimpleConnection;
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
        for (prefix, owner, id) in shared(&app, &cast, &[(Owner::Awa, &awa), (Owner::Bo, &bo)], &cy) {
            ids.entry(prefix).or_default().push((owner, id));
        }
        suspend(&cast.staff.administrator, &cy.client);
        for (prefix, owner, id) in safeguards(&app, &cast, &[(Owner::Awa, &awa), (Owner::Bo, &bo)]) {
            ids.entry(prefix).or_default().push((owner, id));
        }
        let sealed = app.stage.sealed_batch(&cast, &payouts[0]).unwrap();
        let flags = cast.staff.reviewer.get("/v1/risk_flags").unwrap().expect(200).unwrap();
        ids.entry("/v1/risk_flags/").or_default().push((Owner::House, text(&flags["data"][0], "id")));
        // Another one is on its way, and somebody says that it arrived.
        let another = app.stage.sealed_batch(&cast, &payouts[1]).unwrap();
        app.stage.release(&cast.staff.approver, &another).unwrap();
        let said = json!({"id": cast.staff.reviewer.new_id(), "kind": "confirm", "evidence": "Seen on the member's statement"});
        let path = format!("/v1/payouts/{}/decisions", text(&payouts[1], "id"));
        cast.staff.reviewer.post(&path, &said).unwrap().expect(201).unwrap();
        ids.entry("/v1/payout_decisions/").or_default().push((Owner::House, text(&said, "id")));
        let report = super::payout_results::report("R1", "UNHEARDOF", "ACCP", &[]);
        let report = cast.staff.reviewer.upload("/v1/payment_reports", "application/xml", report.as_bytes()).unwrap();
        ids.entry("/v1/payment_reports/").or_default().push((Owner::House, text(&report.expect(201).unwrap(), "id")));
        for (prefix, id) in house(&app, &cast, &awa) {
            ids.entry(prefix).or_default().push((Owner::House, id));
        }
        let (proposal, job) = proposed(&app, &cast);
        ids.entry("/v1/proposals/").or_default().push((Owner::House, proposal));
        ids.entry("/v1/jobs/").or_default().push((Owner::House, job));
        ids.entry("/v1/payout_batches/").or_default().push((Owner::House, text(&sealed, "id")));
        let appropriation = decision(&cast);
        ids.entry("/v1/appropriations/").or_default().push((Owner::House, appropriation));
        // Nothing is due before the year is over: only what is not there is asked for.
        ids.entry("/v1/redemption_runs/").or_default();
        let supplied = super::supplier_invoices::ubl("S-1", &[("Paper", "100.00")]);
        let supplied = cast.staff.reviewer.upload("/v1/supplier_invoices", "application/xml", supplied.as_bytes());
        ids.entry("/v1/supplier_invoices/")
            .or_default()
            .push((Owner::House, text(&supplied.unwrap().expect(201).unwrap(), "id")));
        let order_link = app.stage.token_to(&awa.client_email, "/o/").unwrap();
        ids.entry("/v1/order_links/").or_default().push((Owner::House, order_link));
        ids.entry("/v1/solvency/").or_default().push((Owner::House, app.stage.today().to_string()));
        // To somebody who is none of those that ask.
        let fa = app.stage.enrol(&mut cast, "fa@member.example", "Fa Roy", super::support::IBANS[3]).unwrap();
        for (owner, from) in [(Owner::Awa, &awa), (Owner::Bo, &bo)] {
            let draft = json!({"id": from.client.new_id(), "activity_id": from.activity_id, "to_activity_id": fa.activity_id, "title": "x",
                               "lines": [{"label": "x", "quantity": "1", "unit_price": {"amount_minor": 100, "currency": "EUR"}}]});
            let draft = from.client.post("/v1/internal_invoices", &draft).unwrap().expect(201).unwrap();
            let send = format!("/v1/internal_invoices/{}/send", text(&draft, "id"));
            from.client.change(&send, draft["version"].as_i64().unwrap(), &json!({})).unwrap().expect(200).unwrap();
            ids.entry("/v1/internal_invoices/").or_default().push((owner, text(&draft, "id")));
        }
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
    // A client who will not pay: given up by half, so that somebody may still decide.
    let lost = stage.submitted_invoice(member, None, 1_000).unwrap();
    let lost = stage.issue(&cast.staff.reviewer, &lost).unwrap();
    let given_up = super::guarantee::propose(&cast.staff.reviewer, &lost.id).expect(201).unwrap();
    let terms = levy_terms(&cast.staff.administrator, member);
    let trued_up = super::true_ups::proposed(app, cast, member, 100);
    let reminder = reminder(app, client, &lost.id);
    let late = super::collection::late(app, cast, client, &lost.id);
    let note = json!({"id": client.new_id(), "reason": "Too much", "lines": [{"n": 1, "net": {"amount_minor": 100, "currency": "EUR"}}]});
    cast.staff
        .reviewer
        .post(&format!("/v1/invoices/{}/credit_notes", invoiced.id), &note)
        .unwrap()
        .expect(201)
        .unwrap();
    stage.settle().unwrap();
    let collective = json!({"id": client.new_id(), "name": "A collective", "is_collective": true});
    client.post("/v1/activities", &collective).unwrap().expect(201).unwrap();
    let transfer = json!({
        "id": client.new_id(), "from_activity_id": member.activity_id, "to_activity_id": another["id"],
        "amount": {"amount_minor": 1_000, "currency": "EUR"},
    });
    client.post("/v1/transfers", &transfer).unwrap().expect(201).unwrap();
    let person = client.person_id.clone().unwrap();
    let list = |path: &str| client.get(path).unwrap().expect(200).unwrap();
    let applications = list("/v1/applications");
    let application = text(&applications["data"][0], "id");
    let proofs = list(&format!("/v1/applications/{application}/documents"));
    let shares = list(&format!("/v1/members/{person}/shares"));
    let postings = list(&format!("/v1/activities/{}/postings", member.activity_id));
    // A second share is given back, so that the first stays what it is.
    let share = client.post(&format!("/v1/members/{person}/shares"), &json!({"id": client.new_id(), "quantity": 1}));
    let share = share.unwrap().expect(201).unwrap();
    cast.bank.receives(Minor::new(3_000), share["payment_reference"].as_str().unwrap(), "Member", stage.today());
    stage.import(cast).unwrap();
    let notice = format!("/v1/shares/{}/redemptions", text(&share, "id"));
    let redemption = client.post(&notice, &json!({"id": client.new_id()})).unwrap().expect(201).unwrap();
    let places = list("/v1/invitations");
    let again = json!({"id": client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id,
                       "title": "Retainer", "every": 1, "unit": "month", "first_on": "2027-01-01",
                       "lines": [{"label": "x", "quantity": "1", "unit_price": {"amount_minor": 100, "currency": "EUR"}}]});
    let again = client.post("/v1/recurring_invoices", &again).unwrap().expect(201).unwrap();
    let plan = json!({"id": client.new_id(), "activity_id": member.activity_id,
                      "terms": {"kind": "month_end", "on_closed": "before", "valid_from": "2027-01-01"}});
    let plan = client.post("/v1/payout_plans", &plan).unwrap().expect(201).unwrap();
    let draft = json!({"id": client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id, "title": "x",
                       "supplied_on": stage.today(),
                       "lines": [{"label": "x", "quantity": "1", "unit_price": {"amount_minor": 100, "currency": "EUR"}}]});
    let draft = client.post("/v1/invoices", &draft).unwrap().expect(201).unwrap();
    let pdf = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";
    let paper = format!("/v1/invoices/{}/attachments?name=hours.pdf", text(&draft, "id"));
    let paper = client.upload(&paper, "application/octet-stream", pdf).unwrap().expect(201).unwrap();
    let credit = super::bank_in::credit_and_refund(app, cast, &member.client_id);
    let delivery = super::delivery::with_receipt(app, &cast.staff.reviewer, &invoiced);
    let found = vec![
        ("/v1/activities/", member.activity_id.clone()),
        ("/v1/applications/", application),
        ("/v1/client_credits/", credit.0),
        ("/v1/client_refunds/", credit.1),
        ("/v1/clients/", member.client_id.clone()),
        ("/v1/credit_notes/", text(&note, "id")),
        ("/v1/deliveries/", delivery),
        ("/v1/documents/", text(&proofs[0], "id")),
        ("/v1/invitations/", text(&places["data"][0], "id")),
        ("/v1/invoice_attachments/", text(&paper, "id")),
        ("/v1/invoices/", invoiced.id),
        ("/v1/members/", person),
        ("/v1/operations/", key),
        ("/v1/orders/", text(&order, "id")),
        ("/v1/payment_reminders/", reminder),
        ("/v1/collection_actions/", late[0].clone()),
        ("/v1/collection_pauses/", late[1].clone()),
        ("/v1/collection_questions/", late[2].clone()),
        ("/v1/payout_plans/", text(&plan, "id")),
        ("/v1/payouts/", text(&payout, "id")),
        ("/v1/postings/", postings["data"][0]["id"].to_string()),
        ("/v1/recurring_invoices/", text(&again, "id")),
        ("/v1/redemptions/", text(&redemption, "id")),
        ("/v1/shares/", text(&shares[0], "id")),
        ("/v1/write_offs/", text(&given_up, "id")),
        ("/v1/levy_charges/", text(&list(&format!("/v1/activities/{}/levies", member.activity_id))["data"][0], "id")),
        ("/v1/transfers/", text(&transfer, "id")),
        ("/v1/true_ups/", text(&trued_up, "id")),
    ];
    (found.into_iter().chain(terms).collect(), payout)
}

/// A reminder as it would be the day after the last day to pay, with its letter: the clock of the world stands still.
fn reminder(app: &TestApp, client: &Client, invoice: &str) -> String {
    let id = client.new_id();
    let sql = format!(
        "INSERT INTO payment_reminder (id, entity_id, invoice_id, member_id, level, reminded_on, due_on, currency, open_minor, requested_by)
         SELECT '{id}', i.entity_id, i.id, i.member_id, 1, i.due_on + 1, i.due_on, i.currency, o.open_minor, i.member_id
         FROM invoice i JOIN invoice_open o ON o.invoice_id = i.id WHERE i.id = '{invoice}';
         INSERT INTO archived_file (id, owner_id, kind, subject_id, name, media_type, sha256, size, bytes)
         SELECT gen_random_uuid(), member_id, 'payment_reminder', id, 'reminder.pdf', 'application/pdf', sha256('a'), 1, 'a'
         FROM payment_reminder WHERE id = '{id}'"
    );
    app.database.owner().batch_execute(&sql).unwrap();
    id
}

/// What the office has granted a member, for a time that has not come.
fn levy_terms(administrator: &Client, member: &MemberCast) -> Vec<(&'static str, String)> {
    let (exemption, own) = (administrator.new_id(), administrator.new_id());
    let place = format!("/v1/activities/{}", member.activity_id);
    let pdf = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";
    let paper = administrator.upload("/v1/evidence", "application/octet-stream", pdf).unwrap().expect(201).unwrap();
    let body = json!({"id": exemption, "kind": "fee", "part": "floor", "valid_from": "2027-01-01", "reason": "Low income",
                      "evidence_id": paper["id"]});
    administrator.post(&format!("{place}/levy_exemptions"), &body).unwrap().expect(201).unwrap();
    let body = json!({"id": own, "levy": {"kind": "guarantee", "rate": "0.01"}, "valid_from": "2027-01-01", "reason": "Never a default"});
    administrator.post(&format!("{place}/levy_overrides"), &body).unwrap().expect(201).unwrap();
    vec![("/v1/levy_exemptions/", exemption), ("/v1/levy_overrides/", own)]
}

/// What a supplier charged each member, with its document, and a pool that everybody is in, divided once.
fn shared(
    app: &TestApp,
    cast: &Cast,
    members: &[(Owner, &MemberCast)],
    suspended: &MemberCast,
) -> Vec<(&'static str, Owner, String)> {
    let reviewer = &cast.staff.reviewer;
    let eur = |amount: i64| json!({"amount_minor": amount, "currency": "EUR"});
    let mut found = Vec::new();
    for (owner, member) in members {
        let pdf = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";
        let document = member.client.upload("/v1/cost_documents", "application/octet-stream", pdf).unwrap();
        let document = document.expect(201).unwrap();
        let cost = json!({
            "id": member.client.new_id(), "activity_id": member.activity_id, "supplier": "Imprimerie", "invoiced_on": app.stage.today(),
            "reference": member.email, "description": "Prints", "net": eur(100), "vat": eur(21), "recoverable_vat": eur(21),
            "document_id": document["id"],
        });
        member.client.post("/v1/costs", &cost).unwrap().expect(201).unwrap();
        found.push(("/v1/costs/", *owner, text(&cost, "id")));
        // Another one, of which the supplier took a part back.
        let (id, credit) = (member.client.new_id(), reviewer.new_id());
        let mut credited = cost.clone();
        (credited["id"], credited["reference"]) = (json!(id), json!(format!("{} 2", member.email)));
        member.client.post("/v1/costs", &credited).unwrap().expect(201).unwrap();
        reviewer.change(&format!("/v1/costs/{id}/approve"), 1, &json!({})).unwrap().expect(200).unwrap();
        let body = json!({"id": credit, "reference": "C", "dated_on": app.stage.today(), "reason": "Spoilt", "net": eur(50), "vat": eur(10)});
        reviewer.post(&format!("/v1/costs/{id}/credits"), &body).unwrap().expect(201).unwrap();
        found.push(("/v1/cost_credits/", *owner, credit));
    }
    let id = reviewer.new_id();
    let place = format!("/v1/pools/{id}");
    let pool = json!({
        "id": id, "entity_id": cast.entity_id, "name": "Studio", "purpose": "A place to work", "budget": eur(10_000),
        "instalments": true, "overfunding": "refund", "deficit": "charge_next_run",
    });
    reviewer.post("/v1/pools", &pool).unwrap().expect(201).unwrap();
    let open = json!({"decision": "Assembly", "decided_on": app.stage.today()});
    cast.staff.administrator.change(&format!("{place}/open"), 1, &open).unwrap().expect(200).unwrap();
    let key = json!({"id": reviewer.new_id(), "valid_from": app.stage.today(), "decision": "Assembly",
                     "parts": [{"basis": "equal", "share": "1"}]});
    reviewer.post(&format!("{place}/keys"), &key).unwrap().expect(201).unwrap();
    for member in members.iter().map(|(_, member)| *member).chain([suspended]) {
        let body = json!({"id": reviewer.new_id(), "activity_id": member.activity_id, "in_from": app.stage.today()});
        reviewer.post(&format!("{place}/memberships"), &body).unwrap().expect(201).unwrap();
    }
    let run = json!({"id": reviewer.new_id(), "from_on": app.stage.today(), "to_on": app.stage.today(), "kind": "instalment", "amount": eur(300)});
    reviewer.post(&format!("{place}/runs"), &run).unwrap().expect(201).unwrap();
    found.push(("/v1/pools/", Owner::House, id));
    found.push(("/v1/pool_runs/", Owner::House, text(&run, "id")));
    found
}

/// Each member asks for another account and has one stopped; what is risky, and a limit, wait for a second person.
fn safeguards(app: &TestApp, cast: &Cast, members: &[(Owner, &MemberCast)]) -> Vec<(&'static str, Owner, String)> {
    let (administrator, reviewer) = (&cast.staff.administrator, &cast.staff.reviewer);
    let mut found = Vec::new();
    for (owner, member) in members {
        let iban = if *owner == Owner::Awa { "GB29NWBK60161331926819" } else { "AT611904300234573201" };
        let change = super::bank_details::ask(member, iban);
        // The account to be: it is no account yet, so that nothing of theirs waits.
        let account = text(&change["old"], "id");
        let hold = json!({"id": reviewer.new_id(), "reason": "We look at it"});
        let place = format!("/v1/payee_accounts/{account}/hold_payouts");
        let hold = reviewer.post(&place, &hold).unwrap().expect(201).unwrap();
        let free = format!("/v1/payout_holds/{}/lift", text(&hold, "id"));
        let why = json!({"reason": "It is fine"});
        cast.staff.approver.change(&free, 1, &why).unwrap().expect(200).unwrap();
        found.push(("/v1/bank_detail_changes/", *owner, text(&change, "id")));
        found.push(("/v1/payout_holds/", *owner, text(&hold, "id")));
        found.push(("/v1/payee_accounts/", Owner::House, account));
    }
    let today = app.stage.today();
    let level = json!({"id": administrator.new_id(), "entity_id": cast.entity_id, "code": "name_close", "level": "low",
                       "valid_from": today, "reason": "Too many"});
    administrator.post("/v1/risk_levels", &level).unwrap().expect(201).unwrap();
    let limit = json!({"id": administrator.new_id(), "entity_id": cast.entity_id, "kind": "entity_day", "amount_minor": 900_000_000,
                       "currency": "EUR", "valid_from": today, "reason": "Board"});
    administrator.post("/v1/payout_limits", &limit).unwrap().expect(201).unwrap();
    found.push(("/v1/risk_levels/", Owner::House, text(&level, "id")));
    found.push(("/v1/payout_limits/", Owner::House, text(&limit, "id")));
    found
}

/// The year before is closed, and a decision about it waits.
fn decision(cast: &Cast) -> String {
    let (administrator, entity) = (&cast.staff.administrator, &cast.entity_id);
    administrator
        .post(&format!("/v1/entities/{entity}/fiscal_years/2025/close"), &json!({}))
        .unwrap()
        .expect(200)
        .unwrap();
    let id = administrator.new_id();
    let body = json!({
        "id": id, "entity_id": entity, "year": 2025, "decision": "General assembly", "decided_on": "2026-04-20",
        "steps": [{"kind": "legal_reserve", "rate": "0.05"}],
    });
    administrator.post("/v1/appropriations", &body).unwrap().expect(201).unwrap();
    id
}

/// A published proposal with a dry run of the same id, and the job that made it.
fn proposed(app: &TestApp, cast: &Cast) -> (String, String) {
    let administrator = &cast.staff.administrator;
    let id = administrator.new_id();
    let money = |amount_minor: i64| json!({"amount_minor": amount_minor, "currency": "EUR"});
    let proposal = json!({
        "id": id, "entity_id": cast.entity_id, "title": "A higher fee", "note": "",
        "rules": {"share_price": money(3_000), "payment_terms_days": 30, "advance_working_days": 7,
                  "client_limit": money(5_000_000), "levies": [{"kind": "fee", "rate": "0.06"}]},
    });
    let place = format!("/v1/proposals/{id}");
    let written = administrator.post("/v1/proposals", &proposal).unwrap().expect(201).unwrap();
    let version = written["version"].as_i64().unwrap();
    administrator.change(&format!("{place}/publish"), version, &json!({})).unwrap().expect(200).unwrap();
    let run = json!({"id": id, "from": "2026-01", "to": "2026-04"});
    let job = administrator.post(&format!("{place}/dry_runs"), &run).unwrap().expect(202).unwrap();
    app.stage.settle().unwrap();
    (id, text(&job, "id"))
}

/// What belongs to the mutual.
fn house(app: &TestApp, cast: &Cast, somebody: &MemberCast) -> Vec<(&'static str, String)> {
    let entity = &cast.entity_id;
    let (administrator, reviewer) = (&cast.staff.administrator, &cast.staff.reviewer);
    let first = |client: &Client, path: &str| {
        let list = client.get(path).unwrap().expect(200).unwrap();
        let row = list.get("data").unwrap_or(&list)[0].clone();
        text(&row, "id")
    };
    let person = somebody.client.person_id.clone().unwrap();
    let agreement = reviewer.get(&format!("/v1/entities/{entity}/agreements/current?language=fr")).unwrap().json();
    let pdf = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";
    let paper = administrator.upload("/v1/evidence", "application/octet-stream", pdf).unwrap().expect(201).unwrap();
    let scheme = super::payroll::scheme(cast, "be_employee");
    let amount = json!({"id": administrator.new_id(), "from_amount": {"amount_minor": 100_000_000, "currency": "EUR"}, "approvers": 2,
                        "valid_from": app.stage.today()});
    administrator.post(&format!("/v1/entities/{entity}/approval_amounts"), &amount).unwrap().expect(201).unwrap();
    let owed = super::remittances::prepared(app, cast);
    let approver = cast.staff.approver.person_id.as_deref().unwrap();
    app.stage.prove(&cast.staff.approver, "approve_batch", &"0".repeat(64)).unwrap();
    let lost = json!({"id": administrator.new_id(), "reason": "Came to the office with her passport"});
    let lost_path = format!("/v1/people/{approver}/second_factor_resets");
    administrator.post(&lost_path, &lost).unwrap().expect(201).unwrap();
    vec![
        ("/v1/approval_amounts/", text(&amount, "id")),
        ("/v1/second_factor_resets/", text(&lost, "id")),
        ("/v1/pay_schemes/", scheme),
        ("/v1/payment_authorities/", owed.0),
        ("/v1/remittances/", owed.1),
        ("/v1/provision_runs/", super::collection::provided(app, cast)),
        ("/v1/evidence/", text(&paper, "id")),
        ("/v1/agreements/", text(&agreement, "id")),
        ("/v1/bank_accounts/", first(reviewer, &format!("/v1/entities/{entity}/bank_accounts"))),
        ("/v1/bank_csv_profiles/", super::bank_in::table_profile(cast)),
        ("/v1/bank_notices/", super::bank_in::empty_notice(cast)),
        ("/v1/bank_charges/", first(reviewer, "/v1/bank_charges")),
        ("/v1/bank_lines/", first(reviewer, "/v1/bank_lines")),
        ("/v1/bank_statements/", first(reviewer, "/v1/bank_statements")),
        ("/v1/emails/", first(reviewer, "/v1/emails")),
        ("/v1/entities/", entity.clone()),
        ("/v1/guarantee/", entity.clone()),
        ("/v1/role_grants/", first(administrator, &format!("/v1/people/{person}/role_grants"))),
        ("/v1/people/", person),
        ("/v1/rule_sets/", first(reviewer, &format!("/v1/entities/{entity}/rule_sets"))),
    ]
}
