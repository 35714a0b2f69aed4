//! Who is pursued how, when the next step is due, and what may be claimed.

use chrono::{Days, NaiveDate};

use crate::clients::ClientKind;
use crate::kernel::calendar::{Holidays, add_working_days};
use crate::kernel::interest::{self, Band, DatedRate, InterestError, PartPayment, Segment};
use crate::kernel::money::{Minor, MoneyError};
use crate::kernel::refusal::{Checks, Refusal};

crate::named! {
    /// By which rules a client is pursued.
    TrackKind {
        /// An enterprise.
        B2b = "b2b",
        /// The state and what belongs to it.
        PublicBody = "public_body",
        /// A private person, whom the law protects.
        Consumer = "consumer",
    }
}

impl From<ClientKind> for TrackKind {
    fn from(kind: ClientKind) -> Self {
        match kind {
            ClientKind::Business => Self::B2b,
            ClientKind::PublicBody => Self::PublicBody,
            ClientKind::Consumer => Self::Consumer,
        }
    }
}

crate::named! {
    /// What a step does.
    StepKind {
        /// A letter that asks for what is open.
        Reminder = "reminder",
        /// A letter that claims what the law adds, by mail and for registered post.
        FormalDemand = "formal_demand",
        /// A person hands the file over to a collection agency.
        Agency = "agency",
    }
}

crate::named! {
    /// From when interest runs.
    InterestStart {
        /// The day after the last day to pay.
        Due = "due",
        /// The day after the first reminder.
        Reminder = "reminder",
        /// The day after the days of grace that follow the first reminder.
        Grace = "grace",
    }
}

crate::named! {
    /// Why nothing is sent for a while.
    PauseKind {
        /// The client promised to pay, at once or in parts.
        Promise = "promise",
        /// Somebody has a reason.
        Hold = "hold",
    }
}

crate::named! {
    /// What a member says to a formal demand.
    AnswerKind {
        /// Send it.
        Go = "go",
        /// Not before a day.
        Wait = "wait",
        /// I will call them: not before the days of the question have passed once more.
        Call = "call",
    }
}

crate::named! {
    /// How somebody was in touch with a client.
    ContactKind {
        /// By telephone.
        Call = "call",
        /// By mail.
        Mail = "mail",
        /// By letter.
        Letter = "letter",
        /// They promised something.
        Promise = "promise",
        /// In person.
        Visit = "visit",
        /// What the collection agency said.
        Agency = "agency",
    }
}

/// A step of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// Days after the last day to pay, or after the step before.
    pub after_days: u32,
    /// Whether a person posts the letter too: a grace begins later then.
    pub is_posted: bool,
    /// What the client pays for it.
    pub cost: Minor,
    /// And for the stamp.
    pub postage: Minor,
    /// How long a formal demand leaves to pay.
    pub pay_days: Option<u32>,
}

/// What the law lets a creditor claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Law {
    /// From when interest runs.
    pub interest_starts: InterestStart,
    /// Whether the first reminder must cost nothing.
    pub is_first_reminder_free: bool,
    /// Days after the first reminder in which nothing may be claimed on top.
    pub grace_days: u32,
    /// After how many working days a posted letter begins them.
    pub post_working_days: u32,
    /// What a reminder may cost, without the stamp.
    pub reminder_cost_max: Option<Minor>,
    /// The fixed compensation.
    pub bands: Vec<Band>,
}

/// The shortest time between two letters, in days: a second one at once is no chance to pay.
pub(super) const BETWEEN_MIN: u32 = 15;
/// How many steps a track has at most.
const STEPS_MAX: usize = 9;

