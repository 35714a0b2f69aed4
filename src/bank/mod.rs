//! What the bank says: statements, their lines, and which document each line belongs to.
//!
//! Owns `bank_statement`, `bank_line`, `bank_notice`, `allocation`, `bank_charge`, `client_credit`, `client_refund`. A statement is
//! imported whole or not at all, in one transaction: each line settles a payout, returns one, pays an invoice or a share,
//! or waits in suspense with a person who looks after it and may match it with invoices, with what was owed to a supplier,
//! with what was given up of an invoice that was not paid, or keep it for the client. So the bank account in the books is
//! the closing balance of its last statement. Only what is certain is matched without a person, and what was matched
//! wrongly is taken back by a reversal.

mod charges;
mod credits;
mod files;
pub mod http;
mod import;
mod lumps;
mod notices;
mod parts;
mod rules;
mod store;
mod tables;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use uuid::Uuid;

use crate::access;
use crate::archive::{self, ArchivedFile};
use crate::charter;
use crate::costs::{self, SupplierPayment};
use crate::formats::bank_statement::Refused;
use crate::formats::safe_xml;
use crate::invoicing::differences::{self, NewDifference};
use crate::invoicing::{self, OpenInvoice, UnpaidInvoice};
use crate::kernel::ids::{
    AllocationId, BankLineId, CostId, EntityId, InvoiceId, PersonId, RedemptionId, StatementId, WriteOffId,
};
use crate::kernel::money::{Minor, Money, to_plain};
use crate::ledger;
use crate::ledger::events::Arrival;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::shares::{self, Outgoing};
use crate::write_offs;
pub use charges::{charge, charge_line, charges, decide_charge, match_payout, match_remittance, reverse_charge};
pub use credits::{
    Credit, credit, credit_client, credits, decide_refund, pay_refund, refund, refunds, request_refund, use_credit,
    withdraw_credit, withdraw_refund,
};
pub use files::BankFile;
pub use import::import;
pub use notices::{keep_notices, notice, notice_lines, notices};
pub use parts::{Part, match_parts, take_back};
pub use rules::{Candidate, Guess, GuessReason};
use rules::{InvoiceFact, Payer};
pub use store::{
    ChargeRow, ChargeState, CreditRow, LineRow, NoticeLineRow, NoticeRow, ProfileRow, RefundRow, StatementRow, Totals,
};
pub use tables::{add_profile, columns, profile, profiles, reading};

/// Unpaid invoices that are looked at for one line, those due first.
const UNPAID_MAX: i64 = 5_000;

/// Which lines to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineFilter {
    /// Something of it waits: nothing explains it, or not all of it.
    Suspense,
    /// Matched with a document, at least in part.
    Matched,
}

/// A statement and how its lines are placed.
#[derive(Debug, Clone)]
pub struct StatementSummary {
    /// The statement.
    pub row: StatementRow,
    /// Its lines.
    pub totals: Totals,
}

/// A line and what a person at the desk wants to know of it.
#[derive(Debug, Clone)]
pub struct LineSummary {
    /// The line.
    pub row: LineRow,
    /// What of it nothing explains; zero when it is fully matched.
    pub waiting: Minor,
    /// Days since the bank booked it, in the zone of the entity.
    pub age_days: i64,
    /// The name of who looks after it.
    pub owner_name: Option<String>,
}

/// Why a file is refused, with the reader's own code and the element that is wrong.
fn refused(why: &Refused) -> Error {
    let error = Error::value(why.code());
    match why {
        Refused::Xml(safe_xml::Refused::TooLarge { bytes_max, .. }) => {
            error.with("limit_mb", bytes_max / (1024 * 1024))
        }
        Refused::Xml(unsafe_file) => match unsafe_file.position() {
            Some(position) => error.with("at", format!("byte {position}")),
            None => error,
        },
        Refused::NoStatement => error,
        Refused::NotCamt { found } => error.with("at", found),
        Refused::FieldMissing { at }
        | Refused::AmountInvalid { at, .. }
        | Refused::DirectionInvalid { at }
        | Refused::DateInvalid { at, .. }
        | Refused::CurrencyDiffers { at, .. }
        | Refused::RecordInvalid { at, .. }
        | Refused::TooMany { at, .. }
        | Refused::Incomplete { at } => error.with("at", at),
        Refused::DoesNotBalance { at, opening, entries, closing, currency } => {
            let plain = |amount: &Minor| format!("{} {currency}", to_plain(*amount, currency.exponent()));
            error
                .with("at", at)
                .with("opening", plain(opening))
                .with("entries", plain(entries))
                .with("closing", plain(closing))
        }
    }
}

