//! Documents in another currency than that of the books.
//!
//! `invoice` and its lines keep the euro that are booked; beside them (`invoice_currency`, `invoice_line_currency`,
//! `invoice_tax_currency`) stands what the document says, with the rate. The rate is that of the tax point, or of today
//! where the work is still to be done; it is provisional until the document is issued, and a credit note has that of its
//! invoice.

use chrono::NaiveDate;

use super::credit::CreditNote;
use super::rules;
use super::store::{self, DocumentLineRow, InvoiceLineRow, IssueContext, TaxRow};
use super::{Draft, Invoice, InvoiceRow, InvoiceState};
use crate::charter::{self, exchange, exchange::ExchangeRateRow};
use crate::kernel::ids::{EntityId, InvoiceId};
use crate::kernel::lines::{self, Adjustment, DocumentLine, Record};
use crate::kernel::money::{Currency, Minor, split};
use crate::kernel::vat::Totals;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// What a document says in its own currency, and by which rate it is booked.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// Which currency.
    pub currency: Currency,
    /// The rate; provisional until the document is issued.
    pub rate: ExchangeRateRow,
    /// Without VAT.
    pub net: Minor,
    /// VAT.
    pub tax: Minor,
    /// With VAT.
    pub gross: Minor,
    /// VAT by case and rate.
    pub taxes: Vec<TaxRow>,
    lines: Vec<DocumentLineRow>,
}

/// A document as people read it: every amount in its own currency.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Of every amount.
    pub currency: Currency,
    /// Its rows.
    pub lines: Vec<InvoiceLineRow>,
    /// VAT by case and rate.
    pub taxes: Vec<TaxRow>,
    /// Without VAT.
    pub net: Minor,
    /// VAT.
    pub tax: Minor,
    /// With VAT.
    pub gross: Minor,
    /// The VAT in euro and the rate, where the document is in another currency.
    pub in_euro: Option<(Minor, ExchangeRateRow)>,
}

impl Foreign {
    /// The rows as the document says them.
    #[must_use]
    pub fn lines(&self, booked: &[InvoiceLineRow]) -> Vec<InvoiceLineRow> {
        let said = |row: &InvoiceLineRow| match self.lines.iter().find(|line| line.n == row.n) {
            Some(line) => InvoiceLineRow {
                unit_price_minor: line.unit_price_minor,
                unit_price_e4: line.unit_price_e4,
                adjustments: line.adjustments.clone(),
                net_minor: line.net_minor,
                ..row.clone()
            },
            None => row.clone(),
        };
        booked.iter().map(said).collect()
    }

    fn shown(&self, booked: &[InvoiceLineRow], tax_in_euro: Minor) -> Shown {
        Shown {
            currency: self.currency,
            lines: self.lines(booked),
            taxes: self.taxes.clone(),
            net: self.net,
            tax: self.tax,
            gross: self.gross,
            in_euro: Some((tax_in_euro, self.rate.clone())),
        }
    }
}

impl Invoice {
    /// The invoice as its client reads it.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let row = &self.row;
        match &self.foreign {
            Some(foreign) => foreign.shown(&self.lines, row.tax_minor),
            None => Shown {
                currency: row.currency,
                lines: self.lines.clone(),
                taxes: self.taxes.clone(),
                net: row.net_minor,
                tax: row.tax_minor,
                gross: row.gross_minor,
                in_euro: None,
            },
        }
    }

    /// What the client still owes in the currency of the document: as much of it as is open of what is booked.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn open_shown(&self) -> Result<Minor> {
        let (open, booked) = (self.open.amount, self.row.gross_minor);
        let Some(foreign) = self.foreign.as_ref() else { return Ok(open) };
        if open <= Minor::ZERO || open >= booked {
            return Ok(if open <= Minor::ZERO { Minor::ZERO } else { foreign.gross });
        }
        let weights = [open.get().unsigned_abs(), booked.minus(open)?.get().unsigned_abs()];
        Ok(split(foreign.gross, &weights)?.first().copied().unwrap_or_default())
    }
}

impl CreditNote {
    /// The credit note as its client reads it.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let row = &self.row;
        match &self.foreign {
            Some(foreign) => foreign.shown(&self.lines, row.tax_minor),
            None => Shown {
                currency: row.currency,
                lines: self.lines.clone(),
                taxes: self.taxes.clone(),
                net: row.net_minor,
                tax: row.tax_minor,
                gross: row.gross_minor,
                in_euro: None,
            },
        }
    }
}

/// A draft as it is booked, and beside it what it says where that is in another currency.
#[derive(Debug, Clone)]
pub(super) struct Booked {
    /// What it comes to in euro.
    pub totals: Totals,
    /// Its rows in euro.
    pub records: Vec<Record>,
    document: Option<(Currency, ExchangeRateRow, Totals, Vec<Record>)>,
}

impl Booked {
    /// Whether the document is in another currency.
    pub const fn is_foreign(&self) -> bool {
        self.document.is_some()
    }
}

/// The day of the rate: the tax point, or today where the work is still to be done.
fn rate_day(tx: &mut Tx<'_>, entity: EntityId, supplied_on: NaiveDate) -> Result<NaiveDate> {
    let zone = charter::entity(tx, entity)?.zone();
    Ok(supplied_on.min(tx.today(zone)))
}

