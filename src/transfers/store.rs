//! The SQL of transfers and splits.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text, Uuid as SqlUuid};
use serde::Serialize;
use umbel_schema::{split_part, split_rule, split_run, transfer};
use uuid::Uuid;

use super::rules::{Part, SplitKind};
use super::{Intent, NewRule, NewSplit, Target};
use crate::kernel::ids::{ActivityId, EntityId, InvoiceId, PersonId, SplitRuleId, SplitRunId, TransferId};
use crate::kernel::money::{Currency, Minor, Money};
use crate::ledger::events::{Booking, End};
use crate::platform::db::Tx;
use crate::platform::error::Result;

diesel::define_sql_function! {
    /// Whether the acting person manages an activity, sees everything, or takes part in it.
    fn umbel_reads_activity(activity: SqlUuid) -> Bool;
}

/// Money that moved.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = transfer, check_for_backend(diesel::pg::Pg))]
pub struct TransferRow {
    /// Its id.
    pub id: TransferId,
    /// In which entity.
    pub entity_id: EntityId,
    /// From which activity.
    pub from_activity_id: ActivityId,
    /// Who managed it.
    pub from_member_id: PersonId,
    /// To which activity.
    pub to_activity_id: ActivityId,
    /// Who managed it.
    pub to_member_id: PersonId,
    /// The invoice that the money waits for.
    pub invoice_id: Option<InvoiceId>,
    /// How much.
    pub amount_minor: Minor,
    /// The part of it that the guarantee advanced and no client has paid yet.
    pub advanced_minor: Minor,
    /// Of both.
    pub currency: Currency,
    /// What the giver wrote.
    pub reason: String,
    /// The division that it is part of.
    pub split_run_id: Option<SplitRunId>,
    /// The transfer that it gives back.
    pub returns_id: Option<TransferId>,
    /// Who made it.
    pub made_by: PersonId,
    /// On which day.
    pub made_on: NaiveDate,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// One version of how a collective divides its money.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = split_rule, check_for_backend(diesel::pg::Pg))]
pub struct RuleRow {
    /// Its id.
    pub id: SplitRuleId,
    /// The collective.
    pub activity_id: ActivityId,
    /// Which version.
    pub n: i32,
    /// By which key.
    pub kind: SplitKind,
    /// From which day.
    pub valid_from: NaiveDate,
    /// Of every amount.
    pub currency: Currency,
    /// Who made it.
    pub made_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What one member gets by a rule.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = split_part, check_for_backend(diesel::pg::Pg))]
pub struct PartRow {
    /// The rule.
    pub rule_id: SplitRuleId,
    /// Who.
    pub member_id: PersonId,
    /// The share in parts per million.
    pub share_ppm: Option<i64>,
    /// The fixed amount.
    pub amount_minor: Option<Minor>,
    /// Of the amount.
    pub currency: Currency,
}

/// One division of a collective's money.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = split_run, check_for_backend(diesel::pg::Pg))]
pub struct RunRow {
    /// Its id.
    pub id: SplitRunId,
    /// The collective.
    pub activity_id: ActivityId,
    /// By which version.
    pub rule_id: SplitRuleId,
    /// The invoice that the money waits for.
    pub invoice_id: Option<InvoiceId>,
    /// What was to be divided.
    pub amount_minor: Minor,
    /// What fixed amounts left.
    pub rest_minor: Minor,
    /// Of both.
    pub currency: Currency,
    /// Who divided it.
    pub made_by: PersonId,
    /// On which day.
    pub made_on: NaiveDate,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// An activity at one end of a transfer, held open.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct HeldActivity {
    #[diesel(sql_type = SqlUuid)]
    pub id: ActivityId,
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: EntityId,
    #[diesel(sql_type = SqlUuid)]
    pub member_id: PersonId,
    #[diesel(sql_type = Bool)]
    pub is_closed: bool,
    #[diesel(sql_type = Text)]
    pub currency: Currency,
}

impl HeldActivity {
    /// As an end of an entry.
    pub fn end(&self) -> End {
        End { activity: self.id, member: self.member_id }
    }
}

/// What shapes a list of transfers.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TransferFilter {
    /// Only from or to this activity.
    pub activity_id: Option<ActivityId>,
}

