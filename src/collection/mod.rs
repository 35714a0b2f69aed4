//! Late clients: reminders, the member's word, the formal demand, the agency, and what becomes of the claim.
//!
//! Owns `late_interest_rate`, `collection_law`, `collection_track` with their parts, `collection_action`, `_pause`,
//! `_question`, `_answer`, `_posting`, `_contact`, `provision_matrix`, `_bucket`, `_run`, `vat_refund_rule`,
//! `vat_dossier` and `payer_record`. What an entity does about late invoices is decided by its tracks: dated rows,
//! and nothing happens without one. Each step of an invoice is taken once, in the transaction that locks the invoice,
//! on its logical date or, after a pause or downtime, on the first day after it; never two on one day.
//!
//! Interest, compensation and reminder costs are claimed and never booked: they are no income before they are paid, and
//! carry no VAT. What a client pays beyond the invoice waits in suspense like any other money.

pub mod bad_debt;
mod cases;
pub mod handover;
pub mod http;
pub mod jobs;
pub mod laws;
pub mod payers;
pub mod provision;
mod rules;
mod store;
pub mod waiting;

pub use cases::{Case, Next, case};
use chrono::{Days, NaiveDate};
pub use rules::{AnswerKind, Claim, ContactKind, InterestStart, Law, PauseKind, Step, StepKind, TrackKind};
use serde_json::json;
pub use store::{ActionRow, AnswerRow, ContactRow, Filter, PauseRow, PostingRow, QuestionRow};
use uuid::Uuid;

use crate::archive::{self, ArchivedFile, Kind};
use crate::formats::letters::Letter;
use crate::kernel::ids::{
    CollectionActionId, CollectionPauseId, CollectionQuestionId, ContactId, EntityId, InvoiceId, PersonId, PostingId,
    ReminderId,
};
use crate::kernel::money::{Minor, Money};
use crate::kernel::refusal::Checks;
use crate::kernel::roles::Role;
use crate::outbox::{self, Job, QueuedLetter};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::reminders::Notice;
use crate::{access, charter, clients, invoicing, reminders};

/// A promise to pay, or a hold.
#[derive(Debug, Clone)]
pub struct NewPause {
    /// Made by the sender.
    pub id: CollectionPauseId,
    /// About this invoice.
    pub invoice: InvoiceId,
    /// Which of the two.
    pub kind: PauseKind,
    /// Who said what, or why nothing is to be sent.
    pub reason: String,
    /// Of a hold: its last day; until somebody ends it when absent.
    pub until: Option<NaiveDate>,
    /// Of a promise: what is paid by when.
    pub parts: Vec<(NaiveDate, Minor)>,
}

/// A contact with a client.
#[derive(Debug, Clone)]
pub struct NewContact {
    /// Made by the sender.
    pub id: ContactId,
    /// About this invoice.
    pub invoice: InvoiceId,
    /// How.
    pub kind: ContactKind,
    /// When.
    pub on: NaiveDate,
    /// What was said.
    pub note: String,
}

/// The registered letter of a formal demand.
#[derive(Debug, Clone)]
pub struct NewPosting {
    /// Made by the sender.
    pub id: PostingId,
    /// Of this step.
    pub action: CollectionActionId,
    /// Who carried it.
    pub carrier: String,
    /// Under which number.
    pub tracking_number: String,
    /// When it was posted.
    pub posted_on: NaiveDate,
}

/// The late invoices of an entity that [`work`] is to look at on a day.
///
/// # Errors
/// Fails with the database.
pub fn due(tx: &mut Tx<'_>, entity: EntityId, today: NaiveDate) -> Result<Vec<InvoiceId>> {
    store::list_late_invoices(tx, entity, today)
}

