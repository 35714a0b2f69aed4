//! The SQL of proofs, the fund page and solidarity statements. Reads the journal of the ledger through functions of
//! PostgreSQL that hold the one definition of what is owed and held.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};

use super::rules::{Exposures, Side, SolidarityKind};
use crate::formats::solvency::Component;
use crate::kernel::ids::{ActivityId, EntityId, InvoiceId, PersonId, ProofId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// A proof without its leaves.
#[derive(Debug, Clone, QueryableByName)]
pub struct ProofRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: ProofId,
    /// Grows with every proof.
    #[diesel(sql_type = BigInt)]
    pub position: i64,
    /// Whose.
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: EntityId,
    /// Of every amount.
    #[diesel(sql_type = Text)]
    pub currency: Currency,
    /// Of which day.
    #[diesel(sql_type = Date)]
    pub day: NaiveDate,
    /// What is owed.
    #[diesel(sql_type = BigInt)]
    pub owed_minor: Minor,
    /// What is held against it.
    #[diesel(sql_type = BigInt)]
    pub held_minor: Minor,
    /// Held for each million owed.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub ratio_ppm: Option<i64>,
    /// Canonical JSON.
    #[diesel(sql_type = Text)]
    pub body: String,
    /// The hash of the proof before.
    #[diesel(sql_type = Binary)]
    pub prev_sha256: Vec<u8>,
    /// Its own hash.
    #[diesel(sql_type = Binary)]
    pub sha256: Vec<u8>,
    /// When it was made.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// The columns of [`ProofRow`].
const PROOF: &str = "id, position, entity_id, currency::text AS currency, day, owed_minor, held_minor, ratio_ppm, body, prev_sha256, sha256, created_at";

/// What is owed to an activity.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct OwedRow {
    #[diesel(sql_type = SqlUuid)]
    pub(super) activity_id: ActivityId,
    #[diesel(sql_type = SqlUuid)]
    pub(super) owner_id: PersonId,
    #[diesel(sql_type = BigInt)]
    pub(super) amount_minor: Minor,
}

/// A leaf of one's own.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct LeafRow {
    #[diesel(sql_type = SqlUuid)]
    pub(super) proof_id: ProofId,
    #[diesel(sql_type = Integer)]
    pub(super) n: i32,
    #[diesel(sql_type = SqlUuid)]
    pub(super) activity_id: ActivityId,
    #[diesel(sql_type = BigInt)]
    pub(super) amount_minor: Minor,
}

