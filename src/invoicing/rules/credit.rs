//! What a credit note gives back: lines, VAT and levies out of what is left of an invoice, and from where the
//! member's share of it comes.
//!
//! Nothing is computed anew that was booked. A levy gives back its share of the booked amount; whatever credits the
//! last of a base takes the residual, so that an invoice that is credited in full nets to exactly nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::InvoiceState;
use crate::kernel::ids::{ActivityId, ChargeId, PersonId, RuleSetId};
use crate::kernel::levies::{Basis, Charge, LevyBase, LevyKind};
use crate::kernel::lines::LineKind;
use crate::kernel::money::{Minor, MoneyError, Ppm, split};
use crate::kernel::refusal::{Checks, Refusal};
use crate::kernel::vat::VatCase;
use crate::levies::{ChargeRow, ChargeSource};

/// The most lines that a credit note names, as on an invoice.
const LINES_MAX: usize = 1000;
/// The longest reason, in characters.
const REASON_MAX: usize = 500;

/// What somebody wants to give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All that is left.
    Full,
    /// Of these lines of the invoice these net amounts.
    Lines(Vec<(i32, Minor)>),
}

/// A line of the invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestLine {
    /// Its place on the invoice.
    pub n: i32,
    /// What it is: a discount on all lines has a net amount below zero.
    pub kind: LineKind,
    /// How VAT applies.
    pub case: VatCase,
    /// Its net amount that no credit note has given back.
    pub net: Minor,
}

/// VAT of one case and rate, as far as no credit note has given it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestTax {
    /// How VAT applies.
    pub case: VatCase,
    /// EN 16931 category.
    pub category: String,
    /// The rate of the invoice.
    pub rate: Ppm,
    /// The base.
    pub base: Minor,
    /// The tax.
    pub tax: Minor,
}

/// A levy as it was booked, as far as no credit note has given it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestLevy {
    /// What it is for.
    pub kind: LevyKind,
    /// The charge that is given back, the first of them when there were several payments.
    pub charge: ChargeId,
    /// What kind of base it has.
    pub of: LevyBase,
    /// By which rules it was booked.
    pub rule_set: RuleSetId,
    /// At which rate, when there was one.
    pub rate: Option<Ppm>,
    /// The base.
    pub base: Minor,
    /// The amount.
    pub amount: Minor,
    /// The amount without the cap of a year, where there is one.
    pub uncapped: Option<Minor>,
}

/// What is left of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// Every line, those without a rest too.
    pub lines: Vec<RestLine>,
    /// VAT by case and rate.
    pub taxes: Vec<RestTax>,
    /// What the mutual still keeps of it.
    pub levies: Vec<RestLevy>,
}

/// What a credit note gives back: every amount is positive and no more than the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credited {
    /// Lines of the invoice and the net amount of each.
    pub lines: Vec<(i32, Minor)>,
    /// VAT by case and rate.
    pub taxes: Vec<RestTax>,
    /// What the mutual gives back.
    pub levies: Vec<RestLevy>,
    /// Without VAT.
    pub net: Minor,
    /// VAT.
    pub tax: Minor,
    /// With VAT.
    pub gross: Minor,
    /// What the activity gives back: net less the levies.
    pub share: Minor,
}

/// Whether an invoice can be credited at all, and the reason said. What was given up is recovered or lost: a credit note
/// would owe the client what they never paid.
pub(in crate::invoicing) fn may_credit(state: InvoiceState, written_off: Minor, reason: &str) -> Result<(), Refusal> {
    if state != InvoiceState::Issued {
        return Err(Refusal::state("state_conflict").with("state", state).with("command", "credit"));
    }
    if written_off > Minor::ZERO {
        return Err(Refusal::state("invoice_written_off"));
    }
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, REASON_MAX);
    checks.done()
}

/// Notes everything that is wrong with the lines of a credit note; answers the net amounts by line.
fn check_lines(rest: &Rest, wanted: &[(i32, Minor)]) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    checks.require(!wanted.is_empty(), "/lines", "required");
    checks.require(wanted.len() <= LINES_MAX, "/lines", "too_long");
    let mut seen = BTreeSet::new();
    for (index, (n, net)) in wanted.iter().enumerate().take(LINES_MAX) {
        // A discount is given back with what it is on.
        let named = rest.lines.iter().find(|line| line.n == *n && line.kind != LineKind::Discount);
        let Some(line) = named else {
            checks.refuse(format!("/lines/{index}/n"), "invalid");
            continue;
        };
        checks.require(seen.insert(*n), &format!("/lines/{index}/n"), "not_unique");
        let fits = *net > Minor::ZERO && *net <= line.net;
        checks.require(fits, &format!("/lines/{index}/net"), "out_of_range");
    }
    checks.done()
}

