//! What is doubtful of what clients owe.

use super::Booking;
use crate::kernel::ids::ProvisionRunId;
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::entry::{Account, Dimensions, Entry, Event, Source, credit, debit};

/// The provision for clients who may not pay moved: up, or down when `moved` is negative.
///
/// # Errors
/// As all events.
pub fn provision_moved(at: Booking, run: ProvisionRunId, moved: Minor) -> Result<Entry, Refusal> {
    let about = Dimensions::default();
    let postings = [debit(Account::Impairment, moved, &about)?, credit(Account::DoubtfulProvision, moved, &about)?];
    Entry::new(at.entity, at.on, (Event::ProvisionMoved, Source::ProvisionRun(run)), at.currency, None, postings)
}
