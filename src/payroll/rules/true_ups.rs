//! What may be done with a true-up, and how its difference reads and is divided.

use crate::kernel::money::{Minor, MoneyError, split};
use crate::kernel::refusal::Refusal;
use crate::kernel::schemes::Pay;
use crate::ledger::events::Wage;
use crate::named;

named! {
    /// Who bears a difference.
    BorneBy {
        /// The activity, over its next payouts.
        Activity = "activity",
        /// The guarantee fund.
        Fund = "fund",
        /// The entity.
        Entity = "entity",
    }
}

named! {
    /// Where a true-up stands.
    TrueUpState {
        /// Brought in.
        Proposed = "proposed",
        /// In the books.
        Confirmed = "confirmed",
        /// Refused.
        Rejected = "rejected",
    }
}

named! {
    /// What lets a person be paid for copyright.
    RightsProofKind {
        /// The certificate of an arts worker.
        ArtsWorkerCertificate = "arts_worker_certificate",
        /// A contract that transfers rights for publication.
        TransferForPublication = "transfer_for_publication",
    }
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::payroll) enum TrueUpCommand {
    Confirm,
    Reject,
}

pub(in crate::payroll) fn may(state: TrueUpState, command: TrueUpCommand) -> Result<(), Refusal> {
    let (name, allowed): (_, &[_]) = match command {
        TrueUpCommand::Confirm => ("confirm", &[TrueUpState::Proposed]),
        TrueUpCommand::Reject => ("reject", &[TrueUpState::Proposed]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// The parts of a wage that an office has the last word on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// The employer's part.
    pub employer: Minor,
    /// The employee's part.
    pub employee: Minor,
    /// Withheld for the tax office.
    pub withheld: Minor,
}

impl Figures {
    /// Those of a slip; what the state takes of the budget is withheld too.
    pub(in crate::payroll) fn of(pay: &Pay) -> Result<Self, MoneyError> {
        Ok(Self { employer: pay.employer, employee: pay.employee, withheld: pay.withheld()?.plus(pay.levy)? })
    }

    /// Each part less that of another.
    pub(in crate::payroll) fn less(self, other: Self) -> Result<Self, MoneyError> {
        Ok(Self {
            employer: self.employer.minus(other.employer)?,
            employee: self.employee.minus(other.employee)?,
            withheld: self.withheld.minus(other.withheld)?,
        })
    }

    /// Less what was taken back of social security and tax: of the employer's part first.
    pub(in crate::payroll) fn taken_back(self, (social, tax): (Minor, Minor)) -> Result<Self, MoneyError> {
        let employer = social.min(self.employer);
        let back = Self { employer, employee: social.minus(employer)?, withheld: tax };
        self.less(back)
    }
}

/// The instalment with this number, from 1: the difference divided equally, what is missing to the first ones.
pub(in crate::payroll) fn instalment(difference: Minor, instalments: i32, n: i32) -> Result<Option<Minor>, MoneyError> {
    let count = usize::try_from(instalments).unwrap_or(1).max(1);
    let place = usize::try_from(n).unwrap_or_default();
    let parts = split(difference, &vec![1; count])?;
    Ok(place.checked_sub(1).and_then(|place| parts.get(place).copied()).filter(|part| *part != Minor::ZERO))
}

/// What of a wage is taken back when it comes back: all of it but what was paid to the offices, which stays a cost.
pub(in crate::payroll) fn returned(wage: Wage, (social, tax): (Minor, Minor)) -> Result<Wage, MoneyError> {
    let paid = wage.social_security.minus(social)?.plus(wage.withheld.minus(tax)?)?;
    let employer = paid.min(wage.employer);
    let gross = paid.minus(employer)?.min(wage.gross);
    let beside = paid.minus(employer)?.minus(gross)?;
    Ok(Wage {
        budget: wage.budget.minus(paid)?,
        gross: wage.gross.minus(gross)?,
        beside: wage.beside.minus(beside)?,
        employer: wage.employer.minus(employer)?,
        social_security: social,
        withheld: tax,
        ..wage
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instalments_come_to_the_whole() {
        for (difference, count) in [(1_000, 3), (2, 3), (-1_001, 4), (99, 1)] {
            let parts = (1..=count).filter_map(|n| instalment(Minor::new(difference), count, n).unwrap());
            assert_eq!(Minor::sum(parts).unwrap(), Minor::new(difference));
        }
        assert_eq!(instalment(Minor::new(1_000), 3, 4).unwrap(), None);
        assert_eq!(instalment(Minor::new(2), 3, 3).unwrap(), None, "nothing is no instalment");
    }

    #[test]
    fn what_was_paid_to_the_offices_stays_a_cost() {
        let cents = Minor::new;
        let wage = Wage {
            budget: cents(1_000),
            margin: cents(50),
            gross: cents(700),
            beside: cents(10),
            employer: cents(235),
            social_security: cents(300),
            withheld: cents(100),
            net: cents(545),
            residual: cents(5),
        };
        let all = returned(wage, (cents(300), cents(100))).unwrap();
        assert_eq!(all, wage);
        let none = returned(wage, (cents(0), cents(0))).unwrap();
        assert_eq!((none.budget, none.employer, none.gross, none.net), (cents(600), cents(0), cents(535), cents(545)));
        // What is given back to the activity is what came back from the bank and what the mutual kept.
        assert_eq!(none.budget.minus(none.residual).unwrap(), cents(595));
    }
}
