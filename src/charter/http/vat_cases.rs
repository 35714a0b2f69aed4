//! The counter for VAT cases: what applies in a country on a day, and by which law.

use std::collections::BTreeMap;

use actix_web::get;
use actix_web::web::{Data, Json};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::SignedIn;
use crate::charter::{self, VatTariff};
use crate::kernel::identifiers;
use crate::kernel::refusal::Checks;
use crate::kernel::vat::VatCase;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::QueryOf;

/// A VAT case of a country.
#[derive(Debug, Serialize, ToSchema)]
pub struct VatCaseView {
    /// What lines name.
    pub vat_case: VatCase,
    /// Category code of EN 16931.
    pub category: String,
    /// The rate as a decimal fraction.
    pub rate: String,
    /// Why no tax is due, from the VATEX list.
    pub exemption_code: Option<String>,
    /// The mention on documents by language; empty where the rate says all.
    pub mentions: BTreeMap<String, String>,
    /// Whether a line must say why the case applies, in `vat_justification`.
    pub needs_justification: bool,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Until the day before this one; for ever when there is none.
    pub valid_until: Option<NaiveDate>,
    /// The law.
    pub source: String,
}

impl From<(VatCase, VatTariff)> for VatCaseView {
    fn from((vat_case, tariff): (VatCase, VatTariff)) -> Self {
        Self {
            vat_case,
            rate: tariff.rate.to_fraction(),
            category: tariff.category,
            exemption_code: tariff.vatex,
            mentions: tariff.mentions,
            needs_justification: tariff.needs_justification,
            valid_from: tariff.valid_from,
            valid_until: tariff.valid_until,
            source: tariff.source,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct VatCaseFilter {
    /// Of the seller (ISO 3166-1 alpha-2).
    #[param(max_length = 2, pattern = "^[A-Z]{2}$")]
    country: String,
    /// The tax point.
    on: NaiveDate,
}

/// Lists the VAT cases that a seller of a country has on a day; none for a country without any.
#[utoipa::path(tag = "charter", params(VatCaseFilter), responses((status = 200, body = Vec<VatCaseView>)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/vat_cases")]
pub(super) async fn list_vat_cases(
    who: SignedIn,
    db: Data<Db>,
    query: QueryOf<VatCaseFilter>,
) -> Result<Json<Vec<VatCaseView>>> {
    let query = query.0;
    let mut checks = Checks::default();
    checks.require(identifiers::is_country(&query.country), "/country", "invalid");
    checks.done()?;
    let cases = db.write(who.into(), move |tx| charter::vat_tariffs(tx, &query.country, query.on)).await?;
    Ok(Json(cases.into_iter().map(VatCaseView::from).collect()))
}
