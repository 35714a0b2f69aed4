//! The settings: from the command line or the environment, parsed into types before anything starts.
//!
//! Without any setting the program serves from `./data` with a database of its own, keys made once and mails as
//! files. `DATABASE_URL` is the step to production: from there on keys and mail have to be named, because what is
//! convenient on a desk loses money in a container.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use lettre::message::Mailbox;

use super::keys::KeyFiles;

/// The settings as they are typed. [`Config::try_from`] turns them into types, or says what is wrong.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// Folder for all that is kept: database, keys, mails [default: ./data]
    #[arg(long, env = "UMBEL_DATA", value_name = "FOLDER", global = true)]
    data: Option<String>,
    /// PostgreSQL of the running service; without it one of our own runs in the data folder
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    /// The same database as its owner, for migrations [default: the one above]
    #[arg(long, env = "DATABASE_OWNER_URL", value_name = "URL", hide_env_values = true, global = true)]
    database_owner_url: Option<String>,
    /// Connections kept to the database [default: 10]
    #[arg(long, env = "UMBEL_POOL_SIZE", value_name = "N", global = true)]
    pool_size: Option<String>,
    /// Where the API listens [default: 127.0.0.1:8080]
    #[arg(long, env = "UMBEL_LISTEN", value_name = "ADDRESS:PORT", global = true)]
    listen: Option<String>,
    /// Where the figures for Prometheus are, or off [default: 127.0.0.1:9464]
    #[arg(long, env = "UMBEL_METRICS_LISTEN", value_name = "ADDRESS:PORT", global = true)]
    metrics_listen: Option<String>,
    /// Address of the service in links of mails [default: http:// and the listen address]
    #[arg(long, env = "UMBEL_PUBLIC_URL", value_name = "URL", global = true)]
    public_url: Option<String>,
    /// Mail server: `smtp://host`, `smtp://user:password@host?tls=required` or `smtps://host`
    #[arg(long, env = "SMTP_URL", value_name = "URL", hide_env_values = true, global = true)]
    smtp_url: Option<String>,
    /// Folder for mails as .eml files instead of a mail server [default: DATA/mail]
    #[arg(long, env = "UMBEL_MAIL_FOLDER", value_name = "FOLDER", global = true)]
    mail_folder: Option<String>,
    /// Peppol access point as a folder that another program watches [default: DATA/access-point]
    #[arg(long, env = "UMBEL_ACCESS_POINT_FOLDER", value_name = "FOLDER", global = true)]
    access_point_folder: Option<String>,
    /// Peppol access point by HTTP instead of a folder: see `docs/ACCESS_POINT.md`
    #[arg(long, env = "UMBEL_ACCESS_POINT_URL", value_name = "URL", global = true)]
    access_point_url: Option<String>,
    /// Bearer token for that address
    #[arg(long, env = "UMBEL_ACCESS_POINT_TOKEN", value_name = "TOKEN", hide_env_values = true, global = true)]
    access_point_token: Option<String>,
    /// Sender of the mails [default: Umbel <umbel@umbel.example>]
    #[arg(long, env = "MAIL_FROM", value_name = "MAILBOX", global = true)]
    mail_from: Option<String>,
    /// Folder of the keys; keys are made in an empty one [default: DATA/keys]
    #[arg(long, env = "UMBEL_KEYS", value_name = "FOLDER", global = true)]
    keys: Option<String>,
    /// Keys that sign tokens (Ed25519, PKCS #8 PEM), newest first, separated by commas; instead of the folder
    #[arg(long, env = "UMBEL_TOKEN_KEY_FILES", value_name = "FILES", global = true)]
    token_key_files: Option<String>,
    /// Keys that encrypt data (64 hex digits), newest first, separated by commas; instead of the folder
    #[arg(long, env = "UMBEL_DATA_KEY_FILES", value_name = "FILES", global = true)]
    data_key_files: Option<String>,
    /// Key of links and blind indexes (64 hex digits); instead of the folder
    #[arg(long, env = "UMBEL_MAC_KEY_FILE", value_name = "FILE", global = true)]
    mac_key_file: Option<String>,
    /// Log lines: human or json [default: human]
    #[arg(long, env = "UMBEL_LOG_FORMAT", value_name = "FORMAT", global = true)]
    log_format: Option<String>,
    /// Reads a minute for each person [default: 100]
    #[arg(long, env = "UMBEL_READS_PER_MINUTE", value_name = "N", global = true)]
    reads_per_minute: Option<String>,
    /// Writes a minute for each person [default: 60]
    #[arg(long, env = "UMBEL_WRITES_PER_MINUTE", value_name = "N", global = true)]
    writes_per_minute: Option<String>,
    /// Sign-in attempts a minute from each network address [default: 20]
    #[arg(long, env = "UMBEL_SIGN_INS_PER_ADDRESS", value_name = "N", global = true)]
    sign_ins_per_address: Option<String>,
    /// Passwords checked at the same time, 19 MiB each [default: half of the processors]
    #[arg(long, env = "UMBEL_PASSWORD_JOBS", value_name = "N", global = true)]
    password_jobs: Option<String>,
    /// Whether `serve` also does the work after commits: on, or off when `worker` runs apart [default: on]
    #[arg(long, env = "UMBEL_WORKER", value_name = "ON|OFF", global = true)]
    worker: Option<String>,
    /// Whether to believe a proxy's X-Forwarded-For; only behind one that sets it [default: off]
    #[arg(long, env = "UMBEL_TRUST_PROXY", value_name = "ON|OFF", global = true)]
    trust_proxy: Option<String>,
}

