//! The SQL of flags and of how serious they are. Holds and limits have files of their own.

mod holds;
mod limits;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
pub use holds::{HoldFilter, HoldRow};
pub(super) use holds::{HoldTarget, find_hold, held_among, insert_hold, list_held, list_holds, lock_hold, save_lifted};
pub use limits::LimitRow;
pub(super) use limits::{
    LimitUse, NewLimit, approved_today, has_limits, insert_limit, limit_on, list_limits, lock_limit, lock_limits,
    movements, save_limit_confirmed, sum_of, used,
};
use serde::Serialize;
use serde_json::Value;
use umbel_schema::{payout, payout_origin, risk_flag, risk_flag_opening, risk_level};
use uuid::Uuid;

use super::rules::{Facts, RiskCode, RiskLevel, RiskSetting};
use crate::kernel::ids::{BatchId, EntityId, PayoutId, PersonId, RiskFlagId, RiskLevelId, SessionId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// Something about a payout that somebody should look at.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = risk_flag, check_for_backend(diesel::pg::Pg))]
pub struct FlagRow {
    /// Its id.
    pub id: RiskFlagId,
    /// About which payout.
    pub payout_id: PayoutId,
    /// Its kind.
    pub code: RiskCode,
    /// How serious.
    pub level: RiskLevel,
    /// What its sentence says.
    pub facts: Value,
    /// Where to look.
    pub evidence: Value,
    /// When it was raised.
    pub at: DateTime<Utc>,
}

/// That somebody opened a flag.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = risk_flag_opening, check_for_backend(diesel::pg::Pg))]
pub struct OpeningRow {
    /// Which flag.
    pub flag_id: RiskFlagId,
    /// Who.
    pub opened_by: PersonId,
    /// What they found.
    pub note: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// How serious an entity takes a kind of flag, from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = risk_level, check_for_backend(diesel::pg::Pg))]
pub struct LevelRow {
    /// Its id.
    pub id: RiskLevelId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// Of which kind.
    pub code: RiskCode,
    /// How serious.
    pub level: RiskSetting,
    /// What held before.
    pub before: RiskSetting,
    /// Whether it is less serious, so that a second person is needed.
    pub is_looser: bool,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub decided_by: PersonId,
    /// Who confirmed it.
    pub confirmed_by: Option<PersonId>,
    /// Grows with every change.
    pub version: i32,
}

/// A level to be decided.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = risk_level)]
pub(super) struct NewLevel<'a> {
    pub(super) id: RiskLevelId,
    pub(super) entity_id: EntityId,
    pub(super) code: RiskCode,
    pub(super) level: RiskSetting,
    pub(super) before: RiskSetting,
    pub(super) valid_from: NaiveDate,
    pub(super) reason: &'a str,
    pub(super) decided_by: PersonId,
}

/// A flag to be raised.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = risk_flag)]
pub(super) struct NewFlag {
    pub(super) id: RiskFlagId,
    pub(super) payout_id: PayoutId,
    pub(super) code: RiskCode,
    pub(super) level: RiskLevel,
    pub(super) facts: Value,
    pub(super) evidence: Value,
}

/// What shapes a list of flags.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FlagFilter {
    /// Only about this payout.
    pub payout_id: Option<PayoutId>,
    /// Only about payouts of this batch.
    pub batch_id: Option<BatchId>,
    /// Only of this level.
    pub level: Option<RiskLevel>,
    /// Only those that the reader has opened, or has not.
    pub opened: Option<bool>,
}

