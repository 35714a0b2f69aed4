//! Invoices: written by members, issued by the office, paid by clients.
//!
//! Owns `invoice`, `invoice_line`, `invoice_tax`, `document_series`, and of `invoice_reduction` what
//! credit notes bring. A draft has no number. Issuing is one transaction: totals, VAT, what the mutual keeps, the
//! entry, the letter queued, and last the number, so that a refused issue leaves no gap and holds nobody up. What is
//! issued never changes. Whether it is paid is derived from what the bank brought. What was wrong is corrected by a
//! credit note ([`credit`]), a document of the same table with its own series.

pub mod credit;
pub mod http;
pub mod jobs;
mod rules;
mod store;

use chrono::NaiveDate;
pub use rules::{InvoiceState, Issued, Settlement, Wanted, mention as reverse_charge_mention};
use std::collections::BTreeMap;
pub use store::{Filter, InvoiceLineRow, InvoiceRow, IssuedDocument, Open, OpenInvoice, TaxRow};
use uuid::Uuid;

use crate::access;
use crate::formats::letters::Letter;
use crate::guarantee;
use crate::kernel::calendar::add_working_days;
use crate::kernel::ids::{
    ActivityId, AllocationId, ClientId, EntityId, InvoiceId, OrderId, PersonId, RuleSetId, WriteOffId,
};
use crate::kernel::language::Language;
use crate::kernel::levies::{Charge, LevyKind};
use crate::kernel::lines::DocumentLine;
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::kernel::vat::{self, Totals};
use crate::ledger::{self, Holders, events};
use crate::orders::OrderState;
use crate::outbox::{self, Job, QueuedLetter};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{activities, charter, clients, levies, members, orders};
use store::Series;

/// What a member writes into an invoice.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The order that it invoices, if any.
    pub order: Option<OrderId>,
    /// Which activity it belongs to.
    pub activity: ActivityId,
    /// Who pays.
    pub client: ClientId,
    /// One line.
    pub title: String,
    /// Of every amount.
    pub currency: Currency,
    /// The last day of work: the tax point, and where the promised day counts from.
    pub supplied_on: NaiveDate,
    /// What the buyer wants to read on it.
    pub buyer_reference: Option<String>,
    /// What is sold.
    pub lines: Vec<DocumentLine>,
}

/// What the mutual kept of an invoice when it was issued.
#[derive(Debug, Clone)]
pub struct IssueCharge {
    /// What it is for.
    pub kind: LevyKind,
    /// By which rules.
    pub rule_set: RuleSetId,
    /// What it was computed on.
    pub base: Minor,
    /// Its rate; none when it went by bands.
    pub rate: Option<Ppm>,
    /// What it came to.
    pub amount: Minor,
}

impl IssueCharge {
    const fn new(rule_set: RuleSetId, charge: &Charge) -> Self {
        Self { kind: charge.kind, rule_set, base: charge.base, rate: charge.rate, amount: charge.amount }
    }
}

impl From<levies::ChargeRow> for IssueCharge {
    fn from(row: levies::ChargeRow) -> Self {
        let rate = row.rate_ppm.map(Ppm);
        Self { kind: row.kind, rule_set: row.rule_set_id, base: row.base_minor, rate, amount: row.amount_minor }
    }
}

/// An invoice with all that is shown of it.
#[derive(Debug, Clone)]
pub struct Invoice {
    /// Its row.
    pub row: InvoiceRow,
    /// Its lines.
    pub lines: Vec<InvoiceLineRow>,
    /// VAT by case and rate.
    pub taxes: Vec<TaxRow>,
    /// What the mutual keeps; empty before it is issued.
    pub charges: Vec<IssueCharge>,
    /// What the client still owes; nothing before it is issued.
    pub open: Open,
    /// What credit notes gave back of each line, net.
    pub credited: BTreeMap<i32, Minor>,
    /// The advance, if the member was paid before the client paid.
    pub advance: Option<guarantee::AdvanceRow>,
    /// Whether the guarantee covers its order.
    pub is_covered: bool,
    /// Why its advance waits although the promised day has come.
    pub hold: Option<guarantee::HoldRow>,
    /// What the client says against it.
    pub dispute: Option<guarantee::DisputeRow>,
    /// What the reader reads.
    pub language: Language,
}

impl Invoice {
    /// An invoice on which nothing has happened since its row was written.
    fn fresh(tx: &Tx<'_>, row: InvoiceRow, lines: Vec<InvoiceLineRow>, taxes: Vec<TaxRow>, is_covered: bool) -> Self {
        Self {
            row,
            lines,
            taxes,
            charges: Vec::new(),
            open: Open::default(),
            credited: BTreeMap::new(),
            advance: None,
            is_covered,
            hold: None,
            dispute: None,
            language: tx.principal().map_or(Language::En, |who| who.language),
        }
    }
}