/// A value that must not be shown. Its `Debug` does not.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Everything that a run of the program depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Which database.
    pub database: Database,
    /// Connections in the pool.
    pub pool_size: NonZeroU32,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where the figures are served, if at all.
    pub metrics_listen: Option<SocketAddr>,
    /// Start of all links, without a slash at its end.
    pub public_url: String,
    /// How mails leave.
    pub mail: Mail,
    /// Where electronic invoices leave to.
    pub access_point: AccessPoint,
    /// Who they come from.
    pub mail_from: Mailbox,
    /// Where the keys are.
    pub keys: KeySource,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How often anybody may do what.
    pub limits: Limits,
    /// Passwords checked at the same time.
    pub password_jobs: NonZeroU32,
    /// Who does the work after commits.
    pub worker: Worker,
    /// Which network address counts as the client's.
    pub client_address: ClientAddress,
}

/// Which database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// One of our own, in the data folder: see [`cluster`](super::cluster).
    Private,
    /// A given one.
    Given {
        /// For the running service.
        runtime: Secret,
        /// For migrations.
        owner: Secret,
    },
}

/// How mails leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mail {
    /// By a mail server.
    Smtp(Secret),
    /// As files in a folder.
    Folder(PathBuf),
}

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In a folder; an empty one is filled.
    Folder(PathBuf),
    /// In these files.
    Files(KeyFiles),
}

/// Where electronic invoices leave to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessPoint {
    /// Files in this folder, for another program.
    Folder(PathBuf),
    /// By HTTP.
    Http {
        /// Start of its addresses.
        url: String,
        /// What proves who we are.
        token: Option<Secret>,
    },
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For eyes.
    Human,
    /// One object a line.
    Json,
}

/// Who does the work after commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worker {
    /// The serving process itself.
    Inside,
    /// Another process, started as `umbel worker`.
    Apart,
}

/// Which network address counts as the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAddress {
    /// The one that connects.
    Peer,
    /// The one that a trusted proxy reports.
    Forwarded,
}

/// How often anybody may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Reads a minute and person.
    pub reads_per_minute: NonZeroU32,
    /// Writes a minute and person.
    pub writes_per_minute: NonZeroU32,
    /// Sign-in attempts a minute and network address.
    pub sign_ins_per_address: NonZeroU32,
}

