//! The program over its folder: found, killed, started again, questioned.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use serde_json::{Value, json};
use tempfile::TempDir;
use umbel::demo::{Cast, Client, MemberCast, Stage};
use umbel::kernel::money::Minor;
use umbel::platform::clock::Clock;
use umbel::platform::cluster::Cluster;
use umbel::platform::db::Db;
use umbel::platform::faults::Faults;
use umbel::platform::keys::Keys;
use umbel::platform::mail::{MailConfig, Mailer};
use umbel::platform::mail_catcher::Catcher;
use umbel::worker::Worker;

use super::PATIENCE;
use super::wish::{Wish, id_of};

const FROM: &str = "Umbel <umbel@umbel.example>";
const OUR_IBAN: &str = "BE68539007547034";
const THEIR_IBAN: &str = "BE71096123456769";
const MEMBER: &str = "awa@member.example";

/// The program over its folder, with a mutual that has a member with money.
pub struct House {
    pub data: TempDir,
    pub port: u16,
    pub ahead: i64,
    pub owner_url: String,
    pub child: Option<Child>,
    pub stage: Stage,
    pub cast: Cast,
    pub member: MemberCast,
    /// The next amount that no other payout has.
    pub cents: i64,
}

/// What tells one start from another.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    pub kill_at: Option<&'a str>,
    pub has_worker: bool,
}

pub const QUIET: Start<'static> = Start { kill_at: None, has_worker: true };
pub const IDLE: Start<'static> = Start { kill_at: None, has_worker: false };