/// Makes a draft.
///
/// # Errors
/// 422 for every field that is not acceptable; 409 for a closed activity.
pub fn create(tx: &mut Tx<'_>, id: InvoiceId, draft: &Draft) -> Result<Invoice> {
    let me = tx.person()?;
    let activity = activities::require_open(tx, draft.activity)?;
    if activity.member_id != me {
        return Err(Error::field("/activity_id", "invalid"));
    }
    let totals = check_draft(tx, draft, activity.entity_id, me)?;
    let row = store::insert(tx, id, me, activity.entity_id, draft, &totals)?;
    let lines = store::insert_lines(tx, id, draft, &totals)?;
    let taxes = totals.taxes.iter().map(|tax| TaxRow::preview(id, tax)).collect();
    Ok(Invoice::fresh(tx, row, lines, taxes, false))
}

/// Rewrites a draft.
///
/// # Errors
/// 412 for another version, 409 in another state, 422 for fields.
pub fn revise(tx: &mut Tx<'_>, id: InvoiceId, expected: i32, draft: &Draft) -> Result<Invoice> {
    let invoice = store::lock(tx, id)?;
    check_version(&invoice, expected)?;
    rules::may(invoice.state, rules::Command::Revise)?;
    let activity = activities::require_open(tx, draft.activity)?;
    let totals = check_draft(tx, draft, invoice.entity_id, activity.member_id)?;
    store::delete_lines(tx, id)?;
    store::save_draft(tx, &invoice, draft, &totals)?;
    store::insert_lines(tx, id, draft, &totals)?;
    find(tx, id)
}

/// Hands a draft to the office.
///
/// # Errors
/// 409 in another state or for a member who is not active; 412 for another version.
pub fn submit(tx: &mut Tx<'_>, id: InvoiceId, expected: i32) -> Result<Invoice> {
    let invoice = store::lock(tx, id)?;
    check_version(&invoice, expected)?;
    rules::may(invoice.state, rules::Command::Submit)?;
    members::require_active(tx, invoice.member_id)?;
    check_order_amount(tx, &invoice)?;
    let row = store::mark_submitted(tx, &invoice)?;
    whole(tx, row)
}

/// Gives a submitted invoice back to its member, with the reason.
///
/// # Errors
/// 409 in another state; 412 for another version; 403 for one's own.
pub fn give_back(tx: &mut Tx<'_>, id: InvoiceId, expected: i32, reason: &str) -> Result<Invoice> {
    let invoice = store::lock(tx, id)?;
    check_version(&invoice, expected)?;
    rules::may(invoice.state, rules::Command::Return)?;
    let mut checks = crate::kernel::refusal::Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    tx.reason(reason)?;
    store::mark_returned(tx, &invoice, reason)?;
    let member = access::person(tx, invoice.member_id)?;
    let client = clients::client(tx, invoice.client_id)?.name;
    let total = Money { amount_minor: invoice.gross_minor, currency: invoice.currency };
    let letter = Letter::InvoiceReturned { client, total, reason: reason.to_owned() };
    let owner = Some(invoice.member_id);
    let mail = QueuedLetter { to: member.email, language: member.language, letter, subject: id.0, owner };
    outbox::queue_letter(tx, mail, &invoice.version.to_string())?;
    find(tx, id)
}

/// Throws a draft away. Its row stays, without a number.
///
/// # Errors
/// 409 in another state; 412 for another version.
pub fn discard(tx: &mut Tx<'_>, id: InvoiceId, expected: i32) -> Result<Invoice> {
    let invoice = store::lock(tx, id)?;
    check_version(&invoice, expected)?;
    rules::may(invoice.state, rules::Command::Discard)?;
    store::mark_discarded(tx, &invoice)?;
    find(tx, id)
}

