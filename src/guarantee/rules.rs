//! Which orders are covered, when an advance has to wait, how a fund that is short is shared.

use serde::{Deserialize, Serialize};

use super::store::Exposure;
use crate::kernel::money::{Minor, MoneyError, Ppm, split};
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
    /// The client disputes an invoice.
    InvoiceDisputed,
    /// The client owes more than the mutual carries for one client.
    ClientLimitExceeded,
    /// The clients of the member owe more than the mutual carries for one member.
    MemberLimitExceeded,
    /// The member and the client have no paid invoice between them, and this is more than a first order may be.
    NewPairLimitExceeded,
    /// The member's share is not current.
    MemberShareLapsed,
    /// The work began, or was to begin, before the client confirmed.
    WorkNotDeclared,
    /// The advances would be more than the fund carries.
    FundMultipleExceeded,
    /// The fund is so low that the guarantee pauses.
    FundPaused,
}

impl ReasonCode {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::ClientConfirmed,
        Self::ClientNotConfirmed,
        Self::ClientOutsideEu,
        Self::InvoiceDisputed,
        Self::ClientLimitExceeded,
        Self::MemberLimitExceeded,
        Self::NewPairLimitExceeded,
        Self::MemberShareLapsed,
        Self::WorkNotDeclared,
        Self::FundMultipleExceeded,
        Self::FundPaused,
    ];

    /// The name in the catalogues.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientConfirmed => "client_confirmed",
            Self::ClientNotConfirmed => "client_not_confirmed",
            Self::ClientOutsideEu => "client_outside_eu",
            Self::InvoiceDisputed => "invoice_disputed",
            Self::ClientLimitExceeded => "client_limit_exceeded",
            Self::MemberLimitExceeded => "member_limit_exceeded",
            Self::NewPairLimitExceeded => "new_pair_limit_exceeded",
            Self::MemberShareLapsed => "member_share_lapsed",
            Self::WorkNotDeclared => "work_not_declared",
            Self::FundMultipleExceeded => "fund_multiple_exceeded",
            Self::FundPaused => "fund_paused",
        }
    }

    /// Whether what is missing can still come, so that the order will be covered.
    const fn can_still_come(self) -> bool {
        match self {
            Self::ClientNotConfirmed
            | Self::InvoiceDisputed
            | Self::MemberShareLapsed
            | Self::FundMultipleExceeded
            | Self::FundPaused => true,
            Self::ClientConfirmed
            | Self::ClientOutsideEu
            | Self::ClientLimitExceeded
            | Self::MemberLimitExceeded
            | Self::NewPairLimitExceeded
            | Self::WorkNotDeclared => false,
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

/// What a rule set allows the guarantee. None is "no limit".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What the mutual carries for one client.
    pub client: Minor,
    /// What it carries for all clients of one member.
    pub member: Option<Minor>,
    /// What it carries for a member and a client who have no paid invoice between them.
    pub new_pair: Option<Minor>,
    /// How many times the fund all open advances may be.
    pub fund_multiple: Option<Ppm>,
    /// Below this the fund pauses the guarantee.
    pub pause_below: Option<Minor>,
}

impl Limits {
    /// Whether a fund is so low that the guarantee pauses.
    #[must_use]
    pub fn is_paused(&self, fund: Minor) -> bool {
        self.pause_below.is_some_and(|least| fund < least)
    }

    /// Whether `more` on top of the open advances is more than the fund carries. What cannot be counted is too much.
    fn is_beyond_multiple(&self, fund: Minor, advances: Minor, more: Minor) -> bool {
        self.fund_multiple.is_some_and(|multiple| {
            let (Ok(total), Ok(most)) = (advances.plus(more), fund.share(multiple)) else { return true };
            total > most
        })
    }
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
    /// Whether the day of confirmation is not after the first day of work; after the last, when no first day is given.
    pub is_declared: bool,
    /// What the order comes to with VAT: what the client will owe.
    pub order_gross: Minor,
    /// What it comes to without: no advance is more.
    pub order_net: Minor,
    /// By which rules.
    pub limits: Limits,
}

/// Every condition, with whether it holds. `exposed` is what is open without this order.
pub(super) fn judge(facts: &Facts<'_>, exposed: &Exposure) -> Vec<Reason> {
    let limits = facts.limits;
    // An exposure beyond the range of an amount is beyond every limit.
    let is_above = |open: Minor, limit: Minor| open.plus(facts.order_gross).map_or(true, |total| total > limit);
    let found = [
        (ReasonCode::ClientOutsideEu, !is_eu(facts.client_country)),
        (ReasonCode::InvoiceDisputed, exposed.is_disputed),
        (ReasonCode::ClientLimitExceeded, is_above(exposed.client_minor, limits.client)),
        (ReasonCode::MemberLimitExceeded, limits.member.is_some_and(|limit| is_above(exposed.member_minor, limit))),
        (
            ReasonCode::NewPairLimitExceeded,
            !exposed.pair_has_paid && limits.new_pair.is_some_and(|limit| is_above(exposed.pair_minor, limit)),
        ),
        (ReasonCode::MemberShareLapsed, !facts.is_share_current),
        (ReasonCode::WorkNotDeclared, !facts.is_declared),
        (
            ReasonCode::FundMultipleExceeded,
            limits.is_beyond_multiple(exposed.fund_minor, exposed.advances_minor, facts.order_net),
        ),
        (ReasonCode::FundPaused, limits.is_paused(exposed.fund_minor)),
    ];
    let first = if facts.is_confirmed { ReasonCode::ClientConfirmed } else { ReasonCode::ClientNotConfirmed };
    std::iter::once(Reason { code: first, holds: facts.is_confirmed })
        .chain(found.into_iter().filter(|(_, is_against)| *is_against).map(|(code, _)| Reason { code, holds: false }))
        .collect()
}

pub(super) fn is_covered(reasons: &[Reason]) -> bool {
    reasons.iter().all(|reason| reason.holds)
}

pub(super) fn badge(reasons: &[Reason]) -> Badge {
    if is_covered(reasons) {
        Badge::Covered
    } else if reasons.iter().filter(|reason| !reason.holds).all(|reason| reason.code.can_still_come()) {
        Badge::NotYet
    } else {
        Badge::Excluded
    }
}

/// Why an advance has to wait although its day has come; nothing when it need not.
pub(super) fn hold(
    limits: &Limits,
    is_disputed: bool,
    fund: Minor,
    advances: Minor,
    amount: Minor,
) -> Option<ReasonCode> {
    if is_disputed {
        Some(ReasonCode::InvoiceDisputed)
    } else if limits.is_paused(fund) {
        Some(ReasonCode::FundPaused)
    } else if limits.is_beyond_multiple(fund, advances, amount) {
        Some(ReasonCode::FundMultipleExceeded)
    } else {
        None
    }
}

/// How many times a fund the open advances are; none for an empty fund.
pub(super) fn multiple(advances: Minor, fund: Minor) -> Option<Ppm> {
    let scaled = i128::from(advances.get()).checked_mul(i128::from(Ppm::WHOLE))?;
    i64::try_from(scaled.checked_div(i128::from(fund.get()))?).ok().map(Ppm)
}

/// What each of several claims gets of a fund: all of it, or a share in proportion by largest remainder. Ties go to
/// the first, so claims come in the order of their ids.
pub(super) fn share_out(fund: Minor, claims: &[Minor]) -> Result<Vec<Minor>, MoneyError> {
    if Minor::sum(claims.iter().copied())? <= fund {
        return Ok(claims.to_vec());
    }
    let weights: Vec<u64> = claims.iter().map(|claim| claim.get().unsigned_abs()).collect();
    split(fund, &weights)
}

/// What of `pending` becomes available when `paid` of an `open` claim is paid: all of it with the last part.
pub(super) fn freed(pending: Minor, paid: Minor, open: Minor) -> Result<Minor, MoneyError> {
    if paid == open || pending == Minor::ZERO {
        return Ok(pending);
    }
    let rest = open.minus(paid)?;
    let weights = [paid.get().unsigned_abs(), rest.get().unsigned_abs()];
    Ok(split(pending, &weights)?.first().copied().unwrap_or_default())
}

/// What each of several debts gets of what there is, in their order: the first in full before the next.
pub(super) fn in_turn(fund: Minor, debts: &[Minor]) -> Result<Vec<Minor>, MoneyError> {
    let mut left = fund.max(Minor::ZERO);
    let mut parts = Vec::with_capacity(debts.len());
    for debt in debts {
        let part = left.min(*debt);
        left = left.minus(part)?;
        parts.push(part);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        client: Minor::new(1_000_000),
        member: Some(Minor::new(800_000)),
        new_pair: Some(Minor::new(200_000)),
        fund_multiple: Some(Ppm(3_000_000)),
        pause_below: Some(Minor::new(50_000)),
    };
    const FACTS: Facts<'static> = Facts {
        is_confirmed: true,
        client_country: "BE",
        is_share_current: true,
        is_declared: true,
        order_gross: Minor::new(121_000),
        order_net: Minor::new(100_000),
        limits: LIMITS,
    };
    const EXPOSED: Exposure = Exposure {
        client_minor: Minor::ZERO,
        member_minor: Minor::ZERO,
        pair_minor: Minor::ZERO,
        pair_has_paid: true,
        is_disputed: false,
        fund_minor: Minor::new(100_000),
        advances_minor: Minor::new(200_000),
    };

    #[test]
    fn each_missing_condition_is_named_and_decides_the_badge() {
        use ReasonCode as R;
        let exposed = |change: fn(&mut Exposure)| {
            let mut exposed = EXPOSED;
            change(&mut exposed);
            exposed
        };
        let of_client = |units| Exposure { client_minor: Minor::new(units), ..EXPOSED };
        let cases = [
            (FACTS, EXPOSED, Badge::Covered, None),
            (Facts { is_confirmed: false, ..FACTS }, EXPOSED, Badge::NotYet, Some(R::ClientNotConfirmed)),
            (Facts { client_country: "US", ..FACTS }, EXPOSED, Badge::Excluded, Some(R::ClientOutsideEu)),
            (FACTS, exposed(|it| it.is_disputed = true), Badge::NotYet, Some(R::InvoiceDisputed)),
            (FACTS, of_client(879_000), Badge::Covered, None),
            (FACTS, of_client(879_001), Badge::Excluded, Some(R::ClientLimitExceeded)),
            (FACTS, of_client(i64::MAX), Badge::Excluded, Some(R::ClientLimitExceeded)),
            (FACTS, exposed(|it| it.member_minor = Minor::new(679_000)), Badge::Covered, None),
            (FACTS, exposed(|it| it.member_minor = Minor::new(679_001)), Badge::Excluded, Some(R::MemberLimitExceeded)),
            (FACTS, exposed(|it| it.pair_minor = Minor::new(700_000)), Badge::Covered, None),
            (
                FACTS,
                Exposure { pair_has_paid: false, pair_minor: Minor::new(79_001), ..EXPOSED },
                Badge::Excluded,
                Some(R::NewPairLimitExceeded),
            ),
            (FACTS, Exposure { pair_has_paid: false, pair_minor: Minor::new(79_000), ..EXPOSED }, Badge::Covered, None),
            (Facts { is_share_current: false, ..FACTS }, EXPOSED, Badge::NotYet, Some(R::MemberShareLapsed)),
            (Facts { is_declared: false, ..FACTS }, EXPOSED, Badge::Excluded, Some(R::WorkNotDeclared)),
            (
                FACTS,
                exposed(|it| it.advances_minor = Minor::new(200_001)),
                Badge::NotYet,
                Some(R::FundMultipleExceeded),
            ),
            (
                FACTS,
                Exposure { fund_minor: Minor::new(49_999), advances_minor: Minor::ZERO, ..EXPOSED },
                Badge::NotYet,
                Some(R::FundPaused),
            ),
        ];
        for (facts, exposed, expected, against) in cases {
            let reasons = judge(&facts, &exposed);
            let named: Vec<_> = reasons.iter().filter(|reason| !reason.holds).map(|reason| reason.code).collect();
            assert_eq!(
                (badge(&reasons), named),
                (expected, against.into_iter().collect()),
                "{facts:?} with {exposed:?}"
            );
        }
        let none = Limits { member: None, new_pair: None, fund_multiple: None, pause_below: None, ..LIMITS };
        let far = Exposure { client_minor: Minor::ZERO, fund_minor: Minor::ZERO, pair_has_paid: false, ..EXPOSED };
        assert!(is_covered(&judge(&Facts { limits: none, ..FACTS }, &far)), "what no rule limits is not limited");
    }

    #[test]
    fn an_advance_waits_for_a_dispute_and_for_a_fund_that_is_low() {
        let waits = |is_disputed, fund, advances, amount| {
            hold(&LIMITS, is_disputed, Minor::new(fund), Minor::new(advances), Minor::new(amount))
        };
        assert_eq!(waits(false, 50_000, 50_000, 100_000), None);
        assert_eq!(waits(true, 50_000, 0, 1), Some(ReasonCode::InvoiceDisputed));
        assert_eq!(waits(false, 49_999, 0, 1), Some(ReasonCode::FundPaused));
        assert_eq!(waits(false, 50_000, 50_000, 100_001), Some(ReasonCode::FundMultipleExceeded));
        assert_eq!(waits(false, 50_000, i64::MAX, 1), Some(ReasonCode::FundMultipleExceeded));
    }

    #[test]
    fn a_fund_that_is_short_is_shared_in_proportion() {
        let out = |fund, claims: &[i64]| {
            let claims: Vec<Minor> = claims.iter().copied().map(Minor::new).collect();
            share_out(Minor::new(fund), &claims).unwrap().into_iter().map(Minor::get).collect::<Vec<_>>()
        };
        assert_eq!(out(400_000, &[300_000, 200_000, 100_000]), [200_000, 133_333, 66_667]);
        assert_eq!(out(600_000, &[300_000, 200_000, 100_000]), [300_000, 200_000, 100_000]);
        assert_eq!(out(599_999, &[300_000, 200_000, 100_000]).iter().sum::<i64>(), 599_999);
        assert_eq!(out(1, &[5, 5]), [1, 0], "a tie goes to the lower id");
    }

    #[test]
    fn the_oldest_debt_is_returned_in_full_before_the_next() {
        let turn = |fund, debts: &[i64]| {
            let debts: Vec<Minor> = debts.iter().copied().map(Minor::new).collect();
            in_turn(Minor::new(fund), &debts).unwrap().into_iter().map(Minor::get).collect::<Vec<_>>()
        };
        assert_eq!(turn(2_500, &[2_000, 1_000, 500]), [2_000, 500, 0]);
        assert_eq!(turn(9_000, &[2_000, 1_000]), [2_000, 1_000]);
        assert_eq!(turn(-1, &[5]), [0], "a fund that is below zero returns nothing");
    }

    #[test]
    fn the_last_part_of_a_claim_frees_all_that_waits() {
        let free = |pending, paid, open| freed(Minor::new(pending), Minor::new(paid), Minor::new(open)).unwrap().get();
        assert_eq!((free(92_500, 92_500, 92_500), free(92_499, 92_500, 92_500)), (92_500, 92_499));
        assert_eq!((free(92_500, 46_250, 92_500), free(0, 10, 20)), (46_250, 0));
    }
}
