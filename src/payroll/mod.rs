//! Payroll: by which scheme an activity pays, what an amount would become, and the slip of each payout that is a wage.
//!
//! Owns `pay_scheme`, `pay_scheme_version`, `pay_arrangement`, `withholding_rate`, `pay_slip`, `true_up`,
//! `true_up_part`, `true_up_policy`, `wage_return` and `rights_proof`. Schemes are data that
//! an administrator writes down with a day and a reason; nothing is edited, a new version holds from its day on. The
//! same engine ([`crate::kernel::schemes`]) computes a simulation and the slip. The slip is computed once, when a
//! payout is approved, and everything that follows reads it: the bank file, the books, the paper.

pub mod http;
pub mod jobs;
mod rules;
mod slips;
mod store;
pub mod true_ups;

use chrono::{Datelike, NaiveDate};
pub use rules::{Basis, Kept, pay_steps, steps, wage};
pub use slips::{Payslip, SlipOf, fix, keep_payslip, payslip, slip, slips, try_out};
pub use store::{ArrangementRow, RateRow, SchemeRow, SlipRow, VersionRow};
use uuid::Uuid;

use crate::kernel::ids::{
    ActivityId, EntityId, FileId, OrderId, PayArrangementId, PaySchemeId, PaySchemeVersionId, PersonId, RuleSetId,
    WithholdingRateId,
};
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::kernel::refusal::Checks;
use crate::kernel::schemes::{self, Circumstances, Scheme, Turnover, TypedScheme, WithholdingRate, presets};
use crate::kernel::vat::VatCase;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{activities, archive, charter, levies, members, orders};

/// A scheme to make.
#[derive(Debug, Clone)]
pub struct NewScheme {
    /// Made by the sender.
    pub id: PaySchemeId,
    /// Whose.
    pub entity: EntityId,
    /// Its short name within the entity.
    pub code: String,
    /// Its name for people.
    pub name: String,
}

/// A version to add to a scheme.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// Made by the sender.
    pub id: PaySchemeVersionId,
    /// Of which scheme.
    pub scheme: PaySchemeId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// The components, as they were typed; none to take those of a preset.
    pub rules: Option<TypedScheme>,
    /// The preset that they come from.
    pub preset: Option<String>,
    /// Where the rates come from; that of the preset when it is left out.
    pub source: Option<String>,
    /// On this day somebody should look at it again.
    pub needs_review_on: Option<NaiveDate>,
    /// Why.
    pub reason: String,
}

/// By which scheme an activity pays from a day on.
#[derive(Debug, Clone)]
pub struct NewArrangement {
    /// Made by the sender.
    pub id: PayArrangementId,
    /// Which activity.
    pub activity: ActivityId,
    /// By which scheme; none for a plain transfer.
    pub scheme: Option<PaySchemeId>,
    /// From this day on; not in the past.
    pub valid_from: NaiveDate,
    /// Why.
    pub reason: String,
}

/// The withholding rate of a person from a day on.
#[derive(Debug, Clone)]
pub struct NewRate {
    /// Made by the sender.
    pub id: WithholdingRateId,
    /// Whose.
    pub member: PersonId,
    /// The rate, as a plain fraction.
    pub rate: String,
    /// From this day on; not in the past.
    pub valid_from: NaiveDate,
    /// The paper that it rests on.
    pub evidence: Option<FileId>,
    /// Why.
    pub reason: String,
}

/// Makes a scheme; it pays nobody before it has a version and an arrangement.
///
/// # Errors
/// 404 for the entity; 409 `not_unique`; 422 for what is not acceptable.
pub fn create_scheme(tx: &mut Tx<'_>, new: &NewScheme) -> Result<SchemeRow> {
    charter::entity(tx, new.entity)?;
    let mut checks = Checks::default();
    rules::check_code(&new.code, "/code", &mut checks);
    checks.text(&new.name, "/name", 1, 200);
    checks.done()?;
    let by = tx.person()?;
    store::insert_scheme(tx, new, by)
}

