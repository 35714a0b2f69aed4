//! Orders: what a member offers a client, what exactly was sent, and the client's answer.
//!
//! Owns `orders`, `order_line`, `order_version`, `order_document`, `order_answer`, `order_currency`. An order may be in
//! another currency than the euro; the guarantee, which is in euro, judges it by the rate of its confirmation. What is
//! sent is frozen as text with its SHA-256, and drawn once as an order form that goes with the mail;
//! the client answers that text by a signed link, without signing in, and when, from where and with what they did
//! is kept. The guarantee decides at that moment. An order that has to change goes back to draft and is sent again
//! as the next version.

pub mod http;
pub mod jobs;
pub mod pages;
mod rules;
mod store;

use chrono::{Duration, NaiveDate};
pub use rules::{Answer, FrozenLine, FrozenOrder, FrozenTax, OrderState};
pub use store::{AnswerRow, OrderLineRow, OrderRow};
use uuid::Uuid;

use crate::access::{self, LinkPurpose};
use crate::archive::{self, ArchivedFile};
use crate::charter::exchange;
use crate::formats::letters::Letter;
use crate::guarantee::{self, Badge, Reason};
use crate::kernel::ids::{ActivityId, ClientId, ExchangeRateId, OrderId};
use crate::kernel::lines::{self as kept, Adjustment, DocumentLine};
use crate::kernel::money::{Currency, Minor, Money};
use crate::kernel::vat::{self, Totals};
use crate::outbox::{self, Job, QueuedLetter};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::{activities, charter, clients, members};

/// What a member writes into an order.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Which activity it belongs to.
    pub activity: ActivityId,
    /// Who may buy.
    pub client: ClientId,
    /// One line.
    pub title: String,
    /// More, with line breaks.
    pub description: String,
    /// Of every amount.
    pub currency: Currency,
    /// The first day of work.
    pub work_starts_on: Option<NaiveDate>,
    /// The last day of work: the promise counts from it.
    pub work_ends_on: NaiveDate,
    /// The last day on which the client may answer.
    pub valid_until: NaiveDate,
    /// What the buyer wants to read on the invoice.
    pub buyer_reference: Option<String>,
    /// The buyer's purchase order.
    pub purchase_order: Option<String>,
    /// What is sold.
    pub lines: Vec<DocumentLine>,
    /// Discounts and charges on all of it.
    pub adjustments: Vec<Adjustment>,
}

/// An order with all that is shown of it.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its row.
    pub row: OrderRow,
    /// Its lines, and after them what is on all of them.
    pub lines: Vec<OrderLineRow>,
    /// The client's answer to the newest version.
    pub answer: Option<AnswerRow>,
    /// The conditions of the guarantee: frozen once the client confirmed, a forecast before.
    pub reasons: Vec<Reason>,
    /// Whether the reasons are frozen.
    pub is_decided: bool,
}

impl Order {
    /// Whether and how the guarantee covers it.
    #[must_use]
    pub fn badge(&self) -> Badge {
        guarantee::badge(&self.reasons)
    }
}

/// Makes an order.
///
/// # Errors
/// 422 for every field that is not acceptable, 409 for a member or activity that cannot take orders.
pub fn create(tx: &mut Tx<'_>, id: OrderId, draft: &Draft) -> Result<Order> {
    let me = tx.person()?;
    let activity = activities::require_open(tx, draft.activity)?;
    if activity.member_id != me {
        return Err(Error::field("/activity_id", "invalid"));
    }
    let totals = check_draft(tx, draft)?;
    store::insert(tx, id, me, activity.entity_id, draft, &totals)?;
    store::replace_lines(tx, id, draft, &totals)?;
    find(tx, id)
}

/// Rewrites a draft. An order whose client asked for a change becomes a draft again.
///
/// # Errors
/// 412 for another version; 409 in another state; 422 for fields.
pub fn revise(tx: &mut Tx<'_>, id: OrderId, expected: i32, draft: &Draft) -> Result<Order> {
    let order = store::lock(tx, id)?;
    check_version(&order, expected)?;
    rules::may(order.state, rules::Command::Revise)?;
    let totals = check_draft(tx, draft)?;
    activities::require_open(tx, draft.activity)?;
    store::save_draft(tx, &order, draft, &totals)?;
    store::replace_lines(tx, id, draft, &totals)?;
    find(tx, id)
}

