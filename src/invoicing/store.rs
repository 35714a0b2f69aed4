//! The SQL of invoices.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Integer, Jsonb, Numeric, Text, Uuid as SqlUuid};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use umbel_schema::{invoice, invoice_line, invoice_open, invoice_tax, levy_charge};
use uuid::Uuid;

use super::Draft;
use super::rules::{InvoiceState, Issued, payment_reference};
use crate::kernel::calendar::Holidays;
use crate::kernel::ids::{ActivityId, BankAccountId, ClientId, EntityId, InvoiceId, OrderId, PersonId, RuleSetId};
use crate::kernel::levies::{Charge, Levy, LevyKind};
use crate::kernel::lines::DocumentLine;
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::kernel::vat::{Priced, TaxLine, Totals, VatCase};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::faults::Guard;
use crate::platform::prepared::Prepare;

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
    /// Of every amount.
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

/// A line of an invoice.
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
}

impl InvoiceLineRow {
    /// As far as money cares.
    #[must_use]
    pub fn priced(&self) -> Priced {
        Priced { quantity: self.quantity, unit_price: self.unit_price_minor, case: self.vat_case }
    }

    /// The line as people write it.
    #[must_use]
    pub fn document(&self, currency: Currency) -> DocumentLine {
        DocumentLine {
            label: self.label.clone(),
            quantity: self.quantity.normalize(),
            unit_price: Money { amount_minor: self.unit_price_minor, currency },
            vat_case: self.vat_case,
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
}

/// What the mutual keeps of an invoice.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = levy_charge, check_for_backend(diesel::pg::Pg))]
pub struct ChargeRow {
    /// Its invoice.
    pub invoice_id: InvoiceId,
    /// What it is for.
    pub kind: LevyKind,
    /// By which rules.
    pub rule_set_id: RuleSetId,
    /// What it was computed on.
    pub base_minor: Minor,
    /// The rate in parts per million.
    pub rate_ppm: i64,
    /// What it came to.
    pub amount_minor: Minor,
}

impl ChargeRow {
    pub(super) fn of(invoice_id: InvoiceId, rule_set_id: RuleSetId, charge: &Charge) -> Self {
        Self {
            invoice_id,
            kind: charge.kind,
            rule_set_id,
            base_minor: charge.base,
            rate_ppm: charge.rate.0,
            amount_minor: charge.amount,
        }
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
}

/// A party as it stands on a document, frozen with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartySnapshot {
    /// Its name.
    pub name: String,
    /// Its legal form.
    #[serde(default)]
    pub legal_form: Option<String>,
    /// Its register of legal persons.
    #[serde(default)]
    pub register: Option<String>,
    /// Its enterprise number.
    #[serde(default)]
    pub enterprise_number: Option<String>,
    /// Its VAT number.
    #[serde(default)]
    pub vat_number: Option<String>,
    /// Street.
    pub street: String,
    /// Number in the street.
    pub building_number: String,
    /// Postcode.
    pub postcode: String,
    /// Town.
    pub town: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Where mail goes.
    pub email: String,
    /// What it reads.
    #[serde(default)]
    pub language: Option<String>,
}

/// Everything that issuing looks at, read in one statement: this is the transaction that holds others up.
#[derive(Debug, Clone)]
pub struct IssueContext {
    /// Who issues.
    pub seller: PartySnapshot,
    /// Who buys.
    pub buyer: PartySnapshot,
    /// `business`, `public_body` or `consumer`.
    pub buyer_kind: String,
    /// Where the money goes.
    pub bank_account_id: BankAccountId,
    /// By which rules.
    pub rule_set_id: RuleSetId,
    /// Days to pay.
    pub payment_terms_days: i32,
    /// Working days to the promised day.
    pub advance_working_days: i32,
    /// What the mutual keeps.
    pub levies: Vec<Levy>,
    /// VAT rates on the tax point.
    pub rates: BTreeMap<VatCase, Ppm>,
    /// EN 16931 categories of the cases.
    pub categories: BTreeMap<VatCase, String>,
    /// Holidays of the entity's country.
    pub holidays: Holidays,
    /// Whether the guarantee covers the order.
    pub is_covered: bool,
    /// The lines.
    pub lines: Vec<InvoiceLineRow>,
    zone: String,
}

impl IssueContext {
    /// The legal time zone of the entity.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.zone.parse().unwrap_or(Tz::UTC)
    }
}

#[derive(QueryableByName)]
struct ContextRow {
    #[diesel(sql_type = Jsonb)]
    seller: Value,
    #[diesel(sql_type = Jsonb)]
    buyer: Value,
    #[diesel(sql_type = Text)]
    buyer_kind: String,
    #[diesel(sql_type = Text)]
    zone: String,
    #[diesel(sql_type = diesel::sql_types::Nullable<SqlUuid>)]
    bank_account_id: Option<BankAccountId>,
    #[diesel(sql_type = diesel::sql_types::Nullable<SqlUuid>)]
    rule_set_id: Option<RuleSetId>,
    #[diesel(sql_type = Integer)]
    payment_terms_days: i32,
    #[diesel(sql_type = Integer)]
    advance_working_days: i32,
    #[diesel(sql_type = Jsonb)]
    levies: Value,
    #[diesel(sql_type = Jsonb)]
    rates: Value,
    #[diesel(sql_type = Array<Date>)]
    holidays: Vec<NaiveDate>,
    #[diesel(sql_type = Bool)]
    is_covered: bool,
    #[diesel(sql_type = Bool)]
    is_closed: bool,
    #[diesel(sql_type = Jsonb)]
    lines: Value,
}

#[derive(Deserialize)]
struct RateJson {
    vat_case: VatCase,
    category: String,
    rate_ppm: i64,
}

#[derive(Deserialize)]
struct LevyJson {
    kind: LevyKind,
    rate_ppm: i64,
}

/// What shapes a list of invoices.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<InvoiceState>,
    /// Only for this client.
    pub client_id: Option<ClientId>,
    /// Only issued ones that are past due and not paid.
    pub is_overdue: bool,
}

