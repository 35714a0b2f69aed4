//! Dry runs: asked for, watched, read by month and by member.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::access::{Administrator, Desk, Member, MemberOrDesk};
use crate::jobs::http::JobView;
use crate::kernel::ids::{DryRunId, JobId, PersonId, ProposalId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf, hex};
use crate::proposals::{self, DryRunRow, EffectRow, Findings, MonthRow, NewDryRun, Order};

crate::endpoints!(start_dry_run, list_dry_runs, show_dry_run, show_my_effect, list_effects);

/// What was booked, what it would have been, and the difference: positive when more would have been paid.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComparedOutcomeView {
    /// What was booked.
    pub booked: Money,
    /// What it would have been.
    pub proposed: Money,
    /// Proposed less booked.
    pub difference: Money,
}

impl ComparedOutcomeView {
    fn new(booked: Minor, proposed: Minor, currency: Currency) -> Result<Self> {
        let money = |amount_minor| Money { amount_minor, currency };
        Ok(Self { booked: money(booked), proposed: money(proposed), difference: money(proposed.minus(booked)?) })
    }

    fn sum<'a>(
        months: &'a [MonthRow],
        currency: Currency,
        of: impl Fn(&'a MonthRow) -> (Minor, Minor),
    ) -> Result<Self> {
        let booked = Minor::sum(months.iter().map(|month| of(month).0))?;
        let proposed = Minor::sum(months.iter().map(|month| of(month).1))?;
        Self::new(booked, proposed, currency)
    }
}

/// A month of a dry run.
#[derive(Debug, Serialize, ToSchema)]
pub struct MonthView {
    /// The month.
    #[schema(example = "2025-01")]
    pub period: String,
    /// The mutual's fees.
    pub fee: ComparedOutcomeView,
    /// The contributions to the guarantee fund.
    pub guarantee: ComparedOutcomeView,
}

/// How many members would have paid less or more.
#[derive(Debug, Serialize, ToSchema)]
pub struct DistributionView {
    /// Members with anything in the period.
    pub members: i64,
    /// Who would have paid less.
    pub better_off: i64,
    /// Who would have paid more.
    pub worse_off: i64,
    /// Who would have paid the same.
    pub unchanged: i64,
    /// What somebody would have paid less at most, as a negative difference; zero when nobody would.
    pub largest_gain: Money,
    /// What somebody would have paid more at most; zero when nobody would.
    pub largest_loss: Money,
}

impl DistributionView {
    fn new(run: &DryRunRow) -> Option<Self> {
        let money = |amount_minor| Money { amount_minor, currency: run.currency };
        let (members, better_off, worse_off) = (run.member_count?, run.better_off?, run.worse_off?);
        Some(Self {
            members,
            better_off,
            worse_off,
            unchanged: members.saturating_sub(better_off).saturating_sub(worse_off),
            largest_gain: money(run.largest_gain_minor?),
            largest_loss: money(run.largest_loss_minor?),
        })
    }
}

/// A past period played again under proposed rules. As long as it is not finished, it shows what has been played.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunView {
    /// Its id.
    pub id: DryRunId,
    /// Under these rules.
    pub proposal_id: ProposalId,
    /// The job that makes it.
    pub job_id: JobId,
    /// The first month.
    #[schema(example = "2025-01")]
    pub from: String,
    /// The last month.
    #[schema(example = "2025-12")]
    pub to: String,
    /// Invoices and credit notes of the period.
    pub invoice_count: i64,
    /// The mutual's fees in the whole period.
    pub fee: ComparedOutcomeView,
    /// The contributions to the guarantee fund in the whole period.
    pub guarantee: ComparedOutcomeView,
    /// The same by month.
    pub months: Vec<MonthView>,
    /// How many members would have paid less or more, once it is finished.
    pub distribution: Option<DistributionView>,
    /// SHA-256 over all results, in hexadecimal: two runs over the same books and rules have the same.
    pub sha256: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was finished.
    pub finished_at: Option<DateTime<Utc>>,
}

impl DryRunView {
    fn new(Findings { run, months }: Findings) -> Result<Self> {
        let currency = run.currency;
        let fee = |month: &MonthRow| (month.booked_fee_minor, month.proposed_fee_minor);
        let guarantee = |month: &MonthRow| (month.booked_guarantee_minor, month.proposed_guarantee_minor);
        let of_month = |month: &MonthRow| {
            Ok(MonthView {
                period: month.period.clone(),
                fee: ComparedOutcomeView::new(fee(month).0, fee(month).1, currency)?,
                guarantee: ComparedOutcomeView::new(guarantee(month).0, guarantee(month).1, currency)?,
            })
        };
        Ok(Self {
            fee: ComparedOutcomeView::sum(&months, currency, fee)?,
            guarantee: ComparedOutcomeView::sum(&months, currency, guarantee)?,
            months: months.iter().map(of_month).collect::<Result<_>>()?,
            distribution: DistributionView::new(&run),
            sha256: run.sha256.as_deref().map(hex),
            id: run.id,
            proposal_id: run.proposal_id,
            job_id: run.job_id,
            from: run.from_period,
            to: run.to_period,
            invoice_count: run.invoice_count,
            created_at: run.created_at,
            finished_at: run.finished_at,
        })
    }
}

