//! Who may give up a receivable, what a loss consists of and where what comes back goes.

use super::store::{Recovered, WriteOffRow};
use crate::kernel::ids::PersonId;
use crate::kernel::money::{Minor, MoneyError, split};
use crate::kernel::refusal::Refusal;
use crate::ledger::{BookedShares, Held};
use crate::named;

named! {
    /// Where a write-off stands.
    WriteOffState {
        /// Waits for another person.
        Proposed = "proposed",
        /// Given up and booked.
        Approved = "approved",
        /// Not given up.
        Rejected = "rejected",
    }
}

/// What may be done with a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Approve,
    Reject,
}

pub(super) fn may(state: WriteOffState, command: Command) -> Result<(), Refusal> {
    let (name, allowed) = match command {
        Command::Approve => ("approve", WriteOffState::Proposed),
        Command::Reject => ("reject", WriteOffState::Proposed),
    };
    if state == allowed {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// Two people: whoever proposed does not decide, and nobody decides about their own invoice.
pub(super) fn check_decider(by: PersonId, proposed_by: PersonId, member: PersonId) -> Result<(), Refusal> {
    if by == proposed_by || by == member { Err(Refusal::forbidden("self_approval_forbidden")) } else { Ok(()) }
}

/// What a loss consists of. VAT, fee, contribution, the member's share and the claim are together what was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Whether the guarantee bears it.
    pub is_covered: bool,
    /// VAT, to be claimed back from the state.
    pub vat: Minor,
    /// Without VAT: the rest together.
    pub net: Minor,
    /// The fee that is given back, booked or not.
    pub fee: Minor,
    /// What of it was to be charged with the payment, and never will be.
    pub uncharged: Minor,
    /// The contribution that the fund gives back, as far as it holds it.
    pub contribution: Minor,
    /// What the member bears; zero when it is covered.
    pub member: Minor,
    /// What the fund is asked for: the rest of a covered loss, and of a contribution that it does not hold any more.
    pub claim: Minor,
}

fn weight(amount: Minor) -> u64 {
    amount.get().unsigned_abs()
}

/// What the fund of a loss holds, whether it covers it, and what levies the payment would have brought.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cover {
    pub fund: Minor,
    pub is_covered: bool,
    pub uncharged: Minor,
}

named! {
    /// What a part of a loss, or of what came back of one, is.
    ShareOf {
        /// VAT.
        Vat = "vat",
        /// All but the VAT.
        Net = "net",
        /// The fee of the mutual.
        Fee = "fee",
        /// The contribution to the guarantee fund.
        Contribution = "contribution",
        /// What was to be the member's.
        Member = "member",
    }
}

/// An amount divided by weights, by largest remainder, ties in the order of the shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// What was divided.
    pub whole: Minor,
    /// The sum of all weights.
    pub weights: Minor,
    /// What of, its weight, and its part. Together the parts are the whole.
    pub shares: Vec<(ShareOf, Minor, Minor)>,
}

impl Division {
    fn new(whole: Minor, of: &[(ShareOf, Minor)]) -> Result<Self, MoneyError> {
        let weights: Vec<u64> = of.iter().map(|(_, amount)| weight(*amount)).collect();
        let parts = split(whole, &weights)?;
        let shares = of.iter().zip(parts).map(|((of, weight), part)| (*of, *weight, part)).collect();
        Ok(Self { whole, weights: Minor::sum(of.iter().map(|(_, amount)| *amount))?, shares })
    }

    /// A part; nothing for what has none.
    #[must_use]
    pub fn part(&self, of: ShareOf) -> Minor {
        self.shares.iter().find(|(share, ..)| *share == of).map_or(Minor::ZERO, |(_, _, part)| *part)
    }
}

