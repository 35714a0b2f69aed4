//! The same SQL without the program: PostgreSQL's own load generator.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Jsonb;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use umbel::platform::cluster;

use super::statements;
use crate::commands::{Outcome, Store};

/// The issue path as pgbench runs it.
pub const SCRIPT: &str = include_str!("../../../benches/issue_path.sql");
const PREPARE: &str = include_str!("../../../benches/prepare.sql");
const VALUES: &str = include_str!("../../../benches/values.sql");

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Jsonb)]
    found: Value,
}

/// A load that can be run.
pub struct Pgbench {
    program: PathBuf,
    script: PathBuf,
    url: String,
    values: Map<String, Value>,
}

impl Pgbench {
    /// Makes the script ready, with the values of the newest issued invoice.
    ///
    /// Refuses when the script is not what the program sends.
    pub fn new(store: &Store, folder: &Path, sent: &[String]) -> Outcome<Self> {
        compare(sent)?;
        let mut conn = PgConnection::establish(&store.owner_url)?;
        conn.batch_execute(PREPARE)?;
        let found: Found = diesel::sql_query(VALUES).get_result(&mut conn)?;
        let Value::Object(values) = found.found else { return Err("no invoice was issued".into()) };
        let script = folder.join("issue_path.sql");
        std::fs::write(&script, SCRIPT)?;
        Ok(Self { program: cluster::program("pgbench")?, script, url: store.login_url.clone(), values })
    }

    /// Runs it with so many clients; answers the invoices a second of each second after the warm-up.
    pub fn run(&self, clients: usize, warm_up: Duration, measured: Duration) -> Outcome<Vec<Decimal>> {
        let seconds = warm_up.saturating_add(measured).as_secs();
        let mut command = Command::new(&self.program);
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--client", &clients.to_string()]);
        command.args(["--progress=1", "--time", &seconds.to_string(), "--file"]).arg(&self.script);
        for (name, value) in &self.values {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            command.arg("--define").arg(format!("{name}={value}"));
        }
        // As the program, it tries again after a deadlock. Time limits would end a client of it for good.
        command.arg("--max-tries=5");
        let options = "-c role=umbel_app -c timezone=UTC";
        let output = command.arg(&self.url).env("PGOPTIONS", options).env("LC_ALL", "C").output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || said.contains("aborted") {
            let complaint = said.lines().find(|line| line.contains("ERROR")).or(said.lines().last());
            return Err(format!("pgbench: {}", complaint.unwrap_or("no answer")).into());
        }
        // progress: 3.0 s, 412.0 tps, lat 2.4 ms ...
        let rates = said.lines().filter_map(|line| {
            let (second, rest) = line.strip_prefix("progress: ")?.split_once(" s, ")?;
            let is_measured = second.parse::<Decimal>().ok()? > Decimal::from(warm_up.as_secs());
            rest.split_once(" tps").filter(|_| is_measured)?.0.parse().ok()
        });
        Ok(rates.collect())
    }
}

/// The script says what the program sends, in the same order, and nothing else but the choice of a member.
fn compare(sent: &[String]) -> Outcome<()> {
    let script = statements::of_script(SCRIPT);
    let script: Vec<String> = script.iter().skip(1).map(|statement| statements::shape(statement)).collect();
    let differences: Vec<String> = (0..)
        .zip(script.iter().zip(sent.iter().map(|sent| statements::shape(sent))))
        .filter(|(_, (script, sent))| *script != sent)
        .map(|(n, (script, sent))| {
            format!("statement {n} of benches/issue_path.sql is {script:?}, the program sends {sent:?}")
        })
        .collect();
    if !differences.is_empty() {
        return Err(differences.join("\n").into());
    }
    if script.len() != sent.len() {
        return Err(format!(
            "benches/issue_path.sql has {} statements, the program sends {}",
            script.len(),
            sent.len()
        )
        .into());
    }
    Ok(())
}
