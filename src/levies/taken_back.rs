//! What a payment was charged is given back when the payment is taken back: one verb of the desk in a file of its own.

use super::store;
use super::{ChargeSource, NewCharge};
use crate::kernel::ids::AllocationId;
use crate::kernel::levies::{Basis, Charge};
use crate::kernel::money::{Minor, Ppm};
use crate::ledger::{self, Event, Source, events};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// Gives the levies on a payment back, because it is taken back: what was booked, with the other sign. `standing` moves along.
///
/// # Errors
/// 409 for a period that is closed.
pub fn take_back(
    tx: &mut Tx<'_>,
    (paid, back): (AllocationId, AllocationId),
    at: events::Booking,
    standing: &mut events::Standing,
) -> Result<()> {
    let (mut charges, mut entries) = (Vec::new(), Vec::new());
    for row in store::list_of_fact(tx, ChargeSource::Allocation, paid.0)? {
        let was: Basis = serde_json::from_value(row.basis.clone())?;
        let (base, amount) = (row.base_minor.negated()?, row.amount_minor.negated()?);
        let basis = Basis::reversal(row.id.0, was.base, base, amount);
        let uncapped = row.uncapped_minor.map(Minor::negated).transpose()?;
        let charge = Charge { kind: row.kind, base, rate: row.rate_ppm.map(Ppm), amount, uncapped, basis };
        let new = NewCharge {
            id: tx.new_id(),
            entity: row.entity_id,
            activity: row.activity_id,
            member: row.member_id,
            source: (ChargeSource::Allocation, back.0),
            invoice: row.invoice_id,
            rule_set: row.rule_set_id,
            on: at.on,
            charge,
        };
        if let Some(posted) = ledger::posted(tx, Event::LevyCharged, Source::LevyCharge(row.id))? {
            entries.push(events::levy_taken_back(at, new.id, row.member_id, &posted, standing)?);
        }
        charges.push(new);
    }
    store::insert_charges(tx, &charges)?;
    ledger::post_all(tx, &entries)
}
