//! The issue path over HTTP: create with three lines, submit, issue.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use serde_json::{Value, json};
use umbel::demo::{Cast, Client, DemoError, MemberCast, Stage};
use umbel::platform::clock::Clock;
use umbel::platform::config::Config;
use umbel::platform::mail_catcher::Catcher;
use umbel::platform::web::RateLimits;

use super::pgbench::Pgbench;
use super::{CLIENTS, Report, ratio, statements};
use crate::commands::demo::{ADMIN, courier, first_administrator};
use crate::commands::serve::{THREADS, in_background};
use crate::commands::{Outcome, Running, Store, assemble};

/// Several, because invoices of one member wait for the balance of one activity.
const MEMBERS: usize = 8;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(4);
/// The two loads take turns, so that whatever else the machine does meanwhile meets both.
const TURNS: u64 = 2;
/// No limit that a benchmark reaches.
const PLENTY: u32 = 100_000_000;

/// Measures on a fresh database with every commit synced to disk. The worker rests meanwhile: PDFs and mails follow
/// commits and are measured apart.
pub fn measure(report: &Report, config: &Config) -> Outcome<()> {
    let store = Store::open(config)?;
    let clock = Clock::system();
    let mut running = assemble(config, &store, &clock)?;
    running.parts.limits = Arc::new(RateLimits::new(PLENTY, PLENTY, PLENTY));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let base = format!("http://{}", listener.local_addr()?);
    running.parts.public_url.clone_from(&base);
    let mails = Catcher::start(0, None)?;
    let worker = courier(config, &running, &mails, &base)?;
    let password = first_administrator(&running, &clock)?;
    let server = in_background(&running, listener, THREADS)?;
    let stage = Stage { base, clock, worker, mails, factors: umbel::demo::Factors::default() };
    let (cast, members) = enrol(&stage, &password)?;
    let today = stage.today().to_string();
    let paths: Vec<Path> = members
        .into_iter()
        .map(|member| Path { member, reviewer: cast.staff.reviewer.clone(), today: today.clone() })
        .collect();
    let sent = count_statements(report, &running, &store, &paths)?;
    let pgbench = Pgbench::new(&store, &config.data, &sent)?;
    for clients in CLIENTS {
        compare(report, &paths, &pgbench, clients)?;
    }
    report.violations("invariants_violated_after", &stage.violations(&cast.staff.accountant)?)?;
    drop(server);
    store.close();
    Ok(())
}

fn enrol(stage: &Stage, password: &str) -> Outcome<(Cast, Vec<MemberCast>)> {
    let administrator = stage.visitor().sign_in(ADMIN, password)?;
    let mut cast = stage.found_mutual(administrator, "BE68539007547034", 1_000_000)?;
    let mut members = Vec::new();
    for n in 0..MEMBERS {
        let (email, name) = (format!("member{n}@member.example"), format!("Member {n}"));
        members.push(stage.enrol(&mut cast, &email, &name, "BE71096123456769")?);
    }
    Ok((cast, members))
}

/// The three requests of one invoice.
#[derive(Clone)]
struct Path {
    member: MemberCast,
    reviewer: Client,
    today: String,
}

impl Path {
    fn body(&self, id: &str) -> Value {
        let line = |label: &str, quantity: &str, cents: i64| json!({"label": label, "quantity": quantity, "unit_price": {"amount_minor": cents, "currency": "EUR"}});
        json!({
            "id": id, "activity_id": self.member.activity_id, "client_id": self.member.client_id,
            "title": "Illustrations", "supplied_on": self.today,
            "lines": [line("Cover", "1", 45_000), line("Inner pages", "12.5", 8_000), line("Corrections", "3", 2_550)],
        })
    }

    fn create(&self, id: &str) -> Result<(), DemoError> {
        self.member.client.post("/v1/invoices", &self.body(id))?.expect(201).map(drop)
    }

    fn submit(&self, id: &str) -> Result<(), DemoError> {
        self.member.client.change(&format!("/v1/invoices/{id}/submit"), 1, &json!({}))?.expect(200).map(drop)
    }

    fn issue(&self, id: &str) -> Result<(), DemoError> {
        self.reviewer.change(&format!("/v1/invoices/{id}/issue"), 2, &json!({}))?.expect(200).map(drop)
    }

