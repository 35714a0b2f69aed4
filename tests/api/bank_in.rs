//! Money that comes in: several invoices at once, payments that are taken back, credits of clients, notes of the bank,
//! periods that overlap.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use umbel::demo::{Answer, Cast, Invoiced, MemberCast};
use umbel::kernel::money::Minor;

use super::ground::lines;
use super::support::TestApp;

fn issued(app: &TestApp, cast: &Cast, member: &MemberCast, cents: i64) -> Invoiced {
    let submitted = app.stage.submitted_invoice(member, None, cents).unwrap();
    app.stage.issue(&cast.staff.reviewer, &submitted).unwrap()
}

fn eur(amount: i64) -> Value {
    json!({"amount_minor": amount, "currency": "EUR"})
}

/// The only line that waits.
pub fn waiting(cast: &Cast) -> Value {
    let found = cast.staff.reviewer.get("/v1/bank_lines?state=suspense").unwrap().json();
    assert_eq!(found["data"].as_array().unwrap().len(), 1, "{found}");
    found["data"][0].clone()
}

pub fn on_line(cast: &Cast, line: &Value, command: &str, body: &Value) -> Answer {
    let path = format!("/v1/bank_lines/{}/{command}", line["id"].as_str().unwrap());
    cast.staff.reviewer.change(&path, line["version"].as_i64().unwrap(), body).unwrap()
}

fn line(cast: &Cast, id: &str) -> Value {
    cast.staff.reviewer.get(&format!("/v1/bank_lines/{id}")).unwrap().json()
}

fn open_of(member: &MemberCast, invoice: &Invoiced) -> i64 {
    let view = member.client.get(&format!("/v1/invoices/{}", invoice.id)).unwrap().json();
    view["open"]["amount_minor"].as_i64().unwrap_or_else(|| panic!("{view}"))
}

fn balance(member: &MemberCast) -> (i64, i64) {
    let view = member.client.get(&format!("/v1/activities/{}", member.activity_id)).unwrap().json();
    let of = |name: &str| view[name]["amount_minor"].as_i64().unwrap_or_else(|| panic!("{view}"));
    (of("pending"), of("available"))
}

/// Money that is kept for a client, and a refund of a part of it that waits for an answer.
pub fn credit_and_refund(app: &TestApp, cast: &mut Cast, client: &str) -> (String, String) {
    let reviewer = cast.staff.reviewer.clone();
    let text = format!("too much by {client}");
    cast.bank.receives_unknown(Minor::new(5_000), &text, app.stage.today());
    app.stage.import(cast).unwrap();
    let lines = reviewer.get("/v1/bank_lines?state=suspense").unwrap().json();
    let line = lines["data"].as_array().unwrap().iter().find(|it| it["remittance"] == text.as_str()).unwrap().clone();
    let (credit, refund) = (reviewer.new_id(), reviewer.new_id());
    on_line(cast, &line, "credit_client", &json!({"id": credit, "client_id": client, "reason": "paid too much"}))
        .expect(200)
        .unwrap();
    let ask = json!({"id": refund, "client_credit_id": credit, "amount": eur(1_000), "reason": "asked back"});
    reviewer.post("/v1/client_refunds", &ask).unwrap().expect(201).unwrap();
    // And what the bank took for all of it.
    cast.bank.pays(Minor::new(250), "", app.stage.today());
    app.stage.import(cast).unwrap();
    let lines = reviewer.get("/v1/bank_lines?state=suspense").unwrap().json();
    let taken =
        lines["data"].as_array().unwrap().iter().find(|it| it["amount"]["amount_minor"] == -250).unwrap().clone();
    super::bank_charges::charge(cast, &taken).1.expect(200).unwrap();
    (credit, refund)
}

