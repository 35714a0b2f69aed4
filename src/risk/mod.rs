//! What stands between an approved payout and the bank: flags that somebody opens, holds, limits.
//!
//! Owns `risk_flag`, `risk_flag_opening`, `risk_level`, `payout_origin`, `payout_hold`, `payout_limit`. The rules are
//! pure and look at facts that one statement gathers for any number of payouts; they run when a payout is reviewed and
//! again when its batch is sealed. A flag is never taken back: whoever approves a batch opens each of its medium and
//! high ones singly, with a note. `payouts` asks here at each of its steps; `PostgreSQL` holds the same a second time.

pub mod http;
mod limiting;
mod rules;
mod store;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
pub use limiting::{NewLimit, approving, confirm_limit, decide_limit, limits, within_limits};
pub use rules::limits::LimitKind;
pub use rules::{Found, RiskCode, RiskLevel, RiskSetting};
use serde_json::Value;
pub use store::{FlagFilter, FlagRow, HoldFilter, HoldRow, LevelRow, LimitRow, OpeningRow};
use uuid::Uuid;
pub use waiting::{HoldOn, held, hold, holds, lift, place_hold, require_free};

use crate::charter::{self, EntityRow};
use crate::kernel::ids::{EntityId, PayoutId, PersonId, RiskFlagId, RiskLevelId};
use crate::kernel::money::Currency;
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// Notes on which device the signed-in member asked for a payout. What a plan asks for has none.
///
/// # Errors
/// Fails with the database.
pub fn asked(tx: &mut Tx<'_>, payout: PayoutId, member: PersonId) -> Result<()> {
    match tx.session() {
        Some(session) => store::insert_origin(tx, payout, member, session),
        None => Ok(()),
    }
}

/// A payout was reviewed: it stays within the limits, and what is odd about it is noted.
///
/// # Errors
/// 409 `payout_limit_reached`.
pub fn reviewed(tx: &mut Tx<'_>, entity: EntityId, currency: Currency, payout: PayoutId) -> Result<()> {
    within_limits(tx, entity, currency, &[payout], false)?;
    assess(tx, entity, currency, &[payout], false)
}

/// A batch was sealed: nothing in it waits, together they stay within the limits, and what is odd is noted again.
///
/// # Errors
/// 409 `payout_on_hold`, `payout_limit_reached`.
pub fn sealed(tx: &mut Tx<'_>, entity: EntityId, currency: Currency, payouts: &[PayoutId]) -> Result<()> {
    require_free(tx, payouts)?;
    within_limits(tx, entity, currency, payouts, true)?;
    assess(tx, entity, currency, payouts, true)
}

/// Notes what is odd about some payouts. What was noted before stays.
///
/// # Errors
/// Fails with the database.
pub fn assess(
    tx: &mut Tx<'_>,
    entity: EntityId,
    currency: Currency,
    payouts: &[PayoutId],
    is_sealed: bool,
) -> Result<()> {
    let entity = charter::entity(tx, entity)?;
    let now = tx.now();
    let settings = settings(tx, &entity)?;
    let used = limiting::used(tx, &entity, currency, payouts, is_sealed)?;
    let noted: BTreeSet<(PayoutId, &str, &str)> =
        store::list_noted(tx, payouts)?.into_iter().map(|(id, code, level)| (id, code.name(), level.name())).collect();
    let mut flags = Vec::new();
    for mut facts in store::facts(tx, payouts)? {
        let theirs = used.iter().filter(|of| of.person_id.is_none_or(|person| person.0 == facts.member));
        let nearest = theirs.max_by_key(|of| share_used(of.used_minor, of.limit_minor));
        facts.limit = nearest.map(|of| (of.kind.name().to_owned(), of.used_minor, of.limit_minor));
        for found in rules::flags(&facts, now) {
            let Some(level) = setting(&settings, found.code).level() else { continue };
            if noted.contains(&(PayoutId(facts.payout), found.code.name(), level.name())) {
                continue;
            }
            flags.push(store::NewFlag {
                id: tx.new_id(),
                payout_id: PayoutId(facts.payout),
                code: found.code,
                level,
                facts: Value::Object(found.facts),
                evidence: Value::from(found.evidence),
            });
        }
    }
    store::insert_flags(tx, &flags)
}

/// Millionths of a limit that are used; all of it when there is none to use.
fn share_used(used: i64, limit: i64) -> i128 {
    i128::from(used).saturating_mul(1_000_000).checked_div(i128::from(limit)).unwrap_or(i128::MAX)
}

/// How serious an entity takes the kinds of flags today, as far as it has said.
fn settings(tx: &mut Tx<'_>, entity: &EntityRow) -> Result<BTreeMap<RiskCode, RiskSetting>> {
    let today = tx.today(entity.zone());
    let rows = store::list_levels(tx, entity.id)?;
    let in_force = rows.into_iter().filter(|row| row.valid_from <= today && is_in_force(row));
    Ok(in_force.map(|row| (row.code, row.level)).collect())
}

fn is_in_force(row: &LevelRow) -> bool {
    !row.is_looser || row.confirmed_by.is_some()
}

fn setting(settings: &BTreeMap<RiskCode, RiskSetting>, code: RiskCode) -> RiskSetting {
    settings.get(&code).copied().unwrap_or_else(|| code.by_default())
}

