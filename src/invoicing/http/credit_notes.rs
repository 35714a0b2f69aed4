//! The counter for credit notes, and for what clients have paid too much.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::views::{ChargeView, DocumentCurrencyView, TaxView, charge_view, tax_view};
use crate::access::{Desk, MemberOrDesk, Reviewer};
use crate::archive::{self, Kind};
use crate::invoicing::Wanted;
use crate::invoicing::credit::{self, ClientCredit, CreditNote, CreditNoteFilter, CreditNoteRow, NewCreditNote};
use crate::kernel::ids::{ActivityId, ClientId, EntityId, InvoiceId, PersonId};
use crate::kernel::lines::LineKind;
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::refusal::Checks;
use crate::kernel::vat::VatCase;
use crate::outbox;
use crate::outbox::http::EmailView;
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf, attachment};

crate::endpoints!(
    issue_credit_note,
    list_credit_notes,
    show_credit_note,
    download_credit_note,
    list_credit_note_emails,
    list_client_credits,
);

/// A line to give back.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreditLineBody {
    /// The line of the invoice.
    #[schema(minimum = 1)]
    n: i32,
    /// How much of it, without VAT: above zero and no more than is left of it.
    net: Money,
}

/// What to give back of an invoice, and why: all that is left with `full`, or parts of lines.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct IssueCreditNote {
    /// Made by the sender.
    id: InvoiceId,
    /// Why; the client reads it.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// All that is left of the invoice.
    #[serde(default)]
    full: bool,
    /// Parts of lines; not with `full`.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 1000)]
    lines: Option<Vec<CreditLineBody>>,
}

impl IssueCreditNote {
    fn wanted(&self, currency: Currency) -> Result<Wanted> {
        let lines = match (self.full, &self.lines) {
            (true, None) => return Ok(Wanted::Full),
            (true, Some(_)) => return Err(Error::field("/lines", "not_allowed")),
            (false, None) => return Err(Error::field("/lines", "required")),
            (false, Some(lines)) => lines,
        };
        let mut checks = Checks::default();
        for (index, line) in lines.iter().enumerate() {
            checks.require(line.net.currency == currency, &format!("/lines/{index}/net/currency"), "not_allowed");
        }
        checks.done()?;
        Ok(Wanted::Lines(lines.iter().map(|line| (line.n, line.net.amount_minor)).collect()))
    }
}

/// A line of a credit note.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditLineView {
    /// Its place.
    pub n: i32,
    /// The line of the invoice.
    pub corrects_line: i32,
    /// What it is: a discount on all lines is given back below zero, a charge above.
    pub kind: LineKind,
    /// What was sold.
    pub label: String,
    /// How VAT applies.
    pub vat_case: VatCase,
    /// What is given back of it, without VAT.
    pub net: Money,
}

/// Where the member's share of a credit note came from.
#[derive(Debug, Serialize, ToSchema)]
pub struct TakenView {
    /// All of it: the net amount less what the mutual gives back.
    pub share: Money,
    /// From what still waited for the client.
    pub pending: Money,
    /// From what the activity had available.
    pub available: Money,
    /// What it lacked; taken from what it receives next.
    pub arrears: Money,
    /// What of it the guarantee fund owes: it did not hold the contribution that comes back, and returns it later.
    pub owed_by_fund: Money,
}

