//! Copyright income, paid apart from the wage: flat costs by bracket over the year, a withholding on the rest, a ceiling
//! for the year and a share of the total pay that it must not exceed.

use serde::{Deserialize, Serialize};

use super::PayError;
use crate::kernel::levies::Band;
use crate::kernel::money::{Minor, MoneyError, Ppm, divide_half_away};

/// What a scheme grants for copyright income.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copyright {
    /// Flat costs by bracket of the year's income, from zero upwards; the last one says where they end.
    pub cost_bands: Vec<Band>,
    /// Withheld of what remains.
    pub withholding_ppm: Ppm,
    /// At most this a calendar year.
    pub ceiling_minor: Minor,
    /// At most this part of copyright income and gross wage together.
    pub share_ppm: Ppm,
}

/// Copyright income as it was computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RightsPay {
    /// Paid for the rights.
    #[schema(value_type = i64)]
    pub amount_minor: Minor,
    /// Paid this year before.
    #[schema(value_type = i64)]
    pub before_minor: Minor,
    /// Flat costs.
    #[schema(value_type = i64)]
    pub costs_minor: Minor,
    /// What remains.
    #[schema(value_type = i64)]
    pub taxable_minor: Minor,
    /// The rate of the withholding, in parts per million.
    #[schema(value_type = i64)]
    pub rate_ppm: Ppm,
    /// Withheld.
    #[schema(value_type = i64)]
    pub withholding_minor: Minor,
}

impl RightsPay {
    /// What is paid out.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn net(&self) -> Result<Minor, MoneyError> {
        self.amount_minor.minus(self.withholding_minor)
    }
}

impl Copyright {
    /// Flat costs of a year's income, rounded once.
    fn costs(&self, income: Minor) -> Result<Minor, MoneyError> {
        let ends = self.cost_bands.iter().skip(1).map(|band| Some(band.from_minor)).chain([None]);
        let mut exact = 0_i128;
        for (band, end) in self.cost_bands.iter().zip(ends) {
            let to = end.map_or(income, |end| income.min(end));
            if to > band.from_minor {
                let part = i128::from(to.minus(band.from_minor)?.get());
                let costs = part.checked_mul(i128::from(band.rate_ppm.0)).ok_or(MoneyError::Overflow)?;
                exact = exact.checked_add(costs).ok_or(MoneyError::Overflow)?;
            }
        }
        let units = divide_half_away(exact, i128::from(Ppm::WHOLE)).ok_or(MoneyError::Overflow)?;
        i64::try_from(units).map(Minor::new).map_err(|_too_large| MoneyError::Overflow)
    }

    /// `amount` for rights after `before` in the same year. The costs are the difference of two rounded totals, so that
    /// ten payments come to the same as one.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn pay(&self, amount: Minor, before: Minor) -> Result<RightsPay, MoneyError> {
        let costs = self.costs(before.plus(amount)?)?.minus(self.costs(before)?)?.min(amount);
        let taxable = amount.minus(costs)?;
        Ok(RightsPay {
            amount_minor: amount,
            before_minor: before,
            costs_minor: costs,
            taxable_minor: taxable,
            rate_ppm: self.withholding_ppm,
            withholding_minor: taxable.share(self.withholding_ppm)?,
        })
    }

    /// Refuses more than the year's ceiling or the share of the total pay allow, and says how much they allow.
    pub(super) fn check(&self, rights: &RightsPay, gross: Minor) -> Result<(), PayError> {
        let within = self.ceiling_minor.minus(rights.before_minor)?.max(Minor::ZERO);
        if rights.amount_minor > within {
            return Err(PayError::RightsCeiling(within));
        }
        let most = self.most_beside(gross)?;
        if rights.amount_minor > most { Err(PayError::RightsShare(most)) } else { Ok(()) }
    }

    /// The most that may be paid beside a gross wage: `rights <= share x (rights + gross)`, by floor.
    fn most_beside(&self, gross: Minor) -> Result<Minor, MoneyError> {
        let rest = Ppm::WHOLE.checked_sub(self.share_ppm.0).filter(|rest| *rest > 0);
        let Some(rest) = rest else { return Ok(Minor::new(Minor::LIMIT)) };
        let exact = i128::from(gross.get()).checked_mul(i128::from(self.share_ppm.0)).ok_or(MoneyError::Overflow)?;
        let most = exact.checked_div(i128::from(rest)).ok_or(MoneyError::Overflow)?;
        i64::try_from(most).map(Minor::new).map_err(|_too_large| MoneyError::Overflow)
    }
}
