//! The SQL of what the law says and of the tracks of a mutual.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::dsl::max;
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Jsonb;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use umbel_schema::{collection_law, collection_law_band, collection_step, collection_track, late_interest_rate};

use crate::collection::laws::{NewLaw, NewRate, NewTrack};
use crate::collection::rules::{InterestStart, Law, Step, StepKind, TrackKind};
use crate::kernel::ids::{CollectionLawId, EntityId, LateRateId, PersonId, TrackId};
use crate::kernel::interest::{Band, DatedRate};
use crate::kernel::language::Language;
use crate::kernel::money::{Minor, Ppm};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// How a letter names a law, by the language of who reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, AsExpression, FromSqlRow, utoipa::ToSchema)]
#[diesel(sql_type = Jsonb)]
#[serde(deny_unknown_fields, default)]
pub struct Citations {
    /// In French.
    #[schema(max_length = 400)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fr: Option<String>,
    /// In Dutch.
    #[schema(max_length = 400)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nl: Option<String>,
    /// In English.
    #[schema(max_length = 400)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
    /// In German.
    #[schema(max_length = 400)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub de: Option<String>,
}

impl Citations {
    /// How it is named in a language, if that was said.
    #[must_use]
    pub fn in_language(&self, language: Language) -> Option<&str> {
        match language {
            Language::Fr => self.fr.as_deref(),
            Language::Nl => self.nl.as_deref(),
            Language::En => self.en.as_deref(),
            Language::De => self.de.as_deref(),
        }
    }
}

impl FromSql<Jsonb, Pg> for Citations {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let value = <Value as FromSql<Jsonb, Pg>>::from_sql(value)?;
        Ok(serde_json::from_value(value)?)
    }
}

impl ToSql<Jsonb, Pg> for Citations {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let value = serde_json::to_value(self)?;
        <Value as ToSql<Jsonb, Pg>>::to_sql(&value, &mut out.reborrow())
    }
}

/// A statutory interest rate.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = late_interest_rate, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct RateRow {
    pub id: LateRateId,
    pub country: String,
    pub track: TrackKind,
    pub valid_from: NaiveDate,
    pub n: i32,
    pub rate_ppm: i64,
    pub source: String,
    pub citations: Citations,
    pub needs_review_on: NaiveDate,
    pub reason: Option<String>,
    pub entered_by: Option<PersonId>,
    pub created_at: DateTime<Utc>,
}

/// What the law says beside the rate.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = collection_law, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct LawRow {
    pub id: CollectionLawId,
    pub country: String,
    pub track: TrackKind,
    pub valid_from: NaiveDate,
    pub n: i32,
    pub interest_starts: InterestStart,
    pub is_first_reminder_free: bool,
    pub grace_days: i32,
    pub post_working_days: i32,
    pub reminder_cost_max_minor: Option<Minor>,
    pub source: String,
    pub citations: Citations,
    pub needs_review_on: NaiveDate,
    pub reason: Option<String>,
    pub entered_by: Option<PersonId>,
    pub created_at: DateTime<Utc>,
}

/// How an entity pursues one kind of client.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = collection_track, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the fields are those of the view")]
pub struct TrackRow {
    pub id: TrackId,
    pub entity_id: EntityId,
    pub track: TrackKind,
    pub valid_from: NaiveDate,
    pub n: i32,
    pub claims_interest: bool,
    pub claims_compensation: bool,
    pub question_days: i32,
    pub wait_max_days: i32,
    pub source: String,
    pub reason: Option<String>,
    pub decided_by: PersonId,
    pub created_at: DateTime<Utc>,
}

