//! The public page of the daily proof: can the mutual pay what it owes?

use std::collections::BTreeMap;

use serde::Serialize;

use super::{LAYOUTS, LanguageLink, PageError, language_links, words};
use crate::formats::local;
use crate::formats::solvency::{Component, Proof};
use crate::formats::texts::fill;
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor, Ppm};

const CSS: &str = include_str!("page.css");
const SECTION: &str = "solvency";

/// A day with its proof.
#[derive(Debug, Clone)]
pub struct ProvenDay {
    /// What it says.
    pub proof: Proof,
    /// Its hash in the chain.
    pub sha256: String,
}

/// The guarantee fund.
#[derive(Debug, Clone)]
pub struct FundFigures {
    /// What is in it.
    pub balance: Minor,
    /// Advanced and not paid by clients yet.
    pub open_advances: Minor,
    /// Drawn for each million invoiced in twelve months.
    pub loss_rate_ppm: Option<i64>,
    /// What it would bear for its three largest clients.
    pub largest_exposures: Vec<Minor>,
    /// What would be left of it.
    pub after_three_failures: Minor,
    /// Days of payouts that the bank balance lasts.
    pub payout_days: Option<i64>,
}

/// What the page shows.
#[derive(Debug, Clone)]
pub struct ProofPage {
    /// Whose.
    pub entity: String,
    /// Where it is, for the language switch.
    pub address: String,
    /// Where the chain is.
    pub chain: String,
    /// Proven days, newest first.
    pub days: Vec<ProvenDay>,
    /// The fund today.
    pub fund: FundFigures,
}

#[derive(Serialize)]
struct Row {
    name: String,
    accounts: Option<String>,
    amount: String,
}

#[derive(Serialize)]
struct Day {
    on: String,
    owed: String,
    held: String,
    ratio: String,
    hash: String,
}

#[derive(Serialize)]
struct Latest {
    is_enough: bool,
    verdict: String,
    ratio: String,
    trend: Option<String>,
    of_day: String,
    owed: Vec<Row>,
    owed_total: String,
    held: Vec<Row>,
    held_total: String,
    counted: String,
    root: String,
    sha256: String,
}

#[derive(Serialize)]
struct View<'a> {
    lang: &'static str,
    nonce: &'a str,
    css: &'static str,
    languages: Vec<LanguageLink>,
    w: BTreeMap<&'static str, &'static str>,
    entity: &'a str,
    heading: &'static str,
    latest: Option<Latest>,
    fund: Vec<Row>,
    days: Vec<Day>,
    chain: &'a str,
}

/// Writes the page.
///
/// # Errors
/// Fails only if the layout and the facts do not fit.
pub fn proof_page(page: &ProofPage, language: Language, nonce: &str) -> Result<String, PageError> {
    let section = words(language).section(SECTION).iter().chain(words(language).section("page"));
    let view = View {
        lang: language.tag(),
        nonce,
        css: CSS,
        languages: language_links(&page.address),
        w: section.map(|line| (line.key, line.value)).collect(),
        entity: &page.entity,
        heading: say(language, "title"),
        latest: page.days.first().map(|newest| latest(newest, language)),
        fund: fund(page, language),
        days: page.days.iter().map(|day| row_of(day, language)).collect(),
        chain: &page.chain,
    };
    Ok(LAYOUTS.render("solvency.html", &view)?)
}

fn say(language: Language, key: &str) -> &'static str {
    words(language).get(SECTION, key).unwrap_or_default()
}

/// A ratio of one million as `100 %`, to the tenth and rounded down: 99.99 % is not yet 100 %.
fn ratio(language: Language, ppm: Option<i64>) -> String {
    const TENTH: i64 = 1_000;
    let cut = |ppm: i64| Ppm(ppm.div_euclid(TENTH).saturating_mul(TENTH));
    ppm.map_or_else(|| "—".to_owned(), |ppm| local::percent(language, cut(ppm)))
}

fn parts(language: Language, parts: &[Component], currency: Currency) -> Vec<Row> {
    parts
        .iter()
        .filter(|part| part.amount_minor != Minor::ZERO)
        .map(|part| Row {
            name: words(language)
                .get("solvency.component", &part.component)
                .map_or_else(|| part.component.clone(), str::to_owned),
            accounts: Some(part.accounts.to_string()),
            amount: local::amount(language, part.amount_minor, currency),
        })
        .collect()
}

fn latest(newest: &ProvenDay, language: Language) -> Latest {
    let proof = &newest.proof;
    let money = |amount| local::amount(language, amount, proof.currency);
    let is_enough = proof.held_minor >= proof.owed_minor;
    let verdict = say(language, if is_enough { "enough" } else { "short" });
    let counted = |name: &str| match name {
        "count" => Some(proof.activities.count.to_string()),
        "sum" => Some(money(proof.activities.sum_minor)),
        _ => None,
    };
    Latest {
        is_enough,
        verdict: fill(verdict, |name| match name {
            "held" => Some(money(proof.held_minor)),
            "owed" => Some(money(proof.owed_minor)),
            _ => None,
        }),
        ratio: ratio(language, proof.ratio_ppm),
        trend: proof.trend_ppm.filter(|trend| *trend != 0).map(|trend| {
            let sign = if trend > 0 { "+" } else { "" };
            format!("{sign}{}", ratio(language, Some(trend)))
        }),
        of_day: local::date(language, proof.day),
        owed: parts(language, &proof.owed, proof.currency),
        owed_total: money(proof.owed_minor),
        held: parts(language, &proof.held, proof.currency),
        held_total: money(proof.held_minor),
        counted: fill(say(language, "counted"), counted),
        root: proof.activities.root.clone(),
        sha256: newest.sha256.clone(),
    }
}

fn fund(page: &ProofPage, language: Language) -> Vec<Row> {
    let currency = page.days.first().map_or(Currency::EUR, |day| day.proof.currency);
    let money = |amount| local::amount(language, amount, currency);
    let row = |key: &str, amount: String| Row { name: say(language, key).to_owned(), accounts: None, amount };
    let it = &page.fund;
    let largest: Vec<String> = it.largest_exposures.iter().map(|amount| money(*amount)).collect();
    let largest = if largest.is_empty() { "—".to_owned() } else { largest.join(" · ") };
    let days = it.payout_days.map_or_else(|| "—".to_owned(), |days| days.to_string());
    vec![
        row("fund_balance", money(it.balance)),
        row("fund_advances", money(it.open_advances)),
        row(
            "fund_loss_rate",
            it.loss_rate_ppm.map_or_else(|| "—".to_owned(), |ppm| local::percent(language, Ppm(ppm))),
        ),
        row("fund_largest", largest),
        row("fund_after", money(it.after_three_failures)),
        row("fund_days", days),
    ]
}

fn row_of(day: &ProvenDay, language: Language) -> Day {
    let proof = &day.proof;
    Day {
        on: local::date(language, proof.day),
        owed: local::amount(language, proof.owed_minor, proof.currency),
        held: local::amount(language, proof.held_minor, proof.currency),
        ratio: ratio(language, proof.ratio_ppm),
        hash: day.sha256.chars().take(12).collect(),
    }
}
