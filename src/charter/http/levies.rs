//! A levy as it is shown and typed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::charter::NewLevy;
use crate::kernel::levies::{Band, Levy, LevyBase, LevyKind, Running};
use crate::kernel::money::{Currency, Money, Ppm};

/// What the mutual keeps of what is invoiced.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LevyView {
    /// What for.
    pub kind: LevyKind,
    /// A decimal fraction of the base, at most six decimals; left out when there are bands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16, example = "0.055", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    pub rate: Option<String>,
    /// What it is computed on; `invoiced_net` when it is not said.
    #[serde(default = "invoiced_net")]
    pub base: LevyBase,
    /// Marginal bands over the running base, from zero upwards, instead of one rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    pub bands: Vec<BandView>,
    /// Over which time the base runs. Bands and margins run over the calendar year when it is not said; other levies
    /// take each amount for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
    /// What an activity pays at least a month; the rest to it is charged when the month is over, by its days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_per_month: Option<Money>,
    /// What an activity pays at most a calendar year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_per_year: Option<Money>,
    /// What an activity pays each month beside the rest, by its days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_per_month: Option<Money>,
}

/// A rate that holds from an amount of the running base on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BandView {
    /// From here on; the first from zero.
    pub from: Money,
    /// A decimal fraction of what lies in the band, at most six decimals.
    #[schema(max_length = 16, example = "0.11", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    pub rate: String,
}

const fn invoiced_net() -> LevyBase {
    LevyBase::InvoicedNet
}

impl LevyView {
    /// A levy as it is shown.
    #[must_use]
    pub fn new(levy: &Levy, currency: Currency) -> Self {
        let money = |amount_minor| Money { amount_minor, currency };
        let band = |band: &Band| BandView { from: money(band.from_minor), rate: band.rate_ppm.to_fraction() };
        Self {
            kind: levy.kind,
            rate: levy.rate_ppm.map(Ppm::to_fraction),
            base: levy.base,
            bands: levy.bands.iter().map(band).collect(),
            running: levy.running,
            floor_per_month: levy.floor_minor.map(money),
            cap_per_year: levy.cap_minor.map(money),
            fixed_per_month: levy.fixed_minor.map(money),
        }
    }
}

impl From<LevyView> for NewLevy {
    fn from(view: LevyView) -> Self {
        Self {
            kind: view.kind,
            base: view.base,
            rate: view.rate,
            bands: view.bands.into_iter().map(|band| (band.from, band.rate)).collect(),
            running: view.running,
            floor_per_month: view.floor_per_month,
            cap_per_year: view.cap_per_year,
            fixed_per_month: view.fixed_per_month,
        }
    }
}
