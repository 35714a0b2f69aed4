//! The counter for bank statements and their lines.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post, web::Json};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Candidate, Guess, LineFilter, LineSummary, StatementSummary, Why};
use crate::access::{Desk, Reviewer, ReviewerOrAccountant};
use crate::invoicing::differences::NewDifference;
use crate::kernel::ids::{
    BankAccountId, BankLineId, CostId, EntityId, ExchangeDifferenceId, InvoiceId, PersonId, RedemptionId, StatementId,
    WriteOffId,
};
use crate::kernel::money::{Currency, Minor, Money};
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf, Upload, attachment};

crate::endpoints!(
    import_bank_statement,
    list_bank_statements,
    show_bank_statement,
    download_bank_statement,
    list_bank_lines,
    show_bank_line,
    list_bank_line_guesses,
    match_bank_line,
    recover_bank_line,
    gain_of_bank_line,
    pay_cost_by_bank_line,
    pay_redemption,
    assign_bank_line,
);

/// A statement of one of our bank accounts.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementView {
    /// Its id.
    pub id: StatementId,
    /// Whose account.
    pub entity_id: EntityId,
    /// The account.
    pub bank_account_id: BankAccountId,
    /// The bank's name for it.
    pub reference: String,
    /// The how manieth statement of the account, from 1.
    pub position: i64,
    /// First day covered.
    pub from_on: NaiveDate,
    /// Last day covered.
    pub to_on: NaiveDate,
    /// Booked balance before the lines; negative when we owe the bank.
    pub opening: Money,
    /// Booked balance after the lines.
    pub closing: Money,
    /// What came in.
    pub money_in: Money,
    /// What went out, as a positive amount.
    pub money_out: Money,
    /// How many lines it has.
    pub lines: i64,
    /// How many of them are matched.
    pub matched: i64,
    /// How many of them wait for somebody: nothing explains them yet, or only a part of them.
    pub suspense: i64,
    /// Who imported it.
    pub imported_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<StatementSummary> for StatementView {
    fn from(it: StatementSummary) -> Self {
        let money = |amount_minor: Minor| Money { amount_minor, currency: it.row.currency };
        Self {
            id: it.row.id,
            entity_id: it.row.entity_id,
            bank_account_id: it.row.bank_account_id,
            position: it.row.position,
            from_on: it.row.from_on,
            to_on: it.row.to_on,
            opening: money(it.row.opening_minor),
            closing: money(it.row.closing_minor),
            money_in: money(it.totals.in_minor),
            money_out: money(it.totals.out_minor),
            lines: it.totals.lines,
            matched: it.totals.matched,
            suspense: it.totals.suspense,
            imported_by: it.row.imported_by,
            created_at: it.row.created_at,
            reference: it.row.reference,
        }
    }
}

/// What a file brought: its statement, and any further ones.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportView {
    /// The first statement of the file, for most files the only one.
    #[serde(flatten)]
    pub statement: StatementView,
    /// The other statements of the file, in its order.
    pub further: Vec<StatementView>,
}

/// A movement on a statement.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineView {
    /// Its id.
    pub id: BankLineId,
    /// Its statement.
    pub statement_id: StatementId,
    /// Its place in the statement, from 1.
    pub n: i32,
    /// `matched`, or `suspense` while nothing explains it.
    pub state: String,
    /// When the bank booked it.
    pub booked_on: NaiveDate,
    /// Days since then.
    pub age_days: i64,
    /// Positive when money came in.
    pub amount: Money,
    /// What of it nothing explains; zero when it is fully matched.
    pub waiting: Money,
    /// Who paid or was paid.
    pub counterparty: String,
    /// The end of their account number.
    pub counterparty_iban_last4: String,
    /// The free text.
    pub remittance: String,
    /// The structured reference.
    pub structured_reference: String,
    /// The payer's name for the transfer.
    pub end_to_end_id: String,
    /// The bank's reference.
    pub bank_reference: String,
    /// Why a transfer came back.
    pub return_reason: String,
    /// `invoice`, `share`, `payout_settled`, `payout_returned`, `cost`, `redemption` or `recovery`.
    pub matched_kind: Option<String>,
    /// The document that it was matched with first.
    pub matched_id: Option<Uuid>,
    /// Who looks after what waits.
    pub owner_id: Option<PersonId>,
    /// Their name.
    pub owner_name: Option<String>,
    /// Grows with every change.
    pub version: i32,
}