fn invoice_fact(invoice: &OpenInvoice) -> InvoiceFact {
    InvoiceFact {
        id: invoice.id,
        entity: invoice.entity_id,
        currency: invoice.currency,
        open: invoice.open_minor,
        payer: Payer::MayMeanAnother,
    }
}

/// Whether whoever paid another amount than is open may have meant another invoice.
fn payer_of(tx: &mut Tx<'_>, line: &LineRow, entity: EntityId, invoice: &OpenInvoice) -> Result<Payer> {
    let open = invoicing::unpaid(tx, entity, line.currency, UNPAID_MAX)?;
    let paid = store::list_paid_from(tx, entity, &line.counterparty_iban_last4)?;
    let known = invoicing::clients_of(tx, &paid)?;
    let candidates: Vec<Candidate> = open.into_iter().map(Candidate::from).collect();
    Ok(rules::payer(line, invoice.id, &candidates, &known))
}

/// A line at the version that the person saw, locked.
fn locked_at(tx: &mut Tx<'_>, id: BankLineId, expected: i32) -> Result<Locked<LineRow>> {
    let line = store::lock_line(tx, id)?;
    if line.version == expected { Ok(line) } else { Err(Error::version_stale(line.version)) }
}

/// Gives part of a line to an invoice. The allocation comes first: it is the fact that the ledger books.
fn allocate(
    tx: &mut Tx<'_>,
    line: &LineRow,
    invoice: &OpenInvoice,
    amount: Minor,
    on: NaiveDate,
    from: Arrival,
) -> Result<()> {
    let id: AllocationId = tx.new_id();
    let row = store::AllocationRow {
        id,
        bank_line_id: line.id,
        invoice_id: invoice.id,
        member_id: invoice.member_id,
        amount_minor: amount,
        allocated_on: on,
        created_at: tx.now(),
        reverses_id: None,
        reason: None,
        taken_back_by: None,
    };
    store::insert_allocation(tx, &row)?;
    invoicing::settle(tx, invoice, id, amount, on, from)
}

/// Matches what waits of a line with an invoice that a person names.
///
/// It counts on the day the bank booked it, or on the first open day. A line may pay several invoices.
///
/// # Errors
/// 404; 409 `bank_line_already_matched`, `allocation_exceeds`; 412; 422 for an invoice that cannot be paid by it.
pub fn match_line(tx: &mut Tx<'_>, id: BankLineId, expected: i32, invoice: InvoiceId) -> Result<LineSummary> {
    let line = locked_at(tx, id, expected)?;
    let statement = store::find_statement(tx, line.statement_id)?;
    let allocated = store::sum_allocations(tx, &[id])?.get(&id).copied().unwrap_or_default();
    let waiting = rules::waiting(&line, allocated);
    if waiting == Minor::ZERO {
        return Err(Error::conflict("bank_line_already_matched"));
    }
    let invoice = invoicing::open_invoice(tx, invoice).map_err(|error| match error.code {
        "not_found" => Error::field("/invoice_id", "invalid"),
        _ => error,
    })?;
    let amount = rules::allot(&line, statement.entity_id, waiting, invoice_fact(&invoice))?;
    let rest = waiting.minus(amount)?;
    let on = rules::counts_on(line.booked_on, ledger::first_open_day(tx, statement.entity_id)?);
    let changed = LineRow {
        state: "matched".to_owned(),
        matched_kind: line.matched_kind.clone().or_else(|| Some("invoice".to_owned())),
        matched_id: line.matched_id.or(Some(invoice.id.0)),
        owner_id: line.owner_id.filter(|_| rest != Minor::ZERO),
        ..(*line).clone()
    };
    let saved = store::save_line(tx, line, &changed)?;
    allocate(tx, &saved, &invoice, amount, on, Arrival::Suspense(id))?;
    find_line(tx, id)
}

