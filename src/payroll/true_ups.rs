//! What a wage really cost: the payroll office's figures against what is booked, who bears the difference, and what later
//! payouts take of it. And what happens to contributions when a wage comes back. A part of the desk.

use chrono::NaiveDate;
use uuid::Uuid;

use super::rules::true_ups::{self as rules, TrueUpCommand};
pub use super::rules::true_ups::{BorneBy, Figures, RightsProofKind, TrueUpState};
use super::store;
pub use super::store::{PolicyRow, ProofRow, TrueUpPartRow, TrueUpRow};
use crate::kernel::ids::{ActivityId, EntityId, FileId, PayoutId, PersonId, RightsProofId, TrueUpId, TrueUpPolicyId};
use crate::kernel::money::{Minor, Money};
use crate::kernel::refusal::Checks;
use crate::ledger::events::{self, Booking, TrueUpFact, Wage};
use crate::ledger::{self, Account};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::{archive, charter, members};

/// Who is to bear differences, from a day on.
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// Made by the sender.
    pub id: TrueUpPolicyId,
    /// Whose.
    pub entity: EntityId,
    /// From this day on; not in the past.
    pub valid_from: NaiveDate,
    /// Who bears them.
    pub borne_by: BorneBy,
    /// Over so many later payouts, 1 to 24.
    pub instalments: i32,
    /// Why.
    pub reason: String,
}

/// What the payroll office says about a wage.
#[derive(Debug, Clone)]
pub struct NewTrueUp {
    /// Made by the sender.
    pub id: TrueUpId,
    /// The payout that was the wage.
    pub payout: PayoutId,
    /// The employer's part.
    pub employer: Money,
    /// The employee's part.
    pub employee: Money,
    /// Withheld for the tax office.
    pub withheld: Money,
    /// What the payroll office wrote.
    pub evidence: FileId,
    /// Why it differs.
    pub reason: String,
}

/// A paper that lets a person be paid for copyright.
#[derive(Debug, Clone)]
pub struct NewProof {
    /// Made by the sender.
    pub id: RightsProofId,
    /// Whose.
    pub member: PersonId,
    /// Which paper.
    pub kind: RightsProofKind,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Until this day.
    pub valid_until: Option<NaiveDate>,
    /// The paper.
    pub evidence: FileId,
    /// Why it is enough.
    pub reason: String,
}

/// Says who bears differences from a day on.
///
/// # Errors
/// 404; 409 `not_unique` for a day that has one; 422 for what is not acceptable.
pub fn set_policy(tx: &mut Tx<'_>, new: &NewPolicy) -> Result<PolicyRow> {
    let by = tx.person()?;
    let zone = charter::entity(tx, new.entity)?.zone();
    let mut checks = Checks::default();
    super::rules::check_day(new.valid_from, tx.today(zone), &mut checks);
    checks.require((1..=24).contains(&new.instalments), "/instalments", "out_of_range");
    checks.text(&new.reason, "/reason", 1, 2000);
    checks.done()?;
    tx.reason(&new.reason)?;
    store::insert_policy(tx, new, by)
}

