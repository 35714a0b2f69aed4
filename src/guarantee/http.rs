//! The counter for the guarantee fund, its claims and its draws.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{ClaimRow, ContributionOwedRow, DisputeRow, DrawRow, DrawRunRow, FundPage, HoldRow};
use crate::access::{self, Approver, MemberOrDesk, SignedIn};
use crate::kernel::ids::{
    ActivityId, ClaimId, ContributionOwedId, DisputeId, DrawId, DrawRunId, EntityId, InvoiceId, PersonId, RuleSetId,
    WriteOffId,
};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::i18n;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf};

crate::endpoints!(
    show_guarantee_fund,
    list_guarantee_claims,
    list_guarantee_draws,
    draw_from_guarantee_fund,
    list_contributions_owed,
);

/// Why the advance of an invoice waits, in the reader's language.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldView {
    /// `invoice_disputed`, `fund_multiple_exceeded` or `fund_paused`.
    pub reason: String,
    /// What it means.
    pub text: &'static str,
    /// The one action that mends it.
    pub action: &'static str,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl HoldView {
    /// In a language.
    #[must_use]
    pub fn new(row: HoldRow, language: Language) -> Self {
        let (text, action) = i18n::guarantee(language, &row.reason);
        Self { reason: row.reason, text, action, since: row.since }
    }
}

/// A client's objection to an invoice.
#[derive(Debug, Serialize, ToSchema)]
pub struct DisputeView {
    /// Its id.
    pub id: DisputeId,
    /// About this invoice.
    pub invoice_id: InvoiceId,
    /// What the client says.
    pub reason: String,
    /// Who noted it; absent when the client did so by the link of the mail.
    pub opened_by: Option<PersonId>,
    /// When.
    pub opened_at: DateTime<Utc>,
    /// How it ended.
    pub resolution: Option<String>,
    /// Who ended it.
    pub resolved_by: Option<PersonId>,
    /// When.
    pub resolved_at: Option<DateTime<Utc>>,
}

impl From<DisputeRow> for DisputeView {
    fn from(row: DisputeRow) -> Self {
        Self {
            id: row.id,
            invoice_id: row.invoice_id,
            reason: row.reason,
            opened_by: row.opened_by,
            opened_at: row.opened_at,
            resolution: row.resolution,
            resolved_by: row.resolved_by,
            resolved_at: row.resolved_at,
        }
    }
}

/// The fund of an entity, for everybody: sums only.
#[derive(Debug, Serialize, ToSchema)]
pub struct FundView {
    /// Whose.
    pub entity_id: EntityId,
    /// What it holds.
    pub balance: Money,
    /// The first of the twelve months below.
    pub since: NaiveDate,
    /// Contributions of twelve months, less those of credit notes.
    pub contributions: Money,
    /// What it gave for losses in twelve months.
    pub draws: Money,
    /// Contributions that went back with write-offs in twelve months.
    pub returned: Money,
    /// What came back of losses in twelve months.
    pub recovered: Money,
    /// Advanced and not paid by clients yet.
    pub open_advances: Money,
    /// On how many invoices.
    pub open_advance_count: i64,
    /// What losses claim of it and it has not paid.
    pub open_claims: Money,
    /// How many claims that are.
    pub open_claim_count: i64,
    /// What it owes of contributions that credit notes gave back while it was empty; returned before anything is drawn.
    pub contributions_owed: Money,
    /// How many times the fund the open advances are, as a decimal; absent when the fund is empty.
    pub multiple_used: Option<String>,
    /// How many times they may be by the rules of today; absent when no rule limits it.
    pub multiple_allowed: Option<String>,
    /// Whether the guarantee pauses: the fund is below what the rules ask for.
    pub paused: bool,
    /// What the rules ask for; absent when they do not.
    pub pause_below: Option<Money>,
    /// The rules of today.
    pub rule_set_id: Option<RuleSetId>,
    /// Confirmed orders that it covers.
    pub covered_orders: i64,
    /// Confirmed orders that it does not cover.
    pub not_covered_orders: i64,
}

