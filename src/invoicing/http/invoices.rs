//! The counter for invoices.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, patch, post};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::views::{InvoiceSummary, InvoiceView};
use crate::access::{Member, MemberOrDesk, Reviewer};
use crate::clients::{self, VatRegistry};
use crate::invoicing::{self, Draft, Filter, Invoice, InvoiceState, Settlement, Stage};
use crate::kernel::ids::{ActivityId, ClientId, InvoiceId, OrderId};
use crate::kernel::lines::{self, Adjustment, DocumentLine};
use crate::kernel::money::{Currency, Ppm};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, Patch, QueryOf};

crate::endpoints!(
    create_invoice,
    list_invoices,
    show_invoice,
    revise_invoice,
    submit_invoice,
    return_invoice,
    discard_invoice,
    issue_invoice,
    self_issue_invoice,
);

/// What an invoice says. With an `order_id`, what is left out is taken from the order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InvoiceBody {
    /// Made by the sender; needed to create, not to revise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<InvoiceId>,
    /// The order that it invoices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    /// Which activity it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    activity_id: Option<ActivityId>,
    /// Who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<ClientId>,
    /// One line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    title: Option<String>,
    /// The last day of work: the tax point, and where the promised day counts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    supplied_on: Option<NaiveDate>,
    /// What the buyer wants to read on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 50)]
    buyer_reference: Option<String>,
    /// Which part of its order it asks for; `single` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    stage: Option<Stage>,
    /// Of a deposit or an intermediate invoice without `lines`: which part of the whole order, as a decimal fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "0.30")]
    share: Option<String>,
    /// The number of the buyer's purchase order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 50)]
    purchase_order: Option<String>,
    /// Of every amount (ISO 4217): that of its order, or the euro. The books are in euro, by the rate of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "EUR")]
    currency: Option<Currency>,
    /// What is sold, in that currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 1000)]
    lines: Option<Vec<DocumentLine>>,
    /// Discounts and charges on all lines of a VAT case; those of the order only with its lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 10)]
    adjustments: Option<Vec<Adjustment>>,
}

impl InvoiceBody {
    /// The draft: what is said, and from the order what is not.
    fn draft(self, tx: &mut Tx<'_>, but: Option<InvoiceId>) -> Result<Draft> {
        let stage = self.stage.unwrap_or(Stage::Single);
        let from_order = match (self.order_id, &self.lines) {
            (Some(order), None) => {
                Some(invoicing::draft_of_part(tx, order, stage, share(self.share.as_deref())?, but)?)
            }
            (_, Some(_)) if self.share.is_some() => return Err(Error::field("/share", "not_allowed")),
            (Some(order), Some(_)) => Some(invoicing::draft_from_order(tx, order)?),
            (None, _) => None,
        };
        let missing = |pointer: &'static str| move || Error::field(pointer, "required");
        let base = from_order.as_ref();
        if base.is_some_and(|order| self.currency.is_some_and(|currency| currency != order.currency)) {
            return Err(Error::field("/currency", "not_allowed"));
        }
        Ok(Draft {
            order: self.order_id,
            activity: self.activity_id.or(base.map(|d| d.activity)).ok_or_else(missing("/activity_id"))?,
            client: self.client_id.or(base.map(|d| d.client)).ok_or_else(missing("/client_id"))?,
            title: self.title.or_else(|| base.map(|d| d.title.clone())).ok_or_else(missing("/title"))?,
            currency: self.currency.or(base.map(|d| d.currency)).unwrap_or(Currency::EUR),
            supplied_on: self.supplied_on.or(base.map(|d| d.supplied_on)).ok_or_else(missing("/supplied_on"))?,
            buyer_reference: self.buyer_reference.or_else(|| base.and_then(|d| d.buyer_reference.clone())),
            stage,
            share: base.and_then(|d| d.share),
            purchase_order: self.purchase_order.or_else(|| base.and_then(|d| d.purchase_order.clone())),
            adjustments: match (self.adjustments, &self.lines, base) {
                (Some(adjustments), _, _) => adjustments,
                (None, None, Some(base)) => base.adjustments.clone(),
                (None, _, _) => Vec::new(),
            },
            lines: self.lines.or_else(|| base.map(|d| d.lines.clone())).ok_or_else(missing("/lines"))?,
        })
    }
}

impl From<Invoice> for InvoiceBody {
    fn from(invoice: Invoice) -> Self {
        let said = invoice.shown();
        let row = invoice.row;
        let (lines, adjustments) = lines::apart(&said.lines, said.currency);
        Self {
            id: None,
            order_id: row.order_id,
            activity_id: Some(row.activity_id),
            client_id: Some(row.client_id),
            currency: Some(said.currency),
            lines: Some(lines),
            adjustments: Some(adjustments),
            purchase_order: invoice.purchase_order,
            title: Some(row.title),
            supplied_on: Some(row.supplied_on),
            buyer_reference: row.buyer_reference,
            stage: invoice.part.map(|part| part.stage),
            share: None,
        }
    }
}

/// The part of an order that a deposit asks for: above none of it and at most all.
fn share(text: Option<&str>) -> Result<Option<Ppm>> {
    let Some(text) = text else { return Ok(None) };
    let share = Ppm::from_fraction(text).filter(|share| (1..=1_000_000).contains(&share.0));
    share.map(Some).ok_or_else(|| Error::field("/share", "out_of_range"))
}

