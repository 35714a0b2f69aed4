//! The counter for orders, and for the client's link as JSON.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, patch, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::store::{Filter, OrderRow};
use super::{Answer, Draft, NewAnswer, Offer, Order, OrderState};
use crate::access::{Member, MemberOrDesk, Visitor};
use crate::guarantee::{Badge, Reason};
use crate::kernel::ids::{ActivityId, ClientId, EntityId, OrderId, PersonId};
use crate::kernel::language::Language;
use crate::kernel::lines::{self, Adjustment, DocumentLine, LineKind, Row as _};
use crate::kernel::money::{Currency, Minor, Money};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::i18n;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, Patch, QueryOf, attachment, hex, unhex};

crate::endpoints!(
    create_order,
    list_orders,
    show_order,
    download_order,
    revise_order,
    send_order,
    withdraw_order,
    show_order_offer,
    confirm_order,
    decline_order,
    request_order_change,
);

/// What an order says.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    /// Made by the sender; needed to create, not to revise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<OrderId>,
    /// Which activity it belongs to.
    activity_id: ActivityId,
    /// Who may buy.
    client_id: ClientId,
    /// One line.
    #[schema(max_length = 200)]
    title: String,
    /// More, with line breaks.
    #[serde(default)]
    #[schema(max_length = 4000)]
    description: String,
    /// The first day of work.
    #[serde(default)]
    work_starts_on: Option<NaiveDate>,
    /// The last day of work: the promised day of payment counts from it.
    work_ends_on: NaiveDate,
    /// The last day on which the client may answer.
    valid_until: NaiveDate,
    /// What the buyer wants to read on the invoice.
    #[serde(default)]
    #[schema(max_length = 50)]
    buyer_reference: Option<String>,
    /// The number of the buyer's purchase order.
    #[serde(default)]
    #[schema(max_length = 50)]
    purchase_order: Option<String>,
    /// Of every amount (ISO 4217), and of its invoices.
    #[serde(default = "euro")]
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    /// What is sold, in that currency.
    #[schema(min_items = 1, max_items = 1000)]
    lines: Vec<DocumentLine>,
    /// Discounts and charges on all lines of a VAT case.
    #[serde(default)]
    #[schema(max_items = 10)]
    adjustments: Vec<Adjustment>,
}

const fn euro() -> Currency {
    Currency::EUR
}

impl From<OrderBody> for Draft {
    fn from(body: OrderBody) -> Self {
        Self {
            activity: body.activity_id,
            client: body.client_id,
            title: body.title,
            description: body.description,
            currency: body.currency,
            work_starts_on: body.work_starts_on,
            work_ends_on: body.work_ends_on,
            valid_until: body.valid_until,
            buyer_reference: body.buyer_reference,
            purchase_order: body.purchase_order,
            lines: body.lines,
            adjustments: body.adjustments,
        }
    }
}

impl From<Order> for OrderBody {
    fn from(order: Order) -> Self {
        let row = order.row;
        let (lines, adjustments) = lines::apart(&order.lines, row.currency);
        Self {
            id: None,
            activity_id: row.activity_id,
            client_id: row.client_id,
            currency: row.currency,
            buyer_reference: row.buyer_reference,
            purchase_order: row.purchase_order,
            lines,
            adjustments,
            title: row.title,
            description: row.description,
            work_starts_on: row.work_starts_on,
            work_ends_on: row.work_ends_on,
            valid_until: row.valid_until,
        }
    }
}

/// A condition of the guarantee, in the reader's language.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonView {
    /// Stable code.
    pub code: &'static str,
    /// Whether it speaks for the guarantee.
    pub holds: bool,
    /// What it means.
    pub text: String,
    /// The one action that mends it.
    pub action: String,
}

/// Whether and how the guarantee covers an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct GuaranteeView {
    /// `covered`, `not_yet` or `excluded`.
    pub status: Badge,
    /// Whether this is final; before the client confirmed it is a forecast.
    pub frozen: bool,
    /// Every condition.
    pub reasons: Vec<ReasonView>,
}

