//! When a share is current, what it is worth, and whose turn it is to get it back.

use chrono::{Datelike, Days, Months, NaiveDate};

use crate::kernel::ids::RedemptionId;
use crate::kernel::money::{Minor, MoneyError, Ppm};
use crate::kernel::refusal::{Checks, Refusal};

crate::named! {
    /// Where the redemption of a share stands.
    RedemptionState {
        /// The member gave notice.
        Noticed = "noticed",
        /// Its value was fixed and is owed.
        Decided = "decided",
        /// The bank paid it.
        Paid = "paid",
        /// The member took the notice back.
        Withdrawn = "withdrawn",
    }
}

/// Days before a share lapses on which its member is told.
pub(super) const WARNED_DAYS: u64 = 30;

/// How many closings a projection looks ahead.
const CLOSINGS_AHEAD: i32 = 50;

/// The last day that shares cover where each share is a year of use: `n` shares are `n` years from the day of payment,
/// and what is bought early is added at the end. `since`: shares that were paid before they lapsed count from that day.
/// None without shares.
pub(super) fn covered_through(paid: &[(NaiveDate, i32)], since: NaiveDate) -> Option<NaiveDate> {
    let mut through: Option<NaiveDate> = None;
    for (paid_on, quantity) in paid {
        let begins = through.and_then(|day| day.succ_opt()).map_or(since, |next| next.max(since)).max(*paid_on);
        let months = u32::try_from(*quantity).ok()?.checked_mul(12)?;
        through = begins.checked_add_months(Months::new(months))?.pred_opt();
    }
    through
}

/// What the calendar does about a member on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Currency {
    /// A share is current.
    Current,
    /// A share is current for exactly [`WARNED_DAYS`] more days.
    Ending(NaiveDate),
    /// None is, since the day after this one; none of a member who never had one or gave them all back.
    Lapsed(Option<NaiveDate>),
}

/// Whether a member's shares are current on a day. `lapses_since`: since when shares lapse; none where they never do.
pub(super) fn currency(paid: &[(NaiveDate, i32)], lapses_since: Option<NaiveDate>, on: NaiveDate) -> Currency {
    let Some(since) = lapses_since else {
        return if paid.is_empty() { Currency::Lapsed(None) } else { Currency::Current };
    };
    match covered_through(paid, since) {
        Some(through) if through < on => Currency::Lapsed(Some(through)),
        Some(through) if on.checked_add_days(Days::new(WARNED_DAYS)) == Some(through) => Currency::Ending(through),
        Some(_) => Currency::Current,
        None => Currency::Lapsed(None),
    }
}

/// The terms of giving shares back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Terms {
    /// Months from the notice to the first closing that counts.
    pub notice_months: u32,
    /// Whether one more closing must pass.
    pub waits_a_closing: bool,
    /// What is given back at one closing, at most.
    pub ceiling: Option<Ceiling>,
}

/// What is given back at one closing, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ceiling {
    /// So much.
    Amount(Minor),
    /// This part of the share capital.
    OfCapital(Ppm),
}

impl Ceiling {
    /// The ceiling in money.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub(super) fn amount(self, capital: Minor) -> Result<Minor, MoneyError> {
        match self {
            Self::Amount(amount) => Ok(amount),
            Self::OfCapital(part) => capital.share(part),
        }
    }
}

/// The closing of a year.
pub(super) fn closing_of(year: i32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year, 12, 31)
}

/// The first closing at which a notice counts.
///
/// # Errors
/// Refuses dates out of range.
pub(super) fn first_closing(noticed_on: NaiveDate, terms: Terms) -> Result<NaiveDate, Refusal> {
    let beyond = || Refusal::value("date_out_of_range");
    let ends = noticed_on.checked_add_months(Months::new(terms.notice_months)).ok_or_else(beyond)?;
    closing_of(ends.year().saturating_add(i32::from(terms.waits_a_closing))).ok_or_else(beyond)
}

/// What the mutual owns for its shares on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetAssets {
    /// What members paid or owe for shares.
    pub capital: Minor,
    /// Results of closed years that may be divided. Legal and indivisible reserves do not count.
    pub retained: Minor,
    /// The result since.
    pub result: Minor,
    /// How many shares there are.
    pub shares: i64,
}

