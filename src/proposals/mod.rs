//! Proposed rules: written down, tried out on a past period, read by everybody, and decided.
//!
//! Owns `proposal`, `dry_run`, `dry_run_effect` and `dry_run_month`. A dry run plays what happened in whole months that
//! are over again under the proposed rules, activity by activity, and sets what that comes to beside what was booked:
//! for the mutual by month, and for each member, who sees their own. It reads documents and charges of other rooms in
//! statements of its own, a page at a time, because through their desks a year would not fit into memory; it does so as
//! a role of the database that can write its results and nothing else. An activity counts for the member who runs it.

pub mod http;
mod replay;
mod rules;
mod store;

use chrono::NaiveDate;
use replay::{Replay, Sums};
pub use rules::ProposalState;
use rules::{Period, ProposalCommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
pub use store::{DryRunRow, EffectRow, MonthRow, Order, ProposalRow};
use uuid::Uuid;

use crate::charter::{self, EntityRow, NewLevy, NewRuleSet, ShareValidity};
use crate::jobs::{self, JobKind, JobRow, Known, NewJob, Step};
use crate::kernel::ids::{ActivityId, DryRunId, EntityId, FileId, ProposalId, RuleSetId};
use crate::kernel::levies::{Levy, LevyBase};
use crate::kernel::money::{Money, Ppm};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// Activities of one step: few enough that a step is over in a moment, many enough that the steps do not cost.
const ACTIVITIES_A_STEP: i64 = 250;
/// Documents that are in memory at the same time.
const DOCUMENTS_A_PAGE: i64 = 5_000;

/// What a rule set says, beside when it holds and who decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// What one share costs.
    pub share_price: Money,
    /// Days that clients have to pay.
    pub payment_terms_days: i32,
    /// Working days after which the guarantee advances.
    pub advance_working_days: i32,
    /// What one client may owe before the guarantee stops covering more.
    pub client_limit: Money,
    /// What the guarantee carries for one member at most.
    pub member_limit: Option<Money>,
    /// What the guarantee carries for a member and a client who has not paid them before.
    pub new_pair_limit: Option<Money>,
    /// How many times the fund advances may be open.
    pub fund_multiple: Option<Ppm>,
    /// Below which balance of the fund the guarantee takes on nothing new.
    pub pause_below: Option<Money>,
    /// How long a paid share counts.
    pub share_validity: ShareValidity,
    /// The paper behind it.
    pub evidence: Option<FileId>,
    /// What the mutual keeps.
    pub levies: Vec<Levy>,
}

impl Rules {
    fn of(new: &NewRuleSet) -> Self {
        Self {
            share_price: new.share_price,
            payment_terms_days: new.payment_terms_days,
            advance_working_days: new.advance_working_days,
            client_limit: new.client_limit,
            member_limit: new.member_limit,
            new_pair_limit: new.new_pair_limit,
            fund_multiple: new.fund_multiple,
            pause_below: new.pause_below,
            share_validity: new.share_validity,
            evidence: new.evidence,
            levies: new.levies.clone(),
        }
    }

    fn into_rule_set(self, entity: EntityId, decision: Decision) -> NewRuleSet {
        NewRuleSet {
            id: decision.rule_set,
            entity,
            valid_from: decision.valid_from,
            decision: decision.decision,
            decided_on: decision.decided_on,
            share_price: self.share_price,
            payment_terms_days: self.payment_terms_days,
            advance_working_days: self.advance_working_days,
            client_limit: self.client_limit,
            levies: self.levies,
            evidence: self.evidence,
            member_limit: self.member_limit,
            new_pair_limit: self.new_pair_limit,
            fund_multiple: self.fund_multiple,
            pause_below: self.pause_below,
            share_validity: self.share_validity,
        }
    }
}

/// A new proposal, as it was typed.
#[derive(Debug, Clone)]
pub struct NewProposal {
    /// Made by the sender.
    pub id: ProposalId,
    /// For which entity.
    pub entity: EntityId,
    /// What it is called.
    pub title: String,
    /// Why.
    pub note: String,
    /// Its rules, but for the levies. Days and decision are not known yet.
    pub rules: NewRuleSet,
    /// Its levies.
    pub levies: Vec<NewLevy>,
    /// How many times the fund advances may be open.
    pub fund_multiple: Option<String>,
}

/// What was decided about a proposal.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The rule set that it becomes, made by the sender.
    pub rule_set: RuleSetId,
    /// Who decided it, in words.
    pub decision: String,
    /// When.
    pub decided_on: NaiveDate,
    /// From when it holds.
    pub valid_from: NaiveDate,
}

/// A dry run to be made.
#[derive(Debug, Clone)]
pub struct NewDryRun {
    /// Made by the sender.
    pub id: DryRunId,
    /// The first month, `2025-01`.
    pub from: String,
    /// The last month.
    pub to: String,
}

