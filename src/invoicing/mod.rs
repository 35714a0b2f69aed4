//! Invoices: written by members, issued by the office, paid by clients.
//!
//! Owns `invoice`, `invoice_line`, `invoice_tax`, `invoice_currency`, `invoice_line_currency`, `invoice_tax_currency`,
//! `exchange_difference`, `invoice_attachment`, `document_series`, `number_template`,
//! `self_issue_ceiling`, and of `invoice_reduction` what
//! credit notes bring. A draft has no number. Issuing is one transaction: totals, VAT, what the mutual keeps, the
//! entry, the letter queued, and last the number, so that a refused issue leaves no gap and holds nobody up. What is
//! issued never changes. Whether it is paid is derived from what the bank brought. What was wrong is corrected by a
//! credit note ([`credit`]), a document of the same table with its own series.

pub mod attachments;
pub mod credit;
pub mod differences;
mod einvoice;
mod foreign;
mod from_order;
pub mod http;
pub mod jobs;
pub mod office;
mod payments;
mod promises;
mod rules;
mod store;
mod vat_proof;

use chrono::NaiveDate;
pub use foreign::{Foreign, Shown};
pub use from_order::{draft_from_order, draft_of_part};
pub use payments::{
    advance, advances_due, clients_of, known_references, levies_to_come, open_by_reference, open_invoice, settle,
    take_back, unpaid, write_off,
};
pub use promises::{Promise, lateness, promises, work_ends};
pub use rules::{InvoiceState, Issued, Settlement, Stage, Wanted, mention as reverse_charge_mention};
use std::collections::BTreeMap;
pub use store::{
    Filter, InvoiceLineRow, InvoiceRow, IssuedDocument, Lateness, Open, OpenInvoice, PartRow, TaxRow, UnpaidInvoice,
};
use uuid::Uuid;
pub use vat_proof::vat_number_to_prove;

use crate::access;
use crate::formats::letters::Letter;
use crate::guarantee;
use crate::kernel::calendar::add_working_days;
use crate::kernel::ids::{ActivityId, ClientId, EntityId, InvoiceId, OrderId, PersonId, RuleSetId};
use crate::kernel::language::Language;
use crate::kernel::levies::{Charge, LevyKind};
use crate::kernel::lines::{self, Adjustment, DocumentLine};
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::kernel::vat::{self, Totals};
use crate::ledger;
use crate::orders::OrderState;
use crate::outbox::{self, Job, QueuedLetter};
use crate::platform::db::{Locked, Tx};
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
    /// Of every amount; the books are in euro.
    pub currency: Currency,
    /// The last day of work: the tax point, and where the promised day counts from.
    pub supplied_on: NaiveDate,
    /// What the buyer wants to read on it.
    pub buyer_reference: Option<String>,
    /// Which part of its order.
    pub stage: Stage,
    /// Which part of the whole order, when its lines follow from that.
    pub share: Option<Ppm>,
    /// The buyer's purchase order.
    pub purchase_order: Option<String>,
    /// What is sold.
    pub lines: Vec<DocumentLine>,
    /// Discounts and charges on all of it.
    pub adjustments: Vec<Adjustment>,
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
    /// Its lines as they are booked, and after them what is on all of them.
    pub lines: Vec<InvoiceLineRow>,
    /// What it says in its own currency, where that is not the euro.
    pub foreign: Option<Foreign>,
    /// Which part of its order; none in particular when absent.
    pub part: Option<PartRow>,
    /// The buyer's purchase order.
    pub purchase_order: Option<String>,
    /// VAT by case and rate.
    pub taxes: Vec<TaxRow>,
    /// What the mutual keeps; empty before it is issued.
    pub charges: Vec<IssueCharge>,
    /// What the client still owes; nothing before it is issued.
    pub open: Open,
    /// What credit notes gave back of each line, net, in the currency of the document.
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
            foreign: None,
            part: None,
            purchase_order: None,
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
    create_for(tx, me, id, draft)
}

