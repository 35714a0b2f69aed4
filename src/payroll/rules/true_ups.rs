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
}

/// The instalment with this number, from 1: the difference divided equally, what is missing to the first ones.
pub(in crate::payroll) fn instalment(difference: Minor, instalments: i32, n: i32) -> Result<Option<Minor>, MoneyError> {
    let count = usize::try_from(instalments).unwrap_or(1).max(1);
    let place = usize::try_from(n).unwrap_or_default();
    let parts = split(difference, &vec![1; count])?;
    Ok(place.checked_sub(1).and_then(|place| parts.get(place).copied()).filter(|part| *part != Minor::ZERO))
}

/// What is taken back of a wage that comes back, of what its slip said, what is booked of it now, and what of that was not
/// paid to the offices yet: never more than is booked, for a difference that was given back is not given back again. Of
/// social security the employee's part first, as far as that is booked.
pub(in crate::payroll) fn taken_back(
    slip: Figures,
    booked: Figures,
    (social, tax): (Minor, Minor),
) -> Result<Figures, MoneyError> {
    let whole = slip.employer.plus(slip.employee)?;
    let left = booked.employer.plus(booked.employee)?;
    let social = social.min(whole).min(left).max(Minor::ZERO);
    let employee = social.min(slip.employee).min(booked.employee).max(Minor::ZERO);
    let employer = social.minus(employee)?.min(slip.employer);
    let withheld = tax.min(slip.withheld).min(booked.withheld).max(Minor::ZERO);
    Ok(Figures { employer, employee: social.minus(employer)?, withheld })
}

/// The wage that comes back when this much is taken back of it: all of it but what was paid to the offices, which stays the
/// cost that it was, of the employer, of the gross wage, or of what was paid beside it.
pub(in crate::payroll) fn returned(wage: Wage, slip: Figures, back: Figures) -> Result<Wage, MoneyError> {
    let paid = slip.less(back)?;
    let of_person = paid.employee.plus(paid.withheld)?;
    let gross = of_person.min(wage.gross);
    let beside = of_person.minus(gross)?.min(wage.beside);
    // What is left is what the state takes of the budget itself: it stands with the employer's part.
    let employer = paid.employer.plus(of_person.minus(gross)?.minus(beside)?)?;
    Ok(Wage {
        budget: wage.budget.minus(paid.employer.plus(of_person)?)?,
        gross: wage.gross.minus(gross)?,
        beside: wage.beside.minus(beside)?,
        employer: wage.employer.minus(employer)?,
        social_security: back.employer.plus(back.employee)?,
        withheld: back.withheld,
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
        let figures = |employer, employee, withheld| Figures {
            employer: cents(employer),
            employee: cents(employee),
            withheld: cents(withheld),
        };
        let slip = figures(235, 65, 100);
        let back = |booked, unpaid| returned(wage, slip, taken_back(slip, booked, unpaid).unwrap()).unwrap();
        assert_eq!(back(slip, (cents(300), cents(100))), wage);
        assert_eq!(back(slip, (cents(900), cents(900))), wage, "what others owe is not ours");
        let none = back(slip, (cents(0), cents(0)));
        assert_eq!((none.budget, none.employer, none.gross, none.net), (cents(600), cents(0), cents(535), cents(545)));
        // What is given back to the activity is what came back from the bank and what the mutual kept.
        assert_eq!(none.budget.minus(none.residual).unwrap(), cents(595));
        // 200 were given back before: of 300 only 100 are there to be taken back, whichever part they were of.
        for booked in [figures(35, 65, 100), figures(100, 0, 100), figures(-100, 200, 100)] {
            let taken = taken_back(slip, booked, (cents(300), cents(100))).unwrap();
            let social = taken.employer.plus(taken.employee).unwrap();
            assert_eq!((social, taken.withheld), (cents(100), cents(100)), "{booked:?}");
            let wage = returned(wage, slip, taken).unwrap();
            assert_eq!((wage.budget, wage.social_security), (cents(800), cents(100)));
        }
        assert_eq!(taken_back(slip, figures(35, 65, 100), (cents(300), cents(0))).unwrap(), figures(35, 65, 0));
    }
}
