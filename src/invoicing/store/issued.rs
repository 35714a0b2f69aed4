//! An issued document as those see it who bring it to its client: invoice or credit note alike.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Uuid as SqlUuid};
use serde_json::Value;
use umbel_schema::invoice;

use super::super::rules::InvoiceState;
use super::PartySnapshot;
use crate::kernel::ids::{BankAccountId, ClientId, EntityId, InvoiceId, PersonId};
use crate::kernel::money::{Currency, Minor};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// An issued invoice or credit note.
#[derive(Debug, Clone)]
pub struct IssuedDocument {
    /// Its id.
    pub id: InvoiceId,
    /// Who issued it.
    pub entity: EntityId,
    /// Whose work it is.
    pub member: PersonId,
    /// Its number.
    pub number: String,
    /// Where mail for the buyer goes.
    pub email: String,
    /// Where the Peppol network reaches the buyer, if it does.
    pub participant: Option<String>,
}

pub(in crate::invoicing) fn find_issued(tx: &mut Tx<'_>, id: InvoiceId) -> Result<IssuedDocument> {
    type Row = (EntityId, PersonId, InvoiceState, Option<String>, Option<Value>);
    let mut query = invoice::table
        .find(id)
        .select((invoice::entity_id, invoice::member_id, invoice::state, invoice::number, invoice::buyer_snapshot))
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(invoice::member_id.eq(owner));
    }
    let (entity, member, state, number, buyer): Row = query.first(tx.conn())?;
    match (number, buyer) {
        (Some(number), Some(buyer)) => {
            let buyer: PartySnapshot = serde_json::from_value(buyer)?;
            let participant = buyer.participant().map(|it| it.to_string());
            Ok(IssuedDocument { id, entity, member, number, email: buyer.email, participant })
        }
        _ => Err(Error::state_conflict(state, "deliver")),
    }
}

/// Our account to which an issued invoice is paid.
pub(in crate::invoicing) fn account_of(tx: &mut Tx<'_>, id: InvoiceId) -> Result<BankAccountId> {
    let account: Option<BankAccountId> = invoice::table.find(id).select(invoice::bank_account_id).first(tx.conn())?;
    account.ok_or_else(Error::not_found)
}

/// An issued invoice with something to pay.
#[derive(Debug, Clone, QueryableByName)]
pub struct UnpaidInvoice {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: InvoiceId,
    /// Its number.
    #[diesel(sql_type = Text)]
    pub number: String,
    /// Its structured reference, digits alone.
    #[diesel(sql_type = Text)]
    pub payment_reference: String,
    /// Who pays.
    #[diesel(sql_type = SqlUuid)]
    pub client_id: ClientId,
    /// What they were called when it was issued.
    #[diesel(sql_type = Text)]
    pub client_name: String,
    /// Still to pay.
    #[diesel(sql_type = BigInt)]
    pub open_minor: Minor,
}

pub(in crate::invoicing) fn list_unpaid(
    tx: &mut Tx<'_>,
    entity: EntityId,
    currency: Currency,
    limit: i64,
) -> Result<Vec<UnpaidInvoice>> {
    Ok(diesel::sql_query(
        "SELECT i.id, i.number, coalesce(i.payment_reference, '') AS payment_reference, i.client_id, \
                coalesce(i.buyer_snapshot ->> 'name', '') AS client_name, o.open_minor \
         FROM invoice_open o JOIN invoice i ON i.id = o.invoice_id \
         WHERE o.entity_id = $1 AND i.currency = $2 AND o.open_minor > 0 ORDER BY i.due_on, i.issued_on, i.seq LIMIT $3",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(currency)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())?)
}

pub(in crate::invoicing) fn list_clients_of(tx: &mut Tx<'_>, invoices: &[InvoiceId]) -> Result<Vec<ClientId>> {
    Ok(invoice::table.filter(invoice::id.eq_any(invoices)).select(invoice::client_id).distinct().load(tx.conn())?)
}
