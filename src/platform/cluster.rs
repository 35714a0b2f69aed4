//! A PostgreSQL of our own, in a data folder, for whoever has not set up one.
//!
//! It runs the installed server programs over `DATA/postgres`, reachable only by a socket inside that folder, and
//! ends with the program. The operating system vouches for the user behind the socket: no port, no password.
//! A program that is killed leaves its server running; the next one adopts it. A server that is killed is started
//! again by the program, and clients meanwhile see refused connections.
//!
//! Absent on purpose: downloads of server programs (they fail offline and are nobody's security update), upgrades
//! between major versions (`pg_upgrade` is for people), and access over the network: set `DATABASE_URL` for those.

mod account;
mod binaries;
mod server;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, ConnectionError, PgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};

use server::{Process, Server};

/// The role that owns the database and runs the migrations.
const OWNER: &str = "umbel_owner";
/// The role that the running service signs in as; it becomes `umbel_app` and can become nothing else.
const LOGIN: &str = "umbel_login";
/// The shortest limit for the path of a socket among our systems (macOS: 104 bytes with the closing zero).
const SOCKET_PATH_MAX: usize = 103;
/// How often the keeper looks whether the server still runs.
const WATCH: Duration = Duration::from_millis(100);

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No server programs anywhere.
    #[error(
        "no PostgreSQL server programs (initdb, postgres) found: install them (Debian, Ubuntu: apt-get install \
         postgresql; Fedora: dnf install postgresql-server postgresql-contrib; macOS: brew install postgresql@17) or set DATABASE_URL"
    )]
    NoServer,
    /// Only versions that are too old.
    #[error("PostgreSQL {major} is too old: install version {} or newer, or set DATABASE_URL", binaries::OLDEST)]
    TooOld {
        /// The newest one found.
        major: u32,
    },
    /// The folder was made by a version that is not installed.
    #[error(
        "the data folder was made by PostgreSQL {major}, which is not installed: install postgresql-{major}, or move \
         the data with pg_upgrade"
    )]
    OtherVersion {
        /// The version that made it.
        major: u32,
    },
    /// Another program has the folder.
    #[error("{} is in use by another umbel (process {holder}): stop that one, or choose another folder with --data", data.display())]
    Busy {
        /// The data folder.
        data: PathBuf,
        /// The process id of the other program.
        holder: String,
    },
    /// Nothing to join.
    #[error("no umbel is running over {}", data.display())]
    NotRunning {
        /// The data folder.
        data: PathBuf,
    },
    /// Root needs somebody else to run the server.
    #[error("PostgreSQL does not run as root, and there is neither an account `postgres` nor `nobody` to run it as")]
    NoAccount,
    /// PostgreSQL wants a name for each user.
    #[error("the user with id {uid} has no name on this machine, which PostgreSQL needs: add it to /etc/passwd")]
    NamelessUser {
        /// The user id of this program.
        uid: u32,
    },
    /// The folder cannot be used.
    #[error("cannot use {}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("initdb could not make the database folder: {complaint}")]
    Initialise {
        /// What it said.
        complaint: String,
    },
    /// The server ended at once or never answered.
    #[error("PostgreSQL did not start: {complaint} (more in {})", log.display())]
    Start {
        /// Its last fatal line.
        complaint: String,
        /// The whole log.
        log: PathBuf,
    },
    /// The server runs and refuses us.
    #[error("cannot connect to our own PostgreSQL")]
    Connect(#[from] ConnectionError),
    /// The role or the database could not be made.
    #[error("cannot make the roles or the database")]
    SetUp(#[from] diesel::result::Error),
}

impl ClusterError {
    fn folder(path: &Path, source: io::Error) -> Self {
        Self::Folder { path: path.to_owned(), source }
    }
}

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// What was committed survives a power cut.
    Synced,
    /// What was committed survives a crash of the program or the server, not of the machine. For tests.
    Unsynced,
}

/// A running private PostgreSQL. Dropping it stops the server.
#[derive(Debug)]
pub struct Cluster {
    socket: PathBuf,
    /// Nothing when the server is another program's.
    keeper: Option<Keeper>,
    /// The guard that ends a server for tests even when the tests are killed.
    watcher: Option<Child>,
}

impl Cluster {
    /// Starts the server of a data folder, which is made (mode 0700) when it is not there.
    ///
    /// Refuses when another program has the folder, when no fitting server programs are installed, and when the
    /// server does not come up; each in one line that says what to do.
    pub fn start(data: &Path) -> Result<Self, ClusterError> {
        Self::start_with(data, Durability::Synced)
    }

    /// Starts a server in a new temporary folder; both end with the program, even when it is killed.
    pub fn start_ephemeral(durability: Durability) -> Result<Self, ClusterError> {
        let folder = temporary_folder()?;
        // First, so that no moment is left in which a kill would leave something behind.
        let watcher = watch(&folder).map_err(|source| ClusterError::folder(&folder, source))?;
        let mut cluster = Self::start_with(&folder, durability)?;
        cluster.watcher = Some(watcher);
        Ok(cluster)
    }

