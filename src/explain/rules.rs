//! Where the amount of each line of each entry comes from, and how it is computed again.

use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use crate::formats::{local, traces};
use crate::kernel::language::Language;
use crate::kernel::levies::LevyKind;
use crate::kernel::money::{Minor, Money, MoneyError, Ppm};
use crate::ledger::{Account, Event};
use crate::named;

/// Where the amount of a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Shares: how many, times the price of one.
    Shares,
    /// The lines of the invoice.
    InvoiceNet,
    /// The lines of the invoice and its VAT.
    InvoiceGross,
    /// The VAT of the invoice.
    InvoiceTax,
    /// What the mutual kept of the invoice for one purpose.
    Levy(LevyKind),
    /// What the mutual kept of the invoice, for the purpose of the line that follows.
    LevyPaid,
    /// What waited of the invoice before this entry.
    Pending,
    /// The part of what waited that the client's payment frees.
    Freed,
    /// The advance of the invoice, which closes.
    Advanced,
    /// Money that was available, in the order in which it came in.
    Available,
    /// What was set aside for the payout.
    Reserved,
    /// The levy that the entry was made for.
    Charge,
    /// Debts of the activity, in the order in which they arose.
    Arrears,
    /// What a supplier charged.
    Cost,
    /// What a supplier took back of a cost.
    CostCredit,
    /// A part of a shared cost.
    PoolPart,
    /// The line of the entry that is taken back.
    Reversed,
    /// What was paid for shares that are given back, or their value.
    Redemption,
    /// What was owed for shares that were given back.
    Redeemed,
    /// A part of a surplus.
    SurplusPart,
    /// The lines of the credit note.
    CreditNet,
    /// The lines of the credit note and its VAT.
    CreditGross,
    /// The VAT of the credit note.
    CreditTax,
    /// What the mutual gave back with the credit note for one purpose.
    CreditLevy(LevyKind),
    /// The activity's share of the credit note.
    CreditShare,
    /// What waited of the invoice and waits no longer.
    Waited,
    /// The other line of a transfer.
    Opposite,
    /// A share of what was given up of the invoice.
    Lost,
    /// What of the loss the fund bore.
    Drawn,
    /// A share of what came after the loss.
    CameBack,
    /// The document behind the entry says it: nothing is computed.
    Document,
    /// What the bank's statement says.
    Bank,
}

/// Where the amount of a line comes from. A new event does not compile until it is explained here.
pub(super) fn origin(event: Event, account: Account, is_debit: bool) -> Origin {
    match event {
        Event::ShareSubscribed | Event::SharePaid => Origin::Shares,
        Event::InvoiceIssued => invoice_issued(account, is_debit),
        Event::GuaranteeAdvanced => Origin::Pending,
        Event::ClientPaid => client_paid(account),
        Event::PayoutReserved => Origin::Available,
        Event::PayoutCancelled
        | Event::PayoutReleased
        | Event::PayoutSettled
        | Event::PayoutReturned
        | Event::PayoutRejected => Origin::Reserved,
        Event::BankOpened | Event::BankLineBooked => Origin::Bank,
        Event::LevyCharged => Origin::Charge,
        Event::ArrearsSettled => Origin::Arrears,
        Event::CostBooked | Event::SupplierPaid => Origin::Cost,
        Event::SupplierCredited | Event::SupplierRefunded => Origin::CostCredit,
        Event::PoolAllocated => Origin::PoolPart,
        Event::PoolAllocationReversed | Event::PaymentTakenBack => Origin::Reversed,
        Event::ShareRedeemed => Origin::Redemption,
        Event::RedemptionPaid => Origin::Redeemed,
        Event::SurplusAppropriated => Origin::SurplusPart,
        Event::YearClosed
        | Event::ContributionReturned
        | Event::ExchangeSettled
        | Event::BankCharged
        | Event::BankChargeReversed
        | Event::RemittanceReleased
        | Event::RemittanceSettled
        | Event::RemittanceReturned
        | Event::RemittanceStopped
        | Event::ClientCreditWithdrawn
        | Event::ClientCredited
        | Event::ClientCreditUsed
        | Event::ClientRefunded
        | Event::ProvisionMoved
        | Event::PayrollTruedUp
        | Event::TrueUpTaken => Origin::Document,
        Event::CreditNoteIssued => credit_note_issued(account, is_debit),
        Event::Transferred if account == Account::FundsAvailable && is_debit => Origin::Available,
        Event::Transferred => Origin::Opposite,
        Event::WrittenOff => lost(account, is_debit, Origin::Lost),
        Event::GuaranteeDrawn => lost(account, is_debit, Origin::Drawn),
        Event::Recovered => lost(account, is_debit, Origin::CameBack),
    }
}

