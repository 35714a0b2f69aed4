//! What has to be invoiced so that a wanted amount is left.

use super::{Charge, ExemptPart, Standing, Term, apply};
use crate::kernel::money::{Minor, MoneyError, Ppm};

/// An invoice amount and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrossUp {
    /// The net amount to invoice: the smallest that leaves what is wanted.
    pub net: Minor,
    /// What the mutual keeps of it.
    pub charges: Vec<Charge>,
    /// What is left.
    pub left: Minor,
}

/// What is left of `net`.
fn left_of(net: Minor, terms: &[(Term, Standing)]) -> Result<(Minor, Vec<Charge>), MoneyError> {
    let charges = terms.iter().map(|(term, standing)| apply(term, net, standing)).collect::<Result<Vec<_>, _>>()?;
    let kept = Minor::sum(charges.iter().map(|charge| charge.amount))?;
    Ok((net.minus(kept)?, charges))
}

/// What is left of `net` before any rounding, in millionths of a minor unit. It never falls when `net` grows.
pub(super) fn exact_left(net: Minor, terms: &[(Term, Standing)]) -> Result<i128, MoneyError> {
    let mut left = i128::from(net.get()).checked_mul(i128::from(Ppm::WHOLE)).ok_or(MoneyError::Overflow)?;
    for (term, standing) in terms {
        if term.exemption(ExemptPart::All).is_some() {
            continue;
        }
        let before = match term.levy.running {
            None => Minor::ZERO,
            Some(super::Running::YearToDate) => standing.year_base,
            Some(super::Running::Lifetime) => standing.lifetime_base,
        };
        let mut charge = term
            .levy
            .exact_total(before.plus(net)?)?
            .checked_sub(term.levy.exact_total(before)?)
            .ok_or(MoneyError::Overflow)?;
        if let Some(cap) = term.levy.cap_minor {
            let rest = i128::from(cap.minus(standing.year_amount)?.max(Minor::ZERO).get());
            charge = charge.min(rest.checked_mul(i128::from(Ppm::WHOLE)).ok_or(MoneyError::Overflow)?);
        }
        left = left.checked_sub(charge).ok_or(MoneyError::Overflow)?;
    }
    Ok(left)
}

/// The smallest amount of which at least `wanted` is left, both before and after rounding, so that no levy eats into it
/// and none is spared by a lucky rounding: 787.00 / 0.91 is 864.84, by ceiling. None when no amount leaves that much.
///
/// Without rounding, what is left never falls as the amount grows, and so can be searched by halves. From there each
/// unit that rounding still takes is a step: one unit more of the amount leaves at most one more, so none skips an answer.
///
/// # Errors
/// Refuses amounts out of range.
pub fn gross_up(wanted: Minor, terms: &[(Term, Standing)]) -> Result<Option<GrossUp>, MoneyError> {
    let target = i128::from(wanted.get()).checked_mul(i128::from(Ppm::WHOLE)).ok_or(MoneyError::Overflow)?;
    let (mut low, mut high) = (0_i64, Minor::LIMIT);
    let most = exact_left(Minor::new(high), terms)?;
    if most < target {
        return Ok(None);
    }
    while low < high {
        let middle = low.midpoint(high);
        if exact_left(Minor::new(middle), terms)? >= target {
            high = middle;
        } else {
            low = middle.checked_add(1).ok_or(MoneyError::Overflow)?;
        }
    }
    let mut net = Minor::new(low);
    loop {
        let (left, charges) = left_of(net, terms)?;
        if left >= wanted {
            return Ok(Some(GrossUp { net, charges, left }));
        }
        // Where everything more is kept, no step brings more.
        if exact_left(net, terms)? == most {
            return Ok(None);
        }
        net = net.plus(wanted.minus(left)?)?;
    }
}
