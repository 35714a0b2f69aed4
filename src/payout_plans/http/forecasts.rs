//! The counter for forecasts.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{self, MemberOrDesk};
use crate::kernel::ids::{ActivityId, EntityId, InvoiceId, PersonId};
use crate::kernel::language::Language;
use crate::kernel::money::{Minor, Money, Ppm};
use crate::payout_plans::forecasts::{self, OfActivity, OfInvoice, OfMember};
use crate::payout_plans::rules::forecast::{Accuracy, Block, MustAct, NextName, StepName};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::i18n;

/// What keeps money from going on.
#[derive(Debug, Serialize, ToSchema)]
struct BlockView {
    /// Which.
    reason: Block,
    /// Who must act: `member`, `client`, `staff` or `bank`; nobody when nothing more comes.
    #[schema(inline)]
    who: Option<MustAct>,
    /// What it means, in the reader's language.
    text: &'static str,
    /// What can be done, in the reader's language.
    action: &'static str,
}

impl BlockView {
    fn new(block: Block, language: Language) -> Self {
        let (text, action) = i18n::forecast(language, block.name());
        Self { reason: block, who: block.who(), text, action }
    }
}

/// What happens next.
#[derive(Debug, Serialize, ToSchema)]
struct NextStepView {
    /// `issued`, `available`, `payout_scheduled` or `on_my_account`.
    step: NextName,
    /// When that is likely; unknown while somebody must act first.
    on: Option<NaiveDate>,
}

/// A step of an invoice on its way to an account.
#[derive(Debug, Serialize, ToSchema)]
struct ForecastStepView {
    /// Which.
    step: StepName,
    /// When it happened.
    done_on: Option<NaiveDate>,
    /// When it is likely.
    expected_on: Option<NaiveDate>,
}

/// When the money of an invoice arrives.
#[derive(Debug, Serialize, ToSchema)]
struct InvoiceForecastView {
    /// The invoice.
    invoice_id: InvoiceId,
    /// Its activity.
    activity_id: ActivityId,
    /// If everybody acts at once.
    earliest_on: Option<NaiveDate>,
    /// By what is usual for this office, this client, and the plan.
    likely_on: Option<NaiveDate>,
    /// What keeps it from going on.
    #[schema(inline)]
    blocked_by: Option<BlockView>,
    /// What happens next; nothing once the money has arrived.
    #[schema(inline)]
    next: Option<NextStepView>,
    /// Its seven steps.
    steps: Vec<ForecastStepView>,
}

impl InvoiceForecastView {
    fn new(it: OfInvoice, language: Language) -> Self {
        let step = |step: crate::payout_plans::rules::forecast::Step| ForecastStepView {
            step: step.name,
            done_on: step.done_on,
            expected_on: step.expected_on,
        };
        Self {
            invoice_id: it.invoice,
            activity_id: it.activity,
            earliest_on: it.forecast.earliest,
            likely_on: it.forecast.likely,
            blocked_by: it.forecast.block.map(|block| BlockView::new(block, language)),
            next: it.forecast.next.map(|(step, on)| NextStepView { step, on }),
            steps: it.forecast.steps.into_iter().map(step).collect(),
        }
    }
}

/// When an activity pays out next.
#[derive(Debug, Serialize, ToSchema)]
struct ActivityForecastView {
    /// The activity.
    activity_id: ActivityId,
    /// What is there.
    available: Money,
    /// The next logical date of its plan.
    next_on: Option<NaiveDate>,
    /// The open day on which its money leaves.
    value_on: Option<NaiveDate>,
    /// When it is set aside.
    due_at: Option<DateTime<Utc>>,
    /// What keeps what is there from going on.
    #[schema(inline)]
    blocked_by: Option<BlockView>,
}

impl ActivityForecastView {
    fn new(it: OfActivity, language: Language) -> Self {
        Self {
            activity_id: it.activity,
            available: it.available,
            next_on: it.next.map(|next| next.logical_on),
            value_on: it.next.map(|next| next.value_on),
            due_at: it.next.map(|next| next.due_at),
            blocked_by: it.block.map(|block| BlockView::new(block, language)),
        }
    }
}

