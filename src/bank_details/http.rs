//! The counter for changes of bank details. Nobody of the office can write an IBAN here.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::store::{CallbackRow, ChangeFilter, PolicyRow};
use super::{BankDetailState, EndedHow, Known, NameCheck};
use crate::access::http::DoneView;
use crate::access::{self, Administrator, BatchDesk, Desk, Member, MemberOrDesk, Passwords, Shown, Visitor};
use crate::kernel::ids::{
    BankDetailChangeId, BankDetailPolicyId, CallbackId, EntityId, PayeeAccountId, PersonId, SessionId,
};
use crate::members::PayeeAccountRow;
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};

crate::endpoints!(
    ask_for_bank_details,
    list_bank_detail_changes,
    show_bank_detail_change,
    cancel_bank_detail_change,
    cancel_bank_detail_change_by_code,
    refuse_bank_detail_change,
    record_callback,
    confirm_callback,
    ask_member_for_bank_details,
    decide_bank_detail_policy,
    list_bank_detail_policies,
);

/// An account, as much of it as is shown.
#[derive(Debug, Serialize, ToSchema)]
struct AccountSide {
    /// Its id.
    id: PayeeAccountId,
    /// In whose name the bank keeps it.
    holder: String,
    /// The country of the IBAN.
    iban_country: String,
    /// The last four characters of the IBAN.
    iban_last4: String,
    /// When it was given.
    since: DateTime<Utc>,
}

impl From<PayeeAccountRow> for AccountSide {
    fn from(row: PayeeAccountRow) -> Self {
        Self {
            id: row.id,
            holder: row.holder,
            iban_country: row.iban_country,
            iban_last4: row.iban_last4,
            since: row.created_at,
        }
    }
}

/// What the bank of the new account says about the name.
#[derive(Debug, Serialize, ToSchema)]
struct NameCheckView {
    /// `match`, `close_match`, `no_match`, `not_available` or `unknown`.
    outcome: NameCheck,
    /// In which name the account is, when it fits nearly.
    name: Option<String>,
    /// When it said so.
    at: DateTime<Utc>,
}

/// The call of the urgent path.
#[derive(Debug, Serialize, ToSchema)]
struct CallbackView {
    /// Its id.
    id: CallbackId,
    /// The number that was called.
    phone: String,
    /// What was said.
    note: String,
    /// Who called.
    recorded_by: PersonId,
    /// When.
    recorded_at: DateTime<Utc>,
    /// Who stands for it beside the caller.
    confirmed_by: Option<PersonId>,
    /// When.
    confirmed_at: Option<DateTime<Utc>>,
}

impl From<CallbackRow> for CallbackView {
    fn from(row: CallbackRow) -> Self {
        Self {
            id: row.id,
            phone: row.phone,
            note: row.note,
            recorded_by: row.recorded_by,
            recorded_at: row.recorded_at,
            confirmed_by: row.confirmed_by,
            confirmed_at: row.confirmed_at,
        }
    }
}

