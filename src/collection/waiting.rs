//! What late invoices wait for, and who must act: the work of a morning. A part of the desk.

use serde::Serialize;
use uuid::Uuid;

use super::store;
pub use super::store::WaitingRow;
use crate::kernel::ids::EntityId;
use crate::platform::db::Tx;
use crate::platform::error::Result;

crate::named! {
    /// What a late invoice waits for.
    WaitsFor {
        /// The client disputes it: the office settles that.
        Dispute = "dispute",
        /// Somebody held it back, and nobody said until when.
        Hold = "hold",
        /// A letter is to be printed, posted and noted.
        LetterToPost = "letter_to_post",
        /// The member is asked whether a formal demand may go.
        MemberAnswer = "member_answer",
        /// The formal demand goes on its day, by itself.
        FormalDemand = "formal_demand",
        /// It can be handed over to an agency.
        Agency = "agency",
        /// All steps of the track are taken: it is given up, or pursued otherwise.
        Decision = "decision",
    }
}

crate::named! {
    /// Who must act.
    WaitsOn {
        /// Whose work it was.
        Member = "member",
        /// The office.
        Reviewer = "reviewer",
        /// Nobody: the program does it.
        Program = "program",
    }
}

/// Which late invoices are looked for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ToDo {
    /// Only in these books.
    pub entity_id: Option<EntityId>,
    /// Only what waits for this.
    pub waits_for: Option<WaitsFor>,
    /// Only where they must act.
    pub waits_on: Option<WaitsOn>,
}

/// Late invoices that wait for somebody, the longest due first. What only waits for its client is not among them.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, to_do: &ToDo, after: Option<Uuid>, limit: i64) -> Result<Vec<WaitingRow>> {
    store::list_waiting(tx, to_do, after, limit)
}