/// What a member can expect.
#[derive(Debug, Serialize, ToSchema)]
struct MemberForecastView {
    /// Invoices whose money is not available, newest first, fifty at most.
    invoices: Vec<InvoiceForecastView>,
    /// Activities, newest first, fifty at most.
    activities: Vec<ActivityForecastView>,
}

impl MemberForecastView {
    fn new(it: OfMember, language: Language) -> Self {
        Self {
            invoices: it.invoices.into_iter().map(|one| InvoiceForecastView::new(one, language)).collect(),
            activities: it.activities.into_iter().map(|one| ActivityForecastView::new(one, language)).collect(),
        }
    }
}

/// Tells when the money of an invoice arrives, what blocks it, who must act, and its seven steps. What is said is kept
/// once a day, and its error is published.
#[utoipa::path(tag = "forecasts", params(("id" = InvoiceId, Path)), responses((status = 200, body = InvoiceForecastView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/invoices/{id}/forecast")]
pub(super) async fn forecast_invoice(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<InvoiceId>,
) -> Result<Json<InvoiceForecastView>> {
    let (id, reader) = (id.into_inner(), who.person());
    let view = db
        .write(who.into(), move |tx| {
            let language = access::person(tx, reader)?.language;
            Ok(InvoiceForecastView::new(forecasts::of_invoice(tx, id)?, language))
        })
        .await?;
    Ok(Json(view))
}

/// Tells what a member can expect of their invoices and activities.
#[utoipa::path(tag = "forecasts", params(("id" = PersonId, Path)), responses((status = 200, body = MemberForecastView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/members/{id}/forecast")]
pub(super) async fn forecast_member(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<PersonId>,
) -> Result<Json<MemberForecastView>> {
    let (id, reader) = (id.into_inner(), who.person());
    let view = db
        .write(who.into(), move |tx| {
            let language = access::person(tx, reader)?.language;
            Ok(MemberForecastView::new(forecasts::of_member(tx, id)?, language))
        })
        .await?;
    Ok(Json(view))
}

/// Tells what an activity can expect.
#[utoipa::path(tag = "forecasts", params(("id" = ActivityId, Path)), responses((status = 200, body = MemberForecastView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}/forecast")]
pub(super) async fn forecast_activity(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<ActivityId>,
) -> Result<Json<MemberForecastView>> {
    let (id, reader) = (id.into_inner(), who.person());
    let view = db
        .write(who.into(), move |tx| {
            let language = access::person(tx, reader)?.language;
            Ok(MemberForecastView::new(forecasts::of_activity(tx, id)?, language))
        })
        .await?;
    Ok(Json(view))
}

/// How often what was said came true.
#[derive(Debug, Serialize, ToSchema)]
struct ForecastAccuracyView {
    /// Of which entity.
    entity_id: EntityId,
    /// Forecasts made since this day.
    since: NaiveDate,
    /// Of how many the money has arrived.
    forecasts: i64,
    /// Of them, those within one bank day of what was likely.
    within_one_bank_day: i64,
    /// Their share, as a decimal fraction; none before the first.
    share: Option<String>,
    /// Of them, those that came more than three bank days later.
    more_than_three_days_late: i64,
}

impl ForecastAccuracyView {
    fn new((entity_id, since, of): (EntityId, NaiveDate, Accuracy)) -> Result<Self> {
        let share = (of.forecasts > 0)
            .then(|| {
                crate::kernel::money::split(
                    Minor::new(1_000_000),
                    &[weight(of.within_one), weight(of.forecasts.saturating_sub(of.within_one))],
                )
            })
            .transpose()?
            .and_then(|parts| parts.first().map(|part| Ppm(part.get()).to_fraction()));
        Ok(Self {
            entity_id,
            since,
            forecasts: of.forecasts,
            within_one_bank_day: of.within_one,
            share,
            more_than_three_days_late: of.late,
        })
    }
}

fn weight(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// Tells how often forecasts of the last year came true, for each entity.
#[utoipa::path(tag = "forecasts", responses((status = 200, body = Vec<ForecastAccuracyView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/forecast_accuracy")]
pub(super) async fn show_forecast_accuracy(who: MemberOrDesk, db: Data<Db>) -> Result<Json<Vec<ForecastAccuracyView>>> {
    let found = db.write(who.into(), forecasts::accuracy).await?;
    Ok(Json(found.into_iter().map(ForecastAccuracyView::new).collect::<Result<_>>()?))
}
