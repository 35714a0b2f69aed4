//! The SQL of the register of shares, and of who holds what.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Integer, Nullable, Text, Uuid as SqlUuid};
use umbel_schema::{member, payee_account, person, share};
use uuid::Uuid;

use super::{MemberRow, PayeeAccountRow, ShareRow};
use crate::kernel::ids::{EntityId, PayeeAccountId, PersonId};
use crate::kernel::money::{Currency, Minor};
use crate::members::{MemberState, ShareState};
use crate::platform::db::Tx;
use crate::platform::error::Result;

/// Which part of the register.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegisterFilter {
    /// Of one entity.
    pub entity: Option<EntityId>,
    /// Of one member.
    pub member: Option<PersonId>,
    /// In one state.
    pub state: Option<ShareState>,
}

/// A line of the register.
#[derive(Debug, Clone, Queryable)]
pub struct Registered {
    /// The shares.
    pub share: ShareRow,
    /// The number of their member.
    pub member_number: i64,
    /// The name of their member.
    pub member_name: String,
}

/// What lines of the register come to: what was given back counts as such, whatever became of the rest.
#[derive(Debug, Clone, QueryableByName)]
pub struct RegisterTotal {
    /// Of which entity.
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: EntityId,
    /// In which currency.
    #[diesel(sql_type = Text)]
    pub currency: Currency,
    /// In which state.
    #[diesel(sql_type = Text)]
    pub state: ShareState,
    /// How many shares.
    #[diesel(sql_type = BigInt)]
    pub quantity: i64,
    /// What they cost.
    #[diesel(sql_type = BigInt)]
    pub amount_minor: Minor,
}

/// A member, and shares that they paid and have not given back.
#[derive(Debug, Clone, QueryableByName)]
pub struct HeldShare {
    /// The member.
    #[diesel(sql_type = SqlUuid)]
    pub member_id: PersonId,
    /// Where the membership stands.
    #[diesel(sql_type = Text)]
    pub state: MemberState,
    /// When they paid; none for a member without a share.
    #[diesel(sql_type = Nullable<Date>)]
    pub paid_on: Option<NaiveDate>,
    /// How many.
    #[diesel(sql_type = Nullable<Integer>)]
    pub quantity: Option<i32>,
}

pub(in crate::members) fn list_register(
    tx: &mut Tx<'_>,
    filter: &RegisterFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Registered>> {
    let mut query = share::table
        .inner_join(member::table.inner_join(person::table))
        .order(share::id.desc())
        .limit(limit)
        .select((ShareRow::as_select(), member::number, person::name))
        .into_boxed();
    if let Some(entity) = filter.entity {
        query = query.filter(share::entity_id.eq(entity));
    }
    if let Some(of) = filter.member {
        query = query.filter(share::member_id.eq(of));
    }
    if let Some(state) = filter.state {
        query = query.filter(share::state.eq(state));
    }
    if let Some(owner) = tx.only_owner() {
        query = query.filter(share::member_id.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(share::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

pub(in crate::members) fn sum_register(tx: &mut Tx<'_>, filter: &RegisterFilter) -> Result<Vec<RegisterTotal>> {
    Ok(diesel::sql_query(
        "SELECT s.entity_id, s.currency::text AS currency, x.state, sum(x.quantity)::bigint AS quantity, \
                sum(x.quantity * s.nominal_minor)::bigint AS amount_minor \
         FROM share s CROSS JOIN LATERAL (VALUES (s.state, s.quantity - s.redeemed_quantity), ('redeemed', s.redeemed_quantity)) \
              x (state, quantity) \
         WHERE x.quantity > 0 AND ($1 IS NULL OR s.entity_id = $1) AND ($2 IS NULL OR s.member_id = $2) \
           AND ($3 IS NULL OR x.state = $3) \
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    )
    .bind::<Nullable<SqlUuid>, _>(filter.entity)
    .bind::<Nullable<SqlUuid>, _>(filter.member)
    .bind::<Nullable<Text>, _>(filter.state.map(ShareState::name))
    .load(tx.conn())?)
}

pub(in crate::members) fn list_held_shares(
    tx: &mut Tx<'_>,
    entity: EntityId,
    only: Option<PersonId>,
) -> Result<Vec<HeldShare>> {
    let only = tx.only_owner().or(only);
    Ok(diesel::sql_query(
        "SELECT m.id AS member_id, m.state, s.paid_on, s.quantity - s.redeemed_quantity AS quantity FROM member m \
         LEFT JOIN share s ON s.member_id = m.id AND s.state IN ('paid', 'redeeming') \
         WHERE m.entity_id = $1 AND m.state IN ('active', 'inactive') AND ($2 IS NULL OR m.id = $2) \
         ORDER BY m.id, s.paid_on, s.id",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Nullable<SqlUuid>, _>(only)
    .load(tx.conn())?)
}

pub(in crate::members) fn list_members_of(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<MemberRow>> {
    let mut query = member::table
        .filter(member::entity_id.eq(entity))
        .filter(member::state.ne(MemberState::PendingShare))
        .order(member::id.asc())
        .select(MemberRow::as_select())
        .into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(member::id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

/// Members by their ids, in no order.
pub(in crate::members) fn list_members_by(tx: &mut Tx<'_>, ids: &[PersonId]) -> Result<Vec<MemberRow>> {
    let mut query = member::table.filter(member::id.eq_any(ids)).select(MemberRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(member::id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}

/// Accounts by their ids, in no order.
pub(in crate::members) fn list_payee_accounts(tx: &mut Tx<'_>, ids: &[PayeeAccountId]) -> Result<Vec<PayeeAccountRow>> {
    let mut query =
        payee_account::table.filter(payee_account::id.eq_any(ids)).select(PayeeAccountRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(payee_account::person_id.eq(owner));
    }
    Ok(query.load(tx.conn())?)
}
