//! Levies: what the mutual keeps of what its members earn, by the rules that were voted, each with its computation.
//!
//! Owns `levy_charge`, `levy_exemption`, `levy_override`, `levy_period`, `arrears_settlement`. The rules are the
//! charter's; what a levy comes to is `kernel::levies`'. Charges of an invoice or a credit note are booked with the
//! document and only written here; those on a payment, a cost or a month have an entry of their own. A levy that
//! depends on what was charged before is computed under the lock of the activity's balance. Moving money between
//! activities costs no levy: nothing there calls this room.

pub mod http;
mod periods;
mod rules;
mod store;
mod taken_back;

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
pub use periods::{Block, close_month, finish_closing, last_closing, month_is_waiting, settle_arrears};
pub use store::{ChargeRow, ChargeSource, ExemptionRow, OverrideRow};
pub use taken_back::take_back;
use uuid::Uuid;

use crate::archive::ArchivedFile;
use crate::kernel::ids::{
    ActivityId, AllocationId, ChargeId, ClientId, EntityId, FileId, InvoiceId, LevyExemptionId, LevyOverrideId,
    PersonId, RuleSetId,
};
use crate::kernel::levies::{self, Charge, ExemptPart, LevyBase, LevyKind, Standing, Term};
use crate::kernel::money::{Currency, Minor};
use crate::kernel::refusal::Checks;
use crate::ledger::{self, Account, Holders, events};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{activities, archive, charter};

/// A charge to write.
#[derive(Debug, Clone)]
pub struct NewCharge {
    /// Its id.
    pub id: ChargeId,
    /// Whose books.
    pub entity: EntityId,
    /// Who pays it.
    pub activity: ActivityId,
    /// Whose activity that is.
    pub member: PersonId,
    /// The kind and id of what it was charged on.
    pub source: (ChargeSource, Uuid),
    /// The invoice that it is about, if it is about one.
    pub invoice: Option<InvoiceId>,
    /// By which rules.
    pub rule_set: RuleSetId,
    /// The day that decides to which year and month it belongs.
    pub on: NaiveDate,
    /// What it came to, and how.
    pub charge: Charge,
}

/// What holds for an activity on a day under a rule set: the levies with what it has of its own, and exemptions.
///
/// # Errors
/// Fails with the database.
pub fn terms(tx: &mut Tx<'_>, activity: ActivityId, rule_set: RuleSetId, on: NaiveDate) -> Result<Vec<Term>> {
    store::find_terms(tx, activity, rule_set, on)
}

/// What holds for an activity on a day, with what it was charged before.
#[derive(Debug, Clone)]
pub struct InForce {
    /// By which rules.
    pub rule_set: RuleSetId,
    /// Of every amount.
    pub currency: Currency,
    /// The levies, each with where it stands.
    pub terms: Vec<(Term, Standing)>,
}

/// What holds for an activity on a day.
///
/// # Errors
/// 409 `rule_set_missing`.
pub fn in_force(tx: &mut Tx<'_>, activity: &activities::ActivityRow, on: NaiveDate) -> Result<InForce> {
    let rules = charter::rule_set_on(tx, activity.entity_id, on)?;
    let standings = standings(tx, activity.id, on)?;
    let standing = |term: &Term| standings.get(&term.levy.kind).copied().unwrap_or_default();
    let terms = terms(tx, activity.id, rules.id, on)?;
    let terms = terms.into_iter().map(|term| (term.clone(), standing(&term))).collect();
    Ok(InForce { rule_set: rules.id, currency: rules.currency, terms })
}

/// What issuing an invoice of `net` charges. A levy that depends on earlier charges takes the lock of the activity's
/// balance first; plain shares ask the database nothing.
///
/// # Errors
/// Fails with the database; refuses amounts out of range.
pub fn at_issue(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    terms: &[Term],
    net: Minor,
    on: NaiveDate,
) -> Result<Vec<Charge>> {
    assess(tx, activity, &rules::at_issue(terms), net, on)
}

