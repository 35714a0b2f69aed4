//! When a year may be closed, what may be decided about its result, and who gets which part.

use chrono::NaiveDate;

use crate::kernel::ids::{ActivityId, PersonId};
use crate::kernel::money::{self, Minor, MoneyError, Ppm};
use crate::kernel::refusal::{Checks, Refusal};

crate::named! {
    /// Where a decision about a result stands.
    AppropriationState {
        /// Waits for a second person.
        Proposed = "proposed",
        /// Booked.
        Approved = "approved",
        /// Refused by the second person.
        Rejected = "rejected",
    }
}

crate::named! {
    /// Where a part of a surplus goes, or where a loss is covered from.
    SurplusStepKind {
        /// To the legal reserve.
        LegalReserve = "legal_reserve",
        /// To the reserve that is never divided.
        IndivisibleReserve = "indivisible_reserve",
        /// To the guarantee fund.
        GuaranteeFund = "guarantee_fund",
        /// Back to members.
        Patronage = "patronage",
        /// A loss is covered out of the guarantee fund.
        LossFromGuarantee = "loss_from_guarantee",
    }
}

crate::named! {
    /// By what members get a refund.
    PatronageKey {
        /// What their activities paid as fees in the year.
        Fees = "fees",
        /// What their activities invoiced in the year, without VAT.
        Volume = "volume",
        /// The same for each.
        Equal = "equal",
        /// The years of their membership, the one that began counted whole.
        Years = "years",
    }
}

/// Steps that one decision has, at most.
const STEPS_MAX: usize = 50;

/// What may be done with a proposal.
pub(super) enum Command {
    /// Book it.
    Approve,
    /// Refuse it.
    Reject,
}

/// The state after a command.
///
/// # Errors
/// 409 `state_conflict`.
pub(super) fn next(state: AppropriationState, command: &Command) -> Result<AppropriationState, Refusal> {
    let (name, to) = match command {
        Command::Approve => ("approve", AppropriationState::Approved),
        Command::Reject => ("reject", AppropriationState::Rejected),
    };
    match state {
        AppropriationState::Proposed => Ok(to),
        AppropriationState::Approved | AppropriationState::Rejected => {
            Err(Refusal::state("state_conflict").with("state", state).with("command", name))
        }
    }
}

/// What is known of a year that somebody wants to close.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    /// Its last day.
    pub last_day: NaiveDate,
    /// Today, where the entity is.
    pub today: NaiveDate,
    /// Whether it is closed already.
    pub is_closed: bool,
    /// The first earlier year that has a result and is open.
    pub earlier_open: Option<i32>,
    /// Bank lines up to its end that nothing explains.
    pub lines_waiting: i64,
}

/// Whether a year may be closed: it is over, the years before it are closed, the bank is explained.
///
/// # Errors
/// 409 `year_already_closed`, `period_not_over`, `year_earlier_open`, `period_has_suspense`.
pub(super) fn close(it: &Closing) -> Result<(), Refusal> {
    if it.is_closed {
        return Err(Refusal::state("year_already_closed"));
    }
    if it.today <= it.last_day {
        return Err(Refusal::state("period_not_over").with("ends_on", it.last_day));
    }
    if let Some(year) = it.earlier_open {
        return Err(Refusal::state("year_earlier_open").with("year", year));
    }
    if it.lines_waiting > 0 {
        return Err(Refusal::state("period_has_suspense").with("count", it.lines_waiting));
    }
    Ok(())
}

/// A step as it was proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewStep {
    /// Where to, or where from.
    pub kind: SurplusStepKind,
    /// By what members get it; of a refund alone.
    pub key: Option<PatronageKey>,
    /// Which part of the surplus, or of the loss.
    pub rate: Ppm,
}