/// Makes a submitted invoice a legal document.
///
/// The number is the last lock of the transaction: a refused issue leaves no gap and holds nobody up.
///
/// # Errors
/// 409 in another state, for a closed period, a missing rate or rule set; 403 for one's own; 412 for another version.
pub fn issue(tx: &mut Tx<'_>, id: InvoiceId, expected: i32) -> Result<Invoice> {
    let invoice = store::lock(tx, id)?;
    check_version(&invoice, expected)?;
    rules::may(invoice.state, rules::Command::Issue)?;
    if tx.principal().is_some_and(|who| who.person == invoice.member_id) {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let context = store::issue_context(tx, &invoice)?;
    let today = tx.today(context.zone());
    let advance_due_on = context
        .is_covered
        .then(|| {
            let from = invoice.supplied_on.max(today);
            add_working_days(from, u32::try_from(context.advance_working_days).unwrap_or_default(), &context.holidays)
        })
        .flatten();
    // Computed on the total that the member saw; `rules::issue` refuses another one.
    let charges = levies::at_issue(tx, invoice.activity_id, &context.levies, invoice.net_minor, today)?;
    let issued = rules::issue(&invoice, &context, charges, today, advance_due_on)?;
    ledger::post(tx, &issued.entry)?;
    store::insert_issue_parts(tx, &invoice, &context, &issued)?;
    outbox::queue(tx, &Job::SendInvoice { invoice: id }, id.0, &format!("send_invoice:{id}"))?;
    let number = store::take_number(tx, invoice.entity_id, Series::Invoice, today)?;
    let row = store::seal(tx, &invoice, &context, &issued, &number)?;
    let open = Open { amount: row.gross_minor, ..Open::default() };
    let charges = issued.charges.iter().map(|charge| IssueCharge::new(context.rule_set_id, charge)).collect();
    let taxes = issued.totals.taxes.iter().map(|tax| TaxRow::preview(id, tax)).collect();
    Ok(Invoice { charges, open, ..Invoice::fresh(tx, row, context.lines, taxes, context.is_covered) })
}

/// An invoice.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Invoice> {
    let row = store::find(tx, id)?;
    whole(tx, row)
}

/// An invoice with what belongs to its row. Before it is issued nothing is taxed, kept or advanced yet.
fn whole(tx: &mut Tx<'_>, row: InvoiceRow) -> Result<Invoice> {
    let id = row.id;
    let lines = store::list_lines(tx, id)?;
    let is_covered = match row.order_id {
        Some(order) => guarantee::decision(tx, order)?.is_some_and(|decision| decision.eligible),
        None => false,
    };
    if row.state != InvoiceState::Issued {
        let taxes = preview_taxes(tx, &row, &lines)?;
        return Ok(Invoice::fresh(tx, row, lines, taxes, is_covered));
    }
    let taxes = store::list_taxes(tx, id)?;
    let charges = levies::charges_at_issue(tx, id)?.into_iter().map(IssueCharge::from).collect();
    let open = store::open_of(tx, id)?;
    let credited = store::credited_of(tx, id)?;
    let advance = guarantee::advance_of(tx, id)?;
    let hold = guarantee::hold_of(tx, id)?;
    let dispute = guarantee::dispute_of(tx, id)?;
    let fresh = Invoice::fresh(tx, row, lines, taxes, is_covered);
    Ok(Invoice { charges, open, credited, advance, hold, dispute, ..fresh })
}

/// What has come of an invoice.
#[must_use]
pub fn settlement(row: &InvoiceRow, open: Open) -> Settlement {
    rules::settlement(row.state, row.gross_minor, open)
}

/// Invoices, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, filter: &Filter, after: Option<Uuid>, limit: i64) -> Result<Vec<(InvoiceRow, Open)>> {
    store::list(tx, filter, after, limit)
}

/// The draft of an order: its lines, its client, its last day of work.
///
/// # Errors
/// 404; 409 `order_not_confirmed` for an order that may not be invoiced.
pub fn draft_from_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Draft> {
    let row = orders::row(tx, order)?;
    if !matches!(row.state, OrderState::Confirmed | OrderState::Sent) {
        return Err(Error::conflict("order_not_confirmed").with("state", row.state));
    }
    let lines = orders::lines(tx, order)?.iter().map(|line| line.document(row.currency)).collect();
    Ok(Draft {
        order: Some(order),
        activity: row.activity_id,
        client: row.client_id,
        title: row.title,
        currency: row.currency,
        supplied_on: row.work_ends_on,
        buyer_reference: None,
        lines,
    })
}

/// An open invoice by its payment reference, locked.
///
/// # Errors
/// Fails with the database.
pub fn open_by_reference(tx: &mut Tx<'_>, entity: EntityId, digits: &str) -> Result<Option<OpenInvoice>> {
    match store::find_by_reference(tx, entity, digits)? {
        Some(id) => open_invoice(tx, id).map(Some),
        None => Ok(None),
    }
}

/// An issued invoice and what is still open of it, locked.
///
/// # Errors
/// 404 when it is not there or not issued.
pub fn open_invoice(tx: &mut Tx<'_>, id: InvoiceId) -> Result<OpenInvoice> {
    store::lock_open(tx, id)
}

