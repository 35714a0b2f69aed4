//! When the money of an invoice arrives, by what is known: no clock, no database.

use chrono::{Days, NaiveDate};

use crate::invoicing::InvoiceState;
use crate::kernel::calendar::{Holidays, add_working_days};
use crate::kernel::payout_plans::Planned;
use crate::named;
use crate::payouts::PayoutState;

named! {
    /// What keeps the money of an invoice from going on.
    Block {
        /// The invoice is a draft.
        InvoiceNotSubmitted = "invoice_not_submitted",
        /// The office gave it back.
        InvoiceGivenBack = "invoice_given_back",
        /// The office has not issued it.
        WaitsForReview = "waits_for_review",
        /// The client objects.
        InvoiceDisputed = "invoice_disputed",
        /// The guarantee put the advance off.
        AdvanceOnHold = "advance_on_hold",
        /// The client has time to pay.
        WaitsForClient = "waits_for_client",
        /// The client is late.
        ClientLate = "client_late",
        /// Nobody asked for a payout.
        PayoutNotAsked = "payout_not_asked",
        /// The plan rests.
        PlanPaused = "plan_paused",
        /// There is no account to pay to.
        PayeeAccountMissing = "payee_account_missing",
        /// The account is not verified.
        PayeeAccountUnverified = "payee_account_unverified",
        /// The membership is not active.
        MemberNotActive = "member_not_active",
        /// The payout is not reviewed.
        WaitsForPayoutReview = "waits_for_payout_review",
        /// The payout is in no batch.
        WaitsForBatch = "waits_for_batch",
        /// The batch is not released.
        WaitsForRelease = "waits_for_release",
        /// The bank has it.
        WithTheBank = "with_the_bank",
        /// The bank refused it; its money is held until two people decide.
        PayoutRejected = "payout_rejected",
        /// It came back, and its money can be asked for again.
        PayoutReturned = "payout_returned",
        /// Nothing more comes.
        NothingToCome = "nothing_to_come",
    }
}

named! {
    /// Who can make the money go on.
    MustAct {
        /// Whose work it is.
        Member = "member",
        /// Who pays.
        Client = "client",
        /// The office.
        Staff = "staff",
        /// The bank.
        Bank = "bank",
    }
}

impl Block {
    /// Who can end it; nobody when nothing more comes.
    #[must_use]
    pub const fn who(self) -> Option<MustAct> {
        match self {
            Self::InvoiceNotSubmitted
            | Self::InvoiceGivenBack
            | Self::PayoutNotAsked
            | Self::PlanPaused
            | Self::PayeeAccountMissing
            | Self::PayoutReturned => Some(MustAct::Member),
            Self::WaitsForClient | Self::ClientLate => Some(MustAct::Client),
            Self::WaitsForReview
            | Self::InvoiceDisputed
            | Self::AdvanceOnHold
            | Self::PayeeAccountUnverified
            | Self::MemberNotActive
            | Self::WaitsForPayoutReview
            | Self::WaitsForBatch
            | Self::WaitsForRelease
            | Self::PayoutRejected => Some(MustAct::Staff),
            Self::WithTheBank => Some(MustAct::Bank),
            Self::NothingToCome => None,
        }
    }
}

named! {
    /// A step of an invoice on its way to an account.
    StepName {
        /// It was written.
        Draft = "draft",
        /// It has a number.
        Issued = "issued",
        /// The client has it.
        Seen = "seen_by_client",
        /// The client said yes to the work.
        Confirmed = "confirmed",
        /// The client paid all of it.
        Paid = "paid_by_client",
        /// A payout is asked for.
        PayoutScheduled = "payout_scheduled",
        /// The money is on the member's account.
        OnAccount = "on_my_account",
    }
}

named! {
    /// What happens next.
    NextName {
        /// The office issues it.
        Issued = "issued",
        /// Its money becomes available: the client pays, or the promised day comes.
        Available = "available",
        /// A payout is asked for.
        PayoutScheduled = "payout_scheduled",
        /// The money arrives.
        OnAccount = "on_my_account",
    }
}

/// A payout of the activity that was asked for after the money of the invoice was available.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PayoutFacts {
    pub(crate) state: PayoutState,
    pub(crate) asked_on: NaiveDate,
    /// When the bank is asked to debit, once it is in a batch.
    pub(crate) execute_on: Option<NaiveDate>,
    pub(crate) settled_on: Option<NaiveDate>,
}

impl PayoutFacts {
    /// Whether nothing arrives by it any more.
    const fn has_failed(&self) -> bool {
        matches!(
            self.state,
            PayoutState::Returned | PayoutState::Rejected | PayoutState::Replaced | PayoutState::GivenBack
        )
    }

    /// When it arrived; what came back did not.
    fn arrived_on(&self) -> Option<NaiveDate> {
        self.settled_on.filter(|_| !self.has_failed())
    }
}

/// How the member is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// By a plan that has dates.
    Plan,
    /// By a plan that rests.
    Paused,
    /// Each time.
    Member,
}

