//! The real program, killed at every place where a kill could hurt.
//!
//! It runs as in production: the binary over a data folder with its own PostgreSQL, mails by SMTP to a catcher in
//! this process. `UMBEL_KILL_AT=point@n` makes it die by SIGKILL at the n-th pass of a failpoint: just before or
//! just after the commit of an issue, an advance, a seal, a release, an import, a payout request, and before or
//! after a mail has left. It is started again over the same folder (its PostgreSQL survived it and is adopted), the
//! interrupted request is sent again with the same key until it is answered, and then there must be exactly one
//! effect. At the end every invariant is checked by `umbel check`.
//!
//! Run it with
//!
//! ```sh
//! cargo test --features faults --test crash -- --nocapture
//! UMBEL_KILLS=100 cargo test --features faults --test crash -- --nocapture   # kills at each point; 10 by default
//! ```
//!
//! It prints a table: the point, the kills, how many requests had to be repeated, what was lost, what was doubled.
//! Two clocks are helped: the program's own starts at ten in the morning of the next working day, so that promised
//! days come on any day of the year, and the lease of a killed worker (three minutes) ends at the next start.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use serde_json::{Value, json};
use tempfile::TempDir;
use umbel::demo::{Answer, Cast, Client, MemberCast, Stage};
use umbel::kernel::money::Minor;
use umbel::platform::clock::Clock;
use umbel::platform::cluster::Cluster;
use umbel::platform::db::Db;
use umbel::platform::faults::Faults;
use umbel::platform::keys::Keys;
use umbel::platform::mail::{MailConfig, Mailer};
use umbel::platform::mail_catcher::Catcher;
use umbel::worker::Worker;

const FROM: &str = "Umbel <umbel@umbel.example>";
const OUR_IBAN: &str = "BE68539007547034";
const THEIR_IBAN: &str = "BE71096123456769";
const MEMBER: &str = "awa@member.example";
/// Longer than any start or any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// The processors are few: one house at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn kills() -> usize {
    std::env::var("UMBEL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// The program over its folder, with a mutual that has a member with money.
struct House {
    data: TempDir,
    port: u16,
    ahead: i64,
    owner_url: String,
    child: Option<Child>,
    stage: Stage,
    cast: Cast,
    member: MemberCast,
    /// The next amount that no other payout has.
    cents: i64,
}

/// What tells one start from another.
#[derive(Clone, Copy)]
struct Start<'a> {
    kill_at: Option<&'a str>,
    has_worker: bool,
}

const QUIET: Start<'static> = Start { kill_at: None, has_worker: true };
const IDLE: Start<'static> = Start { kill_at: None, has_worker: false };

fn spawn(data: &TempDir, port: u16, ahead: i64, smtp: &str, how: Start<'_>) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(data.path().join("log.txt")).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_umbel"));
    program
        .arg("serve")
        .env("UMBEL_DATA", data.path().join("data"))
        .env("UMBEL_LISTEN", format!("127.0.0.1:{port}"))
        .env("UMBEL_PUBLIC_URL", format!("http://127.0.0.1:{port}"))
        .env("UMBEL_METRICS_LISTEN", "off")
        .env("UMBEL_CLOCK_AHEAD", ahead.to_string())
        .env("UMBEL_WORKER", if how.has_worker { "on" } else { "off" })
        .env("SMTP_URL", smtp)
        .env("MAIL_FROM", FROM)
        .env("RUST_LOG", "warn")
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    for limit in ["READS_PER_MINUTE", "WRITES_PER_MINUTE", "SIGN_INS_PER_ACCOUNT", "SIGN_INS_PER_ADDRESS"] {
        program.env(format!("UMBEL_{limit}"), "1000000");
    }
    if let Some(point) = how.kill_at {
        program.env("UMBEL_KILL_AT", point);
    }
    program.stdin(Stdio::null()).spawn().unwrap()
}

