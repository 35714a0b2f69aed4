//! Wages through the door: schemes, what an amount would become, and the same amount as it is really paid.

use serde_json::{Value, json};
use umbel::demo::{Cast, Client, MemberCast};
use umbel::kernel::ids::{ActivityId, PayoutId, PersonId};
use umbel::kernel::money::{Currency, Minor, Money};
use umbel::payouts;
use umbel::payroll::{self, Beside, SlipOf, Wish};
use umbel::platform::db::Actor;

use super::levies::{minor, money};
use super::stories::journal;
use super::support::{ADMIN, TestApp};
use super::world::text;

/// A scheme made of a preset, in force since the beginning of the year.
pub fn scheme(cast: &Cast, preset: &str) -> String {
    let administrator = &cast.staff.administrator;
    let id = administrator.new_id();
    let body = json!({"id": id, "entity_id": cast.entity_id, "code": preset, "name": "Employee"});
    administrator.post("/v1/pay_schemes", &body).unwrap().expect(201).unwrap();
    let body =
        json!({"id": administrator.new_id(), "valid_from": "2026-01-01", "preset": preset, "reason": "Board of 4 May"});
    administrator.post(&format!("/v1/pay_schemes/{id}/versions"), &body).unwrap().expect(201).unwrap();
    id
}

pub fn arrange(app: &TestApp, cast: &Cast, member: &MemberCast, scheme: Option<&str>) -> Value {
    let administrator = &cast.staff.administrator;
    let body = json!({"id": administrator.new_id(), "scheme_id": scheme, "valid_from": app.stage.today(), "reason": "Contract"});
    let place = format!("/v1/activities/{}/pay_arrangements", member.activity_id);
    administrator.post(&place, &body).unwrap().expect(201).unwrap()
}

pub fn withhold(app: &TestApp, cast: &Cast, member: &MemberCast, rate: &str) {
    let administrator = &cast.staff.administrator;
    let body =
        json!({"id": administrator.new_id(), "rate": rate, "valid_from": app.stage.today(), "reason": "Scale 1"});
    let person = member.client.person_id.as_deref().unwrap();
    administrator.post(&format!("/v1/members/{person}/withholding_rates"), &body).unwrap().expect(201).unwrap();
}

/// The mutual keeps 6.5 % and nothing for the guarantee.
pub fn vote(app: &TestApp, cast: &Cast) {
    let administrator = &cast.staff.administrator;
    let today = app.stage.today();
    let body = json!({
        "id": administrator.new_id(), "valid_from": today, "decided_on": today - chrono::Days::new(1),
        "decision": "General assembly: 6.5 %", "share_price": money(3000), "payment_terms_days": 30,
        "advance_working_days": 7, "client_limit": money(50_000_000),
        "levies": [{"kind": "fee", "rate": "0.065"}, {"kind": "guarantee", "rate": "0"}],
    });
    administrator.post(&format!("/v1/entities/{}/rule_sets", cast.entity_id), &body).unwrap().expect(201).unwrap();
}

fn simulate(member: &MemberCast, body: &Value) -> Value {
    let mut body = body.clone();
    body["activity_id"] = json!(member.activity_id);
    member.client.post("/v1/pay_simulations", &body).unwrap().expect(200).unwrap()
}

