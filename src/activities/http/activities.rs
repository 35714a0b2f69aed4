//! What a member has, and what moved.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::access::{Member, MemberOrDesk};
use crate::activities::{self, ActivityRow, NewActivity, Standing};
use crate::kernel::ids::{ActivityId, EntityId, PersonId};
use crate::kernel::money::{Minor, Money};
use crate::ledger::PostingRow;
use crate::named;
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(open_activity, list_activities, show_activity, list_activity_postings, close_activity);

named! {
    /// Why a balance is what it is; the reader's program has the words.
    BalanceKey {
        /// Invoices issued, without VAT, less credit notes.
        Invoiced = "issued_net_of_credits",
        /// What clients have paid of them, without VAT.
        Collected = "paid_by_clients_without_vat",
        /// May be paid out or handed on now.
        AvailableForPay = "available_now",
        /// Of that, what no open advance of the guarantee stands behind.
        AvailableForExpenses = "available_less_open_advances",
        /// Waits for clients or the guarantee.
        Pending = "waits_for_clients_or_guarantee",
        /// Set aside for payouts that were asked for.
        Reserved = "set_aside_for_payouts",
        /// Charged when there was nothing; later income settles it.
        Arrears = "owed_by_the_activity",
    }
}

/// A balance and the key of its explanation.
#[derive(Debug, Serialize, ToSchema)]
pub struct BalanceView {
    /// How much.
    pub amount: Money,
    /// What it says.
    pub explanation: BalanceKey,
}

/// What can be said about the money of an activity.
#[derive(Debug, Serialize, ToSchema)]
pub struct BalancesView {
    /// Invoices issued, without VAT, less credit notes.
    pub invoiced: BalanceView,
    /// What clients have paid of them, without VAT.
    pub collected: BalanceView,
    /// May be paid out or handed on.
    pub available_for_pay: BalanceView,
    /// May be spent: the guarantee has not advanced it.
    pub available_for_expenses: BalanceView,
    /// Waits.
    pub pending: BalanceView,
    /// Set aside.
    pub reserved: BalanceView,
    /// Owed by the activity.
    pub arrears: BalanceView,
}

impl BalancesView {
    fn new(standing: &Standing) -> Result<Self> {
        let (has, figures) = (&standing.balance, &standing.figures);
        let view = |amount_minor, explanation| BalanceView {
            amount: Money { amount_minor, currency: has.currency },
            explanation,
        };
        Ok(Self {
            invoiced: view(figures.invoiced_minor, BalanceKey::Invoiced),
            collected: view(figures.collected_minor, BalanceKey::Collected),
            available_for_pay: view(has.available_minor, BalanceKey::AvailableForPay),
            available_for_expenses: view(standing.available_for_expenses()?, BalanceKey::AvailableForExpenses),
            pending: view(has.pending_minor, BalanceKey::Pending),
            reserved: view(has.reserved_minor, BalanceKey::Reserved),
            arrears: view(figures.arrears_minor, BalanceKey::Arrears),
        })
    }
}

/// An activity and what is on it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityView {
    /// Its id.
    pub id: ActivityId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// Whose; of a collective, who manages it.
    pub member_id: PersonId,
    /// Whether several members share it.
    pub is_collective: bool,
    /// How its member calls it.
    pub name: String,
    /// Waits for clients or the guarantee.
    pub pending: Money,
    /// Can be paid out.
    pub available: Money,
    /// Set aside for payouts that were asked for.
    pub reserved: Money,
    /// All three together.
    pub total: Money,
    /// What can be said about its money, each with the key of its explanation.
    pub balances: BalancesView,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// Grows with every change of the activity, not with its money.
    pub version: i32,
}

impl ActivityView {
    fn new(row: ActivityRow, standing: &Standing) -> Result<Self> {
        let has = &standing.balance;
        let money = |amount_minor| Money { amount_minor, currency: has.currency };
        let total = Minor::sum([has.pending_minor, has.available_minor, has.reserved_minor])?;
        Ok(Self {
            id: row.id,
            entity_id: row.entity_id,
            member_id: row.member_id,
            is_collective: row.is_collective,
            name: row.name,
            pending: money(has.pending_minor),
            available: money(has.available_minor),
            reserved: money(has.reserved_minor),
            total: money(total),
            balances: BalancesView::new(standing)?,
            created_at: row.created_at,
            closed_at: row.closed_at,
            version: row.version,
        })
    }

    fn load(tx: &mut Tx<'_>, id: ActivityId) -> Result<Self> {
        let row = activities::activity(tx, id)?;
        let standing = activities::standing(tx, id)?;
        Self::new(row, &standing)
    }
}

