//! A serving process of its own: how much memory it holds idle, how long a second start takes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use umbel::demo::Client;
use umbel::platform::clock::Clock;

use super::{Report, ratio};
use crate::commands::Outcome;

/// Starts of a folder that is there already.
const STARTS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures over a folder of its own.
pub fn measure(report: &Report, folder: &Path) -> Outcome<()> {
    drop(Serving::start(folder)?);
    let mut starts = Vec::new();
    let mut sizes = Vec::new();
    for _ in 0..STARTS {
        let (serving, took) = Serving::start(folder)?;
        starts.push(u64::try_from(took.as_micros())?);
        let client = Client::new(&serving.base, Clock::system());
        for path in ["/readyz", "/openapi.json", "/v1/invoices", "/docs"] {
            client.get(path)?;
        }
        if sizes.is_empty() {
            thread::sleep(Duration::from_secs(3));
            sizes.push(serving.resident_kib("VmRSS:")?);
        }
    }
    starts.sort_unstable();
    let median = starts.get(STARTS / 2).copied().unwrap_or_default();
    report.figure("second_start_median", ratio(median, 1000), "ms", STARTS)?;
    let kib = sizes.first().copied().unwrap_or_default();
    report.figure("resident_memory_idle", ratio(kib.saturating_mul(1024), 1_000_000), "MB", 1)
}

/// A child that is stopped when this is dropped.
pub struct Serving {
    child: Child,
    /// Where it listens.
    pub base: String,
}

impl Serving {
    /// Starts and waits until it is ready.
    pub fn start(folder: &Path) -> Outcome<(Self, Duration)> {
        let began = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let lines = child.stdout.take().map(BufReader::new).ok_or("no output")?.lines();
        let mut serving = Self { child, base: String::new() };
        let mut lines = lines.map_while(std::result::Result::ok);
        let said = lines.find_map(|line| line.strip_prefix("Umbel serves on ").map(str::to_owned));
        serving.base = said.ok_or("the service did not start")?;
        // Whatever else it says is read, so that it never waits for us.
        thread::spawn(move || lines.for_each(drop));
        let client = Client::new(&serving.base, Clock::system());
        while !client.get("/readyz").is_ok_and(|answer| answer.status == 200) {
            if began.elapsed() > PATIENCE {
                return Err("the service does not get ready".into());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok((serving, began.elapsed()))
    }

    /// Resident memory of the process itself, now (`VmRSS:`) or at its peak (`VmHWM:`); PostgreSQL's is its own.
    pub fn resident_kib(&self, which: &str) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(which));
        Ok(line.and_then(|rest| rest.split_whitespace().next()).ok_or("no such figure")?.parse()?)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _gone = kill_process(pid, Signal::TERM);
        }
        let _gone = self.child.wait();
    }
}
