//! From a budget to pay, and from a wished net to the smallest budget that leaves it.

use serde::{Deserialize, Serialize};

use super::component::{EXACT, Line, multiply};
use super::rights::RightsPay;
use super::{Base, Component, PayError, Payer, Scheme};
use crate::kernel::money::{Minor, MoneyError, Ppm};

/// Steps of the last search for a net: rounding makes the net of neighbouring cents cross, and no further than this.
const STEPS: u32 = 100_000;

/// What differs from person to person and from payment to payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// The person's own withholding rate.
    pub withholding: WithholdingRate,
    /// Paid beside the wage out of the budget: per diem, mileage, exempt amounts.
    pub beside: Minor,
    /// Paid for copyright out of the budget.
    pub rights: Minor,
    /// Paid for copyright this year before.
    pub rights_before: Minor,
}

/// A rate that belongs to a person; nothing is withheld until one is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithholdingRate(pub Ppm);

impl Default for WithholdingRate {
    fn default() -> Self {
        Self(Ppm(0))
    }
}

/// What a budget becomes, with every line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pay {
    /// What was there.
    pub budget: Minor,
    /// Kept by the mutual.
    pub margin: Minor,
    /// Taken by the state of the budget itself.
    pub levy: Minor,
    /// Paid beside the wage.
    pub beside: Minor,
    /// Paid for copyright.
    pub rights: Option<RightsPay>,
    /// The gross wage.
    pub gross: Minor,
    /// The employer's part.
    pub employer: Minor,
    /// The employee's part.
    pub employee: Minor,
    /// Withheld of the wage.
    pub withholding: Minor,
    /// Sent to the person.
    pub net: Minor,
    /// Cents that the scheme cannot use; they stay on the activity.
    pub residual: Minor,
    /// The components as they were computed.
    pub lines: Vec<Line>,
}

impl Pay {
    /// Withheld for the tax office, of the wage and of copyright income.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn withheld(&self) -> Result<Minor, MoneyError> {
        self.withholding.plus(self.rights.as_ref().map_or(Minor::ZERO, |rights| rights.withholding_minor))
    }

    /// Paid for copyright before withholding.
    #[must_use]
    pub fn rights_amount(&self) -> Minor {
        self.rights.as_ref().map_or(Minor::ZERO, |rights| rights.amount_minor)
    }
}

/// What a gross wage comes to.
struct Wage {
    employer: Minor,
    employee: Minor,
    withholding: Minor,
    net: Minor,
    lines: Vec<Line>,
}

impl Scheme {
    fn of(&self, payer: Payer) -> impl Iterator<Item = &Component> {
        self.components.iter().filter(move |component| component.payer == payer)
    }

    /// What a budget leaves after what is taken of the budget itself: each on what the one before left, so that the rest
    /// never falls when the budget grows.
    fn after_budget(&self, budget: Minor) -> Result<(Minor, Vec<Line>), MoneyError> {
        let mut rest = budget;
        let mut lines = Vec::new();
        for component in self.components.iter().filter(|component| component.base == Base::Budget) {
            let line = component.line(rest, Ppm(0), Some(rest))?;
            rest = rest.minus(line.amount_minor)?;
            lines.push(line);
        }
        Ok((rest, lines))
    }

    /// The smallest whole amount that covers a gross wage and the employer's part, both exact and rounded.
    fn cost(&self, gross: Minor) -> Result<Minor, MoneyError> {
        let mut exact = multiply(i128::from(gross.get()), EXACT)?;
        let mut rounded = gross;
        for component in self.of(Payer::Employer) {
            exact = exact.checked_add(component.exact(gross)?).ok_or(MoneyError::Overflow)?;
            rounded = rounded.plus(component.line(gross, Ppm(0), None)?.amount_minor)?;
        }
        let ceiling = exact.checked_add(EXACT).and_then(|exact| exact.checked_sub(1)).ok_or(MoneyError::Overflow)?;
        let ceiling = ceiling.checked_div(EXACT).ok_or(MoneyError::Overflow)?;
        let ceiling = i64::try_from(ceiling).map(Minor::new).map_err(|_too_large| MoneyError::Overflow)?;
        Ok(ceiling.max(rounded))
    }

    /// The greatest gross wage whose cost fits; the cost rises with every cent.
    fn greatest_gross(&self, available: Minor) -> Result<Minor, MoneyError> {
        let (mut low, mut high) = (0_i64, available.get().max(0));
        while low < high {
            // The upper middle, so that the search ends on the greatest that fits.
            let middle = high.checked_sub(high.checked_sub(low).ok_or(MoneyError::Overflow)?.midpoint(0));
            let middle = middle.ok_or(MoneyError::Overflow)?;
            if self.cost(Minor::new(middle))? <= available {
                low = middle;
            } else {
                high = middle.checked_sub(1).ok_or(MoneyError::Overflow)?;
            }
        }
        Ok(Minor::new(low))
    }

    fn wage(&self, gross: Minor, of: &Circumstances) -> Result<Wage, MoneyError> {
        let mut wage = Wage {
            employer: Minor::ZERO,
            employee: Minor::ZERO,
            withholding: Minor::ZERO,
            net: gross,
            lines: Vec::with_capacity(self.components.len()),
        };
        for component in self.of(Payer::Employer) {
            let line = component.line(gross, Ppm(0), None)?;
            wage.employer = wage.employer.plus(line.amount_minor)?;
            wage.lines.push(line);
        }
        for component in self.of(Payer::Employee) {
            let line = component.line(gross, Ppm(0), Some(wage.net))?;
            wage.employee = wage.employee.plus(line.amount_minor)?;
            wage.net = wage.net.minus(line.amount_minor)?;
            wage.lines.push(line);
        }
        let taxable = wage.net;
        for component in self.of(Payer::Withholding) {
            let base = if component.base == Base::Gross { gross } else { taxable };
            let line = component.line(base, of.withholding.0, Some(wage.net))?;
            wage.withholding = wage.withholding.plus(line.amount_minor)?;
            wage.net = wage.net.minus(line.amount_minor)?;
            wage.lines.push(line);
        }
        Ok(wage)
    }

