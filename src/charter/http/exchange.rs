//! The counter for exchange rates: the office enters what was published.

use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{BooksReader, Desk};
use crate::charter::exchange::{self, ExchangeRateRow, NewExchangeRate};
use crate::kernel::ids::{ExchangeRateId, PersonId};
use crate::kernel::money::Currency;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf};

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddExchangeRate {
    /// Made by the sender.
    id: ExchangeRateId,
    /// Of which currency (ISO 4217), not the euro.
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    /// The day for which it was published.
    on: NaiveDate,
    /// Units of the currency for one euro, a plain decimal above zero with at most six decimals.
    #[schema(max_length = 16, example = "1.0834", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    rate: String,
    /// Who published it.
    #[schema(max_length = 100, example = "ECB")]
    source: String,
    /// Why it takes the place of the one that was entered for that day; only then.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// What one euro is in a currency on a day.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExchangeRateView {
    /// Its id.
    pub id: ExchangeRateId,
    /// Of which currency.
    #[schema(value_type = String, example = "USD")]
    pub currency: Currency,
    /// The day for which it was published.
    pub on: NaiveDate,
    /// Units of the currency for one euro.
    pub rate: String,
    /// Who published it.
    pub source: String,
    /// The one that was wrong.
    pub replaces_id: Option<ExchangeRateId>,
    /// Why.
    pub reason: Option<String>,
    /// Who entered it.
    pub entered_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<ExchangeRateRow> for ExchangeRateView {
    fn from(row: ExchangeRateRow) -> Self {
        Self {
            id: row.id,
            currency: row.currency,
            on: row.on_date,
            rate: row.rate.normalize().to_string(),
            source: row.source,
            replaces_id: row.replaces_id,
            reason: row.reason,
            entered_by: row.entered_by,
            created_at: row.created_at,
        }
    }
}

/// Enters an exchange rate as it was published. Documents that are issued keep the rate by which they were booked.
#[utoipa::path(tag = "charter", request_body = AddExchangeRate, responses((status = 201, body = ExchangeRateView)),
    extensions(("x-roles" = json!(["accountant", "administrator"]))))]
#[post("/v1/exchange_rates")]
pub(super) async fn add_exchange_rate(
    who: BooksReader,
    db: Data<Db>,
    command: Command<AddExchangeRate>,
) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "add_exchange_rate", "/v1/exchange_rates", |tx, body| {
            let new = NewExchangeRate {
                id: body.id,
                currency: body.currency,
                on: body.on,
                rate: body.rate,
                source: body.source,
                reason: body.reason,
            };
            exchange::add_rate(tx, &new).map(ExchangeRateView::from)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ExchangeRateFilter {
    /// Only of this currency.
    #[param(value_type = Option<String>)]
    currency: Option<Currency>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists exchange rates, the last entered first, those that were replaced too.
#[utoipa::path(tag = "charter", params(ExchangeRateFilter), responses((status = 200, body = Page<ExchangeRateView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/exchange_rates")]
pub(super) async fn list_exchange_rates(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<ExchangeRateFilter>,
) -> Result<Json<Page<ExchangeRateView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "exchange_rates", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = exchange::rates(tx, filter.currency, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, ExchangeRateView::from))
        })
        .await?;
    Ok(Json(page))
}
