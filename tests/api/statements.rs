//! A member's statement: it opens, moves and closes, in three forms; and the balances that follow a story to the cent.

use serde_json::{Value, json};
use umbel::demo::Client;

use super::collectives::{Scene, minor};

fn statement(client: &Client, activity: &str, query: &str) -> Value {
    client.get(&format!("/v1/activities/{activity}/statement?{query}")).unwrap().expect(200).unwrap()
}

const PARTS: [&str; 5] = ["pending", "available", "reserved", "arrears", "total"];

/// Opening and moves give the closing, part by part; so do the totals by kind; and the last running is the closing.
fn assert_adds_up(seen: &Value) {
    for part in PARTS {
        let amount = |row: &Value| minor(row, &format!("/amounts/{part}"));
        let moved: i64 = seen["moves"].as_array().unwrap().iter().map(amount).sum();
        let by_kind: i64 = seen["totals"].as_array().unwrap().iter().map(amount).sum();
        let (opening, closing) = (minor(seen, &format!("/opening/{part}")), minor(seen, &format!("/closing/{part}")));
        assert_eq!((opening + moved, moved), (closing, by_kind), "{part}: {seen}");
    }
    if let Some(last) = seen["moves"].as_array().unwrap().last() {
        assert_eq!(minor(last, "/running"), minor(seen, "/closing/total"));
    }
}

/// Invoiced, collected, for pay, for expenses, pending, reserved.
fn balances(scene: &Scene, client: &Client) -> [i64; 6] {
    let seen = client.get(&format!("/v1/activities/{}", scene.collective())).unwrap().expect(200).unwrap();
    let listed = client.get("/v1/activities").unwrap().expect(200).unwrap();
    let row = listed["data"].as_array().unwrap().iter().find(|row| row["id"] == seen["id"]).unwrap().clone();
    assert_eq!(row, seen, "a list shows the same figures");
    assert_eq!(minor(&seen, "/balances/arrears/amount"), 0);
    ["invoiced", "collected", "available_for_pay", "available_for_expenses", "pending", "reserved"]
        .map(|name| minor(&seen, &format!("/balances/{name}/amount")))
}

#[test]
fn the_balances_of_an_activity_follow_a_story_to_the_cent() {
    let mut scene = Scene::new();
    assert_eq!(balances(&scene, scene.manager()), [0, 0, 0, 0, 0, 0]);
    let first = scene.invoice(33_333);
    assert_eq!(balances(&scene, scene.manager()), [33_333, 0, 0, 0, 30_833, 0]);
    scene.pays(&first, 10_001);
    // 100.01 of 403.33 with VAT: 82.65 of 333.33 without, 76.45 of what waited.
    assert_eq!(balances(&scene, scene.manager()), [33_333, 8_265, 7_645, 7_645, 23_188, 0]);
    scene.days_pass(9);
    assert_eq!(balances(&scene, scene.manager()), [33_333, 8_265, 30_833, 7_645, 0, 0], "the rest was advanced");
    scene.by_percent();
    scene.split(None, Some(10_000));
    assert_eq!(balances(&scene, scene.manager()), [33_333, 8_265, 20_833, 0, 0, 0], "cleared money moves first");
    let second = scene.invoice(10_000);
    assert_eq!(balances(&scene, scene.manager()), [43_333, 8_265, 20_833, 0, 9_250, 0]);
    scene.pays(&first, first.gross - 10_001);
    assert_eq!(balances(&scene, scene.manager()), [43_333, 33_333, 20_833, 20_833, 9_250, 0]);
    scene.pays(&second, second.gross);
    assert_eq!(balances(&scene, scene.manager()), [43_333, 43_333, 30_083, 30_083, 0, 0]);
    assert_eq!(
        balances(&scene, &scene.members[2].client),
        [43_333, 43_333, 30_083, 30_083, 0, 0],
        "members see the same"
    );
    let asked = scene.app.stage.payout(&scene.members[0], 1_000).unwrap();
    assert_eq!(asked["state"], "requested");
    let own = scene.activity(0);
    assert_eq!(
        (minor(&own, "/balances/reserved/amount"), minor(&own, "/balances/available_for_pay/amount")),
        (1_000, 4_000)
    );
    assert_eq!(own["balances"]["reserved"]["explanation"], "set_aside_for_payouts");
}

