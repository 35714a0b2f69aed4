//! The SQL of the charter.

mod exchange;

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
pub use exchange::ExchangeRateRow;
pub(super) use exchange::{find_last_rate, find_rate, find_rate_of, insert_rate, is_currency, list_rates};
use serde_json::Value;
use umbel_schema::{
    agreement, entity, entity_bank_account, entity_design, holiday, rule_set, rule_set_band, rule_set_levy, vat_rate,
};

use super::design::{AddressWindow, NewDesign};
use super::{NewAgreement, NewBankAccount, NewEntity, NewRuleSet, ShareValidity, VatTariff};
use crate::kernel::calendar::Holidays;
use crate::kernel::ids::{AgreementId, BankAccountId, DesignId, EntityId, FileId, PersonId, RuleSetId};
use crate::kernel::language::Language;
use crate::kernel::levies::Levy;
use crate::kernel::money::{Currency, Minor, Ppm};
use crate::kernel::vat::VatCase;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// How far ahead holidays are read: no promise of ours reaches further.
const HOLIDAYS_AHEAD: Days = Days::new(2 * 366);

/// A legal entity of the mutual.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = entity, check_for_backend(diesel::pg::Pg))]
pub struct EntityRow {
    /// Its id.
    pub id: EntityId,
    /// Its registered name.
    pub name: String,
    /// Its legal form, as it must stand on documents.
    pub legal_form: String,
    /// Its number in the register of enterprises: digits only.
    pub enterprise_number: String,
    /// Its VAT number, normalised.
    pub vat_number: String,
    /// The court and register that keep it, as documents must say; may be empty.
    pub register: String,
    /// Street.
    pub street: String,
    /// Building number.
    pub building_number: String,
    /// Postcode.
    pub postcode: String,
    /// Town.
    pub town: String,
    /// Country (ISO 3166-1 alpha-2).
    pub country: String,
    /// Its legal time zone (IANA).
    pub zone: String,
    /// Where questions go.
    pub email: String,
    /// Grows with every change.
    pub version: i32,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// GS1 location number.
    pub gln: Option<String>,
    /// Where electronic invoices reach it; by default its registered number.
    pub electronic_address: Option<String>,
    /// Whom to ask.
    pub contact_name: Option<String>,
    /// At which telephone number.
    pub contact_phone: Option<String>,
}

impl EntityRow {
    /// Its legal time zone. Checked when the entity was added; UTC if the name has since left the zone tables.
    #[must_use]
    pub fn zone(&self) -> chrono_tz::Tz {
        self.zone.parse().unwrap_or(chrono_tz::Tz::UTC)
    }
}

/// A bank account of an entity.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = entity_bank_account, check_for_backend(diesel::pg::Pg))]
pub struct BankAccountRow {
    /// Its id.
    pub id: BankAccountId,
    /// Whose.
    pub entity_id: EntityId,
    /// Its IBAN without spaces: our own, so not a secret.
    pub iban: String,
    /// The code of its bank (ISO 9362), if known.
    pub bic: Option<String>,
    /// Its currency.
    pub currency: Currency,
    /// When it was added.
    pub created_at: DateTime<Utc>,
}

/// Dated rules of an entity, never edited.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// Its id.
    pub id: RuleSetId,
    /// Whose.
    pub entity_id: EntityId,
    /// 1, 2, 3 … per entity.
    pub version_number: i32,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Who decided it, in words.
    pub decision: String,
    /// When it was decided.
    pub decided_on: NaiveDate,
    /// What one share costs.
    pub share_price_minor: Minor,
    /// Of its amounts.
    pub currency: Currency,
    /// Days that clients have to pay.
    pub payment_terms_days: i32,
    /// Working days after which the guarantee advances.
    pub advance_working_days: i32,
    /// What one client may owe before the guarantee stops covering more.
    pub client_limit_minor: Minor,
    /// What the mutual keeps, ordered by kind.
    pub levies: Vec<Levy>,
    /// The paper of the decision.
    pub evidence_id: Option<FileId>,
    /// What the guarantee carries for one member at most; none is no limit.
    pub member_limit_minor: Option<Minor>,
    /// What the guarantee carries for a member and a client who has not paid them before; none is no limit.
    pub new_pair_limit_minor: Option<Minor>,
    /// How many times the fund advances may be open; none is no limit.
    pub fund_multiple: Option<Ppm>,
    /// The guarantee takes on nothing new while the fund is below this; none is no limit.
    pub pause_below_minor: Option<Minor>,
    /// How long a paid share counts.
    pub share_validity: ShareValidity,
    /// When it was added.
    pub created_at: DateTime<Utc>,
}

