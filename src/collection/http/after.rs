//! The counter for what becomes of a claim: given up with its evidence, proved to the tax office, provided for; and for
//! how an enterprise pays across members.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Desk, MemberOrDesk, Reviewer, ReviewerOrAccountant};
use crate::collection::bad_debt::{self, DossierRow, NewDossier, ProofKind, Standing};
use crate::collection::payers::{self, Advice, AdviceReason, PayerRow};
use crate::collection::provision::{self, BucketResult, ProvisionRow};
use crate::collection::{ActionRow, StepKind};
use crate::kernel::ids::{
    ClientId, CollectionActionId, EntityId, FileId, InvoiceId, OrderId, PersonId, ProvisionMatrixId, ProvisionRunId,
    VatDossierId, WriteOffId,
};
use crate::kernel::money::{Money, Ppm};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf, attachment, hex};
use crate::write_offs::WriteOffState;

crate::endpoints!(
    propose_collection_write_off,
    make_vat_dossier,
    show_vat_dossier,
    download_vat_dossier,
    show_payer_record,
    list_provision_runs,
    show_provision_run,
);

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProposeLostClaim {
    /// Made by the sender.
    id: WriteOffId,
    /// Why nothing can be expected any more.
    #[schema(max_length = 2000)]
    reason: String,
}

/// A write-off that was proposed, with what was tried as its evidence.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposedWriteOffView {
    /// Its id: see `/v1/write_offs/{id}`.
    pub id: WriteOffId,
    /// Grows with every change.
    pub version: i32,
    /// Where it stands.
    pub state: WriteOffState,
    /// Of this invoice.
    pub invoice_id: InvoiceId,
    /// What is open.
    pub amount: Money,
    /// Why.
    pub reason: String,
    /// Every step, letter and contact, one a line.
    pub evidence: String,
}

