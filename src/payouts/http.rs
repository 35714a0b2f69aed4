//! The counter for payouts.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::PayoutState;
use super::store::{PayoutFilter, PayoutRow};
use crate::access::{Member, MemberOrDesk, Reviewer};
use crate::kernel::ids::{ActivityId, BatchId, EntityId, PayoutId, PersonId};
use crate::kernel::money::Money;
use crate::kernel::schemes::Method;
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

mod batches;
mod holds;
mod limits;
mod policy;
mod preview;
mod remittances;
mod results;
mod slips;
mod views;

use batches::{
    __path_approve_batch, __path_build_batch, __path_dissolve_batch, __path_download_batch_file,
    __path_list_batch_items, __path_list_batches, __path_release_batch, __path_remove_payout_from_batch,
    __path_seal_batch, __path_show_batch, __path_unseal_batch, approve_batch, build_batch, dissolve_batch,
    download_batch_file, list_batch_items, list_batches, release_batch, remove_payout_from_batch, seal_batch,
    show_batch, unseal_batch,
};
pub use batches::{BatchSummary, BatchView};
use holds::{__path_hold_payout, hold_payout};
use limits::{__path_decide_bank_limit, __path_list_bank_limits, decide_bank_limit, list_bank_limits};
use policy::{
    __path_agree_to_approval_amount, __path_decide_approval_amount, __path_decide_batch_policy,
    __path_list_approval_amounts, __path_list_batch_policies, agree_to_approval_amount, decide_approval_amount,
    decide_batch_policy, list_approval_amounts, list_batch_policies,
};
use preview::{__path_preview_batch, preview_batch};
pub use remittances::RemittanceView;
use remittances::{
    __path_agree_to_give_up_remittance, __path_build_remittance_batch, __path_cancel_remittance,
    __path_confirm_payment_authority, __path_list_payment_authorities, __path_list_remittances,
    __path_list_remittances_due, __path_prepare_remittance, __path_propose_payment_authority,
    __path_propose_to_give_up_remittance, __path_refuse_payment_authority, __path_show_payment_authority,
    __path_show_remittance, agree_to_give_up_remittance, build_remittance_batch, cancel_remittance,
    confirm_payment_authority, list_payment_authorities, list_remittances, list_remittances_due, prepare_remittance,
    propose_payment_authority, propose_to_give_up_remittance, refuse_payment_authority, show_payment_authority,
    show_remittance,
};
use results::{
    __path_agree_to_payout_decision, __path_assign_payout, __path_close_payout, __path_import_payment_report,
    __path_list_payment_reports, __path_list_payout_decisions, __path_list_payout_desk, __path_propose_payout_decision,
    __path_refuse_payout_decision, __path_show_payment_report, agree_to_payout_decision, assign_payout, close_payout,
    import_payment_report, list_payment_reports, list_payout_decisions, list_payout_desk, propose_payout_decision,
    refuse_payout_decision, show_payment_report,
};
use slips::{__path_download_payslip, __path_show_pay_slip, download_payslip, show_pay_slip};
pub use views::{ApprovalView, BatchItemView, TextInFileView};

crate::endpoints!(
    request_payout,
    list_payouts,
    show_payout,
    approve_payout,
    refuse_payout,
    cancel_payout,
    hold_payout,
    show_pay_slip,
    download_payslip,
    build_batch,
    list_batches,
    show_batch,
    list_batch_items,
    remove_payout_from_batch,
    seal_batch,
    unseal_batch,
    dissolve_batch,
    approve_batch,
    release_batch,
    download_batch_file,
    preview_batch,
    import_payment_report,
    list_payment_reports,
    show_payment_report,
    list_payout_desk,
    assign_payout,
    close_payout,
    propose_payout_decision,
    list_payout_decisions,
    agree_to_payout_decision,
    refuse_payout_decision,
    decide_approval_amount,
    list_approval_amounts,
    agree_to_approval_amount,
    decide_batch_policy,
    list_batch_policies,
    decide_bank_limit,
    list_bank_limits,
    propose_payment_authority,
    list_payment_authorities,
    show_payment_authority,
    confirm_payment_authority,
    refuse_payment_authority,
    list_remittances_due,
    prepare_remittance,
    list_remittances,
    show_remittance,
    cancel_remittance,
    build_remittance_batch,
    propose_to_give_up_remittance,
    agree_to_give_up_remittance,
);

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RequestPayout {
    /// Made by the sender.
    id: PayoutId,
    /// From which activity.
    activity_id: ActivityId,
    /// How much of the activity's money: all that the pay costs.
    amount: Money,
    /// Of it, paid beside the wage: per diem, mileage, exempt amounts.
    #[serde(default)]
    beside_wage: Option<Money>,
    /// Of it, paid for copyright.
    #[serde(default)]
    copyright: Option<Money>,
}

/// A payout.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayoutView {
    /// Its id.
    pub id: PayoutId,
    /// Grows with every change.
    pub version: i32,
    /// `requested`, `approved`, `refused`, `cancelled`, `batched`, `released`, `settled` or `returned`; `rejected` or
    /// `unknown` while somebody looks after it; `confirmed`, `replaced` or `given_back` once two people decided.
    pub state: PayoutState,
    /// Who pays.
    pub entity_id: EntityId,
    /// Who is paid.
    pub member_id: PersonId,
    /// From which activity.
    pub activity_id: ActivityId,
    /// How it becomes pay: `plain_transfer` or `salary`; a reviewer's approval decides.
    pub scheme: Method,
    /// The budget.
    pub amount: Money,
    /// Of it, paid beside the wage.
    pub beside_wage: Money,
    /// Of it, paid for copyright.
    pub copyright: Money,
    /// What is sent to the person; of a wage it is known once it is approved.
    pub net: Option<Money>,
    /// What the bank carries back.
    pub end_to_end_id: String,
    /// Its batch.
    pub batch_id: Option<BatchId>,
    /// Who reviewed it.
    pub reviewed_by: Option<PersonId>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// When the bank carried it out.
    pub settled_on: Option<NaiveDate>,
    /// When the bank gave it back.
    pub returned_on: Option<NaiveDate>,
    /// Why.
    pub return_reason: Option<String>,
    /// Who looks after one on the desk.
    pub desk_owner_id: Option<PersonId>,
    /// The payout in whose place it is sent.
    pub replaces_id: Option<PayoutId>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

