//! The port to a Peppol access point. A sixth kind of file: what stands behind it is outside the program.
//!
//! Whoever uses it has no transaction open. Both implementations know a document by the id of its delivery, which is
//! the same for every try.

mod file_drop;
mod http;

pub use file_drop::FileDrop;
pub use http::HttpAccessPoint;

use serde::Deserialize;

use crate::kernel::ids::DeliveryId;

/// The largest answer that is read, in bytes.
const ANSWER_MAX: u64 = 1024 * 1024;

/// What is to be handed over, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slip {
    /// The same for every try.
    pub key: DeliveryId,
    /// Who receives it, as in `0208:0123456749`.
    pub participant: String,
    /// The number of the document.
    pub number: String,
}

/// What became of a document, as the access point says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The access point has it.
    Deposited,
    /// The access point of the receiver has it.
    Delivered,
    /// The access point, the network or the receiver will not take it.
    Refused,
}

/// An answer about a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub outcome: Outcome,
    /// The name that the network gave it.
    pub reference: Option<String>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// The answer as it came, to be kept; empty for none.
    pub receipt: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It was certainly not handed over: trying again is safe.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have been handed over: only a person may decide to try again.
    #[error("not known whether it was sent: {0}")]
    Unknown(String),
}

/// A way into the network.
pub trait AccessPoint: Send + Sync {
    /// Hands a document over.
    ///
    /// # Errors
    /// Says whether it may have been handed over all the same.
    fn send(&self, slip: &Slip, xml: &[u8]) -> Result<Answer, NoAnswer>;

    /// Asks what became of a document; nothing when the access point does not know it. Never sends.
    ///
    /// # Errors
    /// The access point does not answer.
    fn ask(&self, slip: &Slip) -> Result<Option<Answer>, NoAnswer>;
}

#[derive(Deserialize)]
struct Written {
    state: Outcome,
    #[serde(default)]
    reference: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

/// An answer as both contracts write it: `{"state": "delivered", "reference": "…", "reason": "…"}`; more is let pass.
fn read_answer(bytes: Vec<u8>) -> Option<Answer> {
    let written: Written = serde_json::from_slice(&bytes).ok()?;
    let text = |text: Option<String>, most| text.map(|text| plain(&text, most)).filter(|text| !text.is_empty());
    let reason = text(written.reason, 2000);
    let reason = reason.or_else(|| (written.state == Outcome::Refused).then(|| "no reason was given".to_owned()));
    Some(Answer { outcome: written.state, reference: text(written.reference, 200), reason, receipt: bytes })
}

/// A text of strangers, cut and without control characters.
fn plain(text: &str, most: usize) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_strictly_where_it_decides_and_kept_as_it_came() {
        let read = |text: &str| read_answer(text.as_bytes().to_vec());
        let delivered = read(r#"{"state":"delivered","reference":" as4-1\u0000 ","more":1}"#).unwrap();
        assert_eq!((delivered.outcome, delivered.reference.as_deref()), (Outcome::Delivered, Some("as4-1")));
        let refused = read(r#"{"state":"refused"}"#).unwrap();
        assert_eq!(refused.reason.as_deref(), Some("no reason was given"));
        assert!(read(r#"{"state":"paid"}"#).is_none() && read("").is_none() && read("[]").is_none());
    }
}
