//! The SQL of applications, members, their bank accounts and shares.

pub(super) mod register;

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use umbel_schema::{application, audit_log, member, payee_account, share};
use uuid::Uuid;

use super::rules::{ApplicationState, MemberState, ShareState};
use crate::kernel::ids::{AgreementId, ApplicationId, BankDetailChangeId, EntityId, PayeeAccountId, PersonId, ShareId};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;
pub use register::{HeldShare, RegisterFilter, RegisterTotal, Registered};
pub(super) use register::{list_held_shares, list_members_of, list_register, sum_register};

/// An application.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = application, check_for_backend(diesel::pg::Pg))]
pub struct ApplicationRow {
    /// Its id.
    pub id: ApplicationId,
    /// Who applies.
    pub person_id: PersonId,
    /// To which entity.
    pub entity_id: EntityId,
    /// Where it stands.
    pub state: ApplicationState,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// Telephone.
    pub phone: Option<String>,
    /// What they do.
    pub trade: Option<String>,
    /// Their own enterprise number, if they have one.
    pub enterprise_number: Option<String>,
    /// Street.
    pub street: Option<String>,
    /// Building number.
    pub building_number: Option<String>,
    /// Postcode.
    pub postcode: Option<String>,
    /// Town.
    pub town: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// The text that they accepted.
    pub agreement_id: Option<AgreementId>,
    /// When.
    pub agreement_accepted_at: Option<DateTime<Utc>>,
    /// From which address.
    pub agreement_address: Option<String>,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// The last words of the office to the applicant.
    pub message: Option<String>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it was last submitted.
    pub submitted_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub version: i32,
}

