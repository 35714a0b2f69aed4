//! Batches: gathered, sealed to bytes, approved by enough other people, released once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Duration, NaiveDate};
use uuid::Uuid;

use super::rules::{self, BatchCommand, BatchState};
use super::store::texts::{self, TextRow};
use super::store::{self, BatchRow, PayoutRow, gathering};
use super::{funds, limits, paid, payees, policy, remittances, wages};
use crate::access::factors::{self, Operation};
use crate::archive::{self, Kind, NewFile};
use crate::formats::letters::Letter;
use crate::kernel::calendar::add_working_days;
use crate::kernel::ids::{BankAccountId, BatchId, EntityId, PayoutId, PersonId, StepUpId};
use crate::kernel::money::{Minor, Money};
use crate::kernel::schemes::Method;
use crate::ledger::events::{self, Booking};
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;
use crate::platform::keys::Keys;
use crate::{access, charter, ledger, risk};

pub use super::store::preview::{Compared, ItemCounts, Which};

/// Which approved payouts a batch takes, from which account; all of them, from the main one, where nothing is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gather {
    /// Paid from this account of the entity.
    pub from: Option<BankAccountId>,
    /// Asked for up to this day, in the zone of the entity.
    pub up_to: Option<NaiveDate>,
    /// That become pay in this way.
    pub scheme: Option<Method>,
    /// Of this member.
    pub member: Option<PersonId>,
}

/// Gathers approved payouts of an entity in a new batch: the oldest, until the bank takes no more in one file.
///
/// # Errors
/// 409 `batch_empty`, `bank_account_missing`, `bank_limit_reached` where each payout alone is more than the bank takes; 422
/// for an account of another entity.
pub fn build(tx: &mut Tx<'_>, id: BatchId, entity: EntityId, only: &Gather) -> Result<BatchRow> {
    let batch = open(tx, id, entity, only.from)?;
    let entity = charter::entity(tx, entity)?;
    let before = only.up_to.map(|day| rules::end_of_day(day, entity.zone()));
    let held = risk::held(tx, entity.id)?;
    let free = gathering::lock_free(tx, &batch, &held, before, only.scheme, only.member)?;
    if free.is_empty() {
        return Err(Error::conflict("batch_empty"));
    }
    let taken = rules::fill(&free, &limits::of_batch(tx, &batch)?)?;
    if taken.is_empty() {
        return Err(Error::conflict("bank_limit_reached"));
    }
    gathering::take(tx, &batch, &taken)?;
    Ok(batch)
}

/// An empty batch that pays from an account of an entity on the first day that its bank works.
pub(super) fn open(tx: &mut Tx<'_>, id: BatchId, entity: EntityId, from: Option<BankAccountId>) -> Result<BatchRow> {
    let me = tx.person()?;
    let entity = charter::entity(tx, entity)?;
    let account = match from {
        None => charter::bank_account(tx, entity.id)?,
        Some(id) => account_of(tx, entity.id, id)?,
    };
    let execute_on = next_bank_day(tx, &entity)?;
    store::insert_batch(tx, id, entity.id, account.id, account.currency, execute_on, me)
}

/// Today, or the first day after it on which the bank of an entity works.
fn next_bank_day(tx: &mut Tx<'_>, entity: &charter::EntityRow) -> Result<NaiveDate> {
    let today = tx.today(entity.zone());
    let holidays = charter::bank_holidays(tx, &entity.country, today)?;
    add_working_days(today, 0, &holidays).ok_or_else(|| Error::internal("calendar"))
}

/// The sum of what a batch carries.
///
/// # Errors
/// Fails with the database.
pub fn total(tx: &mut Tx<'_>, id: BatchId) -> Result<Minor> {
    Ok(store::sum_items(tx, id)?.1)
}

fn account_of(tx: &mut Tx<'_>, entity: EntityId, id: BankAccountId) -> Result<charter::BankAccountRow> {
    let mine = charter::bank_accounts(tx, entity)?.into_iter().find(|account| account.id == id);
    mine.ok_or_else(|| Error::field("/bank_account_id", "not_allowed"))
}

/// Approved payouts that are in no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// How many.
    pub count: i64,
    /// Their sum.
    pub total: Money,
}

/// What stays for the next batch of the entity: approved, in no batch, not waiting for a person.
///
/// # Errors
/// Fails with the database.
pub fn left(tx: &mut Tx<'_>, batch: &BatchRow) -> Result<Left> {
    let held = risk::held(tx, batch.entity_id)?;
    let (count, amount_minor) = gathering::count_free(tx, batch, &held)?;
    Ok(Left { count, total: Money { amount_minor, currency: batch.currency } })
}