/// Everything that is known about an invoice and its way to an account.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "facts of an invoice, each apart from the others")]
pub(crate) struct Facts {
    pub(crate) today: NaiveDate,
    pub(crate) state: InvoiceState,
    pub(crate) is_returned: bool,
    pub(crate) created_on: NaiveDate,
    pub(crate) submitted_on: Option<NaiveDate>,
    pub(crate) supplied_on: NaiveDate,
    pub(crate) issued_on: Option<NaiveDate>,
    pub(crate) due_on: Option<NaiveDate>,
    pub(crate) advance_due_on: Option<NaiveDate>,
    pub(crate) is_covered: bool,
    pub(crate) is_held: bool,
    pub(crate) is_disputed: bool,
    pub(crate) seen_on: Option<NaiveDate>,
    pub(crate) confirmed_on: Option<NaiveDate>,
    pub(crate) paid_on: Option<NaiveDate>,
    /// When its money became available.
    pub(crate) available_on: Option<NaiveDate>,
    /// Nothing is open and nothing came: it was credited or given up.
    pub(crate) is_void: bool,
    /// Working days after work, and days to pay, by the rules of today.
    pub(crate) terms: (u32, u32),
    /// Medians in days: of the review of invoices, from a payout's request to the bank's word, and what the client
    /// takes beyond its last day to pay.
    pub(crate) medians: (u32, u32, u32),
    pub(crate) asks: Asks,
    /// The code of what keeps the member from being paid at all.
    pub(crate) unpayable: Option<Block>,
    /// Whether there is money on the activity.
    pub(crate) has_money: bool,
    pub(crate) payout: Option<PayoutFacts>,
    pub(crate) holidays: Holidays,
}

/// A step with its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub name: StepName,
    /// When it happened.
    pub done_on: Option<NaiveDate>,
    /// When it is expected.
    pub expected_on: Option<NaiveDate>,
}

/// When the money of an invoice arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// If everybody acts at once; none while something blocks it for an unknown time.
    pub earliest: Option<NaiveDate>,
    /// By what is usual.
    pub likely: Option<NaiveDate>,
    /// What keeps it from going on.
    pub block: Option<Block>,
    /// What happens next, and when it is likely; nothing once the money has arrived.
    pub next: Option<(NextName, Option<NaiveDate>)>,
    /// Its seven steps.
    pub steps: [Step; 7],
}

type Range = (Option<NaiveDate>, Option<NaiveDate>);

fn plus(day: NaiveDate, days: u32) -> NaiveDate {
    day.checked_add_days(Days::new(u64::from(days))).unwrap_or(NaiveDate::MAX)
}

impl Facts {
    fn issued(&self) -> (NaiveDate, NaiveDate) {
        let today = self.today;
        match (self.issued_on, self.submitted_on) {
            (Some(on), _) => (on, on),
            (None, Some(on)) if self.state == InvoiceState::Submitted => (today, plus(on, self.medians.0).max(today)),
            (None, _) => (today, plus(today, self.medians.0)),
        }
    }

    /// When the client is likely to pay all of it.
    fn client_pays(&self) -> NaiveDate {
        let due_on = self.due_on.unwrap_or_else(|| plus(self.issued().1, self.terms.1));
        plus(due_on, self.medians.2).max(plus(self.today, 1))
    }

    fn promised(&self) -> Option<NaiveDate> {
        let day = match self.issued_on {
            Some(_) => self.advance_due_on,
            None => add_working_days(self.supplied_on.max(self.issued().1), self.terms.0, &self.holidays),
        };
        day.filter(|_| self.is_covered && !self.is_held).map(|day| day.max(self.today))
    }

    fn available(&self) -> Range {
        if self.available_on.is_some() {
            return (self.available_on, self.available_on);
        }
        if self.is_disputed || self.is_void {
            return (None, None);
        }
        let client = self.client_pays();
        (Some(self.issued().0.max(self.today)), Some(self.promised().map_or(client, |day| day.min(client))))
    }

    fn block(&self) -> Option<Block> {
        if self.is_void {
            return Some(Block::NothingToCome);
        }
        if let Some(payout) = self.payout {
            return match payout.state {
                PayoutState::Requested => Some(Block::WaitsForPayoutReview),
                PayoutState::Approved => Some(Block::WaitsForBatch),
                PayoutState::Batched => Some(Block::WaitsForRelease),
                PayoutState::Settled | PayoutState::Confirmed => None,
                PayoutState::Rejected => Some(Block::PayoutRejected),
                PayoutState::Returned
                | PayoutState::Replaced
                | PayoutState::GivenBack
                | PayoutState::Refused
                | PayoutState::Cancelled => Some(Block::PayoutReturned),
                PayoutState::Released | PayoutState::Unknown => Some(Block::WithTheBank),
            };
        }
        match (self.state, self.available_on) {
            (InvoiceState::Submitted, _) => Some(Block::WaitsForReview),
            (InvoiceState::Issued, None) if self.is_disputed => Some(Block::InvoiceDisputed),
            (InvoiceState::Issued, None) if self.is_held => Some(Block::AdvanceOnHold),
            (InvoiceState::Issued, None) if self.promised().is_some() => None,
            (InvoiceState::Issued, None) if self.due_on.is_some_and(|due| due < self.today) => Some(Block::ClientLate),
            (InvoiceState::Issued, None) => Some(Block::WaitsForClient),
            (InvoiceState::Issued, Some(_)) if !self.has_money => Some(Block::NothingToCome),
            (InvoiceState::Issued, Some(_)) => self.unpayable.or(match self.asks {
                Asks::Plan => None,
                Asks::Paused => Some(Block::PlanPaused),
                Asks::Member => Some(Block::PayoutNotAsked),
            }),
            _ if self.is_returned => Some(Block::InvoiceGivenBack),
            _ => Some(Block::InvoiceNotSubmitted),
        }
    }