impl NetAssets {
    /// Net assets for one share, rounded down to the cent, never negative: nobody gets more than there is for each.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn per_share(self) -> Result<Minor, MoneyError> {
        let total = Minor::sum([self.capital, self.retained, self.result])?.max(Minor::ZERO);
        Ok(Minor::new(total.get().checked_div(self.shares).unwrap_or_default().max(0)))
    }
}

/// What a number of shares is worth when it is given back: of each, its nominal value or its net assets, the smaller.
///
/// # Errors
/// Refuses amounts out of range.
pub(super) fn worth(quantity: i32, nominal: Minor, per_share: Minor) -> Result<Minor, MoneyError> {
    nominal.min(per_share).times(quantity.into())
}

/// Somebody in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    /// The redemption.
    pub id: RedemptionId,
    /// The first closing at which it counts.
    pub due_on: NaiveDate,
    /// How many shares.
    pub quantity: i32,
    /// What one cost.
    pub nominal: Minor,
}

/// Who of a queue gets what at a closing: first come, first served, as far as the ceiling goes; `used` of it is gone.
/// Whoever does not fit waits for the next closing, and nobody overtakes them.
///
/// # Errors
/// Refuses amounts out of range.
pub(super) fn serve(
    queue: &[Waiting],
    closing: NaiveDate,
    per_share: Minor,
    ceiling: Option<Minor>,
    used: Minor,
) -> Result<Vec<(RedemptionId, Minor)>, MoneyError> {
    let mut given = used;
    let mut served = Vec::new();
    for waiting in queue.iter().filter(|waiting| waiting.due_on <= closing) {
        let amount = worth(waiting.quantity, waiting.nominal, per_share)?;
        given = given.plus(amount)?;
        if ceiling.is_some_and(|ceiling| given > ceiling) {
            break;
        }
        served.push((waiting.id, amount));
    }
    Ok(served)
}

/// At which closing somebody in the queue would be served if nothing changed; none within fifty years.
///
/// # Errors
/// Refuses amounts out of range.
pub(super) fn projected_closing(
    mut queue: Vec<Waiting>,
    of: RedemptionId,
    per_share: Minor,
    ceiling: Option<Minor>,
    (first, used): (NaiveDate, Minor),
) -> Result<Option<NaiveDate>, MoneyError> {
    for ahead in 0..CLOSINGS_AHEAD {
        let Some(closing) = closing_of(first.year().saturating_add(ahead)) else { break };
        let used = if ahead == 0 { used } else { Minor::ZERO };
        let served = serve(&queue, closing, per_share, ceiling, used)?;
        if served.iter().any(|(id, _)| *id == of) {
            return Ok(Some(closing));
        }
        queue.retain(|waiting| served.iter().all(|(id, _)| *id != waiting.id));
    }
    Ok(None)
}

/// Whether a policy says something that can be followed.
///
/// # Errors
/// Names every field that is not acceptable.
pub(super) fn check_policy(
    notice_months: i32,
    ceilings: (Option<Minor>, Option<Ppm>),
    decision: &str,
    mut checks: Checks,
) -> Result<(), Refusal> {
    checks.require((0..=60).contains(&notice_months), "/notice_months", "out_of_range");
    checks.require(ceilings.0.is_none_or(|most| most >= Minor::ZERO), "/ceiling/amount_minor", "out_of_range");
    checks.require(ceilings.0.is_none() || ceilings.1.is_none(), "/ceiling_rate", "not_allowed");
    checks.text(decision, "/decision", 1, 500);
    checks.done()
}

/// What is known when somebody wants to decide about a closing.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClosingFacts {
    /// The closing.
    pub closing: NaiveDate,
    /// The first day that still takes entries.
    pub first_open: Option<NaiveDate>,
    /// How many redemptions wait for this closing.
    pub waiting: usize,
}

/// Whether it may be decided what is given back at a closing: its months are closed, so its figures stay, and somebody
/// waits.
///
/// # Errors
/// 409 `closing_still_open`, `nothing_to_redeem`.
pub(super) fn check_closing(it: ClosingFacts) -> Result<(), Refusal> {
    if it.first_open.is_none_or(|first| first <= it.closing) {
        return Err(Refusal::state("closing_still_open").with("closing_on", it.closing));
    }
    if it.waiting == 0 {
        return Err(Refusal::state("nothing_to_redeem").with("closing_on", it.closing));
    }
    Ok(())
}

