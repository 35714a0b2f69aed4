//! A year of three hundred thousand invoices, played again under proposed rules by a process of its own.

use std::thread;
use std::time::{Duration, Instant};

use chrono::Datelike;
use diesel::connection::SimpleConnection;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use umbel::demo::Client;
use umbel::platform::clock::Clock;
use umbel::platform::config::Config;

use super::mutual::{Office, id};
use super::process::Serving;
use super::{Report, ratio};
use crate::commands::Outcome;
use crate::commands::demo::ADMIN;

const MEMBERS: usize = 10_000;
const INVOICES: usize = 300_000;
const PATIENCE: Duration = Duration::from_mins(20);
/// Each in a process that has done nothing else.
const TURNS: usize = 3;

/// Seeds the year, then plays it in fresh processes.
pub fn measure(report: &Report, config: &Config) -> Outcome<()> {
    let office = Office::found(config)?;
    let year = office.stage.today().year().saturating_sub(1);
    office.add_members(MEMBERS)?;
    add_invoices(&office, year)?;
    let (entity, password) = (office.cast.entity_id.clone(), office.password.clone());
    office.close();
    let (mut times, mut peaks, mut idle, mut hashes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let (serving, _) = Serving::start(&config.data)?;
        let client = Client::new(&serving.base, Clock::system()).sign_in(ADMIN, &password)?;
        idle.push(serving.resident_kib("VmHWM:")?);
        let began = Instant::now();
        let run = play(&client, &entity, year)?;
        times.push(u64::try_from(began.elapsed().as_millis())?);
        peaks.push(serving.resident_kib("VmHWM:")?);
        let played = run.get("invoice_count").and_then(Value::as_u64).unwrap_or_default();
        if played != u64::try_from(INVOICES)? {
            return Err(format!("{played} of {INVOICES} invoices were played").into());
        }
        hashes.push(run.get("sha256").and_then(Value::as_str).unwrap_or_default().to_owned());
    }
    hashes.dedup();
    times.sort_unstable();
    let seconds = ratio(times.get(TURNS / 2).copied().unwrap_or_default(), 1000);
    let megabytes = |kib: Option<&u64>| ratio(kib.copied().unwrap_or_default().saturating_mul(1024), 1_000_000);
    report.figure("dry_run_invoices", INVOICES.into(), "invoices", 1)?;
    report.figure("dry_run_time_median", seconds, "s", TURNS)?;
    report.figure("dry_run_rate", ratio(Decimal::from(INVOICES), seconds), "invoices/s", TURNS)?;
    report.figure("dry_run_memory_before", megabytes(idle.iter().max()), "MB", TURNS)?;
    report.figure("dry_run_memory_peak", megabytes(peaks.iter().max()), "MB", TURNS)?;
    report.figure("dry_run_different_results", hashes.len().saturating_sub(1).into(), "results", TURNS)
}

/// Issued invoices spread over members and days, each with what it was charged. Entries are not needed: a dry run reads
/// documents and charges, never the books.
fn add_invoices(office: &Office, year: i32) -> Outcome<()> {
    let entity = &office.cast.entity_id;
    office.superuser()?.batch_execute(&format!(
        "BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL synchronous_commit = off;
         INSERT INTO invoice (id, entity_id, member_id, activity_id, client_id, state, title, currency, supplied_on, net_minor, tax_minor, gross_minor,
                              rule_set_id, bank_account_id, issued_on, due_on, series_year, seq, number, payment_reference, seller_snapshot, buyer_snapshot)
         SELECT {invoice}, '{entity}', {person}, {activity}, {client}, 'issued', 'Work', 'EUR', day, net, net * 21 / 100, net + net * 21 / 100,
                r.id, b.id, day, day + 30, {year}, n, format('{year}-%s', n), lpad(n::text, 12, '0'), '{{}}', '{{}}'
         FROM (SELECT n, 1 + n % {MEMBERS} AS m, make_date({year}, 1, 1) + ((n - 1)::bigint * 365 / {INVOICES})::integer AS day,
                      10000 + (n::bigint * 7919) % 490000 AS net
               FROM generate_series(1, {INVOICES}) n) s,
              (SELECT id FROM rule_set ORDER BY created_at LIMIT 1) r, (SELECT id FROM entity_bank_account LIMIT 1) b;
         INSERT INTO levy_charge (id, entity_id, activity_id, member_id, kind, source_kind, source_id, invoice_id, rule_set_id, charged_on,
                                  base_minor, rate_ppm, amount_minor, basis)
         SELECT gen_random_uuid(), i.entity_id, i.activity_id, i.member_id, k.kind, 'invoice', i.id, i.id, i.rule_set_id, i.issued_on,
                i.net_minor, k.rate, (i.net_minor * k.rate + 500000) / 1000000, '{{}}'
         FROM invoice i, (VALUES ('fee', 55000::bigint), ('guarantee', 20000)) k (kind, rate);
         COMMIT;
         ANALYZE invoice, levy_charge",
        invoice = id('4', "n"),
        person = id('1', "m"),
        activity = id('2', "m"),
        client = id('3', "m"),
    ))?;
    Ok(())
}

/// Proposes bands, a floor and a cap, and plays the year. Answers what the job found.
fn play(client: &Client, entity: &str, year: i32) -> Outcome<Value> {
    let euros = |amount: i64| json!({"amount_minor": amount.saturating_mul(100), "currency": "EUR"});
    let proposal = client.new_id();
    let band = |from: i64, rate: &str| json!({"from": euros(from), "rate": rate});
    let body = json!({
        "id": proposal, "entity_id": entity, "title": "Bands", "note": "",
        "rules": {
            "share_price": euros(30), "payment_terms_days": 30, "advance_working_days": 7, "client_limit": euros(50_000),
            "levies": [
                {"kind": "fee", "bands": [band(0, "0.07"), band(30_000, "0.06"), band(60_000, "0.05")],
                 "floor_per_month": euros(20), "cap_per_year": euros(5_000)},
                {"kind": "guarantee", "rate": "0.02"},
            ],
        },
    });
    client.post("/v1/proposals", &body)?.expect(201)?;
    let asked = json!({"id": client.new_id(), "from": format!("{year}-01"), "to": format!("{year}-12")});
    let job = client.post(&format!("/v1/proposals/{proposal}/dry_runs"), &asked)?.expect(202)?;
    let place = format!("/v1/jobs/{}", job.get("id").and_then(Value::as_str).unwrap_or_default());
    let began = Instant::now();
    loop {
        let seen = client.get(&place)?.expect(200)?;
        match seen.get("state").and_then(Value::as_str) {
            Some("done") => return seen.get("result").cloned().ok_or_else(|| "no result".into()),
            Some("queued" | "running") if began.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(700)),
            _ => return Err(format!("the dry run did not end well: {seen}").into()),
        }
    }
}
