//! The SQL of late clients.

mod bad_debt;
mod laws;
mod payers;
mod provision;
mod waiting;

pub use bad_debt::{DossierRow, RefundRuleRow};
pub(super) use bad_debt::{find_dossier, insert_dossier, insert_refund_rule, list_refund_rules, refund_rule_on};
use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::max;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Text, Uuid as SqlUuid};
pub use laws::{Citations, LawRow, RateRow, TrackRow};
pub(super) use laws::{
    bands_of, find_track, insert_law, insert_rate, insert_track, law_on, list_laws, list_rates, list_tracks, rates_of,
    steps_of, track_on,
};
pub use payers::PayerRow;
pub(super) use payers::{insert_record, latest_record, list_paid};
pub use provision::{MatrixRow, ProvisionRow};
pub(super) use provision::{
    buckets_of, find_run, insert_matrix, insert_run, last_run_before, list_late, list_matrices, list_runs, matrix_on,
    run_of,
};
use serde::Serialize;
use serde_json::Value;
use umbel_schema::{
    collection_action, collection_answer, collection_contact, collection_pause, collection_pause_part,
    collection_posting, collection_question, collection_track, invoice, invoice_open,
};
use uuid::Uuid;
pub use waiting::WaitingRow;
pub(super) use waiting::list_waiting;

use super::rules::{AnswerKind, ContactKind, PauseKind, StepKind};
use super::{NewContact, NewPosting};
use crate::invoicing::InvoiceState;
use crate::kernel::ids::{
    ClientId, CollectionActionId, CollectionPauseId, CollectionQuestionId, ContactId, EntityId, InvoiceId, PersonId,
    PostingId, ReminderId, TrackId,
};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// A step that was taken.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = collection_action, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct ActionRow {
    pub id: CollectionActionId,
    pub entity_id: EntityId,
    pub invoice_id: InvoiceId,
    pub member_id: PersonId,
    pub client_id: ClientId,
    pub track_id: TrackId,
    pub step_n: i32,
    pub kind: StepKind,
    pub logical_on: NaiveDate,
    pub done_on: NaiveDate,
    pub due_on: NaiveDate,
    pub pay_by: Option<NaiveDate>,
    pub grace_until: Option<NaiveDate>,
    pub currency: Currency,
    pub open_minor: Minor,
    pub interest_minor: Minor,
    pub compensation_minor: Minor,
    pub costs_minor: Minor,
    pub total_minor: Minor,
    pub computation: Value,
    pub reminder_id: Option<ReminderId>,
    pub decided_by: Option<PersonId>,
    pub created_at: DateTime<Utc>,
}

/// A step to be kept.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = collection_action)]
pub(super) struct NewAction {
    pub id: CollectionActionId,
    pub entity_id: EntityId,
    pub invoice_id: InvoiceId,
    pub member_id: PersonId,
    pub client_id: ClientId,
    pub track_id: TrackId,
    pub step_n: i32,
    pub kind: StepKind,
    pub logical_on: NaiveDate,
    pub done_on: NaiveDate,
    pub due_on: NaiveDate,
    pub pay_by: Option<NaiveDate>,
    pub grace_until: Option<NaiveDate>,
    pub currency: Currency,
    pub open_minor: Minor,
    pub interest_minor: Minor,
    pub compensation_minor: Minor,
    pub costs_minor: Minor,
    pub total_minor: Minor,
    pub computation: Value,
    pub reminder_id: Option<ReminderId>,
    pub decided_by: Option<PersonId>,
}

/// A promise or a hold.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = collection_pause, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct PauseRow {
    pub id: CollectionPauseId,
    pub entity_id: EntityId,
    pub invoice_id: InvoiceId,
    pub member_id: PersonId,
    pub kind: PauseKind,
    pub reason: String,
    pub started_on: NaiveDate,
    pub until_on: Option<NaiveDate>,
    pub open_minor: Minor,
    pub opened_by: PersonId,
    pub created_at: DateTime<Utc>,
    pub ended_on: Option<NaiveDate>,
    pub ended_by: Option<PersonId>,
    pub end_reason: Option<String>,
    pub version: i32,
}

/// A promise or a hold to be kept.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = collection_pause)]
pub(super) struct NewPauseRow {
    pub id: CollectionPauseId,
    pub entity_id: EntityId,
    pub invoice_id: InvoiceId,
    pub member_id: PersonId,
    pub kind: PauseKind,
    pub reason: String,
    pub started_on: NaiveDate,
    pub until_on: Option<NaiveDate>,
    pub open_minor: Minor,
    pub opened_by: PersonId,
}

