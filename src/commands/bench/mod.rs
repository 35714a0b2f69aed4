//! `bench`: what this machine does with this build, a figure a line.
//!
//! The issue path is measured over HTTP and then as the same SQL run by `pgbench` on the same database, so that the
//! ratio says what the program itself costs, whatever the disk. Server, load and PostgreSQL share the machine. A pool
//! run over thirty thousand activities and a batch of ten thousand payouts are set beside the bare statements that do the
//! same to the same rows; a year of three hundred thousand invoices is played again in a process whose memory is watched.

mod bank;
mod batches;
mod documents;
mod issue_path;
mod local;
mod mutual;
mod pgbench;
mod pools;
mod process;
mod replay;
mod splits;
mod statements;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rust_decimal::Decimal;
use serde_json::{Number, Value, json};
use umbel::platform::clock::Clock;
use umbel::platform::config::{Config, Database, KeySource, Mail};

use super::Outcome;

/// Clients at the same time.
const CLIENTS: [usize; 3] = [1, 8, 32];

/// Prints figures as they are found.
pub struct Report {
    json: bool,
}

impl Report {
    /// One figure: `n` is how often it was measured.
    pub fn figure(&self, name: &str, value: Decimal, unit: &str, n: usize) -> Outcome<()> {
        let value = value.round_dp(2).normalize();
        if self.json {
            let value: Number = value.to_string().parse()?;
            println!("{}", json!({"name": name, "value": value, "unit": unit, "n": n}));
        } else {
            println!("{name:<36}{:>12}  {unit:<16} n={n}", value.to_string());
        }
        std::io::stdout().flush()?;
        Ok(())
    }

    /// How many invariants do not hold, of so many that were checked; the names of those go to the log.
    fn violations(&self, name: &str, found: &Value) -> Outcome<()> {
        let rows = |key: &str| found.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let names = rows("violations").iter().filter_map(|row| row.get("invariant").and_then(Value::as_str));
        let violated: std::collections::BTreeSet<&str> = names.collect();
        for row in rows("violations").iter().take(3) {
            eprintln!("# violated: {row}");
        }
        self.figure(name, violated.len().into(), "invariants", rows("checked").len())
    }
}

/// A part of a whole, or zero.
pub fn ratio(part: impl Into<Decimal>, whole: impl Into<Decimal>) -> Decimal {
    part.into().checked_div(whole.into()).unwrap_or_default()
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Part {
    /// PDFs, passwords, tokens.
    Local,
    /// Invoices with their XML: how many a second, how large, in how much memory.
    Documents,
    /// Memory and start of a serving process.
    Process,
    /// Creating, submitting and issuing invoices over HTTP.
    IssuePath,
    /// A million generated splits of money, each checked.
    Splits,
    /// Dividing the cost of a pool among thirty thousand activities.
    Pools,
    /// Importing a statement of a hundred thousand lines, and the memory that it takes.
    Bank,
    /// Building, sealing and writing a batch of ten thousand payouts.
    Batches,
    /// Playing a year of three hundred thousand invoices again under other rules.
    DryRun,
}

/// Measures some parts, or all of them, each on a database of its own.
pub fn run(config: &Config, json: bool, parts: &[Part]) -> Outcome<ExitCode> {
    if config.database != Database::Private {
        return Err(
            "the benchmark writes thousands of invoices: it takes no DATABASE_URL, only a folder (--data)".into()
        );
    }
    let place = Place::new(config)?;
    let config = Config {
        data: place.folder.clone(),
        mail: Mail::Folder(place.folder.join("mail")),
        keys: KeySource::Folder(place.folder.join("keys")),
        ..config.clone()
    };
    let report = Report { json };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Decimal = load.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    report.figure("machine_processors", processors.into(), "processors", 1)?;
    report.figure("machine_load_before", load, "runnable", 1)?;
    let all = <Part as clap::ValueEnum>::value_variants();
    for part in if parts.is_empty() { all } else { parts } {
        match part {
            Part::Local => local::measure(&report, &config)?,
            Part::Documents => documents::measure(&report)?,
            Part::Process => process::measure(&report, &place.folder.join("idle"))?,
            Part::IssuePath => issue_path::measure(&report, &config)?,
            Part::Splits => splits::measure(&report)?,
            Part::Pools => pools::measure(&report, &at(&config, "pools"))?,
            Part::Bank => bank::measure(&report, &at(&config, "bank"))?,
            Part::Batches => batches::measure(&report, &at(&config, "batches"))?,
            Part::DryRun => replay::measure(&report, &at(&config, "dry_run"))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The same with a folder of its own.
fn at(config: &Config, name: &str) -> Config {
    let data = config.data.join(name);
    Config { mail: Mail::Folder(data.join("mail")), keys: KeySource::Folder(data.join("keys")), data, ..config.clone() }
}

/// The folder of the benchmark: the given one, or one that goes with the program.
struct Place {
    folder: PathBuf,
    is_temporary: bool,
}

impl Place {
    fn new(config: &Config) -> Outcome<Self> {
        if config.data == Path::new("./data") {
            let name = format!("umbel-bench-{}", Clock::system().new_id());
            return Ok(Self { folder: std::env::temp_dir().join(name), is_temporary: true });
        }
        if std::fs::read_dir(&config.data).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(format!("{} has data in it: the benchmark wants an empty folder", config.data.display()).into());
        }
        Ok(Self { folder: config.data.clone(), is_temporary: false })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_temporary
            && let Err(error) = std::fs::remove_dir_all(&self.folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            eprintln!("umbel: {} is left behind: {error}", self.folder.display());
        }
    }
}
