//! One server over one folder: made, launched, recognised after a crash, stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::account::{self, Account};
use super::binaries::{self, Binaries};
use super::{ClusterError, Durability};

/// How long a server may take to answer: replaying the log after a crash of a busy one is the slow case.
const START_PATIENCE: Duration = Duration::from_mins(2);
/// How long a server that ends at once is tried again.
const SETTLING: Duration = Duration::from_secs(3);
/// How long a fast shutdown may take before the next signal.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(10);
/// A log beyond this size is put aside at the next start; one old one is kept.
const LOG_MAX: u64 = 16 * 1024 * 1024;

/// What is needed to run the server.
pub(super) struct Server {
    /// PostgreSQL's own folder.
    base: PathBuf,
    log: PathBuf,
    binaries: Binaries,
    account: Account,
}

/// A server process: ours, or one left by a program that was killed.
pub(super) enum Process {
    Child(Child),
    Orphan(Pid),
}

impl Server {
    /// Finds programs and account, and makes the folder if there is none yet.
    ///
    /// The folder is built beside and renamed, so that a build that was cut off leaves nothing that looks finished.
    pub fn prepare(data: &Path, durability: Durability) -> Result<Self, ClusterError> {
        let base = data.join("postgres");
        let made_by = fs::read_to_string(base.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
        let binaries = binaries::find(made_by)?;
        let account = Account::choose(&base)?;
        let server = Self { log: data.join("postgres.log"), base, binaries, account };
        if made_by.is_none() {
            server.initialise(data, durability)?;
        }
        account.give(&server.base).map_err(|source| ClusterError::folder(&server.base, source))?;
        Ok(server)
    }

    fn initialise(&self, data: &Path, durability: Durability) -> Result<(), ClusterError> {
        let building = data.join("postgres.new");
        let refused = |source| ClusterError::folder(&building, source);
        if building.exists() {
            fs::remove_dir_all(&building).map_err(refused)?;
        }
        fs::DirBuilder::new().mode(0o700).create(&building).map_err(refused)?;
        self.account.give(&building).map_err(refused)?;
        // Characters as in Unicode, order by code point: the order of an index must not change with a system update.
        let ctype = if cfg!(target_os = "macos") { "--lc-ctype=UTF-8" } else { "--lc-ctype=C.UTF-8" };
        let mut command = self.command(&building, "initdb").map_err(refused)?;
        command.args(["--username=postgres", "--auth=peer", "--encoding=UTF8", "--locale=C", ctype]);
        command.args(["--lc-messages=C", "--data-checksums", "--no-instructions"]);
        if durability == Durability::Unsynced {
            command.arg("--no-sync");
        }
        let output = command.output().map_err(refused)?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let line = complaint.lines().find(|line| line.contains("error:") || line.contains("FATAL"));
            let line = line.or_else(|| complaint.lines().last()).unwrap_or("no message");
            return Err(ClusterError::Initialise { complaint: line.to_owned() });
        }
        fs::rename(&building, &self.base).map_err(refused)?;
        File::open(data).and_then(|folder| folder.sync_all()).map_err(refused)
    }

    /// A command of the server's account over the folder `base`, with an environment of its own.
    ///
    /// Root's data folder is closed to that account, and often so is a folder above it. On Linux the server
    /// therefore gets `base` as an open file and calls it `/proc/self/fd/3`: no parent has to be opened to anybody.
    fn command(&self, base: &Path, program: &str) -> io::Result<Command> {
        let program = self.binaries.folder.join(program);
        let mut command = if self.account.switch && cfg!(target_os = "linux") {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", r#"exec "$@" 3<&0 </dev/null"#, "sh"]).arg(program).args(["-D", "/proc/self/fd/3"]);
            shell.stdin(File::open(base)?);
            shell
        } else {
            let mut direct = Command::new(program);
            direct.arg("-D").arg(base).stdin(Stdio::null());
            direct
        };
        if self.account.switch {
            command.gid(self.account.gid).uid(self.account.uid);
        }
        // Nothing of our environment (PGDATA, PGPORT, a locale, a secret) may reach the server.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
        Ok(command)
    }

