//! Credit notes: what was invoiced is given back, in the shares that were booked, and nothing beyond.

use chrono::Days;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client, Invoiced, MemberCast};
use umbel::kernel::money::Minor;
use umbel::platform::faults::Faults;

#[cfg(feature = "faults")]
use super::concurrency::at_once;
use super::stories::journal;
use super::support::{ADMIN, TestApp};
use super::world::{rows, text};

/// Line 1 of an invoice, or as much of it.
pub(super) fn part(client: &Client, cents: i64) -> Value {
    json!({"id": client.new_id(), "reason": "Two days too many", "lines": [{"n": 1, "net": {"amount_minor": cents, "currency": "EUR"}}]})
}

pub(super) fn full(client: &Client) -> Value {
    json!({"id": client.new_id(), "reason": "The client cancelled", "full": true})
}

pub(super) fn credit(client: &Client, invoice: &str, body: &Value) -> Answer {
    client.post(&format!("/v1/invoices/{invoice}/credit_notes"), body).unwrap()
}

fn cents(value: &Value) -> i64 {
    value["amount_minor"].as_i64().unwrap_or_else(|| panic!("no amount in {value}"))
}

/// Net, VAT, gross, then the levies.
pub(super) fn figures(note: &Value) -> Vec<i64> {
    let mut found: Vec<i64> = ["total_net", "total_vat", "total_gross"].iter().map(|name| cents(&note[name])).collect();
    found.extend(note["charges"].as_array().unwrap().iter().map(|charge| cents(&charge["amount"])));
    found
}

/// Share, and what of it came from what waited, from what was available, and from nothing.
pub(super) fn taken(note: &Value) -> [i64; 4] {
    ["share", "pending", "available", "arrears"].map(|name| cents(&note["from_activity"][name]))
}

fn invoiced(app: &TestApp, cast: &Cast, member: &MemberCast, net: i64) -> Invoiced {
    let submitted = app.stage.submitted_invoice(member, None, net).unwrap();
    app.stage.issue(&cast.staff.reviewer, &submitted).unwrap()
}

/// Pending, available, reserved.
fn balance(app: &TestApp, member: &MemberCast) -> [i64; 3] {
    ["pending_minor", "available_minor", "reserved_minor"].map(|column| {
        app.count(&format!("SELECT {column} FROM activity_balance WHERE activity_id = '{}'", member.activity_id))
    })
}

/// What the books hold of an invoice on every account that a credit note touches; nothing once it is given back.
pub(super) fn left_in_the_books(app: &TestApp, invoice: &str) -> i64 {
    app.count(&format!(
        "SELECT count(*) FROM (SELECT account FROM posting WHERE invoice_id = '{invoice}' \
         AND account IN ('turnover', 'vat_output', 'member_cost', 'fee_income', 'guarantee_fund', 'funds.pending', 'memo.advances') \
         GROUP BY account HAVING sum(amount_minor) <> 0) x"
    ))
}

