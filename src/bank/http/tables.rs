//! The counter for the profiles of tables.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super as bank;
use super::super::ProfileRow;
use crate::access::{Desk, ReviewerOrAccountant};
use crate::formats::bank_statement::CsvProfile;
use crate::kernel::ids::{BankAccountId, BankCsvProfileId, EntityId, PersonId};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf};

crate::endpoints!(add_bank_csv_profile, list_bank_csv_profiles, show_bank_csv_profile);

/// Which column of a bank's table is what.
#[derive(Debug, Serialize, ToSchema)]
struct ProfileView {
    /// Its id.
    id: BankCsvProfileId,
    /// Whose account.
    entity_id: EntityId,
    /// The account whose tables it describes.
    bank_account_id: BankAccountId,
    /// What people call it.
    name: String,
    /// The columns.
    columns: CsvProfile,
    /// Who described it.
    created_by: PersonId,
    /// When.
    created_at: DateTime<Utc>,
}

impl ProfileView {
    fn of(it: ProfileRow) -> Result<Self> {
        Ok(Self {
            id: it.id,
            entity_id: it.entity_id,
            bank_account_id: it.bank_account_id,
            columns: bank::columns(&it.layout)?,
            created_by: it.created_by,
            created_at: it.created_at,
            name: it.name,
        })
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddProfile {
    /// Made by the sender.
    id: BankCsvProfileId,
    /// The account whose tables it describes.
    bank_account_id: BankAccountId,
    /// What people call it, once for an account.
    #[schema(max_length = 100)]
    name: String,
    /// The columns.
    columns: CsvProfile,
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ProfileFilter {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Describes the table of text that a bank gives for an account. It never changes; a new one takes its place.
#[utoipa::path(tag = "bank", request_body = AddProfile, responses((status = 201, body = ProfileView)),
    extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/bank_csv_profiles")]
async fn add_bank_csv_profile(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    command: Command<AddProfile>,
) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "add_bank_csv_profile", "/v1/bank_csv_profiles", |tx, body| {
            bank::add_profile(tx, body.id, body.bank_account_id, &body.name, &body.columns).and_then(ProfileView::of)
        })
        .await
}

/// Lists profiles of tables, the newest first.
#[utoipa::path(tag = "bank", params(ProfileFilter), responses((status = 200, body = Page<ProfileView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_csv_profiles")]
async fn list_bank_csv_profiles(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<ProfileFilter>,
) -> Result<Json<Page<ProfileView>>> {
    let filter = filter.0;
    let listing =
        Listing::new(&keys, who.person(), "bank_csv_profiles", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = bank::profiles(tx, listing.after, listing.fetch)?;
            let views = rows.into_iter().map(ProfileView::of).collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |it| it.id.0, |it| it))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a profile of tables.
#[utoipa::path(tag = "bank", params(("id" = BankCsvProfileId, Path)), responses((status = 200, body = ProfileView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_csv_profiles/{id}")]
async fn show_bank_csv_profile(who: Desk, db: Data<Db>, id: Path<BankCsvProfileId>) -> Result<Json<ProfileView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| bank::profile(tx, id).and_then(ProfileView::of)).await?))
}
