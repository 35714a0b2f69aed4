//! What may happen to an order, and what is frozen when it is sent.

use std::collections::BTreeMap;

use chrono::{Duration, NaiveDate};
use serde::{Deserialize, Serialize};

use super::store::{OrderLineRow, OrderRow};
use super::{Draft, NewAnswer};
use crate::charter::{self, EntityRow, VatTariff};
use crate::clients::ClientRow;
use crate::formats::einvoice::codes;
use crate::kernel::lines::{self, Adjustment, DocumentLine, LineKind, Row};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::refusal::{Checks, Refusal};
use crate::kernel::vat::VatCase;
use crate::named;

named! {
    /// Where an order stands.
    OrderState {
        /// Being written.
        Draft = "draft",
        /// With its client.
        Sent = "sent",
        /// The client said yes.
        Confirmed = "confirmed",
        /// The client said no.
        Declined = "declined",
        /// The client wants something else.
        ChangeRequested = "change_requested",
        /// Taken back.
        Withdrawn = "withdrawn",
        /// Nobody answered in time.
        Expired = "expired",
    }
}

/// What a client may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Confirmed,
    /// No.
    Declined,
    /// Not like this.
    ChangeRequested,
}

impl Answer {
    /// The state that the order goes to; its name is also that of the answer.
    #[must_use]
    pub const fn state(self) -> OrderState {
        match self {
            Self::Confirmed => OrderState::Confirmed,
            Self::Declined => OrderState::Declined,
            Self::ChangeRequested => OrderState::ChangeRequested,
        }
    }
}

/// What a member may do with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Revise,
    Send,
    Withdraw,
}

pub(super) fn may(state: OrderState, command: Command) -> Result<(), Refusal> {
    use OrderState::{ChangeRequested, Draft, Sent};
    let (name, allowed): (_, &[OrderState]) = match command {
        Command::Revise => ("revise", &[Draft, ChangeRequested]),
        Command::Send => ("send", &[Draft]),
        Command::Withdraw => ("withdraw", &[Draft, Sent, ChangeRequested]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// Whether work is declared in time when an order is confirmed on a day: not after its first day of work. Without a
/// first day the last one counts, the only one that is always known.
pub(super) fn is_declared(starts_on: Option<NaiveDate>, ends_on: NaiveDate, confirmed_on: NaiveDate) -> bool {
    confirmed_on <= starts_on.unwrap_or(ends_on)
}

/// How far into the past or future a day of work may lie: a slip of the finger is caught, a late entry is not.
const YEARS: i64 = 5;

pub(super) fn check_draft(draft: &Draft, today: NaiveDate) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    checks.text(&draft.title, "/title", 1, 200);
    checks.text(&draft.description, "/description", 0, 4000);
    let is_near = |day: NaiveDate| day.signed_duration_since(today).abs() <= Duration::days(366 * YEARS);
    checks.require(is_near(draft.work_ends_on), "/work_ends_on", "out_of_range");
    checks.require(is_near(draft.valid_until), "/valid_until", "out_of_range");
    if let Some(start) = draft.work_starts_on {
        checks.require(is_near(start) && start <= draft.work_ends_on, "/work_starts_on", "out_of_range");
    }
    for (text, pointer) in [(&draft.buyer_reference, "/buyer_reference"), (&draft.purchase_order, "/purchase_order")] {
        if let Some(text) = text {
            checks.text(text, pointer, 1, 50);
        }
    }
    lines::check(&draft.lines, draft.currency, &mut checks);
    lines::check_adjustments(&draft.adjustments, &draft.lines, draft.currency, &mut checks);
    codes::check_units(&draft.lines, &mut checks);
    checks.done()
}

pub(super) fn check_answer(given: &NewAnswer) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    let must_sign = usize::from(given.answer == Answer::Confirmed);
    checks.text(&given.signer, "/signer_name", must_sign, 200);
    let must_explain = usize::from(given.answer == Answer::ChangeRequested);
    checks.text(&given.message, "/message", must_explain, 2000);
    checks.done()
}

/// An order as it was sent, in its own words: nothing that changes later changes this.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FrozenOrder {
    /// Which version.
    pub version: i32,
    /// The legal entity that would do the work.
    pub entity: String,
    /// Its enterprise number.
    pub enterprise_number: String,
    /// The member who offers it.
    pub member: String,
    /// The client.
    pub client: String,
    /// The client's VAT number.
    pub client_vat_number: Option<String>,
    /// One line.
    pub title: String,
    /// More, with line breaks.
    pub description: String,
    /// The first day of work.
    pub work_starts_on: Option<NaiveDate>,
    /// The last day of work.
    pub work_ends_on: NaiveDate,
    /// The last day on which the client may answer.
    pub valid_until: NaiveDate,
    /// The buyer's purchase order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase_order: Option<String>,
    /// What the buyer wants to read on the invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_reference: Option<String>,
    /// What is sold.
    pub lines: Vec<FrozenLine>,
    /// Discounts and charges on all of it, with what they come to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adjustments: Vec<Adjustment>,
    /// VAT by case and rate.
    pub taxes: Vec<FrozenTax>,
    /// Without VAT.
    pub net_minor: Minor,
    /// VAT.
    pub tax_minor: Minor,
    /// With VAT.
    pub gross_minor: Minor,
    /// Of every amount.
    pub currency: Currency,
}

