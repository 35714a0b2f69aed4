//! Generated splits of money, each checked for what a split promises.
//!
//! A split is by largest remainder, of parts in the order of their ids. What is checked of each:
//! - the parts sum to the whole, and none is a whole unit away from its quota;
//! - the order in which the parts were named does not matter;
//! - within a split, who weighs more never gets less; of equal weights none gets more than one unit more, and the first
//!   ids do. (That a larger total gives nobody less is *not* promised: no method that keeps to the quotas can.)
//! - a negative total mirrors the positive one;
//! - the same again gives the same bytes.

use std::time::Instant;

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use umbel::kernel::money::{Minor, split};

use super::{Report, ratio};
use crate::commands::Outcome;

/// How many are checked.
const SPLITS: usize = 1_000_000;
/// The same splits in every run of every build.
const SEED: u64 = 0x5eed_0f01_7a75_0b1e;

/// Checks a million splits.
pub fn measure(report: &Report) -> Outcome<()> {
    let began = Instant::now();
    let (parts, digest) = check(SPLITS)?;
    let seconds = ratio(u64::try_from(began.elapsed().as_millis())?, 1000);
    eprintln!("# the parts of all splits have the SHA-256 {digest}");
    report.figure("splits_checked", SPLITS.into(), "splits", 1)?;
    report.figure("splits_parts", parts.into(), "parts", 1)?;
    report.figure("splits_time", seconds, "s", 1)?;
    report.figure("splits_rate", ratio(Decimal::from(SPLITS), seconds), "splits/s", SPLITS)
}

/// Numbers that only look random (the splitmix64 generator of Steele, Lea and Flood).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From zero up to but without `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or_default()
    }
}

/// A total and what it is divided by: ids with weights, in the order in which they were named.
struct Case {
    total: Minor,
    named: Vec<(u64, u64)>,
}

impl Case {
    /// Small and large totals; few parts and many; weights that are equal, small, large, mixed and zero.
    fn generate(numbers: &mut Numbers) -> Outcome<Self> {
        let most = [100, 100_000, 1_000_000_000, 1_000_000_000_000, u64::try_from(Minor::LIMIT)?];
        let most = usize::try_from(numbers.below(5)).ok().and_then(|n| most.get(n)).copied().unwrap_or(1);
        let total = Minor::new(i64::try_from(numbers.below(most.saturating_add(1)))?);
        let count = [3, 8, 30, 100];
        let count = usize::try_from(numbers.below(4)).ok().and_then(|n| count.get(n)).copied().unwrap_or(1);
        let count = numbers.below(count).saturating_add(1);
        let kind = numbers.below(5);
        let same = numbers.below(1_000).saturating_add(1);
        let weight = |numbers: &mut Numbers| match kind {
            0 => same,
            1 => numbers.below(4),
            2 => numbers.below(1_000_000),
            3 => numbers.below(1 << 40),
            _ => [0, 1, same, 1_000_000_000].get(usize::try_from(numbers.below(4)).unwrap_or(0)).copied().unwrap_or(1),
        };
        let mut named: Vec<(u64, u64)> = Vec::new();
        for _ in 0..count {
            named.push((numbers.next(), weight(numbers)));
        }
        if named.iter().all(|(_, weight)| *weight == 0)
            && let Some(first) = named.first_mut()
        {
            first.1 = 1;
        }
        Ok(Self { total, named })
    }

    /// The parts by id.
    fn parts(&self, total: Minor) -> Outcome<Vec<(u64, u64, Minor)>> {
        let mut named = self.named.clone();
        named.sort_unstable();
        let weights: Vec<u64> = named.iter().map(|(_, weight)| *weight).collect();
        let parts = split(total, &weights)?;
        Ok(named.into_iter().zip(parts).map(|((id, weight), part)| (id, weight, part)).collect())
    }

    fn shuffle(&mut self, numbers: &mut Numbers) {
        for last in (1..self.named.len()).rev() {
            let other = usize::try_from(numbers.below(u64::try_from(last).unwrap_or(0).saturating_add(1)));
            self.named.swap(last, other.unwrap_or(last));
        }
    }

    fn fails<T>(&self, promise: &str) -> Outcome<T> {
        Err(format!("{promise}: {} by {:?}", self.total.get(), self.named).into())
    }

    /// Checks everything but the order. Answers the bytes of the parts.
    fn check(&self) -> Outcome<Vec<u8>> {
        let parts = self.parts(self.total)?;
        if Minor::sum(parts.iter().map(|(_, _, part)| *part))? != self.total {
            return self.fails("the parts do not sum to the whole");
        }
        let whole: i128 = self.named.iter().map(|(_, weight)| i128::from(*weight)).sum();
        let total = i128::from(self.total.get());
        let is_near = |weight: u64, part: Minor| {
            let taken = i128::from(part.get()).checked_mul(whole)?;
            let due = total.checked_mul(i128::from(weight))?;
            Some(taken.checked_sub(due)?.checked_abs()? < whole)
        };
        if !parts.iter().all(|(_, weight, part)| is_near(*weight, *part) == Some(true)) {
            return self.fails("a part is a whole unit away from its quota");
        }
        let mut sorted = parts.clone();
        sorted.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(&right.0)));
        let falls = |pair: &[(u64, u64, Minor)]| match pair {
            [(_, more, large), (_, less, small)] => {
                large >= small && (more != less || large.get().checked_sub(small.get()).is_some_and(|gap| gap <= 1))
            }
            _ => true,
        };
        if !sorted.windows(2).all(falls) {
            return self.fails("who weighs more gets less");
        }
        let mirrored = self.parts(self.total.negated()?)?;
        let is_mirror = |(one, other): (&(u64, u64, Minor), &(u64, u64, Minor))| one.2.negated() == Ok(other.2);
        if !parts.iter().zip(&mirrored).all(is_mirror) {
            return self.fails("a negative total does not mirror the positive one");
        }
        let bytes = bytes(&parts);
        if self::bytes(&self.parts(self.total)?) != bytes {
            return self.fails("the same again is not the same");
        }
        Ok(bytes)
    }
}

fn bytes(parts: &[(u64, u64, Minor)]) -> Vec<u8> {
    parts.iter().flat_map(|(id, _, part)| id.to_be_bytes().into_iter().chain(part.get().to_be_bytes())).collect()
}

/// Checks so many splits. Answers how many parts they had, and the SHA-256 over all of them.
fn check(splits: usize) -> Outcome<(usize, String)> {
    let mut numbers = Numbers(SEED);
    let mut digest = Sha256::new();
    let mut parts = 0_usize;
    for _ in 0..splits {
        let mut case = Case::generate(&mut numbers)?;
        let found = case.check()?;
        parts = parts.saturating_add(case.named.len());
        case.shuffle(&mut numbers);
        if bytes(&case.parts(case.total)?) != found {
            case.fails::<()>("the order of the parts matters")?;
        }
        digest.update(&found);
    }
    let digest: Vec<String> = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((parts, digest.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_thousand_splits_keep_what_a_split_promises_and_give_the_same_bytes_again() {
        let first = check(20_000).unwrap();
        assert!(first.0 > 200_000, "{} parts", first.0);
        assert_eq!(check(20_000).unwrap(), first);
    }
}