impl From<LineSummary> for LineView {
    fn from(it: LineSummary) -> Self {
        let money = |amount_minor: Minor| Money { amount_minor, currency: it.row.currency };
        Self {
            id: it.row.id,
            statement_id: it.row.statement_id,
            n: it.row.n,
            amount: money(it.row.amount_minor),
            waiting: money(it.waiting),
            state: it.row.state,
            booked_on: it.row.booked_on,
            age_days: it.age_days,
            counterparty: it.row.counterparty,
            counterparty_iban_last4: it.row.counterparty_iban_last4,
            remittance: it.row.remittance,
            structured_reference: it.row.structured_reference,
            end_to_end_id: it.row.end_to_end_id,
            bank_reference: it.row.bank_reference,
            return_reason: it.row.return_reason,
            matched_kind: it.row.matched_kind,
            matched_id: it.row.matched_id,
            owner_id: it.row.owner_id,
            owner_name: it.owner_name,
            version: it.row.version,
        }
    }
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct StatementFilter {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct BankLineFilter {
    /// `suspense`: something of it waits. `matched`: it belongs to a document, at least in part.
    #[param(inline)]
    state: Option<LineFilter>,
    /// Of one statement.
    statement_id: Option<StatementId>,
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
struct MatchBankLine {
    /// The invoice that the line pays, as far as both go.
    invoice_id: InvoiceId,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PayCost {
    /// The cost whose supplier the line paid, in full.
    cost_id: CostId,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AssignBankLine {
    /// Somebody of the office.
    person_id: PersonId,
}

/// Imports a file of statements, camt.053 or CODA: whole or not at all, each file once, each account without a gap.
#[utoipa::path(tag = "bank", params(("dry_run" = Option<bool>, Query, description = "Show what would happen; nothing is kept")),
    request_body(content((Vec<u8> = "application/xml"), (Vec<u8> = "text/xml"), (Vec<u8> = "text/plain"))),
    responses((status = 201, body = ImportView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_statements")]
async fn import_bank_statement(who: Reviewer, db: Data<Db>, upload: Upload) -> Result<HttpResponse> {
    if !matches!(upload.media_type.as_str(), "application/xml" | "text/xml" | "text/plain") {
        let refused = Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported");
        return Err(refused.with("expected", "application/xml, text/plain"));
    }
    // Nobody without the role makes us read a large file.
    db.write(who.clone().into(), |_tx| Ok(())).await?;
    let bytes = upload.command.body.clone();
    let statements = tokio::task::spawn_blocking(move || super::read(&bytes)).await.map_err(Error::internal)??;
    let statements = Arc::new(statements);
    upload
        .command
        .create(&db, who.into(), "import_bank_statement", "/v1/bank_statements", move |tx, bytes| {
            let mut imported = super::import(tx, &statements, &bytes)?.into_iter().map(StatementView::from);
            let statement = imported.next().ok_or_else(|| Error::value("statement_missing"))?;
            Ok(ImportView { statement, further: imported.collect() })
        })
        .await
}

/// Lists statements, the last imported first.
#[utoipa::path(tag = "bank", params(StatementFilter), responses((status = 200, body = Page<StatementView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_statements")]
async fn list_bank_statements(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<StatementFilter>,
) -> Result<Json<Page<StatementView>>> {
    let filter = filter.0;
    let listing =
        Listing::new(&keys, who.person(), "bank_statements", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::statements(tx, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |it| it.row.id.0, StatementView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a statement.
#[utoipa::path(tag = "bank", params(("id" = StatementId, Path)), responses((status = 200, body = StatementView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_statements/{id}")]
async fn show_bank_statement(who: Desk, db: Data<Db>, id: Path<StatementId>) -> Result<Json<StatementView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| super::statement(tx, id).map(StatementView::from)).await?))
}

/// Downloads the file of a statement, byte-equal to what was imported.
#[utoipa::path(tag = "bank", params(("id" = StatementId, Path)),
    responses((status = 200, content_type = "application/xml", body = Vec<u8>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_statements/{id}/file")]
async fn download_bank_statement(who: Desk, db: Data<Db>, id: Path<StatementId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| super::statement_file(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

/// Lists lines, the last imported statement first, in the order of the bank.
#[utoipa::path(tag = "bank", params(BankLineFilter), responses((status = 200, body = Page<LineView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_lines")]
async fn list_bank_lines(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<BankLineFilter>,
) -> Result<Json<Page<LineView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "bank_lines", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::lines(tx, filter.statement_id, filter.state, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |it| it.row.id.0, LineView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a line.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path)), responses((status = 200, body = LineView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_lines/{id}")]
async fn show_bank_line(who: Desk, db: Data<Db>, id: Path<BankLineId>) -> Result<Json<LineView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| super::find_line(tx, id).map(LineView::from)).await?))
}

/// An invoice that a line may pay.
#[derive(Debug, Serialize, ToSchema)]
struct MeantInvoice {
    /// Its id, for the match.
    invoice_id: InvoiceId,
    /// Its number.
    number: String,
    /// Who pays it.
    client_name: String,
    /// Still to pay.
    open: Money,
}

/// What money that waits may be.
#[derive(Debug, Serialize, ToSchema)]
struct GuessView {
    /// From 30 to 99, never certain: whoever matches looks first.
    score: u8,
    /// Why, the strongest reason first.
    why: Vec<Why>,
    /// One invoice, or several that come to exactly what waits.
    invoices: Vec<MeantInvoice>,
}

/// Guesses which invoices the money that waits of a line may pay, the likeliest first.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path)), responses((status = 200, body = Vec<GuessView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_lines/{id}/guesses")]
async fn list_bank_line_guesses(who: Desk, db: Data<Db>, id: Path<BankLineId>) -> Result<Json<Vec<GuessView>>> {
    let id = id.into_inner();
    let guesses = db
        .write(who.into(), move |tx| {
            let currency = super::find_line(tx, id)?.row.currency;
            Ok(super::guesses(tx, id)?.into_iter().map(|it| GuessView::new(it, currency)).collect())
        })
        .await?;
    Ok(Json(guesses))
}

impl GuessView {
    fn new(it: Guess, currency: Currency) -> Self {
        let meant = |it: Candidate| MeantInvoice {
            invoice_id: it.invoice,
            number: it.number,
            client_name: it.client_name,
            open: Money { amount_minor: it.open, currency },
        };
        Self { score: it.score, why: it.why, invoices: it.invoices.into_iter().map(meant).collect() }
    }
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
    command
        .about_money()
        .change(
            &db,
            who.into(),
            "match_bank_line",
            id.into_inner(),
            |tx, id| super::find_line(tx, id).map(LineView::from),
            |tx, id, expected, body| super::match_line(tx, id, expected, body.invoice_id).map(LineView::from),
        )
        .await
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
    command
        .about_money()
        .change(
            &db,
            who.into(),
            "pay_cost_by_bank_line",
            id.into_inner(),
            |tx, id| super::find_line(tx, id).map(LineView::from),
            |tx, id, expected, body| super::pay_cost(tx, id, expected, body.cost_id).map(LineView::from),
        )
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
    command
        .about_money()
        .change(
            &db,
            who.into(),
            "pay_redemption",
            id.into_inner(),
            |tx, id| super::find_line(tx, id).map(LineView::from),
            |tx, id, expected, body| super::pay_redemption(tx, id, expected, body.redemption_id).map(LineView::from),
        )
        .await
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
    command
        .change(
            &db,
            who.into(),
            "assign_bank_line",
            id.into_inner(),
            |tx, id| super::find_line(tx, id).map(LineView::from),
            |tx, id, expected, body| super::assign_line(tx, id, expected, body.person_id).map(LineView::from),
        )
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecoverBankLine {
    /// The write-off that the line brings money for, as far as both go.
    write_off_id: WriteOffId,
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
    command
        .about_money()
        .change(
            &db,
            who.into(),
            "gain_of_bank_line",
            id.into_inner(),
            |tx, id| super::find_line(tx, id).map(LineView::from),
            |tx, id, expected, body| {
                let new = NewDifference { id: body.id, invoice: body.invoice_id, reason: body.reason };
                super::gain_line(tx, id, expected, &new).map(LineView::from)
            },
        )
        .await
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
    command
        .about_money()
        .change(
            &db,
            who.into(),
            "recover_bank_line",
            id.into_inner(),
            |tx, id| super::find_line(tx, id).map(LineView::from),
            |tx, id, expected, body| super::recover_line(tx, id, expected, body.write_off_id).map(LineView::from),
        )
        .await
}
