//! The SQL of what banks charge.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use umbel_schema::bank_charge;
use uuid::Uuid;

use crate::kernel::ids::{BankChargeId, BankLineId, EntityId, PayoutId, PersonId};
use crate::kernel::money::{Currency, Minor};
use crate::named;
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

named! {
    /// Where a charge stands.
    ChargeState {
        /// It waits for another person.
        Proposed = "proposed",
        /// In the books.
        Booked = "booked",
        /// Another person said no.
        Refused = "refused",
        /// It was none; its line waits again.
        Reversed = "reversed",
    }
}

/// What a bank took, or paid when it is below zero.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = bank_charge, check_for_backend(diesel::pg::Pg))]
pub struct ChargeRow {
    /// Its id.
    pub id: BankChargeId,
    /// Whose account.
    pub entity_id: EntityId,
    /// With which line.
    pub bank_line_id: BankLineId,
    /// The payout with whose line it was taken; none when the line is the charge.
    pub payout_id: Option<PayoutId>,
    /// How much.
    pub amount_minor: Minor,
    /// Of the amount.
    pub currency: Currency,
    /// What for.
    pub reason: String,
    /// Where it stands.
    pub state: ChargeState,
    /// Who said that it is one.
    pub proposed_by: PersonId,
    /// Who agreed or refused, where two are needed.
    pub decided_by: Option<PersonId>,
    /// On which day it counts.
    pub booked_on: Option<NaiveDate>,
    /// Who undid it.
    pub reversed_by: Option<PersonId>,
    /// On which day that counts.
    pub reversed_on: Option<NaiveDate>,
    /// Why.
    pub reversal_reason: Option<String>,
    /// When it was said.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

pub(in crate::bank) fn insert_charge(tx: &mut Tx<'_>, row: &ChargeRow) -> Result<()> {
    diesel::insert_into(bank_charge::table).values(row).execute(tx.conn())?;
    Ok(())
}

pub(in crate::bank) fn find_charge(tx: &mut Tx<'_>, id: BankChargeId) -> Result<ChargeRow> {
    Ok(bank_charge::table.find(id).select(ChargeRow::as_select()).first(tx.conn())?)
}

pub(in crate::bank) fn lock_charge(tx: &mut Tx<'_>, id: BankChargeId) -> Result<Locked<ChargeRow>> {
    let row = bank_charge::table.find(id).select(ChargeRow::as_select()).for_update().first(tx.conn())?;
    Ok(Locked::new(row))
}

pub(in crate::bank) fn save_charge(tx: &mut Tx<'_>, row: Locked<ChargeRow>, changed: &ChargeRow) -> Result<ChargeRow> {
    Ok(diesel::update(bank_charge::table.find(row.into_inner().id))
        .set((
            bank_charge::state.eq(changed.state),
            bank_charge::decided_by.eq(changed.decided_by),
            bank_charge::booked_on.eq(changed.booked_on),
            bank_charge::reversed_by.eq(changed.reversed_by),
            bank_charge::reversed_on.eq(changed.reversed_on),
            bank_charge::reversal_reason.eq(&changed.reversal_reason),
        ))
        .returning(ChargeRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::bank) fn list_charges(
    tx: &mut Tx<'_>,
    state: Option<ChargeState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ChargeRow>> {
    let mut query =
        bank_charge::table.order(bank_charge::id.desc()).limit(limit).select(ChargeRow::as_select()).into_boxed();
    if let Some(state) = state {
        query = query.filter(bank_charge::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(bank_charge::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}
