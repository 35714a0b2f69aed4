//! What is booked when a client does not pay: the receivable given up, what the fund gives, what comes back later.

use super::{Arrival, Booking, InvoiceFunds, charged};
use crate::kernel::ids::{ContributionReturnId, DrawId, RecoveryId, WriteOffId};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;
use crate::ledger::Held;
use crate::ledger::entry::{Account, Entry, Event, Posting, Source, credit, debit};

/// A receivable given up, by its shares. Together they are what was open.
#[derive(Debug, Clone, Copy)]
pub struct Loss<'a> {
    /// VAT that the state gives back.
    pub vat: Minor,
    /// Without VAT.
    pub net: Minor,
    /// The fee that was booked and is given back.
    pub fee: Minor,
    /// The contribution that the fund gives back.
    pub contribution: Minor,
    /// Who bears it.
    pub bearer: Bearer<'a>,
}

/// Who bears a loss.
#[derive(Debug, Clone, Copy)]
pub enum Bearer<'a> {
    /// The fund, by draws of their own; what was advanced ends.
    Fund {
        /// What was advanced and is held, by activity; nothing when nothing was.
        advanced: &'a [Held],
        /// What waited for levies on the payment that will not come, by activity.
        uncharged: &'a [Held],
    },
    /// The member.
    Member {
        /// What they bear: their share of the net amount.
        share: Minor,
        /// What of it is taken from money that was still pending, by activity.
        pending: &'a [Held],
        /// What was pending beyond their share, and so is theirs, by activity: cents of earlier payments.
        freed: &'a [Held],
        /// What the activity of the invoice has available, locked.
        available: Minor,
    },
}

fn moved(of: InvoiceFunds, parts: &[Held], from: Account, to: Account) -> Result<Vec<Posting>, Refusal> {
    let mut postings = Vec::with_capacity(parts.len().saturating_mul(2));
    for part in parts {
        let about = of.about_held(part);
        postings.push(debit(from, part.amount, &about)?);
        postings.push(credit(to, part.amount, &about)?);
    }
    Ok(postings)
}

/// A receivable was given up.
///
/// The loss is the mutual's until somebody bears it. Covered: the fee and the contribution go back, as does what waited
/// for a fee on the payment, which leaves in `bad_debt` what the fund is asked for; the draw takes it out. Not covered: the member was owed nothing for what is
/// not paid, so `member_cost` falls by what the fee, the contribution and the member gave up, and equals the loss that
/// stays in `bad_debt`: the result of the mutual is what it would be had the work not been sold.
///
/// # Errors
/// As all events.
pub fn written_off(at: Booking, id: WriteOffId, of: InvoiceFunds, loss: Loss<'_>) -> Result<Entry, Refusal> {
    let about = of.about();
    let gross = loss.net.plus(loss.vat).map_err(super::overflow)?;
    let back = match loss.bearer {
        Bearer::Fund { .. } => Account::BadDebt,
        Bearer::Member { .. } => Account::MemberCost,
    };
    let mut postings = vec![
        debit(Account::BadDebt, loss.net, &about)?,
        debit(Account::VatRefundDue, loss.vat, &about)?,
        credit(Account::Receivable, gross, &about)?,
        debit(Account::FeeIncome, loss.fee, &about)?,
        credit(back, loss.fee, &about)?,
        debit(Account::GuaranteeFund, loss.contribution, &about)?,
        credit(back, loss.contribution, &about)?,
    ];
    match loss.bearer {
        Bearer::Fund { advanced, uncharged } => {
            postings.extend(moved(of, uncharged, Account::FundsPending, Account::BadDebt)?);
            postings.extend(moved(of, advanced, Account::MemoAdvancesContra, Account::MemoAdvances)?);
        }
        Bearer::Member { share, pending, freed, available } => {
            let mut rest = share;
            for part in pending {
                postings.push(debit(Account::FundsPending, part.amount, &of.about_held(part))?);
                rest = rest.minus(part.amount).map_err(super::overflow)?;
            }
            postings.extend(charged(available, rest, &about)?);
            postings.push(credit(Account::MemberCost, share, &about)?);
            postings.extend(moved(of, freed, Account::FundsPending, Account::FundsAvailable)?);
        }
    }
    let fact = (Event::WrittenOff, Source::WriteOff(id));
    Entry::new(at.entity, at.on, fact, at.currency, Some(of.member), postings)
}