/// What proposed rules would have meant for a member.
#[derive(Debug, Serialize, ToSchema)]
pub struct EffectView {
    /// Who.
    pub member_id: PersonId,
    /// Their invoices and credit notes of the period.
    pub invoice_count: i64,
    /// The net amounts of these, credit notes taken off.
    pub invoiced: Money,
    /// The mutual's fee.
    pub fee: ComparedOutcomeView,
    /// The contribution to the guarantee fund.
    pub guarantee: ComparedOutcomeView,
    /// What they would have paid more in all; negative for less.
    pub difference: Money,
}

impl EffectView {
    fn new(row: &EffectRow) -> Result<Self> {
        let money = |amount_minor| Money { amount_minor, currency: row.currency };
        Ok(Self {
            member_id: row.member_id,
            invoice_count: row.invoice_count,
            invoiced: money(row.invoiced_minor),
            fee: ComparedOutcomeView::new(row.booked_fee_minor, row.proposed_fee_minor, row.currency)?,
            guarantee: ComparedOutcomeView::new(
                row.booked_guarantee_minor,
                row.proposed_guarantee_minor,
                row.currency,
            )?,
            difference: money(row.difference_minor),
        })
    }

    /// Of somebody who had nothing in the period.
    fn nothing(member: PersonId, currency: Currency) -> Result<Self> {
        Self::new(&EffectRow {
            member_id: member,
            currency,
            invoice_count: 0,
            invoiced_minor: Minor::ZERO,
            booked_fee_minor: Minor::ZERO,
            proposed_fee_minor: Minor::ZERO,
            booked_guarantee_minor: Minor::ZERO,
            proposed_guarantee_minor: Minor::ZERO,
            difference_minor: Minor::ZERO,
        })
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartDryRun {
    /// Made by the sender.
    id: DryRunId,
    /// The first month.
    #[schema(max_length = 7, example = "2025-01", pattern = "^[0-9]{4}-[0-9]{2}$")]
    from: String,
    /// The last month; it is over, and at most 60 months from the first.
    #[schema(max_length = 7, example = "2025-12", pattern = "^[0-9]{4}-[0-9]{2}$")]
    to: String,
}

/// Plays past months again under proposed rules and sets the result beside what was booked. The books are not touched.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path)), request_body = StartDryRun,
    responses((status = 202, body = JobView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/proposals/{id}/dry_runs")]
async fn start_dry_run(
    who: Administrator,
    db: Data<Db>,
    id: Path<ProposalId>,
    command: Command<StartDryRun>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .start(&db, who.into(), "start_dry_run", move |tx, body| {
            let new = NewDryRun { id: body.id, from: body.from, to: body.to };
            proposals::try_out(tx, id, &new).map(JobView::from)
        })
        .await
}

/// Lists the newest dry runs of a proposal, at most a hundred.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path)), responses((status = 200, body = Vec<DryRunView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/proposals/{id}/dry_runs")]
async fn list_dry_runs(who: MemberOrDesk, db: Data<Db>, id: Path<ProposalId>) -> Result<Json<Vec<DryRunView>>> {
    let id = id.into_inner();
    let found = db.write(who.into(), move |tx| proposals::dry_runs(tx, id)).await?;
    Ok(Json(found.into_iter().map(DryRunView::new).collect::<Result<_>>()?))
}

/// Shows what a dry run found for the mutual.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path), ("run" = DryRunId, Path)),
    responses((status = 200, body = DryRunView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/proposals/{id}/dry_runs/{run}")]
async fn show_dry_run(who: MemberOrDesk, db: Data<Db>, path: Path<(ProposalId, DryRunId)>) -> Result<Json<DryRunView>> {
    let (id, run) = path.into_inner();
    let found = db.write(who.into(), move |tx| proposals::dry_run(tx, id, run)).await?;
    Ok(Json(DryRunView::new(found)?))
}

/// Shows what a dry run found for yourself.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path), ("run" = DryRunId, Path)),
    responses((status = 200, body = EffectView)), extensions(("x-roles" = json!(["member"]))))]
#[get("/v1/proposals/{id}/dry_runs/{run}/mine")]
async fn show_my_effect(who: Member, db: Data<Db>, path: Path<(ProposalId, DryRunId)>) -> Result<Json<EffectView>> {
    let (id, run) = path.into_inner();
    let me = who.person();
    let (run, effect) = db.write(who.into(), move |tx| proposals::my_effect(tx, id, run)).await?;
    let view = match effect {
        Some(row) => EffectView::new(&row)?,
        None => EffectView::nothing(me, run.currency)?,
    };
    Ok(Json(view))
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EffectFilter {
    /// Who comes first; `largest_loss` when it is left out.
    #[param(inline)]
    order: Option<Order>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists what a dry run found for each member, sorted by what they would have paid more or less.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path), ("run" = DryRunId, Path), EffectFilter),
    responses((status = 200, body = Page<EffectView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/proposals/{id}/dry_runs/{run}/effects")]
async fn list_effects(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    path: Path<(ProposalId, DryRunId)>,
    filter: QueryOf<EffectFilter>,
) -> Result<Json<Page<EffectView>>> {
    let ((id, run), filter) = (path.into_inner(), filter.0);
    let binding: (Uuid, &EffectFilter) = (run.0, &filter);
    let listing = Listing::new(&keys, who.person(), "effects", &binding, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let order = filter.order.unwrap_or_default();
            let rows = proposals::effects(tx, id, run, order, listing.after, listing.fetch)?;
            let views = rows.iter().map(EffectView::new).collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |view| view.member_id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}
