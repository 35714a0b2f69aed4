//! The SQL of gathering a batch.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use umbel_schema::payout;

use super::BatchRow;
use crate::kernel::ids::{PayoutId, PersonId};
use crate::kernel::money::Minor;
use crate::kernel::schemes::Method;
use crate::payouts::rules::PayoutState;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// A payout that a batch could take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// Which.
    pub id: PayoutId,
    /// What would be sent.
    pub sent: Minor,
}

/// Locks the approved payouts of the entity that fit, do not wait for a person and that no other batch is taking at this
/// moment, the oldest first.
pub(in crate::payouts) fn lock_free(
    tx: &mut Tx<'_>,
    batch: &BatchRow,
    held: &[PayoutId],
    before: Option<DateTime<Utc>>,
    scheme: Option<Method>,
    member: Option<PersonId>,
) -> Result<Vec<Free>> {
    let rows: Vec<(PayoutId, Minor, Option<Minor>)> = payout::table
        .filter(payout::entity_id.eq(batch.entity_id))
        .filter(payout::state.eq(PayoutState::Approved))
        .filter(payout::currency.eq(batch.currency))
        .filter(payout::id.ne_all(held))
        .filter(before.map_or_else(any, |before| -> Condition { Box::new(payout::created_at.lt(before)) }))
        .filter(scheme.map_or_else(any, |scheme| -> Condition { Box::new(payout::scheme.eq(scheme)) }))
        .filter(member.map_or_else(any, |member| -> Condition { Box::new(payout::member_id.eq(member)) }))
        .order((payout::created_at.asc(), payout::id.asc()))
        .select((payout::id, payout::amount_minor, payout::net_minor))
        .for_update()
        .skip_locked()
        .load(tx.conn())?;
    Ok(rows.into_iter().map(|(id, amount, net)| Free { id, sent: net.unwrap_or(amount) }).collect())
}

/// A condition on payouts that is known only when the program runs. A boxed query cannot lock its rows.
type Condition = Box<dyn BoxableExpression<payout::table, diesel::pg::Pg, SqlType = Bool>>;

/// A condition that every payout meets.
fn any() -> Condition {
    Box::new(diesel::dsl::sql::<Bool>("true"))
}

pub(in crate::payouts) fn take(tx: &mut Tx<'_>, batch: &BatchRow, taken: &[PayoutId]) -> Result<()> {
    super::change_items(tx, taken, PayoutState::Batched, Some(batch.id))
}

/// How many approved payouts of the entity are in no batch and wait for nobody, and their sum.
pub(in crate::payouts) fn count_free(tx: &mut Tx<'_>, batch: &BatchRow, held: &[PayoutId]) -> Result<(i64, Minor)> {
    let sum = diesel::dsl::sql::<BigInt>("coalesce(sum(coalesce(net_minor, amount_minor)), 0)::bigint");
    Ok(payout::table
        .filter(payout::entity_id.eq(batch.entity_id))
        .filter(payout::state.eq(PayoutState::Approved))
        .filter(payout::currency.eq(batch.currency))
        .filter(payout::id.ne_all(held))
        .select((diesel::dsl::count_star(), sum))
        .first(tx.conn())?)
}
