//! What each business event books: the one table from which all postings are made. Debit / credit.
//!
//! | event | books |
//! |---|---|
//! | `share_subscribed` | share_receivable / share_capital |
//! | `share_paid` | bank or bank_suspense / share_receivable |
//! | `invoice_issued` | receivable / turnover, vat_output; member_cost / funds.pending; funds.pending / fee_income; funds.pending / guarantee_fund |
//! | `credit_note_issued` | turnover, vat_output / receivable; fee_income, guarantee_fund as far as it holds it, funds.pending, then funds.available, then activity_arrears / member_cost; memo.advances_contra / memo.advances by the same share; when nothing is open any more funds.pending / funds.available |
//! | `guarantee_advanced` | for each holder: funds.pending / funds.available; memo.advances / memo.advances_contra |
//! | `client_paid` | bank or bank_suspense / receivable; for each holder, unless advanced, funds.pending / funds.available in proportion; when paid in full after an advance memo.advances_contra / memo.advances |
//! | `payout_reserved`, `payout_cancelled` | funds.available / funds.reserved, and back |
//! | `payout_released` | funds.reserved / member_cost; member_fees / payouts_in_transit; of a wage funds.reserved / member_cost, fee_income for the margin, and the residual back to funds.available; wages, employer_contributions, member_fees for what is paid beside the wage / payouts_in_transit, social_security_payable, withholding_payable |
//! | `payout_settled` | payouts_in_transit / bank |
//! | `payout_returned` | bank / funds.available; member_cost / member_fees; of a wage every line of its release taken back, but for the residual |
//! | `payout_rejected` | payouts_in_transit / funds.reserved; member_cost / member_fees; of a wage every line of its release taken back, but for the residual |
//! | `bank_opened` | bank / opening_balance |
//! | `bank_line_booked` | bank / bank_suspense |
//! | `bank_charged` | bank_charges / bank_suspense; interest the other way round |
//! | `remittance_released` | social_security_payable or withholding_payable / remittances_in_transit |
//! | `remittance_settled` | remittances_in_transit / bank |
//! | `remittance_returned` | bank / what was owed |
//! | `remittance_stopped` | remittances_in_transit / what was owed |
//! | `bank_charge_reversed` | bank_suspense / bank_charges; interest the other way round |
//! | `client_credit_withdrawn` | client_credit / bank_suspense |
//! | `payment_taken_back` | the lines of `client_paid` reversed, the money of the bank to bank_suspense; what is no longer in funds.available to activity_arrears |
//! | `client_credited`, `client_credit_used` | bank_suspense / client_credit, and back |
//! | `client_refunded` | client_credit / bank_suspense of the line that left |
//! | `written_off` | bad_debt, vat_refund_due / receivable; covered: fee_income (funds.pending for a fee that was never charged), guarantee_fund / bad_debt and, when advanced, memo.advances_contra / memo.advances; not covered: funds.pending (then funds.available, activity_arrears), fee_income, guarantee_fund / member_cost |
//! | `guarantee_drawn` | guarantee_fund / bad_debt; funds.pending / funds.available as far as it was not advanced |
//! | `contribution_returned` | guarantee_fund / funds.available: what a credit note gave back and the fund did not hold |
//! | `recovered` | bank_suspense / vat_refund_due, guarantee_fund up to what was drawn, then covered: bad_debt with funds.pending / funds.available for the rest of the claim, guarantee_fund, fee_income; not covered: bad_debt with member_cost / funds.available, guarantee_fund, fee_income |
//! | `exchange_settled` | a loss: exchange_result / receivable, and of each holder funds.pending, then funds.available, then activity_arrears / member_cost, what else waited to funds.available and the advance closed; a gain: bank_suspense / exchange_result, and member_cost / funds.available of each holder |
//! | `share_redeemed` | share_capital / redemption_payable, and what the share is worth less than its nominal value to retained_surplus |
//! | `redemption_paid` | redemption_payable / bank_suspense |
//! | `year_closed` | every income and expense account of the year / retained_surplus |
//! | `surplus_appropriated` | retained_surplus / legal_reserve, indivisible_reserve, guarantee_fund, funds.available of each activity; a loss guarantee_fund / retained_surplus |
//! | `cost_booked` | operating_cost or pool_cost, vat_input / supplier_payable; for an activity funds.available / member_cost |
//! | `supplier_paid` | supplier_payable / bank_suspense |
//! | `supplier_credited` | supplier_payable / vat_input, operating_cost or pool_cost; of an activity member_cost / funds.available |
//! | `supplier_refunded` | bank_suspense / supplier_payable |
//! | `pool_allocated` | of each activity funds.available, and activity_arrears for what is missing / pool_recovery |
//! | `pool_allocation_reversed` | the same lines reversed; arrears as far as they are still owed, the rest to funds.available |
//! | `levy_charged` | funds.pending of the invoice that was paid, else funds.available and activity_arrears / fee_income or guarantee_fund; the other way round to funds.available when a cost lowered the margin, and line by line when the payment was taken back |
//! | `arrears_settled` | funds.available / activity_arrears |
//! | `payroll_trued_up` | employer_contributions, wages / social_security_payable, withholding_payable; of the fund guarantee_fund / member_cost |
//! | `true_up_taken` | funds.available, and activity_arrears for what is missing / member_cost; the other way round when it is given back |
//! | `transferred` | funds.pending / funds.pending of the same invoice, or funds.available / funds.available with memo.advances / memo.advances for the part that was advanced |
//! | `provision_moved` | impairment / doubtful_provision; the other way round when less is doubtful than the month before |

