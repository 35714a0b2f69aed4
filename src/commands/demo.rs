//! `demo`: the main job, end to end, over HTTP, with its figures.

mod late;

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

use chrono::{Duration, NaiveDate};
use serde_json::Value;
use umbel::demo::{Answer, Cast, Client, DemoError, Stage};
use umbel::kernel::money::{Minor, to_plain};
use umbel::kernel::roles::Role;
use umbel::platform::clock::Clock;
use umbel::platform::config::Config;
use umbel::platform::mail::{MailConfig, Mailer};
use umbel::platform::mail_catcher::Catcher;
use umbel::platform::web::RateLimits;
use umbel::worker::Worker;

use super::serve::{THREADS, in_background, readable_password};
use super::{Outcome, Running, Store, assemble};

/// The first administrator of a demonstration.
pub const ADMIN: &str = "admin@umbel.example";
const MEMBER: &str = "awa@member.example";
const IBAN: &str = "BE68539007547034";
/// The story begins this long ago and is over before today, so that everything that is left can be used at once.
const BEGINS: Duration = Duration::days(54);

/// Tells the story; then serves until told to stop, unless `once`.
pub fn run(config: &Config, once: bool) -> Outcome<ExitCode> {
    let store = Store::open(config)?;
    let now = Clock::from_env().now();
    let clock = Clock::simulated(now - BEGINS);
    let mut running = assemble(config, &store, &clock)?;
    running.parts.limits = std::sync::Arc::new(RateLimits::new(100_000, 100_000, 100_000));
    if running.parts.db.write_blocking(&umbel::platform::db::Actor::System, umbel::access::has_administrator)? {
        return Err("the data folder holds a mutual already: give another one with --data".into());
    }
    let listener = TcpListener::bind(if once { "127.0.0.1:0".parse()? } else { config.listen })?;
    let base = format!("http://{}", listener.local_addr()?);
    running.parts.public_url.clone_from(&base);
    let mails = Catcher::start(0, Some(config.data.join("mail")))?;
    let worker = courier(config, &running, &mails, &base)?;
    let password = first_administrator(&running, &clock)?;
    let server = in_background(&running, listener, THREADS)?;
    let stage =
        Stage { base: base.clone(), clock: clock.clone(), worker, mails, factors: umbel::demo::Factors::default() };
    let mut teller = Teller { step: 0 };
    let (is_sound, open_order) = match tell(&stage, &mut teller, &password, &config.data) {
        Ok(told) => told,
        Err(error) => {
            println!("\nThe story broke off: {error}");
            (false, String::new())
        }
    };
    if once || !is_sound {
        drop(server);
        drop(stage);
        store.close();
        return Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    // The story is over, some days before today: from here on the real clock rules.
    drop(server);
    serve_on(config, store, stage, &password, &open_order)
}

/// The same data, the real clock, until somebody stops it.
fn serve_on(config: &Config, store: Store, stage: Stage, password: &str, open_order: &str) -> Outcome<ExitCode> {
    let clock = Clock::from_env();
    let mut running = assemble(config, &store, &clock)?;
    running.parts.public_url.clone_from(&stage.base);
    running.worker = courier(config, &running, &stage.mails, &stage.base)?;
    let address = stage.base.trim_start_matches("http://").to_owned();
    let server = in_background(&running, TcpListener::bind(&address)?, THREADS)?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let worker = running.worker.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(worker.run(stopped));
        }
    });
    println!("\nThe mutual is left running. Stop it with Ctrl-C.");
    println!("  API for people    {}/docs", stage.base);
    println!("  API for machines  {}/openapi.json", stage.base);
    println!("  a client's page   {open_order}");
    println!("  proof of solvency {}/solvency", stage.base);
    println!("  mails             {}", config.data.join("mail").display());
    println!("  bank files, PDFs  {}", config.data.join("demo").display());
    println!("  sign in at POST {}/v1/sessions as", stage.base);
    println!("    administrator   {ADMIN} / {password}");
    for (role, email) in [
        ("reviewer", "reviewer@ombelle.example"),
        ("payout approver", "approver@ombelle.example"),
        ("accountant", "accountant@ombelle.example"),
        ("member", MEMBER),
    ] {
        println!("    {role:<15} {email} / correct horse battery");
    }
    std::io::stdout().flush()?;
    server.wait()?;
    let _nobody_listens = stop.send(true);
    let _panicked = thread.join();
    store.close();
    Ok(ExitCode::SUCCESS)
}