/// A credit note. Its amounts are positive: what is given back.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditNoteView {
    /// Its id.
    pub id: InvoiceId,
    /// Grows with every change.
    pub version: i32,
    /// Its number, in the series of credit notes.
    pub number: String,
    /// The day of issue.
    pub issued_on: NaiveDate,
    /// The invoice that it corrects.
    pub invoice_id: InvoiceId,
    /// The number of that invoice.
    pub invoice_number: String,
    /// The date of that invoice.
    pub invoice_issued_on: NaiveDate,
    /// Why.
    pub reason: String,
    /// Who issues it.
    pub entity_id: EntityId,
    /// Whose work it was.
    pub member_id: PersonId,
    /// To which activity it belongs.
    pub activity_id: ActivityId,
    /// Who gets it.
    pub client_id: ClientId,
    /// What is given back, line by line.
    pub lines: Vec<CreditLineView>,
    /// What it says where it is not in euro, by the rate of its invoice: every amount but its lines is as it is booked.
    pub document: Option<DocumentCurrencyView>,
    /// VAT by case and rate.
    pub taxes: Vec<TaxView>,
    /// What the mutual gives back of what it kept: its share of what was booked.
    pub charges: Vec<ChargeView>,
    /// Without VAT.
    pub total_net: Money,
    /// VAT.
    pub total_vat: Money,
    /// With VAT: what the client owes less.
    pub total_gross: Money,
    /// What the activity gives back, and out of what.
    pub from_activity: TakenView,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl CreditNoteView {
    fn new(note: CreditNote) -> Result<Self> {
        let said = note.shown();
        let row = note.row;
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        let given: Vec<_> = note.charges.iter().map(credit::given_back).collect::<Result<_>>()?;
        let kept = Minor::sum(given.iter().map(|charge| charge.amount))?;
        let line = |line: &crate::invoicing::InvoiceLineRow| CreditLineView {
            n: line.n,
            corrects_line: note.credited.iter().find(|of| of.n == line.n).map_or(0, |of| of.corrects_line),
            kind: line.kind,
            label: line.label.clone(),
            vat_case: line.vat_case,
            net: Money { amount_minor: line.net_minor, currency: said.currency },
        };
        Ok(Self {
            document: note.foreign.as_ref().map(DocumentCurrencyView::from),
            lines: said.lines.iter().map(line).collect(),
            taxes: note.taxes.iter().map(|tax| tax_view(tax, row.currency)).collect(),
            charges: given.iter().map(|charge| charge_view(charge, row.currency)).collect(),
            from_activity: TakenView {
                share: money(row.net_minor.minus(kept)?),
                pending: money(note.taken.pending_minor),
                available: money(note.taken.available_minor),
                arrears: money(note.taken.arrears_minor),
                owed_by_fund: money(note.taken.owed_minor),
            },
            total_net: money(row.net_minor),
            total_vat: money(row.tax_minor),
            total_gross: money(row.gross_minor),
            id: row.id,
            version: row.version,
            number: row.number,
            issued_on: row.issued_on,
            invoice_id: row.corrects_id,
            invoice_number: row.corrects_number,
            invoice_issued_on: row.corrects_issued_on,
            reason: row.reason,
            entity_id: row.entity_id,
            member_id: row.member_id,
            activity_id: row.activity_id,
            client_id: row.client_id,
            created_at: row.created_at,
        })
    }
}

/// A credit note in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditNoteSummary {
    /// Its id.
    pub id: InvoiceId,
    /// Grows with every change.
    pub version: i32,
    /// Its number.
    pub number: String,
    /// The day of issue.
    pub issued_on: NaiveDate,
    /// The invoice that it corrects.
    pub invoice_id: InvoiceId,
    /// The number of that invoice.
    pub invoice_number: String,
    /// Whose work it was.
    pub member_id: PersonId,
    /// Who gets it.
    pub client_id: ClientId,
    /// Why.
    pub reason: String,
    /// With VAT.
    pub total_gross: Money,
}

impl From<CreditNoteRow> for CreditNoteSummary {
    fn from(row: CreditNoteRow) -> Self {
        Self {
            total_gross: Money { amount_minor: row.gross_minor, currency: row.currency },
            id: row.id,
            version: row.version,
            number: row.number,
            issued_on: row.issued_on,
            invoice_id: row.corrects_id,
            invoice_number: row.corrects_number,
            member_id: row.member_id,
            client_id: row.client_id,
            reason: row.reason,
        }
    }
}

/// What a client has paid too much on an invoice.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientCreditView {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Its number.
    pub invoice_number: String,
    /// Who issued it.
    pub entity_id: EntityId,
    /// Whose work it was.
    pub member_id: PersonId,
    /// Whose money it is.
    pub client_id: ClientId,
    /// Their name.
    pub client_name: String,
    /// What they paid beyond what is left to pay.
    pub amount: Money,
}