fn invoice_issued(account: Account, is_debit: bool) -> Origin {
    if account == Account::Receivable {
        Origin::InvoiceGross
    } else if account == Account::VatOutput {
        Origin::InvoiceTax
    } else if account == Account::FeeIncome {
        Origin::Levy(LevyKind::Fee)
    } else if account == Account::GuaranteeFund {
        Origin::Levy(LevyKind::Guarantee)
    } else if account == Account::FundsPending && is_debit {
        Origin::LevyPaid
    } else {
        Origin::InvoiceNet
    }
}

fn lost(account: Account, is_debit: bool, share: Origin) -> Origin {
    if matches!(account, Account::MemoAdvances | Account::MemoAdvancesContra) {
        Origin::Advanced
    } else if account == Account::FundsAvailable && !is_debit && share != Origin::CameBack {
        Origin::Waited
    } else {
        share
    }
}

fn credit_note_issued(account: Account, is_debit: bool) -> Origin {
    if account == Account::Receivable {
        Origin::CreditGross
    } else if account == Account::VatOutput {
        Origin::CreditTax
    } else if account == Account::FeeIncome {
        Origin::CreditLevy(LevyKind::Fee)
    } else if account == Account::GuaranteeFund {
        Origin::CreditLevy(LevyKind::Guarantee)
    } else if matches!(account, Account::MemoAdvances | Account::MemoAdvancesContra) {
        Origin::Advanced
    } else if account == Account::FundsAvailable && !is_debit {
        Origin::Waited
    } else if matches!(account, Account::FundsPending | Account::FundsAvailable | Account::ActivityArrears) {
        Origin::CreditShare
    } else {
        Origin::CreditNet
    }
}

fn client_paid(account: Account) -> Origin {
    if matches!(account, Account::FundsPending | Account::FundsAvailable) {
        Origin::Freed
    } else if matches!(account, Account::MemoAdvances | Account::MemoAdvancesContra) {
        Origin::Advanced
    } else {
        Origin::Bank
    }
}

/// Which sign of the books makes an account grow: debits grow assets and expenses, credits everything else.
pub(super) fn grows_by_debit(account: Account) -> bool {
    match account {
        Account::Bank
        | Account::Receivable
        | Account::ShareReceivable
        | Account::ActivityArrears
        | Account::VatInput
        | Account::VatRefundDue
        | Account::MemberCost
        | Account::MemberFees
        | Account::Wages
        | Account::EmployerContributions
        | Account::OperatingCost
        | Account::PoolCost
        | Account::BadDebt
        | Account::ExchangeResult
        | Account::BankCharges
        | Account::RemittancesInTransit
        | Account::Impairment
        | Account::MemoAdvances => true,
        // The provision is a deduction from what clients owe: it grows by credits.
        Account::DoubtfulProvision
        | Account::VatOutput
        | Account::FundsPending
        | Account::FundsAvailable
        | Account::FundsReserved
        | Account::PayoutsInTransit
        | Account::SocialSecurityPayable
        | Account::WithholdingPayable
        | Account::SupplierPayable
        | Account::RedemptionPayable
        | Account::BankSuspense
        | Account::ClientCredit
        | Account::GuaranteeFund
        | Account::ShareCapital
        | Account::OpeningBalance
        | Account::LegalReserve
        | Account::IndivisibleReserve
        | Account::RetainedSurplus
        | Account::Turnover
        | Account::FeeIncome
        | Account::PoolRecovery
        | Account::MemoAdvancesContra => false,
    }
}

/// An amount as it is shown: positive when its account grows.
pub(super) fn shown(account: Account, booked: Minor) -> Result<Minor, MoneyError> {
    if grows_by_debit(account) { Ok(booked) } else { booked.negated() }
}

