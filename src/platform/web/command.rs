//! A request that changes something: read strictly, run once, answered the same for ever.

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, LOCATION};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool, Nullable, SmallInt, Text, Uuid as SqlUuid};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::problems;
use crate::kernel::language::Language;
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;
use crate::platform::prepared::Prepare;

/// The body of a command that needs none: nothing, or `{}`.
#[derive(Debug, Clone, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// The parts of a request that make it safe to repeat.
#[derive(Debug, Clone)]
pub struct Envelope {
    pub(super) key: Option<String>,
    pub(super) fingerprint: [u8; 32],
    pub(super) expected: Option<i32>,
    pub(super) is_dry_run: bool,
    pub(super) keeps_refusals: bool,
    pub(super) is_strict: bool,
    pub(super) language: Language,
    pub(super) request_id: Uuid,
}

/// A command with a JSON body.
#[derive(Debug, Clone)]
pub struct Command<T> {
    /// What was sent.
    pub body: T,
    pub(super) envelope: Envelope,
}

/// A command whose body is a file.
#[derive(Debug, Clone)]
pub struct Upload {
    /// What the sender calls it.
    pub media_type: String,
    /// What was sent.
    pub command: Command<Bytes>,
}

/// What a transaction of a command ended with.
enum Outcome {
    Done { status: StatusCode, body: String, version: Option<i64>, id: Option<String> },
    Replayed { status: StatusCode, body: String },
}

#[derive(QueryableByName)]
struct TakenKey {
    #[diesel(sql_type = Bool)]
    is_new: bool,
}

#[derive(QueryableByName)]
struct StoredKey {
    #[diesel(sql_type = Text)]
    operation: String,
    #[diesel(sql_type = Binary)]
    fingerprint: Vec<u8>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    status: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    body: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    subject_id: Option<Uuid>,
}