/// Books that a client paid part or all of an invoice; the allocation exists by now.
///
/// Without an advance the same part of the pending funds becomes available, the last cent with the last part; each
/// activity that holds some of them gets its share. With one, the funds are available since then, and the advance
/// closes when nothing is open any more.
///
/// # Errors
/// 409 for a period that is closed.
pub fn settle(
    tx: &mut Tx<'_>,
    invoice: &OpenInvoice,
    allocation: AllocationId,
    amount: Minor,
    on: NaiveDate,
    from: events::Arrival,
) -> Result<()> {
    let advance = guarantee::advance_of(tx, invoice.id)?;
    let holders = ledger::holders(tx, invoice.id)?;
    let left = invoice.open_minor.minus(amount)?;
    let open = invoice.open_minor;
    let after_levies = levies::collect(tx, &collected(invoice, &holders), allocation, (amount, open), on)?;
    let paid = rules::payment(amount, open, (&holders, &after_levies), advance.is_some())?;
    let at = events::Booking { entity: invoice.entity_id, on, currency: invoice.currency };
    let of = events::InvoiceFunds {
        invoice: invoice.id,
        activity: invoice.activity_id,
        member: invoice.member_id,
        client: invoice.client_id,
    };
    ledger::post(tx, &events::client_paid(at, allocation, of, &paid, from)?)?;
    if left == Minor::ZERO {
        let member = access::person(tx, invoice.member_id)?;
        let total = Money { amount_minor: invoice.gross_minor, currency: invoice.currency };
        let letter = Letter::ClientPaid { number: invoice.number.clone(), amount: total };
        let owner = Some(invoice.member_id);
        let mail = QueuedLetter { to: member.email, language: member.language, letter, subject: invoice.id.0, owner };
        outbox::queue_letter(tx, mail, "paid")?;
    }
    Ok(())
}

/// An invoice as the levies on payments see it.
fn collected(invoice: &OpenInvoice, holders: &Holders) -> levies::Collected {
    levies::Collected {
        entity: invoice.entity_id,
        invoice: invoice.id,
        activity: invoice.activity_id,
        member: invoice.member_id,
        client: invoice.client_id,
        currency: invoice.currency,
        rule_set: invoice.rule_set_id,
        issued_on: invoice.issued_on,
        holders: holders.clone(),
    }
}

/// The invoices whose promised day has come and whose money is still pending.
///
/// # Errors
/// Fails with the database.
pub fn advances_due(tx: &mut Tx<'_>, entity: EntityId, day: NaiveDate) -> Result<Vec<InvoiceId>> {
    store::list_advances_due(tx, entity, day)
}

/// Makes the pending money of one invoice available on its promised day, by the rules of the invoice. Does nothing when
/// the client has paid, when it was done before, or when the guarantee puts it off; then the invoice says why.
///
/// # Errors
/// 409 for a closed period.
pub fn advance(tx: &mut Tx<'_>, id: InvoiceId, day: NaiveDate) -> Result<bool> {
    let invoice = store::lock_open(tx, id)?;
    let holders = ledger::holders(tx, id)?;
    let pending = holders.pending_total()?;
    if pending == Minor::ZERO || guarantee::advance_of(tx, id)?.is_some() {
        return Ok(false);
    }
    // The levies on what the client will pay stay behind, so that the advance is what the member will have had.
    let levied = levies::forecast_collection(tx, &collected(&invoice, &holders), day)?;
    let amount = pending.minus(levied)?;
    if amount <= Minor::ZERO {
        return Ok(false);
    }
    let new = guarantee::NewAdvance {
        entity: invoice.entity_id,
        invoice: id,
        activity: invoice.activity_id,
        member: invoice.member_id,
        client: invoice.client_id,
        amount,
        held: holders.less(&holders.divide(levied)?)?.pending(),
        currency: invoice.currency,
        on: day,
    };
    let rules = store::rule_set_of(tx, id)?;
    let limits = guarantee::Limits::from(&charter::rule_set(tx, rules)?);
    if guarantee::advance(tx, &new, &limits)?.is_none() {
        return Ok(false);
    }
    for part in &new.held {
        let member = access::person(tx, part.member)?;
        let amount = Money { amount_minor: part.amount, currency: invoice.currency };
        let letter = Letter::AdvancePaid { number: invoice.number.clone(), amount };
        let owner = Some(part.member);
        let mail = QueuedLetter { to: member.email, language: member.language, letter, subject: id.0, owner };
        outbox::queue_letter(tx, mail, &format!("advanced:{}", part.activity))?;
    }
    tx.failpoint("advance.before_commit")?;
    Ok(true)
}

