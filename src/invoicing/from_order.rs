//! What an invoice takes over from its order: all of it, or a part.

use rust_decimal::Decimal;

use super::{Draft, Stage, rules, store};
use crate::clients;
use crate::kernel::ids::{InvoiceId, OrderId};
use crate::kernel::lines::{self, DocumentLine};
use crate::kernel::money::{Minor, Money, Ppm};
use crate::orders::{self, OrderState};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// The draft of an order: its lines, its client, its last day of work.
///
/// # Errors
/// 404; 409 `order_not_confirmed` for an order that may not be invoiced.
pub fn draft_from_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Draft> {
    let row = orders::row(tx, order)?;
    if !matches!(row.state, OrderState::Confirmed | OrderState::Sent) {
        return Err(Error::conflict("order_not_confirmed").with("state", row.state));
    }
    let (lines, adjustments) = lines::apart(&orders::lines(tx, order)?, row.currency);
    Ok(Draft {
        order: Some(order),
        activity: row.activity_id,
        client: row.client_id,
        title: row.title,
        currency: row.currency,
        supplied_on: row.work_ends_on,
        buyer_reference: row.buyer_reference,
        stage: Stage::Single,
        share: None,
        purchase_order: row.purchase_order,
        lines,
        adjustments,
    })
}

/// The draft of a part of an order: one line for each way VAT applies. `share` is the part of the whole order that a
/// deposit or an intermediate invoice asks for; a balance asks for what is left of it.
///
/// # Errors
/// As [`draft_from_order`]; 422 for a share that is none; 409 `order_amount_exceeded` when less is left.
pub fn draft_of_part(
    tx: &mut Tx<'_>,
    order: OrderId,
    stage: Stage,
    share: Option<Ppm>,
    but: Option<InvoiceId>,
) -> Result<Draft> {
    let base = draft_from_order(tx, order)?;
    let mut ordered = rules::ByCase::new();
    for line in orders::lines(tx, order)? {
        let sum = ordered.entry(line.vat_case).or_default();
        *sum = sum.plus(line.net_minor)?;
    }
    let (invoiced, earlier) = store::invoiced_by_case(tx, order, but)?;
    let parts = match (stage, share) {
        (Stage::Single, _) => return Ok(base),
        (Stage::Deposit | Stage::Interim, Some(share)) => rules::share_of(&ordered, &invoiced, share)?,
        (Stage::Deposit | Stage::Interim, None) => return Err(Error::field("/share", "required")),
        (Stage::Balance, None) => rules::balance_of(&ordered, &invoiced)?,
        (Stage::Balance, Some(_)) => return Err(Error::field("/share", "not_allowed")),
    };
    let language = clients::client(tx, base.client)?.language;
    let numbers: Vec<String> = earlier.into_iter().map(|document| document.number).collect();
    let label = rules::part_label((stage, share), language, &base.title, &numbers);
    let why = |case| base.lines.iter().find(|line| line.vat_case == case)?.vat_justification.clone();
    let line = |(vat_case, net): (_, Minor)| DocumentLine {
        label: label.clone(),
        quantity: Decimal::ONE,
        unit: "C62".to_owned(),
        unit_price: Money { amount_minor: net, currency: base.currency },
        exact_unit_price: None,
        vat_case,
        vat_justification: why(vat_case),
        adjustments: Vec::new(),
    };
    let lines = parts.into_iter().map(line).collect();
    Ok(Draft { stage, share, lines, adjustments: Vec::new(), ..base.clone() })
}
