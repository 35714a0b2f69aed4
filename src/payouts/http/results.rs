//! The counter for what became of what was sent.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::PayoutView;
use crate::access::{Approver, BatchDesk, Reviewer, ViewBatches};
use crate::kernel::ids::{BankReportId, BatchId, FileId, PayoutDecisionId, PayoutId, PersonId, RemittanceId};
use crate::payouts::PayoutState;
use crate::payouts::results::{
    self, DecisionKind, DecisionRow, DecisionState, DeskFilter, DeskItem, Effect, NewDecision, ReportLine, ReportRow,
};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf, Upload};

/// A bank's answer to a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportView {
    /// Its id.
    pub id: BankReportId,
    /// The bank's name for it.
    pub message_id: String,
    /// Our name for the file.
    pub original_message_id: String,
    /// The batch that it answers; none where no batch of ours has that name.
    pub batch_id: Option<BatchId>,
    /// What is said of the whole file.
    pub status: Option<String>,
    /// When it was brought.
    pub created_at: DateTime<Utc>,
}

impl From<ReportRow> for ReportView {
    fn from(row: ReportRow) -> Self {
        Self {
            id: row.id,
            message_id: row.message_id,
            original_message_id: row.original_message_id,
            batch_id: row.batch_id,
            status: row.status,
            created_at: row.created_at,
        }
    }
}

/// What a bank's answer says of one transfer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportLineView {
    /// The payout that it is about.
    pub payout_id: Option<PayoutId>,
    /// Or the payment to an office.
    pub remittance_id: Option<RemittanceId>,
    /// Our name for the transfer.
    pub end_to_end_id: String,
    /// The bank's word, such as `RJCT`.
    pub status: String,
    /// Why, as a code.
    pub reason_code: String,
    /// Why, in words.
    pub reason: String,
    /// What it did: `accepted`, `rejected`, `late` or `not_ours`.
    pub effect: Effect,
}

impl From<ReportLine> for ReportLineView {
    fn from(row: ReportLine) -> Self {
        Self {
            payout_id: row.payout_id,
            remittance_id: row.remittance_id,
            end_to_end_id: row.end_to_end_id,
            status: row.status,
            reason_code: row.reason_code,
            reason: row.reason,
            effect: row.effect,
        }
    }
}

/// A bank's answer with what it says of single transfers.
#[derive(Debug, Serialize, ToSchema)]
pub struct FullReportView {
    /// Its row.
    #[serde(flatten)]
    pub report: ReportView,
    /// In its own order.
    pub lines: Vec<ReportLineView>,
}

fn full(tx: &mut Tx<'_>, id: BankReportId) -> Result<FullReportView> {
    let (row, lines) = results::report(tx, id)?;
    Ok(FullReportView { report: row.into(), lines: lines.into_iter().map(ReportLineView::from).collect() })
}

