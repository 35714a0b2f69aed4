//! Orders and invoices in another currency: the books are in euro, the document says both, and what arrives counts.

use chrono::{Days, NaiveDate};
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Client, MemberCast};
use umbel::kernel::money::Minor;

use super::credit_notes::{credit, full, left_in_the_books};
use super::einvoices::{american, draft_body, eur, file, issued, line, submitted, with};
use super::support::{ADMIN, TestApp};
use super::world::text;

pub(super) fn rate(who: &Client, currency: &str, rate: &str, on: NaiveDate) -> Answer {
    let body = json!({"id": who.new_id(), "currency": currency, "on": on, "rate": rate, "source": "ECB"});
    who.post("/v1/exchange_rates", &body).unwrap()
}

fn money(amount: i64, currency: &str) -> Value {
    json!({"amount_minor": amount, "currency": currency})
}

/// A line of an invoice in a currency.
pub(super) fn line_in(currency: &str, quantity: &str, amount: i64, over: Value) -> Value {
    line(quantity, amount, with(json!({"unit_price": money(amount, currency)}), over))
}

pub(super) fn in_currency(currency: &str, lines: &[Value]) -> Value {
    json!({"currency": currency, "lines": lines})
}

fn cents(value: &Value, name: &str) -> i64 {
    value[name]["amount_minor"].as_i64().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn totals(view: &Value) -> [i64; 3] {
    ["total_net", "total_vat", "total_gross"].map(|name| cents(view, name))
}

fn version(value: &Value) -> i64 {
    value["version"].as_i64().unwrap()
}

/// The pointers that a refused body names.
fn wrong(answer: &Answer) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| text(error, "pointer")).collect()
}

fn available(app: &TestApp, member: &MemberCast) -> i64 {
    app.count(&format!("SELECT available_minor FROM activity_balance WHERE activity_id = '{}'", member.activity_id))
}

/// An invoice of 1,210 dollars at 1.25: 968 euro, of which 740 wait (less 5.5 % and 2 % of 800).
fn dollars(app: &TestApp, cast: &Cast, member: &MemberCast) -> Value {
    rate(&cast.staff.accountant, "USD", "1.25", app.stage.today()).expect(201).unwrap();
    issued(app, cast, member, in_currency("USD", &[line_in("USD", "1", 100_000, json!({}))]))
}

fn digits(view: &Value) -> String {
    text(view, "payment_reference").chars().filter(char::is_ascii_digit).collect()
}

fn lines_waiting(cast: &Cast) -> Vec<Value> {
    let answer = cast.staff.reviewer.get("/v1/bank_lines?state=suspense").unwrap().expect(200).unwrap();
    answer["data"].as_array().unwrap().clone()
}

fn loss(who: &Client, invoice: &Value) -> Answer {
    let body = json!({"id": who.new_id(), "reason": "The dollar fell between the invoice and the payment"});
    who.post(&format!("/v1/invoices/{}/exchange_losses", text(invoice, "id")), &body).unwrap()
}

