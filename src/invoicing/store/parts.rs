//! The SQL of parts of orders.

use chrono::NaiveDate;
use diesel::prelude::*;
use umbel_schema::{invoice, invoice_currency, invoice_line, invoice_line_currency, order_part};

use super::INVOICE;
use crate::invoicing::Draft;
use crate::invoicing::rules::{ByCase, InvoiceState, Stage};
use crate::kernel::ids::{InvoiceId, OrderId};
use crate::kernel::money::Minor;
use crate::kernel::vat::VatCase;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// Which part of its order an invoice asks for.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = order_part, check_for_backend(diesel::pg::Pg))]
pub struct PartRow {
    /// Which.
    pub stage: Stage,
    /// Of the whole order; none of a balance and of lines written by hand.
    pub share_ppm: Option<i64>,
}

/// Writes which part of its order a draft asks for, in the place of what it said before.
pub(in crate::invoicing) fn save_part(tx: &mut Tx<'_>, id: InvoiceId, draft: &Draft, is_new: bool) -> Result<()> {
    if !is_new {
        diesel::delete(order_part::table.find(id)).execute(tx.conn())?;
    }
    if draft.stage != Stage::Single {
        diesel::insert_into(order_part::table)
            .values((
                order_part::invoice_id.eq(id),
                order_part::stage.eq(draft.stage),
                order_part::share_ppm.eq(draft.share.map(|share| share.0)),
            ))
            .execute(tx.conn())?;
    }
    Ok(())
}

pub(in crate::invoicing) fn find_part(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Option<PartRow>> {
    Ok(order_part::table.find(id).select(PartRow::as_select()).first(tx.conn()).optional()?)
}

/// An issued invoice of the same order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its number.
    pub number: String,
    /// Its date.
    pub issued_on: NaiveDate,
}

/// What is invoiced of an order by VAT case, less what was credited, `but` one; and the documents that were issued for it.
pub(in crate::invoicing) fn invoiced_by_case(
    tx: &mut Tx<'_>,
    order: OrderId,
    but: Option<InvoiceId>,
) -> Result<(ByCase, Vec<Earlier>)> {
    let mut query = invoice::table
        .filter(invoice::order_id.eq(order))
        .filter(invoice::state.eq_any([InvoiceState::Submitted, InvoiceState::Issued]))
        .order((invoice::series_year.asc(), invoice::seq.asc()))
        .select((invoice::id, invoice::kind, invoice::number, invoice::issued_on))
        .into_boxed();
    if let Some(but) = but {
        query = query.filter(invoice::id.ne(but));
    }
    let documents: Vec<(InvoiceId, String, Option<String>, Option<NaiveDate>)> = query.load(tx.conn())?;
    let ids: Vec<InvoiceId> = documents.iter().map(|(id, ..)| *id).collect();
    // In the currency of the order, which is that of its documents.
    let said = invoice_line_currency::invoice_id
        .eq(invoice_line::invoice_id)
        .and(invoice_line_currency::n.eq(invoice_line::n));
    let lines: Vec<(InvoiceId, VatCase, Minor, Option<Minor>)> = invoice_line::table
        .left_join(invoice_line_currency::table.on(said))
        .filter(invoice_line::invoice_id.eq_any(&ids))
        .select((
            invoice_line::invoice_id,
            invoice_line::vat_case,
            invoice_line::net_minor,
            invoice_line_currency::net_minor.nullable(),
        ))
        .load(tx.conn())?;
    let mut sums = ByCase::new();
    for (id, case, booked, said) in lines {
        let net = said.unwrap_or(booked);
        let is_credit = documents.iter().any(|(of, kind, ..)| *of == id && kind != INVOICE);
        let sum = sums.entry(case).or_default();
        *sum = if is_credit { sum.minus(net)? } else { sum.plus(net)? };
    }
    let issued = documents.into_iter().filter(|(_, kind, ..)| kind == INVOICE);
    let issued = issued.filter_map(|(_, _, number, on)| Some(Earlier { number: number?, issued_on: on? }));
    Ok((sums, issued.collect()))
}

/// What is invoiced of an order, less what was credited, in its currency; `but` one.
pub(in crate::invoicing) fn invoiced_of_order(tx: &mut Tx<'_>, order: OrderId, but: InvoiceId) -> Result<Minor> {
    // In the currency of the order, which is that of its documents.
    let nets: Vec<(String, Minor, Option<Minor>)> = invoice::table
        .left_join(invoice_currency::table)
        .filter(invoice::order_id.eq(order))
        .filter(invoice::state.eq_any([InvoiceState::Submitted, InvoiceState::Issued]))
        .filter(invoice::id.ne(but))
        .select((invoice::kind, invoice::net_minor, invoice_currency::net_minor.nullable()))
        .load(tx.conn())?;
    // What is credited is free to be invoiced again.
    let signed = |(kind, net, said): (String, Minor, Option<Minor>)| {
        let net = said.unwrap_or(net);
        if kind == INVOICE { Ok(net) } else { net.negated() }
    };
    let nets: Vec<Minor> = nets.into_iter().map(signed).collect::<Result<_, _>>()?;
    Ok(Minor::sum(nets)?)
}
