//! What a dry run reads: activities, what they did, what is their own, what was booked. A page at a time.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use serde_json::Value;
use uuid::Uuid;

use crate::charter::EntityRow;
use crate::kernel::ids::{ActivityId, EntityId, PersonId};
use crate::kernel::levies::{Exempt, ExemptPart, Levy, LevyKind};
use crate::kernel::money::Minor;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::proposals::replay::{Dated, Deed, Event, Kinds, Personal, Sums};
use crate::proposals::rules::Period;

/// An activity, and whose it counts for.
#[derive(Debug, Clone, QueryableByName)]
pub(in crate::proposals) struct PlayedActivity {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub(in crate::proposals) id: ActivityId,
    /// Who runs it.
    #[diesel(sql_type = SqlUuid)]
    pub(in crate::proposals) member_id: PersonId,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    closed_at: Option<DateTime<Utc>>,
}

/// The first and the last of a page: activities are read in the order of their ids, and so is what belongs to them.
fn ends(page: &[PlayedActivity]) -> (ActivityId, ActivityId) {
    let id = |found: Option<&PlayedActivity>| found.map_or(ActivityId(Uuid::nil()), |activity| activity.id);
    (id(page.first()), id(page.last()))
}

pub(in crate::proposals) fn count_documents(tx: &mut Tx<'_>, of: EntityId, period: Period) -> Result<i64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let count: Count = diesel::sql_query(
        "SELECT count(*) AS n FROM invoice WHERE state = 'issued' AND entity_id = $1 AND issued_on BETWEEN $2 AND $3",
    )
    .bind::<SqlUuid, _>(of)
    .bind::<Date, _>(period.from.first())
    .bind::<Date, _>(period.to.last())
    .get_result(tx.conn())?;
    Ok(count.n)
}

