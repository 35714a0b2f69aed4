//! The SQL of orders.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use umbel_schema::{order_answer, order_currency, order_document, order_line, order_version, orders};
use uuid::Uuid;

use super::{Draft, NewAnswer, OrderState};
use crate::kernel::ids::{ActivityId, ClientId, EntityId, ExchangeRateId, FileId, OrderId, PersonId, RuleSetId};
use crate::kernel::lines::{self, LineKind};
use crate::kernel::money::{Currency, Minor};
use crate::kernel::vat::{Totals, VatCase};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;

/// An order.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
pub struct OrderRow {
    /// Its id.
    pub id: OrderId,
    /// Which entity would do it.
    pub entity_id: EntityId,
    /// Who offers it.
    pub member_id: PersonId,
    /// To which activity it belongs.
    pub activity_id: ActivityId,
    /// Who may buy.
    pub client_id: ClientId,
    /// Where it stands.
    pub state: OrderState,
    /// One line.
    pub title: String,
    /// More.
    pub description: String,
    /// Of every amount.
    pub currency: Currency,
    /// The first day of work.
    pub work_starts_on: Option<NaiveDate>,
    /// The last day of work.
    pub work_ends_on: NaiveDate,
    /// The last day on which the client may answer.
    pub valid_until: NaiveDate,
    /// Without VAT.
    pub net_minor: Minor,
    /// VAT.
    pub tax_minor: Minor,
    /// With VAT.
    pub gross_minor: Minor,
    /// The rules in force when it was sent.
    pub rule_set_id: Option<RuleSetId>,
    /// The newest version that was sent.
    pub sent_version: Option<i32>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last sent.
    pub sent_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub version: i32,
    /// What the buyer wants to read on the invoice.
    pub buyer_reference: Option<String>,
    /// The buyer's purchase order.
    pub purchase_order: Option<String>,
}

/// A line of an order, or after the lines a discount or charge on all of them.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = order_line, check_for_backend(diesel::pg::Pg))]
pub struct OrderLineRow {
    /// Its place.
    pub n: i32,
    /// What is sold.
    pub label: String,
    /// How much.
    pub quantity: Decimal,
    /// For one.
    pub unit_price_minor: Minor,
    /// How VAT applies.
    pub vat_case: VatCase,
    /// What it comes to.
    pub net_minor: Minor,
    /// What it is.
    pub kind: LineKind,
    /// Of what.
    pub unit: String,
    /// For one, in ten-thousandths of a unit of the currency, where minor units are not fine enough.
    pub unit_price_e4: Option<i64>,
    /// Discounts and charges with what they come to.
    pub adjustments: Value,
    /// Why the VAT case applies.
    pub vat_justification: Option<String>,
}

/// A client's answer.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = order_answer, check_for_backend(diesel::pg::Pg))]
pub struct AnswerRow {
    /// To which version.
    pub n: i32,
    /// `confirmed`, `declined` or `change_requested`.
    pub answer: String,
    /// The hash of what they saw.
    pub sha256: Vec<u8>,
    /// The hash of its PDF, where it was made by then.
    pub pdf_sha256: Option<Vec<u8>>,
    /// Who signed.
    pub signer: String,
    /// What they added.
    pub message: String,
    /// Where from.
    pub address: String,
    /// With what.
    pub user_agent: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What shapes a list of orders.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<OrderState>,
    /// Only for this client.
    pub client_id: Option<ClientId>,
}

