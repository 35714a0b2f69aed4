//! The SQL of forecasts: what is known about an invoice, what was said, and what came.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use umbel_schema::invoice_forecast;

use crate::invoicing::InvoiceState;
use crate::kernel::ids::{ActivityId, ClientId, EntityId, InvoiceId, PersonId};
use crate::payout_plans::rules::forecast::{Block, Forecast};
use crate::payouts::PayoutState;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// An invoice and what became of it.
#[derive(Debug, Clone, QueryableByName)]
#[expect(clippy::struct_excessive_bools, reason = "facts of an invoice, each apart from the others")]
pub(in crate::payout_plans) struct Known {
    #[diesel(sql_type = SqlUuid)]
    pub(in crate::payout_plans) id: InvoiceId,
    #[diesel(sql_type = SqlUuid)]
    pub(in crate::payout_plans) entity_id: EntityId,
    #[diesel(sql_type = SqlUuid)]
    pub(in crate::payout_plans) member_id: PersonId,
    #[diesel(sql_type = SqlUuid)]
    pub(in crate::payout_plans) activity_id: ActivityId,
    #[diesel(sql_type = SqlUuid)]
    pub(in crate::payout_plans) client_id: ClientId,
    #[diesel(sql_type = Text)]
    pub(in crate::payout_plans) state: InvoiceState,
    #[diesel(sql_type = Bool)]
    pub(in crate::payout_plans) is_returned: bool,
    #[diesel(sql_type = Timestamptz)]
    pub(in crate::payout_plans) created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(in crate::payout_plans) submitted_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Date)]
    pub(in crate::payout_plans) supplied_on: NaiveDate,
    #[diesel(sql_type = Nullable<Date>)]
    pub(in crate::payout_plans) issued_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub(in crate::payout_plans) due_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub(in crate::payout_plans) advance_due_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(in crate::payout_plans) open_minor: Option<i64>,
    #[diesel(sql_type = Bool)]
    pub(in crate::payout_plans) is_covered: bool,
    #[diesel(sql_type = Bool)]
    pub(in crate::payout_plans) is_held: bool,
    #[diesel(sql_type = Bool)]
    pub(in crate::payout_plans) is_disputed: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(in crate::payout_plans) advanced_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(in crate::payout_plans) paid_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Date>)]
    pub(in crate::payout_plans) paid_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(in crate::payout_plans) seen_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(in crate::payout_plans) confirmed_at: Option<DateTime<Utc>>,
}

const KNOWN: &str = "SELECT i.id, i.entity_id, i.member_id, i.activity_id, i.client_id, i.state, i.return_reason IS NOT NULL AS is_returned, \
    i.created_at, i.submitted_at, i.supplied_on, i.issued_on, i.due_on, i.advance_due_on, o.open_minor, \
    coalesce((SELECT d.eligible FROM guarantee_decision d WHERE d.order_id = i.order_id), i.advance_due_on IS NOT NULL) AS is_covered, \
    EXISTS (SELECT FROM advance_hold h WHERE h.invoice_id = i.id AND h.ended_at IS NULL) AS is_held, \
    EXISTS (SELECT FROM invoice_dispute d WHERE d.invoice_id = i.id AND d.resolved_at IS NULL) AS is_disputed, \
    (SELECT g.created_at FROM guarantee_advance g WHERE g.invoice_id = i.id) AS advanced_at, \
    p.at AS paid_at, p.paid_on, \
    (SELECT min(coalesce(d.answered_at, d.sent_at, d.created_at)) FROM delivery d WHERE d.invoice_id = i.id AND d.state = 'delivered') AS seen_at, \
    coalesce((SELECT max(a.at) FROM order_answer a WHERE a.order_id = i.order_id AND a.answer = 'confirmed'), \
             (SELECT min(s.reported_at) FROM delivery d JOIN delivery_status s ON s.delivery_id = d.id WHERE d.invoice_id = i.id AND s.code = '205')) AS confirmed_at \
    FROM invoice i LEFT JOIN invoice_open o ON o.invoice_id = i.id \
    LEFT JOIN LATERAL (SELECT max(a.created_at) AS at, max(a.allocated_on) AS paid_on FROM standing_allocation a WHERE a.invoice_id = i.id) p \
        ON o.open_minor <= 0 ";