    fn walk(&self) -> Result<(), DemoError> {
        let id = self.member.client.new_id();
        self.create(&id)?;
        self.submit(&id)?;
        self.issue(&id)
    }
}

/// Counts what each request sends; answers all of it in order.
fn count_statements(report: &Report, running: &Running, store: &Store, paths: &[Path]) -> Outcome<Vec<String>> {
    let mut parts = running.parts.clone();
    parts.db = statements::recorded(&store.login_url, parts.db.clock())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let base = format!("http://{}", listener.local_addr()?);
    let server = in_background(&Running { parts, worker: running.worker.clone() }, listener, 1)?;
    let path = paths.first().ok_or("no member")?;
    let there = |client: &Client| {
        let mut here = Client::new(&base, running.parts.db.clock().clone());
        here.token.clone_from(&client.token);
        here
    };
    let member = MemberCast { client: there(&path.member.client), ..path.member.clone() };
    let path = Path { member, reviewer: there(&path.reviewer), today: path.today.clone() };
    path.walk()?;
    statements::take();
    let id = path.member.client.new_id();
    path.create(&id)?;
    let create = statements::take();
    path.submit(&id)?;
    let submit = statements::take();
    path.issue(&id)?;
    let issue = statements::take();
    drop(server);
    let mut all = Vec::new();
    for (name, sent) in [("create", create), ("submit", submit), ("issue", issue)] {
        report.figure(&format!("sql_statements_{name}"), sent.len().into(), "statements", 1)?;
        let titles: Vec<String> = sent.iter().map(|statement| statements::title(statement)).collect();
        eprintln!("# {name} sends, and pgbench runs: {}", titles.join(", "));
        all.extend(sent);
    }
    Ok(all)
}

/// What a closed loop measured.
struct Sample {
    /// Microseconds of each invoice.
    took: Vec<u64>,
}

impl Sample {
    /// The time that so many of a hundred invoices did not exceed, in milliseconds; of a sorted sample.
    fn percentile(&self, percent: usize) -> Decimal {
        let place = self.took.len().saturating_mul(percent).checked_div(100).unwrap_or_default();
        let found = self.took.get(place).or(self.took.last()).copied().unwrap_or_default();
        ratio(found, 1000)
    }
}

/// Each client starts its next invoice when the one before is issued.
fn closed_loop(paths: &[Path], clients: usize) -> Result<Sample, DemoError> {
    let is_over = AtomicBool::new(false);
    let began = Instant::now();
    let (from, until) = (WARM_UP, WARM_UP.saturating_add(MEASURED));
    let work = |path: &Path| {
        let mut took = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            let start = Instant::now();
            path.walk()?;
            let end = began.elapsed();
            if (from..until).contains(&end) {
                took.push(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
        }
        Ok(took)
    };
    let mut took = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> = paths.iter().cycle().take(clients).map(|path| scope.spawn(|| work(path))).collect();
        thread::sleep(until);
        is_over.store(true, Ordering::Relaxed);
        for thread in threads {
            took.extend(thread.join().map_err(|_panicked| DemoError("a client panicked".to_owned()))??);
        }
        Ok::<_, DemoError>(())
    })?;
    Ok(Sample { took })
}

fn compare(report: &Report, paths: &[Path], pgbench: &Pgbench, clients: usize) -> Outcome<()> {
    let mut http = Sample { took: Vec::new() };
    let mut plain = Vec::new();
    for _ in 0..TURNS {
        http.took.extend(closed_loop(paths, clients)?.took);
        plain.extend(pgbench.run(clients, WARM_UP, MEASURED)?);
    }
    http.took.sort_unstable();
    let n = http.took.len();
    let rate = ratio(n, MEASURED.as_secs().saturating_mul(TURNS));
    let plain_rate = ratio(plain.iter().sum::<Decimal>(), plain.len());
    let name = |what: &str| format!("issue_path_{what}_{clients}_clients");
    report.figure(&name("http"), rate, "invoices/s", n)?;
    report.figure(&name("http_p50"), http.percentile(50), "ms", n)?;
    report.figure(&name("http_p99"), http.percentile(99), "ms", n)?;
    report.figure(&name("pgbench"), plain_rate, "invoices/s", plain.len())?;
    report.figure(&name("ratio"), ratio(rate, plain_rate), "http/pgbench", n)
}