/// Whether a document may be in a currency, and in that of its order.
pub(super) fn check_currency(tx: &mut Tx<'_>, currency: Currency, of_order: Option<Currency>) -> Result<()> {
    if !exchange::is_currency(tx, currency)? {
        return Err(Error::field("/currency", "invalid"));
    }
    if of_order.is_some_and(|of_order| of_order != currency) {
        return Err(Error::field("/currency", "not_allowed"));
    }
    Ok(())
}

/// What a draft that comes to `totals` in its own currency is in the books.
pub(super) fn book(tx: &mut Tx<'_>, entity: EntityId, draft: &Draft, totals: Totals) -> Result<Booked> {
    let day =
        if draft.currency == Currency::EUR { draft.supplied_on } else { rate_day(tx, entity, draft.supplied_on)? };
    book_on(tx, draft.currency, (&draft.lines, &draft.adjustments), totals, day)
}

fn book_on(
    tx: &mut Tx<'_>,
    currency: Currency,
    (lines, adjustments): (&[DocumentLine], &[Adjustment]),
    totals: Totals,
    day: NaiveDate,
) -> Result<Booked> {
    let records = lines::records(lines, adjustments, &totals)?;
    if currency == Currency::EUR {
        return Ok(Booked { totals, records, document: None });
    }
    let rate = exchange::rate_on(tx, currency, day)?;
    let (booked, in_euro) = rules::in_euro(&records, &totals.taxes, rate.exact()?, currency)?;
    Ok(Booked { totals: in_euro, records: booked, document: Some((currency, rate, totals, records)) })
}

/// Writes what a draft says in another currency, in the place of what it said before.
pub(super) fn save(tx: &mut Tx<'_>, id: InvoiceId, booked: &Booked, is_new: bool) -> Result<()> {
    if !is_new {
        store::delete_document(tx, id)?;
    }
    if let Some((currency, rate, totals, records)) = &booked.document {
        store::insert_document(tx, id, (*currency, rate.id), totals, records)?;
    }
    Ok(())
}

/// What a document says in its own currency; nothing where that is the euro. Before it is issued, its VAT is worked out.
pub(super) fn load(tx: &mut Tx<'_>, row: &InvoiceRow, booked: &[InvoiceLineRow]) -> Result<Option<Foreign>> {
    let Some(mut foreign) = load_issued(tx, row.id)? else { return Ok(None) };
    if row.state != InvoiceState::Issued {
        let totals = document_totals(tx, row, &foreign, booked)?;
        foreign.taxes = totals.taxes.iter().map(|tax| TaxRow::preview(row.id, tax)).collect();
    }
    Ok(Some(foreign))
}

/// As [`load`], of an issued document.
pub(super) fn load_issued(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Option<Foreign>> {
    let Some(document) = store::find_document(tx, id)? else { return Ok(None) };
    let rate = exchange::rate(tx, document.exchange_rate_id)?;
    let lines = store::list_document_lines(tx, id)?;
    let taxes = store::list_document_taxes(tx, id)?;
    let (net, tax, gross) = (document.net_minor, document.tax_minor, document.gross_minor);
    Ok(Some(Foreign { currency: document.currency, rate, net, tax, gross, taxes, lines }))
}

/// What a document that is not issued yet comes to in its own currency, at the VAT rates of its tax point.
fn document_totals(tx: &mut Tx<'_>, row: &InvoiceRow, foreign: &Foreign, booked: &[InvoiceLineRow]) -> Result<Totals> {
    let country = charter::entity(tx, row.entity_id)?.country;
    let rates = charter::vat_rates(tx, &country, row.supplied_on)?;
    let (document, adjustments) = lines::apart(&foreign.lines(booked), foreign.currency);
    Ok(lines::totals(&document, &adjustments, &rates)?)
}

/// A document in another currency at the moment of its issue: converted by the rate that counts now.
///
/// # Errors
/// 409 `exchange_rate_missing`; `totals_changed` when the VAT rates changed between writing and issuing.
pub(super) fn at_issue(
    tx: &mut Tx<'_>,
    invoice: &InvoiceRow,
    context: &mut IssueContext,
    today: NaiveDate,
) -> Result<Option<(Foreign, Totals)>> {
    if !context.is_foreign {
        return Ok(None);
    }
    let said = load_issued(tx, invoice.id)?.ok_or_else(|| Error::internal("a document has its currency"))?;
    let (document, adjustments) = lines::apart(&said.lines(&context.lines), said.currency);
    let totals = lines::totals(&document, &adjustments, &context.rates)?;
    if (totals.net, totals.tax) != (said.net, said.tax) {
        return Err(Error::conflict("totals_changed").with("tax_minor", totals.tax.get()));
    }
    let day = invoice.supplied_on.min(today);
    let booked = book_on(tx, said.currency, (&document, &adjustments), totals.clone(), day)?;
    let rate = booked.document.as_ref().map(|(_, rate, ..)| rate.id);
    if rate != Some(said.rate.id) {
        store::delete_lines(tx, invoice.id)?;
        context.lines = store::insert_lines(tx, invoice.id, &booked.records)?;
        save(tx, invoice.id, &booked, false)?;
    }
    let mut foreign = load_issued(tx, invoice.id)?.ok_or_else(|| Error::internal("a document has its currency"))?;
    let category = |case| context.terms.get(&case).map(|terms| terms.category.clone()).unwrap_or_default();
    let tax = |tax| TaxRow { invoice_id: invoice.id, ..TaxRow::preview(invoice.id, tax) };
    foreign.taxes = totals.taxes.iter().map(|of| TaxRow { category: category(of.case), ..tax(of) }).collect();
    Ok(Some((foreign, booked.totals)))
}
