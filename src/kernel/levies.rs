//! What the mutual keeps of an invoice: its fee and the contribution to the guarantee fund.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use super::money::{Minor, MoneyError, Ppm};
use crate::named;

named! {
    /// What a levy is for.
    LevyKind {
        /// Pays for the mutual's services.
        Fee = "fee",
        /// Feeds the guarantee fund.
        Guarantee = "guarantee",
    }
}

/// A levy of a rule set: a flat share of the net amount invoiced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levy {
    /// What it is for.
    pub kind: LevyKind,
    /// Its rate.
    pub rate: Ppm,
}

/// A levy applied to one invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// What it is for.
    pub kind: LevyKind,
    /// What it was computed on.
    pub base: Minor,
    /// At which rate.
    pub rate: Ppm,
    /// What it came to, rounded half away from zero.
    pub amount: Minor,
}

/// Applies each levy to `net`. Levies that come to nothing are left out.
///
/// # Errors
/// Refuses amounts out of range.
pub fn charge(net: Minor, levies: &[Levy]) -> Result<Vec<Charge>, MoneyError> {
    let mut charges = Vec::with_capacity(levies.len());
    for levy in levies {
        let amount = net.share(levy.rate)?;
        if amount != Minor::ZERO {
            charges.push(Charge { kind: levy.kind, base: net, rate: levy.rate, amount });
        }
    }
    Ok(charges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_leaves_nine_hundred_and_twenty_five() {
        let levies =
            [Levy { kind: LevyKind::Fee, rate: Ppm(55_000) }, Levy { kind: LevyKind::Guarantee, rate: Ppm(20_000) }];
        let charges = charge(Minor::new(100_000), &levies).unwrap();
        let amounts: Vec<i64> = charges.iter().map(|charge| charge.amount.get()).collect();
        assert_eq!(amounts, [5_500, 2_000]);
    }
}
