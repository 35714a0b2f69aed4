//! The SQL of what late invoices wait for.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Integer, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use crate::collection::waiting::{ToDo, WaitsFor, WaitsOn};
use crate::kernel::ids::{ClientId, EntityId, InvoiceId, PersonId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// A late invoice that waits for somebody.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct WaitingRow {
    #[diesel(sql_type = SqlUuid)]
    pub invoice_id: InvoiceId,
    #[diesel(sql_type = Text)]
    pub number: String,
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: EntityId,
    #[diesel(sql_type = SqlUuid)]
    pub member_id: PersonId,
    #[diesel(sql_type = SqlUuid)]
    pub client_id: ClientId,
    #[diesel(sql_type = Text)]
    pub client_name: String,
    #[diesel(sql_type = Date)]
    pub due_on: NaiveDate,
    #[diesel(sql_type = Integer)]
    pub days_late: i32,
    #[diesel(sql_type = Text)]
    pub currency: Currency,
    #[diesel(sql_type = BigInt)]
    pub open_minor: Minor,
    #[diesel(sql_type = Text)]
    pub waits_for: WaitsFor,
    #[diesel(sql_type = Text)]
    pub waits_on: WaitsOn,
    #[diesel(sql_type = Date)]
    pub since_on: NaiveDate,
    #[diesel(sql_type = Nullable<Date>)]
    pub until_on: Option<NaiveDate>,
}

/// What was begun and is open, with what is in its way and its next step; one row for an invoice.
const BEGUN: &str = "\
    SELECT i.id AS invoice_id, i.number, i.entity_id, i.member_id, i.client_id, i.due_on, i.currency::text AS currency, \
           o.open_minor, t.today, l.id AS last_id, l.kind AS last_kind, l.done_on, done.is_posted, r.id AS posting_id, \
           d.opened_on, p.id AS pause_id, p.started_on, p.until_on AS paused_until, s.kind AS next_kind, \
           greatest(l.done_on + s.after_days, f.grace_until + 1) AS next_on, \
           coalesce(greatest(l.pay_by, f.grace_until), l.done_on) AS over_on, q.asked_on, q.silent_on, w.go_on \
    FROM (SELECT invoice_id FROM collection_action UNION SELECT invoice_id FROM invoice_dispute WHERE resolved_at IS NULL \
          UNION SELECT invoice_id FROM collection_pause WHERE ended_on IS NULL) begun \
    JOIN invoice i ON i.id = begun.invoice_id JOIN entity e ON e.id = i.entity_id \
    CROSS JOIN LATERAL (SELECT (umbel_now() AT TIME ZONE e.zone)::date AS today) t \
    JOIN invoice_open o ON o.invoice_id = i.id \
    LEFT JOIN LATERAL (SELECT a.* FROM collection_action a WHERE a.invoice_id = i.id ORDER BY a.step_n DESC LIMIT 1) l ON true \
    LEFT JOIN collection_action f ON f.invoice_id = i.id AND f.step_n = 1 \
    LEFT JOIN collection_step done ON (done.track_id, done.n) = (l.track_id, l.step_n) \
    LEFT JOIN collection_step s ON (s.track_id, s.n) = (l.track_id, l.step_n + 1) \
    LEFT JOIN collection_posting r ON r.action_id = l.id \
    LEFT JOIN collection_question q ON q.invoice_id = i.id \
    LEFT JOIN LATERAL (SELECT a.go_on FROM collection_answer a WHERE a.question_id = q.id ORDER BY a.n DESC LIMIT 1) w ON true \
    LEFT JOIN LATERAL (SELECT (x.opened_at AT TIME ZONE e.zone)::date AS opened_on FROM invoice_dispute x \
                       WHERE x.invoice_id = i.id AND x.resolved_at IS NULL) d ON true \
    LEFT JOIN collection_pause p ON p.invoice_id = i.id AND p.ended_on IS NULL AND (p.until_on IS NULL OR p.until_on >= t.today) \
    WHERE i.state = 'issued' AND i.due_on < t.today AND o.open_minor > 0 AND ($1 IS NULL OR i.entity_id = $1) \
      AND ($2 IS NULL OR (i.due_on, i.id) > (SELECT n.due_on, n.id FROM invoice n WHERE n.id = $2))";

/// What it waits for: first what stops everything, then what a person has to do, then the next step.
const WAITS: &str = "\
    SELECT b.*, CASE \
        WHEN b.opened_on IS NOT NULL THEN 'dispute' \
        WHEN b.pause_id IS NOT NULL THEN CASE WHEN b.paused_until IS NULL THEN 'hold' END \
        WHEN b.is_posted AND b.posting_id IS NULL THEN 'letter_to_post' \
        WHEN b.last_id IS NULL OR b.last_kind = 'agency' THEN NULL \
        WHEN b.next_kind IS NULL THEN CASE WHEN b.over_on < b.today THEN 'decision' END \
        WHEN b.next_kind = 'agency' THEN CASE WHEN b.next_on <= b.today THEN 'agency' END \
        WHEN b.next_kind = 'formal_demand' AND b.asked_on IS NOT NULL \
            THEN CASE WHEN b.go_on IS NULL AND b.silent_on > b.today THEN 'member_answer' ELSE 'formal_demand' END \
        END AS waits_for \
    FROM begun b";

/// What late invoices wait for, the longest due first, after one of them.
pub(in crate::collection) fn list_waiting(
    tx: &mut Tx<'_>,
    to_do: &ToDo,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<WaitingRow>> {
    Ok(diesel::sql_query(format!(
        "WITH begun AS ({BEGUN}), waiting AS ({WAITS}), told AS ( \
             SELECT x.*, CASE x.waits_for WHEN 'member_answer' THEN 'member' WHEN 'formal_demand' THEN 'program' ELSE 'reviewer' END AS waits_on, \
                    CASE x.waits_for WHEN 'dispute' THEN x.opened_on WHEN 'hold' THEN x.started_on WHEN 'letter_to_post' THEN x.done_on \
                        WHEN 'decision' THEN x.over_on + 1 WHEN 'agency' THEN x.next_on ELSE x.asked_on END AS since_on, \
                    CASE x.waits_for WHEN 'member_answer' THEN x.silent_on \
                        WHEN 'formal_demand' THEN greatest(x.next_on, coalesce(x.go_on, x.silent_on)) END AS until_on \
             FROM waiting x WHERE x.waits_for IS NOT NULL) \
         SELECT x.invoice_id, x.number, x.entity_id, x.member_id, x.client_id, c.name AS client_name, x.due_on, (x.today - x.due_on) AS days_late, \
                x.currency, x.open_minor, x.waits_for, x.waits_on, x.since_on, x.until_on \
         FROM told x JOIN client c ON c.id = x.client_id \
         WHERE ($3 IS NULL OR x.waits_for = $3) AND ($4 IS NULL OR x.waits_on = $4) ORDER BY x.due_on, x.invoice_id LIMIT $5"
    ))
    .bind::<Nullable<SqlUuid>, _>(to_do.entity_id)
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<Nullable<Text>, _>(to_do.waits_for.map(WaitsFor::name))
    .bind::<Nullable<Text>, _>(to_do.waits_on.map(WaitsOn::name))
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
}
