//! What happens by the calendar: the months of levies, and debts that are settled when money has come. The desk of the
//! worker, beside that of people in `mod.rs`.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::rules::CalendarMonth;
use super::store::{MonthRow, NewPeriod, NewSettlement, StandingRow};
use super::{ChargeSource, NewCharge, store};
use crate::kernel::ids::{ActivityId, EntityId};
use crate::kernel::levies::{self, Charge, LevyKind, Month, Term};
use crate::kernel::money::{Currency, Minor};
use crate::ledger::{self, Entry, events};
use crate::outbox;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// Activities in one transaction: their balances are locked until its end.
const BLOCK_SIZE: i64 = 500;
/// The name of the work in the calendar; its days are the first days of the months after.
const JOB: &str = "levies_month";

/// A part of the work, in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The last activity that was looked at; none when there was none left.
    pub last: Option<ActivityId>,
    /// How many charges or settlements were made.
    pub done: usize,
}

/// The first day of the month after the last one that was closed; none before the first run.
///
/// # Errors
/// Fails with the database.
pub fn last_closing(tx: &mut Tx<'_>, entity: EntityId) -> Result<Option<NaiveDate>> {
    outbox::last_run(tx, JOB, entity)
}

/// Notes that the month before `run`, the first day of the next one, is closed for all activities.
///
/// # Errors
/// Fails with the database.
pub fn finish_closing(tx: &mut Tx<'_>, entity: EntityId, run: NaiveDate, done: usize) -> Result<()> {
    outbox::finish_run(tx, JOB, entity, run, done)
}

/// Whether a month has amounts that are charged when it is over, and they have not been charged yet. `day` is any of its
/// days.
///
/// # Errors
/// Fails with the database.
pub fn month_is_waiting(tx: &mut Tx<'_>, entity: EntityId, day: NaiveDate) -> Result<bool> {
    let Some(month) = CalendarMonth::of(day) else { return Ok(false) };
    // The run of a month carries the first day of the next one.
    if outbox::last_run(tx, JOB, entity)?.is_some_and(|ran| Some(ran) >= month.next()) {
        return Ok(false);
    }
    store::has_month_levies(tx, entity, month.last)
}

/// Charges fixed amounts and top-ups of one month to some activities of an entity, after one in the order of their ids.
///
/// An activity pays for a month at whose end it is open, by the days since it was opened. Each part is looked at once,
/// also when it comes to nothing, so that the work can be repeated. What money does not cover becomes arrears.
///
/// # Errors
/// 409 `already_booked` when somebody else does the same at the same time.
pub fn close_month(tx: &mut Tx<'_>, entity: EntityId, day: NaiveDate, after: Option<ActivityId>) -> Result<Block> {
    let month = CalendarMonth::of(day).ok_or_else(|| Error::internal("the end of time"))?;
    let rows = store::list_month(tx, entity, (month.first, month.last), after, BLOCK_SIZE)?;
    let last = rows.last().map(|row| row.activity_id);
    let rows: Vec<(MonthRow, Vec<Term>)> = rows
        .into_iter()
        .map(|row| {
            let terms: Vec<Term> = serde_json::from_value(row.terms.clone())?;
            Ok((row, terms.into_iter().filter(|term| term.levy.has_month()).collect::<Vec<_>>()))
        })
        .filter(|found: &Result<(MonthRow, Vec<Term>)>| !matches!(found, Ok((_, terms)) if terms.is_empty()))
        .collect::<Result<_>>()?;
    if rows.is_empty() {
        return Ok(Block { last, done: 0 });
    }
    let ids: Vec<ActivityId> = rows.iter().map(|(row, _)| row.activity_id).collect();
    let balances = ledger::lock_balances(tx, &ids)?;
    let standings = store::list_standings(tx, &ids, month.last)?;
    // A month that was forgotten until its books were closed is booked in the first that are open.
    let booked_on = ledger::first_open_day(tx, entity)?.map_or(month.last, |open| open.max(month.last));
    let mut close = Closing {
        entity,
        month,
        booked_on,
        available: balances.iter().map(|has| (has.activity_id, (has.available_minor, has.currency))).collect(),
        standings: standings.into_iter().map(|row| ((row.activity_id, row.kind), row)).collect(),
        periods: Vec::new(),
        charges: Vec::new(),
        entries: Vec::new(),
    };
    for (row, terms) in &rows {
        for term in terms {
            close.charge(tx, row, term)?;
        }
    }
    store::insert_periods(tx, &close.periods)?;
    super::record(tx, &close.charges)?;
    ledger::post_all(tx, &close.entries)?;
    Ok(Block { last, done: close.charges.len() })
}

