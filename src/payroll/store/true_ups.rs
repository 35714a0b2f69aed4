//! The SQL of true-ups, of wages that came back, and of what copyright income rests on.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Text, Uuid as SqlUuid};
use umbel_schema::{rights_proof, true_up, true_up_part, true_up_policy, wage_return};
use uuid::Uuid;

use crate::kernel::ids::{
    ActivityId, EntityId, FileId, PayoutId, PersonId, RightsProofId, TrueUpId, TrueUpPartId, TrueUpPolicyId,
};
use crate::kernel::money::{Currency, Minor};
use crate::ledger::Account;
use crate::payroll::rules::true_ups::{BorneBy, Figures, RightsProofKind, TrueUpState};
use crate::payroll::true_ups::{NewPolicy, NewProof, NewTrueUp};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::Result;

/// Who bears a difference, from a day on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = true_up_policy, check_for_backend(diesel::pg::Pg))]
pub struct PolicyRow {
    /// Its id.
    pub id: TrueUpPolicyId,
    /// Whose.
    pub entity_id: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Who bears it.
    pub borne_by: BorneBy,
    /// Over so many later payouts.
    pub instalments: i32,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub decided_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What a wage really cost.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = true_up, check_for_backend(diesel::pg::Pg))]
pub struct TrueUpRow {
    /// Its id.
    pub id: TrueUpId,
    /// Who paid.
    pub entity_id: EntityId,
    /// Who was paid.
    pub member_id: PersonId,
    /// From which activity.
    pub activity_id: ActivityId,
    /// The wage.
    pub payout_id: PayoutId,
    /// Where it stands.
    pub state: TrueUpState,
    /// Of every amount.
    pub currency: Currency,
    /// By which policy it is borne.
    pub policy_id: TrueUpPolicyId,
    /// The employer's part as it is booked.
    pub employer_booked_minor: Minor,
    /// The employee's part as it is booked.
    pub employee_booked_minor: Minor,
    /// What was withheld, as it is booked.
    pub withheld_booked_minor: Minor,
    /// The employer's part as it is.
    pub employer_actual_minor: Minor,
    /// The employee's part as it is.
    pub employee_actual_minor: Minor,
    /// What is withheld.
    pub withheld_actual_minor: Minor,
    /// The sum of the differences.
    pub difference_minor: Minor,
    /// What the payroll office wrote.
    pub evidence_id: FileId,
    /// Why.
    pub reason: String,
    /// Who brought it in.
    pub proposed_by: PersonId,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// The day it counts.
    pub booked_on: Option<NaiveDate>,
    /// When it was brought in.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

/// A part of a difference that an activity bore or got back.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = true_up_part, check_for_backend(diesel::pg::Pg))]
pub struct TrueUpPartRow {
    /// Its id.
    pub id: TrueUpPartId,
    /// Of which difference.
    pub true_up_id: TrueUpId,
    /// Its number.
    pub n: i32,
    /// The payout that took it; none when it was given back.
    pub payout_id: Option<PayoutId>,
    /// How much.
    pub amount_minor: Minor,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What lets a person be paid for copyright.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = rights_proof, check_for_backend(diesel::pg::Pg))]
