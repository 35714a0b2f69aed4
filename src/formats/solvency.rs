//! The daily proof of solvency: what it says, the chain that it is a link of, and how anybody checks both.
//!
//! A chain is a file of JSON lines, the oldest first. Each line is canonical ([`canonical`]) and holds the body of a
//! proof, the hash of the proof before it (zeros before the first), and its own: SHA-256 over the 32 bytes of the
//! hash before and the bytes of the body. Nothing else is needed to check it.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::kernel::canonical::{self, NotCanonical};
use crate::kernel::ids::{ActivityId, EntityId};
use crate::kernel::merkle::{self, HASH_LEN, Neighbour, Node, Side};
use crate::kernel::money::{Currency, Minor, Money};

/// The hash before the first proof.
pub const GENESIS: [u8; HASH_LEN] = [0; HASH_LEN];
/// The components of what is owed that the tree over the activities commits to.
const OF_ACTIVITIES: [&str; 3] = ["available", "reserved", "advances_owed"];

/// A part of what is owed or held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// `available`, `reserved`, `advances_owed`, `payouts_in_transit`, `vat_output`, `supplier_payable`,
    /// `social_security_payable`, `withholding_payable`,
    /// `redemption_payable`, `bank_suspense`, `client_credits`; `bank`, `receivables`, `vat_input`, `vat_refund_due`, `activity_arrears`.
    pub component: String,
    /// How much, in minor units.
    #[schema(value_type = i64)]
    pub amount_minor: Minor,
    /// How many activities, invoices or accounts are behind it.
    pub accounts: i64,
}

/// What is owed to activities, as the root of a Merkle sum tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// How many activities something is owed to.
    pub count: i64,
    /// The hash of the root, in hexadecimal.
    pub root: String,
    /// The sum of the root, in minor units.
    #[schema(value_type = i64)]
    pub sum_minor: Minor,
}

/// Whose proof it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Prover {
    /// The entity.
    pub id: EntityId,
    /// Its number in the register of enterprises.
    pub enterprise_number: String,
    /// Its registered name.
    pub name: String,
}

/// The proof of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The form of this text.
    pub version: u8,
    /// Whose.
    pub entity: Prover,
    /// The books at the end of this day.
    pub day: NaiveDate,
    /// Of every amount.
    #[schema(value_type = String)]
    pub currency: Currency,
    /// What is owed, by component.
    pub owed: Vec<Component>,
    /// The sum of it.
    #[schema(value_type = i64)]
    pub owed_minor: Minor,
    /// What is held against it, by component.
    pub held: Vec<Component>,
    /// The sum of it.
    #[schema(value_type = i64)]
    pub held_minor: Minor,
    /// Held for each million owed, rounded down; null when nothing is owed.
    pub ratio_ppm: Option<i64>,
    /// The change of the ratio since the proof before; null when one of the two is null.
    pub trend_ppm: Option<i64>,
    /// What is owed to activities.
    pub activities: Commitment,
    /// The guarantee fund, which is on neither side.
    #[schema(value_type = i64)]
    pub guarantee_fund_minor: Minor,
    /// The last entry of the books that counts.
    pub through_entry: i64,
}

impl Proof {
    /// The bytes that are hashed.
    ///
    /// # Errors
    /// None for a proof, which has whole numbers only.
    pub fn canonical(&self) -> Result<String, NotCanonical> {
        canonical::write(&serde_json::to_value(self).map_err(|_never| NotCanonical)?)
    }
}

/// Held for each million owed, rounded down; none when nothing is owed or the figure has no meaning.
#[must_use]
pub fn ratio_ppm(held: Minor, owed: Minor) -> Option<i64> {
    if owed <= Minor::ZERO {
        return None;
    }
    let parts = i128::from(held.get()).checked_mul(1_000_000)?.checked_div_euclid(i128::from(owed.get()))?;
    i64::try_from(parts).ok()
}

/// The hash of a link: over the hash before it and its body.
#[must_use]
pub fn link_hash(before: &[u8; HASH_LEN], body: &str) -> [u8; HASH_LEN] {
    Sha256::new_with_prefix(before).chain_update(body.as_bytes()).finalize().into()
}

