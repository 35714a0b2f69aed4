//! The SQL of invoices.

mod attachments;
mod credit;
mod differences;
mod foreign;
mod issue;
mod issued;
mod office;
mod parts;
mod promises;

use std::collections::{BTreeMap, BTreeSet};

pub use attachments::AttachmentRow;
pub(super) use attachments::{delete_attachment, insert_attachment, invoice_of_attachment, list_attachments};
use chrono::{DateTime, NaiveDate, Utc};
pub use credit::{ClientCredit, CreditNoteFilter, CreditNoteRow, CreditedLine, TakenFrom};
pub(super) use credit::{
    credited_of, find_credit_note, insert_credit_note, list_client_credits, list_credit_lines, list_credit_notes, rest,
    seal_credit_note, taken_from, waiting_of,
};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, Jsonb, Nullable, Numeric, Text, Uuid as SqlUuid};
pub use differences::{DifferenceKind, DifferenceRow};
pub(super) use differences::{insert_difference, is_paid_by, list_differences};
pub use foreign::DocumentLineRow;
pub(super) use foreign::{
    credited_of_document, delete_document, find_document, insert_credit_document, insert_document,
    insert_document_taxes, list_document_lines, list_document_taxes, list_documents, rest_of_document,
};
pub use issue::{CaseTerms, IssueContext, Number, PartySnapshot, Series, VatProof};
pub(super) use issue::{insert_issue_parts, issue_context, parties, seal, take_number};
pub use issued::{IssuedDocument, UnpaidInvoice};
pub(super) use issued::{account_of, find_issued, list_clients_of, list_unpaid};
pub use office::{CeilingRow, TemplateRow};
pub(super) use office::{ceiling_on, insert_ceiling, insert_template, list_ceilings, list_templates, templates_from};
pub use parts::{Earlier, PartRow};
pub(super) use parts::{find_part, invoiced_by_case, invoiced_of_order, save_part};
pub use promises::Lateness;
pub(super) use promises::{
    Promised, ToInvoice, find_open, lateness_of, list_promised, list_to_invoice, list_work_ends,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use umbel_schema::{
    invoice, invoice_line, invoice_open, invoice_purchase_order, invoice_reduction, invoice_tax, standing_allocation,
};
use uuid::Uuid;

use super::Draft;
use super::rules::{InvoiceState, Settlement};
use crate::kernel::ids::{ActivityId, ClientId, EntityId, InvoiceId, OrderId, PersonId, RuleSetId, WriteOffId};
use crate::kernel::lines::{self, DocumentLine, LineKind, Record};
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::kernel::vat::{TaxLine, Totals, VatCase};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;
use crate::platform::prepared::Prepare;

/// The kind of document that asks for payment; the other kind gives back.
const INVOICE: &str = "invoice";
/// What lowers an open amount because nothing can be expected any more.
const WRITE_OFF: &str = "write_off";

/// An invoice.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = invoice, check_for_backend(diesel::pg::Pg))]
pub struct InvoiceRow {
    /// Its id.
    pub id: InvoiceId,
    /// Who issues it.
    pub entity_id: EntityId,
    /// Whose work it is.
    pub member_id: PersonId,
    /// To which activity it belongs.
    pub activity_id: ActivityId,
    /// Who pays.
    pub client_id: ClientId,
    /// The order that it invoices.
    pub order_id: Option<OrderId>,
    /// Where it stands.
    pub state: InvoiceState,
    /// One line.
    pub title: String,
    /// Of every amount: that of the books.
    pub currency: Currency,
    /// The last day of work.
    pub supplied_on: NaiveDate,
    /// What the buyer wants to read on it.
    pub buyer_reference: Option<String>,
    /// Without VAT.
    pub net_minor: Minor,
    /// VAT.
    pub tax_minor: Minor,
    /// To pay.
    pub gross_minor: Minor,
    /// The day of issue.
    pub issued_on: Option<NaiveDate>,
    /// The last day of payment.
    pub due_on: Option<NaiveDate>,
    /// The promised day, when the guarantee covers it.
    pub advance_due_on: Option<NaiveDate>,
    /// Its number.
    pub number: Option<String>,
    /// Twelve digits of the structured communication.
    pub payment_reference: Option<String>,
    /// Who issued it, as on that day.
    pub seller_snapshot: Option<Value>,
    /// Who buys, as on that day.
    pub buyer_snapshot: Option<Value>,
    /// When it was handed to the office.
    pub submitted_at: Option<DateTime<Utc>>,
    /// Why it was given back.
    pub return_reason: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A line of an invoice, or after the lines a discount or charge on all of them.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable, Deserialize)]
