//! Pay schemes: from a budget on an activity to what a person receives.
//!
//! One scheme so far: a plain transfer to somebody who is self-employed, who is paid the whole budget and settles
//! their own contributions. Salaried schemes will be further variants with their own components.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use super::money::{Minor, MoneyError};

/// How a payout becomes pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The whole budget, to somebody who is self-employed.
    PlainTransfer,
}

impl Scheme {
    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlainTransfer => "plain_transfer",
        }
    }
}

/// What a budget becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pay {
    /// Sent to the person.
    pub net: Minor,
    /// Cents that the scheme cannot use; they stay on the activity.
    pub residual: Minor,
}

/// Applies a scheme to a budget: `net + residual = budget`.
///
/// # Errors
/// Refuses amounts out of range.
pub fn apply(scheme: Scheme, budget: Minor) -> Result<Pay, MoneyError> {
    match scheme {
        Scheme::PlainTransfer => Ok(Pay { net: budget, residual: Minor::ZERO }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_transfer_pays_the_whole_budget() {
        let pay = apply(Scheme::PlainTransfer, Minor::new(92_500)).unwrap();
        assert_eq!((pay.net.get(), pay.residual.get()), (92_500, 0));
    }
}
