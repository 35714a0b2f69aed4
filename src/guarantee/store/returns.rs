//! The SQL of contributions that the fund owes to activities.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use umbel_schema::{contribution_owed, contribution_return};
use uuid::Uuid;

use crate::guarantee::NewContributionOwed;
use crate::kernel::ids::{
    ActivityId, ClientId, ContributionOwedId, ContributionReturnId, EntityId, InvoiceId, PersonId,
};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// A contribution that a credit note gave back and the fund did not hold.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = contribution_owed, check_for_backend(diesel::pg::Pg))]
pub struct ContributionOwedRow {
    /// Its id.
    pub id: ContributionOwedId,
    /// Whose fund.
    pub entity_id: EntityId,
    /// Given back by this credit note.
    pub credit_note_id: InvoiceId,
    /// Of this invoice.
    pub invoice_id: InvoiceId,
    /// To this member.
    pub member_id: PersonId,
    /// On this activity, which bore it.
    pub activity_id: ActivityId,
    /// The client of the invoice.
    pub client_id: ClientId,
    /// Of all its amounts.
    pub currency: Currency,
    /// What the fund did not hold.
    pub amount_minor: Minor,
    /// What it has returned since.
    pub returned_minor: Minor,
    /// The day of the credit note.
    pub owed_on: NaiveDate,
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = BigInt)]
    amount: Minor,
}

pub(in crate::guarantee) fn insert_owed(tx: &mut Tx<'_>, new: &NewContributionOwed) -> Result<()> {
    let id: ContributionOwedId = tx.new_id();
    diesel::insert_into(contribution_owed::table)
        .values((
            contribution_owed::id.eq(id),
            contribution_owed::entity_id.eq(new.entity),
            contribution_owed::credit_note_id.eq(new.credit_note),
            contribution_owed::invoice_id.eq(new.invoice),
            contribution_owed::member_id.eq(new.member),
            contribution_owed::activity_id.eq(new.activity),
            contribution_owed::client_id.eq(new.client),
            contribution_owed::currency.eq(new.currency),
            contribution_owed::amount_minor.eq(new.amount),
            contribution_owed::owed_on.eq(new.on),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// What the fund owes in all, whoever asks.
pub(in crate::guarantee) fn sum_owed(tx: &mut Tx<'_>, entity: EntityId) -> Result<Minor> {
    let sum: Sum = diesel::sql_query("SELECT contributions_owed($1) AS amount")
        .bind::<SqlUuid, _>(entity)
        .get_result(tx.conn())?;
    Ok(sum.amount)
}

/// What credit notes of an invoice gave back beyond what the fund held, returned since or not.
pub(in crate::guarantee) fn sum_owed_of(tx: &mut Tx<'_>, invoice: InvoiceId) -> Result<Minor> {
    let amounts: Vec<Minor> = contribution_owed::table
        .filter(contribution_owed::invoice_id.eq(invoice))
        .select(contribution_owed::amount_minor)
        .load(tx.conn())?;
    Ok(Minor::sum(amounts)?)
}

/// What is not returned yet, the oldest first; equal days in the order of their ids.
pub(in crate::guarantee) fn list_open_owed(
    tx: &mut Tx<'_>,
    entity: EntityId,
    limit: i64,
) -> Result<Vec<ContributionOwedRow>> {
    Ok(contribution_owed::table
        .filter(contribution_owed::entity_id.eq(entity))
        .filter(contribution_owed::returned_minor.lt(contribution_owed::amount_minor))
        .order((contribution_owed::owed_on.asc(), contribution_owed::id.asc()))
        .limit(limit)
        .select(ContributionOwedRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::guarantee) fn list_owed(
    tx: &mut Tx<'_>,
    is_open: bool,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ContributionOwedRow>> {
    let mut query = contribution_owed::table
        .order(contribution_owed::id.desc())
        .limit(limit)
        .select(ContributionOwedRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(contribution_owed::member_id.eq(owner));
    }
    if is_open {
        query = query.filter(contribution_owed::returned_minor.lt(contribution_owed::amount_minor));
    }
    if let Some(after) = after {
        query = query.filter(contribution_owed::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(in crate::guarantee) fn insert_return(
    tx: &mut Tx<'_>,
    id: ContributionReturnId,
    owed: &ContributionOwedRow,
    amount: Minor,
    on: NaiveDate,
) -> Result<()> {
    diesel::insert_into(contribution_return::table)
        .values((
            contribution_return::id.eq(id),
            contribution_return::owed_id.eq(owed.id),
            contribution_return::entity_id.eq(owed.entity_id),
            contribution_return::member_id.eq(owed.member_id),
            contribution_return::currency.eq(owed.currency),
            contribution_return::amount_minor.eq(amount),
            contribution_return::returned_on.eq(on),
        ))
        .execute(tx.conn())?;
    Ok(())
}
