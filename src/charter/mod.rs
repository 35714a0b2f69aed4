//! The mutual itself: its legal entities, where their money lies, and the rules that are in force on a day.
//!
//! Owns `entity`, `entity_bank_account`, `rule_set`, `rule_set_levy`, `rule_set_band`, `agreement`, `entity_design`, `exchange_rate`, and reads `vat_rate` and
//! `holiday`, which only a migration changes. A rule set is decided once and never edited: a new decision is a new
//! version with a day from which it holds, and documents keep the version they were made under. Nothing is cached.
//! The vote behind a decision is a text here; votes will be a room of their own.

pub mod design;
pub mod exchange;
pub mod http;
mod levy_rules;
mod rules;
mod store;

use std::collections::BTreeMap;

use chrono::NaiveDate;
pub use levy_rules::ShareValidity;
pub use store::{AgreementRow, BankAccountRow, EntityRow, RuleSet};

use crate::archive;
use crate::kernel::calendar::Holidays;
use crate::kernel::ids::{AgreementId, BankAccountId, EntityId, FileId, RuleSetId};
use crate::kernel::language::Language;
use crate::kernel::levies::{Levy, LevyBase, LevyKind, Running};
use crate::kernel::lines::{self, DocumentLine};
use crate::kernel::money::{Currency, Money, Ppm};
use crate::kernel::refusal::Checks;
use crate::kernel::vat::VatCase;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// Under this code the calendar keeps the closing days of TARGET2.
const TARGET2: &str = "EU";

/// A VAT case of a country on a day: rate, codes and words on documents, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VatTariff {
    /// The rate.
    pub rate: Ppm,
    /// The category code of EN 16931 (`S`, `AE` …).
    pub category: String,
    /// Why no tax is due, from the VATEX list.
    pub vatex: Option<String>,
    /// The legal mention in each language; none where a rate says all.
    pub mentions: BTreeMap<String, String>,
    /// Whether a line must say why the case applies.
    pub needs_justification: bool,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Until the day before this one.
    pub valid_until: Option<NaiveDate>,
    /// The law that it is from.
    pub source: String,
}

impl VatTariff {
    /// The legal mention in a language.
    #[must_use]
    pub fn mention(&self, language: Language) -> Option<&str> {
        self.mentions.get(language.tag()).map(String::as_str)
    }
}

/// How an entity or a client is reached and found, beside its address. Kept without blanks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// GS1 location number.
    pub gln: Option<String>,
    /// Where electronic invoices reach it: scheme and value, `0208:0123456749`. By default its registered number.
    pub electronic_address: Option<String>,
    /// Whom to ask.
    pub contact_name: Option<String>,
    /// At which telephone number.
    pub contact_phone: Option<String>,
}

/// Notes what is wrong with how somebody is reached.
pub fn check_reach(reach: &Reach, checks: &mut Checks) {
    rules::check_reach(reach, checks);
}

/// A new entity, as it was typed.
#[derive(Debug, Clone)]
pub struct NewEntity {
    /// Made by the sender.
    pub id: EntityId,
    /// Registered name.
    pub name: String,
    /// Legal form.
    pub legal_form: String,
    /// Number in the register of enterprises.
    pub enterprise_number: String,
    /// VAT number.
    pub vat_number: String,
    /// Court and register; may be empty.
    pub register: String,
    /// Street.
    pub street: String,
    /// Building number.
    pub building_number: String,
    /// Postcode.
    pub postcode: String,
    /// Town.
    pub town: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// IANA name.
    pub zone: String,
    /// Where questions go.
    pub email: String,
    /// How it is reached beside that.
    pub reach: Reach,
}

/// A new bank account of an entity.
#[derive(Debug, Clone)]
pub struct NewBankAccount {
    /// Made by the sender.
    pub id: BankAccountId,
    /// Whose.
    pub entity: EntityId,
    /// Its IBAN.
    pub iban: String,
    /// ISO 9362.
    pub bic: Option<String>,
    /// Of the account.
    pub currency: Currency,
}

