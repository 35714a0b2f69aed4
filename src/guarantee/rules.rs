//! Which orders are covered.

use serde::{Deserialize, Serialize};

use crate::kernel::money::Minor;
use crate::kernel::vat::is_eu;

/// A condition of the guarantee. The names are those of the catalogues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The client confirmed by link.
    ClientConfirmed,
    /// The client has not confirmed yet.
    ClientNotConfirmed,
    /// The client is not in the European Union.
    ClientOutsideEu,
    /// The client owes more than the mutual carries for one client.
    ClientLimitExceeded,
    /// The member's share is not current.
    MemberShareLapsed,
}

impl ReasonCode {
    /// The name in the catalogues.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientConfirmed => "client_confirmed",
            Self::ClientNotConfirmed => "client_not_confirmed",
            Self::ClientOutsideEu => "client_outside_eu",
            Self::ClientLimitExceeded => "client_limit_exceeded",
            Self::MemberShareLapsed => "member_share_lapsed",
        }
    }
}

/// A condition, and whether it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Which.
    pub code: ReasonCode,
    /// Whether it speaks for the guarantee.
    pub holds: bool,
}

/// What a member sees on an order before work starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Badge {
    /// Paid on the promised day, whatever the client does.
    Covered,
    /// Will be covered once what is missing is done.
    NotYet,
    /// Paid when the client pays.
    Excluded,
}

/// What the guarantee looks at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Whether the client confirmed.
    pub is_confirmed: bool,
    /// Where the client is.
    pub client_country: &'a str,
    /// Whether the member's share is current.
    pub is_share_current: bool,
    /// What the order comes to with VAT.
    pub order_gross: Minor,
    /// What the mutual carries for one client.
    pub client_limit: Minor,
}

/// Every condition, with whether it holds. `exposed` is what is open with the client without this order.
pub(super) fn judge(facts: &Facts<'_>, exposed: Minor) -> Vec<Reason> {
    let against = |code| Reason { code, holds: false };
    let mut reasons = vec![if facts.is_confirmed {
        Reason { code: ReasonCode::ClientConfirmed, holds: true }
    } else {
        against(ReasonCode::ClientNotConfirmed)
    }];
    if !is_eu(facts.client_country) {
        reasons.push(against(ReasonCode::ClientOutsideEu));
    }
    // An exposure beyond the range of an amount is beyond every limit.
    if exposed.plus(facts.order_gross).map_or(true, |total| total > facts.client_limit) {
        reasons.push(against(ReasonCode::ClientLimitExceeded));
    }
    if !facts.is_share_current {
        reasons.push(against(ReasonCode::MemberShareLapsed));
    }
    reasons
}

pub(super) fn is_covered(reasons: &[Reason]) -> bool {
    reasons.iter().all(|reason| reason.holds)
}

pub(super) fn badge(reasons: &[Reason]) -> Badge {
    let can_still_come = |code| matches!(code, ReasonCode::ClientNotConfirmed | ReasonCode::MemberShareLapsed);
    if is_covered(reasons) {
        Badge::Covered
    } else if reasons.iter().filter(|reason| !reason.holds).all(|reason| can_still_come(reason.code)) {
        Badge::NotYet
    } else {
        Badge::Excluded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'static> = Facts {
        is_confirmed: true,
        client_country: "BE",
        is_share_current: true,
        order_gross: Minor::new(121_000),
        client_limit: Minor::new(1_000_000),
    };

    #[test]
    fn each_missing_condition_is_named_and_decides_the_badge() {
        let cases = [
            (FACTS, 0, Badge::Covered, vec![]),
            (Facts { is_confirmed: false, ..FACTS }, 0, Badge::NotYet, vec![ReasonCode::ClientNotConfirmed]),
            (Facts { client_country: "US", ..FACTS }, 0, Badge::Excluded, vec![ReasonCode::ClientOutsideEu]),
            (FACTS, 879_000, Badge::Covered, vec![]),
            (FACTS, 879_001, Badge::Excluded, vec![ReasonCode::ClientLimitExceeded]),
            (FACTS, i64::MAX, Badge::Excluded, vec![ReasonCode::ClientLimitExceeded]),
            (Facts { is_share_current: false, ..FACTS }, 0, Badge::NotYet, vec![ReasonCode::MemberShareLapsed]),
        ];
        for (facts, exposed, expected, against) in cases {
            let reasons = judge(&facts, Minor::new(exposed));
            let named: Vec<_> = reasons.iter().filter(|reason| !reason.holds).map(|reason| reason.code).collect();
            assert_eq!((badge(&reasons), named), (expected, against), "{facts:?} with {exposed}");
        }
    }
}
