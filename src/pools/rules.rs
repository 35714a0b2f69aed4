//! What pools, keys and runs must be, and how an amount is divided.

use chrono::{Datelike, Days, NaiveDate};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{NewKey, NewPool, NewRun};
use crate::kernel::ids::ActivityId;
use crate::kernel::money::{Currency, Minor, MoneyError, Ppm, Quota, quotas, split};
use crate::kernel::refusal::{Checks, Refusal};
use crate::named;

/// A budget beyond this, in minor units, is a slip of the finger.
const AMOUNT_MAX: i64 = 99_999_999_999;
/// The longest period of one run, in days.
const DAYS_MAX: u64 = 1100;
/// Weights and quantities are counted in ten-thousandths.
const SCALE: i64 = 10_000;
/// A weight or a quantity beyond this is a slip of the finger.
const QUANTITY_MAX: i64 = 1_000_000_000;

named! {
    /// Where a pool stands.
    PoolState {
        /// Somebody proposes it.
        Proposed = "proposed",
        /// Decided: it takes costs.
        Open = "open",
        /// It takes no new costs; what is left is being divided.
        Closing = "closing",
        /// Its account is settled.
        Closed = "closed",
    }
}

named! {
    /// Where a run stands.
    RunState {
        /// In the books.
        Booked = "booked",
        /// Taken back by somebody else.
        Reversed = "reversed",
    }
}

named! {
    /// What a run divides.
    RunKind {
        /// Costs that are there.
        Costs = "costs",
        /// An instalment ahead of the costs, within the budget.
        Instalment = "instalment",
        /// What was collected too much, given back when the pool closes.
        Refund = "refund",
    }
}

named! {
    /// By what an amount is divided.
    PoolBasis {
        /// Each activity that was in on a day of the period counts once.
        Equal = "equal",
        /// What was invoiced in the period without VAT, on days in the pool; credit notes lower it.
        Turnover = "turnover",
        /// What was used in the period.
        Usage = "usage",
        /// Days of the period in the pool.
        DaysPresent = "days_present",
        /// Fixed weights.
        FixedShares = "fixed_shares",
        /// Seats of the contract, times days of the period.
        Seats = "seats",
        /// What was borne before: for giving back.
        Parts = "parts",
    }
}

named! {
    /// What happens when a pool closes and has collected more than it cost.
    Overfunding {
        /// Given back by what each activity bore.
        Refund = "refund",
        /// Kept by the mutual.
        Carry = "carry",
    }
}

named! {
    /// What happens when a pool closes and has collected less than it cost.
    Deficit {
        /// The rest is charged by a last run before it closes.
        ChargeNextRun = "charge_next_run",
        /// The mutual bears the rest.
        MutualBears = "mutual_bears",
    }
}

/// What may be done with a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolCommand {
    /// Somebody else than who proposed it puts the decision into force.
    Open,
    /// Take no new costs.
    StartClosing,
    /// Settle its account.
    Close,
    /// Divide costs.
    Allocate,
    /// Let activities in.
    Join,
}

