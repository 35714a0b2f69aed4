//! The counter for entities, their bank accounts, rules and agreements. Administrators write; who is signed in reads.

mod agreements;
mod design;
mod evidence;
mod exchange;
mod levies;
mod vat_cases;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
pub use agreements::AgreementView;
use agreements::{
    __path_create_agreement, __path_show_agreement, __path_show_current_agreement, create_agreement, show_agreement,
    show_current_agreement,
};
use chrono::NaiveDate;
pub use design::DesignView;
use design::{__path_add_logo, __path_list_designs, __path_set_design, add_logo, list_designs, set_design};
pub use evidence::EvidenceView;
use evidence::{__path_add_evidence, __path_download_evidence, add_evidence, download_evidence};
pub use exchange::ExchangeRateView;
use exchange::{__path_add_exchange_rate, __path_list_exchange_rates, add_exchange_rate, list_exchange_rates};
pub use levies::{BandView, LevyView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
pub use vat_cases::VatCaseView;
use vat_cases::{__path_list_vat_cases, list_vat_cases};

use super::{BankAccountRow, EntityRow, NewBankAccount, NewEntity, NewLevy, NewRuleSet, Reach, RuleSet, ShareValidity};
use crate::access::{Administrator, SignedIn, Visitor};
use crate::kernel::ids::{BankAccountId, EntityId, FileId, RuleSetId};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Money, Ppm};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::Command;
use crate::platform::web::reading::{BODY_MAX, UPLOAD_MAX};

crate::endpoints!(
    show_meta,
    create_entity,
    list_entities,
    show_entity,
    create_bank_account,
    list_bank_accounts,
    show_bank_account,
    create_rule_set,
    list_rule_sets,
    show_rule_set,
    create_agreement,
    show_current_agreement,
    show_agreement,
    add_evidence,
    download_evidence,
    list_vat_cases,
    add_logo,
    set_design,
    list_designs,
    add_exchange_rate,
    list_exchange_rates,
);

/// Where somebody is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street.
    #[schema(max_length = 70)]
    pub street: String,
    /// Building number; may be empty.
    #[serde(default)]
    #[schema(max_length = 16)]
    pub building_number: String,
    /// Postcode.
    #[schema(max_length = 16)]
    pub postcode: String,
    /// Town.
    #[schema(max_length = 35)]
    pub town: String,
    /// ISO 3166-1 alpha-2.
    #[schema(max_length = 2, pattern = "^[A-Z]{2}$", example = "BE")]
    pub country: String,
}

/// A legal entity of the mutual.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntityView {
    /// Its id.
    pub id: EntityId,
    /// Registered name.
    pub name: String,
    /// Legal form.
    pub legal_form: String,
    /// Number in the register of enterprises.
    pub enterprise_number: String,
    /// VAT number, normalised.
    pub vat_number: String,
    /// Court and register; may be empty.
    pub register: String,
    /// Where it is.
    pub address: Address,
    /// Legal time zone (IANA).
    pub zone: String,
    /// Where questions go.
    pub email: String,
    /// GS1 location number.
    pub gln: Option<String>,
    /// Where electronic invoices reach it, if not under its registered number.
    pub electronic_address: Option<String>,
    /// Whom to ask.
    pub contact_name: Option<String>,
    /// At which telephone number.
    pub contact_phone: Option<String>,
    /// Grows with every change.
    pub version: i32,
}

impl From<EntityRow> for EntityView {
    fn from(row: EntityRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            legal_form: row.legal_form,
            enterprise_number: row.enterprise_number,
            vat_number: row.vat_number,
            register: row.register,
            address: Address {
                street: row.street,
                building_number: row.building_number,
                postcode: row.postcode,
                town: row.town,
                country: row.country,
            },
            zone: row.zone,
            email: row.email,
            gln: row.gln,
            electronic_address: row.electronic_address,
            contact_name: row.contact_name,
            contact_phone: row.contact_phone,
            version: row.version,
        }
    }
}

/// A bank account of an entity.
#[derive(Debug, Serialize, ToSchema)]
pub struct BankAccountView {
    /// Its id.
    pub id: BankAccountId,
    /// Whose.
    pub entity_id: EntityId,
    /// In full: it stands on every invoice.
    pub iban: String,
    /// ISO 9362.
    pub bic: Option<String>,
    /// Its currency.
    #[schema(value_type = String, example = "EUR")]
    pub currency: Currency,
}