/// A description of a table of the bank.
pub fn table_profile(cast: &Cast) -> String {
    let reviewer = &cast.staff.reviewer;
    let accounts = reviewer.get(&format!("/v1/entities/{}/bank_accounts", cast.entity_id)).unwrap().json();
    let account = accounts.get("data").unwrap_or(&accounts)[0]["id"].clone();
    let id = reviewer.new_id();
    let columns = json!({"delimiter": ";", "letters": "utf8", "rows_before": 0, "dates": "day_month_year", "decimals": "comma",
                         "booked_on": "Date", "amount": "Amount", "balance": "Balance", "counterparty": "Name",
                         "reference": "Reference", "texts": ["Text"]});
    let body = json!({"id": id, "bank_account_id": account, "name": "Daily table", "columns": columns});
    reviewer.post("/v1/bank_csv_profiles", &body).unwrap().expect(201).unwrap();
    id
}

/// A note of the bank that says nothing.
pub fn empty_notice(cast: &Cast) -> String {
    let accounts = cast.staff.reviewer.get(&format!("/v1/entities/{}/bank_accounts", cast.entity_id)).unwrap().json();
    let iban = accounts.get("data").unwrap_or(&accounts)[0]["iban"].as_str().unwrap().to_owned();
    let kept = upload(cast, &camt("BkToCstmrAcctRpt", "Rpt", "R1", &iban, None, "")).expect(201).unwrap();
    kept["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_table_of_text_is_imported_by_its_profile() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let invoice = issued(&app, &cast, &member, 10_000);
    let profile = table_profile(&cast);
    let opening = cast.bank.balance().get();
    let plain = |cents: i64| format!("{},{:02}", cents / 100, cents % 100);
    let table = format!(
        "Date;Amount;Balance;Name;Reference;Text\n05/05/2026;{};{};Client;{};thanks\n04/05/2026;-1,00;{};Bank;;charge\n",
        plain(invoice.gross),
        plain(opening - 100 + invoice.gross),
        invoice.reference,
        plain(opening - 100)
    );
    let send = |path: &str, text: &str| cast.staff.reviewer.upload(path, "text/csv", text.as_bytes()).unwrap();
    let place = format!("/v1/bank_statements?csv_profile_id={profile}");
    let unnamed = send("/v1/bank_statements", &table);
    assert_eq!(
        (unnamed.status, unnamed.json()["errors"][0]["pointer"].as_str()),
        (422, Some("/csv_profile_id")),
        "{}",
        unnamed.json()
    );
    let shown = send(&format!("{place}&dry_run=true"), &table).expect(201).unwrap();
    assert_eq!(shown["lines"], 2);
    let imported = send(&place, &table).expect(201).unwrap();
    assert_eq!((imported["matched"].as_i64(), imported["suspense"].as_i64()), (Some(1), Some(1)), "{imported}");
    assert_eq!(open_of(&member, &invoice), 0);
    assert_eq!(send(&place, &table).code(), "duplicate_statement");
    let broken = send(&place, &table.replace("-1,00", "-1,01"));
    // The first row is not what the statement before it left.
    assert_eq!(broken.code(), "statement_out_of_order");
    let mut twice = cast.staff.reviewer.get(&format!("/v1/bank_csv_profiles/{profile}")).unwrap().json();
    let fields = twice.as_object_mut().unwrap();
    for name in ["entity_id", "created_by", "created_at"] {
        fields.remove(name);
    }
    fields["id"] = cast.staff.reviewer.new_id().into();
    assert_eq!(cast.staff.reviewer.post("/v1/bank_csv_profiles", &twice).unwrap().code(), "bank_csv_profile_exists");
}

#[test]
fn a_payment_of_the_wrong_invoice_is_taken_back_and_pays_the_right_one() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let (wrong, right) = (issued(&app, &cast, &member, 100_000), issued(&app, &cast, &member, 100_000));
    let before = balance(&member);
    cast.bank.receives(Minor::new(wrong.gross), &wrong.reference, "Theatre Nord", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    assert_eq!((open_of(&member, &wrong), open_of(&member, &right)), (0, right.gross));
    let paid = lines(&mut app.database.owner(), "SELECT bank_line_id::text AS line FROM allocation").remove(0);
    // The member takes most of the money at once.
    app.stage.payout(&member, 90_000).unwrap();

    let seen = line(&cast, &paid);
    let unreasoned = on_line(&cast, &seen, "take_back", &json!({"reason": " "}));
    assert_eq!(unreasoned.status, 422, "{}", unreasoned.json());
    let body = json!({"reason": "the client meant the other invoice"});
    let shown = cast.staff.reviewer.change(&format!("/v1/bank_lines/{paid}/take_back?dry_run=true"), 1, &body).unwrap();
    assert_eq!(shown.status, 200, "{}", shown.json());
    assert_eq!(open_of(&member, &wrong), 0, "a dry run keeps nothing");
    let back = on_line(&cast, &seen, "take_back", &body).expect(200).unwrap();
    assert_eq!(
        (back["state"].as_str(), back["waiting"]["amount_minor"].as_i64()),
        (Some("suspense"), Some(wrong.gross))
    );
    assert_eq!(open_of(&member, &wrong), wrong.gross);
    // What waited waits again; what was spent is owed.
    assert_eq!(balance(&member), (before.0, 0));
    assert_eq!(app.count("SELECT sum(amount_minor)::bigint FROM posting WHERE account = 'activity_arrears'"), 90_000);
    assert!(app.violations().is_empty(), "{:?}", app.violations());
    let twice = on_line(&cast, &back, "take_back", &body);
    assert_eq!(twice.code(), "bank_line_not_matched", "{}", twice.json());

    let matched = on_line(&cast, &back, "match", &json!({"invoice_id": right.id})).expect(200).unwrap();
    assert_eq!(matched["waiting"]["amount_minor"], 0);
    assert_eq!((open_of(&member, &wrong), open_of(&member, &right)), (wrong.gross, 0));
    app.stage.settle().unwrap();
    let told = app.stage.mail_to(&member.email, &wrong.number).unwrap();
    assert!(told.contains(&wrong.number));
    // The same line may pay the first invoice after all.
    let again = line(&cast, &paid);
    let back =
        on_line(&cast, &again, "take_back", &json!({"reason": "no", "invoice_id": right.id})).expect(200).unwrap();
    on_line(&cast, &back, "match", &json!({"invoice_id": wrong.id})).expect(200).unwrap();
    assert_eq!((open_of(&member, &wrong), open_of(&member, &right)), (0, right.gross));
}

#[test]
fn of_an_invoice_with_two_payments_the_last_goes_first_and_nothing_after_a_credit_note() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let invoice = issued(&app, &cast, &member, 100_000);
    for (part, text) in [(40_000, "first"), (invoice.gross - 40_000, "second")] {
        cast.bank.receives_unknown(Minor::new(part), text, app.stage.today());
        app.stage.import(&mut cast).unwrap();
        on_line(&cast, &waiting(&cast), "match", &json!({"invoice_id": invoice.id})).expect(200).unwrap();
    }
    let sql =
        "SELECT l.id::text AS line FROM bank_line l JOIN allocation a ON a.bank_line_id = l.id WHERE l.remittance = ";
    let of = |text: &str| lines(&mut app.database.owner(), &format!("{sql}'{text}'")).remove(0);
    let body = json!({"reason": "wrong"});
    let refused = on_line(&cast, &line(&cast, &of("first")), "take_back", &body);
    assert_eq!((refused.status, refused.code().as_str()), (409, "later_payment_first"), "{}", refused.json());
    on_line(&cast, &line(&cast, &of("second")), "take_back", &body).expect(200).unwrap();
    let first = on_line(&cast, &line(&cast, &of("first")), "take_back", &body).expect(200).unwrap();
    assert_eq!(open_of(&member, &invoice), invoice.gross);
    assert_eq!(balance(&member), (92_500, 0));
    // The member may not do it, and never for an invoice of their own.
    let path = format!("/v1/bank_lines/{}/take_back", of("second"));
    assert_eq!(member.client.change(&path, first["version"].as_i64().unwrap(), &body).unwrap().status, 403);
}

