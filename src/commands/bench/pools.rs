//! Dividing the cost of a pool among thirty thousand activities: through the service, and as the bare statements that
//! write the same rows.
//!
//! The service is asked over HTTP with a key of its own each time: it weighs, divides, locks, writes one run, one
//! division, thirty thousand parts and one entry with as many postings, and commits. The bare transaction copies the rows
//! of that run by `INSERT … SELECT` into the same tables, as their owner, so with every constraint and trigger and
//! without row-level security, and commits; then once more without the triggers, which also check foreign keys and move
//! the balances. Every commit is synced to disk. The three take turns.

use std::time::Instant;

use chrono::Days;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use rust_decimal::Decimal;
use serde_json::json;
use umbel::demo::Client;
use umbel::platform::config::Config;

use super::mutual::{Office, id};
use super::{Report, ratio};
use crate::commands::Outcome;

const ACTIVITIES: usize = 30_000;
const TURNS: usize = 5;
/// What each activity has before the first run, in cents; enough for all of them.
const HAS: i64 = 1_000_000;
/// What a run divides, in cents: a number that does not divide evenly.
const COST: i64 = 3_000_017;

/// Measures on a database of its own.
pub fn measure(report: &Report, config: &Config) -> Outcome<()> {
    let mut office = Office::found(config)?;
    let administrator = office.cast.staff.administrator.clone();
    let second = office.stage.hire(&administrator, "second@ombelle.example", "Sam Second", "reviewer")?;
    office.stage.enrol(&mut office.cast, "awa@member.example", "Awa Diop", "BE71096123456769")?;
    office.add_members(ACTIVITIES)?;
    let pool = open_pool(&office)?;
    fill(&office, &pool)?;
    let mut conn = PgConnection::establish(&office.store.owner_url)?;
    let mut past_triggers = office.superuser()?;
    let (mut service, mut bare, mut without_triggers) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let run = office.stage.visitor().new_id();
        let costs = [0, 1, 2].map(|n| approved_cost(&office, &second, &pool, turn, n));
        let [Ok(_divided), Ok(for_bare), Ok(for_less)] = costs else { return Err("a cost was not approved".into()) };
        let served = served_run(&office, &pool, &run)?;
        let plain = copied_run(&mut conn, &office.stage.visitor(), &run, &for_bare)?;
        past_triggers.batch_execute("SET session_replication_role = replica")?;
        let less = copied_run(&mut past_triggers, &office.stage.visitor(), &run, &for_less)?;
        // What the triggers would have done, so that the books stay whole.
        past_triggers.batch_execute(
            "UPDATE activity_balance b SET available_minor = available_minor - p.amount_minor FROM posting p \
             WHERE p.entry_id = (SELECT max(id) FROM journal_entry) AND p.activity_id = b.activity_id \
               AND p.account = 'funds.available'; SET session_replication_role = origin",
        )?;
        // The first turn fills caches.
        if turn > 0 {
            service.push(served);
            bare.push(plain);
            without_triggers.push(less);
        }
    }
    let (service, bare, less) = (median(service), median(bare), median(without_triggers));
    report.figure("pool_run_activities", ACTIVITIES.into(), "activities", 1)?;
    report.figure("pool_run_service", ratio(service, 1000), "ms", TURNS)?;
    report.figure("pool_run_bare", ratio(bare, 1000), "ms", TURNS)?;
    report.figure("pool_run_bare_without_triggers", ratio(less, 1000), "ms", TURNS)?;
    report.figure("pool_run_ratio", ratio(service, bare), "service/bare", TURNS)?;
    report.figure("pool_run_ratio_without_triggers", ratio(service, less), "service/bare", TURNS)?;
    report.violations("pool_invariants_violated_after", &office.stage.violations(&office.cast.staff.accountant)?)?;
    office.close();
    Ok(())
}

fn median(mut micros: Vec<u64>) -> Decimal {
    micros.sort_unstable();
    micros.get(micros.len() / 2).copied().unwrap_or_default().into()
}

fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// A pool that divides by days present. Answers its id.
fn open_pool(office: &Office) -> Outcome<String> {
    let staff = &office.cast.staff;
    let pool = staff.reviewer.new_id();
    let today = office.stage.today();
    let body = json!({
        "id": pool, "entity_id": office.cast.entity_id, "name": "Studio", "purpose": "A place to work",
        "budget": {"amount_minor": 0, "currency": "EUR"}, "overfunding": "carry", "deficit": "mutual_bears",
    });
    let place = format!("/v1/pools/{pool}");
    staff.reviewer.post("/v1/pools", &body)?.expect(201)?;
    let decision = json!({"decision": "Assembly", "decided_on": today});
    staff.administrator.change(&format!("{place}/open"), 1, &decision)?.expect(200)?;
    let key = json!({
        "id": staff.reviewer.new_id(), "valid_from": today - Days::new(40), "decision": "Assembly",
        "parts": [{"basis": "days_present", "share": "1"}],
    });
    staff.reviewer.post(&format!("{place}/keys"), &key)?.expect(201)?;
    Ok(pool)
}

