//! What an approver sees of a batch.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::kernel::ids::{PayoutId, PersonId};
use crate::kernel::money::Money;
use crate::payouts::batches::{Approval, Item};

/// A payout in a batch, as an approver must see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchItemView {
    /// The payout.
    pub payout_id: PayoutId,
    /// Who is paid.
    pub member_id: PersonId,
    /// The name on the account.
    pub holder: String,
    /// The same name as it stands in the file, where it has letters that banks do not carry.
    pub name_in_file: String,
    /// The end of the IBAN.
    pub iban_last4: String,
    /// How much is sent.
    pub amount: Money,
    /// Never paid before into this account: look twice.
    pub new_payee: bool,
    /// Paid into another account the last time: look twice.
    pub changed_account: bool,
}

impl From<Item> for BatchItemView {
    fn from(item: Item) -> Self {
        Self {
            payout_id: item.payout.id,
            member_id: item.payout.member_id,
            holder: item.holder,
            name_in_file: item.name_in_file,
            iban_last4: item.iban_last4,
            amount: Money { amount_minor: item.payout.sent(), currency: item.payout.currency },
            new_payee: item.is_new,
            changed_account: item.is_changed,
        }
    }
}

/// Somebody who stands for the sealed bytes.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalView {
    /// Who.
    pub by: PersonId,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when it counts.
    pub until: DateTime<Utc>,
    /// Whether it counts now.
    pub counts: bool,
}

impl From<Approval> for ApprovalView {
    fn from(of: Approval) -> Self {
        Self { by: of.by, at: of.at, until: of.until, counts: of.counts }
    }
}