/// Who bears and bore differences, newest first.
///
/// # Errors
/// 404.
pub fn policies(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<PolicyRow>> {
    charter::entity(tx, of)?;
    store::list_policies(tx, of)
}

const fn actual(row: &TrueUpRow) -> Figures {
    Figures {
        employer: row.employer_actual_minor,
        employee: row.employee_actual_minor,
        withheld: row.withheld_actual_minor,
    }
}

const fn as_booked(row: &TrueUpRow) -> Figures {
    Figures {
        employer: row.employer_booked_minor,
        employee: row.employee_booked_minor,
        withheld: row.withheld_booked_minor,
    }
}

/// Brings in what a wage really cost. Nothing is booked before another person has confirmed it.
///
/// # Errors
/// 404; 403 for one's own; 409 `pay_not_sent`, `true_up_policy_missing`, `true_up_open` while another waits; 422 for
/// what is not acceptable, `nothing_to_true_up` when nothing differs.
pub fn propose(tx: &mut Tx<'_>, new: &NewTrueUp) -> Result<TrueUpRow> {
    let by = tx.person()?;
    let slip = super::slip(tx, new.payout)?;
    if slip.member_id == by {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let mut checks = Checks::default();
    let mut part = |money: Money, pointer: &str| {
        checks.require(money.currency == slip.currency, &format!("{pointer}/currency"), "currency_mismatch");
        let fits = (0..=99_999_999_999).contains(&money.amount_minor.get());
        checks.require(fits, &format!("{pointer}/amount_minor"), "out_of_range");
        money.amount_minor
    };
    let actual = Figures {
        employer: part(new.employer, "/employer"),
        employee: part(new.employee, "/employee"),
        withheld: part(new.withheld, "/withheld"),
    };
    checks.text(&new.reason, "/reason", 1, 2000);
    archive::check_evidence(tx, Some(new.evidence), &mut checks);
    checks.done()?;
    let zone = charter::entity(tx, slip.entity_id)?.zone();
    let today = tx.today(zone);
    let policy = store::policy_on(tx, slip.entity_id, today)?;
    let policy = policy.ok_or_else(|| Error::conflict("true_up_policy_missing").with("on", today))?;
    let booked = store::booked(tx, slip.payout_id)?;
    if booked == actual {
        return Err(Error::value("nothing_to_true_up"));
    }
    let of = store::Wage {
        entity: slip.entity_id,
        member: slip.member_id,
        activity: slip.activity_id,
        currency: slip.currency,
    };
    store::insert_true_up(tx, new, (of, policy.id), (booked, actual), by)
}

/// A true-up with who bears it, and what of it was taken or given back.
#[derive(Debug, Clone)]
pub struct TrueUp {
    /// Its row.
    pub row: TrueUpRow,
    /// Who bears it.
    pub policy: PolicyRow,
    /// What activities bore or got back.
    pub parts: Vec<TrueUpPartRow>,
}

/// A true-up.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: TrueUpId) -> Result<TrueUp> {
    let row = store::find_true_up(tx, id)?;
    whole(tx, row)
}

fn whole(tx: &mut Tx<'_>, row: TrueUpRow) -> Result<TrueUp> {
    let policy = store::find_policy(tx, row.policy_id)?;
    let parts = store::list_parts(tx, row.id)?;
    Ok(TrueUp { row, policy, parts })
}

/// True-ups, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, state: Option<TrueUpState>, after: Option<Uuid>, limit: i64) -> Result<Vec<TrueUpRow>> {
    store::list_true_ups(tx, state, after, limit)
}

