//! The SQL of credit notes: what is left of an invoice, and the document that gives some of it back.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::InvoiceRow;
use super::issue::Number;
use crate::invoicing::rules::{Credited, Rest, RestLevy, RestLine, RestTax, Waiting};
use crate::kernel::ids::{ActivityId, ClientId, EntityId, InvoiceId, PersonId};
use crate::kernel::lines::LineKind;
use crate::kernel::money::{Currency, Minor, Ppm};
use crate::kernel::vat::VatCase;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// A credit note with the invoice that it corrects.
#[derive(Debug, Clone, QueryableByName)]
pub struct CreditNoteRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: InvoiceId,
    /// Grows with every change.
    #[diesel(sql_type = Integer)]
    pub version: i32,
    /// Its number in the series of credit notes.
    #[diesel(sql_type = Text)]
    pub number: String,
    /// The day of issue.
    #[diesel(sql_type = Date)]
    pub issued_on: NaiveDate,
    /// The invoice that it corrects.
    #[diesel(sql_type = SqlUuid)]
    pub corrects_id: InvoiceId,
    /// Its number.
    #[diesel(sql_type = Text)]
    pub corrects_number: String,
    /// Its date.
    #[diesel(sql_type = Date)]
    pub corrects_issued_on: NaiveDate,
    /// Why.
    #[diesel(sql_type = Text)]
    pub reason: String,
    /// Who issues it.
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: EntityId,
    /// Whose work it is.
    #[diesel(sql_type = SqlUuid)]
    pub member_id: PersonId,
    /// To which activity it belongs.
    #[diesel(sql_type = SqlUuid)]
    pub activity_id: ActivityId,
    /// Who gets it.
    #[diesel(sql_type = SqlUuid)]
    pub client_id: ClientId,
    /// One line, as on the invoice.
    #[diesel(sql_type = Text)]
    pub title: String,
    /// Of every amount.
    #[diesel(sql_type = Text)]
    pub currency: Currency,
    /// The last day of work.
    #[diesel(sql_type = Date)]
    pub supplied_on: NaiveDate,
    /// What the buyer wants to read on it.
    #[diesel(sql_type = Nullable<Text>)]
    pub buyer_reference: Option<String>,
    /// The buyer's purchase order.
    #[diesel(sql_type = Nullable<Text>)]
    pub purchase_order: Option<String>,
    /// Without VAT.
    #[diesel(sql_type = BigInt)]
    pub net_minor: Minor,
    /// VAT.
    #[diesel(sql_type = BigInt)]
    pub tax_minor: Minor,
    /// With VAT.
    #[diesel(sql_type = BigInt)]
    pub gross_minor: Minor,
    /// Who issued it, as on the invoice.
    #[diesel(sql_type = diesel::sql_types::Jsonb)]
    pub seller_snapshot: Value,
    /// Who buys, as on the invoice; where mail goes as of the day of the credit note.
    #[diesel(sql_type = diesel::sql_types::Jsonb)]
    pub buyer_snapshot: Value,
    /// When it was made.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// A line of a credit note: which line of the invoice it gives back.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct CreditedLine {
    /// Its place.
    #[diesel(sql_type = Integer)]
    pub n: i32,
    /// The line of the invoice.
    #[diesel(sql_type = Integer)]
    pub corrects_line: i32,
}

/// Where the member's share of a credit note was taken from, out of its entry.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct TakenFrom {
    /// From what still waited of the invoice.
    #[diesel(sql_type = BigInt)]
    pub pending_minor: Minor,
    /// From what the activity had available.
    #[diesel(sql_type = BigInt)]
    pub available_minor: Minor,
    /// What it lacked, to be settled by what it receives.
    #[diesel(sql_type = BigInt)]
    pub arrears_minor: Minor,
    /// What of it the fund owes, because it did not hold the contribution that comes back.
    #[diesel(sql_type = BigInt)]
    pub owed_minor: Minor,
}

/// An invoice of which a client has paid more than is left to pay.
#[derive(Debug, Clone, QueryableByName)]
pub struct ClientCredit {
    /// The invoice.
    #[diesel(sql_type = SqlUuid)]
    pub invoice_id: InvoiceId,
    /// Its number.
    #[diesel(sql_type = Text)]
    pub number: String,
    /// Who issued it.
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: EntityId,
    /// Whose work it is.
    #[diesel(sql_type = SqlUuid)]
    pub member_id: PersonId,
    /// Whose money it is.
    #[diesel(sql_type = SqlUuid)]
    pub client_id: ClientId,
    /// Their name.
    #[diesel(sql_type = Text)]
    pub client_name: String,
    /// What they paid too much.
    #[diesel(sql_type = BigInt)]
    pub amount_minor: Minor,
    /// Its currency.
    #[diesel(sql_type = Text)]
    pub currency: Currency,
}