/// The amount of a step, by its code.
fn step(view: &Value, code: &str) -> i64 {
    let steps = view["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| step["code"] == code);
    minor(found.unwrap_or_else(|| panic!("no {code} in {view}")), "/amount")
}

/// An activity with this much to spend, because a client paid.
pub fn funded(app: &TestApp, cast: &mut Cast, member: &MemberCast, cents: i64) {
    let submitted = app.stage.submitted_invoice(member, None, cents).unwrap();
    let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", app.stage.today());
    app.stage.import(cast).unwrap();
}

fn get(client: &Client, path: &str) -> Value {
    client.get(path).unwrap().expect(200).unwrap()
}

#[test]
fn an_invoice_becomes_a_wage_to_the_cent() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    vote(&app, &cast);
    let artist = scheme(&cast, "be_artist");
    let employee = scheme(&cast, "be_employee");
    let plain = simulate(&member, &json!({"invoice_amount": money(100_000)}));
    assert_eq!(
        (minor(&plain, "/net"), &plain["advice"], &plain["scheme_version_id"]),
        (93_500, &Value::Null, &Value::Null)
    );
    arrange(&app, &cast, &member, Some(&employee));
    withhold(&app, &cast, &member, "0.1111");
    let tried = simulate(&member, &json!({"invoice_amount": money(100_000)}));
    let expected = [
        ("client_pays", 121_000),
        ("vat", -21_000),
        ("invoice_net", 100_000),
        ("fee", -6_500),
        ("budget", 93_500),
        ("pooled_margin", -5_704),
        ("employer_contribution", -17_559),
        ("residual", -1),
        ("gross", 70_236),
        ("employee_contribution", -9_180),
        ("income_tax", -6_783),
        ("net", 54_273),
    ];
    for (code, cents) in expected {
        assert_eq!(step(&tried, code), cents, "{code}");
    }
    // The other way round: the smallest invoice that leaves this net.
    let back = simulate(&member, &json!({"wished_net": money(54_273)}));
    assert!(minor(&back, "/net") >= 54_273 && minor(&back, "/invoice_amount") <= 100_000, "{back}");
    assert!(minor(&back, "/invoice_amount") > 99_990);
    // Another activity of the same person, by another scheme.
    let other = super::levies::another_activity(&member);
    arrange(&app, &cast, &other, Some(&artist));
    let tried = simulate(&other, &json!({"invoice_amount": money(100_000)}));
    assert_eq!((minor(&tried, "/gross"), minor(&tried, "/net"), minor(&tried, "/residual")), (69_130, 52_776, 1));
    // In the reader's language, with the sentence that it is no advice.
    let body = json!({"activity_id": member.activity_id, "invoice_amount": money(100_000)});
    for (language, word) in [("fr", "brut"), ("nl", "Bruto"), ("de", "Brutto"), ("en", "Gross")] {
        let headers = [("Idempotency-Key", member.client.new_id()), ("Accept-Language", language.to_owned())];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let view = member.client.command("POST", "/v1/pay_simulations", &headers, &body).unwrap().expect(200).unwrap();
        assert!(view.to_string().contains(word), "{language}: {view}");
        assert!(view["advice"].as_str().is_some_and(|advice| !advice.is_empty()));
    }
    // Before an order is accepted: the order itself.
    let (order, _) = app.stage.sent_order(&member, 100_000).unwrap();
    let tried = member.client.post("/v1/pay_simulations", &json!({"order_id": order})).unwrap().expect(200).unwrap();
    assert_eq!(minor(&tried, "/net"), 54_273);
}

#[test]
fn a_wage_from_the_request_to_the_bank_and_back() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let stage = &app.stage;
    vote(&app, &cast);
    let employee = scheme(&cast, "be_employee");
    arrange(&app, &cast, &member, Some(&employee));
    withhold(&app, &cast, &member, "0.1111");
    funded(&app, &mut cast, &member, 100_000);
    let payout = stage.payout(&member, 93_500).unwrap();
    let id = text(&payout, "id");
    let refused = member.client.get(&format!("/v1/payouts/{id}/pay_slip")).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "pay_slip_missing"));
    let sealed = stage.sealed_batch(&cast, &payout).unwrap();
    assert_eq!(minor(&sealed, "/total"), 54_273, "the bank is told the net");
    let seen = get(&member.client, &format!("/v1/payouts/{id}"));
    assert_eq!(
        (seen["scheme"].as_str(), minor(&seen, "/net"), minor(&seen, "/amount")),
        (Some("salary"), 54_273, 93_500)
    );
    stage.release(&cast.staff.approver, &sealed).unwrap();
    let slip = get(&member.client, &format!("/v1/payouts/{id}/pay_slip"));
    assert_eq!((minor(&slip, "/gross"), minor(&slip, "/residual"), step(&slip, "net")), (70_236, 1, 54_273));
    let activity = get(&member.client, &format!("/v1/activities/{}", member.activity_id));
    assert_eq!((minor(&activity, "/available"), minor(&activity, "/reserved")), (1, 0), "the cent stays");
    let paper = member.client.get(&format!("/v1/payouts/{id}/payslip")).unwrap();
    assert!(paper.status == 200 && paper.body.starts_with(b"%PDF"), "{}", paper.status);
    let again = member.client.get(&format!("/v1/payouts/{id}/payslip")).unwrap();
    assert_eq!(paper.body, again.body);
    let mail = stage.mail_to(&member.email, "542").unwrap();
    assert!(!mail.is_empty());
    let end_to_end_id = payout["end_to_end_id"].as_str().unwrap();
    cast.bank.pays(Minor::new(54_273), end_to_end_id, stage.today());
    stage.import(&mut cast).unwrap();
    cast.bank.returns(Minor::new(54_273), end_to_end_id, "AC04", stage.today());
    stage.import(&mut cast).unwrap();
    let activity = get(&member.client, &format!("/v1/activities/{}", member.activity_id));
    assert_eq!(minor(&activity, "/available"), 93_500, "all of it is there again");
    insta::assert_snapshot!(journal(&app));
}

