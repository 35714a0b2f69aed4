//! The SQL of the guarantee.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use serde_json::Value;
use umbel_schema::{guarantee_advance, guarantee_decision};

use super::NewAdvance;
use crate::kernel::ids::{AdvanceId, ClientId, InvoiceId, OrderId, PersonId, RuleSetId};
use crate::kernel::money::Minor;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// The frozen decision about an order.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = guarantee_decision, check_for_backend(diesel::pg::Pg))]
pub struct DecisionRow {
    /// The order.
    pub order_id: OrderId,
    /// Whether it is covered.
    pub eligible: bool,
    /// Every condition, with whether it held.
    pub reasons: Value,
    /// By which rules.
    pub rule_set_id: RuleSetId,
    /// When.
    pub decided_at: DateTime<Utc>,
}

/// An advance.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = guarantee_advance, check_for_backend(diesel::pg::Pg))]
pub struct AdvanceRow {
    /// Its id.
    pub id: AdvanceId,
    /// For this invoice.
    pub invoice_id: InvoiceId,
    /// To this member.
    pub member_id: PersonId,
    /// How much.
    pub amount_minor: Minor,
    /// On which day.
    pub advanced_on: NaiveDate,
}

#[derive(QueryableByName)]
struct Exposure {
    #[diesel(sql_type = BigInt)]
    exposed_minor: Minor,
}

pub(super) fn exposure(tx: &mut Tx<'_>, client: ClientId) -> Result<Minor> {
    let row: Exposure = diesel::sql_query("SELECT client_exposure($1) AS exposed_minor")
        .bind::<SqlUuid, _>(client)
        .get_result(tx.conn())?;
    Ok(row.exposed_minor)
}

pub(super) fn insert_decision(
    tx: &mut Tx<'_>,
    order: OrderId,
    eligible: bool,
    reasons: &Value,
    rule_set: RuleSetId,
) -> Result<DecisionRow> {
    Ok(diesel::insert_into(guarantee_decision::table)
        .values((
            guarantee_decision::order_id.eq(order),
            guarantee_decision::eligible.eq(eligible),
            guarantee_decision::reasons.eq(reasons),
            guarantee_decision::rule_set_id.eq(rule_set),
        ))
        .returning(DecisionRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_decision(tx: &mut Tx<'_>, order: OrderId) -> Result<Option<DecisionRow>> {
    Ok(guarantee_decision::table.find(order).select(DecisionRow::as_select()).first(tx.conn()).optional()?)
}

pub(super) fn insert_advance(tx: &mut Tx<'_>, id: AdvanceId, new: &NewAdvance) -> Result<()> {
    diesel::insert_into(guarantee_advance::table)
        .values((
            guarantee_advance::id.eq(id),
            guarantee_advance::invoice_id.eq(new.invoice),
            guarantee_advance::member_id.eq(new.member),
            guarantee_advance::activity_id.eq(new.activity),
            guarantee_advance::amount_minor.eq(new.amount),
            guarantee_advance::currency.eq(new.currency),
            guarantee_advance::advanced_on.eq(new.on),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_advance(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Option<AdvanceRow>> {
    let mut query = guarantee_advance::table
        .filter(guarantee_advance::invoice_id.eq(invoice))
        .select(AdvanceRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(guarantee_advance::member_id.eq(owner));
    }
    Ok(query.first(tx.conn()).optional()?)
}