/// What is left of the levies on an invoice, out of everything that was charged about it and given back since.
///
/// # Errors
/// Refuses amounts out of range.
pub(in crate::invoicing) fn levies_left(charges: &[ChargeRow]) -> Result<Vec<RestLevy>, MoneyError> {
    let mut left: BTreeMap<LevyKind, RestLevy> = BTreeMap::new();
    let booked = charges.iter().filter(|row| row.source_kind != ChargeSource::CreditNote);
    let given = charges.iter().filter(|row| row.source_kind == ChargeSource::CreditNote);
    for row in booked.chain(given) {
        let base = row.basis.get("base").and_then(|base| base.as_str()).and_then(|base| base.parse().ok());
        let levy = left.entry(row.kind).or_insert(RestLevy {
            kind: row.kind,
            charge: row.id,
            of: base.unwrap_or(LevyBase::InvoicedNet),
            rule_set: row.rule_set_id,
            rate: row.rate_ppm.map(Ppm),
            base: Minor::ZERO,
            amount: Minor::ZERO,
            uncapped: None,
        });
        if row.uncapped_minor.is_some() || levy.uncapped.is_some() {
            let before = levy.uncapped.unwrap_or(levy.amount);
            levy.uncapped = Some(before.plus(row.uncapped_minor.unwrap_or(row.amount_minor))?);
        }
        levy.base = levy.base.plus(row.base_minor)?;
        levy.amount = levy.amount.plus(row.amount_minor)?;
    }
    Ok(left.into_values().collect())
}

impl RestLevy {
    /// As it is written beside the credit note: what was charged, below zero.
    pub(in crate::invoicing) fn reversed(&self) -> Result<Charge, MoneyError> {
        let (base, amount) = (self.base.negated()?, self.amount.negated()?);
        Ok(Charge {
            kind: self.kind,
            base,
            rate: self.rate,
            amount,
            uncapped: self.uncapped.map(Minor::negated).transpose()?,
            basis: Basis::reversal(self.charge.0, self.of, base, amount),
        })
    }
}

/// The part of `whole` that belongs to `given` of `base`: the last part of a base takes all that is left.
pub(super) fn part(whole: Minor, given: Minor, base: Minor) -> Result<Minor, MoneyError> {
    let kept = base.minus(given)?;
    if kept <= Minor::ZERO {
        return Ok(whole);
    }
    let weights = [given.get().unsigned_abs(), kept.get().unsigned_abs()];
    Ok(split(whole, &weights)?.first().copied().unwrap_or_default())
}

/// What a credit note gives back of what is left.
///
/// # Errors
/// Refuses an invoice of which nothing is left, lines that it does not have, and more than the rest of a line.
pub(in crate::invoicing) fn credit(rest: &Rest, wanted: &Wanted) -> Result<Credited, Refusal> {
    let overflow = |_error: MoneyError| Refusal::value("amount_invalid");
    let left = Minor::sum(rest.lines.iter().map(|line| line.net)).map_err(overflow)?;
    let lines: Vec<(i32, Minor)> = match wanted {
        Wanted::Full if left == Minor::ZERO => return Err(Refusal::state("already_credited")),
        Wanted::Full => {
            rest.lines.iter().filter(|line| line.net != Minor::ZERO).map(|line| (line.n, line.net)).collect()
        }
        Wanted::Lines(wanted) => {
            check_lines(rest, wanted)?;
            with_adjustments(rest, wanted).map_err(overflow)?
        }
    };
    let credited = compute(rest, lines, left).map_err(overflow)?;
    let fits =
        |tax: &RestTax| rest.taxes.iter().any(|of| (of.case, of.rate) == (tax.case, tax.rate) && tax.base <= of.base);
    if credited.net <= Minor::ZERO || !credited.taxes.iter().all(fits) {
        // What is left of the lines is more than what is left of the invoice: the rest is discounts.
        return Err(Refusal::field("/lines", "out_of_range"));
    }
    Ok(credited)
}

/// The lines that somebody wants to give back, with their share of every discount and charge on all lines: as much of
/// it as of the lines that it is on, and the rest of it with the last of them.
fn with_adjustments(rest: &Rest, wanted: &[(i32, Minor)]) -> Result<Vec<(i32, Minor)>, MoneyError> {
    let mut lines = wanted.to_vec();
    for on_all in rest.lines.iter().filter(|line| line.kind != LineKind::Line && line.net != Minor::ZERO) {
        if wanted.iter().any(|(n, _)| *n == on_all.n) {
            continue;
        }
        let of_case = |line: &&RestLine| line.kind == LineKind::Line && line.case == on_all.case;
        let base = Minor::sum(rest.lines.iter().filter(of_case).map(|line| line.net))?;
        let is_of_case = |n: i32| rest.lines.iter().filter(of_case).any(|line| line.n == n);
        let given = Minor::sum(wanted.iter().filter(|(n, _)| is_of_case(*n)).map(|(_, net)| *net))?;
        if given > Minor::ZERO {
            let share = part(on_all.net, given, base)?;
            lines.extend((share != Minor::ZERO).then_some((on_all.n, share)));
        }
    }
    Ok(lines)
}

