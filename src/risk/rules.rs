//! What is odd about a payout: one pure rule for each sign, over facts that the store gathers.

pub mod limits;

use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::kernel::money::{Minor, Money};
use crate::named;

named! {
    /// How serious a flag is.
    RiskLevel {
        /// Shown beside the payout.
        Low = "low",
        /// Opened by the approver before a batch is approved.
        Medium = "medium",
        /// As medium, and shown first.
        High = "high",
    }
}

named! {
    /// How serious an entity takes a kind of flag.
    RiskSetting {
        /// Not raised.
        Off = "off",
        /// See [`RiskLevel::Low`].
        Low = "low",
        /// See [`RiskLevel::Medium`].
        Medium = "medium",
        /// See [`RiskLevel::High`].
        High = "high",
    }
}

impl RiskSetting {
    /// The level of the flags, if any are raised.
    #[must_use]
    pub const fn level(self) -> Option<RiskLevel> {
        match self {
            Self::Off => None,
            Self::Low => Some(RiskLevel::Low),
            Self::Medium => Some(RiskLevel::Medium),
            Self::High => Some(RiskLevel::High),
        }
    }
}

impl RiskLevel {
    /// Whether a batch waits until a flag of this level was opened.
    #[must_use]
    pub const fn blocks(self) -> bool {
        matches!(self, Self::Medium | Self::High)
    }
}

named! {
    /// A kind of flag.
    RiskCode {
        /// The member was never paid before.
        FirstPayout = "first_payout",
        /// Nothing was paid to this account before.
        FirstToAccount = "first_to_account",
        /// The account is another one since a few weeks.
        AccountChanged = "account_changed",
        /// Another member is, or was, paid to the same account.
        IbanOfMember = "iban_of_member",
        /// Somebody of the office is, or was, paid to the same account.
        IbanOfStaff = "iban_of_staff",
        /// Much more than the member's usual payouts.
        AmountUnusual = "amount_unusual",
        /// Several payouts of one member within a day.
        ManyInADay = "many_in_a_day",
        /// Nearly all there is, right after money came in.
        AllAtOnce = "all_at_once",
        /// Mostly money that no client has paid yet.
        MostlyAdvanced = "mostly_advanced",
        /// Money for an invoice of a client who never paid anything.
        ClientUnproven = "client_unproven",
        /// The account is in another country than the member.
        CountryDiffers = "country_differs",
        /// The bank says that the account is in another name.
        NameMismatch = "name_mismatch",
        /// The bank says that the account is in nearly that name.
        NameClose = "name_close",
        /// A password, an address or a number was changed these days.
        ContactChanged = "contact_changed",
        /// Asked for on a device that the member did not have three days before.
        NewDevice = "new_device",
        /// The device is also somebody else's.
        SharedDevice = "shared_device",
        /// Who reviewed the payout had the account hastened.
        ReviewerChangedAccount = "reviewer_changed_account",
        /// A limit is nearly used up.
        LimitNearlyUsed = "limit_nearly_used",
        /// A client disputes an invoice of the activity.
        InvoiceDisputed = "invoice_disputed",
    }
}

impl RiskCode {
    /// How serious it is when an entity has not said. What happens to every honest new member, or is what a mutual is
    /// for, is low: whoever must open a flag on each payout soon opens all of them unread.
    #[must_use]
    pub const fn by_default(self) -> RiskSetting {
        match self {
            Self::FirstPayout
            | Self::FirstToAccount
            | Self::ManyInADay
            | Self::AllAtOnce
            | Self::MostlyAdvanced
            | Self::ClientUnproven
            | Self::CountryDiffers
            | Self::SharedDevice => RiskSetting::Low,
            Self::AmountUnusual | Self::NameClose | Self::NewDevice | Self::LimitNearlyUsed | Self::InvoiceDisputed => {
                RiskSetting::Medium
            }
            Self::AccountChanged
            | Self::IbanOfMember
            | Self::IbanOfStaff
            | Self::NameMismatch
            | Self::ContactChanged
            | Self::ReviewerChangedAccount => RiskSetting::High,
        }
    }
}

/// How long another account is told about.
const ACCOUNT_IS_NEW: Duration = Duration::days(30);
/// How long a change of a password, an address or a number is told about.
const CONTACT_IS_NEW: Duration = Duration::hours(72);
/// Earlier payouts that make a habit.
const HABIT: usize = 3;
/// How many times the usual is much.
const UNUSUAL: i64 = 5;
/// Payouts within a day that are many.
const MANY: i64 = 3;
/// Of a limit, from which hundredth on it is nearly used up.
const NEARLY: i128 = 80;