/// Proposes to give up what is open of a late invoice, with everything that was tried as evidence. Another person decides.
#[utoipa::path(tag = "collection", params(("id" = InvoiceId, Path)), request_body = ProposeLostClaim,
    responses((status = 201, body = ProposedWriteOffView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/invoices/{id}/collection_write_off")]
async fn propose_collection_write_off(
    who: Reviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<ProposeLostClaim>,
) -> Result<HttpResponse> {
    let invoice = id.into_inner();
    command
        .about_money()
        .create(&db, who.into(), "propose_collection_write_off", "/v1/write_offs", move |tx, body| {
            let row = bad_debt::propose(tx, body.id, invoice, &body.reason)?.row;
            Ok(ProposedWriteOffView {
                id: row.id,
                version: row.version,
                state: row.state,
                invoice_id: row.invoice_id,
                amount: Money { amount_minor: row.amount_minor, currency: row.currency },
                reason: row.reason,
                evidence: row.evidence,
            })
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MakeVatDossier {
    /// Made by the sender.
    id: VatDossierId,
    /// What makes the loss certain.
    proof_kind: ProofKind,
    /// The day of the judgment, or the day on which nothing was left to try.
    proof_on: NaiveDate,
    /// The paper, kept as evidence before; needed for what a court decided.
    #[serde(default)]
    evidence_id: Option<FileId>,
}

/// What proves a lost claim to the tax office.
#[derive(Debug, Serialize, ToSchema)]
pub struct VatDossierView {
    /// Its id.
    pub id: VatDossierId,
    /// Of this write-off.
    pub write_off_id: WriteOffId,
    /// What makes the loss certain.
    pub proof_kind: ProofKind,
    /// Since when.
    pub proof_on: NaiveDate,
    /// The paper.
    pub evidence_id: Option<FileId>,
    /// The box of the return in which the VAT is taken back.
    pub return_box: String,
    /// The last day to do so.
    pub deadline_on: NaiveDate,
    /// The VAT.
    pub vat: Money,
    /// SHA-256 of the file with everything: confirmation, reminders, demand, diary, proof, documents by hash.
    pub sha256: String,
    /// Who made it.
    pub made_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<DossierRow> for VatDossierView {
    fn from(row: DossierRow) -> Self {
        Self {
            id: row.id,
            write_off_id: row.write_off_id,
            proof_kind: row.proof_kind,
            proof_on: row.proof_on,
            evidence_id: row.evidence_id,
            return_box: row.return_box,
            deadline_on: row.deadline_on,
            vat: Money { amount_minor: row.vat_minor, currency: row.currency },
            sha256: hex(&row.sha256),
            made_by: row.made_by,
            created_at: row.created_at,
        }
    }
}

/// Makes the dossier with which VAT on a lost claim is taken back, and keeps it. A provision is no proof of a loss.
#[utoipa::path(tag = "collection", params(("id" = WriteOffId, Path)), request_body = MakeVatDossier,
    responses((status = 201, body = VatDossierView)), extensions(("x-roles" = json!(["reviewer", "accountant"]))))]
#[post("/v1/write_offs/{id}/vat_dossier")]
async fn make_vat_dossier(
    who: ReviewerOrAccountant,
    db: Data<Db>,
    id: Path<WriteOffId>,
    command: Command<MakeVatDossier>,
) -> Result<HttpResponse> {
    let write_off = id.into_inner();
    let place = format!("/v1/write_offs/{write_off}/vat_dossier");
    command
        .create(&db, who.into(), "make_vat_dossier", &place, move |tx, body| {
            let (id, proof_kind, proof_on) = (body.id, body.proof_kind, body.proof_on);
            let new = NewDossier { id, write_off, proof_kind, proof_on, evidence: body.evidence_id };
            bad_debt::make_dossier(tx, &new).map(VatDossierView::from)
        })
        .await
}

/// A step that a dossier rests on.
#[derive(Debug, Serialize, ToSchema)]
pub struct DossierStepView {
    /// The step: its letter is at `/v1/collection_actions/{id}/pdf`.
    pub action_id: CollectionActionId,
    /// What it was.
    pub kind: StepKind,
    /// When.
    pub done_on: NaiveDate,
}

/// What there is for the dossier of a write-off.
#[derive(Debug, Serialize, ToSchema)]
pub struct VatDossierStandingView {
    /// The write-off.
    pub write_off_id: WriteOffId,
    /// Where it stands: only for what is approved a dossier is made.
    pub state: WriteOffState,
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// The order that the client confirmed.
    pub confirmed_order_id: Option<OrderId>,
    /// Reminders, the formal demand, the agency, in order.
    pub steps: Vec<DossierStepView>,
    /// The dossier, once it is made.
    pub dossier: Option<VatDossierView>,
}

impl From<Standing> for VatDossierStandingView {
    fn from(it: Standing) -> Self {
        let step = |it: ActionRow| DossierStepView { action_id: it.id, kind: it.kind, done_on: it.done_on };
        Self {
            write_off_id: it.write_off.row.id,
            state: it.write_off.row.state,
            invoice_id: it.write_off.row.invoice_id,
            confirmed_order_id: it.order,
            steps: it.actions.into_iter().map(step).collect(),
            dossier: it.dossier.map(VatDossierView::from),
        }
    }
}

/// Shows what there is for the dossier of a write-off, and the dossier once it is made.
#[utoipa::path(tag = "collection", params(("id" = WriteOffId, Path)),
    responses((status = 200, body = VatDossierStandingView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/write_offs/{id}/vat_dossier")]
async fn show_vat_dossier(who: Desk, db: Data<Db>, id: Path<WriteOffId>) -> Result<Json<VatDossierStandingView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| bad_debt::standing(tx, id).map(VatDossierStandingView::from)).await?))
}

/// Downloads the dossier of a write-off: the same bytes for ever.
#[utoipa::path(tag = "collection", params(("id" = WriteOffId, Path)),
    responses((status = 200, content_type = "application/json", body = Vec<u8>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/write_offs/{id}/vat_dossier/file")]
async fn download_vat_dossier(who: Desk, db: Data<Db>, id: Path<WriteOffId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| bad_debt::dossier_file(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

/// How an enterprise paid a set of invoices of at least five members: rounded, and never about fewer.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaidSetView {
    /// The first day of the set.
    pub from_on: NaiveDate,
    /// The last day of the set: the end of a month.
    pub through_on: NaiveDate,
    /// How many invoices, at least.
    pub invoices: i32,
    /// Half of them were paid about so many days after the last day to pay.
    pub median_days: i32,
    /// Nine tenths of them.
    pub p90_days: i32,
    /// The share paid late, as a fraction, to the nearest twentieth.
    pub late_share: String,
}

impl From<PayerRow> for PaidSetView {
    fn from(row: PayerRow) -> Self {
        Self {
            from_on: row.from_on,
            through_on: row.through_on,
            invoices: row.invoices,
            median_days: row.median_days,
            p90_days: row.p90_days,
            late_share: Ppm(row.late_ppm).to_fraction(),
        }
    }
}

/// How a client pays across members, and what that suggests. It is advice: nothing follows from it by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayerRecordView {
    /// The client.
    pub client_id: ClientId,
    /// The last set that could be published; none for private persons and for too few members.
    pub record: Option<PaidSetView>,
    /// Why this is suggested.
    pub reason: AdviceReason,
    /// What to ask for before the work, as a fraction of the price.
    pub suggested_deposit: String,
    /// What the client should owe at most.
    pub suggested_limit: Option<Money>,
}

impl PayerRecordView {
    fn new(client_id: ClientId, (record, advice): (Option<PayerRow>, Advice)) -> Self {
        Self {
            client_id,
            record: record.map(PaidSetView::from),
            reason: advice.reason,
            suggested_deposit: advice.deposit.to_fraction(),
            suggested_limit: advice.limit,
        }
    }
}

/// Shows how a client pays across members, where at least five of them can say so, and what that suggests.
#[utoipa::path(tag = "collection", params(("id" = ClientId, Path)), responses((status = 200, body = PayerRecordView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/clients/{id}/payer_record")]
async fn show_payer_record(who: MemberOrDesk, db: Data<Db>, id: Path<ClientId>) -> Result<Json<PayerRecordView>> {
    let id = id.into_inner();
    let found = db.write(who.into(), move |tx| payers::record(tx, id)).await?;
    Ok(Json(PayerRecordView::new(id, found)))
}

/// The provision of a month for clients who may not pay.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProvisionRunView {
    /// Its id.
    pub id: ProvisionRunId,
    /// Whose books.
    pub entity_id: EntityId,
    /// The month.
    #[schema(example = "2026-05")]
    pub period: String,
    /// The day of which it is.
    pub reckoned_on: NaiveDate,
    /// By which matrix.
    pub matrix_id: ProvisionMatrixId,
    /// What is doubtful now.
    pub required: Money,
    /// What was the month before.
    pub previous: Money,
    /// The difference, which was booked.
    pub moved: Money,
    /// Age by age: what is open without VAT, and what of it is doubtful.
    pub buckets: Vec<BucketResult>,
    /// Who closed the month.
    pub made_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl ProvisionRunView {
    fn new(row: ProvisionRow) -> Result<Self> {
        let money = |amount_minor| Money { amount_minor, currency: row.currency };
        Ok(Self {
            buckets: provision::results(&row)?,
            required: money(row.required_minor),
            previous: money(row.previous_minor),
            moved: money(row.moved_minor),
            id: row.id,
            entity_id: row.entity_id,
            period: row.period,
            reckoned_on: row.reckoned_on,
            matrix_id: row.matrix_id,
            made_by: row.made_by,
            created_at: row.created_at,
        })
    }
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RunQuery {
    /// Only of this entity.
    entity_id: Option<EntityId>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists the provisions of the months, newest first.
#[utoipa::path(tag = "collection", params(RunQuery), responses((status = 200, body = Page<ProvisionRunView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/provision_runs")]
async fn list_provision_runs(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<RunQuery>,
) -> Result<Json<Page<ProvisionRunView>>> {
    let query = query.0;
    let listing = Listing::new(&keys, who.person(), "provision_runs", &query, query.limit, query.cursor.as_deref())?;
    let entity = query.entity_id;
    let page = db
        .write(who.into(), move |tx| {
            let rows = provision::runs(tx, entity, listing.after, listing.fetch)?;
            let views = rows.into_iter().map(ProvisionRunView::new).collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |view| view.id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}

/// Shows the provision of a month, age by age.
#[utoipa::path(tag = "collection", params(("id" = ProvisionRunId, Path)), responses((status = 200, body = ProvisionRunView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/provision_runs/{id}")]
async fn show_provision_run(who: Desk, db: Data<Db>, id: Path<ProvisionRunId>) -> Result<Json<ProvisionRunView>> {
    let id = id.into_inner();
    let row = db.write(who.into(), move |tx| provision::run(tx, id)).await?;
    Ok(Json(ProvisionRunView::new(row)?))
}
