//! The SQL of people, sessions and links.

mod contacts;
pub(super) mod factors;

use chrono::{DateTime, NaiveDate, Utc};
pub use contacts::ContactRow;
pub(super) use contacts::{find_last_change, insert_phone, list_addresses, list_phones, set_email};
use diesel::prelude::*;
use umbel_schema::{access_link, person, refresh_token, role_grant, session, sign_in_failure};
use uuid::Uuid;

use super::{LinkPurpose, NewGrant, NewPerson};
use crate::kernel::ids::{GrantId, PersonId, SessionId};
use crate::kernel::language::Language;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// A person.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = person, check_for_backend(diesel::pg::Pg))]
pub struct PersonRow {
    /// Their id.
    pub id: PersonId,
    /// Their address of mail.
    pub email: String,
    /// Their name.
    pub name: String,
    /// What they read.
    pub language: Language,
    /// The hash of their password.
    pub password_hash: String,
    /// When they showed that they read mail there.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// When they were added.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A role for a time.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = role_grant, check_for_backend(diesel::pg::Pg))]
pub struct GrantRow {
    /// Its id.
    pub id: GrantId,
    /// Who has it.
    pub person_id: PersonId,
    /// What.
    pub role: String,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Until the day before this one.
    pub valid_until: Option<NaiveDate>,
    /// Who granted it.
    pub granted_by: Option<PersonId>,
    /// Who ended it.
    pub ended_by: Option<PersonId>,
    /// Whether it counts only after another administrator confirmed it.
    pub needs_confirmation: bool,
    /// Who did.
    pub confirmed_by: Option<PersonId>,
    /// From this moment on it counts, within its days; none while it waits for another administrator.
    pub effective_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub version: i32,
}

/// A signed-in device.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = session, check_for_backend(diesel::pg::Pg))]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub person_id: PersonId,
    /// What it calls itself.
    pub device: String,
    /// Where it signed in from.
    pub address: String,
    /// The current generation of refresh tokens.
    pub generation: i32,
    /// The newest generation that it has shown to hold.
    pub confirmed_generation: i32,
    /// When it signed in.
    pub created_at: DateTime<Utc>,
    /// When it last refreshed.
    pub refreshed_at: DateTime<Utc>,
    /// When it has to sign in again.
    pub expires_at: DateTime<Utc>,
    /// When it was signed out.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Why.
    pub revoked_reason: Option<String>,
}

/// A refresh token, as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = refresh_token, check_for_backend(diesel::pg::Pg))]
pub struct HeldToken {
    /// Its device.
    pub session_id: SessionId,
    /// Its generation.
    pub generation: i32,
    /// When another one took its place.
    pub superseded_at: Option<DateTime<Utc>>,
}

/// A link, as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = access_link, check_for_backend(diesel::pg::Pg))]
pub struct LinkRow {
    /// What it is about.
    pub subject_id: Uuid,
    /// Until when it works.
    pub expires_at: DateTime<Utc>,
    /// When it was used.
    pub used_at: Option<DateTime<Utc>>,
}