/// Splits what is `open` by the shares that the documents booked. An invoice that is wholly open falls into exactly
/// what was booked.
pub(super) fn loss(open: Minor, booked: BookedShares) -> Result<Division, MoneyError> {
    let to_member = booked.net.minus(booked.fee)?.minus(booked.contribution)?;
    Division::new(
        open,
        &[
            (ShareOf::Vat, booked.vat),
            (ShareOf::Fee, booked.fee),
            (ShareOf::Contribution, booked.contribution),
            (ShareOf::Member, to_member),
        ],
    )
}

/// What becomes of each share of a loss.
/// Of a covered loss, the levies that the payment would have brought are nobody's: the member was not to get them.
pub(super) fn parts(open: Minor, booked: BookedShares, cover: Cover) -> Result<Parts, MoneyError> {
    let shares = loss(open, booked)?;
    let part = |of| shares.part(of);
    let (vat, fee, contribution, member) =
        (part(ShareOf::Vat), part(ShareOf::Fee), part(ShareOf::Contribution), part(ShareOf::Member));
    let returned = contribution.min(cover.fund.max(Minor::ZERO));
    let missing = contribution.minus(returned)?;
    let common = Parts {
        is_covered: cover.is_covered,
        vat,
        net: open.minus(vat)?,
        fee,
        uncharged: Minor::ZERO,
        contribution: returned,
        member,
        claim: missing,
    };
    if !cover.is_covered {
        return Ok(common);
    }
    let uncharged = cover.uncharged.min(member);
    let claim = member.minus(uncharged)?.plus(missing)?;
    Ok(Parts { fee: fee.plus(uncharged)?, uncharged, member: Minor::ZERO, claim, ..common })
}

/// Takes an amount from what activities hold, all of it when they hold less, in proportion when they hold more.
pub(super) fn take(held: &[Held], amount: Minor) -> Result<Vec<Held>, MoneyError> {
    let whole = Minor::sum(held.iter().map(|part| part.amount))?;
    if whole <= amount {
        return Ok(held.to_vec());
    }
    let weights: Vec<u64> = held.iter().map(|part| weight(part.amount)).collect();
    let parts = split(amount, &weights)?;
    Ok(held.iter().zip(parts).map(|(part, amount)| Held { amount, ..*part }).collect())
}

/// What each activity still holds after something was taken, without those that hold nothing.
pub(super) fn left(held: &[Held], taken: &[Held]) -> Result<Vec<Held>, MoneyError> {
    let mut left = Vec::new();
    for (part, gone) in held.iter().zip(taken) {
        let amount = part.amount.minus(gone.amount)?;
        if amount > Minor::ZERO {
            left.push(Held { amount, ..*part });
        }
    }
    Ok(left)
}

/// Where what came goes. Together it is what came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RecoveryParts {
    pub vat: Minor,
    pub fund: Minor,
    pub claim: Minor,
    pub contribution: Minor,
    pub fee: Minor,
    pub member: Minor,
}