/// A new rule set.
#[derive(Debug, Clone)]
pub struct NewRuleSet {
    /// Made by the sender.
    pub id: RuleSetId,
    /// Whose.
    pub entity: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Who decided it, in words.
    pub decision: String,
    /// When it was decided.
    pub decided_on: NaiveDate,
    /// What one share costs.
    pub share_price: Money,
    /// Days that clients have to pay.
    pub payment_terms_days: i32,
    /// Working days after which the guarantee advances.
    pub advance_working_days: i32,
    /// What one client may owe before the guarantee stops covering more.
    pub client_limit: Money,
    /// What the mutual keeps.
    pub levies: Vec<Levy>,
    /// The paper of the decision, a file that is here.
    pub evidence: Option<FileId>,
    /// What the guarantee carries for one member at most.
    pub member_limit: Option<Money>,
    /// What the guarantee carries for a member and a client who has not paid them before.
    pub new_pair_limit: Option<Money>,
    /// How many times the fund advances may be open.
    pub fund_multiple: Option<Ppm>,
    /// Below which balance of the fund the guarantee takes on nothing new.
    pub pause_below: Option<Money>,
    /// How long a paid share counts.
    pub share_validity: ShareValidity,
}

/// A levy as it was typed.
#[derive(Debug, Clone)]
pub struct NewLevy {
    /// What it is for.
    pub kind: LevyKind,
    /// What it is computed on.
    pub base: LevyBase,
    /// A decimal fraction.
    pub rate: Option<String>,
    /// Amounts of the running base from which a decimal fraction holds.
    pub bands: Vec<(Money, String)>,
    /// Over which time the base runs.
    pub running: Option<Running>,
    /// At least so much a month.
    pub floor_per_month: Option<Money>,
    /// At most so much a calendar year.
    pub cap_per_year: Option<Money>,
    /// So much each month beside the rest.
    pub fixed_per_month: Option<Money>,
}

/// A new text of the agreement.
#[derive(Debug, Clone)]
pub struct NewAgreement {
    /// Made by the sender.
    pub id: AgreementId,
    /// Of which entity.
    pub entity: EntityId,
    /// Its version; the same for all languages of one text.
    pub version_number: i32,
    /// Its language.
    pub language: Language,
    /// The text.
    pub body: String,
    /// From this day on.
    pub valid_from: NaiveDate,
}

/// A legal entity.
///
/// # Errors
/// 404.
pub fn entity(tx: &mut Tx<'_>, id: EntityId) -> Result<EntityRow> {
    store::find_entity(tx, id)
}

/// All entities, in the order in which they were made.
///
/// # Errors
/// Fails with the database.
pub fn entities(tx: &mut Tx<'_>) -> Result<Vec<EntityRow>> {
    store::list_entities(tx)
}

/// Adds an entity.
///
/// # Errors
/// 422 for what is not acceptable; 409 `not_unique` for an enterprise number that is here.
pub fn add_entity(tx: &mut Tx<'_>, new: NewEntity) -> Result<EntityRow> {
    let new = rules::entity(new)?;
    store::insert_entity(tx, &new)
}

/// The bank account of an entity that money comes to: the first that was added.
///
/// # Errors
/// 409 `bank_account_missing`.
pub fn bank_account(tx: &mut Tx<'_>, of: EntityId) -> Result<BankAccountRow> {
    store::find_first_bank_account(tx, of)?.ok_or_else(|| Error::conflict("bank_account_missing"))
}

/// A bank account of ours.
///
/// # Errors
/// 404.
pub fn bank_account_by_id(tx: &mut Tx<'_>, id: BankAccountId) -> Result<BankAccountRow> {
    store::find_bank_account(tx, id)
}

/// The bank account of ours with an IBAN, written without spaces.
///
/// # Errors
/// Fails with the database.
pub fn bank_account_by_iban(tx: &mut Tx<'_>, iban: &str) -> Result<Option<BankAccountRow>> {
    store::find_bank_account_by_iban(tx, iban)
}

