//! Bookings that the statement does not itemise: what a note of the bank says that they are made of.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use uuid::Uuid;

use super::allocate;
use super::import::{ImportDesk, Names};
use super::rules::{self, Decision, Place};
use super::store::{self, LineRow, NoticeLineRow};
use crate::formats::bank_statement::Line;
use crate::kernel::ids::{BankAccountId, BankLineId, EntityId, PayoutId, RemittanceId};
use crate::kernel::money::Minor;
use crate::ledger;
use crate::ledger::events::Arrival;
use crate::payouts::{self, remittances};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// What a booking is made of, if the notes of its day about it come to exactly that; the oldest note first.
///
/// A booking that names its own payer, payment or reference is explained by nothing else: a bank that uses a reference
/// twice must not pay one client's invoice with another's money.
fn items(tx: &mut Tx<'_>, line: &LineRow, entry: &str) -> Result<Vec<NoticeLineRow>> {
    let names_itself =
        [&line.counterparty, &line.counterparty_iban_last4, &line.end_to_end_id, &line.structured_reference];
    if entry.is_empty() || names_itself.iter().any(|text| !text.is_empty()) {
        return Ok(Vec::new());
    }
    let found = store::list_notice_lines(tx, line.bank_account_id, entry)?;
    let found: Vec<NoticeLineRow> = found.into_iter().filter(|item| item.booked_on == line.booked_on).collect();
    let comes_to_it = |items: &[NoticeLineRow]| -> Result<bool> {
        Ok(!items.is_empty() && Minor::sum(items.iter().map(|item| item.amount_minor))? == line.amount_minor)
    };
    // A bank that reports a day and details it says the whole once more, which explains nothing.
    let (whole, parts): (Vec<_>, Vec<_>) = found.into_iter().partition(|item| item.amount_minor == line.amount_minor);
    if comes_to_it(&parts)? {
        return Ok(parts);
    }
    // Two notes of one kind about the same booking, or a single one.
    Ok(if parts.is_empty() { whole.into_iter().take(1).collect() } else { Vec::new() })
}

/// The facts of an item as those of a line of the statement.
fn as_line(line: &LineRow, item: &NoticeLineRow) -> LineRow {
    LineRow {
        amount_minor: item.amount_minor,
        bank_reference: item.bank_reference.clone(),
        end_to_end_id: item.end_to_end_id.clone(),
        structured_reference: item.structured_reference.clone(),
        remittance: item.remittance.clone(),
        counterparty: item.counterparty.clone(),
        counterparty_iban_last4: item.counterparty_iban_last4.clone(),
        return_reason: item.return_reason.clone(),
        ..line.clone()
    }
}

/// What one debit carried out of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    Payout(PayoutId),
    Remittance(RemittanceId),
}

impl Carried {
    /// The kind of a line that carried several of these, and the id that stands for them.
    pub(super) const fn matched(self) -> (&'static str, Uuid) {
        match self {
            Self::Payout(id) => ("payouts", id.0),
            Self::Remittance(id) => ("remittances", id.0),
        }
    }
}

/// The payouts or remittances that one debit carried out, when the notes name every one of them and each is on its way
/// with that amount.
pub(super) fn carried_by(tx: &mut Tx<'_>, line: &LineRow, entry: &str, entity: EntityId) -> Result<Vec<Carried>> {
    if line.amount_minor > Minor::ZERO {
        return Ok(Vec::new());
    }
    let items = items(tx, line, entry)?;
    let rows: Vec<LineRow> = items.iter().map(|item| as_line(line, item)).collect();
    let names = Names::of(tx, &rows, entity)?;
    let mut carried = Vec::with_capacity(rows.len());
    for row in &rows {
        let facts = names.facts(tx, row, entity)?;
        let one = match rules::judge(row, entity, &facts.known) {
            Decision::SettlePayout(id) => Carried::Payout(id),
            Decision::SettleRemittance(id) => Carried::Remittance(id),
            Decision::ReturnPayout(_)
            | Decision::ReturnRemittance(_)
            | Decision::PayInvoice { .. }
            | Decision::PayShare(_)
            | Decision::Wait => return Ok(Vec::new()),
        };
        if carried.contains(&one) {
            return Ok(Vec::new());
        }
        carried.push(one);
    }
    Ok(carried)
}

/// Notes which line of a statement the notes about a booking explain.
pub(super) fn mark(tx: &mut Tx<'_>, line: &LineRow, entry: &str) -> Result<()> {
    let items = items(tx, line, entry)?;
    store::mark_notice_lines(tx, &items, line.id)
}

impl ImportDesk<'_> {
    /// Settles what one debit carried out.
    pub(super) fn settle_lump(&self, tx: &mut Tx<'_>, line: &LineRow, of: &[Carried]) -> Result<()> {
        settle(tx, of, rules::counts_on(line.booked_on, self.first_open), Arrival::Bank(self.account.id))
    }
}