/// A batch.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: BatchId) -> Result<BatchRow> {
    store::find_batch(tx, id)
}

/// Batches, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, state: Option<BatchState>, after: Option<Uuid>, limit: i64) -> Result<Vec<BatchRow>> {
    store::list_batches(tx, state, after, limit)
}

/// A payout of a batch as an approver must see it.
#[derive(Debug, Clone)]
pub struct Item {
    /// The payout.
    pub payout: PayoutRow,
    /// The name on the account.
    pub holder: String,
    /// What the sealed file says, beside what is known.
    pub text: Option<TextRow>,
    /// The end of the IBAN.
    pub iban_last4: String,
    /// Whether its payee was never paid before into this account.
    pub is_new: bool,
    /// Whether the last payout of its payee that was released went to another account.
    pub is_changed: bool,
}

impl Item {
    /// The name as it stands in the sealed file, or as it will.
    #[must_use]
    pub fn name_in_file(&self) -> String {
        self.text.as_ref().map_or_else(|| rules::name_in_file(&self.holder), |text| text.name_in_file.clone())
    }
}

/// Payouts of a batch, in the order of the file.
///
/// # Errors
/// Fails with the database.
pub fn items(tx: &mut Tx<'_>, id: BatchId, which: Which) -> Result<Vec<Item>> {
    let flags = store::preview::item_flags(tx, id, which)?;
    let ids: Vec<PayoutId> = flags.iter().map(|flags| flags.id).collect();
    let payouts = store::list_by_ids(tx, &ids)?;
    let accounts = payees::accounts_of(tx, &payouts)?;
    let mut kept: BTreeMap<PayoutId, TextRow> = match store::find_batch(tx, id)?.file_id {
        None => BTreeMap::new(),
        Some(file) => texts::list_of_file(tx, file, &ids)?.into_iter().map(|text| (text.payout_id, text)).collect(),
    };
    flags
        .into_iter()
        .zip(payouts)
        .map(|(flags, payout)| {
            let account = payout.payee_account_id.and_then(|id| accounts.get(&id));
            let account = account.ok_or_else(|| Error::internal("a batched payout has an account"))?;
            Ok(Item {
                holder: account.holder.clone(),
                text: kept.remove(&payout.id),
                iban_last4: account.iban_last4.clone(),
                is_new: flags.is_new,
                is_changed: flags.is_changed,
                payout,
            })
        })
        .collect()
}

/// How many payouts a batch has, and how many of them are remarkable.
///
/// # Errors
/// Fails with the database.
pub fn counts(tx: &mut Tx<'_>, id: BatchId) -> Result<ItemCounts> {
    store::preview::count_items(tx, id)
}

/// What a batch is compared with, and what the bank account would hold after it.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The batch.
    pub batch: BatchRow,
    /// Its payouts.
    pub items: Vec<Item>,
    /// What it pays to offices instead.
    pub remittances: Vec<remittances::Item>,
    /// The sum of either.
    pub total: Minor,
    /// The batch of the entity that was released last.
    pub last: Option<Compared>,
    /// What the books say is on the bank account.
    pub held: Minor,
    /// What was released before and the bank has not shown yet.
    pub on_the_way: Minor,
    /// What stays for the next batch.
    pub left: Left,
    /// How many people must approve, and who did.
    pub standing: Standing,
}

/// Everything that somebody should look at before they stand for a batch.
///
/// # Errors
/// 404.
pub fn preview(tx: &mut Tx<'_>, id: BatchId) -> Result<Preview> {
    let batch = store::find_batch(tx, id)?;
    Ok(Preview {
        items: items(tx, id, Which::default())?,
        remittances: remittances::items(tx, id)?,
        total: total(tx, id)?,
        last: store::preview::last_released(tx, &batch)?,
        held: ledger::bank_balance(tx, batch.bank_account_id)?,
        on_the_way: store::preview::on_the_way(tx, &batch)?,
        left: left(tx, &batch)?,
        standing: standing(tx, &batch)?,
        batch,
    })
}

/// How far a batch is from being approved.
#[derive(Debug, Clone)]
pub struct Standing {
    /// How many people must approve.
    pub needed: i32,
    /// Approvals since the seal.
    pub approvals: Vec<Approval>,
}

