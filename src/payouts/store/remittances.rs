//! The SQL of what is paid to offices.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Text, Uuid as SqlUuid};
use umbel_schema::{payment_authority, remittance};
use uuid::Uuid;

use super::BatchRow;
use crate::kernel::ids::{BatchId, EntityId, PaymentAuthorityId, PersonId, RemittanceId};
use crate::kernel::money::{Currency, Minor};
use crate::payouts::remittances::{AuthorityState, Liability, NewAuthority};
use crate::payouts::rules::PayoutState;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// To whom a liability is paid from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = payment_authority, check_for_backend(diesel::pg::Pg))]
pub struct AuthorityRow {
    /// Its id.
    pub id: PaymentAuthorityId,
    /// Who owes it.
    pub entity_id: EntityId,
    /// What is owed.
    pub account: Liability,
    /// The office.
    pub name: String,
    /// Its street and number.
    pub street: String,
    /// Its postcode.
    pub postcode: String,
    /// Its town.
    pub town: String,
    /// Its country.
    pub country: String,
    /// Its account.
    pub iban: String,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// How it is known.
    pub reason: String,
    /// Where it stands.
    pub state: AuthorityState,
    /// Who said it.
    pub proposed_by: PersonId,
    /// Who confirmed or refused it.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// When it was said.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A payment of a liability of a month.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = remittance, check_for_backend(diesel::pg::Pg))]
pub struct RemittanceRow {
    /// Its id.
    pub id: RemittanceId,
    /// Who pays.
    pub entity_id: EntityId,
    /// What is owed.
    pub account: Liability,
    /// The first day of the month in which it was booked.
    pub period: NaiveDate,
    /// To whom.
    pub authority_id: PaymentAuthorityId,
    /// How much.
    pub amount_minor: Minor,
    /// Of the amount.
    pub currency: Currency,
    /// What the office should read.
    pub reference: String,
    /// What the bank carries back.
    pub end_to_end_id: String,
    /// Where it stands: as a payout that was approved.
    pub state: PayoutState,
    /// Its batch.
    pub batch_id: Option<BatchId>,
    /// Who prepared it.
    pub prepared_by: PersonId,
    /// When the bank carried it out.
    pub settled_on: Option<NaiveDate>,
    /// When the bank gave it back.
    pub returned_on: Option<NaiveDate>,
    /// What the bank said of it.
    pub result_reason: Option<String>,
    /// Who says that it never left.
    pub given_up_by: Option<PersonId>,
    /// What shows it.
    pub given_up_evidence: Option<String>,
    /// Who agreed.
    pub given_up_agreed_by: Option<PersonId>,
    /// When it was prepared.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A liability of a month and what of it is paid.
#[derive(Debug, Clone, QueryableByName)]
pub struct DueRow {
    /// What is owed.
    #[diesel(sql_type = Text)]
    pub account: Liability,
    /// Of the amounts.
    #[diesel(sql_type = Text)]
    pub currency: Currency,
    /// The first day of the month.
    #[diesel(sql_type = Date)]
    pub period: NaiveDate,
    /// Booked as owed.
    #[diesel(sql_type = BigInt)]
    pub owed_minor: Minor,
    /// Prepared, or in a batch that is not released.
    #[diesel(sql_type = BigInt)]
    pub prepared_minor: Minor,
    /// Released; the bank has not shown it.
    #[diesel(sql_type = BigInt)]
    pub on_the_way_minor: Minor,
    /// Carried out.
    #[diesel(sql_type = BigInt)]
    pub paid_minor: Minor,
}

pub(in crate::payouts) fn insert_authority(
    tx: &mut Tx<'_>,
    new: &NewAuthority,
    iban: &str,
    by: PersonId,
) -> Result<AuthorityRow> {
    Ok(diesel::insert_into(payment_authority::table)
        .values((
            payment_authority::id.eq(new.id),
            payment_authority::entity_id.eq(new.entity),
            payment_authority::account.eq(new.account),
            payment_authority::name.eq(new.name.trim()),
            payment_authority::street.eq(new.street.trim()),
            payment_authority::postcode.eq(new.postcode.trim()),
            payment_authority::town.eq(new.town.trim()),
            payment_authority::country.eq(&new.country),
            payment_authority::iban.eq(iban),
            payment_authority::valid_from.eq(new.valid_from),
            payment_authority::reason.eq(new.reason.trim()),
            payment_authority::proposed_by.eq(by),
        ))
        .returning(AuthorityRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn find_authority(tx: &mut Tx<'_>, id: PaymentAuthorityId) -> Result<AuthorityRow> {
    Ok(payment_authority::table.find(id).select(AuthorityRow::as_select()).first(tx.conn())?)
}

pub(in crate::payouts) fn lock_authority(tx: &mut Tx<'_>, id: PaymentAuthorityId) -> Result<Locked<AuthorityRow>> {
    let row = payment_authority::table.find(id).select(AuthorityRow::as_select()).for_update().first(tx.conn())?;
    Ok(Locked::new(row))
}

pub(in crate::payouts) fn decide_authority(
    tx: &mut Tx<'_>,
    row: &Locked<AuthorityRow>,
    state: AuthorityState,
    by: PersonId,
) -> Result<AuthorityRow> {
    let now = tx.now();
    Ok(diesel::update(payment_authority::table.find(row.id))
        .set((
            payment_authority::state.eq(state),
            payment_authority::decided_by.eq(by),
            payment_authority::decided_at.eq(now),
        ))
        .returning(AuthorityRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn list_authorities(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<AuthorityRow>> {
    Ok(payment_authority::table
        .filter(payment_authority::entity_id.eq(of))
        .order(payment_authority::seq.desc())
        .select(AuthorityRow::as_select())
        .load(tx.conn())?)
}

/// The office of a liability on a day: the newest of the confirmed rows.
pub(in crate::payouts) fn authority_on(
    tx: &mut Tx<'_>,
    of: EntityId,
    account: Liability,
    day: NaiveDate,
) -> Result<Option<AuthorityRow>> {
    Ok(payment_authority::table
        .filter(payment_authority::entity_id.eq(of))
        .filter(payment_authority::account.eq(account))
        .filter(payment_authority::state.eq(AuthorityState::Confirmed))
        .filter(payment_authority::valid_from.le(day))
        .order((payment_authority::valid_from.desc(), payment_authority::seq.desc()))
        .select(AuthorityRow::as_select())
        .first(tx.conn())
        .optional()?)
}

/// Months of which something is left, on its way or overpaid, the newest first.
pub(in crate::payouts) fn list_due(tx: &mut Tx<'_>, of: EntityId, limit: i64) -> Result<Vec<DueRow>> {
    Ok(diesel::sql_query(
        "SELECT account, currency::text AS currency, period, owed_minor, prepared_minor, on_the_way_minor, paid_minor \
         FROM remittance_due WHERE entity_id = $1 AND owed_minor <> paid_minor ORDER BY period DESC, account, currency LIMIT $2",
    )
    .bind::<SqlUuid, _>(of)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
}

/// What a remittance is made of.
#[derive(Debug, Clone)]
pub(in crate::payouts) struct NewRow {
    pub(in crate::payouts) id: RemittanceId,
    pub(in crate::payouts) entity: EntityId,
    pub(in crate::payouts) account: Liability,
    pub(in crate::payouts) period: NaiveDate,
    pub(in crate::payouts) authority: PaymentAuthorityId,
    pub(in crate::payouts) amount: Minor,
    pub(in crate::payouts) currency: Currency,
    pub(in crate::payouts) reference: String,
    pub(in crate::payouts) by: PersonId,
}

pub(in crate::payouts) fn insert(tx: &mut Tx<'_>, new: &NewRow) -> Result<RemittanceRow> {
    let end_to_end_id = format!("R{}", new.id.0.simple().to_string().to_uppercase());
    Ok(diesel::insert_into(remittance::table)
        .values((
            remittance::id.eq(new.id),
            remittance::entity_id.eq(new.entity),
            remittance::account.eq(new.account),
            remittance::period.eq(new.period),
            remittance::authority_id.eq(new.authority),
            remittance::amount_minor.eq(new.amount),
            remittance::currency.eq(new.currency),
            remittance::reference.eq(&new.reference),
            remittance::end_to_end_id.eq(end_to_end_id),
            remittance::state.eq(PayoutState::Approved),
            remittance::prepared_by.eq(new.by),
        ))
        .returning(RemittanceRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn find(tx: &mut Tx<'_>, id: RemittanceId) -> Result<RemittanceRow> {
    Ok(remittance::table.find(id).select(RemittanceRow::as_select()).first(tx.conn())?)
}

pub(in crate::payouts) fn lock(tx: &mut Tx<'_>, id: RemittanceId) -> Result<Locked<RemittanceRow>> {
    let row = remittance::table.find(id).select(RemittanceRow::as_select()).for_update().first(tx.conn())?;
    Ok(Locked::new(row))
}

pub(in crate::payouts) fn list(
    tx: &mut Tx<'_>,
    state: Option<PayoutState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<RemittanceRow>> {
    let mut query =
        remittance::table.order(remittance::id.desc()).limit(limit).select(RemittanceRow::as_select()).into_boxed();
    if let Some(state) = state {
        query = query.filter(remittance::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(remittance::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(in crate::payouts) fn list_known_end_to_end_ids(tx: &mut Tx<'_>, ids: &[&str]) -> Result<Vec<String>> {
    Ok(remittance::table
        .filter(remittance::end_to_end_id.eq_any(ids))
        .select(remittance::end_to_end_id)
        .load(tx.conn())?)
}

pub(in crate::payouts) fn lock_by_end_to_end_id(tx: &mut Tx<'_>, name: &str) -> Result<Option<RemittanceRow>> {
    Ok(remittance::table
        .filter(remittance::end_to_end_id.eq(name))
        .select(RemittanceRow::as_select())
        .for_update()
        .first(tx.conn())
        .optional()?)
}

/// The prepared remittances of an entity in a currency, the oldest month first, locked.
pub(in crate::payouts) fn lock_free(
    tx: &mut Tx<'_>,
    of: EntityId,
    currency: Currency,
) -> Result<Vec<Locked<RemittanceRow>>> {
    let rows: Vec<RemittanceRow> = remittance::table
        .filter(remittance::entity_id.eq(of))
        .filter(remittance::currency.eq(currency))
        .filter(remittance::state.eq(PayoutState::Approved))
        .order((remittance::period.asc(), remittance::id.asc()))
        .select(RemittanceRow::as_select())
        .for_update()
        .load(tx.conn())?;
    Ok(rows.into_iter().map(Locked::new).collect())
}

/// What a batch carries, in the order of the file.
pub(in crate::payouts) fn list_items(tx: &mut Tx<'_>, of: BatchId) -> Result<Vec<RemittanceRow>> {
    Ok(remittance::table
        .filter(remittance::batch_id.eq(of))
        .order((remittance::account, remittance::period, remittance::amount_minor.desc(), remittance::id))
        .select(RemittanceRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::payouts) fn lock_items(tx: &mut Tx<'_>, of: BatchId) -> Result<Vec<RemittanceRow>> {
    Ok(remittance::table
        .filter(remittance::batch_id.eq(of))
        .order((remittance::account, remittance::period, remittance::amount_minor.desc(), remittance::id))
        .select(RemittanceRow::as_select())
        .for_update()
        .load(tx.conn())?)
}

/// Into a batch, out of it, or out to the bank: all that a batch carries.
pub(in crate::payouts) fn move_items(
    tx: &mut Tx<'_>,
    of: BatchId,
    state: PayoutState,
    batch: Option<BatchId>,
) -> Result<()> {
    diesel::update(remittance::table.filter(remittance::batch_id.eq(of)))
        .set((remittance::state.eq(state), remittance::batch_id.eq(batch)))
        .execute(tx.conn())?;
    Ok(())
}

pub(in crate::payouts) fn set_batch(
    tx: &mut Tx<'_>,
    id: RemittanceId,
    (state, batch): (PayoutState, Option<BatchId>),
) -> Result<RemittanceRow> {
    Ok(diesel::update(remittance::table.find(id))
        .set((remittance::state.eq(state), remittance::batch_id.eq(batch)))
        .returning(RemittanceRow::as_returning())
        .get_result(tx.conn())?)
}

/// What became of it at the bank.
pub(in crate::payouts) fn mark(
    tx: &mut Tx<'_>,
    row: &Locked<RemittanceRow>,
    state: PayoutState,
    on: NaiveDate,
    reason: Option<&str>,
) -> Result<RemittanceRow> {
    let settled = if state == PayoutState::Settled { Some(on) } else { row.settled_on };
    let returned = if state == PayoutState::Returned { Some(on) } else { row.returned_on };
    let reason: Option<String> = reason.map(|reason| reason.chars().take(400).collect());
    Ok(diesel::update(remittance::table.find(row.id))
        .set((
            remittance::state.eq(state),
            remittance::settled_on.eq(settled),
            remittance::returned_on.eq(returned),
            remittance::result_reason.eq(reason.or_else(|| row.result_reason.clone())),
        ))
        .returning(RemittanceRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn mark_unknown(tx: &mut Tx<'_>, batch: &BatchRow) -> Result<usize> {
    let silent =
        remittance::table.filter(remittance::batch_id.eq(batch.id)).filter(remittance::state.eq(PayoutState::Released));
    Ok(diesel::update(silent).set(remittance::state.eq(PayoutState::Unknown)).execute(tx.conn())?)
}

pub(in crate::payouts) fn propose_give_up(
    tx: &mut Tx<'_>,
    row: &Locked<RemittanceRow>,
    by: PersonId,
    evidence: &str,
) -> Result<RemittanceRow> {
    Ok(diesel::update(remittance::table.find(row.id))
        .set((remittance::given_up_by.eq(by), remittance::given_up_evidence.eq(evidence)))
        .returning(RemittanceRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn give_up(tx: &mut Tx<'_>, row: &Locked<RemittanceRow>, by: PersonId) -> Result<RemittanceRow> {
    Ok(diesel::update(remittance::table.find(row.id))
        .set((remittance::state.eq(PayoutState::GivenBack), remittance::given_up_agreed_by.eq(by)))
        .returning(RemittanceRow::as_returning())
        .get_result(tx.conn())?)
}
