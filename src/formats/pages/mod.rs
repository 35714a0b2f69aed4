//! The few pages that people see in a browser: the client's links of an order and of an
//! invoice, their outcomes, the links that open an account,
//! the daily proof of solvency, and the description of the API.
//!
//! They need no script, load nothing from anywhere, and work on a narrow phone and with a screen reader. The one
//! style sheet is inline under the nonce of the answer's content security policy. Forms are plain posts.

mod account;
mod api_docs;
mod invoice;
mod lines;
mod order;
mod solvency;

use std::sync::LazyLock;

use serde::Serialize;

pub use account::{AccountStep, account_page};
pub use api_docs::api_docs;
pub use invoice::{InvoicePage, PayBox, invoice_page};
pub use lines::{PageLine, VatLine};
pub use order::{Answered, OrderPage, Outcome, OutcomePage, Typed, order_page, outcome_page};
pub use solvency::{FundFigures, ProofPage, ProvenDay, proof_page};

use super::layout::Layouts;
use super::texts::Texts;
use crate::kernel::language::Language;

static FR: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("fr.txt")));
static NL: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("nl.txt")));
static EN: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("en.txt")));
static DE: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("de.txt")));

static LAYOUTS: LazyLock<Layouts> = LazyLock::new(|| {
    Layouts::new(&[
        ("frame.html", include_str!("frame.html")),
        ("lines.html", include_str!("lines.html")),
        ("order.html", include_str!("order.html")),
        ("invoice.html", include_str!("invoice.html")),
        ("outcome.html", include_str!("outcome.html")),
        ("account.html", include_str!("account.html")),
        ("api_docs.html", include_str!("api_docs.html")),
        ("solvency.html", include_str!("solvency.html")),
    ])
});

fn words(language: Language) -> &'static Texts {
    match language {
        Language::Fr => &FR,
        Language::Nl => &NL,
        Language::En => &EN,
        Language::De => &DE,
    }
}

/// A page that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The layout and the facts do not fit: a bug that the tests of this room would have found.
    #[error("the page could not be laid out")]
    Layout(#[from] minijinja::Error),
    /// The description of the API is not JSON.
    #[error("the API description cannot be read")]
    Description(#[from] serde_json::Error),
}

/// The content security policy that these pages are written for; `nonce` must be fresh for every answer.
///
/// A nonce is base64 or hex: it stands in a header, so anything else is dropped from it.
#[must_use]
pub fn content_security_policy(nonce: &str) -> String {
    let nonce: String = nonce.chars().filter(|c| c.is_ascii_alphanumeric() || "+/=-_".contains(*c)).collect();
    format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    )
}

/// A link of the language switch.
#[derive(Debug, Serialize)]
struct LanguageLink {
    tag: &'static str,
    name: &'static str,
    link: String,
}

/// The same page in each language; none when the page has no address to come back to.
fn language_links(page_url: &str) -> Vec<LanguageLink> {
    if page_url.is_empty() {
        return Vec::new();
    }
    let mark = if page_url.contains('?') { '&' } else { '?' };
    let name = |language| match language {
        Language::Fr => "FR",
        Language::Nl => "NL",
        Language::En => "EN",
        Language::De => "DE",
    };
    let link = |language: Language| format!("{page_url}{mark}lang={language}");
    Language::ALL
        .into_iter()
        .map(|language| LanguageLink { tag: language.tag(), name: name(language), link: link(language) })
        .collect()
}

#[cfg(test)]
mod tests;