pub(in crate::proposals) fn list_activities(
    tx: &mut Tx<'_>,
    of: &EntityRow,
    after: Option<ActivityId>,
    limit: i64,
) -> Result<Vec<PlayedActivity>> {
    Ok(diesel::sql_query(
        "SELECT id, member_id, created_at, closed_at FROM activity \
         WHERE entity_id = $1 AND ($2 IS NULL OR id > $2) ORDER BY id LIMIT $3",
    )
    .bind::<SqlUuid, _>(of.id)
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
}

/// What was booked in the period, whatever it was about, added to the sums.
pub(in crate::proposals) fn sum_booked(
    tx: &mut Tx<'_>,
    page: &[PlayedActivity],
    period: Period,
    sums: &mut Sums,
) -> Result<()> {
    #[derive(QueryableByName)]
    struct Booked {
        #[diesel(sql_type = SqlUuid)]
        activity_id: ActivityId,
        #[diesel(sql_type = Text)]
        month: String,
        #[diesel(sql_type = BigInt)]
        fee: i64,
        #[diesel(sql_type = BigInt)]
        guarantee: i64,
    }
    let owners: BTreeMap<ActivityId, PersonId> =
        page.iter().map(|activity| (activity.id, activity.member_id)).collect();
    let (first, last) = ends(page);
    let rows: Vec<Booked> = diesel::sql_query(
        "SELECT activity_id, to_char(charged_on, 'YYYY-MM') AS month, \
                coalesce(sum(amount_minor) FILTER (WHERE kind = 'fee'), 0)::bigint AS fee, \
                coalesce(sum(amount_minor) FILTER (WHERE kind = 'guarantee'), 0)::bigint AS guarantee \
         FROM levy_charge WHERE activity_id BETWEEN $1 AND $2 AND charged_on BETWEEN $3 AND $4 GROUP BY 1, 2",
    )
    .bind::<SqlUuid, _>(first)
    .bind::<SqlUuid, _>(last)
    .bind::<Date, _>(period.from.first())
    .bind::<Date, _>(period.to.last())
    .load(tx.conn())?;
    for row in rows {
        // The page is a range of ids, in which other entities may have activities too.
        let Some(member) = owners.get(&row.activity_id) else { continue };
        let amounts = Kinds { fee: Minor::new(row.fee), guarantee: Minor::new(row.guarantee) };
        sums.booked(*member, &row.month, amounts)?;
    }
    Ok(())
}

/// What is each activity's own: when it was there, levies and exemptions, and what it did before the year of the period.
pub(in crate::proposals) fn find_personal(
    tx: &mut Tx<'_>,
    page: &[PlayedActivity],
    entity: &EntityRow,
    period: Period,
) -> Result<BTreeMap<ActivityId, Personal>> {
    let day = |at: DateTime<Utc>| at.with_timezone(&entity.zone()).date_naive();
    let mut all: BTreeMap<ActivityId, Personal> = page
        .iter()
        .map(|activity| {
            let (opened_on, closed_on) = (day(activity.created_at), activity.closed_at.map(day));
            (activity.id, Personal { opened_on, closed_on, ..Personal::default() })
        })
        .collect();
    add_overrides(tx, page, &mut all)?;
    add_exemptions(tx, page, &mut all)?;
    add_past(tx, page, period, &mut all)?;
    Ok(all)
}

#[derive(QueryableByName)]
struct Term {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    activity_id: ActivityId,
    #[diesel(sql_type = Text)]
    kind: LevyKind,
    #[diesel(sql_type = Date)]
    valid_from: NaiveDate,
    #[diesel(sql_type = Nullable<Date>)]
    valid_until: Option<NaiveDate>,
    #[diesel(sql_type = Jsonb)]
    what: Value,
}

fn terms(tx: &mut Tx<'_>, page: &[PlayedActivity], table: &str, what: &str) -> Result<Vec<Term>> {
    let (first, last) = ends(page);
    Ok(diesel::sql_query(format!(
        "SELECT id, activity_id, kind, valid_from, valid_until, {what} AS what FROM {table} \
         WHERE activity_id BETWEEN $1 AND $2 ORDER BY activity_id, kind, valid_from, id"
    ))
    .bind::<SqlUuid, _>(first)
    .bind::<SqlUuid, _>(last)
    .load(tx.conn())?)
}

fn add_overrides(tx: &mut Tx<'_>, page: &[PlayedActivity], all: &mut BTreeMap<ActivityId, Personal>) -> Result<()> {
    for term in terms(tx, page, "levy_override", "levy")? {
        let levy: Levy = serde_json::from_value(term.what)?;
        let Some(own) = all.get_mut(&term.activity_id) else { continue };
        let (kind, from, until) = (term.kind, term.valid_from, term.valid_until);
        own.overrides.push(Dated { kind, from, until, what: (term.id, levy) });
    }
    Ok(())
}

fn add_exemptions(tx: &mut Tx<'_>, page: &[PlayedActivity], all: &mut BTreeMap<ActivityId, Personal>) -> Result<()> {
    for term in terms(tx, page, "levy_exemption", "to_jsonb(part)")? {
        let part: ExemptPart = serde_json::from_value(term.what)?;
        let Some(own) = all.get_mut(&term.activity_id) else { continue };
        let (kind, from, until) = (term.kind, term.valid_from, term.valid_until);
        own.exemptions.push(Dated { kind, from, until, what: Exempt { id: term.id, part } });
    }
    Ok(())
}

/// The bases of all time before the year of the period, for what runs over a lifetime.
fn add_past(
    tx: &mut Tx<'_>,
    page: &[PlayedActivity],
    period: Period,
    all: &mut BTreeMap<ActivityId, Personal>,
) -> Result<()> {
    #[derive(QueryableByName)]
    struct Past {
        #[diesel(sql_type = SqlUuid)]
        activity_id: ActivityId,
        #[diesel(sql_type = Text)]
        kind: LevyKind,
        #[diesel(sql_type = BigInt)]
        base: i64,
    }
    let (first, last) = ends(page);
    let rows: Vec<Past> = diesel::sql_query(
        "SELECT activity_id, kind, sum(base_minor)::bigint AS base FROM levy_charge \
         WHERE activity_id BETWEEN $1 AND $2 AND charged_on < $3 GROUP BY activity_id, kind",
    )
    .bind::<SqlUuid, _>(first)
    .bind::<SqlUuid, _>(last)
    .bind::<Date, _>(period.from.new_year().first())
    .load(tx.conn())?;
    for row in rows {
        if let Some(own) = all.get_mut(&row.activity_id) {
            own.before.insert(row.kind, Minor::new(row.base));
        }
    }
    Ok(())
}

#[derive(QueryableByName)]
struct EventRow {
    #[diesel(sql_type = SqlUuid)]
    activity_id: ActivityId,
    #[diesel(sql_type = Date)]
    on_day: NaiveDate,
    #[diesel(sql_type = Integer)]
    rank: i32,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    about: Option<Uuid>,
    #[diesel(sql_type = BigInt)]
    net: i64,
    #[diesel(sql_type = BigInt)]
    gross: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    fee: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    guarantee: Option<i64>,
}

impl EventRow {
    fn event(&self) -> Result<Event> {
        let booked = self.fee.zip(self.guarantee);
        let booked = booked.map(|(fee, guarantee)| Kinds { fee: Minor::new(fee), guarantee: Minor::new(guarantee) });
        let deed = match (self.rank, self.about) {
            (0, _) => Deed::Issued { invoice: self.id, booked },
            (1, Some(invoice)) => Deed::Credited { invoice, booked: booked.unwrap_or_default() },
            (2, Some(invoice)) => Deed::Collected { invoice, booked: booked.unwrap_or_default() },
            (3, _) => Deed::Spent,
            _ => return Err(Error::internal("an event of no kind")),
        };
        Ok(Event { on: self.on_day, net: Minor::new(self.net), gross: Minor::new(self.gross), deed })
    }
}

/// What was charged on a fact of a kind.
const BOOKED: &str = "\
    SELECT coalesce(sum(c.amount_minor) FILTER (WHERE c.kind = 'fee'), 0)::bigint AS fee, \
           coalesce(sum(c.amount_minor) FILTER (WHERE c.kind = 'guarantee'), 0)::bigint AS guarantee FROM levy_charge c";

/// Invoices and, after those of the same day, credit notes. What was booked is read only where a credit note needs it.
fn documents() -> String {
    format!(
        "SELECT i.activity_id, i.issued_on AS on_day, CASE i.kind WHEN 'invoice' THEN 0 ELSE 1 END AS rank, i.id, \
                i.corrects_id AS about, i.net_minor AS net, i.gross_minor AS gross, b.fee, b.guarantee \
         FROM invoice i LEFT JOIN LATERAL ({BOOKED} WHERE c.source_kind = i.kind AND c.source_id = i.id) b \
              ON i.kind = 'credit_note' OR EXISTS (SELECT FROM invoice n WHERE n.corrects_id = i.id) \
         WHERE i.state = 'issued' AND i.entity_id = $1 AND i.activity_id BETWEEN $2 AND $3 AND i.issued_on BETWEEN $4 AND $5 \
           AND (i.activity_id, i.issued_on) >= ($6, $7)"
    )
}

/// What clients paid, and costs that lower a margin: only levies on these bases ask for them.
fn payments_and_costs() -> String {
    format!(
        " UNION ALL \
         SELECT i.activity_id, a.allocated_on, 2, a.id, a.invoice_id, 0, a.amount_minor, b.fee, b.guarantee \
         FROM allocation a JOIN invoice i ON i.id = a.invoice_id \
         CROSS JOIN LATERAL ({BOOKED} WHERE c.source_kind = 'allocation' AND c.source_id = a.id) b \
         WHERE i.entity_id = $1 AND i.activity_id BETWEEN $2 AND $3 AND a.allocated_on BETWEEN $4 AND $5 \
         UNION ALL \
         SELECT t.activity_id, t.decided_on, 3, t.id, NULL, t.charged_minor - t.credited_net_minor - t.credited_vat_minor + t.credited_recoverable_minor, t.gross_minor, NULL, NULL FROM cost t \
         WHERE t.state = 'approved' AND t.in_fee_base AND t.entity_id = $1 AND t.activity_id BETWEEN $2 AND $3 \
           AND t.decided_on BETWEEN $4 AND $5"
    )
}

/// What the activities of a page did, in the order of activities and days, read as it is asked for.
pub(in crate::proposals) struct Events {
    entity: EntityId,
    page: (ActivityId, ActivityId),
    days: (NaiveDate, NaiveDate),
    sources: String,
    limit: i64,
    key: (ActivityId, NaiveDate, i32, Uuid),
    waiting: VecDeque<EventRow>,
    is_over: bool,
}

impl Events {
    /// From the beginning of the year of the period; `reads_others` asks for payments and costs too.
    pub(in crate::proposals) fn of(
        page: &[PlayedActivity],
        entity: EntityId,
        period: Period,
        reads_others: bool,
        limit: i64,
    ) -> Self {
        let (first, last) = ends(page);
        let days = (period.from.new_year().first(), period.to.last());
        let others = if reads_others { payments_and_costs() } else { String::new() };
        let sources = documents() + &others;
        let key = (first, days.0, -1, Uuid::nil());
        Self { entity, page: (first, last), days, sources, limit, key, waiting: VecDeque::new(), is_over: false }
    }

    /// The next event of an activity; activities are asked for in the order of the page.
    pub(in crate::proposals) fn next_of(&mut self, tx: &mut Tx<'_>, activity: ActivityId) -> Result<Option<Event>> {
        loop {
            if self.waiting.is_empty() && !self.is_over {
                self.fetch(tx)?;
            }
            match self.waiting.front() {
                None => return Ok(None),
                Some(row) if row.activity_id > activity => return Ok(None),
                Some(_) => {}
            }
            let row = self.waiting.pop_front();
            if let Some(row) = row.filter(|row| row.activity_id == activity) {
                return row.event().map(Some);
            }
        }
    }

    fn fetch(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let rows: Vec<EventRow> = diesel::sql_query(format!(
            "SELECT * FROM ({}) events WHERE (activity_id, on_day, rank, id) > ($6, $7, $8, $9) \
             ORDER BY activity_id, on_day, rank, id LIMIT $10",
            self.sources
        ))
        .bind::<SqlUuid, _>(self.entity)
        .bind::<SqlUuid, _>(self.page.0)
        .bind::<SqlUuid, _>(self.page.1)
        .bind::<Date, _>(self.days.0)
        .bind::<Date, _>(self.days.1)
        .bind::<SqlUuid, _>(self.key.0)
        .bind::<Date, _>(self.key.1)
        .bind::<Integer, _>(self.key.2)
        .bind::<SqlUuid, _>(self.key.3)
        .bind::<BigInt, _>(self.limit)
        .load(tx.conn())?;
        self.is_over = i64::try_from(rows.len()).unwrap_or(i64::MAX) < self.limit;
        if let Some(last) = rows.last() {
            self.key = (last.activity_id, last.on_day, last.rank, last.id);
        }
        self.waiting = rows.into();
        Ok(())
    }
}
