//! What an activity can expect: the money of its invoices on their promised days, and the orders that clients confirmed.
//! A part of the desk.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};

use super::payments::levies_to_come;
use super::store::{self, Lateness, Promised, ToInvoice};
use crate::activities::ActivityRow;
use crate::kernel::calendar::{Holidays, add_working_days};
use crate::kernel::ids::{ActivityId, ClientId, InvoiceId, OrderId};
use crate::kernel::levies::apply;
use crate::kernel::money::Minor;
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::{charter, ledger, levies};

/// Money that an activity can expect.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// Of this invoice.
    pub invoice: Option<InvoiceId>,
    /// Of this order.
    pub order: Option<OrderId>,
    /// When its work ends, while it is not invoiced.
    pub work_ends_on: Option<NaiveDate>,
    /// On this day: the promised one, or the last day to pay and what this client takes beyond it.
    pub on: NaiveDate,
    /// What is left for the activity.
    pub amount: Minor,
}

/// How late a client pays, by its own paid invoices.
///
/// # Errors
/// Fails with the database.
pub fn lateness(tx: &mut Tx<'_>, client: ClientId) -> Result<Lateness> {
    store::lateness_of(tx, client)
}

/// When the work of invoices of an activity ended and when they were issued, of those issued since a day.
///
/// # Errors
/// Fails with the database.
pub fn work_ends(tx: &mut Tx<'_>, activity: ActivityId, since: NaiveDate) -> Result<Vec<(NaiveDate, NaiveDate)>> {
    store::list_work_ends(tx, activity, since)
}

/// What an activity can expect, by day: pending invoices that nobody disputes, invoices that wait for the office, and
/// confirmed orders as far as they are not invoiced. Nothing is expected before tomorrow that is late already.
///
/// # Errors
/// 409 `rule_set_missing`.
pub fn promises(tx: &mut Tx<'_>, activity: &ActivityRow, today: NaiveDate) -> Result<Vec<Promise>> {
    let mut late = BTreeMap::new();
    let mut found = Vec::new();
    let origins = ledger::origins(tx, activity.id)?;
    let pending: BTreeMap<_, _> = origins.iter().map(|origin| (origin.invoice_id, origin.pending_minor)).collect();
    let ids: Vec<InvoiceId> = pending.iter().filter(|(_, held)| **held > Minor::ZERO).map(|(id, _)| *id).collect();
    for promised in store::list_promised(tx, &ids)? {
        if promised.is_disputed {
            continue;
        }
        let held = pending.get(&promised.id).copied().unwrap_or_default();
        let invoice = store::find_open(tx, promised.id)?;
        let levied =
            if invoice.activity_id == activity.id { levies_to_come(tx, &invoice, today)? } else { Minor::ZERO };
        let days = days_late(tx, &mut late, promised.client_id)?;
        let (invoice, amount) = (Some(promised.id), held.minus(levied)?);
        found.push(Promise { invoice, order: None, work_ends_on: None, on: paid_on(&promised, days, today), amount });
    }
    found.extend(to_invoice(tx, activity, today, &mut late)?);
    found.retain(|promise| promise.amount > Minor::ZERO);
    found.sort_by_key(|promise| (promise.on, promise.invoice, promise.order));
    Ok(found)
}

fn days_late(tx: &mut Tx<'_>, known: &mut BTreeMap<ClientId, u32>, client: ClientId) -> Result<u32> {
    if let Some(days) = known.get(&client) {
        return Ok(*days);
    }
    let days = u32::try_from(store::lateness_of(tx, client)?.days).unwrap_or_default();
    known.insert(client, days);
    Ok(days)
}

fn plus(day: NaiveDate, days: u32) -> NaiveDate {
    day.checked_add_days(Days::new(u64::from(days))).unwrap_or(NaiveDate::MAX)
}

fn paid_on(promised: &Promised, days_late: u32, today: NaiveDate) -> NaiveDate {
    match promised.advance_due_on {
        Some(day) if !promised.is_held => day.max(today),
        _ => plus(promised.due_on, days_late).max(plus(today, 1)),
    }
}

fn to_invoice(
    tx: &mut Tx<'_>,
    activity: &ActivityRow,
    today: NaiveDate,
    late: &mut BTreeMap<ClientId, u32>,
) -> Result<Vec<Promise>> {
    let rows = store::list_to_invoice(tx, activity.id)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let terms = levies::in_force(tx, activity, today)?.terms;
    let rules = charter::rule_set_on(tx, activity.entity_id, today)?;
    let entity = charter::entity(tx, activity.entity_id)?;
    let holidays = charter::holidays(tx, &entity.country, today)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let kept =
            terms.iter().map(|(term, standing)| apply(term, row.net_minor, standing).map(|charge| charge.amount));
        let kept = Minor::sum(kept.collect::<Result<Vec<_>, _>>()?)?;
        let days = days_late(tx, late, row.client_id)?;
        let terms = (rules.advance_working_days, rules.payment_terms_days);
        let on = expected_on(&row, terms, days, (today, &holidays));
        found.push(Promise {
            invoice: row.invoice_id,
            order: row.order_id,
            work_ends_on: Some(row.ends_on),
            on,
            amount: row.net_minor.minus(kept)?,
        });
    }
    Ok(found)
}

/// As if it were issued on the day the work ends: with the guarantee its promised day, else when the client pays.
fn expected_on(
    row: &ToInvoice,
    (advance_days, payment_days): (i32, i32),
    days_late: u32,
    (today, holidays): (NaiveDate, &Holidays),
) -> NaiveDate {
    let from = row.ends_on.max(today);
    let days = |days: i32| u32::try_from(days).unwrap_or_default();
    let advanced = row.is_covered.then(|| add_working_days(from, days(advance_days), holidays)).flatten();
    advanced.unwrap_or_else(|| plus(plus(from, days(payment_days)), days_late))
}