/// Through a function of PostgreSQL's: the other end is somebody else's, and only who manages the giving one is
/// answered.
pub(super) fn hold_activities(tx: &mut Tx<'_>, from: ActivityId, to: &[ActivityId]) -> Result<Vec<HeldActivity>> {
    Ok(diesel::sql_query("SELECT id, entity_id, member_id, is_closed, currency FROM hold_transfer_activities($1, $2)")
        .bind::<SqlUuid, _>(from)
        .bind::<Array<SqlUuid>, _>(to)
        .load(tx.conn())?)
}

/// A transfer that is about to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draft<'a> {
    pub target: Target,
    pub intent: Intent<'a>,
    pub from: End,
    pub to: End,
    pub at: Booking,
    pub carried: Minor,
    pub by: PersonId,
}

impl Draft<'_> {
    pub fn insert(self, tx: &mut Tx<'_>) -> Result<TransferRow> {
        Ok(diesel::insert_into(transfer::table)
            .values((
                (
                    transfer::id.eq(self.target.id),
                    transfer::entity_id.eq(self.at.entity),
                    transfer::from_activity_id.eq(self.from.activity),
                    transfer::from_member_id.eq(self.from.member),
                    transfer::to_activity_id.eq(self.to.activity),
                    transfer::to_member_id.eq(self.to.member),
                    transfer::invoice_id.eq(self.intent.invoice),
                ),
                (
                    transfer::amount_minor.eq(self.target.amount),
                    transfer::advanced_minor.eq(self.carried),
                    transfer::currency.eq(self.at.currency),
                    transfer::reason.eq(self.intent.reason.trim()),
                    transfer::split_run_id.eq(self.intent.run),
                    transfer::returns_id.eq(self.intent.returns),
                    transfer::made_by.eq(self.by),
                    transfer::made_on.eq(self.at.on),
                ),
            ))
            .returning(TransferRow::as_returning())
            .get_result(tx.conn())?)
    }
}

pub(super) fn find(tx: &mut Tx<'_>, id: TransferId) -> Result<TransferRow> {
    let mut query = transfer::table.find(id).select(TransferRow::as_select()).into_boxed();
    if let Some(me) = tx.only_owner() {
        let is_shared =
            umbel_reads_activity(transfer::from_activity_id).or(umbel_reads_activity(transfer::to_activity_id));
        query = query.filter(transfer::from_member_id.eq(me).or(transfer::to_member_id.eq(me)).or(is_shared));
    }
    Ok(query.first(tx.conn())?)
}

/// Whether somebody gave it back; of two at the same moment the second is refused by PostgreSQL.
pub(super) fn find_return(tx: &mut Tx<'_>, id: TransferId) -> Result<Option<TransferId>> {
    let back = transfer::table.filter(transfer::returns_id.eq(id)).select(transfer::id);
    Ok(back.first(tx.conn()).optional()?)
}

pub(super) fn is_returned(tx: &mut Tx<'_>, id: TransferId) -> Result<bool> {
    let back = transfer::table.filter(transfer::returns_id.eq(id));
    Ok(diesel::select(diesel::dsl::exists(back)).get_result(tx.conn())?)
}

