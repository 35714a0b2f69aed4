//! Importing a file: one long verb of the desk, and so a file of its own.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use uuid::Uuid;

use super::files::BankFile;
use super::lumps;
use super::rules::{self, Decision, Facts, PayoutFact, Place, ShareFact};
use super::store::{self, LineRow, StatementRow};
use super::{StatementSummary, allocate, invoice_fact, with_totals};
use crate::archive::{self, Kind, NewFile};
use crate::charter::{self, BankAccountRow};
use crate::formats::bank_statement::{Line, Statement};
use crate::invoicing::{self, OpenInvoice};
use crate::kernel::ids::{BankLineId, EntityId, FileId, PayoutId, PersonId, StatementId};
use crate::kernel::money::Minor;
use crate::ledger::events::{self, Arrival, Booking};
use crate::ledger::{self, Entry};
use crate::members::{self, ShareState};
use crate::payouts::{self, remittances};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// Lines that are placed together.
const CHUNK: usize = 1_000;

/// The accounts of the statements of a file, taken until the end of the transaction.
///
/// # Errors
/// 422 `statement_account_unknown`.
pub(super) fn lock_accounts(tx: &mut Tx<'_>, statements: &[Statement]) -> Result<Vec<BankAccountRow>> {
    let mut accounts = Vec::with_capacity(statements.len());
    for statement in statements {
        let account = charter::bank_account_by_iban(tx, &statement.account)?.ok_or_else(|| {
            let last4: String =
                statement.account.chars().skip(statement.account.chars().count().saturating_sub(4)).collect();
            Error::value("statement_account_unknown").with("iban_last4", last4)
        })?;
        accounts.push(account);
    }
    let mut to_lock: Vec<_> = accounts.iter().map(|account| account.id).collect();
    to_lock.sort_unstable();
    to_lock.dedup();
    for account in to_lock {
        store::lock_account(tx, account)?;
    }
    Ok(accounts)
}

/// Imports the statements of one file, in their order, and places every line. Of a period that overlaps what was
/// imported before, only the lines that are new.
///
/// # Errors
/// 422 `statement_account_unknown`, `statement_currency_differs`, `statement_field_missing`; 409
/// `duplicate_statement`, `statement_out_of_order`. One refused statement refuses the file.
pub fn import(tx: &mut Tx<'_>, bank_file: &BankFile) -> Result<Vec<StatementSummary>> {
    let importer = tx.person()?;
    let statements = &bank_file.statements;
    let accounts = lock_accounts(tx, statements)?;
    let first: StatementId = tx.new_id();
    let mut file = None;
    let mut rows = Vec::with_capacity(statements.len());
    for (index, (statement, account)) in statements.iter().zip(&accounts).enumerate() {
        let n = index.saturating_add(1);
        let id = if index == 0 { first } else { tx.new_id() };
        let frame = rules::frame(statement, n, account.currency)?;
        let duplicate = || Error::conflict("duplicate_statement").with("statement", &statement.id);
        if store::find_statement_by_reference(tx, account.id, &statement.id)?.is_some() {
            return Err(duplicate());
        }
        let previous = store::find_last_statement(tx, account.id)?;
        let known = match (rules::follows(previous.as_ref(), frame), &previous) {
            (verdict, Some(previous)) => {
                let known = known_lines(tx, (bank_file, index), account)?;
                if known.moving > 0 && known.places.len() == statement.line_count {
                    return Err(duplicate());
                }
                match verdict {
                    // An account that comes back to where it was opens like the statement before it did.
                    Ok(()) if known.moving > 0 && known.sum == Minor::ZERO => known.places,
                    Ok(()) => BTreeSet::new(),
                    Err(_gap)
                        if !known.places.is_empty()
                            && frame.opening.amount.plus(known.sum)? == previous.closing_minor =>
                    {
                        known.places
                    }
                    Err(gap) => return Err(gap.into()),
                }
            }
            (Err(gap), None) => return Err(gap.into()),
            (Ok(()), None) => BTreeSet::new(),
        };
        let file_id = match file {
            Some(file) => file,
            None => *file.insert(keep_file(tx, first.0, &statement.id, bank_file)?),
        };
        let opening = previous.as_ref().filter(|_| !known.is_empty()).map(|previous| previous.closing_minor);
        let row = StatementRow {
            id,
            entity_id: account.entity_id,
            bank_account_id: account.id,
            reference: statement.id.clone(),
            currency: account.currency,
            from_on: statement.from_on.unwrap_or(frame.opening.on),
            to_on: statement.to_on.unwrap_or(frame.closing.on),
            opening_minor: opening.unwrap_or(frame.opening.amount),
            closing_minor: frame.closing.amount,
            file_id,
            position: previous.as_ref().map_or(0, |previous| previous.position).saturating_add(1),
            imported_by: importer,
            created_at: tx.now(),
            lines_known: i32::try_from(known.len()).unwrap_or(i32::MAX),
        };
        store::insert_statement(tx, &row)?;
        let first_open = ledger::first_open_day(tx, account.entity_id)?;
        let desk = ImportDesk { statement: &row, account, importer, first_open };
        if previous.is_none() {
            desk.open_account(tx)?;
        }
        desk.place_lines(tx, (bank_file, index), statement.line_count, &known)?;
        rows.push(row);
    }
    with_totals(tx, rows)
}