#[test]
fn a_credit_note_takes_a_part_and_the_last_one_all_that_is_left() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let invoice = invoiced(&app, &cast, &member, 33_333);
    let first = credit(reviewer, &invoice.id, &part(reviewer, 11_111)).expect(201).unwrap();
    assert_eq!((first["number"].as_str(), first["invoice_number"].as_str()), (Some("C2026-0001"), Some("2026-0001")));
    assert_eq!(figures(&first), [11_111, 2_333, 13_444, 611, 222]);
    assert_eq!(taken(&first), [10_278, 10_278, 0, 0]);
    let seen = member.client.get(&format!("/v1/invoices/{}", invoice.id)).unwrap().expect(200).unwrap();
    assert_eq!(
        (seen["settlement"].as_str(), cents(&seen["open"]), cents(&seen["reduced"])),
        (Some("open"), 26_889, 13_444)
    );
    assert_eq!((cents(&seen["lines"][0]["credited"]), cents(&seen["over_settled"])), (11_111, 0));
    app.stage.clock.advance(chrono::Duration::minutes(1));
    let last = credit(reviewer, &invoice.id, &full(reviewer)).expect(201).unwrap();
    assert_eq!(last["number"], "C2026-0002");
    assert_eq!(figures(&last), [22_222, 4_667, 26_889, 1_222, 445]);
    let seen = member.client.get(&format!("/v1/invoices/{}", invoice.id)).unwrap().expect(200).unwrap();
    assert_eq!(
        (seen["settlement"].as_str(), cents(&seen["open"]), cents(&seen["over_settled"])),
        (Some("settled"), 0, 0)
    );
    assert_eq!((balance(&app, &member), left_in_the_books(&app, &invoice.id)), ([0, 0, 0], 0));
    assert_eq!(credit(reviewer, &invoice.id, &full(reviewer)).code(), "already_credited");
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn a_full_credit_copies_the_levies_that_were_booked() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let today = app.stage.today();
    let rules = json!({
        "id": reviewer.new_id(), "valid_from": today, "decided_on": today - Days::new(10), "decision": "6.5 %",
        "share_price": {"amount_minor": 3000, "currency": "EUR"}, "payment_terms_days": 30, "advance_working_days": 7,
        "client_limit": {"amount_minor": 5_000_000, "currency": "EUR"}, "levies": [{"kind": "fee", "rate": "0.065"}],
    });
    cast.staff
        .administrator
        .post(&format!("/v1/entities/{}/rule_sets", cast.entity_id), &rules)
        .unwrap()
        .expect(201)
        .unwrap();
    let invoice = invoiced(&app, &cast, &member, 123_456);
    assert_eq!(cents(&invoice.view["charges"][0]["amount"]), 8_025);
    let note = credit(reviewer, &invoice.id, &full(reviewer)).expect(201).unwrap();
    assert_eq!(figures(&note), [123_456, 25_926, 149_382, 8_025]);
    assert_eq!(app.count("SELECT amount_minor FROM levy_charge WHERE amount_minor < 0"), -8_025);
    assert_eq!(app.count("SELECT sum(amount_minor) FROM levy_charge"), 0);
    assert_eq!(left_in_the_books(&app, &invoice.id), 0);
}

