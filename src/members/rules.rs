//! What an application needs, what may follow what, and how shares are referred to.

use chrono::{Months, NaiveDate};

use super::{ApplicationRow, ShareRow};
use crate::kernel::money::Minor;
use crate::kernel::references::Ogm;
use crate::kernel::refusal::{Checks, Refusal};

crate::named! {
    /// Where an application stands.
    ApplicationState {
        /// The applicant fills it in.
        Draft = "draft",
        /// Waits for a reviewer.
        Submitted = "submitted",
        /// A reviewer reads it.
        InReview = "in_review",
        /// The reviewer asked the applicant for something.
        InfoRequested = "info_requested",
        /// Became a membership.
        Accepted = "accepted",
        /// Refused, with a reason.
        Rejected = "rejected",
        /// Taken back by the applicant.
        Withdrawn = "withdrawn",
    }
}

crate::named! {
    /// Where a membership stands.
    MemberState {
        /// Accepted; the first share is not paid.
        PendingShare = "pending_share",
        /// May do everything.
        Active = "active",
        /// May look, and neither make documents nor be paid.
        Suspended = "suspended",
    }
}

crate::named! {
    /// Where a share stands.
    ShareState {
        /// Promised.
        Subscribed = "subscribed",
        /// Paid.
        Paid = "paid",
    }
}

crate::named! {
    /// What an applicant shows.
    ProofKind {
        /// Who they are.
        Identity = "identity_proof",
        /// That the bank account is theirs.
        Bank = "bank_proof",
    }
}

/// What somebody does with an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApplicationCommand {
    Submit,
    Withdraw,
    StartReview,
    RequestInfo,
    Accept,
    Reject,
}

impl ApplicationCommand {
    #[cfg(test)]
    const ALL: [Self; 6] =
        [Self::Submit, Self::Withdraw, Self::StartReview, Self::RequestInfo, Self::Accept, Self::Reject];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Withdraw => "withdraw",
            Self::StartReview => "start_review",
            Self::RequestInfo => "request_info",
            Self::Accept => "accept",
            Self::Reject => "reject",
        }
    }
}

fn conflict(state: impl ToString, command: &str) -> Refusal {
    let state = state.to_string();
    Refusal::state("state_conflict").with("state", &state).with("status", state).with("command", command)
}

/// Where a command leads.
///
/// # Errors
/// 409 `state_conflict` for a command without a meaning in this state.
pub(super) fn next(state: ApplicationState, command: ApplicationCommand) -> Result<ApplicationState, Refusal> {
    use ApplicationCommand as C;
    use ApplicationState as S;
    match (command, state) {
        (C::Submit, S::Draft | S::InfoRequested) => Ok(S::Submitted),
        (C::Withdraw, S::Draft | S::Submitted | S::InReview | S::InfoRequested) => Ok(S::Withdrawn),
        (C::StartReview, S::Submitted) => Ok(S::InReview),
        (C::RequestInfo, S::InReview) => Ok(S::InfoRequested),
        (C::Accept, S::InReview) => Ok(S::Accepted),
        (C::Reject, S::InReview) => Ok(S::Rejected),
        (C::Submit, S::Submitted | S::InReview | S::Accepted | S::Rejected | S::Withdrawn)
        | (C::Withdraw, S::Accepted | S::Rejected | S::Withdrawn)
        | (C::StartReview, S::Draft | S::InReview | S::InfoRequested | S::Accepted | S::Rejected | S::Withdrawn)
        | (
            C::RequestInfo | C::Accept | C::Reject,
            S::Draft | S::Submitted | S::InfoRequested | S::Accepted | S::Rejected | S::Withdrawn,
        ) => Err(conflict(state, command.name())),
    }
}

/// Whether the applicant may still change what the application says.
pub(super) fn check_editable(state: ApplicationState, command: &str) -> Result<(), Refusal> {
    match state {
        ApplicationState::Draft | ApplicationState::InfoRequested => Ok(()),
        ApplicationState::Submitted
        | ApplicationState::InReview
        | ApplicationState::Accepted
        | ApplicationState::Rejected
        | ApplicationState::Withdrawn => Err(conflict(state, command)),
    }
}

/// Suspends an active member.
pub(super) fn suspend(state: MemberState) -> Result<MemberState, Refusal> {
    match state {
        MemberState::Active => Ok(MemberState::Suspended),
        MemberState::PendingShare | MemberState::Suspended => Err(conflict(state, "suspend")),
    }
}

/// Ends the suspension of a member.
pub(super) fn reactivate(state: MemberState) -> Result<MemberState, Refusal> {
    match state {
        MemberState::Suspended => Ok(MemberState::Active),
        MemberState::PendingShare | MemberState::Active => Err(conflict(state, "reactivate")),
    }
}

/// What a complete application has beside its own fields.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    pub(super) is_email_verified: bool,
    pub(super) has_bank_account: bool,
    pub(super) has_identity_proof: bool,
    pub(super) has_bank_proof: bool,
    pub(super) is_agreement_current: bool,
}

