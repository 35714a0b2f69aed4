//! What a wage cost more or less than was booked when it was paid.

use super::{Booking, charged, overflow};
use crate::kernel::ids::{ActivityId, PersonId, TrueUpId, TrueUpPartId};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::entry::{Account, Dimensions, Entry, Event, Source, credit, debit};

/// A difference as it is booked; each part negative when the wage cost less.
#[derive(Debug, Clone, Copy)]
pub struct TrueUpFact {
    /// Its row.
    pub true_up: TrueUpId,
    /// Of whose wage.
    pub member: PersonId,
    /// Of which activity.
    pub activity: ActivityId,
    /// The employer's part.
    pub employer: Minor,
    /// The employee's part.
    pub employee: Minor,
    /// Withheld for the tax office.
    pub withheld: Minor,
    /// Whether the guarantee fund bears it.
    pub from_fund: bool,
}

/// A wage cost more or less than was booked: the offices are owed the difference. What the person had stays theirs, so
/// that what is owed more for them is wage. The guarantee fund bears it, or an activity later, or the entity.
///
/// # Errors
/// As all events.
pub fn payroll_trued_up(at: Booking, it: &TrueUpFact) -> Result<Entry, Refusal> {
    let own = Dimensions { activity: Some(it.activity), member: Some(it.member), ..Dimensions::default() };
    let none = Dimensions { owner: Some(it.member), ..Dimensions::default() };
    let wages = it.employee.plus(it.withheld).map_err(overflow)?;
    let social = it.employer.plus(it.employee).map_err(overflow)?;
    let mut postings = vec![
        debit(Account::EmployerContributions, it.employer, &own)?,
        debit(Account::Wages, wages, &own)?,
        credit(Account::SocialSecurityPayable, social, &none)?,
        credit(Account::WithholdingPayable, it.withheld, &none)?,
    ];
    if it.from_fund {
        let whole = it.employer.plus(wages).map_err(overflow)?;
        postings.push(debit(Account::GuaranteeFund, whole, &none)?);
        postings.push(credit(Account::MemberCost, whole, &own)?);
    }
    Entry::new(
        at.entity,
        at.on,
        (Event::PayrollTruedUp, Source::TrueUp(it.true_up)),
        at.currency,
        Some(it.member),
        postings,
    )
}

/// An activity bore a part of a difference, out of what it has available, the rest as arrears; or was given it back.
///
/// # Errors
/// As all events.
pub fn true_up_taken(
    at: Booking,
    part: TrueUpPartId,
    (activity, member): (ActivityId, PersonId),
    available: Minor,
    amount: Minor,
) -> Result<Entry, Refusal> {
    let own = Dimensions { activity: Some(activity), member: Some(member), ..Dimensions::default() };
    let mut postings = Vec::new();
    if amount < Minor::ZERO {
        postings.push(debit(Account::FundsAvailable, amount, &own)?);
    } else {
        postings.extend(charged(available, amount, &own)?);
    }
    postings.push(credit(Account::MemberCost, amount, &own)?);
    Entry::new(at.entity, at.on, (Event::TrueUpTaken, Source::TrueUpPart(part)), at.currency, Some(member), postings)
}