pub(super) fn insert(
    tx: &mut Tx<'_>,
    id: OrderId,
    member: PersonId,
    entity: EntityId,
    draft: &Draft,
    totals: &Totals,
) -> Result<()> {
    diesel::insert_into(orders::table)
        .values((
            (
                orders::id.eq(id),
                orders::entity_id.eq(entity),
                orders::member_id.eq(member),
                orders::activity_id.eq(draft.activity),
                orders::client_id.eq(draft.client),
                orders::title.eq(draft.title.trim()),
                orders::description.eq(&draft.description),
            ),
            (
                orders::currency.eq(draft.currency),
                orders::work_starts_on.eq(draft.work_starts_on),
                orders::work_ends_on.eq(draft.work_ends_on),
                orders::valid_until.eq(draft.valid_until),
                orders::net_minor.eq(totals.net),
                orders::tax_minor.eq(totals.tax),
                orders::gross_minor.eq(totals.gross),
                orders::buyer_reference.eq(draft.buyer_reference.as_deref().map(str::trim)),
                orders::purchase_order.eq(draft.purchase_order.as_deref().map(str::trim)),
            ),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn save_draft(tx: &mut Tx<'_>, order: &Locked<OrderRow>, draft: &Draft, totals: &Totals) -> Result<()> {
    diesel::update(orders::table.find(order.id))
        .set((
            orders::state.eq(OrderState::Draft),
            orders::activity_id.eq(draft.activity),
            orders::client_id.eq(draft.client),
            orders::title.eq(draft.title.trim()),
            orders::description.eq(&draft.description),
            orders::currency.eq(draft.currency),
            orders::work_starts_on.eq(draft.work_starts_on),
            orders::work_ends_on.eq(draft.work_ends_on),
            orders::valid_until.eq(draft.valid_until),
            orders::net_minor.eq(totals.net),
            orders::tax_minor.eq(totals.tax),
            orders::gross_minor.eq(totals.gross),
            orders::buyer_reference.eq(draft.buyer_reference.as_deref().map(str::trim)),
            orders::purchase_order.eq(draft.purchase_order.as_deref().map(str::trim)),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// Keeps the rate by which the guarantee judged an order in another currency.
pub(super) fn insert_rate(tx: &mut Tx<'_>, id: OrderId, rate: ExchangeRateId) -> Result<()> {
    diesel::insert_into(order_currency::table)
        .values((order_currency::order_id.eq(id), order_currency::exchange_rate_id.eq(rate)))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn replace_lines(tx: &mut Tx<'_>, id: OrderId, draft: &Draft, totals: &Totals) -> Result<()> {
    diesel::delete(order_line::table.filter(order_line::order_id.eq(id))).execute(tx.conn())?;
    let rows: Vec<_> = lines::records(&draft.lines, &draft.adjustments, totals)?
        .into_iter()
        .map(|row| {
            (
                order_line::order_id.eq(id),
                order_line::n.eq(row.n),
                order_line::label.eq(row.label),
                order_line::quantity.eq(row.quantity),
                order_line::unit_price_minor.eq(row.unit_price),
                order_line::vat_case.eq(row.case),
                order_line::net_minor.eq(row.net),
                order_line::kind.eq(row.kind),
                order_line::unit.eq(row.unit),
                order_line::unit_price_e4.eq(row.unit_price_e4),
                order_line::adjustments.eq(row.adjustments),
                order_line::vat_justification.eq(row.justification),
            )
        })
        .collect();
    diesel::insert_into(order_line::table).values(rows).execute(tx.conn())?;
    Ok(())
}

pub(super) fn find(tx: &mut Tx<'_>, id: OrderId) -> Result<OrderRow> {
    let mut query = orders::table.find(id).select(OrderRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(orders::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: OrderId) -> Result<Locked<OrderRow>> {
    let order = find(tx, id)?;
    if tx.faults().removed(Guard::RowLock) {
        return Ok(Locked::new(order));
    }
    let query = orders::table.find(id).select(OrderRow::as_select()).for_update();
    Ok(Locked::new(query.first(tx.conn())?))
}

pub(super) fn list(tx: &mut Tx<'_>, filter: &Filter, after: Option<Uuid>, limit: i64) -> Result<Vec<OrderRow>> {
    let mut query = orders::table.order(orders::id.desc()).limit(limit).select(OrderRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(orders::member_id.eq(owner));
    }
    if let Some(state) = filter.state {
        query = query.filter(orders::state.eq(state));
    }
    if let Some(client) = filter.client_id {
        query = query.filter(orders::client_id.eq(client));
    }
    if let Some(after) = after {
        query = query.filter(orders::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn list_lines(tx: &mut Tx<'_>, id: OrderId) -> Result<Vec<OrderLineRow>> {
    Ok(order_line::table
        .filter(order_line::order_id.eq(id))
        .order(order_line::n.asc())
        .select(OrderLineRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn insert_version(tx: &mut Tx<'_>, id: OrderId, n: i32, content: &str, sha256: &[u8]) -> Result<()> {
    diesel::insert_into(order_version::table)
        .values((
            order_version::order_id.eq(id),
            order_version::n.eq(n),
            order_version::content.eq(content),
            order_version::sha256.eq(sha256),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_version(tx: &mut Tx<'_>, id: OrderId, n: i32) -> Result<(String, Vec<u8>)> {
    Ok(order_version::table.find((id, n)).select((order_version::content, order_version::sha256)).first(tx.conn())?)
}

pub(super) fn insert_document(tx: &mut Tx<'_>, id: OrderId, n: i32, file: FileId, sha256: &[u8]) -> Result<()> {
    diesel::insert_into(order_document::table)
        .values((
            order_document::order_id.eq(id),
            order_document::n.eq(n),
            order_document::file_id.eq(file),
            order_document::sha256.eq(sha256),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// The PDF of a version, once made, and its hash.
pub(super) fn find_document(tx: &mut Tx<'_>, id: OrderId, n: i32) -> Result<Option<(FileId, Vec<u8>)>> {
    Ok(order_document::table
        .find((id, n))
        .select((order_document::file_id, order_document::sha256))
        .first(tx.conn())
        .optional()?)
}

pub(super) fn mark_sent(tx: &mut Tx<'_>, order: &Locked<OrderRow>, n: i32, rule_set: RuleSetId) -> Result<()> {
    let now = tx.now();
    diesel::update(orders::table.find(order.id))
        .set((
            orders::state.eq(OrderState::Sent),
            orders::sent_version.eq(n),
            orders::rule_set_id.eq(rule_set),
            orders::sent_at.eq(now),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn set_state(tx: &mut Tx<'_>, order: &Locked<OrderRow>, state: OrderState) -> Result<()> {
    diesel::update(orders::table.find(order.id)).set(orders::state.eq(state)).execute(tx.conn())?;
    Ok(())
}

pub(super) fn insert_answer(
    tx: &mut Tx<'_>,
    order: &Locked<OrderRow>,
    n: i32,
    given: &NewAnswer,
    pdf_sha256: Option<&[u8]>,
    (link, address): (Uuid, &str),
) -> Result<()> {
    diesel::insert_into(order_answer::table)
        .values((
            order_answer::order_id.eq(order.id),
            order_answer::n.eq(n),
            order_answer::answer.eq(given.answer.state().name()),
            order_answer::sha256.eq(&given.sha256),
            order_answer::pdf_sha256.eq(pdf_sha256),
            order_answer::signer.eq(given.signer.trim()),
            order_answer::message.eq(given.message.trim()),
            order_answer::address.eq(address),
            order_answer::user_agent.eq(&given.user_agent),
            order_answer::link_id.eq(link),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_answer(tx: &mut Tx<'_>, id: OrderId, n: i32) -> Result<Option<AnswerRow>> {
    Ok(order_answer::table.find((id, n)).select(AnswerRow::as_select()).first(tx.conn()).optional()?)
}

pub(super) fn expire(tx: &mut Tx<'_>, entity: EntityId, today: NaiveDate) -> Result<usize> {
    let late = orders::table
        .filter(orders::entity_id.eq(entity))
        .filter(orders::state.eq(OrderState::Sent))
        .filter(orders::valid_until.lt(today));
    Ok(diesel::update(late).set(orders::state.eq(OrderState::Expired)).execute(tx.conn())?)
}