/// Imports a bank's answer to a file (pain.002). The same file again changes nothing.
#[utoipa::path(tag = "batches", params(("dry_run" = Option<bool>, Query)),
    request_body(content((Vec<u8> = "application/xml"), (Vec<u8> = "text/xml"))),
    responses((status = 201, body = FullReportView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payment_reports")]
pub(super) async fn import_payment_report(who: Reviewer, db: Data<Db>, upload: Upload) -> Result<HttpResponse> {
    if !matches!(upload.media_type.as_str(), "application/xml" | "text/xml") {
        let refused = Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported");
        return Err(refused.with("expected", "application/xml"));
    }
    db.write(who.clone().into(), |_tx| Ok(())).await?;
    let bytes = upload.command.body.clone();
    let report = tokio::task::spawn_blocking(move || results::read(&bytes)).await.map_err(Error::internal)??;
    let report = Arc::new(report);
    upload
        .command
        .create(&db, who.into(), "import_payment_report", "/v1/payment_reports", move |tx, bytes| {
            let row = results::import(tx, &report, &bytes)?;
            full(tx, row.id)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ReportQuery {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists banks' answers, the newest first.
#[utoipa::path(tag = "batches", params(ReportQuery), responses((status = 200, body = Page<ReportView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payment_reports")]
pub(super) async fn list_payment_reports(
    who: ViewBatches,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<ReportQuery>,
) -> Result<Json<Page<ReportView>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "payment_reports", &query, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = results::reports(tx, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, ReportView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a bank's answer with what it did.
#[utoipa::path(tag = "batches", params(("id" = BankReportId, Path)), responses((status = 200, body = FullReportView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payment_reports/{id}")]
pub(super) async fn show_payment_report(
    who: ViewBatches,
    db: Data<Db>,
    id: Path<BankReportId>,
) -> Result<Json<FullReportView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| full(tx, id)).await?))
}

/// What two people decide about a payout.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionView {
    /// Its id.
    pub id: PayoutDecisionId,
    /// Grows with every change.
    pub version: i32,
    /// About which payout.
    pub payout_id: PayoutId,
    /// `resend`, `give_back` or `confirm`.
    pub kind: DecisionKind,
    /// `proposed`, `agreed` or `refused`.
    pub state: DecisionState,
    /// What shows it.
    pub evidence: String,
    /// A paper that shows it.
    pub evidence_id: Option<FileId>,
    /// Who proposed it.
    pub proposed_by: PersonId,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// The payout that is sent instead.
    pub new_payout_id: Option<PayoutId>,
    /// When it was proposed.
    pub created_at: DateTime<Utc>,
}

impl From<DecisionRow> for DecisionView {
    fn from(row: DecisionRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            payout_id: row.payout_id,
            kind: row.kind,
            state: row.state,
            evidence: row.evidence,
            evidence_id: row.evidence_id,
            proposed_by: row.proposed_by,
            decided_by: row.decided_by,
            decided_at: row.decided_at,
            new_payout_id: row.new_payout_id,
            created_at: row.created_at,
        }
    }
}

/// What somebody has to do next about a payout.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// See that the member's account is right, then close.
    AskMember,
    /// Propose to send it anew or to give the money back.
    Decide,
    /// Ask the bank, then propose.
    AskBank,
    /// Somebody else must agree to what was proposed, or refuse it.
    Agree,
}

/// A payout on the desk.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeskView {
    /// Its row.
    #[serde(flatten)]
    pub payout: PayoutView,
    /// Since when it needs a person.
    pub desk_since: Option<DateTime<Utc>>,
    /// Whole days since then.
    pub age_days: i64,
    /// Who looks after it.
    pub desk_owner_name: Option<String>,
    /// What to do next.
    pub next_step: NextStep,
    /// What was proposed and not decided.
    pub proposed: Option<DecisionView>,
}