    fn rights(&self, of: &Circumstances) -> Result<Option<RightsPay>, PayError> {
        if of.rights == Minor::ZERO {
            return Ok(None);
        }
        let copyright = self.copyright.as_ref().ok_or(PayError::NoRights)?;
        Ok(Some(copyright.pay(of.rights, of.rights_before)?))
    }
}

/// What a budget becomes.
///
/// # Errors
/// Refuses amounts out of range, a budget that does not cover what is paid beside the wage, and more copyright income
/// than the scheme allows.
pub fn from_budget(scheme: &Scheme, of: &Circumstances, budget: Minor) -> Result<Pay, PayError> {
    let (rest, mut lines) = scheme.after_budget(budget)?;
    let sum = |payer: Payer, lines: &[Line]| {
        Minor::sum(lines.iter().filter(|line| line.payer == payer).map(|line| line.amount_minor))
    };
    let (margin, levy) = (sum(Payer::Margin, &lines)?, sum(Payer::Levy, &lines)?);
    let rights = scheme.rights(of)?;
    let available = rest.minus(of.beside)?.minus(of.rights)?;
    if available < Minor::ZERO {
        return Err(PayError::NotCovered);
    }
    let gross = scheme.greatest_gross(available)?;
    if let (Some(copyright), Some(rights)) = (&scheme.copyright, &rights) {
        copyright.check(rights, gross)?;
    }
    let wage = scheme.wage(gross, of)?;
    lines.extend(wage.lines);
    let rights_net = rights.as_ref().map_or(Ok(Minor::ZERO), RightsPay::net)?;
    Ok(Pay {
        budget,
        margin,
        levy,
        beside: of.beside,
        rights,
        gross,
        employer: wage.employer,
        employee: wage.employee,
        withholding: wage.withholding,
        net: wage.net.plus(of.beside)?.plus(rights_net)?,
        residual: available.minus(gross)?.minus(wage.employer)?,
        lines,
    })
}

/// The smallest budget of which at least `wished` is paid out.
///
/// The net of the exact arithmetic never falls as the gross wage grows; rounding moves it by less than a cent for each
/// component. So everything up to a wage whose net is short by more than that is too small, which is searched by halves,
/// and from there the first wage that is enough is found cent by cent. The budget is what that wage costs.
///
/// # Errors
/// As [`from_budget`], and [`PayError::Unreachable`] when no budget leaves that much.
pub fn from_net(scheme: &Scheme, of: &Circumstances, wished: Minor) -> Result<Pay, PayError> {
    let rights_net = scheme.rights(of)?.as_ref().map_or(Ok(Minor::ZERO), RightsPay::net)?;
    let wage = wished.minus(of.beside)?.minus(rights_net)?.max(Minor::ZERO);
    let gross = smallest_gross(scheme, of, wage)?;
    let needed = scheme.cost(gross)?.plus(of.beside)?.plus(of.rights)?;
    let budget = smallest_budget(scheme, needed)?;
    from_budget(scheme, of, budget)
}

fn smallest_gross(scheme: &Scheme, of: &Circumstances, wished: Minor) -> Result<Minor, PayError> {
    let net = |gross: i64| scheme.wage(Minor::new(gross), of).map(|wage| wage.net);
    if wished == Minor::ZERO {
        return Ok(Minor::ZERO);
    }
    let parts = i64::try_from(scheme.components.len()).map_err(|_too_many| MoneyError::Overflow)?;
    let slack = parts.checked_mul(2).and_then(|slack| slack.checked_add(2)).ok_or(MoneyError::Overflow)?;
    let short = wished.minus(Minor::new(slack))?;
    let mut high = wished.get();
    while net(high)? < wished {
        high = high.checked_mul(2).filter(|high| *high <= Minor::LIMIT).ok_or(PayError::Unreachable)?;
    }
    let mut low = 0_i64;
    while low < high {
        let middle = low.midpoint(high);
        if net(middle)? < short {
            low = middle.checked_add(1).ok_or(MoneyError::Overflow)?;
        } else {
            high = middle;
        }
    }
    for _ in 0..STEPS {
        if net(low)? >= wished {
            return Ok(Minor::new(low));
        }
        low = low.checked_add(1).ok_or(MoneyError::Overflow)?;
    }
    Err(PayError::Unreachable)
}

/// The smallest budget that leaves `needed` after what is taken of the budget itself.
fn smallest_budget(scheme: &Scheme, needed: Minor) -> Result<Minor, PayError> {
    let rest = |budget: i64| scheme.after_budget(Minor::new(budget)).map(|(rest, _)| rest);
    let (mut low, mut high) = (needed.get(), needed.get());
    while rest(high)? < needed {
        high = high.checked_mul(2).filter(|high| *high <= Minor::LIMIT).ok_or(PayError::Unreachable)?;
    }
    while low < high {
        let middle = low.midpoint(high);
        if rest(middle)? >= needed {
            high = middle;
        } else {
            low = middle.checked_add(1).ok_or(MoneyError::Overflow)?;
        }
    }
    Ok(Minor::new(low))
}
