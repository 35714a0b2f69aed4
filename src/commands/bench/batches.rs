//! Ten thousand payouts built into a batch, sealed and written as a bank file: through the service, and as the bare SQL.
//!
//! The service is asked over HTTP: it gathers, locks and marks the payouts, reads and opens their accounts, notes what is
//! odd about each, writes the pain.001, hashes and keeps it, commits twice and sends the file. Two things stand beside it.
//! The reading is one statement that fetches the payouts with their accounts and payees, all columns, in the order of the
//! file. The bare SQL is a transaction that reads what the service reads (the payouts twice over, because two commands do;
//! the accounts; the payees; what is odd) and writes the same rows, as their owner: with every trigger, without row-level
//! security, without a program that opens an IBAN or writes a file. They take turns. Every commit is synced to disk.

use std::net::TcpListener;
use std::time::Instant;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use umbel::demo::Client;
use umbel::kernel::ids::PayeeAccountId;
use umbel::kernel::money::Minor;
use umbel::members::{NewPayeeAccount, seal_account};
use umbel::platform::clock::Clock;
use umbel::platform::config::{Config, KeySource};
use umbel::platform::keys::Keys;
use umbel::platform::web::hex;

use super::mutual::{Office, id};
use super::{Report, ratio, statements};
use crate::commands::serve::in_background;
use crate::commands::{Outcome, Running};

const PAYOUTS: usize = 10_000;
const TURNS: usize = 7;
/// What each payout pays, in cents.
const CENTS: i64 = 12_345;
/// Rows of an insert.
const ROWS: usize = 1_000;

/// Microseconds of the steps of one batch.
#[derive(Debug, Default)]
struct Took {
    build: Vec<u64>,
    seal: Vec<u64>,
    file: Vec<u64>,
    all: Vec<u64>,
}

#[derive(diesel::QueryableByName)]
struct Sealed {
    #[diesel(sql_type = diesel::sql_types::Binary)]
    bytes: Vec<u8>,
}

/// What was sealed: the service gives it to nobody before it is released.
fn sealed_file(conn: &mut PgConnection, batch: &str) -> Outcome<Vec<u8>> {
    let sql = "SELECT f.bytes FROM payout_batch b JOIN archived_file f ON f.id = b.file_id WHERE b.id = $1::uuid";
    let sealed: Sealed = diesel::sql_query(sql).bind::<diesel::sql_types::Text, _>(batch).get_result(conn)?;
    Ok(sealed.bytes)
}

