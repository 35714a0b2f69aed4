//! The page behind the link of an invoice: what it says, how to pay it, its files, and a way to dispute it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::lines::{PageLine, Table, VatLine, table};
use super::{LAYOUTS, LanguageLink, PageError, language_links, words};
use crate::formats::{local, texts};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor};

const CSS: &str = include_str!("page.css");

/// How to pay.
#[derive(Debug, Clone)]
pub struct PayBox {
    /// The account.
    pub iban: String,
    /// Its bank.
    pub bic: Option<String>,
    /// Its holder.
    pub beneficiary: String,
    /// What the payer must write.
    pub reference: String,
}

/// An invoice as its client reads it. The form posts `form_token`, `lang` and `reason`.
#[derive(Debug, Clone)]
pub struct InvoicePage {
    /// The legal entity that invoices.
    pub entity: String,
    /// The member who did the work.
    pub member: String,
    /// The client.
    pub client: String,
    /// Its number.
    pub number: String,
    /// Its date.
    pub issued_on: NaiveDate,
    /// The last day to pay.
    pub due_on: NaiveDate,
    /// The lines.
    pub lines: Vec<PageLine>,
    /// VAT by rate; empty when none is charged.
    pub vat: Vec<VatLine>,
    /// The legal mentions.
    pub mentions: Vec<String>,
    /// The total without VAT.
    pub net: Minor,
    /// The total with VAT.
    pub gross: Minor,
    /// Still to pay.
    pub open: Minor,
    /// The currency of every amount.
    pub currency: Currency,
    /// How to pay.
    pub payment: PayBox,
    /// Whether the client disputes it.
    pub is_disputed: bool,
    /// Where the PDF is, once it is made.
    pub pdf_url: Option<String>,
    /// Where the electronic form is, if there is one.
    pub xml_url: Option<String>,
    /// Where this page is, for the language switch.
    pub page_url: String,
    /// Where to dispute.
    pub dispute_url: String,
    /// Proves that a form came from this page.
    pub form_token: String,
    /// What was typed before an answer could not be taken.
    pub reason: String,
    /// What was wrong with it, in the reader's language.
    pub problem: Option<String>,
    /// Until when the link opens this page.
    pub link_until: NaiveDate,
}

#[derive(Serialize)]
struct FactView {
    label: String,
    value: String,
    code: bool,
}

#[derive(Serialize)]
struct InvoiceView<'a> {
    lang: &'static str,
    nonce: &'a str,
    css: &'static str,
    languages: Vec<LanguageLink>,
    w: BTreeMap<&'static str, String>,
    i: BTreeMap<&'static str, String>,
    entity: &'a str,
    heading: String,
    lines_title: String,
    state: String,
    #[serde(flatten)]
    table: Table,
    mentions: &'a [String],
    facts: Vec<FactView>,
    payment: Vec<FactView>,
    is_disputed: bool,
    may_dispute: bool,
    pdf_url: Option<&'a str>,
    xml_url: Option<&'a str>,
    dispute_url: &'a str,
    form_token: &'a str,
    reason: &'a str,
    problem: Option<&'a str>,
}

/// Writes the page of an invoice. `nonce` is that of [`super::content_security_policy`].
///
/// # Errors
/// None for facts that a caller can give.
pub fn invoice_page(page: &InvoicePage, language: Language, nonce: &str) -> Result<String, PageError> {
    let amount = |minor| local::amount(language, minor, page.currency);
    let value = |name: &str| match name {
        "member" => Some(page.member.clone()),
        "entity" => Some(page.entity.clone()),
        "client" => Some(page.client.clone()),
        "number" => Some(page.number.clone()),
        "open" => Some(amount(page.open)),
        "due_on" => Some(local::date(language, page.due_on)),
        "link_until" => Some(local::date(language, page.link_until)),
        _ => None,
    };
    let filled = |section: &str| -> BTreeMap<&'static str, String> {
        words(language).section(section).iter().map(|line| (line.key, texts::fill(line.value, value))).collect()
    };
    let i = filled("invoice");
    let say = |key: &str| i.get(key).cloned().unwrap_or_default();
    let fact = |key: &str, value: String, code: bool| FactView { label: say(key), value, code };
    let is_open = page.open > Minor::ZERO;
    let state = match (is_open, page.open < page.gross) {
        (false, _) => say("paid"),
        (true, true) => say("part_paid"),
        (true, false) => say("to_pay"),
    };
    let mut payment = Vec::new();
    if is_open {
        let it = &page.payment;
        payment.push(fact("amount", amount(page.open), false));
        payment.push(fact("beneficiary", it.beneficiary.clone(), false));
        payment.push(fact("iban", in_fours(&it.iban), true));
        payment.extend(it.bic.clone().map(|bic| fact("bic", bic, true)));
        payment.push(fact("reference", it.reference.clone(), true));
    }
    let view = InvoiceView {
        lang: language.tag(),
        nonce,
        css: CSS,
        languages: language_links(&page.page_url),
        w: filled("page"),
        entity: &page.entity,
        heading: say("title"),
        lines_title: say("lines"),
        state,
        table: table(&page.lines, &page.vat, (page.net, page.gross), page.currency, language),
        mentions: &page.mentions,
        facts: vec![
            fact("issued_on", local::date(language, page.issued_on), false),
            fact("due_on", local::date(language, page.due_on), false),
        ],
        payment,
        is_disputed: page.is_disputed,
        may_dispute: is_open && !page.is_disputed,
        pdf_url: page.pdf_url.as_deref(),
        xml_url: page.xml_url.as_deref(),
        dispute_url: &page.dispute_url,
        form_token: &page.form_token,
        reason: &page.reason,
        problem: page.problem.as_deref(),
        i,
    };
    Ok(LAYOUTS.render("invoice.html", &view)?)
}

/// An IBAN in groups of four, which no line break parts.
fn in_fours(iban: &str) -> String {
    let characters: Vec<char> = iban.chars().filter(char::is_ascii_alphanumeric).collect();
    characters.chunks(4).map(|group| group.iter().collect()).collect::<Vec<String>>().join("\u{a0}")
}
