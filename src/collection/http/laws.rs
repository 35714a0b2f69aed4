//! The counter for what the law says: interest, compensation, where VAT on lost claims is taken back.

use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Administrator, Desk};
use crate::collection::bad_debt::{self, NewRefundRule, RefundRuleRow};
use crate::collection::laws::{self, Citations, LawRow, NewLaw, NewRate, RateRow};
use crate::collection::{InterestStart, Law, TrackKind};
use crate::kernel::ids::{CollectionLawId, LateRateId, PersonId, VatRefundRuleId};
use crate::kernel::interest::Band;
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::kernel::refusal::Checks;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::{Command, QueryOf};

crate::endpoints!(
    add_late_interest_rate,
    list_late_interest_rates,
    add_collection_law,
    list_collection_laws,
    add_vat_refund_rule,
    list_vat_refund_rules,
);

/// Amounts of the law are in euro.
pub(super) fn eur(amount_minor: Minor) -> Money {
    Money { amount_minor, currency: Currency::EUR }
}

/// The minor units of an amount in euro.
pub(super) fn minor(money: Money, pointer: &str, checks: &mut Checks) -> Minor {
    checks.require(money.currency == Currency::EUR, &format!("{pointer}/currency"), "not_allowed");
    money.amount_minor
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddLateInterestRate {
    /// Made by the sender.
    id: LateRateId,
    /// ISO 3166-1 alpha-2.
    #[schema(max_length = 2, example = "BE")]
    country: String,
    /// For which kind of debtor.
    track: TrackKind,
    /// Its first day.
    valid_from: NaiveDate,
    /// A year, as a fraction.
    #[schema(max_length = 16, example = "0.105")]
    rate: String,
    /// Where it was published.
    #[schema(max_length = 400)]
    source: String,
    /// How letters name it, by language; where one is missing they name the source.
    #[serde(default)]
    citations: Citations,
    /// From this day on there may be a newer one.
    needs_review_on: NaiveDate,
    /// Why it takes the place of one that was entered for that day; only then.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// A statutory interest rate on what is paid late.
#[derive(Debug, Serialize, ToSchema)]
pub struct LateInterestRateView {
    /// Its id.
    pub id: LateRateId,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// For which kind of debtor.
    pub track: TrackKind,
    /// Its first day.
    pub valid_from: NaiveDate,
    /// Of the rows of a day the highest counts.
    pub n: i32,
    /// A year, as a fraction.
    pub rate: String,
    /// Where it was published.
    pub source: String,
    /// How letters name it, by language.
    pub citations: Citations,
    /// From this day on there may be a newer one.
    pub needs_review_on: NaiveDate,
    /// Why it takes the place of another.
    pub reason: Option<String>,
    /// Who entered it; nobody for what came with the program.
    pub entered_by: Option<PersonId>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<RateRow> for LateInterestRateView {
    fn from(row: RateRow) -> Self {
        Self {
            id: row.id,
            country: row.country,
            track: row.track,
            valid_from: row.valid_from,
            n: row.n,
            rate: Ppm(row.rate_ppm).to_fraction(),
            source: row.source,
            citations: row.citations,
            needs_review_on: row.needs_review_on,
            reason: row.reason,
            entered_by: row.entered_by,
            created_at: row.created_at,
        }
    }
}

/// Enters a statutory interest rate as it was published. Letters that went out keep theirs.
#[utoipa::path(tag = "collection", request_body = AddLateInterestRate, responses((status = 201, body = LateInterestRateView)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/late_interest_rates")]
async fn add_late_interest_rate(
    who: Administrator,
    db: Data<Db>,
    command: Command<AddLateInterestRate>,
) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "add_late_interest_rate", "/v1/late_interest_rates", |tx, body| {
            let new = NewRate {
                id: body.id,
                country: body.country,
                track: body.track,
                valid_from: body.valid_from,
                rate: body.rate,
                source: body.source,
                citations: body.citations,
                needs_review_on: body.needs_review_on,
                reason: body.reason,
            };
            laws::add_rate(tx, &new).map(LateInterestRateView::from)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CountryQuery {
    /// Only of this country.
    country: Option<String>,
}

/// Lists statutory interest rates by country and kind of debtor, the last day first.
#[utoipa::path(tag = "collection", params(CountryQuery), responses((status = 200, body = Vec<LateInterestRateView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/late_interest_rates")]
async fn list_late_interest_rates(
    who: Desk,
    db: Data<Db>,
    query: QueryOf<CountryQuery>,
) -> Result<Json<Vec<LateInterestRateView>>> {
    let country = query.0.country;
    let rows = db.write(who.into(), move |tx| laws::rates(tx, country.as_deref())).await?;
    Ok(Json(rows.into_iter().map(LateInterestRateView::from).collect()))
}

/// The fixed compensation above an amount that is open.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LawBandView {
    /// It holds for more than this.
    pub above: Money,
    /// A sum.
    pub fixed: Money,
    /// And a share of what exceeds `above`, as a fraction.
    #[schema(max_length = 16, example = "0.1")]
    pub rate: String,
    /// Both together at most.
    pub most: Option<Money>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddCollectionLaw {
    /// Made by the sender.
    id: CollectionLawId,
    /// ISO 3166-1 alpha-2.
    #[schema(max_length = 2, example = "BE")]
    country: String,
    /// For which kind of debtor.
    track: TrackKind,
    /// Its first day.
    valid_from: NaiveDate,
    /// From when interest runs.
    interest_starts: InterestStart,
    /// Whether the first reminder must cost nothing.
    first_reminder_free: bool,
    /// Days after the first reminder in which nothing may be claimed on top.
    #[schema(minimum = 0, maximum = 90)]
    grace_days: u32,
    /// After how many working days a posted reminder begins them.
    #[schema(minimum = 0, maximum = 10)]
    post_working_days: u32,
    /// What a reminder may cost, without the stamp; no limit when absent.
    #[serde(default)]
    reminder_cost_max: Option<Money>,
    /// The fixed compensation, lowest first.
    #[schema(max_items = 10)]
    bands: Vec<LawBandView>,
    /// Which law.
    #[schema(max_length = 400)]
    source: String,
    /// How letters name it, by language; where one is missing they name the source.
    #[serde(default)]
    citations: Citations,
    /// From this day on there may be a newer one.
    needs_review_on: NaiveDate,
    /// Why it takes the place of one that was entered for that day; only then.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: Option<String>,
}

impl AddCollectionLaw {
    fn read(self) -> Result<NewLaw> {
        let mut checks = Checks::default();
        let mut bands = Vec::new();
        for (index, band) in self.bands.iter().enumerate() {
            let at = |field: &str| format!("/bands/{index}/{field}");
            let rate = Ppm::from_fraction(&band.rate);
            checks.require(rate.is_some(), &at("rate"), "invalid");
            bands.push(Band {
                above: minor(band.above, &at("above"), &mut checks),
                fixed: minor(band.fixed, &at("fixed"), &mut checks),
                rate: rate.unwrap_or(Ppm(0)),
                most: band.most.map(|most| minor(most, &at("most"), &mut checks)),
            });
        }
        let most = self.reminder_cost_max.map(|most| minor(most, "/reminder_cost_max", &mut checks));
        checks.done()?;
        Ok(NewLaw {
            id: self.id,
            country: self.country,
            track: self.track,
            valid_from: self.valid_from,
            law: Law {
                interest_starts: self.interest_starts,
                is_first_reminder_free: self.first_reminder_free,
                grace_days: self.grace_days,
                post_working_days: self.post_working_days,
                reminder_cost_max: most,
                bands,
            },
            source: self.source,
            citations: self.citations,
            needs_review_on: self.needs_review_on,
            reason: self.reason,
        })
    }
}

/// What the law of a country lets a creditor claim.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollectionLawView {
    /// Its id.
    pub id: CollectionLawId,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// For which kind of debtor.
    pub track: TrackKind,
    /// Its first day.
    pub valid_from: NaiveDate,
    /// Of the rows of a day the highest counts.
    pub n: i32,
    /// From when interest runs.
    pub interest_starts: InterestStart,
    /// Whether the first reminder must cost nothing.
    pub first_reminder_free: bool,
    /// Days after the first reminder in which nothing may be claimed on top.
    pub grace_days: u32,
    /// After how many working days a posted reminder begins them.
    pub post_working_days: u32,
    /// What a reminder may cost, without the stamp.
    pub reminder_cost_max: Option<Money>,
    /// The fixed compensation, lowest first.
    pub bands: Vec<LawBandView>,
    /// Which law.
    pub source: String,
    /// How letters name it, by language.
    pub citations: Citations,
    /// From this day on there may be a newer one.
    pub needs_review_on: NaiveDate,
    /// Why it takes the place of another.
    pub reason: Option<String>,
    /// Who entered it; nobody for what came with the program.
    pub entered_by: Option<PersonId>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<(LawRow, Law)> for CollectionLawView {
    fn from((row, law): (LawRow, Law)) -> Self {
        let band = |band: Band| LawBandView {
            above: eur(band.above),
            fixed: eur(band.fixed),
            rate: band.rate.to_fraction(),
            most: band.most.map(eur),
        };
        Self {
            id: row.id,
            country: row.country,
            track: row.track,
            valid_from: row.valid_from,
            n: row.n,
            interest_starts: law.interest_starts,
            first_reminder_free: law.is_first_reminder_free,
            grace_days: law.grace_days,
            post_working_days: law.post_working_days,
            reminder_cost_max: law.reminder_cost_max.map(eur),
            bands: law.bands.into_iter().map(band).collect(),
            source: row.source,
            citations: row.citations,
            needs_review_on: row.needs_review_on,
            reason: row.reason,
            entered_by: row.entered_by,
            created_at: row.created_at,
        }
    }
}

/// Enters what the law of a country lets a creditor claim: the compensation, the grace, the cost of reminders.
#[utoipa::path(tag = "collection", request_body = AddCollectionLaw, responses((status = 201, body = CollectionLawView)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/collection_laws")]
async fn add_collection_law(
    who: Administrator,
    db: Data<Db>,
    command: Command<AddCollectionLaw>,
) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "add_collection_law", "/v1/collection_laws", |tx, body| {
            laws::add_law(tx, &body.read()?).map(CollectionLawView::from)
        })
        .await
}

/// Lists what the laws say, by country and kind of debtor, the last day first.
#[utoipa::path(tag = "collection", params(CountryQuery), responses((status = 200, body = Vec<CollectionLawView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/collection_laws")]
async fn list_collection_laws(
    who: Desk,
    db: Data<Db>,
    query: QueryOf<CountryQuery>,
) -> Result<Json<Vec<CollectionLawView>>> {
    let country = query.0.country;
    let rows = db.write(who.into(), move |tx| laws::laws(tx, country.as_deref())).await?;
    Ok(Json(rows.into_iter().map(CollectionLawView::from).collect()))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddVatRefundRule {
    /// Made by the sender.
    id: VatRefundRuleId,
    /// ISO 3166-1 alpha-2.
    #[schema(max_length = 2, example = "BE")]
    country: String,
    /// Its first day.
    valid_from: NaiveDate,
    /// The box of the return.
    #[schema(max_length = 20, example = "62")]
    return_box: String,
    /// Until the end of the so many-th year after that of the proof.
    #[schema(minimum = 0, maximum = 10)]
    deadline_years: i32,
    /// Which law.
    #[schema(max_length = 400)]
    source: String,
    /// From this day on there may be a newer one.
    needs_review_on: NaiveDate,
    /// Why it takes the place of one that was entered for that day; only then.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Where VAT on a lost claim is taken back.
#[derive(Debug, Serialize, ToSchema)]
pub struct VatRefundRuleView {
    /// Its id.
    pub id: VatRefundRuleId,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Its first day.
    pub valid_from: NaiveDate,
    /// Of the rows of a day the highest counts.
    pub n: i32,
    /// The box of the return.
    pub return_box: String,
    /// Until the end of the so many-th year after that of the proof.
    pub deadline_years: i32,
    /// Which law.
    pub source: String,
    /// From this day on there may be a newer one.
    pub needs_review_on: NaiveDate,
    /// Why it takes the place of another.
    pub reason: Option<String>,
    /// Who entered it; nobody for what came with the program.
    pub entered_by: Option<PersonId>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<RefundRuleRow> for VatRefundRuleView {
    fn from(row: RefundRuleRow) -> Self {
        Self {
            id: row.id,
            country: row.country,
            valid_from: row.valid_from,
            n: row.n,
            return_box: row.return_box,
            deadline_years: row.deadline_years,
            source: row.source,
            needs_review_on: row.needs_review_on,
            reason: row.reason,
            entered_by: row.entered_by,
            created_at: row.created_at,
        }
    }
}

/// Enters where VAT on a lost claim is taken back. Dossiers that were made keep theirs.
#[utoipa::path(tag = "collection", request_body = AddVatRefundRule, responses((status = 201, body = VatRefundRuleView)),
    extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/vat_refund_rules")]
async fn add_vat_refund_rule(
    who: Administrator,
    db: Data<Db>,
    command: Command<AddVatRefundRule>,
) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "add_vat_refund_rule", "/v1/vat_refund_rules", |tx, body| {
            let new = NewRefundRule {
                id: body.id,
                country: body.country,
                valid_from: body.valid_from,
                return_box: body.return_box,
                deadline_years: body.deadline_years,
                source: body.source,
                needs_review_on: body.needs_review_on,
                reason: body.reason,
            };
            bad_debt::add_refund_rule(tx, &new).map(VatRefundRuleView::from)
        })
        .await
}

/// Lists where VAT on lost claims is taken back, the last day first.
#[utoipa::path(tag = "collection", responses((status = 200, body = Vec<VatRefundRuleView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/vat_refund_rules")]
async fn list_vat_refund_rules(who: Desk, db: Data<Db>) -> Result<Json<Vec<VatRefundRuleView>>> {
    let rows = db.write(who.into(), bad_debt::refund_rules).await?;
    Ok(Json(rows.into_iter().map(VatRefundRuleView::from).collect()))
}