    /// Uses the server that another program runs over the folder: for commands beside a running service.
    ///
    /// Refuses when there is none. The server ends with the other program.
    pub fn join(data: &Path) -> Result<Self, ClusterError> {
        let not_running = || ClusterError::NotRunning { data: data.to_owned() };
        let folder = data.canonicalize().map_err(|_gone| not_running())?;
        let lock = File::open(folder.join("umbel.lock")).map_err(|_gone| not_running())?;
        if lock.try_lock_shared().is_ok() {
            return Err(not_running());
        }
        let socket = socket_folder(&folder.join("postgres"))?;
        PgConnection::establish(&url(&socket, "postgres", "postgres"))?;
        Ok(Self { socket, keeper: None, watcher: None })
    }

    fn start_with(data: &Path, durability: Durability) -> Result<Self, ClusterError> {
        let refused = |source| ClusterError::folder(data, source);
        // Keys lie in here too: closed to everybody else from the first moment.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(refused)?;
        let data = data.canonicalize().map_err(refused)?;
        let lock = take_lock(&data)?;
        open_for_server(&data)?;
        let server = Server::prepare(&data, durability)?;
        let mut process = server.run(durability)?;
        let socket = socket_folder(&data.join("postgres"))?;
        if let Err(error) = set_up(&socket) {
            process.stop();
            return Err(error);
        }
        let keeper =
            Keeper::start(server, process, durability, lock).map_err(|source| ClusterError::folder(&data, source))?;
        Ok(Self { socket, keeper: Some(keeper), watcher: None })
    }

    /// Where the owner of the database connects (libpq): for migrations, not for the service.
    pub fn owner_url(&self) -> String {
        url(&self.socket, "umbel", OWNER)
    }

    /// Where the service connects (libpq). The role may do nothing until the migrations have granted it something.
    pub fn login_url(&self) -> String {
        url(&self.socket, "umbel", LOGIN)
    }

    /// Stops the server and waits for it: sessions are cut and rolled back, the state is written out.
    pub fn stop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.stop();
            if self.socket.is_symlink() {
                // The next start makes the short way to the socket again.
                let _ = fs::remove_file(&self.socket);
            }
        }
        if let Some(mut watcher) = self.watcher.take() {
            // It wakes when its input closes, and removes the folder.
            drop(watcher.stdin.take());
            let _ = watcher.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The thread that starts the server again when it is killed, and stops it at the end.
#[derive(Debug)]
struct Keeper {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Keeper {
    fn start(server: Server, process: Process, durability: Durability, lock: File) -> io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let shared = Arc::clone(&stop);
        let thread = thread::Builder::new().name("postgres-keeper".to_owned()).spawn(move || {
            keep(&server, process, durability, &shared);
            // Only now may another program have the folder.
            drop(lock);
        })?;
        Ok(Self { stop, thread })
    }

    fn stop(self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if self.thread.join().is_err() {
            tracing::error!("the keeper of the database ended early");
        }
    }
}

fn keep(server: &Server, mut process: Process, durability: Durability, stop: &(Mutex<bool>, Condvar)) {
    let mut pause = WATCH;
    loop {
        let guard = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) =
            stop.1.wait_timeout_while(guard, pause, |stop| !*stop).unwrap_or_else(PoisonError::into_inner);
        if *stopped {
            break;
        }
        drop(stopped);
        if process.alive() {
            continue;
        }
        tracing::warn!("the database server ended; starting it again");
        match server.run(durability) {
            Ok(again) => (process, pause) = (again, WATCH),
            Err(error) => {
                pause = (pause * 2).min(Duration::from_secs(5));
                tracing::error!(error = %error, "the database server does not come back; trying again");
            }
        }
    }
    process.stop();
}

/// Takes the folder for this program. The lock goes with the process, so a killed one leaves none.
fn take_lock(data: &Path) -> Result<File, ClusterError> {
    let path = data.join("umbel.lock");
    let refused = |source| ClusterError::folder(&path, source);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(refused)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            Err(ClusterError::Busy { data: data.to_owned(), holder })
        }
        Err(TryLockError::Error(source)) => Err(refused(source)),
    }
}

/// Lets root's server account pass through the data folder where it cannot be handed the inner folder directly.
fn open_for_server(data: &Path) -> Result<(), ClusterError> {
    if cfg!(target_os = "linux") || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    fs::set_permissions(data, fs::Permissions::from_mode(0o711)).map_err(|source| ClusterError::folder(data, source))
}