/// What shapes a list of credit notes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CreditNoteFilter {
    /// Only those that correct this invoice.
    pub invoice_id: Option<InvoiceId>,
    /// Only for this client.
    pub client_id: Option<ClientId>,
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

/// What credit notes have left of a locked invoice; `levies` are those of its rest.
pub(in crate::invoicing) fn rest(tx: &mut Tx<'_>, row: &Locked<InvoiceRow>, levies: Vec<RestLevy>) -> Result<Rest> {
    let lines: Vec<LineRow> = diesel::sql_query(
        "SELECT l.n, l.kind, l.vat_case, (l.net_minor - coalesce((SELECT sum(x.net_minor) FROM invoice_line x JOIN invoice c ON c.id = x.invoice_id \
                    WHERE c.corrects_id = l.invoice_id AND x.corrects_line = l.n), 0))::bigint AS net_minor \
         FROM invoice_line l WHERE l.invoice_id = $1 ORDER BY l.n",
    )
    .bind::<SqlUuid, _>(row.id)
    .load(tx.conn())?;
    let taxes: Vec<TaxRestRow> = diesel::sql_query(
        "SELECT t.vat_case, t.category, t.rate_ppm, (t.base_minor - coalesce(s.base, 0))::bigint AS base_minor, \
                (t.tax_minor - coalesce(s.tax, 0))::bigint AS tax_minor \
         FROM invoice_tax t CROSS JOIN LATERAL (SELECT sum(x.base_minor) AS base, sum(x.tax_minor) AS tax \
             FROM invoice_tax x JOIN invoice c ON c.id = x.invoice_id \
             WHERE c.corrects_id = t.invoice_id AND (x.vat_case, x.rate_ppm) = (t.vat_case, t.rate_ppm)) s \
         WHERE t.invoice_id = $1 ORDER BY t.vat_case, t.rate_ppm",
    )
    .bind::<SqlUuid, _>(row.id)
    .load(tx.conn())?;
    let line = |line: LineRow| RestLine { n: line.n, kind: line.kind, case: line.vat_case, net: line.net_minor };
    let tax = |tax: TaxRestRow| RestTax {
        case: tax.vat_case,
        category: tax.category,
        rate: Ppm(tax.rate_ppm),
        base: tax.base_minor,
        tax: tax.tax_minor,
    };
    Ok(Rest { lines: lines.into_iter().map(line).collect(), taxes: taxes.into_iter().map(tax).collect(), levies })
}

#[derive(QueryableByName)]
struct CreditedRow {
    #[diesel(sql_type = Integer)]
    n: i32,
    #[diesel(sql_type = BigInt)]
    net_minor: Minor,
}

/// What credit notes gave back of each line of an invoice.
pub(in crate::invoicing) fn credited_of(tx: &mut Tx<'_>, id: InvoiceId) -> Result<BTreeMap<i32, Minor>> {
    let rows: Vec<CreditedRow> = diesel::sql_query(
        "SELECT x.corrects_line AS n, sum(x.net_minor)::bigint AS net_minor FROM invoice_line x JOIN invoice c ON c.id = x.invoice_id \
         WHERE c.corrects_id = $1 GROUP BY x.corrects_line",
    )
    .bind::<SqlUuid, _>(id)
    .load(tx.conn())?;
    Ok(rows.into_iter().map(|row| (row.n, row.net_minor)).collect())
}

#[derive(QueryableByName)]
struct WaitingRow {
    #[diesel(sql_type = SqlUuid)]
    activity_id: ActivityId,
    #[diesel(sql_type = SqlUuid)]
    owner_id: PersonId,
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
}

