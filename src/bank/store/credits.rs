//! The SQL of what is kept for clients and given back to them.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use umbel_schema::{client_credit, client_credit_use, client_credit_withdrawal, client_refund};
use uuid::Uuid;

use crate::kernel::ids::{
    BankLineId, ClientCreditId, ClientCreditUseId, ClientId, ClientRefundId, EntityId, InvoiceId, PersonId,
};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// Money of a client that no invoice asks for.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = client_credit, check_for_backend(diesel::pg::Pg))]
pub struct CreditRow {
    /// Its id.
    pub id: ClientCreditId,
    /// Whose account it came to.
    pub entity_id: EntityId,
    /// Whose money it is.
    pub client_id: ClientId,
    /// Whose client that is.
    pub member_id: PersonId,
    /// The line that brought it.
    pub bank_line_id: BankLineId,
    /// How much.
    pub amount_minor: Minor,
    /// Of the amount.
    pub currency: Currency,
    /// Why it is kept.
    pub reason: String,
    /// On which day it counts.
    pub credited_on: NaiveDate,
    /// Who decided it.
    pub credited_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What of a credit pays an invoice.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = client_credit_use, check_for_backend(diesel::pg::Pg))]
pub(in crate::bank) struct UseRow {
    pub id: ClientCreditUseId,
    pub credit_id: ClientCreditId,
    pub member_id: PersonId,
    pub invoice_id: InvoiceId,
    pub amount_minor: Minor,
    pub used_on: NaiveDate,
    pub used_by: PersonId,
    pub created_at: DateTime<Utc>,
}

/// What is given back to a client.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = client_refund, check_for_backend(diesel::pg::Pg))]
pub struct RefundRow {
    /// Its id.
    pub id: ClientRefundId,
    /// Out of what.
    pub credit_id: ClientCreditId,
    /// Whose account pays.
    pub entity_id: EntityId,
    /// To whom.
    pub client_id: ClientId,
    /// Whose client that is.
    pub member_id: PersonId,
    /// How much.
    pub amount_minor: Minor,
    /// Of the amount.
    pub currency: Currency,
    /// Why.
    pub reason: String,
    /// `requested`, `approved`, `rejected` or `paid`.
    pub state: String,
    /// Who asked for it.
    pub requested_by: PersonId,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// With which words.
    pub decision: Option<String>,
    /// The line of the bank that paid it.
    pub bank_line_id: Option<BankLineId>,
    /// On which day that counts.
    pub paid_on: Option<NaiveDate>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

#[derive(QueryableByName)]
struct Left {
    #[diesel(sql_type = BigInt)]
    left_minor: Minor,
}

pub(in crate::bank) fn insert_credit(tx: &mut Tx<'_>, row: &CreditRow) -> Result<()> {
    diesel::insert_into(client_credit::table).values(row).execute(tx.conn())?;
    Ok(())
}

pub(in crate::bank) fn insert_use(tx: &mut Tx<'_>, row: &UseRow) -> Result<()> {
    diesel::insert_into(client_credit_use::table).values(row).execute(tx.conn())?;
    Ok(())
}

pub(in crate::bank) fn find_credit(tx: &mut Tx<'_>, id: ClientCreditId) -> Result<CreditRow> {
    Ok(client_credit::table.find(id).select(CreditRow::as_select()).first(tx.conn())?)
}

pub(in crate::bank) fn list_credits(
    tx: &mut Tx<'_>,
    client: Option<ClientId>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<CreditRow>> {
    let mut query =
        client_credit::table.order(client_credit::id.desc()).limit(limit).select(CreditRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(client_credit::member_id.eq(owner));
    }
    if let Some(client) = client {
        query = query.filter(client_credit::client_id.eq(client));
    }
    if let Some(after) = after {
        query = query.filter(client_credit::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// What of a credit is neither used nor promised.
pub(in crate::bank) fn left_of(tx: &mut Tx<'_>, id: ClientCreditId) -> Result<Minor> {
    let left: Left = diesel::sql_query(
        "SELECT (c.amount_minor - coalesce((SELECT sum(amount_minor) FROM client_credit_use WHERE credit_id = c.id), 0) \
                - coalesce((SELECT sum(amount_minor) FROM client_refund WHERE credit_id = c.id AND state IN ('approved', 'paid')), 0))::bigint AS left_minor \
         FROM client_credit c WHERE c.id = $1 AND NOT EXISTS (SELECT FROM client_credit_withdrawal w WHERE w.credit_id = c.id) \
         UNION ALL SELECT 0::bigint FROM client_credit_withdrawal w WHERE w.credit_id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(tx.conn())?;
    Ok(left.left_minor)
}

pub(in crate::bank) fn insert_withdrawal(
    tx: &mut Tx<'_>,
    of: &CreditRow,
    (by, on): (PersonId, NaiveDate),
    reason: &str,
) -> Result<()> {
    diesel::insert_into(client_credit_withdrawal::table)
        .values((
            client_credit_withdrawal::credit_id.eq(of.id),
            client_credit_withdrawal::member_id.eq(of.member_id),
            client_credit_withdrawal::reason.eq(reason),
            client_credit_withdrawal::withdrawn_on.eq(on),
            client_credit_withdrawal::withdrawn_by.eq(by),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(in crate::bank) fn insert_refund(tx: &mut Tx<'_>, row: &RefundRow) -> Result<()> {
    diesel::insert_into(client_refund::table).values(row).execute(tx.conn())?;
    Ok(())
}

pub(in crate::bank) fn find_refund(tx: &mut Tx<'_>, id: ClientRefundId) -> Result<RefundRow> {
    Ok(client_refund::table.find(id).select(RefundRow::as_select()).first(tx.conn())?)
}

pub(in crate::bank) fn lock_refund(tx: &mut Tx<'_>, id: ClientRefundId) -> Result<Locked<RefundRow>> {
    let row = client_refund::table.find(id).select(RefundRow::as_select()).for_update().first(tx.conn())?;
    Ok(Locked::new(row))
}

pub(in crate::bank) fn save_refund(tx: &mut Tx<'_>, row: Locked<RefundRow>, changed: &RefundRow) -> Result<RefundRow> {
    Ok(diesel::update(client_refund::table.find(row.into_inner().id))
        .set((
            client_refund::state.eq(&changed.state),
            client_refund::decided_by.eq(changed.decided_by),
            client_refund::decided_at.eq(changed.decided_at),
            client_refund::decision.eq(&changed.decision),
            client_refund::bank_line_id.eq(changed.bank_line_id),
            client_refund::paid_on.eq(changed.paid_on),
        ))
        .returning(RefundRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::bank) fn list_refunds(
    tx: &mut Tx<'_>,
    state: Option<&str>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<RefundRow>> {
    let mut query =
        client_refund::table.order(client_refund::id.desc()).limit(limit).select(RefundRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(client_refund::member_id.eq(owner));
    }
    if let Some(state) = state {
        query = query.filter(client_refund::state.eq(state.to_owned()));
    }
    if let Some(after) = after {
        query = query.filter(client_refund::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}