#[test]
fn one_payment_pays_several_invoices_and_the_rest_is_kept_for_the_client() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let (first, second, third) = (
        issued(&app, &cast, &member, 10_000),
        issued(&app, &cast, &member, 20_000),
        issued(&app, &cast, &member, 5_000),
    );
    cast.bank.receives_unknown(Minor::new(first.gross + second.gross + 9_000), "both and a little", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let waits = waiting(&cast);
    let too_much = json!({"invoices": [{"invoice_id": first.id, "amount_minor": first.gross + 1}]});
    assert_eq!(on_line(&cast, &waits, "allocate", &too_much).code(), "allocation_exceeds");
    let twice = json!({"invoices": [{"invoice_id": first.id}, {"invoice_id": first.id}]});
    let refused = on_line(&cast, &waits, "allocate", &twice);
    assert_eq!(
        (refused.status, refused.json()["errors"][0]["pointer"].as_str()),
        (422, Some("/invoices/1/invoice_id")),
        "{}",
        refused.json()
    );
    let both = json!({"invoices": [{"invoice_id": second.id}, {"invoice_id": first.id}]});
    let paid = on_line(&cast, &waits, "allocate", &both).expect(200).unwrap();
    assert_eq!(paid["waiting"]["amount_minor"], 9_000);
    assert_eq!((open_of(&member, &first), open_of(&member, &second)), (0, 0));

    let client = member.client.get("/v1/clients").unwrap().json()["data"][0]["id"].as_str().unwrap().to_owned();
    let credit = cast.staff.reviewer.new_id();
    let body = json!({"id": credit, "client_id": client, "reason": "paid too much"});
    let kept = on_line(&cast, &paid, "credit_client", &body).expect(200).unwrap();
    assert_eq!((kept["waiting"]["amount_minor"].as_i64(), kept["owner_id"].is_null()), (Some(0), true));
    let place = format!("/v1/client_credits/{credit}");
    let seen = member.client.get(&place).unwrap().expect(200).unwrap();
    assert_eq!(seen["left"], eur(9_000), "the member sees it");
    let used = cast
        .staff
        .reviewer
        .post(&format!("{place}/use"), &json!({"invoice_id": third.id}))
        .unwrap()
        .expect(200)
        .unwrap();
    assert_eq!(used["left"], eur(9_000 - third.gross));
    assert_eq!(open_of(&member, &third), 0);
    assert!(app.violations().is_empty(), "{:?}", app.violations());

    // The rest goes back: asked for by one, approved by another, paid by the bank.
    let left = 9_000 - third.gross;
    let refund = cast.staff.reviewer.new_id();
    let ask = |id: &str, amount: i64| {
        let body = json!({"id": id, "client_credit_id": credit, "amount": eur(amount), "reason": "asked back"});
        cast.staff.reviewer.post("/v1/client_refunds", &body).unwrap()
    };
    assert_eq!(ask(&cast.staff.reviewer.new_id(), left + 1).code(), "client_credit_exceeded");
    let asked = ask(&refund, left).expect(201).unwrap();
    let place = format!("/v1/client_refunds/{refund}");
    assert_eq!(asked["state"], "requested");
    let own = cast.staff.reviewer.change(&format!("{place}/approve"), 1, &json!({})).unwrap();
    assert_eq!(own.status, 403, "{}", own.json());
    let approved = cast.staff.approver.change(&format!("{place}/approve"), 1, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(approved["state"], "approved");
    cast.bank.pays(Minor::new(left), "", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let out = waiting(&cast);
    // The client's money came from another account than the one that it went to: somebody has to say why.
    let came_from = "ALTER TABLE bank_line DISABLE TRIGGER USER; UPDATE bank_line SET counterparty_iban_last4 = '4711' WHERE amount_minor > 0; \
                     ALTER TABLE bank_line ENABLE TRIGGER USER";
    app.database.owner().batch_execute(came_from).unwrap();
    let refused = on_line(&cast, &out, "pay_refund", &json!({"client_refund_id": refund}));
    assert_eq!((refused.status, refused.code().as_str()), (409, "refund_to_another_account"));
    let silent = on_line(&cast, &out, "pay_refund", &json!({"client_refund_id": refund, "other_account_reason": ""}));
    assert_eq!(silent.json()["errors"][0]["pointer"], "/other_account_reason");
    let body = json!({"client_refund_id": refund, "other_account_reason": "they changed their bank, by their letter"});
    let paid = on_line(&cast, &out, "pay_refund", &body).expect(200).unwrap();
    assert_eq!(paid["matched_kind"], "client_refund");
    assert_eq!(member.client.get(&place).unwrap().json()["state"], "paid");
    assert_eq!(app.count("SELECT sum(amount_minor)::bigint FROM posting WHERE account = 'client_credit'"), 0);
}

/// A message of camt around entries.
fn camt(message: &str, part: &str, id: &str, iban: &str, balances: Option<(i64, i64)>, entries: &str) -> String {
    let plain = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
    let balance = |code: &str, cents: i64| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-05-04</Dt></Dt></Bal>",
            plain(cents)
        )
    };
    let balances =
        balances.map_or_else(String::new, |(opening, closing)| balance("OPBD", opening) + &balance("CLBD", closing));
    format!(
        "<?xml version='1.0' encoding='UTF-8'?><Document><{message}><GrpHdr><MsgId>M</MsgId></GrpHdr><{part}><Id>{id}</Id>\
         <Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>{balances}{entries}</{part}></{message}></Document>"
    )
}

