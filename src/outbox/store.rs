//! The SQL of the outbox.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use serde_json::Value;
use umbel_schema::{email_message, outbox, schedule_run};
use uuid::Uuid;

use super::{Delivery, Queued, QueuedLetter};
use crate::kernel::ids::{EntityId, PersonId};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// How long a claimed job belongs to its worker.
const LEASE: Duration = Duration::minutes(3);

/// A job that a worker holds.
#[derive(Debug, Clone, QueryableByName)]
pub struct Claimed {
    /// Its row.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// What is to be done.
    #[diesel(sql_type = Jsonb)]
    pub payload: Value,
    /// Its kind.
    #[diesel(sql_type = Text)]
    pub topic: String,
    /// Its stable key.
    #[diesel(sql_type = Text)]
    pub dedup_key: String,
    /// What it is about.
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    /// Tries so far, this one included.
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
}

/// A mail, and what became of it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = email_message, check_for_backend(diesel::pg::Pg))]
pub struct EmailMessage {
    /// Its id.
    pub id: Uuid,
    /// Its kind.
    pub letter: String,
    /// What it is about.
    pub subject_id: Uuid,
    /// The member who may see it.
    pub owner_id: Option<PersonId>,
    /// Where it went.
    pub recipient: String,
    /// Its subject line.
    pub subject: String,
    /// Its Message-ID.
    pub message_id: String,
    /// queued, sent, refused or failed.
    pub state: String,
    /// Tries so far.
    pub attempts: i32,
    /// What the server said.
    pub last_error: Option<String>,
    /// When it was first tried.
    pub created_at: DateTime<Utc>,
    /// When the next server took it.
    pub sent_at: Option<DateTime<Utc>>,
}

#[derive(QueryableByName)]
struct State {
    #[diesel(sql_type = Text)]
    state: String,
}

pub(super) fn insert_all(tx: &mut Tx<'_>, jobs: &[Queued]) -> Result<()> {
    const AT_ONCE: usize = 1_000;
    for some in jobs.chunks(AT_ONCE) {
        let mut rows = Vec::with_capacity(some.len());
        for one in some {
            rows.push((
                outbox::topic.eq(one.topic()),
                outbox::subject_id.eq(one.subject),
                outbox::payload.eq(serde_json::to_value(&one.job)?),
                outbox::dedup_key.eq(&one.key),
            ));
        }
        diesel::insert_into(outbox::table)
            .values(rows)
            .on_conflict(outbox::dedup_key)
            .do_nothing()
            .execute(tx.conn())?;
    }
    Ok(())
}

/// The next due job that is of one of the `topics`, or of none of them.
pub(super) fn claim(tx: &mut Tx<'_>, worker: &str, topics: &[&str], is_of_them: bool) -> Result<Option<Claimed>> {
    let now = tx.now();
    let lease = now.checked_add_signed(LEASE).unwrap_or(now);
    Ok(diesel::sql_query(
        "UPDATE outbox SET state = 'claimed', claimed_by = $1, lease_until = $2, attempts = attempts + 1 \
         WHERE id = (SELECT id FROM outbox WHERE ((state = 'pending' AND available_at <= $3) \
                        OR (state = 'claimed' AND lease_until < $3)) AND (topic = ANY ($4)) = $5 \
                     ORDER BY available_at, id FOR UPDATE SKIP LOCKED LIMIT 1) \
         RETURNING id, topic, payload, dedup_key, subject_id, attempts",
    )
    .bind::<Text, _>(worker)
    .bind::<Timestamptz, _>(lease)
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Text>, _>(topics)
    .bind::<Bool, _>(is_of_them)
    .get_result(tx.conn())
    .optional()?)
}

pub(super) fn prolong(tx: &mut Tx<'_>, id: i64, worker: &str) -> Result<bool> {
    let now = tx.now();
    let lease = now.checked_add_signed(LEASE).unwrap_or(now);
    let kept = diesel::update(outbox::table.find(id))
        .filter(outbox::state.eq("claimed"))
        .filter(outbox::claimed_by.eq(worker))
        .set(outbox::lease_until.eq(lease))
        .execute(tx.conn())?;
    Ok(kept == 1)
}