/// Checks the steps of a track against each other and against the law.
pub(super) fn check_steps(steps: &[Step], law: &Law, checks: &mut Checks) {
    checks.require(!steps.is_empty() && steps.len() <= STEPS_MAX, "/steps", "out_of_range");
    let mut before = None;
    for (index, step) in steps.iter().enumerate() {
        let at = |field: &str| format!("/steps/{index}/{field}");
        let is_next = match (before, step.kind) {
            (None, kind) => kind == StepKind::Reminder,
            (Some(StepKind::Reminder), _) => true,
            (Some(StepKind::FormalDemand), kind) => kind == StepKind::Agency,
            (Some(StepKind::Agency), _) => false,
        };
        checks.require(is_next, &at("kind"), "not_allowed");
        let least = if index == 0 { 1 } else { BETWEEN_MIN };
        checks.require((least..=365).contains(&step.after_days), &at("after_days"), "out_of_range");
        let is_free = step.kind != StepKind::Reminder || (index == 0 && law.is_first_reminder_free);
        let (cost, postage) = (step.cost, step.postage);
        checks.require(cost >= Minor::ZERO && postage >= Minor::ZERO, &at("cost"), "out_of_range");
        checks.require(!is_free || cost == Minor::ZERO && postage == Minor::ZERO, &at("cost"), "not_allowed");
        checks.require(postage == Minor::ZERO || step.is_posted, &at("postage"), "not_allowed");
        checks.require(law.reminder_cost_max.is_none_or(|most| cost <= most), &at("cost"), "out_of_range");
        checks.require(
            (step.kind == StepKind::FormalDemand) == step.pay_days.is_some(),
            &at("pay_days"),
            if step.pay_days.is_some() { "not_allowed" } else { "required" },
        );
        checks.require(step.pay_days.is_none_or(|days| (1..=60).contains(&days)), &at("pay_days"), "out_of_range");
        before = Some(step.kind);
    }
}

/// Until when a debtor who got the first reminder owes nothing on top: by mail the days begin on the next one, by post
/// on the so many-th working day.
pub(super) fn grace_until(sent_on: NaiveDate, is_posted: bool, law: &Law, holidays: &Holidays) -> Option<NaiveDate> {
    let days = law.grace_days.checked_sub(1)?;
    let mailed = sent_on.succ_opt()?;
    let first =
        if is_posted { add_working_days(sent_on, law.post_working_days, holidays)?.max(mailed) } else { mailed };
    first.checked_add_days(Days::new(u64::from(days)))
}

/// The logical date of the next step. `last` is the day of the step before and the end of a grace that it began.
pub(super) fn next_on(
    due_on: NaiveDate,
    last: Option<(NaiveDate, Option<NaiveDate>)>,
    step: Step,
) -> Option<NaiveDate> {
    let (from, grace) = last.unwrap_or((due_on, None));
    let day = from.checked_add_days(Days::new(u64::from(step.after_days)))?;
    let after_grace = grace.and_then(|until| until.succ_opt());
    Some(after_grace.map_or(day, |first| first.max(day)))
}

/// Whether a client who promised parts by days is behind: more was due before today than has come.
///
/// # Errors
/// An amount out of range.
pub(super) fn is_broken(
    (before, open): (Minor, Minor),
    parts: &[(NaiveDate, Minor)],
    today: NaiveDate,
) -> Result<bool, MoneyError> {
    let promised = Minor::sum(parts.iter().filter(|(due_on, _)| *due_on < today).map(|(_, amount)| *amount))?;
    Ok(before.minus(open)? < promised)
}

/// Checks what a client promised: days that rise from today on, amounts that come to what is open.
pub(super) fn check_promise(parts: &[(NaiveDate, Minor)], open: Minor, today: NaiveDate, checks: &mut Checks) {
    let rises = parts.windows(2).all(|pair| matches!(pair, [(before, _), (after, _)] if before < after));
    checks.require((1..=36).contains(&parts.len()) && rises, "/parts", "out_of_range");
    checks.require(parts.iter().all(|(on, _)| *on >= today), "/parts", "out_of_range");
    let sum = Minor::sum(parts.iter().map(|(_, amount)| *amount));
    let fits = sum == Ok(open) && parts.iter().all(|(_, amount)| *amount > Minor::ZERO);
    checks.require(fits, "/parts", "not_allowed");
}

/// For how many days a member holds a claim back alone: as long as the longest of the mutual's own questions to them may
/// wait. The office may hold longer.
const MEMBER_HOLD_DAYS: u64 = 30;
/// How far ahead the last part of a promise may be that a member notes alone: a quarter, after which provisions assume a
/// loss and a claim must be pressed. A longer plan is agreed with the office.
const MEMBER_PROMISE_DAYS: u64 = 90;
/// How many promises and holds a member opens alone about one invoice: without an end to them the guarantee would carry
/// a claim that nobody presses.
pub(super) const MEMBER_PAUSES_MAX: i64 = 3;