/// Measures on a database of its own.
pub fn measure(report: &Report, config: &Config) -> Outcome<()> {
    let mut office = Office::found(config)?;
    // The first statement says what the bank opened with.
    office.cast.bank.receives_unknown(Minor::new(100), "first", office.stage.today());
    office.stage.import(&mut office.cast)?;
    office.add_members(PAYOUTS)?;
    add_payouts(&office, config)?;
    let mut conn = PgConnection::establish(&office.store.owner_url)?;
    let (mut took, mut reading, mut bare) = (Took::default(), Vec::new(), Vec::new());
    let (mut bytes, mut first) = (0, 0);
    for turn in 0..=TURNS {
        let began = Instant::now();
        let (batch, built, sealed) = batch_through_the_service(&office.cast.staff.reviewer, &office.cast.entity_id)?;
        let file = sealed_file(&mut conn, &batch)?;
        let all = micros(began);
        check(&file)?;
        let read = read_batch(&mut conn, &batch)?;
        dissolve(&office, &batch)?;
        let plain = bare_batch(&mut conn, &office.stage.visitor(), &batch)?;
        bytes = file.len();
        if turn == 0 {
            // It fills caches, and notes what is odd for the first time.
            first = all;
            continue;
        }
        took.build.push(built);
        took.seal.push(sealed);
        took.file.push(all.saturating_sub(built).saturating_sub(sealed));
        took.all.push(all);
        reading.push(read);
        bare.push(plain);
    }
    let (all, reading, bare) = (median(took.all), median(reading), median(bare));
    report.figure("batch_payouts", PAYOUTS.into(), "payouts", 1)?;
    report.figure("batch_file", ratio(u64::try_from(bytes)?, 1_000_000), "MB", 1)?;
    report.figure("batch_first", ratio(first, 1000), "ms", 1)?;
    for (name, micros) in [("build", took.build), ("seal", took.seal), ("write", took.file)] {
        report.figure(&format!("batch_{name}"), ratio(median(micros), 1000), "ms", TURNS)?;
    }
    report.figure("batch_service", ratio(all, 1000), "ms", TURNS)?;
    report.figure("batch_reading", ratio(reading, 1000), "ms", TURNS)?;
    report.figure("batch_bare", ratio(bare, 1000), "ms", TURNS)?;
    report.figure("batch_ratio_to_reading", ratio(all, reading), "service/reading", TURNS)?;
    report.figure("batch_ratio", ratio(all, bare), "service/bare", TURNS)?;
    count_statements(report, &office)?;
    release(report, &mut office, &mut conn)?;
    report.violations("batch_invariants_violated_after", &office.stage.violations(&office.cast.staff.accountant)?)?;
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

/// A Belgian IBAN with a number in it, with the check digits of the country and of the standard.
fn iban(n: usize) -> Outcome<String> {
    let number = u64::try_from(n)?.saturating_add(5_390_000_000);
    let digits = match number.rem_euclid(97) {
        0 => 97,
        rest => rest,
    };
    let account = number.saturating_mul(100).saturating_add(digits);
    // BE00 in digits is 111400.
    let rest = account.saturating_mul(1_000_000).saturating_add(111_400).rem_euclid(97);
    Ok(format!("BE{:02}{account:012}", 98_u64.saturating_sub(rest)))
}

/// Gives each member an account that the program sealed, money, and an approved payout, booked as one.
fn add_payouts(office: &Office, config: &Config) -> Outcome<()> {
    let KeySource::Folder(folder) = &config.keys else { return Err("the benchmark keeps its keys in a folder".into()) };
    let keys = Keys::from_folder(folder, &Clock::system())?;
    let mut conn = office.superuser()?;
    let person = |n: usize| format!("01900001-0000-7000-8000-{n:012x}");
    let account = |n: usize| format!("01900004-0000-7000-8000-{n:012x}");
    let numbers: Vec<usize> = (1..=PAYOUTS).collect();
    for some in numbers.chunks(ROWS) {
        let mut rows = Vec::with_capacity(some.len());
        for n in some {
            let id = PayeeAccountId(account(*n).parse()?);
            let new = NewPayeeAccount { id, iban: iban(*n)?, holder: format!("Member {n}") };
            let sealed = seal_account(&keys, person(*n).parse::<uuid::Uuid>()?.into(), &new)?;
            rows.push(format!(
                "('{}', '{}', '{}', '\\x{}', '\\x{}', '{}', '{}', (SELECT id FROM person WHERE email = 'reviewer@ombelle.example'), umbel_now() - interval '30 days')",
                account(*n),
                person(*n),
                sealed.holder,
                hex(&sealed.iban_sealed),
                hex(&sealed.iban_index),
                sealed.iban_country,
                sealed.iban_last4
            ));
        }
        conn.batch_execute(&format!(
            "SET session_replication_role = replica; \
             INSERT INTO payee_account (id, person_id, holder, iban_sealed, iban_index, iban_country, iban_last4, verified_by, verified_at) VALUES {}; \
             SET session_replication_role = origin",
            rows.join(", ")
        ))?;
    }
    conn.batch_execute(&payouts(&office.cast.entity_id))?;
    Ok(())
}

/// Each activity has twice the amount, of what the bank opened with, and half of it is set aside for its payout.
fn payouts(entity: &str) -> String {
    let total = i64::try_from(PAYOUTS).unwrap_or_default().saturating_mul(CENTS);
    format!(
        "BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL synchronous_commit = off;
         INSERT INTO payout (id, entity_id, member_id, activity_id, scheme, state, amount_minor, currency, payee_account_id,
                             end_to_end_id, requested_by, reviewed_by, reviewed_at)
             SELECT {payout}, '{entity}', {person}, {activity}, 'plain_transfer', 'approved', {CENTS}, 'EUR', {account},
                    upper(replace({payout}::text, '-', '')), {person},
                    (SELECT id FROM person WHERE email = 'reviewer@ombelle.example'), umbel_now()
             FROM generate_series(1, {PAYOUTS}) n;
         INSERT INTO posting (entry_id, account, amount_minor, currency, activity_id, owner_id)
             SELECT e.id, p.account, p.amount, 'EUR', p.activity, p.owner
             FROM (SELECT id FROM journal_entry WHERE event = 'bank_opened' LIMIT 1) e,
                  (SELECT 'opening_balance' AS account, 2 * {total} AS amount, NULL::uuid AS activity, NULL::uuid AS owner
                   UNION ALL SELECT 'funds.available', -2 * {CENTS}, {activity}, {person} FROM generate_series(1, {PAYOUTS}) n) p;
         INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id, owner_id)
             SELECT '{entity}', umbel_now()::date, 'payout_reserved', 'payout', id, member_id FROM payout;
         INSERT INTO posting (entry_id, account, amount_minor, currency, activity_id, payout_id, owner_id)
             SELECT e.id, x.account, x.sign * {CENTS}, 'EUR', p.activity_id, p.id, p.member_id
             FROM payout p JOIN journal_entry e ON e.event = 'payout_reserved' AND e.source_id = p.id,
                  (VALUES ('funds.available', 1), ('funds.reserved', -1)) x (account, sign);
         UPDATE activity_balance SET available_minor = {CENTS}, reserved_minor = {CENTS}
             FROM generate_series(1, {PAYOUTS}) n WHERE activity_id = {activity};
         COMMIT;
         ANALYZE payout, payee_account, posting, journal_entry, activity_balance",
        payout = id('5', "n"),
        person = id('1', "n"),
        activity = id('2', "n"),
        account = id('4', "n"),
    )
}

