//! The counter for what is done with a line: every command names the line and the version that the person saw.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, post};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super as bank;
use super::super::{LineSummary, Part};
use super::statements::LineView;
use crate::access::{Reviewer, ReviewerOrAccountant};
use crate::invoicing::differences::NewDifference;
use crate::kernel::ids::{
    BankLineId, ClientCreditId, ClientId, ClientRefundId, CostId, ExchangeDifferenceId, InvoiceId, PersonId,
    RedemptionId, WriteOffId,
};
use crate::kernel::money::Minor;
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::Result;
use crate::platform::web::Command;

crate::endpoints!(
    match_bank_line,
    allocate_bank_line,
    take_back_bank_line,
    credit_client_by_bank_line,
    pay_client_refund,
    recover_bank_line,
    gain_of_bank_line,
    pay_cost_by_bank_line,
    pay_redemption,
    assign_bank_line,
);

/// Runs a command on a line.
pub(super) async fn on_line<T, F>(
    command: Command<T>,
    db: &Db,
    actor: Actor,
    (name, id): (&'static str, BankLineId),
    mut work: F,
) -> Result<HttpResponse>
where
    T: Clone + Send + 'static,
    F: FnMut(&mut Tx<'_>, BankLineId, i32, T) -> Result<LineSummary> + Send + 'static,
{
    let load = |tx: &mut Tx<'_>, id| bank::find_line(tx, id).map(LineView::from);
    command
        .about_money()
        .change(db, actor, name, id, load, move |tx, id, expected, body| {
            work(tx, id, expected, body).map(LineView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MatchBankLine {
    /// The invoice that the line pays, as far as both go.
    invoice_id: InvoiceId,
}

/// Matches what waits of a line with an invoice.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path)), request_body = MatchBankLine,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_lines/{id}/match")]
async fn match_bank_line(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<MatchBankLine>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("match_bank_line", id.into_inner()), |tx, id, expected, body| {
        bank::match_line(tx, id, expected, body.invoice_id)
    })
    .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InvoicePart {
    /// The invoice.
    invoice_id: InvoiceId,
    /// How much of it in minor units, in the currency of the line; all that is open or left when it is not said.
    #[schema(value_type = Option<i64>, minimum = 1)]
    amount_minor: Option<Minor>,
}

impl From<&InvoicePart> for Part {
    fn from(it: &InvoicePart) -> Self {
        Self { invoice: it.invoice_id, amount: it.amount_minor }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AllocateBankLine {
    /// The invoices, in the order in which the money goes to them; 1 to 50, each once.
    #[schema(min_items = 1, max_items = 50)]
    invoices: Vec<InvoicePart>,
}

/// Pays several invoices out of what waits of a line: all of them or none.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path), ("dry_run" = Option<bool>, Query)), request_body = AllocateBankLine,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_lines/{id}/allocate")]
async fn allocate_bank_line(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<AllocateBankLine>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("allocate_bank_line", id.into_inner()), |tx, id, expected, body| {
        let parts: Vec<Part> = body.invoices.iter().map(Part::from).collect();
        bank::match_parts(tx, id, expected, &parts)
    })
    .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TakeBackBankLine {
    /// Only what it pays of this invoice; everything, when none is named.
    invoice_id: Option<InvoiceId>,
    /// Why; whoever looks at the payment reads it.
    #[schema(max_length = 500)]
    reason: String,
}

/// Takes back what a line pays of invoices, because it was not for them: everything that it did is undone, and its money
/// waits again. Of an invoice with several payments, the last goes first.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path), ("dry_run" = Option<bool>, Query)), request_body = TakeBackBankLine,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_lines/{id}/take_back")]
async fn take_back_bank_line(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<TakeBackBankLine>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("take_back_bank_line", id.into_inner()), |tx, id, expected, body| {
        bank::take_back(tx, id, expected, body.invoice_id, &body.reason)
    })
    .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreditClient {
    /// Made by the sender.
    id: ClientCreditId,
    /// The client whose money it is.
    client_id: ClientId,
    /// Why it is kept.
    #[schema(max_length = 500)]
    reason: String,
}

/// Keeps what waits of a line for the client who paid it, for another invoice or to be given back.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path), ("dry_run" = Option<bool>, Query)), request_body = CreditClient,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_lines/{id}/credit_client")]
async fn credit_client_by_bank_line(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<CreditClient>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("credit_client_by_bank_line", id.into_inner()), |tx, id, expected, body| {
        bank::credit_client(tx, id, expected, (body.id, body.client_id), &body.reason)
    })
    .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PayClientRefund {
    /// The approved refund that the line paid, whole.
    client_refund_id: ClientRefundId,
    /// Why it went to another account than the one that the client's money came from; only then.
    #[schema(max_length = 500)]
    other_account_reason: Option<String>,
}

/// Matches money that left the account with what was to be given back to a client.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path), ("dry_run" = Option<bool>, Query)), request_body = PayClientRefund,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_lines/{id}/pay_refund")]
async fn pay_client_refund(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<PayClientRefund>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("pay_client_refund", id.into_inner()), |tx, id, expected, body| {
        bank::pay_refund(tx, id, expected, body.client_refund_id, body.other_account_reason.as_deref())
    })
    .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecoverBankLine {
    /// The write-off that the line brings money for, as far as both go.
    write_off_id: WriteOffId,
}

/// Books what waits of a line as money that came for a write-off: the guarantee fund is refilled first.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path), ("dry_run" = Option<bool>, Query)), request_body = RecoverBankLine,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_lines/{id}/recover")]
async fn recover_bank_line(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<RecoverBankLine>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("recover_bank_line", id.into_inner()), |tx, id, expected, body| {
        bank::recover_line(tx, id, expected, body.write_off_id)
    })
    .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GainOfBankLine {
    /// Made by the sender.
    id: ExchangeDifferenceId,
    /// The invoice in another currency that the line paid.
    invoice_id: InvoiceId,
    /// Why the rest is a difference of the rate and no payment too much; the member reads it.
    #[schema(max_length = 500)]
    reason: String,
}

/// Books what waits of a line beyond the invoice that it paid as a gain, because the rate moved: at most a twentieth of
/// the invoice. It goes to those who got the money of the invoice.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path), ("dry_run" = Option<bool>, Query)), request_body = GainOfBankLine,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/bank_lines/{id}/exchange_gain")]
async fn gain_of_bank_line(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<GainOfBankLine>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("gain_of_bank_line", id.into_inner()), |tx, id, expected, body| {
        let new = NewDifference { id: body.id, invoice: body.invoice_id, reason: body.reason };
        bank::gain_line(tx, id, expected, &new)
    })
    .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PayCost {
    /// The cost whose supplier the line paid, in full.
    cost_id: CostId,
}

/// Matches a line that left the account with the cost whose supplier it paid.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path), ("dry_run" = Option<bool>, Query)), request_body = PayCost,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_lines/{id}/pay_cost")]
async fn pay_cost_by_bank_line(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<PayCost>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("pay_cost_by_bank_line", id.into_inner()), |tx, id, expected, body| {
        bank::pay_cost(tx, id, expected, body.cost_id)
    })
    .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PayRedemption {
    /// The share given back that the line pays, whole.
    redemption_id: RedemptionId,
}

/// Matches money that left the account with a share that was given back.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path)), request_body = PayRedemption,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_lines/{id}/pay_redemption")]
async fn pay_redemption(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<PayRedemption>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("pay_redemption", id.into_inner()), |tx, id, expected, body| {
        bank::pay_redemption(tx, id, expected, body.redemption_id)
    })
    .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AssignBankLine {
    /// Somebody of the office.
    person_id: PersonId,
}

/// Gives a line that waits to a person of the office.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path)), request_body = AssignBankLine,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_lines/{id}/assign")]
async fn assign_bank_line(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<AssignBankLine>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("assign_bank_line", id.into_inner()), |tx, id, expected, body| {
        bank::assign_line(tx, id, expected, body.person_id)
    })
    .await
}