/// Whether an application has everything that a decision needs; names all that is missing at once.
///
/// # Errors
/// 422 `application_incomplete`.
pub(super) fn check_complete(application: &ApplicationRow, has: Evidence) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    let said = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
    let fields = [
        (application.birth_date.is_some(), "/birth_date"),
        (said(&application.phone), "/phone"),
        (said(&application.trade), "/trade"),
        (said(&application.street), "/address/street"),
        (said(&application.postcode), "/address/postcode"),
        (said(&application.town), "/address/town"),
        (said(&application.country), "/address/country"),
        (has.is_email_verified, "/email_verified"),
        (has.has_bank_account, "/bank_account"),
        (has.has_identity_proof, "/documents/identity_proof"),
        (has.has_bank_proof, "/documents/bank_proof"),
        (has.is_agreement_current, "/agreement"),
    ];
    let missing: Vec<&str> =
        fields.iter().filter(|(is_there, _)| !is_there).map(|(_, pointer)| pointer.trim_start_matches('/')).collect();
    for (is_there, pointer) in fields {
        checks.require(is_there, pointer, "required");
    }
    checks.done().map_err(|found| Refusal {
        fields: found.fields,
        ..Refusal::value("application_incomplete").with("missing", missing.join(", "))
    })
}

/// Whether somebody born on a day may apply on another: of age (Belgian civil code, art. 388) and not older than
/// anybody.
pub(super) fn is_of_age(born: NaiveDate, today: NaiveDate) -> bool {
    let years = |n: u32| today.checked_sub_months(Months::new(n.saturating_mul(12)));
    years(18).is_some_and(|latest| born <= latest) && years(120).is_some_and(|earliest| born > earliest)
}

/// Where the references of shares begin: above all invoices, so that a reference tells what it pays.
const SHARE_REFERENCES: u64 = 9_900_000_000;

/// The payment reference of a share certificate, or `None` beyond the hundred million that fit.
pub(super) fn share_reference(certificate: i64) -> Option<Ogm> {
    Ogm::from_base(SHARE_REFERENCES.checked_add(u64::try_from(certificate).ok()?)?)
}

/// What a number of shares costs.
///
/// # Errors
/// Refuses amounts out of range.
pub(super) fn share_amount(quantity: i32, nominal: Minor) -> Result<Minor, Refusal> {
    nominal.times(quantity.into()).map_err(|_overflow| Refusal::value("amount_invalid"))
}

/// Whether an amount pays a share.
///
/// # Errors
/// 409 `state_conflict` for a share that is paid, `share_amount_mismatch` for any other amount.
pub(super) fn check_settlement(share: &ShareRow, amount: Minor) -> Result<(), Refusal> {
    match share.state {
        ShareState::Subscribed => {}
        ShareState::Paid => return Err(conflict(share.state, "settle")),
    }
    let due = share_amount(share.quantity, share.nominal_minor)?;
    if amount == due {
        Ok(())
    } else {
        Err(Refusal::state("share_amount_mismatch").with("due_minor", due.get()).with("paid_minor", amount.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: &str = include_str!("../../migrations/2026-11-22-000500_members/up.sql");

    #[test]
    fn the_program_and_postgresql_know_the_same_moves() {
        let mut moves =
            vec![("application", "", "draft"), ("member", "", "pending_share"), ("share", "", "subscribed")];
        for from in ApplicationState::ALL {
            for command in ApplicationCommand::ALL {
                if let Ok(to) = next(*from, command) {
                    moves.push(("application", from.name(), to.name()));
                }
            }
        }
        for from in MemberState::ALL {
            for to in [suspend(*from), reactivate(*from)].into_iter().flatten() {
                moves.push(("member", from.name(), to.name()));
            }
        }
        moves.push(("member", "pending_share", "active"));
        moves.push(("share", "subscribed", "paid"));
        for (machine, from, to) in &moves {
            assert!(DECLARED.contains(&format!("('{machine}', '{from}', '{to}')")), "{machine}: {from} -> {to}");
        }
        let declared = ["('application', '", "('member', '", "('share', '"].map(|row| DECLARED.matches(row).count());
        // Two more rows begin like this: the ledger's source and its events name a share too.
        assert_eq!(declared.iter().sum::<usize>(), moves.len() + 1, "{moves:?}");
    }

    #[test]
    fn adults_may_apply_from_their_eighteenth_birthday() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let cases = [
            ("2008-06-15", "2026-06-14", false),
            ("2008-06-15", "2026-06-15", true),
            ("2008-02-29", "2026-02-28", false),
            ("1990-01-01", "2026-06-15", true),
            ("1890-01-01", "2026-06-15", false),
            ("2030-01-01", "2026-06-15", false),
        ];
        for (born, today, expected) in cases {
            assert_eq!(is_of_age(day(born), day(today)), expected, "{born} on {today}");
        }
    }

    #[test]
    fn the_reference_of_a_share_is_above_all_invoices() {
        assert_eq!(share_reference(1).unwrap().digits(), "990000000180");
        assert_eq!(share_reference(99_999_999).unwrap().digits().len(), 12);
        assert_eq!(share_reference(100_000_000), None);
        assert_eq!(share_reference(-1), None);
    }
}
