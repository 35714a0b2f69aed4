//! What an approver sees of a batch.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::kernel::ids::{PayoutId, PersonId};
use crate::kernel::money::Money;
use crate::payouts::TextRow;
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
    /// The same name as it stands in the sealed file, or will, where it has letters that banks do not carry.
    pub name_in_file: String,
    /// What the sealed file says, beside what is known; null until the seal.
    pub text_in_file: Option<TextInFileView>,
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
            name_in_file: item.name_in_file(),
            holder: item.holder,
            text_in_file: item.text.map(TextInFileView::from),
            iban_last4: item.iban_last4,
            amount: Money { amount_minor: item.payout.sent(), currency: item.payout.currency },
            new_payee: item.is_new,
            changed_account: item.is_changed,
        }
    }
}

/// What a sealed file says of a payee, beside what is known.
#[derive(Debug, Serialize, ToSchema)]
pub struct TextInFileView {
    /// The name of the sealed message.
    pub message_id: String,
    /// The name on the account.
    pub name: String,
    /// As it stands in the file.
    pub name_in_file: String,
    /// The address of the member.
    pub address: String,
    /// As it stands in the file.
    pub address_in_file: String,
    /// What the payee should read.
    pub remittance: String,
    /// As it stands in the file.
    pub remittance_in_file: String,
    /// Whether any of them is written in other letters.
    pub changed: bool,
}

impl From<TextRow> for TextInFileView {
    fn from(row: TextRow) -> Self {
        Self {
            changed: (&row.name, &row.address, &row.remittance)
                != (&row.name_in_file, &row.address_in_file, &row.remittance_in_file),
            message_id: row.message_id,
            name: row.name,
            name_in_file: row.name_in_file,
            address: row.address,
            address_in_file: row.address_in_file,
            remittance: row.remittance,
            remittance_in_file: row.remittance_in_file,
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
