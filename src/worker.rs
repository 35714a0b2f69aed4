//! Who does what was queued, and what happens every day without anybody asking.
//!
//! A job is claimed in one transaction, done with none open, and confirmed in another. If the process dies in
//! between, another try follows when the lease ends; a mail then carries the same Message-ID, an invoice the same
//! bytes. Work that takes longer than a request has a thread of its own, so that no mail waits for it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{Datelike, Days, Months, NaiveDate};
use tokio::sync::watch;

use crate::access;
use crate::accounting;
use crate::bank_details::{self, NobodyToAsk, PayeeNames};
use crate::charter;
use crate::collection;
use crate::delivery::{self, AccessPoint};
use crate::formats::letters::{self, Letterhead};
use crate::guarantee;
use crate::internal_invoices;
use crate::invoicing;
use crate::jobs::{self, Attempt, Ended, JobKind};
use crate::kernel::ids::{ActivityId, EntityId, InvoiceId};
use crate::levies;
use crate::orders;
use crate::outbox::{self, Claimed, Delivery, Job, Lane, QueuedLetter};
use crate::payout_plans;
use crate::payouts;
use crate::payroll;
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::mail::{Envelope, MailError, Mailer};
use crate::platform::telemetry;
use crate::proposals;
use crate::recurring;
use crate::reminders;
use crate::shares;
use crate::solvency;

/// How long to sleep when nothing is due and nobody wakes us.
const IDLE: Duration = Duration::from_secs(1);
/// How often the work of today is looked at again: an invoice that is issued today may be due today.
const CALENDAR: Duration = Duration::from_mins(10);
/// The promised day of the guarantee.
const ADVANCE_JOB: &str = "guarantee_advance";
/// The steps about late invoices.
const COLLECTION_JOB: &str = "collection";
/// What is said of open invoices.
const FORECAST_JOB: &str = "forecasts";
/// How enterprises paid, at the end of a month.
const PAYERS_JOB: &str = "payer_records";

/// Does the work of the outbox and of the calendar.
#[derive(Clone)]
pub struct Worker {
    db: Db,
    keys: Arc<Keys>,
    mailer: Arc<Mailer>,
    access_point: Arc<dyn AccessPoint>,
    payee_names: Arc<dyn PayeeNames>,
    public_url: String,
    mail_domain: String,
    name: String,
}

/// Whether there may be more to do at once. What went wrong is told; the next look tries it again.
fn goes_on(worked: std::result::Result<Result<bool>, tokio::task::JoinError>) -> bool {
    match worked {
        Ok(Ok(did_something)) => return did_something,
        Ok(Err(error)) => {
            tracing::error!(error = %error, source = ?std::error::Error::source(&error), "work failed");
        }
        Err(panic) => tracing::error!(error = %panic, "a job panicked"),
    }
    false
}

impl Worker {
    /// A worker that sends through `mailer` and `access_point`, and signs links below `public_url`. `from` is the
    /// sender's address.
    #[must_use]
    pub fn new(
        db: Db,
        keys: Arc<Keys>,
        mailer: Mailer,
        access_point: Arc<dyn AccessPoint>,
        public_url: String,
        from: &str,
    ) -> Self {
        let domain = from.rsplit_once('@').map_or("umbel.invalid", |(_, domain)| domain.trim_end_matches('>'));
        let name = format!("worker-{}", db.clock().new_id());
        Self {
            keys,
            mailer: Arc::new(mailer),
            access_point,
            payee_names: Arc::new(NobodyToAsk),
            public_url,
            mail_domain: domain.to_owned(),
            name,
            db,
        }
    }

    /// The same worker, with somebody to ask in whose name an account is.
    #[must_use]
    pub fn asking(self, payee_names: Arc<dyn PayeeNames>) -> Self {
        Self { payee_names, ..self }
    }