impl From<ClientCredit> for ClientCreditView {
    fn from(row: ClientCredit) -> Self {
        Self {
            amount: Money { amount_minor: row.amount_minor, currency: row.currency },
            invoice_id: row.invoice_id,
            invoice_number: row.number,
            entity_id: row.entity_id,
            member_id: row.member_id,
            client_id: row.client_id,
            client_name: row.client_name,
        }
    }
}

/// Gives an issued invoice back, in part or in full: a credit note is issued, booked and sent at once.
#[utoipa::path(tag = "credit notes", params(("id" = InvoiceId, Path), ("dry_run" = Option<bool>, Query)),
    request_body = IssueCreditNote, responses((status = 201, body = CreditNoteView)),
    extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/invoices/{id}/credit_notes")]
async fn issue_credit_note(
    who: Reviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<IssueCreditNote>,
) -> Result<HttpResponse> {
    let invoice = id.into_inner();
    command
        .about_money()
        .create(&db, who.into(), "issue_credit_note", "/v1/credit_notes", move |tx, body| {
            let currency = crate::invoicing::currency(tx, invoice)?;
            let wanted = body.wanted(currency)?;
            let new = NewCreditNote { id: body.id, invoice, reason: body.reason, wanted };
            CreditNoteView::new(credit::issue(tx, &new)?)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListFilter {
    /// Only those that correct this invoice.
    invoice_id: Option<InvoiceId>,
    /// Only for this client.
    client_id: Option<ClientId>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists credit notes, newest first.
#[utoipa::path(tag = "credit notes", params(ListFilter), responses((status = 200, body = Page<CreditNoteSummary>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/credit_notes")]
async fn list_credit_notes(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<ListFilter>,
) -> Result<Json<Page<CreditNoteSummary>>> {
    let query = query.0;
    let filter = CreditNoteFilter { invoice_id: query.invoice_id, client_id: query.client_id };
    let listing = Listing::new(&keys, who.person(), "credit_notes", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = credit::list(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, CreditNoteSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a credit note: what it gives back, of which lines, and out of what.
#[utoipa::path(tag = "credit notes", params(("id" = InvoiceId, Path)), responses((status = 200, body = CreditNoteView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/credit_notes/{id}")]
async fn show_credit_note(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<Json<CreditNoteView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| CreditNoteView::new(credit::find(tx, id)?)).await?))
}

/// Downloads the PDF: the same bytes for ever. 404 until it has been made, a moment after the issue.
#[utoipa::path(tag = "credit notes", params(("id" = InvoiceId, Path)),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/credit_notes/{id}/pdf")]
async fn download_credit_note(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db
        .write(who.into(), move |tx| {
            credit::owner(tx, id)?;
            archive::find_of(tx, id.0, Kind::InvoicePdf)?.ok_or_else(Error::not_found)
        })
        .await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

/// Lists the mails about a credit note and what became of them.
#[utoipa::path(tag = "credit notes", params(("id" = InvoiceId, Path)), responses((status = 200, body = Vec<EmailView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/credit_notes/{id}/emails")]
async fn list_credit_note_emails(who: MemberOrDesk, db: Data<Db>, id: Path<InvoiceId>) -> Result<Json<Vec<EmailView>>> {
    let id = id.into_inner();
    let rows = db
        .write(who.into(), move |tx| {
            credit::owner(tx, id)?;
            outbox::emails_about(tx, id.0)
        })
        .await?;
    Ok(Json(rows.into_iter().map(EmailView::from).collect()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CreditsPage {
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists invoices of which clients have paid more than is left to pay: what the mutual owes to clients.
#[utoipa::path(tag = "credit notes", params(CreditsPage), responses((status = 200, body = Page<ClientCreditView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/client_credits")]
async fn list_client_credits(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<CreditsPage>,
) -> Result<Json<Page<ClientCreditView>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "client_credits", &(), query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = credit::client_credits(tx, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.invoice_id.0, ClientCreditView::from))
        })
        .await?;
    Ok(Json(page))
}