impl From<PayoutRow> for PayoutView {
    fn from(row: PayoutRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            entity_id: row.entity_id,
            member_id: row.member_id,
            activity_id: row.activity_id,
            scheme: row.scheme,
            amount: Money { amount_minor: row.amount_minor, currency: row.currency },
            beside_wage: Money { amount_minor: row.beside_minor, currency: row.currency },
            copyright: Money { amount_minor: row.rights_minor, currency: row.currency },
            net: row.reviewed_at.map(|_| Money { amount_minor: row.sent(), currency: row.currency }),
            end_to_end_id: row.end_to_end_id,
            batch_id: row.batch_id,
            reviewed_by: row.reviewed_by,
            reason: row.reason,
            settled_on: row.settled_on,
            returned_on: row.returned_on,
            return_reason: row.return_reason,
            desk_owner_id: row.desk_owner_id,
            replaces_id: row.replaces_id,
            created_at: row.created_at,
        }
    }
}

fn load(tx: &mut Tx<'_>, id: PayoutId) -> Result<PayoutView> {
    super::find(tx, id).map(PayoutView::from)
}

/// Asks for a payout. The money is set aside at once, or the answer is no.
#[utoipa::path(tag = "payouts", params(("dry_run" = Option<bool>, Query)), request_body = RequestPayout,
    responses((status = 201, body = PayoutView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/payouts")]
async fn request_payout(who: Member, db: Data<Db>, command: Command<RequestPayout>) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "request_payout", "/v1/payouts", |tx, body| {
            super::request(tx, body.id, body.activity_id, body.amount, (body.beside_wage, body.copyright))
                .map(PayoutView::from)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PayoutQuery {
    /// Only in this state.
    #[param(inline)]
    state: Option<PayoutState>,
    /// Only from this activity.
    activity_id: Option<ActivityId>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists payouts, newest first.
#[utoipa::path(tag = "payouts", params(PayoutQuery), responses((status = 200, body = Page<PayoutView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payouts")]
async fn list_payouts(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<PayoutQuery>,
) -> Result<Json<Page<PayoutView>>> {
    let query = query.0;
    let filter = PayoutFilter { state: query.state, activity_id: query.activity_id };
    let listing = Listing::new(&keys, who.person(), "payouts", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, PayoutView::from))
        })
        .await?;
    Ok(Json(page))
}

/// A payout with what bank files say of its payee.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayoutDetail {
    /// Its row.
    #[serde(flatten)]
    pub payout: PayoutView,
    /// What each file that was sealed with it says, beside what is known; the newest first.
    pub texts_in_files: Vec<TextInFileView>,
}

/// Shows a payout.
#[utoipa::path(tag = "payouts", params(("id" = PayoutId, Path)), responses((status = 200, body = PayoutDetail)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payouts/{id}")]
async fn show_payout(who: MemberOrDesk, db: Data<Db>, id: Path<PayoutId>) -> Result<Json<PayoutDetail>> {
    let id = id.into_inner();
    let found = db.write(who.into(), move |tx| {
        let payout = load(tx, id)?;
        let texts = super::texts_in_files(tx, id)?;
        Ok(PayoutDetail { payout, texts_in_files: texts.into_iter().map(TextInFileView::from).collect() })
    });
    found.await.map(Json)
}

/// Approves a payout of somebody else and freezes the account it goes to.
#[utoipa::path(tag = "payouts", params(("id" = PayoutId, Path), ("dry_run" = Option<bool>, Query)), request_body = Empty,
    responses((status = 200, body = PayoutView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payouts/{id}/approve")]
async fn approve_payout(
    who: Reviewer,
    db: Data<Db>,
    id: Path<PayoutId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "approve_payout", id.into_inner(), load, |tx, id, expected, _| {
            super::approve(tx, id, expected).map(PayoutView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefusePayout {
    /// What the member should know.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Refuses a payout of somebody else, with the reason; its money is available again.
#[utoipa::path(tag = "payouts", params(("id" = PayoutId, Path)), request_body = RefusePayout,
    responses((status = 200, body = PayoutView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payouts/{id}/refuse")]
async fn refuse_payout(
    who: Reviewer,
    db: Data<Db>,
    id: Path<PayoutId>,
    command: Command<RefusePayout>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "refuse_payout", id.into_inner(), load, |tx, id, expected, body| {
            super::refuse(tx, id, expected, &body.reason).map(PayoutView::from)
        })
        .await
}

/// Takes a payout back before it is in a batch.
#[utoipa::path(tag = "payouts", params(("id" = PayoutId, Path)), request_body = Empty,
    responses((status = 200, body = PayoutView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/payouts/{id}/cancel")]
async fn cancel_payout(who: Member, db: Data<Db>, id: Path<PayoutId>, command: Command<Empty>) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "cancel_payout", id.into_inner(), load, |tx, id, expected, _| {
            super::cancel(tx, id, expected).map(PayoutView::from)
        })
        .await
}
