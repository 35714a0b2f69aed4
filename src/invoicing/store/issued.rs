//! An issued document as those see it who bring it to its client: invoice or credit note alike.

use diesel::prelude::*;
use serde_json::Value;
use umbel_schema::invoice;

use super::super::rules::InvoiceState;
use super::PartySnapshot;
use crate::kernel::ids::{EntityId, InvoiceId, PersonId};
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
