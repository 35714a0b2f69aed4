//! An entry before it is booked: balanced, or it does not exist.

use chrono::NaiveDate;
use uuid::Uuid;

use crate::kernel::ids::{
    ActivityId, AdvanceId, AllocationId, BankAccountId, BankLineId, ClientId, EntityId, InvoiceId, PayoutId, PersonId,
    ShareId, StatementId,
};
use crate::kernel::money::{Currency, Minor};
use crate::kernel::refusal::Refusal;

/// An account of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Money at the bank, by bank account.
    Bank,
    /// Owed by clients, by invoice.
    Receivable,
    /// Owed by members for subscribed shares.
    ShareReceivable,
    /// VAT collected for the state.
    VatOutput,
    /// Owed to an activity once the client pays or the guarantee advances.
    FundsPending,
    /// Owed to an activity now.
    FundsAvailable,
    /// Set aside for payouts that were asked for.
    FundsReserved,
    /// Sent to the bank and not yet seen on a statement.
    PayoutsInTransit,
    /// On the bank and not yet explained.
    BankSuspense,
    /// What members put aside against clients that do not pay.
    GuaranteeFund,
    /// Shares of members.
    ShareCapital,
    /// What a bank account held before the first statement.
    OpeningBalance,
    /// Sold, without VAT.
    Turnover,
    /// The mutual's fee.
    FeeIncome,
    /// What is owed to members for what was sold.
    MemberCost,
    /// Paid to self-employed members.
    MemberFees,
    /// Advances that wait for the client, off balance.
    MemoAdvances,
    /// The other side of [`Account::MemoAdvances`].
    MemoAdvancesContra,
}

impl Account {
    /// The whole chart.
    pub const ALL: [Self; 18] = [
        Self::Bank,
        Self::Receivable,
        Self::ShareReceivable,
        Self::VatOutput,
        Self::FundsPending,
        Self::FundsAvailable,
        Self::FundsReserved,
        Self::PayoutsInTransit,
        Self::BankSuspense,
        Self::GuaranteeFund,
        Self::ShareCapital,
        Self::OpeningBalance,
        Self::Turnover,
        Self::FeeIncome,
        Self::MemberCost,
        Self::MemberFees,
        Self::MemoAdvances,
        Self::MemoAdvancesContra,
    ];

    /// The code in the books.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Bank => "bank",
            Self::Receivable => "receivable",
            Self::ShareReceivable => "share_receivable",
            Self::VatOutput => "vat_output",
            Self::FundsPending => "funds.pending",
            Self::FundsAvailable => "funds.available",
            Self::FundsReserved => "funds.reserved",
            Self::PayoutsInTransit => "payouts_in_transit",
            Self::BankSuspense => "bank_suspense",
            Self::GuaranteeFund => "guarantee_fund",
            Self::ShareCapital => "share_capital",
            Self::OpeningBalance => "opening_balance",
            Self::Turnover => "turnover",
            Self::FeeIncome => "fee_income",
            Self::MemberCost => "member_cost",
            Self::MemberFees => "member_fees",
            Self::MemoAdvances => "memo.advances",
            Self::MemoAdvancesContra => "memo.advances_contra",
        }
    }
}

/// The fact behind an entry. One fact is booked once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A share.
    Share(ShareId),
    /// An invoice.
    Invoice(InvoiceId),
    /// An advance.
    Advance(AdvanceId),
    /// A payout.
    Payout(PayoutId),
    /// A bank statement.
    Statement(StatementId),
    /// A line of one.
    BankLine(BankLineId),
    /// A bank line matched to an invoice.
    Allocation(AllocationId),
}

