//! The SQL of what banks take in one file.

use chrono::NaiveDate;
use diesel::prelude::*;
use umbel_schema::bank_limit;

use crate::kernel::ids::{BankAccountId, BankLimitId, PersonId};
use crate::kernel::money::Minor;
use crate::payouts::limits::NewLimit;
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// What a bank takes in one file from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = bank_limit, check_for_backend(diesel::pg::Pg))]
pub struct LimitRow {
    /// Its id.
    pub id: BankLimitId,
    /// Of which account.
    pub bank_account_id: BankAccountId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// So many payouts at most; any number where there is none.
    pub payouts_max: Option<i32>,
    /// So much at most; any sum where there is none.
    pub total_max_minor: Option<Minor>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub decided_by: PersonId,
}

pub(in crate::payouts) fn insert(tx: &mut Tx<'_>, new: &NewLimit, by: PersonId) -> Result<LimitRow> {
    Ok(diesel::insert_into(bank_limit::table)
        .values((
            bank_limit::id.eq(new.id),
            bank_limit::bank_account_id.eq(new.account),
            bank_limit::valid_from.eq(new.valid_from),
            bank_limit::payouts_max.eq(new.payouts_max),
            bank_limit::total_max_minor.eq(new.total_max.map(|total| total.amount_minor)),
            bank_limit::reason.eq(&new.reason),
            bank_limit::decided_by.eq(by),
        ))
        .returning(LimitRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payouts) fn find(tx: &mut Tx<'_>, of: BankAccountId, day: NaiveDate) -> Result<Option<LimitRow>> {
    Ok(bank_limit::table
        .filter(bank_limit::bank_account_id.eq(of))
        .filter(bank_limit::valid_from.le(day))
        .order((bank_limit::valid_from.desc(), bank_limit::seq.desc()))
        .select(LimitRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(in crate::payouts) fn list(tx: &mut Tx<'_>, of: BankAccountId) -> Result<Vec<LimitRow>> {
    Ok(bank_limit::table
        .filter(bank_limit::bank_account_id.eq(of))
        .order(bank_limit::seq.asc())
        .select(LimitRow::as_select())
        .load(tx.conn())?)
}
