//! The counter for clients.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, patch, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::VatRegistry;
use super::{AddressPatch, ClientDetails, ClientFilter, ClientKind, ClientPatch, ClientRow, VatCheckRow, VatOutcome};
use crate::access::{Member, MemberOrDesk};
use crate::charter::http::Address;
use crate::kernel::ids::{ClientId, PersonId};
use crate::kernel::language::Language;
use crate::kernel::patch::Patch;
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf, present};

crate::endpoints!(
    create_client,
    list_clients,
    show_client,
    change_client,
    archive_client,
    restore_client,
    check_client_vat,
);

/// What the VAT registry answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct VatCheckView {
    /// The number that was asked about.
    pub vat_number: String,
    /// What was answered.
    pub outcome: VatOutcome,
    /// Whose number it is, where the country tells.
    pub registered_name: Option<String>,
    /// Which register answered.
    pub source: String,
    /// The register's own number of the answer.
    pub consultation: Option<String>,
    /// When.
    pub checked_at: DateTime<Utc>,
}

impl From<VatCheckRow> for VatCheckView {
    fn from(row: VatCheckRow) -> Self {
        Self {
            vat_number: row.vat_number,
            outcome: row.outcome,
            registered_name: row.registered_name,
            source: row.source,
            consultation: row.consultation,
            checked_at: row.checked_at,
        }
    }
}

/// A client.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientView {
    /// Its id.
    pub id: ClientId,
    /// Whose.
    pub member_id: PersonId,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: ClientKind,
    /// Where orders and invoices go.
    pub email: String,
    /// What it reads.
    pub language: Language,
    /// VAT number, normalised.
    pub vat_number: Option<String>,
    /// Number in the register of enterprises.
    pub enterprise_number: Option<String>,
    /// GS1 location number.
    pub gln: Option<String>,
    /// Where electronic invoices reach it, if not under its registered number.
    pub electronic_address: Option<String>,
    /// Whom to ask.
    pub contact_name: Option<String>,
    /// At which telephone number.
    pub contact_phone: Option<String>,
    /// Its documents carry their labels in this language too.
    pub second_language: Option<Language>,
    /// Where it is.
    pub address: Address,
    /// The last answer of the VAT registry; about an older number if its own differs.
    pub vat_check: Option<VatCheckView>,
    /// When it was put away.
    pub archived_at: Option<DateTime<Utc>>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

impl ClientView {
    fn new(row: ClientRow, check: Option<VatCheckRow>) -> Self {
        Self {
            id: row.id,
            member_id: row.member_id,
            name: row.name,
            kind: row.kind,
            email: row.email,
            language: row.language,
            vat_number: row.vat_number,
            address: Address {
                street: row.street,
                building_number: row.building_number,
                postcode: row.postcode,
                town: row.town,
                country: row.country,
            },
            enterprise_number: row.enterprise_number,
            gln: row.gln,
            electronic_address: row.electronic_address,
            contact_name: row.contact_name,
            contact_phone: row.contact_phone,
            second_language: row.second_language,
            vat_check: check.map(VatCheckView::from),
            archived_at: row.archived_at,
            created_at: row.created_at,
            version: row.version,
        }
    }

    fn of(tx: &mut Tx<'_>, row: ClientRow) -> Result<Self> {
        let check = super::last_checks(tx, &[row.id])?.remove(&row.id);
        Ok(Self::new(row, check))
    }

