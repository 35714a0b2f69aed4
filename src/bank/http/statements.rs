//! The counter for files of the bank, statements and their lines.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post, web::Json};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::{BankFile, Candidate, Guess, GuessReason, LineFilter, LineSummary, StatementSummary};
use super::notices::{NoticeView, NoticesView};
use crate::access::{Desk, Reviewer};
use crate::formats::bank_statement::Kind;
use crate::kernel::ids::{BankAccountId, BankCsvProfileId, BankLineId, EntityId, InvoiceId, PersonId, StatementId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Listing, PackedUpload, Page, QueryOf, attachment, hex};

crate::endpoints!(
    import_bank_statement,
    list_bank_statements,
    show_bank_statement,
    download_bank_statement,
    list_bank_lines,
    show_bank_line,
    list_bank_line_guesses,
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
    /// Lines of its file that an earlier statement had brought: the periods overlap.
    pub lines_known: i32,
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
            lines_known: it.row.lines_known,
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
    /// `invoice`, `share`, `payout_settled`, `payout_returned`, `payouts`, `cost`, `redemption`, `recovery`, `client_credit`,
    /// `client_refund`, `bank_charge`, `remittance_settled`, `remittance_returned` or `remittances`.
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

#[derive(Debug, Clone, Copy, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TableOf {
    /// For a table of text: which column is what.
    csv_profile_id: Option<BankCsvProfileId>,
    /// What the bank shows after the last row in minor units, where no column of the table says it.
    #[param(value_type = Option<i64>)]
    closing_minor: Option<Minor>,
    /// Show what would happen; nothing is kept.
    #[serde(skip_serializing)]
    #[param(ignore)]
    #[expect(dead_code, reason = "read by the command; named here because unknown parameters are refused")]
    dry_run: Option<bool>,
}

/// What a file brought.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Imported {
    /// Statements, booked and placed.
    Statements(ImportView),
    /// Notes, kept and not booked.
    Notices(NoticesView),
}

/// Imports a file of the bank: statements (camt.053, CODA) whole or not at all, each once, each account without a gap, of
/// an overlapping period only what is new; or notes (camt.052, camt.054), which are kept and explain what statements lump.
/// A table of text is read as its profile says.
#[utoipa::path(tag = "bank", params(TableOf, ("dry_run" = Option<bool>, Query, description = "Show what would happen; nothing is kept")),
    request_body(content((Vec<u8> = "application/xml"), (Vec<u8> = "text/xml"), (Vec<u8> = "text/plain"), (Vec<u8> = "text/csv"))),
    responses((status = 201, body = Imported)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_statements")]
async fn import_bank_statement(
    who: Reviewer,
    db: Data<Db>,
    table: QueryOf<TableOf>,
    upload: PackedUpload,
) -> Result<HttpResponse> {
    // Nobody without the role makes us read a large file.
    db.write(who.clone().into(), |_tx| Ok(())).await?;
    let upload = upload.read().await?;
    if !matches!(upload.media_type.as_str(), "application/xml" | "text/xml" | "text/plain" | "text/csv") {
        let refused = Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported");
        return Err(refused.with("expected", "application/xml, text/plain, text/csv"));
    }
    let packed = upload.command.body.clone();
    let (table, name) = (table.0, hex(packed.sha256()).chars().take(8).collect::<String>());
    if upload.media_type == "text/csv" && table.csv_profile_id.is_none() {
        return Err(Error::field("/csv_profile_id", "required"));
    }
    let table = db
        .write(who.clone().into(), move |tx| match table.csv_profile_id {
            Some(id) => super::super::reading(tx, id, table.closing_minor, &name).map(Some),
            None => Ok(None),
        })
        .await?;
    let read = tokio::task::spawn_blocking(move || BankFile::read(&packed, table));
    let file = read.await.map_err(Error::internal)??;
    let place = if file.kind() == Kind::Statement { "/v1/bank_statements" } else { "/v1/bank_notices" };
    let file = Arc::new(file);
    upload
        .command
        .create(&db, who.into(), "import_bank_statement", place, move |tx, _packed| {
            let none = || Error::value("statement_missing");
            if file.kind() == Kind::Statement {
                let mut imported = super::super::import(tx, &file)?.into_iter().map(StatementView::from);
                let statement = imported.next().ok_or_else(none)?;
                return Ok(Imported::Statements(ImportView { statement, further: imported.collect() }));
            }
            let mut kept = super::super::keep_notices(tx, &file)?.into_iter().map(NoticeView::from);
            let notice = kept.next().ok_or_else(none)?;
            Ok(Imported::Notices(NoticesView { notice, further: kept.collect() }))
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
            let rows = super::super::statements(tx, listing.after, listing.fetch)?;
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
    Ok(Json(db.write(who.into(), move |tx| super::super::statement(tx, id).map(StatementView::from)).await?))
}

/// Downloads the file of a statement, byte-equal to what was imported.
#[utoipa::path(tag = "bank", params(("id" = StatementId, Path)),
    responses((status = 200, content_type = "application/xml", body = Vec<u8>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_statements/{id}/file")]
async fn download_bank_statement(who: Desk, db: Data<Db>, id: Path<StatementId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| super::super::statement_file(tx, id)).await?;
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
            let rows = super::super::lines(tx, filter.statement_id, filter.state, listing.after, listing.fetch)?;
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
    Ok(Json(db.write(who.into(), move |tx| super::super::find_line(tx, id).map(LineView::from)).await?))
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
    why: Vec<GuessReason>,
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
            let currency = super::super::find_line(tx, id)?.row.currency;
            Ok(super::super::guesses(tx, id)?.into_iter().map(|it| GuessView::new(it, currency)).collect())
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