mod collection;
mod credit;
mod credits;
mod exchange;
mod guarantee;
mod levies;
mod payroll;
mod pools;
mod remittances;
mod shares;
mod surplus;
mod taken_back;
mod transfers;

pub use shares::{RedeemedShare, redemption_paid, share_redeemed};
pub use surplus::{Appropriated, Refund, surplus_appropriated, year_closed};

use chrono::NaiveDate;
pub use collection::provision_moved;
pub use credit::{CreditNote, credit_note_issued};
pub use credits::{
    KeptFor, bank_charge_reversed, bank_charged, client_credit_used, client_credit_withdrawn, client_credited,
    client_refunded,
};
pub use exchange::{Borne, ExchangeGain, ExchangeLoss, exchange_gained, exchange_lost};
pub use guarantee::*;
pub use levies::{ChargedTo, LevyFact, arrears_settled, levy_charged};
pub use payroll::{TrueUpFact, payroll_trued_up, true_up_taken};
pub use pools::{
    CostFunds, CostOf, PoolPart, PoolTaken, cost_booked, pool_allocated, pool_allocation_reversed, supplier_credited,
    supplier_paid, supplier_refunded,
};
pub use remittances::{Remitted, remittance_released, remittance_returned, remittance_settled, remittance_stopped};
pub use taken_back::{Posted, Standing, levy_taken_back, payment_taken_back};
pub use transfers::{End, Moved, transferred};

use super::Held;
use super::entry::{Account, Dimensions, Entry, Event, Posting, Source, credit, debit};
use crate::kernel::ids::{
    ActivityId, AdvanceId, AllocationId, BankAccountId, BankLineId, ClientId, EntityId, InvoiceId, PayoutId, PersonId,
    ShareId, StatementId,
};
use crate::kernel::levies::Charge;
use crate::kernel::money::{Currency, Minor, MoneyError};
use crate::kernel::refusal::Refusal;
use crate::kernel::vat::TaxLine;

/// Whose books, on which day, in which currency.
#[derive(Debug, Clone, Copy)]
pub struct Booking {
    /// Whose books.
    pub entity: EntityId,
    /// On which day.
    pub on: NaiveDate,
    /// In which currency.
    pub currency: Currency,
}

