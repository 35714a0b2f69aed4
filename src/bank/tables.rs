//! Tables of text that a bank gives in place of statements: which column is what, by account.

use serde_json::Value;
use uuid::Uuid;

use super::store::{self, ProfileRow};
use crate::charter;
use crate::formats::bank_statement::{CsvProfile, CsvReading};
use crate::kernel::ids::{BankAccountId, BankCsvProfileId};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// Describes the table of a bank account. It never changes; a new one takes its place.
///
/// # Errors
/// 409 `bank_csv_profile_exists` for a second one of that name; 422 for an account that is not there and for columns that do not fit
/// together.
pub fn add_profile(
    tx: &mut Tx<'_>,
    id: BankCsvProfileId,
    account: BankAccountId,
    name: &str,
    profile: &CsvProfile,
) -> Result<ProfileRow> {
    let mut checks = Checks::default();
    checks.text(name, "/name", 1, 100);
    let delimiter = matches!(profile.delimiter.as_str(), ";" | "," | "\t" | "|");
    checks.require(delimiter, "/columns/delimiter", "invalid");
    checks.require(profile.rows_before <= 50, "/columns/rows_before", "out_of_range");
    checks.require(profile.texts.len() <= 10, "/columns/texts", "out_of_range");
    checks.text(&profile.booked_on, "/columns/booked_on", 1, 100);
    let is_either = profile.amount.is_some() != (profile.money_in.is_some() && profile.money_out.is_some());
    let is_half = profile.money_in.is_some() != profile.money_out.is_some();
    checks.require(is_either && !is_half, "/columns/amount", "invalid");
    let named = [
        ("amount", &profile.amount),
        ("money_in", &profile.money_in),
        ("money_out", &profile.money_out),
        ("balance", &profile.balance),
        ("counterparty", &profile.counterparty),
        ("counterparty_account", &profile.counterparty_account),
        ("reference", &profile.reference),
        ("end_to_end_id", &profile.end_to_end_id),
        ("bank_reference", &profile.bank_reference),
    ];
    for (pointer, column) in named {
        if let Some(column) = column {
            checks.text(column, &format!("/columns/{pointer}"), 1, 100);
        }
    }
    for (n, text) in profile.texts.iter().enumerate() {
        checks.text(text, &format!("/columns/texts/{n}"), 1, 100);
    }
    checks.done()?;
    let account = charter::bank_account_by_id(tx, account).map_err(|error| match error.code {
        "not_found" => Error::field("/bank_account_id", "invalid"),
        _ => error,
    })?;
    let row = ProfileRow {
        id,
        entity_id: account.entity_id,
        bank_account_id: account.id,
        name: name.trim().to_owned(),
        layout: serde_json::to_value(profile)?,
        created_by: tx.person()?,
        created_at: tx.now(),
    };
    store::insert_profile(tx, &row)?;
    Ok(row)
}

/// A profile.
///
/// # Errors
/// 404.
pub fn profile(tx: &mut Tx<'_>, id: BankCsvProfileId) -> Result<ProfileRow> {
    store::find_profile(tx, id)
}

/// Profiles, the newest first.
///
/// # Errors
/// Fails with the database.
pub fn profiles(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<ProfileRow>> {
    store::list_profiles(tx, after, limit)
}

/// How to read a file by a profile. `closing`: what the bank shows after the last row, where no column says it; `name`:
/// what tells this file from others.
///
/// # Errors
/// 422 for a profile that is not there.
pub fn reading(tx: &mut Tx<'_>, id: BankCsvProfileId, closing: Option<Minor>, name: &str) -> Result<CsvReading> {
    let row = store::find_profile(tx, id).map_err(|error| match error.code {
        "not_found" => Error::field("/csv_profile_id", "invalid"),
        _ => error,
    })?;
    let account = charter::bank_account_by_id(tx, row.bank_account_id)?;
    Ok(CsvReading {
        profile: columns(&row.layout)?,
        account: account.iban,
        currency: account.currency,
        closing,
        name: name.to_owned(),
    })
}

/// The columns of a profile as they are kept.
///
/// # Errors
/// Fails for what this program did not write.
pub fn columns(kept: &Value) -> Result<CsvProfile> {
    Ok(serde_json::from_value(kept.clone())?)
}
