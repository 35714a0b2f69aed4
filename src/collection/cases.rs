//! A late invoice as it stands: what was done, what comes next, and what may be claimed.

use chrono::NaiveDate;

use super::rules::{self, Claim, Facts, Law, Step, TrackKind};
use super::store::{ActionRow, AnswerRow, PauseRow, QuestionRow, TrackRow};
use super::{laws, store};
use crate::clients::ClientRow;
use crate::invoicing::Invoice;
use crate::kernel::ids::InvoiceId;
use crate::kernel::interest::{self, InterestError, PartPayment};
use crate::kernel::money::{Minor, Ppm};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{charter, clients, guarantee, invoicing};

/// The next step of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Its place in the track.
    pub n: i32,
    /// What it is.
    pub step: Step,
    /// Its logical date.
    pub on: NaiveDate,
}

/// A late invoice as it stands.
#[derive(Debug, Clone)]
pub struct Case {
    /// The invoice.
    pub invoice: Invoice,
    /// Its client.
    pub client: ClientRow,
    /// By which rules it is pursued.
    pub kind: TrackKind,
    /// Whose law: that of the entity, for consumers that of their own country.
    pub country: String,
    /// The last day to pay.
    pub due_on: NaiveDate,
    /// The track it follows: that of its first step, or the one in force.
    pub track: Option<(TrackRow, Vec<Step>)>,
    /// What the law says today.
    pub law: Option<Law>,
    /// What was done, in order.
    pub actions: Vec<ActionRow>,
    /// A promise or a hold that has not ended.
    pub pause: Option<(PauseRow, Vec<(NaiveDate, Minor)>)>,
    /// What the member was asked, and answered.
    pub question: Option<(QuestionRow, Option<AnswerRow>)>,
    /// Whether the client disputes it.
    pub is_disputed: bool,
    /// What comes next.
    pub next: Option<Next>,
    /// The day of looking.
    pub today: NaiveDate,
}

impl Case {
    /// Its invoice.
    #[must_use]
    pub const fn invoice_id(&self) -> InvoiceId {
        self.invoice.row.id
    }

    /// What is open of it.
    #[must_use]
    pub const fn open(&self) -> Minor {
        self.invoice.open.amount
    }

    /// Whether nothing is sent today: disputed, promised or held.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.is_disputed
            || self.pause.as_ref().is_some_and(|(row, _)| row.until_on.is_none_or(|until| until >= self.today))
    }

    /// What its reminders cost so far: each step keeps the sum.
    pub(super) fn costs(&self) -> Minor {
        self.actions.last().map_or(Minor::ZERO, |action| action.costs_minor)
    }
}

/// A case, about one's own invoice or any for the office.
///
/// # Errors
/// 404 for an invoice that is not issued.
pub fn case(tx: &mut Tx<'_>, id: InvoiceId) -> Result<Case> {
    let invoice = invoicing::find(tx, id)?;
    let row = &invoice.row;
    let due_on = row.due_on.ok_or_else(Error::not_found)?;
    let entity = charter::entity(tx, row.entity_id)?;
    let today = tx.today(entity.zone());
    let client = clients::client(tx, row.client_id)?;
    let actions = store::actions_of(tx, id)?;
    let begun = actions.first().map(|action| action.track_id);
    let track = match begun {
        Some(track) => Some(store::find_track(tx, track)?),
        None => store::track_on(tx, row.entity_id, TrackKind::from(client.kind), today)?,
    };
    let kind = track.as_ref().map_or_else(|| TrackKind::from(client.kind), |track| track.track);
    let track = match track {
        Some(track) => {
            let steps = store::steps_of(tx, track.id)?;
            Some((track, steps))
        }
        None => None,
    };
    let country = if kind == TrackKind::Consumer { client.country.clone() } else { entity.country };
    let law = laws::law_on(tx, &country, kind, today)?;
    let pause = match store::open_pause(tx, id)? {
        Some(pause) => {
            let parts = store::parts_of(tx, pause.id)?;
            Some((pause, parts))
        }
        None => None,
    };
    let question = match store::question_of(tx, id)? {
        Some(question) => {
            let answer = store::last_answer(tx, question.id)?;
            Some((question, answer))
        }
        None => None,
    };
    let is_disputed = guarantee::dispute_of(tx, id)?.is_some();
    let next = match &track {
        Some((_, steps)) => next(due_on, &actions, steps),
        None => None,
    };
    Ok(Case { invoice, client, kind, country, due_on, track, law, actions, pause, question, is_disputed, next, today })
}

fn next(due_on: NaiveDate, actions: &[ActionRow], steps: &[Step]) -> Option<Next> {
    let step = *steps.get(actions.len())?;
    let grace = actions.first().and_then(|first| first.grace_until);
    let on = rules::next_on(due_on, actions.last().map(|last| (last.done_on, grace)), step)?;
    Some(Next { n: i32::try_from(actions.len()).ok()?.checked_add(1)?, step, on })
}

/// What may be claimed of a case on a day.
///
/// # Errors
/// 409 `collection_law_missing`, `late_rate_missing`.
pub(super) fn claim(tx: &mut Tx<'_>, case: &Case, on: NaiveDate) -> Result<Claim> {
    let missing = || Error::conflict("collection_law_missing").with("country", &case.country).with("track", case.kind);
    let law = case.law.as_ref().ok_or_else(missing)?;
    let wants = case.track.as_ref().map_or((false, false), |(it, _)| (it.claims_interest, it.claims_compensation));
    let rates = store::rates_of(tx, &case.country, case.kind)?;
    let (mut paid, mut owed) = (Vec::new(), case.invoice.row.gross_minor);
    for moved in store::movements(tx, case.invoice_id())? {
        match moved.kind.as_str() {
            // What was credited was never owed.
            "credit_note" => owed = owed.minus(moved.amount_minor)?,
            _ => paid.push(PartPayment { on: moved.moved_on, amount: moved.amount_minor }),
        }
    }
    let reminded = case.actions.first().map(|first| (first.done_on, first.grace_until));
    let facts = Facts { owed, open: case.open(), due_on: case.due_on, reminded, paid: &paid, costs: case.costs(), on };
    rules::claim(&facts, law, wants, &rates).map_err(|error| match error {
        InterestError::NoRate(day) => {
            Error::conflict("late_rate_missing").with("country", &case.country).with("on", day)
        }
        InterestError::Money(error) => error.into(),
    })
}

/// Refuses a claim at a rate that was not published for the day it is reckoned for.
///
/// # Errors
/// 409 `late_rate_missing`.
pub(super) fn must_be_published(case: &Case, claim: &Claim) -> Result<()> {
    claim.segments.iter().find(|segment| !segment.is_confirmed).map_or(Ok(()), |segment| {
        Err(Error::conflict("late_rate_missing").with("country", &case.country).with("on", segment.from))
    })
}

/// What a first reminder must announce: the rate after a day, and the compensation of what is open now.
pub(super) fn announced(tx: &mut Tx<'_>, case: &Case, until: NaiveDate) -> Result<(Option<Ppm>, Option<Minor>)> {
    let (Some((track, _)), Some(law)) = (&case.track, &case.law) else { return Ok((None, None)) };
    let rates = store::rates_of(tx, &case.country, case.kind)?;
    let rate = rates.iter().rfind(|rate| rate.from <= until).map(|rate| rate.rate);
    let compensation = interest::compensation(case.open(), &law.bands)?;
    Ok((rate.filter(|_| track.claims_interest), track.claims_compensation.then_some(compensation)))
}