#[derive(QueryableByName)]
struct FactsRow {
    #[diesel(sql_type = SqlUuid)]
    payout_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    member_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    activity_id: Uuid,
    #[diesel(sql_type = BigInt)]
    amount_minor: i64,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    change_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    changed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    name_check: Option<String>,
    #[diesel(sql_type = BigInt)]
    paid_to_account: i64,
    #[diesel(sql_type = Array<BigInt>)]
    earlier: Vec<i64>,
    #[diesel(sql_type = BigInt)]
    same_day: i64,
    #[diesel(sql_type = BigInt)]
    available_minor: i64,
    #[diesel(sql_type = BigInt)]
    reserved_minor: i64,
    #[diesel(sql_type = Bool)]
    has_new_money: bool,
    #[diesel(sql_type = BigInt)]
    advances_minor: i64,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    unpaid_invoice_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    country: String,
    #[diesel(sql_type = Nullable<Text>)]
    iban_country: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    shared_with_member: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    shared_with_staff: Option<Uuid>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    contact_changed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    is_device_new: bool,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    device_of: Option<Uuid>,
    #[diesel(sql_type = Bool)]
    is_reviewer_caller: bool,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    disputed_invoice_id: Option<Uuid>,
}

impl From<FactsRow> for Facts {
    fn from(row: FactsRow) -> Self {
        let currency = row.currency.parse().unwrap_or(Currency::EUR);
        Self {
            payout: row.payout_id,
            member: row.member_id,
            activity: row.activity_id,
            amount: Money { amount_minor: Minor::new(row.amount_minor), currency },
            change: row.change_id,
            changed_at: row.changed_at,
            name_check: row.name_check,
            paid_to_account: row.paid_to_account,
            earlier: row.earlier,
            same_day: row.same_day,
            available: Minor::new(row.available_minor),
            reserved: Minor::new(row.reserved_minor),
            has_new_money: row.has_new_money,
            advances: Minor::new(row.advances_minor),
            unpaid_invoice: row.unpaid_invoice_id,
            country: row.country,
            iban_country: row.iban_country,
            shared_with_member: row.shared_with_member,
            shared_with_staff: row.shared_with_staff,
            contact_changed_at: row.contact_changed_at,
            is_device_new: row.is_device_new,
            device_of: row.device_of,
            is_reviewer_caller: row.is_reviewer_caller,
            disputed_invoice: row.disputed_invoice_id,
            limit: None,
        }
    }
}

/// How many payouts are looked at in one statement, which may take a few seconds at most.
const SOME: usize = 2_000;

/// What the rules look at, for some payouts at once.
pub(super) fn facts(tx: &mut Tx<'_>, of: &[PayoutId]) -> Result<Vec<Facts>> {
    let mut facts = Vec::with_capacity(of.len());
    for some in of.chunks(SOME) {
        let ids: Vec<Uuid> = some.iter().map(|id| id.0).collect();
        let rows: Vec<FactsRow> =
            diesel::sql_query("SELECT * FROM payout_risk_facts($1)").bind::<Array<SqlUuid>, _>(ids).load(tx.conn())?;
        facts.extend(rows.into_iter().map(Facts::from));
    }
    Ok(facts)
}