#[diesel(table_name = invoice_line, check_for_backend(diesel::pg::Pg))]
pub struct InvoiceLineRow {
    /// Its place.
    pub n: i32,
    /// What is sold.
    pub label: String,
    /// How much.
    #[serde(with = "rust_decimal::serde::str")]
    pub quantity: Decimal,
    /// For one.
    pub unit_price_minor: Minor,
    /// How VAT applies.
    pub vat_case: VatCase,
    /// What it comes to.
    pub net_minor: Minor,
    /// What it is.
    pub kind: LineKind,
    /// Of what.
    pub unit: String,
    /// For one, in ten-thousandths of a unit of the currency, where minor units are not fine enough.
    pub unit_price_e4: Option<i64>,
    /// Discounts and charges with what they come to.
    pub adjustments: Value,
    /// Why the VAT case applies.
    pub vat_justification: Option<String>,
}

impl lines::Row for InvoiceLineRow {
    fn kind(&self) -> LineKind {
        self.kind
    }

    fn document(&self, currency: Currency) -> DocumentLine {
        DocumentLine {
            label: self.label.clone(),
            quantity: self.quantity.normalize(),
            unit: self.unit.clone(),
            unit_price: Money { amount_minor: self.unit_price_minor, currency },
            exact_unit_price: self.unit_price_e4.map(lines::from_e4),
            vat_case: self.vat_case,
            vat_justification: self.vat_justification.clone(),
            adjustments: lines::adjustments(&self.adjustments),
        }
    }
}

/// VAT of one case and rate.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = invoice_tax, check_for_backend(diesel::pg::Pg))]
pub struct TaxRow {
    /// Its invoice.
    pub invoice_id: InvoiceId,
    /// How VAT applies.
    pub vat_case: VatCase,
    /// EN 16931 category; empty on a preview.
    pub category: String,
    /// The rate in parts per million.
    pub rate_ppm: i64,
    /// The sum of the lines.
    pub base_minor: Minor,
    /// The tax.
    pub tax_minor: Minor,
}

impl TaxRow {
    /// What will be stored when the invoice is issued.
    #[must_use]
    pub fn preview(invoice_id: InvoiceId, tax: &TaxLine) -> Self {
        Self {
            invoice_id,
            vat_case: tax.case,
            category: String::new(),
            rate_ppm: tax.rate.0,
            base_minor: tax.base,
            tax_minor: tax.tax,
        }
    }

    /// As it is computed.
    #[must_use]
    pub const fn line(&self) -> TaxLine {
        TaxLine { case: self.vat_case, rate: Ppm(self.rate_ppm), base: self.base_minor, tax: self.tax_minor }
    }
}

/// An issued invoice and what is still open of it.
#[derive(Debug, Clone, QueryableByName)]
pub struct OpenInvoice {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: InvoiceId,
    /// Who issued it.
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: EntityId,
    /// Whose work it is.
    #[diesel(sql_type = SqlUuid)]
    pub member_id: PersonId,
    /// To which activity it belongs.
    #[diesel(sql_type = SqlUuid)]
    pub activity_id: ActivityId,
    /// Who pays.
    #[diesel(sql_type = SqlUuid)]
    pub client_id: ClientId,
    /// Of every amount.
    #[diesel(sql_type = Text)]
    pub currency: Currency,
    /// To pay.
    #[diesel(sql_type = BigInt)]
    pub gross_minor: Minor,
    /// Still to pay.
    #[diesel(sql_type = BigInt)]
    pub open_minor: Minor,
    /// Its number.
    #[diesel(sql_type = Text)]
    pub number: String,
    /// Its rules.
    #[diesel(sql_type = SqlUuid)]
    pub rule_set_id: RuleSetId,
    /// The day of issue.
    #[diesel(sql_type = Date)]
    pub issued_on: NaiveDate,
}

