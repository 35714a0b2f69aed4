//! Ledger stories: what happens to a mutual's money, and every posting that it leaves, as one table to be read.

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Text};
use umbel::demo::MemberCast;
use umbel::kernel::money::Minor;

use super::support::TestApp;

#[derive(diesel::QueryableByName)]
struct Posted {
    #[diesel(sql_type = BigInt)]
    entry: i64,
    #[diesel(sql_type = Text)]
    booked_on: String,
    #[diesel(sql_type = Text)]
    event: String,
    #[diesel(sql_type = Text)]
    account: String,
    #[diesel(sql_type = BigInt)]
    amount: i64,
    #[diesel(sql_type = Text)]
    about: String,
}

/// The whole journal. Ids are left out; payouts and bank lines get the names under which a reader knows them.
pub fn journal(app: &TestApp) -> String {
    let rows: Vec<Posted> = diesel::sql_query(
        "SELECT e.id AS entry, e.booked_on::text AS booked_on, e.event, p.account, p.amount_minor AS amount, \
                coalesce(i.number, 'payout ' || o.n, 'line ' || l.n, '') AS about \
         FROM posting p JOIN journal_entry e ON e.id = p.entry_id LEFT JOIN invoice i ON i.id = p.invoice_id \
         LEFT JOIN (SELECT id, row_number() OVER (ORDER BY created_at, id) AS n FROM payout) o ON o.id = p.payout_id \
         LEFT JOIN (SELECT x.id, row_number() OVER (ORDER BY s.position, x.n) AS n FROM bank_line x JOIN bank_statement s ON s.id = x.statement_id) l ON l.id = p.bank_line_id \
         ORDER BY p.id",
    )
    .load(&mut app.database.owner())
    .unwrap();
    let mut table = String::new();
    let mut last = 0;
    for row in rows {
        if row.entry != last {
            let head = format!("{} {}\n", row.booked_on, row.event);
            table.push_str(&head);
            last = row.entry;
        }
        let line = format!("    {:<22}{:>14} {}", row.account, euros(row.amount), row.about);
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

fn euros(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

#[test]
fn a_cent_from_the_invoice_to_the_member_and_from_the_client_to_the_bank() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let stage = &app.stage;
    let order = stage.confirmed_order(&member, 100_000).unwrap();
    let submitted = stage.submitted_invoice(&member, order["id"].as_str(), 0).unwrap();
    let invoiced = stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    stage.days_pass(9).unwrap();
    stage.office_returns(&mut cast, super::support::ADMIN).unwrap();
    let member = MemberCast { client: stage.sign_in(&member.email).unwrap(), ..member };
    let payout = stage.payout(&member, 92_500).unwrap();
    let sealed = stage.sealed_batch(&cast, &payout).unwrap();
    stage.release(&cast.staff.approver, &sealed).unwrap();
    cast.bank.pays(Minor::new(92_500), payout["end_to_end_id"].as_str().unwrap(), stage.today());
    stage.import(&mut cast).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", stage.today());
    stage.import(&mut cast).unwrap();
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn a_client_pays_in_parts_and_too_much_and_a_payout_comes_back() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let stage = &app.stage;
    // An odd amount: the share of each part is rounded, and their sum is still the whole.
    let submitted = stage.submitted_invoice(&member, None, 33_333).unwrap();
    let invoiced = stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    cast.bank.receives(Minor::new(10_001), &invoiced.reference, "Client", stage.today());
    stage.import(&mut cast).unwrap();
    stage.days_pass(1).unwrap();
    stage.office_returns(&mut cast, super::support::ADMIN).unwrap();
    cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", stage.today());
    let imported = stage.import(&mut cast).unwrap();
    assert_eq!(imported["suspense"], 1, "what was paid too much waits for somebody: {imported}");
    let member = MemberCast { client: stage.sign_in(&member.email).unwrap(), ..member };
    let payout = stage.payout(&member, 30_000).unwrap();
    let sealed = stage.sealed_batch(&cast, &payout).unwrap();
    stage.release(&cast.staff.approver, &sealed).unwrap();
    let end_to_end_id = payout["end_to_end_id"].as_str().unwrap();
    cast.bank.pays(Minor::new(30_000), end_to_end_id, stage.today());
    stage.import(&mut cast).unwrap();
    cast.bank.returns(Minor::new(30_000), end_to_end_id, "AC04", stage.today());
    stage.import(&mut cast).unwrap();
    insta::assert_snapshot!(journal(&app));
}
