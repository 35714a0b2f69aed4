//! Who is in a pool from day to day, what they used, and which seats they have.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::rules::{self, PoolCommand};
use super::store::{self, ContractRow, MembershipRow, PoolRow, SeatRow, UsageRow};
use crate::activities::{self, ActivityRow};
use crate::kernel::ids::{ActivityId, ContractId, PoolId};
use crate::kernel::money::{Minor, Money};
use crate::kernel::refusal::{Checks, FieldRefusal};
use crate::ledger;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// How many lines of an import are read, looked up and kept at once.
const LINES_AT_ONCE: usize = 1000;
/// How many wrong lines are named at most: a file that is wrong throughout is not listed whole.
const WRONG_MAX: usize = 100;

/// An activity that goes into a pool.
#[derive(Debug, Clone, Copy)]
pub struct NewMembership {
    /// Made by the sender.
    pub id: Uuid,
    /// The activity.
    pub activity: ActivityId,
    /// The first day in.
    pub in_from: NaiveDate,
    /// The first day out, when it is known.
    pub out_from: Option<NaiveDate>,
}

/// Days that members choose for themselves begin today: what was used is paid. The office may write down the past.
fn check_day(tx: &mut Tx<'_>, pool: &PoolRow, day: NaiveDate, pointer: &str, checks: &mut Checks) -> Result<()> {
    let today = super::today_of(tx, pool)?;
    let is_free = tx.only_owner().is_none() || day >= today;
    checks.require(is_free && rules::is_sane(day), pointer, "out_of_range");
    Ok(())
}

/// An activity that a pool can take: open, of the same entity and currency, and the caller's own or anybody's for the
/// office.
fn taker(tx: &mut Tx<'_>, pool: &PoolRow, activity: ActivityId) -> Result<ActivityRow> {
    let activity = activities::require_open(tx, activity).map_err(|error| match error.code {
        "not_found" => Error::field("/activity_id", "invalid"),
        _ => error,
    })?;
    let currency = ledger::balance(tx, activity.id)?.currency;
    if activity.entity_id != pool.entity_id || currency != pool.currency {
        return Err(Error::field("/activity_id", "not_allowed"));
    }
    Ok(activity)
}

/// Lets an activity in from a day on.
///
/// # Errors
/// 409 `pool_not_open`, `pool_already_in`, `pool_period_booked`, `activity_closed`; 422 for an activity of another
/// entity or somebody else, for days before today when a member chooses them, and for days in the wrong order.
pub fn join(tx: &mut Tx<'_>, pool: PoolId, new: &NewMembership) -> Result<MembershipRow> {
    let me = tx.person()?;
    let pool = store::lock(tx, pool)?;
    rules::may(pool.state, PoolCommand::Join)?;
    let activity = taker(tx, &pool, new.activity)?;
    let mut checks = Checks::default();
    check_day(tx, &pool, new.in_from, "/in_from", &mut checks)?;
    let is_later = |out: NaiveDate| out > new.in_from && rules::is_sane(out);
    checks.require(new.out_from.is_none_or(is_later), "/out_from", "out_of_range");
    checks.done()?;
    rules::check_free(new.in_from, store::find_booked_through(tx, pool.id)?)?;
    let row = MembershipRow {
        id: new.id,
        pool_id: pool.id,
        activity_id: activity.id,
        member_id: activity.member_id,
        in_from: new.in_from,
        out_from: new.out_from,
        created_by: me,
        created_at: tx.now(),
    };
    store::insert_membership(tx, &row)?;
    Ok(row)
}

