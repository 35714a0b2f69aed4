//! The counter for what arrived more or less because a rate moved. A gain is booked at the counter of the bank, from its
//! line.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{MemberOrDesk, ReviewerOrAccountant};
use crate::invoicing::differences::{self, Difference, DifferenceKind, NewDifference};
use crate::kernel::ids::{BankLineId, ExchangeDifferenceId, InvoiceId, PersonId};
use crate::kernel::money::{Currency, Money};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::Command;

crate::endpoints!(settle_exchange_loss, list_exchange_differences);

/// What arrived more or less than was booked, because a rate moved.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExchangeDifferenceView {
    /// Its id.
    pub id: ExchangeDifferenceId,
    /// Of which invoice.
    pub invoice_id: InvoiceId,
    /// `loss` or `gain`.
    pub kind: DifferenceKind,
    /// How much, in euro.
    pub amount: Money,
    /// The line of the bank that brought a gain.
    pub bank_line_id: Option<BankLineId>,
    /// Why.
    pub reason: String,
    /// The day it counts.
    pub settled_on: NaiveDate,
    /// Who said so.
    pub settled_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<Difference> for ExchangeDifferenceView {
    fn from(row: Difference) -> Self {
        Self {
            id: row.id,
            invoice_id: row.invoice_id,
            kind: row.kind,
            amount: Money { amount_minor: row.amount_minor, currency: Currency::EUR },
            bank_line_id: row.bank_line_id,
            reason: row.reason,
            settled_on: row.settled_on,
            settled_by: row.settled_by,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettleExchangeLoss {
    /// Made by the sender.
    id: ExchangeDifferenceId,
    /// Why the rest is a difference of the rate and no payment in part; the member reads it.
    #[schema(max_length = 500)]
    reason: String,
}

/// Closes the small rest of an invoice in another currency that will not arrive, because the rate moved: at most a
/// twentieth of the invoice. The activities that hold its money bear it.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path), ("dry_run" = Option<bool>, Query)),
    request_body = SettleExchangeLoss, responses((status = 201, body = ExchangeDifferenceView)),
    extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/invoices/{id}/exchange_losses")]
async fn settle_exchange_loss(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<SettleExchangeLoss>,
) -> Result<HttpResponse> {
    let invoice = id.into_inner();
    let place = format!("/v1/invoices/{invoice}/exchange_differences");
    command
        .about_money()
        .create(&db, who.into(), "settle_exchange_loss", &place, move |tx, body| {
            let new = NewDifference { id: body.id, invoice, reason: body.reason };
            differences::exchange_loss(tx, &new).map(ExchangeDifferenceView::from)
        })
        .await
}

/// Lists what arrived more or less on an invoice because the rate moved, in the order in which it was settled.
#[utoipa::path(tag = "invoices", params(("id" = InvoiceId, Path)),
    responses((status = 200, body = Vec<ExchangeDifferenceView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}/exchange_differences")]
async fn list_exchange_differences(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<InvoiceId>,
) -> Result<Json<Vec<ExchangeDifferenceView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| differences::of_invoice(tx, id)).await?;
    Ok(Json(rows.into_iter().map(ExchangeDifferenceView::from).collect()))
}