pub(super) fn compute(rest: &Rest, lines: Vec<(i32, Minor)>, left: Minor) -> Result<Credited, MoneyError> {
    let net = Minor::sum(lines.iter().map(|(_, net)| *net))?;
    let mut taxes = Vec::with_capacity(rest.taxes.len());
    for of in &rest.taxes {
        let is_of_case = |n: i32| rest.lines.iter().any(|line| line.n == n && line.case == of.case);
        let base = Minor::sum(lines.iter().filter(|(n, _)| is_of_case(*n)).map(|(_, net)| *net))?;
        if base == Minor::ZERO {
            continue;
        }
        // By the one rounding rule, never more than is left, and all of it with the last of the base.
        let tax = if base == of.base { of.tax } else { base.share(of.rate)?.min(of.tax) };
        taxes.push(RestTax { base, tax, ..of.clone() });
    }
    let mut levies = Vec::with_capacity(rest.levies.len());
    let kept = left.minus(net)?;
    for of in &rest.levies {
        // What was levied on all that was invoiced goes back in proportion; what was levied on what was collected
        // goes back as far as more was collected than is left.
        let base = of.base.minus(of.base.min(kept))?;
        if base == Minor::ZERO {
            continue;
        }
        let amount = part(of.amount, base, of.base)?;
        let uncapped = of.uncapped.map(|uncapped| part(uncapped, base, of.base)).transpose()?;
        levies.push(RestLevy { base, amount, uncapped, ..*of });
    }
    let tax = Minor::sum(taxes.iter().map(|of| of.tax))?;
    let share = net.minus(Minor::sum(levies.iter().map(|of| of.amount))?)?;
    Ok(Credited { lines, taxes, levies, net, tax, gross: net.plus(tax)?, share })
}

/// What still waits of an invoice on an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The activity.
    pub activity: ActivityId,
    /// Its member.
    pub owner: PersonId,
    /// What waits.
    pub amount: Minor,
}

/// Where an invoice and its money stand before a credit note.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The activity of the invoice.
    pub activity: ActivityId,
    /// What the client owes; below zero what they paid too much.
    pub open: Minor,
    /// What waits on activities: on its own, and where it was moved.
    pub waiting: &'a [Waiting],
    /// The advance that the client has not paid back yet.
    pub advanced: Minor,
}

/// Where the member's share comes from, and what comes to rest when the client owes nothing any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    /// Out of what waits of the invoice on its own activity.
    pub pending: Minor,
    /// Out of what that activity has available, and what it lacks as arrears.
    pub charged: Minor,
    /// What waits no longer, because the client owes nothing any more: cents of rounding, and money moved elsewhere.
    pub freed: Vec<Waiting>,
    /// By how much the open advance shrinks.
    pub advance_closed: Minor,
}

/// Takes the member's share from where it is: first what waits, then what is available.
///
/// An open advance shrinks by what is taken back of it: that part of it no client will ever pay. When nothing is open
/// any more it closes, and what still waits becomes available as with a last payment.
///
/// # Errors
/// Refuses amounts out of range.
pub(in crate::invoicing) fn take(credited: &Credited, at: Standing<'_>) -> Result<Taking, MoneyError> {
    let own = at.waiting.iter().find(|waiting| waiting.activity == at.activity);
    let own = own.map_or(Minor::ZERO, |waiting| waiting.amount);
    let is_open = at.open.minus(credited.gross)? > Minor::ZERO;
    // What an advance left behind is for the levies on payments that still come.
    let own = if is_open && at.advanced > Minor::ZERO { part(own, credited.gross, at.open)? } else { own };
    let pending = credited.share.min(own).max(Minor::ZERO);
    let charged = credited.share.minus(pending)?;
    if is_open {
        let advance_closed = charged.min(at.advanced);
        return Ok(Taking { pending, charged, freed: Vec::new(), advance_closed });
    }
    let mut freed = Vec::with_capacity(at.waiting.len());
    for waiting in at.waiting {
        let amount = if waiting.activity == at.activity { waiting.amount.minus(pending)? } else { waiting.amount };
        if amount > Minor::ZERO {
            freed.push(Waiting { amount, ..*waiting });
        }
    }
    Ok(Taking { pending, charged, freed, advance_closed: at.advanced })
}

#[cfg(test)]
mod tests;