/// Lets an activity out: the given day is its first without.
///
/// # Errors
/// 409 `pool_not_in` when it is not in on the day before, `pool_period_booked`; 422 as [`join`].
pub fn leave(tx: &mut Tx<'_>, pool: PoolId, activity: ActivityId, out_from: NaiveDate) -> Result<MembershipRow> {
    let pool = store::lock(tx, pool)?;
    // Somebody else's activity is not told from one that is not there.
    let activity = activities::activity(tx, activity).map_err(|error| match error.code {
        "not_found" => Error::field("/activity_id", "invalid"),
        _ => error,
    })?;
    let mut checks = Checks::default();
    check_day(tx, &pool, out_from, "/out_from", &mut checks)?;
    checks.done()?;
    rules::check_free(out_from, store::find_booked_through(tx, pool.id)?)?;
    let before = out_from.pred_opt().unwrap_or(out_from);
    let row = store::find_membership_on(tx, pool.id, activity.id, before)?;
    let row = row.ok_or_else(|| Error::conflict("pool_not_in").with("on", before))?;
    store::save_left(tx, &row, out_from)
}

/// Who is or was in a pool, the last written down first.
///
/// # Errors
/// 404 for who is not and was not in it.
pub fn memberships(tx: &mut Tx<'_>, pool: PoolId, after: Option<Uuid>, limit: i64) -> Result<Vec<MembershipRow>> {
    super::require_reader(tx, pool)?;
    store::list_memberships(tx, pool, after, limit)
}

/// What an activity used on a day.
#[derive(Debug, Clone)]
pub struct NewUsage {
    /// Made by the sender.
    pub id: Uuid,
    /// The activity.
    pub activity: ActivityId,
    /// The day.
    pub used_on: NaiveDate,
    /// A plain decimal of at most four decimals above zero, in the unit of the pool.
    pub quantity: String,
    /// What the system that measured it calls it.
    pub external_ref: Option<String>,
}

/// Writes down what an activity used on a day on which it is in the pool.
///
/// # Errors
/// 409 `pool_not_in`, `pool_period_booked`, `not_unique` for a reference that is there; 422.
pub fn record_usage(tx: &mut Tx<'_>, pool: PoolId, new: &NewUsage) -> Result<UsageRow> {
    let me = tx.person()?;
    let pool = store::lock(tx, pool)?;
    rules::may(pool.state, PoolCommand::Allocate)?;
    let today = super::today_of(tx, &pool)?;
    let activity = taker(tx, &pool, new.activity)?;
    let mut checks = Checks::default();
    checks.require(new.used_on <= today && rules::is_sane(new.used_on), "/used_on", "out_of_range");
    let quantity = checks.parse(rules::parse_weight(&new.quantity).ok_or(()), "/quantity", "out_of_range");
    if let Some(reference) = &new.external_ref {
        checks.text(reference, "/external_ref", 1, 100);
    }
    checks.done()?;
    rules::check_free(new.used_on, store::find_booked_through(tx, pool.id)?)?;
    if store::find_membership_on(tx, pool.id, activity.id, new.used_on)?.is_none() {
        return Err(Error::conflict("pool_not_in").with("on", new.used_on));
    }
    let row = UsageRow {
        id: new.id,
        pool_id: pool.id,
        activity_id: activity.id,
        member_id: activity.member_id,
        used_on: new.used_on,
        quantity: rules::to_decimal(quantity.unwrap_or_default()),
        external_ref: new.external_ref.as_deref().map(|text| text.trim().to_owned()),
        recorded_by: me,
        created_at: tx.now(),
    };
    store::insert_usage(tx, std::slice::from_ref(&row))?;
    Ok(row)
}

/// What was used, the last written down first.
///
/// # Errors
/// 404 for who is not and was not in the pool.
pub fn usage(tx: &mut Tx<'_>, pool: PoolId, after: Option<Uuid>, limit: i64) -> Result<Vec<UsageRow>> {
    super::require_reader(tx, pool)?;
    store::list_usage(tx, pool, after, limit)
}

/// What a file of usage brought.
#[derive(Debug, Clone, Copy, Default)]
pub struct Imported {
    /// Lines that are new.
    pub imported: usize,
    /// Lines that were there already, word for word.
    pub skipped: usize,
}

/// A line of a file of usage, as it is written.
#[derive(Debug, serde::Deserialize)]
struct UsageLine {
    activity_id: String,
    used_on: String,
    quantity: String,
    external_ref: String,
}