impl From<BankAccountRow> for BankAccountView {
    fn from(row: BankAccountRow) -> Self {
        Self { id: row.id, entity_id: row.entity_id, iban: row.iban, bic: row.bic, currency: row.currency }
    }
}

/// A version of the rules of an entity. It is never edited.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleSetView {
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
    pub share_price: Money,
    /// Days that clients have to pay.
    pub payment_terms_days: i32,
    /// Working days after which the guarantee advances.
    pub advance_working_days: i32,
    /// What one client may owe before the guarantee stops covering more.
    pub client_limit: Money,
    /// What the guarantee carries for one member at most; none is no limit.
    pub member_limit: Option<Money>,
    /// What the guarantee carries for a member and a client who has not paid them before; none is no limit.
    pub new_pair_limit: Option<Money>,
    /// How many times the fund advances may be open, as a decimal number; none is no limit.
    pub fund_multiple: Option<String>,
    /// The guarantee takes on nothing new while the fund is below this; none is no limit.
    pub pause_below: Option<Money>,
    /// How long a paid share counts.
    pub share_validity: ShareValidity,
    /// The paper of the decision.
    pub evidence_id: Option<FileId>,
    /// What the mutual keeps.
    pub levies: Vec<LevyView>,
}

impl From<RuleSet> for RuleSetView {
    fn from(rules: RuleSet) -> Self {
        let money = |amount_minor| Money { amount_minor, currency: rules.currency };
        Self {
            id: rules.id,
            entity_id: rules.entity_id,
            version_number: rules.version_number,
            valid_from: rules.valid_from,
            decided_on: rules.decided_on,
            share_price: money(rules.share_price_minor),
            payment_terms_days: rules.payment_terms_days,
            advance_working_days: rules.advance_working_days,
            client_limit: money(rules.client_limit_minor),
            member_limit: rules.member_limit_minor.map(money),
            new_pair_limit: rules.new_pair_limit_minor.map(money),
            fund_multiple: rules.fund_multiple.map(Ppm::to_fraction),
            pause_below: rules.pause_below_minor.map(money),
            share_validity: rules.share_validity,
            evidence_id: rules.evidence_id,
            levies: rules.levies.iter().map(|levy| LevyView::new(levy, rules.currency)).collect(),
            decision: rules.decision,
        }
    }
}

/// An entity, as anybody may know it.
#[derive(Debug, Serialize, ToSchema)]
struct PublicEntity {
    /// Its id.
    id: EntityId,
    /// Registered name.
    name: String,
    /// Country.
    country: String,
    /// Legal time zone (IANA): the days of its documents.
    zone: String,
}

/// How much a request may carry.
#[derive(Debug, Serialize, ToSchema)]
struct Limits {
    /// Bytes of a JSON body, at most.
    body_bytes: usize,
    /// Bytes of an upload, at most.
    upload_bytes: usize,
    /// Rows of a page, at most.
    page_rows: i64,
}

/// What a program needs to know before anybody has signed in.
#[derive(Debug, Serialize, ToSchema)]
struct MetaView {
    /// The legal time zone of the first entity.
    zone: Option<String>,
    /// The languages of texts and letters.
    languages: &'static [Language],
    /// How much a request may carry.
    limits: Limits,
    /// To whom one can apply.
    entities: Vec<PublicEntity>,
}