/// Where money of a bank line comes from when it is matched.
#[derive(Debug, Clone, Copy)]
pub enum Arrival {
    /// Matched when it was imported.
    Bank(BankAccountId),
    /// Matched later, out of suspense.
    Suspense(BankLineId),
}

fn overflow(_error: MoneyError) -> Refusal {
    Refusal::value("amount_invalid")
}

impl Arrival {
    fn posting(self, amount: Minor) -> Result<Posting, Refusal> {
        match self {
            Self::Bank(account) => {
                debit(Account::Bank, amount, &Dimensions { bank_account: Some(account), ..Dimensions::default() })
            }
            Self::Suspense(line) => {
                debit(Account::BankSuspense, amount, &Dimensions { bank_line: Some(line), ..Dimensions::default() })
            }
        }
    }
}

/// What an activity is charged: out of what it has available, the rest as arrears that later income settles.
///
/// `available` is its balance, locked in this transaction. The two debits sum to `amount`, which is not negative.
///
/// # Errors
/// As all events.
pub fn charged(available: Minor, amount: Minor, about: &Dimensions) -> Result<[Posting; 2], Refusal> {
    let paid = amount.min(available.max(Minor::ZERO));
    let owed = amount.minus(paid).map_err(overflow)?;
    Ok([debit(Account::FundsAvailable, paid, about)?, debit(Account::ActivityArrears, owed, about)?])
}

/// A member subscribed shares.
///
/// # Errors
/// Refuses amounts out of range, as do all events.
pub fn share_subscribed(at: Booking, share: ShareId, member: PersonId, amount: Minor) -> Result<Entry, Refusal> {
    let about = Dimensions { member: Some(member), ..Dimensions::default() };
    let postings = [debit(Account::ShareReceivable, amount, &about)?, credit(Account::ShareCapital, amount, &about)?];
    Entry::new(at.entity, at.on, (Event::ShareSubscribed, Source::Share(share)), at.currency, Some(member), postings)
}

/// Subscribed shares were paid.
///
/// # Errors
/// As all events.
pub fn share_paid(
    at: Booking,
    share: ShareId,
    member: PersonId,
    amount: Minor,
    from: Arrival,
) -> Result<Entry, Refusal> {
    let about = Dimensions { member: Some(member), ..Dimensions::default() };
    let postings = [from.posting(amount)?, credit(Account::ShareReceivable, amount, &about)?];
    Entry::new(at.entity, at.on, (Event::SharePaid, Source::Share(share)), at.currency, Some(member), postings)
}

/// What `invoice_issued` books.
#[derive(Debug, Clone, Copy)]
pub struct IssuedInvoice<'a> {
    /// The invoice.
    pub invoice: InvoiceId,
    /// Its activity.
    pub activity: ActivityId,
    /// Its member.
    pub member: PersonId,
    /// Its client.
    pub client: ClientId,
    /// To pay.
    pub gross: Minor,
    /// Without VAT.
    pub net: Minor,
    /// VAT by case.
    pub taxes: &'a [TaxLine],
    /// What the mutual keeps.
    pub charges: &'a [Charge],
}

/// An invoice was issued.
///
/// # Errors
/// As all events.
pub fn invoice_issued(at: Booking, it: IssuedInvoice<'_>) -> Result<Entry, Refusal> {
    let about = Dimensions {
        activity: Some(it.activity),
        client: Some(it.client),
        invoice: Some(it.invoice),
        ..Dimensions::default()
    };
    let mut postings = vec![debit(Account::Receivable, it.gross, &about)?, credit(Account::Turnover, it.net, &about)?];
    for tax in it.taxes {
        let about = Dimensions { tax_code: Some(tax.case.name().to_owned()), ..about.clone() };
        postings.push(credit(Account::VatOutput, tax.tax, &about)?);
    }
    postings.push(debit(Account::MemberCost, it.net, &about)?);
    postings.push(credit(Account::FundsPending, it.net, &about)?);
    for charge in it.charges {
        postings.push(debit(Account::FundsPending, charge.amount, &about)?);
        postings.push(credit(levies::income(charge.kind), charge.amount, &about)?);
    }
    let fact = (Event::InvoiceIssued, Source::Invoice(it.invoice));
    Entry::new(at.entity, at.on, fact, at.currency, Some(it.member), postings)
}

