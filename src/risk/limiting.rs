//! How much may be paid out: decided, confirmed, and counted under a lock.

use chrono::{DateTime, NaiveDate, Utc};

use super::is_soon;
use super::rules::limits::{self as days, LimitKind};
use super::store::{self, LimitRow, LimitUse};
use crate::access;
use crate::charter::{self, EntityRow};
use crate::kernel::ids::{EntityId, PayoutId, PayoutLimitId, PersonId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

fn today(tx: &Tx<'_>, entity: &EntityRow) -> Result<(NaiveDate, DateTime<Utc>)> {
    let day = tx.today(entity.zone());
    let start = days::day_start(day, entity.zone()).ok_or_else(|| Error::internal("calendar"))?;
    Ok((day, start))
}

/// What is used of the limits that some payouts fall under.
pub(super) fn used(
    tx: &mut Tx<'_>,
    entity: &EntityRow,
    currency: Currency,
    payouts: &[PayoutId],
    is_sealed: bool,
) -> Result<Vec<LimitUse>> {
    if !store::has_limits(tx, entity.id)? {
        return Ok(Vec::new());
    }
    let day = today(tx, entity)?;
    store::used(tx, entity.id, currency, payouts, is_sealed, day)
}

/// Refuses when some payouts, which count already, are too much for a limit. One transaction at a time counts what an
/// entity pays out, so that two at the same moment cannot both be the last that fits.
///
/// # Errors
/// 409 `payout_limit_reached`: which limit, what is left of it, and when more becomes free.
pub fn within_limits(
    tx: &mut Tx<'_>,
    entity: EntityId,
    currency: Currency,
    payouts: &[PayoutId],
    is_sealed: bool,
) -> Result<()> {
    if !store::has_limits(tx, entity)? {
        return Ok(());
    }
    store::lock_limits(tx, entity)?;
    let entity = charter::entity(tx, entity)?;
    let uses = used(tx, &entity, currency, payouts, is_sealed)?;
    let Some(broken) = uses.into_iter().find(|of| of.used_minor > of.limit_minor) else { return Ok(()) };
    let member = if matches!(broken.kind, LimitKind::ApproverDay) { None } else { broken.person_id };
    let moved = store::movements(tx, entity.id, currency, member, is_sealed, payouts)?;
    let (day, _) = today(tx, &entity)?;
    let is_of_one = broken.kind == LimitKind::Payout;
    let asked = if is_of_one { broken.used_minor } else { store::sum_of(tx, payouts, member)? };
    let counted = broken.used_minor.saturating_sub(asked);
    let excess = broken.used_minor.saturating_sub(broken.limit_minor);
    let moved: Vec<(DateTime<Utc>, i64)> = moved.iter().map(|one| (one.at, one.amount)).collect();
    let free = days::free_at(broken.kind, (day, entity.zone()), (asked, broken.limit_minor, excess), &moved);
    Err(refusal(
        &broken,
        broken.limit_minor.saturating_sub(counted),
        free.map(|at| (at, at.with_timezone(&entity.zone()).date_naive())),
    ))
}

fn refusal(broken: &LimitUse, left: i64, free: Option<(DateTime<Utc>, NaiveDate)>) -> Error {
    let refused = Error::conflict("payout_limit_reached")
        .with("limit", broken.kind)
        .with("limit_minor", broken.limit_minor)
        .with("left_minor", left.max(0));
    match free {
        Some((at, on)) => {
            refused.with("free_at", at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)).with("free_on", on)
        }
        None => refused,
    }
}

/// Refuses when a batch is more than the signed-in person may approve today, with what they approved before.
///
/// # Errors
/// 409 `payout_limit_reached`.
pub fn approving(tx: &mut Tx<'_>, entity: EntityId, total: Money) -> Result<()> {
    if !store::has_limits(tx, entity)? {
        return Ok(());
    }
    store::lock_limits(tx, entity)?;
    let entity = charter::entity(tx, entity)?;
    let (day, start) = today(tx, &entity)?;
    let me = tx.person()?;
    let scope = (entity.id, total.currency);
    let Some(limit) = store::limit_on(tx, scope, LimitKind::ApproverDay, Some(me), day)? else { return Ok(()) };
    let before = store::approved_today(tx, scope, me, start)?;
    let used = before.saturating_add(total.amount_minor.get());
    if used <= limit {
        return Ok(());
    }
    let broken = LimitUse { kind: LimitKind::ApproverDay, person_id: Some(me), used_minor: used, limit_minor: limit };
    let asked = (total.amount_minor.get(), limit, used.saturating_sub(limit));
    let free = days::free_at(broken.kind, (day, entity.zone()), asked, &[]);
    Err(refusal(
        &broken,
        limit.saturating_sub(before),
        free.map(|at| (at, at.with_timezone(&entity.zone()).date_naive())),
    ))
}

/// A limit to be decided.
#[derive(Debug, Clone)]
pub struct NewLimit {
    /// Its id.
    pub id: PayoutLimitId,
    /// Of which entity.
    pub entity: EntityId,
    /// What is limited.
    pub kind: LimitKind,
    /// Of this person alone.
    pub person: Option<PersonId>,
    /// How much; without one there is no limit.
    pub amount: Option<Minor>,
    /// Its currency.
    pub currency: Currency,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Why.
    pub reason: String,
}

/// Decides a limit from a day on. One that allows more than what held waits for a second person.
///
/// # Errors
/// 403 for a limit of one's own; 404; 409 `limit_decided_later`; 422 for a day that is over, an amount below zero, a
/// person where there is none, an empty reason.
pub fn decide_limit(tx: &mut Tx<'_>, new: &NewLimit) -> Result<LimitRow> {
    let entity = charter::entity(tx, new.entity)?;
    let mut checks = Checks::default();
    checks.require(is_soon(tx.today(entity.zone()), new.valid_from), "/valid_from", "out_of_range");
    checks.require(new.amount.is_none_or(|amount| amount >= Minor::ZERO), "/amount_minor", "out_of_range");
    checks.require(new.person.is_none() || new.kind.is_of_people(), "/person_id", "not_allowed");
    checks.text(&new.reason, "/reason", 1, 2000);
    checks.done()?;
    if let Some(person) = new.person {
        access::person(tx, person)
            .map_err(|error| if error.code == "not_found" { Error::field("/person_id", "invalid") } else { error })?;
    }
    let by = tx.person()?;
    if new.person == Some(by) {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let row = store::NewLimit {
        id: new.id,
        entity_id: entity.id,
        kind: new.kind,
        person_id: new.person,
        amount_minor: new.amount,
        currency: new.currency,
        valid_from: new.valid_from,
        reason: new.reason.trim(),
        decided_by: by,
    };
    store::insert_limit(tx, &row)
}

/// Confirms a limit that allows more, as another person than who decided and than whom it is about.
///
/// # Errors
/// 403 `self_approval_forbidden`; 404; 409 when nothing is to be confirmed; 412 for another version.
pub fn confirm_limit(tx: &mut Tx<'_>, id: PayoutLimitId, expected: i32) -> Result<LimitRow> {
    let row = store::lock_limit(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    if !row.is_looser || row.confirmed_by.is_some() {
        return Err(Error::state_conflict("in_force", "confirm"));
    }
    let me = tx.person()?;
    if me == row.decided_by || Some(me) == row.person_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    store::save_limit_confirmed(tx, &row, me)
}

/// Every limit of an entity, newest day first.
///
/// # Errors
/// 404.
pub fn limits(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<LimitRow>> {
    let entity = charter::entity(tx, entity)?;
    store::list_limits(tx, entity.id)
}
