//! The SQL of payroll.

mod true_ups;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Nullable, Timestamptz, Uuid as SqlUuid};
use serde_json::Value;
pub use true_ups::{PolicyRow, ProofRow, TrueUpPartRow, TrueUpRow};
pub(super) use true_ups::{
    Wage, booked, decide_true_up, find_policy, find_true_up, has_proof, insert_part, insert_policy, insert_proof,
    insert_return, insert_true_up, is_trued_up, list_parts, list_parts_of_payout, list_policies, list_proofs,
    list_true_ups, lock_open_of, lock_true_up, policy_on, unpaid_of,
};
use umbel_schema::{pay_arrangement, pay_scheme, pay_scheme_version, pay_slip, withholding_rate};
use uuid::Uuid;

use super::{NewArrangement, NewRate, NewScheme, NewVersion};
use crate::kernel::ids::{
    ActivityId, EntityId, FileId, PayArrangementId, PaySchemeId, PaySchemeVersionId, PayoutId, PersonId,
    WithholdingRateId,
};
use crate::kernel::money::{Currency, Minor, Ppm};
use crate::kernel::schemes::Pay;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// A scheme of an entity.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pay_scheme, check_for_backend(diesel::pg::Pg))]
pub struct SchemeRow {
    /// Its id.
    pub id: PaySchemeId,
    /// Whose.
    pub entity_id: EntityId,
    /// Its short name.
    pub code: String,
    /// Its name for people.
    pub name: String,
    /// Who made it.
    pub created_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A version of a scheme.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pay_scheme_version, check_for_backend(diesel::pg::Pg))]
pub struct VersionRow {
    /// Its id.
    pub id: PaySchemeVersionId,
    /// Of which scheme.
    pub scheme_id: PaySchemeId,
    /// From this day on, until that of the next version.
    pub valid_from: NaiveDate,
    /// The components, as [`crate::kernel::schemes::Scheme`] writes them.
    pub rules: Value,
    /// Where the rates come from.
    pub source: String,
    /// On this day somebody should look at it again.
    pub needs_review_on: NaiveDate,
    /// The preset that they come from.
    pub preset: Option<String>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub decided_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// By which scheme an activity pays from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pay_arrangement, check_for_backend(diesel::pg::Pg))]
pub struct ArrangementRow {
    /// Its id.
    pub id: PayArrangementId,
    /// Which activity.
    pub activity_id: ActivityId,
    /// Whose.
    pub member_id: PersonId,
    /// By which scheme; none for a plain transfer.
    pub scheme_id: Option<PaySchemeId>,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub decided_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The withholding rate of a person from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = withholding_rate, check_for_backend(diesel::pg::Pg))]
pub struct RateRow {
    /// Its id.
    pub id: WithholdingRateId,
    /// Whose.
    pub member_id: PersonId,
    /// In parts per million.
    pub rate_ppm: i64,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// The paper that it rests on.
    pub evidence_id: Option<FileId>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub decided_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What a budget became.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pay_slip, check_for_backend(diesel::pg::Pg))]
pub struct SlipRow {
    /// The payout.
    pub payout_id: PayoutId,
    /// Who pays.
    pub entity_id: EntityId,
    /// From which activity.
    pub activity_id: ActivityId,
    /// Who is paid.
    pub member_id: PersonId,
    /// By which version of a scheme.
    pub scheme_version_id: PaySchemeVersionId,
    /// On which day.
    pub computed_on: NaiveDate,
    /// The person's own withholding rate.
    pub withholding_ppm: i64,
    /// Of every amount.
    pub currency: Currency,
    /// Sent to the person.
    pub net_minor: Minor,
    /// The whole, as [`Pay`] writes it.
    pub computation: Value,
    /// When it was computed.
    pub created_at: DateTime<Utc>,
}

impl SlipRow {
    /// The computation.
    ///
    /// # Errors
    /// Fails for one that is not in the form of ours.
    pub fn pay(&self) -> Result<Pay> {
        Ok(serde_json::from_value(self.computation.clone())?)
    }
}

/// A slip to keep.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewSlip {
    pub(super) payout: PayoutId,
    pub(super) entity: EntityId,
    pub(super) activity: ActivityId,
    pub(super) member: PersonId,
    pub(super) version: PaySchemeVersionId,
    pub(super) on: NaiveDate,
    pub(super) withholding_ppm: i64,
    pub(super) currency: Currency,
}