/// A member.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = member, check_for_backend(diesel::pg::Pg))]
pub struct MemberRow {
    /// The id of the person.
    pub id: PersonId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// The application behind it.
    pub application_id: ApplicationId,
    /// Their number in the register of members.
    pub number: i64,
    /// Where the membership stands.
    pub state: MemberState,
    /// Street.
    pub street: String,
    /// Building number.
    pub building_number: String,
    /// Postcode.
    pub postcode: String,
    /// Town.
    pub town: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Their own enterprise number, if they have one.
    pub enterprise_number: Option<String>,
    /// When they were accepted.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// Where a person is paid.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payee_account, check_for_backend(diesel::pg::Pg))]
pub struct PayeeAccountRow {
    /// Its id.
    pub id: PayeeAccountId,
    /// Whose.
    pub person_id: PersonId,
    /// In whose name the bank keeps it.
    pub holder: String,
    /// The IBAN, sealed.
    pub iban_sealed: Vec<u8>,
    /// What equal IBANs have in common.
    pub iban_index: Vec<u8>,
    /// The country of the IBAN.
    pub iban_country: String,
    /// Its last four characters: what is shown.
    pub iban_last4: String,
    /// When somebody of the office verified it.
    pub verified_at: Option<DateTime<Utc>>,
    /// Who.
    pub verified_by: Option<PersonId>,
    /// When another one took its place.
    pub superseded_at: Option<DateTime<Utc>>,
    /// When it was given.
    pub created_at: DateTime<Utc>,
}

/// A number of shares that were subscribed at once.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = share, check_for_backend(diesel::pg::Pg))]
pub struct ShareRow {
    /// Its id.
    pub id: ShareId,
    /// Whose.
    pub member_id: PersonId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// The number of the certificate.
    pub certificate: i64,
    /// How many were subscribed.
    pub quantity: i32,
    /// How many of them were given back.
    pub redeemed_quantity: i32,
    /// What one costs.
    pub nominal_minor: Minor,
    /// Of the price.
    pub currency: Currency,
    /// The structured reference that pays it: twelve digits.
    pub payment_reference: Option<String>,
    /// Where it stands.
    pub state: ShareState,
    /// When it was subscribed.
    pub subscribed_on: NaiveDate,
    /// When it was paid, by the bank's date.
    pub paid_on: Option<NaiveDate>,
    /// Grows with every change.
    pub version: i32,
}

/// What an applicant says about themselves.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = application, treat_none_as_null = true)]
pub(super) struct ApplicationDetails {
    pub(super) birth_date: Option<NaiveDate>,
    pub(super) phone: Option<String>,
    pub(super) trade: Option<String>,
    pub(super) enterprise_number: Option<String>,
    pub(super) street: Option<String>,
    pub(super) building_number: Option<String>,
    pub(super) postcode: Option<String>,
    pub(super) town: Option<String>,
    pub(super) country: Option<String>,
}

/// An account to keep, its IBAN sealed.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = payee_account)]
pub struct SealedAccount {
    /// Its id.
    pub id: PayeeAccountId,
    /// Whose.
    pub person_id: PersonId,
    /// In whose name the bank keeps it.
    pub holder: String,
    /// The IBAN, sealed for this row.
    pub iban_sealed: Vec<u8>,
    /// What equal IBANs have in common.
    pub iban_index: Vec<u8>,
    /// The country of the IBAN.
    pub iban_country: String,
    /// Its last four characters: what is shown.
    pub iban_last4: String,
    /// The change by which it comes; none for the one that a member begins with.
    pub change_id: Option<BankDetailChangeId>,
    /// When it counts as verified.
    pub verified_at: Option<DateTime<Utc>>,
}

/// Shares to subscribe; the table gives the number of the certificate.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = share)]
pub(super) struct NewShare {
    pub(super) id: ShareId,
    pub(super) member_id: PersonId,
    pub(super) entity_id: EntityId,
    pub(super) quantity: i32,
    pub(super) nominal_minor: Minor,
    pub(super) currency: Currency,
    pub(super) subscribed_on: NaiveDate,
}

pub(super) fn find_member(tx: &mut Tx<'_>, id: PersonId) -> Result<MemberRow> {
    let mut query = member::table.find(id).select(MemberRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(member::id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock_member(tx: &mut Tx<'_>, id: PersonId) -> Result<Locked<MemberRow>> {
    if tx.only_owner().is_some_and(|owner| owner != id) {
        return Err(Error::not_found());
    }
    let query = member::table.find(id).select(MemberRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    Ok(Locked::new(row))
}

pub(super) fn save_member_state(tx: &mut Tx<'_>, row: &Locked<MemberRow>, state: MemberState) -> Result<MemberRow> {
    Ok(diesel::update(member::table.find(row.id))
        .set(member::state.eq(state))
        .returning(MemberRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_payee_account(tx: &mut Tx<'_>, id: PayeeAccountId) -> Result<PayeeAccountRow> {
    let mut query = payee_account::table.find(id).select(PayeeAccountRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payee_account::person_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn find_live_payee_account(tx: &mut Tx<'_>, of: PersonId) -> Result<Option<PayeeAccountRow>> {
    let mut query = payee_account::table
        .filter(payee_account::person_id.eq(of))
        .filter(payee_account::superseded_at.is_null())
        .select(PayeeAccountRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payee_account::person_id.eq(owner));
    }
    Ok(query.first(tx.conn()).optional()?)
}

pub(super) fn find_share_by_reference(tx: &mut Tx<'_>, digits: &str) -> Result<Option<ShareRow>> {
    let mut query = share::table.filter(share::payment_reference.eq(digits)).select(ShareRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(share::member_id.eq(owner));
    }
    Ok(query.first(tx.conn()).optional()?)
}

pub(super) fn list_known_share_references(tx: &mut Tx<'_>, digits: &[String]) -> Result<BTreeSet<String>> {
    let known: Vec<Option<String>> = share::table
        .filter(share::payment_reference.eq_any(digits))
        .select(share::payment_reference)
        .load(tx.conn())?;
    Ok(known.into_iter().flatten().collect())
}

pub(super) fn find_share(tx: &mut Tx<'_>, id: ShareId) -> Result<ShareRow> {
    let mut query = share::table.find(id).select(ShareRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(share::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock_share(tx: &mut Tx<'_>, id: ShareId) -> Result<Locked<ShareRow>> {
    let query = share::table.find(id).select(ShareRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    if tx.only_owner().is_some_and(|owner| owner != row.member_id) {
        return Err(Error::not_found());
    }
    Ok(Locked::new(row))
}

pub(super) fn save_share_paid(tx: &mut Tx<'_>, row: &Locked<ShareRow>, on: NaiveDate) -> Result<ShareRow> {
    Ok(diesel::update(share::table.find(row.id))
        .set((share::state.eq(ShareState::Paid), share::paid_on.eq(on)))
        .returning(ShareRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_share_state(
    tx: &mut Tx<'_>,
    row: &Locked<ShareRow>,
    state: ShareState,
    redeemed: i32,
) -> Result<ShareRow> {
    Ok(diesel::update(share::table.find(row.id))
        .set((share::state.eq(state), share::redeemed_quantity.eq(redeemed)))
        .returning(ShareRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_members(
    tx: &mut Tx<'_>,
    state: Option<MemberState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<MemberRow>> {
    let mut query = member::table.order(member::id.desc()).limit(limit).select(MemberRow::as_select()).into_boxed();
    if let Some(state) = state {
        query = query.filter(member::state.eq(state));
    }
    if let Some(owner) = tx.only_owner() {
        query = query.filter(member::id.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(member::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// Makes a member of an applicant whose application is complete.
pub(super) fn insert_member(tx: &mut Tx<'_>, from: &ApplicationRow) -> Result<MemberRow> {
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    Ok(diesel::insert_into(member::table)
        .values((
            member::id.eq(from.person_id),
            member::entity_id.eq(from.entity_id),
            member::application_id.eq(from.id),
            member::street.eq(said(&from.street)),
            member::building_number.eq(said(&from.building_number)),
            member::postcode.eq(said(&from.postcode)),
            member::town.eq(said(&from.town)),
            member::country.eq(said(&from.country)),
            member::enterprise_number.eq(from.enterprise_number.as_deref()),
        ))
        .returning(MemberRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_live_payee_accounts(tx: &mut Tx<'_>, of: &[PersonId]) -> Result<Vec<PayeeAccountRow>> {
    let mut query = payee_account::table
        .filter(payee_account::person_id.eq_any(of))
        .filter(payee_account::superseded_at.is_null())
        .select(PayeeAccountRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payee_account::person_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

/// Whether somebody else has, or had, an account with this IBAN.
pub(super) fn is_iban_elsewhere(tx: &mut Tx<'_>, index: &[u8], than: PersonId) -> Result<bool> {
    let others =
        payee_account::table.filter(payee_account::iban_index.eq(index)).filter(payee_account::person_id.ne(than));
    Ok(diesel::select(diesel::dsl::exists(others)).get_result(tx.conn())?)
}

/// Puts an account in the place of the one that was live.
pub(super) fn replace_payee_account(tx: &mut Tx<'_>, new: &SealedAccount) -> Result<PayeeAccountRow> {
    let now = tx.now();
    diesel::update(
        payee_account::table
            .filter(payee_account::person_id.eq(new.person_id))
            .filter(payee_account::superseded_at.is_null()),
    )
    .set(payee_account::superseded_at.eq(now))
    .execute(tx.conn())?;
    Ok(diesel::insert_into(payee_account::table)
        .values(new)
        .returning(PayeeAccountRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_account_verified(tx: &mut Tx<'_>, id: PayeeAccountId, by: PersonId) -> Result<PayeeAccountRow> {
    let now = tx.now();
    Ok(diesel::update(payee_account::table.find(id).filter(payee_account::superseded_at.is_null()))
        .set((payee_account::verified_at.eq(now), payee_account::verified_by.eq(by)))
        .returning(PayeeAccountRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_shares(tx: &mut Tx<'_>, of: &[PersonId]) -> Result<Vec<ShareRow>> {
    let mut query = share::table
        .filter(share::member_id.eq_any(of))
        .order((share::member_id.asc(), share::certificate.asc()))
        .select(ShareRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(share::member_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn insert_share(tx: &mut Tx<'_>, new: &NewShare) -> Result<Locked<ShareRow>> {
    // A row that this transaction inserts is seen by nobody else, which is more than a lock.
    let row =
        diesel::insert_into(share::table).values(new).returning(ShareRow::as_returning()).get_result(tx.conn())?;
    Ok(Locked::new(row))
}

pub(super) fn save_share_reference(tx: &mut Tx<'_>, row: &Locked<ShareRow>, digits: &str) -> Result<ShareRow> {
    Ok(diesel::update(share::table.find(row.id))
        .set(share::payment_reference.eq(digits))
        .returning(ShareRow::as_returning())
        .get_result(tx.conn())?)
}

/// Lets one application with this id, and one with this address of mail, be begun at a time.
///
/// Without it two at the same moment would be told apart by a unique constraint, whose refusal tells what the
/// answer must not tell.
pub(super) fn lock_names(tx: &mut Tx<'_>, id: ApplicationId, email: &str) -> Result<()> {
    for name in [format!("application {id}"), format!("person {}", email.trim().to_lowercase())] {
        diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind::<Text, _>(name)
            .execute(tx.conn())?;
    }
    Ok(())
}

/// Whether an id was ever answered: the audit names it also when no application came of it.
pub(super) fn is_id_taken(tx: &mut Tx<'_>, id: ApplicationId) -> Result<bool> {
    let answered = audit_log::table.filter(audit_log::subject_id.eq(id.0));
    let taken: bool = diesel::select(diesel::dsl::exists(answered)).get_result(tx.conn())?;
    let known = application::table.find(id);
    Ok(taken || diesel::select(diesel::dsl::exists(known)).get_result::<bool>(tx.conn())?)
}

pub(super) fn insert_application(
    tx: &mut Tx<'_>,
    id: ApplicationId,
    of: PersonId,
    entity: EntityId,
) -> Result<ApplicationRow> {
    Ok(diesel::insert_into(application::table)
        .values((application::id.eq(id), application::person_id.eq(of), application::entity_id.eq(entity)))
        .returning(ApplicationRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_application(tx: &mut Tx<'_>, id: ApplicationId) -> Result<ApplicationRow> {
    let mut query = application::table.find(id).select(ApplicationRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(application::person_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock_application(tx: &mut Tx<'_>, id: ApplicationId) -> Result<Locked<ApplicationRow>> {
    let query = application::table.find(id).select(ApplicationRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    if tx.only_owner().is_some_and(|owner| owner != row.person_id) {
        return Err(Error::not_found());
    }
    Ok(Locked::new(row))
}

pub(super) fn list_applications(
    tx: &mut Tx<'_>,
    state: Option<ApplicationState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ApplicationRow>> {
    let mut query =
        application::table.order(application::id.desc()).limit(limit).select(ApplicationRow::as_select()).into_boxed();
    if let Some(state) = state {
        query = query.filter(application::state.eq(state));
    }
    if let Some(owner) = tx.only_owner() {
        query = query.filter(application::person_id.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(application::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn save_application(
    tx: &mut Tx<'_>,
    row: &Locked<ApplicationRow>,
    details: &ApplicationDetails,
) -> Result<ApplicationRow> {
    Ok(diesel::update(application::table.find(row.id))
        .set(details)
        .returning(ApplicationRow::as_returning())
        .get_result(tx.conn())?)
}

/// Makes a new version of an application of which something beside its row has changed.
pub(super) fn touch_application(tx: &mut Tx<'_>, row: &Locked<ApplicationRow>) -> Result<ApplicationRow> {
    Ok(diesel::update(application::table.find(row.id))
        .set(application::version.eq(row.version))
        .returning(ApplicationRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_agreement(
    tx: &mut Tx<'_>,
    row: &Locked<ApplicationRow>,
    agreement: AgreementId,
) -> Result<ApplicationRow> {
    let now = tx.now();
    let address = tx.address().to_owned();
    Ok(diesel::update(application::table.find(row.id))
        .set((
            application::agreement_id.eq(agreement),
            application::agreement_accepted_at.eq(now),
            application::agreement_address.eq(address),
        ))
        .returning(ApplicationRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_submitted(tx: &mut Tx<'_>, row: &Locked<ApplicationRow>) -> Result<ApplicationRow> {
    let now = tx.now();
    Ok(diesel::update(application::table.find(row.id))
        .set((application::state.eq(ApplicationState::Submitted), application::submitted_at.eq(now)))
        .returning(ApplicationRow::as_returning())
        .get_result(tx.conn())?)
}

/// Saves a state, and the last words of the office when there are new ones.
pub(super) fn save_application_state(
    tx: &mut Tx<'_>,
    row: &Locked<ApplicationRow>,
    state: ApplicationState,
    message: Option<&str>,
) -> Result<ApplicationRow> {
    Ok(diesel::update(application::table.find(row.id))
        .set((application::state.eq(state), message.map(|text| application::message.eq(text))))
        .returning(ApplicationRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_decision(
    tx: &mut Tx<'_>,
    row: &Locked<ApplicationRow>,
    state: ApplicationState,
    (by, message): (PersonId, Option<&str>),
) -> Result<ApplicationRow> {
    let now = tx.now();
    Ok(diesel::update(application::table.find(row.id))
        .set((
            application::state.eq(state),
            application::decided_by.eq(by),
            application::decided_at.eq(now),
            message.map(|text| application::message.eq(text)),
        ))
        .returning(ApplicationRow::as_returning())
        .get_result(tx.conn())?)
}

/// What one member may know of another: enough to ask them something.
#[derive(Debug, Clone, QueryableByName)]
pub struct Fellow {
    /// Who.
    #[diesel(sql_type = SqlUuid)]
    pub id: PersonId,
    /// How they are called.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Their address of mail.
    #[diesel(sql_type = Text)]
    pub email: String,
    /// What they read.
    #[diesel(sql_type = Text)]
    pub language: Language,
}

pub(super) fn find_fellow(tx: &mut Tx<'_>, entity: EntityId, email: &str) -> Result<Option<Fellow>> {
    Ok(diesel::sql_query("SELECT * FROM find_fellow_member($1, $2::citext)")
        .bind::<SqlUuid, _>(entity)
        .bind::<Text, _>(email.trim())
        .get_result(tx.conn())
        .optional()?)
}
