//! The computation behind a levy, as it is kept beside it: a person can follow it, a program can repeat it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ExemptPart, LevyBase, Running, Standing};
use crate::kernel::money::{Minor, MoneyError, Ppm};

/// A number of millionths of a minor unit as a decimal number of minor units: `802_464_000_0` is `8024.64`.
pub(super) fn exact_text(millionths: i128) -> String {
    let whole = i128::from(Ppm::WHOLE);
    let units = millionths.checked_div(whole).unwrap_or_default();
    let rest = millionths.checked_rem(whole).unwrap_or_default().unsigned_abs();
    let sign = if millionths < 0 && units == 0 { "-" } else { "" };
    let text = format!("{sign}{units}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A part of the base and the rate that it met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Piece {
    /// The part of the base.
    #[schema(value_type = i64)]
    pub base_minor: Minor,
    /// Its rate as a decimal fraction.
    pub rate: String,
    /// Their product before any rounding, in minor units.
    pub exact_minor: String,
}

/// A total over the running base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Total {
    /// The running base.
    #[schema(value_type = i64)]
    pub base_minor: Minor,
    /// What it comes to before rounding, in minor units.
    pub exact_minor: String,
    /// The same, rounded once, half away from zero.
    #[schema(value_type = i64)]
    pub rounded_minor: Minor,
}

impl Total {
    pub(super) fn new(base: Minor, exact: i128, rounded: Minor) -> Self {
        Self { base_minor: base, exact_minor: exact_text(exact), rounded_minor: rounded }
    }
}

/// What the cap of the year did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapEffect {
    /// The cap of the year.
    #[schema(value_type = i64)]
    pub cap_minor: Minor,
    /// What had been charged in the year before.
    #[schema(value_type = i64)]
    pub charged_minor: Minor,
    /// What was left of the cap.
    #[schema(value_type = i64)]
    pub left_minor: Minor,
    /// By how much the cap changed this charge: what is not charged is positive, what is not given back negative.
    #[schema(value_type = i64)]
    pub cut_minor: Minor,
}

impl CapEffect {
    /// What is charged never exceeds what is left; what is given back first lowers what the cap had cut away before.
    pub(super) fn of(cap: Minor, uncapped: Minor, standing: &Standing) -> Result<Self, MoneyError> {
        let left = cap.minus(standing.year_amount)?.max(Minor::ZERO);
        let cut = if uncapped > Minor::ZERO {
            uncapped.minus(uncapped.min(left))?
        } else {
            let over = standing.year_uncapped.minus(cap)?.max(Minor::ZERO);
            uncapped.max(over.negated()?)
        };
        Ok(Self { cap_minor: cap, charged_minor: standing.year_amount, left_minor: left, cut_minor: cut })
    }
}

/// How an amount of a month came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MonthEffect {
    /// The month, `2026-11`.
    pub month: String,
    /// `fixed` or `floor`.
    pub part: ExemptPart,
    /// The amount of a whole month.
    #[schema(value_type = i64)]
    pub whole_minor: Minor,
    /// Days that the activity was there.
    pub days: u32,
    /// Days of the month.
    pub of_days: u32,
    /// The amount of these days, rounded half away from zero.
    #[schema(value_type = i64)]
    pub due_minor: Minor,
    /// For a floor: what was charged in the month before the top-up.
    #[schema(value_type = i64)]
    pub charged_minor: Minor,
}

/// The computation behind a levy. Amounts are minor units of the currency of its activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Basis {
    /// What kind of base.
    #[serde(default = "invoiced")]
    pub base: LevyBase,
    /// The base of this charge.
    #[schema(value_type = i64)]
    pub base_minor: Minor,
    /// Over which time the base runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
    /// The running base before this charge, and what it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Total>,
    /// The running base with this charge, and what it comes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Total>,
    /// The parts of the base with their rates.
    pub pieces: Vec<Piece>,
    /// The sum of the parts before any rounding, in minor units.
    pub exact_minor: String,
    /// What is charged before cap and exemption: the rounded sum, or the difference of the two rounded totals.
    #[schema(value_type = i64)]
    pub rounded_minor: Minor,
    /// What the cap did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<CapEffect>,
    /// For a fixed amount or a top-up: the month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<MonthEffect>,
    /// The exemption by which nothing is charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemption_id: Option<Uuid>,
    /// The levy of its own that the activity has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_id: Option<Uuid>,
    /// The charge that this one takes back, in part or whole: a share of what was booked, not computed anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses_id: Option<Uuid>,
    /// What is charged.
    #[schema(value_type = i64)]
    pub amount_minor: Minor,
}

const fn invoiced() -> LevyBase {
    LevyBase::InvoicedNet
}

impl Basis {
    pub(super) fn new(
        base: LevyBase,
        net: Minor,
        slices: &[(Minor, Ppm)],
        exact: i128,
        rounded: Minor,
    ) -> Result<Self, MoneyError> {
        let pieces = slices
            .iter()
            .map(|(amount, rate)| {
                let exact = super::exact_sum(&[(*amount, *rate)])?;
                Ok(Piece { base_minor: *amount, rate: rate.to_fraction(), exact_minor: exact_text(exact) })
            })
            .collect::<Result<_, MoneyError>>()?;
        Ok(Self { pieces, exact_minor: exact_text(exact), ..Self::bare(base, net, rounded) })
    }

    /// An amount that is given, not computed from a rate.
    #[must_use]
    pub fn bare(base: LevyBase, net: Minor, amount: Minor) -> Self {
        Self {
            base,
            base_minor: net,
            running: None,
            before: None,
            after: None,
            pieces: Vec::new(),
            exact_minor: amount.get().to_string(),
            rounded_minor: amount,
            cap: None,
            month: None,
            exemption_id: None,
            override_id: None,
            reverses_id: None,
            amount_minor: amount,
        }
    }

    /// A share of a charge, taken back: a copy of what was booked with the other sign.
    #[must_use]
    pub fn reversal(of: Uuid, base: LevyBase, net: Minor, amount: Minor) -> Self {
        Self { reverses_id: Some(of), ..Self::bare(base, net, amount) }
    }
}
