//! Pay schemes and their versions, and those that come with the program.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Administrator, SignedIn};
use crate::formats::payslip;
use crate::kernel::ids::{EntityId, PaySchemeId, PaySchemeVersionId, PersonId};
use crate::kernel::schemes::presets::Preset;
use crate::kernel::schemes::{Scheme, TypedScheme, typed};
use crate::payroll::{self, NewScheme, NewVersion, SchemeRow, VersionRow};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{self, Command, Listing, Page, QueryOf};

crate::endpoints!(
    list_pay_scheme_presets,
    create_pay_scheme,
    list_pay_schemes,
    show_pay_scheme,
    create_pay_scheme_version,
    list_pay_scheme_versions,
);

/// The schemes that come with the program.
#[derive(Debug, Serialize, ToSchema)]
struct PresetsView {
    /// That they are no advice, in the reader's language.
    advice: &'static str,
    /// The schemes.
    data: Vec<Preset>,
}

/// Lists the schemes that come with the program: dated examples with their source, to take over and to edit.
#[utoipa::path(tag = "payroll", responses((status = 200, body = PresetsView)), extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/pay_scheme_presets")]
async fn list_pay_scheme_presets(who: SignedIn, db: Data<Db>, request: HttpRequest) -> Result<Json<PresetsView>> {
    let advice = payslip::advice(web::language(&request));
    let data = db.write(who.into(), |_tx| payroll::shipped()).await?;
    Ok(Json(PresetsView { advice, data }))
}

/// A pay scheme of an entity.
#[derive(Debug, Serialize, ToSchema)]
struct PaySchemeView {
    /// Its id.
    id: PaySchemeId,
    /// Whose.
    entity_id: EntityId,
    /// Its short name within the entity.
    code: String,
    /// Its name for people.
    name: String,
    /// Who made it.
    created_by: PersonId,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<SchemeRow> for PaySchemeView {
    fn from(row: SchemeRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            code: row.code,
            name: row.name,
            created_by: row.created_by,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreatePayScheme {
    /// Made by the sender.
    id: PaySchemeId,
    /// Whose.
    entity_id: EntityId,
    /// Its short name within the entity.
    #[schema(max_length = 40, pattern = "^[a-z][a-z0-9_]{0,39}$")]
    code: String,
    /// Its name for people.
    #[schema(max_length = 200)]
    name: String,
}

/// Makes a pay scheme. It pays nobody before it has a version and an arrangement.
#[utoipa::path(tag = "payroll", request_body = CreatePayScheme, responses((status = 201, body = PaySchemeView)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/pay_schemes")]
async fn create_pay_scheme(
    who: Administrator,
    db: Data<Db>,
    command: Command<CreatePayScheme>,
) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "create_pay_scheme", "/v1/pay_schemes", |tx, body| {
            let new = NewScheme { id: body.id, entity: body.entity_id, code: body.code, name: body.name };
            payroll::create_scheme(tx, &new).map(PaySchemeView::from)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PaySchemeQuery {
    /// Only of this entity.
    entity_id: Option<EntityId>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists pay schemes, newest first.
#[utoipa::path(tag = "payroll", params(PaySchemeQuery), responses((status = 200, body = Page<PaySchemeView>)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/pay_schemes")]
async fn list_pay_schemes(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<PaySchemeQuery>,
) -> Result<Json<Page<PaySchemeView>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "pay_schemes", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = payroll::schemes(tx, query.entity_id, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, PaySchemeView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a pay scheme.
#[utoipa::path(tag = "payroll", params(("id" = PaySchemeId, Path)), responses((status = 200, body = PaySchemeView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/pay_schemes/{id}")]
async fn show_pay_scheme(who: SignedIn, db: Data<Db>, id: Path<PaySchemeId>) -> Result<Json<PaySchemeView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| payroll::scheme(tx, id).map(PaySchemeView::from)).await?))
}

/// A version of a pay scheme.
#[derive(Debug, Serialize, ToSchema)]
struct PaySchemeVersionView {
    /// Its id.
    id: PaySchemeVersionId,
    /// Of which scheme.
    scheme_id: PaySchemeId,
    /// From this day on, until that of the next version.
    valid_from: NaiveDate,
    /// Its components, as they can be typed again.
    rules: TypedScheme,
    /// The preset that they come from.
    preset: Option<String>,
    /// Where the rates come from.
    source: String,
    /// On this day somebody should look at it again.
    needs_review_on: NaiveDate,
    /// Why.
    reason: String,
    /// Who decided.
    decided_by: PersonId,
    /// When.
    created_at: DateTime<Utc>,
}

impl PaySchemeVersionView {
    fn new(row: VersionRow) -> Result<Self> {
        let scheme: Scheme = serde_json::from_value(row.rules)?;
        Ok(Self {
            id: row.id,
            scheme_id: row.scheme_id,
            valid_from: row.valid_from,
            rules: typed::write(&scheme),
            preset: row.preset,
            source: row.source,
            needs_review_on: row.needs_review_on,
            reason: row.reason,
            decided_by: row.decided_by,
            created_at: row.created_at,
        })
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreatePaySchemeVersion {
    /// Made by the sender.
    id: PaySchemeVersionId,
    /// From this day on; only the first version may begin in the past.
    valid_from: NaiveDate,
    /// The components; left out to take those of the preset.
    #[serde(default)]
    rules: Option<TypedScheme>,
    /// The preset that they come from.
    #[serde(default)]
    #[schema(max_length = 40)]
    preset: Option<String>,
    /// Where the rates come from; that of the preset when it is left out.
    #[serde(default)]
    #[schema(max_length = 2000)]
    source: Option<String>,
    /// On this day somebody should look at it again; that of the preset when it is left out.
    #[serde(default)]
    needs_review_on: Option<NaiveDate>,
    /// Why.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Adds a version to a pay scheme: its own components, or those of a preset. Nothing is edited; it holds from its day on.
#[utoipa::path(tag = "payroll", params(("id" = PaySchemeId, Path)), request_body = CreatePaySchemeVersion,
    responses((status = 201, body = PaySchemeVersionView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/pay_schemes/{id}/versions")]
async fn create_pay_scheme_version(
    who: Administrator,
    db: Data<Db>,
    id: Path<PaySchemeId>,
    command: Command<CreatePaySchemeVersion>,
) -> Result<HttpResponse> {
    let scheme = id.into_inner();
    let place = format!("/v1/pay_schemes/{scheme}/versions");
    command
        .create(&db, who.into(), "create_pay_scheme_version", &place, move |tx, body| {
            let new = NewVersion {
                id: body.id,
                scheme,
                valid_from: body.valid_from,
                rules: body.rules,
                preset: body.preset,
                source: body.source,
                needs_review_on: body.needs_review_on,
                reason: body.reason,
            };
            payroll::add_version(tx, &new).and_then(PaySchemeVersionView::new)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct VersionQuery {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists the versions of a pay scheme, newest first.
#[utoipa::path(tag = "payroll", params(("id" = PaySchemeId, Path), VersionQuery),
    responses((status = 200, body = Page<PaySchemeVersionView>)), extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/pay_schemes/{id}/versions")]
async fn list_pay_scheme_versions(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<PaySchemeId>,
    query: QueryOf<VersionQuery>,
) -> Result<Json<Page<PaySchemeVersionView>>> {
    let (of, query) = (id.into_inner(), query.0);
    let list = format!("pay_scheme_versions {of}");
    let listing = Listing::new(&keys, who.person(), &list, &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = payroll::versions(tx, of, listing.after, listing.fetch)?;
            let views = rows.into_iter().map(PaySchemeVersionView::new).collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |view| view.id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}