/// Takes the next step about an invoice if its day has come: a reminder, the question to the member, the formal demand.
/// Handing over to an agency is for a person. Answers whether something was done; safe to repeat.
///
/// # Errors
/// 404 for an invoice that is not issued; 409 `late_rate_missing`, `collection_law_missing`.
pub fn work(tx: &mut Tx<'_>, id: InvoiceId, today: NaiveDate) -> Result<bool> {
    invoicing::open_invoice(tx, id)?;
    let case = case(tx, id)?;
    if case.open() <= Minor::ZERO || case.is_disputed {
        return Ok(false);
    }
    if let Some((pause, parts)) = &case.pause {
        let is_broken = rules::is_broken((pause.open_minor, case.open()), parts, today)?;
        if !is_broken && pause.until_on.is_none_or(|until| until >= today) {
            return Ok(false);
        }
        let held = store::lock_pause(tx, pause.id)?;
        store::end_pause(
            tx,
            &held,
            today,
            None,
            if is_broken { "the promise was not kept" } else { "its last day has passed" },
        )?;
    }
    let Some(next) = case.next else { return Ok(false) };
    match next.step.kind {
        StepKind::Reminder if today >= next.on => remind(tx, &case, next, today),
        StepKind::FormalDemand => demand_or_ask(tx, &case, next, today),
        // A reminder that is not due; an agency is for a person.
        StepKind::Reminder | StepKind::Agency => Ok(false),
    }
}

fn remind(tx: &mut Tx<'_>, case: &Case, next: Next, today: NaiveDate) -> Result<bool> {
    let (cost, postage) = rules::costs_allowed(case.kind, case.law.as_ref(), case.actions.is_empty(), &next.step);
    let costs = Minor::sum([case.costs(), cost, postage])?;
    let grace = match (&case.law, case.actions.is_empty()) {
        (Some(law), true) => {
            let holidays = charter::holidays(tx, &case.country, today)?;
            rules::grace_until(today, next.step.is_posted, law, &holidays)
        }
        _ => None,
    };
    let (rate, compensation) = match grace {
        Some(until) => cases::announced(tx, case, until)?,
        None => (None, None),
    };
    let notice = Notice { costs, pay_by: grace, rate, compensation };
    let reminder: ReminderId = tx.new_id();
    match reminders::remind_by_program(tx, reminder, case.invoice_id(), &notice) {
        // Somebody reminded by hand today: tomorrow is early enough.
        Err(error) if error.code == "reminder_once_a_day" => return Ok(false),
        sent => sent?,
    };
    let claim =
        Claim { open: case.open(), segments: Vec::new(), interest: Minor::ZERO, compensation: Minor::ZERO, costs };
    let done = Done { today, reminder: Some(reminder), grace, pay_by: None, by: None };
    let id = tx.new_id();
    take(tx, id, case, next, &claim, done)?;
    Ok(true)
}

fn demand_or_ask(tx: &mut Tx<'_>, case: &Case, next: Next, today: NaiveDate) -> Result<bool> {
    let Some(track) = &case.track else { return Ok(false) };
    let Some(question) = &case.question else {
        let ask_on = next.on.checked_sub_days(days(track.0.question_days)).unwrap_or(next.on);
        return if today >= ask_on { ask(tx, case, today).map(|()| true) } else { Ok(false) };
    };
    let go_on = question.1.as_ref().map_or(question.0.silent_on, |answer| answer.go_on);
    let next = Next { on: next.on.max(go_on), ..next };
    if today < next.on {
        return Ok(false);
    }
    let claim = cases::claim(tx, case, today)?;
    cases::must_be_published(case, &claim)?;
    let pay_by = today.checked_add_days(Days::new(u64::from(next.step.pay_days.unwrap_or_default())));
    let done = Done { today, reminder: None, grace: None, pay_by, by: None };
    let id = tx.new_id();
    let row = take(tx, id, case, next, &claim, done)?;
    outbox::queue(tx, &Job::SendFormalDemand { action: row.id }, row.id.0, &format!("send_formal_demand:{}", row.id))?;
    Ok(true)
}

fn days(days: i32) -> Days {
    Days::new(u64::try_from(days).unwrap_or_default())
}