/// Shows zone, languages, limits and entities.
#[utoipa::path(tag = "charter", responses((status = 200, body = MetaView)), security(()), extensions(("x-roles" = json!([]))))]
#[get("/v1/meta")]
async fn show_meta(visitor: Visitor, db: Data<Db>) -> Result<Json<MetaView>> {
    let rows = db.write(visitor.into(), super::entities).await?;
    let limits = Limits { body_bytes: BODY_MAX, upload_bytes: UPLOAD_MAX, page_rows: 200 };
    let zone = rows.first().map(|row| row.zone.clone());
    let entities = rows
        .into_iter()
        .map(|row| PublicEntity { id: row.id, name: row.name, country: row.country, zone: row.zone })
        .collect();
    Ok(Json(MetaView { zone, languages: &Language::ALL, limits, entities }))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateEntity {
    /// Made by the sender.
    id: EntityId,
    /// Registered name.
    #[schema(max_length = 70)]
    name: String,
    /// Legal form.
    #[schema(max_length = 70)]
    legal_form: String,
    /// Number in the register of enterprises.
    #[schema(max_length = 20)]
    enterprise_number: String,
    /// VAT number of the same country.
    #[schema(max_length = 20)]
    vat_number: String,
    /// Court and register, as documents must say.
    #[serde(default)]
    #[schema(max_length = 140)]
    register: String,
    /// Where it is.
    address: Address,
    /// Legal time zone (IANA).
    #[schema(max_length = 64, example = "Europe/Brussels")]
    zone: String,
    /// Where questions go.
    #[schema(max_length = 254)]
    email: String,
    /// GS1 location number.
    #[serde(default)]
    #[schema(max_length = 13, pattern = "^[0-9]{13}$")]
    gln: Option<String>,
    /// Where electronic invoices reach it: scheme and value, as in `0208:0123456749`. By default its registered number.
    #[serde(default)]
    #[schema(max_length = 60)]
    electronic_address: Option<String>,
    /// Whom to ask.
    #[serde(default)]
    #[schema(max_length = 100)]
    contact_name: Option<String>,
    /// At which telephone number.
    #[serde(default)]
    #[schema(max_length = 30)]
    contact_phone: Option<String>,
}

/// Adds a legal entity.
#[utoipa::path(tag = "charter", request_body = CreateEntity, responses((status = 201, body = EntityView)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities")]
async fn create_entity(who: Administrator, db: Data<Db>, command: Command<CreateEntity>) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "create_entity", "/v1/entities", |tx, body| {
            let new = NewEntity {
                id: body.id,
                name: body.name,
                legal_form: body.legal_form,
                enterprise_number: body.enterprise_number,
                vat_number: body.vat_number,
                register: body.register,
                street: body.address.street,
                building_number: body.address.building_number,
                postcode: body.address.postcode,
                town: body.address.town,
                country: body.address.country,
                zone: body.zone,
                email: body.email,
                reach: Reach {
                    gln: body.gln,
                    electronic_address: body.electronic_address,
                    contact_name: body.contact_name,
                    contact_phone: body.contact_phone,
                },
            };
            super::add_entity(tx, new).map(EntityView::from)
        })
        .await
}

/// Lists the legal entities.
#[utoipa::path(tag = "charter", responses((status = 200, body = Vec<EntityView>)), extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/entities")]
async fn list_entities(who: SignedIn, db: Data<Db>) -> Result<Json<Vec<EntityView>>> {
    let rows = db.write(who.into(), super::entities).await?;
    Ok(Json(rows.into_iter().map(EntityView::from).collect()))
}