/// A worker that speaks real SMTP with the mail catcher.
pub fn courier(config: &Config, running: &Running, mails: &Catcher, base: &str) -> Outcome<Worker> {
    let from = config.mail_from.to_string();
    let mail = MailConfig { smtp_url: Some(mails.url()), from: from.clone(), folder: config.data.join("mail") };
    let (db, keys) = (running.parts.db.clone(), std::sync::Arc::clone(&running.parts.keys));
    Ok(Worker::new(db, keys, Mailer::new(&mail)?, super::access_point(config), base.to_owned(), &from))
}

/// Adds the first administrator and answers their password.
pub fn first_administrator(running: &Running, clock: &Clock) -> Outcome<String> {
    let password = readable_password(clock);
    let hash = running.parts.passwords.hash_blocking(&password)?;
    super::serve::insert_person(&running.parts.db, &hash, ADMIN, "Administrator", &[Role::Administrator])?;
    Ok(password)
}

/// Prints the steps.
struct Teller {
    step: usize,
}

impl Teller {
    fn says(&mut self, who: &str, what: &str) {
        self.step = self.step.saturating_add(1);
        println!("{:>3}  {who:<14} {what}", self.step);
    }
}

fn euros(cents: i64) -> String {
    to_plain(Minor::new(cents), 2)
}

fn amount(value: &Value, path: &str) -> i64 {
    value.pointer(&format!("{path}/amount_minor")).and_then(Value::as_i64).unwrap_or_default()
}

fn field<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or("?")
}

fn save(folder: &Path, name: &str, answer: &Answer) -> Result<(), DemoError> {
    let write = || {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(name), &answer.body)
    };
    write().map_err(|error: std::io::Error| DemoError(error.to_string()))
}

