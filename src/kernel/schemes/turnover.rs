//! From an invoice to pay and back: what the mutual keeps, then the scheme.

use super::pay::{Circumstances, Pay, from_budget, from_net};
use super::{PayError, Scheme};
use crate::kernel::levies::{Charge, Standing, Term, apply, gross_up};
use crate::kernel::money::{Minor, MoneyError};

/// An invoice amount and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turnover {
    /// The net amount of the invoice.
    pub net: Minor,
    /// What the mutual keeps of it.
    pub charges: Vec<Charge>,
    /// What the rest becomes.
    pub pay: Pay,
}

/// What an invoice becomes.
///
/// # Errors
/// As [`from_budget`].
pub fn from_turnover(
    terms: &[(Term, Standing)],
    scheme: &Scheme,
    of: &Circumstances,
    net: Minor,
) -> Result<Turnover, PayError> {
    let charges =
        terms.iter().map(|(term, standing)| apply(term, net, standing)).collect::<Result<Vec<_>, MoneyError>>()?;
    let kept = Minor::sum(charges.iter().map(|charge| charge.amount))?;
    let pay = from_budget(scheme, of, net.minus(kept)?)?;
    Ok(Turnover { net, charges, pay })
}

/// The smallest invoice of which at least `wished` is paid out. The levies leave its budget at least what the scheme
/// needs, by ceiling: 787.00 at 9 % is 864.84.
///
/// # Errors
/// As [`from_net`].
pub fn to_turnover(
    terms: &[(Term, Standing)],
    scheme: &Scheme,
    of: &Circumstances,
    wished: Minor,
) -> Result<Turnover, PayError> {
    let needed = from_net(scheme, of, wished)?.budget;
    let found = gross_up(needed, terms)?.ok_or(PayError::Unreachable)?;
    let pay = from_budget(scheme, of, found.left)?;
    Ok(Turnover { net: found.net, charges: found.charges, pay })
}
