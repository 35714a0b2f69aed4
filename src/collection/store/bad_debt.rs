//! The SQL of dossiers about lost claims.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::max;
use diesel::prelude::*;
use umbel_schema::{vat_dossier, vat_refund_rule};

use crate::collection::bad_debt::{NewRefundRule, ProofKind};
use crate::kernel::ids::{EntityId, FileId, PersonId, VatDossierId, VatRefundRuleId, WriteOffId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// Where VAT on a lost claim is taken back, from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = vat_refund_rule, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct RefundRuleRow {
    pub id: VatRefundRuleId,
    pub country: String,
    pub valid_from: NaiveDate,
    pub n: i32,
    pub return_box: String,
    pub deadline_years: i32,
    pub source: String,
    pub needs_review_on: NaiveDate,
    pub reason: Option<String>,
    pub entered_by: Option<PersonId>,
    pub created_at: DateTime<Utc>,
}

/// What proves a lost claim to the tax office.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = vat_dossier, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct DossierRow {
    pub id: VatDossierId,
    pub write_off_id: WriteOffId,
    pub entity_id: EntityId,
    pub member_id: PersonId,
    pub proof_kind: ProofKind,
    pub proof_on: NaiveDate,
    pub evidence_id: Option<FileId>,
    pub rule_id: VatRefundRuleId,
    pub return_box: String,
    pub deadline_on: NaiveDate,
    pub currency: Currency,
    pub vat_minor: Minor,
    pub file_id: FileId,
    pub sha256: Vec<u8>,
    pub made_by: PersonId,
    pub created_at: DateTime<Utc>,
}

pub(in crate::collection) fn insert_refund_rule(
    tx: &mut Tx<'_>,
    new: &NewRefundRule,
    by: PersonId,
) -> Result<RefundRuleRow> {
    let n: Option<i32> = vat_refund_rule::table
        .filter(vat_refund_rule::country.eq(&new.country))
        .filter(vat_refund_rule::valid_from.eq(new.valid_from))
        .select(max(vat_refund_rule::n))
        .first(tx.conn())?;
    let before = n.unwrap_or_default();
    super::check_reason(before, new.reason.as_deref())?;
    Ok(diesel::insert_into(vat_refund_rule::table)
        .values((
            vat_refund_rule::id.eq(new.id),
            vat_refund_rule::country.eq(&new.country),
            vat_refund_rule::valid_from.eq(new.valid_from),
            vat_refund_rule::n.eq(before.saturating_add(1)),
            vat_refund_rule::return_box.eq(new.return_box.trim()),
            vat_refund_rule::deadline_years.eq(new.deadline_years),
            vat_refund_rule::source.eq(new.source.trim()),
            vat_refund_rule::needs_review_on.eq(new.needs_review_on),
            vat_refund_rule::reason.eq(new.reason.as_deref()),
            vat_refund_rule::entered_by.eq(by),
        ))
        .returning(RefundRuleRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::collection) fn list_refund_rules(tx: &mut Tx<'_>) -> Result<Vec<RefundRuleRow>> {
    Ok(vat_refund_rule::table
        .order((vat_refund_rule::country.asc(), vat_refund_rule::valid_from.desc(), vat_refund_rule::n.desc()))
        .select(RefundRuleRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::collection) fn refund_rule_on(
    tx: &mut Tx<'_>,
    country: &str,
    on: NaiveDate,
) -> Result<Option<RefundRuleRow>> {
    Ok(vat_refund_rule::table
        .filter(vat_refund_rule::country.eq(country))
        .filter(vat_refund_rule::valid_from.le(on))
        .order((vat_refund_rule::valid_from.desc(), vat_refund_rule::n.desc()))
        .select(RefundRuleRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(in crate::collection) fn insert_dossier(tx: &mut Tx<'_>, new: &DossierRow) -> Result<DossierRow> {
    Ok(diesel::insert_into(vat_dossier::table)
        .values(new)
        .returning(DossierRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::collection) fn find_dossier(tx: &mut Tx<'_>, of: WriteOffId) -> Result<Option<DossierRow>> {
    Ok(vat_dossier::table
        .filter(vat_dossier::write_off_id.eq(of))
        .select(DossierRow::as_select())
        .first(tx.conn())
        .optional()?)
}