/// Those of one activity, if one is named, as far as one sees it; else those that one gave or was given.
pub(super) fn list(
    tx: &mut Tx<'_>,
    filter: &TransferFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<TransferRow>> {
    let mut query =
        transfer::table.order(transfer::id.desc()).limit(limit).select(TransferRow::as_select()).into_boxed();
    if let Some(activity) = filter.activity_id {
        query = query.filter(transfer::from_activity_id.eq(activity).or(transfer::to_activity_id.eq(activity)));
    }
    if let Some(me) = tx.only_owner() {
        let is_own = transfer::from_member_id.eq(me).or(transfer::to_member_id.eq(me));
        query = if filter.activity_id.is_some() {
            let is_shared =
                umbel_reads_activity(transfer::from_activity_id).or(umbel_reads_activity(transfer::to_activity_id));
            query.filter(is_own.or(is_shared))
        } else {
            query.filter(is_own)
        };
    }
    if let Some(after) = after {
        query = query.filter(transfer::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(super) fn list_of_runs(tx: &mut Tx<'_>, runs: &[RunRow]) -> Result<Vec<TransferRow>> {
    let ids: Vec<SplitRunId> = runs.iter().map(|run| run.id).collect();
    Ok(transfer::table
        .filter(transfer::split_run_id.eq_any(ids))
        .order((transfer::to_member_id.asc(), transfer::id.asc()))
        .select(TransferRow::as_select())
        .load(tx.conn())?)
}

/// The next version; whoever makes another one waits at the balance of the collective.
pub(super) fn insert_rule(tx: &mut Tx<'_>, new: &NewRule, currency: Currency, by: PersonId) -> Result<RuleRow> {
    let last: Option<i32> = split_rule::table
        .filter(split_rule::activity_id.eq(new.activity))
        .select(diesel::dsl::max(split_rule::n))
        .first(tx.conn())?;
    Ok(diesel::insert_into(split_rule::table)
        .values((
            split_rule::id.eq(new.id),
            split_rule::activity_id.eq(new.activity),
            split_rule::n.eq(last.unwrap_or_default().saturating_add(1)),
            split_rule::kind.eq(new.kind),
            split_rule::valid_from.eq(new.valid_from),
            split_rule::currency.eq(currency),
            split_rule::made_by.eq(by),
        ))
        .returning(RuleRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn insert_parts(tx: &mut Tx<'_>, rule: &RuleRow, parts: &[Part]) -> Result<Vec<PartRow>> {
    let rows: Vec<_> = parts
        .iter()
        .map(|part| {
            (
                split_part::rule_id.eq(rule.id),
                split_part::member_id.eq(part.member),
                split_part::share_ppm.eq(part.share.map(|share| share.0)),
                split_part::amount_minor.eq(part.amount.map(|amount| amount.amount_minor)),
                split_part::currency.eq(rule.currency),
            )
        })
        .collect();
    let mut made: Vec<PartRow> = diesel::insert_into(split_part::table)
        .values(rows)
        .returning(PartRow::as_returning())
        .get_results(tx.conn())?;
    made.sort_by_key(|part| part.member_id);
    Ok(made)
}

/// The newest version whose day has come.
pub(super) fn find_rule_on(tx: &mut Tx<'_>, activity: ActivityId, on: NaiveDate) -> Result<Option<RuleRow>> {
    Ok(split_rule::table
        .filter(split_rule::activity_id.eq(activity))
        .filter(split_rule::valid_from.le(on))
        .order((split_rule::valid_from.desc(), split_rule::n.desc()))
        .select(RuleRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn list_rules(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<RuleRow>> {
    Ok(split_rule::table
        .filter(split_rule::activity_id.eq(activity))
        .order(split_rule::n.desc())
        .select(RuleRow::as_select())
        .load(tx.conn())?)
}

/// The parts of several versions, lowest member id first.
pub(super) fn list_parts(tx: &mut Tx<'_>, rules: &[RuleRow]) -> Result<Vec<PartRow>> {
    let ids: Vec<SplitRuleId> = rules.iter().map(|rule| rule.id).collect();
    Ok(split_part::table
        .filter(split_part::rule_id.eq_any(ids))
        .order((split_part::rule_id.asc(), split_part::member_id.asc()))
        .select(PartRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn insert_run(
    tx: &mut Tx<'_>,
    new: &NewSplit,
    rule: &RuleRow,
    amount: Money,
    given: Minor,
    on: NaiveDate,
) -> Result<RunRow> {
    let by = tx.person()?;
    Ok(diesel::insert_into(split_run::table)
        .values((
            split_run::id.eq(new.id),
            split_run::activity_id.eq(new.activity),
            split_run::rule_id.eq(rule.id),
            split_run::invoice_id.eq(new.invoice),
            split_run::amount_minor.eq(amount.amount_minor),
            split_run::rest_minor.eq(amount.amount_minor.minus(given)?),
            split_run::currency.eq(amount.currency),
            split_run::made_by.eq(by),
            split_run::made_on.eq(on),
        ))
        .returning(RunRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_runs(tx: &mut Tx<'_>, activity: ActivityId, after: Option<Uuid>, limit: i64) -> Result<Vec<RunRow>> {
    let mut query = split_run::table
        .filter(split_run::activity_id.eq(activity))
        .order(split_run::id.desc())
        .limit(limit)
        .select(RunRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(split_run::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}
