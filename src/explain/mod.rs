//! Every cent explained: from any amount back to the documents, the rules and the decisions behind it.
//!
//! Owns no table. It reads the books line by line and asks the desks of the rooms before it for the documents: the
//! lines of the invoice, the rates and what rounding made of them, the order, the version of the rules and who decided
//! it. What a member is shown is only what is theirs. An explanation can be signed, and is then evidence that anybody
//! can check without us.

mod charges;
pub mod http;
mod losses;
mod moved;
mod pooled;
mod rules;
mod step;
mod store;
mod tree;

use chrono::{DateTime, Utc};
pub use rules::{BandPart, Calculation, CalculationKind, Rounding};
use serde::Serialize;
pub use step::{EntryStep, RuleStep, Step};
use utoipa::ToSchema;

use crate::activities;
use crate::invoicing;
use crate::kernel::ids::{ActivityId, InvoiceId, PayoutId};
use crate::kernel::language::Language;
use crate::kernel::money::Minor;
use crate::ledger::Account;
use crate::named;
use crate::payouts;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use tree::Explainer;

named! {
    /// A balance of an activity.
    Balance {
        /// Can be paid out.
        Available = "available",
        /// Waits for clients.
        Pending = "pending",
        /// Set aside for payouts.
        Reserved = "reserved",
    }
}

/// An explanation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Trace {
    /// The form of this text.
    pub version: u8,
    /// Who says so.
    pub issuer: String,
    /// When.
    pub made_at: DateTime<Utc>,
    /// In which language.
    pub language: Language,
    /// What is explained.
    pub trace: Step,
}

/// The language in which to explain: the one that was asked for, or that of the person.
#[must_use]
pub fn language(tx: &Tx<'_>, asked: Option<Language>) -> Language {
    asked.or_else(|| tx.principal().map(|who| who.language)).unwrap_or(Language::En)
}

/// Explains a line of the books.
///
/// # Errors
/// 404 for a line of somebody else.
pub fn posting(tx: &mut Tx<'_>, id: i64, language: Language) -> Result<Step> {
    let line = store::find(tx, id)?;
    Explainer::new(tx, language).line(&line, None)
}

/// Explains what an activity gets of an invoice.
///
/// # Errors
/// 404 for an invoice of somebody else; 409 `nothing_booked` before it is issued.
pub fn invoice(tx: &mut Tx<'_>, id: InvoiceId, language: Language) -> Result<Step> {
    let invoice = invoicing::find(tx, id)?;
    let lines = store::list_of_source(tx, "invoice", id.0, Account::FundsPending)?;
    if lines.is_empty() {
        return Err(Error::conflict("nothing_booked"));
    }
    let booked = Minor::sum(lines.iter().map(|line| line.amount_minor))?;
    let mut explainer = Explainer::new(tx, language);
    let text = explainer.say("part", "to_activity", &[("document", invoice.row.number.unwrap_or_default())]);
    let mut step = Step::new(booked.negated()?, invoice.row.currency, text);
    step.href = Some(format!("/v1/invoices/{id}"));
    for line in &lines {
        step.parts.push(explainer.line(line, None)?);
    }
    Ok(step)
}

/// Explains a payout: which money it is made of, and where that came from.
///
/// # Errors
/// 404 for a payout of somebody else.
pub fn payout(tx: &mut Tx<'_>, id: PayoutId, language: Language) -> Result<Step> {
    let payout = payouts::find(tx, id)?;
    let lines = store::list_of_source(tx, "payout", id.0, Account::FundsReserved)?;
    let first = lines.first().ok_or_else(|| Error::conflict("nothing_booked"))?;
    let mut explainer = Explainer::new(tx, language);
    let amount = explainer.money(payout.amount_minor, payout.currency);
    let mut step = explainer.line(first, None)?;
    step.text = explainer.say("part", "payout", &[("amount", amount)]);
    step.href = Some(format!("/v1/payouts/{id}"));
    Ok(step)
}

/// Explains a balance of an activity: which money it is made of, the newest `limit` pieces one by one.
///
/// # Errors
/// 404 for an activity of somebody else.
pub fn balance(tx: &mut Tx<'_>, id: ActivityId, which: Balance, limit: usize, language: Language) -> Result<Step> {
    activities::activity(tx, id)?;
    let has = activities::balance(tx, id)?;
    let (account, amount) = match which {
        Balance::Available => (Account::FundsAvailable, has.available_minor),
        Balance::Pending => (Account::FundsPending, has.pending_minor),
        Balance::Reserved => (Account::FundsReserved, has.reserved_minor),
    };
    let pieces = match which {
        Balance::Available => store::list_pieces(tx, id, account, None)?,
        Balance::Pending => store::list_held(tx, id, account, false)?,
        Balance::Reserved => store::list_held(tx, id, account, true)?,
    };
    let mut explainer = Explainer::new(tx, language);
    let name = explainer.say("account", account.name(), &[]);
    let text = explainer.say("part", "balance", &[("account", name)]);
    let mut step = Step::new(amount, has.currency, text);
    step.account = Some(account);
    step.href = Some(format!("/v1/activities/{id}"));
    step.parts = match which {
        Balance::Available => explainer.pieces(pieces, "unspent", step.amount, limit)?,
        Balance::Pending | Balance::Reserved => explainer.held(pieces, id, limit)?,
    };
    Ok(step)
}