/// The number that an invoice got.
#[derive(Debug, Clone)]
pub struct Number {
    pub(super) year: i32,
    pub(super) seq: i64,
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
                invoice::currency.eq(draft.currency),
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
            invoice::currency.eq(draft.currency),
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

pub(super) fn insert_lines(
    tx: &mut Tx<'_>,
    id: InvoiceId,
    draft: &Draft,
    totals: &Totals,
) -> Result<Vec<InvoiceLineRow>> {
    let lines = &draft.lines;
    let mut rows: Vec<InvoiceLineRow> = diesel::sql_query(
        "INSERT INTO invoice_line (invoice_id, n, label, quantity, unit_price_minor, vat_case, net_minor) \
         SELECT $1, l.n, l.label, l.quantity, l.unit_price_minor, l.vat_case, l.net_minor \
         FROM unnest($2::text[], $3::numeric[], $4::bigint[], $5::text[], $6::bigint[]) \
              WITH ORDINALITY AS l (label, quantity, unit_price_minor, vat_case, net_minor, n) \
         RETURNING n, label, quantity, unit_price_minor, vat_case, net_minor",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Array<Text>, _>(lines.iter().map(|line| line.label.trim()).collect::<Vec<_>>())
    .bind::<Array<Numeric>, _>(lines.iter().map(|line| line.quantity).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(lines.iter().map(|line| line.unit_price.amount_minor).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(lines.iter().map(|line| line.vat_case).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(&totals.lines)
    .prepared()
    .get_results(tx.conn())?;
    rows.sort_by_key(|line| line.n);
    Ok(rows)
}

pub(super) fn find(tx: &mut Tx<'_>, id: InvoiceId) -> Result<InvoiceRow> {
    let mut query = invoice::table.find(id).select(InvoiceRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(invoice::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(super) fn lock(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Locked<InvoiceRow>> {
    if tx.faults().removed(Guard::RowLock) {
        return find(tx, id).map(Locked::new);
    }
    let query = invoice::table.find(id).select(InvoiceRow::as_select());
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

pub(super) fn list_charges(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Vec<ChargeRow>> {
    Ok(levy_charge::table
        .filter(levy_charge::invoice_id.eq(id))
        .order(levy_charge::kind.asc())
        .select(ChargeRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn open_amount(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Minor> {
    Ok(invoice_open::table.filter(invoice_open::invoice_id.eq(id)).select(invoice_open::open_minor).first(tx.conn())?)
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(InvoiceRow, Minor)>> {
    let today = tx.now().date_naive();
    let mut query = invoice::table.order(invoice::id.desc()).limit(limit).select(InvoiceRow::as_select()).into_boxed();
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
    if let Some(after) = after {
        query = query.filter(invoice::id.lt(after));
    }
    let rows: Vec<InvoiceRow> = query.load(tx.conn())?;
    let ids: Vec<InvoiceId> = rows.iter().map(|row| row.id).collect();
    let open: BTreeMap<InvoiceId, Minor> = invoice_open::table
        .filter(invoice_open::invoice_id.eq_any(ids))
        .select((invoice_open::invoice_id, invoice_open::open_minor))
        .load::<(InvoiceId, Minor)>(tx.conn())?
        .into_iter()
        .collect();
    Ok(rows
        .into_iter()
        .map(|row| {
            let left = open.get(&row.id).copied().unwrap_or_default();
            (row, left)
        })
        .collect())
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

pub(super) fn invoiced_of_order(tx: &mut Tx<'_>, order: OrderId, but: InvoiceId) -> Result<Minor> {
    let nets: Vec<Minor> = invoice::table
        .filter(invoice::order_id.eq(order))
        .filter(invoice::state.eq_any([InvoiceState::Submitted, InvoiceState::Issued]))
        .filter(invoice::id.ne(but))
        .select(invoice::net_minor)
        .load(tx.conn())?;
    Ok(Minor::sum(nets)?)
}

/// Reads across the tables of other rooms, in one statement instead of nine: the only store that does. The activity
/// is held, so that it cannot be closed in the same moment.
pub(super) fn issue_context(tx: &mut Tx<'_>, row: &Locked<InvoiceRow>) -> Result<IssueContext> {
    let found: ContextRow = diesel::sql_query(
        "SELECT to_jsonb(e) AS seller, to_jsonb(c) AS buyer, c.kind AS buyer_kind, e.zone, b.id AS bank_account_id, \
                r.id AS rule_set_id, coalesce(r.payment_terms_days, 0) AS payment_terms_days, \
                coalesce(r.advance_working_days, 0) AS advance_working_days, coalesce(d.eligible, false) AS is_covered, \
                a.closed_at IS NOT NULL AS is_closed, \
                coalesce((SELECT jsonb_agg(jsonb_build_object('kind', l.kind, 'rate_ppm', l.rate_ppm) ORDER BY l.kind) \
                          FROM rule_set_levy l WHERE l.rule_set_id = r.id), '[]') AS levies, \
                coalesce((SELECT jsonb_agg(jsonb_build_object('vat_case', v.vat_case, 'category', v.category, 'rate_ppm', v.rate_ppm)) \
                          FROM vat_rate v WHERE v.country = e.country AND v.valid_from <= i.supplied_on \
                            AND (v.valid_until IS NULL OR v.valid_until > i.supplied_on)), '[]') AS rates, \
                ARRAY(SELECT h.day FROM holiday h WHERE h.country = e.country \
                        AND h.day BETWEEN t.today - 7 AND greatest(t.today, i.supplied_on) + 200) AS holidays, \
                (SELECT jsonb_agg(jsonb_build_object('n', x.n, 'label', x.label, 'quantity', x.quantity::text, \
                          'unit_price_minor', x.unit_price_minor, 'vat_case', x.vat_case, 'net_minor', x.net_minor) ORDER BY x.n) \
                 FROM invoice_line x WHERE x.invoice_id = i.id) AS lines \
         FROM invoice i JOIN entity e ON e.id = i.entity_id JOIN client c ON c.id = i.client_id \
              JOIN activity a ON a.id = i.activity_id \
         CROSS JOIN LATERAL (SELECT (umbel_now() AT TIME ZONE e.zone)::date AS today) t \
         LEFT JOIN orders o ON o.id = i.order_id LEFT JOIN guarantee_decision d ON d.order_id = i.order_id \
         LEFT JOIN LATERAL (SELECT id FROM entity_bank_account WHERE entity_id = e.id AND currency = i.currency \
                            ORDER BY created_at, id LIMIT 1) b ON true \
         LEFT JOIN LATERAL (SELECT * FROM rule_set s WHERE s.id = o.rule_set_id \
                              OR (o.rule_set_id IS NULL AND s.entity_id = e.id AND s.valid_from <= t.today) \
                            ORDER BY s.valid_from DESC LIMIT 1) r ON true \
         WHERE i.id = $1 FOR SHARE OF a",
    )
    .bind::<SqlUuid, _>(row.id)
    .prepared()
    .get_result(tx.conn())?;
    if found.is_closed {
        return Err(Error::conflict("activity_closed"));
    }
    let rates: Vec<RateJson> = serde_json::from_value(found.rates)?;
    let levies: Vec<LevyJson> = serde_json::from_value(found.levies)?;
    Ok(IssueContext {
        seller: serde_json::from_value(found.seller)?,
        buyer: serde_json::from_value(found.buyer)?,
        buyer_kind: found.buyer_kind,
        bank_account_id: found.bank_account_id.ok_or_else(|| Error::conflict("bank_account_missing"))?,
        rule_set_id: found.rule_set_id.ok_or_else(|| Error::conflict("rule_set_missing"))?,
        payment_terms_days: found.payment_terms_days,
        advance_working_days: found.advance_working_days,
        levies: levies.into_iter().map(|levy| Levy { kind: levy.kind, rate: Ppm(levy.rate_ppm) }).collect(),
        rates: rates.iter().map(|rate| (rate.vat_case, Ppm(rate.rate_ppm))).collect(),
        categories: rates.into_iter().map(|rate| (rate.vat_case, rate.category)).collect(),
        holidays: found.holidays.into_iter().collect(),
        is_covered: found.is_covered,
        lines: serde_json::from_value(found.lines)?,
        zone: found.zone,
    })
}

/// VAT and what the mutual keeps, in one statement.
pub(super) fn insert_issue_parts(
    tx: &mut Tx<'_>,
    row: &Locked<InvoiceRow>,
    context: &IssueContext,
    issued: &Issued,
) -> Result<()> {
    let taxes = &issued.totals.taxes;
    let category = |case| context.categories.get(&case).cloned().unwrap_or_default();
    diesel::sql_query(
        "WITH taxed AS (INSERT INTO invoice_tax (invoice_id, vat_case, category, rate_ppm, base_minor, tax_minor) \
             SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])) \
         INSERT INTO levy_charge (invoice_id, rule_set_id, kind, base_minor, rate_ppm, amount_minor) \
         SELECT $1, $7, * FROM unnest($8::text[], $9::bigint[], $10::bigint[], $11::bigint[])",
    )
    .bind::<SqlUuid, _>(row.id)
    .bind::<Array<Text>, _>(taxes.iter().map(|tax| tax.case).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(taxes.iter().map(|tax| category(tax.case)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(taxes.iter().map(|tax| tax.rate.0).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(taxes.iter().map(|tax| tax.base).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(taxes.iter().map(|tax| tax.tax).collect::<Vec<_>>())
    .bind::<SqlUuid, _>(context.rule_set_id)
    .bind::<Array<Text>, _>(issued.charges.iter().map(|charge| charge.kind).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(issued.charges.iter().map(|charge| charge.base).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(issued.charges.iter().map(|charge| charge.rate.0).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(issued.charges.iter().map(|charge| charge.amount).collect::<Vec<_>>())
    .prepared()
    .execute(tx.conn())?;
    Ok(())
}

#[derive(QueryableByName)]
struct Seq {
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
}

/// The next number of the series. From here to the commit nobody else issues in this series.
pub(super) fn take_number(tx: &mut Tx<'_>, entity: EntityId, today: NaiveDate) -> Result<Number> {
    use chrono::Datelike;
    let year = today.year();
    let taken: Option<Seq> = diesel::sql_query(
        "INSERT INTO document_series (entity_id, series, year, last_seq, last_issued_on) VALUES ($1, 'invoice', $2, 1, $3) \
         ON CONFLICT (entity_id, series, year) DO UPDATE \
         SET last_seq = document_series.last_seq + 1, last_issued_on = excluded.last_issued_on \
         WHERE document_series.last_issued_on <= excluded.last_issued_on RETURNING last_seq",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Integer, _>(year)
    .bind::<Date, _>(today)
    .prepared()
    .get_result(tx.conn())
    .optional()?;
    let taken = taken.ok_or_else(|| Error::conflict("issue_date_before_last"))?;
    Ok(Number { year, seq: taken.last_seq })
}

/// Writes what makes it a legal document. After this the row never changes.
pub(super) fn seal(
    tx: &mut Tx<'_>,
    row: &Locked<InvoiceRow>,
    context: &IssueContext,
    issued: &Issued,
    number: &Number,
) -> Result<InvoiceRow> {
    let reference = payment_reference(number.year, number.seq).ok_or_else(|| Error::internal("the series is full"))?;
    Ok(diesel::update(invoice::table.find(row.id))
        .set((
            invoice::state.eq(InvoiceState::Issued),
            invoice::rule_set_id.eq(context.rule_set_id),
            invoice::bank_account_id.eq(context.bank_account_id),
            invoice::issued_on.eq(issued.issued_on),
            invoice::due_on.eq(issued.due_on),
            invoice::advance_due_on.eq(issued.advance_due_on),
            invoice::series_year.eq(number.year),
            invoice::seq.eq(number.seq),
            invoice::number.eq(format!("{}-{:04}", number.year, number.seq)),
            invoice::payment_reference.eq(reference.digits()),
            invoice::seller_snapshot.eq(serde_json::to_value(&context.seller)?),
            invoice::buyer_snapshot.eq(serde_json::to_value(&context.buyer)?),
        ))
        .returning(InvoiceRow::as_returning())
        .prepared()
        .get_result(tx.conn())?)
}

pub(super) fn find_by_reference(tx: &mut Tx<'_>, entity: EntityId, digits: &str) -> Result<Option<InvoiceId>> {
    Ok(invoice::table
        .filter(invoice::entity_id.eq(entity))
        .filter(invoice::payment_reference.eq(digits))
        .select(invoice::id)
        .first(tx.conn())
        .optional()?)
}

pub(super) fn lock_open(tx: &mut Tx<'_>, id: InvoiceId) -> Result<OpenInvoice> {
    // An issued row never changes, but whoever allocates to it must wait for the one before.
    let locked: Option<InvoiceId> = invoice::table
        .find(id)
        .filter(invoice::state.eq(InvoiceState::Issued))
        .select(invoice::id)
        .for_update()
        .first(tx.conn())
        .optional()?;
    locked.ok_or_else(Error::not_found)?;
    Ok(diesel::sql_query(
        "SELECT i.id, i.entity_id, i.member_id, i.activity_id, i.client_id, i.currency, i.gross_minor, o.open_minor, i.number \
         FROM invoice i JOIN invoice_open o ON o.invoice_id = i.id WHERE i.id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(tx.conn())?)
}

#[derive(QueryableByName)]
struct Pending {
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
}

/// What of an invoice still waits on its activity, out of the ledger.
pub(super) fn pending_of(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Minor> {
    let row: Pending = diesel::sql_query(
        "SELECT coalesce(-sum(amount_minor), 0)::bigint AS amount_minor FROM posting \
         WHERE invoice_id = $1 AND account = 'funds.pending'",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(tx.conn())?;
    Ok(row.amount_minor)
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