pub(super) fn load(tx: &mut Tx<'_>, id: InvoiceId) -> Result<InvoiceView> {
    InvoiceView::new(invoicing::find(tx, id)?)
}

/// Makes a draft, from an order or alone. It has no number.
#[utoipa::path(tag = "invoices", request_body = InvoiceBody, responses((status = 201, body = InvoiceView)),
    extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/invoices")]
async fn create_invoice(who: Member, db: Data<Db>, command: Command<InvoiceBody>) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "create_invoice", "/v1/invoices", |tx, body| {
            let id = body.id.ok_or_else(|| Error::field("/id", "required"))?;
            let draft = body.draft(tx, None)?;
            InvoiceView::new(invoicing::create(tx, id, &draft)?)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct InvoiceFilter {
    /// Only in this state.
    #[param(inline)]
    state: Option<InvoiceState>,
    /// Only with this settlement.
    #[param(inline)]
    settlement: Option<Settlement>,
    /// Only for this client.
    client_id: Option<ClientId>,
    /// Only issued ones that are past due and not paid.
    #[serde(default)]
    overdue: bool,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists invoices, newest first.
#[utoipa::path(tag = "invoices", params(InvoiceFilter), responses((status = 200, body = Page<InvoiceSummary>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices")]
async fn list_invoices(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<InvoiceFilter>,
) -> Result<Json<Page<InvoiceSummary>>> {
    let query = query.0;
    let (state, settlement) = (query.state, query.settlement);
    let filter = Filter { state, settlement, client_id: query.client_id, is_overdue: query.overdue };
    let listing = Listing::new(&keys, who.person(), "invoices", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = invoicing::list(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.0.id.0, InvoiceSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows an invoice: totals, what the mutual keeps, when the money comes.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path)), responses((status = 200, body = InvoiceView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}")]
async fn show_invoice(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<Json<InvoiceView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Rewrites a draft.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path)),
    request_body(content = InvoiceBody, content_type = "application/merge-patch+json"),
    responses((status = 200, body = InvoiceView)), extensions(("x-roles" = json!(["member"]))))]
#[patch("/v1/invoices/{id}")]
async fn revise_invoice(
    who: Member,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<Patch>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "revise_invoice", id.into_inner(), load, |tx, id, expected, body| {
            let body = body.apply(&InvoiceBody::from(invoicing::find(tx, id)?))?;
            let draft = body.draft(tx, Some(id))?;
            InvoiceView::new(invoicing::revise(tx, id, expected, &draft)?)
        })
        .await
}

/// Hands a draft to the office.
///
/// The VAT number of a buyer who accounts for the tax is asked about first, outside every transaction; what the registry
/// answers is kept, and frozen with the invoice when it is issued.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path)), request_body = Empty,
    responses((status = 200, body = InvoiceView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/invoices/{id}/submit")]
async fn submit_invoice(
    who: Member,
    db: Data<Db>,
    id: Path<InvoiceId>,
    registry: Data<dyn VatRegistry>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    let asked = db.write(who.clone().into(), move |tx| invoicing::vat_number_to_prove(tx, id)).await?;
    let proof = match asked {
        Some((client, number)) => tokio::task::spawn_blocking(move || {
            let answer = registry.ask(&number);
            Some((client, number, answer))
        })
        .await
        .map_err(Error::internal)?,
        None => None,
    };
    command
        .change(&db, who.into(), "submit_invoice", id, load, move |tx, id, expected, _| {
            if let Some((client, number, answer)) = &proof {
                clients::keep_answer(tx, *client, number, answer)?;
            }
            InvoiceView::new(invoicing::submit(tx, id, expected)?)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReturnInvoice {
    /// What the member should mend.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Gives a submitted invoice back to its member, with the reason.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path)), request_body = ReturnInvoice,
    responses((status = 200, body = InvoiceView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/invoices/{id}/return")]
async fn return_invoice(
    who: Reviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<ReturnInvoice>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "return_invoice", id.into_inner(), load, |tx, id, expected, body| {
            InvoiceView::new(invoicing::give_back(tx, id, expected, &body.reason)?)
        })
        .await
}

/// Throws a draft away.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path)), request_body = Empty,
    responses((status = 200, body = InvoiceView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/invoices/{id}/discard")]
async fn discard_invoice(
    who: Member,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "discard_invoice", id.into_inner(), load, |tx, id, expected, _| {
            InvoiceView::new(invoicing::discard(tx, id, expected)?)
        })
        .await
}

/// Issues a submitted invoice: it is booked, numbered, and its mail is queued.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = InvoiceView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/invoices/{id}/issue")]
async fn issue_invoice(
    who: Reviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "issue_invoice", id.into_inner(), load, |tx, id, expected, _| {
            InvoiceView::new(invoicing::issue(tx, id, expected)?)
        })
        .await
}

/// Issues one's own invoice without the office, up to one's ceiling: a draft or one that waits.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = InvoiceView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/invoices/{id}/self_issue")]
async fn self_issue_invoice(
    who: Member,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "self_issue_invoice", id.into_inner(), load, |tx, id, expected, _| {
            InvoiceView::new(invoicing::self_issue(tx, id, expected)?)
        })
        .await
}
