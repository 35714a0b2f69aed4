//! How levies are explained: a sixth kind of file, the part of the tree that reads their computations.

use rust_decimal::Decimal;

use super::rules::{self, BandPart, By};
use super::step::Step;
use super::store::LineRow;
use super::tree::{Explainer, Found};
use crate::formats::local;
use crate::kernel::ids::ChargeId;
use crate::kernel::levies::{Basis, MonthEffect, Total};
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::levies::{self, ChargeRow};
use crate::platform::error::Result;

impl Explainer<'_, '_> {
    /// The levy that an entry was made for: the line is it, or a part of it.
    pub(super) fn charged(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let charge = levies::charge(self.tx, ChargeId(line.source_id))?;
        let whole = charge.amount_minor;
        if rules::signed(whole, whole)? == rules::signed(amount, amount)? {
            return Ok(Found {
                parts: vec![self.charge(charge, line.currency, rules::like(amount, whole)?)?],
                ..Found::default()
            });
        }
        let step = self.charge(charge, line.currency, Minor::ZERO)?;
        Ok(Found { rests_on: vec![step], ..Found::default() })
    }

    /// A charge with its computation: the amount by rate, bands or days, then what cap and exemption made of it.
    /// It has the sign of `like`, its own when that is zero.
    pub(super) fn charge(&mut self, charge: ChargeRow, currency: Currency, like: Minor) -> Result<Step> {
        let basis: Basis = serde_json::from_value(charge.basis)?;
        let text = self.say("part", &format!("levy.{}", charge.kind), &[]);
        let mut step = Step::new(rules::signed(charge.amount_minor, like)?, currency, text);
        step.why = Some(self.say("why", "charge", &[]));
        step.rule = Some(self.rule(charge.rule_set_id)?);
        step.href = Some(format!("/v1/levy_charges/{}", charge.id));
        let mut parts = self.computed(&basis, currency)?;
        if let Some(cap) = basis.cap.as_ref().filter(|cap| cap.cut_minor != Minor::ZERO) {
            let money = |amount| local::amount(self.language, amount, currency);
            let params = [("cap", money(cap.cap_minor)), ("charged", money(cap.charged_minor))];
            parts.push(Step::new(cap.cut_minor.negated()?, currency, self.say("part", "capped", &params)));
        }
        if basis.exemption_id.is_some() {
            let rest = charge.amount_minor.minus(Minor::sum(parts.iter().map(|part| part.amount.amount_minor))?)?;
            parts.push(Step::new(rest, currency, self.say("part", "exempt", &[])));
        }
        for part in &mut parts {
            part.amount.amount_minor = rules::signed(part.amount.amount_minor, like)?;
        }
        match parts.as_mut_slice() {
            // One plain rate: the step says it itself.
            [only] if only.parts.is_empty() && only.amount == step.amount => step.calculation = only.calculation.take(),
            _ => step.parts = parts,
        }
        Ok(step)
    }

    /// The parts of a charge before cap and exemption.
    fn computed(&mut self, basis: &Basis, currency: Currency) -> Result<Vec<Step>> {
        if let Some(month) = &basis.month {
            return self.month(month, basis, currency);
        }
        if let Some(after) = &basis.after {
            let mut parts = vec![self.total(after, basis, currency, "total_after")];
            if let Some(before) = basis.before.as_ref().filter(|before| before.rounded_minor != Minor::ZERO) {
                let mut part = self.total(before, basis, currency, "total_before");
                part.amount.amount_minor = part.amount.amount_minor.negated()?;
                parts.push(part);
            }
            return Ok(parts);
        }
        let key = if basis.reverses_id.is_some() { "taken_back" } else { "by_rate" };
        let mut part = Step::new(basis.rounded_minor, currency, self.say("part", key, &[]));
        if let [piece] = basis.pieces.as_slice()
            && let Some(rate) = ppm(&piece.rate)
        {
            let base = Money { amount_minor: piece.base_minor, currency };
            part.calculation = rules::calculate(self.language, base, By::Rate(rate), basis.rounded_minor);
        }
        Ok(vec![part])
    }

    /// What a running base comes to, rounded once.
    fn total(&self, total: &Total, basis: &Basis, currency: Currency, key: &str) -> Step {
        let base = Money { amount_minor: total.base_minor, currency };
        let params = [("base", self.money(total.base_minor, currency))];
        let mut part = Step::new(total.rounded_minor, currency, self.say("part", key, &params));
        let exact = total.exact_minor.parse::<Decimal>().ok();
        part.calculation = exact
            .and_then(|exact| rules::calculate(self.language, base, By::Total(exact), total.rounded_minor))
            .map(|mut calculation| {
                if key == "total_after" {
                    let band = |piece: &crate::kernel::levies::Piece| BandPart {
                        base: Money { amount_minor: piece.base_minor, currency },
                        rate: piece.rate.clone(),
                    };
                    calculation.bands = basis.pieces.iter().map(band).collect();
                }
                calculation
            });
        part
    }

    /// An amount of the month: by days, less what was charged already for a top-up.
    fn month(&mut self, month: &MonthEffect, basis: &Basis, currency: Currency) -> Result<Vec<Step>> {
        let params = [("month", month.month.clone())];
        let text = self.say("part", &format!("month_{}", month.part), &params);
        let mut due = Step::new(month.due_minor, currency, text);
        let whole = Money { amount_minor: month.whole_minor, currency };
        due.calculation = rules::calculate(self.language, whole, By::Days(month.days, month.of_days), month.due_minor);
        let rest = basis.rounded_minor.minus(month.due_minor)?;
        let mut parts = vec![due];
        if rest != Minor::ZERO {
            parts.push(Step::new(rest, currency, self.say("part", "charged_in_month", &params)));
        }
        Ok(parts)
    }
}

/// A decimal fraction as parts per million.
fn ppm(rate: &str) -> Option<Ppm> {
    let millionths = rate.parse::<Decimal>().ok()?.checked_mul(Decimal::from(Ppm::WHOLE))?;
    Minor::from_decimal(millionths).ok().map(|whole| Ppm(whole.get()))
}