/// What is wrong with the settings, all of it in one line. The program ends with code 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("wrong settings: {}", .wrong.join("; "))]
pub struct ConfigError {
    wrong: Vec<String>,
}

impl TryFrom<Settings> for Config {
    type Error = ConfigError;

    /// Parses all settings and checks that they fit together. Values of secrets do not come back in the message.
    fn try_from(typed: Settings) -> Result<Self, ConfigError> {
        let mut read = Reader::default();
        let data = PathBuf::from(given(typed.data.as_deref()).unwrap_or("./data"));
        let database = read.database(typed.database_url.as_deref(), typed.database_owner_url.as_deref());
        let in_production = given(typed.database_url.as_deref()).is_some();
        let listen = read.parsed("UMBEL_LISTEN", typed.listen.as_deref(), "an address and port such as 127.0.0.1:8080");
        let listen = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
        let metrics_listen = match given(typed.metrics_listen.as_deref()) {
            Some("off") => None,
            other => read
                .parsed("UMBEL_METRICS_LISTEN", other, "an address and port, or off")
                .or(Some(SocketAddr::from(([127, 0, 0, 1], 9464)))),
        };
        let mail = read.mail(typed.smtp_url.as_deref(), typed.mail_folder.as_deref(), in_production, &data);
        let access_point = read.access_point(&typed, &data);
        let leaves = given(typed.smtp_url.as_deref()).is_some();
        let public_url = read.public_url(typed.public_url.as_deref(), leaves, listen);
        let keys = read.keys(&typed, in_production, &data);
        let pool_size = read.number("UMBEL_POOL_SIZE", typed.pool_size.as_deref(), 10);
        let log_format = read.choice(
            "UMBEL_LOG_FORMAT",
            typed.log_format.as_deref(),
            [("human", LogFormat::Human), ("json", LogFormat::Json)],
        );
        let limits = read.limits(&typed);
        let password_jobs = read.number("UMBEL_PASSWORD_JOBS", typed.password_jobs.as_deref(), half_of_processors());
        let worker =
            read.choice("UMBEL_WORKER", typed.worker.as_deref(), [("on", Worker::Inside), ("off", Worker::Apart)]);
        let client_address = read.choice(
            "UMBEL_TRUST_PROXY",
            typed.trust_proxy.as_deref(),
            [("off", ClientAddress::Peer), ("on", ClientAddress::Forwarded)],
        );
        match read.mail_from(typed.mail_from.as_deref(), leaves) {
            Some(mail_from) if read.wrong.is_empty() => Ok(Self {
                data,
                database,
                pool_size,
                listen,
                metrics_listen,
                public_url,
                mail,
                access_point,
                mail_from,
                keys,
                log_format,
                limits,
                password_jobs,
                worker,
                client_address,
            }),
            Some(_) | None => Err(ConfigError { wrong: read.wrong }),
        }
    }
}

/// Reads settings and collects what is wrong, so that all of it is said at once.
#[derive(Default)]
struct Reader {
    wrong: Vec<String>,
}

