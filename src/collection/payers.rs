//! How enterprises pay across members, so that nobody learns the hard way what another knows already.
//!
//! Only enterprises, by their VAT or enterprise number; never private persons. A record is published at the end of a
//! month about the invoices that were paid since the one before, and only when they are of at least [`MEMBERS_MIN`]
//! members; otherwise they wait for the next month. So sets never overlap, no difference of two records is about fewer
//! members, and the figures are rounded. What a record suggests is advice: nothing follows from it by itself.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::rules::TrackKind;
use super::store;
pub use super::store::PayerRow;
use crate::clients::ClientRow;
use crate::kernel::ids::{ClientId, EntityId};
use crate::kernel::money::{Money, Ppm};
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::{charter, clients};

/// Of how many members a set must be.
pub const MEMBERS_MIN: usize = 5;
/// One member's invoices are at most one in so many.
const MOST_OF_ONE: usize = 3;
/// Days are rounded to these.
const DAYS_STEP: i32 = 5;
/// Numbers of invoices are rounded down to these.
const INVOICES_STEP: usize = 5;
/// Shares are rounded to twentieths.
const SHARE_STEP: i64 = 50_000;

/// The figures of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Of how many members.
    pub members: i32,
    /// How many invoices, at least.
    pub invoices: i32,
    /// Half of them were paid at most so many days after the last day to pay.
    pub median_days: i32,
    /// Nine tenths of them.
    pub p90_days: i32,
    /// How many of them late, in parts per million.
    pub late_ppm: i64,
}

crate::named! {
    /// Why something is suggested.
    AdviceReason {
        /// Not enough members have been paid by this client.
        NotEnoughMembers = "not_enough_members",
        /// A private person: nothing is recorded.
        Consumer = "consumer",
        /// It pays in time, as a rule.
        PaysInTime = "pays_in_time",
        /// It often pays late.
        OftenLate = "often_late",
        /// It pays very late, or nearly always late.
        VeryLate = "very_late",
    }
}

/// What a record suggests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// Why.
    pub reason: AdviceReason,
    /// To ask for before the work, of the price.
    pub deposit: Ppm,
    /// What the client should owe at most, if that can be said.
    pub limit: Option<Money>,
}

fn rounded(days: i32) -> i32 {
    let half = DAYS_STEP.div_euclid(2);
    days.saturating_add(half).div_euclid(DAYS_STEP).saturating_mul(DAYS_STEP)
}

/// The figures of a set: of each invoice its member and the days after the last day to pay. None for too few members.
pub(super) fn figures(paid: &[(crate::kernel::ids::PersonId, i32)]) -> Option<Figures> {
    let members: BTreeSet<_> = paid.iter().map(|(member, _)| *member).collect();
    if members.len() < MEMBERS_MIN {
        return None;
    }
    // Where most invoices are one member's, the figures would be that member's business with this client.
    let most = members.iter().map(|member| paid.iter().filter(|(of, _)| *of == *member).count()).max()?;
    if most.checked_mul(MOST_OF_ONE)? > paid.len() {
        return None;
    }
    let mut days: Vec<i32> = paid.iter().map(|(_, days)| *days).collect();
    days.sort_unstable();
    // Nearest rank: the smallest value that so many tenths do not exceed.
    let rank = |tenths: usize| {
        let at = days.len().checked_mul(tenths)?.div_ceil(10).checked_sub(1)?;
        days.get(at).copied()
    };
    let late = i64::try_from(days.iter().filter(|days| **days > 0).count()).ok()?;
    let count = i64::try_from(days.len()).ok()?;
    let twentieths = late.checked_mul(40)?.checked_add(count)?.checked_div(count.checked_mul(2)?)?;
    Some(Figures {
        members: i32::try_from(members.len()).ok()?,
        invoices: i32::try_from(days.len().checked_div(INVOICES_STEP)?.checked_mul(INVOICES_STEP)?).ok()?,
        median_days: rounded(rank(5)?),
        p90_days: rounded(rank(9)?),
        late_ppm: twentieths.checked_mul(SHARE_STEP)?,
    })
}

