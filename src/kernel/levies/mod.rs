//! What the mutual keeps: its fee and the contribution to the guarantee fund, each time with the whole computation.
//!
//! A levy is a flat share, or marginal bands over a running base, with a cap for the year, a floor and a fixed amount
//! for the month. Whatever is rounded is rounded once, half away from zero: a levy over a running base is the
//! difference of two rounded totals, so that ten invoices come to the same as one.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

mod basis;
mod gross_up;
mod month;
#[cfg(test)]
mod tests;

pub use basis::{Basis, CapEffect, MonthEffect, Piece, Total};
pub use gross_up::{GrossUp, gross_up};
pub use month::{Month, MonthCharge, close};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::money::{Minor, MoneyError, Ppm, divide_half_away};
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

named! {
    /// What a levy is computed on.
    LevyBase {
        /// The net amount of an invoice, when it is issued.
        InvoicedNet = "invoiced_net",
        /// The net part of what a client paid, when it comes.
        CollectedNet = "collected_net",
        /// The net amount of invoices less the costs of the activity.
        GrossMargin = "gross_margin",
    }
}

named! {
    /// Over which time the base of a levy runs.
    Running {
        /// The calendar year of the day of each charge.
        YearToDate = "year_to_date",
        /// Since the activity began.
        Lifetime = "lifetime",
    }
}

named! {
    /// What of a levy somebody need not pay.
    ExemptPart {
        /// Nothing of it.
        All = "all",
        /// The fixed amount of the month.
        Fixed = "fixed",
        /// The top-up to the floor of the month.
        Floor = "floor",
    }
}

/// A rate that holds from an amount of the running base on, up to the next band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// From this amount of the running base on.
    pub from_minor: Minor,
    /// The rate of what lies in the band.
    pub rate_ppm: Ppm,
}

/// A levy of a rule set, or one that an activity has of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levy {
    /// What it is for.
    pub kind: LevyKind,
    /// What it is computed on.
    pub base: LevyBase,
    /// Its rate; none when it has bands.
    pub rate_ppm: Option<Ppm>,
    /// Its bands from zero upwards; none when it has a rate.
    pub bands: Vec<Band>,
    /// Over which time its base runs; none when each amount stands for itself.
    pub running: Option<Running>,
    /// What an activity pays at least a month.
    pub floor_minor: Option<Minor>,
    /// What an activity pays at most a calendar year.
    pub cap_minor: Option<Minor>,
    /// What an activity pays each month beside the rest.
    pub fixed_minor: Option<Minor>,
}

impl Levy {
    /// A flat share of what is invoiced.
    #[must_use]
    pub const fn flat(kind: LevyKind, rate: Ppm) -> Self {
        Self {
            kind,
            base: LevyBase::InvoicedNet,
            rate_ppm: Some(rate),
            bands: Vec::new(),
            running: None,
            floor_minor: None,
            cap_minor: None,
            fixed_minor: None,
        }
    }

    /// Whether a charge depends on what was charged before.
    #[must_use]
    pub const fn needs_standing(&self) -> bool {
        self.running.is_some() || self.cap_minor.is_some()
    }

    /// Whether something of it is charged by the month.
    #[must_use]
    pub const fn has_month(&self) -> bool {
        self.floor_minor.is_some() || self.fixed_minor.is_some()
    }

    /// The highest of its rates.
    #[must_use]
    pub fn highest_rate(&self) -> Ppm {
        self.steps().into_iter().map(|band| band.rate_ppm).max().unwrap_or(Ppm(0))
    }

    /// Its bands; those of a flat levy are one from zero.
    fn steps(&self) -> Vec<Band> {
        match self.rate_ppm {
            Some(rate_ppm) => vec![Band { from_minor: Minor::ZERO, rate_ppm }],
            None => self.bands.clone(),
        }
    }

    /// The part of `from..to` in each band with its rate. `from` is not above `to`; below zero nothing is charged.
    fn slices(&self, from: Minor, to: Minor) -> Result<Vec<(Minor, Ppm)>, MoneyError> {
        let steps = self.steps();
        let ends = steps.iter().skip(1).map(|band| Some(band.from_minor)).chain([None]);
        let mut slices = Vec::new();
        for (band, end) in steps.iter().zip(ends) {
            let low = from.max(band.from_minor);
            let high = end.map_or(to, |end| to.min(end));
            if high > low {
                slices.push((high.minus(low)?, band.rate_ppm));
            }
        }
        Ok(slices)
    }

    /// The total over a running base, in millionths of a minor unit: exact.
    fn exact_total(&self, running: Minor) -> Result<i128, MoneyError> {
        exact_sum(&self.slices(Minor::ZERO, running)?)
    }
}

/// The sum of amounts at their rates, in millionths of a minor unit.
fn exact_sum(slices: &[(Minor, Ppm)]) -> Result<i128, MoneyError> {
    slices.iter().try_fold(0_i128, |sum, (amount, rate)| {
        let product = i128::from(amount.get()).checked_mul(i128::from(rate.0)).ok_or(MoneyError::Overflow)?;
        sum.checked_add(product).ok_or(MoneyError::Overflow)
    })
}

/// Millionths of a minor unit to whole ones, half away from zero.
fn round(exact: i128) -> Result<Minor, MoneyError> {
    let units = divide_half_away(exact, i128::from(Ppm::WHOLE)).ok_or(MoneyError::Overflow)?;
    i64::try_from(units).map(Minor::new).map_err(|_too_large| MoneyError::Overflow)
}

