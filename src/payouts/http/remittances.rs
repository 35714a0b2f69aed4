//! The counter for taxes and contributions: what is due, where it is paid, and what was prepared.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::batches::{BatchView, view};
use crate::access::{Administrator, Desk, Reviewer, ReviewerOrAccountant};
use crate::kernel::ids::{BankAccountId, BatchId, EntityId, PaymentAuthorityId, PersonId, RemittanceId};
use crate::kernel::money::Money;
use crate::payouts::PayoutState;
use crate::payouts::remittances::{
    self, AuthorityRow, AuthorityState, Due, Liability, NewAuthority, NewRemittance, RemittanceRow,
};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

/// Where a liability is paid from a day on.
#[derive(Debug, Serialize, ToSchema)]
struct PaymentAuthorityView {
    /// Its id.
    id: PaymentAuthorityId,
    /// Who owes it.
    entity_id: EntityId,
    /// What is owed.
    account: Liability,
    /// The office.
    name: String,
    /// Its street and number.
    street: String,
    /// Its postcode.
    postcode: String,
    /// Its town.
    town: String,
    /// Its country.
    country: String,
    /// Its account.
    iban: String,
    /// From this day on.
    valid_from: NaiveDate,
    /// How it is known.
    reason: String,
    /// Where it stands.
    state: AuthorityState,
    /// Who said it.
    proposed_by: PersonId,
    /// Who confirmed or refused it.
    decided_by: Option<PersonId>,
    /// When.
    decided_at: Option<DateTime<Utc>>,
    /// When it was said.
    created_at: DateTime<Utc>,
    /// Grows with every change.
    version: i32,
}

impl From<AuthorityRow> for PaymentAuthorityView {
    fn from(row: AuthorityRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            account: row.account,
            name: row.name,
            street: row.street,
            postcode: row.postcode,
            town: row.town,
            country: row.country,
            iban: row.iban,
            valid_from: row.valid_from,
            reason: row.reason,
            state: row.state,
            proposed_by: row.proposed_by,
            decided_by: row.decided_by,
            decided_at: row.decided_at,
            created_at: row.created_at,
            version: row.version,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProposePaymentAuthority {
    /// Made by the sender.
    id: PaymentAuthorityId,
    /// What is owed.
    account: Liability,
    /// The office, as its account is held.
    #[schema(max_length = 70)]
    name: String,
    /// Its street and number.
    #[serde(default)]
    #[schema(max_length = 70)]
    street: String,
    /// Its postcode.
    #[serde(default)]
    #[schema(max_length = 16)]
    postcode: String,
    /// Its town.
    #[schema(max_length = 35)]
    town: String,
    /// Its country, two letters.
    #[schema(min_length = 2, max_length = 2)]
    country: String,
    /// Its account.
    #[schema(max_length = 42)]
    iban: String,
    /// From this day on.
    valid_from: NaiveDate,
    /// How it is known: the letter of the office.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Says to whom an entity pays a liability from a day on. It counts when another person has confirmed it.
#[utoipa::path(tag = "remittances", params(("id" = EntityId, Path)), request_body = ProposePaymentAuthority,
    responses((status = 201, body = PaymentAuthorityView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/entities/{id}/payment_authorities")]
pub(super) async fn propose_payment_authority(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<ProposePaymentAuthority>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    command
        .create(&db, who.into(), "propose_payment_authority", "/v1/payment_authorities", move |tx, body| {
            let new = NewAuthority {
                id: body.id,
                entity,
                account: body.account,
                name: body.name,
                street: body.street,
                postcode: body.postcode,
                town: body.town,
                country: body.country,
                iban: body.iban,
                valid_from: body.valid_from,
                reason: body.reason,
            };
            remittances::propose_authority(tx, &new).map(PaymentAuthorityView::from)
        })
        .await
}

/// Lists where an entity pays and paid its liabilities, the newest first.
#[utoipa::path(tag = "remittances", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<PaymentAuthorityView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/payment_authorities")]
pub(super) async fn list_payment_authorities(
    who: Desk,
    db: Data<Db>,
    id: Path<EntityId>,
) -> Result<Json<Vec<PaymentAuthorityView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| remittances::authorities(tx, id)).await?;
    Ok(Json(rows.into_iter().map(PaymentAuthorityView::from).collect()))
}

fn load_authority(tx: &mut Tx<'_>, id: PaymentAuthorityId) -> Result<PaymentAuthorityView> {
    remittances::authority(tx, id).map(PaymentAuthorityView::from)
}

/// Shows where a liability is paid.
#[utoipa::path(tag = "remittances", params(("id" = PaymentAuthorityId, Path)), responses((status = 200, body = PaymentAuthorityView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payment_authorities/{id}")]
pub(super) async fn show_payment_authority(
    who: Desk,
    db: Data<Db>,
    id: Path<PaymentAuthorityId>,
) -> Result<Json<PaymentAuthorityView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load_authority(tx, id)).await?))
}