/// An entry with the bank's reference, and transactions in it: amount, structured reference.
fn entry(cents: i64, reference: &str, details: &[(i64, &str)]) -> String {
    let plain = |cents: i64| format!("{}.{:02}", cents.abs() / 100, cents.abs() % 100);
    let side = if cents < 0 { "DBIT" } else { "CRDT" };
    let details: Vec<String> = details
        .iter()
        .map(|(cents, reference)| {
            let (id, paid) = if *cents < 0 {
                (format!("<EndToEndId>{reference}</EndToEndId>"), String::new())
            } else {
                (
                    String::new(),
                    format!("<RmtInf><Strd><CdtrRefInf><Ref>{reference}</Ref></CdtrRefInf></Strd></RmtInf>"),
                )
            };
            let side = if *cents < 0 { "DBIT" } else { side };
            format!(
                "<TxDtls><Refs>{id}</Refs><Amt Ccy='EUR'>{}</Amt><CdtDbtInd>{side}</CdtDbtInd>{paid}</TxDtls>",
                plain(*cents)
            )
        })
        .collect();
    let details = details.concat();
    format!(
        "<Ntry><Amt Ccy='EUR'>{}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-05-04</Dt></BookgDt>\
         <AcctSvcrRef>{reference}</AcctSvcrRef><NtryDtls>{details}</NtryDtls></Ntry>",
        plain(cents)
    )
}

