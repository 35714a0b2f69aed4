//! Whether the mutual can pay what it owes, for everybody to see and to check.
//!
//! Owns `solvency_proof` and `solvency_leaf`. Every day that is over is proven once: what is owed to members and
//! others against the bank and the receivables that clients confirmed, as canonical JSON, hashed and chained to the
//! proof of the day before. A Merkle sum tree commits to what is owed to each activity, so that each member can find
//! their own balance in the published sum. Beside it: the page of the guarantee fund, and what each member paid into
//! what is shared and drew out of it. Nothing here is ever changed: what comes late counts in the next proof.

pub mod http;
pub mod pages;
mod rules;
mod store;

use chrono::{Days, Months, NaiveDate};
pub use rules::{Fund, SolidarityKind};
pub use store::{ProofRow, SolidarityRow};

use crate::formats::solvency::{self as format, GENESIS, Included, Inclusion, NeighbourView, NodeView, Proof, Prover};
use crate::kernel::ids::{ActivityId, EntityId, PersonId, ProofId};
use crate::kernel::merkle::{self, HASH_LEN, Node};
use crate::kernel::money::{Currency, Minor, Money};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::{activities, charter, guarantee, members, outbox};

/// The work of a day, by its name in the calendar.
const JOB: &str = "solvency_proof";

/// The last entry of the books, once whoever is booking has ended: the line that a proof draws below the books.
///
/// It waits for them and nobody waits for it. In a transaction of its own, which reads the books as they are then.
///
/// # Errors
/// Fails with the database.
pub fn draw_line(tx: &mut Tx<'_>) -> Result<i64> {
    store::last_entry(tx)
}

/// The next day of an entity that is over and not proven yet.
///
/// # Errors
/// Fails with the database.
pub fn next_day(tx: &mut Tx<'_>, entity: EntityId, today: NaiveDate) -> Result<Option<NaiveDate>> {
    let last = store::last_day(tx, entity)?;
    let first = store::first_booked(tx, entity)?;
    Ok(rules::next_day(last, first, today))
}

/// Proves a day: one proof for each currency of the books, each chained to that of the day before.
///
/// # Errors
/// 409 when the day is proven already or the day before is not.
pub fn prove(tx: &mut Tx<'_>, keys: &Keys, entity: EntityId, day: NaiveDate, through: i64) -> Result<Vec<ProofId>> {
    let of = charter::entity(tx, entity)?;
    let mut made = Vec::new();
    for currency in store::currencies(tx, entity, through, day)? {
        let prover = Prover { id: of.id, enterprise_number: of.enterprise_number.clone(), name: of.name.clone() };
        made.push(prove_in(tx, keys, prover, currency, (day, through))?);
    }
    outbox::finish_run(tx, JOB, entity, day, made.len())?;
    Ok(made)
}

fn prove_in(
    tx: &mut Tx<'_>,
    keys: &Keys,
    entity: Prover,
    currency: Currency,
    (day, through): (NaiveDate, i64),
) -> Result<ProofId> {
    let (of, id): (_, ProofId) = (entity.id, tx.new_id());
    let components = store::components(tx, of, currency, through, day)?;
    let mut leaves = Vec::new();
    for owed in store::owed(tx, of, currency, through, day)? {
        leaves.push((rules::leaf(&salt(keys, id, owed.activity_id), owed.activity_id.0, owed.amount_minor)?, owed));
    }
    // By their hashes, which are salted: the place of a leaf says nothing about whose it is.
    leaves.sort_by_key(|(leaf, _)| leaf.hash);
    let (nodes, owed): (Vec<Node>, Vec<_>) = leaves.into_iter().unzip();
    let last = store::find_last(tx, of, currency)?;
    let proof = rules::proof(rules::Position {
        entity,
        day,
        currency,
        components,
        root: merkle::root(&nodes).map_err(Error::internal)?,
        leaves: nodes.len(),
        through_entry: through,
        ratio_before: last.as_ref().and_then(|last| last.ratio_ppm),
    })?;
    let body = proof.canonical().map_err(Error::internal)?;
    let before = last.and_then(|last| <[u8; HASH_LEN]>::try_from(last.sha256).ok()).unwrap_or(GENESIS);
    let new = store::NewProof {
        id,
        entity: of,
        currency,
        day,
        through_entry: through,
        owed: proof.owed_minor,
        held: proof.held_minor,
        ratio_ppm: proof.ratio_ppm,
        body: &body,
        before: &before,
        sha256: &format::link_hash(&before, &body),
        leaves: &rules::pack(&nodes),
    };
    store::insert(tx, &new, &owed)?;
    Ok(id)
}