    fn load(tx: &mut Tx<'_>, id: ClientId) -> Result<Self> {
        let row = super::client(tx, id)?;
        Self::of(tx, row)
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateClient {
    /// Made by the sender.
    id: ClientId,
    /// Name.
    #[schema(max_length = 200)]
    name: String,
    /// What it is.
    kind: ClientKind,
    /// Where orders and invoices go.
    #[schema(max_length = 254)]
    email: String,
    /// What it reads.
    language: Language,
    /// VAT number of the country of its address.
    #[serde(default)]
    #[schema(max_length = 20)]
    vat_number: Option<String>,
    /// Number in the register of enterprises: ten digits in Belgium, SIREN or SIRET in France.
    #[serde(default)]
    #[schema(max_length = 20)]
    enterprise_number: Option<String>,
    /// GS1 location number.
    #[serde(default)]
    #[schema(max_length = 13, pattern = "^[0-9]{13}$")]
    gln: Option<String>,
    /// Where electronic invoices reach it: scheme and value, as in `0208:0123456749`. By default its registered number.
    #[serde(default)]
    #[schema(max_length = 60)]
    electronic_address: Option<String>,
    /// Whom to ask.
    #[serde(default)]
    #[schema(max_length = 100)]
    contact_name: Option<String>,
    /// At which telephone number.
    #[serde(default)]
    #[schema(max_length = 30)]
    contact_phone: Option<String>,
    /// Its documents carry their labels in this language too.
    #[serde(default)]
    #[schema(inline)]
    second_language: Option<Language>,
    /// Where it is.
    address: Address,
}

/// Adds a client.
#[utoipa::path(tag = "clients", request_body = CreateClient, responses((status = 201, body = ClientView)),
    extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/clients")]
async fn create_client(who: Member, db: Data<Db>, command: Command<CreateClient>) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "create_client", "/v1/clients", |tx, body| {
            let details = ClientDetails {
                name: body.name,
                kind: body.kind,
                email: body.email,
                language: body.language,
                vat_number: body.vat_number,
                street: body.address.street,
                building_number: body.address.building_number,
                postcode: body.address.postcode,
                town: body.address.town,
                country: body.address.country,
                enterprise_number: body.enterprise_number,
                gln: body.gln,
                electronic_address: body.electronic_address,
                contact_name: body.contact_name,
                contact_phone: body.contact_phone,
                second_language: body.second_language,
            };
            let row = super::add(tx, body.id, details)?;
            Ok(ClientView::new(row, None))
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ClientQuery {
    /// The beginning of the name, in any case.
    #[param(max_length = 200)]
    name: Option<String>,
    /// Those that were put away instead of the others.
    archived: Option<bool>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists clients, newest first: your own, or all of them for the office.
#[utoipa::path(tag = "clients", params(ClientQuery), responses((status = 200, body = Page<ClientView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/clients")]
async fn list_clients(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<ClientQuery>,
) -> Result<Json<Page<ClientView>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "clients", &query, query.limit, query.cursor.as_deref())?;
    let filter = ClientFilter { name: query.name, is_archived: query.archived.unwrap_or(false) };
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::clients(tx, &filter, listing.after, listing.fetch)?;
            let ids: Vec<ClientId> = rows.iter().map(|row| row.id).collect();
            let mut checks = super::last_checks(tx, &ids)?;
            Ok(listing.page(
                rows,
                |row| row.id.0,
                |row| {
                    let check = checks.remove(&row.id);
                    ClientView::new(row, check)
                },
            ))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a client.
#[utoipa::path(tag = "clients", params(("id" = ClientId, Path)), responses((status = 200, body = ClientView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/clients/{id}")]
async fn show_client(who: MemberOrDesk, db: Data<Db>, id: Path<ClientId>) -> Result<Json<ClientView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| ClientView::load(tx, id)).await?))
}

