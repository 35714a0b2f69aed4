//! The SQL of how much may leave.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use umbel_schema::payout_limit;
use uuid::Uuid;

use crate::kernel::ids::{EntityId, PayoutId, PayoutLimitId, PersonId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;
use crate::risk::rules::limits::LimitKind;

/// How much may be paid out, from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payout_limit, check_for_backend(diesel::pg::Pg))]
pub struct LimitRow {
    /// Its id.
    pub id: PayoutLimitId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// What is limited.
    pub kind: LimitKind,
    /// Of this person alone.
    pub person_id: Option<PersonId>,
    /// How much; without one there is no limit.
    pub amount_minor: Option<Minor>,
    /// Its currency.
    pub currency: Currency,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Why.
    pub reason: String,
    /// Whether it allows more than what held, so that a second person is needed.
    pub is_looser: bool,
    /// Who decided.
    pub decided_by: PersonId,
    /// Who confirmed it.
    pub confirmed_by: Option<PersonId>,
    /// Grows with every change.
    pub version: i32,
}

/// A limit to be decided.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = payout_limit)]
pub(in crate::risk) struct NewLimit<'a> {
    pub(in crate::risk) id: PayoutLimitId,
    pub(in crate::risk) entity_id: EntityId,
    pub(in crate::risk) kind: LimitKind,
    pub(in crate::risk) person_id: Option<PersonId>,
    pub(in crate::risk) amount_minor: Option<Minor>,
    pub(in crate::risk) currency: Currency,
    pub(in crate::risk) valid_from: NaiveDate,
    pub(in crate::risk) reason: &'a str,
    pub(in crate::risk) decided_by: PersonId,
}

/// What is used of a limit.
#[derive(Debug, Clone, QueryableByName)]
pub(in crate::risk) struct LimitUse {
    #[diesel(sql_type = Text)]
    pub(in crate::risk) kind: LimitKind,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(in crate::risk) person_id: Option<PersonId>,
    #[diesel(sql_type = BigInt)]
    pub(in crate::risk) used_minor: i64,
    #[diesel(sql_type = BigInt)]
    pub(in crate::risk) limit_minor: i64,
}

/// A payout that counts for a limit.
#[derive(Debug, Clone, QueryableByName)]
pub(in crate::risk) struct Movement {
    #[diesel(sql_type = Timestamptz)]
    pub(in crate::risk) at: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    pub(in crate::risk) amount: i64,
}

#[derive(QueryableByName)]
struct Amount {
    #[diesel(sql_type = Nullable<BigInt>)]
    amount: Option<i64>,
}

/// Lets one transaction at a time count what an entity pays out.
pub(in crate::risk) fn lock_limits(tx: &mut Tx<'_>, entity: EntityId) -> Result<()> {
    if tx.faults().removed(Guard::RowLock) {
        return Ok(());
    }
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('payout limits ' || $1, 0))")
        .bind::<Text, _>(entity.to_string())
        .execute(tx.conn())?;
    Ok(())
}

pub(in crate::risk) fn has_limits(tx: &mut Tx<'_>, entity: EntityId) -> Result<bool> {
    let any = payout_limit::table.filter(payout_limit::entity_id.eq(entity));
    Ok(diesel::select(diesel::dsl::exists(any)).get_result(tx.conn())?)
}

/// What is used of each limit that some payouts fall under, themselves included; what is exceeded first.
pub(in crate::risk) fn used(
    tx: &mut Tx<'_>,
    entity: EntityId,
    currency: Currency,
    payouts: &[PayoutId],
    is_sealed: bool,
    (day, start): (NaiveDate, DateTime<Utc>),
) -> Result<Vec<LimitUse>> {
    let ids: Vec<Uuid> = payouts.iter().map(|id| id.0).collect();
    Ok(diesel::sql_query("SELECT * FROM payout_limit_use($1, $2, $3, $4, $5, $6)")
        .bind::<SqlUuid, _>(entity)
        .bind::<Text, _>(currency.to_string())
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Bool, _>(is_sealed)
        .bind::<Date, _>(day)
        .bind::<Timestamptz, _>(start)
        .load(tx.conn())?)
}