/// Lets every activity in on some day of the last weeks, and gives each something out of what the bank opened with.
fn fill(office: &Office, pool: &str) -> Outcome<()> {
    let total = i64::try_from(ACTIVITIES)?.saturating_mul(HAS);
    office.superuser()?.batch_execute(&format!(
        "BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL synchronous_commit = off;
         INSERT INTO pool_membership (id, pool_id, activity_id, member_id, in_from, created_by)
             SELECT gen_random_uuid(), '{pool}', {activity}, {person}, (umbel_now() - interval '1 day' * (1 + n % 25))::date,
                    (SELECT id FROM person WHERE email = 'reviewer@ombelle.example')
             FROM generate_series(1, {ACTIVITIES}) n;
         INSERT INTO posting (entry_id, account, amount_minor, currency, activity_id, owner_id)
             SELECT e.id, p.account, p.amount, 'EUR', p.activity, p.owner
             FROM (SELECT id FROM journal_entry WHERE event = 'bank_opened' LIMIT 1) e,
                  (SELECT 'opening_balance' AS account, {total} AS amount, NULL::uuid AS activity, NULL::uuid AS owner
                   UNION ALL SELECT 'funds.available', -{HAS}, {activity}, {person} FROM generate_series(1, {ACTIVITIES}) n) p;
         UPDATE activity_balance SET available_minor = {HAS}
             FROM generate_series(1, {ACTIVITIES}) n WHERE activity_id = {activity};
         COMMIT;
         ANALYZE pool_membership, posting, activity_balance",
        activity = id('2', "n"),
        person = id('1', "n"),
    ))?;
    Ok(())
}

/// What a supplier charged the pool, approved by a second person. Answers its id. The service divides the first of each
/// turn, because the others are dated after its period.
fn approved_cost(office: &Office, second: &Client, pool: &str, turn: usize, n: u64) -> Outcome<String> {
    let reviewer = &office.cast.staff.reviewer;
    let cost = reviewer.new_id();
    let none = json!({"amount_minor": 0, "currency": "EUR"});
    let invoiced_on = if n == 0 { office.stage.today() - Days::new(1) } else { office.stage.today() };
    let body = json!({
        "id": cost, "pool_id": pool, "supplier": "Landlord", "reference": format!("{turn}-{n}"), "invoiced_on": invoiced_on,
        "description": "Rent", "net": {"amount_minor": COST, "currency": "EUR"}, "vat": none, "recoverable_vat": none,
    });
    reviewer.post("/v1/costs", &body)?.expect(201)?;
    second.change(&format!("/v1/costs/{cost}/approve"), 1, &json!({}))?.expect(200)?;
    Ok(cost)
}

/// Divides what was charged up to yesterday. Answers the microseconds that the service took.
fn served_run(office: &Office, pool: &str, run: &str) -> Outcome<u64> {
    let yesterday = office.stage.today() - Days::new(1);
    let body = json!({"id": run, "from_on": yesterday - Days::new(29), "to_on": yesterday});
    let began = Instant::now();
    office.cast.staff.reviewer.post(&format!("/v1/pools/{pool}/runs"), &body)?.expect(201)?;
    Ok(micros(began))
}

/// Writes the rows of a run once more, for another cost. Answers the microseconds.
fn copied_run(conn: &mut PgConnection, ids: &Client, run: &str, cost: &str) -> Outcome<u64> {
    let copy = ids.new_id();
    let script = format!(
        "BEGIN;
         INSERT INTO pool_run (id, pool_id, key_id, kind, from_on, to_on, amount_minor, currency, state, booked_by, booked_on, created_at, version)
             SELECT '{copy}', pool_id, key_id, kind, from_on, to_on, amount_minor, currency, state, booked_by, booked_on, created_at, 1
             FROM pool_run WHERE id = '{run}';
         INSERT INTO pool_run_split (run_id, n, basis, share_ppm, amount_minor, weight_sum)
             SELECT '{copy}', n, basis, share_ppm, amount_minor, weight_sum FROM pool_run_split WHERE run_id = '{run}';
         INSERT INTO pool_run_part (run_id, n, activity_id, member_id, pool_id, weight, floor_minor, remainder, amount_minor)
             SELECT '{copy}', n, activity_id, member_id, pool_id, weight, floor_minor, remainder, amount_minor
             FROM pool_run_part WHERE run_id = '{run}';
         INSERT INTO pool_run_cost (run_id, cost_id, amount_minor) VALUES ('{copy}', '{cost}', {COST});
         WITH entry AS (INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id, owner_id, actor_id, request_id)
                        SELECT entity_id, booked_on, event, source_kind, '{copy}', owner_id, actor_id, request_id
                        FROM journal_entry WHERE event = 'pool_allocated' AND source_id = '{run}' RETURNING id)
         INSERT INTO posting (entry_id, account, amount_minor, currency, activity_id, client_id, invoice_id, payout_id, member_id,
                              bank_line_id, bank_account_id, tax_code, pool_id, owner_id)
             SELECT entry.id, p.account, p.amount_minor, p.currency, p.activity_id, p.client_id, p.invoice_id, p.payout_id, p.member_id,
                    p.bank_line_id, p.bank_account_id, p.tax_code, p.pool_id, p.owner_id
             FROM entry, posting p JOIN journal_entry e ON e.id = p.entry_id
             WHERE e.event = 'pool_allocated' AND e.source_id = '{run}' ORDER BY p.id;
         COMMIT"
    );
    let began = Instant::now();
    conn.batch_execute(&script)?;
    Ok(micros(began))
}
