//! Who holds what of an invoice: money keeps its origin when it moves, and what becomes of the invoice reaches all
//! who hold a part of it.

use super::store::{Held, Holding};
use crate::kernel::ids::ActivityId;
use crate::kernel::money::{Minor, MoneyError, split};

/// All who hold a part of an invoice, lowest activity id first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders(Vec<Holding>);

impl Holders {
    /// The holdings of one invoice, in any order.
    #[must_use]
    pub fn new(mut holdings: Vec<Holding>) -> Self {
        holdings.sort_by_key(|holding| holding.activity_id);
        Self(holdings)
    }

    /// What of the invoice waits, on all activities together.
    ///
    /// # Errors
    /// Refuses a sum out of range.
    pub fn pending_total(&self) -> Result<Minor, MoneyError> {
        Minor::sum(self.0.iter().map(|holding| holding.pending_minor))
    }

    /// What waits, by activity.
    #[must_use]
    pub fn pending(&self) -> Vec<Held> {
        self.parts(|holding| holding.pending_minor)
    }

    /// Advances that no client has covered, by activity.
    #[must_use]
    pub fn advanced(&self) -> Vec<Held> {
        self.parts(|holding| holding.advanced_minor)
    }

    /// Divides an amount over what waits, by largest remainder; ties go to the lowest activity id. Nobody gets more
    /// than waits for them as long as `amount` is not more than waits in total.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn divide(&self, amount: Minor) -> Result<Vec<Held>, MoneyError> {
        if amount == Minor::ZERO {
            return Ok(Vec::new());
        }
        let pending = self.pending();
        let weights: Vec<u64> = pending.iter().map(|held| held.amount.get().unsigned_abs()).collect();
        let parts = split(amount, &weights)?;
        let held = pending.into_iter().zip(parts).map(|(held, amount)| Held { amount, ..held });
        Ok(held.filter(|held| held.amount != Minor::ZERO).collect())
    }

    /// By how much each advance shrinks when `amount` of them is closed: first that of the activity whose invoice it is,
    /// then the others, lowest id first.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn close_advances(&self, amount: Minor, own: ActivityId) -> Result<Vec<Held>, MoneyError> {
        let (first, then): (Vec<_>, Vec<_>) = self.advanced().into_iter().partition(|held| held.activity == own);
        let mut left = amount;
        let mut closed = Vec::new();
        for held in first.into_iter().chain(then) {
            let part = held.amount.min(left);
            left = left.minus(part)?;
            closed.push(Held { amount: part, ..held });
        }
        closed.retain(|held| held.amount != Minor::ZERO);
        Ok(closed)
    }

    /// The same without what was taken from what waits.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn less(&self, taken: &[Held]) -> Result<Self, MoneyError> {
        let mut left = self.clone();
        for part in taken {
            if let Some(holding) = left.0.iter_mut().find(|holding| holding.activity_id == part.activity) {
                holding.pending_minor = holding.pending_minor.minus(part.amount)?;
            }
        }
        Ok(left)
    }

    fn parts(&self, part: impl Fn(&Holding) -> Minor) -> Vec<Held> {
        self.0
            .iter()
            .map(|holding| Held { activity: holding.activity_id, member: holding.member_id, amount: part(holding) })
            .filter(|held| held.amount != Minor::ZERO)
            .collect()
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use super::*;
    use crate::kernel::ids::PersonId;
    use proptest::prelude::*;
    use uuid::Uuid;

    #[test]
    fn an_advance_shrinks_where_its_invoice_is_before_it_shrinks_elsewhere() {
        let holding = |n: u128, advanced| Holding {
            activity_id: ActivityId(uuid::Uuid::from_u128(n)),
            member_id: PersonId(uuid::Uuid::from_u128(n)),
            pending_minor: Minor::ZERO,
            advanced_minor: Minor::new(advanced),
        };
        let holders = Holders::new(vec![holding(1, 300), holding(2, 500), holding(3, 0)]);
        let closed = |amount| {
            let own = ActivityId(uuid::Uuid::from_u128(2));
            let closed = holders.close_advances(Minor::new(amount), own).unwrap();
            closed.iter().map(|held| (held.activity.0.as_u128(), held.amount.get())).collect::<Vec<_>>()
        };
        assert_eq!(closed(400), [(2, 400)]);
        assert_eq!(closed(600), [(2, 500), (1, 100)]);
        assert_eq!(closed(800), [(2, 500), (1, 300)]);
        assert_eq!(closed(0), []);
    }

    fn holders(pending: &[i64]) -> Holders {
        let holding = |(id, pending): (u128, &i64)| Holding {
            activity_id: ActivityId(Uuid::from_u128(id)),
            member_id: PersonId(Uuid::nil()),
            pending_minor: Minor::new(*pending),
            advanced_minor: Minor::ZERO,
        };
        Holders::new((1..).zip(pending).map(holding).collect())
    }

    fn divided(pending: &[i64], amount: i64) -> Vec<i64> {
        holders(pending).divide(Minor::new(amount)).unwrap().into_iter().map(|held| held.amount.get()).collect()
    }

    #[test]
    fn a_payment_reaches_all_holders_in_proportion_and_ties_go_to_the_lowest_activity() {
        assert_eq!(divided(&[46_750, 28_050, 18_700], 93_500), [46_750, 28_050, 18_700]);
        assert_eq!(divided(&[31_167, 31_167, 31_166], 100), [34, 33, 33]);
        assert_eq!(divided(&[1, 1, 1], 1), [1]);
        assert_eq!(divided(&[92_500], 46_250), [46_250]);
        assert_eq!(divided(&[], 0), Vec::<i64>::new());
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_whole_and_nobody_gets_more_than_waits(
            pending in proptest::collection::vec(1_i64..1_000_000, 1..9), share in 0_i64..=1_000,
        ) {
            let all: i64 = pending.iter().sum();
            let amount = i64::try_from(i128::from(all) * i128::from(share) / 1_000).unwrap();
            let parts = holders(&pending).divide(Minor::new(amount)).unwrap();
            prop_assert_eq!(parts.iter().map(|held| held.amount.get()).sum::<i64>(), amount);
            for held in parts {
                let place = usize::try_from(held.activity.0.as_u128()).unwrap() - 1;
                prop_assert!(held.amount.get() <= pending[place]);
            }
        }
    }
}