/// Waits until it is ready; false when it died before.
fn is_ready(child: &mut Child, port: u16) -> bool {
    let visitor = Client::new(&format!("http://127.0.0.1:{port}"), Clock::system());
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if visitor.get("/readyz").is_ok_and(|answer| answer.status == 200) {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the program did not become ready");
}

fn query(owner_url: &str, sql: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let mut conn = PgConnection::establish(owner_url).unwrap();
    let row: Row = diesel::sql_query(format!("SELECT ({sql})::bigint AS n")).get_result(&mut conn).unwrap();
    row.n
}

/// A port outside of those that the system hands out to clients: one that tries to reach a dead server there could
/// otherwise be connected to itself, and be in the way of the next start.
fn fixed_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 8_000).unwrap();
    (first..first + 500).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

impl House {
    /// The first start, the first day, the first member.
    fn found() -> Self {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("data");
        let (port, mails) = (fixed_port(), Catcher::start(0, None).unwrap());
        let mut child = spawn(&data, port, 0, &mails.url(), IDLE);
        assert!(is_ready(&mut child, port), "{}", fs::read_to_string(data.path().join("log.txt")).unwrap());
        let cluster = Cluster::join(&folder).unwrap();
        let owner_url = cluster.owner_url();
        let ahead = query(
            &owner_url,
            "SELECT extract(epoch FROM ((d::date + time '10:00') AT TIME ZONE 'Europe/Brussels') - now()) \
             FROM generate_series(current_date + 1, current_date + 20, interval '1 day') d \
             WHERE extract(isodow FROM d) < 6 \
               AND NOT EXISTS (SELECT FROM holiday h WHERE h.country = 'BE' AND h.day = d::date) ORDER BY d LIMIT 1",
        );
        child.kill().unwrap();
        child.wait().unwrap();
        let mut child = spawn(&data, port, ahead, &mails.url(), IDLE);
        assert!(is_ready(&mut child, port));

        let base = format!("http://127.0.0.1:{port}");
        let clock = Clock::ahead_by(chrono::Duration::seconds(ahead));
        let keys = Arc::new(Keys::from_folder(&folder.join("keys"), &clock).unwrap());
        let db = Db::connect(&cluster.login_url(), 2, clock.clone(), Faults::default()).unwrap();
        let mail = MailConfig { smtp_url: Some(mails.url()), from: FROM.to_owned(), folder };
        let worker = Worker::new(db, keys, Mailer::new(&mail).unwrap(), base.clone(), FROM);
        let stage = Stage { base, clock, worker, mails };
        let log = fs::read_to_string(data.path().join("log.txt")).unwrap();
        let password = log.split("with password ").nth(1).unwrap().split(' ').next().unwrap();
        let administrator = stage.visitor().sign_in("admin@umbel.example", password).unwrap();
        let mut cast = stage.found_mutual(administrator, OUR_IBAN, 1_000_000).unwrap();
        publish_quick_rules(&stage, &cast);
        let member = stage.enrol(&mut cast, MEMBER, "Awa Diop", THEIR_IBAN).unwrap();
        let submitted = stage.submitted_invoice(&member, None, 10_000_000).unwrap();
        let invoiced = stage.issue(&cast.staff.reviewer, &submitted).unwrap();
        cast.bank.receives(Minor::new(invoiced.gross), &invoiced.reference, "Client", stage.today());
        stage.import(&mut cast).unwrap();
        Self { data, port, ahead, owner_url, child: Some(child), stage, cast, member, cents: 1_000 }
    }

