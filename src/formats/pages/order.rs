//! The page behind the link that a client receives, and what it shows after the answer.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use serde::Serialize;

use super::lines::{PageLine, Table, VatLine, table};
use super::{LAYOUTS, LanguageLink, PageError, language_links, words};
use crate::formats::{local, texts};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor};

const CSS: &str = include_str!("page.css");

/// What the client typed before an answer could not be taken: it is shown again, nothing is lost.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    /// The name of who confirms.
    pub signer_name: String,
    /// What should change.
    pub message: String,
    /// Why not.
    pub reason: String,
    /// What was wrong, in the reader's language.
    pub problem: Option<String>,
}

/// An order as the client reads it. The forms post `form_token`, `document_sha256` and `lang`, and with them
/// `signer_name` (confirm), `message` (change) or `reason` (decline), as `application/x-www-form-urlencoded`.
#[derive(Debug, Clone)]
pub struct OrderPage {
    /// The legal entity that would do the work.
    pub entity: String,
    /// The member who offers it.
    pub member: String,
    /// The client.
    pub client: String,
    /// One line.
    pub title: String,
    /// May be empty; line breaks are kept.
    pub description: String,
    /// The lines.
    pub lines: Vec<PageLine>,
    /// The total without VAT.
    pub net: Minor,
    /// VAT by rate; empty when none is charged.
    pub vat: Vec<VatLine>,
    /// Why no VAT is charged, in the reader's language.
    pub vat_note: Option<String>,
    /// The total with VAT.
    pub gross: Minor,
    /// The currency of every amount.
    pub currency: Currency,
    /// The last day of the answer.
    pub valid_until: NaiveDate,
    /// May be empty; line breaks are kept.
    pub conditions: String,
    /// The hash of exactly this version, in hex.
    pub document_sha256: String,
    /// Where the order form is; none until it is made.
    pub pdf_url: Option<String>,
    /// Where this page is, for the language switch.
    pub page_url: String,
    /// Where to confirm.
    pub confirm_url: String,
    /// Where to decline.
    pub decline_url: String,
    /// Where to ask for a change.
    pub change_url: String,
    /// Proves that a form came from this page.
    pub form_token: String,
    /// What was typed before.
    pub typed: Typed,
}

#[derive(Serialize)]
struct OrderView<'a> {
    lang: &'static str,
    nonce: &'a str,
    css: &'static str,
    languages: Vec<LanguageLink>,
    w: BTreeMap<&'static str, String>,
    entity: &'a str,
    heading: &'a str,
    description: &'a str,
    lines_title: &'static str,
    #[serde(flatten)]
    table: Table,
    vat_note: Option<&'a str>,
    conditions: &'a str,
    document_sha256: &'a str,
    pdf_url: Option<&'a str>,
    confirm_url: &'a str,
    decline_url: &'a str,
    change_url: &'a str,
    form_token: &'a str,
    signer_name: &'a str,
    message: &'a str,
    reason: &'a str,
    problem: Option<&'a str>,
}

/// Writes the page of an order. `nonce` is that of [`super::content_security_policy`].
///
/// # Errors
/// None for facts that a caller can give.
pub fn order_page(page: &OrderPage, language: Language, nonce: &str) -> Result<String, PageError> {
    let value = |name: &str| match name {
        "member" => Some(page.member.clone()),
        "entity" => Some(page.entity.clone()),
        "client" => Some(page.client.clone()),
        "valid_until" => Some(local::date(language, page.valid_until)),
        _ => None,
    };
    let view = OrderView {
        lang: language.tag(),
        nonce,
        css: CSS,
        languages: language_links(&page.page_url),
        w: words(language).section("page").iter().map(|line| (line.key, texts::fill(line.value, value))).collect(),
        entity: &page.entity,
        heading: &page.title,
        description: &page.description,
        lines_title: words(language).get("page", "lines").unwrap_or_default(),
        table: table(&page.lines, &page.vat, (page.net, page.gross), page.currency, language),
        vat_note: page.vat_note.as_deref(),
        conditions: &page.conditions,
        document_sha256: &page.document_sha256,
        pdf_url: page.pdf_url.as_deref(),
        confirm_url: &page.confirm_url,
        decline_url: &page.decline_url,
        change_url: &page.change_url,
        form_token: &page.form_token,
        signer_name: &page.typed.signer_name,
        message: &page.typed.message,
        reason: &page.typed.reason,
        problem: page.typed.problem.as_deref(),
    };
    Ok(LAYOUTS.render("order.html", &view)?)
}