/// An approval since the seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approval {
    /// Who.
    pub by: PersonId,
    /// When.
    pub at: chrono::DateTime<chrono::Utc>,
    /// Until when it counts.
    pub until: chrono::DateTime<chrono::Utc>,
    /// Whether it counts now.
    pub counts: bool,
}

impl Standing {
    /// Who counts now.
    fn people(&self) -> BTreeSet<PersonId> {
        self.approvals.iter().filter(|approval| approval.counts).map(|approval| approval.by).collect()
    }

    fn is_enough(&self) -> bool {
        i32::try_from(self.people().len()).unwrap_or(i32::MAX) >= self.needed
    }
}

/// Who approved the sealed bytes of a batch, whether that counts today, and how many are needed.
///
/// # Errors
/// Fails with the database.
pub fn standing(tx: &mut Tx<'_>, batch: &BatchRow) -> Result<Standing> {
    let entity = charter::entity(tx, batch.entity_id)?;
    let today = tx.today(entity.zone());
    let policy = policy::current(tx, batch.entity_id, today)?;
    let total = match batch.control_sum_minor {
        Some(total) => total,
        None => total(tx, batch.id)?,
    };
    let needed = policy::needed(tx, batch.entity_id, total, today)?;
    let apart = people_apart(tx, batch)?;
    let (now, life) = (tx.now(), Duration::days(i64::from(policy.approval_days)));
    let approvals = store::list_approvals(tx, batch)?.into_iter().map(|row| {
        let until = row.at.checked_add_signed(life).unwrap_or(row.at);
        let counts =
            batch.sha256.as_deref() == Some(row.sha256.as_slice()) && until > now && !apart.contains(&row.approver_id);
        Approval { by: row.approver_id, at: row.at, until, counts }
    });
    Ok(Standing { needed, approvals: approvals.collect() })
}

/// Who may not approve a batch: who gathered and sealed it, who is paid by it, and who had a hand in where they are paid; of
/// taxes and contributions who prepared them and who said and confirmed where their offices are paid.
fn people_apart(tx: &mut Tx<'_>, batch: &BatchRow) -> Result<BTreeSet<PersonId>> {
    let mut apart: BTreeSet<PersonId> = store::people_of_items(tx, batch.id)?.into_iter().collect();
    apart.insert(batch.built_by);
    apart.extend(batch.sealed_by);
    Ok(apart)
}

/// Takes a payout out of an open batch; it stays approved.
///
/// # Errors
/// 409 `batch_sealed` once the batch is sealed.
pub fn remove(tx: &mut Tx<'_>, id: BatchId, expected: i32, payout: PayoutId) -> Result<BatchRow> {
    let batch = lock_at(tx, id, expected)?;
    rules::may_batch(batch.state, BatchCommand::Edit)?;
    let payout = store::lock(tx, payout)?;
    if payout.batch_id != Some(batch.id) {
        return Err(Error::not_found());
    }
    store::leave_batch(tx, &payout)?;
    store::touch_batch(tx, &batch)
}