fn version(of: &Value) -> i64 {
    of.get("version").and_then(Value::as_i64).unwrap_or_default()
}

/// Builds and seals a batch of all of them. Answers its id and the microseconds of both.
fn batch_through_the_service(reviewer: &Client, entity: &str) -> Outcome<(String, u64, u64)> {
    let batch = reviewer.new_id();
    let began = Instant::now();
    let body = json!({"id": batch, "entity_id": entity});
    let built = reviewer.post("/v1/payout_batches", &body)?;
    let build = micros(began);
    let began = Instant::now();
    let sealed = reviewer.change(&format!("/v1/payout_batches/{batch}/seal"), 1, &json!({}))?;
    let seal = micros(began);
    built.expect(201)?;
    sealed.expect(200)?;
    Ok((batch, build, seal))
}

/// The file has a transfer for each payout.
fn check(file: &[u8]) -> Outcome<()> {
    let found = std::str::from_utf8(file)?.matches("<EndToEndId>").count();
    if found == PAYOUTS { Ok(()) } else { Err(format!("{found} transfers are in the file").into()) }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    end_to_end_id: String,
}

/// What comes after the seal, once: another person approves and releases, and the bank says that it debited each payout.
fn release(report: &Report, office: &mut Office, conn: &mut PgConnection) -> Outcome<()> {
    let (reviewer, approver) = (&office.cast.staff.reviewer, &office.cast.staff.approver);
    let (batch, _, _) = batch_through_the_service(reviewer, &office.cast.entity_id)?;
    let place = format!("/v1/payout_batches/{batch}");
    let sealed = approver.get(&place)?.expect(200)?;
    let began = Instant::now();
    let approved = office.stage.approve(approver, &sealed)?;
    report.figure("batch_approve", ratio(micros(began), 1000), "ms", 1)?;
    let sha256 = sealed.get("content_sha256").and_then(Value::as_str).unwrap_or_default();
    let proof = office.stage.prove(approver, "release_batch", sha256)?;
    let began = Instant::now();
    approver.change(&format!("{place}/release"), version(&approved), &json!({"second_factor": proof}))?.expect(200)?;
    report.figure("batch_release", ratio(micros(began), 1000), "ms", 1)?;
    let names: Vec<Name> =
        diesel::sql_query(format!("SELECT end_to_end_id FROM payout WHERE batch_id = '{batch}'")).load(conn)?;
    for name in names {
        office.cast.bank.pays(Minor::new(CENTS), &name.end_to_end_id, office.stage.today());
    }
    let file = office.cast.bank.statement(office.stage.today(), office.stage.clock.now())?;
    let began = Instant::now();
    office.cast.staff.reviewer.upload("/v1/bank_statements", "application/xml", &file)?.expect(201)?;
    report.figure("batch_settle", ratio(micros(began), 1000), "ms", 1)?;
    let settled: Count =
        diesel::sql_query("SELECT count(*) AS n FROM payout WHERE state = 'settled'").get_result(conn)?;
    if usize::try_from(settled.n)? == PAYOUTS { Ok(()) } else { Err(format!("{} are settled", settled.n).into()) }
}

fn dissolve(office: &Office, batch: &str) -> Outcome<()> {
    let reviewer = &office.cast.staff.reviewer;
    let place = format!("/v1/payout_batches/{batch}");
    let seen = reviewer.change(&format!("{place}/unseal"), 2, &json!({}))?.expect(200)?;
    reviewer.change(&format!("{place}/dissolve"), version(&seen), &json!({}))?.expect(200)?;
    Ok(())
}

/// A row of whatever it has, as text.
#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

const READING: &str = "SELECT (p, a, m)::text AS line FROM payout p JOIN payee_account a ON a.id = p.payee_account_id \
                       JOIN member m ON m.id = p.member_id WHERE p.batch_id = ";