    /// Works until told to stop; finishes what is done in moments, and leaves long work where the next worker goes on.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        tokio::join!(
            self.clone().run_long_work(stop.clone()),
            self.clone().run_outward_work(stop.clone()),
            self.run_quick_work(stop)
        );
    }

    /// Hands documents over and asks what became of them: no mail waits for a slow access point.
    async fn run_outward_work(self, mut stop: watch::Receiver<bool>) {
        let mut asked = None::<tokio::time::Instant>;
        while !*stop.borrow() {
            let worker = self.clone();
            let now = tokio::time::Instant::now();
            let is_asking_due = asked.is_none_or(|asked| now.duration_since(asked) >= CALENDAR);
            let worked = tokio::task::spawn_blocking(move || {
                if is_asking_due {
                    delivery::jobs::collect_answers(&worker.db, worker.access_point.as_ref())?;
                }
                worker.run_one_outward()
            })
            .await;
            if is_asking_due {
                asked = Some(now);
            }
            if goes_on(worked) {
                continue;
            }
            tokio::select! {
                () = self.db.woken_for_outward_work() => {}
                () = tokio::time::sleep(IDLE) => {}
                _ = stop.changed() => {}
            }
        }
    }

    async fn run_long_work(self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let (worker, stopping) = (self.clone(), stop.clone());
            let worked = tokio::task::spawn_blocking(move || worker.run_one_long(&|| *stopping.borrow())).await;
            if goes_on(worked) {
                continue;
            }
            tokio::select! {
                () = self.db.woken_for_long_work() => {}
                () = tokio::time::sleep(IDLE) => {}
                _ = stop.changed() => {}
            }
        }
    }

    async fn run_quick_work(self, mut stop: watch::Receiver<bool>) {
        let (mut last_day, mut calendar_ran) = (None, None::<tokio::time::Instant>);
        while !*stop.borrow() {
            let worker = self.clone();
            let today = self.db.clock().now().date_naive();
            let is_new_day = last_day != Some(today);
            let now = tokio::time::Instant::now();
            let is_calendar_due = calendar_ran.is_none_or(|ran| now.duration_since(ran) >= CALENDAR);
            let worked = tokio::task::spawn_blocking(move || {
                // Mails leave even when the work of the day fails: that is tried again at the next look.
                if is_calendar_due && let Err(error) = worker.run_calendar() {
                    tracing::error!(error = %error, source = ?std::error::Error::source(&error), "the work of the day failed");
                }
                if is_new_day {
                    worker.watch_books();
                }
                let did_something = worker.run_one()?;
                if !did_something {
                    let waiting = worker.db.write_blocking(&Actor::System, outbox::backlog)?;
                    metrics::gauge!(telemetry::JOBS_WAITING).set(f64::from(u32::try_from(waiting).unwrap_or(u32::MAX)));
                }
                Ok::<bool, Error>(did_something)
            })
            .await;
            last_day = Some(today);
            if is_calendar_due {
                calendar_ran = Some(now);
            }
            if goes_on(worked) {
                continue;
            }
            tokio::select! {
                () = self.db.woken() => {}
                () = tokio::time::sleep(IDLE) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Does everything that is due, and answers how many jobs that were. For tests and demonstrations.
    ///
    /// # Errors
    /// Fails with the database; a job that fails is put back and is no error here.
    pub fn run_until_idle(&self) -> Result<usize> {
        self.run_calendar()?;
        delivery::jobs::collect_answers(&self.db, self.access_point.as_ref())?;
        let mut jobs = 0_usize;
        while self.run_one()? || self.run_one_outward()? || self.run_one_long(&|| false)? {
            jobs = jobs.saturating_add(1);
        }
        Ok(jobs)
    }

    /// Does the next due job. Answers whether there was one.
    ///
    /// # Errors
    /// Fails with the database.
    pub fn run_one(&self) -> Result<bool> {
        self.run_one_of(Lane::Quick)
    }

    /// Hands over the next document that is due to an access point. Answers whether there was one.
    ///
    /// # Errors
    /// Fails with the database.
    pub fn run_one_outward(&self) -> Result<bool> {
        self.run_one_of(Lane::Outward)
    }

    fn run_one_of(&self, lane: Lane) -> Result<bool> {
        let Some(claimed) = self.claim(lane)? else { return Ok(false) };
        self.end(&claimed, self.perform(&claimed))?;
        Ok(true)
    }

    /// Does the next piece of long work that is due, to its end or until the process stops. Answers whether there was
    /// any.
    ///
    /// # Errors
    /// Fails with the database.
    pub fn run_one_long(&self, is_stopping: &dyn Fn() -> bool) -> Result<bool> {
        let Some(claimed) = self.claim(Lane::Long)? else { return Ok(false) };
        match self.carry_out(&claimed, is_stopping) {
            Ok(Ended::LeftOff) => {
                self.db.write_blocking(&Actor::System, |tx| outbox::give_back(tx, claimed.id, &self.name))?;
                Ok(!is_stopping())
            }
            ended => self.end(&claimed, ended.map(|_over| ())).map(|()| true),
        }
    }

    fn claim(&self, lane: Lane) -> Result<Option<Claimed>> {
        self.db.write_blocking(&Actor::System, |tx| outbox::claim(tx, &self.name, lane))
    }

    fn end(&self, claimed: &Claimed, performed: Result<()>) -> Result<()> {
        let outcome = if performed.is_ok() { "done" } else { "failed" };
        metrics::counter!(telemetry::JOBS, "kind" => claimed.topic.clone(), "outcome" => outcome).increment(1);
        match performed {
            Ok(()) => self.db.write_blocking(&Actor::System, |tx| outbox::confirm(tx, claimed.id)),
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                let text = format!("{error} {source}");
                tracing::warn!(job = claimed.dedup_key, attempt = claimed.attempts, error = text, "a job is put back");
                self.db.write_blocking(&Actor::System, |tx| outbox::postpone(tx, claimed, &text))
            }
        }
    }

    fn carry_out(&self, claimed: &Claimed, is_stopping: &dyn Fn() -> bool) -> Result<Ended> {
        let Job::Run { id } = serde_json::from_value(claimed.payload.clone())? else {
            return Err(Error::internal("this is no long work"));
        };
        let attempt = Attempt::new(&self.db, claimed, &self.name, is_stopping);
        let (job, _) = self.db.write_blocking(&Actor::System, |tx| jobs::job(tx, id))?;
        match job.kind {
            JobKind::DryRun => attempt.carry_out(id, proposals::play_on),
        }
    }

    fn perform(&self, claimed: &Claimed) -> Result<()> {
        match serde_json::from_value(claimed.payload.clone())? {
            Job::Letter(letter) => self.send(&claimed.dedup_key, &letter, Vec::new()),
            Job::SendOrder { order, version, letter } => {
                let document = orders::jobs::document(&self.db, order, version)?;
                self.send(&claimed.dedup_key, &letter, vec![document])
            }
            Job::SendReminder { reminder } => {
                let (letter, document) = reminders::jobs::prepare(&self.db, reminder)?;
                self.send(&claimed.dedup_key, &letter, vec![document])
            }
            Job::SendFormalDemand { action } => {
                let (letter, document) = collection::jobs::prepare(&self.db, action)?;
                self.send(&claimed.dedup_key, &letter, vec![document])
            }
            Job::SendInvoice { invoice } => {
                let package = invoicing::jobs::prepare(&self.db, invoice)?;
                self.send_document(&claimed.dedup_key, invoice, package)?;
                self.db.write_blocking(&Actor::System, |tx| invoicing::jobs::tell_member(tx, invoice))
            }
            Job::SendCreditNote { credit_note } => {
                let package = invoicing::jobs::prepare_credit_note(&self.db, credit_note)?;
                self.send_document(&claimed.dedup_key, credit_note, package)?;
                self.db.write_blocking(&Actor::System, |tx| invoicing::jobs::tell_of_credit_note(tx, credit_note))
            }
            Job::SendPayslip { payout } => {
                let (letter, file) = payroll::jobs::prepare(&self.db, payout)?;
                let attached = (file.name, file.media_type, Arc::from(file.bytes));
                self.send(&claimed.dedup_key, &letter, vec![attached])
            }
            Job::DrawInternalInvoice { invoice } => internal_invoices::draw(&self.db, invoice),
            Job::Deliver { delivery } => delivery::jobs::deliver(&self.db, self.access_point.as_ref(), delivery),
            Job::CheckPayeeName { change } => {
                bank_details::jobs::check_name(&self.db, &self.keys, self.payee_names.as_ref(), change)
            }
            Job::Run { .. } => Err(Error::internal("long work has a lane of its own")),
        }
    }

    /// Mails an issued document with its electronic form, and notes how it went.
    fn send_document(&self, key: &str, document: InvoiceId, package: invoicing::jobs::Package) -> Result<()> {
        self.db.write_blocking(&Actor::System, |tx| {
            delivery::of_issued(tx, document)?;
            delivery::begin_mail(tx, document)
        })?;
        let sent = self.send(key, &package.letter, package.attachments);
        self.db.write_blocking(&Actor::System, |tx| delivery::end_mail(tx, document))?;
        sent
    }

    /// Sends one mail. A refused address is not tried again: it is shown to the office.
    fn send(&self, key: &str, queued: &QueuedLetter, attachments: Vec<(String, String, Arc<[u8]>)>) -> Result<()> {
        let resolve =
            |reference: &str| access::resolve_link(&self.keys, &self.public_url, reference).unwrap_or_default();
        let code = |reference: &str| bank_details::resolve_code(&self.keys, reference).unwrap_or_default();
        let letter = queued.letter.clone().with_link(resolve).with_code(code);
        let (mutual, contact) = self.letterhead()?;
        let head = Letterhead { mutual: &mutual, contact: &contact };
        let mail = letters::write(&letter, queued.language, &head).map_err(Error::internal)?;
        let begun = self.db.write_blocking(&Actor::System, |tx| {
            outbox::begin_email(tx, key, queued, &mail.subject, &self.mail_domain)
        })?;
        let Some(message_id) = begun else { return Ok(()) };
        let envelope = Envelope {
            to: queued.to.clone(),
            to_name: None,
            message_id,
            subject: mail.subject,
            text: mail.text,
            html: mail.html,
            attachments,
            auto_submitted: true,
            language: queued.language,
            sent_at: self.db.clock().now(),
        };
        let _survived = self.db.faults().passes("mail.before_send");
        let sent = self.mailer.send(&envelope);
        let _survived = self.db.faults().passes("mail.after_send");
        let end =
            |outcome: Delivery<'_>| self.db.write_blocking(&Actor::System, |tx| outbox::end_email(tx, key, outcome));
        match sent {
            Ok(_receipt) => end(Delivery::Sent),
            Err(MailError::Permanent { code, text }) => {
                tracing::warn!(key, code = ?code, text, "a mail was refused for good");
                end(Delivery::Refused(&format!("{code:?} {text}")))
            }
            Err(error) => {
                end(Delivery::Failed(&error.to_string()))?;
                Err(Error::unavailable(error))
            }
        }
    }

    fn letterhead(&self) -> Result<(String, String)> {
        let entities = self.db.write_blocking(&Actor::System, charter::entities)?;
        Ok(entities
            .into_iter()
            .next()
            .map_or_else(|| ("Umbel".to_owned(), String::new()), |entity| (entity.name, entity.email)))
    }

    /// The work of each day of each entity: days that were missed first, and today as often as this is called,
    /// because what is issued today may be due today.
    ///
    /// # Errors
    /// Fails with the database.
    pub fn run_calendar(&self) -> Result<()> {
        self.change_accounts()?;
        let entities = self.db.write_blocking(&Actor::System, charter::entities)?;
        for entity in entities {
            let today = self.db.clock().today(entity.zone());
            let last = self.db.write_blocking(&Actor::System, |tx| outbox::last_run(tx, ADVANCE_JOB, entity.id))?;
            let next = last.and_then(|last| last.checked_add_days(Days::new(1)));
            let mut day = next.map_or(today, |next| next.min(today));
            while day <= today {
                self.run_day(entity.id, day, today)?;
                let Some(next) = day.succ_opt() else { break };
                day = next;
            }
            self.recur(entity.id, today)?;
            self.collect(entity.id, today)?;
            self.publish_payers(entity.id, today)?;
            self.close_levies(entity.id, today)?;
            self.db.write_blocking(&Actor::System, |tx| guarantee::return_contributions(tx, entity.id, today))?;
            self.settle_arrears(entity.id, today)?;
            self.pay_out(entity.id)?;
            self.db.write_blocking(&Actor::System, |tx| payouts::batches::tell_expired(tx, entity.id, today))?;
            self.db.write_blocking(&Actor::System, |tx| payouts::results::ask_about_silence(tx, entity.id, today))?;
            self.prove_days(entity.id, today)?;
            self.keep_forecasts(entity.id, today)?;
        }
        Ok(())
    }

    /// Lets the new accounts of members be active whose time has come. One that fails holds up no other.
    fn change_accounts(&self) -> Result<()> {
        for change in self.db.write_blocking(&Actor::System, bank_details::cooling)? {
            if let Err(error) = self.db.write_blocking(&Actor::System, |tx| bank_details::advance(tx, change)) {
                tracing::error!(%change, error = %error, "a new account could not be made active");
            }
        }
        Ok(())
    }

    /// Makes the invoices that come again, up to today. One that is refused pauses and holds up no other.
    fn recur(&self, entity: EntityId, today: NaiveDate) -> Result<()> {
        let due = self.db.write_blocking(&Actor::System, |tx| recurring::due(tx, entity, today))?;
        for id in due {
            loop {
                match self.db.write_blocking(&Actor::System, |tx| recurring::work(tx, id, today)) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) if error.status.is_client_error() => {
                        let code = error.code;
                        self.db.write_blocking(&Actor::System, |tx| recurring::refused(tx, id, today, code))?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Takes the steps about late invoices whose day has come, once a day. Days of downtime are made up for by today: each
    /// invoice goes on by one step at most, so nobody gets two letters at once.
    fn collect(&self, entity: EntityId, today: NaiveDate) -> Result<()> {
        let last = self.db.write_blocking(&Actor::System, |tx| outbox::last_run(tx, COLLECTION_JOB, entity))?;
        if last.is_some_and(|last| last >= today) {
            return Ok(());
        }
        let (mut done, mut failed) = (0_usize, None);
        for invoice in self.db.write_blocking(&Actor::System, |tx| collection::due(tx, entity, today))? {
            match self.db.write_blocking(&Actor::System, |tx| collection::work(tx, invoice, today)) {
                Ok(taken) => done = done.saturating_add(usize::from(taken)),
                // What the law or the rates of a day do not say is for the office; the other invoices go on.
                Err(error) if error.status.is_client_error() => {
                    tracing::warn!(%invoice, code = error.code, "a late invoice waits");
                }
                Err(error) => {
                    tracing::error!(%invoice, error = %error, "a step about a late invoice failed");
                    failed = failed.or(Some(error));
                }
            }
            let _survived = self.db.faults().passes("collection.after_step");
        }
        match failed {
            Some(error) => Err(error),
            None => {
                self.db.write_blocking(&Actor::System, |tx| outbox::finish_run(tx, COLLECTION_JOB, entity, today, done))
            }
        }
    }

    /// Publishes how enterprises paid in the month that is over.
    fn publish_payers(&self, entity: EntityId, today: NaiveDate) -> Result<()> {
        let Some(month_end) = today.with_day(1).and_then(|first| first.pred_opt()) else { return Ok(()) };
        let last = self.db.write_blocking(&Actor::System, |tx| outbox::last_run(tx, PAYERS_JOB, entity))?;
        if last.is_some_and(|last| last >= month_end) {
            return Ok(());
        }
        self.db.write_blocking(&Actor::System, |tx| {
            let done = collection::payers::publish(tx, entity, month_end)?;
            outbox::finish_run(tx, PAYERS_JOB, entity, month_end, done)
        })
    }

    /// Keeps what is said of open invoices, once a day. A day without a worker has no forecast: nobody knew it.
    fn keep_forecasts(&self, entity: EntityId, today: NaiveDate) -> Result<()> {
        let last = self.db.write_blocking(&Actor::System, |tx| outbox::last_run(tx, FORECAST_JOB, entity))?;
        if last.is_some_and(|last| last >= today) {
            return Ok(());
        }
        let (mut after, mut done) = (None, 0_usize);
        loop {
            let (count, next) =
                self.db.write_blocking(&Actor::System, |tx| payout_plans::forecasts::keep_some(tx, entity, after))?;
            done = done.saturating_add(count);
            after = next;
            if after.is_none() {
                break;
            }
        }
        self.db.write_blocking(&Actor::System, |tx| outbox::finish_run(tx, FORECAST_JOB, entity, today, done))
    }

    /// Works the dates of payout plans whose moment has come. One that is refused is noted and holds up no other.
    ///
    /// # Errors
    /// Fails with the database.
    pub fn pay_out(&self, entity: EntityId) -> Result<()> {
        for id in self.db.write_blocking(&Actor::System, |tx| payout_plans::due(tx, entity))? {
            loop {
                match self.db.write_blocking(&Actor::System, |tx| payout_plans::work(tx, id)) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) if error.status.is_client_error() => {
                        let code = error.code;
                        self.db.write_blocking(&Actor::System, |tx| payout_plans::refused(tx, id, code))?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Proves every day that is over and not proven yet. Another worker may have been there before.
    fn prove_days(&self, entity: EntityId, today: NaiveDate) -> Result<()> {
        while let Some(day) = self.db.write_blocking(&Actor::System, |tx| solvency::next_day(tx, entity, today))? {
            let through = self.db.write_blocking(&Actor::System, solvency::draw_line)?;
            let proven =
                self.db.write_blocking(&Actor::System, |tx| solvency::prove(tx, &self.keys, entity, day, through));
            match proven {
                Err(error) if error.code == "already_booked" => break,
                proven => proven?,
            };
        }
        Ok(())
    }

    /// The levies of months that are over. The run of a month is known by the first day of the next one; the first run
    /// of an entity closes the month before it.
    fn close_levies(&self, entity: EntityId, today: NaiveDate) -> Result<()> {
        let last = self.db.write_blocking(&Actor::System, |tx| levies::last_closing(tx, entity))?;
        let first = last.and_then(|last| last.checked_add_months(Months::new(1))).or(today.with_day(1));
        let Some(mut run) = first else { return Ok(()) };
        while run <= today {
            let Some(month) = run.pred_opt() else { break };
            let charged = match self.in_blocks(|tx, after| levies::close_month(tx, entity, month, after)) {
                // Another worker is closing the same month. The next look finds what it has left.
                Err(error) if error.code == "already_booked" => break,
                charged => charged?,
            };
            self.db.write_blocking(&Actor::System, |tx| levies::finish_closing(tx, entity, run, charged))?;
            let Some(next) = run.checked_add_months(Months::new(1)) else { break };
            run = next;
        }
        Ok(())
    }

    fn settle_arrears(&self, entity: EntityId, today: NaiveDate) -> Result<()> {
        self.in_blocks(|tx, after| levies::settle_arrears(tx, entity, today, after)).map(drop)
    }

    /// Works through activities, some in each transaction. Answers how many charges or settlements that made.
    fn in_blocks(&self, work: impl Fn(&mut Tx<'_>, Option<ActivityId>) -> Result<levies::Block>) -> Result<usize> {
        let (mut after, mut done) = (None, 0_usize);
        loop {
            let block = self.db.write_blocking(&Actor::System, |tx| work(tx, after))?;
            done = done.saturating_add(block.done);
            match block.last {
                Some(last) => after = Some(last),
                None => return Ok(done),
            }
        }
    }

    /// Checks the invariants and shouts about what does not hold. A check that cannot be made is no reason to stop.
    fn watch_books(&self) {
        match self.db.write_blocking(&Actor::System, accounting::check) {
            Ok(violations) => {
                let count = u32::try_from(violations.len()).unwrap_or(u32::MAX);
                metrics::gauge!(telemetry::INVARIANT_VIOLATIONS).set(f64::from(count));
                for found in violations {
                    tracing::error!(
                        invariant = found.invariant,
                        subject = found.subject,
                        detail = found.detail,
                        "violated"
                    );
                }
            }
            Err(error) => tracing::warn!(%error, "the invariants could not be checked"),
        }
    }

    fn run_day(&self, entity: EntityId, day: NaiveDate, today: NaiveDate) -> Result<()> {
        self.db.write_blocking(&Actor::System, |tx| orders::expire(tx, entity, day))?;
        self.db.write_blocking(&Actor::System, |tx| shares::run_day(tx, entity, day))?;
        let due = self.db.write_blocking(&Actor::System, |tx| invoicing::advances_due(tx, entity, day))?;
        let mut done = 0_usize;
        let mut failed = None;
        for invoice in due {
            match self.advance(invoice, day, today) {
                Ok(made) => done = done.saturating_add(usize::from(made)),
                // One invoice that cannot be advanced breaks no promise to the others; the day is tried again.
                Err(error) => {
                    tracing::error!(%invoice, error = %error, "an advance failed");
                    failed = failed.or(Some(error));
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None => self.db.write_blocking(&Actor::System, |tx| outbox::finish_run(tx, ADVANCE_JOB, entity, day, done)),
        }
    }

    fn advance(&self, invoice: InvoiceId, day: NaiveDate, today: NaiveDate) -> Result<bool> {
        let made = match self.db.write_blocking(&Actor::System, |tx| invoicing::advance(tx, invoice, day)) {
            // A day that was missed may lie in a closed month: the promise is kept late, in the open one.
            Err(error) if error.code == "period_closed" => {
                self.db.write_blocking(&Actor::System, |tx| invoicing::advance(tx, invoice, today))
            }
            made => made,
        }?;
        let _survived = self.db.faults().passes("advance.after_commit");
        Ok(made)
    }
}