pub(in crate::payout_plans) fn find_known(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Known> {
    Ok(diesel::sql_query(format!(
        "{KNOWN} WHERE i.id = $1 AND i.kind = 'invoice' AND ($2 IS NULL OR i.member_id = $2)"
    ))
    .bind::<SqlUuid, _>(id)
    .bind::<Nullable<SqlUuid>, _>(tx.only_owner())
    .get_result(tx.conn())?)
}

/// Invoices of a member whose money is not available: what is being written, waits, or is open.
pub(in crate::payout_plans) fn list_open(
    tx: &mut Tx<'_>,
    member: PersonId,
    activity: Option<ActivityId>,
    limit: i64,
) -> Result<Vec<Known>> {
    Ok(diesel::sql_query(format!(
        "{KNOWN} WHERE i.member_id = $1 AND ($2 IS NULL OR i.activity_id = $2) AND i.kind = 'invoice' \
         AND (i.state IN ('draft', 'submitted') OR i.state = 'issued' AND o.open_minor > 0 \
              AND NOT EXISTS (SELECT FROM guarantee_advance g WHERE g.invoice_id = i.id)) \
         ORDER BY i.id DESC LIMIT $3"
    ))
    .bind::<SqlUuid, _>(member)
    .bind::<Nullable<SqlUuid>, _>(activity)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
}

/// Invoices of an entity that wait or are open and whose money is not available, by activity, after one of them.
pub(in crate::payout_plans) fn list_open_of(
    tx: &mut Tx<'_>,
    entity: EntityId,
    after: Option<(ActivityId, InvoiceId)>,
    limit: i64,
) -> Result<Vec<Known>> {
    let (activity, invoice) = after.unzip();
    Ok(diesel::sql_query(format!(
        "{KNOWN} WHERE i.entity_id = $1 AND i.kind = 'invoice' AND ($2 IS NULL OR (i.activity_id, i.id) > ($2, $3)) \
         AND (i.state = 'submitted' OR i.state = 'issued' AND o.open_minor > 0 \
              AND NOT EXISTS (SELECT FROM guarantee_advance g WHERE g.invoice_id = i.id)) \
         ORDER BY i.activity_id, i.id LIMIT $4"
    ))
    .bind::<SqlUuid, _>(entity)
    .bind::<Nullable<SqlUuid>, _>(activity)
    .bind::<Nullable<SqlUuid>, _>(invoice)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
}

/// A payout of an activity on its way.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(in crate::payout_plans) struct OnItsWay {
    #[diesel(sql_type = Text)]
    pub(in crate::payout_plans) state: PayoutState,
    #[diesel(sql_type = Timestamptz)]
    pub(in crate::payout_plans) created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Date>)]
    pub(in crate::payout_plans) execute_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub(in crate::payout_plans) settled_on: Option<NaiveDate>,
}

/// The first payout of an activity that was asked for since a moment; one that came to nothing only when there is no other.
pub(in crate::payout_plans) fn payout_since(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    since: DateTime<Utc>,
) -> Result<Option<OnItsWay>> {
    Ok(diesel::sql_query(
        "SELECT p.state, p.created_at, b.execute_on, p.settled_on FROM payout p LEFT JOIN payout_batch b ON b.id = p.batch_id \
         WHERE p.activity_id = $1 AND p.created_at >= $2 AND p.state NOT IN ('refused', 'cancelled') \
         ORDER BY p.state IN ('returned', 'replaced', 'given_back'), p.created_at, p.id LIMIT 1",
    )
    .bind::<SqlUuid, _>(activity)
    .bind::<Timestamptz, _>(since)
    .get_result(tx.conn())
    .optional()?)
}

/// How long the office takes.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(in crate::payout_plans) struct Medians {
    #[diesel(sql_type = Integer)]
    pub(in crate::payout_plans) review_days: i32,
    #[diesel(sql_type = Integer)]
    pub(in crate::payout_plans) payout_days: i32,
}

pub(in crate::payout_plans) fn medians(tx: &mut Tx<'_>, entity: EntityId, since: NaiveDate) -> Result<Medians> {
    Ok(diesel::sql_query("SELECT * FROM office_medians($1, $2)")
        .bind::<SqlUuid, _>(entity)
        .bind::<Date, _>(since)
        .get_result(tx.conn())?)
}

/// Keeps what was said about an invoice on a day: the first time that day, and only when the likely day or what blocks it
/// is not what was said last. The earliest day moves with today, and is no news.
pub(in crate::payout_plans) fn keep(tx: &mut Tx<'_>, known: &Known, on: NaiveDate, said: &Forecast) -> Result<()> {
    let last: Option<(Option<NaiveDate>, Option<String>)> = invoice_forecast::table
        .filter(invoice_forecast::invoice_id.eq(known.id))
        .order(invoice_forecast::made_on.desc())
        .select((invoice_forecast::likely_on, invoice_forecast::blocked_by))
        .first(tx.conn())
        .optional()?;
    let block = said.block.map(Block::name);
    let is_news = last.is_none_or(|(likely, before)| (likely, before.as_deref()) != (said.likely, block));
    if !is_news {
        return Ok(());
    }
    diesel::insert_into(invoice_forecast::table)
        .values((
            invoice_forecast::invoice_id.eq(known.id),
            invoice_forecast::made_on.eq(on),
            invoice_forecast::entity_id.eq(known.entity_id),
            invoice_forecast::member_id.eq(known.member_id),
            invoice_forecast::activity_id.eq(known.activity_id),
            invoice_forecast::earliest_on.eq(said.earliest),
            invoice_forecast::likely_on.eq(said.likely),
            invoice_forecast::blocked_by.eq(block),
        ))
        .on_conflict_do_nothing()
        .execute(tx.conn())?;
    Ok(())
}

#[derive(QueryableByName)]
struct Compared {
    #[diesel(sql_type = Date)]
    likely_on: NaiveDate,
    #[diesel(sql_type = Date)]
    arrived_on: NaiveDate,
    #[diesel(sql_type = BigInt)]
    forecasts: i64,
}

/// What was said since a day and what came, with how many.
pub(in crate::payout_plans) fn list_arrived(
    tx: &mut Tx<'_>,
    entity: EntityId,
    since: NaiveDate,
) -> Result<Vec<(NaiveDate, NaiveDate, i64)>> {
    let rows: Vec<Compared> = diesel::sql_query("SELECT * FROM forecasts_and_arrivals($1, $2)")
        .bind::<SqlUuid, _>(entity)
        .bind::<Date, _>(since)
        .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.likely_on, row.arrived_on, row.forecasts)).collect())
}
