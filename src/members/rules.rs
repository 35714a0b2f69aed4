//! What an application needs, what may follow what, and how shares are referred to.

use chrono::{Months, NaiveDate};

use super::store::ApplicationDetails;
use super::{ApplicationPatch, ApplicationRow, ShareRow};
use crate::kernel::identifiers;
use crate::kernel::money::Minor;
use crate::kernel::patch::Patch;
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
        /// No share is current: may spend what is there, and bring no new money in.
        Inactive = "inactive",
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
        /// Its member gave notice to give some or all of it back; it counts until that is decided.
        Redeeming = "redeeming",
        /// Given back, all of it.
        Redeemed = "redeemed",
    }
}

crate::named! {
    /// What an applicant shows.
    IdentityProofKind {
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
    Refusal::state("state_conflict").with("state", state).with("command", command)
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

/// Suspends a member.
pub(super) fn suspend(state: MemberState) -> Result<MemberState, Refusal> {
    match state {
        MemberState::Active | MemberState::Inactive => Ok(MemberState::Suspended),
        MemberState::PendingShare | MemberState::Suspended => Err(conflict(state, "suspend")),
    }
}

/// Ends the suspension of a member.
pub(super) fn reactivate(state: MemberState) -> Result<MemberState, Refusal> {
    match state {
        MemberState::Suspended => Ok(MemberState::Active),
        MemberState::PendingShare | MemberState::Active | MemberState::Inactive => Err(conflict(state, "reactivate")),
    }
}

/// Whether a member may be paid what they have.
///
/// # Errors
/// 409 `member_not_active`.
pub(super) fn check_payable(state: MemberState) -> Result<(), Refusal> {
    match state {
        MemberState::Active | MemberState::Inactive => Ok(()),
        MemberState::PendingShare | MemberState::Suspended => {
            Err(Refusal::state("member_not_active").with("state", state))
        }
    }
}

/// Whether notice may be given for a share.
///
/// # Errors
/// 409 `state_conflict`.
pub(super) fn begin_redemption(state: ShareState) -> Result<ShareState, Refusal> {
    match state {
        ShareState::Paid => Ok(ShareState::Redeeming),
        ShareState::Subscribed | ShareState::Redeeming | ShareState::Redeemed => Err(conflict(state, "redeem")),
    }
}

/// How many shares of a certificate are given back: so many of those that are held, or all of them.
///
/// # Errors
/// 422 for more than are held, and for less than one.
pub(super) fn quantity_given_back(held: i32, asked: Option<i32>) -> Result<i32, Refusal> {
    let quantity = asked.unwrap_or(held);
    if (1..=held).contains(&quantity) { Ok(quantity) } else { Err(Refusal::field("/quantity", "out_of_range")) }
}

/// Where a certificate stands when shares for which notice was given are taken back, or the notice is; `rest`: how
/// many of its shares are held then.
///
/// # Errors
/// 409 `state_conflict`.
pub(super) fn end_redemption(state: ShareState, rest: i32) -> Result<ShareState, Refusal> {
    match state {
        ShareState::Redeeming if rest > 0 => Ok(ShareState::Paid),
        ShareState::Redeeming => Ok(ShareState::Redeemed),
        ShareState::Subscribed | ShareState::Paid | ShareState::Redeemed => Err(conflict(state, "take_back")),
    }
}

/// What a complete application has beside its own fields.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "five proofs, each there or not")]
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

/// Proofs that one application may have.
pub(super) const DOCUMENTS_MAX: usize = 20;

/// Shares that are subscribed at once, at most.
pub(super) const SHARES_MAX: i32 = 1000;

/// What an application says after a change, in the form in which it is kept.
///
/// A draft may have holes and no mistakes: what is there must be right. An empty text counts as absent.
///
/// # Errors
/// Names every field that is not acceptable.
pub(super) fn details(
    row: &ApplicationRow,
    patch: ApplicationPatch,
    today: NaiveDate,
) -> Result<ApplicationDetails, Refusal> {
    let text = |change: Patch<String>, was: &Option<String>| {
        let kept = change.over(was.clone());
        kept.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let mut details = ApplicationDetails {
        birth_date: patch.birth_date.over(row.birth_date),
        phone: text(patch.phone, &row.phone),
        trade: text(patch.trade, &row.trade),
        enterprise_number: text(patch.enterprise_number, &row.enterprise_number),
        street: text(patch.street, &row.street),
        building_number: text(patch.building_number, &row.building_number),
        postcode: text(patch.postcode, &row.postcode),
        town: text(patch.town, &row.town),
        country: text(patch.country, &row.country),
    };
    let mut checks = Checks::default();
    checks.require(details.birth_date.is_none_or(|born| is_of_age(born, today)), "/birth_date", "out_of_range");
    let texts = [
        (&details.phone, "/phone", 40),
        (&details.trade, "/trade", 200),
        (&details.street, "/address/street", 70),
        (&details.building_number, "/address/building_number", 16),
        (&details.postcode, "/address/postcode", 16),
        (&details.town, "/address/town", 35),
    ];
    for (text, pointer, max) in texts {
        checks.text(text.as_deref().unwrap_or_default(), pointer, 0, max);
    }
    let is_phone = |text: &str| {
        text.chars().filter(char::is_ascii_digit).count() >= 6
            && text.chars().all(|c| c.is_ascii_digit() || "+ ./-()".contains(c))
    };
    checks.require(details.phone.as_deref().is_none_or(is_phone), "/phone", "invalid");
    checks.require(details.country.as_deref().is_none_or(identifiers::is_country), "/address/country", "invalid");
    if let Some(number) = &details.enterprise_number {
        let parsed = identifiers::belgian_enterprise_number(number);
        checks.require(parsed.is_some(), "/enterprise_number", "invalid");
        details.enterprise_number = parsed;
    }
    checks.done()?;
    Ok(details)
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
        ShareState::Paid | ShareState::Redeeming | ShareState::Redeemed => return Err(conflict(share.state, "settle")),
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
    use crate::kernel::ids::{ApplicationId, EntityId, PersonId, ShareId};
    use crate::kernel::money::Currency;
    use crate::kernel::refusal::RefusalKind;
    use uuid::Uuid;

    const DECLARED: &str = concat!(
        include_str!("../../migrations/2026-11-22-000500_members/up.sql"),
        include_str!("../../migrations/2026-11-22-001900_shares_and_surplus/up.sql"),
        include_str!("../../migrations/2026-11-22-002300_shares_in_part/up.sql"),
    );

    #[test]
    fn some_of_the_shares_that_are_held_are_given_back_or_all_of_them() {
        assert_eq!(quantity_given_back(3, None), Ok(3));
        assert_eq!(quantity_given_back(3, Some(2)), Ok(2));
        for wrong in [-1, 0, 4] {
            assert_eq!(quantity_given_back(3, Some(wrong)).unwrap_err().fields[0].pointer, "/quantity");
        }
        assert_eq!(end_redemption(ShareState::Redeeming, 1), Ok(ShareState::Paid));
        assert_eq!(end_redemption(ShareState::Redeeming, 0), Ok(ShareState::Redeemed));
        assert!(end_redemption(ShareState::Paid, 1).is_err());
    }

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
        // What payments and the calendar do.
        moves.extend([("member", "pending_share", "active"), ("member", "active", "inactive")]);
        moves.extend([("member", "inactive", "active"), ("share", "subscribed", "paid")]);
        for from in ShareState::ALL {
            for to in
                [begin_redemption(*from), end_redemption(*from, 0), end_redemption(*from, 1)].into_iter().flatten()
            {
                moves.push(("share", from.name(), to.name()));
            }
        }
        for (machine, from, to) in &moves {
            assert!(DECLARED.contains(&format!("('{machine}', '{from}', '{to}')")), "{machine}: {from} -> {to}");
        }
        let declared: usize = DECLARED
            .split(';')
            .filter(|statement| statement.contains("INTO state_transition"))
            .flat_map(|rows| {
                ["application", "member", "share"].map(|machine| rows.matches(&format!("('{machine}'")).count())
            })
            .sum();
        assert_eq!(declared, moves.len(), "{moves:?}");
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
        assert_eq!(share_reference(1).unwrap().digits(), "990000000166");
        assert_eq!(share_reference(99_999_999).unwrap().digits().len(), 12);
        assert_eq!(share_reference(100_000_000), None);
        assert_eq!(share_reference(-1), None);
    }

    fn application() -> ApplicationRow {
        ApplicationRow {
            id: ApplicationId(Uuid::nil()),
            person_id: PersonId(Uuid::nil()),
            entity_id: EntityId(Uuid::nil()),
            state: ApplicationState::Draft,
            birth_date: "1990-01-01".parse().ok(),
            phone: Some("+32 2 123 45 67".to_owned()),
            trade: Some("Illustrator".to_owned()),
            enterprise_number: None,
            street: Some("Rue Haute".to_owned()),
            building_number: None,
            postcode: Some("1000".to_owned()),
            town: Some("Bruxelles".to_owned()),
            country: Some("BE".to_owned()),
            agreement_id: None,
            agreement_accepted_at: None,
            agreement_address: None,
            decided_by: None,
            decided_at: None,
            message: None,
            created_at: chrono::DateTime::default(),
            submitted_at: None,
            version: 1,
        }
    }

    const WHOLE: Evidence = Evidence {
        is_email_verified: true,
        has_bank_account: true,
        has_identity_proof: true,
        has_bank_proof: true,
        is_agreement_current: true,
    };

    #[test]
    fn everything_missing_is_named_at_once() {
        assert_eq!(check_complete(&application(), WHOLE), Ok(()));
        let holes = ApplicationRow { birth_date: None, town: Some("  ".to_owned()), ..application() };
        let refusal = check_complete(&holes, Evidence { has_bank_proof: false, ..WHOLE }).unwrap_err();
        assert_eq!((refusal.code, refusal.kind), ("application_incomplete", RefusalKind::Value));
        let found: Vec<&str> = refusal.fields.iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(found, ["/birth_date", "/address/town", "/documents/bank_proof"]);
        let nothing = check_complete(&application(), Evidence::default()).unwrap_err();
        assert_eq!(nothing.fields.len(), 5);
    }

    #[test]
    fn a_patch_clears_with_null_and_leaves_what_it_does_not_name() {
        let today = "2026-06-15".parse().unwrap();
        let patch = ApplicationPatch {
            phone: Patch::Clear,
            trade: Patch::Set("  ".to_owned()),
            enterprise_number: Patch::Set("0123.456.749".to_owned()),
            ..ApplicationPatch::default()
        };
        let after = details(&application(), patch, today).unwrap();
        assert_eq!((after.phone, after.trade), (None, None));
        assert_eq!(after.enterprise_number.as_deref(), Some("0123456749"));
        assert_eq!(after.town.as_deref(), Some("Bruxelles"));
    }

    #[test]
    fn a_draft_may_have_holes_and_no_mistakes() {
        let today = "2026-06-15".parse().unwrap();
        let patch = ApplicationPatch {
            birth_date: Patch::Set("2020-01-01".parse().unwrap()),
            phone: Patch::Set("call me".to_owned()),
            enterprise_number: Patch::Set("0123.456.748".to_owned()),
            town: Patch::Set("x".repeat(36)),
            country: Patch::Set("Belgium".to_owned()),
            ..ApplicationPatch::default()
        };
        let refusal = details(&application(), patch, today).unwrap_err();
        let found: Vec<&str> = refusal.fields.iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(found, ["/birth_date", "/address/town", "/phone", "/address/country", "/enterprise_number"]);
    }

    #[test]
    fn a_share_is_paid_by_its_price_and_once() {
        let share = |state| ShareRow {
            id: ShareId(Uuid::nil()),
            member_id: PersonId(Uuid::nil()),
            entity_id: EntityId(Uuid::nil()),
            certificate: 1,
            redeemed_quantity: 0,
            quantity: 3,
            nominal_minor: Minor::new(3_000),
            currency: Currency::EUR,
            payment_reference: None,
            state,
            subscribed_on: NaiveDate::MIN,
            paid_on: None,
            version: 1,
        };
        let code = |state, amount| check_settlement(&share(state), Minor::new(amount)).err().map(|no| no.code);
        assert_eq!(code(ShareState::Subscribed, 9_000), None);
        assert_eq!(code(ShareState::Subscribed, 3_000), Some("share_amount_mismatch"));
        assert_eq!(code(ShareState::Paid, 9_000), Some("state_conflict"));
    }
}