#[test]
fn an_invoice_in_dollars_is_booked_in_euro_and_says_both() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let today = app.stage.today();
    rate(&cast.staff.accountant, "USD", "1.1", today - Days::new(3)).expect(201).unwrap();
    let lines = [line_in("USD", "3.5", 8_731, json!({})), line_in("USD", "1", 10_000, json!({}))];
    let draft = submitted(&app, &member, in_currency("USD", &lines));
    assert_eq!(totals(&draft["document"]), [40_559, 8_517, 49_076]);
    assert_eq!((draft["document"]["rate"].as_str(), totals(&draft)[0]), (Some("1.1"), 27_781 + 9_091));
    // Until it is issued the rate is provisional.
    rate(&cast.staff.accountant, "USD", "1.25", today).expect(201).unwrap();
    let view = app.stage.issue(&cast.staff.reviewer, &draft).unwrap().view;
    let document = &view["document"];
    assert_eq!((document["rate"].as_str(), document["rate_source"].as_str()), (Some("1.25"), Some("ECB")));
    assert_eq!(document["rate_on"], json!(today));
    assert_eq!(totals(document), [40_559, 8_517, 49_076]);
    // 305.59 is 244.47, 100.00 is 80.00; 21 % of 324.47 is 68.14.
    assert_eq!(totals(&view), [32_447, 6_814, 39_261]);
    assert_eq!((view["lines"][0]["net"].clone(), view["total_net"].clone()), (money(30_559, "USD"), eur(32_447)));
    assert_eq!(view["open"], eur(39_261));
    let listed = member.client.get("/v1/invoices").unwrap().expect(200).unwrap();
    assert_eq!(listed["data"][0]["document_gross"], money(49_076, "USD"));
    // Another rate for the day changes nothing any more.
    let again = json!({"id": cast.staff.accountant.new_id(), "currency": "USD", "on": today, "rate": "2", "source": "ECB",
                       "reason": "A slip of the finger"});
    let replaced = cast.staff.accountant.post("/v1/exchange_rates", &again).unwrap().expect(201).unwrap();
    assert!(replaced["replaces_id"].is_string());
    let path = format!("/v1/invoices/{}", text(&view, "id"));
    assert_eq!(member.client.get(&path).unwrap().expect(200).unwrap()["document"]["rate"], "1.25");
    app.stage.settle().unwrap();
    let ubl = String::from_utf8(file(&cast.staff.reviewer, "invoices", &text(&view, "id"), "ubl").body).unwrap();
    for part in [
        "<cbc:DocumentCurrencyCode>USD<",
        "<cbc:TaxCurrencyCode>EUR<",
        "<cbc:TaxAmount currencyID=\"EUR\">68.14<",
        "currencyID=\"USD\">490.76<",
        "<cbc:PaymentMeansCode>30<",
    ] {
        assert!(ubl.contains(part), "{part} in {ubl}");
    }
}

#[test]
fn credit_notes_in_parts_net_to_nothing_in_both_currencies() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let today = app.stage.today();
    let reviewer = &cast.staff.reviewer;
    for (currency, value) in [("USD", "1.1603"), ("JPY", "163.07")] {
        rate(&cast.staff.accountant, currency, value, today).expect(201).unwrap();
        // A yen has no parts, and neither quantities nor rates may make some: a receiver would refuse that.
        let lines = [line_in(currency, "7", 8_731, json!({})), line_in(currency, "1", 77_777, json!({}))];
        let off = json!({"kind": "discount", "reason": "Regular client", "amount": money(3_333, currency)});
        let view = issued(&app, &cast, &member, with(in_currency(currency, &lines), json!({"adjustments": [off]})));
        let id = text(&view, "id");
        // A new rate: the credit notes keep that of the invoice.
        let wrong = json!({"id": reviewer.new_id(), "currency": currency, "on": today, "rate": "3", "source": "ECB", "reason": "Wrong"});
        cast.staff.administrator.post("/v1/exchange_rates", &wrong).unwrap().expect(201).unwrap();
        let part = |n: i32, amount: i64| {
            let lines = json!([{"n": n, "net": money(amount, currency)}]);
            credit(reviewer, &id, &json!({"id": reviewer.new_id(), "reason": "Less was done", "lines": lines}))
        };
        let euro = json!({"id": reviewer.new_id(), "reason": "x", "lines": [{"n": 1, "net": eur(1)}]});
        assert_eq!(credit(reviewer, &id, &euro).status, 422);
        assert_eq!(part(1, 1_000_000).status, 422);
        let first = part(1, 10_001).expect(201).unwrap();
        assert_eq!(first["document"]["rate"], value);
        assert_eq!(first["lines"][0]["net"], money(10_001, currency));
        part(2, 77_777).expect(201).unwrap();
        let last = credit(reviewer, &id, &full(reviewer)).expect(201).unwrap();
        assert!(totals(&last["document"])[0] > 0, "{last}");
        let left = |table: &str, of: &str| {
            app.count(&format!(
                "SELECT (SELECT {of}_minor FROM {table} WHERE {key} = '{id}') - (SELECT sum(x.{of}_minor)::bigint FROM {table} x \
                 JOIN invoice c ON c.id = x.{key} WHERE c.corrects_id = '{id}')",
                key = if table == "invoice" { "id" } else { "invoice_id" }
            ))
        };
        for table in ["invoice", "invoice_currency"] {
            assert_eq!(["net", "tax", "gross"].map(|of| left(table, of)), [0; 3], "{table} {currency}");
        }
        assert_eq!(left_in_the_books(&app, &id), 0);
        assert_eq!(credit(reviewer, &id, &full(reviewer)).code(), "already_credited");
    }
}