/// What a client owes of an invoice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Open {
    /// Still to pay; below zero what was paid too much.
    pub amount: Minor,
    /// What credit notes and write-offs took off.
    pub reduced: Minor,
    /// What of that was given up.
    pub written_off: Minor,
}

/// What shapes a list of invoices.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<InvoiceState>,
    /// Only with this settlement.
    pub settlement: Option<Settlement>,
    /// Only for this client.
    pub client_id: Option<ClientId>,
    /// Only issued ones that are past due and not paid.
    pub is_overdue: bool,
}

pub(super) fn insert(
    tx: &mut Tx<'_>,
    id: InvoiceId,
    member: PersonId,
    entity: EntityId,
    draft: &Draft,
    totals: &Totals,
) -> Result<InvoiceRow> {
    Ok(diesel::insert_into(invoice::table)
        .values((
            (
                invoice::id.eq(id),
                invoice::entity_id.eq(entity),
                invoice::member_id.eq(member),
                invoice::activity_id.eq(draft.activity),
                invoice::client_id.eq(draft.client),
                invoice::order_id.eq(draft.order),
                invoice::title.eq(draft.title.trim()),
            ),
            (
                invoice::currency.eq(Currency::EUR),
                invoice::supplied_on.eq(draft.supplied_on),
                invoice::buyer_reference.eq(draft.buyer_reference.as_deref()),
                invoice::net_minor.eq(totals.net),
                invoice::tax_minor.eq(totals.tax),
                invoice::gross_minor.eq(totals.gross),
            ),
        ))
        .returning(InvoiceRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn save_draft(tx: &mut Tx<'_>, row: &Locked<InvoiceRow>, draft: &Draft, totals: &Totals) -> Result<()> {
    diesel::update(invoice::table.find(row.id))
        .set((
            invoice::activity_id.eq(draft.activity),
            invoice::client_id.eq(draft.client),
            invoice::order_id.eq(draft.order),
            invoice::title.eq(draft.title.trim()),
            invoice::currency.eq(Currency::EUR),
            invoice::supplied_on.eq(draft.supplied_on),
            invoice::buyer_reference.eq(draft.buyer_reference.as_deref()),
            invoice::net_minor.eq(totals.net),
            invoice::tax_minor.eq(totals.tax),
            invoice::gross_minor.eq(totals.gross),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn delete_lines(tx: &mut Tx<'_>, id: InvoiceId) -> Result<()> {
    diesel::delete(invoice_line::table.filter(invoice_line::invoice_id.eq(id))).execute(tx.conn())?;
    Ok(())
}

pub(super) fn insert_lines(tx: &mut Tx<'_>, id: InvoiceId, records: &[Record]) -> Result<Vec<InvoiceLineRow>> {
    let mut rows: Vec<InvoiceLineRow> = diesel::sql_query(
        "INSERT INTO invoice_line (invoice_id, n, label, quantity, unit_price_minor, vat_case, net_minor, kind, unit, unit_price_e4, \
                                   adjustments, vat_justification) \
         SELECT $1, l.n, l.label, l.quantity, l.unit_price_minor, l.vat_case, l.net_minor, l.kind, l.unit, l.unit_price_e4, \
                l.adjustments, l.vat_justification \
         FROM unnest($2::text[], $3::numeric[], $4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::bigint[], \
                     $10::jsonb[], $11::text[]) \
              WITH ORDINALITY AS l (label, quantity, unit_price_minor, vat_case, net_minor, kind, unit, unit_price_e4, adjustments, \
                                    vat_justification, n) \
         RETURNING n, label, quantity, unit_price_minor, vat_case, net_minor, kind, unit, unit_price_e4, adjustments, vat_justification",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Array<Text>, _>(records.iter().map(|row| row.label.as_str()).collect::<Vec<_>>())
    .bind::<Array<Numeric>, _>(records.iter().map(|row| row.quantity).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(records.iter().map(|row| row.unit_price).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(records.iter().map(|row| row.case).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(records.iter().map(|row| row.net).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(records.iter().map(|row| row.kind).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(records.iter().map(|row| row.unit.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<BigInt>>, _>(records.iter().map(|row| row.unit_price_e4).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(records.iter().map(|row| row.adjustments.clone()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(records.iter().map(|row| row.justification.as_deref()).collect::<Vec<_>>())
    .prepared()
    .get_results(tx.conn())?;
    rows.sort_by_key(|line| line.n);
    Ok(rows)
}

/// Writes the buyer's purchase order of a draft, in place of the one before.
pub(super) fn save_purchase_order(tx: &mut Tx<'_>, id: InvoiceId, draft: &Draft, is_new: bool) -> Result<()> {
    if !is_new {
        diesel::delete(invoice_purchase_order::table.find(id)).execute(tx.conn())?;
    }
    if let Some(number) = &draft.purchase_order {
        diesel::insert_into(invoice_purchase_order::table)
            .values((invoice_purchase_order::invoice_id.eq(id), invoice_purchase_order::number.eq(number.trim())))
            .execute(tx.conn())?;
    }
    Ok(())
}

pub(super) fn purchase_order_of(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Option<String>> {
    let number = invoice_purchase_order::table.find(id).select(invoice_purchase_order::number);
    Ok(number.first(tx.conn()).optional()?)
}

pub(super) fn find(tx: &mut Tx<'_>, id: InvoiceId) -> Result<InvoiceRow> {
    let mut query =
        invoice::table.find(id).filter(invoice::kind.eq(INVOICE)).select(InvoiceRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(invoice::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Locked<InvoiceRow>> {
    if tx.faults().removed(Guard::RowLock) {
        return find(tx, id).map(Locked::new);
    }
    let query = invoice::table.find(id).filter(invoice::kind.eq(INVOICE)).select(InvoiceRow::as_select());
    let row = match tx.only_owner() {
        Some(owner) => query.filter(invoice::member_id.eq(owner)).for_update().first(tx.conn())?,
        None => query.for_update().first(tx.conn())?,
    };
    Ok(Locked::new(row))
}

pub(super) fn list_lines(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Vec<InvoiceLineRow>> {
    Ok(invoice_line::table
        .filter(invoice_line::invoice_id.eq(id))
        .order(invoice_line::n.asc())
        .select(InvoiceLineRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn list_taxes(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Vec<TaxRow>> {
    Ok(invoice_tax::table
        .filter(invoice_tax::invoice_id.eq(id))
        .order((invoice_tax::vat_case.asc(), invoice_tax::rate_ppm.asc()))
        .select(TaxRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn open_of(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Open> {
    list_open(tx, &[id])?.remove(&id).ok_or_else(Error::not_found)
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(InvoiceRow, Open)>> {
    let today = tx.now().date_naive();
    let mut query = invoice::table
        .filter(invoice::kind.eq(INVOICE))
        .order(invoice::id.desc())
        .limit(limit)
        .select(InvoiceRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(invoice::member_id.eq(owner));
    }
    if let Some(state) = filter.state {
        query = query.filter(invoice::state.eq(state));
    }
    if let Some(client) = filter.client_id {
        query = query.filter(invoice::client_id.eq(client));
    }
    if filter.is_overdue {
        let open =
            invoice_open::table.filter(invoice_open::open_minor.gt(Minor::ZERO)).select(invoice_open::invoice_id);
        query = query.filter(invoice::due_on.lt(today)).filter(invoice::id.eq_any(open));
    }
    if let Some(settlement) = filter.settlement {
        let open =
            invoice_open::table.filter(invoice_open::open_minor.gt(Minor::ZERO)).select(invoice_open::invoice_id);
        let paid = standing_allocation::table.select(standing_allocation::invoice_id);
        let given_up = invoice_reduction::table
            .filter(invoice_reduction::kind.eq(WRITE_OFF))
            .select(invoice_reduction::invoice_id);
        query = match settlement {
            Settlement::None => query.filter(invoice::state.ne(InvoiceState::Issued)),
            Settlement::Open => query.filter(invoice::id.eq_any(open)).filter(invoice::id.ne_all(paid)),
            Settlement::PartSettled => query.filter(invoice::id.eq_any(open)).filter(invoice::id.eq_any(paid)),
            Settlement::Settled => query
                .filter(invoice::state.eq(InvoiceState::Issued))
                .filter(invoice::id.ne_all(open))
                .filter(invoice::id.ne_all(given_up)),
            Settlement::WrittenOff => query.filter(invoice::id.ne_all(open)).filter(invoice::id.eq_any(given_up)),
        };
    }
    if let Some(after) = after {
        query = query.filter(invoice::id.lt(after));
    }
    let rows: Vec<InvoiceRow> = query.load(tx.conn())?;
    let ids: Vec<InvoiceId> = rows.iter().map(|row| row.id).collect();
    let open = list_open(tx, &ids)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let left = open.get(&row.id).copied().unwrap_or_default();
            (row, left)
        })
        .collect())
}

/// What is open of issued invoices.
fn list_open(tx: &mut Tx<'_>, ids: &[InvoiceId]) -> Result<BTreeMap<InvoiceId, Open>> {
    let reduced = invoice_reduction::table
        .filter(invoice_reduction::invoice_id.eq_any(ids))
        .select((invoice_reduction::invoice_id, invoice_reduction::kind, invoice_reduction::amount_minor))
        .load::<(InvoiceId, String, Minor)>(tx.conn())?;
    let mut open: BTreeMap<InvoiceId, Open> = invoice_open::table
        .filter(invoice_open::invoice_id.eq_any(ids))
        .select((invoice_open::invoice_id, invoice_open::open_minor))
        .load::<(InvoiceId, Minor)>(tx.conn())?
        .into_iter()
        .map(|(id, amount)| (id, Open { amount, ..Open::default() }))
        .collect();
    for (id, kind, amount) in reduced {
        if let Some(open) = open.get_mut(&id) {
            open.reduced = open.reduced.plus(amount)?;
            if kind == WRITE_OFF {
                open.written_off = open.written_off.plus(amount)?;
            }
        }
    }
    Ok(open)
}

pub(super) fn mark_submitted(tx: &mut Tx<'_>, row: &Locked<InvoiceRow>) -> Result<InvoiceRow> {
    let now = tx.now();
    Ok(diesel::update(invoice::table.find(row.id))
        .set((
            invoice::state.eq(InvoiceState::Submitted),
            invoice::submitted_at.eq(now),
            invoice::return_reason.eq(None::<String>),
        ))
        .returning(InvoiceRow::as_returning())
        .prepared()
        .get_result(tx.conn())?)
}

pub(super) fn mark_returned(tx: &mut Tx<'_>, row: &Locked<InvoiceRow>, reason: &str) -> Result<()> {
    diesel::update(invoice::table.find(row.id))
        .set((invoice::state.eq(InvoiceState::Draft), invoice::return_reason.eq(reason)))
        .execute(tx.conn())?;
    Ok(())
}

pub(super) fn mark_discarded(tx: &mut Tx<'_>, row: &Locked<InvoiceRow>) -> Result<()> {
    diesel::update(invoice::table.find(row.id)).set(invoice::state.eq(InvoiceState::Discarded)).execute(tx.conn())?;
    Ok(())
}

pub(super) fn find_by_reference(tx: &mut Tx<'_>, entity: EntityId, digits: &str) -> Result<Option<InvoiceId>> {
    Ok(invoice::table
        .filter(invoice::entity_id.eq(entity))
        .filter(invoice::payment_reference.eq(digits))
        .select(invoice::id)
        .first(tx.conn())
        .optional()?)
}

pub(super) fn list_known_references(tx: &mut Tx<'_>, entity: EntityId, digits: &[String]) -> Result<BTreeSet<String>> {
    let known: Vec<Option<String>> = invoice::table
        .filter(invoice::entity_id.eq(entity))
        .filter(invoice::payment_reference.eq_any(digits))
        .select(invoice::payment_reference)
        .load(tx.conn())?;
    Ok(known.into_iter().flatten().collect())
}

pub(super) fn lock_open(tx: &mut Tx<'_>, id: InvoiceId) -> Result<OpenInvoice> {
    // An issued row never changes, but whoever allocates to it must wait for the one before.
    let locked: Option<InvoiceId> = invoice::table
        .find(id)
        .filter(invoice::kind.eq(INVOICE))
        .filter(invoice::state.eq(InvoiceState::Issued))
        .select(invoice::id)
        .for_update()
        .first(tx.conn())
        .optional()?;
    locked.ok_or_else(Error::not_found)?;
    find_open(tx, id)
}

pub(super) fn list_advances_due(tx: &mut Tx<'_>, entity: EntityId, day: NaiveDate) -> Result<Vec<InvoiceId>> {
    let advanced = umbel_schema::guarantee_advance::table.select(umbel_schema::guarantee_advance::invoice_id);
    let open = invoice_open::table.filter(invoice_open::open_minor.gt(Minor::ZERO)).select(invoice_open::invoice_id);
    Ok(invoice::table
        .filter(invoice::entity_id.eq(entity))
        .filter(invoice::advance_due_on.le(day))
        .filter(invoice::id.ne_all(advanced))
        .filter(invoice::id.eq_any(open))
        .order(invoice::id.asc())
        .select(invoice::id)
        .load(tx.conn())?)
}

/// The rules by which an invoice was issued.
pub(super) fn rule_set_of(tx: &mut Tx<'_>, id: InvoiceId) -> Result<RuleSetId> {
    let rules: Option<RuleSetId> = invoice::table.find(id).select(invoice::rule_set_id).first(tx.conn())?;
    rules.ok_or_else(|| Error::internal("an issued invoice has rules"))
}

/// What of an invoice was given up.
pub(super) fn written_off(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Minor> {
    let given_up: Vec<Minor> = invoice_reduction::table
        .filter(invoice_reduction::invoice_id.eq(id))
        .filter(invoice_reduction::kind.eq(WRITE_OFF))
        .select(invoice_reduction::amount_minor)
        .load(tx.conn())?;
    Ok(Minor::sum(given_up)?)
}

pub(super) fn insert_write_off(tx: &mut Tx<'_>, invoice: &OpenInvoice, fact: WriteOffId, on: NaiveDate) -> Result<()> {
    let id: Uuid = tx.new_id();
    diesel::insert_into(invoice_reduction::table)
        .values((
            invoice_reduction::id.eq(id),
            invoice_reduction::invoice_id.eq(invoice.id),
            invoice_reduction::member_id.eq(invoice.member_id),
            invoice_reduction::kind.eq(WRITE_OFF),
            invoice_reduction::source_id.eq(fact.0),
            invoice_reduction::amount_minor.eq(invoice.open_minor),
            invoice_reduction::reduced_on.eq(on),
        ))
        .execute(tx.conn())?;
    Ok(())
}

#[derive(QueryableByName)]
struct Reduced {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    is_reduced: bool,
}

/// Whether a credit note, a write-off or a difference of the rate lowered an invoice after an entry.
pub(super) fn is_reduced_since(tx: &mut Tx<'_>, id: InvoiceId, entry: i64) -> Result<bool> {
    let row: Reduced = diesel::sql_query(
        "SELECT EXISTS (SELECT FROM invoice_reduction r JOIN journal_entry e ON e.source_id = r.source_id \
                        WHERE r.invoice_id = $1 AND e.id > $2) \
             OR EXISTS (SELECT FROM exchange_difference WHERE invoice_id = $1) AS is_reduced",
    )
    .bind::<diesel::sql_types::Uuid, _>(id)
    .bind::<diesel::sql_types::BigInt, _>(entry)
    .get_result(tx.conn())?;
    Ok(row.is_reduced)
}
