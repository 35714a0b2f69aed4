//! The end of a year: its result, and what the members decide about it.
//!
//! Owns `fiscal_year`, `legal_reserve_minimum` (which only a migration changes), `surplus_policy`, `appropriation`,
//! `appropriation_step` and `appropriation_part`. A year is the calendar's. Closing one books its income and expenses
//! to `retained_surplus` on 31 December, while December is still open; the accountant closes December after that. If
//! December is closed already the entry counts on the first open day, and the result is the same. From then on
//! nothing is booked in that year.
//!
//! What is decided about is the result and what earlier years left, so that old losses are covered first and what was
//! carried forward can be used. Each step is a part of it, by largest remainder; what no step names stays in
//! `retained_surplus`. One person brings the decision in, another approves it. Members with an open activity of their
//! own take part in refunds. Deliberately absent: dividends on shares.

pub mod http;
mod rules;
mod store;

use std::collections::BTreeMap;

use chrono::NaiveDate;
pub use rules::{AppropriationState, PatronageKey, SurplusStepKind};
pub use store::{AppropriationRow, FiscalYearRow, MinimumRow, PartRow, PolicyRow, StepRow};
use uuid::Uuid;

use crate::activities;
use crate::archive;
use crate::charter::{self, EntityRow};
use crate::collection;
use crate::guarantee;
use crate::kernel::ids::{ActivityId, AppropriationId, EntityId, FileId, PersonId, SurplusPolicyId};
use crate::kernel::money::{Minor, Ppm};
use crate::kernel::refusal::Checks;
use crate::ledger::{self, Account, events};
use crate::levies;
use crate::members;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::transfers;
use rules::{Candidate, Command, Minimum};

/// The first and the last day of a year.
fn days_of(year: i32) -> Result<(NaiveDate, NaiveDate)> {
    let day = |month, day| NaiveDate::from_ymd_opt(year, month, day).filter(|_| (2000..3000).contains(&year));
    day(1, 1).zip(day(12, 31)).ok_or_else(|| Error::field("/year", "out_of_range"))
}

/// Closes a year: its income and expenses become its result, in one entry.
///
/// # Errors
/// 404 for an unknown entity; 409 `year_already_closed`, `period_not_over`, `year_earlier_open`,
/// `period_has_suspense`, `levies_not_closed`, `rule_set_missing`; 422 for a year out of range.
pub fn close_year(tx: &mut Tx<'_>, of: EntityId, year: i32) -> Result<FiscalYearRow> {
    let (first_day, last_day) = days_of(year)?;
    let entity = charter::entity(tx, of)?;
    ledger::lock_year(tx, of, year)?;
    let today = tx.today(entity.zone());
    let closing = rules::Closing {
        last_day,
        today,
        is_closed: store::find_year(tx, of, year)?.is_some(),
        earlier_open: earlier_open(tx, of, first_day)?,
        lines_waiting: ledger::suspense_through(tx, of, last_day)?,
    };
    rules::close(&closing)?;
    // What activities pay by the month belongs to the year, and is charged when its last month is over.
    if levies::month_is_waiting(tx, of, last_day)? {
        return Err(Error::conflict("levies_not_closed").with("period", format!("{year}-12")));
    }
    // So does what became doubtful in its last month.
    collection::provision::move_at_close(tx, of, last_day)?;
    let currency = charter::rule_set_on(tx, of, today)?.currency;
    let results = ledger::results(tx, of, first_day, last_day)?;
    if results.iter().any(|row| row.currency != currency) {
        return Err(Error::value("currency_mismatch").with("currency", currency));
    }
    let accounts: Vec<(Account, Minor)> = results.iter().map(|row| (row.account, row.amount_minor)).collect();
    let result = Minor::sum(accounts.iter().map(|(_, amount)| *amount))?.negated()?;
    let booked_on = ledger::first_open_day(tx, of)?.map_or(last_day, |open| open.max(last_day));
    let closed_by = tx.person()?;
    let new = store::NewFiscalYear {
        id: tx.new_id(),
        entity_id: of,
        year,
        result_minor: result,
        currency,
        booked_on,
        closed_by,
    };
    let row = store::insert_year(tx, &new)?;
    if !accounts.is_empty() {
        let at = events::Booking { entity: of, on: booked_on, currency };
        ledger::post(tx, &events::year_closed(at, row.id, &accounts)?)?;
    }
    Ok(row)
}