/// Checks that what a member opens alone ends by itself, and soon enough. PostgreSQL holds the same.
pub(super) fn check_member_pause(
    kind: PauseKind,
    until: Option<NaiveDate>,
    parts: &[(NaiveDate, Minor)],
    today: NaiveDate,
    checks: &mut Checks,
) {
    let within = |day: NaiveDate, days| today.checked_add_days(Days::new(days)).is_some_and(|latest| day <= latest);
    match kind {
        PauseKind::Hold => match until {
            None => checks.require(false, "/until_on", "required"),
            Some(until) => checks.require(within(until, MEMBER_HOLD_DAYS), "/until_on", "out_of_range"),
        },
        PauseKind::Promise => {
            let is_soon = parts.iter().all(|(on, _)| within(*on, MEMBER_PROMISE_DAYS));
            checks.require(is_soon, "/parts", "out_of_range");
        }
    }
}

/// From when an answer lets the formal demand go.
///
/// # Errors
/// 422 for a day to wait for that is missing, past or too late.
pub(super) fn go_on(
    answer: AnswerKind,
    wait_until: Option<NaiveDate>,
    (today, days, latest): (NaiveDate, u32, NaiveDate),
) -> Result<NaiveDate, Refusal> {
    if answer != AnswerKind::Wait && wait_until.is_some() {
        return Err(Refusal::field("/wait_until", "not_allowed"));
    }
    match answer {
        AnswerKind::Go => Ok(today),
        AnswerKind::Call => {
            Ok(today.checked_add_days(Days::new(u64::from(days))).unwrap_or(latest).min(latest).max(today))
        }
        AnswerKind::Wait => {
            let day = wait_until.ok_or_else(|| Refusal::field("/wait_until", "required"))?;
            if day > today && day <= latest { Ok(day) } else { Err(Refusal::field("/wait_until", "out_of_range")) }
        }
    }
}

/// What is known about an invoice when its claim is computed.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    /// What was ever owed: the invoice without what was credited.
    pub owed: Minor,
    /// What is open now.
    pub open: Minor,
    /// The last day to pay.
    pub due_on: NaiveDate,
    /// The day of the first reminder and the end of the grace that it began.
    pub reminded: Option<(NaiveDate, Option<NaiveDate>)>,
    /// What arrived.
    pub paid: &'a [PartPayment],
    /// What reminders cost.
    pub costs: Minor,
    /// The day of the claim.
    pub on: NaiveDate,
}

/// What the client owes on top. It is claimed, never booked before it is paid, and carries no VAT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The invoice.
    pub open: Minor,
    /// How interest is computed.
    pub segments: Vec<Segment>,
    /// Interest up to and with the day of the claim.
    pub interest: Minor,
    /// The fixed compensation: once for an invoice.
    pub compensation: Minor,
    /// What reminders cost.
    pub costs: Minor,
}

impl Claim {
    /// All of it.
    ///
    /// # Errors
    /// An amount out of range.
    pub fn total(&self) -> Result<Minor, MoneyError> {
        Minor::sum([self.open, self.interest, self.compensation, self.costs])
    }
}