/// Reads a batch by one statement. Answers the microseconds.
fn read_batch(conn: &mut PgConnection, batch: &str) -> Outcome<u64> {
    let began = Instant::now();
    let rows: Vec<Line> = diesel::sql_query(format!("{READING}'{batch}' ORDER BY p.id")).load(conn)?;
    let took = micros(began);
    let is_whole = rows.len() == PAYOUTS && rows.iter().all(|row| !row.line.is_empty());
    if is_whole { Ok(took) } else { Err("the reading did not find every payout".into()) }
}

/// The rows of a batch read and written once more, and taken away again after the measurement. Answers the microseconds.
fn bare_batch(conn: &mut PgConnection, ids: &Client, like: &str) -> Outcome<u64> {
    let (batch, file) = (ids.new_id(), ids.new_id());
    let kept: Count =
        diesel::sql_query("SELECT count(*) AS n FROM archived_file WHERE kind = 'batch_file'").get_result(conn)?;
    let began = Instant::now();
    conn.batch_execute(&format!(
        "BEGIN ISOLATION LEVEL SERIALIZABLE;
         INSERT INTO payout_batch (id, entity_id, bank_account_id, currency, execute_on, built_by)
             SELECT '{batch}', entity_id, bank_account_id, currency, execute_on, built_by FROM payout_batch WHERE id = '{like}';
         UPDATE payout SET state = 'batched', batch_id = '{batch}'
             WHERE id IN (SELECT id FROM payout WHERE state = 'approved' ORDER BY id FOR UPDATE SKIP LOCKED);
         COMMIT; BEGIN"
    ))?;
    let rows: Vec<Line> = diesel::sql_query(format!("{READING}'{batch}' ORDER BY p.id")).load(conn)?;
    let odd: Vec<Line> = diesel::sql_query(format!(
        "SELECT f::text AS line FROM payout_risk_facts((SELECT array_agg(id ORDER BY id) FROM payout WHERE batch_id = '{batch}')) f"
    ))
    .load(conn)?;
    conn.batch_execute(&format!(
        "INSERT INTO archived_file (id, kind, subject_id, name, media_type, sha256, size, bytes)
             SELECT '{file}', kind, '{batch}', name, media_type, sha256, size, bytes FROM archived_file WHERE subject_id = '{like}';
         UPDATE payout_batch SET state = 'sealed', message_id = upper(left(replace('{batch}', '-', ''), 30)), payout_count = {PAYOUTS},
                control_sum_minor = {PAYOUTS}::bigint * {CENTS}, file_id = '{file}', sealed_by = built_by, sealed_at = umbel_now(),
                sha256 = (SELECT sha256 FROM archived_file WHERE id = '{file}') WHERE id = '{batch}';
         COMMIT"
    ))?;
    let again: Vec<Line> = diesel::sql_query(format!("{READING}'{batch}' ORDER BY p.id")).load(conn)?;
    let took = micros(began);
    if [rows.len(), odd.len(), again.len()] != [PAYOUTS; 3] || kept.n == 0 {
        return Err("the bare statements did not find every payout".into());
    }
    conn.batch_execute(&format!(
        "UPDATE payout_batch SET state = 'open', message_id = NULL, payout_count = NULL, control_sum_minor = NULL, file_id = NULL,
                sealed_by = NULL, sealed_at = NULL, sha256 = NULL WHERE id = '{batch}';
         UPDATE payout SET state = 'approved', batch_id = NULL WHERE batch_id = '{batch}';
         UPDATE payout_batch SET state = 'dissolved' WHERE id = '{batch}'"
    ))?;
    Ok(took)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Counts what both commands send, so that a statement for each payout is seen.
fn count_statements(report: &Report, office: &Office) -> Outcome<()> {
    let mut parts = office.running.parts.clone();
    parts.db = statements::recorded(&office.store.login_url, parts.db.clock())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut reviewer = Client::new(&format!("http://{}", listener.local_addr()?), parts.db.clock().clone());
    reviewer.token.clone_from(&office.cast.staff.reviewer.token);
    let server = in_background(&Running { parts, worker: office.running.worker.clone() }, listener, 1)?;
    reviewer.get("/v1/payout_batches?limit=1")?.expect(200)?;
    statements::take();
    let (batch, _, _) = batch_through_the_service(&reviewer, &office.cast.entity_id)?;
    let sent = statements::take();
    drop(server);
    report.figure("batch_statements", sent.len().into(), "statements", 1)?;
    let titles: Vec<String> = sent.iter().map(|statement| statements::title(statement)).collect();
    eprintln!("# build and seal send: {}", titles.join(", "));
    dissolve(office, &batch)
}