/// Confirms where a liability is paid, as another person than who said it.
#[utoipa::path(tag = "remittances", params(("id" = PaymentAuthorityId, Path)), request_body = Empty,
    responses((status = 200, body = PaymentAuthorityView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/payment_authorities/{id}/confirm")]
pub(super) async fn confirm_payment_authority(
    who: Administrator,
    db: Data<Db>,
    id: Path<PaymentAuthorityId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "confirm_payment_authority", id.into_inner(), load_authority, |tx, id, expected, _| {
            remittances::decide_authority(tx, id, expected, true).map(PaymentAuthorityView::from)
        })
        .await
}

/// Refuses where a liability would be paid.
#[utoipa::path(tag = "remittances", params(("id" = PaymentAuthorityId, Path)), request_body = Empty,
    responses((status = 200, body = PaymentAuthorityView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/payment_authorities/{id}/refuse")]
pub(super) async fn refuse_payment_authority(
    who: Administrator,
    db: Data<Db>,
    id: Path<PaymentAuthorityId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "refuse_payment_authority", id.into_inner(), load_authority, |tx, id, expected, _| {
            remittances::decide_authority(tx, id, expected, false).map(PaymentAuthorityView::from)
        })
        .await
}

/// What is owed to an office for a month, and what of it is paid.
#[derive(Debug, Serialize, ToSchema)]
struct RemittanceDueView {
    /// What is owed.
    account: Liability,
    /// The first day of the month in which it was booked as owed.
    period: NaiveDate,
    /// Booked as owed.
    owed: Money,
    /// Prepared, or in a batch that is not released.
    prepared: Money,
    /// Released; the bank has not shown it.
    on_the_way: Money,
    /// Carried out.
    paid: Money,
    /// What is left to prepare; below zero when more was paid than is owed by now.
    left: Money,
    /// Where it would be paid today; null while nobody confirmed it.
    authority_id: Option<PaymentAuthorityId>,
    /// The office's name.
    authority_name: Option<String>,
}

impl From<Due> for RemittanceDueView {
    fn from(it: Due) -> Self {
        let money = |amount_minor| Money { amount_minor, currency: it.row.currency };
        Self {
            account: it.row.account,
            period: it.row.period,
            owed: money(it.row.owed_minor),
            prepared: money(it.row.prepared_minor),
            on_the_way: money(it.row.on_the_way_minor),
            paid: money(it.row.paid_minor),
            left: money(it.left),
            authority_id: it.authority.as_ref().map(|authority| authority.id),
            authority_name: it.authority.map(|authority| authority.name),
        }
    }
}

/// Lists what an entity owes the offices by liability and month, the newest first, at most 200 months. Months that are paid
/// in full are left out.
#[utoipa::path(tag = "remittances", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<RemittanceDueView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/remittances_due")]
pub(super) async fn list_remittances_due(
    who: Desk,
    db: Data<Db>,
    id: Path<EntityId>,
) -> Result<Json<Vec<RemittanceDueView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| remittances::due(tx, id)).await?;
    Ok(Json(rows.into_iter().map(RemittanceDueView::from).collect()))
}

/// A payment to an office.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemittanceView {
    /// Its id.
    pub id: RemittanceId,
    /// Who pays.
    pub entity_id: EntityId,
    /// What is owed.
    pub account: Liability,
    /// The first day of the month in which it was booked as owed.
    pub period: NaiveDate,
    /// Where it is paid.
    pub authority_id: PaymentAuthorityId,
    /// How much.
    pub amount: Money,
    /// What the office should read.
    pub reference: String,
    /// What the bank carries back.
    pub end_to_end_id: String,
    /// `approved` once it is prepared, then as a payout.
    pub state: PayoutState,
    /// Its batch.
    pub batch_id: Option<BatchId>,
    /// Who prepared it.
    pub prepared_by: PersonId,
    /// When the bank carried it out.
    pub settled_on: Option<NaiveDate>,
    /// When the bank gave it back.
    pub returned_on: Option<NaiveDate>,
    /// What the bank said of it.
    pub result_reason: Option<String>,
    /// Who says that it never left.
    pub given_up_by: Option<PersonId>,
    /// What shows it.
    pub given_up_evidence: Option<String>,
    /// Who agreed.
    pub given_up_agreed_by: Option<PersonId>,
    /// When it was prepared.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