/// Lines of a statement that need not be brought again.
#[derive(Debug, Default)]
struct Known {
    /// Where they stand: those that earlier statements brought, and those that move nothing.
    places: BTreeSet<usize>,
    /// How many of them move money.
    moving: usize,
    /// What those come to.
    sum: Minor,
}

/// The lines of a statement that earlier statements brought, each as often as they did.
fn known_lines(tx: &mut Tx<'_>, (bank_file, index): (&BankFile, usize), account: &BankAccountRow) -> Result<Known> {
    let mut fingerprints: Vec<(Vec<u8>, Minor)> = Vec::new();
    let mut since: Option<NaiveDate> = None;
    bank_file.lines(index, &mut |line| {
        fingerprints.push((rules::fingerprint(line), line.amount));
        if fingerprints.len().is_multiple_of(CHUNK) {
            tx.still_here()?;
        }
        since = Some(since.map_or(line.booked_on, |since: NaiveDate| since.min(line.booked_on)));
        Ok(())
    })?;
    let Some(since) = since else { return Ok(Known::default()) };
    let mut seen: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    for chunk in fingerprints.chunks(CHUNK) {
        let chunk: Vec<Vec<u8>> = chunk.iter().map(|(fingerprint, _)| fingerprint.clone()).collect();
        seen.extend(store::count_fingerprints(tx, account.id, &chunk, Some(since))?);
    }
    let mut known = Known::default();
    for (place, (fingerprint, amount)) in fingerprints.iter().enumerate() {
        // What moves nothing is kept nowhere.
        if *amount == Minor::ZERO {
            known.places.insert(place);
        } else if let Some(times) = seen.get_mut(fingerprint).filter(|times| **times > 0) {
            *times = times.saturating_sub(1);
            known.sum = known.sum.plus(*amount)?;
            known.moving = known.moving.saturating_add(1);
            known.places.insert(place);
        }
    }
    Ok(known)
}

pub(super) fn keep_file(tx: &mut Tx<'_>, subject: Uuid, id: &str, bank_file: &BankFile) -> Result<FileId> {
    let safe: String = id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(100).collect();
    let (ending, media_type) = bank_file.written();
    let name = format!("statement-{safe}.{ending}");
    let file = NewFile { kind: Kind::BankStatement, subject, owner: None, name: &name, media_type, bytes: &[] };
    archive::keep_packed(tx, &file, bank_file.packed())
}

