//! The SQL of deliveries.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use serde::Serialize;
use umbel_schema::{delivery, delivery_status, invoice, state_history};
use uuid::Uuid;

use super::access_point::Slip;
use super::rules::{Channel, DeliveryState, LifeCycle};
use crate::kernel::ids::{DeliveryId, EntityId, FileId, InvoiceId, PersonId};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;

/// How many deliveries are asked about in one look.
const ASKED_MAX: i64 = 1000;

/// One way in which a document goes to its client.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = delivery, check_for_backend(diesel::pg::Pg))]
pub struct DeliveryRow {
    /// Its id.
    pub id: DeliveryId,
    /// Who issued the document.
    pub entity_id: EntityId,
    /// The document: an invoice or a credit note.
    pub invoice_id: InvoiceId,
    /// Whose work it is.
    pub member_id: PersonId,
    /// How it goes.
    pub channel: Channel,
    /// An address of mail, a Peppol participant, a SIREN, or to whom it was handed.
    pub participant: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why it was refused, failed or is not known.
    pub reason: Option<String>,
    /// Tries so far.
    pub attempts: i32,
    /// The name that the network gave it.
    pub reference: Option<String>,
    /// What the access point answered last.
    pub receipt_id: Option<FileId>,
    /// The paper that proves it.
    pub evidence_id: Option<FileId>,
    /// Who asked for it; the program when nobody did.
    pub requested_by: Option<PersonId>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When the last try began.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it was last heard of.
    pub answered_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub version: i32,
}

/// A reported status of the French life cycle.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = delivery_status, check_for_backend(diesel::pg::Pg))]
pub struct StatusRow {
    /// Of this delivery.
    pub delivery_id: DeliveryId,
    /// Counted from 1.
    pub n: i32,
    /// Whose work it is.
    pub member_id: PersonId,
    /// Which.
    pub code: LifeCycle,
    /// Why.
    pub reason: Option<String>,
    /// Who reported it.
    pub reported_by: PersonId,
    /// When.
    pub reported_at: DateTime<Utc>,
}

/// A move of a delivery. Never changed.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = state_history, check_for_backend(diesel::pg::Pg))]
pub struct MoveRow {
    /// To which state.
    pub to_state: String,
    /// Why, if somebody said so.
    pub reason: Option<String>,
    /// Who; nobody when the program did.
    pub actor_id: Option<Uuid>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct DeliveryFilter {
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only by this way.
    pub channel: Option<Channel>,
}

/// Makes a delivery, unless the document goes this way already.
pub(super) fn insert(tx: &mut Tx<'_>, row: &DeliveryRow) -> Result<bool> {
    let made = diesel::insert_into(delivery::table).values(row).on_conflict_do_nothing().execute(tx.conn())?;
    Ok(made == 1)
}

pub(super) fn find(tx: &mut Tx<'_>, id: DeliveryId) -> Result<DeliveryRow> {
    let mut query = delivery::table.find(id).select(DeliveryRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(delivery::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: DeliveryId) -> Result<Locked<DeliveryRow>> {
    let query = delivery::table.find(id).select(DeliveryRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_no_key_update().first(tx.conn())?
    };
    Ok(Locked::new(row))
}

/// The delivery of a document by one way, locked.
pub(super) fn lock_of(tx: &mut Tx<'_>, document: InvoiceId, channel: Channel) -> Result<Option<Locked<DeliveryRow>>> {
    let row = delivery::table
        .filter(delivery::invoice_id.eq(document))
        .filter(delivery::channel.eq(channel))
        .select(DeliveryRow::as_select())
        .for_no_key_update()
        .first(tx.conn())
        .optional()?;
    Ok(row.map(Locked::new))
}

/// The deliveries of a document, oldest first.
pub(super) fn list_of(tx: &mut Tx<'_>, document: InvoiceId) -> Result<Vec<DeliveryRow>> {
    let mut query = delivery::table
        .filter(delivery::invoice_id.eq(document))
        .order(delivery::id.asc())
        .select(DeliveryRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(delivery::member_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    filter: DeliveryFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<DeliveryRow>> {
    let mut query =
        delivery::table.order(delivery::id.desc()).limit(limit).select(DeliveryRow::as_select()).into_boxed();
    if let Some(state) = filter.state {
        query = query.filter(delivery::state.eq(state));
    }
    if let Some(channel) = filter.channel {
        query = query.filter(delivery::channel.eq(channel));
    }
    if let Some(after) = after {
        query = query.filter(delivery::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// The deliveries by the network of which more may be heard: those under way of two months, and those that arrived
/// in the last two weeks, which the receiver may still refuse.
pub(super) fn list_to_ask(tx: &mut Tx<'_>) -> Result<Vec<Slip>> {
    let now = tx.now();
    let since = |days| now.checked_sub_signed(Duration::days(days)).unwrap_or(now);
    let rows: Vec<(DeliveryId, String, Option<String>)> = delivery::table
        .inner_join(invoice::table)
        .filter(delivery::channel.eq(Channel::Peppol))
        .filter(
            delivery::state
                .eq_any([DeliveryState::Deposited, DeliveryState::Unknown])
                .and(delivery::sent_at.gt(since(60)))
                .or(delivery::state.eq(DeliveryState::Delivered).and(delivery::sent_at.gt(since(14)))),
        )
        .order(delivery::id.desc())
        .limit(ASKED_MAX)
        .select((delivery::id, delivery::participant, invoice::number))
        .load(tx.conn())?;
    let slip = |(key, participant, number): (_, _, Option<String>)| Slip {
        key,
        participant,
        number: number.unwrap_or_default(),
    };
    Ok(rows.into_iter().map(slip).collect())
}

/// What a change writes; what is absent stays.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = delivery)]
pub(super) struct Change {
    pub state: DeliveryState,
    pub attempts: Option<i32>,
    pub reference: Option<String>,
    pub receipt_id: Option<FileId>,
    pub sent_at: Option<DateTime<Utc>>,
    pub answered_at: Option<DateTime<Utc>>,
}

impl Change {
    pub(super) const fn to(state: DeliveryState) -> Self {
        Self { state, attempts: None, reference: None, receipt_id: None, sent_at: None, answered_at: None }
    }
}

/// Saves a change; the reason is that of the new state or none.
pub(super) fn save(
    tx: &mut Tx<'_>,
    row: &Locked<DeliveryRow>,
    change: &Change,
    reason: Option<&str>,
) -> Result<DeliveryRow> {
    Ok(diesel::update(delivery::table.find(row.id))
        .set((change, delivery::reason.eq(reason)))
        .returning(DeliveryRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn insert_status(tx: &mut Tx<'_>, row: &StatusRow) -> Result<()> {
    diesel::insert_into(delivery_status::table).values(row).execute(tx.conn())?;
    Ok(())
}

/// The statuses of a delivery, oldest first.
pub(super) fn list_statuses(tx: &mut Tx<'_>, id: DeliveryId) -> Result<Vec<StatusRow>> {
    let mut query = delivery_status::table
        .filter(delivery_status::delivery_id.eq(id))
        .order(delivery_status::n.asc())
        .select(StatusRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(delivery_status::member_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

/// The moves of a delivery, oldest first.
pub(super) fn list_moves(tx: &mut Tx<'_>, id: DeliveryId) -> Result<Vec<MoveRow>> {
    let mut query = state_history::table
        .filter(state_history::machine.eq("delivery"))
        .filter(state_history::subject_id.eq(id.0))
        .order(state_history::id.asc())
        .select(MoveRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(state_history::owner_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}