/// Makes a draft for a member, as what comes again by itself does.
///
/// # Errors
/// As [`create`].
pub fn create_for(tx: &mut Tx<'_>, member: PersonId, id: InvoiceId, draft: &Draft) -> Result<Invoice> {
    let activity = activities::require_open(tx, draft.activity)?;
    if activity.member_id != member {
        return Err(Error::field("/activity_id", "invalid"));
    }
    let totals = check_draft(tx, draft, activity.entity_id, member)?;
    let booked = foreign::book(tx, activity.entity_id, draft, totals)?;
    let row = store::insert(tx, id, member, activity.entity_id, draft, &booked.totals)?;
    let lines = store::insert_lines(tx, id, &booked.records)?;
    foreign::save(tx, id, &booked, true)?;
    store::save_purchase_order(tx, id, draft, true)?;
    store::save_part(tx, id, draft, true)?;
    if booked.is_foreign() {
        return find(tx, id);
    }
    let taxes = booked.totals.taxes.iter().map(|tax| TaxRow::preview(id, tax)).collect();
    let purchase_order = draft.purchase_order.as_deref().map(|number| number.trim().to_owned());
    let part = Some(PartRow { stage: draft.stage, share_ppm: draft.share.map(|share| share.0) });
    Ok(Invoice { part, purchase_order, ..Invoice::fresh(tx, row, lines, taxes, false) })
}

/// Looks at a draft without making it.
///
/// # Errors
/// As [`create_for`].
pub fn check(tx: &mut Tx<'_>, member: PersonId, draft: &Draft) -> Result<()> {
    let activity = activities::require_open(tx, draft.activity)?;
    if activity.member_id != member {
        return Err(Error::field("/activity_id", "invalid"));
    }
    check_draft(tx, draft, activity.entity_id, member).map(drop)
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
    let booked = foreign::book(tx, invoice.entity_id, draft, totals)?;
    store::delete_lines(tx, id)?;
    store::save_draft(tx, &invoice, draft, &booked.totals)?;
    store::insert_lines(tx, id, &booked.records)?;
    foreign::save(tx, id, &booked, false)?;
    store::save_part(tx, id, draft, false)?;
    store::save_purchase_order(tx, id, draft, false)?;
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
    check_einvoice(tx, &invoice)?;
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
    seal(tx, &invoice)
}

/// Makes one's own invoice a legal document without the office, up to one's ceiling.
///
/// # Errors
/// 409 `above_own_ceiling`, and as [`submit`] and [`issue`].
pub fn self_issue(tx: &mut Tx<'_>, id: InvoiceId, expected: i32) -> Result<Invoice> {
    let me = tx.person()?;
    let mut invoice = store::lock(tx, id)?;
    check_version(&invoice, expected)?;
    if invoice.member_id != me {
        return Err(Error::forbidden("role_forbidden"));
    }
    if invoice.state == InvoiceState::Draft {
        submit(tx, id, expected)?;
        invoice = store::lock(tx, id)?;
    }
    rules::may(invoice.state, rules::Command::Issue)?;
    members::require_active(tx, me)?;
    let zone = charter::entity(tx, invoice.entity_id)?.zone();
    let today = tx.today(zone);
    let ceiling = store::ceiling_on(tx, me, invoice.currency, today)?;
    if invoice.net_minor > ceiling {
        return Err(Error::conflict("above_own_ceiling").with("ceiling_minor", ceiling.get()));
    }
    seal(tx, &invoice)
}

