//! How losses are explained: a sixth kind of file, the part of the tree that divides again what was given up and what
//! came back of it.

use super::pooled::sign;
use super::rules::{self, By};
use super::step::Step;
use super::store::{self, LineRow};
use super::tree::{Explainer, Found};
use crate::kernel::ids::{RecoveryId, WriteOffId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::ledger::{Account, Event};
use crate::platform::error::{Error, Result};
use crate::write_offs::{self, Division, ShareOf, WriteOffRow};

/// What the reader may not see is explained by what they may.
fn unless_hidden<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code == "not_found" => Ok(None),
        Err(error) => Err(error),
    }
}

impl Explainer<'_, '_> {
    /// A share of what was divided, computed again. `of`: what was divided, `loss` or `back`.
    fn share_of(&self, of: &str, division: &Division, share: ShareOf, currency: Currency) -> Step {
        let found = division.shares.iter().find(|(it, ..)| *it == share);
        let (weight, part) = found.map_or((Minor::ZERO, Minor::ZERO), |(_, weight, part)| (*weight, *part));
        let mut step = Step::new(part, currency, self.say("part", &format!("{of}.{share}"), &[]));
        step.why = Some(self.say("why", &format!("{of}_share"), &[]));
        let base = Money { amount_minor: division.whole, currency };
        let by = By::Weight(weight.get(), division.weights.get());
        step.calculation = rules::calculate(self.language, base, by, part);
        step
    }

    fn loss_part(&self, key: &str, amount: Minor, currency: Currency) -> Step {
        Step::new(amount, currency, self.say("part", key, &[]))
    }

    /// What was given up, borne or came back of an invoice that the reader does not see the loss of: by the line of
    /// the same account before it, else by the loss, else by the receivable.
    fn before(&mut self, line: &LineRow) -> Result<Found> {
        for account in [line.account, Account::BadDebt, Account::Receivable] {
            let found = self.earlier(line, account, "loss")?;
            if !found.rests_on.is_empty() {
                return Ok(found);
            }
        }
        Ok(Found::default())
    }

    /// A line of a loss: its share of what was given up, by what the documents booked.
    pub(super) fn lost(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let id = WriteOffId(line.source_id);
        let Some((row, loss)) = unless_hidden(write_offs::division(self.tx, id))? else { return self.before(line) };
        if line.account == Account::Receivable {
            return self.open(line, amount);
        }
        let is_debit = line.amount_minor > Minor::ZERO;
        let is_mirror = !is_debit && matches!(line.account, Account::BadDebt | Account::MemberCost);
        let opened_by = if is_mirror { self.line_before(line)? } else { None };
        let about = opened_by.as_ref().map_or(line.account, |opened_by| opened_by.account);
        let found = Found { rests_on: self.given_up(line)?, ..Found::default() };
        if about == Account::VatRefundDue {
            let vat = self.share_of("loss", &loss, ShareOf::Vat, line.currency);
            is_or_rests(vat, amount, found)
        } else if about == Account::FeeIncome {
            let fee = self.share_of("loss", &loss, ShareOf::Fee, line.currency);
            is_or_rests(fee, amount, found)
        } else if about == Account::GuaranteeFund {
            let mut parts = vec![self.share_of("loss", &loss, ShareOf::Contribution, line.currency)];
            parts.extend(missing(&row, &loss)?.map(|missing| self.loss_part("loss.missing", missing, line.currency)));
            sum_of(parts, line, amount, found)
        } else if about == Account::BadDebt && is_debit {
            let mut vat = self.share_of("loss", &loss, ShareOf::Vat, line.currency);
            vat.amount.amount_minor = vat.amount.amount_minor.negated()?;
            let parts = vec![self.loss_part("loss.open", row.amount_minor, line.currency), vat];
            sum_of(parts, line, amount, found)
        } else if row.is_covered.unwrap_or_default() {
            // What waited for a levy on the payment, which nobody will get.
            match opened_by {
                Some(waited) => Ok(Found { rests_on: vec![self.line(&waited, Some("opposite"))?], ..found }),
                None => self.before(line),
            }
        } else {
            let member = self.share_of("loss", &loss, ShareOf::Member, line.currency);
            is_or_rests(member, amount, found)
        }
    }

    /// What the fund bore: what was asked of it, or what it could give of that.
    pub(super) fn drawn(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let found = self.before(line)?;
        let Some(invoice) = line.invoice_id.filter(|_| line.account != Account::FundsPending) else { return Ok(found) };
        let losses = store::list_of_invoice(self.tx, invoice, Account::BadDebt, None, line.entry_id)?;
        let loss = losses.iter().find(|loss| loss.event == Event::WrittenOff);
        let Some(id) = loss.map(|loss| WriteOffId(loss.source_id)) else { return Ok(found) };
        let Some((row, loss)) = unless_hidden(write_offs::division(self.tx, id))? else { return Ok(found) };
        let mut parts = Vec::new();
        if row.is_covered.unwrap_or_default() {
            parts.push(self.share_of("loss", &loss, ShareOf::Member, line.currency));
            let uncharged = loss.part(ShareOf::Fee).minus(row.fee_minor.unwrap_or_default())?;
            parts.push(self.loss_part("loss.uncharged", uncharged, line.currency));
        }
        let missing = missing(&row, &loss)?.unwrap_or_default().negated()?;
        parts.push(self.loss_part("loss.owed", missing, line.currency));
        parts.retain(|part| part.amount.amount_minor != Minor::ZERO);
        let mut claim = self.loss_part("loss.claim", row.claim_minor.unwrap_or_default(), line.currency);
        claim.href = Some(format!("/v1/write_offs/{id}"));
        claim.parts = parts;
        is_or_rests(claim, amount, found)
    }