/// A scheme.
///
/// # Errors
/// 404.
pub fn scheme(tx: &mut Tx<'_>, id: PaySchemeId) -> Result<SchemeRow> {
    store::find_scheme(tx, id)
}

/// Schemes, newest first.
///
/// # Errors
/// Fails with the database.
pub fn schemes(tx: &mut Tx<'_>, of: Option<EntityId>, after: Option<Uuid>, limit: i64) -> Result<Vec<SchemeRow>> {
    store::list_schemes(tx, of, after, limit)
}

/// The schemes that come with the program.
///
/// # Errors
/// When the shipped file cannot be read, which a test rules out.
pub fn shipped() -> Result<Vec<presets::Preset>> {
    presets::all().map_err(Error::internal)
}

/// Adds a version to a scheme. The first may hold from any day; later ones not from one in the past, because slips were
/// computed by what held then.
///
/// # Errors
/// 404; 409 `not_unique` for a second version of one day; 422 naming everything that is not acceptable.
pub fn add_version(tx: &mut Tx<'_>, new: &NewVersion) -> Result<VersionRow> {
    let scheme = store::find_scheme(tx, new.scheme)?;
    let zone = charter::entity(tx, scheme.entity_id)?.zone();
    let today = tx.today(zone);
    let is_first = !store::has_version(tx, scheme.id)?;
    let mut checks = Checks::default();
    let preset = new
        .preset
        .as_deref()
        .map(|code| (code, shipped()))
        .map(|(code, all)| all.map(|all| all.into_iter().find(|preset| preset.code == code)));
    let preset = preset.transpose()?.flatten();
    checks.require(new.preset.is_none() || preset.is_some(), "/preset", "invalid");
    let in_time = (is_first || new.valid_from >= today) && (2000..=2200).contains(&new.valid_from.year());
    checks.require(in_time, "/valid_from", "out_of_range");
    let typed = new.rules.as_ref().or(preset.as_ref().map(|preset| &preset.rules));
    checks.require(typed.is_some() || new.preset.is_some(), "/rules", "required");
    let source = new.source.clone().or_else(|| preset.as_ref().map(|preset| preset.source.clone())).unwrap_or_default();
    checks.text(&source, "/source", 1, 2000);
    let review = new.needs_review_on.or(preset.as_ref().map(|preset| preset.needs_review_on));
    checks.require(review.is_some(), "/needs_review_on", "required");
    let is_after = review.is_none_or(|review| review > new.valid_from && review.year() <= 2200);
    checks.require(is_after, "/needs_review_on", "out_of_range");
    checks.text(&new.reason, "/reason", 1, 2000);
    let rules = typed.map(|typed| schemes::parse(typed, "/rules", &mut checks));
    checks.done()?;
    let (rules, review) = rules.zip(review).ok_or_else(|| Error::internal("a version without a refusal"))?;
    tx.reason(&new.reason)?;
    let by = tx.person()?;
    store::insert_version(tx, new, &serde_json::to_value(rules)?, (&source, review), by)
}

/// The versions of a scheme, newest first.
///
/// # Errors
/// 404.
pub fn versions(tx: &mut Tx<'_>, of: PaySchemeId, after: Option<Uuid>, limit: i64) -> Result<Vec<VersionRow>> {
    store::find_scheme(tx, of)?;
    store::list_versions(tx, of, after, limit)
}