/// Issues a submitted invoice that somebody may issue.
fn seal(tx: &mut Tx<'_>, invoice: &Locked<InvoiceRow>) -> Result<Invoice> {
    let id = invoice.id;
    let mut context = store::issue_context(tx, invoice)?;
    context.buyer.vat_proof = vat_proof::vat_proof(tx, invoice, &context.lines)?;
    let today = tx.today(context.zone());
    let document = foreign::at_issue(tx, invoice, &mut context, today)?;
    let advance_due_on = context
        .is_covered
        .then(|| {
            let from = invoice.supplied_on.max(today);
            add_working_days(from, u32::try_from(context.advance_working_days).unwrap_or_default(), &context.holidays)
        })
        .flatten();
    let (foreign, converted) = document.unzip();
    let totals = rules::issue_totals(invoice, &context, converted)?;
    let charges = levies::at_issue(tx, invoice.activity_id, &context.levies, totals.net, today)?;
    let issued = rules::issue(invoice, &context, totals, charges, (today, advance_due_on))?;
    einvoice::check_issue(invoice, &context, &issued, foreign.as_ref())?;
    ledger::post(tx, &issued.entry)?;
    store::insert_issue_parts(tx, invoice, &context, &issued)?;
    if let Some(foreign) = &foreign {
        store::insert_document_taxes(tx, id, &foreign.taxes)?;
    }
    outbox::queue(tx, &Job::SendInvoice { invoice: id }, id.0, &format!("send_invoice:{id}"))?;
    let number = store::take_number(tx, invoice.entity_id, Series::Invoice, today)?;
    let row = store::seal(tx, invoice, &context, &issued, &number)?;
    let open = Open { amount: row.gross_minor, ..Open::default() };
    let charges = issued.charges.iter().map(|charge| IssueCharge::new(context.rule_set_id, charge)).collect();
    let taxes = issued.totals.taxes.iter().map(|tax| TaxRow::preview(id, tax)).collect();
    let part = match row.order_id {
        Some(_) => store::find_part(tx, id)?,
        None => None,
    };
    let purchase_order = context.purchase_order;
    let fresh = Invoice::fresh(tx, row, context.lines, taxes, context.is_covered);
    Ok(Invoice { foreign, part, purchase_order, charges, open, ..fresh })
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
    let foreign = foreign::load(tx, &row, &lines)?;
    let part = match row.order_id {
        Some(_) => store::find_part(tx, id)?,
        None => None,
    };
    let purchase_order = store::purchase_order_of(tx, id)?;
    let is_covered = match row.order_id {
        Some(order) => guarantee::decision(tx, order)?.is_some_and(|decision| decision.eligible),
        None => false,
    };
    if row.state != InvoiceState::Issued {
        let taxes = preview_taxes(tx, &row, &lines, foreign.as_ref())?;
        return Ok(Invoice { foreign, part, purchase_order, ..Invoice::fresh(tx, row, lines, taxes, is_covered) });
    }
    let taxes = store::list_taxes(tx, id)?;
    let charges = levies::charges_at_issue(tx, id)?.into_iter().map(IssueCharge::from).collect();
    let open = store::open_of(tx, id)?;
    let credited = match foreign {
        Some(_) => store::credited_of_document(tx, id)?,
        None => store::credited_of(tx, id)?,
    };
    let advance = guarantee::advance_of(tx, id)?;
    let hold = guarantee::hold_of(tx, id)?;
    let dispute = guarantee::dispute_of(tx, id)?;
    let fresh = Invoice::fresh(tx, row, lines, taxes, is_covered);
    Ok(Invoice { foreign, part, purchase_order, charges, open, credited, advance, hold, dispute, ..fresh })
}

/// What has come of an invoice.
#[must_use]
pub fn settlement(row: &InvoiceRow, open: Open) -> Settlement {
    rules::settlement(row.state, row.gross_minor, open)
}

/// An invoice in a list: its row, what is open of it, and what it says with VAT where it is not in euro.
pub type Listed = (InvoiceRow, Open, Option<Money>);

/// Invoices, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, filter: &Filter, after: Option<Uuid>, limit: i64) -> Result<Vec<Listed>> {
    let rows = store::list(tx, filter, after, limit)?;
    let ids: Vec<InvoiceId> = rows.iter().map(|(row, _)| row.id).collect();
    let mut said = store::list_documents(tx, &ids)?;
    Ok(rows
        .into_iter()
        .map(|(row, open)| (said.remove(&row.id), row, open))
        .map(|(said, row, open)| (row, open, said))
        .collect())
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
    let said = store::find_document(tx, invoice.id)?;
    let (currency, net) = said.map_or((invoice.currency, invoice.net_minor), |said| (said.currency, said.net_minor));
    foreign::check_currency(tx, currency, Some(order.currency))?;
    let invoiced = store::invoiced_of_order(tx, order.id, invoice.id)?.plus(net)?;
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
    let mut of_order = None;
    if let Some(order) = draft.order {
        let order = orders::row(tx, order)?;
        if order.member_id != member || order.client_id != draft.client {
            return Err(Error::field("/order_id", "invalid"));
        }
        of_order = Some(order.currency);
    }
    foreign::check_currency(tx, draft.currency, of_order)?;
    let buyer = vat::Buyer {
        country: &client.country,
        vat_number: client.vat_number.as_deref(),
        is_consumer: client.kind == clients::ClientKind::Consumer,
    };
    vat::check_cases(draft.lines.iter().map(|line| line.vat_case), &entity.country, buyer)?;
    let tariffs = charter::vat_tariffs(tx, &entity.country, draft.supplied_on)?;
    charter::check_justified(&draft.lines, &tariffs)?;
    let totals = lines::totals(&draft.lines, &draft.adjustments, &charter::rates_of(&tariffs))?;
    if totals.net <= Minor::ZERO {
        return Err(Error::field("/lines", "out_of_range"));
    }
    Ok(totals)
}