/// Computes what may be claimed on a day. Where the law grants a grace, nothing is added before it is over.
///
/// # Errors
/// A day without a known rate, an amount out of range.
pub(super) fn claim(
    facts: &Facts<'_>,
    law: &Law,
    (wants_interest, wants_compensation): (bool, bool),
    rates: &[DatedRate],
) -> Result<Claim, InterestError> {
    let is_late = facts.on > facts.due_on;
    let is_free = law.grace_days == 0 || facts.reminded.is_some_and(|(sent, grace)| facts.on > grace.unwrap_or(sent));
    let start = match law.interest_starts {
        InterestStart::Due => Some(facts.due_on),
        InterestStart::Reminder => facts.reminded.map(|(sent, _)| sent),
        InterestStart::Grace => facts.reminded.and_then(|(_, grace)| grace),
    };
    let mut claim = Claim {
        open: facts.open,
        segments: Vec::new(),
        interest: Minor::ZERO,
        compensation: Minor::ZERO,
        costs: facts.costs,
    };
    if !is_late || !is_free {
        return Ok(claim);
    }
    if let Some(first) = start.and_then(|start| start.max(facts.due_on).succ_opt()).filter(|_| wants_interest) {
        claim.segments = interest::interest(facts.owed, (first, facts.on), facts.paid, rates)?;
        claim.interest = interest::total(&claim.segments)?;
    }
    if wants_compensation {
        claim.compensation = interest::compensation(facts.open, &law.bands)?;
    }
    Ok(claim)
}