fn upload(cast: &Cast, text: &str) -> umbel::demo::Answer {
    cast.staff.reviewer.upload("/v1/bank_statements", "application/xml", text.as_bytes()).unwrap()
}

fn own_iban(app: &TestApp) -> String {
    lines(&mut app.database.owner(), "SELECT iban AS line FROM entity_bank_account LIMIT 1").remove(0)
}

#[test]
fn a_note_of_the_bank_says_what_one_booking_is_made_of_whichever_comes_first() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let all: Vec<Invoiced> = (1..=4).map(|n| issued(&app, &cast, &member, n * 10_000)).collect();
    let digits = |invoice: &Invoiced| invoice.reference.chars().filter(char::is_ascii_digit).collect::<String>();
    let iban = own_iban(&app);
    let opening = cast.bank.balance().get();
    let note = |id: &str, reference: &str, of: &[Invoiced]| {
        let details: Vec<(i64, String)> = of.iter().map(|it| (it.gross, digits(it))).collect();
        let details: Vec<(i64, &str)> = details.iter().map(|(cents, digits)| (*cents, digits.as_str())).collect();
        let sum = details.iter().map(|(cents, _)| cents).sum();
        camt("BkToCstmrDbtCdtNtfctn", "Ntfctn", id, &iban, None, &entry(sum, reference, &details))
    };
    let sum_of = |of: &[Invoiced]| of.iter().map(|it| it.gross).sum::<i64>();
    let (early, late) = (sum_of(&all[..2]), sum_of(&all[2..]));

    let kept = upload(&cast, &note("N1", "LUMP-1", &all[..2])).expect(201).unwrap();
    assert_eq!((kept["kind"].as_str(), kept["lines_new"].as_i64()), (Some("notification"), Some(2)), "{kept}");
    assert_eq!(app.count("SELECT count(*) FROM allocation"), 0, "a note books nothing");
    assert_eq!(upload(&cast, &note("N1", "LUMP-1", &all[..2])).code(), "duplicate_statement");
    let known = upload(&cast, &note("N1-again", "LUMP-1", &all[..2])).expect(201).unwrap();
    assert_eq!((known["lines_new"].as_i64(), known["lines_known"].as_i64()), (Some(0), Some(2)));

    let entries = entry(early, "LUMP-1", &[]) + &entry(late, "LUMP-2", &[]);
    let statement = camt("BkToCstmrStmt", "Stmt", "S1", &iban, Some((opening, opening + early + late)), &entries);
    let imported = upload(&cast, &statement).expect(201).unwrap();
    assert_eq!((imported["lines"].as_i64(), imported["suspense"].as_i64()), (Some(2), Some(1)), "{imported}");
    assert_eq!(all.iter().map(|it| open_of(&member, it)).collect::<Vec<_>>(), [0, 0, all[2].gross, all[3].gross]);
    let after = upload(&cast, &note("N2", "LUMP-2", &all[2..])).expect(201).unwrap();
    assert_eq!(all.iter().map(|it| open_of(&member, it)).sum::<i64>(), 0);
    let rows =
        cast.staff.reviewer.get(&format!("/v1/bank_notices/{}/lines", after["id"].as_str().unwrap())).unwrap().json();
    assert!(rows["data"][0]["bank_line_id"].is_string(), "{rows}");
    assert_eq!(
        upload(&cast, &note("N3", "LUMP-2", &all[2..]).replace(&iban, "BE71096123456769")).code(),
        "statement_account_unknown"
    );
}