/// Where a link led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The client confirmed.
    Confirmed,
    /// The client declined.
    Declined,
    /// The client wants something else.
    ChangeRequested,
    /// Too late.
    Expired,
    /// Answered before.
    Used,
    /// No link of ours, or not all of it.
    Invalid,
    /// The client disputes the invoice.
    InvoiceDisputed,
    /// The link of an invoice is too old.
    InvoiceExpired,
}

impl Outcome {
    /// The section of the words, the tone and the mark.
    const fn looks(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Confirmed => ("confirmed", "", "✓"),
            Self::Declined => ("declined", "no", "×"),
            Self::ChangeRequested => ("change_requested", "wait", "↺"),
            Self::Expired => ("expired", "wait", "!"),
            Self::Used => ("used", "wait", "!"),
            Self::Invalid => ("invalid", "no", "?"),
            Self::InvoiceDisputed => ("invoice_disputed", "wait", "!"),
            Self::InvoiceExpired => ("invoice_expired", "wait", "!"),
        }
    }
}

/// What was recorded, for the client to print or keep.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The title of the order.
    pub title: String,
    /// The total with VAT.
    pub gross: Minor,
    /// Its currency.
    pub currency: Currency,
    /// Who confirmed, if it was confirmed.
    pub signer_name: Option<String>,
    /// When, in the mutual's legal zone.
    pub answered_at: NaiveDateTime,
    /// The hash of the version that was answered, in hex.
    pub document_sha256: String,
}

/// The page after an answer, or instead of an order.
#[derive(Debug, Clone, Default)]
pub struct OutcomePage {
    /// The entity, or for a link that leads nowhere the mutual.
    pub entity: String,
    /// The member; empty for a link that leads nowhere.
    pub member: String,
    /// What was recorded.
    pub answered: Option<Answered>,
    /// Where this page is, for the language switch; empty for none, as after a post.
    pub page_url: String,
}

#[derive(Serialize)]
struct FactView {
    label: &'static str,
    value: String,
    code: bool,
}

#[derive(Serialize)]
struct OutcomeView<'a> {
    lang: &'static str,
    nonce: &'a str,
    css: &'static str,
    languages: Vec<LanguageLink>,
    w: BTreeMap<&'static str, &'static str>,
    entity: &'a str,
    heading: String,
    text: String,
    next: String,
    tone: &'static str,
    mark: &'static str,
    evidence: Vec<FactView>,
}

/// Writes the page of an outcome. `nonce` is that of [`super::content_security_policy`].
///
/// # Errors
/// None for facts that a caller can give.
pub fn outcome_page(
    page: &OutcomePage,
    outcome: Outcome,
    language: Language,
    nonce: &str,
) -> Result<String, PageError> {
    let (section, tone, mark) = outcome.looks();
    let value = |name: &str| match name {
        "member" => Some(page.member.clone()),
        "entity" => Some(page.entity.clone()),
        _ => None,
    };
    let say = |key| texts::fill(words(language).get(section, key).unwrap_or_default(), value);
    let name = |key| words(language).get("evidence", key).unwrap_or_default();
    let mut evidence = Vec::new();
    if let Some(answered) = &page.answered {
        let mut fact = |key, value, code| evidence.push(FactView { label: name(key), value, code });
        fact("order", answered.title.clone(), false);
        fact("total", local::amount(language, answered.gross, answered.currency), false);
        if let Some(signer) = &answered.signer_name {
            fact("signer", signer.clone(), false);
        }
        fact("answered_at", local::moment(language, answered.answered_at), false);
        fact("hash", answered.document_sha256.clone(), true);
    }
    let view = OutcomeView {
        lang: language.tag(),
        nonce,
        css: CSS,
        languages: language_links(&page.page_url),
        w: words(language).section("page").iter().map(|line| (line.key, line.value)).collect(),
        entity: &page.entity,
        heading: say("title"),
        text: say("text"),
        next: say("next"),
        tone,
        mark,
        evidence,
    };
    Ok(LAYOUTS.render("outcome.html", &view)?)
}
