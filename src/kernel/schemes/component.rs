//! One component on one base: rounded once for the slip, and exact for the search of the gross wage.

use serde::{Deserialize, Serialize};

use super::{Component, Payer};
use crate::kernel::levies::Band;
use crate::kernel::money::{Minor, MoneyError, Ppm, divide_half_away};
use crate::named;

/// One minor unit in the scale of exact amounts: a factor times a rate, both in millionths.
pub(super) const EXACT: i128 = 1_000_000_000_000;

named! {
    /// What held an amount or its base where it is.
    Bound {
        /// The base was raised to its floor.
        Floor = "floor",
        /// The base was cut to its cap.
        Cap = "cap",
        /// The amount was raised to its minimum.
        Minimum = "minimum",
        /// Not more was there to take it from.
        Remainder = "remainder",
    }
}

/// A part of a base at its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The part.
    #[schema(value_type = i64)]
    pub amount_minor: Minor,
    /// Its rate, in parts per million.
    #[schema(value_type = i64)]
    pub rate_ppm: Ppm,
}

/// A component as it was computed: enough to compute it again by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The component.
    pub code: String,
    /// Who bears it.
    pub payer: Payer,
    /// The amount that the base was taken from, in minor units.
    #[schema(value_type = i64)]
    pub of_minor: Minor,
    /// The part of it that counts, in parts per million.
    #[schema(value_type = i64)]
    pub factor_ppm: Ppm,
    /// The base, rounded half away from zero, after floor and cap.
    #[schema(value_type = i64)]
    pub base_minor: Minor,
    /// The parts of the base with their rates.
    pub slices: Vec<Slice>,
    /// Added to what the rates give.
    #[schema(value_type = Option<i64>)]
    pub fixed_minor: Option<Minor>,
    /// What held the amount where it is.
    pub bound: Option<Bound>,
    /// The result, rounded half away from zero.
    #[schema(value_type = i64)]
    pub amount_minor: Minor,
}

impl Component {
    fn rates(&self, personal: Ppm) -> Vec<Band> {
        if self.is_personal { vec![Band { from_minor: Minor::ZERO, rate_ppm: personal }] } else { self.bands.clone() }
    }

    /// The base out of what it is taken from.
    fn base_of(&self, of: Minor) -> Result<(Minor, Option<Bound>), MoneyError> {
        let base = of.share(self.factor_ppm)?;
        if let Some(floor) = self.floor_minor.filter(|floor| base < *floor) {
            return Ok((floor, Some(Bound::Floor)));
        }
        if let Some(cap) = self.cap_minor.filter(|cap| base > *cap) {
            return Ok((cap, Some(Bound::Cap)));
        }
        Ok((base, None))
    }

    /// The component on `of`, at most `most`. Of nothing, nothing is taken.
    pub(super) fn line(&self, of: Minor, personal: Ppm, most: Option<Minor>) -> Result<Line, MoneyError> {
        let (base, mut bound) = self.base_of(of)?;
        let mut slices = Vec::new();
        let mut exact = 0_i128;
        visit(&self.rates(personal), i128::from(base.get()), 1, |amount, rate| {
            let amount_minor = i64::try_from(amount).map(Minor::new).map_err(|_too_large| MoneyError::Overflow)?;
            slices.push(Slice { amount_minor, rate_ppm: rate });
            exact = add(exact, multiply(amount, i128::from(rate.0))?)?;
            Ok(())
        })?;
        let units = divide_half_away(exact, i128::from(Ppm::WHOLE)).ok_or(MoneyError::Overflow)?;
        let by_rates = i64::try_from(units).map(Minor::new).map_err(|_too_large| MoneyError::Overflow)?;
        let mut amount = by_rates.plus(self.fixed_minor.unwrap_or_default())?;
        if let Some(minimum) = self.minimum_minor.filter(|minimum| amount < *minimum) {
            (amount, bound) = (minimum, Some(Bound::Minimum));
        }
        let most = if of == Minor::ZERO { Some(Minor::ZERO) } else { most };
        if let Some(most) = most.filter(|most| amount > *most) {
            (amount, bound) = (most, Some(Bound::Remainder));
        }
        Ok(Line {
            code: self.code.clone(),
            payer: self.payer,
            of_minor: of,
            factor_ppm: self.factor_ppm,
            base_minor: base,
            slices,
            fixed_minor: self.fixed_minor,
            bound,
            amount_minor: amount,
        })
    }

    /// The amount on `of` without any rounding, in the scale [`EXACT`]. It never falls when `of` grows.
    pub(super) fn exact(&self, of: Minor) -> Result<i128, MoneyError> {
        if of == Minor::ZERO {
            return Ok(0);
        }
        let scale = i128::from(Ppm::WHOLE);
        let wide = |amount: Minor| multiply(i128::from(amount.get()), scale);
        let mut base = multiply(i128::from(of.get()), i128::from(self.factor_ppm.0))?;
        if let Some(floor) = self.floor_minor {
            base = base.max(wide(floor)?);
        }
        if let Some(cap) = self.cap_minor {
            base = base.min(wide(cap)?);
        }
        let mut total = 0_i128;
        visit(&self.bands, base, scale, |amount, rate| {
            total = add(total, multiply(amount, i128::from(rate.0))?)?;
            Ok(())
        })?;
        if let Some(fixed) = self.fixed_minor {
            total = add(total, multiply(i128::from(fixed.get()), EXACT)?)?;
        }
        if let Some(minimum) = self.minimum_minor {
            total = total.max(multiply(i128::from(minimum.get()), EXACT)?);
        }
        Ok(total)
    }
}

/// Visits the parts of a base, given in `scale`, with their marginal rates.
fn visit(
    bands: &[Band],
    base: i128,
    scale: i128,
    mut each: impl FnMut(i128, Ppm) -> Result<(), MoneyError>,
) -> Result<(), MoneyError> {
    let ends = bands.iter().skip(1).map(|band| Some(band.from_minor)).chain([None]);
    for (band, end) in bands.iter().zip(ends) {
        let from = multiply(i128::from(band.from_minor.get()), scale)?;
        let to = match end {
            Some(end) => base.min(multiply(i128::from(end.get()), scale)?),
            None => base,
        };
        if to > from {
            each(to.checked_sub(from).ok_or(MoneyError::Overflow)?, band.rate_ppm)?;
        }
    }
    Ok(())
}

pub(super) fn multiply(left: i128, right: i128) -> Result<i128, MoneyError> {
    left.checked_mul(right).ok_or(MoneyError::Overflow)
}

pub(super) fn add(left: i128, right: i128) -> Result<i128, MoneyError> {
    left.checked_add(right).ok_or(MoneyError::Overflow)
}
