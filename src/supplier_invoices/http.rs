//! The counter for suppliers' electronic invoices.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    AsCost, AsCredit, Becomes, Received, Summary, SupplierDocument, SupplierInvoiceFilter, SupplierInvoiceRow,
    SupplierInvoiceState,
};
use crate::access::{Desk, Reviewer};
use crate::kernel::ids::{ActivityId, CostCreditId, CostId, EntityId, PersonId, PoolId, SupplierInvoiceId};
use crate::kernel::money::{Minor, Money};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf, Upload, attachment, hex};

crate::endpoints!(
    receive_supplier_invoice,
    list_supplier_invoices,
    show_supplier_invoice,
    download_supplier_invoice,
    match_supplier_invoice,
    reject_supplier_invoice,
);

/// An electronic invoice of a supplier.
#[derive(Debug, Serialize, ToSchema)]
pub struct SupplierInvoiceSummary {
    /// Its id.
    pub id: SupplierInvoiceId,
    /// To whom it is addressed.
    pub entity_id: EntityId,
    /// What it is.
    pub kind: SupplierDocument,
    /// `ubl_invoice`, `ubl_credit_note` or `cii`.
    pub syntax: String,
    /// Who sent it.
    pub supplier: String,
    /// The supplier's number.
    pub number: String,
    /// Its date.
    pub issued_on: NaiveDate,
    /// The last day to pay.
    pub due_on: Option<NaiveDate>,
    /// Without VAT, as the document says.
    pub net: Money,
    /// VAT, as the document says.
    pub vat: Money,
    /// With VAT, as the document says.
    pub gross: Money,
    /// Still to pay, as the document says.
    pub payable: Money,
    /// Where it stands.
    pub state: SupplierInvoiceState,
    /// The cost that it became.
    pub cost_id: Option<CostId>,
    /// What it took back of a cost.
    pub cost_credit_id: Option<CostCreditId>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// Who brought it in.
    pub received_by: PersonId,
    /// When.
    pub received_at: DateTime<Utc>,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_on: Option<NaiveDate>,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Grows with every change.
    pub version: i32,
}

impl From<SupplierInvoiceRow> for SupplierInvoiceSummary {
    fn from(row: SupplierInvoiceRow) -> Self {
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        Self {
            net: money(row.net_minor),
            vat: money(row.vat_minor),
            gross: money(row.gross_minor),
            payable: money(row.payable_minor),
            id: row.id,
            entity_id: row.entity_id,
            kind: row.kind,
            syntax: row.format,
            supplier: row.supplier,
            number: row.number,
            issued_on: row.issued_on,
            due_on: row.due_on,
            state: row.state,
            cost_id: row.cost_id,
            cost_credit_id: row.cost_credit_id,
            reason: row.reason,
            received_by: row.received_by,
            received_at: row.created_at,
            decided_by: row.decided_by,
            decided_on: row.decided_on,
            sha256: hex(&row.sha256),
            version: row.version,
        }
    }
}

/// An electronic invoice of a supplier with all that it says.
#[derive(Debug, Serialize, ToSchema)]
pub struct SupplierInvoiceView {
    /// As it stands.
    #[serde(flatten)]
    pub invoice: SupplierInvoiceSummary,
    /// What it says beside its totals.
    pub document: Summary,
}

impl SupplierInvoiceView {
    fn new(row: SupplierInvoiceRow) -> Result<Self> {
        Ok(Self { document: serde_json::from_value(row.summary.clone())?, invoice: row.into() })
    }
}

/// What became of an upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceivedView {
    /// The invoice.
    #[serde(flatten)]
    pub invoice: SupplierInvoiceView,
    /// Whether the very same file was here before: then nothing new was made.
    pub already_known: bool,
}

fn load(tx: &mut Tx<'_>, id: SupplierInvoiceId) -> Result<SupplierInvoiceView> {
    SupplierInvoiceView::new(super::find(tx, id)?)
}

