//! Taxes and contributions: what the mutual owes the offices for wages, paid by files of their own.
//!
//! Owns `payment_authority` and `remittance`. Releasing a wage books what is owed; here one payment is prepared for a
//! liability and a month, never more than is owed, to the office that one person named and another confirmed. Remittances
//! go through the same batches as payouts, in files without them, and the bank settles them by their own names.

use chrono::{Datelike, NaiveDate};
use iban::IbanLike;
use uuid::Uuid;

use super::rules::{self, PayoutCommand, PayoutState};
pub use super::store::remittances::{AuthorityRow, DueRow, RemittanceRow};
use super::store::{self, BatchRow, remittances as rows};
use super::{limits, results};
use crate::charter;
use crate::formats::pain001::Transfer;
use crate::formats::pain002::Reason;
use crate::kernel::ids::{BankAccountId, BatchId, EntityId, PaymentAuthorityId, PersonId, RemittanceId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::refusal::Checks;
use crate::ledger::events::{self, Arrival, Booking, Remitted};
use crate::ledger::{self, Account, Entry};
use crate::named;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// Months of liabilities that one look shows.
const DUE_MAX: i64 = 200;

named! {
    /// What is owed to an office.
    Liability {
        /// Both parts of social security.
        SocialSecurity = "social_security_payable",
        /// What was withheld for the tax office.
        Withholding = "withholding_payable",
    }
}

impl Liability {
    const fn account(self) -> Account {
        match self {
            Self::SocialSecurity => Account::SocialSecurityPayable,
            Self::Withholding => Account::WithholdingPayable,
        }
    }
}

named! {
    /// Where an office's account stands.
    AuthorityState {
        /// One person said it.
        Proposed = "proposed",
        /// Another confirmed it.
        Confirmed = "confirmed",
        /// Another said no.
        Refused = "refused",
    }
}

/// Where a liability is paid from a day on.
#[derive(Debug, Clone)]
pub struct NewAuthority {
    /// Made by the sender.
    pub id: PaymentAuthorityId,
    /// Who owes it.
    pub entity: EntityId,
    /// What is owed.
    pub account: Liability,
    /// The office.
    pub name: String,
    /// Its street and number; may be empty.
    pub street: String,
    /// Its postcode; may be empty.
    pub postcode: String,
    /// Its town.
    pub town: String,
    /// Its country.
    pub country: String,
    /// Its account.
    pub iban: String,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// How it is known: the letter of the office.
    pub reason: String,
}

/// Says to whom a liability is paid from a day on. It counts when another person has confirmed it.
///
/// # Errors
/// 404; 422 for what is not acceptable.
pub fn propose_authority(tx: &mut Tx<'_>, new: &NewAuthority) -> Result<AuthorityRow> {
    let by = tx.person()?;
    let zone = charter::entity(tx, new.entity)?.zone();
    let mut checks = Checks::default();
    checks.text(&new.name, "/name", 1, 70);
    checks.text(&new.street, "/street", 0, 70);
    checks.text(&new.postcode, "/postcode", 0, 16);
    checks.text(&new.town, "/town", 1, 35);
    let is_country = new.country.len() == 2 && new.country.bytes().all(|byte| byte.is_ascii_uppercase());
    checks.require(is_country, "/country", "invalid");
    let iban = checks.parse(new.iban.parse::<iban::Iban>(), "/iban", "invalid");
    checks.require(new.valid_from >= tx.today(zone), "/valid_from", "out_of_range");
    checks.text(&new.reason, "/reason", 1, 2000);
    checks.done()?;
    let iban = iban.ok_or_else(|| Error::field("/iban", "invalid"))?;
    tx.reason(&new.reason)?;
    rows::insert_authority(tx, new, iban.electronic_str(), by)
}

/// Confirms or refuses where a liability is paid, as another person than who said it.
///
/// # Errors
/// 403 for who said it; 404; 409 in another state; 412.
pub fn decide_authority(
    tx: &mut Tx<'_>,
    id: PaymentAuthorityId,
    expected: i32,
    is_confirmed: bool,
) -> Result<AuthorityRow> {
    let row = rows::lock_authority(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    if row.state != AuthorityState::Proposed {
        return Err(Error::state_conflict(row.state, "decide"));
    }
    let me = tx.person()?;
    if me == row.proposed_by {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let state = if is_confirmed { AuthorityState::Confirmed } else { AuthorityState::Refused };
    rows::decide_authority(tx, &row, state, me)
}

/// An office's account.
///
/// # Errors
/// 404.
pub fn authority(tx: &mut Tx<'_>, id: PaymentAuthorityId) -> Result<AuthorityRow> {
    rows::find_authority(tx, id)
}

/// Where an entity pays and paid its liabilities, newest first.
///
/// # Errors
/// 404.
pub fn authorities(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<AuthorityRow>> {
    charter::entity(tx, of)?;
    rows::list_authorities(tx, of)
}

/// A liability of a month, and where it would be paid today.
#[derive(Debug, Clone)]
pub struct Due {
    /// What is owed and paid.
    pub row: DueRow,
    /// What is left to prepare; below zero when more was paid than is owed by now.
    pub left: Minor,
    /// Where it would be paid; none while nobody confirmed it.
    pub authority: Option<AuthorityRow>,
}

/// What an entity owes the offices, by liability and month, the newest first: months that are paid in full are left out.
///
/// # Errors
/// 404.
pub fn due(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<Due>> {
    let zone = charter::entity(tx, of)?.zone();
    let today = tx.today(zone);
    let mut found = Vec::new();
    for row in rows::list_due(tx, of, DUE_MAX)? {
        let left = row.owed_minor.minus(row.prepared_minor)?.minus(row.on_the_way_minor)?.minus(row.paid_minor)?;
        let authority = rows::authority_on(tx, of, row.account, today)?;
        found.push(Due { row, left, authority });
    }
    Ok(found)
}

/// A payment of a liability of a month.
#[derive(Debug, Clone)]
pub struct NewRemittance {
    /// Made by the sender.
    pub id: RemittanceId,
    /// Who pays.
    pub entity: EntityId,
    /// What is owed.
    pub account: Liability,
    /// A day of the month in which it was booked as owed.
    pub period: NaiveDate,
    /// How much; all that is left when it does not say.
    pub amount: Option<Money>,
    /// What the office should read: by what it knows us, and the declaration.
    pub reference: String,
}

/// Prepares a payment to the office that is confirmed today.
///
/// # Errors
/// 404; 409 `payment_authority_missing`, `remittance_exceeds_owed`; 422 for what is not acceptable.
pub fn prepare(tx: &mut Tx<'_>, new: &NewRemittance) -> Result<RemittanceRow> {
    let by = tx.person()?;
    let zone = charter::entity(tx, new.entity)?.zone();
    let currency = new.amount.map_or(Currency::EUR, |amount| amount.currency);
    let mut checks = Checks::default();
    checks.text(&new.reference, "/reference", 1, 140);
    checks.require(currency == Currency::EUR, "/amount/currency", "currency_mismatch");
    let in_range = |amount: Money| (1..=rules::AMOUNT_MAX).contains(&amount.amount_minor.get());
    checks.require(new.amount.is_none_or(in_range), "/amount/amount_minor", "out_of_range");
    checks.require(new.period <= tx.today(zone), "/period", "out_of_range");
    let period = new.period.with_day(1);
    checks.require(period.is_some(), "/period", "invalid");
    checks.done()?;
    let period = period.ok_or_else(|| Error::field("/period", "invalid"))?;
    let authority = rows::authority_on(tx, new.entity, new.account, tx.today(zone))?
        .ok_or_else(|| Error::conflict("payment_authority_missing").with("account", new.account))?;
    let of_month = due(tx, new.entity)?
        .into_iter()
        .find(|it| it.row.account == new.account && it.row.period == period && it.row.currency == currency);
    let left = of_month.map_or(Minor::ZERO, |it| it.left);
    let amount = new.amount.map_or(left, |amount| amount.amount_minor);
    if amount > left || amount <= Minor::ZERO {
        return Err(Error::conflict("remittance_exceeds_owed").with("left_minor", left.get()));
    }
    let row = rows::NewRow {
        id: new.id,
        entity: new.entity,
        account: new.account,
        period,
        authority: authority.id,
        amount,
        currency,
        reference: new.reference.trim().to_owned(),
        by,
    };
    rows::insert(tx, &row)
}

/// A remittance.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: RemittanceId) -> Result<RemittanceRow> {
    rows::find(tx, id)
}

/// Remittances, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(
    tx: &mut Tx<'_>,
    state: Option<PayoutState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<RemittanceRow>> {
    rows::list(tx, state, after, limit)
}

fn lock_at(tx: &mut Tx<'_>, id: RemittanceId, expected: i32) -> Result<Locked<RemittanceRow>> {
    let row = rows::lock(tx, id)?;
    if row.version == expected { Ok(row) } else { Err(Error::version_stale(row.version)) }
}

/// Cancels a remittance that is in no batch.
///
/// # Errors
/// 404; 409 in another state; 412.
pub fn cancel(tx: &mut Tx<'_>, id: RemittanceId, expected: i32) -> Result<RemittanceRow> {
    let row = lock_at(tx, id, expected)?;
    rules::may(row.state, PayoutCommand::Cancel)?;
    rows::set_batch(tx, row.id, (PayoutState::Cancelled, None))
}

/// Gathers the prepared remittances of an entity in a new batch, the oldest months first, until the bank takes no more in
/// one file. From there on it is a batch like any other.
///
/// # Errors
/// 409 `batch_empty`, `bank_account_missing`, `bank_limit_reached`, `payment_authority_changed`; 422 for an account of
/// another entity.
pub fn build(tx: &mut Tx<'_>, id: BatchId, entity: EntityId, from: Option<BankAccountId>) -> Result<BatchRow> {
    let batch = super::batches::open(tx, id, entity, from)?;
    let limit = limits::of_batch(tx, &batch)?;
    let (mut count, mut total) = (0_usize, Minor::ZERO);
    let free = rows::lock_free(tx, entity, batch.currency)?;
    if free.is_empty() {
        return Err(Error::conflict("batch_empty"));
    }
    require_current(tx, free.iter().map(|row| &**row))?;
    for row in free {
        let with = total.plus(row.amount_minor)?;
        if limit.takes(count.saturating_add(1), with) {
            (count, total) = (count.saturating_add(1), with);
            rows::set_batch(tx, row.id, (PayoutState::Batched, Some(batch.id)))?;
        }
    }
    if count == 0 {
        return Err(Error::conflict("bank_limit_reached"));
    }
    store::find_batch(tx, id)
}

/// A remittance of a batch with its office.
#[derive(Debug, Clone)]
pub struct Item {
    /// The remittance.
    pub row: RemittanceRow,
    /// To whom.
    pub authority: AuthorityRow,
}

/// The remittances of a batch, in the order of the file.
///
/// # Errors
/// Fails with the database.
pub fn items(tx: &mut Tx<'_>, of: BatchId) -> Result<Vec<Item>> {
    let found = rows::list_items(tx, of)?;
    with_authorities(tx, found)
}

/// The same, locked.
pub(super) fn lock_items(tx: &mut Tx<'_>, of: BatchId) -> Result<Vec<Item>> {
    let found = rows::lock_items(tx, of)?;
    with_authorities(tx, found)
}

fn with_authorities(tx: &mut Tx<'_>, found: Vec<RemittanceRow>) -> Result<Vec<Item>> {
    let mut items = Vec::with_capacity(found.len());
    for row in found {
        let authority = rows::find_authority(tx, row.authority_id)?;
        items.push(Item { row, authority });
    }
    Ok(items)
}

/// Each goes where its office is paid today: another account may have been confirmed since it was prepared.
pub(super) fn require_current<'a>(tx: &mut Tx<'_>, rows: impl IntoIterator<Item = &'a RemittanceRow>) -> Result<()> {
    for row in rows {
        let zone = charter::entity(tx, row.entity_id)?.zone();
        let today = tx.today(zone);
        let current = rows::authority_on(tx, row.entity_id, row.account, today)?;
        if current.is_none_or(|it| it.id != row.authority_id) {
            return Err(Error::conflict("payment_authority_changed").with("reference", row.reference.clone()));
        }
    }
    Ok(())
}

/// Takes the remittances out of a batch; they stay prepared.
pub(super) fn leave_batch(tx: &mut Tx<'_>, batch: BatchId) -> Result<()> {
    rows::move_items(tx, batch, PayoutState::Approved, None)
}

/// The transfers of a file.
pub(super) fn transfers(items: &[Item]) -> Result<Vec<Transfer>> {
    items.iter().map(|item| rules::remittance_transfer(&item.row, &item.authority)).collect()
}

fn remitted(row: &RemittanceRow) -> Remitted {
    Remitted { id: row.id, account: row.account.account(), amount: row.amount_minor }
}

/// What is booked when they leave.
pub(super) fn entries(at: Booking, items: &[Item]) -> Result<Vec<Entry>> {
    let entries = items.iter().map(|item| events::remittance_released(at, &remitted(&item.row)));
    Ok(entries.collect::<std::result::Result<_, _>>()?)
}

/// They are on their way.
pub(super) fn release_items(tx: &mut Tx<'_>, of: BatchId) -> Result<()> {
    rows::move_items(tx, of, PayoutState::Released, Some(of))
}

/// Which of some names are those of remittances.
///
/// # Errors
/// Fails with the database.
pub fn known_end_to_end_ids(tx: &mut Tx<'_>, ids: &[&str]) -> Result<Vec<String>> {
    rows::list_known_end_to_end_ids(tx, ids)
}

/// A remittance by the id that the bank carries back, locked.
///
/// # Errors
/// Fails with the database.
pub fn by_end_to_end_id(tx: &mut Tx<'_>, name: &str) -> Result<Option<RemittanceRow>> {
    rows::lock_by_end_to_end_id(tx, name)
}

/// The bank carried a remittance out.
///
/// # Errors
/// 409 in another state than on its way.
pub fn settle(tx: &mut Tx<'_>, id: RemittanceId, on: NaiveDate, from: Arrival) -> Result<()> {
    let row = rows::lock(tx, id)?;
    rules::may(row.state, PayoutCommand::Settle)?;
    let at = Booking { entity: row.entity_id, on, currency: row.currency };
    ledger::post(tx, &events::remittance_settled(at, &remitted(&row), from)?)?;
    rows::mark(tx, &row, PayoutState::Settled, on, None).map(|_row| ())
}

/// The bank gave a remittance back: it is owed as before, and another one may be prepared.
///
/// # Errors
/// 409 in another state than settled.
pub fn take_back(tx: &mut Tx<'_>, id: RemittanceId, on: NaiveDate, reason: &str, from: Arrival) -> Result<()> {
    let row = rows::lock(tx, id)?;
    rules::may(row.state, PayoutCommand::Return)?;
    tx.reason(reason)?;
    let at = Booking { entity: row.entity_id, on, currency: row.currency };
    ledger::post(tx, &events::remittance_returned(at, &remitted(&row), from)?)?;
    rows::mark(tx, &row, PayoutState::Returned, on, Some(reason)).map(|_row| ())
}

/// Books that a remittance never left: it is owed as before.
fn stop(tx: &mut Tx<'_>, row: &RemittanceRow) -> Result<NaiveDate> {
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let at = Booking { entity: row.entity_id, on: tx.today(zone), currency: row.currency };
    ledger::post(tx, &events::remittance_stopped(at, &remitted(row))?)?;
    Ok(at.on)
}

/// A bank refused a remittance.
pub(super) fn reject(tx: &mut Tx<'_>, id: RemittanceId, reason: &Reason) -> Result<()> {
    let row = rows::lock(tx, id)?;
    rules::may(row.state, PayoutCommand::Reject)?;
    let said = results::said(reason);
    tx.reason(&said)?;
    let on = stop(tx, &row)?;
    rows::mark(tx, &row, PayoutState::Rejected, on, Some(&said)).map(|_row| ())
}

/// Says that a remittance of which the bank says nothing never left, and what shows it. Another person decides.
///
/// # Errors
/// 404; 409 in another state and when somebody said so before; 412; 422 without evidence.
pub fn propose_give_up(tx: &mut Tx<'_>, id: RemittanceId, expected: i32, evidence: &str) -> Result<RemittanceRow> {
    let row = lock_at(tx, id, expected)?;
    may_give_up(&row)?;
    if row.given_up_by.is_some() {
        return Err(Error::state_conflict("proposed", "give_up"));
    }
    let mut checks = Checks::default();
    checks.text(evidence, "/evidence", 1, 2000);
    checks.done()?;
    let me: PersonId = tx.person()?;
    tx.reason(evidence)?;
    rows::propose_give_up(tx, &row, me, evidence)
}

fn may_give_up(row: &RemittanceRow) -> Result<()> {
    if row.state == PayoutState::Unknown { Ok(()) } else { Err(Error::state_conflict(row.state, "give_up")) }
}

/// Agrees that a remittance never left, as another person: it is owed as before.
///
/// # Errors
/// 403 for who said it; 404; 409 in another state and while nobody said it; 412.
pub fn give_up(tx: &mut Tx<'_>, id: RemittanceId, expected: i32) -> Result<RemittanceRow> {
    let row = lock_at(tx, id, expected)?;
    may_give_up(&row)?;
    let by = row.given_up_by.ok_or_else(|| Error::state_conflict(row.state, "agree"))?;
    let me = tx.person()?;
    if me == by {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    stop(tx, &row)?;
    rows::give_up(tx, &row, me)
}