#[test]
fn a_loss_closes_the_small_rest_and_the_activity_bears_it() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let view = dollars(&app, &cast, &member);
    assert_eq!((totals(&view)[2], cents(&view, "to_activity")), (96_800, 74_000));
    // Nothing arrived: that is no difference of the rate.
    let refused = loss(&cast.staff.accountant, &view);
    assert_eq!((refused.status, refused.code().as_str()), (409, "exchange_difference_exceeds"));
    assert_eq!(refused.json()["params"]["rest_minor"].as_str().unwrap_or_default(), "96800");
    cast.bank.receives(Minor::new(94_800), &digits(&view), "Acme Inc.", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    assert_eq!(loss(&member.client, &view).status, 403);
    let body = json!({"id": cast.staff.accountant.new_id(), "reason": " "});
    let path = format!("/v1/invoices/{}/exchange_losses", text(&view, "id"));
    assert_eq!(wrong(&cast.staff.accountant.post(&path, &body).unwrap()), ["/reason"]);
    let settled = loss(&cast.staff.accountant, &view).expect(201).unwrap();
    assert_eq!((settled["amount"].clone(), settled["kind"].as_str()), (eur(2_000), Some("loss")));
    // 740.00 of the invoice, less 20.00.
    assert_eq!(available(&app, &member), 72_000);
    let after = member.client.get(&format!("/v1/invoices/{}", text(&view, "id"))).unwrap().expect(200).unwrap();
    assert_eq!((after["settlement"].as_str(), cents(&after, "open")), (Some("settled"), 0));
    assert_eq!(loss(&cast.staff.reviewer, &view).code(), "nothing_open");
    let listed = member.client.get(&format!("/v1/invoices/{}/exchange_differences", text(&view, "id"))).unwrap();
    assert_eq!(listed.expect(200).unwrap()[0]["reason"], settled["reason"]);
    let postings =
        "SELECT count(*) FROM posting p JOIN journal_entry e ON e.id = p.entry_id WHERE e.event = 'exchange_settled'";
    assert_eq!(app.count(postings), 5);
    let posting = app.count("SELECT p.id FROM posting p JOIN journal_entry e ON e.id = p.entry_id WHERE e.event = 'exchange_settled' AND p.account = 'funds.pending'");
    let explained = member.client.get(&format!("/v1/postings/{posting}/trace")).unwrap();
    assert!(
        String::from_utf8_lossy(&explained.body).contains("Le cours a bougé"),
        "{:?}",
        String::from_utf8_lossy(&explained.body)
    );
}

#[test]
fn a_loss_after_an_advance_closes_the_advance() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let today = app.stage.today();
    rate(&cast.staff.accountant, "USD", "1.25", today).expect(201).unwrap();
    let order = confirmed(&app, &member, "USD", 100_000);
    assert_eq!(app.count("SELECT count(*) FROM order_currency"), 1);
    let body = json!({"id": member.client.new_id(), "order_id": order});
    let draft = member.client.post("/v1/invoices", &body).unwrap().expect(201).unwrap();
    let path = format!("/v1/invoices/{}/submit", text(&draft, "id"));
    let draft = member.client.change(&path, version(&draft), &json!({})).unwrap().expect(200).unwrap();
    let view = app.stage.issue(&cast.staff.reviewer, &draft).unwrap().view;
    app.stage.days_pass(20).unwrap();
    assert_eq!(available(&app, &member), 74_000);
    app.stage.office_returns(&mut cast, ADMIN).unwrap();
    cast.bank.receives(Minor::new(95_000), &digits(&view), "Acme Inc.", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    loss(&cast.staff.reviewer, &view).expect(201).unwrap();
    assert_eq!(available(&app, &member), 74_000 - 1_800);
    assert_eq!(
        app.count("SELECT coalesce(sum(amount_minor), 0)::bigint FROM posting WHERE account = 'memo.advances'"),
        0
    );
}

