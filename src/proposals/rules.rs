//! What may happen to a proposal, and which periods can be played again.

use chrono::{Datelike, NaiveDate};

use crate::kernel::refusal::{Checks, Refusal};
use crate::named;

/// Months that one dry run may cover.
const MONTHS_MAX: i32 = 60;

named! {
    /// Where a proposal stands.
    ProposalState {
        /// The office tries it out.
        Draft = "draft",
        /// Everybody can read it, and what it would have meant for them.
        Published = "published",
        /// It was decided, and is a rule set.
        Adopted = "adopted",
        /// It was turned down.
        Rejected = "rejected",
        /// It was taken back.
        Withdrawn = "withdrawn",
    }
}

/// What may be done with a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProposalCommand {
    /// Show it to everybody.
    Publish,
    /// Decide it: it becomes a rule set.
    Adopt,
    /// Turn it down.
    Reject,
    /// Take it back.
    Withdraw,
}

/// Whether a command has a meaning in a state.
///
/// # Errors
/// 409 `state_conflict`.
pub(super) fn may(state: ProposalState, command: ProposalCommand) -> Result<(), Refusal> {
    use ProposalState::{Draft, Published};
    let (name, allowed): (_, &[ProposalState]) = match command {
        ProposalCommand::Publish => ("publish", &[Draft]),
        ProposalCommand::Adopt => ("adopt", &[Published]),
        ProposalCommand::Reject => ("reject", &[Published]),
        ProposalCommand::Withdraw => ("withdraw", &[Draft, Published]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// Whether a proposal may still be tried out.
///
/// # Errors
/// 409 `state_conflict`.
pub(super) fn may_try(state: ProposalState) -> Result<(), Refusal> {
    if matches!(state, ProposalState::Draft | ProposalState::Published) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", "dry_run"))
}

/// Whether a proposal may be written down, beside its rules.
///
/// # Errors
/// Names every field that is not acceptable.
pub(super) fn check_texts(title: &str, note: &str) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    checks.text(title, "/title", 1, 200);
    checks.text(note, "/note", 0, 4000);
    checks.done()
}

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month {
    year: i32,
    month: u32,
}

impl Month {
    /// The month of a day.
    pub(super) fn of(day: NaiveDate) -> Self {
        Self { year: day.year(), month: day.month() }
    }

    /// A month as the API carries it, `2026-05`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_plain = text.len() == 7 && text.bytes().enumerate().all(|(n, c)| (n == 4) == (c == b'-'));
        let first = format!("{text}-01").parse().ok().filter(|_| is_plain)?;
        let month = Self::of(first);
        (2000..=2200).contains(&month.year).then_some(month)
    }

    /// `2026-05`.
    pub(super) fn name(self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }

    /// Its first day.
    pub(super) fn first(self) -> NaiveDate {
        NaiveDate::from_ymd_opt(self.year, self.month, 1).unwrap_or_default()
    }

    /// The month after it.
    pub(super) fn next(self) -> Self {
        if self.month >= 12 {
            Self { year: self.year.saturating_add(1), month: 1 }
        } else {
            Self { month: self.month.saturating_add(1), ..self }
        }
    }

    /// Its last day.
    pub(super) fn last(self) -> NaiveDate {
        let next = self.next().first();
        next.pred_opt().unwrap_or(next)
    }

    /// The first month of its year.
    pub(super) fn new_year(self) -> Self {
        Self { month: 1, ..self }
    }

    /// Whether it begins a year.
    pub(super) fn is_january(self) -> bool {
        self.month == 1
    }

    /// Months from the year zero on.
    fn count(self) -> i32 {
        self.year.saturating_mul(12).saturating_add(i32::try_from(self.month).unwrap_or(0))
    }
}

/// Whole months, first and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    /// The first month.
    pub(super) from: Month,
    /// The last month.
    pub(super) to: Month,
}

impl Period {
    /// A period that can be played again: in order, not too long, and over. What is over no longer changes, so that
    /// the same run gives the same result on any day.
    ///
    /// # Errors
    /// Names every field that is not acceptable.
    pub(super) fn read(from: &str, to: &str, today: NaiveDate) -> Result<Self, Refusal> {
        let mut checks = Checks::default();
        let first = checks.parse(Month::parse(from).ok_or(()), "/from", "invalid");
        let last = checks.parse(Month::parse(to).ok_or(()), "/to", "invalid");
        let period = first.zip(last).map(|(from, to)| Self { from, to });
        if let Some(Self { from, to }) = period {
            checks.require(from <= to, "/from", "out_of_range");
            checks.require(to < Month::of(today), "/to", "out_of_range");
            let length = to.count().saturating_sub(from.count());
            checks.require(length < MONTHS_MAX, "/from", "out_of_range");
        }
        checks.done()?;
        period.ok_or_else(|| Refusal::field("/from", "invalid"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &str, to: &str) -> Vec<(String, &'static str)> {
        let today = NaiveDate::from_ymd_opt(2026, 5, 4).unwrap();
        let found = Period::read(from, to, today).unwrap_err();
        found.fields.into_iter().map(|field| (field.pointer, field.code)).collect()
    }

    #[test]
    fn a_period_is_in_order_over_and_at_most_five_years() {
        let today = NaiveDate::from_ymd_opt(2026, 5, 4).unwrap();
        assert!(Period::read("2026-04", "2026-04", today).is_ok());
        assert!(Period::read("2021-05", "2026-04", today).is_ok());
        let one = |pointer: &str, code| vec![(pointer.to_owned(), code)];
        assert_eq!(refused("2021-04", "2026-04"), one("/from", "out_of_range"));
        assert_eq!(refused("2026-04", "2026-03"), one("/from", "out_of_range"));
        assert_eq!(refused("2026-04", "2026-05"), one("/to", "out_of_range"));
        for wrong in
            ["", "2026", "2026-13", "2026-00", "2026-4", "+026-04", "2026/04", "1999-12", "2201-01", "2026-04-01"]
        {
            assert_eq!(refused(wrong, "2026-04"), one("/from", "invalid"), "{wrong}");
        }
    }

    #[test]
    fn months_follow_each_other() {
        let december = Month::parse("2025-12").unwrap();
        assert_eq!(december.next().name(), "2026-01");
        assert_eq!(december.last(), NaiveDate::from_ymd_opt(2025, 12, 31).unwrap());
        assert_eq!(Month::parse("2024-02").unwrap().last().day(), 29);
        assert!(december.next().is_january());
    }

    #[test]
    fn what_is_decided_stays_decided() {
        use ProposalCommand::{Adopt, Publish, Reject, Withdraw};
        for state in [ProposalState::Adopted, ProposalState::Rejected, ProposalState::Withdrawn] {
            for command in [Publish, Adopt, Reject, Withdraw] {
                assert_eq!(may(state, command).unwrap_err().code, "state_conflict", "{state} {command:?}");
            }
            assert!(may_try(state).is_err());
        }
        assert!(may(ProposalState::Draft, Adopt).is_err(), "nobody votes on what nobody could read");
    }
}
