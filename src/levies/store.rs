//! The SQL of levies.

mod grants;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Jsonb, Nullable, Text, Uuid as SqlUuid};
pub use grants::{ExemptionRow, OverrideRow};
pub(super) use grants::{
    end_exemption, end_override, find_exemption, find_override, insert_exemption, insert_override, list_exemptions,
    list_overrides, lock_exemption, lock_override,
};
use serde_json::Value;
use umbel_schema::levy_charge;
use uuid::Uuid;

use super::NewCharge;
use crate::kernel::ids::{ActivityId, ArrearsId, ChargeId, EntityId, InvoiceId, PersonId, RuleSetId};
use crate::kernel::levies::{ExemptPart, LevyKind, Standing, Term};
use crate::kernel::money::{Currency, Minor};
use crate::named;
use crate::platform::db::Tx;
use crate::platform::error::Result;

named! {
    /// What a levy was charged on.
    ChargeSource {
        /// An invoice, when it was issued.
        Invoice = "invoice",
        /// A credit note, in the shares that were booked.
        CreditNote = "credit_note",
        /// A client's payment.
        Allocation = "allocation",
        /// A cost of the activity.
        Cost = "cost",
        /// A month.
        Period = "period",
    }
}

/// A levy that was charged.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = levy_charge, check_for_backend(diesel::pg::Pg))]
pub struct ChargeRow {
    /// Its id.
    pub id: ChargeId,
    /// Whose books.
    pub entity_id: EntityId,
    /// Who paid it.
    pub activity_id: ActivityId,
    /// Whose activity that is.
    pub member_id: PersonId,
    /// What it is for.
    pub kind: LevyKind,
    /// What it was charged on.
    pub source_kind: ChargeSource,
    /// Which one.
    pub source_id: Uuid,
    /// The invoice that it is about.
    pub invoice_id: Option<InvoiceId>,
    /// By which rules.
    pub rule_set_id: RuleSetId,
    /// The day that decides to which year and month it belongs.
    pub charged_on: NaiveDate,
    /// What it was computed on.
    pub base_minor: Minor,
    /// The rate in parts per million; none for bands, months and shares of earlier charges.
    pub rate_ppm: Option<i64>,
    /// What it came to; negative when it was given back.
    pub amount_minor: Minor,
    /// What it would have come to without the cap of the year, where there is one.
    pub uncapped_minor: Option<Minor>,
    /// The computation, as [`crate::kernel::levies::Basis`] writes it.
    pub basis: Value,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct TermsRow {
    #[diesel(sql_type = Jsonb)]
    terms: Value,
}

pub(super) fn find_terms(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    rule_set: RuleSetId,
    on: NaiveDate,
) -> Result<Vec<Term>> {
    let row: TermsRow = diesel::sql_query("SELECT levies_for($1, $2, $3) AS terms")
        .bind::<SqlUuid, _>(activity)
        .bind::<SqlUuid, _>(rule_set)
        .bind::<Date, _>(on)
        .get_result(tx.conn())?;
    Ok(serde_json::from_value(row.terms)?)
}

/// Sums of what an activity was charged of one kind.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(super) struct StandingRow {
    #[diesel(sql_type = SqlUuid)]
    pub activity_id: ActivityId,
    #[diesel(sql_type = Text)]
    pub kind: LevyKind,
    #[diesel(sql_type = BigInt)]
    year_base: Minor,
    #[diesel(sql_type = BigInt)]
    lifetime_base: Minor,
    #[diesel(sql_type = BigInt)]
    year_amount: Minor,
    #[diesel(sql_type = BigInt)]
    year_uncapped: Minor,
    #[diesel(sql_type = BigInt)]
    pub month_amount: Minor,
}

impl StandingRow {
    pub(super) const fn standing(&self) -> Standing {
        Standing {
            year_base: self.year_base,
            lifetime_base: self.lifetime_base,
            year_amount: self.year_amount,
            year_uncapped: self.year_uncapped,
        }
    }
}

/// What activities were charged in the year and in the month of a day, and in all.
pub(super) fn list_standings(tx: &mut Tx<'_>, activities: &[ActivityId], on: NaiveDate) -> Result<Vec<StandingRow>> {
    Ok(diesel::sql_query(
        "SELECT activity_id, kind, coalesce(sum(base_minor) FILTER (WHERE in_year), 0)::bigint AS year_base, \
                sum(base_minor)::bigint AS lifetime_base, \
                coalesce(sum(amount_minor) FILTER (WHERE in_year), 0)::bigint AS year_amount, \
                coalesce(sum(coalesce(uncapped_minor, amount_minor)) FILTER (WHERE in_year), 0)::bigint AS year_uncapped, \
                coalesce(sum(amount_minor) FILTER (WHERE date_trunc('month', charged_on) = date_trunc('month', $2)), 0)::bigint AS month_amount \
         FROM (SELECT *, date_trunc('year', charged_on) = date_trunc('year', $2) AS in_year FROM levy_charge \
               WHERE activity_id = ANY ($1)) c GROUP BY activity_id, kind",
    )
    .bind::<Array<SqlUuid>, _>(activities)
    .bind::<Date, _>(on)
    .load(tx.conn())?)
}