/// Reads a file line by line and keeps it whole or not at all.
struct Import<'a> {
    pool: &'a PoolRow,
    today: NaiveDate,
    booked_through: Option<NaiveDate>,
    members: BTreeMap<ActivityId, Vec<MembershipRow>>,
    seen: BTreeSet<String>,
    wrong: Vec<FieldRefusal>,
    done: Imported,
}

impl Import<'_> {
    fn refuse(&mut self, line: u64, column: &str, code: &'static str) {
        self.wrong.push(FieldRefusal { pointer: format!("/lines/{line}/{column}"), code, params: Vec::new() });
    }

    /// A line as it will be kept, unless something in it is wrong.
    fn read(&mut self, tx: &Tx<'_>, line: u64, it: UsageLine) -> Result<Option<UsageRow>> {
        let before = self.wrong.len();
        let weight = rules::parse_weight(it.quantity.trim());
        if weight.is_none() {
            self.refuse(line, "quantity", "out_of_range");
        }
        let day = NaiveDate::from_str(&it.used_on).ok();
        let is_free = |day: NaiveDate| self.booked_through.is_none_or(|through| day > through);
        match day {
            None => self.refuse(line, "used_on", "invalid"),
            Some(day) if day > self.today || !is_free(day) => self.refuse(line, "used_on", "out_of_range"),
            Some(_) => {}
        }
        let reference = it.external_ref.trim().to_owned();
        if reference.is_empty() || reference.chars().count() > 100 || reference.chars().any(char::is_control) {
            self.refuse(line, "external_ref", if reference.is_empty() { "required" } else { "not_allowed" });
        } else if !self.seen.insert(reference.clone()) {
            self.refuse(line, "external_ref", "not_unique");
        }
        let activity = Uuid::parse_str(&it.activity_id).ok().map(ActivityId);
        let rows = activity.and_then(|activity| self.members.get(&activity));
        let in_on =
            |row: &&MembershipRow| day.is_none_or(|day| row.in_from <= day && row.out_from.is_none_or(|out| out > day));
        let membership = rows.and_then(|rows| rows.iter().find(in_on)).cloned();
        if membership.is_none() {
            self.refuse(line, "activity_id", if activity.is_some() { "not_allowed" } else { "invalid" });
        }
        let (Some(weight), Some(day), Some(membership)) = (weight, day, membership) else { return Ok(None) };
        if self.wrong.len() > before {
            return Ok(None);
        }
        Ok(Some(UsageRow {
            id: tx.new_id(),
            pool_id: self.pool.id,
            activity_id: membership.activity_id,
            member_id: membership.member_id,
            used_on: day,
            quantity: rules::to_decimal(weight),
            external_ref: Some(reference),
            recorded_by: tx.person()?,
            created_at: tx.now(),
        }))
    }

    /// Keeps what is new of some lines; what is there under the same reference must say the same.
    fn keep(&mut self, tx: &mut Tx<'_>, lines: Vec<(u64, UsageRow)>) -> Result<()> {
        let references: Vec<&str> = lines.iter().filter_map(|(_, row)| row.external_ref.as_deref()).collect();
        let there = store::find_usage_by_reference(tx, self.pool.id, &references)?;
        let there: BTreeMap<Option<String>, UsageRow> =
            there.into_iter().map(|row| (row.external_ref.clone(), row)).collect();
        let mut new = Vec::with_capacity(lines.len());
        for (line, row) in lines {
            match there.get(&row.external_ref) {
                None => new.push(row),
                Some(kept) => {
                    let fact = |row: &UsageRow| (row.activity_id, row.used_on, row.quantity);
                    if fact(kept) == fact(&row) {
                        self.done.skipped = self.done.skipped.saturating_add(1);
                    } else {
                        self.refuse(line, "external_ref", "not_unique");
                    }
                }
            }
        }
        if self.wrong.is_empty() && !new.is_empty() {
            store::insert_usage(tx, &new)?;
        }
        self.done.imported = self.done.imported.saturating_add(new.len());
        Ok(())
    }
}

