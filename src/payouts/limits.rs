//! What a bank takes in one file: so many payouts, so much money.
//!
//! Owns `bank_limit`: dated rows for each bank account of an entity, never edited. A batch takes the oldest payouts until
//! a limit is met; the others wait for the next batch.

use chrono::NaiveDate;

use super::rules;
use super::store::BatchRow;
use super::store::limits as store;
pub use super::store::limits::LimitRow;
use crate::charter;
use crate::kernel::ids::{BankAccountId, BankLimitId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// A decision about an account.
#[derive(Debug, Clone)]
pub struct NewLimit {
    /// Its id.
    pub id: BankLimitId,
    /// Of which account.
    pub account: BankAccountId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// So many payouts at most; none for any number.
    pub payouts_max: Option<i32>,
    /// So much at most; none for any sum.
    pub total_max: Option<Money>,
    /// Why: what the bank says.
    pub reason: String,
}

/// Decides what a bank takes in one file, from a day on.
///
/// # Errors
/// 404; 422 for a past day, a limit that is not above zero and a reason that is missing.
pub fn decide(tx: &mut Tx<'_>, new: &NewLimit) -> Result<LimitRow> {
    let account = charter::bank_account_by_id(tx, new.account)?;
    let entity = charter::entity(tx, account.entity_id)?;
    let mut checks = Checks::default();
    checks.require(new.valid_from >= tx.today(entity.zone()), "/valid_from", "out_of_range");
    checks.require(new.payouts_max.is_none_or(|most| most > 0), "/payouts_max", "out_of_range");
    if let Some(total) = new.total_max {
        checks.require(total.currency == Currency::EUR, "/total_max/currency", "currency_mismatch");
        checks.require(total.amount_minor > Minor::ZERO, "/total_max/amount_minor", "out_of_range");
    }
    checks.text(&new.reason, "/reason", 1, 2000);
    checks.done()?;
    let me = tx.person()?;
    tx.reason(&new.reason)?;
    store::insert(tx, new, me)
}

/// What was decided about an account, the oldest first.
///
/// # Errors
/// 404.
pub fn decided(tx: &mut Tx<'_>, account: BankAccountId) -> Result<Vec<LimitRow>> {
    charter::bank_account_by_id(tx, account)?;
    store::list(tx, account)
}

/// What the bank of a batch takes: on the day of its execution, or today where that is later.
pub(super) fn of_batch(tx: &mut Tx<'_>, batch: &BatchRow) -> Result<rules::FileLimit> {
    let entity = charter::entity(tx, batch.entity_id)?;
    let day = batch.execute_on.max(tx.today(entity.zone()));
    let row = store::find(tx, batch.bank_account_id, day)?;
    Ok(row.map_or_else(rules::FileLimit::default, |row| rules::FileLimit {
        count: row.payouts_max.and_then(|most| usize::try_from(most).ok()),
        total: row.total_max_minor,
    }))
}