/// What a dry run has found so far.
#[derive(Debug, Clone)]
pub struct Findings {
    /// The run.
    pub run: DryRunRow,
    /// What it would have meant for the mutual, by month.
    pub months: Vec<MonthRow>,
}

/// How far a dry run is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Carried {
    /// Everything up to this activity is played.
    after: Option<ActivityId>,
    /// Documents in the period.
    total: Option<i64>,
}

/// A proposal.
///
/// # Errors
/// 404; for a member also as long as it is a draft.
pub fn proposal(tx: &mut Tx<'_>, id: ProposalId) -> Result<ProposalRow> {
    store::find(tx, id)
}

/// Proposals, newest first: the office sees drafts too.
///
/// # Errors
/// Fails with the database.
pub fn proposals(
    tx: &mut Tx<'_>,
    state: Option<ProposalState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ProposalRow>> {
    store::list(tx, state, after, limit)
}

/// The rules of a proposal.
///
/// # Errors
/// Fails when what is stored cannot be read.
pub fn rules_of(proposal: &ProposalRow) -> Result<Rules> {
    Ok(serde_json::from_value(proposal.rules.clone())?)
}

/// Writes a proposal down.
///
/// # Errors
/// 404 for an unknown entity; 422 names every field that is not acceptable, those of the rules under `/rules`.
pub fn propose(tx: &mut Tx<'_>, new: &NewProposal) -> Result<ProposalRow> {
    rules::check_texts(&new.title, &new.note)?;
    let checked = charter::read_rule_set(tx, new.rules.clone(), &new.levies, new.fund_multiple.as_deref());
    let checked = checked.map_err(|error| error.under("/rules"))?;
    let by = tx.person()?;
    store::insert(tx, new, &serde_json::to_value(Rules::of(&checked))?, by)
}

/// Shows a draft to everybody.
///
/// # Errors
/// 404; 409 `state_conflict`; 412 for another version.
pub fn publish(tx: &mut Tx<'_>, id: ProposalId, expected: i32) -> Result<ProposalRow> {
    let proposal = take(tx, id, expected, ProposalCommand::Publish)?;
    store::save_published(tx, &proposal)
}

/// Turns a proposal down.
///
/// # Errors
/// As [`publish`].
pub fn reject(tx: &mut Tx<'_>, id: ProposalId, expected: i32) -> Result<ProposalRow> {
    let proposal = take(tx, id, expected, ProposalCommand::Reject)?;
    store::save_ended(tx, &proposal, ProposalState::Rejected, None)
}

/// Takes a proposal back.
///
/// # Errors
/// As [`publish`].
pub fn withdraw(tx: &mut Tx<'_>, id: ProposalId, expected: i32) -> Result<ProposalRow> {
    let proposal = take(tx, id, expected, ProposalCommand::Withdraw)?;
    store::save_ended(tx, &proposal, ProposalState::Withdrawn, None)
}

/// Makes a proposal a rule set, by the charter and with its checks.
///
/// # Errors
/// As [`publish`]; 422 for a decision that is not acceptable; 409 `not_unique` when a rule set begins on that day.
pub fn adopt(tx: &mut Tx<'_>, id: ProposalId, expected: i32, decision: Decision) -> Result<ProposalRow> {
    let proposal = take(tx, id, expected, ProposalCommand::Adopt)?;
    let new = rules_of(&proposal)?.into_rule_set(proposal.entity_id, decision);
    let rule_set = charter::publish_rule_set(tx, &new)?;
    store::save_ended(tx, &proposal, ProposalState::Adopted, Some(rule_set.id))
}

fn take(
    tx: &mut Tx<'_>,
    id: ProposalId,
    expected: i32,
    command: ProposalCommand,
) -> Result<crate::platform::db::Locked<ProposalRow>> {
    let proposal = store::lock(tx, id)?;
    if proposal.version != expected {
        return Err(Error::version_stale(proposal.version));
    }
    rules::may(proposal.state, command)?;
    Ok(proposal)
}

/// Asks for a dry run. Answers the job that makes it.
///
/// # Errors
/// 404; 409 `state_conflict` when the proposal was decided; 422 for a period that cannot be played.
pub fn try_out(tx: &mut Tx<'_>, id: ProposalId, new: &NewDryRun) -> Result<Known> {
    let proposal = store::find(tx, id)?;
    let entity = charter::entity(tx, proposal.entity_id)?;
    let period = Period::read(&new.from, &new.to, tx.today(entity.zone()))?;
    rules::may_try(proposal.state)?;
    let currency = rules_of(&proposal)?.share_price.currency;
    let job = NewJob {
        id: tx.new_id(),
        kind: JobKind::DryRun,
        entity: entity.id,
        subject: new.id.0,
        parameters: json!({"proposal_id": id, "from": period.from.name(), "to": period.to.name()}),
        total: None,
    };
    let known = jobs::ask(tx, &job)?;
    store::insert_run(tx, new.id, id, job.id, currency, period)?;
    Ok(known)
}

/// The dry runs of a proposal, newest first.
///
/// # Errors
/// 404.
pub fn dry_runs(tx: &mut Tx<'_>, of: ProposalId) -> Result<Vec<Findings>> {
    store::find(tx, of)?;
    let runs = store::list_runs(tx, of)?;
    runs.into_iter().map(|run| findings(tx, run)).collect()
}

/// What a dry run of a proposal found for the mutual.
///
/// # Errors
/// 404.
pub fn dry_run(tx: &mut Tx<'_>, of: ProposalId, id: DryRunId) -> Result<Findings> {
    let run = store::find_run(tx, of, id)?;
    findings(tx, run)
}

fn findings(tx: &mut Tx<'_>, run: DryRunRow) -> Result<Findings> {
    let months = store::list_months(tx, run.id)?;
    Ok(Findings { run, months })
}

/// What a dry run found for the signed-in member; `None` when nothing of theirs was in the period.
///
/// # Errors
/// 404; 409 `dry_run_unfinished`.
pub fn my_effect(tx: &mut Tx<'_>, of: ProposalId, id: DryRunId) -> Result<(DryRunRow, Option<EffectRow>)> {
    let run = finished(tx, of, id)?;
    let me = tx.person()?;
    let effect = store::find_effect(tx, id, me)?;
    Ok((run, effect))
}

/// What a dry run found for each member, in an order.
///
/// # Errors
/// 404; 409 `dry_run_unfinished`.
pub fn effects(
    tx: &mut Tx<'_>,
    of: ProposalId,
    id: DryRunId,
    order: Order,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<EffectRow>> {
    finished(tx, of, id)?;
    store::list_effects(tx, id, order, after, limit)
}

fn finished(tx: &mut Tx<'_>, of: ProposalId, id: DryRunId) -> Result<DryRunRow> {
    let run = store::find_run(tx, of, id)?;
    if run.finished_at.is_none() {
        return Err(Error::conflict("dry_run_unfinished"));
    }
    Ok(run)
}

/// Plays the next activities of the dry run that a job makes, as the role that can write nothing but its results.
///
/// # Errors
/// Fails with the database; 422 for amounts out of range.
pub fn play_on(tx: &mut Tx<'_>, job: &JobRow) -> Result<Step> {
    let run = store::find_run_of_job(tx, job.id)?;
    let proposal = store::find(tx, run.proposal_id)?;
    let entity = charter::entity(tx, proposal.entity_id)?;
    store::become_replay(tx)?;
    let step = play_page(tx, &run, &rules_of(&proposal)?, &entity)?;
    store::become_app(tx)?;
    Ok(step)
}

fn play_page(tx: &mut Tx<'_>, run: &DryRunRow, rules: &Rules, entity: &EntityRow) -> Result<Step> {
    let mut carried: Carried = serde_json::from_value(run.carried.clone())?;
    let period = run.period()?;
    let total = match carried.total {
        Some(total) => total,
        None => store::count_documents(tx, entity.id, period)?,
    };
    carried.total = Some(total);
    let page = store::list_activities(tx, entity, carried.after, ACTIVITIES_A_STEP)?;
    let Some(last) = page.last() else {
        let result = finish(tx, run)?;
        return Ok(Step { done: run.invoice_count, total: Some(total), result: Some(result) });
    };
    carried.after = Some(last.id);
    let mut done = run.invoice_count;
    let mut sums = Sums::default();
    let mut personal = store::find_personal(tx, &page, entity, period)?;
    let own = personal.values().flat_map(|own| own.overrides.iter().map(|own| &own.what.1));
    let reads_others = rules.levies.iter().chain(own).any(|levy| levy.base != LevyBase::InvoicedNet);
    let mut events = store::Events::of(&page, entity.id, period, reads_others, DOCUMENTS_A_PAGE);
    store::sum_booked(tx, &page, period, &mut sums)?;
    for activity in &page {
        let own = personal.remove(&activity.id).unwrap_or_default();
        let mut replay = Replay::begin(&rules.levies, &own, period);
        while let Some(event) = events.next_of(tx, activity.id)? {
            replay.play(&event)?;
            let is_counted = sums.note(activity.member_id, &event, period)?;
            done = done.saturating_add(i64::from(is_counted));
        }
        for (month, proposed) in replay.end()? {
            sums.proposed(activity.member_id, &month, proposed)?;
        }
    }
    store::save_page(tx, run, &sums, &serde_json::to_value(&carried)?, done)?;
    Ok(Step { done, total: Some(total), result: None })
}

fn finish(tx: &mut Tx<'_>, run: &DryRunRow) -> Result<serde_json::Value> {
    let run = store::save_finished(tx, run.id)?;
    let sha256 = run.sha256.as_deref().map(crate::platform::web::hex);
    Ok(
        json!({"dry_run_id": run.id, "sha256": sha256, "invoice_count": run.invoice_count, "member_count": run.member_count}),
    )
}