    /// When its money is asked for and when it arrives, from the day on which it is available. `date_after` answers the
    /// date of the plan for money of a day, without one the first day on which it can leave.
    fn arrives(&self, from: NaiveDate, days: u32, date_after: &dyn Fn(NaiveDate) -> Option<Planned>) -> Range {
        let from = from.max(self.today);
        let Some(planned) = date_after(from) else { return (None, None) };
        let worked = add_working_days(plus(planned.due_on.max(from), days), 0, &self.holidays);
        (Some(planned.due_on.max(from)), worked.map(|worked| worked.max(planned.value_on)))
    }

    fn of_payout(&self, payout: &PayoutFacts) -> Range {
        if let Some(on) = payout.arrived_on() {
            return (Some(on), Some(on));
        }
        if payout.has_failed() {
            return (None, None);
        }
        let open = |day: NaiveDate, count| add_working_days(day.max(self.today), count, &self.holidays);
        let first = payout.execute_on.unwrap_or(self.today);
        let usual = payout.execute_on.unwrap_or_else(|| plus(payout.asked_on, self.medians.1));
        let earliest = open(first, 0);
        (earliest, open(usual, 0).max(earliest))
    }
}

/// What is known, put together.
pub(crate) fn forecast(facts: &Facts, date_after: &dyn Fn(NaiveDate) -> Option<Planned>) -> Forecast {
    let block = facts.block();
    let is_over = block == Some(Block::NothingToCome);
    let (early, usual) = if is_over { (None, None) } else { facts.available() };
    let arrives =
        |from: Option<NaiveDate>, days| from.map_or((None, None), |from| facts.arrives(from, days, date_after));
    let (asked, earliest, likely) = match &facts.payout {
        Some(payout) => {
            let (earliest, likely) = facts.of_payout(payout);
            (Some(payout.asked_on), earliest, likely)
        }
        None => {
            let (_, earliest) = arrives(early, 0);
            let (asked, likely) = arrives(usual, facts.medians.1);
            (asked, earliest, likely.max(earliest))
        }
    };
    let done = facts.payout.as_ref().and_then(PayoutFacts::arrived_on);
    let scheduled = facts.payout.map(|payout| payout.asked_on);
    let step = |name, done_on: Option<NaiveDate>, expected_on: Option<NaiveDate>| Step {
        name,
        done_on,
        expected_on: expected_on.filter(|_| done_on.is_none() && !is_over),
    };
    let pays = (!facts.is_disputed).then(|| facts.client_pays());
    let steps = [
        step(StepName::Draft, Some(facts.created_on), None),
        step(StepName::Issued, facts.issued_on, Some(facts.issued().1)),
        step(StepName::Seen, facts.seen_on, facts.issued_on.is_none().then(|| facts.issued().1)),
        step(StepName::Confirmed, facts.confirmed_on, None),
        step(StepName::Paid, facts.paid_on, pays),
        step(StepName::PayoutScheduled, scheduled, asked),
        step(StepName::OnAccount, done, likely),
    ];
    let next = match (done.is_some() || is_over, facts.issued_on, facts.available_on, scheduled) {
        (true, ..) => None,
        (_, None, ..) => Some((NextName::Issued, Some(facts.issued().1))),
        (_, _, None, _) => Some((NextName::Available, usual)),
        (_, _, _, None) => Some((NextName::PayoutScheduled, asked)),
        _ => Some((NextName::OnAccount, likely)),
    };
    Forecast { earliest, likely, block, next, steps }
}

/// How many of forecasts came true within one bank day, and how many came more than three late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accuracy {
    /// Forecasts whose money has arrived.
    pub forecasts: i64,
    /// Of them, within one bank day of what was likely.
    pub within_one: i64,
    /// Of them, more than three bank days later.
    pub late: i64,
}

/// Counts how far apart what was said and what came are, in bank days: a weekend between is no error.
pub(crate) fn accuracy(said: &[(NaiveDate, NaiveDate, i64)], holidays: &Holidays) -> Accuracy {
    let mut found = Accuracy::default();
    for (likely, arrived, count) in said {
        let apart = crate::kernel::calendar::working_days_between(*likely, *arrived, holidays);
        found.forecasts = found.forecasts.saturating_add(*count);
        if apart.abs() <= 1 {
            found.within_one = found.within_one.saturating_add(*count);
        }
        if apart > 3 {
            found.late = found.late.saturating_add(*count);
        }
    }
    found
}
