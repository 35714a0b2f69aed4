//! The counter for what late invoices wait for.

use actix_web::get;
use actix_web::web::{Data, Json};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Desk;
use crate::collection::waiting::{self, ToDo, WaitingRow, WaitsFor, WaitsOn};
use crate::kernel::ids::{ClientId, EntityId, InvoiceId, PersonId};
use crate::kernel::money::Money;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Listing, Page, QueryOf};

crate::endpoints!(list_collection_work);

/// A late invoice that waits for somebody.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollectionWorkView {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Its number.
    pub number: String,
    /// Whose books.
    pub entity_id: EntityId,
    /// Whose work it was.
    pub member_id: PersonId,
    /// Who owes it.
    pub client_id: ClientId,
    /// Their name.
    pub client_name: String,
    /// The last day to pay.
    pub due_on: NaiveDate,
    /// Days since then.
    pub days_late: i32,
    /// What is open.
    pub open: Money,
    /// What it waits for.
    pub waits_for: WaitsFor,
    /// Who must act.
    pub waits_on: WaitsOn,
    /// Since when.
    pub since_on: NaiveDate,
    /// When it goes on by itself: the demand on its day, silence after a question.
    pub until_on: Option<NaiveDate>,
}

impl From<WaitingRow> for CollectionWorkView {
    fn from(row: WaitingRow) -> Self {
        Self {
            invoice_id: row.invoice_id,
            number: row.number,
            entity_id: row.entity_id,
            member_id: row.member_id,
            client_id: row.client_id,
            client_name: row.client_name,
            due_on: row.due_on,
            days_late: row.days_late,
            open: Money { amount_minor: row.open_minor, currency: row.currency },
            waits_for: row.waits_for,
            waits_on: row.waits_on,
            since_on: row.since_on,
            until_on: row.until_on,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct WorkQuery {
    /// Only in these books.
    entity_id: Option<EntityId>,
    /// Only what waits for this.
    #[param(inline)]
    waits_for: Option<WaitsFor>,
    /// Only where they must act.
    #[param(inline)]
    waits_on: Option<WaitsOn>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists late invoices that wait for somebody, the longest due first: for the member's answer, the formal demand, the
/// agency, a letter to post, the end of a dispute or a hold, or a decision when all steps are taken.
#[utoipa::path(tag = "collection", params(WorkQuery), responses((status = 200, body = Page<CollectionWorkView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_work")]
async fn list_collection_work(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<WorkQuery>,
) -> Result<Json<Page<CollectionWorkView>>> {
    let query = query.0;
    let to_do = ToDo { entity_id: query.entity_id, waits_for: query.waits_for, waits_on: query.waits_on };
    let listing = Listing::new(&keys, who.person(), "collection_work", &to_do, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = waiting::list(tx, &to_do, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.invoice_id.0, CollectionWorkView::from))
        })
        .await?;
    Ok(Json(page))
}
