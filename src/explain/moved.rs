//! How credit notes and transfers are explained: a sixth kind of file, the part of the tree that reads what was given
//! back or moved.

use super::step::Step;
use super::store::{self, LineRow};
use super::tree::{Explainer, Found};
use crate::formats::traces::Params;
use crate::invoicing::credit::{self, CreditNote};
use crate::kernel::ids::InvoiceId;
use crate::kernel::levies::LevyKind;
use crate::kernel::money::Minor;
use crate::levies::{self, ChargeSource};
use crate::platform::error::Result;

fn place(note: &CreditNote) -> String {
    format!("/v1/credit_notes/{}", note.row.id)
}

impl Explainer<'_, '_> {
    fn credit_note(&mut self, line: &LineRow) -> Result<CreditNote> {
        credit::find(self.tx, InvoiceId(line.source_id))
    }

    /// The lines of the credit note.
    pub(super) fn credit_net(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let note = self.credit_note(line)?;
        Ok(Found { parts: self.lines(&note.lines, line.currency, &place(&note), amount)?, ..Found::default() })
    }

    /// The lines of the credit note and its VAT.
    pub(super) fn credit_gross(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let note = self.credit_note(line)?;
        let mut parts = self.lines(&note.lines, line.currency, &place(&note), amount)?;
        parts.extend(self.taxes(&note.taxes, line.currency, &place(&note), (amount, None))?);
        Ok(Found { parts, ..Found::default() })
    }

    /// The VAT of the credit note.
    pub(super) fn credit_tax(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let note = self.credit_note(line)?;
        let of = (amount, line.tax_code.as_deref());
        Ok(Found { parts: self.taxes(&note.taxes, line.currency, &place(&note), of)?, ..Found::default() })
    }

    /// What the mutual gave back for one purpose: shares of what it had booked, not computed anew.
    pub(super) fn credit_levy(&mut self, line: &LineRow, kind: LevyKind) -> Result<Found> {
        let mut parts = Vec::new();
        for charge in levies::charges_on(self.tx, ChargeSource::CreditNote, line.source_id)? {
            if charge.kind == kind {
                parts.push(self.charge(charge, line.currency, Minor::ZERO)?);
            }
        }
        let owed = self.owed_by_fund(line)?;
        if kind == LevyKind::Guarantee && !owed.is_empty() {
            // The line is what the fund held of it.
            parts.extend(owed);
            return Ok(Found { rests_on: parts, ..Found::default() });
        }
        Ok(Found { parts, ..Found::default() })
    }

    /// What of the contribution the fund did not hold, and owes.
    fn owed_by_fund(&mut self, line: &LineRow) -> Result<Vec<Step>> {
        let owed = self.credit_note(line)?.taken.owed_minor;
        if owed == Minor::ZERO {
            return Ok(Vec::new());
        }
        Ok(vec![Step::new(owed, line.currency, self.say("part", "owed_by_fund", &[]))])
    }

    /// The activity's share of the credit note: its lines, less what the mutual gave back. The line is it, or a part.
    pub(super) fn credit_share(&mut self, line: &LineRow) -> Result<Found> {
        let note = self.credit_note(line)?;
        let minus = Minor::new(1).negated()?;
        let mut parts = self.lines(&note.lines, line.currency, &place(&note), minus)?;
        for charge in levies::charges_on(self.tx, ChargeSource::CreditNote, line.source_id)? {
            parts.push(self.charge(charge, line.currency, minus)?);
        }
        let whole = Minor::sum(parts.iter().map(|part| part.amount.amount_minor))?;
        let params: Params = vec![("document", note.row.corrects_number.clone())];
        let mut share = Step::new(whole, line.currency, self.say("part", "invoice_share", &params));
        share.href = Some(place(&note));
        share.parts = parts;
        let mut rests_on = vec![share];
        rests_on.extend(self.owed_by_fund(line)?);
        Ok(Found { rests_on, ..Found::default() })
    }

    /// The other line of a transfer, when the reader may see it; money that waited rests on what it waited as.
    pub(super) fn opposite(&mut self, line: &LineRow) -> Result<Found> {
        let opposite = line.amount_minor.negated()?;
        let lines = store::list_entry(self.tx, line.entry_id)?;
        let of_transfer = |other: &&LineRow| other.account == line.account && other.amount_minor == opposite;
        let giver = lines.iter().find(|other| of_transfer(other) && other.amount_minor > Minor::ZERO);
        match giver {
            Some(giver) => {
                let step = self.line(giver, Some("transfer"))?;
                Ok(Found { rests_on: vec![step], ..Found::default() })
            }
            None => self.earlier(line, line.account, "transfer"),
        }
    }
}
