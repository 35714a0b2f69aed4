//! The counter for proposals: the office writes and decides, everybody reads what is published and what it would have
//! meant for them.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Decision, DryRunRow, EffectRow, Findings, MonthRow, NewDryRun, NewProposal, Order, ProposalRow, ProposalState,
    Rules, rules_of,
};
use crate::access::{Administrator, Desk, Member, MemberOrDesk};
use crate::charter::http::LevyView;
use crate::charter::{NewLevy, NewRuleSet, ShareValidity};
use crate::jobs::http::JobView;
use crate::kernel::ids::{DryRunId, EntityId, FileId, JobId, PersonId, ProposalId, RuleSetId};
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf, hex};

crate::endpoints!(
    create_proposal,
    list_proposals,
    show_proposal,
    publish_proposal,
    reject_proposal,
    withdraw_proposal,
    adopt_proposal,
    start_dry_run,
    list_dry_runs,
    show_dry_run,
    show_my_effect,
    list_effects,
);

/// What a rule set says, beside when it holds and who decided it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposedRules {
    /// What one share costs.
    pub share_price: Money,
    /// Days that clients have to pay.
    #[schema(minimum = 0, maximum = 120)]
    pub payment_terms_days: i32,
    /// Working days after which the guarantee advances.
    #[schema(minimum = 0, maximum = 90)]
    pub advance_working_days: i32,
    /// What one client may owe before the guarantee stops covering more.
    pub client_limit: Money,
    /// What the mutual keeps; each kind once.
    #[schema(max_items = 2)]
    pub levies: Vec<LevyView>,
    /// What the guarantee carries for one member at most; no limit when it is left out.
    #[serde(default)]
    pub member_limit: Option<Money>,
    /// What the guarantee carries for a member and a client who has not paid them before; no limit when it is left out.
    #[serde(default)]
    pub new_pair_limit: Option<Money>,
    /// How many times the fund advances may be open, with at most four decimals; no limit when it is left out.
    #[serde(default)]
    #[schema(max_length = 16, example = "2.5", pattern = r"^[0-9]+(\.[0-9]{1,4})?$")]
    pub fund_multiple: Option<String>,
    /// The guarantee takes on nothing new while the fund is below this; no limit when it is left out.
    #[serde(default)]
    pub pause_below: Option<Money>,
    /// How long a paid share counts; `once` when it is left out.
    #[serde(default)]
    pub share_validity: Option<ShareValidity>,
    /// The paper behind it: a file that is here.
    #[serde(default)]
    pub evidence_id: Option<FileId>,
}

impl From<Rules> for ProposedRules {
    fn from(rules: Rules) -> Self {
        let currency = rules.share_price.currency;
        Self {
            share_price: rules.share_price,
            payment_terms_days: rules.payment_terms_days,
            advance_working_days: rules.advance_working_days,
            client_limit: rules.client_limit,
            levies: rules.levies.iter().map(|levy| LevyView::new(levy, currency)).collect(),
            member_limit: rules.member_limit,
            new_pair_limit: rules.new_pair_limit,
            fund_multiple: rules.fund_multiple.map(Ppm::to_fraction),
            pause_below: rules.pause_below,
            share_validity: Some(rules.share_validity),
            evidence_id: rules.evidence,
        }
    }
}

/// Proposed rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalView {
    /// Its id.
    pub id: ProposalId,
    /// For which entity.
    pub entity_id: EntityId,
    /// Where it stands.
    pub state: ProposalState,
    /// What it is called.
    pub title: String,
    /// Why.
    pub note: String,
    /// What is proposed.
    pub rules: ProposedRules,
    /// Who wrote it.
    pub created_by: PersonId,
    /// Since when everybody can read it.
    pub published_at: Option<DateTime<Utc>>,
    /// When it was adopted, rejected or withdrawn.
    pub ended_at: Option<DateTime<Utc>>,
    /// The rule set that it became.
    pub rule_set_id: Option<RuleSetId>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

impl ProposalView {
    fn new(row: ProposalRow) -> Result<Self> {
        Ok(Self {
            rules: rules_of(&row)?.into(),
            id: row.id,
            entity_id: row.entity_id,
            state: row.state,
            title: row.title,
            note: row.note,
            created_by: row.created_by,
            published_at: row.published_at,
            ended_at: row.ended_at,
            rule_set_id: row.rule_set_id,
            created_at: row.created_at,
            version: row.version,
        })
    }

