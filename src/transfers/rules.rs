//! How money is divided, and which of it carries an advance along.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::{NewRule, PartRow};
use crate::activities::collectives::Sharer;
use crate::kernel::ids::{InvoiceId, PersonId};
use crate::kernel::money::{Currency, Minor, Money, MoneyError, Ppm, split};
use crate::kernel::refusal::{Checks, Refusal};
use crate::named;

named! {
    /// By which key a collective divides its money.
    SplitKind {
        /// Shares that make up the whole.
        Percent = "percent",
        /// The same for everybody who shares it on the day.
        Equal = "equal",
        /// Amounts; the rest stays.
        Fixed = "fixed",
    }
}

/// What one member gets by a rule.
#[derive(Debug, Clone)]
pub struct Part {
    /// Who.
    pub member: PersonId,
    /// By percent: the share of the whole. `None` when it was not readable as one.
    pub share: Option<Ppm>,
    /// By fixed amounts: how much.
    pub amount: Option<Money>,
}

/// No single transfer is larger than what one bank file carries.
const AMOUNT_MAX: i64 = 99_999_999_999;
/// No collective has more parts.
const PARTS_MAX: usize = 200;

pub(super) fn check_amount(amount: Minor, checks: &mut Checks) {
    checks.require((1..=AMOUNT_MAX).contains(&amount.get()), "/amount/amount_minor", "out_of_range");
}

pub(super) fn check_reason(reason: &str, checks: &mut Checks) {
    checks.text(reason, "/reason", 0, 500);
}

/// Whether money may go to a receiver: without a current share, to oneself and as far as it is the receiver's already.
///
/// # Errors
/// 409 `share_not_current`.
pub(super) fn check_giver(is_current: bool, is_owed: bool, to_self: bool) -> Result<(), Refusal> {
    if is_current || is_owed || to_self { Ok(()) } else { Err(Refusal::state("share_not_current")) }
}

/// Whether a rule can be made: exact, of members who share the collective, from today on.
pub(super) fn check_rule(
    new: &NewRule,
    sharers: &[Sharer],
    currency: Currency,
    today: NaiveDate,
) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    let latest = today.checked_add_months(chrono::Months::new(60)).unwrap_or(today);
    checks.require(new.valid_from >= today && new.valid_from <= latest, "/valid_from", "out_of_range");
    checks.require(new.parts.len() <= PARTS_MAX, "/parts", "too_long");
    let mut seen = BTreeSet::new();
    for (index, part) in new.parts.iter().enumerate() {
        let is_sharer = sharers.iter().any(|sharer| sharer.member == part.member);
        checks.require(is_sharer, &format!("/parts/{index}/member_id"), "invalid");
        checks.require(seen.insert(part.member), &format!("/parts/{index}/member_id"), "not_unique");
        match new.kind {
            SplitKind::Percent => {
                let is_share = part.share.is_some_and(|share| share.0 > 0);
                checks.require(is_share, &format!("/parts/{index}/share"), "out_of_range");
                checks.require(part.amount.is_none(), &format!("/parts/{index}/amount"), "not_allowed");
            }
            SplitKind::Fixed => {
                let amount = part.amount.map_or(0, |amount| amount.amount_minor.get());
                let is_amount = (1..=AMOUNT_MAX).contains(&amount);
                checks.require(is_amount, &format!("/parts/{index}/amount"), "out_of_range");
                let is_ours = part.amount.is_none_or(|amount| amount.currency == currency);
                checks.require(is_ours, &format!("/parts/{index}/amount/currency"), "currency_mismatch");
                checks.require(part.share.is_none(), &format!("/parts/{index}/share"), "not_allowed");
            }
            SplitKind::Equal => {}
        }
    }
    let whole: i64 = new.parts.iter().filter_map(|part| part.share).fold(0, |sum, share| sum.saturating_add(share.0));
    match new.kind {
        SplitKind::Percent => checks.require(whole == Ppm::WHOLE, "/parts", "sum_not_exact"),
        SplitKind::Fixed => checks.require(!new.parts.is_empty(), "/parts", "required"),
        SplitKind::Equal => checks.require(new.parts.is_empty(), "/parts", "not_allowed"),
    }
    checks.done()
}