/// What closing a block gathers before it writes.
struct Closing {
    entity: EntityId,
    month: CalendarMonth,
    booked_on: NaiveDate,
    available: BTreeMap<ActivityId, (Minor, Currency)>,
    standings: BTreeMap<(ActivityId, LevyKind), StandingRow>,
    periods: Vec<NewPeriod>,
    charges: Vec<NewCharge>,
    entries: Vec<Entry>,
}

impl Closing {
    fn charge(&mut self, tx: &Tx<'_>, row: &MonthRow, term: &Term) -> Result<()> {
        let Some((mut available, currency)) = self.available.get(&row.activity_id).copied() else { return Ok(()) };
        let before = self.standings.get(&(row.activity_id, term.levy.kind));
        let standing = before.map(StandingRow::standing).unwrap_or_default();
        let month = Month {
            name: self.month.name(),
            days: self.month.days_since(row.opened_on),
            of_days: self.month.length(),
            charged: before.map(|row| row.month_amount).unwrap_or_default(),
        };
        let at = events::Booking { entity: self.entity, on: self.booked_on, currency };
        for part in levies::close(term, &month, &standing)? {
            let period = NewPeriod {
                id: tx.new_id(),
                entity: self.entity,
                activity: row.activity_id,
                member: row.member_id,
                month: self.month.first,
                kind: part.kind,
                part: part.part,
            };
            if part.amount != Minor::ZERO || part.basis.exemption_id.is_some() {
                let charge = Charge {
                    kind: part.kind,
                    base: Minor::ZERO,
                    rate: None,
                    amount: part.amount,
                    uncapped: None,
                    basis: part.basis,
                };
                let new = NewCharge {
                    id: tx.new_id(),
                    entity: self.entity,
                    activity: row.activity_id,
                    member: row.member_id,
                    source: (ChargeSource::Period, period.id),
                    invoice: None,
                    rule_set: row.rule_set_id,
                    on: self.month.last,
                    charge,
                };
                if part.amount != Minor::ZERO {
                    let to = events::ChargedTo::Activity { available };
                    self.entries.push(events::levy_charged(at, new.fact(), to)?);
                    available = available.minus(part.amount)?.max(Minor::ZERO);
                }
                self.charges.push(new);
            }
            self.periods.push(period);
        }
        self.available.insert(row.activity_id, (available, currency));
        Ok(())
    }
}

/// Settles what activities owe out of what they have available now. Answers how many did; fewer than a block means that
/// nobody is left. Doing it twice settles nothing twice: the debt is read under the lock of the balance.
///
/// # Errors
/// 409 for a period that is closed.
pub fn settle_arrears(tx: &mut Tx<'_>, entity: EntityId, on: NaiveDate, after: Option<ActivityId>) -> Result<Block> {
    let ids = ledger::debtors(tx, entity, after, BLOCK_SIZE)?;
    let Some(last) = ids.last().copied() else { return Ok(Block { last: None, done: 0 }) };
    let has: BTreeMap<_, _> =
        ledger::lock_balances(tx, &ids)?.into_iter().map(|balance| (balance.activity_id, balance)).collect();
    let (mut settlements, mut entries) = (Vec::new(), Vec::new());
    for (activity, owed) in ledger::arrears(tx, &ids)? {
        let Some(balance) = has.get(&activity) else { continue };
        let amount = owed.min(balance.available_minor);
        if amount <= Minor::ZERO {
            continue;
        }
        let new = NewSettlement {
            id: tx.new_id(),
            entity,
            activity,
            member: balance.owner_id,
            amount,
            currency: balance.currency,
            on,
        };
        let at = events::Booking { entity, on, currency: balance.currency };
        entries.push(events::arrears_settled(at, new.id, activity, balance.owner_id, amount)?);
        settlements.push(new);
    }
    if !settlements.is_empty() {
        store::insert_settlements(tx, &settlements)?;
        ledger::post_all(tx, &entries)?;
    }
    Ok(Block { last: Some(last), done: settlements.len() })
}
