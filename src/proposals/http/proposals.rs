//! Proposals: the office writes and decides, everybody reads what is published.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Administrator, MemberOrDesk};
use crate::charter::http::LevyView;
use crate::charter::{NewLevy, NewRuleSet, ShareValidity};
use crate::kernel::ids::{EntityId, FileId, PersonId, ProposalId, RuleSetId};
use crate::kernel::money::{Money, Ppm};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};
use crate::proposals::{self, Decision, NewProposal, ProposalRow, ProposalState, Rules, rules_of};

crate::endpoints!(
    create_proposal,
    list_proposals,
    show_proposal,
    publish_proposal,
    reject_proposal,
    withdraw_proposal,
    adopt_proposal,
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
        proposals::proposal(tx, id).and_then(Self::new)
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
            proposals::propose(tx, &body.read(today)).and_then(ProposalView::new)
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
    let listing = Listing::new(&keys, who.person(), "proposals", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = proposals::proposals(tx, filter.state, listing.after, listing.fetch)?;
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
            proposals::publish(tx, id, expected).and_then(ProposalView::new)
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
            proposals::reject(tx, id, expected).and_then(ProposalView::new)
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
            proposals::withdraw(tx, id, expected).and_then(ProposalView::new)
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
            proposals::adopt(tx, id, expected, decision).and_then(ProposalView::new)
        })
        .await
}