impl Source {
    /// The stored kind and id.
    #[must_use]
    pub const fn parts(self) -> (&'static str, Uuid) {
        match self {
            Self::Share(id) => ("share", id.0),
            Self::Invoice(id) => ("invoice", id.0),
            Self::Advance(id) => ("advance", id.0),
            Self::Payout(id) => ("payout", id.0),
            Self::Statement(id) => ("statement", id.0),
            Self::BankLine(id) => ("bank_line", id.0),
            Self::Allocation(id) => ("allocation", id.0),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A member promised to pay a share.
    ShareSubscribed,
    /// The share was paid.
    SharePaid,
    /// An invoice got its number.
    InvoiceIssued,
    /// The guarantee paid the member before the client paid.
    GuaranteeAdvanced,
    /// A client paid.
    ClientPaid,
    /// A payout was asked for, and its money set aside.
    PayoutReserved,
    /// A payout was refused or withdrawn, and its money given back.
    PayoutCancelled,
    /// A payout left for the bank.
    PayoutReleased,
    /// The bank carried it out.
    PayoutSettled,
    /// The bank gave it back.
    PayoutReturned,
    /// A bank account was taken over with what it held.
    BankOpened,
    /// A bank line waits to be explained.
    BankLineBooked,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::ShareSubscribed,
        Self::SharePaid,
        Self::InvoiceIssued,
        Self::GuaranteeAdvanced,
        Self::ClientPaid,
        Self::PayoutReserved,
        Self::PayoutCancelled,
        Self::PayoutReleased,
        Self::PayoutSettled,
        Self::PayoutReturned,
        Self::BankOpened,
        Self::BankLineBooked,
    ];

    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShareSubscribed => "share_subscribed",
            Self::SharePaid => "share_paid",
            Self::InvoiceIssued => "invoice_issued",
            Self::GuaranteeAdvanced => "guarantee_advanced",
            Self::ClientPaid => "client_paid",
            Self::PayoutReserved => "payout_reserved",
            Self::PayoutCancelled => "payout_cancelled",
            Self::PayoutReleased => "payout_released",
            Self::PayoutSettled => "payout_settled",
            Self::PayoutReturned => "payout_returned",
            Self::BankOpened => "bank_opened",
            Self::BankLineBooked => "bank_line_booked",
        }
    }
}

/// What a posting is about, beside its account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dimensions {
    /// The activity.
    pub activity: Option<ActivityId>,
    /// The client.
    pub client: Option<ClientId>,
    /// The invoice.
    pub invoice: Option<InvoiceId>,
    /// The payout.
    pub payout: Option<PayoutId>,
    /// The member.
    pub member: Option<PersonId>,
    /// The bank line.
    pub bank_line: Option<BankLineId>,
    /// Our bank account.
    pub bank_account: Option<BankAccountId>,
    /// The VAT case.
    pub tax_code: Option<String>,
}

/// One line of an entry: debit positive, credit negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The account.
    pub account: Account,
    /// The amount.
    pub amount: Minor,
    /// What it is about.
    pub about: Dimensions,
}

/// A debit.
///
/// # Errors
/// Refuses an amount out of range.
pub fn debit(account: Account, amount: Minor, about: &Dimensions) -> Result<Posting, Refusal> {
    Ok(Posting { account, amount, about: about.clone() })
}

/// A credit.
///
/// # Errors
/// Refuses an amount out of range.
pub fn credit(account: Account, amount: Minor, about: &Dimensions) -> Result<Posting, Refusal> {
    let amount = amount.negated().map_err(|_overflow| Refusal::value("amount_invalid"))?;
    Ok(Posting { account, amount, about: about.clone() })
}

/// A balanced entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose books.
    pub entity: EntityId,
    /// On which day it counts.
    pub booked_on: NaiveDate,
    /// What happened.
    pub event: Event,
    /// The fact behind it.
    pub source: Source,
    /// The currency of all its lines.
    pub currency: Currency,
    /// The member who may see it.
    pub owner: Option<PersonId>,
    /// Its lines; none of them zero.
    pub postings: Vec<Posting>,
}

impl Entry {
    /// An entry, if it balances. Lines of zero are left out.
    ///
    /// # Errors
    /// Refuses lines that do not sum to zero, and an entry without lines.
    pub fn new(
        entity: EntityId,
        booked_on: NaiveDate,
        (event, source): (Event, Source),
        currency: Currency,
        owner: Option<PersonId>,
        postings: impl IntoIterator<Item = Posting>,
    ) -> Result<Self, Refusal> {
        let postings: Vec<Posting> = postings.into_iter().filter(|posting| posting.amount != Minor::ZERO).collect();
        let sum = Minor::sum(postings.iter().map(|posting| posting.amount))
            .map_err(|_overflow| Refusal::value("amount_invalid"))?;
        if sum != Minor::ZERO || postings.is_empty() {
            return Err(Refusal::value("entry_unbalanced").with("event", event.name()).with("off", sum.get()));
        }
        Ok(Self { entity, booked_on, event, source, currency, owner, postings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_does_not_balance_does_not_exist() {
        let about = Dimensions::default();
        let entry = |amount| {
            let postings = [
                debit(Account::Bank, Minor::new(100), &about).unwrap(),
                credit(Account::Turnover, Minor::new(amount), &about).unwrap(),
            ];
            let day = NaiveDate::from_ymd_opt(2026, 5, 4).unwrap();
            let source = Source::Invoice(InvoiceId(Uuid::nil()));
            Entry::new(EntityId(Uuid::nil()), day, (Event::InvoiceIssued, source), Currency::EUR, None, postings)
        };
        assert!(entry(100).is_ok());
        assert_eq!(entry(99).unwrap_err().code, "entry_unbalanced");
    }
}