/// `amount` with the sign of `like`.
pub(super) fn signed(amount: Minor, like: Minor) -> Result<Minor, MoneyError> {
    if like < Minor::ZERO { amount.negated() } else { Ok(amount) }
}

/// A sign under which `whole` becomes `amount`, which is as large.
pub(super) fn like(amount: Minor, whole: Minor) -> Result<Minor, MoneyError> {
    if amount == whole { Ok(Minor::ZERO) } else { Minor::new(1).negated() }
}

named! {
    /// How an amount was computed.
    CalculationKind {
        /// A base times a rate.
        Rate = "rate",
        /// A quantity times a price.
        Product = "product",
        /// A whole split by weights.
        Split = "split",
        /// A part of a whole by days.
        Proportion = "proportion",
        /// A total over a running base, by its bands.
        Total = "total",
    }
}

named! {
    /// How an amount became whole cents.
    Rounding {
        /// Half a cent goes away from zero.
        HalfAwayFromZero = "half_away_from_zero",
        /// Every part is rounded down, and the missing cents go to the largest fractions.
        LargestRemainder = "largest_remainder",
    }
}

/// A part of a base and the rate that it met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BandPart {
    /// The part of the base.
    pub base: Money,
    /// Its rate as a decimal fraction.
    pub rate: String,
}

/// A calculation that can be done again: `base x rate`, `base x quantity`, `base x weight / weights`, or a total over a
/// running base whose rounding can be done again and whose bands stand in the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Calculation {
    /// Which.
    pub kind: CalculationKind,
    /// What it starts from: the base, the price of one, or the whole.
    pub base: Money,
    /// The rate as a decimal fraction.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0.055")]
    pub rate: Option<String>,
    /// The quantity, a decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<String>,
    /// The weight of this part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// The sum of all weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<i64>,
    /// The parts of the base that this amount is about, by bands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<BandPart>,
    /// The exact result before rounding, in units of the currency; cut after six decimals where it does not end.
    #[schema(example = "80.2464")]
    pub unrounded: String,
    /// How it was rounded.
    pub rounding: Rounding,
    /// What rounding added, in units of the currency.
    #[schema(example = "0.0036")]
    pub remainder: String,
    /// The result.
    pub result: Money,
    /// All of it in words.
    pub text: String,
}

/// What a calculation starts from, beside its base.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    Rate(Ppm),
    Quantity(Decimal),
    Weight(i64, i64),
    Days(u32, u32),
    /// The exact total in minor units.
    Total(Decimal),
}

