//! What a proof says, and what the fund page and the solidarity statement make of their figures.

use chrono::{Days, NaiveDate};

use crate::formats::solvency::{Commitment, Component, Proof, Prover, ratio_ppm, trend_ppm};
use crate::guarantee::FundFigures;
use crate::kernel::merkle::{self, HASH_LEN, MerkleError, Node};
use crate::kernel::money::{Currency, Minor, MoneyError};
use crate::kernel::refusal::Refusal;
use crate::named;

/// How far back the first proof of an entity reaches: what is older was never promised a proof.
const FIRST_PROOF_BACK: Days = Days::new(31);
/// Over how many days payouts are averaged.
pub(super) const PAYOUT_DAYS: i64 = 90;

fn overflow(_error: MoneyError) -> Refusal {
    Refusal::value("amount_invalid")
}

/// The next day to prove: the one after the last proof, or the first day of the books. Only days that are over.
pub(super) fn next_day(
    last: Option<NaiveDate>,
    first_booked: Option<NaiveDate>,
    today: NaiveDate,
) -> Option<NaiveDate> {
    let begin = || {
        let oldest = today.checked_sub_days(FIRST_PROOF_BACK)?;
        first_booked.map(|day| day.max(oldest))
    };
    let day = match last {
        Some(last) => last.succ_opt(),
        None => begin(),
    };
    day.filter(|day| *day < today)
}

/// On which side a component counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Owed,
    Held,
    Fund,
}

impl Side {
    pub(super) fn read(name: &str) -> Option<Self> {
        match name {
            "owed" => Some(Self::Owed),
            "held" => Some(Self::Held),
            "fund" => Some(Self::Fund),
            _ => None,
        }
    }
}

/// What the books say on the day that is proven.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) entity: Prover,
    pub(super) day: NaiveDate,
    pub(super) currency: Currency,
    pub(super) components: Vec<(Side, Component)>,
    pub(super) root: Node,
    pub(super) leaves: usize,
    pub(super) through_entry: i64,
    pub(super) ratio_before: Option<i64>,
}

/// Writes the proof of a day.
pub(super) fn proof(it: Position) -> Result<Proof, Refusal> {
    let of = |side| {
        let parts = it.components.iter().filter(move |(on, _)| *on == side);
        parts.map(|(_, part)| part.clone()).collect::<Vec<_>>()
    };
    let sum = |parts: &[Component]| Minor::sum(parts.iter().map(|part| part.amount_minor)).map_err(overflow);
    let (owed, held) = (of(Side::Owed), of(Side::Held));
    let (owed_minor, held_minor) = (sum(&owed)?, sum(&held)?);
    let ratio = ratio_ppm(held_minor, owed_minor);
    Ok(Proof {
        version: 1,
        entity: it.entity,
        day: it.day,
        currency: it.currency,
        owed_minor,
        held_minor,
        ratio_ppm: ratio,
        trend_ppm: trend_ppm(ratio, it.ratio_before),
        activities: Commitment {
            count: i64::try_from(it.leaves).unwrap_or(i64::MAX),
            root: crate::formats::solvency::hex(&it.root.hash),
            sum_minor: it.root.sum,
        },
        guarantee_fund_minor: sum(&of(Side::Fund))?,
        through_entry: it.through_entry,
        owed,
        held,
    })
}

/// Leaves as they are kept: sum and hash of each.
pub(super) fn pack(leaves: &[Node]) -> Vec<u8> {
    leaves.iter().flat_map(|leaf| leaf.sum.get().to_be_bytes().into_iter().chain(leaf.hash)).collect()
}

/// Leaves as they were kept.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<Node>, MerkleError> {
    const SUM_LEN: usize = 8;
    let node = |chunk: &[u8]| {
        let (sum, hash) = chunk.split_first_chunk::<SUM_LEN>()?;
        Some(Node { sum: Minor::new(i64::from_be_bytes(*sum)), hash: hash.try_into().ok()? })
    };
    bytes.chunks(SUM_LEN.saturating_add(HASH_LEN)).map(|chunk| node(chunk).ok_or(MerkleError::NoLeaf)).collect()
}

/// The leaf of an activity.
pub(super) fn leaf(salt: &[u8; HASH_LEN], activity: uuid::Uuid, owed: Minor) -> Result<Node, Refusal> {
    merkle::leaf(salt, activity, owed).map_err(|_negative| Refusal::value("amount_invalid"))
}

/// What the fund is measured against.
#[derive(Debug, Clone)]
pub(super) struct Exposures {
    pub(super) covered_net: Minor,
    pub(super) largest: Vec<Minor>,
    pub(super) bank: Minor,
    pub(super) paid_out: Minor,
}