/// Asks the member whether a formal demand may go to their client.
fn ask(tx: &mut Tx<'_>, case: &Case, today: NaiveDate) -> Result<()> {
    let Some((track, _)) = &case.track else { return Ok(()) };
    let row = &case.invoice.row;
    let after = |more| today.checked_add_days(days(more)).ok_or_else(|| Error::value("date_out_of_range"));
    let at = (today, after(track.question_days)?, after(track.wait_max_days.max(track.question_days))?);
    let question = store::insert_question(tx, (row.entity_id, row.id, row.member_id), at)?;
    let member = access::person(tx, row.member_id)?;
    let letter = Letter::CollectionQuestion {
        number: row.number.clone().unwrap_or_default(),
        client: case.client.name.clone(),
        open: Money { amount_minor: case.open(), currency: row.currency },
        silent_on: question.silent_on,
    };
    let mail =
        QueuedLetter { to: member.email, language: member.language, letter, subject: row.id.0, owner: Some(member.id) };
    outbox::queue_letter(tx, mail, &question.id.to_string())
}

/// How a step was taken.
struct Done {
    today: NaiveDate,
    reminder: Option<ReminderId>,
    grace: Option<NaiveDate>,
    pay_by: Option<NaiveDate>,
    by: Option<PersonId>,
}

/// Keeps a step, and notes it in the diary.
fn take(
    tx: &mut Tx<'_>,
    id: CollectionActionId,
    case: &Case,
    next: Next,
    claim: &Claim,
    done: Done,
) -> Result<ActionRow> {
    let track = case.track.as_ref().ok_or_else(|| Error::internal("a step has a track"))?;
    let row = &case.invoice.row;
    let new = store::NewAction {
        id,
        entity_id: row.entity_id,
        invoice_id: row.id,
        member_id: row.member_id,
        client_id: row.client_id,
        track_id: track.0.id,
        step_n: next.n,
        kind: next.step.kind,
        logical_on: next.on,
        done_on: done.today,
        due_on: case.due_on,
        pay_by: done.pay_by,
        grace_until: done.grace,
        currency: row.currency,
        open_minor: claim.open,
        interest_minor: claim.interest,
        compensation_minor: claim.compensation,
        costs_minor: claim.costs,
        total_minor: claim.total()?,
        computation: json!({"country": case.country, "track": case.kind, "segments": claim.segments}),
        reminder_id: done.reminder,
        decided_by: done.by,
    };
    let action = store::insert_action(tx, &new)?;
    let kind = match next.step.kind {
        StepKind::Reminder => ContactKind::Mail,
        StepKind::FormalDemand => ContactKind::Letter,
        StepKind::Agency => ContactKind::Agency,
    };
    let note = format!("{} {}", next.step.kind, next.n);
    let contact = NewContact { id: tx.new_id(), invoice: row.id, kind, on: done.today, note };
    store::insert_contact(tx, &contact, (row.entity_id, row.client_id, row.member_id), Some(action.id), done.by)?;
    Ok(action)
}

/// What may be claimed of a case today.
///
/// # Errors
/// 409 `collection_law_missing`, `late_rate_missing`.
pub fn claim_today(tx: &mut Tx<'_>, case: &Case) -> Result<Claim> {
    cases::claim(tx, case, case.today)
}

/// A step that was taken.
///
/// # Errors
/// 404.
pub fn action(tx: &mut Tx<'_>, id: CollectionActionId) -> Result<(ActionRow, Option<PostingRow>)> {
    let row = store::find_action(tx, id)?;
    let posting = store::posting_of(tx, id)?;
    Ok((row, posting))
}

/// Steps, newest first.
///
/// # Errors
/// Fails with the database.
pub fn actions(tx: &mut Tx<'_>, filter: &Filter, after: Option<Uuid>, limit: i64) -> Result<Vec<ActionRow>> {
    store::list_actions(tx, filter, after, limit)
}

/// The letter of a reminder or of a formal demand, byte for byte: also the one to print and post.
///
/// # Errors
/// 404, also until it is made.
pub fn letter(tx: &mut Tx<'_>, id: CollectionActionId) -> Result<ArchivedFile> {
    let row = store::find_action(tx, id)?;
    if row.kind == StepKind::Agency {
        return Err(Error::state_conflict(row.kind, "download"));
    }
    let kept = match row.reminder_id {
        Some(reminder) => archive::find_of(tx, reminder.0, Kind::PaymentReminder)?,
        None => archive::find_of(tx, row.id.0, Kind::FormalDemand)?,
    };
    kept.ok_or_else(Error::not_found)
}

