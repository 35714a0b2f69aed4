//! Statements as banks send them, in other forms than the sandbox's.

use serde_json::Value;
use umbel::demo::Cast;

use super::ground::lines;
use super::support::TestApp;

/// A CODA record: texts at their positions, counted from 1.
fn record(fields: &[(usize, &str)]) -> String {
    let mut characters = vec![' '; 128];
    for (position, text) in fields {
        for (index, c) in text.chars().enumerate() {
            characters[position - 1 + index] = c;
        }
    }
    characters.into_iter().collect()
}

fn signed(cents: i64) -> (String, String) {
    (if cents < 0 { "1" } else { "0" }.to_owned(), format!("{:015}", cents.abs() * 10))
}

/// A CODA file of one statement: amount in cents, communication with its type before it, end-to-end id.
fn coda(iban: &str, day: &str, opening: i64, movements: &[(i64, &str, &str)]) -> String {
    let account = format!("{iban:<34}EUR");
    let (sign, amount) = signed(opening);
    let mut records = vec![
        record(&[(1, "00000"), (6, day), (12, "510"), (15, "05"), (128, "2")]),
        record(&[(1, "12001"), (6, &account), (43, &sign), (44, &amount), (59, day), (126, "001")]),
    ];
    for (n, (cents, said, end_to_end)) in movements.iter().enumerate() {
        let number = format!("{:04}0000", n + 1);
        let (sign, amount) = signed(*cents);
        records.push(record(&[
            (1, "21"),
            (3, &number),
            (32, &sign),
            (33, &amount),
            (48, day),
            (54, "00150000"),
            (62, said),
            (116, day),
            (125, "0"),
            (126, "1"),
            (128, "0"),
        ]));
        records.push(record(&[(1, "22"), (3, &number), (64, end_to_end), (126, "0"), (128, "0")]));
    }
    let (sign, amount) = signed(opening + movements.iter().map(|(cents, _, _)| cents).sum::<i64>());
    records.push(record(&[(1, "8001"), (5, &account), (42, &sign), (43, &amount), (58, day), (128, "0")]));
    let counted = format!("{:06}", records.len() - 1);
    records.push(record(&[(1, "9"), (17, &counted), (128, "2")]));
    records.join("\r\n") + "\r\n"
}

fn upload(cast: &Cast, text: &str) -> umbel::demo::Answer {
    cast.staff.reviewer.upload("/v1/bank_statements", "text/plain", text.as_bytes()).unwrap()
}

fn own_iban(app: &TestApp) -> String {
    lines(&mut app.database.owner(), "SELECT iban AS line FROM entity_bank_account LIMIT 1").remove(0)
}

#[test]
fn a_coda_file_pays_invoices_and_settles_payouts_and_what_is_unknown_waits() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let stage = &app.stage;
    let first = stage.submitted_invoice(&member, None, 50_000).unwrap();
    let first = stage.issue(&cast.staff.reviewer, &first).unwrap();
    let digits: String = first.reference.chars().filter(char::is_ascii_digit).collect();
    let iban = own_iban(&app);
    let day = stage.today().format("%d%m%y").to_string();
    let opening = cast.bank.balance().get();
    let paid = format!("1101{digits}");
    let text = coda(&iban, &day, opening, &[(first.gross, &paid, ""), (777, "0What is this", "")]);
    let imported = upload(&cast, &text).expect(201).unwrap();
    assert_eq!((imported["matched"].as_i64(), imported["suspense"].as_i64()), (Some(1), Some(1)), "{imported}");
    let invoice = member.client.get(&format!("/v1/invoices/{}", first.id)).unwrap().json();
    assert_eq!(invoice["settlement"], "settled");
    let kept =
        cast.staff.reviewer.get(&format!("/v1/bank_statements/{}/file", imported["id"].as_str().unwrap())).unwrap();
    assert_eq!(kept.body, text.as_bytes(), "kept as it came");
    assert!(kept.header("content-type").unwrap().starts_with("text/plain"));
    assert_eq!(upload(&cast, &text).code(), "duplicate_statement");

    let payout = stage.payout(&member, 46_250).unwrap();
    let sealed = stage.sealed_batch(&cast, &payout).unwrap();
    stage.release(&cast.staff.approver, &sealed).unwrap();
    let id = payout["end_to_end_id"].as_str().unwrap();
    app.stage.days_pass(1).unwrap();
    let mut cast = cast;
    cast.staff.reviewer = stage.sign_in("reviewer@ombelle.example").unwrap();
    let day = stage.today().format("%d%m%y").to_string();
    let next = coda(&iban, &day, opening + first.gross + 777, &[(-46_250, "0", id)]);
    let altered = next.replace("000000000462500", "000000000462510");
    assert_eq!(upload(&cast, &altered).code(), "statement_does_not_balance");
    let gap = coda(&iban, &day, opening, &[(-46_250, "0", id)]);
    assert_eq!(upload(&cast, &gap).code(), "statement_out_of_order");
    let imported = upload(&cast, &next).expect(201).unwrap();
    assert_eq!(imported["matched"], Value::from(1), "{imported}");
    let client = stage.sign_in(&member.email).unwrap();
    let seen = client.get(&format!("/v1/payouts/{}", payout["id"].as_str().unwrap())).unwrap().json();
    assert_eq!(seen["state"], "settled");
}

