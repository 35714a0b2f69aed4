//! Importing a file: one long verb of the desk, and so a file of its own.

use chrono::NaiveDate;
use uuid::Uuid;

use super::rules::{self, Decision, Facts, PayoutFact, Place, ShareFact};
use super::store::{self, LineRow, StatementRow};
use super::{StatementSummary, allocate, invoice_fact, with_totals};
use crate::archive::{self, Kind, NewFile};
use crate::charter::{self, BankAccountRow};
use crate::formats::bank_statement::{self, Form, Statement};
use crate::invoicing::{self, OpenInvoice};
use crate::kernel::ids::{BankLineId, EntityId, FileId, PayoutId, PersonId, StatementId};
use crate::kernel::money::Minor;
use crate::ledger::events::{self, Arrival, Booking};
use crate::ledger::{self, Entry};
use crate::members::{self, ShareState};
use crate::payouts;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// Imports the statements of one file, in their order, and places every line.
///
/// # Errors
/// 422 `statement_account_unknown`, `statement_currency_differs`, `statement_field_missing`; 409
/// `duplicate_statement`, `statement_out_of_order`. One refused statement refuses the file.
pub fn import(tx: &mut Tx<'_>, statements: &[Statement], bytes: &[u8]) -> Result<Vec<StatementSummary>> {
    let importer = tx.person()?;
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
    let first: StatementId = tx.new_id();
    let mut file = None;
    let mut rows = Vec::with_capacity(statements.len());
    for (index, (statement, account)) in statements.iter().zip(&accounts).enumerate() {
        let n = index.saturating_add(1);
        let id = if index == 0 { first } else { tx.new_id() };
        let frame = rules::frame(statement, n, account.currency)?;
        if store::find_statement_by_reference(tx, account.id, &statement.id)?.is_some() {
            return Err(Error::conflict("duplicate_statement").with("statement", &statement.id));
        }
        let previous = store::find_last_statement(tx, account.id)?;
        rules::follows(previous.as_ref(), frame)?;
        let file_id = match file {
            Some(file) => file,
            None => *file.insert(keep_file(tx, first, statement, bytes)?),
        };
        let row = StatementRow {
            id,
            entity_id: account.entity_id,
            bank_account_id: account.id,
            reference: statement.id.clone(),
            currency: account.currency,
            from_on: statement.from_on.unwrap_or(frame.opening.on),
            to_on: statement.to_on.unwrap_or(frame.closing.on),
            opening_minor: frame.opening.amount,
            closing_minor: frame.closing.amount,
            file_id,
            position: previous.as_ref().map_or(0, |previous| previous.position).saturating_add(1),
            imported_by: importer,
            created_at: tx.now(),
        };
        store::insert_statement(tx, &row)?;
        let first_open = ledger::first_open_day(tx, account.entity_id)?;
        let desk = ImportDesk { statement: &row, account, importer, first_open };
        if previous.is_none() {
            desk.open_account(tx)?;
        }
        desk.place_lines(tx, &statement.lines)?;
        rows.push(row);
    }
    with_totals(tx, rows)
}

fn keep_file(tx: &mut Tx<'_>, subject: StatementId, statement: &Statement, bytes: &[u8]) -> Result<FileId> {
    let safe: String =
        statement.id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(100).collect();
    let form = Form::of(bytes);
    let name = format!("statement-{safe}.{}", form.ending());
    let file = NewFile {
        kind: Kind::BankStatement,
        subject: subject.0,
        owner: None,
        name: &name,
        media_type: form.media_type(),
        bytes,
    };
    archive::keep(tx, &file)
}