/// Notes by which registered letter a formal demand went.
///
/// # Errors
/// 404; 409 `state_conflict` when it is no letter or was posted before; 422 for what is not acceptable.
pub fn record_posting(tx: &mut Tx<'_>, new: &NewPosting) -> Result<PostingRow> {
    let row = store::find_action(tx, new.action)?;
    let today = today(tx, row.entity_id)?;
    let mut checks = Checks::default();
    checks.text(&new.carrier, "/carrier", 1, 100);
    checks.text(&new.tracking_number, "/tracking_number", 1, 60);
    checks.require((row.done_on..=today).contains(&new.posted_on), "/posted_on", "out_of_range");
    checks.done()?;
    if row.kind == StepKind::Agency {
        return Err(Error::state_conflict(row.kind, "record_posting"));
    }
    let by = tx.person()?;
    store::insert_posting(tx, new, by)
}

fn today(tx: &mut Tx<'_>, entity: EntityId) -> Result<NaiveDate> {
    let zone = charter::entity(tx, entity)?.zone();
    Ok(tx.today(zone))
}

/// Notes a promise to pay, or holds everything back for a reason. Nothing is sent until it ends; a promise that is not
/// kept ends by itself.
///
/// # Errors
/// 404; 409 `reminder_nothing_open`, `collection_paused`, `collection_pauses_used` for a member who opened three about it;
/// 422 for what is not acceptable, and for more time than a member has.
pub fn pause(tx: &mut Tx<'_>, new: &NewPause) -> Result<(PauseRow, Vec<(NaiveDate, Minor)>)> {
    let invoice = invoicing::find(tx, new.invoice)?;
    let open = invoicing::open_invoice(tx, new.invoice)?;
    if open.open_minor <= Minor::ZERO {
        return Err(Error::conflict("reminder_nothing_open"));
    }
    let today = today(tx, open.entity_id)?;
    let mut checks = Checks::default();
    checks.text(&new.reason, "/reason", 1, 2000);
    match new.kind {
        PauseKind::Promise => {
            checks.require(new.until.is_none(), "/until_on", "not_allowed");
            rules::check_promise(&new.parts, open.open_minor, today, &mut checks);
        }
        PauseKind::Hold => {
            checks.require(new.parts.is_empty(), "/parts", "not_allowed");
            checks.require(new.until.is_none_or(|until| until >= today), "/until_on", "out_of_range");
        }
    }
    let opened_by = tx.person()?;
    let by_member = opened_by == invoice.row.member_id;
    if by_member {
        rules::check_member_pause(new.kind, new.until, &new.parts, today, &mut checks);
    }
    checks.done()?;
    if by_member && store::count_member_pauses(tx, new.invoice)? >= rules::MEMBER_PAUSES_MAX {
        return Err(Error::conflict("collection_pauses_used").with("max", rules::MEMBER_PAUSES_MAX));
    }
    if let Some(before) = store::open_pause(tx, new.invoice)? {
        if before.until_on.is_none_or(|until| until >= today) {
            return Err(Error::conflict("collection_paused"));
        }
        let held = store::lock_pause(tx, before.id)?;
        store::end_pause(tx, &held, today, None, "its last day has passed")?;
    }
    let row = store::NewPauseRow {
        id: new.id,
        entity_id: open.entity_id,
        invoice_id: open.id,
        member_id: invoice.row.member_id,
        kind: new.kind,
        reason: new.reason.trim().to_owned(),
        started_on: today,
        until_on: new.until.or(new.parts.last().map(|(on, _)| *on)),
        open_minor: open.open_minor,
        opened_by,
    };
    Ok((store::insert_pause(tx, &row, &new.parts)?, new.parts.clone()))
}

/// A promise or a hold, with what was promised.
///
/// # Errors
/// 404.
pub fn find_pause(tx: &mut Tx<'_>, id: CollectionPauseId) -> Result<(PauseRow, Vec<(NaiveDate, Minor)>)> {
    let row = store::find_pause(tx, id)?;
    Ok((row, store::parts_of(tx, id)?))
}