/// Whether a member agrees to a formal demand.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = collection_question, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct QuestionRow {
    pub id: CollectionQuestionId,
    pub entity_id: EntityId,
    pub invoice_id: InvoiceId,
    pub member_id: PersonId,
    pub asked_on: NaiveDate,
    pub silent_on: NaiveDate,
    pub wait_until_max: NaiveDate,
    pub created_at: DateTime<Utc>,
}

/// What was answered.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = collection_answer, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct AnswerRow {
    pub n: i32,
    pub answer: AnswerKind,
    pub go_on: NaiveDate,
    pub answered_on: NaiveDate,
    pub note: Option<String>,
    pub answered_by: PersonId,
    pub created_at: DateTime<Utc>,
}

/// An entry of the diary.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = collection_contact, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct ContactRow {
    pub id: ContactId,
    pub invoice_id: InvoiceId,
    pub client_id: ClientId,
    pub member_id: PersonId,
    pub kind: ContactKind,
    pub contacted_on: NaiveDate,
    pub note: String,
    pub action_id: Option<CollectionActionId>,
    pub recorded_by: Option<PersonId>,
    pub created_at: DateTime<Utc>,
}

/// A registered letter.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = collection_posting, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct PostingRow {
    pub id: PostingId,
    pub action_id: CollectionActionId,
    pub carrier: String,
    pub tracking_number: String,
    pub posted_on: NaiveDate,
    pub recorded_by: PersonId,
    pub created_at: DateTime<Utc>,
}

/// What shapes a list about late invoices.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Filter {
    /// Only about this invoice.
    pub invoice_id: Option<InvoiceId>,
    /// Only about this client.
    pub client_id: Option<ClientId>,
    /// Only steps of this kind.
    pub kind: Option<StepKind>,
    /// Only what is still open.
    pub is_open: Option<bool>,
}

/// What lowered an invoice.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct Movement {
    #[diesel(sql_type = Date)]
    pub moved_on: NaiveDate,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = BigInt)]
    pub amount_minor: Minor,
}

/// A row that takes the place of another says why; the first of its day does not.
pub(super) fn check_reason(before: i32, reason: Option<&str>) -> Result<()> {
    match (before, reason) {
        (0, Some(_)) => Err(Error::field("/reason", "not_allowed")),
        (1.., None) => Err(Error::field("/reason", "required")),
        _ => Ok(()),
    }
}

/// Invoices of an entity that are late on a day and have something open; none without a track.
pub(super) fn list_late_invoices(tx: &mut Tx<'_>, entity: EntityId, day: NaiveDate) -> Result<Vec<InvoiceId>> {
    let has_track: i64 =
        collection_track::table.filter(collection_track::entity_id.eq(entity)).count().get_result(tx.conn())?;
    if has_track == 0 {
        return Ok(Vec::new());
    }
    let open = invoice_open::table.filter(invoice_open::open_minor.gt(Minor::ZERO)).select(invoice_open::invoice_id);
    Ok(invoice::table
        .filter(invoice::entity_id.eq(entity))
        .filter(invoice::state.eq(InvoiceState::Issued))
        .filter(invoice::due_on.lt(day))
        .filter(invoice::id.eq_any(open))
        .order((invoice::due_on.asc(), invoice::id.asc()))
        .select(invoice::id)
        .load(tx.conn())?)
}

/// What lowered an invoice, oldest first.
pub(super) fn movements(tx: &mut Tx<'_>, of: InvoiceId) -> Result<Vec<Movement>> {
    Ok(diesel::sql_query("SELECT moved_on, kind, amount_minor FROM invoice_movements($1)")
        .bind::<SqlUuid, _>(of)
        .load(tx.conn())?)
}