impl Reader {
    fn parsed<T: FromStr>(&mut self, name: &str, value: Option<&str>, wanted: &str) -> Option<T> {
        let value = given(value)?;
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.wrong.push(format!("{name} is {value:?}, not {wanted}"));
        }
        parsed
    }

    fn number(&mut self, name: &str, value: Option<&str>, default: u32) -> NonZeroU32 {
        let number = self.parsed(name, value, "a whole number from 1");
        number.unwrap_or(NonZeroU32::new(default).unwrap_or(NonZeroU32::MIN))
    }

    /// The first choice is the default.
    fn choice<T: Copy>(&mut self, name: &str, value: Option<&str>, choices: [(&str, T); 2]) -> T {
        let [default, other] = choices;
        match given(value) {
            Some(value) if value == other.0 => other.1,
            Some(value) if value != default.0 => {
                self.wrong.push(format!("{name} is {value:?}, not {} or {}", default.0, other.0));
                default.1
            }
            Some(_) | None => default.1,
        }
    }

    /// The value is a secret: the message names the setting only.
    fn address(&mut self, name: &str, value: Option<&str>, schemes: &[&str]) -> Option<Secret> {
        let value = given(value)?;
        let fits = schemes.iter().any(|scheme| value.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        if !fits || value.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.wrong.push(format!("{name} is not an address that starts with {}", schemes.join(" or ")));
            return None;
        }
        Some(Secret(value.to_owned()))
    }

    fn database(&mut self, runtime: Option<&str>, owner: Option<&str>) -> Database {
        let schemes = ["postgres://", "postgresql://"];
        let owner_url = self.address("DATABASE_OWNER_URL", owner, &schemes);
        match (self.address("DATABASE_URL", runtime, &schemes), given(runtime)) {
            (Some(runtime), _) => Database::Given { owner: owner_url.unwrap_or_else(|| runtime.clone()), runtime },
            (None, None) => {
                if given(owner).is_some() {
                    self.wrong.push("DATABASE_OWNER_URL is set and DATABASE_URL is not".to_owned());
                }
                Database::Private
            }
            (None, Some(_)) => Database::Private,
        }
    }

    fn mail(&mut self, smtp: Option<&str>, folder: Option<&str>, in_production: bool, data: &Path) -> Mail {
        let url = self.address("SMTP_URL", smtp, &["smtp://", "smtps://"]);
        match (url, given(folder)) {
            (Some(_), Some(_)) => self.wrong.push("SMTP_URL and UMBEL_MAIL_FOLDER are both set".to_owned()),
            (Some(url), None) => {
                if lettre::SmtpTransport::from_url(url.expose()).is_err() {
                    self.wrong.push("SMTP_URL is not the address of a mail server".to_owned());
                }
                return Mail::Smtp(url);
            }
            (None, Some(folder)) => return Mail::Folder(folder.into()),
            (None, None) if in_production && given(smtp).is_none() => {
                self.wrong.push("with DATABASE_URL, SMTP_URL (or UMBEL_MAIL_FOLDER) is needed".to_owned());
            }
            (None, None) => {}
        }
        Mail::Folder(data.join("mail"))
    }

    fn access_point(&mut self, typed: &Settings, data: &Path) -> AccessPoint {
        let (folder, token) = (given(typed.access_point_folder.as_deref()), given(typed.access_point_token.as_deref()));
        let Some(url) = given(typed.access_point_url.as_deref()) else {
            if token.is_some() {
                self.wrong.push("UMBEL_ACCESS_POINT_TOKEN is set and UMBEL_ACCESS_POINT_URL is not".to_owned());
            }
            return AccessPoint::Folder(folder.map_or_else(|| data.join("access-point"), PathBuf::from));
        };
        if folder.is_some() {
            self.wrong.push("UMBEL_ACCESS_POINT_URL and UMBEL_ACCESS_POINT_FOLDER are both set".to_owned());
        }
        if !is_web_address(url) {
            self.wrong
                .push(format!("UMBEL_ACCESS_POINT_URL is {url:?}, not an address such as https://ap.example/umbel"));
        }
        if token.is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            self.wrong.push("UMBEL_ACCESS_POINT_TOKEN is not a token".to_owned());
        }
        AccessPoint::Http { url: url.to_owned(), token: token.map(|token| Secret(token.to_owned())) }
    }

    fn mail_from(&mut self, value: Option<&str>, leaves: bool) -> Option<Mailbox> {
        if leaves && given(value).is_none() {
            self.wrong.push("with SMTP_URL, MAIL_FROM is needed".to_owned());
        }
        let value = given(value).unwrap_or("Umbel <umbel@umbel.example>");
        self.parsed("MAIL_FROM", Some(value), "a mailbox such as Mutual <office@mutual.example>")
    }

    fn limits(&mut self, typed: &Settings) -> Limits {
        Limits {
            reads_per_minute: self.number("UMBEL_READS_PER_MINUTE", typed.reads_per_minute.as_deref(), 100),
            writes_per_minute: self.number("UMBEL_WRITES_PER_MINUTE", typed.writes_per_minute.as_deref(), 60),
            sign_ins_per_address: self.number("UMBEL_SIGN_INS_PER_ADDRESS", typed.sign_ins_per_address.as_deref(), 20),
        }
    }

    fn public_url(&mut self, value: Option<&str>, leaves: bool, listen: SocketAddr) -> String {
        let Some(value) = given(value) else {
            if leaves {
                self.wrong.push("with SMTP_URL, UMBEL_PUBLIC_URL is needed for the links in mails".to_owned());
            }
            return format!("http://{listen}");
        };
        let trimmed = value.trim_end_matches('/');
        if !is_web_address(trimmed) {
            self.wrong.push(format!("UMBEL_PUBLIC_URL is {value:?}, not an address such as https://mutual.example"));
        }
        trimmed.to_owned()
    }

    fn keys(&mut self, typed: &Settings, in_production: bool, data: &Path) -> KeySource {
        let files =
            |list: &str| list.split(',').map(str::trim).filter(|one| !one.is_empty()).map(PathBuf::from).collect();
        let named =
            [&typed.token_key_files, &typed.data_key_files, &typed.mac_key_file].map(|one| given(one.as_deref()));
        match (given(typed.keys.as_deref()), named) {
            (Some(folder), [None, None, None]) => return KeySource::Folder(folder.into()),
            (None, [Some(token), Some(data), Some(mac)]) => {
                return KeySource::Files(KeyFiles { token: files(token), data: files(data), mac: mac.into() });
            }
            (None, [None, None, None]) => {
                if in_production {
                    self.wrong.push("with DATABASE_URL, UMBEL_KEYS (or the three key files) is needed".to_owned());
                }
            }
            (Some(_), _) => self.wrong.push("UMBEL_KEYS and key files are both set".to_owned()),
            (None, _) => self.wrong.push(
                "UMBEL_TOKEN_KEY_FILES, UMBEL_DATA_KEY_FILES and UMBEL_MAC_KEY_FILE are needed together".to_owned(),
            ),
        }
        KeySource::Folder(data.join("keys"))
    }
}