pub(super) fn insert_scheme(tx: &mut Tx<'_>, new: &NewScheme, by: PersonId) -> Result<SchemeRow> {
    Ok(diesel::insert_into(pay_scheme::table)
        .values((
            pay_scheme::id.eq(new.id),
            pay_scheme::entity_id.eq(new.entity),
            pay_scheme::code.eq(&new.code),
            pay_scheme::name.eq(new.name.trim()),
            pay_scheme::created_by.eq(by),
        ))
        .returning(SchemeRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_scheme(tx: &mut Tx<'_>, id: PaySchemeId) -> Result<SchemeRow> {
    Ok(pay_scheme::table.find(id).select(SchemeRow::as_select()).first(tx.conn())?)
}

/// As [`find_scheme`], without a refusal.
pub(super) fn list_scheme(tx: &mut Tx<'_>, id: PaySchemeId) -> Result<Option<SchemeRow>> {
    Ok(pay_scheme::table.find(id).select(SchemeRow::as_select()).first(tx.conn()).optional()?)
}

pub(super) fn list_schemes(
    tx: &mut Tx<'_>,
    of: Option<EntityId>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<SchemeRow>> {
    let mut query =
        pay_scheme::table.order(pay_scheme::id.desc()).limit(limit).select(SchemeRow::as_select()).into_boxed();
    if let Some(of) = of {
        query = query.filter(pay_scheme::entity_id.eq(of));
    }
    if let Some(after) = after {
        query = query.filter(pay_scheme::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert_version(
    tx: &mut Tx<'_>,
    new: &NewVersion,
    rules: &Value,
    (source, review): (&str, NaiveDate),
    by: PersonId,
) -> Result<VersionRow> {
    Ok(diesel::insert_into(pay_scheme_version::table)
        .values((
            pay_scheme_version::id.eq(new.id),
            pay_scheme_version::scheme_id.eq(new.scheme),
            pay_scheme_version::valid_from.eq(new.valid_from),
            pay_scheme_version::rules.eq(rules),
            pay_scheme_version::source.eq(source.trim()),
            pay_scheme_version::needs_review_on.eq(review),
            pay_scheme_version::preset.eq(new.preset.as_deref()),
            pay_scheme_version::reason.eq(new.reason.trim()),
            pay_scheme_version::decided_by.eq(by),
        ))
        .returning(VersionRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn has_version(tx: &mut Tx<'_>, of: PaySchemeId) -> Result<bool> {
    let of = pay_scheme_version::table.filter(pay_scheme_version::scheme_id.eq(of));
    Ok(diesel::select(diesel::dsl::exists(of)).get_result(tx.conn())?)
}

pub(super) fn find_version(tx: &mut Tx<'_>, id: PaySchemeVersionId) -> Result<VersionRow> {
    Ok(pay_scheme_version::table.find(id).select(VersionRow::as_select()).first(tx.conn())?)
}

pub(super) fn version_on(tx: &mut Tx<'_>, of: PaySchemeId, on: NaiveDate) -> Result<Option<VersionRow>> {
    Ok(pay_scheme_version::table
        .filter(pay_scheme_version::scheme_id.eq(of))
        .filter(pay_scheme_version::valid_from.le(on))
        .order(pay_scheme_version::valid_from.desc())
        .select(VersionRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn list_versions(
    tx: &mut Tx<'_>,
    of: PaySchemeId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<VersionRow>> {
    let mut query = pay_scheme_version::table
        .filter(pay_scheme_version::scheme_id.eq(of))
        .order(pay_scheme_version::id.desc())
        .limit(limit)
        .select(VersionRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(pay_scheme_version::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert_arrangement(
    tx: &mut Tx<'_>,
    new: &NewArrangement,
    member: PersonId,
    by: PersonId,
) -> Result<ArrangementRow> {
    Ok(diesel::insert_into(pay_arrangement::table)
        .values((
            pay_arrangement::id.eq(new.id),
            pay_arrangement::activity_id.eq(new.activity),
            pay_arrangement::member_id.eq(member),
            pay_arrangement::scheme_id.eq(new.scheme),
            pay_arrangement::valid_from.eq(new.valid_from),
            pay_arrangement::reason.eq(new.reason.trim()),
            pay_arrangement::decided_by.eq(by),
        ))
        .returning(ArrangementRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn arranged_on(tx: &mut Tx<'_>, activity: ActivityId, on: NaiveDate) -> Result<Option<ArrangementRow>> {
    Ok(pay_arrangement::table
        .filter(pay_arrangement::activity_id.eq(activity))
        .filter(pay_arrangement::valid_from.le(on))
        .order(pay_arrangement::valid_from.desc())
        .select(ArrangementRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn list_arrangements(tx: &mut Tx<'_>, of: ActivityId) -> Result<Vec<ArrangementRow>> {
    Ok(pay_arrangement::table
        .filter(pay_arrangement::activity_id.eq(of))
        .order(pay_arrangement::valid_from.desc())
        .select(ArrangementRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn insert_rate(tx: &mut Tx<'_>, new: &NewRate, rate: Ppm, by: PersonId) -> Result<RateRow> {
    Ok(diesel::insert_into(withholding_rate::table)
        .values((
            withholding_rate::id.eq(new.id),
            withholding_rate::member_id.eq(new.member),
            withholding_rate::rate_ppm.eq(rate.0),
            withholding_rate::valid_from.eq(new.valid_from),
            withholding_rate::evidence_id.eq(new.evidence),
            withholding_rate::reason.eq(new.reason.trim()),
            withholding_rate::decided_by.eq(by),
        ))
        .returning(RateRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn rate_on(tx: &mut Tx<'_>, of: PersonId, on: NaiveDate) -> Result<Option<RateRow>> {
    Ok(withholding_rate::table
        .filter(withholding_rate::member_id.eq(of))
        .filter(withholding_rate::valid_from.le(on))
        .order(withholding_rate::valid_from.desc())
        .select(RateRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn list_rates(tx: &mut Tx<'_>, of: PersonId) -> Result<Vec<RateRow>> {
    Ok(withholding_rate::table
        .filter(withholding_rate::member_id.eq(of))
        .order(withholding_rate::valid_from.desc())
        .select(RateRow::as_select())
        .load(tx.conn())?)
}

#[derive(QueryableByName)]
struct Total {
    #[diesel(sql_type = BigInt)]
    total: Minor,
}

/// What a person was paid for copyright in the calendar year of a day.
pub(super) fn rights_of_year(tx: &mut Tx<'_>, member: PersonId, on: NaiveDate) -> Result<Minor> {
    let row: Total = diesel::sql_query(
        "SELECT coalesce(sum(rights_minor), 0)::bigint AS total FROM pay_slip_counted \
         WHERE member_id = $1 AND date_part('year', computed_on) = $2::bigint",
    )
    .bind::<SqlUuid, _>(member)
    .bind::<BigInt, _>(i64::from(on.year()))
    .get_result(tx.conn())?;
    Ok(row.total)
}

/// Lets one transaction at a time decide about what a person is paid.
pub(super) fn lock_rights(tx: &mut Tx<'_>, member: PersonId) -> Result<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('pay_slip ' || $1::text, 0))")
        .bind::<SqlUuid, _>(member)
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn insert_slip(tx: &mut Tx<'_>, new: &NewSlip, pay: &Pay) -> Result<SlipRow> {
    let rights_withheld = pay.rights.as_ref().map_or(Minor::ZERO, |rights| rights.withholding_minor);
    Ok(diesel::insert_into(pay_slip::table)
        .values((
            (
                pay_slip::payout_id.eq(new.payout),
                pay_slip::entity_id.eq(new.entity),
                pay_slip::activity_id.eq(new.activity),
                pay_slip::member_id.eq(new.member),
                pay_slip::scheme_version_id.eq(new.version),
                pay_slip::computed_on.eq(new.on),
                pay_slip::withholding_ppm.eq(new.withholding_ppm),
                pay_slip::currency.eq(new.currency),
            ),
            (
                pay_slip::budget_minor.eq(pay.budget),
                pay_slip::margin_minor.eq(pay.margin),
                pay_slip::levy_minor.eq(pay.levy),
                pay_slip::beside_minor.eq(pay.beside),
                pay_slip::rights_minor.eq(pay.rights_amount()),
                pay_slip::rights_withheld_minor.eq(rights_withheld),
                pay_slip::gross_minor.eq(pay.gross),
                pay_slip::employer_minor.eq(pay.employer),
                pay_slip::employee_minor.eq(pay.employee),
                pay_slip::withheld_minor.eq(pay.withholding),
                pay_slip::net_minor.eq(pay.net),
                pay_slip::residual_minor.eq(pay.residual),
            ),
            pay_slip::computation.eq(serde_json::to_value(pay)?),
        ))
        .returning(SlipRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_slip(tx: &mut Tx<'_>, payout: PayoutId) -> Result<Option<SlipRow>> {
    let mut query = pay_slip::table.find(payout).select(SlipRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(pay_slip::member_id.eq(owner));
    }
    Ok(query.first(tx.conn()).optional()?)
}

pub(super) fn list_slips(tx: &mut Tx<'_>, payouts: &[PayoutId]) -> Result<Vec<SlipRow>> {
    let mut query =
        pay_slip::table.filter(pay_slip::payout_id.eq_any(payouts)).select(SlipRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(pay_slip::member_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

#[derive(QueryableByName)]
struct Before {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    at: Option<DateTime<Utc>>,
}

/// When the slip before this one of its activity was computed.
pub(super) fn slip_before(tx: &mut Tx<'_>, slip: &SlipRow) -> Result<Option<DateTime<Utc>>> {
    let row: Before = diesel::sql_query(
        "SELECT max(created_at) AS at FROM pay_slip_counted WHERE activity_id = $1 AND payout_id <> $2 \
         AND created_at < $3 AND computed_on <= $4",
    )
    .bind::<SqlUuid, _>(slip.activity_id)
    .bind::<SqlUuid, _>(slip.payout_id)
    .bind::<Timestamptz, _>(slip.created_at)
    .bind::<Date, _>(slip.computed_on)
    .get_result(tx.conn())?;
    Ok(row.at)
}
