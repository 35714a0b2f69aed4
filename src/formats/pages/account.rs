//! The pages behind the links that open an account: confirming an address, choosing a password.

use serde::Serialize;

use super::{LAYOUTS, LanguageLink, PageError, language_links, words};
use crate::kernel::language::Language;

const CSS: &str = include_str!("page.css");

/// What such a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStep {
    /// One button: nothing is confirmed by merely opening the link, since mail scanners open links too.
    ConfirmEmail,
    /// Done.
    EmailConfirmed,
    /// One field.
    ResetPassword,
    /// Done.
    PasswordSet,
    /// The link is used, too old or not ours.
    LinkDead,
}

impl AccountStep {
    const fn section(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm_email",
            Self::EmailConfirmed => "email_confirmed",
            Self::ResetPassword => "reset_password",
            Self::PasswordSet => "password_set",
            Self::LinkDead => "link_dead",
        }
    }
}

#[derive(Serialize)]
struct AccountView<'a> {
    lang: &'static str,
    nonce: &'a str,
    css: &'static str,
    languages: Vec<LanguageLink>,
    w: std::collections::BTreeMap<&'static str, &'static str>,
    entity: &'a str,
    heading: &'static str,
    text: &'static str,
    next: Option<&'static str>,
    button: Option<&'static str>,
    label: Option<&'static str>,
    problem: Option<&'a str>,
    action: &'a str,
}

/// Writes such a page. `address` is where it is, for the form and the language switch; `problem` says what was
/// wrong with what was sent, in the reader's language.
///
/// # Errors
/// Fails only if the layout and the facts do not fit.
pub fn account_page(
    step: AccountStep,
    mutual: &str,
    address: &str,
    problem: Option<&str>,
    language: Language,
    nonce: &str,
) -> Result<String, PageError> {
    let say = |key| words(language).get(step.section(), key);
    let view = AccountView {
        lang: language.tag(),
        nonce,
        css: CSS,
        languages: language_links(address),
        w: words(language).section("page").iter().map(|line| (line.key, line.value)).collect(),
        entity: mutual,
        heading: say("title").unwrap_or_default(),
        text: say("text").unwrap_or_default(),
        next: say("next"),
        button: say("button"),
        label: say("label"),
        problem,
        action: address,
    };
    Ok(LAYOUTS.render("account.html", &view)?)
}