/// Invoices that money which waits may pay, the likeliest first, with why. Nothing is matched by it.
///
/// # Errors
/// 404.
pub fn guesses(tx: &mut Tx<'_>, id: BankLineId) -> Result<Vec<Guess>> {
    let line = find_line(tx, id)?;
    let statement = store::find_statement(tx, line.row.statement_id)?;
    if line.waiting <= Minor::ZERO {
        return Ok(Vec::new());
    }
    let open = invoicing::unpaid(tx, statement.entity_id, line.row.currency, UNPAID_MAX)?;
    let paid = store::list_paid_from(tx, statement.entity_id, &line.row.counterparty_iban_last4)?;
    let known = invoicing::clients_of(tx, &paid)?;
    let candidates: Vec<Candidate> = open.into_iter().map(Candidate::from).collect();
    Ok(rules::guesses(&line.row, line.waiting, &candidates, &known))
}

impl From<UnpaidInvoice> for Candidate {
    fn from(it: UnpaidInvoice) -> Self {
        Self {
            invoice: it.id,
            number: it.number,
            reference: it.payment_reference,
            client: it.client_id,
            client_name: it.client_name,
            open: it.open_minor,
        }
    }
}

/// Matches a line that left the account with the cost whose supplier it paid, in full.
///
/// # Errors
/// 404; 409 `bank_line_already_matched`, `cost_not_owed`, `cost_amount_mismatch`; 412; 422 for a cost that is not there.
pub fn pay_cost(tx: &mut Tx<'_>, id: BankLineId, expected: i32, cost: CostId) -> Result<LineSummary> {
    let line = locked_at(tx, id, expected)?;
    if line.state != "suspense" {
        return Err(Error::conflict("bank_line_already_matched"));
    }
    let statement = store::find_statement(tx, line.statement_id)?;
    let on = rules::counts_on(line.booked_on, ledger::first_open_day(tx, statement.entity_id)?);
    let amount = Money { amount_minor: line.amount_minor, currency: line.currency };
    let payment = SupplierPayment { line: id, entity: statement.entity_id, amount, on };
    let changed = LineRow {
        state: "matched".to_owned(),
        matched_kind: Some("cost".to_owned()),
        matched_id: Some(cost.0),
        owner_id: None,
        ..(*line).clone()
    };
    costs::pay(tx, cost, payment).map_err(|error| match error.code {
        "not_found" => Error::field("/cost_id", "invalid"),
        _ => error,
    })?;
    store::save_line(tx, line, &changed)?;
    find_line(tx, id)
}

/// Matches a line that left the account with a share that was given back: it is paid with that, whole.
///
/// # Errors
/// 404; 403 `self_approval_forbidden` for one's own share; 409 `bank_line_already_matched`, `state_conflict`,
/// `redemption_amount_mismatch`; 412; 422 for a redemption that this line cannot pay.
pub fn pay_redemption(tx: &mut Tx<'_>, id: BankLineId, expected: i32, redemption: RedemptionId) -> Result<LineSummary> {
    let line = locked_at(tx, id, expected)?;
    let amount = rules::outgoing(&line)?;
    let statement = store::find_statement(tx, line.statement_id)?;
    let on = rules::counts_on(line.booked_on, ledger::first_open_day(tx, statement.entity_id)?);
    let with = Outgoing { line: id, entity: statement.entity_id, amount, currency: line.currency, on };
    shares::pay(tx, redemption, with)?;
    let changed = LineRow {
        state: "matched".to_owned(),
        matched_kind: Some("redemption".to_owned()),
        matched_id: Some(redemption.0),
        owner_id: None,
        ..(*line).clone()
    };
    store::save_line(tx, line, &changed)?;
    find_line(tx, id)
}