/// Bytes as hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// 64 small hex digits as a hash.
#[must_use]
pub fn unhex(text: &str) -> Option<[u8; HASH_LEN]> {
    let is_hex = text.len() == 2 * HASH_LEN && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    let bytes: Option<Vec<u8>> = is_hex.then(|| {
        text.as_bytes()
            .chunks(2)
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect()
    });
    bytes?.try_into().ok()
}

/// A line of a chain.
#[must_use]
pub fn line(body: &str, before: &[u8], hash: &[u8]) -> String {
    format!("{{\"body\":{body},\"prev_sha256\":\"{}\",\"sha256\":\"{}\"}}\n", hex(before), hex(hash))
}

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not a line of a chain, or not written canonically.
    Unreadable,
    /// The body is not a proof.
    NotAProof,
    /// The hash is not that of the body.
    Hash,
    /// It does not name the hash of the link before it.
    Link,
    /// It is not of the day after the link before it.
    Day,
    /// Components of what is owed do not sum to it.
    Owed,
    /// Components of what is held do not sum to it.
    Held,
    /// The tree commits to another sum than what is owed to activities.
    Commitment,
    /// The ratio is another.
    Ratio,
    /// The trend is another.
    Trend,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "the line is not canonical JSON with body, prev_sha256 and sha256",
            Self::NotAProof => "the body is not a proof of solvency",
            Self::Hash => "the hash is not that of the body: the body or a hash was changed",
            Self::Link => "the line does not name the hash of the line before it: a line was changed, removed or added",
            Self::Day => "the day does not follow the day before: a day is missing",
            Self::Owed => "the components of what is owed do not sum to it",
            Self::Held => "the components of what is held do not sum to it",
            Self::Commitment => "the tree over the activities commits to another sum than what is owed to them",
            Self::Ratio => "the ratio is not held divided by owed",
            Self::Trend => "the trend is not the difference of the ratios",
        })
    }
}

/// The first link of a chain that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct Broken {
    /// Its line, from one.
    pub line: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// A checked link: its proof and its hash.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What it says.
    pub proof: Proof,
    /// Its hash.
    pub sha256: [u8; HASH_LEN],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    body: Value,
    prev_sha256: String,
    sha256: String,
}

fn sum(parts: &[Component]) -> Option<Minor> {
    Minor::sum(parts.iter().map(|part| part.amount_minor)).ok()
}

/// Whether a proof is right in itself, and after the one before it.
fn judge(proof: &Proof, before: Option<&Checked>) -> Result<(), Fault> {
    if sum(&proof.owed) != Some(proof.owed_minor) {
        return Err(Fault::Owed);
    }
    if sum(&proof.held) != Some(proof.held_minor) {
        return Err(Fault::Held);
    }
    let to_activities = proof.owed.iter().filter(|part| OF_ACTIVITIES.contains(&part.component.as_str()));
    if Minor::sum(to_activities.map(|part| part.amount_minor)) != Ok(proof.activities.sum_minor) {
        return Err(Fault::Commitment);
    }
    if proof.ratio_ppm != ratio_ppm(proof.held_minor, proof.owed_minor) {
        return Err(Fault::Ratio);
    }
    if before.is_some_and(|before| before.proof.day.succ_opt() != Some(proof.day)) {
        return Err(Fault::Day);
    }
    if proof.trend_ppm != trend_ppm(proof.ratio_ppm, before.and_then(|before| before.proof.ratio_ppm)) {
        return Err(Fault::Trend);
    }
    Ok(())
}

/// The change of a ratio.
#[must_use]
pub fn trend_ppm(now: Option<i64>, before: Option<i64>) -> Option<i64> {
    now?.checked_sub(before?)
}

