//! The port through which mail leaves: an SMTP server, or a folder when none is configured.
//!
//! Sending blocks, so it belongs on a worker's thread. A mail is described completely by its [`Envelope`]: the same
//! envelope gives the same bytes, with the same Message-ID and Date, so that a repeat after a crash is recognisable
//! as one. Names, addresses and subjects are typed by lettre, and control characters in them are refused before.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, MultiPartKind, SinglePart};
use lettre::transport::smtp::{PoolConfig, SmtpTransport};
use lettre::{Address, Message, Transport};
use sha2::{Digest, Sha256};

use crate::kernel::language::Language;

/// How long one step of a conversation with the server may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections kept for reuse; the worker sends one mail at a time per thread.
const CONNECTIONS_MAX: u32 = 4;

/// Where mail goes and whom it is from.
#[derive(Clone)]
pub struct MailConfig {
    /// `smtps://user:password@host` (TLS), `smtp://user:password@host?tls=required` (STARTTLS), or `smtp://host:port`
    /// without a password, in the clear. `None`: into the folder.
    pub smtp_url: Option<String>,
    /// The sender: `Umbel <office@example.coop>`.
    pub from: String,
    /// Where mails are written as `.eml` when there is no server.
    pub folder: PathBuf,
}

/// One mail.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The address of the one recipient.
    pub to: String,
    /// Their name, for the header.
    pub to_name: Option<String>,
    /// The id of this mail for ever, `unique@domain`, with or without its angle brackets.
    pub message_id: String,
    /// One line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part, with the same words.
    pub html: String,
    /// File name, media type and bytes of each attachment.
    pub attachments: Vec<(String, String, Arc<[u8]>)>,
    /// Written by the program rather than by a person (RFC 3834), so that no absence reply comes back.
    pub auto_submitted: bool,
    /// The language of both parts.
    pub language: Language,
    /// The Date header: when the mail was first meant to leave.
    pub sent_at: DateTime<Utc>,
}

/// What became of a mail that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The server's last words, or the path of the file.
    pub receipt: String,
}

/// Why a mail was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Never to be tried again as it is: the server refused it for good (5xx), or the mail itself cannot be sent.
    #[error("refused for good{}: {text}", code.map(|code| format!(" ({code})")).unwrap_or_default())]
    Permanent {
        /// The reply code; none when the mail was refused before it reached a server.
        code: Option<u16>,
        /// The server's words, or what is wrong with the mail.
        text: String,
    },
    /// To be tried again later with the same Message-ID: 4xx, a lost line, a full disk. After a lost line nobody
    /// knows whether the server has it.
    #[error("not taken now{}: {text}", code.map(|code| format!(" ({code})")).unwrap_or_default())]
    Transient {
        /// The reply code, if there was one.
        code: Option<u16>,
        /// What happened.
        text: String,
    },
    /// The settings are wrong, or the server refuses our login: no mail will leave until somebody acts, and none is lost.
    #[error("mail settings: {0}")]
    Config(String),
}

/// The way out.
pub enum Mailer {
    /// An SMTP server.
    Smtp {
        /// Pooled connections.
        transport: SmtpTransport,
        /// The sender.
        from: Mailbox,
    },
    /// A folder of `.eml` files.
    Folder {
        /// Where.
        folder: PathBuf,
        /// The sender.
        from: Mailbox,
    },
}

impl Mailer {
    /// Opens the way out that the settings name. No connection is made yet.
    ///
    /// # Errors
    /// Refuses a sender that is no mailbox, an URL that cannot be read, and a password that would cross a network in
    /// the clear.
    pub fn new(config: &MailConfig) -> Result<Self, MailError> {
        let from: Mailbox =
            config.from.parse().map_err(|error| MailError::Config(format!("the sender `{}`: {error}", config.from)))?;
        let Some(url) = &config.smtp_url else {
            return Ok(Self::Folder { folder: config.folder.clone(), from });
        };
        // The URL holds a password: no message repeats it.
        if sends_password_in_the_clear(url) {
            let advice = "use smtps:// or add ?tls=required, or the password would be readable on the way";
            return Err(MailError::Config(advice.to_owned()));
        }
        let builder = SmtpTransport::from_url(url)
            .map_err(|error| MailError::Config(format!("the SMTP address cannot be read: {error}")))?;
        let pool = PoolConfig::new().max_size(CONNECTIONS_MAX).idle_timeout(Duration::from_mins(1));
        Ok(Self::Smtp { transport: builder.timeout(Some(PATIENCE)).pool_config(pool).build(), from })
    }

    /// Sends one mail, or says whether trying again can help.
    ///
    /// # Errors
    /// See [`MailError`].
    pub fn send(&self, envelope: &Envelope) -> Result<Sent, MailError> {
        match self {
            Self::Smtp { transport, from } => {
                let message = compose(envelope, from)?;
                let reply = transport.send(&message).map_err(|error| from_smtp(&error))?;
                Ok(Sent { receipt: format!("{} {}", reply.code(), reply.message().collect::<Vec<_>>().join(" ")) })
            }
            Self::Folder { folder, from } => {
                let message = compose(envelope, from)?;
                let path = folder.join(file_name(envelope));
                write_whole(folder, &path, &message.formatted())
                    .map_err(|error| MailError::Transient { code: None, text: error.to_string() })?;
                Ok(Sent { receipt: path.display().to_string() })
            }
        }
    }
}

