//! The register of shares, certificates, and what shares are worth.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Desk, SignedIn};
use crate::kernel::ids::{EntityId, PersonId, ShareId};
use crate::kernel::money::{Minor, Money};
use crate::members::{self, RegisterFilter, RegisterTotal, Registered, ShareState};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Listing, Page, PageInfo, QueryOf, attachment};
use crate::shares::{self, Projection, Standing, jobs};

crate::endpoints!(list_share_register, download_share_certificate, show_share_projection, show_share_standing);

/// A line of the register of shares.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisterLineView {
    /// The shares.
    pub id: ShareId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// The number of the certificate.
    pub certificate: i64,
    /// Whose.
    pub member_id: PersonId,
    /// The number of the member.
    pub member_number: i64,
    /// The name of the member.
    pub member_name: String,
    /// How many were subscribed.
    pub quantity: i32,
    /// How many of them were given back.
    pub redeemed_quantity: i32,
    /// What one costs.
    pub nominal: Money,
    /// What all that were subscribed cost.
    pub amount: Money,
    /// Where they stand.
    pub state: ShareState,
    /// When they were subscribed.
    pub subscribed_on: NaiveDate,
    /// When they were paid.
    pub paid_on: Option<NaiveDate>,
}

impl RegisterLineView {
    fn new(it: Registered) -> Result<Self> {
        let amount = members::price(&it.share)?;
        let row = it.share;
        Ok(Self {
            id: row.id,
            entity_id: row.entity_id,
            certificate: row.certificate,
            member_id: row.member_id,
            member_number: it.member_number,
            member_name: it.member_name,
            quantity: row.quantity,
            redeemed_quantity: row.redeemed_quantity,
            nominal: Money { amount_minor: row.nominal_minor, currency: row.currency },
            amount,
            state: row.state,
            subscribed_on: row.subscribed_on,
            paid_on: row.paid_on,
        })
    }
}

/// What all pages of the register come to.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisterTotalView {
    /// Of which entity.
    pub entity_id: EntityId,
    /// In which state. What was given back of a certificate counts as given back, the rest as it stands.
    pub state: ShareState,
    /// How many shares.
    pub quantity: i64,
    /// What they cost.
    pub amount: Money,
}

impl From<RegisterTotal> for RegisterTotalView {
    fn from(row: RegisterTotal) -> Self {
        let amount = Money { amount_minor: row.amount_minor, currency: row.currency };
        Self { entity_id: row.entity_id, state: row.state, quantity: row.quantity, amount }
    }
}

/// A page of the register.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisterPage {
    /// The lines, newest first.
    pub data: Vec<RegisterLineView>,
    /// Where the page ends.
    pub page: PageInfo,
    /// What all pages come to, by entity and state.
    pub totals: Vec<RegisterTotalView>,
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RegisterQuery {
    /// Of one entity.
    entity_id: Option<EntityId>,
    /// Of one member.
    member_id: Option<PersonId>,
    /// Those in one state.
    #[param(inline)]
    state: Option<ShareState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists the register of shares, newest first, with what all of it comes to.
#[utoipa::path(tag = "shares", params(RegisterQuery), responses((status = 200, body = RegisterPage)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/share_register")]
async fn list_share_register(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<RegisterQuery>,
) -> Result<Json<RegisterPage>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "share_register", &query, query.limit, query.cursor.as_deref())?;
    let filter = RegisterFilter { entity: query.entity_id, member: query.member_id, state: query.state };
    let page = db
        .write(who.into(), move |tx| {
            let rows = members::share_register(tx, &filter, listing.after, listing.fetch)?;
            let views = rows.into_iter().map(RegisterLineView::new).collect::<Result<Vec<_>>>()?;
            let Page { data, page } = listing.page(views, |view| view.id.0, |view| view);
            let totals = members::register_totals(tx, &filter)?.into_iter().map(RegisterTotalView::from).collect();
            Ok(RegisterPage { data, page, totals })
        })
        .await?;
    Ok(Json(page))
}