/// The text that an applicant accepts, in one language.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = agreement, check_for_backend(diesel::pg::Pg))]
pub struct AgreementRow {
    /// Its id.
    pub id: AgreementId,
    /// Of which entity.
    pub entity_id: EntityId,
    /// 1, 2, 3 … per entity; one version may have several languages.
    pub version_number: i32,
    /// Its language.
    pub language: Language,
    /// The text.
    pub body: String,
    /// SHA-256 of the text as UTF-8.
    pub sha256: Vec<u8>,
    /// From this day on.
    pub valid_from: NaiveDate,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = vat_rate, check_for_backend(diesel::pg::Pg))]
struct TariffRow {
    vat_case: String,
    category: String,
    rate_ppm: i64,
    valid_from: NaiveDate,
    valid_until: Option<NaiveDate>,
    source: String,
    vatex: Option<String>,
    mentions: Value,
    needs_justification: bool,
}

#[derive(QueryableByName)]
struct RuleSetRow {
    #[diesel(sql_type = SqlUuid)]
    id: RuleSetId,
    #[diesel(sql_type = SqlUuid)]
    entity_id: EntityId,
    #[diesel(sql_type = Integer)]
    version_number: i32,
    #[diesel(sql_type = Date)]
    valid_from: NaiveDate,
    #[diesel(sql_type = Text)]
    decision: String,
    #[diesel(sql_type = Date)]
    decided_on: NaiveDate,
    #[diesel(sql_type = BigInt)]
    share_price_minor: Minor,
    #[diesel(sql_type = Text)]
    currency: Currency,
    #[diesel(sql_type = Integer)]
    payment_terms_days: i32,
    #[diesel(sql_type = Integer)]
    advance_working_days: i32,
    #[diesel(sql_type = BigInt)]
    client_limit_minor: Minor,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Jsonb)]
    levies: Value,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    evidence_id: Option<FileId>,
    #[diesel(sql_type = Nullable<BigInt>)]
    member_limit_minor: Option<Minor>,
    #[diesel(sql_type = Nullable<BigInt>)]
    new_pair_limit_minor: Option<Minor>,
    #[diesel(sql_type = Nullable<BigInt>)]
    fund_multiple_ppm: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pause_below_minor: Option<Minor>,
    #[diesel(sql_type = Text)]
    share_validity: ShareValidity,
}

impl TryFrom<RuleSetRow> for RuleSet {
    type Error = Error;

    fn try_from(row: RuleSetRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            entity_id: row.entity_id,
            version_number: row.version_number,
            valid_from: row.valid_from,
            decision: row.decision,
            decided_on: row.decided_on,
            share_price_minor: row.share_price_minor,
            currency: row.currency,
            payment_terms_days: row.payment_terms_days,
            advance_working_days: row.advance_working_days,
            client_limit_minor: row.client_limit_minor,
            levies: serde_json::from_value(row.levies)?,
            evidence_id: row.evidence_id,
            member_limit_minor: row.member_limit_minor,
            new_pair_limit_minor: row.new_pair_limit_minor,
            fund_multiple: row.fund_multiple_ppm.map(Ppm),
            pause_below_minor: row.pause_below_minor,
            share_validity: row.share_validity,
            created_at: row.created_at,
        })
    }
}

/// A rule set with its levies in one statement: issuing an invoice counts every one.
const RULE_SETS: &str = "SELECT r.id, r.entity_id, r.version_number, r.valid_from, r.decision, r.decided_on, \
    r.share_price_minor, r.currency, r.payment_terms_days, r.advance_working_days, r.client_limit_minor, r.created_at, \
    levies_of(r.id) AS levies, r.evidence_id, r.member_limit_minor, r.new_pair_limit_minor, r.fund_multiple_ppm, \
    r.pause_below_minor, r.share_validity \
    FROM rule_set r";

pub(super) fn find_entity(tx: &mut Tx<'_>, id: EntityId) -> Result<EntityRow> {
    Ok(entity::table.find(id).select(EntityRow::as_select()).first(tx.conn())?)
}

pub(super) fn list_entities(tx: &mut Tx<'_>) -> Result<Vec<EntityRow>> {
    Ok(entity::table.order(entity::id.asc()).select(EntityRow::as_select()).load(tx.conn())?)
}

