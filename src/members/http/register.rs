//! The register of members and their shares.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Administrator, Member, SignedIn};
use crate::charter::http::Address;
use crate::kernel::ids::{EntityId, PersonId, ShareId};
use crate::kernel::money::Money;
use crate::kernel::references::Ogm;
use crate::members::{self, MemberCard, MemberState, ShareRow, ShareState};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf};

crate::endpoints!(list_members, show_member, suspend_member, reactivate_member, list_shares, buy_shares, show_share);

/// Shares that were subscribed at once.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShareView {
    /// Their id.
    pub id: ShareId,
    /// Whose.
    pub member_id: PersonId,
    /// The number of the certificate.
    pub certificate: i64,
    /// How many were subscribed.
    pub quantity: i32,
    /// How many of them were given back.
    pub redeemed_quantity: i32,
    /// What one costs.
    pub nominal: Money,
    /// What all that were subscribed cost.
    pub amount: Money,
    /// The structured reference that pays them, as banks print it.
    pub payment_reference: Option<String>,
    /// Where they stand.
    pub state: ShareState,
    /// When they were subscribed.
    pub subscribed_on: NaiveDate,
    /// When they were paid.
    pub paid_on: Option<NaiveDate>,
    /// Grows with every change.
    pub version: i32,
}

impl ShareView {
    fn new(row: ShareRow) -> Result<Self> {
        let amount = members::price(&row)?;
        Ok(Self {
            id: row.id,
            member_id: row.member_id,
            certificate: row.certificate,
            quantity: row.quantity,
            redeemed_quantity: row.redeemed_quantity,
            nominal: Money { amount_minor: row.nominal_minor, currency: row.currency },
            amount,
            payment_reference: row.payment_reference.as_deref().and_then(Ogm::parse).map(|ogm| ogm.printed()),
            state: row.state,
            subscribed_on: row.subscribed_on,
            paid_on: row.paid_on,
            version: row.version,
        })
    }
}

/// A member.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberView {
    /// The id of the person.
    pub id: PersonId,
    /// Their number in the register of members.
    pub number: i64,
    /// Of which entity.
    pub entity_id: EntityId,
    /// Where the membership stands.
    pub state: MemberState,
    /// Name.
    pub name: String,
    /// Address of mail.
    pub email: String,
    /// Where they live.
    pub address: Address,
    /// Their own enterprise number, if they have one.
    pub enterprise_number: Option<String>,
    /// The last four characters of the IBAN they are paid on.
    pub iban_last4: Option<String>,
    /// When somebody of the office verified that account.
    pub account_verified_at: Option<DateTime<Utc>>,
    /// Their shares, oldest first.
    pub shares: Vec<ShareView>,
    /// When they were accepted.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

impl MemberView {
    fn new(card: MemberCard) -> Result<Self> {
        let (row, account) = (card.member, card.account);
        Ok(Self {
            id: row.id,
            number: row.number,
            entity_id: row.entity_id,
            state: row.state,
            name: card.person.name,
            email: card.person.email,
            address: Address {
                street: row.street,
                building_number: row.building_number,
                postcode: row.postcode,
                town: row.town,
                country: row.country,
            },
            enterprise_number: row.enterprise_number,
            iban_last4: account.as_ref().map(|account| account.iban_last4.clone()),
            account_verified_at: account.and_then(|account| account.verified_at),
            shares: card.shares.into_iter().map(ShareView::new).collect::<Result<_>>()?,
            created_at: row.created_at,
            version: row.version,
        })
    }

    fn load(tx: &mut Tx<'_>, id: PersonId) -> Result<Self> {
        Self::new(members::card(tx, id)?)
    }
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct MemberQuery {
    /// Those in one state.
    #[param(inline)]
    state: Option<MemberState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists members, newest first: yourself, or all of them for the office.
#[utoipa::path(tag = "members", params(MemberQuery), responses((status = 200, body = Page<MemberView>)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/members")]
async fn list_members(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<MemberQuery>,
) -> Result<Json<Page<MemberView>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "members", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let cards = members::members(tx, query.state, listing.after, listing.fetch)?;
            let views = cards.into_iter().map(MemberView::new).collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |view| view.id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a member: yourself, or anybody for the office. Who has not paid the first share is shown too.
#[utoipa::path(tag = "members", params(("id" = PersonId, Path)), responses((status = 200, body = MemberView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/members/{id}")]
async fn show_member(who: SignedIn, db: Data<Db>, id: Path<PersonId>) -> Result<Json<MemberView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| MemberView::load(tx, id)).await?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// Why; kept in the history.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Suspends a member: they may look, and neither make documents nor be paid.
#[utoipa::path(tag = "members", params(("id" = PersonId, Path)), request_body = Reason,
    responses((status = 200, body = MemberView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/members/{id}/suspend")]
async fn suspend_member(
    who: Administrator,
    db: Data<Db>,
    id: Path<PersonId>,
    command: Command<Reason>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "suspend_member", id, MemberView::load, |tx, id, expected, body| {
            members::suspend(tx, id, expected, &body.reason)?;
            MemberView::load(tx, id)
        })
        .await
}

/// Ends the suspension of a member.
#[utoipa::path(tag = "members", params(("id" = PersonId, Path)), request_body = Reason,
    responses((status = 200, body = MemberView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/members/{id}/reactivate")]
async fn reactivate_member(
    who: Administrator,
    db: Data<Db>,
    id: Path<PersonId>,
    command: Command<Reason>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "reactivate_member", id, MemberView::load, |tx, id, expected, body| {
            members::reactivate(tx, id, expected, &body.reason)?;
            MemberView::load(tx, id)
        })
        .await
}

/// Lists the shares of a member, oldest first.
#[utoipa::path(tag = "members", params(("id" = PersonId, Path)), responses((status = 200, body = Vec<ShareView>)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/members/{id}/shares")]
async fn list_shares(who: SignedIn, db: Data<Db>, id: Path<PersonId>) -> Result<Json<Vec<ShareView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| members::shares(tx, id)).await?;
    Ok(Json(rows.into_iter().map(ShareView::new).collect::<Result<_>>()?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BuyShares {
    /// Made by the sender.
    id: ShareId,
    /// How many.
    #[schema(minimum = 1, maximum = 1000)]
    quantity: i32,
}

/// Subscribes more shares at today's price; they count once they are paid.
#[utoipa::path(tag = "members", params(("id" = PersonId, Path)), request_body = BuyShares,
    responses((status = 201, body = ShareView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/members/{id}/shares")]
async fn buy_shares(
    who: Member,
    db: Data<Db>,
    id: Path<PersonId>,
    command: Command<BuyShares>,
) -> Result<HttpResponse> {
    let member = id.into_inner();
    command
        .about_money()
        .create(&db, who.into(), "buy_shares", "/v1/shares", move |tx, body| {
            ShareView::new(members::buy_shares(tx, member, body.id, body.quantity)?)
        })
        .await
}

/// Shows shares that were subscribed at once.
#[utoipa::path(tag = "members", params(("id" = ShareId, Path)), responses((status = 200, body = ShareView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/shares/{id}")]
async fn show_share(who: SignedIn, db: Data<Db>, id: Path<ShareId>) -> Result<Json<ShareView>> {
    let id = id.into_inner();
    let row = db.write(who.into(), move |tx| members::share(tx, id)).await?;
    Ok(Json(ShareView::new(row)?))
}