/// What waits of an invoice, activity by activity, out of the ledger.
pub(in crate::invoicing) fn waiting_of(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Vec<Waiting>> {
    let rows: Vec<WaitingRow> = diesel::sql_query(
        "SELECT p.activity_id, b.owner_id, -sum(p.amount_minor)::bigint AS amount_minor \
         FROM posting p JOIN activity_balance b ON b.activity_id = p.activity_id \
         WHERE p.invoice_id = $1 AND p.account = 'funds.pending' GROUP BY p.activity_id, b.owner_id \
         HAVING sum(p.amount_minor) <> 0 ORDER BY p.activity_id",
    )
    .bind::<SqlUuid, _>(id)
    .load(tx.conn())?;
    let waiting =
        |row: WaitingRow| Waiting { activity: row.activity_id, owner: row.owner_id, amount: row.amount_minor };
    Ok(rows.into_iter().map(waiting).collect())
}

/// Writes a credit note as it will be issued, but for its number: what is booked must be there before its entry.
///
/// `said` is what it gives back in its own currency, where that is not the euro.
///
/// A line that is given back whole stands there as on the invoice, a part of one as one piece at that price. A discount
/// or charge on all lines is an amount: the lines that its rate was of are others now.
pub(in crate::invoicing) fn insert_credit_note(
    tx: &mut Tx<'_>,
    id: InvoiceId,
    of: &Locked<InvoiceRow>,
    reason: &str,
    (credited, said): (&Credited, Option<&Credited>),
    today: NaiveDate,
) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO invoice (id, kind, corrects_id, correction_reason, entity_id, member_id, activity_id, client_id, order_id, \
                              title, currency, supplied_on, buyer_reference, net_minor, tax_minor, gross_minor) \
         SELECT $1, 'credit_note', i.id, $3, i.entity_id, i.member_id, i.activity_id, i.client_id, i.order_id, \
                i.title, i.currency, i.supplied_on, i.buyer_reference, $4, $5, $6 FROM invoice i WHERE i.id = $2",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(of.id)
    .bind::<Text, _>(reason)
    .bind::<BigInt, _>(credited.net)
    .bind::<BigInt, _>(credited.tax)
    .bind::<BigInt, _>(credited.gross)
    .execute(tx.conn())?;
    diesel::sql_query(
        "INSERT INTO invoice_line (invoice_id, n, label, quantity, unit_price_minor, vat_case, net_minor, corrects_line, \
                                   kind, unit, unit_price_e4, adjustments, vat_justification) \
         SELECT $1, c.n, o.label, CASE WHEN w.whole THEN o.quantity ELSE 1 END, \
                CASE WHEN w.whole THEN o.unit_price_minor ELSE abs(c.net) END, o.vat_case, c.net, o.n, o.kind, \
                CASE WHEN w.whole THEN o.unit ELSE 'C62' END, CASE WHEN w.whole THEN o.unit_price_e4 END, \
                CASE WHEN o.kind <> 'line' THEN jsonb_build_array((o.adjustments -> 0) - 'rate' \
                          || jsonb_build_object('amount', jsonb_build_object('amount_minor', abs(c.net), 'currency', i.currency))) \
                     WHEN w.whole THEN o.adjustments ELSE '[]' END, o.vat_justification \
         FROM unnest($3::int[], $4::bigint[], $5::bigint[]) WITH ORDINALITY AS c (line, net, said, n) \
         JOIN invoice_line o ON o.invoice_id = $2 AND o.n = c.line JOIN invoice i ON i.id = $2 \
         LEFT JOIN invoice_line_currency f ON (f.invoice_id, f.n) = (o.invoice_id, o.n) \
         CROSS JOIN LATERAL (SELECT coalesce(f.net_minor = c.said, o.net_minor = c.net) AS whole) w",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(of.id)
    .bind::<Array<Integer>, _>(credited.lines.iter().map(|(line, _)| *line).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(credited.lines.iter().map(|(_, net)| *net).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(said.unwrap_or(credited).lines.iter().map(|(_, net)| *net).collect::<Vec<_>>())
    .execute(tx.conn())?;
    diesel::sql_query(
        "INSERT INTO invoice_tax (invoice_id, vat_case, category, rate_ppm, base_minor, tax_minor) \
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Array<Text>, _>(credited.taxes.iter().map(|tax| tax.case).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(credited.taxes.iter().map(|tax| tax.category.as_str()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(credited.taxes.iter().map(|tax| tax.rate.0).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(credited.taxes.iter().map(|tax| tax.base).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(credited.taxes.iter().map(|tax| tax.tax).collect::<Vec<_>>())
    .execute(tx.conn())?;
    diesel::sql_query(
        "INSERT INTO invoice_reduction (id, invoice_id, member_id, kind, source_id, amount_minor, reduced_on) \
         VALUES ($1, $2, $3, 'credit_note', $4, $5, $6)",
    )
    .bind::<SqlUuid, _>(tx.new_id::<Uuid>())
    .bind::<SqlUuid, _>(of.id)
    .bind::<SqlUuid, _>(of.member_id)
    .bind::<SqlUuid, _>(id)
    .bind::<BigInt, _>(credited.gross)
    .bind::<Date, _>(today)
    .execute(tx.conn())?;
    Ok(())
}

/// Gives a credit note its number and the parties of the invoice. After this the row never changes.
pub(in crate::invoicing) fn seal_credit_note(
    tx: &mut Tx<'_>,
    id: InvoiceId,
    today: NaiveDate,
    number: &Number,
) -> Result<()> {
    diesel::sql_query(
        "UPDATE invoice n SET state = 'issued', issued_on = $2, series_year = $3, seq = $4, number = $5, rule_set_id = i.rule_set_id, \
                seller_snapshot = i.seller_snapshot, \
                buyer_snapshot = i.buyer_snapshot || jsonb_build_object('email', c.email, 'language', c.language) \
         FROM invoice i JOIN client c ON c.id = i.client_id WHERE n.id = $1 AND i.id = n.corrects_id",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Date, _>(today)
    .bind::<Integer, _>(number.year)
    .bind::<BigInt, _>(number.seq)
    .bind::<Text, _>(number.text.clone())
    .execute(tx.conn())?;
    Ok(())
}

/// Every column of a [`CreditNoteRow`].
const CREDIT_NOTE: &str = "SELECT n.id, n.version, n.number, n.issued_on, n.corrects_id, i.number AS corrects_number, \
    i.issued_on AS corrects_issued_on, n.correction_reason AS reason, n.entity_id, n.member_id, n.activity_id, n.client_id, \
    n.title, n.currency, n.supplied_on, n.buyer_reference, n.net_minor, n.tax_minor, n.gross_minor, n.seller_snapshot, \
    n.buyer_snapshot, n.created_at, \
    (SELECT p.number FROM invoice_purchase_order p WHERE p.invoice_id = i.id) AS purchase_order FROM invoice n JOIN invoice i ON i.id = n.corrects_id \
    WHERE n.kind = 'credit_note' AND n.state = 'issued' AND ($1 IS NULL OR n.member_id = $1)";

pub(in crate::invoicing) fn find_credit_note(tx: &mut Tx<'_>, id: InvoiceId) -> Result<CreditNoteRow> {
    let owner = tx.only_owner();
    diesel::sql_query(format!("{CREDIT_NOTE} AND n.id = $2"))
        .bind::<Nullable<SqlUuid>, _>(owner)
        .bind::<SqlUuid, _>(id)
        .get_result(tx.conn())
        .optional()?
        .ok_or_else(Error::not_found)
}

pub(in crate::invoicing) fn list_credit_notes(
    tx: &mut Tx<'_>,
    filter: &CreditNoteFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<CreditNoteRow>> {
    let owner = tx.only_owner();
    Ok(diesel::sql_query(format!(
        "{CREDIT_NOTE} AND ($2 IS NULL OR n.corrects_id = $2) AND ($3 IS NULL OR n.client_id = $3) AND ($4 IS NULL OR n.id < $4) \
         ORDER BY n.id DESC LIMIT $5"
    ))
    .bind::<Nullable<SqlUuid>, _>(owner)
    .bind::<Nullable<SqlUuid>, _>(filter.invoice_id)
    .bind::<Nullable<SqlUuid>, _>(filter.client_id)
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
}

pub(in crate::invoicing) fn list_credit_lines(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Vec<CreditedLine>> {
    Ok(diesel::sql_query(
        "SELECT n, corrects_line FROM invoice_line WHERE invoice_id = $1 AND corrects_line IS NOT NULL ORDER BY n",
    )
    .bind::<SqlUuid, _>(id)
    .load(tx.conn())?)
}

/// Where the member's share came from. What a last credit note frees on the activity is no charge, and not counted.
pub(in crate::invoicing) fn taken_from(tx: &mut Tx<'_>, row: &CreditNoteRow) -> Result<TakenFrom> {
    Ok(diesel::sql_query(
        "SELECT (t.pending + least(0, t.available))::bigint AS pending_minor, greatest(0, t.available)::bigint AS available_minor, \
                t.arrears::bigint AS arrears_minor, \
                coalesce((SELECT o.amount_minor FROM contribution_owed o WHERE o.credit_note_id = $1), 0)::bigint AS owed_minor \
         FROM (SELECT coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'funds.pending'), 0) AS pending, \
                      coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'funds.available'), 0) AS available, \
                      coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'activity_arrears'), 0) AS arrears \
               FROM posting p JOIN journal_entry e ON e.id = p.entry_id \
               WHERE e.source_kind = 'invoice' AND e.source_id = $1 AND e.event = 'credit_note_issued' AND p.activity_id = $2) t",
    )
    .bind::<SqlUuid, _>(row.id)
    .bind::<SqlUuid, _>(row.activity_id)
    .get_result(tx.conn())?)
}

/// Invoices of which clients paid more than is left to pay, newest first.
pub(in crate::invoicing) fn list_client_credits(
    tx: &mut Tx<'_>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ClientCredit>> {
    Ok(diesel::sql_query(
        "SELECT i.id AS invoice_id, i.number, i.entity_id, i.member_id, i.client_id, c.name AS client_name, -o.open_minor AS amount_minor, i.currency \
         FROM invoice_open o JOIN invoice i ON i.id = o.invoice_id JOIN client c ON c.id = i.client_id \
         WHERE o.open_minor < 0 AND ($1 IS NULL OR i.id < $1) ORDER BY i.id DESC LIMIT $2",
    )
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
}