#[test]
fn what_was_paid_is_the_clients_again_and_what_was_spent_is_owed() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let invoice = invoiced(&app, &cast, &member, 100_000);
    cast.bank.receives(Minor::new(invoice.gross), &invoice.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    app.stage.payout(&member, 60_000).unwrap();
    let reviewer = &cast.staff.reviewer;
    let note = credit(reviewer, &invoice.id, &part(reviewer, 20_000)).expect(201).unwrap();
    assert_eq!((taken(&note), balance(&app, &member)), ([18_500, 0, 18_500, 0], [0, 14_000, 60_000]));
    app.stage.clock.advance(chrono::Duration::minutes(1));
    let note = credit(reviewer, &invoice.id, &full(reviewer)).expect(201).unwrap();
    assert_eq!((taken(&note), balance(&app, &member)), ([74_000, 0, 14_000, 60_000], [0, 0, 60_000]));
    let seen = reviewer.get(&format!("/v1/invoices/{}", invoice.id)).unwrap().expect(200).unwrap();
    assert_eq!((cents(&seen["open"]), cents(&seen["over_settled"])), (0, 121_000));
    let credits = cast.staff.accountant.get("/v1/client_credits").unwrap().expect(200).unwrap();
    assert_eq!(
        (credits["data"][0]["invoice_id"].as_str(), cents(&credits["data"][0]["amount"])),
        (Some(invoice.id.as_str()), 121_000)
    );
    assert_eq!(credits["data"].as_array().unwrap().len(), 1);
    assert_eq!(member.client.get("/v1/client_credits").unwrap().status, 403);
    // Money that comes for it now waits for somebody: nothing is left to pay.
    cast.bank.receives(Minor::new(100), &invoice.reference, "Client", app.stage.today());
    assert_eq!(app.stage.import(&mut cast).unwrap()["suspense"], 1);
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn a_client_who_paid_half_owes_nothing_after_the_other_half_was_credited() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let invoice = invoiced(&app, &cast, &member, 33_333);
    // 40,333 gross: half of it is paid, and a cent of rounding stays where it waits.
    cast.bank.receives(Minor::new(20_167), &invoice.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let reviewer = &cast.staff.reviewer;
    let note = credit(reviewer, &invoice.id, &part(reviewer, 16_666)).expect(201).unwrap();
    assert_eq!(figures(&note)[..3], [16_666, 3_500, 20_166]);
    let seen = reviewer.get(&format!("/v1/invoices/{}", invoice.id)).unwrap().expect(200).unwrap();
    assert_eq!((cents(&seen["open"]), cents(&seen["over_settled"])), (0, 0));
    let [pending, available, _] = balance(&app, &member);
    assert_eq!(
        (pending, available),
        (0, 33_333 - 16_666 - (1_833 - 916) - (667 - 333)),
        "what is left is the net less its levies"
    );
}

#[test]
fn an_advance_shrinks_with_what_is_credited_and_closes_with_the_last() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let stage = &app.stage;
    let order = stage.confirmed_order(&member, 100_000).unwrap();
    let submitted = stage.submitted_invoice(&member, order["id"].as_str(), 0).unwrap();
    let invoice = stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    stage.days_pass(9).unwrap();
    stage.office_returns(&mut cast, ADMIN).unwrap();
    let reviewer = &cast.staff.reviewer;
    assert_eq!(balance(&app, &member), [0, 92_500, 0]);
    let memo = || app.count("SELECT coalesce(sum(amount_minor), 0) FROM posting WHERE account = 'memo.advances'");
    let note = credit(reviewer, &invoice.id, &part(reviewer, 25_000)).expect(201).unwrap();
    assert_eq!((taken(&note), memo()), ([23_125, 0, 23_125, 0], 69_375));
    // The client pays what is left: the advance closes with it, and nothing more.
    stage.clock.advance(chrono::Duration::minutes(1));
    let other = stage
        .confirmed_order(&MemberCast { client: stage.sign_in(&member.email).unwrap(), ..member.clone() }, 50_000)
        .unwrap();
    let member = MemberCast { client: stage.sign_in(&member.email).unwrap(), ..member };
    let submitted = stage.submitted_invoice(&member, other["id"].as_str(), 0).unwrap();
    let second = stage.issue(reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(90_750), &invoice.reference, "Client", stage.today());
    stage.import(&mut cast).unwrap();
    assert_eq!(memo(), 0);
    // Another is advanced and credited in full before anybody paid; two holidays lie before its promised day.
    stage.days_pass(14).unwrap();
    stage.office_returns(&mut cast, ADMIN).unwrap();
    assert_eq!(memo(), 46_250);
    let note = credit(&cast.staff.reviewer, &second.id, &full(&cast.staff.reviewer)).expect(201).unwrap();
    assert_eq!((taken(&note), memo(), left_in_the_books(&app, &second.id)), ([46_250, 0, 46_250, 0], 0, 0));
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn what_is_credited_of_an_order_can_be_invoiced_again() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let stage = &app.stage;
    let order = stage.confirmed_order(&member, 100_000).unwrap();
    let submitted = stage.submitted_invoice(&member, order["id"].as_str(), 0).unwrap();
    let invoice = stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    let exposure = || app.count(&format!("SELECT client_exposure('{}')", member.client_id));
    assert_eq!(exposure(), 121_000);
    let draft = json!({"id": member.client.new_id(), "order_id": order["id"]});
    let again = member.client.post("/v1/invoices", &draft).unwrap().expect(201).unwrap();
    let place = format!("/v1/invoices/{}/submit", text(&again, "id"));
    let submit = || member.client.change(&place, again["version"].as_i64().unwrap(), &json!({})).unwrap();
    assert_eq!(submit().code(), "order_amount_exceeded");
    let reviewer = &cast.staff.reviewer;
    credit(reviewer, &invoice.id, &part(reviewer, 40_000)).expect(201).unwrap();
    assert_eq!(submit().code(), "order_amount_exceeded");
    assert_eq!(exposure(), 121_000, "what is credited is to be invoiced again");
    credit(reviewer, &invoice.id, &full(reviewer)).expect(201).unwrap();
    submit().expect(200).unwrap();
}

