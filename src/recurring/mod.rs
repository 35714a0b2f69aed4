//! Invoices that come again: a retainer each month, a session each fortnight.
//!
//! Owns `recurring_invoice` and `recurring_run`. Each day of a rhythm is worked once, whatever happens to the program: its
//! row in `recurring_run` commits together with the invoice, and days that were missed are worked when the program is
//! back, each as the day it was. A day on which the invoice is refused is noted with the reason, and the rhythm pauses
//! until its member looks at it: it does not run on against a client that is gone.

pub mod http;
mod rules;
mod store;

use chrono::NaiveDate;
pub use rules::{RecurringState, Unit};
pub use store::{RecurringRow, RunRow};
use uuid::Uuid;

use crate::formats::letters::Letter;
use crate::invoicing::{self, Draft, Stage};
use crate::kernel::ids::{ActivityId, ClientId, EntityId, RecurringId};
use crate::kernel::lines::DocumentLine;
use crate::kernel::money::{Currency, Money};
use crate::kernel::refusal::Checks;
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::i18n;
use crate::{access, activities, charter};

/// What a member wants to invoice again and again.
#[derive(Debug, Clone)]
pub struct NewRecurring {
    /// Made by the sender.
    pub id: RecurringId,
    /// Which activity it belongs to.
    pub activity: ActivityId,
    /// Who pays.
    pub client: ClientId,
    /// With `{period}` where the month or the day goes.
    pub title: String,
    /// Of every amount.
    pub currency: Currency,
    /// What the buyer wants to read on it.
    pub buyer_reference: Option<String>,
    /// What is sold.
    pub lines: Vec<DocumentLine>,
    /// Every so many units, 1 to 24.
    pub every: i32,
    /// Weeks or months.
    pub unit: Unit,
    /// Its first day.
    pub first_on: NaiveDate,
    /// No day after this one.
    pub last_on: Option<NaiveDate>,
    /// Whether it is handed to the office at once; else it stays a draft.
    pub hands_in: bool,
}

/// Sets an invoice up that comes again.
///
/// # Errors
/// 422 for every field that is not acceptable, also of the invoice that would come; 409 for a closed activity.
pub fn create(tx: &mut Tx<'_>, new: &NewRecurring) -> Result<RecurringRow> {
    let me = tx.person()?;
    let activity = activities::require_open(tx, new.activity)?;
    let zone = charter::entity(tx, activity.entity_id)?.zone();
    let today = tx.today(zone);
    let mut checks = Checks::default();
    checks.require((1..=24).contains(&new.every), "/every", "out_of_range");
    checks.require(new.first_on >= today, "/first_on", "out_of_range");
    checks.require(new.last_on.is_none_or(|last| last >= new.first_on), "/last_on", "out_of_range");
    checks.done()?;
    let draft = Draft {
        order: None,
        activity: new.activity,
        client: new.client,
        title: rules::title(&new.title, new.unit, new.first_on),
        currency: new.currency,
        supplied_on: new.first_on,
        buyer_reference: new.buyer_reference.clone(),
        stage: Stage::Single,
        share: None,
        purchase_order: None,
        adjustments: Vec::new(),
        lines: new.lines.clone(),
    };
    // What would be refused on its first day is refused now.
    invoicing::check(tx, me, &draft)?;
    store::insert(tx, new, (activity.entity_id, me), new.first_on)
}

/// One that comes again.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: RecurringId) -> Result<RecurringRow> {
    store::find(tx, id)
}

/// Those that come again, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<RecurringRow>> {
    store::list(tx, after, limit)
}

/// The days that have come, newest first, before a day.
///
/// # Errors
/// 404.
pub fn runs(tx: &mut Tx<'_>, id: RecurringId, before: Option<NaiveDate>, limit: i64) -> Result<Vec<RunRow>> {
    store::find(tx, id)?;
    store::list_runs(tx, id, before, limit)
}

/// Lets it rest.
///
/// # Errors
/// 409 in another state; 412 for another version.
pub fn pause(tx: &mut Tx<'_>, id: RecurringId, expected: i32) -> Result<RecurringRow> {
    let row = held(tx, id, expected, rules::Command::Pause)?;
    store::save(tx, &row, RecurringState::Paused, row.next_on, None)
}

/// Lets it go on from its next day that is not past: what it rested on is not made up for.
///
/// # Errors
/// 409 in another state or when no day is left (`recurrence_over`); 412 for another version.
pub fn resume(tx: &mut Tx<'_>, id: RecurringId, expected: i32) -> Result<RecurringRow> {
    let row = held(tx, id, expected, rules::Command::Resume)?;
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let today = tx.today(zone);
    // The day on which it was stopped is worked, and does not come again on the same day.
    let from = row.next_on.map_or(today, |next| next.max(today));
    let next = next_from(&row, from).ok_or_else(|| Error::conflict("recurrence_over"))?;
    store::save(tx, &row, RecurringState::Active, Some(next), None)
}

