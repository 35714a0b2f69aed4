//! Small commands of the office and of operators.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use umbel::access::Passwords;
use umbel::accounting::{self, JournalFormat};
use umbel::charter;
use umbel::kernel::roles::Role;
use umbel::platform::clock::Clock;
use umbel::platform::config::Config;
use umbel::platform::db::{Actor, Db};
use umbel::platform::faults::Faults;

use super::serve::add_person;
use super::{Outcome, Store};

fn connect(store: &Store) -> Outcome<Db> {
    Ok(Db::connect(&store.login_url, 2, Clock::system(), Faults::default())?)
}

/// Adds a person of the office and prints their password.
pub fn add_user(config: &Config, email: &str, name: &str, roles: &[String]) -> Outcome<ExitCode> {
    let roles = roles.iter().map(|role| role.parse()).collect::<Result<Vec<Role>, _>>()?;
    if roles.contains(&Role::Member) {
        return Err("members apply; this command adds people of the office".into());
    }
    let store = Store::visit(config)?;
    let db = connect(&store)?;
    let passwords = Passwords::new(1, Clock::system())?;
    let password = add_person(&db, &passwords, email, name, &roles)?;
    println!("{email} has been added. Password, printed once: {password}");
    Ok(ExitCode::SUCCESS)
}

/// Prints every violation of an invariant.
pub fn check(config: &Config) -> Outcome<ExitCode> {
    let store = Store::visit(config)?;
    let db = connect(&store)?;
    let found = db.write_blocking(&Actor::System, accounting::check)?;
    for violation in &found {
        println!("{}: {}: {}", violation.invariant, violation.subject, violation.detail);
    }
    if found.is_empty() {
        println!("All invariants hold.");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// Writes a journal to standard output.
pub fn export(config: &Config, entity: Option<&str>, period: Option<&str>, format: &str) -> Outcome<ExitCode> {
    let format: JournalFormat = format.parse()?;
    let store = Store::visit(config)?;
    let db = connect(&store)?;
    let entities = db.write_blocking(&Actor::System, charter::entities)?;
    let chosen: Vec<_> =
        entities.iter().filter(|row| entity.is_none_or(|number| row.enterprise_number == number)).collect();
    let [entity] = chosen.as_slice() else {
        let known: Vec<_> = entities.iter().map(|row| format!("{} {}", row.enterprise_number, row.name)).collect();
        return Err(format!("name one entity with --entity: {}", known.join(", ")).into());
    };
    let bytes = accounting::export(&db, entity.id, period, format)?;
    std::io::stdout().write_all(&bytes)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the API description.
pub fn openapi() -> Outcome<ExitCode> {
    println!("{}", serde_json::to_string_pretty(&umbel::api::description()?)?);
    Ok(ExitCode::SUCCESS)
}

/// Asks a running service over loopback whether it is ready.
pub fn health(config: &Config) -> Outcome<ExitCode> {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], config.listen.port()));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(3))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    let is_ready = answer.starts_with("HTTP/1.1 200");
    println!("{}", answer.lines().next().unwrap_or("no answer"));
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