#[test]
fn a_period_that_overlaps_brings_only_what_is_new() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let invoice = issued(&app, &cast, &member, 50_000);
    let digits: String = invoice.reference.chars().filter(char::is_ascii_digit).collect();
    let iban = own_iban(&app);
    let opening = cast.bank.balance().get();
    let statement = |id: &str, from: i64, to: i64, entries: &str| {
        upload(&cast, &camt("BkToCstmrStmt", "Stmt", id, &iban, Some((from, to)), entries))
    };
    // Two equal payments are two.
    let twin = entry(700, "T", &[]);
    let paid = entry(invoice.gross, "P", &[(invoice.gross, &digits)]);
    let first = twin.clone() + &twin;
    let first_closing = opening + 1_400;
    statement("A", opening, first_closing, &first).expect(201).unwrap();
    let closing = first_closing + 700 + invoice.gross;
    let wide = first.clone() + &twin + &paid;
    let brought = statement("A-to-B", opening, closing, &wide).expect(201).unwrap();
    assert_eq!((brought["lines"].as_i64(), brought["lines_known"].as_i64()), (Some(2), Some(2)), "{brought}");
    assert_eq!((brought["opening"].clone(), brought["closing"].clone()), (eur(first_closing), eur(closing)));
    assert_eq!(open_of(&member, &invoice), 0);
    assert_eq!(statement("A-to-B-again", opening, closing, &wide).code(), "duplicate_statement");
    // What does not continue to the cent is a gap.
    let gap = statement("C", opening + 1, closing + 101, &(wide.clone() + &entry(100, "X", &[])));
    assert_eq!(gap.code(), "statement_out_of_order");
    assert_eq!(app.count("SELECT count(*) FROM bank_line WHERE bank_reference IN ('T', 'P', 'X')"), 4);
}