/// Whether a notice may be taken back on a day: until the closing at which it counts.
///
/// # Errors
/// 409 `state_conflict` unless it waits, `notice_already_due` after that closing.
pub(super) fn check_withdrawal(state: RedemptionState, due_on: NaiveDate, today: NaiveDate) -> Result<(), Refusal> {
    match state {
        RedemptionState::Noticed if today <= due_on => Ok(()),
        RedemptionState::Noticed => Err(Refusal::state("notice_already_due").with("due_on", due_on)),
        RedemptionState::Decided | RedemptionState::Paid | RedemptionState::Withdrawn => {
            Err(Refusal::state("state_conflict").with("state", state).with("command", "withdraw"))
        }
    }
}

/// Whether a bank line of an amount pays a redemption.
///
/// # Errors
/// 409 `state_conflict` unless it is decided and not paid, `redemption_amount_mismatch` for another amount.
pub(super) fn check_payment(state: RedemptionState, owed: Minor, paid: Minor) -> Result<(), Refusal> {
    match state {
        RedemptionState::Decided => {}
        RedemptionState::Noticed | RedemptionState::Paid | RedemptionState::Withdrawn => {
            return Err(Refusal::state("state_conflict").with("state", state).with("command", "pay"));
        }
    }
    if owed == paid {
        Ok(())
    } else {
        Err(Refusal::state("redemption_amount_mismatch").with("due_minor", owed.get()).with("paid_minor", paid.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// Shares by the day of payment, since when the rule holds, and the last day that they are held.
    type Case = (&'static [(&'static str, i32)], &'static str, Option<&'static str>);

    #[test]
    fn each_share_is_a_year_from_its_payment_and_early_ones_are_added() {
        let always = day("2000-01-01");
        let cases: [Case; 7] = [
            (&[], "2000-01-01", None),
            (&[("2026-05-04", 1)], "2000-01-01", Some("2027-05-03")),
            (&[("2026-05-04", 3)], "2000-01-01", Some("2029-05-03")),
            (&[("2026-05-04", 1), ("2027-01-01", 1)], "2000-01-01", Some("2028-05-03")),
            (&[("2026-05-04", 1), ("2028-01-01", 1)], "2000-01-01", Some("2028-12-31")),
            (&[("2024-02-29", 1)], "2000-01-01", Some("2025-02-27")),
            // The rule came later: what was paid before counts from the day on which shares began to lapse.
            (&[("2017-03-01", 1)], "2026-01-01", Some("2026-12-31")),
        ];
        for (paid, since, expected) in cases {
            let paid: Vec<_> = paid.iter().map(|(on, n)| (day(on), *n)).collect();
            assert_eq!(covered_through(&paid, day(since)), expected.map(day), "{paid:?}");
        }
        let paid = [(day("2026-05-04"), 1)];
        assert_eq!(currency(&paid, Some(always), day("2027-04-03")), Currency::Ending(day("2027-05-03")));
        assert_eq!(currency(&paid, Some(always), day("2027-04-04")), Currency::Current);
        assert_eq!(currency(&paid, Some(always), day("2027-05-03")), Currency::Current);
        assert_eq!(currency(&paid, Some(always), day("2027-05-04")), Currency::Lapsed(Some(day("2027-05-03"))));
        assert_eq!(currency(&paid, None, day("2090-01-01")), Currency::Current);
        assert_eq!(currency(&[], None, day("2026-01-01")), Currency::Lapsed(None));
    }

    #[test]
    fn notice_runs_to_the_next_closing_and_may_wait_for_one_more() {
        let terms = |notice_months, waits_a_closing| Terms { notice_months, waits_a_closing, ceiling: None };
        let cases = [
            ("2026-05-04", terms(0, false), "2026-12-31"),
            ("2026-12-31", terms(0, false), "2026-12-31"),
            ("2026-05-04", terms(12, false), "2027-12-31"),
            ("2026-05-04", terms(12, true), "2028-12-31"),
            ("2026-10-01", terms(3, false), "2027-12-31"),
        ];
        for (noticed, terms, expected) in cases {
            assert_eq!(first_closing(day(noticed), terms).unwrap(), day(expected), "{noticed} {terms:?}");
        }
    }

    #[test]
    fn a_share_is_worth_its_nominal_value_or_its_part_of_what_is_left() {
        let cases = [
            // Smart DE 2022: a share of 50 was worth about 40.
            ((15_000, -3_000, 0, 3), 5_000, 4_000),
            ((15_000, 0, -3_000, 3), 5_000, 4_000),
            ((15_000, 4_000_000, 0, 3), 5_000, 5_000),
            ((15_000, -3_001, 0, 3), 5_000, 3_999),
            ((15_000, -20_000, 0, 3), 5_000, 0),
            ((0, 0, 0, 0), 5_000, 0),
        ];
        for ((capital, retained, result, shares), nominal, expected) in cases {
            let net = NetAssets {
                capital: Minor::new(capital),
                retained: Minor::new(retained),
                result: Minor::new(result),
                shares,
            };
            let worth = worth(1, Minor::new(nominal), net.per_share().unwrap()).unwrap();
            assert_eq!(worth.get(), expected, "{net:?}");
        }
    }

    fn waiting(n: u128, due: &str, quantity: i32) -> Waiting {
        Waiting { id: RedemptionId(Uuid::from_u128(n)), due_on: day(due), quantity, nominal: Minor::new(5_000) }
    }

    #[test]
    fn who_gave_notice_first_is_served_first_and_nobody_overtakes() {
        let queue = vec![
            waiting(1, "2026-12-31", 1),
            waiting(2, "2027-12-31", 1),
            waiting(3, "2026-12-31", 3),
            waiting(4, "2026-12-31", 1),
        ];
        let served = |ceiling: Option<i64>, used| {
            let served =
                serve(&queue, day("2026-12-31"), Minor::new(4_000), ceiling.map(Minor::new), Minor::new(used)).unwrap();
            served.into_iter().map(|(id, amount)| (id.0.as_u128(), amount.get())).collect::<Vec<_>>()
        };
        assert_eq!(served(None, 0), [(1, 4_000), (3, 12_000), (4, 4_000)]);
        assert_eq!(served(Some(16_000), 0), [(1, 4_000), (3, 12_000)]);
        assert_eq!(served(Some(15_999), 0), [(1, 4_000)], "the fourth would fit and must not overtake the third");
        assert_eq!(served(Some(16_000), 12_001), []);
        let when = |n: u128, ceiling: Option<i64>| {
            let first = (day("2026-12-31"), Minor::ZERO);
            let id = RedemptionId(Uuid::from_u128(n));
            projected_closing(queue.clone(), id, Minor::new(4_000), ceiling.map(Minor::new), first).unwrap()
        };
        assert_eq!(when(2, None), Some(day("2027-12-31")));
        assert_eq!(when(4, Some(16_000)), Some(day("2027-12-31")));
        assert_eq!(when(4, Some(3_999)), None);
    }

    #[test]
    fn a_closing_is_decided_when_its_figures_cannot_change() {
        let facts = |first_open: Option<&str>, waiting| ClosingFacts {
            closing: day("2026-12-31"),
            first_open: first_open.map(day),
            waiting,
        };
        let code = |facts| check_closing(facts).err().map(|no| no.code);
        assert_eq!(code(facts(Some("2027-01-01"), 1)), None);
        assert_eq!(code(facts(Some("2026-12-01"), 1)), Some("closing_still_open"));
        assert_eq!(code(facts(None, 1)), Some("closing_still_open"));
        assert_eq!(code(facts(Some("2027-01-01"), 0)), Some("nothing_to_redeem"));
    }

    #[test]
    fn a_notice_is_taken_back_until_the_closing_at_which_it_counts() {
        let code = |state, today| check_withdrawal(state, day("2026-12-31"), day(today)).err().map(|no| no.code);
        assert_eq!(code(RedemptionState::Noticed, "2026-05-04"), None);
        assert_eq!(code(RedemptionState::Noticed, "2026-12-31"), None);
        assert_eq!(code(RedemptionState::Noticed, "2027-01-01"), Some("notice_already_due"));
        for state in [RedemptionState::Decided, RedemptionState::Paid, RedemptionState::Withdrawn] {
            assert_eq!(code(state, "2026-05-04"), Some("state_conflict"));
        }
    }

    #[test]
    fn a_redemption_is_paid_once_and_exactly() {
        let code = |state, paid| check_payment(state, Minor::new(4_000), Minor::new(paid)).err().map(|no| no.code);
        assert_eq!(code(RedemptionState::Decided, 4_000), None);
        assert_eq!(code(RedemptionState::Decided, 4_001), Some("redemption_amount_mismatch"));
        assert_eq!(code(RedemptionState::Noticed, 4_000), Some("state_conflict"));
        assert_eq!(code(RedemptionState::Paid, 4_000), Some("state_conflict"));
    }
}