/// A small generator, so that a failure repeats.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 1
}

#[test]
fn what_was_simulated_is_what_is_paid() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    vote(&app, &cast);
    let presets =
        ["be_employee", "be_artist", "fr_employee", "de_employee", "it_performing_arts", "it_employee", "se_employee"];
    let mut state = 0x51_7C_C1_B7_27_22_0A_95_u64;
    let person = member.client.person_id.clone().unwrap();
    let body = json!({"id": cast.staff.administrator.new_id(), "rate": "0.2345", "valid_from": app.stage.today(), "reason": "x"});
    let place = format!("/v1/members/{person}/withholding_rates");
    cast.staff.administrator.post(&place, &body).unwrap().expect(201).unwrap();
    for n in 0..21_usize {
        let activity = super::levies::another_activity(&member);
        let preset = presets[n % presets.len()];
        let scheme = if n < presets.len() { scheme(&cast, preset) } else { scheme_of(&cast, preset) };
        arrange(&app, &cast, &activity, Some(&scheme));
        let cents = i64::try_from(20_000 + next(&mut state) % 400_000).unwrap();
        let beside = i64::try_from(next(&mut state) % 3).unwrap() * 1_234;
        let tried = simulate(&activity, &json!({"invoice_amount": money(cents), "beside_wage": money(beside)}));
        funded(&app, &mut cast, &activity, cents);
        let budget = minor(&tried, "/budget");
        let asked = json!({"id": member.client.new_id(), "activity_id": activity.activity_id, "amount": money(budget), "beside_wage": money(beside)});
        let payout = member.client.post("/v1/payouts", &asked).unwrap().expect(201).unwrap();
        let place = format!("/v1/payouts/{}", text(&payout, "id"));
        let version = payout["version"].as_i64().unwrap();
        cast.staff.reviewer.change(&format!("{place}/approve"), version, &json!({})).unwrap().expect(200).unwrap();
        let slip = get(&member.client, &format!("{place}/pay_slip"));
        let from_budget = |view: &Value| {
            let steps = view["steps"].as_array().unwrap().clone();
            let at = steps.iter().position(|step| step["code"] == "budget").unwrap();
            steps[at..].to_vec()
        };
        assert_eq!(from_budget(&slip), from_budget(&tried), "{preset}: {cents}");
        for field in ["budget", "gross", "net", "residual"] {
            assert_eq!(slip[field], tried[field], "{preset}: {cents}: {field}");
        }
    }
}

#[test]
fn a_thousand_wages_are_what_was_simulated() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    vote(&app, &cast);
    withhold(&app, &cast, &member, "0.2345");
    let presets =
        ["be_employee", "be_artist", "fr_employee", "de_employee", "it_performing_arts", "it_employee", "se_employee"];
    let mut activities = Vec::new();
    for preset in presets {
        let activity = super::levies::another_activity(&member);
        let scheme = scheme(&cast, preset);
        arrange(&app, &cast, &activity, Some(&scheme));
        funded(&app, &mut cast, &activity, 45_000_000);
        activities.push(ActivityId(activity.activity_id.parse().unwrap()));
    }
    let person = PersonId(member.client.person_id.as_deref().unwrap().parse().unwrap());
    let mut state = 0x9E_37_79_B9_7F_4A_7C_15_u64;
    let mut done = 0;
    for n in 0..1_000_usize {
        let activity = activities[n % activities.len()];
        let euro =
            |cents: u64| Money { amount_minor: Minor::new(i64::try_from(cents).unwrap()), currency: Currency::EUR };
        let (invoice, beside) = (euro(20_000 + next(&mut state) % 300_000), euro(next(&mut state) % 3 * 1_234));
        let (tried, paid) = app
            .db
            .write_blocking(&Actor::System, |tx| {
                let beside_it = Beside { beside: beside.amount_minor, rights: Minor::ZERO };
                let tried =
                    payroll::simulate(tx, Some(activity), Wish::Invoice(invoice), None, beside_it)?.turnover.pay;
                let budget = Money { amount_minor: tried.budget, currency: Currency::EUR };
                let id: PayoutId = tx.new_id();
                payouts::request_for(tx, person, id, activity, budget, (Some(beside), None))?;
                let of = SlipOf { payout: id, activity, budget, beside: beside_it };
                let slip = payroll::fix(tx, &of)?.unwrap();
                Ok((tried, slip.pay()?))
            })
            .unwrap();
        assert_eq!(tried, paid, "case {n}: {invoice:?}");
        done += 1;
    }
    assert_eq!(done, 1_000);
    assert_eq!(app.count("SELECT count(*) FROM pay_slip"), 1_000);
}