/// A movement on an activity.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityPostingView {
    /// Its number in the books.
    pub id: i64,
    /// The day it counts.
    pub booked_on: NaiveDate,
    /// What happened.
    pub event: String,
    /// The kind of fact behind it.
    pub source_kind: String,
    /// The fact behind it.
    pub source_id: Uuid,
    /// Which part of the activity: `funds.pending`, `funds.available` or `funds.reserved`.
    pub account: String,
    /// Positive when the part grew.
    pub amount: Money,
}

impl ActivityPostingView {
    fn new(row: PostingRow) -> Result<Self> {
        // The books write what is owed to a member as a credit, which is negative there.
        let amount = Money { amount_minor: row.amount_minor.negated()?, currency: row.currency };
        Ok(Self {
            id: row.id,
            booked_on: row.booked_on,
            event: row.event,
            source_kind: row.source_kind,
            source_id: row.source_id,
            account: row.account,
            amount,
        })
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OpenActivity {
    /// Made by the sender.
    id: ActivityId,
    /// How you call it.
    #[schema(max_length = 140)]
    name: String,
    /// Whether other members will share it; you manage it.
    #[serde(default)]
    is_collective: bool,
    /// Of a collective: on which activity of yours your shares of its money arrive.
    receives_on: Option<ActivityId>,
}

/// Opens an activity with nothing on it; as a collective, the member who opens it manages it.
#[utoipa::path(tag = "activities", request_body = OpenActivity, responses((status = 201, body = ActivityView)),
    extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/activities")]
async fn open_activity(who: Member, db: Data<Db>, command: Command<OpenActivity>) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "open_activity", "/v1/activities", |tx, body| {
            let (is_collective, receives_on) = (body.is_collective, body.receives_on);
            let new = NewActivity { id: body.id, name: body.name, is_collective, receives_on };
            let activity = activities::open(tx, &new)?;
            ActivityView::load(tx, activity.id)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ActivityFilter {
    /// Of one member.
    member_id: Option<PersonId>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists activities, newest first: your own, or all of them for the office.
#[utoipa::path(tag = "activities", params(ActivityFilter), responses((status = 200, body = Page<ActivityView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities")]
async fn list_activities(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<ActivityFilter>,
) -> Result<Json<Page<ActivityView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "activities", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = activities::activities(tx, filter.member_id, listing.after, listing.fetch)?;
            let rows = activities::with_standings(tx, rows)?;
            let views = rows.into_iter().map(|(row, has)| ActivityView::new(row, &has)).collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |view| view.id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}

/// Shows an activity and what is on it.
#[utoipa::path(tag = "activities", params(("id" = ActivityId, Path)), responses((status = 200, body = ActivityView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}")]
async fn show_activity(who: MemberOrDesk, db: Data<Db>, id: Path<ActivityId>) -> Result<Json<ActivityView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| ActivityView::load(tx, id)).await?))
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PostingFilter {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// The number of a posting as the key of a page.
fn posting_key(id: i64) -> Uuid {
    Uuid::from_u128(u128::try_from(id).unwrap_or_default())
}

/// Lists what moved on an activity, newest first.
#[utoipa::path(tag = "activities", params(("id" = ActivityId, Path), PostingFilter),
    responses((status = 200, body = Page<ActivityPostingView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}/postings")]
async fn list_activity_postings(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<ActivityId>,
    filter: QueryOf<PostingFilter>,
) -> Result<Json<Page<ActivityPostingView>>> {
    let (id, filter) = (id.into_inner(), filter.0);
    let listing = Listing::new(&keys, who.person(), "activity_postings", &id, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let before = listing.after.and_then(|key| i64::try_from(key.as_u128()).ok());
            let rows = activities::postings(tx, id, before, listing.fetch)?;
            let views = rows.into_iter().map(ActivityPostingView::new).collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |view| posting_key(view.id), |view| view))
        })
        .await?;
    Ok(Json(page))
}

/// Closes an activity on which nothing is left.
#[utoipa::path(tag = "activities", params(("id" = ActivityId, Path)), request_body = Empty,
    responses((status = 200, body = ActivityView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/activities/{id}/close")]
async fn close_activity(
    who: Member,
    db: Data<Db>,
    id: Path<ActivityId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "close_activity", id, ActivityView::load, |tx, id, expected, _| {
            activities::close(tx, id, expected)?;
            ActivityView::load(tx, id)
        })
        .await
}