/// What every line of a statement is placed with.
pub(super) struct ImportDesk<'a> {
    pub(super) statement: &'a StatementRow,
    pub(super) account: &'a BankAccountRow,
    pub(super) importer: PersonId,
    pub(super) first_open: Option<NaiveDate>,
}

impl ImportDesk<'_> {
    fn booking(&self, day: NaiveDate) -> Booking {
        let on = rules::counts_on(day, self.first_open);
        Booking { entity: self.account.entity_id, on, currency: self.account.currency }
    }

    /// Takes an account over with what its first statement opens with.
    fn open_account(&self, tx: &mut Tx<'_>) -> Result<()> {
        if self.statement.opening_minor == Minor::ZERO {
            return Ok(());
        }
        let at = self.booking(self.statement.from_on);
        let entry = events::bank_opened(at, self.statement.id, self.account.id, self.statement.opening_minor)?;
        ledger::post(tx, &entry)
    }

    /// Places the lines one after the other: an earlier one may leave less open for a later one.
    ///
    /// Money that went out comes first, because banks list a day in any order and a payout may come back on the
    /// day it was sent. A line that moves nothing is left out: some banks write one to inform.
    fn place_lines(
        &self,
        tx: &mut Tx<'_>,
        (bank_file, index): (&BankFile, usize),
        count: usize,
        known: &BTreeSet<usize>,
    ) -> Result<()> {
        // Lists show the greatest id first; so the first line gets the greatest.
        let mut ids: Vec<BankLineId> = (0..count).map(|_| tx.new_id()).collect();
        ids.sort_unstable_by(|left, right| right.cmp(left));
        for is_outgoing in [true, false] {
            let mut chunk: Vec<(BankLineId, usize, Line)> = Vec::new();
            let mut place = 0_usize;
            bank_file.lines(index, &mut |line| {
                let at = place;
                place = place.saturating_add(1);
                if place.is_multiple_of(CHUNK) {
                    tx.still_here()?;
                }
                if line.amount == Minor::ZERO || (line.amount < Minor::ZERO) != is_outgoing || known.contains(&at) {
                    return Ok(());
                }
                let id = ids.get(at).copied().ok_or_else(|| Error::internal("a file with more lines than it had"))?;
                chunk.push((id, at, line.clone()));
                if chunk.len() >= CHUNK {
                    self.place_chunk(tx, &std::mem::take(&mut chunk))?;
                }
                Ok(())
            })?;
            self.place_chunk(tx, &chunk)?;
        }
        Ok(())
    }

    /// Places some lines. What waits is written at the end, many lines at once.
    fn place_chunk(&self, tx: &mut Tx<'_>, lines: &[(BankLineId, usize, Line)]) -> Result<()> {
        let rows = self.rows(tx, lines)?;
        let names = Names::of(tx, &rows, self.account.entity_id)?;
        let entries: BTreeMap<BankLineId, &str> = lines
            .iter()
            .filter_map(|(id, _, line)| line.entry_reference.as_deref().map(|entry| (*id, entry)))
            .collect();
        let mut waiting = Vec::new();
        for row in rows {
            let facts = names.facts(tx, &row, self.account.entity_id)?;
            let decision = rules::judge(&row, self.account.entity_id, &facts.known);
            if decision == Decision::Wait {
                let entry = entries.get(&row.id).copied().unwrap_or_default();
                let lump = lumps::carried_by(tx, &row, entry, self.account.entity_id)?;
                if let Some(first) = lump.first() {
                    let (kind, first) = first.matched();
                    let line = LineRow {
                        state: "matched".to_owned(),
                        matched_kind: Some(kind.to_owned()),
                        matched_id: Some(first),
                        ..row
                    };
                    store::insert_lines(tx, std::slice::from_ref(&line))?;
                    lumps::mark(tx, &line, entry)?;
                    self.settle_lump(tx, &line, &lump)?;
                    continue;
                }
                waiting.push(LineRow { owner_id: Some(self.importer), ..row });
            } else {
                self.place(tx, row, decision, facts.invoice)?;
            }
        }
        store::insert_lines(tx, &waiting)?;
        let booked = waiting.iter().map(|row| self.suspense_entry(row)).collect::<Result<Vec<_>>>()?;
        ledger::post_all(tx, &booked)?;
        lumps::explain(tx, &waiting, &entries)
    }

    /// The lines as they are kept.
    fn rows(&self, tx: &mut Tx<'_>, lines: &[(BankLineId, usize, Line)]) -> Result<Vec<LineRow>> {
        let fingerprints: Vec<Vec<u8>> = lines.iter().map(|(_, _, line)| rules::fingerprint(line)).collect();
        let mut seen = store::count_fingerprints(tx, self.account.id, &fingerprints, None)?;
        let mut rows = Vec::with_capacity(lines.len());
        for ((id, at, line), fingerprint) in lines.iter().zip(fingerprints) {
            let times = seen.entry(fingerprint).or_default();
            *times = times.saturating_add(1);
            let place = Place {
                id: *id,
                statement: self.statement.id,
                account: self.account.id,
                currency: self.account.currency,
            };
            let n = i32::try_from(at.saturating_add(1)).unwrap_or(i32::MAX);
            rows.push(rules::line(line, place, n, i32::try_from(*times).unwrap_or(i32::MAX), tx.now()));
        }
        Ok(rows)
    }

    fn suspense_entry(&self, row: &LineRow) -> Result<Entry> {
        Ok(events::bank_line_booked(self.booking(row.booked_on), row.id, self.account.id, row.amount_minor)?)
    }

    fn place(&self, tx: &mut Tx<'_>, row: LineRow, decision: Decision, invoice: Option<OpenInvoice>) -> Result<()> {
        let on = self.booking(row.booked_on).on;
        let arrival = Arrival::Bank(self.account.id);
        let matched = |kind: &str, id: Uuid| LineRow {
            state: "matched".to_owned(),
            matched_kind: Some(kind.to_owned()),
            matched_id: Some(id),
            ..row.clone()
        };
        match decision {
            Decision::SettlePayout(id) => {
                store::insert_lines(tx, &[matched("payout_settled", id.0)])?;
                payouts::settle(tx, id, on, arrival)
            }
            Decision::ReturnPayout(id) => {
                let line = matched("payout_returned", id.0);
                store::insert_lines(tx, std::slice::from_ref(&line))?;
                self.return_payout(tx, id, &line, on)
            }
            Decision::SettleRemittance(id) => {
                store::insert_lines(tx, &[matched("remittance_settled", id.0)])?;
                remittances::settle(tx, id, on, arrival)
            }
            Decision::ReturnRemittance(id) => {
                let line = matched("remittance_returned", id.0);
                store::insert_lines(tx, std::slice::from_ref(&line))?;
                remittances::take_back(tx, id, on, &said(&line), arrival)
            }
            Decision::PayShare(id) => {
                store::insert_lines(tx, &[matched("share", id.0)])?;
                members::settle_share(tx, id, row.amount_minor, on, arrival)?;
                Ok(())
            }
            Decision::PayInvoice { invoice: id, amount, rest } => {
                let invoice = invoice.ok_or_else(|| Error::internal("an invoice was matched that was not found"))?;
                let mut line = matched("invoice", id.0);
                let from = if rest == Minor::ZERO {
                    arrival
                } else {
                    line.owner_id = Some(self.importer);
                    Arrival::Suspense(line.id)
                };
                store::insert_lines(tx, std::slice::from_ref(&line))?;
                if rest != Minor::ZERO {
                    ledger::post(tx, &self.suspense_entry(&line)?)?;
                }
                allocate(tx, &line, &invoice, amount, on, from)
            }
            Decision::Wait => Err(Error::internal("a line that waits is not placed here")),
        }
    }

    fn return_payout(&self, tx: &mut Tx<'_>, id: PayoutId, line: &LineRow, on: NaiveDate) -> Result<()> {
        payouts::return_to_activity(tx, id, on, &said(line), Arrival::Bank(self.account.id), self.importer)
    }
}