/// Who decides about a member, and on which day: never the member.
fn decide(tx: &mut Tx<'_>, member: PersonId, entity: EntityId) -> Result<(PersonId, NaiveDate)> {
    let by = tx.person()?;
    if by == member {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let zone = charter::entity(tx, entity)?.zone();
    Ok((by, tx.today(zone)))
}

/// Says by which scheme an activity pays from a day on.
///
/// # Errors
/// 404; 403 for one's own; 409 `not_unique` for a day that has one, `activity_closed`; 422 for what is not acceptable.
pub fn arrange(tx: &mut Tx<'_>, new: &NewArrangement) -> Result<ArrangementRow> {
    let activity = activities::require_open(tx, new.activity)?;
    let (by, today) = decide(tx, activity.member_id, activity.entity_id)?;
    let mut checks = Checks::default();
    checks.require(!activity.is_collective, "/scheme_id", "not_allowed");
    rules::check_day(new.valid_from, today, &mut checks);
    checks.text(&new.reason, "/reason", 1, 2000);
    if let Some(scheme) = new.scheme {
        let of = store::list_scheme(tx, scheme)?.map(|scheme| scheme.entity_id);
        checks.require(of == Some(activity.entity_id), "/scheme_id", "invalid");
        let has_rules = of.is_none() || store::version_on(tx, scheme, new.valid_from)?.is_some();
        checks.require(has_rules, "/valid_from", "out_of_range");
    }
    checks.done()?;
    tx.reason(&new.reason)?;
    store::insert_arrangement(tx, new, activity.member_id, by)
}

/// By which schemes an activity pays or paid, newest first.
///
/// # Errors
/// 404 for an activity of somebody else.
pub fn arrangements(tx: &mut Tx<'_>, of: ActivityId) -> Result<Vec<ArrangementRow>> {
    activities::activity(tx, of)?;
    store::list_arrangements(tx, of)
}

/// Says what is withheld from a person from a day on.
///
/// # Errors
/// 404; 403 for one's own; 409 `not_unique` for a day that has one; 422 for what is not acceptable.
pub fn set_rate(tx: &mut Tx<'_>, new: &NewRate) -> Result<RateRow> {
    let member = members::member(tx, new.member)?;
    let (by, today) = decide(tx, member.id, member.entity_id)?;
    let mut checks = Checks::default();
    let rate = Ppm::from_fraction(&new.rate).filter(|rate| rate.0 <= rules::RATE_MAX);
    checks.require(rate.is_some(), "/rate", "out_of_range");
    rules::check_day(new.valid_from, today, &mut checks);
    checks.text(&new.reason, "/reason", 1, 2000);
    archive::check_evidence(tx, new.evidence, &mut checks);
    checks.done()?;
    let rate = rate.ok_or_else(|| Error::internal("a rate without a refusal"))?;
    tx.reason(&new.reason)?;
    store::insert_rate(tx, new, rate, by)
}

/// What is and was withheld from a person, newest first.
///
/// # Errors
/// 404 for somebody else.
pub fn rates(tx: &mut Tx<'_>, of: PersonId) -> Result<Vec<RateRow>> {
    members::member(tx, of)?;
    store::list_rates(tx, of)
}

/// How an activity pays on a day.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The version of the scheme; none for a plain transfer.
    pub version: Option<VersionRow>,
    /// Its rules; without components for a plain transfer.
    pub scheme: Scheme,
    /// What differs from person to person.
    pub of: Circumstances,
    /// Whether the person's own withholding rate is known. A simulation may do without, a payout may not.
    pub has_rate: bool,
}

/// What is paid beside a wage, out of its budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside {
    /// Per diem, mileage, exempt amounts.
    pub beside: Minor,
    /// Copyright income.
    pub rights: Minor,
}