#[test]
fn a_gain_goes_to_who_got_the_money_of_the_invoice() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let view = dollars(&app, &cast, &member);
    let other = issued(&app, &cast, &member, json!({}));
    cast.bank.receives(Minor::new(98_001), &digits(&view), "Acme Inc.", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let waiting = lines_waiting(&cast);
    let line = &waiting[0];
    assert_eq!(cents(line, "waiting"), 1_201);
    let gain = |who: &Client, invoice: &Value| {
        let body = json!({"id": who.new_id(), "invoice_id": text(invoice, "id"), "reason": "The dollar rose"});
        who.change(&format!("/v1/bank_lines/{}/exchange_gain", text(line, "id")), version(line), &body).unwrap()
    };
    assert_eq!(gain(&member.client, &view).status, 403);
    assert_eq!(gain(&cast.staff.reviewer, &other).code(), "invoice_in_euro");
    let placed = gain(&cast.staff.reviewer, &view).expect(200).unwrap();
    assert_eq!(cents(&placed, "waiting"), 0);
    assert_eq!(available(&app, &member), 74_000 + 1_201);
    assert_eq!(
        app.count("SELECT sum(amount_minor)::bigint FROM posting WHERE account = 'exchange_result'"),
        -1_201,
        "income is a credit"
    );
}

#[test]
fn a_gain_beyond_a_twentieth_is_a_payment_too_much() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let view = dollars(&app, &cast, &member);
    cast.bank.receives(Minor::new(101_641), &digits(&view), "Acme Inc.", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let line = &lines_waiting(&cast)[0];
    let reviewer = &cast.staff.reviewer;
    let body = json!({"id": reviewer.new_id(), "invoice_id": text(&view, "id"), "reason": "The dollar rose"});
    let path = format!("/v1/bank_lines/{}/exchange_gain", text(line, "id"));
    let refused = reviewer.change(&path, version(line), &body).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "exchange_difference_exceeds"));
    assert_eq!(available(&app, &member), 74_000);
}

fn confirmed(app: &TestApp, member: &MemberCast, currency: &str, amount: i64) -> String {
    let today = app.stage.today();
    let id = member.client.new_id();
    let order = json!({
        "id": id, "activity_id": member.activity_id, "client_id": member.client_id, "title": "Illustrations", "currency": currency,
        "work_ends_on": today, "valid_until": today + Days::new(60),
        "lines": [line_in(currency, "1", amount, json!({}))],
    });
    let seen = member.client.post("/v1/orders", &order).unwrap().expect(201).unwrap();
    member.client.change(&format!("/v1/orders/{id}/send"), version(&seen), &json!({})).unwrap().expect(200).unwrap();
    app.stage.settle().unwrap();
    let token = app.stage.token_to(&member.client_email, "/o/").unwrap();
    let client = app.stage.visitor();
    let offer = client.get(&format!("/v1/order_links/{token}")).unwrap().expect(200).unwrap();
    let answer = json!({"document_sha256": text(&offer, "document_sha256"), "signer_name": "Łukasz Øster"});
    client.post(&format!("/v1/order_links/{token}/confirm"), &answer).unwrap().expect(200).unwrap();
    app.stage.settle().unwrap();
    id
}

#[test]
fn parts_of_an_order_add_up_in_its_currency_whatever_the_rates() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    rate(&cast.staff.accountant, "JPY", "163.07", app.stage.today()).expect(201).unwrap();
    let order = confirmed(&app, &member, "JPY", 333_333);
    let part = |what: Value| {
        let body = with(json!({"id": member.client.new_id(), "order_id": order}), what);
        member.client.post("/v1/invoices", &body).unwrap()
    };
    let hand_in = |draft: &Value| {
        let path = format!("/v1/invoices/{}/submit", text(draft, "id"));
        member.client.change(&path, version(draft), &json!({})).unwrap().expect(200).unwrap()
    };
    assert_eq!(wrong(&part(json!({"currency": "EUR"}))), ["/currency"]);
    let deposit = part(json!({"stage": "deposit", "share": "0.3"})).expect(201).unwrap();
    assert_eq!(cents(&deposit["document"], "total_net"), 100_000);
    app.stage.issue(&cast.staff.reviewer, &hand_in(&deposit)).unwrap();
    let moved = json!({"id": cast.staff.accountant.new_id(), "currency": "JPY", "on": app.stage.today(), "rate": "170", "source": "ECB", "reason": "Wrong"});
    cast.staff.accountant.post("/v1/exchange_rates", &moved).unwrap().expect(201).unwrap();
    let balance = part(json!({"stage": "balance"})).expect(201).unwrap();
    assert_eq!(
        (balance["document"]["rate"].as_str(), cents(&balance["document"], "total_net")),
        (Some("170"), 233_333)
    );
    app.stage.issue(&cast.staff.reviewer, &hand_in(&balance)).unwrap();
    assert_eq!(part(json!({"stage": "balance"})).code(), "order_amount_exceeded");
}