pub(super) fn insert_person(tx: &mut Tx<'_>, new: &NewPerson) -> Result<()> {
    diesel::insert_into(person::table)
        .values((
            person::id.eq(new.id),
            person::email.eq(new.email.trim()),
            person::name.eq(new.name.trim()),
            person::language.eq(new.language),
            person::password_hash.eq(&new.password_hash),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_person(tx: &mut Tx<'_>, id: PersonId) -> Result<PersonRow> {
    let mut query = person::table.find(id).select(PersonRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(person::id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn find_person_by_email(tx: &mut Tx<'_>, email: &str) -> Result<Option<PersonRow>> {
    let query = person::table.select(PersonRow::as_select());
    // The column is citext; the parameter has to be of its type for the index and the comparison to fit.
    let same = diesel::dsl::sql::<diesel::sql_types::Bool>("email = ")
        .bind::<diesel::sql_types::Text, _>(email.trim().to_owned())
        .sql("::citext");
    Ok(query.filter(same).first(tx.conn()).optional()?)
}

pub(super) fn list_people(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<PersonRow>> {
    let mut query = person::table.order(person::id.desc()).limit(limit).select(PersonRow::as_select()).into_boxed();
    if let Some(after) = after {
        query = query.filter(person::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn list_people_of(tx: &mut Tx<'_>, ids: &[PersonId]) -> Result<Vec<PersonRow>> {
    let mut query = person::table.filter(person::id.eq_any(ids)).select(PersonRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(person::id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn set_password(tx: &mut Tx<'_>, id: PersonId, hash: &str) -> Result<()> {
    diesel::update(person::table.find(id)).set(person::password_hash.eq(hash)).execute(tx.conn())?;
    Ok(())
}

pub(super) fn set_email_verified(tx: &mut Tx<'_>, id: PersonId) -> Result<()> {
    let now = tx.now();
    diesel::update(person::table.find(id).filter(person::email_verified_at.is_null()))
        .set(person::email_verified_at.eq(now))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn insert_grant(tx: &mut Tx<'_>, new: &NewGrant, by: Option<PersonId>) -> Result<GrantRow> {
    Ok(diesel::insert_into(role_grant::table)
        .values((
            role_grant::id.eq(new.id),
            role_grant::person_id.eq(new.person),
            role_grant::role.eq(new.role.name()),
            role_grant::valid_from.eq(new.from),
            role_grant::valid_until.eq(new.until),
            role_grant::granted_by.eq(by),
        ))
        .returning(GrantRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn lock_grant(tx: &mut Tx<'_>, id: GrantId) -> Result<Locked<GrantRow>> {
    Ok(Locked::new(role_grant::table.find(id).select(GrantRow::as_select()).for_update().first(tx.conn())?))
}

pub(super) fn end_grant(tx: &mut Tx<'_>, grant: &Locked<GrantRow>, today: NaiveDate, by: PersonId) -> Result<GrantRow> {
    let until = grant.valid_from.max(today);
    Ok(diesel::update(role_grant::table.find(grant.id))
        .set((role_grant::valid_until.eq(until), role_grant::ended_by.eq(by)))
        .returning(GrantRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn confirm_grant(tx: &mut Tx<'_>, grant: &Locked<GrantRow>, by: PersonId) -> Result<GrantRow> {
    let now = tx.now();
    Ok(diesel::update(role_grant::table.find(grant.id))
        .set((role_grant::confirmed_by.eq(by), role_grant::confirmed_at.eq(now)))
        .returning(GrantRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_waiting_grants(tx: &mut Tx<'_>) -> Result<Vec<GrantRow>> {
    let mut query = role_grant::table
        .filter(role_grant::effective_at.is_null())
        .filter(role_grant::ended_by.is_null())
        .order(role_grant::id.asc())
        .limit(200)
        .select(GrantRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(role_grant::person_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

/// Everybody who is an administrator now.
pub(super) fn list_administrators(tx: &mut Tx<'_>) -> Result<Vec<PersonRow>> {
    let (now, today) = (tx.now(), tx.now().date_naive());
    let administrators = role_grant::table
        .filter(role_grant::role.eq("administrator"))
        .filter(role_grant::effective_at.le(now))
        .filter(role_grant::valid_from.le(today))
        .filter(role_grant::valid_until.is_null().or(role_grant::valid_until.gt(today)))
        .select(role_grant::person_id);
    Ok(person::table
        .filter(person::id.eq_any(administrators))
        .order(person::id.asc())
        .select(PersonRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn list_grants(tx: &mut Tx<'_>, id: PersonId) -> Result<Vec<GrantRow>> {
    let mut query = role_grant::table
        .filter(role_grant::person_id.eq(id))
        .order(role_grant::valid_from.asc())
        .select(GrantRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(role_grant::person_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn has_administrator(tx: &mut Tx<'_>) -> Result<bool> {
    let any = diesel::select(diesel::dsl::exists(role_grant::table.filter(role_grant::role.eq("administrator"))));
    Ok(any.get_result(tx.conn())?)
}

pub(super) fn find_failure(tx: &mut Tx<'_>, hash: &[u8]) -> Result<Option<(i32, DateTime<Utc>)>> {
    Ok(sign_in_failure::table
        .find(hash)
        .select((sign_in_failure::failures, sign_in_failure::locked_until))
        .first(tx.conn())
        .optional()?)
}

pub(super) fn upsert_failure(tx: &mut Tx<'_>, hash: &[u8], failures: i32, until: DateTime<Utc>) -> Result<()> {
    diesel::insert_into(sign_in_failure::table)
        .values((
            sign_in_failure::email_hash.eq(hash),
            sign_in_failure::failures.eq(failures),
            sign_in_failure::locked_until.eq(until),
        ))
        .on_conflict(sign_in_failure::email_hash)
        .do_update()
        .set((sign_in_failure::failures.eq(sign_in_failure::failures + 1), sign_in_failure::locked_until.eq(until)))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn delete_failure(tx: &mut Tx<'_>, hash: &[u8]) -> Result<()> {
    diesel::delete(sign_in_failure::table.find(hash)).execute(tx.conn())?;
    Ok(())
}

pub(super) fn insert_session(
    tx: &mut Tx<'_>,
    id: SessionId,
    of: PersonId,
    device: &str,
    address: &str,
    expires: DateTime<Utc>,
) -> Result<()> {
    diesel::insert_into(session::table)
        .values((
            session::id.eq(id),
            session::person_id.eq(of),
            session::device.eq(device),
            session::address.eq(address),
            session::expires_at.eq(expires),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn knows_device(tx: &mut Tx<'_>, of: PersonId, device: &str) -> Result<bool> {
    let known = session::table.filter(session::person_id.eq(of)).filter(session::device.eq(device));
    Ok(diesel::select(diesel::dsl::exists(known)).get_result(tx.conn())?)
}

pub(super) fn has_sessions(tx: &mut Tx<'_>, of: PersonId) -> Result<bool> {
    let any = session::table.filter(session::person_id.eq(of));
    Ok(diesel::select(diesel::dsl::exists(any)).get_result(tx.conn())?)
}

pub(super) fn find_session(tx: &mut Tx<'_>, id: SessionId) -> Result<SessionRow> {
    Ok(session::table.find(id).select(SessionRow::as_select()).first(tx.conn())?)
}

pub(super) fn lock_session(tx: &mut Tx<'_>, id: SessionId) -> Result<Locked<SessionRow>> {
    let query = session::table.find(id).select(SessionRow::as_select()).for_update();
    Ok(Locked::new(query.first(tx.conn())?))
}

pub(super) fn list_sessions(tx: &mut Tx<'_>, of: PersonId) -> Result<Vec<SessionRow>> {
    Ok(session::table
        .filter(session::person_id.eq(of))
        .filter(session::revoked_at.is_null())
        .order(session::refreshed_at.desc())
        .limit(200)
        .select(SessionRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn advance_session(tx: &mut Tx<'_>, id: SessionId, generation: i32) -> Result<()> {
    let now = tx.now();
    diesel::update(session::table.find(id))
        .set((session::generation.eq(generation), session::refreshed_at.eq(now)))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn revoke_session(tx: &mut Tx<'_>, id: SessionId, reason: &str) -> Result<()> {
    let now = tx.now();
    diesel::update(session::table.find(id))
        .set((session::revoked_at.eq(now), session::revoked_reason.eq(reason)))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn revoke_sessions(tx: &mut Tx<'_>, of: PersonId, keep: Option<SessionId>) -> Result<()> {
    let now = tx.now();
    let kept = keep.map_or_else(Uuid::nil, |id| id.0);
    diesel::update(
        session::table
            .filter(session::person_id.eq(of))
            .filter(session::revoked_at.is_null())
            .filter(session::id.ne(kept)),
    )
    .set((session::revoked_at.eq(now), session::revoked_reason.eq("password_changed")))
    .execute(tx.conn())?;
    Ok(())
}

pub(super) fn insert_refresh_token(tx: &mut Tx<'_>, hash: &[u8], of: SessionId, generation: i32) -> Result<()> {
    diesel::insert_into(refresh_token::table)
        .values((
            refresh_token::hash.eq(hash),
            refresh_token::session_id.eq(of),
            refresh_token::generation.eq(generation),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_refresh_token(tx: &mut Tx<'_>, hash: &[u8]) -> Result<Option<HeldToken>> {
    Ok(refresh_token::table.find(hash).select(HeldToken::as_select()).first(tx.conn()).optional()?)
}

pub(super) fn supersede_refresh_tokens(tx: &mut Tx<'_>, of: SessionId, generation: i32) -> Result<()> {
    let now = tx.now();
    diesel::update(
        refresh_token::table.filter(refresh_token::session_id.eq(of)).filter(refresh_token::generation.eq(generation)),
    )
    .set(refresh_token::superseded_at.eq(now))
    .execute(tx.conn())?;
    Ok(())
}

pub(super) fn insert_link(
    tx: &mut Tx<'_>,
    id: Uuid,
    purpose: LinkPurpose,
    subject: Uuid,
    expires: DateTime<Utc>,
) -> Result<()> {
    diesel::insert_into(access_link::table)
        .values((
            access_link::id.eq(id),
            access_link::purpose.eq(purpose.name()),
            access_link::subject_id.eq(subject),
            access_link::expires_at.eq(expires),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn lock_link(tx: &mut Tx<'_>, id: Uuid, purpose: LinkPurpose) -> Result<Option<LinkRow>> {
    Ok(access_link::table
        .find(id)
        .filter(access_link::purpose.eq(purpose.name()))
        .select(LinkRow::as_select())
        .for_update()
        .first(tx.conn())
        .optional()?)
}

/// The newest link of a purpose for a subject that still works.
pub(super) fn find_open_link(tx: &mut Tx<'_>, purpose: LinkPurpose, subject: Uuid) -> Result<Option<Uuid>> {
    let now = tx.now();
    Ok(access_link::table
        .filter(access_link::purpose.eq(purpose.name()))
        .filter(access_link::subject_id.eq(subject))
        .filter(access_link::used_at.is_null())
        .filter(access_link::expires_at.gt(now))
        .order(access_link::id.desc())
        .select(access_link::id)
        .first(tx.conn())
        .optional()?)
}

pub(super) fn use_link(tx: &mut Tx<'_>, id: Uuid) -> Result<()> {
    let now = tx.now();
    diesel::update(access_link::table.find(id)).set(access_link::used_at.eq(now)).execute(tx.conn())?;
    Ok(())
}
