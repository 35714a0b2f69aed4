//! The SQL of the guarantee.

mod returns;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Date, Uuid as SqlUuid};
pub use returns::ContributionOwedRow;
pub(super) use returns::{insert_owed, insert_return, list_open_owed, list_owed, sum_owed, sum_owed_of};
use serde_json::Value;
use umbel_schema::{
    advance_hold, guarantee_advance, guarantee_claim, guarantee_decision, guarantee_draw, guarantee_draw_run,
    invoice_dispute,
};
use uuid::Uuid;

use super::{Disputant, NewAdvance, NewClaim, Pair, ReasonCode};
use crate::kernel::ids::{
    ActivityId, AdvanceId, ClaimId, ClientId, DisputeId, DrawId, DrawRunId, EntityId, HoldId, InvoiceId, OrderId,
    PersonId, RuleSetId, WriteOffId,
};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::platform::faults::Guard;

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

/// An advance that waits although its day has come.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = advance_hold, check_for_backend(diesel::pg::Pg))]
pub struct HoldRow {
    /// Its id.
    pub id: HoldId,
    /// Of this invoice.
    pub invoice_id: InvoiceId,
    /// The name of the reason.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A client's objection to an invoice.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = invoice_dispute, check_for_backend(diesel::pg::Pg))]
pub struct DisputeRow {
    /// Its id.
    pub id: DisputeId,
    /// About this invoice.
    pub invoice_id: InvoiceId,
    /// What the client says.
    pub reason: String,
    /// Who noted it; nobody when the client did so by the link of the mail.
    pub opened_by: Option<PersonId>,
    /// When.
    pub opened_at: DateTime<Utc>,
    /// How it ended.
    pub resolution: Option<String>,
    /// Who ended it.
    pub resolved_by: Option<PersonId>,
    /// When.
    pub resolved_at: Option<DateTime<Utc>>,
}

/// What the fund owes for a loss.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = guarantee_claim, check_for_backend(diesel::pg::Pg))]
pub struct ClaimRow {
    /// Its id.
    pub id: ClaimId,
    /// Whose fund.
    pub entity_id: EntityId,
    /// For this loss.
    pub write_off_id: WriteOffId,
    /// Of this invoice.
    pub invoice_id: InvoiceId,
    /// Of this member.
    pub member_id: PersonId,
    /// On this activity.
    pub activity_id: ActivityId,
    /// Its client.
    pub client_id: ClientId,
    /// Of all its amounts.
    pub currency: Currency,
    /// How much was claimed.
    pub amount_minor: Minor,
    /// What the fund gave.
    pub drawn_minor: Minor,
    /// What came from the client instead.
    pub recovered_minor: Minor,
    /// The day of the loss.
    pub opened_on: NaiveDate,
}

/// Money that the fund gave for a claim.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = guarantee_draw, check_for_backend(diesel::pg::Pg))]
pub struct DrawRow {
    /// Its id.
    pub id: DrawId,
    /// For this claim.
    pub claim_id: ClaimId,
    /// In this run; none when it was made with the write-off.
    pub run_id: Option<DrawRunId>,
    /// Whose fund.
    pub entity_id: EntityId,
    /// For this member.
    pub member_id: PersonId,
    /// Of the amount.
    pub currency: Currency,
    /// How much.
    pub amount_minor: Minor,
    /// On which day.
    pub drawn_on: NaiveDate,
}

/// Claims that were paid together.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = guarantee_draw_run, check_for_backend(diesel::pg::Pg))]
pub struct DrawRunRow {
    /// Its id.
    pub id: DrawRunId,
    /// Whose fund.
    pub entity_id: EntityId,
    /// Of all its amounts.
    pub currency: Currency,
    /// On which day.
    pub drawn_on: NaiveDate,
    /// What the fund held before.
    pub fund_minor: Minor,
    /// What was claimed of it.
    pub claimed_minor: Minor,
    /// What it gave.
    pub paid_minor: Minor,
    /// How many claims were open.
    pub claim_count: i32,
    /// Who made it.
    pub made_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What is open without an order that is judged, over all members who work for its client.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Exposure {
    /// With the client.
    #[diesel(sql_type = BigInt)]
    pub client_minor: Minor,
    /// With all clients of the member.
    #[diesel(sql_type = BigInt)]
    pub member_minor: Minor,
    /// Between the member and the client.
    #[diesel(sql_type = BigInt)]
    pub pair_minor: Minor,
    /// Whether the client has ever paid anything for the member's work.
    #[diesel(sql_type = Bool)]
    pub pair_has_paid: bool,
    /// Whether the client disputes an invoice of anybody.
    #[diesel(sql_type = Bool)]
    pub is_disputed: bool,
    /// What the fund holds.
    #[diesel(sql_type = BigInt)]
    pub fund_minor: Minor,
    /// What was advanced and is not paid yet.
    #[diesel(sql_type = BigInt)]
    pub advances_minor: Minor,
}

/// What the fund of an entity holds, and what came and went since a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct FundFigures {
    /// What it holds now.
    #[diesel(sql_type = BigInt)]
    pub fund_minor: Minor,
    /// Contributions, less those of credit notes.
    #[diesel(sql_type = BigInt)]
    pub contributed_minor: Minor,
    /// What it gave for losses.
    #[diesel(sql_type = BigInt)]
    pub drawn_minor: Minor,
    /// Contributions that went back with a write-off.
    #[diesel(sql_type = BigInt)]
    pub returned_minor: Minor,
    /// What came back later.
    #[diesel(sql_type = BigInt)]
    pub recovered_minor: Minor,
    /// Advanced and not paid by clients yet.
    #[diesel(sql_type = BigInt)]
    pub advances_minor: Minor,
    /// On how many invoices.
    #[diesel(sql_type = BigInt)]
    pub advance_count: i64,
    /// Claimed of it and not paid yet.
    #[diesel(sql_type = BigInt)]
    pub claims_minor: Minor,
    /// By how many claims.
    #[diesel(sql_type = BigInt)]
    pub claim_count: i64,
    /// Confirmed orders that it covers.
    #[diesel(sql_type = BigInt)]
    pub covered_count: i64,
    /// Confirmed orders that it does not cover.
    #[diesel(sql_type = BigInt)]
    pub not_covered_count: i64,
}

pub(super) fn exposure(tx: &mut Tx<'_>, of: Pair) -> Result<Exposure> {
    Ok(diesel::sql_query("SELECT * FROM guarantee_exposure($1, $2, $3)")
        .bind::<SqlUuid, _>(of.entity)
        .bind::<SqlUuid, _>(of.member)
        .bind::<SqlUuid, _>(of.client)
        .get_result(tx.conn())?)
}

pub(super) fn fund_figures(tx: &mut Tx<'_>, entity: EntityId, since: NaiveDate) -> Result<FundFigures> {
    Ok(diesel::sql_query("SELECT * FROM guarantee_fund_figures($1, $2)")
        .bind::<SqlUuid, _>(entity)
        .bind::<Date, _>(since)
        .get_result(tx.conn())?)
}

pub(super) fn lock_fund(tx: &mut Tx<'_>, entity: EntityId) -> Result<()> {
    if !tx.faults().removed(Guard::RowLock) {
        diesel::sql_query("SELECT pg_advisory_xact_lock(guarantee_fund_lock($1))")
            .bind::<SqlUuid, _>(entity)
            .execute(tx.conn())?;
    }
    Ok(())
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

pub(super) fn find_open_hold(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Option<HoldRow>> {
    Ok(advance_hold::table
        .filter(advance_hold::invoice_id.eq(invoice))
        .filter(advance_hold::ended_at.is_null())
        .select(HoldRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn insert_hold(tx: &mut Tx<'_>, invoice: InvoiceId, member: PersonId, reason: ReasonCode) -> Result<()> {
    let (id, now): (HoldId, _) = (tx.new_id(), tx.now());
    diesel::insert_into(advance_hold::table)
        .values((
            advance_hold::id.eq(id),
            advance_hold::invoice_id.eq(invoice),
            advance_hold::member_id.eq(member),
            advance_hold::reason.eq(reason.name()),
            advance_hold::since.eq(now),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn end_hold(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<()> {
    let now = tx.now();
    diesel::update(
        advance_hold::table.filter(advance_hold::invoice_id.eq(invoice)).filter(advance_hold::ended_at.is_null()),
    )
    .set(advance_hold::ended_at.eq(now))
    .execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_open_dispute(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Option<DisputeRow>> {
    Ok(invoice_dispute::table
        .filter(invoice_dispute::invoice_id.eq(invoice))
        .filter(invoice_dispute::resolved_at.is_null())
        .select(DisputeRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn insert_dispute(
    tx: &mut Tx<'_>,
    invoice: InvoiceId,
    member: PersonId,
    reason: &str,
    by: Disputant,
) -> Result<DisputeRow> {
    let (id, now): (DisputeId, _) = (tx.new_id(), tx.now());
    let (opened_by, link_id) = match by {
        Disputant::Office(person) => (Some(person), None),
        Disputant::Client(link) => (None, Some(link)),
    };
    Ok(diesel::insert_into(invoice_dispute::table)
        .values((
            invoice_dispute::id.eq(id),
            invoice_dispute::invoice_id.eq(invoice),
            invoice_dispute::member_id.eq(member),
            invoice_dispute::reason.eq(reason.trim()),
            invoice_dispute::opened_by.eq(opened_by),
            invoice_dispute::link_id.eq(link_id),
            invoice_dispute::opened_at.eq(now),
        ))
        .returning(DisputeRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn resolve_dispute(tx: &mut Tx<'_>, id: DisputeId, resolution: &str, by: PersonId) -> Result<DisputeRow> {
    let now = tx.now();
    Ok(diesel::update(invoice_dispute::table.find(id))
        .set((
            invoice_dispute::resolution.eq(resolution.trim()),
            invoice_dispute::resolved_by.eq(by),
            invoice_dispute::resolved_at.eq(now),
        ))
        .returning(DisputeRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn insert_claim(tx: &mut Tx<'_>, new: &NewClaim) -> Result<ClaimRow> {
    let id: ClaimId = tx.new_id();
    Ok(diesel::insert_into(guarantee_claim::table)
        .values((
            guarantee_claim::id.eq(id),
            guarantee_claim::entity_id.eq(new.entity),
            guarantee_claim::write_off_id.eq(new.write_off),
            guarantee_claim::invoice_id.eq(new.invoice),
            guarantee_claim::member_id.eq(new.member),
            guarantee_claim::activity_id.eq(new.activity),
            guarantee_claim::client_id.eq(new.client),
            guarantee_claim::currency.eq(new.currency),
            guarantee_claim::amount_minor.eq(new.amount),
            guarantee_claim::opened_on.eq(new.on),
        ))
        .returning(ClaimRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_claim_of(tx: &mut Tx<'_>, write_off: WriteOffId) -> Result<Option<ClaimRow>> {
    Ok(guarantee_claim::table
        .filter(guarantee_claim::write_off_id.eq(write_off))
        .select(ClaimRow::as_select())
        .first(tx.conn())
        .optional()?)
}

/// In the order of their ids, which decides ties.
pub(super) fn list_open_claims(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<ClaimRow>> {
    Ok(guarantee_claim::table
        .filter(guarantee_claim::entity_id.eq(entity))
        .filter((guarantee_claim::drawn_minor + guarantee_claim::recovered_minor).lt(guarantee_claim::amount_minor))
        .order(guarantee_claim::id.asc())
        .select(ClaimRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn list_claims(tx: &mut Tx<'_>, is_open: bool, after: Option<Uuid>, limit: i64) -> Result<Vec<ClaimRow>> {
    let mut query = guarantee_claim::table
        .order(guarantee_claim::id.desc())
        .limit(limit)
        .select(ClaimRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(guarantee_claim::member_id.eq(owner));
    }
    if is_open {
        query = query.filter(
            (guarantee_claim::drawn_minor + guarantee_claim::recovered_minor).lt(guarantee_claim::amount_minor),
        );
    }
    if let Some(after) = after {
        query = query.filter(guarantee_claim::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn list_draws(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<DrawRow>> {
    let mut query =
        guarantee_draw::table.order(guarantee_draw::id.desc()).limit(limit).select(DrawRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(guarantee_draw::member_id.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(guarantee_draw::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert_draw_run(tx: &mut Tx<'_>, run: &DrawRunRow) -> Result<()> {
    diesel::insert_into(guarantee_draw_run::table).values(run).execute(tx.conn())?;
    Ok(())
}

pub(super) fn insert_draw(
    tx: &mut Tx<'_>,
    id: DrawId,
    claim: &ClaimRow,
    amount: Minor,
    run: Option<DrawRunId>,
    on: NaiveDate,
) -> Result<DrawRow> {
    Ok(diesel::insert_into(guarantee_draw::table)
        .values((
            guarantee_draw::id.eq(id),
            guarantee_draw::claim_id.eq(claim.id),
            guarantee_draw::run_id.eq(run),
            guarantee_draw::entity_id.eq(claim.entity_id),
            guarantee_draw::member_id.eq(claim.member_id),
            guarantee_draw::currency.eq(claim.currency),
            guarantee_draw::amount_minor.eq(amount),
            guarantee_draw::drawn_on.eq(on),
        ))
        .returning(DrawRow::as_returning())
        .get_result(tx.conn())?)
}