/// Why a bank gave money back, in its words.
fn said(line: &LineRow) -> String {
    match (line.return_reason.as_str(), line.remittance.as_str()) {
        ("", text) => text.chars().take(300).collect(),
        (reason, _) => reason.to_owned(),
    }
}

/// What is known about a line; the invoice itself too, because it was locked when it was found.
pub(super) struct Found {
    pub(super) known: Facts,
    pub(super) invoice: Option<OpenInvoice>,
}

/// Which of the names on some lines are ours: asked once for all of them, since most lines of most banks name nothing.
#[derive(Default)]
pub(super) struct Names {
    payouts: BTreeSet<String>,
    remittances: BTreeSet<String>,
    invoices: BTreeSet<String>,
    shares: BTreeSet<String>,
}

impl Names {
    pub(super) fn of(tx: &mut Tx<'_>, rows: &[LineRow], entity: EntityId) -> Result<Self> {
        let ids: Vec<&str> =
            rows.iter().map(|row| row.end_to_end_id.as_str()).filter(|id| rules::is_end_to_end_id(id)).collect();
        let incoming = rows.iter().filter(|row| row.amount_minor > Minor::ZERO);
        let references: Vec<String> =
            incoming.filter_map(rules::reference).map(|reference| reference.digits().to_owned()).collect();
        let mut names = Self::default();
        if !ids.is_empty() {
            names.payouts = payouts::known_end_to_end_ids(tx, &ids)?;
            names.remittances = remittances::known_end_to_end_ids(tx, &ids)?.into_iter().collect();
        }
        if !references.is_empty() {
            names.invoices = invoicing::known_references(tx, entity, &references)?;
            names.shares = members::known_share_references(tx, &references)?;
        }
        Ok(names)
    }

