//! The counter for how an entity pursues its clients, and how doubtful late invoices are.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::laws::{eur, minor};
use crate::access::{Administrator, Desk};
use crate::collection::laws::{self, NewTrack, TrackRow};
use crate::collection::provision::{self, Bucket, MatrixRow, NewMatrix};
use crate::collection::{Step, StepKind, TrackKind};
use crate::kernel::ids::{EntityId, PersonId, ProvisionMatrixId, TrackId};
use crate::kernel::money::{Minor, Money, Ppm};
use crate::kernel::refusal::Checks;
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::web::Command;

crate::endpoints!(add_collection_track, list_collection_tracks, add_provision_matrix, list_provision_matrices);

/// A step of a track.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackStepView {
    /// What it does: reminders first, then one formal demand, then the agency.
    pub kind: StepKind,
    /// Days after the last day to pay, or after the step before: at least 15 between two steps.
    #[schema(minimum = 1, maximum = 365)]
    pub after_days: u32,
    /// Whether a person posts the letter too.
    #[serde(default)]
    pub posted: bool,
    /// What the client pays for a reminder.
    #[serde(default)]
    pub cost: Option<Money>,
    /// And for its stamp.
    #[serde(default)]
    pub postage: Option<Money>,
    /// How long a formal demand leaves to pay.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 60)]
    pub pay_days: Option<u32>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddCollectionTrack {
    /// Made by the sender.
    id: TrackId,
    /// For which kind of client.
    track: TrackKind,
    /// From this day on. What has begun goes on as it began.
    valid_from: NaiveDate,
    /// Whether interest is claimed.
    claims_interest: bool,
    /// Whether the fixed compensation is: of consumers only when the contract says so.
    claims_compensation: bool,
    /// How many days a member has to answer before a formal demand.
    #[schema(minimum = 1, maximum = 30)]
    question_days: i32,
    /// For how long a member may put it off at most.
    #[schema(minimum = 1, maximum = 180)]
    wait_max_days: i32,
    /// In order.
    #[schema(min_items = 1, max_items = 9)]
    steps: Vec<TrackStepView>,
    /// Who decided it, on which terms.
    #[schema(max_length = 400)]
    source: String,
    /// Why it takes the place of one for that day; only then.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// How an entity pursues one kind of client.
#[derive(Debug, Serialize, ToSchema)]
pub struct CollectionTrackView {
    /// Its id.
    pub id: TrackId,
    /// Whose.
    pub entity_id: EntityId,
    /// For which kind of client.
    pub track: TrackKind,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Of the rows of a day the highest counts.
    pub n: i32,
    /// Whether interest is claimed.
    pub claims_interest: bool,
    /// Whether the fixed compensation is.
    pub claims_compensation: bool,
    /// How many days a member has to answer.
    pub question_days: i32,
    /// For how long a member may put it off.
    pub wait_max_days: i32,
    /// In order.
    pub steps: Vec<TrackStepView>,
    /// Who decided it.
    pub source: String,
    /// Why it takes the place of another.
    pub reason: Option<String>,
    /// Who entered it.
    pub decided_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<(TrackRow, Vec<Step>)> for CollectionTrackView {
    fn from((row, steps): (TrackRow, Vec<Step>)) -> Self {
        let step = |step: Step| TrackStepView {
            kind: step.kind,
            after_days: step.after_days,
            posted: step.is_posted,
            cost: Some(eur(step.cost)),
            postage: Some(eur(step.postage)),
            pay_days: step.pay_days,
        };
        Self {
            id: row.id,
            entity_id: row.entity_id,
            track: row.track,
            valid_from: row.valid_from,
            n: row.n,
            claims_interest: row.claims_interest,
            claims_compensation: row.claims_compensation,
            question_days: row.question_days,
            wait_max_days: row.wait_max_days,
            steps: steps.into_iter().map(step).collect(),
            source: row.source,
            reason: row.reason,
            decided_by: row.decided_by,
            created_at: row.created_at,
        }
    }
}

impl AddCollectionTrack {
    fn read(self, entity: EntityId) -> Result<NewTrack> {
        let mut checks = Checks::default();
        let mut steps = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let amount = |money: Option<Money>, field: &str, checks: &mut Checks| {
                money.map_or(Minor::ZERO, |money| minor(money, &format!("/steps/{index}/{field}"), checks))
            };
            steps.push(Step {
                kind: step.kind,
                after_days: step.after_days,
                is_posted: step.posted,
                cost: amount(step.cost, "cost", &mut checks),
                postage: amount(step.postage, "postage", &mut checks),
                pay_days: step.pay_days,
            });
        }
        checks.done()?;
        Ok(NewTrack {
            id: self.id,
            entity,
            track: self.track,
            valid_from: self.valid_from,
            claims_interest: self.claims_interest,
            claims_compensation: self.claims_compensation,
            question_days: self.question_days,
            wait_max_days: self.wait_max_days,
            steps,
            source: self.source,
            reason: self.reason,
        })
    }
}

/// Decides how clients of a kind are pursued from a day on. Without a track nothing is sent by itself.
#[utoipa::path(tag = "collection", params(("id" = EntityId, Path)), request_body = AddCollectionTrack,
    responses((status = 201, body = CollectionTrackView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/collection_tracks")]
async fn add_collection_track(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<AddCollectionTrack>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    let place = format!("/v1/entities/{entity}/collection_tracks");
    command
        .create(&db, who.into(), "add_collection_track", &place, move |tx, body| {
            laws::add_track(tx, &body.read(entity)?).map(CollectionTrackView::from)
        })
        .await
}

/// Lists the tracks of an entity, the last day first.
#[utoipa::path(tag = "collection", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<CollectionTrackView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/collection_tracks")]
async fn list_collection_tracks(who: Desk, db: Data<Db>, id: Path<EntityId>) -> Result<Json<Vec<CollectionTrackView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| laws::tracks(tx, id)).await?;
    Ok(Json(rows.into_iter().map(CollectionTrackView::from).collect()))
}

/// From so many days late on, which share is doubtful.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BucketView {
    /// Days after the last day to pay.
    #[schema(minimum = 0, maximum = 3650)]
    pub from_days: i32,
    /// The share, as a fraction.
    #[schema(max_length = 16, example = "0.25")]
    pub rate: String,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddProvisionMatrix {
    /// Made by the sender.
    id: ProvisionMatrixId,
    /// From this day on.
    valid_from: NaiveDate,
    /// Its ages, youngest first.
    #[schema(min_items = 1, max_items = 20)]
    buckets: Vec<BucketView>,
    /// Who decided it, on which experience.
    #[schema(max_length = 400)]
    source: String,
    /// Why it takes the place of one for that day; only then.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// How doubtful late invoices are, from a day on.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProvisionMatrixView {
    /// Its id.
    pub id: ProvisionMatrixId,
    /// Whose.
    pub entity_id: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Of the rows of a day the highest counts.
    pub n: i32,
    /// Its ages, youngest first.
    pub buckets: Vec<BucketView>,
    /// Who decided it.
    pub source: String,
    /// Why it takes the place of another.
    pub reason: Option<String>,
    /// Who entered it.
    pub decided_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<(MatrixRow, Vec<Bucket>)> for ProvisionMatrixView {
    fn from((row, buckets): (MatrixRow, Vec<Bucket>)) -> Self {
        let bucket = |it: Bucket| BucketView { from_days: it.from_days, rate: it.rate.to_fraction() };
        Self {
            id: row.id,
            entity_id: row.entity_id,
            valid_from: row.valid_from,
            n: row.n,
            buckets: buckets.into_iter().map(bucket).collect(),
            source: row.source,
            reason: row.reason,
            decided_by: row.decided_by,
            created_at: row.created_at,
        }
    }
}

/// Decides how doubtful late invoices are from a day on. Months that are closed keep what they booked.
#[utoipa::path(tag = "collection", params(("id" = EntityId, Path)), request_body = AddProvisionMatrix,
    responses((status = 201, body = ProvisionMatrixView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/entities/{id}/provision_matrices")]
async fn add_provision_matrix(
    who: Administrator,
    db: Data<Db>,
    id: Path<EntityId>,
    command: Command<AddProvisionMatrix>,
) -> Result<HttpResponse> {
    let entity = id.into_inner();
    let place = format!("/v1/entities/{entity}/provision_matrices");
    command
        .create(&db, who.into(), "add_provision_matrix", &place, move |tx, body| {
            let mut buckets = Vec::new();
            for (index, bucket) in body.buckets.iter().enumerate() {
                let rate = Ppm::from_fraction(&bucket.rate);
                let rate = rate.ok_or_else(|| Error::field(format!("/buckets/{index}/rate"), "invalid"))?;
                buckets.push(Bucket { from_days: bucket.from_days, rate });
            }
            let (id, valid_from) = (body.id, body.valid_from);
            let new = NewMatrix { id, entity, valid_from, buckets, source: body.source, reason: body.reason };
            provision::add_matrix(tx, &new).map(ProvisionMatrixView::from)
        })
        .await
}

/// Lists the matrices of an entity, the last day first.
#[utoipa::path(tag = "collection", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<ProvisionMatrixView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/provision_matrices")]
async fn list_provision_matrices(
    who: Desk,
    db: Data<Db>,
    id: Path<EntityId>,
) -> Result<Json<Vec<ProvisionMatrixView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| provision::matrices(tx, id)).await?;
    Ok(Json(rows.into_iter().map(ProvisionMatrixView::from).collect()))
}