#[test]
fn the_client_and_the_member_get_it_and_only_its_owner_and_the_office_see_it() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    let reviewer = &cast.staff.reviewer;
    let invoice = invoiced(&app, &cast, &member, 100_000);
    let note = credit(reviewer, &invoice.id, &part(reviewer, 10_000)).expect(201).unwrap();
    let place = format!("/v1/credit_notes/{}", text(&note, "id"));
    assert_eq!(member.client.get(&format!("{place}/pdf")).unwrap().status, 404, "a moment before it is made");
    app.stage.settle().unwrap();
    let pdf = member.client.get(&format!("{place}/pdf")).unwrap();
    assert!(pdf.status == 200 && pdf.body.starts_with(b"%PDF-"), "{}", pdf.status);
    assert_eq!(pdf.body, reviewer.get(&format!("{place}/pdf")).unwrap().body, "the same bytes for ever");
    let mail = app.stage.mail_to(&member.client_email, "C2026-0001").unwrap();
    assert!(mail.contains("2026-0001") && mail.contains("Two days too many") && mail.contains("121,00"), "{mail}");
    let mail = app.stage.mail_to(&member.email, "C2026-0001").unwrap();
    assert!(mail.contains("92,50") && mail.contains("Two days too many"), "{mail}");
    let emails = member.client.get(&format!("{place}/emails")).unwrap().expect(200).unwrap();
    assert_eq!(emails.as_array().unwrap().len(), 2);
    for path in [place.clone(), format!("{place}/pdf"), format!("{place}/emails")] {
        assert_eq!(other.client.get(&path).unwrap().status, 404, "{path}");
    }
    let of = |client: &Client, query: &str| {
        client.get(&format!("/v1/credit_notes{query}")).unwrap().expect(200).unwrap()["data"].as_array().unwrap().len()
    };
    assert_eq!((of(&member.client, ""), of(&other.client, ""), of(reviewer, "")), (1, 0, 1));
    assert_eq!(of(reviewer, &format!("?invoice_id={}", invoice.id)), 1);
    assert_eq!(of(reviewer, &format!("?invoice_id={}", text(&note, "id"))), 0);
    // Lists and views of invoices are about invoices.
    let list = reviewer.get("/v1/invoices").unwrap().expect(200).unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(reviewer.get(&format!("/v1/invoices/{}", text(&note, "id"))).unwrap().status, 404);
    assert_eq!(credit(reviewer, &text(&note, "id"), &full(reviewer)).status, 404, "a credit note is not credited");
    let journal = cast.staff.accountant.get(&format!("/v1/entities/{}/journal.hledger", cast.entity_id)).unwrap();
    let journal = String::from_utf8(journal.body).unwrap();
    assert!(journal.contains("Credit note issued: C2026-0001"), "{journal}");
}

#[test]
fn a_page_of_credit_notes_leads_to_the_next() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let invoice = invoiced(&app, &cast, &member, 100_000);
    for _ in 0..3 {
        credit(reviewer, &invoice.id, &part(reviewer, 1_000)).expect(201).unwrap();
        app.stage.clock.advance(chrono::Duration::seconds(1));
    }
    let first = member.client.get("/v1/credit_notes?limit=2").unwrap().expect(200).unwrap();
    let numbers = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|row| text(row, "number")).collect()
    };
    assert_eq!(numbers(&first), ["C2026-0003", "C2026-0002"]);
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    let second = member.client.get(&format!("/v1/credit_notes?limit=2&cursor={cursor}")).unwrap().expect(200).unwrap();
    assert_eq!((numbers(&second), second["page"]["has_more"].as_bool()), (vec!["C2026-0001".to_owned()], Some(false)));
}

