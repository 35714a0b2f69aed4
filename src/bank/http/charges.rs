//! The counter for what banks charge, and for lines about payouts that a person names.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super as bank;
use super::super::{ChargeRow, ChargeState};
use super::matching::on_line;
use super::statements::LineView;
use crate::access::{Desk, Reviewer, ReviewerOrAccountant};
use crate::kernel::ids::{BankChargeId, BankLineId, EntityId, PayoutId, PersonId, RemittanceId};
use crate::kernel::money::Money;
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(
    charge_bank_line,
    match_payout_with_bank_line,
    match_remittance_with_bank_line,
    list_bank_charges,
    show_bank_charge,
    agree_to_bank_charge,
    refuse_bank_charge,
    reverse_bank_charge,
);

/// What a bank took, or paid when it is below zero.
#[derive(Debug, Serialize, ToSchema)]
struct BankChargeView {
    /// Its id.
    id: BankChargeId,
    /// Whose account.
    entity_id: EntityId,
    /// With which line.
    bank_line_id: BankLineId,
    /// The payout with whose line it was taken; none when the line is the charge.
    payout_id: Option<PayoutId>,
    /// How much.
    amount: Money,
    /// What for.
    reason: String,
    /// Where it stands.
    state: ChargeState,
    /// Who said that it is one.
    proposed_by: PersonId,
    /// Who agreed or refused, where two are needed.
    decided_by: Option<PersonId>,
    /// On which day it counts.
    booked_on: Option<NaiveDate>,
    /// Who undid it.
    reversed_by: Option<PersonId>,
    /// On which day that counts.
    reversed_on: Option<NaiveDate>,
    /// Why.
    reversal_reason: Option<String>,
    /// When it was said.
    created_at: DateTime<Utc>,
    /// Grows with every change.
    version: i32,
}

impl From<ChargeRow> for BankChargeView {
    fn from(it: ChargeRow) -> Self {
        Self {
            id: it.id,
            entity_id: it.entity_id,
            bank_line_id: it.bank_line_id,
            payout_id: it.payout_id,
            amount: Money { amount_minor: it.amount_minor, currency: it.currency },
            reason: it.reason,
            state: it.state,
            proposed_by: it.proposed_by,
            decided_by: it.decided_by,
            booked_on: it.booked_on,
            reversed_by: it.reversed_by,
            reversed_on: it.reversed_on,
            reversal_reason: it.reversal_reason,
            created_at: it.created_at,
            version: it.version,
        }
    }
}

fn load(tx: &mut Tx<'_>, id: BankChargeId) -> Result<BankChargeView> {
    bank::charge(tx, id).map(BankChargeView::from)
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChargeBankLine {
    /// Of the charge; made by the sender.
    id: BankChargeId,
    /// What the bank took it for, or paid it for.
    #[schema(max_length = 500)]
    reason: String,
}

/// Books a line as a charge of the bank, or as interest when it came in. Above 50.00 another person has to agree; until then
/// the line waits.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path), ("dry_run" = Option<bool>, Query)), request_body = ChargeBankLine,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/bank_lines/{id}/charge")]
async fn charge_bank_line(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<ChargeBankLine>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("charge_bank_line", id.into_inner()), |tx, id, expected, body| {
        bank::charge_line(tx, id, expected, body.id, &body.reason)
    })
    .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MatchPayout {
    /// The payout that the line carried out, or gave back.
    payout_id: PayoutId,
    /// Of the charge, when the bank kept something on the way; made by the sender.
    charge_id: BankChargeId,
    /// How it is known; for a payout that came back, what its member reads.
    #[schema(max_length = 300)]
    reason: String,
}

/// Matches a line with a payout that it does not name, or not with our name for it. What is missing or too much is what the
/// bank kept, up to 50.00.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path), ("dry_run" = Option<bool>, Query)), request_body = MatchPayout,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/bank_lines/{id}/match_payout")]
async fn match_payout_with_bank_line(
    who: Reviewer,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<MatchPayout>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("match_payout_with_bank_line", id.into_inner()), |tx, id, expected, body| {
        bank::match_payout(tx, id, expected, (body.payout_id, body.charge_id), &body.reason)
    })
    .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MatchRemittance {
    /// The remittance that the line carried out, or gave back.
    remittance_id: RemittanceId,
    /// How it is known.
    #[schema(max_length = 300)]
    reason: String,
}

/// Matches a line with a remittance that it does not name, or not with our name for it. The amounts have to be the same.
#[utoipa::path(tag = "bank", params(("id" = BankLineId, Path), ("dry_run" = Option<bool>, Query)), request_body = MatchRemittance,
    responses((status = 200, body = LineView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/bank_lines/{id}/match_remittance")]
async fn match_remittance_with_bank_line(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<BankLineId>,
    command: Command<MatchRemittance>,
) -> Result<HttpResponse> {
    on_line(command, &db, who.into(), ("match_remittance_with_bank_line", id.into_inner()), |tx, id, expected, body| {
        bank::match_remittance(tx, id, expected, body.remittance_id, &body.reason)
    })
    .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ChargeFilter {
    /// In one state.
    #[param(inline)]
    state: Option<ChargeState>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists what banks charged, the newest first.
#[utoipa::path(tag = "bank", params(ChargeFilter), responses((status = 200, body = Page<BankChargeView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_charges")]
async fn list_bank_charges(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<ChargeFilter>,
) -> Result<Json<Page<BankChargeView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "bank_charges", &filter, filter.limit, filter.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = bank::charges(tx, filter.state, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |it| it.id.0, BankChargeView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a charge.
#[utoipa::path(tag = "bank", params(("id" = BankChargeId, Path)), responses((status = 200, body = BankChargeView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_charges/{id}")]
async fn show_bank_charge(who: Desk, db: Data<Db>, id: Path<BankChargeId>) -> Result<Json<BankChargeView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Agrees that a line is a charge, as another person than who said so, and books it.
#[utoipa::path(tag = "bank", params(("id" = BankChargeId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = BankChargeView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/bank_charges/{id}/agree")]
async fn agree_to_bank_charge(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<BankChargeId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "agree_to_bank_charge", id.into_inner(), load, |tx, id, expected, _body| {
            bank::decide_charge(tx, id, expected, true).map(BankChargeView::from)
        })
        .await
}

/// Refuses a charge that another person proposed: its line waits as before.
#[utoipa::path(tag = "bank", params(("id" = BankChargeId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = BankChargeView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/bank_charges/{id}/refuse")]
async fn refuse_bank_charge(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<BankChargeId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "refuse_bank_charge", id.into_inner(), load, |tx, id, expected, _body| {
            bank::decide_charge(tx, id, expected, false).map(BankChargeView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReverseBankCharge {
    /// Why it was none.
    #[schema(max_length = 500)]
    reason: String,
}

/// Undoes a charge that was none: the money of its line waits again.
#[utoipa::path(tag = "bank", params(("id" = BankChargeId, Path), ("dry_run" = Option<bool>, Query)), request_body = ReverseBankCharge,
    responses((status = 200, body = BankChargeView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/bank_charges/{id}/reverse")]
async fn reverse_bank_charge(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<BankChargeId>,
    command: Command<ReverseBankCharge>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "reverse_bank_charge", id.into_inner(), load, |tx, id, expected, body| {
            bank::reverse_charge(tx, id, expected, &body.reason).map(BankChargeView::from)
        })
        .await
}
