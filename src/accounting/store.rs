//! The SQL of closing and of the proofs. Reads the journal of the ledger to count a period, and the views that
//! hold what must always be true.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};

use crate::kernel::ids::{EntityId, PersonId};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// Violations of one invariant that are named; more would say nothing new.
const VIOLATIONS_MAX: i64 = 1_000;

/// An accounting month of an entity.
#[derive(Debug, Clone, QueryableByName)]
pub struct PeriodRow {
    /// Whose.
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: EntityId,
    /// The month, `2026-11`.
    #[diesel(sql_type = Text)]
    pub period: String,
    /// How many entries it has.
    #[diesel(sql_type = BigInt)]
    pub entry_count: i64,
    /// When it was closed.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub closed_at: Option<DateTime<Utc>>,
    /// By whom.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub closed_by: Option<PersonId>,
    /// SHA-256 over its entries and postings, when it was closed.
    #[diesel(sql_type = Nullable<Binary>)]
    pub sha256: Option<Vec<u8>>,
}

/// Something that must always be true and is not.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Violation {
    /// The invariant.
    #[diesel(sql_type = Text)]
    pub invariant: String,
    /// What breaks it.
    #[diesel(sql_type = Text)]
    pub subject: String,
    /// How.
    #[diesel(sql_type = Text)]
    pub detail: String,
}

#[derive(QueryableByName)]
struct View {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Period {
    #[diesel(sql_type = Nullable<Text>)]
    period: Option<String>,
}

#[derive(QueryableByName)]
struct Flag {
    #[diesel(sql_type = Bool)]
    holds: bool,
}

/// Takes a period for itself: entries into it hold the same lock in common until they are committed.
pub(super) fn lock_period(tx: &mut Tx<'_>, entity: EntityId, period: &str) -> Result<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(period_lock($1, $2))")
        .bind::<SqlUuid, _>(entity)
        .bind::<Text, _>(period)
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn is_closed(tx: &mut Tx<'_>, entity: EntityId, period: &str) -> Result<bool> {
    let flag: Flag = diesel::sql_query(
        "SELECT EXISTS (SELECT FROM accounting_period WHERE entity_id = $1 AND period = $2) AS holds",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(period)
    .get_result(tx.conn())?;
    Ok(flag.holds)
}

/// The first month before `period` that has entries and is open.
pub(super) fn find_earlier_open(tx: &mut Tx<'_>, entity: EntityId, period: &str) -> Result<Option<String>> {
    let found: Period = diesel::sql_query(
        "SELECT min(e.period)::text AS period FROM journal_entry e WHERE e.entity_id = $1 AND e.period < $2 \
         AND NOT EXISTS (SELECT FROM accounting_period p WHERE p.entity_id = e.entity_id AND p.period = e.period)",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(period)
    .get_result(tx.conn())?;
    Ok(found.period)
}

pub(super) fn insert_period(tx: &mut Tx<'_>, entity: EntityId, period: &str, by: PersonId) -> Result<PeriodRow> {
    Ok(diesel::sql_query(
        "INSERT INTO accounting_period (entity_id, period, closed_by, entry_count, sha256) \
         SELECT $1, $2, $3, (SELECT count(*) FROM journal_entry WHERE entity_id = $1 AND period = $2), period_sha256($1, $2) \
         RETURNING entity_id, period::text AS period, entry_count, closed_at, closed_by, sha256",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(period)
    .bind::<SqlUuid, _>(by)
    .get_result(tx.conn())?)
}

pub(super) fn list_periods(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<PeriodRow>> {
    Ok(diesel::sql_query(
        "SELECT $1 AS entity_id, coalesce(p.period, e.period)::text AS period, \
                coalesce(e.n, p.entry_count) AS entry_count, p.closed_at, p.closed_by, p.sha256 \
         FROM (SELECT period, count(*) AS n FROM journal_entry WHERE entity_id = $1 GROUP BY period) e \
         FULL JOIN (SELECT * FROM accounting_period WHERE entity_id = $1) p ON p.period = e.period \
         ORDER BY 2 DESC",
    )
    .bind::<SqlUuid, _>(entity)
    .load(tx.conn())?)
}

/// The names of the views of what must always be true, from the catalogue of PostgreSQL: none can be forgotten.
pub(super) fn list_invariants(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let views: Vec<View> = diesel::sql_query(
        "SELECT quote_ident(viewname) AS name FROM pg_views \
         WHERE schemaname = 'public' AND viewname LIKE 'invariant\\_%' ORDER BY viewname",
    )
    .load(tx.conn())?;
    Ok(views.into_iter().map(|view| view.name).collect())
}

/// The violations of one invariant. `view` is a quoted name of the catalogue.
pub(super) fn list_violations(tx: &mut Tx<'_>, view: &str) -> Result<Vec<Violation>> {
    // These read the whole books, and they run alone: the limit of a request is too short for a large mutual.
    diesel::sql_query("SET LOCAL statement_timeout = '60s'").execute(tx.conn())?;
    let query = format!("SELECT $1 AS invariant, subject::text, detail::text FROM {view} LIMIT $2");
    Ok(diesel::sql_query(query).bind::<Text, _>(view).bind::<BigInt, _>(VIOLATIONS_MAX).load(tx.conn())?)
}