#[test]
fn a_statement_opens_moves_and_closes_in_every_form() {
    let mut scene = Scene::new();
    let first = scene.invoice(100_000);
    scene.by_percent();
    scene.days_pass(9);
    scene.split(None, Some(50_000));
    scene.days_pass(20);
    let second = scene.invoice(20_000);
    scene.pays(&first, first.gross);
    scene.pays(&second, 12_100);
    let (client, id) = (scene.manager().clone(), scene.collective().to_owned());
    let whole = statement(&client, &id, "from=2026-05&to=2026-06");
    assert_adds_up(&whole);
    let events: Vec<&str> =
        whole["moves"].as_array().unwrap().iter().map(|row| row["event"].as_str().unwrap()).collect();
    assert_eq!(
        events,
        [
            "invoice_issued",
            "guarantee_advanced",
            "transferred",
            "transferred",
            "transferred",
            "invoice_issued",
            "client_paid"
        ],
        "a payment after an advance moves nothing here"
    );
    assert_eq!((minor(&whole, "/opening/total"), minor(&whole, "/closing/total")), (0, 42_500 + 18_500));
    assert_eq!((minor(&whole, "/closing/pending"), minor(&whole, "/closing/available")), (9_250, 51_750));
    assert_eq!(whole["moves"][0]["document"], "2026-0001");
    let (may, june) = (statement(&client, &id, "to=2026-05"), statement(&client, &id, "from=2026-06"));
    for month in [&may, &june] {
        assert_adds_up(month);
    }
    assert_eq!(may["closing"], june["opening"]);
    assert_eq!((&may["opening"], &june["closing"]), (&whole["opening"], &whole["closing"]));
    let empty = statement(&client, &id, "from=2025-01&to=2025-02");
    assert_eq!((empty["moves"].as_array().unwrap().len(), minor(&empty, "/closing/total")), (0, 0));

    let file = |format: &str| {
        client.get(&format!("/v1/activities/{id}/statement?from=2026-05&to=2026-06&format={format}")).unwrap()
    };
    let csv = file("csv");
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert!(csv.header("content-disposition").unwrap().contains("statement-2026-05-2026-06.csv"));
    let text = String::from_utf8(csv.body.clone()).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 1 + 1 + events.len() + 1);
    assert_eq!((rows[1][0], rows[1][10], rows[rows.len() - 1][10]), ("opening", "0.00", "610.00"));
    assert_eq!(rows[2][3], "Facture émise", "in the language of the member");
    let pdf = file("pdf");
    assert_eq!(pdf.header("content-type"), Some("application/pdf"));
    assert!(pdf.body.starts_with(b"%PDF-1.7") && pdf.header("content-digest").is_some());
    assert_eq!(file("pdf").body, pdf.body, "the same bytes every time");
    if let Ok(folder) = std::env::var("UMBEL_SAMPLES") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(format!("{folder}/statement.pdf"), &pdf.body).unwrap();
    }
    // A member reads the statement of the collective; the receiver sees what arrived; nobody else sees anything.
    assert_eq!(statement(&scene.members[1].client, &id, "from=2026-05&to=2026-06")["closing"], whole["closing"]);
    let own = statement(&scene.members[1].client, &scene.members[1].activity_id, "from=2026-05&to=2026-06");
    assert_adds_up(&own);
    assert_eq!(minor(&own, "/closing/available"), 15_000);
    let theirs =
        scene.members[2].client.get(&format!("/v1/activities/{}/statement", scene.members[1].activity_id)).unwrap();
    assert_eq!(theirs.status, 404);
    for (query, pointer) in [
        ("from=2026-06&to=2026-05", "/to"),
        ("from=2020-01&to=2026-05", "/to"),
        ("from=1999-12&to=2000-01", "/from"),
        ("from=2026-13", "/from"),
        ("to=May", "/to"),
        ("format=xml", "/format"),
    ] {
        let answer = client.get(&format!("/v1/activities/{id}/statement?{query}")).unwrap();
        assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (422, &json!(pointer)), "{query}");
    }
}

#[test]
fn every_event_that_moves_an_activity_has_words() {
    // What is booked on no activity is on no statement.
    let elsewhere = [
        "share_subscribed",
        "share_paid",
        "share_redeemed",
        "redemption_paid",
        "bank_opened",
        "bank_line_booked",
        "bank_charged",
        "bank_charge_reversed",
        "remittance_released",
        "remittance_settled",
        "remittance_returned",
        "remittance_stopped",
        "client_credit_withdrawn",
        "client_credited",
        "client_credit_used",
        "client_refunded",
    ];
    let known = umbel::formats::statement::events();
    for event in umbel::ledger::Event::ALL {
        assert!(known.contains(&event.name()) || elsewhere.contains(&event.name()), "no words for {event}");
    }
}