impl GuaranteeView {
    /// In a language.
    #[must_use]
    pub fn new(status: Badge, frozen: bool, reasons: &[Reason], language: Language) -> Self {
        let view = |reason: &Reason| {
            let (text, action) = i18n::guarantee(language, reason.code.name());
            ReasonView {
                code: reason.code.name(),
                holds: reason.holds,
                text: text.to_owned(),
                action: action.to_owned(),
            }
        };
        Self { status, frozen, reasons: reasons.iter().map(view).collect() }
    }
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderLineView {
    /// What is sold.
    #[serde(flatten)]
    pub line: DocumentLine,
    /// What it comes to without VAT.
    pub net: Money,
}

/// The client's answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerView {
    /// `confirmed`, `declined` or `change_requested`.
    pub answer: String,
    /// To which version.
    pub sent_version: i32,
    /// SHA-256 of what they saw, in hex.
    pub document_sha256: String,
    /// SHA-256 of its PDF, in hex: the bytes that they were sent and could download.
    pub pdf_sha256: Option<String>,
    /// Who signed.
    pub signer_name: String,
    /// What they added.
    pub message: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderView {
    /// Its id.
    pub id: OrderId,
    /// Grows with every change.
    pub version: i32,
    /// `draft`, `sent`, `confirmed`, `declined`, `change_requested`, `withdrawn` or `expired`.
    pub state: OrderState,
    /// Which entity would do it.
    pub entity_id: EntityId,
    /// Who offers it.
    pub member_id: PersonId,
    /// To which activity it belongs.
    pub activity_id: ActivityId,
    /// Who may buy.
    pub client_id: ClientId,
    /// One line.
    pub title: String,
    /// More.
    pub description: String,
    /// The first day of work.
    pub work_starts_on: Option<NaiveDate>,
    /// The last day of work.
    pub work_ends_on: NaiveDate,
    /// The last day on which the client may answer.
    pub valid_until: NaiveDate,
    /// What the buyer wants to read on the invoice.
    pub buyer_reference: Option<String>,
    /// The number of the buyer's purchase order.
    pub purchase_order: Option<String>,
    /// What is sold.
    pub lines: Vec<OrderLineView>,
    /// Discounts and charges on all lines of a VAT case, with what they come to.
    pub adjustments: Vec<Adjustment>,
    /// Without VAT.
    pub total_net: Money,
    /// VAT.
    pub total_vat: Money,
    /// With VAT.
    pub total_gross: Money,
    /// The newest version that was sent.
    pub sent_version: Option<i32>,
    /// When it was last sent.
    pub sent_at: Option<DateTime<Utc>>,
    /// The client's answer to that version.
    pub answer: Option<AnswerView>,
    /// Whether and how the guarantee covers it.
    pub guarantee: GuaranteeView,
}

impl OrderView {
    fn new(order: Order, language: Language) -> Self {
        let guarantee = GuaranteeView::new(order.badge(), order.is_decided, &order.reasons, language);
        let row = order.row;
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        Self {
            adjustments: lines::apart(&order.lines, row.currency).1,
            lines: order
                .lines
                .iter()
                .filter(|line| line.kind == LineKind::Line)
                .map(|line| OrderLineView { line: line.document(row.currency), net: money(line.net_minor) })
                .collect(),
            total_net: money(row.net_minor),
            total_vat: money(row.tax_minor),
            total_gross: money(row.gross_minor),
            answer: order.answer.map(|answer| AnswerView {
                answer: answer.answer,
                sent_version: answer.n,
                document_sha256: hex(&answer.sha256),
                pdf_sha256: answer.pdf_sha256.as_deref().map(hex),
                signer_name: answer.signer,
                message: answer.message,
                at: answer.at,
            }),
            guarantee,
            id: row.id,
            version: row.version,
            state: row.state,
            entity_id: row.entity_id,
            member_id: row.member_id,
            activity_id: row.activity_id,
            client_id: row.client_id,
            title: row.title,
            description: row.description,
            work_starts_on: row.work_starts_on,
            work_ends_on: row.work_ends_on,
            valid_until: row.valid_until,
            buyer_reference: row.buyer_reference,
            purchase_order: row.purchase_order,
            sent_version: row.sent_version,
            sent_at: row.sent_at,
        }
    }
}

/// An order in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderSummary {
    /// Its id.
    pub id: OrderId,
    /// Grows with every change.
    pub version: i32,
    /// Where it stands.
    pub state: OrderState,
    /// Who may buy.
    pub client_id: ClientId,
    /// One line.
    pub title: String,
    /// The last day of work.
    pub work_ends_on: NaiveDate,
    /// The last day on which the client may answer.
    pub valid_until: NaiveDate,
    /// With VAT.
    pub total_gross: Money,
}

impl From<OrderRow> for OrderSummary {
    fn from(row: OrderRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            client_id: row.client_id,
            title: row.title,
            work_ends_on: row.work_ends_on,
            valid_until: row.valid_until,
            total_gross: Money { amount_minor: row.gross_minor, currency: row.currency },
        }
    }
}

/// The language of the person who is signed in; texts inside an object are theirs.
fn reader(tx: &Tx<'_>) -> Language {
    tx.principal().map_or(Language::En, |who| who.language)
}