    /// Kills what runs and starts it again. False when it died on its way up, as it was asked to.
    fn restart(&mut self, how: Start<'_>) -> bool {
        self.kill();
        // Three minutes pass for the jobs that the dead worker held.
        let freed = "UPDATE outbox SET lease_until = '2000-01-01' WHERE state = 'claimed'";
        diesel::sql_query(freed).execute(&mut PgConnection::establish(&self.owner_url).unwrap()).unwrap();
        let child = spawn(&self.data, self.port, self.ahead, &self.stage.mails.url(), how);
        is_ready(self.child.insert(child), self.port)
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits for the death that was asked for.
    fn wait_for_death(&mut self) {
        let mut child = self.child.take().unwrap();
        let end = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it was to die and lives");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn count(&self, sql: &str) -> i64 {
        query(&self.owner_url, sql)
    }

    /// Everybody signs in again: tokens live for ten minutes.
    fn sign_in(&mut self) {
        self.cast.staff.reviewer = self.stage.sign_in("reviewer@ombelle.example").unwrap();
        self.cast.staff.approver = self.stage.sign_in("approver@ombelle.example").unwrap();
        self.member.client = self.stage.sign_in(MEMBER).unwrap();
    }

    fn draft(&self, order: Option<&Value>, cents: i64) -> Value {
        let client = &self.member.client;
        let mut draft = json!({
            "id": client.new_id(), "activity_id": self.member.activity_id, "client_id": self.member.client_id,
            "title": "Illustrations", "supplied_on": self.stage.today(),
            "lines": [{"label": "Plates", "quantity": "1", "unit_price": {"amount_minor": cents, "currency": "EUR"}}],
        });
        if let Some(order) = order {
            draft["order_id"] = order["id"].clone();
        }
        let seen = client.post("/v1/invoices", &draft).unwrap().expect(201).unwrap();
        let path = format!("/v1/invoices/{}/submit", id_of(&seen));
        client.change(&path, seen["version"].as_i64().unwrap(), &json!({})).unwrap().expect(200).unwrap()
    }

    fn wish_for_issue(&self) -> Wish {
        let submitted = self.draft(None, 10_000);
        let id = id_of(&submitted);
        let effect =
            format!("SELECT count(*) FROM journal_entry WHERE event = 'invoice_issued' AND source_id = '{id}'");
        Wish::about(&self.cast.staff.reviewer, &format!("/v1/invoices/{id}/issue"), &submitted, &json!({}), effect)
    }

    fn wish_for_payout(&mut self) -> Wish {
        self.cents += 1;
        let (client, cents) = (self.member.client.clone(), self.cents);
        let body = json!({"id": client.new_id(), "activity_id": self.member.activity_id,
                          "amount": {"amount_minor": cents, "currency": "EUR"}});
        Wish {
            key: client.new_id(),
            path: "/v1/payouts".to_owned(),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
            effect: format!(
                "SELECT count(*) FROM journal_entry e JOIN payout p ON p.id = e.source_id \
                 WHERE e.event = 'payout_reserved' AND p.amount_minor = {cents}"
            ),
            client,
        }
    }

    /// An approved payout in a batch of its own.
    fn batch(&mut self) -> Value {
        let (reviewer, client) = (self.cast.staff.reviewer.clone(), self.member.client.clone());
        self.cents += 1;
        let body = json!({"id": client.new_id(), "activity_id": self.member.activity_id,
                          "amount": {"amount_minor": self.cents, "currency": "EUR"}});
        let payout = client.post("/v1/payouts", &body).unwrap().expect(201).unwrap();
        let path = format!("/v1/payouts/{}/approve", id_of(&payout));
        reviewer.change(&path, payout["version"].as_i64().unwrap(), &json!({})).unwrap().expect(200).unwrap();
        let body = json!({"id": reviewer.new_id(), "entity_id": self.cast.entity_id});
        reviewer.post("/v1/payout_batches", &body).unwrap().expect(201).unwrap()
    }

    fn wish_for_seal(&mut self) -> Wish {
        let built = self.batch();
        let id = id_of(&built);
        let effect = format!("SELECT count(*) FROM archived_file WHERE subject_id = '{id}'");
        let path = format!("/v1/payout_batches/{id}/seal");
        Wish::about(&self.cast.staff.reviewer, &path, &built, &json!({}), effect)
    }

    fn wish_for_release(&mut self) -> Wish {
        let built = self.batch();
        let path = format!("/v1/payout_batches/{}", id_of(&built));
        let change = |who: &Client, verb: &str, seen: &Value, body: &Value| {
            let version = seen["version"].as_i64().unwrap();
            who.change(&format!("{path}/{verb}"), version, body).unwrap().expect(200).unwrap()
        };
        let sealed = change(&self.cast.staff.reviewer, "seal", &built, &json!({}));
        let shown = json!({"content_sha256": sealed["content_sha256"], "total": sealed["total"],
                           "payout_count": sealed["payout_count"]});
        let approver = &self.cast.staff.approver;
        let approved = change(approver, "approve", &sealed, &shown);
        let effect = format!(
            "SELECT count(*) FROM journal_entry e JOIN payout p ON p.id = e.source_id \
             WHERE e.event = 'payout_released' AND p.batch_id = '{}'",
            id_of(&built)
        );
        Wish::about(approver, &format!("{path}/release"), &approved, &json!({}), effect)
    }

    /// A statement with a payment that nothing explains; it follows the one before.
    fn wish_for_import(&mut self) -> Wish {
        let (today, now) = (self.stage.today(), self.stage.clock.now());
        self.cents += 1;
        self.cast.bank.receives_unknown(Minor::new(self.cents), "for whoever it is", today);
        let client = self.cast.staff.reviewer.clone();
        Wish {
            key: client.new_id(),
            path: "/v1/bank_statements".to_owned(),
            headers: vec![("Content-Type".to_owned(), "application/xml".to_owned())],
            body: self.cast.bank.statement(today, now).unwrap(),
            effect: format!("SELECT count(*) FROM bank_line WHERE amount_minor = {}", self.cents),
            client,
        }
    }

    /// Waits until the outbox is empty.
    fn wait_for_mails(&self) {
        let end = Instant::now() + PATIENCE;
        while self.count("SELECT count(*) FROM outbox WHERE state <> 'done'") > 0 {
            assert!(Instant::now() < end, "jobs are left over");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Every mail that was promised was caught, under the name that it has in the database. Answers the repeats.
    fn check_mails(&self) -> usize {
        let mut caught: BTreeMap<String, usize> = BTreeMap::new();
        for mail in self.stage.mails.messages() {
            let text = String::from_utf8_lossy(&mail.raw).into_owned();
            let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().trim().to_owned();
            *caught.entry(id).or_default() += 1;
        }
        let rows = self.count("SELECT count(*) FROM email_message");
        assert_eq!(self.count("SELECT count(*) FROM outbox"), rows, "one mail for each job");
        assert_eq!(self.count("SELECT count(*) FROM email_message WHERE state = 'sent'"), rows);
        let names: Vec<String> = caught.keys().map(|id| format!("'{}'", id.replace('\'', ""))).collect();
        let known = format!("SELECT count(*) FROM email_message WHERE message_id IN ({})", names.join(", "));
        assert_eq!(self.count(&known), rows, "no mail is lost");
        assert_eq!(i64::try_from(caught.len()).unwrap(), rows, "a repeat carries the same Message-ID");
        caught.values().map(|times| times - 1).sum()
    }

    /// `umbel check`, beside the running program.
    fn assert_books(&self) {
        let checked = Command::new(env!("CARGO_BIN_EXE_umbel"))
            .arg("check")
            .env("UMBEL_DATA", self.data.path().join("data"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
        let numbers = "SELECT count(*) FROM (SELECT count(*) - max(seq) AS off, count(*) - count(DISTINCT seq) AS twice \
            FROM invoice WHERE state = 'issued' GROUP BY series_year) x WHERE off <> 0 OR twice <> 0";
        assert_eq!(self.count(numbers), 0, "numbers without gap and without duplicate");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill();
        // Adopts the server that the killed program left, and stops it.
        drop(Cluster::start(&self.data.path().join("data")));
        if thread::panicking() {
            let log = fs::read_to_string(self.data.path().join("log.txt")).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(15).collect();
            eprintln!("the program's last lines:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

/// Rules by which the promised day is the day of issue.
fn publish_quick_rules(stage: &Stage, cast: &Cast) {
    let (administrator, today) = (&cast.staff.administrator, stage.today());
    let rules = json!({
        "id": administrator.new_id(), "valid_from": today, "decided_on": today, "decision": "Paid at once",
        "share_price": {"amount_minor": 3000, "currency": "EUR"}, "payment_terms_days": 30, "advance_working_days": 0,
        "client_limit": {"amount_minor": 50_000_000, "currency": "EUR"},
        "levies": [{"kind": "fee", "rate": "0.055"}, {"kind": "guarantee", "rate": "0.02"}],
    });
    let path = format!("/v1/entities/{}/rule_sets", cast.entity_id);
    administrator.post(&path, &rules).unwrap().expect(201).unwrap();
}

fn id_of(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// A request whose fate is watched: what it asks for, and a figure that says how often that has happened.
struct Wish {
    client: Client,
    key: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    effect: String,
}

impl Wish {
    fn about(client: &Client, path: &str, seen: &Value, body: &Value, effect: String) -> Self {
        let headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("If-Match".to_owned(), format!("\"{}\"", seen["version"])),
        ];
        let body = body.to_string().into_bytes();
        Self { client: client.clone(), key: client.new_id(), path: path.to_owned(), headers, body, effect }
    }

    /// Nothing, when the line broke before an answer came.
    fn send(&self) -> Option<Answer> {
        let mut headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        headers.push(("Idempotency-Key", &self.key));
        self.client.send("POST", &self.path, &headers, Some(&self.body)).ok()
    }

    /// Sends it with its one key until an answer comes that is final.
    fn until_answered(&self) -> Answer {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.send() {
                Some(answer) if answer.status != 503 && answer.code() != "idempotency_in_progress" => return answer,
                Some(_) | None => thread::sleep(Duration::from_millis(20)),
            }
        }
        panic!("no answer to {}", self.path);
    }

    /// As somebody asks who does not know of keys: everything is new, only the wish is the same.
    fn with_new_key(&self) -> Self {
        let mut body: Value = serde_json::from_slice(&self.body).unwrap();
        body["id"] = json!(self.client.new_id());
        Self {
            client: self.client.clone(),
            key: self.client.new_id(),
            path: self.path.clone(),
            headers: self.headers.clone(),
            body: body.to_string().into_bytes(),
            effect: self.effect.clone(),
        }
    }
}

/// A line of the table.
#[derive(Debug, Default)]
struct Tally {
    point: String,
    kills: usize,
    retried: usize,
    lost: usize,
    doubled: usize,
}

impl Tally {
    fn of(point: &str) -> Self {
        Self { point: point.to_owned(), ..Self::default() }
    }

    /// Counts how often something happened that was to happen once.
    fn judge(&mut self, happened: i64) {
        match happened {
            1 => {}
            0 => self.lost += 1,
            _ => self.doubled += 1,
        }
    }

    fn print(&self) {
        println!("{:32} {:>6} {:>8} {:>6} {:>8}", self.point, self.kills, self.retried, self.lost, self.doubled);
    }
}

fn print_head() {
    println!("{:32} {:>6} {:>8} {:>6} {:>8}", "point", "kills", "retried", "lost", "doubled");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Retry {
    SameKey,
    NewKey,
}

/// Kills the program once in each of these requests.
///
/// The repeat of a request is the first pass of the next life, so that one is told to die at its second.
fn kill_in_requests(house: &mut House, point: &str, retry: Retry, make: impl Fn(&mut House) -> Wish) -> Tally {
    let mut tally = Tally::of(point);
    assert!(house.restart(QUIET));
    house.sign_in();
    let wishes: Vec<Wish> = (0..kills()).map(|_| make(house)).collect();
    let (first, next) = (format!("{point}@1"), format!("{point}@2"));
    assert!(house.restart(Start { kill_at: Some(&first), has_worker: true }));
    for (index, wish) in wishes.iter().enumerate() {
        let answered = wish.send();
        assert!(answered.is_none(), "{point} was not passed: {answered:?}");
        house.wait_for_death();
        tally.kills += 1;
        let before = house.count(&wish.effect);
        assert_eq!(before, i64::from(point.ends_with("after_commit")), "{point}: died on the wrong side of the commit");
        let is_last = index + 1 == wishes.len();
        assert!(house.restart(Start { kill_at: (!is_last).then_some(&next), has_worker: true }));
        let answer = match retry {
            Retry::SameKey => wish.until_answered(),
            Retry::NewKey => wish.with_new_key().until_answered(),
        };
        tally.retried += 1;
        assert!((200..300).contains(&answer.status), "{point}: {answer:?}");
        tally.judge(house.count(&wish.effect));
    }
    tally
}

/// Kills the program in the work of the day, which nobody asks for and which begins with every start.
///
/// Each life does one more advance and dies at the next.
fn kill_in_advances(house: &mut House, order: &Value, point: &str, pass: usize) -> Tally {
    let mut tally = Tally::of(point);
    assert!(house.restart(IDLE));
    house.sign_in();
    let due: Vec<String> = (0..kills() + 1)
        .map(|_| {
            let submitted = house.draft(Some(order), 1_000);
            let issued = house.stage.issue(&house.cast.staff.reviewer, &submitted).unwrap();
            assert_eq!(
                issued.view["payout_forecast"]["on"],
                json!(house.stage.today()),
                "due at once: {}",
                issued.view
            );
            issued.id
        })
        .collect();
    let kill_at = format!("{point}@{pass}");
    for _ in 0..kills() {
        // It may become ready for a moment before it dies.
        house.restart(Start { kill_at: Some(&kill_at), has_worker: true });
        house.wait_for_death();
        tally.kills += 1;
        tally.retried += 1;
    }
    assert!(house.restart(QUIET));
    let booked = |id: &str| {
        house.count(&format!("SELECT count(*) FROM posting WHERE account = 'memo.advances' AND invoice_id = '{id}'"))
    };
    let end = Instant::now() + PATIENCE;
    while due.iter().any(|id| booked(id) == 0) && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
    for id in &due {
        tally.judge(booked(id));
    }
    tally
}

/// Kills the program while mails leave: each life sends the one that was interrupted and dies at the next.
fn kill_in_mails(house: &mut House, point: &str) -> Tally {
    let mut tally = Tally::of(point);
    assert!(house.restart(QUIET));
    house.wait_for_mails();
    assert!(house.restart(IDLE));
    house.sign_in();
    for _ in 0..=kills() {
        let submitted = house.draft(None, 1_000);
        house.stage.issue(&house.cast.staff.reviewer, &submitted).unwrap();
    }
    let kill_at = format!("{point}@2");
    for _ in 0..kills() {
        house.restart(Start { kill_at: Some(&kill_at), has_worker: true });
        house.wait_for_death();
        tally.kills += 1;
        tally.retried += 1;
    }
    assert!(house.restart(QUIET));
    house.wait_for_mails();
    tally
}

#[test]
fn killed_at_any_point_nothing_is_lost_and_nothing_is_doubled() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let mut house = House::found();
    let order = house.stage.confirmed_order(&house.member, 40_000_000).unwrap();
    assert_eq!(order["guarantee"]["status"], "covered", "{order}");
    println!("a mutual was set up in {} s", began.elapsed().as_secs());
    print_head();
    let mut tallies = Vec::new();
    let mut add = |tally: Tally| {
        tally.print();
        tallies.push(tally);
    };
    for side in ["before_commit", "after_commit"] {
        let point = |operation: &str| format!("{operation}.{side}");
        add(kill_in_requests(&mut house, &point("issue_invoice"), Retry::SameKey, |house| house.wish_for_issue()));
        add(kill_in_requests(&mut house, &point("request_payout"), Retry::SameKey, House::wish_for_payout));
        add(kill_in_requests(&mut house, &point("import_bank_statement"), Retry::SameKey, House::wish_for_import));
        add(kill_in_requests(&mut house, &point("seal_batch"), Retry::SameKey, House::wish_for_seal));
        add(kill_in_requests(&mut house, &point("release_batch"), Retry::SameKey, House::wish_for_release));
    }
    add(kill_in_advances(&mut house, &order, "advance.before_commit", 2));
    add(kill_in_advances(&mut house, &order, "advance.after_commit", 1));
    add(kill_in_mails(&mut house, "mail.before_send"));
    add(kill_in_mails(&mut house, "mail.after_send"));

    let repeats = house.check_mails();
    let killed: usize = tallies.iter().map(|tally| tally.kills).sum();
    println!(
        "mails: {} caught, {repeats} of them repeats under the same Message-ID; {killed} kills in {} s",
        house.stage.mails.messages().len(),
        began.elapsed().as_secs()
    );
    assert!(repeats >= kills(), "each kill after a mail had left repeats it once");
    assert!(repeats <= killed);
    house.assert_books();
    assert!(tallies.iter().all(|tally| (tally.lost, tally.doubled) == (0, 0)), "{tallies:?}");
}

#[test]
fn a_client_that_asks_again_with_a_new_key_is_paid_twice_which_this_harness_sees() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut house = House::found();
    print_head();
    let tally = kill_in_requests(&mut house, "request_payout.after_commit", Retry::NewKey, House::wish_for_payout);
    tally.print();
    assert_eq!((tally.lost, tally.doubled), (0, tally.kills));
    house.assert_books();
}

#[test]
fn sixteen_clients_issue_sixty_four_invoices_while_the_program_is_killed_twenty_times() {
    const INVOICES: usize = 64;
    const KILLS: usize = 20;
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut house = House::found();
    let wishes: Vec<Wish> = (0..INVOICES).map(|_| house.wish_for_issue()).collect();
    assert!(house.restart(QUIET));
    let (next, killed, broken) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let answers: Mutex<Vec<Answer>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let index = next.load(Ordering::SeqCst);
                    if index >= INVOICES {
                        return;
                    }
                    // Three or four for each kill, so that every kill finds work under way.
                    if index > 3 * (killed.load(Ordering::SeqCst) + 1) {
                        thread::sleep(Duration::from_millis(1));
                        continue;
                    }
                    if next.compare_exchange(index, index + 1, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                        continue;
                    }
                    let answer = wishes[index].send().filter(|answer| answer.status != 503).unwrap_or_else(|| {
                        broken.fetch_add(1, Ordering::SeqCst);
                        wishes[index].until_answered()
                    });
                    answers.lock().unwrap().push(answer);
                }
            });
        }
        for kill in 1..=KILLS {
            while next.load(Ordering::SeqCst) < 3 * kill {
                thread::sleep(Duration::from_millis(1));
            }
            let [wait] = house.stage.clock.random_bytes::<1>();
            thread::sleep(Duration::from_millis(u64::from(wait) / 5));
            assert!(house.restart(QUIET), "it comes back after kill {kill}");
            killed.fetch_add(1, Ordering::SeqCst);
        }
    });
    let answers = answers.into_inner().unwrap();
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), INVOICES, "{answers:?}");
    let (mut lost, mut doubled) = (0, 0);
    for wish in &wishes {
        match house.count(&wish.effect) {
            1 => {}
            0 => lost += 1,
            _ => doubled += 1,
        }
    }
    for answer in &answers {
        let view = answer.json();
        let stored = format!(
            "SELECT count(*) FROM invoice WHERE id = '{}' AND number = '{}'",
            id_of(&view),
            view["number"].as_str().unwrap()
        );
        lost += usize::from(house.count(&stored) != 1);
    }
    let broken = broken.into_inner();
    println!("{INVOICES} issues by 16, {KILLS} kills: {broken} answers broken off, {lost} lost, {doubled} doubled");
    assert_eq!((lost, doubled), (0, 0));
    assert!(broken > 0, "the kills found work under way");
    house.wait_for_mails();
    house.check_mails();
    house.assert_books();
}