/// The story. Answers whether every invariant holds at its end, and the page of an order that waits for its client.
fn tell(stage: &Stage, teller: &mut Teller, password: &str, data: &Path) -> Result<(bool, String), DemoError> {
    println!("A mutual at work. Today in the story: {}\n", stage.today());
    let administrator = stage.visitor().sign_in(ADMIN, password)?;
    let mut cast = stage.found_mutual(administrator, IBAN, 1_000_000)?;
    teller.says(
        "administrator",
        "founds Ombelle SC: fee 5.5 %, guarantee 2 %, advance on the 7th working day, share 30.00",
    );
    let (application, _) = stage.apply(&cast.entity_id, MEMBER, "Awa Diop", "BE71096123456769")?;
    teller.says("freelancer", "applies, confirms the address by mail, gives proofs, accepts the agreement, submits");
    let reference = stage.accept(&cast.staff.reviewer, &application, MEMBER)?;
    teller.says("reviewer", &format!("accepts; the share is to be paid with reference {reference}"));
    cast.bank.receives(Minor::new(3000), &reference, "Awa Diop", stage.today());
    stage.import(&mut cast)?;
    let member = stage.equip(stage.sign_in(MEMBER)?, MEMBER)?;
    teller.says("bank", "reports 30.00: the share is paid, the member is active, opens an activity, adds a client");

    late::decide_a_track(stage, teller, &cast)?;
    let order = stage.confirmed_order(&member, 100_000)?;
    teller.says("member", &format!("sends an order of {} excl. VAT", euros(amount(&order, "/total_net"))));
    teller.says(
        "client",
        &format!("confirms by link without signing in: guarantee {}", field(&order, "/guarantee/status")),
    );
    let submitted = stage.submitted_invoice(&member, Some(field(&order, "/id")), 0)?;
    let invoiced = stage.issue(&cast.staff.reviewer, &submitted)?;
    stage.settle()?;
    let view = &invoiced.view;
    teller.says("member", "submits the invoice of that order");
    teller.says(
        "reviewer",
        &format!("issues {}: {} to pay, due {}", invoiced.number, euros(invoiced.gross), field(view, "/due_on")),
    );
    teller.says(
        "ledger",
        &format!(
            "books {} invoiced, {} fee, {} guarantee: {} pending",
            euros(amount(view, "/total_net")),
            euros(amount(view, "/charges/0/amount")),
            euros(amount(view, "/charges/1/amount")),
            euros(amount(view, "/to_activity"))
        ),
    );
    let slow = late::work_for_a_slow_client(stage, teller, &cast, &member)?;
    let folder = data.join("demo");
    let pdf = member.client.get(&format!("/v1/invoices/{}/pdf", invoiced.id))?;
    pdf.expect(200)?;
    save(&folder.join("invoices"), &format!("{}.pdf", invoiced.number), &pdf)?;
    stage.mail_to(&member.client_email, &invoiced.number)?;
    teller.says("client", "gets the PDF by mail");

    let promised: NaiveDate =
        field(view, "/payout_forecast/on").parse().map_err(|_none| DemoError("no promised day".into()))?;
    let wait = promised.signed_duration_since(stage.today()).num_days();
    stage.days_pass(wait)?;
    stage.office_returns(&mut cast, (ADMIN, password))?;
    let member = umbel::demo::MemberCast { client: stage.sign_in(MEMBER)?, ..member };
    let activity = member.client.get(&format!("/v1/activities/{}", member.activity_id))?.expect(200)?;
    teller.says(
        "guarantee",
        &format!(
            "{promised}, 7 working days later, the client has not paid: {} available",
            euros(amount(&activity, "/available"))
        ),
    );
    let payout = pay_out(stage, teller, &mut cast, &member, &folder)?;

    stage.days_pass(10)?;
    stage.office_returns(&mut cast, (ADMIN, password))?;
    cast.bank.receives(
        Minor::new(invoiced.gross),
        &invoiced.reference,
        "Łukasz Øster-Ñuñez & Fils SPRL",
        stage.today(),
    );
    stage.import(&mut cast)?;
    let paid = stage.sign_in(MEMBER)?.get(&format!("/v1/invoices/{}", invoiced.id))?.expect(200)?;
    teller.says(
        "bank",
        &format!(
            "reports {} from the client: invoice {}, the advance closes, no draw",
            euros(invoiced.gross),
            field(&paid, "/settlement")
        ),
    );
    late::pursue(stage, teller, &mut cast, password, &slow)?;
    let member = umbel::demo::MemberCast { client: stage.sign_in(MEMBER)?, ..member };
    let (_, token) = stage.sent_order(&member, 240_000)?;
    let page = format!("{}/o/{token}", stage.base);
    teller.says("member", "sends the next order; it waits for its client's answer");
    explain_the_pay(stage, teller, &payout, &folder.join("evidence"))?;
    Ok((close_the_books(stage, teller, &cast, &folder)?, page))
}

fn pay_out(
    stage: &Stage,
    teller: &mut Teller,
    cast: &mut Cast,
    member: &umbel::demo::MemberCast,
    folder: &Path,
) -> Result<String, DemoError> {
    let payout = stage.payout(member, 92_500)?;
    teller.says("member", &format!("asks for a payout of {}", euros(amount(&payout, "/amount"))));
    let sealed = stage.sealed_batch(cast, &payout)?;
    let hash = field(&sealed, "/content_sha256").get(..16).unwrap_or_default().to_owned();
    teller.says("reviewer", &format!("approves it, builds a batch, seals the bank file: SHA-256 {hash}…"));
    let refused = cast.staff.reviewer.get(&format!("/v1/payout_batches/{}", field(&sealed, "/id")))?.expect(200)?;
    let released = stage.release(&cast.staff.approver, &refused)?;
    teller.says("approver", "another person, approves exactly these bytes and releases them, once");
    let place = format!("/v1/payout_batches/{}/file", field(&released, "/id"));
    let (first, second) = (cast.staff.reviewer.get(&place)?, cast.staff.reviewer.get(&place)?);
    first.expect(200)?;
    if first.body != second.body {
        return Err(DemoError("the bank file changed between two downloads".into()));
    }
    save(&folder.join("pain001"), "batch.xml", &first)?;
    stage.days_pass(1)?;
    cast.staff.reviewer = stage.sign_in("reviewer@ombelle.example")?;
    cast.bank.pays(Minor::new(92_500), field(&payout, "/end_to_end_id"), stage.today());
    stage.import(cast)?;
    let settled = stage.sign_in(MEMBER)?.get(&format!("/v1/payouts/{}", field(&payout, "/id")))?.expect(200)?;
    teller.says(
        "bank",
        &format!("reports the transfer: payout {} on {}", field(&settled, "/state"), field(&settled, "/settled_on")),
    );
    Ok(field(&payout, "/id").to_owned())
}