/// Checks a chain from its first line; it may hold the chains of several entities. Answers its links.
///
/// What it cannot see is a chain that was cut off at its end or written anew from its beginning: keep a hash of
/// yesterday and look for it among the links.
///
/// # Errors
/// The first line that does not hold, and why.
pub fn check_chain(text: &str) -> Result<Vec<Checked>, Broken> {
    let mut heads: BTreeMap<(Uuid, Currency), usize> = BTreeMap::new();
    let mut links: Vec<Checked> = Vec::new();
    for (index, text) in text.lines().enumerate() {
        let at = |fault| Broken { line: index.saturating_add(1), fault };
        let value = canonical::read(text).ok_or_else(|| at(Fault::Unreadable))?;
        let link: Link = serde_json::from_value(value).map_err(|_another_shape| at(Fault::Unreadable))?;
        let body = canonical::write(&link.body).map_err(|_fraction| at(Fault::Unreadable))?;
        let (before, hash) = (unhex(&link.prev_sha256), unhex(&link.sha256));
        let (Some(prev), Some(hash)) = (before, hash) else { return Err(at(Fault::Unreadable)) };
        if link_hash(&prev, &body) != hash {
            return Err(at(Fault::Hash));
        }
        let proof: Proof = serde_json::from_value(link.body).map_err(|_another_shape| at(Fault::NotAProof))?;
        let key = (proof.entity.id.0, proof.currency);
        let before = heads.get(&key).and_then(|head| links.get(*head));
        if prev != before.map_or(GENESIS, |before| before.sha256) {
            return Err(at(Fault::Link));
        }
        judge(&proof, before).map_err(at)?;
        heads.insert(key, links.len());
        links.push(Checked { proof, sha256: hash });
    }
    if links.is_empty() { Err(Broken { line: 1, fault: Fault::Unreadable }) } else { Ok(links) }
}

/// A node of the tree, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeView {
    /// The sum below it.
    pub sum: Money,
    /// Its hash, in hexadecimal.
    pub sha256: String,
}

/// A neighbour on the way to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NeighbourView {
    /// On which side.
    pub side: Side,
    /// What it is.
    pub node: NodeView,
}

/// How an activity is counted in a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Included {
    /// The activity.
    pub activity_id: ActivityId,
    /// What it is owed.
    pub owed: Money,
    /// The salt of its leaf, in hexadecimal: a secret between you and the mutual.
    pub salt: String,
    /// The way from its leaf to the root.
    pub path: Vec<NeighbourView>,
}

/// How your activities are counted in the proof of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// Whose proof.
    pub entity_id: EntityId,
    /// Of which day.
    pub day: NaiveDate,
    /// The hash of the proof in the chain, in hexadecimal.
    pub proof_sha256: String,
    /// The root that the proof commits to.
    pub root: NodeView,
    /// Your activities that something was owed to.
    pub activities: Vec<Included>,
}

/// What is wrong with an inclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotIncluded {
    /// Not the answer of the API.
    #[error("the file is not an inclusion in a proof of solvency")]
    Unreadable,
    /// The way does not lead to the root.
    #[error("the way of activity {0} does not lead to the root: its balance is not counted")]
    Elsewhere(ActivityId),
    /// The chain has no such proof, or it commits to another root.
    #[error("the chain has no proof with this hash, day and root")]
    NotInChain,
}

/// Checks that each activity leads to the root, and that the chain, if one is given, commits to that root.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_inclusion(text: &str, chain: Option<&[Checked]>) -> Result<Inclusion, NotIncluded> {
    let it: Inclusion = serde_json::from_str(text).map_err(|_another_shape| NotIncluded::Unreadable)?;
    let node = |view: &NodeView| Some(Node { sum: view.sum.amount_minor, hash: unhex(&view.sha256)? });
    let root = node(&it.root).ok_or(NotIncluded::Unreadable)?;
    for activity in &it.activities {
        let elsewhere = NotIncluded::Elsewhere(activity.activity_id);
        let salt = unhex(&activity.salt).ok_or(NotIncluded::Unreadable)?;
        let leaf =
            merkle::leaf(&salt, activity.activity_id.0, activity.owed.amount_minor).map_err(|_negative| elsewhere)?;
        let path: Option<Vec<Neighbour>> =
            activity.path.iter().map(|step| Some(Neighbour { side: step.side, node: node(&step.node)? })).collect();
        let top = merkle::climb(leaf, &path.ok_or(NotIncluded::Unreadable)?).map_err(|_negative| elsewhere)?;
        if top != root {
            return Err(elsewhere);
        }
    }
    let commits = |link: &Checked| {
        hex(&link.sha256) == it.proof_sha256
            && link.proof.day == it.day
            && link.proof.entity.id == it.entity_id
            && link.proof.activities.root == it.root.sha256
            && link.proof.activities.sum_minor == it.root.sum.amount_minor
    };
    if chain.is_some_and(|links| !links.iter().any(commits)) {
        return Err(NotIncluded::NotInChain);
    }
    Ok(it)
}

#[cfg(test)]
#[path = "solvency_tests.rs"]
mod tests;