/// The first year before a day that has a result and is open.
fn earlier_open(tx: &mut Tx<'_>, of: EntityId, first_day: NaiveDate) -> Result<Option<i32>> {
    let closed: Vec<i32> = store::list_years(tx, of)?.iter().map(|row| row.year).collect();
    let with_result = ledger::years_with_results(tx, of, first_day)?;
    Ok(with_result.into_iter().find(|year| !closed.contains(year)))
}

/// The closed years of an entity, newest first.
///
/// # Errors
/// 404 for an unknown entity.
pub fn years(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<FiscalYearRow>> {
    charter::entity(tx, of)?;
    store::list_years(tx, of)
}

/// A new policy about surpluses.
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// Made by the sender.
    pub id: SurplusPolicyId,
    /// Whose.
    pub entity: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// What of each surplus goes to the legal reserve at least.
    pub legal_reserve: Ppm,
    /// What of the guarantee fund may cover a loss.
    pub guarantee_for_losses: Ppm,
    /// Who decided it, in words.
    pub decision: String,
    /// When it was decided.
    pub decided_on: NaiveDate,
    /// The paper of the decision, uploaded before.
    pub evidence: Option<FileId>,
}

/// Adds a policy. `rates`: the two parts as text, decimal fractions.
///
/// # Errors
/// 404 for an unknown entity; 422 for what is not acceptable; 409 `not_unique` when one begins on that day.
pub fn add_policy(tx: &mut Tx<'_>, mut new: NewPolicy, rates: (&str, &str)) -> Result<PolicyRow> {
    let entity = charter::entity(tx, new.entity)?;
    let mut checks = Checks::default();
    let parse = |text: &str| Ppm::from_fraction(text).ok_or(());
    new.legal_reserve = checks.parse(parse(rates.0), "/legal_reserve_rate", "out_of_range").unwrap_or(Ppm(0));
    new.guarantee_for_losses =
        checks.parse(parse(rates.1), "/guarantee_for_losses_rate", "out_of_range").unwrap_or(Ppm(0));
    checks.text(&new.decision, "/decision", 1, 500);
    checks.require(new.decided_on <= tx.today(entity.zone()), "/decided_on", "out_of_range");
    checks.require(new.decided_on <= new.valid_from, "/valid_from", "out_of_range");
    archive::check_evidence(tx, new.evidence, &mut checks);
    checks.done()?;
    let by = tx.person()?;
    store::insert_policy(tx, &new, by)
}