#[test]
fn what_must_not_be_credited_is_refused_with_the_name_of_its_field_and_writes_nothing() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let invoice = invoiced(&app, &cast, &member, 100_000);
    let draft = app.stage.submitted_invoice(&member, None, 5_000).unwrap();
    credit(reviewer, &invoice.id, &part(reviewer, 99_000)).expect(201).unwrap();
    let line =
        |n: i64, cents: i64, currency: &str| json!({"n": n, "net": {"amount_minor": cents, "currency": currency}});
    let body = |lines: Value| json!({"id": reviewer.new_id(), "reason": "Wrong", "lines": lines});
    let before = rows(&app);
    let cases = [
        ("more than is left", body(json!([line(1, 1_001, "EUR")])), 422, "/lines/0/net"),
        ("nothing", body(json!([line(1, 0, "EUR")])), 422, "/lines/0/net"),
        ("less than nothing", body(json!([line(1, -5, "EUR")])), 422, "/lines/0/net"),
        ("an unknown line", body(json!([line(1, 5, "EUR"), line(2, 5, "EUR")])), 422, "/lines/1/n"),
        ("a line twice", body(json!([line(1, 5, "EUR"), line(1, 5, "EUR")])), 422, "/lines/1/n"),
        ("dollars", body(json!([line(1, 5, "USD")])), 422, "/lines/0/net/currency"),
        ("no lines", body(json!([])), 422, "/lines"),
        ("neither", json!({"id": reviewer.new_id(), "reason": "Wrong"}), 422, "/lines"),
        (
            "both",
            json!({"id": reviewer.new_id(), "reason": "Wrong", "full": true, "lines": [line(1, 5, "EUR")]}),
            422,
            "/lines",
        ),
        ("no reason", json!({"id": reviewer.new_id(), "reason": " ", "full": true}), 422, "/reason"),
        ("a long reason", json!({"id": reviewer.new_id(), "reason": "x".repeat(501), "full": true}), 422, "/reason"),
    ];
    for (what, body, status, pointer) in cases {
        let answer = credit(reviewer, &invoice.id, &body);
        let told = answer.json();
        assert_eq!((answer.status, told["errors"][0]["pointer"].as_str()), (status, Some(pointer)), "{what}: {told}");
    }
    assert_eq!(rows(&app), before, "nothing written");
    let of_draft = credit(reviewer, &text(&draft, "id"), &full(reviewer));
    assert_eq!((of_draft.status, of_draft.code()), (409, "state_conflict".to_owned()));
    assert_eq!(credit(reviewer, &reviewer.new_id(), &full(reviewer)).status, 404);
    assert_eq!(credit(&member.client, &invoice.id, &full(reviewer)).status, 403);
    assert_eq!(credit(&cast.staff.accountant, &invoice.id, &full(reviewer)).status, 403);
    let rehearsed =
        reviewer.post(&format!("/v1/invoices/{}/credit_notes?dry_run=true", invoice.id), &full(reviewer)).unwrap();
    let rehearsed = rehearsed.expect(201).unwrap();
    assert_eq!((rehearsed["dry_run"].as_bool(), cents(&rehearsed["total_net"])), (Some(true), 1_000));
    let kept = "SELECT count(*) FROM invoice WHERE kind = 'credit_note'";
    assert_eq!(
        (app.count(kept), app.count("SELECT last_seq FROM document_series WHERE series = 'credit_note'")),
        (1, 1)
    );
}

#[test]
fn what_was_given_up_is_not_credited() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let invoice = invoiced(&app, &cast, &member, 100_000);
    credit(reviewer, &invoice.id, &part(reviewer, 40_000)).expect(201).unwrap();
    let proposed = super::guarantee::propose(reviewer, &invoice.id).expect(201).unwrap();
    let place = format!("/v1/write_offs/{}/approve", text(&proposed, "id"));
    cast.staff.approver.change(&place, proposed["version"].as_i64().unwrap(), &json!({})).unwrap().expect(200).unwrap();
    let seen = reviewer.get(&format!("/v1/invoices/{}", invoice.id)).unwrap().expect(200).unwrap();
    assert_eq!((cents(&seen["written_off"]), cents(&seen["reduced"])), (72_600, 121_000), "what credit notes left");
    let refused = credit(reviewer, &invoice.id, &full(reviewer));
    assert_eq!((refused.status, refused.code()), (409, "invoice_written_off".to_owned()));
}