#[test]
fn another_amount_under_a_reference_waits_when_something_else_that_is_open_explains_it() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let second = app.another_member(&mut cast);
    let (older, newer) = (issued(&app, &cast, &member, 30_000), issued(&app, &cast, &member, 20_000));
    let elsewhere = issued(&app, &cast, &second, 12_000);
    let today = app.stage.today();
    // Exactly what another invoice of the client asks for, then what an invoice of somebody else's does, then what nothing
    // else explains.
    cast.bank.receives(Minor::new(newer.gross), &older.reference, "Somebody", today);
    cast.bank.receives(Minor::new(elsewhere.gross), &older.reference, "Somebody", today);
    cast.bank.receives(Minor::new(12_345), &older.reference, "Somebody", today);
    let imported = app.stage.import(&mut cast).unwrap();
    assert_eq!((imported["matched"].as_i64(), imported["suspense"].as_i64()), (Some(1), Some(2)), "{imported}");
    assert_eq!((open_of(&member, &older), open_of(&member, &newer)), (older.gross - 12_345, newer.gross));
    assert_eq!(open_of(&second, &elsewhere), elsewhere.gross);
}

/// Without the question whether the lines are known, the second file would pay the rest of the invoice with money that came
/// once: tried by hand.
#[test]
fn an_account_that_comes_back_to_where_it_was_is_not_brought_twice() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let invoice = issued(&app, &cast, &member, 50_000);
    let digits: String = invoice.reference.chars().filter(char::is_ascii_digit).collect();
    let iban = own_iban(&app);
    let opening = cast.bank.balance().get();
    let statement = |id: &str, to: i64, entries: &str| {
        upload(&cast, &camt("BkToCstmrStmt", "Stmt", id, &iban, Some((opening, to)), entries))
    };
    let half = invoice.gross / 2;
    let day = entry(half, "HALF-1", &[(half, &digits)]) + &entry(-half, "OUT-1", &[]);
    statement("D1", opening, &day).expect(201).unwrap();
    assert_eq!(open_of(&member, &invoice), invoice.gross - half);
    assert_eq!(statement("D1-downloaded-again", opening, &day).code(), "duplicate_statement");
    let week = day + &entry(700, "NEW-1", &[]);
    let brought = statement("W1", opening + 700, &week).expect(201).unwrap();
    assert_eq!((brought["lines"].as_i64(), brought["lines_known"].as_i64()), (Some(1), Some(2)), "{brought}");
    assert_eq!(open_of(&member, &invoice), invoice.gross - half);
}

#[test]
fn a_note_explains_no_other_booking_and_none_that_is_less_than_its_payments() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let all: Vec<Invoiced> = (1..=3).map(|n| issued(&app, &cast, &member, n * 10_000)).collect();
    let digits = |invoice: &Invoiced| invoice.reference.chars().filter(char::is_ascii_digit).collect::<String>();
    let iban = own_iban(&app);
    let opening = cast.bank.balance().get();
    let note = |id: &str, sum: i64, reference: &str, details: &[(i64, &str)]| {
        let text = camt("BkToCstmrDbtCdtNtfctn", "Ntfctn", id, &iban, None, &entry(sum, reference, details));
        upload(&cast, &text).expect(201).unwrap()
    };
    let (first, second, third) = (digits(&all[0]), digits(&all[1]), digits(&all[2]));
    let both = all[0].gross + all[1].gross - 100;
    note("N1", both, "LUMP-1", &[(all[0].gross, &first), (all[1].gross, &second), (-100, "")]);
    // One payment twice under one reference: the second is somebody's to explain.
    let twice = all[2].gross + 500;
    note("N2", twice, "LUMP-2", &[(all[2].gross - 500, &third), (1_000, &third)]);
    let entries = entry(both, "LUMP-1", &[]) + &entry(twice, "LUMP-2", &[]) + &entry(all[1].gross, "NONREF", &[]);
    let closing = opening + both + twice + all[1].gross;
    let statement = camt("BkToCstmrStmt", "Stmt", "S1", &iban, Some((opening, closing)), &entries);
    upload(&cast, &statement).expect(201).unwrap();
    assert_eq!([0, 1].map(|n| open_of(&member, &all[n])), [all[0].gross, all[1].gross], "charges were taken out of it");
    assert_eq!(open_of(&member, &all[2]), 500);
    note("N3", all[1].gross, "NONREF", &[(all[1].gross, &second)]);
    assert_eq!(open_of(&member, &all[1]), all[1].gross, "a word for no reference is none");
}

