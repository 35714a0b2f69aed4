//! The SQL of exchange rates.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use rust_decimal::Decimal;
use umbel_schema::{currency, exchange_rate};
use uuid::Uuid;

use crate::charter::exchange::NewExchangeRate;
use crate::kernel::exchange::ExchangeRate;
use crate::kernel::ids::{ExchangeRateId, PersonId};
use crate::kernel::money::Currency;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// What one euro is in a currency on a day.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = exchange_rate, check_for_backend(diesel::pg::Pg))]
pub struct ExchangeRateRow {
    /// Its id.
    pub id: ExchangeRateId,
    /// Of which currency.
    pub currency: Currency,
    /// The day for which it was published.
    pub on_date: NaiveDate,
    /// Units of the currency for one euro.
    pub rate: Decimal,
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

impl ExchangeRateRow {
    /// As what amounts are converted by.
    ///
    /// # Errors
    /// None: the table keeps what was checked.
    pub fn exact(&self) -> Result<ExchangeRate> {
        ExchangeRate::of(self.rate).ok_or_else(|| Error::internal("a rate has six decimals"))
    }
}

pub(in crate::charter) fn is_currency(tx: &mut Tx<'_>, code: Currency) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(currency::table.find(code))).get_result(tx.conn())?)
}

pub(in crate::charter) fn insert_rate(
    tx: &mut Tx<'_>,
    new: &NewExchangeRate,
    rate: ExchangeRate,
    replaces: Option<ExchangeRateId>,
) -> Result<ExchangeRateRow> {
    let me = tx.person()?;
    Ok(diesel::insert_into(exchange_rate::table)
        .values((
            exchange_rate::id.eq(new.id),
            exchange_rate::currency.eq(new.currency),
            exchange_rate::on_date.eq(new.on),
            exchange_rate::rate.eq(rate.decimal()),
            exchange_rate::source.eq(new.source.trim()),
            exchange_rate::replaces_id.eq(replaces),
            exchange_rate::reason.eq(new.reason.as_deref().map(str::trim)),
            exchange_rate::entered_by.eq(me),
        ))
        .returning(ExchangeRateRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::charter) fn find_rate(tx: &mut Tx<'_>, id: ExchangeRateId) -> Result<ExchangeRateRow> {
    Ok(exchange_rate::table.find(id).select(ExchangeRateRow::as_select()).first(tx.conn())?)
}

/// The rate of a day that no other took the place of.
pub(in crate::charter) fn find_rate_of(
    tx: &mut Tx<'_>,
    code: Currency,
    on: NaiveDate,
) -> Result<Option<ExchangeRateRow>> {
    Ok(find_last_rate(tx, code, on)?.filter(|row| row.on_date == on))
}

pub(in crate::charter) fn find_last_rate(
    tx: &mut Tx<'_>,
    code: Currency,
    day: NaiveDate,
) -> Result<Option<ExchangeRateRow>> {
    let last: Option<NaiveDate> = exchange_rate::table
        .filter(exchange_rate::currency.eq(code))
        .filter(exchange_rate::on_date.le(day))
        .select(diesel::dsl::max(exchange_rate::on_date))
        .first(tx.conn())?;
    let Some(last) = last else { return Ok(None) };
    let of_day: Vec<ExchangeRateRow> = exchange_rate::table
        .filter(exchange_rate::currency.eq(code))
        .filter(exchange_rate::on_date.eq(last))
        .select(ExchangeRateRow::as_select())
        .load(tx.conn())?;
    let is_replaced = |id| of_day.iter().any(|row| row.replaces_id == Some(id));
    Ok(of_day.iter().find(|row| !is_replaced(row.id)).cloned())
}

pub(in crate::charter) fn list_rates(
    tx: &mut Tx<'_>,
    code: Option<Currency>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ExchangeRateRow>> {
    let mut query = exchange_rate::table
        .order(exchange_rate::id.desc())
        .limit(limit)
        .select(ExchangeRateRow::as_select())
        .into_boxed();
    if let Some(code) = code {
        query = query.filter(exchange_rate::currency.eq(code));
    }
    if let Some(after) = after {
        query = query.filter(exchange_rate::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}