impl Beside {
    /// Whether there is anything.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// How an activity pays on a day, with what is to be paid beside the wage.
///
/// # Errors
/// 409 `pay_scheme_missing` when its scheme has no rules for that day; 422 for amounts beside a plain transfer.
fn in_force(tx: &mut Tx<'_>, activity: &activities::ActivityRow, on: NaiveDate, beside: Beside) -> Result<InForce> {
    let Some(scheme) = store::arranged_on(tx, activity.id, on)?.and_then(|row| row.scheme_id) else {
        let mut checks = Checks::default();
        checks.require(beside.beside == Minor::ZERO, "/beside_wage", "not_allowed");
        checks.require(beside.rights == Minor::ZERO, "/copyright", "not_allowed");
        checks.done()?;
        let scheme = Scheme { components: Vec::new(), copyright: None };
        return Ok(InForce { version: None, scheme, of: Circumstances::default(), has_rate: false });
    };
    let version = store::version_on(tx, scheme, on)?;
    let version = version.ok_or_else(|| Error::conflict("pay_scheme_missing").with("on", on))?;
    let rate = store::rate_on(tx, activity.member_id, on)?.map(|row| Ppm(row.rate_ppm));
    let rights_before =
        if beside.rights == Minor::ZERO { Minor::ZERO } else { store::rights_of_year(tx, activity.member_id, on)? };
    let of = Circumstances {
        withholding: WithholdingRate(rate.unwrap_or(Ppm(0))),
        beside: beside.beside,
        rights: beside.rights,
        rights_before,
    };
    let scheme = serde_json::from_value(version.rules.clone())?;
    Ok(InForce { version: Some(version), scheme, of, has_rate: rate.is_some() })
}

/// From which end an amount is tried.
#[derive(Debug, Clone, Copy)]
pub enum Wish {
    /// What becomes of an invoice of this net amount?
    Invoice(Money),
    /// What must be invoiced so that this is paid out?
    Net(Money),
    /// What becomes of an order?
    Order(OrderId),
}

/// An amount that was only tried.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// On which day.
    pub on: NaiveDate,
    /// By which rules of the mutual.
    pub rule_set: RuleSetId,
    /// By which version of the scheme; none for a plain transfer.
    pub version: Option<VersionRow>,
    /// Of every amount.
    pub currency: Currency,
    /// VAT on top.
    pub tax: Minor,
    /// What the invoice becomes.
    pub turnover: Turnover,
}

/// Tries what an amount becomes by the rules of an activity on a day. Writes nothing.
///
/// # Errors
/// 404; 409 `rule_set_missing`, `pay_scheme_missing`; 422 for amounts that are not acceptable, and
/// `gross_up_impossible` when no amount leaves enough.
pub fn simulate(
    tx: &mut Tx<'_>,
    activity: Option<ActivityId>,
    wish: Wish,
    on: Option<NaiveDate>,
    beside: Beside,
) -> Result<Simulation> {
    let order = if let Wish::Order(id) = wish { Some(orders::row(tx, id)?) } else { None };
    let activity = activity.or(order.as_ref().map(|order| order.activity_id));
    let activity = activities::activity(tx, activity.ok_or_else(|| Error::field("/activity_id", "required"))?)?;
    if order.as_ref().is_some_and(|order| order.activity_id != activity.id) {
        return Err(Error::field("/order_id", "invalid"));
    }
    let entity = charter::entity(tx, activity.entity_id)?;
    let on = on.unwrap_or_else(|| tx.today(entity.zone()));
    let levies::InForce { rule_set, currency, terms } = levies::in_force(tx, &activity, on)?;
    rules::check_wish(wish, on, currency, beside)?;
    let paid = in_force(tx, &activity, on, beside)?;
    let turnover = match (wish, &order) {
        (Wish::Net(wished), _) => schemes::to_turnover(&terms, &paid.scheme, &paid.of, wished.amount_minor),
        (Wish::Invoice(net), _) => schemes::from_turnover(&terms, &paid.scheme, &paid.of, net.amount_minor),
        (Wish::Order(_), Some(order)) => schemes::from_turnover(&terms, &paid.scheme, &paid.of, order.net_minor),
        (Wish::Order(_), None) => return Err(Error::not_found()),
    };
    let turnover = turnover.map_err(rules::refuse)?;
    let tax = match &order {
        Some(order) => order.tax_minor,
        None => {
            let rates = charter::vat_rates(tx, &entity.country, on)?;
            turnover.net.share(rates.get(&VatCase::Standard).copied().unwrap_or(Ppm(0)))?
        }
    };
    Ok(Simulation { on, rule_set, version: paid.version, currency, tax, turnover })
}