/// Does a calculation again. None when it does not come to `result`, or a figure is out of range: what is shown as a
/// calculation is one.
pub(super) fn calculate(language: Language, base: Money, by: By, result: Minor) -> Option<Calculation> {
    const DECIMALS: u32 = 6;
    let exponent = base.currency.exponent();
    let in_units = |amount: Minor| Decimal::new(amount.get(), exponent);
    let whole = in_units(base.amount_minor);
    let exact = match by {
        By::Rate(rate) => whole.checked_mul(Decimal::new(rate.0, DECIMALS))?,
        By::Quantity(quantity) => whole.checked_mul(quantity)?,
        By::Weight(weight, weights) => whole.checked_mul(Decimal::from(weight))?.checked_div(Decimal::from(weights))?,
        By::Days(days, of) => whole.checked_mul(Decimal::from(days))?.checked_div(Decimal::from(of))?,
        By::Total(minor) => minor.checked_mul(Decimal::new(1, exponent))?,
    };
    let minor = exact.checked_mul(Decimal::from(10_i64.checked_pow(exponent)?))?;
    let is_right = match by {
        // The missing cents go to the largest fractions: a part is its quota without its fraction, or one more.
        By::Weight(..) => Decimal::from(result.get()).checked_sub(minor)?.abs() < Decimal::ONE,
        By::Rate(_) | By::Quantity(_) | By::Days(..) | By::Total(_) => Minor::from_decimal(minor) == Ok(result),
    };
    if !is_right {
        return None;
    }
    let exact = exact.trunc_with_scale(DECIMALS.max(exact.scale().min(10))).normalize();
    let (kind, rounding) = match by {
        By::Rate(_) => (CalculationKind::Rate, Rounding::HalfAwayFromZero),
        By::Quantity(_) => (CalculationKind::Product, Rounding::HalfAwayFromZero),
        By::Weight(..) => (CalculationKind::Split, Rounding::LargestRemainder),
        By::Days(..) => (CalculationKind::Proportion, Rounding::HalfAwayFromZero),
        By::Total(_) => (CalculationKind::Total, Rounding::HalfAwayFromZero),
    };
    let remainder = in_units(result).checked_sub(exact)?.normalize();
    let money = |amount_minor| local::money(language, Money { amount_minor, currency: base.currency });
    let mut params: traces::Params = vec![
        ("base", money(base.amount_minor)),
        ("price", money(base.amount_minor)),
        ("unrounded", local::number(language, exact)),
        ("result", money(result)),
    ];
    let (mut rate, mut quantity, mut weights) = (None, None, None);
    match by {
        By::Rate(ppm) => {
            params.push(("rate", local::percent(language, ppm)));
            rate = Some(ppm.to_fraction());
        }
        By::Quantity(many) => {
            params.push(("quantity", local::number(language, many)));
            quantity = Some(many.normalize().to_string());
        }
        By::Weight(weight, of) => {
            params.push(("weight", local::number(language, Decimal::from(weight))));
            params.push(("weights", local::number(language, Decimal::from(of))));
            weights = Some((weight, of));
        }
        By::Days(days, of) => {
            params.push(("part", days.to_string()));
            params.push(("whole", of.to_string()));
            weights = Some((i64::from(days), i64::from(of)));
        }
        By::Total(_) => {}
    }
    let key = if remainder.is_zero() { format!("{kind}_exact") } else { kind.to_string() };
    Some(Calculation {
        kind,
        base,
        rate,
        quantity,
        weight: weights.map(|(weight, _)| weight),
        weights: weights.map(|(_, of)| of),
        bands: Vec::new(),
        unrounded: exact.to_string(),
        rounding,
        remainder: remainder.to_string(),
        result: Money { amount_minor: result, currency: base.currency },
        text: traces::say(language, "calculation", &key, &params),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_and_every_event_has_words() {
        for account in Account::ALL {
            assert!(traces::has("account", account.name()), "{account}");
        }
        for event in Event::ALL {
            assert!(traces::has("event", event.name()), "{event}");
        }
    }

    #[test]
    fn every_line_of_every_event_has_an_origin() {
        for event in Event::ALL {
            for account in Account::ALL {
                for is_debit in [true, false] {
                    let _some = origin(*event, *account, is_debit);
                }
            }
        }
        assert_eq!(origin(Event::InvoiceIssued, Account::FundsPending, false), Origin::InvoiceNet);
        assert_eq!(origin(Event::InvoiceIssued, Account::FundsPending, true), Origin::LevyPaid);
    }

    #[test]
    fn a_calculation_says_what_rounding_added() {
        let base = Money::eur(Minor::new(123_456));
        let it = calculate(Language::En, base, By::Rate(Ppm(65_000)), Minor::new(8_025)).unwrap();
        assert_eq!((it.unrounded.as_str(), it.remainder.as_str()), ("80.2464", "0.0036"));
        assert_eq!(it.text, "€1,234.56 × 6.5% = 80.2464, rounded half away from zero: €80.25");
        let base = Money::eur(Minor::new(100_000));
        let it = calculate(Language::Fr, base, By::Rate(Ppm(55_000)), Minor::new(5_500)).unwrap();
        assert_eq!(it.text, "1\u{a0}000,00\u{a0}€ × 5,5\u{a0}% = 55,00\u{a0}€");
        let it = calculate(Language::En, base, By::Weight(12_000, 22_600), Minor::new(53_097)).unwrap();
        assert_eq!((it.unrounded.as_str(), it.remainder.as_str()), ("530.9734513274", "-0.0034513274"));
        let price = Money::eur(Minor::new(33));
        let it = calculate(Language::De, price, By::Quantity(Decimal::new(15, 1)), Minor::new(50)).unwrap();
        assert_eq!((it.unrounded.as_str(), it.remainder.as_str()), ("0.495", "0.005"));
    }
}
