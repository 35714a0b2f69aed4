//! The question to the bank about a name: asked with no transaction open, its answer kept with the time.

use super::names::PayeeNames;
use super::store;
use crate::kernel::ids::BankDetailChangeId;
use crate::members;
use crate::platform::db::{Actor, Db};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;

/// Asks in whose name a new account is, and keeps the answer. Safe to repeat: only a first answer is kept.
///
/// # Errors
/// Fails with the database; 503 when there is no answer, and it is asked again later.
pub fn check_name(db: &Db, keys: &Keys, names: &dyn PayeeNames, id: BankDetailChangeId) -> Result<()> {
    let change = db.write_blocking(&Actor::System, |tx| {
        let change = store::find(tx, id)?;
        Ok(store::find_name_check(tx, id)?.is_none().then_some(change))
    })?;
    let Some(change) = change else { return Ok(()) };
    let iban = members::open_sealed(keys, change.new_account_id, &change.iban_sealed)?;
    let answer = names.check(&iban, &change.holder).map_err(Error::unavailable)?;
    db.write_blocking(&Actor::System, |tx| {
        let change = store::lock(tx, id)?;
        if store::find_name_check(tx, id)?.is_none() {
            store::insert_name_check(tx, &change, &answer)?;
        }
        Ok(())
    })
}
