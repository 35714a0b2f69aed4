//! The provision for clients who may not pay: each age of what is open x its rate, moved when a month closes.
//!
//! The base is what is open without the VAT in it, since VAT on a lost claim comes back. Each age is rounded once. Only
//! the difference to the month before is booked, so that the account is always what the last matrix came to.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::store;
pub use super::store::{MatrixRow, ProvisionRow};
use crate::charter;
use crate::kernel::ids::{EntityId, ProvisionMatrixId, ProvisionRunId};
use crate::kernel::money::{Minor, MoneyError, Ppm, divide_half_away};
use crate::kernel::refusal::Checks;
use crate::ledger::{self, events};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// From so many days late on, which share is doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Days after the last day to pay.
    pub from_days: i32,
    /// The share.
    pub rate: Ppm,
}

/// How doubtful late invoices are, from a day on.
#[derive(Debug, Clone)]
pub struct NewMatrix {
    /// Made by the sender.
    pub id: ProvisionMatrixId,
    /// Whose.
    pub entity: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Its ages, youngest first.
    pub buckets: Vec<Bucket>,
    /// Who decided it, on which experience.
    pub source: String,
    /// Why it takes the place of one for the same day.
    pub reason: Option<String>,
}

/// What one age came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BucketResult {
    /// Days after the last day to pay.
    pub from_days: i32,
    /// The share, in parts per million.
    pub rate_ppm: i64,
    /// How many invoices.
    pub invoices: u32,
    /// What is open of them, without VAT, in minor units.
    #[schema(value_type = i64)]
    pub base_minor: Minor,
    /// What of it is doubtful, in minor units.
    #[schema(value_type = i64)]
    pub provision_minor: Minor,
}

/// Decides the matrix from a day on.
///
/// # Errors
/// 404 for the entity; 422 for every field that is not acceptable.
pub fn add_matrix(tx: &mut Tx<'_>, new: &NewMatrix) -> Result<(MatrixRow, Vec<Bucket>)> {
    charter::entity(tx, new.entity)?;
    let mut checks = Checks::default();
    checks.require((1..=20).contains(&new.buckets.len()), "/buckets", "out_of_range");
    let rises = new.buckets.windows(2).all(|pair| matches!(pair, [young, old] if young.from_days < old.from_days));
    let holds =
        new.buckets.iter().all(|it| (0..=3650).contains(&it.from_days) && (0..=Ppm::WHOLE).contains(&it.rate.0));
    checks.require(rises && holds, "/buckets", "invalid");
    checks.text(&new.source, "/source", 1, 400);
    if let Some(reason) = &new.reason {
        checks.text(reason, "/reason", 1, 500);
    }
    checks.done()?;
    let by = tx.person()?;
    Ok((store::insert_matrix(tx, new, by)?, new.buckets.clone()))
}

/// The matrices of an entity, the last day first.
///
/// # Errors
/// 404 for the entity.
pub fn matrices(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<(MatrixRow, Vec<Bucket>)>> {
    charter::entity(tx, entity)?;
    let rows = store::list_matrices(tx, entity)?;
    rows.into_iter().map(|row| Ok((row.clone(), buckets(tx, row.id)?))).collect()
}

fn buckets(tx: &mut Tx<'_>, matrix: ProvisionMatrixId) -> Result<Vec<Bucket>> {
    let rows = store::buckets_of(tx, matrix)?;
    Ok(rows.into_iter().map(|(from_days, ppm)| Bucket { from_days, rate: Ppm(ppm) }).collect())
}

/// What of an invoice is open without the VAT in it.
fn net_of(open: Minor, net: Minor, gross: Minor) -> Result<Minor> {
    let product = i128::from(open.get()).checked_mul(i128::from(net.get())).ok_or(MoneyError::Overflow)?;
    let rounded = divide_half_away(product, i128::from(gross.get())).ok_or(MoneyError::Overflow)?;
    Ok(Minor::new(i64::try_from(rounded).map_err(|_too_large| MoneyError::Overflow)?))
}

/// Books the provision of the month that ends on a day, as the difference to the one before; nothing without a matrix,
/// and nothing twice.
///
/// # Errors
/// Fails with the database.
pub fn move_at_close(tx: &mut Tx<'_>, entity: EntityId, last_day: NaiveDate) -> Result<Option<ProvisionRow>> {
    let period = format!("{:04}-{:02}", last_day.year(), last_day.month());
    if let Some(run) = store::run_of(tx, entity, &period)? {
        return Ok(Some(run));
    }
    let Some(matrix) = store::matrix_on(tx, entity, last_day)? else { return Ok(None) };
    // A month of a year that is closed takes nothing any more: the next one makes up for it.
    if ledger::first_open_day(tx, entity)?.is_some_and(|open| open > last_day) {
        return Ok(None);
    }
    let mut results: Vec<BucketResult> = Vec::new();
    for bucket in buckets(tx, matrix.id)? {
        results.push(BucketResult {
            from_days: bucket.from_days,
            rate_ppm: bucket.rate.0,
            invoices: 0,
            base_minor: Minor::ZERO,
            provision_minor: Minor::ZERO,
        });
    }
    for late in store::list_late(tx, entity, last_day)? {
        if let Some(bucket) = results.iter_mut().rfind(|bucket| bucket.from_days <= late.days) {
            bucket.invoices = bucket.invoices.saturating_add(1);
            let base = net_of(late.open_minor, late.net_minor, late.gross_minor)?;
            bucket.base_minor = bucket.base_minor.plus(base)?;
        }
    }
    for bucket in &mut results {
        bucket.provision_minor = bucket.base_minor.share(Ppm(bucket.rate_ppm))?;
    }
    let required = Minor::sum(results.iter().map(|bucket| bucket.provision_minor))?;
    let previous = store::last_run_before(tx, entity, &period)?.map_or(Minor::ZERO, |run| run.required_minor);
    let new = ProvisionRow {
        id: tx.new_id(),
        entity_id: entity,
        period,
        reckoned_on: last_day,
        matrix_id: matrix.id,
        currency: charter::rule_set_on(tx, entity, last_day)?.currency,
        required_minor: required,
        previous_minor: previous,
        moved_minor: required.minus(previous)?,
        basis: json!({"buckets": results}),
        made_by: tx.person()?,
        created_at: tx.now(),
    };
    let row = store::insert_run(tx, &new)?;
    if row.moved_minor != Minor::ZERO {
        let at = events::Booking { entity, on: last_day, currency: row.currency };
        ledger::post(tx, &events::provision_moved(at, row.id, row.moved_minor)?)?;
    }
    Ok(Some(row))
}

/// The provision of a month.
///
/// # Errors
/// 404.
pub fn run(tx: &mut Tx<'_>, id: ProvisionRunId) -> Result<ProvisionRow> {
    store::find_run(tx, id)
}

/// Provisions, newest first.
///
/// # Errors
/// Fails with the database.
pub fn runs(tx: &mut Tx<'_>, entity: Option<EntityId>, after: Option<Uuid>, limit: i64) -> Result<Vec<ProvisionRow>> {
    store::list_runs(tx, entity, after, limit)
}

/// What the ages of a run came to.
///
/// # Errors
/// None: the table keeps what was written.
pub fn results(row: &ProvisionRow) -> Result<Vec<BucketResult>> {
    let kept = row.basis.get("buckets").cloned().unwrap_or_default();
    serde_json::from_value(kept).map_err(Error::from)
}