/// The steps taken about an invoice, in order.
pub(super) fn actions_of(tx: &mut Tx<'_>, of: InvoiceId) -> Result<Vec<ActionRow>> {
    Ok(collection_action::table
        .filter(collection_action::invoice_id.eq(of))
        .order(collection_action::step_n.asc())
        .select(ActionRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn insert_action(tx: &mut Tx<'_>, new: &NewAction) -> Result<ActionRow> {
    Ok(diesel::insert_into(collection_action::table)
        .values(new)
        .returning(ActionRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_action(tx: &mut Tx<'_>, id: CollectionActionId) -> Result<ActionRow> {
    let mut query = collection_action::table.find(id).select(ActionRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(collection_action::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn list_actions(
    tx: &mut Tx<'_>,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ActionRow>> {
    let mut query = collection_action::table
        .order(collection_action::id.desc())
        .limit(limit)
        .select(ActionRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(collection_action::member_id.eq(owner));
    }
    if let Some(invoice) = filter.invoice_id {
        query = query.filter(collection_action::invoice_id.eq(invoice));
    }
    if let Some(client) = filter.client_id {
        query = query.filter(collection_action::client_id.eq(client));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(collection_action::kind.eq(kind));
    }
    if let Some(after) = after {
        query = query.filter(collection_action::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert_posting(tx: &mut Tx<'_>, new: &NewPosting, by: PersonId) -> Result<PostingRow> {
    Ok(diesel::insert_into(collection_posting::table)
        .values((
            collection_posting::id.eq(new.id),
            collection_posting::action_id.eq(new.action),
            collection_posting::carrier.eq(new.carrier.trim()),
            collection_posting::tracking_number.eq(new.tracking_number.trim()),
            collection_posting::posted_on.eq(new.posted_on),
            collection_posting::recorded_by.eq(by),
        ))
        .returning(PostingRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn posting_of(tx: &mut Tx<'_>, action: CollectionActionId) -> Result<Option<PostingRow>> {
    Ok(collection_posting::table
        .filter(collection_posting::action_id.eq(action))
        .select(PostingRow::as_select())
        .first(tx.conn())
        .optional()?)
}

/// The pause of an invoice that has not ended, whose invoice is locked.
pub(super) fn open_pause(tx: &mut Tx<'_>, of: InvoiceId) -> Result<Option<PauseRow>> {
    Ok(collection_pause::table
        .filter(collection_pause::invoice_id.eq(of))
        .filter(collection_pause::ended_on.is_null())
        .select(PauseRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn parts_of(tx: &mut Tx<'_>, pause: CollectionPauseId) -> Result<Vec<(NaiveDate, Minor)>> {
    Ok(collection_pause_part::table
        .filter(collection_pause_part::pause_id.eq(pause))
        .order(collection_pause_part::due_on.asc())
        .select((collection_pause_part::due_on, collection_pause_part::amount_minor))
        .load(tx.conn())?)
}

/// How many promises and holds a member opened about their own invoice.
pub(super) fn count_member_pauses(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<i64> {
    Ok(collection_pause::table
        .filter(collection_pause::invoice_id.eq(invoice))
        .filter(collection_pause::opened_by.eq(collection_pause::member_id))
        .count()
        .get_result(tx.conn())?)
}

pub(super) fn insert_pause(tx: &mut Tx<'_>, new: &NewPauseRow, parts: &[(NaiveDate, Minor)]) -> Result<PauseRow> {
    let row = diesel::insert_into(collection_pause::table)
        .values(new)
        .returning(PauseRow::as_returning())
        .get_result(tx.conn())?;
    for (due_on, amount) in parts {
        diesel::insert_into(collection_pause_part::table)
            .values((
                collection_pause_part::pause_id.eq(new.id),
                collection_pause_part::due_on.eq(due_on),
                collection_pause_part::amount_minor.eq(amount),
            ))
            .execute(tx.conn())?;
    }
    Ok(row)
}

pub(super) fn find_pause(tx: &mut Tx<'_>, id: CollectionPauseId) -> Result<PauseRow> {
    let mut query = collection_pause::table.find(id).select(PauseRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(collection_pause::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock_pause(tx: &mut Tx<'_>, id: CollectionPauseId) -> Result<Locked<PauseRow>> {
    let query = collection_pause::table.find(id).select(PauseRow::as_select());
    let row = match tx.only_owner() {
        Some(owner) => query.filter(collection_pause::member_id.eq(owner)).for_update().first(tx.conn())?,
        None => query.for_update().first(tx.conn())?,
    };
    Ok(Locked::new(row))
}

pub(super) fn end_pause(
    tx: &mut Tx<'_>,
    row: &Locked<PauseRow>,
    on: NaiveDate,
    by: Option<PersonId>,
    reason: &str,
) -> Result<PauseRow> {
    Ok(diesel::update(collection_pause::table.find(row.id))
        .set((
            collection_pause::ended_on.eq(on),
            collection_pause::ended_by.eq(by),
            collection_pause::end_reason.eq(reason),
        ))
        .returning(PauseRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_pauses(tx: &mut Tx<'_>, filter: &Filter, after: Option<Uuid>, limit: i64) -> Result<Vec<PauseRow>> {
    let mut query = collection_pause::table
        .order(collection_pause::id.desc())
        .limit(limit)
        .select(PauseRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(collection_pause::member_id.eq(owner));
    }
    if let Some(invoice) = filter.invoice_id {
        query = query.filter(collection_pause::invoice_id.eq(invoice));
    }
    match filter.is_open {
        Some(true) => query = query.filter(collection_pause::ended_on.is_null()),
        Some(false) => query = query.filter(collection_pause::ended_on.is_not_null()),
        None => {}
    }
    if let Some(after) = after {
        query = query.filter(collection_pause::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn question_of(tx: &mut Tx<'_>, of: InvoiceId) -> Result<Option<QuestionRow>> {
    Ok(collection_question::table
        .filter(collection_question::invoice_id.eq(of))
        .select(QuestionRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn insert_question(
    tx: &mut Tx<'_>,
    (entity, of, member): (EntityId, InvoiceId, PersonId),
    (asked_on, silent_on, latest): (NaiveDate, NaiveDate, NaiveDate),
) -> Result<QuestionRow> {
    let id: CollectionQuestionId = tx.new_id();
    Ok(diesel::insert_into(collection_question::table)
        .values((
            collection_question::id.eq(id),
            collection_question::entity_id.eq(entity),
            collection_question::invoice_id.eq(of),
            collection_question::member_id.eq(member),
            collection_question::asked_on.eq(asked_on),
            collection_question::silent_on.eq(silent_on),
            collection_question::wait_until_max.eq(latest),
        ))
        .returning(QuestionRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_question(tx: &mut Tx<'_>, id: CollectionQuestionId) -> Result<QuestionRow> {
    let mut query = collection_question::table.find(id).select(QuestionRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(collection_question::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

/// The answer that counts: the last one.
pub(super) fn last_answer(tx: &mut Tx<'_>, question: CollectionQuestionId) -> Result<Option<AnswerRow>> {
    Ok(collection_answer::table
        .filter(collection_answer::question_id.eq(question))
        .order(collection_answer::n.desc())
        .select(AnswerRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn insert_answer(
    tx: &mut Tx<'_>,
    question: CollectionQuestionId,
    (answer, go_on, on): (AnswerKind, NaiveDate, NaiveDate),
    note: Option<&str>,
    by: PersonId,
) -> Result<AnswerRow> {
    let n: Option<i32> = collection_answer::table
        .filter(collection_answer::question_id.eq(question))
        .select(max(collection_answer::n))
        .first(tx.conn())?;
    Ok(diesel::insert_into(collection_answer::table)
        .values((
            collection_answer::question_id.eq(question),
            collection_answer::n.eq(n.unwrap_or_default().saturating_add(1)),
            collection_answer::answer.eq(answer),
            collection_answer::go_on.eq(go_on),
            collection_answer::answered_on.eq(on),
            collection_answer::note.eq(note),
            collection_answer::answered_by.eq(by),
        ))
        .returning(AnswerRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_questions(
    tx: &mut Tx<'_>,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<QuestionRow>> {
    let mut query = collection_question::table
        .order(collection_question::id.desc())
        .limit(limit)
        .select(QuestionRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(collection_question::member_id.eq(owner));
    }
    if let Some(invoice) = filter.invoice_id {
        query = query.filter(collection_question::invoice_id.eq(invoice));
    }
    let demanded = collection_action::table
        .filter(collection_action::kind.eq(StepKind::FormalDemand))
        .select(collection_action::invoice_id);
    match filter.is_open {
        Some(true) => query = query.filter(collection_question::invoice_id.ne_all(demanded)),
        Some(false) => query = query.filter(collection_question::invoice_id.eq_any(demanded)),
        None => {}
    }
    if let Some(after) = after {
        query = query.filter(collection_question::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert_contact(
    tx: &mut Tx<'_>,
    new: &NewContact,
    (entity, client, member): (EntityId, ClientId, PersonId),
    action: Option<CollectionActionId>,
    by: Option<PersonId>,
) -> Result<ContactRow> {
    Ok(diesel::insert_into(collection_contact::table)
        .values((
            collection_contact::id.eq(new.id),
            collection_contact::entity_id.eq(entity),
            collection_contact::invoice_id.eq(new.invoice),
            collection_contact::client_id.eq(client),
            collection_contact::member_id.eq(member),
            collection_contact::kind.eq(new.kind),
            collection_contact::contacted_on.eq(new.on),
            collection_contact::note.eq(new.note.trim()),
            collection_contact::action_id.eq(action),
            collection_contact::recorded_by.eq(by),
        ))
        .returning(ContactRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_contacts(
    tx: &mut Tx<'_>,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ContactRow>> {
    let mut query = collection_contact::table
        .order(collection_contact::id.desc())
        .limit(limit)
        .select(ContactRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(collection_contact::member_id.eq(owner));
    }
    if let Some(invoice) = filter.invoice_id {
        query = query.filter(collection_contact::invoice_id.eq(invoice));
    }
    if let Some(client) = filter.client_id {
        query = query.filter(collection_contact::client_id.eq(client));
    }
    if let Some(after) = after {
        query = query.filter(collection_contact::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}