/// What a payment of all that is open would be charged on a day, out of what waits for it.
///
/// # Errors
/// Fails with the database.
pub fn levies_to_come(tx: &mut Tx<'_>, invoice: &OpenInvoice, on: NaiveDate) -> Result<Minor> {
    let holders = ledger::holders(tx, invoice.id)?;
    Ok(levies::forecast_collection(tx, &collected(invoice, &holders), on)?.min(holders.pending_total()?))
}

/// Gives up what is open of an invoice, in its own books: the fact is a write-off, which has approved it.
///
/// # Errors
/// 409 `already_booked` for a fact that did so before.
pub fn write_off(tx: &mut Tx<'_>, invoice: &OpenInvoice, fact: WriteOffId, on: NaiveDate) -> Result<()> {
    guarantee::end_hold(tx, invoice.id)?;
    store::insert_write_off(tx, invoice, fact, on)
}

fn check_version(invoice: &InvoiceRow, expected: i32) -> Result<()> {
    if invoice.version == expected { Ok(()) } else { Err(Error::version_stale(invoice.version)) }
}

/// What is invoiced of an order never exceeds it.
fn check_order_amount(tx: &mut Tx<'_>, invoice: &InvoiceRow) -> Result<()> {
    let Some(order) = invoice.order_id else { return Ok(()) };
    let order = orders::row(tx, order)?;
    if !matches!(order.state, OrderState::Confirmed | OrderState::Sent) {
        return Err(Error::conflict("order_not_confirmed").with("state", order.state));
    }
    let invoiced = store::invoiced_of_order(tx, order.id, invoice.id)?.plus(invoice.net_minor)?;
    if invoiced > order.net_minor {
        return Err(Error::conflict("order_amount_exceeded")
            .with("ordered_minor", order.net_minor.get())
            .with("invoiced_minor", invoiced.get()));
    }
    Ok(())
}

fn check_draft(tx: &mut Tx<'_>, draft: &Draft, entity: EntityId, member: PersonId) -> Result<Totals> {
    rules::check_draft(draft, tx.now().date_naive())?;
    let entity = charter::entity(tx, entity)?;
    let client = clients::client(tx, draft.client)?;
    if client.member_id != member {
        return Err(Error::field("/client_id", "invalid"));
    }
    if let Some(order) = draft.order {
        let order = orders::row(tx, order)?;
        if order.member_id != member || order.client_id != draft.client {
            return Err(Error::field("/order_id", "invalid"));
        }
    }
    let buyer = vat::Buyer {
        country: &client.country,
        vat_number: client.vat_number.as_deref(),
        is_consumer: client.kind == clients::ClientKind::Consumer,
    };
    for line in &draft.lines {
        vat::check_case(line.vat_case, &entity.country, buyer)?;
    }
    let rates = charter::vat_rates(tx, &entity.country, draft.supplied_on)?;
    let priced: Vec<_> = draft.lines.iter().map(DocumentLine::priced).collect();
    let totals = vat::totals(&priced, &rates)?;
    if totals.net <= Minor::ZERO {
        return Err(Error::field("/lines", "out_of_range"));
    }
    Ok(totals)
}

fn preview_taxes(tx: &mut Tx<'_>, row: &InvoiceRow, lines: &[InvoiceLineRow]) -> Result<Vec<TaxRow>> {
    let entity = charter::entity(tx, row.entity_id)?;
    let rates = charter::vat_rates(tx, &entity.country, row.supplied_on)?;
    let priced: Vec<_> = lines.iter().map(InvoiceLineRow::priced).collect();
    Ok(vat::totals(&priced, &rates)?.taxes.iter().map(|tax| TaxRow::preview(row.id, tax)).collect())
}

/// An issued invoice or credit note, for who brings it to its client.
///
/// # Errors
/// 404; 409 `state_conflict` for one that was not issued.
pub fn issued(tx: &mut Tx<'_>, id: InvoiceId) -> Result<IssuedDocument> {
    store::find_issued(tx, id)
}

/// The currency of an invoice.
///
/// # Errors
/// 404.
pub fn currency(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Currency> {
    Ok(store::find(tx, id)?.currency)
}

/// Who owns an invoice: for files and mails about it.
///
/// # Errors
/// 404.
pub fn owner(tx: &mut Tx<'_>, id: InvoiceId) -> Result<PersonId> {
    Ok(store::find(tx, id)?.member_id)
}
