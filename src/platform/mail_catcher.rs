//! A small SMTP server for demonstrations and tests: it takes every mail, keeps it in memory, writes it to a folder
//! when asked, and misbehaves on purpose when told to. It listens on this machine only and never forwards anything.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The longest line of a command or of a mail (RFC 5321 allows 1000; a little patience costs nothing).
const LINE_MAX: u64 = 16 * 1024;
/// The largest mail, announced as `SIZE`.
const MAIL_MAX: usize = 25 * 1024 * 1024;
/// A client that says nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// A mail as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caught {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Headers and body, dots unstuffed, lines ended by CR LF.
    pub raw: Vec<u8>,
}

/// How to misbehave. The default is a server without faults.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Recipients that contain this are refused for good with 550.
    pub reject: Option<String>,
    /// The first attempt of each sender and recipient is put off with 451.
    pub greylist: bool,
    /// So many mails are kept but their reply is never sent: the line drops instead.
    pub drop_after_data: u32,
    /// Every reply comes this late.
    pub stall: Option<Duration>,
}

#[derive(Default)]
struct Shared {
    caught: Mutex<Vec<Caught>>,
    script: Mutex<Script>,
    seen: Mutex<BTreeSet<(String, String)>>,
    folder: Option<PathBuf>,
    stopped: AtomicBool,
}

/// A running catcher; it stops when dropped.
pub struct Catcher {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

/// A panic of one conversation must not take the others' mails along.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Catcher {
    /// Listens on the loopback address at `port`, or at a free one for 0; mails also go to `folder`, if there is one.
    ///
    /// # Errors
    /// Passes on that the port is taken or the folder cannot be made.
    pub fn start(port: u16, folder: Option<PathBuf>) -> io::Result<Self> {
        if let Some(folder) = &folder {
            fs::create_dir_all(folder)?;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { folder, ..Shared::default() });
        let theirs = Arc::clone(&shared);
        let listening = thread::Builder::new().name("mail-catcher".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                if theirs.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&theirs)) else { continue };
                // A line that breaks ends its conversation, which is all that can be done about it.
                thread::spawn(move || Conversation::new(&stream, &shared).and_then(Conversation::hold).ok());
            }
        })?;
        Ok(Self { address, shared, listening: Some(listening) })
    }

    /// The address for the settings: `smtp://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What has arrived so far, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<Caught> {
        lock(&self.shared.caught).clone()
    }

    /// Changes how to misbehave from now on.
    pub fn set_script(&self, script: Script) {
        *lock(&self.shared.script) = script;
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Accepting blocks: one last connection wakes it up to see that it is over.
        if TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok()
            && let Some(listening) = self.listening.take()
        {
            listening.join().ok();
        }
    }
}

/// One client on the line.
struct Conversation<'a> {
    lines: BufReader<&'a TcpStream>,
    out: &'a TcpStream,
    shared: &'a Shared,
    from: Option<String>,
    to: Vec<String>,
}

impl<'a> Conversation<'a> {
    fn new(stream: &'a TcpStream, shared: &'a Shared) -> io::Result<Self> {
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_nodelay(true)?;
        Ok(Self { lines: BufReader::new(stream), out: stream, shared, from: None, to: Vec::new() })
    }

    fn say(&mut self, reply: &str) -> io::Result<()> {
        let pause = lock(&self.shared.script).stall.unwrap_or_default();
        thread::sleep(pause);
        self.out.write_all(format!("{reply}\r\n").as_bytes())
    }

    /// The next line without its end; `None` when the client hung up.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        self.lines.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Ok(None);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    fn hold(mut self) -> io::Result<()> {
        self.say("220 umbel mail catcher")?;
        while let Some(line) = self.line()? {
            if self.shared.stopped.load(Ordering::SeqCst) {
                return self.say("421 closing");
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            let verb: String = line.chars().take_while(char::is_ascii_alphabetic).collect();
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.say(&format!("250-umbel\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {MAIL_MAX}"))?,
                "HELO" | "NOOP" => self.say("250 at your service")?,
                "MAIL" => {
                    (self.from, self.to) = (address(&line), Vec::new());
                    self.say(if self.from.is_some() { "250 sender noted" } else { "501 MAIL FROM:<address>" })?;
                }
                "RCPT" => self.rcpt(&line)?,
                "DATA" if self.to.is_empty() => self.say("503 recipients first")?,
                "DATA" => {
                    if !self.data()? {
                        return Ok(());
                    }
                }
                "RSET" => {
                    (self.from, self.to) = (None, Vec::new());
                    self.say("250 forgotten")?;
                }
                "QUIT" => return self.say("221 goodbye"),
                _ => self.say("502 not here")?,
            }
        }
        Ok(())
    }

    fn rcpt(&mut self, line: &str) -> io::Result<()> {
        let (Some(from), Some(to)) = (self.from.clone(), address(line)) else {
            return self.say("503 MAIL FROM:<address>, then RCPT TO:<address>");
        };
        let script = lock(&self.shared.script).clone();
        if script.reject.is_some_and(|pattern| to.contains(&pattern)) {
            return self.say("550 5.1.1 no such mailbox");
        }
        if script.greylist && lock(&self.shared.seen).insert((from, to.clone())) {
            return self.say("451 4.7.1 try again later");
        }
        self.to.push(to);
        self.say("250 recipient noted")
    }

    /// Takes the mail itself; false when the line was dropped on purpose.
    fn data(&mut self) -> io::Result<bool> {
        self.say("354 end with a dot")?;
        let mut raw = Vec::new();
        loop {
            let Some(line) = self.line()? else { return Ok(false) };
            if line == b"." {
                break;
            }
            // What is too large is read to its end and then refused: a client in the middle of it hears nothing.
            if raw.len() <= MAIL_MAX {
                raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                raw.extend_from_slice(b"\r\n");
            }
        }
        if raw.len() > MAIL_MAX {
            (self.from, self.to) = (None, Vec::new());
            return self.say("552 too large").map(|()| true);
        }
        let caught = Caught { from: self.from.take().unwrap_or_default(), to: std::mem::take(&mut self.to), raw };
        let place = {
            let mut all = lock(&self.shared.caught);
            all.push(caught.clone());
            all.len()
        };
        if let Some(folder) = &self.shared.folder {
            fs::write(folder.join(format!("{place:05}.eml")), &caught.raw)?;
        }
        let mut script = lock(&self.shared.script);
        if script.drop_after_data > 0 {
            script.drop_after_data -= 1;
            return Ok(false);
        }
        drop(script);
        self.say("250 kept").map(|()| true)
    }
}

/// The address between the angle brackets of `MAIL FROM:<a@b>` or `RCPT TO:<a@b>`.
fn address(line: &str) -> Option<String> {
    let (_verb, rest) = line.split_once('<')?;
    rest.split_once('>').map(|(address, _options)| address.to_owned())
}