/// Who gets how much of `amount`, lowest member id first; shares of nothing are left out. By largest remainder, ties to
/// the lowest member id.
pub(super) fn divide(
    kind: SplitKind,
    parts: &[PartRow],
    sharers: &[Sharer],
    amount: Minor,
) -> Result<Vec<(PersonId, Minor)>, Refusal> {
    let overflow = |_error: MoneyError| Refusal::value("amount_invalid");
    let mut parts: Vec<&PartRow> = parts.iter().collect();
    parts.sort_by_key(|part| part.member_id);
    let members: Vec<PersonId> = parts.iter().map(|part| part.member_id).collect();
    let shares: Vec<(PersonId, Minor)> = match kind {
        SplitKind::Fixed => {
            let fixed: Vec<Minor> = parts.iter().map(|part| part.amount_minor.unwrap_or_default()).collect();
            let sum = Minor::sum(fixed.iter().copied()).map_err(overflow)?;
            if sum > amount {
                return Err(Refusal::state("split_exceeds_amount")
                    .with("fixed_minor", sum.get())
                    .with("amount_minor", amount.get()));
            }
            members.into_iter().zip(fixed).collect()
        }
        SplitKind::Percent => {
            let weights: Vec<u64> =
                parts.iter().map(|part| part.share_ppm.unwrap_or_default().unsigned_abs()).collect();
            members.into_iter().zip(split(amount, &weights).map_err(overflow)?).collect()
        }
        SplitKind::Equal => {
            let mut members: Vec<PersonId> = sharers.iter().map(|sharer| sharer.member).collect();
            members.sort_unstable();
            let weights = vec![1; members.len()];
            members.into_iter().zip(split(amount, &weights).map_err(overflow)?).collect()
        }
    };
    Ok(shares.into_iter().filter(|(_, share)| *share > Minor::ZERO).collect())
}

/// In which proportion members share a collective, lowest member id first: by the parts of its rule, without parts
/// equally.
pub(super) fn weights(parts: &[PartRow], sharers: &[Sharer]) -> Vec<(PersonId, u64)> {
    let weight = |part: &PartRow| part.share_ppm.or(part.amount_minor.map(Minor::get)).unwrap_or_default();
    let mut weights: Vec<(PersonId, u64)> = if parts.is_empty() {
        sharers.iter().map(|sharer| (sharer.member, 1)).collect()
    } else {
        parts.iter().map(|part| (part.member_id, weight(part).unsigned_abs())).collect()
    };
    weights.sort_unstable();
    weights
}