/// What a record suggests: a deposit and how much of the ordinary limit.
fn advice(row: &PayerRow, limit: Money) -> Result<Advice> {
    let (reason, deposit, share) = if row.late_ppm >= 750_000 || row.median_days >= 45 {
        (AdviceReason::VeryLate, Ppm(500_000), Ppm(250_000))
    } else if row.late_ppm >= 300_000 || row.median_days >= 15 {
        (AdviceReason::OftenLate, Ppm(300_000), Ppm(500_000))
    } else {
        (AdviceReason::PaysInTime, Ppm(0), Ppm(Ppm::WHOLE))
    };
    let limit = Money { amount_minor: limit.amount_minor.share(share)?, currency: limit.currency };
    Ok(Advice { reason, deposit, limit: Some(limit) })
}

/// By what an enterprise is known across members.
fn payer(client: &ClientRow) -> Option<String> {
    if TrackKind::from(client.kind) == TrackKind::Consumer {
        return None;
    }
    let by_number = client.enterprise_number.as_ref().map(|number| format!("{}{number}", client.country));
    client.vat_number.clone().or(by_number)
}

/// Publishes the records of a month that is over. Answers how many.
///
/// # Errors
/// Fails with the database.
pub fn publish(tx: &mut Tx<'_>, entity: EntityId, month_end: NaiveDate) -> Result<usize> {
    let paid = store::list_paid(tx, entity, month_end)?;
    let mut done = 0_usize;
    for set in paid.chunk_by(|left, right| left.payer == right.payer) {
        let of: Vec<_> = set.iter().map(|row| (row.member_id, row.days_late)).collect();
        let (Some(figures), Some(first)) = (figures(&of), set.first()) else { continue };
        let from = first.after_on.and_then(|after| after.succ_opt()).unwrap_or(first.known_on);
        store::insert_record(tx, (entity, &first.payer), (from, month_end), figures)?;
        done = done.saturating_add(1);
    }
    Ok(done)
}

/// How a client pays across members, and what that suggests.
///
/// # Errors
/// 404 for a client of somebody else.
pub fn record(tx: &mut Tx<'_>, id: ClientId) -> Result<(Option<PayerRow>, Advice)> {
    let client = clients::client(tx, id)?;
    let none = |reason| Advice { reason, deposit: Ppm(0), limit: None };
    let Some(payer) = payer(&client) else {
        let is_consumer = TrackKind::from(client.kind) == TrackKind::Consumer;
        let reason = if is_consumer { AdviceReason::Consumer } else { AdviceReason::NotEnoughMembers };
        return Ok((None, none(reason)));
    };
    let Some(row) = store::latest_record(tx, &payer)? else {
        return Ok((None, none(AdviceReason::NotEnoughMembers)));
    };
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let today = tx.today(zone);
    let rules = charter::rule_set_on(tx, row.entity_id, today)?;
    let limit = Money { amount_minor: rules.client_limit_minor, currency: rules.currency };
    let advice = advice(&row, limit)?;
    Ok((Some(row), advice))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::kernel::ids::PersonId;

    fn of(paid: &[(u128, i32)]) -> Option<Figures> {
        let paid: Vec<_> = paid.iter().map(|(who, days)| (PersonId(Uuid::from_u128(*who)), *days)).collect();
        figures(&paid)
    }

    #[test]
    fn four_members_say_nothing_and_five_say_it_rounded() {
        assert_eq!(of(&[(1, 3), (2, 3), (3, 3), (4, 3), (4, 3), (1, 9)]), None);
        let five = of(&[(1, -4), (2, 0), (3, 12), (4, 13), (5, 40), (5, 41)]).unwrap();
        let expected = Figures { members: 5, invoices: 5, median_days: 10, p90_days: 40, late_ppm: 650_000 };
        assert_eq!(five, expected, "four of six late: two thirds, to the nearest twentieth");
    }

    #[test]
    fn days_are_rounded_to_fives_on_both_sides_of_nothing() {
        let seen: Vec<i32> = [-8, -7, -3, -2, 0, 2, 3, 7, 8].into_iter().map(rounded).collect();
        assert_eq!(seen, [-10, -5, -5, 0, 0, 0, 5, 5, 10]);
    }
}