/// Reads the steps of a proposal: kind, key and rate as text.
pub(super) fn parse_steps(
    steps: &[(SurplusStepKind, Option<PatronageKey>, String)],
    has_loss: bool,
    checks: &mut Checks,
) -> Vec<NewStep> {
    checks.require(steps.len() <= STEPS_MAX, "/steps", "too_long");
    let mut parsed: Vec<NewStep> = Vec::new();
    for (index, (kind, key, rate)) in steps.iter().enumerate() {
        let at = |name: &str| format!("/steps/{index}/{name}");
        let fits = has_loss == (*kind == SurplusStepKind::LossFromGuarantee);
        let is_refund = *kind == SurplusStepKind::Patronage;
        if !fits {
            checks.refuse(at("kind"), "not_allowed");
        } else if !is_refund && parsed.iter().any(|step| step.kind == *kind) {
            checks.refuse(at("kind"), "not_unique");
        }
        if is_refund != key.is_some() {
            checks.refuse(at("key"), if is_refund { "required" } else { "not_allowed" });
        }
        match Ppm::from_fraction(rate) {
            Some(rate) => parsed.push(NewStep { kind: *kind, key: *key, rate }),
            None => checks.refuse(at("rate"), "out_of_range"),
        }
    }
    parsed
}

/// The amounts of the steps: the surplus, or the loss, by largest remainder over the steps and what rests.
///
/// # Errors
/// 422 `steps_exceed_surplus` when they are more than the whole.
pub(super) fn amounts(surplus: Minor, steps: &[NewStep]) -> Result<Vec<Minor>, Refusal> {
    let overflow = |_error: MoneyError| Refusal::value("amount_invalid");
    let whole = u64::try_from(Ppm::WHOLE).unwrap_or_default();
    let mut weights = Vec::with_capacity(steps.len().saturating_add(1));
    let mut used = 0_u64;
    for step in steps {
        let weight = u64::try_from(step.rate.0).map_err(|_negative| Refusal::value("amount_invalid"))?;
        used = used.saturating_add(weight);
        weights.push(weight);
    }
    let Some(rest) = whole.checked_sub(used) else {
        let refused = Refusal::field("/steps", "out_of_range");
        let sum = Ppm(i64::try_from(used).unwrap_or(i64::MAX)).to_fraction();
        return Err(Refusal { fields: refused.fields, ..Refusal::value("steps_exceed_surplus").with("sum", sum) });
    };
    weights.push(rest);
    let magnitude = if surplus < Minor::ZERO { surplus.negated().map_err(overflow)? } else { surplus };
    let mut amounts = money::split(magnitude, &weights).map_err(overflow)?;
    amounts.pop();
    Ok(amounts)
}

/// What must be set aside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minimum {
    /// By the law of the country.
    pub law: Ppm,
    /// What the legal reserve still lacks until the law asks for nothing more; none where it always asks.
    pub lacking: Option<Minor>,
    /// By the statutes.
    pub statutes: Ppm,
}

/// `amount x rate`, rounded down.
fn floor_share(amount: Minor, rate: Ppm) -> Option<Minor> {
    let product = i128::from(amount.get()).checked_mul(i128::from(rate.0))?;
    i64::try_from(product.checked_div(i128::from(Ppm::WHOLE))?).ok().map(Minor::new)
}

/// Whether enough goes to the legal reserve.
///
/// # Errors
/// 422 `below_legal_reserve`, which names the minimum.
pub(super) fn check_legal_reserve(surplus: Minor, given: Minor, minimum: Minimum) -> Result<(), Refusal> {
    let overflow = || Refusal::value("amount_invalid");
    let surplus = surplus.max(Minor::ZERO);
    let by_law = floor_share(surplus, minimum.law).ok_or_else(overflow)?;
    let by_law = minimum.lacking.map_or(by_law, |lacking| by_law.min(lacking.max(Minor::ZERO)));
    let needed = by_law.max(floor_share(surplus, minimum.statutes).ok_or_else(overflow)?);
    if given >= needed {
        return Ok(());
    }
    let fields = Refusal::field("/steps", "out_of_range").fields;
    let refused =
        Refusal::value("below_legal_reserve").with("minimum_minor", needed.get()).with("given_minor", given.get());
    Err(Refusal { fields, ..refused })
}