/// Which advances each of several amounts carries along when they leave an activity with `available` money: what is
/// cleared moves first, the rest takes advances, in proportion to the amounts and the oldest advance first.
///
/// `open` is what the activity holds of advances, oldest first.
pub(super) fn advances(
    available: Minor,
    open: &[(InvoiceId, Minor)],
    amounts: &[Minor],
) -> Result<Vec<Vec<(InvoiceId, Minor)>>, MoneyError> {
    let total = Minor::sum(amounts.iter().copied())?;
    let held = Minor::sum(open.iter().map(|(_, part)| *part))?;
    let cleared = available.minus(held)?.max(Minor::ZERO);
    let carried = total.minus(cleared)?.max(Minor::ZERO).min(held);
    if carried == Minor::ZERO {
        return Ok(vec![Vec::new(); amounts.len()]);
    }
    let weights: Vec<u64> = amounts.iter().map(|amount| amount.get().unsigned_abs()).collect();
    let mut open = open.iter().copied();
    let mut source = open.next();
    let mut all = Vec::with_capacity(amounts.len());
    for mut wanted in split(carried, &weights)? {
        let mut taken = Vec::new();
        while let Some((invoice, left)) = source.filter(|_| wanted > Minor::ZERO) {
            let part = wanted.min(left);
            taken.push((invoice, part));
            wanted = wanted.minus(part)?;
            let left = left.minus(part)?;
            source = if left == Minor::ZERO { open.next() } else { Some((invoice, left)) };
        }
        all.push(taken);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::SplitRuleId;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn person(id: u128) -> PersonId {
        PersonId(Uuid::from_u128(id))
    }

    fn sharers(n: u128) -> Vec<Sharer> {
        (1..=n).map(|id| Sharer { member: person(id), receives_on: None }).collect()
    }

    fn part(id: u128, share_ppm: Option<i64>, amount: Option<i64>) -> PartRow {
        PartRow {
            rule_id: SplitRuleId(Uuid::nil()),
            member_id: person(id),
            share_ppm,
            amount_minor: amount.map(Minor::new),
            currency: Currency::EUR,
        }
    }

    fn divided(kind: SplitKind, parts: &[PartRow], amount: i64) -> Vec<i64> {
        let shares = divide(kind, parts, &sharers(3), Minor::new(amount)).unwrap();
        shares.into_iter().map(|(_, share)| share.get()).collect()
    }

    #[test]
    fn a_split_follows_its_key_and_gives_missing_cents_to_the_lowest_member() {
        let percent = [part(3, Some(200_000), None), part(1, Some(500_000), None), part(2, Some(300_000), None)];
        assert_eq!(divided(SplitKind::Percent, &percent, 93_500), [46_750, 28_050, 18_700]);
        assert_eq!(divided(SplitKind::Equal, &[], 93_500), [31_167, 31_167, 31_166]);
        assert_eq!(divided(SplitKind::Equal, &[], 1), [1]);
        let fixed = [part(2, None, Some(10_000)), part(1, None, Some(20_000))];
        assert_eq!(divided(SplitKind::Fixed, &fixed, 93_500), [20_000, 10_000]);
        assert_eq!(divide(SplitKind::Fixed, &fixed, &[], Minor::new(29_999)).unwrap_err().code, "split_exceeds_amount");
    }

    #[test]
    fn without_a_current_share_money_goes_to_oneself_and_where_it_is_owed() {
        for (is_current, is_owed, to_self) in [(true, false, false), (false, true, false), (false, false, true)] {
            assert_eq!(check_giver(is_current, is_owed, to_self), Ok(()));
        }
        assert_eq!(check_giver(false, false, false).unwrap_err().code, "share_not_current");
    }

    #[test]
    fn members_share_a_collective_by_its_rule_and_equally_without_one() {
        let of =
            |parts: &[PartRow]| weights(parts, &sharers(2)).into_iter().map(|(_, weight)| weight).collect::<Vec<_>>();
        assert_eq!(of(&[part(2, Some(400_000), None), part(1, Some(600_000), None)]), [600_000, 400_000]);
        assert_eq!(of(&[part(1, None, Some(500)), part(2, None, Some(1_500))]), [500, 1_500]);
        assert_eq!(of(&[]), [1, 1]);
    }

    fn carried(available: i64, open: &[i64], amounts: &[i64]) -> Vec<Vec<i64>> {
        let open: Vec<_> =
            (1..).zip(open).map(|(id, part)| (InvoiceId(Uuid::from_u128(id)), Minor::new(*part))).collect();
        let amounts: Vec<_> = amounts.iter().copied().map(Minor::new).collect();
        let all = advances(Minor::new(available), &open, &amounts).unwrap();
        all.into_iter().map(|taken| taken.into_iter().map(|(_, part)| part.get()).collect()).collect()
    }

    #[test]
    fn cleared_money_moves_first_and_the_rest_takes_the_oldest_advances_along() {
        assert_eq!(carried(1_000, &[], &[1_000]), [vec![0; 0]]);
        assert_eq!(carried(1_925, &[925], &[1_000]), [vec![0; 0]]);
        assert_eq!(carried(1_925, &[925], &[1_001]), [vec![1]]);
        assert_eq!(carried(925, &[500, 425], &[600]), [vec![500, 100]]);
        assert_eq!(carried(500, &[925], &[500]), [vec![500]], "some of the advance was paid out");
        assert_eq!(carried(935, &[935], &[468, 280, 187]), [vec![468], vec![280], vec![187]]);
        assert_eq!(carried(300, &[100, 50], &[150, 100, 50]), [vec![75], vec![25, 25], vec![25]]);
    }

    #[test]
    fn a_rule_that_is_not_exact_names_what_is_wrong() {
        let today: NaiveDate = "2026-05-04".parse().unwrap();
        let eur = |minor| Some(Money::eur(Minor::new(minor)));
        let rule = |kind, day: &str, parts: Vec<(u128, Option<i64>, Option<Money>)>| {
            let parts =
                parts.into_iter().map(|(id, share, amount)| Part { member: person(id), share: share.map(Ppm), amount });
            let new = NewRule {
                id: SplitRuleId(Uuid::nil()),
                activity: crate::kernel::ids::ActivityId(Uuid::nil()),
                kind,
                valid_from: day.parse().unwrap(),
                parts: parts.collect(),
            };
            let wrong = check_rule(&new, &sharers(3), Currency::EUR, today).err();
            wrong.map_or(Vec::new(), |no| no.fields.into_iter().map(|field| field.pointer).collect())
        };
        let none: Vec<String> = Vec::new();
        let half = Some(500_000);
        assert_eq!(rule(SplitKind::Percent, "2026-05-04", vec![(1, half, None), (2, half, None)]), none);
        assert_eq!(rule(SplitKind::Equal, "2026-06-01", vec![]), none);
        assert_eq!(rule(SplitKind::Fixed, "2026-06-01", vec![(1, None, eur(5))]), none);
        assert_eq!(rule(SplitKind::Percent, "2026-05-04", vec![(1, half, None), (2, Some(499_999), None)]), ["/parts"]);
        assert_eq!(rule(SplitKind::Percent, "2026-05-04", vec![]), ["/parts"]);
        assert_eq!(rule(SplitKind::Percent, "2026-05-03", vec![(1, Some(1_000_000), None)]), ["/valid_from"]);
        assert_eq!(
            rule(SplitKind::Percent, "2026-05-04", vec![(1, half, None), (1, Some(0), eur(1)), (9, half, None)]),
            ["/parts/1/member_id", "/parts/1/share", "/parts/1/amount", "/parts/2/member_id"]
        );
        assert_eq!(
            rule(SplitKind::Fixed, "2026-05-04", vec![(1, half, eur(-1))]),
            ["/parts/0/amount", "/parts/0/share"]
        );
        assert_eq!(rule(SplitKind::Equal, "2026-05-04", vec![(1, None, None)]), ["/parts"]);
    }

    proptest! {
        #[test]
        fn advances_never_exceed_what_moves_nor_what_is_held(
            cleared in 0_i64..1_000, open in proptest::collection::vec(1_i64..1_000, 0..4),
            amounts in proptest::collection::vec(1_i64..500, 1..5), spent in 0_i64..500,
        ) {
            let held: i64 = open.iter().sum();
            let available = (cleared + held - spent).max(0);
            let all = carried(available, &open, &amounts);
            for (amount, taken) in amounts.iter().zip(&all) {
                prop_assert!(taken.iter().sum::<i64>() <= *amount);
            }
            let sum: i64 = all.iter().flatten().sum();
            let free = (available - held).max(0);
            prop_assert_eq!(sum, (amounts.iter().sum::<i64>() - free).max(0).min(held));
        }
    }
}