/// An address with a host and without a query, a fragment or a password.
fn is_web_address(text: &str) -> bool {
    let uri = text.parse::<actix_web::http::Uri>().ok();
    let fits = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none()
    });
    fits && !text.contains(['@', '#'])
}

/// An empty value counts as none: that is how a compose file passes on what nobody set.
fn given(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}

fn half_of_processors() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(processors / 2).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        settings: Settings,
    }

    /// Parses as the command line would. The tests run without any of our variables in their environment.
    fn read(line: &str) -> Result<Config, ConfigError> {
        let cli = Cli::try_parse_from(std::iter::once("umbel").chain(line.split_whitespace())).unwrap();
        cli.settings.try_into()
    }

    fn wrong(line: &str) -> String {
        let message = read(line).unwrap_err().to_string();
        assert!(!message.contains('\n'), "one line: {message}");
        message
    }

    #[test]
    fn without_settings_all_is_local() {
        let config = read("").unwrap();
        assert_eq!(config.data, Path::new("./data"));
        assert_eq!(config.database, Database::Private);
        assert_eq!(config.mail, Mail::Folder("./data/mail".into()));
        assert_eq!(config.keys, KeySource::Folder("./data/keys".into()));
        assert_eq!(config.access_point, AccessPoint::Folder("./data/access-point".into()));
        assert_eq!(config.public_url, "http://127.0.0.1:8080");
        assert_eq!(config.metrics_listen.unwrap().to_string(), "127.0.0.1:9464");
        assert_eq!((config.worker, config.client_address), (Worker::Inside, ClientAddress::Peer));
        assert_eq!((config.limits.reads_per_minute.get(), config.limits.sign_ins_per_address.get()), (100, 20));
    }

    const PRODUCTION: &str = "--database-url postgres://u:hunter2@db/umbel --keys /keys --smtp-url \
        smtps://u:hunter2@mail.example --mail-from office@mutual.example --public-url https://mutual.example/";

    #[test]
    fn production_is_read_into_types() {
        let config = read(PRODUCTION).unwrap();
        let Database::Given { runtime, owner } = &config.database else { panic!("a given database") };
        assert_eq!((runtime.expose(), owner), ("postgres://u:hunter2@db/umbel", runtime));
        assert_eq!(config.public_url, "https://mutual.example");
        assert_eq!(config.keys, KeySource::Folder("/keys".into()));
        let files = read("--token-key-files /a.pem,/b.pem --data-key-files /d --mac-key-file /m").unwrap().keys;
        let KeySource::Files(files) = files else { panic!("files") };
        assert_eq!(files.token, [Path::new("/a.pem"), Path::new("/b.pem")]);
    }

    #[test]
    fn production_needs_keys_mail_and_addresses() {
        let message = wrong("--database-url postgres://db/umbel");
        assert!(message.contains("UMBEL_KEYS") && message.contains("SMTP_URL"), "{message}");
        let message = wrong("--smtp-url smtp://localhost:25");
        assert!(message.contains("MAIL_FROM") && message.contains("UMBEL_PUBLIC_URL"), "{message}");
    }

    #[test]
    fn each_wrong_setting_is_named_and_all_are_said_at_once() {
        for (line, name) in [
            ("--listen 8080", "UMBEL_LISTEN"),
            ("--metrics-listen on", "UMBEL_METRICS_LISTEN"),
            ("--pool-size 0", "UMBEL_POOL_SIZE"),
            ("--reads-per-minute -1", "UMBEL_READS_PER_MINUTE"),
            ("--log-format xml", "UMBEL_LOG_FORMAT"),
            ("--worker maybe", "UMBEL_WORKER"),
            ("--trust-proxy 1", "UMBEL_TRUST_PROXY"),
            ("--mail-from nobody", "MAIL_FROM"),
            ("--public-url ftp://x", "UMBEL_PUBLIC_URL"),
            ("--public-url https://x/?a=b", "UMBEL_PUBLIC_URL"),
            ("--database-url mysql://x", "DATABASE_URL"),
            ("--database-owner-url postgres://x", "DATABASE_URL"),
            ("--smtp-url mail.example:25", "SMTP_URL"),
            ("--smtp-url smtp://h --mail-folder /m", "UMBEL_MAIL_FOLDER"),
            ("--keys /k --mac-key-file /m", "UMBEL_KEYS"),
            ("--mac-key-file /m", "UMBEL_TOKEN_KEY_FILES"),
        ] {
            let line = line.replace(" -1", "=-1");
            assert!(wrong(&line).contains(name), "{line}: {}", wrong(&line));
        }
        let message = wrong("--listen here --pool-size many --mail-from x");
        assert_eq!(message.matches("; ").count(), 2, "{message}");
    }

    #[test]
    fn an_empty_value_counts_as_none() {
        assert_eq!(read("--database-url= --smtp-url= --listen=").unwrap(), read("").unwrap());
    }

    #[test]
    fn secrets_are_shown_neither_by_debug_nor_by_errors() {
        assert!(!format!("{:?}", read(PRODUCTION).unwrap()).contains("hunter2"));
        for line in ["--database-url mysql://u:hunter2@x", "--smtp-url http://u:hunter2@x"] {
            assert!(!wrong(line).contains("hunter2"));
        }
    }

    #[test]
    fn the_help_names_the_variable_of_each_setting() {
        let help = <Cli as clap::CommandFactory>::command().render_long_help().to_string();
        for argument in <Cli as clap::CommandFactory>::command().get_arguments().filter(|one| one.get_id() != "help") {
            let variable = argument.get_env().and_then(std::ffi::OsStr::to_str).unwrap();
            assert!(help.contains(variable), "{variable}");
        }
    }
}
