//! The SQL of what an approver is shown.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::BatchRow;
use crate::kernel::ids::{BatchId, PayoutId};
use crate::kernel::money::Minor;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// What is remarkable about a payout of a batch.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct ItemFlags {
    /// The payout.
    #[diesel(sql_type = SqlUuid)]
    pub id: PayoutId,
    /// Its payee was never paid before into this account.
    #[diesel(sql_type = Bool)]
    pub is_new: bool,
    /// The last payout of its payee that was released went to another account.
    #[diesel(sql_type = Bool)]
    pub is_changed: bool,
}

/// What is remarkable about each payout of a batch.
const FLAGS: &str = "SELECT p.id, \
        NOT EXISTS (SELECT FROM payout o JOIN payee_account c ON c.id = o.payee_account_id \
                    WHERE o.member_id = p.member_id AND o.state = 'settled' AND c.iban_index = a.iban_index) AS is_new, \
        coalesce((SELECT c.iban_index <> a.iban_index FROM payout o JOIN payout_batch b ON b.id = o.batch_id \
                  JOIN payee_account c ON c.id = o.payee_account_id \
                  WHERE o.member_id = p.member_id AND b.state = 'released' AND b.id <> p.batch_id \
                  ORDER BY b.released_at DESC, o.id DESC LIMIT 1), false) AS is_changed \
     FROM payout p JOIN payee_account a ON a.id = p.payee_account_id WHERE p.batch_id = $1";

/// Which payouts of a batch are asked for: all of them, where nothing is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which {
    /// Only those whose payee is new, or is not.
    pub is_new: Option<bool>,
    /// Only those whose payee was paid elsewhere the last time, or was not.
    pub is_changed: Option<bool>,
    /// Only those after this one in the order of the file.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: Option<i64>,
}

/// The payouts of a batch with what is remarkable about them, in the order of the file.
pub(in crate::payouts) fn item_flags(tx: &mut Tx<'_>, of: BatchId, which: Which) -> Result<Vec<ItemFlags>> {
    let sql = format!(
        "SELECT id, is_new, is_changed FROM ({FLAGS} AND ($2 IS NULL OR p.id > $2)) f \
         WHERE ($3 IS NULL OR is_new = $3) AND ($4 IS NULL OR is_changed = $4) ORDER BY id LIMIT $5"
    );
    Ok(diesel::sql_query(sql)
        .bind::<SqlUuid, _>(of)
        .bind::<Nullable<SqlUuid>, _>(which.after)
        .bind::<Nullable<Bool>, _>(which.is_new)
        .bind::<Nullable<Bool>, _>(which.is_changed)
        .bind::<Nullable<BigInt>, _>(which.limit)
        .load(tx.conn())?)
}

/// How many payouts a batch has, and how many of them are remarkable.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct ItemCounts {
    /// All of them.
    #[diesel(sql_type = BigInt)]
    pub all: i64,
    /// Their payees were never paid before into their account.
    #[diesel(sql_type = BigInt)]
    pub new: i64,
    /// Their payees were paid into another account the last time.
    #[diesel(sql_type = BigInt)]
    pub changed: i64,
}

pub(in crate::payouts) fn count_items(tx: &mut Tx<'_>, of: BatchId) -> Result<ItemCounts> {
    let sql = format!(
        "SELECT count(*) AS all, count(*) FILTER (WHERE is_new) AS new, count(*) FILTER (WHERE is_changed) AS changed FROM ({FLAGS}) f"
    );
    Ok(diesel::sql_query(sql).bind::<SqlUuid, _>(of).get_result(tx.conn())?)
}

/// The batch that was released last, to compare with.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Compared {
    /// Which one.
    #[diesel(sql_type = SqlUuid)]
    pub id: BatchId,
    /// When it was released.
    #[diesel(sql_type = Timestamptz)]
    pub released_at: DateTime<Utc>,
    /// How many payouts it had.
    #[diesel(sql_type = BigInt)]
    pub payout_count: i64,
    /// Their sum.
    #[diesel(sql_type = BigInt)]
    pub total_minor: Minor,
    /// How many people it paid.
    #[diesel(sql_type = BigInt)]
    pub payee_count: i64,
    /// How many of them the batch at hand pays too.
    #[diesel(sql_type = BigInt)]
    pub payees_again: i64,
}

pub(in crate::payouts) fn last_released(tx: &mut Tx<'_>, batch: &BatchRow) -> Result<Option<Compared>> {
    Ok(diesel::sql_query(
        "WITH last AS (SELECT id, released_at FROM payout_batch WHERE entity_id = $1 AND state = 'released' AND id <> $2 \
                       ORDER BY released_at DESC, id DESC LIMIT 1) \
         SELECT l.id, l.released_at, count(*) AS payout_count, sum(coalesce(p.net_minor, p.amount_minor))::bigint AS total_minor, \
            count(DISTINCT p.member_id) AS payee_count, count(DISTINCT p.member_id) FILTER (WHERE EXISTS \
                (SELECT FROM payout o WHERE o.batch_id = $2 AND o.member_id = p.member_id)) AS payees_again \
         FROM last l JOIN payout p ON p.batch_id = l.id GROUP BY l.id, l.released_at",
    )
    .bind::<SqlUuid, _>(batch.entity_id)
    .bind::<SqlUuid, _>(batch.id)
    .get_result(tx.conn())
    .optional()?)
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = Nullable<BigInt>)]
    amount: Option<Minor>,
}

/// What was released from the account of a batch and the bank has not shown yet; not the batch itself.
pub(in crate::payouts) fn on_the_way(tx: &mut Tx<'_>, batch: &BatchRow) -> Result<Minor> {
    let sum: Sum = diesel::sql_query(
        "SELECT sum(w.amount)::bigint AS amount FROM ( \
            SELECT -g.amount_minor AS amount FROM posting g JOIN payout p ON p.id = g.payout_id \
            JOIN payout_batch b ON b.id = p.batch_id \
            WHERE g.account = 'payouts_in_transit' AND b.bank_account_id = $1 AND b.id <> $2 \
            UNION ALL SELECT r.amount_minor FROM remittance r JOIN payout_batch b ON b.id = r.batch_id \
            WHERE r.state IN ('released', 'unknown') AND b.bank_account_id = $1 AND b.id <> $2) w",
    )
    .bind::<SqlUuid, _>(batch.bank_account_id)
    .bind::<SqlUuid, _>(batch.id)
    .get_result(tx.conn())?;
    Ok(sum.amount.unwrap_or_default())
}