/// Ends a promise or a hold: the next step is taken when its day has come.
///
/// # Errors
/// 404; 403 for a member about what the office opened; 409 when it has ended; 412 for another version; 422.
pub fn end_pause(
    tx: &mut Tx<'_>,
    id: CollectionPauseId,
    expected: i32,
    reason: &str,
) -> Result<(PauseRow, Vec<(NaiveDate, Minor)>)> {
    let row = store::lock_pause(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    let by = tx.person()?;
    if by != row.opened_by && !tx.has_role(Role::Reviewer) {
        return Err(Error::forbidden("role_forbidden"));
    }
    if row.ended_on.is_some() {
        return Err(Error::state_conflict("ended", "end"));
    }
    let today = today(tx, row.entity_id)?;
    let row = store::end_pause(tx, &row, today, Some(by), reason.trim())?;
    Ok((row, store::parts_of(tx, id)?))
}

/// Promises and holds, newest first.
///
/// # Errors
/// Fails with the database.
pub fn pauses(tx: &mut Tx<'_>, filter: &Filter, after: Option<Uuid>, limit: i64) -> Result<Vec<PauseRow>> {
    store::list_pauses(tx, filter, after, limit)
}

/// A question with its last answer.
///
/// # Errors
/// 404.
pub fn question(tx: &mut Tx<'_>, id: CollectionQuestionId) -> Result<(QuestionRow, Option<AnswerRow>)> {
    let row = store::find_question(tx, id)?;
    let answer = store::last_answer(tx, id)?;
    Ok((row, answer))
}

/// Questions with their last answers, newest first.
///
/// # Errors
/// Fails with the database.
pub fn questions(
    tx: &mut Tx<'_>,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(QuestionRow, Option<AnswerRow>)>> {
    let rows = store::list_questions(tx, filter, after, limit)?;
    rows.into_iter().map(|row| Ok((row.clone(), store::last_answer(tx, row.id)?))).collect()
}

/// Answers whether the formal demand may go. The last answer before it goes counts.
///
/// # Errors
/// 404; 409 `state_conflict` when it has gone; 422 for a day to wait for that is not acceptable.
pub fn answer(
    tx: &mut Tx<'_>,
    id: CollectionQuestionId,
    answer: AnswerKind,
    wait_until: Option<NaiveDate>,
    note: Option<&str>,
) -> Result<(QuestionRow, Option<AnswerRow>)> {
    let row = store::find_question(tx, id)?;
    invoicing::open_invoice(tx, row.invoice_id)?;
    if store::actions_of(tx, row.invoice_id)?.iter().any(|done| done.kind == StepKind::FormalDemand) {
        return Err(Error::state_conflict("sent", "answer"));
    }
    let mut checks = Checks::default();
    checks.text(note.unwrap_or("-"), "/note", 1, 2000);
    checks.done()?;
    let today = today(tx, row.entity_id)?;
    let asked_for = row.silent_on.signed_duration_since(row.asked_on).num_days();
    let at = (today, u32::try_from(asked_for).unwrap_or(1), row.wait_until_max);
    let go_on = rules::go_on(answer, wait_until, at)?;
    let by = tx.person()?;
    let kept = store::insert_answer(tx, id, (answer, go_on, today), note, by)?;
    Ok((row, Some(kept)))
}

/// Notes a contact with the client of an invoice, for ever.
///
/// # Errors
/// 404; 422 for what is not acceptable.
pub fn add_contact(tx: &mut Tx<'_>, new: &NewContact) -> Result<ContactRow> {
    let row = invoicing::find(tx, new.invoice)?.row;
    if row.due_on.is_none() {
        return Err(Error::not_found());
    }
    let today = today(tx, row.entity_id)?;
    let mut checks = Checks::default();
    checks.text(&new.note, "/note", 1, 4000);
    let first = row.issued_on.unwrap_or(today);
    checks.require((first..=today).contains(&new.on), "/contacted_on", "out_of_range");
    checks.done()?;
    clients::client(tx, row.client_id)?;
    let by = tx.person()?;
    store::insert_contact(tx, new, (row.entity_id, row.client_id, row.member_id), None, Some(by))
}

/// The diary, newest first.
///
/// # Errors
/// Fails with the database.
pub fn contacts(tx: &mut Tx<'_>, filter: &Filter, after: Option<Uuid>, limit: i64) -> Result<Vec<ContactRow>> {
    store::list_contacts(tx, filter, after, limit)
}