/// The secret of a leaf: computed again whenever its member asks, and kept nowhere.
fn salt(keys: &Keys, proof: ProofId, activity: ActivityId) -> [u8; HASH_LEN] {
    let mut subject = proof.0.as_bytes().to_vec();
    subject.extend_from_slice(activity.0.as_bytes());
    keys.sign_link("solvency.leaf", &subject)
}

/// What a proof says.
///
/// # Errors
/// Fails only if the stored text were not a proof.
pub fn read(row: &ProofRow) -> Result<Proof> {
    Ok(serde_json::from_str(&row.body)?)
}

/// The newest proof of each entity and currency.
///
/// # Errors
/// Fails with the database.
pub fn latest(tx: &mut Tx<'_>, entity: Option<EntityId>) -> Result<Vec<ProofRow>> {
    store::list_latest(tx, entity)
}

/// Proofs, newest first, below a position.
///
/// # Errors
/// Fails with the database.
pub fn proofs(tx: &mut Tx<'_>, entity: Option<EntityId>, before: Option<i64>, limit: i64) -> Result<Vec<ProofRow>> {
    store::list(tx, entity, before, limit)
}

/// Links of the chain, oldest first, after a position.
///
/// # Errors
/// Fails with the database.
pub fn chain(tx: &mut Tx<'_>, entity: Option<EntityId>, after: i64, limit: i64) -> Result<Vec<ProofRow>> {
    store::list_chain(tx, entity, after, limit)
}

/// How the activities of whoever asks are counted in the proof of a day.
///
/// # Errors
/// 404 for a day without a proof, and for an activity of somebody else.
pub fn inclusion(
    tx: &mut Tx<'_>,
    keys: &Keys,
    day: NaiveDate,
    entity: Option<EntityId>,
    activity: Option<ActivityId>,
) -> Result<Inclusion> {
    let me = tx.person()?;
    if let Some(activity) = activity {
        let found = activities::activity(tx, activity)?;
        if found.member_id != me {
            return Err(Error::not_found());
        }
    }
    let proofs = store::list_day(tx, day, entity)?;
    let ids: Vec<ProofId> = proofs.iter().map(|proof| proof.id).collect();
    let own = store::list_own_leaves(tx, &ids, me)?;
    // Members belong to one entity; whoever has nothing in any proof sees the first.
    let chosen = own.iter().find(|leaf| activity.is_none_or(|id| id == leaf.activity_id)).map(|leaf| leaf.proof_id);
    let proof = match chosen {
        Some(id) => proofs.into_iter().find(|proof| proof.id == id),
        None => proofs.into_iter().next(),
    };
    let proof = proof.ok_or_else(Error::not_found)?;
    let nodes = rules::unpack(&store::find_leaves(tx, proof.id)?).map_err(Error::internal)?;
    let view = |node: &Node| NodeView {
        sum: Money { amount_minor: node.sum, currency: proof.currency },
        sha256: format::hex(&node.hash),
    };
    let mut included = Vec::new();
    for leaf in own.iter().filter(|leaf| leaf.proof_id == proof.id) {
        if activity.is_some_and(|id| id != leaf.activity_id) {
            continue;
        }
        let place = usize::try_from(leaf.n).map_err(Error::internal)?;
        let path = merkle::path(&nodes, place).map_err(Error::internal)?;
        included.push(Included {
            activity_id: leaf.activity_id,
            owed: Money { amount_minor: leaf.amount_minor, currency: proof.currency },
            salt: format::hex(&salt(keys, proof.id, leaf.activity_id)),
            path: path.iter().map(|step| NeighbourView { side: step.side, node: view(&step.node) }).collect(),
        });
    }
    Ok(Inclusion {
        entity_id: proof.entity_id,
        day,
        proof_sha256: format::hex(&proof.sha256),
        root: view(&merkle::root(&nodes).map_err(Error::internal)?),
        activities: included,
    })
}