/// Refuses unless the signed-in person has opened each flag of some payouts that asks for it.
///
/// # Errors
/// 409 `risk_flags_unopened`, saying how many.
pub fn require_opened(tx: &mut Tx<'_>, payouts: &[PayoutId]) -> Result<()> {
    let me = tx.person()?;
    let unopened = store::list_unopened(tx, payouts, me)?;
    match unopened.first() {
        None => Ok(()),
        Some(first) => {
            Err(Error::conflict("risk_flags_unopened").with("count", unopened.len()).with("first_flag_id", first))
        }
    }
}

/// A flag with who opened it.
#[derive(Debug, Clone)]
pub struct KnownFlag {
    /// The flag.
    pub flag: FlagRow,
    /// Who opened it, oldest first.
    pub openings: Vec<OpeningRow>,
}

/// A flag with who opened it.
///
/// # Errors
/// 404.
pub fn flag(tx: &mut Tx<'_>, id: RiskFlagId) -> Result<KnownFlag> {
    let flag = store::find_flag(tx, id)?;
    Ok(KnownFlag { openings: store::list_openings(tx, &[id])?, flag })
}

/// Flags with who opened them, newest first.
///
/// # Errors
/// Fails with the database.
pub fn flags(tx: &mut Tx<'_>, filter: &FlagFilter, after: Option<Uuid>, limit: i64) -> Result<Vec<KnownFlag>> {
    let reader = tx.person()?;
    let rows = store::list_flags(tx, filter, reader, after, limit)?;
    let ids: Vec<RiskFlagId> = rows.iter().map(|row| row.id).collect();
    let mut openings: BTreeMap<RiskFlagId, Vec<OpeningRow>> = BTreeMap::new();
    for opening in store::list_openings(tx, &ids)? {
        openings.entry(opening.flag_id).or_default().push(opening);
    }
    let known = |flag: FlagRow| KnownFlag { openings: openings.remove(&flag.id).unwrap_or_default(), flag };
    Ok(rows.into_iter().map(known).collect())
}

/// Notes that the signed-in person looked at a flag, and what they found. Safe to repeat: the first note stays.
///
/// # Errors
/// 404; 422 for an empty note.
pub fn open(tx: &mut Tx<'_>, id: RiskFlagId, note: &str) -> Result<KnownFlag> {
    let mut checks = Checks::default();
    checks.text(note, "/note", 1, 2000);
    checks.done()?;
    store::find_flag(tx, id)?;
    let me = tx.person()?;
    store::insert_opening(tx, id, me, note.trim())?;
    flag(tx, id)
}

/// How serious a kind of flag is to be taken.
#[derive(Debug, Clone)]
pub struct NewSetting {
    /// Its id.
    pub id: RiskLevelId,
    /// Of which entity.
    pub entity: EntityId,
    /// Of which kind.
    pub code: RiskCode,
    /// How serious.
    pub level: RiskSetting,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Why.
    pub reason: String,
}

/// Decides how serious a kind of flag is taken from a day on. Less serious than before waits for a second person.
///
/// # Errors
/// 404; 409 `not_unique` for a day that has one; 422 for a day that is over or before a later decision, an empty reason.
pub fn decide_level(tx: &mut Tx<'_>, new: &NewSetting) -> Result<LevelRow> {
    let entity = charter::entity(tx, new.entity)?;
    let rows = store::list_levels(tx, entity.id)?;
    let mut theirs = rows.iter().filter(|row| row.code == new.code && is_in_force(row));
    let mut checks = Checks::default();
    checks.require(is_soon(tx.today(entity.zone()), new.valid_from), "/valid_from", "out_of_range");
    checks.require(theirs.clone().all(|row| row.valid_from <= new.valid_from), "/valid_from", "not_allowed");
    checks.text(&new.reason, "/reason", 1, 2000);
    checks.done()?;
    let before = theirs.next_back().map_or(new.code.by_default(), |row| row.level);
    let by = tx.person()?;
    let row = store::NewLevel {
        id: new.id,
        entity_id: entity.id,
        code: new.code,
        level: new.level,
        before,
        valid_from: new.valid_from,
        reason: new.reason.trim(),
        decided_by: by,
    };
    store::insert_level(tx, &row)
}

/// Confirms that a kind of flag is taken less seriously, as another person than who decided.
///
/// # Errors
/// 403 `self_approval_forbidden`; 404; 409 when nothing is to be confirmed; 412 for another version.
pub fn confirm_level(tx: &mut Tx<'_>, id: RiskLevelId, expected: i32) -> Result<LevelRow> {
    let row = store::lock_level(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    if is_in_force(&row) {
        return Err(Error::state_conflict("in_force", "confirm"));
    }
    let me = tx.person()?;
    if row.decided_by == me {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    store::save_level_confirmed(tx, &row, me)
}

/// Every decision of an entity about its flags, oldest day first.
///
/// # Errors
/// 404.
pub fn levels(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<LevelRow>> {
    let entity = charter::entity(tx, entity)?;
    store::list_levels(tx, entity.id)
}

/// Whether a decision may hold from a day on: not backwards, and not further than anybody remembers it.
fn is_soon(today: NaiveDate, day: NaiveDate) -> bool {
    let latest = today.checked_add_days(Days::new(366)).unwrap_or(today);
    (today..=latest).contains(&day)
}