/// Seals a batch: the bank file is written, kept and hashed. From here on nothing in it changes. It asks the bank to pay on
/// the first day from now on which it works, however long ago the batch was built.
///
/// # Errors
/// 403 for a payee; 409 in another state, `bank_limit_reached`, `payment_authority_changed` or when a payout cannot be
/// written; 412 for another version.
pub fn seal(tx: &mut Tx<'_>, keys: &Keys, id: BatchId, expected: i32) -> Result<BatchRow> {
    let batch = lock_at(tx, id, expected)?;
    rules::may_batch(batch.state, BatchCommand::Seal)?;
    let me = tx.person()?;
    let items = store::list_items(tx, id)?;
    let owed = remittances::items(tx, id)?;
    let (count, total) = store::sum_items(tx, id)?;
    if count == 0 {
        return Err(Error::conflict("batch_empty"));
    }
    if items.iter().any(|payout| payout.member_id == me) {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    remittances::require_current(tx, owed.iter().map(|item| &item.row))?;
    let entity = charter::entity(tx, batch.entity_id)?;
    let dated = BatchRow { execute_on: next_bank_day(tx, &entity)?, ..(*batch).clone() };
    let message_id = rules::message_id(&batch, tx.now());
    if !limits::of_batch(tx, &batch)?.takes(items.len().saturating_add(owed.len()), total)
        && !tx.faults().removed(Guard::BankLimit)
    {
        return Err(Error::conflict("bank_limit_reached"));
    }
    let payees = payees::list(tx, &items)?;
    let file = payees::written(tx, keys, &dated, &payees, &owed, (&message_id, tx.now()))?;
    let bytes = payees::bytes(&file)?;
    let name = format!("{message_id}.xml");
    let new = NewFile {
        kind: Kind::BatchFile,
        subject: id.0,
        owner: None,
        name: &name,
        media_type: "application/xml",
        bytes: &bytes,
    };
    let file_id = archive::keep(tx, &new)?;
    payees::keep_texts(tx, &batch, &payees, &file, file_id)?;
    let (execute_on, sha256) = (dated.execute_on, archive::sha256(&bytes));
    let seal = store::Seal { message_id, execute_on, count, total, file_id, sha256, by: me };
    let sealed = store::mark_sealed(tx, &batch, &seal)?;
    risk::sealed(tx, sealed.entity_id, sealed.currency, &ids_of(&items))?;
    Ok(sealed)
}

fn ids_of(items: &[PayoutRow]) -> Vec<PayoutId> {
    items.iter().map(|payout| payout.id).collect()
}

/// Opens a sealed batch again. Every approval is void.
///
/// # Errors
/// 409 in another state; 412 for another version.
pub fn unseal(tx: &mut Tx<'_>, id: BatchId, expected: i32) -> Result<BatchRow> {
    let batch = lock_at(tx, id, expected)?;
    rules::may_batch(batch.state, BatchCommand::Unseal)?;
    store::mark_unsealed(tx, &batch)
}

/// Dissolves an open batch; its payouts are approved and free again.
///
/// # Errors
/// 409 in another state; 412 for another version.
pub fn dissolve(tx: &mut Tx<'_>, id: BatchId, expected: i32) -> Result<BatchRow> {
    let batch = lock_at(tx, id, expected)?;
    rules::may_batch(batch.state, BatchCommand::Dissolve)?;
    store::free_items(tx, id)?;
    remittances::leave_batch(tx, id)?;
    store::mark_dissolved(tx, &batch)
}

/// What an approver was shown and stands for.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The hash of the file.
    pub sha256: Vec<u8>,
    /// The sum of the file.
    pub total: Money,
    /// How many payouts.
    pub count: i32,
}