/// The activity of an invoice, as the events after its issue name it.
#[derive(Debug, Clone, Copy)]
pub struct InvoiceFunds {
    /// The invoice.
    pub invoice: InvoiceId,
    /// Its activity.
    pub activity: ActivityId,
    /// Its member.
    pub member: PersonId,
    /// Its client.
    pub client: ClientId,
}

impl InvoiceFunds {
    /// The part that one activity holds, which its own member sees.
    fn about_held(self, held: &Held) -> Dimensions {
        Dimensions { activity: Some(held.activity), owner: Some(held.member), ..self.about() }
    }

    fn about(self) -> Dimensions {
        Dimensions {
            activity: Some(self.activity),
            client: Some(self.client),
            invoice: Some(self.invoice),
            ..Dimensions::default()
        }
    }
}

/// The guarantee paid before the client: each activity what it held of the invoice.
///
/// # Errors
/// As all events.
pub fn guarantee_advanced(at: Booking, advance: AdvanceId, of: InvoiceFunds, held: &[Held]) -> Result<Entry, Refusal> {
    let mut postings = Vec::new();
    for part in held {
        let about = of.about_held(part);
        postings.extend([
            debit(Account::FundsPending, part.amount, &about)?,
            credit(Account::FundsAvailable, part.amount, &about)?,
            debit(Account::MemoAdvances, part.amount, &about)?,
            credit(Account::MemoAdvancesContra, part.amount, &about)?,
        ]);
    }
    let fact = (Event::GuaranteeAdvanced, Source::Advance(advance));
    Entry::new(at.entity, at.on, fact, at.currency, Some(of.member), postings)
}

/// What a client's payment does beside closing the receivable.
#[derive(Debug, Clone)]
pub struct ClientPayment {
    /// What was paid.
    pub amount: Minor,
    /// What becomes available now, by holder; nothing when it was advanced.
    pub freed: Vec<Held>,
    /// The advances that this payment closes, by holder; none while something is still open.
    pub advances_closed: Vec<Held>,
}

/// A client paid, in part or in full.
///
/// # Errors
/// As all events.
pub fn client_paid(
    at: Booking,
    allocation: AllocationId,
    of: InvoiceFunds,
    paid: &ClientPayment,
    from: Arrival,
) -> Result<Entry, Refusal> {
    let mut postings = vec![from.posting(paid.amount)?, credit(Account::Receivable, paid.amount, &of.about())?];
    for part in &paid.freed {
        let about = of.about_held(part);
        postings.push(debit(Account::FundsPending, part.amount, &about)?);
        postings.push(credit(Account::FundsAvailable, part.amount, &about)?);
    }
    for part in &paid.advances_closed {
        let about = of.about_held(part);
        postings.push(debit(Account::MemoAdvancesContra, part.amount, &about)?);
        postings.push(credit(Account::MemoAdvances, part.amount, &about)?);
    }
    let fact = (Event::ClientPaid, Source::Allocation(allocation));
    Entry::new(at.entity, at.on, fact, at.currency, Some(of.member), postings)
}

/// The activity of a payout.
#[derive(Debug, Clone, Copy)]
pub struct PayoutFunds {
    /// The payout.
    pub payout: PayoutId,
    /// Its activity.
    pub activity: ActivityId,
    /// Its member.
    pub member: PersonId,
}

