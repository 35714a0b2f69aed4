//! Work that follows a commit: queued in the transaction that wants it, done after it, retried until it is done.
//!
//! Owns `outbox` and `email_message`. A job is claimed in one transaction, done with none open, and confirmed in
//! another; a worker that dies in between loses its lease and the job is done again, so every effect has a stable
//! key. This room knows the names of jobs; who does them is decided in `worker`.

pub mod http;
mod rules;
mod store;

use serde::{Deserialize, Serialize};
pub use store::{Claimed, EmailMessage};
use uuid::Uuid;

use crate::formats::letters::Letter;
use crate::kernel::ids::{
    BankDetailChangeId, CollectionActionId, DeliveryId, InternalInvoiceId, InvoiceId, JobId, OrderId, PayoutId,
    PersonId, ReminderId,
};
use crate::kernel::language::Language;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// What is to be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Send a mail.
    Letter(Box<QueuedLetter>),
    /// Make the PDF of an order that was sent, keep it, mail it to the client.
    SendOrder {
        /// The order.
        order: OrderId,
        /// Which version of it.
        version: i32,
        /// The mail that carries it.
        letter: Box<QueuedLetter>,
    },
    /// Make the PDF of a reminder, keep it, mail it to the client.
    SendReminder {
        /// The reminder.
        reminder: ReminderId,
    },
    /// Make the PDF of a formal demand, keep it, mail it to the client.
    SendFormalDemand {
        /// The step that it is.
        action: CollectionActionId,
    },
    /// Make the PDF of an issued invoice, keep it, mail it to the client, tell the member.
    SendInvoice {
        /// The invoice.
        invoice: InvoiceId,
    },
    /// Make the PDF of a credit note, keep it, mail it to the client, tell the member.
    SendCreditNote {
        /// The credit note.
        credit_note: InvoiceId,
    },
    /// Make the payslip of a payout, keep it, mail it to the member.
    SendPayslip {
        /// The payout.
        payout: PayoutId,
    },
    /// Make the PDF of an invoice between members, and keep it.
    DrawInternalInvoice {
        /// The invoice.
        invoice: InternalInvoiceId,
    },
    /// Ask the bank in whose name a new account of a member is.
    CheckPayeeName {
        /// The change by which it comes.
        change: BankDetailChangeId,
    },
    /// Hand a document to the access point.
    Deliver {
        /// The delivery.
        delivery: DeliveryId,
    },
    /// Carry out work that takes longer than a request.
    Run {
        /// The job.
        id: JobId,
    },
}

/// The topic of long work.
const RUN: &str = "run";
/// The topic of what another company's program has to answer.
const DELIVER: &str = "deliver";
/// The topic of what a bank has to answer about a name.
const CHECK_NAME: &str = "check_payee_name";

/// Which work a thread of a worker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Mails and what else is done in moments.
    Quick,
    /// What waits for another company's program, which may be slow.
    Outward,
    /// Work that takes longer than a request, which nothing else may wait for.
    Long,
}

/// A mail to be sent. Links are signed when it is written, so that no working link lies in the database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueuedLetter {
    /// The address.
    pub to: String,
    /// The language of the reader.
    pub language: Language,
    /// What it says.
    pub letter: Letter,
    /// What it is about.
    pub subject: Uuid,
    /// The member who may see that it was sent.
    pub owner: Option<PersonId>,
}

/// Queues a job in the transaction that wants it. The same key is queued once.
///
/// # Errors
/// Fails with the database.
pub fn queue(tx: &mut Tx<'_>, job: &Job, subject: Uuid, key: &str) -> Result<()> {
    queue_all(tx, &[Queued { job: job.clone(), subject, key: key.to_owned() }])
}

/// A job with what it is about and its key.
#[derive(Debug, Clone)]
pub struct Queued {
    /// What is to be done.
    pub job: Job,
    /// What it is about.
    pub subject: Uuid,
    /// Queued once.
    pub key: String,
}

impl Queued {
    /// A mail. `occasion` tells two mails of one kind about one subject apart.
    #[must_use]
    pub fn letter(letter: QueuedLetter, occasion: &str) -> Self {
        let subject = letter.subject;
        let key = format!("letter:{}:{subject}:{occasion}", letter.letter.name());
        Self { job: Job::Letter(Box::new(letter)), subject, key }
    }

    fn topic(&self) -> &'static str {
        match self.job {
            Job::Letter(_) => "letter",
            Job::SendOrder { .. } => "send_order",
            Job::SendReminder { .. } => "send_reminder",
            Job::SendFormalDemand { .. } => "send_formal_demand",
            Job::SendInvoice { .. } => "send_invoice",
            Job::SendCreditNote { .. } => "send_credit_note",
            Job::SendPayslip { .. } => "send_payslip",
            Job::DrawInternalInvoice { .. } => "draw_internal_invoice",
            Job::CheckPayeeName { .. } => CHECK_NAME,
            Job::Deliver { .. } => DELIVER,
            Job::Run { .. } => RUN,
        }
    }
}