/// Approves exactly the sealed bytes, with a second factor, as somebody apart from who built, sealed, is paid or changed
/// where somebody is paid. The batch is approved once enough people did.
///
/// # Errors
/// 403 `self_approval_forbidden`; 409 `batch_hash_mismatch`, `approval_given`, `approval_enough` or in another state; 412
/// for another version; 422 `second_factor_invalid`.
pub fn approve(tx: &mut Tx<'_>, id: BatchId, expected: i32, shown: &Shown, proof: StepUpId) -> Result<BatchRow> {
    let batch = lock_at(tx, id, expected)?;
    rules::may_batch(batch.state, BatchCommand::Approve)?;
    let me = tx.person()?;
    if people_apart(tx, &batch)?.contains(&me) {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let is_same = batch.sha256.as_deref() == Some(shown.sha256.as_slice())
        && batch.control_sum_minor == Some(shown.total.amount_minor)
        && batch.payout_count == Some(shown.count)
        && batch.currency == shown.total.currency;
    if !is_same {
        return Err(Error::conflict("batch_hash_mismatch"));
    }
    let before = standing(tx, &batch)?;
    if before.is_enough() {
        return Err(Error::conflict("approval_enough"));
    }
    if before.people().contains(&me) {
        return Err(Error::conflict("approval_given"));
    }
    let items = ids_of(&store::list_items(tx, id)?);
    risk::require_free(tx, &items)?;
    risk::require_opened(tx, &items)?;
    risk::approving(tx, batch.entity_id, shown.total)?;
    factors::use_proof(tx, proof, Operation::ApproveBatch, &shown.sha256)?;
    store::insert_approval(tx, &batch, me, &shown.sha256, proof)?;
    let now = standing(tx, &batch)?;
    let state = if now.is_enough() { BatchState::Approved } else { batch.state };
    store::set_batch_state(tx, &batch, state)
}

/// Releases an approved batch to the bank, once, with a second factor: its payouts are booked as on their way. The bytes
/// are made again from the rows and must be those that were approved.
///
/// # Errors
/// 403 for a payee; 409 `approval_expired`, `batch_changed`, `payment_authority_changed` or in another state; 412 for another version; 422
/// `second_factor_invalid`.
pub fn release(tx: &mut Tx<'_>, keys: &Keys, id: BatchId, expected: i32, proof: StepUpId) -> Result<BatchRow> {
    let batch = lock_at(tx, id, expected)?;
    rules::may_batch(batch.state, BatchCommand::Release)?;
    let me = tx.person()?;
    let items = store::lock_items(tx, id)?;
    let owed = remittances::lock_items(tx, id)?;
    if items.iter().any(|payout| payout.member_id == me) {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    if !standing(tx, &batch)?.is_enough() {
        return Err(Error::conflict("approval_expired"));
    }
    remittances::require_current(tx, owed.iter().map(|item| &item.row))?;
    let sealed = batch.sha256.clone().ok_or_else(|| Error::internal("an approved batch is sealed"))?;
    let name = batch.message_id.clone().ok_or_else(|| Error::internal("an approved batch is sealed"))?;
    let at = batch.sealed_at.ok_or_else(|| Error::internal("an approved batch is sealed"))?;
    let payees = payees::list(tx, &items)?;
    let file = payees::written(tx, keys, &batch, &payees, &owed, (&name, at))?;
    if archive::sha256(&payees::bytes(&file)?)[..] != sealed[..] {
        return Err(Error::conflict("batch_changed"));
    }
    factors::use_proof(tx, proof, Operation::ReleaseBatch, &sealed)?;
    let entity = charter::entity(tx, batch.entity_id)?;
    let at = Booking { entity: batch.entity_id, on: tx.today(entity.zone()), currency: batch.currency };
    let released = store::mark_released(tx, &batch, me, proof)?;
    let wages = wages(tx, &items)?;
    let mut entries = Vec::with_capacity(items.len());
    for payout in &items {
        entries.push(events::payout_released(at, funds(payout), paid(payout, wages.get(&payout.id)))?);
    }
    entries.extend(remittances::entries(at, &owed)?);
    ledger::post_all(tx, &entries)?;
    store::release_items(tx, id)?;
    remittances::release_items(tx, id)?;
    payees::tell_sent(tx, &payees)?;
    Ok(released)
}

/// Tells who sealed a batch, once, that its approvals are too old, or never came. Answers how many were told.
///
/// # Errors
/// Fails with the database.
pub fn tell_expired(tx: &mut Tx<'_>, entity: EntityId, today: NaiveDate) -> Result<usize> {
    let policy = policy::current(tx, entity, today)?;
    let life = Duration::days(i64::from(policy.approval_days));
    let before = tx.now().checked_sub_signed(life).ok_or_else(|| Error::internal("calendar"))?;
    let name = charter::entity(tx, entity)?.name;
    let mut told = 0_usize;
    for batch in store::lock_old_seals(tx, entity, before)? {
        let (Some(sealed_by), Some(total)) = (batch.sealed_by, batch.control_sum_minor) else { continue };
        if standing(tx, &batch)?.is_enough() {
            continue;
        }
        store::mark_expiry_told(tx, &batch)?;
        let person = access::person(tx, sealed_by)?;
        let total = Money { amount_minor: total, currency: batch.currency };
        let letter = Letter::ApprovalsExpired { entity: name.clone(), total, days: policy.approval_days };
        let mail = QueuedLetter {
            to: person.email,
            language: person.language,
            letter,
            subject: batch.id.0,
            owner: Some(sealed_by),
        };
        outbox::queue_letter(tx, mail, batch.message_id.as_deref().unwrap_or_default())?;
        told = told.saturating_add(1);
    }
    Ok(told)
}

/// The bank file of a batch that was released: the sealed bytes. Before, nobody needs them: who approves stands for their
/// hash, and a file in one person's hands could be given to the bank without the others.
///
/// # Errors
/// 404 for no batch; 409 until it is released.
pub fn file(tx: &mut Tx<'_>, id: BatchId) -> Result<archive::ArchivedFile> {
    let batch = store::find_batch(tx, id)?;
    if batch.state != BatchState::Released {
        return Err(Error::state_conflict(batch.state, "download"));
    }
    archive::find(tx, batch.file_id.ok_or_else(Error::not_found)?)
}

fn lock_at(tx: &mut Tx<'_>, id: BatchId, expected: i32) -> Result<Locked<BatchRow>> {
    let batch = store::lock_batch(tx, id)?;
    if batch.version == expected { Ok(batch) } else { Err(Error::version_stale(batch.version)) }
}