/// Shows a legal entity.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path)), responses((status = 200, body = EntityView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/entities/{id}")]
async fn show_entity(who: SignedIn, db: Data<Db>, id: Path<EntityId>) -> Result<Json<EntityView>> {
    let id = id.into_inner();
    let row = db.write(who.into(), move |tx| super::entity(tx, id)).await?;
    Ok(Json(row.into()))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateBankAccount {
    /// Made by the sender.
    id: BankAccountId,
    /// Its IBAN.
    #[schema(max_length = 50)]
    iban: String,
    /// ISO 9362.
    #[serde(default)]
    #[schema(max_length = 11)]
    bic: Option<String>,
    /// EUR.
    #[schema(value_type = String, example = "EUR", max_length = 3)]
    currency: Currency,
}

/// Adds a bank account to an entity.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path)), request_body = CreateBankAccount,
    responses((status = 201, body = BankAccountView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/bank_accounts")]
async fn create_bank_account(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<CreateBankAccount>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    command
        .create(&db, who.into(), "create_bank_account", "/v1/bank_accounts", move |tx, body| {
            let new = NewBankAccount { id: body.id, entity, iban: body.iban, bic: body.bic, currency: body.currency };
            super::add_bank_account(tx, new).map(BankAccountView::from)
        })
        .await
}

/// Lists the bank accounts of an entity, oldest first.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<BankAccountView>)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/entities/{id}/bank_accounts")]
async fn list_bank_accounts(who: SignedIn, db: Data<Db>, id: Path<EntityId>) -> Result<Json<Vec<BankAccountView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| super::bank_accounts(tx, id)).await?;
    Ok(Json(rows.into_iter().map(BankAccountView::from).collect()))
}

/// Shows a bank account of an entity.
#[utoipa::path(tag = "charter", params(("id" = BankAccountId, Path)), responses((status = 200, body = BankAccountView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/bank_accounts/{id}")]
async fn show_bank_account(who: SignedIn, db: Data<Db>, id: Path<BankAccountId>) -> Result<Json<BankAccountView>> {
    let id = id.into_inner();
    let row = db.write(who.into(), move |tx| super::bank_account_by_id(tx, id)).await?;
    Ok(Json(row.into()))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateRuleSet {
    /// Made by the sender.
    id: RuleSetId,
    /// From this day on.
    valid_from: NaiveDate,
    /// Who decided it, in words: the meeting, the vote.
    #[schema(max_length = 500)]
    decision: String,
    /// When it was decided; not after it begins.
    decided_on: NaiveDate,
    /// What one share costs.
    share_price: Money,
    /// Days that clients have to pay.
    #[schema(minimum = 0, maximum = 120)]
    payment_terms_days: i32,
    /// Working days after which the guarantee advances.
    #[schema(minimum = 0, maximum = 90)]
    advance_working_days: i32,
    /// What one client may owe before the guarantee stops covering more.
    client_limit: Money,
    /// What the mutual keeps; each kind once.
    #[schema(max_items = 2)]
    levies: Vec<LevyView>,
    /// What the guarantee carries for one member at most; no limit when it is left out.
    #[serde(default)]
    member_limit: Option<Money>,
    /// What the guarantee carries for a member and a client who has not paid them before; no limit when it is left out.
    #[serde(default)]
    new_pair_limit: Option<Money>,
    /// How many times the fund advances may be open, with at most four decimals; no limit when it is left out.
    #[serde(default)]
    #[schema(max_length = 16, example = "2.5", pattern = r"^[0-9]+(\.[0-9]{1,4})?$")]
    fund_multiple: Option<String>,
    /// The guarantee takes on nothing new while the fund is below this; no limit when it is left out.
    #[serde(default)]
    pause_below: Option<Money>,
    /// How long a paid share counts; `once` when it is left out.
    #[serde(default)]
    share_validity: Option<ShareValidity>,
    /// The paper of the decision: a file that is here.
    #[serde(default)]
    evidence_id: Option<FileId>,
}

/// Publishes a version of the rules. It can never be edited; a new decision makes a new version.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path)), request_body = CreateRuleSet,
    responses((status = 201, body = RuleSetView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/rule_sets")]
async fn create_rule_set(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<CreateRuleSet>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    command
        .create(&db, who.into(), "create_rule_set", "/v1/rule_sets", move |tx, body| {
            let levies: Vec<NewLevy> = body.levies.into_iter().map(NewLevy::from).collect();
            let new = NewRuleSet {
                id: body.id,
                entity,
                valid_from: body.valid_from,
                decision: body.decision,
                decided_on: body.decided_on,
                share_price: body.share_price,
                payment_terms_days: body.payment_terms_days,
                advance_working_days: body.advance_working_days,
                client_limit: body.client_limit,
                levies: Vec::new(),
                evidence: body.evidence_id,
                member_limit: body.member_limit,
                new_pair_limit: body.new_pair_limit,
                fund_multiple: None,
                pause_below: body.pause_below,
                share_validity: body.share_validity.unwrap_or(ShareValidity::Once),
            };
            super::add_rule_set(tx, new, &levies, body.fund_multiple.as_deref()).map(RuleSetView::from)
        })
        .await
}

/// Lists the versions of the rules of an entity, newest first.
#[utoipa::path(tag = "charter", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<RuleSetView>)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/entities/{id}/rule_sets")]
async fn list_rule_sets(who: SignedIn, db: Data<Db>, id: Path<EntityId>) -> Result<Json<Vec<RuleSetView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| super::rule_sets(tx, id)).await?;
    Ok(Json(rows.into_iter().map(RuleSetView::from).collect()))
}

/// Shows a version of the rules, as documents name it.
#[utoipa::path(tag = "charter", params(("id" = RuleSetId, Path)), responses((status = 200, body = RuleSetView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/rule_sets/{id}")]
async fn show_rule_set(who: SignedIn, db: Data<Db>, id: Path<RuleSetId>) -> Result<Json<RuleSetView>> {
    let id = id.into_inner();
    let rules = db.write(who.into(), move |tx| super::rule_set(tx, id)).await?;
    Ok(Json(rules.into()))
}
