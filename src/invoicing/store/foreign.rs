//! The SQL of documents in another currency.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Text, Uuid as SqlUuid};
use serde_json::Value;
use std::collections::BTreeMap;
use umbel_schema::{invoice_currency, invoice_line_currency, invoice_tax_currency};

use super::TaxRow;
use crate::invoicing::rules::{Credited, Rest, RestLine, RestTax};
use crate::kernel::ids::{ExchangeRateId, InvoiceId};
use crate::kernel::lines::{LineKind, Record};
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::kernel::vat::{Totals, VatCase};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// What a document comes to in its own currency, and by which rate it is booked.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = invoice_currency, check_for_backend(diesel::pg::Pg))]
pub struct DocumentRow {
    /// Which currency.
    pub currency: Currency,
    /// The rate.
    pub exchange_rate_id: ExchangeRateId,
    /// Without VAT.
    pub net_minor: Minor,
    /// VAT.
    pub tax_minor: Minor,
    /// With VAT.
    pub gross_minor: Minor,
}

/// What a row of a document says in its own currency.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = invoice_line_currency, check_for_backend(diesel::pg::Pg))]
pub struct DocumentLineRow {
    /// Its place.
    pub n: i32,
    /// For one.
    pub unit_price_minor: Minor,
    /// For one, in ten-thousandths of a unit of the currency, where minor units are not fine enough.
    pub unit_price_e4: Option<i64>,
    /// Discounts and charges with what they come to.
    pub adjustments: Value,
    /// What it comes to.
    pub net_minor: Minor,
}