impl From<RemittanceRow> for RemittanceView {
    fn from(row: RemittanceRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            account: row.account,
            period: row.period,
            authority_id: row.authority_id,
            amount: Money { amount_minor: row.amount_minor, currency: row.currency },
            reference: row.reference,
            end_to_end_id: row.end_to_end_id,
            state: row.state,
            batch_id: row.batch_id,
            prepared_by: row.prepared_by,
            settled_on: row.settled_on,
            returned_on: row.returned_on,
            result_reason: row.result_reason,
            given_up_by: row.given_up_by,
            given_up_evidence: row.given_up_evidence,
            given_up_agreed_by: row.given_up_agreed_by,
            created_at: row.created_at,
            version: row.version,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PrepareRemittance {
    /// Made by the sender.
    id: RemittanceId,
    /// Who pays.
    entity_id: EntityId,
    /// What is owed.
    account: Liability,
    /// A day of the month in which it was booked as owed.
    period: NaiveDate,
    /// How much; all that is left of the month when it is not said.
    #[serde(default)]
    amount: Option<Money>,
    /// What the office should read: by what it knows the mutual, and the declaration. A Belgian structured communication
    /// goes into the file as one.
    #[schema(max_length = 140)]
    reference: String,
}

/// Prepares a payment to the office that is confirmed today: never more than is owed.
#[utoipa::path(tag = "remittances", params(("dry_run" = Option<bool>, Query)), request_body = PrepareRemittance,
    responses((status = 201, body = RemittanceView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/remittances")]
pub(super) async fn prepare_remittance(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    command: Command<PrepareRemittance>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "prepare_remittance", "/v1/remittances", |tx, body| {
            let new = NewRemittance {
                id: body.id,
                entity: body.entity_id,
                account: body.account,
                period: body.period,
                amount: body.amount,
                reference: body.reference,
            };
            remittances::prepare(tx, &new).map(RemittanceView::from)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RemittanceFilter {
    /// In one state.
    #[param(inline)]
    state: Option<PayoutState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists payments to offices, the newest first. Those in `unknown` and `rejected` need a person.
#[utoipa::path(tag = "remittances", params(RemittanceFilter), responses((status = 200, body = Page<RemittanceView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/remittances")]
pub(super) async fn list_remittances(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<RemittanceFilter>,
) -> Result<Json<Page<RemittanceView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "remittances", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = remittances::list(tx, filter.state, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |it| it.id.0, RemittanceView::from))
        })
        .await?;
    Ok(Json(page))
}

fn load(tx: &mut Tx<'_>, id: RemittanceId) -> Result<RemittanceView> {
    remittances::find(tx, id).map(RemittanceView::from)
}

/// Shows a payment to an office.
#[utoipa::path(tag = "remittances", params(("id" = RemittanceId, Path)), responses((status = 200, body = RemittanceView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/remittances/{id}")]
pub(super) async fn show_remittance(who: Desk, db: Data<Db>, id: Path<RemittanceId>) -> Result<Json<RemittanceView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Cancels a payment to an office that is in no batch.
#[utoipa::path(tag = "remittances", params(("id" = RemittanceId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = RemittanceView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/remittances/{id}/cancel")]
pub(super) async fn cancel_remittance(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<RemittanceId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "cancel_remittance", id.into_inner(), load, |tx, id, expected, _| {
            remittances::cancel(tx, id, expected).map(RemittanceView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BuildRemittanceBatch {
    /// Made by the sender.
    id: BatchId,
    /// Who pays.
    entity_id: EntityId,
    /// From which account of the entity; without it from the one that it had first.
    #[serde(default)]
    bank_account_id: Option<BankAccountId>,
}

/// Gathers the prepared payments to offices in a batch of their own: sealed, approved and released like a batch of payouts.
#[utoipa::path(tag = "remittances", params(("dry_run" = Option<bool>, Query)), request_body = BuildRemittanceBatch,
    responses((status = 201, body = BatchView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/remittance_batches")]
pub(super) async fn build_remittance_batch(
    who: Reviewer,
    db: Data<Db>,
    command: Command<BuildRemittanceBatch>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "build_remittance_batch", "/v1/payout_batches", |tx, body| {
            let batch = remittances::build(tx, body.id, body.entity_id, body.bank_account_id)?;
            view(tx, batch)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GiveUpRemittance {
    /// What shows that it never left: the bank's word, by whom and when.
    #[schema(max_length = 2000)]
    evidence: String,
}

/// Says that a payment of which the bank says nothing never left. Another person decides.
#[utoipa::path(tag = "remittances", params(("id" = RemittanceId, Path), ("dry_run" = Option<bool>, Query)), request_body = GiveUpRemittance,
    responses((status = 200, body = RemittanceView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/remittances/{id}/give_up")]
pub(super) async fn propose_to_give_up_remittance(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<RemittanceId>,
    command: Command<GiveUpRemittance>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "give_up_remittance", id.into_inner(), load, |tx, id, expected, body| {
            remittances::propose_give_up(tx, id, expected, &body.evidence).map(RemittanceView::from)
        })
        .await
}

/// Agrees that a payment never left, as another person than who said it: it is owed as before.
#[utoipa::path(tag = "remittances", params(("id" = RemittanceId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = RemittanceView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/remittances/{id}/agree")]
pub(super) async fn agree_to_give_up_remittance(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<RemittanceId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "agree_to_give_up_remittance", id.into_inner(), load, |tx, id, expected, _| {
            remittances::give_up(tx, id, expected).map(RemittanceView::from)
        })
        .await
}
