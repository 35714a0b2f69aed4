//! What is charged by the month: a fixed amount, and the top-up to a floor.

use super::basis::{Basis, CapEffect, MonthEffect};
use super::{ExemptPart, LevyKind, Standing, Term};
use crate::kernel::money::{Minor, MoneyError};

/// A month of an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// Its name, `2026-11`.
    pub name: String,
    /// Days that the activity was there.
    pub days: u32,
    /// Days of the month.
    pub of_days: u32,
    /// What of this kind was charged with a day in the month.
    pub charged: Minor,
}

/// An amount charged for a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthCharge {
    /// What it is for.
    pub kind: LevyKind,
    /// The fixed amount or the top-up.
    pub part: ExemptPart,
    /// What it came to; never negative.
    pub amount: Minor,
    /// The whole computation.
    pub basis: Basis,
}

/// What the end of a month charges: the fixed amount, then what is missing to the floor, both by the days that the
/// activity was there and never more than is left of the cap. Parts that come to nothing are told too.
///
/// # Errors
/// Refuses amounts out of range.
pub fn close(term: &Term, month: &Month, standing: &Standing) -> Result<Vec<MonthCharge>, MoneyError> {
    let mut charges = Vec::new();
    let (mut charged, mut standing) = (month.charged, *standing);
    let parts = [(ExemptPart::Fixed, term.levy.fixed_minor), (ExemptPart::Floor, term.levy.floor_minor)];
    for (part, whole) in parts {
        let Some(whole) = whole else { continue };
        let due = whole.portion(month.days, month.of_days)?;
        let wanted = match part {
            ExemptPart::Floor => due.minus(charged)?.max(Minor::ZERO),
            ExemptPart::Fixed | ExemptPart::All => due,
        };
        let mut basis = Basis::bare(term.levy.base, Minor::ZERO, wanted);
        basis.override_id = term.override_id;
        basis.month = Some(MonthEffect {
            month: month.name.clone(),
            part,
            whole_minor: whole,
            days: month.days,
            of_days: month.of_days,
            due_minor: due,
            charged_minor: charged,
        });
        let exemption = term.exemption(part);
        let amount = if exemption.is_some() {
            basis.exemption_id = exemption;
            Minor::ZERO
        } else if let Some(cap) = term.levy.cap_minor {
            let effect = CapEffect::of(cap, wanted, &standing)?;
            let amount = wanted.minus(effect.cut_minor)?;
            basis.cap = Some(effect);
            amount
        } else {
            wanted
        };
        basis.amount_minor = amount;
        charged = charged.plus(amount)?;
        standing.year_amount = standing.year_amount.plus(amount)?;
        standing.year_uncapped = standing.year_uncapped.plus(amount)?;
        charges.push(MonthCharge { kind: term.levy.kind, part, amount, basis });
    }
    Ok(charges)
}