/// Queues many jobs, in this order, as [`queue`].
///
/// # Errors
/// Fails with the database.
pub fn queue_all(tx: &mut Tx<'_>, jobs: &[Queued]) -> Result<()> {
    store::insert_all(tx, jobs)?;
    tx.wake_worker();
    Ok(())
}

/// Queues a mail. `occasion` tells two mails of one kind about one subject apart.
///
/// # Errors
/// Fails with the database.
pub fn queue_letter(tx: &mut Tx<'_>, letter: QueuedLetter, occasion: &str) -> Result<()> {
    queue_all(tx, &[Queued::letter(letter, occasion)])
}

/// Takes the next job of a lane that is due, for a limited time.
///
/// # Errors
/// Fails with the database.
pub fn claim(tx: &mut Tx<'_>, worker: &str, lane: Lane) -> Result<Option<Claimed>> {
    let apart: Vec<&str> = match lane {
        Lane::Quick => vec![DELIVER, CHECK_NAME, RUN],
        Lane::Outward => vec![DELIVER, CHECK_NAME],
        Lane::Long => vec![RUN],
    };
    store::claim(tx, worker, &apart, lane != Lane::Quick)
}

/// Keeps a claimed job for another while. Answers whether it is still this worker's.
///
/// # Errors
/// Fails with the database.
pub fn prolong(tx: &mut Tx<'_>, id: i64, worker: &str) -> Result<bool> {
    store::prolong(tx, id, worker)
}

/// Gives a claimed job back as it was, to be taken up by the next worker: nothing went wrong.
///
/// # Errors
/// Fails with the database.
pub fn give_back(tx: &mut Tx<'_>, id: i64, worker: &str) -> Result<()> {
    store::give_back(tx, id, worker)
}

/// Marks a claimed job as done.
///
/// # Errors
/// Fails with the database.
pub fn confirm(tx: &mut Tx<'_>, id: i64) -> Result<()> {
    store::confirm(tx, id)
}

/// Puts a claimed job back, for later; after too many tries it waits for a person.
///
/// # Errors
/// Fails with the database.
pub fn postpone(tx: &mut Tx<'_>, job: &Claimed, error: &str) -> Result<()> {
    let next = rules::next_try(job.attempts);
    store::postpone(tx, job.id, next, error)
}

/// How many jobs wait, those that wait for a person included.
///
/// # Errors
/// Fails with the database.
pub fn backlog(tx: &mut Tx<'_>) -> Result<i64> {
    store::count(tx)
}

/// Notes that a mail is about to be sent. Answers its stable Message-ID, or `None` when it has been sent before.
///
/// # Errors
/// Fails with the database.
pub fn begin_email(
    tx: &mut Tx<'_>,
    key: &str,
    letter: &QueuedLetter,
    subject_line: &str,
    domain: &str,
) -> Result<Option<String>> {
    let message_id = rules::message_id(key, domain);
    let state = store::upsert_email(tx, key, &message_id, letter, subject_line)?;
    Ok((state != "sent" && state != "refused").then_some(message_id))
}

/// Notes how sending a mail ended.
///
/// # Errors
/// Fails with the database.
pub fn end_email(tx: &mut Tx<'_>, key: &str, outcome: Delivery<'_>) -> Result<()> {
    store::end_email(tx, key, outcome)
}

/// How sending a mail ended.
#[derive(Debug, Clone, Copy)]
pub enum Delivery<'a> {
    /// The next server took it.
    Sent,
    /// The address was refused for good: a person must look.
    Refused(&'a str),
    /// It did not work this time.
    Failed(&'a str),
}

impl Delivery<'_> {
    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }
}

/// The mails about something, oldest first.
///
/// # Errors
/// Fails with the database.
pub fn emails_about(tx: &mut Tx<'_>, subject: Uuid) -> Result<Vec<EmailMessage>> {
    store::list_emails_about(tx, subject)
}

/// Mails in a state, newest first, older than `after`.
///
/// # Errors
/// Fails with the database.
pub fn emails(tx: &mut Tx<'_>, state: Option<&str>, after: Option<Uuid>, limit: i64) -> Result<Vec<EmailMessage>> {
    store::list_emails(tx, state, after, limit)
}

/// Tries a mail again that was refused or keeps failing.
///
/// # Errors
/// 409 when it was sent; 404 when it is not there.
pub fn retry_email(tx: &mut Tx<'_>, id: Uuid) -> Result<EmailMessage> {
    let email = store::requeue_email(tx, id)?;
    tx.wake_worker();
    Ok(email)
}

/// The newest day for which scheduled work of an entity was finished.
///
/// # Errors
/// Fails with the database.
pub fn last_run(tx: &mut Tx<'_>, job: &str, entity: crate::kernel::ids::EntityId) -> Result<Option<chrono::NaiveDate>> {
    store::last_run(tx, job, entity)
}

/// Notes that the scheduled work of a day is finished.
///
/// # Errors
/// Fails with the database.
pub fn finish_run(
    tx: &mut Tx<'_>,
    job: &str,
    entity: crate::kernel::ids::EntityId,
    day: chrono::NaiveDate,
    done: usize,
) -> Result<()> {
    store::insert_run(tx, job, entity, day, done)
}
