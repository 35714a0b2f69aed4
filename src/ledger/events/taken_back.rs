//! A payment that belonged to another invoice is taken back: its entries are mirrored, as far as they still can be.

use std::collections::BTreeMap;

use super::{Booking, charged, overflow};
use crate::kernel::ids::{ActivityId, AllocationId, BankLineId, ChargeId, PersonId};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::entry::{Account, Dimensions, Entry, Event, Posting, Source, credit};

/// An entry as it stands in the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// It.
    pub entry: i64,
    /// Its lines.
    pub postings: Vec<Posting>,
}

/// What activities have available and owe, locked in this transaction; moved along as entries are taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// What each has available.
    pub available: BTreeMap<ActivityId, Minor>,
    /// What each owes.
    pub arrears: BTreeMap<ActivityId, Minor>,
}

/// The lines of an entry with their signs turned round. What an activity got and no longer has becomes its arrears; what
/// it owed and has settled meanwhile becomes available. The money of the bank waits with its line.
fn mirrored(postings: &[Posting], standing: &mut Standing, line: Option<BankLineId>) -> Result<Vec<Posting>, Refusal> {
    let mut mirrored = Vec::with_capacity(postings.len());
    for posting in postings {
        let amount = posting.amount.negated().map_err(overflow)?;
        let about = &posting.about;
        let plain = Posting { account: posting.account, amount, about: about.clone() };
        let Some(activity) = about.activity else {
            let is_money = matches!(posting.account, Account::Bank | Account::BankSuspense);
            mirrored.push(match line.filter(|_| is_money) {
                Some(line) => Posting {
                    account: Account::BankSuspense,
                    about: Dimensions { bank_line: Some(line), ..Dimensions::default() },
                    ..plain
                },
                None => plain,
            });
            continue;
        };
        let available = standing.available.entry(activity).or_default();
        let owed = standing.arrears.entry(activity).or_default();
        if posting.account == Account::FundsAvailable && amount > Minor::ZERO {
            let [taken, left] = charged(*available, amount, about)?;
            *available = available.minus(taken.amount).map_err(overflow)?;
            *owed = owed.plus(left.amount).map_err(overflow)?;
            mirrored.extend([taken, left]);
        } else if posting.account == Account::ActivityArrears && amount < Minor::ZERO {
            let back = amount.negated().map_err(overflow)?;
            let forgiven = back.min((*owed).max(Minor::ZERO));
            let rest = back.minus(forgiven).map_err(overflow)?;
            *owed = owed.minus(forgiven).map_err(overflow)?;
            *available = available.plus(rest).map_err(overflow)?;
            mirrored.push(credit(Account::ActivityArrears, forgiven, about)?);
            mirrored.push(credit(Account::FundsAvailable, rest, about)?);
        } else {
            if posting.account == Account::FundsAvailable {
                *available = available.minus(amount).map_err(overflow)?;
            }
            mirrored.push(plain);
        }
    }
    Ok(mirrored)
}

/// A client's payment was matched with the wrong invoice: what it did is undone, and its money waits with its line.
///
/// # Errors
/// As all events.
pub fn payment_taken_back(
    at: Booking,
    (back, line): (AllocationId, BankLineId),
    member: PersonId,
    of: &Posted,
    standing: &mut Standing,
) -> Result<Entry, Refusal> {
    let postings = mirrored(&of.postings, standing, Some(line))?;
    let fact = (Event::PaymentTakenBack, Source::Allocation(back));
    Entry::new(at.entity, at.on, fact, at.currency, Some(member), postings).map(|it| it.reversing(of.entry))
}

/// A levy on such a payment is given back.
///
/// # Errors
/// As all events.
pub fn levy_taken_back(
    at: Booking,
    back: ChargeId,
    member: PersonId,
    of: &Posted,
    standing: &mut Standing,
) -> Result<Entry, Refusal> {
    let postings = mirrored(&of.postings, standing, None)?;
    let fact = (Event::LevyCharged, Source::LevyCharge(back));
    Entry::new(at.entity, at.on, fact, at.currency, Some(member), postings).map(|it| it.reversing(of.entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::entry::debit;
    use uuid::Uuid;

    fn about() -> Dimensions {
        Dimensions { activity: Some(ActivityId(Uuid::from_u128(1))), ..Dimensions::default() }
    }

    fn sums(postings: &[Posting]) -> BTreeMap<&'static str, i64> {
        let mut sums = BTreeMap::new();
        for posting in postings.iter().filter(|it| it.amount != Minor::ZERO) {
            let sum: &mut i64 = sums.entry(posting.account.name()).or_default();
            *sum = sum.saturating_add(posting.amount.get());
        }
        sums
    }

    fn paid() -> Vec<Posting> {
        let bank = Dimensions::default();
        vec![
            debit(Account::Bank, Minor::new(121_000), &bank).unwrap(),
            credit(Account::Receivable, Minor::new(121_000), &bank).unwrap(),
            debit(Account::FundsPending, Minor::new(92_500), &about()).unwrap(),
            credit(Account::FundsAvailable, Minor::new(92_500), &about()).unwrap(),
        ]
    }

    #[test]
    fn what_was_spent_meanwhile_is_owed() {
        let line = BankLineId(Uuid::from_u128(7));
        let mut standing = Standing::default();
        standing.available.insert(ActivityId(Uuid::from_u128(1)), Minor::new(10_000));
        let back = mirrored(&paid(), &mut standing, Some(line)).unwrap();
        let expected = [
            ("activity_arrears", 82_500),
            ("bank_suspense", -121_000),
            ("funds.available", 10_000),
            ("funds.pending", -92_500),
            ("receivable", 121_000),
        ];
        assert_eq!(sums(&back), BTreeMap::from(expected));
        assert_eq!(back[0].about.bank_line, Some(line));
        assert_eq!(standing.available[&ActivityId(Uuid::from_u128(1))], Minor::ZERO);
    }

    #[test]
    fn what_was_owed_and_is_settled_becomes_available() {
        let charge = [
            debit(Account::FundsAvailable, Minor::new(300), &about()).unwrap(),
            debit(Account::ActivityArrears, Minor::new(700), &about()).unwrap(),
            credit(Account::FeeIncome, Minor::new(1_000), &about()).unwrap(),
        ];
        let mut standing = Standing::default();
        standing.arrears.insert(ActivityId(Uuid::from_u128(1)), Minor::new(200));
        let back = mirrored(&charge, &mut standing, None).unwrap();
        assert_eq!(
            sums(&back),
            BTreeMap::from([("activity_arrears", -200), ("fee_income", 1_000), ("funds.available", -800)])
        );
    }
}