fn settle(tx: &mut Tx<'_>, of: &[Carried], on: NaiveDate, from: Arrival) -> Result<()> {
    of.iter().try_for_each(|one| match *one {
        Carried::Payout(id) => payouts::settle(tx, id, on, from),
        Carried::Remittance(id) => remittances::settle(tx, id, on, from),
    })
}

/// Pays invoices out of lines that were imported just now and wait, where notes say what they are made of.
pub(super) fn explain(tx: &mut Tx<'_>, waiting: &[LineRow], entries: &BTreeMap<BankLineId, &str>) -> Result<()> {
    for row in waiting.iter().filter(|row| row.amount_minor > Minor::ZERO) {
        let Some(entry) = entries.get(&row.id) else { continue };
        explain_one(tx, row.id, entry)?;
    }
    Ok(())
}

/// Pays invoices out of lines that wait already, and settles what a debit carried out, when the notes come after the
/// statement.
pub(super) fn explain_waiting(tx: &mut Tx<'_>, account: BankAccountId, entries: &[String]) -> Result<()> {
    for (line, entry) in store::list_waiting_with_reference(tx, account, entries)? {
        explain_one(tx, line, &entry)?;
    }
    Ok(())
}

/// Only what is certain is matched; the rest goes on waiting.
fn explain_one(tx: &mut Tx<'_>, id: BankLineId, entry: &str) -> Result<()> {
    let line = store::lock_line(tx, id)?;
    if line.state != "suspense" {
        return Ok(());
    }
    let entity = store::find_statement(tx, line.statement_id)?.entity_id;
    let on = rules::counts_on(line.booked_on, ledger::first_open_day(tx, entity)?);
    let carried = carried_by(tx, &line, entry, entity)?;
    if let Some(first) = carried.first() {
        let (kind, first) = first.matched();
        let changed = LineRow {
            state: "matched".to_owned(),
            matched_kind: Some(kind.to_owned()),
            matched_id: Some(first),
            owner_id: None,
            ..(*line).clone()
        };
        let line = store::save_line(tx, line, &changed)?;
        mark(tx, &line, entry)?;
        return settle(tx, &carried, on, Arrival::Suspense(id));
    }
    let items = items(tx, &line, entry)?;
    // Charges taken out of a booking leave less than its payments: a person divides it.
    if line.amount_minor <= Minor::ZERO || items.is_empty() || items.iter().any(|item| item.amount_minor <= Minor::ZERO)
    {
        return Ok(());
    }
    let rows: Vec<LineRow> = items.iter().map(|item| as_line(&line, item)).collect();
    let names = Names::of(tx, &rows, entity)?;
    let mut rest = line.amount_minor;
    let mut paid = BTreeSet::new();
    let mut saved: Option<LineRow> = None;
    let mut unsaved = Some(line);
    for row in &rows {
        let facts = names.facts(tx, row, entity)?;
        let Decision::PayInvoice { invoice, amount, .. } = rules::judge(row, entity, &facts.known) else { continue };
        let Some(open) = facts.invoice else { continue };
        // One booking pays an invoice once, and never more than it brought: the rest waits for a person.
        if amount > rest || !paid.insert(invoice) {
            continue;
        }
        rest = rest.minus(amount)?;
        let paying = match (saved.take(), unsaved.take()) {
            (Some(line), _) => line,
            (None, Some(line)) => {
                let changed = LineRow {
                    state: "matched".to_owned(),
                    matched_kind: Some("invoice".to_owned()),
                    matched_id: Some(invoice.0),
                    ..(*line).clone()
                };
                store::save_line(tx, line, &changed)?
            }
            (None, None) => return Ok(()),
        };
        allocate(tx, &paying, &open, amount, on, Arrival::Suspense(id))?;
        saved = Some(paying);
    }
    if rest == Minor::ZERO && saved.is_some() {
        let line = store::lock_line(tx, id)?;
        let changed = LineRow { owner_id: None, ..(*line).clone() };
        store::save_line(tx, line, &changed)?;
    }
    store::mark_notice_lines(tx, &items, id)
}

/// A line of a note as it is kept.
pub(super) fn notice_line(
    tx: &mut Tx<'_>,
    of: &Line,
    at: (Place, crate::kernel::ids::BankNoticeId),
    n: i32,
) -> NoticeLineRow {
    let (place, notice) = at;
    let row = rules::line(of, place, n, 1, tx.now());
    NoticeLineRow {
        id: tx.new_id(),
        notice_id: notice,
        bank_account_id: place.account,
        n,
        booked_on: row.booked_on,
        amount_minor: row.amount_minor,
        currency: row.currency,
        entry_reference: of.entry_reference.clone().unwrap_or_default().chars().take(140).collect(),
        bank_reference: row.bank_reference,
        end_to_end_id: row.end_to_end_id,
        structured_reference: row.structured_reference,
        remittance: row.remittance,
        counterparty: row.counterparty,
        counterparty_iban_last4: row.counterparty_iban_last4,
        return_reason: row.return_reason,
        fingerprint: row.fingerprint,
        occurrence: 1,
        bank_line_id: None,
    }
}