/// What an activity was charged of one kind before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// The base of this calendar year.
    pub year_base: Minor,
    /// The base of all time.
    pub lifetime_base: Minor,
    /// What was charged this year, with what was given back.
    pub year_amount: Minor,
    /// What would have been charged this year without a cap.
    pub year_uncapped: Minor,
}

impl Standing {
    /// The standing after a charge.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn after(self, charge: &Charge) -> Result<Self, MoneyError> {
        Ok(Self {
            year_base: self.year_base.plus(charge.base)?,
            lifetime_base: self.lifetime_base.plus(charge.base)?,
            year_amount: self.year_amount.plus(charge.amount)?,
            year_uncapped: self.year_uncapped.plus(charge.uncapped.unwrap_or(charge.amount))?,
        })
    }
}

/// An exemption as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exempt {
    /// The exemption.
    pub id: Uuid,
    /// From what.
    pub part: ExemptPart,
}

/// What holds for an activity on a day: a levy, whose it is, and what of it need not be paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The levy.
    pub levy: Levy,
    /// The override that it comes from, instead of from the rule set.
    pub override_id: Option<Uuid>,
    /// What need not be paid.
    pub exempt: Vec<Exempt>,
}

impl Term {
    /// A levy of a rule set, without exemptions.
    #[must_use]
    pub const fn plain(levy: Levy) -> Self {
        Self { levy, override_id: None, exempt: Vec::new() }
    }

    /// The exemption from a part, or from everything.
    #[must_use]
    pub fn exemption(&self, part: ExemptPart) -> Option<Uuid> {
        self.exempt.iter().find(|exempt| exempt.part == ExemptPart::All || exempt.part == part).map(|exempt| exempt.id)
    }

    /// Whether a charge depends on what was charged before.
    #[must_use]
    pub fn needs_standing(&self) -> bool {
        self.levy.needs_standing()
    }
}

/// A levy applied once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// What it is for.
    pub kind: LevyKind,
    /// What it was computed on; negative for what lowers the base.
    pub base: Minor,
    /// At which rate; none when it went by bands.
    pub rate: Option<Ppm>,
    /// What it came to; negative when something is given back.
    pub amount: Minor,
    /// What it would have come to without the cap, where there is one.
    pub uncapped: Option<Minor>,
    /// The whole computation.
    pub basis: Basis,
}

/// Applies one levy to `net`, which is negative for a cost that lowers a margin.
///
/// Somebody who is exempt is charged nothing, but their base runs on: bands are about turnover, not about what was paid.
///
/// # Errors
/// Refuses amounts out of range.
pub fn apply(term: &Term, net: Minor, standing: &Standing) -> Result<Charge, MoneyError> {
    let levy = &term.levy;
    let (mut basis, uncapped) = match levy.running {
        None => flat(levy, net)?,
        Some(running) => over_running(levy, running, net, standing)?,
    };
    basis.override_id = term.override_id;
    let exemption = term.exemption(ExemptPart::All);
    let (amount, is_capped) = if exemption.is_some() {
        basis.exemption_id = exemption;
        (Minor::ZERO, false)
    } else if let Some(cap) = levy.cap_minor {
        let effect = CapEffect::of(cap, uncapped, standing)?;
        let amount = uncapped.minus(effect.cut_minor)?;
        basis.cap = Some(effect);
        (amount, true)
    } else {
        (uncapped, false)
    };
    basis.amount_minor = amount;
    let uncapped = is_capped.then_some(uncapped);
    Ok(Charge { kind: levy.kind, base: net, rate: levy.rate_ppm, amount, uncapped, basis })
}

/// Each amount for itself, rounded once.
fn flat(levy: &Levy, net: Minor) -> Result<(Basis, Minor), MoneyError> {
    // One band from zero, and a negative amount mirrors the positive one.
    let slices: Vec<_> = levy.rate_ppm.into_iter().map(|rate| (net, rate)).collect();
    let exact = exact_sum(&slices)?;
    let rounded = round(exact)?;
    Ok((Basis::new(levy.base, net, &slices, exact, rounded)?, rounded))
}

/// The difference of two totals over the running base, each rounded once.
fn over_running(levy: &Levy, running: Running, net: Minor, standing: &Standing) -> Result<(Basis, Minor), MoneyError> {
    let before = match running {
        Running::YearToDate => standing.year_base,
        Running::Lifetime => standing.lifetime_base,
    };
    let after = before.plus(net)?;
    let (exact_before, exact_after) = (levy.exact_total(before)?, levy.exact_total(after)?);
    let (total_before, total_after) = (round(exact_before)?, round(exact_after)?);
    let difference = total_after.minus(total_before)?;
    let mut slices = levy.slices(before.min(after).max(Minor::ZERO), before.max(after))?;
    if after < before {
        for (amount, _) in &mut slices {
            *amount = amount.negated()?;
        }
    }
    let exact = exact_after.checked_sub(exact_before).ok_or(MoneyError::Overflow)?;
    let mut basis = Basis::new(levy.base, net, &slices, exact, difference)?;
    basis.running = Some(running);
    basis.before = Some(Total::new(before, exact_before, total_before));
    basis.after = Some(Total::new(after, exact_after, total_after));
    Ok((basis, difference))
}
