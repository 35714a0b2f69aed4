//! What costs, pools and their divisions book.

use super::super::entry::{Account, Dimensions, Entry, Event, Source, credit, debit};
use super::{Booking, charged, overflow};
use crate::kernel::ids::{ActivityId, BankLineId, CostCreditId, CostId, PersonId, PoolId, PoolRunId};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Refusal;

/// Who bears a cost.
#[derive(Debug, Clone, Copy)]
pub enum CostOf {
    /// One activity, of this member.
    Activity(ActivityId, PersonId),
    /// A pool.
    Pool(PoolId),
}

/// What a supplier charged.
#[derive(Debug, Clone, Copy)]
pub struct CostFunds {
    /// The cost.
    pub cost: CostId,
    /// Who bears it.
    pub of: CostOf,
    /// Owed to the supplier.
    pub gross: Minor,
    /// The part of the VAT that the state gives back.
    pub recoverable: Minor,
}

impl CostFunds {
    fn about(self) -> Dimensions {
        match self.of {
            CostOf::Activity(activity, _) => Dimensions { activity: Some(activity), ..Dimensions::default() },
            CostOf::Pool(pool) => Dimensions { pool: Some(pool), ..Dimensions::default() },
        }
    }

    fn owner(self) -> Option<PersonId> {
        match self.of {
            CostOf::Activity(_, member) => Some(member),
            CostOf::Pool(_) => None,
        }
    }
}

/// What a supplier charged was approved. An activity pays its cost at once; a pool divides it later.
///
/// # Errors
/// As all events.
pub fn cost_booked(at: Booking, it: CostFunds) -> Result<Entry, Refusal> {
    let about = it.about();
    let borne = it.gross.minus(it.recoverable).map_err(overflow)?;
    let expense = match it.of {
        CostOf::Activity(..) => Account::OperatingCost,
        CostOf::Pool(_) => Account::PoolCost,
    };
    let mut postings = vec![
        debit(expense, borne, &about)?,
        debit(Account::VatInput, it.recoverable, &about)?,
        credit(Account::SupplierPayable, it.gross, &about)?,
    ];
    if matches!(it.of, CostOf::Activity(..)) {
        postings.push(debit(Account::FundsAvailable, borne, &about)?);
        postings.push(credit(Account::MemberCost, borne, &about)?);
    }
    Entry::new(at.entity, at.on, (Event::CostBooked, Source::Cost(it.cost)), at.currency, it.owner(), postings)
}

/// A supplier was paid by a bank line that waited in suspense.
///
/// # Errors
/// As all events.
pub fn supplier_paid(at: Booking, it: CostFunds, line: BankLineId) -> Result<Entry, Refusal> {
    let bank = Dimensions { bank_line: Some(line), ..Dimensions::default() };
    let postings =
        [debit(Account::SupplierPayable, it.gross, &it.about())?, credit(Account::BankSuspense, it.gross, &bank)?];
    Entry::new(at.entity, at.on, (Event::SupplierPaid, Source::Cost(it.cost)), at.currency, it.owner(), postings)
}

/// A supplier took back a part of a cost: it is owed no more, or owed by the supplier when it was paid. `it` says what
/// was taken back. The activity that bore it has it again; a pool has less to divide.
///
/// # Errors
/// As all events.
pub fn supplier_credited(at: Booking, credited: CostCreditId, it: CostFunds) -> Result<Entry, Refusal> {
    let about = it.about();
    let borne = it.gross.minus(it.recoverable).map_err(overflow)?;
    let expense = match it.of {
        CostOf::Activity(..) => Account::OperatingCost,
        CostOf::Pool(_) => Account::PoolCost,
    };
    let mut postings = vec![
        debit(Account::SupplierPayable, it.gross, &about)?,
        credit(Account::VatInput, it.recoverable, &about)?,
        credit(expense, borne, &about)?,
    ];
    if matches!(it.of, CostOf::Activity(..)) {
        postings.push(debit(Account::MemberCost, borne, &about)?);
        postings.push(credit(Account::FundsAvailable, borne, &about)?);
    }
    let fact = (Event::SupplierCredited, Source::CostCredit(credited));
    Entry::new(at.entity, at.on, fact, at.currency, it.owner(), postings)
}

