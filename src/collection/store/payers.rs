//! The SQL of how enterprises pay across members.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Date, Integer, Nullable, Text, Uuid as SqlUuid};
use umbel_schema::payer_record;

use crate::collection::payers::Figures;
use crate::kernel::ids::{EntityId, PayerRecordId, PersonId};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// How an enterprise paid a set of invoices.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payer_record, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct PayerRow {
    pub id: PayerRecordId,
    pub entity_id: EntityId,
    pub payer: String,
    pub from_on: NaiveDate,
    pub through_on: NaiveDate,
    pub members: i32,
    pub invoices: i32,
    pub median_days: i32,
    pub p90_days: i32,
    pub late_ppm: i64,
    pub created_at: DateTime<Utc>,
}

/// An invoice that an enterprise has paid.
#[derive(Debug, Clone, QueryableByName)]
pub(in crate::collection) struct PaidRow {
    #[diesel(sql_type = Text)]
    pub payer: String,
    #[diesel(sql_type = SqlUuid)]
    pub member_id: PersonId,
    #[diesel(sql_type = Integer)]
    pub days_late: i32,
    #[diesel(sql_type = Date)]
    pub known_on: NaiveDate,
    #[diesel(sql_type = Nullable<Date>)]
    pub after_on: Option<NaiveDate>,
}

/// Invoices that enterprises have paid in full, each known up to a day and after the last record of its payer.
pub(in crate::collection) fn list_paid(tx: &mut Tx<'_>, entity: EntityId, through: NaiveDate) -> Result<Vec<PaidRow>> {
    Ok(diesel::sql_query(
        "WITH paid AS ( \
             SELECT coalesce(i.buyer_snapshot ->> 'vat_number', (i.buyer_snapshot ->> 'country') || (i.buyer_snapshot ->> 'enterprise_number')) AS payer, i.member_id, \
                    (max(l.booked_on) - i.due_on) AS days_late, max(a.created_at AT TIME ZONE e.zone)::date AS known_on \
             FROM invoice i JOIN entity e ON e.id = i.entity_id JOIN client c ON c.id = i.client_id \
             JOIN invoice_open o ON o.invoice_id = i.id JOIN standing_allocation a ON a.invoice_id = i.id JOIN bank_line l ON l.id = a.bank_line_id \
             WHERE i.entity_id = $1 AND i.kind = 'invoice' AND i.state = 'issued' AND o.open_minor <= 0 AND c.kind <> 'consumer' \
               AND coalesce(i.buyer_snapshot ->> 'vat_number', i.buyer_snapshot ->> 'enterprise_number') IS NOT NULL \
               AND NOT EXISTS (SELECT FROM invoice_reduction r WHERE r.invoice_id = i.id AND r.kind = 'write_off') \
             GROUP BY i.id, c.id, e.id), \
         known AS (SELECT payer, max(through_on) AS after_on FROM payer_record WHERE entity_id = $1 GROUP BY payer) \
         SELECT p.payer, p.member_id, p.days_late, p.known_on, k.after_on FROM paid p LEFT JOIN known k ON k.payer = p.payer \
         WHERE p.known_on <= $2 AND (k.after_on IS NULL OR p.known_on > k.after_on) ORDER BY p.payer, p.known_on, p.member_id",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Date, _>(through)
    .load(tx.conn())?)
}

pub(in crate::collection) fn insert_record(
    tx: &mut Tx<'_>,
    (entity, payer): (EntityId, &str),
    (from, through): (NaiveDate, NaiveDate),
    figures: Figures,
) -> Result<PayerRow> {
    let id: PayerRecordId = tx.new_id();
    Ok(diesel::insert_into(payer_record::table)
        .values((
            (payer_record::id.eq(id), payer_record::entity_id.eq(entity), payer_record::payer.eq(payer)),
            (
                payer_record::from_on.eq(from),
                payer_record::through_on.eq(through),
                payer_record::members.eq(figures.members),
                payer_record::invoices.eq(figures.invoices),
                payer_record::median_days.eq(figures.median_days),
                payer_record::p90_days.eq(figures.p90_days),
                payer_record::late_ppm.eq(figures.late_ppm),
            ),
        ))
        .returning(PayerRow::as_returning())
        .get_result(tx.conn())?)
}

/// The newest record of an enterprise.
pub(in crate::collection) fn latest_record(tx: &mut Tx<'_>, payer: &str) -> Result<Option<PayerRow>> {
    Ok(payer_record::table
        .filter(payer_record::payer.eq(payer))
        .order((payer_record::through_on.desc(), payer_record::id.desc()))
        .select(PayerRow::as_select())
        .first(tx.conn())
        .optional()?)
}