    fn load(tx: &mut Tx<'_>, id: ProposalId) -> Result<Self> {
        super::proposal(tx, id).and_then(Self::new)
    }
}

/// What was booked, what it would have been, and the difference: positive when more would have been paid.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComparedView {
    /// What was booked.
    pub booked: Money,
    /// What it would have been.
    pub proposed: Money,
    /// Proposed less booked.
    pub difference: Money,
}

impl ComparedView {
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
    pub fee: ComparedView,
    /// The contributions to the guarantee fund.
    pub guarantee: ComparedView,
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
    pub fee: ComparedView,
    /// The contributions to the guarantee fund in the whole period.
    pub guarantee: ComparedView,
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
                fee: ComparedView::new(fee(month).0, fee(month).1, currency)?,
                guarantee: ComparedView::new(guarantee(month).0, guarantee(month).1, currency)?,
            })
        };
        Ok(Self {
            fee: ComparedView::sum(&months, currency, fee)?,
            guarantee: ComparedView::sum(&months, currency, guarantee)?,
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
    pub fee: ComparedView,
    /// The contribution to the guarantee fund.
    pub guarantee: ComparedView,
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
            fee: ComparedView::new(row.booked_fee_minor, row.proposed_fee_minor, row.currency)?,
            guarantee: ComparedView::new(row.booked_guarantee_minor, row.proposed_guarantee_minor, row.currency)?,
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
struct CreateProposal {
    /// Made by the sender.
    id: ProposalId,
    /// For which entity.
    entity_id: EntityId,
    /// What it is called.
    #[schema(max_length = 200)]
    title: String,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 4000)]
    note: String,
    /// What is proposed: what a rule set says, beside when it holds and who decided it.
    rules: ProposedRules,
}

impl CreateProposal {
    /// As the charter reads rules. Day and decision are only known when it is adopted.
    fn read(self, today: NaiveDate) -> NewProposal {
        let typed = self.rules;
        let rules = NewRuleSet {
            id: RuleSetId(self.id.0),
            entity: self.entity_id,
            valid_from: today,
            decision: "-".to_owned(),
            decided_on: today,
            share_price: typed.share_price,
            payment_terms_days: typed.payment_terms_days,
            advance_working_days: typed.advance_working_days,
            client_limit: typed.client_limit,
            levies: Vec::new(),
            evidence: typed.evidence_id,
            member_limit: typed.member_limit,
            new_pair_limit: typed.new_pair_limit,
            fund_multiple: None,
            pause_below: typed.pause_below,
            share_validity: typed.share_validity.unwrap_or(ShareValidity::Once),
        };
        NewProposal {
            id: self.id,
            entity: self.entity_id,
            title: self.title,
            note: self.note,
            rules,
            levies: typed.levies.into_iter().map(NewLevy::from).collect(),
            fund_multiple: typed.fund_multiple,
        }
    }
}

/// Writes proposed rules down, as a draft that only the office sees.
#[utoipa::path(tag = "proposals", request_body = CreateProposal, responses((status = 201, body = ProposalView)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/proposals")]
async fn create_proposal(who: Administrator, db: Data<Db>, command: Command<CreateProposal>) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "create_proposal", "/v1/proposals", |tx, body| {
            let today = tx.now().date_naive();
            super::propose(tx, &body.read(today)).and_then(ProposalView::new)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ProposalFilter {
    /// In this state.
    state: Option<ProposalState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists proposals, newest first; drafts only for the office.
#[utoipa::path(tag = "proposals", params(ProposalFilter), responses((status = 200, body = Page<ProposalView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/proposals")]
async fn list_proposals(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<ProposalFilter>,
) -> Result<Json<Page<ProposalView>>> {
    let filter = filter.0;
    let secret = keys.sign_link("cursor", b"");
    let listing = Listing::new(&secret, who.person(), "proposals", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::proposals(tx, filter.state, listing.after, listing.fetch)?;
            let views = rows.into_iter().map(ProposalView::new).collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |view| view.id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a proposal.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path)), responses((status = 200, body = ProposalView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/proposals/{id}")]
async fn show_proposal(who: MemberOrDesk, db: Data<Db>, id: Path<ProposalId>) -> Result<Json<ProposalView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| ProposalView::load(tx, id)).await?))
}