/// Whether the guarantee fund may cover so much of a loss. `fund`: what is in it; `allowed`: which part of it.
///
/// # Errors
/// 422 `loss_cover_not_allowed`, which names the limit.
pub(super) fn check_loss_cover(covered: Minor, fund: Minor, allowed: Ppm) -> Result<(), Refusal> {
    let limit = floor_share(fund.max(Minor::ZERO), allowed).ok_or_else(|| Refusal::value("amount_invalid"))?;
    if covered <= limit {
        return Ok(());
    }
    let fields = Refusal::field("/steps", "out_of_range").fields;
    Err(Refusal { fields, ..Refusal::value("loss_cover_not_allowed").with("limit_minor", limit.get()) })
}

/// Who may get a refund, and where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The member.
    pub member: PersonId,
    /// Their first activity that is open.
    pub activity: ActivityId,
    /// When they became a member.
    pub joined_on: NaiveDate,
    /// What their activities paid as fees in the year.
    pub fees: Minor,
    /// What their activities invoiced in the year.
    pub volume: Minor,
}

/// A member's part of a refund, with all that is needed to compute it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The member.
    pub member: PersonId,
    /// The activity that gets it.
    pub activity: ActivityId,
    /// The weight.
    pub weight: i64,
    /// The quota without its fraction.
    pub quota: Minor,
    /// The numerator of its fraction, over the sum of all weights.
    pub remainder: i64,
    /// The part.
    pub amount: Minor,
}

/// What an activity did, for each of those who share it: by their weights and largest remainder, so that the parts make
/// up the whole. Nothing for nobody.
///
/// # Errors
/// Refuses amounts out of range.
pub(super) fn shared(amount: Minor, owners: &[(PersonId, u64)]) -> Result<Vec<(PersonId, Minor)>, MoneyError> {
    if owners.iter().all(|(_, weight)| *weight == 0) {
        return Ok(Vec::new());
    }
    let weights: Vec<u64> = owners.iter().map(|(_, weight)| *weight).collect();
    let parts = money::split(amount, &weights)?;
    Ok(owners.iter().map(|(owner, _)| *owner).zip(parts).collect())
}

/// What somebody weighs. Who joined after the year weighs nothing, nor does who got more back than they paid.
fn weight(of: &Candidate, key: PatronageKey, last_day: NaiveDate) -> i64 {
    let Some(years) = last_day.years_since(of.joined_on) else { return 0 };
    match key {
        PatronageKey::Fees => of.fees.get().max(0),
        PatronageKey::Volume => of.volume.get().max(0),
        PatronageKey::Equal => 1,
        PatronageKey::Years => i64::from(years).saturating_add(1),
    }
}

/// Divides a refund among members by a key, by largest remainder, ties to the lowest id. Whoever weighs nothing is
/// left out. `step`: the place of the step in the proposal, for what is refused.
///
/// # Errors
/// 422 when nobody weighs anything.
pub(super) fn divide(
    amount: Minor,
    key: PatronageKey,
    candidates: &[Candidate],
    last_day: NaiveDate,
    step: usize,
) -> Result<Vec<Part>, Refusal> {
    if amount == Minor::ZERO {
        return Ok(Vec::new());
    }
    let overflow = || Refusal::value("amount_invalid");
    let mut weighed: Vec<(&Candidate, i64)> =
        candidates.iter().map(|one| (one, weight(one, key, last_day))).filter(|(_, weight)| *weight > 0).collect();
    weighed.sort_by_key(|(one, _)| one.member);
    let weights: Option<Vec<u64>> = weighed.iter().map(|(_, weight)| u64::try_from(*weight).ok()).collect();
    let quotas = money::quotas(amount, &weights.ok_or_else(overflow)?).map_err(|error| match error {
        MoneyError::NoWeight => Refusal::field(format!("/steps/{step}/key"), "no_weight"),
        MoneyError::Overflow | MoneyError::CurrencyMismatch => overflow(),
    })?;
    weighed
        .into_iter()
        .zip(quotas)
        .map(|((one, weight), quota)| {
            Ok(Part {
                member: one.member,
                activity: one.activity,
                weight,
                quota: quota.floor,
                remainder: i64::try_from(quota.remainder).map_err(|_too_large| overflow())?,
                amount: quota.part,
            })
        })
        .collect()
}