/// Sends an order to its client: freezes the text and the rules, opens the link, queues the mail.
///
/// # Errors
/// 409 when the member is not active, the order is not a draft or too old; 412 for another version.
pub fn send(tx: &mut Tx<'_>, id: OrderId, expected: i32) -> Result<Order> {
    let order = store::lock(tx, id)?;
    check_version(&order, expected)?;
    rules::may(order.state, rules::Command::Send)?;
    let entity = charter::entity(tx, order.entity_id)?;
    let today = tx.today(entity.zone());
    if order.valid_until < today {
        return Err(Error::field("/valid_until", "out_of_range"));
    }
    members::require_active(tx, order.member_id)?;
    activities::require_open(tx, order.activity_id)?;
    let client = clients::client(tx, order.client_id)?;
    if client.archived_at.is_some() {
        return Err(Error::conflict("state_conflict").with("state", "archived").with("command", "send"));
    }
    let rule_set = charter::rule_set_on(tx, order.entity_id, today)?;
    let lines = store::list_lines(tx, id)?;
    let member = access::person(tx, order.member_id)?;
    let tariffs = charter::vat_tariffs(tx, &entity.country, order.work_ends_on)?;
    let n = order.sent_version.unwrap_or(0).saturating_add(1);
    let content = rules::freeze(&order, &lines, n, &entity, &member.name, &client, &tariffs)?;
    let text = serde_json::to_string_pretty(&content)?;
    store::insert_version(tx, id, n, &text, &archive::sha256(text.as_bytes()))?;
    let life = order.valid_until.signed_duration_since(today) + Duration::days(30);
    let link = access::open_link(tx, LinkPurpose::Order, id.0, life)?;
    let letter = Letter::OrderToClient {
        member: member.name,
        entity: entity.name,
        title: order.title.clone(),
        total: Money { amount_minor: order.gross_minor, currency: order.currency },
        link: access::link_reference(LinkPurpose::Order, link),
        valid_until: order.valid_until,
    };
    let owner = Some(order.member_id);
    let letter = Box::new(QueuedLetter { to: client.email, language: client.language, letter, subject: id.0, owner });
    outbox::queue(tx, &Job::SendOrder { order: id, version: n, letter }, id.0, &format!("send_order:{id}:{n}"))?;
    store::mark_sent(tx, &order, n, rule_set.id)?;
    find(tx, id)
}

/// Takes an order back before the client confirmed it.
///
/// # Errors
/// 409 in another state; 412 for another version.
pub fn withdraw(tx: &mut Tx<'_>, id: OrderId, expected: i32) -> Result<Order> {
    let order = store::lock(tx, id)?;
    check_version(&order, expected)?;
    rules::may(order.state, rules::Command::Withdraw)?;
    store::set_state(tx, &order, OrderState::Withdrawn)?;
    find(tx, id)
}

/// An order.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: OrderId) -> Result<Order> {
    let row = store::find(tx, id)?;
    let lines = store::list_lines(tx, id)?;
    let answer = match row.sent_version {
        Some(n) => store::find_answer(tx, id, n)?,
        None => None,
    };
    let (reasons, is_decided) = match guarantee::decision(tx, id)? {
        Some(decision) => (serde_json::from_value(decision.reasons)?, true),
        None => {
            let facts = guarantee_inputs(tx, &row)?;
            (guarantee::forecast(tx, pair(&row), &facts.as_facts(&row, false))?, false)
        }
    };
    Ok(Order { row, lines, answer, reasons, is_decided })
}

/// The row of an order, for what is invoiced from it.
///
/// # Errors
/// 404.
pub fn row(tx: &mut Tx<'_>, id: OrderId) -> Result<OrderRow> {
    store::find(tx, id)
}

/// The lines of an order, to start an invoice from.
///
/// # Errors
/// Fails with the database.
pub fn lines(tx: &mut Tx<'_>, id: OrderId) -> Result<Vec<OrderLineRow>> {
    store::list_lines(tx, id)
}

/// Orders, newest first.
///
/// # Errors
/// Fails with the database.
pub fn list(tx: &mut Tx<'_>, filter: &store::Filter, after: Option<Uuid>, limit: i64) -> Result<Vec<OrderRow>> {
    store::list(tx, filter, after, limit)
}

/// What a client sees behind the link.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The order.
    pub row: OrderRow,
    /// What was sent.
    pub content: FrozenOrder,
    /// The hash of what was sent.
    pub sha256: Vec<u8>,
    /// The hash of its PDF, once made.
    pub pdf_sha256: Option<Vec<u8>>,
    /// The answer, if it was given.
    pub answer: Option<AnswerRow>,
    /// The last day of answering is over.
    pub is_expired: bool,
}