/// What the rules look at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The payout.
    pub payout: Uuid,
    /// Who is paid.
    pub member: Uuid,
    /// From which activity.
    pub activity: Uuid,
    /// How much.
    pub amount: Money,
    /// The change by which the account came; none for the one that the member began with.
    pub change: Option<Uuid>,
    /// When that account became the one that is paid to.
    pub changed_at: Option<DateTime<Utc>>,
    /// What the bank said about the name.
    pub name_check: Option<String>,
    /// Payouts sent to this account before.
    pub paid_to_account: i64,
    /// The amounts of the member's last payouts, newest first.
    pub earlier: Vec<i64>,
    /// Payouts asked for within the same 24 hours, this one included.
    pub same_day: i64,
    /// What is left on the activity, this payout apart.
    pub available: Minor,
    /// What is set aside on the activity, this payout included.
    pub reserved: Minor,
    /// Whether money came in since yesterday.
    pub has_new_money: bool,
    /// What the mutual advanced on the activity and no client paid yet.
    pub advances: Minor,
    /// An advanced invoice of a client who never paid anything.
    pub unpaid_invoice: Option<Uuid>,
    /// Where the member lives.
    pub country: String,
    /// Where the account is.
    pub iban_country: Option<String>,
    /// Another member with the same account.
    pub shared_with_member: Option<Uuid>,
    /// Somebody of the office with the same account.
    pub shared_with_staff: Option<Uuid>,
    /// When the member last changed a password, an address or a number.
    pub contact_changed_at: Option<DateTime<Utc>>,
    /// Whether it was asked for on a device that is new.
    pub is_device_new: bool,
    /// Who else uses that device.
    pub device_of: Option<Uuid>,
    /// Whether who reviewed it had the account hastened.
    pub is_reviewer_caller: bool,
    /// An invoice of the activity that a client disputes.
    pub disputed_invoice: Option<Uuid>,
    /// The limit that is used most: its kind, what is used of it, itself.
    pub limit: Option<(String, i64, i64)>,
}

/// A flag that a rule raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its kind.
    pub code: RiskCode,
    /// What its sentence says.
    pub facts: Map<String, Value>,
    /// Where to look.
    pub evidence: Vec<String>,
}

type Rule = fn(&Facts, DateTime<Utc>) -> Option<(Value, Vec<String>)>;

/// Each kind of flag with its rule.
const RULES: &[(RiskCode, Rule)] = &[
    (RiskCode::FirstPayout, first_payout),
    (RiskCode::FirstToAccount, first_to_account),
    (RiskCode::AccountChanged, account_changed),
    (RiskCode::IbanOfMember, iban_of_member),
    (RiskCode::IbanOfStaff, iban_of_staff),
    (RiskCode::AmountUnusual, amount_unusual),
    (RiskCode::ManyInADay, many_in_a_day),
    (RiskCode::AllAtOnce, all_at_once),
    (RiskCode::MostlyAdvanced, mostly_advanced),
    (RiskCode::ClientUnproven, client_unproven),
    (RiskCode::CountryDiffers, country_differs),
    (RiskCode::NameMismatch, name_mismatch),
    (RiskCode::NameClose, name_close),
    (RiskCode::ContactChanged, contact_changed),
    (RiskCode::NewDevice, new_device),
    (RiskCode::SharedDevice, shared_device),
    (RiskCode::ReviewerChangedAccount, reviewer_changed_account),
    (RiskCode::LimitNearlyUsed, limit_nearly_used),
    (RiskCode::InvoiceDisputed, invoice_disputed),
];

/// Every flag that the facts of a payout raise.
pub fn flags(facts: &Facts, now: DateTime<Utc>) -> Vec<Found> {
    let found = RULES.iter().filter_map(|(code, rule)| {
        let (said, evidence) = rule(facts, now)?;
        Some(Found { code: *code, facts: said.as_object().cloned().unwrap_or_default(), evidence })
    });
    found.collect()
}

fn payout(facts: &Facts) -> String {
    format!("/v1/payouts/{}", facts.payout)
}

fn member(facts: &Facts) -> String {
    format!("/v1/members/{}", facts.member)
}

fn activity(facts: &Facts) -> String {
    format!("/v1/activities/{}", facts.activity)
}

fn change(facts: &Facts) -> Option<String> {
    facts.change.map(|id| format!("/v1/bank_detail_changes/{id}"))
}