pub(super) fn insert_origin(tx: &mut Tx<'_>, payout: PayoutId, member: PersonId, session: SessionId) -> Result<()> {
    let address = tx.address().to_owned();
    diesel::insert_into(payout_origin::table)
        .values((
            payout_origin::payout_id.eq(payout),
            payout_origin::member_id.eq(member),
            payout_origin::session_id.eq(session),
            payout_origin::address.eq(address),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// Raises flags; what was raised before stays as it was.
/// What is noted of some payouts already. Most of what a seal finds was noted when each payout was approved.
pub(super) fn list_noted(tx: &mut Tx<'_>, of: &[PayoutId]) -> Result<Vec<(PayoutId, RiskCode, RiskLevel)>> {
    Ok(risk_flag::table
        .filter(risk_flag::payout_id.eq_any(of))
        .select((risk_flag::payout_id, risk_flag::code, risk_flag::level))
        .load(tx.conn())?)
}

pub(super) fn insert_flags(tx: &mut Tx<'_>, flags: &[NewFlag]) -> Result<()> {
    for some in flags.chunks(1000) {
        diesel::insert_into(risk_flag::table).values(some).on_conflict_do_nothing().execute(tx.conn())?;
    }
    Ok(())
}

pub(super) fn find_flag(tx: &mut Tx<'_>, id: RiskFlagId) -> Result<FlagRow> {
    Ok(risk_flag::table.find(id).select(FlagRow::as_select()).first(tx.conn())?)
}

pub(super) fn list_flags(
    tx: &mut Tx<'_>,
    filter: &FlagFilter,
    reader: PersonId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<FlagRow>> {
    let mut query = risk_flag::table.order(risk_flag::id.desc()).limit(limit).select(FlagRow::as_select()).into_boxed();
    if let Some(payout) = filter.payout_id {
        query = query.filter(risk_flag::payout_id.eq(payout));
    }
    if let Some(batch) = filter.batch_id {
        let items = payout::table.filter(payout::batch_id.eq(batch)).select(payout::id);
        query = query.filter(risk_flag::payout_id.eq_any(items));
    }
    if let Some(level) = filter.level {
        query = query.filter(risk_flag::level.eq(level));
    }
    if let Some(is_opened) = filter.opened {
        let opened =
            risk_flag_opening::table.filter(risk_flag_opening::opened_by.eq(reader)).select(risk_flag_opening::flag_id);
        query = if is_opened {
            query.filter(risk_flag::id.eq_any(opened))
        } else {
            query.filter(risk_flag::id.ne_all(opened))
        };
    }
    if let Some(after) = after {
        query = query.filter(risk_flag::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn list_openings(tx: &mut Tx<'_>, of: &[RiskFlagId]) -> Result<Vec<OpeningRow>> {
    Ok(risk_flag_opening::table
        .filter(risk_flag_opening::flag_id.eq_any(of))
        .order(risk_flag_opening::id.asc())
        .select(OpeningRow::as_select())
        .load(tx.conn())?)
}

/// Notes that somebody opened a flag; the first note stays.
pub(super) fn insert_opening(tx: &mut Tx<'_>, flag: RiskFlagId, by: PersonId, note: &str) -> Result<()> {
    diesel::insert_into(risk_flag_opening::table)
        .values((
            risk_flag_opening::flag_id.eq(flag),
            risk_flag_opening::opened_by.eq(by),
            risk_flag_opening::note.eq(note),
        ))
        .on_conflict_do_nothing()
        .execute(tx.conn())?;
    Ok(())
}

/// The flags of payouts that somebody must open and has not.
pub(super) fn list_unopened(tx: &mut Tx<'_>, of: &[PayoutId], by: PersonId) -> Result<Vec<RiskFlagId>> {
    let opened =
        risk_flag_opening::table.filter(risk_flag_opening::opened_by.eq(by)).select(risk_flag_opening::flag_id);
    Ok(risk_flag::table
        .filter(risk_flag::payout_id.eq_any(of))
        .filter(risk_flag::level.eq_any([RiskLevel::Medium, RiskLevel::High]))
        .filter(risk_flag::id.ne_all(opened))
        .order(risk_flag::id.asc())
        .select(risk_flag::id)
        .load(tx.conn())?)
}

pub(super) fn insert_level(tx: &mut Tx<'_>, new: &NewLevel<'_>) -> Result<LevelRow> {
    Ok(diesel::insert_into(risk_level::table).values(new).returning(LevelRow::as_returning()).get_result(tx.conn())?)
}

pub(super) fn lock_level(tx: &mut Tx<'_>, id: RiskLevelId) -> Result<Locked<LevelRow>> {
    Ok(Locked::new(risk_level::table.find(id).select(LevelRow::as_select()).for_update().first(tx.conn())?))
}

pub(super) fn save_level_confirmed(tx: &mut Tx<'_>, row: &Locked<LevelRow>, by: PersonId) -> Result<LevelRow> {
    let now = tx.now();
    Ok(diesel::update(risk_level::table.find(row.id))
        .set((risk_level::confirmed_by.eq(by), risk_level::confirmed_at.eq(now)))
        .returning(LevelRow::as_returning())
        .get_result(tx.conn())?)
}

/// Every decision of an entity, oldest day first.
pub(super) fn list_levels(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<LevelRow>> {
    Ok(risk_level::table
        .filter(risk_level::entity_id.eq(entity))
        .order((risk_level::valid_from.asc(), risk_level::id.asc()))
        .select(LevelRow::as_select())
        .load(tx.conn())?)
}
