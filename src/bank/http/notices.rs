//! The counter for notes of the bank.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super as bank;
use super::super::{NoticeLineRow, NoticeRow};
use crate::access::Desk;
use crate::kernel::ids::{BankAccountId, BankLineId, BankNoticeId, BankNoticeLineId, EntityId, PersonId};
use crate::kernel::money::Money;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Listing, Page, QueryOf};

crate::endpoints!(list_bank_notices, show_bank_notice, list_bank_notice_lines);

/// A note of the bank: what it booked of a day so far (camt.052), or single bookings (camt.054). Nothing is booked by it.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoticeView {
    /// Its id.
    pub id: BankNoticeId,
    /// Whose account.
    pub entity_id: EntityId,
    /// The account.
    pub bank_account_id: BankAccountId,
    /// `report` or `notification`.
    pub kind: String,
    /// The bank's name for it.
    pub reference: String,
    /// Lines that no earlier note had.
    pub lines_new: i32,
    /// Lines that an earlier note had.
    pub lines_known: i32,
    /// Who brought it.
    pub imported_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<NoticeRow> for NoticeView {
    fn from(it: NoticeRow) -> Self {
        Self {
            id: it.id,
            entity_id: it.entity_id,
            bank_account_id: it.bank_account_id,
            kind: it.kind,
            reference: it.reference,
            lines_new: it.lines_new,
            lines_known: it.lines_known,
            imported_by: it.imported_by,
            created_at: it.created_at,
        }
    }
}

/// What a file brought: its note, and any further ones.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoticesView {
    /// The first note of the file.
    #[serde(flatten)]
    pub notice: NoticeView,
    /// The others, in the order of the file.
    pub further: Vec<NoticeView>,
}

/// A line of a note.
#[derive(Debug, Serialize, ToSchema)]
struct NoticeLineView {
    /// Its id.
    id: BankNoticeLineId,
    /// Its place in the note, from 1.
    n: i32,
    /// When the bank booked it.
    booked_on: NaiveDate,
    /// Positive when money came in.
    amount: Money,
    /// Who paid or was paid.
    counterparty: String,
    /// The end of their account number.
    counterparty_iban_last4: String,
    /// The free text.
    remittance: String,
    /// The structured reference.
    structured_reference: String,
    /// The payer's name for the transfer.
    end_to_end_id: String,
    /// The bank's reference.
    bank_reference: String,
    /// The bank's reference of the whole booking.
    entry_reference: String,
    /// Why a transfer came back.
    return_reason: String,
    /// The line of a statement that it explains.
    bank_line_id: Option<BankLineId>,
}

impl From<NoticeLineRow> for NoticeLineView {
    fn from(it: NoticeLineRow) -> Self {
        Self {
            id: it.id,
            n: it.n,
            booked_on: it.booked_on,
            amount: Money { amount_minor: it.amount_minor, currency: it.currency },
            counterparty: it.counterparty,
            counterparty_iban_last4: it.counterparty_iban_last4,
            remittance: it.remittance,
            structured_reference: it.structured_reference,
            end_to_end_id: it.end_to_end_id,
            bank_reference: it.bank_reference,
            entry_reference: it.entry_reference,
            return_reason: it.return_reason,
            bank_line_id: it.bank_line_id,
        }
    }
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct NoticeFilter {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists notes of the bank, the last kept first.
#[utoipa::path(tag = "bank", params(NoticeFilter), responses((status = 200, body = Page<NoticeView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_notices")]
async fn list_bank_notices(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<NoticeFilter>,
) -> Result<Json<Page<NoticeView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "bank_notices", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = bank::notices(tx, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |it| it.id.0, NoticeView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a note of the bank.
#[utoipa::path(tag = "bank", params(("id" = BankNoticeId, Path)), responses((status = 200, body = NoticeView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_notices/{id}")]
async fn show_bank_notice(who: Desk, db: Data<Db>, id: Path<BankNoticeId>) -> Result<Json<NoticeView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| bank::notice(tx, id).map(NoticeView::from)).await?))
}

/// Lists the lines of a note that were new with it.
#[utoipa::path(tag = "bank", params(("id" = BankNoticeId, Path), NoticeFilter),
    responses((status = 200, body = Page<NoticeLineView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_notices/{id}/lines")]
async fn list_bank_notice_lines(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<BankNoticeId>,
    filter: QueryOf<NoticeFilter>,
) -> Result<Json<Page<NoticeLineView>>> {
    let (id, filter) = (id.into_inner(), filter.0);
    let name = format!("bank_notices/{id}/lines");
    let listing = Listing::new(&keys, who.person(), &name, &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = bank::notice_lines(tx, id, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |it| it.id.0, NoticeLineView::from))
        })
        .await?;
    Ok(Json(page))
}