/// The rates of a country for one kind of debtor, those that count, oldest first.
pub(in crate::collection) fn rates_of(tx: &mut Tx<'_>, country: &str, track: TrackKind) -> Result<Vec<DatedRate>> {
    let rows: Vec<(NaiveDate, i64, NaiveDate)> = late_interest_rate::table
        .filter(late_interest_rate::country.eq(country))
        .filter(late_interest_rate::track.eq(track))
        .distinct_on(late_interest_rate::valid_from)
        .order((late_interest_rate::valid_from.asc(), late_interest_rate::n.desc()))
        .select((late_interest_rate::valid_from, late_interest_rate::rate_ppm, late_interest_rate::needs_review_on))
        .load(tx.conn())?;
    Ok(rows
        .into_iter()
        .map(|(from, ppm, needs_review_on)| DatedRate { from, rate: Ppm(ppm), needs_review_on })
        .collect())
}

/// How many rows there are for a day.
fn rate_count(tx: &mut Tx<'_>, new: &NewRate) -> Result<i32> {
    let n: Option<i32> = late_interest_rate::table
        .filter(late_interest_rate::country.eq(&new.country))
        .filter(late_interest_rate::track.eq(new.track))
        .filter(late_interest_rate::valid_from.eq(new.valid_from))
        .select(max(late_interest_rate::n))
        .first(tx.conn())?;
    Ok(n.unwrap_or_default())
}

/// Keeps a rate; `reason` is there if and only if it takes the place of another.
pub(in crate::collection) fn insert_rate(tx: &mut Tx<'_>, new: &NewRate, rate: Ppm, by: PersonId) -> Result<RateRow> {
    let before = rate_count(tx, new)?;
    super::check_reason(before, new.reason.as_deref())?;
    Ok(diesel::insert_into(late_interest_rate::table)
        .values((
            late_interest_rate::id.eq(new.id),
            late_interest_rate::country.eq(&new.country),
            late_interest_rate::track.eq(new.track),
            late_interest_rate::valid_from.eq(new.valid_from),
            late_interest_rate::n.eq(before.saturating_add(1)),
            late_interest_rate::rate_ppm.eq(rate.0),
            late_interest_rate::source.eq(new.source.trim()),
            late_interest_rate::citations.eq(&new.citations),
            late_interest_rate::needs_review_on.eq(new.needs_review_on),
            late_interest_rate::reason.eq(new.reason.as_deref()),
            late_interest_rate::entered_by.eq(by),
        ))
        .returning(RateRow::as_returning())
        .get_result(tx.conn())?)
}

/// All rates, the last day first.
pub(in crate::collection) fn list_rates(tx: &mut Tx<'_>, country: Option<&str>) -> Result<Vec<RateRow>> {
    let mut query = late_interest_rate::table
        .order((
            late_interest_rate::country.asc(),
            late_interest_rate::track.asc(),
            late_interest_rate::valid_from.desc(),
            late_interest_rate::n.desc(),
        ))
        .select(RateRow::as_select())
        .into_boxed();
    if let Some(country) = country {
        query = query.filter(late_interest_rate::country.eq(country));
    }
    Ok(query.load(tx.conn())?)
}

/// What the law of a country says on a day.
pub(in crate::collection) fn law_on(
    tx: &mut Tx<'_>,
    country: &str,
    track: TrackKind,
    on: NaiveDate,
) -> Result<Option<LawRow>> {
    Ok(collection_law::table
        .filter(collection_law::country.eq(country))
        .filter(collection_law::track.eq(track))
        .filter(collection_law::valid_from.le(on))
        .order((collection_law::valid_from.desc(), collection_law::n.desc()))
        .select(LawRow::as_select())
        .first(tx.conn())
        .optional()?)
}

/// The bands of a law, lowest first.
pub(in crate::collection) fn bands_of(tx: &mut Tx<'_>, law: CollectionLawId) -> Result<Vec<Band>> {
    let rows: Vec<(Minor, Minor, i64, Option<Minor>)> = collection_law_band::table
        .filter(collection_law_band::law_id.eq(law))
        .order(collection_law_band::above_minor.asc())
        .select((
            collection_law_band::above_minor,
            collection_law_band::fixed_minor,
            collection_law_band::rate_ppm,
            collection_law_band::most_minor,
        ))
        .load(tx.conn())?;
    Ok(rows.into_iter().map(|(above, fixed, ppm, most)| Band { above, fixed, rate: Ppm(ppm), most }).collect())
}