    pub(super) fn facts(&self, tx: &mut Tx<'_>, line: &LineRow, entity: EntityId) -> Result<Found> {
        let mut found = Found { known: Facts::default(), invoice: None };
        if self.payouts.contains(&line.end_to_end_id) {
            found.known.payout = payouts::by_end_to_end_id(tx, &line.end_to_end_id)?.map(|row| PayoutFact {
                id: row.id,
                entity: row.entity_id,
                amount: row.sent(),
                currency: row.currency,
                state: row.state,
            });
        }
        if self.remittances.contains(&line.end_to_end_id) {
            found.known.remittance = remittances::by_end_to_end_id(tx, &line.end_to_end_id)?;
        }
        if line.amount_minor < Minor::ZERO || found.known.payout.is_some() || found.known.remittance.is_some() {
            return Ok(found);
        }
        let Some(reference) = rules::reference(line) else { return Ok(found) };
        if self.invoices.contains(reference.digits()) {
            found.invoice = invoicing::open_by_reference(tx, entity, reference.digits())?;
        }
        if let Some(invoice) = &found.invoice {
            let mut fact = invoice_fact(invoice);
            if line.amount_minor != fact.open {
                fact.payer = super::payer_of(tx, line, entity, invoice)?;
            }
            found.known.invoice = Some(fact);
        }
        if found.invoice.is_none()
            && self.shares.contains(reference.digits())
            && let Some(share) = members::share_by_reference(tx, reference.digits())?
        {
            let due = match share.state {
                ShareState::Subscribed => {
                    let quantity = usize::try_from(share.quantity).unwrap_or_default();
                    Minor::sum(std::iter::repeat_n(share.nominal_minor, quantity))?
                }
                ShareState::Paid | ShareState::Redeeming | ShareState::Redeemed => Minor::ZERO,
            };
            found.known.share =
                Some(ShareFact { id: share.id, entity: share.entity_id, currency: share.currency, due });
        }
        Ok(found)
    }
}