/// Makes the roles and the database, unless they are there. Cut off at any point, the next start goes on.
fn set_up(socket: &Path) -> Result<(), ClusterError> {
    let mut connection = PgConnection::establish(&url(socket, "postgres", "postgres"))?;
    // The migrations grant to the group role; tests and restore drills make databases.
    for (role, attributes, then) in [
        (OWNER, "LOGIN CREATEROLE CREATEDB", ""),
        ("umbel_app", "NOLOGIN", "; GRANT umbel_app TO umbel_owner WITH ADMIN OPTION"),
        (LOGIN, "LOGIN NOINHERIT", "; GRANT umbel_app TO umbel_login"),
    ] {
        let known = diesel::sql_query(format!("SELECT 1 FROM pg_roles WHERE rolname = '{role}'"));
        if known.execute(&mut connection)? == 0 {
            // One message is one transaction: no role without what belongs to it.
            connection.batch_execute(&format!("CREATE ROLE {role} {attributes}{then}"))?;
        }
    }
    let known = diesel::sql_query("SELECT 1 FROM pg_database WHERE datname = 'umbel'");
    if known.execute(&mut connection)? == 0 {
        diesel::sql_query("CREATE DATABASE umbel OWNER umbel_owner").execute(&mut connection)?;
    }
    Ok(())
}

/// The folder by which clients reach the socket: the server's own, or a short link to it.
///
/// A path to a socket holds about a hundred bytes, and libpq takes a comma for the start of a second host.
fn socket_folder(base: &Path) -> Result<PathBuf, ClusterError> {
    let usable = |folder: &Path| {
        let path = folder.join(".s.PGSQL.5432");
        path.as_os_str().len() <= SOCKET_PATH_MAX && path.to_str().is_some_and(|text| !text.contains(','))
    };
    if usable(base) {
        return Ok(base.to_owned());
    }
    let digest = Sha256::digest(base.as_os_str().as_encoded_bytes());
    let name = digest.iter().take(6).fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
    let own = rustix::process::geteuid().as_raw();
    for parent in [std::env::temp_dir(), PathBuf::from("/tmp")] {
        let link = parent.join(format!("umbel-{own}-{name}"));
        if !usable(&link) {
            continue;
        }
        match symlink(base, &link) {
            Ok(()) => return Ok(link),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => continue,
            Err(_) => {}
        }
        // Only a link of our own is followed: in a shared folder somebody else may have put one of that name.
        let ours = fs::symlink_metadata(&link).is_ok_and(|found| found.uid() == own);
        if ours && fs::read_link(&link).is_ok_and(|target| target == base) {
            return Ok(link);
        }
    }
    let source = io::Error::other("its path is too long for a socket, and no short link to it could be made");
    Err(ClusterError::folder(base, source))
}

fn url(socket: &Path, database: &str, role: &str) -> String {
    let mut host = String::new();
    for &byte in socket.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            host.push(char::from(byte));
        } else {
            host = format!("{host}%{byte:02X}");
        }
    }
    format!("postgres:///{database}?host={host}&port=5432&user={role}")
}

/// A program that comes with the newest installed server, such as `pgbench`.
pub fn program(name: &str) -> Result<PathBuf, ClusterError> {
    Ok(binaries::find(None)?.folder.join(name))
}

fn temporary_folder() -> Result<PathBuf, ClusterError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let parent = std::env::temp_dir();
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("umbel-test-{}-{count}", std::process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(ClusterError::Folder { path: folder, source }),
        }
    }
}

/// Starts a guard that waits for the end of its input, which comes however we end, then clears everything away.
fn watch(folder: &Path) -> io::Result<Child> {
    const SCRIPT: &str = r#"cat >/dev/null
        pid=$(head -n 1 "$1/postgres/postmaster.pid" 2>/dev/null) && kill -INT "$pid" && n=0 &&
            while [ -e "$1/postgres/postmaster.pid" ] && [ "$n" -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
        rm -rf -- "$1""#;
    use std::os::unix::process::CommandExt;
    Command::new("/bin/sh")
        .args(["-c", SCRIPT, "sh"])
        .arg(folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_socket_is_escaped_in_the_address() {
        assert_eq!(
            url(Path::new("/srv/my data/é"), "umbel", OWNER),
            "postgres:///umbel?host=%2Fsrv%2Fmy%20data%2F%C3%A9&port=5432&user=umbel_owner"
        );
    }

    #[test]
    fn a_long_path_or_one_with_a_comma_is_reached_by_a_short_link_of_our_own() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(socket_folder(folder.path()).unwrap(), folder.path());
        for name in ["x".repeat(100), "a,b".to_owned()] {
            let base = folder.path().join(name);
            fs::create_dir(&base).unwrap();
            let link = socket_folder(&base).unwrap();
            assert!(link.as_os_str().len() < 60, "{}", link.display());
            assert_eq!(link.canonicalize().unwrap(), base.canonicalize().unwrap());
            assert_eq!(socket_folder(&base).unwrap(), link, "and the second time by the same");
            fs::remove_file(&link).unwrap();
            symlink("/etc", &link).unwrap();
            assert!(socket_folder(&base).is_err(), "a link to elsewhere is not followed");
            fs::remove_file(link).unwrap();
        }
    }

    #[test]
    fn one_folder_is_for_one_program() {
        let folder = tempfile::tempdir().unwrap();
        let first = take_lock(folder.path()).unwrap();
        let refusal = take_lock(folder.path()).unwrap_err().to_string();
        assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
        drop(first);
        take_lock(folder.path()).unwrap();
    }
}