fn assess(tx: &mut Tx<'_>, activity: ActivityId, terms: &[Term], net: Minor, on: NaiveDate) -> Result<Vec<Charge>> {
    let standings = if terms.iter().any(Term::needs_standing) {
        ledger::lock_balance(tx, activity)?;
        standings(tx, activity, on)?
    } else {
        BTreeMap::new()
    };
    apply(terms, &standings, net)
}

fn apply(terms: &[Term], standings: &BTreeMap<LevyKind, Standing>, net: Minor) -> Result<Vec<Charge>> {
    let standing = |kind| standings.get(&kind).copied().unwrap_or_default();
    Ok(terms
        .iter()
        .map(|term| levies::apply(term, net, &standing(term.levy.kind)))
        .collect::<std::result::Result<_, _>>()?)
}

/// What an activity was charged before a day's charge: the calendar year of the day, and all time.
fn standings(tx: &mut Tx<'_>, activity: ActivityId, on: NaiveDate) -> Result<BTreeMap<LevyKind, Standing>> {
    let rows = store::list_standings(tx, &[activity], on)?;
    Ok(rows.into_iter().map(|row| (row.kind, row.standing())).collect())
}

/// Writes charges that are booked with their document: those of credit notes. Those of an invoice are written by the
/// statement that issues it.
///
/// # Errors
/// 409 `already_booked` for a second charge of one kind on one fact.
pub fn record(tx: &mut Tx<'_>, charges: &[NewCharge]) -> Result<()> {
    if charges.is_empty() { Ok(()) } else { store::insert_charges(tx, charges) }
}

