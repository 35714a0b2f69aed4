//! An entry before it is booked: balanced, or it does not exist.

use chrono::NaiveDate;
use uuid::Uuid;

use crate::kernel::ids::{
    ActivityId, AdvanceId, AllocationId, AppropriationId, ArrearsId, BankAccountId, BankChargeId, BankLineId, ChargeId,
    ClientCreditId, ClientCreditUseId, ClientId, ClientRefundId, ContributionReturnId, CostCreditId, CostId, DrawId,
    EntityId, ExchangeDifferenceId, FiscalYearId, InvoiceId, PayoutId, PersonId, PoolId, PoolRunId, ProvisionRunId,
    RecoveryId, RedemptionId, RemittanceId, ShareId, StatementId, TransferId, TrueUpId, TrueUpPartId, WriteOffId,
};
use crate::kernel::money::{Currency, Minor};
use crate::kernel::refusal::Refusal;
use crate::named;

named! {
    /// An account of the chart.
    Account {
        /// Money at the bank, by bank account.
        Bank = "bank",
        /// Owed by clients, by invoice.
        Receivable = "receivable",
        /// Owed by members for subscribed shares.
        ShareReceivable = "share_receivable",
        /// Owed by activities whose money did not suffice for what they were charged.
        ActivityArrears = "activity_arrears",
        /// VAT paid to suppliers that the state gives back.
        VatInput = "vat_input",
        /// VAT on receivables that were given up, to be claimed back.
        VatRefundDue = "vat_refund_due",
        /// VAT collected for the state.
        VatOutput = "vat_output",
        /// Owed to an activity once the client pays or the guarantee advances.
        FundsPending = "funds.pending",
        /// Owed to an activity now.
        FundsAvailable = "funds.available",
        /// Set aside for payouts that were asked for.
        FundsReserved = "funds.reserved",
        /// Sent to the bank and not yet seen on a statement.
        PayoutsInTransit = "payouts_in_transit",
        /// Owed to social security: the employer's and the employees' parts.
        SocialSecurityPayable = "social_security_payable",
        /// Withheld for the tax office.
        WithholdingPayable = "withholding_payable",
        /// Sent to offices and not yet seen on a statement.
        RemittancesInTransit = "remittances_in_transit",
        /// Owed to suppliers.
        SupplierPayable = "supplier_payable",
        /// Owed to members for shares given back.
        RedemptionPayable = "redemption_payable",
        /// On the bank and not yet explained.
        BankSuspense = "bank_suspense",
        /// What clients paid beyond what they owe, kept for them.
        ClientCredit = "client_credit",
        /// What members put aside against clients that do not pay.
        GuaranteeFund = "guarantee_fund",
        /// Shares of members.
        ShareCapital = "share_capital",
        /// What a bank account held before the first statement.
        OpeningBalance = "opening_balance",
        /// Set aside because the law asks for it.
        LegalReserve = "legal_reserve",
        /// Set aside and never divided among members.
        IndivisibleReserve = "indivisible_reserve",
        /// Results of closed years that were neither set aside nor given back.
        RetainedSurplus = "retained_surplus",
        /// Sold, without VAT.
        Turnover = "turnover",
        /// The mutual's fee.
        FeeIncome = "fee_income",
        /// What activities paid for the costs of a pool.
        PoolRecovery = "pool_recovery",
        /// What is owed to members for what was sold.
        MemberCost = "member_cost",
        /// Paid to self-employed members.
        MemberFees = "member_fees",
        /// Gross wages of employed members.
        Wages = "wages",
        /// The employer's part on top of wages.
        EmployerContributions = "employer_contributions",
        /// Bought from suppliers for an activity.
        OperatingCost = "operating_cost",
        /// Bought from suppliers for a pool.
        PoolCost = "pool_cost",
        /// Receivables that were given up.
        BadDebt = "bad_debt",
        /// What clients may not pay of what they owe: a credit beside [`Account::Receivable`].
        DoubtfulProvision = "doubtful_provision",
        /// What the provision for clients who may not pay grew by.
        Impairment = "impairment",
        /// What arrived less (debit) or more (credit) than was booked, because a rate moved.
        ExchangeResult = "exchange_result",
        /// What banks charge us; interest that they pay lowers it.
        BankCharges = "bank_charges",
        /// Advances that wait for the client, off balance.
        MemoAdvances = "memo.advances",
        /// The other side of [`Account::MemoAdvances`].
        MemoAdvancesContra = "memo.advances_contra",
    }
}

