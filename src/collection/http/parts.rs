//! The counter for promises and holds, the question to the member, and the diary.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{MemberOrDesk, MemberOrReviewer};
use crate::collection::{
    self, AnswerKind, AnswerRow, ContactKind, ContactRow, Filter, NewContact, NewPause, PauseKind, PauseRow,
    QuestionRow,
};
use crate::kernel::ids::{
    ClientId, CollectionActionId, CollectionPauseId, CollectionQuestionId, ContactId, InvoiceId, PersonId,
};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::refusal::Checks;
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf};

crate::endpoints!(
    pause_collection,
    list_collection_pauses,
    show_collection_pause,
    end_collection_pause,
    list_collection_questions,
    show_collection_question,
    answer_collection_question,
    add_collection_contact,
    list_collection_contacts,
);

/// What is paid by when.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromisedPart {
    /// The last day.
    pub due_on: NaiveDate,
    /// How much.
    pub amount: Money,
}

/// A promise to pay, or a hold.
#[derive(Debug, Serialize, ToSchema)]
pub struct PauseView {
    /// Its id.
    pub id: CollectionPauseId,
    /// Grows with every change.
    pub version: i32,
    /// About this invoice.
    pub invoice_id: InvoiceId,
    /// Whose work it was.
    pub member_id: PersonId,
    /// Which of the two.
    pub kind: PauseKind,
    /// Who said what, or why nothing is to be sent.
    pub reason: String,
    /// Its first day.
    pub started_on: NaiveDate,
    /// Its last day; none for a hold until somebody ends it.
    pub until_on: Option<NaiveDate>,
    /// Of a promise: what is paid by when.
    pub parts: Vec<PromisedPart>,
    /// Who opened it.
    pub opened_by: PersonId,
    /// When it ended: by somebody, on its last day, or because the promise was not kept.
    pub ended_on: Option<NaiveDate>,
    /// By whom; nobody when by itself.
    pub ended_by: Option<PersonId>,
    /// Why.
    pub end_reason: Option<String>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
}

impl PauseView {
    pub(super) fn new((row, parts): (PauseRow, Vec<(NaiveDate, Minor)>), currency: Currency) -> Self {
        let part = |(due_on, amount_minor)| PromisedPart { due_on, amount: Money { amount_minor, currency } };
        Self {
            id: row.id,
            version: row.version,
            invoice_id: row.invoice_id,
            member_id: row.member_id,
            kind: row.kind,
            reason: row.reason,
            started_on: row.started_on,
            until_on: row.until_on,
            parts: parts.into_iter().map(part).collect(),
            opened_by: row.opened_by,
            ended_on: row.ended_on,
            ended_by: row.ended_by,
            end_reason: row.end_reason,
            created_at: row.created_at,
        }
    }
}

/// The books are in euro, and so is what is promised.
fn pause_view(pause: (PauseRow, Vec<(NaiveDate, Minor)>)) -> PauseView {
    PauseView::new(pause, Currency::EUR)
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PauseCollection {
    /// Made by the sender.
    id: CollectionPauseId,
    /// A promise or a hold.
    kind: PauseKind,
    /// Who said what, or why nothing is to be sent.
    #[schema(max_length = 2000)]
    reason: String,
    /// Of a hold: its last day.
    #[serde(default)]
    until_on: Option<NaiveDate>,
    /// Of a promise: what is paid by when; together what is open.
    #[serde(default)]
    #[schema(max_items = 36)]
    parts: Vec<PromisedPart>,
}

/// Notes a promise of the client, in parts or at once, or holds everything back for a reason. Nothing is sent meanwhile;
/// a promise that is not kept ends by itself.
#[utoipa::path(tag = "collection", params(("id" = InvoiceId, Path)), request_body = PauseCollection,
    responses((status = 201, body = PauseView)), extensions(("x-roles" = json!(["member", "reviewer"]))))]