#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeAddress {
    /// Street.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 70)]
    street: Option<String>,
    /// Building number.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 16)]
    building_number: Option<String>,
    /// Postcode.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 16)]
    postcode: Option<String>,
    /// Town.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 35)]
    town: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 2, pattern = "^[A-Z]{2}$")]
    country: Option<String>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeClient {
    /// Name.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What it is.
    #[serde(default, deserialize_with = "present")]
    kind: Option<ClientKind>,
    /// Where orders and invoices go.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 254)]
    email: Option<String>,
    /// What it reads.
    #[serde(default, deserialize_with = "present")]
    language: Option<Language>,
    /// VAT number; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 20)]
    vat_number: Patch<String>,
    /// Its number in the register of enterprises. `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 20)]
    enterprise_number: Patch<String>,
    /// GS1 location number. `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 13)]
    gln: Patch<String>,
    /// Where electronic invoices reach it, if not under its registered number: scheme and value. `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 60)]
    electronic_address: Patch<String>,
    /// Whom to ask. `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 100)]
    contact_name: Patch<String>,
    /// At which telephone number. `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 30)]
    contact_phone: Patch<String>,
    /// Its documents carry their labels in this language too.
    #[serde(default)]
    #[schema(value_type = Option<Language>)]
    second_language: Patch<Language>,
    /// What changes about the address.
    #[serde(default, deserialize_with = "present")]
    address: Option<ChangeAddress>,
}

impl From<ChangeClient> for ClientPatch {
    fn from(body: ChangeClient) -> Self {
        Self {
            name: body.name,
            kind: body.kind,
            email: body.email,
            language: body.language,
            vat_number: body.vat_number,
            enterprise_number: body.enterprise_number,
            gln: body.gln,
            electronic_address: body.electronic_address,
            contact_name: body.contact_name,
            contact_phone: body.contact_phone,
            second_language: body.second_language,
            address: body.address.map(|address| AddressPatch {
                street: address.street,
                building_number: address.building_number,
                postcode: address.postcode,
                town: address.town,
                country: address.country,
            }),
        }
    }
}

/// Changes a client (RFC 7396). Documents that are out keep what they said.
#[utoipa::path(tag = "clients", params(("id" = ClientId, Path)), request_body(content = ChangeClient, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ClientView)), extensions(("x-roles" = json!(["member"]))))]
#[patch("/v1/clients/{id}")]
async fn change_client(
    who: Member,
    db: Data<Db>,
    id: Path<ClientId>,
    command: Command<ChangeClient>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "change_client", id, ClientView::load, |tx, id, expected, body| {
            let row = super::change(tx, id, expected, body.into())?;
            ClientView::of(tx, row)
        })
        .await
}

/// Puts a client away: it can be chosen no longer, and its documents stay.
#[utoipa::path(tag = "clients", params(("id" = ClientId, Path)), request_body = Empty,
    responses((status = 200, body = ClientView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/clients/{id}/archive")]
async fn archive_client(
    who: Member,
    db: Data<Db>,
    id: Path<ClientId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "archive_client", id, ClientView::load, |tx, id, expected, _| {
            let row = super::archive(tx, id, expected)?;
            ClientView::of(tx, row)
        })
        .await
}

/// Takes a client back that was put away.
#[utoipa::path(tag = "clients", params(("id" = ClientId, Path)), request_body = Empty,
    responses((status = 200, body = ClientView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/clients/{id}/restore")]
async fn restore_client(
    who: Member,
    db: Data<Db>,
    id: Path<ClientId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "restore_client", id, ClientView::load, |tx, id, expected, _| {
            let row = super::restore(tx, id, expected)?;
            ClientView::of(tx, row)
        })
        .await
}

/// Asks the VAT registry about the number of a client and keeps the answer as proof.
///
/// The registry is asked between two transactions: it may take seconds, or not answer.
#[utoipa::path(tag = "clients", params(("id" = ClientId, Path)), request_body = Empty,
    responses((status = 200, body = ClientView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[post("/v1/clients/{id}/check_vat")]
async fn check_client_vat(
    who: MemberOrDesk,
    db: Data<Db>,
    registry: Data<dyn VatRegistry>,
    id: Path<ClientId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    let number = db.write(who.clone().into(), move |tx| super::vat_number_to_check(tx, id)).await?;
    let asked = number.clone();
    let answer = tokio::task::spawn_blocking(move || registry.ask(&asked)).await.map_err(Error::internal)?;
    command
        .run(&db, who.into(), "check_client_vat", move |tx, _| {
            super::keep_answer(tx, id, &number, &answer)?;
            ClientView::load(tx, id)
        })
        .await
}
