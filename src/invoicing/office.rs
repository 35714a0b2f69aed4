//! What the office sets for documents: how numbers are written, and who issues without it, up to which total.

use chrono::{Datelike, NaiveDate};

use super::rules::Template;
use super::store;
pub use super::store::{CeilingRow, Number, Series, TemplateRow};
use crate::kernel::ids::{CeilingId, EntityId, PersonId};
use crate::kernel::money::Money;
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{charter, members};

/// Sets how the numbers of a series are written from a year on.
///
/// # Errors
/// 422 `number_template_invalid`, and `number_template_collides` with the other series of that entity; 409
/// `series_begun` for a year in which the series has numbers.
pub fn set_template(
    tx: &mut Tx<'_>,
    entity: EntityId,
    series: Series,
    from_year: i32,
    template: &str,
) -> Result<TemplateRow> {
    let entity = charter::entity(tx, entity)?;
    let parsed = Template::parse(template)?;
    let this_year = tx.today(entity.zone()).year();
    if !(this_year..=this_year.saturating_add(5)).contains(&from_year) {
        return Err(Error::field("/from_year", "out_of_range"));
    }
    // From that year on neither series may ever write what the other one writes.
    for other in Series::ALL.iter().copied().filter(|other| *other != series) {
        let written = store::templates_from(tx, entity.id, other, from_year)?;
        for text in written {
            if Template::parse(&text)?.collides(&parsed) {
                return Err(Error::field("/template", "number_template_collides"));
            }
        }
    }
    store::insert_template(tx, entity.id, series, from_year, template)
}

/// How the numbers of an entity are written, newest first; without a row by the default of the series.
///
/// # Errors
/// 404.
pub fn templates(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<TemplateRow>> {
    charter::entity(tx, entity)?;
    store::list_templates(tx, entity)
}

/// The next number of the invoices between members. From here to the commit nobody else numbers in this series.
///
/// # Errors
/// 409 `issue_date_before_last`.
pub fn internal_number(tx: &mut Tx<'_>, entity: EntityId, on: NaiveDate) -> Result<Number> {
    store::take_number(tx, entity, Series::Internal, on)
}

/// Sets up to which total without VAT a member issues without the office, from a day on. Zero ends it.
///
/// # Errors
/// 404; 403 `self_approval_forbidden` for oneself; 422 for an amount below zero, a day in the past and no reason.
pub fn set_ceiling(
    tx: &mut Tx<'_>,
    id: CeilingId,
    member: PersonId,
    (ceiling, valid_from): (Money, NaiveDate),
    reason: &str,
) -> Result<CeilingRow> {
    let of = members::member(tx, member)?;
    if tx.person()? == member {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let zone = charter::entity(tx, of.entity_id)?.zone();
    let today = tx.today(zone);
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 500);
    checks.require(ceiling.amount_minor.get() >= 0, "/ceiling/amount_minor", "out_of_range");
    checks.require(valid_from >= today, "/valid_from", "out_of_range");
    checks.done()?;
    tx.reason(reason)?;
    store::insert_ceiling(tx, id, member, (ceiling, valid_from), reason)
}

/// The ceilings of a member, newest first.
///
/// # Errors
/// 404 for a member whom one does not see.
pub fn ceilings(tx: &mut Tx<'_>, member: PersonId) -> Result<Vec<CeilingRow>> {
    members::member(tx, member)?;
    store::list_ceilings(tx, member)
}
