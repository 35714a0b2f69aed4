//! The SQL of internal invoices.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text, Uuid as SqlUuid};
use serde_json::Value;
use umbel_schema::internal_invoice;
use uuid::Uuid;

use super::rules::{self, InternalState};
use super::{CURRENCY, Draft};
use crate::invoicing::office::Number;
use crate::kernel::ids::{ActivityId, EntityId, InternalInvoiceId, PersonId, TransferId};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;

/// An internal invoice.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = internal_invoice, check_for_backend(diesel::pg::Pg))]
pub struct InternalRow {
    /// Its id.
    pub id: InternalInvoiceId,
    /// The legal person that both sides belong to.
    pub entity_id: EntityId,
    /// Who made it.
    pub member_id: PersonId,
    /// For which activity.
    pub activity_id: ActivityId,
    /// Who pays.
    pub to_member_id: PersonId,
    /// From which activity.
    pub to_activity_id: ActivityId,
    /// Where it stands.
    pub state: InternalState,
    /// One line.
    pub title: String,
    /// Of every amount.
    pub currency: Currency,
    /// What was done.
    pub lines: Value,
    /// What it comes to.
    pub total_minor: Minor,
    /// Who made it, as on the document.
    pub from_name: String,
    /// Who pays, as on the document.
    pub to_name: String,
    /// Its number, once it was sent.
    pub number: Option<String>,
    /// The day it was sent.
    pub sent_on: Option<NaiveDate>,
    /// Why it was refused.
    pub refusal_reason: Option<String>,
    /// What paid it.
    pub transfer_id: Option<TransferId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// Who manages an activity.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct PartyRow {
    /// Of which legal person.
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: EntityId,
    /// Who.
    #[diesel(sql_type = SqlUuid)]
    pub member_id: PersonId,
    /// Whether the activity takes nothing any more.
    #[diesel(sql_type = Bool)]
    pub is_closed: bool,
    /// How the activity is called.
    #[diesel(sql_type = Text)]
    pub activity: String,
    /// How the manager is called.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Where their mail goes.
    #[diesel(sql_type = Text)]
    pub email: String,
    /// What they read.
    #[diesel(sql_type = Text)]
    pub language: Language,
}

impl PartyRow {
    /// As it stands on the document.
    fn called(&self) -> String {
        format!("{} ({})", self.name, self.activity).chars().take(200).collect()
    }
}

pub(super) fn find_party(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Option<PartyRow>> {
    let query = diesel::sql_query("SELECT * FROM activity_party($1)").bind::<SqlUuid, _>(activity);
    Ok(query.get_result(tx.conn()).optional()?)
}

pub(super) fn insert(
    tx: &mut Tx<'_>,
    id: InternalInvoiceId,
    draft: &Draft,
    (from, to): (&PartyRow, &PartyRow),
    total: Minor,
) -> Result<InternalRow> {
    Ok(diesel::insert_into(internal_invoice::table)
        .values((
            internal_invoice::id.eq(id),
            internal_invoice::entity_id.eq(from.entity_id),
            internal_invoice::member_id.eq(from.member_id),
            internal_invoice::activity_id.eq(draft.activity),
            internal_invoice::to_member_id.eq(to.member_id),
            internal_invoice::to_activity_id.eq(draft.to),
            internal_invoice::title.eq(draft.title.trim()),
            internal_invoice::currency.eq(CURRENCY),
            internal_invoice::lines.eq(rules::write(&draft.lines)),
            internal_invoice::total_minor.eq(total),
            internal_invoice::from_name.eq(from.called()),
            internal_invoice::to_name.eq(to.called()),
        ))
        .returning(InternalRow::as_returning())
        .get_result(tx.conn())?)
}

/// Row-level security decides who sees it: the maker, and the other side once it was sent.
pub(super) fn find(tx: &mut Tx<'_>, id: InternalInvoiceId) -> Result<InternalRow> {
    Ok(internal_invoice::table.find(id).select(InternalRow::as_select()).first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: InternalInvoiceId) -> Result<Locked<InternalRow>> {
    if tx.faults().removed(Guard::RowLock) {
        return find(tx, id).map(Locked::new);
    }
    let query = internal_invoice::table.find(id).select(InternalRow::as_select()).for_update();
    Ok(Locked::new(query.first(tx.conn())?))
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    state: Option<InternalState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<InternalRow>> {
    let mut query = internal_invoice::table
        .order(internal_invoice::id.desc())
        .limit(limit)
        .select(InternalRow::as_select())
        .into_boxed();
    if let Some(state) = state {
        query = query.filter(internal_invoice::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(internal_invoice::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn mark_sent(
    tx: &mut Tx<'_>,
    row: &Locked<InternalRow>,
    number: &Number,
    on: NaiveDate,
) -> Result<InternalRow> {
    Ok(diesel::update(internal_invoice::table.find(row.id))
        .set((
            internal_invoice::state.eq(InternalState::Sent),
            internal_invoice::series_year.eq(number.year),
            internal_invoice::seq.eq(number.seq),
            internal_invoice::number.eq(&number.text),
            internal_invoice::sent_on.eq(on),
        ))
        .returning(InternalRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn mark_accepted(tx: &mut Tx<'_>, row: &Locked<InternalRow>, transfer: TransferId) -> Result<InternalRow> {
    Ok(diesel::update(internal_invoice::table.find(row.id))
        .set((internal_invoice::state.eq(InternalState::Accepted), internal_invoice::transfer_id.eq(transfer)))
        .returning(InternalRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn mark_refused(tx: &mut Tx<'_>, row: &Locked<InternalRow>, reason: &str) -> Result<InternalRow> {
    Ok(diesel::update(internal_invoice::table.find(row.id))
        .set((internal_invoice::state.eq(InternalState::Refused), internal_invoice::refusal_reason.eq(reason)))
        .returning(InternalRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn set_state(tx: &mut Tx<'_>, row: &Locked<InternalRow>, state: InternalState) -> Result<InternalRow> {
    Ok(diesel::update(internal_invoice::table.find(row.id))
        .set(internal_invoice::state.eq(state))
        .returning(InternalRow::as_returning())
        .get_result(tx.conn())?)
}