pub(super) fn insert_entity(tx: &mut Tx<'_>, new: &NewEntity) -> Result<EntityRow> {
    Ok(diesel::insert_into(entity::table)
        .values((
            entity::id.eq(new.id),
            entity::name.eq(&new.name),
            entity::legal_form.eq(&new.legal_form),
            entity::enterprise_number.eq(&new.enterprise_number),
            entity::vat_number.eq(&new.vat_number),
            entity::register.eq(&new.register),
            entity::street.eq(&new.street),
            entity::building_number.eq(&new.building_number),
            entity::postcode.eq(&new.postcode),
            entity::town.eq(&new.town),
            entity::country.eq(&new.country),
            entity::zone.eq(&new.zone),
            entity::email.eq(&new.email),
            (
                entity::gln.eq(new.reach.gln.as_deref()),
                entity::electronic_address.eq(new.reach.electronic_address.as_deref()),
                entity::contact_name.eq(new.reach.contact_name.as_deref()),
                entity::contact_phone.eq(new.reach.contact_phone.as_deref()),
            ),
        ))
        .returning(EntityRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_first_bank_account(tx: &mut Tx<'_>, of: EntityId) -> Result<Option<BankAccountRow>> {
    Ok(entity_bank_account::table
        .filter(entity_bank_account::entity_id.eq(of))
        .order((entity_bank_account::created_at.asc(), entity_bank_account::id.asc()))
        .select(BankAccountRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn find_bank_account(tx: &mut Tx<'_>, id: BankAccountId) -> Result<BankAccountRow> {
    Ok(entity_bank_account::table.find(id).select(BankAccountRow::as_select()).first(tx.conn())?)
}

pub(super) fn find_bank_account_by_iban(tx: &mut Tx<'_>, iban: &str) -> Result<Option<BankAccountRow>> {
    Ok(entity_bank_account::table
        .filter(entity_bank_account::iban.eq(iban))
        .select(BankAccountRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn list_bank_accounts(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<BankAccountRow>> {
    Ok(entity_bank_account::table
        .filter(entity_bank_account::entity_id.eq(of))
        .order((entity_bank_account::created_at.asc(), entity_bank_account::id.asc()))
        .select(BankAccountRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn insert_bank_account(tx: &mut Tx<'_>, new: &NewBankAccount) -> Result<BankAccountRow> {
    Ok(diesel::insert_into(entity_bank_account::table)
        .values((
            entity_bank_account::id.eq(new.id),
            entity_bank_account::entity_id.eq(new.entity),
            entity_bank_account::iban.eq(&new.iban),
            entity_bank_account::bic.eq(new.bic.as_deref()),
            entity_bank_account::currency.eq(new.currency),
        ))
        .returning(BankAccountRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn find_rule_set(tx: &mut Tx<'_>, id: RuleSetId) -> Result<RuleSet> {
    let row: RuleSetRow =
        diesel::sql_query(format!("{RULE_SETS} WHERE r.id = $1")).bind::<SqlUuid, _>(id).get_result(tx.conn())?;
    row.try_into()
}

pub(super) fn find_rule_set_on(tx: &mut Tx<'_>, of: EntityId, on: NaiveDate) -> Result<Option<RuleSet>> {
    let row: Option<RuleSetRow> = diesel::sql_query(format!(
        "{RULE_SETS} WHERE r.entity_id = $1 AND r.valid_from <= $2 ORDER BY r.valid_from DESC LIMIT 1"
    ))
    .bind::<SqlUuid, _>(of)
    .bind::<Date, _>(on)
    .get_result(tx.conn())
    .optional()?;
    row.map(RuleSet::try_from).transpose()
}

pub(super) fn list_rule_sets(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<RuleSet>> {
    let rows: Vec<RuleSetRow> =
        diesel::sql_query(format!("{RULE_SETS} WHERE r.entity_id = $1 ORDER BY r.version_number DESC LIMIT 200"))
            .bind::<SqlUuid, _>(of)
            .load(tx.conn())?;
    rows.into_iter().map(RuleSet::try_from).collect()
}

pub(super) fn insert_rule_set(tx: &mut Tx<'_>, new: &NewRuleSet, by: PersonId) -> Result<RuleSet> {
    let last: Option<i32> = rule_set::table
        .filter(rule_set::entity_id.eq(new.entity))
        .select(diesel::dsl::max(rule_set::version_number))
        .first(tx.conn())?;
    diesel::insert_into(rule_set::table)
        .values((
            (
                rule_set::id.eq(new.id),
                rule_set::entity_id.eq(new.entity),
                rule_set::version_number.eq(last.unwrap_or(0).saturating_add(1)),
                rule_set::valid_from.eq(new.valid_from),
                rule_set::decision.eq(&new.decision),
                rule_set::decided_on.eq(new.decided_on),
            ),
            (
                rule_set::share_price_minor.eq(new.share_price.amount_minor),
                rule_set::currency.eq(new.share_price.currency),
                rule_set::payment_terms_days.eq(new.payment_terms_days),
                rule_set::advance_working_days.eq(new.advance_working_days),
                rule_set::client_limit_minor.eq(new.client_limit.amount_minor),
                rule_set::created_by.eq(by),
            ),
            (
                rule_set::evidence_id.eq(new.evidence),
                rule_set::member_limit_minor.eq(new.member_limit.map(|limit| limit.amount_minor)),
                rule_set::new_pair_limit_minor.eq(new.new_pair_limit.map(|limit| limit.amount_minor)),
                rule_set::fund_multiple_ppm.eq(new.fund_multiple.map(|multiple| multiple.0)),
                rule_set::pause_below_minor.eq(new.pause_below.map(|limit| limit.amount_minor)),
                rule_set::share_validity.eq(new.share_validity),
            ),
        ))
        .execute(tx.conn())?;
    insert_levies(tx, new)?;
    find_rule_set(tx, new.id)
}

fn insert_levies(tx: &mut Tx<'_>, new: &NewRuleSet) -> Result<()> {
    let levies: Vec<_> = new
        .levies
        .iter()
        .map(|levy| {
            (
                rule_set_levy::rule_set_id.eq(new.id),
                rule_set_levy::kind.eq(levy.kind),
                rule_set_levy::base.eq(levy.base),
                rule_set_levy::rate_ppm.eq(levy.rate_ppm.map(|rate| rate.0)),
                rule_set_levy::running.eq(levy.running),
                rule_set_levy::floor_minor.eq(levy.floor_minor),
                rule_set_levy::cap_minor.eq(levy.cap_minor),
                rule_set_levy::fixed_minor.eq(levy.fixed_minor),
            )
        })
        .collect();
    diesel::insert_into(rule_set_levy::table).values(levies).execute(tx.conn())?;
    let bands: Vec<_> = new
        .levies
        .iter()
        .flat_map(|levy| levy.bands.iter().map(move |band| (levy.kind, band)))
        .map(|(kind, band)| {
            (
                rule_set_band::rule_set_id.eq(new.id),
                rule_set_band::kind.eq(kind),
                rule_set_band::from_minor.eq(band.from_minor),
                rule_set_band::rate_ppm.eq(band.rate_ppm.0),
            )
        })
        .collect();
    diesel::insert_into(rule_set_band::table).values(bands).execute(tx.conn())?;
    Ok(())
}

pub(super) fn list_vat_tariffs(tx: &mut Tx<'_>, country: &str, on: NaiveDate) -> Result<BTreeMap<VatCase, VatTariff>> {
    let rows: Vec<TariffRow> = vat_rate::table
        .filter(vat_rate::country.eq(country))
        .filter(vat_rate::valid_from.le(on))
        .filter(vat_rate::valid_until.is_null().or(vat_rate::valid_until.gt(on)))
        .select(TariffRow::as_select())
        .load(tx.conn())?;
    // A case that this version of the program does not know is left out: nobody can choose it.
    let mut known = BTreeMap::new();
    for row in rows {
        let Ok(case) = row.vat_case.parse::<VatCase>() else { continue };
        known.insert(
            case,
            VatTariff {
                rate: Ppm(row.rate_ppm),
                category: row.category,
                vatex: row.vatex,
                mentions: serde_json::from_value(row.mentions)?,
                needs_justification: row.needs_justification,
                valid_from: row.valid_from,
                valid_until: row.valid_until,
                source: row.source,
            },
        );
    }
    Ok(known)
}

pub(super) fn list_holidays(tx: &mut Tx<'_>, country: &str, from: NaiveDate) -> Result<Holidays> {
    let until = from.checked_add_days(HOLIDAYS_AHEAD).unwrap_or(NaiveDate::MAX);
    let days: Vec<NaiveDate> = holiday::table
        .filter(holiday::country.eq(country))
        .filter(holiday::day.between(from, until))
        .select(holiday::day)
        .load(tx.conn())?;
    Ok(days.into_iter().collect())
}

pub(super) fn find_agreement(tx: &mut Tx<'_>, id: AgreementId) -> Result<AgreementRow> {
    Ok(agreement::table.find(id).select(AgreementRow::as_select()).first(tx.conn())?)
}

pub(super) fn find_agreement_on(
    tx: &mut Tx<'_>,
    of: EntityId,
    language: Language,
    on: NaiveDate,
) -> Result<Option<AgreementRow>> {
    Ok(agreement::table
        .filter(agreement::entity_id.eq(of))
        .filter(agreement::language.eq(language))
        .filter(agreement::valid_from.le(on))
        .order(agreement::version_number.desc())
        .select(AgreementRow::as_select())
        .first(tx.conn())
        .optional()?)
}

pub(super) fn insert_agreement(tx: &mut Tx<'_>, new: &NewAgreement, sha256: &[u8]) -> Result<AgreementRow> {
    Ok(diesel::insert_into(agreement::table)
        .values((
            agreement::id.eq(new.id),
            agreement::entity_id.eq(new.entity),
            agreement::version_number.eq(new.version_number),
            agreement::language.eq(new.language),
            agreement::body.eq(&new.body),
            agreement::sha256.eq(sha256),
            agreement::valid_from.eq(new.valid_from),
        ))
        .returning(AgreementRow::as_returning())
        .get_result(tx.conn())?)
}

#[derive(QueryableByName)]
struct Since {
    #[diesel(sql_type = diesel::sql_types::Nullable<Date>)]
    day: Option<NaiveDate>,
}

/// The first day of the versions that follow each other up to `on` and let shares lapse.
pub(super) fn find_lapsing_since(tx: &mut Tx<'_>, of: EntityId, on: NaiveDate) -> Result<Option<NaiveDate>> {
    let since: Since = diesel::sql_query(
        "SELECT min(r.valid_from) AS day FROM rule_set r \
         WHERE r.entity_id = $1 AND r.valid_from <= $2 AND r.share_validity = 'yearly' \
           AND r.valid_from > coalesce((SELECT max(o.valid_from) FROM rule_set o WHERE o.entity_id = $1 \
                                        AND o.valid_from <= $2 AND o.share_validity = 'once'), '-infinity')",
    )
    .bind::<SqlUuid, _>(of)
    .bind::<Date, _>(on)
    .get_result(tx.conn())?;
    Ok(since.day)
}

/// How the documents of an entity look.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = entity_design, check_for_backend(diesel::pg::Pg))]
pub struct DesignRow {
    /// Its id.
    pub id: DesignId,
    /// Whose documents.
    pub entity_id: EntityId,
    /// For titles and bars.
    pub main_colour: String,
    /// For backgrounds.
    pub second_colour: Option<String>,
    /// Where the window of its envelopes is.
    pub address_window: AddressWindow,
    /// Its logo.
    pub logo_id: Option<FileId>,
    /// Who set it.
    pub set_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

pub(super) fn insert_design(tx: &mut Tx<'_>, new: &NewDesign) -> Result<DesignRow> {
    let me = tx.person()?;
    Ok(diesel::insert_into(entity_design::table)
        .values((
            entity_design::id.eq(new.id),
            entity_design::entity_id.eq(new.entity),
            entity_design::main_colour.eq(&new.main_colour),
            entity_design::second_colour.eq(new.second_colour.as_deref()),
            entity_design::address_window.eq(new.window),
            entity_design::logo_id.eq(new.logo),
            entity_design::set_by.eq(me),
        ))
        .returning(DesignRow::as_returning())
        .get_result(tx.conn())?)
}

pub(super) fn list_designs(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<DesignRow>> {
    Ok(entity_design::table
        .filter(entity_design::entity_id.eq(entity))
        .order((entity_design::created_at.desc(), entity_design::id.desc()))
        .select(DesignRow::as_select())
        .load(tx.conn())?)
}

pub(super) fn find_design(tx: &mut Tx<'_>, entity: EntityId) -> Result<Option<DesignRow>> {
    Ok(entity_design::table
        .filter(entity_design::entity_id.eq(entity))
        .order((entity_design::created_at.desc(), entity_design::id.desc()))
        .select(DesignRow::as_select())
        .first(tx.conn())
        .optional()?)
}