/// A password in an URL without encryption, to a host that is not this machine.
fn sends_password_in_the_clear(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("smtp://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let Some((_login, host)) = authority.rsplit_once('@') else { return false };
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host).trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    !here && !rest.contains("tls=required")
}

/// What lettre's error means for the mail.
fn from_smtp(error: &lettre::transport::smtp::Error) -> MailError {
    let code = error.status().map(u16::from);
    let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    match code {
        // A refused login says nothing about this mail: giving it up would lose it for a wrong password.
        Some(530 | 534 | 535 | 538) => MailError::Config(format!("the server refuses the login: {text}")),
        Some(500..600) => MailError::Permanent { code, text },
        None if error.is_client() => MailError::Config(text),
        _ => MailError::Transient { code, text },
    }
}

/// Refuses characters that could end a header or turn its direction.
fn plain<'a>(what: &str, text: &'a str) -> Result<&'a str, MailError> {
    let hidden = |character: char| {
        character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.chars().any(hidden) {
        Err(unsendable(format!("the {what} contains a control character")))
    } else {
        Ok(text)
    }
}

fn unsendable(text: impl Into<String>) -> MailError {
    MailError::Permanent { code: None, text: text.into() }
}

/// Builds the message: alternative parts, then the attachments.
fn compose(envelope: &Envelope, from: &Mailbox) -> Result<Message, MailError> {
    let address: Address =
        plain("address", &envelope.to)?.parse().map_err(|error| unsendable(format!("the address: {error}")))?;
    if !envelope.to.is_ascii() {
        return Err(unsendable("the address has characters that not every server accepts"));
    }
    let name = envelope.to_name.as_deref().map(|name| plain("name", name)).transpose()?;
    let id = plain("message id", &envelope.message_id)?.trim_start_matches('<').trim_end_matches('>');
    let id_fits = id.split_once('@').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty());
    if !id_fits || !id.is_ascii() || id.contains([' ', '<', '>']) || id.len() > 200 {
        return Err(unsendable("the message id is not of the form unique@domain"));
    }
    let mut message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(name.map(str::to_owned), address))
        .subject(plain("subject", &envelope.subject)?)
        .message_id(Some(format!("<{id}>")))
        .date(SystemTime::from(envelope.sent_at))
        .header(ContentLanguage(envelope.language.tag().to_owned()));
    if envelope.auto_submitted {
        message = message.header(AutoSubmitted("auto-generated".to_owned()));
    }
    // Boundaries follow from the id: the same mail is the same bytes, and nobody who writes a text can guess one.
    let part = |kind, label: &str| MultiPart::builder().kind(kind).boundary(digest(&format!("{label} {id}"), 24));
    let words = part(MultiPartKind::Alternative, "words")
        .singlepart(SinglePart::plain(envelope.text.clone()))
        .singlepart(SinglePart::html(envelope.html.clone()));
    let body = if envelope.attachments.is_empty() {
        words
    } else {
        let whole = part(MultiPartKind::Mixed, "whole").multipart(words);
        envelope.attachments.iter().try_fold(whole, |whole, (name, media_type, bytes)| {
            let media_type = ContentType::parse(plain("media type", media_type)?)
                .map_err(|error| unsendable(format!("the media type: {error}")))?;
            let file = Attachment::new(plain("file name", name)?.to_owned());
            Ok(whole.singlepart(file.body(bytes.to_vec(), media_type)))
        })?
    };
    message.multipart(body).map_err(|error| unsendable(error.to_string()))
}

/// The first characters of a hash, in hex.
fn digest(text: &str, length: usize) -> String {
    let hash = Sha256::digest(text.as_bytes());
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).take(length).collect()
}

/// `<millis>-<slug>.eml`: sorted by time, readable, and the same file when the same mail is sent again.
fn file_name(envelope: &Envelope) -> String {
    let mut slug = String::new();
    for character in envelope.subject.chars().flat_map(char::to_lowercase).take(60) {
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let (millis, id) = (envelope.sent_at.timestamp_millis(), digest(&envelope.message_id, 8));
    format!("{millis}-{}-{id}.eml", slug.trim_matches('-'))
}

/// A reader of the folder never sees half a mail.
fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let draft = path.with_extension("tmp");
    let mut file = fs::File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

macro_rules! text_headers {
    ($($(#[$doc:meta])* $name:ident = $header:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        struct $name(String);

        impl Header for $name {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($header)
            }

            fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(text.to_owned()))
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    )+};
}

text_headers! {
    /// RFC 3834.
    AutoSubmitted = "Auto-Submitted";
    /// RFC 3282.
    ContentLanguage = "Content-Language";
}

#[cfg(test)]
mod tests;