/// Whether a proposal says when and by whom it was decided.
///
/// # Errors
/// Names every field that is not acceptable, those that were noted before too.
pub(super) fn check_decision(
    decision: &str,
    decided_on: NaiveDate,
    (last_day, today): (NaiveDate, NaiveDate),
    mut checks: Checks,
) -> Result<(), Refusal> {
    checks.text(decision, "/decision", 1, 500);
    checks.require(last_day < decided_on && decided_on <= today, "/decided_on", "out_of_range");
    checks.done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn step(kind: SurplusStepKind, key: Option<PatronageKey>, rate: i64) -> NewStep {
        NewStep { kind, key, rate: Ppm(rate) }
    }

    fn candidate(n: u128, joined: &str, fees: i64, volume: i64) -> Candidate {
        Candidate {
            member: PersonId(Uuid::from_u128(n)),
            activity: ActivityId(Uuid::from_u128(n)),
            joined_on: day(joined),
            fees: Minor::new(fees),
            volume: Minor::new(volume),
        }
    }

    fn units(amounts: &[Minor]) -> Vec<i64> {
        amounts.iter().map(|amount| amount.get()).collect()
    }

    #[test]
    fn steps_are_parts_of_the_surplus_and_never_more_than_it() {
        use SurplusStepKind::{GuaranteeFund, IndivisibleReserve, LegalReserve, Patronage};
        let steps = [
            step(LegalReserve, None, 150_000),
            step(IndivisibleReserve, None, 400_000),
            step(GuaranteeFund, None, 100_000),
            step(Patronage, Some(PatronageKey::Fees), 350_000),
        ];
        let of = |surplus| units(&amounts(Minor::new(surplus), &steps).unwrap());
        assert_eq!(of(2_000_000), [300_000, 800_000, 200_000, 700_000]);
        assert_eq!(of(1), [0, 1, 0, 0]);
        assert_eq!(of(0), [0, 0, 0, 0]);
        assert_eq!(of(3).iter().sum::<i64>(), 3, "the parts of a whole are the whole");
        let half = [step(LegalReserve, None, 500_000)];
        assert_eq!(units(&amounts(Minor::new(-2_001), &half).unwrap()), [1_001], "of a loss too");
        let too_much = [step(LegalReserve, None, 600_000), step(IndivisibleReserve, None, 400_001)];
        assert_eq!(amounts(Minor::new(100), &too_much).unwrap_err().code, "steps_exceed_surplus");
        assert_eq!(amounts(Minor::new(100), &[]).unwrap(), []);
    }

    #[test]
    fn a_refund_is_divided_by_largest_remainder() {
        let three = [
            candidate(1, "2020-01-01", 78_000, 1_200_000),
            candidate(2, "2024-06-01", 48_750, 750_000),
            candidate(3, "2026-12-31", 20_150, 310_000),
        ];
        let of = |key, amount| {
            let parts = divide(Minor::new(amount), key, &three, day("2026-12-31"), 0).unwrap();
            parts.iter().map(|part| part.amount.get()).collect::<Vec<_>>()
        };
        assert_eq!(of(PatronageKey::Fees, 700_000), [371_681, 232_301, 96_018]);
        assert_eq!(of(PatronageKey::Volume, 700_000), [371_681, 232_301, 96_018]);
        assert_eq!(of(PatronageKey::Equal, 100), [34, 33, 33]);
        // Seven years, three, and the one that has just begun.
        assert_eq!(of(PatronageKey::Years, 1_100), [700, 300, 100]);
        let none = [candidate(1, "2020-01-01", -5, 0), candidate(2, "2027-01-01", 100, 100)];
        let refused = divide(Minor::new(100), PatronageKey::Fees, &none, day("2026-12-31"), 3).unwrap_err();
        assert_eq!((refused.fields[0].pointer.as_str(), refused.fields[0].code), ("/steps/3/key", "no_weight"));
        assert_eq!(divide(Minor::ZERO, PatronageKey::Fees, &none, day("2026-12-31"), 0).unwrap(), []);
    }

    #[test]
    fn what_a_collective_did_counts_for_all_who_share_it() {
        let of = |amount, weights: &[u64]| {
            let owners: Vec<_> = (1..).map(|n| PersonId(Uuid::from_u128(n))).zip(weights.iter().copied()).collect();
            let parts = shared(Minor::new(amount), &owners).unwrap();
            parts.into_iter().map(|(_, part)| part.get()).collect::<Vec<_>>()
        };
        assert_eq!(of(-10_000, &[1, 1, 1]), [-3_334, -3_333, -3_333]);
        assert_eq!(of(-5_501, &[500_000, 300_000, 200_000]), [-2_751, -1_650, -1_100]);
        assert_eq!(of(10_000, &[1]), [10_000]);
        assert_eq!(of(-10_000, &[]), [0_i64; 0]);
        assert_eq!(of(-10_000, &[0, 0]), [0_i64; 0]);
    }

    #[test]
    fn the_law_and_the_statutes_each_want_their_minimum() {
        let check = |given, law, lacking: Option<i64>, statutes| {
            let minimum = Minimum { law: Ppm(law), lacking: lacking.map(Minor::new), statutes: Ppm(statutes) };
            check_legal_reserve(Minor::new(2_000_000), Minor::new(given), minimum).err().map(|no| no.code)
        };
        assert_eq!(check(300_000, 150_000, None, 0), None);
        assert_eq!(check(299_999, 150_000, None, 0), Some("below_legal_reserve"));
        assert_eq!(check(10_000, 150_000, Some(10_000), 0), None, "the reserve is nearly full");
        assert_eq!(check(0, 150_000, Some(-1), 0), None);
        assert_eq!(check(10_000, 150_000, Some(10_000), 50_000), Some("below_legal_reserve"));
        let none = Minimum { law: Ppm(150_000), lacking: None, statutes: Ppm(0) };
        assert_eq!(check_legal_reserve(Minor::new(-5), Minor::ZERO, none), Ok(()));
    }

    #[test]
    fn the_guarantee_fund_covers_as_much_of_a_loss_as_the_policy_says() {
        let code = |covered, fund, allowed| {
            check_loss_cover(Minor::new(covered), Minor::new(fund), Ppm(allowed)).err().map(|no| no.code)
        };
        assert_eq!(code(50, 100, 500_000), None);
        assert_eq!(code(51, 100, 500_000), Some("loss_cover_not_allowed"));
        assert_eq!(code(1, 100, 0), Some("loss_cover_not_allowed"));
        assert_eq!(code(0, -100, 1_000_000), None);
    }

    #[test]
    fn every_wrong_step_is_named() {
        use SurplusStepKind::{LegalReserve, LossFromGuarantee, Patronage};
        let steps = [
            (LegalReserve, None, "0.1".to_owned()),
            (LegalReserve, None, "-0.1".to_owned()),
            (Patronage, None, "0.1".to_owned()),
            (LegalReserve, Some(PatronageKey::Fees), "1.1".to_owned()),
            (LossFromGuarantee, None, "0.5".to_owned()),
        ];
        let mut checks = Checks::default();
        parse_steps(&steps, false, &mut checks);
        let found: Vec<_> =
            checks.done().unwrap_err().fields.into_iter().map(|field| (field.pointer, field.code)).collect();
        let expected = [
            ("/steps/1/kind", "not_unique"),
            ("/steps/1/rate", "out_of_range"),
            ("/steps/2/key", "required"),
            ("/steps/3/kind", "not_unique"),
            ("/steps/3/key", "not_allowed"),
            ("/steps/3/rate", "out_of_range"),
            ("/steps/4/kind", "not_allowed"),
        ];
        assert_eq!(found, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
    }

    #[test]
    fn a_year_is_closed_once_in_its_turn_and_with_an_explained_bank() {
        let fine = Closing {
            last_day: day("2026-12-31"),
            today: day("2027-01-01"),
            is_closed: false,
            earlier_open: None,
            lines_waiting: 0,
        };
        let code = |it: Closing| close(&it).err().map(|no| no.code);
        assert_eq!(code(fine), None);
        assert_eq!(code(Closing { is_closed: true, ..fine }), Some("year_already_closed"));
        assert_eq!(code(Closing { today: day("2026-12-31"), ..fine }), Some("period_not_over"));
        assert_eq!(code(Closing { earlier_open: Some(2025), ..fine }), Some("year_earlier_open"));
        assert_eq!(code(Closing { lines_waiting: 1, ..fine }), Some("period_has_suspense"));
    }
}
