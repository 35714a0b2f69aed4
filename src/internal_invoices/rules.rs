//! What may happen to an internal invoice, and what it comes to.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::store::{InternalRow, PartyRow};
use super::{CURRENCY, Draft};
use crate::kernel::ids::PersonId;
use crate::kernel::language::Language;
use crate::kernel::money::{Minor, Money, MoneyError};
use crate::kernel::refusal::{Checks, Refusal};
use crate::named;
use crate::platform::error::Result as Outcome;

named! {
    /// Where an internal invoice stands.
    InternalState {
        /// Being written.
        Draft = "draft",
        /// With the other side.
        Sent = "sent",
        /// Paid.
        Accepted = "accepted",
        /// Not paid, and why.
        Refused = "refused",
        /// Taken back by its maker.
        Withdrawn = "withdrawn",
    }
}

/// Lines of one document at most.
const LINES_MAX: usize = 200;
/// A price or quantity beyond this is a slip of the finger.
const PRICE_MAX: i64 = 100_000_000_000;
/// No single transfer is larger, and this is paid by one.
const TOTAL_MAX: i64 = 99_999_999_999;

/// What was done: so much of it, at this price.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it is.
    pub label: String,
    /// Up to four decimals, above zero.
    pub quantity: Decimal,
    /// For one.
    pub unit_price: Money,
}

impl Line {
    /// What it comes to, rounded once.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn net(&self) -> Result<Minor, MoneyError> {
        self.unit_price.amount_minor.times(self.quantity)
    }
}

/// A line as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    label: String,
    #[serde(with = "rust_decimal::serde::str")]
    quantity: Decimal,
    unit_price_minor: i64,
}

/// Lines as they are kept.
pub(super) fn write(lines: &[Line]) -> Value {
    let kept = |line: &Line| {
        json!({"label": line.label.trim(), "quantity": line.quantity.to_string(),
               "unit_price_minor": line.unit_price.amount_minor.get()})
    };
    lines.iter().map(kept).collect()
}

/// Lines out of what is kept.
pub(super) fn read(kept: &Value) -> Outcome<Vec<Line>> {
    let kept: Vec<Kept> = serde_json::from_value(kept.clone())?;
    let line = |line: Kept| Line {
        label: line.label,
        quantity: line.quantity,
        unit_price: Money { amount_minor: Minor::new(line.unit_price_minor), currency: CURRENCY },
    };
    Ok(kept.into_iter().map(line).collect())
}

/// Everything that can be wrong with a draft, and what it comes to.
pub(super) fn check(draft: &Draft) -> Result<Minor, Refusal> {
    let mut checks = Checks::default();
    checks.text(&draft.title, "/title", 1, 200);
    checks.require(draft.activity != draft.to, "/to_activity_id", "not_allowed");
    checks.require(!draft.lines.is_empty(), "/lines", "required");
    checks.require(draft.lines.len() <= LINES_MAX, "/lines", "too_long");
    for (index, line) in draft.lines.iter().enumerate().take(LINES_MAX) {
        checks.text(&line.label, &format!("/lines/{index}/label"), 1, 500);
        let is_quantity = line.quantity > Decimal::ZERO
            && line.quantity < Decimal::from(1_000_000_000_i64)
            && line.quantity.scale() <= 4;
        checks.require(is_quantity, &format!("/lines/{index}/quantity"), "out_of_range");
        let price = line.unit_price.amount_minor.get();
        checks.require(
            (0..=PRICE_MAX).contains(&price),
            &format!("/lines/{index}/unit_price/amount_minor"),
            "out_of_range",
        );
        let is_ours = line.unit_price.currency == CURRENCY;
        checks.require(is_ours, &format!("/lines/{index}/unit_price/currency"), "not_allowed");
    }
    checks.done()?;
    let nets = draft.lines.iter().map(Line::net).collect::<Result<Vec<_>, _>>();
    let total = nets.and_then(Minor::sum).map_err(|_overflow| Refusal::value("amount_invalid"))?;
    if (1..=TOTAL_MAX).contains(&total.get()) { Ok(total) } else { Err(Refusal::field("/lines", "out_of_range")) }
}

/// Both sides are activities of one legal person, and open.
pub(super) fn check_ends(from: &PartyRow, to: &PartyRow) -> Result<(), Refusal> {
    if from.entity_id != to.entity_id {
        return Err(Refusal {
            fields: Refusal::field("/to_activity_id", "not_allowed").fields,
            ..Refusal::value("internal_other_entity")
        });
    }
    if to.is_closed {
        return Err(Refusal::state("activity_closed"));
    }
    // Between two activities of one member money is simply moved.
    if from.member_id == to.member_id {
        return Err(Refusal::field("/to_activity_id", "not_allowed"));
    }
    Ok(())
}

/// What may be done with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Send,
    Withdraw,
    Accept,
    Refuse,
}

/// Whether somebody may do something with an invoice: its maker sends it and takes it back, the other side answers.
pub(super) fn may(row: &InternalRow, command: Command, who: PersonId) -> Result<(), Refusal> {
    use InternalState::{Draft, Sent};
    let (name, allowed, by): (_, &[InternalState], _) = match command {
        Command::Send => ("send", &[Draft], row.member_id),
        Command::Withdraw => ("withdraw", &[Draft, Sent], row.member_id),
        Command::Accept => ("accept", &[Sent], row.to_member_id),
        Command::Refuse => ("refuse", &[Sent], row.to_member_id),
    };
    if by != who {
        return Err(Refusal::forbidden("role_forbidden"));
    }
    if allowed.contains(&row.state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", row.state).with("command", name))
}

pub(super) fn check_reason(reason: &str) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 500);
    checks.done()
}

/// Why there is no VAT (Directive 2006/112/EC art. 2 and 9: a supply needs two persons), in the language of the reader.
pub(super) const fn mention(language: Language) -> &'static str {
    match language {
        Language::Fr => {
            "Document interne : les deux activités appartiennent à la même personne morale. Il n'y a ni livraison ni prestation au sens de la TVA (art. 2 et 9 de la directive 2006/112/CE), donc pas de TVA."
        }
        Language::Nl => {
            "Intern document: beide activiteiten behoren tot dezelfde rechtspersoon. Er is geen levering of dienst in de zin van de btw (art. 2 en 9 van richtlijn 2006/112/EG), dus geen btw."
        }
        Language::En => {
            "Internal document: both activities belong to the same legal person. There is no supply for VAT (art. 2 and 9 of Directive 2006/112/EC), so no VAT is due."
        }
        Language::De => {
            "Internes Dokument: beide Aktivitäten gehören derselben juristischen Person. Es liegt kein Umsatz im Sinne der MwSt. vor (Art. 2 und 9 der Richtlinie 2006/112/EG), daher fällt keine MwSt. an."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(quantity: &str, price: i64) -> Line {
        let unit_price = Money { amount_minor: Minor::new(price), currency: CURRENCY };
        Line { label: "Layout".to_owned(), quantity: quantity.parse().unwrap(), unit_price }
    }

    #[test]
    fn each_line_is_rounded_once_and_kept_as_it_was() {
        let lines = vec![line("3.5", 8_731), line("0.3333", 100)];
        let nets: Vec<_> = lines.iter().map(|line| line.net().unwrap().get()).collect();
        assert_eq!(nets, [30_559, 33]);
        assert_eq!(read(&write(&lines)).unwrap(), lines);
    }
}