/// Downloads the certificate of paid shares, in the language of their member; the same bytes every time.
#[utoipa::path(tag = "shares", params(("id" = ShareId, Path)),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>)), extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/shares/{id}/certificate")]
async fn download_share_certificate(who: SignedIn, db: Data<Db>, id: Path<ShareId>) -> Result<HttpResponse> {
    let file = jobs::certificate(&db, who.into(), id.into_inner()).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

/// What one share is worth, and from what that was computed.
#[derive(Debug, Serialize, ToSchema)]
pub struct NetAssetsView {
    /// What members paid or owe for shares.
    pub share_capital: Money,
    /// Results of closed years that may be divided. Legal and indivisible reserves do not count.
    pub retained_surplus: Money,
    /// The result since; negative for a loss.
    pub result: Money,
    /// How many shares there are.
    pub share_count: i64,
    /// The three together for one share, rounded down to the cent, never negative.
    pub per_share: Money,
}

/// What shares would bring, and when.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectionView {
    /// The shares.
    pub share_id: ShareId,
    /// Computed with what the books say on this day.
    pub as_of: NaiveDate,
    /// How many shares: those of the notice, without one all that are held.
    pub quantity: i32,
    /// What one cost.
    pub nominal: Money,
    /// What one is worth now.
    pub net_assets: NetAssetsView,
    /// What all of these shares would bring: of each its nominal value or its net assets, the smaller.
    pub amount: Money,
    /// When notice was given; without one the dates are as if it were given today.
    pub noticed_on: Option<NaiveDate>,
    /// The first closing at which the notice counts.
    pub due_on: NaiveDate,
    /// The closing at which it would be their turn, if nothing changed. It is decided and paid after that day.
    pub closing_on: Option<NaiveDate>,
    /// What is given back at one closing, at most.
    pub ceiling: Option<Money>,
}

impl From<Projection> for ProjectionView {
    fn from(it: Projection) -> Self {
        let money = |amount_minor: Minor| Money { amount_minor, currency: it.share.currency };
        Self {
            share_id: it.share.id,
            as_of: it.as_of,
            quantity: it.quantity,
            nominal: money(it.share.nominal_minor),
            net_assets: NetAssetsView {
                share_capital: money(it.assets.capital),
                retained_surplus: money(it.assets.retained),
                result: money(it.assets.result),
                share_count: it.assets.shares,
                per_share: money(it.per_share),
            },
            amount: money(it.amount),
            noticed_on: it.noticed_on,
            due_on: it.due_on,
            closing_on: it.closing_on,
            ceiling: it.ceiling.map(money),
        }
    }
}

/// Shows what shares would bring if they were given back, and when.
#[utoipa::path(tag = "shares", params(("id" = ShareId, Path)), responses((status = 200, body = ProjectionView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/shares/{id}/projection")]
async fn show_share_projection(who: SignedIn, db: Data<Db>, id: Path<ShareId>) -> Result<Json<ProjectionView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| shares::projection(tx, id).map(ProjectionView::from)).await?))
}

/// Whether the shares of a member are current.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandingView {
    /// Whether each share is a year of use; otherwise one share is enough for good.
    pub lapses: bool,
    /// The last day that is covered; absent where shares do not lapse, and without a share.
    pub through: Option<NaiveDate>,
    /// Whether today is covered.
    pub is_current: bool,
}

impl From<Standing> for StandingView {
    fn from(it: Standing) -> Self {
        Self { lapses: it.lapses, through: it.through, is_current: it.is_current }
    }
}

/// Shows whether the shares of a member are current, and how long.
#[utoipa::path(tag = "shares", params(("id" = PersonId, Path)), responses((status = 200, body = StandingView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/members/{id}/share_standing")]
async fn show_share_standing(who: SignedIn, db: Data<Db>, id: Path<PersonId>) -> Result<Json<StandingView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| shares::standing(tx, id).map(StandingView::from)).await?))
}