#[test]
fn what_cannot_be_a_rate_or_a_currency_is_named() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let (accountant, today) = (&cast.staff.accountant, app.stage.today());
    for (currency, value, on, pointer) in [
        ("USD", "1.1234567", today, "/rate"),
        ("USD", "0", today, "/rate"),
        ("USD", "-1.1", today, "/rate"),
        ("USD", "1e2", today, "/rate"),
        ("EUR", "1", today, "/currency"),
        ("XXX", "1", today, "/currency"),
        ("USD", "1.1", today + Days::new(2), "/on"),
    ] {
        let refused = rate(accountant, currency, value, on);
        assert_eq!((refused.status, wrong(&refused)), (422, vec![pointer.to_owned()]), "{currency} {value}");
    }
    assert_eq!(rate(accountant, "usd", "1.1", today).status / 100, 4);
    assert_eq!(rate(&cast.staff.reviewer, "USD", "1.1", today).status, 403);
    assert_eq!(rate(&member.client, "USD", "1.1", today).status, 403);
    assert_eq!(app.count("SELECT count(*) FROM exchange_rate"), 0);
    rate(accountant, "USD", "1.1", today - Days::new(8)).expect(201).unwrap();
    assert_eq!(wrong(&rate(accountant, "USD", "1.2", today - Days::new(8))), ["/reason"]);

    let body =
        |currency: &str| draft_body(&app, &member, in_currency(currency, &[line_in(currency, "1", 100, json!({}))]));
    let write = |body: &Value| member.client.post("/v1/invoices", body).unwrap();
    assert_eq!(wrong(&write(&body("XXX"))), ["/currency"]);
    for currency in ["GBP", "USD"] {
        // None at all, and one of eight days ago.
        let refused = write(&body(currency));
        assert_eq!((refused.status, refused.code().as_str()), (409, "exchange_rate_missing"));
        assert!(String::from_utf8_lossy(&refused.body).contains(currency));
    }
    rate(accountant, "USD", "1.1", today - Days::new(7)).expect(201).unwrap();
    write(&body("USD")).expect(201).unwrap();
    let mixed = draft_body(&app, &member, in_currency("USD", &[line("1", 100, json!({}))]));
    assert_eq!(wrong(&write(&mixed)), ["/lines/0/unit_price/currency"]);
    assert_eq!(app.count("SELECT count(*) FROM invoice"), 1);
}

#[test]
fn a_draft_changes_its_currency_and_waits_for_a_rate() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let today = app.stage.today();
    rate(&cast.staff.accountant, "CHF", "0.9345", today).expect(201).unwrap();
    let us = american(&member);
    let over = with(
        in_currency("CHF", &[line_in("CHF", "1", 45_000, json!({"vat_case": "outside_scope"}))]),
        json!({"client_id": us}),
    );
    let draft = member.client.post("/v1/invoices", &draft_body(&app, &member, over)).unwrap().expect(201).unwrap();
    assert_eq!((totals(&draft)[0], totals(&draft["document"])[0]), (48_154, 45_000));
    let path = format!("/v1/invoices/{}", text(&draft, "id"));
    let back = json!({"currency": "EUR", "lines": [line("1", 45_000, json!({"vat_case": "outside_scope"}))]});
    let draft = member.client.patch(&path, version(&draft), &back).unwrap().expect(200).unwrap();
    assert_eq!((draft["document"].clone(), totals(&draft)[0]), (Value::Null, 45_000));
    let again = in_currency("CHF", &[line_in("CHF", "1", 45_000, json!({"vat_case": "outside_scope"}))]);
    let draft = member.client.patch(&path, version(&draft), &again).unwrap().expect(200).unwrap();
    let draft =
        member.client.change(&format!("{path}/submit"), version(&draft), &json!({})).unwrap().expect(200).unwrap();
    let view = app.stage.issue(&cast.staff.reviewer, &draft).unwrap().view;
    assert_eq!(totals(&view), [48_154, 0, 48_154]);
}
