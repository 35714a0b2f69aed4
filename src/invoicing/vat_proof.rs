//! What proves that a buyer accounts for the tax: the answer of the VAT registry about its number. The registry is asked
//! before the invoice is handed in, outside every transaction, and what it said is frozen with the buyer.

use super::rules::InvoiceState;
use super::store::{self, InvoiceLineRow, InvoiceRow, VatProof};
use crate::clients;
use crate::kernel::ids::{ClientId, InvoiceId};
use crate::kernel::vat::VatCase;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// What the VAT registry last said about a buyer who accounts for the tax.
///
/// # Errors
/// 422 `vat_case_mismatch` when it does not know the number.
pub(super) fn vat_proof(tx: &mut Tx<'_>, row: &InvoiceRow, lines: &[InvoiceLineRow]) -> Result<Option<VatProof>> {
    if !lines.iter().any(|line| line.vat_case == VatCase::ReverseCharge) {
        return Ok(None);
    }
    let client = clients::client(tx, row.client_id)?;
    let last = clients::last_checks(tx, &[client.id])?.remove(&client.id);
    let about = last.filter(|check| Some(&check.vat_number) == client.vat_number.as_ref());
    let reason = match &about {
        Some(check) if check.outcome == clients::VatOutcome::Invalid => Some("buyer_vat_number_not_registered"),
        Some(_) => None,
        // The number was changed since: whoever did so asks about the new one.
        None => Some("buyer_vat_number_not_checked"),
    };
    if let Some(reason) = reason {
        return Err(Error::value("vat_case_mismatch")
            .with("reason", reason)
            .with("vat_case", VatCase::ReverseCharge.name()));
    }
    Ok(about.map(|check| VatProof {
        outcome: check.outcome.to_string(),
        vat_number: check.vat_number,
        registered_name: check.registered_name,
        source: check.source,
        consultation: check.consultation,
        checked_at: check.checked_at,
    }))
}

/// The VAT number that the registry must be asked about before a draft can be handed in: of a buyer who accounts for the
/// tax, and about whom it was not asked on this day.
///
/// # Errors
/// 404.
pub fn vat_number_to_prove(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Option<(ClientId, String)>> {
    let row = store::find(tx, id)?;
    let is_due = row.state == InvoiceState::Draft
        && store::list_lines(tx, id)?.iter().any(|line| line.vat_case == VatCase::ReverseCharge);
    if !is_due {
        return Ok(None);
    }
    let client = clients::client(tx, row.client_id)?;
    let today = tx.now().date_naive();
    let last = clients::last_checks(tx, &[client.id])?.remove(&client.id);
    let is_known = |check: &clients::VatCheckRow| {
        Some(&check.vat_number) == client.vat_number.as_ref()
            && check.checked_at.date_naive() == today
            && check.outcome != clients::VatOutcome::Unavailable
    };
    if last.as_ref().is_some_and(is_known) {
        return Ok(None);
    }
    Ok(client.vat_number.map(|number| (client.id, number)))
}