/// Keeps what the law says, with its bands.
pub(in crate::collection) fn insert_law(tx: &mut Tx<'_>, new: &NewLaw, by: PersonId) -> Result<LawRow> {
    let n: Option<i32> = collection_law::table
        .filter(collection_law::country.eq(&new.country))
        .filter(collection_law::track.eq(new.track))
        .filter(collection_law::valid_from.eq(new.valid_from))
        .select(max(collection_law::n))
        .first(tx.conn())?;
    let before = n.unwrap_or_default();
    super::check_reason(before, new.reason.as_deref())?;
    let days = |days: u32| i32::try_from(days).map_err(Error::internal);
    let row = diesel::insert_into(collection_law::table)
        .values((
            (
                collection_law::id.eq(new.id),
                collection_law::country.eq(&new.country),
                collection_law::track.eq(new.track),
                collection_law::valid_from.eq(new.valid_from),
                collection_law::n.eq(before.saturating_add(1)),
                collection_law::interest_starts.eq(new.law.interest_starts),
                collection_law::is_first_reminder_free.eq(new.law.is_first_reminder_free),
            ),
            (
                collection_law::grace_days.eq(days(new.law.grace_days)?),
                collection_law::post_working_days.eq(days(new.law.post_working_days)?),
                collection_law::reminder_cost_max_minor.eq(new.law.reminder_cost_max),
                collection_law::source.eq(new.source.trim()),
                collection_law::citations.eq(&new.citations),
                collection_law::needs_review_on.eq(new.needs_review_on),
                collection_law::reason.eq(new.reason.as_deref()),
                collection_law::entered_by.eq(by),
            ),
        ))
        .returning(LawRow::as_returning())
        .get_result(tx.conn())?;
    for band in &new.law.bands {
        diesel::insert_into(collection_law_band::table)
            .values((
                collection_law_band::law_id.eq(new.id),
                collection_law_band::above_minor.eq(band.above),
                collection_law_band::fixed_minor.eq(band.fixed),
                collection_law_band::rate_ppm.eq(band.rate.0),
                collection_law_band::most_minor.eq(band.most),
            ))
            .execute(tx.conn())?;
    }
    Ok(row)
}

/// All that the law says, the last day first.
pub(in crate::collection) fn list_laws(tx: &mut Tx<'_>, country: Option<&str>) -> Result<Vec<LawRow>> {
    let mut query = collection_law::table
        .order((
            collection_law::country.asc(),
            collection_law::track.asc(),
            collection_law::valid_from.desc(),
            collection_law::n.desc(),
        ))
        .select(LawRow::as_select())
        .into_boxed();
    if let Some(country) = country {
        query = query.filter(collection_law::country.eq(country));
    }
    Ok(query.load(tx.conn())?)
}

impl LawRow {
    /// As what steps are checked and claims computed by.
    ///
    /// # Errors
    /// None: the table keeps what was checked.
    pub fn law(&self, bands: Vec<Band>) -> Result<Law> {
        let days = |days: i32| u32::try_from(days).map_err(Error::internal);
        Ok(Law {
            interest_starts: self.interest_starts,
            is_first_reminder_free: self.is_first_reminder_free,
            grace_days: days(self.grace_days)?,
            post_working_days: days(self.post_working_days)?,
            reminder_cost_max: self.reminder_cost_max_minor,
            bands,
        })
    }
}

