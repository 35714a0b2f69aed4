//! What a cost must be, and what may happen to it.

use super::{CostRow, NewCost, NewCostCredit};
use crate::kernel::money::{Currency, Minor, Money, MoneyError, split};
use crate::kernel::refusal::{Checks, Refusal};
use crate::named;

/// A cost beyond this, in minor units, is a slip of the finger.
const AMOUNT_MAX: i64 = 99_999_999_999;

named! {
    /// Where a cost stands. Whether its supplier was paid is another question.
    CostState {
        /// Handed in.
        Submitted = "submitted",
        /// Somebody else stands for it: it is in the books.
        Approved = "approved",
        /// Not accepted.
        Rejected = "rejected",
    }
}

/// What may be done with a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CostCommand {
    /// A reviewer says yes.
    Approve,
    /// A reviewer says no.
    Reject,
}

pub(super) fn may(state: CostState, command: CostCommand) -> Result<(), Refusal> {
    use CostState::Submitted;
    let (name, allowed): (_, &[CostState]) = match command {
        CostCommand::Approve => ("approve", &[Submitted]),
        CostCommand::Reject => ("reject", &[Submitted]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// What a cost comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    /// Owed to the supplier.
    pub gross: Minor,
    /// Without the VAT that the state gives back.
    pub charged: Minor,
}

/// Notes everything that is wrong with the texts and amounts of a cost, but for its currency.
pub(super) fn check(new: &NewCost, checks: &mut Checks) -> Totals {
    checks.text(&new.supplier, "/supplier", 1, 140);
    checks.text(&new.reference, "/reference", 1, 140);
    checks.text(&new.description, "/description", 1, 2000);
    if new.activity.is_some() == new.pool.is_some() {
        checks.refuse("/pool_id", if new.pool.is_some() { "not_allowed" } else { "required" });
    }
    checks.require(new.activity.is_some() || !new.in_fee_base, "/in_fee_base", "not_allowed");
    let within = |amount: Minor, least: i64| (least..=AMOUNT_MAX).contains(&amount.get());
    let (net, vat, back) = (new.net.amount_minor, new.vat.amount_minor, new.recoverable_vat.amount_minor);
    checks.require(within(net, 1), "/net/amount_minor", "out_of_range");
    checks.require(within(vat, 0), "/vat/amount_minor", "out_of_range");
    checks.require(within(back, 0) && back <= vat, "/recoverable_vat/amount_minor", "out_of_range");
    let gross = net.plus(vat).unwrap_or_default();
    Totals { gross, charged: gross.minus(back).unwrap_or_default() }
}

/// Whether all amounts of a cost are in the currency of what bears it.
pub(super) fn check_currency(new: &NewCost, currency: Currency, checks: &mut Checks) {
    for (amount, pointer) in
        [(new.net, "/net/currency"), (new.vat, "/vat/currency"), (new.recoverable_vat, "/recoverable_vat/currency")]
    {
        checks.require(amount.currency == currency, pointer, "currency_mismatch");
    }
}

/// What a credit takes off a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credited {
    pub net: Minor,
    pub vat: Minor,
    pub recoverable: Minor,
}

/// Notes everything that is wrong with a credit of a cost, but for its date; answers what it takes off.
///
/// The VAT that the state had given back follows the VAT in proportion; the last of the VAT takes all that is left.
pub(super) fn check_credit(new: &NewCostCredit, cost: &CostRow, checks: &mut Checks) -> Result<Credited, MoneyError> {
    checks.text(&new.reference, "/reference", 1, 140);
    checks.text(&new.reason, "/reason", 1, 2000);
    checks.require(new.net.currency == cost.currency, "/net/currency", "currency_mismatch");
    checks.require(new.vat.currency == cost.currency, "/vat/currency", "currency_mismatch");
    let (net, vat) = (new.net.amount_minor, new.vat.amount_minor);
    let net_left = cost.net_minor.minus(cost.credited_net_minor)?;
    let vat_left = cost.vat_minor.minus(cost.credited_vat_minor)?;
    let back_left = cost.recoverable_vat_minor.minus(cost.credited_recoverable_minor)?;
    checks.require(net > Minor::ZERO && net <= net_left, "/net/amount_minor", "out_of_range");
    // With the last of the net amount goes the last of the VAT: nothing is owed on nothing.
    let vat_fits = vat >= Minor::ZERO && vat <= vat_left && (net < net_left || vat == vat_left);
    checks.require(vat_fits, "/vat/amount_minor", "out_of_range");
    if !vat_fits || vat == vat_left {
        return Ok(Credited { net, vat, recoverable: back_left });
    }
    let weights = [vat.get().unsigned_abs(), vat_left.minus(vat)?.get().unsigned_abs()];
    let recoverable = split(back_left, &weights)?.first().copied().unwrap_or_default();
    Ok(Credited { net, vat, recoverable })
}

/// Whether an activity may bear a cost: only out of money that clients paid, never out of what was advanced.
///
/// # Errors
/// 409 `expenses_need_received_money`.
pub(super) fn check_received(available: Minor, advanced: Minor, charged: Minor) -> Result<(), Refusal> {
    let received = available.minus(advanced).unwrap_or_default();
    if charged <= received {
        return Ok(());
    }
    Err(Refusal::state("expenses_need_received_money").with("received_minor", received.get()))
}

/// Whether a bank line is exactly what is owed to a supplier.
///
/// # Errors
/// 409 `cost_amount_mismatch`.
pub(super) fn check_payment(owed: Money, line: Money) -> Result<(), Refusal> {
    let is_it = line.currency == owed.currency && line.amount_minor.negated() == Ok(owed.amount_minor);
    if is_it {
        return Ok(());
    }
    Err(Refusal::state("cost_amount_mismatch").with("owed_minor", owed.amount_minor.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activity_bears_costs_out_of_what_clients_paid() {
        let check = |available, advanced, charged| {
            check_received(Minor::new(available), Minor::new(advanced), Minor::new(charged)).is_ok()
        };
        assert!(check(20_000, 0, 20_000));
        assert!(!check(20_000, 1, 20_000), "a cent of it was advanced");
        assert!(!check(0, 92_500, 1), "the advance was paid out already");
    }

    #[test]
    fn a_payment_is_exactly_what_is_owed_and_goes_out() {
        let eur = |amount| Money::eur(Minor::new(amount));
        assert!(check_payment(eur(23_800), eur(-23_800)).is_ok());
        assert!(check_payment(eur(23_800), eur(23_800)).is_err());
        assert!(check_payment(eur(23_800), eur(-23_799)).is_err());
    }
}
