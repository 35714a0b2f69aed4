//! What a person may be in the mutual. Roles are granted for a time; see `access`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Works through the mutual.
    Member,
    /// Reviews applications, invoices and payouts; builds and seals batches; matches the bank.
    Reviewer,
    /// Approves and releases sealed batches.
    PayoutApprover,
    /// Reads the books and exports them; closes periods.
    Accountant,
    /// Sets up entities, rules and people.
    Administrator,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Member, Self::Reviewer, Self::PayoutApprover, Self::Accountant, Self::Administrator];

    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Reviewer => "reviewer",
            Self::PayoutApprover => "payout_approver",
            Self::Accountant => "accountant",
            Self::Administrator => "administrator",
        }
    }
}

/// Not the name of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of member, reviewer, payout_approver, accountant, administrator")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(UnknownRole)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