/// A line of a solidarity statement.
#[derive(Debug, Clone, QueryableByName)]
pub struct SolidarityRow {
    /// What it is.
    #[diesel(sql_type = Text)]
    pub kind: SolidarityKind,
    /// On which day.
    #[diesel(sql_type = Date)]
    pub on: NaiveDate,
    /// How much; negative when it was taken back.
    #[diesel(sql_type = BigInt)]
    pub amount_minor: Minor,
    /// Of the amount.
    #[diesel(sql_type = Text)]
    pub currency: Currency,
    /// The posting that booked it.
    #[diesel(sql_type = BigInt)]
    pub posting_id: i64,
    /// Its invoice, if it has one.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub invoice_id: Option<InvoiceId>,
    /// The number of that invoice.
    #[diesel(sql_type = Nullable<Text>)]
    pub document: Option<String>,
    /// For an advance: how many days the mutual carried it.
    #[diesel(sql_type = Nullable<Integer>)]
    pub days_carried: Option<i32>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Day {
    #[diesel(sql_type = Nullable<Date>)]
    day: Option<NaiveDate>,
}

#[derive(QueryableByName)]
struct Code {
    #[diesel(sql_type = Text)]
    code: Currency,
}

#[derive(QueryableByName)]
struct ComponentRow {
    #[diesel(sql_type = Text)]
    side: String,
    #[diesel(sql_type = Text)]
    component: String,
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
    #[diesel(sql_type = BigInt)]
    accounts: i64,
}

#[derive(QueryableByName)]
struct Leaves {
    #[diesel(sql_type = Binary)]
    leaves: Vec<u8>,
}

#[derive(QueryableByName)]
#[expect(clippy::struct_field_names, reason = "columns of amounts end alike in all tables")]
struct ExposureRow {
    #[diesel(sql_type = BigInt)]
    covered_net_minor: Minor,
    #[diesel(sql_type = Array<BigInt>)]
    largest_minor: Vec<i64>,
    #[diesel(sql_type = BigInt)]
    bank_minor: Minor,
    #[diesel(sql_type = BigInt)]
    paid_out_minor: Minor,
}

/// These read the whole books, once a day: the limit of a request is too short for a large mutual.
fn take_time(tx: &mut Tx<'_>) -> Result<()> {
    diesel::sql_query("SET LOCAL statement_timeout = '60s'").execute(tx.conn())?;
    Ok(())
}

pub(super) fn last_entry(tx: &mut Tx<'_>) -> Result<i64> {
    let found: Number = diesel::sql_query("SELECT last_entry_settled() AS n").get_result(tx.conn())?;
    Ok(found.n)
}

pub(super) fn first_booked(tx: &mut Tx<'_>, entity: EntityId) -> Result<Option<NaiveDate>> {
    let found: Day = diesel::sql_query("SELECT min(booked_on) AS day FROM journal_entry WHERE entity_id = $1")
        .bind::<SqlUuid, _>(entity)
        .get_result(tx.conn())?;
    Ok(found.day)
}

pub(super) fn last_day(tx: &mut Tx<'_>, entity: EntityId) -> Result<Option<NaiveDate>> {
    let found: Day = diesel::sql_query("SELECT max(day) AS day FROM solvency_proof WHERE entity_id = $1")
        .bind::<SqlUuid, _>(entity)
        .get_result(tx.conn())?;
    Ok(found.day)
}

/// The currencies that the books of an entity have had up to a day.
pub(super) fn currencies(tx: &mut Tx<'_>, entity: EntityId, through: i64, day: NaiveDate) -> Result<Vec<Currency>> {
    take_time(tx)?;
    let found: Vec<Code> = diesel::sql_query(
        "SELECT DISTINCT p.currency::text AS code FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
         WHERE e.entity_id = $1 AND e.id <= $2 AND e.booked_on <= $3 ORDER BY 1",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<BigInt, _>(through)
    .bind::<Date, _>(day)
    .load(tx.conn())?;
    Ok(found.into_iter().map(|row| row.code).collect())
}

pub(super) fn components(
    tx: &mut Tx<'_>,
    entity: EntityId,
    currency: Currency,
    through: i64,
    day: NaiveDate,
) -> Result<Vec<(Side, Component)>> {
    let rows: Vec<ComponentRow> = diesel::sql_query("SELECT * FROM solvency_components($1, $2, $3, $4)")
        .bind::<SqlUuid, _>(entity)
        .bind::<Text, _>(currency)
        .bind::<BigInt, _>(through)
        .bind::<Date, _>(day)
        .load(tx.conn())?;
    rows.into_iter()
        .map(|row| {
            let side = Side::read(&row.side).ok_or_else(|| Error::internal("a component without a side"))?;
            let part = Component { component: row.component, amount_minor: row.amount_minor, accounts: row.accounts };
            Ok((side, part))
        })
        .collect()
}

pub(super) fn owed(
    tx: &mut Tx<'_>,
    entity: EntityId,
    currency: Currency,
    through: i64,
    day: NaiveDate,
) -> Result<Vec<OwedRow>> {
    Ok(diesel::sql_query(
        "SELECT activity_id, owner_id, available_minor + reserved_minor + advances_minor AS amount_minor \
         FROM solvency_activities($1, $2, $3, $4) WHERE available_minor + reserved_minor + advances_minor > 0",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(currency)
    .bind::<BigInt, _>(through)
    .bind::<Date, _>(day)
    .load(tx.conn())?)
}

pub(super) fn find_last(tx: &mut Tx<'_>, entity: EntityId, currency: Currency) -> Result<Option<ProofRow>> {
    let query =
        format!("SELECT {PROOF} FROM solvency_proof WHERE entity_id = $1 AND currency = $2 ORDER BY day DESC LIMIT 1");
    Ok(diesel::sql_query(query)
        .bind::<SqlUuid, _>(entity)
        .bind::<Text, _>(currency)
        .get_result(tx.conn())
        .optional()?)
}

/// What is kept of a proof beside its figures.
pub(super) struct NewProof<'a> {
    pub(super) id: ProofId,
    pub(super) entity: EntityId,
    pub(super) currency: Currency,
    pub(super) day: NaiveDate,
    pub(super) through_entry: i64,
    pub(super) owed: Minor,
    pub(super) held: Minor,
    pub(super) ratio_ppm: Option<i64>,
    pub(super) body: &'a str,
    pub(super) before: &'a [u8],
    pub(super) sha256: &'a [u8],
    pub(super) leaves: &'a [u8],
}

pub(super) fn insert(tx: &mut Tx<'_>, new: &NewProof<'_>, owed: &[OwedRow]) -> Result<()> {
    use umbel_schema::solvency_proof as t;
    diesel::insert_into(t::table)
        .values((
            (t::id.eq(new.id), t::entity_id.eq(new.entity), t::currency.eq(new.currency), t::day.eq(new.day)),
            (t::through_entry.eq(new.through_entry), t::owed_minor.eq(new.owed), t::held_minor.eq(new.held)),
            (t::ratio_ppm.eq(new.ratio_ppm), t::body.eq(new.body), t::leaves.eq(new.leaves)),
            (t::prev_sha256.eq(new.before), t::sha256.eq(new.sha256)),
        ))
        .execute(tx.conn())?;
    diesel::sql_query(
        "INSERT INTO solvency_leaf (proof_id, n, activity_id, owner_id, currency, amount_minor) \
         SELECT $1, l.n - 1, l.activity, l.owner, $2, l.amount \
         FROM unnest($3::uuid[], $4::uuid[], $5::bigint[]) WITH ORDINALITY AS l (activity, owner, amount, n)",
    )
    .bind::<SqlUuid, _>(new.id)
    .bind::<Text, _>(new.currency)
    .bind::<Array<SqlUuid>, _>(owed.iter().map(|row| row.activity_id.0).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(owed.iter().map(|row| row.owner_id.0).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(owed.iter().map(|row| row.amount_minor.get()).collect::<Vec<_>>())
    .execute(tx.conn())?;
    Ok(())
}

/// The newest proof of each entity and currency.
pub(super) fn list_latest(tx: &mut Tx<'_>, entity: Option<EntityId>) -> Result<Vec<ProofRow>> {
    let query = format!(
        "SELECT DISTINCT ON (entity_id, currency) {PROOF} FROM solvency_proof WHERE $1 IS NULL OR entity_id = $1 \
         ORDER BY entity_id, currency, day DESC"
    );
    Ok(diesel::sql_query(query).bind::<Nullable<SqlUuid>, _>(entity).load(tx.conn())?)
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    entity: Option<EntityId>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<ProofRow>> {
    let query = format!(
        "SELECT {PROOF} FROM solvency_proof WHERE ($1 IS NULL OR entity_id = $1) AND ($2 IS NULL OR position < $2) ORDER BY position DESC LIMIT $3"
    );
    Ok(diesel::sql_query(query)
        .bind::<Nullable<SqlUuid>, _>(entity)
        .bind::<Nullable<BigInt>, _>(before)
        .bind::<BigInt, _>(limit)
        .load(tx.conn())?)
}

/// Links of a chain, oldest first, after a position.
pub(super) fn list_chain(tx: &mut Tx<'_>, entity: Option<EntityId>, after: i64, limit: i64) -> Result<Vec<ProofRow>> {
    let query = format!(
        "SELECT {PROOF} FROM solvency_proof WHERE ($1 IS NULL OR entity_id = $1) AND position > $2 ORDER BY position LIMIT $3"
    );
    Ok(diesel::sql_query(query)
        .bind::<Nullable<SqlUuid>, _>(entity)
        .bind::<BigInt, _>(after)
        .bind::<BigInt, _>(limit)
        .load(tx.conn())?)
}

/// The proofs of a day.
pub(super) fn list_day(tx: &mut Tx<'_>, day: NaiveDate, entity: Option<EntityId>) -> Result<Vec<ProofRow>> {
    let query = format!(
        "SELECT {PROOF} FROM solvency_proof WHERE day = $1 AND ($2 IS NULL OR entity_id = $2) ORDER BY position"
    );
    Ok(diesel::sql_query(query).bind::<Date, _>(day).bind::<Nullable<SqlUuid>, _>(entity).load(tx.conn())?)
}

/// One's own leaves in some proofs.
pub(super) fn list_own_leaves(tx: &mut Tx<'_>, proofs: &[ProofId], owner: PersonId) -> Result<Vec<LeafRow>> {
    Ok(diesel::sql_query(
        "SELECT proof_id, n, activity_id, amount_minor FROM solvency_leaf \
         WHERE proof_id = ANY ($1) AND owner_id = $2 ORDER BY proof_id, n",
    )
    .bind::<Array<SqlUuid>, _>(proofs)
    .bind::<SqlUuid, _>(owner)
    .load(tx.conn())?)
}

pub(super) fn find_leaves(tx: &mut Tx<'_>, id: ProofId) -> Result<Vec<u8>> {
    let found: Leaves = diesel::sql_query("SELECT leaves FROM solvency_proof WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .get_result(tx.conn())?;
    Ok(found.leaves)
}

/// What the fund is measured against: invoices since a day, payouts since another.
pub(super) fn exposures(
    tx: &mut Tx<'_>,
    entity: EntityId,
    currency: Currency,
    since: NaiveDate,
    payouts_since: NaiveDate,
) -> Result<Exposures> {
    let row: ExposureRow = diesel::sql_query("SELECT * FROM fund_exposures($1, $2, $3, $4)")
        .bind::<SqlUuid, _>(entity)
        .bind::<Text, _>(currency)
        .bind::<Date, _>(since)
        .bind::<Date, _>(payouts_since)
        .get_result(tx.conn())?;
    Ok(Exposures {
        covered_net: row.covered_net_minor,
        largest: row.largest_minor.into_iter().map(Minor::new).collect(),
        bank: row.bank_minor,
        paid_out: row.paid_out_minor,
    })
}

/// What a member paid into and drew out of what is shared, from one day to another. A row-level policy keeps it to
/// what the reader may see; the owner is asked for again here.
pub(super) fn list_solidarity(
    tx: &mut Tx<'_>,
    member: PersonId,
    from: NaiveDate,
    to: NaiveDate,
    today: NaiveDate,
) -> Result<Vec<SolidarityRow>> {
    Ok(diesel::sql_query(
        "SELECT x.kind, e.booked_on AS on, CASE WHEN x.kind IN ('draw', 'pool_part') THEN p.amount_minor ELSE -p.amount_minor END AS amount_minor, \
                p.currency::text AS currency, p.id AS posting_id, p.invoice_id, i.number AS document, \
                CASE WHEN x.kind = 'advance' THEN (coalesce( \
                    (SELECT min(c.booked_on) FROM posting m JOIN journal_entry c ON c.id = m.entry_id \
                     WHERE m.invoice_id = p.invoice_id AND m.account = 'memo.advances' AND m.amount_minor < 0 \
                       AND NOT EXISTS (SELECT FROM journal_entry r WHERE r.reverses_id = c.id)), $4) - e.booked_on) END AS days_carried \
         FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
         CROSS JOIN LATERAL (SELECT CASE \
             WHEN p.account = 'fee_income' THEN 'fee' \
             WHEN p.account IN ('funds.available', 'activity_arrears') AND e.event IN ('pool_allocated', 'pool_allocation_reversed') THEN 'pool_part' \
             WHEN p.account = 'guarantee_fund' AND e.event IN ('guarantee_drawn', 'recovered') THEN 'draw' \
             WHEN p.account = 'guarantee_fund' AND e.event <> 'surplus_appropriated' THEN 'contribution' \
             WHEN p.account = 'funds.available' AND e.event = 'guarantee_advanced' THEN 'advance' \
             WHEN p.account = 'funds.available' AND e.event = 'surplus_appropriated' THEN 'refund' END AS kind) x \
         LEFT JOIN invoice i ON i.id = p.invoice_id \
         WHERE p.owner_id = $1 AND e.booked_on BETWEEN $2 AND $3 AND x.kind IS NOT NULL ORDER BY e.booked_on, p.id",
    )
    .bind::<SqlUuid, _>(member)
    .bind::<Date, _>(from)
    .bind::<Date, _>(to)
    .bind::<Date, _>(today)
    .load(tx.conn())?)
}