/// Shares out what came for a write-off of which `drawn` was taken from the fund and `claimed` is still asked of it.
///
/// The gross amount carries VAT in proportion to what is left of both. Of the net part, first the fund is refilled for
/// what it gave, then the rest of the claim is paid. What then remains: covered, the contribution, then the fee; not
/// covered, the member, the contribution and the fee in proportion, as if the client had paid late.
pub(super) fn recovery(
    amount: Minor,
    row: &WriteOffRow,
    drawn: Minor,
    claimed: Minor,
    before: &Recovered,
) -> Result<RecoveryParts, Refusal> {
    let overflow = |_error: MoneyError| Refusal::value("amount_invalid");
    let left = |all: Option<Minor>, gone: Minor| left_of(all, gone).map_err(overflow);
    if amount > row.amount_minor.minus(before.amount).map_err(overflow)? || amount <= Minor::ZERO {
        return Err(Refusal::state("allocation_exceeds"));
    }
    let halves = recovered_gross(amount, row, before).map_err(overflow)?;
    let (vat, mut rest) = (halves.part(ShareOf::Vat), halves.part(ShareOf::Net));
    let mut take = |most: Minor| -> Result<Minor, Refusal> {
        let part = rest.min(most.max(Minor::ZERO));
        rest = rest.minus(part).map_err(overflow)?;
        Ok(part)
    };
    let fund = take(drawn.minus(before.fund).map_err(overflow)?)?;
    let claim = take(claimed)?;
    let contribution_left = left(row.contribution_minor, before.contribution)?;
    let fee_left = left(row.fee_minor, before.fee)?;
    let parts = RecoveryParts { vat, fund, claim, ..RecoveryParts::default() };
    if row.is_covered.unwrap_or_default() {
        let contribution = take(contribution_left)?;
        let fee = take(fee_left)?;
        return Ok(RecoveryParts { contribution, fee, ..parts });
    }
    if rest == Minor::ZERO {
        return Ok(parts);
    }
    let shares = recovered_rest(rest, row, before).map_err(overflow)?;
    let part = |of| shares.part(of);
    let (contribution, fee, member) = (part(ShareOf::Contribution), part(ShareOf::Fee), part(ShareOf::Member));
    Ok(RecoveryParts { contribution, fee, member, ..parts })
}

fn left_of(all: Option<Minor>, gone: Minor) -> Result<Minor, MoneyError> {
    all.unwrap_or_default().minus(gone)
}

/// What came, divided into VAT and the rest in proportion to what is left of both.
pub(super) fn recovered_gross(amount: Minor, row: &WriteOffRow, before: &Recovered) -> Result<Division, MoneyError> {
    let vat_left = left_of(row.vat_minor, before.vat)?;
    let net_left = row.amount_minor.minus(before.amount)?.minus(vat_left)?;
    Division::new(amount, &[(ShareOf::Vat, vat_left), (ShareOf::Net, net_left)])
}