fn first_payout(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    facts.earlier.is_empty().then(|| (json!({}), vec![payout(facts), member(facts)]))
}

fn first_to_account(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let evidence = change(facts).unwrap_or_else(|| member(facts));
    (facts.paid_to_account == 0).then(|| (json!({}), vec![payout(facts), evidence]))
}

fn account_changed(facts: &Facts, now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let at = facts.changed_at.filter(|at| now.signed_duration_since(*at) < ACCOUNT_IS_NEW)?;
    let evidence = change(facts).into_iter().chain([payout(facts)]).collect();
    Some((json!({"changed_on": at.date_naive()}), evidence))
}

fn iban_of_member(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let other = facts.shared_with_member?;
    Some((json!({}), vec![payout(facts), member(facts), format!("/v1/members/{other}")]))
}

fn iban_of_staff(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    facts.shared_with_staff?;
    Some((json!({}), vec![payout(facts), member(facts)]))
}

/// Half of the earlier payouts are smaller than this one.
fn median(amounts: &[i64]) -> Option<i64> {
    let mut sorted = amounts.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)?.checked_div(2)?).copied()
}

fn amount_unusual(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let usual = median(&facts.earlier).filter(|_| facts.earlier.len() >= HABIT)?;
    let much = usual.saturating_mul(UNUSUAL);
    let usual = Money { amount_minor: Minor::new(usual), currency: facts.amount.currency };
    (facts.amount.amount_minor.get() > much)
        .then(|| (json!({"amount": facts.amount, "usual": usual}), vec![payout(facts), member(facts)]))
}

fn many_in_a_day(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    (facts.same_day >= MANY).then(|| (json!({"count": facts.same_day}), vec![payout(facts), member(facts)]))
}

fn all_at_once(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let left = facts.available.get().saturating_mul(20);
    (facts.has_new_money && left <= facts.amount.amount_minor.get())
        .then(|| (json!({"amount": facts.amount}), vec![payout(facts), activity(facts)]))
}

fn mostly_advanced(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let there = facts.available.get().saturating_add(facts.reserved.get());
    let advanced = Money { amount_minor: facts.advances, currency: facts.amount.currency };
    (facts.advances.get().saturating_mul(2) > there)
        .then(|| (json!({"advanced": advanced}), vec![payout(facts), activity(facts)]))
}

fn client_unproven(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let invoice = facts.unpaid_invoice?;
    Some((json!({}), vec![payout(facts), format!("/v1/invoices/{invoice}")]))
}

fn country_differs(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let there = facts.iban_country.as_ref().filter(|there| **there != facts.country)?;
    Some((json!({"account_country": there, "country": facts.country}), vec![payout(facts), member(facts)]))
}

fn name_mismatch(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let evidence = change(facts)?;
    (facts.name_check.as_deref() == Some("no_match")).then(|| (json!({}), vec![evidence, payout(facts)]))
}

fn name_close(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let evidence = change(facts)?;
    (facts.name_check.as_deref() == Some("close_match")).then(|| (json!({}), vec![evidence, payout(facts)]))
}

fn contact_changed(facts: &Facts, now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let at = facts.contact_changed_at.filter(|at| now.signed_duration_since(*at) < CONTACT_IS_NEW)?;
    Some((json!({"changed_on": at.date_naive()}), vec![payout(facts), member(facts)]))
}

fn new_device(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    facts.is_device_new.then(|| (json!({}), vec![payout(facts), member(facts)]))
}

fn shared_device(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    facts.device_of?;
    Some((json!({}), vec![payout(facts), member(facts)]))
}

fn reviewer_changed_account(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let evidence = change(facts)?;
    facts.is_reviewer_caller.then(|| (json!({}), vec![evidence, payout(facts)]))
}

fn limit_nearly_used(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let (kind, used, limit) = facts.limit.as_ref()?;
    let is_near = i128::from(*used).saturating_mul(100) >= i128::from(*limit).saturating_mul(NEARLY);
    let money = |minor: i64| Money { amount_minor: Minor::new(minor), currency: facts.amount.currency };
    is_near.then(|| (json!({"kind": kind, "used": money(*used), "limit": money(*limit)}), vec![payout(facts)]))
}

fn invoice_disputed(facts: &Facts, _now: DateTime<Utc>) -> Option<(Value, Vec<String>)> {
    let invoice = facts.disputed_invoice?;
    Some((json!({}), vec![payout(facts), format!("/v1/invoices/{invoice}")]))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
