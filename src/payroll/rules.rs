//! What may be asked of payroll, and how a computation reads step by step.

pub mod true_ups;

use chrono::{Datelike, NaiveDate};

use super::{Beside, Wish};
use crate::formats::payslip::{Sign, Step};
use crate::kernel::levies::{Charge, LevyKind};
use crate::kernel::money::{Currency, Minor, Money, MoneyError, Ppm, to_plain};
use crate::kernel::refusal::Checks;
use crate::kernel::schemes::{Line, Pay, PayError, Payer, Slice};
use crate::ledger::events;
use crate::platform::error::{Error, Result};

/// The highest withholding rate of a person, in parts per million.
pub(super) const RATE_MAX: i64 = 750_000;
/// The largest amount that is tried, in minor units.
const AMOUNT_MAX: i64 = 99_999_999_999;

pub(super) fn check_code(code: &str, pointer: &str, checks: &mut Checks) {
    let fits = (1..=40).contains(&code.len())
        && code.starts_with(|c: char| c.is_ascii_lowercase())
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    checks.require(fits, pointer, "format");
}

pub(super) fn check_day(valid_from: NaiveDate, today: NaiveDate, checks: &mut Checks) {
    checks.require(valid_from >= today && valid_from.year() <= 2200, "/valid_from", "out_of_range");
}

/// What is paid beside a wage, as it was asked for.
pub(super) fn check_beside(beside: Beside, checks: &mut Checks) {
    for (amount, pointer) in [(beside.beside, "/beside_wage"), (beside.rights, "/copyright")] {
        checks.require((0..=AMOUNT_MAX).contains(&amount.get()), &format!("{pointer}/amount_minor"), "out_of_range");
    }
}

pub(super) fn check_wish(wish: Wish, on: NaiveDate, currency: Currency, beside: Beside) -> Result<()> {
    let mut checks = Checks::default();
    checks.require((2000..=2200).contains(&on.year()), "/on", "out_of_range");
    let mut amount = |money: Money, pointer: &str| {
        checks.require(money.currency == currency, &format!("{pointer}/currency"), "currency_mismatch");
        let is_within = (1..=AMOUNT_MAX).contains(&money.amount_minor.get());
        checks.require(is_within, &format!("{pointer}/amount_minor"), "out_of_range");
    };
    match wish {
        Wish::Invoice(money) => amount(money, "/invoice_amount"),
        Wish::Net(money) => amount(money, "/wished_net"),
        Wish::Order(_) => (),
    }
    check_beside(beside, &mut checks);
    Ok(checks.done()?)
}

/// The answer to somebody whose amounts make no pay.
pub(super) fn refuse(error: PayError) -> Error {
    match error {
        PayError::Money(error) => error.into(),
        PayError::NotCovered => Error::value("pay_not_covered"),
        PayError::NoRights => Error::field("/copyright", "not_allowed"),
        PayError::RightsShare(most) | PayError::RightsCeiling(most) => {
            Error::value("copyright_limit_exceeded").with("most", format!("{} EUR", to_plain(most, 2)))
        }
        PayError::Unreachable => Error::value("gross_up_impossible"),
    }
}

/// How a slip is booked.
///
/// # Errors
/// Refuses amounts out of range.
pub fn wage(pay: &Pay) -> Result<events::Wage, MoneyError> {
    Ok(events::Wage {
        budget: pay.budget,
        margin: pay.margin,
        gross: pay.gross,
        beside: pay.beside.plus(pay.rights_amount())?,
        employer: pay.employer.plus(pay.levy)?,
        social_security: pay.employer.plus(pay.employee)?,
        withheld: pay.withheld()?.plus(pay.levy)?,
        net: pay.net,
        residual: pay.residual,
    })
}

/// What stands before the budget of a computation.
#[derive(Debug, Clone)]
pub struct Basis {
    /// VAT that the client pays on top.
    pub tax: Option<Minor>,
    /// The net amount of what was invoiced.
    pub net: Minor,
    /// What the mutual kept of it.
    pub kept: Vec<Kept>,
}