impl From<FundPage> for FundView {
    fn from(page: FundPage) -> Self {
        let money = |amount_minor: Minor| Money { amount_minor, currency: page.currency };
        let it = page.figures;
        Self {
            entity_id: page.entity,
            balance: money(it.fund_minor),
            since: page.since,
            contributions: money(it.contributed_minor),
            draws: money(it.drawn_minor),
            returned: money(it.returned_minor),
            recovered: money(it.recovered_minor),
            open_advances: money(it.advances_minor),
            open_advance_count: it.advance_count,
            open_claims: money(it.claims_minor),
            open_claim_count: it.claim_count,
            contributions_owed: money(page.contributions_owed),
            multiple_used: page.multiple_used.map(Ppm::to_fraction),
            multiple_allowed: page.limits.and_then(|limits| limits.fund_multiple).map(Ppm::to_fraction),
            paused: page.limits.is_some_and(|limits| limits.is_paused(it.fund_minor)),
            pause_below: page.limits.and_then(|limits| limits.pause_below).map(money),
            rule_set_id: page.rule_set,
            covered_orders: it.covered_count,
            not_covered_orders: it.not_covered_count,
        }
    }
}

/// What the fund owes for a loss.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClaimView {
    /// Its id.
    pub id: ClaimId,
    /// Whose fund.
    pub entity_id: EntityId,
    /// For this loss.
    pub write_off_id: WriteOffId,
    /// Of this invoice.
    pub invoice_id: InvoiceId,
    /// Of this member.
    pub member_id: PersonId,
    /// The day of the loss.
    pub opened_on: NaiveDate,
    /// How much was claimed.
    pub amount: Money,
    /// What the fund gave.
    pub drawn: Money,
    /// What came from the client instead.
    pub recovered: Money,
    /// What is still claimed.
    pub open: Money,
}

impl ClaimView {
    /// A claim as it stands.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn new(row: &ClaimRow) -> Result<Self> {
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        Ok(Self {
            id: row.id,
            entity_id: row.entity_id,
            write_off_id: row.write_off_id,
            invoice_id: row.invoice_id,
            member_id: row.member_id,
            opened_on: row.opened_on,
            amount: money(row.amount_minor),
            drawn: money(row.drawn_minor),
            recovered: money(row.recovered_minor),
            open: money(row.open()?),
        })
    }
}

/// Money that the fund gave for a claim.
#[derive(Debug, Serialize, ToSchema)]
pub struct DrawView {
    /// Its id.
    pub id: DrawId,
    /// For this claim.
    pub claim_id: ClaimId,
    /// In this run; absent when it was made with the write-off.
    pub run_id: Option<DrawRunId>,
    /// For this member.
    pub member_id: PersonId,
    /// On which day.
    pub drawn_on: NaiveDate,
    /// How much.
    pub amount: Money,
}

impl From<DrawRow> for DrawView {
    fn from(row: DrawRow) -> Self {
        Self {
            id: row.id,
            claim_id: row.claim_id,
            run_id: row.run_id,
            member_id: row.member_id,
            drawn_on: row.drawn_on,
            amount: Money { amount_minor: row.amount_minor, currency: row.currency },
        }
    }
}

/// Claims paid together, in full or in proportion.
#[derive(Debug, Serialize, ToSchema)]
pub struct DrawRunView {
    /// Its id.
    pub id: DrawRunId,
    /// Whose fund.
    pub entity_id: EntityId,
    /// On which day.
    pub drawn_on: NaiveDate,
    /// What the fund held before.
    pub fund: Money,
    /// What was claimed of it.
    pub claimed: Money,
    /// What it gave.
    pub paid: Money,
    /// What stays claimed.
    pub short_of: Money,
    /// How many claims were open.
    pub claim_count: i32,
    /// Who made it.
    pub made_by: PersonId,
    /// What each claim got; a claim to which not a cent fell is absent.
    pub draws: Vec<DrawView>,
}

impl DrawRunView {
    fn new((row, draws): (DrawRunRow, Vec<DrawRow>)) -> Result<Self> {
        let money = |amount_minor: Minor, currency: Currency| Money { amount_minor, currency };
        Ok(Self {
            id: row.id,
            entity_id: row.entity_id,
            drawn_on: row.drawn_on,
            fund: money(row.fund_minor, row.currency),
            claimed: money(row.claimed_minor, row.currency),
            paid: money(row.paid_minor, row.currency),
            short_of: money(row.claimed_minor.minus(row.paid_minor)?, row.currency),
            claim_count: row.claim_count,
            made_by: row.made_by,
            draws: draws.into_iter().map(DrawView::from).collect(),
        })
    }
}

