//! The SQL of exemptions and of levies that activities have of their own.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use serde_json::Value;
use umbel_schema::{levy_exemption, levy_override};

use crate::kernel::ids::{ActivityId, FileId, LevyExemptionId, LevyOverrideId, PersonId};
use crate::kernel::levies::{ExemptPart, Levy, LevyKind};
use crate::levies::{NewExemption, NewOverride};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// What an activity need not pay for a time.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = levy_exemption, check_for_backend(diesel::pg::Pg))]
pub struct ExemptionRow {
    /// Its id.
    pub id: LevyExemptionId,
    /// Whose.
    pub activity_id: ActivityId,
    /// Whose activity that is.
    pub member_id: PersonId,
    /// Of which levy.
    pub kind: LevyKind,
    /// What of it.
    pub part: ExemptPart,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Up to the day before this one.
    pub valid_until: Option<NaiveDate>,
    /// Why.
    pub reason: String,
    /// The paper that shows it.
    pub evidence_id: Option<FileId>,
    /// Who decided.
    pub decided_by: PersonId,
    /// Who ended it.
    pub ended_by: Option<PersonId>,
    /// When it was decided.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A levy that an activity has of its own for a time.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = levy_override, check_for_backend(diesel::pg::Pg))]
pub struct OverrideRow {
    /// Its id.
    pub id: LevyOverrideId,
    /// Whose.
    pub activity_id: ActivityId,
    /// Whose activity that is.
    pub member_id: PersonId,
    /// Of which kind.
    pub kind: LevyKind,
    /// The levy, as [`Levy`] writes it.
    pub levy: Value,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Up to the day before this one.
    pub valid_until: Option<NaiveDate>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub decided_by: PersonId,
    /// Who ended it.
    pub ended_by: Option<PersonId>,
    /// When it was decided.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

pub(in crate::levies) fn insert_exemption(
    tx: &mut Tx<'_>,
    new: &NewExemption,
    member: PersonId,
    by: PersonId,
) -> Result<ExemptionRow> {
    Ok(diesel::insert_into(levy_exemption::table)
        .values((
            levy_exemption::id.eq(new.id),
            levy_exemption::activity_id.eq(new.activity),
            levy_exemption::member_id.eq(member),
            levy_exemption::kind.eq(new.kind),
            levy_exemption::part.eq(new.part),
            levy_exemption::valid_from.eq(new.valid_from),
            levy_exemption::valid_until.eq(new.valid_until),
            levy_exemption::reason.eq(new.reason.trim()),
            levy_exemption::evidence_id.eq(new.evidence),
            levy_exemption::decided_by.eq(by),
        ))
        .returning(ExemptionRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::levies) fn insert_override(
    tx: &mut Tx<'_>,
    new: &NewOverride,
    levy: &Levy,
    member: PersonId,
    by: PersonId,
) -> Result<OverrideRow> {
    Ok(diesel::insert_into(levy_override::table)
        .values((
            levy_override::id.eq(new.id),
            levy_override::activity_id.eq(new.activity),
            levy_override::member_id.eq(member),
            levy_override::kind.eq(levy.kind),
            levy_override::levy.eq(serde_json::to_value(levy)?),
            levy_override::valid_from.eq(new.valid_from),
            levy_override::valid_until.eq(new.valid_until),
            levy_override::reason.eq(new.reason.trim()),
            levy_override::decided_by.eq(by),
        ))
        .returning(OverrideRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::levies) fn find_exemption(tx: &mut Tx<'_>, id: LevyExemptionId) -> Result<ExemptionRow> {
    let mut query = levy_exemption::table.find(id).select(ExemptionRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(levy_exemption::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(in crate::levies) fn find_override(tx: &mut Tx<'_>, id: LevyOverrideId) -> Result<OverrideRow> {
    let mut query = levy_override::table.find(id).select(OverrideRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(levy_override::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(in crate::levies) fn list_exemptions(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<ExemptionRow>> {
    let mut query = levy_exemption::table
        .filter(levy_exemption::activity_id.eq(activity))
        .order(levy_exemption::id.desc())
        .limit(200)
        .select(ExemptionRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(levy_exemption::member_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

pub(in crate::levies) fn list_overrides(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<OverrideRow>> {
    let mut query = levy_override::table
        .filter(levy_override::activity_id.eq(activity))
        .order(levy_override::id.desc())
        .limit(200)
        .select(OverrideRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(levy_override::member_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

pub(in crate::levies) fn lock_exemption(tx: &mut Tx<'_>, id: LevyExemptionId) -> Result<Locked<ExemptionRow>> {
    let row = levy_exemption::table.find(id).select(ExemptionRow::as_select()).for_update().first(tx.conn())?;
    Ok(Locked::new(row))
}

pub(in crate::levies) fn lock_override(tx: &mut Tx<'_>, id: LevyOverrideId) -> Result<Locked<OverrideRow>> {
    let row = levy_override::table.find(id).select(OverrideRow::as_select()).for_update().first(tx.conn())?;
    Ok(Locked::new(row))
}

pub(in crate::levies) fn end_exemption(
    tx: &mut Tx<'_>,
    row: &Locked<ExemptionRow>,
    until: NaiveDate,
    by: PersonId,
) -> Result<ExemptionRow> {
    Ok(diesel::update(levy_exemption::table.find(row.id))
        .set((levy_exemption::valid_until.eq(until), levy_exemption::ended_by.eq(by)))
        .returning(ExemptionRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::levies) fn end_override(
    tx: &mut Tx<'_>,
    row: &Locked<OverrideRow>,
    until: NaiveDate,
    by: PersonId,
) -> Result<OverrideRow> {
    Ok(diesel::update(levy_override::table.find(row.id))
        .set((levy_override::valid_until.eq(until), levy_override::ended_by.eq(by)))
        .returning(OverrideRow::as_returning())
        .get_result(tx.conn())?)
}