impl PayoutFunds {
    fn entry(self, at: Booking, event: Event, postings: impl IntoIterator<Item = Posting>) -> Result<Entry, Refusal> {
        Entry::new(at.entity, at.on, (event, Source::Payout(self.payout)), at.currency, Some(self.member), postings)
    }

    fn about(self) -> Dimensions {
        Dimensions {
            activity: Some(self.activity),
            payout: Some(self.payout),
            member: Some(self.member),
            ..Dimensions::default()
        }
    }
}

/// Money was set aside for a payout.
///
/// # Errors
/// As all events.
pub fn payout_reserved(at: Booking, of: PayoutFunds, amount: Minor) -> Result<Entry, Refusal> {
    let about = of.about();
    let postings = [debit(Account::FundsAvailable, amount, &about)?, credit(Account::FundsReserved, amount, &about)?];
    of.entry(at, Event::PayoutReserved, postings)
}

/// Money set aside was given back.
///
/// # Errors
/// As all events.
pub fn payout_cancelled(at: Booking, of: PayoutFunds, amount: Minor) -> Result<Entry, Refusal> {
    let about = of.about();
    let postings = [debit(Account::FundsReserved, amount, &about)?, credit(Account::FundsAvailable, amount, &about)?];
    of.entry(at, Event::PayoutCancelled, postings)
}

/// What a released payout consists of: a plain transfer, or a wage with its parts.
#[derive(Debug, Clone, Copy)]
pub enum Paid<'a> {
    /// The whole budget, to somebody who is self-employed.
    Plain(Minor),
    /// A wage.
    Wage(&'a Wage),
}

/// The parts of a wage, as they are booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wage {
    /// What was set aside.
    pub budget: Minor,
    /// Kept by the mutual.
    pub margin: Minor,
    /// The gross wage.
    pub gross: Minor,
    /// Paid beside it: per diem, mileage, copyright.
    pub beside: Minor,
    /// The employer's part and what the state takes of the budget.
    pub employer: Minor,
    /// Owed to social security: both parts.
    pub social_security: Minor,
    /// Owed to the tax office.
    pub withheld: Minor,
    /// Sent to the person.
    pub net: Minor,
    /// Stays on the activity.
    pub residual: Minor,
}

impl Wage {
    /// Its lines, from the side of the activity's money to what is owed, without that money itself.
    fn postings(&self, about: &Dimensions) -> Result<Vec<Posting>, Refusal> {
        let none = Dimensions { owner: about.owner, ..Dimensions::default() };
        let consumed = self.budget.minus(self.residual).and_then(|used| used.minus(self.margin)).map_err(overflow)?;
        Ok(vec![
            credit(Account::FeeIncome, self.margin, about)?,
            credit(Account::MemberCost, consumed, about)?,
            debit(Account::Wages, self.gross, about)?,
            debit(Account::MemberFees, self.beside, about)?,
            debit(Account::EmployerContributions, self.employer, about)?,
            credit(Account::SocialSecurityPayable, self.social_security, &none)?,
            credit(Account::WithholdingPayable, self.withheld, &none)?,
        ])
    }
}

/// A payout left for the bank: the budget is consumed, the pay is on its way, the residual stays.
///
/// # Errors
/// As all events.
pub fn payout_released(at: Booking, of: PayoutFunds, paid: Paid<'_>) -> Result<Entry, Refusal> {
    let about = of.about();
    let postings = match paid {
        Paid::Plain(amount) => vec![
            debit(Account::FundsReserved, amount, &about)?,
            credit(Account::MemberCost, amount, &about)?,
            debit(Account::MemberFees, amount, &about)?,
            credit(Account::PayoutsInTransit, amount, &about)?,
        ],
        Paid::Wage(wage) => {
            let mut postings = wage.postings(&about)?;
            postings.push(debit(Account::FundsReserved, wage.budget, &about)?);
            postings.push(credit(Account::FundsAvailable, wage.residual, &about)?);
            postings.push(credit(Account::PayoutsInTransit, wage.net, &about)?);
            postings
        }
    };
    of.entry(at, Event::PayoutReleased, postings)
}

