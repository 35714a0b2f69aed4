//! The command line of Umbel.
#![expect(clippy::doc_markdown, reason = "these comments are the help on a terminal, where backticks only disturb")]

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use umbel::platform::config::{Config, Settings};

mod commands;

/// The back office of a freelancer mutual.
///
/// Without any setting it runs on a PostgreSQL of its own in ./data, writes mails into a folder there, makes its
/// keys once, and prints where to look. With DATABASE_URL, SMTP_URL and keys it is a production service.
#[derive(Parser)]
#[command(name = "umbel", version, arg_required_else_help = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API, and do the work that follows commits unless that runs apart
    Serve,
    /// Do the work that follows commits: mails, PDFs, promised days
    Worker,
    /// Bring the database to the newest migration
    Migrate,
    /// Run the whole story over HTTP, print every step with its figure, check the books, then keep serving
    Demo {
        /// End after the story: 0 only if every invariant holds
        #[arg(long)]
        once: bool,
    },
    /// Add a person of the office with a role; prints a password once
    User {
        /// Address of mail
        #[arg(long)]
        email: String,
        /// Name
        #[arg(long)]
        name: String,
        /// reviewer, payout_approver, accountant or administrator; may be repeated
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
    },
    /// Check every invariant of the books: 0 when all hold, 1 with a line for each violation
    Check,
    /// Check a file without the service: a chain of solvency proofs, an inclusion in one, or signed evidence
    Verify {
        /// The file
        file: PathBuf,
        /// The public keys of the mutual (/.well-known/jwks.json), for signed evidence
        #[arg(long)]
        jwks: Option<PathBuf>,
        /// The chain that an inclusion is to be found in
        #[arg(long)]
        chain: Option<PathBuf>,
        /// A hash that was kept earlier and must be in the chain
        #[arg(long)]
        head: Option<String>,
    },
    /// Write the journal of an entity to standard output
    Export {
        /// Enterprise number of the entity [default: the only one]
        #[arg(long)]
        entity: Option<String>,
        /// A month such as 2026-05 [default: all]
        #[arg(long)]
        period: Option<String>,
        /// csv, hledger or beancount
        #[arg(long, default_value = "csv")]
        format: String,
    },
    /// Write the API description (OpenAPI 3.1) to standard output
    Openapi,
    /// Measure: one figure a line with name, value, unit and n
    Bench {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// What to measure [default: everything]
        #[arg(value_enum)]
        parts: Vec<commands::bench::Part>,
    },
    /// Ask the running service whether it is ready: 0 or 1
    Health,
}

/// Starts the process once more with two heaps: glibc gives each thread that allocates one of its own, up to eight for each
/// core, and what one thread gives back another does not use. A statement of 100,000 lines took 137 MB to import with all of
/// them and takes 111 MB with two. Their number is read when a process starts; where it is set, or the program cannot be
/// started again, this does nothing.
fn with_few_heaps() {
    const SETTING: &str = "MALLOC_ARENA_MAX";
    if cfg!(not(target_env = "gnu")) || std::env::var_os(SETTING).is_some() {
        return;
    }
    if let Ok(this) = std::env::current_exe() {
        let arguments = std::env::args_os().skip(1);
        let _it_went_on_as_it_was = std::process::Command::new(this).args(arguments).env(SETTING, "2").exec();
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::Serve | Command::Worker | Command::Demo { .. }) {
        with_few_heaps();
    }
    let config = match Config::try_from(cli.settings) {
        Ok(config) => config,
        Err(wrong) => {
            eprintln!("umbel: {wrong}");
            return ExitCode::from(2);
        }
    };
    let done = match cli.command {
        Command::Serve => commands::serve::serve(&config),
        Command::Worker => commands::serve::work(&config),
        Command::Migrate => commands::serve::migrate(&config),
        Command::Demo { once } => commands::demo::run(&config, once),
        Command::User { email, name, roles } => commands::office::add_user(&config, &email, &name, &roles),
        Command::Verify { file, jwks, chain, head } => {
            commands::verify::run(&file, jwks.as_deref(), chain.as_deref(), head.as_deref())
        }
        Command::Check => commands::office::check(&config),
        Command::Export { entity, period, format } => {
            commands::office::export(&config, entity.as_deref(), period.as_deref(), &format)
        }
        Command::Openapi => commands::office::openapi(),
        Command::Bench { json, parts } => commands::bench::run(&config, json, &parts),
        Command::Health => commands::office::health(&config),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("umbel: {}", commands::explain(&*error));
            ExitCode::FAILURE
        }
    }
}
