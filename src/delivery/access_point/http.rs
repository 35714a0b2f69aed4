//! An access point behind a small HTTP contract, described in `docs/ACCESS_POINT.md`.

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::{Agent, Timeout};

use super::{ANSWER_MAX, AccessPoint, Answer, NoAnswer, Outcome, Slip, plain, read_answer};
use crate::archive::sha256;

/// Shorter than the lease of a job, so that no second worker begins while the first still waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// The other side.
pub struct HttpAccessPoint {
    agent: Agent,
    url: String,
    token: Option<String>,
}

impl HttpAccessPoint {
    /// Speaks to `url`, with a bearer token if one is given.
    #[must_use]
    pub fn new(url: &str, token: Option<&str>) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            .user_agent("umbel")
            .build()
            .into();
        Self { agent, url: url.trim_end_matches('/').to_owned(), token: token.map(str::to_owned) }
    }

    fn authorization(&self) -> String {
        self.token.as_deref().map_or_else(String::new, |token| format!("Bearer {token}"))
    }
}

/// Whether nothing of the request can have arrived.
fn is_before_sending(error: &ureq::Error) -> bool {
    if let ureq::Error::Io(error) = error {
        return matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable
        );
    }
    matches!(
        error,
        ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::BadUri(_)
            | ureq::Error::Http(_)
            | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect)
    )
}

fn no_answer(error: &ureq::Error) -> NoAnswer {
    let text = plain(&error.to_string(), 500);
    if is_before_sending(error) { NoAnswer::NotSent(text) } else { NoAnswer::Unknown(text) }
}

impl AccessPoint for HttpAccessPoint {
    fn send(&self, slip: &Slip, xml: &[u8]) -> Result<Answer, NoAnswer> {
        let mut request = self
            .agent
            .post(format!("{}/documents", self.url))
            .header("Content-Type", "application/xml; charset=utf-8")
            .header("Accept", "application/json")
            .header("Idempotency-Key", slip.key.to_string())
            .header("Peppol-Participant", &slip.participant)
            .header("Document-Number", plain_header(&slip.number))
            .header("Content-Digest", format!("sha-256=:{}:", STANDARD.encode(sha256(xml))));
        if self.token.is_some() {
            request = request.header("Authorization", self.authorization());
        }
        let mut response = request.send(xml).map_err(|error| no_answer(&error))?;
        let status = response.status().as_u16();
        let bytes = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().unwrap_or_default();
        match status {
            200..=299 => Ok(read_answer(bytes.clone()).unwrap_or(Answer {
                outcome: Outcome::Deposited,
                reference: None,
                reason: None,
                receipt: bytes,
            })),
            // It says itself that it has not looked at the document: not now, or not from us.
            401 | 403 | 404 | 425 | 429 | 503 => Err(NoAnswer::NotSent(format!("the access point answered {status}"))),
            400 | 402 | 405..=407 | 410..=424 | 426..=428 | 430..=499 => {
                let answer = read_answer(bytes.clone()).filter(|answer| answer.outcome == Outcome::Refused);
                Ok(answer.unwrap_or(Answer {
                    outcome: Outcome::Refused,
                    reference: None,
                    reason: Some(format!("the access point answered {status}")),
                    receipt: bytes,
                }))
            }
            _ => Err(NoAnswer::Unknown(format!("the access point answered {status}"))),
        }
    }

    fn ask(&self, slip: &Slip) -> Result<Option<Answer>, NoAnswer> {
        let mut request = self.agent.get(format!("{}/documents/{}", self.url, slip.key));
        request = request.header("Accept", "application/json");
        if self.token.is_some() {
            request = request.header("Authorization", self.authorization());
        }
        let mut response = request.call().map_err(|error| NoAnswer::Unknown(plain(&error.to_string(), 500)))?;
        let status = response.status().as_u16();
        if status == 404 {
            return Ok(None);
        }
        let bytes = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().unwrap_or_default();
        match read_answer(bytes).filter(|_| status == 200) {
            Some(answer) => Ok(Some(answer)),
            None => Err(NoAnswer::Unknown(format!("the access point answered {status}"))),
        }
    }
}

/// A text that may stand in a header.
fn plain_header(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' }).collect()
}