/// The bank carried a payout out.
///
/// # Errors
/// As all events.
pub fn payout_settled(at: Booking, of: PayoutFunds, amount: Minor, from: Arrival) -> Result<Entry, Refusal> {
    let left = from.posting(amount.negated().map_err(overflow)?)?;
    let postings = [debit(Account::PayoutsInTransit, amount, &of.about())?, left];
    of.entry(at, Event::PayoutSettled, postings)
}

/// The bank gave a payout back: the activity has its money again, the pay never happened. Of a wage, everything that was
/// booked with it is taken back, contributions and withholding too; the residual was never consumed.
///
/// # Errors
/// As all events.
pub fn payout_returned(at: Booking, of: PayoutFunds, paid: Paid<'_>, from: Arrival) -> Result<Entry, Refusal> {
    let arrived = from.posting(sent(paid))?;
    taken_back(at, of, paid, (Event::PayoutReturned, Account::FundsAvailable), arrived)
}

/// The bank refused a payout, or it never left: its money is held, the pay never happened.
///
/// # Errors
/// As all events.
pub fn payout_rejected(at: Booking, of: PayoutFunds, paid: Paid<'_>) -> Result<Entry, Refusal> {
    let stopped = debit(Account::PayoutsInTransit, sent(paid), &of.about())?;
    taken_back(at, of, paid, (Event::PayoutRejected, Account::FundsReserved), stopped)
}

const fn sent(paid: Paid<'_>) -> Minor {
    match paid {
        Paid::Plain(amount) => amount,
        Paid::Wage(wage) => wage.net,
    }
}

/// The lines of a release taken back, the money to an account of the activity.
fn taken_back(
    at: Booking,
    of: PayoutFunds,
    paid: Paid<'_>,
    (event, to): (Event, Account),
    from: Posting,
) -> Result<Entry, Refusal> {
    let about = of.about();
    let postings = match paid {
        Paid::Plain(amount) => vec![
            from,
            credit(to, amount, &about)?,
            debit(Account::MemberCost, amount, &about)?,
            credit(Account::MemberFees, amount, &about)?,
        ],
        Paid::Wage(wage) => {
            let mut postings = wage.postings(&about)?;
            for posting in &mut postings {
                posting.amount = posting.amount.negated().map_err(overflow)?;
            }
            let given_back = wage.budget.minus(wage.residual).map_err(overflow)?;
            postings.push(from);
            postings.push(credit(to, given_back, &about)?);
            postings
        }
    };
    of.entry(at, event, postings)
}

/// A bank account was taken over with what it held.
///
/// # Errors
/// As all events.
pub fn bank_opened(
    at: Booking,
    statement: StatementId,
    account: BankAccountId,
    amount: Minor,
) -> Result<Entry, Refusal> {
    let about = Dimensions { bank_account: Some(account), ..Dimensions::default() };
    let postings =
        [debit(Account::Bank, amount, &about)?, credit(Account::OpeningBalance, amount, &Dimensions::default())?];
    Entry::new(at.entity, at.on, (Event::BankOpened, Source::Statement(statement)), at.currency, None, postings)
}

/// A bank line waits to be explained. A negative amount left the account.
///
/// # Errors
/// As all events.
pub fn bank_line_booked(
    at: Booking,
    line: BankLineId,
    account: BankAccountId,
    amount: Minor,
) -> Result<Entry, Refusal> {
    let bank = Dimensions { bank_account: Some(account), ..Dimensions::default() };
    let about = Dimensions { bank_line: Some(line), ..Dimensions::default() };
    let postings = [debit(Account::Bank, amount, &bank)?, credit(Account::BankSuspense, amount, &about)?];
    Entry::new(at.entity, at.on, (Event::BankLineBooked, Source::BankLine(line)), at.currency, None, postings)
}