/// What was charged when an invoice was issued, ordered by kind.
///
/// # Errors
/// Fails with the database.
pub fn charges_at_issue(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Vec<ChargeRow>> {
    store::list_of_fact(tx, ChargeSource::Invoice, invoice.0)
}

/// Everything that was charged about an invoice, in the order of its rows: at issue, on payments, by credit notes.
///
/// # Errors
/// Fails with the database.
pub fn charges_about(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Vec<ChargeRow>> {
    store::list_of_invoice(tx, invoice)
}

/// What was charged on a fact, ordered by kind: the parts of one explanation.
///
/// # Errors
/// Fails with the database.
pub fn charges_on(tx: &mut Tx<'_>, kind: ChargeSource, fact: Uuid) -> Result<Vec<ChargeRow>> {
    store::list_of_fact(tx, kind, fact)
}

/// One charge.
///
/// # Errors
/// 404.
pub fn charge(tx: &mut Tx<'_>, id: ChargeId) -> Result<ChargeRow> {
    store::find_charge(tx, id)
}

/// An issued invoice whose client pays.
#[derive(Debug, Clone)]
pub struct Collected {
    /// Whose books.
    pub entity: EntityId,
    /// The invoice.
    pub invoice: InvoiceId,
    /// Its activity.
    pub activity: ActivityId,
    /// Its member.
    pub member: PersonId,
    /// Its client.
    pub client: ClientId,
    /// In which currency.
    pub currency: Currency,
    /// Its rules.
    pub rule_set: RuleSetId,
    /// The day of issue: it decides which levies are charged on collection, so that none is charged twice.
    pub issued_on: NaiveDate,
    /// Who still waits for what of it.
    pub holders: Holders,
}

/// The levies of an invoice that wait for its client, and the net amount of each that has not been collected.
fn waiting(tx: &mut Tx<'_>, of: &Collected) -> Result<Vec<(Term, Minor)>> {
    let terms = terms(tx, of.activity, of.rule_set, of.issued_on)?;
    let terms = rules::of_bases(&terms, &[LevyBase::CollectedNet]);
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    let net = ledger::invoice_sum(tx, of.invoice, Account::Turnover)?.negated()?;
    let charged = store::list_of_invoice(tx, of.invoice)?;
    let mut waiting = Vec::new();
    for term in terms {
        let of_kind = |row: &&ChargeRow| row.kind == term.levy.kind;
        if charged.iter().filter(of_kind).any(|row| row.source_kind == ChargeSource::Invoice) {
            continue;
        }
        // What a credit note gave back of it is collected no longer.
        let before = charged.iter().filter(of_kind).filter(|row| row.source_kind != ChargeSource::Invoice);
        let collected = Minor::sum(before.map(|row| row.base_minor))?;
        waiting.push((term, net.minus(collected)?));
    }
    Ok(waiting)
}

/// Charges the levies on what a client paid: out of what the invoice has pending, before that is freed. `amount` is what
/// was paid of what is `open`, VAT included. Each activity that holds a part of the invoice bears its share; what they no
/// longer hold is borne by the activity of the invoice. Answers what they hold after it.
///
/// # Errors
/// 409 for a period that is closed.
pub fn collect(
    tx: &mut Tx<'_>,
    of: &Collected,
    allocation: AllocationId,
    (amount, open): (Minor, Minor),
    on: NaiveDate,
) -> Result<Holders> {
    let waiting = waiting(tx, of)?;
    if waiting.is_empty() {
        return Ok(of.holders.clone());
    }
    // All whose balances move, in one order.
    let mut bearers: Vec<ActivityId> = of.holders.pending().iter().map(|held| held.activity).collect();
    bearers.push(of.activity);
    let locked = ledger::lock_balances(tx, &bearers)?;
    let own = locked.into_iter().find(|balance| balance.activity_id == of.activity).ok_or_else(Error::not_found)?;
    let mut available = own.available_minor;
    let standings = standings(tx, of.activity, on)?;
    let at = events::Booking { entity: of.entity, on, currency: of.currency };
    let mut holders = of.holders.clone();
    let (mut charges, mut entries) = (Vec::new(), Vec::new());
    for (term, net_left) in waiting {
        let net = rules::net_part(amount, open, net_left)?;
        let standing = standings.get(&term.levy.kind).copied().unwrap_or_default();
        let charge = levies::apply(&term, net, &standing)?;
        let new = NewCharge {
            id: tx.new_id(),
            entity: of.entity,
            activity: of.activity,
            member: of.member,
            source: (ChargeSource::Allocation, allocation.0),
            invoice: Some(of.invoice),
            rule_set: of.rule_set,
            on,
            charge,
        };
        let due = new.charge.amount;
        if due != Minor::ZERO {
            let taken = due.min(holders.pending_total()?).max(Minor::ZERO);
            let held = holders.divide(taken)?;
            let to = events::ChargedTo::Invoice { invoice: of.invoice, client: of.client, held: &held, available };
            entries.push(events::levy_charged(at, new.fact(), to)?);
            holders = holders.less(&held)?;
            available = available.minus(due.minus(taken)?)?.max(Minor::ZERO);
        }
        charges.push(new);
    }
    store::insert_charges(tx, &charges)?;
    ledger::post_all(tx, &entries)?;
    Ok(holders)
}

impl NewCharge {
    /// As the ledger names it.
    const fn fact(&self) -> events::LevyFact {
        events::LevyFact {
            charge: self.id,
            kind: self.charge.kind,
            activity: self.activity,
            member: self.member,
            amount: self.charge.amount,
        }
    }
}

/// What the payment of the rest of an invoice would be charged today: an advance leaves that much pending.
///
/// # Errors
/// Fails with the database.
pub fn forecast_collection(tx: &mut Tx<'_>, of: &Collected, on: NaiveDate) -> Result<Minor> {
    let waiting = waiting(tx, of)?;
    if waiting.is_empty() {
        return Ok(Minor::ZERO);
    }
    let standings = standings(tx, of.activity, on)?;
    let mut sum = Minor::ZERO;
    for (term, net_left) in waiting {
        let standing = standings.get(&term.levy.kind).copied().unwrap_or_default();
        sum = sum.plus(levies::apply(&term, net_left.max(Minor::ZERO), &standing)?.amount)?;
    }
    Ok(sum)
}

/// Gives back what a cost takes off the levies on the margin of its activity, under the rules of that day.
///
/// `net` is the cost without recoverable VAT; negative for a cost that is taken back. Answers what was charged, which is
/// negative for a cost.
///
/// # Errors
/// 404 for an activity that is not there; 409 `rule_set_missing`, `already_booked`, or a period that is closed.
pub fn on_cost(tx: &mut Tx<'_>, activity: ActivityId, cost: Uuid, net: Minor, on: NaiveDate) -> Result<Minor> {
    let row = activities::activity(tx, activity)?;
    let rule_set = charter::rule_set_on(tx, row.entity_id, on)?.id;
    let terms = terms(tx, activity, rule_set, on)?;
    let terms = rules::of_bases(&terms, &[LevyBase::GrossMargin]);
    if terms.is_empty() {
        return Ok(Minor::ZERO);
    }
    let balance = ledger::lock_balance(tx, activity)?;
    let standings = standings(tx, activity, on)?;
    let at = events::Booking { entity: row.entity_id, on, currency: balance.currency };
    let mut available = balance.available_minor;
    let (mut charges, mut entries, mut sum) = (Vec::new(), Vec::new(), Minor::ZERO);
    for charge in apply(&terms, &standings, net.negated()?)? {
        let new = NewCharge {
            id: tx.new_id(),
            entity: row.entity_id,
            activity,
            member: row.member_id,
            source: (ChargeSource::Cost, cost),
            invoice: None,
            rule_set,
            on,
            charge,
        };
        if new.charge.amount != Minor::ZERO {
            entries.push(events::levy_charged(at, new.fact(), events::ChargedTo::Activity { available })?);
            available = available.minus(new.charge.amount)?.max(Minor::ZERO);
            sum = sum.plus(new.charge.amount)?;
        }
        charges.push(new);
    }
    store::insert_charges(tx, &charges)?;
    ledger::post_all(tx, &entries)?;
    Ok(sum)
}

/// What an activity was charged in a year, newest first, before a charge.
///
/// # Errors
/// 404 for an activity of somebody else; 422 for a year out of range.
pub fn charges(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    year: Option<i32>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ChargeRow>> {
    activities::activity(tx, activity)?;
    store::list_charges(tx, activity, year_of(year)?, after, limit)
}

/// The sum of what an activity was charged in a year, with what was given back.
///
/// # Errors
/// As [`charges`].
pub fn charges_sum(tx: &mut Tx<'_>, activity: ActivityId, year: Option<i32>) -> Result<Minor> {
    activities::activity(tx, activity)?;
    store::sum_charges(tx, activity, year_of(year)?)
}

/// The first day of a year and that of the next.
fn year_of(year: Option<i32>) -> Result<Option<(NaiveDate, NaiveDate)>> {
    let Some(year) = year else { return Ok(None) };
    let ends = |year: i32| NaiveDate::from_ymd_opt(year, 1, 1).filter(|day| (2000..=2201).contains(&day.year()));
    let days = ends(year).zip(ends(year.saturating_add(1)));
    days.map(Some).ok_or_else(|| Error::field("/year", "out_of_range"))
}

/// For whom a computation is made.
#[derive(Debug, Clone, Copy)]
pub enum Scope {
    /// An activity as it stands.
    Activity(ActivityId),
    /// Somebody who begins in an entity.
    Entity(EntityId),
}

/// From which end it is made.
#[derive(Debug, Clone, Copy)]
pub enum Wish {
    /// What is left of this net amount?
    Net(Minor),
    /// What must be invoiced so that this is left?
    Left(Minor),
}

/// A computation that was only tried.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// By which rules.
    pub rule_set: RuleSetId,
    /// In which currency.
    pub currency: Currency,
    /// The net amount of the invoice.
    pub net: Minor,
    /// What the mutual keeps of it, at issue or when the client pays.
    pub charges: Vec<Charge>,
    /// What is left.
    pub left: Minor,
}

/// Tries what an invoice of today would come to. Writes nothing.
///
/// # Errors
/// 404; 409 `rule_set_missing`; 422 for an amount out of range, and `gross_up_impossible` when no amount leaves enough.
pub fn simulate(tx: &mut Tx<'_>, scope: Scope, wish: Wish) -> Result<Simulation> {
    let (entity, activity) = match scope {
        Scope::Activity(id) => (activities::activity(tx, id)?.entity_id, Some(id)),
        Scope::Entity(id) => (id, None),
    };
    let zone = charter::entity(tx, entity)?.zone();
    let today = tx.today(zone);
    let rules = charter::rule_set_on(tx, entity, today)?;
    let (terms, standings) = match activity {
        Some(activity) => (terms(tx, activity, rules.id, today)?, standings(tx, activity, today)?),
        None => (rules.levies.into_iter().map(Term::plain).collect(), BTreeMap::new()),
    };
    let is_within = |amount: Minor| (1..=Minor::LIMIT).contains(&amount.get());
    let (net, charges, left) = match wish {
        Wish::Net(net) => {
            if !is_within(net) {
                return Err(Error::field("/net/amount_minor", "out_of_range"));
            }
            let charges = apply(&terms, &standings, net)?;
            let kept = Minor::sum(charges.iter().map(|charge| charge.amount))?;
            (net, charges, net.minus(kept)?)
        }
        Wish::Left(wanted) => {
            if !is_within(wanted) {
                return Err(Error::field("/wanted/amount_minor", "out_of_range"));
            }
            let standing = |term: &Term| standings.get(&term.levy.kind).copied().unwrap_or_default();
            let terms: Vec<_> = terms.into_iter().map(|term| (term.clone(), standing(&term))).collect();
            let found = levies::gross_up(wanted, &terms)?.ok_or_else(|| Error::value("gross_up_impossible"))?;
            (found.net, found.charges, found.left)
        }
    };
    Ok(Simulation { rule_set: rules.id, currency: rules.currency, net, charges, left })
}

/// What an activity need not pay for a time.
#[derive(Debug, Clone)]
pub struct NewExemption {
    /// Made by the sender.
    pub id: LevyExemptionId,
    /// Whose.
    pub activity: ActivityId,
    /// Of which levy.
    pub kind: LevyKind,
    /// What of it.
    pub part: ExemptPart,
    /// From this day on; not in the past.
    pub valid_from: NaiveDate,
    /// Up to the day before this one; without end when it is left out.
    pub valid_until: Option<NaiveDate>,
    /// Why.
    pub reason: String,
    /// The paper that shows it, a file that is here.
    pub evidence: Option<FileId>,
}

/// A levy that an activity has of its own for a time.
#[derive(Debug, Clone)]
pub struct NewOverride {
    /// Made by the sender.
    pub id: LevyOverrideId,
    /// Whose.
    pub activity: ActivityId,
    /// The levy, as it was typed.
    pub levy: charter::NewLevy,
    /// From this day on; not in the past.
    pub valid_from: NaiveDate,
    /// Up to the day before this one; without end when it is left out.
    pub valid_until: Option<NaiveDate>,
    /// Why.
    pub reason: String,
}

/// Who decides about an activity, and on which day: never its own member.
fn decide(tx: &mut Tx<'_>, activity: ActivityId) -> Result<(activities::ActivityRow, PersonId, NaiveDate)> {
    let row = activities::require_open(tx, activity)?;
    let by = tx.person()?;
    if by == row.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let today = tx.today(zone);
    Ok((row, by, today))
}

/// Exempts an activity.
///
/// # Errors
/// 404; 403 for one's own; 409 `levy_term_overlaps`, `activity_closed`; 422 for what is not acceptable.
pub fn exempt(tx: &mut Tx<'_>, new: &NewExemption) -> Result<ExemptionRow> {
    let (activity, by, today) = decide(tx, new.activity)?;
    let mut checks = Checks::default();
    rules::check_exemption(new, today, &mut checks);
    archive::check_evidence(tx, new.evidence, &mut checks);
    checks.done()?;
    store::insert_exemption(tx, new, activity.member_id, by)
}

/// Gives an activity a levy of its own.
///
/// # Errors
/// As [`exempt`].
pub fn override_levy(tx: &mut Tx<'_>, new: &NewOverride) -> Result<OverrideRow> {
    let (activity, by, today) = decide(tx, new.activity)?;
    let mut checks = Checks::default();
    rules::check_override(new, today, &mut checks);
    let levy = charter::parse_levy(&new.levy, "/levy", &mut checks);
    checks.done()?;
    let levy = levy.ok_or_else(|| Error::internal("a levy without a refusal"))?;
    store::insert_override(tx, new, &levy, activity.member_id, by)
}

/// An exemption.
///
/// # Errors
/// 404.
pub fn exemption(tx: &mut Tx<'_>, id: LevyExemptionId) -> Result<ExemptionRow> {
    store::find_exemption(tx, id)
}

/// The paper that an exemption rests on: the office and the exempted member read it.
///
/// # Errors
/// 404 when it has none, or as [`exemption`].
pub fn exemption_evidence(tx: &mut Tx<'_>, id: LevyExemptionId) -> Result<ArchivedFile> {
    let evidence = store::find_exemption(tx, id)?.evidence_id;
    archive::find_evidence(tx, evidence.ok_or_else(Error::not_found)?)
}

/// A levy that an activity has of its own.
///
/// # Errors
/// 404.
pub fn levy_override(tx: &mut Tx<'_>, id: LevyOverrideId) -> Result<OverrideRow> {
    store::find_override(tx, id)
}

/// The exemptions of an activity, newest first.
///
/// # Errors
/// 404 for an activity of somebody else.
pub fn exemptions(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<ExemptionRow>> {
    activities::activity(tx, activity)?;
    store::list_exemptions(tx, activity)
}

/// The levies that an activity has or had of its own, newest first.
///
/// # Errors
/// 404 for an activity of somebody else.
pub fn overrides(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<OverrideRow>> {
    activities::activity(tx, activity)?;
    store::list_overrides(tx, activity)
}

fn check_end(
    tx: &mut Tx<'_>,
    activity: ActivityId,
    (valid_from, until): (NaiveDate, NaiveDate),
    (version, expected): (i32, i32),
    has_ended: bool,
) -> Result<PersonId> {
    if version != expected {
        return Err(Error::version_stale(version));
    }
    if has_ended {
        return Err(Error::state_conflict("ended", "end"));
    }
    let row = activities::activity(tx, activity)?;
    let by = tx.person()?;
    if by == row.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let today = tx.today(zone);
    let mut checks = Checks::default();
    rules::end_of(valid_from, until, today, &mut checks);
    checks.done()?;
    Ok(by)
}

/// Ends an exemption: it holds up to the day before `until`.
///
/// # Errors
/// 404; 403 for one's own; 409 when it has been ended; 412 for another version; 422 for a day in the past.
pub fn end_exemption(tx: &mut Tx<'_>, id: LevyExemptionId, expected: i32, until: NaiveDate) -> Result<ExemptionRow> {
    let row = store::lock_exemption(tx, id)?;
    let is_over = row.ended_by.is_some() || row.valid_until.is_some_and(|end| end < until);
    let by = check_end(tx, row.activity_id, (row.valid_from, until), (row.version, expected), is_over)?;
    store::end_exemption(tx, &row, until, by)
}

/// Ends a levy that an activity has of its own: it holds up to the day before `until`.
///
/// # Errors
/// As [`end_exemption`].
pub fn end_override(tx: &mut Tx<'_>, id: LevyOverrideId, expected: i32, until: NaiveDate) -> Result<OverrideRow> {
    let row = store::lock_override(tx, id)?;
    let is_over = row.ended_by.is_some() || row.valid_until.is_some_and(|end| end < until);
    let by = check_end(tx, row.activity_id, (row.valid_from, until), (row.version, expected), is_over)?;
    store::end_override(tx, &row, until, by)
}
