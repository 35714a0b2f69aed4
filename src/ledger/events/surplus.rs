//! What the end of a year books.

use super::{Booking, overflow};
use crate::kernel::ids::{ActivityId, AppropriationId, FiscalYearId, PersonId};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::entry::{Account, Dimensions, Entry, Event, Source, credit, debit};

/// A year is over: each of its income and expense accounts is emptied, their sum is its result.
///
/// `accounts`: what each of them moved, debit positive. The lines name no activity, invoice or pool, so that the sums
/// of those stay what they are.
///
/// # Errors
/// As all events; also when nothing moved.
pub fn year_closed(at: Booking, year: FiscalYearId, accounts: &[(Account, Minor)]) -> Result<Entry, Refusal> {
    let about = Dimensions::default();
    let result = Minor::sum(accounts.iter().map(|(_, amount)| *amount)).map_err(overflow)?;
    let mut postings =
        accounts.iter().map(|(account, amount)| credit(*account, *amount, &about)).collect::<Result<Vec<_>, _>>()?;
    postings.push(debit(Account::RetainedSurplus, result, &about)?);
    Entry::new(at.entity, at.on, (Event::YearClosed, Source::FiscalYear(year)), at.currency, None, postings)
}

/// What a member gets back out of a surplus.
#[derive(Debug, Clone, Copy)]
pub struct Refund {
    /// On this activity.
    pub activity: ActivityId,
    /// Of this member, who alone sees the line.
    pub member: PersonId,
    /// How much.
    pub amount: Minor,
}

/// What is done with a surplus, or with a loss.
#[derive(Debug, Clone, Default)]
pub struct Appropriated {
    /// To the legal reserve.
    pub legal: Minor,
    /// To the reserve that is never divided.
    pub indivisible: Minor,
    /// To the guarantee fund; negative when the fund covers a loss.
    pub guarantee: Minor,
    /// Back to members.
    pub refunds: Vec<Refund>,
}

/// A surplus went where it was decided to go.
///
/// # Errors
/// As all events; also when nothing is moved.
pub fn surplus_appropriated(at: Booking, id: AppropriationId, it: &Appropriated) -> Result<Entry, Refusal> {
    let about = Dimensions::default();
    let parts = [it.legal, it.indivisible, it.guarantee];
    let total = Minor::sum(parts.into_iter().chain(it.refunds.iter().map(|refund| refund.amount))).map_err(overflow)?;
    let mut postings = vec![
        debit(Account::RetainedSurplus, total, &about)?,
        credit(Account::LegalReserve, it.legal, &about)?,
        credit(Account::IndivisibleReserve, it.indivisible, &about)?,
        credit(Account::GuaranteeFund, it.guarantee, &about)?,
    ];
    for refund in &it.refunds {
        let about = Dimensions { activity: Some(refund.activity), owner: Some(refund.member), ..Dimensions::default() };
        postings.push(credit(Account::FundsAvailable, refund.amount, &about)?);
    }
    let fact = (Event::SurplusAppropriated, Source::Appropriation(id));
    Entry::new(at.entity, at.on, fact, at.currency, None, postings)
}