/// The guarantee fund of an entity today, in sums that name nobody.
///
/// # Errors
/// 404 for an unknown entity.
pub fn fund(tx: &mut Tx<'_>, entity: EntityId, currency: Currency) -> Result<Fund> {
    let zone = charter::entity(tx, entity)?.zone();
    let today = tx.today(zone);
    let since = today.checked_sub_months(Months::new(12)).unwrap_or(today);
    let payouts_since = today.checked_sub_days(Days::new(rules::PAYOUT_DAYS.unsigned_abs())).unwrap_or(today);
    let figures = guarantee::figures(tx, entity, since)?;
    let exposures = store::exposures(tx, entity, currency, since, payouts_since)?;
    Ok(rules::fund(&figures, exposures)?)
}

/// What a member paid into what is shared in a year, and what they drew, line by line.
#[derive(Debug, Clone)]
pub struct Solidarity {
    /// Whose.
    pub member: PersonId,
    /// Of which year.
    pub year: i32,
    /// Of every amount.
    pub currency: Currency,
    /// Its lines, oldest first.
    pub lines: Vec<SolidarityRow>,
    /// The sum of each kind that occurs.
    pub sums: Vec<(SolidarityKind, Minor)>,
    /// Paid in all.
    pub paid: Minor,
    /// Drawn for good in all: advances are given back and do not count.
    pub drawn: Minor,
    /// What the mutual carried for the member: the sum of each advance times its days.
    pub carried_minor_days: i64,
}

/// The solidarity statement of a member for a year; this year when none is named.
///
/// # Errors
/// 404 for somebody else; 422 for a year that is none.
pub fn solidarity(tx: &mut Tx<'_>, member: PersonId, year: Option<i32>) -> Result<Solidarity> {
    use chrono::Datelike;
    let row = members::member(tx, member)?;
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let today = tx.today(zone);
    let year = year.unwrap_or_else(|| today.year());
    let out_of_range = || Error::field("/year", "out_of_range");
    if !(2000..=2999).contains(&year) {
        return Err(out_of_range());
    }
    let from = NaiveDate::from_ymd_opt(year, 1, 1).ok_or_else(out_of_range)?;
    let to = NaiveDate::from_ymd_opt(year, 12, 31).ok_or_else(out_of_range)?;
    let lines = store::list_solidarity(tx, member, from, to, today)?;
    let mut sums = Vec::new();
    let (mut paid, mut drawn) = (Minor::ZERO, Minor::ZERO);
    for kind in SolidarityKind::ALL.iter().copied() {
        let mut of_kind = lines.iter().filter(|line| line.kind == kind).map(|line| line.amount_minor).peekable();
        if of_kind.peek().is_none() {
            continue;
        }
        let sum = Minor::sum(of_kind)?;
        if kind.is_paid() {
            paid = paid.plus(sum)?;
        } else if kind != SolidarityKind::Advance {
            drawn = drawn.plus(sum)?;
        }
        sums.push((kind, sum));
    }
    let carried_minor_days = lines.iter().fold(0_i64, |sum, line| {
        let days = i64::from(line.days_carried.unwrap_or_default().max(0));
        sum.saturating_add(line.amount_minor.get().saturating_mul(days))
    });
    let currency = lines.first().map_or(Currency::EUR, |line| line.currency);
    Ok(Solidarity { member, year, currency, lines, sums, paid, drawn, carried_minor_days })
}