/// Makes an order as a draft.
#[utoipa::path(tag = "orders", request_body = OrderBody, responses((status = 201, body = OrderView)),
    extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/orders")]
async fn create_order(who: Member, db: Data<Db>, command: Command<OrderBody>) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "create_order", "/v1/orders", |tx, body| {
            let id = body.id.ok_or_else(|| Error::field("/id", "required"))?;
            let order = super::create(tx, id, &body.into())?;
            Ok(OrderView::new(order, reader(tx)))
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OrderFilter {
    /// Only in this state.
    #[param(inline)]
    state: Option<OrderState>,
    /// Only for this client.
    client_id: Option<ClientId>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists orders, newest first.
#[utoipa::path(tag = "orders", params(OrderFilter), responses((status = 200, body = Page<OrderSummary>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/orders")]
async fn list_orders(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<OrderFilter>,
) -> Result<Json<Page<OrderSummary>>> {
    let query = query.0;
    let filter = Filter { state: query.state, client_id: query.client_id };
    let listing = Listing::new(&keys, who.person(), "orders", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, OrderSummary::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows an order with its guarantee badge.
#[utoipa::path(tag = "orders", params(("id" = OrderId, Path)), responses((status = 200, body = OrderView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/orders/{id}")]
async fn show_order(who: MemberOrDesk, db: Data<Db>, id: Path<OrderId>) -> Result<Json<OrderView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| Ok(OrderView::new(super::find(tx, id)?, reader(tx)))).await?))
}

/// Downloads the order form of the newest version that was sent: the same bytes for ever. 404 until it has been made, a
/// moment after the order was sent.
#[utoipa::path(tag = "orders", params(("id" = OrderId, Path)),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/orders/{id}/pdf")]
async fn download_order(who: MemberOrDesk, db: Data<Db>, id: Path<OrderId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| super::pdf(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

fn load(tx: &mut Tx<'_>, id: OrderId) -> Result<OrderView> {
    Ok(OrderView::new(super::find(tx, id)?, reader(tx)))
}

/// Rewrites a draft, or an order whose client asked for a change.
#[utoipa::path(tag = "orders", params(("id" = OrderId, Path)), request_body(content = OrderBody, content_type = "application/merge-patch+json"),
    responses((status = 200, body = OrderView)), extensions(("x-roles" = json!(["member"]))))]
#[patch("/v1/orders/{id}")]
async fn revise_order(who: Member, db: Data<Db>, id: Path<OrderId>, command: Command<Patch>) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "revise_order", id.into_inner(), load, |tx, id, expected, body| {
            let body = body.apply(&OrderBody::from(super::find(tx, id)?))?;
            let order = super::revise(tx, id, expected, &body.into())?;
            Ok(OrderView::new(order, reader(tx)))
        })
        .await
}

/// Sends an order to its client, who answers by a link.
#[utoipa::path(tag = "orders", params(("id" = OrderId, Path)), request_body = Empty,
    responses((status = 200, body = OrderView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/orders/{id}/send")]
async fn send_order(who: Member, db: Data<Db>, id: Path<OrderId>, command: Command<Empty>) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "send_order", id.into_inner(), load, |tx, id, expected, _| {
            let order = super::send(tx, id, expected)?;
            Ok(OrderView::new(order, reader(tx)))
        })
        .await
}

/// Takes an order back before the client confirmed it.
#[utoipa::path(tag = "orders", params(("id" = OrderId, Path)), request_body = Empty,
    responses((status = 200, body = OrderView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/orders/{id}/withdraw")]
async fn withdraw_order(who: Member, db: Data<Db>, id: Path<OrderId>, command: Command<Empty>) -> Result<HttpResponse> {
    command
        .change(&db, who.into(), "withdraw_order", id.into_inner(), load, |tx, id, expected, _| {
            let order = super::withdraw(tx, id, expected)?;
            Ok(OrderView::new(order, reader(tx)))
        })
        .await
}

/// What a client sees behind the link.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferView {
    /// `open`, `confirmed`, `declined`, `change_requested` or `expired`.
    pub state: String,
    /// SHA-256 of what was sent, in hex; to be given back with the answer.
    pub document_sha256: String,
    /// SHA-256 of its PDF, in hex, once made; kept with the answer.
    pub pdf_sha256: Option<String>,
    /// What was sent, word for word.
    #[schema(value_type = Object)]
    pub document: serde_json::Value,
    /// The answer, once given.
    pub answer: Option<AnswerView>,
}

impl TryFrom<Offer> for OfferView {
    type Error = Error;

    fn try_from(offer: Offer) -> Result<Self> {
        let state = match &offer.answer {
            Some(answer) => answer.answer.clone(),
            None if offer.row.state == OrderState::Sent && !offer.is_expired => "open".to_owned(),
            None if offer.row.state == OrderState::Sent => "expired".to_owned(),
            None => offer.row.state.to_string(),
        };
        Ok(Self {
            state,
            document_sha256: hex(&offer.sha256),
            pdf_sha256: offer.pdf_sha256.as_deref().map(hex),
            document: serde_json::to_value(&offer.content)?,
            answer: offer.answer.map(|answer| AnswerView {
                answer: answer.answer,
                sent_version: answer.n,
                document_sha256: hex(&answer.sha256),
                pdf_sha256: answer.pdf_sha256.as_deref().map(hex),
                signer_name: answer.signer,
                message: answer.message,
                at: answer.at,
            }),
        })
    }
}

/// Shows an order to its client, by the link of the mail.
#[utoipa::path(tag = "order links", params(("token" = String, Path)), responses((status = 200, body = OfferView)), security(()),
    extensions(("x-roles" = json!([]))))]