pub(super) fn give_back(tx: &mut Tx<'_>, id: i64, worker: &str) -> Result<()> {
    let now = tx.now();
    diesel::update(outbox::table.find(id))
        .filter(outbox::state.eq("claimed"))
        .filter(outbox::claimed_by.eq(worker))
        .set((outbox::state.eq("pending"), outbox::available_at.eq(now), outbox::attempts.eq(outbox::attempts - 1)))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn confirm(tx: &mut Tx<'_>, id: i64) -> Result<()> {
    let now = tx.now();
    diesel::update(outbox::table.find(id))
        .set((outbox::state.eq("done"), outbox::done_at.eq(now), outbox::last_error.eq(None::<String>)))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn postpone(tx: &mut Tx<'_>, id: i64, after: Option<Duration>, error: &str) -> Result<()> {
    let now = tx.now();
    let next = after.and_then(|wait| now.checked_add_signed(wait));
    let error: String = error.chars().take(1000).collect();
    diesel::update(outbox::table.find(id))
        .set((
            outbox::state.eq(if next.is_some() { "pending" } else { "dead" }),
            outbox::available_at.eq(next.unwrap_or(now)),
            outbox::last_error.eq(error),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn count(tx: &mut Tx<'_>) -> Result<i64> {
    let waits = outbox::table.filter(outbox::state.eq_any(["pending", "claimed", "dead"]));
    Ok(waits.count().get_result(tx.conn())?)
}

pub(super) fn upsert_email(
    tx: &mut Tx<'_>,
    key: &str,
    message_id: &str,
    letter: &QueuedLetter,
    subject_line: &str,
) -> Result<String> {
    let id: Uuid = tx.new_id();
    let state: State = diesel::sql_query(
        "INSERT INTO email_message (id, dedup_key, message_id, letter, subject_id, owner_id, recipient, language, subject, attempts) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1) \
         ON CONFLICT (dedup_key) DO UPDATE SET attempts = email_message.attempts + 1 RETURNING state",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(key)
    .bind::<Text, _>(message_id)
    .bind::<Text, _>(letter.letter.name())
    .bind::<SqlUuid, _>(letter.subject)
    .bind::<diesel::sql_types::Nullable<SqlUuid>, _>(letter.owner)
    .bind::<Text, _>(&letter.to)
    .bind::<Text, _>(letter.language)
    .bind::<Text, _>(subject_line)
    .get_result(tx.conn())?;
    Ok(state.state)
}

pub(super) fn end_email(tx: &mut Tx<'_>, key: &str, outcome: Delivery<'_>) -> Result<()> {
    let now = tx.now();
    let (state, error, sent_at) = match outcome {
        Delivery::Sent => ("sent", None, Some(now)),
        Delivery::Refused(said) => ("refused", Some(said), None),
        Delivery::Failed(said) => ("failed", Some(said), None),
    };
    diesel::update(email_message::table.filter(email_message::dedup_key.eq(key)))
        .set((email_message::state.eq(state), email_message::last_error.eq(error), email_message::sent_at.eq(sent_at)))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn list_emails_about(tx: &mut Tx<'_>, subject: Uuid) -> Result<Vec<EmailMessage>> {
    let mut query = email_message::table
        .filter(email_message::subject_id.eq(subject))
        .order(email_message::id.asc())
        .select(EmailMessage::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(email_message::owner_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

/// Mails in a state, newest first.
pub(super) fn list_emails(
    tx: &mut Tx<'_>,
    state: Option<&str>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<EmailMessage>> {
    let mut query = email_message::table
        .order(email_message::id.desc())
        .select(EmailMessage::as_select())
        .limit(limit)
        .into_boxed();
    if let Some(state) = state {
        query = query.filter(email_message::state.eq(state.to_owned()));
    }
    if let Some(after) = after {
        query = query.filter(email_message::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// Queues a mail again that a server refused, after a person has mended the address or asked the server.
pub(super) fn requeue_email(tx: &mut Tx<'_>, id: Uuid) -> Result<EmailMessage> {
    let now = tx.now();
    let (key, state): (String, String) = email_message::table
        .find(id)
        .select((email_message::dedup_key, email_message::state))
        .for_update()
        .first(tx.conn())?;
    if state == "sent" {
        return Err(Error::state_conflict(state, "retry"));
    }
    diesel::update(email_message::table.find(id)).set(email_message::state.eq("queued")).execute(tx.conn())?;
    diesel::update(outbox::table.filter(outbox::dedup_key.eq(key)))
        .set((outbox::state.eq("pending"), outbox::available_at.eq(now), outbox::attempts.eq(0)))
        .execute(tx.conn())?;
    Ok(email_message::table.find(id).select(EmailMessage::as_select()).first(tx.conn())?)
}

pub(super) fn last_run(tx: &mut Tx<'_>, job: &str, entity: EntityId) -> Result<Option<NaiveDate>> {
    Ok(schedule_run::table
        .filter(schedule_run::job.eq(job))
        .filter(schedule_run::entity_id.eq(entity))
        .select(diesel::dsl::max(schedule_run::logical_date))
        .first(tx.conn())?)
}

pub(super) fn insert_run(tx: &mut Tx<'_>, job: &str, entity: EntityId, day: NaiveDate, done: usize) -> Result<()> {
    diesel::insert_into(schedule_run::table)
        .values((
            schedule_run::job.eq(job),
            schedule_run::entity_id.eq(entity),
            schedule_run::logical_date.eq(day),
            schedule_run::done.eq(i32::try_from(done).unwrap_or(i32::MAX)),
        ))
        .on_conflict_do_nothing()
        .execute(tx.conn())?;
    Ok(())
}