/// What every line of a statement is placed with.
struct ImportDesk<'a> {
    statement: &'a StatementRow,
    account: &'a BankAccountRow,
    importer: PersonId,
    first_open: Option<NaiveDate>,
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
    /// day it was sent. What waits is written at the end, many lines at once.
    fn place_lines(&self, tx: &mut Tx<'_>, lines: &[bank_statement::Line]) -> Result<()> {
        let rows = self.rows(tx, lines)?;
        let (outgoing, incoming): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.amount_minor < Minor::ZERO);
        let mut waiting = Vec::new();
        for row in outgoing.into_iter().chain(incoming) {
            let facts = facts(tx, &row, self.account.entity_id)?;
            let decision = rules::judge(&row, self.account.entity_id, &facts.known);
            if decision == Decision::Wait {
                waiting.push(LineRow { owner_id: Some(self.importer), ..row });
            } else {
                self.place(tx, row, decision, facts.invoice)?;
            }
        }
        store::insert_lines(tx, &waiting)?;
        let entries = waiting.iter().map(|row| self.suspense_entry(row)).collect::<Result<Vec<_>>>()?;
        for entries in entries.chunks(1_000) {
            ledger::post_all(tx, entries)?;
        }
        Ok(())
    }

    /// The lines as they are kept. A line that moves nothing is left out: some banks write one to inform.
    fn rows(&self, tx: &mut Tx<'_>, lines: &[bank_statement::Line]) -> Result<Vec<LineRow>> {
        let moving: Vec<_> = lines.iter().filter(|line| line.amount != Minor::ZERO).collect();
        let fingerprints: Vec<Vec<u8>> = moving.iter().map(|line| rules::fingerprint(line)).collect();
        let mut seen = store::count_fingerprints(tx, self.account.id, &fingerprints)?;
        // Lists show the greatest id first; so the first line gets the greatest.
        let mut ids: Vec<BankLineId> = moving.iter().map(|_| tx.new_id()).collect();
        ids.sort_unstable_by(|left, right| right.cmp(left));
        let mut rows = Vec::with_capacity(moving.len());
        for (((line, fingerprint), id), n) in moving.into_iter().zip(fingerprints).zip(ids).zip(1_i32..) {
            let times = seen.entry(fingerprint).or_default();
            *times = times.saturating_add(1);
            let place =
                Place { id, statement: self.statement.id, account: self.account.id, currency: self.account.currency };
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
                payouts::settle(tx, id, on, self.account.id)
            }
            Decision::ReturnPayout(id) => {
                let line = matched("payout_returned", id.0);
                store::insert_lines(tx, std::slice::from_ref(&line))?;
                self.return_payout(tx, id, &line, on)
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
        let reason = match (line.return_reason.as_str(), line.remittance.as_str()) {
            ("", text) => text.chars().take(300).collect::<String>(),
            (reason, _) => reason.to_owned(),
        };
        payouts::return_to_activity(tx, id, on, &reason, Arrival::Bank(self.account.id), self.importer)
    }
}

/// What is known about a line; the invoice itself too, because it was locked when it was found.
struct Found {
    known: Facts,
    invoice: Option<OpenInvoice>,
}

fn facts(tx: &mut Tx<'_>, line: &LineRow, entity: EntityId) -> Result<Found> {
    let mut found = Found { known: Facts::default(), invoice: None };
    if rules::is_end_to_end_id(&line.end_to_end_id) {
        found.known.payout = payouts::by_end_to_end_id(tx, &line.end_to_end_id)?.map(|row| PayoutFact {
            id: row.id,
            entity: row.entity_id,
            amount: row.sent(),
            currency: row.currency,
            state: row.state,
        });
    }
    if line.amount_minor < Minor::ZERO || found.known.payout.is_some() {
        return Ok(found);
    }
    let Some(reference) = rules::reference(line) else { return Ok(found) };
    found.invoice = invoicing::open_by_reference(tx, entity, reference.digits())?;
    found.known.invoice = found.invoice.as_ref().map(invoice_fact);
    if found.invoice.is_none()
        && let Some(share) = members::share_by_reference(tx, reference.digits())?
    {
        let due = match share.state {
            ShareState::Subscribed => {
                let quantity = usize::try_from(share.quantity).unwrap_or_default();
                Minor::sum(std::iter::repeat_n(share.nominal_minor, quantity))?
            }
            ShareState::Paid | ShareState::Redeeming | ShareState::Redeemed => Minor::ZERO,
        };
        found.known.share = Some(ShareFact { id: share.id, entity: share.entity_id, currency: share.currency, due });
    }
    Ok(found)
}