pub(super) fn insert_charges(tx: &mut Tx<'_>, charges: &[NewCharge]) -> Result<()> {
    let rows: Vec<_> = charges
        .iter()
        .map(|new| {
            let charge = &new.charge;
            Ok((
                (
                    levy_charge::id.eq(new.id),
                    levy_charge::entity_id.eq(new.entity),
                    levy_charge::activity_id.eq(new.activity),
                    levy_charge::member_id.eq(new.member),
                    levy_charge::kind.eq(charge.kind),
                    levy_charge::source_kind.eq(new.source.0),
                    levy_charge::source_id.eq(new.source.1),
                    levy_charge::invoice_id.eq(new.invoice),
                ),
                (
                    levy_charge::rule_set_id.eq(new.rule_set),
                    levy_charge::charged_on.eq(new.on),
                    levy_charge::base_minor.eq(charge.base),
                    levy_charge::rate_ppm.eq(charge.rate.map(|rate| rate.0)),
                    levy_charge::amount_minor.eq(charge.amount),
                    levy_charge::uncapped_minor.eq(charge.uncapped),
                    levy_charge::basis.eq(serde_json::to_value(&charge.basis)?),
                ),
            ))
        })
        .collect::<Result<_>>()?;
    diesel::insert_into(levy_charge::table).values(rows).execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_charge(tx: &mut Tx<'_>, id: ChargeId) -> Result<ChargeRow> {
    let mut query = levy_charge::table.find(id).select(ChargeRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(levy_charge::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn list_of_fact(tx: &mut Tx<'_>, kind: ChargeSource, fact: Uuid) -> Result<Vec<ChargeRow>> {
    Ok(levy_charge::table
        .filter(levy_charge::source_kind.eq(kind))
        .filter(levy_charge::source_id.eq(fact))
        .order(levy_charge::kind.asc())
        .select(ChargeRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn list_of_invoice(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Vec<ChargeRow>> {
    Ok(levy_charge::table
        .filter(levy_charge::invoice_id.eq(invoice))
        .order(levy_charge::id.asc())
        .select(ChargeRow::as_select())
        .load(tx.conn())?)
}

type Days = Option<(NaiveDate, NaiveDate)>;

pub(super) fn list_charges(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    days: Days,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ChargeRow>> {
    let mut query = levy_charge::table
        .filter(levy_charge::activity_id.eq(activity))
        .order(levy_charge::id.desc())
        .limit(limit)
        .select(ChargeRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(levy_charge::member_id.eq(owner));
    }
    if let Some((from, until)) = days {
        query = query.filter(levy_charge::charged_on.ge(from)).filter(levy_charge::charged_on.lt(until));
    }
    if let Some(after) = after {
        query = query.filter(levy_charge::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
}

pub(super) fn sum_charges(tx: &mut Tx<'_>, activity: ActivityId, days: Days) -> Result<Minor> {
    let sum: Sum = diesel::sql_query(
        "SELECT coalesce(sum(amount_minor), 0)::bigint AS amount_minor FROM levy_charge \
         WHERE activity_id = $1 AND ($2 IS NULL OR charged_on >= $2) AND ($3 IS NULL OR charged_on < $3)",
    )
    .bind::<SqlUuid, _>(activity)
    .bind::<Nullable<Date>, _>(days.map(|(from, _)| from))
    .bind::<Nullable<Date>, _>(days.map(|(_, until)| until))
    .get_result(tx.conn())?;
    Ok(sum.amount_minor)
}

#[derive(QueryableByName)]
struct Flag {
    #[diesel(sql_type = Bool)]
    holds: bool,
}

/// Whether the rules or an override that hold on a day charge something by the month.
pub(super) fn has_month_levies(tx: &mut Tx<'_>, entity: EntityId, on: NaiveDate) -> Result<bool> {
    let flag: Flag = diesel::sql_query(
        "SELECT EXISTS (SELECT FROM rule_set_levy l WHERE (l.floor_minor IS NOT NULL OR l.fixed_minor IS NOT NULL) \
                          AND l.rule_set_id = (SELECT id FROM rule_set s WHERE s.entity_id = $1 AND s.valid_from <= $2 \
                                               ORDER BY s.valid_from DESC LIMIT 1)) \
             OR EXISTS (SELECT FROM levy_override o JOIN activity a ON a.id = o.activity_id WHERE a.entity_id = $1 \
                          AND o.valid_from <= $2 AND (o.valid_until IS NULL OR o.valid_until > $2) \
                          AND (o.levy ->> 'floor_minor' IS NOT NULL OR o.levy ->> 'fixed_minor' IS NOT NULL)) AS holds",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Date, _>(on)
    .get_result(tx.conn())?;
    Ok(flag.holds)
}

/// An activity at the end of a month.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct MonthRow {
    #[diesel(sql_type = SqlUuid)]
    pub activity_id: ActivityId,
    #[diesel(sql_type = SqlUuid)]
    pub member_id: PersonId,
    #[diesel(sql_type = Date)]
    pub opened_on: NaiveDate,
    #[diesel(sql_type = SqlUuid)]
    pub rule_set_id: RuleSetId,
    #[diesel(sql_type = Jsonb)]
    pub terms: Value,
}

/// The activities that are open at the end of a month and whose month was not closed, with what holds on its last day.
pub(super) fn list_month(
    tx: &mut Tx<'_>,
    entity: EntityId,
    (first, last): (NaiveDate, NaiveDate),
    after: Option<ActivityId>,
    limit: i64,
) -> Result<Vec<MonthRow>> {
    Ok(diesel::sql_query(
        "SELECT a.id AS activity_id, a.member_id, (a.created_at AT TIME ZONE e.zone)::date AS opened_on, \
                r.id AS rule_set_id, levies_for(a.id, r.id, $3) AS terms \
         FROM activity a JOIN entity e ON e.id = a.entity_id \
         JOIN LATERAL (SELECT id FROM rule_set s WHERE s.entity_id = e.id AND s.valid_from <= $3 \
                       ORDER BY s.valid_from DESC LIMIT 1) r ON true \
         WHERE a.entity_id = $1 AND ($4 IS NULL OR a.id > $4) AND (a.created_at AT TIME ZONE e.zone)::date <= $3 \
           AND (a.closed_at IS NULL OR (a.closed_at AT TIME ZONE e.zone)::date > $3) \
           AND NOT EXISTS (SELECT FROM levy_period p WHERE p.activity_id = a.id AND p.month = $2) \
         ORDER BY a.id LIMIT $5",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Date, _>(first)
    .bind::<Date, _>(last)
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
}

/// A part of a levy of one activity in one month.
#[derive(Debug, Clone)]
pub(super) struct NewPeriod {
    pub id: Uuid,
    pub entity: EntityId,
    pub activity: ActivityId,
    pub member: PersonId,
    pub month: NaiveDate,
    pub kind: LevyKind,
    pub part: ExemptPart,
}

pub(super) fn insert_periods(tx: &mut Tx<'_>, periods: &[NewPeriod]) -> Result<()> {
    use umbel_schema::levy_period;
    let rows: Vec<_> = periods
        .iter()
        .map(|new| {
            (
                levy_period::id.eq(new.id),
                levy_period::entity_id.eq(new.entity),
                levy_period::activity_id.eq(new.activity),
                levy_period::member_id.eq(new.member),
                levy_period::month.eq(new.month),
                levy_period::kind.eq(new.kind),
                levy_period::part.eq(new.part),
            )
        })
        .collect();
    diesel::insert_into(levy_period::table).values(rows).execute(tx.conn())?;
    Ok(())
}

/// A debt that is settled.
#[derive(Debug, Clone)]
pub(super) struct NewSettlement {
    pub id: ArrearsId,
    pub entity: EntityId,
    pub activity: ActivityId,
    pub member: PersonId,
    pub amount: Minor,
    pub currency: Currency,
    pub on: NaiveDate,
}

pub(super) fn insert_settlements(tx: &mut Tx<'_>, settlements: &[NewSettlement]) -> Result<()> {
    use umbel_schema::arrears_settlement;
    let rows: Vec<_> = settlements
        .iter()
        .map(|new| {
            (
                arrears_settlement::id.eq(new.id),
                arrears_settlement::entity_id.eq(new.entity),
                arrears_settlement::activity_id.eq(new.activity),
                arrears_settlement::member_id.eq(new.member),
                arrears_settlement::amount_minor.eq(new.amount),
                arrears_settlement::currency.eq(new.currency),
                arrears_settlement::settled_on.eq(new.on),
            )
        })
        .collect();
    diesel::insert_into(arrears_settlement::table).values(rows).execute(tx.conn())?;
    Ok(())
}
