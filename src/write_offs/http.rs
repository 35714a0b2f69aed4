//! The counter for disputes and write-offs. What comes back is booked at the counter of the bank, from its line.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{NewWriteOff, RecoveryRow, WriteOff, WriteOffRow, WriteOffState};
use crate::access::{Approver, MemberOrDesk, Reviewer};
use crate::guarantee;
use crate::guarantee::http::{ClaimView, DisputeView};
use crate::kernel::ids::{BankLineId, EntityId, InvoiceId, PersonId, RecoveryId, WriteOffId};
use crate::kernel::money::{Minor, Money};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(
    dispute_invoice,
    resolve_invoice_dispute,
    propose_write_off,
    list_write_offs,
    show_write_off,
    list_recoveries,
    approve_write_off,
    reject_write_off,
);

/// A receivable given up, in its parts: what the state, the mutual, the fund and the member bear.
#[derive(Debug, Serialize, ToSchema)]
pub struct LossView {
    /// The day it counts.
    pub written_off_on: NaiveDate,
    /// Whether the guarantee bears it.
    pub covered: bool,
    /// Whether the member had been paid before.
    pub advanced: bool,
    /// VAT that the state gives back.
    pub vat: Money,
    /// The fee that the mutual gives back.
    pub fee: Money,
    /// The contribution that the fund gives back.
    pub contribution: Money,
    /// What the member bears.
    pub member: Money,
    /// What the fund is asked for.
    pub claim: Money,
}

impl LossView {
    fn new(row: &WriteOffRow) -> Option<Self> {
        let money = |amount_minor: Option<Minor>| Some(Money { amount_minor: amount_minor?, currency: row.currency });
        Some(Self {
            written_off_on: row.written_off_on?,
            covered: row.is_covered?,
            advanced: row.is_advanced?,
            vat: money(row.vat_minor)?,
            fee: money(row.fee_minor)?,
            contribution: money(row.contribution_minor)?,
            member: money(row.member_minor)?,
            claim: money(row.claim_minor)?,
        })
    }
}

/// A write-off in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct WriteOffSummary {
    /// Its id.
    pub id: WriteOffId,
    /// Grows with every change.
    pub version: i32,
    /// `proposed`, `approved` or `rejected`.
    pub state: WriteOffState,
    /// Whose books.
    pub entity_id: EntityId,
    /// Of this invoice.
    pub invoice_id: InvoiceId,
    /// Whose work it was.
    pub member_id: PersonId,
    /// What was open, with VAT.
    pub amount: Money,
    /// Why nothing can be expected any more.
    pub reason: String,
    /// What proves it.
    pub evidence: String,
    /// Who proposed it.
    pub proposed_by: PersonId,
    /// When.
    pub proposed_at: DateTime<Utc>,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// Why it was rejected.
    pub decision_reason: Option<String>,
    /// Its parts, once it is approved.
    pub loss: Option<LossView>,
}

impl From<WriteOffRow> for WriteOffSummary {
    fn from(row: WriteOffRow) -> Self {
        Self {
            loss: LossView::new(&row),
            id: row.id,
            version: row.version,
            state: row.state,
            entity_id: row.entity_id,
            invoice_id: row.invoice_id,
            member_id: row.member_id,
            amount: Money { amount_minor: row.amount_minor, currency: row.currency },
            reason: row.reason,
            evidence: row.evidence,
            proposed_by: row.proposed_by,
            proposed_at: row.proposed_at,
            decided_by: row.decided_by,
            decided_at: row.decided_at,
            decision_reason: row.decision_reason,
        }
    }
}

/// A write-off and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct WriteOffView {
    /// Its row.
    #[serde(flatten)]
    pub write_off: WriteOffSummary,
    /// The number of its invoice.
    pub invoice_number: String,
    /// What it claims of the fund, and how much of that was paid.
    pub claim: Option<ClaimView>,
    /// What came back, with VAT.
    pub recovered: Money,
}

impl WriteOffView {
    fn new(it: WriteOff) -> Result<Self> {
        let recovered = Money { amount_minor: it.recovered, currency: it.row.currency };
        let claim = it.claim.as_ref().map(ClaimView::new).transpose()?;
        Ok(Self { write_off: it.row.into(), invoice_number: it.number, claim, recovered })
    }
}

fn load(tx: &mut Tx<'_>, id: WriteOffId) -> Result<WriteOffView> {
    WriteOffView::new(super::find(tx, id)?)
}