/// A bank that books a file as one debit names what is in it in a note.
#[test]
fn one_debit_for_a_whole_file_is_settled_by_its_note_whichever_comes_first() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    super::true_ups::paid_wage(&app, &mut cast, &member);
    super::batches::fund(&app, &mut cast, &member, 100_000);
    let offices = ["social_security_payable", "withholding_payable"].map(|account| {
        super::remittances::office(&app, &cast, account);
        super::remittances::prepare(&app, &cast, account, None).expect(201).unwrap()
    });
    let batch = super::remittances::sealed(&cast);
    app.stage.release(&cast.staff.approver, &batch).unwrap();
    let members = [20_000, 30_000].map(|cents| super::batches::approved(&app, &cast, &member, cents));
    super::payout_results::sent(&app, &cast);

    let (iban, opening) = (own_iban(&app), cast.bank.balance().get());
    let note = |id: &str, reference: &str, of: &[Value]| {
        let details: Vec<(i64, &str)> = of
            .iter()
            .map(|it| (-it["amount"]["amount_minor"].as_i64().unwrap(), it["end_to_end_id"].as_str().unwrap()))
            .collect();
        let sum = details.iter().map(|(cents, _)| cents).sum();
        (sum, camt("BkToCstmrDbtCdtNtfctn", "Ntfctn", id, &iban, None, &entry(sum, reference, &details)))
    };
    let (taxes, taxes_note) = note("N1", "FILE-1", &offices);
    let (wages, wages_note) = note("N2", "FILE-2", &members);
    upload(&cast, &taxes_note).expect(201).unwrap();
    let entries = entry(taxes, "FILE-1", &[]) + &entry(wages, "FILE-2", &[]);
    let statement = camt("BkToCstmrStmt", "Stmt", "S1", &iban, Some((opening, opening + taxes + wages)), &entries);
    let imported = upload(&cast, &statement).expect(201).unwrap();
    assert_eq!((imported["lines"].as_i64(), imported["suspense"].as_i64()), (Some(2), Some(1)), "{imported}");
    let settled = |table: &str| app.count(&format!("SELECT count(*) FROM {table} WHERE state = 'settled'"));
    assert_eq!((settled("remittance"), settled("payout")), (2, 0));
    assert_eq!(waiting(&cast)["amount"], eur(wages));
    // Somebody else's name in the note explains nothing.
    let stranger = wages_note.replace(members[0]["end_to_end_id"].as_str().unwrap(), "STRANGER").replace("N2", "N3");
    upload(&cast, &stranger.replace("FILE-2", "FILE-3")).expect(201).unwrap();
    assert_eq!(settled("payout"), 0);
    upload(&cast, &wages_note).expect(201).unwrap();
    assert_eq!((settled("payout"), app.count("SELECT count(*) FROM bank_line WHERE state = 'suspense'")), (2, 0));
    let kinds = "SELECT string_agg(matched_kind, ' ' ORDER BY matched_kind) AS line FROM bank_line WHERE bank_reference LIKE 'FILE-%'";
    assert_eq!(lines(&mut app.database.owner(), kinds), ["payouts remittances"]);
    assert_eq!(app.count("SELECT coalesce(sum(amount_minor), 0) FROM posting WHERE account IN ('bank_suspense', 'remittances_in_transit')"), 0);
}