/// A supplier paid back what had been paid for what it took back, by a bank line that waited in suspense.
///
/// # Errors
/// As all events.
pub fn supplier_refunded(
    at: Booking,
    credited: CostCreditId,
    it: CostFunds,
    line: BankLineId,
) -> Result<Entry, Refusal> {
    let bank = Dimensions { bank_line: Some(line), ..Dimensions::default() };
    let postings =
        [debit(Account::BankSuspense, it.gross, &bank)?, credit(Account::SupplierPayable, it.gross, &it.about())?];
    let fact = (Event::SupplierRefunded, Source::CostCredit(credited));
    Entry::new(at.entity, at.on, fact, at.currency, it.owner(), postings)
}

/// What one activity bears of a run.
#[derive(Debug, Clone, Copy)]
pub struct PoolPart {
    /// The activity.
    pub activity: ActivityId,
    /// Its member, who sees this line and no other.
    pub owner: PersonId,
    /// What it has available, locked in this transaction.
    pub available: Minor,
    /// Its part; negative when it is given back.
    pub amount: Minor,
}

/// The cost of a pool was divided, or what was collected too much given back.
///
/// # Errors
/// As all events.
pub fn pool_allocated(at: Booking, run: PoolRunId, pool: PoolId, parts: &[PoolPart]) -> Result<Entry, Refusal> {
    let total = Minor::sum(parts.iter().map(|part| part.amount)).map_err(overflow)?;
    let mut postings = Vec::with_capacity(parts.len().saturating_add(1));
    for part in parts {
        let about = Dimensions {
            activity: Some(part.activity),
            pool: Some(pool),
            owner: Some(part.owner),
            ..Dimensions::default()
        };
        if part.amount < Minor::ZERO {
            postings.push(debit(Account::FundsAvailable, part.amount, &about)?);
        } else {
            postings.extend(charged(part.available, part.amount, &about)?);
        }
    }
    postings.push(credit(Account::PoolRecovery, total, &Dimensions { pool: Some(pool), ..Dimensions::default() })?);
    Entry::new(at.entity, at.on, (Event::PoolAllocated, Source::PoolRun(run)), at.currency, None, postings)
}

/// What a run took from one activity.
#[derive(Debug, Clone, Copy)]
pub struct PoolTaken {
    /// The activity.
    pub activity: ActivityId,
    /// Its member.
    pub owner: Option<PersonId>,
    /// Out of what it had available.
    pub available: Minor,
    /// Left owing.
    pub arrears: Minor,
    /// What of its arrears, from whatever, is still owed: the rest was settled out of later income meanwhile.
    pub owed_now: Minor,
}

/// A run was taken back.
///
/// # Errors
/// As all events.
pub fn pool_allocation_reversed(
    at: Booking,
    run: PoolRunId,
    pool: PoolId,
    entry: i64,
    taken: &[PoolTaken],
) -> Result<Entry, Refusal> {
    let mut postings = Vec::with_capacity(taken.len().saturating_add(1));
    let mut total = Minor::ZERO;
    for it in taken {
        let about =
            Dimensions { activity: Some(it.activity), pool: Some(pool), owner: it.owner, ..Dimensions::default() };
        let forgiven = it.arrears.min(it.owed_now.max(Minor::ZERO));
        let whole = it.available.plus(it.arrears).map_err(overflow)?;
        postings.push(credit(Account::FundsAvailable, whole.minus(forgiven).map_err(overflow)?, &about)?);
        postings.push(credit(Account::ActivityArrears, forgiven, &about)?);
        total = total.plus(whole).map_err(overflow)?;
    }
    postings.push(debit(Account::PoolRecovery, total, &Dimensions { pool: Some(pool), ..Dimensions::default() })?);
    let fact = (Event::PoolAllocationReversed, Source::PoolRun(run));
    Entry::new(at.entity, at.on, fact, at.currency, None, postings).map(|it| it.reversing(entry))
}
