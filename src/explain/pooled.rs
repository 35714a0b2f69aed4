//! How shared costs, shares and surpluses are explained: a sixth kind of file, the part of the tree that reads how
//! they were divided.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::rules::{self, By};
use super::step::Step;
use super::store::{self, LineRow};
use super::tree::{Explainer, Found};
use crate::costs;
use crate::kernel::ids::{AppropriationId, CostCreditId, CostId, PoolRunId, RedemptionId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::ledger::Account;
use crate::platform::error::Result;
use crate::{pools, shares, surplus};

impl Explainer<'_, '_> {
    fn part(&self, key: &str, amount: Minor, currency: Currency) -> Step {
        Step::new(amount, currency, self.say("part", key, &[]))
    }

    /// What a supplier charged: without VAT, the VAT, and what of it the state gives back.
    pub(super) fn cost(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        if matches!(line.account, Account::VatInput | Account::BankSuspense) {
            return Ok(Found::default());
        }
        let cost = costs::find(self.tx, CostId(line.source_id))?;
        let mut parts = vec![self.part("cost_net", cost.net_minor, cost.currency)];
        parts.push(self.part("cost_vat", cost.vat_minor, cost.currency));
        if line.account != Account::SupplierPayable {
            parts.push(self.part("cost_vat_back", cost.recoverable_vat_minor.negated()?, cost.currency));
        }
        parts.retain(|part| part.amount.amount_minor != Minor::ZERO);
        sign(&mut parts, amount)?;
        Ok(Found { parts, ..Found::default() })
    }

    /// What a supplier took back of a cost, in the same parts.
    pub(super) fn cost_credit(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        if matches!(line.account, Account::VatInput | Account::BankSuspense) {
            return Ok(Found::default());
        }
        let credit = costs::find_credit(self.tx, CostCreditId(line.source_id))?;
        let mut parts = vec![self.part("cost_net", credit.net_minor, credit.currency)];
        parts.push(self.part("cost_vat", credit.vat_minor, credit.currency));
        if line.account != Account::SupplierPayable {
            parts.push(self.part("cost_vat_back", credit.recoverable_vat_minor.negated()?, credit.currency));
        }
        parts.retain(|part| part.amount.amount_minor != Minor::ZERO);
        sign(&mut parts, amount)?;
        Ok(Found { parts, ..Found::default() })
    }

    /// A part of a shared cost: by each part of the key, the amount divided, the weight, and the sum of all weights.
    pub(super) fn pool_part(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let id = PoolRunId(line.source_id);
        let (splits, _) = pools::splits_and_costs(self.tx, &[id])?;
        let Some(activity) = line.activity_id else {
            let mut parts: Vec<Step> =
                splits.iter().map(|split| self.part("pool_split", split.amount_minor, line.currency)).collect();
            let whole = Minor::sum(parts.iter().map(|part| part.amount.amount_minor))?;
            sign(&mut parts, rules::like(amount, whole)?)?;
            return Ok(Found { parts, ..Found::default() });
        };
        let before = activity.0.as_u128().checked_sub(1).map(Uuid::from_u128);
        let mine = pools::parts(self.tx, id, before, 1)?;
        let mine = mine.into_iter().find(|(of, _)| *of == activity).map(|(_, parts)| parts).unwrap_or_default();
        let whole = Minor::sum(mine.iter().map(|part| part.amount_minor))?;
        let mut parts = Vec::with_capacity(mine.len());
        for part in mine {
            let Some(split) = splits.iter().find(|split| split.n == part.n) else { continue };
            let base = Money { amount_minor: split.amount_minor, currency: line.currency };
            let by = By::Weight(part.weight, split.weight_sum);
            let mut step = self.part("pool_part", part.amount_minor, line.currency);
            step.calculation = rules::calculate(self.language, base, by, part.amount_minor);
            step.href = Some(format!("/v1/pool_runs/{id}"));
            parts.push(step);
        }
        self.whole_or_rest(line, amount, whole, parts, "pool_part")
    }

    /// Parts that sum to `whole`: those of the line when it is all of it, else what the line rests on.
    fn whole_or_rest(
        &self,
        line: &LineRow,
        amount: Minor,
        whole: Minor,
        mut parts: Vec<Step>,
        key: &str,
    ) -> Result<Found> {
        if rules::signed(whole, whole)? == rules::signed(amount, amount)? {
            sign(&mut parts, rules::like(amount, whole)?)?;
            return Ok(Found { parts, ..Found::default() });
        }
        let mut step = self.part(key, whole, line.currency);
        step.parts = parts;
        Ok(Found { rests_on: vec![step], ..Found::default() })
    }

    /// The lines of the entry that is taken back, of the same activity.
    pub(super) fn reversed(&mut self, line: &LineRow) -> Result<Found> {
        let Some(entry) = line.reverses_id else { return Ok(Found::default()) };
        let lines = store::list_entry(self.tx, entry)?;
        let mut rests_on = Vec::new();
        for taken in lines.iter().filter(|taken| taken.activity_id == line.activity_id) {
            rests_on.push(self.line(taken, Some("reversed"))?);
        }
        Ok(Found { rests_on, ..Found::default() })
    }

    /// Shares given back: what was paid for them, less the loss behind them, is owed.
    pub(super) fn redemption(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let it = shares::redemption(self.tx, RedemptionId(line.source_id))?;
        let quantity = Decimal::from(it.quantity);
        let paid = it.nominal_minor.times(quantity)?;
        let value = it.amount_minor.unwrap_or(paid);
        let mut nominal =
            Step::new(paid, line.currency, self.say("part", "shares", &[("quantity", it.quantity.to_string())]));
        let price = Money { amount_minor: it.nominal_minor, currency: line.currency };
        nominal.calculation = rules::calculate(self.language, price, By::Quantity(quantity), paid);
        nominal.href = Some(format!("/v1/shares/{}", it.share_id));
        let less = if line.account == Account::RedemptionPayable {
            self.part("share_loss", value.minus(paid)?, line.currency)
        } else if line.account == Account::RetainedSurplus {
            self.part("share_value", value.negated()?, line.currency)
        } else {
            self.part("share_loss", Minor::ZERO, line.currency)
        };
        let mut parts = vec![nominal, less];
        parts.retain(|part| part.amount.amount_minor != Minor::ZERO);
        sign(&mut parts, amount)?;
        Ok(Found { parts, ..Found::default() })
    }

    /// What was owed for shares that were given back.
    pub(super) fn redeemed(&mut self, line: &LineRow) -> Result<Found> {
        let owed = store::list_of_source(self.tx, &line.source_kind, line.source_id, Account::RedemptionPayable)?;
        let first = owed.first().filter(|owed| owed.entry_id < line.entry_id);
        let rests_on = first.map(|owed| self.line(owed, Some("redeemed"))).transpose()?;
        Ok(Found { rests_on: rests_on.into_iter().collect(), ..Found::default() })
    }

    /// A part of a surplus: by each step of the decision, the amount divided, the weight, and the sum of all weights.
    pub(super) fn surplus_part(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let Some(activity) = line.activity_id else { return Ok(Found::default()) };
        let it = surplus::appropriation(self.tx, AppropriationId(line.source_id))?;
        let of = |part: &&surplus::PartRow| -> bool { part.activity_id == activity };
        let mine: Vec<_> = it.parts.iter().filter(of).cloned().collect();
        let whole = Minor::sum(mine.iter().map(|part| part.amount_minor))?;
        let mut parts = Vec::with_capacity(mine.len());
        for part in mine {
            let Some(step) = it.steps.iter().find(|step| step.n == part.n) else { continue };
            let base = Money { amount_minor: step.amount_minor, currency: line.currency };
            let by = By::Weight(part.weight, step.weight_sum);
            let mut shown = self.part("surplus_part", part.amount_minor, line.currency);
            shown.calculation = rules::calculate(self.language, base, by, part.amount_minor);
            shown.href = Some(format!("/v1/appropriations/{}", it.row.id));
            parts.push(shown);
        }
        self.whole_or_rest(line, amount, whole, parts, "surplus_part")
    }
}

/// Gives parts the sign of the whole that they stand in.
pub(super) fn sign(parts: &mut [Step], like: Minor) -> Result<()> {
    for part in parts {
        part.amount.amount_minor = rules::signed(part.amount.amount_minor, like)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_take_the_sign_of_their_whole() {
        let step = |amount| Step::new(Minor::new(amount), Currency::EUR, String::new());
        let mut parts = vec![step(121), step(-21)];
        sign(&mut parts, Minor::new(-1)).unwrap();
        let amounts: Vec<i64> = parts.iter().map(|part| part.amount.amount_minor.get()).collect();
        assert_eq!(amounts, [-121, 21]);
    }
}