/// The policies of an entity, newest first.
///
/// # Errors
/// 404 for an unknown entity.
pub fn policies(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<PolicyRow>> {
    charter::entity(tx, of)?;
    store::list_policies(tx, of)
}

/// What the laws of countries want set aside.
///
/// # Errors
/// Fails with the database.
pub fn minimums(tx: &mut Tx<'_>) -> Result<Vec<MinimumRow>> {
    store::list_minimums(tx)
}

/// A decision to bring in.
#[derive(Debug, Clone)]
pub struct NewAppropriation {
    /// Made by the sender.
    pub id: AppropriationId,
    /// Of which entity.
    pub entity: EntityId,
    /// About which year.
    pub year: i32,
    /// Who decided it, in words.
    pub decision: String,
    /// When it was decided.
    pub decided_on: NaiveDate,
    /// The paper of the decision, uploaded before.
    pub evidence: Option<FileId>,
    /// Kind, key and rate of each step; a rate is a decimal fraction of the surplus, or of the loss.
    pub steps: Vec<(SurplusStepKind, Option<PatronageKey>, String)>,
}

/// A decision with everything in it.
#[derive(Debug, Clone)]
pub struct Appropriation {
    /// The decision.
    pub row: AppropriationRow,
    /// The year.
    pub year: FiscalYearRow,
    /// Its steps.
    pub steps: Vec<StepRow>,
    /// The parts of refunds; a member sees their own.
    pub parts: Vec<PartRow>,
}

/// Brings in what was decided about a year. Nothing is booked before another person approves it.
///
/// # Errors
/// 404 for an unknown entity; 409 `year_not_closed`, `surplus_already_appropriated`; 422 `steps_exceed_surplus`,
/// `below_legal_reserve`, `loss_cover_not_allowed`, and for what is not acceptable.
pub fn propose(tx: &mut Tx<'_>, new: NewAppropriation) -> Result<Appropriation> {
    let (first_day, last_day) = days_of(new.year)?;
    let entity = charter::entity(tx, new.entity)?;
    store::lock_surplus(tx, entity.id)?;
    let year = store::find_year(tx, entity.id, new.year)?
        .ok_or_else(|| Error::conflict("year_not_closed").with("year", new.year))?;
    if store::has_live(tx, year.id)? {
        return Err(Error::conflict("surplus_already_appropriated").with("year", new.year));
    }
    let surplus = surplus_of(tx, &year, last_day)?;
    let mut checks = Checks::default();
    let steps = rules::parse_steps(&new.steps, surplus < Minor::ZERO, &mut checks);
    archive::check_evidence(tx, new.evidence, &mut checks);
    rules::check_decision(&new.decision, new.decided_on, (last_day, tx.today(entity.zone())), checks)?;
    let amounts = rules::amounts(surplus, &steps)?;
    let of_kind =
        |kind| Minor::sum(steps.iter().zip(&amounts).filter(|(step, _)| step.kind == kind).map(|(_, amount)| *amount));
    let (legal, cover) = (of_kind(SurplusStepKind::LegalReserve)?, of_kind(SurplusStepKind::LossFromGuarantee)?);
    check_limits(tx, &entity, last_day, surplus, (legal, cover))?;
    let candidates = candidates(tx, entity.id, (first_day, last_day))?;
    let (mut step_rows, mut part_rows) = (Vec::with_capacity(steps.len()), Vec::new());
    for (index, (step, amount)) in steps.iter().zip(amounts).enumerate() {
        let n = i32::try_from(index.saturating_add(1)).unwrap_or(i32::MAX);
        let parts = match step.key {
            Some(key) => rules::divide(amount, key, &candidates, last_day, index)?,
            None => Vec::new(),
        };
        step_rows.push(StepRow {
            appropriation_id: new.id,
            n,
            kind: step.kind,
            key: step.key,
            rate_ppm: step.rate.0,
            amount_minor: amount,
            weight_sum: parts.iter().fold(0_i64, |sum, part| sum.saturating_add(part.weight)),
        });
        part_rows.extend(parts.iter().map(|part| store::part_row(new.id, n, part)));
    }
    let row = store::NewRow {
        id: new.id,
        entity_id: entity.id,
        fiscal_year_id: year.id,
        surplus_minor: surplus,
        currency: year.currency,
        decision: new.decision.trim().to_owned(),
        decided_on: new.decided_on,
        evidence_id: new.evidence,
        proposed_by: tx.person()?,
    };
    let row = store::insert(tx, &row, &step_rows, &part_rows)?;
    Ok(Appropriation { row, year, steps: step_rows, parts: part_rows })
}

/// What may be decided about: `retained_surplus` at the end of the year, the result of the year in it.
fn surplus_of(tx: &mut Tx<'_>, year: &FiscalYearRow, last_day: NaiveDate) -> Result<Minor> {
    let retained = ledger::account_sum_through(tx, year.entity_id, Account::RetainedSurplus, last_day)?.negated()?;
    // An entry that came after December was closed counts later; the result belongs to the year all the same.
    Ok(if year.booked_on > last_day { retained.plus(year.result_minor)? } else { retained })
}

/// Whether a decision keeps to the law and the statutes: enough for the legal reserve, not too much of the fund.
fn check_limits(
    tx: &mut Tx<'_>,
    entity: &EntityRow,
    last_day: NaiveDate,
    surplus: Minor,
    (legal, cover): (Minor, Minor),
) -> Result<()> {
    let policy = store::find_policy_on(tx, entity.id, last_day)?;
    let law = store::find_minimum(tx, &entity.country, last_day)?;
    let lacking = match law.as_ref().and_then(|law| law.until_capital_ppm) {
        Some(part) => {
            let capital = ledger::account_sum_through(tx, entity.id, Account::ShareCapital, last_day)?.negated()?;
            let reserve = ledger::account_sum_through(tx, entity.id, Account::LegalReserve, last_day)?.negated()?;
            Some(capital.share(Ppm(part))?.minus(reserve)?)
        }
        None => None,
    };
    let minimum = Minimum {
        law: law.map_or(Ppm(0), |law| Ppm(law.rate_ppm)),
        lacking,
        statutes: policy.as_ref().map_or(Ppm(0), |policy| Ppm(policy.legal_reserve_ppm)),
    };
    rules::check_legal_reserve(surplus, legal, minimum)?;
    if cover > Minor::ZERO {
        let fund = guarantee::free_balance(tx, entity.id)?;
        let allowed = policy.map_or(Ppm(0), |policy| Ppm(policy.guarantee_for_losses_ppm));
        rules::check_loss_cover(cover, fund, allowed)?;
    }
    Ok(())
}

/// The members with an open activity of their own, with what their activities did in a year. What a collective did counts
/// for those who share it, as they divided its money on the last day of the year.
fn candidates(tx: &mut Tx<'_>, of: EntityId, (first_day, last_day): (NaiveDate, NaiveDate)) -> Result<Vec<Candidate>> {
    let zone = charter::entity(tx, of)?.zone();
    let mut first_open: BTreeMap<PersonId, ActivityId> = BTreeMap::new();
    let mut owners: BTreeMap<ActivityId, Vec<(PersonId, u64)>> = BTreeMap::new();
    for activity in activities::of_entity(tx, of)? {
        if activity.is_collective {
            owners.insert(activity.id, transfers::weights_on(tx, activity.id, last_day)?);
            continue;
        }
        owners.insert(activity.id, vec![(activity.member_id, 1)]);
        if activity.closed_at.is_none() {
            first_open.entry(activity.member_id).or_insert(activity.id);
        }
    }
    let mut by_member = |account| -> Result<BTreeMap<PersonId, Minor>> {
        let mut sums: BTreeMap<PersonId, Minor> = BTreeMap::new();
        for (activity, amount) in ledger::activity_sums_between(tx, of, account, first_day, last_day)? {
            let owners = owners.get(&activity).map(Vec::as_slice).unwrap_or_default();
            for (owner, amount) in rules::shared(amount, owners)? {
                let sum = sums.entry(owner).or_default();
                // Income is a credit, which is negative in the books.
                *sum = sum.minus(amount)?;
            }
        }
        Ok(sums)
    };
    let (fees, volume) = (by_member(Account::FeeIncome)?, by_member(Account::Turnover)?);
    let candidate = |member: members::MemberRow| {
        Some(Candidate {
            activity: *first_open.get(&member.id)?,
            joined_on: member.created_at.with_timezone(&zone).date_naive(),
            fees: fees.get(&member.id).copied().unwrap_or_default(),
            volume: volume.get(&member.id).copied().unwrap_or_default(),
            member: member.id,
        })
    };
    Ok(members::members_of(tx, of)?.into_iter().filter_map(candidate).collect())
}

/// Locks a proposal for somebody who did not bring it in.
fn lock_for_another(
    tx: &mut Tx<'_>,
    id: AppropriationId,
    expected: i32,
) -> Result<(Locked<AppropriationRow>, PersonId)> {
    let row = store::lock(tx, id)?;
    let me = tx.person()?;
    if row.proposed_by == me {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    Ok((row, me))
}

/// Approves a decision and books it today.
///
/// # Errors
/// 404; 403 `self_approval_forbidden` for whoever brought it in; 409 `state_conflict`, `activity_closed` when one of
/// the activities that get a part was closed meanwhile, `surplus_no_longer_there`; 412 for another version.
pub fn approve(tx: &mut Tx<'_>, id: AppropriationId, expected: i32) -> Result<Appropriation> {
    let (row, me) = lock_for_another(tx, id, expected)?;
    let state = rules::next(row.state, &Command::Approve)?;
    store::lock_surplus(tx, row.entity_id)?;
    let (steps, parts) = (store::list_steps(tx, id)?, store::list_parts(tx, id)?);
    let mut booked = events::Appropriated::default();
    for step in &steps {
        let place = match step.kind {
            SurplusStepKind::LegalReserve => &mut booked.legal,
            SurplusStepKind::IndivisibleReserve => &mut booked.indivisible,
            SurplusStepKind::GuaranteeFund | SurplusStepKind::LossFromGuarantee => &mut booked.guarantee,
            SurplusStepKind::Patronage => continue,
        };
        let amount = if step.kind == SurplusStepKind::LossFromGuarantee {
            step.amount_minor.negated()?
        } else {
            step.amount_minor
        };
        *place = place.plus(amount)?;
    }
    let holding = activities::hold_open(tx, &parts.iter().map(|part| part.activity_id).collect::<Vec<_>>())?;
    if parts.iter().any(|part| !holding.contains(&part.activity_id)) {
        return Err(Error::conflict("activity_closed"));
    }
    booked.refunds = refunds(&parts)?;
    check_still_there(tx, &row, &steps)?;
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let today = tx.today(zone);
    let approved = store::save_decided(tx, &row, state, me, Some(today))?;
    if steps.iter().any(|step| step.amount_minor != Minor::ZERO) {
        let at = events::Booking { entity: row.entity_id, on: today, currency: row.currency };
        ledger::post(tx, &events::surplus_appropriated(at, id, &booked)?)?;
    }
    let year = store::find_year_by_id(tx, approved.fiscal_year_id)?;
    Ok(Appropriation { row: approved, year, steps, parts })
}

/// What each activity gets of all refunds together.
fn refunds(parts: &[PartRow]) -> Result<Vec<events::Refund>> {
    let mut sums: BTreeMap<ActivityId, events::Refund> = BTreeMap::new();
    for part in parts {
        let refund = events::Refund { activity: part.activity_id, member: part.member_id, amount: Minor::ZERO };
        let sum = sums.entry(part.activity_id).or_insert(refund);
        sum.amount = sum.amount.plus(part.amount_minor)?;
    }
    Ok(sums.into_values().collect())
}

/// Whether what is divided has not been divided meanwhile, by a decision about another year.
fn check_still_there(tx: &mut Tx<'_>, row: &AppropriationRow, steps: &[StepRow]) -> Result<()> {
    let taken = Minor::sum(
        steps.iter().filter(|step| step.kind != SurplusStepKind::LossFromGuarantee).map(|step| step.amount_minor),
    )?;
    let covered = Minor::sum(
        steps.iter().filter(|step| step.kind == SurplusStepKind::LossFromGuarantee).map(|step| step.amount_minor),
    )?;
    let retained = ledger::account_sum(tx, row.entity_id, Account::RetainedSurplus)?.negated()?;
    let fund = ledger::account_sum(tx, row.entity_id, Account::GuaranteeFund)?.negated()?;
    if taken > retained.max(Minor::ZERO) || covered > fund.max(Minor::ZERO) {
        return Err(Error::conflict("surplus_no_longer_there").with("available_minor", retained.get()));
    }
    Ok(())
}

/// Rejects a decision, with the reason. Another one may be brought in.
///
/// # Errors
/// 404; 403 `self_approval_forbidden` for whoever brought it in; 409 `state_conflict`; 412 for another version; 422
/// for an empty reason.
pub fn reject(tx: &mut Tx<'_>, id: AppropriationId, expected: i32, reason: &str) -> Result<Appropriation> {
    let (row, me) = lock_for_another(tx, id, expected)?;
    let state = rules::next(row.state, &Command::Reject)?;
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 500);
    checks.done()?;
    tx.reason(reason)?;
    store::save_decided(tx, &row, state, me, None)?;
    appropriation(tx, id)
}

/// A decision. Everybody in the mutual may read it; of its parts a member sees their own.
///
/// # Errors
/// 404.
pub fn appropriation(tx: &mut Tx<'_>, id: AppropriationId) -> Result<Appropriation> {
    let row = store::find(tx, id)?;
    let year = store::find_year_by_id(tx, row.fiscal_year_id)?;
    Ok(Appropriation { steps: store::list_steps(tx, id)?, parts: store::list_parts(tx, id)?, year, row })
}

/// Decisions, newest first, without their steps.
///
/// # Errors
/// Fails with the database.
pub fn appropriations(
    tx: &mut Tx<'_>,
    of: Option<EntityId>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<AppropriationRow>> {
    store::list(tx, of, after, limit)
}
