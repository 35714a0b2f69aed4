//! Pay schemes: from a budget on an activity to what a person receives, and back.
//!
//! A scheme is data: components in order, each with who bears it, its base, its rates, its bounds. One engine computes
//! them all, for a simulation and for the real run alike:
//!
//! 1. what is taken of the budget itself (a margin of the mutual, a levy of the state), each on what the one before left;
//! 2. what is paid beside the wage (per diem, mileage, copyright income);
//! 3. the gross wage: the greatest whole cent whose cost, exact and rounded, fits what is left. The rest is the residual,
//!    which stays on the activity;
//! 4. the employer's part, the employee's part, then the withholding.
//!
//! `budget = margin + levy + beside + rights + gross + employer + residual`, and
//! `net = beside + rights - their withholding + gross - employee - withholding`. Every amount is rounded once, half away
//! from zero, and each line keeps base, rates and result so that anybody can compute it again.
//!
//! Somebody who is self-employed has no scheme: a plain transfer pays the whole budget.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

mod component;
mod pay;
pub mod presets;
mod rights;
#[cfg(test)]
mod tests;
mod turnover;
pub mod typed;

pub use component::{Bound, Line, Slice};
pub use pay::{Circumstances, Pay, WithholdingRate, from_budget, from_net};
pub use rights::{Copyright, RightsPay};
use serde::{Deserialize, Serialize};
pub use turnover::{Turnover, from_turnover, to_turnover};
pub use typed::{TypedBand, TypedComponent, TypedCopyright, TypedScheme, parse};

use super::levies::Band;
use super::money::{Minor, MoneyError, Ppm};
use crate::named;

named! {
    /// How a payout becomes pay.
    Method {
        /// The whole budget, to somebody who is self-employed.
        PlainTransfer = "plain_transfer",
        /// Through a scheme with contributions and withholding.
        Salary = "salary",
    }
}

named! {
    /// Who bears a component, and so to whom it goes.
    Payer {
        /// The budget, for the mutual.
        Margin = "margin",
        /// The budget, for the state.
        Levy = "levy",
        /// The employer, for social security.
        Employer = "employer",
        /// The employee, for social security.
        Employee = "employee",
        /// The employee, for the tax office.
        Withholding = "withholding",
    }
}

named! {
    /// On what a component is computed.
    Base {
        /// What is left of the budget.
        Budget = "budget",
        /// The gross wage.
        Gross = "gross",
        /// The gross wage less the employee's part.
        Taxable = "taxable",
    }
}

/// One component of a scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its name within the scheme: lower case letters, digits, underscores.
    pub code: String,
    /// Who bears it.
    pub payer: Payer,
    /// On what it is computed.
    pub base: Base,
    /// The part of that which counts: 1,080,000 for 108 %.
    pub factor_ppm: Ppm,
    /// The base is at least this.
    pub floor_minor: Option<Minor>,
    /// The base is at most this.
    pub cap_minor: Option<Minor>,
    /// Marginal rates from zero upwards; none when the rate is the person's own.
    pub bands: Vec<Band>,
    /// Whether the rate is the person's own.
    pub is_personal: bool,
    /// Added to what the rates give.
    pub fixed_minor: Option<Minor>,
    /// What it comes to at least.
    pub minimum_minor: Option<Minor>,
}

/// A pay scheme: its components in order, and what it grants for copyright income.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// In the order in which they are computed.
    pub components: Vec<Component>,
    /// None where copyright income is not paid apart.
    pub copyright: Option<Copyright>,
}

/// Why no pay comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// An amount is out of range.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The budget does not cover what is paid beside the wage.
    #[error("the budget does not cover what is paid beside the wage")]
    NotCovered,
    /// The scheme knows no copyright income.
    #[error("the scheme knows no copyright income")]
    NoRights,
    /// More copyright income than its share of the total pay allows.
    #[error("copyright income above its share of the total pay: at most {most}", most = .0.get())]
    RightsShare(Minor),
    /// More copyright income than a year allows.
    #[error("copyright income above the ceiling of a year: at most {most}", most = .0.get())]
    RightsCeiling(Minor),
    /// No budget leaves that much.
    #[error("no budget leaves that much")]
    Unreachable,
}