#[test]
fn nobody_credits_their_own_invoice() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let invoice = invoiced(&app, &cast, &member, 10_000);
    let grant = json!({"id": member.client.new_id(), "role": "reviewer", "valid_from": app.stage.today()});
    let place = format!("/v1/people/{}/role_grants", member.client.person_id.as_deref().unwrap());
    cast.staff.administrator.post(&place, &grant).unwrap().expect(201).unwrap();
    let themselves = app.stage.sign_in(&member.email).unwrap();
    let refused = credit(&themselves, &invoice.id, &full(&themselves));
    assert_eq!((refused.status, refused.code()), (403, "self_approval_forbidden".to_owned()));
}

#[test]
fn the_same_request_credits_once() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let invoice = invoiced(&app, &cast, &member, 100_000);
    let body = part(reviewer, 10_000);
    let key = reviewer.new_id();
    let place = format!("/v1/invoices/{}/credit_notes", invoice.id);
    let send = || reviewer.command("POST", &place, &[("Idempotency-Key", &key)], &body).unwrap();
    let (first, second) = (send(), send());
    assert_eq!((first.status, first.body), (201, second.body));
    assert_eq!(app.count("SELECT count(*) FROM invoice WHERE kind = 'credit_note'"), 1);
}

#[cfg(feature = "faults")]
#[test]
fn of_eight_at_the_same_moment_one_credits_the_invoice() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let invoice = invoiced(&app, &cast, &member, 100_000);
    let answers = at_once(8, |_| credit(reviewer, &invoice.id, &full(reviewer)));
    let mut codes: Vec<_> = answers.iter().map(|answer| (answer.status, answer.code())).collect();
    codes.sort();
    assert_eq!(codes[0].0, 201, "{codes:?}");
    assert!(codes[1..].iter().all(|code| *code == (409, "already_credited".to_owned())), "{codes:?}");
    assert_eq!(app.count("SELECT count(*) FROM invoice WHERE kind = 'credit_note'"), 1);
    // Parts of several invoices: numbers without gap in the order of issue.
    let many: Vec<Invoiced> = (0..8).map(|_| invoiced(&app, &cast, &member, 10_000)).collect();
    let answers = at_once(24, |index| credit(reviewer, &many[index % 8].id, &part(reviewer, 2_500)));
    assert!(answers.iter().all(|answer| answer.status == 201));
    let out_of_order = "SELECT count(*) FROM (SELECT i.seq, lag(i.seq, 1, 0::bigint) OVER (ORDER BY h.id) AS before \
        FROM state_history h JOIN invoice i ON i.id = h.subject_id WHERE h.machine = 'credit_note' AND h.to_state = 'issued') x WHERE seq <> before + 1";
    assert_eq!(
        (app.count("SELECT max(seq) FROM invoice WHERE kind = 'credit_note'"), app.count(out_of_order)),
        (25, 0)
    );
}

/// The twin without the lock: PostgreSQL still refuses what does not fit, and each invoice is credited once.
#[cfg(feature = "faults")]
#[test]
fn without_the_lock_postgresql_still_lets_only_one_credit_the_invoice() {
    use umbel::platform::faults::Guard;
    let app = TestApp::start_with(Faults::without([Guard::RowLock]));
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    // Enough waits of another invoice that the floor of the balance does not refuse first.
    invoiced(&app, &cast, &member, 10_000_000);
    let mut refused_by_postgresql = 0;
    for _ in 0..5 {
        let invoice = invoiced(&app, &cast, &member, 100_000);
        let answers = at_once(8, |_| credit(reviewer, &invoice.id, &full(reviewer)));
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        refused_by_postgresql += answers.iter().filter(|answer| answer.code() == "credit_exceeds").count();
        let notes = format!("SELECT count(*) FROM invoice WHERE corrects_id = '{}'", invoice.id);
        assert_eq!(app.count(&notes), 1);
    }
    assert!(refused_by_postgresql > 0, "the guard below was never reached");
}