/// Shows a draft to everybody. From here on it is decided on as it is, or taken back.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path)), request_body = Empty,
    responses((status = 200, body = ProposalView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/proposals/{id}/publish")]
async fn publish_proposal(
    who: Administrator,
    db: Data<Db>,
    id: Path<ProposalId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "publish_proposal", id, ProposalView::load, |tx, id, expected, _| {
            super::publish(tx, id, expected).and_then(ProposalView::new)
        })
        .await
}

/// Turns a published proposal down.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path)), request_body = Empty,
    responses((status = 200, body = ProposalView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/proposals/{id}/reject")]
async fn reject_proposal(
    who: Administrator,
    db: Data<Db>,
    id: Path<ProposalId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "reject_proposal", id, ProposalView::load, |tx, id, expected, _| {
            super::reject(tx, id, expected).and_then(ProposalView::new)
        })
        .await
}

/// Takes a proposal back that was not decided.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path)), request_body = Empty,
    responses((status = 200, body = ProposalView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/proposals/{id}/withdraw")]
async fn withdraw_proposal(
    who: Administrator,
    db: Data<Db>,
    id: Path<ProposalId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "withdraw_proposal", id, ProposalView::load, |tx, id, expected, _| {
            super::withdraw(tx, id, expected).and_then(ProposalView::new)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AdoptProposal {
    /// The id of the rule set that it becomes, made by the sender.
    rule_set_id: RuleSetId,
    /// Who decided it, in words: the meeting, the vote.
    #[schema(max_length = 500)]
    decision: String,
    /// When it was decided; not after it begins.
    decided_on: NaiveDate,
    /// From this day on.
    valid_from: NaiveDate,
}

/// Makes a published proposal a rule set, with the decision that was taken.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path)), request_body = AdoptProposal,
    responses((status = 200, body = ProposalView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/proposals/{id}/adopt")]
async fn adopt_proposal(
    who: Administrator,
    db: Data<Db>,
    id: Path<ProposalId>,
    command: Command<AdoptProposal>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "adopt_proposal", id, ProposalView::load, |tx, id, expected, body| {
            let decision = Decision {
                rule_set: body.rule_set_id,
                decision: body.decision,
                decided_on: body.decided_on,
                valid_from: body.valid_from,
            };
            super::adopt(tx, id, expected, decision).and_then(ProposalView::new)
        })
        .await
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
            super::try_out(tx, id, &new).map(JobView::from)
        })
        .await
}

/// Lists the newest dry runs of a proposal, at most a hundred.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path)), responses((status = 200, body = Vec<DryRunView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/proposals/{id}/dry_runs")]
async fn list_dry_runs(who: MemberOrDesk, db: Data<Db>, id: Path<ProposalId>) -> Result<Json<Vec<DryRunView>>> {
    let id = id.into_inner();
    let found = db.write(who.into(), move |tx| super::dry_runs(tx, id)).await?;
    Ok(Json(found.into_iter().map(DryRunView::new).collect::<Result<_>>()?))
}

/// Shows what a dry run found for the mutual.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path), ("run" = DryRunId, Path)),
    responses((status = 200, body = DryRunView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/proposals/{id}/dry_runs/{run}")]
async fn show_dry_run(who: MemberOrDesk, db: Data<Db>, path: Path<(ProposalId, DryRunId)>) -> Result<Json<DryRunView>> {
    let (id, run) = path.into_inner();
    let found = db.write(who.into(), move |tx| super::dry_run(tx, id, run)).await?;
    Ok(Json(DryRunView::new(found)?))
}

/// Shows what a dry run found for yourself.
#[utoipa::path(tag = "proposals", params(("id" = ProposalId, Path), ("run" = DryRunId, Path)),
    responses((status = 200, body = EffectView)), extensions(("x-roles" = json!(["member"]))))]
#[get("/v1/proposals/{id}/dry_runs/{run}/mine")]
async fn show_my_effect(who: Member, db: Data<Db>, path: Path<(ProposalId, DryRunId)>) -> Result<Json<EffectView>> {
    let (id, run) = path.into_inner();
    let me = who.person();
    let (run, effect) = db.write(who.into(), move |tx| super::my_effect(tx, id, run)).await?;
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
    let secret = keys.sign_link("cursor", b"");
    let binding: (Uuid, &EffectFilter) = (run.0, &filter);
    let cursor = filter.cursor.as_deref();
    let listing = Listing::new(&secret, who.person(), "effects", &binding, filter.limit, cursor)?;
    let page = db
        .write(who.into(), move |tx| {
            let order = filter.order.unwrap_or_default();
            let rows = super::effects(tx, id, run, order, listing.after, listing.fetch)?;
            let views = rows.iter().map(EffectView::new).collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |view| view.member_id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}
