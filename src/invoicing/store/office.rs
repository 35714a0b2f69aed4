//! The SQL of number templates and of ceilings.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use umbel_schema::{number_template, self_issue_ceiling};

use super::Series;
use crate::kernel::ids::{CeilingId, EntityId, PersonId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// How the numbers of a series are written from a year on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = number_template, check_for_backend(diesel::pg::Pg))]
pub struct TemplateRow {
    /// Whose numbers.
    pub entity_id: EntityId,
    /// Of which documents.
    pub series: Series,
    /// From which year.
    pub from_year: i32,
    /// `{YYYY}-{SEQ:4}`.
    pub template: String,
    /// Who set it.
    pub set_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Up to which total without VAT a member issues without the office.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = self_issue_ceiling, check_for_backend(diesel::pg::Pg))]
pub struct CeilingRow {
    /// Its id.
    pub id: CeilingId,
    /// Who may.
    pub member_id: PersonId,
    /// Up to how much; 0 for none.
    pub ceiling_minor: Minor,
    /// Of the amount.
    pub currency: Currency,
    /// From which day.
    pub valid_from: NaiveDate,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub set_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

pub(in crate::invoicing) fn insert_template(
    tx: &mut Tx<'_>,
    entity: EntityId,
    series: Series,
    from_year: i32,
    template: &str,
) -> Result<TemplateRow> {
    let me = tx.person()?;
    Ok(diesel::insert_into(number_template::table)
        .values((
            number_template::entity_id.eq(entity),
            number_template::series.eq(series),
            number_template::from_year.eq(from_year),
            number_template::template.eq(template),
            number_template::set_by.eq(me),
        ))
        .returning(TemplateRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::invoicing) fn list_templates(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<TemplateRow>> {
    Ok(number_template::table
        .filter(number_template::entity_id.eq(entity))
        .order((number_template::from_year.desc(), number_template::series.asc()))
        .select(TemplateRow::as_select())
        .load(tx.conn())?)
}

/// The templates by which a series is written in a year or after it.
pub(in crate::invoicing) fn templates_from(
    tx: &mut Tx<'_>,
    entity: EntityId,
    series: Series,
    year: i32,
) -> Result<Vec<String>> {
    let rows: Vec<(i32, String)> = number_template::table
        .filter(number_template::entity_id.eq(entity))
        .filter(number_template::series.eq(series))
        .order(number_template::from_year.asc())
        .select((number_template::from_year, number_template::template))
        .load(tx.conn())?;
    let before = rows.iter().rev().find(|(from, _)| *from <= year).map(|(_, template)| template.clone());
    let later = rows.into_iter().filter(|(from, _)| *from > year).map(|(_, template)| template);
    Ok([before.unwrap_or_else(|| series.default_template().to_owned())].into_iter().chain(later).collect())
}

pub(in crate::invoicing) fn insert_ceiling(
    tx: &mut Tx<'_>,
    id: CeilingId,
    member: PersonId,
    (ceiling, valid_from): (Money, NaiveDate),
    reason: &str,
) -> Result<CeilingRow> {
    let me = tx.person()?;
    Ok(diesel::insert_into(self_issue_ceiling::table)
        .values((
            self_issue_ceiling::id.eq(id),
            self_issue_ceiling::member_id.eq(member),
            self_issue_ceiling::ceiling_minor.eq(ceiling.amount_minor),
            self_issue_ceiling::currency.eq(ceiling.currency),
            self_issue_ceiling::valid_from.eq(valid_from),
            self_issue_ceiling::reason.eq(reason.trim()),
            self_issue_ceiling::set_by.eq(me),
        ))
        .returning(CeilingRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::invoicing) fn list_ceilings(tx: &mut Tx<'_>, member: PersonId) -> Result<Vec<CeilingRow>> {
    Ok(self_issue_ceiling::table
        .filter(self_issue_ceiling::member_id.eq(member))
        .order((self_issue_ceiling::valid_from.desc(), self_issue_ceiling::id.desc()))
        .select(CeilingRow::as_select())
        .load(tx.conn())?)
}

/// Up to how much a member issues on a day.
pub(in crate::invoicing) fn ceiling_on(
    tx: &mut Tx<'_>,
    member: PersonId,
    currency: Currency,
    day: NaiveDate,
) -> Result<Minor> {
    let found: Option<Minor> = self_issue_ceiling::table
        .filter(self_issue_ceiling::member_id.eq(member))
        .filter(self_issue_ceiling::currency.eq(currency))
        .filter(self_issue_ceiling::valid_from.le(day))
        .order((self_issue_ceiling::valid_from.desc(), self_issue_ceiling::id.desc()))
        .select(self_issue_ceiling::ceiling_minor)
        .first(tx.conn())
        .optional()?;
    Ok(found.unwrap_or_default())
}