pub struct ProofRow {
    /// Its id.
    pub id: RightsProofId,
    /// Whose.
    pub member_id: PersonId,
    /// Which paper.
    pub kind: RightsProofKind,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Until this day.
    pub valid_until: Option<NaiveDate>,
    /// The paper.
    pub evidence_id: FileId,
    /// Why.
    pub reason: String,
    /// Who recorded it.
    pub decided_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

pub(in crate::payroll) fn insert_policy(tx: &mut Tx<'_>, new: &NewPolicy, by: PersonId) -> Result<PolicyRow> {
    Ok(diesel::insert_into(true_up_policy::table)
        .values((
            true_up_policy::id.eq(new.id),
            true_up_policy::entity_id.eq(new.entity),
            true_up_policy::valid_from.eq(new.valid_from),
            true_up_policy::borne_by.eq(new.borne_by),
            true_up_policy::instalments.eq(new.instalments),
            true_up_policy::reason.eq(new.reason.trim()),
            true_up_policy::decided_by.eq(by),
        ))
        .returning(PolicyRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payroll) fn list_policies(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<PolicyRow>> {
    Ok(true_up_policy::table
        .filter(true_up_policy::entity_id.eq(of))
        .order(true_up_policy::valid_from.desc())
        .select(PolicyRow::as_select())
        .load(tx.conn())?)
}

pub(in crate::payroll) fn policy_on(tx: &mut Tx<'_>, of: EntityId, on: NaiveDate) -> Result<Option<PolicyRow>> {
    Ok(true_up_policy::table
        .filter(true_up_policy::entity_id.eq(of))
        .filter(true_up_policy::valid_from.le(on))
        .order(true_up_policy::valid_from.desc())
        .select(PolicyRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(in crate::payroll) fn find_policy(tx: &mut Tx<'_>, id: TrueUpPolicyId) -> Result<PolicyRow> {
    Ok(true_up_policy::table.find(id).select(PolicyRow::as_select()).first(tx.conn())?)
}

/// Who is paid by a slip, on which activity and by whom.
#[derive(Debug, Clone, Copy)]
pub(in crate::payroll) struct Wage {
    pub(in crate::payroll) entity: EntityId,
    pub(in crate::payroll) member: PersonId,
    pub(in crate::payroll) activity: ActivityId,
    pub(in crate::payroll) currency: Currency,
}

pub(in crate::payroll) fn insert_true_up(
    tx: &mut Tx<'_>,
    new: &NewTrueUp,
    (of, policy): (Wage, TrueUpPolicyId),
    (booked, actual): (Figures, Figures),
    by: PersonId,
) -> Result<TrueUpRow> {
    Ok(diesel::insert_into(true_up::table)
        .values((
            (
                true_up::id.eq(new.id),
                true_up::entity_id.eq(of.entity),
                true_up::member_id.eq(of.member),
                true_up::activity_id.eq(of.activity),
                true_up::payout_id.eq(new.payout),
                true_up::currency.eq(of.currency),
                true_up::policy_id.eq(policy),
            ),
            (
                true_up::employer_booked_minor.eq(booked.employer),
                true_up::employee_booked_minor.eq(booked.employee),
                true_up::withheld_booked_minor.eq(booked.withheld),
                true_up::employer_actual_minor.eq(actual.employer),
                true_up::employee_actual_minor.eq(actual.employee),
                true_up::withheld_actual_minor.eq(actual.withheld),
            ),
            true_up::evidence_id.eq(new.evidence),
            true_up::reason.eq(new.reason.trim()),
            true_up::proposed_by.eq(by),
        ))
        .returning(TrueUpRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payroll) fn find_true_up(tx: &mut Tx<'_>, id: TrueUpId) -> Result<TrueUpRow> {
    let mut query = true_up::table.find(id).select(TrueUpRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(true_up::member_id.eq(owner));
    }
    Ok(query.first(tx.conn())?)
}

pub(in crate::payroll) fn lock_true_up(tx: &mut Tx<'_>, id: TrueUpId) -> Result<Locked<TrueUpRow>> {
    Ok(Locked::new(true_up::table.find(id).select(TrueUpRow::as_select()).for_update().first(tx.conn())?))
}

pub(in crate::payroll) fn list_true_ups(
    tx: &mut Tx<'_>,
    state: Option<TrueUpState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<TrueUpRow>> {
    let mut query = true_up::table.order(true_up::id.desc()).limit(limit).select(TrueUpRow::as_select()).into_boxed();
    if let Some(owner) = tx.only_owner() {
        query = query.filter(true_up::member_id.eq(owner));
    }
    if let Some(state) = state {
        query = query.filter(true_up::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(true_up::id.lt(after));
    }
    Ok(query.load(tx.conn())?)
}

/// What an activity bears and has not borne in full, oldest first, locked.
pub(in crate::payroll) fn lock_open_of(tx: &mut Tx<'_>, activity: ActivityId) -> Result<Vec<TrueUpRow>> {
    Ok(true_up::table
        .filter(true_up::activity_id.eq(activity))
        .filter(true_up::state.eq(TrueUpState::Confirmed))
        .filter(true_up::difference_minor.gt(Minor::ZERO))
        .order((true_up::created_at.asc(), true_up::id.asc()))
        .select(TrueUpRow::as_select())
        .for_update()
        .load(tx.conn())?)
}

pub(in crate::payroll) fn decide_true_up(
    tx: &mut Tx<'_>,
    row: &Locked<TrueUpRow>,
    state: TrueUpState,
    by: PersonId,
    booked_on: Option<NaiveDate>,
) -> Result<TrueUpRow> {
    Ok(diesel::update(true_up::table.find(row.id))
        .set((true_up::state.eq(state), true_up::decided_by.eq(by), true_up::booked_on.eq(booked_on)))
        .returning(TrueUpRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payroll) fn insert_part(
    tx: &mut Tx<'_>,
    id: TrueUpPartId,
    of: &TrueUpRow,
    n: i32,
    (payout, amount): (Option<PayoutId>, Minor),
) -> Result<()> {
    diesel::insert_into(true_up_part::table)
        .values((
            true_up_part::id.eq(id),
            true_up_part::true_up_id.eq(of.id),
            true_up_part::n.eq(n),
            true_up_part::member_id.eq(of.member_id),
            true_up_part::payout_id.eq(payout),
            true_up_part::amount_minor.eq(amount),
        ))
        .execute(tx.conn())?;
    Ok(())
}

pub(in crate::payroll) fn list_parts(tx: &mut Tx<'_>, of: TrueUpId) -> Result<Vec<TrueUpPartRow>> {
    Ok(true_up_part::table
        .filter(true_up_part::true_up_id.eq(of))
        .order(true_up_part::n.asc())
        .select(TrueUpPartRow::as_select())
        .load(tx.conn())?)
}

/// What a payout took of earlier differences.
pub(in crate::payroll) fn list_parts_of_payout(tx: &mut Tx<'_>, payout: PayoutId) -> Result<Vec<TrueUpPartRow>> {
    Ok(true_up_part::table
        .filter(true_up_part::payout_id.eq(payout))
        .order(true_up_part::id.asc())
        .select(TrueUpPartRow::as_select())
        .load(tx.conn())?)
}

#[derive(QueryableByName)]
struct BookedRow {
    #[diesel(sql_type = BigInt, column_name = employer_minor)]
    employer: Minor,
    #[diesel(sql_type = BigInt, column_name = employee_minor)]
    employee: Minor,
    #[diesel(sql_type = BigInt, column_name = withheld_minor)]
    withheld: Minor,
}

/// What is booked of a wage now: see the view.
pub(in crate::payroll) fn booked(tx: &mut Tx<'_>, payout: PayoutId) -> Result<Figures> {
    let sql = "SELECT employer_minor, employee_minor, withheld_minor FROM wage_booked WHERE payout_id = $1";
    let row: BookedRow = diesel::sql_query(sql).bind::<SqlUuid, _>(payout).get_result(tx.conn())?;
    Ok(Figures { employer: row.employer, employee: row.employee, withheld: row.withheld })
}

#[derive(QueryableByName)]
struct TruedUpRow {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    is_trued_up: bool,
}

/// Whether differences of a wage are booked; of what is no wage, never.
pub(in crate::payroll) fn is_trued_up(tx: &mut Tx<'_>, payout: PayoutId) -> Result<bool> {
    let sql = "SELECT is_trued_up FROM wage_booked WHERE payout_id = $1";
    let row: Option<TruedUpRow> = diesel::sql_query(sql).bind::<SqlUuid, _>(payout).get_result(tx.conn()).optional()?;
    Ok(row.is_some_and(|row| row.is_trued_up))
}

pub(in crate::payroll) fn insert_return(
    tx: &mut Tx<'_>,
    (payout, member): (PayoutId, PersonId),
    back: Figures,
) -> Result<()> {
    diesel::insert_into(wage_return::table)
        .values((
            wage_return::payout_id.eq(payout),
            wage_return::member_id.eq(member),
            wage_return::social_minor.eq(back.employer.plus(back.employee)?),
            wage_return::employer_minor.eq(back.employer),
            wage_return::tax_minor.eq(back.withheld),
        ))
        .execute(tx.conn())?;
    Ok(())
}

#[derive(QueryableByName)]
struct Owed {
    #[diesel(sql_type = BigInt)]
    amount: Minor,
}

/// What is still owed of what a payout added to what is owed to an office, when payments settle the oldest first: what
/// is owed in all, less what came after it.
pub(in crate::payroll) fn unpaid_of(
    tx: &mut Tx<'_>,
    entity: EntityId,
    account: Account,
    payout: PayoutId,
) -> Result<Minor> {
    let row: Owed = diesel::sql_query(
        "SELECT (-coalesce(sum(p.amount_minor), 0) + coalesce(sum(p.amount_minor) FILTER (WHERE p.amount_minor < 0 AND e.id > r.id AND e.source_kind <> 'remittance'), 0))::bigint AS amount \
         FROM (SELECT max(id) AS id FROM journal_entry WHERE event = 'payout_released' AND source_id = $3) r \
         CROSS JOIN posting p JOIN journal_entry e ON e.id = p.entry_id WHERE e.entity_id = $1 AND p.account = $2",
    )
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(account.name())
    .bind::<SqlUuid, _>(payout)
    .get_result(tx.conn())?;
    Ok(row.amount)
}

pub(in crate::payroll) fn insert_proof(tx: &mut Tx<'_>, new: &NewProof, by: PersonId) -> Result<ProofRow> {
    Ok(diesel::insert_into(rights_proof::table)
        .values((
            rights_proof::id.eq(new.id),
            rights_proof::member_id.eq(new.member),
            rights_proof::kind.eq(new.kind),
            rights_proof::valid_from.eq(new.valid_from),
            rights_proof::valid_until.eq(new.valid_until),
            rights_proof::evidence_id.eq(new.evidence),
            rights_proof::reason.eq(new.reason.trim()),
            rights_proof::decided_by.eq(by),
        ))
        .returning(ProofRow::as_returning())
        .get_result(tx.conn())?)
}

pub(in crate::payroll) fn list_proofs(tx: &mut Tx<'_>, of: PersonId) -> Result<Vec<ProofRow>> {
    Ok(rights_proof::table
        .filter(rights_proof::member_id.eq(of))
        .order((rights_proof::valid_from.desc(), rights_proof::id.desc()))
        .select(ProofRow::as_select())
        .load(tx.conn())?)
}

/// Whether copyright income of a person is proven on a day.
pub(in crate::payroll) fn has_proof(tx: &mut Tx<'_>, of: PersonId, on: NaiveDate) -> Result<bool> {
    let holds =
        rights_proof::table.filter(rights_proof::member_id.eq(of)).filter(rights_proof::valid_from.le(on)).filter(
            rights_proof::valid_until
                .is_null()
                .or(rights_proof::valid_until.ge(on.into_sql::<diesel::sql_types::Nullable<Date>>())),
        );
    Ok(diesel::select(diesel::dsl::exists(holds)).get_result(tx.conn())?)
}
