//! Exchange rates as they were published: which one counts on a day.

use chrono::NaiveDate;
use uuid::Uuid;

use super::store;
pub use super::store::ExchangeRateRow;
use crate::kernel::exchange::ExchangeRate;
use crate::kernel::ids::ExchangeRateId;
use crate::kernel::money::Currency;
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// How many days old the last published rate may be. The ECB publishes on every TARGET day; the longest time without
/// one is five days (Easter, Christmas before a weekend), and a week leaves the office two to enter it.
pub const AGE_MAX_DAYS: i64 = 7;

/// A rate that was published.
#[derive(Debug, Clone)]
pub struct NewExchangeRate {
    /// Made by the sender.
    pub id: ExchangeRateId,
    /// Of which currency.
    pub currency: Currency,
    /// The day for which it was published.
    pub on: NaiveDate,
    /// Units of the currency for one euro, as it was sent.
    pub rate: String,
    /// Who published it.
    pub source: String,
    /// Why it takes the place of the one that was entered for that day.
    pub reason: Option<String>,
}

/// Enters a rate. One that was entered before for the same day stays, and counts no more.
///
/// # Errors
/// 422 for every field that is not acceptable: a reason is needed where there is a rate for the day, and only there.
pub fn add_rate(tx: &mut Tx<'_>, new: &NewExchangeRate) -> Result<ExchangeRateRow> {
    let mut checks = Checks::default();
    let is_known = new.currency != Currency::EUR && store::is_currency(tx, new.currency)?;
    checks.require(is_known, "/currency", "invalid");
    checks.require(new.on <= tx.now().date_naive(), "/on", "out_of_range");
    let rate = ExchangeRate::parse(&new.rate);
    checks.require(rate.is_some(), "/rate", "invalid");
    checks.text(&new.source, "/source", 1, 100);
    let before = store::find_rate_of(tx, new.currency, new.on)?;
    match (&new.reason, &before) {
        (None, Some(_)) => checks.refuse("/reason", "required"),
        (Some(_), None) => checks.refuse("/reason", "not_allowed"),
        (Some(reason), Some(_)) => checks.text(reason, "/reason", 1, 500),
        (None, None) => {}
    }
    checks.done()?;
    let rate = rate.ok_or_else(|| Error::field("/rate", "invalid"))?;
    if let Some(reason) = &new.reason {
        tx.reason(reason)?;
    }
    store::insert_rate(tx, new, rate, before.map(|row| row.id))
}

/// Rates, newest first, those that were replaced too.
///
/// # Errors
/// Fails with the database.
pub fn rates(
    tx: &mut Tx<'_>,
    currency: Option<Currency>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ExchangeRateRow>> {
    store::list_rates(tx, currency, after, limit)
}

/// The rate that counts on a day: the last one published on or before it.
///
/// # Errors
/// 409 `exchange_rate_missing`, with currency and day, when there is none or it is too old.
pub fn rate_on(tx: &mut Tx<'_>, currency: Currency, day: NaiveDate) -> Result<ExchangeRateRow> {
    let row = last_rate(tx, currency, day)?;
    if day.signed_duration_since(row.on_date).num_days() > AGE_MAX_DAYS {
        return Err(missing(currency, day));
    }
    Ok(row)
}

/// The last rate published on or before a day, however old: for estimates that bind nobody.
///
/// # Errors
/// 409 `exchange_rate_missing` when there is none.
pub fn last_rate(tx: &mut Tx<'_>, currency: Currency, day: NaiveDate) -> Result<ExchangeRateRow> {
    store::find_last_rate(tx, currency, day)?.ok_or_else(|| missing(currency, day))
}

fn missing(currency: Currency, day: NaiveDate) -> Error {
    Error::conflict("exchange_rate_missing").with("currency", currency).with("date", day)
}

/// A rate that a document was booked by.
///
/// # Errors
/// 404.
pub fn rate(tx: &mut Tx<'_>, id: ExchangeRateId) -> Result<ExchangeRateRow> {
    store::find_rate(tx, id)
}

/// Whether documents may be in a currency.
///
/// # Errors
/// Fails with the database.
pub fn is_currency(tx: &mut Tx<'_>, currency: Currency) -> Result<bool> {
    Ok(currency == Currency::EUR || store::is_currency(tx, currency)?)
}