/// The guarantee fund, as everybody may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fund {
    /// What is in it.
    pub balance: Minor,
    /// What was advanced and clients have not paid yet.
    pub open_advances: Minor,
    /// For how many invoices.
    pub open_advance_count: i64,
    /// Drawn in the last twelve months.
    pub drawn: Minor,
    /// Invoiced without VAT under the guarantee in the last twelve months.
    pub covered_net: Minor,
    /// Drawn for each million invoiced; none when nothing was invoiced.
    pub loss_rate_ppm: Option<i64>,
    /// What the fund would bear for each of the three largest clients, if they failed; the largest first.
    pub largest_exposures: Vec<Minor>,
    /// The fund after all three have failed.
    pub after_three_failures: Minor,
    /// For how many days of average payouts the bank balance lasts; none when nothing was paid out.
    pub payout_days: Option<i64>,
}

pub(super) fn fund(figures: &FundFigures, it: Exposures) -> Result<Fund, Refusal> {
    let exposed = Minor::sum(it.largest.iter().copied()).map_err(overflow)?;
    let days = || {
        let whole = it.bank.get().checked_mul(PAYOUT_DAYS)?;
        (it.paid_out > Minor::ZERO).then(|| whole.checked_div(it.paid_out.get()))?
    };
    Ok(Fund {
        balance: figures.fund_minor,
        open_advances: figures.advances_minor,
        open_advance_count: figures.advance_count,
        loss_rate_ppm: ratio_ppm(figures.drawn_minor, it.covered_net),
        drawn: figures.drawn_minor,
        covered_net: it.covered_net,
        payout_days: days(),
        after_three_failures: figures.fund_minor.minus(exposed).map_err(overflow)?,
        largest_exposures: it.largest,
    })
}

named! {
    /// A kind of line in a solidarity statement.
    SolidarityKind {
        /// The fee of the mutual.
        Fee = "fee",
        /// A contribution to the guarantee fund.
        Contribution = "contribution",
        /// A part of a shared cost.
        PoolPart = "pool_part",
        /// Money that the guarantee advanced.
        Advance = "advance",
        /// A loss that the guarantee fund bore.
        Draw = "draw",
        /// A part of a surplus.
        Refund = "refund",
    }
}

impl SolidarityKind {
    /// Whether the member paid it; otherwise they drew it.
    #[must_use]
    pub const fn is_paid(self) -> bool {
        match self {
            Self::Fee | Self::Contribution | Self::PoolPart => true,
            Self::Advance | Self::Draw | Self::Refund => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_proven_one_after_the_other_once_they_are_over() {
        let day = |text: &str| Some(text.parse::<NaiveDate>().unwrap());
        let today = day("2026-05-10").unwrap();
        assert_eq!(next_day(None, None, today), None);
        assert_eq!(next_day(None, day("2026-05-10"), today), None, "a day is proven when it is over");
        assert_eq!(next_day(None, day("2026-05-04"), today), day("2026-05-04"));
        assert_eq!(next_day(None, day("2025-01-01"), today), day("2026-04-09"));
        assert_eq!(next_day(day("2026-05-04"), day("2026-05-01"), today), day("2026-05-05"), "after a downtime");
        assert_eq!(next_day(day("2026-05-09"), day("2026-05-01"), today), None);
    }

    #[test]
    fn leaves_are_kept_and_read_again() {
        let leaves: Vec<Node> =
            (1..4_u8).map(|n| Node { sum: Minor::new(i64::from(n) * 100), hash: [n; HASH_LEN] }).collect();
        assert_eq!(unpack(&pack(&leaves)).unwrap(), leaves);
        assert_eq!(unpack(&[]).unwrap(), []);
        assert!(unpack(&[1, 2, 3]).is_err());
    }

    #[test]
    fn the_fund_is_measured_against_its_three_largest_clients() {
        let minor = Minor::new;
        let figures = FundFigures {
            fund_minor: minor(400_000),
            contributed_minor: minor(100_000),
            drawn_minor: minor(93_500),
            returned_minor: Minor::ZERO,
            recovered_minor: Minor::ZERO,
            advances_minor: minor(92_500),
            advance_count: 1,
            claims_minor: Minor::ZERO,
            claim_count: 0,
            covered_count: 1,
            not_covered_count: 0,
        };
        let against = Exposures {
            covered_net: minor(5_000_000),
            largest: vec![minor(300_000), minor(200_000), minor(100_000)],
            bank: minor(1_000_000),
            paid_out: minor(900_000),
        };
        let seen = fund(&figures, against.clone()).unwrap();
        assert_eq!(seen.after_three_failures, minor(-200_000));
        assert_eq!((seen.loss_rate_ppm, seen.payout_days), (Some(18_700), Some(100)));
        let quiet = Exposures { covered_net: Minor::ZERO, paid_out: Minor::ZERO, ..against };
        let seen = fund(&figures, quiet).unwrap();
        assert_eq!((seen.loss_rate_ppm, seen.payout_days), (None, None));
    }
}
