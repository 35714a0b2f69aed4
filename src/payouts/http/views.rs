//! What an approver sees of a batch.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::kernel::ids::{PayoutId, PersonId};
use crate::kernel::money::Money;
use crate::payouts::ApprovalRow;

/// A payout in a batch, as an approver must see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchItemView {
    /// The payout.
    pub payout_id: PayoutId,
    /// Who is paid.
    pub member_id: PersonId,
    /// The name on the account.
    pub holder: String,
    /// The end of the IBAN.
    pub iban_last4: String,
    /// How much is sent.
    pub amount: Money,
    /// Never paid before into this account: look twice.
    pub new_payee: bool,
}

/// Somebody who stands for the sealed bytes.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalView {
    /// Who.
    pub by: PersonId,
    /// When.
    pub at: DateTime<Utc>,
}

impl From<ApprovalRow> for ApprovalView {
    fn from(row: ApprovalRow) -> Self {
        Self { by: row.approver_id, at: row.at }
    }
}