/// Shows the guarantee fund of an entity: what it holds, what came and went, what it stands for. Everybody may look.
#[utoipa::path(tag = "guarantee", params(("entity" = EntityId, Path)), responses((status = 200, body = FundView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/guarantee/{entity}/fund")]
async fn show_guarantee_fund(who: SignedIn, db: Data<Db>, entity: Path<EntityId>) -> Result<Json<FundView>> {
    let entity = entity.into_inner();
    Ok(Json(db.write(who.into(), move |tx| super::page(tx, entity).map(FundView::from)).await?))
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ClaimFilter {
    /// Only those that are not paid in full.
    #[serde(default)]
    open: bool,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists claims on the fund, newest first: your own, or all of them for the office.
#[utoipa::path(tag = "guarantee", params(ClaimFilter), responses((status = 200, body = Page<ClaimView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/guarantee/claims")]
async fn list_guarantee_claims(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<ClaimFilter>,
) -> Result<Json<Page<ClaimView>>> {
    let filter = filter.0;
    let listing =
        Listing::new(&keys, who.person(), "guarantee_claims", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::claims(tx, filter.open, listing.after, listing.fetch)?;
            let views = rows.iter().map(ClaimView::new).collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |view| view.id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}

/// A contribution that the fund owes to a member, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContributionOwedView {
    /// Its id.
    pub id: ContributionOwedId,
    /// Whose fund.
    pub entity_id: EntityId,
    /// Given back by this credit note.
    pub credit_note_id: InvoiceId,
    /// Of this invoice.
    pub invoice_id: InvoiceId,
    /// To this member.
    pub member_id: PersonId,
    /// On this activity.
    pub activity_id: ActivityId,
    /// The day of the credit note.
    pub owed_on: NaiveDate,
    /// What the fund did not hold on that day.
    pub amount: Money,
    /// What it has returned since.
    pub returned: Money,
    /// What it still owes.
    pub open: Money,
    /// Why: `contribution_owed`.
    pub reason: &'static str,
    /// What that means, in the reader's language.
    pub text: &'static str,
    /// What happens next, in the reader's language.
    pub action: &'static str,
}

impl ContributionOwedView {
    fn new(row: &ContributionOwedRow, language: Language) -> Result<Self> {
        const REASON: &str = "contribution_owed";
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        let (text, action) = i18n::guarantee(language, REASON);
        Ok(Self {
            id: row.id,
            entity_id: row.entity_id,
            credit_note_id: row.credit_note_id,
            invoice_id: row.invoice_id,
            member_id: row.member_id,
            activity_id: row.activity_id,
            owed_on: row.owed_on,
            amount: money(row.amount_minor),
            returned: money(row.returned_minor),
            open: money(row.open()?),
            reason: REASON,
            text,
            action,
        })
    }
}

/// Lists contributions that the fund owes because it was empty when a credit note gave them back, newest first: your
/// own, or all of them for the office.
#[utoipa::path(tag = "guarantee", params(ClaimFilter), responses((status = 200, body = Page<ContributionOwedView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/guarantee/contributions_owed")]
async fn list_contributions_owed(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<ClaimFilter>,
) -> Result<Json<Page<ContributionOwedView>>> {
    let filter = filter.0;
    let cursor = filter.cursor.as_deref();
    let (person, listing) =
        (who.person(), Listing::new(&keys, who.person(), "contributions_owed", &filter, filter.limit, cursor)?);
    let page = db
        .write(who.into(), move |tx| {
            let language = access::person(tx, person)?.language;
            let rows = super::owed_contributions(tx, filter.open, listing.after, listing.fetch)?;
            let view = |row| ContributionOwedView::new(row, language);
            let views = rows.iter().map(view).collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |view| view.id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DrawFilter {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists what the fund gave, newest first: for your own losses, or all of it for the office.
#[utoipa::path(tag = "guarantee", params(DrawFilter), responses((status = 200, body = Page<DrawView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/guarantee/draws")]
async fn list_guarantee_draws(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<DrawFilter>,
) -> Result<Json<Page<DrawView>>> {
    let filter = filter.0;
    let listing =
        Listing::new(&keys, who.person(), "guarantee_draws", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::draws(tx, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, DrawView::from))
        })
        .await?;
    Ok(Json(page))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MakeDrawRun {
    /// Made by the sender.
    id: DrawRunId,
    /// Whose fund.
    entity_id: EntityId,
}

/// Pays all open claims of an entity out of its fund: in full, or each its share of what there is.
#[utoipa::path(tag = "guarantee", params(("dry_run" = Option<bool>, Query)), request_body = MakeDrawRun,
    responses((status = 201, body = DrawRunView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/guarantee/draw_runs")]
async fn draw_from_guarantee_fund(who: Approver, db: Data<Db>, command: Command<MakeDrawRun>) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "draw_from_guarantee_fund", "/v1/guarantee/draw_runs", |tx, body| {
            DrawRunView::new(super::draw_run(tx, body.id, body.entity_id)?)
        })
        .await
}