/// What a receiver of the electronic invoice would refuse is found before the office has it.
fn check_einvoice(tx: &mut Tx<'_>, row: &InvoiceRow) -> Result<()> {
    let (seller, buyer) = store::parties(tx, row)?;
    let booked = store::list_lines(tx, row.id)?;
    vat_proof::vat_proof(tx, row, &booked)?;
    let tariffs = charter::vat_tariffs(tx, &seller.country, row.supplied_on)?;
    let foreign = foreign::load(tx, row, &booked)?;
    let in_euro = foreign.as_ref().map(|_| row.tax_minor);
    let (rows, currency) =
        foreign.map_or_else(|| (booked.clone(), row.currency), |said| (said.lines(&booked), said.currency));
    let (lines, adjustments) = lines::apart(&rows, currency);
    let totals = lines::totals(&lines, &adjustments, &charter::rates_of(&tariffs))?;
    let account = charter::bank_account(tx, row.entity_id).ok().map(|account| (account.iban, account.bic));
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let today = tx.today(zone);
    let terms = tariffs.iter().map(|(case, tariff)| (*case, tariff.into())).collect();
    let purchase_order = store::purchase_order_of(tx, row.id)?;
    let parts = einvoice::Parts {
        seller: &seller,
        buyer: &buyer,
        lines: &rows,
        totals: (totals.net, totals.tax, totals.gross),
        taxes: einvoice::tax_rows(row.id, &totals, &terms),
        currency,
        in_euro,
        terms: &terms,
        purchase_order: purchase_order.as_deref(),
    };
    Ok(einvoice::check(row, parts, account.as_ref(), today)?)
}

fn preview_taxes(
    tx: &mut Tx<'_>,
    row: &InvoiceRow,
    lines: &[InvoiceLineRow],
    foreign: Option<&Foreign>,
) -> Result<Vec<TaxRow>> {
    if let Some(foreign) = foreign {
        let nets: Vec<_> = lines.iter().map(|line| (line.vat_case, line.net_minor)).collect();
        let taxes: Vec<_> = foreign.taxes.iter().map(TaxRow::line).collect();
        let totals = rules::foreign_totals(&nets, &taxes)?;
        return Ok(totals.taxes.iter().map(|tax| TaxRow::preview(row.id, tax)).collect());
    }
    let entity = charter::entity(tx, row.entity_id)?;
    let rates = charter::vat_rates(tx, &entity.country, row.supplied_on)?;
    let (lines, adjustments) = lines::apart(lines, row.currency);
    Ok(lines::totals(&lines, &adjustments, &rates)?.taxes.iter().map(|tax| TaxRow::preview(row.id, tax)).collect())
}

/// An issued invoice or credit note, for who brings it to its client.
///
/// # Errors
/// 404; 409 `state_conflict` for one that was not issued.
pub fn issued(tx: &mut Tx<'_>, id: InvoiceId) -> Result<IssuedDocument> {
    store::find_issued(tx, id)
}

/// The currency of what an invoice says.
///
/// # Errors
/// 404.
pub fn currency(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Currency> {
    let booked = store::find(tx, id)?.currency;
    Ok(store::find_document(tx, id)?.map_or(booked, |said| said.currency))
}

/// Who owns an invoice: for files and mails about it.
///
/// # Errors
/// 404.
pub fn owner(tx: &mut Tx<'_>, id: InvoiceId) -> Result<PersonId> {
    Ok(store::find(tx, id)?.member_id)
}