#[test]
fn a_text_that_is_no_statement_is_refused_with_what_to_do() {
    let app = TestApp::start();
    let (cast, _member) = app.with_member();
    let whole = coda(&own_iban(&app), "040526", cast.bank.balance().get(), &[(100, "0", "")]);
    let cut = whole.lines().take(3).collect::<Vec<_>>().join("\r\n");
    for (text, code) in [
        ("date;amount\n2026-05-04;1,00\n", "statement_not_xml"),
        (cut.as_str(), "statement_incomplete"),
        (&whole.replace("\r\n21", "\r\n27"), "statement_record_invalid"),
    ] {
        let answer = upload(&cast, text);
        assert_eq!((answer.status, answer.code().as_str()), (422, code), "{}", answer.json());
    }
    assert_eq!(app.count("SELECT count(*) FROM bank_statement WHERE reference LIKE '2026%'"), 0);
}

#[test]
fn money_that_waits_comes_with_guesses_of_what_it_may_be() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let reviewer = cast.staff.reviewer.clone();
    let issued = |amount| {
        let submitted = app.stage.submitted_invoice(&member, None, amount).unwrap();
        app.stage.issue(&reviewer, &submitted).unwrap()
    };
    let (first, second, third) = (issued(10_000), issued(20_000), issued(70_000));
    let sum = first.gross + second.gross;
    cast.bank.receives_unknown(umbel::kernel::money::Minor::new(sum), "for both, thank you", app.stage.today());
    let text = format!("our ref 77, invoice {}", third.number.replace('-', " / "));
    cast.bank.receives_unknown(umbel::kernel::money::Minor::new(third.gross - 1_500), &text, app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let lines = reviewer.get("/v1/bank_lines?state=suspense").unwrap().json();
    let guesses = |amount: i64| {
        let line = lines["data"].as_array().unwrap().iter().find(|it| it["amount"]["amount_minor"] == amount).unwrap();
        let path = format!("/v1/bank_lines/{}", line["id"].as_str().unwrap());
        (path.clone(), reviewer.get(&format!("{path}/guesses")).unwrap().expect(200).unwrap())
    };
    let (_, both) = guesses(sum);
    let numbers: Vec<_> =
        both[0]["invoices"].as_array().unwrap().iter().map(|it| it["number"].as_str().unwrap()).collect();
    assert_eq!(numbers, [first.number.as_str(), second.number.as_str()], "{both}");
    assert_eq!(both[0]["why"], serde_json::json!(["sum_of_several"]));
    let (path, charged) = guesses(third.gross - 1_500);
    assert_eq!(charged[0]["invoices"][0]["invoice_id"].as_str(), Some(third.id.as_str()));
    assert_eq!(charged[0]["why"], serde_json::json!(["number_in_text", "amount_less_charges"]), "{charged}");
    // A person decides; what a guess named can be matched at once.
    let body = serde_json::json!({"invoice_id": third.id});
    reviewer.change(&format!("{path}/match"), 1, &body).unwrap().expect(200).unwrap();
    assert_eq!(reviewer.get(&format!("{path}/guesses")).unwrap().json(), serde_json::json!([]));
    assert_eq!(member.client.get(&format!("{path}/guesses")).unwrap().status, 403);
}