pub fn spawn(data: &TempDir, port: u16, ahead: i64, smtp: &str, how: Start<'_>) -> Child {
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
pub fn is_ready(child: &mut Child, port: u16) -> bool {
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

pub fn query(owner_url: &str, sql: &str) -> i64 {
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
pub fn fixed_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 8_000).unwrap();
    (first..first + 500).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

impl House {
    /// The first start, the first day, the first member.
    pub fn found() -> Self {
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
        let point = Arc::new(umbel::delivery::FileDrop::new(folder.join("access-point")));
        let mail = MailConfig { smtp_url: Some(mails.url()), from: FROM.to_owned(), folder };
        let worker = Worker::new(db, keys, Mailer::new(&mail).unwrap(), point, base.clone(), FROM);
        let stage = Stage { base, clock, worker, mails, factors: umbel::demo::Factors::default() };
        let administrator = sign_in_administrator(&stage, &data);
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
    pub fn restart(&mut self, how: Start<'_>) -> bool {
        self.kill();
        // Three minutes pass for the jobs that the dead worker held.
        let freed = "UPDATE outbox SET lease_until = '2000-01-01' WHERE state = 'claimed'";
        diesel::sql_query(freed).execute(&mut PgConnection::establish(&self.owner_url).unwrap()).unwrap();
        let child = spawn(&self.data, self.port, self.ahead, &self.stage.mails.url(), how);
        is_ready(self.child.insert(child), self.port)
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits for the death that was asked for.
    pub fn wait_for_death(&mut self) {
        let mut child = self.child.take().unwrap();
        let end = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it was to die and lives");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn count(&self, sql: &str) -> i64 {
        query(&self.owner_url, sql)
    }

    /// Days pass, from the next start on. Everybody has to sign in again then.
    pub fn days_pass(&mut self, days: i64) {
        self.ahead += days * 24 * 60 * 60;
        self.stage.clock = Clock::ahead_by(chrono::Duration::seconds(self.ahead));
    }

    /// Everybody signs in again: tokens live for ten minutes.
    pub fn sign_in(&mut self) {
        self.cast.staff.administrator = sign_in_administrator(&self.stage, &self.data);
        self.cast.staff.reviewer = self.stage.sign_in("reviewer@ombelle.example").unwrap();
        self.cast.staff.approver = self.stage.sign_in("approver@ombelle.example").unwrap();
        self.member.client = self.stage.sign_in(MEMBER).unwrap();
    }

    pub fn draft(&self, order: Option<&Value>, cents: i64) -> Value {
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

    pub fn wish_for_issue(&self) -> Wish {
        let submitted = self.draft(None, 10_000);
        let id = id_of(&submitted);
        let effect =
            format!("SELECT count(*) FROM journal_entry WHERE event = 'invoice_issued' AND source_id = '{id}'");
        Wish::about(&self.cast.staff.reviewer, &format!("/v1/invoices/{id}/issue"), &submitted, &json!({}), effect)
    }

    pub fn wish_for_payout(&mut self) -> Wish {
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

    /// Waits until the outbox is empty.
    pub fn wait_for_mails(&self) {
        let end = Instant::now() + PATIENCE;
        while self.count("SELECT count(*) FROM outbox WHERE state <> 'done'") > 0 {
            assert!(Instant::now() < end, "jobs are left over");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Every mail that was promised was caught, under the name that it has in the database. Answers the repeats.
    pub fn check_mails(&self) -> usize {
        let mut caught: BTreeMap<String, usize> = BTreeMap::new();
        for mail in self.stage.mails.messages() {
            let text = String::from_utf8_lossy(&mail.raw).into_owned();
            let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().trim().to_owned();
            *caught.entry(id).or_default() += 1;
        }
        let rows = self.count("SELECT count(*) FROM email_message");
        let jobs = "SELECT count(*) FROM outbox WHERE topic NOT IN ('deliver', 'draw_internal_invoice')";
        assert_eq!(self.count(jobs), rows, "one mail for each job");
        assert_eq!(self.count("SELECT count(*) FROM email_message WHERE state = 'sent'"), rows);
        let names: Vec<String> = caught.keys().map(|id| format!("'{}'", id.replace('\'', ""))).collect();
        let known = format!("SELECT count(*) FROM email_message WHERE message_id IN ({})", names.join(", "));
        assert_eq!(self.count(&known), rows, "no mail is lost");
        assert_eq!(i64::try_from(caught.len()).unwrap(), rows, "a repeat carries the same Message-ID");
        caught.values().map(|times| times - 1).sum()
    }

    /// Every issued document is on its way to its client once: with the access point, or known not to be known, and then
    /// a person's to decide. Answers how many of those there are.
    pub fn check_deliveries(&self) -> i64 {
        let issued = self.count("SELECT count(*) FROM invoice WHERE state = 'issued'");
        let sent = "SELECT count(*) FROM delivery WHERE channel = 'peppol' AND state IN ('deposited', 'unknown')";
        assert_eq!(self.count(sent), issued, "every document was handed over or waits for a person");
        let folder = self.data.path().join("data/access-point");
        let files = |folder: &Path| -> Vec<PathBuf> {
            fs::read_dir(folder).map_or_else(|_none| Vec::new(), |all| all.map(|it| it.unwrap().path()).collect())
        };
        let dropped: Vec<PathBuf> = files(&folder).iter().flat_map(|participant| files(participant)).collect();
        let whole = dropped.iter().filter(|file| file.extension().is_some_and(|ending| ending == "xml")).count();
        let deposited = self.count("SELECT count(*) FROM delivery WHERE channel = 'peppol' AND state = 'deposited'");
        let whole = i64::try_from(whole).unwrap();
        assert!((deposited..=issued).contains(&whole), "{whole} files for {deposited} handed over of {issued}");
        issued - deposited
    }

    /// `umbel check`, beside the running program.
    pub fn assert_books(&self) {
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

/// With the password that the first start said.
fn sign_in_administrator(stage: &Stage, data: &TempDir) -> Client {
    let log = fs::read_to_string(data.path().join("log.txt")).unwrap();
    let password = log.split("with password ").nth(1).unwrap().split(' ').next().unwrap();
    stage.visitor().sign_in("admin@umbel.example", password).unwrap()
}

/// Rules by which the promised day is the day of issue.
pub fn publish_quick_rules(stage: &Stage, cast: &Cast) {
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