/// What is behind a client's link: the newest version that was sent.
///
/// # Errors
/// 404 `link_invalid`.
pub fn offer(tx: &mut Tx<'_>, keys: &Keys, token: &str) -> Result<Offer> {
    let (_, subject) = access::read_link(tx, keys, LinkPurpose::Order, token)?;
    let row = store::find(tx, OrderId(subject))?;
    let n = row.sent_version.unwrap_or_default();
    let (content, sha256) = store::find_version(tx, row.id, n)?;
    let answer = store::find_answer(tx, row.id, n)?;
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let is_expired = row.valid_until < tx.today(zone);
    let pdf_sha256 = store::find_document(tx, row.id, n)?.map(|(_, sha256)| sha256);
    Ok(Offer { content: serde_json::from_str(&content)?, sha256, pdf_sha256, answer, is_expired, row })
}

/// The order form of the newest version that was sent, byte for byte.
///
/// # Errors
/// 404, also until it is made, a moment after the order was sent.
pub fn pdf(tx: &mut Tx<'_>, id: OrderId) -> Result<ArchivedFile> {
    let n = store::find(tx, id)?.sent_version.unwrap_or_default();
    let (file, _) = store::find_document(tx, id, n)?.ok_or_else(Error::not_found)?;
    archive::find(tx, file)
}

/// The order form behind a client's link.
///
/// # Errors
/// 404 `link_invalid`, and until it is made.
pub fn offered_pdf(tx: &mut Tx<'_>, keys: &Keys, token: &str) -> Result<ArchivedFile> {
    let (_, subject) = access::read_link(tx, keys, LinkPurpose::Order, token)?;
    pdf(tx, OrderId(subject))
}

/// The client's answer, with what proves it.
#[derive(Debug, Clone)]
pub struct NewAnswer {
    /// What they said.
    pub answer: Answer,
    /// The hash of what they saw.
    pub sha256: Vec<u8>,
    /// Who signed; needed to confirm.
    pub signer: String,
    /// Why not, or what should change.
    pub message: String,
    /// What they used.
    pub user_agent: String,
}

/// Takes a client's answer.
///
/// # Errors
/// 404 for a link that is not ours; 409 `link_used`, `link_expired`, `document_changed`; 422 for fields.
pub fn answer(tx: &mut Tx<'_>, keys: &Keys, token: &str, given: &NewAnswer) -> Result<Offer> {
    rules::check_answer(given)?;
    let (link, subject) = access::follow_link(tx, keys, LinkPurpose::Order, token)?;
    let order = store::lock(tx, OrderId(subject))?;
    let shown = offer(tx, keys, token)?;
    if shown.answer.is_some() || order.state != OrderState::Sent {
        return Err(Error::conflict("link_used"));
    }
    if shown.is_expired {
        return Err(Error::conflict("link_expired"));
    }
    if shown.sha256 != given.sha256 {
        return Err(Error::conflict("document_changed"));
    }
    let n = order.sent_version.unwrap_or_default();
    let address = tx.address().to_owned();
    store::insert_answer(tx, &order, n, given, shown.pdf_sha256.as_deref(), (link, &address))?;
    if given.answer == Answer::Confirmed {
        let inputs = guarantee_inputs(tx, &order)?;
        let rule_set = order.rule_set_id.ok_or_else(|| Error::internal("a sent order has rules"))?;
        guarantee::decide(tx, order.id, pair(&order), rule_set, &inputs.as_facts(&order, true))?;
        if let Some(rate) = inputs.rate {
            store::insert_rate(tx, order.id, rate)?;
        }
    }
    if given.answer != Answer::ChangeRequested {
        access::use_link(tx, link)?;
    }
    store::set_state(tx, &order, given.answer.state())?;
    tell_member(tx, &order, given)?;
    offer(tx, keys, token)
}

fn tell_member(tx: &mut Tx<'_>, order: &OrderRow, given: &NewAnswer) -> Result<()> {
    let member = access::person(tx, order.member_id)?;
    let client = clients::client(tx, order.client_id)?.name;
    let title = order.title.clone();
    let message = (!given.message.is_empty()).then(|| given.message.clone());
    let letter = match given.answer {
        Answer::Confirmed => Letter::OrderConfirmed { title, client, message },
        Answer::Declined => Letter::OrderDeclined { title, client, message },
        Answer::ChangeRequested => Letter::OrderChangeRequested { title, client, message },
    };
    let mail = QueuedLetter {
        to: member.email,
        language: member.language,
        letter,
        subject: order.id.0,
        owner: Some(order.member_id),
    };
    outbox::queue_letter(tx, mail, &order.sent_version.unwrap_or_default().to_string())
}