/// Ends it for good.
///
/// # Errors
/// 409 in another state; 412 for another version.
pub fn end(tx: &mut Tx<'_>, id: RecurringId, expected: i32) -> Result<RecurringRow> {
    let row = held(tx, id, expected, rules::Command::End)?;
    store::save(tx, &row, RecurringState::Ended, None, None)
}

fn held(tx: &mut Tx<'_>, id: RecurringId, expected: i32, command: rules::Command) -> Result<Locked<RecurringRow>> {
    let row = store::lock(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    rules::may(row.state, command)?;
    Ok(row)
}

fn next_from(row: &RecurringRow, from: NaiveDate) -> Option<NaiveDate> {
    let every = u32::try_from(row.every).ok()?;
    rules::next((row.first_on, row.last_on), (row.unit, every), from)
}

/// Those whose day has come.
///
/// # Errors
/// Fails with the database.
pub fn due(tx: &mut Tx<'_>, entity: EntityId, today: NaiveDate) -> Result<Vec<RecurringId>> {
    store::list_due(tx, entity, today)
}

/// Works the next day that has come: makes the invoice, hands it in if that was wanted, and tells the member. Answers
/// whether there was such a day.
///
/// # Errors
/// What refuses the invoice; then [`refused`] notes it.
pub fn work(tx: &mut Tx<'_>, id: RecurringId, today: NaiveDate) -> Result<bool> {
    let row = store::lock(tx, id)?;
    let Some(day) = due_day(&row, today) else { return Ok(false) };
    let draft = Draft {
        order: None,
        activity: row.activity_id,
        client: row.client_id,
        title: rules::title(&row.title, row.unit, day),
        currency: row.currency,
        supplied_on: day,
        buyer_reference: row.buyer_reference.clone(),
        stage: Stage::Single,
        share: None,
        purchase_order: None,
        adjustments: Vec::new(),
        lines: serde_json::from_value(row.lines.clone())?,
    };
    let invoice = tx.new_id();
    let made = invoicing::create_for(tx, row.member_id, invoice, &draft)?;
    if row.hands_in {
        invoicing::submit(tx, invoice, made.row.version)?;
    }
    store::insert_run(tx, &row, day, Ok(invoice))?;
    go_on(tx, &row, day, None)?;
    let total = Money { amount_minor: made.row.gross_minor, currency: made.row.currency };
    let title = draft.title;
    let letter = if row.hands_in {
        Letter::RecurringHandedIn { title, total }
    } else {
        Letter::RecurringDrafted { title, total }
    };
    tell(tx, &row, letter, &format!("recurring:{day}"))?;
    Ok(true)
}

/// Notes that the invoice of the day that has come was refused, pauses, and tells the member why.
///
/// # Errors
/// Fails with the database.
pub fn refused(tx: &mut Tx<'_>, id: RecurringId, today: NaiveDate, code: &'static str) -> Result<()> {
    let row = store::lock(tx, id)?;
    let Some(day) = due_day(&row, today) else { return Ok(()) };
    store::insert_run(tx, &row, day, Err(code))?;
    go_on(tx, &row, day, Some(code))?;
    let member = access::person(tx, row.member_id)?;
    let (name, fix) = i18n::problem(member.language, code, &serde_json::Map::new());
    let reason = format!("{name}\n{fix}");
    let title = rules::title(&row.title, row.unit, day);
    tell(tx, &row, Letter::RecurringPaused { title, reason }, &format!("recurring:{day}"))
}

fn due_day(row: &RecurringRow, today: NaiveDate) -> Option<NaiveDate> {
    row.next_on.filter(|day| row.state == RecurringState::Active && *day <= today)
}

/// Turns to the day after `day`; ends when there is none, pauses when something stopped it.
fn go_on(tx: &mut Tx<'_>, row: &Locked<RecurringRow>, day: NaiveDate, stopped_by: Option<&'static str>) -> Result<()> {
    let next = day.succ_opt().and_then(|from| next_from(row, from));
    let state = match (next, stopped_by) {
        (None, _) => RecurringState::Ended,
        (Some(_), Some(_)) => RecurringState::Paused,
        (Some(_), None) => RecurringState::Active,
    };
    if let Some(code) = stopped_by {
        tx.reason(code)?;
    }
    store::save(tx, row, state, next, stopped_by)?;
    Ok(())
}

fn tell(tx: &mut Tx<'_>, row: &RecurringRow, letter: Letter, key: &str) -> Result<()> {
    let member = access::person(tx, row.member_id)?;
    let owner = Some(member.id);
    let mail = QueuedLetter { to: member.email, language: member.language, letter, subject: row.id.0, owner };
    outbox::queue_letter(tx, mail, key)
}
