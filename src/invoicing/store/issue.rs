//! The SQL of issuing: what it reads, in one statement, and what it writes, the number last.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use umbel_schema::invoice;

use super::{InvoiceLineRow, InvoiceRow};
use crate::charter::VatTariff;
use crate::invoicing::rules::{InvoiceState, Issued, Template, payment_reference};
use crate::kernel::calendar::Holidays;
use crate::kernel::ids::{BankAccountId, ChargeId, EntityId, RuleSetId};
use crate::kernel::levies::Term;
use crate::kernel::money::Ppm;
use crate::kernel::peppol::Participant;
use crate::kernel::vat::VatCase;
use crate::named;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::prepared::Prepare;

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
    /// What it reads beside that.
    #[serde(default)]
    pub second_language: Option<String>,
    /// GS1 location number.
    #[serde(default)]
    pub gln: Option<String>,
    /// Where electronic invoices reach it, if not under its registered number.
    #[serde(default)]
    pub electronic_address: Option<String>,
    /// Whom to ask.
    #[serde(default)]
    pub contact_name: Option<String>,
    /// At which telephone number.
    #[serde(default)]
    pub contact_phone: Option<String>,
    /// What the VAT registry last answered about the number, of a buyer who accounts for the tax: the proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat_proof: Option<VatProof>,
}

/// An answer of the VAT registry, frozen with the document that rests on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VatProof {
    /// The number that was asked about.
    pub vat_number: String,
    /// `valid`, or `unavailable` when the registry did not answer.
    pub outcome: String,
    /// Whose it is, where the country tells.
    pub registered_name: Option<String>,
    /// Which register answered.
    pub source: String,
    /// The register's own number of the answer.
    pub consultation: Option<String>,
    /// When.
    pub checked_at: DateTime<Utc>,
}

impl PartySnapshot {
    /// Where electronic documents reach it: where it says, or where it is found by its numbers.
    #[must_use]
    pub fn participant(&self) -> Option<Participant> {
        let named = self.electronic_address.as_deref().and_then(Participant::parse);
        let (number, vat_number) = (self.enterprise_number.as_deref(), self.vat_number.as_deref());
        named.or_else(|| Participant::by_default(&self.country, number, vat_number, self.gln.as_deref()))
    }
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
    /// The buyer's purchase order.
    pub purchase_order: Option<String>,
    /// Where the money goes.
    pub bank_account_id: BankAccountId,
    /// Its IBAN and BIC.
    pub account: (String, Option<String>),
    /// By which rules.
    pub rule_set_id: RuleSetId,
    /// Days to pay.
    pub payment_terms_days: i32,
    /// Working days to the promised day.
    pub advance_working_days: i32,
    /// What the mutual keeps of this activity today.
    pub levies: Vec<Term>,
    /// VAT rates on the tax point.
    pub rates: BTreeMap<VatCase, Ppm>,
    /// EN 16931 categories of the cases, with why they bear no tax.
    pub terms: BTreeMap<VatCase, CaseTerms>,
    /// Holidays of the entity's country.
    pub holidays: Holidays,
    /// Whether the guarantee covers the order.
    pub is_covered: bool,
    /// Whether it says its amounts in another currency.
    pub is_foreign: bool,
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
    #[diesel(sql_type = Nullable<SqlUuid>)]
    bank_account_id: Option<BankAccountId>,
    #[diesel(sql_type = Nullable<Text>)]
    purchase_order: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    iban: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    bic: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
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
    is_foreign: bool,
    #[diesel(sql_type = Bool)]
    is_closed: bool,
    #[diesel(sql_type = Jsonb)]
    lines: Value,
}

/// What documents say about a VAT case beside its rate.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CaseTerms {
    /// EN 16931 category.
    pub category: String,
    /// Why no tax is due, from the VATEX list.
    #[serde(default)]
    pub vatex: Option<String>,
    /// The legal mention by language.
    #[serde(default)]
    pub mentions: BTreeMap<String, String>,
    /// Whether a line must say why it applies.
    #[serde(default)]
    pub needs_justification: bool,
}

impl From<&VatTariff> for CaseTerms {
    fn from(tariff: &VatTariff) -> Self {
        Self {
            category: tariff.category.clone(),
            vatex: tariff.vatex.clone(),
            mentions: tariff.mentions.clone(),
            needs_justification: tariff.needs_justification,
        }
    }
}

#[derive(Deserialize)]
struct RateJson {
    vat_case: VatCase,
    rate_ppm: i64,
    #[serde(flatten)]
    terms: CaseTerms,
}

named! {
    /// Documents that are numbered together, in their own order. The stored name is the kind of its documents.
    Series {
        /// Invoices: `2026-0001` unless the entity writes them otherwise.
        Invoice = "invoice",
        /// Credit notes: `C2026-0001` unless the entity writes them otherwise.
        CreditNote = "credit_note",
        /// Invoices between members of one legal person: `I2026-0001` unless the entity writes them otherwise.
        Internal = "internal_invoice",
    }
}