/// Keeps a track with its steps.
pub(in crate::collection) fn insert_track(tx: &mut Tx<'_>, new: &NewTrack, by: PersonId) -> Result<TrackRow> {
    let n: Option<i32> = collection_track::table
        .filter(collection_track::entity_id.eq(new.entity))
        .filter(collection_track::track.eq(new.track))
        .filter(collection_track::valid_from.eq(new.valid_from))
        .select(max(collection_track::n))
        .first(tx.conn())?;
    let before = n.unwrap_or_default();
    super::check_reason(before, new.reason.as_deref())?;
    let row = diesel::insert_into(collection_track::table)
        .values((
            (
                collection_track::id.eq(new.id),
                collection_track::entity_id.eq(new.entity),
                collection_track::track.eq(new.track),
                collection_track::valid_from.eq(new.valid_from),
                collection_track::n.eq(before.saturating_add(1)),
                collection_track::claims_interest.eq(new.claims_interest),
            ),
            (
                collection_track::claims_compensation.eq(new.claims_compensation),
                collection_track::question_days.eq(new.question_days),
                collection_track::wait_max_days.eq(new.wait_max_days),
                collection_track::source.eq(new.source.trim()),
                collection_track::reason.eq(new.reason.as_deref()),
                collection_track::decided_by.eq(by),
            ),
        ))
        .returning(TrackRow::as_returning())
        .get_result(tx.conn())?;
    for (n, step) in (1_i32..).zip(&new.steps) {
        let days = |days: u32| i32::try_from(days).map_err(Error::internal);
        diesel::insert_into(collection_step::table)
            .values((
                collection_step::track_id.eq(new.id),
                collection_step::n.eq(n),
                collection_step::kind.eq(step.kind),
                collection_step::after_days.eq(days(step.after_days)?),
                collection_step::is_posted.eq(step.is_posted),
                collection_step::cost_minor.eq(step.cost),
                collection_step::postage_minor.eq(step.postage),
                collection_step::pay_days.eq(step.pay_days.map(days).transpose()?),
            ))
            .execute(tx.conn())?;
    }
    Ok(row)
}

/// The track that an entity begins with on a day.
pub(in crate::collection) fn track_on(
    tx: &mut Tx<'_>,
    entity: EntityId,
    track: TrackKind,
    on: NaiveDate,
) -> Result<Option<TrackRow>> {
    Ok(collection_track::table
        .filter(collection_track::entity_id.eq(entity))
        .filter(collection_track::track.eq(track))
        .filter(collection_track::valid_from.le(on))
        .order((collection_track::valid_from.desc(), collection_track::n.desc()))
        .select(TrackRow::as_select())
        .first(tx.conn())
        .optional()?)
}

/// A track.
pub(in crate::collection) fn find_track(tx: &mut Tx<'_>, id: TrackId) -> Result<TrackRow> {
    Ok(collection_track::table.find(id).select(TrackRow::as_select()).first(tx.conn())?)
}

/// The tracks of an entity, the last day first.
pub(in crate::collection) fn list_tracks(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<TrackRow>> {
    Ok(collection_track::table
        .filter(collection_track::entity_id.eq(entity))
        .order((collection_track::track.asc(), collection_track::valid_from.desc(), collection_track::n.desc()))
        .select(TrackRow::as_select())
        .load(tx.conn())?)
}

/// The steps of a track, in order.
pub(in crate::collection) fn steps_of(tx: &mut Tx<'_>, id: TrackId) -> Result<Vec<Step>> {
    type Row = (StepKind, i32, bool, Minor, Minor, Option<i32>);
    let rows: Vec<Row> = collection_step::table
        .filter(collection_step::track_id.eq(id))
        .order(collection_step::n.asc())
        .select((
            collection_step::kind,
            collection_step::after_days,
            collection_step::is_posted,
            collection_step::cost_minor,
            collection_step::postage_minor,
            collection_step::pay_days,
        ))
        .load(tx.conn())?;
    let days = |days: i32| u32::try_from(days).map_err(Error::internal);
    rows.into_iter()
        .map(|(kind, after, is_posted, cost, postage, pay_days)| {
            let (after_days, pay_days) = (days(after)?, pay_days.map(days).transpose()?);
            Ok(Step { kind, after_days, is_posted, cost, postage, pay_days })
        })
        .collect()
}
