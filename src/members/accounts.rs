//! Where members are paid: sealed, compared without being read, and replaced only by what the member asked for.

use chrono::{DateTime, Utc};

use super::{NewPayeeAccount, store};
use crate::kernel::identifiers;
use crate::kernel::ids::{BankDetailChangeId, PayeeAccountId, PersonId};
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;

pub use super::store::{PayeeAccountRow, SealedAccount};

/// What the IBAN of an account is sealed for: the row is part of it, so that a sealed value moved to another row
/// does not open there.
fn seal_purpose(id: PayeeAccountId) -> String {
    format!("payee.iban:{id}")
}

/// Checks an account as somebody typed it, and seals its IBAN.
///
/// # Errors
/// 422 `/iban` and `/holder` for what is not acceptable.
pub fn seal_account(keys: &Keys, person: PersonId, new: &NewPayeeAccount) -> Result<SealedAccount> {
    let mut checks = Checks::default();
    let iban = identifiers::iban(&new.iban);
    checks.require(iban.is_some(), "/iban", "invalid");
    checks.text(&new.holder, "/holder", 1, 70);
    checks.done()?;
    let iban = iban.unwrap_or_default();
    Ok(SealedAccount {
        id: new.id,
        person_id: person,
        holder: new.holder.trim().to_owned(),
        iban_sealed: keys.seal(&seal_purpose(new.id), iban.as_bytes()),
        iban_index: keys.blind_index("payee.iban", iban.as_bytes()).to_vec(),
        iban_country: iban.get(..2).unwrap_or_default().to_owned(),
        iban_last4: iban.get(iban.len().saturating_sub(4)..).unwrap_or_default().to_owned(),
        change_id: None,
        verified_at: None,
    })
}

/// The IBAN of an account in full, for the bank file.
///
/// # Errors
/// 500 when it was altered or its key is gone.
pub fn open_iban(keys: &Keys, account: &PayeeAccountRow) -> Result<String> {
    open_sealed(keys, account.id, &account.iban_sealed)
}

/// The IBAN that was sealed for an account, also before the account is there.
///
/// # Errors
/// As [`open_iban`].
pub fn open_sealed(keys: &Keys, id: PayeeAccountId, sealed: &[u8]) -> Result<String> {
    let bytes = keys.open(&seal_purpose(id), sealed).map_err(Error::internal)?;
    String::from_utf8(bytes).map_err(Error::internal)
}

/// Puts the account that a member asked for in the place of the one that was live. It counts as verified: the member
/// asked with a fresh proof, and nobody objected while it cooled. `PostgreSQL` compares it with what was asked for.
///
/// # Errors
/// 409 `state_conflict` unless the change is active.
pub fn install_account(
    tx: &mut Tx<'_>,
    sealed: SealedAccount,
    change: BankDetailChangeId,
    at: DateTime<Utc>,
) -> Result<PayeeAccountRow> {
    let account = SealedAccount { change_id: Some(change), verified_at: Some(at), ..sealed };
    store::replace_payee_account(tx, &account)
}

/// The account that a person is paid to now, verified or not.
///
/// # Errors
/// Fails with the database.
pub fn current_account(tx: &mut Tx<'_>, of: PersonId) -> Result<Option<PayeeAccountRow>> {
    store::find_live_payee_account(tx, of)
}

/// Whether somebody else has, or had, an account with the same IBAN.
///
/// # Errors
/// Fails with the database.
pub fn is_iban_elsewhere(tx: &mut Tx<'_>, index: &[u8], than: PersonId) -> Result<bool> {
    store::is_iban_elsewhere(tx, index, than)
}
