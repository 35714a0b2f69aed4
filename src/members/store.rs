//! The SQL of applications, members, their bank accounts and shares.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use umbel_schema::{application, member, payee_account, share};

use super::rules::{ApplicationState, MemberState, ShareState};
use crate::kernel::ids::{AgreementId, ApplicationId, EntityId, PayeeAccountId, PersonId, ShareId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;
use crate::platform::faults::Guard;

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
    /// How many.
    pub quantity: i32,
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

pub(super) fn find_member(tx: &mut Tx<'_>, id: PersonId) -> Result<MemberRow> {
    let mut query = member::table.find(id).select(MemberRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(member::id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock_member(tx: &mut Tx<'_>, id: PersonId) -> Result<Locked<MemberRow>> {
    if tx.only_owner().is_some_and(|owner| owner != id) {
        return Err(crate::platform::error::Error::not_found());
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

pub(super) fn lock_share(tx: &mut Tx<'_>, id: ShareId) -> Result<Locked<ShareRow>> {
    let query = share::table.find(id).select(ShareRow::as_select());
    let row = if tx.faults().removed(Guard::RowLock) {
        query.first(tx.conn())?
    } else {
        query.for_update().first(tx.conn())?
    };
    if tx.only_owner().is_some_and(|owner| owner != row.member_id) {
        return Err(crate::platform::error::Error::not_found());
    }
    Ok(Locked::new(row))
}

pub(super) fn save_share_paid(tx: &mut Tx<'_>, row: &Locked<ShareRow>, on: NaiveDate) -> Result<ShareRow> {
    Ok(diesel::update(share::table.find(row.id))
        .set((share::state.eq(ShareState::Paid), share::paid_on.eq(on)))
        .returning(ShareRow::as_returning())
        .get_result(tx.conn())?)
}