/// Gives a line that waits to a person of the office.
///
/// # Errors
/// 404; 409 `bank_line_already_matched`; 412; 422 when the person is not of the office today.
pub fn assign_line(tx: &mut Tx<'_>, id: BankLineId, expected: i32, to: PersonId) -> Result<LineSummary> {
    let line = locked_at(tx, id, expected)?;
    if line.owner_id.is_none() {
        return Err(Error::conflict("bank_line_already_matched"));
    }
    let is_staff = access::is_staff(tx, to)?;
    if !is_staff {
        return Err(Error::field("/person_id", "not_allowed"));
    }
    let changed = LineRow { owner_id: Some(to), ..(*line).clone() };
    store::save_line(tx, line, &changed)?;
    find_line(tx, id)
}

/// A statement.
///
/// # Errors
/// 404.
pub fn statement(tx: &mut Tx<'_>, id: StatementId) -> Result<StatementSummary> {
    let row = store::find_statement(tx, id)?;
    let totals = store::sum_statements(tx, &[id])?.get(&id).copied().unwrap_or_default();
    Ok(StatementSummary { row, totals })
}

/// Statements, the last imported first.
///
/// # Errors
/// Fails with the database.
pub fn statements(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<StatementSummary>> {
    let rows = store::list_statements(tx, after, limit)?;
    with_totals(tx, rows)
}

fn with_totals(tx: &mut Tx<'_>, rows: Vec<StatementRow>) -> Result<Vec<StatementSummary>> {
    let ids: Vec<StatementId> = rows.iter().map(|row| row.id).collect();
    let totals = store::sum_statements(tx, &ids)?;
    let summary =
        |row: StatementRow| StatementSummary { totals: totals.get(&row.id).copied().unwrap_or_default(), row };
    Ok(rows.into_iter().map(summary).collect())
}

/// The file of a statement, as the bank sent it. It holds full account numbers, so who takes it is noted.
///
/// # Errors
/// 404.
pub fn statement_file(tx: &mut Tx<'_>, id: StatementId) -> Result<ArchivedFile> {
    let row = store::find_statement(tx, id)?;
    tx.note("download_bank_statement", id.0)?;
    archive::find(tx, row.file_id)
}

/// A line.
///
/// # Errors
/// 404.
pub fn find_line(tx: &mut Tx<'_>, id: BankLineId) -> Result<LineSummary> {
    let row = store::find_line(tx, id)?;
    summaries(tx, vec![row])?.pop().ok_or_else(Error::not_found)
}

/// Lines, the last imported statement first, in the order of the bank.
///
/// # Errors
/// Fails with the database.
pub fn lines(
    tx: &mut Tx<'_>,
    statement: Option<StatementId>,
    filter: Option<LineFilter>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<LineSummary>> {
    let rows = store::list_lines(tx, statement, filter, after, limit)?;
    summaries(tx, rows)
}

fn summaries(tx: &mut Tx<'_>, rows: Vec<(LineRow, EntityId)>) -> Result<Vec<LineSummary>> {
    let ids: Vec<BankLineId> = rows.iter().map(|(row, _)| row.id).collect();
    let allocated = store::sum_allocations(tx, &ids)?;
    let mut days: BTreeMap<EntityId, NaiveDate> = BTreeMap::new();
    let mut names: BTreeMap<PersonId, String> = BTreeMap::new();
    let mut lines = Vec::with_capacity(rows.len());
    for (row, entity) in rows {
        let today = if let Some(today) = days.get(&entity) {
            *today
        } else {
            let zone = charter::entity(tx, entity)?.zone();
            *days.entry(entity).or_insert(tx.today(zone))
        };
        if let Some(owner) = row.owner_id
            && !names.contains_key(&owner)
        {
            names.insert(owner, access::person(tx, owner)?.name);
        }
        lines.push(LineSummary {
            waiting: rules::waiting(&row, allocated.get(&row.id).copied().unwrap_or_default()),
            age_days: today.signed_duration_since(row.booked_on).num_days(),
            owner_name: row.owner_id.and_then(|owner| names.get(&owner).cloned()),
            row,
        });
    }
    Ok(lines)
}

/// How many lines of an entity up to a day are not fully explained. A period with such lines stays open.
///
/// # Errors
/// Fails with the database.
pub fn waiting_through(tx: &mut Tx<'_>, entity: EntityId, through: NaiveDate) -> Result<i64> {
    store::count_waiting(tx, entity, through)
}

/// Books what waits of a line beyond the invoice that it paid as a gain, because the rate moved: all of it.
///
/// # Errors
/// 404; 403 for the invoice's member; 409 `bank_line_already_matched` and what the invoice refuses; 412; 422 for an
/// invoice that the line did not pay and for the reason.
pub fn gain_line(tx: &mut Tx<'_>, id: BankLineId, expected: i32, new: &NewDifference) -> Result<LineSummary> {
    let line = locked_at(tx, id, expected)?;
    let statement = store::find_statement(tx, line.statement_id)?;
    let explained = store::sum_allocations(tx, &[id])?.get(&id).copied().unwrap_or_default();
    let waiting = rules::waiting(&line, explained);
    if waiting <= Minor::ZERO || line.state == "suspense" {
        return Err(if waiting == Minor::ZERO {
            Error::conflict("bank_line_already_matched")
        } else {
            Error::field("/invoice_id", "not_allowed")
        });
    }
    let on = rules::counts_on(line.booked_on, ledger::first_open_day(tx, statement.entity_id)?);
    let changed = LineRow { owner_id: None, ..(*line).clone() };
    differences::exchange_gain(tx, new, id, waiting, on).map_err(|error| match error.code {
        "not_found" => Error::field("/invoice_id", "invalid"),
        _ => error,
    })?;
    store::save_line(tx, line, &changed)?;
    find_line(tx, id)
}

/// Books what waits of a line as money that came for a write-off, as far as both go.
///
/// # Errors
/// 404; 409 `bank_line_already_matched`, `allocation_exceeds`; 412; 422 for a write-off that it cannot be for.
pub fn recover_line(tx: &mut Tx<'_>, id: BankLineId, expected: i32, write_off: WriteOffId) -> Result<LineSummary> {
    let line = locked_at(tx, id, expected)?;
    let statement = store::find_statement(tx, line.statement_id)?;
    let explained = store::sum_allocations(tx, &[id])?.get(&id).copied().unwrap_or_default();
    let waiting = rules::waiting(&line, explained);
    if waiting == Minor::ZERO {
        return Err(Error::conflict("bank_line_already_matched"));
    }
    let found = write_offs::recoverable(tx, write_off).map_err(|error| match error.code {
        "not_found" => Error::field("/write_off_id", "invalid"),
        _ => error,
    })?;
    if waiting < Minor::ZERO || found.entity != statement.entity_id {
        return Err(Error::field("/write_off_id", "not_allowed"));
    }
    if found.currency != line.currency {
        return Err(Error::value("currency_mismatch"));
    }
    if found.left <= Minor::ZERO {
        return Err(Error::conflict("allocation_exceeds"));
    }
    let amount = waiting.min(found.left);
    let rest = waiting.minus(amount)?;
    let on = rules::counts_on(line.booked_on, ledger::first_open_day(tx, statement.entity_id)?);
    let changed = LineRow {
        state: "matched".to_owned(),
        matched_kind: line.matched_kind.clone().or_else(|| Some("recovery".to_owned())),
        matched_id: line.matched_id.or(Some(write_off.0)),
        owner_id: line.owner_id.filter(|_| rest != Minor::ZERO),
        ..(*line).clone()
    };
    store::save_line(tx, line, &changed)?;
    write_offs::recover(tx, write_off, id, amount, on)?;
    find_line(tx, id)
}