/// What of a loss that was not covered is left after VAT, fund and claim, in proportion to what is left of each share.
pub(super) fn recovered_rest(rest: Minor, row: &WriteOffRow, before: &Recovered) -> Result<Division, MoneyError> {
    Division::new(
        rest,
        &[
            (ShareOf::Member, left_of(row.member_minor, before.member)?),
            (ShareOf::Contribution, left_of(row.contribution_minor, before.contribution)?),
            (ShareOf::Fee, left_of(row.fee_minor, before.fee)?),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::{ActivityId, EntityId, InvoiceId, WriteOffId};
    use crate::kernel::money::Currency;
    use proptest::prelude::*;
    use uuid::Uuid;

    const BOOKED: BookedShares = BookedShares {
        net: Minor::new(100_000),
        vat: Minor::new(21_000),
        fee: Minor::new(5_500),
        contribution: Minor::new(2_000),
    };

    fn person(n: u128) -> PersonId {
        PersonId(Uuid::from_u128(n))
    }

    fn figures(it: Parts) -> [i64; 5] {
        [it.vat, it.fee, it.contribution, it.member, it.claim].map(Minor::get)
    }

    #[test]
    fn two_people_and_never_the_member() {
        assert!(check_decider(person(1), person(2), person(3)).is_ok());
        for (by, proposer, member) in [(1, 1, 3), (3, 2, 3)] {
            let refused = check_decider(person(by), person(proposer), person(member)).unwrap_err();
            assert_eq!(refused.code, "self_approval_forbidden");
        }
        assert!(may(WriteOffState::Proposed, Command::Approve).is_ok());
        assert_eq!(may(WriteOffState::Rejected, Command::Approve).unwrap_err().code, "state_conflict");
    }

    fn lost(open: Minor, booked: BookedShares, fund: Minor, is_covered: bool) -> Result<Parts, MoneyError> {
        parts(open, booked, Cover { fund, is_covered, uncharged: Minor::ZERO })
    }

    #[test]
    fn a_fee_that_was_to_come_with_the_payment_is_not_asked_of_the_fund() {
        let booked = BookedShares { fee: Minor::ZERO, ..BOOKED };
        let cover = Cover { fund: Minor::new(1_000_000), is_covered: true, uncharged: Minor::new(5_500) };
        let loss = parts(Minor::new(121_000), booked, cover).unwrap();
        assert_eq!((figures(loss), loss.uncharged.get()), ([21_000, 5_500, 2_000, 0, 92_500], 5_500));
        let borne = parts(Minor::new(121_000), booked, Cover { is_covered: false, ..cover }).unwrap();
        assert_eq!(figures(borne), [21_000, 0, 2_000, 98_000, 0], "the member gives up all that waited");
    }

    #[test]
    fn a_loss_falls_into_what_was_booked() {
        let open = Minor::new(121_000);
        let fund = Minor::new(1_000_000);
        assert_eq!(figures(lost(open, BOOKED, fund, true).unwrap()), [21_000, 5_500, 2_000, 0, 92_500]);
        assert_eq!(figures(lost(open, BOOKED, fund, false).unwrap()), [21_000, 5_500, 2_000, 92_500, 0]);
        // A fund that gave the contributions away owes what it cannot give back.
        assert_eq!(figures(lost(open, BOOKED, Minor::new(500), true).unwrap()), [21_000, 5_500, 500, 0, 94_000]);
        assert_eq!(figures(lost(open, BOOKED, Minor::ZERO, false).unwrap()), [21_000, 5_500, 0, 92_500, 2_000]);
        // Half of it was paid.
        assert_eq!(figures(lost(Minor::new(60_500), BOOKED, fund, true).unwrap()), [10_500, 2_750, 1_000, 0, 46_250]);
        // The fee of 6.5 % without a contribution.
        let flat = BookedShares { fee: Minor::new(6_500), contribution: Minor::ZERO, ..BOOKED };
        assert_eq!(figures(lost(open, flat, fund, true).unwrap()), [21_000, 6_500, 0, 0, 93_500]);
    }

    fn approved(it: &Parts) -> WriteOffRow {
        WriteOffRow {
            id: WriteOffId(Uuid::nil()),
            entity_id: EntityId(Uuid::nil()),
            invoice_id: InvoiceId(Uuid::nil()),
            member_id: person(3),
            state: WriteOffState::Approved,
            currency: Currency::EUR,
            amount_minor: it.net.plus(it.vat).unwrap(),
            reason: String::new(),
            evidence: String::new(),
            proposed_by: person(1),
            proposed_at: chrono::DateTime::default(),
            decided_by: Some(person(2)),
            decided_at: None,
            decision_reason: None,
            written_off_on: None,
            is_covered: Some(it.is_covered),
            is_advanced: Some(false),
            vat_minor: Some(it.vat),
            fee_minor: Some(it.fee),
            contribution_minor: Some(it.contribution),
            member_minor: Some(it.member),
            claim_minor: Some(it.claim),
            version: 2,
        }
    }

    fn listed(it: RecoveryParts) -> [i64; 6] {
        [it.vat, it.fund, it.claim, it.contribution, it.fee, it.member].map(Minor::get)
    }

    #[test]
    fn what_comes_back_refills_the_fund_first() {
        let loss = lost(Minor::new(121_000), BOOKED, Minor::new(1_000_000), true).unwrap();
        let row = approved(&loss);
        let of = |amount: i64, drawn: i64, claimed: i64| {
            recovery(Minor::new(amount), &row, Minor::new(drawn), Minor::new(claimed), &Recovered::default())
                .map(listed)
        };
        assert_eq!(of(60_500, 92_500, 0).unwrap(), [10_500, 50_000, 0, 0, 0, 0]);
        assert_eq!(of(121_000, 92_500, 0).unwrap(), [21_000, 92_500, 0, 2_000, 5_500, 0]);
        assert_eq!(of(121_000, 30_000, 62_500).unwrap(), [21_000, 30_000, 62_500, 2_000, 5_500, 0]);
        assert_eq!(of(121_001, 92_500, 0).unwrap_err().code, "allocation_exceeds");
        let borne = approved(&lost(Minor::new(121_000), BOOKED, Minor::new(1_000_000), false).unwrap());
        let back = recovery(Minor::new(60_500), &borne, Minor::ZERO, Minor::ZERO, &Recovered::default()).unwrap();
        assert_eq!(listed(back), [10_500, 0, 0, 1_000, 2_750, 46_250]);
    }

    #[test]
    fn nobody_is_asked_for_more_than_they_hold() {
        let held = |n: u128, amount: i64| Held {
            activity: ActivityId(Uuid::from_u128(n)),
            member: person(n),
            amount: Minor::new(amount),
        };
        let two = [held(1, 50_000), held(2, 42_500)];
        assert_eq!(take(&two, Minor::new(92_500)).unwrap(), two);
        assert_eq!(take(&two, Minor::new(99_999)).unwrap(), two);
        let taken = take(&two, Minor::new(92_499)).unwrap();
        assert_eq!(left(&two, &taken).unwrap().iter().map(|part| part.amount.get()).sum::<i64>(), 1);
    }

    proptest! {
        #[test]
        fn parts_of_a_loss_and_of_all_that_comes_back_are_the_whole(
            net in 1_i64..10_000_000, fee in 0_i64..=300, contribution in 0_i64..=200, paid in 0_i64..1000, drawn in 0_i64..=1000,
            is_covered: bool, pieces in proptest::collection::vec(1_i64..1000, 1..8),
        ) {
            let of = |thousandths: i64| Minor::new(net * thousandths / 1000);
            let booked = BookedShares { net: Minor::new(net), vat: of(210), fee: of(fee), contribution: of(contribution) };
            let gross = booked.net.plus(booked.vat).unwrap().get();
            let open = Minor::new(gross - gross * paid / 1000);
            let loss = lost(open, booked, Minor::new(net / 50), is_covered).unwrap();
            prop_assert_eq!(figures(loss).iter().sum::<i64>(), open.get());
            prop_assert!(figures(loss).iter().all(|part| *part >= 0));
            let row = approved(&loss);
            let (mut drawn, mut before) = (Minor::new(loss.claim.get() * drawn / 1000), Recovered::default());
            let whole: i64 = pieces.iter().sum();
            let mut rest = open.get();
            for (n, piece) in pieces.iter().enumerate() {
                let amount = if n + 1 == pieces.len() { rest } else { (open.get() * piece / whole).min(rest) };
                if amount == 0 { continue; }
                rest -= amount;
                let claimed = Minor::new(loss.claim.get() - drawn.get() - before.claim.get());
                let back = recovery(Minor::new(amount), &row, drawn, claimed, &before).unwrap();
                prop_assert_eq!(listed(back).iter().sum::<i64>(), amount);
                prop_assert!(listed(back).iter().all(|part| *part >= 0));
                before.amount = before.amount.plus(Minor::new(amount)).unwrap();
                before.vat = before.vat.plus(back.vat).unwrap();
                before.fund = before.fund.plus(back.fund).unwrap();
                before.claim = before.claim.plus(back.claim).unwrap();
                before.contribution = before.contribution.plus(back.contribution).unwrap();
                before.fee = before.fee.plus(back.fee).unwrap();
                before.member = before.member.plus(back.member).unwrap();
                // A draw run in between pays a part of what is left of the claim.
                drawn = drawn.plus(Minor::new((loss.claim.get() - drawn.get() - before.claim.get()) / 2)).unwrap();
            }
            prop_assert_eq!(before.vat, loss.vat);
            prop_assert_eq!(before.fee, loss.fee);
            prop_assert_eq!(before.contribution, loss.contribution);
            prop_assert_eq!(before.member, loss.member);
        }
    }
}
