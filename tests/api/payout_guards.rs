//! What PostgreSQL asks of payouts that move together: each row of a statement is seen, and each leaves its history.

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use serde_json::json;

use super::bank_details::{again, ask, hours_pass, office_again};
use super::batches::{approved, built, fund};
use super::ground::lines;
use super::support::{IBANS, TestApp};

/// Tries a statement in a transaction that is given up. Answers what PostgreSQL said, or the history that was written.
fn tried(conn: &mut PgConnection, before: &str, sql: &str) -> Vec<String> {
    const HISTORY: &str = "SELECT format('%s %s %s %s', h.from_state, h.to_state, h.reason, h.owner_id = p.member_id) AS line \
        FROM state_history h JOIN payout p ON p.id = h.subject_id WHERE h.machine = 'payout' AND h.id > (SELECT last FROM ended) ORDER BY h.id";
    conn.batch_execute(&format!(
        "BEGIN; CREATE TEMPORARY TABLE ended ON COMMIT DROP AS SELECT max(id) AS last FROM state_history; \
         SET LOCAL umbel.reason = 'together'; {before}"
    ))
    .unwrap();
    let answer = match conn.batch_execute(sql) {
        Ok(()) => lines(conn, HISTORY),
        Err(error) => vec![error.to_string()],
    };
    conn.batch_execute("ROLLBACK").unwrap();
    answer
}

/// Five payouts of two people, one of whom is paid into an account that was changed; the first is in a batch.
#[test]
fn each_row_of_a_statement_is_guarded_and_kept() {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    let bo = app.another_member(&mut cast);
    ask(&bo, IBANS[2]);
    hours_pass(&app, 72);
    office_again(&app, &mut cast);
    let (awa, bo) = (again(&app, &awa), again(&app, &bo));
    fund(&app, &mut cast, &awa, 100_000);
    fund(&app, &mut cast, &bo, 100_000);
    approved(&app, &cast, &awa, 1_000);
    let batch = built(&cast);
    let id = batch["id"].as_str().unwrap();
    for cents in [2_000, 3_000] {
        approved(&app, &cast, &awa, cents);
        approved(&app, &cast, &bo, cents);
    }
    let mut conn = app.database.owner();
    let now = format!("SET LOCAL umbel.now = '{}'", app.stage.clock.now().to_rfc3339());
    let early = "SET LOCAL umbel.now = '2026-05-06T08:00:00Z'";
    let gather = format!("UPDATE payout SET state = 'batched', batch_id = '{id}' WHERE state = 'approved'");
    assert_eq!(tried(&mut conn, &now, &gather), ["approved batched together t"; 4]);

    // One of the two people is held, or is paid into an account that is too young.
    let hold = format!(
        "INSERT INTO payout_hold (id, held_member_id, member_id, reason, placed_by) SELECT gen_random_uuid(), id, id, 'We ask.', \
         (SELECT id FROM person WHERE email = 'reviewer@ombelle.example') FROM member WHERE id = '{}'",
        bo.client.person_id.as_deref().unwrap()
    );
    let said = tried(&mut conn, &format!("{now}; {hold}"), &gather);
    assert!(said[0].contains("is on hold"), "{said:?}");
    let said = tried(&mut conn, early, &gather);
    assert!(said[0].contains("is too young"), "{said:?}");
    // Without the triggers nothing is refused: they are what refuses.
    let blind = "DROP TRIGGER guard_payouts_moved ON payout; DROP TRIGGER guard_account_of_changed ON payout";
    assert_eq!(tried(&mut conn, &format!("{early}; {hold}; {blind}"), &gather).len(), 4);

    // Nothing joins or leaves a sealed batch, and nothing is released before it.
    let path = format!("/v1/payout_batches/{id}/seal");
    cast.staff.reviewer.change(&path, 1, &json!({})).unwrap().expect(200).unwrap();
    let free = format!("UPDATE payout SET state = 'approved', batch_id = NULL WHERE batch_id = '{id}'");
    let release = format!("UPDATE payout SET state = 'released' WHERE batch_id = '{id}'");
    for (sql, why) in [
        (&gather, "a sealed batch cannot be edited"),
        (&free, "a sealed batch cannot be edited"),
        (&release, "is released with its batch"),
    ] {
        let said = tried(&mut conn, &now, sql);
        assert!(said[0].contains(why), "{said:?}");
        assert!(!tried(&mut conn, &format!("{now}; {blind}"), sql)[0].contains(why));
    }
    // What does not move leaves no history.
    assert_eq!(tried(&mut conn, &now, "UPDATE payout SET reason = 'Looked at'"), Vec::<String>::new());
}

/// A large batch is shown with its first payouts, and listed page by page, each payout once, in the order of the file.
#[test]
fn the_payouts_of_a_batch_are_listed_in_pages() {
    let app = TestApp::start();
    let (mut cast, awa) = app.with_member();
    fund(&app, &mut cast, &awa, 100_000);
    approved(&app, &cast, &awa, 1_000);
    let batch = built(&cast);
    let id = batch["id"].as_str().unwrap();
    assert_eq!(
        (&batch["item_count"], &batch["new_payee_count"], &batch["changed_account_count"]),
        (&json!(1), &json!(1), &json!(0))
    );
    app.database
        .owner()
        .batch_execute(
            "ALTER TABLE payout DISABLE TRIGGER USER; \
             INSERT INTO payout (id, entity_id, member_id, activity_id, scheme, state, amount_minor, currency, payee_account_id, \
                                 end_to_end_id, requested_by, reviewed_by, reviewed_at, batch_id) \
                 SELECT gen_random_uuid(), entity_id, member_id, activity_id, scheme, state, n, currency, payee_account_id, 'E' || n, \
                        requested_by, reviewed_by, reviewed_at, batch_id FROM payout, generate_series(1, 250) n; \
             ALTER TABLE payout ENABLE TRIGGER USER",
        )
        .unwrap();
    let reviewer = &cast.staff.reviewer;
    let place = format!("/v1/payout_batches/{id}");
    let shown = reviewer.get(&place).unwrap().expect(200).unwrap();
    assert_eq!((&shown["item_count"], shown["items"].as_array().unwrap().len()), (&json!(251), 200));
    let all = lines(
        &mut app.database.owner(),
        &format!("SELECT id::text AS line FROM payout WHERE batch_id = '{id}' ORDER BY id"),
    );
    let pages = |filter: &str| {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = reviewer.get(&format!("{place}/items?limit=60{filter}{cursor}")).unwrap().expect(200).unwrap();
            let of_page = page["data"].as_array().unwrap();
            seen.extend(of_page.iter().map(|item| item["payout_id"].as_str().unwrap().to_owned()));
            match page["page"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return seen,
            }
        }
    };
    assert_eq!(pages(""), all);
    assert_eq!(pages("&new_payee=true"), all);
    assert_eq!((pages("&new_payee=false").len(), pages("&changed_account=true").len()), (0, 0));
    let first = reviewer.get(&format!("{place}/items?limit=1")).unwrap().json();
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    // A cursor leads on in the list that it is of, and nowhere else.
    assert_eq!(reviewer.get(&format!("{place}/items?changed_account=false&cursor={cursor}")).unwrap().status, 400);
    let other = reviewer.new_id();
    assert_eq!(reviewer.get(&format!("/v1/payout_batches/{other}/items")).unwrap().status, 404);
    assert_eq!(awa.client.get(&format!("{place}/items")).unwrap().status, 403);
}