pub fn scheme_of(cast: &Cast, code: &str) -> String {
    let list = get(&cast.staff.administrator, "/v1/pay_schemes?limit=200");
    let found = list["data"].as_array().unwrap().iter().find(|row| row["code"] == code).unwrap().clone();
    text(&found, "id")
}

#[test]
fn copyright_income_has_its_share_and_its_ceiling() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    vote(&app, &cast);
    let employee = scheme(&cast, "be_employee");
    arrange(&app, &cast, &member, Some(&employee));
    funded(&app, &mut cast, &member, 300_000);
    let ask = |rights: i64| {
        let body = json!({"id": member.client.new_id(), "activity_id": member.activity_id, "amount": money(200_000), "copyright": money(rights)});
        member.client.post("/v1/payouts", &body).unwrap()
    };
    let plain = json!({"id": member.client.new_id(), "activity_id": member.activity_id, "amount": money(200_000)});
    let refused = member.client.post("/v1/payouts", &plain).unwrap();
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "withholding_rate_missing"),
        "nobody is paid untaxed by oversight"
    );
    withhold(&app, &cast, &member, "0");
    let refused = ask(30_000);
    assert_eq!((refused.status, refused.code().as_str()), (409, "rights_proof_missing"));
    super::true_ups::prove_rights(&app, &cast, &member);
    let refused = ask(60_000);
    assert_eq!((refused.status, refused.code().as_str()), (422, "copyright_limit_exceeded"));
    assert!(refused.json()["detail"].as_str().unwrap().contains("438.17"), "{}", refused.json());
    let payout = ask(30_000).expect(201).unwrap();
    // What a payout says of itself.
    assert_eq!(
        (minor(&payout, "/copyright"), minor(&payout, "/beside_wage"), &payout["net"]),
        (30_000, 0, &Value::Null)
    );
    let place = format!("/v1/payouts/{}", text(&payout, "id"));
    let version = payout["version"].as_i64().unwrap();
    cast.staff.reviewer.change(&format!("{place}/approve"), version, &json!({})).unwrap().expect(200).unwrap();
    let slip = get(&member.client, &format!("{place}/pay_slip"));
    assert_eq!(step(&slip, "copyright_withholding"), -2_250, "15 % of what is left after 50 % of flat costs");
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_written() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let administrator = cast.staff.administrator.clone();
    let fields = |answer: &umbel::demo::Answer| {
        let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let post = |client: &Client, path: &str, body: Value| client.post(path, &body).unwrap();
    let id = scheme(&cast, "be_employee");
    let versions = format!("/v1/pay_schemes/{id}/versions");
    let wrong = post(
        &administrator,
        &versions,
        json!({"id": administrator.new_id(), "valid_from": "2026-01-02", "reason": "",
        "rules": {"components": [{"code": "X", "payer": "employer", "base": "taxable", "rate": "2"}]},
        "source": "x", "needs_review_on": "2025-01-01"}),
    );
    assert_eq!(wrong.status, 422);
    let expected = [
        "/valid_from",
        "/needs_review_on",
        "/reason",
        "/rules/components/0/code",
        "/rules/components/0/base",
        "/rules/components/0/rate",
    ];
    assert_eq!(fields(&wrong), expected);
    let unknown = post(
        &administrator,
        &versions,
        json!({"id": administrator.new_id(), "valid_from": "2027-01-01", "reason": "x", "preset": "none"}),
    );
    assert!(fields(&unknown).contains(&"/preset".to_owned()), "{}", unknown.json());
    let next = json!({"id": administrator.new_id(), "valid_from": "2027-01-01", "reason": "New rates", "source": "Moniteur", "needs_review_on": "2027-12-01",
        "rules": {"components": [{"code": "employer_contribution", "payer": "employer", "base": "gross", "rate": "0.3"}]}});
    post(&administrator, &versions, next.clone()).expect(201).unwrap();
    let twice = json!({"id": administrator.new_id(), "valid_from": "2027-01-01", "reason": "Again", "preset": "be_artist", "needs_review_on": "2027-12-01"});
    assert_eq!(post(&administrator, &versions, twice).code(), "not_unique");
    let list = get(&member.client, &versions);
    let listed = list["data"].as_array().unwrap();
    let newest = listed.iter().find(|version| version["id"] == next["id"]).unwrap();
    assert_eq!((listed.len(), &newest["rules"]), (2, &next["rules"]));
    let again = json!({"id": administrator.new_id(), "entity_id": cast.entity_id, "code": "be_employee", "name": "x"});
    assert_eq!(post(&administrator, "/v1/pay_schemes", again).code(), "not_unique");

    let arrangements = format!("/v1/activities/{}/pay_arrangements", member.activity_id);
    let past = json!({"id": administrator.new_id(), "scheme_id": administrator.new_id(), "valid_from": "2020-01-01", "reason": ""});
    let mut found = fields(&post(&administrator, &arrangements, past));
    found.sort();
    assert_eq!(found, ["/reason", "/scheme_id", "/valid_from"]);
    let rates = format!("/v1/members/{}/withholding_rates", member.client.person_id.as_deref().unwrap());
    let wrong = json!({"id": administrator.new_id(), "rate": "0.76", "valid_from": "2020-01-01", "reason": "", "evidence_id": administrator.new_id()});
    let mut found = fields(&post(&administrator, &rates, wrong));
    found.sort();
    assert_eq!(found, ["/evidence_id", "/rate", "/reason", "/valid_from"]);

    let try_it = |body: Value| member.client.post("/v1/pay_simulations", &body).unwrap();
    assert_eq!(fields(&try_it(json!({"activity_id": member.activity_id}))), ["/invoice_amount"]);
    assert_eq!(
        fields(&try_it(json!({"activity_id": member.activity_id, "invoice_amount": money(0)}))),
        ["/invoice_amount/amount_minor"]
    );
    assert_eq!(
        fields(&try_it(json!({"activity_id": member.activity_id, "invoice_amount": money(1), "wished_net": money(1)}))),
        ["/wished_net"]
    );
    let beside = json!({"activity_id": member.activity_id, "invoice_amount": money(100), "beside_wage": money(10)});
    assert_eq!(fields(&try_it(beside)), ["/beside_wage"], "a plain transfer has nothing beside it");
    let other = app.another_member(&mut cast);
    assert_eq!(try_it(json!({"activity_id": other.activity_id, "invoice_amount": money(100)})).status, 404);
    arrange(&app, &cast, &member, Some(&id));
    assert_eq!(
        try_it(json!({"activity_id": member.activity_id, "invoice_amount": money(100), "beside_wage": money(101)}))
            .code(),
        "pay_not_covered"
    );
    let negative = json!({"activity_id": member.activity_id, "invoice_amount": money(100), "copyright": money(-1)});
    assert_eq!(fields(&try_it(negative)), ["/copyright/amount_minor"]);
    // Nothing of it changed what is there.
    assert_eq!(get(&administrator, &arrangements).as_array().unwrap().len(), 1);
    assert_eq!(get(&administrator, &rates).as_array().unwrap().len(), 0);
    let presets = get(&member.client, "/v1/pay_scheme_presets");
    assert!(presets["data"].as_array().unwrap().len() == 7 && presets["advice"].is_string());
    app.stage.days_pass(1).unwrap();
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    let member = MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member };
    arrange(&app, &cast, &member, None);
    let plain = simulate(&member, &json!({"invoice_amount": money(1_000)}));
    assert_eq!(plain["scheme_version_id"], Value::Null, "a plain transfer again");
}