    /// A share of what came after a loss: the VAT in it first, then the fund, then whoever bore the rest.
    pub(super) fn came_back(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let came = matches!(line.account, Account::Bank | Account::BankSuspense);
        let found = if came { Found::default() } else { self.before(line)? };
        let id = RecoveryId(line.source_id);
        let Some(back) = unless_hidden(write_offs::recovery_divisions(self.tx, id))? else { return Ok(found) };
        let vat = self.share_of("back", &back.gross, ShareOf::Vat, line.currency);
        if line.account == Account::VatRefundDue {
            return is_or_rests(vat, amount, found);
        }
        if came {
            let net = self.share_of("back", &back.gross, ShareOf::Net, line.currency);
            return sum_of(vec![vat, net], line, amount, found);
        }
        let mut net = self.loss_part("back.net", back.gross.part(ShareOf::Net), line.currency);
        net.why = Some(self.say("why", "back", &[]));
        let mut less = vat;
        less.amount.amount_minor = less.amount.amount_minor.negated()?;
        net.parts = vec![self.loss_part("back.came", back.row.amount_minor, line.currency), less];
        let mut found = found;
        found.rests_on.insert(0, net);
        let of_rest = if line.account == Account::FeeIncome {
            Some(ShareOf::Fee)
        } else if line.account == Account::FundsAvailable {
            Some(ShareOf::Member)
        } else if line.account == Account::GuaranteeFund {
            // The first line refills the fund, if anything does; the next is the contribution.
            let lines = store::list_entry(self.tx, line.entry_id)?;
            let first = lines.iter().find(|other| other.account == line.account).map(|other| other.id);
            let refills = back.row.fund_minor != Minor::ZERO && first == Some(line.id);
            (!refills).then_some(ShareOf::Contribution)
        } else {
            None
        };
        match (of_rest, &back.rest) {
            (Some(share), Some(rest)) => {
                let step = self.share_of("back", rest, share, line.currency);
                is_or_rests(step, amount, found)
            }
            _ => Ok(found),
        }
    }

    /// What was open of a receivable: all lines of it before, which are taken away together.
    fn open(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let (open, parts) = self.earlier_lines(line, Account::Receivable, None, amount)?;
        if rules::signed(open, open)? == rules::signed(amount, amount)? {
            return Ok(Found { parts, ..Found::default() });
        }
        self.before(line)
    }

    /// The line of the receivable that was given up with a loss.
    fn given_up(&mut self, line: &LineRow) -> Result<Vec<Step>> {
        let lines = store::list_entry(self.tx, line.entry_id)?;
        let receivable = lines.iter().find(|other| other.account == Account::Receivable);
        receivable.map(|receivable| self.line(receivable, Some("loss"))).into_iter().collect()
    }

    /// The line that stands before one in its entry.
    fn line_before(&mut self, line: &LineRow) -> Result<Option<LineRow>> {
        let lines = store::list_entry(self.tx, line.entry_id)?;
        Ok(lines.into_iter().rfind(|other| other.id < line.id))
    }
}

/// The line is `step`, or rests on it when it is only a part; below, what both come from.
fn is_or_rests(mut step: Step, amount: Minor, mut found: Found) -> Result<Found> {
    let whole = step.amount.amount_minor;
    if rules::signed(whole, whole)? == rules::signed(amount, amount)? {
        let like = rules::like(amount, whole)?;
        sign(&mut step.parts, like)?;
        sign(std::slice::from_mut(&mut step), like)?;
        found.parts = vec![step];
    } else {
        found.rests_on.insert(0, step);
    }
    Ok(found)
}

/// What of a contribution the fund did not hold any more, as a negative amount; none when it held all of it.
fn missing(row: &WriteOffRow, loss: &Division) -> Result<Option<Minor>> {
    let missing = row.contribution_minor.unwrap_or_default().minus(loss.part(ShareOf::Contribution))?;
    Ok((missing != Minor::ZERO).then_some(missing))
}

/// Parts that are the line together.
fn sum_of(mut parts: Vec<Step>, line: &LineRow, amount: Minor, found: Found) -> Result<Found> {
    let whole = Minor::sum(parts.iter().map(|part| part.amount.amount_minor))?;
    if rules::signed(whole, whole)? != rules::signed(amount, amount)? {
        return Err(Error::internal(format!("line {} is not the sum of its shares", line.id)));
    }
    sign(&mut parts, rules::like(amount, whole)?)?;
    Ok(Found { parts, ..found })
}