#[post("/v1/invoices/{id}/collection_pauses")]
async fn pause_collection(
    who: MemberOrReviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<PauseCollection>,
) -> Result<HttpResponse> {
    let invoice = id.into_inner();
    command
        .create(&db, who.into(), "pause_collection", "/v1/collection_pauses", move |tx, body| {
            let mut checks = Checks::default();
            let mut parts = Vec::new();
            for (index, part) in body.parts.iter().enumerate() {
                let pointer = format!("/parts/{index}/amount/currency");
                checks.require(part.amount.currency == Currency::EUR, &pointer, "not_allowed");
                parts.push((part.due_on, part.amount.amount_minor));
            }
            checks.done()?;
            let (kind, reason, until) = (body.kind, body.reason, body.until_on);
            collection::pause(tx, &NewPause { id: body.id, invoice, kind, reason, until, parts }).map(pause_view)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OpenQuery {
    /// Only about this invoice.
    invoice_id: Option<InvoiceId>,
    /// Only what is open, or only what is over.
    open: Option<bool>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists promises and holds, newest first: about your own invoices, or all of them for the office.
#[utoipa::path(tag = "collection", params(OpenQuery), responses((status = 200, body = Page<PauseView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_pauses")]
async fn list_collection_pauses(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<OpenQuery>,
) -> Result<Json<Page<PauseView>>> {
    let query = query.0;
    let filter = Filter { invoice_id: query.invoice_id, is_open: query.open, ..Filter::default() };
    let listing =
        Listing::new(&keys, who.person(), "collection_pauses", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = collection::pauses(tx, &filter, listing.after, listing.fetch)?;
            let mut views = Vec::new();
            for row in rows {
                views.push(pause_view(collection::find_pause(tx, row.id)?));
            }
            Ok(listing.page(views, |view| view.id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}

fn load_pause(tx: &mut Tx<'_>, id: CollectionPauseId) -> Result<PauseView> {
    collection::find_pause(tx, id).map(pause_view)
}

/// Shows a promise or a hold.
#[utoipa::path(tag = "collection", params(("id" = CollectionPauseId, Path)), responses((status = 200, body = PauseView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_pauses/{id}")]
async fn show_collection_pause(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<CollectionPauseId>,
) -> Result<Json<PauseView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load_pause(tx, id)).await?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EndPause {
    /// Why it goes on.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Ends a promise or a hold: a member what they opened, a reviewer any. The next step is taken when its day has come.
#[utoipa::path(tag = "collection", params(("id" = CollectionPauseId, Path)), request_body = EndPause,
    responses((status = 200, body = PauseView)), extensions(("x-roles" = json!(["member", "reviewer"]))))]
#[post("/v1/collection_pauses/{id}/end")]
async fn end_collection_pause(
    who: MemberOrReviewer,
    db: Data<Db>,
    id: Path<CollectionPauseId>,
    command: Command<EndPause>,
) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "end_collection_pause", id.into_inner(), load_pause, |tx, id, expected, body| {
            collection::end_pause(tx, id, expected, &body.reason).map(pause_view)
        })
        .await
}

/// What a member answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberAnswerView {
    /// Which of their answers.
    pub n: i32,
    /// What they said.
    pub answer: AnswerKind,
    /// From when the formal demand may go.
    pub go_on: NaiveDate,
    /// When they said it.
    pub answered_on: NaiveDate,
    /// And what else.
    pub note: Option<String>,
    /// Who: the member, or a reviewer for them.
    pub answered_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Whether a member agrees to a formal demand.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuestionView {
    /// Its id.
    pub id: CollectionQuestionId,
    /// About this invoice.
    pub invoice_id: InvoiceId,
    /// Who is asked.
    pub member_id: PersonId,
    /// When they were.
    pub asked_on: NaiveDate,
    /// From this day on silence means go.
    pub silent_on: NaiveDate,
    /// No wait beyond this day.
    pub wait_until_max: NaiveDate,
    /// The last answer, which counts.
    pub answer: Option<MemberAnswerView>,
    /// When it was asked.
    pub created_at: DateTime<Utc>,
}

impl From<(QuestionRow, Option<AnswerRow>)> for QuestionView {
    fn from((row, answer): (QuestionRow, Option<AnswerRow>)) -> Self {
        let answer = answer.map(|it| MemberAnswerView {
            n: it.n,
            answer: it.answer,
            go_on: it.go_on,
            answered_on: it.answered_on,
            note: it.note,
            answered_by: it.answered_by,
            created_at: it.created_at,
        });
        Self {
            id: row.id,
            invoice_id: row.invoice_id,
            member_id: row.member_id,
            asked_on: row.asked_on,
            silent_on: row.silent_on,
            wait_until_max: row.wait_until_max,
            answer,
            created_at: row.created_at,
        }
    }
}

/// Lists what members are asked before formal demands, newest first: you, or everybody for the office.
#[utoipa::path(tag = "collection", params(OpenQuery), responses((status = 200, body = Page<QuestionView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_questions")]
async fn list_collection_questions(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<OpenQuery>,
) -> Result<Json<Page<QuestionView>>> {
    let query = query.0;
    let filter = Filter { invoice_id: query.invoice_id, is_open: query.open, ..Filter::default() };
    let listing =
        Listing::new(&keys, who.person(), "collection_questions", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = collection::questions(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |(row, _)| row.id.0, QuestionView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows what a member is asked.
#[utoipa::path(tag = "collection", params(("id" = CollectionQuestionId, Path)),
    responses((status = 200, body = QuestionView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_questions/{id}")]
async fn show_collection_question(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<CollectionQuestionId>,
) -> Result<Json<QuestionView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| collection::question(tx, id).map(QuestionView::from)).await?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AnswerQuestion {
    /// Go on, wait until a day, or call them first.
    answer: AnswerKind,
    /// The day to wait for; only with `wait`.
    #[serde(default)]
    wait_until: Option<NaiveDate>,
    /// What else there is to say.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: Option<String>,
}

/// Answers whether a formal demand may go. The last answer before it goes counts.
#[utoipa::path(tag = "collection", params(("id" = CollectionQuestionId, Path)), request_body = AnswerQuestion,
    responses((status = 200, body = QuestionView)), extensions(("x-roles" = json!(["member", "reviewer"]))))]
#[post("/v1/collection_questions/{id}/answer")]
async fn answer_collection_question(
    who: MemberOrReviewer,
    db: Data<Db>,
    id: Path<CollectionQuestionId>,
    command: Command<AnswerQuestion>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .run(&db, who.into(), "answer_collection_question", move |tx, body| {
            collection::answer(tx, id, body.answer, body.wait_until, body.note.as_deref()).map(QuestionView::from)
        })
        .await
}

/// A contact with the client of a late invoice.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContactView {
    /// Its id.
    pub id: ContactId,
    /// About this invoice.
    pub invoice_id: InvoiceId,
    /// With this client.
    pub client_id: ClientId,
    /// Whose work it was.
    pub member_id: PersonId,
    /// How.
    pub kind: ContactKind,
    /// When.
    pub contacted_on: NaiveDate,
    /// What was said; of a step its kind and place.
    pub note: String,
    /// The step that it was.
    pub action_id: Option<CollectionActionId>,
    /// Who noted it; nobody when the program did.
    pub recorded_by: Option<PersonId>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<ContactRow> for ContactView {
    fn from(row: ContactRow) -> Self {
        Self {
            id: row.id,
            invoice_id: row.invoice_id,
            client_id: row.client_id,
            member_id: row.member_id,
            kind: row.kind,
            contacted_on: row.contacted_on,
            note: row.note,
            action_id: row.action_id,
            recorded_by: row.recorded_by,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddContact {
    /// Made by the sender.
    id: ContactId,
    /// How.
    kind: ContactKind,
    /// When: not before the invoice, not after today.
    contacted_on: NaiveDate,
    /// What was said.
    #[schema(max_length = 4000)]
    note: String,
}

/// Notes a contact with the client of an invoice, for ever.
#[utoipa::path(tag = "collection", params(("id" = InvoiceId, Path)), request_body = AddContact,
    responses((status = 201, body = ContactView)), extensions(("x-roles" = json!(["member", "reviewer"]))))]
#[post("/v1/invoices/{id}/collection_contacts")]
async fn add_collection_contact(
    who: MemberOrReviewer,
    db: Data<Db>,
    id: Path<InvoiceId>,
    command: Command<AddContact>,
) -> Result<HttpResponse> {
    let invoice = id.into_inner();
    command
        .create(&db, who.into(), "add_collection_contact", "/v1/collection_contacts", move |tx, body| {
            let new = NewContact { id: body.id, invoice, kind: body.kind, on: body.contacted_on, note: body.note };
            collection::add_contact(tx, &new).map(ContactView::from)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ContactQuery {
    /// Only about this invoice.
    invoice_id: Option<InvoiceId>,
    /// Only with this client.
    client_id: Option<ClientId>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists the diary, newest first: about your own invoices, or all of them for the office.
#[utoipa::path(tag = "collection", params(ContactQuery), responses((status = 200, body = Page<ContactView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_contacts")]
async fn list_collection_contacts(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<ContactQuery>,
) -> Result<Json<Page<ContactView>>> {
    let query = query.0;
    let filter = Filter { invoice_id: query.invoice_id, client_id: query.client_id, ..Filter::default() };
    let listing =
        Listing::new(&keys, who.person(), "collection_contacts", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = collection::contacts(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, ContactView::from))
        })
        .await?;
    Ok(Json(page))
}