/// The fund paid for a loss; what was not advanced becomes available now, to whoever holds it.
///
/// # Errors
/// As all events.
pub fn guarantee_drawn(
    at: Booking,
    id: DrawId,
    of: InvoiceFunds,
    amount: Minor,
    freed: &[Held],
) -> Result<Entry, Refusal> {
    let about = of.about();
    let mut postings = vec![debit(Account::GuaranteeFund, amount, &about)?, credit(Account::BadDebt, amount, &about)?];
    postings.extend(moved(of, freed, Account::FundsPending, Account::FundsAvailable)?);
    let fact = (Event::GuaranteeDrawn, Source::Draw(id));
    Entry::new(at.entity, at.on, fact, at.currency, Some(of.member), postings)
}

/// The fund returned what it owed of a contribution: the activity had borne it since the credit note.
///
/// # Errors
/// As all events.
pub fn contribution_returned(
    at: Booking,
    id: ContributionReturnId,
    of: InvoiceFunds,
    amount: Minor,
) -> Result<Entry, Refusal> {
    let about = of.about();
    let postings = [debit(Account::GuaranteeFund, amount, &about)?, credit(Account::FundsAvailable, amount, &about)?];
    let fact = (Event::ContributionReturned, Source::ContributionReturn(id));
    Entry::new(at.entity, at.on, fact, at.currency, Some(of.member), postings)
}

/// What came after a write-off, by where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Recovered<'a> {
    /// What came.
    pub amount: Minor,
    /// VAT that is owed to the state again.
    pub vat: Minor,
    /// What refills the fund for what it gave.
    pub fund: Minor,
    /// What pays the rest of the claim.
    pub claim: Minor,
    /// The contribution, to the fund.
    pub contribution: Minor,
    /// The fee.
    pub fee: Minor,
    /// What the member bore, by activity: it was not covered. Empty when it was.
    pub borne: &'a [Held],
    /// What was still pending and becomes available with the claim, by activity.
    pub freed: &'a [Held],
    /// Whether the fund had borne it.
    pub is_covered: bool,
}

/// Money came after a write-off.
///
/// Covered: what goes to the fund for its draws was in no result, and goes there alone; the rest of the claim is a loss
/// that did not happen (`bad_debt`); contribution and fee are booked as on the day of issue. Not covered: the loss did
/// not happen (`bad_debt`), and the member is owed again (`member_cost`) what they, the contribution and the fee get.
///
/// # Errors
/// As all events.
pub fn recovered(
    at: Booking,
    id: RecoveryId,
    of: InvoiceFunds,
    it: Recovered<'_>,
    from: Arrival,
) -> Result<Entry, Refusal> {
    let about = of.about();
    let mut postings = vec![
        from.posting(it.amount)?,
        credit(Account::VatRefundDue, it.vat, &about)?,
        credit(Account::GuaranteeFund, it.fund, &about)?,
        credit(Account::BadDebt, it.claim, &about)?,
        credit(Account::GuaranteeFund, it.contribution, &about)?,
        credit(Account::FeeIncome, it.fee, &about)?,
    ];
    if !it.is_covered {
        let mut back = it.contribution.plus(it.fee).map_err(super::overflow)?;
        for part in it.borne {
            postings.push(credit(Account::FundsAvailable, part.amount, &of.about_held(part))?);
            back = back.plus(part.amount).map_err(super::overflow)?;
        }
        postings.push(credit(Account::BadDebt, back, &about)?);
        postings.push(debit(Account::MemberCost, back, &about)?);
    }
    postings.extend(moved(of, it.freed, Account::FundsPending, Account::FundsAvailable)?);
    let fact = (Event::Recovered, Source::Recovery(id));
    Entry::new(at.entity, at.on, fact, at.currency, Some(of.member), postings)
}
