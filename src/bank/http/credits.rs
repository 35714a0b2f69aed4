//! The counter for money of clients that no invoice asks for.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super as bank;
use super::super::{Credit, RefundRow};
use crate::access::{Approver, MemberOrDesk, Reviewer};
use crate::kernel::ids::{BankLineId, ClientCreditId, ClientId, ClientRefundId, EntityId, InvoiceId, PersonId};
use crate::kernel::money::Money;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(
    list_client_credits,
    show_client_credit,
    use_client_credit,
    withdraw_client_credit,
    request_client_refund,
    list_client_refunds,
    show_client_refund,
    approve_client_refund,
    reject_client_refund,
    withdraw_client_refund,
);

/// Money of a client that no invoice asks for.
#[derive(Debug, Serialize, ToSchema)]
struct CreditView {
    /// Its id.
    id: ClientCreditId,
    /// Whose account it came to.
    entity_id: EntityId,
    /// Whose money it is.
    client_id: ClientId,
    /// The line of the bank that brought it.
    bank_line_id: BankLineId,
    /// How much came.
    amount: Money,
    /// What is neither used nor promised.
    left: Money,
    /// Why it is kept.
    reason: String,
    /// On which day it counts.
    credited_on: NaiveDate,
    /// Who decided it.
    credited_by: PersonId,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<Credit> for CreditView {
    fn from(it: Credit) -> Self {
        let money = |amount_minor| Money { amount_minor, currency: it.row.currency };
        Self {
            id: it.row.id,
            entity_id: it.row.entity_id,
            client_id: it.row.client_id,
            bank_line_id: it.row.bank_line_id,
            amount: money(it.row.amount_minor),
            left: money(it.left),
            credited_on: it.row.credited_on,
            credited_by: it.row.credited_by,
            created_at: it.row.created_at,
            reason: it.row.reason,
        }
    }
}

/// What is given back to a client.
#[derive(Debug, Serialize, ToSchema)]
struct RefundView {
    /// Its id.
    id: ClientRefundId,
    /// Out of what.
    client_credit_id: ClientCreditId,
    /// Whose account pays.
    entity_id: EntityId,
    /// To whom.
    client_id: ClientId,
    /// How much.
    amount: Money,
    /// Why.
    reason: String,
    /// `requested`, `approved`, `rejected`, `paid` or `withdrawn`.
    state: String,
    /// Who asked for it.
    requested_by: PersonId,
    /// Who decided.
    decided_by: Option<PersonId>,
    /// When.
    decided_at: Option<DateTime<Utc>>,
    /// With which words.
    decision: Option<String>,
    /// The line of the bank that paid it.
    bank_line_id: Option<BankLineId>,
    /// On which day that counts.
    paid_on: Option<NaiveDate>,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// Grows with every change.
    version: i32,
}

impl From<RefundRow> for RefundView {
    fn from(it: RefundRow) -> Self {
        Self {
            id: it.id,
            client_credit_id: it.credit_id,
            entity_id: it.entity_id,
            client_id: it.client_id,
            amount: Money { amount_minor: it.amount_minor, currency: it.currency },
            reason: it.reason,
            state: it.state,
            requested_by: it.requested_by,
            decided_by: it.decided_by,
            decided_at: it.decided_at,
            decision: it.decision,
            bank_line_id: it.bank_line_id,
            paid_on: it.paid_on,
            created_at: it.created_at,
            version: it.version,
        }
    }
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CreditFilter {
    /// Of one client.
    client_id: Option<ClientId>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RefundState {
    /// Somebody asked for it.
    Requested,
    /// Somebody else said yes.
    Approved,
    /// Somebody else said no.
    Rejected,
    /// The bank paid it.
    Paid,
    /// It was approved and is not made.
    Withdrawn,
}

impl RefundState {
    const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Paid => "paid",
            Self::Withdrawn => "withdrawn",
        }
    }
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RefundFilter {
    /// In one state.
    #[param(inline)]
    state: Option<RefundState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UseCredit {
    /// An invoice of the same client: it is paid as far as both go.
    invoice_id: InvoiceId,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RequestRefund {
    /// Made by the sender.
    id: ClientRefundId,
    /// Out of which credit.
    client_credit_id: ClientCreditId,
    /// How much.
    amount: Money,
    /// Why.
    #[schema(max_length = 500)]
    reason: String,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectRefund {
    /// Why not; whoever asked reads it.
    #[schema(max_length = 500)]
    reason: String,
}

/// Lists what is kept for clients, the newest first; a member sees that of their own.
#[utoipa::path(tag = "bank", params(CreditFilter), responses((status = 200, body = Page<CreditView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/client_credits")]
async fn list_client_credits(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<CreditFilter>,
) -> Result<Json<Page<CreditView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "client_credits", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = bank::credits(tx, filter.client_id, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |it| it.row.id.0, CreditView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows what is kept for a client.
#[utoipa::path(tag = "bank", params(("id" = ClientCreditId, Path)), responses((status = 200, body = CreditView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/client_credits/{id}")]
async fn show_client_credit(who: MemberOrDesk, db: Data<Db>, id: Path<ClientCreditId>) -> Result<Json<CreditView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| bank::credit(tx, id).map(CreditView::from)).await?))
}

/// Pays an invoice of the client out of what is kept for them.
#[utoipa::path(tag = "bank", params(("id" = ClientCreditId, Path), ("dry_run" = Option<bool>, Query)), request_body = UseCredit,
    responses((status = 200, body = CreditView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/client_credits/{id}/use")]
async fn use_client_credit(
    who: Reviewer,
    db: Data<Db>,
    id: Path<ClientCreditId>,
    command: Command<UseCredit>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .about_money()
        .run(&db, who.into(), "use_client_credit", move |tx, body| {
            bank::use_credit(tx, id, body.invoice_id).map(CreditView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WithdrawCredit {
    /// Why it was not to be kept, or is not given back.
    #[schema(max_length = 500)]
    reason: String,
}

/// Takes back what was kept for a client by mistake, before anything of it is used: its money waits with its line again.
#[utoipa::path(tag = "bank", params(("id" = ClientCreditId, Path), ("dry_run" = Option<bool>, Query)), request_body = WithdrawCredit,
    responses((status = 200, body = CreditView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/client_credits/{id}/withdraw")]
async fn withdraw_client_credit(
    who: Reviewer,
    db: Data<Db>,
    id: Path<ClientCreditId>,
    command: Command<WithdrawCredit>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .about_money()
        .run(&db, who.into(), "withdraw_client_credit", move |tx, body| {
            bank::withdraw_credit(tx, id, &body.reason).map(CreditView::from)
        })
        .await
}

/// Asks for money to be given back to a client. Another person decides; the transfer is made at the bank, and matched with
/// the line that says so.
#[utoipa::path(tag = "bank", params(("dry_run" = Option<bool>, Query)), request_body = RequestRefund,
    responses((status = 201, body = RefundView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/client_refunds")]
async fn request_client_refund(who: Reviewer, db: Data<Db>, command: Command<RequestRefund>) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "request_client_refund", "/v1/client_refunds", |tx, body| {
            bank::request_refund(tx, body.id, body.client_credit_id, body.amount, &body.reason).map(RefundView::from)
        })
        .await
}

/// Lists refunds, the newest first; a member sees those of their own clients.
#[utoipa::path(tag = "bank", params(RefundFilter), responses((status = 200, body = Page<RefundView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/client_refunds")]
async fn list_client_refunds(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<RefundFilter>,
) -> Result<Json<Page<RefundView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "client_refunds", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = bank::refunds(tx, filter.state.map(RefundState::name), listing.after, listing.fetch)?;
            Ok(listing.page(rows, |it| it.id.0, RefundView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a refund.
#[utoipa::path(tag = "bank", params(("id" = ClientRefundId, Path)), responses((status = 200, body = RefundView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/client_refunds/{id}")]
async fn show_client_refund(who: MemberOrDesk, db: Data<Db>, id: Path<ClientRefundId>) -> Result<Json<RefundView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| bank::refund(tx, id).map(RefundView::from)).await?))
}

/// Approves a refund that another person asked for.
#[utoipa::path(tag = "bank", params(("id" = ClientRefundId, Path)), request_body = Empty,
    responses((status = 200, body = RefundView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/client_refunds/{id}/approve")]
async fn approve_client_refund(
    who: Approver,
    db: Data<Db>,
    id: Path<ClientRefundId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(
            &db,
            who.into(),
            "approve_client_refund",
            id.into_inner(),
            |tx, id| bank::refund(tx, id).map(RefundView::from),
            |tx, id, expected, _body| bank::decide_refund(tx, id, expected, true, None).map(RefundView::from),
        )
        .await
}

/// Rejects a refund, with the reason.
#[utoipa::path(tag = "bank", params(("id" = ClientRefundId, Path)), request_body = RejectRefund,
    responses((status = 200, body = RefundView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/client_refunds/{id}/reject")]
async fn reject_client_refund(
    who: Approver,
    db: Data<Db>,
    id: Path<ClientRefundId>,
    command: Command<RejectRefund>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(
            &db,
            who.into(),
            "reject_client_refund",
            id.into_inner(),
            |tx, id| bank::refund(tx, id).map(RefundView::from),
            |tx, id, expected, body| {
                bank::decide_refund(tx, id, expected, false, Some(&body.reason)).map(RefundView::from)
            },
        )
        .await
}

/// Withdraws a refund that was approved and is not made.
#[utoipa::path(tag = "bank", params(("id" = ClientRefundId, Path)), request_body = WithdrawCredit,
    responses((status = 200, body = RefundView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/client_refunds/{id}/withdraw")]
async fn withdraw_client_refund(
    who: Approver,
    db: Data<Db>,
    id: Path<ClientRefundId>,
    command: Command<WithdrawCredit>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(
            &db,
            who.into(),
            "withdraw_client_refund",
            id.into_inner(),
            |tx, id| bank::refund(tx, id).map(RefundView::from),
            |tx, id, expected, body| bank::withdraw_refund(tx, id, expected, &body.reason).map(RefundView::from),
        )
        .await
}