/// A line as it was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FrozenLine {
    /// What is sold.
    #[serde(flatten)]
    pub line: DocumentLine,
    /// What it comes to.
    pub net_minor: Minor,
}

/// The tax of one case and rate as it was sent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct FrozenTax {
    /// How VAT applies.
    pub vat_case: VatCase,
    /// The rate in parts per million.
    pub rate_ppm: i64,
    /// The sum of the lines.
    pub base_minor: Minor,
    /// The tax.
    pub tax_minor: Minor,
}

pub(super) fn freeze(
    order: &OrderRow,
    lines: &[OrderLineRow],
    version: i32,
    entity: &EntityRow,
    member: &str,
    client: &ClientRow,
    tariffs: &BTreeMap<VatCase, VatTariff>,
) -> Result<FrozenOrder, Refusal> {
    let (document, adjustments) = lines::apart(lines, order.currency);
    let totals = lines::totals(&document, &adjustments, &charter::rates_of(tariffs))?;
    let taxes = totals.taxes.iter().map(|tax| FrozenTax {
        vat_case: tax.case,
        rate_ppm: tax.rate.0,
        base_minor: tax.base,
        tax_minor: tax.tax,
    });
    Ok(FrozenOrder {
        version,
        entity: entity.name.clone(),
        enterprise_number: entity.enterprise_number.clone(),
        member: member.to_owned(),
        client: client.name.clone(),
        client_vat_number: client.vat_number.clone(),
        title: order.title.clone(),
        description: order.description.clone(),
        work_starts_on: order.work_starts_on,
        work_ends_on: order.work_ends_on,
        valid_until: order.valid_until,
        taxes: taxes.collect(),
        purchase_order: order.purchase_order.clone(),
        buyer_reference: order.buyer_reference.clone(),
        adjustments,
        lines: document.into_iter().zip(totals.lines).map(|(line, net_minor)| FrozenLine { line, net_minor }).collect(),
        net_minor: totals.net,
        tax_minor: totals.tax,
        gross_minor: totals.gross,
        currency: order.currency,
    })
}

impl Row for OrderLineRow {
    fn kind(&self) -> LineKind {
        self.kind
    }

    fn document(&self, currency: Currency) -> DocumentLine {
        DocumentLine {
            label: self.label.clone(),
            quantity: self.quantity.normalize(),
            unit: self.unit.clone(),
            unit_price: Money { amount_minor: self.unit_price_minor, currency },
            exact_unit_price: self.unit_price_e4.map(lines::from_e4),
            vat_case: self.vat_case,
            vat_justification: self.vat_justification.clone(),
            adjustments: lines::adjustments(&self.adjustments),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_refused_where_it_has_no_meaning() {
        use OrderState::{ChangeRequested, Draft, Sent};
        let cases = [
            (Command::Revise, vec![Draft, ChangeRequested]),
            (Command::Send, vec![Draft]),
            (Command::Withdraw, vec![Draft, Sent, ChangeRequested]),
        ];
        for (command, allowed) in cases {
            let found: Vec<_> = OrderState::ALL.iter().copied().filter(|state| may(*state, command).is_ok()).collect();
            assert_eq!(found, allowed, "{command:?}");
        }
    }
}