/// What counted for a limit in the last thirty days but for some payouts, oldest first.
pub(in crate::risk) fn movements(
    tx: &mut Tx<'_>,
    entity: EntityId,
    currency: Currency,
    person: Option<PersonId>,
    is_sealed: bool,
    but: &[PayoutId],
) -> Result<Vec<Movement>> {
    let ids: Vec<Uuid> = but.iter().map(|id| id.0).collect();
    Ok(diesel::sql_query(
        "SELECT at, amount FROM (
             SELECT CASE WHEN $4 THEN b.sealed_at ELSE p.reviewed_at END AS at, p.amount_minor AS amount
             FROM payout p LEFT JOIN payout_batch b ON b.id = p.batch_id
             WHERE p.entity_id = $1 AND p.currency = $2 AND ($3 IS NULL OR p.member_id = $3)
               AND p.state NOT IN ('requested', 'refused', 'cancelled') AND p.id <> ALL ($5)) m
         WHERE at > umbel_now() - interval '30 days' ORDER BY at",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(currency.to_string())
    .bind::<Nullable<SqlUuid>, _>(person)
    .bind::<Bool, _>(is_sealed)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(tx.conn())?)
}

/// The sum of some payouts, or of those of one member among them.
pub(in crate::risk) fn sum_of(tx: &mut Tx<'_>, of: &[PayoutId], member: Option<PersonId>) -> Result<i64> {
    let ids: Vec<Uuid> = of.iter().map(|id| id.0).collect();
    let found: Amount = diesel::sql_query(
        "SELECT sum(amount_minor)::bigint AS amount FROM payout WHERE id = ANY ($1) AND ($2 IS NULL OR member_id = $2)",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Nullable<SqlUuid>, _>(member)
    .get_result(tx.conn())?;
    Ok(found.amount.unwrap_or_default())
}

/// The limit of a kind on a day, if there is one.
pub(in crate::risk) fn limit_on(
    tx: &mut Tx<'_>,
    (entity, currency): (EntityId, Currency),
    kind: LimitKind,
    person: Option<PersonId>,
    day: NaiveDate,
) -> Result<Option<i64>> {
    let found: Amount = diesel::sql_query("SELECT payout_limit_on($1, $2, $3, $4, $5) AS amount")
        .bind::<SqlUuid, _>(entity)
        .bind::<Text, _>(kind.name())
        .bind::<Nullable<SqlUuid>, _>(person)
        .bind::<Text, _>(currency.to_string())
        .bind::<Date, _>(day)
        .get_result(tx.conn())?;
    Ok(found.amount)
}

/// The sum of the batches that somebody approved since a moment.
pub(in crate::risk) fn approved_today(
    tx: &mut Tx<'_>,
    (entity, currency): (EntityId, Currency),
    by: PersonId,
    since: DateTime<Utc>,
) -> Result<i64> {
    let found: Amount = diesel::sql_query(
        "SELECT sum(b.control_sum_minor)::bigint AS amount FROM payout_batch b
         WHERE b.entity_id = $1 AND b.currency = $2 AND b.state IN ('sealed', 'approved', 'released')
           AND EXISTS (SELECT FROM batch_approval a WHERE a.batch_id = b.id AND a.sha256 = b.sha256 AND a.approver_id = $3
                       AND a.at >= greatest($4, b.sealed_at))",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(currency.to_string())
    .bind::<SqlUuid, _>(by)
    .bind::<Timestamptz, _>(since)
    .get_result(tx.conn())?;
    Ok(found.amount.unwrap_or_default())
}

pub(in crate::risk) fn insert_limit(tx: &mut Tx<'_>, new: &NewLimit<'_>) -> Result<LimitRow> {
    Ok(diesel::insert_into(payout_limit::table)
        .values(new)
        .returning(LimitRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::risk) fn lock_limit(tx: &mut Tx<'_>, id: PayoutLimitId) -> Result<Locked<LimitRow>> {
    Ok(Locked::new(payout_limit::table.find(id).select(LimitRow::as_select()).for_update().first(tx.conn())?))
}

pub(in crate::risk) fn save_limit_confirmed(tx: &mut Tx<'_>, row: &Locked<LimitRow>, by: PersonId) -> Result<LimitRow> {
    let now = tx.now();
    Ok(diesel::update(payout_limit::table.find(row.id))
        .set((payout_limit::confirmed_by.eq(by), payout_limit::confirmed_at.eq(now)))
        .returning(LimitRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::risk) fn list_limits(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<LimitRow>> {
    Ok(payout_limit::table
        .filter(payout_limit::entity_id.eq(entity))
        .order((payout_limit::valid_from.desc(), payout_limit::id.desc()))
        .select(LimitRow::as_select())
        .load(tx.conn())?)
}