/// Imports a file of usage: CSV with the columns `activity_id`, `used_on`, `quantity`, `external_ref`. The same file
/// again changes nothing; a file with a wrong line is not imported at all, and each wrong line is named.
///
/// # Errors
/// 409 `pool_not_open`; 422 `import_lines_invalid` with `/lines/{line}/{column}`.
pub fn import_usage(tx: &mut Tx<'_>, pool: PoolId, bytes: &[u8]) -> Result<Imported> {
    let pool = store::lock(tx, pool)?;
    rules::may(pool.state, PoolCommand::Allocate)?;
    let mut import = Import {
        today: super::today_of(tx, &pool)?,
        booked_through: store::find_booked_through(tx, pool.id)?,
        members: store::all_memberships(tx, pool.id)?,
        pool: &pool,
        seen: BTreeSet::new(),
        wrong: Vec::new(),
        done: Imported::default(),
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let mut waiting = Vec::with_capacity(LINES_AT_ONCE);
    for (index, record) in reader.deserialize::<UsageLine>().enumerate() {
        // The head is the first line of the file.
        let line = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(2);
        match record {
            Ok(it) => waiting.extend(import.read(tx, line, it)?.map(|row| (line, row))),
            Err(error) => {
                let line = error.position().map_or(line, csv::Position::line);
                import.refuse(line, "", "invalid");
            }
        }
        if waiting.len() == LINES_AT_ONCE {
            import.keep(tx, std::mem::replace(&mut waiting, Vec::with_capacity(LINES_AT_ONCE)))?;
        }
        if import.wrong.len() >= WRONG_MAX {
            break;
        }
    }
    import.keep(tx, waiting)?;
    if import.wrong.is_empty() && import.done.imported == 0 && import.done.skipped == 0 {
        import.refuse(1, "", "required");
    }
    if import.wrong.is_empty() {
        return Ok(import.done);
    }
    let mut refused = Error::value("import_lines_invalid").with("count", import.wrong.len());
    refused.fields = import.wrong;
    Err(refused)
}

/// A contract that members use together.
#[derive(Debug, Clone)]
pub struct NewContract {
    /// Made by the sender.
    pub id: ContractId,
    /// With whom.
    pub supplier: String,
    /// The supplier's number for it.
    pub reference: String,
    /// The price of a seat for a month, without VAT.
    pub seat_month: Money,
    /// The first day.
    pub valid_from: NaiveDate,
    /// The first day after it.
    pub valid_until: Option<NaiveDate>,
}

/// Puts a contract on a pool; one at a time.
///
/// # Errors
/// 409 `pool_not_open`, `pool_contract_overlaps`; 422.
pub fn add_contract(tx: &mut Tx<'_>, pool: PoolId, new: &NewContract) -> Result<ContractRow> {
    let me = tx.person()?;
    let pool = store::lock(tx, pool)?;
    rules::may(pool.state, PoolCommand::Join)?;
    let mut checks = Checks::default();
    checks.text(&new.supplier, "/supplier", 1, 140);
    checks.text(&new.reference, "/reference", 1, 140);
    let price = new.seat_month.amount_minor;
    checks.require(price > Minor::ZERO && price.get() <= Minor::LIMIT, "/seat_month/amount_minor", "out_of_range");
    checks.require(new.seat_month.currency == pool.currency, "/seat_month/currency", "currency_mismatch");
    let is_later = |until: NaiveDate| until > new.valid_from && rules::is_sane(until);
    checks.require(rules::is_sane(new.valid_from), "/valid_from", "out_of_range");
    checks.require(new.valid_until.is_none_or(is_later), "/valid_until", "out_of_range");
    checks.done()?;
    let row = ContractRow {
        id: new.id,
        pool_id: pool.id,
        supplier: new.supplier.trim().to_owned(),
        reference: new.reference.trim().to_owned(),
        seat_month_minor: price,
        currency: pool.currency,
        valid_from: new.valid_from,
        valid_until: new.valid_until,
        created_by: me,
        created_at: tx.now(),
    };
    store::insert_contract(tx, &row)?;
    Ok(row)
}

/// The contracts of a pool, newest first.
///
/// # Errors
/// 404 for a pool that is not of your entity.
pub fn contracts(tx: &mut Tx<'_>, pool: PoolId) -> Result<Vec<ContractRow>> {
    store::find(tx, pool)?;
    store::list_contracts(tx, pool)
}

/// Seats that an activity takes.
#[derive(Debug, Clone, Copy)]
pub struct NewSeats {
    /// Made by the sender.
    pub id: Uuid,
    /// The contract.
    pub contract: ContractId,
    /// The activity.
    pub activity: ActivityId,
    /// How many.
    pub seats: i32,
    /// The first day.
    pub from_on: NaiveDate,
    /// The first day without them.
    pub until_on: Option<NaiveDate>,
}

fn contract_of(tx: &mut Tx<'_>, pool: &Locked<PoolRow>, id: ContractId) -> Result<ContractRow> {
    store::find_contract(tx, pool.id, id)?.ok_or_else(|| Error::field("/contract_id", "invalid"))
}

/// Gives seats to an activity that is in the pool.
///
/// # Errors
/// 409 `pool_not_in`, `pool_seats_overlap`, `pool_period_booked`; 422.
pub fn set_seats(tx: &mut Tx<'_>, pool: PoolId, new: &NewSeats) -> Result<SeatRow> {
    let me = tx.person()?;
    let pool = store::lock(tx, pool)?;
    rules::may(pool.state, PoolCommand::Join)?;
    let contract = contract_of(tx, &pool, new.contract)?;
    let activity = taker(tx, &pool, new.activity)?;
    let mut checks = Checks::default();
    checks.require((1..=10_000).contains(&new.seats), "/seats", "out_of_range");
    let runs_on = |day: NaiveDate| day >= contract.valid_from && contract.valid_until.is_none_or(|until| day < until);
    checks.require(runs_on(new.from_on), "/from_on", "out_of_range");
    checks.require(new.until_on.is_none_or(|until| until > new.from_on), "/until_on", "out_of_range");
    checks.done()?;
    rules::check_free(new.from_on, store::find_booked_through(tx, pool.id)?)?;
    if store::find_membership_on(tx, pool.id, activity.id, new.from_on)?.is_none() {
        return Err(Error::conflict("pool_not_in").with("on", new.from_on));
    }
    let row = SeatRow {
        id: new.id,
        contract_id: contract.id,
        pool_id: pool.id,
        activity_id: activity.id,
        member_id: activity.member_id,
        seats: new.seats,
        from_on: new.from_on,
        until_on: new.until_on,
        created_by: me,
        created_at: tx.now(),
    };
    store::insert_seat(tx, &row)?;
    Ok(row)
}

/// Takes the seats of an activity away: the given day is the first without.
///
/// # Errors
/// 409 `pool_not_in` when it has none on the day before, `pool_period_booked`; 422.
pub fn end_seats(
    tx: &mut Tx<'_>,
    pool: PoolId,
    contract: ContractId,
    activity: ActivityId,
    until_on: NaiveDate,
) -> Result<SeatRow> {
    let pool = store::lock(tx, pool)?;
    let contract = contract_of(tx, &pool, contract)?;
    rules::check_free(until_on, store::find_booked_through(tx, pool.id)?)?;
    let before = until_on.pred_opt().unwrap_or(until_on);
    let row = store::find_seat_on(tx, contract.id, activity, before)?;
    let row = row.ok_or_else(|| Error::conflict("pool_not_in").with("on", before))?;
    store::save_seat_ended(tx, &row, until_on)
}

/// The seats of a pool, the last written down first.
///
/// # Errors
/// 404 for who is not and was not in it.
pub fn seats(tx: &mut Tx<'_>, pool: PoolId, after: Option<Uuid>, limit: i64) -> Result<Vec<SeatRow>> {
    super::require_reader(tx, pool)?;
    store::list_seats(tx, pool, after, limit)
}

/// The quantity as it is shown.
#[must_use]
pub fn shown(quantity: Decimal) -> String {
    quantity.normalize().to_string()
}