pub(super) fn may(state: PoolState, command: PoolCommand) -> Result<(), Refusal> {
    use PoolState::{Closing, Open, Proposed};
    let (name, allowed): (_, &[PoolState]) = match command {
        PoolCommand::Open => ("open", &[Proposed]),
        PoolCommand::StartClosing => ("start_closing", &[Open]),
        PoolCommand::Close => ("close", &[Closing]),
        PoolCommand::Allocate => ("allocate", &[Open, Closing]),
        PoolCommand::Join => ("join", &[Proposed, Open]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    if matches!(command, PoolCommand::Allocate | PoolCommand::Join) {
        return Err(Refusal::state("pool_not_open").with("state", state));
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// What may be done with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunCommand {
    /// Take it back.
    Reverse,
}

pub(super) fn may_run(state: RunState, command: RunCommand) -> Result<(), Refusal> {
    use RunState::Booked;
    let (name, allowed): (_, &[RunState]) = match command {
        RunCommand::Reverse => ("reverse", &[Booked]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// Whether a day is one that people mean: a year before 2000 or after 2199 is a slip of the finger.
pub(super) fn is_sane(day: NaiveDate) -> bool {
    (2000..2200).contains(&day.year())
}

pub(super) fn check_pool(new: &NewPool, currency: Currency) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    checks.text(&new.name, "/name", 1, 140);
    checks.text(&new.purpose, "/purpose", 1, 2000);
    checks.text(&new.unit, "/unit", 0, 40);
    let budget = new.budget.amount_minor.get();
    checks.require((0..=AMOUNT_MAX).contains(&budget), "/budget/amount_minor", "out_of_range");
    checks.require(new.budget.currency == currency, "/budget/currency", "currency_mismatch");
    checks.done()
}

/// A plain decimal of at most four decimals above zero, in ten-thousandths.
pub(super) fn parse_weight(text: &str) -> Option<i64> {
    let is_plain = text.len() <= 20
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = Decimal::from_str_exact(text).ok().filter(|_| is_plain)?;
    let scaled = number.checked_mul(Decimal::from(SCALE))?;
    let whole = scaled.to_i64().filter(|_| scaled.fract().is_zero())?;
    (1..=QUANTITY_MAX.saturating_mul(SCALE)).contains(&whole).then_some(whole)
}

/// Ten-thousandths as the decimal that they came from.
pub(super) fn to_decimal(weight: i64) -> Decimal {
    Decimal::new(weight, 4).normalize()
}

/// A share of the whole, `"0.4"`, of at most six decimals and above zero.
fn parse_share(text: &str) -> Option<Ppm> {
    let is_plain = text.len() <= 16
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let rate: Decimal = text.parse().ok().filter(|_| is_plain)?;
    let ppm = rate.checked_mul(Decimal::from(Ppm::WHOLE))?;
    let whole = ppm.to_i64().filter(|_| ppm.fract().is_zero())?;
    (1..=Ppm::WHOLE).contains(&whole).then_some(Ppm(whole))
}

/// A key as it is kept: its parts, which are one whole together, and its fixed weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadKey {
    /// PoolBasis and share of the whole.
    pub parts: Vec<(PoolBasis, Ppm)>,
    /// Activity and weight in ten-thousandths.
    pub shares: Vec<(ActivityId, i64)>,
}

pub(super) fn read_key(new: &NewKey) -> Result<ReadKey, Refusal> {
    let mut checks = Checks::default();
    checks.text(&new.decision, "/decision", 1, 500);
    checks.require(is_sane(new.valid_from), "/valid_from", "out_of_range");
    if !(1..=2).contains(&new.parts.len()) {
        checks.refuse("/parts", if new.parts.is_empty() { "required" } else { "too_long" });
    }
    let mut parts: Vec<(PoolBasis, Ppm)> = Vec::with_capacity(new.parts.len());
    for (index, (basis, share)) in new.parts.iter().enumerate() {
        let is_known = parts.iter().any(|(before, _)| before == basis);
        checks.require(*basis != PoolBasis::Parts && !is_known, &format!("/parts/{index}/basis"), "not_allowed");
        if let Some(share) =
            checks.parse(parse_share(share).ok_or(()), &format!("/parts/{index}/share"), "out_of_range")
        {
            parts.push((*basis, share));
        }
    }
    let whole: i64 = parts.iter().fold(0, |sum, (_, share)| sum.saturating_add(share.0));
    let is_read = parts.len() == new.parts.len() && !parts.is_empty();
    checks.require(!is_read || whole == Ppm::WHOLE, "/parts", "split_not_exact");
    let is_fixed = parts.iter().any(|(basis, _)| *basis == PoolBasis::FixedShares);
    if is_read && is_fixed == new.shares.is_empty() {
        checks.refuse("/shares", if is_fixed { "required" } else { "not_allowed" });
    }
    let mut shares: Vec<(ActivityId, i64)> = Vec::with_capacity(new.shares.len());
    for (index, (activity, weight)) in new.shares.iter().enumerate() {
        let pointer = format!("/shares/{index}/weight");
        if let Some(weight) = checks.parse(parse_weight(weight).ok_or(()), &pointer, "out_of_range") {
            shares.push((*activity, weight));
        }
    }
    let mut known: Vec<ActivityId> = shares.iter().map(|(activity, _)| *activity).collect();
    known.sort_unstable();
    known.dedup();
    checks.require(known.len() == shares.len(), "/shares", "not_unique");
    checks.done()?;
    Ok(ReadKey { parts, shares })
}

/// Whether days from `day` on may still be changed: no run has divided them.
///
/// # Errors
/// 409 `pool_period_booked`.
pub(super) fn check_free(day: NaiveDate, booked_through: Option<NaiveDate>) -> Result<(), Refusal> {
    match booked_through {
        Some(through) if day <= through => Err(Refusal::state("pool_period_booked").with("through_on", through)),
        _ => Ok(()),
    }
}

pub(super) fn check_run(new: &NewRun, today: NaiveDate, currency: Currency) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    let longest = new.from.checked_add_days(Days::new(DAYS_MAX));
    // A month under way may be divided before it ends; further ahead a year would be a slip of the finger.
    let latest = today.checked_add_days(Days::new(31));
    checks.require(is_sane(new.from), "/from_on", "out_of_range");
    checks.require(
        new.to >= new.from && is_sane(new.to) && longest.is_some_and(|last| new.to < last),
        "/to_on",
        "out_of_range",
    );
    checks.require(
        new.kind == RunKind::Instalment || latest.is_some_and(|last| new.to <= last),
        "/to_on",
        "out_of_range",
    );
    checks.require(new.kind != RunKind::Refund, "/kind", "not_allowed");
    checks.require(new.kind != RunKind::Instalment || new.amount.is_some(), "/amount", "required");
    if let Some(amount) = new.amount {
        checks.require((1..=AMOUNT_MAX).contains(&amount.amount_minor.get()), "/amount/amount_minor", "out_of_range");
        checks.require(amount.currency == currency, "/amount/currency", "currency_mismatch");
    }
    checks.done()
}

/// What one activity bears of a split.
#[derive(Debug, Clone, Copy)]
pub struct DividedPart {
    /// The activity.
    pub activity: ActivityId,
    /// Its weight; usage and fixed shares in ten-thousandths.
    pub weight: i64,
    /// Its part, and how it came about.
    pub quota: Quota,
}

/// One division of one part of a key.
#[derive(Debug, Clone)]
pub struct DividedSplit {
    /// The how manieth part of the key.
    pub n: i16,
    /// By what.
    pub basis: PoolBasis,
    /// Its share of the whole.
    pub share: Ppm,
    /// What it divides.
    pub amount: Minor,
    /// The sum of all weights.
    pub weight_sum: i64,
    /// What each activity bears of it, by activity.
    pub parts: Vec<DividedPart>,
}

/// Divides an amount by weights, in the order of activities: ties go to the lowest.
///
/// # Errors
/// 409 `pool_weights_zero` when all of them are; 422 when a sum leaves its range.
pub(super) fn divide(
    (n, basis, share): (i16, PoolBasis, Ppm),
    amount: Minor,
    weights: &[(ActivityId, i64)],
) -> Result<DividedSplit, Refusal> {
    let plain: Vec<u64> = weights.iter().map(|(_, weight)| u64::try_from(*weight).unwrap_or_default()).collect();
    let out_of_range = || Refusal::value("amount_invalid");
    let whole = plain.iter().try_fold(0_u64, |sum, weight| sum.checked_add(*weight)).ok_or_else(out_of_range)?;
    let found = quotas(amount, &plain).map_err(|error| match error {
        MoneyError::NoWeight => Refusal::state("pool_weights_zero").with("basis", basis),
        MoneyError::Overflow | MoneyError::CurrencyMismatch => out_of_range(),
    })?;
    let parts = weights.iter().zip(found).map(|((activity, weight), quota)| DividedPart {
        activity: *activity,
        weight: (*weight).max(0),
        quota,
    });
    let weight_sum = i64::try_from(whole).map_err(|_too_large| out_of_range())?;
    Ok(DividedSplit { n, basis, share, amount, weight_sum, parts: parts.collect() })
}

/// The amounts of the parts of a key: the missing cent of a hybrid goes to the larger fraction, too.
///
/// # Errors
/// 422 when an amount leaves its range.
pub(super) fn amounts(total: Minor, parts: &[(PoolBasis, Ppm)]) -> Result<Vec<Minor>, Refusal> {
    let weights: Vec<u64> = parts.iter().map(|(_, share)| u64::try_from(share.0).unwrap_or_default()).collect();
    split(total, &weights).map_err(|_error| Refusal::value("amount_invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn key(parts: &[(PoolBasis, &str)], shares: &[(u128, &str)]) -> Result<ReadKey, Vec<(String, &'static str)>> {
        let new = NewKey {
            valid_from: NaiveDate::from_ymd_opt(2026, 5, 1).unwrap(),
            decision: "Assembly".to_owned(),
            parts: parts.iter().map(|(basis, share)| (*basis, (*share).to_owned())).collect(),
            shares: shares
                .iter()
                .map(|(id, weight)| (ActivityId(Uuid::from_u128(*id)), (*weight).to_owned()))
                .collect(),
        };
        read_key(&new).map_err(|refusal| refusal.fields.into_iter().map(|field| (field.pointer, field.code)).collect())
    }

    #[test]
    fn the_parts_of_a_key_are_one_whole() {
        assert!(key(&[(PoolBasis::Equal, "1")], &[]).is_ok());
        assert!(key(&[(PoolBasis::Equal, "0.4"), (PoolBasis::Turnover, "0.6")], &[]).is_ok());
        let refused = |parts: &[(PoolBasis, &str)], shares: &[(u128, &str)]| key(parts, shares).unwrap_err();
        let not_exact = vec![("/parts".to_owned(), "split_not_exact")];
        assert_eq!(refused(&[(PoolBasis::Equal, "0.4"), (PoolBasis::Turnover, "0.5")], &[]), not_exact);
        assert_eq!(refused(&[(PoolBasis::Equal, "0.9")], &[]), not_exact);
        assert_eq!(refused(&[], &[]), [("/parts".to_owned(), "required")]);
        assert_eq!(refused(&[(PoolBasis::Equal, "-1")], &[]), [("/parts/0/share".to_owned(), "out_of_range")]);
        assert_eq!(refused(&[(PoolBasis::Parts, "1")], &[]), [("/parts/0/basis".to_owned(), "not_allowed")]);
        assert_eq!(refused(&[(PoolBasis::FixedShares, "1")], &[]), [("/shares".to_owned(), "required")]);
        assert_eq!(refused(&[(PoolBasis::Equal, "1")], &[(1, "1")]), [("/shares".to_owned(), "not_allowed")]);
        assert_eq!(
            refused(&[(PoolBasis::FixedShares, "1")], &[(1, "0")]),
            [("/shares/0/weight".to_owned(), "out_of_range")]
        );
        let twice = refused(&[(PoolBasis::FixedShares, "1")], &[(1, "1"), (1, "2")]);
        assert_eq!(twice, [("/shares".to_owned(), "not_unique")]);
    }

    #[test]
    fn weights_have_four_decimals_and_are_above_zero() {
        let cases = [("1", Some(10_000)), ("0.0001", Some(1)), ("45", Some(450_000)), ("1.5", Some(15_000))];
        for (text, expected) in cases {
            assert_eq!(parse_weight(text), expected, "{text}");
        }
        for text in ["0", "-1", "1.00001", "1e3", "", ".5", "1.", "1000000000.1"] {
            assert_eq!(parse_weight(text), None, "{text}");
        }
        assert_eq!(to_decimal(15_000).to_string(), "1.5");
    }

    #[test]
    fn a_division_says_who_got_the_missing_cents() {
        let weights: Vec<(ActivityId, i64)> = [31, 31, 16]
            .iter()
            .enumerate()
            .map(|(index, days)| (ActivityId(Uuid::from_u128(u128::try_from(index).unwrap())), *days))
            .collect();
        let divided = divide((1, PoolBasis::DaysPresent, Ppm(Ppm::WHOLE)), Minor::new(90_000), &weights).unwrap();
        let parts: Vec<i64> = divided.parts.iter().map(|part| part.quota.part.get()).collect();
        assert_eq!((parts, divided.weight_sum), (vec![35_769, 35_769, 18_462], 78));
        let floors: Vec<i64> = divided.parts.iter().map(|part| part.quota.floor.get()).collect();
        assert_eq!(floors, [35_769, 35_769, 18_461]);
        let nobody: Vec<(ActivityId, i64)> = weights.iter().map(|(activity, _)| (*activity, 0)).collect();
        let refused = divide((1, PoolBasis::Usage, Ppm(Ppm::WHOLE)), Minor::new(1), &nobody).unwrap_err();
        assert_eq!(refused.code, "pool_weights_zero");
    }

    #[test]
    fn a_hybrid_is_two_amounts_that_sum() {
        let parts = [(PoolBasis::Equal, Ppm(400_000)), (PoolBasis::Turnover, Ppm(600_000))];
        let found: Vec<i64> = amounts(Minor::new(10_001), &parts).unwrap().into_iter().map(Minor::get).collect();
        assert_eq!(found, [4_000, 6_001]);
    }
}