    /// Has the server run and answer: adopts one left by a killed program, else launches one.
    pub fn run(&self, durability: Durability) -> Result<Process, ClusterError> {
        let began = Instant::now();
        loop {
            let mut process = match self.orphan() {
                Some(pid) => Process::Orphan(pid),
                None => self.launch(durability).map_err(|source| ClusterError::folder(&self.base, source))?,
            };
            while process.alive() && began.elapsed() < START_PATIENCE {
                if self.ready(process.pid()) {
                    return Ok(process);
                }
                thread::sleep(STEP);
            }
            // A second try helps when an orphan was just stopping, or when another one was just starting.
            if process.alive() || began.elapsed() > SETTLING {
                process.stop();
                return Err(ClusterError::Start { complaint: self.complaint(), log: self.log.clone() });
            }
            thread::sleep(STEP * 10);
        }
    }

    fn launch(&self, durability: Durability) -> io::Result<Process> {
        self.clear_wreck()?;
        self.write_settings(durability)?;
        if fs::metadata(&self.log).is_ok_and(|log| log.len() > LOG_MAX) {
            fs::rename(&self.log, self.log.with_extension("log.1"))?;
        }
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.log)?;
        let mut command = self.command(&self.base, "postgres")?;
        // A group of its own: Ctrl-C in the terminal is for us, and we stop the server when we are done with it.
        let child = command.process_group(0).stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Process::Child(child))
    }

    /// Writes all settings anew at each start, so that an old folder follows a new program.
    fn write_settings(&self, durability: Durability) -> io::Result<()> {
        let own = account::own_name().map_err(|error| io::Error::other(error.to_string()))?;
        let quick = match durability {
            Durability::Synced => "",
            Durability::Unsynced => {
                "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nwal_level = minimal\nmax_wal_senders = 0\nautovacuum = off\n"
            }
        };
        let local = if self.base.join("local.conf").exists() { "include = 'local.conf'\n" } else { "" };
        // After a crash the server flushes its whole folder first: one call instead of one for each of 1,300 files.
        let flush = if cfg!(target_os = "linux") { "recovery_init_sync_method = syncfs\n" } else { "" };
        self.write(
            "postgresql.conf",
            &format!(
                "# Written by umbel at each start. Put your own settings into local.conf beside this file.\n\
                 listen_addresses = ''\nunix_socket_directories = '.'\nunix_socket_permissions = 0700\n\
                 port = 5432\nmax_connections = 100\ndynamic_shared_memory_type = posix\n\
                 lc_messages = 'C'\ntimezone = 'UTC'\nlog_timezone = 'UTC'\ndatestyle = 'iso, ymd'\n\
                 jit = off\nlog_checkpoints = off\nlog_line_prefix = '%m [%p] %q%u@%d '\n{flush}{quick}{local}"
            ),
        )?;
        // The kernel vouches for who is behind the socket; there is no password to leak.
        self.write("pg_hba.conf", "local all all peer map=umbel\n")?;
        let own = own.replace('"', "\"\"");
        let roles = ["postgres", super::OWNER, super::LOGIN];
        self.write("pg_ident.conf", &roles.map(|role| format!("umbel \"{own}\" {role}\n")).concat())
    }

    /// Replaces a file of the folder. Never writes through what is there: the folder is not root's, so a link in
    /// it could lead anywhere.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let path = self.base.join(name);
        remove(&path)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        if self.account.switch {
            fchown(&file, Some(self.account.uid), Some(self.account.gid))?;
        }
        file.write_all(text.as_bytes())
    }

    /// The server that a killed program left running over this folder, if there is one.
    fn orphan(&self) -> Option<Pid> {
        self.status().map(|(pid, _)| pid).filter(|pid| self.serves_here(*pid))
    }

    /// Whether a process is a server over our folder: its id in a file may meanwhile be somebody else's.
    fn serves_here(&self, pid: Pid) -> bool {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        if folder.exists() {
            // A dead process that nobody collected has no working folder left.
            return fs::read_link(folder.join("cwd")).is_ok_and(|cwd| cwd == self.base)
                && fs::read_to_string(folder.join("comm")).is_ok_and(|name| name.starts_with("postgres"));
        }
        let named = Command::new("ps").args(["-o", "stat=,command=", "-p", &pid.to_string()]).output();
        named.is_ok_and(|output| {
            let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            line.contains("postgres") && !line.starts_with('Z')
        })
    }

    /// Removes what a killed server left. We hold the folder's lock and no server is at its head any more.
    fn clear_wreck(&self) -> io::Result<()> {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
            // A busy back end notices only at its next pause that its parent is gone; until then it could write.
            if let Some(pid) = pid.filter(|pid| self.serves_here(*pid)) {
                kill_process(pid, Signal::KILL)?;
            }
        }
        // PostgreSQL keeps away as long as any process has the id in these files, be it a stranger's or that of a
        // dead server which nobody has collected yet.
        ["postmaster.pid", ".s.PGSQL.5432.lock", ".s.PGSQL.5432"]
            .iter()
            .try_for_each(|name| remove(&self.base.join(name)))
    }

    fn ready(&self, pid: Option<Pid>) -> bool {
        self.status().is_some_and(|(writer, ready)| ready && Some(writer) == pid)
    }

    /// The head of `postmaster.pid`: who wrote it, and whether it takes connections (line 8, as `pg_ctl` reads it).
    fn status(&self) -> Option<(Pid, bool)> {
        let text = fs::read_to_string(self.base.join("postmaster.pid")).ok()?;
        let mut lines = text.lines();
        let pid = Pid::from_raw(lines.next()?.trim().parse().ok()?)?;
        Some((pid, lines.nth(6).is_some_and(|line| line.trim() == "ready")))
    }

    /// The last fatal line of the log, without its time stamp.
    fn complaint(&self) -> String {
        let tail = || -> io::Result<String> {
            let mut file = File::open(&self.log)?;
            let start = file.metadata()?.len().saturating_sub(8_192);
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let tail = tail().unwrap_or_default();
        let line = tail.lines().rev().find_map(|line| line.find("FATAL").and_then(|at| line.get(at..)));
        line.or_else(|| tail.lines().last()).unwrap_or("it wrote nothing into its log").to_owned()
    }
}

impl Process {
    fn pid(&self) -> Option<Pid> {
        match self {
            Self::Child(child) => i32::try_from(child.id()).ok().and_then(Pid::from_raw),
            Self::Orphan(pid) => Some(*pid),
        }
    }

    /// Whether the process still runs.
    pub fn alive(&mut self) -> bool {
        match self {
            Self::Child(child) => matches!(child.try_wait(), Ok(None)),
            Self::Orphan(pid) => test_kill_process(*pid).is_ok() && !is_zombie(*pid),
        }
    }

    /// Stops it: sessions are cut and rolled back, the state is written out. Harder when that takes too long.
    pub fn stop(&mut self) {
        let steps = [(Signal::INT, STOP_PATIENCE), (Signal::QUIT, Duration::from_secs(5)), (Signal::KILL, STEP * 100)];
        for (signal, patience) in steps {
            if !self.alive() {
                return;
            }
            if let Some(pid) = self.pid() {
                // It may have ended since; the loop below finds out.
                let _ = kill_process(pid, signal);
            }
            let until = Instant::now() + patience;
            while self.alive() && Instant::now() < until {
                thread::sleep(STEP);
            }
        }
    }
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether a process has ended and only waits to be collected, which in a container may never happen.
fn is_zombie(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
}