impl<T: Clone + Send + 'static> Command<T> {
    /// The version that the caller saw.
    ///
    /// # Errors
    /// 428 when the request does not say.
    pub fn expected(&self) -> Result<i32> {
        self.envelope.expected.ok_or_else(|| Error::new(StatusCode::PRECONDITION_REQUIRED, "version_required"))
    }

    /// Whether the caller only asks what would happen.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.envelope.is_dry_run
    }

    /// Keeps a 409 as the final answer to this key, so that a late duplicate cannot move money after a "no".
    #[must_use]
    pub fn about_money(mut self) -> Self {
        self.envelope.keeps_refusals = true;
        self
    }

    /// Runs in one SERIALIZABLE transaction: for rules over many rows.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.envelope.is_strict = true;
        self
    }

    /// Makes an object: 201, its place and its version.
    ///
    /// # Errors
    /// Whatever `work` refuses.
    pub async fn create<V, F>(
        self,
        db: &Db,
        actor: Actor,
        operation: &'static str,
        place: &str,
        mut work: F,
    ) -> Result<HttpResponse>
    where
        V: Serialize,
        F: FnMut(&mut Tx<'_>, T) -> Result<V> + Send + 'static,
    {
        let body = self.body.clone();
        let outcome = self.execute(db, actor, operation, StatusCode::CREATED, move |tx| work(tx, body.clone())).await?;
        Ok(respond(outcome, Some(place)))
    }

    /// Asks for work that takes longer than a request: 202 and the place of the job, which `work` answers.
    ///
    /// # Errors
    /// Whatever `work` refuses.
    pub async fn start<V, F>(self, db: &Db, actor: Actor, operation: &'static str, mut work: F) -> Result<HttpResponse>
    where
        V: Serialize,
        F: FnMut(&mut Tx<'_>, T) -> Result<V> + Send + 'static,
    {
        let body = self.body.clone();
        let outcome =
            self.execute(db, actor, operation, StatusCode::ACCEPTED, move |tx| work(tx, body.clone())).await?;
        Ok(respond(outcome, Some("/v1/jobs")))
    }

    /// Does something that is not about the version of one object: 200.
    ///
    /// # Errors
    /// Whatever `work` refuses.
    pub async fn run<V, F>(self, db: &Db, actor: Actor, operation: &'static str, mut work: F) -> Result<HttpResponse>
    where
        V: Serialize,
        F: FnMut(&mut Tx<'_>, T) -> Result<V> + Send + 'static,
    {
        let body = self.body.clone();
        let outcome = self.execute(db, actor, operation, StatusCode::OK, move |tx| work(tx, body.clone())).await?;
        Ok(respond(outcome, None))
    }

    /// Changes one object as the caller saw it: 200 and the new version.
    ///
    /// `work` is handed the version that the caller saw. When it has changed since, the answer is 412 and carries
    /// the object as `load` shows it now.
    ///
    /// # Errors
    /// 428 without a version; whatever `work` refuses.
    pub async fn change<I, V, L, F>(
        self,
        db: &Db,
        actor: Actor,
        operation: &'static str,
        id: I,
        load: L,
        mut work: F,
    ) -> Result<HttpResponse>
    where
        I: Copy + Send + 'static,
        V: Serialize,
        L: Fn(&mut Tx<'_>, I) -> Result<V> + Send + 'static,
        F: FnMut(&mut Tx<'_>, I, i32, T) -> Result<V> + Send + 'static,
    {
        let expected = self.expected()?;
        let body = self.body.clone();
        let again = (db.clone(), actor.clone());
        match self.execute(db, actor, operation, StatusCode::OK, move |tx| work(tx, id, expected, body.clone())).await {
            Ok(outcome) => Ok(respond(outcome, None)),
            Err(mut error) => {
                if error.status == StatusCode::PRECONDITION_FAILED {
                    let (db, actor) = again;
                    // What a first command would make is not there yet: then only the version is told.
                    let current = db.write(actor, move |tx| Ok(serde_json::to_value(load(tx, id)?)?)).await;
                    error.current = current.map(Box::new).ok();
                }
                Err(error)
            }
        }
    }

    async fn execute<V, F>(
        self,
        db: &Db,
        actor: Actor,
        operation: &'static str,
        status: StatusCode,
        mut work: F,
    ) -> Result<Outcome>
    where
        V: Serialize,
        F: FnMut(&mut Tx<'_>) -> Result<V> + Send + 'static,
    {
        let envelope = self.envelope;
        let database = db.clone();
        let job = move || {
            let mut rehearsal = None;
            let once = |tx: &mut Tx<'_>| {
                if envelope.is_dry_run {
                    rehearsal = Some(rehearse(&work(tx)?, status)?);
                    return Err(Error::new(StatusCode::OK, "dry_run"));
                }
                if let Some(stored) = envelope.begin(tx, operation)? {
                    return Ok(stored);
                }
                let view = work(tx)?;
                let outcome = finish(&envelope, tx, operation, &view, status)?;
                tx.failpoint(&format!("{operation}.before_commit"))?;
                Ok(outcome)
            };
            let outcome = if envelope.is_strict {
                database.write_strict_blocking(&actor, once)
            } else {
                database.write_blocking(&actor, once)
            };
            if let Some(outcome) = rehearsal {
                return Ok(outcome);
            }
            if outcome.is_ok() {
                let _survived = database.faults().passes(&format!("{operation}.after_commit"));
            }
            outcome.or_else(|error| envelope.keep_refusal(&database, &actor, operation, error))
        };
        tokio::task::spawn_blocking(job).await.map_err(Error::internal)?
    }
}

/// The answer of a dry run: what would have been answered, marked as such.
fn rehearse<V: Serialize>(view: &V, status: StatusCode) -> Result<Outcome> {
    let mut value = serde_json::to_value(view)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("dry_run".to_owned(), Value::Bool(true));
    }
    Ok(Outcome::Done { status, body: value.to_string(), version: None, id: None })
}

/// Writes the audit row and the answer that every repeat of the key will get.
fn finish<V: Serialize>(
    envelope: &Envelope,
    tx: &mut Tx<'_>,
    operation: &str,
    view: &V,
    status: StatusCode,
) -> Result<Outcome> {
    let value = serde_json::to_value(view)?;
    let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
    let version = value.get("version").and_then(Value::as_i64);
    let body = value.to_string();
    let subject: Option<Uuid> = id.as_deref().and_then(|id| id.parse().ok());
    let (actor, key) = (actor_name(tx), envelope.key.clone().unwrap_or_default());
    let (person, kind, request, address) =
        (tx.principal().map(|who| who.person.0), tx.actor_kind(), tx.request(), tx.address().to_owned());
    diesel::sql_query(
        "WITH audited AS (INSERT INTO audit_log (actor_id, actor_kind, operation, subject_id, request_id, address) \
         VALUES ($1, $2, $3, $4, $5, $6)) \
         UPDATE idempotency_key SET status = $7, body = $8, subject_id = $4 WHERE actor = $9 AND key = $10",
    )
    .bind::<Nullable<SqlUuid>, _>(person)
    .bind::<Text, _>(kind)
    .bind::<Text, _>(operation)
    .bind::<Nullable<SqlUuid>, _>(subject)
    .bind::<Nullable<SqlUuid>, _>(request)
    .bind::<Text, _>(address)
    .bind::<SmallInt, _>(i16::try_from(status.as_u16()).unwrap_or(200))
    .bind::<Text, _>(&body)
    .bind::<Text, _>(actor)
    .bind::<Text, _>(key)
    .prepared()
    .execute(tx.conn())?;
    Ok(Outcome::Done { status, body, version, id })
}

/// A command that was answered, by its key.
#[derive(Debug, Clone, QueryableByName)]
pub struct FoundKey {
    /// The key.
    #[diesel(sql_type = Text)]
    pub key: String,
    /// Which command.
    #[diesel(sql_type = Text)]
    pub operation: String,
    /// What it was answered.
    #[diesel(sql_type = SmallInt)]
    pub status: i16,
    /// The object that it made or changed.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub subject_id: Option<Uuid>,
    /// When.
    #[diesel(sql_type = diesel::sql_types::Timestamptz)]
    pub created_at: chrono::DateTime<chrono::Utc>,
}

/// What became of a command of the signed-in person.
///
/// # Errors
/// Fails with the database.
pub fn find_key(tx: &mut Tx<'_>, key: &str) -> Result<Option<FoundKey>> {
    if !is_key(key) {
        return Ok(None);
    }
    let actor = actor_name(tx);
    Ok(diesel::sql_query(
        "SELECT key, operation, status, subject_id, created_at FROM idempotency_key \
         WHERE actor = $1 AND key = $2 AND status IS NOT NULL",
    )
    .bind::<Text, _>(actor)
    .bind::<Text, _>(key)
    .get_result(tx.conn())
    .optional()?)
}

/// Whether a text can be an idempotency key.
pub(super) fn is_key(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whose keys these are: nobody can guess into the keys of another.
fn actor_name(tx: &Tx<'_>) -> String {
    tx.principal().map_or_else(|| tx.actor_kind().to_owned(), |who| who.person.to_string())
}

impl Envelope {
    /// Takes the key, or finds what it was answered before.
    fn begin(&self, tx: &mut Tx<'_>, operation: &str) -> Result<Option<Outcome>> {
        let Some(key) = self.key.as_deref().filter(|_| !tx.faults().removed(Guard::Idempotency)) else {
            return Ok(None);
        };
        let actor = actor_name(tx);
        let taken: QueryResult<Vec<TakenKey>> = diesel::sql_query(
            "INSERT INTO idempotency_key (actor, key, operation, fingerprint) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING RETURNING true AS is_new",
        )
        .bind::<Text, _>(&actor)
        .bind::<Text, _>(key)
        .bind::<Text, _>(operation)
        .bind::<Binary, _>(&self.fingerprint[..])
        .prepared()
        .load(tx.conn());
        match taken {
            Ok(rows) if rows.iter().any(|row| row.is_new) => return Ok(None),
            Ok(_) => {}
            Err(diesel::result::Error::DatabaseError(_, info)) if info.message().contains("lock timeout") => {
                return Err(Error::conflict("idempotency_in_progress").retry_after(1));
            }
            Err(error) => return Err(error.into()),
        }
        let stored: StoredKey = diesel::sql_query(
            "SELECT operation, fingerprint, status, body, subject_id FROM idempotency_key WHERE actor = $1 AND key = $2",
        )
        .bind::<Text, _>(&actor)
        .bind::<Text, _>(key)
        .get_result(tx.conn())?;
        if stored.operation != operation || stored.fingerprint != self.fingerprint {
            let refused = Error::value("idempotency_key_reused");
            return Err(match stored.subject_id {
                Some(id) if tx.principal().is_some() => refused.with("id", id),
                _ => refused,
            });
        }
        let status =
            stored.status.and_then(|code| u16::try_from(code).ok()).and_then(|code| StatusCode::from_u16(code).ok());
        match (status, stored.body) {
            (Some(status), Some(body)) => Ok(Some(Outcome::Replayed { status, body })),
            _ => Err(Error::conflict("idempotency_in_progress").retry_after(1)),
        }
    }

    /// Stores a refusal of a money command as the answer to its key.
    fn keep_refusal(&self, db: &Db, actor: &Actor, operation: &str, error: Error) -> Result<Outcome> {
        let is_final = self.keeps_refusals
            && !self.is_dry_run
            && error.status == StatusCode::CONFLICT
            && !matches!(error.code, "idempotency_in_progress" | "id_unavailable");
        let Some(key) = self.key.as_deref().filter(|_| is_final) else { return Err(error) };
        let body = problems::body(&error, self.language, self.request_id).to_string();
        let status = i16::try_from(error.status.as_u16()).unwrap_or(409);
        let kept = db.write_blocking(actor, |tx| {
            diesel::sql_query(
                "INSERT INTO idempotency_key (actor, key, operation, fingerprint, status, body) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            )
            .bind::<Text, _>(actor_name(tx))
            .bind::<Text, _>(key)
            .bind::<Text, _>(operation)
            .bind::<Binary, _>(&self.fingerprint[..])
            .bind::<SmallInt, _>(status)
            .bind::<Text, _>(&body)
            .execute(tx.conn())?;
            Ok(())
        });
        if let Err(not_kept) = kept {
            tracing::warn!(error = %not_kept, "the refusal of a money command could not be kept");
        }
        Err(error)
    }
}

fn respond(outcome: Outcome, place: Option<&str>) -> HttpResponse {
    match outcome {
        Outcome::Done { status, body, version, id } => {
            let mut response = HttpResponse::build(status);
            locate(&mut response, place, id.as_deref(), version);
            response.content_type("application/json").body(body)
        }
        Outcome::Replayed { status, body } => {
            let kind = if status.is_success() { "application/json" } else { problems::MEDIA_TYPE };
            let mut response = HttpResponse::build(status);
            response.insert_header(("Idempotent-Replayed", "true"));
            if let Some(view) = serde_json::from_str::<Value>(&body).ok().filter(|_| status.is_success()) {
                let id = view.get("id").and_then(Value::as_str);
                locate(&mut response, place, id, view.get("version").and_then(Value::as_i64));
            }
            response.content_type(kind).body(body)
        }
    }
}

/// Says where the object is and which version it has.
fn locate(response: &mut HttpResponseBuilder, place: Option<&str>, id: Option<&str>, version: Option<i64>) {
    if let (Some(place), Some(id)) = (place, id) {
        response.insert_header((LOCATION, format!("{place}/{id}")));
    }
    if let Some(version) = version {
        response.insert_header((ETAG, format!("\"{version}\"")));
    }
}