pub(in crate::invoicing) fn find_document(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Option<DocumentRow>> {
    Ok(invoice_currency::table.find(id).select(DocumentRow::as_select()).first(tx.conn()).optional()?)
}

/// With VAT, of those documents of a list that are in another currency.
pub(in crate::invoicing) fn list_documents(tx: &mut Tx<'_>, ids: &[InvoiceId]) -> Result<BTreeMap<InvoiceId, Money>> {
    let rows: Vec<(InvoiceId, Currency, Minor)> = invoice_currency::table
        .filter(invoice_currency::invoice_id.eq_any(ids))
        .select((invoice_currency::invoice_id, invoice_currency::currency, invoice_currency::gross_minor))
        .load(tx.conn())?;
    Ok(rows.into_iter().map(|(id, currency, amount_minor)| (id, Money { amount_minor, currency })).collect())
}

pub(in crate::invoicing) fn list_document_lines(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Vec<DocumentLineRow>> {
    Ok(invoice_line_currency::table
        .filter(invoice_line_currency::invoice_id.eq(id))
        .order(invoice_line_currency::n.asc())
        .select(DocumentLineRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::invoicing) fn list_document_taxes(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Vec<TaxRow>> {
    type Row = (VatCase, String, i64, Minor, Minor);
    let rows: Vec<Row> = invoice_tax_currency::table
        .filter(invoice_tax_currency::invoice_id.eq(id))
        .order((invoice_tax_currency::vat_case.asc(), invoice_tax_currency::rate_ppm.asc()))
        .select((
            invoice_tax_currency::vat_case,
            invoice_tax_currency::category,
            invoice_tax_currency::rate_ppm,
            invoice_tax_currency::base_minor,
            invoice_tax_currency::tax_minor,
        ))
        .load(tx.conn())?;
    let tax = |(vat_case, category, rate_ppm, base_minor, tax_minor): Row| TaxRow {
        invoice_id: id,
        vat_case,
        category,
        rate_ppm,
        base_minor,
        tax_minor,
    };
    Ok(rows.into_iter().map(tax).collect())
}

/// Takes away what a draft said in another currency.
pub(in crate::invoicing) fn delete_document(tx: &mut Tx<'_>, id: InvoiceId) -> Result<()> {
    let lines = invoice_line_currency::table.filter(invoice_line_currency::invoice_id.eq(id));
    diesel::delete(lines).execute(tx.conn())?;
    diesel::delete(invoice_currency::table.find(id)).execute(tx.conn())?;
    Ok(())
}

pub(in crate::invoicing) fn insert_document(
    tx: &mut Tx<'_>,
    id: InvoiceId,
    (currency, rate): (Currency, ExchangeRateId),
    totals: &Totals,
    records: &[Record],
) -> Result<()> {
    insert_head(tx, id, (currency, rate), (totals.net, totals.tax, totals.gross))?;
    let rows: Vec<_> = records
        .iter()
        .map(|row| {
            (
                invoice_line_currency::invoice_id.eq(id),
                invoice_line_currency::n.eq(row.n),
                invoice_line_currency::unit_price_minor.eq(row.unit_price),
                invoice_line_currency::unit_price_e4.eq(row.unit_price_e4),
                invoice_line_currency::adjustments.eq(&row.adjustments),
                invoice_line_currency::net_minor.eq(row.net),
            )
        })
        .collect();
    diesel::insert_into(invoice_line_currency::table).values(rows).execute(tx.conn())?;
    Ok(())
}

fn insert_head(
    tx: &mut Tx<'_>,
    id: InvoiceId,
    (currency, rate): (Currency, ExchangeRateId),
    (net, tax, gross): (Minor, Minor, Minor),
) -> Result<()> {
    diesel::insert_into(invoice_currency::table)
        .values((
            invoice_currency::invoice_id.eq(id),
            invoice_currency::currency.eq(currency),
            invoice_currency::exchange_rate_id.eq(rate),
            invoice_currency::net_minor.eq(net),
            invoice_currency::tax_minor.eq(tax),
            invoice_currency::gross_minor.eq(gross),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// VAT of an issued document in its own currency.
pub(in crate::invoicing) fn insert_document_taxes(tx: &mut Tx<'_>, id: InvoiceId, taxes: &[TaxRow]) -> Result<()> {
    let rows: Vec<_> = taxes
        .iter()
        .map(|tax| {
            (
                invoice_tax_currency::invoice_id.eq(id),
                invoice_tax_currency::vat_case.eq(tax.vat_case),
                invoice_tax_currency::category.eq(&tax.category),
                invoice_tax_currency::rate_ppm.eq(tax.rate_ppm),
                invoice_tax_currency::base_minor.eq(tax.base_minor),
                invoice_tax_currency::tax_minor.eq(tax.tax_minor),
            )
        })
        .collect();
    diesel::insert_into(invoice_tax_currency::table).values(rows).execute(tx.conn())?;
    Ok(())
}

#[derive(QueryableByName)]
struct LineRow {
    #[diesel(sql_type = Integer)]
    n: i32,
    #[diesel(sql_type = Text)]
    kind: LineKind,
    #[diesel(sql_type = Text)]
    vat_case: VatCase,
    #[diesel(sql_type = BigInt)]
    net_minor: Minor,
}

#[derive(QueryableByName)]
struct TaxRestRow {
    #[diesel(sql_type = Text)]
    vat_case: VatCase,
    #[diesel(sql_type = Text)]
    category: String,
    #[diesel(sql_type = BigInt)]
    rate_ppm: i64,
    #[diesel(sql_type = BigInt)]
    base_minor: Minor,
    #[diesel(sql_type = BigInt)]
    tax_minor: Minor,
}

/// What credit notes have left of a locked invoice in its own currency. The levies are in euro only.
pub(in crate::invoicing) fn rest_of_document(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Rest> {
    let lines: Vec<LineRow> = diesel::sql_query(
        "SELECT l.n, l.kind, l.vat_case, (f.net_minor - coalesce((SELECT sum(y.net_minor) FROM invoice c \
                    JOIN invoice_line x ON x.invoice_id = c.id JOIN invoice_line_currency y ON (y.invoice_id, y.n) = (x.invoice_id, x.n) \
                    WHERE c.corrects_id = l.invoice_id AND x.corrects_line = l.n), 0))::bigint AS net_minor \
         FROM invoice_line l JOIN invoice_line_currency f ON (f.invoice_id, f.n) = (l.invoice_id, l.n) WHERE l.invoice_id = $1 ORDER BY l.n",
    )
    .bind::<SqlUuid, _>(id)
    .load(tx.conn())?;
    let taxes: Vec<TaxRestRow> = diesel::sql_query(
        "SELECT t.vat_case, t.category, t.rate_ppm, (t.base_minor - coalesce(s.base, 0))::bigint AS base_minor, \
                (t.tax_minor - coalesce(s.tax, 0))::bigint AS tax_minor \
         FROM invoice_tax_currency t CROSS JOIN LATERAL (SELECT sum(x.base_minor) AS base, sum(x.tax_minor) AS tax \
             FROM invoice_tax_currency x JOIN invoice c ON c.id = x.invoice_id \
             WHERE c.corrects_id = t.invoice_id AND (x.vat_case, x.rate_ppm) = (t.vat_case, t.rate_ppm)) s \
         WHERE t.invoice_id = $1 ORDER BY t.vat_case, t.rate_ppm",
    )
    .bind::<SqlUuid, _>(id)
    .load(tx.conn())?;
    let line = |line: LineRow| RestLine { n: line.n, kind: line.kind, case: line.vat_case, net: line.net_minor };
    let tax = |tax: TaxRestRow| RestTax {
        case: tax.vat_case,
        category: tax.category,
        rate: Ppm(tax.rate_ppm),
        base: tax.base_minor,
        tax: tax.tax_minor,
    };
    Ok(Rest {
        lines: lines.into_iter().map(line).collect(),
        taxes: taxes.into_iter().map(tax).collect(),
        levies: Vec::new(),
    })
}

/// What a credit note says in the currency of its invoice, beside the rows that are booked: by the rate of the invoice.
pub(in crate::invoicing) fn insert_credit_document(
    tx: &mut Tx<'_>,
    id: InvoiceId,
    of: InvoiceId,
    document: &DocumentRow,
    said: &Credited,
) -> Result<()> {
    let head = (document.currency, document.exchange_rate_id);
    insert_head(tx, id, head, (said.net, said.tax, said.gross))?;
    diesel::sql_query(
        "INSERT INTO invoice_line_currency (invoice_id, n, unit_price_minor, unit_price_e4, adjustments, net_minor) \
         SELECT $1, c.n, CASE WHEN w.whole THEN d.unit_price_minor ELSE abs(c.net) END, CASE WHEN w.whole THEN d.unit_price_e4 END, \
                CASE WHEN o.kind <> 'line' THEN jsonb_build_array((d.adjustments -> 0) - 'rate' \
                          || jsonb_build_object('amount', jsonb_build_object('amount_minor', abs(c.net), 'currency', f.currency))) \
                     WHEN w.whole THEN d.adjustments ELSE '[]' END, c.net \
         FROM unnest($3::int[], $4::bigint[]) WITH ORDINALITY AS c (line, net, n) \
         JOIN invoice_line o ON o.invoice_id = $2 AND o.n = c.line \
         JOIN invoice_line_currency d ON d.invoice_id = $2 AND d.n = c.line JOIN invoice_currency f ON f.invoice_id = $2 \
         CROSS JOIN LATERAL (SELECT d.net_minor = c.net AS whole) w",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(of)
    .bind::<Array<Integer>, _>(said.lines.iter().map(|(line, _)| *line).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(said.lines.iter().map(|(_, net)| *net).collect::<Vec<_>>())
    .execute(tx.conn())?;
    let taxes: Vec<_> = said
        .taxes
        .iter()
        .map(|tax| TaxRow {
            invoice_id: id,
            vat_case: tax.case,
            category: tax.category.clone(),
            rate_ppm: tax.rate.0,
            base_minor: tax.base,
            tax_minor: tax.tax,
        })
        .collect();
    insert_document_taxes(tx, id, &taxes)
}

#[derive(QueryableByName)]
struct CreditedRow {
    #[diesel(sql_type = Integer)]
    n: i32,
    #[diesel(sql_type = BigInt)]
    net_minor: Minor,
}

/// What credit notes gave back of each line of an invoice, in its own currency.
pub(in crate::invoicing) fn credited_of_document(tx: &mut Tx<'_>, id: InvoiceId) -> Result<BTreeMap<i32, Minor>> {
    let rows: Vec<CreditedRow> = diesel::sql_query(
        "SELECT x.corrects_line AS n, sum(y.net_minor)::bigint AS net_minor FROM invoice_line x JOIN invoice c ON c.id = x.invoice_id \
         JOIN invoice_line_currency y ON (y.invoice_id, y.n) = (x.invoice_id, x.n) WHERE c.corrects_id = $1 GROUP BY x.corrects_line",
    )
    .bind::<SqlUuid, _>(id)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.n, row.net_minor)).collect())
}