#[get("/v1/order_links/{token}")]
async fn show_order_offer(
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
) -> Result<Json<OfferView>> {
    let token = token.into_inner();
    let offer = db.write(visitor.with_link(), move |tx| super::offer(tx, &keys, &token)).await?;
    Ok(Json(offer.try_into()?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmOrder {
    /// The hash that was shown.
    #[schema(min_length = 64, max_length = 64)]
    document_sha256: String,
    /// Who signs.
    #[schema(max_length = 200)]
    signer_name: String,
    /// Anything to add.
    #[serde(default)]
    #[schema(max_length = 2000)]
    message: String,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AnswerOrder {
    /// The hash that was shown.
    #[schema(min_length = 64, max_length = 64)]
    document_sha256: String,
    /// Why not, or what should change.
    #[serde(default)]
    #[schema(max_length = 2000)]
    message: String,
}

fn given(answer: Answer, sha256: &str, signer: String, message: String, user_agent: &str) -> Result<NewAnswer> {
    let sha256 = unhex(sha256).ok_or_else(|| Error::field("/document_sha256", "invalid"))?;
    Ok(NewAnswer { answer, sha256, signer, message, user_agent: user_agent.chars().take(400).collect() })
}

/// Confirms an order. The guarantee rests on this.
#[utoipa::path(tag = "order links", params(("token" = String, Path)), request_body = ConfirmOrder,
    responses((status = 200, body = OfferView)), security(()), extensions(("x-roles" = json!([]))))]
#[post("/v1/order_links/{token}/confirm")]
async fn confirm_order(
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
    command: Command<ConfirmOrder>,
) -> Result<HttpResponse> {
    let (token, agent) = (token.into_inner(), visitor.user_agent.clone());
    command
        .run(&db, visitor.with_link(), "confirm_order", move |tx, body| {
            let answer = given(Answer::Confirmed, &body.document_sha256, body.signer_name, body.message, &agent)?;
            OfferView::try_from(super::answer(tx, &keys, &token, &answer)?)
        })
        .await
}

/// Declines an order.
#[utoipa::path(tag = "order links", params(("token" = String, Path)), request_body = AnswerOrder,
    responses((status = 200, body = OfferView)), security(()), extensions(("x-roles" = json!([]))))]
#[post("/v1/order_links/{token}/decline")]
async fn decline_order(
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
    command: Command<AnswerOrder>,
) -> Result<HttpResponse> {
    let (token, agent) = (token.into_inner(), visitor.user_agent.clone());
    command
        .run(&db, visitor.with_link(), "decline_order", move |tx, body| {
            let answer = given(Answer::Declined, &body.document_sha256, String::new(), body.message, &agent)?;
            OfferView::try_from(super::answer(tx, &keys, &token, &answer)?)
        })
        .await
}

/// Asks the member for another version.
#[utoipa::path(tag = "order links", params(("token" = String, Path)), request_body = AnswerOrder,
    responses((status = 200, body = OfferView)), security(()), extensions(("x-roles" = json!([]))))]
#[post("/v1/order_links/{token}/request_change")]
async fn request_order_change(
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    token: Path<String>,
    command: Command<AnswerOrder>,
) -> Result<HttpResponse> {
    let (token, agent) = (token.into_inner(), visitor.user_agent.clone());
    command
        .run(&db, visitor.with_link(), "request_order_change", move |tx, body| {
            let answer = given(Answer::ChangeRequested, &body.document_sha256, String::new(), body.message, &agent)?;
            OfferView::try_from(super::answer(tx, &keys, &token, &answer)?)
        })
        .await
}
