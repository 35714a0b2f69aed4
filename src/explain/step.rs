//! The shape of an explanation: a sixth kind of file because both the desk and the counter use it.
//!
//! A [`Step`] is an amount with what it is. Its `parts` sum to it; `rests_on` are what it was taken or computed from,
//! each with an amount of its own and a chain of its own. Both go on until a document, a rule or the bank is reached.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::rules::Calculation;
use crate::kernel::ids::RuleSetId;
use crate::kernel::money::{Currency, Minor, Money};
use crate::ledger::{Account, Event};

/// The entry behind a line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EntryStep {
    /// Its number.
    pub id: i64,
    /// What happened.
    pub event: Event,
    /// What happened, in words.
    pub text: String,
    /// The day it counts.
    pub booked_on: NaiveDate,
    /// What kind of fact is behind it.
    pub source_kind: String,
    /// Which one.
    pub source_id: Uuid,
    /// Where that fact is, when it has an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
    /// The entry that it reverses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverses_id: Option<i64>,
}

/// The rules that an amount follows, and the decision that made them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleStep {
    /// The version of the rules.
    pub rule_set_id: RuleSetId,
    /// Its number.
    pub version_number: i32,
    /// From which day it holds.
    pub valid_from: NaiveDate,
    /// Who decided it.
    pub decision: String,
    /// When.
    pub decided_on: NaiveDate,
    /// Where the rules are.
    pub href: String,
    /// All of it in words.
    pub text: String,
}

/// An amount and why it is that amount.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Step {
    /// How much: positive when it makes its account grow.
    pub amount: Money,
    /// What it is.
    pub text: String,
    /// Why it stands here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Where it is: its document, or its own explanation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
    /// The line of the books, when it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posting_id: Option<i64>,
    /// Its account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Its entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryStep>,
    /// The rules that it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleStep>,
    /// How it was computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calculation: Option<Calculation>,
    /// What it is made of: these sum to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub parts: Vec<Step>,
    /// What it was taken or computed from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub rests_on: Vec<Step>,
}

impl Step {
    /// An amount with its words and nothing below it.
    pub(super) fn new(amount: Minor, currency: Currency, text: String) -> Self {
        Self {
            amount: Money { amount_minor: amount, currency },
            text,
            why: None,
            href: None,
            posting_id: None,
            account: None,
            entry: None,
            rule: None,
            calculation: None,
            parts: Vec::new(),
            rests_on: Vec::new(),
        }
    }
}