/// A levy, or the sum of several of one kind.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What it is for.
    pub kind: LevyKind,
    /// What it was computed on.
    pub base: Minor,
    /// The rate; none for bands and sums.
    pub rate: Option<Ppm>,
    /// What it came to.
    pub amount: Minor,
}

impl From<&Charge> for Kept {
    fn from(charge: &Charge) -> Self {
        Self { kind: charge.kind, base: charge.base, rate: charge.rate, amount: charge.amount }
    }
}

fn step(code: &str, sign: Sign, amount: Minor) -> Step {
    Step { code: code.to_owned(), payer: None, base: None, rates: Vec::new(), sign, amount }
}

fn of_line(line: &Line) -> Step {
    Step {
        code: line.code.clone(),
        payer: Some(line.payer),
        base: Some(line.base_minor),
        rates: line.slices.clone(),
        sign: Sign::Less,
        amount: line.amount_minor,
    }
}

/// The steps from what the client pays to what is left of it.
pub(super) fn before_budget(basis: &Basis) -> Result<Vec<Step>, MoneyError> {
    let mut steps = Vec::new();
    if let Some(tax) = basis.tax {
        steps.push(step("client_pays", Sign::Sum, basis.net.plus(tax)?));
        steps.push(step("vat", Sign::Less, tax));
    }
    steps.push(step("invoice_net", Sign::Sum, basis.net));
    for kept in &basis.kept {
        let rates = kept.rate.map(|rate_ppm| Slice { amount_minor: kept.base, rate_ppm });
        let rates = rates.into_iter().collect();
        steps.push(Step { base: Some(kept.base), rates, ..step(kept.kind.name(), Sign::Less, kept.amount) });
    }
    Ok(steps)
}

/// What the activity held before, or put elsewhere: the rest of the way to the budget.
pub(super) fn carried(rest: Minor) -> Option<Step> {
    (rest != Minor::ZERO).then(|| step("carried", Sign::More, rest))
}

/// What the payout took of an earlier difference.
pub(super) fn true_up(amount: Minor) -> Step {
    step("true_up", Sign::Less, amount)
}

/// Every step, from what the client pays to what is paid out.
///
/// # Errors
/// Refuses amounts out of range.
pub fn steps(basis: &Basis, pay: &Pay) -> Result<Vec<Step>, MoneyError> {
    let mut steps = before_budget(basis)?;
    steps.extend(pay_steps(pay));
    Ok(steps)
}

/// The steps from a budget to what is paid out, in the order in which they are computed.
#[must_use]
pub fn pay_steps(pay: &Pay) -> Vec<Step> {
    let mut steps = vec![step("budget", Sign::Sum, pay.budget)];
    let lines = |payer: Payer| pay.lines.iter().filter(move |line| line.payer == payer).map(of_line);
    steps.extend(lines(Payer::Margin).chain(lines(Payer::Levy)));
    let mut given = |code: &str, sign: Sign, amount: Minor| {
        if amount != Minor::ZERO {
            steps.push(step(code, sign, amount));
        }
    };
    given("beside_wage", Sign::Less, pay.beside);
    given("copyright", Sign::Less, pay.rights_amount());
    given("residual", Sign::Less, pay.residual);
    steps.extend(lines(Payer::Employer));
    if !pay.lines.is_empty() {
        steps.push(step("gross", Sign::Sum, pay.gross));
    }
    steps.extend(lines(Payer::Employee).chain(lines(Payer::Withholding)));
    let mut given = |code: &str, sign: Sign, amount: Minor| {
        if amount != Minor::ZERO {
            steps.push(step(code, sign, amount));
        }
    };
    given("beside_wage", Sign::More, pay.beside);
    given("copyright", Sign::More, pay.rights_amount());
    if let Some(rights) = &pay.rights {
        let rates = vec![Slice { amount_minor: rights.taxable_minor, rate_ppm: rights.rate_ppm }];
        steps.push(Step {
            base: Some(rights.taxable_minor),
            rates,
            ..step("copyright_withholding", Sign::Less, rights.withholding_minor)
        });
    }
    steps.push(step("net", Sign::Sum, pay.net));
    steps
}
