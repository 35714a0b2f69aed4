//! The counter for levies: what was charged and why, exemptions, levies of one's own, and trying an amount.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{ChargeRow, ChargeSource, ExemptionRow, NewExemption, NewOverride, OverrideRow, Scope, Simulation, Wish};
use crate::access::{Administrator, MemberOrDesk};
use crate::charter::http::LevyView;
use crate::kernel::ids::{
    ActivityId, ChargeId, EntityId, FileId, InvoiceId, LevyExemptionId, LevyOverrideId, PersonId, RuleSetId,
};
use crate::kernel::levies::{Basis, Charge, ExemptPart, Levy, LevyKind};
use crate::kernel::money::{Currency, Money, Ppm};
use crate::ledger;
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::listing::PageInfo;
use crate::platform::web::{Command, Listing, QueryOf, attachment};

crate::endpoints!(
    list_levies,
    show_levy,
    simulate_levies,
    create_levy_exemption,
    list_levy_exemptions,
    show_levy_exemption,
    download_levy_exemption_evidence,
    end_levy_exemption,
    create_levy_override,
    list_levy_overrides,
    show_levy_override,
    end_levy_override,
);

/// A levy that was charged, with its computation.
#[derive(Debug, Serialize, ToSchema)]
pub struct LevyChargeView {
    /// Its id.
    pub id: ChargeId,
    /// Who paid it.
    pub activity_id: ActivityId,
    /// What it is for.
    pub kind: LevyKind,
    /// What it was charged on.
    pub source_kind: ChargeSource,
    /// Which one.
    pub source_id: Uuid,
    /// The invoice that it is about.
    pub invoice_id: Option<InvoiceId>,
    /// By which rules.
    pub rule_set_id: RuleSetId,
    /// The day that decides to which year and month it belongs.
    pub charged_on: NaiveDate,
    /// What it was computed on; negative for what lowers the base.
    pub base: Money,
    /// The rate as a decimal fraction; none for bands, months and shares of earlier charges.
    pub rate: Option<String>,
    /// What it came to; negative when it was given back.
    pub amount: Money,
    /// The whole computation.
    pub basis: Basis,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

impl LevyChargeView {
    /// A charge in the currency of its activity.
    ///
    /// # Errors
    /// Fails for a computation that is not in the form of ours.
    pub fn new(row: ChargeRow, currency: Currency) -> Result<Self> {
        let money = |amount_minor| Money { amount_minor, currency };
        Ok(Self {
            id: row.id,
            activity_id: row.activity_id,
            kind: row.kind,
            source_kind: row.source_kind,
            source_id: row.source_id,
            invoice_id: row.invoice_id,
            rule_set_id: row.rule_set_id,
            charged_on: row.charged_on,
            base: money(row.base_minor),
            rate: row.rate_ppm.map(|rate| Ppm(rate).to_fraction()),
            amount: money(row.amount_minor),
            basis: serde_json::from_value(row.basis)?,
            created_at: row.created_at,
        })
    }
}

/// What an activity was charged, by pages, with the sum of all pages.
#[derive(Debug, Serialize, ToSchema)]
pub struct LevyCharges {
    /// The rows, newest first.
    pub data: Vec<LevyChargeView>,
    /// Where the page ends.
    pub page: PageInfo,
    /// What was charged in the whole of the year, or of all time, with what was given back.
    pub sum: Money,
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct LevyFilter {
    /// Only of this calendar year.
    #[param(minimum = 2000, maximum = 2200)]
    year: Option<i32>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists what an activity was charged, newest first, each with its computation, and the sum.
#[utoipa::path(tag = "levies", params(("id" = ActivityId, Path), LevyFilter), responses((status = 200, body = LevyCharges)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}/levies")]
async fn list_levies(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<ActivityId>,
    filter: QueryOf<LevyFilter>,
) -> Result<Json<LevyCharges>> {
    let (id, filter) = (id.into_inner(), filter.0);
    let listing =
        Listing::new(&keys, who.person(), "levies", &(id, filter.year), filter.limit, filter.cursor.as_deref())?;
    let charges = db
        .write(who.into(), move |tx| {
            let rows = super::charges(tx, id, filter.year, listing.after, listing.fetch)?;
            let amount_minor = super::charges_sum(tx, id, filter.year)?;
            let currency = ledger::balance(tx, id)?.currency;
            let views = rows.into_iter().map(|row| LevyChargeView::new(row, currency)).collect::<Result<Vec<_>>>()?;
            let page = listing.page(views, |view| view.id.0, |view| view);
            Ok(LevyCharges { data: page.data, page: page.page, sum: Money { amount_minor, currency } })
        })
        .await?;
    Ok(Json(charges))
}

/// Shows one levy that was charged.
#[utoipa::path(tag = "levies", params(("id" = ChargeId, Path)), responses((status = 200, body = LevyChargeView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/levy_charges/{id}")]
async fn show_levy(who: MemberOrDesk, db: Data<Db>, id: Path<ChargeId>) -> Result<Json<LevyChargeView>> {
    let id = id.into_inner();
    let view = db
        .write(who.into(), move |tx| {
            let row = super::charge(tx, id)?;
            let currency = ledger::balance(tx, row.activity_id)?.currency;
            LevyChargeView::new(row, currency)
        })
        .await?;
    Ok(Json(view))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SimulateLevies {
    /// For this activity as it stands; or `entity_id`.
    #[serde(default)]
    activity_id: Option<ActivityId>,
    /// For somebody who begins in this entity; or `activity_id`.
    #[serde(default)]
    entity_id: Option<EntityId>,
    /// What is left of an invoice of this net amount? Or `wanted`.
    #[serde(default)]
    net: Option<Money>,
    /// What must be invoiced so that at least this is left? Or `net`.
    #[serde(default)]
    wanted: Option<Money>,
}

impl SimulateLevies {
    fn read(&self) -> Result<(Scope, Wish)> {
        let scope = match (self.activity_id, self.entity_id) {
            (Some(activity), None) => Scope::Activity(activity),
            (None, Some(entity)) => Scope::Entity(entity),
            (None, None) => return Err(Error::field("/activity_id", "required")),
            (Some(_), Some(_)) => return Err(Error::field("/entity_id", "not_allowed")),
        };
        let (money, pointer, wish): (_, _, fn(_) -> _) = match (self.net, self.wanted) {
            (Some(net), None) => (net, "/net/currency", Wish::Net),
            (None, Some(wanted)) => (wanted, "/wanted/currency", Wish::Left),
            (None, None) => return Err(Error::field("/net", "required")),
            (Some(_), Some(_)) => return Err(Error::field("/wanted", "not_allowed")),
        };
        if money.currency != Currency::EUR {
            return Err(Error::field(pointer, "not_allowed"));
        }
        Ok((scope, wish(money.amount_minor)))
    }
}

/// One levy of a computation that was only tried.
#[derive(Debug, Serialize, ToSchema)]
struct SimulatedLevy {
    /// What it is for.
    kind: LevyKind,
    /// What it was computed on.
    base: Money,
    /// The rate as a decimal fraction; none for bands.
    rate: Option<String>,
    /// What it would come to.
    amount: Money,
    /// The whole computation.
    basis: Basis,
}

/// What an invoice would come to.
#[derive(Debug, Serialize, ToSchema)]
struct SimulationView {
    /// By which rules.
    rule_set_id: RuleSetId,
    /// The net amount of the invoice.
    net: Money,
    /// What the mutual keeps, at issue or when the client pays. Amounts of the month are not in it.
    levies: Vec<SimulatedLevy>,
    /// What is left.
    left: Money,
}

impl From<Simulation> for SimulationView {
    fn from(it: Simulation) -> Self {
        let money = |amount_minor| Money { amount_minor, currency: it.currency };
        let levy = |charge: Charge| SimulatedLevy {
            kind: charge.kind,
            base: money(charge.base),
            rate: charge.rate.map(Ppm::to_fraction),
            amount: money(charge.amount),
            basis: charge.basis,
        };
        Self {
            rule_set_id: it.rule_set,
            net: money(it.net),
            left: money(it.left),
            levies: it.charges.into_iter().map(levy).collect(),
        }
    }
}

/// Tries what is left of an invoice, or what must be invoiced so that enough is left. Nothing is booked.
#[utoipa::path(tag = "levies", request_body = SimulateLevies, responses((status = 200, body = SimulationView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[post("/v1/levies/simulate")]
async fn simulate_levies(who: MemberOrDesk, db: Data<Db>, command: Command<SimulateLevies>) -> Result<HttpResponse> {
    command
        .run(&db, who.into(), "simulate_levies", |tx, body| {
            let (scope, wish) = body.read()?;
            super::simulate(tx, scope, wish).map(SimulationView::from)
        })
        .await
}

/// What an activity need not pay for a time.
#[derive(Debug, Serialize, ToSchema)]
pub struct LevyExemptionView {
    /// Its id.
    pub id: LevyExemptionId,
    /// Whose.
    pub activity_id: ActivityId,
    /// Of which levy.
    pub kind: LevyKind,
    /// All of it, the fixed amount or the top-up to the floor.
    pub part: ExemptPart,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Up to the day before this one.
    pub valid_until: Option<NaiveDate>,
    /// Why.
    pub reason: String,
    /// The paper that shows it.
    pub evidence_id: Option<FileId>,
    /// Who decided.
    pub decided_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

impl From<ExemptionRow> for LevyExemptionView {
    fn from(row: ExemptionRow) -> Self {
        Self {
            id: row.id,
            activity_id: row.activity_id,
            kind: row.kind,
            part: row.part,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            reason: row.reason,
            evidence_id: row.evidence_id,
            decided_by: row.decided_by,
            created_at: row.created_at,
            version: row.version,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateLevyExemption {
    /// Made by the sender.
    id: LevyExemptionId,
    /// Of which levy.
    kind: LevyKind,
    /// All of it, the fixed amount or the top-up to the floor.
    part: ExemptPart,
    /// From this day on; not in the past.
    valid_from: NaiveDate,
    /// Up to the day before this one; without end when it is left out.
    #[serde(default)]
    valid_until: Option<NaiveDate>,
    /// Why.
    #[schema(max_length = 2000)]
    reason: String,
    /// The paper that shows it: a file that is here.
    #[serde(default)]
    evidence_id: Option<FileId>,
}

/// Exempts an activity from a levy or a part of it, for a time.
#[utoipa::path(tag = "levies", params(("id" = ActivityId, Path)), request_body = CreateLevyExemption,
    responses((status = 201, body = LevyExemptionView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/activities/{id}/levy_exemptions")]
async fn create_levy_exemption(
    who: Administrator,
    db: Data<Db>,
    id: Path<ActivityId>,
    command: Command<CreateLevyExemption>,
) -> Result<HttpResponse> {
    let activity = id.into_inner();
    command
        .create(&db, who.into(), "create_levy_exemption", "/v1/levy_exemptions", move |tx, body| {
            let new = NewExemption {
                id: body.id,
                activity,
                kind: body.kind,
                part: body.part,
                valid_from: body.valid_from,
                valid_until: body.valid_until,
                reason: body.reason,
                evidence: body.evidence_id,
            };
            super::exempt(tx, &new).map(LevyExemptionView::from)
        })
        .await
}

/// Lists the exemptions of an activity, newest first.
#[utoipa::path(tag = "levies", params(("id" = ActivityId, Path)), responses((status = 200, body = Vec<LevyExemptionView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}/levy_exemptions")]
async fn list_levy_exemptions(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<ActivityId>,
) -> Result<Json<Vec<LevyExemptionView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| super::exemptions(tx, id)).await?;
    Ok(Json(rows.into_iter().map(LevyExemptionView::from).collect()))
}

fn load_exemption(tx: &mut Tx<'_>, id: LevyExemptionId) -> Result<LevyExemptionView> {
    super::exemption(tx, id).map(LevyExemptionView::from)
}

/// Shows an exemption.
#[utoipa::path(tag = "levies", params(("id" = LevyExemptionId, Path)), responses((status = 200, body = LevyExemptionView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/levy_exemptions/{id}")]
async fn show_levy_exemption(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<LevyExemptionId>,
) -> Result<Json<LevyExemptionView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load_exemption(tx, id)).await?))
}

/// Downloads the paper that an exemption rests on: for the office, and for the member whom it exempts.
#[utoipa::path(tag = "levies", params(("id" = LevyExemptionId, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/levy_exemptions/{id}/evidence")]
async fn download_levy_exemption_evidence(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<LevyExemptionId>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| super::exemption_evidence(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EndLevyTerm {
    /// The first day without it; not in the past.
    valid_until: NaiveDate,
}

/// Ends an exemption, once.
#[utoipa::path(tag = "levies", params(("id" = LevyExemptionId, Path)), request_body = EndLevyTerm,
    responses((status = 200, body = LevyExemptionView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/levy_exemptions/{id}/end")]
async fn end_levy_exemption(
    who: Administrator,
    db: Data<Db>,
    id: Path<LevyExemptionId>,
    command: Command<EndLevyTerm>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "end_levy_exemption", id, load_exemption, |tx, id, expected, body| {
            super::end_exemption(tx, id, expected, body.valid_until).map(LevyExemptionView::from)
        })
        .await
}

/// A levy that an activity has of its own for a time.
#[derive(Debug, Serialize, ToSchema)]
pub struct LevyOverrideView {
    /// Its id.
    pub id: LevyOverrideId,
    /// Whose.
    pub activity_id: ActivityId,
    /// The levy that holds instead of that of the rules.
    pub levy: LevyView,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Up to the day before this one.
    pub valid_until: Option<NaiveDate>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub decided_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Grows with every change.
    pub version: i32,
}

impl LevyOverrideView {
    fn new(row: OverrideRow) -> Result<Self> {
        let levy: Levy = serde_json::from_value(row.levy)?;
        Ok(Self {
            id: row.id,
            activity_id: row.activity_id,
            levy: LevyView::new(&levy, Currency::EUR),
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            reason: row.reason,
            decided_by: row.decided_by,
            created_at: row.created_at,
            version: row.version,
        })
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateLevyOverride {
    /// Made by the sender.
    id: LevyOverrideId,
    /// The levy that holds instead of that of the rules.
    levy: LevyView,
    /// From this day on; not in the past.
    valid_from: NaiveDate,
    /// Up to the day before this one; without end when it is left out.
    #[serde(default)]
    valid_until: Option<NaiveDate>,
    /// Why.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Gives an activity a levy of its own, for a time and with the reason.
#[utoipa::path(tag = "levies", params(("id" = ActivityId, Path)), request_body = CreateLevyOverride,
    responses((status = 201, body = LevyOverrideView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/activities/{id}/levy_overrides")]
async fn create_levy_override(
    who: Administrator,
    db: Data<Db>,
    id: Path<ActivityId>,
    command: Command<CreateLevyOverride>,
) -> Result<HttpResponse> {
    let activity = id.into_inner();
    command
        .create(&db, who.into(), "create_levy_override", "/v1/levy_overrides", move |tx, body| {
            let new = NewOverride {
                id: body.id,
                activity,
                levy: body.levy.into(),
                valid_from: body.valid_from,
                valid_until: body.valid_until,
                reason: body.reason,
            };
            super::override_levy(tx, &new).and_then(LevyOverrideView::new)
        })
        .await
}

/// Lists the levies that an activity has or had of its own, newest first.
#[utoipa::path(tag = "levies", params(("id" = ActivityId, Path)), responses((status = 200, body = Vec<LevyOverrideView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}/levy_overrides")]
async fn list_levy_overrides(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<ActivityId>,
) -> Result<Json<Vec<LevyOverrideView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| super::overrides(tx, id)).await?;
    Ok(Json(rows.into_iter().map(LevyOverrideView::new).collect::<Result<_>>()?))
}

fn load_override(tx: &mut Tx<'_>, id: LevyOverrideId) -> Result<LevyOverrideView> {
    super::levy_override(tx, id).and_then(LevyOverrideView::new)
}

/// Shows a levy that an activity has of its own.
#[utoipa::path(tag = "levies", params(("id" = LevyOverrideId, Path)), responses((status = 200, body = LevyOverrideView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/levy_overrides/{id}")]
async fn show_levy_override(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<LevyOverrideId>,
) -> Result<Json<LevyOverrideView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load_override(tx, id)).await?))
}

/// Ends a levy that an activity has of its own, once.
#[utoipa::path(tag = "levies", params(("id" = LevyOverrideId, Path)), request_body = EndLevyTerm,
    responses((status = 200, body = LevyOverrideView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/levy_overrides/{id}/end")]
async fn end_levy_override(
    who: Administrator,
    db: Data<Db>,
    id: Path<LevyOverrideId>,
    command: Command<EndLevyTerm>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "end_levy_override", id, load_override, |tx, id, expected, body| {
            super::end_override(tx, id, expected, body.valid_until).and_then(LevyOverrideView::new)
        })
        .await
}