/// What a reminder may ask for, and its stamp: what the track says, within what the law of the client says today. That law
/// may be another than the one that the track was checked against; where none is known, a private person is asked for
/// nothing.
pub(super) fn costs_allowed(kind: TrackKind, law: Option<&Law>, is_first: bool, step: &Step) -> (Minor, Minor) {
    match law {
        None if kind == TrackKind::Consumer => (Minor::ZERO, Minor::ZERO),
        Some(law) if is_first && law.is_first_reminder_free => (Minor::ZERO, Minor::ZERO),
        Some(law) => (law.reminder_cost_max.map_or(step.cost, |most| step.cost.min(most)), step.postage),
        None => (step.cost, step.postage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::money::Ppm;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn step(kind: StepKind, after_days: u32, cost: i64) -> Step {
        let pay_days = (kind == StepKind::FormalDemand).then_some(8);
        Step { kind, after_days, is_posted: false, cost: Minor::new(cost), postage: Minor::ZERO, pay_days }
    }

    fn consumer() -> Law {
        Law {
            interest_starts: InterestStart::Grace,
            is_first_reminder_free: true,
            grace_days: 14,
            post_working_days: 3,
            reminder_cost_max: Some(Minor::new(750)),
            bands: Vec::new(),
        }
    }

    #[test]
    fn fourteen_days_of_grace_begin_after_the_mail_or_on_the_third_working_day_after_posting() {
        let holidays = Holidays::from([day("2026-05-14"), day("2026-05-25")]);
        let until = |on, is_posted| grace_until(day(on), is_posted, &consumer(), &holidays).unwrap();
        assert_eq!(until("2026-05-04", false), day("2026-05-18"));
        assert_eq!(until("2026-05-04", true), day("2026-05-20"), "Thursday the 7th is the first day");
        assert_eq!(until("2026-05-12", true), day("2026-05-31"), "over Ascension and a weekend");
        assert_eq!(grace_until(day("2026-05-04"), false, &Law { grace_days: 0, ..consumer() }, &holidays), None);
    }

    #[test]
    fn a_step_waits_for_its_days_and_for_the_grace() {
        let reminder = step(StepKind::Reminder, 15, 0);
        assert_eq!(next_on(day("2026-05-01"), None, step(StepKind::Reminder, 3, 0)), Some(day("2026-05-04")));
        let last = Some((day("2026-05-04"), None));
        assert_eq!(next_on(day("2026-05-01"), last, reminder), Some(day("2026-05-19")));
        let posted = Some((day("2026-05-12"), Some(day("2026-05-31"))));
        assert_eq!(next_on(day("2026-05-01"), posted, reminder), Some(day("2026-06-01")));
    }

    #[test]
    fn a_track_goes_from_reminders_over_the_demand_to_the_agency() {
        let refused = |steps: &[Step]| {
            let mut checks = Checks::default();
            check_steps(steps, &consumer(), &mut checks);
            checks.done().err().map(|refusal| refusal.fields.into_iter().map(|it| it.pointer).collect::<Vec<_>>())
        };
        let whole = [
            step(StepKind::Reminder, 1, 0),
            step(StepKind::Reminder, 15, 750),
            step(StepKind::FormalDemand, 15, 0),
            step(StepKind::Agency, 15, 0),
        ];
        assert_eq!(refused(&whole), None);
        assert_eq!(refused(&[]).unwrap(), ["/steps"]);
        assert_eq!(refused(&[step(StepKind::Reminder, 1, 1)]).unwrap(), ["/steps/0/cost"], "the first one is free");
        let dear = [step(StepKind::Reminder, 1, 0), step(StepKind::Reminder, 15, 751)];
        assert_eq!(refused(&dear).unwrap(), ["/steps/1/cost"]);
        let soon = [step(StepKind::Reminder, 1, 0), step(StepKind::Reminder, 14, 0)];
        assert_eq!(refused(&soon).unwrap(), ["/steps/1/after_days"]);
        let back = [step(StepKind::Reminder, 1, 0), step(StepKind::Agency, 15, 0), step(StepKind::Reminder, 15, 0)];
        assert_eq!(refused(&back).unwrap(), ["/steps/2/kind"]);
        assert_eq!(refused(&[step(StepKind::FormalDemand, 1, 0)]).unwrap(), ["/steps/0/kind"]);
    }

    #[test]
    fn a_promise_is_broken_the_day_after_a_part_that_did_not_come() {
        let parts = [(day("2026-05-10"), Minor::new(500)), (day("2026-06-10"), Minor::new(710))];
        let broken = |open: i64, on| is_broken((Minor::new(1_210), Minor::new(open)), &parts, day(on)).unwrap();
        assert!(!broken(1_210, "2026-05-10"));
        assert!(broken(1_210, "2026-05-11"));
        assert!(!broken(710, "2026-06-10"));
        assert!(broken(1, "2026-06-11"));
        let refused = |parts: &[(NaiveDate, Minor)], open| {
            let mut checks = Checks::default();
            check_promise(parts, Minor::new(open), day("2026-05-01"), &mut checks);
            checks.done().is_err()
        };
        assert!(!refused(&parts, 1_210));
        assert!(refused(&parts, 1_211) && refused(&[], 1_210));
        assert!(refused(&[parts[1], parts[0]], 1_210));
    }

    #[test]
    fn what_a_member_answers_is_bounded() {
        let at = (day("2026-05-04"), 7, day("2026-06-03"));
        assert_eq!(go_on(AnswerKind::Go, None, at), Ok(day("2026-05-04")));
        assert_eq!(go_on(AnswerKind::Call, None, at), Ok(day("2026-05-11")));
        assert_eq!(go_on(AnswerKind::Wait, Some(day("2026-06-03")), at), Ok(day("2026-06-03")));
        for wait in [None, Some(day("2026-05-04")), Some(day("2026-06-04"))] {
            assert!(go_on(AnswerKind::Wait, wait, at).is_err(), "{wait:?}");
        }
        assert!(go_on(AnswerKind::Go, Some(day("2026-06-01")), at).is_err());
    }

    #[test]
    fn a_consumer_owes_nothing_on_top_before_the_grace_is_over() {
        let rates = [DatedRate { from: day("2026-01-01"), rate: Ppm(45_000), needs_review_on: day("2027-01-01") }];
        let bands = vec![Band { above: Minor::ZERO, fixed: Minor::new(2_000), rate: Ppm(0), most: None }];
        let law = Law { bands, ..consumer() };
        let mut facts = Facts {
            owed: Minor::new(12_100),
            open: Minor::new(12_100),
            due_on: day("2026-05-01"),
            reminded: None,
            paid: &[],
            costs: Minor::ZERO,
            on: day("2026-05-30"),
        };
        let wants = (true, true);
        let added = |facts: &Facts<'_>| {
            let claim = claim(facts, &law, wants, &rates).unwrap();
            (claim.interest.get(), claim.compensation.get(), claim.total().unwrap().get())
        };
        assert_eq!(added(&facts), (0, 0, 12_100));
        facts.reminded = Some((day("2026-05-16"), Some(day("2026-05-30"))));
        assert_eq!(added(&facts), (0, 0, 12_100), "the last day of grace");
        facts.on = day("2026-06-30");
        // 31 days: 121.00 x 4.5 % x 31 / 365 = 0.4624.
        assert_eq!(added(&facts), (46, 2_000, 14_146));
    }
}