impl Series {
    /// How its numbers are written where the entity said nothing.
    #[must_use]
    pub const fn default_template(self) -> &'static str {
        match self {
            Self::Invoice => "{YYYY}-{SEQ:4}",
            Self::CreditNote => "C{YYYY}-{SEQ:4}",
            Self::Internal => "I{YYYY}-{SEQ:4}",
        }
    }
}

/// The number that a document got.
#[derive(Debug, Clone)]
pub struct Number {
    /// Of which year.
    pub year: i32,
    /// Its place in the series.
    pub seq: i64,
    /// As it stands on the document.
    pub text: String,
}

/// Reads across the tables of other rooms, in one statement instead of nine: the only store that does. The activity
/// is held, so that it cannot be closed in the same moment.
pub(in crate::invoicing) fn issue_context(tx: &mut Tx<'_>, row: &Locked<InvoiceRow>) -> Result<IssueContext> {
    let found: ContextRow = diesel::sql_query(
        "SELECT to_jsonb(e) AS seller, to_jsonb(c) AS buyer, c.kind AS buyer_kind, e.zone, b.id AS bank_account_id, b.iban, b.bic, \
                (SELECT p.number FROM invoice_purchase_order p WHERE p.invoice_id = i.id) AS purchase_order, \
                r.id AS rule_set_id, coalesce(r.payment_terms_days, 0) AS payment_terms_days, \
                coalesce(r.advance_working_days, 0) AS advance_working_days, coalesce(d.eligible, false) AS is_covered, \
                a.closed_at IS NOT NULL AS is_closed, \
                EXISTS (SELECT FROM invoice_currency f WHERE f.invoice_id = i.id) AS is_foreign, \
                levies_for(a.id, r.id, t.today) AS levies, \
                coalesce((SELECT jsonb_agg(to_jsonb(v)) \
                          FROM vat_rate v WHERE v.country = e.country AND v.valid_from <= i.supplied_on \
                            AND (v.valid_until IS NULL OR v.valid_until > i.supplied_on)), '[]') AS rates, \
                ARRAY(SELECT h.day FROM holiday h WHERE h.country = e.country \
                        AND h.day BETWEEN t.today - 7 AND greatest(t.today, i.supplied_on) + 200) AS holidays, \
                (SELECT jsonb_agg(jsonb_build_object('n', x.n, 'label', x.label, 'quantity', x.quantity::text, \
                          'unit_price_minor', x.unit_price_minor, 'vat_case', x.vat_case, 'net_minor', x.net_minor, 'kind', x.kind, \
                          'unit', x.unit, 'unit_price_e4', x.unit_price_e4, 'adjustments', x.adjustments, \
                          'vat_justification', x.vat_justification) ORDER BY x.n) \
                 FROM invoice_line x WHERE x.invoice_id = i.id) AS lines \
         FROM invoice i JOIN entity e ON e.id = i.entity_id JOIN client c ON c.id = i.client_id \
              JOIN activity a ON a.id = i.activity_id \
         CROSS JOIN LATERAL (SELECT (umbel_now() AT TIME ZONE e.zone)::date AS today) t \
         LEFT JOIN orders o ON o.id = i.order_id LEFT JOIN guarantee_decision d ON d.order_id = i.order_id \
         LEFT JOIN LATERAL (SELECT id, iban, bic FROM entity_bank_account WHERE entity_id = e.id AND currency = i.currency \
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
    Ok(IssueContext {
        seller: serde_json::from_value(found.seller)?,
        buyer: serde_json::from_value(found.buyer)?,
        buyer_kind: found.buyer_kind,
        bank_account_id: found.bank_account_id.ok_or_else(|| Error::conflict("bank_account_missing"))?,
        purchase_order: found.purchase_order,
        account: (found.iban.unwrap_or_default(), found.bic),
        rule_set_id: found.rule_set_id.ok_or_else(|| Error::conflict("rule_set_missing"))?,
        payment_terms_days: found.payment_terms_days,
        advance_working_days: found.advance_working_days,
        levies: serde_json::from_value(found.levies)?,
        rates: rates.iter().map(|rate| (rate.vat_case, Ppm(rate.rate_ppm))).collect(),
        terms: rates.into_iter().map(|rate| (rate.vat_case, rate.terms)).collect(),
        holidays: found.holidays.into_iter().collect(),
        is_covered: found.is_covered,
        is_foreign: found.is_foreign,
        lines: serde_json::from_value(found.lines)?,
        zone: found.zone,
    })
}

#[derive(QueryableByName)]
struct PartiesRow {
    #[diesel(sql_type = Jsonb)]
    seller: Value,
    #[diesel(sql_type = Jsonb)]
    buyer: Value,
}

/// Who sells and who buys, as they would stand on the document today.
pub(in crate::invoicing) fn parties(tx: &mut Tx<'_>, row: &InvoiceRow) -> Result<(PartySnapshot, PartySnapshot)> {
    let found: PartiesRow = diesel::sql_query(
        "SELECT to_jsonb(e) AS seller, to_jsonb(c) AS buyer FROM entity e, client c WHERE e.id = $1 AND c.id = $2",
    )
    .bind::<SqlUuid, _>(row.entity_id)
    .bind::<SqlUuid, _>(row.client_id)
    .get_result(tx.conn())?;
    Ok((serde_json::from_value(found.seller)?, serde_json::from_value(found.buyer)?))
}

/// VAT and what the mutual keeps, in one statement.
pub(in crate::invoicing) fn insert_issue_parts(
    tx: &mut Tx<'_>,
    row: &Locked<InvoiceRow>,
    context: &IssueContext,
    issued: &Issued,
) -> Result<()> {
    let taxes = &issued.totals.taxes;
    let charges = &issued.charges;
    let bases =
        charges.iter().map(|charge| serde_json::to_value(&charge.basis)).collect::<std::result::Result<Vec<_>, _>>()?;
    let category = |case| context.terms.get(&case).map(|terms| terms.category.clone()).unwrap_or_default();
    diesel::sql_query(
        "WITH taxed AS (INSERT INTO invoice_tax (invoice_id, vat_case, category, rate_ppm, base_minor, tax_minor) \
             SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])) \
         INSERT INTO levy_charge (source_kind, source_id, invoice_id, entity_id, activity_id, member_id, rule_set_id, charged_on, \
                                  id, kind, base_minor, rate_ppm, amount_minor, uncapped_minor, basis) \
         SELECT 'invoice', $1, $1, $7, $8, $9, $10, $11, * \
         FROM unnest($12::uuid[], $13::text[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::jsonb[])",
    )
    .bind::<SqlUuid, _>(row.id)
    .bind::<Array<Text>, _>(taxes.iter().map(|tax| tax.case).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(taxes.iter().map(|tax| category(tax.case)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(taxes.iter().map(|tax| tax.rate.0).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(taxes.iter().map(|tax| tax.base).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(taxes.iter().map(|tax| tax.tax).collect::<Vec<_>>())
    .bind::<SqlUuid, _>(row.entity_id)
    .bind::<SqlUuid, _>(row.activity_id)
    .bind::<SqlUuid, _>(row.member_id)
    .bind::<SqlUuid, _>(context.rule_set_id)
    .bind::<Date, _>(issued.issued_on)
    .bind::<Array<SqlUuid>, _>(charges.iter().map(|_| tx.new_id::<ChargeId>()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(charges.iter().map(|charge| charge.kind).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(charges.iter().map(|charge| charge.base).collect::<Vec<_>>())
    .bind::<Array<Nullable<BigInt>>, _>(charges.iter().map(|charge| charge.rate.map(|rate| rate.0)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(charges.iter().map(|charge| charge.amount).collect::<Vec<_>>())
    .bind::<Array<Nullable<BigInt>>, _>(charges.iter().map(|charge| charge.uncapped).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(bases)
    .prepared()
    .execute(tx.conn())?;
    Ok(())
}

#[derive(QueryableByName)]
struct Seq {
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = Nullable<Text>)]
    template: Option<String>,
}

/// The next number of a series. From here to the commit nobody else issues in this series.
pub(in crate::invoicing) fn take_number(
    tx: &mut Tx<'_>,
    entity: EntityId,
    series: Series,
    today: NaiveDate,
) -> Result<Number> {
    use chrono::Datelike;
    let year = today.year();
    let taken: Option<Seq> = diesel::sql_query(
        "INSERT INTO document_series (entity_id, series, year, last_seq, last_issued_on) VALUES ($1, $2, $3, 1, $4) \
         ON CONFLICT (entity_id, series, year) DO UPDATE \
         SET last_seq = document_series.last_seq + 1, last_issued_on = excluded.last_issued_on \
         WHERE document_series.last_issued_on <= excluded.last_issued_on \
         RETURNING last_seq, (SELECT t.template FROM number_template t \
             WHERE t.entity_id = $1 AND t.series = $2 AND t.from_year <= $3 ORDER BY t.from_year DESC LIMIT 1) AS template",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(series.name())
    .bind::<Integer, _>(year)
    .bind::<Date, _>(today)
    .prepared()
    .get_result(tx.conn())
    .optional()?;
    let taken = taken.ok_or_else(|| Error::conflict("issue_date_before_last"))?;
    let template = Template::parse(taken.template.as_deref().unwrap_or(series.default_template()))?;
    Ok(Number { year, seq: taken.last_seq, text: template.number(year, taken.last_seq) })
}

/// Writes what makes it a legal document. After this the row never changes.
pub(in crate::invoicing) fn seal(
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
            (
                invoice::net_minor.eq(issued.totals.net),
                invoice::tax_minor.eq(issued.totals.tax),
                invoice::gross_minor.eq(issued.totals.gross),
            ),
            invoice::advance_due_on.eq(issued.advance_due_on),
            invoice::series_year.eq(number.year),
            invoice::seq.eq(number.seq),
            invoice::number.eq(&number.text),
            invoice::payment_reference.eq(reference.digits()),
            invoice::seller_snapshot.eq(serde_json::to_value(&context.seller)?),
            invoice::buyer_snapshot.eq(serde_json::to_value(&context.buyer)?),
        ))
        .returning(InvoiceRow::as_returning())
        .prepared()
        .get_result(tx.conn())?)
}