/// What the guarantee looks at, loaded.
struct GuaranteeInputs {
    client_country: String,
    is_share_current: bool,
    today: NaiveDate,
    limits: guarantee::Limits,
    /// In euro.
    gross: Minor,
    /// In euro.
    net: Minor,
    /// By which rate, where the order is in another currency.
    rate: Option<ExchangeRateId>,
}

impl GuaranteeInputs {
    fn as_facts(&self, order: &OrderRow, is_confirmed: bool) -> guarantee::Facts<'_> {
        guarantee::Facts {
            is_confirmed,
            client_country: &self.client_country,
            is_share_current: self.is_share_current,
            is_declared: rules::is_declared(order.work_starts_on, order.work_ends_on, self.today),
            order_gross: self.gross,
            order_net: self.net,
            limits: self.limits,
        }
    }
}

fn pair(order: &OrderRow) -> guarantee::Pair {
    guarantee::Pair { entity: order.entity_id, member: order.member_id, client: order.client_id }
}

fn guarantee_inputs(tx: &mut Tx<'_>, order: &OrderRow) -> Result<GuaranteeInputs> {
    let zone = charter::entity(tx, order.entity_id)?.zone();
    let today = tx.today(zone);
    let rule_set = match order.rule_set_id {
        Some(id) => charter::rule_set(tx, id)?,
        None => charter::rule_set_on(tx, order.entity_id, today)?,
    };
    // The last rate that is known: what binds is the rate of the invoice, and a client's answer never waits for the office.
    let rate = match order.currency {
        Currency::EUR => None,
        currency => Some(exchange::last_rate(tx, currency, today)?),
    };
    let in_euro = |amount| match &rate {
        None => Ok(amount),
        Some(rate) => Ok::<_, Error>(rate.exact()?.in_euro(amount, order.currency)?),
    };
    Ok(GuaranteeInputs {
        gross: in_euro(order.gross_minor)?,
        net: in_euro(order.net_minor)?,
        rate: rate.as_ref().map(|rate| rate.id),
        client_country: clients::client(tx, order.client_id)?.country,
        is_share_current: members::member(tx, order.member_id)?.state == members::MemberState::Active,
        today,
        limits: guarantee::Limits::from(&rule_set),
    })
}

fn check_version(order: &OrderRow, expected: i32) -> Result<()> {
    if order.version == expected { Ok(()) } else { Err(Error::version_stale(order.version)) }
}

/// Everything that can be wrong with a draft, and its totals at the rates of the last day of work.
fn check_draft(tx: &mut Tx<'_>, draft: &Draft) -> Result<Totals> {
    rules::check_draft(draft, tx.now().date_naive())?;
    if !exchange::is_currency(tx, draft.currency)? {
        return Err(Error::field("/currency", "invalid"));
    }
    let activity = activities::activity(tx, draft.activity)?;
    let entity = charter::entity(tx, activity.entity_id)?;
    if draft.currency != Currency::EUR {
        // Without a rate neither the guarantee nor an invoice could follow.
        let today = tx.today(entity.zone());
        exchange::rate_on(tx, draft.currency, today)?;
    }
    let client = clients::client(tx, draft.client)?;
    if client.member_id != activity.member_id {
        return Err(Error::field("/client_id", "invalid"));
    }
    let buyer = vat::Buyer {
        country: &client.country,
        vat_number: client.vat_number.as_deref(),
        is_consumer: client.kind == clients::ClientKind::Consumer,
    };
    vat::check_cases(draft.lines.iter().map(|line| line.vat_case), &entity.country, buyer)?;
    let tariffs = charter::vat_tariffs(tx, &entity.country, draft.work_ends_on)?;
    charter::check_justified(&draft.lines, &tariffs)?;
    let totals = kept::totals(&draft.lines, &draft.adjustments, &charter::rates_of(&tariffs))?;
    if totals.net <= Minor::ZERO {
        return Err(Error::field("/lines", "out_of_range"));
    }
    Ok(totals)
}

/// Closes the orders whose last day of answering is over.
///
/// # Errors
/// Fails with the database.
pub fn expire(tx: &mut Tx<'_>, entity: crate::kernel::ids::EntityId, today: NaiveDate) -> Result<usize> {
    store::expire(tx, entity, today)
}