/// Brings in an electronic invoice of a supplier: UBL, CII, or a Factur-X document, of at most 10 MiB.
#[utoipa::path(tag = "supplier invoices",
    request_body(content((Vec<u8> = "application/xml"), (Vec<u8> = "text/xml"), (Vec<u8> = "application/pdf"))),
    responses((status = 201, body = ReceivedView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/supplier_invoices")]
async fn receive_supplier_invoice(who: Reviewer, db: Data<Db>, upload: Upload) -> Result<HttpResponse> {
    if !matches!(upload.media_type.as_str(), "application/xml" | "text/xml" | "application/pdf") {
        let refused = Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported");
        return Err(refused.with("expected", "application/xml, application/pdf"));
    }
    // Nobody without the role makes us read a large file.
    db.write(who.clone().into(), |_tx| Ok(())).await?;
    let bytes = upload.command.body.clone();
    let incoming = tokio::task::spawn_blocking(move || super::read(&bytes)).await.map_err(Error::internal)??;
    let incoming = Arc::new(incoming);
    upload
        .command
        .create(&db, who.into(), "receive_supplier_invoice", "/v1/supplier_invoices", move |tx, bytes| {
            let Received { row, is_known } = super::receive(tx, &incoming, &bytes)?;
            Ok(ReceivedView { invoice: SupplierInvoiceView::new(row)?, already_known: is_known })
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct SupplierInvoiceQuery {
    /// Only in this state.
    #[param(inline)]
    state: Option<SupplierInvoiceState>,
    /// Only to this entity.
    entity_id: Option<EntityId>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists suppliers' electronic invoices, newest first.
#[utoipa::path(tag = "supplier invoices", params(SupplierInvoiceQuery),
    responses((status = 200, body = Page<SupplierInvoiceSummary>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/supplier_invoices")]
async fn list_supplier_invoices(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<SupplierInvoiceQuery>,
) -> Result<Json<Page<SupplierInvoiceSummary>>> {
    let query = query.0;
    let filter = SupplierInvoiceFilter { state: query.state, entity_id: query.entity_id };
    let listing =
        Listing::new(&keys, who.person(), "supplier_invoices", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, SupplierInvoiceSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows an electronic invoice of a supplier: its lines, its VAT, and where it breaks a rule or does not add up.
#[utoipa::path(tag = "supplier invoices", params(("id" = SupplierInvoiceId, Path)),
    responses((status = 200, body = SupplierInvoiceView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/supplier_invoices/{id}")]
async fn show_supplier_invoice(
    who: Desk,
    db: Data<Db>,
    id: Path<SupplierInvoiceId>,
) -> Result<Json<SupplierInvoiceView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Downloads the file as it came, byte for byte.
#[utoipa::path(tag = "supplier invoices", params(("id" = SupplierInvoiceId, Path)),
    responses((status = 200, content_type = "application/xml", body = Vec<u8>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/supplier_invoices/{id}/file")]
async fn download_supplier_invoice(who: Desk, db: Data<Db>, id: Path<SupplierInvoiceId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| super::file(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCostBody {
    /// The new cost, made by the sender.
    id: CostId,
    /// The activity that bears it, unless a pool does.
    #[serde(default)]
    activity_id: Option<ActivityId>,
    /// The pool that bears it, unless an activity does.
    #[serde(default)]
    pool_id: Option<PoolId>,
    /// What it was for.
    #[schema(max_length = 2000)]
    description: String,
    /// The part of the VAT that the state gives back.
    recoverable_vat: Money,
    /// Whether it lowers the gross margin that fees are computed on.
    #[serde(default)]
    in_fee_base: bool,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCreditBody {
    /// The new credit, made by the sender.
    id: CostCreditId,
    /// The approved cost of which the supplier takes a part back.
    cost_id: CostId,
    /// Why.
    #[schema(max_length = 2000)]
    reason: String,
}

/// What it becomes: exactly one of both.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MatchSupplierInvoice {
    /// An invoice becomes a cost, handed in for somebody else to approve.
    #[serde(default)]
    cost: Option<NewCostBody>,
    /// A credit note takes a part of a cost back.
    #[serde(default)]
    credit: Option<NewCreditBody>,
}

impl MatchSupplierInvoice {
    fn becomes(self) -> Result<Becomes> {
        match (self.cost, self.credit) {
            (Some(it), None) => Ok(Becomes::Cost(AsCost {
                id: it.id,
                activity: it.activity_id,
                pool: it.pool_id,
                description: it.description,
                recoverable_vat: it.recoverable_vat,
                in_fee_base: it.in_fee_base,
            })),
            (None, Some(it)) => Ok(Becomes::Credit(AsCredit { id: it.id, cost: it.cost_id, reason: it.reason })),
            (None, None) => Err(Error::field("/cost", "required")),
            (Some(_), Some(_)) => Err(Error::field("/credit", "not_allowed")),
        }
    }
}

/// Matches an invoice to a new cost of an activity or a pool, or a credit note to a cost, with the document.
#[utoipa::path(tag = "supplier invoices", params(("id" = SupplierInvoiceId, Path), ("dry_run" = Option<bool>, Query)),
    request_body = MatchSupplierInvoice, responses((status = 200, body = SupplierInvoiceView)),
    extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/supplier_invoices/{id}/match")]
async fn match_supplier_invoice(
    who: Reviewer,
    db: Data<Db>,
    id: Path<SupplierInvoiceId>,
    command: Command<MatchSupplierInvoice>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "match_supplier_invoice", id.into_inner(), load, |tx, id, expected, body| {
            super::find(tx, id)?;
            let to = body.becomes()?;
            SupplierInvoiceView::new(super::match_to(tx, id, expected, &to)?)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectSupplierInvoice {
    /// What the supplier should mend.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Sends an invoice of a supplier back, with the reason. Its number may come again.
#[utoipa::path(tag = "supplier invoices", params(("id" = SupplierInvoiceId, Path)),
    request_body = RejectSupplierInvoice, responses((status = 200, body = SupplierInvoiceView)),
    extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/supplier_invoices/{id}/reject")]
async fn reject_supplier_invoice(
    who: Reviewer,
    db: Data<Db>,
    id: Path<SupplierInvoiceId>,
    command: Command<RejectSupplierInvoice>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "reject_supplier_invoice", id.into_inner(), load, |tx, id, expected, body| {
            SupplierInvoiceView::new(super::reject(tx, id, expected, &body.reason)?)
        })
        .await
}