/// A change of bank details: the old account and the new one side by side.
#[derive(Debug, Serialize, ToSchema)]
struct BankDetailChangeView {
    /// Its id.
    id: BankDetailChangeId,
    /// Grows with every change.
    version: i32,
    /// `requested`, `cooling`, `active`, `cancelled` or `refused`.
    state: BankDetailState,
    /// Whose.
    member_id: PersonId,
    /// Of which entity.
    entity_id: EntityId,
    /// The account that was live when it was asked for; it stays payable until the new one is active.
    old: Option<AccountSide>,
    /// The new account.
    new: AccountSide,
    /// Who asked: always the member.
    requested_by: PersonId,
    /// When.
    requested_at: DateTime<Utc>,
    /// Whole hours since then.
    age_hours: i64,
    /// Which proof was fresh: `password`, or `second_factor` where the member has one.
    proof: String,
    /// On which device.
    session_id: SessionId,
    /// What that device calls itself.
    device: String,
    /// From which address.
    address: String,
    /// How long it cools, in hours.
    cooling_hours: i32,
    /// From when on it may be active: as many hours after the last change of mail, number or password.
    active_from: DateTime<Utc>,
    /// What the bank says about the name; absent until it was asked.
    name_check: Option<NameCheckView>,
    /// The call of the urgent path.
    callback: Option<CallbackView>,
    /// Whether somebody else is, or was, paid to the same IBAN; for the office alone.
    iban_used_elsewhere: Option<bool>,
    /// When the member last changed an address, a number or a password; for the office alone.
    contact_changed_at: Option<DateTime<Utc>>,
    /// The numbers that may be called; for the office alone.
    callback_numbers: Option<Vec<String>>,
    /// When it ended.
    ended_at: Option<DateTime<Utc>>,
    /// Who ended it.
    ended_by: Option<PersonId>,
    /// By what it ended: `time`, `call_back`, `code`, `member` or `office`.
    ended_how: Option<EndedHow>,
    /// Why it was refused.
    reason: Option<String>,
}

fn view(tx: &Tx<'_>, known: Known) -> BankDetailChangeView {
    let row = known.change;
    BankDetailChangeView {
        id: row.id,
        version: row.version,
        state: row.state,
        member_id: row.member_id,
        entity_id: row.entity_id,
        old: known.old.map(AccountSide::from),
        new: AccountSide {
            id: row.new_account_id,
            holder: row.holder,
            iban_country: row.iban_country,
            iban_last4: row.iban_last4,
            since: row.requested_at,
        },
        requested_by: row.member_id,
        requested_at: row.requested_at,
        age_hours: tx.now().signed_duration_since(row.requested_at).num_hours(),
        proof: row.proof,
        session_id: row.session_id,
        device: known.device,
        address: row.address,
        cooling_hours: row.cooling_hours,
        active_from: known.due,
        name_check: known.name_check.map(|row| NameCheckView { outcome: row.outcome, name: row.name, at: row.at }),
        callback: known.callback.map(CallbackView::from),
        iban_used_elsewhere: known.is_iban_elsewhere,
        contact_changed_at: known.contact_changed_at,
        callback_numbers: known.numbers,
        ended_at: row.ended_at,
        ended_by: row.ended_by,
        ended_how: row.ended_how,
        reason: row.reason,
    }
}