/// The bank accounts of an entity, oldest first.
///
/// # Errors
/// 404 for an unknown entity.
pub fn bank_accounts(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<BankAccountRow>> {
    store::find_entity(tx, of)?;
    store::list_bank_accounts(tx, of)
}

/// Adds a bank account to an entity.
///
/// # Errors
/// 404 for an unknown entity; 422 for what is not acceptable; 409 `not_unique` for an IBAN that is here.
pub fn add_bank_account(tx: &mut Tx<'_>, new: NewBankAccount) -> Result<BankAccountRow> {
    store::find_entity(tx, new.entity)?;
    let new = rules::bank_account(new)?;
    store::insert_bank_account(tx, &new)
}

/// The rules that hold on a day.
///
/// # Errors
/// 409 `rule_set_missing`.
pub fn rule_set_on(tx: &mut Tx<'_>, of: EntityId, on: NaiveDate) -> Result<RuleSet> {
    store::find_rule_set_on(tx, of, on)?.ok_or_else(|| Error::conflict("rule_set_missing").with("on", on))
}

/// A version of the rules, as documents keep it.
///
/// # Errors
/// 404.
pub fn rule_set(tx: &mut Tx<'_>, id: RuleSetId) -> Result<RuleSet> {
    store::find_rule_set(tx, id)
}

/// Since when each share of an entity is a year of use, as the rules say on a day; none where a share is bought once.
///
/// # Errors
/// Fails with the database.
pub fn shares_lapse_since(tx: &mut Tx<'_>, of: EntityId, on: NaiveDate) -> Result<Option<NaiveDate>> {
    store::find_lapsing_since(tx, of, on)
}

/// The versions of the rules of an entity, newest first.
///
/// # Errors
/// 404 for an unknown entity.
pub fn rule_sets(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<RuleSet>> {
    store::find_entity(tx, of)?;
    store::list_rule_sets(tx, of)
}

/// A levy out of what was typed; `pointer` is where it stands in the body.
pub fn parse_levy(typed: &NewLevy, pointer: &str, checks: &mut Checks) -> Option<Levy> {
    levy_rules::parse_levy(typed, pointer, checks)
}

/// Reads rules as they were typed, with all checks: what they are before anybody has decided them. `levies` and
/// `fund_multiple` are as they were typed.
///
/// # Errors
/// 404 for an unknown entity; 422 for what is not acceptable.
pub fn read_rule_set(
    tx: &mut Tx<'_>,
    mut new: NewRuleSet,
    levies: &[NewLevy],
    fund_multiple: Option<&str>,
) -> Result<NewRuleSet> {
    store::find_entity(tx, new.entity)?;
    let mut checks = Checks::default();
    new.levies = levy_rules::parse_levies(levies, &mut checks);
    new.fund_multiple = levy_rules::parse_multiple(fund_multiple, &mut checks);
    check_rule_set(tx, &new, checks)?;
    Ok(new)
}

fn check_rule_set(tx: &mut Tx<'_>, new: &NewRuleSet, mut checks: Checks) -> Result<()> {
    archive::check_evidence(tx, new.evidence, &mut checks);
    Ok(rules::check_rule_set(new, checks)?)
}

/// Adds a version of the rules. `levies` and `fund_multiple` are as they were typed.
///
/// # Errors
/// 404 for an unknown entity; 422 for what is not acceptable; 409 `not_unique` when one begins on that day.
pub fn add_rule_set(
    tx: &mut Tx<'_>,
    new: NewRuleSet,
    levies: &[NewLevy],
    fund_multiple: Option<&str>,
) -> Result<RuleSet> {
    let new = read_rule_set(tx, new, levies, fund_multiple)?;
    let by = tx.person()?;
    store::insert_rule_set(tx, &new, by)
}

/// Adds a version of rules that were read before, once they are decided.
///
/// # Errors
/// As [`add_rule_set`].
pub fn publish_rule_set(tx: &mut Tx<'_>, new: &NewRuleSet) -> Result<RuleSet> {
    check_rule_set(tx, new, Checks::default())?;
    let by = tx.person()?;
    store::insert_rule_set(tx, new, by)
}

/// The VAT rates of a country on a day.
///
/// # Errors
/// Fails with the database.
pub fn vat_rates(tx: &mut Tx<'_>, country: &str, on: NaiveDate) -> Result<BTreeMap<VatCase, Ppm>> {
    Ok(rates_of(&vat_tariffs(tx, country, on)?))
}

/// As [`vat_rates`], with the codes that documents show.
///
/// # Errors
/// Fails with the database.
pub fn vat_tariffs(tx: &mut Tx<'_>, country: &str, on: NaiveDate) -> Result<BTreeMap<VatCase, VatTariff>> {
    store::list_vat_tariffs(tx, country, on)
}

/// The rates out of tariffs.
#[must_use]
pub fn rates_of(tariffs: &BTreeMap<VatCase, VatTariff>) -> BTreeMap<VatCase, Ppm> {
    tariffs.iter().map(|(case, tariff)| (*case, tariff.rate)).collect()
}

/// Whether every line says why its case applies where the law asks for it.
///
/// # Errors
/// 422 that names every line that does not.
pub fn check_justified(lines: &[DocumentLine], tariffs: &BTreeMap<VatCase, VatTariff>) -> Result<()> {
    let mut checks = Checks::default();
    let needs = |case| tariffs.get(&case).is_some_and(|tariff| tariff.needs_justification);
    lines::check_justified(lines, needs, &mut checks);
    Ok(checks.done()?)
}

/// The public holidays of a country in the two years from a day.
///
/// # Errors
/// Fails with the database.
pub fn holidays(tx: &mut Tx<'_>, country: &str, from: NaiveDate) -> Result<Holidays> {
    store::list_holidays(tx, country, from)
}

/// The days in the two years from a day on which money of a country does not move: its public holidays, and the closing
/// days of TARGET2.
///
/// # Errors
/// Fails with the database.
pub fn bank_holidays(tx: &mut Tx<'_>, country: &str, from: NaiveDate) -> Result<Holidays> {
    let mut closed = store::list_holidays(tx, country, from)?;
    closed.extend(store::list_holidays(tx, TARGET2, from)?);
    Ok(closed)
}

/// A text of the agreement, also one that no longer holds.
///
/// # Errors
/// 404.
pub fn agreement(tx: &mut Tx<'_>, id: AgreementId) -> Result<AgreementRow> {
    store::find_agreement(tx, id)
}

/// The text of the agreement that holds today in the zone of the entity.
///
/// # Errors
/// 404 when there is none in that language, or no such entity.
pub fn current_agreement(tx: &mut Tx<'_>, of: EntityId, language: Language) -> Result<AgreementRow> {
    agreement_in_force(tx, of, language)?.ok_or_else(Error::not_found)
}

/// As [`current_agreement`], for rules to which none is an answer.
///
/// # Errors
/// 404 for an unknown entity.
pub fn agreement_in_force(tx: &mut Tx<'_>, of: EntityId, language: Language) -> Result<Option<AgreementRow>> {
    let zone = store::find_entity(tx, of)?.zone();
    let today = tx.today(zone);
    store::find_agreement_on(tx, of, language, today)
}

/// Adds a text of the agreement; its SHA-256 is what applicants accept.
///
/// # Errors
/// 404 for an unknown entity; 422 for what is not acceptable; 409 `not_unique` for a version that has that language.
pub fn add_agreement(tx: &mut Tx<'_>, new: &NewAgreement) -> Result<AgreementRow> {
    store::find_entity(tx, new.entity)?;
    rules::check_agreement(new)?;
    store::insert_agreement(tx, new, &archive::sha256(new.body.as_bytes()))
}