fn load_dispute(tx: &mut Tx<'_>, id: InvoiceId) -> Result<DisputeView> {
    guarantee::dispute_of(tx, id)?.map(DisputeView::from).ok_or_else(Error::not_found)
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DisputeInvoice {
    /// What the client says.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Notes that the client disputes an invoice: nothing is advanced on it meanwhile.
#[utoipa::path(tag = "write-offs", params(("id" = InvoiceId, Path)), request_body = DisputeInvoice,
    responses((status = 200, body = DisputeView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/invoices/{id}/dispute")]
async fn dispute_invoice(
    who: Reviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<DisputeInvoice>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "dispute_invoice", id.into_inner(), load_dispute, |tx, id, expected, body| {
            super::dispute(tx, id, expected, &body.reason).map(DisputeView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResolveDispute {
    /// How it ended.
    #[schema(max_length = 2000)]
    resolution: String,
}

/// Ends the dispute about an invoice.
#[utoipa::path(tag = "write-offs", params(("id" = InvoiceId, Path)), request_body = ResolveDispute,
    responses((status = 200, body = DisputeView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/invoices/{id}/resolve_dispute")]
async fn resolve_invoice_dispute(
    who: Reviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<ResolveDispute>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "resolve_invoice_dispute", id.into_inner(), load_dispute, |tx, id, expected, body| {
            super::resolve_dispute(tx, id, expected, &body.resolution).map(DisputeView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProposeWriteOff {
    /// Made by the sender.
    id: WriteOffId,
    /// Why nothing can be expected any more.
    #[schema(max_length = 2000)]
    reason: String,
    /// What proves that the loss is certain: a judgment, a notice of bankruptcy.
    #[schema(max_length = 4000)]
    evidence: String,
}

/// Proposes to give up what is open of an invoice. Another person decides.
#[utoipa::path(tag = "write-offs", params(("id" = InvoiceId, Path), ("dry_run" = Option<bool>, Query)), request_body = ProposeWriteOff,
    responses((status = 201, body = WriteOffView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/invoices/{id}/write_offs")]
async fn propose_write_off(
    who: Reviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<ProposeWriteOff>,
) -> Result<HttpResponse> {
    let invoice = id.into_inner();
    command
        .about_money()
        .create(&db, who.into(), "propose_write_off", "/v1/write_offs", move |tx, body| {
            let new = NewWriteOff { id: body.id, invoice, reason: body.reason, evidence: body.evidence };
            WriteOffView::new(super::propose(tx, &new)?)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct WriteOffFilter {
    /// Only in this state.
    #[param(inline)]
    state: Option<WriteOffState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists write-offs, newest first: of your own invoices, or all of them for the office.
#[utoipa::path(tag = "write-offs", params(WriteOffFilter), responses((status = 200, body = Page<WriteOffSummary>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/write_offs")]
async fn list_write_offs(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<WriteOffFilter>,
) -> Result<Json<Page<WriteOffSummary>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "write_offs", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, filter.state, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, WriteOffSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a write-off: its parts, its claim on the fund, what came back.
#[utoipa::path(tag = "write-offs", params(("id" = WriteOffId, Path)), responses((status = 200, body = WriteOffView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/write_offs/{id}")]
async fn show_write_off(who: MemberOrDesk, db: Data<Db>, id: Path<WriteOffId>) -> Result<Json<WriteOffView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Money that came for a write-off, and where it went.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecoveryView {
    /// Its id.
    pub id: RecoveryId,
    /// The line of the bank.
    pub bank_line_id: BankLineId,
    /// The day it counts.
    pub recovered_on: NaiveDate,
    /// What came.
    pub amount: Money,
    /// VAT that is owed to the state again.
    pub vat: Money,
    /// To the fund, for what it gave.
    pub fund: Money,
    /// To the rest of the claim.
    pub claim: Money,
    /// To the fund, as contribution.
    pub contribution: Money,
    /// To the mutual, as fee.
    pub fee: Money,
    /// To the member who bore it.
    pub member: Money,
}

impl From<RecoveryRow> for RecoveryView {
    fn from(row: RecoveryRow) -> Self {
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        Self {
            id: row.id,
            bank_line_id: row.bank_line_id,
            recovered_on: row.recovered_on,
            amount: money(row.amount_minor),
            vat: money(row.vat_minor),
            fund: money(row.fund_minor),
            claim: money(row.claim_minor),
            contribution: money(row.contribution_minor),
            fee: money(row.fee_minor),
            member: money(row.member_minor),
        }
    }
}

/// Lists what came back of a write-off, in the order in which it came.
#[utoipa::path(tag = "write-offs", params(("id" = WriteOffId, Path)), responses((status = 200, body = Vec<RecoveryView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/write_offs/{id}/recoveries")]
async fn list_recoveries(who: MemberOrDesk, db: Data<Db>, id: Path<WriteOffId>) -> Result<Json<Vec<RecoveryView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| super::recoveries(tx, id)).await?;
    Ok(Json(rows.into_iter().map(RecoveryView::from).collect()))
}

/// Approves a write-off that somebody else proposed: the receivable is given up, the fund or the member bears it.
#[utoipa::path(tag = "write-offs", params(("id" = WriteOffId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = WriteOffView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/write_offs/{id}/approve")]
async fn approve_write_off(
    who: Approver,
    db: Data<Db>,
    id: Path<WriteOffId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "approve_write_off", id.into_inner(), load, |tx, id, expected, _| {
            WriteOffView::new(super::approve(tx, id, expected)?)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectWriteOff {
    /// Why it is not given up.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Refuses a write-off that somebody else proposed, with the reason.
#[utoipa::path(tag = "write-offs", params(("id" = WriteOffId, Path)), request_body = RejectWriteOff,
    responses((status = 200, body = WriteOffView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/write_offs/{id}/reject")]
async fn reject_write_off(
    who: Approver,
    db: Data<Db>,
    id: Path<WriteOffId>,
    command: Command<RejectWriteOff>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "reject_write_off", id.into_inner(), load, |tx, id, expected, body| {
            WriteOffView::new(super::reject(tx, id, expected, &body.reason)?)
        })
        .await
}