fn load(tx: &mut Tx<'_>, id: BankDetailChangeId) -> Result<BankDetailChangeView> {
    let known = super::find(tx, id)?;
    Ok(view(tx, known))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskForBankDetails {
    /// Made by the sender.
    id: BankDetailChangeId,
    /// The IBAN to be paid to.
    #[schema(max_length = 42)]
    iban: String,
    /// In whose name the bank keeps it.
    #[schema(max_length = 70)]
    holder: String,
    /// Your password, as a fresh proof.
    #[schema(max_length = 256)]
    current_password: String,
    /// A code of your authenticator, or a recovery code; needed where you have one.
    #[serde(default)]
    #[schema(max_length = 40)]
    code: Option<String>,
}

/// Asks to be paid to another account. Every address of mail that you have or had is told; the old account stays
/// payable for 72 hours at least.
#[utoipa::path(tag = "bank_details", request_body = AskForBankDetails, responses((status = 201, body = BankDetailChangeView)),
    extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/bank_detail_changes")]
async fn ask_for_bank_details(
    who: Member,
    db: Data<Db>,
    keys: Data<Keys>,
    passwords: Data<Passwords>,
    command: Command<AskForBankDetails>,
) -> Result<HttpResponse> {
    let actor: Actor = who.into();
    let shown = Shown { password: command.body.current_password.clone(), code: command.body.code.clone() };
    let proof = access::prove(&db, &passwords, actor.clone(), shown).await?;
    let outcome = command
        .create(&db, actor.clone(), "ask_for_bank_details", "/v1/bank_detail_changes", move |tx, body| {
            super::ask(tx, &keys, &proof, body.id, body.iban, body.holder)?;
            load(tx, body.id)
        })
        .await;
    access::factors::counted(&db, actor, outcome).await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ChangeQuery {
    /// Only in this state.
    #[param(inline)]
    state: Option<BankDetailState>,
    /// Only of this member.
    member_id: Option<PersonId>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists changes of bank details, newest first: your own, or all of them for the office.
#[utoipa::path(tag = "bank_details", params(ChangeQuery), responses((status = 200, body = Page<BankDetailChangeView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_detail_changes")]
async fn list_bank_detail_changes(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<ChangeQuery>,
) -> Result<Json<Page<BankDetailChangeView>>> {
    let query = query.0;
    let filter = ChangeFilter { state: query.state, member_id: query.member_id };
    let listing =
        Listing::new(&keys, who.person(), "bank_detail_changes", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |known| known.change.id.0, |known| view(tx, known)))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a change of bank details, old and new side by side.
#[utoipa::path(tag = "bank_details", params(("id" = BankDetailChangeId, Path)), responses((status = 200, body = BankDetailChangeView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_detail_changes/{id}")]
async fn show_bank_detail_change(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<BankDetailChangeId>,
) -> Result<Json<BankDetailChangeView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Calls your change off; the old account stays.
#[utoipa::path(tag = "bank_details", params(("id" = BankDetailChangeId, Path)), request_body = Empty,
    responses((status = 200, body = BankDetailChangeView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/bank_detail_changes/{id}/cancel")]
async fn cancel_bank_detail_change(
    who: Member,
    db: Data<Db>,
    id: Path<BankDetailChangeId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "cancel_bank_detail_change", id.into_inner(), load, |tx, id, expected, _| {
            super::cancel(tx, id, expected)?;
            load(tx, id)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CancelByCode {
    /// From the notice: sixteen letters and digits; case, blanks and hyphens do not matter.
    #[schema(max_length = 64)]
    code: String,
}

/// Calls a change off with the code of a notice, without signing in. The answer does not tell whether there was one.
#[utoipa::path(tag = "bank_details", request_body = CancelByCode, responses((status = 200, body = DoneView)), security(()),
    extensions(("x-roles" = json!([]))))]
#[post("/v1/bank_detail_cancellations")]
async fn cancel_bank_detail_change_by_code(
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    command: Command<CancelByCode>,
) -> Result<HttpResponse> {
    command
        .run(&db, visitor.with_link(), "cancel_bank_detail_change_by_code", move |tx, body| {
            super::cancel_by_code(tx, &keys, &body.code)?;
            Ok(DoneView { done: true })
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefuseBankDetails {
    /// What the member should know.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// Turns a change of somebody else down; the old account stays.
#[utoipa::path(tag = "bank_details", params(("id" = BankDetailChangeId, Path)), request_body = RefuseBankDetails,
    responses((status = 200, body = BankDetailChangeView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/bank_detail_changes/{id}/refuse")]
async fn refuse_bank_detail_change(
    who: BatchDesk,
    db: Data<Db>,
    id: Path<BankDetailChangeId>,
    command: Command<RefuseBankDetails>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "refuse_bank_detail_change", id.into_inner(), load, |tx, id, expected, body| {
            super::refuse(tx, id, expected, &body.reason)?;
            load(tx, id)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecordCallback {
    /// Made by the sender.
    id: CallbackId,
    /// The number that was called: one that the member has had for 30 days.
    #[schema(min_length = 3, max_length = 40)]
    phone: String,
    /// Who answered, and what was said.
    #[schema(min_length = 1, max_length = 2000)]
    note: String,
}

/// Notes a call to the member about their new account; it counts when another person confirms it.
#[utoipa::path(tag = "bank_details", params(("id" = BankDetailChangeId, Path)), request_body = RecordCallback,
    responses((status = 200, body = BankDetailChangeView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/bank_detail_changes/{id}/record_callback")]
async fn record_callback(
    who: BatchDesk,
    db: Data<Db>,
    id: Path<BankDetailChangeId>,
    command: Command<RecordCallback>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "record_callback", id.into_inner(), load, |tx, id, expected, body| {
            super::record_callback(tx, (id, expected), body.id, &body.phone, &body.note)?;
            load(tx, id)
        })
        .await
}

/// Stands for the call beside who made it: the new account need not cool any longer.
#[utoipa::path(tag = "bank_details", params(("id" = BankDetailChangeId, Path)), request_body = Empty,
    responses((status = 200, body = BankDetailChangeView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/bank_detail_changes/{id}/confirm_callback")]
async fn confirm_callback(
    who: BatchDesk,
    db: Data<Db>,
    id: Path<BankDetailChangeId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "confirm_callback", id.into_inner(), load, |tx, id, expected, _| {
            super::confirm_callback(tx, id, expected)?;
            load(tx, id)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskMember {
    /// What the member reads.
    #[schema(min_length = 1, max_length = 2000)]
    message: String,
}

/// Asks a member by mail to look after their bank details themselves.
#[utoipa::path(tag = "bank_details", params(("id" = PersonId, Path)), request_body = AskMember,
    responses((status = 200, body = DoneView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/members/{id}/ask_bank_details")]
async fn ask_member_for_bank_details(
    who: BatchDesk,
    db: Data<Db>,
    id: Path<PersonId>,
    command: Command<AskMember>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .run(&db, who.into(), "ask_member_for_bank_details", move |tx, body| {
            super::ask_member(tx, id, &body.message)?;
            Ok(DoneView { done: true })
        })
        .await
}

/// How long new accounts wait, from a day on.
#[derive(Debug, Serialize, ToSchema)]
struct BankDetailPolicyView {
    /// Its id.
    id: BankDetailPolicyId,
    /// Of which entity.
    entity_id: EntityId,
    /// From this day on.
    valid_from: NaiveDate,
    /// Hours.
    cooling_hours: i32,
    /// Why.
    reason: String,
    /// Who decided.
    decided_by: PersonId,
    /// When it was written down.
    created_at: DateTime<Utc>,
}

impl From<PolicyRow> for BankDetailPolicyView {
    fn from(row: PolicyRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            valid_from: row.valid_from,
            cooling_hours: row.cooling_hours,
            reason: row.reason,
            decided_by: row.decided_by,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecidePolicy {
    /// Made by the sender.
    id: BankDetailPolicyId,
    /// From this day on, today at the earliest.
    valid_from: NaiveDate,
    /// Hours, 72 to 720.
    cooling_hours: i32,
    /// Why.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// Decides how long new accounts wait from a day on: never less than 72 hours.
#[utoipa::path(tag = "bank_details", params(("id" = EntityId, Path)), request_body = DecidePolicy,
    responses((status = 201, body = BankDetailPolicyView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/bank_detail_policies")]
async fn decide_bank_detail_policy(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<DecidePolicy>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    command
        .create(&db, who.into(), "decide_bank_detail_policy", "/v1/bank_detail_policies", move |tx, body| {
            let what = (body.valid_from, body.cooling_hours);
            super::decide_policy(tx, (body.id, entity), what, &body.reason).map(BankDetailPolicyView::from)
        })
        .await
}

/// Shows how long new accounts of an entity wait, newest decision first.
#[utoipa::path(tag = "bank_details", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<BankDetailPolicyView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/bank_detail_policies")]
async fn list_bank_detail_policies(
    who: Desk,
    db: Data<Db>,
    id: Path<EntityId>,
) -> Result<Json<Vec<BankDetailPolicyView>>> {
    let entity = id.into_inner();
    let rows = db.write(who.into(), move |tx| super::policies(tx, entity)).await?;
    Ok(Json(rows.into_iter().map(BankDetailPolicyView::from).collect()))
}