fn held(tx: &mut Tx<'_>, id: TrueUpId, expected: i32, command: TrueUpCommand) -> Result<Locked<TrueUpRow>> {
    let row = store::lock_true_up(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    rules::may(row.state, command)?;
    let by = tx.person()?;
    if by == row.member_id || by == row.proposed_by {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    Ok(row)
}

/// Confirms a true-up as another person than who brought it in: the difference is booked. What an activity gets back it
/// has at once; what it bears its next payouts take.
///
/// # Errors
/// 404; 403 for one's own; 409 in another state, `true_up_outdated` when what is booked of the wage changed since; 412 for
/// another version.
pub fn confirm(tx: &mut Tx<'_>, id: TrueUpId, expected: i32) -> Result<TrueUp> {
    let row = held(tx, id, expected, TrueUpCommand::Confirm)?;
    let by = tx.person()?;
    let policy = store::find_policy(tx, row.policy_id)?;
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let at = Booking { entity: row.entity_id, on: tx.today(zone), currency: row.currency };
    if store::booked(tx, row.payout_id)? != as_booked(&row) {
        return Err(Error::conflict("true_up_outdated"));
    }
    let difference = actual(&row).less(as_booked(&row))?;
    let fact = TrueUpFact {
        true_up: id,
        member: row.member_id,
        activity: row.activity_id,
        employer: difference.employer,
        employee: difference.employee,
        withheld: difference.withheld,
        from_fund: policy.borne_by == BorneBy::Fund,
    };
    let decided = store::decide_true_up(tx, &row, TrueUpState::Confirmed, by, Some(at.on))?;
    ledger::post(tx, &events::payroll_trued_up(at, &fact)?)?;
    if policy.borne_by == BorneBy::Activity && row.difference_minor < Minor::ZERO {
        take(tx, at, &decided, (1, None, decided.difference_minor))?;
    }
    whole(tx, decided)
}

fn take(
    tx: &mut Tx<'_>,
    at: Booking,
    row: &TrueUpRow,
    (n, payout, amount): (i32, Option<PayoutId>, Minor),
) -> Result<()> {
    let part = tx.new_id();
    let available = ledger::lock_balance(tx, row.activity_id)?.available_minor;
    store::insert_part(tx, part, row, n, (payout, amount))?;
    let of = (row.activity_id, row.member_id);
    ledger::post(tx, &events::true_up_taken(at, part, of, available, amount)?)
}

/// Refuses a true-up as another person than who brought it in.
///
/// # Errors
/// 404; 403 for one's own; 409 in another state; 412 for another version; 422 without a reason.
pub fn reject(tx: &mut Tx<'_>, id: TrueUpId, expected: i32, reason: &str) -> Result<TrueUp> {
    let row = held(tx, id, expected, TrueUpCommand::Reject)?;
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, 2000);
    checks.done()?;
    tx.reason(reason)?;
    let by = tx.person()?;
    let decided = store::decide_true_up(tx, &row, TrueUpState::Rejected, by, None)?;
    whole(tx, decided)
}

/// Takes what a payout owes of earlier differences of its activity: the next instalment of each, out of what the activity
/// has available beside the payout.
///
/// # Errors
/// Fails with the database.
pub(super) fn take_instalments(tx: &mut Tx<'_>, payout: PayoutId, activity: ActivityId) -> Result<()> {
    for row in store::lock_open_of(tx, activity)? {
        let policy = store::find_policy(tx, row.policy_id)?;
        if policy.borne_by != BorneBy::Activity {
            continue;
        }
        let n = i32::try_from(store::list_parts(tx, row.id)?.len()).map_err(Error::internal)?.saturating_add(1);
        let Some(amount) = rules::instalment(row.difference_minor, policy.instalments, n)? else { continue };
        let zone = charter::entity(tx, row.entity_id)?.zone();
        let at = Booking { entity: row.entity_id, on: tx.today(zone), currency: row.currency };
        take(tx, at, &row, (n, Some(payout), amount))?;
    }
    Ok(())
}

/// What a payout took of earlier differences, one line each.
///
/// # Errors
/// Fails with the database.
pub fn taken_by(tx: &mut Tx<'_>, payout: PayoutId) -> Result<Vec<TrueUpPartRow>> {
    store::list_parts_of_payout(tx, payout)
}

/// Whether differences of a wage are booked that no later one set back.
///
/// # Errors
/// Fails with the database.
pub fn is_trued_up(tx: &mut Tx<'_>, payout: PayoutId) -> Result<bool> {
    store::is_trued_up(tx, payout)
}

/// What of a wage is taken back when the bank gives it back, and keeps it: contributions and tax that were paid to the
/// offices since stay a cost until the payroll office says what it gave back, which is a true-up. Payments settle what is
/// owed longest first.
///
/// # Errors
/// 404 for a payout that is no wage.
pub fn take_back(tx: &mut Tx<'_>, payout: PayoutId) -> Result<Wage> {
    let slip = super::slip(tx, payout)?;
    let pay = slip.pay()?;
    let said = Figures::of(&pay)?;
    let booked = store::booked(tx, payout)?;
    let social = store::unpaid_of(tx, slip.entity_id, Account::SocialSecurityPayable, payout)?;
    let tax = store::unpaid_of(tx, slip.entity_id, Account::WithholdingPayable, payout)?;
    let back = rules::taken_back(said, booked, (social, tax))?;
    store::insert_return(tx, (payout, slip.member_id), back)?;
    Ok(rules::returned(super::wage(&pay)?, said, back)?)
}

/// Records what lets a person be paid for copyright.
///
/// # Errors
/// 404; 403 for one's own; 422 for what is not acceptable.
pub fn prove_rights(tx: &mut Tx<'_>, new: &NewProof) -> Result<ProofRow> {
    let member = members::member(tx, new.member)?;
    let by = tx.person()?;
    if by == member.id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let mut checks = Checks::default();
    checks.require((2000..=2200).contains(&chrono::Datelike::year(&new.valid_from)), "/valid_from", "out_of_range");
    checks.require(new.valid_until.is_none_or(|until| until >= new.valid_from), "/valid_until", "out_of_range");
    checks.text(&new.reason, "/reason", 1, 2000);
    archive::check_evidence(tx, Some(new.evidence), &mut checks);
    checks.done()?;
    tx.reason(&new.reason)?;
    store::insert_proof(tx, new, by)
}

/// What lets and let a person be paid for copyright, newest first.
///
/// # Errors
/// 404 for somebody else.
pub fn rights_proofs(tx: &mut Tx<'_>, of: PersonId) -> Result<Vec<ProofRow>> {
    members::member(tx, of)?;
    store::list_proofs(tx, of)
}