/// Facts: a variant with the id of its row, and the name of its kind in the books.
macro_rules! sources {
    ($($(#[$doc:meta])* $variant:ident($id:ty) = $kind:literal),+ $(,)?) => {
        /// The fact behind an entry. One fact is booked once.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Source {
            $($(#[$doc])* $variant($id),)+
        }

        impl Source {
            /// The stored kind and id.
            #[must_use]
            pub const fn parts(self) -> (&'static str, Uuid) {
                match self {
                    $(Self::$variant(id) => ($kind, id.0),)+
                }
            }

            /// The fact of a stored kind and id; none for a kind that this program does not know.
            #[must_use]
            pub fn read(kind: &str, id: Uuid) -> Option<Self> {
                match kind {
                    $($kind => Some(Self::$variant(<$id>::from(id))),)+
                    _ => None,
                }
            }
        }
    };
}

sources! {
    /// A share.
    Share(ShareId) = "share",
    /// An invoice.
    Invoice(InvoiceId) = "invoice",
    /// An advance.
    Advance(AdvanceId) = "advance",
    /// A payout.
    Payout(PayoutId) = "payout",
    /// A bank statement.
    Statement(StatementId) = "statement",
    /// A line of one.
    BankLine(BankLineId) = "bank_line",
    /// A bank line matched to an invoice.
    Allocation(AllocationId) = "allocation",
    /// A receivable given up.
    WriteOff(WriteOffId) = "write_off",
    /// Money out of the guarantee fund.
    Draw(DrawId) = "draw",
    /// Money that came after a write-off.
    Recovery(RecoveryId) = "recovery",
    /// A contribution that the fund owed and returned.
    ContributionReturn(ContributionReturnId) = "contribution_return",
    /// What a supplier took back of a cost.
    CostCredit(CostCreditId) = "cost_credit",
    /// What a supplier charged.
    Cost(CostId) = "cost",
    /// A division of the cost of a pool.
    PoolRun(PoolRunId) = "pool_run",
    /// Money moved between activities.
    Transfer(TransferId) = "transfer",
    /// A levy that no document carries.
    LevyCharge(ChargeId) = "levy_charge",
    /// A debt of an activity that was settled.
    ArrearsSettlement(ArrearsId) = "arrears_settlement",
    /// A share given back.
    Redemption(RedemptionId) = "redemption",
    /// A closed year.
    FiscalYear(FiscalYearId) = "fiscal_year",
    /// A decision about its result.
    Appropriation(AppropriationId) = "appropriation",
    /// What arrived more or less because a rate moved.
    ExchangeDifference(ExchangeDifferenceId) = "exchange_difference",
    /// What is kept for a client.
    ClientCredit(ClientCreditId) = "client_credit",
    /// What of it pays an invoice.
    ClientCreditUse(ClientCreditUseId) = "client_credit_use",
    /// What of it was given back.
    ClientRefund(ClientRefundId) = "client_refund",
    /// What a bank charged.
    BankCharge(BankChargeId) = "bank_charge",
    /// A payment to an office.
    Remittance(RemittanceId) = "remittance",
    /// The provision of a month.
    ProvisionRun(ProvisionRunId) = "provision_run",
    /// What a wage really cost.
    TrueUp(TrueUpId) = "true_up",
    /// A part of that which an activity bore or got back.
    TrueUpPart(TrueUpPartId) = "true_up_part",
}

named! {
    /// What happened.
    Event {
        /// A member promised to pay a share.
        ShareSubscribed = "share_subscribed",
        /// The share was paid.
        SharePaid = "share_paid",
        /// An invoice got its number.
        InvoiceIssued = "invoice_issued",
        /// An invoice was given back, in part or in full.
        CreditNoteIssued = "credit_note_issued",
        /// The guarantee paid the member before the client paid.
        GuaranteeAdvanced = "guarantee_advanced",
        /// A client paid.
        ClientPaid = "client_paid",
        /// A payment belonged to another invoice.
        PaymentTakenBack = "payment_taken_back",
        /// A payout was asked for, and its money set aside.
        PayoutReserved = "payout_reserved",
        /// A payout was refused or withdrawn, and its money given back.
        PayoutCancelled = "payout_cancelled",
        /// A payout left for the bank.
        PayoutReleased = "payout_released",
        /// The bank carried it out.
        PayoutSettled = "payout_settled",
        /// The bank gave it back.
        PayoutReturned = "payout_returned",
        /// The bank refused it, or it never left.
        PayoutRejected = "payout_rejected",
        /// A bank account was taken over with what it held.
        BankOpened = "bank_opened",
        /// A bank line waits to be explained.
        BankLineBooked = "bank_line_booked",
        /// The bank took a charge, or paid interest.
        BankCharged = "bank_charged",
        /// It was none.
        BankChargeReversed = "bank_charge_reversed",
        /// A payment to an office went to the bank.
        RemittanceReleased = "remittance_released",
        /// The bank carried it out.
        RemittanceSettled = "remittance_settled",
        /// The bank gave it back.
        RemittanceReturned = "remittance_returned",
        /// It never left.
        RemittanceStopped = "remittance_stopped",
        /// Money was not to be kept for a client.
        ClientCreditWithdrawn = "client_credit_withdrawn",
        /// Money of a client is kept for them.
        ClientCredited = "client_credited",
        /// Money that was kept for a client pays an invoice.
        ClientCreditUsed = "client_credit_used",
        /// Money that was kept for a client was given back.
        ClientRefunded = "client_refunded",
        /// A receivable was given up.
        WrittenOff = "written_off",
        /// The guarantee fund paid for a loss.
        GuaranteeDrawn = "guarantee_drawn",
        /// Money came after a write-off.
        Recovered = "recovered",
        /// What arrived was more or less than was booked, because a rate moved.
        ExchangeSettled = "exchange_settled",
        /// What a supplier charged was approved.
        CostBooked = "cost_booked",
        /// A supplier was paid.
        SupplierPaid = "supplier_paid",
        /// The fund returned a contribution that a credit note had given back.
        ContributionReturned = "contribution_returned",
        /// A supplier took back a part of a cost.
        SupplierCredited = "supplier_credited",
        /// A supplier paid back what was paid for it.
        SupplierRefunded = "supplier_refunded",
        /// The cost of a pool was divided among its activities.
        PoolAllocated = "pool_allocated",
        /// Such a division was taken back.
        PoolAllocationReversed = "pool_allocation_reversed",
        /// Money moved from one activity to another.
        Transferred = "transferred",
        /// A levy was taken on a payment, a cost or a month.
        LevyCharged = "levy_charged",
        /// An activity paid what it owed.
        ArrearsSettled = "arrears_settled",
        /// A wage cost more or less than was booked.
        PayrollTruedUp = "payroll_trued_up",
        /// An activity bore a part of that, or got it back.
        TrueUpTaken = "true_up_taken",
        /// A share given back was valued: it is capital no more, and its value is owed.
        ShareRedeemed = "share_redeemed",
        /// That value was paid.
        RedemptionPaid = "redemption_paid",
        /// The income and the expenses of a year became its result.
        YearClosed = "year_closed",
        /// What was decided about a result.
        SurplusAppropriated = "surplus_appropriated",
        /// More or less of what clients owe is doubtful.
        ProvisionMoved = "provision_moved",
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
    /// The pool.
    pub pool: Option<PoolId>,
    /// The VAT case.
    pub tax_code: Option<String>,
    /// The member who may see this line, when the lines of an entry belong to several.
    pub owner: Option<PersonId>,
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
    /// The entry that it takes back.
    pub reverses: Option<i64>,
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
        Ok(Self { entity, booked_on, event, source, currency, owner, reverses: None, postings })
    }

    /// The same entry as the one that takes `entry` back; each entry is taken back once.
    #[must_use]
    pub fn reversing(self, entry: i64) -> Self {
        Self { reverses: Some(entry), ..self }
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
