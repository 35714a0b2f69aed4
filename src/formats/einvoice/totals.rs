//! The one place where an invoice is added up. The lines are rounded to the cent, half away from zero and once; the tax
//! is computed once per category and rate on the sum of the rounded lines; everything else is exact (BR-CO-10 to
//! BR-CO-17).
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;

use super::model::{Facts, Line, LineAdjustment, Share, Vat};
use crate::kernel::money::{Minor, MoneyError, Ppm, divide_half_away};

/// What a document comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// BT-131 of each line, in order.
    pub lines: Vec<Minor>,
    /// BG-23: one row per category and rate, sorted by both.
    pub vat: Vec<VatRow>,
    /// BT-106: the sum of the lines.
    pub line_total: Minor,
    /// BT-107: the sum of the allowances on the document.
    pub allowance_total: Minor,
    /// BT-108: the sum of the charges on the document.
    pub charge_total: Minor,
    /// BT-109: without VAT.
    pub net: Minor,
    /// BT-110: VAT.
    pub tax: Minor,
    /// BT-112: with VAT.
    pub gross: Minor,
    /// BT-115: what is still to pay.
    pub payable: Minor,
}

/// One category and rate of the breakdown (BG-23).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VatRow {
    /// BT-118 and BT-119.
    pub vat: Vat,
    /// BT-116: the taxable amount.
    pub base: Minor,
    /// BT-117: the tax.
    pub tax: Minor,
    /// BT-120: why no tax is due, in words.
    pub reason: Option<String>,
    /// BT-121: why no tax is due, as a code.
    pub code: Option<String>,
}

/// Adds a document up.
///
/// # Errors
/// Refuses amounts out of range, and a price per nothing.
pub fn totals(facts: &Facts) -> Result<Totals, MoneyError> {
    let exponent = facts.currency.exponent();
    let mut bases: BTreeMap<Vat, Minor> = BTreeMap::new();
    let mut add = |vat: Vat, amount: Minor| -> Result<(), MoneyError> {
        let base = bases.entry(vat).or_default();
        *base = base.plus(amount)?;
        Ok(())
    };
    let mut lines = Vec::with_capacity(facts.lines.len());
    for line in &facts.lines {
        let net = line_net(line, exponent)?;
        add(line.vat, net)?;
        lines.push(net);
    }
    for allowance in &facts.allowances {
        add(allowance.vat, allowance.amount.negated()?)?;
    }
    for charge in &facts.charges {
        add(charge.vat, charge.amount)?;
    }
    let mut vat = Vec::with_capacity(bases.len());
    for (of, base) in bases {
        let terms = facts.vat.iter().find(|terms| terms.vat == of);
        let tax = match terms.and_then(|terms| terms.tax) {
            Some(tax) => tax,
            None => base.share(of.rate)?,
        };
        let (reason, code) = terms.map_or((None, None), |terms| (terms.reason.clone(), terms.code.clone()));
        vat.push(VatRow { vat: of, base, tax, reason, code });
    }
    let line_total = Minor::sum(lines.iter().copied())?;
    let allowance_total = Minor::sum(facts.allowances.iter().map(|allowance| allowance.amount))?;
    let charge_total = Minor::sum(facts.charges.iter().map(|charge| charge.amount))?;
    let net = line_total.minus(allowance_total)?.plus(charge_total)?;
    let tax = Minor::sum(vat.iter().map(|row| row.tax))?;
    let gross = net.plus(tax)?;
    let payable = gross.minus(facts.paid)?.plus(facts.rounding)?;
    if [line_total, net, tax, gross, payable].iter().any(|sum| sum.get().unsigned_abs() > Minor::LIMIT.unsigned_abs()) {
        return Err(MoneyError::Overflow);
    }
    Ok(Totals { lines, vat, line_total, allowance_total, charge_total, net, tax, gross, payable })
}

/// BT-131: quantity x price / price base, rounded once, minus the allowances and plus the charges of the line.
///
/// # Errors
/// Refuses a result out of range, and a price per nothing.
pub fn line_net(line: &Line, exponent: u32) -> Result<Minor, MoneyError> {
    let sum = |of: &[LineAdjustment]| Minor::sum(of.iter().map(|adjustment| adjustment.amount));
    let base = line.price.base_quantity.unwrap_or(Decimal::ONE);
    let product = product(line.quantity, line.price.net, base, exponent).ok_or(MoneyError::Overflow)?;
    product.minus(sum(&line.allowances)?)?.plus(sum(&line.charges)?)
}

/// `quantity x price / base` in minor units, rounded at the end.
fn product(quantity: Decimal, price: Decimal, base: Decimal, exponent: u32) -> Option<Minor> {
    let (numerator, divisor) = fraction(quantity, price, base, exponent)?;
    let minor = divide_half_away(numerator, divisor)?;
    i64::try_from(minor).ok().map(Minor::new)
}

/// `quantity x price / base` in minor units of `exponent` decimals, as a fraction of whole numbers.
fn fraction(quantity: Decimal, price: Decimal, base: Decimal, exponent: u32) -> Option<(i128, i128)> {
    let (quantity, price, base) = (quantity.normalize(), price.normalize(), base.normalize());
    let product = quantity.mantissa().checked_mul(price.mantissa())?;
    let above = base.scale().checked_add(exponent)?;
    let below = quantity.scale().checked_add(price.scale())?;
    let numerator = product.checked_mul(10_i128.checked_pow(above.saturating_sub(below))?)?;
    let divisor = base.mantissa().checked_mul(10_i128.checked_pow(below.saturating_sub(above))?)?;
    Some((numerator, divisor))
}

/// Whether rounding moved the line by at most two hundredths of a unit of the currency. Where the currency has cents it
/// always is so; a whole yen may be too far.
pub(super) fn is_rounded_finely(line: &Line, exponent: u32) -> bool {
    let base = line.price.base_quantity.unwrap_or(Decimal::ONE);
    let is_fine = || {
        let (numerator, divisor) = fraction(line.quantity, line.price.net, base, exponent)?;
        let rounded = divide_half_away(numerator, divisor)?.checked_mul(divisor)?;
        let moved = numerator.checked_sub(rounded)?.checked_abs()?;
        Some(moved.checked_mul(100)? <= divisor.checked_mul(2)?.checked_mul(10_i128.checked_pow(exponent)?)?)
    };
    is_fine() == Some(true)
}

/// How far an amount lies from its share, in millionths of a minor unit.
pub(super) fn share_error(amount: Minor, share: Share) -> Option<i128> {
    let exact = i128::from(share.base.get()).checked_mul(i128::from(share.rate.0))?;
    exact.checked_sub(i128::from(amount.get()).checked_mul(i128::from(Ppm::WHOLE))?)?.checked_abs()
}

/// Drops the terms that say nothing about this document, so that equal documents are equal: a category that is not used,
/// a tax that is the product anyway. Sorts the rest as the breakdown is.
pub(super) fn settle(facts: &mut Facts, totals: &Totals) {
    facts.vat.retain_mut(|terms| {
        let row = totals.vat.iter().find(|row| row.vat == terms.vat);
        terms.tax.take_if(|tax| row.is_some_and(|row| row.base.share(row.vat.rate) == Ok(*tax)));
        row.is_some() && (terms.reason.is_some() || terms.code.is_some() || terms.tax.is_some())
    });
    facts.vat.sort_by_key(|terms| terms.vat);
}