impl From<DeskItem> for DeskView {
    fn from(item: DeskItem) -> Self {
        let next_step = match item.payout.state {
            _ if item.proposed.is_some() => NextStep::Agree,
            PayoutState::Unknown | PayoutState::Confirmed => NextStep::AskBank,
            PayoutState::Rejected => NextStep::Decide,
            PayoutState::Requested
            | PayoutState::Approved
            | PayoutState::Refused
            | PayoutState::Cancelled
            | PayoutState::Batched
            | PayoutState::Released
            | PayoutState::Settled
            | PayoutState::Returned
            | PayoutState::Replaced
            | PayoutState::GivenBack => NextStep::AskMember,
        };
        Self {
            desk_since: item.payout.desk_since,
            age_days: item.age_days,
            desk_owner_name: item.owner_name,
            next_step,
            proposed: item.proposed.map(DecisionView::from),
            payout: item.payout.into(),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DeskQuery {
    /// Only in this state.
    #[param(inline)]
    state: Option<PayoutState>,
    /// Only of this person.
    owner_id: Option<PersonId>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists payouts that came back, were refused, or of which the bank says nothing: each with its owner and the next step.
#[utoipa::path(tag = "batches", params(DeskQuery), responses((status = 200, body = Page<DeskView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payout_desk")]
pub(super) async fn list_payout_desk(
    who: ViewBatches,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<DeskQuery>,
) -> Result<Json<Page<DeskView>>> {
    let query = query.0;
    let filter = DeskFilter { state: query.state, owner: query.owner_id };
    let listing = Listing::new(&keys, who.person(), "payout_desk", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = results::desk(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.payout.id.0, DeskView::from))
        })
        .await?;
    Ok(Json(page))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AssignPayout {
    /// To whom.
    person_id: PersonId,
}

/// Gives a payout of the desk to a person of the office.
#[utoipa::path(tag = "batches", params(("id" = PayoutId, Path)), request_body = AssignPayout,
    responses((status = 200, body = PayoutView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/payouts/{id}/assign")]
pub(super) async fn assign_payout(
    who: BatchDesk,
    db: Data<Db>,
    id: Path<PayoutId>,
    command: Command<AssignPayout>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "assign_payout", id.into_inner(), super::load, |tx, id, expected, body| {
            results::assign(tx, id, expected, body.person_id).map(PayoutView::from)
        })
        .await
}

/// Takes a payout that came back off the desk: its money is on the activity, and its member knows.
#[utoipa::path(tag = "batches", params(("id" = PayoutId, Path)), request_body = Empty,
    responses((status = 200, body = PayoutView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/payouts/{id}/close")]
pub(super) async fn close_payout(
    who: BatchDesk,
    db: Data<Db>,
    id: Path<PayoutId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "close_payout", id.into_inner(), super::load, |tx, id, expected, _| {
            results::close(tx, id, expected).map(PayoutView::from)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Propose {
    /// Made by the sender.
    id: PayoutDecisionId,
    /// `resend` and `give_back` say that it did not leave, `confirm` that it arrived.
    kind: DecisionKind,
    /// What shows it.
    #[schema(max_length = 2000)]
    evidence: String,
    /// A paper that shows it, uploaded before.
    #[serde(default)]
    evidence_id: Option<FileId>,
}

/// Proposes what to do about a payout that was refused or of which the bank says nothing.
#[utoipa::path(tag = "batches", params(("id" = PayoutId, Path)), request_body = Propose,
    responses((status = 201, body = DecisionView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/payouts/{id}/decisions")]
pub(super) async fn propose_payout_decision(
    who: Reviewer,
    db: Data<Db>,
    id: Path<PayoutId>,
    command: Command<Propose>,
) -> Result<HttpResponse> {
    let payout = id.into_inner();
    command
        .about_money()
        .create(&db, who.into(), "propose_payout_decision", "/v1/payout_decisions", move |tx, body| {
            let new = NewDecision {
                id: body.id,
                payout,
                kind: body.kind,
                evidence: body.evidence,
                evidence_id: body.evidence_id,
            };
            results::propose(tx, &new).map(DecisionView::from)
        })
        .await
}

/// Lists what was decided about a payout, the newest first.
#[utoipa::path(tag = "batches", params(("id" = PayoutId, Path)), responses((status = 200, body = Vec<DecisionView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payouts/{id}/decisions")]
pub(super) async fn list_payout_decisions(
    who: ViewBatches,
    db: Data<Db>,
    id: Path<PayoutId>,
) -> Result<Json<Vec<DecisionView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| results::decisions(tx, id)).await?;
    Ok(Json(rows.into_iter().map(DecisionView::from).collect()))
}

fn load(tx: &mut Tx<'_>, id: PayoutDecisionId) -> Result<DecisionView> {
    results::decision(tx, id).map(DecisionView::from)
}

/// Agrees to a proposal, as another person, and does it.
#[utoipa::path(tag = "batches", params(("id" = PayoutDecisionId, Path), ("dry_run" = Option<bool>, Query)),
    request_body = Empty, responses((status = 200, body = DecisionView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/payout_decisions/{id}/agree")]
pub(super) async fn agree_to_payout_decision(
    who: Approver,
    db: Data<Db>,
    id: Path<PayoutDecisionId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "agree_to_payout_decision", id.into_inner(), load, |tx, id, expected, _| {
            results::agree(tx, id, expected).map(DecisionView::from)
        })
        .await
}

/// Says no to a proposal, as another person.
#[utoipa::path(tag = "batches", params(("id" = PayoutDecisionId, Path)), request_body = Empty,
    responses((status = 200, body = DecisionView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/payout_decisions/{id}/refuse")]
pub(super) async fn refuse_payout_decision(
    who: Approver,
    db: Data<Db>,
    id: Path<PayoutDecisionId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "refuse_payout_decision", id.into_inner(), load, |tx, id, expected, _| {
            results::refuse(tx, id, expected).map(DecisionView::from)
        })
        .await
}