/// Asks why the payout is what it is, and keeps the answer as signed evidence.
fn explain_the_pay(stage: &Stage, teller: &mut Teller, payout: &str, folder: &Path) -> Result<(), DemoError> {
    let member = stage.sign_in(MEMBER)?;
    let place = format!("/v1/payouts/{payout}/trace");
    let trace = member.send("GET", &place, &[("Accept-Language", "en")], None)?.expect(200)?;
    teller.says("member", "asks why the payout is 925.00, and gets the chain back to the vote:");
    print_step(trace.get("trace").unwrap_or(&Value::Null), 0);
    let signed = member.get(&format!("{place}?signed=true"))?;
    signed.expect(200)?;
    save(folder, "trace.json", &signed)?;
    save(folder, "jwks.json", &member.get("/.well-known/jwks.json")?)?;
    let chain = member.get("/v1/solvency/chain")?;
    chain.expect(200)?;
    save(folder, "solvency-chain.jsonl", &chain)?;
    teller.says("member", "keeps it signed; umbel verify trace.json --jwks jwks.json checks it without the mutual");
    let proven = chain.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    teller.says("mutual", &format!("has proven its solvency on {proven} days: {}/solvency", stage.base));
    Ok(())
}

/// A step of an explanation and what is below it, a line each.
fn print_step(step: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let mut line = format!("     {indent}{:>9}  {}", euros(amount(step, "/amount")), field(step, "/text"));
    for extra in ["/calculation/text", "/rule/text"] {
        if let Some(text) = step.pointer(extra).and_then(Value::as_str) {
            line.push_str(" | ");
            line.push_str(text);
        }
    }
    println!("{line}");
    for below in ["parts", "rests_on"] {
        for part in step.get(below).and_then(Value::as_array).into_iter().flatten() {
            print_step(part, depth.saturating_add(1));
        }
    }
}

fn close_the_books(stage: &Stage, teller: &mut Teller, cast: &Cast, folder: &Path) -> Result<bool, DemoError> {
    let accountant: Client = stage.sign_in("accountant@ombelle.example")?;
    let books = format!("/v1/entities/{}", cast.entity_id);
    for name in ["journal.csv", "journal.hledger", "journal.beancount"] {
        let export = accountant.get(&format!("{books}/{name}"))?;
        export.expect(200)?;
        save(&folder.join("journal"), name, &export)?;
    }
    let trial = accountant.get(&format!("{books}/trial_balance"))?;
    let balance = trial.expect(200)?;
    save(&folder.join("journal"), "trial_balance.json", &trial)?;
    teller.says("accountant", "exports the journal as CSV, for hledger and for beancount");
    let rows = balance.get("accounts").and_then(Value::as_array).cloned().unwrap_or_default();
    println!("\n     {:<24}{:>14}", "account", "balance");
    for row in &rows {
        println!("     {:<24}{:>14}", field(row, "/account"), euros(amount(row, "/balance")));
    }
    let violations = stage.violations(&accountant)?;
    let found = violations.get("violations").and_then(Value::as_array).map_or(usize::MAX, Vec::len);
    let checked = violations.get("checked").and_then(Value::as_array).map_or(0, Vec::len);
    println!("\n     {checked} invariants checked, {found} violated; today is {}", stage.today());
    Ok(found == 0)
}
